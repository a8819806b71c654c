//! Removes old reports, on request or on a full disk as the job file allows, with a notice in the
//! next report. A removed run leaves a tombstone; pinned runs are kept.
//!
//! ```text
//! lake/notices/<job>.json   notices for the next report of the job
//! ```

use crate::{ledger, terminal, workspace::Workspace};
use anyhow::Context as _;
use jiff::civil::Date;
use retrocast_deliver::retention;
use retrocast_domain::{Window, number::plural};
use retrocast_engine::{Job, OutcomeStore, schedule::conditions::format_bytes};
use retrocast_run::{Journal, Node, Plan, RecordedPlan, folder::run_folders_of};
use std::{collections::BTreeSet, fs, path::PathBuf};

/// A run whose files may be removed.
pub struct RemovableRun {
    /// Window that the run reports on.
    pub window: Window,
    /// Its id.
    pub run: String,
    /// Folder to remove.
    pub folder: PathBuf,
}

/// A rule for removing reports: those on windows that ended by `limit`, except on the `at_least`
/// newest windows.
pub struct RetentionRule {
    /// Last day by which a window must have ended.
    pub limit: Date,
    /// Number of newest windows that are always kept.
    pub at_least: u32,
    /// The rule in words, for tombstones: "as the job's retention (26 weeks) allows".
    pub why: String,
}

/// The runs of a job that a rule allows to be removed, oldest first, without pinned runs, active
/// runs and runs that were removed already.
pub fn removable(workspace: &Workspace, job: &str, rule: &RetentionRule) -> Vec<RemovableRun> {
    let mut runs = runs(workspace, job);
    let ends: BTreeSet<Date> = runs.iter().map(|run| run.window.end).collect();
    let oldest_required = match rule.at_least {
        0 => Some(Date::MAX),
        n => ends.iter().rev().nth(n as usize - 1).copied(),
    };
    let Some(oldest_required) = oldest_required else {
        return Vec::new();
    };
    runs.retain(|run| {
        run.window.end <= rule.limit
            && run.window.end < oldest_required
            && retention::pin_of(&run.folder).is_none()
            && !Journal::is_being_written(&run.folder)
            && retention::removable_files(&run.folder).is_ok_and(|(files, _)| !files.is_empty())
    });
    runs.sort_by_key(|run| (run.window.end, run.folder.clone()));
    runs
}

/// Removes the files of runs and the cached reports with the same files, and leaves tombstones;
/// returns the size of the files in bytes.
pub fn remove(
    workspace: &Workspace,
    job: &str,
    runs: &[RemovableRun],
    today: Date,
    why: &str,
) -> anyhow::Result<u64> {
    let mut freed = 0;
    for run in runs {
        freed += retention::remove(&run.folder, today, why)?;
    }
    let names: BTreeSet<String> = runs.iter().map(|run| run.run.clone()).collect();
    OutcomeStore::of_lake(&workspace.lake_locations.files).forget(job, &names);
    Ok(freed)
}

/// Reports the full disk and frees space as the job file allows; returns false, with advice, if
/// nothing could be removed.
pub fn free_space(workspace: &Workspace, job: &Job) -> anyhow::Result<bool> {
    terminal::message!("the disk is full");
    let notice = remove_old_reports(workspace, job)?;
    match &notice {
        Some(notice) => terminal::message!("{notice} Trying once more."),
        None if job.retention.is_none() => terminal::message!(
            "the job file does not allow reports to be removed; [retention] keep = \"26 weeks\" \
             allows it for older ones"
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
    let rule = RetentionRule {
        limit: retention.limit(today),
        at_least: retention.at_least,
        why: format!("as the job's retention ({}) allows", retention.keep),
    };
    let runs = removable(workspace, &job.name, &rule);
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
    let Some(last) = runs
        .iter()
        .map(|run| &run.window)
        .max_by_key(|window| window.end)
    else {
        return Ok(None);
    };
    let why = format!(
        "the disk was full, and files of old runs are removed {}",
        rule.why
    );
    let freed = remove(workspace, &job.name, &runs, today, &why)?;
    let warning = if loses_findings {
        " Their findings are not in the ledger."
    } else {
        ""
    };
    let notice = format!(
        "The disk was full on {today}: removed {} on windows up to {}, {} in total, {}.{warning}",
        plural(runs.len() as u64, "report"),
        last.label(),
        format_bytes(freed),
        rule.why,
    );
    add_notice(workspace, &job.name, &notice)?;
    Ok(Some(notice))
}

/// Folders of finished runs that the ledger lacks and cannot store now.
pub fn unpublished(workspace: &Workspace, job: &str) -> BTreeSet<PathBuf> {
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
    let mut updated = notices(workspace, job);
    updated.push(notice.to_string());
    write_notices(workspace, job, &updated)
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
    let recorded = notices(workspace, &plan.job);
    let printed: BTreeSet<&str> = plan
        .nodes
        .iter()
        .filter_map(Node::report)
        .flat_map(|report| report.notices.iter().map(String::as_str))
        .collect();
    let remaining: Vec<String> = recorded
        .iter()
        .filter(|notice| !printed.contains(notice.as_str()))
        .cloned()
        .collect();
    if remaining.len() < recorded.len() {
        write_notices(workspace, &plan.job, &remaining)?;
    }
    Ok(())
}
