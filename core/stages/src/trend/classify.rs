//! Which way each group goes: test, line, class.

use super::Params;
use crate::{
    Context,
    series::{Group, SeriesSet},
};
use retrocast_stats::{
    change_point::{Search, mean_shifts},
    test::benjamini_hochberg,
    trend::{Trend, seasonally_adjusted, trend},
};

/// One group with what was found.
pub(super) struct Tested {
    pub(super) trend: Trend,
    pub(super) adjusted: Vec<Option<f64>>,
    pub(super) p_adjusted: f64,
    /// Change of the line from its first to its last position as a share of its level there.
    pub(super) relative: Option<[f64; 3]>,
    pub(super) class: &'static str,
    pub(super) is_step: bool,
}

/// Tests every group, corrects all p-values together and names what each group does.
pub(super) fn classify(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    need: usize,
    counts: bool,
) -> Vec<Option<Tested>> {
    let work = |group: &Group| -> Option<(Trend, Vec<Option<f64>>)> {
        let adjusted = seasonally_adjusted(&group.values, set.period.season());
        Some((trend(&adjusted)?, adjusted))
    };
    let tested = set.of_enough(context, |_| need, work);
    let p: Vec<f64> = tested
        .iter()
        .flatten()
        .map(|(trend, _)| trend.test.p)
        .collect();
    let mut corrected = benjamini_hochberg(&p).into_iter();
    tested
        .into_iter()
        .map(|tested| {
            let (trend, adjusted) = tested?;
            let p_adjusted = corrected.next().unwrap_or(1.0);
            let relative = relative_change(&trend, &adjusted);
            let large = relative.is_none_or(|r| r[0].abs() >= params.change_min);
            // The interval is of the slope alone; the test is corrected for all groups: both must hold.
            let [low, high] = trend.line.interval;
            let moves = low > 0.0 || high < 0.0;
            let class = if p_adjusted < params.alpha() && large && moves {
                let better = (trend.line.slope < 0.0) == params.lower_is_better;
                if better { "improving" } else { "worsening" }
            } else if is_volatile(&trend, &adjusted, counts) {
                "volatile"
            } else {
                "stable"
            };
            let is_step = step_fits_better(&trend, &adjusted);
            Some(Tested {
                trend,
                adjusted,
                p_adjusted,
                relative,
                class,
                is_step,
            })
        })
        .collect()
}

/// Change over the whole stretch as a share of the level at its start; of the median where the
/// start is near 0. `None` when neither is positive.
fn relative_change(trend: &Trend, adjusted: &[Option<f64>]) -> Option<[f64; 3]> {
    let mut there: Vec<f64> = adjusted.iter().flatten().copied().collect();
    there.sort_by(f64::total_cmp);
    let median = *there.get(there.len() / 2)?;
    let start = trend.line.at(0);
    let level = if start > 0.25 * median.abs() {
        start
    } else {
        median
    };
    let steps = adjusted.len().saturating_sub(1) as f64;
    let [low, high] = trend.line.interval;
    (level > 0.0).then(|| [trend.line.slope, low, high].map(|slope| slope * steps / level))
}

fn residuals(trend: &Trend, adjusted: &[Option<f64>]) -> Vec<f64> {
    adjusted
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((*v)? - trend.line.at(i)))
        .collect()
}

fn is_volatile(trend: &Trend, adjusted: &[Option<f64>], counts: bool) -> bool {
    let mut away: Vec<f64> = residuals(trend, adjusted).iter().map(|r| r.abs()).collect();
    away.sort_by(f64::total_cmp);
    let deviation = 1.4826 * away.get(away.len() / 2).copied().unwrap_or(0.0);
    let mean = adjusted.iter().flatten().sum::<f64>() / away.len().max(1) as f64;
    let expected = if counts {
        2.0 * mean.max(0.0).sqrt()
    } else {
        0.0
    };
    deviation > 0.3 * mean.abs() && deviation > expected
}

/// Whether one step leaves clearly less than the line does.
fn step_fits_better(trend: &Trend, adjusted: &[Option<f64>]) -> bool {
    let values: Vec<f64> = adjusted.iter().flatten().copied().collect();
    let search = Search {
        simulations: 199,
        shifts_max: 1,
        ..Search::default()
    };
    let Some(found) = mean_shifts(&values, &values, &search) else {
        return false;
    };
    if found.p > 0.01 || found.drifts {
        return false;
    }
    let left = |part: &[f64]| {
        let mean = part.iter().sum::<f64>() / part.len().max(1) as f64;
        part.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
    };
    let (before, after) = values.split_at(found.best);
    let line: f64 = residuals(trend, adjusted).iter().map(|r| r * r).sum();
    left(before) + left(after) < 0.9 * line
}
