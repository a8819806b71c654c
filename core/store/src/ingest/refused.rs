//! The quarantine: refused records of all objects, as one dataset beside the rows.

use super::{Message, received};
use crate::{
    dataset::{DeletedRows, Lake, Part, PendingRows, Properties, ROW_ADDRESS, Scan, dataset_error},
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
use retrocast_records::read::quarantine;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::mpsc;

/// Schema of a quarantine dataset, with the object of each record.
fn schema() -> SchemaRef {
    let mut fields = quarantine::schema().fields().to_vec();
    fields.push(Arc::new(Field::new(origin::OBJECT, DataType::UInt32, true)));
    Arc::new(Schema::new(fields))
}

/// Adds the column of the object to rows of the quarantine.
pub(super) fn with_object(batch: &RecordBatch, object: u32) -> Result<RecordBatch, ArrowError> {
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(UInt32Array::from_value(object, batch.num_rows())));
    RecordBatch::try_new(schema(), columns)
}

/// Appends newly refused records to earlier ones, without those of deleted objects. Writes nothing
/// if nothing changed, and returns `None` if there never were any. If all are deleted, it writes an
/// empty version for readers of the newest one.
pub(super) async fn write(
    lake: &Lake,
    name: &str,
    before: Option<&DatasetRef>,
    dropped: &BTreeSet<u32>,
    mut channel: mpsc::Receiver<Message>,
    properties: &Properties,
) -> Result<Option<DatasetRef>, StoreError> {
    // Waits for the first record or the end, so that a clean source gets no empty dataset.
    let first = match channel.recv().await {
        Some(Message::Rows(first)) => Some(first),
        _ => None,
    };
    let Some(before) = before else {
        let all = match first {
            Some(first) => with_first(first, channel),
            // Left behind by another contract, or by a process that died.
            None if lake.latest(name).await?.is_some_and(|left| left.rows > 0) => nothing(),
            None => return Ok(None),
        };
        return lake.write(name, all, properties).await.map(Some);
    };
    let deleted_rows = deleted_rows(lake, before, dropped).await?;
    if first.is_none() && deleted_rows.is_empty() {
        return Ok(Some(before.clone()));
    }
    if lake.latest(name).await?.as_ref() != Some(before) {
        // A version that the rows do not name, made by a compaction or by a process that died.
        let remaining_rows = remaining_rows(lake, before, dropped).await?;
        let all: SendableRecordBatchStream = match first {
            Some(first) => chained(remaining_rows, with_first(first, channel)),
            None => remaining_rows,
        };
        return lake.write(name, all, properties).await.map(Some);
    }
    let new = match first {
        Some(first) => {
            let rows = with_first(first, channel);
            lake.prepare(name, rows, Some(before)).await?
        }
        None => PendingRows::nothing(),
    };
    lake.extend(before, new, &deleted_rows, properties)
        .await
        .map(Some)
}

/// Writes an empty version of a quarantine that no rows name.
pub(super) async fn clear(lake: &Lake, name: &str) -> Result<(), StoreError> {
    if lake.latest(name).await?.is_some_and(|left| left.rows > 0) {
        lake.write(name, nothing(), &Properties::new()).await?;
    }
    Ok(())
}

/// The newly refused records.
fn with_first(first: RecordBatch, channel: mpsc::Receiver<Message>) -> SendableRecordBatchStream {
    let first = futures::stream::once(async { Ok(first) });
    let first = Box::pin(RecordBatchStreamAdapter::new(schema(), first));
    chained(first, received(schema(), channel))
}

fn nothing() -> SendableRecordBatchStream {
    let none = futures::stream::empty();
    Box::pin(RecordBatchStreamAdapter::new(schema(), none))
}

fn chained(
    first: SendableRecordBatchStream,
    then: SendableRecordBatchStream,
) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema(), first.chain(then)))
}

/// The rows of deleted objects.
async fn deleted_rows(
    lake: &Lake,
    before: &DatasetRef,
    dropped: &BTreeSet<u32>,
) -> Result<DeletedRows, StoreError> {
    let mut deleted_rows = DeletedRows::new();
    if dropped.is_empty() {
        return Ok(deleted_rows);
    }
    let columns = [origin::OBJECT.to_string()];
    let part = Part::Objects(dropped);
    let mut rows = lake.scan_addresses(before, &columns, part).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| dataset_error(&before.name, "read", &error))?;
        let Some(addresses) = batch.column_by_name(ROW_ADDRESS) else {
            continue;
        };
        for address in addresses.as_primitive::<UInt64Type>().values() {
            let offsets = deleted_rows.entry((address >> 32) as u32).or_default();
            offsets.push(*address as u32);
        }
    }
    Ok(deleted_rows)
}

/// The refused records of remaining objects.
async fn remaining_rows(
    lake: &Lake,
    before: &DatasetRef,
    dropped: &BTreeSet<u32>,
) -> Result<SendableRecordBatchStream, StoreError> {
    let dropped = dropped.clone();
    let rows = lake.scan_all(before, &Scan::default()).await?;
    let remaining_rows = rows.map(move |batch| {
        let batch = batch?;
        let objects = batch.column(batch.num_columns() - 1);
        let objects = objects.as_primitive::<UInt32Type>();
        let keep: BooleanArray = objects
            .iter()
            .map(|object| Some(object.is_some_and(|object| !dropped.contains(&object))))
            .collect();
        Ok(arrow::compute::filter_record_batch(&batch, &keep)?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        schema(),
        remaining_rows,
    )))
}
