//! Mails the administrator of a scheduled job, else its owner, about runs that failed or could not
//! start.

use super::{ProblemLog, ScheduledJob};
use crate::{diagnose, signals, terminal, workspace::Workspace};
use jiff::Timestamp;
use retrocast_deliver::{Alert, AlertOutcome};
use retrocast_engine::{Lease, ScheduleStatus, schedule::DueAlert};

/// Mails an alert about failures to the administrator, else to the owner, once per failure; the
/// run's folder records it. If sending fails, the error is reported and the next check retries.
pub(super) fn send_failure_alert(
    scheduled: &ScheduledJob,
    status: &ScheduleStatus,
    due_alert: &DueAlert,
    problems: &mut ProblemLog,
) {
    let Some(to) = scheduled.admin() else { return };
    let failed = due_alert.failed.iter().map(|attempt| {
        let word = || attempt.status.word().to_string();
        let error = attempt.error.clone().unwrap_or_else(word);
        (scheduled.calendar.words(attempt.started), error)
    });
    let alert = Alert {
        to: to.to_string(),
        job: scheduled.job.name.clone(),
        window: due_alert.attempt.window.clone(),
        due: scheduled.calendar.words(due_alert.attempt.due),
        attempts: failed.collect(),
        next: scheduled.calendar.next_words(due_alert, status),
    };
    let result = retrocast_deliver::alert(&due_alert.attempt.folder, &alert, &is_stopped);
    report_result(scheduled, result, problems);
}

/// Returns true if the program should stop: a hanging mail program must not delay the exit.
fn is_stopped() -> bool {
    signals::stop().is_cancelled()
}

fn report_result(
    scheduled: &ScheduledJob,
    result: Result<AlertOutcome, retrocast_deliver::Error>,
    problems: &mut ProblemLog,
) {
    match result {
        Ok(AlertOutcome::Sent(sent)) => {
            terminal::message!("{}: mailed {} about the failure", scheduled.name, sent.to);
        }
        Ok(AlertOutcome::AlreadySent(_)) => {}
        Err(error) => problems.report(&scheduled.name, "cannot send the alert", &error.to_string()),
    }
}

/// Mails an alert that due runs could not start because the disk is full. They have no run folder,
/// so the alert is recorded beside the leases, if there is space.
pub(super) fn send_full_disk_alert(
    workspace: &Workspace,
    scheduled: &ScheduledJob,
    error: &anyhow::Error,
    problems: &mut ProblemLog,
) {
    let status = scheduled.status(workspace);
    // A run that created its folder is an ordinary attempt, with ordinary alerts.
    let (Some(due), Some(to)) = (status.now().next(), scheduled.admin()) else {
        return;
    };
    let window = scheduled
        .job
        .window_for(scheduled.calendar.date(due.due), None);
    let words = |instant| scheduled.calendar.words(instant);
    let alert = Alert {
        to: to.to_string(),
        job: scheduled.job.name.clone(),
        window: window.map_or_else(|_| String::new(), |window| window.label()),
        due: words(due.due),
        attempts: vec![(words(Timestamp::now()), diagnose::in_one_line(error))],
        next: "It is retried at each check, and runs once there is enough disk space.".to_string(),
    };
    let lease = Lease::of_schedule(&workspace.lake_locations.files, &scheduled.job.name);
    let folder = lease.path().parent().unwrap_or(&workspace.lake);
    // Without the folder, the next check sends the mail again.
    let _ = std::fs::create_dir_all(folder);
    let result = retrocast_deliver::alert_without_run(folder, &alert, &is_stopped);
    report_result(scheduled, result, problems);
}
