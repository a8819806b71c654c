//! The civil days that a run reports on, in the job's time zone.
//!
//! A day on which the clock changes has 23 or 25 hours; [`Window::start_instant`] and
//! [`Window::end_instant`] give the exact limits.

use crate::number::plural;
use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A job's window specification: a run uses the last complete window before its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum WindowSpec {
    /// ISO weeks, Monday to Sunday.
    Week,
    /// Calendar months.
    Month,
    /// Calendar quarters.
    Quarter,
    /// Single days.
    Day,
    /// The last N complete days.
    Days(u32),
}

impl WindowSpec {
    /// One window as a noun: "week", "month", "quarter", "day", or "period" for a number of days.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Day => "day",
            Self::Days(_) => "period",
        }
    }

    /// The phrase for a window without records: "no record falls in this week".
    pub fn without_records(self) -> String {
        format!("no record falls in this {}", self.noun())
    }

    /// The same for one dataset: "no record of tickets falls in this week".
    pub fn without_records_of(self, name: &str) -> String {
        format!("no record of {name} falls in this {}", self.noun())
    }
}

/// An invalid window.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a window")]
pub struct WindowError {
    text: String,
}

/// The forms of [`WindowSpec`] and of explicit windows, for help messages.
pub const WINDOW_HELP: &str = "use \"week\", \"month\", \"quarter\", \"day\" or \"14 days\"";
/// Advice on naming one window.
pub const ONE_WINDOW_HELP: &str = "write a window such as 2026-W46, 2026-11, 2026-Q4, 2026-11-15 or \
                                   2026-11-01..2026-11-16, whose last day is excluded; without \
                                   --window it is the last complete one before --date";

impl FromStr for WindowSpec {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let error = || WindowError {
            text: text.to_string(),
        };
        match text.trim() {
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            "quarter" => Ok(Self::Quarter),
            "day" => Ok(Self::Day),
            other => {
                let (n, unit) = other.split_once(' ').ok_or_else(error)?;
                let n: u32 = n.parse().map_err(|_| error())?;
                match unit.trim() {
                    "day" | "days" if (1..=3660).contains(&n) => Ok(Self::Days(n)),
                    _ => Err(error()),
                }
            }
        }
    }
}

impl TryFrom<String> for WindowSpec {
    type Error = WindowError;
    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

impl From<WindowSpec> for String {
    fn from(spec: WindowSpec) -> String {
        spec.to_string()
    }
}

impl fmt::Display for WindowSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Week => f.write_str("week"),
            Self::Month => f.write_str("month"),
            Self::Quarter => f.write_str("quarter"),
            Self::Day => f.write_str("day"),
            Self::Days(n) => write!(f, "{n} days"),
        }
    }
}

impl WindowSpec {
    /// The last complete window before `date`: a week is complete on the Monday after it.
    ///
    /// # Panics
    /// If the date is at the edge of the calendar (year ±9999).
    pub fn last_complete(self, date: Date, timezone: &str) -> Window {
        let (start, end) = match self {
            Self::Week => {
                let end = monday(date);
                (end - 7.days(), end)
            }
            Self::Month => {
                let end = date.first_of_month();
                (end - 1.month(), end)
            }
            Self::Quarter => {
                let end = first_of_quarter(date);
                (end - 3.months(), end)
            }
            Self::Day => (date - 1.day(), date),
            Self::Days(n) => (date - i64::from(n).days(), date),
        };
        Window {
            spec: self,
            start,
            end,
            timezone: timezone.to_string(),
        }
    }

    /// The current window up to and including `date`.
    ///
    /// # Panics
    /// If the date is at the edge of the calendar (year ±9999).
    pub fn current_until(self, date: Date, timezone: &str) -> Window {
        let end = date + 1.day();
        let start = match self {
            Self::Week => monday(date),
            Self::Month => date.first_of_month(),
            Self::Quarter => first_of_quarter(date),
            Self::Day => date,
            Self::Days(n) => end - i64::from(n).days(),
        };
        let days = start.until(end).map_or(1, |span| span.get_days());
        Window {
            spec: WindowSpec::Days(days as u32),
            start,
            end,
            timezone: timezone.to_string(),
        }
    }
}

