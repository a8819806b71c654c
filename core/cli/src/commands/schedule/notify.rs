//! Mails the administrator of a scheduled job, else its owner, about runs that failed or could not
//! start.

use super::{Scheduled, Teller};
use crate::{diagnose, signals, terminal, workspace::Workspace};
use jiff::Timestamp;
use retrocast_deliver::{Alert, AlertOutcome};
use retrocast_engine::{Lease, ScheduleStatus, schedule::Tell};

/// Mails an alert about failures to the administrator, else to the owner, once per failure; the
/// run's folder records it. A failure to send is reported, and the next check tries again.
pub(super) fn of_failures(
    found: &Scheduled,
    standing: &ScheduleStatus,
    tell: &Tell,
    teller: &mut Teller,
) {
    let Some(to) = found.admin() else { return };
    let failed = tell.failed.iter().map(|attempt| {
        let word = || attempt.status.word().to_string();
        let error = attempt.error.clone().unwrap_or_else(word);
        (found.calendar.words(attempt.started), error)
    });
    let alert = Alert {
        to: to.to_string(),
        job: found.job.name.clone(),
        window: tell.attempt.window.clone(),
        due: found.calendar.words(tell.attempt.due),
        attempts: failed.collect(),
        next: found.calendar.next_words(tell, standing),
    };
    let told = retrocast_deliver::alert(&tell.attempt.folder, &alert, &is_stopped);
    say_told(found, told, teller);
}

/// Mail that hangs must not delay the exit.
fn is_stopped() -> bool {
    signals::stop().is_cancelled()
}

fn say_told(
    found: &Scheduled,
    told: Result<AlertOutcome, retrocast_deliver::Error>,
    teller: &mut Teller,
) {
    match told {
        Ok(AlertOutcome::Sent(sent)) => {
            terminal::message!("{}: mailed {} about the failure", found.name, sent.to);
        }
        Ok(AlertOutcome::AlreadySent(_)) => {}
        Err(error) => teller.say(&found.name, "cannot send the alert", &error.to_string()),
    }
}

/// Mails an alert that due runs could not start because the disk is full. They have no run folder,
/// so the alert is recorded beside the leases, if there is space.
pub(super) fn of_no_room(
    workspace: &Workspace,
    found: &Scheduled,
    error: &anyhow::Error,
    teller: &mut Teller,
) {
    let standing = found.standing(workspace);
    // A run that got as far as a folder is an ordinary attempt, with ordinary alerts.
    let (Some(due), Some(to)) = (standing.now().next(), found.admin()) else {
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
    let told = retrocast_deliver::alert_without_run(folder, &alert, &is_stopped);
    say_told(found, told, teller);
}
