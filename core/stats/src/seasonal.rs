//! Robust decomposition of a series into level, season and remainder.
//!
//! Level: centred running median over several whole periods. Season: median of the remainder by
//! phase. Both are repeated once on the season-adjusted series. Medians keep steps sharp and ignore
//! an outage, as an anomaly detector requires; STL's loess (Cleveland et al., 1990) smears both.
//! Use [`smooth`] where smoothness matters more.

use crate::{describe::median, distribution::f_upper};

/// A series as `level + season + remainder`, all as long as the series.
#[derive(Debug, Clone, PartialEq)]
pub struct Decomposition {
    /// Smooth level, without the season.
    pub level: Vec<f64>,
    /// Seasonal pattern, with median zero over a period.
    pub season: Vec<f64>,
    /// Values without level and season.
    pub remainder: Vec<f64>,
}

/// Fills gaps by straight lines, and the ends with the nearest value. Empty without known values.
pub fn interpolate(values: &[Option<f64>]) -> Vec<f64> {
    let known: Vec<(usize, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(i, value)| {
            value
                .filter(|value| value.is_finite())
                .map(|value| (i, value))
        })
        .collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else {
        return Vec::new();
    };
    let mut out = vec![first.1; values.len()];
    out[last.0..].fill(last.1);
    for pair in known.windows(2) {
        let ((i, a), (j, b)) = (pair[0], pair[1]);
        for (step, slot) in out[i..j].iter_mut().enumerate() {
            *slot = a + (b - a) * step as f64 / (j - i) as f64;
        }
    }
    out
}

/// Running median over `2 * half + 1` values, with shorter windows at the ends.
pub fn running_median(values: &[f64], half: usize) -> Vec<f64> {
    (0..values.len())
        .map(|i| median(&values[i.saturating_sub(half)..(i + half + 1).min(values.len())]))
        .collect()
}

/// Robust decomposition with one season of `period` values (1 = no season).
///
/// The level's window spans five periods, at least 15 values.
pub fn decompose(values: &[f64], period: usize) -> Decomposition {
    decompose_within(values, period, (5 * period.max(1) / 2).max(7))
}

/// Decomposes like [`decompose`], with a level whose window spans `2 * half + 1` values.
pub(crate) fn decompose_within(values: &[f64], period: usize, half: usize) -> Decomposition {
    let mut season = vec![0.0; period.max(1)];
    let mut level = Vec::new();
    for _ in 0..2 {
        let adjusted: Vec<f64> = values
            .iter()
            .enumerate()
            .map(|(i, value)| value - season[i % season.len()])
            .collect();
        level = running_median(&adjusted, half);
        if period > 1 && values.len() >= 2 * period {
            season = phase_medians(values, &level, period);
        }
    }
    let season: Vec<f64> = (0..values.len())
        .map(|i| season[i % season.len()])
        .collect();
    let remainder = values
        .iter()
        .zip(&level)
        .zip(&season)
        .map(|((value, l), s)| value - l - s)
        .collect();
    Decomposition {
        level,
        season,
        remainder,
    }
}

fn phase_medians(values: &[f64], level: &[f64], period: usize) -> Vec<f64> {
    let mut season: Vec<f64> = (0..period)
        .map(|phase| {
            let remainders: Vec<f64> = (phase..values.len())
                .step_by(period)
                .map(|i| values[i] - level[i])
                .collect();
            median(&remainders)
        })
        .collect();
    let middle = median(&season);
    for value in &mut season {
        *value -= middle;
    }
    season
}

/// Maximum size of a value for [`smooth`].
const SMOOTH_MAX: f64 = 1e100;

/// The change of a season that [`smooth_with`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smoothing {
    /// No change; outliers get little weight.
    Periodic,
    /// Slow change: each phase is smoothed over the given number of seasons.
    Evolving(usize),
}

