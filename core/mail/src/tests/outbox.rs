//! Tests that the outbox sends each message once, despite failures.

use super::{
    fixture::{failure, settings},
    server::{Action, Server},
};
use crate::{
    Address, Channel, DeliveryState, EnqueueResult, Error, Outbox, Outcome, Selection, Smtp,
    Templates, Transport,
    delivery::{ATTEMPTS_MAX, QueuedMessage},
    outbox::events_path,
    transport::Envelope,
};
use jiff::{SignedDuration, Timestamp};
use std::{fs, path::Path};

fn start() -> Timestamp {
    "2026-11-16T09:00:00Z".parse().unwrap()
}

fn after_minutes(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

fn ada() -> Address {
    "ada@example.org".parse().unwrap()
}

/// A transport that returns prepared outcomes and records the messages.
#[derive(Default)]
struct ScriptedTransport {
    outcomes: Vec<Outcome>,
    sent: Vec<(String, Vec<u8>)>,
}

impl ScriptedTransport {
    fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut outcomes: Vec<Outcome> = outcomes.into_iter().collect();
        outcomes.reverse();
        Self {
            outcomes,
            sent: Vec::new(),
        }
    }
}

impl Transport for ScriptedTransport {
    fn carries(&self, queued: &QueuedMessage) -> bool {
        queued.channel == Channel::Mail
    }

    fn send(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Outcome {
        self.sent.push((envelope.to.to_string(), message.to_vec()));
        self.outcomes.pop().unwrap_or_else(accepted)
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted {
        reply: "250 ok".to_string(),
    }
}

fn refused(code: u16) -> Outcome {
    Outcome::Refused {
        code,
        reply: format!("{code} no\r\nmore"),
    }
}

fn unknown() -> Outcome {
    Outcome::Unknown {
        reason: "lost".to_string(),
    }
}

fn deferred() -> Outcome {
    Outcome::Deferred {
        reason: "no connection".to_string(),
        until: None,
    }
}

fn enqueue(outbox: &mut Outbox, to: &Address, now: Timestamp) -> EnqueueResult {
    let templates = Templates::built_in();
    let added = outbox.enqueue(&settings(25), &templates, &failure("r1"), to, now);
    added.unwrap()
}

fn send_due(outbox: &mut Outbox, transport: &mut dyn Transport, now: Timestamp) -> usize {
    let sent = outbox.send(transport, Selection::Due, &|| now, &|| false);
    sent.unwrap().len()
}

fn state(folder: &Path) -> DeliveryState {
    Outbox::read(folder).unwrap().iter().next().unwrap().state
}

#[test]
fn accepted_messages_are_never_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut transport = ScriptedTransport::default();
    for day in 0..3 {
        let mut outbox = Outbox::open(folder.path()).unwrap();
        let now = after_minutes(day * 1440);
        let added = enqueue(&mut outbox, &ada(), now);
        let expected = if day == 0 {
            EnqueueResult::New
        } else {
            EnqueueResult::Accepted
        };
        assert_eq!(added, expected);
        send_due(&mut outbox, &mut transport, now);
        outbox
            .send(&mut transport, Selection::Open, &|| now, &|| false)
            .unwrap();
    }
    assert_eq!(transport.sent.len(), 1);
    assert_eq!(state(folder.path()), DeliveryState::Accepted);
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "the message file is removed");
    let events = Outbox::events(folder.path()).unwrap();
    assert_eq!(events.len(), 3);
    let text = serde_json::to_string(&events[0]).unwrap();
    for part in [
        "\"event\":\"queued\"",
        "\"run\":\"r1\"",
        "\"recipient\":\"ada@example.org\"",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(
        serde_json::from_str::<crate::Event>(&text).unwrap(),
        events[0]
    );
}

#[test]
fn temporary_refusals_are_retried_and_permanent_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(folder.path()).unwrap();
    enqueue(&mut outbox, &ada(), start());
    let mut transport = ScriptedTransport::new([refused(450), unknown(), refused(550)]);
    let mut tried = Vec::new();
    for minute in 0..60 {
        if send_due(&mut outbox, &mut transport, after_minutes(minute)) > 0 {
            tried.push(minute);
        }
    }
    assert_eq!(tried, [0, 1, 6]);
    assert_eq!(state(folder.path()), DeliveryState::Refused);
    let deliveries = outbox.deliveries().clone();
    let description = deliveries.iter().next().unwrap().describe();
    assert!(
        description.starts_with("refused since 2026-11-16 09:06 UTC, 3 attempts: 550 no"),
        "{description}"
    );
    assert!(!description.contains('\n'));
    // Every attempt had the same bytes, and a person may request another attempt.
    assert_eq!(
        enqueue(&mut outbox, &ada(), after_minutes(100)),
        EnqueueResult::Requeued
    );
    assert_eq!(send_due(&mut outbox, &mut transport, after_minutes(100)), 1);
    assert_eq!(state(folder.path()), DeliveryState::Accepted);
    assert_eq!(transport.sent.len(), 4);
    assert!(transport.sent.iter().all(|sent| *sent == transport.sent[0]));
}

