//! `retrocast status`: the status of scheduled jobs.

use super::{
    print, print_json,
    schedule::{self, JobSchedule},
};
use crate::{Exit, diagnose, mail, terminal, workspace::Workspace};
use retrocast_domain::Level;
use retrocast_engine::schedule::{Health, attempts::last_manual_success, health};
use retrocast_mail::{Delivery, Outbox, outbox::events_path};
use retrocast_run::folder::run_folders_of;
use serde_json::{Value, json};
use std::{cmp::Reverse, path::PathBuf};

/// The status of a job.
struct JobStatus {
    job: String,
    /// True if it needs no attention.
    is_good: bool,
    word: &'static str,
    description: String,
    details: Value,
    /// Deliveries of the newest run that has any, and those of earlier runs that no server has
    /// accepted yet.
    deliveries: Vec<Delivery>,
}

/// Prints a line for each scheduled job, those that need attention first. With `check`, the exit
/// code is 1 if any job needs attention.
pub fn status(
    workspace: &Workspace,
    job: Option<&str>,
    check: bool,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let names: Vec<String> = job.map(str::to_string).into_iter().collect();
    let mut jobs = Vec::new();
    for name in schedule::select_jobs(workspace, &names) {
        jobs.extend(job_status(workspace, &name, job.is_some())?);
    }
    jobs.sort_by_key(|job| job.is_good);
    let needs_attention = jobs.iter().any(|job| !job.is_good);
    if as_json {
        let documents: Vec<Value> = jobs
            .iter()
            .map(|job| {
                json!({
                    "job": job.job,
                    "good": job.is_good,
                    "is": job.word,
                    "words": job.description,
                    "standing": job.details,
                    "deliveries": job.deliveries,
                })
            })
            .collect();
        print_json(&documents)?;
    } else if jobs.is_empty() {
        print(&format!(
            "no job in {} has a schedule",
            workspace.jobs.display()
        ))?;
    } else {
        let text: Vec<String> = jobs
            .iter()
            .map(|job| {
                let description = terminal::truncate(&job.description, 400);
                let mut text = format!("{} {}: {description}", job.job, job.word);
                let newest = job.deliveries.first().map(|delivery| &delivery.queued.run);
                for delivery in &job.deliveries {
                    text.push_str(&format!("\n  {}", mail::format_delivery(delivery)));
                    if newest != Some(&delivery.queued.run) {
                        text.push_str(&format!(" (run {})", delivery.queued.run));
                    }
                }
                text
            })
            .collect();
        print(&text.join("\n"))?;
    }
    Ok(if check && needs_attention {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// Finds the status of a job; `None` for one without a schedule, which is an error if `is_named`.
fn job_status(
    workspace: &Workspace,
    name: &str,
    is_named: bool,
) -> anyhow::Result<Option<JobStatus>> {
    let unreadable = |description: String| JobStatus {
        job: name.to_string(),
        is_good: false,
        word: "unreadable",
        description,
        details: Value::Null,
        deliveries: Vec::new(),
    };
    let job_schedule = match schedule::read(workspace, name) {
        Ok(job_schedule) => job_schedule,
        Err(error) if is_named => return Err(error),
        Err(error) => return Ok(Some(unreadable(diagnose::in_one_line(&error)))),
    };
    let scheduled = match job_schedule {
        JobSchedule::Scheduled(scheduled) => scheduled,
        JobSchedule::Unscheduled if is_named => return Err(schedule::unscheduled(name).into()),
        JobSchedule::Unscheduled => return Ok(None),
        JobSchedule::Invalid(diagnostics, _) => {
            let mut errors = diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.level == Level::Error);
            let first = errors.next().map(|error| error.message.clone());
            let first = first.unwrap_or_else(|| "the job file cannot be used".to_string());
            let description = format!("{first}; `retrocast check {name}` shows details");
            return Ok(Some(unreadable(description)));
        }
    };
    let status = scheduled.status(workspace);
    let manual = last_manual_success(&workspace.reports, &scheduled.job.name);
    let health = health(&status);
    let mut details = serde_json::to_value(&status)?;
    details["last_manual_success"] = json!(manual);
    Ok(Some(JobStatus {
        job: scheduled.job.name.clone(),
        is_good: health == Health::Good,
        word: health.word(),
        description: scheduled.calendar.status_words(&status, manual.as_ref()),
        details,
        deliveries: deliveries_of(workspace, &scheduled.job.name),
    }))
}

/// The deliveries of the newest run of a job that has any, then those of earlier runs that will be
/// retried; unreadable deliveries are ignored.
fn deliveries_of(workspace: &Workspace, job: &str) -> Vec<Delivery> {
    let folders = run_folders_of(&workspace.reports, job).into_iter();
    let read_deliveries = |folder: PathBuf| {
        let written = std::fs::metadata(events_path(&folder))
            .ok()?
            .modified()
            .ok()?;
        let deliveries: Vec<Delivery> = Outbox::read(&folder).ok()?.iter().cloned().collect();
        (!deliveries.is_empty()).then_some((written, deliveries))
    };
    let mut runs: Vec<_> = folders.filter_map(read_deliveries).collect();
    runs.sort_by_key(|(written, _)| Reverse(*written));
    let runs = runs.into_iter().enumerate();
    let is_listed = |n: usize, delivery: &Delivery| n == 0 || delivery.state.is_open();
    runs.flat_map(|(n, (_, deliveries))| {
        let listed = deliveries.into_iter();
        listed.filter(move |delivery| is_listed(n, delivery))
    })
    .collect()
}
