//! One value, checked against its field and pushed into its column. JSON and CSV meet here.

use super::{
    column::Column,
    quarantine::{Reason, Violation, cut},
};
use crate::contract::{Field, FieldKind};
use jiff::{Timestamp, civil};
use std::cmp::Ordering;

type Checked = Result<(), Violation>;

/// Microseconds of a day.
pub const DAY_MICROS: i64 = 86_400_000_000;
/// Characters of a value that a message shows.
const SHOWN: usize = 40;

/// "expected a string, found number 17".
pub(super) fn wrong_type(field: &Field, found: &str) -> Violation {
    let message = format!("expected {}, found {found}", field.kind.expected());
    Violation::new(Reason::WrongType, message)
}

/// How a message shows a text.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", cut(text, SHOWN))
}

pub(super) fn push_null(field: &Field, column: &mut Column) -> Checked {
    push_missing(field, column, "the value is null")
}

/// What stands in for a value that is not there: the field's default, else null, which `message` is
/// about when the field is required.
pub(super) fn push_missing(field: &Field, column: &mut Column, message: &str) -> Checked {
    if let Some(default) = &field.default {
        return super::json::push_value(default, field, column);
    }
    if field.required {
        return Err(Violation::new(Reason::MissingRequired, message));
    }
    column.push_null();
    Ok(())
}

pub(super) fn push_boolean(field: &Field, column: &mut Column, value: bool) -> Checked {
    if !matches!(field.kind, FieldKind::Boolean) {
        return Err(wrong_type(field, &format!("boolean {value}")));
    }
    column.push_boolean(value);
    Ok(())
}

pub(super) fn push_integer(field: &Field, column: &mut Column, value: i64) -> Checked {
    match field.kind {
        FieldKind::Integer => {
            in_range(field, &|limit| compare(value, limit), &value)?;
            if !field.allowed_integers.is_empty() && !field.allowed_integers.contains(&value) {
                let allowed: Vec<_> = field.allowed_integers.iter().map(i64::to_string).collect();
                return Err(not_allowed(&value.to_string(), &allowed));
            }
            column.push_integer(value);
        }
        FieldKind::Number => {
            in_range(field, &|limit| compare(value, limit), &value)?;
            column.push_number(value as f64);
        }
        _ => return Err(wrong_type(field, &format!("number {value}"))),
    }
    Ok(())
}

/// Whole numbers that 64 bits with a sign cannot hold.
pub(super) fn push_unsigned(field: &Field, column: &mut Column, value: u64) -> Checked {
    match (i64::try_from(value), &field.kind) {
        (Ok(value), _) => push_integer(field, column, value),
        (Err(_), FieldKind::Integer) => Err(Violation::new(
            Reason::OutOfRange,
            format!("{value} does not fit an integer of 64 bits"),
        )),
        (Err(_), _) => push_number(field, column, value as f64),
    }
}

/// A number as it was written with a point or an exponent. Programs that know no integers write 5 as 5.0.
pub(super) fn push_number(field: &Field, column: &mut Column, value: f64) -> Checked {
    match (&field.kind, whole(value)) {
        (FieldKind::Number, _) => {
            let order = |limit| value.partial_cmp(&limit).unwrap_or(Ordering::Equal);
            in_range(field, &order, &shown(value))?;
            column.push_number(value);
            Ok(())
        }
        (FieldKind::Integer, Some(value)) => push_integer(field, column, value),
        _ => Err(wrong_type(field, &format!("number {}", shown(value)))),
    }
}

/// A number as an integer, where it is surely that one: from 2^53 on it may stand for others.
pub(super) fn whole(value: f64) -> Option<i64> {
    let exact = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
    exact.then_some(value as i64)
}

