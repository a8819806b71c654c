//! The effect of a change: observed minus expected.
//!
//! The expectation is a forecast ([`crate::counterfactual`]) from the values before the change,
//! with controls that the change could not affect. Without controls, for errors with a short
//! memory, the effect is a step instead: the coefficient of generalised least squares over both
//! sides, in which days that their neighbours predict have less weight. `p` and the interval come
//! from the same weighted mixture of Student's t distributions, one per model of the errors, so
//! that they never disagree.
//!
//! An interval of a model is only as good as the model. Therefore, the same estimator is also run
//! at earlier dates without a change (placebo in time): the spread of these estimates, in units of
//! their own standard errors, corrects that of the real estimate ([`Calibration`]).
//!
//! For counts and other amounts that are never negative, the noise scales with their level: a
//! reduced level after a change has less noise than before. A sum of counts is compared with the
//! negative binomial distribution of its mean and variance, since rare events are skewed. Both
//! intervals, of the difference and of the ratio, contain the values that a test does not reject.
//!
//! If the series was constant before the change, or repeated its season exactly, there is no noise
//! to compare with, and the test is combinatorial ([`constant_p`]).

mod constant;
mod exposure;
mod outlook;

pub use constant::constant_p;
pub use outlook::Outlook;

use crate::{
    count::CountDistribution,
    counterfactual::{
        Family, Forecast, Part, Regression, Sample, forecast, season_size, weigh, weighted_mean,
    },
    distribution::{normal_quantile, t_p, t_quantile},
};
use constant::Pattern;

/// A series around a change.
#[derive(Debug, Clone)]
pub struct Design<'a> {
    /// The metric, one value per step, over all history; `None` for missing values.
    pub values: &'a [Option<f64>],
    /// Number of records behind each value, if values are means or shares of records: steps count
    /// by it, and the noise of their records is inverse to it. Empty if all steps count the same.
    pub exposure: &'a [f64],
    /// Controls, each as long as `values` and without gaps.
    pub controls: &'a [&'a [f64]],
    /// Index of the first step after the change.
    pub change: usize,
    /// Index after the last step of the period after the change.
    pub end: usize,
    /// Index of the first step before the change that is used.
    pub begin: usize,
    /// Index of the first step that placebos may use; at most `begin`.
    pub history: usize,
    /// Length of the season; 1 for none.
    pub period: usize,
    /// Minimum number of known steps before a change, real or placebo.
    pub pre_min: usize,
    /// Steps of other changes; placebo periods do not include them.
    pub others: &'a [usize],
    /// Number of steps in a year.
    pub year: f64,
}

/// A measured effect.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Estimate {
    /// Mean before the change.
    pub before: f64,
    /// Mean after the change.
    pub after: f64,
    /// Expected mean after the change.
    pub counterfactual: f64,
    /// `after - counterfactual` with its 95 % interval.
    pub absolute: [f64; 3],
    /// Sum over the steps after the change, with its 95 % interval.
    pub cumulative: [f64; 3],
    /// Effect relative to the expectation, with its 95 % interval; NaN if the expectation is not
    /// positive.
    pub relative: [f64; 3],
    /// p-value of no effect.
    pub p: f64,
    /// Test of the p-value.
    pub test: Test,
    /// Number of steps of history that placebos need.
    pub placebo_steps: usize,
    /// Correction of the standard error by placebos.
    pub calibration: Calibration,
    /// Power of this test; `None` after a constant history, which has no noise.
    pub outlook: Option<Outlook>,
    /// Number of known steps before the change.
    pub steps_before: usize,
    /// Number of known steps after the change.
    pub steps_after: usize,
    /// Number of known steps of all history before the change.
    pub steps_of_history: usize,
    /// Expected value per step: one step ahead before the change, the counterfactual after it.
    pub expected: Vec<Option<f64>>,
    /// 95 % interval of an observation for each step after the change.
    pub band: Vec<[f64; 2]>,
}

/// The test behind a p-value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Test {
    /// The models of the errors, corrected by the spread of estimates at earlier dates.
    Placebo,
    /// Only the models of the errors: there are too few earlier dates.
    #[default]
    Model,
    /// A series that was constant, or repeated its season exactly, before the change.
    Constant,
}

/// Kind of values, which determines their noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    /// Integers that are not negative: their sum has a skewed distribution.
    Counts,
    /// Not negative: noise scales with the level.
    Amounts,
    /// Any values.
    Any,
}