fn monday(date: Date) -> Date {
    date - i64::from(date.weekday().to_monday_zero_offset()).days()
}

fn first_of_quarter(date: Date) -> Date {
    jiff::civil::date(date.year(), (date.month() - 1) / 3 * 3 + 1, 1)
}

/// A range of civil days: `start` is included, `end` is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Kind of window.
    pub spec: WindowSpec,
    /// First day.
    pub start: Date,
    /// Day after the last.
    pub end: Date,
    /// IANA name of the time zone.
    pub timezone: String,
}

impl Window {
    /// Parses an explicit window: `2026-W46`, `2026-11`, `2026-Q4`, `2026-11-15` or
    /// `2026-11-01..2026-11-16` (end excluded).
    pub fn parse(text: &str, timezone: &str) -> Result<Self, WindowError> {
        let error = || WindowError {
            text: text.to_string(),
        };
        let day = |text: &str| text.parse::<Date>().map_err(|_| error());
        let window = |spec, start: Date, end: Date| {
            Ok(Self {
                spec,
                start,
                end,
                timezone: timezone.to_string(),
            })
        };
        let text = text.trim();
        if let Some((start, end)) = text.split_once("..") {
            let (start, end) = (day(start)?, day(end)?);
            let days = start.until(end).map_err(|_| error())?.get_days();
            if days < 1 {
                return Err(error());
            }
            return window(WindowSpec::Days(days as u32), start, end);
        }
        if let Some((year, week)) = text.split_once("-W") {
            let year: i16 = year.parse().map_err(|_| error())?;
            let week: i8 = week.parse().map_err(|_| error())?;
            let start = jiff::civil::ISOWeekDate::new(year, week, Weekday::Monday)
                .map_err(|_| error())?
                .date();
            return window(WindowSpec::Week, start, start + 7.days());
        }
        if let Some((year, quarter)) = text.split_once("-Q") {
            let year: i16 = year.parse().map_err(|_| error())?;
            let quarter: i8 = quarter.parse().map_err(|_| error())?;
            if !(1..=4).contains(&quarter) {
                return Err(error());
            }
            let start = Date::new(year, quarter * 3 - 2, 1).map_err(|_| error())?;
            return window(WindowSpec::Quarter, start, start + 3.months());
        }
        if text.len() == 7 {
            let start = day(&format!("{text}-01"))?;
            return window(WindowSpec::Month, start, start + 1.month());
        }
        let start = day(text)?;
        window(WindowSpec::Day, start, start + 1.day())
    }

    /// Number of civil days.
    pub fn days(&self) -> u32 {
        self.start
            .until(self.end)
            .map_or(0, |span| span.get_days().max(0) as u32)
    }

    /// The previous window of the same kind.
    #[must_use]
    pub fn previous(&self) -> Self {
        self.back(1)
    }

    /// The window `n` windows earlier. Windows of a number of days are aligned by weekday: they
    /// start whole weeks earlier, so that a Monday is compared with a Monday.
    ///
    /// # Panics
    /// If that would be before the start of the calendar.
    #[must_use]
    pub fn back(&self, n: u32) -> Self {
        let n = i64::from(n);
        let (start, end) = match self.spec {
            WindowSpec::Month => (self.start - n.months(), self.end - n.months()),
            WindowSpec::Quarter => (self.start - (3 * n).months(), self.end - (3 * n).months()),
            _ => {
                let weeks = i64::from(self.days().div_ceil(7));
                let days = 7 * weeks * n;
                (self.start - days.days(), self.end - days.days())
            }
        };
        Self {
            spec: self.spec,
            start,
            end,
            timezone: self.timezone.clone(),
        }
    }

    /// The previous window in words, as [`Window::back`] finds it: "the week before", "the same day
    /// a week before".
    pub fn previous_words(&self) -> String {
        match self.spec {
            WindowSpec::Day => "the same day a week before".to_string(),
            WindowSpec::Days(days) if days % 7 == 0 => format!("the {days} days before"),
            WindowSpec::Days(days) => {
                let weeks = match days.div_ceil(7) {
                    1 => "a week".to_string(),
                    weeks => plural(weeks.into(), "week"),
                };
                format!("the same {} {weeks} before", plural(days.into(), "day"))
            }
            spec => format!("the {} before", spec.noun()),
        }
    }

