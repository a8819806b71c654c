//! Regular expressions of contracts, matched against whole strings.
//!
//! Matching takes time linear in the length of the text for every pattern: there is no
//! backtracking, and a pattern that would need a large automaton is refused.

use regex::{Error, Regex, RegexBuilder};
use serde::{Serialize, Serializer};

/// Maximum size of a compiled pattern, in bytes.
const SIZE_MAX: usize = 4 << 20;

/// A regular expression that a whole text must match.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// The error of an invalid pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PatternError {
    /// The error message.
    pub message: String,
    /// Byte offset of the error in the pattern, if known.
    pub at: Option<usize>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, PatternError> {
        compile(text).map_err(|error| pattern_error(text, &error))?;
        // The pattern is valid by itself, so it can only end in a comment that hides the bracket.
        let regex = compile(&format!(r"\A(?:{text})\z")).map_err(|error| match error {
            Error::CompiledTooBig(_) => pattern_error(text, &error),
            _ => PatternError {
                message: "it ends in a comment".to_string(),
                at: None,
            },
        })?;
        Ok(Self {
            text: text.to_string(),
            regex,
        })
    }

    /// Returns true if the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The pattern as written in the contract.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

fn compile(text: &str) -> Result<Regex, Error> {
    RegexBuilder::new(text)
        .size_limit(SIZE_MAX)
        .dfa_size_limit(SIZE_MAX)
        .build()
}

/// Converts an error of the library, which marks the position with a caret below a copy of the
/// pattern and gives the reason in the last line.
fn pattern_error(text: &str, error: &Error) -> PatternError {
    let Error::Syntax(report) = error else {
        return PatternError {
            message: format!(
                "it needs more than {} MiB; reduce its repetitions",
                SIZE_MAX >> 20
            ),
            at: None,
        };
    };
    let last = report.lines().last().unwrap_or_default();
    let message = last.strip_prefix("error: ").unwrap_or(last).to_string();
    let indented = format!("    {text}");
    let mut lines = report.lines().skip_while(|line| *line != indented).skip(1);
    let caret = lines.next().and_then(|line| line.find('^'));
    let at = caret
        .and_then(|column| column.checked_sub(4))
        .map(|column| {
            let byte = text.char_indices().nth(column);
            byte.map_or(text.len(), |(byte, _)| byte)
        });
    PatternError { message, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_must_match() {
        let is_match = |pattern: &str, text: &str| Pattern::new(pattern).unwrap().is_match(text);
        assert!(
            is_match("a|ab", "ab"),
            "the first alternative alone is too short"
        );
        assert!(!is_match("a|ab", "abc"));
        assert!(
            !is_match("[0-9]+", "12\n"),
            "a line break is part of the text"
        );
        assert!(is_match("[A-ZÄ]{2}-\\d+", "ÄB-17"));
        assert!(is_match("(?x) a b # and a comment\n", "ab"));
    }

    #[test]
    fn invalid_patterns_report_reason_and_position() {
        let check = |pattern: &str, message: &str, at: Option<usize>| {
            let error = Pattern::new(pattern).unwrap_err();
            let expected = PatternError {
                message: message.to_string(),
                at,
            };
            assert_eq!(error, expected, "{pattern}");
        };
        check("é(b", "unclosed group", Some(2));
        check("a)(b", "unopened group", Some(1));
        check("(?x) a # note", "it ends in a comment", None);
        check(
            r"\w{1000}{1000}",
            "it needs more than 4 MiB; reduce its repetitions",
            None,
        );
        assert!(Pattern::new(&"(".repeat(100_000)).is_err());
        assert!(Pattern::new("a\n(").is_err());
    }

    /// Checks a pattern that would take exponential time in a backtracking matcher.
    #[test]
    fn time_is_linear_in_the_text() {
        let pattern = Pattern::new("(a+)+").unwrap();
        let started = std::time::Instant::now();
        assert!(!pattern.is_match(&format!("{}b", "a".repeat(1_000_000))));
        assert!(started.elapsed().as_secs() < 5);
    }
}
