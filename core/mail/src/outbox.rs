//! The outbox of a run: stores events as lines of a file in the run's folder, and sends messages.
//!
//! A message is written before the event that queues it, and the event of an attempt before the
//! attempt. If a process dies at any point, the message is therefore either not sent, or in doubt
//! and sent again with the same bytes. The sending process locks the file; another process gets an
//! error.
//!
//! Only messages, attempts and acceptances are flushed, because they must survive a power failure.
//! The loss of another event causes at most one more attempt with the same bytes.

use crate::{
    Content, Deliveries, DeliveryState, Error, Event, EventKind, Message, Outcome, Settings,
    Target, Templates, Transport,
    address::Address,
    delivery::{Channel, Delivery, QueuedMessage, identity},
    message, notification,
    text::one_line,
    transport::Envelope,
};
use jiff::Timestamp;
use retrocast_run::files::DELIVERIES;
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Maximum number of consecutive interruptions before a pass ends: each may take a minute.
const INTERRUPTIONS_MAX: u32 = 3;

/// Maximum length of a stored reply or reason, in characters.
const REPLY_MAX: usize = 400;

/// Result of adding a message to an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnqueueResult {
    /// It is new.
    New,
    /// It was refused, given up or waiting; it is due now.
    Requeued,
    /// A server has accepted it already; it is not sent again.
    Accepted,
}

/// Selects the deliveries that a pass tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Deliveries that are due.
    Due,
    /// All open deliveries, due or not.
    Open,
}

/// The outlook for other messages after an attempt.
enum Prospect {
    Good,
    /// The connection broke; others may succeed.
    Fair,
    /// No server is available, or it rejects the login: others would fail, too.
    None,
}

/// An outbox, locked by this process.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
    file: File,
    deliveries: Deliveries,
}

