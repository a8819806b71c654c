//! The ledger rows of a run: findings, key figures and effects from its folder.

use anyhow::Context as _;
use retrocast_domain::{
    Cell, DatasetRef, Effect, Finding, Kpi, Recommendation, Restatement, Verdict, Window,
    report::EarlierReport,
};
use retrocast_run::{
    Lineage, Plan, RecordedPlan, RunSummary,
    files::{CELLS, FINDINGS as FINDINGS_FILE, REPORT, read_json},
};
use retrocast_store::ledger::{
    EFFECTS, FINDINGS, HEALTH, KPIS, RECOMMENDATIONS, RESTATEMENTS, RUNS, TableRows,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, path::Path};

type Row = Map<String, Value>;

/// The parts of a report file that the ledger needs.
#[derive(Deserialize)]
struct ReportFields {
    #[serde(default)]
    earlier: Option<EarlierReport>,
    provenance: ProvenanceFields,
}

/// The datasets that a report cites.
#[derive(Deserialize)]
struct ProvenanceFields {
    #[serde(default)]
    datasets: Vec<DatasetRef>,
}

/// The window of a run, if its plan is readable.
pub fn window(folder: &Path) -> Option<Window> {
    Some(RecordedPlan::read(folder).ok()?.plan.window)
}

/// Reads the ledger rows of a finished run, by table.
pub fn read(folder: &Path) -> anyhow::Result<TableRows> {
    let RecordedPlan { plan, origin } = RecordedPlan::read(folder)?;
    let findings: Vec<Finding> = read_json(folder.join(FINDINGS_FILE))?;
    let ReportFields {
        earlier,
        provenance,
    } = read_json(folder.join(REPORT))?;
    let cells = cells(folder, &plan)?;
    let figures = cells.iter().flat_map(|cell| {
        let node = plan.node(&format!("stage.{}", cell.stage));
        let kind = retrocast_stages::kind(&cell.kind);
        let has_earlier_values = kind.is_some_and(|kind| kind.earlier_values);
        let lineage = node.filter(|_| has_earlier_values);
        let lineage = lineage.map(|node| plan.lineage(node));
        let figures = cell.kpis.iter();
        figures.map(move |figure| key_figure(&cell.stage, figure, lineage.as_ref()))
    });
    let restated = cells.iter().flat_map(|cell| {
        let figures = cell.restated.iter().flat_map(|restated| &restated.figures);
        figures.map(|figure| restatement(&cell.stage, figure))
    });
    let effects = cells.iter().flat_map(|cell| {
        let effects = cell.effects.iter();
        effects.map(|measured| effect(&cell.stage, measured))
    });
    let health = cells.iter().flat_map(|cell| {
        let health = cell.health.iter();
        health.map(|health| {
            row(json!({
                "stage": cell.stage,
                "component": health.component,
                "score": health.score,
                "state": health.state,
                "poor_times": health.poor_times,
                "falls": health.falls,
            }))
        })
    });
    let recommended = cells.iter().flat_map(|cell| {
        let recommended = cell.recommendations.iter();
        recommended.map(|recommended| recommendation(&cell.stage, recommended))
    });
    let datasets = provenance.datasets.iter();
    let datasets = datasets.map(|dataset| format!("{}@{}", dataset.name, dataset.version));
    let status = json!({
        "status": status_word(folder)?, "date": plan.date.to_string(), "build": origin.build,
        "datasets": datasets.collect::<Vec<_>>().join(" "),
    });
    Ok(BTreeMap::from([
        (
            FINDINGS.name,
            finding_rows(&plan.label, &findings, earlier.as_ref(), &cells),
        ),
        (KPIS.name, figures.collect()),
        (EFFECTS.name, effects.collect()),
        (HEALTH.name, health.collect()),
        (RECOMMENDATIONS.name, recommended.collect()),
        (RESTATEMENTS.name, restated.collect()),
        (RUNS.name, vec![row(status)]),
    ]))
}

/// Status of the run, as a word.
fn status_word(folder: &Path) -> anyhow::Result<String> {
    let run = RunSummary::read(folder)
        .with_context(|| format!("cannot read the journal in {}", folder.display()))?;
    Ok(run.status.word().to_string())
}