impl ValueKind {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let is_count = |value: f64| value >= 0.0 && value.fract() == 0.0;
        if values.clone().all(is_count) {
            Self::Counts
        } else if values.clone().all(|value| value >= 0.0) {
            Self::Amounts
        } else {
            Self::Any
        }
    }

    /// Factor of the noise variance if the level changes by `ratio`.
    fn variance_factor(self, ratio: f64) -> f64 {
        match self {
            Self::Any => 1.0,
            _ if ratio.is_finite() => ratio.max(1e-9),
            _ => 1.0,
        }
    }

    /// Normal score of the mean of `n` steps, given its expectation and variance.
    fn score(self, observed: f64, mean: f64, variance: f64, n: f64) -> f64 {
        let (sum, expected, square) = (observed * n, mean * n, variance * n * n);
        if self != Self::Counts || expected <= 0.0 || square <= 0.0 {
            return (observed - mean) / variance.sqrt();
        }
        let distribution = CountDistribution {
            mean: expected,
            dispersion: (square - expected).max(0.0) / (expected * expected),
        };
        // For underdispersed counts, the Poisson distribution is narrowed.
        distribution.score(sum.round()) * (expected / square).sqrt().max(1.0)
    }
}

/// The spread of estimates at dates without a change, as standard normal values.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The estimates as standard normal values, by their p-values, oldest first.
    pub placebos: Vec<f64>,
    /// Approximate number of independent periods among them.
    pub independent: f64,
    /// Factor of standard errors: the spread of the placebos, shrunk towards 1 if they are few. At
    /// least 1, because placebos and models use the same values.
    pub factor: f64,
    /// Degrees of freedom of that factor.
    pub freedom: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            placebos: Vec::new(),
            independent: 0.0,
            factor: 1.0,
            freedom: f64::INFINITY,
        }
    }
}

/// Minimum number of non-overlapping placebo periods for a correction.
const INDEPENDENT_MIN: usize = 4;
/// Weight of the models' own standard error, as a number of placebo periods.
const MODEL_PERIODS: f64 = 15.0;
/// Minimum p-value of a placebo; smaller p-values are raised to it.
const PLACEBO_P_MIN: f64 = 1e-15;

/// Level of intervals and verdicts.
const ALPHA: f64 = 0.05;

/// The reason why there is no estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EffectError {
    /// Too few known steps before the change.
    #[error("not enough days before the change: {have}, {need} needed")]
    Before {
        /// Number of known steps.
        have: usize,
        /// Minimum number of steps.
        need: usize,
    },
    /// No known step after the change.
    #[error("not enough: no day after the change has a value")]
    After,
}

/// Measures the effect of a change.
pub fn estimate(design: &Design) -> Result<Estimate, EffectError> {
    estimate_by(&Regression { year: design.year }, design)
}

/// The smallest difference per step that a test at 5 % would find in four of five cases with
/// `steps` steps after the change, from the steps before it.
pub fn detectable(design: &Design, steps: usize) -> Result<f64, EffectError> {
    outlook::detectable(&Regression { year: design.year }, design, steps)
}

