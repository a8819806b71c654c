//! Forecasts of series that are too short for a backtest.
//!
//! The combination is fixed, because nothing can select its members: seasonal naive, Theta,
//! exponential smoothing and a damped trend, each but the first on the series without its
//! [season](MixedSeason). Their median is robust to a member that fails (Petropoulos and Svetunkov,
//! 2020). Intervals grow with the horizon from the one-step errors in the series, with the quantiles
//! of Student's distribution.

use super::{
    Band, Ets, Forecaster, SeasonalNaive, Theta, VALUE_MAX, backtest::conformal_half_width, clean,
    intermittent::is_intermittent, intervals::Allowance, mixed_season::MixedSeason,
    theta::smoothing,
};
use crate::{describe::median, distribution::t_quantile, seasonal::line};

/// Minimum number of values of a forecast; fewer have no errors from which to derive an interval.
const VALUES_MIN: usize = 3;
/// Minimum number of values for a trend or a weight of smoothing.
const FITTED_MIN: usize = 10;

/// Forecasts a series of any length without a backtest: the median of each step, and a band for
/// each level, whose coverage is unknown (NaN). `None` for fewer than three values, or values that
/// are too large to compute with.
pub fn forecast_short(
    values: &[f64],
    period: usize,
    horizon: usize,
    levels: &[f64],
) -> Option<(Vec<f64>, Vec<Band>)> {
    if values.len() < VALUES_MIN || !values.iter().all(|value| value.abs() <= VALUE_MAX) {
        return None;
    }
    let period = if values.len() < period {
        1
    } else {
        period.max(1)
    };
    let is_positive = values.iter().all(|value| *value >= 0.0);
    let floor = if is_positive { 0.0 } else { f64::NEG_INFINITY };
    if is_intermittent(values, period) {
        return Some(rare(values, horizon, levels));
    }
    let cleaned = clean(values, period);
    let usual = &cleaned.at_present_level();
    let season = MixedSeason::of(usual, period);
    let adjusted = season
        .as_ref()
        .map_or(&usual[..], |season| &season.adjusted.values);
    let mut members: Vec<Vec<f64>> = Vec::new();
    if period == 1 || season.is_some() {
        let fitted: [&dyn Forecaster; 3] = [&Theta { period: 1 }, &Ets::PLAIN, &Ets::DAMPED];
        let fitted = fitted.iter().filter(|_| values.len() >= FITTED_MIN);
        members.extend(fitted.filter_map(|forecaster| {
            let points = forecaster.forecast(adjusted, horizon)?;
            Some(match &season {
                Some(season) => season.adjusted.restore(points.into_iter()),
                None => points,
            })
        }));
    }
    if period > 1 || members.is_empty() {
        members.extend(SeasonalNaive { period }.forecast(usual, horizon));
    }
    let point = |step: usize| {
        let points: Vec<f64> = members.iter().map(|member| member[step]).collect();
        median(&points).max(floor)
    };
    let point: Vec<f64> = (0..horizon).map(point).collect();
    let used = season.as_ref().map_or(0.0, |season| season.parameters);
    let errors = Errors::of(adjusted, used, horizon);
    let allowance = Allowance::of(values, &cleaned);
    let band = |level: &f64| {
        let ends = point.iter().enumerate().map(|(step, expected)| {
            let half = errors.half_width(step, *level);
            let [down, up] = allowance.over(1, *level, half);
            ((expected - down).max(floor), expected + up)
        });
        let (lower, upper) = ends.unzip();
        Band {
            level: *level,
            lower,
            upper,
            coverage: f64::NAN,
        }
    };
    let bands = levels.iter().map(band).collect();
    Some((point, bands))
}

/// The median of counts that are often zero, and their quantiles.
fn rare(values: &[f64], horizon: usize, levels: &[f64]) -> (Vec<f64>, Vec<Band>) {
    let middle = median(values);
    let sizes: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    let band = |level: &f64| {
        let half = conformal_half_width(&sizes, *level);
        Band {
            level: *level,
            lower: vec![(middle - half).max(0.0); horizon],
            upper: vec![middle + half; horizon],
            coverage: f64::NAN,
        }
    };
    (vec![middle; horizon], levels.iter().map(band).collect())
}

/// Errors of a forecast of a series without a season.
struct Errors {
    /// Standard deviation at each step ahead.
    spreads: Vec<f64>,
    /// Degrees of freedom of the standard deviation.
    freedom: f64,
}

impl Errors {
    /// The widest errors of three processes: a level that moves along a line, with a drift that is
    /// as uncertain as that of a random walk (Hyndman and Athanasopoulos, 2021, section 5.5),
    /// exponential smoothing, and a damped trend. A season of `used` parameters was removed.
    fn of(values: &[f64], used: f64, horizon: usize) -> Self {
        let (intercept, slope) = line(values);
        let on_line = |i: usize| intercept + slope * i as f64;
        let deviations: Vec<f64> = (0..values.len()).map(|i| values[i] - on_line(i)).collect();
        let (alpha, squares) = smoothing_errors(&deviations);
        let n = values.len() as f64;
        let freedom = (n - 3.0 - used).max(1.0);
        let along_line = |steps: f64| {
            let growth = alpha * alpha * (steps - 1.0 + steps * steps / n);
            (squares / freedom * (1.0 + growth + (1.0 + used) / n)).sqrt()
        };
        let mut spreads: Vec<f64> = (1..=horizon)
            .map(|steps| along_line(steps as f64))
            .collect();
        for smoothed in [Ets::PLAIN, Ets::DAMPED] {
            let other = smoothed.spreads(values, horizon).into_iter().flatten();
            for (spread, other) in spreads.iter_mut().zip(other) {
                *spread = spread.max(other);
            }
        }
        Self { spreads, freedom }
    }

