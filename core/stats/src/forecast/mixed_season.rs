//! The season as a random effect, so that short series show as much of it as they prove.
//!
//! Values are a line, harmonics of the season and autoregressive errors of order one. The harmonics
//! have a normal prior, whose variance decreases with their frequency, and the best linear unbiased
//! prediction (Henderson, 1975; Robinson, 1991) shrinks them: with much noise towards no season,
//! with little noise towards the pattern of the values. Shrunk seasons forecast better than means by
//! phase (Miller and Williams, 2003). Variance, smoothness, autocorrelation and scale (values or
//! their logarithms) are those with the largest restricted likelihood (Patterson and Thompson,
//! 1971) on a grid.

use super::forecasters::Adjusted;
use crate::linear::{backward, cholesky, dot, forward};

/// Maximum number of harmonics.
const HARMONICS_MAX: usize = 26;
/// Number of fixed effects: level and slope.
const FIXED: usize = 2;
/// Autocorrelations of the errors.
const AUTOCORRELATIONS: [f64; 5] = [0.0, 0.3, 0.6, 0.8, 0.95];
/// Powers of the frequency by which the prior variance decreases.
const DECAYS: [i32; 3] = [0, 2, 4];
/// Prior variances of a harmonic, relative to that of the errors, before the decay.
const VARIANCES: [f64; 8] = [1e-3, 0.03, 0.1, 0.3, 1.0, 4.0, 20.0, 400.0];

/// A series without its season.
pub(super) struct MixedSeason {
    pub(super) adjusted: Adjusted,
    /// Number of parameters to which the season amounts after shrinkage.
    pub(super) parameters: f64,
}

/// A prediction with its restricted likelihood.
struct Prediction {
    /// Minus twice the restricted log-likelihood, up to a constant.
    criterion: f64,
    pattern: Vec<f64>,
    parameters: f64,
}

impl MixedSeason {
    /// Removes the season; `None` for fewer values than a season and two.
    pub(super) fn of(history: &[f64], period: usize) -> Option<Self> {
        if period < 2 || history.len() < period + FIXED {
            return None;
        }
        let plain = predict(history, period)?;
        let logarithms: Option<Vec<f64>> = history
            .iter()
            .map(|value| (*value > 0.0).then(|| value.ln()))
            .collect();
        let relative = logarithms.and_then(|logarithms| {
            let mut prediction = predict(&logarithms, period)?;
            // The density of the values themselves.
            prediction.criterion += 2.0 * logarithms.iter().sum::<f64>();
            Some(prediction)
        });
        let multiplicative = relative
            .as_ref()
            .is_some_and(|relative| relative.criterion < plain.criterion);
        let best = relative.filter(|_| multiplicative).unwrap_or(plain);
        let pattern = if multiplicative {
            best.pattern.iter().map(|value| value.exp()).collect()
        } else {
            best.pattern
        };
        Some(Self {
            adjusted: Adjusted::without(history, pattern, multiplicative),
            parameters: best.parameters,
        })
    }
}

/// Sine and cosine of each harmonic at a time, the lowest first.
fn harmonics(time: usize, period: usize) -> Vec<f64> {
    let count = (period / 2).min(HARMONICS_MAX);
    let mut row = Vec::with_capacity(2 * count);
    for harmonic in 1..=count {
        let turn = std::f64::consts::TAU * ((harmonic * time) % period) as f64 / period as f64;
        row.push(turn.cos());
        if 2 * harmonic < period {
            row.push(turn.sin());
        }
    }
    row
}

/// The prediction with the largest restricted likelihood.
fn predict(values: &[f64], period: usize) -> Option<Prediction> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let rows: Vec<Vec<f64>> = (0..n)
        .map(|time| {
            let position = 2.0 * time as f64 / n as f64 - 1.0;
            [vec![1.0, position], harmonics(time, period)].concat()
        })
        .collect();
    let size = rows[0].len();
    let mut best: Option<Prediction> = None;
    for rho in AUTOCORRELATIONS {
        let (mut matrix, mut product, mut squares) = (vec![0.0; size * size], vec![0.0; size], 0.0);
        for time in 1..n {
            let (now, before) = (&rows[time], &rows[time - 1]);
            let row: Vec<f64> = now.iter().zip(before).map(|(a, b)| a - rho * b).collect();
            let value = values[time] - mean - rho * (values[time - 1] - mean);
            squares += value * value;
            for i in 0..size {
                product[i] += row[i] * value;
                for j in 0..=i {
                    matrix[i * size + j] += row[i] * row[j];
                }
            }
        }
        for decay in DECAYS {
            for variance in VARIANCES {
                let equations = Equations {
                    matrix: &matrix,
                    product: &product,
                    squares,
                    n: n - 1,
                };
                let solved = equations.solve(decay, variance);
                let is_better = |solved: &Solution| {
                    best.as_ref()
                        .is_none_or(|best| solved.criterion < best.criterion)
                };
                if let Some(solved) = solved.filter(is_better) {
                    let season = |time| dot(&harmonics(time, period), &solved.effects[FIXED..]);
                    best = Some(Prediction {
                        criterion: solved.criterion,
                        pattern: (0..period).map(season).collect(),
                        parameters: solved.parameters,
                    });
                }
            }
        }
    }
    best
}

