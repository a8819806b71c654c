//! Describes the status of a job's schedule in words.

use super::{Calendar, DueAlert, DueTime, ManualRun, ScheduleStatus, State};
use jiff::Timestamp;
use retrocast_domain::number::plural;
use serde::Serialize;

/// The health of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// No attention needed.
    Good,
    /// Its last attempt failed.
    Failing,
    /// It was due at least an hour ago and did not succeed.
    Overdue,
}

impl Health {
    /// Its name in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Failing => "failing",
            Self::Overdue => "overdue",
        }
    }
}

/// Derives the health of a job from its status.
pub fn health(status: &ScheduleStatus) -> Health {
    if status.failures > 0 {
        Health::Failing
    } else if status.overdue.is_some() {
        Health::Overdue
    } else {
        Health::Good
    }
}

impl Calendar {
    /// Formats an instant in the time zone: "2026-11-16 09:00 GMT".
    pub fn words(&self, instant: Timestamp) -> String {
        let local = instant.to_zoned(self.zone().clone());
        local.strftime("%Y-%m-%d %H:%M %Z").to_string()
    }

    /// Describes the status of a job in one line; `manual` is the newest success of a run that was
    /// started by hand.
    pub fn status_words(&self, status: &ScheduleStatus, manual: Option<&ManualRun>) -> String {
        let mut parts = Vec::new();
        if status.failures > 0 {
            let n = u64::from(status.failures);
            let in_a_row = if n == 1 { "" } else { " in a row" };
            parts.push(format!("{} failed{in_a_row}", plural(n, "attempt")));
            let last_attempt = status.last_attempt.as_ref();
            parts.extend(last_attempt.and_then(|attempt| attempt.error.clone()));
        }
        parts.extend(status.open.iter().map(|open| self.describe_due(open)));
        match status.passed_over {
            0 => {}
            n => parts.push(format!("{} skipped", plural(n as u64, "missed run"))),
        }
        let scheduled = status.last_success.as_ref();
        let scheduled = scheduled.map(|attempt| attempt.ended.unwrap_or(attempt.started));
        let manual = manual.filter(|manual| scheduled.is_none_or(|ended| manual.ended > ended));
        if let Some(ManualRun { ended, window, .. }) = manual {
            let ended = self.words(*ended);
            parts.push(format!(
                "last success {ended}, started by hand, on {window}"
            ));
        }
        parts.push(match (scheduled, manual) {
            (Some(ended), None) => format!("last success {}", self.words(ended)),
            (Some(ended), Some(_)) => format!("last scheduled success {}", self.words(ended)),
            (None, Some(_)) => "no scheduled success yet".to_string(),
            (None, None) => "no success yet".to_string(),
        });
        if let Some(next) = status.next_due {
            parts.push(format!("next due {}", self.words(next)));
        }
        parts.join(", ")
    }

    /// Describes the state of an open due time.
    fn describe_due(&self, open: &DueTime) -> String {
        let due = self.words(open.due);
        match open.state {
            State::Now if open.attempts.is_empty() => format!("due {due} and not run yet"),
            State::Now => format!("due {due}, to be retried now"),
            State::Running => format!("due {due}, running"),
            State::Waiting { until } => {
                format!("due {due}, next attempt at {}", self.words(until))
            }
            State::GivenUp => format!("due {due}, given up"),
            State::Expired => format!("due {due} and missed"),
        }
    }

