//! Whether improvements worked: observed against what was expected without them.
//!
//! # Method
//! For each improvement in a register, the daily metric of its component is forecast from the days
//! before the change by a structural time series: level, weekly season and, where other components
//! moved along with this one before the change, regression on them (Brodersen et al., 2015; Durbin
//! and Koopman, 2012). The effect is observed minus expected over the days after, with a 95 % interval
//! that holds observation noise, the level's wandering and the uncertainty of all parameters.
//!
//! The same estimator is run at every earlier date at which nothing was changed. The placebo p-value
//! says how often that gives an estimate as large. An improvement "works" only when the interval
//! excludes zero on the wanted side *and* the placebo p-value, corrected by Holm for the number of
//! improvements judged, is below 0.05.
//!
//! # Caveats
//! Without a control an outside event on the same day cannot be told from the improvement; such effects
//! are marked "uncontrolled". Two changes in one component within the same weeks cannot be told apart.

use crate::{
    Analysis, Context, Input, Inputs, Kind, StageError, frame,
    series::{
        self, Aggregate, Group, PartPeriods, Request, SeriesSet, need::RECORDS_MIN, period::Period,
        words,
    },
    with_findings,
};
use jiff::civil::Date;
use polars::prelude::*;
use rayon::prelude::*;
use retrocast_domain::{
    Cell, CellStatus, Chart, ChartKind, Direction, Effect, Evidence, Finding, Magnitude, Severity,
    Table, Verdict,
    chart::{Band, Role, Series},
    number,
    sentence::fill,
    window::long,
};
use retrocast_stats::{
    effect::{Design, Estimate, estimate},
    seasonal::{decompose, interpolate},
    test::holm,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The kind, as it is registered.
pub const EFFECTIVENESS: Kind = Kind {
    name: "effectiveness",
    code_version: 2,
    summary: "Measures what improvements did, against what was expected without them.",
    manual: include_str!("effectiveness.rs"),
    schema: || schemars::schema_for!(Params),
    run,
};

/// What serves as control.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
enum Controls {
    /// Other components of the same dataset that were not changed in these weeks themselves and that
    /// moved along with the component before the change.
    #[default]
    #[serde(rename = "other components")]
    OtherComponents,
    /// Nothing: effects are marked "uncontrolled".
    #[serde(rename = "none")]
    None,
}

fn default_component() -> String {
    "component".to_string()
}
fn default_pre() -> u32 {
    120
}
fn default_post() -> u32 {
    30
}
fn default_min_post() -> u32 {
    7
}
fn default_true() -> bool {
    true
}

/// What a job file may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Register of improvements: columns `id`, `title`, `component`, `metric`, `date` (a date or a
    /// timestamp), and optionally `expected_relative` and `lower_is_better`.
    #[schemars(extend("x-dataset" = true))]
    improvements: String,
    /// Dataset with the metric.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column with the time of a record. Default: the one that the contract names.
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Column with the value. Without it records are counted.
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// What is made of the records of a day. Default: the sum of `value`, or the number of records.
    aggregate: Option<Aggregate>,
    /// Column that the register's `component` refers to.
    #[serde(default = "default_component")]
    #[schemars(extend("x-column" = "input"))]
    component_column: String,
    /// Only improvements of this metric. Default: all in the register.
    metric: Option<String>,
    /// The metric in words, such as "failures". Default: the register's `metric`.
    measure: Option<String>,
    /// Unit of the values, such as "ms"; empty for counts.
    #[serde(default)]
    unit: String,
    /// Whether less is better, where the register does not say.
    #[serde(default = "default_true")]
    lower_is_better: bool,
    /// What serves as control.
    #[serde(default)]
    controls: Controls,
    /// Days before the change to learn from.
    #[serde(default = "default_pre")]
    #[schemars(range(min = 28, max = 730))]
    pre_days: u32,
    /// Days after the change to look at, at most.
    #[serde(default = "default_post")]
    #[schemars(range(min = 7, max = 365))]
    post_days: u32,
    /// Days after the change below which it is too early to judge.
    #[serde(default = "default_min_post")]
    #[schemars(range(min = 1, max = 365))]
    min_post: u32,
}

/// A line of the register.
#[derive(Debug, Clone)]
struct Improvement {
    id: String,
    title: String,
    component: String,
    metric: String,
    date: Date,
    expected_relative: Option<f64>,
    lower_is_better: bool,
}

/// An improvement with what could be measured of it.
struct Judged<'a> {
    improvement: &'a Improvement,
    outcome: Outcome,
}

