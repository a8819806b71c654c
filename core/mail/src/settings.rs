//! The mail settings of a workspace, in the file `mail.toml`.
//!
//! Settings contain no secrets: a password is named by its environment variable or file, and read
//! when needed into a [`Secret`], which no message or debug output shows.

use crate::{Error, address::Address};
use serde::Deserialize;
use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};
use url::Url;

/// Maximum size of a file with a secret, in bytes.
const SECRET_MAX: u64 = 64 << 10;

/// Sender and server of mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the sender: `"reports@example.org"` or `"Reports <reports@example.org>"`.
    pub from: Address,
    /// The server for outgoing mail.
    pub server: Server,
    /// Login; by default none, which is allowed only for a server on this machine.
    #[serde(default)]
    pub auth: Auth,
    /// Maximum size of an attached PDF, in MiB; a larger one is linked.
    #[serde(default = "attach_max")]
    pub attach_max_mib: u64,
    /// Base address of the archive for links, such as `https://reports.example.org/`.
    #[serde(default)]
    pub link: Option<Url>,
    /// Domain of List-IDs (RFC 2919); by default the sender's.
    #[serde(default)]
    pub list_id: Option<String>,
}

fn attach_max() -> u64 {
    10
}

/// A mail server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Host name, which its certificate must have.
    pub host: String,
    /// Port; by default 465, 587 or 25, depending on `tls`.
    #[serde(default)]
    pub port: Option<u16>,
    /// Encryption of the connection.
    #[serde(default)]
    pub tls: Tls,
    /// PEM file of a certificate authority to trust in addition to those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Name of this machine in the SMTP greeting; by default its host name.
    #[serde(default)]
    pub hello: Option<String>,
}

impl Server {
    /// The configured or default port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Required => 465,
            Tls::Starttls => 587,
            Tls::LoopbackPlaintext => 25,
        })
    }
}

/// Encryption of a connection. There is no opportunistic mode, because an attacker could disable
/// it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// TLS from the first byte.
    #[default]
    Required,
    /// TLS after the STARTTLS command; nothing is sent to a server without it.
    Starttls,
    /// None; only for this machine.
    LoopbackPlaintext,
}

/// Login.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Auth {
    /// No login: the server accepts mail from this machine.
    #[default]
    None,
    /// With a password (AUTH PLAIN or LOGIN).
    Password {
        /// Name of the account.
        user: String,
        /// Location of the password.
        password: SecretLocation,
    },
    /// With an access token, fetched with client credentials (AUTH XOAUTH2; RFC 6749, 4.4).
    Xoauth2 {
        /// Name of the mailbox.
        user: String,
        /// Address at which tokens are issued; https.
        token_url: Url,
        /// Identity of the application.
        client_id: String,
        /// Location of the client secret.
        client_secret: SecretLocation,
        /// Requested scope of the token.
        #[serde(default)]
        scope: Option<String>,
    },
}

/// Location of a secret: `{ env = "NAME" }` or `{ file = "PATH" }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum SecretLocation {
    /// An environment variable.
    Env(String),
    /// A file; its first line is the secret.
    File(PathBuf),
}

impl TryFrom<toml::Value> for SecretLocation {
    type Error = &'static str;

    /// The error does not contain the value, which may be the secret itself.
    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        let entry = value.as_table().filter(|table| table.len() == 1);
        let entry = entry.and_then(|table| table.iter().next());
        match entry.map(|(key, value)| (key.as_str(), value.as_str())) {
            Some(("env", Some(name))) => Ok(Self::Env(name.to_string())),
            Some(("file", Some(path))) => Ok(Self::File(path.into())),
            _ => {
                Err("expected the location of a secret: { env = \"NAME\" } or { file = \"PATH\" }")
            }
        }
    }
}

