//! `retrocast status`: the status of scheduled jobs.

use super::{
    print, print_json,
    schedule::{self, Lookup},
};
use crate::{Exit, diagnose, mail, terminal, workspace::Workspace};
use retrocast_domain::Level;
use retrocast_engine::schedule::{Health, attempts::last_manual_success, health};
use retrocast_mail::{Delivery, Outbox, outbox::events_path};
use retrocast_run::folder::run_folders_of;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The status of a job.
struct Line {
    job: String,
    /// True if it needs no attention.
    is_good: bool,
    word: &'static str,
    words: String,
    details: Value,
    /// Deliveries of its newest run that has any.
    mail: Vec<Delivery>,
}

/// Prints a line for each scheduled job, those that need attention first. With `check`, the exit
/// code is 1 if there are any.
pub fn status(
    workspace: &Workspace,
    job: Option<&str>,
    check: bool,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let named: Vec<String> = job.map(str::to_string).into_iter().collect();
    let mut lines = Vec::new();
    for name in schedule::chosen(workspace, &named) {
        lines.extend(line(workspace, &name, job.is_some())?);
    }
    lines.sort_by_key(|line| line.is_good);
    let any_bad = lines.iter().any(|line| !line.is_good);
    if as_json {
        let all: Vec<Value> = lines
            .iter()
            .map(|line| {
                json!({
                    "job": line.job,
                    "good": line.is_good,
                    "is": line.word,
                    "words": line.words,
                    "standing": line.details,
                    "mail": line.mail,
                })
            })
            .collect();
        print_json(&all)?;
    } else if lines.is_empty() {
        print(&format!(
            "no job in {} has a schedule",
            workspace.jobs.display()
        ))?;
    } else {
        let text: Vec<String> = lines
            .iter()
            .map(|line| {
                let words = terminal::line(&line.words, 400);
                let mut text = format!("{} {}: {words}", line.job, line.word);
                for delivery in &line.mail {
                    text.push_str(&format!("\n  mail: {}", mail::line(delivery)));
                }
                text
            })
            .collect();
        print(&text.join("\n"))?;
    }
    Ok(if check && any_bad {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// The status of a job; `None` for one without a schedule, unless it was named.
fn line(workspace: &Workspace, name: &str, named: bool) -> anyhow::Result<Option<Line>> {
    let unreadable = |words: String| Line {
        job: name.to_string(),
        is_good: false,
        word: "unreadable",
        words,
        details: Value::Null,
        mail: Vec::new(),
    };
    let found = match schedule::find(workspace, name) {
        Ok(found) => found,
        Err(error) if named => return Err(error),
        Err(error) => return Ok(Some(unreadable(diagnose::in_one_line(&error)))),
    };
    let found = match found {
        Lookup::Scheduled(found) => found,
        Lookup::Unscheduled if named => return Err(schedule::unscheduled(name).into()),
        Lookup::Unscheduled => return Ok(None),
        Lookup::Unusable(diagnostics, _) => {
            let mut errors = diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.level == Level::Error);
            let first = errors.next().map(|error| error.message.clone());
            let first = first.unwrap_or_else(|| "the job file cannot be used".to_string());
            let words = format!("{first}; `retrocast check {name}` shows details");
            return Ok(Some(unreadable(words)));
        }
    };
    let status = found.status(workspace);
    let manual = last_manual_success(&workspace.reports, &found.job.name);
    let health = health(&status);
    let mut details = serde_json::to_value(&status)?;
    details["last_manual_success"] = json!(manual);
    Ok(Some(Line {
        job: found.job.name.clone(),
        is_good: health == Health::Good,
        word: health.word(),
        words: found.calendar.status_words(&status, manual.as_ref()),
        details,
        mail: mail_of(workspace, &found.job.name),
    }))
}

/// The deliveries of the newest run of a job that has any; unreadable ones count as none.
fn mail_of(workspace: &Workspace, job: &str) -> Vec<Delivery> {
    let folders = run_folders_of(&workspace.reports, job).into_iter();
    let of = |folder: PathBuf| {
        let written = std::fs::metadata(events_path(&folder))
            .ok()?
            .modified()
            .ok()?;
        let deliveries: Vec<Delivery> = Outbox::read(&folder).ok()?.iter().cloned().collect();
        (!deliveries.is_empty()).then_some((written, deliveries))
    };
    let newest = folders.filter_map(of).max_by_key(|(written, _)| *written);
    newest.map_or_else(Vec::new, |(_, deliveries)| deliveries)
}