/// The cells of stages in the order of the plan.
fn cells(folder: &Path, plan: &Plan) -> anyhow::Result<Vec<Cell>> {
    let nodes = plan.nodes.iter();
    let stages = nodes.filter(|node| !node.is_source() && !node.is_report());
    let cells = stages.map(|node| {
        let path = folder.join(CELLS).join(format!("{}.json", node.short()));
        Ok(read_json(path)?)
    });
    cells.collect()
}

/// Rows of the findings, each with its first window and its number of consecutive runs, and of the
/// resolved findings of the earlier report.
fn finding_rows(
    window: &str,
    findings: &[Finding],
    earlier: Option<&EarlierReport>,
    cells: &[Cell],
) -> Vec<Row> {
    let current = EarlierReport::new(window, findings, earlier);
    let mut rows: Vec<Row> = findings
        .iter()
        .filter_map(|finding| {
            let tracked = current.find(finding)?;
            let state = if tracked.times > 1 {
                "persisting"
            } else {
                "new"
            };
            let magnitude = finding.magnitude.as_ref();
            Some(row(json!({
                "id": finding.id,
                "state": state,
                "since": tracked.since,
                "times": tracked.times,
                "stage": finding.stage,
                "severity": finding.severity,
                "sentence": finding.sentence,
                "kind": finding.kind,
                "subject": finding.subject,
                "what": finding.what,
                "direction": finding.direction,
                "value": magnitude.map(|magnitude| magnitude.value),
                "lower": magnitude.and_then(|magnitude| magnitude.lower),
                "upper": magnitude.and_then(|magnitude| magnitude.upper),
                "level": magnitude.and_then(|magnitude| magnitude.level),
                "unit": magnitude.map(|magnitude| &magnitude.unit),
                "n": finding.n,
                "p": finding.p,
                "p_adjusted": finding.p_adjusted,
                "confidence": finding.confidence,
                "method": finding.method,
                "period": finding.period,
                "baseline": finding.baseline,
                "dataset": finding.dataset(),
                "measure": finding.measure(),
                "extent": finding.extent(),
            })))
        })
        .collect();
    let resolved = earlier.map(|earlier| earlier.no_longer_found(cells));
    rows.extend(resolved.into_iter().flatten().map(|finding| {
        row(json!({
            "id": finding.id,
            "state": "resolved",
            "since": finding.since,
            "times": finding.times,
            "stage": finding.stage,
            "severity": finding.severity,
            "sentence": finding.sentence,
        }))
    }));
    rows
}

fn key_figure(stage: &str, kpi: &Kpi, lineage: Option<&Lineage>) -> Row {
    let state = Some(kpi.target_word()).filter(|word| !word.is_empty());
    row(json!({
        "stage": stage,
        "metric": kpi.name,
        "subject": kpi.subject,
        "value": kpi.value,
        "lower": kpi.interval.map(|bounds| bounds[0]),
        "upper": kpi.interval.map(|bounds| bounds[1]),
        "unit": kpi.unit,
        "previous": kpi.previous,
        "baseline": kpi.baseline,
        "significant": kpi.significant,
        "direction": kpi.direction,
        "lower_is_better": kpi.lower_is_better,
        "target": kpi.target,
        "target_state": state,
        "n": kpi.n,
        "definition": lineage.map(|lineage| &lineage.definition),
        "input_definition": lineage.map(|lineage| &lineage.input_definition),
        "code": lineage.map(|lineage| &lineage.code),
        "input_code": lineage.map(|lineage| &lineage.input_code),
    }))
}

