//! The smallest effect that a test finds, and the number of steps after which a decision can be
//! expected.
//!
//! The standard error for more steps is that of the same estimator on a series that continues as it
//! was before the change, shifted by the effect. This way, it reflects season, memory and trend of
//! the errors, not only the number of steps.

use super::{ALPHA, Calibration, Design, EffectError, calibration, forecast_at, weigh_errors};
use crate::{counterfactual::Family, distribution::t_quantile};

/// Power of the test for the smallest detectable effect.
const POWER: f64 = 0.8;
/// Maximum time after the change that is tried, in years.
const YEARS_MAX: f64 = 0.5;

/// Power of a test, now and with more steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// Smallest difference per step that the test at 5 % finds in four of five cases.
    pub detectable: f64,
    /// Number of steps after the change with which a difference as large as the estimate would be
    /// significant, in whole seasons that are shorter than half a year; `None` if half a year is
    /// not enough.
    pub steps_needed: Option<usize>,
}

/// Corrections of the standard error of the forecast.
pub(super) struct Allowance<'a> {
    pub(super) calibration: &'a Calibration,
    /// Variance due to a shift of the controls, which more steps do not reduce.
    pub(super) shift_variance: f64,
}

/// The outlook of an effect of size `effect` that was measured with `design`.
pub(super) fn outlook<F: Family>(
    family: &F,
    design: &Design,
    models: &[F::Model],
    allowance: &Allowance,
    effect: f64,
) -> Option<Outlook> {
    let error = |steps: usize| standard_error(family, design, models, allowance, steps, effect);
    let (unit, significant) = error(design.end - design.change)?;
    let steps_max = (design.year * YEARS_MAX) as usize;
    let stride = if design.period > steps_max {
        1
    } else {
        design.period.max(1)
    };
    let is_enough =
        |steps: &usize| error(*steps).is_some_and(|(unit, limit)| effect.abs() > limit * unit);
    let first = ((design.end - design.change) / stride + 1) * stride;
    Some(Outlook {
        detectable: (significant + power_quantile(allowance.calibration)) * unit,
        steps_needed: (first..=steps_max).step_by(stride).find(is_enough),
    })
}

/// The smallest difference per step that would be found in four of five cases with `steps` steps
/// after a change at `design.change`, from the steps before it.
pub(super) fn detectable<F: Family>(
    family: &F,
    design: &Design,
    steps: usize,
) -> Result<f64, EffectError> {
    let not_enough = || EffectError::Before {
        have: design.change.saturating_sub(design.begin),
        need: design.pre_min,
    };
    if steps == 0 {
        return Err(EffectError::After);
    }
    if design.begin + design.pre_min > design.change {
        return Err(not_enough());
    }
    let models = weigh_errors(family, design, &design.noise(), false);
    let planned = Design {
        end: design.change + steps,
        ..design.clone()
    };
    let calibration = calibration(family, &planned, &design.noise(), &models);
    let allowance = Allowance {
        calibration: &calibration,
        shift_variance: 0.0,
    };
    let (unit, limit) =
        standard_error(family, design, &models, &allowance, steps, 0.0).ok_or_else(not_enough)?;
    Ok((limit + power_quantile(&calibration)) * unit)
}

fn power_quantile(calibration: &Calibration) -> f64 {
    t_quantile(POWER, calibration.freedom)
}

/// The standard error of the mean difference over `steps` steps, and the number of standard errors
/// that is significant.
fn standard_error<F: Family>(
    family: &F,
    design: &Design,
    models: &[F::Model],
    allowance: &Allowance,
    steps: usize,
    effect: f64,
) -> Option<(f64, f64)> {
    let calibration = allowance.calibration;
    let (begin, change) = (design.begin, design.change);
    let end = change + steps;
    let period = design.period.max(1);
    // The last whole seasons before the change are repeated: as many as needed, at most all.
    let seasons = steps.div_ceil(period).min((change - begin) / period);
    let block = (seasons * period).max(1);
    let source = |i: usize| {
        change
            .checked_sub(block)
            .map(|first| first + (i - change) % block)
    };
    let observed = design.end.clamp(change, end);
    let extend = |values: &[Option<f64>], effect: f64| -> Option<Vec<Option<f64>>> {
        let is_amount = values[begin..change]
            .iter()
            .flatten()
            .all(|value| *value >= 0.0);
        let shifted = |value: f64| match value + effect {
            value if is_amount => value.max(0.0),
            value => value,
        };
        let mut longer = values[..observed].to_vec();
        for i in observed..end {
            longer.push(values[source(i)?].map(shifted));
        }
        Some(longer)
    };
    let values = extend(design.values, effect)?;
    let controls: Vec<Vec<f64>> = design
        .controls
        .iter()
        .map(|control| {
            let known: Vec<Option<f64>> = control.iter().copied().map(Some).collect();
            Some(extend(&known, 0.0)?.into_iter().flatten().collect())
        })
        .collect::<Option<_>>()?;
    let slices: Vec<&[f64]> = controls.iter().map(Vec::as_slice).collect();
    let exposure: Vec<Option<f64>> = design.exposure.iter().copied().map(Some).collect();
    let exposure: Vec<f64> = if exposure.is_empty() {
        Vec::new()
    } else {
        extend(&exposure, 0.0)?.into_iter().flatten().collect()
    };
    let longer = Design {
        values: &values,
        exposure: &exposure,
        controls: &slices,
        end,
        ..design.clone()
    };
    let result = forecast_at(
        family,
        &longer,
        &longer.noise(),
        models,
        [begin, change, end],
        false,
    )?;
    let (_, variance) = result.moments();
    let limit =
        result.average(|part| t_quantile(1.0 - ALPHA / 2.0, part.freedom.min(calibration.freedom)));
    let unit = (variance + allowance.shift_variance).sqrt() * calibration.factor;
    Some((unit, limit))
}
