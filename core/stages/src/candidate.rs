//! Candidates: effects of changes outside of the register, such as deployments, merges and
//! settings.
//!
//! ```toml
//! [stage.deployments_seen]
//! kind    = "candidate"
//! changes = "deployments"          # columns id, time, and optionally title, component, switch, on
//! input   = "tickets"
//! by      = ["component"]
//! ```
//!
//! # Method
//! Every change is tested on every series that it could affect: the series of its `component` if
//! that exists, otherwise all series. A test looks for a step of the level at the date of the
//! change that lasts until the next actual step, in addition to the weekly season and
//! autocorrelated noise. Changes of one `switch` that is turned on and off are measured together,
//! as the difference between on and off.
//!
//! p-values are corrected for all changes and series (Benjamini and Hochberg, 1995): at most one in
//! twenty of the reported effects is expected to be false (`fdr`). Changes too close to be
//! separated are reported as one, with all their names.
//!
//! Means and medians of days with few records are not used: below ten records, and below a ninth of
//! the usual number, at which the standard error is more than three times the usual one. The level
//! before a change is the mean of the records of 28 days.
//!
//! # Caveats
//! A step at the date of a change does not prove that the change caused it: anything else that
//! happened on that day has the same date. An effect of a candidate is a reason to add it to the
//! register of improvements, where it is compared with a forecast without it.

use crate::{
    Analysis, Context, Inputs, Reads, StageError, StageKind, frame, input,
    series::{self, Aggregate, PartPeriods, Request, SeriesSet, period::Period, words},
    with_findings,
};
use jiff::civil::Date;
use retrocast_domain::{
    Cell, CellStatus, Chapter, Evidence, number,
    result::{ResultTable, column},
};
use retrocast_stats::screening::{Adjustment, Change, Series, Switch, screen};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

mod present;
#[cfg(test)]
mod tests;

use present::Reporter;

/// The registered kind.
pub const CANDIDATE: StageKind = StageKind {
    name: "candidate",
    chapter: Some(Chapter::Improvements),
    code_version: 5,
    summary: "Finds unregistered changes that affected a measure.",
    manual: include_str!("candidate.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&RESULT),
    reads: Reads::Batches,
    earlier_values: false,
    ledger: &[],
    run,
};

/// Maximum number of days to analyse; the latest are kept.
const DAYS_MAX: usize = 1500;
/// Minimum number of days with values.
const DAYS_MIN: usize = 30;
/// Maximum number of groups to analyse; the largest are kept.
const GROUPS_MAX: usize = 200;
/// Number of days before a change whose mean is the level before it.
const DAYS_BEFORE: usize = 28;
/// Maximum number of findings of a stage.
const FINDINGS_MAX: usize = 20;

const RESULT: ResultTable = ResultTable {
    name: "candidate",
    title: "Effects of candidates",
    description: "The dataset of a stage of kind candidate: a row for each change and series.",
    columns: &[
        column(
            "change",
            "text",
            "",
            "Identity of the change, or the name of a switch.",
        ),
        column(
            "group",
            "text",
            "",
            "Group of the series; all without groups.",
        ),
        column("date", "text", "", "Day of the change; empty for a switch."),
        column("effect", "number", "of the measure", "Step of the level."),
        column(
            "effect_lower",
            "number",
            "of the measure",
            "Lower end of its 95 % interval.",
        ),
        column(
            "effect_upper",
            "number",
            "of the measure",
            "Upper end of its 95 % interval.",
        ),
        column("p", "number", "", "p-value of no step."),
        column(
            "p_adjusted",
            "number",
            "",
            "p-value corrected for all changes and series.",
        ),
    ],
};

fn default_true() -> bool {
    true
}

fn default_fdr() -> f64 {
    0.05
}

/// Params of the stage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Dataset of changes: columns `id` and `time`, and optionally `title`, `component`, `switch`
    /// (the name of a setting that is turned on and off) and `on`.
    #[schemars(extend("x-dataset" = true))]
    changes: String,
    /// Dataset with the measure.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column of the time. Default: from the contract.
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Column of the value. Default: records are counted.
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// Aggregate of the records of a day. Default: the sum of `value`, or the number of records.
    aggregate: Option<Aggregate>,
    /// Columns of the groups; a series for each. A change that names a component is tested on the
    /// series of that name.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    by: Vec<String>,
    /// Name of the measure, such as "failures".
    measure: Option<String>,
    /// Unit of the values, such as "ms"; "share" for shares, whose differences are in percentage
    /// points; empty for counts.
    #[serde(default)]
    unit: String,
    /// Set to false if higher values are better.
    #[serde(default = "default_true")]
    lower_is_better: bool,
    /// Maximum expected share of false effects among those reported.
    #[serde(default = "default_fdr")]
    #[schemars(range(min = 0.001, max = 0.5))]
    fdr: f64,
}

