//! Key figures of the window, with intervals, compared with the window before and a baseline.
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
//! `where_column` is one of `equals` (strings, numbers or booleans), and `sum`, `mean`, `median` or
//! `percentile` of `value` (`p = 0.95` by default).
//!
//! `noun` is the plural noun for the records, such as "builds"; it replaces "records" in units,
//! tables and sentences.
//!
//! # Method
//!
//! Intervals (95 %): Garwood (1936) for counts and rates, Wilson (1927) for shares, or
//! Clopper and Pearson (1934) below ten successes or failures, Student's t for means, order statistics for medians and percentiles, normal for sums; all widened for the
//! clustering of records.
//!
//! A change from the window before is tested on the ratio of both values (for shares, on their
//! difference). Records cluster: a bad day has many failures. Therefore, the variance of
//! independent records is multiplied by two factors: how much more earlier windows differed from
//! their neighbours than independent records would (mean squared successive difference, von Neumann
//! 1941), and how much days vary around the level of their window and weekday (quasi-likelihood,
//! `McCullagh` and Nelder 1989). With fewer than five earlier windows only the days are used,
//! unless the windows clearly contradict them. Without either, nothing is tested. Small counts,
//! shares, means and medians must also pass the textbook test (exact conditional, pooled score,
//! Welch, Mann-Whitney). p-values of all metrics and groups are corrected together (Benjamini and
//! Hochberg 1995). A change is proven when the corrected p-value is below `alpha` and its interval
//! excludes zero change; it is a finding when it is also at least `change_min`. In simulations with
//! clustered days, weeks correlated by 0.3, shares in batches and skewed sums, 3 to 7 % of the
//! changes tested at 5 % were false claims.
//!
//! Windows of different lengths are compared per day; if the records are weekly or monthly, found
//! from their dates, per week or month, so that a monthly total is compared as recorded. When the records end within the window, every
//! figure compares the covered part with the same part of the other windows, and the first page of
//! the report says so. Days on which records are missing (no record of the source at all, although
//! zero is next to impossible by its usual numbers) are left out: counts and sums are compared per
//! day of the remaining days, each weighted by its usual number of records. A window that lacks
//! more than half of its usual records is not compared. If the contract declares
//! `silence = "zero"`, a window without records counts as zero.
//!
//! A target is missed when the whole interval lies beyond it; if only the value does, the table
//! says "missed, but not clearly".
//!
//! # Caveats
//!
//! Variation shared by all days of a window is invisible within the window: with fewer than five
//! earlier windows, changes look more certain than they are when whole weeks vary.

use crate::{
    Analysis, Context, Inputs, Reads, StageError, StageKind, frame,
    series::{coverage::Coverage, missing::MissingDays, need, period::Period},
    times::Resolution,
    with_findings,
};
use polars::prelude::*;
use retrocast_domain::{
    Cell, CellStatus, Chapter,
    number::{self, plural},
    restatement::WindowValue,
};
use retrocast_stats::test::benjamini_hochberg;
use schemars::JsonSchema;
use serde::Deserialize;

mod estimate;
mod metric;
#[cfg(test)]
mod missing_tests;
#[cfg(test)]
mod monthly_tests;
mod present;
mod result;
mod samples;
#[cfg(test)]
mod tests;
mod texts;
pub(crate) mod words;

use estimate::{Change, Measurement};
use metric::Metric;
use present::{charts, findings, kpi, tables};
use samples::{RecordReader, Sample, Windows};

