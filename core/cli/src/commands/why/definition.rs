//! The definition of a figure: the stages that compute it, their inputs, and the rows behind it.

use super::recorded::RecordedRun;
use crate::executor::WorkspaceExecutor;
use jiff::{
    ToSpan,
    civil::{Date, DateTime},
};
use retrocast_domain::{FigureKind, Kpi, ParamLine, cell::DatasetRef, finding::period_of_filter};
use retrocast_engine::RunContext;
use retrocast_render::view::PrintedFigure;
use retrocast_run::{Node, NodeSpec};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Subject of figures on all records.
const ALL: &str = "all";

/// A dataset that a stage read.
#[derive(Debug, Serialize)]
pub struct Input {
    /// Name, version and number of rows.
    #[serde(flatten)]
    pub dataset: DatasetRef,
    /// Address of the records and name of their contract, for a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<[String; 2]>,
    /// The query, for a stage that runs one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Number of nodes between the stage and this dataset.
    pub depth: usize,
}

/// A source or stage behind a figure.
#[derive(Debug, Serialize)]
pub struct NodeDefinition {
    /// Full name of the node.
    pub node: String,
    /// Kind of the node, such as `source` or `kpi`.
    pub kind: String,
    /// Title; empty for none.
    pub title: String,
    /// The method and its source.
    pub method: String,
    /// Params, with the defaults of those that the job file does not set.
    pub params: Vec<ParamLine>,
    /// The query, for a stage that runs one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The datasets that the node read, each followed by its own inputs.
    pub inputs: Vec<Input>,
    /// Tables of the ledger that it read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ledger: Vec<String>,
}

/// The rows behind a figure: a filter of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowFilter {
    /// The dataset with its version: `tickets@42`.
    pub dataset: String,
    /// The condition in SQL; empty for all rows.
    pub condition: String,
}

/// Definition of a figure.
#[derive(Debug, Serialize)]
pub struct Definition {
    /// The window in words.
    pub window: String,
    /// IANA name of the time zone.
    pub timezone: String,
    /// The group; empty for all.
    pub group: String,
    /// The period of the claim, if it has its own.
    pub period: String,
    /// Number of records behind it; `None` if it does not count records.
    pub records: Option<u64>,
    /// Nodes that compute the figure.
    pub nodes: Vec<NodeDefinition>,
    /// The rows behind it, if its stage reads rows that can be filtered.
    pub rows: Option<RowFilter>,
}

/// Describes a figure.
pub fn define(
    run: &RecordedRun,
    figure: &PrintedFigure,
    executor: &WorkspaceExecutor,
    context: &RunContext,
) -> Definition {
    let item = figure
        .figure
        .pointers
        .last()
        .and_then(|pointer| item_at(run, pointer));
    let text = |key: &str| {
        let value = item.as_ref().and_then(|item| item[key].as_str());
        value.unwrap_or_default().to_string()
    };
    let nodes: Vec<&Node> = figure
        .figure
        .nodes
        .iter()
        .filter_map(|name| run.plan.node(name))
        .collect();
    let has_records = matches!(figure.figure.kind, FigureKind::Kpi | FigureKind::Finding);
    let records = item.as_ref().filter(|_| has_records);
    let records = records.and_then(|item| item["n"].as_u64());
    let group = match figure.figure.kind {
        FigureKind::Kpi | FigureKind::Finding => text("subject"),
        _ => String::new(),
    };
    let rows = match (nodes.as_slice(), figure.figure.kind) {
        ([node], FigureKind::Kpi) => {
            let kpi: Option<Kpi> = item
                .clone()
                .and_then(|item| serde_json::from_value(item).ok());
            kpi.and_then(|kpi| rows_of_kpi(run, node, &kpi, executor, context))
        }
        ([node], FigureKind::Finding) => {
            // The rows of a forecast are those of its history, not those of its own period.
            let filter = item
                .as_ref()
                .and_then(|item| item["evidence"][0]["filter"].as_str());
            let period = filter.and_then(period_of_filter);
            let period = period.map_or_else(|| text("period"), str::to_string);
            rows_of_stage(run, node, &text("subject"), &period, executor, context)
        }
        ([node], _) => rows_of_stage(run, node, "", "", executor, context),
        _ => None,
    };
    let mut definitions: Vec<NodeDefinition> = nodes
        .iter()
        .map(|node| node_definition(run, node))
        .collect();
    // A stage may have several methods, and a finding names its own.
    if let ([definition], FigureKind::Finding) = (definitions.as_mut_slice(), figure.figure.kind) {
        let method = text("method");
        if !method.is_empty() {
            definition.method = method;
        }
    }
    Definition {
        window: format!("{}, {}", run.plan.label, run.plan.window.words()),
        timezone: run.plan.window.timezone.clone(),
        group: if group == ALL { String::new() } else { group },
        period: if has_records {
            text("period")
        } else {
            String::new()
        },
        records,
        rows,
        nodes: definitions,
    }
}

