//! Runs stages: reads datasets in batches, runs the analysis, writes its rows to the lake.

use super::{
    WorkspaceExecutor, failure,
    lineage::{LINEAGE_MAX, selection, time_limit},
    properties, restatement,
    rows::LakeRows,
};
use jiff::civil::DateTime;
use retrocast_domain::{Outcome, Window, cell::DatasetRef, number::count, report::Expectation};
use retrocast_engine::{
    Failure, LedgerView, RunContext,
    ledger::{LEDGER, is_of_events},
};
use retrocast_run::Node;
use retrocast_stages::{
    Analysis, Context, Input, Inputs, Reads, Rows, StageError, StageKind, Stop,
    restatement::contains_text,
};
use retrocast_store::{Lake, Scan, SqlTable, ledger, sql::Selection};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Maximum number of rows of a query that its cell shows.
const RESULT_ROWS_MAX: u64 = 1000;
/// Memory of an analysis, as a multiple of the rows that it keeps or of one batch.
const WORKING_COPIES: u64 = 2;
/// Maximum memory of an analysis that reads a dataset in batches, in bytes.
const BATCH_MEMORY_MAX: u64 = 96 << 20;

/// A stage to run.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    node: &'a Node,
    kind: &'static StageKind,
    params: &'a Value,
}

impl<'a> Stage<'a> {
    /// The stage of a node; fails if the kind is unknown.
    pub fn new(node: &'a Node, kind: &str, params: &'a Value) -> Result<Self, Failure> {
        let kind = retrocast_stages::kind(kind)
            .ok_or_else(|| Failure::bug(format!("no stage kind {kind:?}")))?;
        Ok(Self { node, kind, params })
    }

    /// How the stage reads rows.
    pub fn reads(self) -> Reads {
        self.kind.reads
    }
}

fn context(node: &Node, ctx: &RunContext) -> Context {
    Context {
        stage: node.short().to_string(),
        title: node.title.clone(),
        cells: Vec::new(),
        window: ctx.window.clone(),
        compare: ctx.compare.clone(),
        seed: ctx.seed,
        stop: {
            let cancel = ctx.cancel.clone();
            Stop::when(move || cancel.is_cancelled())
        },
    }
}

/// Runs a query over its tables; the result becomes a dataset.
pub async fn query(
    executor: &WorkspaceExecutor,
    Stage { node, kind, params }: Stage<'_>,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<Outcome, Failure> {
    let mut tables = Vec::new();
    for (name, outcome) in inputs {
        let Some(dataset) = outcome.datasets.first() else {
            continue;
        };
        let limit = time_limit(executor, name, ctx)?;
        tables.push(SqlTable::dataset(name, dataset.clone(), limit));
    }
    let view = ctx.plan.ledger.clone().unwrap_or_default();
    for table in &node.ledger {
        tables.push(ledger_table(table, &view)?);
    }
    let text = params["query"].as_str().unwrap_or_default();
    let properties = properties(ctx, node);
    let (sql, name, text) = (
        executor.sql(ctx),
        node.short().to_string(),
        text.to_string(),
    );
    let (lake, output) = (executor.lake(ctx)?, executor.output_lake(ctx)?);
    let target = output.clone();
    let reservation = executor
        .reserve(node, ctx, executor.pool.query_memory())
        .await?;
    // DataFusion computes on the threads that poll it, so it must not run on those of the engine.
    let query = executor.compute.spawn(async move {
        sql.query_to_dataset(&lake, &target, &text, &tables, &name, &properties)
            .await
    });
    let stop = query.abort_handle();
    let written = tokio::select! {
        () = ctx.cancel.cancelled() => {
            stop.abort();
            return Err(Failure::cancelled());
        }
        written = query => written
            .map_err(|error| Failure::bug(error.to_string()))?
            .map_err(failure)?,
    };
    drop(reservation);
    let first_rows = Scan {
        limit: Some(RESULT_ROWS_MAX),
        ..Scan::default()
    };
    let frame = output
        .read_frame(&written, &first_rows)
        .await
        .map_err(failure)?;
    let rows = written.rows;
    let input = Input::new(frame, written.clone());
    let mut tables = tables_with_times(executor, inputs, ctx).await?;
    tables.insert(retrocast_stages::sql::RESULT.to_string(), input);
    let (stage, params) = (context(node, ctx), params.clone());
    let expected = expectations(executor, inputs, ctx)?;
    let end = ctx.window.end.min(ctx.date).at(0, 0, 0, 0);
    // The times of the tables are read on a thread that may block.
    let mut analysis = run_blocking(ctx, move || {
        set_complete_until(&mut tables, &expected, &stage.window, end);
        (kind.run)(&stage, &params, &tables)
    })
    .await?;
    debug_assert!(
        rows >= analysis
            .frame
            .as_ref()
            .map_or(0, |frame| frame.height() as u64)
    );
    analysis.cell.caveats.extend(ledger_caveat(node, &view));
    Ok(build_outcome(node, inputs, analysis.cell, vec![written]))
}

