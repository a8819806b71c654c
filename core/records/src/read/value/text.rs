//! Parses values from text: cells of CSV, strings of JSON and Parquet, and values in contracts.
//!
//! An error names the accepted forms and, if a declaration would suffice, the line to add to the
//! contract.

use crate::{
    contract::{Field, FieldKind, Notation, normalize_mark},
    read::{
        column::Column,
        quarantine::{Reason, Violation},
        time,
        value::{self, ValueResult, quote},
    },
};
use std::borrow::Cow;

/// The origin of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::read) enum Origin {
    /// A cell of CSV, where all values are text.
    Cell,
    /// A string of JSON or Parquet; these formats distinguish strings from numbers.
    String,
    /// The contract itself, which has its own notation.
    Contract,
}

/// Appends a text to a column.
pub(in crate::read) fn push(
    text: &str,
    field: &Field,
    column: &mut Column,
    origin: Origin,
) -> ValueResult {
    let notation = &field.notation;
    let from_contract = origin == Origin::Contract;
    match field.kind {
        FieldKind::String if origin == Origin::Cell && notation.is_declared_null(text) => {
            return value::push_null(field, column);
        }
        FieldKind::String => return value::push_string(field, column, text),
        FieldKind::Timestamp => {
            let found = if from_contract {
                time::parse_unambiguous(text).map(|time| time.in_zone(notation.zone_rules()))
            } else {
                time::read(text, notation)
            };
            if let Some(micros) = found {
                return value::push_moment(field, column, micros, &|| quote(text));
            }
        }
        FieldKind::Date => {
            let found = if from_contract {
                time::date(text)
            } else {
                time::read_day(text, notation)
            };
            if let Some(days) = found {
                return value::push_day(field, column, days, &|| quote(text));
            }
        }
        FieldKind::Integer if allows_numbers(notation, origin) => {
            let number = normalize_number(text, notation).and_then(|text| {
                let with_point = || value::exact_integer(text.parse().ok()?);
                text.parse().ok().or_else(with_point)
            });
            if let Some(number) = number {
                return value::push_integer(field, column, number);
            }
        }
        FieldKind::Number if allows_numbers(notation, origin) => {
            let number = normalize_number(text, notation).and_then(|text| text.parse::<f64>().ok());
            if let Some(number) = number.filter(|number| number.is_finite()) {
                return value::push_number(field, column, number);
            }
        }
        FieldKind::Boolean if !from_contract => {
            if let Some(truth) = notation.parse_boolean(text.trim()) {
                return value::push_boolean(field, column, truth);
            }
        }
        FieldKind::Json | FieldKind::List(_) | FieldKind::Struct(_) => {
            return Err(value::wrong_type(field, &format!("string {}", quote(text))));
        }
        _ => {}
    }
    if !from_contract && notation.is_null(text) {
        return value::push_null(field, column);
    }
    let noun = if origin == Origin::Cell {
        "text"
    } else {
        "string"
    };
    let found = format!("{noun} {}", quote(text));
    let advice = if from_contract {
        String::new()
    } else {
        advice(field, text)
    };
    let message = format!(
        "expected {}, found {found}{advice}",
        field.kind.with_article()
    );
    Err(Violation::new(Reason::WrongType, message))
}

/// Appends a number to a field of another type: a time since 1970 or written in digits, or a word
/// for true or false.
pub(in crate::read) fn push_digits(text: &str, field: &Field, column: &mut Column) -> ValueResult {
    let notation = &field.notation;
    let describe = || format!("number {text}");
    match field.kind {
        FieldKind::Timestamp if !notation.format.is_empty() => {
            if let Some(micros) = time::read(text, notation) {
                return value::push_moment(field, column, micros, &describe);
            }
        }
        FieldKind::Date if !notation.format.is_empty() => {
            if let Some(days) = time::read_day(text, notation) {
                return value::push_day(field, column, days, &describe);
            }
        }
        FieldKind::Boolean => {
            if let Some(truth) = notation.parse_boolean(text) {
                return value::push_boolean(field, column, truth);
            }
        }
        _ => {}
    }
    let mut violation = value::wrong_type(field, &describe());
    if !matches!(field.kind, FieldKind::Integer | FieldKind::Number) {
        violation.message += &advice(field, text);
    }
    Err(violation)
}

/// Returns true if text can be a number: in formats with native numbers, only if the contract
/// declares the notation.
fn allows_numbers(notation: &Notation, origin: Origin) -> bool {
    match origin {
        Origin::Cell => true,
        Origin::String => notation.declares_marks(),
        Origin::Contract => false,
    }
}

