//! Text of records on a terminal: shown, never obeyed.

use std::borrow::Cow;

/// The text with everything that a terminal would obey, or that would turn the order of what is
/// shown, made visible: `\u{1b}`. Line breaks and tabs stay.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unruly) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unruly(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Characters of the words for what was cut off.
const CUT: usize = 24;

/// One line of about so many characters; what was cut off is counted, unless that takes as much room.
pub fn line(text: &str, most: usize) -> String {
    let text = text.replace(['\n', '\r', '\t'], " ");
    let all = text.chars().count();
    if all <= most + CUT {
        return text;
    }
    let kept: String = text.chars().take(most).collect();
    format!("{kept}… ({} more characters)", all - most)
}

fn is_unruly(c: char) -> bool {
    let turns = matches!(c,
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n' && c != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_commanded_by_records() {
        assert_eq!(clean("a\tb\nc – é 日本"), "a\tb\nc – é 日本");
        assert_eq!(clean("\u{1b}[2J\r\u{7}"), "\\u{1b}[2J\\u{d}\\u{7}");
        assert_eq!(clean("a\u{202e}cba"), "a\\u{202e}cba");
    }

    #[test]
    fn long_lines_are_cut_and_say_so() {
        assert_eq!(line("a\nb", 5), "a b");
        assert_eq!(
            line(&"é".repeat(35), 10),
            format!("{}… (25 more characters)", "é".repeat(10))
        );
        // The words would take as much room as what they are for.
        assert_eq!(line(&"é".repeat(34), 10), "é".repeat(34));
    }
}