/// The item of `report.json` at a pointer.
fn item_at(run: &RecordedRun, pointer: &str) -> Option<Value> {
    let report = serde_json::to_value(&run.report).ok()?;
    report.pointer(pointer).cloned()
}

fn query_of(node: &Node) -> Option<String> {
    match &node.spec {
        NodeSpec::Stage { params, .. } => params["query"].as_str().map(|query| query.trim().into()),
        _ => None,
    }
}

fn node_definition(run: &RecordedRun, node: &Node) -> NodeDefinition {
    let cell = run.outcomes.get(node.short()).map(|outcome| &outcome.cell);
    let mut inputs = Vec::new();
    let mut seen = BTreeSet::new();
    if node.is_source() {
        inputs.extend(input(run, &node.name, 0));
    }
    collect_inputs(run, node, 0, &mut seen, &mut inputs);
    let title = match node.title.as_str() {
        "" => cell.map(|cell| cell.title.clone()).unwrap_or_default(),
        title => title.to_string(),
    };
    NodeDefinition {
        node: node.name.clone(),
        kind: node.kind().to_string(),
        title,
        method: cell.map(|cell| cell.method.clone()).unwrap_or_default(),
        params: node
            .param_lines
            .iter()
            .filter(|param| param.name != "query")
            .cloned()
            .collect(),
        query: query_of(node),
        inputs,
        ledger: node.ledger.clone(),
    }
}

/// Collects the datasets that a node reads, each followed by its own inputs.
fn collect_inputs(
    run: &RecordedRun,
    node: &Node,
    depth: usize,
    seen: &mut BTreeSet<String>,
    inputs: &mut Vec<Input>,
) {
    for name in &node.inputs {
        if !seen.insert(name.clone()) {
            continue;
        }
        inputs.extend(input(run, name, depth));
        // Only the datasets of queries derive row by row from others.
        let derives = run.plan.node(name).filter(|node| query_of(node).is_some());
        if let Some(node) = derives {
            collect_inputs(run, node, depth + 1, seen, inputs);
        }
    }
}

fn input(run: &RecordedRun, name: &str, depth: usize) -> Option<Input> {
    let node = run.plan.node(name)?;
    let outcome = run.outcomes.get(node.short())?;
    Some(Input {
        dataset: outcome.datasets.first()?.clone(),
        records: node.source().map(|source| {
            let uri = retrocast_store::source::without_credentials(&source.uri);
            [uri, source.contract.clone()]
        }),
        query: query_of(node),
        depth,
    })
}

/// The rows of a key figure: those of the window and of its group that its metric counts.
fn rows_of_kpi(
    run: &RecordedRun,
    node: &Node,
    kpi: &Kpi,
    executor: &WorkspaceExecutor,
    context: &RunContext,
) -> Option<RowFilter> {
    let NodeSpec::Stage { params, .. } = &node.spec else {
        return None;
    };
    let window = &run.plan.window;
    let last = window.end.yesterday().ok()?;
    let period = format!("{} to {last}", window.start);
    let by = columns(params);
    let subject = match kpi.subject.as_str() {
        ALL | "" => String::new(),
        label => format!("{} = {label}", by.join(" / ")),
    };
    let mut filter = rows_of_stage(run, node, &subject, &period, executor, context)?;
    let mut metrics = params["metrics"].as_array().into_iter().flatten();
    let metric = metrics.find(|metric| metric["name"] == kpi.name.as_str());
    let condition = metric.and_then(value_condition);
    filter.condition = join_conditions([Some(filter.condition), condition]);
    Some(filter)
}

/// The rows of the dataset that a stage reads, in a period and group.
fn rows_of_stage(
    run: &RecordedRun,
    node: &Node,
    subject: &str,
    period: &str,
    executor: &WorkspaceExecutor,
    context: &RunContext,
) -> Option<RowFilter> {
    let NodeSpec::Stage { params, .. } = &node.spec else {
        let dataset = run.datasets(node).into_iter().next()?;
        return Some(RowFilter {
            dataset: format!("{}@{}", dataset.name, dataset.version),
            condition: String::new(),
        });
    };
    let Some(name) = params["input"].as_str() else {
        // The rows of a query are those that it wrote.
        let outcome = run.outcomes.get(node.short())?;
        let dataset = outcome
            .datasets
            .first()
            .filter(|_| query_of(node).is_some())?;
        return Some(RowFilter {
            dataset: format!("{}@{}", dataset.name, dataset.version),
            condition: String::new(),
        });
    };
    let dataset = run.outcomes.get(name)?.datasets.first()?;
    let time = match params["time"].as_str() {
        Some(time) => Some(time.to_string()),
        None => executor.time_column(name, context).ok().flatten(),
    };
    let condition = join_conditions([
        time.and_then(|time| period_condition(&time, period)),
        group_condition(&columns(params), subject),
        value_condition(params),
    ]);
    Some(RowFilter {
        dataset: format!("{}@{}", dataset.name, dataset.version),
        condition,
    })
}

