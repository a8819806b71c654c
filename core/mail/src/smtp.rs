//! Sends mail through a server (RFC 5321) step by step, to distinguish failures before the message
//! was sent, refusals, and failures after it was sent.

use crate::{
    Error, Outcome, Transport,
    delivery::{Channel, QueuedMessage},
    settings::{Auth, Secret, Settings, Tls},
    text::one_line,
    token::TokenSource,
    transport::Envelope,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use lettre::transport::smtp::{
    Error as SmtpError,
    authentication::{Credentials, Mechanism},
    client::{Certificate, SmtpConnection, TlsParameters},
    commands::{Data, Mail, Rcpt, Rset},
    extension::ClientId,
    response::{Response, Severity},
};
use std::{
    fmt,
    net::{Ipv4Addr, ToSocketAddrs as _},
    time::Duration,
};

/// Timeouts of a server.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For connecting, and for the reply to a command.
    pub command: Duration,
    /// For the reply to a message. A shorter timeout causes duplicates (RFC 5321, 4.5.3.2.6).
    pub message: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(60),
            message: Duration::from_secs(600),
        }
    }
}

/// A mail server, with a connection that is reused between messages.
pub struct Smtp {
    from: String,
    host: String,
    port: u16,
    tls: Tls,
    parameters: Option<TlsParameters>,
    login: Login,
    greeting_name: ClientId,
    timeouts: Timeouts,
    connection: Option<SmtpConnection>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({}:{}, {:?})", self.host, self.port, self.tls)
    }
}

enum Login {
    None,
    Password {
        user: String,
        password: Secret,
    },
    Token {
        user: String,
        source: Box<TokenSource>,
    },
}

/// The reason why a message was not accepted.
enum Failure {
    /// No connection, or the login failed.
    NotConnected(String),
    /// The server's reply.
    Reply(u16, String),
    /// The connection was lost before the message was sent.
    LostBefore(String),
    /// The connection was lost after the message was sent.
    LostAfter(String),
}

/// The reason why a login failed.
struct LoginError {
    reason: String,
    /// True if another token may succeed.
    is_stale: bool,
}

impl Smtp {
    /// Prepares a connection to the server of the settings: reads secrets and certificates, but
    /// does not connect.
    pub fn new(
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let server = &settings.server;
        let login = match &settings.auth {
            Auth::None => Login::None,
            Auth::Password { user, password } => Login::Password {
                user: user.clone(),
                password: password.read(environment)?,
            },
            Auth::Xoauth2 {
                user,
                token_url,
                client_id,
                client_secret,
                scope,
            } => Login::Token {
                user: user.clone(),
                source: Box::new(TokenSource::new(
                    token_url.clone(),
                    client_id.clone(),
                    client_secret.read(environment)?,
                    scope.clone(),
                )),
            },
        };
        let parameters = match server.tls {
            Tls::LoopbackPlaintext => None,
            Tls::Required | Tls::Starttls => Some(tls_parameters(settings)?),
        };
        Ok(Self {
            from: settings.from.email.clone(),
            host: server.host.clone(),
            port: server.port(),
            tls: server.tls,
            parameters,
            login,
            greeting_name: greeting_name(server.hello.as_deref()),
            timeouts: Timeouts::default(),
            connection: None,
        })
    }