    fn half_width(&self, step: usize, level: f64) -> f64 {
        t_quantile(f64::midpoint(level, 1.0), self.freedom) * self.spreads[step]
    }
}

/// Weight of simple exponential smoothing, and the sum of its squared one-step errors.
fn smoothing_errors(values: &[f64]) -> (f64, f64) {
    let (alpha, _) = smoothing(values);
    let (mut level, mut squares) = (values[0], 0.0);
    for value in &values[1..] {
        let error = value - level;
        squares += error * error;
        level += alpha * error;
    }
    (alpha, squares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{forecast::m4::Benchmark, random::normal};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Checks 60 series of `n` values: coverage, and the error relative to Naive2.
    fn check(
        n: usize,
        period: usize,
        ratio_max: f64,
        series: impl Fn(&mut ChaCha8Rng, usize) -> Vec<f64>,
    ) {
        let horizon = 6;
        let (mut inside, mut error, mut naive_error) = ([0.0; 2], 0.0, 0.0);
        for seed in 0..60 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let values = series(&mut random, n + horizon);
            let (train, test) = values.split_at(n);
            let (point, bands) = forecast_short(train, period, horizon, &[0.8, 0.95]).unwrap();
            let (naive, _) = Benchmark::Naive2.forecast(train, period, horizon, &[]);
            for (step, value) in test.iter().enumerate() {
                error += (value - point[step]).abs();
                naive_error += (value - naive[step]).abs();
                for (band, inside) in bands.iter().zip(&mut inside) {
                    let is_inside = band.lower[step] <= *value && *value <= band.upper[step];
                    *inside += f64::from(u8::from(is_inside)) / (60.0 * horizon as f64);
                }
            }
        }
        let ratio = error / naive_error;
        let found = format!("{n} values: error ratio {ratio:.3}, coverage {inside:.3?}");
        eprintln!("{found}");
        assert!(ratio <= ratio_max, "{found}");
        assert!((inside[0] - 0.8).abs() <= 0.1, "{found}");
        assert!((inside[1] - 0.95).abs() <= 0.05, "{found}");
    }

    fn seasonal(random: &mut ChaCha8Rng, n: usize, period: usize) -> Vec<f64> {
        let pattern: Vec<f64> = (0..period).map(|_| 20.0 * normal(random)).collect();
        let mut level = 300.0;
        let value = |i: usize| {
            level += 1.0 + 3.0 * normal(random);
            level + pattern[i % period] + 6.0 * normal(random)
        };
        (0..n).map(value).collect()
    }

    #[test]
    fn short_series_are_forecast_better_than_by_naive2() {
        check(20, 1, 0.85, |random, n| {
            let mut level = 500.0;
            let value = |_| {
                level += 15.0 + 12.0 * normal(random);
                level
            };
            (0..n).map(value).collect()
        });
        check(20, 1, 0.85, |random, n| {
            (0..n).map(|_| 500.0 + 30.0 * normal(random)).collect()
        });
        check(24, 4, 0.9, |random, n| seasonal(random, n, 4));
        check(30, 12, 0.6, |random, n| seasonal(random, n, 12));
    }

    #[test]
    fn one_season_is_repeated_and_one_value_has_no_forecast() {
        let (point, bands) = forecast_short(&[5.0, 9.0, 1.0, 7.0], 4, 5, &[0.8]).unwrap();
        assert_eq!(point, [5.0, 9.0, 1.0, 7.0, 5.0]);
        assert!(bands[0].lower[0] < 5.0 && bands[0].upper[0] > 5.0);
        assert_eq!(forecast_short(&[5.0, 9.0], 1, 2, &[]), None);
        assert_eq!(forecast_short(&[5.0, 9.0, 1e200], 1, 2, &[]), None);
        let (point, bands) = forecast_short(&[5.0; 20], 4, 2, &[0.8]).unwrap();
        assert_eq!((point, &bands[0].upper), (vec![5.0; 2], &vec![5.0; 2]));
    }

    #[test]
    fn an_outlier_at_the_end_is_not_extrapolated() {
        let mut values: Vec<f64> = (0..24).map(|i| 50.0 + f64::from(i * 7919 % 3)).collect();
        values[23] = 300.0;
        let (point, bands) = forecast_short(&values, 1, 4, &[0.95]).unwrap();
        assert!(
            point.iter().all(|value| (value - 51.0).abs() < 3.0),
            "{point:?}"
        );
        assert!(bands[0].upper[0] > 290.0, "{bands:?}");
    }

    #[test]
    fn rare_counts_are_mostly_zero() {
        let values: Vec<f64> = (0..20).map(|i| f64::from(u8::from(i % 5 == 2))).collect();
        let (point, bands) = forecast_short(&values, 1, 3, &[0.95]).unwrap();
        assert_eq!(point, [0.0; 3]);
        assert_eq!((bands[0].lower[0], bands[0].upper[0]), (0.0, 1.0));
    }
}
