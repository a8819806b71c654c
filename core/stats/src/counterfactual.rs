//! The counterfactual of a series: regression on season and controls with autocorrelated errors,
//! averaged over models of the errors.
//!
//! A value is `level + season + controls · coefficients + a + w + e`. The first three are fixed,
//! with an optional slope; `e` is independent noise, `a` an autoregression of order one and `w` a
//! random walk (Harvey, 1989; Durbin and Koopman, 2012). Coefficients are estimated by generalised
//! least squares: a filter with two states makes the errors independent.
//!
//! A hundred values determine the autocorrelation of the errors poorly, and a single estimate makes
//! intervals too narrow. Instead, models on a grid are averaged, weighted by their restricted
//! likelihood (coefficients and variance integrated out) and by a prior that most metrics soon
//! return to their level (Hoeting et al., 1999). There is no optimiser and no randomness. Missing
//! values are skipped by the filter.

mod design_matrix;
mod family;
mod sample;

pub(crate) use design_matrix::season_size;
pub(crate) use family::{Family, Line, Regression};
pub use sample::Sample;

use crate::linear::{backward, cholesky, dot, forward};
use design_matrix::{DesignMatrix, scale};

/// A model of the errors, in units of their variance without the random walk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// Autocorrelation of `a` over one step, below 1.
    pub memory: f64,
    /// Innovation variance of `a`.
    pub innovation_variance: f64,
    /// Innovation variance of `w`.
    pub walk_variance: f64,
    /// Variance of `e` at a usual step.
    pub noise_variance: f64,
    /// Prior standard deviation of a slope of the level per step, in units of the errors'; infinite
    /// for a flat prior, `None` for no slope.
    pub slope: Option<f64>,
    /// Prior standard deviation of the waves of a long season, in units of the errors'; `None` for
    /// a flat prior.
    pub waves: Option<f64>,
    /// Posterior weight.
    pub weight: f64,
}

/// Forecast of one model for the weighted mean of the steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Posterior weight.
    pub weight: f64,
    /// The expected mean.
    pub mean: f64,
    /// Its variance from the estimated coefficients and the current state.
    pub parameter_variance: f64,
    /// Its variance from the noise of these steps.
    pub noise: f64,
    /// Degrees of freedom.
    pub freedom: f64,
}

/// Effect of a control on the value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficient {
    /// Change of the value per unit of the control.
    pub value: f64,
    /// Squared partial correlation of value and control.
    pub share: f64,
}

/// Forecast after the training values.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// The weighted mean of the steps, by each model.
    pub parts: Vec<Part>,
    /// Effect of each control, by the model with the largest weight.
    pub controls: Vec<Coefficient>,
    /// Expected value per step.
    pub mean: Vec<f64>,
    /// Variance of an observation, per step.
    pub variance: Vec<f64>,
    /// Expectation of each training value from earlier values, with the final coefficients.
    pub fitted: Vec<f64>,
}

impl Forecast {
    /// Weighted average of a number over the models.
    pub fn average(&self, number: impl Fn(&Part) -> f64) -> f64 {
        let parts = self.parts.iter();
        parts.map(|part| part.weight * number(part)).sum()
    }

    /// The expected mean of the steps, and its variance including the spread of the models.
    pub fn moments(&self) -> (f64, f64) {
        let mean = self.average(|part| part.mean);
        let variance =
            self.average(|part| part.parameter_variance + part.noise + (part.mean - mean).powi(2));
        (mean, variance)
    }
}

