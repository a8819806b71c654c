//! Civil days in the company's time zone, and formatted instants.

use crate::Error;
use jiff::{ToSpan, civil::Date, tz::TimeZone};

/// One civil day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Day {
    /// Index from the first day of the simulation.
    pub index: usize,
    /// Civil date.
    pub date: Date,
    /// Start, in seconds since 1970.
    pub start: i64,
    /// Length in seconds: 23, 24 or 25 hours.
    pub seconds: i64,
    /// Weekday; 0 is Monday.
    pub weekday: usize,
}

impl Day {
    /// Returns true if it is a Saturday or Sunday.
    pub(crate) fn is_weekend(&self) -> bool {
        self.weekday >= 5
    }

    /// The Monday of its week.
    pub(crate) fn monday(&self) -> Date {
        self.date - (self.weekday as i64).days()
    }
}

/// The `count` civil days before `until`.
pub(crate) fn days(until: Date, count: usize, timezone: &str) -> Result<Vec<Day>, Error> {
    let out_of_range = |_| Error::Dates { until, days: count };
    let zone = TimeZone::get(timezone).map_err(|_| Error::Timezone {
        timezone: timezone.to_string(),
    })?;
    let first = until
        .checked_sub((count as i64).days())
        .map_err(out_of_range)?;
    let instant = |date: Date| -> Result<i64, Error> {
        let zoned = date.to_zoned(zone.clone()).map_err(out_of_range)?;
        Ok(zoned.timestamp().as_second())
    };
    let mut days = Vec::with_capacity(count);
    let mut start = instant(first)?;
    for index in 0..count {
        let date = first
            .checked_add((index as i64).days())
            .map_err(out_of_range)?;
        let next = instant(date.tomorrow().map_err(out_of_range)?)?;
        let weekday = date.weekday().to_monday_zero_offset() as usize;
        days.push(Day {
            index,
            date,
            start,
            seconds: next - start,
            weekday,
        });
        start = next;
    }
    Ok(days)
}

/// Formats instants as `2026-11-09T08:15:30Z`, with the last date cached.
#[derive(Default)]
pub(crate) struct Clock {
    day: Option<i64>,
    date: String,
}

impl Clock {
    /// Appends an instant, in seconds since 1970.
    pub(crate) fn write(&mut self, second: i64, out: &mut Vec<u8>) {
        let day = second.div_euclid(86_400);
        if self.day != Some(day) {
            let date = jiff::Timestamp::from_second(day * 86_400).map_or_else(
                |_| "1970-01-01".to_string(),
                |t| t.strftime("%Y-%m-%d").to_string(),
            );
            self.date = date;
            self.day = Some(day);
        }
        let second = second.rem_euclid(86_400);
        out.extend_from_slice(self.date.as_bytes());
        for (separator, value) in [
            (b'T', second / 3600),
            (b':', second / 60 % 60),
            (b':', second % 60),
        ] {
            let value = value as u8;
            out.extend_from_slice(&[separator, b'0' + value / 10, b'0' + value % 10]);
        }
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_of_clock_changes_are_short_or_long() {
        let days = days(date(2026, 11, 2), 217, "Europe/London").unwrap();
        let hours = |date: Date| days.iter().find(|day| day.date == date).unwrap().seconds / 3600;
        assert_eq!(hours(date(2026, 10, 25)), 25);
        assert_eq!(hours(date(2026, 10, 26)), 24);
        assert_eq!(days[0].date, date(2026, 3, 30));
        assert_eq!(days[0].weekday, 0);
    }

    #[test]
    fn instants_are_written_in_utc() {
        let mut out = Vec::new();
        let mut clock = Clock::default();
        for second in [1_794_211_530, 1_794_211_531, 1_794_268_799, 1_794_268_800] {
            clock.write(second, &mut out);
            out.push(b' ');
        }
        let expected: String = [1_794_211_530, 1_794_211_531, 1_794_268_799, 1_794_268_800]
            .map(|second| format!("{} ", jiff::Timestamp::from_second(second).unwrap()))
            .concat();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
