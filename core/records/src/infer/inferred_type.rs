//! Chooses the narrowest type of all sampled values, and their notation.

use super::{
    evidence::{Formats, MARKS, Order, has_clock, has_offset},
    excerpt, hints,
    profile::Profile,
    toml_string,
};
use crate::contract::EpochUnit;
use retrocast_domain::number::{list, plural};
use std::collections::BTreeMap;

/// Range of numbers that are read as times, in microseconds since 1970 UTC: from 2000 to 2049.
const EPOCH_TIMES: std::ops::Range<f64> = 946_684_800e6..2_524_608_000e6;
/// Comment on times without an offset; the zone is an example.
const ZONE: &str = "they are read as UTC; if they are local, add: zone = \"Europe/Berlin\"";

/// A type of a contract, inferred from values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InferredType {
    Text,
    Integer,
    Number,
    Boolean,
    Timestamp,
    Date,
    Json,
    List(Box<InferredType>),
    Struct,
}

impl InferredType {
    /// The type as written in a contract.
    pub fn contract_type(&self) -> String {
        match self {
            Self::Text => "string".to_string(),
            Self::Integer => "integer".to_string(),
            Self::Number => "number".to_string(),
            Self::Boolean => "boolean".to_string(),
            Self::Timestamp => "timestamp".to_string(),
            Self::Date => "date".to_string(),
            Self::Json => "json".to_string(),
            Self::List(item) => format!("list<{}>", item.contract_type()),
            Self::Struct => "struct".to_string(),
        }
    }

    /// The innermost item type of nested lists.
    pub fn innermost(&self) -> &Self {
        match self {
            Self::List(item) => item.innermost(),
            other => other,
        }
    }
}

/// The type and notation of a field in a draft.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    /// The type of all values.
    pub field_type: InferredType,
    /// Comment on the type.
    pub reason: Option<String>,
    /// Lines that declare the notation, each with its evidence.
    pub lines: Vec<(String, String)>,
    /// Further comments.
    pub notes: Vec<String>,
    /// Number of missing values.
    pub missing: u64,
    /// Earliest and latest time, in microseconds since 1970 UTC.
    pub span: Option<(i64, i64)>,
    /// True if the numbers have separators; the profile's range ignores such numbers.
    pub marked: bool,
}

impl Reading {
    fn new(field_type: InferredType) -> Self {
        Self {
            field_type,
            reason: None,
            lines: Vec::new(),
            notes: Vec::new(),
            missing: 0,
            span: None,
            marked: false,
        }
    }

    /// The reading of a column that is always empty.
    pub fn empty() -> Self {
        Self::new(InferredType::Text).with_reason("always empty")
    }

    fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn with_line(mut self, line: String, reason: impl Into<String>) -> Self {
        self.lines.push((line, reason.into()));
        self
    }

    /// Adds a comment if `local` of `total` times have no offset.
    fn with_offset_note(self, local: u64, total: u64) -> Self {
        match local {
            0 => self,
            local if local == total => self.with_note(format!("decide: no offset: {ZONE}")),
            local => self.with_note(format!("decide: {local} of {total} have no offset: {ZONE}")),
        }
    }

    /// Converts the reading of items to that of lists of them.
    pub fn into_list(self) -> Self {
        Self {
            field_type: InferredType::List(Box::new(self.field_type)),
            missing: 0,
            ..self
        }
    }
}

/// The reading of a list that combines several columns with the same name.
pub(super) fn combined_list(name: &str, profile: &Profile) -> Reading {
    let item = infer_reading(name, profile);
    let item = match item.field_type {
        InferredType::Json | InferredType::Struct | InferredType::List(_) => {
            Reading::new(InferredType::Text)
        }
        _ => item,
    };
    item.into_list()
        .with_reason("several columns have this name: combined in a list, without empty cells")
}

