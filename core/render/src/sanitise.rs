//! Makes text from records printable: characters that no bundled font covers are replaced by a
//! visible placeholder, and counted.
//!
//! A PDF/A file must not contain a character without a glyph, so a single emoji in a title would
//! otherwise prevent the whole report.

use retrocast_domain::{Report, number::plural};
use serde_json::Value;
use std::collections::BTreeSet;

/// The replacement of unprintable characters.
pub const REPLACEMENT: char = '□';
/// Maximum length of text without a break, in characters; longer text is cut, with an ellipsis.
pub const UNBROKEN_MAX: usize = 80;

/// Maximum length of a text, in characters; longer text is cut, with an ellipsis.
pub const TEXT_MAX: usize = 6_000;

/// The changes, for the data note. Equal strings count once, however often they occur.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Number of replaced characters.
    pub characters: u64,
    /// Number of distinct strings with a replaced character.
    pub texts: u64,
    /// Number of distinct strings that were cut.
    pub cut: u64,
}

impl Changes {
    /// Describes the changes in sentences; empty without changes.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.characters > 0 {
            let verb = if self.characters == 1 { "is" } else { "are" };
            sentences.push(format!(
                "{} in {} could not be printed and {verb} replaced by {REPLACEMENT}.",
                plural(self.characters, "character"),
                plural(self.texts, "text")
            ));
        }
        if self.cut > 0 {
            let (verb, reason) = if self.cut == 1 {
                ("was", "it is too long or has no break")
            } else {
                ("were", "they are too long or have no break")
            };
            let texts = plural(self.cut, "text");
            sentences.push(format!("{texts} {verb} cut with … because {reason}."));
        }
        sentences
    }
}

/// Makes every text of a report printable; `covered` returns true for characters with a glyph.
pub fn report(
    report: &Report,
    covered: &dyn Fn(char) -> bool,
) -> Result<(Report, Changes), serde_json::Error> {
    let mut value = serde_json::to_value(report)?;
    // The list of figures repeats names, which are counted where they are printed.
    let figures = value.as_object_mut().and_then(|map| map.remove("figures"));
    let mut sanitiser = Sanitiser {
        covered,
        changes: Changes::default(),
        seen: BTreeSet::new(),
    };
    sanitiser.sanitise(&mut value, "");
    if let Some(figures) = figures {
        value["figures"] = figures;
    }
    Ok((serde_json::from_value(value)?, sanitiser.changes))
}

struct Sanitiser<'a> {
    covered: &'a dyn Fn(char) -> bool,
    changes: Changes,
    seen: BTreeSet<String>,
}

impl Sanitiser<'_> {
    fn sanitise(&mut self, value: &mut Value, key: &str) {
        match value {
            Value::String(text) => {
                let new = self.text(text, key == "query");
                if new != *text {
                    *text = new;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.sanitise(item, key)),
            // Keys are names from stages and are not printed.
            Value::Object(map) => map
                .iter_mut()
                .for_each(|(key, value)| self.sanitise(value, key)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str, keeps_lines: bool) -> String {
        let (new, replaced, cut) = printable(text, self.covered, keeps_lines);
        if (replaced > 0 || cut) && self.seen.insert(text.to_string()) {
            self.changes.characters += replaced;
            self.changes.texts += u64::from(replaced > 0);
            self.changes.cut += u64::from(cut);
        }
        new
    }
}

/// The printable form of a text, the number of replaced characters, and whether it was cut.
pub fn printable(
    text: &str,
    covered: &dyn Fn(char) -> bool,
    keeps_lines: bool,
) -> (String, u64, bool) {
    let mut out = String::with_capacity(text.len());
    let (mut replaced, mut cut, mut unbroken) = (0, false, 0);
    for (i, c) in text.chars().enumerate() {
        if i == TEXT_MAX {
            if !out.ends_with('…') {
                out.push('…');
            }
            cut = true;
            break;
        }
        let c = match c {
            '\n' if keeps_lines => '\n',
            '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
            c if is_invisible(c) => continue,
            c if is_forbidden(c) || !covered(c) => {
                replaced += 1;
                REPLACEMENT
            }
            c => c,
        };
        // Han, kana and Hangul can break after every character.
        unbroken = if c.is_whitespace() || ('\u{2e80}'..'\u{ff00}').contains(&c) {
            0
        } else {
            unbroken + 1
        };
        match unbroken {
            // A query is printed completely, in a block that can break anywhere.
            n if n > UNBROKEN_MAX && !keeps_lines => {
                if !cut || !out.ends_with('…') {
                    out.push('…');
                }
                cut = true;
            }
            _ => out.push(c),
        }
    }
    (out, replaced, cut)
}

/// Characters that only affect the rendering of their neighbours; removing them does not change the
/// text.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
    )
}

