//! Sensitivity checks: estimates that should be near the main estimate, or near zero.

use super::{
    Method, Panel,
    estimate::{DonorWeights, Fit, Sample},
};

/// The estimate without one donor.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaveOneOut {
    /// The donor.
    pub unit: String,
    /// The estimate from the other donors.
    pub estimate: f64,
}

/// The estimate for an earlier, fictitious change, from only the periods before the real change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackdatedStart {
    /// Index of the first period after the fictitious change.
    pub start: usize,
    /// The estimate, which should be near zero.
    pub estimate: f64,
}

/// Maximum number of donors that are left out in turn, the largest weights first.
const DONORS_MAX: usize = 30;
/// Maximum number of earlier starts.
const STARTS_MAX: usize = 5;

/// The estimates without each of the donors that have weight, largest weight first.
pub(super) fn leave_one_out(panel: &Panel, method: Method, fit: &Fit) -> Vec<LeaveOneOut> {
    if panel.donors() < 2 {
        return Vec::new();
    }
    let sample = panel.sample();
    let weights = DonorWeights::new(&sample, method, panel.start, panel.treated());
    let mut donors: Vec<(usize, f64)> = panel
        .donors
        .iter()
        .copied()
        .zip(fit.unit_weights.iter().copied())
        .collect();
    donors.retain(|(_, weight)| *weight > 0.0);
    donors.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    donors.truncate(DONORS_MAX);
    let without = |donor: usize| {
        let others: Vec<usize> = panel
            .donors
            .iter()
            .copied()
            .filter(|d| *d != donor)
            .collect();
        LeaveOneOut {
            unit: panel.names[donor].clone(),
            estimate: sample
                .fit_with(method, &weights, &others, &panel.treated)
                .estimate,
        }
    };
    donors
        .into_iter()
        .map(|(donor, _)| without(donor))
        .collect()
}

/// The estimates at up to five earlier starts, evenly spread over the later half of the periods
/// before the change, each followed by as many periods as the change, or as many as remain before
/// it.
pub(super) fn backdated(panel: &Panel, method: Method) -> Vec<BackdatedStart> {
    let first = (panel.start / 2).max(method.periods_before_min());
    if first >= panel.start {
        return Vec::new();
    }
    let after = panel.periods() - panel.start;
    let last = panel.start - after.min((panel.start - first).div_ceil(2));
    let count = STARTS_MAX.min(last.saturating_sub(first) + 1);
    let mut starts: Vec<usize> = (0..count)
        .map(|i| first + (last.saturating_sub(first)) * i / (count - 1).max(1))
        .collect();
    starts.dedup();
    let estimate_at = |start: usize| {
        let sample = Sample {
            start,
            end: (start + after).min(panel.start),
            ..panel.sample()
        };
        let fit = sample.fit(method, &panel.donors, &panel.treated);
        BackdatedStart {
            start,
            estimate: fit.estimate,
        }
    };
    starts.into_iter().map(estimate_at).collect()
}
