//! `retrocast archive`: pages, pins and the removal of old runs.

use super::{archive, job, print, print_json, schedule};
use crate::{
    Exit,
    arguments::{ArchiveCommand, PruneArguments},
    diagnose::WrongUsage,
    housekeeping::{self, RemovableRun, RetentionRule},
    runs::reconcile,
    terminal,
    workspace::Workspace,
};
use anyhow::Context as _;
use jiff::{Timestamp, civil::Date};
use retrocast_deliver::retention::{self, Pin};
use retrocast_domain::number::plural;
use retrocast_engine::{
    Job,
    job::retention::{DEFAULT_AT_LEAST, subtract_period},
    schedule::conditions::format_bytes,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write as _, path::Path};

pub fn archive(workspace: &Workspace, command: ArchiveCommand) -> anyhow::Result<Exit> {
    match command {
        ArchiveCommand::Rebuild { changed, json } => rebuild(workspace, changed, json)?,
        ArchiveCommand::Pin { run, why } => {
            let folder = archive::find(workspace, &run)?;
            let date = Timestamp::now().in_tz("UTC")?.date();
            retention::pin(&folder, &Pin { date, why })?;
            archive::update(workspace)?;
            print(&format!("pinned {}", folder.display()))?;
        }
        ArchiveCommand::Unpin { run } => {
            let folder = archive::find(workspace, &run)?;
            let was_pinned = retention::unpin(&folder)?;
            archive::update(workspace)?;
            let result = if was_pinned {
                "unpinned"
            } else {
                "not pinned:"
            };
            print(&format!("{result} {}", folder.display()))?;
        }
        ArchiveCommand::Prune(arguments) => return prune(workspace, &arguments),
    }
    Ok(Exit::Done)
}

fn rebuild(workspace: &Workspace, only_changed: bool, as_json: bool) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    let update = if only_changed {
        archive::write(workspace, retrocast_deliver::update)?
    } else {
        archive::write(workspace, retrocast_deliver::rebuild)?
    };
    if as_json {
        return print_json(&update);
    }
    let files = &update.files;
    print(&format!(
        "{} of {}: {} written, {} removed, {:.1} s\n{}",
        plural(update.runs, "run"),
        plural(update.jobs, "job"),
        plural(files.written, "file"),
        files.removed,
        started.elapsed().as_secs_f64(),
        update.index.display()
    ))?;
    Ok(())
}

/// The runs of a job that are or would be removed.
struct PrunedJob {
    job: String,
    rule: RetentionRule,
    runs: Vec<RemovableRun>,
    /// Number of runs that are kept because the ledger lacks their findings.
    unpublished: u64,
}

fn prune(workspace: &Workspace, arguments: &PruneArguments) -> anyhow::Result<Exit> {
    let jobs_with_runs: BTreeSet<String> = reconcile(workspace)
        .into_iter()
        .map(|(_, run)| run.job)
        .collect();
    if let Some(unknown) = arguments
        .job
        .iter()
        .find(|job| !jobs_with_runs.contains(*job))
    {
        let jobs_with_runs: Vec<&str> = jobs_with_runs.iter().map(String::as_str).collect();
        let message = format!(
            "{unknown:?} has no runs in {}; jobs with runs: {}",
            workspace.reports.display(),
            jobs_with_runs.join(", ")
        );
        return Err(WrongUsage(message).into());
    }
    let jobs: Vec<&String> = if arguments.job.is_empty() {
        jobs_with_runs.iter().collect()
    } else {
        arguments.job.iter().collect()
    };
    let (mut pruned, mut without_rule) = (Vec::new(), Vec::new());
    for name in jobs {
        match rule(workspace, name, arguments)? {
            Some(rule) => pruned.push(select(workspace, name, rule, arguments.dry_run)),
            None => without_rule.push(name.as_str()),
        }
    }
    let today = Timestamp::now().in_tz("UTC")?.date();
    let (mut text, mut documents) = (String::new(), Vec::new());
    let mut total = 0;
    for pruned_job in &pruned {
        let bytes: Vec<u64> = pruned_job
            .runs
            .iter()
            .map(|run| size_of(&run.folder))
            .collect();
        if !arguments.dry_run {
            housekeeping::remove(
                workspace,
                &pruned_job.job,
                &pruned_job.runs,
                today,
                &pruned_job.rule.why,
            )?;
        }
        for (run, bytes) in pruned_job.runs.iter().zip(&bytes) {
            total += bytes;
            let path = format!("{}/{}/{}", pruned_job.job, run.window.label(), run.run);
            let verb = if arguments.dry_run {
                "would remove"
            } else {
                "removed"
            };
            let _ = writeln!(text, "{verb} {} of {path}", format_bytes(*bytes));
            documents.push(json!({ "run": path, "bytes": bytes, "why": pruned_job.rule.why }));
        }
        if pruned_job.unpublished > 0 {
            let runs = plural(pruned_job.unpublished, "run");
            terminal::message!(
                "warning: kept {runs} of {} whose findings are not in the ledger",
                pruned_job.job
            );
        }
    }
    if !arguments.dry_run && total > 0 {
        archive::update(workspace)?;
    }
    if arguments.json {
        let document: Value = json!({
            "dry_run": arguments.dry_run,
            "bytes": total,
            "runs": documents,
            "without_retention": without_rule,
        });
        print_json(&document)?;
        return Ok(Exit::Done);
    }
    if !without_rule.is_empty() {
        let names = without_rule.join(", ");
        let _ = writeln!(
            text,
            "skipped, without [retention] in the job file or --keep: {names}"
        );
    }
    let verb = if arguments.dry_run {
        "would be removed"
    } else {
        "removed"
    };
    let runs = plural(documents.len() as u64, "run");
    let _ = write!(text, "files of {runs} {verb}, {}", format_bytes(total));
    print(&text)?;
    Ok(Exit::Done)
}