/// Autocorrelations of `a` on the grid; without memory there is only noise.
const MEMORIES: [f64; 9] = [0.15, 0.3, 0.45, 0.6, 0.75, 0.85, 0.92, 0.96, 0.98];
/// Shares of `a` in the variance, each with its prior weight. Noise in addition to an
/// autoregression is distinguishable from a shorter memory only if the memory is long.
const SHARES: [(f64, f64); 4] = [(1.0, 1.0), (0.5, 0.35), (0.25, 0.2), (0.1, 0.1)];
/// Innovation standard deviations of the random walk, in units of the other errors, and the
/// memories of those other errors.
const WALKS: [f64; 8] = [0.02, 0.04, 0.07, 0.12, 0.2, 0.35, 0.6, 1.2];
const WALK_MEMORIES: [f64; 3] = [0.0, 0.3, 0.6];
/// Prior weights of memories above a bound: most metrics return to their level within days.
const LONG_WEIGHTS: [(f64, f64); 2] = [(0.9, 0.2), (0.7, 0.7)];
/// Prior weights of a random walk: the larger of the two applies. The first grows with the third
/// power of the number of values up to this weight at 365 values; the second grows with the square
/// of the length of the series up to this weight at one year. The longer a series, the more likely
/// its level moved. The prior weight of a slope grows with the number of years, up to two.
/// Chosen by simulation (see the tests of [`crate::effect`] and the example `effect_calibration`).
const WALK_BY_STEPS: f64 = 0.4;
const WALK_BY_YEARS: f64 = 0.2;
const SLOPE_WEIGHT: f64 = 0.12;
const YEARS_MAX: f64 = 2.0;
/// Days of a year.
pub(crate) const DAYS: f64 = 365.0;
/// Prior weight of a random walk on top of autocorrelated errors, relative to independent errors.
const WALK_MEMORY_WEIGHT: f64 = 0.5;
/// Prior weight of errors without memory, per value, and its bounds: in few values, memory is hard
/// to detect.
const WHITE_WEIGHT: f64 = 0.03;
const WHITE_WEIGHTS: std::ops::RangeInclusive<f64> = 1.0..=15.0;
/// Prior standard deviation of the slope of daily values, per step, in units of the errors'. Errors
/// of longer steps are means, which vary less.
const SLOPE_SD: f64 = 0.01;
/// The same of steep slopes, which only clear evidence makes likely, and their prior weight.
const STEEP_SD: f64 = 0.1;
const STEEP_WEIGHT: f64 = 0.02;
/// Models with less than this share of the best model's weight are left out (Occam's window:
/// Madigan and Raftery, 1994), since many unlikely models together would widen every interval.
const WEIGHT_MIN: f64 = 0.02;
/// Longest memory of errors for which an effect is the coefficient of a step. With longer memories,
/// that coefficient weighs the first days after the change far more than the others.
const STEP_MEMORY_MAX: f64 = 0.65;
/// Longest season with an effect for each of its steps; for longer seasons, only the first waves
/// are fitted.
pub(crate) const PHASES_MAX: usize = 31;
const WAVES: usize = 3;
/// Prior standard deviations of the first wave of a long season, with prior weights; that of wave
/// `h` is `h` times smaller. The smallest standard deviation means that there is no such season.
const WAVE_SDS: [(f64, f64); 2] = [(1.0, 0.5), (1e-3, 0.5)];

/// Prior standard deviation of the effect of a phase without values, in units of the errors'.
const UNSEEN_SD: f64 = 10.0;

