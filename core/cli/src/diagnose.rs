//! Converts errors to exit codes and messages.

use crate::Exit;
use retrocast_engine::EngineError;

/// An error in the arguments or in a job file: exit code 2.
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

/// Formats an error with its causes in one line.
pub fn in_one_line(error: &anyhow::Error) -> String {
    messages(error).join(": ")
}

/// Returns the messages of an error and its causes. Omits causes that the message already contains.
pub fn messages(error: &anyhow::Error) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !messages.iter().any(|message| message.contains(&text)) {
            messages.push(text);
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn causes_are_reported_once() {
        let disk_full = || io::Error::from(io::ErrorKind::StorageFull);
        let with_path = EngineError::Write {
            path: "lake/a.lease".into(),
            source: disk_full(),
        };
        let message = in_one_line(&anyhow::Error::new(with_path));
        assert_eq!(
            message,
            format!("cannot write lake/a.lease: {}", disk_full())
        );
        let with_context = anyhow::Error::new(disk_full()).context("cannot begin");
        let expected = format!("cannot begin: {}", disk_full());
        assert_eq!(in_one_line(&with_context), expected);
    }
}