/// The columns that a stage groups by.
fn columns(params: &Value) -> Vec<String> {
    let columns = params["by"].as_array().into_iter().flatten();
    columns
        .filter_map(|column| column.as_str().map(str::to_string))
        .collect()
}

/// Joins the conditions that are not empty.
fn join_conditions<const N: usize>(conditions: [Option<String>; N]) -> String {
    let conditions: Vec<String> = conditions
        .into_iter()
        .flatten()
        .filter(|condition| !condition.is_empty())
        .collect();
    conditions.join(" and ")
}

fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The condition for rows of a period such as "2026-11-09 to 2026-11-15", by local days, or
/// "2026-11-11T14:00 to 2026-11-11T18:00", by hours.
fn period_condition(time: &str, period: &str) -> Option<String> {
    let (first, last) = period.split_once(" to ").unwrap_or((period, period));
    let time = quoted_name(time);
    let condition =
        |first: String, end: String| format!("{time} >= '{first}' and {time} < '{end}'");
    if first.contains('T') {
        let hour = |text: &str| text.parse::<DateTime>().ok();
        let (first, end) = (hour(first)?, hour(last)?.checked_add(1.hour()).ok()?);
        let literal = |time: DateTime| time.strftime("%Y-%m-%d %H:%M:%S").to_string();
        return Some(condition(literal(first), literal(end)));
    }
    let day = |text: &str| text.parse::<Date>().ok();
    let (first, end) = (day(first)?, day(last)?.tomorrow().ok()?);
    Some(condition(first.to_string(), end.to_string()))
}

/// The condition for rows of a group such as "component = billing", or "a / b = x / y" for several
/// columns.
fn group_condition(by: &[String], subject: &str) -> Option<String> {
    let (names, label) = subject.split_once(" = ")?;
    if by.is_empty() || names != by.join(" / ") {
        return None;
    }
    let values: Vec<&str> = match by {
        [_] => vec![label],
        _ => label.split(" / ").collect(),
    };
    if values.len() != by.len() {
        return None;
    }
    let conditions = by.iter().zip(values).map(|(column, value)| {
        let column = quoted_name(column);
        match value {
            "(none)" => format!("{column} is null"),
            "(blank)" => format!("trim(cast({column} as varchar)) = ''"),
            value => format!("cast({column} as varchar) = {}", quoted_text(value)),
        }
    });
    Some(conditions.collect::<Vec<_>>().join(" and "))
}

/// The condition for rows that `filter_column` and `filter_equals` keep.
fn value_condition(params: &Value) -> Option<String> {
    let column = quoted_name(params["filter_column"].as_str()?);
    let values: Vec<String> = params["filter_equals"]
        .as_array()?
        .iter()
        .map(|value| match value.as_str() {
            Some(text) => quoted_text(text),
            None => quoted_text(&value.to_string()),
        })
        .collect();
    Some(format!(
        "cast({column} as varchar) in ({})",
        values.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_quote_names_and_values() {
        assert_eq!(
            period_condition("created_at", "2026-11-09 to 2026-11-15").as_deref(),
            Some("\"created_at\" >= '2026-11-09' and \"created_at\" < '2026-11-16'")
        );
        assert_eq!(
            period_condition("at", "2026-11-12").as_deref(),
            Some("\"at\" >= '2026-11-12' and \"at\" < '2026-11-13'")
        );
        assert_eq!(
            period_condition("at", "2026-11-11T22:00 to 2026-11-11T23:00").as_deref(),
            Some("\"at\" >= '2026-11-11 22:00:00' and \"at\" < '2026-11-12 00:00:00'")
        );
        assert_eq!(period_condition("at", "all of history"), None);
        let by = ["component".to_string()];
        let group = |subject: &str| group_condition(&by, subject);
        assert_eq!(
            group("component = o'hara").as_deref(),
            Some("cast(\"component\" as varchar) = 'o''hara'")
        );
        assert_eq!(
            group("component = (none)").as_deref(),
            Some("\"component\" is null")
        );
        assert_eq!(group("all"), None);
        assert_eq!(group("team = x"), None);
        let two = ["a".to_string(), "b".to_string()];
        assert_eq!(
            group_condition(&two, "a / b = x / y").as_deref(),
            Some("cast(\"a\" as varchar) = 'x' and cast(\"b\" as varchar) = 'y'")
        );
        let filter = json!({"filter_column": "type", "filter_equals": ["failure", 3]});
        assert_eq!(
            value_condition(&filter).as_deref(),
            Some("cast(\"type\" as varchar) in ('failure', '3')")
        );
        assert_eq!(value_condition(&json!({})), None);
    }
}
