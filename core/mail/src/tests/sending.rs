//! Sending to servers that refuse, close the connection, wait, or have a wrong certificate.

use super::{
    fixture::{failure, settings},
    server::{Act, Guard, Server, Step, TokenServer, authority},
};
use crate::{
    Outcome, Settings, Smtp, Templates, Transport, compose, smtp::Timeouts, transport::Envelope,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const FROM: &str = "reports@example.org";

fn send(smtp: &mut Smtp, to: &str) -> Outcome {
    let message = compose(
        &settings(25),
        &Templates::built_in(),
        &failure("r1"),
        &to.parse().unwrap(),
        jiff::Timestamp::UNIX_EPOCH,
    );
    smtp.send(Envelope { from: FROM, to }, &message.unwrap().bytes)
}

fn client(settings: &Settings) -> Smtp {
    let environment = |name: &str| (name == "SECRET").then(|| "hunter2".to_string());
    Smtp::new(settings, &environment)
        .unwrap()
        .with_timeouts(Timeouts {
            command: Duration::from_secs(20),
            message: Duration::from_secs(20),
        })
}

/// Acts in this way at one step, the first time only.
fn once(at: Step, act: Act) -> impl FnMut(Step, &str) -> Act + Send + 'static {
    let mut left = Some(act);
    move |step, _| {
        if step == at {
            left.take().unwrap_or(Act::Good)
        } else {
            Act::Good
        }
    }
}

#[test]
fn a_message_arrives_as_it_was_composed() {
    let server = Server::plain(|_, _| Act::Good);
    let mut smtp = client(&settings(server.port));
    for to in ["ada@example.org", "bob@example.org"] {
        let outcome = send(&mut smtp, to);
        assert_eq!(
            outcome,
            Outcome::Accepted {
                reply: "250 queued as 1".to_string()
            }
        );
    }
    drop(smtp);
    let received = server.received();
    assert_eq!(received.len(), 2);
    let message = compose(
        &settings(25),
        &Templates::built_in(),
        &failure("r1"),
        &"ada@example.org".parse().unwrap(),
        jiff::Timestamp::UNIX_EPOCH,
    )
    .unwrap();
    assert_eq!(received[0].data, message.bytes);
    let lines = server.lines();
    let count = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!(
        (count("EHLO"), count("MAIL"), count("QUIT")),
        (1, 2, 1),
        "one connection"
    );
    assert!(
        lines.contains(&"MAIL FROM:<reports@example.org>".to_string()),
        "{lines:?}"
    );
}

#[test]
fn each_failure_is_known_for_what_it_is() {
    let say = |text: &str| Act::Say(text.to_string());
    for (step, act, want) in [
        (Step::Connect, Act::Drop, "deferred"),
        (Step::Connect, say("554 no service"), "deferred"),
        (Step::Mail, say("450 busy"), "450"),
        (Step::Mail, say("550 not you"), "550"),
        (Step::Mail, Act::Drop, "interrupted"),
        (Step::Rcpt, say("451 greylisted"), "451"),
        (Step::Rcpt, say("550-no such\r\n550 user"), "550"),
        (Step::Rcpt, Act::Drop, "interrupted"),
        (Step::Data, say("452 full"), "452"),
        (Step::Data, say("554 no"), "554"),
        (Step::Data, say("250 odd"), "interrupted"),
        (Step::Data, Act::Drop, "interrupted"),
        (Step::End, say("451 try again"), "451"),
        (Step::End, say("552 too large"), "552"),
        (Step::End, say("354 odd"), "unknown"),
        (Step::End, say("garbage"), "unknown"),
        (Step::End, Act::Drop, "unknown"),
        (Step::End, Act::KeepAndDrop, "unknown"),
    ] {
        let server = Server::plain(once(step, act.clone()));
        let mut smtp = client(&settings(server.port));
        let outcome = send(&mut smtp, "ada@example.org");
        let got = match &outcome {
            Outcome::Accepted { .. } => "accepted".to_string(),
            Outcome::Refused { code, .. } => code.to_string(),
            Outcome::Deferred { .. } => "deferred".to_string(),
            Outcome::Interrupted { .. } => "interrupted".to_string(),
            Outcome::Unknown { .. } => "unknown".to_string(),
        };
        assert_eq!(got, want, "{step:?} {act:?}: {outcome:?}");
        let next = send(&mut smtp, "bob@example.org");
        assert!(
            matches!(next, Outcome::Accepted { .. }),
            "{step:?} {act:?}: {next:?}"
        );
    }
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    for (step, want) in [
        (Step::Connect, "deferred"),
        (Step::Rcpt, "interrupted"),
        (Step::End, "unknown"),
    ] {
        let server = Server::plain(once(step, Act::Hang));
        let soon = Duration::from_millis(200);
        let timeouts = Timeouts {
            command: soon,
            message: soon,
        };
        let mut smtp = client(&settings(server.port)).with_timeouts(timeouts);
        let outcome = send(&mut smtp, "ada@example.org");
        let got = match &outcome {
            Outcome::Deferred { .. } => "deferred",
            Outcome::Interrupted { .. } => "interrupted",
            Outcome::Unknown { .. } => "unknown",
            _ => "another",
        };
        assert_eq!(got, want, "{outcome:?}");
    }
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_opened_again() {
    let mut mails = 0;
    let server = Server::plain(move |step, _| {
        mails += usize::from(step == Step::Mail);
        if step == Step::Mail && mails == 2 {
            Act::Say("421 idle too long".to_string())
        } else {
            Act::Good
        }
    });
    let mut smtp = client(&settings(server.port));
    for to in ["ada@example.org", "bob@example.org"] {
        assert!(matches!(send(&mut smtp, to), Outcome::Accepted { .. }));
    }
    assert_eq!(server.received().len(), 2);
}

/// Settings for a protected server whose certificate is from an authority of the test.
fn protected(folder: &std::path::Path, pem: &str, host: &str, port: u16, tls: &str) -> Settings {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    Settings::parse(&format!(
        "from = \"{FROM}\"\n[server]\nhost = \"{host}\"\nport = {port}\ntls = \"{tls}\"\n\
         ca_file = {ca:?}\n[auth]\nkind = \"password\"\nuser = \"reports\"\n\
         password = {{ env = \"SECRET\" }}\n"
    ))
    .unwrap()
}

#[test]
fn tls_from_the_start_and_after_starttls() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, config) = authority("localhost");
    for (guard, tls) in [
        (Guard::Implicit(config.clone()), "required"),
        (Guard::Starttls(config), "starttls"),
    ] {
        let server = Server::start(guard, "PLAIN LOGIN", Box::new(|_, _| Act::Good));
        let settings = protected(folder.path(), &pem, "localhost", server.port, tls);
        let outcome = send(&mut client(&settings), "ada@example.org");
        assert!(
            matches!(outcome, Outcome::Accepted { .. }),
            "{tls}: {outcome:?}"
        );
        let lines = server.lines();
        // base64 of NUL reports NUL hunter2
        let login = "AUTH PLAIN AHJlcG9ydHMAaHVudGVyMg==";
        assert!(lines.iter().any(|line| line == login), "{lines:?}");
        assert_eq!(server.received().len(), 1);
    }
}

