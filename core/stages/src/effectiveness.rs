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
    steps::{self, Gather, Line, Lines, Request, Step},
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
    code_version: 1,
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
    aggregate: Option<Gather>,
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
    verdict: Verdict,
}

const METHOD: &str = "Structural time series counterfactual (Brodersen et al., 2015) with placebo in \
                      time; Holm over improvements";
/// Level of the tests that a verdict rests on.
const ALPHA: f64 = 0.05;
/// Fewest days before a change, real or placebo.
const PRE_MIN: usize = 42;
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
        gather: Gather::chosen(params.aggregate, params.value.as_deref()),
        step: Step::Day,
    };
    let lines = steps::collect(context, input, &request)?;
    let mut cell = Cell::new(&context.stage, EFFECTIVENESS.name);
    cell.title = if context.title.is_empty() {
        "Did the improvements work?".to_string()
    } else {
        context.title.clone()
    };
    cell.method = METHOD.to_string();
    cell.caveats.clone_from(&lines.caveats);
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
        frame::numbers(register, "expected_relative")?
    } else {
        vec![None; height]
    };
    let lower = if has("lower_is_better") {
        frame::numbers(register, "lower_is_better")?
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
            id: id.clone(),
            title: titles[i].clone().unwrap_or_else(|| id.clone()),
            component: component.clone(),
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
fn judge<'a>(params: &Params, lines: &Lines, improvements: &'a [Improvement]) -> Vec<Judged<'a>> {
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
    lines: &Lines,
    all: &[Improvement],
    improvement: &Improvement,
) -> Outcome {
    let component = &improvement.component;
    let Some(line) = lines.groups.iter().find(|line| line.label == *component) else {
        return Outcome::Not(format!(
            "the data have no {} {component:?}",
            params.component_column
        ));
    };
    let n = lines.times.len();
    let change = lines.index_of(improvement.date);
    // Other improvements of the component bound the days before and after.
    let others: Vec<usize> = all
        .iter()
        .filter(|other| other.id != improvement.id && other.component == *component)
        .map(|other| lines.index_of(other.date))
        .collect();
    let mut caveats = Vec::new();
    let end = bound_after(params, change, n, &others, &mut caveats);
    let days_after = line.values[change.min(n)..end].iter().flatten().count();
    if days_after < params.min_post as usize {
        return Outcome::TooEarly(format!(
            "too early: have {} after the change, need {}",
            number::plural(days_after as u64, "day"),
            params.min_post
        ));
    }
    let history = line.values.iter().position(Option::is_some).unwrap_or(0);
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
            verdict: Verdict::Unclear,
        })),
        Err(error) => Outcome::Not(error.to_string()),
    }
}

/// Where the days after end: the asked number of days, the data, or the component's next improvement.
fn bound_after(
    params: &Params,
    change: usize,
    n: usize,
    others: &[usize],
    caveats: &mut Vec<String>,
) -> usize {
    let end = (change + params.post_days as usize)
        .min(n)
        .max(change.min(n));
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
    lines: &'a Lines,
    line: &Line,
    all: &[Improvement],
    begin: usize,
    change: usize,
    end: usize,
) -> Vec<&'a Line> {
    let changed = |label: &str| {
        all.iter().any(|other| {
            other.component == label && (begin..end).contains(&lines.index_of(other.date))
        })
    };
    let adjusted = |line: &Line| {
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
    let candidates: Vec<&Line> = lines
        .groups
        .iter()
        .filter(|other| other.label != line.label && !changed(&other.label))
        .filter(|other| other.values[begin..end].iter().all(Option::is_some))
        .collect();
    let limit = 2.6 + (candidates.len().max(1) as f64).ln() / 3.0;
    let mut scored: Vec<(f64, &Line)> = candidates
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
    lines: &'a Lines,
    evidence: Vec<Evidence>,
}