/// The grid of models, with prior weights for a series of `n` values, with `year` values per year.
///
/// If the noise of the steps is uneven, any part of it may be common to all steps instead: means of
/// records then also have errors of their period, which more records do not reduce.
fn grid(n: usize, year: f64, is_uneven: bool) -> impl Iterator<Item = Model> {
    let years = (n as f64 / year).min(YEARS_MAX);
    let white = Model {
        memory: 0.0,
        innovation_variance: 0.0,
        walk_variance: 0.0,
        noise_variance: 1.0,
        slope: None,
        waves: None,
        weight: (WHITE_WEIGHT * n as f64).clamp(*WHITE_WEIGHTS.start(), *WHITE_WEIGHTS.end()),
    };
    let errors = move |memory: f64, share: f64| Model {
        memory,
        innovation_variance: share * (1.0 - memory * memory),
        noise_variance: 1.0 - share,
        ..white
    };
    let long = |memory: f64| {
        let weight = LONG_WEIGHTS.iter().find(|(above, _)| memory > *above);
        weight.map_or(1.0, |(_, weight)| *weight)
    };
    let returning = MEMORIES.into_iter().flat_map(move |memory| {
        let is_distinct = is_uneven || memory >= 0.5;
        let shares = if is_distinct { &SHARES } else { &SHARES[..1] };
        shares.iter().map(move |(share, weight)| Model {
            weight: weight * long(memory),
            ..errors(memory, *share)
        })
    });
    let walk_weight =
        (WALK_BY_STEPS * (n as f64 / DAYS).powi(3)).max(WALK_BY_YEARS * years.min(1.0).powi(2));
    let walks = WALK_MEMORIES.into_iter().flat_map(move |memory| {
        let (share, weight) = if memory > 0.0 {
            (1.0, WALK_MEMORY_WEIGHT * walk_weight)
        } else {
            (0.0, walk_weight)
        };
        let base = errors(memory, share);
        WALKS.into_iter().map(move |step| Model {
            walk_variance: step * step,
            weight,
            ..base
        })
    });
    let common = (SHARES.into_iter().filter(|_| is_uneven)).map(|(share, weight)| Model {
        weight: white.weight * weight,
        ..errors(0.0, share)
    });
    let level: Vec<Model> = std::iter::once(white)
        .chain(common)
        .chain(returning)
        .chain(walks)
        .collect();
    let by_step = (DAYS / year).sqrt();
    let slopes = [(SLOPE_SD, SLOPE_WEIGHT * years), (STEEP_SD, STEEP_WEIGHT)];
    let base = level.clone();
    let sloped = slopes.into_iter().flat_map(move |(sd, weight)| {
        base.clone().into_iter().map(move |model| Model {
            slope: Some(sd * by_step),
            weight: model.weight * weight,
            ..model
        })
    });
    level.into_iter().chain(sloped)
}

/// A regression with independent errors: the Cholesky factor of its normal equations.
struct Fit {
    /// Lower Cholesky factor of the cross-products of the regressors, row by row.
    triangle: Vec<f64>,
    coefficients: Vec<f64>,
    /// Variance of the errors, in units of the model's variance.
    variance: f64,
    freedom: f64,
    log_likelihood: f64,
    /// `a` and `w` after the training values: for the values, and for each regressor.
    state: Vec<[f64; 2]>,
    spread: Spread,
    /// `a + w` before each training value, `state.len()` numbers per step; empty unless requested.
    states: Vec<f64>,
}

/// Variances of `a` and `w`, and their covariance.
#[derive(Debug, Clone, Copy)]
struct Spread {
    a: f64,
    both: f64,
    w: f64,
}

impl Spread {
    /// Variance of a weighted sum of `a` and `w`.
    fn of(self, [a, w]: [f64; 2]) -> f64 {
        a * a * self.a + 2.0 * a * w * self.both + w * w * self.w
    }

    fn advance(&mut self, model: &Model) {
        self.a = model.memory * model.memory * self.a + model.innovation_variance;
        self.both *= model.memory;
        self.w += model.walk_variance;
    }
}

