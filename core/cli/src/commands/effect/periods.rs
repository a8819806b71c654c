//! Converts the times of a column to periods of equal length.

use jiff::civil::{Date, DateTime, ISOWeekDate, Weekday};
use retrocast_stats::intervention::Cadence;
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
}

impl Notation {
    /// Detects the notation: `Count` if all cells are whole numbers, and not all of them are years
    /// or days of eight digits.
    pub(super) fn of<'c>(mut cells: impl Iterator<Item = &'c str> + Clone) -> Self {
        let counts = cells.clone().all(|cell| cell.parse::<i64>().is_ok());
        if counts && !cells.all(|cell| calendar(cell).is_some()) {
            Self::Count
        } else {
            Self::Calendar
        }
    }

    /// Parses a time.
    pub(super) fn parse(self, cell: &str) -> Option<Time> {
        match self {
            Self::Count => cell.parse().ok().map(Time::Count),
            Self::Calendar => calendar(cell).map(Time::Moment),
        }
    }
}

/// Supported forms of times, for messages.
pub(super) const FORMS: &str =
    "2026-11-16, 2026-11-16T08:00, 16.11.2026, 2026-W46, 2026-11, 2026-Q4, 2026 or a whole number";

fn calendar(cell: &str) -> Option<DateTime> {
    if let Some(date) = day(cell) {
        return Some(date.to_datetime(jiff::civil::Time::midnight()));
    }
    let moment = cell.replacen(' ', "T", 1);
    let at_zone = moment
        .parse::<jiff::Timestamp>()
        .map(|at| jiff::tz::TimeZone::UTC.to_datetime(at));
    at_zone.or_else(|_| moment.parse::<DateTime>()).ok()
}

/// The first day of the period that a text names.
fn day(cell: &str) -> Option<Date> {
    let digits = |text: &str| {
        let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| text.parse::<i16>().ok()).flatten()
    };
    let date = |year: &str, month: &str, day: &str| {
        let (month, day) = (digits(month)?, digits(day)?);
        let year = digits(year).filter(|_| year.len() == 4)?;
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    };
    let parts: Vec<&str> = cell.split(['-', '/']).collect();
    match parts[..] {
        [year] if year.len() == 4 => date(year, "1", "1"),
        [all] if all.len() == 8 && all.is_ascii() && !all.contains('.') => {
            date(&all[..4], &all[4..6], &all[6..])
        }
        [dotted] => match dotted.split('.').collect::<Vec<_>>()[..] {
            [day, month, year] => date(year, month, day),
            _ => None,
        },
        [year, part] => match part.as_bytes() {
            [b'W', ..] if year.len() == 4 => {
                let week = i8::try_from(digits(&part[1..])?).ok()?;
                let monday = ISOWeekDate::new(digits(year)?, week, Weekday::Monday).ok()?;
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
    places: BTreeMap<Time, usize>,
}

impl Periods {
    /// Makes a period of each of the distinct ascending times, without filling gaps.
    pub(super) fn known(times: &[Time]) -> Self {
        let days: Option<Vec<i64>> = times
            .iter()
            .map(|time| match time {
                Time::Moment(at) if at.time() == jiff::civil::Time::midnight() => Some(number(*at)),
                _ => None,
            })
            .collect();
        Self {
            cadence: days.map_or(Cadence::Other, |days| Cadence::of(&days)),
            times: times.iter().copied().map(Some).collect(),
            places: times.iter().copied().zip(0..).collect(),
        }
    }

    /// The same, with the calendar periods that have no row filled in. Weeks are never taken for
    /// days.
    pub(super) fn filled(times: &[Time]) -> Self {
        let known = Self::known(times);
        let Some(first) = times.first() else {
            return known;
        };
        let index = |time: &Time| known.calendar_index(*first, *time);
        let Some(indices) = times.iter().map(index).collect::<Option<Vec<i64>>>() else {
            return known;
        };
        // Two times, such as two days of one month, would share a period.
        if indices.windows(2).any(|pair| pair[0] >= pair[1]) {
            return known;
        }
        let first = indices.first().copied().unwrap_or(0);
        let count = indices.last().map_or(0, |last| last - first + 1);
        let mut filled = vec![None; count as usize];
        let mut places = BTreeMap::new();
        for (index, time) in indices.iter().zip(times) {
            let place = (index - first) as usize;
            filled[place] = Some(*time);
            places.insert(*time, place);
        }
        Self {
            times: filled,
            places,
            ..known
        }
    }

    /// Index of the calendar period of a time; weeks begin on the weekday of the first time.
    fn calendar_index(&self, first: Time, time: Time) -> Option<i64> {
        let (Time::Moment(first), Time::Moment(at)) = (first, time) else {
            return None;
        };
        let month = i64::from(at.year()) * 12 + i64::from(at.month()) - 1;
        match self.cadence {
            Cadence::Day => Some(number(at)),
            Cadence::Week => Some((number(at) - number(first)).div_euclid(7)),
            Cadence::Month => Some(month),
            Cadence::Quarter => Some(month.div_euclid(3)),
            Cadence::Year => Some(i64::from(at.year())),
            Cadence::Other => None,
        }
    }

    /// Index of the first period at or after a time; the number of periods if there is none.
    pub(super) fn at_or_after(&self, time: Time) -> usize {
        let next = self.places.range(time..).next();
        next.map_or(self.times.len(), |(_, place)| *place)
    }

    /// Index of the period with exactly this time.
    pub(super) fn index(&self, time: Time) -> Option<usize> {
        self.places.get(&time).copied()
    }

    /// Name of a period, written as in the file.
    pub(super) fn name(&self, index: usize) -> String {
        match self.times.get(index).copied().flatten() {
            Some(Time::Count(count)) => count.to_string(),
            Some(Time::Moment(at)) if self.cadence == Cadence::Year => at.year().to_string(),
            Some(Time::Moment(at)) if at.time() == jiff::civil::Time::midnight() => {
                at.date().to_string()
            }
            Some(Time::Moment(at)) => at.to_string(),
            None => format!("period {}", index + 1),
        }
    }
}

/// Days since 1970.
fn number(at: DateTime) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    i64::from(
        at.date()
            .since((jiff::Unit::Day, epoch))
            .map_or(0, |span| span.get_days()),
    )
}
