//! The planted facts: the contents of `truth.json`.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;

/// The truth about simulated records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Version of this format.
    pub schema: u32,
    /// Seed of the simulation.
    pub seed: u64,
    /// Number of weeks.
    pub weeks: u32,
    /// First civil day.
    pub start: Date,
    /// Day after the last day.
    pub until: Date,
    /// IANA name of the time zone of days.
    pub timezone: String,
    /// The planted facts. Nothing else has an effect.
    pub facts: Vec<Fact>,
    /// Patterns that exist and may be reported, but need not be.
    pub allowed: Vec<AllowedPattern>,
    /// Names that occur in records, by source and column.
    pub names: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Exact counts of each source's records.
    pub sources: BTreeMap<String, SourceTruth>,
}

/// Kind of a planted fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// A weekday with more records than the others.
    WeekdayEffect,
    /// A share that rises once a volume passes a threshold.
    VolumeThreshold,
    /// A lasting shift of a level.
    ChangePoint,
    /// A day with far fewer records.
    Outage,
    /// A level that rises steadily towards a limit.
    Drift,
    /// An improvement that works.
    Effect,
    /// An improvement without effect.
    NoEffect,
    /// A harmful improvement.
    Harm,
}

impl FactKind {
    /// Returns true for the effect of an improvement, or its lack of effect.
    pub fn is_improvement(self) -> bool {
        matches!(self, Self::Effect | Self::NoEffect | Self::Harm)
    }
}

/// One planted fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Short name, unique.
    pub id: String,
    /// Pattern that was planted.
    pub kind: FactKind,
    /// Name of the source whose records show it, such as "tickets".
    pub source: String,
    /// Subject; `None` for all records.
    pub subject: Option<Subject>,
    /// The measure that shows it, such as "failure tickets per day".
    pub measure: String,
    /// The fact as a sentence.
    pub what: String,
    /// First day on which it holds; `None` for always.
    pub date: Option<Date>,
    /// Day after the last day on which it holds; `None` if it does not end.
    pub end: Option<Date>,
    /// Size, in `unit`.
    pub size: f64,
    /// Unit of `size`: "ratio", "share", "files", "points per day", "relative".
    pub unit: String,
    /// Range of estimates of `size` that count as correct.
    pub size_range: [f64; 2],
    /// Deviation of a date that counts as correct, in days.
    pub date_tolerance_days: i64,
    /// Further sizes by name.
    #[serde(default)]
    pub numbers: BTreeMap<String, f64>,
}

/// A column and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Name of the column.
    pub column: String,
    /// Value in that column.
    pub value: String,
}

/// A pattern by design that is not one of the facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedPattern {
    /// Name of the source.
    pub source: String,
    /// Kind of finding that may report it, such as "correlation".
    pub kind: String,
    /// The pattern as a sentence.
    pub what: String,
}

/// Records of one source, counted while they were written.
///
/// `records = accepted + duplicates + the sum of quarantined`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTruth {
    /// Number of files, including empty and broken ones.
    pub files: u64,
    /// Number of lines that are neither blank nor a header.
    pub records: u64,
    /// Number of valid records, each key once.
    pub accepted: u64,
    /// Number of invalid records by reason.
    pub quarantined: BTreeMap<String, u64>,
    /// Number of valid lines beyond the first of each key.
    pub duplicates: u64,
    /// Number of files with truncated compressed data; all of their lines in `records` are
    /// readable.
    pub broken_files: u64,
    /// Number of records in the file of a later day.
    pub late: u64,
    /// Number of blank lines.
    pub blank_lines: u64,
    /// Number of accepted records with a string designed to break programs.
    pub hostile_texts: u64,
    /// Fields that the contract does not declare, with the number of accepted records that have
    /// them.
    pub unknown_fields: BTreeMap<String, u64>,
    /// Size before compression, in bytes.
    pub bytes: u64,
}

/// Reasons for quarantine, as written in reports.
pub mod reason {
    /// The line is not JSON.
    pub const BROKEN: &str = "broken JSON";
    /// The line of CSV does not have the number of cells of the header.
    pub const BROKEN_CSV: &str = "broken CSV";
    /// The line is not UTF-8.
    pub const INVALID_TEXT: &str = "invalid UTF-8";
    /// A value does not have the type of the contract.
    pub const WRONG_TYPE: &str = "wrong type";
    /// A required value is missing or null.
    pub const MISSING: &str = "missing required";
    /// A number is outside its limits.
    pub const OUT_OF_RANGE: &str = "out of range";
    /// A string is not one of the allowed values.
    pub const NOT_ALLOWED: &str = "not allowed";
    /// A string is longer than the contract allows.
    pub const TOO_LONG: &str = "too long";
}

impl Truth {
    /// Reads a `truth.json`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        })?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Truth {
            path: path.to_path_buf(),
            source,
        })
    }

    /// The fact with this id.
    pub fn fact(&self, id: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.id == id)
    }
}

impl Fact {
    /// Returns true if an estimate of the size is correct.
    pub fn admits(&self, estimate: f64) -> bool {
        (self.size_range[0]..=self.size_range[1]).contains(&estimate)
    }

    /// The value of its subject; empty for all records.
    pub fn value(&self) -> &str {
        self.subject.as_ref().map_or("", |subject| &subject.value)
    }
}
