//! The runs of the archive and their current status.

use crate::workspace::Workspace;
use retrocast_run::{
    RunStatus, RunSummary,
    folder::{run_folders, run_folders_of},
};
use std::path::{Path, PathBuf};

/// Every run of the archive, newest first, with its current status: a run whose process died gets a
/// summary from its journal, an active run has none yet.
pub fn reconcile(workspace: &Workspace) -> Vec<(PathBuf, RunSummary)> {
    let mut runs: Vec<_> = run_folders(&workspace.reports)
        .into_iter()
        .filter_map(|folder| {
            let summary = summary(&folder)?;
            Some((folder, summary))
        })
        .collect();
    runs.sort_by(|(a_folder, a), (b_folder, b)| {
        b.started
            .cmp(&a.started)
            .then_with(|| a_folder.cmp(b_folder))
    });
    runs
}

fn summary(folder: &Path) -> Option<RunSummary> {
    let summary = RunSummary::read(folder).ok();
    let summary = summary.filter(|summary| summary.status != RunStatus::Running);
    summary.or_else(|| summarise(folder).ok())
}

/// The runs of one job with their current status, in no particular order; does not read the runs of
/// other jobs.
pub fn runs_of_job(workspace: &Workspace, job: &str) -> Vec<(PathBuf, RunSummary)> {
    let folders = run_folders_of(&workspace.reports, job);
    let runs = folders.into_iter().filter_map(|folder| {
        let summary = summary(&folder)?;
        Some((folder, summary))
    });
    runs.collect()
}

/// Summarises a run from its folder; writes the summary if the run has ended.
pub fn summarise(folder: &Path) -> anyhow::Result<RunSummary> {
    let summary = RunSummary::of(folder)?;
    if summary.status != RunStatus::Running
        && let Err(error) = summary.write(folder)
    {
        tracing::warn!("{error}");
    }
    Ok(summary)
}
