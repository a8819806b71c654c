//! Sends one mail to the owner of a job when a due run fails or cannot start.
//!
//! The message is written to the run's folder before it is sent, so nothing is lost on a machine
//! without mail. It is passed to the machine's own `sendmail`: relay and password are settings of
//! the machine, not of job files.
//!
//! On a full disk the message is sent without being stored. The name of an empty file, which needs
//! no space, then records that it was sent. If this file cannot be created either, every check
//! sends the message again with the same message id, so that mail systems recognise duplicates.

mod message;
mod sendmail;

use crate::{
    Error,
    words::{clean, clean_lines},
    write_atomically,
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
const TIMEOUT: Duration = Duration::from_secs(60);
/// Polling interval while waiting for a lock or for the mail program.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

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
    /// The mail program accepted the message.
    Sent(SentAlert),
    /// The message was sent before and was not sent again.
    AlreadySent(SentAlert),
}

/// The record of a sent alert: the contents of [`SENT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentAlert {
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
/// The program is `RETROCAST_SENDMAIL`, or else `sendmail`. The sender is the address in
/// `RETROCAST_MAIL_FROM`, or else the current user on this machine.
pub fn alert(
    folder: &Path,
    alert: &Alert,
    stopped: &dyn Fn() -> bool,
) -> Result<AlertOutcome, Error> {
    let target = AlertFolder {
        folder,
        is_run: true,
    };
    send_by_sendmail(target, alert, stopped)
}

/// Like [`alert`], for a run that could not start and so has no folder. The alert is recorded in
/// another folder, if that exists.
pub fn alert_without_run(
    folder: &Path,
    alert: &Alert,
    stopped: &dyn Fn() -> bool,
) -> Result<AlertOutcome, Error> {
    let target = AlertFolder {
        folder,
        is_run: false,
    };
    send_by_sendmail(target, alert, stopped)
}

/// The folder in which an alert is recorded.
#[derive(Clone, Copy)]
struct AlertFolder<'a> {
    folder: &'a Path,
    /// True if it is the folder of the run that the alert is about.
    is_run: bool,
}

/// Sender, mail program and limits of sending, replaceable in tests.
struct SendOptions<'a> {
    from: &'a str,
    program: &'a dyn Fn() -> Result<PathBuf, String>,
    timeout: Duration,
    stopped: &'a dyn Fn() -> bool,
    write: &'a dyn Fn(&Path, &str) -> Result<(), Error>,
}

fn send_by_sendmail(
    target: AlertFolder<'_>,
    alert: &Alert,
    stopped: &dyn Fn() -> bool,
) -> Result<AlertOutcome, Error> {
    let configured = std::env::var_os(sendmail::VARIABLE).filter(|path| !path.is_empty());
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let options = SendOptions {
        from: &message::sender(),
        program: &|| sendmail::find(configured.as_deref(), &search_path),
        timeout: TIMEOUT,
        stopped,
        write: &write_atomically,
    };
    send_with(target, alert, &options)
}

fn send_with(
    target: AlertFolder<'_>,
    alert: &Alert,
    options: &SendOptions<'_>,
) -> Result<AlertOutcome, Error> {
    let folder = target.folder;
    let identity = canonical::hash(&(&alert.to, &alert.job, &alert.window, &alert.due));
    let _lock = lock(target, options.stopped)?;
    let now = Timestamp::now();
    let message = Message {
        from: options.from,
        to: &alert.to,
        subject: &subject(alert),
        date: now,
        identity: &identity,
        body: &body(target.is_run.then_some(folder), alert),
    };
    let mut sent = SentAlert {
        time: now.to_string(),
        message_id: message.message_id(),
        to: alert.to.clone(),
        alert: identity.clone(),
    };
    if let Some(earlier) = read_sent_record(folder, &sent) {
        return Ok(AlertOutcome::AlreadySent(earlier));
    }
    let not_sent = |message: Option<PathBuf>, reason| Error::Mail { message, reason };
    let text = message.text().map_err(|reason| not_sent(None, reason))?;
    let path = folder.join(MESSAGE);
    let message_path = match (options.write)(&path, &text) {
        Ok(()) => Some(path),
        Err(error) if error.is_full() || !target.is_run => None,
        Err(error) => return Err(error),
    };
    let result = (options.program)()
        .and_then(|program| sendmail::send(&program, &text, options.timeout, options.stopped));
    result.map_err(|reason| not_sent(message_path, reason))?;
    sent.time = Timestamp::now().to_string();
    record_sent(target, &sent, options)?;
    Ok(AlertOutcome::Sent(sent))
}