/// How a message shows a number: very large and very small ones by their exponent.
fn shown(value: f64) -> String {
    if value == 0.0 || (1e-6..1e16).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// An integer beside a limit, without making it inexact.
fn compare(value: i64, limit: f64) -> Ordering {
    let below = limit.floor();
    let order = i128::from(value).cmp(&(below as i128));
    match order {
        Ordering::Equal if limit > below => Ordering::Less,
        order => order,
    }
}

pub(super) fn push_text(field: &Field, column: &mut Column, value: &str) -> Checked {
    match field.kind {
        FieldKind::String => {
            if !field.allowed.is_empty() && !field.allowed.iter().any(|allowed| allowed == value) {
                return Err(not_allowed(&quoted(value), &field.allowed));
            }
            of_length(field, value)?;
            of_pattern(field, value)?;
            column.push_text(value);
        }
        FieldKind::Timestamp => match timestamp(value) {
            Some(micros) => {
                in_time(field, micros, &|| quoted(value))?;
                if time_text(micros).is_none() {
                    let message = format!("{} is no time that can be kept", quoted(value));
                    return Err(Violation::new(Reason::OutOfRange, message));
                }
                column.push_integer(micros);
            }
            None => {
                let found = format!("string {}", quoted(value));
                return Err(wrong_type(field, &found));
            }
        },
        FieldKind::Date => match date(value) {
            Some(days) => {
                in_time(field, i64::from(days) * DAY_MICROS, &|| quoted(value))?;
                column.push_date(days);
            }
            None => return Err(wrong_type(field, &format!("string {}", quoted(value)))),
        },
        _ => return Err(wrong_type(field, &format!("string {}", quoted(value)))),
    }
    Ok(())
}

/// A moment that is no text: microseconds since 1970 UTC.
pub(super) fn push_micros(field: &Field, column: &mut Column, micros: i64) -> Checked {
    let Some(moment) = time_text(micros) else {
        let message = format!("{micros} µs since 1970 is no time that can be kept");
        return Err(Violation::new(Reason::OutOfRange, message));
    };
    if !matches!(field.kind, FieldKind::Timestamp) {
        return Err(wrong_type(field, &format!("a time, {moment}")));
    }
    in_time(field, micros, &|| moment.clone())?;
    column.push_integer(micros);
    Ok(())
}

/// A moment in words, of microseconds since 1970 UTC: to the end of the year 9999, which stands for
/// "never" in many a record, and which the usual type of moments does not reach.
pub fn time_text(micros: i64) -> Option<String> {
    if let Ok(moment) = Timestamp::from_microsecond(micros) {
        return Some(moment.to_string());
    }
    let (days, rest) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
    let days = jiff::Span::new().try_days(days).ok()?;
    let date = civil::date(1970, 1, 1).checked_add(days).ok()?;
    let rest = jiff::SignedDuration::from_micros(rest);
    let moment = date.at(0, 0, 0, 0).checked_add(rest).ok()?;
    Some(format!("{moment}Z"))
}

/// A day that is no text: days since 1970.
pub(super) fn push_days(field: &Field, column: &mut Column, days: i32) -> Checked {
    let micros = i64::from(days) * DAY_MICROS;
    let since = jiff::Span::new().try_days(days);
    let Ok(day) = since.and_then(|days| civil::date(1970, 1, 1).checked_add(days)) else {
        let message = format!("{days} days since 1970 is no day that can be kept");
        return Err(Violation::new(Reason::OutOfRange, message));
    };
    let day = || day.to_string();
    if !matches!(field.kind, FieldKind::Date) {
        return Err(wrong_type(field, &format!("a day, {}", day())));
    }
    in_time(field, micros, &day)?;
    column.push_date(days);
    Ok(())
}

/// Canonical JSON text of any value.
pub(super) fn push_json(field: &Field, column: &mut Column, value: &serde_json::Value) -> Checked {
    if value.is_null() {
        return push_null(field, column);
    }
    let text = retrocast_domain::canonical::json(value);
    of_length(field, &text)?;
    column.push_text(&text);
    Ok(())
}

fn of_length(field: &Field, value: &str) -> Checked {
    // Bytes are never fewer than characters, so most texts need no counting.
    let may_be_long = field.max_length.is_some_and(|most| value.len() > most);
    if !may_be_long && field.min_length.is_none() {
        return Ok(());
    }
    let length = value.chars().count();
    let told = |limit: usize| {
        let characters = if length == 1 {
            "character"
        } else {
            "characters"
        };
        format!("the text has {length} {characters}, {limit}")
    };
    match (field.min_length, field.max_length) {
        (_, Some(most)) if length > most => Err(Violation::new(
            Reason::TooLong,
            format!("{} are allowed", told(most)),
        )),
        (Some(least), _) if length < least => Err(Violation::new(
            Reason::TooShort,
            format!("{} are needed", told(least)),
        )),
        _ => Ok(()),
    }
}

fn of_pattern(field: &Field, value: &str) -> Checked {
    match &field.pattern {
        Some(pattern) if !pattern.fits(value) => {
            let shown = cut(pattern.as_str(), 200);
            let message = format!("{} does not match the pattern {shown}", quoted(value));
            Err(Violation::new(Reason::NotAllowed, message))
        }
        _ => Ok(()),
    }
}

fn not_allowed(found: &str, allowed: &[String]) -> Violation {
    let message = format!("{found} is not one of: {}", cut(&allowed.join(", "), 200));
    Violation::new(Reason::NotAllowed, message)
}

/// Microseconds since 1970 within the limits of the field.
fn in_time(field: &Field, micros: i64, shown: &dyn Fn() -> String) -> Checked {
    let out = |side: &str, limit: i64| {
        let limit = Timestamp::from_microsecond(limit).map_or(String::new(), |at| at.to_string());
        let message = format!("{} is {side} allowed, {limit}", shown());
        Err(Violation::new(Reason::OutOfRange, message))
    };
    match (field.earliest, field.latest) {
        (Some(earliest), _) if micros < earliest => out("before the earliest", earliest),
        (_, Some(latest)) if micros > latest => out("after the latest", latest),
        _ => Ok(()),
    }
}

/// A value within the limits of the field; `order` says where it is from a limit.
fn in_range(
    field: &Field,
    order: &dyn Fn(f64) -> Ordering,
    value: &dyn std::fmt::Display,
) -> Checked {
    let unit = || {
        field
            .unit
            .as_ref()
            .map_or(String::new(), |unit| format!(" {unit}"))
    };
    let out = |side: &str, limit: f64| {
        let limit = shown(limit);
        let message = format!("{value}{} is {side} {limit}{}", unit(), unit());
        Err(Violation::new(Reason::OutOfRange, message))
    };
    match (field.min, field.max) {
        (Some(min), _) if order(min) == Ordering::Less => out("below the least allowed,", min),
        (_, Some(max)) if order(max) == Ordering::Greater => {
            out("above the greatest allowed,", max)
        }
        _ => Ok(()),
    }
}

/// Microseconds since 1970 UTC of an RFC 3339 time, or of a time without offset, which is UTC.
pub fn timestamp(text: &str) -> Option<i64> {
    if let Some(micros) = plain_timestamp(text.as_bytes()) {
        return Some(micros);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_microsecond());
    }
    // Only with a clock time: a bare day is a date, not a moment.
    if text.len() < 16 || text.contains('[') {
        return None;
    }
    let civil: civil::DateTime = text.parse().ok()?;
    Some(
        civil
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_microsecond(),
    )
}