/// What could be measured.
enum Outcome {
    /// An effect, with the span of steps it was measured on and caveats.
    Measured(Box<Measured>),
    /// Too few days after the change, or none in the data.
    TooEarly(String),
    /// No estimate is possible.
    Not(String),
}

struct Measured {
    estimate: Estimate,
    begin: usize,
    change: usize,
    end: usize,
    controls: Vec<String>,
    caveats: Vec<String>,
    p_adjusted: f64,
    /// Improvements that the correction is over.
    judged: usize,
    verdict: Verdict,
}

const METHOD: &str = "Structural time series counterfactual (Brodersen et al., 2015) with placebo in \
                      time; Holm over improvements";
/// Level of the tests that a verdict rests on.
const ALPHA: f64 = 0.05;
/// Fewest days before a change, real or placebo.
const PRE_MIN: usize = 42;
/// Most days that are looked at, the latest, and most components, the largest.
const DAYS_MAX: usize = 1500;
const GROUPS_MAX: usize = 200;
/// Relative bound from which on an effect is told as an amount.
const RELATIVE_MAX: f64 = 10.0;
/// Most controls of one improvement.
const CONTROLS_MAX: usize = 3;

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let input = &inputs[&params.input];
    let by = [params.component_column.clone()];
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &by,
        aggregate: Aggregate::chosen(params.aggregate, params.value.as_deref(), Aggregate::Sum),
        period: Period::Day,
        part_periods: PartPeriods::LeaveOut,
        periods_max: DAYS_MAX,
        groups_max: GROUPS_MAX,
        measure: params.measure.as_deref(),
    };
    let lines = series::collect(context, input, &request)?;
    let mut cell = Cell::new(&context.stage, EFFECTIVENESS.name);
    cell.title = if context.title.is_empty() {
        "Did the improvements work?".to_string()
    } else {
        context.title.clone()
    };
    cell.method = METHOD.to_string();
    cell.did = "Wanted to judge improvements.".to_string();
    if !lines.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    let register = &inputs[&params.improvements];
    let improvements = read(context, &params, register, &mut cell.caveats)?;
    if improvements.is_empty() {
        let name = &params.improvements;
        cell.status = CellStatus::NotEnough {
            message: format!(
                "not enough: have 0 improvements of this metric before the end of the window in \
                 {name:?}, need 1; add one with id, title, component, metric and date"
            ),
        };
        return Ok(Analysis { cell, frame: None });
    }
    let judged = judge(&params, &lines, &improvements);
    let evidence = vec![
        lines.evidence.clone(),
        Evidence {
            dataset: register.dataset.name.clone(),
            version: register.dataset.version,
            filter: None,
        },
    ];
    let reporter = Reporter {
        context,
        params: &params,
        lines: &lines,
        evidence,
    };
    let findings = judged.iter().map(|one| reporter.finding(one)).collect();
    cell.did = did(&judged);
    cell.effects = judged
        .iter()
        .filter_map(|one| reporter.effect(one))
        .collect();
    cell.tables.push(Reporter::table(&judged));
    cell.charts = judged
        .iter()
        .filter_map(|one| reporter.chart(one))
        .collect();
    let frame = frame_of(&judged)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}

/// The improvements of the metric with a date before the window's end, by date and id.
fn read(
    context: &Context,
    params: &Params,
    register: &Input,
    caveats: &mut Vec<String>,
) -> Result<Vec<Improvement>, StageError> {
    let has = |name: &str| register.frame.column(name).is_ok();
    let height = register.frame.height();
    let ids = frame::texts(register, "id")?;
    let titles = if has("title") {
        frame::texts(register, "title")?
    } else {
        ids.clone()
    };
    let components = frame::texts(register, "component")?;
    let metrics = if has("metric") {
        frame::texts(register, "metric")?
    } else {
        vec![None; height]
    };
    let dates = frame::days(register, "date", &context.window.timezone)?;
    let expected = if has("expected_relative") {
        frame::numbers(register, "expected_relative", caveats)?
    } else {
        vec![None; height]
    };
    let lower = if has("lower_is_better") {
        frame::numbers(register, "lower_is_better", caveats)?
    } else {
        vec![None; height]
    };
    let (mut improvements, mut incomplete, mut later) = (Vec::new(), 0u64, 0u64);
    for i in 0..height {
        let metric = metrics[i].clone().unwrap_or_default();
        if params
            .metric
            .as_ref()
            .is_some_and(|wanted| *wanted != metric)
        {
            continue;
        }
        let (Some(id), Some(component), Some(date)) = (&ids[i], &components[i], dates[i]) else {
            incomplete += 1;
            continue;
        };
        if date >= context.window.end {
            later += 1;
            continue;
        }
        improvements.push(Improvement {
            id: frame::visible(Some(id.clone())),
            title: frame::visible(Some(titles[i].clone().unwrap_or_else(|| id.clone()))),
            component: frame::visible(Some(component.clone())),
            metric,
            date,
            expected_relative: expected[i],
            lower_is_better: lower[i].map_or(params.lower_is_better, |value| value != 0.0),
        });
    }
    if incomplete > 0 {
        let lines = number::plural(incomplete, "improvement");
        caveats.push(format!(
            "{lines} without id, component or date are left out."
        ));
    }
    if later > 0 {
        let lines = number::plural(later, "improvement");
        caveats.push(format!("{lines} dated after the window are left out."));
    }
    improvements.sort_by(|a, b| a.date.cmp(&b.date).then_with(|| a.id.cmp(&b.id)));
    Ok(improvements)
}

