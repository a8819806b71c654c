//! Days or hours on which something happened that the usual rhythm does not explain.
//!
//! # Method
//! Each group's series loses its weekly season robustly. Then short and long windows before and after
//! each value say what it should have been, without looking at it; only what surprises all of them
//! counts, so a lasting shift or a slow drift is not taken for an anomaly. Counts are judged by the
//! negative binomial distribution with the dispersion they show, other values by Student's t on a
//! robust scale (Huber, 1981; Siegel, 1982; Davies, Fried and Aggregate, 2004). An isolation forest (Liu,
//! Ting and Zhou, 2008) over the scores, their changes and their surroundings has the second vote. A
//! claim needs both, or a probability twenty times smaller than the limit.
//!
//! The limit is corrected for everything that was looked at (Bonferroni): `alpha` is the chance of
//! any false claim in the whole stage when there is only noise, half of it for the window, half for
//! the history that `look_back` adds. Neighbouring anomalous steps are one event.
//!
//! # Caveats
//! An event of more than a week is a new level: see `change_point`. On the last days of the window the
//! future is not known yet, so the beginning of a lasting shift looks like an anomaly. A step with few
//! records in a mean varies more than one with many; count the records as well. Days in which records
//! begin or end are left out: where a source has stopped, `quality` says so.

use crate::{
    Analysis, Context, Inputs, Kind, StageError,
    series::{self, Aggregate, Group, PartPeriods, Request, SeriesSet, period::Step, words},
    with_findings,
};
use jiff::civil::DateTime;
use polars::prelude::*;
use rayon::prelude::*;
use retrocast_domain::{
    Cell, CellStatus, Chart, ChartKind, Direction, Finding, Magnitude, Severity, Table,
    chart::{Band, Marker, Role, Series},
    number,
    sentence::fill,
};
use retrocast_stats::{
    anomaly::{Options, Quantity, Score, features, score},
    isolation_forest::{self, IsolationForest},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The kind, as it is registered.
pub const ANOMALY: Kind = Kind {
    name: "anomaly",
    code_version: 2,
    summary: "Finds days or hours that the usual rhythm does not explain.",
    manual: include_str!("anomaly.rs"),
    schema: || schemars::schema_for!(Params),
    run,
};

/// Deviations that are looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sides {
    /// Too much and too little.
    #[default]
    Both,
    /// Too much only.
    Up,
    /// Too little only.
    Down,
}

/// What the metric is, which gives events their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum MetricType {
    /// Work done: executions, decisions, requests.
    Throughput,
    /// Failures, their number or share.
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

    /// Whether a deviation to this side is bad news as far as one can know.
    fn is_bad(self, up: bool) -> bool {
        match self {
            Self::Throughput => !up,
            Self::Other => true,
            _ => up,
        }
    }
}

impl Params {
    fn aggregate(&self) -> Aggregate {
        Aggregate::chosen(self.aggregate, self.value.as_deref(), Aggregate::Sum)
    }
}

fn default_alpha() -> f64 {
    0.01
}

fn default_change_min() -> f64 {
    0.1
}

/// What a job file may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column with the time of a record. Default: the one that the contract names.
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Column with the value. Without it records are counted.
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// Columns whose values make groups. Default: one group of all records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    by: Vec<String>,
    /// What is made of the records of a step. Default: the sum of `value`, or the number of records.
    aggregate: Option<Aggregate>,
    /// Length of a step.
    #[serde(default)]
    period: Step,
    /// Deviations that are looked for.
    #[serde(default)]
    direction: Sides,
    /// What the metric is; names the events and decides which side is bad.
    #[serde(default)]
    metric_type: MetricType,
    /// The metric in words, such as "executions". Default: the value column or the dataset.
    measure: Option<String>,
    /// Unit of the values, such as "ms"; empty for counts.
    #[serde(default)]
    unit: String,
    /// Days before the end of the window in which anomalies are findings. Default: the window.
    #[schemars(range(min = 1, max = 1500))]
    look_back: Option<u32>,
    /// Chance of any false claim in the stage when there is only noise.
    #[serde(default = "default_alpha")]
    #[schemars(range(min = 1e-6, max = 0.5))]
    alpha: f64,
    /// Least deviation, relative to what was expected, that is worth a finding.
    #[serde(default = "default_change_min")]
    #[schemars(range(min = 0.0, max = 10.0))]
    change_min: f64,
}

