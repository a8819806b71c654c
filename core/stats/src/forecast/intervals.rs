//! Conformal intervals and medians, and allowances for errors that no backtest contains.

use super::{Band, Cleaned, backtest::conformal_half_width, is_constant};
use crate::{describe::median, distribution::normal_quantile};
use std::ops::Range;

/// Additional width of intervals, independent of the backtest: for outliers, and for the rounding
/// of values.
pub(super) struct Allowance {
    /// Observed values minus usual values: zero except for outliers.
    deviations: Vec<f64>,
    /// Deviation of the outliers at the end, which may continue, or of the level before a shift,
    /// which may return.
    open_deviation: f64,
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
            open_deviation: match cleaned.shift {
                Some(shift) if shift.is_open => -shift.size,
                _ => cleaned.open_deviation,
            },
            resolution: resolution(values),
        }
    }

    /// Widths below and above the expected sum over `steps` steps, whose errors in the backtest
    /// have the width `half`. Values at the other level have the same errors.
    pub(super) fn over(&self, steps: usize, level: f64, half: f64) -> [f64; 2] {
        let sums: Vec<f64> = self
            .deviations
            .windows(steps)
            .map(|window| window.iter().sum())
            .collect();
        [-1.0, 1.0].map(|side| {
            let beyond: Vec<f64> = sums.iter().map(|sum| (sum * side).max(0.0)).collect();
            let open = (self.open_deviation * side).max(0.0) * steps as f64;
            conformal_half_width(&beyond, f64::midpoint(level, 1.0))
                .max(half + open)
                .max(self.resolution)
        })
    }
}

/// The rounding of the values: a power of ten up to 1 or, if none fits, almost zero; 0 if all are
/// equal.
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

/// Errors scaled to the present level: they grow with its square root, like the errors of counts,
/// halfway between constant errors and constant percentages.
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

/// Errors of the sum over the first steps.
pub(super) struct SumErrors {
    /// Absolute error at each origin.
    sizes: Vec<f64>,
    /// Root mean square of the errors without those on outliers.
    usual: f64,
    /// Number of sums that do not overlap.
    disjoint: f64,
}

impl SumErrors {
    pub(super) fn of(
        scaled: &Scaled,
        origins: &[usize],
        is_outlier: &[bool],
        steps: usize,
    ) -> Self {
        let errors = &scaled.errors;
        let sum = |row: &Vec<f64>| row[..steps].iter().sum::<f64>().abs();
        let usual = |(row, origin): (&Vec<f64>, &usize)| {
            let steps = row[..steps].iter().zip(&is_outlier[*origin..]);
            let usual = steps.filter(|(_, is_outlier)| !**is_outlier);
            usual.map(|(error, _)| error).sum::<f64>().powi(2)
        };
        let squares: f64 = errors.iter().zip(origins).map(usual).sum();
        let reach = origins.last().zip(origins.first());
        let reach = reach.map_or(0, |(last, first)| last - first);
        Self {
            sizes: errors.iter().map(sum).collect(),
            usual: (squares / errors.len().max(1) as f64).sqrt(),
            disjoint: (reach / steps + 1).min(errors.len().max(1)) as f64,
        }
    }

    /// Half the width of the interval: that of the conformal interval and, if there are too few
    /// disjoint sums for its quantile, at least that of a normal distribution.
    pub(super) fn half_width(&self, level: f64) -> f64 {
        let half = conformal_half_width(&self.sizes, level);
        if level * (self.disjoint + 1.0) <= self.disjoint {
            return half;
        }
        half.max(self.usual * normal_quantile(f64::midpoint(level, 1.0)))
    }
}

/// The steps whose errors are pooled with those of a step: up to three on each side.
fn neighbours(step: usize, horizon: usize) -> Range<usize> {
    let near = (horizon / 4).clamp(1, 3);
    step.saturating_sub(near)..(step + near + 1).min(horizon)
}

/// Medians of the distributions whose expected values are `mean`, from the errors of the backtest,
/// rounded like the values.
pub(super) fn medians(
    mean: &[f64],
    scaled: &Scaled,
    allowance: &Allowance,
    floor: f64,
) -> Vec<f64> {
    let unit = allowance.resolution.max(f64::MIN_POSITIVE);
    let median_at = |(step, expected): (usize, &f64)| {
        let steps = neighbours(step, mean.len());
        let values = scaled.errors.iter().flat_map(|row| &row[steps.clone()]);
        let middle = median(&values.map(|error| expected + error).collect::<Vec<_>>());
        let units = middle / unit;
        let rounded = if units.abs() < 1e15 {
            units.round() * unit
        } else {
            middle
        };
        rounded.max(floor)
    };
    mean.iter().enumerate().map(median_at).collect()
}

/// Conformal band: errors of neighbouring steps are pooled, and the width does not decrease with
/// the horizon.
pub(super) fn band(
    mean: &[f64],
    scaled: &Scaled,
    level: f64,
    allowance: &Allowance,
    floor: f64,
) -> Band {
    let errors = &scaled.errors;
    let horizon = mean.len();
    let pooled = |step: usize, without: Option<usize>| -> Vec<f64> {
        let steps = neighbours(step, horizon);
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
    let ends = mean.iter().zip(&half).map(|(mean, half)| {
        let [down, up] = allowance.over(1, level, *half);
        ((mean - down).max(floor), mean + up)
    });
    let (lower, upper) = ends.unzip();
    Band {
        level,
        lower,
        upper,
        coverage: held as f64 / (errors.len() * horizon).max(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::clean, *};

    #[test]
    fn values_at_the_other_level_have_errors_too() {
        let usual: Vec<f64> = (0..84_u32).map(|i| f64::from(50 + i * 7919 % 3)).collect();
        // Below three values, the usual level is expected; from three on, the new level.
        for (count, expected) in [(1, [2.0, 62.0]), (3, [62.0, 2.0])] {
            let mut values = usual.clone();
            values[84 - count..]
                .iter_mut()
                .for_each(|value| *value += 60.0);
            let widths = Allowance::of(&values, &clean(&values, 7)).over(1, 0.95, 2.0);
            let near = |(width, expected): (&f64, &f64)| (width - expected).abs() <= 2.0;
            assert!(
                widths.iter().zip(&expected).all(near),
                "{count}: {widths:?}"
            );
        }
    }
}
