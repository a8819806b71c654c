//! Decides which due times run now, wait, or are given up.
//!
//! - A due time is **fulfilled** by a complete or partial run that was started for it.
//! - **Missed runs.** `none` and `latest` run the newest due time since the last fulfilled due
//!   time, `none` only within [`TOLERANCE`] of it; older due times are skipped, whether attempted
//!   or not. `all` runs every due time since then, oldest first, and retries older failed due
//!   times, but only the newest `most` of all these. A job without attempts has missed no run:
//!   only its newest due time is considered.
//! - **Retries.** A failed attempt is retried after the next of the job's waits, which begins at
//!   the end of the attempt. If the attempt after the last wait fails, the due time is given up. An
//!   interrupted run counts as failed at its last event.
//! - **Cancelled** runs start again at once: a machine that was stopped resumes its work. After
//!   [`MAX_CANCELLATIONS`] cancellations, the cause is probably not a user, and each further
//!   cancellation counts as a failure.
//! - **Clocks that are set back.** Attempts later than now are included, so nothing runs twice. A
//!   due time later than now does not affect earlier due times, so a clock that was wrong for a
//!   minute does not stop a job for years.

use super::{Attempt, Calendar};
use crate::job::{Missed, Schedule};
use jiff::{SignedDuration, Timestamp};
use retrocast_run::RunStatus;
use serde::Serialize;
use std::collections::BTreeMap;

/// Maximum delay of a run if missed runs are not caught up.
pub const TOLERANCE: SignedDuration = SignedDuration::from_hours(1);
/// Delay after which a job is overdue.
pub const GRACE: SignedDuration = SignedDuration::from_hours(1);
/// Number of cancellations of a due time before they count as failures.
pub const MAX_CANCELLATIONS: usize = 2;
/// Period after a failure in which it is reported even if the job has succeeded since.
const ALERT_PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// Maximum number of missed runs that are counted.
const MAX_COUNTED: usize = 10_000;

/// The state of a due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Due to run now.
    Now,
    /// An active run exists.
    Running,
    /// Failed; to be retried later.
    #[serde(rename = "waits")]
    Waiting {
        /// Time of the retry.
        until: Timestamp,
    },
    /// All its attempts failed.
    GivenUp,
    /// Missed, and not to be caught up.
    #[serde(rename = "too_late")]
    Expired,
}

/// An unfulfilled due time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueTime {
    /// The due time.
    pub due: Timestamp,
    /// State of its attempts.
    #[serde(flatten)]
    pub state: State,
    /// Number of failed attempts.
    pub failures: u32,
    /// All attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

/// The status of a job's schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduleStatus {
    /// Unfulfilled due times, oldest first.
    pub open: Vec<DueTime>,
    /// Number of due times since the last success that will not run and were not given up, at most
    /// ten thousand.
    pub passed_over: usize,
    /// The newest due time.
    pub last_due: Option<Timestamp>,
    /// The next due time.
    pub next_due: Option<Timestamp>,
    /// The last attempt that fulfilled a due time.
    pub last_success: Option<Attempt>,
    /// The last attempt for any due time; `None` before the first.
    pub last_attempt: Option<Attempt>,
    /// Number of failed attempts since the last success.
    pub failures: u32,
    /// The oldest due time that should have been fulfilled by now.
    pub overdue: Option<Timestamp>,
    /// Time of the next check; now if something must run.
    #[serde(rename = "look_again")]
    pub next_check: Option<Timestamp>,
    /// Alerts to send, unless they were sent already.
    #[serde(rename = "tell")]
    pub alerts: Vec<DueAlert>,
}

/// An alert to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueAlert {
    /// The attempt that reached the limit of failures; it identifies the alert.
    pub attempt: Attempt,
    /// All failed attempts, oldest first.
    pub failed: Vec<Attempt>,
}

impl ScheduleStatus {
    /// Due times to run now, oldest first.
    pub fn now(&self) -> impl Iterator<Item = &DueTime> {
        self.open.iter().filter(|due| due.state == State::Now)
    }

    /// The newest unfulfilled due time.
    pub fn newest(&self) -> Option<&DueTime> {
        self.open.last()
    }
}

