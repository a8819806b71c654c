//! Rolling-origin backtest and its error measures.

use super::{Forecaster, Options};
use crate::describe::median;

/// The errors of a forecaster from every origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    /// Observed minus forecast: one row per origin, one column per step.
    pub errors: Vec<Vec<f64>>,
    /// Observed values, in the same shape.
    observed: Vec<Vec<f64>>,
}

impl Backtest {
    /// Creates a backtest from the errors at each of the `origins`.
    pub fn of(values: &[f64], origins: &[usize], errors: &[Vec<f64>]) -> Self {
        let observed = origins
            .iter()
            .zip(errors)
            .map(|(origin, row)| values[*origin..origin + row.len()].to_vec())
            .collect();
        Self {
            errors: errors.to_vec(),
            observed,
        }
    }

    /// Mean absolute error.
    pub fn mean_error(&self) -> f64 {
        let errors = self.errors.iter().flatten();
        let n = errors.clone().count().max(1) as f64;
        errors.map(|error| error.abs()).sum::<f64>() / n
    }

    /// Mean absolute error over the scale of [`scale`].
    pub fn mase(&self, scale: f64) -> f64 {
        self.mean_error() / scale
    }

    /// Symmetric mean absolute percentage error between 0 and 2.
    pub fn smape(&self) -> f64 {
        let observed: Vec<f64> = self.observed.iter().flatten().copied().collect();
        let forecast: Vec<f64> = observed
            .iter()
            .zip(self.errors.iter().flatten())
            .map(|(value, error)| value - error)
            .collect();
        smape(&observed, &forecast)
    }
}

/// Mean absolute error of the forecasts over that of repeating the last season in training
/// (Hyndman and Koehler, 2006).
pub fn mase(train: &[f64], period: usize, observed: &[f64], forecast: &[f64]) -> f64 {
    let total: f64 = observed
        .iter()
        .zip(forecast)
        .map(|(a, b)| (a - b).abs())
        .sum();
    total / observed.len().max(1) as f64 / scale(train, period)
}

/// Symmetric mean absolute percentage error between 0 and 2; pairs of zeros have no error.
pub fn smape(observed: &[f64], forecast: &[f64]) -> f64 {
    let total: f64 = observed
        .iter()
        .zip(forecast)
        .map(|(a, b)| match a.abs() + b.abs() {
            0.0 => 0.0,
            size => 2.0 * (a - b).abs() / size,
        })
        .sum();
    total / observed.len().max(1) as f64
}

/// Mean absolute difference to the value one season earlier; 1 for a series that repeats exactly.
pub(super) fn scale(values: &[f64], period: usize) -> f64 {
    let period = if values.len() > period {
        period.max(1)
    } else {
        1
    };
    let n = values.len().saturating_sub(period).max(1) as f64;
    let total: f64 = values
        .iter()
        .zip(&values[period.min(values.len())..])
        .map(|(a, b)| (a - b).abs())
        .sum();
    let size = values.iter().map(|value| value.abs()).fold(0.0, f64::max);
    if total / n > 1e-12 * size.max(1e-300) {
        total / n
    } else {
        1.0
    }
}

/// Minimum length of the history of a forecaster: whole seasons, and at least 14 values.
pub(super) fn history_min(options: &Options) -> usize {
    (options.seasons_min * options.period).max(14)
}

/// The origins of the backtest: up to the requested number, evenly spread over the later two thirds
/// of the series (or the part that minimum history and horizon leave), ending at the last possible
/// origin.
///
/// The distance between origins is not a multiple of the season if that can be avoided, so that
/// every phase is forecast from every other phase.
pub fn origins(n: usize, options: &Options) -> Vec<usize> {
    let (period, origins_max) = (options.period, options.origins);
    let last = n.saturating_sub(options.horizon);
    let first = history_min(options).max(n / 3).min(last);
    let span = last - first;
    let mut step = span.div_ceil(origins_max.max(2) - 1).max(1);
    if period > 1 && step.is_multiple_of(period) {
        step += 1;
    }
    let mut origins: Vec<usize> = (0..=span / step)
        .take(origins_max.max(1))
        .map(|i| last - i * step)
        .collect();
    origins.reverse();
    origins
}

