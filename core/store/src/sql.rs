//! SQL over datasets, with a memory limit, the job's time zone, and the same rows every time.
//!
//! **Order and sums.** Queries run on one partition, whatever the number of threads: then batches
//! reach every operator in one order, so sums of floating-point numbers come out the same to the
//! last bit. Scans below still read and decode in parallel, and independent stages run side by side.
//! A query that only picks rows and columns keeps the dataset's order. One that groups, joins or
//! otherwise combines rows, and has no `ORDER BY` of its own, is sorted by all its columns.
//!
//! **Time.** Tables show their timestamps in the job's time zone, so `date_trunc('day', …)` and
//! `extract(hour from …)` mean local days and hours. Results are kept as UTC again.

use crate::{
    bridge,
    dataset::{Before, Lake, Properties},
    error::{SqlError, StoreError},
    near::near,
};
use arrow::array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef, TimeUnit};
use datafusion::{
    common::{
        Column, SchemaError,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    dataframe::DataFrame,
    datasource::{TableProvider, empty::EmptyTable},
    error::DataFusionError,
    execution::{
        SendableRecordBatchStream,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::FairSpillPool,
        runtime_env::RuntimeEnvBuilder,
    },
    logical_expr::{Expr, LogicalPlan, cast, ident},
    physical_plan::stream::RecordBatchStreamAdapter,
    prelude::{SQLOptions, SessionConfig, SessionContext},
    sql::{
        TableReference,
        parser::{DFParser, Statement as Parsed},
        resolve::resolve_table_references,
        sqlparser::ast::{Statement, TableFactor, Visit, Visitor},
    },
};
use futures::{StreamExt, TryStreamExt};
use lance::datafusion::LanceTableProvider;
use retrocast_domain::cell::DatasetRef;
use std::{collections::BTreeSet, ops::ControlFlow, path::PathBuf, sync::Arc};

/// Rows of the batches that flow through a query.
const BATCH_ROWS: usize = 8192;
/// Functions that may stand where a table stands; none of them reads anything.
const TABLE_FUNCTIONS: [&str; 3] = ["generate_series", "range", "unnest"];

/// How queries are run.
#[derive(Debug, Clone)]
pub struct Sql {
    /// Memory that one query may take before it writes to disk.
    pub memory_bytes: usize,
    /// Folder for what does not fit.
    pub spill: PathBuf,
    /// The job's time zone, an IANA name.
    pub timezone: String,
}

/// A dataset under the name that queries call it by.
#[derive(Debug, Clone)]
pub struct SqlTable {
    /// Name in the query.
    pub name: String,
    /// What it reads.
    pub dataset: DatasetRef,
    /// Rows that the query may not see.
    pub before: Option<Before>,
}

/// The datasets that a query reads; names of its own (`with …`, aliases) are not among them.
pub fn tables(sql: &str) -> Result<BTreeSet<String>, SqlError> {
    let statement = parse(sql)?;
    let (references, _) =
        resolve_table_references(&statement, true).map_err(|error| explain(&error))?;
    references
        .into_iter()
        .filter(|reference| !TABLE_FUNCTIONS.contains(&reference.table()))
        .map(|reference| match reference {
            TableReference::Bare { table } => Ok(table.to_string()),
            qualified => Err(
                SqlError::new(format!("there is no table {qualified}")).help(format!(
                    "datasets have plain names: write {}",
                    qualified.table()
                )),
            ),
        })
        .collect()
}

/// Checks that the text is one query that only reads datasets.
fn parse(sql: &str) -> Result<Parsed, SqlError> {
    let mut statements = DFParser::parse_sql(sql).map_err(|error| explain(&error))?;
    let only = "a stage's query is one SELECT, with WITH before it if need be";
    let (first, more) = (statements.pop_front(), statements.len());
    match first {
        None => Err(SqlError::new("the query is empty").help(only)),
        Some(_) if more > 0 => {
            Err(SqlError::new(format!("there are {} statements", more + 1)).help(only))
        }
        Some(Parsed::Statement(statement)) if matches!(*statement, Statement::Query(_)) => {
            let mut guard = Guard;
            match statement.visit(&mut guard) {
                ControlFlow::Break(error) => Err(error),
                ControlFlow::Continue(()) => Ok(Parsed::Statement(statement)),
            }
        }
        Some(other) => {
            let text = other.to_string();
            let verb = text
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_uppercase();
            Err(SqlError::new(format!("{verb} is not allowed")).help(only))
        }
    }
}

/// Refuses table functions that could read something, and statements inside of the query.
struct Guard;

impl Visitor for Guard {
    type Break = SqlError;

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<SqlError> {
        let name = match factor {
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            }
            | TableFactor::Function { name, .. } => name.to_string().to_lowercase(),
            _ => return ControlFlow::Continue(()),
        };
        if TABLE_FUNCTIONS.contains(&name.as_str()) {
            return ControlFlow::Continue(());
        }
        let help = format!(
            "tables are datasets, or one of {}",
            TABLE_FUNCTIONS.join(", ")
        );
        ControlFlow::Break(
            SqlError::new(format!("the table function {name} is not allowed")).help(help),
        )
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<SqlError> {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(SqlError::new(
                "the query holds another statement than SELECT",
            )),
        }
    }
}

