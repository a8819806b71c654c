//! Contracts: the definition of a valid record, read from `jobs/contracts/NAME.toml`.
//!
//! A contract is parsed once into [`Contract`]; all errors in the file are reported at once, each
//! with its location. Field order in the file is column order in the dataset.
//!
//! ```toml
//! title = "Ticket"
//! key   = ["id"]             # among records with the same key, only the last is kept
//! latest = "updated_at"      # determines the last record; default: the order of files and lines
//! time  = "created_at"       # time of the record, which determines its windows
//! unknown = "count"          # other fields: "count" them, "keep" them, or "refuse" the record
//! [expect]                   # expectations of the records as a whole
//! fresh_hours = 26           # hours between the newest record and the moment of the report
//! daily_records_min = 100
//! silence = "zero"           # no records mean that nothing happened; default: they may be missing
//! [field.id]
//! type = "string"            # or integer, number, boolean, timestamp, date, json, struct, list<…>
//! max_length = 64
//! [field.created_at]
//! type = "timestamp"
//! min = 1990-01-01           # for numbers, timestamps and dates
//! [field.component]
//! type = "string"
//! default = "other"          # used when a record lacks the field or has null
//! pattern = "[a-z-]+"        # a regular expression that the whole text must match
//! min_length = 2
//! [field.email]
//! type = "string"
//! personal = "hash"          # or "drop": never stored in clear, not even in the quarantine
//! ```
//!
//! **Fields that the contract does not declare** are counted. With `unknown = "keep"` they are
//! kept, too, as canonical JSON in the column `_rest`: an object of their paths, such as
//! `customer.plan` or `updates[0].by`, and values. With `unknown = "refuse"` a record that has one
//! is refused.
//!
//! **Personal data.** Values of a field with `personal = "hash"` are checked, and then replaced by
//! a hash, so that equal values stay equal; values of a field with `personal = "drop"` are checked
//! and discarded. Neither reaches a dataset, a message, or the stored text of a refused record.
//! Only *declared* fields are protected: `unknown = "keep"` stores all other fields unchanged.
//!
//! **Silence.** After the last record of a source, either nothing happened or records are missing:
//! the records do not show which. By default, days without records are excluded from analyses, and
//! the quality stage warns. For records of rare events, such as incidents, `silence = "zero"`
//! declares that nothing happened: until the end of the window (or, if the window has not ended,
//! until the day of the run), or until `fresh_hours` after the last record, if that is given. A
//! `fresh_hours` of 1440 (60 days) or more implies `silence = "zero"`: no delivery is that late.
//! SQL stages that pass on the records of such a source one by one, with their time, inherit it;
//! others do not.
//!
//! **Notation of values.** Numbers, times and booleans are read in common notations; other
//! notations are declared, for the whole contract or for a field:
//!
//! ```toml
//! null_words = ["NULL", "?"]  # words that mean a missing value
//! decimal    = ","            # decimal mark of numbers in text: "." or ","
//! thousands  = "."            # mark between groups of three digits: ".", ",", " ", "'" or "_"
//! zone       = "Europe/Berlin" # zone of times without an offset; default: UTC
//! [field.opened]
//! type   = "timestamp"
//! format = "%d/%m/%Y %H:%M"   # or a list of formats; or epoch_s, epoch_ms, epoch_us, epoch_ns
//! [field.urgent]
//! type        = "boolean"
//! true_words  = ["J"]
//! false_words = ["N"]
//! [field.status]
//! type = "integer"
//! from = "http.status"        # its name in records: a key with exactly this name, else a path
//! ```
//!
//! - *Null words* are missing values in cells of CSV, and in strings of JSON and Parquet if the
//!   field is not a string; surrounding spaces are ignored. Defaults are `NULL`, `\N`, `NA`, `N/A`,
//!   `NaN`, `NaT`, `None`, `nil`, `-` and `#N/A`, ignoring case, but not in strings: a person may
//!   be called Null. Declared words replace them, match exactly, and apply to strings of CSV, too.
//!   An empty cell is always a missing value.
//! - *Decimal marks and thousands separators* apply to cells of CSV, and allow strings of JSON and
//!   Parquet as numbers; numbers of JSON are unaffected. With a decimal comma, points and spaces
//!   may separate thousands. Groups have three digits, so that `1.29,99` is refused and not
//!   misread.
//! - *Times* are by default read in every unambiguous form: ISO 8601 and its common variants, also
//!   followed by a space and `UTC`, `GMT` or an offset, and RFC 2822. A declared `format` replaces
//!   these forms. It uses the directives of strptime; without `%z`, `%:z` or `%Q` times are local
//!   to the `zone`. Hours that the clock skips or repeats have the offset before the change, a leap
//!   second is read as the second before it, and digits beyond microseconds are truncated, toward
//!   the past.
//! - *Words for true and false* are by default true, t, yes, y, on, 1 and false, f, no, n, off, 0,
//!   in any case; numbers 1 and 0 of JSON and Parquet are booleans, too. Declared words match
//!   exactly.
//!
//! **Plausible times.** A record whose time (`time`) is before 1970 or after 2099 is refused as out
//! of range: such times mean "unknown" or "never", and one of them would stretch every series over
//! centuries. `min` and `max` of the field replace these limits. Other timestamps and dates have no
//! limits but their own `min` and `max`. A day as `max` includes the whole day; days and times
//! without an offset are local to the field's `zone`, else UTC.

