//! Parses a URI: repository, branch, start time, and kind of records.

use crate::HistoryError;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use retrocast_domain::suggest::did_you_mean;
use std::{ffi::OsString, fmt, os::unix::ffi::OsStringExt, path::PathBuf};

/// The kind of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// One record for each commit.
    Commits,
    /// One record for each file that a commit changes.
    FileChanges,
}

impl RecordKind {
    /// Its name in a URI.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::FileChanges => "file_changes",
        }
    }
}

/// Location of a repository.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A local folder.
    Folder(PathBuf),
    /// A repository on a server.
    Server {
        /// Address without user and password.
        url: String,
        /// User and password, for servers that require them.
        account: Option<Account>,
    },
}

/// User and password. It has neither `Debug` nor `Display`, so that it cannot be printed by
/// accident.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub user: String,
    pub password: String,
}

/// A parsed URI: a repository, and the selection of its records.
#[derive(Clone, PartialEq, Eq)]
pub struct RepositoryUri {
    location: Location,
    kind: RecordKind,
    branch: Option<String>,
    since: Option<Timestamp>,
}

const KEYS: [&str; 2] = ["branch", "since"];
const SCHEMES: [&str; 3] = ["git+file", "git+https", "git+http"];

impl RepositoryUri {
    /// Parses `git+file:///folder`, `git+https://host/path` and `git+http://host/path`, followed by
    /// `?branch=…&since=…` and `#commits` or `#file_changes`.
    pub fn parse(uri: &str) -> Result<Self, HistoryError> {
        let uri = uri.trim();
        UriParts::parse(uri)
            .and_then(UriParts::resolve)
            .map_err(|reason| HistoryError::Uri {
                uri: redact_account(uri),
                reason,
            })
    }

    /// Returns true if a URI has a git scheme, valid or not.
    pub fn has_git_scheme(uri: &str) -> bool {
        uri.trim_start().starts_with("git+")
    }

    /// The kind of records.
    pub fn kind(&self) -> RecordKind {
        self.kind
    }

    /// The branch; `None` for the current branch.
    pub fn branch(&self) -> Option<&str> {
        self.branch.as_deref()
    }

    /// Start time: only commits made at or after it have records.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }
}

/// The repository, without user and password.
impl fmt::Display for RepositoryUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Folder(path) => write!(f, "{}", path.display()),
            Location::Server { url, .. } => f.write_str(url),
        }
    }
}

impl fmt::Debug for RepositoryUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryUri")
            .field("repository", &self.to_string())
            .field("kind", &self.kind)
            .field("branch", &self.branch)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// The components of a URI.
struct UriParts<'a> {
    scheme: &'a str,
    /// The part between the scheme and the query.
    rest: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> UriParts<'a> {
    fn parse(uri: &'a str) -> Result<Self, String> {
        let (scheme, rest) = uri
            .split_once("://")
            .ok_or("has no scheme; begin it with git+file://, git+https:// or git+http://")?;
        if !SCHEMES.contains(&scheme) {
            return Err(format!(
                "begins with {scheme}://, which is not supported{}; use git+file://, git+https:// or \
                 git+http://, or clone the repository and name the clone",
                did_you_mean(scheme, SCHEMES)
            ));
        }
        let (rest, fragment) = split_at_first(rest, '#');
        let (rest, query) = split_at_first(rest, '?');
        let parts = Self {
            scheme,
            rest,
            query,
            fragment,
        };
        Ok(parts)
    }

    fn resolve(self) -> Result<RepositoryUri, String> {
        // The repository is parsed first: a `/` or `?` in a password does not start a query.
        let location = if self.scheme == "git+file" {
            parse_folder(self.rest)?
        } else {
            self.parse_server()?
        };
        let kind = match self.fragment {
            None | Some("commits") => RecordKind::Commits,
            Some("file_changes") => RecordKind::FileChanges,
            Some(other) => {
                return Err(format!(
                    "requests {other:?}, which is not supported{}; use #commits or #file_changes",
                    did_you_mean(other, ["commits", "file_changes"])
                ));
            }
        };
        let (branch, since) = parse_query(self.query)?;
        Ok(RepositoryUri {
            location,
            kind,
            branch,
            since,
        })
    }

    fn parse_server(&self) -> Result<Location, String> {
        let (authority, path) = self.rest.split_once('/').unwrap_or((self.rest, ""));
        let after_host = [Some(path), self.query, self.fragment];
        if after_host.iter().flatten().any(|part| part.contains('@')) {
            return Err(
                "has an @ after the host; write it as %40 there, and in a user or password write / as %2F, \
                 ? as %3F, # as %23 and @ as %40"
                    .to_string(),
            );
        }
        let (account, host) = match authority.rsplit_once('@') {
            Some((account, host)) => (Some(account), host),
            None => (None, authority),
        };
        if !is_host(host) {
            return Err("has no valid host; write git+https://host/path".to_string());
        }
        if path.trim_matches('/').is_empty() {
            return Err("names no repository on the host; write git+https://host/path".to_string());
        }
        if path.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("has spaces in its path; write them as %20".to_string());
        }
        let account = account.map(parse_account).transpose()?;
        if account.is_some() && self.scheme == "git+http" {
            return Err("would send the password unprotected; use git+https:// for it".to_string());
        }
        let scheme = self.scheme.trim_start_matches("git+");
        Ok(Location::Server {
            url: format!("{scheme}://{host}/{path}"),
            account,
        })
    }
}

