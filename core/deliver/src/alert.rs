//! Sends one mail to the owner of a job when a run that was due failed or could not start.
//!
//! The message is written to the run's folder before it is sent, so on a machine without mail
//! nothing is lost. It is passed to the machine's own `sendmail`: relay and password are settings
//! of the machine, not of job files.
//!
//! On a full disk the message is sent without being stored. An empty file, which needs no space,
//! records by its name that it was sent. If that cannot be created either, every check sends the
//! message again under the same message id, so that mail systems recognise duplicates.

mod message;
mod sendmail;

use crate::{
    Error, replace,
    words::{clean, clean_lines},
};
use jiff::Timestamp;
use message::Message;
use retrocast_domain::{
    canonical,
    number::{NBSP, THIN, list, plural},
};
use retrocast_run::files::{FAILURE_TEXT, json_text};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Write as _,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

/// File of the message in the run's folder.
pub const MESSAGE: &str = "alert.eml";
/// File in the run's folder that records time and identity of the sent alert.
pub const SENT: &str = "alert.sent";

/// Timeout of the mail program.
const LIMIT: Duration = Duration::from_secs(60);
/// Polling interval while waiting for a lock.
const PAUSE: Duration = Duration::from_millis(20);

/// The contents of an alert to the owner of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Mail addresses, separated by commas.
    pub to: String,
    /// Name of the job.
    pub job: String,
    /// Label of the window, such as "2026-W46".
    pub window: String,
    /// Due time of the run, formatted.
    pub due: String,
    /// Attempts and their results, oldest first.
    pub attempts: Vec<(String, String)>,
    /// The next step, as a sentence.
    pub next: String,
}

/// The result of sending an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertOutcome {
    /// The mail program accepted it.
    Sent(Sent),
    /// It had been sent before and was not sent again.
    AlreadySent(Sent),
}

/// The record that an alert was sent: the contents of [`SENT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Time at which the mail program accepted it, RFC 3339.
    pub time: String,
    /// The message id, as in the log of a mail server.
    pub message_id: String,
    /// The recipients.
    pub to: String,
    /// Identity of the alert: a hash of recipients, job, window and due time.
    pub alert: String,
}

/// Writes the alert into a run's folder as [`MESSAGE`] and sends it once per combination of
/// recipients, job, window and due time. Stops waiting as soon as `stopped` returns true.
///
/// The program is `RETROCAST_SENDMAIL`, else `sendmail`. The sender is the address in
/// `RETROCAST_MAIL_FROM`, else the current user on this machine.
pub fn alert(
    folder: &Path,
    alert: &Alert,
    stopped: &dyn Fn() -> bool,
) -> Result<AlertOutcome, Error> {
    let place = NoteFolder {
        folder,
        is_run: true,
    };
    alert_by_machine(place, alert, stopped)
}

/// The same for a run that could not start and so has no folder. It is recorded in another folder,
/// if that exists.
pub fn alert_without_run(
    folder: &Path,
    alert: &Alert,
    stopped: &dyn Fn() -> bool,
) -> Result<AlertOutcome, Error> {
    let place = NoteFolder {
        folder,
        is_run: false,
    };
    alert_by_machine(place, alert, stopped)
}

/// Folder of the record that an alert was sent.
#[derive(Clone, Copy)]
struct NoteFolder<'a> {
    folder: &'a Path,
    /// True if it is the folder of the run that the alert is about.
    is_run: bool,
}

/// Functions for writing files and sending mail.
struct SendFunctions<'a> {
    from: &'a str,
    program: &'a dyn Fn() -> Result<PathBuf, String>,
    limit: Duration,
    stopped: &'a dyn Fn() -> bool,
    write: &'a dyn Fn(&Path, &str) -> Result<(), Error>,
}

fn alert_by_machine(
    place: NoteFolder<'_>,
    alert: &Alert,
    stopped: &dyn Fn() -> bool,
) -> Result<AlertOutcome, Error> {
    let own = std::env::var_os(sendmail::VARIABLE).filter(|path| !path.is_empty());
    let search = std::env::var_os("PATH").unwrap_or_default();
    let functions = SendFunctions {
        from: &message::sender(),
        program: &|| sendmail::find(own.as_deref(), &search),
        limit: LIMIT,
        stopped,
        write: &replace,
    };
    alert_with(place, alert, &functions)
}