mod limits;
mod notation;
mod pattern;
mod reader;
mod record;
mod texts;

pub use notation::{EpochUnit, Notation, TimeFormat, Zone};
pub(crate) use notation::{normalize_mark, zone_database};
pub use pattern::Pattern;

use crate::error::SourceError;
use arrow_schema::{DataType, Field as ArrowField, Fields, Schema, SchemaRef, TimeUnit};
use reader::ContractReader;
use retrocast_domain::{Diagnostic, report::Expectation};
use serde::Serialize;
use std::{path::Path, sync::Arc};
use toml::de::DeTable;

/// A contract: the definition of a valid record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contract {
    /// Name of the file, without `.toml`.
    pub name: String,
    /// Title, as printed in the data dictionary.
    pub title: String,
    /// The meaning of a record.
    pub description: String,
    /// Fields that together identify a record; among records with the same key, only the last is
    /// kept.
    pub key: Vec<String>,
    /// Field that decides between records with the same key: the record with its greatest value is
    /// kept. Among equal values, or without such a field, the last record in the order of files and
    /// lines is kept.
    pub latest: Option<String>,
    /// Field with the record's time.
    pub time: Option<String>,
    /// Treatment of fields that the contract does not declare.
    pub unknown: UnknownFields,
    /// Expectations of the records as a whole.
    pub expect: Expectation,
    /// Fields, in the order of the file.
    pub fields: Vec<Field>,
}

/// Treatment of fields that a contract does not declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// Counted.
    #[default]
    Count,
    /// Counted, and kept in the column [`REST`].
    Keep,
    /// The record is refused.
    Refuse,
}

/// Treatment of personal data in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Personal {
    /// Kept unchanged.
    #[default]
    Keep,
    /// Replaced by hashes.
    Hash,
    /// Replaced by null.
    Drop,
}

/// Columns that datasets reserve.
const RESERVED: [&str; 2] = ["_object", "_line"];

/// Returns true for a valid field name.
pub(crate) fn is_valid_name(name: &str) -> bool {
    let is_reserved = name.starts_with("_row") || RESERVED.contains(&name);
    !(name.is_empty() || name.contains(['.', '\0']) || is_reserved)
}