    /// Returns true if a civil day is in the window.
    pub fn contains(&self, day: Date) -> bool {
        self.start <= day && day < self.end
    }

    /// The instant at which the window begins.
    pub fn start_instant(&self) -> Timestamp {
        self.instant(self.start)
    }

    /// The instant at which the window ends.
    pub fn end_instant(&self) -> Timestamp {
        self.instant(self.end)
    }

    fn instant(&self, day: Date) -> Timestamp {
        let zone = TimeZone::get(&self.timezone).unwrap_or(TimeZone::UTC);
        day.to_zoned(zone)
            .map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
    }

    /// The label of the window, used in folder names: `2026-W46`, `2026-11`, `2026-Q4`,
    /// `2026-11-15` or `2026-11-01..2026-11-16`.
    pub fn label(&self) -> String {
        match self.spec {
            WindowSpec::Week => {
                let week = self.start.iso_week_date();
                format!("{}-W{:02}", week.year(), week.week())
            }
            WindowSpec::Month => format!("{}-{:02}", self.start.year(), self.start.month()),
            WindowSpec::Quarter => {
                format!(
                    "{}-Q{}",
                    self.start.year(),
                    (self.start.month() - 1) / 3 + 1
                )
            }
            WindowSpec::Day => self.start.to_string(),
            WindowSpec::Days(_) => format!("{}..{}", self.start, self.end),
        }
    }

    /// The window as a range of days: "9 to 15 November 2026".
    ///
    /// # Panics
    /// Never: the end is after the start.
    pub fn words(&self) -> String {
        range(self.start, self.end - 1.day())
    }
}

/// Formats a range of days without repetition: "15 November 2026", "9 to 15 November 2026", "28
/// October to 3 November 2026", "28 December 2025 to 3 January 2026".
pub fn range(first: Date, last: Date) -> String {
    if first == last {
        date_in_words(first)
    } else if (first.year(), first.month()) == (last.year(), last.month()) {
        format!("{} to {}", first.day(), date_in_words(last))
    } else if first.year() == last.year() {
        format!(
            "{} {} to {}",
            first.day(),
            month_name(first),
            date_in_words(last)
        )
    } else {
        format!("{} to {}", date_in_words(first), date_in_words(last))
    }
}

/// "15 November 2026".
pub fn date_in_words(date: Date) -> String {
    format!("{} {} {}", date.day(), month_name(date), date.year())
}

/// "November".
pub fn month_name(date: Date) -> &'static str {
    MONTHS[(date.month() - 1) as usize]
}

/// English month names, January first.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// English weekday names, Monday first.
pub const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A period with which a window is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Comparison {
    /// The previous window.
    Previous,
    /// The N previous windows, together.
    Windows(u32),
}

impl FromStr for Comparison {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let error = || WindowError {
            text: text.to_string(),
        };
        if text.trim() == "previous" {
            return Ok(Self::Previous);
        }
        let (n, unit) = text.trim().split_once(' ').ok_or_else(error)?;
        let units = ["week", "month", "quarter", "day", "window"];
        if !units.contains(&unit.trim().trim_end_matches('s')) {
            return Err(error());
        }
        match n.parse() {
            Ok(n @ 1..=520) => Ok(Self::Windows(n)),
            _ => Err(error()),
        }
    }
}