impl Reporter<'_> {
    fn measure(&self, improvement: &Improvement) -> String {
        let register = (!improvement.metric.is_empty()).then_some(improvement.metric.as_str());
        let asked = self.params.measure.as_deref().or(register);
        steps::measure(asked, self.params.value.as_deref(), &self.params.input)
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
        let day = |i: usize| self.lines.times[i].date();
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
        let (size, range) = if relative.is_finite() {
            let ends = format!("{} to {}", number::change(low), number::change(high));
            (number::change(relative.abs()).replace('+', ""), ends)
        } else {
            let [value, low, high] = estimate.absolute;
            (number::sensible(value.abs()), number::interval(low, high))
        };
        let template = match measured.verdict {
            Verdict::Works | Verdict::Harmful => {
                "{title} {verdict}: {measure} in {component} {are} {size} {side} compared with what was \
                 expected without it (95 % interval {range}), {after} a day instead of {expected} \
                 over {days} (placebo {p})."
            }
            _ => {
                "{title}: no clear effect on {measure} in {component}, {size} {side} compared with \
                 what was expected without it (95 % interval {range}), {after} a day instead of \
                 {expected} over {days} (placebo {p})."
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
                ("p", &number::p_value(measured.p_adjusted)),
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
                "not measured".to_string(),
            ];
            match &one.outcome {
                Outcome::TooEarly(_) => row[9] = Verdict::TooEarly.word().to_string(),
                Outcome::Not(_) => {}
                Outcome::Measured(measured) => {
                    let estimate = &measured.estimate;
                    let [relative, low, high] = estimate.relative;
                    row[3] = number::fixed(estimate.before, 1);
                    row[4] = number::fixed(estimate.after, 1);
                    row[5] = number::fixed(estimate.counterfactual, 1);
                    row[6] = number::change(relative);
                    row[7] = format!("{} to {}", number::change(low), number::change(high));
                    row[8] = number::fixed(measured.p_adjusted, 3);
                    row[9] = measured.verdict.word().to_string();
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
        let times = self.lines.times[begin..end].to_vec();
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
mod tests {
    use super::*;
    use crate::steps::test_data;
    use serde_json::json;

    /// Daily counts with a Monday effect; from 35 days before the end a factor applies.
    fn counts(seed: u64, mean: f64, factor: f64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut uniform = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..420)
            .map(|i| {
                let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
                let monday = if i % 7 == 0 { 1.7 } else { 1.0 };
                let mean = mean * monday * if i >= 385 { factor } else { 1.0 };
                (mean + (mean + mean * mean / 60.0).sqrt() * normal)
                    .round()
                    .max(0.0)
            })
            .collect()
    }

    fn register(rows: &[(&str, &str, &str)]) -> Input {
        let column =
            |pick: fn(&(&str, &str, &str)) -> String| rows.iter().map(pick).collect::<Vec<_>>();
        let dates: Vec<i32> = rows
            .iter()
            .map(|row| {
                let date: Date = row.2.parse().unwrap();
                Date::constant(1970, 1, 1).until(date).unwrap().get_days()
            })
            .collect();
        let dates = polars::prelude::Series::new("date".into(), dates)
            .cast(&DataType::Date)
            .unwrap();
        let frame = DataFrame::new_infer_height(vec![
            Column::new("id".into(), column(|row| row.0.to_string())),
            Column::new("title".into(), column(|row| format!("Change {}", row.0))),
            Column::new("component".into(), column(|row| row.1.to_string())),
            Column::new("metric".into(), column(|_| "failures".to_string())),
            dates.into_column(),
        ])
        .unwrap();
        test_data::input("improvements", frame)
    }

    fn analyse(series: &[(&str, Vec<f64>)], rows: &[(&str, &str, &str)]) -> Analysis {
        let params = json!({
            "improvements": "improvements", "input": "daily_failures", "time": "day",
            "value": "failures", "metric": "failures",
        });
        let inputs = Inputs::from([
            ("daily_failures".to_string(), test_data::daily(series)),
            ("improvements".to_string(), register(rows)),
        ]);
        run(&test_data::context("improvements"), &params, &inputs).unwrap()
    }

    const ROWS: [(&str, &str, &str); 3] = [
        ("IMP-001", "billing", "2026-10-12"),
        ("IMP-002", "search", "2026-10-12"),
        ("IMP-003", "web", "2026-11-12"),
    ];

    #[test]
    fn what_works_is_told_from_what_does_nothing() {
        for seed in 0..8 {
            let series = [
                ("billing", counts(3 * seed + 1, 15.0, 0.65)),
                ("search", counts(3 * seed + 2, 15.0, 1.0)),
                ("web", counts(3 * seed + 3, 15.0, 1.0)),
            ];
            let analysis = analyse(&series, &ROWS);
            let effects = &analysis.cell.effects;
            let verdicts: Vec<Verdict> = effects.iter().map(|effect| effect.verdict).collect();
            let wanted = [Verdict::Works, Verdict::Unclear, Verdict::TooEarly];
            assert_eq!(verdicts, wanted, "seed {seed}: {effects:?}");
            let [relative, low, high] = effects[0].relative;
            assert!(
                low < -0.35 && -0.35 < high,
                "seed {seed}: {relative} [{low}, {high}]"
            );
            assert_eq!(effects[0].days_after, 30);
            assert_eq!(analysis.cell.charts.len(), 2);
        }
    }

    #[test]
    fn sentences_never_say_because() {
        let series = [
            ("billing", counts(1, 15.0, 0.6)),
            ("search", counts(2, 15.0, 1.0)),
        ];
        let analysis = analyse(&series, &ROWS);
        let sentence = |id: &str| {
            let found = analysis
                .cell
                .findings
                .iter()
                .find(|f| f.numbers["improvement"] == id);
            found.unwrap().sentence.clone()
        };
        assert!(sentence("IMP-001").starts_with("Change IMP-001 works: failures in billing are"));
        assert!(sentence("IMP-001").contains("compared with what was expected without it"));
        assert!(sentence("IMP-002").contains("no clear effect"));
        assert!(sentence("IMP-003").contains("could not be measured: the data have no component"));
    }

    #[test]
    fn shared_movement_becomes_a_control() {
        let shared: Vec<f64> = counts(9, 200.0, 0.7);
        let scaled = |seed: u64, share: f64| -> Vec<f64> {
            let own = counts(seed, 20.0, 1.0);
            shared
                .iter()
                .zip(own)
                .map(|(s, o)| (s * share + o).round())
                .collect()
        };
        let series = [("billing", scaled(1, 0.5)), ("search", scaled(2, 0.5))];
        let analysis = analyse(&series, &ROWS[..1]);
        let effect = &analysis.cell.effects[0];
        assert_eq!(effect.controls, ["search"]);
        assert_eq!(effect.verdict, Verdict::Unclear, "{effect:?}");
    }

    #[test]
    fn an_empty_register_is_said() {
        let analysis = analyse(&[("billing", counts(1, 15.0, 1.0))], &[]);
        assert!(matches!(analysis.cell.status, CellStatus::NotEnough { .. }));
    }
}
