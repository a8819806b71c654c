//! The ledger: results of all finished runs.
//!
//! Append-only datasets beside the job's other datasets, one per table: `ledger__findings`,
//! `ledger__kpis`, `ledger__effects`. A finished run publishes its rows once. Its row in
//! `ledger__runs` is written last and makes the others visible: a process that dies earlier leaves
//! invisible rows, and the next publication of the same run completes them. Decisions of users are
//! events in `ledger__decisions`, and changes of improvements are events in `ledger__improvements`.
//! Rows are never changed; the current state is a fold over events.
//!
//! Queries on tables such as `ledger.findings` read the newest finished run of each window.

mod append;
mod decisions;
mod effects;
mod figures;
mod improvements;
mod recommendations;
mod schema;
mod view;

pub(crate) use append::batch;
pub use append::{Publication, TableRows};
pub use decisions::{Decision, decisions_in_force, finding_decisions};
pub use figures::{PublishedFigure, PublishedInputs, PublishedRestatement};
pub use improvements::{Improvement, ImprovementState, register};
pub use recommendations::PublishedRecommendation;
pub use schema::{
    COMMON, DECISIONS, EFFECTS, FINDINGS, HEALTH, IMPROVEMENTS, KPIS, LedgerTable, RECOMMENDATIONS,
    RESTATEMENTS, RUNS, TABLES, data_dictionary, table,
};
pub use view::{PublishedRun, newest_by_window};

use crate::{
    dataset::{Lake, Scan},
    error::StoreError,
};
use arrow_schema::SchemaRef;
use serde::de::DeserializeOwned;

/// Name of the SQL schema of the ledger's tables.
pub const SCHEMA: &str = "ledger";

/// The ledger of a job.
#[derive(Clone)]
pub struct Ledger {
    lake: Lake,
}

impl Ledger {
    /// Opens the ledger in the lake of a job. Nothing is created before the first publication.
    pub fn new(lake: &Lake) -> Self {
        Self { lake: lake.clone() }
    }

    /// All rows of a table, in the order of appending.
    async fn rows<T: DeserializeOwned>(&self, table: &LedgerTable) -> Result<Vec<T>, StoreError> {
        self.rows_in(table, &Scan::default()).await
    }

    /// The rows of a scan of a table, in the order of appending.
    async fn rows_in<T: DeserializeOwned>(
        &self,
        table: &LedgerTable,
        scan: &Scan,
    ) -> Result<Vec<T>, StoreError> {
        let Some(latest) = self.lake.latest(&table.dataset()).await? else {
            return Ok(Vec::new());
        };
        let (_, batches) = self.lake.read(&latest, scan).await?;
        let mut writer = arrow::json::ArrayWriter::new(Vec::new());
        writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
        writer.finish()?;
        let text = writer.into_inner();
        if text.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_slice(&text).map_err(|error| StoreError::Dataset {
            name: table.dataset(),
            action: "read",
            reason: error.to_string(),
        })
    }
}

/// Finds the ledger table with this name in a query. Returns `None` for a name outside the ledger,
/// and an error with the name for an unknown table of the ledger.
pub(crate) fn table_in_query(query_name: &str) -> Option<Result<&'static LedgerTable, String>> {
    let name = query_name.strip_prefix(SCHEMA)?.strip_prefix('.')?;
    Some(table(name).ok_or_else(|| name.to_string()))
}

/// Names of the ledger's tables in queries, with their columns.
pub fn tables() -> Vec<(String, SchemaRef)> {
    let tables = TABLES.iter();
    let tables = tables.map(|table| (table.query_name.to_string(), table.visible_schema()));
    tables.collect()
}

#[cfg(test)]
mod tests;
