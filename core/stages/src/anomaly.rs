//! Days, hours, weeks or months that the usual pattern of a series does not explain.
//!
//! # Method
//! The weekly season of each group's series is removed robustly. Short and long windows before and
//! after each value then predict it without using it. Only a value that all of them find surprising
//! is a candidate, so that a lasting shift or a slow drift is not an anomaly. Counts are tested
//! with the negative binomial distribution and their observed dispersion, other values with
//! Student's t on a robust scale (Huber, 1981; Siegel, 1982; Davies, Fried and Gather, 2004). Of
//! the consecutive counts of an outage or a burst only the most extreme one enters the dispersion
//! (runs declustering: Smith and Weissman, 1994), so that an event is not what is usual; events
//! that recur are usual. An
//! isolation forest (Liu, Ting and Zhou, 2008) over the scores, their changes and their
//! neighbourhood is a second detector. A claim needs both, or a probability twenty times below the
//! limit.
//!
//! Records a week or a month apart are compared by weeks or months, with windows of a quarter and of half a
//! year, or of one year and of two. From two years on, the season of the year is removed where the months of
//! one year follow from those of the others; with less, a caveat says that a season may look unusual. If the
//! window contains no whole step, the last whole step before its end is tested.
//!
//! The probabilities are corrected for all values tested (Benjamini and Hochberg, 1995): `alpha` is
//! the expected share of false claims, and on pure noise the probability of any, half of it for the
//! window, half for the history that `look_back` adds. Neighbouring anomalous steps are one event.
//!
//! Counts of records with times of day are also scanned by the hour: any run of 1 to 24 hours in
//! the window is compared with the level of the four weeks before it, the hours and the weekdays (a
//! scan statistic: Naus, 1965). The largest scores of earlier weeks give the distribution of the
//! largest score (Gumbel, 1958). This detects, for example, an outage of five hours that hardly
//! affects the total of its day. Days and runs of hours then have half of `alpha` each. A run on a
//! day that is itself reported in the same direction is not reported again.
//!
//! Without an event, the heading states how many steps are outside the band of 95 % of usual
//! values, and how many are expected by chance, because a step that is not proven unusual need not
//! be usual.
//!
//! Sums, means, medians and maxima of fewer than 20 records per step that come at irregular times
//! are far from normal: one large value decides. They must also be improbable by the number of
//! records (negative binomial) and by the tail of the values of single records (Pareto; Hill,
//! 1975), which does not end at the largest of them.
//!
//! A group without a record from some step to the end, although the same steps of the eight weeks
//! before make this next to impossible (below one in a million), is one event of type `silence`,
//! whatever the direction: its records may have stopped arriving, or its work. After eight weeks it
//! counts as retired.
//!
//! A mean, median or maximum that does not change at all for five steps or more, more than twice as long as ever
//! before and with a probability below one in a million, is one event of type `stuck`: its sensor or its
//! collector may have stopped.
//!
//! # Severity
//! `silence` and `stuck` are `warning`, also where fewer is better.
//!
//! An event before the window is `info`. In the window, an event on the good side of its
//! `metric_type`, or of a metric of type `other`, is `notice`; one on the bad side is `warning`. It
//! is `critical` when it deviates by half or more of the expected value and lasts for three days (or
//! weeks or months), or, for metrics of failed, waiting or missing work, when it is among the last two. For type
//! `other`, large lasting events and drops to zero are `warning`, and nothing is `critical`.
//!
//! # Caveats
//! An event of more than a week is a new level: see `change_point`. On the last days of the window
//! the following days are unknown, so the start of a lasting shift looks like an anomaly. The mean
//! of a step with few records varies more than that of one with many; count the records as well.
//! Days on which records begin or end are left out, as are whole days on which the records of the
//! source are missing: `quality` reports a source that has stopped.

use crate::{
    Analysis, Context, Inputs, Reads, StageError, StageKind,
    series::{
        self, Aggregate, PartPeriods, Request, SeriesSet,
        period::{Period, requested_or_found},
        words,
    },
    with_findings,
};
use retrocast_domain::{Cell, CellStatus, Chapter, Finding, number};
use retrocast_stats::anomaly::Options;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

mod charts;
mod detect;
#[cfg(test)]
mod few_records_tests;
mod hours;
#[cfg(test)]
mod period_tests;
mod present;
mod result;
mod silence;
mod stuck;
#[cfg(test)]
mod tests;

