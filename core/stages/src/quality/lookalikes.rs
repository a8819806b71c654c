//! Finds values that look alike but are different.

use super::{
    Params,
    finding::{period_of_records, start_finding},
    survey::Survey,
};
use crate::{Context, Input};
use retrocast_domain::{
    Finding, Magnitude, Severity,
    number::{self, list},
};
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;

/// Maximum number of values named in one sentence.
const NAMED_MAX: usize = 3;

/// Returns true for characters without width.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
    )
}

/// Normalises a string to its appearance: composed, without invisible characters, spaces collapsed.
fn normalise(text: &str) -> String {
    let visible: String = text.nfc().filter(|letter| !is_invisible(*letter)).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    words.join(" ")
}

/// Reports columns with values that look alike.
pub(super) fn findings(
    context: &Context,
    params: &Params,
    input: &Input,
    survey: &Survey,
) -> Vec<Finding> {
    let columns = survey.columns.iter();
    columns
        .filter_map(|column| {
            // A column of keys has no groups.
            let counts = column.texts.as_ref()?;
            if counts.len() as u64 * 2 > survey.records {
                return None;
            }
            column_finding(context, params, input, &column.name, counts)
        })
        .collect()
}

/// The finding on one column, if it has values that look alike.
fn column_finding(
    context: &Context,
    params: &Params,
    input: &Input,
    column: &str,
    counts: &BTreeMap<String, u64>,
) -> Option<Finding> {
    let mut sets: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for text in counts.keys() {
        sets.entry(normalise(text).to_lowercase())
            .or_default()
            .push(text);
    }
    let sets: Vec<(String, Vec<&str>)> = sets.into_iter().filter(|set| set.1.len() > 1).collect();
    let (_, first) = sets.first()?;
    let looks_identical = |set: &[&str]| {
        set.iter()
            .any(|a| set.iter().any(|b| a != b && normalise(a) == normalise(b)))
    };
    let identical = sets.iter().find(|(_, set)| looks_identical(set));
    let example = identical.map_or(first, |(_, set)| set);
    let mut finding = start_finding(context, input, &format!("values alike in {column}"));
    finding.severity = if identical.is_some() {
        Severity::Warning
    } else {
        Severity::Notice
    };
    let records: u64 = sets
        .iter()
        .flat_map(|(_, set)| set)
        .filter_map(|text| counts.get(*text))
        .sum();
    finding.direction = retrocast_domain::Direction::None;
    finding.magnitude = Some(Magnitude::point(sets.len() as f64, "sets of values"));
    finding.n = records;
    finding.period = period_of_records(context, input);
    finding.confidence = 1.0;
    let names: Vec<String> = example
        .iter()
        .take(NAMED_MAX)
        .map(|text| {
            let n = params.format_count(counts.get(*text).copied().unwrap_or(0));
            format!("{} ({n})", quote(text))
        })
        .collect();
    let record_count = params.format_count(records);
    let (total, introduction) = match sets.len() as u64 {
        1 => (String::new(), String::new()),
        n => (
            format!(" ({} sets, {record_count} in all)", number::count(n)),
            "for example ".to_string(),
        ),
    };
    finding.sentence = format!(
        "Values of {column} in {} that differ only in {} count as different groups{total}: \
         {introduction}{}.",
        input.dataset.name,
        describe_difference(example),
        list(&names)
    );
    Some(
        finding
            .number("sets", sets.len())
            .number("records", records),
    )
}

/// Quotes a value, with invisible characters escaped.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        if is_invisible(letter) || letter.is_control() || (letter.is_whitespace() && letter != ' ')
        {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out.push('"');
    out
}

/// Describes the difference between values that look alike.
fn describe_difference(set: &[&str]) -> &'static str {
    let all_same = |simplify: &dyn Fn(&str) -> String| {
        let mut texts = set.iter().map(|text| simplify(text));
        let first = texts.next();
        texts.all(|text| Some(text) == first)
    };
    let collapse_blanks = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if all_same(&collapse_blanks) {
        "blanks"
    } else if all_same(&|text| text.to_lowercase()) {
        "upper and lower case"
    } else if all_same(&|text| text.nfc().collect()) {
        "the Unicode form of their letters"
    } else if all_same(&|text| {
        text.chars()
            .filter(|letter| !is_invisible(*letter))
            .collect()
    }) {
        "invisible characters"
    } else {
        "blanks, case, invisible characters or Unicode form"
    }
}
