//! Paths with dates: files outside the requested days are neither listed nor read.
//!
//! `{year}`, `{month}`, `{day}` and `{date}` (`2026-11-09`) match digits in a pattern, in any of
//! its segments. A folder is entered if the days it may hold overlap the requested days.

use super::pattern::is_pattern;
use jiff::civil::Date;

/// Placeholders with their number of digits.
const PLACEHOLDERS: [(&str, &str); 4] = [
    ("{year}", "[0-9][0-9][0-9][0-9]"),
    ("{month}", "[0-9][0-9]"),
    ("{day}", "[0-9][0-9]"),
    ("{date}", "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"),
];

/// A range of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// First day.
    pub first: Date,
    /// Day after the last.
    pub end: Date,
}

/// The dated segments of a pattern, and the requested days.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    /// The segments of the pattern, from the first to the last dated segment.
    segments: Vec<String>,
    days: Option<Days>,
}

/// The date parts matched so far.
#[derive(Debug, Clone, Copy, Default)]
struct PathDate {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
}

/// Returns true if a segment of a pattern contains a date.
pub(super) fn is_dated(segment: &str) -> bool {
    PLACEHOLDERS
        .iter()
        .any(|(field, _)| segment.contains(field))
}

/// Replaces the date placeholders of a segment with patterns.
pub(super) fn expand_dates(segment: &str) -> String {
    PLACEHOLDERS
        .iter()
        .fold(segment.to_string(), |text, (field, digits)| {
            text.replace(field, digits)
        })
}

impl Partition {
    /// Parses the segments of a pattern after its fixed part; `None` if they contain no date. The
    /// error describes an invalid combination.
    pub fn parse(pattern: &[String], days: Option<Days>) -> Result<Option<Self>, String> {
        let Some(last) = pattern.iter().rposition(|segment| is_dated(segment)) else {
            return Ok(None);
        };
        let segments = &pattern[..=last];
        if segments.iter().any(|segment| segment == "**") {
            return Err(
                "has ** before a date, so no folder could be skipped; write the folders that lead \
                 to it"
                    .to_string(),
            );
        }
        let placeholders = segments.concat();
        let count = |field: &str| placeholders.matches(field).count();
        let parts = [count("{year}"), count("{month}"), count("{day}")];
        let is_valid = match (count("{date}"), parts) {
            (1, [0, 0, 0]) => true,
            (0, [1, month, day]) => month <= 1 && day <= month,
            _ => false,
        };
        if !is_valid {
            return Err(
                "must name its days as {date}, or as {year}, {year} with {month}, or both with {day}, \
                 each once"
                    .to_string(),
            );
        }
        let mixed =
            |segment: &&String| is_dated(segment) && is_pattern(&without_placeholders(segment));
        if let Some(segment) = segments.iter().find(mixed) {
            return Err(format!(
                "has {segment:?}: a segment with a date cannot contain *, ? or [, since the \
                 position of the date would be ambiguous"
            ));
        }
        Ok(Some(Self {
            segments: segments.to_vec(),
            days,
        }))
    }

    /// Number of segments up to the last date.
    pub fn depth(&self) -> usize {
        self.segments.len()
    }

    /// Returns true if a path, or the start of a path, may contain a requested day.
    pub fn admits(&self, path: &[&str]) -> bool {
        let mut date = PathDate::default();
        for (segment, name) in self.segments.iter().zip(path) {
            if is_dated(segment) && !date.read_name(segment, name) {
                return false;
            }
        }
        let Some((first, end)) = date.days() else {
            // Digits that are not a date, such as month 13.
            return date.year.is_none();
        };
        self.days
            .is_none_or(|days| first < days.end && days.first < end)
    }
}

/// Removes the date placeholders from a segment.
fn without_placeholders(segment: &str) -> String {
    PLACEHOLDERS
        .iter()
        .fold(segment.to_string(), |text, (field, _)| {
            text.replace(field, "")
        })
}

impl PathDate {
    /// Reads the date parts of a name; returns false if the name does not match the segment.
    fn read_name(&mut self, segment: &str, name: &str) -> bool {
        let (mut segment, mut name) = (segment, name);
        while let Some((start, field)) = next_placeholder(segment) {
            let Some(rest) = name.strip_prefix(&segment[..start]) else {
                return false;
            };
            let length = match field {
                "{year}" => 4,
                "{date}" => 10,
                _ => 2,
            };
            let Some((digits, rest)) = rest.split_at_checked(length) else {
                return false;
            };
            if !self.set_part(field, digits) {
                return false;
            }
            (segment, name) = (&segment[start + field.len()..], rest);
        }
        segment == name
    }