/// Params of `kpi`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column of the time. Default: from the contract.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Columns to group by; figures of all records are always computed.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    by: Vec<String>,
    /// Key figures.
    #[schemars(length(min = 1))]
    metrics: Vec<Metric>,
    /// Plural noun for the records, such as "builds". Default: "records".
    #[serde(default)]
    #[schemars(length(min = 1))]
    noun: Option<String>,
    /// False discovery rate: the expected share of false claims among the changes reported. A job
    /// without it uses the part of its `false_claims`.
    #[serde(default = "one_percent")]
    #[schemars(range(min = 1e-6, max = 0.5))]
    #[schemars(extend("x-claims" = true))]
    alpha: f64,
    /// Minimum relative change of a finding; for shares, relative to the share or its complement.
    #[serde(default = "five_percent")]
    #[schemars(range(min = 0.0, max = 10.0))]
    change_min: f64,
    /// Maximum number of groups, the largest first.
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
pub const KPI: StageKind = StageKind {
    name: "kpi",
    chapter: Some(Chapter::Figures),
    code_version: 12,
    summary: "Key figures of the window with intervals, against the window before and a baseline.",
    manual: include_str!("kpi.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Batches,
    earlier_values: true,
    ledger: &[],
    run,
};

/// Number of windows in the history of a figure, including the current one.
const HISTORY: usize = 12;
/// Maximum number of metrics that are named in a generated title.
const TITLE_METRICS_MAX: usize = 3;

const METHOD: &str = "Intervals by Garwood (1936), Wilson (1927), Clopper and Pearson (1934), Student's t or order statistics; \
                      changes tested with the variance of successive windows and of days within \
                      them (von Neumann 1941; McCullagh and Nelder 1989); Benjamini-Hochberg over \
                      all figures";

impl Params {
    /// Noun for the records.
    fn noun(&self) -> &str {
        self.noun.as_deref().unwrap_or("records")
    }

    /// Formats a count with the noun: "1 record", "12 builds".
    fn format_count(&self, n: u64) -> String {
        number::with_unit(n as f64, self.noun())
    }
}

/// The scale on which windows are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// Figures of whole windows.
    Total,
    /// Figures per period of the records, because the windows differ in length.
    Per(Period),
    /// The current window lacks too many records to be compared.
    NotComparable,
}

/// One figure of one group in all windows.
struct Figure<'a> {
    metric: &'a Metric,
    /// Group, or "all".
    label: String,
    subject: String,
    current: Measurement,
    previous: Option<Measurement>,
    /// Value of the baseline, scaled to the length of the current window.
    baseline: Option<Measurement>,
    history: Vec<Option<f64>>,
    /// Values of all records in whole earlier windows; empty for groups.
    earlier: Vec<WindowValue>,
    /// Changes from the previous window and from the baseline.
    change: Option<Change>,
    baseline_change: Option<Change>,
    p_adjusted: Option<f64>,
    scale: Scale,
    /// True if the test supports the change.
    proven: bool,
    /// True if it is also large enough to be reported.
    significant: bool,
}

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let mut params: Params = serde_json::from_value(params.clone())?;
    let metrics = std::mem::take(&mut params.metrics).into_iter();
    params.metrics = metrics
        .map(|metric| metric.with_unit(params.noun.as_deref()))
        .collect();
    let input = crate::input(inputs, &params.input)?;
    let time = frame::time_column(input, params.time.as_deref())?;
    let times = input.times(time, &context.window.timezone)?;
    let coverage = Coverage::of_input(input, time, &context.window)?;
    let mut cell = Cell::new(&context.stage, KPI.name);
    cell.method = METHOD.to_string();
    let names: Vec<&str> = params
        .metrics
        .iter()
        .map(|metric| metric.name.as_str())
        .collect();
    let names = number::list(&names);
    cell.title = match params.metrics.len() {
        0..=TITLE_METRICS_MAX => format!("Key figures: {names}"),
        _ => format!("Key figures of {}", params.input.replace('_', " ")),
    };
    let timeless = times.timeless;
    if timeless > 0 {
        cell.caveats.push(format!(
            "{} without a time are not counted.",
            params.format_count(timeless)
        ));
    }
    cell.records = Some(times.in_window(&context.window));
    cell.did = format!("Could not measure {names}.");
    let reason = need::reason_without_data(context, input, time, &times, coverage.as_ref());
    let coverage = match (coverage, reason) {
        (Some(coverage), None) => coverage,
        (_, reason) => {
            cell.status = CellStatus::NotEnough {
                message: reason.unwrap_or_default(),
            };
            return Ok(Analysis { cell, frame: None });
        }
    };
    let windows = Windows::new(context, &coverage, &times);
    cell.missing_from = coverage.missing_from();
    cell.caveats.extend(coverage.caveats(Period::Day));
    if let Some(part) = &windows.part {
        let sentence = part.sentence(&context.window);
        cell.caveats
            .push(format!("{}.", crate::series::words::capitalised(&sentence)));
        // Dates in UTC end before every window in the same way: nothing is missing.
        if times.resolution != Resolution::DayOfUtc {
            let end = words::format_moment(coverage.last(), coverage.has_hours());
            let name = &input.dataset.name;
            cell.notices
                .push(format!("The records of {name} end on {end}: {sentence}."));
        }
    }
    cell.notices
        .extend(missing_notices(&input.dataset.name, &windows));
    let reader = RecordReader {
        context,
        input,
        params: &params,
        time,
        times: &times,
        windows: &windows,
    };
    let samples = reader.samples(&mut cell.caveats)?;
    let omitted = samples.omitted;
    if omitted > 0 {
        cell.caveats.push(format!(
            "Only the {} are shown; {omitted} smaller ones are not.",
            plural(params.groups_max as u64, "largest group")
        ));
    }
    let mut figures = Vec::new();
    // Days in UTC end before every window, so earlier runs compared the same part.
    let same_part = times.resolution == Resolution::DayOfUtc && coverage.is_complete();
    let whole = samples.whole.filter(|_| !same_part);
    let is_comparable =
        same_part || times.resolution != Resolution::DayOfUtc || windows.part.is_none();
    for (index, (metric, samples)) in params.metrics.iter().zip(samples.metrics).enumerate() {
        for (label, samples) in samples {
            let is_all = label.is_none();
            let mut figure = compute_figure(&params, metric, label, &samples, &windows);
            if is_all && is_comparable {
                figure.earlier = match &whole {
                    Some(whole) => earlier_values(metric, &whole[index], &windows, |index| {
                        f64::from(windows.windows[index].days())
                    }),
                    None => earlier_values(metric, &samples, &windows, |index| windows.days(index)),
                };
            }
            figures.push(figure);
        }
    }
    judge(&params, &mut figures);
    if !estimate::has_enough_pairs(&windows.covered) {
        let noun = context.window.spec.noun();
        cell.caveats.push(format!(
            "There are fewer than 5 earlier {noun}s: changes are judged by how much days vary. \
             Variation shared by all days of a {noun} is not visible, so changes may look more certain \
             than they are."
        ));
    }
    let findings = findings(context, &params, input, &windows, &figures);
    cell.did = format!(
        "Measured {names} from {} against {} and {}: {}.",
        context.window.words(),
        context.window.previous_words(),
        words::windows_before(&context.window, windows.baseline),
        proven_changes(&figures)
    );
    cell.kpis = figures
        .iter()
        .filter(|figure| figure.label == ALL)
        .map(|figure| kpi(&params, figure))
        .collect();
    cell.group_kpis = figures
        .iter()
        .filter(|figure| figure.subject != ALL)
        .map(|figure| kpi(&params, figure))
        .collect();
    cell.tables = tables(&params, &windows, &figures);
    cell.charts = charts(context, &params, &windows, &figures);
    let frame = frame_of(&figures)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}

