//! Reads the contents of a run's folder. Any file but the plan may be missing.

use crate::{
    Error, Node, Plan, RecordedPlan, ReportSpec, RunOrigin, RunStatus, RunSummary,
    files::{CELLS, JOB, PLAN, REPORT, read_json},
};
use retrocast_domain::{Cell, CellStatus, Finding, Report, report::SourceNote};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// State of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeState {
    /// Completed.
    Done,
    /// Too few records; with the reason.
    NotEnough(String),
    /// Failed; with the reason.
    Failed(String),
    /// Skipped; with the reason.
    NotRun(String),
    /// Never started, or not started yet.
    NotReached,
    /// Not in the plan.
    Absent,
}

/// The contents of a run's folder.
#[derive(Debug)]
pub struct RunFolder {
    /// Path of the folder.
    pub folder: PathBuf,
    /// Nodes of the run, with their configuration.
    pub plan: Plan,
    /// Inputs of the run.
    pub origin: RunOrigin,
    /// Status of the run.
    pub status: RunStatus,
    /// The text of the job file.
    pub job_file: String,
    /// Cells by short name of the node.
    pub cells: BTreeMap<String, Cell>,
    /// Notes on the records of each source; only for runs that wrote reports.
    pub sources: BTreeMap<String, SourceNote>,
    /// Unreadable files, one sentence each.
    pub unreadable: Vec<String>,
}

impl RunFolder {
    /// Reads a folder; fails without a plan.
    pub fn read(folder: &Path) -> Result<Self, Error> {
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
        let job_file = fs::read(folder.join(JOB)).unwrap_or_default();
        Ok(Self {
            status: RunSummary::status_of(folder)?,
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

    /// The state of a node, given its full name.
    pub fn state(&self, node: &str) -> NodeState {
        let Some(node) = self.plan.node(node) else {
            return NodeState::Absent;
        };
        match self.cells.get(node.short()).map(|cell| &cell.status) {
            None => NodeState::NotReached,
            Some(CellStatus::Done) => NodeState::Done,
            Some(CellStatus::NotEnough { message }) => NodeState::NotEnough(message.clone()),
            Some(CellStatus::Failed { message }) => NodeState::Failed(message.clone()),
            Some(CellStatus::NotRun { reason }) => NodeState::NotRun(reason.clone()),
        }
    }

    /// Cells in the order of the plan, with the full names of their nodes.
    pub fn in_order(&self) -> impl Iterator<Item = (&str, &Cell)> {
        let nodes = self.plan.nodes.iter().filter(|node| !node.is_report());
        nodes.filter_map(|node| Some((node.name.as_str(), self.cells.get(node.short())?)))
    }

    /// All findings with the nodes that reported them, in the order of the plan.
    pub fn findings(&self) -> impl Iterator<Item = (&str, &Finding)> {
        self.in_order()
            .flat_map(|(node, cell)| cell.findings.iter().map(move |finding| (node, finding)))
    }
}

/// Path of the file with the contents of a report, such as "executive", in a run's folder.
pub fn report_file(folder: &Path, report: &str) -> PathBuf {
    let plan = read_json::<Plan>(folder.join(PLAN)).ok();
    let node = plan
        .as_ref()
        .and_then(|plan| plan.node(&format!("report.{report}")));
    let spec = node.and_then(Node::report);
    folder.join(spec.map_or(REPORT, ReportSpec::file))
}

/// Paths of the files with the contents of a run's reports.
pub fn report_files(folder: &Path) -> BTreeSet<PathBuf> {
    let plan = read_json::<Plan>(folder.join(PLAN)).ok();
    let nodes = plan.as_ref().map_or(&[][..], |plan| &plan.nodes);
    let files = nodes.iter().filter_map(Node::report).map(ReportSpec::file);
    files
        .chain([REPORT])
        .map(|file| folder.join(file))
        .collect()
}

/// Folders of all runs of an archive, by job, window and run.
pub fn run_folders(archive: &Path) -> Vec<PathBuf> {
    let jobs = subfolders(archive).into_iter();
    jobs.flat_map(|job| run_folders_in(&job)).collect()
}

/// Folders of all runs of one job of an archive, by window and run.
pub fn run_folders_of(archive: &Path, job: &str) -> Vec<PathBuf> {
    run_folders_in(&archive.join(job))
}

fn run_folders_in(job: &Path) -> Vec<PathBuf> {
    let windows = subfolders(job).into_iter();
    windows.flat_map(|window| subfolders(&window)).collect()
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}
