//! Parses times: unambiguous forms, formats declared by a contract, and numbers since 1970.
//!
//! A leap second is read as the second before it, so it never falls on the next day. Digits beyond
//! microseconds are truncated, toward the past.

mod guess;

pub(crate) use guess::guess_formats;

use crate::contract::{EpochUnit, Notation, TimeFormat, zone_database};
use jiff::{
    Timestamp, civil,
    fmt::{rfc2822, strtime::BrokenDownTime},
    tz::TimeZone,
};

/// Microseconds per day.
pub const DAY_MICROS: i64 = 86_400_000_000;
const SECOND_MICROS: i64 = 1_000_000;

/// A parsed time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Microseconds since 1970 UTC.
    Instant(i64),
    /// A time without an offset: microseconds since 1970, in local time.
    Local(i64),
}

impl Time {
    /// Microseconds since 1970 UTC; a time without an offset is local to the zone, else UTC. Hours
    /// that the clock skips or repeats are resolved as in RFC 5545: with the offset before the
    /// change.
    pub fn in_zone(self, zone: Option<&TimeZone>) -> i64 {
        let (local, zone) = match (self, zone) {
            (Self::Instant(micros), _) | (Self::Local(micros), None) => return micros,
            (Self::Local(local), Some(zone)) => (local, zone),
        };
        let civil = Timestamp::from_microsecond(local).map(|at| TimeZone::UTC.to_datetime(at));
        let moment = civil.and_then(|civil| zone.to_ambiguous_timestamp(civil).compatible());
        match moment {
            Ok(moment) => moment.as_microsecond(),
            // Beyond the range of the library, the last offset is used.
            Err(_) => {
                let end = if local < 0 {
                    Timestamp::MIN
                } else {
                    Timestamp::MAX
                };
                let offset = i64::from(zone.to_offset(end).seconds()) * SECOND_MICROS;
                local.saturating_sub(offset)
            }
        }
    }
}

/// Parses an unambiguous time to microseconds since 1970 UTC; without an offset it is UTC.
pub fn timestamp(text: &str) -> Option<i64> {
    parse_unambiguous(text).map(|time| time.in_zone(None))
}

/// Parses a time in an unambiguous form: ISO 8601 and its common variants, with several notations
/// of UTC, and RFC 2822. A day without a time of day is refused.
pub fn parse_unambiguous(text: &str) -> Option<Time> {
    if let Some(time) = parse_common_form(text.as_bytes()) {
        return Some(time);
    }
    let text = text.trim();
    parse_iso(text)
        .or_else(|| parse_general(text))
        .or_else(|| parse_mail_date(text))
}

/// Parses rare forms with the general parser, such as offsets with seconds and a zone in brackets.
fn parse_general(text: &str) -> Option<Time> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(Time::Instant(time.as_microsecond()));
    }
    if text.len() < 16 || text.contains('[') {
        return None;
    }
    text.parse()
        .ok()
        .map(|civil| Time::Local(local_micros(civil)))
}

/// Parses a time by a field's notation: by its formats, else in an unambiguous form.
pub(crate) fn read(text: &str, notation: &Notation) -> Option<i64> {
    let zone = notation.zone_rules();
    if notation.format.is_empty() {
        return parse_unambiguous(text).map(|time| time.in_zone(zone));
    }
    let text = text.trim();
    let mut times = notation
        .format
        .iter()
        .map(|format| parse_with_format(text, format));
    times.find_map(|time| Some(time?.in_zone(zone)))
}

/// Parses a day by a field's notation; for a time, the day in the field's zone.
pub(crate) fn read_day(text: &str, notation: &Notation) -> Option<i32> {
    if notation.format.is_empty() {
        return date(text.trim());
    }
    let (text, zone) = (text.trim(), notation.zone_rules());
    let day = |format: &TimeFormat| match format {
        TimeFormat::Epoch(unit) => epoch(text, *unit).map(|micros| day_of(micros, zone)),
        TimeFormat::Text(format) => {
            let parts = BrokenDownTime::parse(format, text).ok()?;
            match parts.timestamp() {
                Some(moment) => Some(day_of(moment.as_microsecond(), zone)),
                None => require_four_digit_year(parts.to_date().ok()?).map(days_of),
            }
        }
    };
    notation.format.iter().find_map(day)
}