/// Measures every improvement and decides with all p-values at hand.
fn judge<'a>(
    params: &Params,
    lines: &SeriesSet,
    improvements: &'a [Improvement],
) -> Vec<Judged<'a>> {
    let mut judged: Vec<Judged> = improvements
        .par_iter()
        .map(|improvement| Judged {
            improvement,
            outcome: measure(params, lines, improvements, improvement),
        })
        .collect();
    let measured = |one: &Judged| match &one.outcome {
        Outcome::Measured(measured) => Some(measured.estimate.placebo_p),
        _ => None,
    };
    let p: Vec<f64> = judged.iter().filter_map(measured).collect();
    let mut corrected = holm(&p).into_iter();
    for one in &mut judged {
        if let Outcome::Measured(measured) = &mut one.outcome {
            measured.p_adjusted = corrected.next().unwrap_or(1.0);
            measured.judged = p.len();
            measured.verdict = verdict(measured, one.improvement.lower_is_better);
        }
    }
    judged
}

fn verdict(measured: &Measured, lower_is_better: bool) -> Verdict {
    let [_, low, high] = measured.estimate.absolute;
    let sure = measured.p_adjusted < ALPHA;
    match (high < 0.0 && sure, low > 0.0 && sure) {
        (true, _) if lower_is_better => Verdict::Works,
        (_, true) if !lower_is_better => Verdict::Works,
        (true, _) | (_, true) => Verdict::Harmful,
        _ => Verdict::Unclear,
    }
}

fn measure(
    params: &Params,
    lines: &SeriesSet,
    all: &[Improvement],
    improvement: &Improvement,
) -> Outcome {
    let component = &improvement.component;
    let Some(line) = lines.groups.iter().find(|line| line.label == *component) else {
        return Outcome::Not(absent(lines, &params.component_column, component));
    };
    if let Some(lack) = lack(lines, line, improvement) {
        return Outcome::Not(lack);
    }
    let n = lines.starts.len();
    let change = lines.index_of(improvement.date);
    // Other improvements of the component bound the days before and after.
    let others: Vec<usize> = all
        .iter()
        .filter(|other| other.id != improvement.id && other.component == *component)
        .map(|other| lines.index_of(other.date))
        .collect();
    let mut caveats = Vec::new();
    let end = bound_after(params, change, n, &others, &mut caveats);
    let days_after = line.values[change..end].iter().flatten().count();
    if days_after < params.min_post as usize {
        return Outcome::TooEarly(format!(
            "too early: have {} after the change, need {}",
            number::plural(days_after as u64, "day"),
            params.min_post
        ));
    }
    let history = line.begin();
    let begin = bound_before(params, change, history, &others, &mut caveats);
    let controls = match params.controls {
        Controls::None => Vec::new(),
        Controls::OtherComponents => controls(lines, line, all, begin, change, end),
    };
    if controls.is_empty() {
        caveats.push(
            match params.controls {
                Controls::None => {
                    "Uncontrolled: no control was asked for, so an outside event in \
                                   the same days cannot be told from the improvement."
                }
                Controls::OtherComponents => {
                    "Uncontrolled: no other component moved along with this one before the change, \
                     so an outside event in the same days cannot be told from the improvement."
                }
            }
            .to_string(),
        );
    }
    let filled: Vec<Vec<f64>> = controls
        .iter()
        .map(|other| interpolate(&other.values))
        .collect();
    let slices: Vec<&[f64]> = filled.iter().map(Vec::as_slice).collect();
    let design = Design {
        values: &line.values,
        controls: &slices,
        change,
        end,
        begin,
        history,
        period: 7,
        pre_min: PRE_MIN,
        others: &others,
    };
    match estimate(&design) {
        Ok(estimate) => Outcome::Measured(Box::new(Measured {
            estimate,
            begin,
            change,
            end,
            controls: controls.iter().map(|line| line.label.clone()).collect(),
            caveats,
            p_adjusted: 1.0,
            judged: 1,
            verdict: Verdict::Unclear,
        })),
        Err(error) => Outcome::Not(error.to_string()),
    }
}

