//! Publishes each run once, by one commit per table, even with concurrent publishers.

use super::{
    Ledger, LedgerTable, PublishedRun,
    schema::{POSITION, PUBLICATION, RUNS, TABLES},
    view::write_error,
};
use crate::{
    dataset::{DeletedRows, Properties, Scan},
    error::StoreError,
};
use arrow::array::{AsArray as _, RecordBatch};
use arrow_schema::SchemaRef;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use lance::dataset::NewColumnTransform;
use retrocast_domain::cell::DatasetRef;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Maximum number of attempts of an append if others write the same table, and the pause between
/// them, which grows with each attempt.
const ATTEMPTS_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// Rows by table, each with the table's own columns.
pub type TableRows = BTreeMap<&'static str, Vec<Map<String, Value>>>;

/// A finished run with its rows.
#[derive(Debug, Clone)]
pub struct Publication {
    pub(super) run: PublishedRun,
    rows: TableRows,
}

impl Publication {
    /// Identifies the rows by the run and their content. The id of the run is not sufficient: after
    /// its folder is removed, the next run on the same records gets the same id. The time at which
    /// it finished is not included: a run that was interrupted and resumed has the same rows, and
    /// runs that read them must keep the same plan.
    pub fn new(mut run: PublishedRun, rows: TableRows) -> Result<Self, StoreError> {
        let content = serde_json::to_vec(&rows).map_err(|error| write_error(&error))?;
        let mut hash = blake3::Hasher::new();
        for part in [run.window.as_bytes(), run.run.as_bytes(), &content] {
            hash.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        run.publication = hash.finalize().to_hex()[..16].to_string();
        Ok(Self { run, rows })
    }

    /// The rows of a table with the common columns added.
    fn table_rows(
        &self,
        table: &LedgerTable,
        common: &Map<String, Value>,
    ) -> Vec<Map<String, Value>> {
        let own = match self.rows.get(table.name) {
            Some(rows) => rows.as_slice(),
            None => &[],
        };
        let rows = own.iter().enumerate().map(|(position, row)| {
            let mut full_row = common.clone();
            full_row.extend(row.clone());
            full_row.insert(POSITION.to_string(), position.into());
            full_row
        });
        rows.collect()
    }
}

impl Ledger {
    /// Publishes the runs that the ledger lacks and returns their number.
    pub async fn publish(&self, publications: &[Publication]) -> Result<usize, StoreError> {
        let published = self.keys(&RUNS).await?;
        let mut new = Vec::new();
        for publication in publications {
            let key = &publication.run.publication;
            if !published.contains(key) {
                new.push((key, publication, publication.run.columns()?));
            }
        }
        if new.is_empty() {
            return Ok(0);
        }
        let mut count = 0;
        for table in TABLES.iter().filter(|table| table.published_by_runs) {
            let rows = new.iter().map(|(key, publication, common)| {
                let rows = publication.table_rows(table, common);
                ((*key).clone(), rows)
            });
            count = self.append(table, rows.collect()).await?;
            if let Some(latest) = self.lake.latest(&table.dataset()).await? {
                // Every run adds a file: without compaction, a query would open hundreds after a
                // few years. If the compaction conflicts with another publisher it fails, and the
                // next publication repeats it.
                let _ = self.lake.compact(&latest).await;
            }
        }
        Ok(count)
    }

    /// Appends the rows of the keys that a table lacks, all by one commit. Returns the number of
    /// appended keys.
    pub(super) async fn append(
        &self,
        table: &LedgerTable,
        rows: Vec<(String, Vec<Map<String, Value>>)>,
    ) -> Result<usize, StoreError> {
        if rows.iter().all(|(_, rows)| rows.is_empty()) {
            return Ok(0);
        }
        let mut attempt = 0;
        loop {
            let base = self.ensure_dataset(table).await?;
            let existing = self.keys(table).await?;
            let missing = rows
                .iter()
                .filter(|(key, rows)| !existing.contains(key) && !rows.is_empty());
            let keys: Vec<&str> = missing.clone().map(|(key, _)| key.as_str()).collect();
            if keys.is_empty() {
                return Ok(0);
            }
            let missing_rows: Vec<&Map<String, Value>> =
                missing.flat_map(|(_, rows)| rows).collect();
            let batch = batch(&table.schema(), &missing_rows)?;
            match self.commit(&base, batch, &keys.join(" ")).await {
                Err(StoreError::WriteConflict { .. }) if attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE * attempt).await;
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(keys.len()),
            }
        }
    }

