//! Finds the ends of CSV records and cells.
//!
//! A quote opens a quoted cell only at the start of the cell, as spreadsheets write it; elsewhere
//! it is text. Inside, two quotes are one quote character, and delimiters and line breaks are text.

use memchr::{memchr, memrchr};
use std::borrow::Cow;

/// The structural characters of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub comment: Option<u8>,
}

/// End of the last whole record in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// Index after its line break; 0 if no record is whole.
    pub last: usize,
    /// True if the bytes end inside a quoted cell.
    pub open: bool,
}

impl Marks {
    /// Returns true if a line outside quoted cells is a comment.
    pub fn is_comment(self, line: &[u8]) -> bool {
        self.comment.is_some() && line.first().copied() == self.comment
    }

    /// Index of the first quote at or after `from` that opens a cell; `from` must be outside
    /// quotes.
    fn find_opening(self, bytes: &[u8], from: usize) -> Option<usize> {
        let quote = self.quote?;
        let mut position = from;
        loop {
            let index = position + memchr(quote, &bytes[position..])?;
            position = index + 1;
            let opens = match index.checked_sub(1).map(|before| bytes[before]) {
                None | Some(b'\n') => true,
                Some(before) => before == self.delimiter,
            };
            if !opens {
                continue;
            }
            if !self.in_comment(bytes, from, index) {
                return Some(index);
            }
            position += memchr(b'\n', &bytes[position..])?;
        }
    }

    /// Returns true if the byte at `position` is in a comment line. There must be no quoted cell
    /// between `from` and `position`.
    fn in_comment(self, bytes: &[u8], from: usize, position: usize) -> bool {
        if self.comment.is_none() {
            return false;
        }
        match memrchr(b'\n', &bytes[from..position]) {
            Some(end) => self.is_comment(&bytes[from + end + 1..]),
            None => from == 0 && self.is_comment(bytes),
        }
    }

    /// Index after the quote that closes the cell whose text begins at `position`.
    fn find_closing(quote: u8, bytes: &[u8], mut position: usize) -> Option<usize> {
        loop {
            position += memchr(quote, &bytes[position..])? + 1;
            if bytes.get(position) != Some(&quote) {
                return Some(position);
            }
            position += 1;
        }
    }

    /// Finds the end of the last whole record in bytes that start with a record.
    pub fn find_last_record(self, bytes: &[u8]) -> LastRecord {
        let (mut last, mut position) = (0, 0);
        loop {
            let opening = self.find_opening(bytes, position);
            let plain = &bytes[position..opening.unwrap_or(bytes.len())];
            last = memrchr(b'\n', plain).map_or(last, |end| position + end + 1);
            let Some((opening, quote)) = opening.zip(self.quote) else {
                return LastRecord { last, open: false };
            };
            match Self::find_closing(quote, bytes, opening + 1) {
                Some(after) => position = after,
                None => return LastRecord { last, open: true },
            }
        }
    }

    /// End of the first record, after its line break.
    pub fn first_record_end(self, bytes: &[u8]) -> Option<usize> {
        let mut position = 0;
        loop {
            let line = position + memchr(b'\n', &bytes[position..])? + 1;
            let opening = self.find_opening(&bytes[..line], position);
            let Some((opening, quote)) = opening.zip(self.quote) else {
                return Some(line);
            };
            position = Self::find_closing(quote, bytes, opening + 1)?;
        }
    }

    /// Number of cells of a record.
    pub fn count_cells(self, record: &str) -> usize {
        self.cells(record, 0, &mut Vec::new())
    }

    /// Splits a record into cells, without its line break; keeps at most `limit` cells, and returns
    /// the number of all cells.
    pub fn cells<'t>(self, record: &'t str, limit: usize, cells: &mut Vec<Cow<'t, str>>) -> usize {
        let record = record.strip_suffix('\n').unwrap_or(record);
        let record = record.strip_suffix('\r').unwrap_or(record);
        let quote = self
            .quote
            .filter(|quote| memchr(*quote, record.as_bytes()).is_some());
        let (mut position, mut count) = (0, 0);
        loop {
            let (cell, end) = self.split_cell(record, position, quote);
            count += 1;
            if count <= limit {
                cells.push(cell);
            }
            if end == record.len() {
                return count;
            }
            position = end + 1;
        }
    }

    /// Reads the cell that begins at `position`; returns the cell and its end.
    fn split_cell(self, record: &str, position: usize, quote: Option<u8>) -> (Cow<'_, str>, usize) {
        let bytes = record.as_bytes();
        let next_delimiter = |from: usize| {
            memchr(self.delimiter, &bytes[from..]).map_or(bytes.len(), |found| from + found)
        };
        let Some(quote) = quote.filter(|quote| bytes.get(position) == Some(quote)) else {
            let end = next_delimiter(position);
            return (Cow::Borrowed(&record[position..end]), end);
        };
        let Some(after) = Self::find_closing(quote, bytes, position + 1) else {
            return (unquote(&record[position + 1..], quote), bytes.len());
        };
        let inner = unquote(&record[position + 1..after - 1], quote);
        let end = next_delimiter(after);
        if end == after {
            return (inner, end);
        }
        let mut cell = inner.into_owned();
        cell.push_str(&record[after..end]);
        (Cow::Owned(cell), end)
    }
}