/// The day in a zone of microseconds since 1970 UTC, as days since 1970.
fn day_of(micros: i64, zone: Option<&TimeZone>) -> i32 {
    let zoned = zone.zip(Timestamp::from_microsecond(micros).ok());
    match zoned {
        Some((zone, moment)) => days_of(zone.to_datetime(moment).date()),
        None => i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or(i32::MAX),
    }
}

/// Parses a time by a declared format.
fn parse_with_format(text: &str, format: &TimeFormat) -> Option<Time> {
    match format {
        TimeFormat::Epoch(unit) => epoch(text, *unit).map(Time::Instant),
        TimeFormat::Text(format) => resolve_parts(&BrokenDownTime::parse(format, text).ok()?),
    }
}

fn resolve_parts(parts: &BrokenDownTime) -> Option<Time> {
    let has_offset =
        parts.timestamp().is_some() || parts.offset().is_some() || parts.iana_time_zone().is_some();
    if has_offset {
        let moment = parts.to_zoned_with(zone_database()).ok()?.timestamp();
        return Some(Time::Instant(moment.as_microsecond()));
    }
    let civil = parts.to_datetime().ok()?;
    require_four_digit_year(civil.date())?;
    Some(Time::Local(local_micros(civil)))
}

/// Checks that the year has four digits: `%Y` also accepts the 26 of 17/11/26.
fn require_four_digit_year(date: civil::Date) -> Option<civil::Date> {
    (date.year() >= 1000).then_some(date)
}

/// Checks that a format determines a day, and for a timestamp a time of that day; the error gives
/// the reason if it does not.
pub(crate) fn check_format(format: &str, with_time: bool) -> Result<(), &'static str> {
    const UNREADABLE: &str = "cannot be read back";
    let afternoon = civil::date(2026, 11, 17).at(13, 5, 9, 123_456_789);
    let sample = afternoon.to_zoned(TimeZone::UTC).map_err(|_| UNREADABLE)?;
    let text = BrokenDownTime::from(&sample).to_string(format);
    let parts = text.and_then(|text| BrokenDownTime::parse(format, text));
    let parts = parts.map_err(|_| UNREADABLE)?;
    let date = match parts.timestamp() {
        Some(_) => return Ok(()),
        None => parts.to_date().map_err(|_| "does not determine the day")?,
    };
    if date != afternoon.date() {
        return Err("does not determine the day");
    }
    if !with_time {
        return Ok(());
    }
    let time = parts.to_time().map_err(|_| "does not determine the hour")?;
    if time.hour() == 1 {
        return Err("has a 12-hour clock without AM or PM");
    }
    Ok(())
}

/// Converts a number of units since 1970 to microseconds exactly, truncated toward the past;
/// saturates if out of range.
pub(super) fn epoch(text: &str, unit: EpochUnit) -> Option<i64> {
    /// Number of decimals that are read; further decimals only affect the truncation toward the
    /// past.
    const DECIMALS: usize = 18;
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, exponent.parse::<i32>().ok()?.clamp(-99, 99)),
        None => (text, 0),
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) {
        return None;
    }
    let saturated = if negative { i64::MIN } else { i64::MAX };
    let whole = whole.trim_start_matches('0');
    if whole.len() > 19 {
        return Some(saturated);
    }
    let (used, ignored) = decimals.split_at(decimals.len().min(DECIMALS));
    let scaled: i128 = format!("0{whole}{used:0<DECIMALS$}").parse().ok()?;
    let has_remainder = ignored.bytes().any(|byte| byte != b'0');
    let power = unit.micros_exponent() + exponent - DECIMALS as i32;
    let factor = 10_i128.checked_pow(power.unsigned_abs());
    let (micros, has_remainder) = match (factor, power < 0) {
        (Some(factor), true) => (scaled / factor, has_remainder || scaled % factor != 0),
        (None, true) => (0, has_remainder || scaled != 0),
        (Some(factor), false) => match scaled.checked_mul(factor) {
            Some(micros) => (micros, has_remainder),
            None => return Some(saturated),
        },
        (None, false) if scaled != 0 => return Some(saturated),
        (None, false) => (0, has_remainder),
    };
    let micros = if negative {
        -micros - i128::from(has_remainder)
    } else {
        micros
    };
    Some(i64::try_from(micros).unwrap_or(saturated))
}