impl Sql {
    /// Plans a query over tables of these schemas without any data: the schema of its result.
    pub async fn check(
        &self,
        sql: &str,
        tables: &[(String, SchemaRef)],
    ) -> Result<SchemaRef, StoreError> {
        let context = self.context()?;
        for (name, schema) in tables {
            let empty: Arc<dyn TableProvider> = Arc::new(EmptyTable::new(schema.clone()));
            self.register(&context, name, empty, None)?;
        }
        let frame = plan(&context, sql).await?;
        result_schema(frame.schema().as_arrow())
    }

    /// Runs a query; rows come as a stream, in an order that is the same every time.
    pub async fn stream(
        &self,
        lake: &Lake,
        sql: &str,
        tables: &[SqlTable],
    ) -> Result<SendableRecordBatchStream, StoreError> {
        let context = self.context()?;
        for table in tables {
            let dataset = lake.open(&table.dataset).await?;
            let provider: Arc<dyn TableProvider> = Arc::new(
                LanceTableProvider::new(dataset, false, false).with_batch_size(BATCH_ROWS),
            );
            self.register(&context, &table.name, provider, table.before.as_ref())?;
        }
        let frame = plan(&context, sql).await?;
        let schema = result_schema(frame.schema().as_arrow())?;
        let rows = ordered(frame)?
            .execute_stream()
            .await
            .map_err(|error| explain(&error))?;
        let kept = schema.clone();
        let rows = rows.map(move |batch| {
            bridge::to_storable(&batch?, &kept)
                .map_err(|error| DataFusionError::External(Box::new(error)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    /// Runs a query; rows come as batches.
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

    /// Runs a query; rows become a new version of a dataset.
    pub async fn query_to_dataset(
        &self,
        lake: &Lake,
        sql: &str,
        tables: &[SqlTable],
        name: &str,
        properties: &Properties,
    ) -> Result<DatasetRef, StoreError> {
        let stream = self.stream(lake, sql, tables).await?;
        let schema = stream.schema();
        // The writer wraps what it is told beyond recognition, so a failing query is kept here.
        let failure = Arc::new(std::sync::Mutex::new(None));
        let keep = Arc::clone(&failure);
        let rows = stream.map(move |batch| {
            batch.inspect_err(|error| {
                let explained = explain(error);
                *keep
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(explained);
            })
        });
        let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
        let written = lake.write(name, rows, properties).await;
        let failed = failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        failed.map_or(written, |error| Err(error.into()))
    }

    fn context(&self) -> Result<SessionContext, StoreError> {
        let mut config = SessionConfig::new()
            .with_target_partitions(1)
            .with_batch_size(BATCH_ROWS);
        let options = config.options_mut();
        // What a sort holds back for merging what it spilled must fit the limit itself.
        options.execution.sort_spill_reservation_bytes = (10 << 20).min(self.memory_bytes / 8);
        options.execution.time_zone = Some(self.timezone.clone());
        options.sql_parser.collect_spans = true;
        let spill = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![self.spill.clone()]));
        std::fs::create_dir_all(&self.spill).map_err(|error| StoreError::Io {
            action: "creating the folder",
            file: self.spill.display().to_string(),
            reason: error.to_string(),
        })?;
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(self.memory_bytes)))
            .with_disk_manager_builder(spill)
            .build_arc()
            .map_err(|error| explain(&error))?;
        Ok(SessionContext::new_with_config_rt(config, runtime))
    }

    fn register(
        &self,
        context: &SessionContext,
        name: &str,
        provider: Arc<dyn TableProvider>,
        before: Option<&Before>,
    ) -> Result<(), StoreError> {
        let schema = provider.schema();
        let view = self
            .view(context, provider, &schema, before)
            .map_err(|error| explain(&error))?;
        context
            .register_table(TableReference::bare(name), view)
            .map_err(|error| explain(&error))?;
        Ok(())
    }

    /// The table as the job sees it: without later rows, in local time.
    fn view(
        &self,
        context: &SessionContext,
        provider: Arc<dyn TableProvider>,
        schema: &Schema,
        before: Option<&Before>,
    ) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        let mut condition = None;
        if let Some(before) = before {
            let field = schema.field_with_name(&before.column)?;
            condition = before.expression(field.data_type());
        }
        let local = DataType::Timestamp(TimeUnit::Microsecond, Some(self.timezone.as_str().into()));
        let is_time = |data_type: &DataType| {
            matches!(data_type, DataType::Timestamp(_, Some(_))) && *data_type != local
        };
        if condition.is_none()
            && !schema
                .fields()
                .iter()
                .any(|field| is_time(field.data_type()))
        {
            return Ok(provider);
        }
        let mut frame = context.read_table(provider)?;
        if let Some(condition) = condition {
            frame = frame.filter(condition)?;
        }
        let columns = schema.fields().iter().map(|field| {
            let column = ident(field.name());
            if is_time(field.data_type()) {
                cast(column, local.clone()).alias(field.name())
            } else {
                column
            }
        });
        Ok(frame.select(columns.collect::<Vec<Expr>>())?.into_view())
    }
}

