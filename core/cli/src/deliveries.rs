//! Deliveries of runs: mail and notifications, which share the outbox of a run.
//!
//! Deliveries never change the result of a run: errors go to stderr and to the outbox, and the next
//! check of a schedule or `retrocast deliver` tries again.

use crate::{
    mail::{Mailer, SETTINGS},
    notifications::Notifier,
    terminal,
    workspace::Workspace,
};
use jiff::Timestamp;
use retrocast_engine::{
    Job,
    job::{
        ReportSection,
        delivery::{Notification, SendPolicy},
    },
};
use retrocast_mail::{Deliveries, Outbox, Selection, outbox::events_path};
use retrocast_run::{RunOrigin, RunStatus, folder::run_folders_of};
use std::path::{Path, PathBuf};

/// The mail and notifications to send; either may be `None`.
pub struct Senders<'a> {
    /// Sender of mail, with the reports to send.
    pub mail: Option<(Mailer, &'a [ReportSection])>,
    /// Sender of notifications.
    pub notifications: Option<Notifier>,
}

impl Senders<'_> {
    /// Sends the selected deliveries in a run's outbox. With `is_new`, first adds the missing
    /// deliveries to the outbox. A mail error does not prevent notifications.
    fn run(
        &self,
        outbox: &mut Outbox,
        folder: &Path,
        selection: Selection,
        is_new: bool,
    ) -> anyhow::Result<()> {
        let requeue = selection == Selection::Open;
        let send_mail = |outbox: &mut Outbox| -> anyhow::Result<()> {
            let Some((mailer, reports)) = &self.mail else {
                return Ok(());
            };
            if is_new {
                mailer.enqueue(outbox, folder, reports, requeue)?;
            }
            mailer.send(outbox, selection)
        };
        let send_notifications = |outbox: &mut Outbox| -> anyhow::Result<()> {
            let Some(notifier) = &self.notifications else {
                return Ok(());
            };
            if is_new {
                notifier.enqueue(outbox, folder, requeue)?;
            }
            notifier.send(outbox, selection)
        };
        let mail = send_mail(outbox);
        let notifications = send_notifications(outbox);
        outbox.give_up_exhausted(Timestamp::now(), &|_| true)?;
        match (mail, notifications) {
            (Err(error), notifications @ Err(_)) => {
                terminal::print_error(&error);
                notifications
            }
            (mail, notifications) => mail.and(notifications),
        }
    }

    /// Sends the deliveries of a run on request, including refused and given-up deliveries.
    pub fn deliver(&self, workspace: &Workspace, folder: &Path) -> anyhow::Result<Deliveries> {
        with_outbox(workspace, folder, |outbox| {
            self.run(outbox, folder, Selection::Open, true)
        })
    }
}

/// Runs an operation on the outbox of a run, then uploads the folder to the archive.
fn with_outbox(
    workspace: &Workspace,
    folder: &Path,
    operation: impl FnOnce(&mut Outbox) -> anyhow::Result<()>,
) -> anyhow::Result<Deliveries> {
    let mut outbox = Outbox::open(folder)?;
    let result = operation(&mut outbox);
    let deliveries = outbox.deliveries().clone();
    drop(outbox);
    workspace.send()?;
    result.map(|()| deliveries)
}

/// Sends the reports and notifications of a finished run, if its job file requests them. The
/// failure of a scheduled run is left to [`send_failure`].
pub fn send_after_run(workspace: &Workspace, job: &Job, folder: &Path, status: RunStatus) {
    let is_scheduled = RunOrigin::read(folder).is_ok_and(|origin| origin.due.is_some());
    let is_wanted = |policy: SendPolicy| match policy {
        SendPolicy::Never => false,
        SendPolicy::Always => true,
        SendPolicy::Scheduled => is_scheduled,
    };
    if status.has_reports() {
        send_new(workspace, job, folder, &is_wanted, &is_wanted);
    } else if !is_scheduled && status == RunStatus::Failed {
        send_new(workspace, job, folder, &|_| false, &is_wanted);
    }
}

/// Notifies the recipients of a scheduled job once of a failure about which its administrator was
/// alerted.
pub fn send_failure(workspace: &Workspace, job: &Job, folder: &Path) {
    let is_wanted = |policy: SendPolicy| policy != SendPolicy::Never;
    send_new(workspace, job, folder, &is_wanted, &is_wanted);
}

fn send_new(
    workspace: &Workspace,
    job: &Job,
    folder: &Path,
    is_mail_wanted: &dyn Fn(SendPolicy) -> bool,
    is_notification_wanted: &dyn Fn(SendPolicy) -> bool,
) {
    let has_recipients = job.reports.iter().any(ReportSection::has_recipients);
    let notifications = job.notifications.iter();
    let notifications: Vec<&Notification> = notifications
        .filter(|notification| is_notification_wanted(notification.send))
        .collect();
    let sends_mail = has_recipients && is_mail_wanted(job.send_mail);
    if !sends_mail && notifications.is_empty() {
        return;
    }
    let send = || -> anyhow::Result<()> {
        let mailer = if sends_mail {
            Mailer::new(workspace)?
        } else {
            None
        };
        if sends_mail && mailer.is_none() {
            tracing::info!("sending no mail: there is no {SETTINGS}");
        }
        let senders = Senders {
            mail: mailer.map(|mailer| (mailer, &job.reports[..])),
            notifications: match notifications[..] {
                [] => None,
                _ => Some(Notifier::new(workspace, job, &notifications)?),
            },
        };
        if senders.mail.is_some() || senders.notifications.is_some() {
            with_outbox(workspace, folder, |outbox| {
                senders.run(outbox, folder, Selection::Due, true)
            })?;
        }
        Ok(())
    };
    report_error(send());
}

/// Sends the deliveries of a job's runs that are due.
pub fn retry(workspace: &Workspace, job: &Job) {
    let now = Timestamp::now();
    let is_due = |folder: &PathBuf| {
        events_path(folder).is_file()
            && Outbox::read(folder)
                .is_ok_and(|deliveries| deliveries.iter().any(|delivery| delivery.is_due(now)))
    };
    let folders = run_folders_of(&workspace.reports, &job.name).into_iter();
    let due: Vec<PathBuf> = folders.filter(is_due).collect();
    if due.is_empty() {
        return;
    }
    let send = || -> anyhow::Result<()> {
        let notifications: Vec<&Notification> = job.notifications.iter().collect();
        let senders = Senders {
            mail: Mailer::new(workspace)?.map(|mailer| (mailer, &job.reports[..])),
            notifications: Some(Notifier::new(workspace, job, &notifications)?),
        };
        for folder in &due {
            with_outbox(workspace, folder, |outbox| {
                senders.run(outbox, folder, Selection::Due, false)
            })?;
        }
        Ok(())
    };
    report_error(send());
}

fn report_error(result: anyhow::Result<()>) {
    if let Err(error) = result {
        terminal::print_error(&error.context("some deliveries failed"));
    }
}
