//! Finds words of a query by line and column, or by name.

use super::Span;

/// The range of the word at a line and column, both counted from 1.
pub(super) fn word_at(text: &str, line: usize, column: usize) -> Span {
    let start: usize = text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let rest = &text[start.min(text.len())..];
    let offset = start
        + rest
            .chars()
            .take(column.saturating_sub(1))
            .map(char::len_utf8)
            .sum::<usize>();
    let offset = offset.min(text.len());
    let mut length: usize = text[offset..]
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .map(char::len_utf8)
        .sum();
    if length == 0 {
        length = text[offset..]
            .chars()
            .next()
            .filter(|c| *c != '\n')
            .map_or(0, char::len_utf8);
    }
    offset..offset + length
}

/// Finds the first occurrence of a word in a query, ignoring case.
pub(super) fn find_word(text: &str, word: &str) -> Option<Span> {
    let (lower, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let is_word_char = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    lower
        .match_indices(&word)
        .map(|(start, occurrence)| start..start + occurrence.len())
        .find(|range| {
            !is_word_char(lower[..range.start].chars().next_back())
                && !is_word_char(lower[range.end..].chars().next())
        })
}