/// Why a component is not in the data.
fn absent(lines: &SeriesSet, column: &str, component: &str) -> String {
    let dataset = &lines.evidence.dataset;
    if lines
        .groups
        .iter()
        .all(|line| line.label == frame::visible(None))
    {
        return format!("the column {column:?} of {dataset} holds no value");
    }
    format!("the data have no {column} {component:?}")
}

/// What the data of a component lack for any estimate, now and later: days before the change, or
/// records at all.
fn lack(lines: &SeriesSet, line: &Group, improvement: &Improvement) -> Option<String> {
    let change = lines.index_of(improvement.date);
    let begin = line.begin();
    let known = line.values[begin.min(change)..change]
        .iter()
        .flatten()
        .count();
    let name = &line.label;
    if improvement.date <= line.first.date() || known == 0 {
        return Some(format!(
            "the records of {name} that can be used begin on {}, so there is nothing before the \
             change to compare with; need {} before it",
            long(
                lines
                    .starts
                    .get(begin)
                    .map_or(line.first.date(), |start| start.date())
            ),
            number::plural(PRE_MIN as u64, "day")
        ));
    }
    if known < PRE_MIN {
        return Some(format!(
            "not enough: have {} of {name} before the change, need {PRE_MIN}",
            number::plural(known as u64, "day")
        ));
    }
    (line.records < RECORDS_MIN).then(|| {
        format!(
            "not enough: have {} of {name}, need {RECORDS_MIN}",
            number::plural(line.records, "record")
        )
    })
}

/// Where the days after end: the asked number of days, the data, or the component's next improvement.
fn bound_after(
    params: &Params,
    change: usize,
    n: usize,
    others: &[usize],
    caveats: &mut Vec<String>,
) -> usize {
    let end = (change + params.post_days as usize).min(n).max(change);
    let next = others
        .iter()
        .copied()
        .filter(|other| (change..end).contains(other))
        .min();
    match next {
        Some(next) if next - change >= params.min_post as usize => {
            caveats.push(format!(
                "Another improvement of the component followed after {}; only the days before it \
                 count.",
                number::plural((next - change) as u64, "day")
            ));
            next
        }
        Some(_) => {
            caveats.push(
                "Another improvement of the component came within the same days: their effects \
                 cannot be told apart."
                    .to_string(),
            );
            end
        }
        None => end,
    }
}

/// Where the days before begin: the asked number of days, the data, or the component's last
/// improvement when that leaves enough.
fn bound_before(
    params: &Params,
    change: usize,
    history: usize,
    others: &[usize],
    caveats: &mut Vec<String>,
) -> usize {
    let begin = change.saturating_sub(params.pre_days as usize).max(history);
    let previous = others
        .iter()
        .copied()
        .filter(|other| (begin..change).contains(other))
        .max();
    match previous {
        Some(previous) if change - previous >= PRE_MIN => previous,
        Some(previous) => {
            caveats.push(format!(
                "Another improvement of the component came {} before; its effect is part of what \
                 was expected only in part.",
                number::plural((change - previous) as u64, "day")
            ));
            begin
        }
        None => begin,
    }
}

