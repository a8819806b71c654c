//! The error type of all measurements: location, reason and remedy.

use std::{fmt, path::PathBuf};

/// The error for labelled data that cannot be read or scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}; {remedy}", Location(self))]
pub struct Error {
    /// File or folder.
    pub path: PathBuf,
    /// Line in the file, from 1.
    pub line: Option<u64>,
    /// Column in the line, from 1: a field in CSV files, a character in JSON files.
    pub column: Option<u64>,
    /// The reason why the data cannot be used.
    pub reason: String,
    /// Advice: how to fix the data.
    pub remedy: String,
}

impl Error {
    /// Creates an error about a whole file or folder.
    pub fn new(
        path: impl Into<PathBuf>,
        reason: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Self {
            path: path.into(),
            line: None,
            column: None,
            reason: reason.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// Adds a line, and a column if known.
    #[must_use]
    pub fn with_position(mut self, line: u64, column: Option<u64>) -> Self {
        self.line = Some(line);
        self.column = column;
        self
    }
}

/// Displays an error's location as `path:line:column`, without unknown parts.
struct Location<'a>(&'a Error);

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.path.display())?;
        for number in [self.0.line, self.0.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}
