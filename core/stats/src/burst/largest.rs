//! The distribution of the largest of many scores.

use super::HOURS_OF_DAY;
use crate::describe::{quantile_sorted, sorted};
use std::ops::Range;

/// Shares of the largest scores of earlier days to which their distribution is fitted.
const FITTED: [f64; 2] = [0.5, 0.9];
/// Scale of the largest of independent scores: they are decimal logarithms of probabilities.
const SCALE: f64 = std::f64::consts::LOG10_E;
/// Weight of this scale, as a number of earlier stretches.
const SCALE_STRETCHES: f64 = 60.0;
/// Score of stretches without a scored run: that of a normal value two standard deviations away.
const UNSCORED: f64 = 1.64;

/// The distribution of the largest score of several stretches: a Gumbel distribution.
#[derive(Debug, Clone, Copy)]
pub(super) struct LargestScore {
    location: f64,
    scale: f64,
}

impl LargestScore {
    /// The distribution of the largest score of so many hours without a burst, from the earlier hours
    /// of a range: `score` returns the largest score of the runs that start in a range and end before
    /// an hour. `uncertainty` is the relative uncertainty of the scale from one stretch.
    pub(super) fn of_history(
        history: Range<usize>,
        hours: usize,
        uncertainty: f64,
        score: impl Fn(Range<usize>, usize) -> f64,
    ) -> Self {
        let stretch = hours.min(HOURS_OF_DAY);
        let from = history.end;
        let largest: Vec<f64> = (1..=history.len() / stretch)
            .map(|back| from - back * stretch)
            .map(|start| score(start..start + stretch, (start + hours).min(from)))
            .collect();
        Self::fit(
            &sorted(&largest),
            hours as f64 / stretch as f64,
            uncertainty,
        )
    }

    /// Fits the distribution for so many stretches to the largest scores of single stretches, in
    /// ascending order. Stretches that depend on each other have a smaller largest score.
    fn fit(largest: &[f64], stretches: f64, uncertainty: f64) -> Self {
        // Quantiles, so that earlier bursts do not hide new bursts.
        let [low, high] = FITTED.map(|share| quantile_sorted(largest, share).max(UNSCORED));
        let [low_of_one, high_of_one] = FITTED.map(|share| -f64::ln(-f64::ln(share)));
        let n = largest.len() as f64;
        let fitted = (high - low) / (high_of_one - low_of_one);
        let scale = ((n * fitted + SCALE_STRETCHES * SCALE) / (n + SCALE_STRETCHES)).max(SCALE);
        // Both parameters are estimated from few stretches.
        let scale = scale * (1.0 + uncertainty / n.sqrt());
        Self {
            location: high - scale * (high_of_one - stretches.ln()),
            scale,
        }
    }

    /// Probability that the largest score is at least `score`.
    pub(super) fn p(self, score: f64) -> f64 {
        -f64::exp_m1(-f64::exp(-(score - self.location) / self.scale))
    }
}
