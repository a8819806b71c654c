//! Records of a dataset as series of days or hours that detectors and forecasters can run on.
//!
//! All groups share one axis that ends with the window. Counts and sums are zero where there are no
//! records; other values are missing there.

use crate::{Context, Input, StageError, frame};
use jiff::{
    ToSpan,
    civil::{Date, DateTime},
};
use retrocast_domain::{Evidence, number};
use retrocast_stats::describe::median;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Length of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Civil days.
    #[default]
    Day,
    /// Civil hours.
    Hour,
}

impl Step {
    /// The noun: "day".
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }

    /// Steps a day.
    pub(crate) fn per_day(self) -> usize {
        match self {
            Self::Day => 1,
            Self::Hour => 24,
        }
    }

    fn floor(self, time: DateTime) -> DateTime {
        match self {
            Self::Day => time.date().at(0, 0, 0, 0),
            Self::Hour => time.date().at(time.hour(), 0, 0, 0),
        }
    }

    /// The step `n` steps after `time`.
    pub(crate) fn after(self, time: DateTime, n: usize) -> DateTime {
        let n = n as i64;
        let later = match self {
            Self::Day => time.checked_add(n.days()),
            Self::Hour => time.checked_add(n.hours()),
        };
        later.unwrap_or(DateTime::MAX)
    }

    /// Steps from `from` to `to`.
    fn between(self, from: DateTime, to: DateTime) -> usize {
        let hours = from
            .date()
            .until(to.date())
            .map_or(0, |span| i64::from(span.get_days()) * 24)
            + i64::from(to.hour())
            - i64::from(from.hour());
        (hours.max(0) as usize) * self.per_day() / 24
    }

    /// ISO text of a step: a date, or a date with its hour.
    pub(crate) fn iso(self, time: DateTime) -> String {
        match self {
            Self::Day => time.date().to_string(),
            Self::Hour => format!("{}T{:02}:00", time.date(), time.hour()),
        }
    }

    /// A step in words: "15 November 2026", "15 November 2026, 14:00".
    pub(crate) fn words(self, time: DateTime) -> String {
        let day = retrocast_domain::window::long(time.date());
        match self {
            Self::Day => day,
            Self::Hour => format!("{day}, {:02}:00", time.hour()),
        }
    }
}

/// What is made of the records of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gather {
    /// Their number.
    Count,
    /// The sum of the value column.
    Sum,
    /// Its mean.
    Mean,
    /// Its median.
    Median,
    /// Its maximum.
    Max,
}

impl Gather {
    /// The one asked for, or the sum of a value column, or the number of records.
    pub(crate) fn chosen(asked: Option<Self>, value: Option<&str>) -> Self {
        asked.unwrap_or(if value.is_some() {
            Self::Sum
        } else {
            Self::Count
        })
    }

    /// Whether no records mean zero.
    pub(crate) fn adds_up(self) -> bool {
        matches!(self, Self::Count | Self::Sum)
    }

    fn of(self, values: &[f64]) -> f64 {
        match self {
            Self::Count => values.len() as f64,
            Self::Sum => values.iter().sum(),
            Self::Mean => values.iter().sum::<f64>() / values.len() as f64,
            Self::Median => median(values),
            Self::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// What series to make.
pub(crate) struct Request<'a> {
    pub(crate) time: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
    pub(crate) by: &'a [String],
    pub(crate) gather: Gather,
    pub(crate) step: Step,
}

/// The series of one group.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Values of the `by` columns, or "all".
    pub(crate) label: String,
    /// "component = billing", or "all".
    pub(crate) subject: String,
    /// One value a step of the axis; `None` before the group's first record.
    pub(crate) values: Vec<Option<f64>>,
    /// Records behind it.
    pub(crate) records: u64,
}

impl Line {
    /// Steps with a value.
    pub(crate) fn known(&self) -> usize {
        self.values.iter().flatten().count()
    }
}

/// The series of a dataset on one axis.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) step: Step,
    /// Beginning of each step.
    pub(crate) times: Vec<DateTime>,
    /// Groups by label.
    pub(crate) groups: Vec<Line>,
    pub(crate) evidence: Evidence,
    pub(crate) caveats: Vec<String>,
}