/// The unit of a number since 1970, if it gives a time between 1990 and 2099.
pub(crate) fn epoch_unit(number: f64) -> Option<EpochUnit> {
    let plausible = 631_152_000_000_000.0..4_102_444_800_000_000.0;
    let mut units = EpochUnit::ALL.into_iter();
    units.find(|unit| plausible.contains(&(number * 10_f64.powi(unit.micros_exponent()))))
}

/// Parses the common form `YYYY-MM-DDTHH:MM:SS[.f…](Z|±HH:MM)`. The general parser would take a
/// third of all reading time.
fn parse_common_form(text: &[u8]) -> Option<Time> {
    let (head, rest) = text.split_at_checked(19)?;
    if head[4] != b'-' || head[7] != b'-' || head[13] != b':' || head[16] != b':' {
        return None;
    }
    if !matches!(head[10], b'T' | b' ') {
        return None;
    }
    let days = parse_date(&head[..10])?;
    let (hour, minute, second) = (
        two_digits(&head[11..])?,
        two_digits(&head[14..])?,
        two_digits(&head[17..])?,
    );
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
            let used = &digits[..length.min(6)];
            let value = used
                .iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            (value * 10_i64.pow(6 - used.len() as u32), &digits[length..])
        }
        _ => (0, rest),
    };
    let offset = match zone {
        [] => None,
        b"Z" => Some(0),
        [sign @ (b'+' | b'-'), offset @ ..] if offset.len() == 5 && offset[2] == b':' => {
            let (hours, minutes) = (two_digits(offset)?, two_digits(&offset[3..])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    let seconds = i64::from(days) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(with_offset(seconds * SECOND_MICROS + micros, offset))
}

/// A time with an offset in seconds, or a local time without one.
fn with_offset(local: i64, offset: Option<i64>) -> Time {
    match offset {
        Some(seconds) => Time::Instant(local - seconds * SECOND_MICROS),
        None => Time::Local(local),
    }
}

/// Parses ISO 8601 and its common variants: `-`, `/` or nothing between the parts of the day, times
/// without seconds, a decimal comma, 24:00 for the end of a day, a space before the offset, offsets
/// of any length, and names of UTC.
fn parse_iso(text: &str) -> Option<Time> {
    let mut scan = Scan(text.as_bytes());
    let mut days = i64::from(scan.day()?);
    if !(scan.eat(b"T") || scan.eat(b" ")) {
        return None;
    }
    let (mut hour, colon) = (scan.digits(2)?, scan.eat(b":"));
    let minute = scan.digits(2)?;
    let seconds = if colon {
        scan.eat(b":")
    } else {
        scan.is_at_digit()
    };
    let mut second = if seconds { scan.digits(2)? } else { 0 };
    let micros = if seconds && (scan.eat(b".") || scan.eat(b",")) {
        scan.decimals()?
    } else {
        0
    };
    if (hour, minute, second, micros) == (24, 0, 0, 0) {
        (days, hour) = (days + 1, 0);
    }
    if second == 60 {
        second = 59;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    scan.resolve_offset(seconds * SECOND_MICROS + micros)
}

/// The unread rest of a text.
struct Scan<'t>(&'t [u8]);

impl Scan<'_> {
    /// Consumes `word`, ignoring case, if the text continues with it.
    fn eat(&mut self, word: &[u8]) -> bool {
        let prefix = self.0.get(..word.len());
        let matches = prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(word));
        if matches {
            self.0 = &self.0[word.len()..];
        }
        matches
    }

    /// Returns true if the text continues with a digit.
    fn is_at_digit(&self) -> bool {
        self.0.first().is_some_and(u8::is_ascii_digit)
    }

    /// Reads a number with exactly `count` digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        let number = digits.iter().map(|digit| i64::from(digit - b'0'));
        Some(number.fold(0, |sum, digit| sum * 10 + digit))
    }

    /// Reads decimals of a second as microseconds.
    fn decimals(&mut self) -> Option<i64> {
        let count = self
            .0
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (used, rest) = (count.min(6), &self.0[count..]);
        let micros = self.digits(used).filter(|_| count > 0)?;
        self.0 = rest;
        Some(micros * 10_i64.pow(6 - used as u32))
    }

    /// Reads `YYYY-MM-DD`, `YYYY/MM/DD` or `YYYYMMDD` as days since 1970.
    fn day(&mut self) -> Option<i32> {
        let year = self.digits(4)?;
        let mark: &[u8] = match self.0.first()? {
            b'-' => b"-",
            b'/' => b"/",
            _ => b"",
        };
        self.eat(mark);
        let month = self.digits(2)?;
        if !self.eat(mark) {
            return None;
        }
        days_since(year, month, self.digits(2)?)
    }

    /// Resolves a local time with the offset or zone at the end of the text.
    fn resolve_offset(&mut self, local: i64) -> Option<Time> {
        if self.0.is_empty() {
            return Some(Time::Local(local));
        }
        self.eat(b" ");
        let is_positive = self.eat(b"+");
        let offset = if is_positive || self.eat(b"-") {
            let hours = self.digits(2)?;
            self.eat(b":");
            let minutes = if self.is_at_digit() {
                self.digits(2)?
            } else {
                0
            };
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if seconds == 0 {
                // Go appends the name of the zone.
                let _ = self.eat(b" UTC") || self.eat(b" GMT");
            }
            if is_positive { seconds } else { -seconds }
        } else {
            let utc = self.eat(b"Z") || self.eat(b"UTC") || self.eat(b"GMT") || self.eat(b"UT");
            utc.then_some(0)?
        };
        self.0.is_empty().then(|| with_offset(local, Some(offset)))
    }
}