#[test]
fn messages_are_given_up_after_the_last_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(folder.path()).unwrap();
    enqueue(&mut outbox, &ada(), start());
    let mut transport = ScriptedTransport::new((0..50).map(|_| refused(451)));
    for hour in 0..200 {
        send_due(&mut outbox, &mut transport, after_minutes(hour * 60));
    }
    assert_eq!(state(folder.path()), DeliveryState::GivenUp);
    assert_eq!(transport.sent.len(), ATTEMPTS_MAX as usize);
}

#[test]
fn without_a_server_one_message_is_tried_and_all_are_given_up_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(folder.path()).unwrap();
    for name in ["a", "b", "c"] {
        let to = format!("{name}@example.org").parse().unwrap();
        enqueue(&mut outbox, &to, start());
    }
    let mut transport = ScriptedTransport::new((0..500).map(|_| deferred()));
    assert_eq!(send_due(&mut outbox, &mut transport, start()), 1);
    for hour in 1..100 {
        send_due(&mut outbox, &mut transport, after_minutes(hour * 60));
    }
    let given_up = outbox.deliveries().iter();
    let given_up = given_up.filter(|delivery| delivery.state == DeliveryState::GivenUp);
    assert_eq!(given_up.count(), 3);
    assert!(!outbox.deliveries().has_open());
}

#[test]
fn others_are_sent_after_a_lost_connection() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(folder.path()).unwrap();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let to = format!("{name}@example.org").parse().unwrap();
        enqueue(&mut outbox, &to, start());
    }
    let interrupted = || Outcome::Interrupted {
        reason: "lost".to_string(),
    };
    let mut transport = ScriptedTransport::new([
        interrupted(),
        accepted(),
        interrupted(),
        unknown(),
        interrupted(),
    ]);
    assert_eq!(send_due(&mut outbox, &mut transport, start()), 5);
    let states: Vec<DeliveryState> = outbox
        .deliveries()
        .iter()
        .map(|delivery| delivery.state)
        .collect();
    let waiting = DeliveryState::Waiting;
    let in_doubt = DeliveryState::InDoubt;
    assert_eq!(
        states,
        [
            waiting,
            DeliveryState::Accepted,
            waiting,
            in_doubt,
            waiting,
            waiting
        ]
    );
}

#[test]
fn after_a_crash_the_same_bytes_are_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut transport = ScriptedTransport::default();
    let mut outbox = Outbox::open(folder.path()).unwrap();
    enqueue(&mut outbox, &ada(), start());
    send_due(&mut outbox, &mut transport, start());
    drop(outbox);
    // The process died while it recorded the acceptance, and the message file still existed.
    let path = events_path(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 10);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(state(folder.path()), DeliveryState::InDoubt);
    let mut outbox = Outbox::open(folder.path()).unwrap();
    // The wording has changed since, but the message must not change: without its bytes it is
    // not sent.
    let templates = Templates::built_in().with("mail/subject.txt.j2", "other");
    let error = outbox
        .enqueue(
            &settings(25),
            &templates,
            &failure("r1"),
            &ada(),
            after_minutes(5),
        )
        .unwrap_err();
    assert!(error.to_string().contains("wording has changed"), "{error}");
    assert_eq!(
        enqueue(&mut outbox, &ada(), after_minutes(5)),
        EnqueueResult::Requeued
    );
    send_due(&mut outbox, &mut transport, after_minutes(5));
    assert_eq!(transport.sent.len(), 2);
    assert_eq!(transport.sent[0], transport.sent[1]);
    assert_eq!(state(folder.path()), DeliveryState::Accepted);
}

#[test]
fn modified_message_files_are_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(folder.path()).unwrap();
    enqueue(&mut outbox, &ada(), start());
    let message = fs::read_dir(folder.path()).unwrap().flatten();
    let mut message = message.filter(|entry| entry.file_name().to_string_lossy().ends_with(".eml"));
    fs::write(message.next().unwrap().path(), "Subject: spam\r\n\r\n").unwrap();
    let mut transport = ScriptedTransport::default();
    send_due(&mut outbox, &mut transport, start());
    assert!(transport.sent.is_empty());
    assert_eq!(state(folder.path()), DeliveryState::GivenUp);
}

#[test]
fn stopped_passes_leave_deliveries_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(folder.path()).unwrap();
    enqueue(&mut outbox, &ada(), start());
    let mut transport = ScriptedTransport::default();
    let sent = outbox
        .send(&mut transport, Selection::Due, &start, &|| true)
        .unwrap();
    assert!(sent.is_empty() && transport.sent.is_empty());
    assert_eq!(state(folder.path()), DeliveryState::Waiting);
}

#[test]
fn concurrent_senders_send_a_message_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = Outbox::open(folder.path()).unwrap();
    assert!(matches!(Outbox::open(folder.path()), Err(Error::Busy(_))));
    drop(first);
    let server = Server::plain(|_, _| Action::Accept);
    let settings = settings(server.port);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut outbox = loop {
                    match Outbox::open(folder.path()) {
                        Ok(outbox) => break outbox,
                        Err(Error::Busy(_)) => std::thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                };
                enqueue(&mut outbox, &ada(), start());
                let mut smtp = Smtp::new(&settings, &|_| None).unwrap();
                outbox
                    .send(&mut smtp, Selection::Open, &start, &|| false)
                    .unwrap();
            });
        }
    });
    assert_eq!(server.received().len(), 1);
}
