use super::*;
use std::{fs, os::unix::fs::PermissionsExt as _, process::Command, time::Instant};

const FROM: &str = "Retrocast <reports@machine.example>";

fn example() -> Alert {
    Alert {
        to: "operations@example.org".to_string(),
        job: "weekly-operations".to_string(),
        window: "2026-W46".to_string(),
        due: "Monday 16 November 2026, 09:00".to_string(),
        attempts: vec![
            ("09:00".to_string(), "no file matches".to_string()),
            ("09:05".to_string(), "no file matches".to_string()),
            ("09:20".to_string(), "timed out".to_string()),
        ],
        next: "Nothing more is tried until the next due date.".to_string(),
    }
}

/// A run's folder with a fake sendmail.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        fs::write(
            &path,
            format!("#!/bin/sh\ncd '{}'\n{script}\n", folder.path().display()),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        // A program that this process held open for writing could be busy when it is started.
        let copied = Command::new("cp")
            .arg("-p")
            .arg(&path)
            .arg(folder.path().join("sendmail"))
            .status();
        assert!(copied.unwrap().success());
        Self { folder }
    }

    fn send(&self, alert: &Alert, timeout: Duration) -> Result<AlertOutcome, Error> {
        self.send_until(alert, timeout, &|| false)
    }

    fn send_until(
        &self,
        alert: &Alert,
        timeout: Duration,
        stopped: &dyn Fn() -> bool,
    ) -> Result<AlertOutcome, Error> {
        let program = || Ok(self.folder.path().join("sendmail"));
        let options = SendOptions {
            timeout,
            stopped,
            ..self.options(&program)
        };
        send_with(self.run(), alert, &options)
    }

    fn run(&self) -> AlertFolder<'_> {
        AlertFolder {
            folder: self.folder.path(),
            is_run: true,
        }
    }

    fn options<'a>(&self, program: &'a dyn Fn() -> Result<PathBuf, String>) -> SendOptions<'a> {
        SendOptions {
            from: FROM,
            program,
            timeout: LONG_TIMEOUT,
            stopped: &|| false,
            write: &write_atomically,
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }
}

const LONG_TIMEOUT: Duration = Duration::from_secs(20);

