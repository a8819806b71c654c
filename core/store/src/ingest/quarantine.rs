//! The quarantine: refused records of all objects, as one dataset beside the rows.

use super::streams::{Message, receive_rows};
use crate::{
    dataset::{
        DeletedRows, Lake, PendingRows, Properties, ROW_ADDRESS, RowSubset, Scan, dataset_error,
    },
    error::StoreError,
    origin,
};
use arrow::{
    array::{AsArray as _, BooleanArray, RecordBatch, UInt32Array},
    datatypes::{UInt32Type, UInt64Type},
    error::ArrowError,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    execution::SendableRecordBatchStream, physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt as _;
use retrocast_domain::cell::DatasetRef;
use retrocast_records::read::quarantine::schema as record_schema;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::mpsc;

/// Schema of a quarantine dataset, with the object of each record.
fn schema() -> SchemaRef {
    let mut fields = record_schema().fields().to_vec();
    fields.push(Arc::new(Field::new(origin::OBJECT, DataType::UInt32, true)));
    Arc::new(Schema::new(fields))
}

/// Adds the column of the object to rows of the quarantine.
pub(super) fn with_object(batch: &RecordBatch, object: u32) -> Result<RecordBatch, ArrowError> {
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(UInt32Array::from_value(object, batch.num_rows())));
    RecordBatch::try_new(schema(), columns)
}

/// Appends newly refused records to earlier records, without the records of deleted objects. Writes
/// nothing if nothing changed, and returns `None` if no record was ever refused. If all records are
/// deleted, it writes an empty version for readers of the newest version.
pub(super) async fn write(
    lake: &Lake,
    name: &str,
    previous: Option<&DatasetRef>,
    deleted_objects: &BTreeSet<u32>,
    mut channel: mpsc::Receiver<Message>,
    properties: &Properties,
) -> Result<Option<DatasetRef>, StoreError> {
    // Waits for the first record or the end, so that a clean source gets no empty dataset.
    let first = match channel.recv().await {
        Some(Message::Rows(first)) => Some(first),
        _ => None,
    };
    let Some(previous) = previous else {
        let rows = match first {
            Some(first) => with_first(first, channel),
            // The newest version has rows of another contract, or of a process that died.
            None if lake.latest(name).await?.is_some_and(|old| old.rows > 0) => no_rows(),
            None => return Ok(None),
        };
        return lake.write(name, rows, properties).await.map(Some);
    };
    let deleted = deleted_rows(lake, previous, deleted_objects).await?;
    if first.is_none() && deleted.is_empty() {
        return Ok(Some(previous.clone()));
    }
    if lake.latest(name).await?.as_ref() != Some(previous) {
        // The rows do not reference the newest version: it was written by a compaction, or by a
        // process that died.
        let remaining = remaining_rows(lake, previous, deleted_objects).await?;
        let rows: SendableRecordBatchStream = match first {
            Some(first) => chain(remaining, with_first(first, channel)),
            None => remaining,
        };
        return lake.write(name, rows, properties).await.map(Some);
    }
    let new_rows = match first {
        Some(first) => {
            let rows = with_first(first, channel);
            lake.prepare(name, rows, Some(previous)).await?
        }
        None => PendingRows::empty(),
    };
    lake.extend(previous, new_rows, &deleted, properties)
        .await
        .map(Some)
}

/// Writes an empty version of a quarantine that the newest rows do not reference.
pub(super) async fn clear(lake: &Lake, name: &str) -> Result<(), StoreError> {
    if lake.latest(name).await?.is_some_and(|old| old.rows > 0) {
        lake.write(name, no_rows(), &Properties::new()).await?;
    }
    Ok(())
}

/// The newly refused records.
fn with_first(first: RecordBatch, channel: mpsc::Receiver<Message>) -> SendableRecordBatchStream {
    let first = futures::stream::once(async { Ok(first) });
    let first = Box::pin(RecordBatchStreamAdapter::new(schema(), first));
    chain(first, receive_rows(schema(), channel))
}

fn no_rows() -> SendableRecordBatchStream {
    let no_batches = futures::stream::empty();
    Box::pin(RecordBatchStreamAdapter::new(schema(), no_batches))
}

fn chain(
    first: SendableRecordBatchStream,
    second: SendableRecordBatchStream,
) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema(), first.chain(second)))
}

/// The rows of deleted objects.
async fn deleted_rows(
    lake: &Lake,
    previous: &DatasetRef,
    deleted_objects: &BTreeSet<u32>,
) -> Result<DeletedRows, StoreError> {
    let mut deleted = DeletedRows::new();
    if deleted_objects.is_empty() {
        return Ok(deleted);
    }
    let columns = [origin::OBJECT.to_string()];
    let subset = RowSubset::Objects(deleted_objects);
    let mut rows = lake.scan_addresses(previous, &columns, subset).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| dataset_error(&previous.name, "read", &error))?;
        let Some(addresses) = batch.column_by_name(ROW_ADDRESS) else {
            continue;
        };
        for address in addresses.as_primitive::<UInt64Type>().values() {
            let offsets = deleted.entry((address >> 32) as u32).or_default();
            offsets.push(*address as u32);
        }
    }
    Ok(deleted)
}

/// The refused records of remaining objects.
async fn remaining_rows(
    lake: &Lake,
    previous: &DatasetRef,
    deleted_objects: &BTreeSet<u32>,
) -> Result<SendableRecordBatchStream, StoreError> {
    let deleted_objects = deleted_objects.clone();
    let rows = lake.scan_all(previous, &Scan::default()).await?;
    let remaining = rows.map(move |batch| {
        let batch = batch?;
        let objects = batch.column(batch.num_columns() - 1);
        let objects = objects.as_primitive::<UInt32Type>();
        let keep: BooleanArray = objects
            .iter()
            .map(|object| Some(object.is_some_and(|object| !deleted_objects.contains(&object))))
            .collect();
        Ok(arrow::compute::filter_record_batch(&batch, &keep)?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), remaining)))
}
