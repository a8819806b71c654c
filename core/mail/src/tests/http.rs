//! Notifications to servers that refuse, are overloaded, close the connection, hang, or have an
//! invalid certificate.

use super::{
    fixture::{content_of, failure, report},
    server::{HttpServer, Response, authority},
};
use crate::{
    Channel, DeliveryState, Error, Http, Outbox, Outcome, Selection, Target, Transport,
    http::Timeouts, notification::compose, outbox::events_path, settings::SecretLocation,
    transport::Envelope,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use std::{fs, time::Duration};
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

const KEY: [u8; 32] = [7; 32];

pub fn target(channel: Channel) -> Target {
    Target {
        name: "team".to_string(),
        channel,
        url: SecretLocation::Env("URL".to_string()),
        secret: (channel == Channel::Webhook).then(|| SecretLocation::Env("KEY".to_string())),
        link: Some("https://reports.example.org/x/".parse().unwrap()),
    }
}

fn start() -> Timestamp {
    "2026-11-16T09:00:00Z".parse().unwrap()
}

fn http(channel: Channel, url: &str, roots: RootCerts) -> Result<Http, Error> {
    let environment = |name: &str| match name {
        "URL" => Some(url.to_string()),
        "KEY" => Some(format!("whsec_{}", BASE64_STANDARD.encode(KEY))),
        _ => None,
    };
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        total: Duration::from_millis(1500),
    };
    Http::with_roots(&target(channel), &environment, roots, timeouts)
}

fn local(channel: Channel, port: u16) -> Http {
    let url = format!("http://127.0.0.1:{port}/services/T0SECRET?sig=hunter2");
    http(channel, &url, RootCerts::PlatformVerifier).unwrap()
}

fn send(http: &mut Http) -> Outcome {
    let message = compose(&target(http_channel(http)), &failure("r1"), start()).unwrap();
    let envelope = Envelope {
        to: "team",
        id: &message.message_id,
        time: start(),
    };
    http.send(envelope, &message.bytes)
}

fn http_channel(http: &Http) -> Channel {
    if format!("{http:?}").contains("webhook") {
        Channel::Webhook
    } else {
        Channel::Slack
    }
}

#[test]
fn requests_are_signed_events() {
    let server = HttpServer::start(|_| (204, String::new()));
    let mut http = local(Channel::Webhook, server.port);
    let outcome = send(&mut http);
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let request = &server.requests()[0];
    assert_eq!(
        request.header("content-type"),
        "application/cloudevents+json; charset=utf-8"
    );
    let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(request.header("webhook-id"), event["id"]);
    let time = request.header("webhook-timestamp");
    assert_eq!(time, start().as_second().to_string());
    // Checks the signature like a receiver.
    let mut signed = format!("{}.{time}.", request.header("webhook-id")).into_bytes();
    signed.extend(&request.body);
    let signature = request.header("webhook-signature");
    let signature = BASE64_STANDARD
        .decode(signature.strip_prefix("v1,").unwrap())
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &KEY);
    hmac::verify(&key, &signed, &signature).unwrap();
    signed.push(b' ');
    assert!(hmac::verify(&key, &signed, &signature).is_err());

    let mut slack = local(Channel::Slack, server.port);
    send(&mut slack);
    let request = &server.requests()[1];
    assert_eq!(
        request.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(request.header("webhook-signature"), "");
}

#[test]
fn responses_are_classified() {
    let reply =
        |status, headers| Response::Reply(status, headers, "no hunter2 T0SECRET".to_string());
    for (response, expected, text) in [
        (reply(200, ""), "accepted", "200 OK: no"),
        (reply(202, ""), "accepted", "202 Accepted"),
        (reply(301, ""), "301", "301 Moved"),
        (reply(400, ""), "400", "400 Bad Request: no"),
        (reply(404, ""), "404", "404"),
        (reply(410, ""), "410", "410"),
        (reply(408, ""), "deferred", "408"),
        (
            reply(429, "Retry-After: 7200\r\n"),
            "deferred until 2026-11-16T11:00:00Z",
            "429",
        ),
        (reply(500, ""), "deferred", "500"),
        (
            reply(503, "Retry-After: Mon, 16 Nov 2026 10:00:00 GMT\r\n"),
            "deferred until 2026-11-16T10:00:00Z",
            "503",
        ),
        (Response::Close, "unknown", "the reply was lost"),
        (Response::Hang, "unknown", "the reply was lost: timeout"),
    ] {
        let action = response.clone();
        let server = HttpServer::start(move |_| action.clone());
        let mut http = local(Channel::Webhook, server.port);
        let outcome = send(&mut http);
        let (actual, words) = match &outcome {
            Outcome::Accepted { reply } => ("accepted".to_string(), reply),
            Outcome::Refused { code, reply } => (code.to_string(), reply),
            Outcome::Deferred { reason, until } => {
                let until = until.map_or(String::new(), |until| format!(" until {until}"));
                (format!("deferred{until}"), reason)
            }
            Outcome::Interrupted { reason } => ("interrupted".to_string(), reason),
            Outcome::Unknown { reason } => ("unknown".to_string(), reason),
        };
        assert_eq!(actual, expected, "{response:?}: {outcome:?}");
        assert!(words.starts_with(text), "{words}");
        assert!(
            !words.contains("hunter2") && !words.contains("T0SECRET"),
            "{words}"
        );
        assert_eq!(
            server.requests().len(),
            1,
            "redirects and errors are not followed"
        );
    }
    // No server listens on this port.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let outcome = send(&mut local(Channel::Slack, port));
    let Outcome::Deferred { reason, .. } = &outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        reason.starts_with("no connection") && !reason.contains("T0SECRET"),
        "{reason}"
    );
}

