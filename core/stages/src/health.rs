//! Health: a score and a state for every component, from the findings of other stages.
//!
//! ```toml
//! [stage.health]
//! kind     = "health"
//! findings = ["key_figures", "unusual_days", "outlook"]
//! ```
//!
//! # Method
//! A component begins with 100 points. Points are deducted for each finding about it: 5 for a
//! notice, 15 for a warning, 30 for a critical one and for a component that has fallen silent, of
//! which nothing else is known; 10 for a target that the component's own figure clearly misses,
//! without a finding. At most 40 points are deducted for one chapter of the report. Effects of
//! improvements count only if they are harmful. Of a trend, a step and a forecast of one series in
//! one direction, the most severe counts in full and the others as notices at most.
//!
//! | score | state |
//! |---|---|
//! | 90 to 100 | excellent |
//! | 75 to 89 | good |
//! | 50 to 74 | needs attention |
//! | below 50 | critical |
//!
//! The overall score is halfway between the mean of the components and the worst of them. History
//! comes from the ledger. A component that needs attention in `escalate_after` windows in a row is
//! reported as a warning, a critical component as a critical finding; findings about all records
//! together are part of the overall score, which is reported in the same way. A score that fell in three
//! windows in a row, and a forecast that needs attention, are early warnings.
//!
//! # Caveats
//! Points are a convention: they rank components and show a direction, but are not a measurement. A
//! component without findings and key figures has no score.

use crate::{
    Analysis, Context, Inputs, Reads, StageError, StageKind, anomaly::SILENCE, with_findings,
};
use jiff::civil::DateTime;
use retrocast_domain::{
    ActionRequest, Cell, Chapter, Chart, ChartKind, Direction, Finding, Health, HealthPart,
    HealthState, Kpi, Magnitude, Severity, Table, chart::Panel, finding::group_of, number,
    overlap::demote_covered,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

mod history;
mod result;
#[cfg(test)]
mod tests;

use history::History;

/// The registered kind.
pub const HEALTH: StageKind = StageKind {
    name: "health",
    chapter: Some(Chapter::Figures),
    code_version: 4,
    summary: "Scores the health of each component from the findings about it.",
    manual: include_str!("health.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Findings,
    earlier_values: false,
    ledger: &[history::TABLE],
    run,
};

/// Maximum number of points deducted for a chapter.
const CHAPTER_MAX: f64 = 40.0;
/// Points deducted for a target that is clearly missed, without a finding about it.
const MISSED_TARGET: f64 = 10.0;
/// Points deducted for a component whose records have stopped.
const SILENT: f64 = 30.0;
/// Number of windows in a row with a falling score that is an early warning.
const FALLS_MIN: u64 = 3;
/// Name of the overall score among those of components.
const OVERALL: &str = "overall";
/// The component of findings about all records together.
const ALL: &str = "all";
/// Maximum number of risks in the table.
const RISKS_MAX: usize = 15;
/// Maximum number of earlier windows in the chart.
const PANEL_WINDOWS_MAX: usize = 26;

fn default_escalate() -> u64 {
    3
}

/// Params of the stage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Stages whose findings and key figures are read.
    #[schemars(length(min = 1), extend("x-dataset" = true))]
    #[expect(dead_code, reason = "the cells of these stages are in the context")]
    findings: Vec<String>,
    /// Number of windows in a row in which a component needs attention before it is reported as a
    /// warning.
    #[serde(default = "default_escalate")]
    #[schemars(range(min = 1, max = 100))]
    escalate_after: u64,
}

/// Points deducted for a finding; zero if it reports no harm.
fn points(finding: &Finding) -> f64 {
    let is_harm = match finding.chapter {
        Chapter::Improvements => finding.severity >= Severity::Warning,
        Chapter::Recommendations | Chapter::Rows => false,
        _ => true,
    };
    match finding.severity {
        _ if !is_harm => 0.0,
        _ if finding
            .numbers
            .get("type")
            .is_some_and(|kind| kind == SILENCE) =>
        {
            SILENT
        }
        Severity::Info => 0.0,
        Severity::Notice => 5.0,
        Severity::Warning => 15.0,
        Severity::Critical => 30.0,
    }
}

fn chapter_name(chapter: Chapter) -> &'static str {
    match chapter {
        Chapter::Data => "records",
        Chapter::Figures => "figures",
        Chapter::Events => "events",
        Chapter::Changes => "changes",
        Chapter::Rhythm => "rhythm",
        Chapter::Outlook => "outlook",
        Chapter::Improvements => "improvements",
        Chapter::Recommendations | Chapter::Other | Chapter::Rows => "other",
    }
}

