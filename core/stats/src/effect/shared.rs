//! The movement that a series shares with several controls.
//!
//! A control has noise of its own, so its regression coefficient is too small, and a shift that all
//! series share is removed only in part. The covariance of two controls contains no noise of
//! either: with one as the instrument of the other, the coefficient is not attenuated (Spearman,
//! 1904; Reiersøl, 1945; Fuller, 1987). Each control, times its coefficient, is a measure of the
//! shared movement; their mean, weighted by the inverse variances of their noise, is subtracted from
//! the series before its effect is estimated.
//!
//! Coefficients and weights come from the steps before the change only, as deviations from the
//! running level, since levels that wander independently of each other correlate by chance.

use super::Design;
use crate::{
    counterfactual::PHASES_MAX,
    describe::{mean, variance},
    seasonal::{decompose, interpolate},
};

/// A series of the same metric that the change could not affect.
#[derive(Debug, Clone, Copy)]
pub struct Control<'a> {
    /// Its values, without gaps, as long as those of the metric.
    pub values: &'a [f64],
    /// Index after the last step that is used, because of a change of its own.
    pub end: usize,
}

/// Movement that a series shares with its controls.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedMovement {
    /// Deviation from the level before the change, per step up to the end of the design.
    pub values: Vec<f64>,
    /// Variance of its mean after the change, from the estimated coefficients and weights.
    pub variance: f64,
}

impl SharedMovement {
    /// Subtracts the movement from the values of the metric.
    pub fn subtract_from(&self, values: &[Option<f64>]) -> Vec<Option<f64>> {
        let pairs = values.iter().zip(&self.values);
        pairs
            .map(|(value, movement)| value.map(|value| value - movement))
            .collect()
    }
}

/// Minimum number of controls: their agreement separates their noise from the movement.
const CONTROLS_MIN: usize = 2;
/// Number of blocks of the jackknife (Künsch, 1989).
const BLOCKS: usize = 10;
/// Number of steps in the means that must vary less without the movement.
const MEAN_STEPS: usize = 7;
/// Minimum noise of a control, as a share of the variance of the movement.
const NOISE_MIN: f64 = 0.02;

/// The movement that the metric shares with its controls.
///
/// `None` with fewer than two controls, if they do not agree with each other, if means
/// over some steps vary less with the movement than without it, or if no control covers the end of
/// the design.
pub fn shared_movement(design: &Design, controls: &[Control]) -> Option<SharedMovement> {
    let (begin, change, end) = (design.begin, design.change, design.end);
    let is_covered = controls.iter().any(|control| control.end >= end);
    if controls.len() < CONTROLS_MIN || !is_covered {
        return None;
    }
    // The phases of a long season have too few values each.
    let period = if design.period > PHASES_MAX {
        1
    } else {
        design.period
    };
    let before = interpolate(&design.values[begin..change]);
    let metric = decompose(&before, period);
    let controls: Vec<Prepared> = controls
        .iter()
        .map(|control| Prepared::new(control, [begin, change, end], period))
        .collect();
    let all: Vec<usize> = (0..before.len()).collect();
    let weighted = Coefficients::fit(&metric.remainder, &controls, &all)?;
    let values: Vec<f64> = (0..end).map(|i| weighted.movement(&controls, i)).collect();
    let level: Vec<f64> = before
        .iter()
        .zip(&metric.season)
        .map(|(value, season)| value - season)
        .collect();
    let without: Vec<f64> = level
        .iter()
        .zip(&values[begin..])
        .map(|(value, movement)| value - movement)
        .collect();
    if variance(&means(&without)) >= variance(&means(&level)) {
        return None;
    }
    let after = |coefficients: &Coefficients| {
        let steps = (change..end).filter(|i| design.values[*i].is_some());
        let movements: Vec<f64> = steps.map(|i| coefficients.movement(&controls, i)).collect();
        mean(&movements)
    };
    let length = before.len().div_ceil(BLOCKS);
    let blocks = before.len().div_ceil(length);
    let jackknife: Vec<f64> = (0..blocks)
        .map(|block| {
            let kept: Vec<usize> = (0..before.len()).filter(|i| i / length != block).collect();
            Some(after(&Coefficients::fit(
                &metric.remainder,
                &controls,
                &kept,
            )?))
        })
        .collect::<Option<_>>()?;
    Some(SharedMovement {
        values,
        variance: variance(&jackknife) * (blocks as f64 - 1.0).powi(2) / blocks as f64,
    })
}

