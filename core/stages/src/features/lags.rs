//! Features of earlier values: lags, differences, rolling, expanding and weighted statistics, and
//! the same time a week or a year earlier.

use super::{
    Feature, Params, numbers,
    params::{Every, FigureName, SamePeriod},
    rows::{Rows, day_number},
};
use crate::Context;
use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime},
};
use rayon::prelude::*;
use retrocast_stats::window::{self, Figure};

impl FigureName {
    fn figure(self) -> Figure {
        match self {
            Self::Sum => Figure::Sum,
            Self::Mean => Figure::Mean,
            Self::Min => Figure::Min,
            Self::Max => Figure::Max,
            Self::Sd => Figure::Sd,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sd => "sd",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "least",
            Self::Max => "greatest",
            Self::Sd => "standard deviation",
        }
    }
}

/// A way to compute a feature of a series.
#[derive(Debug, Clone)]
enum Recipe {
    Lag(usize),
    Difference(usize),
    Rolling {
        window: usize,
        least: usize,
        figure: Figure,
        name: String,
        words: String,
    },
    Expanding(FigureName),
    Weighted(f64),
    Same(SamePeriod),
}

/// A number in a column's name: 90, or `0_5` for 0.5.
fn part_of_name(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0')
        .trim_end_matches('.')
        .replace('.', "_")
}

fn recipes(params: &Params) -> Vec<Recipe> {
    let mut recipes: Vec<Recipe> = Vec::new();
    let lags = params.lags.iter().map(|n| Recipe::Lag(*n as usize));
    recipes.extend(lags);
    let differences = params.differences.iter();
    recipes.extend(differences.map(|n| Recipe::Difference(*n as usize)));
    for rolling in &params.rolling {
        let window = rolling.window as usize;
        let least = rolling.periods_min.map_or(window, |least| least as usize);
        let named = rolling.figures.iter().map(|figure| {
            let words = figure.words().to_string();
            (figure.figure(), figure.name().to_string(), words)
        });
        let quantiles = rolling.quantiles.iter().map(|q| {
            let name = format!("q{}", part_of_name(q * 100.0));
            (Figure::Quantile(*q), name, format!("{q}-quantile"))
        });
        recipes.extend(
            named
                .chain(quantiles)
                .map(|(figure, name, words)| Recipe::Rolling {
                    window,
                    least,
                    figure,
                    name,
                    words,
                }),
        );
    }
    recipes.extend(params.expanding.iter().map(|f| Recipe::Expanding(*f)));
    recipes.extend(params.half_lives.iter().map(|h| Recipe::Weighted(*h)));
    recipes.extend(params.same_period.iter().map(|p| Recipe::Same(*p)));
    recipes
}

/// All features of earlier values.
pub(super) fn features(context: &Context, params: &Params, rows: &Rows) -> Vec<Feature> {
    let recipes = recipes(params);
    let all: Vec<(&(String, Vec<Option<f64>>), &Recipe)> = rows
        .values
        .iter()
        .flat_map(|base| recipes.iter().map(move |recipe| (base, recipe)))
        .collect();
    all.into_par_iter()
        .map(|((base, values), recipe)| {
            context.stop.check();
            let features = recipe.make(params, rows, values);
            let name = format!("{base}_{}", recipe.name());
            Feature::new(
                numbers(&name, features),
                recipe.definition(params, base),
                params.unit(),
            )
        })
        .collect()
}

impl Recipe {
    /// The suffix of the column's name.
    fn name(&self) -> String {
        match self {
            Self::Lag(steps) => format!("lag_{steps}"),
            Self::Difference(steps) => format!("diff_{steps}"),
            Self::Rolling { window, name, .. } => format!("rolling_{name}_{window}"),
            Self::Expanding(figure) => format!("expanding_{}", figure.name()),
            Self::Weighted(half_life) => format!("ewm_{}", part_of_name(*half_life)),
            Self::Same(SamePeriod::Week) => "last_week".to_string(),
            Self::Same(SamePeriod::Year) => "last_year".to_string(),
            Self::Same(SamePeriod::YearByWeekday) => "last_year_by_weekday".to_string(),
        }
    }