/// Deductions of each component by chapter: points, and number of findings.
type Deductions<'a> = BTreeMap<&'a str, BTreeMap<&'static str, (f64, u64)>>;

fn deductions(cells: &[Cell]) -> Deductions<'_> {
    let mut deductions = Deductions::new();
    let mut deduct = |subject, name, points: f64| {
        let parts = deductions.entry(group_of(subject)).or_default();
        if points > 0.0 {
            let part: &mut (f64, u64) = parts.entry(name).or_default();
            (part.0, part.1) = (part.0 + points, part.1 + 1);
        }
    };
    for cell in cells {
        for finding in &cell.findings {
            deduct(
                &finding.subject,
                chapter_name(finding.chapter),
                points(finding),
            );
        }
        for kpi in cell.kpis.iter().chain(&cell.group_kpis) {
            let points = if is_missed(kpi, &cell.findings) {
                MISSED_TARGET
            } else {
                0.0
            };
            deduct(&kpi.subject, chapter_name(Chapter::Figures), points);
        }
    }
    deductions
}

/// Returns true if a key figure clearly misses its target and no finding reports it.
fn is_missed(kpi: &Kpi, findings: &[Finding]) -> bool {
    let is_about = |finding: &Finding| {
        group_of(&finding.subject) == group_of(&kpi.subject)
            && finding
                .what
                .to_lowercase()
                .contains(&kpi.name.to_lowercase())
    };
    kpi.misses_target() && kpi.is_target_proven() && !findings.iter().any(is_about)
}

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let history = History::read(inputs)?;
    // As in the report: a step and a trend of one series are one warning.
    let mut cells = context.cells.clone();
    demote_covered(&mut cells);
    let mut component_health: Vec<Health> = deductions(&cells)
        .into_iter()
        .map(|(component, parts)| {
            let parts: Vec<HealthPart> = parts
                .into_iter()
                .map(|(name, (points, findings))| HealthPart {
                    name: name.to_string(),
                    points: points.min(CHAPTER_MAX),
                    findings,
                })
                .collect();
            let score = 100.0 - parts.iter().map(|part| part.points).sum::<f64>();
            with_history(context, &history, component, score.max(0.0), parts)
        })
        .collect();
    component_health.sort_by(|a, b| {
        a.score
            .total_cmp(&b.score)
            .then_with(|| a.component.cmp(&b.component))
    });
    let mut cell = Cell::new(&context.stage, HEALTH.name);
    cell.title = if context.title.is_empty() {
        "Health of components".to_string()
    } else {
        context.title.clone()
    };
    cell.method = "100 points less deductions for findings, by severity".to_string();
    let Some(worst) = component_health.first().map(|health| health.score) else {
        cell.did = "Found no component with findings or key figures.".to_string();
        return Ok(Analysis {
            cell: with_findings(cell, Vec::new()),
            frame: None,
        });
    };
    let mean = component_health
        .iter()
        .map(|health| health.score)
        .sum::<f64>()
        / component_health.len() as f64;
    let overall = with_history(
        context,
        &history,
        OVERALL,
        f64::midpoint(mean, worst),
        Vec::new(),
    );
    cell.did = format!(
        "Scored {}: overall {} of 100, {}.",
        number::plural(component_health.len() as u64, "component"),
        number::fixed(overall.score, 0),
        overall.state.word()
    );
    // The overall score of a single component adds nothing to it.
    let summarised = match component_health.as_slice() {
        [single] if single.component != ALL => None,
        _ => Some(&overall),
    };
    let findings = component_health
        .iter()
        .filter(|health| health.component != ALL)
        .chain(summarised)
        .filter_map(|health| finding(context, &params, &history, health))
        .collect();
    component_health.insert(0, overall);
    cell.tables.push(score_table(&component_health));
    cell.tables.extend(risk_table(&cells, &component_health));
    cell.charts
        .extend(chart(context, &history, &component_health));
    let frame = result::frame(&component_health)?;
    cell.health = component_health;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}

