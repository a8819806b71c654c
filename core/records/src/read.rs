//! Reads files of records into batches of rows: decompresses, splits, parses and checks them, in
//! order.
//!
//! One thread reads files in order and splits them into blocks of whole records, several threads
//! parse blocks, and the caller's thread receives the results in the order of the blocks. The
//! events are therefore the same for any number of threads, and only a few blocks are in memory.

mod block;
mod column;
mod csv;
mod decode;
mod extra_fields;
mod fast_path;
mod json_scan;
pub mod key;
mod parquet;
mod parse;
pub mod personal;
pub mod pseudonyms;
pub mod quarantine;
pub(crate) mod time;
pub mod value;

pub use column::{time_range, times};
pub use csv::Dialect;
pub use extra_fields::{UnknownCounts, count_unknown};
pub use parse::ParsedBlock;
pub use quarantine::RECORD_BYTES_MAX;
pub(crate) use value::{json::check_value, text::normalize_number};

use crate::{
    contract::Contract,
    error::SourceError,
    format::Format,
    source::{Listing, SourceFile},
};
use block::{Block, Emit, Stop};
use pseudonyms::Pseudonyms;
use std::{
    io::Read,
    sync::{Arc, Mutex, PoisonError, mpsc},
};
use tokio_util::sync::CancellationToken;

/// Files to read under a contract, and the settings of the reader.
pub struct FileReader<'a> {
    /// Location of the files.
    pub listing: &'a Listing,
    /// Files to read, in this order, each with the format of its records.
    pub files: &'a [(SourceFile, Format)],
    /// Dialect of CSV.
    pub dialect: &'a Dialect,
    /// Contract of the records.
    pub contract: &'a Contract,
    /// Key for hashing personal data; see [`pseudonyms`].
    pub hash_key: Option<&'a [u8]>,
    /// Number of parsing threads; 0 means one.
    pub threads: usize,
    /// Cancels the work.
    pub cancel: &'a CancellationToken,
    /// Runtime for network requests.
    pub runtime: &'a tokio::runtime::Handle,
}

/// Events of reading, in the order of files and of the records in each.
#[derive(Debug)]
pub enum ReadEvent {
    /// Records of one file.
    Records(ParsedBlock),
    /// The end of a file, or of its readable part.
    End {
        /// Index of the file.
        file: usize,
        /// The reason why it was not read completely.
        broken: Option<String>,
    },
}

/// One step of the reader, in order.
enum ReadStep {
    Block(mpsc::Receiver<Result<ParsedBlock, arrow::error::ArrowError>>),
    End(usize, Option<String>),
}

type ParseJob = (
    Block,
    mpsc::SyncSender<Result<ParsedBlock, arrow::error::ArrowError>>,
);

