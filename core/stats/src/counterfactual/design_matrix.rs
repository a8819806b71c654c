//! The regressors of a counterfactual: constant, season, controls and slope.

use super::{PHASES_MAX, WAVES};
use crate::describe::{mean, sd};

/// Regressors, one row per step: constant, season, controls, slope. The season is coded as
/// deviations that sum to zero, a long one as sines and cosines; the slope counts steps from the
/// end of the training values.
pub(super) struct DesignMatrix {
    /// Number of regressors, including the slope.
    pub(super) width: usize,
    /// Length of a season with an effect for each of its steps; 1 without one.
    phases: usize,
    values: Vec<f64>,
}

/// Number of regressors of a season.
pub(crate) fn season_size(period: usize) -> usize {
    if period > PHASES_MAX {
        2 * WAVES
    } else {
        period.max(1) - 1
    }
}

impl DesignMatrix {
    pub(super) fn new(controls: &[&[f64]], period: usize, train: usize, steps: usize) -> Self {
        let phases = season_size(period);
        let width = 2 + phases + controls.len();
        let mut values = vec![0.0; width * steps];
        let scales: Vec<(f64, f64)> = controls.iter().map(|c| scale(&c[..train])).collect();
        for (i, row) in values.chunks_exact_mut(width).enumerate() {
            row[0] = 1.0;
            if period > PHASES_MAX {
                for (h, pair) in row[1..=phases].chunks_exact_mut(2).enumerate() {
                    let turn =
                        std::f64::consts::TAU * ((h + 1) * (i % period)) as f64 / period as f64;
                    (pair[0], pair[1]) = (turn.sin(), turn.cos());
                }
            } else {
                match i % (phases + 1) {
                    phase if phase < phases => row[1 + phase] = 1.0,
                    _ => row[1..=phases].fill(-1.0),
                }
            }
            for ((slot, control), (mean, sd)) in
                row[1 + phases..].iter_mut().zip(controls).zip(&scales)
            {
                *slot = (control[i] - mean) / sd;
            }
            row[width - 1] = i as f64 - train as f64;
        }
        Self {
            width,
            phases: if period > PHASES_MAX { 1 } else { phases + 1 },
            values,
        }
    }

    /// Regressors of the season that need a prior because phases have no value: that of each such
    /// phase or, for the last phase, which has no regressor of its own, one of another phase.
    pub(super) fn unseen_phases(&self, values: &[Option<f64>]) -> Vec<usize> {
        let mut seen = vec![self.phases == 1; self.phases];
        for (i, value) in values.iter().enumerate() {
            seen[i % self.phases] |= value.is_some();
        }
        let last = self.phases - 1;
        let other = seen.iter().position(|seen| *seen).unwrap_or(0);
        let unseen = (0..self.phases).filter(|phase| !seen[*phase]);
        unseen
            .map(|phase| 1 + if phase == last { other } else { phase })
            .collect()
    }

    /// The row of a step, with or without the slope.
    pub(super) fn row(&self, step: usize, slope: bool) -> &[f64] {
        let row = &self.values[step * self.width..(step + 1) * self.width];
        &row[..self.width - usize::from(!slope)]
    }
}

/// Mean and standard deviation; the latter is 1 for a constant.
pub(super) fn scale(values: &[f64]) -> (f64, f64) {
    let sd = sd(values);
    (mean(values), if sd > 0.0 { sd } else { 1.0 })
}