fn parse_folder(path: &str) -> Result<Location, String> {
    if !path.starts_with('/') {
        return Err("needs three slashes: git+file:///folder".to_string());
    }
    let path = percent_decode(path)?;
    if path.contains(&0) {
        return Err("contains a NUL character; remove it".to_string());
    }
    Ok(Location::Folder(OsString::from_vec(path).into()))
}

fn parse_account(text: &str) -> Result<Account, String> {
    let decode = |part: &str| {
        String::from_utf8(percent_decode(part)?)
            .map_err(|_| "has a user or password that is not UTF-8".to_string())
    };
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let (user, password) = (decode(user)?, decode(password)?);
    if user.contains(char::is_control) || password.contains(char::is_control) {
        return Err("has a control character in its user or password; remove it".to_string());
    }
    Ok(Account { user, password })
}

/// Returns true for a host name or an address in brackets, with an optional port.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
    let is_named = match name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        Some(inner) => !inner.is_empty() && inner.chars().all(is_address),
        None => !name.is_empty() && name.chars().all(is_name),
    };
    is_named && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn parse_query(query: Option<&str>) -> Result<(Option<String>, Option<Timestamp>), String> {
    let (mut branch, mut since) = (None, None);
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("has {pair:?} after the `?`; write key=value"))?;
        let value = String::from_utf8(percent_decode(value)?)
            .map_err(|_| format!("has a `{key}` that is not UTF-8"))?;
        let is_duplicate = match key {
            "branch" => branch.replace(parse_branch(&value)?).is_some(),
            "since" => since.replace(parse_since(&value)?).is_some(),
            _ => {
                return Err(format!(
                    "has the unknown key `{key}`{}; known keys are `branch` and `since`",
                    did_you_mean(key, KEYS)
                ));
            }
        };
        if is_duplicate {
            return Err(format!("has `{key}` twice; keep one"));
        }
    }
    Ok((branch, since))
}

fn parse_branch(value: &str) -> Result<String, String> {
    let short = value.strip_prefix("refs/heads/").unwrap_or(value);
    if !is_valid_ref(short) {
        return Err(format!(
            "has the invalid branch name {value:?}; name a branch, or leave `branch` out"
        ));
    }
    Ok(short.to_string())
}

/// Returns true if git accepts the name, by the rules of `git check-ref-format`.
fn is_valid_ref(name: &str) -> bool {
    let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    let is_valid_part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    name.split('/').all(is_valid_part)
        && !name.contains(forbidden)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
}

fn parse_since(value: &str) -> Result<Timestamp, String> {
    let day = || {
        let date: Date = value.parse().ok()?;
        let is_plain_day = value.len() == 10;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp()).filter(|_| is_plain_day)
    };
    value.parse().ok().or_else(day).ok_or_else(|| {
        format!(
            "has the `since` {value:?}, which is not a time; write a day such as 2025-01-31, or a time such \
             as 2025-01-31T08:00:00Z"
        )
    })
}

/// Splits text at the first separator; the second part is `None` without a separator.
fn split_at_first(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Decodes `%HH` to bytes.
fn percent_decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits
            .filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or("has a % without two hexadecimal digits after it; write a plain % as %25")?;
        bytes.push(byte);
        rest = &rest[2..];
    }
    Ok(bytes)
}

/// Removes a possible user and password from a URI, which may be invalid.
fn redact_account(uri: &str) -> String {
    let is_folder = uri.starts_with("git+file://") || uri.starts_with("file://");
    match (uri.split_once("://"), uri.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, after))) if !is_folder => format!("{scheme}://…@{after}"),
        (None, Some((_, after))) => format!("…@{after}"),
        _ => uri.to_string(),
    }
}