/// Computes the status of a job's schedule at an instant; attempts may be in any order.
pub fn decide(
    schedule: &Schedule,
    calendar: &Calendar,
    attempts: &[Attempt],
    now: Timestamp,
) -> ScheduleStatus {
    let attempts_by_due = by_due(attempts);
    let last_due = calendar.last_until(now);
    let (considered, passed_over, oldest) = match last_due {
        Some(last) => considered_due_times(schedule, calendar, &attempts_by_due, last, now),
        None => (Vec::new(), 0, None),
    };
    let due_time = |due: &Timestamp| {
        let attempts = attempts_by_due.get(due).map_or(&[][..], Vec::as_slice);
        due_time(schedule, *due, attempts, now)
    };
    let open: Vec<DueTime> = considered.iter().map(due_time).collect();
    let success = attempts.iter().filter(|attempt| attempt.succeeded());
    let success = success.max_by_key(|attempt| attempt.started);
    let last = attempts.iter().max_by_key(|attempt| attempt.started);
    let streak = streak(&attempts_by_due, success);
    let next_due = calendar.next_after(now);
    // The oldest due time decides, even if it is skipped: otherwise a job whose due times are
    // closer than the grace period would never be overdue.
    let running = open.iter().any(|open| open.state == State::Running);
    let overdue = oldest.filter(|oldest| !running && now.duration_since(*oldest) > GRACE);
    let check_times = open.iter().filter_map(|due| match due.state {
        State::Now => Some(now),
        State::Waiting { until } => Some(until),
        _ => None,
    });
    ScheduleStatus {
        overdue,
        next_check: check_times.chain(next_due).min(),
        alerts: alerts(schedule, &attempts_by_due, &streak, now),
        open,
        passed_over,
        last_due,
        next_due,
        last_success: success.cloned(),
        last_attempt: last.cloned(),
        failures: streak.len() as u32,
    }
}

/// Attempts by due time, each in the order of their start.
fn by_due(attempts: &[Attempt]) -> BTreeMap<Timestamp, Vec<&Attempt>> {
    let mut attempts_by_due: BTreeMap<Timestamp, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        attempts_by_due
            .entry(attempt.due)
            .or_default()
            .push(attempt);
    }
    for attempts in attempts_by_due.values_mut() {
        attempts.sort_by_key(|attempt| attempt.started);
    }
    attempts_by_due
}

fn is_fulfilled(attempts: &[&Attempt]) -> bool {
    attempts.iter().any(|attempt| attempt.succeeded())
}

/// The newest fulfilled due time that is not later than now.
fn last_fulfilled(
    attempts_by_due: &BTreeMap<Timestamp, Vec<&Attempt>>,
    now: Timestamp,
) -> Option<Timestamp> {
    let past = attempts_by_due.range(..=now).rev();
    let mut fulfilled = past.filter(|(_, attempts)| is_fulfilled(attempts));
    fulfilled.next().map(|(due, _)| *due)
}

/// The due times to consider, oldest first; the number of skipped due times; and the oldest
/// unfulfilled due time.
fn considered_due_times(
    schedule: &Schedule,
    calendar: &Calendar,
    attempts_by_due: &BTreeMap<Timestamp, Vec<&Attempt>>,
    last: Timestamp,
    now: Timestamp,
) -> (Vec<Timestamp>, usize, Option<Timestamp>) {
    let fulfilled = last_fulfilled(attempts_by_due, now);
    let first_attempted = attempts_by_due.keys().next().filter(|due| **due <= now);
    // Due times of the calendar, newest first: since the last fulfilled due time, or else since the
    // first attempted due time, or else only the newest.
    let is_since_last = |due: &Timestamp| match (fulfilled, first_attempted) {
        (Some(fulfilled), _) => *due > fulfilled,
        (None, Some(first)) => due >= first,
        (None, None) => true,
    };
    let limit = match (fulfilled, first_attempted) {
        (None, None) => 1,
        _ => MAX_COUNTED,
    };
    let before = last.checked_sub(SignedDuration::from_secs(1));
    let before = before
        .into_iter()
        .flat_map(|before| calendar.backwards_from(before));
    let calendar_due = std::iter::once(last)
        .chain(before)
        .take_while(is_since_last)
        .take(limit);
    let unfulfilled = |due: &Timestamp| {
        !attempts_by_due
            .get(due)
            .is_some_and(|attempts| is_fulfilled(attempts))
    };
    let mut open: Vec<Timestamp> = calendar_due.filter(unfulfilled).collect();
    // A due time with attempts is considered, even if the calendar has changed since.
    let catches_up_all = schedule.missed == Missed::All;
    let attempted = attempts_by_due.range(..=now).filter(|(due, attempts)| {
        let given_up = failed_attempts(attempts).len() >= schedule.max_attempts() as usize;
        !is_fulfilled(attempts) && (is_since_last(due) || (catches_up_all && !given_up))
    });
    open.extend(attempted.map(|(due, _)| *due));
    open.sort_unstable();
    open.dedup();
    let count = if catches_up_all {
        schedule.catch_up_max as usize
    } else {
        1
    };
    let oldest = open.first().copied();
    let passed_over = open.len().saturating_sub(count);
    (open.split_off(passed_over), passed_over, oldest)
}

