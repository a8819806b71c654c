//! Parses the `[schedule]` section of a job file: due times and the handling of failures.

use super::{
    checker::{Checker, parse_duration},
    document::SpannedValue,
    size::{self, SIZE_HELP},
};
use crate::schedule::Calendar;
use schemars::JsonSchema;
use std::time::Duration;

/// Default waits before retries of a due time.
pub const DEFAULT_RETRY: [&str; 3] = ["1 hour", "4 hours", "24 hours"];
/// Default maximum number of missed runs to catch up.
pub const DEFAULT_CATCH_UP_MAX: u32 = 10;
/// Default number of failures before an alert; at most the number of attempts on a due time.
pub const DEFAULT_ALERT_AFTER: u32 = 3;

/// Schedule of the job.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Cron expression with five fields, in the job's time zone.
    pub cron: String,
    /// Missed runs to catch up.
    pub missed: Missed,
    /// Maximum number of missed runs to catch up, with `Missed::All`.
    pub catch_up_max: u32,
    /// Waits before each further attempt on a due time.
    pub retry: Vec<Duration>,
    /// Mail address for alerts about failures; empty for none.
    pub admin: String,
    /// Number of failed attempts, on a due time or in a row, before an alert is sent.
    pub alert_after: u32,
    /// Conditions that must hold before a run starts.
    pub only_if: OnlyIf,
}

impl Schedule {
    /// Maximum number of attempts on a due time.
    pub fn max_attempts(&self) -> u32 {
        self.retry.len() as u32 + 1
    }
}

/// Missed runs to catch up.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// No missed run.
    None,
    /// The latest missed run.
    #[default]
    Latest,
    /// All missed runs, up to `most`.
    All,
}

/// Conditions that must hold before a run starts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OnlyIf {
    /// Maximum load of the last minute per processor.
    pub load_below: Option<f64>,
    /// Minimum free space on the disks of lake and archive, in bytes.
    pub free_disk: Option<u64>,
    /// Minimum free memory, in bytes.
    pub free_memory: Option<u64>,
    /// Maximum age of the newest file of each required source at the due time.
    pub fresh_within: Option<Duration>,
}

const DURATION_HELP: &str =
    "use a duration such as \"90 s\" or \"10 minutes\"; a day is \"24 hours\"";

impl Checker<'_> {
    pub(super) fn parse_schedule(
        &mut self,
        document: &SpannedValue,
        timezone: &str,
    ) -> Option<Schedule> {
        let table = document.get("schedule")?;
        let item = table.get("cron")?;
        let cron = item.text()?;
        self.check_cron(cron, timezone, item);
        let missed = table.get("missed").map(SpannedValue::json);
        let missed: Missed = missed
            .and_then(|value| serde_json::from_value(value).ok())
            .unwrap_or_default();
        let number = |key: &str, default: u32| {
            let number = table.get(key).and_then(|item| item.json().as_u64());
            number.map_or(default, |number| number as u32)
        };
        let retry = self.parse_retry(table);
        let schedule = Schedule {
            cron: cron.to_string(),
            missed,
            catch_up_max: number("most", DEFAULT_CATCH_UP_MAX),
            admin: self.parse_admin(table),
            alert_after: number(
                "tell_after",
                DEFAULT_ALERT_AFTER.min(retry.len() as u32 + 1),
            ),
            retry,
            only_if: self.parse_only_if(table),
        };
        self.warn_of_ineffective_keys(table, &schedule);
        Some(schedule)
    }

    fn check_cron(&mut self, cron: &str, timezone: &str, item: &SpannedValue) {
        let problem = if cron.chars().any(char::is_control) {
            Some("it must be on one line".to_string())
        } else if cron.split_whitespace().count() == 5 {
            let calendar = Calendar::new(cron, timezone);
            calendar.err().map(|error| error.to_string())
        } else {
            Some("it must have five fields".to_string())
        };
        if let Some(problem) = problem {
            let help = "minute, hour, day of month, month, weekday, such as \"0 9 * * SUN\"";
            self.error(
                &item.span,
                format!("{cron:?} is not a schedule: {problem}"),
                help,
            );
        }
    }

    fn parse_retry(&mut self, table: &SpannedValue) -> Vec<Duration> {
        let Some(retry) = table.get("retry") else {
            return DEFAULT_RETRY
                .iter()
                .filter_map(|text| parse_duration(text))
                .collect();
        };
        let waits: Vec<_> = retry.items().iter().collect();
        waits
            .into_iter()
            .filter_map(|item| self.parse_duration(item))
            .collect()
    }

    fn parse_admin(&mut self, table: &SpannedValue) -> String {
        let Some(item) = table.get("admin") else {
            return String::new();
        };
        self.check_address(item, "one address, such as \"ops@example.org\"");
        item.text().unwrap_or_default().to_string()
    }

    fn parse_only_if(&mut self, table: &SpannedValue) -> OnlyIf {
        let Some(table) = table.get("only_if") else {
            return OnlyIf::default();
        };
        OnlyIf {
            load_below: table
                .get("load_below")
                .and_then(|item| item.json().as_f64()),
            free_disk: table
                .get("free_disk")
                .and_then(|item| self.parse_size(item)),
            free_memory: table
                .get("free_memory")
                .and_then(|item| self.parse_size(item)),
            fresh_within: table
                .get("fresh_within")
                .and_then(|item| self.parse_duration(item)),
        }
    }

    fn parse_duration(&mut self, item: &SpannedValue) -> Option<Duration> {
        let text = item.text()?;
        let duration = parse_duration(text);
        if duration.is_none() {
            let message = format!("{} is not a duration", item.describe());
            self.error(&item.span, message, DURATION_HELP);
        }
        duration
    }

    fn parse_size(&mut self, item: &SpannedValue) -> Option<u64> {
        let text = item.text()?;
        let size = size::parse(text, 1).filter(|size| *size > 0);
        if size.is_none() {
            let message = format!("{} is not a size", item.describe());
            self.error(&item.span, message, SIZE_HELP);
        }
        size
    }

    /// Reports keys without effect in combination with the others.
    fn warn_of_ineffective_keys(&mut self, table: &SpannedValue, schedule: &Schedule) {
        if let Some(item) = table.get("most")
            && schedule.missed != Missed::All
        {
            let message = "`most` has no effect unless all missed runs are caught up";
            self.warning(
                &item.span,
                message,
                "set missed = \"all\", or remove `most`",
            );
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
