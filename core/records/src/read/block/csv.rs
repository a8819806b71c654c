//! Splits CSV into records.

use super::{BLOCK_BYTES, BlockReader, Content, PROBE_BYTES, Stop};
use crate::{
    contract::Field,
    read::{
        csv::{Dialect, Header},
        quarantine::{RECORD_BYTES_MAX, Reason, Violation, too_long},
    },
};
use std::{borrow::Cow, sync::Arc};

/// Maximum number of bytes read again because of unclosed quoted cells. After that, a cell ends
/// with its line; otherwise a crafted file could keep the program busy for days.
const REREAD_MAX: usize = 8 * RECORD_BYTES_MAX;

/// Returns true if a line has no record.
fn is_blank_or_comment(line: &[u8], comment: Option<u8>) -> bool {
    line.trim_ascii().is_empty() || (comment.is_some() && line.first().copied() == comment)
}

impl BlockReader<'_, '_> {
    pub(super) fn read_csv(&mut self, dialect: &Dialect, fields: &[Field]) -> Result<(), Stop> {
        dialect.check().map_err(Stop::Broken)?;
        self.fill(PROBE_BYTES);
        let bytes = &self.input.bytes;
        let head = &bytes[..bytes.len().min(PROBE_BYTES)];
        if memchr::memchr(b'\n', head).is_none() && memchr::memchr(b'\r', head).is_some() {
            self.input.convert_carriage_returns();
        }
        let Some(header) = self.read_header(dialect, fields)? else {
            return self.check_read_error();
        };
        self.read_records(&Arc::new(header))
    }

    /// Reads the header; `None` at the end of the file.
    fn read_header(&mut self, dialect: &Dialect, fields: &[Field]) -> Result<Option<Header>, Stop> {
        let mut dialect = Cow::Borrowed(dialect);
        let marks = loop {
            self.skip_blank_lines(dialect.comment);
            let line = self.fill_record(|bytes| memchr::memchr(b'\n', bytes).map(|end| end + 1))?;
            let bytes = &self.input.bytes;
            if !is_blank_or_comment(&bytes[..line], dialect.comment) {
                let first = String::from_utf8_lossy(&bytes[..line]);
                let delimiter = Dialect::declared_delimiter(&first);
                let Some(mark) = delimiter.filter(|_| matches!(dialect, Cow::Borrowed(_))) else {
                    break dialect.marks(&first);
                };
                let dialect_of_file = dialect.with_delimiter(mark, self.line);
                dialect = Cow::Owned(dialect_of_file.map_err(Stop::Broken)?);
                self.skip(line);
                continue;
            }
            if line == bytes.len() && !self.input.may_have_more() {
                return Ok(None);
            }
            self.skip_line();
        };
        let end = if dialect.header {
            self.fill_record(|bytes| marks.first_record_end(bytes))?
        } else {
            0
        };
        let bytes = &self.input.bytes;
        let header = match &dialect.columns {
            Some(names) => Header::from_names(names.iter().map(String::as_str), marks, fields)
                .map(|header| header.with_line(&bytes[..end])),
            None => std::str::from_utf8(&bytes[..end])
                .map_err(|_| {
                    "the header is not UTF-8 text; declare the encoding of the file, such as \
                     windows-1252"
                        .to_string()
                })
                .and_then(|line| Header::parse(line, marks, fields)),
        };
        let header = header.map_err(Stop::Broken)?;
        self.skip(end);
        Ok(Some(header))
    }

    /// Drops all blank lines and comments at the start of the buffer. Dropping them one by one
    /// would move the rest of the buffer each time.
    fn skip_blank_lines(&mut self, comment: Option<u8>) {
        let bytes = &self.input.bytes;
        let mut position = 0;
        while let Some(end) =
            memchr::memchr(b'\n', &bytes[position..]).map(|end| position + end + 1)
            && is_blank_or_comment(&bytes[position..end], comment)
        {
            position = end;
        }
        if position > 0 {
            self.skip(position);
        }
    }