    /// Commits rows as the direct successor of `base`, or not at all if another publisher committed
    /// that version.
    async fn commit(
        &self,
        base: &DatasetRef,
        batch: RecordBatch,
        keys: &str,
    ) -> Result<(), StoreError> {
        let schema = batch.schema();
        let rows = futures::stream::iter([Ok(batch)]);
        let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
        let prepared = self.lake.prepare(&base.name, rows, Some(base)).await?;
        let properties = Properties::from([(PUBLICATION.to_string(), keys.to_string())]);
        let deleted = DeletedRows::new();
        let appended = self
            .lake
            .extend(base, prepared, &deleted, &properties)
            .await;
        appended.map(drop)
    }

    /// Returns the newest version of a table's dataset, after creating it or adding missing
    /// columns.
    async fn ensure_dataset(&self, table: &LedgerTable) -> Result<DatasetRef, StoreError> {
        let name = table.dataset();
        let latest = match self.lake.latest(&name).await? {
            Some(latest) => latest,
            None => self.lake.create(&name, table.schema()).await?,
        };
        let stored = self.lake.schema(&latest).await?;
        let declared = table.schema();
        let fields = declared.fields().iter();
        let new = fields.filter(|field| stored.field_with_name(field.name()).is_err());
        let new: Vec<_> = new.cloned().collect();
        if new.is_empty() {
            return Ok(latest);
        }
        // Rows of an older program have nulls in columns that were declared later.
        let transform = NewColumnTransform::AllNulls(Arc::new(arrow_schema::Schema::new(new)));
        let mut dataset = (*self.lake.open(&latest).await?).clone();
        let added = dataset.add_columns(transform, None, None).await;
        added.map_err(|error| crate::dataset::dataset_error(&name, "written", &error))?;
        self.lake
            .latest(&name)
            .await?
            .ok_or(StoreError::WriteConflict { name })
    }

    /// The keys of a table's rows.
    pub(super) async fn keys(&self, table: &LedgerTable) -> Result<BTreeSet<String>, StoreError> {
        self.values(table, table.key()).await
    }

    /// The distinct values in a text column of a table, over all runs or events.
    pub async fn values(
        &self,
        table: &LedgerTable,
        column: &str,
    ) -> Result<BTreeSet<String>, StoreError> {
        let Some(latest) = self.lake.latest(&table.dataset()).await? else {
            return Ok(BTreeSet::new());
        };
        let scan = Scan {
            columns: Some(vec![column.to_string()]),
            ..Scan::default()
        };
        let (_, batches) = self.lake.read(&latest, &scan).await?;
        let mut values = BTreeSet::new();
        for batch in &batches {
            let texts = batch.column(0).as_string_opt::<i32>();
            let texts = texts.ok_or_else(|| StoreError::Dataset {
                name: latest.name.clone(),
                action: "read",
                reason: format!("the column {column} does not contain text"),
            })?;
            values.extend(texts.iter().flatten().map(str::to_string));
        }
        Ok(values)
    }
}

/// Converts rows to a batch; missing columns are null.
pub(crate) fn batch(
    schema: &SchemaRef,
    rows: &[&Map<String, Value>],
) -> Result<RecordBatch, StoreError> {
    let mut decoder = arrow::json::ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(rows.len().max(1))
        .with_strict_mode(true)
        .build_decoder()?;
    decoder.serialize(rows)?;
    let batch = decoder.flush()?;
    Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))))
}