/// A table of the ledger as a query sees it.
fn ledger_table(table: &str, view: &LedgerView) -> Result<SqlTable, Failure> {
    let ledger_table = table.strip_prefix(LEDGER).and_then(ledger::table);
    let ledger_table =
        ledger_table.ok_or_else(|| Failure::bug(format!("the ledger has no {table}")))?;
    Ok(SqlTable::ledger(ledger_table, view.keys(table)))
}

/// The tables of the ledger that a stage reads, as inputs.
async fn ledger_tables(
    executor: &WorkspaceExecutor,
    node: &Node,
    lake: &Lake,
    ctx: &RunContext,
) -> Result<Inputs, Failure> {
    let view = ctx.plan.ledger.clone().unwrap_or_default();
    let mut inputs = Inputs::new();
    for table in &node.ledger {
        let tables = [ledger_table(table, &view)?];
        let query = format!("select * from {table}");
        let result = executor.sql(ctx).query(lake, &query, &tables).await;
        let (schema, batches) = result.map_err(failure)?;
        let frame = retrocast_store::bridge::to_frame(&schema, &batches).map_err(failure)?;
        let dataset = DatasetRef {
            name: table.clone(),
            version: 0,
            rows: frame.height() as u64,
        };
        inputs.insert(table.clone(), Input::new(frame, dataset));
    }
    Ok(inputs)
}

/// Runs a kind that reads findings of stages and tables of the ledger.
pub async fn findings(
    executor: &WorkspaceExecutor,
    Stage { node, kind, params }: Stage<'_>,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<Outcome, Failure> {
    let lake = executor.lake(ctx)?;
    let ledger_tables = ledger_tables(executor, node, &lake, ctx).await?;
    let mut stage = context(node, ctx);
    stage.cells = inputs.values().map(|input| input.cell.clone()).collect();
    let params = params.clone();
    let analysis = run_blocking(ctx, move || (kind.run)(&stage, &params, &ledger_tables)).await?;
    let datasets = write_rows(&executor.output_lake(ctx)?, node, &analysis, ctx).await?;
    Ok(build_outcome(node, inputs, analysis.cell, datasets))
}

/// Writes the rows of an analysis as a dataset, if it has any.
async fn write_rows(
    lake: &Lake,
    node: &Node,
    analysis: &Analysis,
    ctx: &RunContext,
) -> Result<Vec<DatasetRef>, Failure> {
    let Some(frame) = &analysis.frame else {
        return Ok(Vec::new());
    };
    let properties = properties(ctx, node);
    let dataset = lake.write_frame(node.short(), frame, &properties).await;
    Ok(vec![dataset.map_err(failure)?])
}

/// Runs a kind on a thread that may block.
async fn run_blocking(
    ctx: &RunContext,
    run: impl FnOnce() -> Result<Analysis, StageError> + Send + 'static,
) -> Result<Analysis, Failure> {
    tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| {
            if ctx.cancel.is_cancelled() {
                return Failure::cancelled();
            }
            Failure::bug(error.to_string())
        })?
        .map_err(|error| Failure::data(error.to_string()))
}

/// Describes the part of the ledger that a query reads, as a sentence.
fn ledger_caveat(node: &Node, view: &LedgerView) -> Option<String> {
    let tables = node.ledger.iter().filter(|table| !is_of_events(table));
    let tables: Vec<&str> = tables.map(String::as_str).collect();
    if tables.is_empty() {
        return None;
    }
    let tables = tables.join(", ");
    Some(match view.runs.as_slice() {
        [] => format!("No earlier run is in {tables} yet."),
        [run] => format!("{tables} shows one earlier run, on {}.", run.window),
        [first, .., last] => format!(
            "{tables} shows {} earlier runs, on {} to {}: the newest of each window.",
            count(view.runs.len() as u64),
            first.window,
            last.window
        ),
    })
}

