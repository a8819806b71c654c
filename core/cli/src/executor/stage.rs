//! Stages: datasets in as frames, an analysis out, its rows back into the lake.

use super::{Work, failure, properties};
use jiff::civil::DateTime;
use retrocast_domain::{Outcome, cell::DatasetRef, report::Expectation};
use retrocast_engine::{Failure, Node, RunContext};
use retrocast_stages::{Context, Input, Inputs, Kind, Stop};
use retrocast_store::{Before, Scan, SqlTable};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Rows of a query's result that its cell looks at.
const RESULT_ROWS_SHOWN: u64 = 1000;
/// Queries upon each other through which a dataset is followed to its source.
const LINEAGE_MAX: usize = 16;
/// What an analysis takes of memory for each byte of the frames it is given.
const WORKING_COPIES: u64 = 2;

fn kind(node: &Node) -> Result<&'static Kind, Failure> {
    retrocast_stages::kind(&node.kind)
        .ok_or_else(|| Failure::bug(format!("no stage kind {:?}", node.kind)))
}

fn context(node: &Node, ctx: &RunContext) -> Context {
    Context {
        stage: node.short().to_string(),
        title: node.title.clone(),
        window: ctx.window.clone(),
        compare: ctx.compare.clone(),
        seed: ctx.seed_of(node),
        stop: {
            let cancel = ctx.cancel.clone();
            Stop::when(move || cancel.is_cancelled())
        },
    }
}

/// What leaves out the rows of a source that a report on this window must not know.
fn before(work: &Work, name: &str, ctx: &RunContext) -> Result<Option<Before>, Failure> {
    let source = ctx.plan.node(&format!("source.{name}"));
    let before = source.map(|source| work.before(source, ctx)).transpose()?;
    Ok(before.flatten())
}