impl Lines {
    /// Index of the first step that does not begin before this day.
    pub(crate) fn index_of(&self, day: Date) -> usize {
        let time = day.at(0, 0, 0, 0);
        self.times.partition_point(|other| *other < time)
    }

    /// "2026-08-03 to 2026-11-15".
    pub(crate) fn dates(&self) -> String {
        match (self.times.first(), self.times.last()) {
            (Some(first), Some(last)) => format!("{} to {}", first.date(), last.date()),
            _ => String::new(),
        }
    }
}

/// Most groups that are looked at: the largest.
const GROUPS_MAX: usize = 200;
/// Most days that are looked at: the latest.
const DAYS_MAX: usize = 1500;

/// Makes the series of all groups.
pub(crate) fn collect(
    context: &Context,
    input: &Input,
    request: &Request<'_>,
) -> Result<Lines, StageError> {
    let time = request.time.or(input.time.as_deref()).ok_or_else(|| {
        let name = &input.dataset.name;
        StageError::Other(format!(
            "dataset {name:?} names no time column; name one with `time`"
        ))
    })?;
    let times = frame::civil(input, time, &context.window.timezone)?;
    let values = match request.value {
        Some(column) if request.gather != Gather::Count => frame::numbers(input, column)?,
        _ if request.gather == Gather::Count => vec![Some(1.0); times.len()],
        _ => {
            let message = "this aggregate needs a `value` column; without one use \"count\"";
            return Err(StageError::Other(message.to_string()));
        }
    };
    let labels = frame::groups(input, request.by)?;
    let end = context.window.end.at(0, 0, 0, 0);
    let mut without = 0u64;
    let mut cells: BTreeMap<String, BTreeMap<DateTime, Vec<f64>>> = BTreeMap::new();
    for ((time, value), label) in times.into_iter().zip(values).zip(labels) {
        match (time, value.filter(|value| value.is_finite())) {
            (Some(time), Some(value)) if time < end => {
                let steps = cells.entry(label).or_default();
                steps
                    .entry(request.step.floor(time))
                    .or_default()
                    .push(value);
            }
            (Some(time), _) if time >= end => {}
            _ => without += 1,
        }
    }
    let mut lines = Lines {
        step: request.step,
        times: Vec::new(),
        groups: Vec::new(),
        evidence: Evidence {
            dataset: input.dataset.name.clone(),
            version: input.dataset.version,
            filter: None,
        },
        caveats: Vec::new(),
    };
    if without > 0 {
        let records = number::plural(without, "record");
        lines.caveats.push(format!(
            "{records} without a time or value are not counted."
        ));
    }
    let firsts = cells.values().filter_map(|steps| steps.keys().next());
    let Some(first) = firsts.min().copied() else {
        return Ok(lines);
    };
    let earliest = end.checked_sub((DAYS_MAX as i64).days()).unwrap_or(first);
    lines.times = axis(request.step, first.max(earliest), end);
    lines.groups = groups(request, cells, &lines.times);
    if lines.groups.len() > GROUPS_MAX {
        let rest = number::plural((lines.groups.len() - GROUPS_MAX) as u64, "group");
        lines
            .caveats
            .push(format!("{rest} with the fewest records are not looked at."));
        lines.groups.sort_by(|a, b| {
            b.records
                .cmp(&a.records)
                .then_with(|| a.label.cmp(&b.label))
        });
        lines.groups.truncate(GROUPS_MAX);
        lines.groups.sort_by(|a, b| a.label.cmp(&b.label));
    }
    Ok(lines)
}

fn axis(step: Step, first: DateTime, end: DateTime) -> Vec<DateTime> {
    let first = first.date().at(0, 0, 0, 0);
    (0..step.between(first, end))
        .map(|n| step.after(first, n))
        .collect()
}

