//! Sending to servers that refuse, close the connection, hang, or have an invalid certificate.

use super::{
    fixture::{failure, settings},
    server::{Action, Encryption, HttpServer, Server, Step, authority},
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
    )
    .unwrap();
    let envelope = Envelope {
        to,
        id: &message.message_id,
        time: jiff::Timestamp::UNIX_EPOCH,
    };
    smtp.send(envelope, &message.bytes)
}

pub fn client(settings: &Settings) -> Smtp {
    let environment = |name: &str| (name == "SECRET").then(|| "hunter2".to_string());
    Smtp::new(settings, &environment)
        .unwrap()
        .with_timeouts(Timeouts {
            command: Duration::from_secs(20),
            message: Duration::from_secs(20),
        })
}

/// Takes this action at one step, the first time only.
fn once(target: Step, action: Action) -> impl FnMut(Step, &str) -> Action + Send + 'static {
    let mut action = Some(action);
    move |step, _| {
        if step == target {
            action.take().unwrap_or(Action::Accept)
        } else {
            Action::Accept
        }
    }
}

#[test]
fn composed_bytes_are_received_unchanged() {
    let server = Server::plain(|_, _| Action::Accept);
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
fn failures_are_classified_by_step_and_reply() {
    let reply = |text: &str| Action::Reply(text.to_string());
    for (step, action, expected) in [
        (Step::Connect, Action::Close, "deferred"),
        (Step::Connect, reply("554 no service"), "deferred"),
        (Step::Mail, reply("450 busy"), "450"),
        (Step::Mail, reply("550 not you"), "550"),
        (Step::Mail, Action::Close, "interrupted"),
        (Step::Rcpt, reply("451 greylisted"), "451"),
        (Step::Rcpt, reply("550-no such\r\n550 user"), "550"),
        (Step::Rcpt, Action::Close, "interrupted"),
        (Step::Data, reply("452 full"), "452"),
        (Step::Data, reply("554 no"), "554"),
        (Step::Data, reply("250 odd"), "interrupted"),
        (Step::Data, Action::Close, "interrupted"),
        (Step::End, reply("451 try again"), "451"),
        (Step::End, reply("552 too large"), "552"),
        (Step::End, reply("354 odd"), "unknown"),
        (Step::End, reply("garbage"), "unknown"),
        (Step::End, Action::Close, "unknown"),
        (Step::End, Action::StoreAndClose, "unknown"),
    ] {
        let server = Server::plain(once(step, action.clone()));
        let mut smtp = client(&settings(server.port));
        let outcome = send(&mut smtp, "ada@example.org");
        let actual = match &outcome {
            Outcome::Accepted { .. } => "accepted".to_string(),
            Outcome::Refused { code, .. } => code.to_string(),
            Outcome::Deferred { .. } => "deferred".to_string(),
            Outcome::Interrupted { .. } => "interrupted".to_string(),
            Outcome::Unknown { .. } => "unknown".to_string(),
        };
        assert_eq!(actual, expected, "{step:?} {action:?}: {outcome:?}");
        let next = send(&mut smtp, "bob@example.org");
        assert!(
            matches!(next, Outcome::Accepted { .. }),
            "{step:?} {action:?}: {next:?}"
        );
    }
}

#[test]
fn silent_servers_time_out() {
    for (step, expected) in [
        (Step::Connect, "deferred"),
        (Step::Rcpt, "interrupted"),
        (Step::End, "unknown"),
    ] {
        let server = Server::plain(once(step, Action::Hang));
        let timeout = Duration::from_millis(200);
        let timeouts = Timeouts {
            command: timeout,
            message: timeout,
        };
        let mut smtp = client(&settings(server.port)).with_timeouts(timeouts);
        let outcome = send(&mut smtp, "ada@example.org");
        let actual = match &outcome {
            Outcome::Deferred { .. } => "deferred",
            Outcome::Interrupted { .. } => "interrupted",
            Outcome::Unknown { .. } => "unknown",
            _ => "another",
        };
        assert_eq!(actual, expected, "{outcome:?}");
    }
}

#[test]
fn idle_connections_closed_by_the_server_are_reopened() {
    let mut mails = 0;
    let server = Server::plain(move |step, _| {
        mails += usize::from(step == Step::Mail);
        if step == Step::Mail && mails == 2 {
            Action::Reply("421 idle too long".to_string())
        } else {
            Action::Accept
        }
    });
    let mut smtp = client(&settings(server.port));
    for to in ["ada@example.org", "bob@example.org"] {
        assert!(matches!(send(&mut smtp, to), Outcome::Accepted { .. }));
    }
    assert_eq!(server.received().len(), 2);
}

/// Settings for an encrypted server, with the certificate authority of the test.
pub fn encrypted_settings(
    folder: &std::path::Path,
    pem: &str,
    host: &str,
    port: u16,
    tls: &str,
) -> Settings {
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
fn messages_are_sent_with_tls_and_starttls() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, config) = authority("localhost");
    for (encryption, tls) in [
        (Encryption::Implicit(config.clone()), "required"),
        (Encryption::Starttls(config), "starttls"),
    ] {
        let server = Server::start(encryption, "PLAIN LOGIN", Box::new(|_, _| Action::Accept));
        let settings = encrypted_settings(folder.path(), &pem, "localhost", server.port, tls);
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
fn nothing_is_sent_without_a_valid_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, wrong_name) = authority("mail.example.org");
    let (_, untrusted) = authority("localhost");
    for (encryption, tls, expected) in [
        (
            Encryption::Implicit(wrong_name.clone()),
            "required",
            "certificate",
        ),
        (Encryption::Starttls(wrong_name), "starttls", "certificate"),
        (
            Encryption::Implicit(untrusted.clone()),
            "required",
            "certificate",
        ),
        (Encryption::Starttls(untrusted), "starttls", "certificate"),
        (Encryption::Plain, "starttls", "no STARTTLS"),
    ] {
        let server = Server::start(encryption, "PLAIN", Box::new(|_, _| Action::Accept));
        let settings = encrypted_settings(folder.path(), &pem, "localhost", server.port, tls);
        let outcome = send(&mut client(&settings), "ada@example.org");
        let Outcome::Deferred { reason, .. } = &outcome else {
            panic!("{outcome:?}");
        };
        assert!(reason.contains(expected), "{reason}");
        let lines = server.lines();
        let sent = |line: &String| line.starts_with("AUTH") || line.starts_with("MAIL");
        assert!(!lines.iter().any(sent), "{lines:?}");
    }
}

