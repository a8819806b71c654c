//! Inference: intervals, p-values and ranks of an estimate.

use super::{
    ALPHA, Inference, Method, Panel, PanelError, Significance, conformal,
    estimate::{DonorWeights, Fit},
};
use crate::distribution::{t_p, t_quantile};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// An estimate with some donors in place of the treated units, compared with the other donors.
#[derive(Debug, Clone, PartialEq)]
pub struct Placebo {
    /// The donors, as many as there are treated units.
    pub units: Vec<String>,
    /// Mean difference after the change, in the unit of the values.
    pub estimate: f64,
    /// Root mean square difference to their counterfactual before the change.
    pub pre_rmse: f64,
}

/// Rank of the single treated unit among all units, by the ratio of root mean square differences to
/// the counterfactual after and before the change (Abadie, Diamond and Hainmueller, 2010).
///
/// The ratio is computed for each unit as if it had been treated, with the treated unit as a donor.
/// This way, the p-value is exact if the change had no effect and every unit was equally likely to
/// be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rank {
    /// Number of units whose ratio is at least `ratio`, including the treated unit.
    pub rank: usize,
    /// Number of ranked units.
    pub units: usize,
    /// The ratio of the treated unit.
    pub ratio: f64,
    /// `rank / units`.
    pub p: f64,
    /// Minimum p-value, `1 / units`.
    pub floor: f64,
}

/// Maximum number of placebos; if more are possible, this number is drawn.
const PLACEBOS_MAX: usize = 200;
/// Seed of the draws from the donors, ordered by their values.
const SEED: u64 = 1;

/// Estimates with sets of donors in place of the treated units: all sets, or a draw that depends
/// only on the values. Empty if no donor would remain.
pub(super) fn placebos(panel: &Panel, method: Method) -> Vec<Placebo> {
    let sample = panel.sample();
    let weights = DonorWeights::new(&sample, method, panel.start, panel.treated());
    subsets(panel, panel.treated())
        .into_iter()
        .map(|units| {
            let others: Vec<usize> = panel
                .donors
                .iter()
                .copied()
                .filter(|d| !units.contains(d))
                .collect();
            let fit = sample.fit_with(method, &weights, &others, &units);
            Placebo {
                units: units
                    .iter()
                    .map(|unit| panel.names[*unit].clone())
                    .collect(),
                estimate: fit.estimate,
                pre_rmse: fit.pre_rmse,
            }
        })
        .collect()
}

/// Sets of `size` donors that leave at least one donor.
fn subsets(panel: &Panel, size: usize) -> Vec<Vec<usize>> {
    let n = panel.donors();
    if n <= size {
        return Vec::new();
    }
    if size == 1 && n <= PLACEBOS_MAX {
        return panel.donors.iter().map(|donor| vec![*donor]).collect();
    }
    // The draw depends on values, not on names or the order of units.
    let mut donors = panel.donors.clone();
    donors.sort_by(|a, b| {
        let pairs = panel.rows[*a].iter().zip(&panel.rows[*b]);
        pairs
            .map(|(a, b)| a.total_cmp(b))
            .find(|order| order.is_ne())
            .unwrap_or(a.cmp(b))
    });
    if size == 2 && n * (n - 1) / 2 <= PLACEBOS_MAX {
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        return pairs.map(|(i, j)| vec![donors[i], donors[j]]).collect();
    }
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    // Whole permutations are split into sets, so every donor is drawn equally often.
    let mut sets = Vec::new();
    while sets.len() < PLACEBOS_MAX {
        donors.shuffle(&mut random);
        sets.extend(donors.chunks_exact(size).map(<[usize]>::to_vec));
    }
    sets.truncate(PLACEBOS_MAX);
    sets
}

/// Interval and p-value by the given inference.
pub(super) fn significance(
    panel: &Panel,
    method: Method,
    fit: &Fit,
    placebos: &[Placebo],
    inference: Inference,
) -> Result<Significance, PanelError> {
    let too_few = |what, have, need| PanelError::Inference {
        inference,
        what,
        have,
        need,
    };
    match inference {
        Inference::Placebo => {
            if placebos.len() < 2 {
                let need = panel.treated() + 1;
                return Err(too_few(
                    "units without the change",
                    panel.donors(),
                    need.max(2),
                ));
            }
            Ok(student_t(
                fit.estimate,
                placebo_variance(panel, fit, placebos),
                panel.donors() as f64 - 1.0,
            ))
        }
        Inference::Jackknife => {
            if panel.treated() < 2 {
                return Err(too_few("units with the change", panel.treated(), 2));
            }
            let weighted = fit
                .unit_weights
                .iter()
                .filter(|weight| **weight > 0.0)
                .count();
            if weighted < 2 {
                return Err(too_few(
                    "units without the change that carry weight",
                    weighted,
                    2,
                ));
            }
            let (variance, freedom) = jackknife(panel, fit);
            Ok(student_t(fit.estimate, variance, freedom))
        }
        Inference::Conformal => Ok(conformal::significance(panel, method, fit)),
    }
}

