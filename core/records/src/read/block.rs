//! Files cut into blocks of whole records, with bounded memory, in the order of files and lines.

use super::{
    csv::{Header, Splitter},
    quarantine::{Reason, Violation},
};
use crate::contract::Field;
use std::{
    io::{self, BufRead, BufReader, Read},
    sync::Arc,
};

/// A record longer than this is left out.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Size at which a block is handed on.
const BLOCK_BYTES: usize = 4 << 20;
const BUFFER_BYTES: usize = 256 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How the records of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values (also `;`, tab or `|`) under a header.
    Csv,
}

impl Format {
    /// The format that a file's name tells, compression aside.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = [".gz", ".zst", ".zstd"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" | "tsv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Whole records of one file.
#[derive(Debug)]
pub(super) struct Block {
    pub file: usize,
    pub first_line: u64,
    pub bytes: Vec<u8>,
    pub shape: Shape,
}

#[derive(Debug)]
pub(super) enum Shape {
    Jsonl,
    Csv(Arc<Header>),
    /// One record that cannot even be taken apart; the bytes are its beginning.
    Refused(Violation),
}

/// Why reading a file ended before its end.
pub(super) enum Stop {
    /// Nobody wants more.
    Unwanted,
    /// The file is broken.
    Broken(String),
}

/// Takes compression off, told by the first bytes or else by the name.
pub(super) fn decoded(
    reader: Box<dyn Read + Send>,
    name: &str,
) -> io::Result<Box<dyn BufRead + Send>> {
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, reader);
    let head = raw.fill_buf()?;
    let name = name.to_ascii_lowercase();
    let named = |ending: &str| !head.is_empty() && name.ends_with(ending);
    let gzip = head.starts_with(b"\x1f\x8b") || named(".gz");
    let zstd = head.starts_with(b"\x28\xb5\x2f\xfd") || named(".zst") || named(".zstd");
    Ok(if gzip {
        let decoder = flate2::bufread::MultiGzDecoder::new(raw);
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
    } else if zstd {
        let decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
    } else {
        Box::new(raw)
    })
}

/// Reads one file to its end.
pub(super) fn read_file(
    reader: Box<dyn BufRead + Send>,
    file: usize,
    format: Format,
    fields: &[Field],
    emit: &mut dyn FnMut(Block) -> bool,
) -> Result<(), Stop> {
    let mut cutter = Cutter {
        lines: Lines {
            reader,
            pushed: Vec::new(),
            at: 0,
        },
        file,
        line: 1,
        block: Vec::new(),
        first_line: 1,
        shape: Shape::Jsonl,
        emit,
    };
    let read = match format {
        Format::Jsonl => cutter.jsonl(),
        Format::Csv => cutter.csv(fields),
    };
    // What was read before the file broke is kept.
    match read {
        Err(Stop::Unwanted) => Err(Stop::Unwanted),
        other => cutter.flush().and(other),
    }
}

struct Cutter<'a> {
    lines: Lines,
    file: usize,
    /// Line that comes next.
    line: u64,
    block: Vec<u8>,
    first_line: u64,
    shape: Shape,
    emit: &'a mut dyn FnMut(Block) -> bool,
}