    /// Describes what follows a failure, as a sentence for the recipient of the alert.
    pub fn next_words(&self, alert: &DueAlert, status: &ScheduleStatus) -> String {
        let mut open = status.open.iter();
        let state = open.find(|open| open.due == alert.attempt.due);
        match state.map(|open| open.state) {
            Some(State::Waiting { until }) => {
                format!("The next attempt is at {}.", self.words(until))
            }
            Some(State::Now | State::Running) => "The next attempt is now.".to_string(),
            _ => {
                let next = status.next_due.map_or_else(String::new, |next| {
                    format!("; the job is due again {}", self.words(next))
                });
                format!("There is no further attempt{next}.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::{Missed, OnlyIf, Schedule},
        schedule::{Attempt, decide},
    };
    use retrocast_run::RunStatus;
    use std::{path::PathBuf, time::Duration};

    fn attempt(started: &str, status: RunStatus) -> Attempt {
        let started: Timestamp = started.parse().unwrap();
        Attempt {
            due: "2026-11-16T09:00:00Z".parse().unwrap(),
            started,
            ended: (status != RunStatus::Running).then_some(started),
            status,
            run: "1a2b3c4d".to_string(),
            window: "2026-W46".to_string(),
            folder: PathBuf::new(),
            error: (status == RunStatus::Failed).then(|| "stage.rhythm: no rows".to_string()),
        }
    }

    /// Checks the description of a job that is due on Mondays at nine.
    #[track_caller]
    fn check(
        now: &str,
        missed: Missed,
        attempts: &[Attempt],
        expected_health: Health,
        expected: &str,
    ) {
        let schedule = Schedule {
            cron: "0 9 * * MON".to_string(),
            missed,
            catch_up_max: 10,
            retry: vec![Duration::from_secs(3600)],
            admin: String::new(),
            alert_after: 2,
            only_if: OnlyIf::default(),
        };
        let calendar = Calendar::new(&schedule.cron, "Europe/London").unwrap();
        let status = decide(&schedule, &calendar, attempts, now.parse().unwrap());
        let text = calendar.status_words(&status, None).replace('\u{a0}', " ");
        assert_eq!(
            (health(&status), text.as_str()),
            (expected_health, expected)
        );
        for alert in &status.alerts {
            let next = calendar.next_words(alert, &status);
            assert_eq!(
                next,
                "There is no further attempt; the job is due again 2026-11-23 09:00 GMT."
            );
        }
    }

    #[test]
    fn status_lines_describe_the_state_of_a_job() {
        use Missed::{Latest, None};
        use RunStatus::{Complete, Failed, Running};
        let day = |time: &str| format!("2026-11-16T{time}:00Z");
        let next = "next due 2026-11-23 09:00 GMT";
        check(
            &day("09:30"),
            Latest,
            &[],
            Health::Good,
            &format!("due 2026-11-16 09:00 GMT and not run yet, no success yet, {next}"),
        );
        check(
            &day("10:01"),
            Latest,
            &[],
            Health::Overdue,
            &format!("due 2026-11-16 09:00 GMT and not run yet, no success yet, {next}"),
        );
        check(
            &day("10:01"),
            None,
            &[],
            Health::Overdue,
            &format!("due 2026-11-16 09:00 GMT and missed, no success yet, {next}"),
        );
        let mut attempts = vec![attempt(&day("09:01"), Failed)];
        check(
            &day("09:30"),
            Latest,
            &attempts,
            Health::Failing,
            &format!(
                "1 attempt failed, stage.rhythm: no rows, due 2026-11-16 09:00 GMT, \
                 next attempt at 2026-11-16 10:01 GMT, no success yet, {next}"
            ),
        );
        attempts.push(attempt(&day("10:01"), Failed));
        check(
            &day("10:30"),
            Latest,
            &attempts,
            Health::Failing,
            &format!(
                "2 attempts failed in a row, stage.rhythm: no rows, due 2026-11-16 09:00 GMT, \
                 given up, no success yet, {next}"
            ),
        );
        check(
            &day("12:00"),
            Latest,
            &[attempt(&day("09:00"), Running)],
            Health::Good,
            &format!("due 2026-11-16 09:00 GMT, running, no success yet, {next}"),
        );
        attempts.push(attempt(&day("11:00"), Complete));
        check(
            &day("12:00"),
            Latest,
            &attempts,
            Health::Good,
            &format!("last success 2026-11-16 11:00 GMT, {next}"),
        );
    }

    #[test]
    fn a_run_started_by_hand_is_a_success() {
        let calendar = Calendar::new("0 9 * * MON", "Europe/London").unwrap();
        let schedule = Schedule {
            cron: "0 9 * * MON".to_string(),
            missed: Missed::Latest,
            catch_up_max: 10,
            retry: Vec::new(),
            admin: String::new(),
            alert_after: 1,
            only_if: OnlyIf::default(),
        };
        let manual = ManualRun {
            run: "5e6f7a8b".to_string(),
            window: "2026-W46".to_string(),
            ended: "2026-11-16T12:00:00Z".parse().unwrap(),
        };
        let status_line = |attempts: &[Attempt], now: &str| {
            let status = decide(&schedule, &calendar, attempts, now.parse().unwrap());
            calendar.status_words(&status, Some(&manual))
        };
        let by_hand = "last success 2026-11-16 12:00 GMT, started by hand, on 2026-W46";
        assert_eq!(
            status_line(&[], "2026-11-16T09:30:00Z"),
            format!(
                "due 2026-11-16 09:00 GMT and not run yet, {by_hand}, no scheduled success yet, \
                 next due 2026-11-23 09:00 GMT"
            )
        );
        let earlier = attempt("2026-11-16T09:01:00Z", RunStatus::Complete);
        assert_eq!(
            status_line(&[earlier], "2026-11-16T13:00:00Z"),
            format!(
                "{by_hand}, last scheduled success 2026-11-16 09:01 GMT, \
                 next due 2026-11-23 09:00 GMT"
            )
        );
        let later = attempt("2026-11-16T12:30:00Z", RunStatus::Complete);
        assert_eq!(
            status_line(&[later], "2026-11-16T13:00:00Z"),
            "last success 2026-11-16 12:30 GMT, next due 2026-11-23 09:00 GMT"
        );
    }
}
