//! A plain-text mail (RFC 5322), in ASCII for any contents.
//!
//! Lines end with only a line feed, as `sendmail` programs expect.

use crate::words::clean;
use jiff::{Timestamp, tz::TimeZone};
use retrocast_domain::is_mail_address;
use std::fmt::Write as _;

/// Environment variable with the address of the sender.
const SENDER: &str = "RETROCAST_MAIL_FROM";
/// Maximum length of a line, in characters (RFC 5322, 2.1.1; RFC 2045, 6.7).
const WIDTH_MAX: usize = 76;
/// Maximum number of recipients.
const RECIPIENTS_MAX: usize = 50;

/// The parts of a mail.
pub(super) struct Message<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub subject: &'a str,
    pub date: Timestamp,
    /// The message id: ASCII letters and digits.
    pub identity: &'a str,
    pub body: &'a str,
}

impl Message<'_> {
    /// Formats the message; the error names an invalid address.
    pub(super) fn text(&self) -> Result<String, String> {
        let from = parse_addresses(self.from).map_err(|problem| format!("{SENDER}: {problem}"))?;
        let to = parse_addresses(self.to)?;
        let date = self.date.to_zoned(TimeZone::UTC);
        let mut text = String::new();
        let mut header = |name: &str, value: &str| {
            let _ = writeln!(text, "{name}: {value}");
        };
        header("From", &from.join(",\n "));
        header("To", &to.join(",\n "));
        header("Subject", &header_text(self.subject, "Subject: ".len()));
        header(
            "Date",
            &date.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        );
        header("Message-ID", &self.message_id());
        // Prevents automatic replies (RFC 3834).
        header("Auto-Submitted", "auto-generated");
        header("MIME-Version", "1.0");
        header("Content-Type", "text/plain; charset=utf-8");
        header("Content-Transfer-Encoding", "quoted-printable");
        text.push('\n');
        text.push_str(&quoted_printable(self.body));
        Ok(text)
    }

    /// The message id, equal for equal alerts, so that mail systems recognise duplicates.
    pub(super) fn message_id(&self) -> String {
        let domain = parse_addresses(self.from)
            .ok()
            .and_then(|mut addresses| addresses.pop());
        let domain = domain.as_deref().and_then(|from| from.rsplit_once('@'));
        let domain = domain.map_or("localhost", |(_, domain)| domain.trim_end_matches('>'));
        format!("<retrocast.{}@{domain}>", self.identity)
    }
}

/// The sender of alerts: the configured address, or else the current user on this machine.
pub(super) fn sender() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    variable(SENDER).unwrap_or_else(|| {
        let first_line = |text: String| {
            let first = text.lines().next().unwrap_or_default().trim().to_string();
            (!first.is_empty()).then_some(first)
        };
        // The first file has the mail name of this machine, if it exists.
        let host = ["/etc/mailname", "/proc/sys/kernel/hostname"]
            .iter()
            .find_map(|path| first_line(std::fs::read_to_string(path).ok()?))
            .or_else(|| variable("HOSTNAME"));
        let user = variable("USER").or_else(|| variable("LOGNAME"));
        let sender = format!(
            "Retrocast <{}@{}>",
            user.as_deref().unwrap_or("retrocast"),
            host.as_deref().unwrap_or("localhost")
        );
        match parse_addresses(&sender) {
            Ok(_) => sender,
            Err(_) => "Retrocast <retrocast@localhost>".to_string(),
        }
    })
}

/// Parses addresses separated by commas; the error names the invalid address.
fn parse_addresses(text: &str) -> Result<Vec<String>, String> {
    let parts = text.split([',', ';']).map(str::trim);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err("no recipient; set `owner` in the job file, such as \
                    \"operations@example.org\""
            .to_string());
    }
    if parts.len() > RECIPIENTS_MAX {
        return Err(format!(
            "{} addresses exceed the limit of {RECIPIENTS_MAX}; use a mailing list",
            parts.len()
        ));
    }
    parts.into_iter().map(format_address).collect()
}

/// Formats "name@example.org" or "Name <name@example.org>" for a header.
fn format_address(text: &str) -> Result<String, String> {
    let (name, plain) = match text.strip_suffix('>').and_then(|t| t.split_once('<')) {
        Some((name, plain)) => (strip_quotes(name.trim()), plain.trim()),
        None => ("", text),
    };
    if !is_mail_address(plain) {
        return Err(format!(
            "{:?} is not a mail address; write one such as \"operations@example.org\"",
            clean(text, 120)
        ));
    }
    let simple = |c: char| c.is_ascii_alphanumeric() || " -_".contains(c);
    Ok(match name {
        "" => plain.to_string(),
        // An encoded name needs no quotes.
        name if !name.chars().all(simple) => {
            format!("{}\n <{plain}>", encode_words(name, WIDTH_MAX / 2))
        }
        name => format!("{} <{plain}>", clean(name, 60)),
    })
}

fn strip_quotes(name: &str) -> &str {
    let inner = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    inner.unwrap_or(name)
}

/// Formats the text of a header: unchanged if it is short and plain, otherwise as encoded words
/// (RFC 2047).
fn header_text(text: &str, indent: usize) -> String {
    let text = clean(text, 400);
    let plain = text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if plain && indent + text.len() <= WIDTH_MAX && !text.contains("=?") {
        text
    } else {
        encode_words(&text, WIDTH_MAX - indent)
    }
}

/// Splits a text into encoded words of whole characters, one per line; `first_width` is the width
/// left on the first line.
fn encode_words(text: &str, first_width: usize) -> String {
    const OPEN: &str = "=?utf-8?Q?";
    let mut lines = vec![String::from(OPEN)];
    let mut width = first_width.min(WIDTH_MAX - 1);
    let text = clean(text, 400);
    for c in text.chars() {
        let mut unit = String::new();
        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            match byte {
                b' ' => unit.push('_'),
                byte if byte.is_ascii_alphanumeric() || b"-!*+/".contains(&byte) => {
                    unit.push(char::from(byte));
                }
                byte => {
                    let _ = write!(unit, "={byte:02X}");
                }
            }
        }
        let line = lines.last().map_or(0, String::len);
        if line + unit.len() + "?=".len() > width {
            lines.push(String::from(OPEN));
            width = WIDTH_MAX - 1;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(&unit);
        }
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("{line}?=")).collect();
    lines.join("\n ")
}

/// Encodes text as quoted-printable (RFC 2045, 6.7).
fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut width = 0;
        let bytes = line.as_bytes();
        for (i, byte) in bytes.iter().enumerate() {
            let last = i + 1 == bytes.len();
            let plain = match byte {
                b' ' | b'\t' => !last,
                byte => (b'!'..=b'~').contains(byte) && *byte != b'=',
            };
            // Old programs treat lines that start with a dot or with "From" specially.
            let risky = width == 0 && (*byte == b'.' || bytes[i..].starts_with(b"From "));
            let unit = if plain && !risky {
                char::from(*byte).to_string()
            } else {
                format!("={byte:02X}")
            };
            if width + unit.len() > WIDTH_MAX - usize::from(!last) {
                out.push_str("=\n");
                width = 0;
            }
            width += unit.len();
            out.push_str(&unit);
        }
        out.push('\n');
    }
    out
}