/// Other components that moved along before the change: correlation of the season-adjusted series,
/// clear of chance after correction for the number tried.
fn controls<'a>(
    lines: &'a SeriesSet,
    line: &Group,
    all: &[Improvement],
    begin: usize,
    change: usize,
    end: usize,
) -> Vec<&'a Group> {
    let changed = |label: &str| {
        all.iter().any(|other| {
            other.component == label && (begin..end).contains(&lines.index_of(other.date))
        })
    };
    let adjusted = |line: &Group| {
        let values = interpolate(&line.values[begin..change]);
        if values.len() < PRE_MIN {
            return Vec::new();
        }
        let parts = decompose(&values, 7);
        values
            .iter()
            .zip(&parts.season)
            .map(|(value, season)| value - season)
            .collect::<Vec<_>>()
    };
    let own = adjusted(line);
    let candidates: Vec<&Group> = lines
        .groups
        .iter()
        .filter(|other| other.label != line.label && !changed(&other.label))
        .filter(|other| other.values[begin..end].iter().all(Option::is_some))
        .collect();
    let limit = 2.6 + (candidates.len().max(1) as f64).ln() / 3.0;
    let mut scored: Vec<(f64, &Group)> = candidates
        .into_iter()
        .map(|other| (correlation(&own, &adjusted(other)), other))
        .filter(|(r, _)| *r >= (limit / (own.len() as f64).sqrt()).max(0.3))
        .collect();
    scored.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.label.cmp(&y.label)));
    scored
        .into_iter()
        .take(CONTROLS_MAX)
        .map(|(_, line)| line)
        .collect()
}

/// Pearson correlation; 0 where it is not defined.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len()) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - mean_a) * (y - mean_b);
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
    }
    if aa > 0.0 && bb > 0.0 {
        ab / (aa * bb).sqrt()
    } else {
        0.0
    }
}

fn did(judged: &[Judged]) -> String {
    let count = |wanted: Verdict| {
        judged
            .iter()
            .filter(|one| match &one.outcome {
                Outcome::Measured(measured) => measured.verdict == wanted,
                Outcome::TooEarly(_) => wanted == Verdict::TooEarly,
                Outcome::Not(_) => false,
            })
            .count()
    };
    let words: Vec<String> = [
        Verdict::Works,
        Verdict::Harmful,
        Verdict::Unclear,
        Verdict::TooEarly,
    ]
    .into_iter()
    .filter(|verdict| count(*verdict) > 0)
    .map(|verdict| format!("{} {}", count(verdict), verdict.word()))
    .collect();
    let missing = judged
        .iter()
        .filter(|one| matches!(one.outcome, Outcome::Not(_)))
        .count();
    let missing = if missing > 0 {
        format!("; {missing} could not be measured")
    } else {
        String::new()
    };
    format!(
        "Judged {}: {}{missing}.",
        number::plural(judged.len() as u64, "improvement"),
        if words.is_empty() {
            "no verdict".to_string()
        } else {
            number::list(&words)
        }
    )
}

/// Words and pictures of what was measured.
struct Reporter<'a> {
    context: &'a Context,
    params: &'a Params,
    lines: &'a SeriesSet,
    evidence: Vec<Evidence>,
}