/// Parses a time in the format of mail, RFC 2822; the offset is a number or a name of UTC, and a
/// comment may repeat the zone.
fn parse_mail_date(text: &str) -> Option<Time> {
    let text = match text.strip_suffix(')') {
        Some(text) => text.rsplit_once('(')?.0.trim_end(),
        None => text,
    };
    let (text, offset) = text.rsplit_once(' ')?;
    let offset = match offset {
        "GMT" | "UT" | "UTC" | "Z" => "+0000",
        offset if offset.len() == 5 && offset.starts_with(['+', '-']) => offset,
        _ => return None,
    };
    let year = |word: &str| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    if !text.split(' ').any(year) {
        return None;
    }
    let parser = rfc2822::DateTimeParser::new();
    let moment = parser.parse_timestamp(format!("{text} {offset}")).ok()?;
    Some(Time::Instant(moment.as_microsecond()))
}

/// Parses `YYYY-MM-DD` or `YYYY/MM/DD` to days since 1970.
pub fn date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    parse_date(bytes).or_else(|| {
        let mut scan = Scan(bytes);
        let day = scan.day().filter(|_| bytes.len() == 10);
        day.filter(|_| scan.0.is_empty())
    })
}

fn parse_date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = two_digits(text)? * 100 + two_digits(&text[2..])?;
    days_since(year, two_digits(&text[5..])?, two_digits(&text[8..])?)
}

/// Days since 1970 of a date, if it exists.
fn days_since(year: i64, month: i64, day: i64) -> Option<i32> {
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
    let in_era = y.rem_euclid(400);
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let in_era = in_era * 365 + in_era / 4 - in_era / 100 + in_year;
    Some((era * 146_097 + in_era - 719_468) as i32)
}

fn days_of(date: civil::Date) -> i32 {
    let (month, day) = (i64::from(date.month()), i64::from(date.day()));
    days_since(i64::from(date.year()), month, day).unwrap_or(i32::MAX)
}

/// Microseconds since 1970 of a local time.
fn local_micros(civil: civil::DateTime) -> i64 {
    let (hour, minute) = (i64::from(civil.hour()), i64::from(civil.minute()));
    let second = hour * 3600 + minute * 60 + i64::from(civil.second());
    let micros = i64::from(civil.subsec_nanosecond().div_euclid(1000));
    i64::from(days_of(civil.date())) * DAY_MICROS + second * SECOND_MICROS + micros
}

fn two_digits(text: &[u8]) -> Option<i64> {
    match text {
        [a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => {
            Some(i64::from(a - b'0') * 10 + i64::from(b - b'0'))
        }
        _ => None,
    }
}

/// Formats microseconds since 1970 UTC, up to the end of the year 9999, which often means "never"
/// and is out of range for `jiff::Timestamp`.
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

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