impl TryFrom<String> for Comparison {
    type Error = WindowError;
    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

impl From<Comparison> for String {
    fn from(comparison: Comparison) -> String {
        match comparison {
            Comparison::Previous => "previous".to_string(),
            Comparison::Windows(n) => format!("{n} windows"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn check(spec: &str, on: &str, label: &str, words: &str, hours: i64) {
        let spec: WindowSpec = spec.parse().unwrap();
        let window = spec.last_complete(on.parse().unwrap(), "Europe/London");
        assert_eq!(window.label(), label);
        assert_eq!(window.words(), words);
        let seconds = window.end_instant().as_second() - window.start_instant().as_second();
        assert_eq!(seconds / 3600, hours, "{label}");
        if !matches!(spec, WindowSpec::Days(_)) {
            assert_eq!(Window::parse(label, "Europe/London").unwrap(), window);
        }
    }

    #[test]
    fn the_last_complete_window_is_found() {
        check(
            "week",
            "2026-11-21",
            "2026-W46",
            "9 to 15 November 2026",
            168,
        );
        check(
            "week",
            "2026-11-16",
            "2026-W46",
            "9 to 15 November 2026",
            168,
        );
        check(
            "week",
            "2026-11-15",
            "2026-W45",
            "2 to 8 November 2026",
            168,
        );
        check(
            "week",
            "2027-01-05",
            "2026-W53",
            "28 December 2026 to 3 January 2027",
            168,
        );
        check(
            "month",
            "2026-11-21",
            "2026-10",
            "1 to 31 October 2026",
            745,
        );
        check(
            "quarter",
            "2026-11-21",
            "2026-Q3",
            "1 July to 30 September 2026",
            92 * 24,
        );
        check("day", "2026-11-21", "2026-11-20", "20 November 2026", 24);
        let label = "2026-11-07..2026-11-21";
        check("14 days", "2026-11-21", label, "7 to 20 November 2026", 336);
    }

    #[test]
    fn clock_changes_are_counted() {
        check("week", "2026-03-30", "2026-W13", "23 to 29 March 2026", 167);
        check(
            "week",
            "2026-10-26",
            "2026-W43",
            "19 to 25 October 2026",
            169,
        );
        check("day", "2026-03-30", "2026-03-29", "29 March 2026", 23);
    }

    #[test]
    fn earlier_windows_are_found() {
        let window = WindowSpec::Month.last_complete(date(2026, 4, 2), "UTC");
        assert_eq!(window.previous().label(), "2026-02");
        assert_eq!(window.back(3).label(), "2025-12");
        assert_eq!("4 weeks".parse(), Ok(Comparison::Windows(4)));
        assert!("weeks".parse::<Comparison>().is_err());
    }

    #[test]
    fn windows_of_days_are_compared_with_the_same_weekdays() {
        for (text, label, weeks) in [
            ("2026-11-16", "2026-11-09", 1),
            ("2026-11-16..2026-11-22", "2026-11-09..2026-11-15", 1),
            ("2026-11-07..2026-11-21", "2026-10-24..2026-11-07", 2),
            ("2026-11-07..2026-11-17", "2026-10-24..2026-11-03", 2),
        ] {
            let window = Window::parse(text, "UTC").unwrap();
            assert_eq!(window.previous().label(), label);
            assert_eq!(window.previous().start.weekday(), window.start.weekday());
            assert_eq!(window.back(3).start, window.start - (3 * weeks).weeks());
            assert_eq!(window.back(3).days(), window.days());
        }
    }

    #[test]
    fn current_windows_end_with_the_date() {
        // A Saturday.
        let check = |spec: &str, label: &str| {
            let spec: WindowSpec = spec.parse().unwrap();
            let window = spec.current_until(date(2026, 11, 21), "UTC");
            assert_eq!(window.label(), label);
            assert_eq!(Window::parse(label, "UTC").unwrap(), window);
        };
        check("week", "2026-11-16..2026-11-22");
        check("month", "2026-11-01..2026-11-22");
        check("quarter", "2026-10-01..2026-11-22");
        check("day", "2026-11-21..2026-11-22");
        check("14 days", "2026-11-08..2026-11-22");
    }

    #[test]
    fn ranges_do_not_repeat_parts_of_dates() {
        let check = |first: &str, last: &str, words: &str| {
            assert_eq!(range(first.parse().unwrap(), last.parse().unwrap()), words);
        };
        check("2026-12-07", "2026-12-07", "7 December 2026");
        check("2026-12-07", "2026-12-12", "7 to 12 December 2026");
        check(
            "2026-09-30",
            "2026-10-20",
            "30 September to 20 October 2026",
        );
        check(
            "2025-12-28",
            "2026-01-03",
            "28 December 2025 to 3 January 2026",
        );
    }

    #[test]
    fn invalid_windows_are_refused() {
        for text in [
            "2026-W54",
            "2026-13",
            "2026-Q5",
            "soon",
            "2026-02-30",
            "2026-11-15..2026-11-15",
        ] {
            assert!(Window::parse(text, "UTC").is_err(), "{text}");
        }
    }
}