fn size_of(run: &Path) -> u64 {
    retention::removable_files(run).map_or(0, |(_, bytes)| bytes)
}

/// The rule for a job, from the options and its job file; `None` if neither has one.
fn rule(
    workspace: &Workspace,
    name: &str,
    arguments: &PruneArguments,
) -> anyhow::Result<Option<RetentionRule>> {
    let job = read_job(workspace, name, arguments.keep.is_none())?;
    let retention = job.as_ref().and_then(|job| job.retention.as_ref());
    let (keep, why) = match (&arguments.keep, retention) {
        (Some(keep), _) => (
            keep.clone(),
            format!("older than {keep} (`archive prune --keep`)"),
        ),
        (None, Some(retention)) => {
            let keep = retention.keep.clone();
            let why = format!("older than {keep}, the job's [retention]");
            (keep, why)
        }
        (None, None) => return Ok(None),
    };
    let zone = job.as_ref().map_or("UTC", |job| job.timezone.as_str());
    let today: Date = Timestamp::now().in_tz(zone)?.date();
    Ok(Some(RetentionRule {
        limit: subtract_period(today, &keep),
        at_least: arguments
            .at_least
            .or(retention.map(|retention| retention.at_least))
            .unwrap_or(DEFAULT_AT_LEAST),
        why,
    }))
}

/// Reads a job, if its job file still exists. An invalid file is an error if its rule is needed.
fn read_job(workspace: &Workspace, name: &str, is_needed: bool) -> anyhow::Result<Option<Job>> {
    if !workspace.jobs.join(format!("{name}.toml")).is_file() {
        return Ok(None);
    }
    let loaded = job::load(workspace, &schedule::arguments(name));
    let checked = loaded.map(|loaded| loaded.checked.job);
    match checked {
        Ok(None) if is_needed => Err(WrongUsage(format!(
            "the job file of {name} has mistakes, so its [retention] is unknown: `retrocast check {name}` \
             lists them; with --keep, the job file is not needed"
        ))
        .into()),
        Ok(job) => Ok(job),
        Err(error) if is_needed => Err(error).context(format!("cannot read the job {name}")),
        Err(_) => Ok(None),
    }
}

/// Selects the runs to remove. Runs that the ledger lacks are published first, and kept if that
/// fails.
fn select(workspace: &Workspace, job: &str, rule: RetentionRule, dry_run: bool) -> PrunedJob {
    let mut runs = housekeeping::removable(workspace, job, &rule);
    let mut unpublished = 0;
    if !dry_run && !runs.is_empty() {
        let missing = housekeeping::unpublished(workspace, job);
        let before = runs.len();
        runs.retain(|run| !missing.contains(&run.folder));
        unpublished = (before - runs.len()) as u64;
    }
    PrunedJob {
        job: job.to_string(),
        rule,
        runs,
        unpublished,
    }
}