async fn plan(context: &SessionContext, sql: &str) -> Result<DataFrame, SqlError> {
    parse(sql)?;
    let options = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    context
        .sql_with_options(sql, options)
        .await
        .map_err(|error| explain(&error))
}

/// The schema of the result as datasets keep it; names must be fit for columns.
fn result_schema(schema: &Schema) -> Result<SchemaRef, StoreError> {
    let mut seen = BTreeSet::new();
    for field in schema.fields() {
        let name = field.name();
        if !seen.insert(name) {
            let error = SqlError::new(format!("two columns of the result are named {name:?}"));
            return Err(error.help("name them apart with AS").into());
        }
        if name.is_empty() || name.contains('.') || name.starts_with("_row") {
            let error = SqlError::new(format!("{name:?} cannot name a column of the result"));
            return Err(error.help("give it a plain name with AS").into());
        }
    }
    bridge::storable_schema(schema)
}

/// Sorts by all columns where the query leaves the order open.
fn ordered(frame: DataFrame) -> Result<DataFrame, SqlError> {
    if has_order(frame.logical_plan()) {
        return Ok(frame);
    }
    let sortable: Vec<_> = frame
        .schema()
        .iter()
        .filter(|(_, field)| !field.data_type().is_nested())
        .map(|(table, field)| {
            Expr::Column(Column::new(table.cloned(), field.name())).sort(true, false)
        })
        .collect();
    if sortable.is_empty() {
        return Ok(frame);
    }
    frame.sort(sortable).map_err(|error| explain(&error))
}

