//! The times of a dataset's records, with the number of records at each.

use crate::{Input, StageError, frame, rows::Batch};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use polars::prelude::DataType;
use retrocast_domain::Window;
use std::sync::Arc;

/// Length of a day, in microseconds.
const DAY_MICROS: i64 = 86_400_000_000;
/// Maximum number of distinct times; with more, they are truncated to seconds, minutes or hours.
const TIMES_MAX: usize = 1 << 20;
/// Units to which times are truncated, in microseconds: none, seconds, minutes and hours.
const UNITS: [i64; 4] = [1, 1_000_000, 60_000_000, 3_600_000_000];
/// Number of unsorted times at which they are sorted and merged.
const UNSORTED_MAX: usize = 1 << 18;

/// The resolution of a time column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// A point in time.
    Moment,
    /// A whole day in the job's time zone, or a day without a zone.
    Day,
    /// A whole day in UTC, in a job with another time zone.
    DayOfUtc,
}

/// A time column as local times in a time zone. Dates, and timestamps that are all midnight, are
/// days and keep their date in any zone: "2026-11-09" does not mean the evening before.
#[derive(Debug)]
pub struct Times {
    /// Distinct times, ascending, with the number of records at each. With more than [`TIMES_MAX`]
    /// times they are truncated to seconds, minutes or hours, except the first and the last.
    counts: Vec<(DateTime, u64)>,
    /// Number of records without a time.
    pub without_time: u64,
    /// Resolution of the times.
    pub resolution: Resolution,
    zone: TimeZone,
}

impl Times {
    /// Reads a column in a time zone.
    fn read(input: &Input, name: &str, timezone: &str) -> Result<Self, StageError> {
        let zone = TimeZone::get(timezone).map_err(|error| StageError::Other(error.to_string()))?;
        let mut is_date = false;
        let mut counter = Counter::default();
        input.for_each_batch(&[name], |batch| {
            is_date |= matches!(frame::column(batch, name)?.dtype(), DataType::Date);
            frame::micros(batch, name)?
                .into_iter()
                .for_each(|time| counter.add(time));
            Ok(())
        })?;
        let (is_day, without_time) = (is_date || counter.is_day, counter.without_time);
        let micros = counter.finish();
        let is_utc = is_date || zone == TimeZone::UTC;
        let zone = if is_day { TimeZone::UTC } else { zone };
        let counts = Self::in_zone(&micros, &zone);
        let midnight = |time: &(DateTime, u64)| time.0.time() == jiff::civil::Time::midnight();
        let resolution = match is_day {
            true if is_utc => Resolution::Day,
            true => Resolution::DayOfUtc,
            false if counts.iter().all(midnight) => Resolution::Day,
            false => Resolution::Moment,
        };
        Ok(Self {
            counts,
            without_time,
            resolution,
            zone,
        })
    }

    /// Converts times to a time zone.
    fn in_zone(micros: &[(i64, u64)], zone: &TimeZone) -> Vec<(DateTime, u64)> {
        let mut counts: Vec<(DateTime, u64)> = micros
            .iter()
            .filter_map(|(micros, count)| Some((civil(*micros, zone)?, *count)))
            .collect();
        // When clocks are set back, local times repeat.
        counts.sort_unstable_by_key(|(time, _)| *time);
        counts.dedup_by(|next, last| {
            let is_same = next.0 == last.0;
            last.1 += if is_same { next.1 } else { 0 };
            is_same
        });
        counts
    }

    /// Distinct times, ascending, with the number of records at each.
    pub fn counts(&self) -> &[(DateTime, u64)] {
        &self.counts
    }

