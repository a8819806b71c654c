//! The sources behind a dataset: its time limit, the query that selects its records, and their key.

use super::WorkspaceExecutor;
use retrocast_engine::{Failure, RunContext};
use retrocast_run::{Node, NodeSpec};
use retrocast_stages::{Reads, StageKind};
use retrocast_store::{TimeLimit, sql::Selection};

/// Maximum number of nested queries between a dataset and its source.
pub(super) const LINEAGE_MAX: usize = 16;

/// The filter for rows of a source that a report on this window must not contain; `None` for other
/// datasets.
pub(super) fn time_limit(
    executor: &WorkspaceExecutor,
    name: &str,
    ctx: &RunContext,
) -> Result<Option<TimeLimit>, Failure> {
    let source = ctx.plan.node(&format!("source.{name}"));
    let source = source.and_then(Node::source);
    let limit = source
        .map(|source| executor.time_limit(source, ctx))
        .transpose()?;
    Ok(limit.flatten())
}

/// The query of a dataset, if it only selects single records.
pub(super) fn selection(name: &str, ctx: &RunContext) -> Option<Selection> {
    let node = ctx.plan.node(&format!("stage.{name}"))?;
    let NodeSpec::Stage { kind, params } = &node.spec else {
        return None;
    };
    let query = params["query"].as_str()?;
    let is_query = |kind: &StageKind| kind.reads == Reads::Query;
    retrocast_stages::kind(kind)
        .is_some_and(is_query)
        .then(|| retrocast_store::sql::selection(query))?
}

/// The columns that identify the records of a dataset, if it is a source, or if queries select
/// single records of a source; empty without a key, or if a query leaves out a column of it.
pub(super) fn record_key(
    executor: &WorkspaceExecutor,
    name: &str,
    ctx: &RunContext,
) -> Result<Option<Vec<String>>, Failure> {
    let mut selections = Vec::new();
    let mut name = name.to_string();
    while let Some(selected) = selection(&name, ctx).filter(|_| selections.len() < LINEAGE_MAX) {
        name.clone_from(&selected.table);
        selections.push(selected);
    }
    let source = ctx.plan.node(&format!("source.{name}"));
    let Some(source) = source.and_then(Node::source) else {
        return Ok(None);
    };
    let key = executor.contract(&source.contract)?.key;
    let renamed = |column: String| {
        let mut selections = selections.iter().rev();
        selections.try_fold(column, |column, selection| selection.column(&column))
    };
    let key: Option<Vec<String>> = key.into_iter().map(renamed).collect();
    Ok(Some(key.unwrap_or_default()))
}
