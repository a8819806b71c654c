//! Searches every group for shifts, and corrects p-values over all groups.

use super::Params;
use crate::{
    Context,
    series::{Group, SeriesSet, words},
};
use retrocast_domain::{Cell, number};
use retrocast_stats::{
    change_point::{Search, Shift, Shifts, mean_shifts},
    shape::{Shape, shape, shape_of_steps},
    test::benjamini_hochberg,
    trend::seasonally_adjusted,
};

/// Number of simulated series for a p-value, in two rounds; enough to pass the correction over
/// groups.
const SIMULATIONS: (usize, usize) = (999, 9999);

/// The result of one group.
pub(super) struct ShiftSearch {
    pub(super) found: Shifts,
    /// Index in the series of each value that is not missing.
    pub(super) indices: Vec<usize>,
    /// Shifts that remain after the correction over groups, with their corrected p-values.
    pub(super) shifts: Vec<(Shift, f64)>,
    /// The better description of the series: steps or a line.
    pub(super) shape: Option<Shape>,
}

/// Adds a caveat that names the groups that a line describes better than steps.
pub(super) fn note_drifts(cell: &mut Cell, set: &SeriesSet, results: &[Option<ShiftSearch>]) {
    let labels = |wanted: fn(&Option<ShiftSearch>) -> bool| -> Vec<&str> {
        let pairs = set.groups.iter().zip(results);
        pairs
            .filter(|(_, r)| wanted(r))
            .map(|(group, _)| group.label.as_str())
            .collect()
    };
    let drifting = labels(|r| {
        r.as_ref()
            .is_some_and(|r| r.shifts.is_empty() && r.found.drifts && r.shape == Some(Shape::Line))
    });
    if !drifting.is_empty() {
        let (shown, more) = drifting.split_at(drifting.len().min(5));
        let names = number::list(shown);
        let rest = if more.is_empty() {
            String::new()
        } else {
            format!(" and {} more", more.len())
        };
        cell.caveats.push(format!(
            "Moving gradually rather than in steps, so no date is claimed: {names}{rest}."
        ));
    }
}

/// Searches every group and corrects all p-values together.
pub(super) fn search_all(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    need: usize,
    segment_min: usize,
) -> Vec<Option<ShiftSearch>> {
    let needed = 2.0 * set.groups.len() as f64 / params.alpha().max(1e-4);
    let simulations = (needed as usize).clamp(SIMULATIONS.0, SIMULATIONS.1);
    let search = |group: &Group| -> Option<(Shifts, Vec<usize>, Vec<f64>)> {
        let adjusted = seasonally_adjusted(&group.values, set.period.season());
        let is_present = |i: &usize| group.values[*i].is_some();
        let indices: Vec<usize> = (0..group.values.len()).filter(is_present).collect();
        let present = |values: &[Option<f64>]| -> Vec<f64> {
            indices.iter().filter_map(|i| values[*i]).collect()
        };
        let search = Search {
            segment_min,
            shifts_max: params.shifts_max,
            alpha: params.alpha(),
            simulations,
            seed: words::group_seed(context.seed, &group.label),
        };
        let adjusted = present(&adjusted);
        let found = mean_shifts(&present(&group.values), &adjusted, &search)?;
        Some((found, indices, adjusted))
    };
    let found = set.of_enough(context, |_| need, search);
    // A group with shifts contributes each of them, one without contributes its best candidate.
    let p: Vec<f64> = found
        .iter()
        .flatten()
        .flat_map(|(found, ..)| {
            let shifts: Vec<f64> = found.shifts.iter().map(|shift| shift.p).collect();
            if shifts.is_empty() {
                vec![found.p]
            } else {
                shifts
            }
        })
        .collect();
    let mut corrected = benjamini_hochberg(&p).into_iter();
    found
        .into_iter()
        .map(|found| {
            let (found, indices, adjusted) = found?;
            let count = found.shifts.len().max(1);
            let corrected: Vec<f64> = corrected.by_ref().take(count).collect();
            let pairs = found.shifts.iter().cloned().zip(corrected);
            let shifts: Vec<(Shift, f64)> = pairs
                .filter(|(shift, p)| *p <= params.alpha() && is_clear(shift))
                .collect();
            let positions: Vec<usize> = shifts.iter().map(|(shift, _)| shift.position).collect();
            let shape = if positions.len() > 1 {
                shape_of_steps(&adjusted, &positions, segment_min)
            } else {
                shape(&adjusted, segment_min)
            };
            Some(ShiftSearch {
                found,
                indices,
                shifts,
                shape,
            })
        })
        .collect()
}

/// Returns true if the intervals of a shift exclude zero.
fn is_clear(shift: &Shift) -> bool {
    let [_, low, high] = shift.difference;
    let differs = low > 0.0 || high < 0.0;
    differs
        && shift
            .ratio
            .is_none_or(|[_, low, high]| low > 1.0 || high < 1.0)
}