/// Fits the coefficients under a model; `None` if the regressors are collinear.
fn fit(model: &Model, sample: Sample, matrix: &DesignMatrix, keep: bool) -> Option<Fit> {
    let size = matrix.width - usize::from(model.slope.is_none());
    let mut squares = vec![0.0; size * size];
    let mut products = vec![0.0; size];
    let (mut total, mut log_variances, mut seen) = (0.0, 0.0, 0.0);
    let mut state = vec![[0.0; 2]; size + 1];
    let mut spread = Spread {
        a: model.innovation_variance / (1.0 - model.memory * model.memory),
        both: 0.0,
        // A random walk starts anywhere; the constant includes its start.
        w: 0.0,
    };
    let mut states = Vec::new();
    let mut row = vec![0.0; size];
    for (i, value) in sample.values.iter().enumerate() {
        if keep {
            states.extend(state.iter().map(|[a, w]| a + w));
        }
        if let Some(value) = value {
            let noise = model.noise_variance * sample.noise_at(i);
            let variance = spread.of([1.0; 2]) + noise;
            let gains = [spread.a + spread.both, spread.both + spread.w].map(|c| c / variance);
            let take = |[a, w]: &mut [f64; 2], value: f64| {
                let error = value - *a - *w;
                *a += gains[0] * error;
                *w += gains[1] * error;
                error
            };
            let weight = 1.0 / variance;
            let error = take(&mut state[0], *value);
            let regressors = matrix.row(i, model.slope.is_some());
            for ((slot, x), carried) in row.iter_mut().zip(regressors).zip(&mut state[1..]) {
                *slot = take(carried, *x);
            }
            for (a, line) in squares.chunks_exact_mut(size).enumerate() {
                let scaled = weight * row[a];
                products[a] += scaled * error;
                for (slot, other) in line[..=a].iter_mut().zip(&row) {
                    *slot += scaled * other;
                }
            }
            total += weight * error * error;
            log_variances += variance.ln();
            seen += 1.0;
            spread.a -= gains[0] * gains[0] * variance;
            spread.both -= gains[0] * gains[1] * variance;
            spread.w -= gains[1] * gains[1] * variance;
        }
        state.iter_mut().for_each(|[a, _]| *a *= model.memory);
        spread.advance(model);
    }
    let mut prior = 0.0;
    let mut expect = |index: usize, sd: f64| {
        squares[index * size + index] += sd.powi(-2);
        seen += 1.0;
        prior -= sd.ln();
    };
    if let Some(sd) = model.slope.filter(|sd| sd.is_finite()) {
        expect(size - 1, sd);
    }
    if let Some(sd) = model.waves {
        for wave in 0..WAVES {
            let sd = sd / (wave + 1) as f64;
            expect(1 + 2 * wave, sd);
            expect(2 + 2 * wave, sd);
        }
    }
    // A phase of the season without a value, such as a day of the week that is always closed, has
    // no effect on the others: its coefficient is that of its prior.
    for index in matrix.unseen_phases(sample.values) {
        expect(index, UNSEEN_SD);
    }
    let log_determinant = cholesky(&mut squares, size)?;
    let halfway = forward(&squares, &products);
    let coefficients = backward(&squares, &halfway);
    let residual = (total - dot(&halfway, &halfway)).max(total * 1e-12);
    let freedom = seen - size as f64;
    if freedom < 1.0 || residual <= 0.0 {
        return None;
    }
    Some(Fit {
        triangle: squares,
        coefficients,
        variance: residual / freedom,
        freedom,
        log_likelihood: prior - 0.5 * (log_variances + log_determinant + freedom * residual.ln()),
        state,
        spread,
        states,
    })
}

/// Weighs the models by their likelihood. The controls are at least as long as the values.
///
/// With too few values for a regression, there is no model.
pub fn weigh(sample: Sample, controls: &[&[f64]], period: usize) -> Vec<Model> {
    weigh_among(grid_of(sample, DAYS), sample, controls, period)
}

/// The grid of models for a sample.
fn grid_of(sample: Sample, year: f64) -> impl Iterator<Item = Model> {
    grid(sample.values.len(), year, !sample.noise.is_empty())
}

fn weigh_among(
    models: impl Iterator<Item = Model>,
    sample: Sample,
    controls: &[&[f64]],
    period: usize,
) -> Vec<Model> {
    let train = sample.values.len();
    let matrix = DesignMatrix::new(controls, period, train, train);
    let seasons: Vec<(Option<f64>, f64)> = if period > PHASES_MAX {
        WAVE_SDS.map(|(sd, weight)| (Some(sd), weight)).to_vec()
    } else {
        vec![(None, 1.0)]
    };
    let scored: Vec<(f64, Model)> = models
        .flat_map(|model| {
            seasons.iter().map(move |(waves, weight)| Model {
                waves: *waves,
                weight: model.weight * weight,
                ..model
            })
        })
        .filter_map(|model| {
            let fit = fit(&model, sample, &matrix, false)?;
            Some((fit.log_likelihood + model.weight.ln(), model))
        })
        .collect();
    let best = scored
        .iter()
        .fold(f64::NEG_INFINITY, |best, (score, _)| best.max(*score));
    let mut models: Vec<Model> = scored
        .into_iter()
        .map(|(score, model)| Model {
            weight: (score - best).exp(),
            ..model
        })
        .filter(|model| model.weight > WEIGHT_MIN)
        .collect();
    let total: f64 = models.iter().map(|model| model.weight).sum();
    models.iter_mut().for_each(|model| model.weight /= total);
    models
}

