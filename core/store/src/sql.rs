//! SQL queries over datasets, with a memory limit, in the job's time zone, with reproducible rows.
//!
//! **Order and sums.** Queries run on one partition, regardless of the number of threads: batches
//! reach every operator in the same order, so sums of floating-point numbers are the same to the
//! last bit. Scans still read and decode in parallel, and independent stages run concurrently. A
//! query that only selects rows and columns keeps the dataset's order. One that groups, joins or
//! otherwise combines rows, and has no `ORDER BY` of its own, is sorted by all its columns.
//!
//! **Time.** A time without a zone is local in the job's time zone, wherever it comes from: a
//! literal, a text that is cast or parsed by `to_timestamp`, a day that is compared with a time.
//! Queries therefore have no times without a zone: the timestamps of tables are in the job's zone,
//! including those inside lists and structs, and `local_times` converts all others. A skipped local
//! time is moved forward, and a repeated local time means its first occurrence. Results are stored
//! as UTC.
//! **Numbers.** Integers never wrap around: `numbers` and `sums` give the exact result or an error.
//! NaN is a missing value: aggregates ignore it, and results have null instead.

mod clocks;
mod dry_run;
mod explain;
mod local_times;
mod numbers;
mod order;
mod parse;
mod selection;
mod sums;
mod table;
mod times;

pub use parse::tables;
pub use selection::{Selection, selection};
pub use table::{SqlRows, SqlTable};

use crate::{
    bridge,
    dataset::{Lake, Properties, TimeLimit},
    error::{SqlError, StoreError},
    ledger, origin,
    resources::ResourcePool,
};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::{
    catalog::MemorySchemaProvider,
    dataframe::DataFrame,
    datasource::{TableProvider, empty::EmptyTable},
    error::DataFusionError,
    execution::{SendableRecordBatchStream, session_state::SessionStateBuilder},
    logical_expr::{AggregateUDF, Expr, cast, ident},
    optimizer::{Analyzer, AnalyzerRule},
    physical_plan::{ExecutionPlan, execute_stream, stream::RecordBatchStreamAdapter},
    prelude::{SQLOptions, SessionConfig, SessionContext},
    sql::TableReference,
};
pub(crate) use explain::explain;
use explain::{explain_in, explain_with};
use futures::{StreamExt, TryStreamExt};
use local_times::{LocalTimes, Stage};
use numbers::{CheckedNumbers, null_for_nan};
use order::sort_if_unordered;
use retrocast_domain::cell::DatasetRef;
use std::{collections::BTreeSet, sync::Arc};
use sums::ExactSum;

/// Name of the catalog with the tables.
const CATALOG: &str = "datafusion";
/// Number of rows of a batch in a query.
const BATCH_ROWS: usize = 8192;
/// Allowed table functions; none of them reads files or tables.
const TABLE_FUNCTIONS: [&str; 3] = ["generate_series", "range", "unnest"];

/// Settings for running queries.
#[derive(Debug, Clone)]
pub struct Sql {
    /// Memory and spill space.
    pub pool: ResourcePool,
    /// The job's time zone, an IANA name.
    pub timezone: String,
}

/// Memory for checking a query, in bytes.
const CHECK_BYTES: u64 = 64 << 20;

/// Plans a query over tables with the given schemas in a time zone, in exactly the same way as a
/// run, and evaluates constant expressions. Returns the schema of the result. Reads and writes
/// nothing.
pub fn check(
    sql: &str,
    tables: &[(String, SchemaRef)],
    timezone: &str,
) -> Result<SchemaRef, StoreError> {
    let planner = Sql {
        pool: ResourcePool::without_disk(CHECK_BYTES),
        timezone: timezone.to_string(),
    };
    planner.check(sql, tables)
}