/// What was found in one group.
struct Examined<'a> {
    line: &'a Group,
    scores: Vec<Option<Score>>,
    forest: Vec<f64>,
    events: Vec<Event>,
}

/// Neighbouring anomalous steps.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    first: usize,
    last: usize,
    peak: usize,
    up: bool,
    /// Probability of the peak, both sides where both are looked for.
    p: f64,
    /// The same, corrected for the number of values looked at.
    p_adjusted: f64,
    /// Whether the isolation forest agrees.
    agreed: bool,
}

/// Score above which the isolation forest calls a step unusual.
const FOREST_LIMIT: f64 = 0.6;

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let input = &inputs[&params.input];
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate: params.aggregate(),
        period: params.period.into(),
        part_periods: PartPeriods::LeaveOut,
        periods_max: history_max(params.period),
        groups_max: GROUPS_MAX,
        measure: params.measure.as_deref(),
    };
    let lines = series::collect(context, input, &request)?;
    let name = words::measure(
        params.measure.as_deref(),
        params.value.as_deref(),
        &params.input,
    );
    let mut cell = Cell::new(&context.stage, ANOMALY.name);
    cell.title = if context.title.is_empty() {
        format!("Unusual {}s: {name}", lines.period.noun())
    } else {
        context.title.clone()
    };
    cell.method = METHOD.to_string();
    cell.did = format!("Looked for unusual {}s of {name}.", lines.period.noun());
    if !lines.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    let Some(options) = options(params.period, &lines) else {
        let missing = lines.not_enough(least(params.period).need());
        cell.status = CellStatus::NotEnough {
            message: missing.unwrap_or_default(),
        };
        return Ok(Analysis { cell, frame: None });
    };
    lines.note_small(options.need(), &mut cell.caveats);
    let examined = examine(context, &params, &lines, options);
    let report = Reporter {
        context,
        params: &params,
        lines: &lines,
        name: &name,
    };
    let findings: Vec<Finding> = examined
        .iter()
        .flat_map(|group| {
            group
                .events
                .iter()
                .map(|event| report.finding(group, event))
        })
        .collect();
    cell.did = report.did(&examined, options);
    cell.tables.push(report.table(&examined));
    cell.charts = report.charts(&examined);
    let frame = frame_of(&lines, &examined)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}

const METHOD: &str = "Robust seasonal residual, least surprised of four windows, negative binomial \
                      or t tail, with a vote of an isolation forest (Liu, Ting and Zhou, 2008); \
                      Bonferroni over all values looked at";

fn least(step: Step) -> Options {
    match step {
        Step::Day => Options::DAILY,
        Step::Hour => Options::HOURLY_SHORT,
    }
}

/// Most steps of history that are looked at: the latest.
fn history_max(step: Step) -> usize {
    match step {
        Step::Day => 1500,
        // A year: the windows of hourly series are long, and time grows with both.
        Step::Hour => 24 * 366,
    }
}

/// Most groups that are looked at: the largest.
const GROUPS_MAX: usize = 200;

/// The richest structure that some series supports.
fn options(step: Step, lines: &SeriesSet) -> Option<Options> {
    let all: &[Options] = match step {
        Step::Day => &[Options::DAILY],
        Step::Hour => &[Options::HOURLY, Options::HOURLY_SHORT],
    };
    let supports = |need: usize| {
        lines
            .groups
            .iter()
            .any(|group| lines.is_enough(group, need))
    };
    all.iter().copied().find(|options| supports(options.need()))
}

