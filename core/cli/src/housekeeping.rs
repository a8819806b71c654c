//! Frees space on a full disk: removes old reports as the job file allows, and adds a notice to the
//! next report.
//!
//! ```text
//! lake/notices/<job>.json   notices for the next report of the job
//! ```

use crate::{ledger, terminal, workspace::Workspace};
use anyhow::Context as _;
use jiff::civil::Date;
use retrocast_domain::{Window, number::plural};
use retrocast_engine::{Job, OutcomeStore, schedule::conditions::format_bytes};
use retrocast_run::{Journal, Node, Plan, RecordedPlan, folder::run_folders_of};
use retrocast_store::bytes_below;
use std::{collections::BTreeSet, fs, path::PathBuf};

/// A run folder that may be removed.
struct RemovableRun {
    window: Window,
    run: String,
    folder: PathBuf,
}

/// Reports the full disk and frees space as the job file allows; returns false, with advice, if
/// nothing could be removed.
pub fn free_space(workspace: &Workspace, job: &Job) -> anyhow::Result<bool> {
    terminal::message!("the disk is full");
    let notice = remove_old_reports(workspace, job)?;
    match &notice {
        Some(notice) => terminal::message!("{notice} Trying once more."),
        None if job.retention.is_none() => terminal::message!(
            "the job file does not allow reports to be removed; with [retention] keep = \"26 weeks\", \
             older ones are"
        ),
        None => {}
    }
    Ok(notice.is_some())
}

/// Removes the reports that the job's `[retention]` allows and records a notice. `None` if there
/// was nothing to remove.
fn remove_old_reports(workspace: &Workspace, job: &Job) -> anyhow::Result<Option<String>> {
    let Some(retention) = &job.retention else {
        return Ok(None);
    };
    let today = jiff::Timestamp::now().in_tz(&job.timezone)?.date();
    let mut runs = runs(workspace, &job.name);
    let ends: BTreeSet<Date> = runs.iter().map(|run| run.window.end).collect();
    let Some(oldest_required) = ends.iter().rev().nth(retention.at_least as usize - 1) else {
        return Ok(None);
    };
    let limit = retention.limit(today);
    runs.retain(|run| {
        run.window.end <= limit
            && run.window.end < *oldest_required
            && !Journal::is_being_written(&run.folder)
    });
    let unpublished = unpublished(workspace, &job.name);
    let (unpublished_runs, published): (Vec<_>, Vec<_>) =
        (runs.into_iter()).partition(|run| unpublished.contains(&run.folder));
    // Runs that the ledger could not store are removed last.
    let loses_findings = published.is_empty();
    let runs = if loses_findings {
        unpublished_runs
    } else {
        published
    };
    let names: BTreeSet<String> = runs.iter().map(|run| run.run.clone()).collect();
    let Some(last) = runs
        .iter()
        .map(|run| &run.window)
        .max_by_key(|window| window.end)
    else {
        return Ok(None);
    };
    let mut freed = 0;
    for run in &runs {
        freed += bytes_below(&run.folder);
        fs::remove_dir_all(&run.folder)
            .with_context(|| format!("cannot remove {}", run.folder.display()))?;
        if let Some(window) = run.folder.parent() {
            // Fails, as intended, if the window has another run.
            let _ = fs::remove_dir(window);
        }
    }
    OutcomeStore::of_lake(&workspace.lake_locations.files).forget(&job.name, &names);
    let warning = if loses_findings {
        " Their findings are not in the ledger."
    } else {
        ""
    };
    let notice = format!(
        "The disk was full on {today}: removed {} on windows up to {}, {} in total, as the job's \
         retention ({}) allows.{warning}",
        plural(runs.len() as u64, "report"),
        last.label(),
        format_bytes(freed),
        retention.keep,
    );
    add_notice(workspace, &job.name, &notice)?;
    Ok(Some(notice))
}

/// Folders of finished runs that the ledger lacks and cannot store now.
fn unpublished(workspace: &Workspace, job: &str) -> BTreeSet<PathBuf> {
    let published = ledger::JobLedger::new(workspace, job).and_then(|ledger| {
        // On a full disk, some runs may not be published.
        if let Err(error) = ledger.publish(workspace, job) {
            tracing::warn!("cannot publish runs in the ledger: {error:#}");
        }
        ledger.missing(workspace, job)
    });
    match published {
        Ok(missing) => missing.into_iter().map(|(folder, _)| folder).collect(),
        Err(error) => {
            tracing::warn!("the ledger cannot be read: {error:#}");
            BTreeSet::new()
        }
    }
}

fn runs(workspace: &Workspace, job: &str) -> Vec<RemovableRun> {
    let read = |folder: PathBuf| {
        let RecordedPlan { plan, origin } = RecordedPlan::read(&folder).ok()?;
        Some(RemovableRun {
            window: plan.window,
            run: origin.run,
            folder,
        })
    };
    run_folders_of(&workspace.reports, job)
        .into_iter()
        .filter_map(read)
        .collect()
}

fn notices_path(workspace: &Workspace, job: &str) -> PathBuf {
    workspace.lake.join("notices").join(format!("{job}.json"))
}

/// Operational notices for the next report of a job.
pub fn notices(workspace: &Workspace, job: &str) -> Vec<String> {
    let text = fs::read(notices_path(workspace, job)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn add_notice(workspace: &Workspace, job: &str, notice: &str) -> anyhow::Result<()> {
    let mut all = notices(workspace, job);
    all.push(notice.to_string());
    write_notices(workspace, job, &all)
}

fn write_notices(workspace: &Workspace, job: &str, notices: &[String]) -> anyhow::Result<()> {
    let path = notices_path(workspace, job);
    let failed = || format!("cannot write {}", path.display());
    if notices.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(failed)
            }
            _ => Ok(()),
        };
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    fs::write(&path, serde_json::to_vec(notices)?).with_context(failed)
}

/// Removes the notices that the reports of a plan contain.
pub fn clear_printed_notices(workspace: &Workspace, plan: &Plan) -> anyhow::Result<()> {
    let all = notices(workspace, &plan.job);
    let printed: BTreeSet<&str> = plan
        .nodes
        .iter()
        .filter_map(Node::report)
        .flat_map(|report| report.notices.iter().map(String::as_str))
        .collect();
    let remaining: Vec<String> = all
        .iter()
        .filter(|notice| !printed.contains(notice.as_str()))
        .cloned()
        .collect();
    if remaining.len() < all.len() {
        write_notices(workspace, &plan.job, &remaining)?;
    }
    Ok(())
}