#[test]
fn only_hosts_with_a_valid_certificate_get_notifications() {
    let (pem, config) = authority("localhost");
    let roots = || {
        let certificates = parse_pem(pem.as_bytes()).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        RootCerts::from(certificates.collect::<Vec<Certificate<'static>>>())
    };
    let (_, untrusted) = authority("localhost");
    let (_, wrong_name) = authority("hooks.example.org");
    for (config, is_accepted) in [(config, true), (untrusted, false), (wrong_name, false)] {
        let server = HttpServer::start_with(Some(config), |_| (200, "ok".to_string()));
        let url = format!("https://localhost:{}/T0SECRET", server.port);
        let outcome = send(&mut http(Channel::Webhook, &url, roots()).unwrap());
        if is_accepted {
            assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        } else {
            let Outcome::Deferred { reason, .. } = &outcome else {
                panic!("{outcome:?}");
            };
            assert!(reason.contains("certificate"), "{reason}");
            assert!(server.requests().is_empty());
        }
    }
}

#[test]
fn addresses_need_tls_and_are_not_printed() {
    for address in [
        "http://hooks.example.org/T0SECRET",
        "ftp://127.0.0.1/T0SECRET",
        "T0SECRET",
    ] {
        let error = http(Channel::Slack, address, RootCerts::PlatformVerifier).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("https://") && !text.contains("T0SECRET"),
            "{text}"
        );
    }
    let url = "https://hooks.example.org/T0SECRET";
    let valid = http(Channel::Slack, url, RootCerts::PlatformVerifier).unwrap();
    assert!(!format!("{valid:?}").contains("T0SECRET"));
    let error = Http::new(&target(Channel::Slack), &|_| None).unwrap_err();
    let expected = "notification team: the environment variable URL is not set";
    assert_eq!(error.to_string(), expected);
}

/// Sends the due notification at a time, like a new process.
fn pass(folder: &std::path::Path, port: u16, now: Timestamp) -> crate::Delivery {
    let mut outbox = Outbox::open(folder).unwrap();
    let content = content_of(&report(), "complete");
    if outbox.find(&content, Channel::Webhook, "team").is_none() {
        outbox
            .enqueue_notification(&target(Channel::Webhook), &content, now)
            .unwrap();
    }
    let mut http = local(Channel::Webhook, port);
    outbox
        .send(&mut http, Selection::Due, &|| now, &|| false)
        .unwrap();
    outbox.deliveries().iter().next().unwrap().clone()
}

#[test]
fn retries_have_the_same_id_and_wait_as_requested() {
    let server = HttpServer::start(|n| match n {
        1 => Response::Reply(429, "Retry-After: 1800\r\n", String::new()),
        2 => Response::Close,
        3 => Response::Reply(503, "", "down".to_string()),
        _ => Response::Reply(200, "", "ok".to_string()),
    });
    let folder = tempfile::tempdir().unwrap();
    let minutes = |n| start() + SignedDuration::from_mins(n);
    let mut states = Vec::new();
    for minute in [0, 10, 29, 30, 40, 60, 61, 90, 200, 300] {
        let delivery = pass(folder.path(), server.port, minutes(minute));
        states.push((minute, delivery.state, delivery.attempts));
    }
    assert_eq!(
        states,
        [
            (0, DeliveryState::Waiting, 1),
            (10, DeliveryState::Waiting, 1),
            (29, DeliveryState::Waiting, 1),
            (30, DeliveryState::InDoubt, 2),
            (40, DeliveryState::Waiting, 3),
            (60, DeliveryState::Accepted, 4),
            (61, DeliveryState::Accepted, 4),
            (90, DeliveryState::Accepted, 4),
            (200, DeliveryState::Accepted, 4),
            (300, DeliveryState::Accepted, 4),
        ]
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    let first = &requests[0];
    for (request, minute) in requests.iter().zip([0, 30, 40, 60]) {
        assert_eq!(request.body, first.body);
        assert_eq!(request.header("webhook-id"), first.header("webhook-id"));
        assert_eq!(
            request.header("webhook-timestamp"),
            minutes(minute).as_second().to_string()
        );
    }
    let events = fs::read_to_string(events_path(folder.path())).unwrap();
    assert!(
        !events.contains("T0SECRET") && !events.contains("hunter2"),
        "{events}"
    );
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "the message file is removed");
}

#[test]
fn refused_notifications_are_not_retried() {
    let server = HttpServer::start(|_| (404, "no_service".to_string()));
    let folder = tempfile::tempdir().unwrap();
    for hour in [0, 1, 80] {
        let now = start() + SignedDuration::from_hours(hour);
        let delivery = pass(folder.path(), server.port, now);
        assert_eq!(delivery.state, DeliveryState::Refused);
        assert!(
            delivery.describe().ends_with("404 Not Found: no_service"),
            "{}",
            delivery.describe()
        );
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn notifications_without_a_transport_are_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(folder.path()).unwrap();
    let content = failure("r1");
    outbox
        .enqueue_notification(&target(Channel::Teams), &content, start())
        .unwrap();
    // The job file no longer names the receiver, so there is no transport for it.
    for (hours, expected) in [(71, DeliveryState::Waiting), (73, DeliveryState::GivenUp)] {
        let now = start() + SignedDuration::from_hours(hours);
        outbox.give_up_exhausted(now, &|_| true).unwrap();
        let state = outbox.deliveries().iter().next().unwrap().state;
        assert_eq!(state, expected);
    }
}
