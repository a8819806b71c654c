//! One mail to the owner of a job when a run that was due could not be made.
//!
//! The message is a file of the run's folder before anybody is asked to send it, so a machine
//! without mail loses nothing. It is handed to the machine's own `sendmail`: which relay to use,
//! and with which password, is the machine's business and stands in no job file.

mod message;
mod sendmail;

use crate::{
    Error, failure,
    run_summary::replace,
    words::{clean, clean_lines},
};
use jiff::Timestamp;
use message::Message;
use retrocast_domain::{
    canonical,
    number::{NBSP, THIN, list, plural},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// The message, in the run's folder.
pub const MESSAGE: &str = "alert.eml";
/// That it was sent, when and under which identity, in the run's folder.
pub const SENT: &str = "alert.sent";

/// How long the machine's mail program may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What the owner of a job is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Mail addresses, with commas between them.
    pub to: String,
    /// Name of the job.
    pub job: String,
    /// Label of the window, such as "2026-W46".
    pub window: String,
    /// When the run was due, as people read it.
    pub due: String,
    /// When it was tried and what came of it, oldest first.
    pub attempts: Vec<(String, String)>,
    /// What happens next, as a sentence.
    pub next: String,
}

/// What became of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The mail program took it.
    Now(Sent),
    /// It had been sent before, and was not sent again.
    Before(Sent),
}

/// That an alert was sent; what stands in [`SENT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// When the mail program took it, RFC 3339.
    pub time: String,
    /// The message's identity, as a mail server's log has it.
    pub message_id: String,
    /// Whom it went to.
    pub to: String,
    /// Which alert it was: a hash of recipients, job, window and due time.
    pub alert: String,
}

/// Writes the alert into a run's folder as [`MESSAGE`] and has the machine send it, once: the same
/// recipients are told of the same job, window and due time a single time.
///
/// The program is that of the variable `RETROCAST_SENDMAIL`, else `sendmail`. The sender is the
/// address in `RETROCAST_MAIL_FROM`, else this user on this machine.
pub fn alert(folder: &Path, alert: &Alert) -> Result<Told, Error> {
    let own = std::env::var_os(sendmail::VARIABLE).filter(|path| !path.is_empty());
    let search = std::env::var_os("PATH").unwrap_or_default();
    let program = || sendmail::find(own.as_deref(), &search);
    alert_with(folder, alert, &message::sender(), program, LIMIT)
}

fn alert_with(
    folder: &Path,
    alert: &Alert,
    from: &str,
    program: impl FnOnce() -> Result<PathBuf, String>,
    limit: Duration,
) -> Result<Told, Error> {
    let identity = canonical::hash(&(&alert.to, &alert.job, &alert.window, &alert.due));
    // Held until the end, so that two processes do not both find that nothing was sent yet. Where
    // there are no such locks, the identity of the message tells the second from the first.
    let lock = std::fs::File::open(folder).map_err(|source| Error::File {
        what: "open",
        path: folder.to_path_buf(),
        source,
    })?;
    let _ = lock.lock();
    if let Some(sent) = sent(folder).filter(|sent| sent.alert == identity) {
        return Ok(Told::Before(sent));
    }
    let path = folder.join(MESSAGE);
    let now = Timestamp::now();
    let message = Message {
        from,
        to: &alert.to,
        subject: &subject(alert),
        date: now,
        identity: &identity,
        body: &body(folder, alert),
    };
    let text = message.text().map_err(|why| Error::Mail {
        message: path.clone(),
        why,
    })?;
    replace(&path, &text)?;
    let handed = program().and_then(|program| sendmail::hand_over(&program, &text, limit));
    handed.map_err(|why| Error::Mail { message: path, why })?;
    let sent = Sent {
        time: now.to_string(),
        message_id: message.message_id(),
        to: alert.to.clone(),
        alert: identity,
    };
    let marker = folder.join(SENT);
    let mut text = serde_json::to_string_pretty(&sent).map_err(|source| Error::Summary {
        path: marker.clone(),
        source,
    })?;
    text.push('\n');
    replace(&marker, &text)?;
    Ok(Told::Now(sent))
}

/// What was sent from a folder; a marker that cannot be read is none.
fn sent(folder: &Path) -> Option<Sent> {
    serde_json::from_slice(&std::fs::read(folder.join(SENT)).ok()?).ok()
}

fn subject(alert: &Alert) -> String {
    format!(
        "Report {} is missing for {}",
        clean(&alert.job, 80),
        clean(&alert.window, 40)
    )
}

/// The message in plain words: what did not come, what was tried, what comes next, and, where
/// the run wrote it, what is known of the failure.
fn body(folder: &Path, alert: &Alert) -> String {
    let told = std::fs::read(folder.join(failure::TEXT));
    let told = told.map(|text| clean_lines(&String::from_utf8_lossy(&text), 20_000));
    let told = told.unwrap_or_default();
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
    let place = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let _ = writeln!(text, "\nFolder of the run: {}", place.display());
    let mut text = text.replace([NBSP, THIN], " ");
    if !told.is_empty() {
        let _ = writeln!(text, "\n{}\n\n{told}", "-".repeat(60));
    }
    text
}

/// Attempts that failed alike, in one line with all their times.
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
