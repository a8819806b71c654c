//! Rows of a dataset in the lake, for analyses.

use futures::StreamExt;
use retrocast_domain::cell::DatasetRef;
use retrocast_stages::{DataFrame, RowSource, Schema, StageError};
use retrocast_store::{Lake, Scan, StoreError};
use tokio::runtime::Handle;

/// Rows of a dataset, from a scan.
pub struct LakeRows {
    lake: Lake,
    dataset: DatasetRef,
    scan: Scan,
    schema: Schema,
    runtime: Handle,
}

impl LakeRows {
    /// Reads the schema; rows are read on demand, on a thread that may block.
    pub async fn new(lake: &Lake, dataset: &DatasetRef, scan: Scan) -> Result<Self, StoreError> {
        let no_rows = Scan {
            limit: Some(0),
            ..scan.clone()
        };
        Ok(Self {
            schema: lake
                .read_frame(dataset, &no_rows)
                .await?
                .schema()
                .as_ref()
                .clone(),
            lake: lake.clone(),
            dataset: dataset.clone(),
            scan,
            runtime: Handle::current(),
        })
    }
}

impl RowSource for LakeRows {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(
        &self,
        columns: &[&str],
        take: &mut dyn FnMut(DataFrame) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let message = |error: StoreError| StageError::Other(error.to_string());
        let columns = columns.iter().map(|name| (*name).to_string());
        let scan = Scan {
            columns: Some(columns.collect()),
            ..self.scan.clone()
        };
        self.runtime.block_on(async {
            let batches = self
                .lake
                .frames(&self.dataset, &scan)
                .await
                .map_err(message)?;
            let mut batches = std::pin::pin!(batches);
            while let Some(batch) = batches.next().await {
                take(batch.map_err(message)?)?;
            }
            Ok(())
        })
    }
}
