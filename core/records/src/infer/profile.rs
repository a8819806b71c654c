//! Statistics of the values of one field, in bounded memory.

use super::{
    evidence::{EXACT_DIGITS, Evidence},
    hints, value,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Maximum number of distinct strings that can be allowed values; one more is counted, to show that
/// there are others.
pub(super) const DISTINCT_MAX: usize = 12;
/// Maximum number of fields of an object; a larger object is treated as a map with data as keys.
pub(super) const FIELDS_MAX: usize = 100;
/// Maximum nesting of objects and lists; deeper values are kept as JSON.
const DEPTH_MAX: usize = 6;
/// Maximum length of a string in a list of allowed values.
const WORD_LENGTH_MAX: usize = 64;

/// Statistics of one field.
#[derive(Debug, Default)]
pub(super) struct Profile {
    /// Number of values that are not null.
    pub seen: u64,
    pub nulls: u64,
    /// Number of values that were cells of CSV files, which are all text.
    pub cells: u64,
    pub booleans: u64,
    pub integers: u64,
    /// Number of values that are 0 or 1.
    pub flags: u64,
    /// Number of values with a fraction, or beyond 64 bits.
    pub numbers: u64,
    /// Number of integers that need unsigned 64 bits.
    pub unsigned: u64,
    pub texts: u64,
    pub objects: u64,
    pub arrays: u64,
    /// Number of strings that are times.
    pub times: u64,
    /// Number of strings that are days.
    pub dates: u64,
    /// Number of strings with white space.
    pub spaced: u64,
    /// Number of strings that look like personal data.
    pub personal: u64,
    /// Smallest and largest number.
    pub range: Option<(f64, f64)>,
    /// Earliest and latest time, in microseconds since 1970 UTC.
    pub span: Option<(i64, i64)>,
    /// Length of the longest string, in characters.
    pub longest: usize,
    /// Number of occurrences of each string; incomplete with more than [`DISTINCT_MAX`] strings.
    pub words: BTreeMap<String, u64>,
    /// Fields of objects, by name.
    pub fields: BTreeMap<String, Profile>,
    /// Items of lists.
    pub items: Option<Box<Profile>>,
    /// True if a value is too deep, or an object has too many fields, to be analysed.
    pub opaque: bool,
    /// Evidence of the notation of values.
    pub evidence: Evidence,
    /// True if values are kept unchanged, because some do not conform to the type of the others.
    pub keep_unchanged: bool,
}

impl Profile {
    /// Adds one value; `cell` is true for a cell of a CSV file, which may be a number in text.
    pub fn add(&mut self, value: &Value, cell: bool) {
        self.add_nested(value, cell, 0);
    }

    fn add_nested(&mut self, value: &Value, cell: bool, depth: usize) {
        match value {
            Value::Null => {
                self.nulls += 1;
                return;
            }
            Value::Bool(_) => self.booleans += 1,
            Value::Number(number) => {
                self.add_number(number.as_i64(), number.as_f64());
                self.unsigned += u64::from(number.as_i64().is_none() && number.is_u64());
                self.flags += u64::from(matches!(number.as_f64(), Some(0.0 | 1.0)));
            }
            Value::String(text) if cell => self.add_cell(text),
            Value::String(text) => self.add_text(text, text),
            Value::Array(items) => {
                self.arrays += 1;
                self.add_list(items, depth);
            }
            Value::Object(fields) => {
                self.objects += 1;
                self.add_object(fields, depth);
            }
        }
        self.seen += 1;
        self.cells += u64::from(cell);
    }

    fn add_number(&mut self, integer: Option<i64>, number: Option<f64>) {
        if integer.is_some() {
            self.integers += 1;
        } else {
            self.numbers += 1;
        }
        if let Some(number) = number {
            let (smallest, largest) = self.range.unwrap_or((number, number));
            self.range = Some((smallest.min(number), largest.max(number)));
        }
    }

    /// Adds a string; `trimmed` is the part that is read as a time.
    fn add_text(&mut self, text: &str, trimmed: &str) {
        self.texts += 1;
        self.longest = self.longest.max(text.chars().count());
        let day = value::date(trimmed).map(|days| i64::from(days) * value::DAY_MICROS);
        let time = value::timestamp(trimmed);
        self.dates += u64::from(day.is_some());
        self.times += u64::from(time.is_some());
        if let Some(moment) = day.or(time) {
            let (first, last) = self.span.unwrap_or((moment, moment));
            self.span = Some((first.min(moment), last.max(moment)));
        }
        self.spaced += u64::from(text.contains(char::is_whitespace));
        self.personal += u64::from(hints::looks_personal(text));
        self.evidence.add_text(trimmed.trim());
        if self.words.len() <= DISTINCT_MAX {
            let word = if text.chars().count() <= WORD_LENGTH_MAX {
                text
            } else {
                ""
            };
            *self.words.entry(word.to_string()).or_default() += 1;
        }
    }

    /// Adds a cell of a CSV file that is not empty.
    fn add_cell(&mut self, cell: &str) {
        let trimmed = cell.trim();
        let digits = trimmed.strip_prefix('-').unwrap_or(trimmed);
        // Digits with leading zeros, or more digits than a number keeps, are an identifier.
        let has_leading_zeros =
            digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
        let begins_like_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        let is_long =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() > EXACT_DIGITS;
        let number = trimmed.parse::<f64>().ok().filter(|n| n.is_finite());
        let nested = trimmed.starts_with(['[', '{']);
        if let Some(number) =
            number.filter(|_| begins_like_number && !has_leading_zeros && !is_long)
        {
            let integer = trimmed.parse::<i64>().ok();
            self.flags += u64::from(matches!(trimmed, "0" | "1" | "0.0" | "1.0"));
            self.evidence.add_number(trimmed);
            self.add_number(integer, Some(number));
        } else if trimmed.eq_ignore_ascii_case("true") || trimmed.eq_ignore_ascii_case("false") {
            self.booleans += 1;
        } else if nested && serde_json::from_str::<Value>(cell).is_ok() {
            self.objects += 1;
            self.opaque = true;
        } else {
            self.add_text(cell, trimmed);
        }
        self.longest = self.longest.max(cell.chars().count());
    }

    fn add_list(&mut self, items: &[Value], depth: usize) {
        if depth >= DEPTH_MAX {
            self.opaque = true;
            return;
        }
        let profile = self.items.get_or_insert_default();
        for item in items {
            profile.add_nested(item, false, depth + 1);
        }
    }

    fn add_object(&mut self, fields: &serde_json::Map<String, Value>, depth: usize) {
        let new = fields
            .keys()
            .filter(|name| !self.fields.contains_key(*name));
        if depth >= DEPTH_MAX || self.fields.len() + new.count() > FIELDS_MAX {
            self.opaque = true;
        }
        if self.opaque {
            return;
        }
        for (name, value) in fields {
            let field = self.fields.entry(name.clone()).or_default();
            field.add_nested(value, false, depth + 1);
        }
    }
}
