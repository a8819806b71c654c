//! Formats text for the archive's pages and links.

use jiff::Timestamp;
use retrocast_domain::number::plural;
use std::fmt::Write as _;

/// Formats a time as "2026-11-16 09:00", in UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// Replacement for characters that must not be shown.
const REPLACEMENT: char = '□';

/// Replaces characters that are invisible or reorder others, and truncates a long text with a note.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let mut shown = text.trim().chars().filter_map(|c| match c {
        '\n' | '\r' | '\t' => Some(' '),
        // Removes characters that only affect the rendering of their neighbours.
        '\u{ad}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' => None,
        c if is_hidden(c) => Some(REPLACEMENT),
        c => Some(c),
    });
    let mut out: String = shown.by_ref().take(limit).collect();
    let rest = shown.count() as u64;
    if rest > 0 {
        let _ = write!(out, "… ({})", plural(rest, "more character"));
    }
    out
}

/// Like [`clean`], for a text of several lines; keeps line breaks.
pub(crate) fn clean_lines(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut remaining = limit;
    for line in text.lines() {
        let start = line.len() - line.trim_start_matches(' ').len();
        let line = format!("{}{}", &line[..start.min(40)], clean(line, remaining));
        remaining = remaining.saturating_sub(line.chars().count());
        out.push_str(line.trim_end());
        if remaining == 0 {
            break;
        }
        out.push('\n');
    }
    out
}

/// Returns true for characters that are invisible, that change the direction of others, or that XML
/// forbids.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2061}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Encodes a name for a relative link.
pub(crate) fn encode(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Returns the text, or another if it is empty.
pub(crate) fn non_empty_or(text: String, other: &str) -> String {
    if text.is_empty() {
        clean(other, 200)
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_replaced() {
        assert_eq!(clean("\u{202e}evil\u{202c} \u{1b}[31m", 99), "□evil□ □[31m");
        assert_eq!(clean("a\u{200b}b\u{fffe}", 99), "a□b□");
        assert_eq!(clean(" two\nlines ", 99), "two lines");
        assert_eq!(clean("soft\u{ad}hyphen ❤\u{fe0f}", 99), "softhyphen ❤");
        assert_eq!(clean("שלום", 99), "שלום");
        assert_eq!(clean_lines("a\u{7}\n  b \r\n\nc", 99), "a□\n  b\n\nc\n");
        assert_eq!(clean_lines("ab\ncd\nef", 4), "ab\ncd");
    }

    #[test]
    fn truncated_characters_are_counted() {
        let long = clean(&"x".repeat(1 << 20), 3).replace(['\u{a0}', '\u{202f}'], " ");
        assert_eq!(long, "xxx… (1 048 573 more characters)");
        assert_eq!(clean("xxxx", 3), "xxx… (1\u{a0}more character)");
        assert_eq!(clean("xxx", 3), "xxx");
    }

    #[test]
    fn names_are_percent_encoded() {
        assert_eq!(encode("2026-W46"), "2026-W46");
        assert_eq!(encode("a b/%ü"), "a%20b%2F%25%C3%BC");
    }
}
