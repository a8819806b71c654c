//! Words of a query by location, and locations by word.

use super::Span;

/// The word at a line and column, both counted from 1.
pub(super) fn word_at(text: &str, line: usize, column: usize) -> Span {
    let start: usize = text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let rest = &text[start.min(text.len())..];
    let at = start
        + rest
            .chars()
            .take(column.saturating_sub(1))
            .map(char::len_utf8)
            .sum::<usize>();
    let at = at.min(text.len());
    let mut length: usize = text[at..]
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .map(char::len_utf8)
        .sum();
    if length == 0 {
        length = text[at..]
            .chars()
            .next()
            .filter(|c| *c != '\n')
            .map_or(0, char::len_utf8);
    }
    at..at + length
}

/// Finds the first occurrence of a word in a query, ignoring case.
pub(super) fn find_word(text: &str, word: &str) -> Option<Span> {
    let (lower, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    lower
        .match_indices(&word)
        .map(|(at, found)| at..at + found.len())
        .find(|range| {
            !part(lower[..range.start].chars().next_back())
                && !part(lower[range.end..].chars().next())
        })
}