/// The failed attempts on one due time.
fn failed_attempts<'a>(attempts: &[&'a Attempt]) -> Vec<&'a Attempt> {
    let mut cancelled = 0;
    let attempts = attempts.iter().copied();
    let failed = attempts.filter(|attempt| match attempt.status {
        RunStatus::Failed | RunStatus::Interrupted => true,
        RunStatus::Cancelled => {
            cancelled += 1;
            cancelled > MAX_CANCELLATIONS
        }
        RunStatus::Complete | RunStatus::Partial | RunStatus::Running => false,
    });
    failed.collect()
}

/// Failed attempts since the last success on any due time, in the order of their start.
fn streak<'a>(
    attempts_by_due: &BTreeMap<Timestamp, Vec<&'a Attempt>>,
    success: Option<&Attempt>,
) -> Vec<&'a Attempt> {
    let failures = attempts_by_due
        .values()
        .flat_map(|attempts| failed_attempts(attempts));
    let mut streak: Vec<&Attempt> = failures
        .filter(|attempt| success.is_none_or(|success| attempt.started > success.started))
        .collect();
    streak.sort_by_key(|attempt| (attempt.started, attempt.due));
    streak
}

/// The alerts to send: due times with as many failed attempts as the job file allows, and the due
/// time at which that many attempts in a row had failed. The second rule is for jobs that are due
/// again before their waits end: they never fail that often on one due time.
fn alerts(
    schedule: &Schedule,
    attempts_by_due: &BTreeMap<Timestamp, Vec<&Attempt>>,
    streak: &[&Attempt],
    now: Timestamp,
) -> Vec<DueAlert> {
    let fulfilled = last_fulfilled(attempts_by_due, now);
    let catches_up_all = schedule.missed == Missed::All;
    let nth = (schedule.alert_after as usize).saturating_sub(1);
    let in_a_row = streak.get(nth).copied();
    let alerts = attempts_by_due.range(..=now).filter_map(|(due, attempts)| {
        let failed = failed_attempts(attempts);
        let last = failed.last()?;
        let recent = now.duration_since(last.ended.unwrap_or(last.started)) < ALERT_PERIOD;
        let current =
            fulfilled.is_none_or(|fulfilled| *due > fulfilled) || (catches_up_all && recent);
        let in_a_row = in_a_row.filter(|attempt| attempt.due == *due);
        let candidates = failed.get(nth).copied().into_iter().chain(in_a_row);
        let attempt = candidates.min_by_key(|attempt| attempt.started)?;
        let failed = in_a_row.map_or(failed, |_| streak.to_vec());
        (current && !is_fulfilled(attempts)).then(|| DueAlert {
            attempt: attempt.clone(),
            failed: failed.into_iter().cloned().collect(),
        })
    });
    alerts.collect()
}

fn due_time(schedule: &Schedule, due: Timestamp, attempts: &[&Attempt], now: Timestamp) -> DueTime {
    let running = attempts
        .iter()
        .any(|attempt| attempt.status == RunStatus::Running);
    let failed = failed_attempts(attempts);
    let last = failed.last();
    let wait = last.map(|last| (last, schedule.retry.get(failed.len() - 1)));
    let state = match wait {
        _ if running => State::Running,
        Some((_, None)) => State::GivenUp,
        Some((last, Some(wait))) => {
            let ended = last.ended.unwrap_or(last.started);
            match ended.checked_add(*wait) {
                Ok(until) if until <= now => State::Now,
                Ok(until) => State::Waiting { until },
                // A wait beyond the end of the calendar never ends.
                Err(_) => State::GivenUp,
            }
        }
        _ if attempts.is_empty()
            && schedule.missed == Missed::None
            && now.duration_since(due) > TOLERANCE =>
        {
            State::Expired
        }
        _ => State::Now,
    };
    DueTime {
        due,
        state,
        failures: failed.len() as u32,
        attempts: attempts.iter().map(|attempt| (*attempt).clone()).collect(),
    }
}
