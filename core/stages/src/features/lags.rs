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

    fn describe(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "minimum",
            Self::Max => "maximum",
            Self::Sd => "standard deviation",
        }
    }
}

/// The definition of a feature of earlier values.
#[derive(Debug, Clone)]
enum FeatureSpec {
    Lag(usize),
    Difference(usize),
    Rolling {
        window: usize,
        values_min: usize,
        figure: Figure,
        name: String,
        words: String,
    },
    Expanding(FigureName),
    Weighted(f64),
    SamePeriod(SamePeriod),
}

/// Formats a number for the name of a column: `90`, or `0_5` for 0.5.
fn format_suffix(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0')
        .trim_end_matches('.')
        .replace('.', "_")
}

fn feature_specs(params: &Params) -> Vec<FeatureSpec> {
    let mut specs: Vec<FeatureSpec> = Vec::new();
    let lags = params.lags.iter().map(|n| FeatureSpec::Lag(*n as usize));
    specs.extend(lags);
    let differences = params.differences.iter();
    specs.extend(differences.map(|n| FeatureSpec::Difference(*n as usize)));
    for rolling in &params.rolling {
        let window = rolling.window as usize;
        let values_min = rolling
            .periods_min
            .map_or(window, |minimum| minimum as usize);
        let named = rolling.figures.iter().map(|figure| {
            let words = figure.describe().to_string();
            (figure.figure(), figure.name().to_string(), words)
        });
        let quantiles = rolling.quantiles.iter().map(|q| {
            let name = format!("q{}", format_suffix(q * 100.0));
            (Figure::Quantile(*q), name, format!("{q}-quantile"))
        });
        specs.extend(
            named
                .chain(quantiles)
                .map(|(figure, name, words)| FeatureSpec::Rolling {
                    window,
                    values_min,
                    figure,
                    name,
                    words,
                }),
        );
    }
    specs.extend(params.expanding.iter().map(|f| FeatureSpec::Expanding(*f)));
    specs.extend(params.half_lives.iter().map(|h| FeatureSpec::Weighted(*h)));
    specs.extend(
        params
            .same_period
            .iter()
            .map(|p| FeatureSpec::SamePeriod(*p)),
    );
    specs
}

/// Computes all features of earlier values.
pub(super) fn features(context: &Context, params: &Params, rows: &Rows) -> Vec<Feature> {
    let specs = feature_specs(params);
    let pairs: Vec<(&(String, Vec<Option<f64>>), &FeatureSpec)> = rows
        .values
        .iter()
        .flat_map(|base| specs.iter().map(move |spec| (base, spec)))
        .collect();
    pairs
        .into_par_iter()
        .map(|((base, values), spec)| {
            context.stop.check();
            let features = spec.compute(params, rows, values);
            let name = format!("{base}_{}", spec.name());
            Feature::new(
                numbers(&name, features),
                spec.definition(params, base),
                params.unit(),
            )
        })
        .collect()
}

impl FeatureSpec {
    /// The suffix of the column's name.
    fn name(&self) -> String {
        match self {
            Self::Lag(steps) => format!("lag_{steps}"),
            Self::Difference(steps) => format!("diff_{steps}"),
            Self::Rolling { window, name, .. } => format!("rolling_{name}_{window}"),
            Self::Expanding(figure) => format!("expanding_{}", figure.name()),
            Self::Weighted(half_life) => format!("ewm_{}", format_suffix(*half_life)),
            Self::SamePeriod(SamePeriod::Week) => "last_week".to_string(),
            Self::SamePeriod(SamePeriod::Year) => "last_year".to_string(),
            Self::SamePeriod(SamePeriod::YearByWeekday) => "last_year_by_weekday".to_string(),
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
        let span = if params.include_present {
            format!("up to and including the {noun} itself")
        } else {
            format!("before the {noun}")
        };
        match self {
            Self::Lag(steps) => format!("{base} {} before", count(*steps)),
            Self::Difference(steps) => {
                format!(
                    "newest {base} {span}, minus the one {} before it",
                    count(*steps)
                )
            }
            Self::Rolling {
                window,
                values_min,
                words,
                ..
            } => {
                let minimum = if values_min == window {
                    String::new()
                } else {
                    format!(", at least {values_min} known")
                };
                format!("{words} of {base} over {} {span}{minimum}", count(*window))
            }
            Self::Expanding(figure) => {
                format!("{} of {base} over all {noun}s {span}", figure.describe())
            }
            Self::Weighted(half_life) => {
                format!("mean of {base} over all {noun}s {span}, weights halving every {half_life}")
            }
            Self::SamePeriod(SamePeriod::Week) => format!("{base} at the same time 7 days before"),
            Self::SamePeriod(SamePeriod::Year) if params.every == Every::Week => {
                format!("{base} 52 weeks before")
            }
            Self::SamePeriod(SamePeriod::Year) => format!("{base} at the same date a year before"),
            Self::SamePeriod(SamePeriod::YearByWeekday) => {
                format!("{base} at the same time 364 days before")
            }
        }
    }

    /// Computes the feature for all rows.
    fn compute(&self, params: &Params, rows: &Rows, values: &[Option<f64>]) -> Vec<Option<f64>> {
        let present = params.include_present;
        let mut features = Vec::with_capacity(values.len());
        for range in &rows.ranges {
            let series = &values[range.clone()];
            features.extend(match self {
                Self::Lag(steps) => window::lag(series, *steps),
                Self::Difference(steps) => window::difference(series, *steps, present),
                Self::Rolling {
                    window,
                    values_min,
                    figure,
                    ..
                } => window::rolling(series, *window, *values_min, *figure, present),
                Self::Expanding(figure) => window::expanding(series, 1, figure.figure(), present),
                Self::Weighted(half_life) => window::weighted_mean(series, *half_life, present),
                Self::SamePeriod(period) => range
                    .clone()
                    .map(|row| {
                        let key = key_before(rows, params.every, *period, row)?;
                        let keys = &rows.keys[range.clone()];
                        let index = keys.partition_point(|other| *other < key);
                        series[index].filter(|_| keys[index] == key)
                    })
                    .collect(),
            });
        }
        features
    }
}

/// Returns the key of the same time a week or a year before a row.
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

/// Returns the same date a year earlier; 28 February for 29 February.
fn year_before(day: Date) -> Option<Date> {
    day.checked_sub(1.year()).ok()
}
