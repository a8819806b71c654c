//! The tables of queries: datasets of the job, and tables of its ledger.

use super::{BATCH_ROWS, explain::explain};
use crate::{
    dataset::{Lake, TimeLimit},
    error::StoreError,
    ledger::LedgerTable,
};
use datafusion::{
    common::ScalarValue,
    datasource::{TableProvider, empty::EmptyTable},
    error::DataFusionError,
    logical_expr::{cast, ident, lit},
    prelude::SessionContext,
};
use lance::{Dataset, datafusion::LanceTableProvider};
use retrocast_domain::cell::DatasetRef;
use std::sync::Arc;

/// Rows with their name in queries.
#[derive(Debug, Clone)]
pub struct SqlTable {
    /// Name in the query.
    pub name: String,
    /// Dataset or ledger table that provides the rows.
    pub rows: SqlRows,
}

/// The rows of a table.
#[derive(Debug, Clone)]
pub enum SqlRows {
    /// The rows of a dataset.
    Dataset {
        /// Name and version of the dataset.
        dataset: DatasetRef,
        /// Filter for rows that the query must not see.
        before: Option<TimeLimit>,
    },
    /// The rows of a table of the ledger.
    Ledger {
        /// Schema of the table, and its dataset.
        table: &'static LedgerTable,
        /// Keys of the publications or events whose rows the query sees.
        keys: Vec<String>,
    },
}

impl SqlTable {
    /// A table with the rows of a dataset, called `name`.
    pub fn dataset(
        name: impl Into<String>,
        dataset: DatasetRef,
        before: Option<TimeLimit>,
    ) -> Self {
        Self {
            name: name.into(),
            rows: SqlRows::Dataset { dataset, before },
        }
    }

    /// A table of the ledger.
    pub fn ledger(table: &'static LedgerTable, keys: Vec<String>) -> Self {
        Self {
            name: table.query_name.to_string(),
            rows: SqlRows::Ledger { table, keys },
        }
    }

    /// The visible rows for the query engine, and the time limit that it must apply.
    pub(super) async fn provider(
        &self,
        context: &SessionContext,
        lake: &Lake,
    ) -> Result<(Arc<dyn TableProvider>, Option<&TimeLimit>), StoreError> {
        Ok(match &self.rows {
            SqlRows::Dataset { dataset, before } => {
                (provider(lake.open(dataset).await?), before.as_ref())
            }
            SqlRows::Ledger { table, keys } => {
                (ledger_rows(context, lake, table, keys).await?, None)
            }
        })
    }
}

fn provider(dataset: Arc<Dataset>) -> Arc<dyn TableProvider> {
    Arc::new(LanceTableProvider::new(dataset, false, false).with_batch_size(BATCH_ROWS))
}

/// The rows of a ledger table with the given keys.
async fn ledger_rows(
    context: &SessionContext,
    lake: &Lake,
    table: &LedgerTable,
    keys: &[String],
) -> Result<Arc<dyn TableProvider>, StoreError> {
    let visible = table.visible_schema();
    let latest = lake.latest(&table.dataset()).await?;
    let Some(latest) = latest.filter(|_| !keys.is_empty()) else {
        return Ok(Arc::new(EmptyTable::new(visible)));
    };
    let provider = provider(lake.open(&latest).await?);
    let table_schema = provider.schema();
    let keys = keys.iter().map(|key| lit(key.as_str())).collect();
    let columns = visible.fields().iter().map(|field| {
        // Datasets written by an older version of the program lack columns that were added later.
        match table_schema.field_with_name(field.name()) {
            Ok(_) => ident(field.name()),
            Err(_) => cast(lit(ScalarValue::Null), field.data_type().clone()).alias(field.name()),
        }
    });
    let view = || {
        let rows = context.read_table(provider)?;
        let rows = rows.filter(ident(table.key()).in_list(keys, false))?;
        Ok(rows.select(columns.collect::<Vec<_>>())?.into_view())
    };
    view().map_err(|error: DataFusionError| explain(&error).into())
}
