//! A run's folder, read by others than the engine: plan, state and cells, as far as they are there.

use crate::{Error, RunSummary};
use retrocast_domain::{Cell, CellStatus, Finding, Report, report::SourceNote};
use retrocast_run::{
    Journal, Plan, RecordedPlan, RunOrigin, RunStatus,
    files::{CELLS, JOB, REPORT, read_json},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// How far a node came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Done,
    NotEnough(String),
    Failed(String),
    /// The run ended, or has not come, before it.
    NotReached,
    /// It is not in the plan.
    Absent,
}

/// What a run's folder holds.
#[derive(Debug)]
pub(crate) struct RunFolder {
    pub folder: PathBuf,
    pub plan: Plan,
    pub origin: RunOrigin,
    pub status: RunStatus,
    pub job_file: String,
    /// By the node's name without its table.
    pub cells: BTreeMap<String, Cell>,
    /// By the source's name; only runs that made their reports have them.
    pub sources: BTreeMap<String, SourceNote>,
    /// What is there and cannot be read, in sentences.
    pub unreadable: Vec<String>,
}

impl RunFolder {
    /// Reads a folder; without a plan it is none.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        let RecordedPlan { plan, origin } = RecordedPlan::read(folder)?;
        let mut unreadable = Vec::new();
        let mut cells = BTreeMap::new();
        for node in plan.nodes.iter().filter(|node| !node.is_report()) {
            let path = folder.join(CELLS).join(format!("{}.json", node.short()));
            match read_json::<Cell>(path) {
                Ok(cell) => {
                    cells.insert(node.short().to_string(), cell);
                }
                Err(error) if error.is_missing() => {}
                Err(error) => unreadable.push(error.to_string()),
            }
        }
        let sources = match read_json::<Report>(folder.join(REPORT)) {
            Ok(report) => report.sources,
            Err(error) => {
                if !error.is_missing() {
                    unreadable.push(error.to_string());
                }
                Vec::new()
            }
        };
        let job_file = std::fs::read(folder.join(JOB)).unwrap_or_default();
        Ok(Self {
            status: status(folder)?,
            job_file: String::from_utf8_lossy(&job_file).into_owned(),
            cells,
            sources: sources
                .into_iter()
                .map(|note| (note.name.clone(), note))
                .collect(),
            unreadable,
            folder: folder.to_path_buf(),
            plan,
            origin,
        })
    }

    /// How far a node came, by its full name.
    pub(crate) fn state(&self, node: &str) -> State {
        let Some(node) = self.plan.nodes.iter().find(|known| known.name == node) else {
            return State::Absent;
        };
        match self.cells.get(node.short()).map(|cell| &cell.status) {
            None => State::NotReached,
            Some(CellStatus::Done) => State::Done,
            Some(CellStatus::NotEnough { message }) => State::NotEnough(message.clone()),
            Some(CellStatus::Failed { message }) => State::Failed(message.clone()),
        }
    }

    /// Cells of the plan's nodes, in its order, with the nodes' full names.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&str, &Cell)> {
        let nodes = self.plan.nodes.iter().filter(|node| !node.is_report());
        nodes.filter_map(|node| Some((node.name.as_str(), self.cells.get(node.short())?)))
    }

    /// All findings with the nodes that made them, in the order of the plan.
    pub(crate) fn findings(&self) -> impl Iterator<Item = (&str, &Finding)> {
        self.in_order()
            .flat_map(|(node, cell)| cell.findings.iter().map(move |finding| (node, finding)))
    }
}

/// How a run ended, or that it has not: as its journal and the lock on it tell.
pub(crate) fn status(folder: &Path) -> Result<RunStatus, Error> {
    let told = RunSummary::read(folder).map(|summary| summary.status);
    if let Some(status) = told.ok().filter(|status| *status != RunStatus::Running) {
        return Ok(status);
    }
    Ok(Journal::status(folder, &Journal::read_or_empty(folder)?))
}

/// The folders in a folder by name; links and what starts with a dot are left out.
pub(crate) fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let error = |source| Error::File {
        what: "list",
        path: path.to_path_buf(),
        source,
    };
    let mut out = Vec::new();
    for entry in std::fs::read_dir(path).map_err(error)? {
        let entry = entry.map_err(error)?;
        // A name that is not Unicode cannot be linked to reliably; no run of ours has one.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.starts_with('.') && entry.file_type().map_err(error)?.is_dir() {
            out.push((name, entry.path()));
        }
    }
    out.sort();
    Ok(out)
}