impl Reporter<'_> {
    fn measure(&self, improvement: &Improvement) -> String {
        let register = (!improvement.metric.is_empty()).then_some(improvement.metric.as_str());
        let asked = self.params.measure.as_deref().or(register);
        words::measure(asked, self.params.value.as_deref(), &self.params.input)
    }

    fn unit(&self, improvement: &Improvement) -> String {
        if self.params.unit.is_empty() {
            format!("{} per day", self.measure(improvement))
        } else {
            self.params.unit.clone()
        }
    }

    /// The two last days of a span: "2026-07-01 to 2026-10-06".
    fn span(&self, from: usize, to: usize) -> String {
        let day = |i: usize| self.lines.starts[i].date();
        format!("{} to {}", day(from), day(to.max(from + 1) - 1))
    }

    fn finding(&self, one: &Judged) -> Finding {
        let improvement = one.improvement;
        let measure = self.measure(improvement);
        let what = format!("{} on {measure}", improvement.id);
        let subject = format!(
            "{} = {}",
            self.params.component_column, improvement.component
        );
        let mut finding = Finding::new(&self.context.stage, "effect", &subject, &what);
        finding.method = METHOD.to_string();
        finding.evidence.clone_from(&self.evidence);
        if let Some(evidence) = finding.evidence.first_mut() {
            evidence.filter = Some(subject);
        }
        finding.period = format!("{} to {}", improvement.date, improvement.date);
        finding = finding
            .number("improvement", improvement.id.clone())
            .number("date", improvement.date.to_string());
        if let Some(expected) = improvement.expected_relative {
            finding = finding.number("expected_relative", expected);
        }
        match &one.outcome {
            Outcome::Measured(measured) => self.measured(finding, improvement, measured),
            Outcome::TooEarly(message) => {
                finding.sentence = fill(
                    "{title} ({component}, {date}): {message}.",
                    &[
                        ("title", &improvement.title),
                        ("component", &improvement.component),
                        ("date", &long(improvement.date)),
                        ("message", message),
                    ],
                );
                finding.number("verdict", Verdict::TooEarly.word())
            }
            Outcome::Not(message) => {
                finding.caveats.push(format!("No estimate: {message}."));
                finding.sentence = fill(
                    "{title} ({component}, {date}) could not be measured: {message}.",
                    &[
                        ("title", &improvement.title),
                        ("component", &improvement.component),
                        ("date", &long(improvement.date)),
                        ("message", message),
                    ],
                );
                finding.number("verdict", "not measured")
            }
        }
    }

    fn measured(
        &self,
        mut finding: Finding,
        improvement: &Improvement,
        measured: &Measured,
    ) -> Finding {
        let estimate = &measured.estimate;
        let verdict = measured.verdict;
        let decided = matches!(verdict, Verdict::Works | Verdict::Harmful);
        finding.direction = match (decided, estimate.absolute[0] < 0.0) {
            (false, _) => Direction::None,
            (true, true) => Direction::Down,
            (true, false) => Direction::Up,
        };
        let [value, low, high] = estimate.absolute;
        finding.magnitude = Some(Magnitude::interval95(
            value,
            low,
            high,
            self.unit(improvement),
        ));
        finding.n = (estimate.steps_before + estimate.steps_after) as u64;
        finding.p = Some(estimate.placebo_p);
        finding.p_adjusted = Some(measured.p_adjusted);
        finding.period = self.span(measured.change, measured.end);
        finding.baseline = Some(format!(
            "what was expected without it, from {}",
            self.span(measured.begin, measured.change)
        ));
        finding.severity = match verdict {
            Verdict::Harmful => Severity::Warning,
            Verdict::Works => Severity::Notice,
            _ => Severity::Info,
        };
        finding.confidence = if decided {
            (1.0 - measured.p_adjusted).min(0.99)
        } else {
            0.5
        };
        finding.caveats.clone_from(&measured.caveats);
        if estimate.placebos.is_empty() {
            finding.caveats.push(
                "There is no earlier stretch to run a placebo on, so nothing can be confirmed."
                    .to_string(),
            );
        }
        finding.sentence = self.sentence(improvement, measured);
        let numbers = |values: [f64; 3]| values.map(Value::from).to_vec();
        finding
            .number("verdict", verdict.word())
            .number("before", estimate.before)
            .number("after", estimate.after)
            .number("counterfactual", estimate.counterfactual)
            .number("absolute", numbers(estimate.absolute))
            .number("relative", numbers(estimate.relative))
            .number("cumulative", numbers(estimate.cumulative))
            .number("placebo_p", estimate.placebo_p)
            .number("placebos", estimate.placebos.len() as u64)
            .number("structural_p", estimate.structural_p)
            .number("days_before", estimate.steps_before as u64)
            .number("days_after", estimate.steps_after as u64)
            .number("controls", measured.controls.clone())
    }

    fn sentence(&self, improvement: &Improvement, measured: &Measured) -> String {
        let estimate = &measured.estimate;
        let measure = self.measure(improvement);
        let amount = |value: f64| {
            let value = if value.abs() >= 100.0 {
                value.round()
            } else {
                (value * 10.0).round() / 10.0
            };
            number::with_unit(value, &self.params.unit)
        };
        let [relative, low, high] = estimate.relative;
        let side = if estimate.absolute[0] < 0.0 {
            "lower"
        } else {
            "higher"
        };
        // Shares of next to nothing say less than amounts.
        let (size, range) = if relative.is_finite() && high < RELATIVE_MAX {
            let ends = format!("{} to {}", number::change(low), number::change(high));
            (number::change(relative.abs()).replace('+', ""), ends)
        } else {
            let [value, low, high] = estimate.absolute;
            (
                format!(
                    "{} a day",
                    number::difference(value.abs(), &self.params.unit)
                ),
                number::interval(low, high),
            )
        };
        let template = match measured.verdict {
            Verdict::Works | Verdict::Harmful => {
                "{title} {verdict}: {measure} in {component} {are} {size} {side} compared with what was \
                 expected without it (95 % interval {range}), {after} a day instead of {expected} \
                 over {days} ({p})."
            }
            _ => {
                "{title}: no clear effect on {measure} in {component}, {size} {side} compared with \
                 what was expected without it (95 % interval {range}), {after} a day instead of \
                 {expected} over {days} ({p})."
            }
        };
        fill(
            template,
            &[
                ("title", &improvement.title),
                (
                    "verdict",
                    if measured.verdict == Verdict::Works {
                        "works"
                    } else {
                        "does harm"
                    },
                ),
                ("measure", &measure),
                ("component", &improvement.component),
                ("are", if measure.ends_with('s') { "are" } else { "is" }),
                ("size", &size),
                ("side", side),
                ("range", &range),
                ("after", &amount(estimate.after)),
                ("expected", &amount(estimate.counterfactual)),
                ("days", &number::plural(estimate.steps_after as u64, "day")),
                ("p", &placebo_words(measured)),
            ],
        )
    }

    fn effect(&self, one: &Judged) -> Option<Effect> {
        let improvement = one.improvement;
        let measure = self.measure(improvement);
        let mut effect = Effect {
            improvement: improvement.id.clone(),
            title: improvement.title.clone(),
            date: improvement.date.to_string(),
            metric: format!("{measure} in {}", improvement.component),
            unit: self.unit(improvement),
            lower_is_better: improvement.lower_is_better,
            before: 0.0,
            after: 0.0,
            counterfactual: 0.0,
            absolute: [0.0; 3],
            relative: [0.0; 3],
            placebo_p: 1.0,
            placebo_p_corrected: None,
            placebos: 0,
            days_before: 0,
            days_after: 0,
            controls: Vec::new(),
            verdict: Verdict::TooEarly,
        };
        match &one.outcome {
            Outcome::Not(_) => None,
            Outcome::TooEarly(_) => {
                self.without_counterfactual(improvement, &mut effect);
                Some(effect)
            }
            Outcome::Measured(measured) => {
                let estimate = &measured.estimate;
                effect.before = estimate.before;
                effect.after = estimate.after;
                effect.counterfactual = estimate.counterfactual;
                effect.absolute = estimate.absolute;
                // JSON has no NaN; a relative effect that is not defined is shown as none.
                effect.relative = estimate
                    .relative
                    .map(|v| if v.is_finite() { v } else { 0.0 });
                effect.placebo_p = estimate.placebo_p;
                effect.placebo_p_corrected = Some(measured.p_adjusted);
                effect.placebos = estimate.placebos.len() as u64;
                effect.days_before = estimate.steps_before as u64;
                effect.days_after = estimate.steps_after as u64;
                effect.controls.clone_from(&measured.controls);
                effect.verdict = measured.verdict;
                Some(effect)
            }
        }
    }

    /// Means and days of an improvement that cannot be judged yet: its counterfactual is the mean
    /// before, so that no effect is claimed.
    fn without_counterfactual(&self, improvement: &Improvement, effect: &mut Effect) {
        let found = self
            .lines
            .groups
            .iter()
            .find(|line| line.label == improvement.component);
        let Some(line) = found else { return };
        let change = self.lines.index_of(improvement.date).min(line.values.len());
        let begin = change.saturating_sub(self.params.pre_days as usize);
        let mean = |values: &[Option<f64>]| {
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
            (mean, known.len() as u64)
        };
        (effect.before, effect.days_before) = mean(&line.values[begin..change]);
        (effect.after, effect.days_after) = mean(&line.values[change..]);
        effect.counterfactual = effect.before;
    }

    fn table(judged: &[Judged]) -> Table {
        let mut table = Table::new(
            "Improvements and what they did.",
            &[
                "<improvement",
                "<component",
                "<date",
                ">before",
                ">after",
                ">expected",
                ">effect",
                ">95 % interval",
                ">placebo p",
                ">p corrected",
                "<verdict",
            ],
        );
        let dash = || "–".to_string();
        for one in judged {
            let improvement = one.improvement;
            let mut row = [
                format!("{}: {}", improvement.id, improvement.title),
                improvement.component.clone(),
                improvement.date.to_string(),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                "not measured".to_string(),
            ];
            match &one.outcome {
                Outcome::TooEarly(_) => row[10] = Verdict::TooEarly.word().to_string(),
                Outcome::Not(_) => {}
                Outcome::Measured(measured) => {
                    let estimate = &measured.estimate;
                    let [relative, low, high] = estimate.relative;
                    row[3] = number::fixed(estimate.before, 1);
                    row[4] = number::fixed(estimate.after, 1);
                    row[5] = number::fixed(estimate.counterfactual, 1);
                    row[6] = number::change(relative);
                    row[7] = format!("{} to {}", number::change(low), number::change(high));
                    row[8] = number::p_bare(estimate.placebo_p);
                    row[9] = number::p_bare(measured.p_adjusted);
                    row[10] = measured.verdict.word().to_string();
                }
            }
            table.push(row);
        }
        table.top(40)
    }

    fn chart(&self, one: &Judged) -> Option<Chart> {
        let Outcome::Measured(measured) = &one.outcome else {
            return None;
        };
        let improvement = one.improvement;
        let line = self
            .lines
            .groups
            .iter()
            .find(|line| line.label == improvement.component)?;
        let Measured {
            begin, change, end, ..
        } = **measured;
        let times = self.lines.starts[begin..end].to_vec();
        let measure = self.measure(improvement);
        let estimate = &measured.estimate;
        let floor = if line.values.iter().flatten().all(|value| *value >= 0.0) {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        let title = format!(
            "{}: {} ({})",
            improvement.id,
            measured.verdict.word(),
            number::change(estimate.relative[0])
        );
        Some(Chart {
            id: format!(
                "{}-{}",
                self.context.stage,
                Finding::identity("chart", &improvement.component, &improvement.id)
            ),
            alt: format!(
                "{measure} in {} from {}: {} a day after the change on {}, {} expected without it.",
                improvement.component,
                self.span(begin, end),
                number::fixed(estimate.after, 1),
                improvement.date,
                number::fixed(estimate.counterfactual, 1),
            ),
            title,
            unit: self.unit(improvement),
            kind: ChartKind::BeforeAfter {
                observed: Series {
                    name: measure.clone(),
                    times: times.clone(),
                    values: line.values[begin..end].to_vec(),
                    role: Role::Observed,
                },
                counterfactual: Series {
                    name: "expected without it".to_string(),
                    values: estimate.expected.clone(),
                    times: times.clone(),
                    role: Role::Expected,
                },
                band: Band {
                    name: "95 % interval".to_string(),
                    times: times[change - begin..].to_vec(),
                    lower: estimate
                        .band
                        .iter()
                        .map(|band| band[0].max(floor))
                        .collect(),
                    upper: estimate
                        .band
                        .iter()
                        .map(|band| band[1].max(floor))
                        .collect(),
                },
                change: improvement.date.at(0, 0, 0, 0),
                change_label: improvement.id.clone(),
            },
            table: None,
        })
    }
}