/// STL with robustness weights (Cleveland et al., 1990), in double precision; `None` if the series
/// is shorter than two periods, or constant.
pub fn smooth(values: &[f64], period: usize) -> Option<Decomposition> {
    smooth_with(values, period, Smoothing::Periodic)
}

/// STL as in [`smooth`], with a season that may change.
pub fn smooth_with(values: &[f64], period: usize, smoothing: Smoothing) -> Option<Decomposition> {
    // The library cannot compare NaN, and squares of the largest numbers overflow.
    let fits = |value: &f64| value.abs() <= SMOOTH_MAX;
    if period < 2 || values.len() < 2 * period || !values.iter().all(fits) {
        return None;
    }
    let mut params = augurs::mstl::stlrs::params();
    match smoothing {
        Smoothing::Periodic => {
            params.robust(true);
            params.seasonal_length((10 * values.len()) | 1);
            params.seasonal_degree(0);
        }
        Smoothing::Evolving(seasons) => {
            params.seasonal_length(seasons | 1);
            params.seasonal_degree(1);
        }
    }
    let (season, level, remainder, _) = params.fit(values, period).ok()?.into_parts();
    let finite = season.iter().chain(&level).all(|value| value.is_finite());
    finite.then_some(Decomposition {
        level,
        season,
        remainder,
    })
}

/// Returns true if the values have a season of length `period`: the autocorrelation at the period,
/// after removal of a straight line, is significant at 10 % (the rule of the M4 competition).
pub fn is_seasonal(values: &[f64], period: usize) -> bool {
    if period < 2 || values.len() < 3 * period {
        return false;
    }
    let remainders = without_line(values);
    let total: f64 = remainders.iter().map(|value| value * value).sum();
    if total <= 0.0 {
        return false;
    }
    let correlation = |lag: usize| {
        remainders
            .iter()
            .zip(&remainders[lag..])
            .map(|(a, b)| a * b)
            .sum::<f64>()
            / total
    };
    let before: f64 = (1..period).map(|lag| correlation(lag).powi(2)).sum();
    correlation(period) > 1.645 * ((1.0 + 2.0 * before) / values.len() as f64).sqrt()
}

/// p-value of no season of length `period`: an F test of the means of its phases beside a straight
/// line, after quasi-differencing by the autocorrelation of the residuals (Cochrane and Orcutt,
/// 1949). `None` for fewer than one and a half seasons.
pub fn phases_p(values: &[f64], period: usize) -> Option<f64> {
    if period < 2 || 2 * values.len() < 3 * period {
        return None;
    }
    let residuals = without_phases(values, period);
    let squares: f64 = residuals.iter().map(|value| value * value).sum();
    let products: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let memory = (products / squares.max(f64::MIN_POSITIVE)).clamp(0.0, 0.9);
    let differences: Vec<f64> = values
        .windows(2)
        .map(|pair| pair[1] - memory * pair[0])
        .collect();
    let sum = |values: Vec<f64>| values.iter().map(|value| value * value).sum::<f64>();
    let without = sum(without_line(&differences));
    let with = sum(without_phases(&differences, period));
    let used = (period - 1) as f64;
    let freedom = differences.len() as f64 - used - 2.0;
    if freedom < 2.0 || without <= 0.0 {
        return None;
    }
    let ratio = ((without - with) / used) / (with / freedom).max(without * 1e-12);
    Some(f_upper(ratio, used, freedom))
}

/// Residuals of least squares on a straight line and the phases of a season.
fn without_phases(values: &[f64], period: usize) -> Vec<f64> {
    let centred = |value: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let mut means = vec![0.0; period];
        for (phase, mean) in means.iter_mut().enumerate() {
            let steps = (phase..values.len()).step_by(period);
            let n = steps.clone().count().max(1);
            *mean = steps.map(value).sum::<f64>() / n as f64;
        }
        (0..values.len())
            .map(|i| value(i) - means[i % period])
            .collect()
    };
    let (values, times) = (centred(&|i| values[i]), centred(&|i| i as f64));
    let product: f64 = values.iter().zip(&times).map(|(a, b)| a * b).sum();
    let square: f64 = times.iter().map(|time| time * time).sum();
    let slope = if square > 0.0 { product / square } else { 0.0 };
    values
        .iter()
        .zip(&times)
        .map(|(value, time)| value - slope * time)
        .collect()
}

