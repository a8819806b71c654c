//! A fast path for common JSON records: one flat object per line, without escapes, that conforms to
//! its contract. They are parsed in one pass from the bytes of the line.
//!
//! The general parser in `json.rs` handles all other records, and reports errors. The results are
//! therefore the same as without this module.

use super::{column::Column, value};
use crate::contract::{Field, FieldKind};

/// Number of records to try before deciding whether the fast path pays off.
const ATTEMPTS_MIN: u32 = 64;

/// Decides whether to try the fast path for the records of a block.
#[derive(Debug, Default)]
pub(super) struct FastPath {
    attempts: u32,
    successes: u32,
}

impl FastPath {
    /// Parses one line into a new row; returns false, and leaves the columns unchanged, if the line
    /// needs the general parser.
    pub fn read_record(&mut self, line: &str, fields: &[Field], columns: &mut [Column]) -> bool {
        if self.attempts >= ATTEMPTS_MIN && self.successes < self.attempts / 2 {
            return false;
        }
        self.attempts += 1;
        let rows = columns.first().map_or(0, Column::len);
        let read = Line {
            text: line,
            position: 0,
        }
        .read_record(fields, columns, rows)
        .is_some();
        if !read {
            columns.iter_mut().for_each(|column| column.truncate(rows));
        }
        self.successes += u32::from(read);
        read
    }
}

/// A line, and the position in it. Every step returns `None` for lines that need the general
/// parser.
struct Line<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Line<'t> {
    fn read_record(mut self, fields: &[Field], columns: &mut [Column], rows: usize) -> Option<()> {
        self.expect(b'{')?;
        // Records of one source mostly have their fields in the same order.
        let mut expected = 0;
        loop {
            self.expect(b'"')?;
            let name = self.read_string()?;
            let index = match fields.get(expected) {
                Some(field) if field.source_name() == name => expected,
                _ => fields
                    .iter()
                    .position(|field| field.source_name() == name)?,
            };
            expected = index + 1;
            self.expect(b':')?;
            let column = columns
                .get_mut(index)
                .filter(|column| column.len() == rows)?;
            self.read_value(&fields[index], column)?;
            match self.next_byte()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        self.skip_blanks();
        if self.position < self.text.len() {
            return None;
        }
        for (field, column) in fields.iter().zip(columns.iter_mut()) {
            if column.len() == rows {
                value::push_missing(field, column, "").ok()?;
            }
        }
        Some(())
    }

    fn read_value(&mut self, field: &Field, column: &mut Column) -> Option<()> {
        if matches!(field.kind, FieldKind::Json) {
            return None;
        }
        let pushed = match self.next_byte()? {
            b'"' => value::push_text(field, column, self.read_string()?),
            b'n' => self
                .literal("ull")
                .map(|()| value::push_null(field, column))?,
            b't' => self
                .literal("rue")
                .map(|()| value::push_boolean(field, column, true))?,
            b'f' => self
                .literal("alse")
                .map(|()| value::push_boolean(field, column, false))?,
            b'-' | b'0'..=b'9' => return self.read_number(field, column),
            _ => return None,
        };
        pushed.ok()
    }

    /// Parses the rest of a number whose first byte was read.
    fn read_number(&mut self, field: &Field, column: &mut Column) -> Option<()> {
        let start = self.position - 1;
        let bytes = self.text.as_bytes();
        let negative = bytes[start] == b'-';
        let whole = self.digits_end(start + usize::from(negative));
        let digits = &bytes[start + usize::from(negative)..whole];
        let has_leading_zero = digits.first() == Some(&b'0') && digits.len() > 1;
        if digits.is_empty() || has_leading_zero {
            return None;
        }
        let mut end = whole;
        if bytes.get(end) == Some(&b'.') {
            end = self.digits_end(whole + 1);
            if end == whole + 1 {
                return None;
            }
        }
        self.position = end;
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            return None;
        }
        if end > whole {
            let number: f64 = self.text[start..end].parse().ok()?;
            return value::push_number(field, column, number).ok();
        }
        // At most 18 digits always fit; −0 is not an integer.
        if digits.len() > 18 || (negative && digits == b"0") {
            return None;
        }
        let number = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        let number = if negative { -number } else { number };
        value::push_integer(field, column, number).ok()
    }

    /// End of the digits that start at `from`.
    fn digits_end(&self, from: usize) -> usize {
        let rest = &self.text.as_bytes()[from..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        from + count
    }

    /// Reads the string after its opening quote, if it has no escapes.
    fn read_string(&mut self) -> Option<&'t str> {
        let start = self.position;
        let bytes = self.text.as_bytes();
        let mut position = start;
        // Eight bytes at a time; the lowest set bit gives the position of the first match.
        while let Some(eight) = bytes.get(position..position + 8) {
            let word = u64::from_le_bytes(eight.try_into().ok()?);
            let matches = special_bytes(word);
            if matches != 0 {
                position += matches.trailing_zeros() as usize / 8;
                return self.close(start, position);
            }
            position += 8;
        }
        let rest = bytes.get(position..)?;
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let end = position + rest.iter().position(special)?;
        self.close(start, end)
    }

    /// Ends a string at a byte that cannot be part of it unescaped.
    fn close(&mut self, start: usize, end: usize) -> Option<&'t str> {
        if self.text.as_bytes()[end] != b'"' {
            return None;
        }
        self.position = end + 1;
        self.text.get(start..end)
    }

    fn literal(&mut self, rest: &str) -> Option<()> {
        let end = self.position + rest.len();
        let is_present = self.text.as_bytes().get(self.position..end)? == rest.as_bytes();
        self.position = end;
        is_present.then_some(())
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next_byte()? == byte).then_some(())
    }

    /// Reads the next byte that is not whitespace.
    fn next_byte(&mut self) -> Option<u8> {
        self.skip_blanks();
        let byte = self.text.as_bytes().get(self.position)?;
        self.position += 1;
        Some(*byte)
    }

    fn skip_blanks(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.position) {
            self.position += 1;
        }
    }
}

/// Sets the highest bit of the first byte that is a quote, a backslash or a control character.
/// Higher bits may be wrong (Mycroft's test for zero bytes, which borrows upwards).
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let control = word.wrapping_sub(0x20 * ONES) & !word & HIGH;
    zero(word ^ (0x22 * ONES)) | zero(word ^ (0x5C * ONES)) | control
}

#[cfg(test)]
#[path = "fast_path_tests.rs"]
mod tests;