/// Finds the type and notation of all values.
pub(super) fn infer_reading(name: &str, profile: &Profile) -> Reading {
    if profile.seen == 0 {
        return Reading::new(InferredType::Json).with_reason("always null");
    }
    let is_text = profile.texts == profile.seen || profile.cells > 0;
    let unchanged = Reading::new(if is_text {
        InferredType::Text
    } else {
        InferredType::Json
    });
    if profile.keep_unchanged {
        return unchanged
            .with_reason("decide: kept unchanged, since some values do not fit another type");
    }
    if profile.objects == profile.seen {
        return as_object(profile);
    }
    if profile.arrays == profile.seen {
        return as_array(name, profile);
    }
    let nulls = profile.evidence.null_count();
    let values = profile.seen.saturating_sub(nulls);
    let reading = as_boolean(name, profile, values)
        .or_else(|| as_number(name, profile, values))
        .or_else(|| as_time(name, profile, values))
        .or_else(|| marked_number(profile, values));
    match reading.filter(|_| values > 0) {
        // JSON keeps such words unchanged.
        Some(reading) if reading.field_type == InferredType::Json => reading,
        Some(reading) => with_null_words(reading, profile, nulls),
        None => {
            let mut reading = unchanged;
            reading.reason = mixture(profile);
            if profile.cells > 0 && nulls > 0 && values > 0 {
                let words = words(&profile.evidence.nulls);
                let note =
                    format!("decide: if these mean a missing value, add null_words: {words}");
                reading.notes.push(note);
            }
            reading.notes.extend(alternatives(name, profile, values));
            reading
        }
    }
}

/// Declares the null words.
fn with_null_words(mut reading: Reading, profile: &Profile, nulls: u64) -> Reading {
    reading.missing = nulls;
    let null_counts: BTreeMap<_, _> = profile
        .evidence
        .nulls
        .iter()
        .filter(|(word, _)| !word.is_empty())
        .collect();
    if null_counts.is_empty() {
        return reading;
    }
    let null_words: Vec<String> = null_counts.keys().map(|word| toml_string(word)).collect();
    let seen: u64 = null_counts.values().copied().sum();
    let reason = format!("{seen} of {} values", profile.seen);
    reading.with_line(format!("null_words = [{}]", null_words.join(", ")), reason)
}

fn as_boolean(name: &str, profile: &Profile, values: u64) -> Option<Reading> {
    let evidence = &profile.evidence;
    let has_words = evidence
        .boolean_words
        .keys()
        .any(|word| !word.starts_with(['0', '1']));
    let has_both = profile.booleans > 0
        || (has_words && evidence.has_boolean(true) && evidence.has_boolean(false));
    let is_flag = hints::is_flag_name(name) && profile.flags + evidence.boolean_count() > 0;
    if profile.booleans + profile.flags + evidence.boolean_count() != values
        || !(has_both || is_flag)
    {
        return None;
    }
    let reading = Reading::new(InferredType::Boolean);
    Some(if evidence.boolean_words.is_empty() && profile.flags == 0 {
        reading
    } else if evidence.boolean_words.is_empty() {
        reading.with_reason("0 is read as false, 1 as true")
    } else {
        reading.with_reason(format!("seen: {}", self::words(&evidence.boolean_words)))
    })
}

fn as_number(name: &str, profile: &Profile, values: u64) -> Option<Reading> {
    let digits = profile.evidence.digits;
    if profile.integers + profile.numbers + digits != values {
        return None;
    }
    let is_id = hints::key_rank(name).is_some();
    let epoch = epoch(profile).filter(|_| !is_id);
    if let Some((unit, span)) = epoch.filter(|_| hints::is_time_name(name)) {
        let reading = Reading {
            span: Some(span),
            ..Reading::new(InferredType::Timestamp)
        };
        let reason = format!("in {} since 1970", unit.plural());
        return Some(reading.with_line(format!("format = {}", toml_string(unit.word())), reason));
    }
    if digits > 0 {
        return None;
    }
    if is_id && profile.cells == profile.seen {
        return Some(Reading::new(InferredType::Text).with_reason("an id, of digits"));
    }
    if profile.unsigned > 0 && profile.unsigned == profile.numbers {
        let reason = "beyond the integers of 64 bits: kept as text, with all digits";
        return Some(Reading::new(InferredType::Json).with_reason(reason));
    }
    if is_id && profile.integers < values {
        return Some(
            Reading::new(InferredType::Json).with_reason("an id: kept unchanged, as text"),
        );
    }
    let whole = profile.integers == values;
    let mut reading = Reading::new(if whole {
        InferredType::Integer
    } else {
        InferredType::Number
    });
    reading
        .notes
        .extend(epoch.map(|(unit, _)| epoch_note(unit)));
    if profile.flags == values && profile.range == Some((0.0, 1.0)) {
        let note = "decide: 0 and 1 only; type \"boolean\" reads them as false and true";
        return Some(reading.with_note(note));
    }
    let points = profile.evidence.points;
    if points > 0 && points == profile.evidence.grouped {
        let note = "decide: three digits after every point: if the point separates thousands, add: \
                    decimal = \",\"";
        return Some(reading.with_note(note));
    }
    Some(reading)
}