/// Means of neighbouring steps.
fn means(values: &[f64]) -> Vec<f64> {
    values.chunks_exact(MEAN_STEPS).map(mean).collect()
}

/// A control without its season.
struct Prepared {
    /// Deviations from the running level, before the change.
    remainder: Vec<f64>,
    /// Deviations from the mean before the change, per step up to the end of the design.
    deviations: Vec<f64>,
    end: usize,
}

impl Prepared {
    fn new(control: &Control, [begin, change, end]: [usize; 3], period: usize) -> Self {
        let before = &control.values[begin..change];
        let parts = decompose(before, period);
        let cycle = &parts.season[..period.clamp(1, before.len())];
        let level = mean(before);
        let phase = |i: usize| (i + cycle.len() - begin % cycle.len()) % cycle.len();
        Self {
            deviations: (0..end)
                .map(|i| control.values[i] - cycle[phase(i)] - level)
                .collect(),
            remainder: parts.remainder,
            end: control.end,
        }
    }
}

/// Coefficient and weight of each control.
struct Coefficients(Vec<[f64; 2]>);

impl Coefficients {
    /// Fits them to some steps before the change; `None` if the series do not agree.
    fn fit(metric: &[f64], controls: &[Prepared], steps: &[usize]) -> Option<Self> {
        let centred = |values: &[f64]| -> Vec<f64> {
            let kept: Vec<f64> = steps.iter().map(|i| values[*i]).collect();
            let middle = mean(&kept);
            kept.iter().map(|value| value - middle).collect()
        };
        let product = |a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / steps.len() as f64
        };
        let own = centred(metric);
        let series: Vec<Vec<f64>> = controls.iter().map(|c| centred(&c.remainder)).collect();
        let variances: Vec<f64> = series
            .iter()
            .map(|series| product(series, series))
            .collect();
        let scaled: Vec<Vec<f64>> = series
            .iter()
            .zip(&variances)
            .map(|(series, variance)| series.iter().map(|v| v / variance.sqrt()).collect())
            .collect();
        let coefficients: Vec<f64> = series
            .iter()
            .enumerate()
            .map(|(i, control)| {
                let others = || scaled.iter().enumerate().filter(|(j, _)| *j != i);
                let metric: f64 = others().map(|(_, other)| product(&own, other)).sum();
                let control: f64 = others().map(|(_, other)| product(control, other)).sum();
                (metric > 0.0 && control > 0.0).then(|| metric / control)
            })
            .collect::<Option<_>>()?;
        // Each control gives an estimate of the variance of the movement.
        let pairs = || series.iter().zip(&coefficients);
        let estimates: Vec<f64> = pairs()
            .map(|(control, coefficient)| coefficient * product(&own, control))
            .collect();
        let movement = mean(&estimates);
        (movement > 0.0).then(|| {
            let weights = coefficients
                .iter()
                .zip(&variances)
                .map(|(coefficient, variance)| {
                    let noise = coefficient * coefficient * variance - movement;
                    1.0 / noise.max(NOISE_MIN * movement)
                });
            Self(
                coefficients
                    .iter()
                    .copied()
                    .zip(weights)
                    .map(Into::into)
                    .collect(),
            )
        })
    }

    /// The movement at a step, from the controls that cover it.
    fn movement(&self, controls: &[Prepared], step: usize) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (control, [coefficient, weight]) in controls.iter().zip(&self.0) {
            if step < control.end {
                sum += weight * coefficient * control.deviations[step];
                total += weight;
            }
        }
        sum / total
    }
}

#[cfg(test)]
mod tests;
