//! Converts the times of a column to periods of equal length.

use jiff::civil::{Date, DateTime, ISOWeekDate, Weekday};
use retrocast_stats::intervention::{Cadence, DAY_SECONDS};
use std::collections::BTreeMap;

/// A time of the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Time {
    /// A whole number: the index of a period.
    Count(i64),
    /// A local date and time.
    Moment(DateTime),
}

/// Notation of the times of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// Whole numbers that are not years: indices of periods.
    Count,
    /// Days, weeks, months, quarters, years.
    Calendar,
    /// Local midnights with an offset from UTC: days.
    LocalDays,
}

impl Notation {
    /// Detects the notation: `Count` if all cells are whole numbers, and not all of them are years
    /// or days of eight digits.
    pub(super) fn of<'c>(mut cells: impl Iterator<Item = &'c str> + Clone) -> Self {
        let are_numbers = cells.clone().all(|cell| cell.parse::<i64>().is_ok());
        if are_numbers && !cells.clone().all(|cell| parse_calendar(cell).is_some()) {
            Self::Count
        } else if cells.all(|cell| local_midnight(cell).is_some()) {
            Self::LocalDays
        } else {
            Self::Calendar
        }
    }

    /// Parses a time.
    pub(super) fn parse(self, cell: &str) -> Option<Time> {
        match self {
            Self::Count => cell.parse().ok().map(Time::Count),
            Self::Calendar => parse_calendar(cell).map(Time::Moment),
            Self::LocalDays => local_midnight(cell)
                .or_else(|| parse_calendar(cell))
                .map(Time::Moment),
        }
    }
}

/// Supported notations of times, for messages.
pub(super) const SUPPORTED_FORMS: &str =
    "2026-11-16, 2026-11-16T08:00, 16.11.2026, 2026-W46, 2026-11, 2026-Q4, 2026 or a whole number";

/// Parses a time of the calendar.
fn parse_calendar(cell: &str) -> Option<DateTime> {
    if let Some(date) = parse_day(cell) {
        return Some(date.to_datetime(jiff::civil::Time::midnight()));
    }
    let text = cell.replacen(' ', "T", 1);
    let with_offset = text
        .parse::<jiff::Timestamp>()
        .map(|timestamp| jiff::tz::TimeZone::UTC.to_datetime(timestamp));
    with_offset.or_else(|_| text.parse::<DateTime>()).ok()
}

/// Parses a local midnight with an offset from UTC, such as 2026-03-02T00:00+02:00.
fn local_midnight(cell: &str) -> Option<DateTime> {
    let text = cell.replacen(' ', "T", 1);
    text.parse::<jiff::Timestamp>().ok()?;
    let local = text.parse::<DateTime>().ok()?;
    (local.time() == jiff::civil::Time::midnight()).then_some(local)
}

/// Parses the first day of a period.
fn parse_day(cell: &str) -> Option<Date> {
    let number = |text: &str| {
        let are_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        are_digits.then(|| text.parse::<i16>().ok()).flatten()
    };
    let date = |year: &str, month: &str, day: &str| {
        let (month, day) = (number(month)?, number(day)?);
        let year = number(year).filter(|_| year.len() == 4)?;
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    };
    let parts: Vec<&str> = cell.split(['-', '/']).collect();
    match parts[..] {
        [year] if year.len() == 4 => date(year, "1", "1"),
        [text] if text.len() == 8 && text.is_ascii() && !text.contains('.') => {
            date(&text[..4], &text[4..6], &text[6..])
        }
        [dotted] => match dotted.split('.').collect::<Vec<_>>()[..] {
            [day, month, year] => date(year, month, day),
            _ => None,
        },
        [year, part] => match part.as_bytes() {
            [b'W', ..] if year.len() == 4 => {
                let week = i8::try_from(number(&part[1..])?).ok()?;
                let monday = ISOWeekDate::new(number(year)?, week, Weekday::Monday).ok()?;
                Some(monday.date())
            }
            [b'Q', quarter @ b'1'..=b'4'] => {
                let month = 3 * (quarter - b'1') + 1;
                date(year, &month.to_string(), "1")
            }
            _ => date(year, part, "1"),
        },
        [year, month, day] => date(year, month, day),
        _ => None,
    }
}

/// Periods in ascending order.
pub(super) struct Periods {
    pub(super) cadence: Cadence,
    /// The time of each period in the data; `None` where it has no row.
    pub(super) times: Vec<Option<Time>>,
    /// Index of the period of each time.
    indices: BTreeMap<Time, usize>,
}

impl Periods {
    /// Turns each of the distinct ascending times into a period, without filling gaps.
    pub(super) fn new(times: &[Time]) -> Self {
        let moments: Option<Vec<i64>> = times
            .iter()
            .map(|time| match time {
                Time::Moment(date_time) => Some(seconds(*date_time)),
                Time::Count(_) => None,
            })
            .collect();
        Self {
            cadence: moments.map_or(Cadence::Other, |moments| Cadence::of(&moments)),
            times: times.iter().copied().map(Some).collect(),
            indices: times.iter().copied().zip(0..).collect(),
        }
    }

