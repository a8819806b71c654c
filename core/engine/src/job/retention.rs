//! Parses the `[retention]` section of a job file.

use super::{checker::Checker, document::SpannedValue};
use jiff::{Span, civil::Date};

/// Default number of newest windows that are always kept.
pub const DEFAULT_AT_LEAST: u32 = 4;

/// The retention policy: which reports may be removed when the disk is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Age of a window above which its reports may be removed, as written in the job file.
    pub keep: String,
    /// Number of newest windows whose reports are always kept.
    pub at_least: u32,
}

impl Retention {
    /// The retention limit: reports on windows that ended on or before this day may be removed.
    pub fn limit(&self, today: Date) -> Date {
        subtract_period(today, &self.keep)
    }
}

/// Subtracts a period, as written in a job file, from a day; the earliest day if that underflows.
pub fn subtract_period(day: Date, period: &str) -> Date {
    parse_period(period)
        .and_then(|period| day.checked_sub(period).ok())
        .unwrap_or(Date::MIN)
}

/// Returns true for a period of at least a day that [`subtract_period`] understands.
pub fn is_period(text: &str) -> bool {
    parse_period(text).is_some()
}

/// Parses a period of whole days, such as "26 weeks".
pub(super) fn parse_period(text: &str) -> Option<Span> {
    let period: Span = text.parse().ok()?;
    // Only whole days, because the limit of retention is a day.
    let day = jiff::civil::date(2000, 1, 1);
    let is_at_least_a_day = day.checked_sub(period).is_ok_and(|before| before < day);
    (is_at_least_a_day && period.is_positive()).then_some(period)
}

impl Checker<'_> {
    pub(super) fn parse_retention(&mut self, document: &SpannedValue) -> Option<Retention> {
        let table = document.get("retention")?;
        let keep = table.get("keep")?;
        let text = keep.text()?;
        if parse_period(text).is_none() {
            let message = format!("{} is not a retention period", keep.describe());
            self.error(
                &keep.span,
                message,
                "use a period such as \"26 weeks\" or \"2 years\"",
            );
        }
        let at_least = table.get("at_least").and_then(|item| item.json().as_u64());
        Some(Retention {
            keep: text.to_string(),
            at_least: at_least.map_or(DEFAULT_AT_LEAST, |n| n as u32),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support;
    use jiff::civil::date;

    #[test]
    fn the_retention_period_is_parsed() {
        let text = format!("{}\n[retention]\nkeep = \"26 weeks\"\n", test_support::JOB);
        let retention = test_support::job(&text).retention.unwrap();
        assert_eq!(retention.at_least, 4);
        assert_eq!(retention.limit(date(2026, 11, 16)), date(2026, 5, 18));
        assert_eq!(test_support::job(test_support::JOB).retention, None);
        for wrong in ["soon", "-2 weeks", "5 hours", "0 days", "1ms", "1us"] {
            let text = format!("{}\n[retention]\nkeep = \"{wrong}\"\n", test_support::JOB);
            let diagnostics = test_support::checked(&text).diagnostics;
            let end = "is not a retention period";
            assert!(
                diagnostics[0].message.ends_with(end),
                "{wrong}: {}",
                diagnostics[0].message
            );
        }
    }
}
