//! Refused records with their reasons, stored as a dataset.

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, UInt64Array},
    error::ArrowError,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Maximum length of a record, in bytes.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Number of characters kept of a refused record.
pub const RAW_CHARACTERS: usize = 1000;

/// The reason why a record was refused, as a stable class, so that counts can be compared between
/// runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Not JSON, or a JSON value that is not an object.
    BrokenJson,
    /// Not CSV, or the number of cells differs from the header's.
    BrokenCsv,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// A value whose type differs from the contract's.
    WrongType,
    /// A required field is missing or null.
    MissingRequired,
    /// A number outside the limits.
    OutOfRange,
    /// A value that is not among the allowed values, or does not match the pattern.
    NotAllowed,
    /// A string, or the record itself, above the maximum length.
    TooLong,
    /// A string below the minimum length.
    TooShort,
    /// An undeclared field, which the contract refuses.
    UnknownField,
}

impl Reason {
    /// The class as a phrase.
    pub fn text(self) -> &'static str {
        match self {
            Self::BrokenJson => "broken JSON",
            Self::BrokenCsv => "broken CSV",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::WrongType => "wrong type",
            Self::MissingRequired => "missing required",
            Self::OutOfRange => "out of range",
            Self::NotAllowed => "not allowed",
            Self::TooLong => "too long",
            Self::TooShort => "too short",
            Self::UnknownField => "unknown field",
        }
    }
}

/// The violation of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The class.
    pub reason: Reason,
    /// Path of the field, such as `updates[2].at`; empty for the record as a whole.
    pub field: String,
    /// The error as a phrase.
    pub message: String,
    /// Byte in the line, from 1, if known.
    pub column: Option<u64>,
    /// Number of lines between the record's first line and that byte.
    pub line_offset: u64,
}

impl Violation {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            field: String::new(),
            message: message.into(),
            column: None,
            line_offset: 0,
        }
    }

    /// Sets the field.
    pub(crate) fn at_field(mut self, field: &str) -> Self {
        self.field = field.to_string();
        self
    }

    /// Prefixes the path with that of the containing value.
    pub(crate) fn with_prefix(mut self, outer: &str) -> Self {
        self.prefix_path(outer);
        self
    }

    /// Prefixes the path with that of the containing value.
    pub(crate) fn prefix_path(&mut self, outer: &str) {
        self.field = join_path(outer, &self.field);
    }
}

/// The violation of a record longer than [`RECORD_BYTES_MAX`].
pub(super) fn too_long() -> Violation {
    let message = format!("the record is longer than {} MiB", RECORD_BYTES_MAX >> 20);
    Violation::new(Reason::TooLong, message)
}

/// Prefixes a path with that of the containing value.
pub(super) fn join_path(outer: &str, path: &str) -> String {
    let dot = if path.is_empty() || path.starts_with('[') {
        ""
    } else {
        "."
    };
    format!("{outer}{dot}{path}")
}

/// A refused record.
#[derive(Debug)]
pub struct RefusedRecord {
    /// Line where it begins, from 1.
    pub line: u64,
    /// Reason for the refusal, with the field.
    pub violation: Violation,
    /// Its start.
    pub raw: String,
}

/// Schema of every quarantine dataset.
pub fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("source"),
        text("file"),
        Field::new("line", DataType::UInt64, true),
        Field::new("column", DataType::UInt64, true),
        text("field"),
        text("reason"),
        text("message"),
        text("raw"),
    ]))
}

/// Converts rows of one file to a batch of the quarantine dataset.
pub fn batch(source: &str, file: &str, rows: &[RefusedRecord]) -> Result<RecordBatch, ArrowError> {
    let text = |value: fn(&RefusedRecord) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(value)))
    };
    let constant = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| value)))
    };
    let field =
        |row: &RefusedRecord| Some(row.violation.field.clone()).filter(|field| !field.is_empty());
    RecordBatch::try_new(
        schema(),
        vec![
            constant(source),
            constant(file),
            Arc::new(UInt64Array::from_iter_values(
                rows.iter().map(|row| row.line),
            )),
            Arc::new(
                rows.iter()
                    .map(|row| row.violation.column)
                    .collect::<UInt64Array>(),
            ),
            Arc::new(rows.iter().map(field).collect::<StringArray>()),
            text(|row| row.violation.reason.text()),
            text(|row| &row.violation.message),
            text(|row| &row.raw),
        ],
    )
}

/// Truncates text to a number of characters, and marks that with an ellipsis.
pub(super) fn truncate(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// The start of any bytes, as text.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let end = bytes.len().min(RAW_CHARACTERS * 4);
    truncate(&String::from_utf8_lossy(&bytes[..end]), RAW_CHARACTERS)
}
