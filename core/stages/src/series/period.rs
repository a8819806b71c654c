//! Periods of time: hours, days, weeks, months.

use crate::{Context, Input, StageError, frame, times::Times};
use jiff::{
    ToSpan,
    civil::{Date, DateTime},
};
use retrocast_domain::window::{self, date_in_words, month_name};
use retrocast_stats::intervention::{Cadence, DAY_SECONDS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Length of the periods of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Period {
    /// Hours of the local clock.
    Hour,
    /// Calendar days.
    Day,
    /// ISO weeks, from Monday.
    Week,
    /// Calendar months.
    Month,
}

/// Length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LongPeriod {
    /// Calendar days.
    Day,
    /// ISO weeks, from Monday.
    Week,
    /// Calendar months.
    Month,
}

impl From<LongPeriod> for Period {
    fn from(period: LongPeriod) -> Self {
        match period {
            LongPeriod::Day => Self::Day,
            LongPeriod::Week => Self::Week,
            LongPeriod::Month => Self::Month,
        }
    }
}

/// The requested period, or else the period of the records ([`Period::of_records`]).
pub(crate) fn requested_or_found(
    requested: Option<impl Into<Period>>,
    context: &Context,
    input: &Input,
    time: Option<&str>,
) -> Result<Period, StageError> {
    if let Some(period) = requested {
        return Ok(period.into());
    }
    let time = frame::time_column(input, time)?;
    let times = input.times(time, &context.window.timezone)?;
    Ok(Period::of_records(&times))
}

/// Minimum number of days with records to recognise weekly or monthly records.
const DAYS_MIN: usize = 6;

impl Period {
    /// The period of records: weeks or months if they are that far apart, else days. Weekly records
    /// must not be filled up with six empty days.
    pub(crate) fn of_records(times: &Times) -> Self {
        let mut days: Vec<i64> = times
            .counts()
            .iter()
            .map(|(time, _)| {
                let since = Date::constant(1970, 1, 1).until(time.date());
                since.map_or(0, |span| i64::from(span.get_days()) * DAY_SECONDS)
            })
            .collect();
        days.dedup();
        match Cadence::of(&days) {
            _ if days.len() < DAYS_MIN => Self::Day,
            Cadence::Week => Self::Week,
            Cadence::Month => Self::Month,
            _ => Self::Day,
        }
    }