impl SecretLocation {
    /// Reads the secret, from `environment` or its file.
    pub fn read(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Secret, Error> {
        let (text, location) = match self {
            Self::Env(name) => {
                let text = environment(name).ok_or_else(|| {
                    Error::Settings(format!("the environment variable {name} is not set"))
                })?;
                (text, format!("the environment variable {name}"))
            }
            Self::File(path) => (read_secret_file(path)?, path.display().to_string()),
        };
        match text.lines().next().map(str::trim) {
            None | Some("") => Err(Error::Settings(format!("{location} is empty"))),
            Some(secret) => Ok(Secret(secret.to_string())),
        }
    }
}

fn read_secret_file(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::File {
        action: "read",
        path: path.to_path_buf(),
        source,
    };
    if std::fs::metadata(path).map_err(failed)?.len() > SECRET_MAX {
        let path = path.display();
        return Err(Error::Settings(format!("{path} is too large for a secret")));
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// A password or token; not printable.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for immediate use.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Settings {
    /// Parses and checks the text of `mail.toml`. Errors name the key and the fix.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let settings: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|text| text.matches('\n').count() + 1);
            let line = line.map_or_else(String::new, |line| format!("line {line}: "));
            Error::Settings(format!("{line}{}", error.message().trim()))
        })?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Error> {
        let invalid = |text: String| Err(Error::Settings(text));
        let server = &self.server;
        if !is_host(&server.host) {
            return invalid(format!(
                "server.host: {:?} is not a host name; write one such as \"smtp.example.org\"",
                server.host
            ));
        }
        if let Some(name) = server.hello.as_ref().filter(|name| !is_host(name)) {
            return invalid(format!("server.hello: {name:?} is not a host name"));
        }
        if server.tls == Tls::LoopbackPlaintext && !is_loopback(&server.host) {
            return invalid(format!(
                "server.tls: \"loopback-plaintext\" is only for this machine, and {} is not; \
                 use \"required\" or \"starttls\"",
                server.host
            ));
        }
        match &self.auth {
            Auth::None if !is_loopback(&server.host) => {
                return invalid(format!(
                    "auth is missing: {} is not this machine; set auth.kind to \"password\" or \
                     \"xoauth2\"",
                    server.host
                ));
            }
            Auth::None => {}
            Auth::Password { user, .. } | Auth::Xoauth2 { user, .. } if !is_printable(user) => {
                return invalid("auth.user must be printable and not empty".to_string());
            }
            Auth::Password { .. } => {}
            Auth::Xoauth2 { token_url, .. } => check_token_url(token_url)?,
        }
        if let Some(link) = &self.link {
            if !matches!(link.scheme(), "https" | "http") || link.cannot_be_a_base() {
                return invalid(format!(
                    "link: {link} is not a web address; write one such as \
                     \"https://reports.example.org/\""
                ));
            }
            if link.password().is_some() || !link.username().is_empty() {
                return invalid("link must not contain a user or password".to_string());
            }
        }
        if let Some(list) = self.list_id.as_ref().filter(|list| !is_host(list)) {
            return invalid(format!(
                "list_id: {list:?} is not a domain; write one such as \"reports.example.org\""
            ));
        }
        Ok(())
    }

    /// Resolves relative paths of files against this folder.
    #[must_use]
    pub fn with_base_folder(mut self, folder: &Path) -> Self {
        let secret = match &mut self.auth {
            Auth::None => None,
            Auth::Password { password, .. } => Some(password),
            Auth::Xoauth2 { client_secret, .. } => Some(client_secret),
        };
        let secret = secret.and_then(|location| match location {
            SecretLocation::File(path) => Some(path),
            SecretLocation::Env(_) => None,
        });
        for path in secret.into_iter().chain(&mut self.server.ca_file) {
            *path = folder.join(&*path);
        }
        self
    }

    /// Maximum size of an attached PDF, in bytes.
    pub fn attach_max_bytes(&self) -> u64 {
        self.attach_max_mib.saturating_mul(1 << 20)
    }

    /// Address of a page of the archive, from the parts of its path.
    pub fn link_to(&self, parts: &[&str]) -> Option<String> {
        link_to(self.link.as_ref()?, parts)
    }
}

/// Address of a page of the archive at this base address, from the parts of its path.
pub fn link_to(base: &Url, parts: &[&str]) -> Option<String> {
    let mut url = base.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(parts);
    Some(url.to_string())
}

/// Rejects addresses to which a client secret would be sent in plain text.
fn check_token_url(url: &Url) -> Result<(), Error> {
    let is_local = url.host_str().is_some_and(is_loopback);
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_local => Ok(()),
        _ => Err(Error::Settings(format!(
            "auth.token_url: the secret would be sent unprotected to {}; use https",
            url.host_str().unwrap_or("this address")
        ))),
    }
}

/// Returns true if a host is this machine, by address or reserved name (RFC 6761, 6.3).
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_host(text: &str) -> bool {
    let is_label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    text.parse::<IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(is_label))
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}