/// First step of the history that is looked at, and first step of the window.
fn region(context: &Context, params: &Params, lines: &SeriesSet) -> (usize, usize) {
    let window = lines.index_of(context.window.start);
    let look_back = params.look_back.map_or(window, |days| {
        lines
            .starts
            .len()
            .saturating_sub(days as usize * lines.period.per_day())
    });
    (look_back.min(window), window)
}

fn examine<'a>(
    context: &Context,
    params: &Params,
    lines: &'a SeriesSet,
    options: Options,
) -> Vec<Examined<'a>> {
    let aggregate = params.aggregate();
    let (from, window) = region(context, params, lines);
    let mut examined: Vec<Examined> = lines
        .groups
        .par_iter()
        .filter(|line| lines.is_enough(line, options.need()))
        .map(|line| {
            let scores = score(&line.values, quantity(aggregate, &line.values), options);
            let points = features(&scores);
            let forest = IsolationForest::grow(
                &points,
                isolation_forest::Options::default(),
                words::group_seed(context.seed, &line.label),
            );
            let forest = points.iter().map(|point| forest.score(point)).collect();
            Examined {
                line,
                scores,
                forest,
                events: Vec::new(),
            }
        })
        .collect();
    let tested = |range: std::ops::Range<usize>| -> usize {
        examined
            .iter()
            .map(|group| group.scores[range.clone()].iter().flatten().count())
            .sum()
    };
    let n = lines.starts.len();
    let (history, recent) = (tested(from..window), tested(window..n));
    // Half of the error rate each, when there are two regions.
    let share = if history > 0 { 2.0 } else { 1.0 };
    let corrections = Corrections {
        window,
        from,
        history: history as f64 * share,
        recent: recent as f64 * share,
    };
    for group in &mut examined {
        group.events = events(params, group, &corrections);
    }
    examined
}

/// Counts are whole and not negative.
fn quantity(aggregate: Aggregate, values: &[Option<f64>]) -> Quantity {
    let whole = |value: &f64| *value >= 0.0 && value.fract() == 0.0;
    if aggregate.adds_up() && values.iter().flatten().all(whole) {
        Quantity::Count
    } else {
        Quantity::Continuous
    }
}

/// By how much probabilities are corrected, by region.
struct Corrections {
    from: usize,
    window: usize,
    history: f64,
    recent: f64,
}

impl Corrections {
    fn of(&self, step: usize) -> f64 {
        if step >= self.window {
            self.recent
        } else {
            self.history
        }
    }
}

fn events(params: &Params, group: &Examined, corrections: &Corrections) -> Vec<Event> {
    let sides = if params.direction == Sides::Both {
        2.0
    } else {
        1.0
    };
    let mut events: Vec<Event> = Vec::new();
    for i in corrections.from..group.scores.len() {
        let Some(score) = group.scores[i] else {
            continue;
        };
        let up = score.z > 0.0;
        if params.direction == (if up { Sides::Down } else { Sides::Up }) {
            continue;
        }
        let p = (score.p_up.min(score.p_down) * sides).min(1.0);
        let p_adjusted = (p * corrections.of(i)).min(1.0);
        let agreed = group.forest[i] >= FOREST_LIMIT;
        let size = score.expected.abs().max(1e-12);
        let large = (score.value - score.expected).abs() / size >= params.change_min;
        let outside = score.value < score.low || score.value > score.high;
        let claimed =
            outside && p_adjusted < params.alpha && (agreed || p_adjusted < params.alpha / 20.0);
        // A step that is clearly unusual next to a claimed one belongs to it.
        let follows = events.last().is_some_and(|e| e.last + 1 == i && e.up == up) && p < 1e-3;
        if !(large && (claimed || follows)) {
            continue;
        }
        let event = Event {
            first: i,
            last: i,
            peak: i,
            up,
            p,
            p_adjusted,
            agreed,
        };
        match events.last_mut() {
            Some(last) if last.last + 1 == i && last.up == up => {
                last.last = i;
                if p < last.p {
                    *last = Event {
                        first: last.first,
                        ..event
                    };
                }
                last.agreed |= agreed;
            }
            _ => events.push(event),
        }
    }
    events
}

