//! Evidence of the notation of a field's values, counted in bounded memory.

use crate::{
    contract::{Notation, TimeFormat},
    read::{
        normalize_number,
        time::{self, DAY_MICROS, Time},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// Maximum number of formats of one field; with more, its strings are not treated as times.
const FORMATS_MAX: usize = 12;
/// Maximum number of distinct words of one kind.
const WORDS_MAX: usize = 32;
/// Number of digits that a floating-point number keeps.
pub(super) const EXACT_DIGITS: usize = 15;

/// A notation of numbers that a contract has to declare.
#[derive(Debug)]
pub(super) struct NumberMarks {
    /// Decimal mark, if it is declared.
    pub decimal: Option<char>,
    /// Thousands separator, if it is declared.
    pub thousands: Option<char>,
}

/// Notations of numbers; among equivalent notations, the simplest is first.
pub(super) const MARKS: [NumberMarks; 4] = [
    NumberMarks {
        decimal: Some(','),
        thousands: None,
    },
    NumberMarks {
        decimal: None,
        thousands: Some(','),
    },
    NumberMarks {
        decimal: None,
        thousands: Some('\''),
    },
    NumberMarks {
        decimal: None,
        thousands: Some(' '),
    },
];

static NOTATIONS: LazyLock<[Notation; 4]> = LazyLock::new(|| {
    MARKS.map(|marks| Notation {
        decimal: marks.decimal,
        thousands: marks.thousands,
        ..Notation::default()
    })
});
static DEFAULT: LazyLock<Notation> = LazyLock::new(Notation::default);

/// Order of day, month and year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    DayFirst,
    MonthFirst,
}

const ORDERS: [Order; 2] = [Order::DayFirst, Order::MonthFirst];

/// Evidence from the strings of one field.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Number of occurrences of each default null word.
    pub nulls: BTreeMap<String, u64>,
    /// Number of occurrences of each default word for true or false.
    pub boolean_words: BTreeMap<String, u64>,
    /// Number of strings that are numbers in digits.
    pub digits: u64,
    /// Smallest and largest of them.
    pub digit_range: Option<(f64, f64)>,
    /// Number of strings that are numbers, for each of [`MARKS`].
    numerals: [u64; 4],
    /// True if some value is not a number, for each of [`MARKS`].
    not_numeric: [bool; 4],
    /// First string that is a number in this notation only, for each of [`MARKS`].
    pub marked_example: [Option<String>; 4],
    /// True if some number has decimals, for each of [`MARKS`].
    pub has_decimals: [bool; 4],
    /// Number of numbers with a point.
    pub points: u64,
    /// Number of numbers whose point may separate thousands.
    pub grouped: u64,
    /// Number of times without an offset.
    pub local: u64,
    /// Number of strings in a format that can be guessed.
    pub formatted: u64,
    /// The first of them.
    pub example: Option<String>,
    /// Time formats that fit the strings.
    formats: BTreeSet<String>,
    /// Number of strings that may have the year first instead, and their formats in that case.
    year_first: (u64, BTreeSet<String>),
    /// First string that is valid in one order only, for each of [`ORDERS`].
    order_proof: [Option<String>; 2],
    /// Earliest and latest time in microseconds since 1970 UTC, for each of [`ORDERS`].
    spans: [Option<(i64, i64)>; 2],
    /// True if some string has no known format.
    has_unknown_format: bool,
}

impl Evidence {
    /// Adds a string that is not a plain number; `trimmed` has no surrounding spaces.
    pub fn add_text(&mut self, trimmed: &str) {
        if DEFAULT.is_null(trimmed) {
            count(&mut self.nulls, trimmed);
            return;
        }
        if DEFAULT.parse_boolean(trimmed).is_some() {
            count(&mut self.boolean_words, trimmed);
        }
        if let Some(number) = parse_digits(trimmed) {
            self.digits += 1;
            widen(&mut self.digit_range, number);
        }
        self.add_numeral(trimmed, true);
        match time::parse_unambiguous(trimmed) {
            Some(Time::Local(_)) => self.local += 1,
            Some(Time::Instant(_)) => {}
            None => self.add_format(trimmed),
        }
    }

    /// Adds a number, as written.
    pub fn add_number(&mut self, trimmed: &str) {
        self.add_numeral(trimmed, false);
        if let Some((whole, decimals)) = trimmed.split_once('.') {
            self.points += 1;
            let whole = whole.trim_start_matches('-');
            let groups = matches!(whole.len(), 1..=3) && !whole.starts_with('0');
            self.grouped += u64::from(groups && decimals.len() == 3);
        }
    }