pub(crate) use detect::SILENCE;
use detect::score_groups;
use hours::{collect_hours, find_bursts};
use present::{Reporter, frame_of};

/// The registered kind.
pub const ANOMALY: StageKind = StageKind {
    name: "anomaly",
    chapter: Some(Chapter::Events),
    code_version: 13,
    summary: "Finds days, hours, weeks or months that the usual rhythm does not explain.",
    manual: include_str!("anomaly.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Batches,
    earlier_values: false,
    ledger: &[],
    run,
};

/// Direction of the deviations to find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sides {
    /// Too high or too low.
    #[default]
    Both,
    /// Too high only.
    Up,
    /// Too low only.
    Down,
}

/// Type of the metric, which names the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum MetricType {
    /// Work done: executions, decisions, requests.
    Throughput,
    /// Failures, as a count or a share.
    ErrorRate,
    /// Durations.
    Latency,
    /// Memory, processors, disks, queues.
    Resource,
    /// Money.
    Cost,
    /// Anything else.
    #[default]
    Other,
}

impl MetricType {
    fn event(self, up: bool) -> &'static str {
        match (self, up) {
            (Self::Throughput, true) => "throughput_spike",
            (Self::Throughput, false) => "throughput_drop",
            (Self::ErrorRate, true) => "error_rate_spike",
            (Self::ErrorRate, false) => "error_rate_drop",
            (Self::Latency, true) => "latency_spike",
            (Self::Latency, false) => "latency_drop",
            (Self::Resource, true) => "resource_spike",
            (Self::Resource, false) => "resource_drop",
            (Self::Cost, true) => "cost_spike",
            (Self::Cost, false) => "cost_drop",
            (Self::Other, _) => "unusual_pattern",
        }
    }

    /// Returns true if a deviation in this direction is bad.
    fn is_bad(self, up: bool) -> bool {
        match self {
            Self::Throughput => !up,
            Self::Other => false,
            _ => up,
        }
    }

    /// Returns true if users notice a deviation immediately: failed, waiting or missing work.
    fn is_noticed(self) -> bool {
        matches!(self, Self::Throughput | Self::ErrorRate | Self::Latency)
    }
}

impl Params {
    fn aggregate(&self) -> Aggregate {
        Aggregate::or_default(self.aggregate, self.value.as_deref(), Aggregate::Sum)
    }
}

fn default_alpha() -> f64 {
    0.01
}

fn default_change_min() -> f64 {
    0.1
}