impl FileReader<'_> {
    /// Reads all files and sends events to the listener. Blocks; an error of the listener stops it.
    pub fn run<E: From<SourceError>>(
        &self,
        listener: &mut dyn FnMut(ReadEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        let parsers = self.threads.max(1);
        let (steps_in, steps_out) = mpsc::sync_channel(2 * parsers + 2);
        let (jobs_in, jobs_out) = mpsc::sync_channel::<ParseJob>(2 * parsers + 2);
        let jobs_out = Mutex::new(jobs_out);
        let pseudonyms = Arc::new(Pseudonyms::new(&self.listing.source, self.hash_key));
        std::thread::scope(|scope| {
            scope.spawn(|| self.read(steps_in, jobs_in));
            for _ in 0..parsers {
                scope.spawn(|| {
                    loop {
                        let job = jobs_out
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .recv();
                        let Ok((block, reply)) = job else { break };
                        let _ = reply.send(parse::parse(block, self.contract, &pseudonyms));
                    }
                });
            }
            self.deliver(steps_out, listener)
        })
    }

    /// Reads every file and sends its blocks to the parsers.
    fn read(&self, steps: mpsc::SyncSender<ReadStep>, jobs: mpsc::SyncSender<ParseJob>) {
        for (index, (file, format)) in self.files.iter().enumerate() {
            let mut emit = |block| {
                let (reply, parsed) = mpsc::sync_channel(1);
                !self.cancel.is_cancelled()
                    && steps.send(ReadStep::Block(parsed)).is_ok()
                    && jobs.send((block, reply)).is_ok()
            };
            let broken = match self.read_file(index, file, *format, &mut emit) {
                Ok(()) => None,
                Err(Stop::Requested) => return,
                Err(Stop::Broken(reason)) => Some(reason),
            };
            if steps.send(ReadStep::End(index, broken)).is_err() {
                return;
            }
        }
    }

    fn read_file(
        &self,
        index: usize,
        file: &SourceFile,
        format: Format,
        emit: Emit<'_>,
    ) -> Result<(), Stop> {
        if format == Format::Parquet {
            let ranges = self.listing.ranges(file, self.runtime);
            return parquet::read_file(&ranges, index, self.contract, emit);
        }
        let opened = self.listing.open(file, self.runtime);
        let reader = opened.map_err(Stop::Broken)?;
        let text = decode::decode(reader, &file.name, self.dialect.encoding)
            .map_err(|error| Stop::Broken(error.to_string()))?;
        let fields = &self.contract.fields;
        block::read_text(text, index, format, self.dialect, fields, emit)
    }

    /// Receives parsed blocks in order and passes them on.
    fn deliver<E: From<SourceError>>(
        &self,
        steps: mpsc::Receiver<ReadStep>,
        listener: &mut dyn FnMut(ReadEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        for step in steps {
            if self.cancel.is_cancelled() {
                return Err(SourceError::Cancelled.into());
            }
            listener(match step {
                ReadStep::End(file, broken) => ReadEvent::End { file, broken },
                ReadStep::Block(parsed) => {
                    let parsed = parsed.recv().map_err(|_| SourceError::Stopped {
                        name: self.listing.source.clone(),
                    })?;
                    ReadEvent::Records(parsed.map_err(SourceError::from)?)
                }
            })?;
        }
        if self.cancel.is_cancelled() {
            return Err(SourceError::Cancelled.into());
        }
        Ok(())
    }
}

/// Reads bytes as one block of records, for tests.
#[cfg(test)]
pub(crate) fn read_block(
    bytes: &[u8],
    format: Format,
    contract: &Contract,
) -> Result<ParsedBlock, arrow::error::ArrowError> {
    let events = from_bytes(bytes, format, &Dialect::DEFAULT, contract);
    let events = events.into_iter().flatten();
    let mut parsed = events.filter_map(|event| match event {
        ReadEvent::Records(parsed) => Some(parsed),
        ReadEvent::End { .. } => None,
    });
    parsed
        .next()
        .ok_or_else(|| arrow::error::ArrowError::ParseError("no block".to_string()))
}

/// Reads a stream as one file, on this thread: for records that are not in a file, and for small
/// samples. All events are kept in memory, and so is a Parquet file, whose footer is read first.
/// Personal data is hashed without a key.
pub fn from_reader(
    mut reader: impl Read + Send,
    format: Format,
    dialect: &Dialect,
    contract: &Contract,
) -> Result<Vec<ReadEvent>, SourceError> {
    let mut events = Vec::new();
    let mut failed = None;
    let pseudonyms = Arc::new(Pseudonyms::new("", None));
    let mut emit = |block| match parse::parse(block, contract, &pseudonyms) {
        Ok(parsed) => {
            events.push(ReadEvent::Records(parsed));
            true
        }
        Err(error) => {
            failed = Some(error);
            false
        }
    };
    let broken = |error: std::io::Error| Stop::Broken(error.to_string());
    let fields = &contract.fields;
    let read = if format == Format::Parquet {
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .map_err(broken)
            .and_then(|_| parquet::read_file(&bytes::Bytes::from(bytes), 0, contract, &mut emit))
    } else {
        decode::decode(Box::new(reader), "", dialect.encoding)
            .map_err(broken)
            .and_then(|text| block::read_text(text, 0, format, dialect, fields, &mut emit))
    };
    if let Some(error) = failed {
        return Err(error.into());
    }
    let broken = match read {
        Err(Stop::Broken(reason)) => Some(reason),
        Ok(()) | Err(Stop::Requested) => None,
    };
    events.push(ReadEvent::End { file: 0, broken });
    Ok(events)
}

/// Reads bytes as one file, on this thread.
pub fn from_bytes(
    bytes: &[u8],
    format: Format,
    dialect: &Dialect,
    contract: &Contract,
) -> Result<Vec<ReadEvent>, SourceError> {
    from_reader(bytes, format, dialect, contract)
}

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod simulated_tests;
#[cfg(test)]
mod tests;
