//! Splits JSON records in arrays, or consecutive ones over any number of lines.
//!
//! Between records, brackets of arrays, commas and whitespace are skipped, and missing or extra
//! commas are ignored. After a broken record, reading resumes at the next line that starts with a
//! bracket and is not indented deeper.

use super::{BLOCK_BYTES, BLOCK_RECORDS, Cutter, Shape, Span, Stop};
use crate::read::{
    json_scan::{Scan, Step, is_blank},
    quarantine::{RECORD_BYTES_MAX, too_long},
};

/// Maximum indent of such a line.
const INDENT_MAX: u64 = 4096;

/// Position of the reader, as indices into the buffer.
#[derive(Default)]
struct Cursor {
    /// Index of the next byte.
    at: usize,
    /// Number of lines of the buffer passed.
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
    /// Byte in its line, from 1.
    fn column(&self, at: usize) -> u64 {
        self.line_before + (at - self.line_start) as u64 + 1
    }

    /// Advances to `to`, counting lines.
    fn pass(&mut self, bytes: &[u8], to: usize) {
        let passed = &bytes[self.at..to];
        if let Some(last) = memchr::memrchr(b'\n', passed) {
            self.lines += memchr::memchr_iter(b'\n', passed).count() as u64;
            self.line_start = self.at + last + 1;
            self.line_before = 0;
        }
        self.at = to;
    }
}

impl Cutter<'_, '_> {
    pub(super) fn values(&mut self) -> Result<(), Stop> {
        let mut place = Cursor::default();
        loop {
            if place.at >= BLOCK_BYTES || place.spans.len() >= BLOCK_RECORDS {
                self.give_values(&mut place)?;
            }
            if self.between(&mut place) {
                self.value(&mut place)?;
                continue;
            }
            if !self.fill(place.at + BLOCK_BYTES) && place.at == self.input.bytes.len() {
                break;
            }
        }
        self.give_values(&mut place)?;
        self.ended()?;
        if place.in_array {
            let line = self.line;
            return Err(Stop::Broken(format!(
                "the array is not closed, so the file may have been cut off; lines to {line} were read"
            )));
        }
        Ok(())
    }

    /// Passes on the values so far.
    fn give_values(&mut self, place: &mut Cursor) -> Result<(), Stop> {
        let spans = std::mem::take(&mut place.spans);
        place.line_before += (place.at - place.line_start) as u64;
        place.line_start = 0;
        place.lines = 0;
        let length = std::mem::take(&mut place.at);
        if spans.is_empty() {
            let passed = self.input.take(length);
            self.line += memchr::memchr_iter(b'\n', &passed).count() as u64;
            return Ok(());
        }
        self.emit(length, Shape::Values(spans))
    }