/// Runs a query over its tables; the result becomes a dataset.
pub async fn query(
    work: &Work,
    node: &Node,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<Outcome, Failure> {
    let lake = work.lake(ctx)?;
    let mut tables = Vec::new();
    for (name, outcome) in inputs {
        let Some(dataset) = outcome.datasets.first() else {
            continue;
        };
        let before = before(work, name, ctx)?;
        tables.push(SqlTable {
            name: name.clone(),
            dataset: dataset.clone(),
            before,
        });
    }
    let text = node.config["query"].as_str().unwrap_or_default();
    let properties = properties(ctx, node);
    let (run, name, text) = (work.sql(ctx), node.short().to_string(), text.to_string());
    let target = lake.clone();
    let share = work.share(node, ctx, work.room.of_query()).await?;
    // DataFusion computes on the threads that poll it: not on those that keep the run going.
    let query = work.compute.spawn(async move {
        run.query_to_dataset(&target, &text, &tables, &name, &properties)
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
    drop(share);
    let head = Scan {
        limit: Some(RESULT_ROWS_SHOWN),
        ..Scan::default()
    };
    let frame = lake.read_frame(&written, &head).await.map_err(failure)?;
    let rows = written.rows;
    let input = Input {
        frame,
        dataset: written.clone(),
        source: None,
        time: None,
        refused: None,
        complete_until: None,
    };
    let result = Inputs::from([(retrocast_stages::sql::RESULT.to_string(), input)]);
    let analysis = (kind(node)?.run)(&context(node, ctx), &node.config, &result)
        .map_err(|error| Failure::data(error.to_string()))?;
    debug_assert!(
        rows >= analysis
            .frame
            .as_ref()
            .map_or(0, |frame| frame.height() as u64)
    );
    Ok(finished(node, inputs, analysis.cell, vec![written]))
}

/// Runs the kind that does nothing: no rows are read for it and no thread is asked.
pub fn noop(
    node: &Node,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<Outcome, Failure> {
    let analysis = (kind(node)?.run)(&context(node, ctx), &node.config, &Inputs::new())
        .map_err(|error| Failure::data(format!("{}: {error}", node.name)))?;
    Ok(finished(node, inputs, analysis.cell, Vec::new()))
}

/// Runs an analysis off the async threads.
pub async fn analyse(
    work: &Work,
    node: &Node,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<Outcome, Failure> {
    let kind = kind(node)?;
    let lake = work.lake(ctx)?;
    let shape = (kind.schema)().to_value();
    let named = column_named(&shape, &node.config);
    let asks = asks_for_refused(&shape, &node.config);
    let (mut scans, mut bytes) = (Vec::new(), 0_u64);
    for (name, outcome) in inputs {
        let Some(dataset) = outcome.datasets.first() else {
            continue;
        };
        let before = before(work, name, ctx)?;
        let time = before.as_ref().map(|before| before.column.clone());
        let schema = lake.schema(dataset).await.map_err(failure)?;
        let all: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let columns = named
            .contains(name)
            .then(|| columns(&with_defaults(&shape, &node.config), all, time.as_deref()));
        let scan = Scan {
            columns: columns.flatten(),
            before,
            limit: None,
        };
        let mut wanted = vec![(dataset, scan)];
        // After its records, a source names what was left out of them, when anything was.
        let refused = outcome.datasets.get(1).filter(|_| asks);
        if let Some(refused) = refused.filter(|_| outcome.source.is_some()) {
            wanted.push((refused, only_raw()));
        }
        for (dataset, scan) in &wanted {
            let size = lake.estimate(dataset, scan).await.map_err(failure)?;
            bytes = bytes.saturating_add(size.saturating_mul(WORKING_COPIES));
        }
        scans.push((name, outcome, wanted, time));
    }
    let share = work.share(node, ctx, bytes).await?;
    let mut frames = Inputs::new();
    for (name, outcome, wanted, time) in scans {
        let mut read = Vec::new();
        for (dataset, scan) in &wanted {
            read.push(lake.read_frame(dataset, scan).await.map_err(failure)?);
        }
        let mut read = read.into_iter();
        let (Some((dataset, _)), Some(frame)) = (wanted.first(), read.next()) else {
            continue;
        };
        let mut input = Input {
            frame,
            dataset: (*dataset).clone(),
            source: outcome.source.clone(),
            time,
            refused: read.next(),
            complete_until: None,
        };
        input.complete_until = complete_until(work, name, &input, ctx)?;
        frames.insert(name.clone(), input);
    }
    let (stage, params) = (context(node, ctx), node.config.clone());
    let analysis = tokio::task::spawn_blocking(move || {
        // The memory is given back when the work has ended, not when nobody waits for it.
        let _share = share;
        (kind.run)(&stage, &params, &frames)
    });
    let analysis = analysis
        .await
        .map_err(|error| {
            if ctx.cancel.is_cancelled() {
                return Failure::cancelled();
            }
            Failure::bug(error.to_string())
        })?
        .map_err(|error| Failure::data(error.to_string()))?;
    let mut datasets = Vec::new();
    if let Some(frame) = &analysis.frame {
        let properties = properties(ctx, node);
        let written = lake
            .write_frame(node.short(), frame, &properties)
            .await
            .map_err(failure)?;
        datasets.push(written);
    }
    Ok(finished(node, inputs, analysis.cell, datasets))
}

/// Civil time until which no records of a dataset mean that nothing happened, where the contract of the
/// source behind it says so; of a window that is not over, until the day of the run at most.
fn complete_until(
    work: &Work,
    name: &str,
    input: &Input,
    ctx: &RunContext,
) -> Result<Option<DateTime>, Failure> {
    let Some((expectation, time)) = expectation(work, name, ctx, LINEAGE_MAX)? else {
        return Ok(None);
    };
    let Some(last) = input.last_time(&time, &ctx.window.timezone) else {
        return Ok(None);
    };
    let end = ctx.window.end.min(ctx.date).at(0, 0, 0, 0);
    Ok(expectation.complete_until(last, end))
}

/// What the contract of the source behind a dataset expects, and the dataset's column of its time:
/// of a source, or of queries that pass on its records one by one.
fn expectation(
    work: &Work,
    name: &str,
    ctx: &RunContext,
    steps: usize,
) -> Result<Option<(Expectation, String)>, Failure> {
    if let Some(source) = ctx.plan.node(&format!("source.{name}")) {
        let contract = work.contract(source.config["contract"].as_str().unwrap_or_default())?;
        return Ok(contract.time.map(|time| (contract.expect, time)));
    }
    let query = ctx
        .plan
        .node(&format!("stage.{name}"))
        .filter(|node| node.kind == retrocast_stages::sql::SQL.name && steps > 0)
        .and_then(|node| node.config["query"].as_str());
    let Some(selection) = query.and_then(retrocast_store::sql::selection) else {
        return Ok(None);
    };
    let found = expectation(work, &selection.table, ctx, steps - 1)?;
    Ok(found.and_then(|(expectation, time)| Some((expectation, selection.column(&time)?))))
}

/// The records that were left out, as text.
fn only_raw() -> Scan {
    Scan {
        columns: Some(vec!["raw".to_string()]),
        ..Scan::default()
    }
}

/// Whether a param is set that asks for the records that were left out of sources.
fn asks_for_refused(schema: &Value, config: &Value) -> bool {
    let properties = schema["properties"].as_object();
    let mut asking = properties
        .into_iter()
        .flatten()
        .filter(|(_, property)| property["x-refused"] == true);
    asking.any(|(name, _)| config.get(name).is_some_and(|value| !value.is_null()))
}

/// The datasets whose columns params name, so that the other columns need not be read.
fn column_named(schema: &Value, config: &Value) -> BTreeSet<String> {
    fn search(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(map) => {
                if let Some(property) = map.get("x-column").and_then(Value::as_str) {
                    found.insert(property.to_string());
                }
                map.values().for_each(|value| search(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| search(item, found)),
            _ => {}
        }
    }
    let mut properties = BTreeSet::new();
    search(schema, &mut properties);
    let names = properties
        .iter()
        .filter_map(|property| config[property].as_str());
    names.map(str::to_string).collect()
}

/// The params with the columns that they name where the job file says nothing.
fn with_defaults(schema: &Value, config: &Value) -> Value {
    let mut config = config.clone();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let default = &property["default"];
        if property.get("x-column").is_some() && default.is_string() && config[name].is_null() {
            config[name] = default.clone();
        }
    }
    config
}

/// The columns that params name, and the time; all of them when params name none.
fn columns(config: &Value, all: Vec<String>, time: Option<&str>) -> Option<Vec<String>> {
    let mut named = BTreeSet::new();
    strings(config, &mut named);
    let mut chosen: Vec<String> = all
        .iter()
        .filter(|column| named.contains(column.as_str()))
        .cloned()
        .collect();
    if chosen.is_empty() {
        return None;
    }
    if let Some(time) = time.filter(|time| !chosen.iter().any(|column| column == time)) {
        chosen.push(time.to_string());
    }
    Some(chosen)
}

fn strings<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => {
            found.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(map) => map.values().for_each(|item| strings(item, found)),
        _ => {}
    }
}

/// The outcome, with what only the caller of a stage knows filled in.
fn finished(
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
    cell.params.clone_from(&node.params);
    if !node.title.is_empty() {
        cell.title.clone_from(&node.title);
    }
    Outcome {
        cell,
        datasets,
        files: Vec::new(),
        source: None,
    }
}