/// Params of the stage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column of the time. Default: from the contract.
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Column of the value. Default: records are counted.
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// Columns to group by. Default: one group of all records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    by: Vec<String>,
    /// Aggregate of the records of a step. Default: the sum of `value`, or the number of records.
    aggregate: Option<Aggregate>,
    /// Length of a step. Default: days, or weeks or months if records are that far apart.
    #[serde(default)]
    period: Option<Period>,
    /// Direction of the deviations to find.
    #[serde(default)]
    direction: Sides,
    /// Type of the metric, which names the events and determines which direction is bad.
    #[serde(default)]
    metric_type: MetricType,
    /// Name of the metric, such as "executions". Default: the value column or the dataset.
    measure: Option<String>,
    /// Unit of the values, such as "ms"; "share" for shares, whose differences are in percentage points;
    /// empty for counts.
    #[serde(default)]
    unit: String,
    /// Days before the end of the window in which anomalies are findings. Default: the window.
    #[schemars(range(min = 1, max = 1500))]
    look_back: Option<u32>,
    /// Expected share of false claims; on pure noise, the probability of any false claim of the stage.
    /// A job without it uses the part of its `false_claims`.
    #[serde(default = "default_alpha")]
    #[schemars(range(min = 1e-6, max = 0.5))]
    #[schemars(extend("x-claims" = true))]
    alpha: f64,
    /// Minimum deviation of a finding, relative to the expected value.
    #[serde(default = "default_change_min")]
    #[schemars(range(min = 0.0, max = 10.0))]
    change_min: f64,
}

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let mut params: Params = serde_json::from_value(params.clone())?;
    let input = crate::input(inputs, &params.input)?;
    let period = requested_or_found(params.period, context, input, params.time.as_deref())?;
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate: params.aggregate(),
        period,
        part_periods: PartPeriods::LeaveOut,
        periods_max: history_max(period),
        without_year: false,
        groups_max: GROUPS_MAX,
        measure: params.measure.as_deref(),
        filter: None,
    };
    let set = series::collect(context, input, &request)?;
    let name = words::measure(
        params.measure.as_deref(),
        params.value.as_deref(),
        &input.noun(),
    );
    let mut cell = Cell::new(&context.stage, ANOMALY.name);
    cell.title = if context.title.is_empty() {
        format!("Unusual {}s: {name}", set.period.noun())
    } else {
        context.title.clone()
    };
    cell.method = METHOD.to_string();
    cell.did = format!("Looked for unusual {}s of {name}.", set.period.noun());
    if !set.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    let Some(options) = options(&set) else {
        let message = set.not_enough(smallest_options(period).need());
        cell.status = CellStatus::NotEnough {
            message: message.unwrap_or_default(),
        };
        return Ok(Analysis { cell, frame: None });
    };
    set.note_small(options.need(), &mut cell.caveats);
    cell.caveats.extend(caveat_without_year(&set));
    let hours = match period {
        Period::Day => collect_hours(context, &params, input)?,
        _ => None,
    };
    if hours.is_some() {
        params.alpha /= 2.0;
    }
    let params = params;
    let scored = score_groups(context, &params, &set, options);
    let reporter = Reporter {
        context,
        params: &params,
        set: &set,
        name: &name,
        options,
    };
    let bursts = hours.as_ref().map_or_else(Vec::new, |hours| {
        find_bursts(context, &params, hours, &set, &scored)
    });
    let burst_findings = hours.iter().flat_map(|hours| {
        bursts.iter().flat_map(|group| {
            let finding = |burst| reporter.burst_finding(hours, group.group, burst);
            group.bursts.iter().map(finding).collect::<Vec<_>>()
        })
    });
    let findings: Vec<Finding> = scored
        .iter()
        .flat_map(|group| {
            group
                .events
                .iter()
                .map(|event| reporter.finding(group, event))
        })
        .chain(burst_findings)
        .chain((scored.iter()).filter_map(|group| reporter.silence_finding(group, scored.len())))
        .chain((scored.iter()).filter_map(|group| reporter.stuck_finding(group, scored.len())))
        .collect();
    let burst_count = bursts.iter().map(|group| group.bursts.len()).sum();
    cell.did = reporter.summarise(&scored, burst_count);
    cell.tables.extend(reporter.table(&scored));
    if let Some(hours) = &hours {
        cell.tables.extend(reporter.burst_table(hours, &bursts));
    }
    cell.charts = reporter.charts(&scored, &bursts);
    let frame = frame_of(&set, &scored)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}

const METHOD: &str = "Robust seasonal residual, smallest deviation over four windows, negative binomial \
                      or t tail, with a vote of an isolation forest (Liu, Ting and Zhou, 2008); \
                      Benjamini-Hochberg over all tested values";

/// The caveat for weeks or months with too short a history for a season of the year.
fn caveat_without_year(set: &SeriesSet) -> Option<String> {
    let years = set.starts.len() as f64 / set.period.cadence().year();
    let is_long = matches!(set.period, Period::Week | Period::Month);
    (is_long && years < 2.0).then(|| {
        let noun = set.period.noun();
        format!(
            "A season of the year needs two years of records; here are {}, so a {noun} that is usual for the \
             season may look unusual.",
            number::plural(set.starts.len() as u64, noun)
        )
    })
}

/// The options that need the least history.
fn smallest_options(period: Period) -> Options {
    match period {
        Period::Hour => Options::HOURLY_SHORT,
        Period::Day => Options::DAILY,
        Period::Week => Options::WEEKLY,
        Period::Month => Options::MONTHLY,
    }
}

/// Maximum number of steps of history to analyse: the latest.
fn history_max(period: Period) -> usize {
    match period {
        // A year: windows of hourly series are long, and the run time grows with both.
        Period::Hour => 24 * 366,
        _ => 1500,
    }
}

/// Maximum number of groups to analyse: the largest.
const GROUPS_MAX: usize = 200;

/// The options for the richest structure for which some series has enough values.
fn options(set: &SeriesSet) -> Option<Options> {
    let smallest = smallest_options(set.period);
    let candidates = match set.period {
        Period::Hour => vec![Options::HOURLY, smallest],
        _ => vec![smallest],
    };
    let is_supported = |need: usize| set.groups.iter().any(|group| set.is_enough(group, need));
    (candidates.into_iter()).find(|options| is_supported(options.need()))
}
