//! Streams of rows for the writers of datasets.

use crate::{
    dataset::{Lake, Rows, Scan},
    error::StoreError,
};
use arrow::array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use datafusion::{
    error::DataFusionError, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt as _;
use retrocast_domain::cell::DatasetRef;
use tokio::sync::mpsc;

/// A message to a writer. The end is explicit: if the channel closes without it, nothing is
/// committed.
pub(super) enum Message {
    Rows(RecordBatch),
    End,
}

/// Turns the batches of a channel into a stream for a writer.
pub(super) fn receive_rows(
    schema: SchemaRef,
    channel: mpsc::Receiver<Message>,
) -> SendableRecordBatchStream {
    let stream = futures::stream::unfold(Some(channel), |channel| async move {
        let mut channel = channel?;
        match channel.recv().await {
            Some(Message::Rows(batch)) => Some((Ok(batch), Some(channel))),
            Some(Message::End) => None,
            None => {
                let error = DataFusionError::Execution("reading the source ended early".into());
                Some((Err(error), None))
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

/// Reads staged rows without the superseded rows.
pub(super) async fn rows_without(
    staging: &Lake,
    staged: &DatasetRef,
    superseded: Rows,
) -> Result<SendableRecordBatchStream, StoreError> {
    let stream = staging.scan_all(staged, &Scan::default()).await?;
    let schema = stream.schema();
    let mut row = 0_u64;
    let batches = stream.map(move |batch| {
        let batch = batch?;
        let (start, end) = (row, row + batch.num_rows() as u64);
        row = end;
        if superseded.between(start, end).next().is_none() {
            return Ok(batch);
        }
        let keep: Vec<bool> = (start..end).map(|row| !superseded.contains(row)).collect();
        Ok(arrow::compute::filter_record_batch(
            &batch,
            &BooleanArray::from(keep),
        )?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}