/// Comment on numbers that may be times.
fn epoch_note(unit: EpochUnit) -> String {
    let (plural, format) = (unit.plural(), toml_string(unit.word()));
    format!("decide: if these are {plural} since 1970: type = \"timestamp\", format = {format}")
}

/// The unit that makes all numbers plausible times since 1970, with the earliest and latest time,
/// in microseconds since 1970 UTC.
fn epoch(profile: &Profile) -> Option<(EpochUnit, (i64, i64))> {
    let ranges = [profile.range, profile.evidence.digit_range]
        .into_iter()
        .flatten();
    let range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    EpochUnit::ALL.into_iter().find_map(|unit| {
        let micros = |number: f64| number * 10_f64.powi(unit.micros_exponent());
        let (first, last) = (micros(range.0), micros(range.1));
        let is_time = EPOCH_TIMES.contains(&first) && EPOCH_TIMES.contains(&last);
        is_time.then_some((unit, (first as i64, last as i64)))
    })
}

fn as_time(name: &str, profile: &Profile, values: u64) -> Option<Reading> {
    let evidence = &profile.evidence;
    let texts = profile.texts.saturating_sub(evidence.null_count());
    if texts != values {
        return None;
    }
    let with_span = |field_type: InferredType| Reading {
        span: profile.span,
        ..Reading::new(field_type)
    };
    if profile.times == values {
        return Some(with_span(InferredType::Timestamp).with_offset_note(evidence.local, values));
    }
    if profile.dates == values {
        return Some(with_span(InferredType::Date));
    }
    let Formats::Certain {
        formats,
        proof,
        span,
    } = evidence.formats()
    else {
        return None;
    };
    let clocks = formats.iter().filter(|format| has_clock(format)).count();
    let compact = formats.iter().any(|format| format.starts_with("%Y%m%d"));
    let is_unambiguous =
        (clocks == 0 || clocks == formats.len()) && (!compact || hints::is_time_name(name));
    if evidence.formatted != values || !is_unambiguous {
        return None;
    }
    let reason = match proof {
        Some((Order::DayFirst, text)) => format!("day first: {} was seen", excerpt(&text)),
        Some((Order::MonthFirst, text)) => format!("month first: {} was seen", excerpt(&text)),
        None => format!("fits all {values}"),
    };
    let field_type = if clocks == 0 {
        InferredType::Date
    } else {
        InferredType::Timestamp
    };
    let is_local = clocks > 0 && formats.iter().any(|format| !has_offset(format));
    let reading = Reading {
        span,
        ..with_span(field_type)
    };
    let reading = reading.with_line(format!("format = {}", one_or_list(&formats)), reason);
    Some(reading.with_offset_note(if is_local { values } else { 0 }, values))
}

fn marked_number(profile: &Profile, values: u64) -> Option<Reading> {
    let evidence = &profile.evidence;
    let texts = profile.texts.saturating_sub(evidence.null_count());
    if profile.integers + profile.numbers + texts != values || profile.personal > 0 {
        return None;
    }
    let [index] = evidence.possible_marks(texts)[..] else {
        return None;
    };
    let (marks, seen) = (
        &MARKS[index],
        evidence.marked_example[index]
            .as_deref()
            .unwrap_or_default(),
    );
    let whole =
        !evidence.has_decimals[index] && (profile.cells == profile.seen || profile.numbers == 0);
    let reading = Reading {
        marked: true,
        ..Reading::new(if whole {
            InferredType::Integer
        } else {
            InferredType::Number
        })
    };
    let (key, mark) = match (marks.decimal, marks.thousands) {
        (Some(mark), _) => ("decimal", mark),
        (None, mark) => ("thousands", mark?),
    };
    let line = format!("{key} = {}", toml_string(&mark.to_string()));
    Some(reading.with_line(line, format!("{} was seen", excerpt(seen))))
}