/// Characters that could hide or reorder text, or that an archival file must not contain.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{202a}'..='\u{202e}'
            | '\u{2061}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..)
        || (c as u32) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, replaced: u64) {
        let (printed, n, _) = printable(text, &|c| c != '😀', false);
        assert_eq!((printed.as_str(), n), (expected, replaced), "{text:?}");
    }

    #[test]
    fn unprintable_characters_are_replaced() {
        check("plain é — 支払い", "plain é — 支払い", 0);
        check("😀 ok", "□ ok", 1);
        check("a\u{7}b\u{0}c", "a□b□c", 2);
        check("\u{202e}evil\u{202c}", "□evil□", 2);
        check("private \u{e000}\u{f8ff}\u{10ffff}", "private □□□", 3);
        check("line\nbreak\tand\u{2028}more", "line break and more", 0);
        check("soft\u{ad}hyphen ❤\u{fe0f}", "softhyphen ❤", 0);
        check(
            "zero\u{200b}width\u{200c}non\u{200d}joiner\u{200e}",
            "zerowidthnonjoiner",
            0,
        );
    }

    #[test]
    fn long_texts_are_cut() {
        let (text, _, cut) = printable(&"x".repeat(1_000_000), &|_| true, false);
        assert!(cut);
        assert_eq!(text.chars().count(), UNBROKEN_MAX + 1);
        let (text, _, cut) = printable(&"word ".repeat(200_000), &|_| true, false);
        assert!(cut);
        assert_eq!(text.chars().count(), TEXT_MAX + 1);
        let (text, _, cut) = printable(&"中".repeat(200), &|_| true, false);
        assert!(!cut);
        assert_eq!(text.chars().count(), 200);
        assert!(printable(&"x".repeat(UNBROKEN_MAX + 1), &|_| true, false).2);
        assert!(!printable(&"x".repeat(UNBROKEN_MAX), &|_| true, false).2);
        let long = format!("{} tail", "y".repeat(90));
        assert_eq!(
            printable(&long, &|_| true, false).0,
            format!("{}… tail", "y".repeat(80))
        );
    }

    #[test]
    fn a_query_is_not_cut_within_a_word() {
        let query = format!("select {} from t", "column,".repeat(40));
        let (text, _, cut) = printable(&query, &|_| true, true);
        assert!(!cut);
        assert_eq!(text, query);
    }

    #[test]
    fn equal_strings_count_once() {
        let mut sanitiser = Sanitiser {
            covered: &|c| c.is_ascii(),
            changes: Changes::default(),
            seen: BTreeSet::new(),
        };
        let mut value = serde_json::json!({"a": ["é", "é", "ü😀"], "b": "plain"});
        sanitiser.sanitise(&mut value, "");
        assert_eq!(
            value,
            serde_json::json!({"a": ["□", "□", "□□"], "b": "plain"})
        );
        assert_eq!(
            sanitiser.changes,
            Changes {
                characters: 3,
                texts: 2,
                cut: 0
            }
        );
        assert_eq!(
            sanitiser.changes.sentences(),
            ["3\u{a0}characters in 2\u{a0}texts could not be printed and are replaced by □."]
        );
    }
}
