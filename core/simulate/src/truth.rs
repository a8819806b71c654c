//! The planted facts, for comparison with findings: the shape of `truth.json`.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;

/// Everything that is true about simulated records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Version of this shape.
    pub schema: u32,
    /// Seed of the simulation.
    pub seed: u64,
    /// Number of weeks.
    pub weeks: u32,
    /// First civil day.
    pub start: Date,
    /// Day after the last.
    pub until: Date,
    /// IANA name of the time zone whose civil days are meant.
    pub timezone: String,
    /// The planted facts. Nothing else has an effect.
    pub facts: Vec<Fact>,
    /// Patterns that exist and may be reported, but need not be.
    pub allowed: Vec<Allowed>,
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
    /// A share that jumps once a volume passes a threshold.
    VolumeThreshold,
    /// A lasting shift of a level.
    ChangePoint,
    /// A day with far fewer records.
    Outage,
    /// A level that rises steadily towards a limit.
    Drift,
    /// An improvement that works.
    Effect,
    /// An improvement that does nothing.
    NoEffect,
    /// An improvement that does harm.
    Harm,
}

impl FactKind {
    /// Returns true for what an improvement does, or does not do.
    pub fn is_improvement(self) -> bool {
        matches!(self, Self::Effect | Self::NoEffect | Self::Harm)
    }
}

/// One planted fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Short name, unique.
    pub id: String,
    /// Kind.
    pub kind: FactKind,
    /// Source whose records show it: "tickets", "pipelines", ...
    pub source: String,
    /// Subject; `None` means all.
    pub subject: Option<Subject>,
    /// The measure that shows it, such as "failure tickets per day".
    pub measure: String,
    /// The fact as a sentence.
    pub what: String,
    /// Civil day from which it holds, where it begins on one.
    pub date: Option<Date>,
    /// Civil day after the last on which it holds, where it ends.
    pub end: Option<Date>,
    /// Size, in `unit`.
    pub size: f64,
    /// Unit of `size`: "ratio", "share", "files", "points per day", "relative".
    pub unit: String,
    /// An estimate of `size` within these bounds counts as right.
    pub size_range: [f64; 2],
    /// A date this many days off counts as right.
    pub date_tolerance_days: i64,
    /// Further sizes by name.
    #[serde(default)]
    pub numbers: BTreeMap<String, f64>,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Column.
    pub column: String,
    /// Value.
    pub value: String,
}

/// A pattern that exists by design and is not one of the facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Source.
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
    /// Files, the empty and the broken ones included.
    pub files: u64,
    /// Lines that are not blank (without CSV headings).
    pub records: u64,
    /// Records that meet the contract, each key once.
    pub accepted: u64,
    /// Records that do not meet the contract, by reason.
    pub quarantined: BTreeMap<String, u64>,
    /// Number of lines whose key occurs on another line, too.
    pub duplicates: u64,
    /// Files that end in the middle of their compressed data. All their lines counted in `records`
    /// can be read.
    pub broken_files: u64,
    /// Records in a later file than the one of their day.
    pub late: u64,
    /// Blank lines.
    pub blank_lines: u64,
    /// Records with a text made to break programs, among the accepted ones.
    pub hostile_texts: u64,
    /// Fields that the contract does not name, with the number of accepted records that have them.
    pub unknown_fields: BTreeMap<String, u64>,
    /// Bytes before compression.
    pub bytes: u64,
}

/// Reasons for quarantine, as they are written in reports.
pub mod reason {
    /// The line is not JSON.
    pub const BROKEN: &str = "broken JSON";
    /// The line of CSV has another number of cells than the header.
    pub const BROKEN_CSV: &str = "broken CSV";
    /// The line is not UTF-8.
    pub const INVALID_TEXT: &str = "invalid UTF-8";
    /// A value does not have the type of the contract.
    pub const WRONG_TYPE: &str = "wrong type";
    /// A required value is missing or null.
    pub const MISSING: &str = "missing required";
    /// A number is outside its bounds.
    pub const OUT_OF_RANGE: &str = "out of range";
    /// A text is none of the allowed ones.
    pub const NOT_ALLOWED: &str = "not allowed";
    /// A text is longer than the contract allows.
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

    /// The fact of this id.
    pub fn fact(&self, id: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.id == id)
    }
}

impl Fact {
    /// Returns true if an estimate is within the bounds.
    pub fn admits(&self, estimate: f64) -> bool {
        (self.size_range[0]..=self.size_range[1]).contains(&estimate)
    }

    /// The value it is about; empty for all.
    pub fn value(&self) -> &str {
        self.subject.as_ref().map_or("", |subject| &subject.value)
    }
}
