//! The due times of a job: the instants that match a cron expression in a time zone.
//!
//! The expression is matched against local times, and each is then converted to an instant.
//!
//! - A local time that the clock skips is due as long after midnight as on other days (RFC 5545,
//!   3.3.5): when the clock changes from 2:00 to 3:00, 2:30 is due at 3:30. Two times that coincide
//!   are due once.
//! - A local time that occurs twice is due the first time. The repeated hour is due twice only if
//!   the expression names every hour: a job due every fifteen minutes does not pause for an hour.

use super::cron::explain;
use croner::{Cron, Direction};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};
use std::collections::BTreeSet;

/// Longer than any clock change: no clock has ever changed by more than a day.
const MAX_CLOCK_CHANGE: SignedDuration = SignedDuration::from_hours(26);

/// An invalid cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// It is not a cron expression.
    #[error("{0}")]
    Cron(String),
    /// It matches no day.
    #[error("no day of any year matches it")]
    Never,
    /// The time zone is unknown.
    #[error("there is no time zone {0:?}")]
    Zone(String),
}

/// The due times of a job.
#[derive(Debug, Clone)]
pub struct Calendar {
    cron: Cron,
    zone: TimeZone,
    every_hour: bool,
    /// Hours and minutes of its due times on a matching day.
    times: Vec<(i8, i8)>,
}

