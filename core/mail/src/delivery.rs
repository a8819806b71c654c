//! Deliveries: the state of each mail and notification, as a fold over append-only events.
//!
//! Events are plain rows. An outbox writes them to a file in the run's folder; a ledger could store
//! the same rows. The state depends only on them.

use crate::text::plain_spaces;
use jiff::{SignedDuration, Timestamp};
use retrocast_domain::canonical;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Waits between attempts, in minutes; about two days in total. This covers the maintenance of a
/// server over a weekend; later, a weekly report is stale.
const RETRY_MINUTES: [i64; 9] = [1, 5, 15, 60, 180, 360, 720, 720, 720];

/// Maximum number of attempts.
pub const ATTEMPTS_MAX: u32 = RETRY_MINUTES.len() as u32 + 1;

/// Maximum age in hours of a message that waits because the server rejects the login.
const AGE_MAX_HOURS: i64 = 72;

/// An event of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Time of the event.
    pub time: Timestamp,
    /// Identity of the delivery; see [`identity`].
    pub delivery: String,
    /// Kind of event.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Kinds of events of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// Queued. A second event of this kind requests another attempt after a refusal or after giving
    /// up.
    Queued(QueuedMessage),
    /// An attempt began. Without a later event the process died, and the result is unknown.
    Attempted,
    /// A server accepted it.
    Accepted {
        /// The server's reply.
        reply: String,
    },
    /// A server refused it: mail temporarily (4xx) or permanently (5xx), a notification
    /// permanently.
    Refused {
        /// Code of the reply.
        code: u16,
        /// Text of the server's reply.
        reply: String,
    },
    /// The message was not accepted for a reason that does not concern it, such as a failed
    /// connection or login, or an overloaded service.
    Deferred {
        /// Error of the attempt.
        reason: String,
        /// Earliest time at which the server accepts another attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The message was sent, and the reply was lost.
    Unknown {
        /// Error that ended the connection.
        reason: String,
    },
    /// No further attempt is made.
    GivenUp {
        /// Reason for giving up, such as the number of attempts.
        reason: String,
    },
}

/// The channel by which a message reaches its recipient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// SMTP.
    #[default]
    Mail,
    /// A signed event over HTTP.
    Webhook,
    /// Slack, over HTTP.
    Slack,
    /// Microsoft Teams, over HTTP.
    Teams,
}

impl Channel {
    /// Its name in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
        }
    }

    /// Extension of the files with its messages.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mail => "eml",
            Self::Webhook | Self::Slack | Self::Teams => "json",
        }
    }
}

/// A queued message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedMessage {
    /// The channel; events of older versions, which lack it, are about mail.
    #[serde(default)]
    pub channel: Channel,
    /// Id of the run.
    pub run: String,
    /// The report, such as "executive".
    pub report: String,
    /// Mail address of the recipient, or name of a notification in the job file.
    pub recipient: String,
    /// Hash of its content.
    pub content: String,
    /// The Message-ID of a mail, with angle brackets; otherwise the id of the event.
    pub message_id: String,
    /// Date of the message.
    pub date: Timestamp,
    /// Subject of a mail, or summary of a notification.
    pub subject: String,
    /// BLAKE3 hash of the message's bytes, as hex digits.
    pub message: String,
}

/// Identity of a delivery: 32 hex digits of the hash of run, report, recipient and content.
pub fn identity(channel: Channel, recipient: &str, [run, report, content]: [&str; 3]) -> String {
    match channel {
        Channel::Mail => canonical::hash(&(run, report, recipient, content)),
        // No mail address contains a colon.
        _ => canonical::hash(&(
            run,
            report,
            format!("{}:{recipient}", channel.word()),
            content,
        )),
    }
}

/// State of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting for the next attempt.
    Waiting,
    /// It may have been accepted; the identical message is sent again.
    InDoubt,
    /// A server accepted it; final.
    Accepted,
    /// A server refused it permanently.
    Refused,
    /// Not sent within the limits of attempts and age.
    GivenUp,
}

impl DeliveryState {
    /// Its name in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::InDoubt => "in doubt",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::GivenUp => "given up",
        }
    }

    /// Returns true if it will be retried automatically.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::InDoubt)
    }
}

/// A message and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its identity.
    pub id: String,
    /// The message.
    #[serde(flatten)]
    pub queued: QueuedMessage,
    /// State after the last event.
    pub state: DeliveryState,
    /// Number of attempts since it was last queued.
    pub attempts: u32,
    /// Time at which it was last queued.
    pub since: Timestamp,
    /// Time of the next attempt, while it is open.
    pub next: Option<Timestamp>,
    /// Time of the last event.
    pub changed: Timestamp,
    /// The last reply or reason; empty for none.
    pub reply: String,
}

