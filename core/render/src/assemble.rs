//! Builds a [`Report`] from the cells of a run: selects and orders the contents, and formats its
//! sentences.
//!
//! Except for counts, it computes nothing that a stage could compute. Every sentence depends only
//! on the data, so the same run always gives the same text.

mod asks;
mod figures;
mod headlines;
mod nearby_changes;
mod notes;
pub(crate) mod restated;
mod verdict;

#[cfg(test)]
mod tests;

pub use asks::ask_for;
pub use figures::figures;
pub(crate) use figures::is_same;
pub use headlines::{printed_count, sort_by_importance};
pub use notes::{without_name, without_prefix};
pub use verdict::{POOR_SHARE, has_no_records};
pub(crate) use verdict::{count_failures, count_not_measured, many_refused};

use jiff::civil::Date;
use retrocast_domain::{
    Cell, Chapter, ClosedImprovement, Direction, Effect, Finding, FindingDecision, Kpi, Report,
    ReportStatus, Window,
    finding::by_importance,
    overlap::demote_covered,
    report::{EarlierReport, PlanNode, Provenance, SourceNote},
};
use std::collections::BTreeSet;

/// Version of the format of `report.json`.
pub const SCHEMA: u32 = 1;
/// Maximum number of key figures on the first page.
const KPIS_MAX: usize = 6;

/// The inputs of a report.
#[derive(Debug, Clone)]
pub struct ReportInputs {
    /// Name of the job (its file name).
    pub job: String,
    /// Title of the job.
    pub title: String,
    /// Owner of the report; empty for none.
    pub owner: String,
    /// The window to report on.
    pub window: Window,
    /// Date of the run.
    pub date: Date,
    /// One cell per stage, in the order of the job file.
    pub cells: Vec<Cell>,
    /// Counts of the records.
    pub sources: Vec<SourceNote>,
    /// Nodes of the plan.
    pub plan: Vec<PlanNode>,
    /// The earlier report, if there is one.
    pub earlier: Option<EarlierReport>,
    /// The decisions on findings that are in force.
    pub decisions: Vec<FindingDecision>,
    /// The closed improvements, the last closed first.
    pub closed: Vec<ClosedImprovement>,
    /// Program and inputs of the report.
    pub provenance: Provenance,
}

/// Builds the report of a run.
pub fn report(inputs: ReportInputs) -> Report {
    let ReportInputs {
        job,
        title,
        owner,
        window,
        date,
        mut cells,
        sources,
        plan,
        earlier,
        decisions,
        closed,
        provenance,
    } = inputs;
    for finding in cells.iter_mut().flat_map(|cell| &mut cell.findings) {
        finding.decide(&decisions);
    }
    nearby_changes::name_nearby_changes(&mut cells);
    cells.sort_by_key(|cell| cell.chapter);
    let status = status(&cells, &plan);
    demote_covered(&mut cells);
    let mut kpis = key_figures(&cells);
    let has_more_kpis = kpis.len() > KPIS_MAX;
    kpis.truncate(KPIS_MAX);
    let effects: Vec<Effect> = cells.iter().flat_map(|cell| cell.effects.clone()).collect();
    let ordered = headlines::order_findings(&cells, earlier.as_ref(), Some(&window));
    let headlines = headlines::headlines(&ordered);
    // If the first page has requests, it also has the notices that they are about.
    let notices = notes::notices(&cells, &window);
    let asks = asks::asks(&ordered[..printed_count(&headlines)], &effects, &notices);
    let mut notes = notes::notes(&cells, &sources, &plan, &window);
    notes.extend(restated::note(&cells));
    notes.extend(notes::later_records(&sources, &window.timezone, date));
    let verdict_inputs = verdict::VerdictInputs {
        cells: &cells,
        sources: &sources,
        kpis: &kpis,
        has_more_kpis,
        effects: &effects,
        asks: asks.len(),
        notices: &notices,
        timezone: &window.timezone,
    };
    let verdict = verdict::verdict(window.spec, &verdict_inputs);
    let mut notices = notices;
    notices.extend(restated::notice(&cells, &kpis));
    Report {
        schema: SCHEMA,
        window: window.label(),
        period: window.words(),
        timezone: window.timezone.clone(),
        date: date.to_string(),
        verdict,
        headlines,
        notices,
        earlier,
        asks,
        notes,
        title: if title.is_empty() { job.clone() } else { title },
        job,
        owner,
        slice: None,
        language: String::new(),
        author_note: Vec::new(),
        status,
        kpis,
        effects,
        closed,
        cells,
        sources,
        plan,
        provenance,
        figures: Vec::new(),
    }
}

/// The status of a report. Bad records and broken files are counted and reported, but do not make
/// it partial.
fn status(cells: &[Cell], plan: &[PlanNode]) -> ReportStatus {
    let failed = cells.iter().any(|cell| cell.status.is_failed())
        || plan.iter().any(|node| node.status == "failed");
    if failed {
        ReportStatus::Partial
    } else {
        ReportStatus::Complete
    }
}

/// All findings, the most important first.
pub fn findings(cells: &[Cell]) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = cells.iter().flat_map(|cell| &cell.findings).collect();
    findings.sort_by(|a, b| by_importance(a, b));
    findings
}

/// Collects the key figures: those of all records first, then those of single groups. Scores of
/// data quality do not measure operations, so they are shown only if there is nothing else.
fn key_figures(cells: &[Cell]) -> Vec<Kpi> {
    let kpis_of = |is_quality: bool| {
        let cells = cells.iter();
        let cells = cells.filter(move |cell| (cell.chapter == Chapter::Data) == is_quality);
        cells.flat_map(|cell| &cell.kpis)
    };
    let mut kpis: Vec<&Kpi> = kpis_of(false).collect();
    if kpis.is_empty() {
        kpis = kpis_of(true).collect();
    }
    let mut seen = BTreeSet::new();
    let is_overall = |kpi: &Kpi| kpi.subject.is_empty() || kpi.subject.starts_with("all");
    kpis.iter()
        .filter(|kpi| is_overall(kpi))
        .chain(kpis.iter().filter(|kpi| !is_overall(kpi)))
        .filter(|kpi| seen.insert((kpi.name.clone(), kpi.subject.clone())))
        .map(|kpi| (*kpi).clone())
        .collect()
}

/// Returns true if the change of a key figure is an improvement, false if it is a deterioration;
/// `None` if it is insignificant.
pub fn is_improvement(kpi: &Kpi) -> Option<bool> {
    match kpi.direction {
        _ if !kpi.significant => None,
        Direction::None => None,
        Direction::Up => Some(!kpi.lower_is_better),
        Direction::Down => Some(kpi.lower_is_better),
    }
}

/// The title of a cell, or its stage's name in words.
pub fn title(cell: &Cell) -> String {
    if !cell.title.trim().is_empty() {
        return cell.title.clone();
    }
    let words = cell.stage.replace(['_', '-'], " ");
    let mut letters = words.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
