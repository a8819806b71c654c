//! Numbers of records behind the values of a series.

use super::{Aggregate, Group, SeriesSet};
use retrocast_stats::describe::median;

/// The usual number of records over the number below which a period's mean is not used, and the
/// number of records from which it always is.
const SPARSE_RATIO: f64 = 9.0;
const SPARSE_MAX: f64 = 10.0;

impl Aggregate {
    /// Returns true if a period without records is zero.
    pub(crate) fn adds_up(self) -> bool {
        matches!(self, Self::Count | Self::Sum)
    }

    /// Returns true if the noise of a value depends on the number of records behind it.
    pub(crate) fn averages(self) -> bool {
        matches!(self, Self::Mean | Self::Median)
    }
}

impl SeriesSet {
    /// Number of records behind each value of a group, if values are means or medians; otherwise
    /// empty.
    pub(crate) fn exposure<'a>(&self, group: &'a Group) -> &'a [f64] {
        if self.averages { &group.counts } else { &[] }
    }

    /// Removes means and medians of few records: below ten, and below a ninth of the group's usual
    /// number, at which the standard error is more than three times the usual one.
    pub(crate) fn drop_sparse(&mut self) {
        if !self.averages {
            return;
        }
        for group in &mut self.groups {
            let counts = group.counts.iter().copied();
            let active: Vec<f64> = counts.filter(|count| *count > 0.0).collect();
            if active.is_empty() {
                continue;
            }
            let least = (median(&active) / SPARSE_RATIO).min(SPARSE_MAX);
            let before = group.with_parts.len() - group.values.len();
            let before = before.min(self.parts_before);
            for (i, count) in group.counts.iter().enumerate() {
                if *count < least {
                    group.values[i] = None;
                    group.with_parts[before + i] = None;
                }
            }
        }
    }
}