/// Decodes a quoted-printable text like a mail program.
fn decode(text: &str) -> String {
    let text = text.replace("=\n", "");
    let (mut out, bytes) = (Vec::new(), text.as_bytes());
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'=' {
            out.push(u8::from_str_radix(&text[i + 1..i + 3], 16).unwrap());
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn an_alert_is_sent_once() {
    let machine = Machine::new("echo \"$@\" >> arguments; cat >> received");
    let AlertOutcome::Sent(sent) = machine.send(&example(), LONG_TIMEOUT).unwrap() else {
        panic!("not sent");
    };
    assert_eq!(
        machine.send(&example(), LONG_TIMEOUT).unwrap(),
        AlertOutcome::AlreadySent(sent.clone())
    );
    assert_eq!(machine.read("arguments"), "-t -i\n");
    let received = machine.read("received");
    assert_eq!(received, machine.read(MESSAGE));
    let marker: SentAlert = serde_json::from_str(&machine.read(SENT)).unwrap();
    assert_eq!(marker, sent);
    let (head, body) = received.split_once("\n\n").unwrap();
    for line in [
        "From: Retrocast <reports@machine.example>",
        "To: operations@example.org",
        "Subject: Report weekly-operations is missing for 2026-W46",
        &format!("Message-ID: {}", sent.message_id),
        "MIME-Version: 1.0",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(head.lines().any(|have| have == line), "{line}\n{head}");
    }
    assert!(sent.message_id.ends_with("@machine.example>"));
    let body = decode(body).replace('\u{a0}', " ");
    assert!(body.contains("3 attempts:\n  09:00 and 09:05: no file matches\n  09:20: timed out\n"));
    assert!(body.contains("Nothing more is tried"));

    let other = Alert {
        window: "2026-W47".to_string(),
        ..example()
    };
    assert!(matches!(
        machine.send(&other, LONG_TIMEOUT).unwrap(),
        AlertOutcome::Sent(_)
    ));
    assert_eq!(machine.read("arguments"), "-t -i\n-t -i\n");
}

#[test]
fn the_failure_report_is_included() {
    let machine = Machine::new("cat > received");
    fs::write(
        machine.folder.path().join(FAILURE_TEXT),
        "What failed\n  source.tickets\u{1b}[2J\n",
    )
    .unwrap();
    machine.send(&example(), LONG_TIMEOUT).unwrap();
    let received = machine.read("received");
    let body = decode(received.split_once("\n\n").unwrap().1);
    assert!(
        body.contains("What failed\n  source.tickets□[2J\n"),
        "{body}"
    );
}

#[test]
fn after_a_failure_the_message_is_stored_and_sent_again() {
    let machine =
        Machine::new("cat > /dev/null; [ -e fixed ] && exit 0; echo 'relay is down' >&2; exit 75");
    let error = machine
        .send(&example(), LONG_TIMEOUT)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("code 75: relay is down") && error.contains(MESSAGE),
        "{error}"
    );
    assert!(machine.has(MESSAGE) && !machine.has(SENT));
    fs::write(machine.folder.path().join("fixed"), "").unwrap();
    assert!(matches!(
        machine.send(&example(), LONG_TIMEOUT).unwrap(),
        AlertOutcome::Sent(_)
    ));
    assert!(machine.has(SENT));
}

#[test]
fn a_hanging_program_is_killed_with_its_children() {
    let machine = Machine::new("sleep 300 & echo $! > child; wait");
    let begun = Instant::now();
    let mut long = example();
    // More than fits into a pipe, and nothing reads it.
    long.attempts = (0..2000)
        .map(|i| (i.to_string(), format!("{i}{}", "x".repeat(500))))
        .collect();
    let error = machine
        .send(&long, Duration::from_millis(700))
        .unwrap_err()
        .to_string();
    assert!(error.contains("did not end within 0.7 s"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(machine.has(MESSAGE) && !machine.has(SENT));
    let child = machine.read("child");
    let has_ended = || {
        let state = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        state.is_err() || state.is_ok_and(|state| state.contains(") Z "))
    };
    let until = Instant::now() + Duration::from_secs(5);
    while !has_ended() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(has_ended(), "{child} still runs");
}

#[test]
fn sending_ends_when_asked_to_stop() {
    let machine = Machine::new("touch begun; sleep 300");
    let begun = Instant::now();
    let stopped = || machine.has("begun");
    let error = machine
        .send_until(&example(), LONG_TIMEOUT, &stopped)
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("was stopped with it") && error.contains(MESSAGE),
        "{error}"
    );
    assert!(begun.elapsed() < LONG_TIMEOUT / 2);
    assert!(!machine.has(SENT), "the next check sends it again");

    fs::remove_file(machine.folder.path().join("begun")).unwrap();
    let error = machine
        .send_until(&example(), LONG_TIMEOUT, &|| true)
        .unwrap_err();
    assert!(error.to_string().contains("was not started"), "{error}");
    // Another process sends the same alert and hangs.
    let other = File::open(machine.folder.path()).unwrap();
    other.lock().unwrap();
    let error = machine
        .send_until(&example(), LONG_TIMEOUT, &|| true)
        .unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    assert!(!machine.has("begun"));
}

/// Simulates a full disk on which only file names still fit.
fn full(path: &Path, _: &str) -> Result<(), Error> {
    Err(Error::File {
        action: "write",
        path: path.to_path_buf(),
        source: std::io::ErrorKind::StorageFull.into(),
    })
}

#[test]
fn on_a_full_disk_an_alert_is_sent_once() {
    for is_run in [true, false] {
        let machine = Machine::new("cat > /dev/null; echo x >> called");
        let program = || Ok(machine.folder.path().join("sendmail"));
        let options = SendOptions {
            write: &full,
            ..machine.options(&program)
        };
        let target = AlertFolder {
            is_run,
            ..machine.run()
        };
        let AlertOutcome::Sent(sent) = send_with(target, &example(), &options).unwrap() else {
            panic!("not sent");
        };
        assert!(!machine.has(MESSAGE) && !machine.has(SENT));
        let AlertOutcome::AlreadySent(before) = send_with(target, &example(), &options).unwrap()
        else {
            panic!("sent twice");
        };
        assert_eq!(before.message_id, sent.message_id);
        assert_eq!(machine.read("called"), "x\n");
        let other = Alert {
            due: "Monday 23 November 2026, 09:00".to_string(),
            ..example()
        };
        assert!(matches!(
            send_with(target, &other, &options),
            Ok(AlertOutcome::Sent(_))
        ));
    }
}

#[test]
fn an_alert_needs_no_run_folder() {
    let machine = Machine::new("cat > received");
    let program = || Ok(machine.folder.path().join("sendmail"));
    let nowhere = machine.folder.path().join("nowhere");
    let target = AlertFolder {
        folder: &nowhere,
        is_run: false,
    };
    let outcome = send_with(target, &example(), &machine.options(&program)).unwrap();
    assert!(matches!(outcome, AlertOutcome::Sent(_)));
    let received = machine.read("received");
    let body = decode(received.split_once("\n\n").unwrap().1);
    assert!(
        body.contains("2026-W46") && !body.contains("Folder of the run"),
        "{body}"
    );
}

#[test]
fn a_program_must_read_the_whole_message() {
    let machine = Machine::new("exec 0<&-; sleep 0.2; exit 0");
    let mut long = example();
    long.attempts = (0..2000)
        .map(|i| (i.to_string(), format!("{i}{}", "x".repeat(500))))
        .collect();
    let error = machine.send(&long, LONG_TIMEOUT).unwrap_err().to_string();
    assert!(error.contains("without reading"), "{error}");
    assert!(!machine.has(SENT));
}

#[test]
fn a_missing_program_is_reported_and_the_message_stored() {
    let folder = tempfile::tempdir().unwrap();
    let missing = || sendmail::find(Some("/nowhere/sendmail".as_ref()), "".as_ref());
    let options = SendOptions {
        from: FROM,
        program: &missing,
        timeout: LONG_TIMEOUT,
        stopped: &|| false,
        write: &write_atomically,
    };
    let target = AlertFolder {
        folder: folder.path(),
        is_run: true,
    };
    let error = send_with(target, &example(), &options).unwrap_err();
    let error = error.to_string();
    for expected in ["/nowhere/sendmail", sendmail::VARIABLE, MESSAGE] {
        assert!(error.contains(expected), "{error}");
    }
    assert!(folder.path().join(MESSAGE).is_file() && !folder.path().join(SENT).exists());
}

#[test]
fn hostile_texts_cannot_add_headers_or_end_the_message() {
    let machine = Machine::new("cat > received");
    let hostile = Alert {
        to: "Größe, Inc <a@example.org>; \"Bcc: x\" <b@example.org>".to_string(),
        job: "weekly\r\nBcc: thief@example.org\r\n\r\nbody Ü 日本 =?utf-8?Q?x?=".to_string(),
        window: "2026-W46\n.\nQUIT".to_string(),
        due: "\u{202e}today".to_string(),
        attempts: vec![(
            "09:00\n.\n".to_string(),
            "\r\n.\r\nFrom me = 100 % \0".to_string(),
        )],
        next: ".\n\n.".to_string(),
    };
    // A name with a comma must be quoted; otherwise, it is split, and "Größe" is not an address.
    let error = machine
        .send(&hostile, LONG_TIMEOUT)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Größe") && error.contains("not a mail address"),
        "{error}"
    );
    let hostile = Alert {
        to: "Größe <a@example.org>; \"Bcc: x\" <b@example.org>".to_string(),
        ..hostile
    };
    machine.send(&hostile, LONG_TIMEOUT).unwrap();
    let text = machine.read("received");
    assert!(text.is_ascii() && !text.contains('\r'));
    assert!(
        text.lines().all(|line| line.len() <= 78 && line != "."),
        "{text}"
    );
    let (head, body) = text.split_once("\n\n").unwrap();
    let names: Vec<_> = head
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split_once(": ").unwrap().0)
        .collect();
    assert_eq!(
        names,
        [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding"
        ]
    );
    assert!(head.contains("<a@example.org>,\n ") && head.contains("<b@example.org>"));
    assert!(!head.contains("Bcc:") && head.contains("=?utf-8?Q?"));
    let body = decode(body);
    assert!(
        body.contains("From me = 100 % □") && body.contains("□today"),
        "{body}"
    );
}

#[test]
fn invalid_addresses_are_rejected() {
    let machine = Machine::new("touch called; cat > /dev/null");
    for to in [
        "",
        " , ",
        "Operations team",
        "-oQ/tmp@example.org",
        "a@b@c",
        "a b@c.org",
        "ü@example.org",
        "a@-x.org",
    ] {
        let alert = Alert {
            to: to.to_string(),
            ..example()
        };
        let error = machine.send(&alert, LONG_TIMEOUT).unwrap_err().to_string();
        assert!(error.contains("operations@example.org"), "{to}: {error}");
        assert!(!error.contains("kept"), "nothing was written: {error}");
        assert!(!machine.has(MESSAGE));
    }
    assert!(!machine.has("called") && !machine.has(SENT));
}
