//! The periods of the axis, and which of them are complete.

use super::{PartPeriods, Request, coverage::Coverage, period::Period};
use jiff::civil::DateTime;
use retrocast_domain::{number, window::long};

/// The periods with records, and which of them are complete.
pub(super) struct Span {
    pub(super) starts: Vec<DateTime>,
    pub(super) end: DateTime,
    pub(super) first_is_part: bool,
    pub(super) last_is_part: bool,
    /// Time of the first record, if it is days after the start of a first period that counts as
    /// complete.
    late_first: Option<DateTime>,
    pub(super) period: Period,
}

impl Span {
    pub(super) fn of(coverage: &Coverage, request: &Request<'_>) -> Self {
        let period = request.period;
        let end = coverage.end(period);
        let front = period.floor(coverage.first());
        let mut starts = Vec::new();
        let last_moment = end.checked_sub(jiff::ToSpan::nanosecond(1)).unwrap_or(end);
        let mut start = Some(period.floor(last_moment));
        while let Some(at) = start.filter(|at| *at >= front) {
            if starts.len() >= request.periods_max.max(1) {
                break;
            }
            starts.push(at);
            start = period.before(at);
        }
        starts.reverse();
        let begins_at_front = starts.first() == Some(&front);
        let first_is_part = begins_at_front && !coverage.begins_whole(front, period);
        let first = coverage.first();
        Self {
            first_is_part,
            late_first: (begins_at_front && !first_is_part && first.date() > front.date())
                .then_some(first),
            last_is_part: starts
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
        let is_covered = time < self.end || (self.last_is_part && time == self.end);
        let after = self.starts.partition_point(|start| *start <= time);
        after.checked_sub(1).filter(|_| is_covered)
    }

    /// Indices to analyse, with caveats.
    pub(super) fn whole(
        &self,
        part_periods: PartPeriods,
        caveats: &mut Vec<String>,
    ) -> std::ops::Range<usize> {
        let n = self.starts.len();
        if let Some(first) = self.late_first {
            caveats.push(format!(
                "The first record is dated {}; {} counts as whole.",
                long(first.date()),
                self.period.words(self.starts[0])
            ));
        }
        let mut parts = Vec::new();
        if self.first_is_part {
            parts.push(self.period.words(self.starts[0]));
        }
        if self.last_is_part && n > usize::from(self.first_is_part) {
            parts.push(self.period.words(self.starts[n - 1]));
        }
        if parts.is_empty() {
            return 0..n;
        }
        let names = number::list(&parts);
        let they = if parts.len() == 1 {
            "it is"
        } else {
            "they are"
        };
        if part_periods == PartPeriods::Keep {
            caveats.push(format!(
                "Records cover {names} in part; {they} kept, as the job file asks."
            ));
            return 0..n;
        }
        caveats.push(format!("Records cover {names} in part; {they} left out."));
        let start = usize::from(self.first_is_part).min(n);
        start..n.saturating_sub(usize::from(self.last_is_part)).max(start)
    }
}
