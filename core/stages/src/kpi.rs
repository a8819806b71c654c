//! Key figures of the window, with intervals, against the window before and a baseline.
//!
//! ```toml
//! [stage.figures]
//! kind  = "kpi"
//! input = "executions"
//! time  = "started_at"
//! by    = ["component"]
//!
//! [[stage.figures.metrics]]
//! name         = "Success rate"
//! kind         = "share"
//! where_column = "status"
//! equals       = ["ok"]
//! target       = 0.95
//!
//! [[stage.figures.metrics]]
//! name            = "Time to repair"
//! kind            = "median"
//! value           = "minutes"
//! filter_column   = "status"
//! filter_equals   = ["failed"]
//! unit            = "min"
//! lower_is_better = true
//! ```
//!
//! Kinds of metrics: `count` of records, `rate` of records per day, `share` of records whose
//! `where_column` holds one of `equals`, and `sum`, `mean`, `median` or `percentile` of `value`
//! (`p = 0.95` by default).
//!
//! # Method
//!
//! Intervals (95 %): Garwood (1936) for counts and rates, Wilson (1927) for shares, Student's t for
//! means, order statistics for medians and percentiles, normal for sums.
//!
//! A change against the window before is tested with the variance of both windows. Records cluster,
//! so this variance is enlarged by how much more earlier windows differed from their neighbours
//! than their records explain (mean squared successive difference, von Neumann 1941). Small counts,
//! shares, means and medians must pass the textbook test too (exact Poisson, pooled score, Welch,
//! Mann-Whitney). p-values of all metrics and groups are
//! corrected together (Benjamini and Hochberg 1995); a change is told when the corrected p-value is
//! below `alpha` and the change at least `change_min`. Windows of different lengths are compared
//! per day.

use crate::{
    Analysis, Context, Inputs, Kind, StageError, frame,
    series::{coverage::Coverage, need, period::Period},
    with_findings,
};
use jiff::civil::{Date, DateTime};
use polars::prelude::*;
use retrocast_domain::{
    Cell, CellStatus,
    number::{self, plural},
};
use retrocast_stats::test::benjamini_hochberg;
use schemars::JsonSchema;
use serde::Deserialize;

mod estimate;
mod metric;
mod samples;
mod shown;
#[cfg(test)]
mod tests;

use estimate::{Change, Estimate, Sample};
use metric::Metric;
use samples::{Windows, groups, samples};
use shown::{charts, findings, kpi, tables};

/// Params of `kpi`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column with the time of a record; the contract's by default.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Columns whose values make the groups; figures of all records are always made.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    by: Vec<String>,
    /// The figures.
    #[schemars(length(min = 1))]
    metrics: Vec<Metric>,
    /// Share of false claims among the changes told, on average.
    #[serde(default = "one_percent")]
    #[schemars(range(min = 1e-6, max = 0.5))]
    alpha: f64,
    /// Smallest relative change worth telling; for shares, of the share or of what is left of it.
    #[serde(default = "five_percent")]
    #[schemars(range(min = 0.0, max = 10.0))]
    change_min: f64,
    /// Most groups, those with the most records first.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 10_000))]
    groups_max: usize,
}

fn one_percent() -> f64 {
    0.01
}

fn five_percent() -> f64 {
    0.05
}

fn twenty() -> usize {
    20
}

/// The kind `kpi`.
pub const KPI: Kind = Kind {
    name: "kpi",
    code_version: 2,
    summary: "Key figures of the window with intervals, against the window before and a baseline.",
    manual: include_str!("kpi.rs"),
    schema: || schemars::schema_for!(Params),
    run,
};

/// Windows in the history of a figure, the current one included.
const HISTORY: usize = 12;

const METHOD: &str = "Intervals by Garwood (1936), Wilson (1927), Student's t or order statistics; \
                      changes tested with the variance of successive windows (von Neumann 1941); \
                      Benjamini-Hochberg over all figures";

