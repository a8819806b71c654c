//! Splits CSV into records.

use super::{BLOCK_BYTES, Cutter, GLANCE_BYTES, Shape, Stop};
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

impl Cutter<'_, '_> {
    pub(super) fn csv(&mut self, dialect: &Dialect, fields: &[Field]) -> Result<(), Stop> {
        dialect.check().map_err(Stop::Broken)?;
        self.fill(GLANCE_BYTES);
        let bytes = &self.input.bytes;
        let head = &bytes[..bytes.len().min(GLANCE_BYTES)];
        if memchr::memchr(b'\n', head).is_none() && memchr::memchr(b'\r', head).is_some() {
            self.input.returns_end_lines();
        }
        let Some(header) = self.header(dialect, fields)? else {
            return self.ended();
        };
        self.records(&Arc::new(header))
    }

    /// Reads the header; `None` at the end of the file.
    fn header(&mut self, dialect: &Dialect, fields: &[Field]) -> Result<Option<Header>, Stop> {
        let mut dialect = Cow::Borrowed(dialect);
        let marks = loop {
            self.skip_blank_lines(dialect.comment);
            let line = self.grow(|bytes| memchr::memchr(b'\n', bytes).map(|end| end + 1))?;
            let bytes = &self.input.bytes;
            if !is_blank_or_comment(&bytes[..line], dialect.comment) {
                let first = String::from_utf8_lossy(&bytes[..line]);
                let named = Dialect::named_delimiter(&first);
                let Some(mark) = named.filter(|_| matches!(dialect, Cow::Borrowed(_))) else {
                    break dialect.marks(&first);
                };
                let agreed = dialect.delimited_by(mark, self.line);
                dialect = Cow::Owned(agreed.map_err(Stop::Broken)?);
                self.pass(line);
                continue;
            }
            if line == bytes.len() && !self.input.more() {
                return Ok(None);
            }
            self.skip_line();
        };
        let end = if dialect.header {
            self.grow(|bytes| marks.first_end(bytes))?
        } else {
            0
        };
        let bytes = &self.input.bytes;
        let header = match &dialect.columns {
            Some(names) => Header::of(names.iter().map(String::as_str), marks, fields)
                .map(|header| header.written(&bytes[..end])),
            None => std::str::from_utf8(&bytes[..end])
                .map_err(|_| "the header is not UTF-8 text".to_string())
                .and_then(|line| Header::parse(line, marks, fields)),
        };
        let header = header.map_err(Stop::Broken)?;
        self.pass(end);
        Ok(Some(header))
    }

    /// Drops all blank lines and comments at the start of the buffer. Dropping them one by one
    /// would move the rest of the buffer each time.
    fn skip_blank_lines(&mut self, comment: Option<u8>) {
        let bytes = &self.input.bytes;
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &bytes[at..]).map(|end| at + end + 1)
            && is_blank_or_comment(&bytes[at..end], comment)
        {
            at = end;
        }
        if at > 0 {
            self.pass(at);
        }
    }

    /// Fills the buffer with the whole first record; returns its end.
    fn grow(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Result<usize, Stop> {
        let mut wanted = GLANCE_BYTES;
        loop {
            let more = self.fill(wanted);
            let length = self.input.bytes.len();
            let end = end(&self.input.bytes).or((!more).then_some(length));
            if end.unwrap_or(length) > RECORD_BYTES_MAX {
                let reason = format!("the header is longer than {} MiB", RECORD_BYTES_MAX >> 20);
                return Err(Stop::Broken(reason));
            }
            match end {
                Some(end) => return Ok(end),
                None => wanted = 2 * length,
            }
        }
    }

    fn records(&mut self, header: &Arc<Header>) -> Result<(), Stop> {
        let marks = header.marks;
        let mut reread = 0;
        loop {
            let more = self.fill(self.input.bytes.len() + BLOCK_BYTES);
            let bytes = &self.input.bytes;
            if bytes.len() > RECORD_BYTES_MAX
                && let Some(end) = marks.first_end(bytes)
                && end > RECORD_BYTES_MAX
            {
                self.refuse(end, too_long())?;
                self.pass(end);
                continue;
            }
            let ends = marks.ends(bytes);
            // A partial record counts if the file ends there, but not if the file is broken there.
            let whole = if more || ends.open || self.input.error().is_some() {
                ends.last
            } else {
                bytes.len()
            };
            self.emit(whole, Shape::Csv(Arc::clone(header)))?;
            let rest = self.input.bytes.len();
            if !more && (rest == 0 || self.input.error().is_some()) {
                return self.ended();
            }
            if more && rest <= RECORD_BYTES_MAX {
                continue;
            }
            if ends.open {
                reread += rest;
                self.unclosed(header, reread > REREAD_MAX)?;
            } else {
                self.refuse(rest, too_long())?;
                self.skip_line();
            }
        }
    }

    /// Drops whole records from the start of the buffer.
    fn pass(&mut self, length: usize) {
        let passed = self.input.take(length);
        self.line += memchr::memchr_iter(b'\n', &passed).count() as u64;
    }

    /// Handles a record with an unclosed quoted cell at the start of the buffer: refuses its first
    /// line or, with `all`, every such line of the buffer.
    fn unclosed(&mut self, header: &Arc<Header>, all: bool) -> Result<(), Stop> {
        let bytes = std::mem::take(&mut self.input.bytes);
        let mut at = 0;
        let mut complete = 0;
        loop {
            let rest = &bytes[at + complete..];
            let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let whole = rest[..line].ends_with(b"\n");
            if line == 0 || (at > 0 && !(all && whole)) {
                break;
            }
            if !header.marks.ends(&rest[..line]).open {
                complete += line;
                continue;
            }
            self.copy(&bytes[at..at + complete], header)?;
            at += complete;
            complete = 0;
            self.refuse_line(&bytes[at..at + line], whole)?;
            at += line;
        }
        self.copy(&bytes[at..at + complete], header)?;
        self.input.bytes = bytes[at + complete..].to_vec();
        if at == bytes.len() && !bytes.ends_with(b"\n") {
            // Only the start of a line that is too long was in the buffer.
            self.skip_line();
        }
        Ok(())
    }

    fn refuse_line(&mut self, line: &[u8], whole: bool) -> Result<(), Stop> {
        let violation = match whole {
            true => Violation::new(Reason::BrokenCsv, "a quoted cell is not closed"),
            false if line.len() > RECORD_BYTES_MAX => too_long(),
            false => Violation::new(
                Reason::BrokenCsv,
                "a quoted cell is not closed before the file ends",
            ),
        };
        self.refuse_bytes(line, violation)?;
        self.line += u64::from(whole);
        Ok(())
    }

    fn copy(&mut self, records: &[u8], header: &Arc<Header>) -> Result<(), Stop> {
        if records.is_empty() {
            return Ok(());
        }
        self.give_bytes(records.to_vec(), Shape::Csv(Arc::clone(header)))
    }
}