    /// Number of records with a time.
    pub fn known(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Number of all records.
    pub fn records(&self) -> u64 {
        self.known() + self.without_time
    }

    /// Number of records in the window.
    pub fn in_window(&self, window: &Window) -> u64 {
        let within = |time: &&(DateTime, u64)| window.contains(time.0.date());
        let counts = self.counts.iter().filter(within);
        counts.map(|(_, count)| count).sum()
    }

    /// The time of each row of a batch.
    pub fn of(&self, batch: &Batch<'_>, name: &str) -> Result<Vec<Option<DateTime>>, StageError> {
        let micros = frame::micros(batch, name)?.into_iter();
        Ok(micros.map(|time| civil(time?, &self.zone)).collect())
    }

    #[cfg(test)]
    pub fn of_civil(civil: &[Option<DateTime>], resolution: Resolution) -> Self {
        let zone = TimeZone::UTC;
        let mut counter = Counter::default();
        for time in civil {
            let time = time.map(|time| zone.to_timestamp(time).expect("a time").as_microsecond());
            counter.add(time);
        }
        let without_time = counter.without_time;
        Self {
            counts: Self::in_zone(&counter.finish(), &zone),
            without_time,
            resolution,
            zone,
        }
    }
}

fn civil(micros: i64, zone: &TimeZone) -> Option<DateTime> {
    let time = Timestamp::from_microsecond(micros).ok()?;
    Some(zone.to_datetime(time))
}

impl Input {
    /// The times of a column in a time zone; read only once.
    pub(crate) fn times(&self, name: &str, timezone: &str) -> Result<Arc<Times>, StageError> {
        let key = (name.to_string(), timezone.to_string());
        let cache = || {
            self.times
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        if let Some(times) = cache().get(&key) {
            return Ok(times.clone());
        }
        let times = Arc::new(Times::read(self, name, timezone)?);
        cache().insert(key, times.clone());
        Ok(times)
    }

    /// The last time in a column, in a time zone.
    pub fn last_time(&self, column: &str, timezone: &str) -> Option<DateTime> {
        let times = self.times(column, timezone).ok()?;
        times.counts.last().map(|(time, _)| *time)
    }
}

/// Counts times as they are read.
struct Counter {
    /// Times that are not sorted yet.
    unsorted: Vec<i64>,
    /// Distinct times, truncated to the unit, with the number of each.
    counts: Vec<(i64, u64)>,
    /// Index of the unit in [`UNITS`].
    unit: usize,
    /// First and last time.
    ends: Option<[i64; 2]>,
    /// Number of records without a time.
    without_time: u64,
    /// True if all times are midnight UTC.
    is_day: bool,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            unsorted: Vec::new(),
            counts: Vec::new(),
            unit: 0,
            ends: None,
            without_time: 0,
            is_day: true,
        }
    }
}

impl Counter {
    fn add(&mut self, time: Option<i64>) {
        let Some(time) = time else {
            self.without_time += 1;
            return;
        };
        self.is_day &= time.rem_euclid(DAY_MICROS) == 0;
        let [first, last] = self.ends.unwrap_or([time; 2]);
        self.ends = Some([first.min(time), last.max(time)]);
        self.unsorted.push(time);
        if self.unsorted.len() >= UNSORTED_MAX {
            self.merge();
        }
    }

    /// Merges the unsorted times into the counts.
    fn merge(&mut self) {
        self.unsorted.sort_unstable();
        let mut old = std::mem::take(&mut self.counts).into_iter().peekable();
        let new = self.unsorted.chunk_by(|a, b| a == b);
        let mut merged: Vec<(i64, u64)> = Vec::new();
        let unit = UNITS[self.unit];
        let mut push = |(time, count): (i64, u64)| {
            let time = time - time.rem_euclid(unit);
            match merged.last_mut() {
                Some(last) if last.0 == time => last.1 += count,
                _ => merged.push((time, count)),
            }
        };
        for times in new {
            while let Some(before) = old.next_if(|(time, _)| *time <= times[0]) {
                push(before);
            }
            push((times[0], times.len() as u64));
        }
        old.for_each(&mut push);
        self.unsorted.clear();
        self.counts = merged;
        if self.counts.len() > TIMES_MAX && self.unit + 1 < UNITS.len() {
            self.unit += 1;
            self.merge();
        }
    }

    fn finish(mut self) -> Vec<(i64, u64)> {
        self.merge();
        let [first, last] = self.ends.unwrap_or_default();
        if let Some(count) = self.counts.first_mut() {
            count.0 = first;
        }
        if let Some(count) = self.counts.last_mut() {
            count.0 = last;
        }
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts times.
    fn count(times: impl Iterator<Item = i64>) -> Vec<(i64, u64)> {
        let mut counter = Counter::default();
        times.for_each(|time| counter.add(Some(time)));
        counter.finish()
    }

    #[test]
    fn times_are_counted_in_any_order() {
        let n = UNSORTED_MAX as i64 * 2 + 17;
        let counts = count((0..n).map(|i| (i * 7_919) % 1_000));
        assert_eq!(counts.len(), 1_000);
        assert!(counts.is_sorted());
        let all: u64 = counts.iter().map(|(_, count)| count).sum();
        assert_eq!(all, n as u64);
        let few = count([5, 3, 5].into_iter());
        assert_eq!(few, [(3, 1), (5, 2)]);
    }

    #[test]
    fn many_times_are_counted_by_the_second() {
        let n = TIMES_MAX as i64 + UNSORTED_MAX as i64;
        // Four per second, the first after a quarter of a second.
        let counts = count((0..n).rev().map(|i| 250_000 + i * 250_000));
        let all: u64 = counts.iter().map(|(_, count)| count).sum();
        assert_eq!(all, n as u64);
        assert!(counts.len() <= n as usize / 4 + 1, "{}", counts.len());
        assert_eq!(counts[0], (250_000, 3));
        assert_eq!(counts[1], (1_000_000, 4));
        assert_eq!(counts.last().unwrap().0, n * 250_000);
    }
}
