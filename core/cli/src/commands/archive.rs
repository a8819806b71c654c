//! `retrocast list` and `retrocast show`, and what a run leaves for the archive.

use super::{print, truth::read};
use crate::{Exit, diagnose::WrongUsage, workspace::Workspace};
use retrocast_deliver::RunSummary;
use retrocast_domain::{Finding, Report, finding::by_importance};
use retrocast_engine::{Journal, Plan, RunResult, journal, journal::RunStatus};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// Writes `run.json` beside what a finished run left.
pub fn write_summary(plan: &Plan, result: &RunResult) -> anyhow::Result<()> {
    let report: Option<Report> = read(&result.folder.join("report.json")).ok();
    let headline = report.map(|report| match report.headlines.first() {
        Some(finding) => finding.sentence.clone(),
        None => report.verdict,
    });
    let engine = journal::RunSummary::read(&result.folder)?;
    let error = result
        .failed
        .first()
        .map(|(node, failure)| format!("{node}: {}", failure.message));
    let summary = RunSummary {
        run: result.run.clone(),
        job: plan.job.clone(),
        title: plan.title.clone(),
        window: plan.label.clone(),
        period: plan.window.words(),
        date: plan.date.to_string(),
        status: result.status,
        headline: headline.or_else(|| error.clone()).unwrap_or_default(),
        started: engine
            .started
            .map(|time| time.to_string())
            .unwrap_or_default(),
        finished: engine.finished.map(|time| time.to_string()),
        reused: result.reused.len() as u64,
        executed: result.executed.len() as u64,
        parent: engine.parent,
        error,
    };
    summary.write(&result.folder)?;
    Ok(())
}

/// Writes the archive's pages anew. A run whose process died gets its summary first, from its
/// journal.
pub fn rebuild(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    for run in journal::RunSummary::all(&workspace.reports) {
        let told =
            RunSummary::read(&run.folder).is_ok_and(|told| told.status != RunStatus::Running);
        if told {
            continue;
        }
        let nodes = |kind: journal::EventKind| {
            run.nodes.values().filter(|event| **event == kind).count() as u64
        };
        let summary = RunSummary {
            run: run.run.clone(),
            job: run.job.clone(),
            title: String::new(),
            window: run.window.clone(),
            period: String::new(),
            date: String::new(),
            status: run.status,
            headline: String::new(),
            started: run.started.map(|time| time.to_string()).unwrap_or_default(),
            finished: None,
            reused: nodes(journal::EventKind::NodeReused),
            executed: nodes(journal::EventKind::NodeFinished),
            parent: run.parent.clone(),
            error: None,
        };
        summary.write(&run.folder)?;
    }
    Ok(retrocast_deliver::rebuild_with(
        &workspace.reports,
        workspace.templates.as_deref(),
    )?)
}

/// Every run of the archive as the archive tells it, newest first.
fn all(workspace: &Workspace) -> Vec<(PathBuf, RunSummary)> {
    journal::RunSummary::all(&workspace.reports)
        .into_iter()
        .filter_map(|run| {
            let mut summary = RunSummary::read(&run.folder).ok()?;
            if summary.status == RunStatus::Running {
                summary.status = run.status;
            }
            Some((run.folder, summary))
        })
        .collect()
}

pub fn list(workspace: &Workspace, job: Option<&str>, as_json: bool) -> anyhow::Result<Exit> {
    let runs: Vec<_> = all(workspace)
        .into_iter()
        .filter(|(_, run)| job.is_none_or(|job| run.job == job))
        .collect();
    if as_json {
        let runs: Vec<_> = runs.iter().map(|(_, run)| run).collect();
        print(&serde_json::to_string_pretty(&runs)?)?;
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
            run.headline
        );
    }
    if runs.is_empty() {
        let _ = writeln!(text, "  none yet");
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// The folder of a run: by "latest", its id, `JOB/WINDOW/RUN`, or a folder.
pub fn find(workspace: &Workspace, run: &str) -> anyhow::Result<PathBuf> {
    for folder in [PathBuf::from(run), workspace.reports.join(run)] {
        if folder.join(journal::PLAN).is_file() {
            return Ok(folder);
        }
    }
    let runs = all(workspace);
    let found: Vec<_> = runs
        .iter()
        .filter(|(_, summary)| run == "latest" || summary.run == run)
        .collect();
    match found.as_slice() {
        [] if runs.is_empty() => Err(WrongUsage(format!(
            "no run {run:?}: there are no runs in {} yet",
            workspace.reports.display()
        ))
        .into()),
        [] => Err(WrongUsage(format!(
            "no run {run:?} in {}; `retrocast list` lists them",
            workspace.reports.display()
        ))
        .into()),
        [(folder, _)] => Ok(folder.clone()),
        [(folder, _), ..] if run == "latest" => Ok(folder.clone()),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|(_, run)| format!("{}/{}/{}", run.job, run.window, run.run))
                .collect();
            Err(WrongUsage(format!("{run:?} may be {}", names.join(" or "))).into())
        }
    }
}

pub fn show(workspace: &Workspace, run: &str, as_json: bool) -> anyhow::Result<Exit> {
    let folder = find(workspace, run)?;
    let mut findings: Vec<Finding> = read(&folder.join("findings.json"))?;
    if as_json {
        print(&serde_json::to_string_pretty(&findings)?)?;
        return Ok(Exit::Done);
    }
    let summary = RunSummary::read(&folder)?;
    findings.sort_by(by_importance);
    let mut text = format!(
        "{}, {} ({})\nrun {} is {}, {}\n\n",
        summary.title,
        summary.window,
        summary.period,
        summary.run,
        summary.status.word(),
        folder.display()
    );
    if let Ok(report) = read::<Report>(&folder.join("report.json")) {
        let _ = writeln!(text, "{}\n", report.verdict);
    }
    for finding in &findings {
        let severity = format!("{:?}", finding.severity).to_lowercase();
        let _ = writeln!(text, "  {severity:<9} {}", finding.sentence);
    }
    if findings.is_empty() {
        text.push_str("  no findings\n");
    }
    failures(&mut text, &folder);
    print(&text)?;
    Ok(Exit::Done)
}

/// Adds what failed in a run.
fn failures(text: &mut String, folder: &Path) {
    let events = Journal::read(folder).unwrap_or_default();
    for event in events
        .iter()
        .filter(|event| event.event == journal::EventKind::NodeFailed)
    {
        let node = event.node.as_deref().unwrap_or_default();
        let message = event.message.as_deref().unwrap_or_default();
        let _ = writeln!(text, "  failed    {node}: {message}");
    }
}
