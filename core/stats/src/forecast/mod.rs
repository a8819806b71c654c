//! Forecasting with a backtest: the past errors of forecasters determine both their selection and
//! the intervals.
//!
//! [`forecast`] runs every [`Forecaster`] from a number of earlier origins (rolling-origin
//! backtest; Tashman, 2000), scores it by MASE (Hyndman and Koehler, 2006), and combines up to
//! eight that are close to the best: at each step the mean of the middle half of their forecasts, a
//! trimmed mean (Jose and Winkler, 2008). The same combination's own errors at each horizon give
//! split-conformal intervals with the finite-sample quantile (Vovk et al., 2005; Stankeviciute et
//! al., 2021): no distribution is assumed, and coverage is measured and reported.
//!
//! Counts that are often zero are forecast by their rate, with forecasters scored by squared
//! errors, which are smallest at the mean; absolute errors would be smallest at zero (Kolassa,
//! 2016). Only the best forecaster is used.
//!
//! Forecasters see the series without its isolated outliers ([`clean`]), at every origin without
//! the outliers that were known then; their errors are relative to the original series, and errors
//! on outliers are ignored in their scores. Values before a clear recent shift of the level are moved
//! to the present level. Intervals allow for outliers at the rate of the series,
//! and are never narrower than the rounding of the values, unless all values are the same.
//!
//! A movement that began lately is in no backtest: [`recent_line()`] finds it, and
//! [`Outlook::along`] extrapolates it.

mod arima;
mod backtest;
mod combination;
mod decomposed;
mod ets;
mod forecasters;
mod intermittent;
mod intervals;
pub mod m4;
mod members;
mod minimise;
mod mixed_season;
mod outliers;
mod recent_line;
mod seasons;
mod short;
mod theta;

pub use arima::Arima;
pub use backtest::{Backtest, backtest, conformal_half_width, mase, origins, smape};
pub use decomposed::{Decomposed, RemainderModel};
pub use ets::Ets;
pub use forecasters::{Forecaster, RecentMean, SeasonalLine, SeasonalMean, SeasonalNaive};
pub use intermittent::{Croston, SeasonalRate, Tsb};
pub use members::standard;
pub use outliers::{Cleaned, Shift, clean};
pub use recent_line::{RecentLine, recent_line};
pub use seasons::seasons;
pub use short::forecast_short;
pub use theta::{DynamicTheta, Theta};

use crate::describe::median;
use backtest::backtest_and_forecast;
use combination::{
    Candidate, Criterion, Loss, combination_size, combined_errors, combined_forecast,
};
use intervals::{Allowance, Scaled, SumErrors, band, medians};

/// Settings of a forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Length of the season; 1 for none.
    pub period: usize,
    /// Number of steps ahead.
    pub horizon: usize,
    /// Coverages of the intervals, such as 0.8 and 0.95.
    pub levels: Vec<f64>,
    /// Number of first steps whose sum gets its own interval.
    pub total: usize,
    /// Maximum number of origins of the backtest.
    pub origins: usize,
    /// Minimum number of seasons before the first origin.
    pub seasons_min: usize,
}

/// The result of one forecaster in the backtest.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Name of the forecaster.
    pub name: &'static str,
    /// Mean absolute scaled error; below 1 is better than repeating the last season.
    pub mase: f64,
    /// Symmetric mean absolute percentage error, 0 to 2.
    pub smape: f64,
    /// Its share in the combination, over all steps; 0 if it is left out.
    pub weight: f64,
}

/// An interval for every step.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Nominal coverage.
    pub level: f64,
    /// Lower bounds.
    pub lower: Vec<f64>,
    /// Upper bounds.
    pub upper: Vec<f64>,
    /// Share of backtest values within the interval computed from the other origins.
    pub coverage: f64,
}

