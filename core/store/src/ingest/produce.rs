//! Files read on one thread, their blocks parsed on several, the results taken in order.

use super::{
    Control, Format, Message, Progress, SourceSpec,
    block::{self, Block, Stop},
    json,
    parse::{self, Parsed},
    quarantine,
    tally::Tally,
};
use crate::{
    error::StoreError,
    source::{Listing, Skipped},
};
use std::sync::{Mutex, PoisonError, mpsc as threads};
use tokio::sync::mpsc;

/// One step of the reader, in order.
enum Step {
    Block(threads::Receiver<Result<Parsed, arrow::error::ArrowError>>),
    Broken(usize, String),
}

type Work = (
    Block,
    threads::SyncSender<Result<Parsed, arrow::error::ArrowError>>,
);

/// Reads the files of a source and sends what is in them to the writers.
pub(super) struct Producer {
    pub spec: SourceSpec,
    pub listing: Listing,
    pub formats: Vec<Format>,
    pub control: Control,
    pub runtime: tokio::runtime::Handle,
    pub records: mpsc::Sender<Message>,
    pub refused: mpsc::Sender<Message>,
}

impl Producer {
    pub fn run(self) -> Result<Tally, StoreError> {
        let parsers = self.control.threads.max(1);
        let (steps_in, steps_out) = threads::sync_channel(2 * parsers + 2);
        let (work_in, work_out) = threads::sync_channel::<Work>(2 * parsers + 2);
        let work_out = Mutex::new(work_out);
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
                        let _ = reply.send(parse::parse(block, &self.spec.contract));
                    }
                });
            }
            self.collect(steps_out)
        })
    }

    /// Reads every file and hands out its blocks.
    fn read(&self, steps: threads::SyncSender<Step>, work: threads::SyncSender<Work>) {
        for (index, file) in self.listing.files.iter().enumerate() {
            let mut emit = |block| {
                let (reply, parsed) = threads::sync_channel(1);
                !self.control.cancel.is_cancelled()
                    && steps.send(Step::Block(parsed)).is_ok()
                    && work.send((block, reply)).is_ok()
            };
            let fields = &self.spec.contract.fields;
            let opened = self.listing.open(file, &self.runtime).and_then(|reader| {
                block::decoded(reader, &file.name).map_err(|error| error.to_string())
            });
            let read = match opened {
                Ok(reader) => {
                    block::read_file(reader, index, self.formats[index], fields, &mut emit)
                }
                Err(reason) => Err(Stop::Broken(reason)),
            };
            match read {
                Ok(()) => {}
                Err(Stop::Unwanted) => return,
                Err(Stop::Broken(reason)) => {
                    if steps.send(Step::Broken(index, reason)).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Takes what was parsed in order and passes it on.
    fn collect(&self, steps: threads::Receiver<Step>) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        let mut progress = Progress::default();
        for step in steps {
            if self.control.cancel.is_cancelled() {
                return Err(StoreError::Cancelled);
            }
            let parsed = match step {
                Step::Broken(file, reason) => {
                    let name = self.listing.files[file].name.clone();
                    tally.broken.push((name, reason));
                    continue;
                }
                Step::Block(parsed) => parsed.recv().map_err(|_| self.stopped())??,
            };
            progress.records += parsed.records;
            progress.bytes += parsed.bytes;
            self.pass_on(parsed, &mut tally)?;
            if let Some(tell) = &self.control.progress {
                tell(progress);
            }
        }
        if self.control.cancel.is_cancelled() {
            return Err(StoreError::Cancelled);
        }
        // An empty dataset would say that there was nothing; but nobody knows what there was.
        if tally.records == 0 && !tally.broken.is_empty() {
            return Err(self.nothing_readable(tally));
        }
        self.send(&self.refused, Message::End)?;
        self.send(&self.records, Message::End)?;
        Ok(tally)
    }

    fn nothing_readable(&self, tally: Tally) -> StoreError {
        let broken = tally
            .broken
            .into_iter()
            .map(|(name, reason)| Skipped { name, reason });
        StoreError::NothingReadable {
            name: self.spec.name.clone(),
            files: broken.chain(self.listing.skipped.clone()).collect(),
        }
    }

    fn pass_on(&self, parsed: Parsed, tally: &mut Tally) -> Result<(), StoreError> {
        tally.records += parsed.records;
        for (name, n) in &parsed.unknown {
            json::count_unknown(&mut tally.unknown, name, *n);
        }
        for row in &parsed.refused {
            *tally.refused.entry(row.violation.reason).or_default() += 1;
        }
        for key in parsed.keys {
            if let Some(earlier) = tally.keys.insert(key, tally.rows) {
                tally.superseded.push(earlier);
            }
            tally.rows += 1;
        }
        if !parsed.refused.is_empty() {
            let files = &self.listing.files;
            let rows = quarantine::batch(&self.spec.name, files, &parsed.refused)?;
            self.send(&self.refused, Message::Rows(rows))?;
        }
        if let Some(batch) = parsed.batch {
            self.send(&self.records, Message::Rows(batch))?;
        }
        Ok(())
    }

    fn send(&self, channel: &mpsc::Sender<Message>, message: Message) -> Result<(), StoreError> {
        channel.blocking_send(message).map_err(|_| self.stopped())
    }

    fn stopped(&self) -> StoreError {
        StoreError::Stopped {
            name: self.spec.name.clone(),
        }
    }
}
