//! Sends reports and failures as mail, and notifications about them to a webhook, Slack or
//! Microsoft Teams, each message once.
//!
//! The modules are listed in the order in which a message passes through them. [`settings`] names
//! sender and server. [`content`] collects the content of a run, with charts drawn by [`picture`];
//! [`template`] formats it; [`message`] composes the bytes of a mail, and [`notification`] those of
//! a notification. [`delivery`] is the state machine over append-only events. [`outbox`] stores
//! them in the run's folder and sends due messages through a [`transport`] such as [`smtp`], with
//! access [`token`]s for providers that require them, or [`http`].
//!
//! SMTP cannot guarantee exactly-once delivery: if the connection is lost after the last byte of a
//! message, the message may have been accepted or not. It is sent again with the same bytes and the
//! same Message-ID, by which mail systems recognise the duplicate. A message that a server has
//! accepted is never sent again.

pub mod text;

pub mod address;
pub mod settings;

pub mod content;
pub mod message;
pub mod notification;
pub mod picture;
pub mod template;

pub mod delivery;
pub mod outbox;

pub mod http;
pub mod smtp;
pub mod token;
pub mod transport;

pub use address::Address;
pub use content::{Content, FailureNotice};
pub use delivery::{Channel, Deliveries, Delivery, DeliveryState, Event, EventKind};
pub use http::Http;
pub use message::{Message, check, compose};
pub use notification::Target;
pub use outbox::{EnqueueResult, Outbox, Selection};
pub use picture::Fonts;
pub use settings::{Auth, Secret, Settings};
pub use smtp::Smtp;
pub use template::Templates;
pub use transport::{Outcome, Transport};

use std::path::PathBuf;

/// An error of composing, storing or sending mail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are invalid; the message names the key and the fix.
    #[error("mail settings: {0}")]
    Settings(String),
    /// A notification of a job, or one of its secrets, is invalid; the message names the fix.
    #[error("notification {name}: {reason}")]
    Notification {
        /// Its name in the job file.
        name: String,
        /// Error in the settings or the secret, with its fix.
        reason: String,
    },
    /// A template is invalid or uses an unknown value.
    #[error("mail template {name}, line {line}: {detail}")]
    Template {
        /// Name of the template.
        name: String,
        /// Line of the template.
        line: usize,
        /// The error.
        detail: String,
    },
    /// A message cannot be composed.
    #[error("the message cannot be composed: {0}")]
    Message(String),
    /// A chart cannot be drawn.
    #[error("the chart cannot be drawn: {0}")]
    Picture(String),
    /// A file of the run is unreadable or invalid.
    #[error(transparent)]
    Run(#[from] retrocast_run::Error),
    /// The outbox cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// "read", "write", "open" or "lock".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another process is sending the deliveries of this run.
    #[error("another process is sending the deliveries of {}", .0.display())]
    Busy(PathBuf),
}

#[cfg(test)]
mod tests;
