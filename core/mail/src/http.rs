//! Sends notifications over HTTP: one request per attempt, with TLS to every host except this
//! machine.
//!
//! A webhook's requests are signed by the scheme of Standard Webhooks. The address of a
//! notification is a secret, so no message or reply that is stored contains it.

use crate::{
    Error, Outcome, Secret, Target, Transport,
    delivery::{Channel, QueuedMessage},
    settings::is_loopback,
    text::one_line,
    transport::Envelope,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use std::{
    fmt,
    io::{ErrorKind, Read as _},
    time::Duration,
};
use ureq::{
    Agent, Body, Timeout,
    http::{HeaderMap, Response, StatusCode},
    tls::{RootCerts, TlsConfig},
};
use url::Url;

/// Maximum size of the part of a response that is read, in bytes.
const RESPONSE_MAX: u64 = 2000;
/// Maximum length of a reply, in characters.
const REPLY_MAX: usize = 200;
/// Prefix of signing keys.
const KEY_PREFIX: &str = "whsec_";
/// Minimum length of a key, in bytes.
const KEY_MIN: usize = 24;
/// Minimum length of the parts of an address that are removed from replies.
const SECRET_PART_MIN: usize = 6;

/// Timeouts of a request.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For connecting.
    pub connect: Duration,
    /// For the whole request.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(30),
        }
    }
}

/// The receiver of one notification.
pub struct Http {
    name: String,
    channel: Channel,
    url: Secret,
    /// Signing keys; several while receivers rotate them.
    keys: Vec<hmac::Key>,
    agent: Agent,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({}, {})", self.name, self.channel.word())
    }
}

impl Http {
    /// Reads the secrets of a target; does not connect.
    pub fn new(
        target: &Target,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let roots = RootCerts::PlatformVerifier;
        Self::with_roots(target, environment, roots, Timeouts::default())
    }

    /// Reads the secrets of a target, whose server is verified with these root certificates.
    pub(crate) fn with_roots(
        target: &Target,
        environment: &dyn Fn(&str) -> Option<String>,
        roots: RootCerts,
        timeouts: Timeouts,
    ) -> Result<Self, Error> {
        let invalid = |reason: String| Error::Notification {
            name: target.name.clone(),
            reason,
        };
        let read = |location: &crate::settings::SecretLocation| {
            location.read(environment).map_err(|error| match error {
                Error::Settings(reason) => invalid(reason),
                other => other,
            })
        };
        let text = read(&target.url)?;
        let url = text.reveal().parse::<Url>().ok();
        let is_local = |url: &Url| url.host_str().is_some_and(is_loopback);
        let url = url.filter(|url| match url.scheme() {
            "https" => url.has_host(),
            "http" => is_local(url),
            _ => false,
        });
        // The message omits the text, which is a secret.
        let url = url.ok_or_else(|| {
            invalid(
                "url: the variable must hold an address that begins with https://; http:// is \
                 allowed only for this machine"
                    .to_string(),
            )
        })?;
        let keys = match &target.secret {
            Some(location) => parse_keys(&read(location)?).map_err(invalid)?,
            None => Vec::new(),
        };
        let tls = TlsConfig::builder().root_certs(roots).build();
        let mut config = Agent::config_builder()
            .timeout_connect(Some(timeouts.connect))
            .timeout_global(Some(timeouts.total))
            .http_status_as_error(false)
            // No redirects: the content is sent only to the configured address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("retrocast/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        if is_local(&url) {
            config = config.proxy(None);
        }
        Ok(Self {
            name: target.name.clone(),
            channel: target.channel,
            url: Secret::new(url),
            keys,
            agent: config.build().into(),
        })
    }

    fn request(
        &self,
        envelope: Envelope<'_>,
        message: &[u8],
    ) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.post(self.url.reveal());
        if self.channel == Channel::Webhook {
            let time = envelope.time.as_second().to_string();
            request = request
                .header(
                    "content-type",
                    "application/cloudevents+json; charset=utf-8",
                )
                .header("webhook-id", envelope.id)
                .header("webhook-timestamp", &time)
                .header(
                    "webhook-signature",
                    signatures(&self.keys, envelope.id, &time, message),
                );
        } else {
            request = request.header("content-type", "application/json; charset=utf-8");
        }
        request.send(message)
    }

    /// Removes the address and its parts from a text, because a receiver may repeat them.
    fn redact(&self, text: &str) -> String {
        let mut out = text.replace(self.url.reveal(), "…");
        let parts = self.url.reveal().split(['/', '?', '&', '=', '#', '@', ':']);
        for part in parts.filter(|part| part.len() >= SECRET_PART_MIN) {
            out = out.replace(part, "…");
        }
        one_line(&out, REPLY_MAX)
    }
}