#[test]
fn plain_text_is_only_sent_to_this_machine() {
    let server = Server::plain(|_, _| Action::Accept);
    let mut settings = settings(server.port);
    // The settings would refuse this host, but the name of this machine could resolve to it.
    settings.server.host = "0.0.0.0".to_string();
    let error = client(&settings).check().unwrap_err();
    assert!(error.contains("not on this machine"), "{error}");
    assert!(server.lines().is_empty());
}

#[test]
fn refused_logins_are_deferred_without_showing_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, config) = authority("localhost");
    // A server that repeats the login command.
    let echo = |step, line: &str| match step {
        Step::Auth => Action::Reply(format!("535 5.7.8 cannot let in hunter2 {line}")),
        _ => Action::Accept,
    };
    let server = Server::start(
        Encryption::Implicit(config.clone()),
        "PLAIN",
        Box::new(echo),
    );
    let settings = encrypted_settings(folder.path(), &pem, "localhost", server.port, "required");
    let outcome = send(&mut client(&settings), "ada@example.org");
    let Outcome::Deferred { reason, .. } = &outcome else {
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
        Encryption::Implicit(config),
        "CRAM-MD5",
        Box::new(|_, _| Action::Accept),
    );
    let settings = encrypted_settings(folder.path(), &pem, "localhost", server.port, "required");
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
fn tokens_are_cached_and_renewed_after_a_refusal() {
    let tokens = HttpServer::start(|n| {
        (
            200,
            format!("{{\"access_token\":\"token-{n}\",\"expires_in\":3600}}"),
        )
    });
    let valid = Arc::new(Mutex::new("token-1"));
    let (current, mut mails) = (valid.clone(), 0);
    let decide = move |step, line: &str| match step {
        Step::Auth if token_of(line) != *current.lock().unwrap() => {
            Action::Reply("535 5.7.3 token expired".to_string())
        }
        Step::Mail => {
            mails += 1;
            // The server closes the connection, so there is a second login.
            if mails == 2 {
                Action::Close
            } else {
                Action::Accept
            }
        }
        _ => Action::Accept,
    };
    let server = Server::start(Encryption::Plain, "LOGIN XOAUTH2", Box::new(decide));
    let mut smtp = client(&with_token(server.port, tokens.port));
    let outcome = send(&mut smtp, "ada@example.org");
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    *valid.lock().unwrap() = "token-2";
    let outcome = send(&mut smtp, "bob@example.org");
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let requests = tokens.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        String::from_utf8_lossy(&requests[0].body),
        "grant_type=client_credentials&client_id=app&client_secret=hunter2&scope=https%3A%2F%2Fmail.example.org%2F.default"
    );
    let lines = server.lines();
    let logins = lines.iter().filter(|line| line.starts_with("AUTH"));
    let logins: Vec<String> = logins.map(|line| token_of(line)).collect();
    assert_eq!(logins, ["token-1", "token-1", "token-2"]);
}

#[test]
fn without_a_token_the_message_is_deferred_and_no_secret_is_shown() {
    for (status, answer, expected) in [
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
        let tokens = HttpServer::start(move |_| (status, answer.to_string()));
        let server = Server::start(
            Encryption::Plain,
            "XOAUTH2",
            Box::new(|_, _| Action::Accept),
        );
        let mut smtp = client(&with_token(server.port, tokens.port));
        let outcome = send(&mut smtp, "ada@example.org");
        let Outcome::Deferred { reason, .. } = &outcome else {
            panic!("{outcome:?}");
        };
        assert!(
            reason.contains(expected) && !reason.contains("hunter2"),
            "{reason}"
        );
        assert!(server.received().is_empty());
        assert_eq!(tokens.requests().len(), 1, "{answer}");
    }
    // If a new token is refused, no other is fetched.
    let tokens = HttpServer::start(|n| (200, format!("{{\"access_token\":\"token-{n}\"}}")));
    let refuse = |step, _: &str| match step {
        Step::Auth => Action::Reply("535 no".to_string()),
        _ => Action::Accept,
    };
    let server = Server::start(Encryption::Plain, "XOAUTH2", Box::new(refuse));
    let outcome = send(
        &mut client(&with_token(server.port, tokens.port)),
        "ada@example.org",
    );
    assert!(matches!(outcome, Outcome::Deferred { .. }));
    assert_eq!(tokens.requests().len(), 1);
}