fn groups(
    request: &Request<'_>,
    cells: BTreeMap<String, BTreeMap<DateTime, Vec<f64>>>,
    times: &[DateTime],
) -> Vec<Line> {
    cells
        .into_iter()
        .map(|(label, steps)| {
            let first = steps.keys().next().copied().unwrap_or(DateTime::MAX);
            // The step in which a group first appears may be a part of one.
            let zero = |time: &DateTime| request.gather.adds_up() && *time > first;
            let values = times
                .iter()
                .map(|time| {
                    let values = steps.get(time).map(|values| request.gather.of(values));
                    values.or(zero(time).then_some(0.0))
                })
                .collect();
            Line {
                subject: subject(request.by, &label),
                label,
                values,
                records: steps.values().map(|values| values.len() as u64).sum(),
            }
        })
        .collect()
}

/// "component = billing", or "all".
fn subject(by: &[String], label: &str) -> String {
    if by.is_empty() {
        "all".to_string()
    } else {
        format!("{} = {label}", by.join(" / "))
    }
}

/// What is measured, in words: the param, or the value column, or the dataset's name.
pub(crate) fn measure(asked: Option<&str>, value: Option<&str>, dataset: &str) -> String {
    asked.map_or_else(
        || value.unwrap_or(dataset).replace('_', " "),
        str::to_string,
    )
}

/// " in billing", or nothing for all.
pub(crate) fn in_group(line: &Line) -> String {
    if line.subject == "all" {
        String::new()
    } else {
        format!(" in {}", line.label)
    }
}

/// A level of coverage or a share of a limit as per cent without needless decimals: "95 %".
pub(crate) fn share(value: f64) -> String {
    format!(
        "{}{}%",
        number::sensible((value * 1000.0).round() / 10.0),
        number::NBSP
    )
}

#[cfg(test)]
pub(crate) mod test_data {
    use super::*;
    use polars::prelude::*;
    use retrocast_domain::{WindowSpec, cell::DatasetRef};

    /// A context whose window is the week that ends on 2026-11-16.
    pub(crate) fn context(stage: &str) -> Context {
        Context {
            stage: stage.to_string(),
            title: String::new(),
            window: WindowSpec::Week.last_complete(jiff::civil::date(2026, 11, 21), "UTC"),
            compare: Vec::new(),
            seed: 7,
        }
    }

    /// A daily dataset that ends with the window: one row a day and group.
    pub(crate) fn daily(series: &[(&str, Vec<f64>)]) -> Input {
        let end = jiff::civil::date(2026, 11, 16);
        let (mut days, mut groups, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (group, line) in series {
            for (i, value) in line.iter().enumerate() {
                let day = end - ((line.len() - i) as i64).days();
                days.push(
                    day.at(0, 0, 0, 0)
                        .to_zoned(jiff::tz::TimeZone::UTC)
                        .unwrap(),
                );
                groups.push((*group).to_string());
                values.push(*value);
            }
        }
        let micros: Vec<i64> = days
            .iter()
            .map(|day| day.timestamp().as_microsecond())
            .collect();
        let day = Series::new("day".into(), micros)
            .cast(&DataType::Datetime(
                TimeUnit::Microseconds,
                Some(polars::prelude::TimeZone::UTC),
            ))
            .unwrap();
        let frame = DataFrame::new_infer_height(vec![
            day.into_column(),
            Column::new("component".into(), groups),
            Column::new("failures".into(), values),
        ])
        .unwrap();
        input("daily_failures", frame)
    }

    /// A dataset of this frame.
    pub(crate) fn input(name: &str, frame: DataFrame) -> Input {
        let rows = frame.height() as u64;
        let dataset = DatasetRef {
            name: name.to_string(),
            version: 1,
            rows,
        };
        Input {
            frame,
            dataset,
            source: None,
            time: None,
        }
    }
}