impl Transport for Http {
    fn carries(&self, queued: &QueuedMessage) -> bool {
        queued.channel == self.channel && queued.recipient == self.name
    }

    fn send(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Outcome {
        let mut response = match self.request(envelope, message) {
            Ok(response) => response,
            Err(error) => {
                let reason = self.redact(&error.to_string());
                return if is_before_sending(&error) {
                    Outcome::Deferred {
                        reason: format!("no connection: {reason}"),
                        until: None,
                    }
                } else {
                    Outcome::Unknown {
                        reason: format!("the reply was lost: {reason}"),
                    }
                };
            }
        };
        let status = response.status();
        let until = retry_after(response.headers(), envelope.time);
        let mut body = Vec::new();
        // Only the status determines the outcome; the body explains it.
        let _ = response
            .body_mut()
            .as_reader()
            .take(RESPONSE_MAX)
            .read_to_end(&mut body);
        let body = self.redact(&String::from_utf8_lossy(&body));
        let reply = match body.as_str() {
            "" => status.to_string(),
            body => format!("{status}: {body}"),
        };
        match status {
            status if status.is_success() => Outcome::Accepted { reply },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Deferred {
                reason: reply,
                until,
            },
            status if status.is_server_error() => Outcome::Deferred {
                reason: reply,
                until,
            },
            status => Outcome::Refused {
                code: status.as_u16(),
                reply,
            },
        }
    }
}

/// Parses signing keys, separated by spaces: "whsec_" and base64, as Standard Webhooks specifies.
/// Errors do not contain them.
fn parse_keys(secret: &Secret) -> Result<Vec<hmac::Key>, String> {
    let parse = |text: &str| {
        let bytes = BASE64_STANDARD
            .decode(text.strip_prefix(KEY_PREFIX)?)
            .ok()?;
        (bytes.len() >= KEY_MIN).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    };
    let keys = secret.reveal().split_whitespace().map(parse);
    keys.collect::<Option<Vec<_>>>().ok_or_else(|| {
        format!(
            "secret: the variable must hold {KEY_PREFIX} and at least {KEY_MIN} bytes in base64, as \
             printed by: echo {KEY_PREFIX}$(openssl rand -base64 32)"
        )
    })
}

/// The signatures of a message by each key: "v1," and HMAC-SHA256 of "id.time.message" in base64.
fn signatures(keys: &[hmac::Key], id: &str, time: &str, message: &[u8]) -> String {
    let sign = |key: &hmac::Key| {
        let mut context = hmac::Context::with_key(key);
        context.update(format!("{id}.{time}.").as_bytes());
        context.update(message);
        format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
    };
    keys.iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// The time of a Retry-After header (RFC 9110, 10.2.3): seconds from now, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => now
            .checked_add(SignedDuration::from_secs(seconds.into()))
            .ok(),
        Err(_) => jiff::fmt::rfc2822::parse(text)
            .ok()
            .map(|time| time.timestamp()),
    }
}

/// Returns true if an error occurred before any part of the message was sent.
fn is_before_sending(error: &ureq::Error) -> bool {
    use ureq::Error as E;
    match error {
        E::Io(error) => matches!(
            error.kind(),
            // Invalid data: the certificate was not accepted.
            ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::AddrNotAvailable
                | ErrorKind::InvalidData
        ),
        E::Timeout(timeout) => matches!(timeout, Timeout::Resolve | Timeout::Connect),
        E::HostNotFound
        | E::ConnectionFailed
        | E::ConnectProxyFailed(_)
        | E::InvalidProxyUrl
        | E::BadUri(_)
        | E::Tls(_)
        | E::Rustls(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn signatures_follow_standard_webhooks() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let keys = parse_keys(&secret).unwrap();
        let signature = signatures(
            &keys,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            b"{\"test\": 2432232314}",
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn keys_are_checked_and_not_printed() {
        let two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        assert_eq!(parse_keys(&Secret::new(two)).unwrap().len(), 2);
        for wrong in ["hunter2hunter2", "whsec_MfKQ", "whsec_not base64!"] {
            let error = parse_keys(&Secret::new(wrong)).unwrap_err();
            assert!(error.contains("openssl rand") && !error.contains("hunter2"));
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-16T09:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("120", Some("2026-11-16T09:02:00Z")),
            (
                "Mon, 16 Nov 2026 09:30:00 GMT",
                Some("2026-11-16T09:30:00Z"),
            ),
            ("soon", None),
            ("-5", None),
        ] {
            let headers =
                HeaderMap::from_iter([(ureq::http::header::RETRY_AFTER, text.parse().unwrap())]);
            let expected = expected.map(|time| time.parse::<Timestamp>().unwrap());
            assert_eq!(retry_after(&headers, now), expected, "{text}");
        }
    }
}