/// Variance of the estimate from placebos, each in units of its own error before the change.
///
/// The ratio of the errors after and before the change is the statistic of Abadie, Diamond and
/// Hainmueller (2010): without it, units that the others cannot follow decide the variance for units
/// that they can. Half of the noise is added to each error, since a fit to few periods may be close
/// by chance.
fn placebo_variance(panel: &Panel, fit: &Fit, placebos: &[Placebo]) -> f64 {
    let noise = 0.5 * panel.noise() / (panel.treated() as f64).sqrt();
    let scale = |pre_rmse: f64| {
        if noise > 0.0 {
            pre_rmse.hypot(noise)
        } else {
            1.0
        }
    };
    let squares = placebos
        .iter()
        .map(|placebo| (placebo.estimate / scale(placebo.pre_rmse)).powi(2));
    scale(fit.pre_rmse).powi(2) * squares.sum::<f64>() / placebos.len() as f64
}

/// Relative error below which an estimate is only rounding.
const ROUNDING: f64 = 1e-9;

/// Interval and p-value by Student's t. If the placebos do not vary, the p-value is that of the
/// first rank among the units.
fn student_t(estimate: f64, variance: f64, freedom: f64) -> Significance {
    let error = variance.sqrt();
    let varies = error > ROUNDING * estimate.abs();
    let p = if varies {
        t_p(estimate / error, freedom)
    } else if estimate.abs() > 0.0 && error.is_finite() {
        1.0 / (freedom + 2.0)
    } else {
        1.0
    };
    let half = if varies || p < ALPHA {
        t_quantile(1.0 - ALPHA / 2.0, freedom) * error
    } else {
        f64::INFINITY
    };
    Significance {
        interval: [estimate - half, estimate + half],
        p,
        standard_error: Some(error),
        freedom,
    }
}

/// Variance of the estimate with fixed weights, and its degrees of freedom: those of the treated
/// units and of the donors with weight, combined by the method of Satterthwaite (1946).
fn jackknife(panel: &Panel, fit: &Fit) -> (f64, f64) {
    let sample = panel.sample();
    let without = |donors: &[usize], treated: &[usize], weights: Vec<f64>| {
        let total: f64 = weights.iter().sum();
        let weights = weights.into_iter().map(|weight| weight / total).collect();
        sample
            .effect(donors, treated, weights, fit.time_weights.clone())
            .estimate
    };
    let drop = |units: &[usize], i: usize| -> Vec<usize> {
        let others = units.iter().enumerate().filter(|(j, _)| *j != i);
        others.map(|(_, unit)| *unit).collect()
    };
    let treated: Vec<f64> = (0..panel.treated())
        .map(|i| {
            without(
                &panel.donors,
                &drop(&panel.treated, i),
                fit.unit_weights.clone(),
            )
        })
        .collect();
    let donors: Vec<f64> = (0..panel.donors())
        .map(|i| {
            let mut weights = fit.unit_weights.clone();
            weights.remove(i);
            without(&drop(&panel.donors, i), &panel.treated, weights)
        })
        .collect();
    let n = (treated.len() + donors.len()) as f64;
    let mean = treated.iter().chain(&donors).sum::<f64>() / n;
    let share = |estimates: &[f64]| {
        let squares = estimates.iter().map(|estimate| (estimate - mean).powi(2));
        (n - 1.0) / n * squares.sum::<f64>()
    };
    let variances = [share(&treated), share(&donors)];
    let effective = 1.0
        / fit
            .unit_weights
            .iter()
            .map(|weight| weight * weight)
            .sum::<f64>();
    let freedoms = [treated.len() as f64 - 1.0, (effective - 1.0).max(1.0)];
    let variance = variances[0] + variances[1];
    let spread: f64 = variances
        .iter()
        .zip(freedoms)
        .map(|(variance, freedom)| variance * variance / freedom)
        .sum();
    let freedom = if spread > 0.0 {
        variance * variance / spread
    } else {
        freedoms[0]
    };
    (variance, freedom)
}

/// Rank of the treated unit; `None` with several treated units, or with a single donor.
pub(super) fn rank(panel: &Panel, method: Method, fit: &Fit) -> Option<Rank> {
    let [treated] = panel.treated[..] else {
        return None;
    };
    let sample = panel.sample();
    let weights = DonorWeights::new(&sample, method, panel.start, 1);
    let ratio = |fit: &Fit| {
        if fit.post_rmse > 0.0 {
            fit.post_rmse / fit.pre_rmse
        } else {
            0.0
        }
    };
    let observed = ratio(fit);
    let placebos = subsets(panel, 1);
    if placebos.is_empty() {
        return None;
    }
    let at_least = placebos.iter().filter(|units| {
        let mut others: Vec<usize> = panel
            .donors
            .iter()
            .copied()
            .filter(|d| *d != units[0])
            .collect();
        others.push(treated);
        ratio(&sample.fit_with(method, &weights, &others, units)) >= observed
    });
    let (rank, units) = (1 + at_least.count(), 1 + placebos.len());
    Some(Rank {
        rank,
        units,
        ratio: observed,
        p: rank as f64 / units as f64,
        floor: 1.0 / units as f64,
    })
}