/// Expected values after a sample, for as many steps as `weights` has; the mean is weighted by
/// these, which sum to 1. `controls` cover training and forecast steps. Without `in_detail` the
/// values per step are left out. `None` if no model can be fitted.
pub fn forecast(
    models: &[Model],
    sample: Sample,
    controls: &[&[f64]],
    period: usize,
    weights: &[f64],
    in_detail: bool,
) -> Option<Forecast> {
    let (train, horizon) = (sample.values.len(), weights.len());
    let matrix = DesignMatrix::new(controls, period, train, train + horizon);
    let mut whole = Forecast {
        parts: Vec::new(),
        controls: Vec::new(),
        mean: vec![0.0; if in_detail { horizon } else { 0 }],
        variance: vec![0.0; if in_detail { horizon } else { 0 }],
        fitted: vec![0.0; if in_detail { train } else { 0 }],
    };
    let fits: Vec<(&Model, Fit)> = models
        .iter()
        .filter_map(|model| Some((model, fit(model, sample, &matrix, in_detail)?)))
        .collect();
    let likeliest = fits
        .iter()
        .max_by(|(a, _), (b, _)| a.weight.total_cmp(&b.weight));
    if let Some((_, fit)) = likeliest.filter(|_| in_detail) {
        let first = 1 + season_size(period);
        let scales = controls.iter().map(|control| scale(&control[..train]).1);
        whole.controls = scales
            .enumerate()
            .map(|(i, sd)| coefficient(fit, first + i, sd))
            .collect();
    }
    let total: f64 = fits.iter().map(|(model, _)| model.weight).sum();
    // Means first, because the spread of the models around their average is part of the variance.
    let mut steps = Vec::new();
    for (model, fit) in &fits {
        let weight = model.weight / total;
        whole.parts.push(Part {
            weight,
            ..part(model, fit, &matrix, sample, weights)
        });
        if in_detail {
            let ahead = ahead(model, fit, &matrix, sample, horizon);
            for (slot, (mean, _)) in whole.mean.iter_mut().zip(&ahead) {
                *slot += weight * mean;
            }
            steps.push(ahead);
            let size = fit.state.len();
            for (i, (slot, state)) in whole
                .fitted
                .iter_mut()
                .zip(fit.states.chunks_exact(size))
                .enumerate()
            {
                let row = matrix.row(i, model.slope.is_some());
                let drift = state[0] - dot(&state[1..], &fit.coefficients);
                *slot += weight * (dot(row, &fit.coefficients) + drift);
            }
        }
    }
    for (ahead, part) in steps.iter().zip(&whole.parts) {
        for (i, (mean, variance)) in ahead.iter().enumerate() {
            whole.variance[i] += part.weight * (variance + (mean - whole.mean[i]).powi(2));
        }
    }
    (!whole.parts.is_empty()).then_some(whole)
}

/// Replaces the parts of a forecast from `values[..train]` by the parts of a step at `train`, for
/// models whose errors have a short memory. `weights` are those of the steps from `train` on.
///
/// A forecast weighs the steps after the change as the mean does. If the effect is the same at each
/// step, generalised least squares gives more weight to steps that their neighbours predict less,
/// and the variance of the errors is estimated from both sides.
fn replace_by_step(
    models: &[Model],
    sample: Sample,
    period: usize,
    weights: &[f64],
    parts: &mut [Part],
) {
    let values = sample.values;
    let train = values.len() - weights.len();
    let step: Vec<f64> = (0..values.len())
        .map(|i| f64::from(u8::from(i >= train)))
        .collect();
    let matrix = DesignMatrix::new(&[&step], period, values.len(), values.len());
    let (at, sd) = (1 + season_size(period), scale(&step).1);
    let after = weighted_mean(&values[train..], weights);
    for (model, part) in models.iter().zip(parts) {
        if model.memory > STEP_MEMORY_MAX || model.walk_variance > 0.0 {
            continue;
        }
        let Some(fit) = fit(model, sample, &matrix, false) else {
            continue;
        };
        let mut unit = vec![0.0; fit.coefficients.len()];
        unit[at] = 1.0;
        let half = forward(&fit.triangle, &unit);
        let variance = fit.variance * dot(&half, &half) / (sd * sd);
        let noise = part.noise.min(variance);
        *part = Part {
            weight: part.weight,
            mean: after - fit.coefficients[at] / sd,
            parameter_variance: variance - noise,
            noise,
            freedom: fit.freedom,
        };
    }
}

