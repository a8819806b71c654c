//! `retrocast deliver` and `retrocast mail check`.

use super::{archive, job, print};
use crate::{
    Exit,
    arguments::JobArguments,
    diagnose::WrongUsage,
    mail::{self, Mailer, SETTINGS},
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_engine::job::ReportSection;
use retrocast_mail::{Deliveries, DeliveryState};
use retrocast_run::{RunSummary, files::JOB};
use std::{fmt::Write as _, path::Path};

/// Sends the reports of a run, or one of them; with `dry_run`, writes the messages to that folder
/// instead.
pub fn deliver(
    workspace: &Workspace,
    run: &str,
    report: Option<&str>,
    dry_run: Option<&Path>,
) -> anyhow::Result<Exit> {
    let folder = archive::find(workspace, run)?;
    let mut reports = reports(workspace, &folder)?;
    if let Some(name) = report {
        let names: Vec<String> = reports.iter().map(|report| report.name.clone()).collect();
        reports.retain(|report| report.name == name);
        if reports.is_empty() {
            let names = names.join(", ");
            return Err(WrongUsage(format!("no report {name:?}; reports: {names}")).into());
        }
    }
    if !reports.iter().any(ReportSection::has_recipients) {
        return Err(WrongUsage(
            "no recipient: add one to the job file, such as\n[report.executive]\n\
             to = [\"ada@example.org\"]"
                .to_string(),
        )
        .into());
    }
    if let Some(out) = dry_run {
        return write(&Mailer::for_preview(workspace)?, &folder, &reports, out);
    }
    let mailer = Mailer::new(workspace)?.ok_or_else(|| no_settings(workspace))?;
    let deliveries = mailer.deliver(workspace, &folder, &reports)?;
    let mut text = String::new();
    for delivery in deliveries.iter() {
        let _ = writeln!(text, "{}", mail::format_delivery(delivery));
    }
    print(&text)?;
    Ok(exit(&deliveries))
}

/// Connects to the mail server and logs in.
pub fn check(workspace: &Workspace) -> anyhow::Result<Exit> {
    let mailer = Mailer::new(workspace)?.ok_or_else(|| no_settings(workspace))?;
    mailer.check()?;
    print("the mail server accepts the login; nothing was sent")?;
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

/// The report sections of a run's job: from the current job file, which may have corrected
/// addresses, else from the recorded one.
fn reports(workspace: &Workspace, folder: &Path) -> anyhow::Result<Vec<ReportSection>> {
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
        return Ok(job.reports);
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
    Ok(job.reports)
}

/// Writes the messages of a run to a folder, one file each.
fn write(
    mailer: &Mailer,
    folder: &Path,
    reports: &[ReportSection],
    out: &Path,
) -> anyhow::Result<Exit> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot write {}", out.display()))?;
    let mut text = String::new();
    for message in mailer.messages(folder, reports)? {
        let safe = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        };
        let name: String = message.to.chars().map(safe).collect();
        let path = out.join(format!("{name}-{}.eml", &message.id[..8]));
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