    fn add_numeral(&mut self, trimmed: &str, is_text: bool) {
        let digits = trimmed.strip_prefix('-').unwrap_or(trimmed);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            // Long numbers and numbers with leading zeros are identifiers; others mean the same in
            // all notations.
            let is_identifier =
                digits.len() > EXACT_DIGITS || (digits.len() > 1 && digits.starts_with('0'));
            self.not_numeric = self
                .not_numeric
                .map(|not_numeric| not_numeric || is_identifier);
            self.numerals = self.numerals.map(|numerals| numerals + u64::from(is_text));
            return;
        }
        for (index, notation) in NOTATIONS.iter().enumerate() {
            if self.not_numeric[index] {
                continue;
            }
            let number =
                normalize_number(trimmed, notation).and_then(|text| text.parse::<f64>().ok());
            let Some(number) = number.filter(|number| number.is_finite()) else {
                self.not_numeric[index] = true;
                continue;
            };
            self.numerals[index] += u64::from(is_text);
            self.has_decimals[index] |= number.fract() != 0.0;
            let needs_marks = is_text && trimmed.parse::<f64>().ok() != Some(number);
            if needs_marks && self.marked_example[index].is_none() {
                self.marked_example[index] = Some(trimmed.to_string());
            }
        }
    }

    fn add_format(&mut self, trimmed: &str) {
        if self.has_unknown_format {
            return;
        }
        let formats = time::guess_formats(trimmed);
        let mut in_order = [false; 2];
        for format in &formats {
            let Some(moment) = parse_time(trimmed, format) else {
                continue;
            };
            let own_order = order_of(format);
            for (index, order) in ORDERS.into_iter().enumerate() {
                in_order[index] |= own_order == Some(order);
                if own_order.is_none_or(|own_order| own_order == order) {
                    widen(&mut self.spans[index], moment);
                }
            }
            self.formats.insert(format.clone());
        }
        let year_first = formats.first().and_then(|format| year_first(format));
        if let Some(format) = year_first.filter(|format| parse_time(trimmed, format).is_some()) {
            self.year_first.0 += 1;
            self.year_first.1.insert(format);
        }
        if in_order[0] != in_order[1] {
            let index = usize::from(in_order[1]);
            self.order_proof[index].get_or_insert_with(|| trimmed.to_string());
        }
        self.example.get_or_insert_with(|| trimmed.to_string());
        self.has_unknown_format = formats.is_empty() || self.formats.len() > FORMATS_MAX;
        self.formatted += u64::from(!formats.is_empty());
    }

    /// Counts the null words.
    pub fn null_count(&self) -> u64 {
        self.nulls.values().sum()
    }

    /// Counts the words for true and false.
    pub fn boolean_count(&self) -> u64 {
        self.boolean_words.values().sum()
    }

    /// Returns true if a word for true, or for false, occurs.
    pub fn has_boolean(&self, value: bool) -> bool {
        self.boolean_words
            .keys()
            .any(|word| DEFAULT.parse_boolean(word) == Some(value))
    }

    /// Indices of the [`MARKS`] that make all strings and numbers valid; `texts` is the number of
    /// strings.
    pub fn possible_marks(&self, texts: u64) -> Vec<usize> {
        let is_possible = |index: &usize| {
            self.numerals[*index] == texts
                && !self.not_numeric[*index]
                && self.marked_example[*index].is_some()
        };
        (0..MARKS.len()).filter(is_possible).collect()
    }

    /// The formats that fit all strings.
    pub fn formats(&self) -> Formats {
        if self.has_unknown_format || self.formatted == 0 {
            return Formats::None;
        }
        let in_order = |order: Order| {
            let is_possible = |format: &&String| order_of(format).is_none_or(|own| own == order);
            let formats = self.formats.iter().filter(is_possible).cloned();
            formats.collect::<Vec<_>>()
        };
        let ordered = self.formats.iter().any(|format| order_of(format).is_some());
        let certain = |order: Order, proof: Option<&String>| Formats::Certain {
            formats: in_order(order),
            proof: proof.map(|proof| (order, proof.clone())),
            span: self.spans[usize::from(order == Order::MonthFirst)],
        };
        let by_order = match &self.order_proof {
            [Some(_), Some(_)] => Formats::None,
            [proof @ Some(_), None] => certain(Order::DayFirst, proof.as_ref()),
            [None, proof @ Some(_)] => certain(Order::MonthFirst, proof.as_ref()),
            [None, None] if ordered => {
                Formats::Open(vec![in_order(Order::DayFirst), in_order(Order::MonthFirst)])
            }
            [None, None] => certain(Order::DayFirst, None),
        };
        if self.year_first.0 < self.formatted {
            return by_order;
        }
        let year_first = self.year_first.1.iter().cloned().collect();
        match by_order {
            Formats::None => Formats::None,
            Formats::Open(mut orders) => {
                orders.push(year_first);
                Formats::Open(orders)
            }
            Formats::Certain { formats, .. } => Formats::Open(vec![formats, year_first]),
        }
    }
}

/// Time formats that fit the strings of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Formats {
    /// No format, or contradictory formats: some with the day and others with the month first.
    None,
    /// Several possible orders of day, month and year, each with its formats.
    Open(Vec<Vec<String>>),
    /// One order, with the text that proves it, and the earliest and latest time.
    Certain {
        formats: Vec<String>,
        proof: Option<(Order, String)>,
        span: Option<(i64, i64)>,
    },
}

