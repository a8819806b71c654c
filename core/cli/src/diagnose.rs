//! Errors as people read them.

use crate::{Exit, terminal};
use retrocast_engine::EngineError;
use std::io::{IsTerminal as _, Write as _};

/// A mistake in what was typed or in a job file: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

/// The exit code of an error.
pub fn exit(error: &anyhow::Error) -> Exit {
    if error.is::<WrongUsage>() {
        return Exit::Usage;
    }
    match error.downcast_ref::<EngineError>() {
        Some(EngineError::Held { .. }) => Exit::Busy,
        _ => Exit::Failed,
    }
}

/// Whether a stream should be coloured: a terminal, and nobody said no.
pub fn colour(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints an error and what led to it.
pub fn print_error(error: &anyhow::Error) {
    let stderr = std::io::stderr();
    let (bold, plain) = if colour(stderr.is_terminal()) {
        ("\x1b[1;31m", "\x1b[0m")
    } else {
        ("", "")
    };
    let mut out = stderr.lock();
    for (n, part) in parts(error).iter().enumerate() {
        let part = terminal::clean(part);
        let _ = match n {
            0 => writeln!(out, "{bold}error:{plain} {part}"),
            _ => writeln!(out, "  because: {part}"),
        };
    }
}

/// An error and what led to it, in one line.
pub fn in_one_line(error: &anyhow::Error) -> String {
    parts(error).join(": ")
}

/// An error and what led to it. Many errors name their cause themselves: nothing is said twice.
fn parts(error: &anyhow::Error) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_led_to_an_error_is_said_once() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let named = EngineError::Write {
            path: "lake/a.lease".into(),
            source: full(),
        };
        let said = in_one_line(&anyhow::Error::new(named));
        assert_eq!(said, format!("cannot write lake/a.lease: {}", full()));
        let bare = anyhow::Error::new(full()).context("cannot begin");
        assert_eq!(in_one_line(&bare), format!("cannot begin: {}", full()));
    }
}
