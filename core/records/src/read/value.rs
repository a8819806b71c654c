//! Checks one value against its field and appends it to its column, for JSON, CSV and Parquet. A
//! default of the contract that replaces a missing value is appended in the same way.

pub(in crate::read) mod json;
pub(in crate::read) mod text;

use super::{
    column::Column,
    quarantine::{Reason, Violation, truncate},
};
use crate::contract::{Field, FieldKind};
use jiff::{Timestamp, civil};
use std::cmp::Ordering;

pub use super::time::{DAY_MICROS, date, time_text, timestamp};

pub(super) type ValueResult = Result<(), Violation>;

/// The supported days, from the year -9999 to the year 9999, as days since 1970.
const DAYS: std::ops::RangeInclusive<i32> = -4_371_587..=2_932_896;
/// Maximum length of a value in a message, in characters.
const EXCERPT_CHARACTERS_MAX: usize = 40;

/// The violation of a value of another type, such as "expected a string, found number 17".
pub(super) fn wrong_type(field: &Field, found: &str) -> Violation {
    let message = format!("expected {}, found {found}", field.kind.with_article());
    Violation::new(Reason::WrongType, message)
}

/// Formats text for a message.
pub(super) fn quote(text: &str) -> String {
    format!("{:?}", truncate(text, EXCERPT_CHARACTERS_MAX))
}

pub(super) fn push_null(field: &Field, column: &mut Column) -> ValueResult {
    push_missing(field, column, "the value is null")
}

/// Appends the replacement of a missing value: the field's default, else null; `message` is the
/// error if the field is required.
pub(super) fn push_missing(field: &Field, column: &mut Column, message: &str) -> ValueResult {
    if let Some(default) = &field.default {
        return json::push_default(default, field, column);
    }
    if field.required {
        return Err(Violation::new(Reason::MissingRequired, message));
    }
    column.push_null();
    Ok(())
}

pub(super) fn push_boolean(field: &Field, column: &mut Column, value: bool) -> ValueResult {
    if !matches!(field.kind, FieldKind::Boolean) {
        return Err(wrong_type(field, &format!("boolean {value}")));
    }
    column.push_boolean(value);
    Ok(())
}

pub(super) fn push_integer(field: &Field, column: &mut Column, value: i64) -> ValueResult {
    match field.kind {
        FieldKind::Integer => {
            check_range(field, &|limit| compare(value, limit), &value)?;
            if !field.allowed_integers.is_empty() && !field.allowed_integers.contains(&value) {
                let allowed: Vec<_> = field.allowed_integers.iter().map(i64::to_string).collect();
                return Err(not_allowed(&value.to_string(), &allowed));
            }
            column.push_integer(value);
        }
        FieldKind::Number => {
            check_range(field, &|limit| compare(value, limit), &value)?;
            column.push_number(value as f64);
        }
        _ => return text::push_digits(&value.to_string(), field, column),
    }
    Ok(())
}

/// Appends an unsigned integer, which may exceed signed 64 bits.
pub(super) fn push_unsigned(field: &Field, column: &mut Column, value: u64) -> ValueResult {
    match (i64::try_from(value), &field.kind) {
        (Ok(value), _) => push_integer(field, column, value),
        (Err(_), FieldKind::Integer) => Err(Violation::new(
            Reason::OutOfRange,
            format!("{value} does not fit an integer of 64 bits"),
        )),
        (Err(_), FieldKind::Timestamp | FieldKind::Date) => {
            text::push_digits(&value.to_string(), field, column)
        }
        (Err(_), _) => push_number(field, column, value as f64),
    }
}

/// Appends a number that was written with a point or an exponent. Programs without integers write 5
/// as 5.0.
pub(super) fn push_number(field: &Field, column: &mut Column, value: f64) -> ValueResult {
    match (&field.kind, exact_integer(value)) {
        (FieldKind::Number, _) => {
            let order = |limit| value.partial_cmp(&limit).unwrap_or(Ordering::Equal);
            check_range(field, &order, &format_number(value))?;
            column.push_number(value);
            Ok(())
        }
        (FieldKind::Integer | FieldKind::Boolean, Some(value)) => {
            push_integer(field, column, value)
        }
        // The shortest form of a number of up to 15 digits has the digits that were written.
        (FieldKind::Timestamp | FieldKind::Date, _) => {
            text::push_digits(&value.to_string(), field, column)
        }
        _ => text::push_digits(&format_number(value), field, column),
    }
}