/// One figure of one group in all windows.
struct Figure<'a> {
    metric: &'a Metric,
    /// Group, or "all".
    label: String,
    subject: String,
    current: Estimate,
    previous: Option<Estimate>,
    baseline: Option<Estimate>,
    /// Baseline value, for the length of the current window.
    baseline_value: Option<f64>,
    history: Vec<Option<f64>>,
    change: Option<Change>,
    p_adjusted: Option<f64>,
    significant: bool,
}

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let input = inputs
        .get(&params.input)
        .ok_or_else(|| StageError::Other(format!("there is no dataset {:?}", params.input)))?;
    let time = frame::time_column(input, params.time.as_deref())?;
    let times = frame::times(input, time, &context.window.timezone)?;
    let coverage = Coverage::of(&times, &context.window);
    let days: Vec<Option<Date>> = times
        .civil
        .iter()
        .map(|time| time.map(DateTime::date))
        .collect();
    let mut cell = Cell::new(&context.stage, KPI.name);
    cell.method = METHOD.to_string();
    let names: Vec<&str> = params
        .metrics
        .iter()
        .map(|metric| metric.name.as_str())
        .collect();
    let names = number::list(&names);
    let timeless = days.iter().filter(|day| day.is_none()).count();
    if timeless > 0 {
        let records = plural(timeless as u64, "record");
        cell.caveats
            .push(format!("{records} without a time are not counted."));
    }
    cell.records = Some(times.in_window(&context.window));
    cell.did = format!("Wanted to measure {names}.");
    let nothing = need::nothing(context, input, time, &times, coverage.as_ref());
    let coverage = match (coverage, nothing) {
        (Some(coverage), None) => coverage,
        (_, reason) => {
            cell.status = CellStatus::NotEnough {
                message: reason.unwrap_or_default(),
            };
            return Ok(Analysis { cell, frame: None });
        }
    };
    cell.caveats.extend(coverage.caveats(Period::Day));
    let windows = Windows::new(context, &coverage);
    let (labels, left) = groups(input, &params, &days, &windows)?;
    if left > 0 {
        cell.caveats.push(format!(
            "Only the {} are shown; {left} smaller ones are not.",
            plural(params.groups_max as u64, "largest group")
        ));
    }
    let mut figures = Vec::new();
    for metric in &params.metrics {
        let samples = samples(
            input,
            &params,
            metric,
            &days,
            &labels,
            &windows,
            &mut cell.caveats,
        )?;
        for (label, samples) in samples {
            figures.push(figure(&params, metric, label, &samples, &windows));
        }
    }
    judge(&params, &mut figures);
    if windows.covered.iter().filter(|covered| **covered).count() < 6 {
        cell.caveats.push(
            "There are fewer than 5 earlier windows: changes are judged as if records were \
             independent, which makes small ones look surer than they are."
                .to_string(),
        );
    }
    let findings = findings(context, &params, input, &windows, &figures);
    cell.did = format!(
        "Measured {names} from {} against the window before and the {}: {}.",
        context.window.words(),
        plural(windows.baseline as u64, "window") + " before",
        match figures.iter().filter(|figure| figure.significant).count() {
            0 => "no change beyond chance".to_string(),
            n => plural(n as u64, "change") + " beyond chance",
        }
    );
    cell.kpis = figures
        .iter()
        .filter(|figure| figure.label == ALL)
        .map(kpi)
        .collect();
    cell.tables = tables(&params, &figures);
    cell.charts = charts(context, &params, &windows, &figures);
    let frame = frame_of(&figures)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}

/// Label of the figures of all records.
const ALL: &str = "all";

