//! The parts of a recorded run needed to compute its figures again.

use super::super::archive;
use crate::executor;
use anyhow::Context as _;
use retrocast_domain::{Cell, Outcome, Report, cell::DatasetRef};
use retrocast_run::{
    Node, Plan, RecordedPlan, ReportSpec, RunOrigin,
    files::{CELLS, PLAN, REPORT, read_json},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Outcomes by short name of the node.
pub type Outcomes = BTreeMap<String, Arc<Outcome>>;

/// A run with a report.
pub struct RecordedRun {
    /// Folder of the run in the archive.
    pub folder: PathBuf,
    /// Its plan, with the params of each node as its report shows them.
    pub plan: Arc<Plan>,
    /// Inputs of the run.
    pub origin: RunOrigin,
    /// Contents of the report that prints the figure.
    pub report: Report,
    /// Outcomes of its sources and stages.
    pub outcomes: Outcomes,
}

impl RecordedRun {
    /// Reads a run; fails without a report.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let report: Report = archive::read(&folder.join(REPORT))?;
        let RecordedPlan { mut plan, origin } = RecordedPlan::read(folder)?;
        let mut outcomes = Outcomes::new();
        for node in plan.nodes.iter_mut().filter(|node| !node.is_report()) {
            let path = folder.join(CELLS).join(format!("{}.json", node.short()));
            let cell: Cell = match read_json(path) {
                Ok(cell) => cell,
                // A stage that was not run has a cell in the report only.
                Err(error) if error.is_missing() => {
                    let mut cells = report.cells.iter();
                    match cells.find(|cell| cell.stage == node.short()) {
                        Some(cell) => cell.clone(),
                        None => continue,
                    }
                }
                Err(error) => return Err(error).context("the run's folder is damaged"),
            };
            node.param_lines.clone_from(&cell.params);
            let outcome = outcome(node, cell, &report);
            outcomes.insert(node.short().to_string(), Arc::new(outcome));
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            plan: Arc::new(plan),
            origin,
            report,
            outcomes,
        })
    }

    /// The node that wrote the report; if there are several, the one whose inputs the report lists.
    fn report_node(&self) -> Option<(&Node, &ReportSpec)> {
        let nodes = self.plan.nodes.iter();
        let reports = nodes.filter_map(|node| Some((node, node.report()?)));
        let listed = |node: &Node| {
            let names = self.report.plan.iter().map(|node| &node.name);
            node.inputs.iter().eq(names)
        };
        reports.clone().find(|(node, _)| listed(node)).or_else(|| {
            let mut reports = reports;
            reports.next()
        })
    }

    /// The report with some outcomes replaced.
    pub fn assemble(&self, computed: &Outcomes) -> anyhow::Result<Report> {
        let found = self.report_node();
        let (node, spec) = found.context("the plan of the run has no report")?;
        let mut outcomes = self.outcomes.clone();
        outcomes.extend(computed.clone());
        let provenance = self.report.provenance.clone();
        Ok(executor::assemble_report(
            node, spec, &outcomes, &self.plan, provenance,
        ))
    }

    /// The outcomes that a node read.
    pub fn inputs(&self, node: &Node) -> Outcomes {
        let names = node
            .inputs
            .iter()
            .map(|name| retrocast_run::plan::short(name));
        names
            .filter_map(|name| Some((name.to_string(), self.outcomes.get(name)?.clone())))
            .collect()
    }

    /// The recorded datasets that a node read; for a source, those that it wrote.
    pub fn datasets(&self, node: &Node) -> Vec<DatasetRef> {
        let outcome = |name: &str| self.outcomes.get(name).map(|outcome| &outcome.datasets);
        if node.is_source() {
            return outcome(node.short()).cloned().unwrap_or_default();
        }
        let inputs = node
            .inputs
            .iter()
            .map(|name| retrocast_run::plan::short(name));
        inputs.filter_map(outcome).flatten().cloned().collect()
    }

    /// Files that figures depend on and that changed after the run ended.
    pub fn altered_files(&self) -> Vec<String> {
        retrocast_engine::altered_files(&self.folder, |name| {
            [REPORT, PLAN].contains(&name) || name.starts_with(CELLS)
        })
    }
}

/// The outcome of a node, from its cell and the report.
fn outcome(node: &Node, cell: Cell, report: &Report) -> Outcome {
    let mut datasets: Vec<DatasetRef> = cell.output.iter().cloned().collect();
    let mut source = None;
    if node.is_source() {
        let refused = retrocast_store::ingest::quarantine_name(node.short());
        let cited = report.provenance.datasets.iter();
        datasets.extend(cited.filter(|dataset| dataset.name == refused).cloned());
        let mut notes = report.sources.iter();
        source = notes.find(|note| note.name == node.short()).cloned();
    }
    Outcome {
        cell,
        datasets,
        files: Vec::new(),
        source,
    }
}