/// Henderson's mixed-model equations before the prior is added.
struct Equations<'a> {
    /// Lower triangle of the cross products of all effects.
    matrix: &'a [f64],
    /// Products of effects and values.
    product: &'a [f64],
    /// Sum of squares of the values.
    squares: f64,
    n: usize,
}

struct Solution {
    criterion: f64,
    effects: Vec<f64>,
    parameters: f64,
}

impl Equations<'_> {
    fn solve(&self, decay: i32, variance: f64) -> Option<Solution> {
        let size = self.product.len();
        let mut triangle = self.matrix.to_vec();
        let mut log_prior = 0.0;
        let priors: Vec<f64> = (FIXED..size)
            .map(|i| variance / f64::from((i - FIXED) as i32 / 2 + 1).powi(decay))
            .collect();
        for (i, prior) in priors.iter().enumerate() {
            triangle[(FIXED + i) * (size + 1)] += prior.recip();
            log_prior += prior.ln();
        }
        let log_determinant = cholesky(&mut triangle, size)?;
        let half = forward(&triangle, self.product);
        let freedom = self.n.checked_sub(FIXED).filter(|freedom| *freedom > 0)? as f64;
        let spread = ((self.squares - dot(&half, &half)) / freedom).max(1e-12 * self.squares);
        let parameters = priors.iter().enumerate().map(|(i, prior)| {
            let mut unit = vec![0.0; size];
            unit[FIXED + i] = 1.0;
            let column = forward(&triangle, &unit);
            1.0 - dot(&column, &column) / prior
        });
        let criterion = freedom * spread.max(1e-300).ln() + log_determinant + log_prior;
        criterion.is_finite().then(|| Solution {
            criterion,
            effects: backward(&triangle, &half),
            parameters: parameters.sum(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::normal;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Mean squared error of the season of monthly series, relative to that of no season, and the
    /// mean number of its parameters.
    fn errors(n: usize, pattern: impl Fn(usize) -> f64, noise: f64) -> (f64, f64) {
        let (mut error, mut total, mut parameters) = (0.0, 0.0, 0.0);
        for seed in 0..20 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let values: Vec<f64> = (0..n)
                .map(|i| 300.0 + i as f64 + pattern(i) + noise * normal(&mut random))
                .collect();
            let season = MixedSeason::of(&values, 12).unwrap();
            parameters += season.parameters / 20.0;
            let ahead = season.adjusted.restore(std::iter::repeat_n(300.0, 12));
            for (step, value) in ahead.iter().enumerate() {
                error += (value - 300.0 - pattern(n + step)).powi(2);
                total += pattern(n + step).powi(2);
            }
        }
        (error / total, parameters)
    }

    #[test]
    fn the_season_is_shrunk_as_far_as_it_is_not_proven() {
        let wave = |i: usize| 20.0 * (std::f64::consts::TAU * i as f64 / 12.0).sin();
        let sharp = |i: usize| if i % 12 == 4 { 55.0 } else { -5.0 };
        // The mean of three values of a month has an error of 8²/3, 0.11 of the variance of the
        // wave.
        let (smooth, few) = errors(36, wave, 8.0);
        let (irregular, many) = errors(36, sharp, 8.0);
        let (_, none) = errors(36, |_| 0.0, 8.0);
        eprintln!("{smooth:.3} {few:.1}, {irregular:.3} {many:.1}, {none:.2}");
        assert!(smooth < 0.08 && few < 7.0, "{smooth} {few}");
        assert!(irregular < 0.12 && many > 7.0, "{irregular} {many}");
        assert!(none < 2.5, "{none}");
    }

    #[test]
    fn a_season_that_grows_with_the_level_is_a_factor() {
        let values: Vec<f64> = (0..60_u32)
            .map(|i| (3.0 + 0.03 * f64::from(i) + 0.3 * f64::from(u8::from(i % 4 == 1))).exp())
            .collect();
        let season = MixedSeason::of(&values, 4).unwrap();
        let ahead = season.adjusted.restore(std::iter::repeat_n(100.0, 4));
        assert!(
            (ahead[1] / ahead[0] - 0.3f64.exp()).abs() < 0.02,
            "{ahead:?}"
        );
        assert!(MixedSeason::of(&values[..5], 4).is_none());
        assert!(MixedSeason::of(&values, 1).is_none());
    }
}
