//! `retrocast why`: explains a printed figure, and computes it again.

mod computation;
mod definition;
mod present;
mod recorded;

use super::{archive, lake, print, print_json};
use crate::{Exit, arguments::WhyArguments, diagnose::WrongUsage, workspace::Workspace};
use computation::{Computer, Recomputation, Status, suggest_id};
use definition::{Definition, RowFilter, define};
use recorded::RecordedRun;
use retrocast_render::view::{PrintedFigure, printed};
use retrocast_store::maintenance;
use serde_json::{Value, json};
use std::path::Path;

/// The explanation of a figure.
struct Explanation<'a> {
    run: &'a RecordedRun,
    figure: &'a PrintedFigure,
    definition: Definition,
    recomputation: Recomputation,
    rows: Option<ExampleRows>,
}

/// Rows behind a figure.
struct ExampleRows {
    /// Total number of rows.
    total: u64,
    /// The first rows.
    result: maintenance::QueryResult,
}

/// Explains a figure, or lists the figures of a run.
pub fn why(workspace: &Workspace, arguments: &WhyArguments) -> anyhow::Result<Exit> {
    let target = arguments.figure.as_str();
    let as_json = arguments.json;
    let (run, id) = match target.rsplit_once('#') {
        // The name of a folder may contain a #, too.
        Some((run, id)) if !Path::new(target).is_dir() => (run, Some(id)),
        _ => (target, None),
    };
    let run = if run.is_empty() { "latest" } else { run };
    let run = RecordedRun::read(&archive::find(workspace, run)?)?;
    let figures = printed(&run.report)?;
    let Some(id) = id else {
        return list(&run, &figures, as_json);
    };
    let Some(figure) = figures.iter().find(|printed| printed.figure.id == id) else {
        let (job, window) = (&run.plan.job, &run.plan.label);
        let help = suggest_id(id, &figures);
        return Err(WrongUsage(format!(
            "the report of {job}/{window} has no figure {id:?}; {help}; `retrocast why {job}/{window}` \
             lists all"
        ))
        .into());
    };
    let computer = Computer::new(workspace, &run)?;
    let definition = define(&run, figure, &computer.executor, &computer.context);
    let rows = match arguments.rows {
        Some(limit) => Some(example_rows(&computer, &definition, figure, limit)?),
        None => None,
    };
    let explanation = Explanation {
        recomputation: computer.recompute(figure)?,
        run: &run,
        figure,
        definition,
        rows,
    };
    if as_json {
        print_json(&explanation.json())?;
    } else {
        print(&present::explanation(&explanation))?;
    }
    Ok(match explanation.recomputation.status {
        Status::Same => Exit::Done,
        Status::Different | Status::NotPossible => Exit::Failed,
    })
}

fn list(run: &RecordedRun, figures: &[PrintedFigure], as_json: bool) -> anyhow::Result<Exit> {
    if as_json {
        print_json(&figures)?;
        return Ok(Exit::Done);
    }
    let head = format!(
        "Figures of {}/{}, run {}; `retrocast why {0}/{1}#ID` explains one\n\n",
        run.plan.job, run.plan.label, run.origin.run
    );
    print(&(head + &present::list(figures)))?;
    Ok(Exit::Done)
}

/// Returns the first rows behind a figure, and their total number.
fn example_rows(
    computer: &Computer<'_>,
    definition: &Definition,
    figure: &PrintedFigure,
    limit: usize,
) -> anyhow::Result<ExampleRows> {
    let Some(RowFilter { dataset, condition }) = &definition.rows else {
        let nodes = &definition.nodes;
        let names: Vec<&str> = nodes.iter().map(|node| node.node.as_str()).collect();
        let id = &figure.figure.id;
        return Err(WrongUsage(match names.as_slice() {
            [] => format!("{id} is not computed from rows"),
            [name] => format!("{name}, which computes {id}, reads no rows that can be filtered"),
            _ => format!(
                "{id} is computed from several stages; ask for the figures of one of them: {}",
                names.join(", ")
            ),
        })
        .into());
    };
    let filter = match condition.as_str() {
        "" => String::new(),
        condition => format!(" where {condition}"),
    };
    let select = |columns: &str, limit: usize| {
        let query = format!("select {columns} from {dataset}{filter}");
        let result = computer.executor.query(&query, limit, &computer.context);
        computer.runtime.block_on(result)
    };
    let total = select("count(*) as n", 1)?;
    let total = total.rows.first().and_then(|row| row.first()?.clone());
    Ok(ExampleRows {
        total: total.and_then(|text| text.parse().ok()).unwrap_or(0),
        result: select("*", limit)?,
    })
}

impl Explanation<'_> {
    fn json(&self) -> Value {
        let mut value = json!({
            "run": self.run.origin.run,
            "job": self.run.plan.job,
            "window": self.run.plan.label,
            "figure": self.figure,
            "definition": self.definition,
            "recomputed": self.recomputation,
        });
        if let Some(rows) = &self.rows {
            let objects = rows.result.rows.iter();
            let objects: Vec<Value> = objects
                .map(|row| lake::row_object(&rows.result, row))
                .collect();
            value["rows"] = json!({ "total": rows.total, "first": objects });
        }
        value
    }
}