impl Calendar {
    /// Creates a calendar from a cron expression with five fields and a time zone.
    pub fn new(cron: &str, timezone: &str) -> Result<Self, CalendarError> {
        let cron: Cron = cron.parse().map_err(|error: croner::errors::CronError| {
            let original = || error.to_string().trim_end_matches('.').to_string();
            CalendarError::Cron(explain(cron).unwrap_or_else(original))
        })?;
        let zone = TimeZone::get(timezone);
        let zone = zone.map_err(|_| CalendarError::Zone(timezone.to_string()))?;
        let matches = |hour: &i8| cron.pattern.hour_match(*hour as u32).unwrap_or(false);
        let hours: Vec<i8> = (0..24).filter(matches).collect();
        let minutes = minutes(&cron);
        let times = hours
            .iter()
            .flat_map(|hour| minutes.iter().map(|minute| (*hour, *minute as i8)));
        let calendar = Self {
            times: times.collect(),
            every_hour: hours.len() == 24,
            cron,
            zone,
        };
        match calendar.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(calendar),
            None => Err(CalendarError::Never),
        }
    }

    /// The time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The local date of a due time, which is the date of its run.
    pub fn date(&self, due: Timestamp) -> Date {
        self.zone.to_datetime(due).date()
    }

    /// The first due time after an instant.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.nearest(Direction::Forward, |due| due > instant, instant)
    }

    /// The last due time at or before an instant.
    pub fn last_until(&self, instant: Timestamp) -> Option<Timestamp> {
        self.nearest(Direction::Backward, |due| due <= instant, instant)
    }

    /// Due times at or before an instant, newest first. The expression is searched once per
    /// matching day, not once per due time.
    pub fn backwards_from(&self, instant: Timestamp) -> impl Iterator<Item = Timestamp> {
        // No later day has a due time before the instant, whatever the clock changes.
        let newest = instant
            .checked_add(MAX_CLOCK_CHANGE)
            .unwrap_or(Timestamp::MAX);
        let newest = self.zone.to_datetime(newest).date();
        let mut next = newest.tomorrow().ok().and_then(|day| self.day_before(day));
        let mut due_times = BTreeSet::new();
        std::iter::from_fn(move || {
            loop {
                // Around clock changes, an earlier day may have a later due time than the next day.
                let is_last = |due: &&Timestamp| next.is_none_or(|(_, end)| end <= **due);
                if due_times.last().is_some_and(|due| is_last(&due)) {
                    return due_times.pop_last();
                }
                let (day, _) = next?;
                let times = self.times.iter();
                let times = times.map(|(hour, minute)| day.at(*hour, *minute, 0, 0));
                let due = times.flat_map(|local| self.instants(local)).flatten();
                due_times.extend(due.filter(|due| *due <= instant));
                next = self.day_before(day);
            }
        })
    }

    /// The last matching day before another, and an instant later than all due times of that day
    /// and of earlier days.
    fn day_before(&self, day: Date) -> Option<(Date, Timestamp)> {
        let midnight = day.at(0, 0, 0, 0);
        let previous = self.search(&midnight, Direction::Backward, false)?.date();
        let after = previous.tomorrow().ok()?.at(0, 0, 0, 0);
        let after = self.zone.to_ambiguous_timestamp(after).later().ok()?;
        let end = after
            .checked_add(MAX_CLOCK_CHANGE)
            .unwrap_or(Timestamp::MAX);
        let change = self.zone.preceding(end).next();
        let is_near = change
            .is_some_and(|change| after.duration_since(change.timestamp()) <= MAX_CLOCK_CHANGE);
        Some((previous, if is_near { end } else { after }))
    }

    /// Minutes of the hour with due times.
    pub(crate) fn minutes(&self) -> Vec<u32> {
        minutes(&self.cron)
    }

    /// The next matching local time in a direction.
    fn search(&self, from: &DateTime, direction: Direction, inclusive: bool) -> Option<DateTime> {
        #[cfg(test)]
        SEARCHES.with(|searches| searches.set(searches.get() + 1));
        let occurrence = match direction {
            Direction::Forward => self.cron.find_next_occurrence(from, inclusive),
            Direction::Backward => self.cron.find_previous_occurrence(from, inclusive),
        };
        occurrence.ok()
    }

    /// The next due time in a direction. Around clock changes, local times and instants differ in
    /// order, so the times around a change are searched, too.
    fn nearest(
        &self,
        direction: Direction,
        is_wanted: impl Fn(Timestamp) -> bool,
        from: Timestamp,
    ) -> Option<Timestamp> {
        let forward = direction == Direction::Forward;
        let mut time = self.local_time(from, if forward { -1 } else { 1 })?;
        let mut best: Option<Timestamp> = None;
        let mut inclusive = true;
        loop {
            let Some(occurrence) = self.search(&time, direction, inclusive) else {
                return best;
            };
            (time, inclusive) = (occurrence, false);
            if let Some(best) = best {
                let edge = self.local_time(best, if forward { 1 } else { -1 })?;
                if if forward { time > edge } else { time < edge } {
                    return Some(best);
                }
            }
            let instants = self.instants(time).into_iter().flatten();
            let is_better = |due: &Timestamp| {
                best.is_none_or(|best| if forward { *due < best } else { *due > best })
            };
            let candidates = instants.filter(|due| is_wanted(*due)).filter(is_better);
            best = if forward {
                candidates.min()
            } else {
                candidates.max()
            }
            .or(best);
        }
    }

    /// The local time at an instant, plus (`sign` 1) or minus (`sign` -1) the length of a nearby
    /// clock change.
    fn local_time(&self, instant: Timestamp, sign: i32) -> Option<DateTime> {
        let local = self.zone.to_datetime(instant);
        let end = instant
            .checked_add(MAX_CLOCK_CHANGE)
            .unwrap_or(Timestamp::MAX);
        let change = self.zone.preceding(end).next().and_then(|change| {
            let time = change.timestamp();
            let distance = instant.duration_since(time).abs();
            let before = time.checked_sub(SignedDuration::from_secs(1)).ok()?;
            let length = change.offset().seconds() - self.zone.to_offset(before).seconds();
            let length = SignedDuration::from_secs(i64::from(length.abs()));
            (distance <= length).then_some(length)
        });
        change.map_or(Some(local), |length| local.checked_add(length * sign).ok())
    }

    /// The instants of a local time: none, one or two.
    fn instants(&self, local: DateTime) -> [Option<Timestamp>; 2] {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        let is_repeated = matches!(ambiguous.offset(), AmbiguousOffset::Fold { .. });
        let second = ambiguous
            .later()
            .ok()
            .filter(|_| is_repeated && self.every_hour);
        [ambiguous.compatible().ok(), second]
    }
}

/// Minutes of the hour that match an expression.
fn minutes(cron: &Cron) -> Vec<u32> {
    let matches = |minute: &u32| cron.pattern.minute_match(*minute).unwrap_or(false);
    (0..60).filter(matches).collect()
}