/// Measures the effect of a change with the expectation from a family of models.
pub(crate) fn estimate_by<F: Family>(family: &F, design: &Design) -> Result<Estimate, EffectError> {
    let n = design.values.len();
    if design.begin >= design.change {
        return Err(EffectError::Before {
            have: 0,
            need: design.pre_min,
        });
    }
    if design.change >= design.end || design.end > n {
        return Err(EffectError::After);
    }
    let before = &design.values[design.begin..design.change];
    let after = &design.values[design.change..design.end];
    let steps_before = before.iter().flatten().count();
    let need = design
        .pre_min
        .max(season_size(design.period) + design.controls.len() + 5);
    if steps_before < need {
        return Err(EffectError::Before {
            have: steps_before,
            need,
        });
    }
    let weights = design.weights(design.begin, design.change, design.end);
    let steps_after = weights.iter().filter(|weight| **weight > 0.0).count();
    if steps_after == 0 {
        return Err(EffectError::After);
    }
    let known = design.values[design.history.min(design.begin)..design.change].iter();
    let placebo_steps = design.pre_min + INDEPENDENT_MIN * (design.end - design.change);
    let mut estimate = Estimate {
        before: weighted_mean(
            before,
            &design.weights(design.begin, design.begin, design.change),
        ),
        after: weighted_mean(after, &weights),
        steps_before,
        steps_after,
        steps_of_history: known.flatten().count(),
        placebo_steps,
        ..Estimate::default()
    };
    if let Some(pattern) = Pattern::of(before, design.period) {
        estimate.fill_constant(design, &pattern);
        return Ok(estimate);
    }
    let noise = design.noise();
    let models = weigh_errors(family, design, &noise, is_step::<F>(design));
    let (begin, change, end) = (design.begin, design.change, design.end);
    let Some(mut result) = forecast_at(family, design, &noise, &models, [begin, change, end], true)
    else {
        return Err(EffectError::Before {
            have: steps_before,
            need: steps_before + 1,
        });
    };
    let shift_variance = control_shift_variance(design, training_start(design), &result);
    for part in &mut result.parts {
        part.parameter_variance += shift_variance;
    }
    estimate.calibration = calibration(family, design, &noise, &models);
    if estimate.calibration.independent >= INDEPENDENT_MIN as f64 {
        estimate.test = Test::Placebo;
    }
    let kind = ValueKind::of(before.iter().chain(after).flatten().copied());
    estimate.fill(&result, kind);
    let (calibration, difference) = (&estimate.calibration, estimate.absolute[0]);
    let allowance = outlook::Allowance {
        calibration,
        shift_variance,
    };
    estimate.outlook = outlook::outlook(family, design, &models, &allowance, difference);
    let quantile = result.average(|part| {
        t_quantile(
            1.0 - ALPHA / 2.0,
            part.freedom.min(estimate.calibration.freedom),
        )
    });
    estimate.band = result
        .mean
        .iter()
        .zip(&result.variance)
        .map(|(mean, variance)| {
            let half = quantile * variance.sqrt() * estimate.calibration.factor;
            [mean - half, mean + half]
        })
        .collect();
    estimate.expected = result
        .fitted
        .into_iter()
        .chain(result.mean)
        .map(Some)
        .collect();
    Ok(estimate)
}

impl Estimate {
    /// Sets effect, interval and p-value from the forecast.
    fn fill(&mut self, result: &Forecast, kind: ValueKind) {
        let (expected, variance) = result.moments();
        let (observed, n) = (self.after, self.steps_after as f64);
        let (widen, freedom_max) = (self.calibration.factor.powi(2), self.calibration.freedom);
        // p-value of the mean after the change, from the expectation of a model and its variances.
        let p = |expect: &dyn Fn(&Part) -> [f64; 3]| {
            result.average(|part| {
                let [mean, parameters, noise] = expect(part);
                let variance = widen * (parameters + noise);
                let freedom = part.freedom.min(freedom_max);
                t_p(kind.score(observed, mean, variance, n), freedom)
            })
        };
        let added = |effect: f64| {
            p(&|part| {
                let grown = kind.variance_factor((part.mean + effect) / part.mean);
                [
                    part.mean + effect,
                    part.parameter_variance,
                    grown * part.noise,
                ]
            })
        };
        let scaled = |ratio: f64| {
            p(&|part| {
                let noise = kind.variance_factor(ratio) * part.noise;
                [
                    ratio * part.mean,
                    ratio * ratio * part.parameter_variance,
                    noise,
                ]
            })
        };
        self.p = added(0.0);
        let difference = observed - expected;
        let unit = variance.sqrt();
        let inside = |effect: f64| added(effect) > ALPHA;
        let lower_bound = match kind {
            ValueKind::Any => f64::NEG_INFINITY,
            ValueKind::Counts | ValueKind::Amounts => -expected.max(0.0),
        };
        let low = difference - crossing(|by| inside(difference - by), unit);
        let high = difference + crossing(|by| inside(difference + by), unit);
        self.set_difference(expected, [low.max(lower_bound), high], n);
        if expected > 0.0 {
            let ratio = observed / expected;
            let inside = |ratio: f64| scaled(ratio) > ALPHA;
            let below = crossing(|by| ratio > by && inside(ratio - by), unit / expected);
            let above = crossing(|by| inside(ratio + by), unit / expected);
            self.relative =
                [ratio, (ratio - below).max(0.0), ratio + above].map(|ratio| ratio - 1.0);
        }
    }

    /// Sets the counterfactual, the effect with its interval, and the sum over `n` steps.
    fn set_difference(&mut self, expected: f64, [low, high]: [f64; 2], n: f64) {
        self.counterfactual = expected;
        self.absolute = [self.after - expected, low, high];
        self.cumulative = self.absolute.map(|value| value * n);
        self.relative = [f64::NAN; 3];
    }

