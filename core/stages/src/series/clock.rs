//! Corrects sums for hours that are repeated or skipped at clock changes.
//!
//! A day of 25 hours has too many records only if records occur in the repeated hour; one record
//! per day at noon is unaffected. Therefore, records of a repeated hour are weighted by its length,
//! and the usual amount of a skipped hour is added.

use super::{Request, period::Period};
use jiff::{civil::DateTime, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// Weight of an hour's records relative to an hour of usual length: usually 1, ½ for a repeated
/// hour; `None` for a skipped hour.
pub(crate) fn hour_scale(start: DateTime, zone: &TimeZone) -> Option<f64> {
    let instant = |time| zone.to_timestamp(time).ok();
    let (Some(from), Some(to)) = (instant(start), instant(Period::Hour.after(start, 1))) else {
        return Some(1.0);
    };
    let seconds = to.as_second() - from.as_second();
    (seconds > 0).then(|| 3_600.0 / seconds as f64)
}

/// A repeated or skipped hour.
struct ChangedHour {
    start: DateTime,
    scale: Option<f64>,
}

/// The clock changes within the periods of an axis.
pub(super) struct ClockChanges {
    period: Period,
    /// Repeated and skipped hours by period.
    by_period: BTreeMap<usize, Vec<ChangedHour>>,
    /// Hours of the day that are skipped on some day.
    skipped: BTreeSet<i8>,
    /// Excess amounts of repeated hours, by group and period.
    surplus: BTreeMap<(usize, usize), f64>,
    /// Total amounts of hours that are sometimes skipped, by group and hour.
    totals: BTreeMap<(usize, i8), f64>,
    /// Number of days on the axis.
    days: f64,
}

impl ClockChanges {
    /// Finds the clock changes within the periods; none for aggregates other than sums, or without
    /// times of day.
    pub(super) fn new(
        timezone: &str,
        request: &Request<'_>,
        has_hours: bool,
        starts: &[DateTime],
    ) -> Self {
        let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
        let has_none = zone == TimeZone::UTC || request.period == Period::Month;
        let mut changes = Self {
            period: request.period,
            by_period: BTreeMap::new(),
            skipped: BTreeSet::new(),
            surplus: BTreeMap::new(),
            totals: BTreeMap::new(),
            days: 0.0,
        };
        if has_none || !has_hours || !request.aggregate.adds_up() {
            return changes;
        }
        for (position, start) in starts.iter().enumerate() {
            let hours = changed_hours(request.period, *start, &zone);
            let is_skipped = |hour: &&ChangedHour| hour.scale.is_none_or(|scale| scale > 1.0);
            let skipped = hours
                .iter()
                .filter(is_skipped)
                .map(|hour| hour.start.hour());
            changes.skipped.extend(skipped);
            if !hours.is_empty() {
                changes.by_period.insert(position, hours);
            }
        }
        let seconds = starts.len() as f64 * request.period.seconds() as f64;
        changes.days = seconds / Period::Day.seconds() as f64;
        changes
    }

    /// Adds a record with an amount.
    pub(super) fn add(&mut self, group: usize, position: usize, time: DateTime, amount: f64) {
        if self.skipped.contains(&time.hour()) {
            *self.totals.entry((group, time.hour())).or_default() += amount;
        }
        let hour = Period::Hour.floor(time);
        for changed in self.by_period.get(&position).into_iter().flatten() {
            if let Some(scale) = changed
                .scale
                .filter(|scale| *scale < 1.0 && changed.start == hour)
            {
                *self.surplus.entry((group, position)).or_default() += (1.0 - scale) * amount;
            }
        }
    }

    /// Converts the sum of a period to a period of usual length; `None` for a skipped hour.
    pub(super) fn normalise(&self, group: usize, position: usize, sum: f64) -> Option<f64> {
        let Some(hours) = self.by_period.get(&position) else {
            return Some(sum);
        };
        let surplus = self.surplus.get(&(group, position)).copied().unwrap_or(0.0);
        if self.period == Period::Hour {
            return hours[0].scale.map(|_| sum - surplus);
        }
        let missing: f64 = hours
            .iter()
            .map(|hour| {
                let share = hour.scale.map_or(1.0, |scale| (1.0 - 1.0 / scale).max(0.0));
                let total = self.totals.get(&(group, hour.start.hour())).copied();
                share * total.unwrap_or(0.0) / self.days
            })
            .sum();
        Some(sum - surplus + missing)
    }
}

/// The repeated and skipped hours of a period.
fn changed_hours(period: Period, start: DateTime, zone: &TimeZone) -> Vec<ChangedHour> {
    let end = period.after(start, 1);
    let instant = |time| {
        zone.to_timestamp(time)
            .map_or(0, jiff::Timestamp::as_second)
    };
    if instant(end) - instant(start) == period.seconds() {
        return Vec::new();
    }
    let mut hours = Vec::new();
    let mut hour = start;
    while hour < end {
        let scale = hour_scale(hour, zone);
        if scale != Some(1.0) {
            hours.push(ChangedHour { start: hour, scale });
        }
        hour = Period::Hour.after(hour, 1);
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn repeated_and_skipped_hours_have_a_scale() {
        let zone = TimeZone::get("Europe/London").expect("a zone");
        let check = |time: DateTime, expected: Option<f64>| {
            assert_eq!(hour_scale(time, &zone), expected, "{time}");
        };
        check(date(2026, 3, 29).at(1, 0, 0, 0), None);
        check(date(2026, 10, 25).at(1, 0, 0, 0), Some(0.5));
        check(date(2026, 10, 25).at(2, 0, 0, 0), Some(1.0));
        check(date(2026, 6, 25).at(1, 0, 0, 0), Some(1.0));
    }

    #[test]
    fn only_periods_with_a_clock_change_have_changed_hours() {
        let zone = TimeZone::get("Europe/London").expect("a zone");
        let count = |period: Period, day: jiff::civil::Date| {
            changed_hours(period, day.at(0, 0, 0, 0), &zone).len()
        };
        assert_eq!(count(Period::Day, date(2026, 10, 25)), 1);
        assert_eq!(count(Period::Day, date(2026, 10, 24)), 0);
        assert_eq!(count(Period::Week, date(2026, 3, 23)), 1);
        assert_eq!(count(Period::Hour, date(2026, 3, 29)), 0);
    }
}