/// Compares a score with those of earlier windows.
fn with_history(
    context: &Context,
    history: &History,
    component: &str,
    score: f64,
    parts: Vec<HealthPart>,
) -> Health {
    let state = HealthState::from_score(score);
    let before = history.previous(&context.window, component);
    Health {
        component: component.to_string(),
        score,
        state,
        parts,
        previous: before.map(|earlier| earlier.score),
        poor_times: if state.is_poor() {
            before.map_or(0, |earlier| earlier.poor_times) + 1
        } else {
            0
        },
        falls: match before {
            Some(earlier) if score < earlier.score => earlier.falls + 1,
            _ => 0,
        },
    }
}

/// The finding on a component that is critical, or has needed attention for a long time.
fn finding(
    context: &Context,
    params: &Params,
    history: &History,
    health: &Health,
) -> Option<Finding> {
    let is_long = health.poor_times >= params.escalate_after;
    let severity = match (health.state, is_long) {
        (HealthState::Critical, true) => Severity::Critical,
        (HealthState::Critical, false) | (HealthState::NeedsAttention, true) => Severity::Warning,
        _ => return None,
    };
    let is_critical = health.state == HealthState::Critical;
    let is_overall = health.component == OVERALL;
    // A claim of its own, so that the overall score is not one more component in a list.
    let [name, subject, what] = if is_overall {
        ["Overall health", ALL, "overall health"]
    } else {
        [&*health.component, &*health.component, "health"]
    };
    let state = match (is_critical, is_overall) {
        (false, _) => "needs attention",
        (true, false) => "is in critical health",
        (true, true) => "is critical",
    };
    let noun = context.window.spec.noun();
    let duration = match times_in_state(context, history, health) {
        0 | 1 => String::new(),
        times => format!(" for {} in a row", number::plural(times, noun)),
    };
    let before = health.previous.map_or_else(String::new, |before| {
        format!(", {} the {noun} before", number::fixed(before, 0))
    });
    let parts: Vec<String> = health.parts.iter().map(format_part).collect();
    let parts = match parts.as_slice() {
        [] => String::new(),
        parts => format!(" (less {})", number::list(parts)),
    };
    let mut finding = Finding::new(&context.stage, HEALTH.name, subject, what);
    finding.sentence = format!(
        "{name} {state}{duration}: {} of 100 points{before}{parts}.",
        number::fixed(health.score, 0),
    );
    // A request names the component after its subject: "Health in billing is critical".
    finding.request = Some(ActionRequest::new(
        what,
        format!(
            "{}{duration}",
            if is_critical { "is critical" } else { state }
        ),
        "name an owner",
    ));
    finding.direction = Direction::Down;
    finding.severity = severity;
    finding.confidence = 0.9;
    finding.n = health.parts.iter().map(|part| part.findings).sum();
    finding.magnitude = Some(Magnitude::point(health.score, "points"));
    finding.method = "100 points less deductions for findings, by severity".to_string();
    let last = context.window.end.yesterday().unwrap_or(context.window.end);
    finding.period = format!("{} to {last}", context.window.start);
    Some(finding)
}

/// Number of windows in a row, up to this one, in the state that a finding reports. A critical
/// component also needs attention, but one that needs attention is not critical.
fn times_in_state(context: &Context, history: &History, health: &Health) -> u64 {
    if health.state != HealthState::Critical {
        return health.poor_times;
    }
    // The last windows of the count of poor ones follow each other without a gap.
    let earlier = history.before(&context.window, &health.component);
    let consecutive = earlier.iter().rev();
    let consecutive = consecutive.take(health.poor_times.saturating_sub(1) as usize);
    let critical = consecutive
        .take_while(|earlier| HealthState::from_score(earlier.score) == HealthState::Critical);
    critical.count() as u64 + 1
}

