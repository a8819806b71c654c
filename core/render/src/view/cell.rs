//! Formats the result of a stage.

use super::{
    ChartView, Drawings, FULL_WIDTH, HALF_WIDTH,
    effect::{self, EffectView},
    figure::CellIds,
    finding::{self, FindingView},
    kpi::{self, KpiView},
    table::{self, TableView},
};
use crate::assemble::{self, without_name, without_prefix};
use crate::words::shorten;
use retrocast_domain::{Cell, CellStatus, Chapter, ChartKind, cell::DatasetRef, number::plural};
use serde::Serialize;

/// Maximum number of findings in the chapter of a stage; the others are counted.
const CELL_FINDINGS_MAX: usize = 12;

#[derive(Debug, Serialize)]
pub(super) struct CellView {
    stage: String,
    kind: String,
    title: String,
    /// `done`, `not_enough` or `failed`.
    status: &'static str,
    /// The status in words.
    status_words: &'static str,
    message: String,
    did: String,
    method: String,
    inputs: String,
    output: String,
    params: Vec<ParamView>,
    query: String,
    findings: Vec<FindingView>,
    findings_more: u64,
    kpis: Vec<KpiView>,
    effects: Vec<EffectView>,
    charts: Vec<ChartView>,
    tables: Vec<TableView>,
    caveats: Vec<String>,
    /// ID of the stage.
    figure: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ParamView {
    name: String,
    value: String,
    set: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct MethodView {
    kind: String,
    method: String,
    stages: String,
}

pub(super) fn cell(cell: &Cell, drawings: &mut Drawings, ids: &CellIds) -> CellView {
    let (status, status_words, message) = status(cell);
    // A single chart has the full width; of several charts, only those that need it.
    let is_single = cell.charts.len() == 1;
    let charts = cell.charts.iter().enumerate().map(|(i, chart)| {
        let wide = is_single || needs_width(&chart.kind);
        let width = if wide { FULL_WIDTH } else { HALF_WIDTH };
        drawings.add(chart, width, wide, ids.at("charts", i))
    });
    CellView {
        stage: cell.stage.clone(),
        kind: cell.kind.clone(),
        title: shorten(&assemble::title(cell), 120),
        status,
        status_words,
        message,
        did: shorten(&cell.did, 800),
        method: shorten(&cell.method, 500),
        charts: charts.collect(),
        inputs: cell
            .inputs
            .iter()
            .map(dataset)
            .collect::<Vec<_>>()
            .join("; "),
        output: cell.output.as_ref().map(dataset).unwrap_or_default(),
        params: cell
            .params
            .iter()
            .map(|param| ParamView {
                name: shorten(&param.name, 60),
                value: shorten(&param.value, 600),
                set: param.set,
            })
            .collect(),
        query: cell
            .query
            .as_deref()
            .map(|query| shorten(query.trim(), 4000))
            .unwrap_or_default(),
        findings: cell
            .findings
            .iter()
            .take(CELL_FINDINGS_MAX)
            .enumerate()
            .map(|(i, finding)| {
                finding::finding(finding, &cell.caveats, None, ids.at("findings", i))
            })
            .collect(),
        findings_more: cell.findings.len().saturating_sub(CELL_FINDINGS_MAX) as u64,
        kpis: cell
            .kpis
            .iter()
            .enumerate()
            .map(|(i, kpi)| kpi::kpi(kpi, drawings, ids.at("kpis", i)))
            .collect(),
        effects: cell
            .effects
            .iter()
            .enumerate()
            .map(|(i, e)| effect::effect(e, 160, ids.at("effects", i)))
            .collect(),
        tables: cell
            .tables
            .iter()
            .enumerate()
            .filter(|(_, table)| cell.chapter == Chapter::Rows || !table.rows.is_empty())
            .flat_map(|(i, table)| {
                let raw = cell.chapter == Chapter::Rows;
                table::tables(table, raw, cell.output.as_ref(), ids.at("tables", i))
            })
            .collect(),
        caveats: sentences(&cell.caveats),
        figure: ids.of_cell(),
    }
}

/// Status of a stage: style, words, and reason.
fn status(cell: &Cell) -> (&'static str, &'static str, String) {
    match &cell.status {
        CellStatus::Done => ("done", "", String::new()),
        CellStatus::NotEnough { message } => (
            "not_enough",
            "Too little data",
            shorten(without_prefix(message), 600),
        ),
        CellStatus::Failed { message } => {
            let message = without_name(cell, message);
            ("failed", "This stage failed", shorten(message, 600))
        }
        CellStatus::NotRun { reason } => ("failed", "This stage was not run", shorten(reason, 600)),
    }
}

fn sentences(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| shorten(text, 400)).collect()
}

fn needs_width(kind: &ChartKind) -> bool {
    match kind {
        ChartKind::BeforeAfter { .. }
        | ChartKind::CalendarHeat { .. }
        | ChartKind::SmallMultiples { .. } => true,
        ChartKind::Line { series, .. } => series.iter().any(|series| series.values.len() > 120),
        ChartKind::Bars { bars, .. } => bars.len() > 12,
        ChartKind::Sparkline { .. } | ChartKind::Bullet { .. } => false,
    }
}

/// Formats a dataset: "tickets, version 3 (12 345 rows)".
fn dataset(dataset: &DatasetRef) -> String {
    format!(
        "{}, version {} ({})",
        dataset.name,
        dataset.version,
        plural(dataset.rows, "row")
    )
}

/// Lists each method once, with its stages.
pub(super) fn methods(cells: &[Cell]) -> Vec<MethodView> {
    let mut methods: Vec<MethodView> = Vec::new();
    for cell in cells.iter().filter(|cell| !cell.method.is_empty()) {
        match methods
            .iter_mut()
            .find(|m| m.kind == cell.kind && m.method == cell.method)
        {
            Some(existing) => existing.stages = format!("{}, {}", existing.stages, cell.stage),
            None => methods.push(MethodView {
                kind: cell.kind.clone(),
                method: shorten(&cell.method, 500),
                stages: cell.stage.clone(),
            }),
        }
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_was_not_run_is_not_reported_as_failed() {
        let mut cell = Cell::new("after", "trend");
        let mut describe = |new_status: CellStatus| {
            cell.status = new_status;
            let (_, words, message) = status(&cell);
            format!("{words}: {message}")
        };
        assert_eq!(
            describe(CellStatus::NotRun {
                reason: "stage.one failed".to_string()
            }),
            "This stage was not run: stage.one failed"
        );
        assert_eq!(
            describe(CellStatus::Failed {
                message: "stage.after: no memory".to_string()
            }),
            "This stage failed: no memory"
        );
    }
}