/// Inputs for the tables of a query that have a time column: its stage reports how many rows are
/// after the window.
async fn tables_with_times(
    executor: &WorkspaceExecutor,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<Inputs, Failure> {
    let mut tables = Inputs::new();
    for (name, outcome) in inputs {
        let Some(dataset) = outcome.datasets.first() else {
            continue;
        };
        let Some((_, time)) = expectation(executor, name, ctx, LINEAGE_MAX)? else {
            continue;
        };
        let scan = Scan {
            before: time_limit(executor, name, ctx)?,
            ..Scan::default()
        };
        let rows = LakeRows::new(&executor.lake(ctx)?, dataset, scan).await;
        let mut input = Input::new(Rows::new(rows.map_err(failure)?), dataset.clone());
        input.time = Some(time);
        input.source.clone_from(&outcome.source);
        tables.insert(name.clone(), input);
    }
    Ok(tables)
}

/// Runs a kind that reads no rows, on the calling thread.
pub fn without_rows(
    Stage { node, kind, params }: Stage<'_>,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<Outcome, Failure> {
    let analysis = (kind.run)(&context(node, ctx), params, &Inputs::new())
        .map_err(|error| Failure::data(format!("{}: {error}", node.name)))?;
    Ok(build_outcome(node, inputs, analysis.cell, Vec::new()))
}

/// Runs an analysis of rows, outside of the async threads.
pub async fn analyse(
    executor: &WorkspaceExecutor,
    Stage { node, kind, params }: Stage<'_>,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<Outcome, Failure> {
    let lake = executor.lake(ctx)?;
    let schema = (kind.schema)().to_value();
    let reads_refused = needs_refused_records(&schema, params);
    let (mut tables, mut bytes) = (ledger_tables(executor, node, &lake, ctx).await?, 0_u64);
    for (name, outcome) in inputs {
        let Some(dataset) = outcome.datasets.first() else {
            continue;
        };
        let limit = time_limit(executor, name, ctx)?;
        let time = limit.as_ref().map(|limit| limit.column.clone());
        let scan = Scan {
            before: limit,
            ..Scan::default()
        };
        bytes = bytes.saturating_add(estimate_memory(&lake, dataset, &scan, kind, params).await?);
        let rows = LakeRows::new(&lake, dataset, scan).await.map_err(failure)?;
        let mut input = Input::new(Rows::new(rows), dataset.clone());
        input.source.clone_from(&outcome.source);
        input.time = time;
        input.selected_from = find_selected_dataset(executor, name, outcome, ctx).await?;
        input.records_of = records_of(name, ctx);
        // The quarantine of a source is its second dataset, if anything was refused.
        let refused = outcome.datasets.get(1).filter(|_| reads_refused);
        if let Some(refused) = refused.filter(|_| outcome.source.is_some()) {
            let rows = LakeRows::new(&lake, refused, Scan::default()).await;
            input.refused = Some(Rows::new(rows.map_err(failure)?));
        }
        tables.insert(name.clone(), input);
    }
    let reservation = executor.reserve(node, ctx, bytes).await?;
    let expected = expectations(executor, inputs, ctx)?;
    let (stage, stage_params) = (context(node, ctx), params.clone());
    let end = ctx.window.end.min(ctx.date).at(0, 0, 0, 0);
    let mut analysis = run_blocking(ctx, move || {
        // Memory is released when the analysis has ended, even if its result is no longer needed.
        let _reservation = reservation;
        set_complete_until(&mut tables, &expected, &stage.window, end);
        (kind.run)(&stage, &stage_params, &tables)
    })
    .await?;
    let compared_stage = restatement::Stage {
        executor,
        node,
        kind,
        params,
        context: &context(node, ctx),
        inputs,
        ctx,
    };
    compared_stage.compare(&mut analysis.cell).await?;
    let datasets = write_rows(&executor.output_lake(ctx)?, node, &analysis, ctx).await?;
    Ok(build_outcome(node, inputs, analysis.cell, datasets))
}

/// Expectations of the contracts of the sources behind the inputs, with the time columns.
fn expectations(
    executor: &WorkspaceExecutor,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<BTreeMap<String, (Expectation, String)>, Failure> {
    let expected = inputs.keys().filter_map(|name| {
        let result = expectation(executor, name, ctx, LINEAGE_MAX).transpose()?;
        Some(result.map(|expected| (name.clone(), expected)))
    });
    expected.collect()
}

/// Sets the end of the period in which the absence of records means that nothing happened, if the
/// contract of the source declares it: at most `end`, which is the day of the run in an unfinished
/// window. Reads the times of the records.
fn set_complete_until(
    tables: &mut Inputs,
    expected: &BTreeMap<String, (Expectation, String)>,
    window: &Window,
    end: DateTime,
) {
    for (name, (expectation, time)) in expected {
        let Some(input) = tables.get_mut(name) else {
            continue;
        };
        let full_input = input.selected_from.as_ref();
        let full_input = full_input.and_then(|(_, full)| Some((&**full, full.time.as_deref()?)));
        let (full_input, time) = full_input.unwrap_or((input, time));
        if let Some(last) = full_input.last_time(time, &window.timezone) {
            input.complete_until = expectation.complete_until(last, end);
        }
    }
}

/// Returns the dataset with the same records, if `name` results from queries that select all rows.
fn records_of(name: &str, ctx: &RunContext) -> Option<String> {
    let select_all = |name: &str| selection(name, ctx).filter(Selection::is_whole);
    let steps = std::iter::successors(select_all(name), |selection| select_all(&selection.table));
    steps
        .take(LINEAGE_MAX)
        .last()
        .map(|selection| selection.table)
}

/// Finds the dataset that a query selected its records from, and the time column of the result.
async fn find_selected_dataset(
    executor: &WorkspaceExecutor,
    name: &str,
    outcome: &Outcome,
    ctx: &RunContext,
) -> Result<Option<(String, Box<Input>)>, Failure> {
    let Some(selection) = selection(name, ctx) else {
        return Ok(None);
    };
    let table = &selection.table;
    let Some((_, time)) = expectation(executor, table, ctx, LINEAGE_MAX)? else {
        return Ok(None);
    };
    let dataset = outcome
        .cell
        .inputs
        .iter()
        .find(|input| input.name == *table);
    let (Some(column), Some(dataset)) = (selection.column(&time), dataset) else {
        return Ok(None);
    };
    let scan = Scan {
        before: time_limit(executor, table, ctx)?,
        ..Scan::default()
    };
    let rows = LakeRows::new(&executor.lake(ctx)?, dataset, scan).await;
    let mut input = Input::new(Rows::new(rows.map_err(failure)?), dataset.clone());
    input.time = Some(time);
    Ok(Some((column, Box::new(input))))
}

/// Estimates the memory for the rows of a dataset: all rows, in the columns that the params name,
/// or one batch if the kind reads in batches.
async fn estimate_memory(
    lake: &Lake,
    dataset: &DatasetRef,
    scan: &Scan,
    kind: &StageKind,
    params: &Value,
) -> Result<u64, Failure> {
    let mut scan = scan.clone();
    if kind.reads == Reads::All {
        let schema = lake.schema(dataset).await.map_err(failure)?;
        let names = schema.fields().iter().map(|field| field.name().clone());
        let columns: Vec<String> = names.filter(|name| contains_text(params, name)).collect();
        scan.columns = (!columns.is_empty()).then_some(columns);
    }
    let bytes = lake.estimate(dataset, &scan).await.map_err(failure)?;
    let bytes = bytes.saturating_mul(WORKING_COPIES);
    Ok(if kind.reads == Reads::All {
        bytes
    } else {
        bytes.min(BATCH_MEMORY_MAX)
    })
}

/// The expectations of the contract behind a dataset, and the dataset's time column. `None` unless
/// the dataset is a source, or at most `steps` queries select single records of a source.
pub fn expectation(
    executor: &WorkspaceExecutor,
    name: &str,
    ctx: &RunContext,
    steps: usize,
) -> Result<Option<(Expectation, String)>, Failure> {
    let source = ctx.plan.node(&format!("source.{name}"));
    if let Some(source) = source.and_then(Node::source) {
        let contract = executor.contract(&source.contract)?;
        return Ok(contract.time.map(|time| (contract.expect, time)));
    }
    let Some(selection) = selection(name, ctx).filter(|_| steps > 0) else {
        return Ok(None);
    };
    let inner = expectation(executor, &selection.table, ctx, steps - 1)?;
    Ok(inner.and_then(|(expectation, time)| Some((expectation, selection.column(&time)?))))
}

/// Returns true if a given param needs the refused records of sources.
fn needs_refused_records(schema: &Value, params: &Value) -> bool {
    let properties = schema["properties"].as_object();
    let mut names = properties
        .into_iter()
        .flatten()
        .filter(|(_, property)| property["x-refused"] == true);
    names.any(|(name, _)| params.get(name).is_some_and(|value| !value.is_null()))
}

/// Builds the outcome of a stage: adds inputs, output, params, title and chapter to its cell.
fn build_outcome(
    node: &Node,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    mut cell: retrocast_domain::Cell,
    datasets: Vec<DatasetRef>,
) -> Outcome {
    cell.inputs = inputs
        .values()
        .filter_map(|input| input.datasets.first().cloned())
        .collect();
    cell.output = datasets.first().cloned();
    cell.params.clone_from(&node.param_lines);
    if !node.title.is_empty() {
        cell.title.clone_from(&node.title);
    }
    let chapter = retrocast_stages::kind(node.kind()).and_then(|kind| kind.chapter);
    Outcome {
        cell: cell.in_chapter(chapter.unwrap_or_default()),
        datasets,
        files: Vec::new(),
        source: None,
    }
}