/// Formats a deduction: "15 for events".
fn format_part(part: &HealthPart) -> String {
    format!("{} for {}", number::fixed(part.points, 0), part.name)
}

fn score_table(components: &[Health]) -> Table {
    let mut table = Table::new(
        "Health of components, the worst first: 100 points less deductions for findings.",
        &[
            "<component",
            "<state",
            ">points",
            ">before",
            "<deducted",
            ">poor in a row",
            "<early warning",
        ],
    );
    for health in components {
        let parts: Vec<String> = health.parts.iter().map(format_part).collect();
        table.push([
            health.component.clone(),
            health.state.word().to_string(),
            number::fixed(health.score, 0),
            health
                .previous
                .map_or_else(|| "–".to_string(), |before| number::fixed(before, 0)),
            parts.join(", "),
            match health.poor_times {
                0 => String::new(),
                times => number::count(times),
            },
            if health.falls >= FALLS_MIN {
                format!("fell {} times in a row", number::count(health.falls))
            } else {
                String::new()
            },
        ]);
    }
    table.top(60)
}

/// The table of risks: warnings, and forecasts that need attention.
fn risk_table(cells: &[Cell], components: &[Health]) -> Option<Table> {
    let is_risk = |finding: &&Finding| {
        let least = match finding.chapter {
            Chapter::Outlook => Severity::Notice,
            _ => Severity::Warning,
        };
        points(finding) > 0.0 && finding.severity >= least
    };
    let mut risks: Vec<&Finding> = cells
        .iter()
        .flat_map(|cell| &cell.findings)
        .filter(is_risk)
        .collect();
    if risks.is_empty() {
        return None;
    }
    risks.sort_by(|a, b| retrocast_domain::finding::by_importance(a, b));
    let mut table = Table::new(
        "Risks: present and expected problems, with the confidence in them.",
        &["<component", "<state", "<risk", "<severity", ">confidence"],
    );
    for risk in risks {
        let name = group_of(&risk.subject);
        let state = components.iter().find(|health| health.component == name);
        table.push([
            name.to_string(),
            state.map_or_else(String::new, |health| health.state.word().to_string()),
            risk.sentence.clone(),
            format!("{:?}", risk.severity).to_lowercase(),
            number::fixed(risk.confidence, 2),
        ]);
    }
    Some(table.top(RISKS_MAX))
}

/// The scores of the last windows, the worst components first.
fn chart(context: &Context, history: &History, components: &[Health]) -> Option<Chart> {
    let panels: Vec<Panel> = components
        .iter()
        .take(12)
        .map(|health| {
            let earlier = history.before(&context.window, &health.component);
            let earlier = &earlier[earlier.len().saturating_sub(PANEL_WINDOWS_MAX)..];
            let mut times: Vec<DateTime> = earlier.iter().map(|score| score.window_start).collect();
            let mut values: Vec<Option<f64>> =
                earlier.iter().map(|score| Some(score.score)).collect();
            times.push(context.window.start.at(0, 0, 0, 0));
            values.push(Some(health.score));
            Panel {
                label: health.component.clone(),
                times,
                values,
                note: number::fixed(health.score, 0),
                highlight: health.state.is_poor(),
            }
        })
        .collect();
    let windows = panels.iter().map(|panel| panel.times.len()).max()?;
    if windows < 3 {
        return None;
    }
    let overall = components.first()?;
    Some(Chart {
        id: format!("{}-scores", context.stage),
        title: format!(
            "Overall health {}: {} of 100 points",
            match overall.state {
                HealthState::NeedsAttention => "needs attention".to_string(),
                state => format!("is {}", state.word()),
            },
            number::fixed(overall.score, 0)
        ),
        unit: "points".to_string(),
        alt: format!(
            "Scores over {}: {}.",
            number::plural(windows as u64, "window"),
            number::list(
                &panels
                    .iter()
                    .map(|panel| format!("{} {}", panel.label, panel.note))
                    .collect::<Vec<_>>()
            )
        ),
        kind: ChartKind::SmallMultiples { panels },
        table: None,
    })
}
