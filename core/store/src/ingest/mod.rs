//! Records from files into a dataset: read, decompressed, checked, counted, committed once.
//!
//! One thread reads files in order and cuts them into blocks of whole records; several threads
//! parse blocks; this one takes the results in the order of the blocks. So rows are the same
//! whatever the number of threads, and no more than a few blocks are in memory.

mod block;
mod column;
mod csv;
mod json;
mod parse;
pub mod quarantine;
mod value;

pub use block::{Format, RECORD_BYTES_MAX};
pub(crate) use column::time_range;

use crate::{
    contract::Contract,
    dataset::{Lake, Properties, Scan},
    error::StoreError,
    source::{Listing, without_credentials},
};
use arrow::array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use block::{Block, Stop};
use datafusion::{
    error::DataFusionError, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt;
use parse::Parsed;
use quarantine::Reason;
use retrocast_domain::{cell::DatasetRef, report::SourceNote};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc as threads},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A source of a job, checked.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// Name in the job file; the dataset has the same.
    pub name: String,
    /// Which files; see [`crate::source`].
    pub uri: String,
    /// What a record must look like.
    pub contract: Contract,
    /// How records are written; told by each file's name when `None`.
    pub format: Option<Format>,
    /// Whether it is an error when there is no file.
    pub required: bool,
}

/// How far ingest has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records seen.
    pub records: u64,
    /// Bytes read, after decompression.
    pub bytes: u64,
}

