//! Conformal intervals, and what they allow for that no backtest shows.

use super::{Band, Cleaned, backtest::conformal_half_width, is_constant};
use crate::describe::median;

/// Additional width of intervals, independent of the backtest: for outliers, and for the rounding
/// of values.
pub(super) struct Allowance {
    /// Observed values minus usual ones: zero but for the outliers.
    deviations: Vec<f64>,
    /// Deviation of the outliers at the end, which may last.
    open: f64,
    /// Rounding of the values; 0 if all are equal.
    resolution: f64,
}

impl Allowance {
    pub(super) fn of(values: &[f64], cleaned: &Cleaned) -> Self {
        Self {
            deviations: values
                .iter()
                .zip(&cleaned.values)
                .map(|(value, usual)| value - usual)
                .collect(),
            open: cleaned.open,
            resolution: resolution(values),
        }
    }

    /// Additional width below and above the expected sum over some steps.
    pub(super) fn over(&self, steps: usize, level: f64) -> [f64; 2] {
        let sums: Vec<f64> = self
            .deviations
            .windows(steps)
            .map(|window| window.iter().sum())
            .collect();
        [-1.0, 1.0].map(|side| {
            let beyond: Vec<f64> = sums.iter().map(|sum| (sum * side).max(0.0)).collect();
            conformal_half_width(&beyond, f64::midpoint(level, 1.0))
                .max(self.open * side * steps as f64)
                .max(self.resolution)
        })
    }
}

/// The rounding of values: a power of ten up to 1, or, if none fits, almost zero; 0 if all are equal.
pub(super) fn resolution(values: &[f64]) -> f64 {
    if is_constant(values) {
        return 0.0;
    }
    let fits = |scale: &f64| {
        values.iter().all(|value| {
            let scaled = value * scale;
            (scaled - scaled.round()).abs() <= 1e-9 * scaled.abs()
        })
    };
    let scale = (0..=6).map(|decimals| 10f64.powi(decimals)).find(fits);
    let sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    let least = (1e-4 * median(&sizes)).max(f64::MIN_POSITIVE);
    scale.map_or(least, f64::recip)
}

/// Errors in units of what they would be now: they grow with the square root of the level, as those of
/// counts do, which is halfway between errors that do not grow and errors that are a percentage.
pub(super) struct Scaled {
    pub(super) errors: Vec<Vec<f64>>,
    /// Size of errors at each origin, relative to now.
    sizes: Vec<f64>,
}

impl Scaled {
    pub(super) fn of(
        errors: &[Vec<f64>],
        histories: &[Vec<f64>],
        values: &[f64],
        period: usize,
    ) -> Self {
        let level = |values: &[f64]| {
            let recent = &values[values.len().saturating_sub((2 * period).max(14))..];
            recent.iter().map(|value| value.abs()).sum::<f64>() / recent.len() as f64
        };
        let now = level(values);
        let size = |history: &Vec<f64>| match level(history) / now {
            ratio if ratio.is_finite() => ratio.clamp(0.25, 4.0).sqrt(),
            _ => 1.0,
        };
        let sizes: Vec<f64> = histories.iter().map(size).collect();
        let rows = errors.iter().zip(&sizes);
        let scaled = rows.map(|(row, size)| row.iter().map(|error| error / size).collect());
        Self {
            errors: scaled.collect(),
            sizes,
        }
    }
}

/// Conformal band: errors of neighbouring steps (up to three on each side) are pooled, and the width
/// never shrinks with the horizon.
pub(super) fn band(
    mean: &[f64],
    scaled: &Scaled,
    level: f64,
    allowance: &Allowance,
    floor: f64,
) -> Band {
    let errors = &scaled.errors;
    let [down, up] = allowance.over(1, level);
    let horizon = mean.len();
    let near = (horizon / 4).clamp(1, 3);
    let pooled = |step: usize, without: Option<usize>| -> Vec<f64> {
        let steps = step.saturating_sub(near)..(step + near + 1).min(horizon);
        errors
            .iter()
            .enumerate()
            .filter(|(origin, _)| Some(*origin) != without)
            .flat_map(|(_, row)| row[steps.clone()].iter().map(|error| error.abs()))
            .collect()
    };
    let mut widest = 0.0f64;
    let half: Vec<f64> = (0..horizon)
        .map(|step| {
            widest = widest.max(conformal_half_width(&pooled(step, None), level));
            widest
        })
        .collect();
    let mut held = 0;
    for ((origin, row), size) in errors.iter().enumerate().zip(&scaled.sizes) {
        let mut widest = 0.0f64;
        for (step, error) in row.iter().enumerate() {
            widest = widest.max(conformal_half_width(&pooled(step, Some(origin)), level));
            held += usize::from(error.abs() <= widest.max(allowance.resolution / size));
        }
    }
    Band {
        level,
        lower: mean
            .iter()
            .zip(&half)
            .map(|(mean, half)| (mean - half.max(down)).max(floor))
            .collect(),
        upper: mean
            .iter()
            .zip(&half)
            .map(|(mean, half)| mean + half.max(up))
            .collect(),
        coverage: held as f64 / (errors.len() * horizon).max(1) as f64,
    }
}
