//! Splits JSON records that are in arrays or follow each other, over any number of lines.
//!
//! Between records, brackets of arrays, commas and whitespace are skipped, and missing or extra
//! commas are ignored. After a broken record, reading resumes at the next line that starts with a
//! bracket and is not indented deeper.

use super::{BLOCK_BYTES, BLOCK_RECORDS_MAX, BlockReader, Content, Span, Stop};
use crate::read::{
    json_scan::{Scan, ScanStep, is_blank},
    quarantine::{RECORD_BYTES_MAX, too_long},
};

/// Maximum indent of a line where reading resumes.
const INDENT_MAX: u64 = 4096;

/// Position of the reader, as indices into the buffer.
#[derive(Default)]
struct Cursor {
    /// Index of the next byte.
    position: usize,
    /// Number of lines passed in the buffer.
    lines: u64,
    /// Length of the current line's part in blocks already passed on, in bytes.
    line_before: u64,
    /// Start of the current line in the buffer.
    line_start: usize,
    /// True if an outer array is open.
    in_array: bool,
    spans: Vec<Span>,
}

impl Cursor {
    /// Position in the current line, in bytes, from 1.
    fn column(&self, position: usize) -> u64 {
        self.line_before + (position - self.line_start) as u64 + 1
    }

    /// Advances to `to`, counting lines.
    fn advance(&mut self, bytes: &[u8], to: usize) {
        let passed = &bytes[self.position..to];
        if let Some(last) = memchr::memrchr(b'\n', passed) {
            self.lines += memchr::memchr_iter(b'\n', passed).count() as u64;
            self.line_start = self.position + last + 1;
            self.line_before = 0;
        }
        self.position = to;
    }
}

impl BlockReader<'_, '_> {
    pub(super) fn read_values(&mut self) -> Result<(), Stop> {
        let mut cursor = Cursor::default();
        loop {
            if cursor.position >= BLOCK_BYTES || cursor.spans.len() >= BLOCK_RECORDS_MAX {
                self.emit_values(&mut cursor)?;
            }
            if self.advance_to_value(&mut cursor) {
                self.scan_value(&mut cursor)?;
                continue;
            }
            if !self.fill(cursor.position + BLOCK_BYTES)
                && cursor.position == self.input.bytes.len()
            {
                break;
            }
        }
        self.emit_values(&mut cursor)?;
        self.check_read_error()?;
        if cursor.in_array {
            let line = self.line;
            return Err(Stop::Broken(format!(
                "the array is not closed, so the file may have been cut off; lines up to {line} were read"
            )));
        }
        Ok(())
    }

    /// Passes on the values found so far.
    fn emit_values(&mut self, cursor: &mut Cursor) -> Result<(), Stop> {
        let spans = std::mem::take(&mut cursor.spans);
        cursor.line_before += (cursor.position - cursor.line_start) as u64;
        cursor.line_start = 0;
        cursor.lines = 0;
        let length = std::mem::take(&mut cursor.position);
        if spans.is_empty() {
            let passed = self.input.take(length);
            self.line += memchr::memchr_iter(b'\n', &passed).count() as u64;
            return Ok(());
        }
        self.emit_buffered(length, Content::Values(spans))
    }

    /// Advances to the start of the next value; returns false if it is not in the buffer.
    fn advance_to_value(&self, cursor: &mut Cursor) -> bool {
        let bytes = &self.input.bytes;
        let mut position = cursor.position;
        while let Some(byte) = bytes.get(position) {
            match byte {
                b'[' if !cursor.in_array => cursor.in_array = true,
                b']' if cursor.in_array => cursor.in_array = false,
                b',' => {}
                byte if is_blank(*byte) => {}
                _ => break,
            }
            position += 1;
        }
        cursor.advance(bytes, position);
        position < bytes.len()
    }

    /// Scans the value that begins here to its end.
    fn scan_value(&mut self, cursor: &mut Cursor) -> Result<(), Stop> {
        let start = cursor.position;
        let indent = cursor.column(start) - 1;
        let mut scan = Scan::default();
        let mut scanned = start;
        loop {
            let step = match scan.step(&self.input.bytes[scanned..]) {
                ScanStep::End(end) => ScanStep::End(scanned + end),
                ScanStep::Broken(position) => ScanStep::Broken(scanned + position),
                ScanStep::More => ScanStep::More,
            };
            scanned = self.input.bytes.len();
            let end = match step {
                ScanStep::End(end) | ScanStep::Broken(end) => end,
                ScanStep::More => scanned,
            };
            if end - start > RECORD_BYTES_MAX {
                return self.refuse_long_value(cursor, start, step, scan, indent);
            }
            match step {
                ScanStep::End(_) => {
                    self.add_span(cursor, start, end);
                    return Ok(());
                }
                ScanStep::Broken(_) => return self.emit_broken_value(cursor, start, end, indent),
                ScanStep::More if self.fill(scanned + BLOCK_BYTES) => {}
                ScanStep::More if self.input.bytes.len() > scanned => {}
                // A truncated value at the end of the file is a record, unless the file is broken
                // there.
                ScanStep::More => {
                    if self.input.error().is_none() {
                        self.add_span(cursor, start, end);
                    } else {
                        self.input.bytes.truncate(start);
                    }
                    return Ok(());
                }
            }
        }
    }