/// Counts the proven changes, and those that are too small for a finding: "2 changes are proven; 1 is
/// below `change_min`, so it is no finding".
fn proven_changes(figures: &[Figure]) -> String {
    let proven = || figures.iter().filter(|figure| figure.proven);
    let small = proven().filter(|figure| !figure.significant).count();
    let counted = match proven().count() {
        0 => return "no change is proven".to_string(),
        1 => "1 change is proven".to_string(),
        n => plural(n as u64, "change") + " are proven",
    };
    match small {
        0 => counted,
        1 => format!("{counted}; 1 is below `change_min`, so it is no finding"),
        n => format!("{counted}; {n} are below `change_min`, so they are no findings"),
    }
}

/// Notices on days of the window and of the window before on which records are missing.
fn missing_notices(name: &str, windows: &Windows) -> Vec<String> {
    let compared = if windows.is_comparable() {
        "counts and sums are compared per day, without these days"
    } else {
        "too many are missing for a comparison"
    };
    let notice = |days: &MissingDays| {
        format!(
            "Records of {name} are missing {}, where {} are usual: {compared}.",
            days.when(),
            days.usual_in_words()
        )
    };
    let mut notices: Vec<String> = [0, 1]
        .into_iter()
        .flat_map(|index| windows.missing_in(index).map(notice))
        .collect();
    notices.dedup();
    notices
}

/// Label of the figures of all records.
const ALL: &str = "all";

/// The values of a figure in the earlier windows that records cover, newest first: the values that
/// a run on each of these windows would give.
fn earlier_values(
    metric: &Metric,
    samples: &[Sample],
    windows: &Windows,
    days: impl Fn(usize) -> f64,
) -> Vec<WindowValue> {
    let covered = (1..windows.windows.len()).filter(|index| windows.covered[*index]);
    covered
        .map(|index| WindowValue {
            window: windows.windows[index].label(),
            value: Measurement::compute(metric, &samples[index], days(index), 1.0).value,
        })
        .collect()
}

