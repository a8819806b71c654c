//! Selects the components that an improvement's component is compared with.

use super::{
    measure::pre_min,
    register::{ALL_RECORDS, Improvement},
};
use crate::series::{Group, SeriesSet};
use retrocast_stats::{
    effect::{Control, Design, SharedMovement, shared_movement},
    seasonal::{decompose, interpolate},
};

/// Maximum number of components whose shared movement is subtracted.
const CONTROLS_MAX: usize = 8;
/// Maximum number of regressors, if components do not agree on a movement.
const REGRESSORS_MAX: usize = 3;

/// A component that moved in step with another before a change.
pub(super) struct Candidate<'a> {
    label: &'a str,
    /// Its values, interpolated.
    values: Vec<f64>,
    /// Index of its own first improvement after the change, or the end of the days after it.
    end: usize,
}

/// Controls of an effect.
#[derive(Default)]
pub(super) struct ControlSet<'a> {
    pub(super) labels: Vec<String>,
    pub(super) shared: Option<SharedMovement>,
    pub(super) regressors: Vec<&'a [f64]>,
    /// End of the days after the change that controls cover.
    pub(super) end: usize,
}

impl<'a> ControlSet<'a> {
    /// Chooses among candidates: those that agree on a shared movement, else regressors. At least
    /// `after_min` periods after the change are kept.
    pub(super) fn new(
        candidates: &'a [Candidate],
        design: &Design,
        after_min: usize,
    ) -> ControlSet<'a> {
        let covered = candidates.iter().map(|candidate| candidate.end).max();
        let covered = covered.filter(|covered| covered - design.change >= after_min);
        let end = covered.unwrap_or(design.end);
        let controls: Vec<Control> = candidates
            .iter()
            .map(|candidate| Control {
                values: &candidate.values,
                end: candidate.end,
            })
            .collect();
        let label = |candidate: &Candidate| candidate.label.to_string();
        let limited = Design {
            end,
            ..design.clone()
        };
        if let Some(shared) = shared_movement(&limited, &controls) {
            return Self {
                labels: candidates.iter().map(label).collect(),
                shared: Some(shared),
                regressors: Vec::new(),
                end,
            };
        }
        let whole = candidates
            .iter()
            .filter(|candidate| candidate.end == design.end)
            .take(REGRESSORS_MAX);
        Self {
            labels: whole.clone().map(label).collect(),
            shared: None,
            regressors: whole.map(|candidate| candidate.values.as_slice()).collect(),
            end: design.end,
        }
    }
}

/// Finds other components whose season-adjusted series correlated with this one before the change,
/// significantly after correction for their number, best first. A component is left out if it was
/// changed in the days before, and is used until its next change after them.
pub(super) fn find_candidates<'a>(
    set: &'a SeriesSet,
    group: &Group,
    all: &[Improvement],
    [begin, change, end]: [usize; 3],
    season: usize,
) -> Vec<Candidate<'a>> {
    let adjusted = |group: &Group| {
        let values = interpolate(&group.values[begin..change]);
        if values.len() < pre_min(set.period) {
            return Vec::new();
        }
        let parts = decompose(&values, season);
        values
            .iter()
            .zip(&parts.season)
            .map(|(value, season)| value - season)
            .collect::<Vec<_>>()
    };
    let own = adjusted(group);
    // The period in which a component changes is mixed.
    let end_of = |other: &Group| {
        let changes = all
            .iter()
            .filter(|improvement| improvement.component == other.label)
            .map(|improvement| set.index_of(improvement.date))
            .filter(|index| (begin..end).contains(index));
        changes.min().unwrap_or(end)
    };
    let candidates: Vec<(&Group, usize)> = set
        .groups
        .iter()
        .filter(|other| other.label != group.label)
        // The total cannot be a control of its parts, nor can its parts be controls of the total.
        .filter(|other| other.label != ALL_RECORDS && group.label != ALL_RECORDS)
        .map(|other| (other, end_of(other)))
        .filter(|(_, end)| *end > change)
        .filter(|(other, end)| other.values[begin..*end].iter().all(Option::is_some))
        .collect();
    let limit = 2.6 + (candidates.len().max(1) as f64).ln() / 3.0;
    let mut scored: Vec<(f64, &Group, usize)> = candidates
        .into_iter()
        .map(|(other, end)| (correlation(&own, &adjusted(other)), other, end))
        .filter(|(r, ..)| *r >= (limit / (own.len() as f64).sqrt()).max(0.3))
        .collect();
    scored.sort_by(|(a, x, _), (b, y, _)| b.total_cmp(a).then_with(|| x.label.cmp(&y.label)));
    scored
        .into_iter()
        .take(CONTROLS_MAX)
        .map(|(_, other, end)| Candidate {
            label: &other.label,
            values: interpolate(&other.values),
            end,
        })
        .collect()
}

/// Pearson correlation; 0 if undefined.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len()) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - mean_a) * (y - mean_b);
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
    }
    if aa > 0.0 && bb > 0.0 {
        ab / (aa * bb).sqrt()
    } else {
        0.0
    }
}