#[cfg(test)]
thread_local! {
    /// Number of searches of an expression, which determines the cost of a calendar.
    pub(super) static SEARCHES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the search by days with a separate search for each due time.
    #[test]
    fn searching_by_days_finds_the_same_due_times() {
        let crons = [
            "*/10 * * * *",
            "30 2 * * *",
            "*/20 0-3,23 * * *",
            "0 18 LW * *",
            "59 23 * * SUN",
        ];
        // Clock changes by an hour and by half an hour, a skipped day, a repeated day, and a change
        // at midnight.
        let cases = [
            ("Europe/London", "2026-03-30T00:10:00Z"),
            ("Europe/London", "2026-10-26T00:10:00Z"),
            ("Australia/Lord_Howe", "2026-04-05T12:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-04T12:00:00Z"),
            ("Pacific/Apia", "2012-01-01T12:00:00Z"),
            ("Pacific/Kwajalein", "1969-10-02T12:00:00Z"),
            ("America/Sao_Paulo", "2018-11-04T12:00:00Z"),
            ("America/Sao_Paulo", "2018-02-18T12:00:00Z"),
            ("UTC", "2026-03-01T00:00:00Z"),
        ];
        for (zone, end) in cases {
            for cron in crons {
                let calendar = Calendar::new(cron, zone).unwrap();
                let end: Timestamp = end.parse().unwrap();
                for hours in [0, 26] {
                    let from = end - SignedDuration::from_hours(hours);
                    let first = from - SignedDuration::from_hours(96);
                    let mut due = calendar.last_until(from);
                    for by_day in calendar.backwards_from(from) {
                        assert_eq!(Some(by_day), due, "{cron} in {zone} from {from}");
                        if by_day < first {
                            break;
                        }
                        due = calendar.last_until(by_day - SignedDuration::from_secs(1));
                    }
                }
            }
        }
    }

    /// Checks due times after an instant, as local times with offsets.
    #[track_caller]
    fn check(cron: &str, zone: &str, after: &str, expected: &[&str]) {
        let calendar = Calendar::new(cron, zone).unwrap();
        let mut instant: Timestamp = after.parse().unwrap();
        let mut due = Vec::new();
        for _ in expected {
            instant = calendar.next_after(instant).unwrap();
            due.push(instant.to_zoned(calendar.zone().clone()));
        }
        let rows: Vec<String> = due
            .iter()
            .map(|due| due.strftime("%m-%d %H:%M %:z").to_string())
            .collect();
        assert_eq!(rows, expected, "{cron} in {zone}");
        let mut back: Vec<Timestamp> = calendar
            .backwards_from(instant)
            .take(expected.len())
            .collect();
        back.reverse();
        let forward: Vec<Timestamp> = due.iter().map(jiff::Zoned::timestamp).collect();
        assert_eq!(back, forward, "{cron} in {zone}, backwards");
    }

    #[test]
    fn a_skipped_time_is_due_as_long_after_midnight_as_usual() {
        check(
            "30 2 * * *",
            "America/New_York",
            "2026-03-07T00:00:00Z",
            &[
                "03-07 02:30 -05:00",
                "03-08 03:30 -04:00",
                "03-09 02:30 -04:00",
            ],
        );
        check(
            "15,45 2,3 * * *",
            "America/New_York",
            "2026-03-08T05:00:00Z",
            &[
                "03-08 03:15 -04:00",
                "03-08 03:45 -04:00",
                "03-09 02:15 -04:00",
            ],
        );
        check(
            "*/15 * * * *",
            "Australia/Lord_Howe",
            "2026-10-03T15:10:00Z",
            &[
                "10-04 01:45 +10:30",
                "10-04 02:30 +11:00",
                "10-04 02:45 +11:00",
                "10-04 03:00 +11:00",
            ],
        );
        // A day is skipped: Friday's run is due on Saturday.
        check(
            "0 9 * * *",
            "Pacific/Apia",
            "2011-12-29T00:00:00Z",
            &[
                "12-29 09:00 -10:00",
                "12-31 09:00 +14:00",
                "01-01 09:00 +14:00",
            ],
        );
    }

    #[test]
    fn a_repeated_time_is_due_once_unless_every_hour_is_due() {
        check(
            "30 0,1,2 * * *",
            "Europe/London",
            "2026-10-24T23:00:00Z",
            &[
                "10-25 00:30 +01:00",
                "10-25 01:30 +01:00",
                "10-25 02:30 +00:00",
                "10-26 00:30 +00:00",
            ],
        );
        check(
            "0,30 * * * *",
            "Europe/London",
            "2026-10-24T23:59:59Z",
            &[
                "10-25 01:00 +01:00",
                "10-25 01:30 +01:00",
                "10-25 01:00 +00:00",
                "10-25 01:30 +00:00",
                "10-25 02:00 +00:00",
            ],
        );
    }

    #[test]
    fn days_of_months_are_matched() {
        check(
            "0 18 LW * *",
            "Europe/London",
            "2026-01-01T00:00:00Z",
            &[
                "01-30 18:00 +00:00",
                "02-27 18:00 +00:00",
                "03-31 18:00 +01:00",
            ],
        );
        check(
            "0 6 29 2 *",
            "UTC",
            "2026-01-01T00:00:00Z",
            &["02-29 06:00 +00:00"],
        );
        assert_eq!(
            Calendar::new("0 6 30 2 *", "UTC").unwrap_err(),
            CalendarError::Never
        );
        assert_eq!(
            Calendar::new("0 6 1 1 *", "Europe/Lodon").unwrap_err(),
            CalendarError::Zone("Europe/Lodon".to_string())
        );
    }
}