fn alert_with(
    place: NoteFolder<'_>,
    alert: &Alert,
    functions: &SendFunctions<'_>,
) -> Result<AlertOutcome, Error> {
    let folder = place.folder;
    let identity = canonical::hash(&(&alert.to, &alert.job, &alert.window, &alert.due));
    let _lock = lock(place, functions.stopped)?;
    let now = Timestamp::now();
    let message = Message {
        from: functions.from,
        to: &alert.to,
        subject: &subject(alert),
        date: now,
        identity: &identity,
        body: &body(place.is_run.then_some(folder), alert),
    };
    let mut sent = Sent {
        time: now.to_string(),
        message_id: message.message_id(),
        to: alert.to.clone(),
        alert: identity.clone(),
    };
    if let Some(before) = sent_before(folder, &sent) {
        return Ok(AlertOutcome::AlreadySent(before));
    }
    let not_sent = |message: Option<PathBuf>, why| Error::Mail { message, why };
    let text = message.text().map_err(|why| not_sent(None, why))?;
    let path = folder.join(MESSAGE);
    let message_path = match (functions.write)(&path, &text) {
        Ok(()) => Some(path),
        Err(error) if error.is_full() || !place.is_run => None,
        Err(error) => return Err(error),
    };
    let handed = (functions.program)()
        .and_then(|program| sendmail::send(&program, &text, functions.limit, functions.stopped));
    handed.map_err(|why| not_sent(message_path, why))?;
    sent.time = Timestamp::now().to_string();
    note(place, &sent, functions)?;
    Ok(AlertOutcome::Sent(sent))
}

/// Locks the folder until an alert is sent, so that two processes do not send it twice. On file
/// systems without locks, the message id identifies the duplicate.
fn lock(place: NoteFolder<'_>, stopped: &dyn Fn() -> bool) -> Result<Option<File>, Error> {
    let file = match File::open(place.folder) {
        Ok(file) => file,
        Err(_) if !place.is_run => return Ok(None),
        Err(source) => {
            return Err(Error::File {
                what: "open",
                path: place.folder.to_path_buf(),
                source,
            });
        }
    };
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        if stopped() {
            return Err(Error::Mail {
                message: None,
                why: "another process is sending it, and this one was asked to stop".to_string(),
            });
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Some(file))
}

/// Records that an alert was sent; on a full disk in the name of an empty file.
fn note(place: NoteFolder<'_>, sent: &Sent, functions: &SendFunctions<'_>) -> Result<(), Error> {
    let marker = place.folder.join(SENT);
    let text = json_text(sent).map_err(|source| Error::File {
        what: "write",
        path: marker.clone(),
        source,
    })?;
    let text = String::from_utf8_lossy(&text);
    match (functions.write)(&marker, &text) {
        Err(error) if error.is_full() || !place.is_run => {
            // The message is sent even if that cannot be recorded.
            let _ = File::create(marker_on_full_disk(place.folder, &sent.alert));
            Ok(())
        }
        noted => noted,
    }
}

/// The empty file that records that an alert was sent.
fn marker_on_full_disk(folder: &Path, alert: &str) -> PathBuf {
    folder.join(format!("alert.{alert}.sent"))
}

/// Reads the record that this alert was sent before; an unreadable record counts as none.
fn sent_before(folder: &Path, now: &Sent) -> Option<Sent> {
    let empty = std::fs::metadata(marker_on_full_disk(folder, &now.alert));
    if let Ok(modified) = empty.and_then(|data| data.modified()) {
        let time =
            Timestamp::try_from(modified).map_or_else(|_| String::new(), |time| time.to_string());
        return Some(Sent {
            time,
            ..now.clone()
        });
    }
    let text = std::fs::read(folder.join(SENT)).ok()?;
    let before: Sent = serde_json::from_slice(&text).ok()?;
    (before.alert == now.alert).then_some(before)
}

fn subject(alert: &Alert) -> String {
    format!(
        "Report {} is missing for {}",
        clean(&alert.job, 80),
        clean(&alert.window, 40)
    )
}

/// Body of the message: the missing report, the attempts, the next step, and the failure report if
/// the run wrote one.
fn body(run: Option<&Path>, alert: &Alert) -> String {
    let failure = run.and_then(|folder| std::fs::read(folder.join(FAILURE_TEXT)).ok());
    let failure = failure.map(|text| clean_lines(&String::from_utf8_lossy(&text), 20_000));
    let failure = failure.unwrap_or_default();
    let mut text = format!(
        "The report {} for {} was due {} and could not be made.\n",
        clean(&alert.job, 200),
        clean(&alert.window, 60),
        clean(&alert.due, 60),
    );
    let _ = writeln!(text, "\n{}", clean(&alert.next, 600));
    if !alert.attempts.is_empty() {
        let tried = plural(alert.attempts.len() as u64, "attempt");
        let _ = writeln!(text, "\n{tried}:");
        for (times, error) in grouped(&alert.attempts) {
            let _ = writeln!(text, "  {}: {error}", list(&times));
        }
    }
    if let Some(folder) = run {
        let place = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        let _ = writeln!(text, "\nFolder of the run: {}", place.display());
    }
    let mut text = text.replace([NBSP, THIN], " ");
    if !failure.is_empty() {
        let _ = writeln!(text, "\n{}\n\n{failure}", "-".repeat(60));
    }
    text
}

/// Groups attempts that failed alike, with all their times.
fn grouped(attempts: &[(String, String)]) -> Vec<(Vec<String>, String)> {
    let mut groups: Vec<(Vec<String>, String)> = Vec::new();
    for (time, error) in attempts {
        let (time, error) = (clean(time, 60), clean(error, 600));
        match groups.iter_mut().find(|group| group.1 == error) {
            Some(group) => group.0.push(time),
            None => groups.push((vec![time], error)),
        }
    }
    groups
}

#[cfg(test)]
mod tests;
