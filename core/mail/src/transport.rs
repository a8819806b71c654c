//! The interface for sending messages.

use crate::delivery::QueuedMessage;
use jiff::Timestamp;

/// Address and identity of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The recipient. Each has its own message, so a refusal affects no other.
    pub to: &'a str,
    /// The message's id, the same in every attempt.
    pub id: &'a str,
    /// Time of the attempt.
    pub time: Timestamp,
}

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server accepted the message.
    Accepted {
        /// The server's reply.
        reply: String,
    },
    /// A mail server refused the message or its recipient, temporarily (4xx) or permanently (5xx),
    /// or the receiver of a notification refused it permanently.
    Refused {
        /// Code of the reply.
        code: u16,
        /// Text of the server's reply.
        reply: String,
    },
    /// No server was reached, or it accepts no messages now: the message was not accepted, and
    /// others would fail, too.
    Deferred {
        /// Error of the attempt.
        reason: String,
        /// Earliest time at which the server accepts another attempt.
        until: Option<Timestamp>,
    },
    /// The connection was lost before the message was sent; others may succeed.
    Interrupted {
        /// Error that ended the connection.
        reason: String,
    },
    /// The connection was lost after the message was sent and before the reply: it may have been
    /// accepted.
    Unknown {
        /// Error that ended the connection.
        reason: String,
    },
}

/// Sends messages.
pub trait Transport {
    /// Returns true if this transport sends a message.
    fn carries(&self, queued: &QueuedMessage) -> bool;

    /// Tries to send a message once.
    fn send(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Outcome;
}
