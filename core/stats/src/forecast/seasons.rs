//! The seasons of a series, found from its values.

use super::forecasters::centred_average;
use crate::seasonal::is_seasonal;

/// Maximum number of seasons.
const SEASONS_MAX: usize = 2;
/// Maximum length of a season that is searched for.
const SEASON_MAX: usize = 1_000;
/// Minimum correlation of a season's patterns in the first and in the second half.
const PATTERN_CORRELATION_MIN: f64 = 0.6;

/// Finds the seasons in a series, ascending: `period`, unless it is 1, and others.
///
/// A season is found if means by phase, after a moving average over one season, explain most by
/// the Bayesian information criterion (Schwarz, 1978), if the autocorrelation at its period is
/// significant, and if both halves of the series have the same pattern. A second season must be a
/// multiple or a divisor of the first, as in a calendar. Limits: the series must contain three
/// seasons; a season is a whole number of steps, at most [`SEASON_MAX`].
pub fn seasons(values: &[f64], period: usize) -> Vec<usize> {
    let mut periods: Vec<usize> = Vec::new();
    let mut remainder = values.to_vec();
    if period > 1 {
        periods.push(period);
        // A shorter season within the known one is part of its pattern.
        let inner = (3..period).filter(|p| period.is_multiple_of(*p) && is_seasonal(values, *p));
        if let Some(inner) = best_period(values, inner) {
            periods.insert(0, inner);
            return periods;
        }
        remainder = without_season(&remainder, period);
    }
    while periods.len() < SEASONS_MAX {
        let known = periods.last().copied();
        let nests = |p: &usize| known.is_none_or(|known| *p > known && p.is_multiple_of(known));
        let longest = SEASON_MAX.min(values.len() / 3);
        // Rounding errors have no season.
        if size(&remainder) <= 1e-12 * size(values) {
            break;
        }
        let Some(next) = best_period(&remainder, (3..=longest).filter(nests)) else {
            break;
        };
        remainder = without_season(&remainder, next);
        periods.push(next);
    }
    periods.sort_unstable();
    periods.dedup();
    periods
}

/// Sum of squares.
fn size(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

/// The candidate with the smallest criterion, if it is a season.
fn best_period(values: &[f64], candidates: impl Iterator<Item = usize>) -> Option<usize> {
    let n = values.len() as f64;
    let score = |period: usize| {
        let detrended = detrend(values, period);
        let total = size(&detrended);
        let pattern = pattern(&detrended, period, 0);
        let residual_squares: f64 = detrended
            .iter()
            .enumerate()
            .map(|(i, value)| (value - pattern[i % period]).powi(2))
            .sum();
        // The moving average uses degrees of freedom, too, so that different windows are
        // comparable.
        n * (residual_squares / total).max(1e-12).ln() + period as f64 * n.ln()
    };
    let (period, score) = candidates
        .map(|period| (period, score(period)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    (score < 0.0 && is_seasonal(values, period) && is_recurring(values, period)).then_some(period)
}

/// The series minus its moving average over one period; zero at the ends, which have none.
fn detrend(values: &[f64], period: usize) -> Vec<f64> {
    let level = centred_average(values, period);
    let subtract = |(value, level): (&f64, &Option<f64>)| level.map_or(0.0, |level| value - level);
    values.iter().zip(&level).map(subtract).collect()
}

/// Means by phase; `offset` is the phase of the first value.
fn pattern(values: &[f64], period: usize, offset: usize) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; period], vec![0.0f64; period]);
    for (i, value) in values.iter().enumerate() {
        sums[(i + offset) % period] += value;
        counts[(i + offset) % period] += 1.0;
    }
    let means = sums.iter().zip(&counts).map(|(sum, n)| sum / n.max(1.0));
    means.collect()
}

fn is_recurring(values: &[f64], period: usize) -> bool {
    let detrended = detrend(values, period);
    let middle = values.len() / 2;
    let a = pattern(&detrended[..middle], period, 0);
    let b = pattern(&detrended[middle..], period, middle);
    let product = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    product(&a, &b) >= PATTERN_CORRELATION_MIN * (product(&a, &a) * product(&b, &b)).sqrt()
}

fn without_season(values: &[f64], period: usize) -> Vec<f64> {
    let pattern = pattern(&detrend(values, period), period, 0);
    let subtract = |(i, value): (usize, &f64)| value - pattern[i % period];
    values.iter().enumerate().map(subtract).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn series(seed: u64, n: usize, memory: f64, shape: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut noise = 0.0;
        (0..n)
            .map(|i| {
                noise = memory * noise + random.random::<f64>() - 0.5;
                100.0 + noise + shape(i)
            })
            .collect()
    }

    #[test]
    fn two_seasons_are_found() {
        let day = |i: usize| ((i % 24) as f64 / 24.0 * std::f64::consts::TAU).sin();
        let week = |i: usize| if i % 168 >= 120 { -0.7 } else { 0.0 };
        let values = series(1, 24 * 7 * 6, 0.3, |i| 2.0 * day(i) + 2.0 * week(i));
        assert_eq!(seasons(&values, 1), [24, 168]);
        assert_eq!(seasons(&values, 168), [24, 168]);
        assert_eq!(seasons(&values, 24), [24, 168]);
    }

    #[test]
    fn noise_has_no_season() {
        let found = (0..40)
            .filter(|seed| !seasons(&series(*seed, 300, 0.6, |_| 0.0), 1).is_empty())
            .count();
        assert!(found <= 2, "{found}");
        assert_eq!(seasons(&[1.0; 60], 7), [7]);
        assert!(seasons(&[1.0, 2.0], 1).is_empty());
    }
}
