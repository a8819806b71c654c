//! Notifications of runs: the receivers of a job file, and their messages in the outbox of a run.

use crate::{diagnose::WrongUsage, mail, signals, terminal, workspace::Workspace};
use jiff::Timestamp;
use retrocast_engine::{
    Job,
    job::delivery::{Notification, NotificationKind, RunResultKind},
};
use retrocast_mail::{
    Channel, Content, Delivery, EnqueueResult, Http, Message, Outbox, Selection, Target,
    notification::compose, settings::SecretLocation,
};
use retrocast_run::{RunStatus, RunSummary};
use std::path::Path;

/// Composes and sends the notifications of a job's runs.
pub struct Notifier {
    targets: Vec<(Target, Vec<RunResultKind>)>,
    /// Names of the job's reports, in order.
    reports: Vec<String>,
}

impl Notifier {
    /// Creates a notifier for the given receivers; reads no secrets.
    pub fn new(
        workspace: &Workspace,
        job: &Job,
        notifications: &[&Notification],
    ) -> anyhow::Result<Self> {
        let mut targets = Vec::new();
        for notification in notifications {
            let link = match &notification.link {
                Some(link) => Some(link.parse().map_err(|_| {
                    WrongUsage(format!(
                        "notify.{}: link: {link:?} is not a web address",
                        notification.name
                    ))
                })?),
                // Notifications work without settings for mail.
                None => mail::settings(workspace)?.and_then(|settings| settings.link),
            };
            let target = Target {
                name: notification.name.clone(),
                channel: match notification.kind {
                    NotificationKind::Webhook => Channel::Webhook,
                    NotificationKind::Slack => Channel::Slack,
                    NotificationKind::Teams => Channel::Teams,
                },
                url: SecretLocation::Env(notification.url.clone()),
                secret: notification.secret.clone().map(SecretLocation::Env),
                link,
            };
            targets.push((target, notification.on.clone()));
        }
        Ok(Self {
            targets,
            reports: job
                .reports
                .iter()
                .map(|report| report.name.clone())
                .collect(),
        })
    }

    /// Returns the targets to notify of the result of a run, with the content; empty for a run that
    /// succeeded without a report.
    fn contents(&self, folder: &Path) -> anyhow::Result<Vec<(&Target, Content)>> {
        let status = RunSummary::read(folder)?.status;
        let exists = |name: &&String| folder.join(format!("{name}.html")).is_file();
        let report = if status.has_reports() {
            self.reports.iter().find(exists)
        } else {
            self.reports.first()
        };
        let Some(report) = report else {
            return Ok(Vec::new());
        };
        let kind = match status {
            RunStatus::Complete => RunResultKind::Success,
            RunStatus::Partial => RunResultKind::Partial,
            _ => RunResultKind::Failure,
        };
        let targets = self.targets.iter().filter(|(_, on)| on.contains(&kind));
        let content = Content::outline(folder, report)?;
        Ok(targets
            .map(|(target, _)| (target, content.clone()))
            .collect())
    }

    /// Composes the notifications of a run, dated now; writes no outbox and reads no secrets.
    pub fn messages(&self, folder: &Path) -> anyhow::Result<Vec<Message>> {
        let contents = self.contents(folder)?.into_iter();
        let messages =
            contents.map(|(target, content)| compose(target, &content, Timestamp::now()));
        Ok(messages.collect::<Result<_, _>>()?)
    }

    /// Adds the notifications of a run to its outbox. With `requeue`, existing deliveries that no
    /// server accepted become due again.
    pub fn enqueue(&self, outbox: &mut Outbox, folder: &Path, requeue: bool) -> anyhow::Result<()> {
        for (target, content) in self.contents(folder)? {
            let (channel, name) = (target.channel, &target.name);
            if !requeue && outbox.find(&content, channel, name).is_some() {
                continue;
            }
            let added = outbox.enqueue_notification(target, &content, Timestamp::now())?;
            if requeue && added == EnqueueResult::Accepted {
                let (channel, report) = (channel.word(), content.report());
                terminal::message!("{channel}: {report} to {name}: already accepted");
            }
        }
        Ok(())
    }

    /// Sends the selected deliveries, and reports each attempt. A receiver without its secret does
    /// not prevent deliveries to the others.
    pub fn send(&self, outbox: &mut Outbox, selection: Selection) -> anyhow::Result<()> {
        let stop = signals::stop();
        let is_stopped = || stop.is_cancelled();
        let mut result = Ok(());
        for (target, _) in &self.targets {
            let is_open = |delivery: &Delivery| {
                let queued = &delivery.queued;
                (queued.channel, &queued.recipient) == (target.channel, &target.name)
                    && delivery.state.is_open()
            };
            if !outbox.deliveries().iter().any(is_open) {
                continue;
            }
            match Http::new(target, &|name| std::env::var(name).ok()) {
                Ok(mut http) => {
                    let tried = outbox.send(&mut http, selection, &Timestamp::now, &is_stopped)?;
                    mail::report_attempts(outbox, &tried);
                }
                Err(error) => result = Err(error.into()),
            }
        }
        result
    }
}