    /// Advances to the start of the next value; false if it is not in the buffer.
    fn between(&self, place: &mut Cursor) -> bool {
        let bytes = &self.input.bytes;
        let mut at = place.at;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'[' if !place.in_array => place.in_array = true,
                b']' if place.in_array => place.in_array = false,
                b',' => {}
                byte if is_blank(*byte) => {}
                _ => break,
            }
            at += 1;
        }
        place.pass(bytes, at);
        at < bytes.len()
    }

    /// Scans the value that begins here to its end.
    fn value(&mut self, place: &mut Cursor) -> Result<(), Stop> {
        let start = place.at;
        let indent = place.column(start) - 1;
        let mut scan = Scan::default();
        let mut scanned = start;
        loop {
            let step = match scan.step(&self.input.bytes[scanned..]) {
                Step::End(end) => Step::End(scanned + end),
                Step::Broken(at) => Step::Broken(scanned + at),
                Step::More => Step::More,
            };
            scanned = self.input.bytes.len();
            let end = match step {
                Step::End(end) | Step::Broken(end) => end,
                Step::More => scanned,
            };
            if end - start > RECORD_BYTES_MAX {
                return self.long_value(place, start, step, scan, indent);
            }
            match step {
                Step::End(_) => {
                    self.span(place, start, end);
                    return Ok(());
                }
                Step::Broken(_) => return self.broken_value(place, start, end, indent),
                Step::More if self.fill(scanned + BLOCK_BYTES) => {}
                Step::More if self.input.bytes.len() > scanned => {}
                // A truncated value at the end of the file is one record, but none if the file is
                // broken there.
                Step::More => {
                    if self.input.error().is_none() {
                        self.span(place, start, end);
                    } else {
                        self.input.bytes.truncate(start);
                    }
                    return Ok(());
                }
            }
        }
    }

    fn span(&self, place: &mut Cursor, start: usize, end: usize) {
        place.spans.push(Span {
            start,
            end,
            line: self.line + place.lines,
            column: place.column(start),
        });
        place.pass(&self.input.bytes, end);
    }

    /// Refuses a value that is too long, and skips it.
    fn long_value(
        &mut self,
        place: &mut Cursor,
        start: usize,
        step: Step,
        mut scan: Scan,
        indent: u64,
    ) -> Result<(), Stop> {
        self.give_values(place)?;
        self.refuse(self.input.bytes.len(), too_long())?;
        let mut step = match step {
            Step::End(end) => Step::End(end - start),
            Step::Broken(at) => Step::Broken(at - start),
            Step::More => Step::More,
        };
        loop {
            match step {
                Step::End(end) => {
                    place.pass(&self.input.bytes, end);
                    return self.give_values(place);
                }
                Step::Broken(at) => {
                    place.pass(&self.input.bytes, at);
                    return self.resume(place, indent);
                }
                Step::More => {
                    place.pass(&self.input.bytes, self.input.bytes.len());
                    self.give_values(place)?;
                    self.fill(BLOCK_BYTES);
                    if self.input.bytes.is_empty() {
                        return Ok(());
                    }
                    step = scan.step(&self.input.bytes);
                }
            }
        }
    }

    /// Passes on an invalid value, for the parser to report the error, and finds the next one.
    fn broken_value(
        &mut self,
        place: &mut Cursor,
        start: usize,
        at: usize,
        indent: u64,
    ) -> Result<(), Stop> {
        // If the next record reveals the error, that record begins on its own line.
        let bytes = &self.input.bytes;
        let line = memchr::memrchr(b'\n', &bytes[start..at]).map(|end| start + end + 1);
        let end = match line {
            Some(line) if bytes[line..at].iter().all(|byte| is_blank(*byte)) => line,
            _ if bytes[at] == b'\n' => at,
            _ => at + 1,
        };
        self.span(place, start, end);
        self.resume(place, indent)
    }

    /// Skips lines until one starts with a bracket that is not indented deeper than `indent`.
    fn resume(&mut self, place: &mut Cursor, indent: u64) -> Result<(), Stop> {
        let from = self.line + place.lines;
        let mut has_text = false;
        loop {
            let at_start = place.at == place.line_start && place.line_before == 0;
            if at_start && self.begins(place, indent) {
                return Ok(());
            }
            let rest = &self.input.bytes[place.at..];
            let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            has_text |= !rest[..line].iter().copied().all(is_blank);
            let to = place.at + line;
            place.pass(&self.input.bytes, to);
            if to < self.input.bytes.len() {
                continue;
            }
            self.give_values(place)?;
            self.fill(BLOCK_BYTES);
            if self.input.bytes.is_empty() {
                self.ended()?;
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

    /// Advances to the start of a line; returns true if another record, or the end of all, can
    /// begin there.
    fn begins(&mut self, place: &mut Cursor, indent: u64) -> bool {
        let indent = indent.min(INDENT_MAX) as usize;
        self.fill(place.at + indent + 1);
        let line = &self.input.bytes[place.at..];
        let blanks = line
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let at = place.at + blanks;
        match line.get(blanks) {
            _ if blanks > indent => false,
            Some(b'{' | b'[' | b']') => {
                place.pass(&self.input.bytes, at);
                true
            }
            // The end of the broken record.
            Some(b'}') => {
                place.pass(&self.input.bytes, at + 1);
                true
            }
            _ => false,
        }
    }
}