    /// Turns the times into periods, and adds the calendar periods between them that have no row.
    /// Weekly times get weekly periods, not daily periods.
    pub(super) fn with_gaps(times: &[Time]) -> Self {
        let without_gaps = Self::new(times);
        let Some(first) = times.first() else {
            return without_gaps;
        };
        let index = |time: &Time| without_gaps.calendar_index(*first, *time);
        let Some(calendar) = times.iter().map(index).collect::<Option<Vec<i64>>>() else {
            return without_gaps;
        };
        // Two times, such as two days of one month, share a period.
        if calendar.windows(2).any(|pair| pair[0] >= pair[1]) {
            return without_gaps;
        }
        let first = calendar.first().copied().unwrap_or(0);
        let count = calendar.last().map_or(0, |last| last - first + 1);
        let mut filled = vec![None; count as usize];
        let mut indices = BTreeMap::new();
        for (number, time) in calendar.iter().zip(times) {
            let index = (number - first) as usize;
            filled[index] = Some(*time);
            indices.insert(*time, index);
        }
        Self {
            times: filled,
            indices,
            ..without_gaps
        }
    }

    /// Index of the calendar period of a time; weeks begin on the weekday of the first time.
    fn calendar_index(&self, first: Time, time: Time) -> Option<i64> {
        let (Time::Moment(first), Time::Moment(date_time)) = (first, time) else {
            return None;
        };
        let month = i64::from(date_time.year()) * 12 + i64::from(date_time.month()) - 1;
        match self.cadence {
            Cadence::PerDay(periods) => {
                let length = DAY_SECONDS / periods as i64;
                Some((seconds(date_time) - seconds(first)).div_euclid(length))
            }
            Cadence::Day => Some(day_number(date_time)),
            Cadence::Week => Some((day_number(date_time) - day_number(first)).div_euclid(7)),
            Cadence::Month => Some(month),
            Cadence::Quarter => Some(month.div_euclid(3)),
            Cadence::Year => Some(i64::from(date_time.year())),
            Cadence::Other => None,
        }
    }

    /// Index of the first period at or after a time; the number of periods if all are earlier.
    pub(super) fn at_or_after(&self, time: Time) -> usize {
        let next = self.indices.range(time..).next();
        next.map_or(self.times.len(), |(_, index)| *index)
    }

    /// Index of the period with exactly this time.
    pub(super) fn index(&self, time: Time) -> Option<usize> {
        self.indices.get(&time).copied()
    }

    /// Name of a period, written as in the file.
    pub(super) fn name(&self, index: usize) -> String {
        match self.times.get(index).copied().flatten() {
            Some(Time::Count(count)) => count.to_string(),
            Some(Time::Moment(date_time)) if self.cadence == Cadence::Year => {
                date_time.year().to_string()
            }
            Some(Time::Moment(date_time)) if date_time.time() == jiff::civil::Time::midnight() => {
                date_time.date().to_string()
            }
            Some(Time::Moment(date_time)) => date_time.to_string(),
            None => format!("period {}", index + 1),
        }
    }
}

/// Seconds since 1970.
fn seconds(date_time: DateTime) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
    epoch.duration_until(date_time).as_secs()
}

/// Days since 1970.
fn day_number(date_time: DateTime) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    i64::from(
        date_time
            .date()
            .since((jiff::Unit::Day, epoch))
            .map_or(0, |span| span.get_days()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn periods(cells: &[String]) -> Periods {
        let notation = Notation::of(cells.iter().map(String::as_str));
        let times = cells.iter().map(|cell| notation.parse(cell));
        Periods::with_gaps(&times.collect::<Option<Vec<Time>>>().expect("times"))
    }

    #[test]
    fn local_midnights_are_days_across_the_change_of_the_clock() {
        // The day of the change, 29 March 2026, has 23 hours in UTC.
        let offset = |day: u32| if day < 30 { "+01:00" } else { "+02:00" };
        let midnight = |day: u32| format!("2026-03-{day:02}T00:00{}", offset(day));
        let cells: Vec<String> = (20..=31).filter(|day| *day != 25).map(midnight).collect();
        let periods = periods(&cells);
        assert_eq!((periods.cadence, periods.times.len()), (Cadence::Day, 12));
        assert_eq!(periods.times[5], None);
        assert_eq!(periods.name(6), "2026-03-26");
    }

    #[test]
    fn days_may_begin_at_any_time() {
        let cells: Vec<String> = (1..=12)
            .filter(|day| *day != 4)
            .map(|day| format!("2026-03-{day:02}T08:00"))
            .collect();
        let periods = periods(&cells);
        assert_eq!((periods.cadence, periods.times.len()), (Cadence::Day, 12));
        assert_eq!(periods.name(11), "2026-03-12T08:00:00");
    }

    #[test]
    fn hours_have_gaps_too() {
        let cells: Vec<String> = (0..24)
            .filter(|hour| *hour != 5)
            .map(|hour| format!("2026-03-02 {hour:02}:00"))
            .collect();
        let periods = periods(&cells);
        let hourly = (Cadence::PerDay(24), 24);
        assert_eq!((periods.cadence, periods.times.len()), hourly);
        assert_eq!(periods.times[5], None);
    }
}