    /// Sets other timeouts.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Connects and logs in, but sends nothing.
    pub fn check(&mut self) -> Result<(), String> {
        if self.connection.is_none() {
            self.connection = Some(self.connect()?);
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<SmtpConnection, String> {
        loop {
            let mut connection = self.open_connection()?;
            match self.log_in(&mut connection) {
                Ok(()) => return Ok(connection),
                Err(error) => {
                    connection.abort();
                    if !error.is_stale {
                        return Err(error.reason);
                    }
                    if let Login::Token { source, .. } = &mut self.login {
                        source.forget();
                    }
                }
            }
        }
    }

    /// Opens a connection with the encryption of the settings.
    fn open_connection(&self) -> Result<SmtpConnection, String> {
        let server = format!("{}:{}", self.host, self.port);
        let failed = |error: SmtpError| format!("no connection to {server}: {}", describe(&error));
        let address = (self.host.as_str(), self.port);
        let timeout = Some(self.timeouts.command);
        let open = |tls| SmtpConnection::connect(address, timeout, &self.greeting_name, tls, None);
        match (self.tls, &self.parameters) {
            (Tls::Required, Some(tls)) => open(Some(tls)).map_err(failed),
            (Tls::Starttls, Some(tls)) => {
                let mut connection = open(None).map_err(failed)?;
                if !connection.can_starttls() {
                    connection.abort();
                    return Err(format!(
                        "{server} offers no STARTTLS, so nothing was sent to it"
                    ));
                }
                connection
                    .starttls(tls, &self.greeting_name)
                    .map_err(failed)?;
                Ok(connection)
            }
            _ => {
                // Resolved once, so that the connection uses the addresses checked here.
                let addresses = address.to_socket_addrs();
                let addresses =
                    addresses.map_err(|error| format!("no address of {server}: {error}"))?;
                let local: Vec<_> = addresses
                    .filter(|address| address.ip().is_loopback())
                    .collect();
                if local.is_empty() {
                    return Err(format!(
                        "{server} is not on this machine; mail is sent in plain text to this machine only"
                    ));
                }
                SmtpConnection::connect(&local[..], timeout, &self.greeting_name, None, None)
                    .map_err(failed)
            }
        }
    }

    fn log_in(&mut self, connection: &mut SmtpConnection) -> Result<(), LoginError> {
        let error = |reason: String| LoginError {
            reason,
            is_stale: false,
        };
        let server = format!("{}:{}", self.host, self.port);
        let (mechanisms, user, secret, is_reused): (&[Mechanism], _, _, _) = match &mut self.login {
            Login::None => return Ok(()),
            Login::Password { user, password } => (
                &[Mechanism::Plain, Mechanism::Login],
                user.clone(),
                password.clone(),
                false,
            ),
            Login::Token { user, source } => {
                let token = source.token().map_err(error)?;
                let mechanism: &[Mechanism] = &[Mechanism::Xoauth2];
                (mechanism, user.clone(), token.secret, token.is_reused)
            }
        };
        let info = connection.server_info();
        if info.get_auth_mechanism(mechanisms).is_none() {
            let names: Vec<String> = mechanisms.iter().map(ToString::to_string).collect();
            let names = names.join(" or ");
            return Err(error(format!("{server} offers no login by {names}")));
        }
        let credentials = Credentials::new(user.clone(), secret.reveal().to_string());
        match connection.auth(mechanisms, &credentials) {
            Ok(reply) if is_positive(&reply) => Ok(()),
            Ok(reply) => Err(error(format!(
                "{server} refused the login of {user}: {}",
                reply.code()
            ))),
            Err(failure) => Err(LoginError {
                reason: format!(
                    "{server} refused the login of {user}: {}",
                    redact(&describe(&failure), &user, &secret)
                ),
                is_stale: is_reused,
            }),
        }
    }

    fn attempt(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Result<String, Failure> {
        let address = |text: &str| {
            let address = text.parse::<lettre::Address>();
            address.map_err(|error| Failure::Reply(501, format!("{text}: {error}")))
        };
        let (from, to) = (address(&self.from)?, address(envelope.to)?);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().map_err(Failure::NotConnected)?,
        };
        let result = transfer(&mut connection, from, to, message, self.timeouts);
        let is_usable = match &result {
            Ok(_) => true,
            Err(Failure::Reply(421, _)) => false,
            Err(Failure::Reply(..)) => connection.command(Rset).is_ok(),
            Err(_) => false,
        };
        if is_usable {
            self.connection = Some(connection);
        }
        result
    }
}

/// Sends a message over a connection; returns the accepting reply.
fn transfer(
    connection: &mut SmtpConnection,
    from: lettre::Address,
    to: lettre::Address,
    message: &[u8],
    timeouts: Timeouts,
) -> Result<String, Failure> {
    let lost_before = |error: SmtpError| failure(&error, Failure::LostBefore);
    let unexpected =
        |reply: &Response| Failure::LostBefore(format!("unexpected reply {}", reply.code()));
    for command in [
        Mail::new(Some(from), Vec::new()).to_string(),
        Rcpt::new(to, Vec::new()).to_string(),
    ] {
        let reply = connection.command(command).map_err(lost_before)?;
        if !is_positive(&reply) {
            return Err(unexpected(&reply));
        }
    }
    let reply = connection.command(Data).map_err(lost_before)?;
    if !reply.has_code(354) {
        return Err(unexpected(&reply));
    }
    let set_timeout = |connection: &mut SmtpConnection, timeout| {
        let result = connection.set_timeout(Some(timeout));
        result.map_err(|error| Failure::LostBefore(error.to_string()))
    };
    set_timeout(connection, timeouts.message)?;
    let reply = connection.command(encode_data(message));
    let reply = reply.map_err(|error| failure(&error, Failure::LostAfter))?;
    if !is_positive(&reply) {
        return Err(Failure::LostAfter(format!(
            "unexpected reply {}",
            reply.code()
        )));
    }
    // The message is accepted, even if the connection fails now.
    let _ = set_timeout(connection, timeouts.command);
    let text: Vec<&str> = reply.message().collect();
    Ok(format!("{} {}", reply.code(), text.join(" ")))
}

/// Encodes a message for transmission: dots at the start of a line are doubled, and a line with a
/// single dot ends the message (RFC 5321, 4.5.2). The final dot is not written separately, because
/// it would wait for the acknowledgement of the bytes before it.
fn encode_data(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let dot = if text.starts_with('.') { "." } else { "" };
    let end = if text.ends_with("\r\n") { "" } else { "\r\n" };
    format!("{dot}{}{end}.\r\n", text.replace("\r\n.", "\r\n.."))
}

impl Transport for Smtp {
    fn carries(&self, queued: &QueuedMessage) -> bool {
        queued.channel == Channel::Mail
    }

    fn send(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Outcome {
        let was_open = self.connection.is_some();
        let mut result = self.attempt(envelope, message);
        // Servers close idle connections; the message itself did not fail.
        if was_open && matches!(result, Err(Failure::LostBefore(_) | Failure::Reply(421, _))) {
            self.connection = None;
            result = self.attempt(envelope, message);
        }
        match result {
            Ok(reply) => Outcome::Accepted { reply },
            Err(Failure::Reply(code, reply)) => Outcome::Refused { code, reply },
            Err(Failure::NotConnected(reason)) => Outcome::Deferred {
                reason,
                until: None,
            },
            Err(Failure::LostBefore(reason)) => Outcome::Interrupted {
                reason: format!("the connection was lost before the message was sent: {reason}"),
            },
            Err(Failure::LostAfter(reason)) => Outcome::Unknown {
                reason: format!("the reply to the message was lost: {reason}"),
            },
        }
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            let _ = connection.set_timeout(Some(Duration::from_secs(1)));
            connection.abort();
        }
    }
}

fn tls_parameters(settings: &Settings) -> Result<TlsParameters, Error> {
    let server = &settings.server;
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.ca_file {
        let pem = std::fs::read(path).map_err(|source| Error::File {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| {
            Error::Settings(format!("server.ca_file: {}: {error}", path.display()))
        })?;
        builder = builder.add_root_certificate(certificate);
    }
    builder
        .build_rustls()
        .map_err(|error| Error::Settings(format!("TLS cannot be used: {error}")))
}

/// The name of this machine in the SMTP greeting: from the settings, or else its host name or an
/// address (RFC 5321, 4.1.4).
fn greeting_name(name: Option<&str>) -> ClientId {
    let host_name = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name
        .map(str::to_string)
        .or_else(host_name)
        .unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    match name.trim() {
        name if !name.is_empty() && name.chars().all(is_plain) => {
            ClientId::Domain(name.to_string())
        }
        _ => ClientId::Ipv4(Ipv4Addr::LOCALHOST),
    }
}

/// Converts an error: the server's reply, or else a lost connection.
fn failure(error: &SmtpError, lost: fn(String) -> Failure) -> Failure {
    match error.status() {
        Some(code) => Failure::Reply(u16::from(code), describe(error)),
        None => lost(describe(error)),
    }
}

fn is_positive(reply: &Response) -> bool {
    reply.code().severity == Severity::PositiveCompletion
}

fn describe(error: &SmtpError) -> String {
    one_line(&error.to_string(), 400)
}

/// Removes a secret from a reply, because a server may repeat the login command.
fn redact(text: &str, user: &str, secret: &Secret) -> String {
    let secret = secret.reveal();
    let mut out = text.replace(secret, "…");
    for credential in [
        secret.to_string(),
        format!("\0{user}\0{secret}"),
        format!("user={user}\x01auth=Bearer {secret}\x01\x01"),
    ] {
        out = out.replace(&BASE64_STANDARD.encode(credential), "…");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::encode_data;

    #[test]
    fn dots_in_messages_are_escaped() {
        for (message, expected) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n.\r\n..b\r\n", "..\r\n..\r\n...b\r\n.\r\n"),
        ] {
            assert_eq!(encode_data(message.as_bytes()), expected);
        }
    }
}
