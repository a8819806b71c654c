//! The quarantine: what was refused of all objects, as one dataset beside the rows.

use super::{Message, received};
use crate::{
    dataset::{Lake, Properties, Scan},
    error::StoreError,
    origin,
};
use arrow::{
    array::{AsArray as _, BooleanArray, RecordBatch, UInt32Array},
    datatypes::UInt32Type,
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

/// Schema of a quarantine dataset with the object that each record is of.
fn schema() -> SchemaRef {
    let mut fields = quarantine::schema().fields().to_vec();
    fields.push(Arc::new(Field::new(origin::OBJECT, DataType::UInt32, true)));
    Arc::new(Schema::new(fields))
}

/// Rows of the quarantine with the object that they are of.
pub(super) fn with_object(batch: &RecordBatch, object: u32) -> Result<RecordBatch, ArrowError> {
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(UInt32Array::from_value(object, batch.num_rows())));
    RecordBatch::try_new(schema(), columns)
}

/// Writes what is refused now behind what was refused before, without the objects that go; `None` when
/// there is nothing, and nothing is written when nothing changes.
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
    let old = match before {
        Some(before) => Some(kept(lake, before, dropped).await?),
        None => None,
    };
    let (old, stays) = old.unwrap_or_default();
    if first.is_none() && stays {
        return Ok(before.cloned());
    }
    if first.is_none() && old.is_empty() {
        return Ok(None);
    }
    let rest: SendableRecordBatchStream = match first.is_some() {
        true => received(schema(), channel),
        false => Box::pin(RecordBatchStreamAdapter::new(
            schema(),
            futures::stream::empty(),
        )),
    };
    let all = futures::stream::iter(old.into_iter().chain(first).map(Ok)).chain(rest);
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema(), all));
    lake.write(name, stream, properties).await.map(Some)
}

/// What was refused of the objects that stay, and whether that is all of it.
async fn kept(
    lake: &Lake,
    before: &DatasetRef,
    dropped: &BTreeSet<u32>,
) -> Result<(Vec<RecordBatch>, bool), StoreError> {
    let columns = schema().fields().iter().map(|field| field.name().clone()).collect();
    let scan = Scan {
        columns: Some(columns),
        ..Scan::default()
    };
    let (_, batches) = lake.read(before, &scan).await?;
    let mut all = true;
    let mut out = Vec::new();
    for batch in batches {
        let objects = batch.column(batch.num_columns() - 1);
        let objects = objects.as_primitive::<UInt32Type>();
        let keep: BooleanArray = objects
            .iter()
            .map(|object| Some(object.is_some_and(|object| !dropped.contains(&object))))
            .collect();
        all &= keep.true_count() == batch.num_rows();
        let batch = arrow::compute::filter_record_batch(&batch, &keep)?;
        if batch.num_rows() > 0 {
            out.push(batch);
        }
    }
    Ok((out, all))
}