    fn add_span(&self, cursor: &mut Cursor, start: usize, end: usize) {
        cursor.spans.push(Span {
            start,
            end,
            line: self.line + cursor.lines,
            column: cursor.column(start),
        });
        cursor.advance(&self.input.bytes, end);
    }

    /// Refuses a value that is too long, and skips it.
    fn refuse_long_value(
        &mut self,
        cursor: &mut Cursor,
        start: usize,
        step: ScanStep,
        mut scan: Scan,
        indent: u64,
    ) -> Result<(), Stop> {
        self.emit_values(cursor)?;
        self.refuse(self.input.bytes.len(), too_long())?;
        let mut step = match step {
            ScanStep::End(end) => ScanStep::End(end - start),
            ScanStep::Broken(position) => ScanStep::Broken(position - start),
            ScanStep::More => ScanStep::More,
        };
        loop {
            match step {
                ScanStep::End(end) => {
                    cursor.advance(&self.input.bytes, end);
                    return self.emit_values(cursor);
                }
                ScanStep::Broken(position) => {
                    cursor.advance(&self.input.bytes, position);
                    return self.resume(cursor, indent);
                }
                ScanStep::More => {
                    cursor.advance(&self.input.bytes, self.input.bytes.len());
                    self.emit_values(cursor)?;
                    self.fill(BLOCK_BYTES);
                    if self.input.bytes.is_empty() {
                        return Ok(());
                    }
                    step = scan.step(&self.input.bytes);
                }
            }
        }
    }

    /// Passes on an invalid value, for the parser to report the error, and finds the next value.
    fn emit_broken_value(
        &mut self,
        cursor: &mut Cursor,
        start: usize,
        position: usize,
        indent: u64,
    ) -> Result<(), Stop> {
        // If the next record reveals the error, that record begins on its own line.
        let bytes = &self.input.bytes;
        let line = memchr::memrchr(b'\n', &bytes[start..position]).map(|end| start + end + 1);
        let end = match line {
            Some(line) if bytes[line..position].iter().all(|byte| is_blank(*byte)) => line,
            _ if bytes[position] == b'\n' => position,
            _ => position + 1,
        };
        self.add_span(cursor, start, end);
        self.resume(cursor, indent)
    }

    /// Skips lines until one starts with a bracket that is not indented deeper than `indent`.
    fn resume(&mut self, cursor: &mut Cursor, indent: u64) -> Result<(), Stop> {
        let from = self.line + cursor.lines;
        let mut has_text = false;
        loop {
            let at_start = cursor.position == cursor.line_start && cursor.line_before == 0;
            if at_start && self.advance_to_record(cursor, indent) {
                return Ok(());
            }
            let rest = &self.input.bytes[cursor.position..];
            let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            has_text |= !rest[..line].iter().copied().all(is_blank);
            let to = cursor.position + line;
            cursor.advance(&self.input.bytes, to);
            if to < self.input.bytes.len() {
                continue;
            }
            self.emit_values(cursor)?;
            self.fill(BLOCK_BYTES);
            if self.input.bytes.is_empty() {
                self.check_read_error()?;
                let reason =
                    format!("records after the broken one in line {from} could not be separated");
                return if has_text {
                    Err(Stop::Broken(reason))
                } else {
                    Ok(())
                };
            }
        }
    }

    /// Advances past the blanks at the start of a line; returns true if another record, or the end
    /// of the values, can begin there.
    fn advance_to_record(&mut self, cursor: &mut Cursor, indent: u64) -> bool {
        let indent = indent.min(INDENT_MAX) as usize;
        self.fill(cursor.position + indent + 1);
        let line = &self.input.bytes[cursor.position..];
        let blanks = line
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let position = cursor.position + blanks;
        match line.get(blanks) {
            _ if blanks > indent => false,
            Some(b'{' | b'[' | b']') => {
                cursor.advance(&self.input.bytes, position);
                true
            }
            // The end of the broken record.
            Some(b'}') => {
                cursor.advance(&self.input.bytes, position + 1);
                true
            }
            _ => false,
        }
    }
}
