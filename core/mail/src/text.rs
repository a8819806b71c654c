//! Makes text from records and job files safe for headers and bodies.

use retrocast_domain::number::{NBSP, THIN};

/// Replacement for a hidden character.
const REPLACEMENT: char = '□';

/// Returns a text in one line of at most `limit` characters. Characters that are hidden or reorder
/// others are replaced. Consecutive spaces become one, as in folded headers. A longer text is
/// truncated at a word and ends with an ellipsis.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut last = ' ';
    let single_spaced = visible(text.trim()).filter(|c| {
        let is_new = *c != ' ' || last != ' ';
        last = *c;
        is_new
    });
    truncate(single_spaced, limit)
}

/// The visible characters of a text; hidden ones are replaced or removed.
fn visible(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter_map(|c| match c {
        '\n' | '\r' | '\t' => Some(' '),
        // Removes characters that only affect the rendering of their neighbours.
        '\u{ad}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' => None,
        c if is_hidden(c) => Some(REPLACEMENT),
        c => Some(c),
    })
}

fn truncate(text: impl Iterator<Item = char>, limit: usize) -> String {
    let chars: Vec<char> = text.take(limit.saturating_add(1)).collect();
    if chars.len() <= limit {
        return chars.into_iter().collect();
    }
    let start = &chars[..limit.saturating_sub(1)];
    // A word boundary in the second half is preferred.
    let word = start.iter().rposition(|c| c.is_whitespace());
    let end = word.filter(|end| *end > limit / 2).unwrap_or(start.len());
    let mut out: String = start[..end].iter().collect();
    out.truncate(out.trim_end_matches([' ', ',', ';', ':', NBSP]).len());
    out.push('…');
    out
}

/// Cleans each line of a text in the same way; keeps at most `limit` characters in total.
pub fn lines(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut remaining = limit;
    for line in text.lines() {
        if remaining == 0 {
            out.push_str("…\n");
            break;
        }
        let line = truncate(visible(line.trim_end()), remaining);
        remaining = remaining.saturating_sub(line.chars().count() + 1);
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Replaces no-break and narrow spaces by plain ones, for a fixed-width font.
pub fn plain_spaces(text: &str) -> String {
    text.replace([NBSP, THIN], " ")
}

/// Wraps a text at words to `width` columns; further lines are indented by `indent` spaces.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    // No-break spaces keep a number and its unit together.
    for word in text.split([' ', '\n']).filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(&plain_spaces(word));
        column += length;
    }
    out
}

/// Returns true for characters that are invisible, change the direction of others, or are forbidden
/// in XML.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2061}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_one_short_line() {
        assert_eq!(one_line(" a\r\nBcc: b\u{202e}\u{7} ", 80), "a Bcc: b□□");
        assert_eq!(one_line("one two three four", 12), "one two…");
        assert_eq!(one_line("one two three four", 18), "one two three four");
        assert_eq!(one_line(&"x".repeat(50), 10), format!("{}…", "x".repeat(9)));
        assert_eq!(lines("a\n  b\u{1b}[2J  c\n", 80), "a\n  b□[2J  c\n");
    }

    #[test]
    fn long_texts_are_wrapped_at_words() {
        assert_eq!(wrap("- one two three", 9, 2), "- one two\n  three");
        assert_eq!(
            wrap("some 98\u{202f}993\u{a0}records", 12, 0),
            "some\n98 993 records"
        );
    }
}
