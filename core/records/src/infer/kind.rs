//! Chooses the narrowest type of all sampled values, and their notation.

use super::{
    evidence::{Formats, MARKS, Order, has_clock, has_offset},
    hints,
    profile::Profile,
    quoted, shown,
};
use crate::contract::EpochUnit;
use retrocast_domain::number::{list, plural};
use std::collections::BTreeMap;

/// Range of numbers that are certainly times, in microseconds since 1970 UTC: from 2000 to 2049.
const SURE_TIMES: std::ops::Range<f64> = 946_684_800e6..2_524_608_000e6;
/// Comment on times without an offset; the zone is an example.
const ZONE: &str = "they are read as UTC; if they are local, add: zone = \"Europe/Berlin\"";

/// A type of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Timestamp,
    Date,
    Json,
    List(Box<Kind>),
    Struct,
}

impl Kind {
    /// The type as written in a contract.
    pub fn written(&self) -> String {
        match self {
            Self::Text => "string".to_string(),
            Self::Integer => "integer".to_string(),
            Self::Number => "number".to_string(),
            Self::Boolean => "boolean".to_string(),
            Self::Timestamp => "timestamp".to_string(),
            Self::Date => "date".to_string(),
            Self::Json => "json".to_string(),
            Self::List(item) => format!("list<{}>", item.written()),
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
    pub kind: Kind,
    /// Comment on the type.
    pub why: Option<String>,
    /// Lines that declare the notation, each with its evidence.
    pub lines: Vec<(String, String)>,
    /// Further comments.
    pub notes: Vec<String>,
    /// Number of missing values.
    pub nothing: u64,
    /// Earliest and latest time, in microseconds since 1970 UTC.
    pub span: Option<(i64, i64)>,
    /// True if numbers need marks that the profile's range ignores.
    pub marked: bool,
}

impl Reading {
    fn of(kind: Kind) -> Self {
        Self {
            kind,
            why: None,
            lines: Vec::new(),
            notes: Vec::new(),
            nothing: 0,
            span: None,
            marked: false,
        }
    }

    /// The reading of a column that is always empty.
    pub fn empty() -> Self {
        Self::of(Kind::Text).because("always empty")
    }

    fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    fn noting(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn line(mut self, line: String, why: impl Into<String>) -> Self {
        self.lines.push((line, why.into()));
        self
    }

    /// Adds a comment if `local` of `of` times have no offset.
    fn placed(self, local: u64, of: u64) -> Self {
        match local {
            0 => self,
            local if local == of => self.noting(format!("decide: no offset: {ZONE}")),
            local => self.noting(format!("decide: {local} of {of} have no offset: {ZONE}")),
        }
    }

    /// The reading of lists of such values.
    pub fn listed(self) -> Self {
        Self {
            kind: Kind::List(Box::new(self.kind)),
            nothing: 0,
            ..self
        }
    }
}

/// The reading of a list that combines several columns with the same name.
pub(super) fn gathered(name: &str, profile: &Profile) -> Reading {
    let item = kind(name, profile);
    let item = match item.kind {
        Kind::Json | Kind::Struct | Kind::List(_) => Reading::of(Kind::Text),
        _ => item,
    };
    item.listed()
        .because("several columns have this name: gathered, without empty cells")
}

/// Finds the type and notation of all values.
pub(super) fn kind(name: &str, profile: &Profile) -> Reading {
    let p = profile;
    if p.seen == 0 {
        return Reading::of(Kind::Json).because("nothing but null");
    }
    let is_text = p.texts == p.seen || p.cells > 0;
    let plain = Reading::of(if is_text { Kind::Text } else { Kind::Json });
    if p.plain {
        return plain.because("decide: kept as it is, since some values do not fit another type");
    }
    if p.objects == p.seen {
        return object(p);
    }
    if p.arrays == p.seen {
        return array(name, p);
    }
    let nothing = p.evidence.nothing();
    let values = p.seen.saturating_sub(nothing);
    let found = boolean(name, p, values)
        .or_else(|| number(name, p, values))
        .or_else(|| time(name, p, values))
        .or_else(|| numeral(p, values));
    match found.filter(|_| values > 0) {
        // JSON keeps such words unchanged.
        Some(found) if found.kind == Kind::Json => found,
        Some(found) => without(found, p, nothing),
        None => {
            let mut found = plain;
            found.why = mixture(p);
            if p.cells > 0 && nothing > 0 && values > 0 {
                let words = words(&p.evidence.nulls);
                let note = format!("decide: where these mean no value, add null_words: {words}");
                found.notes.push(note);
            }
            found.notes.extend(undecided(name, p, values));
            found
        }
    }
}

/// Declares the null words.
fn without(mut found: Reading, p: &Profile, nothing: u64) -> Reading {
    found.nothing = nothing;
    let known: BTreeMap<_, _> = p
        .evidence
        .nulls
        .iter()
        .filter(|(word, _)| !word.is_empty())
        .collect();
    if known.is_empty() {
        return found;
    }
    let quoted: Vec<String> = known.keys().map(|word| quoted(word)).collect();
    let seen: u64 = known.values().copied().sum();
    let why = format!("{seen} of {} values", p.seen);
    found.line(format!("null_words = [{}]", quoted.join(", ")), why)
}

fn boolean(name: &str, p: &Profile, values: u64) -> Option<Reading> {
    let e = &p.evidence;
    let words = e.truths.keys().any(|word| !word.starts_with(['0', '1']));
    let both = p.booleans > 0 || (words && e.has_truth(true) && e.has_truth(false));
    let named = hints::flag_name(name) && p.flags + e.truth() > 0;
    if p.booleans + p.flags + e.truth() != values || !(both || named) {
        return None;
    }
    let found = Reading::of(Kind::Boolean);
    Some(if e.truths.is_empty() && p.flags == 0 {
        found
    } else if e.truths.is_empty() {
        found.because("0 is read as false, 1 as true")
    } else {
        found.because(format!("seen: {}", self::words(&e.truths)))
    })
}

fn number(name: &str, p: &Profile, values: u64) -> Option<Reading> {
    let digits = p.evidence.digits;
    if p.integers + p.numbers + digits != values {
        return None;
    }
    let is_id = hints::key_rank(name).is_some();
    let epoch = epoch(p).filter(|_| !is_id);
    if let Some((unit, span)) = epoch.filter(|_| hints::time_name(name)) {
        let found = Reading {
            span: Some(span),
            ..Reading::of(Kind::Timestamp)
        };
        let why = format!("in {} since 1970", unit.plural());
        return Some(found.line(format!("format = {}", quoted(unit.word())), why));
    }
    if digits > 0 {
        return None;
    }
    if is_id && p.cells == p.seen {
        return Some(Reading::of(Kind::Text).because("an id, of digits"));
    }
    if p.unsigned > 0 && p.unsigned == p.numbers {
        let why = "beyond the integers of 64 bits: kept as text, with all digits";
        return Some(Reading::of(Kind::Json).because(why));
    }
    if is_id && p.integers < values {
        return Some(Reading::of(Kind::Json).because("an id: kept as text, as it is written"));
    }
    let whole = p.integers == values;
    let mut found = Reading::of(if whole { Kind::Integer } else { Kind::Number });
    found.notes.extend(epoch.map(|(unit, _)| maybe_since(unit)));
    if p.flags == values && p.range == Some((0.0, 1.0)) {
        let note = "decide: 0 and 1 only; type \"boolean\" reads them as false and true";
        return Some(found.noting(note));
    }
    let points = p.evidence.points;
    if points > 0 && points == p.evidence.grouped {
        let note = "decide: three digits after every point: if it stands between thousands, add: \
                    decimal = \",\"";
        return Some(found.noting(note));
    }
    Some(found)
}

/// Comment on numbers that may be times.
fn maybe_since(unit: EpochUnit) -> String {
    let (plural, format) = (unit.plural(), quoted(unit.word()));
    format!("decide: if these are {plural} since 1970: type = \"timestamp\", format = {format}")
}

/// The unit in which all numbers count from 1970, and the earliest and latest time, in microseconds
/// since 1970 UTC.
fn epoch(p: &Profile) -> Option<(EpochUnit, (i64, i64))> {
    let ranges = [p.range, p.evidence.digit_range].into_iter().flatten();
    let range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    EpochUnit::ALL.into_iter().find_map(|unit| {
        let micros = |number: f64| number * 10_f64.powi(unit.power());
        let (first, last) = (micros(range.0), micros(range.1));
        let sure = SURE_TIMES.contains(&first) && SURE_TIMES.contains(&last);
        sure.then_some((unit, (first as i64, last as i64)))
    })
}

fn time(name: &str, p: &Profile, values: u64) -> Option<Reading> {
    let e = &p.evidence;
    let texts = p.texts.saturating_sub(e.nothing());
    if texts != values {
        return None;
    }
    let found = |kind: Kind| Reading {
        span: p.span,
        ..Reading::of(kind)
    };
    if p.times == values {
        return Some(found(Kind::Timestamp).placed(e.local, values));
    }
    if p.dates == values {
        return Some(found(Kind::Date));
    }
    let Formats::Certain {
        formats,
        seen,
        span,
    } = e.formats()
    else {
        return None;
    };
    let clocks = formats.iter().filter(|format| has_clock(format)).count();
    let compact = formats.iter().any(|format| format.starts_with("%Y%m%d"));
    let known = (clocks == 0 || clocks == formats.len()) && (!compact || hints::time_name(name));
    if e.formatted != values || !known {
        return None;
    }
    let why = match seen {
        Some((Order::DayFirst, text)) => format!("day first: {} was seen", shown(&text)),
        Some((Order::MonthFirst, text)) => format!("month first: {} was seen", shown(&text)),
        None => format!("fits all {values}"),
    };
    let kind = if clocks == 0 {
        Kind::Date
    } else {
        Kind::Timestamp
    };
    let is_local = clocks > 0 && formats.iter().any(|format| !has_offset(format));
    let read = Reading {
        span,
        ..found(kind)
    };
    let read = read.line(format!("format = {}", one_or_list(&formats)), why);
    Some(read.placed(if is_local { values } else { 0 }, values))
}

fn numeral(p: &Profile, values: u64) -> Option<Reading> {
    let e = &p.evidence;
    let texts = p.texts.saturating_sub(e.nothing());
    if p.integers + p.numbers + texts != values || p.personal > 0 {
        return None;
    }
    let [index] = e.ways(texts)[..] else {
        return None;
    };
    let (marks, seen) = (
        &MARKS[index],
        e.marked[index].as_deref().unwrap_or_default(),
    );
    let whole = !e.broken[index] && (p.cells == p.seen || p.numbers == 0);
    let found = Reading {
        marked: true,
        ..Reading::of(if whole { Kind::Integer } else { Kind::Number })
    };
    let (key, mark) = match (marks.decimal, marks.thousands) {
        (Some(mark), _) => ("decimal", mark),
        (None, mark) => ("thousands", mark?),
    };
    let line = format!("{key} = {}", quoted(&mark.to_string()));
    Some(found.line(line, format!("{} was seen", shown(seen))))
}

/// Comments on texts with several possible readings.
fn undecided(name: &str, p: &Profile, values: u64) -> Vec<String> {
    let e = &p.evidence;
    let texts = p.texts.saturating_sub(e.nothing());
    if p.integers + p.numbers + e.digits == values
        && let Some((unit, _)) = epoch(p).filter(|_| hints::key_rank(name).is_none())
    {
        return vec![maybe_since(unit)];
    }
    if texts == values
        && e.formatted == values
        && let Formats::Open(orders) = e.formats()
    {
        let example = shown(e.example.as_deref().unwrap_or_default());
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
    if p.integers + p.numbers + texts != values || p.personal > 0 {
        return Vec::new();
    }
    match e.ways(texts)[..] {
        [] | [_] => Vec::new(),
        [first, ..] => {
            let example = shown(e.marked[first].as_deref().unwrap_or_default());
            let ways = e.ways(texts).into_iter().map(|index| {
                match (MARKS[index].decimal, MARKS[index].thousands) {
                    (Some(mark), _) => format!("decimal = \"{mark}\""),
                    (None, mark) => format!("thousands = \"{}\"", mark.unwrap_or(' ')),
                }
            });
            let ways: Vec<String> = ways.collect();
            vec![format!(
                "decide: if {example} is a number: type = \"number\", {}",
                ways.join(" or ")
            )]
        }
    }
}

fn one_or_list(formats: &[String]) -> String {
    match formats {
        [one] => quoted(one),
        several => {
            let several: Vec<String> = several.iter().map(|format| quoted(format)).collect();
            format!("[{}]", several.join(", "))
        }
    }
}

/// Lists words with the number of occurrences of each.
fn words(words: &BTreeMap<String, u64>) -> String {
    let words = words.iter().map(|(word, times)| {
        format!(
            "{} {}",
            shown(word),
            plural(*times, "time").replace('\u{a0}', " ")
        )
    });
    words.collect::<Vec<_>>().join(", ")
}

fn object(p: &Profile) -> Reading {
    if p.opaque {
        let found = Reading::of(Kind::Json);
        return match p.cells {
            0 => found.because("deep, or with many fields: kept as text"),
            _ => found,
        };
    }
    if super::field_names(p.fields.keys()).is_empty() {
        return Reading::of(Kind::Json).because("objects without fields");
    }
    // A map has many keys, each of them in few objects.
    let present: u64 = p
        .fields
        .values()
        .map(|field| field.seen + field.nulls)
        .sum();
    let few = present * 2 < p.objects * p.fields.len() as u64;
    if few && p.fields.len() > 12 {
        let why = format!(
            "a map: {} differ between objects; kept as text",
            plural(p.fields.len() as u64, "key")
        );
        return Reading::of(Kind::Json).because(why);
    }
    Reading::of(Kind::Struct)
}

fn array(name: &str, p: &Profile) -> Reading {
    let Some(items) = p
        .items
        .as_deref()
        .filter(|items| items.seen > 0 && !p.opaque)
    else {
        return Reading::of(Kind::Json).because("lists without values");
    };
    kind(name, items).listed()
}

/// Describes a mixture of types; `None` if there is only one.
fn mixture(p: &Profile) -> Option<String> {
    let texts = p.texts.saturating_sub(p.times + p.dates);
    let parts: Vec<String> = [
        (p.booleans, "boolean"),
        (p.integers, "integer"),
        (p.numbers, "number"),
        (p.times, "timestamp"),
        (p.dates, "date"),
        (texts, "string"),
        (p.arrays, "list"),
        (p.objects, "object"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, noun)| plural(n, noun).replace('\u{a0}', " "))
    .collect();
    (parts.len() > 1).then(|| format!("decide: mixed, {}", list(&parts)))
}