    /// Sets effect, interval and p-value for steps that followed a pattern without exception before
    /// the change.
    fn fill_constant(&mut self, design: &Design, pattern: &Pattern) {
        let after = &design.values[design.change..design.end];
        let first = design.change - design.begin;
        let expected: Vec<f64> = (0..after.len()).map(|i| pattern.at(first + i)).collect();
        let pairs = after.iter().zip(&expected);
        let differences: Vec<f64> = pairs
            .filter_map(|(value, expected)| Some((*value)? - expected))
            .map(|difference| pattern.rounded(difference))
            .collect();
        let largest = differences
            .iter()
            .fold(0.0, |most: f64, d| most.max(d.abs()));
        let weights = design.weights(design.begin, design.change, design.end);
        let expected_mean: f64 = expected.iter().zip(&weights).map(|(e, w)| e * w).sum();
        let mean = pattern.rounded(self.after - expected_mean);
        let (level, half) = (self.after - mean, pattern.share_max() * largest);
        let n = self.steps_after as f64;
        self.set_difference(level, [mean - half, mean + half], n);
        if level > half {
            self.relative = [level, level + half, level - half].map(|at| self.after / at - 1.0);
        } else if level > 0.0 {
            self.relative = self.absolute.map(|value| value / level);
        }
        self.p = constant_p(pattern.steps, &differences);
        self.test = Test::Constant;
        self.band = expected.iter().map(|level| [*level; 2]).collect();
        self.expected = (0..first).map(|i| Some(pattern.at(i))).collect();
        self.expected.extend(expected.into_iter().map(Some));
    }
}

/// Returns true if the effect is estimated as a step. With controls it is not: their coefficients
/// would depend on the growth or decay of the effect after the change.
fn is_step<F: Family>(design: &Design) -> bool {
    F::HAS_STEP && design.controls.is_empty()
}

/// The first step from which the errors are learned: the start of the history or, if it contains
/// earlier changes, which would look like autocorrelation, the start of the period before the
/// change.
fn training_start(design: &Design) -> usize {
    let history = design.history.min(design.begin);
    let is_between = |other: &usize| (design.history..design.begin).contains(other);
    if design.others.iter().any(is_between) {
        design.begin
    } else {
        history
    }
}

/// The models of the errors with their weights, learned before the change, or on both sides of a
/// step.
fn weigh_errors<F: Family>(
    family: &F,
    design: &Design,
    noise: &[f64],
    with_step: bool,
) -> Vec<F::Model> {
    let start = training_start(design);
    let sample = |end: usize| Sample {
        values: &design.values[start..end],
        noise: noise.get(start..).unwrap_or_default(),
    };
    if with_step {
        let step: Vec<f64> = (start..design.end)
            .map(|i| f64::from(u8::from(i >= design.change)))
            .collect();
        return family.weigh(sample(design.end), &[&step], design.period);
    }
    let controls = slice_controls(design.controls, start, design.change);
    family.weigh(sample(design.change), &controls, design.period)
}

/// The forecast of `change..end` from `begin..change`.
fn forecast_at<F: Family>(
    family: &F,
    design: &Design,
    noise: &[f64],
    models: &[F::Model],
    [begin, change, end]: [usize; 3],
    in_detail: bool,
) -> Option<Forecast> {
    let weights = design.weights(begin, change, end);
    if weights.iter().all(|weight| *weight == 0.0) {
        return None;
    }
    let noise = noise.get(begin..).unwrap_or_default();
    let controls = slice_controls(design.controls, begin, end);
    let sample = Sample {
        values: &design.values[begin..change],
        noise,
    };
    let mut result = family.forecast(
        models,
        sample,
        &controls,
        design.period,
        &weights,
        in_detail,
    )?;
    // A model that could not be fitted has no part.
    if is_step::<F>(design) && result.parts.len() == models.len() {
        let mut values = design.values[begin..end].to_vec();
        for (value, weight) in values[change - begin..].iter_mut().zip(&weights) {
            *value = value.filter(|_| *weight > 0.0);
        }
        let sample = Sample {
            values: &values,
            noise,
        };
        family.refine(models, sample, design.period, &weights, &mut result.parts);
    }
    Some(result)
}