/// Normalises a number: a point before decimals and nothing between thousands.
pub(crate) fn normalize_number<'t>(text: &'t str, notation: &Notation) -> Option<Cow<'t, str>> {
    let text = text.trim();
    if !notation.declares_marks() {
        return Some(Cow::Borrowed(text));
    }
    let (text, exponent) = match text.find(['e', 'E']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (whole, decimals) = match text.split_once(notation.decimal_mark()) {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text, None),
    };
    let (sign, whole) = match whole.strip_prefix(['-', '\u{2212}']) {
        Some(whole) => ("-", whole),
        None => ("", whole.strip_prefix('+').unwrap_or(whole)),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !decimals.is_none_or(is_digits) {
        return None;
    }
    let mut groups = vec![whole];
    let mut marks = whole.chars().map(normalize_mark);
    if let Some(mark) = marks.find(|mark| notation.is_thousands_mark(*mark)) {
        groups = whole.split(|c| normalize_mark(c) == mark).collect();
        let first = groups.first().copied().unwrap_or_default();
        let is_valid_first = matches!(first.len(), 1..=3) && !first.starts_with('0');
        if !is_valid_first || groups.iter().skip(1).any(|group| group.len() != 3) {
            return None;
        }
    }
    if !groups.iter().copied().all(is_digits) {
        return None;
    }
    let point = if decimals.is_some() { "." } else { "" };
    let (whole, decimals) = (groups.concat(), decimals.unwrap_or_default());
    Some(format!("{sign}{whole}{point}{decimals}{exponent}").into())
}

/// Adds the accepted forms, and the line to add, to "expected …, found …". Depends only on the form
/// of a text.
fn advice(field: &Field, text: &str) -> String {
    let table = format!("[{}]", field.table);
    match field.kind {
        FieldKind::Timestamp | FieldKind::Date => time_advice(field, text.trim(), &table),
        FieldKind::Integer | FieldKind::Number => number_advice(field, text.trim(), &table),
        FieldKind::Boolean => {
            let words = |truth: bool| field.notation.words_for(truth).join(", ");
            format!(
                "; accepted are {} for true and {} for false, and other words by `true_words` and \
                 `false_words` in {table}",
                words(true),
                words(false)
            )
        }
        _ => String::new(),
    }
}

fn time_advice(field: &Field, text: &str, table: &str) -> String {
    let notation = &field.notation;
    if !notation.format.is_empty() {
        let formats = notation
            .format
            .iter()
            .map(|format| format!("{:?}", format.as_str()));
        let formats: Vec<String> = formats.collect();
        return format!("; the contract has format = {}", formats.join(" or "));
    }
    if let Some(unit) = text.parse().ok().and_then(time::epoch_unit) {
        let (plural, word) = (unit.plural(), unit.word());
        return format!(
            "; it looks like {plural} since 1970: add `format = \"{word}\"` to {table}"
        );
    }
    let accepted = match field.kind {
        FieldKind::Date => "accepted are days such as 2026-11-17",
        _ => {
            "accepted are times such as 2026-11-17T09:12:00Z, 2026-11-17 09:12:00 +0100 and \
             Tue, 17 Nov 2026 09:12:00 GMT"
        }
    };
    if let Some((format, zone)) = zone_abbreviation(text) {
        return format!(
            "; {accepted}; {zone} means several offsets: add `format = \"{format} {zone}\"` and \
             the zone that is meant, such as `zone = \"America/New_York\"`, to {table}"
        );
    }
    match time::guess_formats(text).as_slice() {
        [] => format!("; {accepted}; for others add `format` to {table}"),
        [format] => format!("; {accepted}; add `format = {format:?}` to {table}"),
        [format, other, ..] => {
            format!("; {accepted}; add `format = {format:?}` to {table} (or {other:?})")
        }
    }
}

/// The format of a time that ends with a zone's abbreviation, and the abbreviation.
fn zone_abbreviation(text: &str) -> Option<(String, &str)> {
    let (time, zone) = text.rsplit_once(' ')?;
    let is_name = matches!(zone.len(), 2..=5) && zone.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_name || matches!(zone, "AM" | "PM") {
        return None;
    }
    Some((time::guess_formats(time).into_iter().next()?, zone))
}

fn number_advice(field: &Field, text: &str, table: &str) -> String {
    let notation = &field.notation;
    if notation.declares_marks() {
        let decimal = notation.decimal_mark();
        let thousands = notation
            .thousands
            .map(|mark| format!(" and thousands = \"{mark}\""));
        let thousands = thousands.unwrap_or_default();
        return format!("; the contract has decimal = \"{decimal}\"{thousands}");
    }
    let is_number_with = |decimal, thousands| {
        let notation = Notation {
            decimal,
            thousands,
            ..Notation::default()
        };
        let number = normalize_number(text, &notation).and_then(|text| text.parse::<f64>().ok());
        number.is_some_and(f64::is_finite)
    };
    let mut lines = Vec::new();
    if is_number_with(Some('.'), None) {
        lines.push("`decimal = \".\"`".to_string());
    } else {
        if is_number_with(Some(','), None) {
            lines.push("`decimal = \",\"`".to_string());
        }
        let marks = [',', ' ', '\'', '_'].into_iter();
        let marks = marks.filter(|mark| is_number_with(None, Some(*mark)));
        lines.extend(marks.map(|mark| format!("`thousands = \"{mark}\"`")));
    }
    match lines.as_slice() {
        [] => String::new(),
        lines => format!("; add {} to {table}", lines.join(" or ")),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
