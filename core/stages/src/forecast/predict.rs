//! Forecasts every group, and finds when it reaches the limit.

use super::{Capacity, Params};
use crate::{
    Context,
    series::{
        Group, SeriesSet,
        period::{Period, Step},
    },
};
use retrocast_stats::{
    forecast::{self as numerics, CLEAR, Options, Outlook, Stretch, clean, current_stretch},
    seasonal::interpolate,
};

/// The forecast of one group.
pub(super) struct GroupForecast<'a> {
    pub(super) line: &'a Group,
    /// Index of the first value of the training history.
    pub(super) first: usize,
    /// The season that the comparison repeats: "last week".
    pub(super) season: &'static str,
    pub(super) outlook: Outlook,
    /// Time at which the limit's share is reached, and the extrapolated line; `None` without a
    /// capacity.
    pub(super) breach: Option<(Breach, Stretch)>,
}

/// Time at which the limit's share is reached, in steps ahead from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    /// The last value has reached it.
    Now,
    /// Within the horizon: earliest, most likely and latest step (`None` if after the horizon).
    Ahead {
        earliest: usize,
        likely: usize,
        latest: Option<usize>,
    },
}

/// Minimum probability of reaching the limit within the horizon for a warning.
pub(super) const SURE: f64 = 0.8;

/// Maximum length of the training history, in steps; older records have no influence.
pub(super) const HISTORY_MAX: usize = 560;

/// Minimum number of steps of a series with `known` values.
pub(super) fn need(context: &Context, params: &Params, known: usize) -> usize {
    numerics::need(&options(context, params, known))
}

/// Options for a series with `known` values; the horizon is at most a third of this number.
fn options(context: &Context, params: &Params, known: usize) -> Options {
    let per_day = Period::from(params.period).per_day();
    let period = match params.period {
        Step::Day => 7,
        Step::Hour if known >= 24 * 7 * 4 => 168,
        Step::Hour => 24,
    };
    let requested = params.horizon as usize * per_day;
    Options {
        period,
        horizon: requested.min((known / 3).max(per_day)).max(1),
        levels: params.level.clone(),
        total: context.window.days() as usize * per_day,
        origins: 24,
    }
}

pub(super) fn foretell<'a>(
    context: &Context,
    params: &Params,
    lines: &'a SeriesSet,
) -> Vec<GroupForecast<'a>> {
    let work = |line: &'a Group| {
        let first = line.begin();
        let first = first.max(line.values.len().saturating_sub(HISTORY_MAX));
        let values = interpolate(&line.values[first..]);
        let options = options(context, params, values.len());
        let outlook = numerics::forecast(&values, &options).ok()?;
        let breach = params.capacity.and_then(|capacity| {
            // A single exceptional day must not bend the line.
            let usual = clean(&values, options.period).values;
            let stretch = current_stretch(&usual, options.period)?;
            let horizon = params.horizon as usize * lines.period.per_day();
            let level = *params.level.last()?;
            Some((breach(&stretch, horizon, level, &capacity)?, stretch))
        });
        let is_week = options.period == 7 * lines.period.per_day();
        Some(GroupForecast {
            line,
            first,
            season: if is_week { "last week" } else { "the last day" },
            outlook,
            breach,
        })
    };
    let needs = |line: &Group| need(context, params, line.known());
    let forecasts = lines.of_enough(context, needs, work);
    forecasts.into_iter().flatten().collect()
}

/// Finds the time at which the line reaches the limit's share.
pub(super) fn breach(
    stretch: &Stretch,
    horizon: usize,
    level: f64,
    capacity: &Capacity,
) -> Option<Breach> {
    let limit = capacity.limit * capacity.share;
    if stretch.line(0) - stretch.half_width(0, level) >= limit {
        return Some(Breach::Now);
    }
    let steps = horizon.min(stretch.length);
    let reached = |value: &dyn Fn(usize) -> f64| (0..steps).find(|step| value(*step) >= limit);
    let upper = |step| stretch.line(step) + stretch.half_width(step, level);
    let lower = |step| stretch.line(step) - stretch.half_width(step, level);
    let sure = |step| stretch.line(step) - stretch.half_width(step, 2.0 * SURE - 1.0);
    if stretch.slope <= 0.0 || stretch.p >= CLEAR {
        return None;
    }
    reached(&sure)?;
    Some(Breach::Ahead {
        earliest: reached(&upper)?,
        likely: reached(&|step| stretch.line(step))?,
        latest: reached(&lower),
    })
}