/// A forecast with its backtest.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// Expected value per step.
    pub mean: Vec<f64>,
    /// Median per step, which has the smallest absolute error: the expected value, except for
    /// counts that are often zero.
    pub median: Vec<f64>,
    /// One band per level, in the requested order.
    pub bands: Vec<Band>,
    /// Expected sum over the first steps.
    pub total: f64,
    /// Interval of that sum for each level.
    pub total_intervals: Vec<[f64; 2]>,
    /// The forecasters, best first.
    pub members: Vec<Member>,
    /// MASE of the combination in the backtest.
    pub mase: f64,
    /// sMAPE of the combination in the backtest.
    pub smape: f64,
    /// Mean absolute error of the combination in the backtest.
    pub error: f64,
    /// Mean absolute error of repeating the last season, in the same backtest.
    pub naive_error: f64,
    /// Number of origins of the backtest.
    pub origins: usize,
    /// Indices of the isolated outliers, which are not extrapolated.
    pub outliers: Vec<usize>,
    /// Mean deviation of the outliers that extend to the end of the series, 0 if none do; the
    /// intervals allow for both their end and their continuation.
    pub open_deviation: f64,
    /// True if all values of the series are the same.
    pub constant: bool,
    /// Errors (observed minus expected) of the combination: one row per origin, one column per
    /// step.
    pub errors: Vec<Vec<f64>>,
}

impl Outlook {
    /// Mean error of the combination over that of repeating the last season; `None` if repeating it
    /// was exact.
    pub fn error_ratio(&self) -> Option<f64> {
        (self.naive_error > 0.0).then(|| self.error / self.naive_error)
    }
}

/// The reason why there is no forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForecastError {
    /// The series is too short for training and testing.
    #[error("not enough: {have} values, {need} needed")]
    Short {
        /// Number of values.
        have: usize,
        /// Minimum number of values.
        need: usize,
    },
    /// The series has values that are too large to compute with.
    #[error("the series holds values that are not numbers, or too large to compute with")]
    Overflow,
    /// No forecaster succeeded.
    #[error("no forecaster could work on the series")]
    None,
}

/// Maximum size of a value.
const VALUE_MAX: f64 = 1e100;

/// Minimum number of values for [`forecast`]: the seasons for training and eight origins.
pub fn need(options: &Options) -> usize {
    backtest::history_min(options) + options.horizon + 7
}

/// Forecasts a series without gaps.
pub fn forecast(values: &[f64], options: &Options) -> Result<Outlook, ForecastError> {
    let need = need(options);
    if values.len() < need {
        return Err(ForecastError::Short {
            have: values.len(),
            need,
        });
    }
    if !values.iter().all(|value| value.abs() <= VALUE_MAX) {
        return Err(ForecastError::Overflow);
    }
    let origins = origins(values.len(), options);
    let scale = backtest::scale(values, options.period);
    let cleaned = clean(values, options.period);
    let now = cleaned.at_present_level();
    let known: Vec<&[f64]> = origins.iter().map(|origin| &values[..*origin]).collect();
    let histories: Vec<Vec<f64>> = known
        .iter()
        .map(|history| clean(history, options.period).at_present_level())
        .collect();
    let naive = SeasonalNaive {
        period: options.period,
    };
    let naive = backtest(&naive, &known, values, options.horizon).ok_or(ForecastError::None)?;
    let is_rare = intermittent::is_intermittent(values, options.period);
    let mut is_outlier = vec![false; values.len()];
    for i in &cleaned.outliers {
        is_outlier[*i] = true;
    }
    let criterion = Criterion {
        origins: &origins,
        is_outlier,
        scale,
        half_life: HALF_LIFE * options.period,
        loss: if is_rare {
            Loss::Squared
        } else {
            Loss::Absolute
        },
    };
    let seasons = seasons(&now, options.period);
    let mut candidates: Vec<Candidate> = standard(options.period, &seasons, is_rare)
        .into_iter()
        .filter_map(|forecaster| {
            let (backtest, point) = backtest_and_forecast(
                forecaster.as_ref(),
                &histories,
                &now,
                values,
                options.horizon,
            )?;
            Some(Candidate {
                name: forecaster.name(),
                score: criterion.score(&backtest),
                backtest,
                point,
            })
        })
        .collect();
    candidates.sort_by(|a, b| {
        let by_name = || a.name.cmp(b.name);
        a.score.total_cmp(&b.score).then_with(by_name)
    });
    let mut size = combination_size(&candidates);
    if size == 0 {
        return Err(ForecastError::None);
    }
    if is_rare {
        // Rates that are the same for every step are nearly equal, and would outvote a season.
        size = 1;
    }
    let (mean, weights) = combined_forecast(&candidates[..size]);
    let errors = combined_errors(&candidates[..size]);
    let floor = if values.iter().all(|value| *value >= 0.0) {
        0.0
    } else {
        f64::NEG_INFINITY
    };
    let mean: Vec<f64> = mean.into_iter().map(|value| value.max(floor)).collect();
    let total_steps = options.total.clamp(1, options.horizon);
    let total = mean[..total_steps].iter().sum();
    let scaled = Scaled::of(&errors, &histories, &now, options.period);
    let sum_errors = SumErrors::of(&scaled, &origins, &criterion.is_outlier, total_steps);
    let combined_backtest = Backtest::of(values, &origins, &errors);
    let allowance = Allowance::of(values, &cleaned);
    let median = if is_rare {
        medians(&mean, &scaled, &allowance, floor)
    } else {
        mean.clone()
    };
    Ok(Outlook {
        median,
        bands: options
            .levels
            .iter()
            .map(|level| band(&mean, &scaled, *level, &allowance, floor))
            .collect(),
        total,
        total_intervals: options
            .levels
            .iter()
            .map(|level| {
                let half = sum_errors.half_width(*level);
                let [down, up] = allowance.over(total_steps, *level, half);
                [(total - down).max(floor), total + up]
            })
            .collect(),
        members: candidates
            .iter()
            .zip(weights.into_iter().chain(std::iter::repeat(0.0)))
            .map(|(candidate, weight)| Member {
                name: candidate.name,
                mase: candidate.backtest.mase(scale),
                smape: candidate.backtest.smape(),
                weight,
            })
            .collect(),
        mase: combined_backtest.mase(scale),
        smape: combined_backtest.smape(),
        error: combined_backtest.mean_error(),
        naive_error: naive.mean_error(),
        origins: origins.len(),
        outliers: cleaned.outliers,
        open_deviation: cleaned.open_deviation,
        constant: is_constant(values),
        mean,
        errors,
    })
}

