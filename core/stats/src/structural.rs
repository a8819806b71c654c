//! Structural time series: a random-walk level, a slope, a season, controls, and autocorrelated
//! errors.
//!
//! A value is `level + season + controls · coefficients + a + e`. In each step the level adds the
//! slope and an innovation; the slope and the seasonal effects have innovations of their own;
//! coefficients are constant; `a` is an autoregression of order one and `e` independent (Harvey,
//! 1989). The Kalman filter gives the likelihood, with the scale of all variances integrated out
//! (Durbin and Koopman, 2012).
//!
//! The variances of the innovations are not estimated but averaged over a grid, weighted by
//! likelihood and a prior for rather constant levels (Brodersen et al., 2015, expect a hundredth of
//! the series' standard deviation per step). There is no optimiser and no randomness. Unlike in
//! their model, errors may be autocorrelated: autocorrelation that is attributed to the level makes
//! intervals too wide, and ignored autocorrelation makes them too narrow. Controls are few and none
//! is dropped, whereas their spike-and-slab prior selects among many.

use crate::{
    counterfactual::{Coefficient, Family, Forecast, Part, Sample},
    describe::{mean, sd},
};

/// The family of structural models.
pub(crate) struct Structural;

/// One model; innovation standard deviations are in units of that of `a + e`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    level: f64,
    /// `None` for no slope.
    slope: Option<f64>,
    season: f64,
    /// Autocorrelation of `a` over one step.
    memory: f64,
    /// Variance of `e`; that of `a` is the rest of 1.
    noise_share: f64,
    weight: f64,
}

/// Autocorrelation of the errors, share of `e` in their variance, prior weight.
const ERRORS: [(f64, f64, f64); 10] = [
    (0.0, 1.0, 2.0),
    (0.3, 0.0, 1.5),
    (0.5, 0.0, 1.5),
    (0.7, 0.0, 1.0),
    (0.85, 0.0, 1.0),
    (0.95, 0.0, 0.5),
    (0.7, 0.5, 0.35),
    (0.85, 0.5, 0.35),
    (0.95, 0.5, 0.35),
    (0.95, 0.75, 0.2),
];
/// Innovations of the level, and the errors combined with them: larger autocorrelations cannot be
/// distinguished from a moving level.
const LEVELS: [f64; 8] = [0.02, 0.04, 0.07, 0.12, 0.2, 0.4, 0.8, 2.0];
const LEVEL_ERRORS: [(f64, f64, f64); 3] = [(0.0, 1.0, 1.0), (0.3, 0.0, 0.5), (0.6, 0.0, 0.5)];
/// Prior weight of each moving level for a year of values; it grows with their number as in
/// [`crate::counterfactual`].
const LEVEL_WEIGHT: f64 = 0.5;
const YEAR: f64 = 365.0;
/// Innovations of the slope, with prior weights; most operational metrics have no slope.
const SLOPES: [(Option<f64>, f64); 4] = [
    (None, 1.0),
    (Some(0.0), 0.05),
    (Some(0.01), 0.01),
    (Some(0.05), 0.01),
];
/// Innovations of the seasonal effects, with prior weights.
const SEASONS: [(f64, f64); 2] = [(0.0, 1.0), (0.05, 0.3)];
/// Flat prior variance, and that of the slope, in units of the variance of the errors.
const FLAT_VARIANCE: f64 = 1e4;
const SLOPE_VARIANCE: f64 = 0.01 * 0.01;
/// Models with less than this share of the largest weight are left out.
const WEIGHT_MIN: f64 = 0.01;

/// The grid, with prior weights for a series of `n` values.
fn grid(n: usize, period: usize) -> Vec<Model> {
    let moving = LEVEL_WEIGHT * (n as f64 / YEAR).powi(2);
    let constant = ERRORS.map(|errors| (0.0, errors, 1.0));
    let levels = LEVELS
        .iter()
        .flat_map(|level| LEVEL_ERRORS.map(|errors| (*level, errors, moving)));
    let mut models = Vec::new();
    for (level, (memory, noise_share, errors_weight), level_weight) in
        constant.into_iter().chain(levels)
    {
        for (slope, slope_weight) in SLOPES {
            for (season, season_weight) in &SEASONS[..if period > 1 { 2 } else { 1 }] {
                models.push(Model {
                    level,
                    slope,
                    season: *season,
                    memory,
                    noise_share,
                    weight: errors_weight * level_weight * slope_weight * season_weight,
                });
            }
        }
    }
    models
}