    /// Usual length in days; 1 for hours.
    pub(crate) fn days(self) -> usize {
        match self {
            Self::Hour | Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }

    /// The distance between its periods, for models with seasons.
    pub(crate) fn cadence(self) -> Cadence {
        match self {
            Self::Hour => Cadence::Other,
            Self::Day => Cadence::Day,
            Self::Week => Cadence::Week,
            Self::Month => Cadence::Month,
        }
    }

    /// Start of the period that contains a time.
    pub(crate) fn floor(self, time: DateTime) -> DateTime {
        let day = time.date();
        let start = match self {
            Self::Hour => return day.at(time.hour(), 0, 0, 0),
            Self::Day => day,
            Self::Week => {
                let monday = i64::from(day.weekday().to_monday_zero_offset());
                day.checked_sub(monday.days()).unwrap_or(Date::MIN)
            }
            Self::Month => day.first_of_month(),
        };
        start.at(0, 0, 0, 0)
    }

    /// Start of the period `n` after the one that begins at `start`.
    pub(crate) fn after(self, start: DateTime, n: usize) -> DateTime {
        let n = n as i64;
        let later = match self {
            Self::Hour => start.checked_add(n.hours()),
            Self::Day => start.checked_add(n.days()),
            Self::Week => start.checked_add((7 * n).days()),
            Self::Month => start.checked_add(n.months()),
        };
        later.unwrap_or(DateTime::MAX)
    }

    /// Start of the period before the one that begins at `start`.
    pub(crate) fn before(self, start: DateTime) -> Option<DateTime> {
        let earlier = match self {
            Self::Hour => start.checked_sub(1.hour()),
            Self::Day => start.checked_sub(1.day()),
            Self::Week => start.checked_sub(7.days()),
            Self::Month => start.checked_sub(1.month()),
        };
        earlier.ok()
    }

    /// Usual length in seconds.
    pub(crate) fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
        }
    }

    /// Name of the period: "day".
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Last day of the period that begins at `start`.
    pub(crate) fn last_day(self, start: DateTime) -> Date {
        let end = self.after(start, 1).date();
        if self == Self::Hour {
            start.date()
        } else {
            end.yesterday().unwrap_or(end)
        }
    }

    /// The period that dates are given in: days for hours.
    pub(crate) fn of_dates(self) -> Self {
        match self {
            Self::Hour => Self::Day,
            longer => longer,
        }
    }

    /// Number of periods in so many days, rounded, at least one.
    pub(crate) fn count_in(self, days: usize) -> usize {
        let length = self.days();
        ((days * self.per_day() + length / 2) / length).max(1)
    }

    /// Number of periods per day; 1 for longer periods.
    pub(crate) fn per_day(self) -> usize {
        if self == Self::Hour { 24 } else { 1 }
    }

    /// Formats a period: "12 October 2026, 14:00", "12 October 2026", "the week of 12 October
    /// 2026", "January 2026".
    pub(crate) fn words(self, start: impl Into<DateTime>) -> String {
        let start = start.into();
        let day = start.date();
        match self {
            Self::Hour => format!("{}, {:02}:00", date_in_words(day), start.hour()),
            Self::Day => date_in_words(day),
            Self::Week => format!("the week of {}", date_in_words(day)),
            Self::Month => format!("{} {}", month_name(day), day.year()),
        }
    }

    /// Formats a range of periods: "12 October 2026, 14:00 to 16:00", "9 to 15 November 2026",
    /// "September 2025 to May 2026".
    pub(crate) fn range(self, first: impl Into<DateTime>, last: impl Into<DateTime>) -> String {
        let (first, last) = (first.into(), last.into());
        match self {
            Self::Day => window::range(first.date(), last.date()),
            Self::Hour => {
                let end = self.after(last, 1);
                if first.date() == end.date() {
                    format!("{} to {:02}:00", self.words(first), end.hour())
                } else {
                    format!("{} to {}", self.words(first), self.words(end))
                }
            }
            _ if first == last => self.words(first),
            Self::Week => {
                let [first, last] = [first, last].map(DateTime::date);
                format!("the weeks of {}", window::range(first, last))
            }
            Self::Month if first.year() == last.year() => {
                format!("{} to {}", month_name(first.date()), self.words(last))
            }
            Self::Month => format!("{} to {}", self.words(first), self.words(last)),
        }
    }

    /// A period with its preposition: "on 12 October 2026", "in January 2026".
    pub(crate) fn when(self, start: impl Into<DateTime>) -> String {
        let preposition = if matches!(self, Self::Hour | Self::Day) {
            "on"
        } else {
            "in"
        };
        format!("{preposition} {}", self.words(start))
    }

    /// A range of periods with its preposition: "from 23 to 29 November 2026", "in the weeks of 23
    /// to 30 November 2026", "from October to December 2026"; a single period as in [`Self::when`].
    pub(crate) fn during(self, first: impl Into<DateTime>, last: impl Into<DateTime>) -> String {
        let (first, last) = (first.into(), last.into());
        match self {
            _ if first == last => self.when(first),
            Self::Week => format!("in {}", self.range(first, last)),
            _ => format!("from {}", self.range(first, last)),
        }
    }

    /// Formats a time as ISO 8601: a date, or a date with its hour.
    pub(crate) fn iso(self, start: DateTime) -> String {
        if self == Self::Hour {
            format!("{}T{:02}:00", start.date(), start.hour())
        } else {
            start.date().to_string()
        }
    }

    /// Number of periods in a season: 7 for days.
    pub(crate) fn season(self) -> usize {
        match self {
            Self::Hour => 24,
            Self::Day => 7,
            Self::Week | Self::Month => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn windows_are_counted_in_periods() {
        for (period, days, expected) in [
            (Period::Hour, 7, 168),
            (Period::Day, 7, 7),
            (Period::Week, 7, 1),
            (Period::Week, 31, 4),
            (Period::Month, 7, 1),
            (Period::Month, 31, 1),
            (Period::Month, 92, 3),
            (Period::Month, 365, 12),
        ] {
            assert_eq!(period.count_in(days), expected, "{period:?}, {days} days");
        }
        let start = date(2026, 12, 1).at(0, 0, 0, 0);
        assert_eq!(Period::Month.last_day(start), date(2026, 12, 31));
        assert_eq!(Period::Hour.last_day(start), date(2026, 12, 1));
        let [next, later] = [1, 2].map(|months| Period::Month.after(start, months));
        assert_eq!(Period::Month.during(start, start), "in December 2026");
        assert_eq!(
            Period::Month.during(next, later),
            "from January to February 2027"
        );
        let monday = date(2026, 11, 23);
        let range = Period::Week.during(monday, date(2026, 11, 30));
        assert_eq!(range, "in the weeks of 23 to 30 November 2026");
        assert_eq!(
            Period::Week.during(monday, monday),
            "in the week of 23 November 2026"
        );
    }

    #[test]
    fn ranges_repeat_no_part_of_a_date() {
        let check = |period: Period, first: DateTime, last: DateTime, expected: &str| {
            assert_eq!(period.range(first, last), expected);
        };
        let (noon, night) = (
            date(2026, 11, 9).at(12, 0, 0, 0),
            date(2026, 11, 9).at(23, 0, 0, 0),
        );
        check(Period::Hour, noon, noon, "9 November 2026, 12:00 to 13:00");
        check(
            Period::Hour,
            noon,
            night,
            "9 November 2026, 12:00 to 10 November 2026, 00:00",
        );
        let [first, day, later] = [date(2025, 11, 3), date(2026, 11, 9), date(2026, 11, 23)]
            .map(|day| day.at(0, 0, 0, 0));
        check(Period::Day, day, day, "9 November 2026");
        check(Period::Day, day, later, "9 to 23 November 2026");
        check(Period::Week, day, day, "the week of 9 November 2026");
        check(
            Period::Week,
            day,
            later,
            "the weeks of 9 to 23 November 2026",
        );
        check(Period::Month, first, day, "November 2025 to November 2026");
        check(
            Period::Month,
            date(2026, 9, 1).at(0, 0, 0, 0),
            day,
            "September to November 2026",
        );
    }
}