/// The common form `YYYY-MM-DDTHH:MM:SS[.f…](Z|±HH:MM)`, without going through a general parser,
/// which would take a third of all time spent on reading.
fn plain_timestamp(text: &[u8]) -> Option<i64> {
    let (head, rest) = text.split_at_checked(19)?;
    if head[4] != b'-' || head[7] != b'-' || head[13] != b':' || head[16] != b':' {
        return None;
    }
    if !matches!(head[10], b'T' | b' ') {
        return None;
    }
    let days = days(&head[..10])?;
    let (hour, minute, second) = (two(&head[11..])?, two(&head[14..])?, two(&head[17..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, zone) = match rest.split_first() {
        Some((b'.', digits)) => {
            let length = digits
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if length == 0 || length > 9 {
                return None;
            }
            let kept = &digits[..length.min(6)];
            let value = kept
                .iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            (value * 10_i64.pow(6 - kept.len() as u32), &digits[length..])
        }
        _ => (0, rest),
    };
    let offset = match zone {
        [] | b"Z" => 0,
        [sign @ (b'+' | b'-'), offset @ ..] if offset.len() == 5 && offset[2] == b':' => {
            let (hours, minutes) = (two(offset)?, two(&offset[3..])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = i64::from(days) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * 1_000_000 + micros)
}

/// Days since 1970 of `YYYY-MM-DD`.
pub fn date(text: &str) -> Option<i32> {
    days(text.as_bytes())
}

fn days(text: &[u8]) -> Option<i32> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (
        two(text)? * 100 + two(&text[2..])?,
        two(&text[5..])?,
        two(&text[8..])?,
    );
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > last {
        return None;
    }
    // Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil.
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some((era * 146_097 + of_era - 719_468) as i32)
}

fn two(text: &[u8]) -> Option<i64> {
    match text {
        [a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => {
            Some(i64::from(a - b'0') * 10 + i64::from(b - b'0'))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_time_is_told_too() {
        let told = |text: &str| time_text(timestamp(text).unwrap());
        for text in [
            "2026-11-09T13:30:00.25Z",
            "9999-12-30T22:00:00Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(told(text).as_deref(), Some(text));
        }
        assert_eq!(told("9999-12-31T23:59:59-01:00"), None);
        assert_eq!(time_text(i64::MAX), None);
        assert_eq!(time_text(i64::MIN), None);
    }

    #[test]
    fn integers_are_compared_with_limits_exactly() {
        let big = 9_007_199_254_740_992_i64;
        assert_eq!(compare(big + 1, big as f64), Ordering::Greater);
        assert_eq!(compare(big, big as f64), Ordering::Equal);
        assert_eq!(compare(2, 2.5), Ordering::Less);
        assert_eq!(compare(3, 2.5), Ordering::Greater);
        assert_eq!(compare(-3, -2.5), Ordering::Less);
        assert_eq!(compare(i64::MAX, f64::INFINITY), Ordering::Less);
        assert_eq!(whole(5.0), Some(5));
        assert_eq!(whole(-0.0), Some(0));
        assert_eq!(whole(5.5), None);
        assert_eq!(whole(f64::NAN), None);
        assert_eq!(whole(9_007_199_254_740_992.0), None);
        assert_eq!(shown(1e300), "1e300");
        assert_eq!(shown(-2.5), "-2.5");
    }

    #[test]
    fn times_agree_with_a_general_parser() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2024-02-29T23:59:59.123456Z",
            "2026-07-18T00:25:25+05:30",
            "1969-12-31T19:00:00.5-05:00",
            "0001-01-01T00:00:00Z",
            "9999-12-01T00:00:00Z",
        ] {
            let expected = text.parse::<Timestamp>().unwrap().as_microsecond();
            assert_eq!(plain_timestamp(text.as_bytes()), Some(expected), "{text}");
        }
        assert_eq!(
            timestamp("2014-04-10 00:04:00"),
            timestamp("2014-04-10T00:04:00Z")
        );
        assert_eq!(
            timestamp("2014-04-10 00:04"),
            timestamp("2014-04-10T00:04:00Z")
        );
        for text in [
            "",
            "yesterday",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01",
            "17",
            "２０２４-01-01T00:00:00Z",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date("1970-01-02"), Some(1));
        assert_eq!(date("1969-12-31"), Some(-1));
        assert_eq!(date("2000-02-29"), Some(11_016));
        assert_eq!(date("1900-02-29"), None);
        assert_eq!(date("2024-1-1"), None);
    }
}