/// Comments on strings with several possible readings.
fn alternatives(name: &str, profile: &Profile, values: u64) -> Vec<String> {
    let evidence = &profile.evidence;
    let texts = profile.texts.saturating_sub(evidence.null_count());
    if profile.integers + profile.numbers + evidence.digits == values
        && let Some((unit, _)) = epoch(profile).filter(|_| hints::key_rank(name).is_none())
    {
        return vec![epoch_note(unit)];
    }
    if texts == values
        && evidence.formatted == values
        && let Formats::Open(orders) = evidence.formats()
    {
        let example = excerpt(evidence.example.as_deref().unwrap_or_default());
        let heading = format!(
            "decide: {example} and all others fit several orders of day and month; one of:"
        );
        let lines = orders.iter().map(|formats| {
            let clock = formats.iter().any(|format| has_clock(format));
            let kind = if clock { "timestamp" } else { "date" };
            format!("  type = {kind:?}, format = {}", one_or_list(formats))
        });
        return std::iter::once(heading).chain(lines).collect();
    }
    if profile.integers + profile.numbers + texts != values || profile.personal > 0 {
        return Vec::new();
    }
    match evidence.possible_marks(texts)[..] {
        [] | [_] => Vec::new(),
        [first, ..] => {
            let example = excerpt(
                evidence.marked_example[first]
                    .as_deref()
                    .unwrap_or_default(),
            );
            let marks = evidence.possible_marks(texts).into_iter().map(|index| {
                match (MARKS[index].decimal, MARKS[index].thousands) {
                    (Some(mark), _) => format!("decimal = \"{mark}\""),
                    (None, mark) => format!("thousands = \"{}\"", mark.unwrap_or(' ')),
                }
            });
            let marks: Vec<String> = marks.collect();
            vec![format!(
                "decide: if {example} is a number: type = \"number\", {}",
                marks.join(" or ")
            )]
        }
    }
}

fn one_or_list(formats: &[String]) -> String {
    match formats {
        [one] => toml_string(one),
        several => {
            let several: Vec<String> = several.iter().map(|format| toml_string(format)).collect();
            format!("[{}]", several.join(", "))
        }
    }
}

/// Lists words with the number of occurrences of each.
fn words(words: &BTreeMap<String, u64>) -> String {
    let words = words.iter().map(|(word, times)| {
        format!(
            "{} {}",
            excerpt(word),
            plural(*times, "time").replace('\u{a0}', " ")
        )
    });
    words.collect::<Vec<_>>().join(", ")
}

fn as_object(profile: &Profile) -> Reading {
    if profile.opaque {
        let reading = Reading::new(InferredType::Json);
        return match profile.cells {
            0 => reading.with_reason("deep, or with many fields: kept as text"),
            _ => reading,
        };
    }
    if super::field_names(profile.fields.keys()).is_empty() {
        return Reading::new(InferredType::Json).with_reason("objects without fields");
    }
    // A map has many keys, each of them in few objects.
    let present: u64 = profile
        .fields
        .values()
        .map(|field| field.seen + field.nulls)
        .sum();
    let is_sparse = present * 2 < profile.objects * profile.fields.len() as u64;
    if is_sparse && profile.fields.len() > 12 {
        let reason = format!(
            "a map: {} differ between objects; kept as text",
            plural(profile.fields.len() as u64, "key")
        );
        return Reading::new(InferredType::Json).with_reason(reason);
    }
    Reading::new(InferredType::Struct)
}

fn as_array(name: &str, profile: &Profile) -> Reading {
    let Some(items) = profile
        .items
        .as_deref()
        .filter(|items| items.seen > 0 && !profile.opaque)
    else {
        return Reading::new(InferredType::Json).with_reason("lists without values");
    };
    infer_reading(name, items).into_list()
}

/// Describes a mixture of types; `None` if there is only one.
fn mixture(profile: &Profile) -> Option<String> {
    let texts = profile.texts.saturating_sub(profile.times + profile.dates);
    let parts: Vec<String> = [
        (profile.booleans, "boolean"),
        (profile.integers, "integer"),
        (profile.numbers, "number"),
        (profile.times, "timestamp"),
        (profile.dates, "date"),
        (texts, "string"),
        (profile.arrays, "list"),
        (profile.objects, "object"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, noun)| plural(n, noun).replace('\u{a0}', " "))
    .collect();
    (parts.len() > 1).then(|| format!("decide: mixed, {}", list(&parts)))
}
