//! `retrocast deliver` and `retrocast mail check`.

use super::{archive, job, print};
use crate::{
    Exit,
    arguments::JobArguments,
    deliveries::Senders,
    diagnose::WrongUsage,
    mail::{self, Mailer, SETTINGS},
    notifications::Notifier,
    terminal,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_engine::{
    Job,
    job::{ReportSection, delivery::Notification},
};
use retrocast_mail::{Deliveries, DeliveryState, Message};
use retrocast_run::{RunSummary, files::JOB};
use std::{fmt::Write as _, path::Path};

/// Sends the reports and notifications of a run, or one of its reports; with `dry_run`, writes the
/// messages to that folder instead.
pub fn deliver(
    workspace: &Workspace,
    run: &str,
    report: Option<&str>,
    dry_run: Option<&Path>,
) -> anyhow::Result<Exit> {
    let folder = archive::find_with_files(workspace, run)?;
    let mut job = load_job(workspace, &folder)?;
    if let Some(name) = report {
        let names: Vec<String> = job
            .reports
            .iter()
            .map(|report| report.name.clone())
            .collect();
        if !names.iter().any(|known| known == name) {
            let names = names.join(", ");
            return Err(WrongUsage(format!("no report {name:?}; reports: {names}")).into());
        }
        // Notifications are about the whole run.
        job.notifications.clear();
    }
    let is_selected = |section: &&ReportSection| report.is_none_or(|name| section.name == name);
    let reports: Vec<ReportSection> = job.reports.iter().filter(is_selected).cloned().collect();
    let has_mail = reports.iter().any(ReportSection::has_recipients);
    if !has_mail && job.notifications.is_empty() {
        return Err(WrongUsage(
            "no recipient: add one to the job file, such as\n[report.executive]\n\
             to = [\"ada@example.org\"]"
                .to_string(),
        )
        .into());
    }
    let notifications: Vec<&Notification> = job.notifications.iter().collect();
    let notifier = Notifier::new(workspace, &job, &notifications)?;
    if let Some(out) = dry_run {
        let mut messages = Vec::new();
        if has_mail {
            messages = Mailer::for_preview(workspace)?.messages(&folder, &reports)?;
        }
        messages.extend(notifier.messages(&folder)?);
        return write(&messages, out);
    }
    let mailer = if has_mail {
        Mailer::new(workspace)?
    } else {
        None
    };
    if has_mail && mailer.is_none() {
        if notifications.is_empty() {
            return Err(no_settings(workspace).into());
        }
        terminal::message!("sending no mail: there is no {SETTINGS}");
    }
    let senders = Senders {
        mail: mailer.map(|mailer| (mailer, &reports[..])),
        notifications: Some(notifier),
    };
    let deliveries = senders.deliver(workspace, &folder)?;
    let mut text = String::new();
    for delivery in deliveries.iter() {
        let _ = writeln!(text, "{}", mail::format_delivery(delivery));
    }
    if text.is_empty() {
        terminal::message!("nothing to deliver: no notification covers the result of this run");
    }
    print(&text)?;
    Ok(exit(&deliveries))
}

/// Connects to the mail server and logs in.
pub fn check(workspace: &Workspace) -> anyhow::Result<Exit> {
    let mailer = Mailer::new(workspace)?.ok_or_else(|| no_settings(workspace))?;
    mailer.check()?;
    print(if mailer.has_login() {
        "the mail server accepts the login; nothing was sent"
    } else {
        "the mail server accepts the connection; no login is configured; nothing was sent"
    })?;
    Ok(Exit::Done)
}

fn no_settings(workspace: &Workspace) -> WrongUsage {
    let path = workspace.root.join(SETTINGS);
    WrongUsage(format!(
        "there is no {}; write, for example\nfrom = \"Reports <reports@example.org>\"\n[server]\n\
         host = \"smtp.example.org\"\n[auth]\nkind = \"password\"\nuser = \"reports\"\n\
         password = {{ env = \"SMTP_PASSWORD\" }}",
        path.display()
    ))
}

fn exit(deliveries: &Deliveries) -> Exit {
    let states = deliveries.iter().map(|delivery| delivery.state);
    let exits = states.map(|state| match state {
        DeliveryState::Accepted => Exit::Done,
        DeliveryState::Waiting | DeliveryState::InDoubt => Exit::Partial,
        DeliveryState::Refused | DeliveryState::GivenUp => Exit::Failed,
    });
    exits.fold(Exit::Done, Exit::more_severe)
}

/// Loads the job of a run from the current job file, which may have corrected addresses, or else
/// from the recorded one.
fn load_job(workspace: &Workspace, folder: &Path) -> anyhow::Result<Job> {
    let name = RunSummary::read(folder)?.job;
    let arguments = JobArguments {
        job: name.clone(),
        date: None,
        window: None,
        set: Vec::new(),
        select: Vec::new(),
        until: Vec::new(),
    };
    let current = job::load(workspace, &arguments).ok();
    if let Some(job) = current.and_then(|loaded| loaded.checked.job) {
        return Ok(job);
    }
    let path = folder.join(JOB);
    let text = std::fs::read_to_string(&path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let recorded = job::load_text(workspace, &workspace.jobs, &path, text, &arguments)?;
    let job = recorded.checked.job.ok_or_else(|| {
        WrongUsage(format!(
            "{name} and {} cannot be used; `retrocast check {name}` shows details",
            path.display()
        ))
    })?;
    Ok(job)
}

/// Writes messages to a folder, one file each.
fn write(messages: &[Message], out: &Path) -> anyhow::Result<Exit> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot write {}", out.display()))?;
    let mut text = String::new();
    for message in messages {
        let safe = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        };
        let name: String = message.to.chars().map(safe).collect();
        let (id, extension) = (&message.id[..8], message.channel.extension());
        let path = out.join(format!("{name}-{id}.{extension}"));
        std::fs::write(&path, &message.bytes)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let _ = writeln!(
            text,
            "{}: {} to {}",
            path.display(),
            message.subject,
            message.to
        );
    }
    print(&text)?;
    Ok(Exit::Done)
}
