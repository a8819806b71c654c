//! Guesses the format of a time from the shape of a text.

use super::parse_with_format;
use crate::contract::TimeFormat;

/// Maximum length of a text whose format is guessed, in characters.
const LENGTH_MAX: usize = 64;

/// Formats that parse a text as a time, for a contract to declare: several if the order of day and
/// month is ambiguous, none if the text is not a known form of time.
pub(crate) fn guess_formats(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.chars().nth(LENGTH_MAX).is_some() {
        return Vec::new();
    }
    let mut formats = candidate_formats(text).unwrap_or_default();
    formats.retain(|format| parse_with_format(text, &TimeFormat::Text(format.clone())).is_some());
    formats
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Digits(&'t str),
    Word(&'t str),
    Mark(char),
}

/// Splits a text into runs of digits, runs of letters, and other characters.
fn tokenize(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = |is_same: fn(&char) -> bool| {
            let length = rest.chars().take_while(is_same).count();
            rest.split_at(length)
        };
        let (part, remaining) = if first.is_ascii_digit() {
            let (digits, remaining) = run(char::is_ascii_digit);
            (Token::Digits(digits), remaining)
        } else if first.is_ascii_alphabetic() {
            let (word, remaining) = run(char::is_ascii_alphabetic);
            (Token::Word(word), remaining)
        } else {
            (Token::Mark(first), &rest[first.len_utf8()..])
        };
        out.push(part);
        rest = remaining;
    }
    out
}

/// Formats that fit the tokens of a text.
fn candidate_formats(text: &str) -> Option<Vec<String>> {
    let tokens = tokenize(text);
    let mut rest = tokens.as_slice();
    let mut weekday = String::new();
    if let [Token::Word(day), after @ ..] = rest
        && is_weekday(day)
    {
        weekday.push_str(if day.len() == 3 { "%a" } else { "%A" });
        let marks = after
            .iter()
            .take_while(|part| matches!(part, Token::Mark(',' | ' ')));
        let marks = marks.count();
        rest = &after[marks..];
        weekday.push_str(if marks > 1 { ", " } else { " " });
    }
    let (dates, after) = date_formats(rest)?;
    let (clock, is_12_hour) = clock_format(after)?;
    let mut formats: Vec<String> = dates
        .into_iter()
        .map(|date| format!("{weekday}{date}{clock}"))
        .collect();
    if is_12_hour {
        // With a 12-hour clock, the month mostly comes first.
        formats.reverse();
    }
    Some(formats)
}

fn is_weekday(word: &str) -> bool {
    let start = word.get(..3).unwrap_or_default().to_ascii_lowercase();
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].contains(&start.as_str())
}

fn year_directive(digits: &str) -> Option<&'static str> {
    match digits.len() {
        4 => Some("%Y"),
        2 => Some("%y"),
        _ => None,
    }
}

fn month_directive(word: &str) -> &'static str {
    if word.len() == 3 { "%b" } else { "%B" }
}

/// Formats of the date at the start of the parts, day before month, and the remaining parts.
fn date_formats<'p, 't>(parts: &'p [Token<'t>]) -> Option<(Vec<String>, &'p [Token<'t>])> {
    use Token::{Digits, Mark, Word};
    Some(match parts {
        [
            Digits(y),
            Mark(a @ ('-' | '/' | '.')),
            Digits(_),
            Mark(b),
            Digits(_),
            rest @ ..,
        ] if y.len() == 4 && a == b => (vec![format!("%Y{a}%m{a}%d")], rest),
        [
            Digits(_),
            Mark(a @ ('-' | '/' | '.')),
            Digits(_),
            Mark(b),
            Digits(y),
            rest @ ..,
        ] if a == b => {
            let year = year_directive(y)?;
            let mut formats = vec![format!("%d{a}%m{a}{year}")];
            if *a != '.' {
                formats.push(format!("%m{a}%d{a}{year}"));
            }
            (formats, rest)
        }
        [
            Digits(_),
            Mark(a @ ('-' | '/' | ' ')),
            Word(m),
            Mark(b),
            Digits(y),
            rest @ ..,
        ] if a == b => (
            vec![format!(
                "%d{a}{}{a}{}",
                month_directive(m),
                year_directive(y)?
            )],
            rest,
        ),
        [
            Word(m),
            Mark(' '),
            Digits(_),
            Mark(','),
            Mark(' '),
            Digits(y),
            rest @ ..,
        ] => (
            vec![format!("{} %d, {}", month_directive(m), year_directive(y)?)],
            rest,
        ),
        [
            Word(m),
            Mark(' '),
            Digits(_),
            Mark(' '),
            Digits(y),
            rest @ ..,
        ] if y.len() == 4 => (vec![format!("{} %d %Y", month_directive(m))], rest),
        [Digits(day), rest @ ..] if day.len() == 8 => (vec!["%Y%m%d".to_string()], rest),
        _ => return None,
    })
}

/// Format of the time of day with the separators before it; and true if it has a 12-hour clock.
fn clock_format(parts: &[Token<'_>]) -> Option<(String, bool)> {
    use Token::{Digits, Mark, Word};
    let mut format = String::new();
    let mut rest = parts;
    while let [Mark(mark @ (' ' | ',' | ':')), after @ ..] = rest {
        format.push(*mark);
        rest = after;
    }
    if let [Word("T"), after @ ..] = rest {
        format.push('T');
        rest = after;
    }
    let [Digits(_), Mark(':'), Digits(_), after @ ..] = rest else {
        return (parts.is_empty()).then_some((format, false));
    };
    rest = after;
    let mut clock = ":%M".to_string();
    if let [Mark(':'), Digits(_), after @ ..] = rest {
        clock.push_str(":%S");
        rest = after;
    }
    match rest {
        [Mark('.'), Digits(_), after @ ..] => {
            clock.push_str("%.f");
            rest = after;
        }
        [Mark(','), Digits(_), after @ ..] => {
            clock.push_str(",%f");
            rest = after;
        }
        _ => {}
    }
    let is_am_or_pm =
        |word: &str| word.eq_ignore_ascii_case("AM") || word.eq_ignore_ascii_case("PM");
    let is_12_hour = match rest {
        [Mark(' '), Word(word), after @ ..] if is_am_or_pm(word) => {
            clock.push_str(" %p");
            rest = after;
            true
        }
        [Word(word), after @ ..] if is_am_or_pm(word) => {
            clock.push_str("%p");
            rest = after;
            true
        }
        _ => false,
    };
    format.push_str(if is_12_hour { "%I" } else { "%H" });
    format.push_str(&clock);
    if let [Mark(' '), after @ ..] = rest {
        format.push(' ');
        rest = after;
    }
    match rest {
        [] => {}
        [Mark('+' | '-'), Digits(_)] => format.push_str("%z"),
        [Mark('+' | '-'), Digits(_), Mark(':'), Digits(_)] => format.push_str("%:z"),
        _ => return None,
    }
    Some((format, is_12_hour))
}
