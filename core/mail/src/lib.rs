//! Mail: reports and failures as messages, each of which reaches its recipient once.
//!
//! Modules follow the way of a message. [`settings`] say from whom and through which server. [`content`]
//! collects what a run has to say, with charts drawn by [`picture`]; [`template`] puts it into words;
//! [`message`] composes the bytes. [`delivery`] is the state machine over append-only events,
//! [`outbox`] keeps them in the run's folder and sends what is due through a [`transport`], such as
//! [`smtp`], whose access [`token`]s are fetched when a provider wants them.
//!
//! SMTP cannot promise "exactly once": when the connection is lost after the last byte of a message,
//! nobody knows whether it was accepted. Such a message is sent again with the same bytes and the same
//! Message-ID, by which mail systems recognise the duplicate. After an accepted reply nothing is sent
//! again.

pub mod settings;
pub mod text;

pub mod content;
pub mod message;
pub mod picture;
pub mod template;

pub mod delivery;
pub mod outbox;

pub mod smtp;
pub mod token;
pub mod transport;

pub use content::{Content, FailureNotice};
pub use delivery::{Deliveries, Delivery, DeliveryState, Event, EventKind};
pub use message::{Address, Message, compose};
pub use outbox::{Enqueued, Outbox, Selection};
pub use picture::Fonts;
pub use settings::{Secret, Settings};
pub use smtp::Smtp;
pub use template::Templates;
pub use transport::{Outcome, Transport};

use std::path::PathBuf;

/// Why mail cannot be composed, kept or sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are wrong; says which and what to write instead.
    #[error("mail settings: {0}")]
    Settings(String),
    /// A template is wrong, or asks for what is not there.
    #[error("mail template {name}, line {line}: {detail}")]
    Template {
        /// Name of the template.
        name: String,
        /// Line in it.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// A message cannot be composed.
    #[error("the message cannot be composed: {0}")]
    Message(String),
    /// A chart cannot be drawn as a picture.
    #[error("the chart cannot be drawn: {0}")]
    Picture(String),
    /// A file of the run cannot be used.
    #[error(transparent)]
    Run(#[from] retrocast_run::Error),
    /// The outbox cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// "read", "write" or "lock".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process is sending the mail of this run.
    #[error("another process is sending the mail of {}", .0.display())]
    Busy(PathBuf),
}

#[cfg(test)]
mod tests;
