//! Sends a thousand messages through a server with random faults, by a process that is killed
//! repeatedly: no message is lost, and none is sent twice unless its reply was lost.

use super::{
    fixture::settings,
    server::{Action, Encryption, Server, Step, authority},
    smtp::{client, encrypted_settings},
};
use crate::{
    Channel, Content, DeliveryState, EventKind, FailureNotice, Outbox, Outcome, Selection,
    Settings, Smtp, Templates, Transport,
    delivery::{QueuedMessage, identity},
    outbox::events_path,
    transport::Envelope,
};
use jiff::{SignedDuration, Timestamp};
use mail_parser::MessageParser;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

/// Faults by step and number in the list of [`fault`].
type DrawnFaults = Arc<Mutex<BTreeSet<(Step, usize)>>>;

/// Draws a fault for a step of a session; most steps have none.
fn fault(random: &mut ChaCha8Rng, step: Step, drawn: &DrawnFaults) -> Action {
    let reply = |text: &str| Action::Reply(text.to_string());
    // Chances in percent.
    let faults = match step {
        Step::Connect => vec![
            (3, Action::Close),
            (2, reply("421 busy")),
            (1, reply("554 no service")),
        ],
        Step::Auth => vec![(2, reply("454 try later")), (2, Action::Close)],
        Step::Mail => vec![
            (4, reply("451 try later")),
            (3, Action::Close),
            (1, reply("550 not you")),
        ],
        Step::Rcpt => vec![
            (5, reply("450 greylisted")),
            (3, Action::Close),
            (2, reply("550 no such user")),
        ],
        Step::Data => vec![
            (4, reply("451 try later")),
            (3, Action::Close),
            (1, reply("554 no")),
        ],
        Step::End => vec![
            (5, reply("451 try later")),
            (2, reply("554 refused")),
            (5, Action::Close),
            (8, Action::StoreAndClose),
        ],
    };
    let mut chance = random.random_range(0..100);
    for (n, (percent, action)) in faults.into_iter().enumerate() {
        if chance < percent {
            drawn.lock().unwrap().insert((step, n));
            return action;
        }
        chance -= percent;
    }
    Action::Accept
}

/// The payload of a panic that ends the process between two steps.
struct Killed;

/// A transport whose process is killed in some attempts, before or after the server was reached.
struct CrashingTransport<'a> {
    smtp: Smtp,
    random: &'a mut ChaCha8Rng,
    /// Acceptances that the process did not record before it died, by Message-ID.
    unrecorded: &'a mut BTreeMap<String, usize>,
    /// Numbers of kills before and after.
    kills: &'a mut [usize; 2],
}

impl Transport for CrashingTransport<'_> {
    fn carries(&self, queued: &QueuedMessage) -> bool {
        self.smtp.carries(queued)
    }

    fn send(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Outcome {
        let chance = self.random.random_range(0..100);
        if chance < 3 {
            self.kills[0] += 1;
            resume_unwind(Box::new(Killed));
        }
        let outcome = self.smtp.send(envelope, message);
        if chance >= 94 {
            self.kills[1] += 1;
            if matches!(outcome, Outcome::Accepted { .. }) {
                *self.unrecorded.entry(envelope.id.to_string()).or_default() += 1;
            }
            resume_unwind(Box::new(Killed));
        }
        outcome
    }
}

/// Simulates a killed process or a power failure: an event that is not flushed may be lost, and the
/// last line may be incomplete.
fn crash(folder: &Path, random: &mut ChaCha8Rng) {
    let path = events_path(folder);
    let events = Outbox::events(folder).unwrap();
    let is_flushed = events.last().is_none_or(|event| {
        matches!(
            event.kind,
            EventKind::Attempted | EventKind::Accepted { .. }
        )
    });
    let mut bytes = fs::read(&path).unwrap();
    if !is_flushed && random.random_bool(0.3) {
        bytes.pop();
        let end = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        bytes.truncate(end);
        fs::write(&path, &bytes).unwrap();
    }
    if random.random_bool(0.3) {
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"time\":\"2026-11-16T09:0").unwrap();
    }
}

fn content(run: &str, report: &str) -> Content {
    let notice = FailureNotice {
        run: run.to_string(),
        job: "weekly-operations".to_string(),
        window: "2026-W46".to_string(),
        error: "source.tickets: no file matches".to_string(),
        ..FailureNotice::default()
    };
    Content::of_failure(&notice, report)
}