/// Text of a quoted cell, with doubled quotes replaced by single quotes.
fn unquote(text: &str, quote: u8) -> Cow<'_, str> {
    if memchr(quote, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let quote = char::from(quote);
    let doubled: String = [quote, quote].iter().collect();
    Cow::Owned(text.replace(&doubled, &quote.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMA: Marks = Marks {
        delimiter: b',',
        quote: Some(b'"'),
        comment: None,
    };

    fn check(record: &str, marks: Marks, expected: &[&str]) {
        let mut cells = Vec::new();
        assert_eq!(marks.cells(record, 9, &mut cells), expected.len());
        assert_eq!(cells, expected, "{record:?}");
    }

    #[test]
    fn cells_are_split_as_spreadsheets_write_them() {
        check("a,b,c\r\n", COMMA, &["a", "b", "c"]);
        check(
            "\"a,1\",\"say \"\"hi\"\"\",\"two\nlines\"\n",
            COMMA,
            &["a,1", "say \"hi\"", "two\nlines"],
        );
        check("5\" pipe,é;x", COMMA, &["5\" pipe", "é;x"]);
        check(",,", COMMA, &["", "", ""]);
        check("", COMMA, &[""]);
        check("\"\",\"\"\"\"", COMMA, &["", "\""]);
        check("\"a\"b,c", COMMA, &["ab", "c"]);
        check("\"a\"b\"c,d", COMMA, &["ab\"c", "d"]);
        check("\"a,b", COMMA, &["a,b"]);
        let semicolon = Marks {
            delimiter: b';',
            ..COMMA
        };
        check("a;\"b;c\"", semicolon, &["a", "b;c"]);
        let apostrophe = Marks {
            quote: Some(b'\''),
            ..COMMA
        };
        check("'a,''b',\"c", apostrophe, &["a,'b", "\"c"]);
        let none = Marks {
            quote: None,
            ..COMMA
        };
        check("\"a,b\"", none, &["\"a", "b\""]);
    }

    #[test]
    fn cells_beyond_the_limit_are_only_counted() {
        let mut cells = Vec::new();
        assert_eq!(COMMA.cells("a,b,c,d", 2, &mut cells), 4);
        assert_eq!(cells, ["a", "b"]);
    }

    /// A reference implementation, byte by byte.
    fn reference(bytes: &[u8]) -> (Option<usize>, LastRecord) {
        #[derive(PartialEq)]
        enum State {
            Start,
            Plain,
            Quoted,
            Quote,
        }
        let (mut state, mut first, mut last) = (State::Start, None, 0);
        for (index, &byte) in bytes.iter().enumerate() {
            state = match (state, byte) {
                (State::Quoted, b'"') => State::Quote,
                (State::Quoted, _) | (State::Quote, b'"') => State::Quoted,
                (_, b'\n') => {
                    last = index + 1;
                    first = first.or(Some(last));
                    State::Start
                }
                (State::Start, b'"') => State::Quoted,
                (_, b',') => State::Start,
                _ => State::Plain,
            };
        }
        let open = state == State::Quoted;
        (first, LastRecord { last, open })
    }

    #[test]
    fn ends_of_records_match_the_reference() {
        // All strings of up to 8 characters from the alphabet.
        let alphabet = [b'"', b',', b'\n', b'x'];
        for length in 0..=8_u32 {
            for number in 0..4_usize.pow(length) {
                let text: Vec<u8> = (0..length)
                    .map(|digit| alphabet[number / 4_usize.pow(digit) % 4])
                    .collect();
                let expected = reference(&text);
                let shown = String::from_utf8_lossy(&text);
                assert_eq!(COMMA.find_last_record(&text), expected.1, "{shown:?}");
                assert_eq!(COMMA.first_record_end(&text), expected.0, "{shown:?}");
            }
        }
    }

    #[test]
    fn quotes_in_comments_do_not_open_cells() {
        let marks = Marks {
            comment: Some(b'#'),
            ..COMMA
        };
        let text = b"a,b\n# \"x,\"y\nc,\"d\n#\"\n";
        let ends = marks.find_last_record(text);
        assert_eq!((ends.last, ends.open), (text.len(), false));
        assert_eq!(marks.first_record_end(&text[4..]), Some(8));
        let text = b"\"a\n#b\",\"c\nd\"\n";
        assert_eq!(marks.first_record_end(text), Some(text.len()));
    }
}