/// Converts a number to an integer if that is exact: from 2^53 on, several integers are represented
/// by the same number.
pub(super) fn exact_integer(value: f64) -> Option<i64> {
    let exact = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
    exact.then_some(value as i64)
}

/// Formats a number for a message; very large and very small numbers have an exponent.
fn format_number(value: f64) -> String {
    if value == 0.0 || (1e-6..1e16).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// Compares an integer with a limit without loss of precision.
fn compare(value: i64, limit: f64) -> Ordering {
    let below = limit.floor();
    let order = i128::from(value).cmp(&(below as i128));
    match order {
        Ordering::Equal if limit > below => Ordering::Less,
        order => order,
    }
}

/// Appends a string to a field of type string.
pub(super) fn push_string(field: &Field, column: &mut Column, value: &str) -> ValueResult {
    if !field.allowed.is_empty() && !field.allowed.iter().any(|allowed| allowed == value) {
        return Err(not_allowed(&quote(value), &field.allowed));
    }
    check_length(field, value)?;
    check_pattern(field, value)?;
    column.push_text(value);
    Ok(())
}

/// Appends a string of JSON or Parquet.
pub(super) fn push_text(field: &Field, column: &mut Column, value: &str) -> ValueResult {
    text::push(value, field, column, text::Origin::String)
}

/// Appends a parsed time: microseconds since 1970 UTC; `describe` gives its text for messages.
pub(super) fn push_moment(
    field: &Field,
    column: &mut Column,
    micros: i64,
    describe: &dyn Fn() -> String,
) -> ValueResult {
    check_time(field, micros, describe)?;
    if time_text(micros).is_none() {
        let message = format!("{} is outside the supported range of times", describe());
        return Err(Violation::new(Reason::OutOfRange, message));
    }
    column.push_integer(micros);
    Ok(())
}

/// Appends a parsed day: days since 1970; `describe` gives its text for messages.
pub(super) fn push_day(
    field: &Field,
    column: &mut Column,
    days: i32,
    describe: &dyn Fn() -> String,
) -> ValueResult {
    check_time(field, i64::from(days) * DAY_MICROS, describe)?;
    if !DAYS.contains(&days) {
        let message = format!("{} is outside the supported range of days", describe());
        return Err(Violation::new(Reason::OutOfRange, message));
    }
    column.push_date(days);
    Ok(())
}

/// Appends a native time: microseconds since 1970 UTC.
pub(super) fn push_micros(field: &Field, column: &mut Column, micros: i64) -> ValueResult {
    let Some(moment) = time_text(micros) else {
        let message = format!("{micros} µs since 1970 is outside the supported range of times");
        return Err(Violation::new(Reason::OutOfRange, message));
    };
    if !matches!(field.kind, FieldKind::Timestamp) {
        return Err(wrong_type(field, &format!("a time, {moment}")));
    }
    check_time(field, micros, &|| moment.clone())?;
    column.push_integer(micros);
    Ok(())
}

/// Appends a native day: days since 1970.
pub(super) fn push_days(field: &Field, column: &mut Column, days: i32) -> ValueResult {
    let micros = i64::from(days) * DAY_MICROS;
    let since = jiff::Span::new().try_days(days);
    let Ok(day) = since.and_then(|days| civil::date(1970, 1, 1).checked_add(days)) else {
        let message = format!("{days} days since 1970 is outside the supported range of days");
        return Err(Violation::new(Reason::OutOfRange, message));
    };
    let day = || day.to_string();
    if !matches!(field.kind, FieldKind::Date) {
        return Err(wrong_type(field, &format!("a day, {}", day())));
    }
    check_time(field, micros, &day)?;
    column.push_date(days);
    Ok(())
}

/// Appends the canonical JSON text of any value.
pub(super) fn push_json(
    field: &Field,
    column: &mut Column,
    value: &serde_json::Value,
) -> ValueResult {
    if value.is_null() {
        return push_null(field, column);
    }
    let text = retrocast_domain::canonical::json(value);
    check_length(field, &text)?;
    column.push_text(&text);
    Ok(())
}

fn check_length(field: &Field, value: &str) -> ValueResult {
    // A string has at least as many bytes as characters, so most strings need no counting.
    let may_be_long = field.max_length.is_some_and(|max| value.len() > max);
    if !may_be_long && field.min_length.is_none() {
        return Ok(());
    }
    let length = value.chars().count();
    let describe = |limit: usize| {
        let characters = if length == 1 {
            "character"
        } else {
            "characters"
        };
        format!("the text has {length} {characters}, {limit}")
    };
    match (field.min_length, field.max_length) {
        (_, Some(max)) if length > max => Err(Violation::new(
            Reason::TooLong,
            format!("{} are allowed", describe(max)),
        )),
        (Some(min), _) if length < min => Err(Violation::new(
            Reason::TooShort,
            format!("{} are needed", describe(min)),
        )),
        _ => Ok(()),
    }
}

fn check_pattern(field: &Field, value: &str) -> ValueResult {
    match &field.pattern {
        Some(pattern) if !pattern.is_match(value) => {
            let pattern_text = truncate(pattern.as_str(), 200);
            let message = format!("{} does not match the pattern {pattern_text}", quote(value));
            Err(Violation::new(Reason::NotAllowed, message))
        }
        _ => Ok(()),
    }
}

fn not_allowed(found: &str, allowed: &[String]) -> Violation {
    let message = format!(
        "{found} is not one of: {}",
        truncate(&allowed.join(", "), 200)
    );
    Violation::new(Reason::NotAllowed, message)
}

/// Checks microseconds since 1970 against the limits of the field.
fn check_time(field: &Field, micros: i64, describe: &dyn Fn() -> String) -> ValueResult {
    let violation = |side: &str, limit: i64| {
        let limit = Timestamp::from_microsecond(limit).map_or(String::new(), |at| at.to_string());
        let message = format!("{} is {side} allowed, {limit}", describe());
        Err(Violation::new(Reason::OutOfRange, message))
    };
    match (field.earliest, field.latest) {
        (Some(earliest), _) if micros < earliest => violation("before the earliest", earliest),
        (_, Some(latest)) if micros > latest => violation("after the latest", latest),
        _ => Ok(()),
    }
}

/// Checks a value against the limits of the field; `order` compares it with a limit.
fn check_range(
    field: &Field,
    order: &dyn Fn(f64) -> Ordering,
    value: &dyn std::fmt::Display,
) -> ValueResult {
    let unit = || {
        field
            .unit
            .as_ref()
            .map_or(String::new(), |unit| format!(" {unit}"))
    };
    let violation = |side: &str, limit: f64| {
        let limit = format_number(limit);
        let message = format!("{value}{} is {side} {limit}{}", unit(), unit());
        Err(Violation::new(Reason::OutOfRange, message))
    };
    match (field.min, field.max) {
        (Some(min), _) if order(min) == Ordering::Less => violation("below the minimum,", min),
        (_, Some(max)) if order(max) == Ordering::Greater => violation("above the maximum,", max),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_compared_with_limits_exactly() {
        let big = 9_007_199_254_740_992_i64;
        assert_eq!(compare(big + 1, big as f64), Ordering::Greater);
        assert_eq!(compare(big, big as f64), Ordering::Equal);
        assert_eq!(compare(2, 2.5), Ordering::Less);
        assert_eq!(compare(3, 2.5), Ordering::Greater);
        assert_eq!(compare(-3, -2.5), Ordering::Less);
        assert_eq!(compare(i64::MAX, f64::INFINITY), Ordering::Less);
        assert_eq!(exact_integer(5.0), Some(5));
        assert_eq!(exact_integer(-0.0), Some(0));
        assert_eq!(exact_integer(5.5), None);
        assert_eq!(exact_integer(f64::NAN), None);
        assert_eq!(exact_integer(9_007_199_254_740_992.0), None);
        assert_eq!(format_number(1e300), "1e300");
        assert_eq!(format_number(-2.5), "-2.5");
    }
}