fn effect(stage: &str, effect: &Effect) -> Row {
    // Effects without a result contain zeros.
    let is_known = effect.verdict != Verdict::TooEarly;
    let amount = |bound: usize| is_known.then(|| effect.absolute[bound]);
    let share = |bound: usize| {
        let is_known = is_known && effect.counterfactual > 0.0;
        is_known.then(|| effect.relative[bound])
    };
    let gain = |bound: usize| effect.worth.as_ref().map(|worth| worth.per_day[bound]);
    row(json!({
        "stage": stage,
        "improvement": effect.improvement,
        "title": effect.title,
        "start": effect.date.parse::<jiff::civil::Date>().ok(),
        "metric": effect.metric,
        "unit": effect.unit,
        "lower_is_better": effect.lower_is_better,
        "before": effect.before,
        "after": effect.after,
        "counterfactual": effect.counterfactual,
        "effect": amount(0),
        "effect_lower": amount(1),
        "effect_upper": amount(2),
        "relative": share(0),
        "relative_lower": share(1),
        "relative_upper": share(2),
        "p": is_known.then_some(effect.placebo_p),
        "test": effect.test,
        "days_before": effect.days_before,
        "days_after": effect.days_after,
        "verdict": effect.verdict,
        "category": Some(&effect.category).filter(|category| !category.is_empty()),
        "cost": effect.worth.as_ref().and_then(|worth| worth.cost),
        "gain_per_day": gain(0),
        "gain_per_day_lower": gain(1),
        "gain_per_day_upper": gain(2),
        "currency": effect.worth.as_ref().map(|worth| &worth.currency),
    }))
}

fn restatement(stage: &str, restatement: &Restatement) -> Row {
    row(json!({
        "stage": stage,
        "of_window": restatement.window,
        "metric": restatement.metric,
        "unit": restatement.unit,
        "value_from": restatement.from,
        "value_to": restatement.to,
        "published_by": restatement.run,
        "why": restatement.causes_in_words(),
        "causes": json!(restatement.causes).to_string(),
    }))
}

fn recommendation(stage: &str, recommendation: &Recommendation) -> Row {
    row(json!({
        "id": recommendation.id,
        "state": recommendation.state,
        "stage": stage,
        "rule": recommendation.rule,
        "title": recommendation.title,
        "category": recommendation.category,
        "component": recommendation.component,
        "metric": recommendation.metric,
        "priority": recommendation.priority(),
        "expected": recommendation.expected[0],
        "expected_lower": recommendation.expected[1],
        "expected_upper": recommendation.expected[2],
        "confidence": recommendation.confidence,
        "past_worked": recommendation.past.worked,
        "past_judged": recommendation.past.judged,
        "effort_days": recommendation.effort_days,
        "risk": recommendation.risk,
        "severity": recommendation.severity,
        "since": recommendation.since,
        "times": recommendation.times,
        "expires": recommendation.expires,
        "finding": recommendation.findings.first(),
        "evidence": recommendation.evidence,
    }))
}

fn row(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_domain::Severity;

    #[test]
    fn findings_are_new_persisting_or_resolved() {
        let finding = |what: &str, severity| {
            let mut finding = Finding::new("stage", "kpi", "all", what);
            finding.severity = severity;
            finding
        };
        let before = [
            finding("persists", Severity::Info),
            finding("disappears", Severity::Notice),
            finding("info disappears", Severity::Info),
        ];
        let before = EarlierReport::new("2026-W44", &before, None);
        let now = [
            finding("persists", Severity::Warning),
            finding("appears", Severity::Info),
        ];
        let mut cell = Cell::new("stage", "kpi");
        cell.findings = now.to_vec();
        let text = |row: &Row, name: &str| row[name].as_str().unwrap().to_string();
        let check = |earlier: Option<&EarlierReport>, cells: &[Cell], expected: &[&str]| {
            let rows = finding_rows("2026-W45", &now, earlier, cells);
            let reported = rows.iter().map(|row| {
                let (state, since) = (text(row, "state"), text(row, "since"));
                format!("{state} {since} {} {}", row["times"], text(row, "severity"))
            });
            assert_eq!(reported.collect::<Vec<_>>(), expected);
        };
        let resolved = "resolved 2026-W44 1 notice";
        let both = [
            "persisting 2026-W44 2 warning",
            "new 2026-W45 1 info",
            resolved,
        ];
        check(Some(&before), std::slice::from_ref(&cell), &both);
        // A stage that failed resolves no finding.
        cell.status = retrocast_domain::CellStatus::Failed {
            message: String::new(),
        };
        check(Some(&before), &[cell.clone()], &both[..2]);
        let new = ["new 2026-W45 1 warning", "new 2026-W45 1 info"];
        check(None, &[cell], &new);
    }
}
