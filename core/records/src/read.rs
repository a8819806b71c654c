//! Files of records into batches of rows: decompressed, cut, checked, in order.
//!
//! One thread reads files in order and cuts them into blocks of whole records; several threads
//! parse blocks; the caller's thread takes the results in the order of the blocks. So what is told is
//! the same whatever the number of threads, and no more than a few blocks are in memory.

mod block;
mod column;
mod csv;
mod json;
pub mod key;
mod parse;
pub mod personal;
pub mod quarantine;
mod strangers;
pub mod value;

pub use block::{Format, RECORD_BYTES_MAX};
pub use column::time_range;
pub(crate) use json::fits;
pub use parse::Parsed;
pub use strangers::{Unknown, count_unknown};

use crate::{
    contract::Contract,
    error::SourceError,
    source::{Listing, SourceFile},
};
use block::{Block, Stop};
use personal::Pseudonyms;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio_util::sync::CancellationToken;

/// What is to be read, and with what.
pub struct Reading<'a> {
    /// Where the files are.
    pub listing: &'a Listing,
    /// Those to read, in this order, each with how its records are written.
    pub files: &'a [(SourceFile, Format)],
    /// What a record must look like.
    pub contract: &'a Contract,
    /// What personal data is hashed with; see [`personal`].
    pub hash_key: Option<&'a [u8]>,
    /// Threads that parse; 0 means one.
    pub threads: usize,
    /// Stops the work.
    pub cancel: &'a CancellationToken,
    /// Where the network is waited for.
    pub runtime: &'a tokio::runtime::Handle,
}

/// What reading tells, in the order of files and of the records in each.
#[derive(Debug)]
pub enum Told {
    /// Records of one file.
    Records(Parsed),
    /// A file has been read, or as much of it as can be.
    End {
        /// Index of the file.
        file: usize,
        /// Why it was not read to its end.
        broken: Option<String>,
    },
}

/// One step of the reader, in order.
enum Step {
    Block(mpsc::Receiver<Result<Parsed, arrow::error::ArrowError>>),
    End(usize, Option<String>),
}

type Work = (
    Block,
    mpsc::SyncSender<Result<Parsed, arrow::error::ArrowError>>,
);

impl Reading<'_> {
    /// Reads all files and tells what is in them. Blocks; an error of the listener ends it.
    pub fn run<E: From<SourceError>>(
        &self,
        listener: &mut dyn FnMut(Told) -> Result<(), E>,
    ) -> Result<(), E> {
        let parsers = self.threads.max(1);
        let (steps_in, steps_out) = mpsc::sync_channel(2 * parsers + 2);
        let (work_in, work_out) = mpsc::sync_channel::<Work>(2 * parsers + 2);
        let work_out = Mutex::new(work_out);
        let pseudonyms = Arc::new(Pseudonyms::new(&self.listing.source, self.hash_key));
        std::thread::scope(|scope| {
            scope.spawn(|| self.read(steps_in, work_in));
            for _ in 0..parsers {
                scope.spawn(|| {
                    loop {
                        let work = work_out
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .recv();
                        let Ok((block, reply)) = work else { break };
                        let _ = reply.send(parse::parse(block, self.contract, &pseudonyms));
                    }
                });
            }
            self.tell(steps_out, listener)
        })
    }

    /// Reads every file and hands out its blocks.
    fn read(&self, steps: mpsc::SyncSender<Step>, work: mpsc::SyncSender<Work>) {
        for (index, (file, format)) in self.files.iter().enumerate() {
            let mut emit = |block| {
                let (reply, parsed) = mpsc::sync_channel(1);
                !self.cancel.is_cancelled()
                    && steps.send(Step::Block(parsed)).is_ok()
                    && work.send((block, reply)).is_ok()
            };
            let fields = &self.contract.fields;
            let opened = self.listing.open(file, self.runtime).and_then(|reader| {
                block::decoded(reader, &file.name).map_err(|error| error.to_string())
            });
            let read = match opened {
                Ok(reader) => block::read_file(reader, index, *format, fields, &mut emit),
                Err(reason) => Err(Stop::Broken(reason)),
            };
            let broken = match read {
                Ok(()) => None,
                Err(Stop::Unwanted) => return,
                Err(Stop::Broken(reason)) => Some(reason),
            };
            if steps.send(Step::End(index, broken)).is_err() {
                return;
            }
        }
    }

    /// Takes what was parsed in order and passes it on.
    fn tell<E: From<SourceError>>(
        &self,
        steps: mpsc::Receiver<Step>,
        listener: &mut dyn FnMut(Told) -> Result<(), E>,
    ) -> Result<(), E> {
        for step in steps {
            if self.cancel.is_cancelled() {
                return Err(SourceError::Cancelled.into());
            }
            listener(match step {
                Step::End(file, broken) => Told::End { file, broken },
                Step::Block(parsed) => {
                    let parsed = parsed.recv().map_err(|_| SourceError::Stopped {
                        name: self.listing.source.clone(),
                    })?;
                    Told::Records(parsed.map_err(SourceError::from)?)
                }
            })?;
        }
        if self.cancel.is_cancelled() {
            return Err(SourceError::Cancelled.into());
        }
        Ok(())
    }
}

/// Reads one block of whole records, for tests.
#[cfg(test)]
pub(crate) fn block_of(
    bytes: &[u8],
    format: Format,
    contract: &Contract,
) -> Result<Parsed, arrow::error::ArrowError> {
    let mut blocks = Vec::new();
    let reader = Box::new(std::io::Cursor::new(bytes.to_vec()));
    let _ = block::read_file(reader, 0, format, &contract.fields, &mut |block| {
        blocks.push(block);
        true
    });
    let pseudonyms = Arc::new(Pseudonyms::new("t", None));
    parse::parse(blocks.remove(0), contract, &pseudonyms)
}

#[cfg(test)]
mod simulated_tests;
