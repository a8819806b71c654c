//! All output to stdout and stderr.
//!
//! - Control characters in text from records are escaped ([`escape_controls`]).
//! - A write error of stdout (a full disk, a closed pipe) is stored. The command continues, and the
//!   program ends with that error ([`finish`]).
//! - An error of stderr is ignored: it cannot be reported.

use crate::{Exit, diagnose};
use std::{
    borrow::Cow,
    fmt,
    io::{self, ErrorKind, IsTerminal as _, Write as _},
    sync::OnceLock,
};

/// A write error of stdout. It is not an [`io::Error`] and has none as its source, so that it is
/// not mistaken for a full disk of the lake.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot write to stdout: {message}")]
pub struct StdoutError {
    kind: ErrorKind,
    message: String,
}

/// The first write error of stdout.
static STDOUT_ERROR: OnceLock<StdoutError> = OnceLock::new();

/// Prints text to stdout, with control characters escaped.
pub fn print(text: &str) -> Result<(), StdoutError> {
    print_raw(&escape_controls(text))
}

/// Prints a value to stdout as JSON.
pub fn print_json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    Ok(print_raw(&serde_json::to_string_pretty(value)?)?)
}

/// Prints unchanged text to stdout, with a line break at the end.
pub fn print_raw(text: &str) -> Result<(), StdoutError> {
    let write = || -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()
    };
    write().map_err(|error| store_stdout_error(&error))
}

/// Stores a write error of stdout, for [`finish`].
pub fn store_stdout_error(error: &io::Error) -> StdoutError {
    let error = StdoutError {
        kind: error.kind(),
        message: error.to_string(),
    };
    STDOUT_ERROR.get_or_init(|| error.clone());
    error
}

/// The exit code of the program: that of its command, unless stdout failed. A reader that closed
/// the pipe, as in `retrocast list | head`, is not a failure.
pub fn finish(exit: Exit) -> Exit {
    if let Err(error) = io::stdout().lock().flush() {
        store_stdout_error(&error);
    }
    match STDOUT_ERROR.get() {
        Some(error) if error.kind != ErrorKind::BrokenPipe => {
            print_error(&error.clone().into());
            exit.more_severe(Exit::Failed)
        }
        _ => exit,
    }
}

/// Returns true if a stream should be coloured: a terminal, unless colours are disabled.
pub fn colour(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints an error with its causes.
pub fn print_error(error: &anyhow::Error) {
    let stderr = io::stderr();
    let (bold, plain) = if colour(stderr.is_terminal()) {
        ("\x1b[1;31m", "\x1b[0m")
    } else {
        ("", "")
    };
    let mut out = stderr.lock();
    for (n, message) in diagnose::messages(error).iter().enumerate() {
        let message = escape_controls(message);
        let _ = match n {
            0 => writeln!(out, "{bold}error:{plain} {message}"),
            _ => writeln!(out, "  because: {message}"),
        };
    }
}

/// Writes a line to stderr, with control characters escaped.
pub fn write_message(message: fmt::Arguments<'_>) {
    let message = message.to_string();
    let _ = writeln!(io::stderr().lock(), "{}", escape_controls(&message));
}

/// Writes a line to stderr, like `eprintln!`, which panics if stderr is full.
macro_rules! message {
    ($($part:tt)*) => {
        $crate::terminal::write_message(format_args!($($part)*))
    };
}
pub(crate) use message;

/// Width of the terminal on stdout; `None` if it is not a terminal.
fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns.filter(|columns| *columns > 0).or_else(measured)
}

/// Wraps a line to the width of the terminal; further lines are indented by `indent`.
pub fn wrap(line: &str, indent: usize) -> String {
    wrap_to_width(line, indent, width())
}

/// Minimum width of a line after the indent, in characters.
const TEXT_WIDTH_MIN: usize = 24;

/// Wraps a line at spaces, if there is a width.
fn wrap_to_width(line: &str, indent: usize, width: Option<usize>) -> String {
    let Some(width) = width else {
        return line.to_string();
    };
    let indent = indent.min(width.saturating_sub(TEXT_WIDTH_MIN));
    let (mut out, mut used) = (String::with_capacity(line.len()), 0);
    for word in line.split_inclusive(' ') {
        let length = word.trim_end_matches(' ').chars().count();
        if length > 0 && used > indent && used + length > width {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            used = indent;
        }
        out.push_str(word);
        used += word.chars().count();
    }
    out
}

/// Escapes control characters and bidirectional overrides as `\u{1b}`, except line breaks and tabs.
pub fn escape_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Reserved length of the note about omitted characters, in characters.
const NOTE_LENGTH: usize = 24;

/// Joins the lines of a text and truncates it to `limit` characters, followed by a note on how many
/// are omitted. Text that is slightly longer than the limit is unchanged.
pub fn truncate(text: &str, limit: usize) -> String {
    let text = text.replace(['\n', '\r', '\t'], " ");
    let length = text.chars().count();
    if length <= limit + NOTE_LENGTH {
        return text;
    }
    let start: String = text.chars().take(limit).collect();
    format!("{start}… ({} more characters)", length - limit)
}

/// Returns true for characters that control the terminal or reorder text.
fn is_unsafe(c: char) -> bool {
    let reorders = matches!(c,
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reorders || (c.is_control() && c != '\n' && c != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape_controls("a\tb\nc – é 日本"), "a\tb\nc – é 日本");
        assert_eq!(
            escape_controls("\u{1b}[2J\r\u{7}"),
            "\\u{1b}[2J\\u{d}\\u{7}"
        );
        assert_eq!(escape_controls("a\u{202e}cba"), "a\\u{202e}cba");
    }

    #[test]
    fn lines_wrap_at_spaces_with_an_indent() {
        let line =
            "run    stage.rhythm  the query changed since the run of Monday, and so did its input";
        assert_eq!(wrap_to_width(line, 21, None), line);
        assert_eq!(wrap_to_width(line, 21, Some(200)), line);
        let indent = " ".repeat(21);
        let wrapped = [
            "run    stage.rhythm  the query changed since the run of".to_string(),
            format!("{indent}Monday, and so did its input"),
        ];
        assert_eq!(wrap_to_width(line, 21, Some(61)), wrapped.join("\n"));
        // On a narrow terminal the indent shrinks, and a word that is too long has its own line.
        let long = "é".repeat(50);
        let narrow = wrap_to_width(&format!("  warning   {long} end"), 12, Some(30));
        assert_eq!(narrow, format!("  warning\n      {long}\n      end"));
    }

    #[test]
    fn stdout_errors_are_not_io_errors() {
        let error = StdoutError {
            kind: ErrorKind::StorageFull,
            message: "no space".to_string(),
        };
        let error = anyhow::Error::new(error);
        assert_eq!(error.to_string(), "cannot write to stdout: no space");
        assert!(error.chain().all(|cause| !cause.is::<io::Error>()));
    }

    #[test]
    fn long_lines_are_truncated_with_a_note() {
        assert_eq!(truncate("a\nb", 5), "a b");
        assert_eq!(
            truncate(&"é".repeat(35), 10),
            format!("{}… (25 more characters)", "é".repeat(10))
        );
        // The note would be as long as the text it replaces.
        assert_eq!(truncate(&"é".repeat(34), 10), "é".repeat(34));
    }
}