/// A row of the dataset of changes.
#[derive(Debug, Clone)]
struct Candidate {
    id: String,
    title: String,
    component: String,
    date: Date,
    switch: Option<(String, bool)>,
}

/// An effect of a change, or of a switch, on a series.
#[derive(Debug, Clone)]
struct Effect {
    /// Index of the change; `None` for a switch.
    change: Option<usize>,
    /// Name of the switch.
    switch: String,
    /// Number of times that the switch was turned on or off.
    turns: usize,
    group: usize,
    effect: [f64; 3],
    /// Mean of the days before the change, or while the switch is off.
    before: f64,
    p: f64,
    adjusted: f64,
    /// Indices of changes that the data cannot separate from it.
    inseparable: Vec<usize>,
}

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let records = input(inputs, &params.input)?;
    let changes = input(inputs, &params.changes)?;
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate: Aggregate::or_default(params.aggregate, params.value.as_deref(), Aggregate::Sum),
        period: Period::Day,
        part_periods: PartPeriods::LeaveOut,
        periods_max: DAYS_MAX,
        without_year: false,
        groups_max: GROUPS_MAX,
        measure: params.measure.as_deref(),
        filter: None,
    };
    let mut set = series::collect(context, records, &request)?;
    set.drop_sparse();
    let candidates = read_candidates(context, changes)?;
    let mut cell = Cell::new(&context.stage, CANDIDATE.name);
    cell.title = if context.title.is_empty() {
        "Unregistered changes".to_string()
    } else {
        context.title.clone()
    };
    cell.method =
        "steps at the dates of changes, false discovery rate by Benjamini and Hochberg (1995)"
            .to_string();
    cell.did = "Could not measure changes.".to_string();
    if !set.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    if candidates.is_empty() {
        cell.status = CellStatus::NotEnough {
            message: format!(
                "not enough: {:?} has no change before the end of the window; add one with id and time",
                params.changes
            ),
        };
        return Ok(Analysis { cell, frame: None });
    }
    let longest = set.groups.iter().map(series::Group::known).max();
    let longest = longest.unwrap_or(0);
    if longest < DAYS_MIN {
        cell.status = CellStatus::NotEnough {
            message: format!(
                "not enough: {} with values, {DAYS_MIN} needed; keep more history in the source",
                number::plural(longest as u64, "day")
            ),
        };
        return Ok(Analysis { cell, frame: None });
    }
    let effects = estimate_effects(&set, &candidates);
    let mut significant: Vec<&Effect> = effects
        .iter()
        .filter(|effect| effect.adjusted <= params.fdr)
        .collect();
    significant.sort_by(|a, b| a.p.total_cmp(&b.p));
    // Changes that the data cannot separate are reported once, with all their names.
    let mut reported: BTreeSet<(usize, usize)> = BTreeSet::new();
    significant.retain(|effect| {
        let Some(change) = effect.change else {
            return true;
        };
        let others = effect.inseparable.iter().copied();
        let is_new = !reported.contains(&(effect.group, change));
        reported.extend(others.chain([change]).map(|change| (effect.group, change)));
        is_new
    });
    let reporter = Reporter {
        context,
        params: &params,
        set: &set,
        candidates: &candidates,
        measure: words::measure(
            params.measure.as_deref(),
            params.value.as_deref(),
            &records.noun(),
        ),
        evidence: vec![
            set.evidence.clone(),
            Evidence {
                dataset: changes.dataset.name.clone(),
                version: changes.dataset.version,
                filter: None,
            },
        ],
    };
    cell.did = format!(
        "Tested {} on {} series: {} at a false discovery rate of {}.",
        number::plural(candidates.len() as u64, "change"),
        number::count(set.groups.len() as u64),
        number::plural(significant.len() as u64, "effect"),
        number::percent(params.fdr),
    );
    if !significant.is_empty() {
        cell.tables.push(reporter.table(&significant).top(60));
    }
    let findings = significant
        .iter()
        .take(FINDINGS_MAX)
        .map(|effect| reporter.finding(effect))
        .collect();
    let frame = reporter.frame(&effects)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}

