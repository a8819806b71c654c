//! The benchmarks and measures of the M4 competition (Makridakis, Spiliotis and Assimakopoulos,
//! 2020), as its evaluation code defines them.

use super::{Band, forecasters::centred_average};
use crate::distribution::normal_quantile;

/// A benchmark that repeats earlier values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Benchmark {
    /// The last value.
    Naive,
    /// The last value without its season, with the season of each step, if there is a season.
    Naive2,
    /// The last season.
    SeasonalNaive,
}

impl Benchmark {
    /// Name in the published results of the competition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Naive2 => "Naive2",
            Self::SeasonalNaive => "seasonal naive",
        }
    }

    /// Forecasts of the next steps, and intervals from the spread of the one-step errors, which
    /// grows with the square root of the steps (or seasons), like that of a random walk (Hyndman
    /// and Athanasopoulos, 2021, section 5.5). A history of at least one value is needed.
    pub fn forecast(
        self,
        history: &[f64],
        period: usize,
        horizon: usize,
        levels: &[f64],
    ) -> (Vec<f64>, Vec<Band>) {
        let season = match self {
            Self::Naive2 => season_factors(history, period),
            _ => None,
        };
        let factor = |step: usize| {
            let factors = season.as_ref();
            factors.map_or(1.0, |factors| factors[step % factors.len()])
        };
        let n = history.len();
        let lag = if self == Self::SeasonalNaive && n > period {
            period.max(1)
        } else {
            1
        };
        let adjusted: Vec<f64> = (0..n).map(|i| history[i] / factor(i)).collect();
        let mean: Vec<f64> = (0..horizon)
            .map(|step| adjusted[n - lag + step % lag] * factor(n + step))
            .collect();
        let errors = adjusted.windows(lag + 1).map(|w| (w[lag] - w[0]).powi(2));
        let spread = (errors.sum::<f64>() / n.saturating_sub(lag).max(1) as f64).sqrt();
        let band = |level: &f64| {
            let z = normal_quantile(f64::midpoint(*level, 1.0));
            let half = |step: usize| {
                z * spread * ((step / lag + 1) as f64).sqrt() * factor(n + step).abs()
            };
            Band {
                level: *level,
                lower: (0..horizon).map(|step| mean[step] - half(step)).collect(),
                upper: (0..horizon).map(|step| mean[step] + half(step)).collect(),
                coverage: f64::NAN,
            }
        };
        let bands = levels.iter().map(band).collect();
        (mean, bands)
    }
}

/// Factors of a multiplicative classical decomposition, if the autocorrelation at the period is
/// significant at 90 %; `None` otherwise, and where factors are not positive. Zeros in a season of
/// zeros have no ratio to their level, and R leaves them out.
fn season_factors(history: &[f64], period: usize) -> Option<Vec<f64>> {
    if !is_seasonal(history, period) {
        return None;
    }
    let level = centred_average(history, period);
    let mut factors: Vec<f64> = (0..period)
        .map(|phase| {
            let ratios: Vec<f64> = (phase..history.len())
                .step_by(period)
                .filter_map(|i| level[i].map(|level| history[i] / level))
                .filter(|ratio| !ratio.is_nan())
                .collect();
            ratios.iter().sum::<f64>() / ratios.len() as f64
        })
        .collect();
    let mean = factors.iter().sum::<f64>() / period as f64;
    factors.iter_mut().for_each(|factor| *factor /= mean);
    let usable = |factor: &f64| factor.is_finite() && *factor > 0.0;
    factors.iter().all(usable).then_some(factors)
}

/// The competition's test: the autocorrelation of the values themselves, of either sign, exceeds
/// 1.645 standard errors after Bartlett.
fn is_seasonal(values: &[f64], period: usize) -> bool {
    if period < 2 || values.len() < 3 * period {
        return false;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let product = |lag: usize| -> f64 {
        centred
            .iter()
            .zip(&centred[lag..])
            .map(|(a, b)| a * b)
            .sum()
    };
    let total = product(0);
    let before: f64 = (1..period).map(|lag| (product(lag) / total).powi(2)).sum();
    (product(period) / total).abs() > 1.645 * ((1.0 + 2.0 * before) / n).sqrt()
}

/// Mean absolute difference to the value one season earlier, which scales errors; `None` if it is 0
/// or the series is no longer than a season.
pub fn error_scale(train: &[f64], period: usize) -> Option<f64> {
    let period = period.max(1);
    let earlier = train.iter().zip(train.get(period..)?);
    let n = train.len() - period;
    let total: f64 = earlier.map(|(a, b)| (a - b).abs()).sum();
    (n > 0 && total > 0.0).then(|| total / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benchmarks_repeat_earlier_values() {
        let season = [0.5, 1.0, 1.5];
        let values: Vec<f64> = (0..30).map(|i| 100.0 * season[i % 3]).collect();
        let forecast = |benchmark: Benchmark| benchmark.forecast(&values, 3, 4, &[0.8]).0;
        assert_eq!(forecast(Benchmark::Naive), [150.0; 4]);
        assert_eq!(
            forecast(Benchmark::SeasonalNaive),
            [50.0, 100.0, 150.0, 50.0]
        );
        for (got, expected) in forecast(Benchmark::Naive2)
            .iter()
            .zip([50.0, 100.0, 150.0, 50.0])
        {
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
        // Without a season it is the last value.
        assert_eq!(
            Benchmark::Naive2.forecast(&[1.0, 2.0, 4.0], 3, 2, &[]).0,
            [4.0; 2]
        );
        assert_eq!(
            Benchmark::SeasonalNaive.forecast(&[7.0], 3, 1, &[]).0,
            [7.0]
        );
    }

    #[test]
    fn a_season_of_zeros_is_left_out_of_the_factors() {
        let season = [0.5, 1.0, 1.5];
        let is_zero = |i: usize| (9..14).contains(&i);
        let value = |i: usize| {
            if is_zero(i) {
                0.0
            } else {
                100.0 * season[i % 3]
            }
        };
        let values: Vec<f64> = (0..60).map(value).collect();
        let (mean, _) = Benchmark::Naive2.forecast(&values, 3, 3, &[]);
        // The zeros distort the ratios beside them, but the season remains.
        assert!(mean[2] > 2.0 * mean[0] && mean[0] < mean[1], "{mean:?}");
    }

    #[test]
    fn intervals_grow_like_those_of_a_random_walk() {
        let values: Vec<f64> = (0..41).map(|i| f64::from(i % 2)).collect();
        let (mean, bands) = Benchmark::Naive.forecast(&values, 1, 4, &[0.95]);
        assert!((bands[0].upper[3] - mean[3] - 2.0 * 1.95996).abs() < 1e-4);
        let (_, bands) = Benchmark::SeasonalNaive.forecast(&values[..40], 3, 4, &[0.95]);
        let half = |step: usize| bands[0].upper[step] - bands[0].lower[step];
        assert!((half(3) / half(0) - 2f64.sqrt()).abs() < 1e-9 && half(2) == half(0));
    }

    #[test]
    fn scales_are_seasonal_differences() {
        assert_eq!(error_scale(&[1.0, 2.0, 4.0, 8.0], 2), Some(4.5));
        assert_eq!(error_scale(&[1.0, 2.0, 1.0], 2), None);
        assert_eq!(error_scale(&[1.0], 2), None);
    }
}