impl Sql {
    fn check(&self, sql: &str, tables: &[(String, SchemaRef)]) -> Result<SchemaRef, StoreError> {
        parse::check(sql)?;
        let plan = || {
            let context = self.context()?;
            for (name, schema) in tables {
                let empty: Arc<dyn TableProvider> = Arc::new(EmptyTable::new(schema.clone()));
                self.register(&context, name, empty, None)?;
            }
            // Planning over tables in memory never blocks.
            futures::executor::block_on(async {
                let frame = plan(&context, sql).await?;
                result_schema(frame.schema().as_arrow())?;
                let (state, plan) = sort_if_unordered(frame)?.into_parts();
                let explained = |error| explain_in(&error, sql);
                let optimized = state.optimize(&plan).map_err(explained)?;
                dry_run::check_constants(&optimized).map_err(explained)?;
                let physical = state.create_physical_plan(&plan).await.map_err(explained)?;
                dry_run::check_types(&physical).map_err(explained)?;
                result_schema(&physical.schema())
            })
        };
        std::thread::scope(|scope| {
            let thread = parse::large_stack_thread().spawn_scoped(scope, plan);
            thread
                .map_err(parse::thread_error)?
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs a query and streams its rows, in a deterministic order.
    pub async fn stream(
        &self,
        lake: &Lake,
        sql: &str,
        tables: &[SqlTable],
    ) -> Result<SendableRecordBatchStream, StoreError> {
        self.rows(lake, sql, tables, ColumnNames::Dataset).await
    }

    /// Runs a query and streams its rows for display: names of columns need not be valid in a
    /// dataset.
    pub async fn stream_for_display(
        &self,
        lake: &Lake,
        sql: &str,
        tables: &[SqlTable],
    ) -> Result<SendableRecordBatchStream, StoreError> {
        self.rows(lake, sql, tables, ColumnNames::Display).await
    }

    async fn rows(
        &self,
        lake: &Lake,
        sql: &str,
        tables: &[SqlTable],
        names: ColumnNames,
    ) -> Result<SendableRecordBatchStream, StoreError> {
        let context = self.context()?;
        for table in tables {
            let (provider, before) = table.provider(&context, lake).await?;
            self.register(&context, &table.name, provider, before)?;
        }
        let (schema, plan) = plan_on_large_stack(context.clone(), sql.to_string(), names).await?;
        let rows = execute_stream(plan, context.task_ctx()).map_err(|error| explain(&error))?;
        let target_schema = schema.clone();
        let rows = rows.map(move |batch| {
            to_dataset_rows(&batch?, &target_schema)
                .map_err(|error| DataFusionError::External(Box::new(error)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    /// Runs a query and returns its rows as batches.
    pub async fn query(
        &self,
        lake: &Lake,
        sql: &str,
        tables: &[SqlTable],
    ) -> Result<(SchemaRef, Vec<RecordBatch>), StoreError> {
        let stream = self.stream(lake, sql, tables).await?;
        let schema = stream.schema();
        let batches = stream
            .try_collect()
            .await
            .map_err(|error| explain(&error))?;
        Ok((schema, batches))
    }

    /// Runs a query over tables of a lake and writes its rows as a new version of a dataset of the
    /// lake `target`, which is usually the same.
    pub async fn query_to_dataset(
        &self,
        lake: &Lake,
        target: &Lake,
        sql: &str,
        tables: &[SqlTable],
        name: &str,
        properties: &Properties,
    ) -> Result<DatasetRef, StoreError> {
        let stream = self.stream(lake, sql, tables).await?;
        let schema = stream.schema();
        // The writer hides errors of its input, so the error of a failing query is stored here.
        let failure = Arc::new(std::sync::Mutex::new(None));
        let shared_failure = Arc::clone(&failure);
        let rows = stream.map(move |batch| {
            batch.inspect_err(|error| {
                let explained = explain(error);
                *shared_failure
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(explained);
            })
        });
        let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
        let written = target.write(name, rows, properties).await;
        let failed = failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        failed.map_or(written, |error| Err(error.into()))
    }

    /// Creates the context of a query.
    fn context(&self) -> Result<SessionContext, StoreError> {
        let mut config = SessionConfig::new()
            .with_target_partitions(1)
            .with_batch_size(BATCH_ROWS);
        let options = config.options_mut();
        // A sort reserves memory for merging spilled data, which must be within the limit.
        options.execution.sort_spill_reservation_bytes =
            (10 << 20).min(self.pool.query_memory() as usize / 8);
        options.execution.time_zone = Some(self.timezone.clone());
        options.sql_parser.collect_spans = true;
        let runtime = self.pool.runtime()?;
        let zone: Arc<str> = self.timezone.as_str().into();
        let default_rules = Analyzer::new().rules;
        let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
            vec![Arc::new(LocalTimes::new(&zone, Stage::Parsed))];
        rules.extend(default_rules.iter().cloned());
        rules.push(Arc::new(LocalTimes::new(&zone, Stage::Coerced)));
        rules.push(Arc::new(CheckedNumbers));
        // The default rules run again: the rules above change types, so operands may need coercion.
        rules.extend(default_rules);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_analyzer_rules(rules)
            .build();
        let context = SessionContext::new_with_state(state);
        let catalog = context.catalog(CATALOG);
        if let Some(catalog) = catalog {
            let tables = Arc::new(MemorySchemaProvider::new());
            let registered = catalog.register_schema(ledger::SCHEMA, tables);
            registered.map_err(|error| explain(&error))?;
        }
        for function in times::functions(&zone) {
            context.register_udf(function);
        }
        context.register_udaf(AggregateUDF::from(ExactSum::default()));
        Ok(context)
    }

    fn register(
        &self,
        context: &SessionContext,
        name: &str,
        provider: Arc<dyn TableProvider>,
        before: Option<&TimeLimit>,
    ) -> Result<(), StoreError> {
        let schema = provider.schema();
        let view = self
            .view(context, provider, &schema, before)
            .map_err(|error| explain(&error))?;
        let name = match name.split_once('.') {
            Some((schema, table)) => TableReference::partial(schema, table),
            None => TableReference::bare(name),
        };
        context
            .register_table(name, view)
            .map_err(|error| explain(&error))?;
        Ok(())
    }

    /// A view of a table with times in the job's zone, without hidden columns and without rows
    /// after the time limit.
    fn view(
        &self,
        context: &SessionContext,
        provider: Arc<dyn TableProvider>,
        schema: &Schema,
        before: Option<&TimeLimit>,
    ) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        let mut condition = None;
        if let Some(before) = before {
            let field = schema.field_with_name(&before.column)?;
            condition = before.expression(field.data_type());
        }
        let fields: Vec<_> = schema.fields().iter().collect();
        let column_count = fields.len();
        let fields: Vec<_> = fields
            .into_iter()
            .filter(|field| !origin::is_hidden(field.name()))
            .collect();
        let local_types: Vec<DataType> = fields
            .iter()
            .map(|field| in_zone(field.data_type(), &self.timezone))
            .collect();
        let stored_types = fields.iter().map(|field| field.data_type());
        if condition.is_none() && fields.len() == column_count && stored_types.eq(&local_types) {
            return Ok(provider);
        }
        let mut frame = context.read_table(provider)?;
        if let Some(condition) = condition {
            frame = frame.filter(condition)?;
        }
        let columns = fields
            .into_iter()
            .zip(local_types)
            .map(|(field, local_type)| {
                let column = ident(field.name());
                if *field.data_type() == local_type {
                    column
                } else {
                    cast(column, local_type).alias(field.name())
                }
            });
        Ok(frame.select(columns.collect::<Vec<Expr>>())?.into_view())
    }
}

/// A type with its timestamps in a time zone.
fn in_zone(data_type: &DataType, timezone: &str) -> DataType {
    let convert_child = |field: &Field| {
        Arc::new(
            field
                .clone()
                .with_data_type(in_zone(field.data_type(), timezone)),
        )
    };
    match data_type {
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some(timezone.into()))
        }
        DataType::List(item) => DataType::List(convert_child(item)),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| convert_child(field)).collect())
        }
        other => other.clone(),
    }
}

/// Plans a query on a thread with a large stack; returns its schema and its physical plan.
async fn plan_on_large_stack(
    context: SessionContext,
    sql: String,
    names: ColumnNames,
) -> Result<(SchemaRef, Arc<dyn ExecutionPlan>), StoreError> {
    parse::check(&sql)?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let plan = async move {
        let frame = plan(&context, &sql).await?;
        let result = |schema: &Schema| match names {
            ColumnNames::Dataset => result_schema(schema),
            ColumnNames::Display => bridge::storable_schema(&with_unique_names(schema)),
        };
        result(frame.schema().as_arrow())?;
        let physical = sort_if_unordered(frame)?.create_physical_plan().await;
        let physical = physical.map_err(|error| explain_in(&error, &sql))?;
        Ok((result(&physical.schema())?, physical))
    };
    let thread = move || {
        // The receiver was dropped if the run was cancelled.
        let _ = sender.send(runtime.block_on(plan));
    };
    parse::large_stack_thread()
        .spawn(thread)
        .map_err(parse::thread_error)?;
    receiver.await.unwrap_or_else(|_| {
        let error =
            SqlError::new("the query could not be planned because of a bug in this program");
        Err(error.help("please report it with the query").into())
    })
}

/// Converts rows for a dataset: NaN becomes null.
fn to_dataset_rows(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, StoreError> {
    let batch = bridge::to_storable(batch, schema)?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().iter().map(null_for_nan).collect();
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &rows,
    )?)
}

/// Plans a query that [`parse::check`] has accepted.
async fn plan(context: &SessionContext, sql: &str) -> Result<DataFrame, SqlError> {
    let options = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    context
        .sql_with_options(sql, options)
        .await
        .map_err(|error| explain_with(&error, &functions(context)))
}

/// Names of all functions, sorted.
fn functions(context: &SessionContext) -> Vec<String> {
    let state = context.state();
    let mut names: Vec<String> = state.scalar_functions().keys().cloned().collect();
    names.extend(state.aggregate_functions().keys().cloned());
    names.extend(state.window_functions().keys().cloned());
    names.sort();
    names
}

/// The rules for the column names of a result.
#[derive(Debug, Clone, Copy)]
enum ColumnNames {
    /// Names must be unique and valid in a dataset.
    Dataset,
    /// Any names are allowed; duplicates are numbered.
    Display,
}

/// Numbers the duplicate column names of a schema.
fn with_unique_names(schema: &Schema) -> Schema {
    let mut seen = BTreeSet::new();
    let fields = schema.fields().iter().map(|field| {
        let numbered = (2..).map(|number| format!("{}_{number}", field.name()));
        let mut names = std::iter::once(field.name().clone()).chain(numbered);
        let name = names.find(|name| seen.insert(name.clone()));
        field.as_ref().clone().with_name(name.unwrap_or_default())
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// The schema of the result in a dataset; fails for invalid names.
fn result_schema(schema: &Schema) -> Result<SchemaRef, StoreError> {
    let mut seen = BTreeSet::new();
    for field in schema.fields() {
        let name = field.name();
        if !seen.insert(name) {
            let error = SqlError::new(format!("two columns of the result are named {name:?}"));
            return Err(error.help("give them different names with AS").into());
        }
        if name.is_empty() || name.contains('.') || name.starts_with("_row") {
            let error = SqlError::new(format!(
                "{name:?} is not a valid name for a column of the result"
            ));
            return Err(error.help("give it a plain name with AS").into());
        }
    }
    bridge::storable_schema(schema)
}

#[cfg(test)]
mod tests;
