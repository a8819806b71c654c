//! The season of the year, estimated from years before the periods that are reported on.

use super::period::Period;
use retrocast_stats::yearly::yearly_season;
use std::ops::Range;

/// Index of the first period of `with_parts`: an incomplete one only if it comes right before the
/// others.
pub(super) fn first_shown(kept: &Range<usize>, complete: &Range<usize>) -> usize {
    if kept.start > complete.start {
        kept.start
    } else {
        0
    }
}

/// Removes the season of the year if the complete periods show one; returns true if so.
pub(super) fn without_year(
    values: &mut [Option<f64>],
    complete: &Range<usize>,
    period: Period,
) -> bool {
    let year = period.cadence().year();
    let Some(season) = yearly_season(&values[complete.clone()], year) else {
        return false;
    };
    for (i, value) in values[complete.clone()].iter_mut().enumerate() {
        *value = value.map(|value| season.remove(i, value));
    }
    true
}
