//! Deliveries: what became of each message, as a fold over append-only events.
//!
//! The events are plain rows. An outbox writes them to a file of the run's folder; a ledger can keep the
//! same rows. The state follows from them alone.

use crate::text::plain_spaces;
use jiff::{SignedDuration, Timestamp};
use retrocast_domain::canonical;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Minutes from one attempt to the next. After the last, the message is given up: two days of trying are
/// enough to see a server through a weekend's maintenance, and a weekly report is stale after that.
const RETRY_MINUTES: [i64; 9] = [1, 5, 15, 60, 180, 360, 720, 720, 720];

/// Attempts before a message is given up.
pub const ATTEMPTS_MAX: u32 = RETRY_MINUTES.len() as u32 + 1;

/// Hours before a message is given up, for those that wait because others were not let in.
const AGE_MAX_HOURS: i64 = 72;

/// One thing that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// Identity of the delivery; see [`identity`].
    pub delivery: String,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// It is to be sent; said again, it is to be tried anew although it was refused or given up.
    Queued(Queued),
    /// An attempt began. Without an event behind it the process died, and the end is unknown.
    Attempted,
    /// A server took it.
    Accepted {
        /// The server's reply.
        reply: String,
    },
    /// A server refused it: for now (4xx) or for good (5xx).
    Refused {
        /// Code of the reply.
        code: u16,
        /// The reply.
        reply: String,
    },
    /// It was not sent, for a reason that is not its own: no connection, no login.
    Deferred {
        /// Why.
        reason: String,
    },
    /// It was sent, and the reply was lost.
    Unknown {
        /// What happened.
        reason: String,
    },
    /// It is not tried any more.
    GivenUp {
        /// Why.
        reason: String,
    },
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// The run it tells of.
    pub run: String,
    /// The report, such as "executive".
    pub report: String,
    /// Address of the recipient.
    pub recipient: String,
    /// Hash of what it tells.
    pub content: String,
    /// The Message-ID, with its angle brackets.
    pub message_id: String,
    /// Date of the message.
    pub date: Timestamp,
    /// Subject, for people.
    pub subject: String,
    /// BLAKE3 hash of the message's bytes, as hex digits.
    pub message: String,
}

/// Identity of a delivery: 32 hex digits of the hash of run, report, recipient and content.
pub fn identity(run: &str, report: &str, recipient: &str, content: &str) -> String {
    canonical::hash(&(run, report, recipient, content))
}

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits for its next attempt.
    Waiting,
    /// It may have been accepted; the identical message is sent again.
    InDoubt,
    /// A server took it. Nothing changes that.
    Accepted,
    /// A server refused it for good.
    Refused,
    /// It was tried long enough.
    GivenUp,
}

impl DeliveryState {
    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::InDoubt => "in doubt",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::GivenUp => "given up",
        }
    }

    /// Tells whether it will be tried again without anybody asking.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::InDoubt)
    }
}

/// A message and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its identity.
    pub id: String,
    /// The message.
    #[serde(flatten)]
    pub queued: Queued,
    /// How far it came.
    pub state: DeliveryState,
    /// Attempts since it was queued or queued again.
    pub attempts: u32,
    /// When it was queued, or queued again.
    pub since: Timestamp,
    /// When it is to be tried next, while it is open.
    pub next: Option<Timestamp>,
    /// When something last happened.
    pub changed: Timestamp,
    /// The last reply or reason; empty for none.
    pub reply: String,
}

impl Delivery {
    /// Tells whether it is to be tried at a time.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state.is_open() && self.next.is_none_or(|next| next <= now)
    }

    /// Tells whether it was tried often or long enough.
    pub fn is_exhausted(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.since);
        let is_old = age > SignedDuration::from_hours(AGE_MAX_HOURS);
        self.state.is_open() && (self.attempts >= ATTEMPTS_MAX || is_old)
    }

    /// "accepted on 2026-11-16 09:00 UTC: 250 OK", and the like.
    pub fn words(&self) -> String {
        let time = self.changed.strftime("%Y-%m-%d %H:%M UTC");
        let mut text = format!("{} since {time}", self.state.word());
        if self.attempts > 0 {
            let times = retrocast_domain::number::plural(self.attempts.into(), "attempt");
            text = format!("{text}, {times}");
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
        let said = match &event.kind {
            EventKind::Accepted { reply } | EventKind::Refused { reply, .. } => reply,
            EventKind::Deferred { reason }
            | EventKind::Unknown { reason }
            | EventKind::GivenUp { reason } => reason,
            EventKind::Queued(_) | EventKind::Attempted => "",
        };
        if !said.is_empty() {
            self.reply = said.to_string();
        }
        let doubt = self.state == DeliveryState::InDoubt;
        match &event.kind {
            EventKind::Queued(_) => {
                self.attempts = 0;
                self.since = event.time;
                self.next = None;
                if !doubt {
                    self.state = DeliveryState::Waiting;
                }
            }
            EventKind::Attempted => {
                self.attempts += 1;
                self.state = DeliveryState::InDoubt;
                self.next = next_attempt(event.time, self.attempts);
            }
            EventKind::Accepted { .. } => self.state = DeliveryState::Accepted,
            EventKind::Refused { code, .. } if *code >= 500 => self.state = DeliveryState::Refused,
            EventKind::Refused { .. } | EventKind::Deferred { .. } => {
                self.state = DeliveryState::Waiting;
                self.next = next_attempt(event.time, self.attempts);
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
    let rung = (attempts.max(1) as usize - 1).min(RETRY_MINUTES.len() - 1);
    now.checked_add(SignedDuration::from_mins(RETRY_MINUTES[rung]))
        .ok()
}

/// All deliveries of a run, in the order in which they were queued.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Deliveries {
    list: Vec<Delivery>,
    #[serde(skip)]
    places: BTreeMap<String, usize>,
}

impl Deliveries {
    /// Folds events, in the order in which they were written.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut all = Self::default();
        for event in events {
            all.apply(event);
        }
        all
    }

    /// Adds one event. One of a message that was never queued says nothing.
    pub fn apply(&mut self, event: &Event) {
        if let Some(place) = self.places.get(&event.delivery) {
            return self.list[*place].apply(event);
        }
        let EventKind::Queued(queued) = &event.kind else {
            return;
        };
        self.places.insert(event.delivery.clone(), self.list.len());
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

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.list.iter()
    }

    /// Finds one by its identity.
    pub fn get(&self, id: &str) -> Option<&Delivery> {
        self.places.get(id).map(|place| &self.list[*place])
    }

    /// Tells whether some are still to be tried.
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
        EventKind::Queued(Queued {
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
    fn nothing_changes_what_was_accepted() {
        let reason = || "lost".to_string();
        let later = [
            queued(),
            EventKind::Attempted,
            EventKind::Unknown { reason: reason() },
            EventKind::Deferred { reason: reason() },
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
            accepted.get("d").map(|one| one.state),
            Some(DeliveryState::Accepted)
        );
        assert!(!accepted.has_open());
    }

    #[test]
    fn events_of_what_was_never_queued_say_nothing() {
        let all = Deliveries::fold(&[event(0, EventKind::Attempted)]);
        assert_eq!(all.iter().count(), 0);
    }
}