impl Outbox {
    /// Opens and locks the outbox of a run's folder, and removes a truncated last line.
    /// [`Error::Busy`] if another process holds the lock.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = events_path(folder);
        let failed = |action| {
            let path = path.clone();
            move |source| Error::File {
                action,
                path,
                source,
            }
        };
        let is_new = !path.exists();
        let file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(&path);
        let file = file.map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy(folder.to_path_buf())),
            // Without a lock two processes could send the same message, so none is sent.
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        if is_new {
            sync_folder(folder).map_err(failed("write"))?;
        }
        let bytes = fs::read(&path).map_err(failed("read"))?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        let length = end.map_or(0, |end| end + 1);
        if length < bytes.len() {
            file.set_len(length as u64).map_err(failed("write"))?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            file,
            deliveries: Deliveries::fold(&events(&bytes[..length])),
        })
    }

    /// Reads the deliveries of a run without a lock; none without an outbox.
    pub fn read(folder: &Path) -> Result<Deliveries, Error> {
        Ok(Deliveries::fold(&Self::events(folder)?))
    }

    /// Reads the events of a run's folder; damaged lines are left out.
    pub fn events(folder: &Path) -> Result<Vec<Event>, Error> {
        let path = events_path(folder);
        match fs::read(&path) {
            Ok(bytes) => Ok(events(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(Error::File {
                action: "read",
                path,
                source,
            }),
        }
    }

    /// The deliveries of the run, as of the last event.
    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// The delivery of this content to a recipient, if it was queued.
    pub fn find(&self, content: &Content, channel: Channel, recipient: &str) -> Option<&Delivery> {
        self.deliveries
            .get(&identity(channel, recipient, content.key()))
    }

    /// Adds the mail with this content for a recipient. An existing delivery becomes due with its
    /// original bytes, unless a server accepted it.
    pub fn enqueue(
        &mut self,
        settings: &Settings,
        templates: &Templates,
        content: &Content,
        to: &Address,
        now: Timestamp,
    ) -> Result<EnqueueResult, Error> {
        let compose = |date| message::compose(settings, templates, content, to, date);
        self.add(content, Channel::Mail, &to.email, now, &compose)
    }

    /// Adds the notification with this content, in the same way.
    pub fn enqueue_notification(
        &mut self,
        target: &Target,
        content: &Content,
        now: Timestamp,
    ) -> Result<EnqueueResult, Error> {
        let compose = |date| notification::compose(target, content, date);
        self.add(content, target.channel, &target.name, now, &compose)
    }

    fn add(
        &mut self,
        content: &Content,
        channel: Channel,
        recipient: &str,
        now: Timestamp,
        compose: &dyn Fn(Timestamp) -> Result<Message, Error>,
    ) -> Result<EnqueueResult, Error> {
        let id = identity(channel, recipient, content.key());
        let existing = self.deliveries.get(&id).cloned();
        if let Some(existing) = existing {
            if existing.state == DeliveryState::Accepted {
                return Ok(EnqueueResult::Accepted);
            }
            if self.message(&existing).is_err() {
                let message = compose(existing.queued.date)?;
                if hash(&message.bytes) != existing.queued.message {
                    return Err(Error::Message(format!(
                        "the message for {} is missing from {}, and its wording has changed since",
                        recipient,
                        self.folder.display()
                    )));
                }
                self.store_message(&id, channel, &message.bytes)?;
            }
            self.append(now, &id, EventKind::Queued(existing.queued))?;
            return Ok(EnqueueResult::Requeued);
        }
        let message = compose(now)?;
        self.store_message(&id, channel, &message.bytes)?;
        let queued = QueuedMessage {
            channel,
            run: content.run().to_string(),
            report: content.report().to_string(),
            recipient: recipient.to_string(),
            content: content.hash().to_string(),
            message_id: message.message_id,
            date: now,
            subject: message.subject,
            message: hash(&message.bytes),
        };
        self.append(now, &id, EventKind::Queued(queued))?;
        Ok(EnqueueResult::New)
    }

    /// Tries each selected delivery of a transport once, in the order of queueing. Ends when
    /// `is_stopped` returns true, when no server is available or accepts the login, or when
    /// connections break repeatedly; the remaining deliveries are unchanged. Returns the identities
    /// of the tried deliveries.
    pub fn send(
        &mut self,
        transport: &mut dyn Transport,
        selection: Selection,
        now: &dyn Fn() -> Timestamp,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<String>, Error> {
        // Makes the names of new messages durable.
        sync_folder(&self.folder).map_err(|source| Error::File {
            action: "write",
            path: self.folder.clone(),
            source,
        })?;
        let start = now();
        let is_selected = |delivery: &&Delivery| match selection {
            Selection::Due => delivery.is_due(start),
            Selection::Open => delivery.state.is_open(),
        };
        let carried = self.deliveries.iter();
        let carried = carried.filter(|delivery| transport.carries(&delivery.queued));
        let selected = carried.filter(is_selected);
        let selected: Vec<String> = selected.map(|delivery| delivery.id.clone()).collect();
        let mut tried = Vec::new();
        let mut interruptions = 0;
        for id in selected {
            if is_stopped() {
                return Ok(tried);
            }
            if interruptions < INTERRUPTIONS_MAX {
                interruptions = match self.attempt(transport, &id, now)? {
                    Prospect::Good => 0,
                    Prospect::Fair => interruptions + 1,
                    Prospect::None => INTERRUPTIONS_MAX,
                };
                tried.push(id.clone());
            }
        }
        self.give_up_exhausted(now(), &|queued| transport.carries(queued))?;
        Ok(tried)
    }

    /// Gives up selected deliveries that have reached the limit of attempts or age, such as those
    /// whose recipient is no longer configured.
    pub fn give_up_exhausted(
        &mut self,
        now: Timestamp,
        is_selected: &dyn Fn(&QueuedMessage) -> bool,
    ) -> Result<(), Error> {
        let exhausted = self
            .deliveries
            .iter()
            .filter(|delivery| delivery.is_exhausted(now));
        let exhausted = exhausted.filter(|delivery| is_selected(&delivery.queued));
        let exhausted: Vec<Delivery> = exhausted.cloned().collect();
        for delivery in exhausted {
            let reason = match delivery.reply.as_str() {
                "" => "no server accepted it in time".to_string(),
                last => format!("no server accepted it in time; last reply: {last}"),
            };
            let reason = one_line(&reason, REPLY_MAX);
            self.append(now, &delivery.id, EventKind::GivenUp { reason })?;
        }
        Ok(())
    }

    /// Tries a delivery once; returns the outlook for the others.
    fn attempt(
        &mut self,
        transport: &mut dyn Transport,
        id: &str,
        now: &dyn Fn() -> Timestamp,
    ) -> Result<Prospect, Error> {
        let Some(delivery) = self.deliveries.get(id).cloned() else {
            return Ok(Prospect::Good);
        };
        let message = match self.message(&delivery) {
            Ok(message) => message,
            Err(reason) => {
                self.append(now(), id, EventKind::GivenUp { reason })?;
                return Ok(Prospect::Good);
            }
        };
        let time = now();
        self.append(time, id, EventKind::Attempted)?;
        let envelope = Envelope {
            to: &delivery.queued.recipient,
            id: &delivery.queued.message_id,
            time,
        };
        let shorten = |text: String| one_line(&text, REPLY_MAX);
        let (kind, prospect) = match transport.send(envelope, &message) {
            Outcome::Accepted { reply } => {
                let reply = shorten(reply);
                (EventKind::Accepted { reply }, Prospect::Good)
            }
            Outcome::Refused { code, reply } => {
                let reply = shorten(reply);
                (EventKind::Refused { code, reply }, Prospect::Good)
            }
            Outcome::Deferred { reason, until } => {
                let reason = shorten(reason);
                (EventKind::Deferred { reason, until }, Prospect::None)
            }
            Outcome::Interrupted { reason } => {
                let (reason, until) = (shorten(reason), None);
                (EventKind::Deferred { reason, until }, Prospect::Fair)
            }
            Outcome::Unknown { reason } => {
                let reason = shorten(reason);
                (EventKind::Unknown { reason }, Prospect::Fair)
            }
        };
        let is_accepted = matches!(kind, EventKind::Accepted { .. });
        self.append(now(), id, kind)?;
        if is_accepted {
            // No longer needed: the message can be composed again, and its hash is in the events.
            let _ = fs::remove_file(self.message_path(id, delivery.queued.channel));
        }
        Ok(prospect)
    }

    /// Reads the bytes of a message and checks their hash.
    fn message(&self, delivery: &Delivery) -> Result<Vec<u8>, String> {
        let path = self.message_path(&delivery.id, delivery.queued.channel);
        let bytes =
            fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if hash(&bytes) == delivery.queued.message {
            Ok(bytes)
        } else {
            Err(format!(
                "{} is not the message that was queued",
                path.display()
            ))
        }
    }

    /// Stores the bytes of a message; its name is flushed before anything is sent.
    fn store_message(&self, id: &str, channel: Channel, bytes: &[u8]) -> Result<(), Error> {
        let path = self.message_path(id, channel);
        let written = File::create(&path)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.map_err(|source| Error::File {
            action: "write",
            path,
            source,
        })
    }

    fn append(&mut self, time: Timestamp, id: &str, kind: EventKind) -> Result<(), Error> {
        let must_be_durable = matches!(kind, EventKind::Attempted | EventKind::Accepted { .. });
        let event = Event {
            time,
            delivery: id.to_string(),
            kind,
        };
        let written = serde_json::to_vec(&event)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                self.file.write_all(&line)
            })
            .and_then(|()| {
                if must_be_durable {
                    self.file.sync_data()
                } else {
                    Ok(())
                }
            });
        written.map_err(|source| Error::File {
            action: "write",
            path: events_path(&self.folder),
            source,
        })?;
        self.deliveries.apply(&event);
        Ok(())
    }

    fn message_path(&self, id: &str, channel: Channel) -> PathBuf {
        let extension = channel.extension();
        self.folder.join(format!("{DELIVERIES}{id}.{extension}"))
    }
}

/// The file of events in a run's folder.
pub fn events_path(folder: &Path) -> PathBuf {
    folder.join(format!("{DELIVERIES}jsonl"))
}

fn events(bytes: &[u8]) -> Vec<Event> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Flushes the names of new files, if the file system supports that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}