/// Words and pictures of what was found.
struct Reporter<'a> {
    context: &'a Context,
    params: &'a Params,
    lines: &'a SeriesSet,
    name: &'a str,
}

impl Reporter<'_> {
    fn amount(&self, value: f64) -> String {
        number::with_unit(rounded(value), &self.params.unit)
    }

    fn when(&self, event: &Event) -> String {
        let words = |i: usize| self.lines.period.words(self.lines.starts[i]);
        if event.first == event.last {
            format!("on {}", words(event.peak))
        } else {
            format!("from {} to {}", words(event.first), words(event.last))
        }
    }

    fn severity(&self, event: &Event, relative: f64) -> Severity {
        if event.last < self.lines.index_of(self.context.window.start) {
            Severity::Info
        } else if !self.params.metric_type.is_bad(event.up) {
            Severity::Notice
        } else if relative.abs() >= 0.5 {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }

    fn finding(&self, group: &Examined, event: &Event) -> Finding {
        let iso = |i: usize| self.lines.period.iso(self.lines.starts[i]);
        let kind = self.params.metric_type.event(event.up);
        let what = format!("{kind} of {} at {}", self.name, iso(event.first));
        let mut finding = Finding::new(
            &self.context.stage,
            ANOMALY.name,
            &group.line.subject,
            &what,
        );
        let Some(peak) = group.scores[event.peak] else {
            return finding;
        };
        let relative = peak.value / peak.expected - 1.0;
        finding.direction = if event.up {
            Direction::Up
        } else {
            Direction::Down
        };
        finding.magnitude = Some(Magnitude {
            value: peak.value - peak.expected,
            lower: Some(peak.value - peak.high),
            upper: Some(peak.value - peak.low),
            level: Some(0.95),
            unit: self.unit(),
        });
        finding.n = group.line.known() as u64;
        finding.p = Some(event.p);
        finding.p_adjusted = Some(event.p_adjusted);
        finding.method = METHOD.to_string();
        finding.period = format!("{} to {}", iso(event.first), iso(event.last));
        finding.baseline =
            Some("the level of the weeks before and after, with the weekly season".to_string());
        let mut evidence = self.lines.evidence.clone();
        evidence.filter = Some(format!("{}; {}", group.line.subject, finding.period));
        finding.evidence.push(evidence);
        finding.severity = self.severity(event, relative);
        finding.confidence = (1.0 - event.p_adjusted).clamp(0.5, 0.999);
        if event.last + 1 == self.lines.starts.len() {
            finding.caveats.push(format!(
                "It is the last {} of the window: whether it lasts is not known yet.",
                self.lines.period.noun()
            ));
        }
        finding.sentence = self.sentence(group, event, &peak, relative);
        finding
            .number("type", kind)
            .number("start", iso(event.first))
            .number("end", iso(event.last))
            .number("peak", iso(event.peak))
            .number("steps", (event.last - event.first + 1) as u64)
            .number("value", peak.value)
            .number("expected", peak.expected)
            .number("usual_low", peak.low)
            .number("usual_high", peak.high)
            .number("relative", relative)
            .number("z", peak.z)
            .number("forest_score", group.forest[event.peak])
            .number("forest_agrees", event.agreed)
    }

    fn unit(&self) -> String {
        if self.params.unit.is_empty() {
            format!("{} per {}", self.name, self.lines.period.noun())
        } else {
            self.params.unit.clone()
        }
    }

    fn sentence(&self, group: &Examined, event: &Event, peak: &Score, relative: f64) -> String {
        let noun = self.lines.period.noun();
        let length = event.last - event.first + 1;
        let at_peak = if length == 1 {
            String::new()
        } else {
            let peak = self.lines.period.words(self.lines.starts[event.peak]);
            format!(" at the extreme ({peak})")
        };
        let template = if peak.expected.abs() > 1e-9 {
            "{Name}{group} {were} unusually {side} {when}: {value} in the {noun}{at_peak} where \
             {expected} was expected ({change}); {votes}."
        } else {
            "{Name}{group} {were} unusually {side} {when}: {value} in the {noun}{at_peak} where \
             {expected} was expected; {votes}."
        };
        let votes = if event.agreed {
            format!(
                "residual and isolation forest agree ({} corrected)",
                number::p_value(event.p_adjusted)
            )
        } else {
            format!(
                "the residual alone is extreme ({} corrected)",
                number::p_value(event.p_adjusted)
            )
        };
        fill(
            template,
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group.line)),
                (
                    "were",
                    if self.name.ends_with('s') {
                        "were"
                    } else {
                        "was"
                    },
                ),
                ("noun", noun),
                ("side", if event.up { "high" } else { "low" }),
                ("when", &self.when(event)),
                ("value", &self.amount(peak.value)),
                ("at_peak", &at_peak),
                ("expected", &self.amount(peak.expected)),
                ("change", &number::change(relative)),
                ("votes", &votes),
            ],
        )
    }

    fn did(&self, examined: &[Examined], options: Options) -> String {
        let (from, window) = region(self.context, self.params, self.lines);
        let events: usize = examined.iter().map(|group| group.events.len()).sum();
        let noun = self.lines.period.noun();
        let days = self.lines.starts.len() - from;
        fill(
            "Looked at {values} of {name} in {groups} ({recent} of them in the window), against a \
             season of {period} {noun}s: {events}.",
            &[
                ("values", &number::plural(days as u64, noun)),
                ("name", self.name),
                ("groups", &number::plural(examined.len() as u64, "group")),
                (
                    "recent",
                    &number::count((self.lines.starts.len() - window) as u64),
                ),
                ("period", &options.period.to_string()),
                ("noun", noun),
                (
                    "events",
                    &match events {
                        0 => "nothing unusual".to_string(),
                        n => number::plural(n as u64, "unusual event"),
                    },
                ),
            ],
        )
    }

    fn table(&self, examined: &[Examined]) -> Table {
        let mut table = Table::new(
            format!(
                "Unusual {}s of {}, {}.",
                self.lines.period.noun(),
                self.name,
                self.lines.dates()
            ),
            &[
                "<group",
                "<from",
                "<to",
                "<type",
                ">value",
                ">expected",
                ">change",
                ">p corrected",
            ],
        );
        let mut rows: Vec<(&Examined, &Event)> = examined
            .iter()
            .flat_map(|g| g.events.iter().map(move |e| (g, e)))
            .collect();
        rows.sort_by(|(a, x), (b, y)| {
            y.first
                .cmp(&x.first)
                .then_with(|| a.line.label.cmp(&b.line.label))
        });
        for (group, event) in rows {
            let Some(peak) = group.scores[event.peak] else {
                continue;
            };
            table.push([
                group.line.label.clone(),
                self.lines.period.iso(self.lines.starts[event.first]),
                self.lines.period.iso(self.lines.starts[event.last]),
                self.params.metric_type.event(event.up).replace('_', " "),
                self.amount(peak.value),
                self.amount(peak.expected),
                number::change(peak.value / peak.expected - 1.0),
                number::p_bare(event.p_adjusted),
            ]);
        }
        table.top(30)
    }

    /// One chart a group with events, the latest first; without any, the largest group's.
    fn charts(&self, examined: &[Examined]) -> Vec<Chart> {
        let mut shown: Vec<&Examined> = examined
            .iter()
            .filter(|group| !group.events.is_empty())
            .collect();
        shown.sort_by_key(|group| {
            std::cmp::Reverse(group.events.iter().map(|event| event.last).max())
        });
        if shown.is_empty() {
            shown.extend(examined.iter().max_by_key(|group| group.line.records));
        }
        shown.truncate(4);
        shown.into_iter().map(|group| self.chart(group)).collect()
    }

    fn chart(&self, group: &Examined) -> Chart {
        let n = self.lines.starts.len();
        let shown = 120 * self.lines.period.per_day().min(4);
        let earliest = group
            .events
            .iter()
            .map(|event| event.first.saturating_sub(28))
            .min();
        let from = n.saturating_sub(shown).min(earliest.unwrap_or(n));
        let times: Vec<DateTime> = self.lines.starts[from..].to_vec();
        let scores = &group.scores[from..];
        let known: Vec<(DateTime, &Score)> = times
            .iter()
            .zip(scores)
            .filter_map(|(time, score)| score.as_ref().map(|score| (*time, score)))
            .collect();
        let floor = if group
            .line
            .values
            .iter()
            .flatten()
            .all(|value| *value >= 0.0)
        {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        let name = format!("{}{}", self.name, words::in_group(group.line));
        let title = match group.events.last() {
            None => format!("{} kept to its usual range", words::capitalised(&name)),
            Some(event) => {
                let side = if event.up { "high" } else { "low" };
                format!(
                    "{}: unusually {side} {}",
                    words::capitalised(&name),
                    self.when(event)
                )
            }
        };
        Chart {
            id: format!(
                "{}-{}",
                self.context.stage,
                Finding::identity("chart", &group.line.subject, "anomaly")
            ),
            alt: format!(
                "{title}. {} from {}, with what was expected and the usual range; {} marked.",
                words::capitalised(&name),
                self.lines.dates(),
                number::plural(group.events.len() as u64, "event")
            ),
            title,
            unit: self.unit(),
            kind: ChartKind::Line {
                series: vec![
                    Series {
                        name: self.name.to_string(),
                        times: times.clone(),
                        values: group.line.values[from..].to_vec(),
                        role: Role::Observed,
                    },
                    Series {
                        name: "expected".to_string(),
                        times,
                        values: scores.iter().map(|s| s.map(|s| s.expected)).collect(),
                        role: Role::Expected,
                    },
                ],
                bands: vec![Band {
                    name: "usual range (95 %)".to_string(),
                    times: known.iter().map(|(time, _)| *time).collect(),
                    lower: known
                        .iter()
                        .map(|(_, score)| score.low.max(floor))
                        .collect(),
                    upper: known
                        .iter()
                        .map(|(_, score)| score.high.max(floor))
                        .collect(),
                }],
                markers: group
                    .events
                    .iter()
                    .map(|event| Marker {
                        time: self.lines.starts[event.peak],
                        value: group.line.values[event.peak],
                        label: self.lines.period.iso(self.lines.starts[event.peak]),
                    })
                    .collect(),
                levels: Vec::new(),
            },
            table: None,
        }
    }
}

