//! The notation of values in records: null words, words for true and false, decimal marks, time
//! formats and zones.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Serialize, Serializer};
use std::sync::OnceLock;

/// Notation of a field's values in records.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Notation {
    /// Words that mean a missing value; `None` for the defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null_words: Option<Vec<String>>,
    /// Decimal mark of numbers in text, `.` or `,`; `None` for the default, `.`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// Separator of groups of three digits. If `None`, there are no groups or, with a decimal
    /// comma, points or spaces separate them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// Zone of times without an offset; `None` for UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// Formats of times, tried in order; empty for every unambiguous form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub format: Vec<TimeFormat>,
    /// Words that mean true; `None` for the defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_words: Option<Vec<String>>,
    /// Words that mean false; `None` for the defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_words: Option<Vec<String>>,
}

/// A format of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// Directives such as `%d/%m/%Y %H:%M`.
    Text(String),
    /// A number of units since 1970 UTC.
    Epoch(EpochUnit),
}

/// Unit of a time that is given as a number since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl EpochUnit {
    /// All units, the longest first.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Millis, Self::Micros, Self::Nanos];

    /// Its name in contracts, such as `epoch_ms`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Seconds => "epoch_s",
            Self::Millis => "epoch_ms",
            Self::Micros => "epoch_us",
            Self::Nanos => "epoch_ns",
        }
    }

    /// Its plural, such as `milliseconds`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Millis => "milliseconds",
            Self::Micros => "microseconds",
            Self::Nanos => "nanoseconds",
        }
    }

    /// The length of the unit in microseconds, as a power of ten.
    pub(crate) fn micros_exponent(self) -> i32 {
        match self {
            Self::Seconds => 6,
            Self::Millis => 3,
            Self::Micros => 0,
            Self::Nanos => -3,
        }
    }
}

impl TimeFormat {
    /// The name in contracts.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Epoch(unit) => unit.word(),
        }
    }
}

impl Serialize for TimeFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A zone of the IANA database.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Looks up a zone in the bundled database.
    pub fn find(name: &str) -> Option<Self> {
        zone_database().get(name).ok().map(Self)
    }

    /// IANA name, such as "Europe/Berlin".
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Offsets from UTC, with their changes.
    pub fn rules(&self) -> &TimeZone {
        &self.0
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The bundled time zone database; the machine's own database may differ and change results.
pub(crate) fn zone_database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

impl Notation {
    /// Returns true if nothing is declared.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns true if a decimal mark or a thousands separator is declared; strings of JSON and
    /// Parquet are then read as numbers, too.
    pub fn declares_marks(&self) -> bool {
        self.decimal.is_some() || self.thousands.is_some()
    }

    /// Returns true if `text` means a missing value in a field that is not a string.
    pub fn is_null(&self, text: &str) -> bool {
        let text = text.trim();
        text.is_empty()
            || match &self.null_words {
                Some(words) => words.iter().any(|word| word == text),
                None => NULL_WORDS
                    .iter()
                    .any(|word| word.eq_ignore_ascii_case(text)),
            }
    }

    /// Returns true if `text` is declared to mean a missing value.
    pub fn is_declared_null(&self, text: &str) -> bool {
        let words = self.null_words.iter().flatten();
        words.map(String::as_str).any(|word| word == text.trim())
    }

    /// Parses a boolean; `None` for any other text.
    pub fn parse_boolean(&self, text: &str) -> Option<bool> {
        let is_one_of = |declared: &Option<Vec<String>>, defaults: &[&str]| match declared {
            Some(words) => words.iter().any(|word| word == text),
            None => defaults.iter().any(|word| word.eq_ignore_ascii_case(text)),
        };
        if is_one_of(&self.true_words, &TRUE_WORDS) {
            Some(true)
        } else {
            is_one_of(&self.false_words, &FALSE_WORDS).then_some(false)
        }
    }

    /// The words that mean `truth`.
    pub fn words_for(&self, truth: bool) -> Vec<&str> {
        let (declared, defaults) = if truth {
            (&self.true_words, &TRUE_WORDS)
        } else {
            (&self.false_words, &FALSE_WORDS)
        };
        match declared {
            Some(words) => words.iter().map(String::as_str).collect(),
            None => defaults.to_vec(),
        }
    }

    /// The character before decimals.
    pub fn decimal_mark(&self) -> char {
        self.decimal.unwrap_or('.')
    }

    /// Returns true if `mark` may separate groups of three digits.
    pub fn is_thousands_mark(&self, mark: char) -> bool {
        match self.thousands {
            Some(thousands) => mark == thousands,
            None => self.decimal == Some(',') && matches!(mark, '.' | ' '),
        }
    }

    /// The rules of the declared zone.
    pub fn zone_rules(&self) -> Option<&TimeZone> {
        self.zone.as_ref().map(Zone::rules)
    }

    /// The part of the notation that applies to a type.
    pub(super) fn for_type(&self, kind: &str) -> Self {
        let mut out = self.clone();
        if !is_numeric(kind) {
            (out.decimal, out.thousands) = (None, None);
        }
        if !is_temporal(kind) {
            out.zone = None;
        }
        if !allows_null_words(kind) {
            out.null_words = None;
        }
        out
    }
}

/// Default words for a missing value, ignoring case.
const NULL_WORDS: [&str; 10] = [
    "null", "\\N", "na", "n/a", "nan", "nat", "none", "nil", "-", "#n/a",
];
/// Default words for true, ignoring case. Programs without nullable booleans write 1.0.
const TRUE_WORDS: [&str; 7] = ["true", "t", "yes", "y", "on", "1", "1.0"];
/// Default words for false, ignoring case.
const FALSE_WORDS: [&str; 7] = ["false", "f", "no", "n", "off", "0", "0.0"];

/// Normalises a decimal mark or thousands separator: variants in width and form become one
/// character.
pub(crate) fn normalize_mark(c: char) -> char {
    match c {
        '\u{a0}' | '\u{2009}' | '\u{202f}' => ' ',
        '\u{2019}' => '\'',
        other => other,
    }
}

pub(super) fn is_numeric(kind: &str) -> bool {
    matches!(kind, "integer" | "number")
}

pub(super) fn is_temporal(kind: &str) -> bool {
    matches!(kind, "timestamp" | "date")
}

pub(super) fn allows_null_words(kind: &str) -> bool {
    is_numeric(kind) || is_temporal(kind) || matches!(kind, "boolean" | "string")
}