/// The column with fields that the contract does not declare, as canonical JSON.
pub const REST: &str = "_rest";

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Name of the column, and of the field in records unless `from` is set.
    pub name: String,
    /// Name in records: a key, header or column with exactly this name, else the path of a nested
    /// field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Notation of its values in records.
    #[serde(skip_serializing_if = "Notation::is_default")]
    pub notation: Notation,
    /// The table of the contract that declares it, for messages, such as `field.user.field.name`.
    #[serde(skip)]
    pub table: String,
    /// Type of the values.
    pub kind: FieldKind,
    /// True if a record without it is refused; always true for fields of the key.
    pub required: bool,
    /// The meaning of the field.
    pub description: String,
    /// Unit of a number.
    pub unit: Option<String>,
    /// Allowed strings; empty if all are allowed.
    pub allowed: Vec<String>,
    /// Allowed integers; empty if all are allowed.
    pub allowed_integers: Vec<i64>,
    /// Minimum number.
    pub min: Option<f64>,
    /// Maximum number.
    pub max: Option<f64>,
    /// Earliest time, in microseconds since 1970 UTC.
    pub earliest: Option<i64>,
    /// Latest time, in microseconds since 1970 UTC.
    pub latest: Option<i64>,
    /// Minimum length in characters.
    pub min_length: Option<usize>,
    /// Maximum length in characters.
    pub max_length: Option<usize>,
    /// A pattern that the whole text must match.
    pub pattern: Option<Pattern>,
    /// Value for records where the field is missing or null; within the field's limits.
    pub default: Option<serde_json::Value>,
    /// Treatment of its values as personal data.
    pub personal: Personal,
}

/// The type of a field's values.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Text.
    String,
    /// Signed integer of 64 bits.
    Integer,
    /// Number, whole or not.
    Number,
    /// True or false.
    Boolean,
    /// Point in time, stored as microseconds since 1970 UTC.
    Timestamp,
    /// A calendar day.
    Date,
    /// Any JSON, stored as canonical text.
    Json,
    /// List of values of one type; the field's limits apply to each.
    List(Box<Field>),
    /// Nested fields.
    Struct(Vec<Field>),
}

impl Field {
    /// The name in records.
    pub fn source_name(&self) -> &str {
        self.from.as_deref().unwrap_or(&self.name)
    }

    /// Returns true if, in records, the field may be inside an object with this path.
    pub(crate) fn is_within(&self, path: &str) -> bool {
        let inner = self
            .from
            .as_deref()
            .and_then(|from| from.strip_prefix(path));
        inner.is_some_and(|inner| inner.starts_with('.'))
    }

    /// Removes descriptions, which have no effect on records.
    fn strip(&mut self) {
        self.description.clear();
        match &mut self.kind {
            FieldKind::List(item) => item.strip(),
            FieldKind::Struct(fields) => fields.iter_mut().for_each(Self::strip),
            _ => {}
        }
    }
}

impl FieldKind {
    /// The type with an article, such as "a string".
    pub fn with_article(&self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Timestamp => "a timestamp",
            Self::Date => "a date",
            Self::Json => "JSON",
            Self::List(_) => "a list",
            Self::Struct(_) => "an object",
        }
    }

    /// The Arrow type in datasets.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::String | Self::Json => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
            Self::List(item) => {
                DataType::List(Arc::new(ArrowField::new("item", item.kind.arrow(), true)))
            }
            Self::Struct(fields) => DataType::Struct(arrow_fields(fields)),
        }
    }
}

/// Arrow fields of contract fields. All are nullable: the contract checks for nulls, and the same
/// nullability everywhere keeps versions of a dataset comparable.
pub(crate) fn arrow_fields(fields: &[Field]) -> Fields {
    fields
        .iter()
        .map(|field| ArrowField::new(&field.name, field.kind.arrow(), true))
        .collect()
}

impl Contract {
    /// Arrow schema of a dataset with records of this contract.
    pub fn schema(&self) -> SchemaRef {
        let rest = (self.unknown == UnknownFields::Keep)
            .then(|| Arc::new(ArrowField::new(REST, DataType::Utf8, true)));
        let fields = arrow_fields(&self.fields);
        let fields: Fields = fields.iter().cloned().chain(rest).collect();
        Arc::new(Schema::new(fields))
    }

