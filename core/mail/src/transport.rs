//! The way of a message out of the program.

/// Addresses of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The sender.
    pub from: &'a str,
    /// The recipient. Each has a message of its own, so that a refusal of one does not hurt others.
    pub to: &'a str,
}

/// The end of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server took the message.
    Accepted {
        /// Its reply.
        reply: String,
    },
    /// The server refused the message or its recipient: for now (4xx) or for good (5xx).
    Refused {
        /// Code of the reply.
        code: u16,
        /// The reply.
        reply: String,
    },
    /// No server was reached, or it did not let us in: the message was not sent, and others would not
    /// be either.
    Deferred {
        /// Why.
        reason: String,
    },
    /// The connection was lost before the message was sent; others may fare better.
    Interrupted {
        /// What happened.
        reason: String,
    },
    /// The connection was lost after the message was sent and before a reply: it may have been accepted.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// Sends messages.
pub trait Transport {
    /// Tries to send a message once.
    fn send(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Outcome;
}