impl Cutter<'_> {
    fn flush(&mut self) -> Result<(), Stop> {
        let bytes = std::mem::take(&mut self.block);
        let first_line = std::mem::replace(&mut self.first_line, self.line);
        let shape = match &self.shape {
            Shape::Csv(header) => Shape::Csv(Arc::clone(header)),
            _ => Shape::Jsonl,
        };
        if bytes.is_empty() {
            return Ok(());
        }
        self.emit(Block {
            file: self.file,
            first_line,
            bytes,
            shape,
        })
    }

    fn emit(&mut self, block: Block) -> Result<(), Stop> {
        if (self.emit)(block) {
            Ok(())
        } else {
            Err(Stop::Unwanted)
        }
    }

    /// Hands on one record that is refused unread, after what came before it.
    fn refuse(&mut self, bytes: &[u8], line: u64, violation: Violation) -> Result<(), Stop> {
        let bytes = bytes[..bytes.len().min(BUFFER_BYTES)].to_vec();
        let shape = Shape::Refused(violation);
        self.emit(Block {
            file: self.file,
            first_line: line,
            bytes,
            shape,
        })
    }

    fn broken(&self, error: &io::Error) -> Stop {
        Stop::Broken(format!("{error}; lines before {} were read", self.line))
    }

    fn too_long() -> Violation {
        let message = format!("the record is longer than {} MiB", RECORD_BYTES_MAX >> 20);
        Violation::new(Reason::TooLong, message)
    }

    fn jsonl(&mut self) -> Result<(), Stop> {
        loop {
            let start = self.block.len();
            let read = match self.lines.next(&mut self.block, RECORD_BYTES_MAX) {
                Ok(read) => read,
                Err(error) => {
                    self.block.truncate(start);
                    return Err(self.broken(&error));
                }
            };
            if read == 0 {
                return Ok(());
            }
            if read > RECORD_BYTES_MAX {
                let head = self.block.split_off(start);
                self.flush()?;
                self.refuse(&head, self.line, Self::too_long())?;
                let skipped = self.lines.skip();
                self.line += 1;
                self.first_line = self.line;
                skipped.map_err(|error| self.broken(&error))?;
                continue;
            }
            if self.line == 1 && self.block.starts_with(BYTE_ORDER_MARK) {
                self.block.drain(..BYTE_ORDER_MARK.len());
            }
            self.line += 1;
            if self.block.len() >= BLOCK_BYTES {
                self.flush()?;
            }
        }
    }

    fn csv(&mut self, fields: &[Field]) -> Result<(), Stop> {
        let mut record = Vec::new();
        // The delimiter is known once the header is; a header's own line breaks are in quotes.
        if !self.csv_record(&mut record, b',')? {
            return Ok(());
        }
        let bytes = record.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&record);
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Stop::Broken("the header is not UTF-8".to_string()))?;
        let header = Arc::new(Header::parse(text, fields).map_err(Stop::Broken)?);
        self.first_line = self.line;
        self.shape = Shape::Csv(Arc::clone(&header));
        loop {
            record.clear();
            if !self.csv_record(&mut record, header.delimiter)? {
                return Ok(());
            }
            self.block.extend_from_slice(&record);
            if self.block.len() >= BLOCK_BYTES {
                self.flush()?;
            }
        }
    }

    /// Reads the next whole record; `false` at the end. Records that cannot be taken apart are
    /// refused on the way: then only their first line is lost, and reading goes on with the next.
    fn csv_record(&mut self, record: &mut Vec<u8>, delimiter: u8) -> Result<bool, Stop> {
        'record: loop {
            record.clear();
            let mut splitter = Splitter::default();
            let mut lines = 0;
            loop {
                let start = record.len();
                let room = RECORD_BYTES_MAX - start;
                let read = self
                    .lines
                    .next(record, room)
                    .map_err(|error| self.broken(&error))?;
                let ended = splitter.end(&record[start..], delimiter).is_some();
                lines += 1;
                if ended && read <= room {
                    self.line += lines;
                    return Ok(true);
                }
                let at_end = read == 0 || (read <= room && !record.ends_with(b"\n"));
                if at_end && !splitter.in_quotes() {
                    self.line += lines;
                    return Ok(!record.is_empty());
                }
                if !at_end && read <= room {
                    continue;
                }
                self.refuse_csv(record, splitter.in_quotes())?;
                continue 'record;
            }
        }
    }

    fn refuse_csv(&mut self, record: &[u8], in_quotes: bool) -> Result<(), Stop> {
        self.flush()?;
        let first = record
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(record.len(), |at| at + 1);
        let violation = if in_quotes && first < record.len() {
            Violation::new(Reason::BrokenCsv, "a quoted cell is not closed")
        } else if record.len() <= RECORD_BYTES_MAX {
            Violation::new(
                Reason::BrokenCsv,
                "a quoted cell is not closed before the file ends",
            )
        } else {
            Self::too_long()
        };
        self.refuse(&record[..first], self.line, violation)?;
        if first < record.len() {
            self.lines.push_back(&record[first..]);
        } else if !record.ends_with(b"\n") {
            self.lines.skip().map_err(|error| self.broken(&error))?;
        }
        self.line += 1;
        self.first_line = self.line;
        Ok(())
    }
}

/// Lines of bounded length, some of which can be given back.
struct Lines {
    reader: Box<dyn BufRead + Send>,
    pushed: Vec<u8>,
    at: usize,
}

impl Lines {
    /// Appends the next line with its line break; when it is longer than `room`, `room + 1` bytes
    /// of it. Returns the bytes appended; 0 at the end.
    fn next(&mut self, out: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        let mut read = 0;
        if self.at < self.pushed.len() {
            let rest = &self.pushed[self.at..];
            let rest = &rest[..rest.len().min(room + 1)];
            let end = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let taken = &rest[..end.unwrap_or(rest.len())];
            out.extend_from_slice(taken);
            read = taken.len();
            self.at += read;
            if end.is_some() || read > room {
                return Ok(read);
            }
        }
        let left = (room + 1 - read) as u64;
        Ok(read + (&mut self.reader).take(left).read_until(b'\n', out)?)
    }

    /// Reads on to the end of the line and forgets it.
    fn skip(&mut self) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = self.next(&mut line, BUFFER_BYTES)?;
            if read <= BUFFER_BYTES || line.ends_with(b"\n") {
                return Ok(());
            }
        }
    }

    fn push_back(&mut self, bytes: &[u8]) {
        let rest = self.pushed.split_off(self.at);
        self.pushed = bytes.to_vec();
        self.pushed.extend(rest);
        self.at = 0;
    }
}
