//! Messages about a file, with the location to fix.

use serde::Serialize;
use std::sync::Arc;

/// Severity of a [`Diagnostic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The file can be used.
    Warning,
    /// The file cannot be used until this is fixed.
    Error,
}

/// A message with location, reason and advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Severity.
    pub level: Level,
    /// One sentence, lowercase, without a full stop.
    pub message: String,
    /// The file, as the user named it.
    pub file: String,
    /// The file's text, if it is not the file that is being checked.
    #[serde(skip)]
    pub text: Option<Arc<str>>,
    /// Byte range in the file's text that the message is about.
    pub span: Option<std::ops::Range<usize>>,
    /// A few words printed under the marked text, such as "expected a string".
    pub label: Option<String>,
    /// Advice: a suggestion for a near miss, or the allowed values.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Creates an error about `file` without a location.
    pub fn error(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            message: message.into(),
            file: file.into(),
            text: None,
            span: None,
            label: None,
            help: None,
        }
    }

    /// Sets the byte range.
    #[must_use]
    pub fn at(mut self, span: std::ops::Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// Sets the words printed under the marked text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets the advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Turns the error into a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.level = Level::Warning;
        self
    }

    /// Sets the text of its file.
    #[must_use]
    pub fn in_text(mut self, text: Arc<str>) -> Self {
        self.text = Some(text);
        self
    }

    /// Line and column of the start of the span, counted from 1, in characters. `text` is the text
    /// of the file being checked; a message about another file contains its own.
    pub fn line_column(&self, text: &str) -> Option<(usize, usize)> {
        let text = self.text.as_deref().unwrap_or(text);
        let start = self.span.as_ref()?.start.min(text.len());
        let before = text.get(..start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Some((line, column))
    }
}