/// Whether the order of rows follows from the plan: sorted at the top, or only picked in order.
fn has_order(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Limit(limit) => has_order(&limit.input),
        LogicalPlan::Projection(projection) if holds_sort(&projection.input) => true,
        LogicalPlan::SubqueryAlias(alias) => has_order(&alias.input),
        other => only_picks(other),
    }
}

/// A projection right above a sort drops columns that only the sort needed.
fn holds_sort(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Sort(_))
}

fn only_picks(plan: &LogicalPlan) -> bool {
    let mut picks = true;
    let walked = plan.apply(|node| {
        picks &= matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::TableScan(_)
                | LogicalPlan::Unnest(_)
        );
        Ok(if picks {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    walked.is_ok() && picks
}

/// Puts an error of the query engine into words for the author of the query.
fn explain(error: &DataFusionError) -> SqlError {
    let mut out = match error.find_root() {
        DataFusionError::SchemaError(schema, _) => explain_schema(schema),
        DataFusionError::ResourcesExhausted(reason) => SqlError::new(format!(
            "the query needs more memory than it may take: {reason}"
        ))
        .help("read fewer rows or columns, or allow the job more memory"),
        root => SqlError::new(clean(&root.strip_backtrace())),
    };
    if let Some(span) = error.diagnostic().and_then(|found| found.span) {
        (out.line, out.column) = (Some(span.start.line), Some(span.start.column));
    } else if let Some((message, line, column)) = located(&out.message) {
        out = SqlError {
            message,
            line: Some(line),
            column: Some(column),
            help: out.help,
        };
    }
    out
}

fn explain_schema(error: &SchemaError) -> SqlError {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => {
            let names: BTreeSet<&str> = valid_fields.iter().map(Column::name).collect();
            let same = names
                .iter()
                .find(|name| name.eq_ignore_ascii_case(field.name()));
            let help = match (same, near(field.name(), names.iter().copied())) {
                (Some(same), _) => format!("capital letters count inside quotes: write \"{same}\""),
                (None, Some(meant)) => format!("did you mean {meant}?"),
                (None, None) => format!("columns are: {}", list(&names)),
            };
            SqlError::new(format!("there is no column {}", field.flat_name())).help(help)
        }
        SchemaError::AmbiguousReference { field } => {
            SqlError::new(format!("several tables have a column {}", field.name()))
                .help("write the table's name and a full stop before it")
        }
        other => SqlError::new(clean(&other.to_string())),
    }
}

fn list(names: &BTreeSet<&str>) -> String {
    let shown: Vec<&str> = names.iter().take(30).copied().collect();
    let more = if names.len() > shown.len() {
        ", …"
    } else {
        ""
    };
    format!("{}{more}", shown.join(", "))
}

/// Takes off what the engine puts around its messages.
fn clean(text: &str) -> String {
    let mut text = text.lines().next().unwrap_or_default().trim();
    for prefix in [
        "SQL error: ",
        "Error during planning: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Arrow error: ",
        "External error: ",
        "Schema error: ",
        "Optimizer rule ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    for parser in ["ParserError(\"", "TokenizerError(\""] {
        if let Some(inner) = text
            .strip_prefix(parser)
            .and_then(|rest| rest.strip_suffix("\")"))
        {
            text = inner;
        }
    }
    let text = text.replace("\\\"", "\"");
    text.strip_prefix("table 'datafusion.public.")
        .and_then(|rest| rest.split_once("' not found"))
        .map_or(text.clone(), |(name, _)| {
            format!("there is no dataset {name}")
        })
        .trim_end_matches('.')
        .to_string()
}

/// "…at Line: 1, Column: 5" taken apart.
fn located(message: &str) -> Option<(String, u64, u64)> {
    let (before, after) = message.split_once(" at Line: ")?;
    let (line, column) = after.split_once(", Column: ")?;
    let column: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some((before.to_string(), line.parse().ok()?, column.parse().ok()?))
}

#[cfg(test)]
mod tests;
