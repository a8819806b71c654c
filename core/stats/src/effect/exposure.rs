//! Numbers of records behind the values of a design.

use super::Design;
use crate::{counterfactual::PHASES_MAX, describe::median};

impl Design<'_> {
    /// Weights of the steps `change..end`, which sum to 1: zero without a value, or if no step of
    /// the same phase of a short season in `begin..change` has one to compare with.
    pub(super) fn weights(&self, begin: usize, change: usize, end: usize) -> Vec<f64> {
        let is_short = (2..=PHASES_MAX).contains(&self.period) && begin < change;
        let mut seen = vec![!is_short; self.period.max(1)];
        for (i, value) in self.values[begin..change].iter().enumerate() {
            seen[i % self.period.max(1)] |= value.is_some();
        }
        let mut weights: Vec<f64> = (change..end)
            .map(|i| {
                let is_counted = self.values[i].is_some() && seen[(i - begin) % seen.len()];
                if is_counted {
                    self.exposure.get(i).copied().unwrap_or(1.0)
                } else {
                    0.0
                }
            })
            .collect();
        let total: f64 = weights.iter().sum();
        if total > 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= total);
        }
        weights
    }

    /// The variance of the noise of each step relative to that at a usual number of records; empty
    /// if all steps count the same.
    pub(super) fn noise(&self) -> Vec<f64> {
        let known = self.exposure.iter().zip(self.values);
        let known: Vec<f64> = known
            .filter(|(records, value)| value.is_some() && **records > 0.0)
            .map(|(records, _)| *records)
            .collect();
        if known.is_empty() {
            return Vec::new();
        }
        let usual = median(&known);
        let relative = |records: &f64| if *records > 0.0 { usual / records } else { 1.0 };
        self.exposure.iter().map(relative).collect()
    }
}
