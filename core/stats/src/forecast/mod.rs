//! Forecasting with a record: forecasters are chosen and weighted by how they did on the past, and
//! intervals come from the errors they made there.
//!
//! [`forecast`] runs every [`Forecaster`] from a number of earlier origins (rolling-origin backtest;
//! Tashman, 2000), scores it by MASE (Hyndman and Koehler, 2006), and combines those close to the
//! best with weights that fall with the squared error. The same combination's own errors at each
//! horizon give split-conformal intervals with the finite-sample quantile (Vovk et al., 2005; Stankeviciute
//! et al., 2021): no distribution is assumed, and coverage is measured and reported.

mod backtest;
mod forecasters;
mod stretch;

pub use backtest::{Backtest, backtest, conformal_half_width, mase, origins, smape};
pub use forecasters::{
    Drift, Ets, Forecaster, Level, MstlEts, SeasonalMean, SeasonalNaive, Theta, standard,
};
pub use stretch::{CLEAR, Stretch, current_stretch};

use crate::describe::median;

/// What to forecast and how far.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Length of the season; 1 for none.
    pub period: usize,
    /// Steps ahead.
    pub horizon: usize,
    /// Coverages of the intervals, such as 0.8 and 0.95.
    pub levels: Vec<f64>,
    /// The first steps whose sum gets an interval of its own.
    pub total: usize,
    /// Most origins of the backtest.
    pub origins: usize,
}

/// How one forecaster did in the backtest.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// Mean absolute scaled error; below 1 is better than repeating the last season.
    pub mase: f64,
    /// Symmetric mean absolute percentage error, 0 to 2.
    pub smape: f64,
    /// Its weight in the combination; 0 when it is left out.
    pub weight: f64,
}

/// An interval for every step.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Nominal coverage.
    pub level: f64,
    /// Lower ends.
    pub lower: Vec<f64>,
    /// Upper ends.
    pub upper: Vec<f64>,
    /// Share of backtest values that the interval, made from the other origins, held.
    pub coverage: f64,
}

/// A forecast with its record.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// Expected value per step.
    pub mean: Vec<f64>,
    /// One band a level, in the order asked for.
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
    /// Origins of the backtest.
    pub origins: usize,
    /// Errors (observed minus expected) of the combination: one row an origin, one column a step.
    pub errors: Vec<Vec<f64>>,
}

/// Why there is no forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForecastError {
    /// The series is too short to learn from and to be tested on.
    #[error("not enough: have {have} values, need {need}")]
    Short {
        /// Values there are.
        have: usize,
        /// Values needed.
        need: usize,
    },
    /// The series holds numbers that no computation can take.
    #[error("the series holds values that are not numbers, or too large to compute with")]
    Overflow,
    /// No forecaster could work on the series.
    #[error("no forecaster could work on the series")]
    None,
}

/// Largest size of a value that is forecast.
const VALUE_MAX: f64 = 1e100;

/// Fewest values that [`forecast`] needs: three seasons to learn from and eight origins.
pub fn need(options: &Options) -> usize {
    backtest::least_history(options.period) + options.horizon + 7
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
    let origins = origins(
        values.len(),
        options.period,
        options.horizon,
        options.origins,
    );
    let scale = backtest::scale(values, options.period);
    let mut candidates: Vec<(Box<dyn Forecaster>, Backtest)> = standard(options.period)
        .into_iter()
        .filter_map(|one| {
            let record = backtest(one.as_ref(), values, &origins, options.horizon)?;
            Some((one, record))
        })
        .collect();
    let recent =
        |record: &Backtest| record.recent_mase(scale, &origins, HALF_LIFE * options.period);
    candidates.sort_by(|(a, x), (b, y)| {
        recent(x)
            .total_cmp(&recent(y))
            .then_with(|| a.name().cmp(b.name()))
    });
    let scores: Vec<f64> = candidates
        .iter()
        .map(|(_, record)| recent(record))
        .collect();
    let weights = weights(&scores);
    let errors = combined_errors(&candidates, &weights);
    let (mean, weights) = combined_forecast(values, options.horizon, &candidates, weights)?;
    let floor = if values.iter().all(|value| *value >= 0.0) {
        0.0
    } else {
        f64::NEG_INFINITY
    };
    let mean: Vec<f64> = mean.into_iter().map(|value| value.max(floor)).collect();
    let total_steps = options.total.clamp(1, options.horizon);
    let total = mean[..total_steps].iter().sum();
    let total_errors: Vec<f64> = errors
        .iter()
        .map(|row| row[..total_steps].iter().sum::<f64>().abs())
        .collect();
    let record = Backtest::of(values, &origins, &errors);
    Ok(Outlook {
        bands: options
            .levels
            .iter()
            .map(|level| band(&mean, &errors, *level, floor))
            .collect(),
        total,
        total_intervals: options
            .levels
            .iter()
            .map(|level| {
                let half = conformal_half_width(&total_errors, *level);
                [(total - half).max(floor), total + half]
            })
            .collect(),
        members: candidates
            .iter()
            .zip(&weights)
            .map(|((one, record), weight)| Member {
                name: one.name(),
                mase: record.mase(scale),
                smape: record.smape(),
                weight: *weight,
            })
            .collect(),
        mase: record.mase(scale),
        smape: record.smape(),
        origins: origins.len(),
        mean,
        errors,
    })
}