/// Reads the changes before the window's end, by time and id.
fn read_candidates(
    context: &Context,
    changes: &crate::Input,
) -> Result<Vec<Candidate>, StageError> {
    let optional = ["title", "component", "switch", "on"];
    let mut columns = vec!["id", "time"];
    columns.extend(optional.into_iter().filter(|name| changes.has(name)));
    let rows = changes.read_all(&columns)?;
    let texts = |name: &str| {
        if changes.has(name) {
            frame::texts(&rows, name)
        } else {
            Ok(vec![None; rows.frame.height()])
        }
    };
    let (ids, titles, components) = (texts("id")?, texts("title")?, texts("component")?);
    let (switches, states) = (texts("switch")?, texts("on")?);
    let times = changes.times("time", &context.window.timezone)?;
    let times = times.of(&rows, "time")?;
    let mut candidates: Vec<Candidate> = (0..ids.len())
        .filter_map(|i| {
            let date = times[i]?.date();
            let id = frame::visible(ids[i].clone());
            let is_on = states[i].as_deref() != Some("false");
            (date < context.window.end).then(|| Candidate {
                title: titles[i].clone().unwrap_or_default(),
                component: components[i].clone().unwrap_or_default(),
                switch: switches[i].clone().map(|switch| (switch, is_on)),
                id,
                date,
            })
        })
        .collect();
    candidates.sort_by(|a, b| a.date.cmp(&b.date).then_with(|| a.id.cmp(&b.id)));
    Ok(candidates)
}

/// Estimates the effects of changes on the series that each could affect, with p-values corrected
/// for all of them.
fn estimate_effects(set: &SeriesSet, candidates: &[Candidate]) -> Vec<Effect> {
    let series: Vec<Series> = set
        .groups
        .iter()
        .map(|group| Series {
            values: &group.values,
            season: 7,
        })
        .collect();
    let groups: BTreeMap<&str, usize> = (set.groups.iter().enumerate())
        .map(|(index, group)| (group.label.as_str(), index))
        .collect();
    let changes: Vec<Change> = candidates
        .iter()
        .map(|candidate| Change {
            step: set.index_of(candidate.date),
            series: groups.get(candidate.component.as_str()).copied(),
            switch: (candidate.switch.as_ref()).map(|(kind, on)| Switch { kind, on: *on }),
        })
        .collect();
    let screened = screen(&series, &changes, Adjustment::default());
    let single = screened.effects.into_iter().map(|effect| {
        let step = changes[effect.change].step;
        let days = step.saturating_sub(DAYS_BEFORE)..step;
        let group = &set.groups[effect.series];
        // Days count by their records where values are means of these.
        let (sum, weight) = days.fold((0.0, 0.0), |(sum, total), day| {
            let weight = set.exposure(group).get(day).copied().unwrap_or(1.0);
            match group.values[day] {
                Some(value) => (sum + weight * value, total + weight),
                None => (sum, total),
            }
        });
        Effect {
            change: Some(effect.change),
            switch: String::new(),
            turns: 0,
            group: effect.series,
            effect: effect.effect,
            before: if weight > 0.0 { sum / weight } else { 0.0 },
            p: effect.p,
            adjusted: effect.adjusted,
            inseparable: effect.inseparable,
        }
    });
    let switches = screened.kinds.into_iter().map(|effect| Effect {
        change: None,
        switch: effect.kind,
        turns: effect.changes,
        group: effect.series,
        effect: effect.effect,
        before: effect.off,
        p: effect.p,
        adjusted: effect.adjusted,
        inseparable: Vec::new(),
    });
    single.chain(switches).collect()
}