fn without_line(values: &[f64]) -> Vec<f64> {
    let (intercept, slope) = line(values);
    values
        .iter()
        .enumerate()
        .map(|(i, value)| value - intercept - slope * i as f64)
        .collect()
}

/// Intercept and slope of the least-squares line over 0, 1, 2, ...
pub fn line(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / n;
    let spread: f64 = (0..values.len()).map(|i| (i as f64 - middle).powi(2)).sum();
    let product: f64 = values
        .iter()
        .enumerate()
        .map(|(i, value)| (i as f64 - middle) * (value - mean))
        .sum();
    let slope = if spread > 0.0 { product / spread } else { 0.0 };
    (mean - slope * middle, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_bridged() {
        let values = [None, Some(1.0), None, Some(f64::NAN), Some(4.0), None];
        assert_eq!(interpolate(&values), [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]);
        assert!(interpolate(&[None, None]).is_empty());
    }

    #[test]
    fn an_outage_affects_neither_level_nor_season() {
        let pattern = [5.0, 2.0, 1.0, 0.0, -1.0, -3.0, -4.0];
        let mut values: Vec<f64> = (0..140).map(|i| 50.0 + pattern[i % 7]).collect();
        values[70] = 0.0;
        let parts = decompose(&values, 7);
        for i in (0..140).filter(|i| *i != 70) {
            assert!(
                parts.remainder[i].abs() < 1e-9,
                "{i}: {}",
                parts.remainder[i]
            );
        }
        assert!((parts.remainder[70] + 55.0).abs() < 1e-9);
    }

    /// Months of a smooth season and noise, from one and a half years on.
    #[test]
    fn seasons_of_short_series_are_found_by_their_phases() {
        use crate::random::normal;
        use rand::SeedableRng;
        let found = |n: usize, size: f64, memory: f64| -> usize {
            (0..200)
                .filter(|seed| {
                    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(*seed);
                    let mut noise = 0.0;
                    let values: Vec<f64> = (0..n)
                        .map(|month| {
                            noise = memory * noise + 8.0 * normal(&mut random);
                            let angle = month as f64 * std::f64::consts::TAU / 12.0;
                            0.5 * month as f64 + size * angle.sin() + noise
                        })
                        .collect();
                    phases_p(&values, 12).is_some_and(|p| p < 0.05)
                })
                .count()
        };
        for n in [24, 36, 48] {
            assert!(found(n, 30.0, 0.0) >= 195, "{n}: {}", found(n, 30.0, 0.0));
            for memory in [0.0, 0.5] {
                let none = found(n, 0.0, memory);
                assert!(none <= 30, "{n} {memory}: {none}");
            }
        }
        let short = found(18, 30.0, 0.0);
        assert!(short >= 100, "{short}");
        assert_eq!(phases_p(&[1.0; 17], 12), None);
    }

    #[test]
    fn only_seasonal_series_have_a_season() {
        let seasonal: Vec<f64> = (0..140)
            .map(|i| f64::from(i * 7919 % 13) + if i % 7 == 0 { 30.0 } else { 0.0 })
            .collect();
        assert!(is_seasonal(&seasonal, 7));
        let line: Vec<f64> = (0..140).map(|i| f64::from(i) * 2.0).collect();
        assert!(!is_seasonal(&line, 7));
        let parts = smooth(&seasonal, 7).unwrap();
        assert!(parts.season[0] > 20.0 && parts.season[1] < 0.0);
    }
}