/// Seasons after which the errors at an origin count half as much for the choice: what did well
/// before a change of regime may not do well after it.
const HALF_LIFE: usize = 12;

/// Weights of the forecasters whose error is within 15 % of the best, at most four. Errors ascend.
fn weights(errors: &[f64]) -> Vec<f64> {
    let Some(best) = errors.first().map(|error| error.max(1e-12)) else {
        return Vec::new();
    };
    let mut weights: Vec<f64> = errors
        .iter()
        .enumerate()
        .map(|(i, error)| {
            let error = error.max(1e-12);
            if i < 4 && error <= 1.15 * best {
                (best / error).powi(2)
            } else {
                0.0
            }
        })
        .collect();
    let total: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= total;
    }
    weights
}

fn combined_errors(
    candidates: &[(Box<dyn Forecaster>, Backtest)],
    weights: &[f64],
) -> Vec<Vec<f64>> {
    let Some((_, first)) = candidates.first() else {
        return Vec::new();
    };
    let mut errors = vec![vec![0.0; first.errors[0].len()]; first.errors.len()];
    for ((_, record), weight) in candidates.iter().zip(weights) {
        for (row, other) in errors.iter_mut().zip(&record.errors) {
            row.iter_mut()
                .zip(other)
                .for_each(|(slot, error)| *slot += weight * error);
        }
    }
    errors
}

/// The combination's forecast. A forecaster that fails here, though it did not in the backtest,
/// leaves its weight to the others.
fn combined_forecast(
    values: &[f64],
    horizon: usize,
    candidates: &[(Box<dyn Forecaster>, Backtest)],
    mut weights: Vec<f64>,
) -> Result<(Vec<f64>, Vec<f64>), ForecastError> {
    let mut mean = vec![0.0; horizon];
    let mut total = 0.0;
    for ((one, _), weight) in candidates.iter().zip(&mut weights) {
        if *weight <= 0.0 {
            continue;
        }
        match one.forecast(values, horizon) {
            Some(forecast) => {
                total += *weight;
                mean.iter_mut()
                    .zip(&forecast)
                    .for_each(|(slot, value)| *slot += *weight * value);
            }
            None => *weight = 0.0,
        }
    }
    if total <= 0.0 {
        return Err(ForecastError::None);
    }
    for value in &mut mean {
        *value /= total;
    }
    for weight in &mut weights {
        *weight /= total;
    }
    Ok((mean, weights))
}

/// Conformal band: errors of neighbouring steps are pooled, and the width never shrinks with the
/// horizon.
fn band(mean: &[f64], errors: &[Vec<f64>], level: f64, floor: f64) -> Band {
    let horizon = mean.len();
    let pooled = |step: usize, without: Option<usize>| -> Vec<f64> {
        let steps = step.saturating_sub(1)..(step + 2).min(horizon);
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
    for (origin, row) in errors.iter().enumerate() {
        let mut widest = 0.0f64;
        for (step, error) in row.iter().enumerate() {
            widest = widest.max(conformal_half_width(&pooled(step, Some(origin)), level));
            held += usize::from(error.abs() <= widest);
        }
    }
    Band {
        level,
        lower: mean
            .iter()
            .zip(&half)
            .map(|(mean, half)| (mean - half).max(floor))
            .collect(),
        upper: mean
            .iter()
            .zip(&half)
            .map(|(mean, half)| mean + half)
            .collect(),
        coverage: held as f64 / (errors.len() * horizon).max(1) as f64,
    }
}

/// The typical size of the last season's values, for limits on silly forecasts.
fn typical(values: &[f64], period: usize) -> f64 {
    let recent = &values[values.len().saturating_sub(4 * period.max(7))..];
    median(&recent.iter().map(|value| value.abs()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn normal(random: &mut ChaCha8Rng) -> f64 {
        let (u, v): (f64, f64) = (random.random(), random.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

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
    fn intervals_hold_what_they_promise() {
        let options = Options {
            period: 7,
            horizon: 14,
            levels: vec![0.8, 0.95],
            total: 7,
            origins: 40,
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
    fn a_trend_is_carried_on_and_counts_stay_positive() {
        let values: Vec<f64> = (0..200).map(|i| 10.0 + 0.5 * f64::from(i)).collect();
        let options = Options {
            period: 7,
            horizon: 28,
            levels: vec![0.8],
            total: 7,
            origins: 20,
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
        };
        let need = need(&options);
        assert_eq!(
            forecast(&[1.0; 20], &options).unwrap_err(),
            ForecastError::Short { have: 20, need }
        );
        assert!(forecast(&vec![5.0; need], &options).is_ok());
    }
}