    fn definition(&self, params: &Params, base: &str) -> String {
        let noun = params.every.column().unwrap_or("row");
        let count = |n: usize| {
            if n == 1 {
                format!("1 {noun}")
            } else {
                format!("{n} {noun}s")
            }
        };
        let known = if params.include_present {
            format!("up to and with the {noun} itself")
        } else {
            format!("before the {noun}")
        };
        match self {
            Self::Lag(steps) => format!("{base} {} before", count(*steps)),
            Self::Difference(steps) => {
                format!(
                    "newest {base} {known}, minus the one {} before it",
                    count(*steps)
                )
            }
            Self::Rolling {
                window,
                least,
                words,
                ..
            } => {
                let fewest = if least == window {
                    String::new()
                } else {
                    format!(", of {least} known at least")
                };
                format!("{words} of {base} over {} {known}{fewest}", count(*window))
            }
            Self::Expanding(figure) => {
                format!("{} of {base} over all {noun}s {known}", figure.words())
            }
            Self::Weighted(half_life) => format!(
                "mean of {base} over all {noun}s {known}, weights halving every {half_life}"
            ),
            Self::Same(SamePeriod::Week) => format!("{base} at the same time 7 days before"),
            Self::Same(SamePeriod::Year) if params.every == Every::Week => {
                format!("{base} 52 weeks before")
            }
            Self::Same(SamePeriod::Year) => format!("{base} at the same date a year before"),
            Self::Same(SamePeriod::YearByWeekday) => {
                format!("{base} at the same time 364 days before")
            }
        }
    }

    /// The feature's values for all rows.
    fn make(&self, params: &Params, rows: &Rows, values: &[Option<f64>]) -> Vec<Option<f64>> {
        let present = params.include_present;
        let mut features = Vec::with_capacity(values.len());
        for range in &rows.ranges {
            let series = &values[range.clone()];
            features.extend(match self {
                Self::Lag(steps) => window::lag(series, *steps),
                Self::Difference(steps) => window::difference(series, *steps, present),
                Self::Rolling {
                    window,
                    least,
                    figure,
                    ..
                } => window::rolling(series, *window, *least, *figure, present),
                Self::Expanding(figure) => window::expanding(series, 1, figure.figure(), present),
                Self::Weighted(half_life) => window::weighted_mean(series, *half_life, present),
                Self::Same(period) => range
                    .clone()
                    .map(|row| {
                        let key = key_before(rows, params.every, *period, row)?;
                        let keys = &rows.keys[range.clone()];
                        let at = keys.partition_point(|other| *other < key);
                        series[at].filter(|_| keys[at] == key)
                    })
                    .collect(),
            });
        }
        features
    }
}

/// Key of the same time a week or a year before a row.
fn key_before(rows: &Rows, every: Every, period: SamePeriod, row: usize) -> Option<i64> {
    let civil = rows.civil[row];
    let days = |days: i64| civil.checked_sub(days.days()).ok();
    let before: DateTime = match period {
        SamePeriod::Week => days(7)?,
        SamePeriod::Year if every != Every::Week => {
            year_before(civil.date())?.to_datetime(civil.time())
        }
        SamePeriod::Year | SamePeriod::YearByWeekday => days(364)?,
    };
    if rows.has_days {
        return Some(day_number(before.date()));
    }
    let moment = rows.zone.to_timestamp(before).ok()?;
    // A local time that clocks skipped does not exist.
    let exists = rows.zone.to_datetime(moment) == before;
    exists.then(|| Timestamp::as_microsecond(moment))
}

/// The same date a year earlier; 28 February for 29 February.
fn year_before(day: Date) -> Option<Date> {
    day.checked_sub(1.year()).ok()
}