/// Number of seasons after which the weight of an origin's errors is halved: success before a
/// change of regime may not continue after it.
const HALF_LIFE: usize = 12;

fn is_constant(values: &[f64]) -> bool {
    let first = values.first().copied().unwrap_or(0.0);
    let same = |value: &f64| (value - first).abs() <= 1e-12 * first.abs();
    values.iter().all(same)
}

/// The typical size of the last season's values, for limits on absurd forecasts.
fn typical_size(values: &[f64], period: usize) -> f64 {
    let recent = &values[values.len().saturating_sub(4 * period.max(7))..];
    median(&recent.iter().map(|value| value.abs()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::normal;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn simulated(seed: u64, n: usize) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut level, mut noise) = (100.0, 0.0);
        (0..n)
            .map(|i| {
                level += 0.3 * normal(&mut random);
                noise = 0.4 * noise + 3.0 * normal(&mut random);
                level + noise + [12.0, 4.0, 0.0, 0.0, -2.0, -6.0, -8.0][i % 7]
            })
            .collect()
    }

    #[test]
    fn intervals_have_their_nominal_coverage() {
        let options = Options {
            period: 7,
            horizon: 14,
            levels: vec![0.8, 0.95],
            total: 7,
            origins: 40,
            seasons_min: 3,
        };
        let (mut inside, mut total_inside, mut mase) = ([0.0; 2], [0.0; 2], 0.0);
        let runs = 40;
        for seed in 0..runs {
            let values = simulated(seed, 280 + 14);
            let outlook = forecast(&values[..280], &options).unwrap();
            for (band, hits) in outlook.bands.iter().zip(&mut inside) {
                for (i, value) in values[280..].iter().enumerate() {
                    let held = band.lower[i] <= *value && *value <= band.upper[i];
                    *hits += f64::from(u8::from(held)) / (14.0 * runs as f64);
                }
            }
            let total: f64 = values[280..287].iter().sum();
            for (interval, hits) in outlook.total_intervals.iter().zip(&mut total_inside) {
                let held = interval[0] <= total && total <= interval[1];
                *hits += f64::from(u8::from(held)) / runs as f64;
            }
            mase += outlook.mase / runs as f64;
        }
        eprintln!("coverage {inside:?}, of sums {total_inside:?}, mean MASE {mase:.3}");
        assert!((inside[0] - 0.8).abs() < 0.05, "{inside:?}");
        assert!((inside[1] - 0.95).abs() < 0.04, "{inside:?}");
        assert!((total_inside[0] - 0.8).abs() < 0.13, "{total_inside:?}");
        assert!(total_inside[1] > 0.86, "{total_inside:?}");
        assert!(mase < 0.85, "{mase}");
    }

    #[test]
    fn a_trend_is_extrapolated_and_counts_stay_positive() {
        let values: Vec<f64> = (0..200).map(|i| 10.0 + 0.5 * f64::from(i)).collect();
        let options = Options {
            period: 7,
            horizon: 28,
            levels: vec![0.8],
            total: 7,
            origins: 20,
            seasons_min: 3,
        };
        let outlook = forecast(&values, &options).unwrap();
        assert!((outlook.mean[27] - 123.5).abs() < 1.0, "{:?}", outlook.mean);
        let falling: Vec<f64> = (0..200)
            .map(|i| (100.0 - 0.55 * f64::from(i)).max(0.0))
            .collect();
        let outlook = forecast(&falling, &options).unwrap();
        assert!(
            outlook
                .mean
                .iter()
                .chain(&outlook.bands[0].lower)
                .all(|value| *value >= 0.0)
        );
    }

    #[test]
    fn short_series_are_refused() {
        let options = Options {
            period: 7,
            horizon: 7,
            levels: vec![],
            total: 7,
            origins: 20,
            seasons_min: 3,
        };
        let need = need(&options);
        assert_eq!(
            forecast(&[1.0; 20], &options).unwrap_err(),
            ForecastError::Short { have: 20, need }
        );
        assert!(forecast(&vec![5.0; need], &options).is_ok());
    }

    /// Forecasts the weeks after 84 days of a weekly pattern, with changed values on some days.
    fn regular(change: impl Fn(usize) -> Option<f64>) -> Outlook {
        let week = [24.0, 24.0, 24.0, 24.0, 24.0, 10.0, 6.0];
        let values: Vec<f64> = (0..84).map(|i| change(i).unwrap_or(week[i % 7])).collect();
        let options = Options {
            period: 7,
            horizon: 28,
            levels: vec![0.8, 0.95],
            total: 7,
            origins: 24,
            seasons_min: 3,
        };
        forecast(&values, &options).unwrap()
    }

    #[test]
    fn one_exceptional_day_moves_no_forecast_and_intervals_allow_for_another() {
        let near = |got: f64, expected: f64| (got - expected).abs() < 1e-6;
        for (day, value) in [(79, 0.0), (51, 0.0), (64, 0.0), (74, 300.0), (7, 0.0)] {
            let outlook = regular(|i| (i == day).then_some(value));
            assert_eq!(outlook.outliers, [day]);
            assert!(near(outlook.total, 136.0), "{day}: {}", outlook.total);
            let [low, high] = outlook.total_intervals[1];
            let reached = 136.0 + value - 24.0;
            let context = format!("{day}: {low} to {high}, {reached}");
            assert!(low < 136.0 && high > 136.0, "{context}");
            assert!(low <= reached + 1e-6 && high >= reached - 1e-6, "{context}");
            // Not much wider than that, on the side to which it moved.
            let end = if reached < 136.0 { low } else { high };
            assert!((end - reached).abs() < 2.0, "{context}");
            for band in &outlook.bands {
                let ends = band.lower.iter().zip(&band.upper);
                assert!(ends.into_iter().all(|(low, high)| low < high), "{context}");
            }
        }
        // On the last day, it is unknown whether the value will last.
        let outlook = regular(|i| (i == 83).then_some(0.0));
        assert!(near(outlook.total, 136.0), "{}", outlook.total);
        assert!(
            near(outlook.open_deviation, -6.0),
            "{}",
            outlook.open_deviation
        );
        assert!(near(outlook.total_intervals[1][0], 94.0));
    }

    #[test]
    fn a_repeating_series_is_forecast_exactly() {
        let outlook = regular(|_| None);
        assert_eq!((outlook.error, outlook.naive_error), (0.0, 0.0));
        let [low, high] = outlook.total_intervals[1];
        assert!((low - 135.0).abs() < 1e-6 && (high - 137.0).abs() < 1e-6);
        assert!(!outlook.constant);
        let outlook = regular(|_| Some(24.0));
        let [low, high] = outlook.total_intervals[1];
        assert!((low - 168.0).abs() < 1e-6 && (high - 168.0).abs() < 1e-6);
        assert!(outlook.constant);
    }

    #[test]
    fn rare_counts_are_forecast_by_their_rate() {
        let options = Options {
            period: 7,
            horizon: 28,
            levels: vec![0.95],
            total: 7,
            origins: 24,
            seasons_min: 3,
        };
        // One event in 31 days.
        let values: Vec<f64> = (0..200)
            .map(|i| f64::from(u8::from(i * 7919 % 31 == 3)))
            .collect();
        let outlook = forecast(&values, &options).unwrap();
        assert!((outlook.total - 7.0 / 31.0).abs() < 0.1, "{outlook:?}");
        assert!(outlook.mean.iter().all(|value| *value > 0.0));
        assert!(outlook.median.iter().all(|value| *value == 0.0));
    }

    #[test]
    fn rare_counts_keep_their_weekdays() {
        let options = Options {
            period: 7,
            horizon: 14,
            levels: vec![0.95],
            total: 7,
            origins: 24,
            seasons_min: 3,
        };
        // About one event on each working day, one in eight weekend days.
        let values: Vec<f64> = (0..400_usize)
            .map(|i| {
                let chance = i.wrapping_mul(2_654_435_761) % 4093;
                let limits: &[usize] = if i % 7 < 5 { &[1500, 2800] } else { &[3600] };
                limits.iter().filter(|limit| chance >= **limit).count() as f64
            })
            .collect();
        let outlook = forecast(&values, &options).unwrap();
        // The forecast starts on the second day of a week.
        let (working, weekend) = (outlook.mean[0], outlook.mean[4]);
        assert!(working > 3.0 * weekend, "{working} {weekend}");
    }

    #[test]
    fn intervals_of_counts_with_outages_have_their_nominal_coverage() {
        let options = Options {
            period: 7,
            horizon: 7,
            levels: vec![0.95],
            total: 7,
            origins: 40,
            seasons_min: 3,
        };
        let (mut held, mut inside, runs) = (0.0, 0.0, 60);
        for seed in 0..runs {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let values: Vec<f64> = (0..287)
                .map(|i| {
                    let mean: f64 = [400.0, 300.0, 300.0, 300.0, 280.0, 120.0, 90.0][i % 7];
                    let out: f64 = random.random();
                    let usual = (mean + mean.sqrt() * normal(&mut random)).round();
                    if out < 0.015 { 0.0 } else { usual.max(0.0) }
                })
                .collect();
            let outlook = forecast(&values[..280], &options).unwrap();
            let total: f64 = values[280..].iter().sum();
            let [low, high] = outlook.total_intervals[0];
            held += f64::from(u8::from(low <= total && total <= high)) / runs as f64;
            let band = &outlook.bands[0];
            let hits = (0..7).filter(|i| {
                let value = values[280 + i];
                band.lower[*i] <= value && value <= band.upper[*i]
            });
            inside += hits.count() as f64 / (7.0 * runs as f64);
        }
        eprintln!("sums {held}, days {inside}");
        assert!(held > 0.88, "{held}");
        assert!(inside > 0.91, "{inside}");
    }

    #[test]
    fn the_resolution_is_the_rounding_of_the_values() {
        let cases: [(&[f64], f64); 5] = [
            (&[24.0, 0.0, 24.0], 1.0),
            (&[6.78, 6.7, 6.0], 0.01),
            (&[0.1 + 0.2, 0.3, 0.1], 0.1),
            (&[5.0, 5.0], 0.0),
            (&[std::f64::consts::PI, 3.0, 3.0], 3e-4),
        ];
        for (values, expected) in cases {
            let got = intervals::resolution(values);
            assert!((got - expected).abs() < 1e-12, "{values:?}: {got}");
        }
    }
}