/// Indices in the state: level, slope, `a`, then the seasonal effects and the coefficients.
const LEVEL_AT: usize = 0;
const SLOPE_AT: usize = 1;
const MEMORY_AT: usize = 2;
const SEASON_AT: usize = 3;

/// Values and controls, divided by their standard deviations before the change.
struct Scaled<'a> {
    values: Vec<Option<f64>>,
    centre: f64,
    scale: f64,
    controls: Vec<(&'a [f64], f64, f64)>,
    period: usize,
    sample: Sample<'a>,
}

impl<'a> Scaled<'a> {
    fn new(sample: Sample<'a>, controls: &[&'a [f64]], period: usize) -> Self {
        let values = sample.values;
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let spread = |values: &[f64]| {
            let sd = sd(values);
            if sd > 0.0 { sd } else { 1.0 }
        };
        let (centre, scale) = (mean(&known), spread(&known));
        let before = values.len();
        Self {
            values: values
                .iter()
                .map(|value| value.map(|value| (value - centre) / scale))
                .collect(),
            centre,
            scale,
            controls: controls
                .iter()
                .map(|control| {
                    let before = &control[..before];
                    (*control, mean(before), spread(before))
                })
                .collect(),
            period,
            sample,
        }
    }

    /// Number of seasonal effects.
    fn phases(&self) -> usize {
        if self.period > 1 { self.period } else { 0 }
    }

    fn size(&self) -> usize {
        SEASON_AT + self.phases() + self.controls.len()
    }

    /// The observation row: the weights of the state in an observation.
    fn row(&self, step: usize) -> Vec<f64> {
        let mut row = vec![0.0; self.size()];
        row[LEVEL_AT] = 1.0;
        row[MEMORY_AT] = 1.0;
        if self.phases() > 0 {
            row[SEASON_AT + step % self.period] = 1.0;
        }
        let controls = &mut row[SEASON_AT + self.phases()..];
        for (slot, (control, centre, scale)) in controls.iter_mut().zip(&self.controls) {
            *slot = (control[step] - centre) / scale;
        }
        row
    }
}

/// The state after the values, and statistics of the filter.
struct Filtered {
    state: Vec<f64>,
    covariance: Vec<f64>,
    /// Variance of the errors.
    variance: f64,
    freedom: f64,
    log_likelihood: f64,
    /// Expectation of each value, given earlier values.
    predicted: Vec<f64>,
}

impl Model {
    /// Innovation variances of level, slope and `a`.
    fn steps(&self) -> [f64; 3] {
        let remembered = (1.0 - self.noise_share) * (1.0 - self.memory * self.memory);
        [
            self.level.powi(2),
            self.slope.unwrap_or(0.0).powi(2),
            remembered,
        ]
    }

    /// Adds the innovations of the season to a covariance; the effects sum to zero.
    fn move_season(covariance: &mut [f64], size: usize, phases: usize, variance: f64) {
        for i in 0..phases {
            for j in 0..phases {
                let centred = f64::from(u8::from(i == j)) - 1.0 / phases as f64;
                covariance[(SEASON_AT + i) * size + SEASON_AT + j] += variance * centred;
            }
        }
    }

    /// Advances a state by one step.
    fn advance(&self, state: &mut [f64], covariance: &mut [f64], phases: usize) {
        let size = state.len();
        state[LEVEL_AT] += state[SLOPE_AT];
        state[MEMORY_AT] *= self.memory;
        for j in 0..size {
            covariance[LEVEL_AT * size + j] += covariance[SLOPE_AT * size + j];
            covariance[MEMORY_AT * size + j] *= self.memory;
        }
        for line in covariance.chunks_exact_mut(size) {
            line[LEVEL_AT] += line[SLOPE_AT];
            line[MEMORY_AT] *= self.memory;
        }
        for (i, variance) in self.steps().into_iter().enumerate() {
            covariance[i * size + i] += variance;
        }
        if phases > 0 && self.season > 0.0 {
            Self::move_season(covariance, size, phases, self.season.powi(2));
        }
    }

