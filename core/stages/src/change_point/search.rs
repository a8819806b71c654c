//! Searches every group for shifts, and corrects p-values over all groups.

use super::Params;
use crate::{
    Context,
    series::{Group, SeriesSet, words},
};
use retrocast_domain::Cell;
use retrocast_stats::{
    change_point::{Shift, Shifts, mean_shifts},
    search::Search,
    shape::{Form, Shape, shape, shape_of_steps},
    test::benjamini_hochberg,
    trend::seasonally_adjusted,
};

/// The result of one group.
pub(super) struct ShiftSearch {
    /// The shifts before the correction over groups.
    pub(super) uncorrected: Shifts,
    /// Index in the series of each value that is not missing.
    pub(super) indices: Vec<usize>,
    /// Shifts that remain after the correction over groups, with their corrected p-values.
    pub(super) shifts: Vec<(Shift, f64)>,
    /// Corrected p-value of the most significant shift, claimed or not.
    pub(super) p_adjusted: f64,
    /// The better description of the series: steps or a gradual change.
    pub(super) shape: Option<Shape>,
}

impl ShiftSearch {
    /// The gradual change that describes the series better than steps, if it has changed.
    pub(super) fn gradual(&self, alpha: f64) -> Option<Form> {
        match self.shape? {
            Shape::Gradual(form) => (self.p_adjusted <= alpha).then_some(form),
            Shape::Step(_) | Shape::Open { .. } => None,
        }
    }
}

/// Adds a caveat that names the groups that move gradually rather than in steps.
pub(super) fn note_gradual(
    cell: &mut Cell,
    set: &SeriesSet,
    params: &Params,
    results: &[Option<ShiftSearch>],
) {
    let pairs = set.groups.iter().zip(results);
    let names: Vec<String> = pairs
        .filter_map(|(group, result)| {
            let result = result.as_ref()?;
            let name = if params.by.is_empty() {
                &set.measure
            } else {
                &group.label
            };
            Some(match result.gradual(params.alpha())? {
                Form::Line => name.clone(),
                Form::Bend(position) => {
                    let since = set.period.words(set.starts[result.indices[position]]);
                    format!("{name} (since about {since})")
                }
            })
        })
        .collect();
    if names.is_empty() {
        return;
    }
    cell.caveats.push(format!(
        "Moving gradually rather than in steps, so no date of a step is claimed: {}. See the trends.",
        words::short_list(&names)
    ));
}

/// Searches every group and corrects all p-values together.
pub(super) fn search_all(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    need: usize,
    segment_min: usize,
) -> Vec<Option<ShiftSearch>> {
    let settings = Search {
        segment_min,
        shifts_max: params.shifts_max,
        alpha: params.alpha(),
        ..Search::default()
    };
    let search = |group: &Group| -> Option<(Shifts, Vec<usize>, Vec<f64>)> {
        let adjusted = seasonally_adjusted(&group.values, set.period.season());
        let is_present = |i: &usize| group.values[*i].is_some();
        let indices: Vec<usize> = (0..group.values.len()).filter(is_present).collect();
        let present = |values: &[Option<f64>]| -> Vec<f64> {
            indices.iter().filter_map(|i| values[*i]).collect()
        };
        let adjusted = present(&adjusted);
        let shifts = mean_shifts(&present(&group.values), &adjusted, &settings)?;
        Some((shifts, indices, adjusted))
    };
    let searched = set.map_sufficient_groups(context, |_| need, search);
    // A group with shifts contributes each of them, one without contributes its best candidate.
    let p: Vec<f64> = searched
        .iter()
        .flatten()
        .flat_map(|(uncorrected, ..)| {
            let shifts = uncorrected.shifts.iter();
            let p: Vec<f64> = shifts.map(|shift| shift.p).collect();
            if p.is_empty() { vec![uncorrected.p] } else { p }
        })
        .collect();
    let mut corrected = benjamini_hochberg(&p).into_iter();
    searched
        .into_iter()
        .map(|group| {
            let (uncorrected, indices, adjusted) = group?;
            let count = uncorrected.shifts.len().max(1);
            let corrected: Vec<f64> = corrected.by_ref().take(count).collect();
            let p_adjusted = corrected.iter().copied().fold(1.0, f64::min);
            let pairs = uncorrected.shifts.iter().cloned().zip(corrected);
            let mut shifts: Vec<(Shift, f64)> = pairs
                .filter(|(shift, p)| *p <= params.alpha() && is_clear(shift))
                .collect();
            let positions: Vec<usize> = shifts.iter().map(|(shift, _)| shift.position).collect();
            let shape = if positions.len() > 1 {
                shape_of_steps(&adjusted, &positions, segment_min)
            } else {
                shape(&adjusted, segment_min)
            };
            // A gradual change has no date of a step.
            if matches!(shape, Some(Shape::Gradual(_))) {
                shifts.clear();
            }
            Some(ShiftSearch {
                uncorrected,
                indices,
                shifts,
                p_adjusted,
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
