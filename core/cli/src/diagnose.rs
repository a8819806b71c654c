//! Converts errors to exit codes and messages.

use crate::Exit;
use retrocast_engine::EngineError;

/// A mistake in the arguments or in a job file: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

/// The exit code of an error.
pub fn exit(error: &anyhow::Error) -> Exit {
    if error.is::<WrongUsage>() {
        return Exit::Usage;
    }
    if let Some(retrocast_mail::Error::Busy(_)) = error.downcast_ref() {
        return Exit::Busy;
    }
    match error.downcast_ref::<EngineError>() {
        Some(EngineError::Held { .. }) => Exit::Busy,
        _ => Exit::Failed,
    }
}

/// An error with its causes, in one line.
pub fn in_one_line(error: &anyhow::Error) -> String {
    parts(error).join(": ")
}

/// The messages of an error and its causes, without repetition: many errors include their cause
/// already.
pub fn parts(error: &anyhow::Error) -> Vec<String> {
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
    fn what_led_to_an_error_is_reported_once() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let named = EngineError::Write {
            path: "lake/a.lease".into(),
            source: full(),
        };
        let message = in_one_line(&anyhow::Error::new(named));
        assert_eq!(message, format!("cannot write lake/a.lease: {}", full()));
        let bare = anyhow::Error::new(full()).context("cannot begin");
        assert_eq!(in_one_line(&bare), format!("cannot begin: {}", full()));
    }
}
