//! The data dictionary: what every record type and every result holds, as one page for people.
//!
//! [`html`] and [`markdown`] write contracts and result tables, field by field, with types, units,
//! allowed values, ranges and meanings. Texts of contracts are data: they are escaped.

mod page;
pub mod results;
mod text;

use crate::contract::{Contract, Field, FieldKind};
use jiff::Timestamp;
use retrocast_domain::number::count;

pub use page::html;
pub use results::{ResultColumn, ResultTable, results};
pub use text::markdown;

/// One line of the dictionary: a field of a record or a column of a result.
struct Entry {
    /// Name, with those of the fields that contain it: `customer.id`.
    name: String,
    /// How many fields contain it.
    depth: usize,
    kind: String,
    required: bool,
    in_key: bool,
    unit: String,
    /// Values allowed; empty for any.
    allowed: Vec<String>,
    /// Other limits, in words.
    limits: String,
    meaning: String,
}

/// All fields of a contract, those within others after them.
fn entries(contract: &Contract) -> Vec<Entry> {
    let mut out = Vec::new();
    gather(&contract.fields, "", 0, &mut out);
    for entry in &mut out {
        entry.in_key = contract.key.contains(&entry.name);
    }
    out
}

fn gather(fields: &[Field], outer: &str, depth: usize, out: &mut Vec<Entry>) {
    for field in fields {
        let name = format!("{outer}{}", field.name);
        // Limits of a list's items stand at the list, too.
        let mut allowed = field.allowed.clone();
        allowed.extend(field.allowed_integers.iter().map(i64::to_string));
        out.push(Entry {
            name: name.clone(),
            depth,
            kind: kind(&field.kind),
            required: field.required,
            in_key: false,
            unit: field.unit.clone().unwrap_or_default(),
            allowed,
            limits: limits(field),
            meaning: field.description.clone(),
        });
        if let Some(fields) = inner(&field.kind) {
            gather(fields, &format!("{name}."), depth + 1, out);
        }
    }
}

/// The fields within a field.
fn inner(kind: &FieldKind) -> Option<&[Field]> {
    match kind {
        FieldKind::Struct(fields) => Some(fields),
        FieldKind::List(item) => inner(&item.kind),
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
        FieldKind::List(item) => return format!("list of {}", many(&item.kind)),
    };
    word.to_string()
}

fn many(item: &FieldKind) -> String {
    let word = match item {
        FieldKind::String => "texts",
        FieldKind::Integer => "whole numbers",
        FieldKind::Number => "numbers",
        FieldKind::Boolean => "true or false",
        FieldKind::Timestamp => "times",
        FieldKind::Date => "days",
        FieldKind::Json => "any JSON",
        FieldKind::Struct(_) => "objects",
        FieldKind::List(inner) => return format!("lists of {}", many(&inner.kind)),
    };
    word.to_string()
}

/// Range and length of a field's values in words; empty for none.
fn limits(field: &Field) -> String {
    let numbers = range(field.min.map(number), field.max.map(number));
    let times = range(field.earliest.map(moment), field.latest.map(moment));
    let length = field
        .max_length
        .map(|most| format!("at most {} characters", count(most as u64)));
    let parts = [numbers, times, length];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn range(least: Option<String>, most: Option<String>) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) => Some(format!("{least} or more")),
        (None, Some(most)) => Some(format!("{most} or less")),
        (None, None) => None,
    }
}

fn number(value: f64) -> String {
    let whole = value.fract() == 0.0 && (0.0..1e15).contains(&value);
    if whole {
        count(value as u64)
    } else {
        value.to_string()
    }
}

/// A limit of times: the day alone where the limit is the beginning or the end of one.
fn moment(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let text =
        Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |at| at.to_string());
    let whole_day = micros.rem_euclid(DAY) == 0 || (micros + 1).rem_euclid(DAY) == 0;
    match text.split_once('T') {
        Some((day, _)) if whole_day => day.to_string(),
        _ => text,
    }
}

/// What a contract says of its records as a whole, a sentence each.
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

/// Text as it may stand on a page: without characters that steer a terminal or turn text around.
fn plain(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| {
            if steers(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
