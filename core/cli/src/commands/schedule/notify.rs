//! Mails the administrator of a scheduled job, else its owner, about runs that failed or could not
//! start.

use super::{ProblemLog, ScheduledJob};
use crate::{diagnose, signals, terminal, workspace::Workspace};
use jiff::Timestamp;
use retrocast_deliver::{Alert, AlertOutcome};
use retrocast_engine::{Lease, ScheduleStatus, schedule::DueAlert};

/// Mails an alert about failures to the administrator, else to the owner, once per failure; the
/// run's folder records it. A failure to send is reported, and the next check tries again.
pub(super) fn of_failures(
    found: &ScheduledJob,
    status: &ScheduleStatus,
    due_alert: &DueAlert,
    problems: &mut ProblemLog,
) {
    let Some(to) = found.admin() else { return };
    let failed = due_alert.failed.iter().map(|attempt| {
        let word = || attempt.status.word().to_string();
        let error = attempt.error.clone().unwrap_or_else(word);
        (found.calendar.words(attempt.started), error)
    });
    let alert = Alert {
        to: to.to_string(),
        job: found.job.name.clone(),
        window: due_alert.attempt.window.clone(),
        due: found.calendar.words(due_alert.attempt.due),
        attempts: failed.collect(),
        next: found.calendar.next_words(due_alert, status),
    };
    let result = retrocast_deliver::alert(&due_alert.attempt.folder, &alert, &is_stopped);
    report_result(found, result, problems);
}

/// Mail that hangs must not delay the exit.
fn is_stopped() -> bool {
    signals::stop().is_cancelled()
}

fn report_result(
    found: &ScheduledJob,
    result: Result<AlertOutcome, retrocast_deliver::Error>,
    problems: &mut ProblemLog,
) {
    match result {
        Ok(AlertOutcome::Sent(sent)) => {
            terminal::message!("{}: mailed {} about the failure", found.name, sent.to);
        }
        Ok(AlertOutcome::AlreadySent(_)) => {}
        Err(error) => problems.report(&found.name, "cannot send the alert", &error.to_string()),
    }
}

/// Mails an alert that due runs could not start because the disk is full. They have no run folder,
/// so the alert is recorded beside the leases, if there is space.
pub(super) fn of_full_disk(
    workspace: &Workspace,
    found: &ScheduledJob,
    error: &anyhow::Error,
    problems: &mut ProblemLog,
) {
    let status = found.status(workspace);
    // A run that got as far as a folder is an ordinary attempt, with ordinary alerts.
    let (Some(due), Some(to)) = (status.now().next(), found.admin()) else {
        return;
    };
    let window = found.job.window_for(found.calendar.date(due.due), None);
    let words = |instant| found.calendar.words(instant);
    let alert = Alert {
        to: to.to_string(),
        job: found.job.name.clone(),
        window: window.map_or_else(|_| String::new(), |window| window.label()),
        due: words(due.due),
        attempts: vec![(words(Timestamp::now()), diagnose::in_one_line(error))],
        next: "It is tried again at the next look, and made when there is room on the disk."
            .to_string(),
    };
    let lease = Lease::of_schedule(&workspace.places.files, &found.job.name);
    let folder = lease.path().parent().unwrap_or(&workspace.lake);
    // Without the folder, the next check sends the mail again.
    let _ = std::fs::create_dir_all(folder);
    let result = retrocast_deliver::alert_without_run(folder, &alert, &is_stopped);
    report_result(found, result, problems);
}
