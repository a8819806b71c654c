//! Season and autocorrelated noise of a series.

use crate::describe::mean;

/// An autoregression.
#[derive(Debug, Clone)]
pub(super) struct Noise {
    /// Coefficients of earlier errors, latest first.
    pub(super) memory: Vec<f64>,
    /// Variance of its innovations.
    pub(super) variance: f64,
    /// Degrees of freedom of the variance of a long mean.
    pub(super) freedom: f64,
}

/// Maximum order.
const ORDER_MAX: usize = 5;
/// Maximum sum of coefficients: at 1, the series has no level.
const MEMORY_MAX: f64 = 0.95;

impl Noise {
    /// Estimates noise of order one from differences, which steps of the level hardly affect: the
    /// differences of an autoregression have an autocorrelation of `(memory - 1) / 2`.
    pub(super) fn from_differences(values: &[f64]) -> Self {
        let differences: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let covariances = autocovariances(&differences, 1);
        let memory = (1.0 + 2.0 * covariances[1] / covariances[0].max(f64::MIN_POSITIVE))
            .clamp(0.0, MEMORY_MAX);
        let variance = covariances[0] / (2.0 * (1.0 - memory)) * (1.0 - memory * memory);
        Self::new(vec![memory], variance, values.len() as f64)
    }

    /// Estimates the noise from residuals after fitting `coefficients`, with the order of smallest
    /// AIC.
    pub(super) fn from_residuals(residuals: &[f64], coefficients: usize) -> Self {
        let n = residuals.len() as f64;
        let covariances = autocovariances(residuals, ORDER_MAX);
        let mut best = (f64::INFINITY, Vec::new(), covariances[0]);
        let (mut memory, mut variance): (Vec<f64>, f64) = (Vec::new(), covariances[0]);
        for order in 0..=ORDER_MAX {
            if order > 0 {
                // Levinson's recursion.
                let explained: f64 = memory
                    .iter()
                    .zip(covariances[1..order].iter().rev())
                    .map(|(a, c)| a * c)
                    .sum();
                let partial = (covariances[order] - explained) / variance.max(f64::MIN_POSITIVE);
                let reversed: Vec<f64> = memory.iter().rev().copied().collect();
                for (slot, other) in memory.iter_mut().zip(&reversed) {
                    *slot -= partial * other;
                }
                memory.push(partial);
                variance *= 1.0 - partial * partial;
            }
            let score = n * variance.max(f64::MIN_POSITIVE).ln() + 2.0 * order as f64;
            if score < best.0 {
                best = (score, memory.clone(), variance);
            }
        }
        let (_, mut memory, variance) = best;
        let freedom = (n - (coefficients + memory.len()) as f64).max(1.0);
        // Residuals are less autocorrelated than the errors (Kendall, 1954).
        if let Some(first) = memory.first_mut() {
            *first += (1.0 + 3.0 * first.abs() + coefficients as f64 * 0.5) / n;
        }
        Self::new(memory, variance * n / freedom, freedom)
    }

    fn new(mut memory: Vec<f64>, variance: f64, n: f64) -> Self {
        let sum: f64 = memory.iter().sum();
        if sum > MEMORY_MAX {
            memory
                .iter_mut()
                .for_each(|value| *value *= MEMORY_MAX / sum);
        }
        let gain = 1.0 - memory.iter().sum::<f64>();
        // From the relative error of the variance of a mean, for an autoregression of order one.
        let freedom = n * gain / (2.0 * (2.0 - gain).max(gain)) / memory.len().max(1) as f64;
        Self {
            memory,
            variance,
            freedom: freedom.clamp(2.0, n),
        }
    }

    /// The share of a step of the level that innovations contain after 0, 1, 2, ... periods; the
    /// last share applies to all later periods.
    pub(super) fn response(&self) -> Vec<f64> {
        let mut share = 1.0;
        std::iter::once(1.0)
            .chain(self.memory.iter().map(|value| {
                share -= value;
                share
            }))
            .collect()
    }

    /// The innovations of values; the first innovations, whose predecessors are unknown, are set to
    /// the level.
    pub(super) fn innovations(&self, values: &[f64]) -> Vec<f64> {
        let order = self.memory.len();
        let gain = 1.0 - self.memory.iter().sum::<f64>();
        (0..values.len())
            .map(|i| {
                if i < order {
                    return gain * values[i];
                }
                let before = self.memory.iter().zip(values[..i].iter().rev());
                values[i] - before.map(|(memory, value)| memory * value).sum::<f64>()
            })
            .collect()
    }
}

/// Autocovariances of values around their mean, at lags up to `lag_max`.
fn autocovariances(values: &[f64], lag_max: usize) -> Vec<f64> {
    let centre = mean(values);
    (0..=lag_max)
        .map(|lag| {
            let later = values.get(lag..).unwrap_or_default();
            let pairs = values.iter().zip(later);
            pairs.map(|(a, b)| (a - centre) * (b - centre)).sum::<f64>() / values.len() as f64
        })
        .collect()
}

/// Removes the season from values, and writes it to `season`: means by phase around their mean.
/// Without at least three periods, the season is zero.
pub(super) fn without_season(values: &[f64], season: &mut [f64], period: usize) -> Vec<f64> {
    season.fill(0.0);
    if period > 1 && values.len() >= 3 * period {
        // Distances from the running mean of a period, so that the season excludes shifts of the
        // level.
        let sums: Vec<f64> = std::iter::once(0.0)
            .chain(values.iter().scan(0.0, |sum, value| {
                *sum += value;
                Some(*sum)
            }))
            .collect();
        let n = values.len();
        let running_mean = |i: usize| {
            let first = i.saturating_sub(period / 2).min(n - period);
            (sums[first + period] - sums[first]) / period as f64
        };
        let phase_means: Vec<f64> = (0..period)
            .map(|phase| {
                let distances: Vec<f64> = (phase..n)
                    .step_by(period)
                    .map(|i| values[i] - running_mean(i))
                    .collect();
                mean(&distances)
            })
            .collect();
        let centre = mean(&phase_means);
        for (i, slot) in season.iter_mut().enumerate() {
            *slot = phase_means[i % period] - centre;
        }
    }
    values
        .iter()
        .zip(season)
        .map(|(value, season)| value - *season)
        .collect()
}