    fn filter(&self, scaled: &Scaled) -> Option<Filtered> {
        let (size, phases) = (scaled.size(), scaled.phases());
        let mut state = vec![0.0; size];
        let mut covariance = vec![0.0; size * size];
        covariance[LEVEL_AT * (size + 1)] = FLAT_VARIANCE;
        covariance[SLOPE_AT * (size + 1)] = if self.slope.is_some() {
            SLOPE_VARIANCE
        } else {
            0.0
        };
        covariance[MEMORY_AT * (size + 1)] = 1.0 - self.noise_share;
        Self::move_season(&mut covariance, size, phases, FLAT_VARIANCE);
        for i in SEASON_AT + phases..size {
            covariance[i * size + i] = FLAT_VARIANCE;
        }
        let (mut squares, mut log_variances, mut count) = (0.0, 0.0, 0.0);
        let mut predicted = Vec::with_capacity(scaled.values.len());
        for (step, value) in scaled.values.iter().enumerate() {
            let row = scaled.row(step);
            let expected = dot(&row, &state);
            predicted.push(expected);
            if let Some(value) = value {
                let gains: Vec<f64> = covariance
                    .chunks_exact(size)
                    .map(|line| dot(line, &row))
                    .collect();
                let variance = dot(&gains, &row) + self.noise_share * scaled.sample.noise_at(step);
                let error = value - expected;
                for (slot, gain) in state.iter_mut().zip(&gains) {
                    *slot += gain * error / variance;
                }
                for (line, gain) in covariance.chunks_exact_mut(size).zip(&gains) {
                    for (slot, other) in line.iter_mut().zip(&gains) {
                        *slot -= gain * other / variance;
                    }
                }
                squares += error * error / variance;
                log_variances += variance.ln();
                count += 1.0;
            }
            self.advance(&mut state, &mut covariance, phases);
        }
        // Each flat prior takes one degree of freedom.
        let freedom = count - (1 + phases.saturating_sub(1) + scaled.controls.len()) as f64;
        (freedom >= 1.0 && squares > 0.0).then(|| Filtered {
            state,
            covariance,
            variance: squares / freedom,
            freedom,
            log_likelihood: -0.5 * (log_variances + freedom * squares.ln()),
            predicted,
        })
    }

