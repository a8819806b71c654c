//! The data dictionary: the fields of every record type and result, on one page.
//!
//! [`html`] and [`markdown`] write contracts and result tables, field by field, with types, units,
//! allowed values, ranges and meanings. Text from contracts is escaped.

mod page;
pub mod results;
mod text;

use crate::contract::{Contract, Field, FieldKind, Personal, UnknownFields};
use jiff::Timestamp;
use retrocast_domain::{
    number::{count, plural, sensible},
    report::Silence,
};

pub use page::html;
pub use results::{ResultColumn, ResultTable, results};
pub use text::markdown;

/// A line of the dictionary: a field of a record or a column of a result.
struct Entry {
    /// Name, with the containing fields: `customer.id`.
    name: String,
    /// Number of containing fields.
    depth: usize,
    kind: String,
    required: bool,
    in_key: bool,
    unit: String,
    /// Range and length, as a phrase.
    limits: String,
    /// Other rules on values and their notation: a label, and values as written in contracts.
    rules: Vec<(&'static str, Vec<String>)>,
    /// Treatment of personal data, in one word; empty for other data.
    personal: &'static str,
    meaning: String,
}

/// All fields of a contract, each followed by its nested fields.
fn entries(contract: &Contract) -> Vec<Entry> {
    let mut out = Vec::new();
    collect_entries(&contract.fields, "", 0, &mut out);
    for entry in &mut out {
        entry.in_key = contract.key.contains(&entry.name);
    }
    out
}

fn collect_entries(fields: &[Field], outer: &str, depth: usize, out: &mut Vec<Entry>) {
    for field in fields {
        let name = format!("{outer}{}", field.name);
        out.push(Entry {
            name: name.clone(),
            depth,
            kind: kind(&field.kind),
            required: field.required,
            in_key: false,
            unit: field.unit.clone().unwrap_or_default(),
            limits: limits(field),
            rules: field_rules(field),
            personal: match field.personal {
                Personal::Keep => "",
                Personal::Hash => "hashed",
                Personal::Drop => "dropped",
            },
            meaning: field.description.clone(),
        });
        if let Some(fields) = nested_fields(&field.kind) {
            collect_entries(fields, &format!("{name}."), depth + 1, out);
        }
    }
}

/// Lists the rules on a field's values and their notation. The rules of a list include the
/// rules on its items.
fn field_rules(field: &Field) -> Vec<(&'static str, Vec<String>)> {
    let mut allowed = field.allowed.clone();
    allowed.extend(field.allowed_integers.iter().map(i64::to_string));
    let pattern = field.pattern.iter().map(|p| p.as_str().to_string());
    let notation = match &field.kind {
        FieldKind::List(item) if field.notation.is_default() => &item.notation,
        _ => &field.notation,
    };
    let mark = |mark: Option<char>| mark.iter().map(char::to_string).collect();
    let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let zone = notation.zone.iter().map(|zone| zone.name().to_string());
    let formats = notation.format.iter().map(|f| f.as_str().to_string());
    let mut rules = vec![
        ("one of", allowed),
        ("matches", pattern.collect()),
        (
            "when missing:",
            field.default.iter().map(value_text).collect(),
        ),
        ("read from", field.from.iter().cloned().collect()),
        ("written as", formats.collect()),
        ("without an offset in", zone.collect()),
        ("before decimals:", mark(notation.decimal)),
        ("between thousands:", mark(notation.thousands)),
        ("no value:", words(&notation.null_words)),
        ("true:", words(&notation.true_words)),
        ("false:", words(&notation.false_words)),
    ];
    rules.retain(|(_, texts)| !texts.is_empty());
    rules
}

/// The nested fields of a field.
fn nested_fields(kind: &FieldKind) -> Option<&[Field]> {
    match kind {
        FieldKind::Struct(fields) => Some(fields),
        FieldKind::List(item) => nested_fields(&item.kind),
        _ => None,
    }
}

fn kind(kind: &FieldKind) -> String {
    let word = match kind {
        FieldKind::String => "text",
        FieldKind::Integer => "whole number",
        FieldKind::Number => "number",
        FieldKind::Boolean => "true or false",
        FieldKind::Timestamp => "time",
        FieldKind::Date => "day",
        FieldKind::Json => "any JSON",
        FieldKind::Struct(_) => "object",
        FieldKind::List(item) => return format!("list of {}", plural_kind(&item.kind)),
    };
    word.to_string()
}

fn plural_kind(item: &FieldKind) -> String {
    let word = match item {
        FieldKind::String => "texts",
        FieldKind::Integer => "whole numbers",
        FieldKind::Number => "numbers",
        FieldKind::Boolean => "true or false",
        FieldKind::Timestamp => "times",
        FieldKind::Date => "days",
        FieldKind::Json => "any JSON",
        FieldKind::Struct(_) => "objects",
        FieldKind::List(inner) => return format!("lists of {}", plural_kind(&inner.kind)),
    };
    word.to_string()
}

/// Range and length of a field's values as a phrase; empty if they are not limited.
fn limits(field: &Field) -> String {
    let numbers = range(field.min.map(format_number), field.max.map(format_number));
    let times = range(
        field.earliest.map(format_time_limit),
        field.latest.map(format_time_limit),
    );
    let parts = [numbers, times, length(field)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn length(field: &Field) -> Option<String> {
    let [min, max] = [field.min_length, field.max_length]
        .map(|length| length.map(|length| count(length as u64)));
    match (min, max) {
        (Some(min), Some(max)) => Some(format!("{min} to {max} characters")),
        (Some(min), None) => Some(format!("at least {min} characters")),
        (None, Some(max)) => Some(format!("at most {max} characters")),
        (None, None) => None,
    }
}

/// Formats a value as in a contract, but strings without quotes.
fn value_text(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_string)
}

/// Expectations of the records as a whole, and the treatment of undeclared fields, one sentence
/// each.
fn expectations(contract: &Contract) -> Vec<String> {
    let expect = &contract.expect;
    let mut out = Vec::new();
    out.extend(expect.fresh_hours.map(|hours| {
        let hours = match hours {
            whole if whole.fract() == 0.0 && whole >= 0.0 => plural(whole as u64, "hour"),
            hours => format!("{} hours", sensible(hours)),
        };
        format!("The newest record is at most {hours} old.")
    }));
    let daily = range(
        expect.daily_records_min.map(format_number),
        expect.daily_records_max.map(format_number),
    );
    out.extend(daily.map(|range| format!("Records a day: {range}.")));
    if expect.silence == Silence::Zero {
        out.push("No records mean that nothing happened.".to_string());
    }
    match contract.unknown {
        UnknownFields::Count => {}
        UnknownFields::Keep => {
            out.push("Fields that are not listed here are kept, too.".to_string());
        }
        UnknownFields::Refuse => {
            out.push("A record with a field that is not listed here is refused.".to_string());
        }
    }
    out
}

fn range(min: Option<String>, max: Option<String>) -> Option<String> {
    match (min, max) {
        (Some(min), Some(max)) => Some(format!("{min} to {max}")),
        (Some(min), None) => Some(format!("{min} or more")),
        (None, Some(max)) => Some(format!("{max} or less")),
        (None, None) => None,
    }
}

fn format_number(value: f64) -> String {
    let is_whole = value.fract() == 0.0 && (0.0..1e15).contains(&value);
    if is_whole {
        count(value as u64)
    } else {
        value.to_string()
    }
}

/// Formats a time limit: only the day if the limit is the start or the end of a day.
fn format_time_limit(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let text =
        Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |at| at.to_string());
    let whole_day = micros.rem_euclid(DAY) == 0 || (micros + 1).rem_euclid(DAY) == 0;
    match text.split_once('T') {
        Some((day, _)) if whole_day => day.to_string(),
        _ => text,
    }
}

/// Rules of a contract for its records as a whole: labels with the fields they apply to.
fn rules(contract: &Contract) -> Vec<(&'static str, Vec<String>)> {
    let mut out = Vec::new();
    if !contract.key.is_empty() {
        out.push(("Key", contract.key.clone()));
    }
    out.extend(contract.time.clone().map(|time| ("Time", vec![time])));
    out.extend(
        contract
            .latest
            .clone()
            .map(|field| ("Latest by", vec![field])),
    );
    out
}

/// Removes control characters and bidirectional overrides from text.
fn plain(text: &str) -> String {
    let is_control = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| {
            if is_control(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
