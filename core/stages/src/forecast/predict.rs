//! Forecasts every group, and finds when it reaches the limit.

use super::Params;
use crate::{
    Context,
    change_point::default_segment,
    series::{Group, SeriesSet, period::Period},
};
use retrocast_stats::{
    forecast::{self as numerics, Options, Outlook, RecentLine, clean, recent_line},
    seasonal::interpolate,
};

/// The forecast of one group.
pub(super) struct GroupForecast<'a> {
    pub(super) series: &'a Group,
    /// Index of the first value of the training history.
    pub(super) first: usize,
    /// The season that the comparison repeats: "last week".
    pub(super) season: &'static str,
    pub(super) outlook: Outlook,
    /// The line along which the metric moved lately; `None` if the series is too short.
    pub(super) recent: Option<RecentLine>,
    /// True if the forecast follows this line, instead of the forecasters that the backtest
    /// selected.
    is_followed: bool,
    /// Time at which the limit's share is reached; `None` without a capacity.
    pub(super) breach: Option<Breach>,
}

impl GroupForecast<'_> {
    /// The line that the forecast follows, if it does.
    pub(super) fn followed(&self) -> Option<&RecentLine> {
        self.recent.as_ref().filter(|_| self.is_followed)
    }

    /// The present value of a metric at a limit, and the number of periods that it is the mean of.
    pub(super) fn present(&self, period: Period, limit: f64) -> Option<(f64, usize)> {
        present(&self.series.values, period, limit)
    }

    /// Time at which the limit's share is reached, and the line that reaches it.
    pub(super) fn reached(&self) -> Option<(Breach, &RecentLine)> {
        self.breach.zip(self.recent.as_ref())
    }
}

/// Time at which the limit's share is reached, in steps ahead from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    /// The present value has reached it.
    Now,
    /// Within the horizon: earliest, most likely and latest step (`None` if after the horizon).
    Ahead {
        earliest: usize,
        likely: usize,
        latest: Option<usize>,
    },
}

/// Minimum probability of reaching the limit within the horizon for a warning.
pub(super) const BREACH_PROBABILITY_MIN: f64 = 0.8;

/// Maximum length of the training history, in steps; older records have no influence.
pub(super) const HISTORY_MAX: usize = 560;

/// Minimum number of periods of a series with `known` values.
pub(super) fn need(context: &Context, params: &Params, period: Period, known: usize) -> usize {
    numerics::need(&options(context, params, period, known))
}

/// Options for a series with `known` values: a season of a year only if they suffice for it, and a
/// horizon of at most a third of this number.
fn options(context: &Context, params: &Params, period: Period, known: usize) -> Options {
    let with_season = |season, seasons_min| Options {
        period: season,
        horizon: params
            .horizon(period)
            .min((known / 3).max(period.per_day()))
            .max(1),
        levels: params.level.clone(),
        total: period.count_in(context.window.days() as usize),
        origins: 24,
        seasons_min,
    };
    let season = match period {
        Period::Hour if known >= 24 * 7 * 4 => 168,
        Period::Hour => 24,
        Period::Day => 7,
        Period::Week => 52,
        Period::Month => 12,
    };
    if matches!(period, Period::Hour | Period::Day) {
        return with_season(season, 3);
    }
    let yearly = with_season(season, 2);
    if numerics::need(&yearly) <= known {
        yearly
    } else {
        with_season(1, 3)
    }
}

/// The season that repeating the last `season` periods repeats.
fn season_words(period: Period, season: usize) -> &'static str {
    match (period, season) {
        (Period::Hour, 24) => "the last day",
        (Period::Month, 1) => "last month",
        (Period::Week, 52) | (Period::Month, _) => "last year",
        _ => "last week",
    }
}

