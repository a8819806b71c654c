//! The most extreme values of the records of a group.

use retrocast_stats::few_records::LARGEST_KEPT;

/// The largest and the smallest values of the records of a group, each with its period.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extremes {
    /// In descending order.
    pub(crate) largest: Vec<(f64, usize)>,
    /// With the sign reversed, in descending order.
    pub(crate) smallest: Vec<(f64, usize)>,
    /// Sum of all values.
    pub(crate) sum: f64,
}

impl Extremes {
    pub(super) fn add(&mut self, value: f64, period: usize) {
        self.sum += value;
        for (list, value) in [(&mut self.largest, value), (&mut self.smallest, -value)] {
            // Nearly all records: this runs for each of them.
            if list.len() == LARGEST_KEPT && list[LARGEST_KEPT - 1].0 >= value {
                continue;
            }
            let at = list.partition_point(|(other, _)| *other >= value);
            list.truncate(LARGEST_KEPT - 1);
            list.insert(at, (value, period));
        }
    }

    /// The same, with periods counted from `begin`; without values before it.
    pub(super) fn since_period(&self, begin: usize) -> Self {
        let shift = |list: &[(f64, usize)]| {
            let shifted = list
                .iter()
                .map(|(value, period)| Some((*value, period.checked_sub(begin)?)));
            shifted.flatten().collect()
        };
        Self {
            largest: shift(&self.largest),
            smallest: shift(&self.smallest),
            sum: self.sum,
        }
    }
}