/// Runs a forecaster on the known values at each origin, in `histories`; `None` if it fails for any
/// origin. Rounding errors count as zero.
pub fn backtest(
    forecaster: &dyn Forecaster,
    histories: &[impl AsRef<[f64]>],
    values: &[f64],
    horizon: usize,
) -> Option<Backtest> {
    let histories: Vec<&[f64]> = histories.iter().map(AsRef::as_ref).collect();
    let forecasts = forecaster.forecasts(&histories, horizon)?;
    backtest_of(&forecasts, &histories, values)
}

/// Returns the backtest and the forecast from the end of the cleaned series, `now`.
pub(super) fn backtest_and_forecast(
    forecaster: &dyn Forecaster,
    histories: &[Vec<f64>],
    now: &[f64],
    values: &[f64],
    horizon: usize,
) -> Option<(Backtest, Vec<f64>)> {
    let histories: Vec<&[f64]> = histories.iter().map(Vec::as_slice).chain([now]).collect();
    let mut forecasts = forecaster.forecasts(&histories, horizon)?;
    let point = forecasts.pop()?;
    let backtest = backtest_of(&forecasts, &histories[..forecasts.len()], values)?;
    Some((backtest, point))
}

fn backtest_of(forecasts: &[Vec<f64>], histories: &[&[f64]], values: &[f64]) -> Option<Backtest> {
    let sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    let rounding = ROUNDING * median(&sizes);
    let row = |(history, forecast): (&&[f64], &Vec<f64>)| -> Vec<f64> {
        let observed = &values[history.len()..history.len() + forecast.len()];
        let errors = observed.iter().zip(forecast).map(|(a, b)| a - b);
        errors
            .map(|error| if error.abs() > rounding { error } else { 0.0 })
            .collect()
    };
    let errors: Vec<Vec<f64>> = histories.iter().zip(forecasts).map(row).collect();
    let origins: Vec<usize> = histories.iter().map(|history| history.len()).collect();
    (!errors.is_empty()).then(|| Backtest::of(values, &origins, &errors))
}

/// Relative size below which an error is a rounding error.
const ROUNDING: f64 = 1e-9;

/// Half the width of a split-conformal interval: the `⌈(n + 1) level⌉`-th smallest absolute error.
///
/// If there are too few errors for this rank, the largest error is widened in proportion: its
/// actual coverage is only `n / (n + 1)`.
pub fn conformal_half_width(absolute_errors: &[f64], level: f64) -> f64 {
    let mut sorted = absolute_errors.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let Some(largest) = sorted.last() else {
        return f64::INFINITY;
    };
    let rank = ((n + 1) as f64 * level - 1e-9).ceil().max(1.0) as usize;
    match sorted.get(rank - 1) {
        Some(error) => *error,
        None => largest * level * (n + 1) as f64 / n as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_agree_with_their_definitions() {
        assert!((smape(&[1.0, 2.0], &[1.0, 3.0]) - 0.2).abs() < 1e-12);
        assert_eq!(smape(&[0.0], &[0.0]), 0.0);
        assert_eq!(mase(&[1.0, 3.0, 5.0], 1, &[7.0], &[6.0]), 0.5);
    }

    #[test]
    fn the_conformal_rank_is_corrected_for_finite_samples() {
        let errors: Vec<f64> = (1..=19).map(f64::from).collect();
        assert_eq!(conformal_half_width(&errors, 0.95), 19.0);
        assert_eq!(conformal_half_width(&errors, 0.8), 16.0);
        assert!(conformal_half_width(&errors[..4], 0.95) > 4.0);
    }

    #[test]
    fn origins_end_at_the_last_possible_origin() {
        let options = Options {
            period: 7,
            horizon: 28,
            levels: Vec::new(),
            total: 7,
            origins: 24,
            seasons_min: 3,
        };
        let origins = origins(300, &options);
        assert_eq!(origins.last(), Some(&272));
        assert!(origins[0] >= 100 && origins.len() <= 24);
        assert!(!(origins[1] - origins[0]).is_multiple_of(7));
        for n in 100..600 {
            assert!(super::origins(n, &options).len() <= 24, "{n}");
        }
    }
}
