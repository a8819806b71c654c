//! The interface for sending messages.

/// Addresses of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The sender.
    pub from: &'a str,
    /// The recipient. Each has its own message, so a refusal affects no other.
    pub to: &'a str,
}

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server accepted the message.
    Accepted {
        /// The server's reply.
        reply: String,
    },
    /// The server refused the message or its recipient, temporarily (4xx) or permanently (5xx).
    Refused {
        /// Code of the reply.
        code: u16,
        /// The reply.
        reply: String,
    },
    /// No server was reached, or it rejected the login: the message was not sent, and others would
    /// fail, too.
    Deferred {
        /// The reason.
        reason: String,
    },
    /// The connection was lost before the message was sent; others may succeed.
    Interrupted {
        /// The reason.
        reason: String,
    },
    /// The connection was lost after the message was sent and before the reply: it may have been
    /// accepted.
    Unknown {
        /// The reason.
        reason: String,
    },
}

/// Sends messages.
pub trait Transport {
    /// Tries to send a message once.
    fn send(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Outcome;
}