/// The coefficient of a regressor that was divided by `sd`.
fn coefficient(fit: &Fit, index: usize, sd: f64) -> Coefficient {
    let value = fit.coefficients[index];
    let mut unit = vec![0.0; fit.coefficients.len()];
    unit[index] = 1.0;
    let half = forward(&fit.triangle, &unit);
    let square = value * value / (fit.variance * dot(&half, &half));
    Coefficient {
        value: value / sd,
        share: square / (square + fit.freedom),
    }
}

/// The mean of known values by weights that sum to 1 over these.
pub(crate) fn weighted_mean(values: &[Option<f64>], weights: &[f64]) -> f64 {
    let known = values.iter().zip(weights);
    known
        .map(|(value, weight)| value.unwrap_or(0.0) * weight)
        .sum()
}

/// The weighted mean of the steps after a sample by one model.
fn part(model: &Model, fit: &Fit, matrix: &DesignMatrix, sample: Sample, weights: &[f64]) -> Part {
    let train = sample.values.len();
    let mut mean_row = vec![0.0; fit.coefficients.len()];
    for (step, weight) in weights
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight > 0.0)
    {
        for (slot, x) in mean_row
            .iter_mut()
            .zip(matrix.row(train + step, model.slope.is_some()))
        {
            *slot += x * weight;
        }
    }
    // The contribution of an innovation of `a` and of `w` at each time to the mean, from the last
    // step back to the initial state.
    let (mut shares, mut moved, mut noise) = ([0.0; 2], 0.0, 0.0);
    for (step, weight) in weights.iter().enumerate().rev() {
        shares = [weight + model.memory * shares[0], weight + shares[1]];
        noise += model.noise_variance * sample.noise_at(train + step) * weight.powi(2);
        if step > 0 {
            moved += model.innovation_variance * shares[0].powi(2)
                + model.walk_variance * shares[1].powi(2);
        }
    }
    Part {
        weight: 0.0,
        mean: expected(fit, &mean_row, shares),
        parameter_variance: fit.variance
            * (unit_parameter_variance(fit, &mean_row, shares) + fit.spread.of(shares)),
        noise: fit.variance * (moved + noise),
        freedom: fit.freedom,
    }
}

/// Mean and variance of each observation by one model.
fn ahead(
    model: &Model,
    fit: &Fit,
    matrix: &DesignMatrix,
    sample: Sample,
    horizon: usize,
) -> Vec<(f64, f64)> {
    let train = sample.values.len();
    let (mut shares, mut spread) = ([1.0; 2], fit.spread);
    (train..train + horizon)
        .map(|step| {
            let row = matrix.row(step, model.slope.is_some());
            let variance = unit_parameter_variance(fit, row, shares)
                + spread.of([1.0; 2])
                + model.noise_variance * sample.noise_at(step);
            let mean = expected(fit, row, shares);
            shares[0] *= model.memory;
            spread.advance(model);
            (mean, fit.variance * variance)
        })
        .collect()
}

/// The expectation at a row of regressors, with `shares` of the current `a` and `w`.
fn expected(fit: &Fit, row: &[f64], shares: [f64; 2]) -> f64 {
    let states = weighted_states(fit, shares);
    dot(row, &fit.coefficients) + states[0] - dot(&states[1..], &fit.coefficients)
}

/// The variance of that expectation due to the estimated coefficients, in units of the errors'.
fn unit_parameter_variance(fit: &Fit, row: &[f64], shares: [f64; 2]) -> f64 {
    let states = weighted_states(fit, shares);
    let row: Vec<f64> = row
        .iter()
        .zip(&states[1..])
        .map(|(x, state)| x - state)
        .collect();
    let half = forward(&fit.triangle, &row);
    dot(&half, &half)
}

/// The weighted sum of the current `a` and `w`, for the values and for each regressor.
fn weighted_states(fit: &Fit, [a, w]: [f64; 2]) -> Vec<f64> {
    fit.state
        .iter()
        .map(|state| a * state[0] + w * state[1])
        .collect()
}

#[cfg(test)]
mod tests;