/// The order of day and month in a format; `None` if no other order is possible.
fn order_of(format: &str) -> Option<Order> {
    let (day, month) = (format.find("%d")?, format.find("%m")?);
    let year = format.find("%Y").or_else(|| format.find("%y"))?;
    // Points separate days and months in this order only.
    if year < day.max(month) || format.contains("%d.%m") {
        return None;
    }
    Some(if day < month {
        Order::DayFirst
    } else {
        Order::MonthFirst
    })
}

/// The format with the year first that is also possible for a text such as `17-11-26`.
fn year_first(format: &str) -> Option<String> {
    let orders = ["%d-%m-%y", "%m-%d-%y"];
    let order = orders.iter().find(|order| format.starts_with(**order))?;
    Some(format.replacen(order, "%y-%m-%d", 1))
}

/// Returns true if a format has a time of day.
pub(super) fn has_clock(format: &str) -> bool {
    ["%H", "%I"].iter().any(|hour| format.contains(hour))
}

/// Returns true if a format has an offset from UTC.
pub(super) fn has_offset(format: &str) -> bool {
    format.contains("%z") || format.contains("%:z")
}

/// Parses a time with a format, in microseconds since 1970 UTC.
fn parse_time(text: &str, format: &str) -> Option<i64> {
    let notation = Notation {
        format: vec![TimeFormat::Text(format.to_string())],
        ..Notation::default()
    };
    if has_clock(format) {
        return time::read(text, &notation);
    }
    time::read_day(text, &notation).map(|day| i64::from(day) * DAY_MICROS)
}

/// Returns true for a default null word.
pub(super) fn is_default_null(text: &str) -> bool {
    DEFAULT.is_null(text)
}

/// Parses a number of digits with optional decimals.
fn parse_digits(text: &str) -> Option<f64> {
    let whole = text.split('.').next().unwrap_or_default();
    let is_numeric = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_numeric || whole.is_empty() {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn widen<T: PartialOrd + Copy>(range: &mut Option<(T, T)>, value: T) {
    let (min, max) = range.unwrap_or((value, value));
    *range = Some((
        if value < min { value } else { min },
        if value > max { value } else { max },
    ));
}

fn count(words: &mut BTreeMap<String, u64>, word: &str) {
    if words.len() < WORDS_MAX || words.contains_key(word) {
        *words.entry(word.to_string()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence_of(texts: &[&str]) -> Evidence {
        let mut evidence = Evidence::default();
        texts.iter().for_each(|text| evidence.add_text(text));
        evidence
    }

    #[test]
    fn the_order_of_day_and_month_follows_from_strings() {
        let check = |texts: &[&str], expected: &str| {
            let found = match evidence_of(texts).formats() {
                Formats::None => "none".to_string(),
                Formats::Open(orders) => {
                    let orders = orders.iter().map(|formats| formats.join(","));
                    orders.collect::<Vec<_>>().join(" or ")
                }
                Formats::Certain { formats, proof, .. } => {
                    let proof = proof.map_or(String::new(), |(_, text)| format!(" by {text}"));
                    formats.join(",") + &proof
                }
            };
            assert_eq!(found, expected, "{texts:?}");
        };
        check(&["01/02/2026", "13/02/2026"], "%d/%m/%Y by 13/02/2026");
        check(&["01/02/2026", "02/13/2026"], "%m/%d/%Y by 02/13/2026");
        check(&["01/02/2026", "03/04/2026"], "%d/%m/%Y or %m/%d/%Y");
        check(&["13/02/2026", "02/13/2026"], "none");
        check(&["13/02/2026", "soon"], "none");
        check(&["01.02.2026"], "%d.%m.%Y");
        check(&["17-11-26"], "%d-%m-%y or %y-%m-%d");
        check(&["17-11-26", "31-12-99"], "%d-%m-%y by 17-11-26");
        check(
            &["1/2/2026 9:05", "31/12/2026 23:59:59"],
            "%d/%m/%Y %H:%M,%d/%m/%Y %H:%M:%S by 31/12/2026 23:59:59",
        );
        check(&["NULL", "17-Nov-2026", "n/a"], "%d-%b-%Y");
    }

    #[test]
    fn separators_of_numbers_follow_from_strings() {
        let check = |texts: &[&str], numbers: &[&str], expected: &[usize]| {
            let mut evidence = evidence_of(texts);
            numbers.iter().for_each(|text| evidence.add_number(text));
            assert_eq!(
                evidence.possible_marks(texts.len() as u64),
                expected,
                "{texts:?} {numbers:?}"
            );
        };
        check(&["12,5"], &["7"], &[0]);
        check(&["1.299,99"], &["7", "1.299"], &[0]);
        check(&["12,5"], &["7.5"], &[]);
        check(&["1,299,000.5", "1,299"], &["0.5"], &[1]);
        check(&["1,299"], &["17"], &[0, 1]);
        check(&["1'299.50"], &[], &[2]);
        check(&["12,5", "x"], &[], &[]);
        check(&["007"], &["7"], &[]);
    }
}
