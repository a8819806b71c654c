//! The outbox sends each message once, despite failures.

use super::{
    fixture::{failure, settings},
    server::{Action, Server, Step},
};
use crate::{
    Address, DeliveryState, EnqueueResult, Error, Outbox, Outcome, Selection, Smtp, Templates,
    Transport, delivery::ATTEMPTS_MAX, outbox::events_path, transport::Envelope,
};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::{collections::BTreeMap, fs, path::Path, sync::Mutex};

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
    }
}

fn enqueue(outbox: &mut Outbox, to: &Address, now: Timestamp) -> EnqueueResult {
    let templates = Templates::built_in();
    let added = outbox.enqueue(&settings(25), &templates, &failure("r1"), to, now);
    added.unwrap()
}

fn send_due(outbox: &mut Outbox, transport: &mut dyn Transport, now: Timestamp) -> usize {
    let sent = outbox.send(&settings(25), transport, Selection::Due, &|| now, &|| false);
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
            .send(
                &settings(25),
                &mut transport,
                Selection::Open,
                &|| now,
                &|| false,
            )
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
    let all = outbox.deliveries().clone();
    let description = all.iter().next().unwrap().describe();
    assert!(
        description.starts_with("refused since 2026-11-16 09:06 UTC, 3 attempts: 550 no"),
        "{description}"
    );
    assert!(!description.contains('\n'));
    // Every attempt had the same bytes, and a person may request another attempt.
    assert_eq!(
        enqueue(&mut outbox, &ada(), after_minutes(100)),
        EnqueueResult::Again
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
    let states: Vec<DeliveryState> = outbox.deliveries().iter().map(|one| one.state).collect();
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
    // The process died while it wrote that the message was accepted, and the message file still
    // existed.
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
        EnqueueResult::Again
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
        .send(
            &settings(25),
            &mut transport,
            Selection::Due,
            &start,
            &|| true,
        )
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
                    .send(&settings, &mut smtp, Selection::Open, &start, &|| false)
                    .unwrap();
            });
        }
    });
    assert_eq!(server.received().len(), 1);
}

/// Draws a random fault for a step of an SMTP session; most steps have none.
fn fault(random: &mut ChaCha8Rng, step: Step) -> Action {
    let reply = |text: &str| Action::Reply(text.to_string());
    let chance = random.random_range(0..100);
    match (step, chance) {
        (Step::Connect, 0..6) => Action::Close,
        (Step::Connect, 6..10) => reply("421 busy"),
        (Step::Mail, 0..5) => reply("451 try later"),
        (Step::Mail, 5..8) => Action::Close,
        (Step::Rcpt, 0..6) => reply("450 greylisted"),
        (Step::Rcpt, 6..8) => reply("550 no such user"),
        (Step::Rcpt, 8..11) => Action::Close,
        (Step::Data, 0..4) => reply("451 try later"),
        (Step::Data, 4..8) => Action::Close,
        (Step::End, 0..6) => reply("451 try later"),
        (Step::End, 6..8) => reply("554 refused"),
        (Step::End, 8..14) => Action::Close,
        (Step::End, 14..24) => Action::StoreAndClose,
        _ => Action::Accept,
    }
}

#[test]
fn random_faults_lose_no_message() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let faults = Mutex::new(ChaCha8Rng::seed_from_u64(8));
    let server = Server::plain(move |step, _| fault(&mut faults.lock().unwrap(), step));
    let settings = settings(server.port);
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Some(Outbox::open(folder.path()).unwrap());
    let recipients: Vec<String> = (0..300).map(|n| format!("r{n}@example.org")).collect();
    for to in &recipients {
        enqueue(outbox.as_mut().unwrap(), &to.parse().unwrap(), start());
    }
    // Number of acceptances per recipient that were lost because the process died before the event was
    // on disk.
    let mut unrecorded: BTreeMap<String, usize> = BTreeMap::new();
    let mut minute = 0;
    while outbox.as_ref().unwrap().deliveries().has_open() {
        let opened = outbox.as_mut().unwrap();
        let mut smtp = Smtp::new(&settings, &|_| None).unwrap();
        let limit = random.random_range(1..60);
        let mut count = 0;
        let stop = std::cell::Cell::new(0);
        let stopped = || {
            stop.set(stop.get() + 1);
            stop.get() > limit
        };
        let now = after_minutes(minute);
        count += opened
            .send(&settings, &mut smtp, Selection::Open, &|| now, &stopped)
            .unwrap()
            .len();
        minute += 1;
        // The process dies, sometimes before its last line was on the disk.
        drop(outbox.take());
        let path = events_path(folder.path());
        let bytes = fs::read(&path).unwrap();
        if count > 0 && random.random_bool(0.3) {
            let events = Outbox::events(folder.path()).unwrap();
            let last = events.last().unwrap();
            if matches!(last.kind, crate::EventKind::Accepted { .. }) {
                let all = Outbox::read(folder.path()).unwrap();
                let delivery = all.get(&last.delivery).unwrap();
                *unrecorded
                    .entry(delivery.queued.recipient.clone())
                    .or_default() += 1;
                let lost = random.random_range(1..20);
                fs::write(&path, &bytes[..bytes.len() - lost]).unwrap();
                // The message file is removed only after that, so it exists.
                let to = delivery.queued.recipient.parse().unwrap();
                let date = delivery.queued.date;
                let message =
                    crate::compose(&settings, &Templates::built_in(), &failure("r1"), &to, date);
                let name = format!("deliveries.{}.eml", delivery.id);
                fs::write(folder.path().join(name), message.unwrap().bytes).unwrap();
            }
        }
        outbox = Some(Outbox::open(folder.path()).unwrap());
        assert!(minute < 10_000, "deliveries stay open");
    }
    let received = server.received();
    let all = outbox.unwrap().deliveries().clone();
    let (mut sent_once, mut repeated) = (0, 0);
    for delivery in all.iter() {
        let to = &delivery.queued.recipient;
        let copies: Vec<_> = received
            .iter()
            .filter(|received| received.to == *to)
            .collect();
        let unrecorded = unrecorded.get(to).copied().unwrap_or(0);
        let without_reply = copies.iter().filter(|received| !received.replied).count();
        let replied = copies.len() - without_reply;
        match delivery.state {
            DeliveryState::Accepted => assert!(replied >= 1, "{to} got no message"),
            DeliveryState::Refused | DeliveryState::GivenUp => {
                assert_eq!(replied, unrecorded, "{to}");
            }
            other => panic!("{to} is {other:?}"),
        }
        assert!(
            replied <= 1 + unrecorded,
            "{to} got it {replied} times, {unrecorded} acceptances were lost"
        );
        // A second copy has the same bytes, and so the same Message-ID.
        assert!(
            copies.iter().all(|copy| copy.data == copies[0].data),
            "{to}"
        );
        sent_once += usize::from(copies.len() == 1);
        repeated += usize::from(copies.len() > 1);
    }
    assert_eq!(all.iter().count(), 300);
    // The test covers both cases: most messages were sent once, and some replies were lost.
    assert!(
        sent_once > 200 && repeated > 5 && !unrecorded.is_empty(),
        "{sent_once} {repeated} {unrecorded:?}"
    );
}