/// Variance of the expectation due to controls that moved beyond their earlier range.
///
/// A control has noise of its own, so its coefficient is too small: the true coefficient is between
/// the estimate and the estimate over the squared correlation (Frisch, 1934). The variance of a
/// uniform distribution over this range is used. While the control stays in its range, this is part
/// of the noise; for a shift of the control, it is additional.
fn control_shift_variance(design: &Design, start: usize, result: &Forecast) -> f64 {
    let (begin, change, end) = (design.begin, design.change, design.end);
    let weights = vec![1.0 / (end - change) as f64; end - change];
    let beyond = |control: &[f64]| -> Option<f64> {
        let values: Vec<Option<f64>> = control.iter().copied().map(Some).collect();
        let models = weigh(Sample::even(&values[start..change]), &[], design.period);
        let control_forecast = forecast(
            &models,
            Sample::even(&values[begin..change]),
            &[],
            design.period,
            &weights,
            false,
        )?;
        let (mean, variance) = control_forecast.moments();
        let after = &control[change..end];
        let shift = after.iter().sum::<f64>() / after.len() as f64 - mean;
        Some((shift * shift - 4.0 * variance).max(0.0))
    };
    design
        .controls
        .iter()
        .zip(&result.controls)
        .filter_map(|(control, coefficient)| {
            let bias = coefficient.value * (1.0 / coefficient.share.max(0.05) - 1.0);
            Some(bias * bias * beyond(control)? / 12.0)
        })
        .sum()
}

fn slice_controls<'a>(controls: &[&'a [f64]], begin: usize, end: usize) -> Vec<&'a [f64]> {
    controls
        .iter()
        .map(|control| &control[begin..end])
        .collect()
}

/// Runs the estimator at earlier dates whose period after the date ends before the change.
fn calibration<F: Family>(
    family: &F,
    design: &Design,
    noise: &[f64],
    models: &[F::Model],
) -> Calibration {
    let length = design.end - design.change;
    let longest = design.change - design.begin;
    let mut placebos = Vec::new();
    let first = design.history + design.pre_min;
    // Neighbouring dates are nearly identical; eight per period suffice.
    let stride = (length / 8).max(1);
    for change in (first..(design.change + 1).saturating_sub(length))
        .rev()
        .step_by(stride)
    {
        let begin = change.saturating_sub(longest).max(design.history);
        let end = change + length;
        // Another change in the period, or shortly before it, would be measured as an effect.
        let is_disturbed = design
            .others
            .iter()
            .any(|other| (begin..end).contains(other));
        let known = design.values[begin..change].iter().flatten().count();
        let after = &design.values[change..end];
        let known_after = after.iter().flatten().count();
        if is_disturbed || known < design.pre_min || known_after * 2 < length {
            continue;
        }
        let steps = [begin, change, end];
        let Some(result) = forecast_at(family, design, noise, models, steps, false) else {
            continue;
        };
        let (expected, variance) = result.moments();
        if variance > 0.0 {
            let mean = weighted_mean(after, &design.weights(begin, change, end));
            let p = result.average(|part| {
                let error = (part.parameter_variance + part.noise).sqrt();
                t_p((mean - part.mean) / error, part.freedom)
            });
            let size = normal_quantile(1.0 - p.max(PLACEBO_P_MIN) / 2.0);
            placebos.push(size.copysign(mean - expected));
        }
    }
    placebos.reverse();
    let n = placebos.len();
    let independent = match n {
        0 => 0.0,
        n => 1.0 + ((n - 1) * stride) as f64 / length as f64,
    };
    if independent < INDEPENDENT_MIN as f64 {
        return Calibration {
            placebos,
            independent,
            ..Calibration::default()
        };
    }
    let square = placebos.iter().map(|value| value * value).sum::<f64>() / n as f64;
    let freedom = MODEL_PERIODS + independent;
    let factor = ((MODEL_PERIODS + independent * square) / freedom)
        .sqrt()
        .max(1.0);
    Calibration {
        placebos,
        independent,
        factor,
        freedom,
    }
}

/// The distance from zero at which `holds` becomes false, searched in doubling steps from `unit`
/// on.
fn crossing(holds: impl Fn(f64) -> bool, unit: f64) -> f64 {
    let (mut inside, mut outside) = (0.0, unit);
    while holds(outside) && outside < unit * 1e6 {
        (inside, outside) = (outside, outside * 2.0);
    }
    for _ in 0..50 {
        let middle = f64::midpoint(inside, outside);
        if holds(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    outside
}

#[cfg(test)]
mod tests;