/// A folder in memory, if available: the test is about order, not about the disk.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Sends two reports of each run to the recipients, and checks the received messages.
fn deliver_despite_faults(
    seed: u64,
    [runs, recipients]: [usize; 2],
    encryption: Encryption,
    settings: impl Fn(u16) -> Settings,
) -> (BTreeSet<(Step, usize)>, [usize; 2]) {
    let drawn = DrawnFaults::default();
    let auth = if matches!(encryption, Encryption::Plain) {
        ""
    } else {
        "PLAIN"
    };
    let (mut faults, steps) = (ChaCha8Rng::seed_from_u64(seed), drawn.clone());
    let server = Server::start(
        encryption,
        auth,
        Box::new(move |step, _| fault(&mut faults, step, &steps)),
    );
    let settings = settings(server.port);
    let templates = Templates::built_in();
    let mut random = ChaCha8Rng::seed_from_u64(seed + 1);
    let (mut unrecorded, mut kills) = (BTreeMap::new(), [0, 0]);
    let mut minute = 0;
    let mut states = BTreeMap::new();
    for run in 0..runs {
        let folder = scratch();
        let contents = ["executive", "technical"].map(|report| content(&format!("r{run}"), report));
        let addresses = (0..recipients).map(|n| format!("r{n}@example.org").parse().unwrap());
        let addresses: Vec<crate::Address> = addresses.collect();
        // Each pass is a process: it queues the missing messages, and sends until it dies or ends.
        loop {
            minute += 1;
            assert!(minute < 100_000, "deliveries stay open");
            let now = "2026-11-16T09:00:00Z".parse::<Timestamp>().unwrap()
                + SignedDuration::from_mins(minute);
            let mut outbox = Outbox::open(folder.path()).unwrap();
            let dies_at = random.random_range(0..4 * recipients);
            let mut is_complete = true;
            for (n, (content, to)) in contents
                .iter()
                .flat_map(|content| addresses.iter().map(move |to| (content, to)))
                .enumerate()
            {
                if outbox.find(content, Channel::Mail, &to.email).is_some() {
                    continue;
                }
                if n == dies_at {
                    // It dies while it writes the message, before the event.
                    let id = identity(Channel::Mail, &to.email, content.key());
                    let path = folder.path().join(format!("deliveries.{id}.eml"));
                    fs::write(path, "From: Rep").unwrap();
                    is_complete = false;
                    break;
                }
                outbox
                    .enqueue(&settings, &templates, content, to, now)
                    .unwrap();
            }
            if is_complete {
                let mut transport = CrashingTransport {
                    smtp: client(&settings),
                    random: &mut random,
                    unrecorded: &mut unrecorded,
                    kills: &mut kills,
                };
                let pass = catch_unwind(AssertUnwindSafe(|| {
                    let clock = || now;
                    outbox
                        .send(&mut transport, Selection::Open, &clock, &|| false)
                        .unwrap();
                }));
                if let Err(panic) = pass
                    && !panic.is::<Killed>()
                {
                    resume_unwind(panic);
                }
                if outbox.deliveries().iter().count() == 2 * recipients
                    && !outbox.deliveries().has_open()
                {
                    break;
                }
            }
            drop(outbox);
            crash(folder.path(), &mut random);
        }
        for delivery in Outbox::read(folder.path()).unwrap().iter() {
            let previous = states.insert(delivery.queued.message_id.clone(), delivery.clone());
            assert!(
                previous.is_none(),
                "{} is queued twice",
                delivery.queued.message_id
            );
        }
    }

    assert_eq!(
        states.len(),
        runs * recipients * 2,
        "each report is queued for each recipient"
    );
    let received = server.received();
    let mut copies: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for message in &received {
        let parsed = MessageParser::default().parse(&message.data).unwrap();
        let id = format!("<{}>", parsed.message_id().unwrap());
        copies.entry(id).or_default().push(message);
    }
    assert!(
        copies.keys().all(|id| states.contains_key(id)),
        "an unknown message arrived"
    );
    let (mut once, mut repeated, mut refused) = (0, 0, 0);
    for (id, delivery) in &states {
        let copies = copies.get(id).map_or(&[][..], Vec::as_slice);
        let unrecorded = unrecorded.get(id).copied().unwrap_or(0);
        let replied = copies.iter().filter(|copy| copy.replied).count();
        let (first, to) = (copies.first(), &delivery.queued.recipient);
        assert!(
            copies
                .iter()
                .all(|copy| copy.to == *to && Some(&copy.data) == first.map(|c| &c.data)),
            "{id}"
        );
        match delivery.state {
            // Once, or again with the same bytes for each acceptance that was not recorded.
            DeliveryState::Accepted => assert_eq!(replied, 1 + unrecorded, "{id}"),
            // The sender knows that it was not accepted, and why.
            DeliveryState::Refused => {
                assert_eq!(replied, unrecorded, "{id}");
                assert!(
                    delivery.reply.starts_with('5') || delivery.reply.contains("55"),
                    "{}",
                    delivery.reply
                );
                refused += 1;
            }
            DeliveryState::GivenUp => {
                assert_eq!(replied, unrecorded, "{id}");
                assert!(!delivery.reply.is_empty(), "{id}");
            }
            open => panic!("{id} is {open:?}"),
        }
        once += usize::from(copies.len() == 1);
        repeated += usize::from(copies.len() > 1);
    }
    let message_count = states.len();
    assert!(
        once > message_count / 2 && repeated > message_count / 50 && refused > message_count / 50,
        "{once} {repeated} {refused}"
    );
    (drawn.lock().unwrap().clone(), kills)
}

#[test]
fn a_thousand_messages_survive_faults_and_kills() {
    let (drawn, kills) = deliver_despite_faults(7, [25, 20], Encryption::Plain, settings);
    assert_eq!(
        drawn.len(),
        3 + 3 + 3 + 3 + 4,
        "some fault did not occur: {drawn:?}"
    );
    assert!(kills.iter().all(|count| *count > 20), "{kills:?}");
}

#[test]
fn messages_survive_faults_and_kills_with_tls() {
    let certificates = tempfile::tempdir().unwrap();
    let (pem, config) = authority("localhost");
    for (seed, encryption, tls) in [
        (11, Encryption::Implicit(config.clone()), "required"),
        (13, Encryption::Starttls(config), "starttls"),
    ] {
        let (drawn, kills) = deliver_despite_faults(seed, [5, 10], encryption, |port| {
            encrypted_settings(certificates.path(), &pem, "localhost", port, tls)
        });
        let steps: BTreeSet<Step> = drawn.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps.len(), 6, "{tls}: {drawn:?}");
        assert!(kills.iter().all(|count| *count > 0), "{tls}: {kills:?}");
    }
}
