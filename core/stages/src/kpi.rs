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
    Analysis, Context, Input, Inputs, Kind, StageError, frame,
    series::{coverage::Coverage, need, period::Period},
    with_findings,
};
use jiff::{Unit, civil::Date};
use polars::prelude::*;
use retrocast_domain::{
    Cell, CellStatus, Window,
    number::{self, NBSP, plural},
    window::Comparison,
};
use retrocast_stats::test::benjamini_hochberg;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

mod estimate;
mod shown;
#[cfg(test)]
mod tests;

use estimate::{Change, Estimate, Sample};
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
fn upper_percentile() -> f64 {
    0.95
}

/// One figure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = needs_of_kinds()))]
struct Metric {
    /// What it is called in the report.
    name: String,
    /// What is made of the records.
    kind: MetricKind,
    /// Column with the value, for sum, mean, median and percentile.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// For a share: the column that decides.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    where_column: Option<String>,
    /// For a share: values of `where_column` that count.
    #[serde(default)]
    equals: Vec<String>,
    /// Only records whose `filter_column` holds one of `filter_equals` are looked at.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    filter_column: Option<String>,
    /// Values of `filter_column`.
    #[serde(default)]
    filter_equals: Vec<String>,
    /// For a percentile: which, as a share.
    #[serde(default = "upper_percentile")]
    #[schemars(range(min = 0.001, max = 0.999))]
    p: f64,
    /// Unit, such as "min"; made from the kind by default.
    #[serde(default)]
    unit: Option<String>,
    /// Whether less is better.
    #[serde(default)]
    lower_is_better: bool,
    /// Value to reach.
    #[serde(default)]
    target: Option<f64>,
}

/// What is made of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum MetricKind {
    /// Their number.
    Count,
    /// Their number per day.
    Rate,
    /// The share of them that counts.
    Share,
    /// Sum of the value.
    Sum,
    /// Mean of the value.
    Mean,
    /// Median of the value.
    Median,
    /// A percentile of the value.
    Percentile,
}

/// What each kind of metric cannot do without, as JSON Schema.
fn needs_of_kinds() -> serde_json::Value {
    let needs = |kinds: &[&str], required: &[&str]| {
        serde_json::json!({
            "if": { "properties": { "kind": { "enum": kinds } }, "required": ["kind"] },
            "then": { "required": required },
        })
    };
    serde_json::json!([
        needs(&["share"], &["where_column", "equals"]),
        needs(&["sum", "mean", "median", "percentile"], &["value"]),
        {
            "if": { "required": ["filter_column"] },
            "then": { "required": ["filter_equals"] },
        },
        {
            "if": { "required": ["filter_equals"] },
            "then": { "required": ["filter_column"] },
        },
    ])
}

impl Metric {
    fn unit(&self) -> &str {
        match (&self.unit, self.kind) {
            (Some(unit), _) => unit,
            (None, MetricKind::Count) => "records",
            (None, MetricKind::Rate) => "per day",
            (None, MetricKind::Share) => "share",
            (None, _) => "",
        }
    }

    fn text(&self, value: f64) -> String {
        if self.kind == MetricKind::Count && self.unit() != "share" {
            let count = number::count(value.round().max(0.0) as u64);
            return if value.round() == 1.0 {
                number::with_unit(1.0, self.unit())
            } else if self.unit().is_empty() {
                count
            } else {
                format!("{count}{NBSP}{}", self.unit())
            };
        }
        number::with_unit(value, self.unit())
    }

    /// "96.8 – 97.6 %": the unit once, after the second bound.
    fn interval_text(&self, [lower, upper]: [f64; 2]) -> String {
        let (lower, upper) = (self.text(lower), self.text(upper));
        let unit = upper.split_once(NBSP).map_or("", |(_, unit)| unit);
        let bare = lower
            .strip_suffix(unit)
            .map_or(lower.as_str(), |l| l.trim_end_matches(NBSP));
        format!(
            "{} – {upper}",
            if self.unit() == "min" { &lower } else { bare }
        )
    }

    /// "+0.4 points" for shares, else "+12 %"; words where there is nothing to compare with.
    fn delta_text(&self, value: Option<f64>, before: Option<f64>) -> String {
        match (value, before) {
            (Some(value), Some(before)) if self.is_share() => number::points(value - before),
            (Some(value), Some(before)) if value == before => number::change(0.0),
            (Some(_), Some(0.0)) => "from 0".to_string(),
            (Some(value), Some(before)) => number::change((value - before) / before.abs()),
            (Some(_), None) => "no earlier records".to_string(),
            (None, _) => "no records".to_string(),
        }
    }

    fn is_share(&self) -> bool {
        self.kind == MetricKind::Share
    }

