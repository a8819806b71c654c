//! The periods of a series, and which of them are complete.

use super::{PartPeriods, Request, coverage::Coverage, period::Period};
use jiff::civil::DateTime;
use retrocast_domain::{number, window::date_in_words};

/// The periods with records, and which of them are complete.
pub(super) struct Span {
    pub(super) starts: Vec<DateTime>,
    pub(super) end: DateTime,
    pub(super) first_is_incomplete: bool,
    pub(super) last_is_incomplete: bool,
    /// Time of the first record, if it is days after the start of a first period that counts as
    /// complete.
    late_first_record: Option<DateTime>,
    pub(super) period: Period,
}

impl Span {
    pub(super) fn new(coverage: &Coverage, request: &Request<'_>) -> Self {
        let period = request.period;
        let end = coverage.end(period);
        let first_start = period.floor(coverage.first());
        let mut starts = Vec::new();
        let last_moment = end.checked_sub(jiff::ToSpan::nanosecond(1)).unwrap_or(end);
        let mut start = Some(period.floor(last_moment));
        while let Some(time) = start.filter(|time| *time >= first_start) {
            if starts.len() >= history_max(request) {
                break;
            }
            starts.push(time);
            start = period.before(time);
        }
        starts.reverse();
        let begins_at_first_record = starts.first() == Some(&first_start);
        let first_is_incomplete =
            begins_at_first_record && !coverage.covers_first_period(first_start, period);
        let first = coverage.first();
        Self {
            first_is_incomplete,
            late_first_record: (begins_at_first_record
                && !first_is_incomplete
                && first.date() > first_start.date())
            .then_some(first),
            last_is_incomplete: starts
                .last()
                .is_some_and(|start| period.after(*start, 1) > end),
            starts,
            end,
            period,
        }
    }

    /// Index of a time's period, if it is on the axis and covered. The last record may be at the
    /// exact end of the covered period.
    pub(super) fn position(&self, time: DateTime) -> Option<usize> {
        let is_covered = time < self.end || (self.last_is_incomplete && time == self.end);
        let after = self.starts.partition_point(|start| *start <= time);
        after.checked_sub(1).filter(|_| is_covered)
    }

    /// Range of the periods to analyse; adds caveats on incomplete periods.
    pub(super) fn complete_periods(
        &self,
        request: &Request<'_>,
        caveats: &mut Vec<String>,
    ) -> std::ops::Range<usize> {
        let n = self.starts.len();
        // A season of the year is estimated from periods before those that are reported on.
        let reports_start = n <= request.periods_max;
        if let Some(first) = self.late_first_record.filter(|_| reports_start) {
            caveats.push(format!(
                "The first record is dated {}; {} counts as whole.",
                date_in_words(first.date()),
                self.period.words(self.starts[0])
            ));
        }
        let mut incomplete = Vec::new();
        if self.first_is_incomplete && reports_start {
            incomplete.push(self.period.words(self.starts[0]));
        }
        if self.last_is_incomplete && n > usize::from(self.first_is_incomplete) {
            incomplete.push(self.period.words(self.starts[n - 1]));
        }
        let start = usize::from(self.first_is_incomplete).min(n);
        let complete = start
            ..n.saturating_sub(usize::from(self.last_is_incomplete))
                .max(start);
        if incomplete.is_empty() {
            return complete;
        }
        let names = number::list(&incomplete);
        let they = if incomplete.len() == 1 {
            "it is"
        } else {
            "they are"
        };
        if request.part_periods == PartPeriods::Keep {
            caveats.push(format!(
                "Records cover {names} in part; {they} kept, as the job file asks."
            ));
            return 0..n;
        }
        caveats.push(format!("Records cover {names} in part; {they} left out."));
        complete
    }
}

/// Number of years from which a season of the year is estimated.
const YEARS: f64 = 5.0;

/// Maximum number of periods to read.
fn history_max(request: &Request<'_>) -> usize {
    let years = if request.without_year {
        (YEARS * request.period.cadence().year()).ceil() as usize
    } else {
        0
    };
    request.periods_max.max(years).max(1)
}
