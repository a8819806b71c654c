//! Finds the values of a column in text, so that a slice can leave out items that name another
//! value.

use std::collections::{BTreeSet, HashMap};

/// Number of characters at the start of a long value that identify it, because text may shorten
/// names.
const PREFIX_LENGTH: usize = 20;

/// The values of a column, for lookups in text.
///
/// Values are matched as whole words, ignoring case, and the longest match wins: a text about
/// "billing-eu" does not name "billing". The first 20 characters of a long value suffice. A value
/// without a letter, such as "12", cannot be distinguished from a count, so it never matches.
#[derive(Debug)]
pub struct Names {
    /// Values by normalised form; several values may differ in case only.
    by_text: HashMap<String, Vec<Name>>,
    /// Lengths of the normalised values in bytes, the longest first.
    lengths: Vec<usize>,
}

#[derive(Debug)]
struct Name {
    value: String,
    /// True for the start of a longer value.
    is_start: bool,
}

impl Names {
    /// Prepares the lookup of `values`.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut by_text: HashMap<String, Vec<Name>> = HashMap::new();
        let values: BTreeSet<&str> = values.into_iter().collect();
        for value in values {
            let text = normalise(value);
            if text.trim().is_empty() || text.chars().all(|c| !c.is_alphabetic()) {
                continue;
            }
            let mut add = |text: String, is_start| {
                by_text.entry(text).or_default().push(Name {
                    value: value.to_string(),
                    is_start,
                });
            };
            if let Some((end, _)) = text.char_indices().nth(PREFIX_LENGTH) {
                add(text[..end].to_string(), true);
            }
            add(text, false);
        }
        let lengths: BTreeSet<usize> = by_text.keys().map(String::len).collect();
        Self {
            by_text,
            lengths: lengths.into_iter().rev().collect(),
        }
    }

    /// Returns true if a text names a value other than `own`.
    pub fn names_other(&self, text: &str, own: &str) -> bool {
        let normal = normalise(text);
        let mut from = 0;
        while let Some(remaining) = normal.get(from..).filter(|remaining| !remaining.is_empty()) {
            match self.longest_at(&normal, from) {
                None => from += remaining.chars().next().map_or(1, char::len_utf8),
                Some((length, names)) => {
                    let is_other = |name: &&Name| {
                        // Values that differ in case only are distinguished by the text itself.
                        name.value != own && (names.len() == 1 || text.contains(&name.value))
                    };
                    let has_own = names.iter().any(|name| name.value == own);
                    let is_ambiguous = !has_own && !names.is_empty();
                    if is_ambiguous || names.iter().any(|name| is_other(&name)) {
                        return true;
                    }
                    from += length;
                }
            }
        }
        false
    }

    /// Finds the longest normalised value that starts at the position `from` of a text; returns its
    /// length and the values of this form.
    fn longest_at(&self, text: &str, from: usize) -> Option<(usize, &[Name])> {
        let before = text[..from].chars().next_back();
        let first = text[from..].chars().next();
        if is_letter(before) && is_letter(first) {
            return None;
        }
        self.lengths.iter().find_map(|length| {
            let candidate = text.get(from..from + length)?;
            let names = self.by_text.get(candidate)?;
            let last = candidate.chars().next_back();
            let next = text[from + length..].chars().next();
            let is_whole = !(is_letter(last) && is_letter(next));
            let is_start = names.iter().any(|name| name.is_start);
            (is_whole || is_start).then_some((*length, names.as_slice()))
        })
    }
}

/// Returns true for letters and digits of scripts with spaces between words.
fn is_letter(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() && !('\u{2e80}'..'\u{ff00}').contains(&c))
}

/// Converts a text to lower case, with plain spaces.
fn normalise(text: &str) -> String {
    let plain = |c: char| if c.is_whitespace() { ' ' } else { c };
    text.chars()
        .map(plain)
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_values_are_found_as_whole_words() {
        let names = Names::new([
            "billing",
            "billing-eu",
            "mail",
            "mail, outbound",
            "決済",
            "API",
            "api",
            "42",
            "a very long name of a component 1",
            "a very long name of a component 2",
            "</b>",
        ]);
        let check = |text: &str, own: &str, expected: bool| {
            assert_eq!(
                names.names_other(text, own),
                expected,
                "{text:?} for {own:?}"
            );
        };
        check("Tickets in billing rose.", "billing", false);
        check("Tickets in Billing rose.", "mail", true);
        check("Tickets in billing-eu rose.", "billing", true);
        check("Tickets in billing-eu rose.", "billing-eu", false);
        check("Billings rose by 42 in an email.", "api", false);
        check("Failures in mail, outbound fell.", "mail, outbound", false);
        check("Failures in mail,\u{a0}outbound fell.", "mail", true);
        check("決済エラー", "mail", true);
        check("決済エラー", "決済", false);
        check("calls of API", "API", false);
        check("calls of API", "api", true);
        check("calls of Api", "api", false);
        check("in a very long name of a comp…", "mail", true);
        check(
            "in a very long name of a component 1.",
            "a very long name of a component 1",
            false,
        );
        check(
            "in a very long name of a component 1.",
            "a very long name of a component 2",
            true,
        );
        check("x</b>y", "mail", true);
        check("", "mail", false);
    }
}
