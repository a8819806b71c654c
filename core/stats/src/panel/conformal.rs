//! The conformal test over time by Chernozhukov, Wüthrich and Zhu (2021), and its inversion.

use super::{
    ALPHA, Method, Panel, Significance,
    estimate::{DonorWeights, Fit, Sample},
};

/// Number of evenly spaced distances from the estimate at which effects are tested, in units of
/// half the noise; and number of larger distances, each twice the previous distance.
const NEAR: usize = 24;
const FAR: usize = 16;

/// Interval of the effects that the test does not reject, and p-value of no effect.
///
/// A permutation test may reject an effect but not a more distant one. Therefore, the p-value is
/// the largest p-value of zero and the tested effects beyond zero, as seen from the estimate, so
/// that it agrees with the interval.
pub(super) fn significance(panel: &Panel, method: Method, fit: &Fit) -> Significance {
    let unit = 0.5 * panel.noise().max(fit.pre_rmse).max(f64::MIN_POSITIVE);
    let near = (0..=NEAR).map(|i| i as f64 * unit);
    let far = (1..=FAR).map(|i| NEAR as f64 * unit * 2f64.powi(i as i32));
    let distances: Vec<f64> = near.chain(far).collect();
    let (mut interval, mut p) = ([fit.estimate; 2], 1.0);
    for (bound, sign) in interval.iter_mut().zip([-1.0, 1.0]) {
        let mut distances = distances.clone();
        // Zero itself is tested, too.
        let zero = -fit.estimate * sign;
        if zero >= 0.0 {
            distances.push(zero);
            distances.sort_by(f64::total_cmp);
        }
        let p_at = |distance: f64| {
            let effect = if distance == zero {
                0.0
            } else {
                fit.estimate + sign * distance
            };
            p_value(panel, method, effect)
        };
        let p_values: Vec<f64> = distances.iter().map(|distance| p_at(*distance)).collect();
        if zero >= 0.0 {
            let beyond = distances
                .iter()
                .zip(&p_values)
                .filter(|(distance, _)| **distance >= zero);
            p = beyond.map(|(_, p)| *p).fold(0.0, f64::max);
        }
        *bound = match p_values.iter().rposition(|p| *p > ALPHA) {
            None => fit.estimate,
            Some(last) if last + 1 == distances.len() => sign * f64::INFINITY,
            Some(last) => {
                let (mut inside, mut outside) = (distances[last], distances[last + 1]);
                for _ in 0..20 {
                    let middle = f64::midpoint(inside, outside);
                    if p_at(middle) > ALPHA {
                        inside = middle;
                    } else {
                        outside = middle;
                    }
                }
                if inside == zero {
                    0.0
                } else {
                    fit.estimate + sign * inside
                }
            }
        };
    }
    Significance {
        interval,
        p,
        standard_error: None,
        freedom: f64::INFINITY,
    }
}

/// p-value of a constant effect. Weights are fitted over all periods as if the effect were true,
/// and the sum of the residuals after the change is compared with that of each cyclic shift of the
/// residuals. Shifts keep the autocorrelation of the noise.
fn p_value(panel: &Panel, method: Method, effect: f64) -> f64 {
    let all = panel.sample();
    let mut target = all.path(&panel.treated);
    target[panel.start..]
        .iter_mut()
        .for_each(|value| *value -= effect);
    let mut rows: Vec<Vec<f64>> = panel
        .donors
        .iter()
        .map(|donor| panel.rows[*donor].clone())
        .collect();
    rows.push(target);
    let n = panel.donors();
    let sample = Sample { rows: &rows, ..all };
    let donors: Vec<usize> = (0..n).collect();
    let weights = DonorWeights::new(&sample, method, sample.end, panel.treated());
    let (weights, _) = weights.fit(&donors, &[n]);
    let mut residuals = sample.effect(&donors, &[n], weights, Vec::new()).gaps();
    if method != Method::SyntheticControl {
        let mean = residuals.iter().sum::<f64>() / residuals.len() as f64;
        residuals.iter_mut().for_each(|residual| *residual -= mean);
    }
    let (periods, after) = (residuals.len(), sample.end - sample.start);
    let sum = |shift: usize| {
        let block = (0..after).map(|i| residuals[(sample.start + i + shift) % periods]);
        block.sum::<f64>().abs()
    };
    // Rounding must not break ties, in particular of the statistic with itself.
    let observed = sum(0) * (1.0 - 1e-9);
    (0..periods).filter(|shift| sum(*shift) >= observed).count() as f64 / periods as f64
}