    /// Weighted mean of the steps: expectation, variance from the state, and variance from later
    /// noise.
    fn ahead(&self, scaled: &Scaled, filtered: &Filtered, weights: &[f64]) -> [f64; 3] {
        let (size, phases, train) = (scaled.size(), scaled.phases(), scaled.values.len());
        // The weight of the state at each step in the mean, from the last step back to the first.
        let (mut share, mut noise) = (vec![0.0_f64; size], 0.0);
        for (step, weight) in weights.iter().enumerate().rev() {
            if step + 1 < weights.len() {
                let moved = self.steps().into_iter().zip(&share);
                noise += moved
                    .map(|(variance, share)| variance * share * share)
                    .sum::<f64>();
                let season = &share[SEASON_AT..SEASON_AT + phases];
                let mean = season.iter().sum::<f64>() / phases.max(1) as f64;
                let spread = season.iter().map(|share| (share - mean).powi(2));
                noise += self.season.powi(2) * spread.sum::<f64>();
                share[SLOPE_AT] += share[LEVEL_AT];
                share[MEMORY_AT] *= self.memory;
            }
            if *weight > 0.0 {
                noise += self.noise_share * scaled.sample.noise_at(train + step) * weight.powi(2);
                for (slot, x) in share.iter_mut().zip(scaled.row(train + step)) {
                    *slot += x * weight;
                }
            }
        }
        [
            dot(&share, &filtered.state),
            filtered.variance * quadratic(&filtered.covariance, &share),
            filtered.variance * noise,
        ]
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `x' M x`, at least zero.
fn quadratic(matrix: &[f64], x: &[f64]) -> f64 {
    let lines = matrix.chunks_exact(x.len());
    lines
        .zip(x)
        .map(|(line, x_i)| x_i * dot(line, x))
        .sum::<f64>()
        .max(0.0)
}

impl Family for Structural {
    type Model = Model;

    fn weigh(&self, sample: Sample, controls: &[&[f64]], period: usize) -> Vec<Model> {
        let values = sample.values;
        let scaled = Scaled::new(sample, controls, period);
        let models: Vec<(f64, Model)> = grid(values.len(), period)
            .into_iter()
            .filter_map(|model| {
                let filtered = model.filter(&scaled)?;
                Some((filtered.log_likelihood + model.weight.ln(), model))
            })
            .collect();
        let best = models
            .iter()
            .fold(f64::NEG_INFINITY, |best, (score, _)| best.max(*score));
        let mut models: Vec<Model> = models
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

    fn forecast(
        &self,
        models: &[Model],
        sample: Sample,
        controls: &[&[f64]],
        period: usize,
        weights: &[f64],
        in_detail: bool,
    ) -> Option<Forecast> {
        let scaled = Scaled::new(sample, controls, period);
        let fits: Vec<(&Model, Filtered)> = models
            .iter()
            .filter_map(|model| Some((model, model.filter(&scaled)?)))
            .collect();
        let total: f64 = fits.iter().map(|(model, _)| model.weight).sum();
        let steps = if in_detail { weights.len() } else { 0 };
        let mut forecast = Forecast {
            parts: Vec::new(),
            controls: Vec::new(),
            mean: vec![0.0; steps],
            variance: vec![0.0; steps],
            fitted: vec![0.0; if in_detail { sample.values.len() } else { 0 }],
        };
        let (to_value, to_variance) = (
            |x: f64| scaled.centre + scaled.scale * x,
            scaled.scale.powi(2),
        );
        // Means first, because the spread of the models around their average is part of the
        // variance.
        let mut ahead = Vec::new();
        for (model, filtered) in &fits {
            let weight = model.weight / total;
            let [mean, state_variance, noise] = model.ahead(&scaled, filtered, weights);
            forecast.parts.push(Part {
                weight,
                mean: to_value(mean),
                parameter_variance: to_variance * state_variance,
                noise: to_variance * noise,
                freedom: filtered.freedom,
            });
            for (slot, x) in forecast.fitted.iter_mut().zip(&filtered.predicted) {
                *slot += weight * to_value(*x);
            }
            for (step, slot) in forecast.mean.iter_mut().enumerate() {
                let mut only = vec![0.0; step + 1];
                only[step] = 1.0;
                let [mean, state_variance, noise] = model.ahead(&scaled, filtered, &only);
                *slot += weight * to_value(mean);
                ahead.push((
                    step,
                    weight,
                    to_value(mean),
                    to_variance * (state_variance + noise),
                ));
            }
        }
        for (step, weight, mean, variance) in ahead {
            let deviation = mean - forecast.mean[step];
            forecast.variance[step] += weight * (variance + deviation * deviation);
        }
        let likeliest = fits
            .iter()
            .max_by(|(a, _), (b, _)| a.weight.total_cmp(&b.weight));
        if let Some((_, filtered)) = likeliest.filter(|_| in_detail) {
            forecast.controls = coefficients(&scaled, filtered);
        }
        (!forecast.parts.is_empty()).then_some(forecast)
    }
}

fn coefficients(scaled: &Scaled, filtered: &Filtered) -> Vec<Coefficient> {
    let (size, first) = (scaled.size(), SEASON_AT + scaled.phases());
    let coefficient = |(i, (_, _, scale)): (usize, &(&[f64], f64, f64))| {
        let value = filtered.state[first + i];
        let variance = filtered.variance * filtered.covariance[(first + i) * (size + 1)];
        let square = value * value / variance.max(f64::MIN_POSITIVE);
        Coefficient {
            value: value * scaled.scale / scale,
            share: square / (square + filtered.freedom),
        }
    };
    scaled
        .controls
        .iter()
        .enumerate()
        .map(coefficient)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counterfactual;

    const CONSTANT: Model = Model {
        level: 0.0,
        slope: None,
        season: 0.0,
        memory: 0.0,
        noise_share: 1.0,
        weight: 1.0,
    };

    fn noise(i: usize) -> f64 {
        f64::from((i * 7919 % 101) as u8) / 10.0
    }

    /// For models that both families have, the forecast is that of generalised least squares.
    #[test]
    fn the_filter_agrees_with_generalised_least_squares() {
        let control: Vec<f64> = (0..60).map(|i| f64::from((i * 37 % 11) as u8)).collect();
        let mut values: Vec<Option<f64>> = (0..50)
            .map(|i| Some(noise(i) + 0.7 * control[i] + 3.0 * f64::from(u8::from(i % 4 == 1))))
            .collect();
        values[20] = None;
        for (level, memory, fixed) in [
            (0.0, 0.0, 1.0),
            (0.0, 0.6, 0.0),
            (0.0, 0.85, 0.5),
            (0.2, 0.0, 1.0),
            (0.4, 0.3, 0.0),
        ] {
            let model = Model {
                level,
                memory,
                noise_share: fixed,
                ..CONSTANT
            };
            let same = counterfactual::Model {
                memory,
                innovation_variance: (1.0 - fixed) * (1.0 - memory * memory),
                walk_variance: level * level,
                noise_variance: fixed,
                slope: None,
                waves: None,
                weight: 1.0,
            };
            let mut weights = [1.0 / 9.0; 10];
            weights[3] = 0.0;
            let sample = Sample::even(&values);
            let got = Structural
                .forecast(&[model], sample, &[&control], 4, &weights, true)
                .unwrap();
            let expected =
                counterfactual::forecast(&[same], sample, &[&control], 4, &weights, true).unwrap();
            let check = |got: f64, expected: f64| {
                assert!(
                    (got - expected).abs() <= 2e-3 * expected.abs(),
                    "{model:?}: {got} {expected}"
                );
            };
            let (part, other) = (got.parts[0], expected.parts[0]);
            check(part.mean, other.mean);
            check(part.noise, other.noise);
            check(part.parameter_variance, other.parameter_variance);
            assert_eq!(part.freedom, other.freedom);
            check(got.mean[7], expected.mean[7]);
            check(got.variance[7], expected.variance[7]);
            check(got.controls[0].value, expected.controls[0].value);
            check(got.controls[0].share, expected.controls[0].share);
        }
    }

    /// Models follow a growing season, and recognise a constant season.
    #[test]
    fn changing_seasons_are_recognised() {
        let grown = |i: usize| 100.0 + [4.0, -4.0, 1.0, -1.0][i % 4] * (1.0 + i as f64 / 20.0);
        let values: Vec<Option<f64>> = (0..80).map(|i| Some(grown(i) + 0.02 * noise(i))).collect();
        let models = Structural.weigh(Sample::even(&values), &[], 4);
        let drifting: f64 = models
            .iter()
            .filter(|model| model.season > 0.0)
            .map(|model| model.weight)
            .sum();
        assert!(drifting > 0.9, "{drifting}");
        let ahead = Structural
            .forecast(&models, Sample::even(&values), &[], 4, &[0.25; 4], true)
            .unwrap();
        for (i, mean) in ahead.mean.iter().enumerate() {
            let truth = grown(80 + i) + 0.1;
            assert!((mean - truth).abs() < 3.0, "{i}: {mean} {truth}");
        }
        let values: Vec<Option<f64>> = (0..80)
            .map(|i| Some(f64::from((i % 4) as u8) + noise(i)))
            .collect();
        let models = Structural.weigh(Sample::even(&values), &[], 4);
        let drifting: f64 = models
            .iter()
            .filter(|model| model.season > 0.0)
            .map(|model| model.weight)
            .sum();
        assert!(drifting < 0.5, "{drifting}");
    }

    #[test]
    fn too_few_values_give_no_model() {
        assert!(
            Structural
                .weigh(Sample::even(&[Some(1.0), Some(2.0)]), &[], 7)
                .is_empty()
        );
    }
}