    /// Whether the figure grows with the length of the window.
    fn grows_with_days(&self) -> bool {
        matches!(self.kind, MetricKind::Count | MetricKind::Sum)
    }
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

/// The windows that are looked at: the current one first, then back in time.
struct Windows {
    windows: Vec<Window>,
    /// Whether records cover each of them.
    covered: Vec<bool>,
    /// How many windows before the current one make the baseline.
    baseline: usize,
    /// Days of the current window that records cover: all, unless they end before it does.
    current_days: f64,
}

impl Windows {
    fn new(context: &Context, coverage: &Coverage) -> Self {
        let asked = context
            .compare
            .iter()
            .filter_map(|comparison| match comparison {
                Comparison::Windows(n) => Some(*n as usize),
                Comparison::Previous => None,
            });
        let baseline = asked.max().unwrap_or(4);
        let count = HISTORY.max(baseline + 1);
        let windows: Vec<Window> = (0..count as u32).map(|i| context.window.back(i)).collect();
        let first = coverage.first_day();
        let covered = windows.iter().map(|window| window.start >= first).collect();
        let start = context.window.start.at(0, 0, 0, 0);
        let covered_hours = start.until(coverage.end(Period::Day));
        let hours = covered_hours.and_then(|span| span.total((Unit::Hour, start)));
        let days = f64::from(context.window.days());
        Self {
            windows,
            covered,
            baseline,
            current_days: hours.map_or(days, |hours| (hours / 24.0).clamp(1.0 / 24.0, days)),
        }
    }

    /// Which window holds a day.
    fn position(&self, day: Date) -> Option<usize> {
        let at = self.windows.partition_point(|window| window.start > day);
        (self.windows.get(at)?.contains(day)).then_some(at)
    }

    fn days(&self, at: usize) -> f64 {
        if at == 0 {
            self.current_days
        } else {
            f64::from(self.windows[at].days())
        }
    }
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
        .map(|time| time.map(|t| t.date()))
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

/// Labels of the groups to look at, each row's, and how many groups are left out. A row outside of
/// them has none.
fn groups(
    input: &Input,
    params: &Params,
    days: &[Option<Date>],
    windows: &Windows,
) -> Result<(Vec<Option<String>>, usize), StageError> {
    if params.by.is_empty() {
        return Ok((vec![None; days.len()], 0));
    }
    let labels = frame::groups(input, &params.by)?;
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for (label, day) in labels.iter().zip(days) {
        if day.and_then(|day| windows.position(day)).is_some() {
            *sizes.entry(label).or_default() += 1;
        }
    }
    let mut order: Vec<(&str, u64)> = sizes.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let left = order.len().saturating_sub(params.groups_max);
    order.truncate(params.groups_max);
    let kept: std::collections::BTreeSet<String> = order
        .into_iter()
        .map(|(label, _)| label.to_string())
        .collect();
    Ok((
        labels
            .into_iter()
            .map(|label| kept.contains(&label).then_some(label))
            .collect(),
        left,
    ))
}

/// Records of a metric by group (all of them first) and window.
fn samples(
    input: &Input,
    params: &Params,
    metric: &Metric,
    days: &[Option<Date>],
    labels: &[Option<String>],
    windows: &Windows,
    caveats: &mut Vec<String>,
) -> Result<Vec<(Option<String>, Vec<Sample>)>, StageError> {
    let kept = frame::matches(
        input,
        metric.filter_column.as_deref(),
        &metric.filter_equals,
    )?;
    let counts = frame::matches(input, metric.where_column.as_deref(), &metric.equals)?;
    let needs_value = !matches!(
        metric.kind,
        MetricKind::Count | MetricKind::Rate | MetricKind::Share
    );
    let values = match (&metric.value, needs_value) {
        (Some(value), true) => frame::numbers(input, value, caveats)?,
        (None, true) => {
            let message = format!("metric {:?} needs a `value` column", metric.name);
            return Err(StageError::Other(message));
        }
        (_, false) => vec![Some(1.0); days.len()],
    };
    if metric.is_share() && metric.where_column.is_none() {
        let message = format!("metric {:?} needs a `where_column`", metric.name);
        return Err(StageError::Other(message));
    }
    let empty = || vec![Sample::default(); windows.windows.len()];
    let mut all = empty();
    let mut groups: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    if !params.by.is_empty() {
        for label in labels.iter().flatten() {
            groups.entry(label).or_insert_with(empty);
        }
    }
    for i in 0..days.len() {
        let Some(at) = days[i].and_then(|day| windows.position(day)) else {
            continue;
        };
        let Some(value) = values[i].filter(|value| value.is_finite() && kept[i]) else {
            continue;
        };
        let value = needs_value.then_some(value);
        all[at].add(counts[i], value);
        if let Some(group) = labels[i].as_deref().and_then(|label| groups.get_mut(label)) {
            group[at].add(counts[i], value);
        }
    }
    let groups = groups
        .into_iter()
        .map(|(label, samples)| (Some(label.to_string()), samples));
    Ok(std::iter::once((None, all)).chain(groups).collect())
}

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
