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
    let _ = writeln!(
        out,
        "{bold}error:{plain} {}",
        terminal::clean(&error.to_string())
    );
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !said.contains(&text) {
            let _ = writeln!(out, "  because: {}", terminal::clean(&text));
            said.push_str(&text);
        }
    }
}
