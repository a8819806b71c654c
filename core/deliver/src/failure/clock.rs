//! Formats times of a journal in the time zone of the job.

use jiff::{Timestamp, Zoned, tz::TimeZone};
use retrocast_domain::window::date_in_words;
use retrocast_run::Plan;

/// The time zone of the job.
pub(super) struct Zone {
    zone: TimeZone,
    name: String,
}

impl Zone {
    pub(super) fn of_plan(plan: &Plan) -> Self {
        let name = plan.window.timezone.as_str();
        match TimeZone::get(name) {
            Ok(zone) => Self {
                zone,
                name: name.to_string(),
            },
            Err(_) => Self {
                zone: TimeZone::UTC,
                name: "UTC".to_string(),
            },
        }
    }

    fn local(&self, time: Timestamp) -> Zoned {
        time.to_zoned(self.zone.clone())
    }

    /// Formats a time of day: "09:01:07".
    pub(super) fn time_of_day(&self, time: Timestamp) -> String {
        self.local(time).strftime("%H:%M:%S").to_string()
    }

    /// Formats a date and time: "on 16 November 2026 at 09:01 (Europe/London)".
    pub(super) fn date_and_time(&self, time: Timestamp) -> String {
        let time = self.local(time);
        format!(
            "on {} at {} ({})",
            date_in_words(time.date()),
            time.strftime("%H:%M"),
            self.name
        )
    }
}