/// Locks the folder until an alert is sent, so that two processes do not send it twice. On file
/// systems without locks, the message id identifies the duplicate.
fn lock(target: AlertFolder<'_>, stopped: &dyn Fn() -> bool) -> Result<Option<File>, Error> {
    let file = match File::open(target.folder) {
        Ok(file) => file,
        Err(_) if !target.is_run => return Ok(None),
        Err(source) => {
            return Err(Error::File {
                action: "open",
                path: target.folder.to_path_buf(),
                source,
            });
        }
    };
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        if stopped() {
            return Err(Error::Mail {
                message: None,
                reason: "another process is sending it, and this one was asked to stop".to_string(),
            });
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(Some(file))
}

/// Records that an alert was sent; on a full disk by the name of an empty file.
fn record_sent(
    target: AlertFolder<'_>,
    sent: &SentAlert,
    options: &SendOptions<'_>,
) -> Result<(), Error> {
    let marker = target.folder.join(SENT);
    let text = json_text(sent).map_err(|source| Error::File {
        action: "write",
        path: marker.clone(),
        source,
    })?;
    let text = String::from_utf8_lossy(&text);
    match (options.write)(&marker, &text) {
        Err(error) if error.is_full() || !target.is_run => {
            // The message was sent, even if that cannot be recorded.
            let _ = File::create(marker_on_full_disk(target.folder, &sent.alert));
            Ok(())
        }
        result => result,
    }
}

/// Path of the empty file that records a sent alert on a full disk.
fn marker_on_full_disk(folder: &Path, alert: &str) -> PathBuf {
    folder.join(format!("alert.{alert}.sent"))
}

/// Reads the record of an earlier alert with this identity; an unreadable record is treated as
/// missing.
fn read_sent_record(folder: &Path, now: &SentAlert) -> Option<SentAlert> {
    let marker = std::fs::metadata(marker_on_full_disk(folder, &now.alert));
    if let Ok(modified) = marker.and_then(|data| data.modified()) {
        let time =
            Timestamp::try_from(modified).map_or_else(|_| String::new(), |time| time.to_string());
        return Some(SentAlert {
            time,
            ..now.clone()
        });
    }
    let text = std::fs::read(folder.join(SENT)).ok()?;
    let earlier: SentAlert = serde_json::from_slice(&text).ok()?;
    (earlier.alert == now.alert).then_some(earlier)
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
        "The report {} for {} was due {} and could not be created.\n",
        clean(&alert.job, 200),
        clean(&alert.window, 60),
        clean(&alert.due, 60),
    );
    let _ = writeln!(text, "\n{}", clean(&alert.next, 600));
    if !alert.attempts.is_empty() {
        let attempts = plural(alert.attempts.len() as u64, "attempt");
        let _ = writeln!(text, "\n{attempts}:");
        for (times, error) in group_by_error(&alert.attempts) {
            let _ = writeln!(text, "  {}: {error}", list(&times));
        }
    }
    if let Some(folder) = run {
        let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        let _ = writeln!(text, "\nFolder of the run: {}", path.display());
    }
    let mut text = text.replace([NBSP, THIN], " ");
    if !failure.is_empty() {
        let _ = writeln!(text, "\n{}\n\n{failure}", "-".repeat(60));
    }
    text
}

/// Groups attempts with the same error, with all their times.
fn group_by_error(attempts: &[(String, String)]) -> Vec<(Vec<String>, String)> {
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