/// Forecasts each group with enough data.
pub(super) fn forecast_groups<'a>(
    context: &Context,
    params: &Params,
    set: &'a SeriesSet,
) -> Vec<GroupForecast<'a>> {
    let forecast = |group: &'a Group| {
        let first = group.first_known();
        let first = first.max(group.values.len().saturating_sub(HISTORY_MAX));
        let values = interpolate(&group.values[first..]);
        let options = options(context, params, set.period, values.len());
        let mut outlook = numerics::forecast(&values, &options).ok()?;
        let segment_min = default_segment(set.period);
        // A single exceptional day must not bend the line.
        let usual = clean(&values, options.period).values;
        let recent = recent_line(&usual, options.period, segment_min);
        let is_young = |line: &&RecentLine| line.is_followed(values.len(), &options);
        let followed = recent.as_ref().filter(is_young);
        if let Some(line) = followed {
            outlook = outlook.along(line, &values, &options);
        }
        let is_followed = followed.is_some();
        let breach = params.capacity.and_then(|capacity| {
            let horizon = params.horizon(set.period);
            let limit = capacity.line();
            let band = outlook.bands.last()?;
            let next = &band.lower[..season(set.period).min(band.lower.len())];
            let is_expected = next.iter().sum::<f64>() / next.len() as f64 >= limit;
            let is_present = present(&group.values, set.period, limit).is_some();
            let line = recent.as_ref()?;
            let now = Present {
                is_present,
                is_expected,
            };
            breach(line, now, horizon, *params.level.last()?, limit)
        });
        Some(GroupForecast {
            series: group,
            first,
            season: season_words(set.period, options.period),
            outlook,
            recent,
            is_followed,
            breach,
        })
    };
    let periods = |group: &Group| need(context, params, set.period, group.known());
    let forecasts = set.map_sufficient_groups(context, periods, forecast);
    forecasts.into_iter().flatten().collect()
}

/// Number of periods of the shortest season: their mean is a level.
fn season(period: Period) -> usize {
    match period {
        Period::Hour => 24,
        Period::Day => 7,
        Period::Week | Period::Month => 1,
    }
}

/// The present value, if it is at the limit or above, and the number of periods that it is the mean
/// of: the last value, or else the mean of the last season.
fn present(values: &[Option<f64>], period: Period, limit: f64) -> Option<(f64, usize)> {
    let last = (*values.last()?)?;
    let season: Vec<f64> = values[values.len().saturating_sub(season(period))..]
        .iter()
        .flatten()
        .copied()
        .collect();
    let mean = season.iter().sum::<f64>() / season.len() as f64;
    let mut present = [(last, 1), (mean, season.len())].into_iter();
    present.find(|(value, _)| *value >= limit)
}

/// The present of a metric.
#[derive(Debug, Clone, Copy)]
struct Present {
    /// True if the last value or the mean of the last season is at the limit or above.
    is_present: bool,
    /// True if the lower end of the forecast of the next season is at the limit or above.
    is_expected: bool,
}

/// Finds the time at which the line reaches `limit`. The metric has reached it if its present
/// value has, and the line or the forecast of the next season proves that this is no chance: a
/// straight line through a seasonal series is not its present value.
fn breach(
    line: &RecentLine,
    now: Present,
    horizon: usize,
    level: f64,
    limit: f64,
) -> Option<Breach> {
    let is_proven = line.at(0) - line.half_width(0, level) >= limit || now.is_expected;
    if now.is_present && is_proven {
        return Some(Breach::Now);
    }
    if line.slope() <= 0.0 || !line.is_proven() {
        return None;
    }
    let steps = horizon.min(line.length());
    let reached = |value: &dyn Fn(usize) -> f64| (0..steps).find(|step| value(*step) >= limit);
    let upper = |step| line.at(step) + line.half_width(step, level);
    let lower = |step| line.at(step) - line.half_width(step, level);
    let probable = |step| line.at(step) - line.half_width(step, 2.0 * BREACH_PROBABILITY_MIN - 1.0);
    reached(&probable)?;
    Some(Breach::Ahead {
        earliest: reached(&upper)?,
        likely: reached(&|step| line.at(step))?,
        latest: reached(&lower),
    })
}