fn figure<'a>(
    params: &Params,
    metric: &'a Metric,
    label: Option<String>,
    samples: &[Sample],
    windows: &Windows,
) -> Figure<'a> {
    let estimates: Vec<Option<Estimate>> = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| {
            windows.covered[at].then(|| Estimate::of(metric, sample, windows.days(at)))
        })
        .collect();
    let current = Estimate::of(metric, &samples[0], windows.days(0));
    let scaled: Vec<Option<Estimate>> = estimates
        .iter()
        .enumerate()
        .map(|(at, estimate)| {
            let scale = if metric.grows_with_days() {
                windows.days(at)
            } else {
                1.0
            };
            estimate.as_ref().map(|estimate| estimate.per(scale))
        })
        .collect();
    let used: Vec<usize> = (1..=windows.baseline)
        .filter(|&at| windows.covered[at])
        .collect();
    let baseline = (!used.is_empty()).then(|| {
        let pooled = used
            .iter()
            .fold(Sample::default(), |sum, &at| sum.with(&samples[at]));
        let days: f64 = used.iter().map(|&at| windows.days(at)).sum();
        let estimate = Estimate::of(metric, &pooled, days);
        let scale = if metric.grows_with_days() {
            days / windows.days(0)
        } else {
            1.0
        };
        estimate.per(scale)
    });
    let subject = match &label {
        Some(label) => format!("{} = {label}", params.by.join(" / ")),
        None => ALL.to_string(),
    };
    Figure {
        metric,
        label: label.unwrap_or_else(|| ALL.to_string()),
        subject,
        previous: estimates.get(1).cloned().flatten(),
        baseline_value: baseline.as_ref().and_then(|baseline| baseline.value),
        baseline,
        history: estimates
            .iter()
            .take(HISTORY)
            .rev()
            .map(|estimate| estimate.as_ref().and_then(|estimate| estimate.value))
            .collect(),
        change: estimate::change(metric, &samples[..2], &scaled),
        current,
        p_adjusted: None,
        significant: false,
    }
}

/// Corrects all p-values together and decides which changes are told.
fn judge(params: &Params, figures: &mut [Figure<'_>]) {
    let p: Vec<f64> = figures
        .iter()
        .filter_map(|figure| Some(figure.change.as_ref()?.p))
        .collect();
    let mut adjusted = benjamini_hochberg(&p).into_iter();
    for figure in figures {
        if figure.change.is_none() {
            continue;
        }
        figure.p_adjusted = adjusted.next();
        let (Some(value), Some(before)) = (
            figure.current.value,
            figure.previous.as_ref().and_then(|previous| previous.value),
        ) else {
            continue;
        };
        let mut relative = ((value - before) / before.abs().max(f64::MIN_POSITIVE)).abs();
        if figure.metric.is_share() {
            let left = (1.0 - before).max(f64::MIN_POSITIVE);
            relative = relative.max(((value - before) / left).abs());
        }
        // A corrected p-value and an interval that holds no change would contradict each other.
        let is_clear = figure.change.as_ref().is_some_and(|change| {
            let [_, low, high] = change.difference;
            low > 0.0 || high < 0.0
        });
        figure.significant = is_clear
            && figure.p_adjusted.is_some_and(|p| p < params.alpha)
            && relative >= params.change_min;
    }
}

/// The rows that stages after this one can read.
fn frame_of(figures: &[Figure<'_>]) -> Result<DataFrame, StageError> {
    let number = |f: &dyn Fn(&Figure<'_>) -> Option<f64>| figures.iter().map(f).collect::<Vec<_>>();
    Ok(df![
        "metric" => figures.iter().map(|f| f.metric.name.clone()).collect::<Vec<_>>(),
        "group" => figures.iter().map(|f| f.label.clone()).collect::<Vec<_>>(),
        "value" => number(&|f| f.current.value),
        "lower" => number(&|f| f.current.interval.map(|i| i[0])),
        "upper" => number(&|f| f.current.interval.map(|i| i[1])),
        "previous" => number(&|f| f.previous.as_ref()?.value),
        "baseline" => number(&|f| f.baseline.as_ref()?.value),
        "records" => figures.iter().map(|f| f.current.n).collect::<Vec<_>>(),
        "p_adjusted" => number(&|f| f.p_adjusted),
        "significant" => figures.iter().map(|f| f.significant).collect::<Vec<_>>(),
    ]?)
}
