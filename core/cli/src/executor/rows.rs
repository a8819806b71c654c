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
    /// Reads the columns; rows are read on demand, on a thread that may block.
    pub async fn new(lake: &Lake, dataset: &DatasetRef, scan: Scan) -> Result<Self, StoreError> {
        let none = Scan {
            limit: Some(0),
            ..scan.clone()
        };
        Ok(Self {
            schema: lake
                .read_frame(dataset, &none)
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
            let pieces = self
                .lake
                .frames(&self.dataset, &scan)
                .await
                .map_err(message)?;
            let mut pieces = std::pin::pin!(pieces);
            while let Some(piece) = pieces.next().await {
                take(piece.map_err(message)?)?;
            }
            Ok(())
        })
    }
}