/// Computes one figure of one group in all windows, and tests its change.
fn compute_figure<'a>(
    params: &Params,
    metric: &'a Metric,
    label: Option<String>,
    samples: &[Sample],
    windows: &Windows,
) -> Figure<'a> {
    // Counts and sums of other windows are scaled to the length of the current one.
    let scale = |length: f64| {
        if metric.grows_with_length() {
            length / windows.length(0)
        } else {
            1.0
        }
    };
    let covered = |index: usize| windows.covered.get(index).is_some_and(|covered| *covered);
    let values: Vec<Option<Measurement>> = samples
        .iter()
        .enumerate()
        .map(|(index, sample)| {
            (index == 0 || covered(index))
                .then(|| Measurement::compute(metric, sample, windows.days(index), 1.0))
        })
        .collect();
    let scaled: Vec<Option<Measurement>> = values
        .iter()
        .enumerate()
        .map(|(index, value)| Some(value.as_ref()?.divided_by(scale(windows.length(index)))))
        .collect();
    let covered_samples: Vec<&Sample> = samples
        .iter()
        .enumerate()
        .filter(|(index, _)| covered(*index))
        .map(|(_, sample)| sample)
        .collect();
    let earlier = scaled.get(1..).unwrap_or_default();
    let dispersion = estimate::dispersion(metric, &covered_samples, earlier);
    let factor = dispersion.map_or(1.0, |dispersion| dispersion.factor);
    let now = samples.first().cloned().unwrap_or_default();
    let current = Measurement::compute(metric, &now, windows.days(0), factor);
    let baseline_windows = windows.baseline_indices();
    let baseline = (!baseline_windows.is_empty()).then(|| {
        let pooled = baseline_windows
            .iter()
            .filter_map(|index| samples.get(*index))
            .fold(Sample::default(), Sample::combine);
        let [days, length] = [Windows::days, Windows::length].map(|of| -> f64 {
            let baseline_windows = baseline_windows.iter();
            baseline_windows.map(|&index| of(windows, index)).sum()
        });
        Measurement::compute(metric, &pooled, days, factor).divided_by(scale(length))
    });
    let value_of =
        |measurement: &Option<Measurement>| measurement.as_ref().and_then(|known| known.value);
    let lengths = [0, 1].map(|index| {
        if metric.grows_with_length() {
            windows.length(index)
        } else {
            windows.days(index)
        }
    });
    Figure {
        metric,
        subject: match &label {
            Some(label) => format!("{} = {label}", params.by.join(" / ")),
            None => ALL.to_string(),
        },
        label: label.unwrap_or_else(|| ALL.to_string()),
        previous: values.get(1).cloned().flatten(),
        history: values
            .iter()
            .enumerate()
            .take(HISTORY)
            .rev()
            .map(|(index, window)| covered(index).then(|| value_of(window)).flatten())
            .collect(),
        scale: if !windows.is_comparable() {
            Scale::NotComparable
        } else if metric.grows_with_length() && lengths[0] != lengths[1] {
            Scale::Per(windows.period)
        } else {
            Scale::Total
        },
        change: Change::test(metric, samples, &scaled, lengths, dispersion)
            .filter(|_| windows.is_comparable()),
        baseline_change: Change::compute(metric, current.value, value_of(&baseline))
            .filter(|_| windows.is_comparable()),
        baseline,
        current,
        earlier: Vec::new(),
        p_adjusted: None,
        proven: false,
        significant: false,
    }
}

/// Corrects all p-values together, and determines which changes are proven and which are reported.
fn judge(params: &Params, figures: &mut [Figure<'_>]) {
    let p = |figure: &Figure<'_>| figure.change.as_ref()?.p;
    let p_values: Vec<f64> = figures.iter().filter_map(p).collect();
    let mut adjusted = benjamini_hochberg(&p_values).into_iter();
    for figure in figures {
        if p(figure).is_none() {
            continue;
        }
        figure.p_adjusted = adjusted.next();
        let Some(change) = &figure.change else {
            continue;
        };
        // A proven change with an interval that includes no change would be contradictory.
        figure.proven =
            change.excludes_zero() && figure.p_adjusted.is_some_and(|p| p < params.alpha);
        figure.significant =
            figure.proven && change.relative_size(figure.metric) >= params.change_min;
    }
}

/// Builds the stage's dataset: one row per figure and group.
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