/// Expectations of counts are not whole; three digits are enough to read.
fn rounded(value: f64) -> f64 {
    if value.abs() >= 10.0 {
        value.round()
    } else {
        value
    }
}

/// One row a step and group with its score, for stages that come after.
fn frame_of(lines: &SeriesSet, examined: &[Examined]) -> Result<DataFrame, StageError> {
    let mut columns: (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut numbers: [Vec<f64>; 4] = Default::default();
    let mut claimed = Vec::new();
    for group in examined {
        for (i, score) in group.scores.iter().enumerate() {
            let Some(score) = score else { continue };
            columns.0.push(group.line.label.clone());
            columns.1.push(lines.period.iso(lines.starts[i]));
            let row = [score.value, score.expected, score.z, group.forest[i]];
            numbers
                .iter_mut()
                .zip(row)
                .for_each(|(column, value)| column.push(value));
            claimed.push(group.events.iter().any(|e| (e.first..=e.last).contains(&i)));
        }
    }
    let [value, expected, z, forest] = numbers;
    Ok(DataFrame::new_infer_height(vec![
        Column::new("group".into(), columns.0),
        Column::new(lines.period.noun().into(), columns.1),
        Column::new("value".into(), value),
        Column::new("expected".into(), expected),
        Column::new("z".into(), z),
        Column::new("forest_score".into(), forest),
        Column::new("anomalous".into(), claimed),
    ])?)
}

#[cfg(test)]
mod tests;