    fn set_part(&mut self, field: &str, text: &str) -> bool {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match field {
            "{date}" => match text.parse::<Date>() {
                Ok(date) => {
                    self.year = Some(date.year());
                    self.month = Some(date.month());
                    self.day = Some(date.day());
                    true
                }
                Err(_) => false,
            },
            _ if !digits(text) => false,
            "{year}" => text.parse().map(|year| self.year = Some(year)).is_ok(),
            "{month}" => text.parse().map(|month| self.month = Some(month)).is_ok(),
            _ => text.parse().map(|day| self.day = Some(day)).is_ok(),
        }
    }

    /// The matched days, as start and exclusive end; `None` if they are invalid, or if no part has
    /// matched yet.
    fn days(self) -> Option<(Date, Date)> {
        let year = self.year?;
        let first = Date::new(year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok()?;
        let length = match (self.month, self.day) {
            (_, Some(_)) => jiff::Span::new().days(1),
            (Some(_), None) => jiff::Span::new().months(1),
            (None, None) => jiff::Span::new().years(1),
        };
        Some((first, first.checked_add(length).unwrap_or(Date::MAX)))
    }
}

/// The first placeholder of a segment and its position.
fn next_placeholder(segment: &str) -> Option<(usize, &'static str)> {
    let placeholders = PLACEHOLDERS
        .iter()
        .filter_map(|(field, _)| Some((segment.find(field)?, *field)));
    placeholders.min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn pattern(text: &str) -> Vec<String> {
        text.split('/').map(str::to_string).collect()
    }

    fn admits(text: &str, path: &str) -> bool {
        let days = Days {
            first: date(2026, 10, 26),
            end: date(2026, 11, 16),
        };
        let partition = Partition::parse(&pattern(text), Some(days))
            .unwrap()
            .unwrap();
        let path: Vec<&str> = path.split('/').collect();
        partition.admits(&path)
    }

    #[test]
    fn folders_are_entered_if_they_may_hold_a_requested_day() {
        let text = "year={year}/month={month}/day={day}/*.jsonl";
        for inside in [
            "year=2026",
            "year=2026/month=10",
            "year=2026/month=11",
            "year=2026/month=10/day=26",
            "year=2026/month=11/day=15/a.jsonl",
        ] {
            assert!(admits(text, inside), "{inside}");
        }
        for outside in [
            "year=2025",
            "year=2026/month=09",
            "year=2026/month=12",
            "year=2026/month=10/day=25",
            "year=2026/month=11/day=16/a.jsonl",
            "year=2026/month=13",
            "year=2026/month=11/day=31",
            "year=20xx",
            "month=11",
        ] {
            assert!(!admits(text, outside), "{outside}");
        }
    }

    #[test]
    fn dates_in_file_names_are_matched() {
        let text = "*/tickets-{date}.jsonl";
        assert!(admits(text, "eu"));
        assert!(admits(text, "eu/tickets-2026-11-01.jsonl"));
        assert!(!admits(text, "eu/tickets-2026-11-16.jsonl"));
        assert!(!admits(text, "eu/tickets-2026-11-01.jsonl.gz"));
        assert!(!admits(text, "eu/tickets-2026-11-1é.jsonl"));
        assert!(admits("{year}-{month}.csv", "2026-10.csv"));
        assert!(!admits("{year}-{month}.csv", "2026-09.csv"));
        assert_eq!(
            expand_dates("dt={year}{month}"),
            "dt=[0-9][0-9][0-9][0-9][0-9][0-9]"
        );
    }

    #[test]
    fn without_days_every_date_is_admitted() {
        let partition = Partition::parse(&pattern("{date}/*"), None)
            .unwrap()
            .unwrap();
        assert!(partition.admits(&["1999-01-01", "a"]));
        assert!(!partition.admits(&["1999-02-30", "a"]));
        assert!(Partition::parse(&pattern("a/*"), None).unwrap().is_none());
    }

    #[test]
    fn ambiguous_patterns_are_refused() {
        for wrong in [
            "**/{date}/*.jsonl",
            "{month}/{day}/*",
            "{year}/{day}/*",
            "{year}/{year}/*",
            "{date}/{year}/*",
            "*{date}.jsonl",
        ] {
            assert!(Partition::parse(&pattern(wrong), None).is_err(), "{wrong}");
        }
    }
}