    /// Hash of the parts that affect rows: changes whenever the same records could give other rows,
    /// but not with titles and descriptions.
    pub fn fingerprint(&self) -> String {
        let mut bare = self.clone();
        bare.title.clear();
        bare.description.clear();
        bare.expect = Expectation::default();
        bare.fields.iter_mut().for_each(Field::strip);
        let text = serde_json::to_value(&bare).unwrap_or_default();
        let canonical = retrocast_domain::canonical::json(&text);
        blake3::hash(canonical.as_bytes()).to_hex()[..32].to_string()
    }

    /// Reads and checks a contract's file.
    pub fn read(file: &Path) -> Result<Self, SourceError> {
        let file_name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|error| SourceError::Io {
            action: "reading the contract",
            file: file_name.clone(),
            reason: error.to_string(),
        })?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let text = String::from_utf8_lossy(&bytes);
        let parsed = match std::str::from_utf8(&bytes) {
            Ok(text) => parse(&name, &file_name, text),
            Err(error) => {
                let start = error.valid_up_to();
                let diagnostic = Diagnostic::error(&file_name, "the file is not UTF-8 text")
                    .at(start..start + char::REPLACEMENT_CHARACTER.len_utf8())
                    .help("save it as UTF-8; is it a contract?");
                Err(vec![diagnostic])
            }
        };
        parsed.map_err(|diagnostics| {
            let text: Arc<str> = text.into();
            let diagnostics = diagnostics.into_iter();
            SourceError::Contract {
                file: file_name,
                diagnostics: diagnostics
                    .map(|diagnostic| diagnostic.in_text(text.clone()))
                    .collect(),
            }
        })
    }
}

const DUPLICATE_KEY: &str = "duplicate key";

/// Returns true if a key is a duplicate only because its whole table is a duplicate.
fn is_in_duplicate_table(text: &str, error: &toml::de::Error, all: &[toml::de::Error]) -> bool {
    let duplicate_start = |error: &toml::de::Error| {
        let span = error.span().filter(|_| error.message() == DUPLICATE_KEY)?;
        Some(span.start.min(text.len()))
    };
    // The start of the table that contains a position.
    let table = |offset: usize| {
        let lines = text.split_inclusive('\n').scan(0, |start, line| {
            let line_start = *start;
            *start += line.len();
            Some((line_start, line))
        });
        let headers =
            lines.filter(|(start, line)| *start <= offset && line.trim().starts_with('['));
        headers.last()
    };
    let Some((offset, (header, line))) =
        duplicate_start(error).and_then(|offset| Some((offset, table(offset)?)))
    else {
        return false;
    };
    let in_header = |offset: usize| (header..header + line.len()).contains(&offset);
    !in_header(offset) && all.iter().filter_map(duplicate_start).any(in_header)
}

/// The diagnostic of a TOML syntax error.
fn syntax_diagnostic(file: &str, text: &str, error: &toml::de::Error) -> Diagnostic {
    let span = error.span();
    let key_text = span.clone().and_then(|span| text.get(span));
    let diagnostic = match (error.message(), key_text) {
        (DUPLICATE_KEY, Some(key)) => {
            Diagnostic::error(file, format!("`{}` is defined twice", key.trim()))
                .help("remove one of the two")
        }
        (message, _) => Diagnostic::error(file, message),
    };
    match span {
        Some(span) => diagnostic.at(span),
        None => diagnostic,
    }
}

/// Parses the text of a contract; `file` is its name in messages.
pub fn parse(name: &str, file: &str, text: &str) -> Result<Contract, Vec<Diagnostic>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors
            .iter()
            .filter(|error| !is_in_duplicate_table(text, error, &errors))
            .map(|error| syntax_diagnostic(file, text, error))
            .collect());
    }
    let mut reader = ContractReader {
        file,
        text,
        shared: Notation::default(),
        outer: String::new(),
        diagnostics: Vec::new(),
    };
    let contract = reader.contract(name, root.get_ref());
    if reader.diagnostics.is_empty() {
        Ok(contract)
    } else {
        Err(reader.diagnostics)
    }
}

#[cfg(test)]
mod tests;
