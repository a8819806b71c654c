//! Collects the diagnostics of a job file and visits its tables.

use super::document::{Entry, Span, SpannedValue};
use crate::ledger;
use retrocast_domain::Diagnostic;

/// The keys of a table, in the order of the file.
pub(super) fn keys(document: &SpannedValue, table: &str) -> Vec<String> {
    entries(document, table)
        .iter()
        .map(|entry| entry.key.clone())
        .collect()
}

/// The entries of a table; empty if it does not exist.
pub(crate) fn entries<'a>(document: &'a SpannedValue, table: &str) -> &'a [Entry] {
    document.get(table).map_or(&[], SpannedValue::entries)
}

/// The diagnostics of the sections that every job has.
pub(super) struct Checker<'a> {
    pub(super) file: &'a str,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Checker<'_> {
    pub(super) fn error(
        &mut self,
        span: &Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let diagnostic = Diagnostic::error(self.file, message)
            .at(span.clone())
            .help(help);
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn warning(&mut self, span: &Span, message: &str, help: &str) {
        let diagnostic = Diagnostic::error(self.file, message)
            .at(span.clone())
            .warning()
            .help(help);
        self.diagnostics.push(diagnostic);
    }

    /// Checks a name, which becomes a table in queries and a file on disk. `noun` is the kind of
    /// the named thing, such as "stage".
    pub(super) fn check_name(&mut self, entry: &Entry, noun: &str) {
        let name = &entry.key;
        let is_valid = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 64;
        if !is_valid {
            let message = format!("`{name}` cannot be the name of a {noun}");
            let help = "use lower-case letters, digits and _, beginning with a letter, at most 64 characters";
            self.error(&entry.key_span, message, help);
        }
        if name.starts_with(ledger::DATASETS) {
            let message = format!("`{name}` is the name of a dataset of the ledger");
            let help = format!(
                "names that begin with {} are reserved: rename it",
                ledger::DATASETS
            );
            self.error(&entry.key_span, message, help);
        }
    }

    /// Reports a text that is not a mail address.
    pub(super) fn check_address(&mut self, item: &SpannedValue, help: &str) {
        let Some(address) = item.text() else { return };
        if !retrocast_domain::is_mail_address(address) {
            let message = format!("{} is not a mail address", item.describe());
            self.error(&item.span, message, help);
        }
    }
}

/// Parses a duration such as "90 s".
pub(crate) fn parse_duration(text: &str) -> Option<std::time::Duration> {
    text.parse::<jiff::SignedDuration>()
        .ok()?
        .try_into()
        .ok()
        .filter(|d: &std::time::Duration| !d.is_zero())
}