impl Delivery {
    /// Returns true if an attempt is due at a time.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state.is_open() && self.next.is_none_or(|next| next <= now)
    }

    /// Returns true if it has reached the limit of attempts or age.
    pub fn is_exhausted(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.since);
        let is_old = age > SignedDuration::from_hours(AGE_MAX_HOURS);
        self.state.is_open() && (self.attempts >= ATTEMPTS_MAX || is_old)
    }

    /// Describes the state: "accepted since 2026-11-16 09:00 UTC, 1 attempt: 250 OK", or "waiting
    /// since 2026-11-16 09:00 UTC, 2 attempts, next 2026-11-16 09:05 UTC: 451 try later".
    pub fn describe(&self) -> String {
        let time = self.changed.strftime("%Y-%m-%d %H:%M UTC");
        let mut text = format!("{} since {time}", self.state.word());
        if self.attempts > 0 {
            let attempts = retrocast_domain::number::plural(self.attempts.into(), "attempt");
            text = format!("{text}, {attempts}");
        }
        if let Some(next) = self.next {
            text = format!("{text}, next {}", next.strftime("%Y-%m-%d %H:%M UTC"));
        }
        if !self.reply.is_empty() {
            text = format!("{text}: {}", self.reply);
        }
        plain_spaces(&text)
    }

    fn apply(&mut self, event: &Event) {
        if self.state == DeliveryState::Accepted {
            return;
        }
        self.changed = event.time;
        let reply = match &event.kind {
            EventKind::Accepted { reply } | EventKind::Refused { reply, .. } => reply,
            EventKind::Deferred { reason, .. }
            | EventKind::Unknown { reason }
            | EventKind::GivenUp { reason } => reason,
            EventKind::Queued(_) | EventKind::Attempted => "",
        };
        if !reply.is_empty() {
            self.reply = reply.to_string();
        }
        let was_in_doubt = self.state == DeliveryState::InDoubt;
        match &event.kind {
            EventKind::Queued(_) => {
                self.attempts = 0;
                self.since = event.time;
                self.next = None;
                if !was_in_doubt {
                    self.state = DeliveryState::Waiting;
                }
            }
            EventKind::Attempted => {
                self.attempts += 1;
                self.state = DeliveryState::InDoubt;
                self.next = next_attempt(event.time, self.attempts);
            }
            EventKind::Accepted { .. } => self.state = DeliveryState::Accepted,
            EventKind::Refused { code, .. }
                if *code >= 500 || self.queued.channel != Channel::Mail =>
            {
                self.state = DeliveryState::Refused;
            }
            EventKind::Refused { .. } => {
                self.state = DeliveryState::Waiting;
                self.next = next_attempt(event.time, self.attempts);
            }
            EventKind::Deferred { until, .. } => {
                self.state = DeliveryState::Waiting;
                self.next = next_attempt(event.time, self.attempts).max(*until);
            }
            EventKind::Unknown { .. } => {
                self.state = DeliveryState::InDoubt;
                self.next = next_attempt(event.time, self.attempts);
            }
            EventKind::GivenUp { .. } => self.state = DeliveryState::GivenUp,
        }
        if !self.state.is_open() {
            self.next = None;
        }
    }
}

fn next_attempt(now: Timestamp, attempts: u32) -> Option<Timestamp> {
    let index = (attempts.max(1) as usize - 1).min(RETRY_MINUTES.len() - 1);
    now.checked_add(SignedDuration::from_mins(RETRY_MINUTES[index]))
        .ok()
}

/// All deliveries of a run, in the order in which they were queued.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Deliveries {
    list: Vec<Delivery>,
    #[serde(skip)]
    index_by_id: BTreeMap<String, usize>,
}

impl Deliveries {
    /// Computes the states from events, in the order in which they were written.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut deliveries = Self::default();
        for event in events {
            deliveries.apply(event);
        }
        deliveries
    }

    /// Applies an event; ignores events of messages that were never queued.
    pub fn apply(&mut self, event: &Event) {
        if let Some(index) = self.index_by_id.get(&event.delivery) {
            return self.list[*index].apply(event);
        }
        let EventKind::Queued(queued) = &event.kind else {
            return;
        };
        self.index_by_id
            .insert(event.delivery.clone(), self.list.len());
        self.list.push(Delivery {
            id: event.delivery.clone(),
            queued: queued.clone(),
            state: DeliveryState::Waiting,
            attempts: 0,
            since: event.time,
            next: None,
            changed: event.time,
            reply: String::new(),
        });
    }

    /// All deliveries.
    pub fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.list.iter()
    }

    /// The delivery with this identity.
    pub fn get(&self, id: &str) -> Option<&Delivery> {
        self.index_by_id.get(id).map(|index| &self.list[*index])
    }

    /// Returns true if any will be retried automatically.
    pub fn has_open(&self) -> bool {
        self.list.iter().any(|delivery| delivery.state.is_open())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(minute: i64, kind: EventKind) -> Event {
        Event {
            time: Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute),
            delivery: "d".to_string(),
            kind,
        }
    }

    fn queued() -> EventKind {
        EventKind::Queued(QueuedMessage {
            channel: Channel::Mail,
            run: "r".to_string(),
            report: "executive".to_string(),
            recipient: "ada@example.org".to_string(),
            content: "c".to_string(),
            message_id: "<d@example.org>".to_string(),
            date: Timestamp::UNIX_EPOCH,
            subject: "s".to_string(),
            message: "m".to_string(),
        })
    }

    #[test]
    fn accepted_deliveries_never_change() {
        let reason = || "lost".to_string();
        let later = [
            queued(),
            EventKind::Attempted,
            EventKind::Unknown { reason: reason() },
            EventKind::Deferred {
                reason: reason(),
                until: None,
            },
            EventKind::GivenUp { reason: reason() },
            EventKind::Refused {
                code: 550,
                reply: reason(),
            },
        ];
        let reply = "250 ok".to_string();
        let mut events = vec![event(0, queued()), event(1, EventKind::Attempted)];
        events.push(event(1, EventKind::Accepted { reply }));
        let accepted = Deliveries::fold(&events);
        events.extend(later.map(|kind| event(2, kind)));
        assert_eq!(Deliveries::fold(&events), accepted);
        assert_eq!(
            accepted.get("d").map(|delivery| delivery.state),
            Some(DeliveryState::Accepted)
        );
        assert!(!accepted.has_open());
    }

    #[test]
    fn events_of_unknown_messages_are_ignored() {
        let deliveries = Deliveries::fold(&[event(0, EventKind::Attempted)]);
        assert_eq!(deliveries.iter().count(), 0);
    }
}