#[test]
fn a_wrong_certificate_or_none_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, of_another) = authority("mail.example.org");
    let (_, of_a_stranger) = authority("localhost");
    for (guard, tls, want) in [
        (
            Guard::Implicit(of_another.clone()),
            "required",
            "certificate",
        ),
        (Guard::Starttls(of_another), "starttls", "certificate"),
        (
            Guard::Implicit(of_a_stranger.clone()),
            "required",
            "certificate",
        ),
        (Guard::Starttls(of_a_stranger), "starttls", "certificate"),
        (Guard::Plain, "starttls", "no STARTTLS"),
    ] {
        let server = Server::start(guard, "PLAIN", Box::new(|_, _| Act::Good));
        let settings = protected(folder.path(), &pem, "localhost", server.port, tls);
        let outcome = send(&mut client(&settings), "ada@example.org");
        let Outcome::Deferred { reason } = &outcome else {
            panic!("{outcome:?}");
        };
        assert!(reason.contains(want), "{reason}");
        let lines = server.lines();
        let sent = |line: &String| line.starts_with("AUTH") || line.starts_with("MAIL");
        assert!(!lines.iter().any(sent), "{lines:?}");
    }
}

#[test]
fn nothing_goes_to_another_machine_in_plain_text() {
    let server = Server::plain(|_, _| Act::Good);
    let mut settings = settings(server.port);
    // The settings would refuse this host, but the name of this machine could resolve to it.
    settings.server.host = "0.0.0.0".to_string();
    let error = client(&settings).check().unwrap_err();
    assert!(error.contains("not on this machine"), "{error}");
    assert!(server.lines().is_empty());
}

#[test]
fn a_refused_login_defers_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, config) = authority("localhost");
    // A server that repeats what it was sent.
    let echo = |step, line: &str| match step {
        Step::Auth => Act::Say(format!("535 5.7.8 cannot let in hunter2 {line}")),
        _ => Act::Good,
    };
    let server = Server::start(Guard::Implicit(config.clone()), "PLAIN", Box::new(echo));
    let settings = protected(folder.path(), &pem, "localhost", server.port, "required");
    let outcome = send(&mut client(&settings), "ada@example.org");
    let Outcome::Deferred { reason } = &outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        reason.contains("535") && reason.contains("5.7.8"),
        "{reason}"
    );
    assert!(
        !reason.contains("hunter2") && !reason.contains("AHJlcG9ydHMAaHVudGVyMg"),
        "{reason}"
    );

    let server = Server::start(
        Guard::Implicit(config),
        "CRAM-MD5",
        Box::new(|_, _| Act::Good),
    );
    let settings = protected(folder.path(), &pem, "localhost", server.port, "required");
    let error = client(&settings).check().unwrap_err();
    assert!(
        error.contains("offers no login by PLAIN or LOGIN"),
        "{error}"
    );
}