/// "placebo p = 0.003; p = 0.007 corrected for 4 improvements".
fn placebo_words(measured: &Measured) -> String {
    let placebo = format!("placebo {}", number::p_value(measured.estimate.placebo_p));
    if measured.judged < 2 {
        return placebo;
    }
    format!(
        "{placebo}; {} corrected for {}",
        number::p_value(measured.p_adjusted),
        number::plural(measured.judged as u64, "improvement")
    )
}

/// One row an improvement, for stages that come after.
fn frame_of(judged: &[Judged]) -> Result<DataFrame, StageError> {
    let text = |value: &dyn Fn(&Judged) -> String| judged.iter().map(value).collect::<Vec<_>>();
    let value = |of: &dyn Fn(&Measured) -> f64| {
        judged
            .iter()
            .map(|one| match &one.outcome {
                Outcome::Measured(measured) => Some(of(measured)).filter(|value| value.is_finite()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let verdict = |one: &Judged| match &one.outcome {
        Outcome::Measured(measured) => measured.verdict.word().to_string(),
        Outcome::TooEarly(_) => Verdict::TooEarly.word().to_string(),
        Outcome::Not(_) => "not measured".to_string(),
    };
    Ok(DataFrame::new_infer_height(vec![
        Column::new("id".into(), text(&|one| one.improvement.id.clone())),
        Column::new(
            "component".into(),
            text(&|one| one.improvement.component.clone()),
        ),
        Column::new("date".into(), text(&|one| one.improvement.date.to_string())),
        Column::new("before".into(), value(&|m| m.estimate.before)),
        Column::new("after".into(), value(&|m| m.estimate.after)),
        Column::new(
            "counterfactual".into(),
            value(&|m| m.estimate.counterfactual),
        ),
        Column::new("relative".into(), value(&|m| m.estimate.relative[0])),
        Column::new("relative_lower".into(), value(&|m| m.estimate.relative[1])),
        Column::new("relative_upper".into(), value(&|m| m.estimate.relative[2])),
        Column::new("placebo_p".into(), value(&|m| m.estimate.placebo_p)),
        Column::new("verdict".into(), text(&verdict)),
    ])?)
}

#[cfg(test)]
mod tests;