    /// Fills the buffer with the whole first record; returns its end.
    fn fill_record(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Result<usize, Stop> {
        let mut min_length = PROBE_BYTES;
        loop {
            let more = self.fill(min_length);
            let length = self.input.bytes.len();
            let end = end(&self.input.bytes).or((!more).then_some(length));
            if end.unwrap_or(length) > RECORD_BYTES_MAX {
                let reason = format!("the header is longer than {} MiB", RECORD_BYTES_MAX >> 20);
                return Err(Stop::Broken(reason));
            }
            match end {
                Some(end) => return Ok(end),
                None => min_length = 2 * length,
            }
        }
    }

    fn read_records(&mut self, header: &Arc<Header>) -> Result<(), Stop> {
        let marks = header.marks;
        let mut reread = 0;
        loop {
            let more = self.fill(self.input.bytes.len() + BLOCK_BYTES);
            let bytes = &self.input.bytes;
            if bytes.len() > RECORD_BYTES_MAX
                && let Some(end) = marks.first_record_end(bytes)
                && end > RECORD_BYTES_MAX
            {
                self.refuse(end, too_long())?;
                self.skip(end);
                continue;
            }
            let ends = marks.find_last_record(bytes);
            // A partial record is read if the file ends there, but not if the file is broken there.
            let whole = if more || ends.open || self.input.error().is_some() {
                ends.last
            } else {
                bytes.len()
            };
            self.emit_buffered(whole, Content::Csv(Arc::clone(header)))?;
            let rest = self.input.bytes.len();
            if !more && (rest == 0 || self.input.error().is_some()) {
                return self.check_read_error();
            }
            if more && rest <= RECORD_BYTES_MAX {
                continue;
            }
            if ends.open {
                reread += rest;
                self.refuse_unclosed(header, reread > REREAD_MAX)?;
            } else {
                self.refuse(rest, too_long())?;
                self.skip_line();
            }
        }
    }

    /// Drops whole records from the start of the buffer.
    fn skip(&mut self, length: usize) {
        let passed = self.input.take(length);
        self.line += memchr::memchr_iter(b'\n', &passed).count() as u64;
    }

    /// Handles a record with an unclosed quoted cell at the start of the buffer: refuses its first
    /// line or, with `all`, every such line of the buffer.
    fn refuse_unclosed(&mut self, header: &Arc<Header>, all: bool) -> Result<(), Stop> {
        let bytes = std::mem::take(&mut self.input.bytes);
        let mut position = 0;
        let mut complete = 0;
        loop {
            let rest = &bytes[position + complete..];
            let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let is_complete = rest[..line].ends_with(b"\n");
            if line == 0 || (position > 0 && !(all && is_complete)) {
                break;
            }
            if !header.marks.find_last_record(&rest[..line]).open {
                complete += line;
                continue;
            }
            self.emit_copy(&bytes[position..position + complete], header)?;
            position += complete;
            complete = 0;
            self.refuse_line(&bytes[position..position + line], is_complete)?;
            position += line;
        }
        self.emit_copy(&bytes[position..position + complete], header)?;
        self.input.bytes = bytes[position + complete..].to_vec();
        if position == bytes.len() && !bytes.ends_with(b"\n") {
            // Only the start of a line that is too long was in the buffer.
            self.skip_line();
        }
        Ok(())
    }

    fn refuse_line(&mut self, line: &[u8], is_complete: bool) -> Result<(), Stop> {
        let violation = match is_complete {
            true => Violation::new(Reason::BrokenCsv, "a quoted cell is not closed"),
            false if line.len() > RECORD_BYTES_MAX => too_long(),
            false => Violation::new(
                Reason::BrokenCsv,
                "a quoted cell is not closed before the file ends",
            ),
        };
        self.refuse_bytes(line, violation)?;
        self.line += u64::from(is_complete);
        Ok(())
    }

    fn emit_copy(&mut self, records: &[u8], header: &Arc<Header>) -> Result<(), Stop> {
        if records.is_empty() {
            return Ok(());
        }
        self.emit_bytes(records.to_vec(), Content::Csv(Arc::clone(header)))
    }
}