/// What the caller decides about the work, but not about its result.
#[derive(Clone, Default)]
pub struct Control {
    /// Threads that parse; 0 means one.
    pub threads: usize,
    /// Stops the work before anything is committed.
    pub cancel: CancellationToken,
    /// Told after every block.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

/// What became of a source.
#[derive(Debug, Clone)]
pub struct Ingested {
    /// The accepted records.
    pub dataset: DatasetRef,
    /// The refused ones, when there are any; see [`quarantine::schema`].
    pub quarantine: Option<DatasetRef>,
    /// Counts for the report.
    pub note: SourceNote,
    /// What the owner of the source should know, as sentences.
    pub warnings: Vec<String>,
}

/// Name of the dataset that holds what was refused of a source.
pub fn quarantine_name(source: &str) -> String {
    format!("{source}__quarantine")
}

/// Reads a source into the lake. Relative URIs begin at `base`.
pub async fn ingest(
    spec: &SourceSpec,
    base: &Path,
    lake: &Lake,
    properties: &Properties,
    control: &Control,
) -> Result<Ingested, StoreError> {
    let listing = Listing::find(&spec.name, &spec.uri, base, spec.required).await?;
    let formats = formats(spec, &listing)?;
    let schema = spec.contract.schema();
    let (records_in, records_out) = mpsc::channel(4);
    let (refused_in, refused_out) = mpsc::channel(4);
    let keyed = !spec.contract.key.is_empty();
    let destination = if keyed {
        lake.staging(&spec.name)?
    } else {
        lake.clone()
    };

    let producer = Producer {
        spec: spec.clone(),
        listing: listing.clone(),
        formats,
        control: control.clone(),
        runtime: tokio::runtime::Handle::current(),
        records: records_in,
        refused: refused_in,
    };
    let producing = tokio::task::spawn_blocking(move || producer.run());
    let quarantine = quarantine_name(&spec.name);
    let (tally, written, refused) = tokio::join!(
        producing,
        destination.write(
            &spec.name,
            received(schema.clone(), records_out),
            properties
        ),
        write_refused(lake, &quarantine, refused_out, properties),
    );
    let stopped = |_| StoreError::Stopped {
        name: spec.name.clone(),
    };
    let outcome = match tally.map_err(stopped)? {
        // The reader stops when the writer does; then the writer knows why.
        Err(StoreError::Stopped { .. }) if written.is_err() => Err(written.unwrap_err()),
        Err(error) => Err(error),
        Ok(tally) => written.map(|dataset| (tally, dataset)),
    };
    let kept = match outcome {
        Ok((tally, dataset)) if keyed => {
            let kept =
                keep_last(&destination, &dataset, tally.superseded(), lake, properties).await;
            kept.map(|dataset| (tally, dataset))
        }
        other => other,
    };
    if keyed {
        destination.remove_all();
    }
    let (tally, dataset) = kept?;
    let range = lake
        .time_range(&dataset, spec.contract.time.as_deref())
        .await?;
    let (note, warnings) = tally.note(spec, &listing, &dataset, range);
    Ok(Ingested {
        dataset,
        quarantine: refused?,
        note,
        warnings,
    })
}

/// A hash of everything that the source would read: equal exactly when ingest would give the same.
pub async fn source_identity(
    spec: &SourceSpec,
    base: &Path,
    threads: usize,
) -> Result<String, StoreError> {
    Listing::find(&spec.name, &spec.uri, base, spec.required)
        .await?
        .identity(threads)
        .await
}

fn formats(spec: &SourceSpec, listing: &Listing) -> Result<Vec<Format>, StoreError> {
    let told = |name: &str| {
        spec.format
            .or_else(|| Format::of(name))
            .ok_or_else(|| StoreError::Format {
                name: spec.name.clone(),
                file: name.to_string(),
            })
    };
    listing.files.iter().map(|file| told(&file.name)).collect()
}

/// Batches on their way to a writer. The end is said aloud: a channel that just closes must not
/// commit half a source.
enum Message {
    Rows(RecordBatch),
    End,
}

fn received(schema: SchemaRef, channel: mpsc::Receiver<Message>) -> SendableRecordBatchStream {
    let stream = futures::stream::unfold(Some(channel), |channel| async move {
        let mut channel = channel?;
        match channel.recv().await {
            Some(Message::Rows(batch)) => Some((Ok(batch), Some(channel))),
            Some(Message::End) => None,
            None => {
                let early = DataFusionError::Execution("reading the source ended early".into());
                Some((Err(early), None))
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

async fn write_refused(
    lake: &Lake,
    name: &str,
    mut channel: mpsc::Receiver<Message>,
    properties: &Properties,
) -> Result<Option<DatasetRef>, StoreError> {
    let Some(Message::Rows(first)) = channel.recv().await else {
        return Ok(None);
    };
    let schema = quarantine::schema();
    let rest = received(schema.clone(), channel);
    let all = futures::stream::iter([Ok(first)]).chain(rest);
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema, all));
    lake.write(name, stream, properties).await.map(Some)
}

/// Copies a staged dataset without the rows that a later row of the same key replaces.
async fn keep_last(
    staging: &Lake,
    staged: &DatasetRef,
    superseded: Vec<u64>,
    lake: &Lake,
    properties: &Properties,
) -> Result<DatasetRef, StoreError> {
    let stream = staging.scan(staged, &Scan::default()).await?;
    let schema = stream.schema();
    let mut row = 0_u64;
    let mut next = superseded.into_iter().peekable();
    let kept = stream.map(move |batch| {
        let batch = batch?;
        let end = row + batch.num_rows() as u64;
        if next.peek().is_none_or(|first| *first >= end) {
            row = end;
            return Ok(batch);
        }
        let keep: Vec<bool> = (row..end)
            .map(|row| next.next_if_eq(&row).is_none())
            .collect();
        row = end;
        Ok(arrow::compute::filter_record_batch(
            &batch,
            &BooleanArray::from(keep),
        )?)
    });
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema, kept));
    lake.write(&staged.name, stream, properties).await
}

/// One step of the reader, in order.
enum Step {
    Block(threads::Receiver<Result<Parsed, arrow::error::ArrowError>>),
    Broken(usize, String),
    Failed(StoreError),
}

type Work = (
    Block,
    threads::SyncSender<Result<Parsed, arrow::error::ArrowError>>,
);

struct Producer {
    spec: SourceSpec,
    listing: Listing,
    formats: Vec<Format>,
    control: Control,
    runtime: tokio::runtime::Handle,
    records: mpsc::Sender<Message>,
    refused: mpsc::Sender<Message>,
}

impl Producer {
    fn run(self) -> Result<Tally, StoreError> {
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
            let reader = match self.listing.open(file, &self.runtime) {
                Ok(reader) => reader,
                Err(error) => {
                    let _ = steps.send(Step::Failed(error));
                    return;
                }
            };
            let mut emit = |block| {
                let (reply, parsed) = threads::sync_channel(1);
                !self.control.cancel.is_cancelled()
                    && steps.send(Step::Block(parsed)).is_ok()
                    && work.send((block, reply)).is_ok()
            };
            let fields = &self.spec.contract.fields;
            let read = match block::decoded(reader, &file.name) {
                Ok(reader) => {
                    block::read_file(reader, index, self.formats[index], fields, &mut emit)
                }
                Err(error) => Err(Stop::Broken(error.to_string())),
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
                Step::Failed(error) => return Err(error),
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
        self.send(&self.refused, Message::End)?;
        self.send(&self.records, Message::End)?;
        Ok(tally)
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

/// Hashes of keys are as good as random already.
#[derive(Default)]
struct FirstBytes(u64);

impl std::hash::Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for (slot, byte) in bytes.iter().take(8).enumerate() {
            self.0 ^= u64::from(*byte) << (8 * slot);
        }
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

type Keys = HashMap<u128, u64, std::hash::BuildHasherDefault<FirstBytes>>;

#[derive(Default)]
struct Tally {
    records: u64,
    refused: BTreeMap<Reason, u64>,
    unknown: json::Unknown,
    broken: Vec<(String, String)>,
    /// Row at which each key was last seen; only looked up, never walked through.
    keys: Keys,
    rows: u64,
    superseded: Vec<u64>,
}

impl Tally {
    /// Rows that a later one replaces, in order.
    fn superseded(&self) -> Vec<u64> {
        let mut rows = self.superseded.clone();
        rows.sort_unstable();
        rows
    }

    fn note(
        self,
        spec: &SourceSpec,
        listing: &Listing,
        dataset: &DatasetRef,
        range: (String, String),
    ) -> (SourceNote, Vec<String>) {
        let mut quarantined: Vec<(String, u64)> = self
            .refused
            .into_iter()
            .map(|(reason, n)| (reason.text().to_string(), n))
            .collect();
        quarantined.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let mut unknown: Vec<(String, u64)> = self.unknown.into_iter().collect();
        unknown.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let note = SourceNote {
            name: spec.name.clone(),
            uri: without_credentials(&spec.uri),
            contract: spec.contract.name.clone(),
            files: listing.files.len() as u64,
            records: self.records,
            accepted: dataset.rows,
            quarantined,
            duplicates: self.superseded.len() as u64,
            broken_files: self.broken,
            unknown_fields: unknown,
            first_time: range.0,
            last_time: range.1,
        };
        let warnings = warnings(&note);
        (note, warnings)
    }
}

fn warnings(note: &SourceNote) -> Vec<String> {
    let mut out = Vec::new();
    let (name, uri, contract) = (&note.name, &note.uri, &note.contract);
    if note.files == 0 {
        out.push(format!(
            "Source {name:?} has no files: nothing fits {uri:?}."
        ));
    } else if note.records == 0 && note.broken_files.is_empty() {
        out.push(format!(
            "Source {name:?} holds no records, although {uri:?} has files."
        ));
    } else if note.accepted == 0 && note.records > 0 {
        let why = note
            .quarantined
            .first()
            .map_or("unknown", |(reason, _)| reason.as_str());
        out.push(format!(
            "No record of source {name:?} meets the contract {contract:?} ({} seen; most often: {why}). \
             Is it the right contract?",
            note.records
        ));
    }
    for (file, reason) in &note.broken_files {
        out.push(format!(
            "The file {file:?} of source {name:?} could not be read to its end: {reason}."
        ));
    }
    out
}

#[cfg(test)]
mod tests;
