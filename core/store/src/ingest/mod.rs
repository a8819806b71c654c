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
mod produce;
pub mod quarantine;
mod tally;
pub(crate) mod value;

pub use block::{Format, RECORD_BYTES_MAX};
pub(crate) use column::time_range;

use crate::{
    contract::Contract,
    dataset::{Lake, Properties, Scan},
    error::StoreError,
    source::{Glance, Listing},
};
use arrow::array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use datafusion::{
    error::DataFusionError, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt;
use produce::Producer;
use retrocast_domain::{cell::DatasetRef, report::SourceNote};
use std::{path::Path, sync::Arc};
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
    // Removed when dropped, also when nobody waits for the end any more.
    let staging = if spec.contract.key.is_empty() {
        None
    } else {
        Some(lake.staging(&spec.name)?)
    };
    let destination = staging.as_deref().unwrap_or(lake);

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
    let (tally, mut dataset) = outcome?;
    if let Some(staging) = staging {
        let superseded = tally.superseded();
        dataset = keep_last(&staging, &dataset, superseded, lake, properties).await?;
    }
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

/// What can be said of a source without reading it: cheap enough to be asked every few seconds.
pub async fn glance(
    name: &str,
    uri: &str,
    base: &Path,
    required: bool,
) -> Result<Glance, StoreError> {
    let listing = Listing::find(name, uri, base, required).await?;
    Ok(listing.glance())
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

#[cfg(test)]
mod tests;
