//! `retrocast list` and `retrocast show`, and the files that a run adds to the archive.

use super::{print, print_json, resolve::Runs};
use crate::{
    Exit,
    diagnose::WrongUsage,
    runs::{reconcile, summarise},
    terminal,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_deliver::{ArchiveUpdate, retention::tombstone_of};
use retrocast_domain::{Finding, Report, finding::by_importance};
use retrocast_engine::RunResult;
use retrocast_run::{
    EventKind, Journal, RunFolder, RunStatus, RunSummary,
    files::{FINDINGS, PLAN, REPORT},
};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// Writes `run.json` into the folder of a finished run.
pub fn write_summary(result: &RunResult) -> anyhow::Result<()> {
    RunSummary::of(&result.folder)?.write(&result.folder)?;
    Ok(())
}

/// Writes the failure report into a run's folder if a node that its reports depend on failed.
pub fn write_failure(workspace: &Workspace, result: &RunResult) {
    let templates = workspace.templates.as_deref();
    // An error here must not prevent the summary of the run.
    if let Err(error) = retrocast_deliver::failure_report(&result.folder, templates) {
        tracing::error!("{error}");
    }
}

/// Updates the archive's pages; returns the front page.
pub fn update(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    Ok(write(workspace, retrocast_deliver::update)?.index)
}

/// Fetches the runs of other machines, writes pages of the archive with `write`, and uploads them.
pub fn write(
    workspace: &Workspace,
    write: impl Fn(&Path, Option<&Path>) -> Result<ArchiveUpdate, retrocast_deliver::Error>,
) -> anyhow::Result<ArchiveUpdate> {
    workspace.fetch()?;
    reconcile(workspace);
    let update = write(&workspace.reports, workspace.templates.as_deref())?;
    workspace.send()?;
    Ok(update)
}

pub fn list(workspace: &Workspace, job: Option<&str>, as_json: bool) -> anyhow::Result<Exit> {
    let runs: Vec<_> = reconcile(workspace)
        .into_iter()
        .filter(|(_, run)| job.is_none_or(|job| run.job == job))
        .collect();
    if as_json {
        let runs: Vec<_> = runs.iter().map(|(_, run)| run).collect();
        print_json(&runs)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    let jobs = workspace.job_names();
    if let Some(job) = job.filter(|job| runs.is_empty() && !jobs.iter().any(|name| name == job)) {
        return Err(WrongUsage(format!("no job {job:?}; jobs: {}", jobs.join(", "))).into());
    }
    if job.is_none() {
        let _ = writeln!(text, "Jobs in {}", workspace.jobs.display());
        for name in &jobs {
            let _ = writeln!(text, "  {name}");
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "Runs in {}, newest first",
        workspace.reports.display()
    );
    for (_, run) in &runs {
        let _ = writeln!(
            text,
            "  {:<12} {:<22} {:<12} {:<14} {}",
            run.status.word(),
            run.job,
            run.window,
            run.run,
            terminal::truncate(&run.headline, 160)
        );
    }
    if runs.is_empty() {
        let _ = writeln!(text, "  none yet");
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// Finds the folder of a run, from a folder or a name that [`Runs::resolve`] accepts.
pub fn find(workspace: &Workspace, run: &str) -> anyhow::Result<PathBuf> {
    for folder in [PathBuf::from(run), workspace.reports.join(run)] {
        if folder.join(PLAN).is_file() {
            return Ok(folder);
        }
    }
    let runs = Runs {
        runs: &reconcile(workspace),
        jobs: &workspace.job_names(),
        archive: &workspace.reports.display().to_string(),
    };
    let (folder, _) = runs.resolve(run).map_err(WrongUsage)?;
    Ok(folder.clone())
}

/// Like [`find`], but returns an error for a run whose files were removed.
pub fn find_with_files(workspace: &Workspace, run: &str) -> anyhow::Result<PathBuf> {
    let folder = find(workspace, run)?;
    let Some(tombstone) = tombstone_of(&folder) else {
        return Ok(folder);
    };
    let message = format!(
        "the files of {} were removed on {}: {}; its page shows what is left, and `retrocast rerun {run}` \
         repeats it",
        folder.display(),
        tombstone.date,
        tombstone.why,
    );
    Err(WrongUsage(message).into())
}

/// Reads a JSON file from a run's folder; only runs with a report have such files.
pub fn read<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read(path).with_context(|| {
        format!(
            "cannot read {}: did the run write a report?",
            path.display()
        )
    })?;
    serde_json::from_slice(&text).with_context(|| format!("{} is invalid", path.display()))
}

/// Column at which the text of findings and failures begins.
const INDENT: usize = 12;

pub fn show(workspace: &Workspace, run: &str, as_json: bool) -> anyhow::Result<Exit> {
    let folder = find_with_files(workspace, run)?;
    let status = RunSummary::read(&folder).map(|summary| summary.status);
    // An interrupted run has no findings yet.
    let is_unfinished = matches!(status, Ok(RunStatus::Interrupted))
        || RunSummary::of(&folder)
            .is_ok_and(|run| [RunStatus::Running, RunStatus::Interrupted].contains(&run.status));
    // A failed run shows its failure report instead.
    let is_failed = matches!(status, Ok(RunStatus::Failed | RunStatus::Cancelled));
    let mut findings: Vec<Finding> = match read(&folder.join(FINDINGS)) {
        Err(_) if is_unfinished || (is_failed && !as_json) => Vec::new(),
        findings => findings?,
    };
    if as_json {
        print_json(&findings)?;
        return Ok(Exit::Done);
    }
    let cells = RunFolder::read(&folder)
        .map(|run| run.cells)
        .unwrap_or_default();
    let summary = match RunSummary::read(&folder) {
        Ok(summary) => summary,
        Err(_) => summarise(&folder)?,
    };
    findings.sort_by(by_importance);
    let head = format!("{}, {} ({})", summary.title, summary.window, summary.period);
    let mut text = format!(
        "{}\nrun {} is {}, {}\n\n",
        terminal::wrap(&head, 0),
        summary.run,
        summary.status.word(),
        folder.display()
    );
    if let Ok(report) = read::<Report>(&folder.join(REPORT)) {
        let _ = writeln!(text, "{}\n", terminal::wrap(&report.verdict, 0));
    }
    for finding in &findings {
        let severity = format!("{:?}", finding.severity).to_lowercase();
        let line = format!(
            "  {severity:<9} {}",
            terminal::truncate(&finding.sentence, 600)
        );
        let _ = writeln!(text, "{}", terminal::wrap(&line, INDENT));
        if let Some(decision) = &finding.decision {
            let decision = terminal::truncate(&decision.sentence(), 300);
            let line = format!("  {:<9} {decision}", finding.id);
            let _ = writeln!(text, "{}", terminal::wrap(&line, INDENT));
        }
    }
    let restated = cells.values().filter_map(|cell| cell.restated.as_ref());
    for figure in restated.flat_map(|restated| &restated.figures) {
        let line = format!(
            "  restated  {}",
            terminal::truncate(&figure.sentence(), 600)
        );
        let _ = writeln!(text, "{}", terminal::wrap(&line, INDENT));
    }
    if is_unfinished {
        text.push_str("  not finished: run the job again to resume\n");
    } else if findings.is_empty() {
        text.push_str("  no findings\n");
    }
    append_failures(&mut text, &folder);
    print(&text)?;
    Ok(Exit::Done)
}

/// Appends the failures of a run.
fn append_failures(text: &mut String, folder: &Path) {
    let events = Journal::read(folder).unwrap_or_default();
    for event in events
        .iter()
        .filter(|event| event.event == EventKind::NodeFailed)
    {
        let node = event.node.as_deref().unwrap_or_default();
        let message = event.message.as_deref().unwrap_or_default();
        let line = format!("  failed    {node}: {}", terminal::truncate(message, 600));
        let _ = writeln!(text, "{}", terminal::wrap(&line, INDENT));
    }
}
