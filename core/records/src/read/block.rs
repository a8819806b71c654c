//! Splits files into blocks of whole records, with bounded memory, in the order of files and lines.
//!
//! Data is read into one buffer, whose whole records become a block without being copied. A record
//! that is too long for the buffer is refused, and the rest of it is skipped.

mod csv;
mod input;
mod lines;
mod values;

use super::{
    csv::{Dialect, Header, Marks},
    decode::Text,
    json_scan::{self, Layout},
    quarantine::Violation,
};
use crate::{contract::Field, format::Format};
use input::InputBuffer;
use std::{io, sync::Arc};

/// Size at which a block is passed on, in bytes.
const BLOCK_BYTES: usize = 2 << 20;
/// Maximum number of records of a block, even if they are short: the description of a refused
/// record takes 100 times the memory of `{}`.
const BLOCK_RECORDS_MAX: usize = 1 << 16;
/// Bytes kept of a record that is refused without parsing.
const HEAD_BYTES: usize = 64 << 10;
/// Number of bytes to detect the layout of a JSON file from.
const PROBE_BYTES: usize = 64 << 10;

/// Whole records of one file.
#[derive(Debug)]
pub(super) struct Block {
    pub file: usize,
    pub first_line: u64,
    pub bytes: Vec<u8>,
    pub content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// One JSON record per line.
    Lines,
    /// JSON records at the given spans.
    Values(Vec<Span>),
    Csv(Arc<Header>),
    /// Rows of columns, without bytes.
    Rows(super::parquet::rows::Rows),
    /// One unparsable record; the bytes are its start.
    Refused(Violation),
}

/// The location of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// First byte in the block.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Line of the file where it begins, from 1.
    pub line: u64,
    /// Byte of that line where it begins, from 1.
    pub column: u64,
}

/// The reason why reading a file stopped early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The receiver returned false.
    Requested,
    /// The file is broken.
    Broken(String),
}

/// Receiver of blocks; returns false to stop.
pub(super) type Emit<'a> = &'a mut dyn FnMut(Block) -> bool;

/// Reads one text file to its end.
pub(super) fn read_text(
    text: Text<'_>,
    file: usize,
    format: Format,
    dialect: &Dialect,
    fields: &[Field],
    emit: Emit<'_>,
) -> Result<(), Stop> {
    let mut reader = BlockReader {
        input: InputBuffer::new(text),
        file,
        line: 1,
        emit,
    };
    if format == Format::Csv {
        return reader.read_csv(dialect, fields);
    }
    reader.fill(PROBE_BYTES);
    match json_scan::layout(&reader.input.bytes) {
        Layout::Lines => reader.read_lines(),
        Layout::Values => reader.read_values(),
    }
}

struct BlockReader<'a, 'r> {
    input: InputBuffer<'r>,
    file: usize,
    /// Line number of the start of the buffer.
    line: u64,
    emit: Emit<'a>,
}

impl BlockReader<'_, '_> {
    /// Fills the buffer with at least `min_length` bytes, or with all remaining bytes; returns
    /// false if no more bytes follow.
    ///
    /// A read error is reported after the data that precedes it.
    fn fill(&mut self, min_length: usize) -> bool {
        self.input.fill(min_length);
        self.input.may_have_more()
    }

    /// Returns an error if the file ended early; the lines before the buffer were read.
    fn check_read_error(&self) -> Result<(), Stop> {
        match self.input.error() {
            None => Ok(()),
            Some(error) => Err(self.incomplete(error)),
        }
    }

    fn incomplete(&self, error: &io::Error) -> Stop {
        let read = match self.line {
            0 | 1 => "no line".to_string(),
            2 => "only its first line".to_string(),
            line => format!("only its first {} lines", line - 1),
        };
        let were = if self.line > 2 { "were" } else { "was" };
        Stop::Broken(format!("{error}; {read} {were} read"))
    }

    /// Passes on the first bytes of the buffer as whole records.
    fn emit_buffered(&mut self, length: usize, content: Content) -> Result<(), Stop> {
        if length == 0 {
            return Ok(());
        }
        let bytes = self.input.take(length);
        self.emit_bytes(bytes, content)
    }

    /// Passes on whole records that start on the current line.
    fn emit_bytes(&mut self, bytes: Vec<u8>, content: Content) -> Result<(), Stop> {
        let lines = memchr::memchr_iter(b'\n', &bytes).count();
        let marks = match &content {
            _ if lines <= BLOCK_RECORDS_MAX => return self.emit_lines(bytes, lines, content),
            Content::Lines => None,
            Content::Csv(header) => Some(header.marks),
            // The caller has limited the number of these records.
            _ => return self.emit_lines(bytes, lines, content),
        };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (length, lines) = split_at_record_limit(rest, marks);
            let content = match &content {
                Content::Csv(header) => Content::Csv(Arc::clone(header)),
                _ => Content::Lines,
            };
            self.emit_lines(rest[..length].to_vec(), lines, content)?;
            rest = &rest[length..];
        }
        Ok(())
    }

    /// Passes on whole records that span `lines` lines.
    fn emit_lines(&mut self, bytes: Vec<u8>, lines: usize, content: Content) -> Result<(), Stop> {
        let first_line = self.line;
        self.line += lines as u64;
        self.emit_block(Block {
            file: self.file,
            first_line,
            bytes,
            content,
        })
    }

    fn emit_block(&mut self, block: Block) -> Result<(), Stop> {
        if (self.emit)(block) {
            Ok(())
        } else {
            Err(Stop::Requested)
        }
    }

    /// Passes on the start of the buffer as one record that is refused without parsing. The caller
    /// skips the rest of it.
    fn refuse(&mut self, length: usize, violation: Violation) -> Result<(), Stop> {
        let head = self.input.bytes[..length.min(HEAD_BYTES)].to_vec();
        self.refuse_bytes(&head, violation)
    }

    fn refuse_bytes(&mut self, record: &[u8], violation: Violation) -> Result<(), Stop> {
        self.emit_block(Block {
            file: self.file,
            first_line: self.line,
            bytes: record[..record.len().min(HEAD_BYTES)].to_vec(),
            content: Content::Refused(violation),
        })
    }

    /// Skips the rest of the line at the start of the buffer.
    fn skip_line(&mut self) {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.input.bytes) {
                self.input.discard(end + 1);
                self.line += 1;
                return;
            }
            self.input.discard(self.input.bytes.len());
            self.input.fill(HEAD_BYTES);
            if self.input.bytes.is_empty() {
                return;
            }
        }
    }
}

/// Length in bytes of the first [`BLOCK_RECORDS_MAX`] lines, including the rest of the last record,
/// and the number of lines.
fn split_at_record_limit(bytes: &[u8], marks: Option<Marks>) -> (usize, usize) {
    let mut limit = BLOCK_RECORDS_MAX;
    loop {
        let ends = memchr::memchr_iter(b'\n', bytes);
        let Some(end) = ends.map(|end| end + 1).nth(limit - 1) else {
            return (bytes.len(), memchr::memchr_iter(b'\n', bytes).count());
        };
        let whole = marks.map_or(end, |marks| marks.find_last_record(&bytes[..end]).last);
        if whole > 0 {
            let lines = memchr::memchr_iter(b'\n', &bytes[..whole]).count();
            return (whole, lines);
        }
        // A single record has more lines than that.
        limit *= 2;
    }
}