fn with_token(port: u16, token_port: u16) -> Settings {
    Settings::parse(&format!(
        "from = \"{FROM}\"\n[server]\nhost = \"127.0.0.1\"\nport = {port}\n\
         tls = \"loopback-plaintext\"\n[auth]\nkind = \"xoauth2\"\nuser = \"reports@example.org\"\n\
         token_url = \"http://127.0.0.1:{token_port}/token\"\nclient_id = \"app\"\n\
         client_secret = {{ env = \"SECRET\" }}\nscope = \"https://mail.example.org/.default\"\n"
    ))
    .unwrap()
}

/// The token in an AUTH XOAUTH2 command.
fn token_of(line: &str) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let sent = line.strip_prefix("AUTH XOAUTH2 ").unwrap();
    let sent = String::from_utf8(BASE64_STANDARD.decode(sent).unwrap()).unwrap();
    let user = sent
        .strip_prefix("user=reports@example.org\x01auth=Bearer ")
        .unwrap();
    user.strip_suffix("\x01\x01").unwrap().to_string()
}

#[test]
fn a_token_is_fetched_kept_and_renewed_when_it_is_refused() {
    let tokens = TokenServer::start(|n| {
        (
            200,
            format!("{{\"access_token\":\"token-{n}\",\"expires_in\":3600}}"),
        )
    });
    let valid = Arc::new(Mutex::new("token-1"));
    let (now, mut mails) = (valid.clone(), 0);
    let decide = move |step, line: &str| match step {
        Step::Auth if token_of(line) != *now.lock().unwrap() => {
            Act::Say("535 5.7.3 token expired".to_string())
        }
        Step::Mail => {
            mails += 1;
            // The server closes the connection, so there is a second login.
            if mails == 2 { Act::Drop } else { Act::Good }
        }
        _ => Act::Good,
    };
    let server = Server::start(Guard::Plain, "LOGIN XOAUTH2", Box::new(decide));
    let mut smtp = client(&with_token(server.port, tokens.port));
    let outcome = send(&mut smtp, "ada@example.org");
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    *valid.lock().unwrap() = "token-2";
    let outcome = send(&mut smtp, "bob@example.org");
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let bodies = tokens.bodies.lock().unwrap().clone();
    assert_eq!(bodies.len(), 2);
    assert_eq!(
        bodies[0],
        "grant_type=client_credentials&client_id=app&client_secret=hunter2&scope=https%3A%2F%2Fmail.example.org%2F.default"
    );
    let lines = server.lines();
    let logins = lines.iter().filter(|line| line.starts_with("AUTH"));
    let logins: Vec<String> = logins.map(|line| token_of(line)).collect();
    assert_eq!(logins, ["token-1", "token-1", "token-2"]);
}

#[test]
fn without_a_token_nothing_is_sent_and_no_secret_is_shown() {
    for (status, answer, want) in [
        (
            401,
            "{\"error\":\"invalid_client\",\"error_description\":\"hunter2 is\\r\\n wrong\"}",
            "invalid_client: … is",
        ),
        (200, "{}", "no token"),
        (
            200,
            "{\"access_token\":\"a\\r\\nMAIL FROM:<x@y>\"}",
            "no token",
        ),
        (500, "<html>", "status 500"),
        (302, "", "status 302"),
    ] {
        let tokens = TokenServer::start(move |_| (status, answer.to_string()));
        let server = Server::start(Guard::Plain, "XOAUTH2", Box::new(|_, _| Act::Good));
        let mut smtp = client(&with_token(server.port, tokens.port));
        let outcome = send(&mut smtp, "ada@example.org");
        let Outcome::Deferred { reason } = &outcome else {
            panic!("{outcome:?}");
        };
        assert!(
            reason.contains(want) && !reason.contains("hunter2"),
            "{reason}"
        );
        assert!(server.received().is_empty());
        assert_eq!(tokens.bodies.lock().unwrap().len(), 1, "{answer}");
    }
    // A token that is refused the first time it is used is not fetched again and again.
    let tokens = TokenServer::start(|n| (200, format!("{{\"access_token\":\"token-{n}\"}}")));
    let refuse = |step, _: &str| match step {
        Step::Auth => Act::Say("535 no".to_string()),
        _ => Act::Good,
    };
    let server = Server::start(Guard::Plain, "XOAUTH2", Box::new(refuse));
    let outcome = send(
        &mut client(&with_token(server.port, tokens.port)),
        "ada@example.org",
    );
    assert!(matches!(outcome, Outcome::Deferred { .. }));
    assert_eq!(tokens.bodies.lock().unwrap().len(), 1);
}
