//! `retrocast lake`: queries and maintains the datasets of a job.

use super::{print, print_json, print_raw};
use crate::{
    Exit,
    arguments::{GcArguments, LakeCommand},
    diagnose::WrongUsage,
    ledger::publish_finished,
    temporary_folder::TemporaryFolder,
    terminal,
    workspace::Workspace,
};
use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use retrocast_domain::{
    cell::DatasetRef,
    number::{count, fixed, plural},
};
use retrocast_records::write::csv_line;
use retrocast_run::folder::{report_files, run_folders_of};
use retrocast_store::{
    DataType, Lake, Limits, ResourcePool, Sql,
    ledger::SCHEMA,
    maintenance::{QueryResult, SweepOptions},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};
use tokio::runtime::Runtime;

/// Limits of a query in bytes: memory before it spills, and spilled data.
const QUERY_BYTES: u64 = 1 << 30;
/// Properties of a version that `lake show` prints.
const SHOWN_PROPERTIES: [&str; 6] = [
    "fingerprint",
    "manifest",
    "node",
    "quarantine",
    "quarantine_rows",
    "run",
];
/// Maximum length of text that a user records, in characters.
const TEXT_MAX: usize = 1000;
/// Maximum width of a table cell on a terminal, in characters.
const CELL_WIDTH_MAX: usize = 60;

/// Runs a subcommand of `retrocast lake`.
pub fn lake(workspace: &Workspace, command: LakeCommand) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let (LakeCommand::List { job, .. }
    | LakeCommand::Show { job, .. }
    | LakeCommand::Versions { job, .. }
    | LakeCommand::Gc { job, .. }
    | LakeCommand::Query { job, .. }) = &command;
    let lake = open(&runtime, workspace, job)?;
    let reads_ledger = match &command {
        LakeCommand::Query { sql, .. } => sql.to_lowercase().contains(SCHEMA),
        _ => false,
    };
    if reads_ledger {
        publish_finished(workspace, job);
    }
    match command {
        LakeCommand::List { json, .. } => list(&runtime, &lake, json)?,
        LakeCommand::Show { dataset, json, .. } => show(&runtime, &lake, &dataset, json)?,
        LakeCommand::Versions { dataset, json, .. } => versions(&runtime, &lake, &dataset, json)?,
        LakeCommand::Gc { job, arguments } => gc(&runtime, workspace, &job, &lake, &arguments)?,
        LakeCommand::Query {
            sql,
            rows,
            timezone,
            csv,
            json,
            ..
        } => {
            let spill = TemporaryFolder::new("query");
            let query = Sql {
                pool: ResourcePool::new(Limits {
                    memory: QUERY_BYTES,
                    spill: QUERY_BYTES,
                    folder: spill.0.clone(),
                }),
                timezone,
            };
            let result = runtime.block_on(lake.query(&query, &sql, rows));
            print_result(
                &result.map_err(|error| WrongUsage(error.to_string()))?,
                csv,
                json,
            )?;
        }
    }
    Ok(Exit::Done)
}

fn open(runtime: &Runtime, workspace: &Workspace, job: &str) -> anyhow::Result<Lake> {
    let root = &workspace.lake_locations.root;
    let lake = Lake::new(root, job).map_err(|error| WrongUsage(error.to_string()))?;
    if runtime.block_on(lake.names())?.is_empty() {
        let help = if workspace.job_names().iter().any(|name| name == job) {
            "run it, or name another lake with --lake".to_string()
        } else {
            workspace.suggest_job(job)
        };
        let message = format!("the job {job:?} has no datasets in {root}; {help}");
        return Err(WrongUsage(message).into());
    }
    Ok(lake)
}

/// Trims text from the user and checks that it is one line and not empty.
pub(super) fn one_line(argument: &str, text: &str) -> Result<String, WrongUsage> {
    let text = text.trim();
    if text.is_empty() {
        return Err(WrongUsage(format!("{argument} is empty")));
    }
    if text.chars().any(char::is_control) || text.chars().count() > TEXT_MAX {
        let message = format!("{argument} must be one line of at most {TEXT_MAX} characters");
        return Err(WrongUsage(message));
    }
    Ok(text.to_string())
}

fn list(runtime: &Runtime, lake: &Lake, as_json: bool) -> anyhow::Result<()> {
    let datasets = runtime.block_on(lake.list())?;
    if as_json {
        return print_json(&datasets);
    }
    let rows = datasets.iter().map(|dataset| {
        vec![
            Some(dataset.name.clone()),
            Some(dataset.version.to_string()),
            Some(count(dataset.rows)),
            Some(size(dataset.bytes)),
        ]
    });
    let result = QueryResult {
        columns: ["dataset", "version", "rows", "size"]
            .map(String::from)
            .to_vec(),
        numbers: vec![false, true, true, true],
        rows: rows.collect(),
        more: false,
    };
    Ok(print(&table(&result))?)
}

/// Formats a number of bytes as kB, MB or GB.
fn size(bytes: u64) -> String {
    match bytes {
        1_000_000_000.. => format!("{} GB", fixed(bytes as f64 / 1e9, 1)),
        1_000_000.. => format!("{} MB", fixed(bytes as f64 / 1e6, 1)),
        _ => format!("{} kB", fixed(bytes as f64 / 1e3, 1)),
    }
}

/// Finds a dataset by NAME or `NAME@VERSION`.
fn find_dataset(runtime: &Runtime, lake: &Lake, text: &str) -> anyhow::Result<DatasetRef> {
    let (name, version) = match text.split_once('@') {
        None => (text, None),
        Some((name, version)) => {
            let usage_error = || WrongUsage(format!("{text:?}: expected NAME@VERSION"));
            (name, Some(version.parse().map_err(|_| usage_error())?))
        }
    };
    let names = runtime.block_on(lake.names())?;
    if !names.iter().any(|existing| existing == name) {
        let message =
            match retrocast_domain::suggest::nearest(name, names.iter().map(String::as_str)) {
                Some(nearest) => format!("no dataset {name:?}; did you mean {nearest:?}?"),
                None => format!("no dataset {name:?}; datasets: {}", names.join(", ")),
            };
        return Err(WrongUsage(message).into());
    }
    let dataset = runtime.block_on(lake.find(name, version));
    Ok(dataset.map_err(|error| WrongUsage(error.to_string()))?)
}

fn show(runtime: &Runtime, lake: &Lake, text: &str, as_json: bool) -> anyhow::Result<()> {
    let dataset = find_dataset(runtime, lake, text)?;
    let schema = runtime.block_on(lake.schema(&dataset))?;
    let notes = runtime.block_on(lake.versions(&dataset.name))?;
    let note = notes
        .into_iter()
        .find(|note| note.version == dataset.version);
    let columns: Vec<(String, String)> = schema
        .fields()
        .iter()
        .map(|field| (field.name().clone(), type_word(field.data_type())))
        .collect();
    if as_json {
        let columns: Vec<Value> = columns
            .iter()
            .map(|(name, kind)| json!({"name": name, "type": kind}))
            .collect();
        return print_json(&json!({
            "name": dataset.name, "version": dataset.version, "rows": dataset.rows,
            "committed": note.as_ref().map(|note| note.committed),
            "properties": note.map(|note| note.properties), "columns": columns,
        }));
    }
    let mut text = format!(
        "{}@{}  {}\n",
        dataset.name,
        dataset.version,
        plural(dataset.rows, "row")
    );
    if let Some(note) = note {
        let _ = writeln!(text, "  {:<14} {:.0}", "committed", note.committed);
        // Internal properties of ingest are only in --json.
        for (name, value) in &note.properties {
            if SHOWN_PROPERTIES.contains(&name.as_str()) {
                let _ = writeln!(text, "  {:<14} {value}", name.replace('_', " "));
            }
        }
    }
    text.push('\n');
    let rows = columns
        .into_iter()
        .map(|(name, kind)| vec![Some(name), Some(kind)]);
    let result = QueryResult {
        columns: ["column", "type"].map(String::from).to_vec(),
        numbers: vec![false, false],
        rows: rows.collect(),
        more: false,
    };
    text.push_str(&table(&result));
    Ok(print(&text)?)
}

/// Name of a data type, as in contracts.
fn type_word(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_string(),
        DataType::Int64 | DataType::UInt64 | DataType::Int32 | DataType::UInt32 => {
            "integer".to_string()
        }
        DataType::Float64 | DataType::Float32 => "number".to_string(),
        DataType::Boolean => "boolean".to_string(),
        DataType::Date32 => "date".to_string(),
        DataType::Timestamp(..) => "timestamp".to_string(),
        DataType::List(item) | DataType::LargeList(item) => {
            format!("list<{}>", type_word(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields = fields.iter();
            let fields =
                fields.map(|field| format!("{}: {}", field.name(), type_word(field.data_type())));
            format!("struct<{}>", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn versions(runtime: &Runtime, lake: &Lake, text: &str, as_json: bool) -> anyhow::Result<()> {
    let dataset = find_dataset(runtime, lake, text)?;
    let mut notes = runtime.block_on(lake.versions(&dataset.name))?;
    if text.contains('@') {
        notes.retain(|note| note.version == dataset.version);
    }
    let cited = runtime.block_on(lake.cited(&dataset.name))?;
    if as_json {
        let versions: Vec<Value> = notes
            .iter()
            .map(|note| {
                json!({"version": note.version, "committed": note.committed,
                    "cited": cited.contains(&note.version), "properties": note.properties})
            })
            .collect();
        return print_json(&versions);
    }
    let rows = notes.iter().rev().map(|note| {
        let property = |key: &str| note.properties.get(key).cloned();
        vec![
            Some(note.version.to_string()),
            Some(format!("{:.0}", note.committed)),
            property("run"),
            property("node"),
            Some(
                if cited.contains(&note.version) {
                    "yes"
                } else {
                    "no"
                }
                .to_string(),
            ),
        ]
    });
    let columns = ["version", "committed", "run", "node", "cited"];
    let result = QueryResult {
        columns: columns.map(String::from).to_vec(),
        numbers: vec![true, false, false, false, false],
        rows: rows.collect(),
        more: false,
    };
    Ok(print(&table(&result))?)
}

/// Versions that reports in the archive cite, by dataset.
fn cited_versions(reports: &Path, job: &str) -> BTreeMap<String, BTreeSet<u64>> {
    let mut cited: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let folders = run_folders_of(reports, job);
    for file in folders.iter().flat_map(|folder| report_files(folder)) {
        let text = fs::read(file).unwrap_or_default();
        let report: Value = serde_json::from_slice(&text).unwrap_or_default();
        let datasets = report["provenance"]["datasets"].as_array();
        for dataset in datasets.into_iter().flatten() {
            if let (Some(name), Some(version)) =
                (dataset["name"].as_str(), dataset["version"].as_u64())
            {
                cited.entry(name.to_string()).or_default().insert(version);
            }
        }
    }
    cited
}

fn gc(
    runtime: &Runtime,
    workspace: &Workspace,
    job: &str,
    lake: &Lake,
    arguments: &GcArguments,
) -> anyhow::Result<()> {
    let cited = cited_versions(&workspace.reports, job);
    let sweep = SweepOptions {
        keep: SignedDuration::from_hours(24 * i64::from(arguments.keep_days)),
        now: Timestamp::now(),
        dry_run: arguments.dry_run,
    };
    let no_versions = BTreeSet::new();
    let mut results = Vec::new();
    for name in runtime.block_on(lake.names())? {
        let cited = cited.get(&name).unwrap_or(&no_versions);
        results.push(runtime.block_on(lake.sweep(&name, cited, sweep))?);
    }
    if arguments.json {
        return print_json(&results);
    }
    let mut text = String::new();
    let verb = if arguments.dry_run {
        "would remove"
    } else {
        "removed"
    };
    for swept in results
        .iter()
        .filter(|swept| !swept.removed.is_empty() || swept.compacted)
    {
        let versions = plural(swept.removed.len() as u64, "version");
        let _ = write!(
            text,
            "{:<32} {verb} {versions}, kept {}",
            swept.name,
            swept.kept.len()
        );
        if swept.compacted {
            text.push_str(", small files compacted");
        }
        text.push('\n');
    }
    let removed: u64 = results.iter().map(|swept| swept.removed.len() as u64).sum();
    let freed: u64 = results.iter().map(|swept| swept.bytes).sum();
    let _ = match (removed, arguments.dry_run) {
        (0, _) => writeln!(
            text,
            "nothing to remove: every version is recent, the newest, or cited"
        ),
        (_, true) => writeln!(text, "{} would be removed", plural(removed, "version")),
        (_, false) => writeln!(
            text,
            "{} removed, {} freed",
            plural(removed, "version"),
            size(freed)
        ),
    };
    Ok(print(&text)?)
}

fn print_result(result: &QueryResult, csv: bool, as_json: bool) -> anyhow::Result<()> {
    let shown = plural(result.rows.len() as u64, "row");
    if result.more && (csv || as_json) {
        terminal::message!("warning: only the first {shown}; --rows N shows more");
    }
    if as_json {
        let rows: Vec<Value> = result
            .rows
            .iter()
            .map(|row| row_object(result, row))
            .collect();
        return print_json(&rows);
    }
    if csv {
        let mut text = csv_line(result.columns.iter().map(String::as_str));
        for row in &result.rows {
            text.push_str(&csv_line(
                row.iter().map(|cell| cell.as_deref().unwrap_or("")),
            ));
        }
        return Ok(print_raw(&text)?);
    }
    let mut text = table(result);
    if result.more {
        let _ = writeln!(text, "only the first {shown}; --rows N shows more");
    }
    Ok(print(&text)?)
}

/// A row as an object by column.
pub(super) fn row_object(result: &QueryResult, row: &[Option<String>]) -> Value {
    let cells = result.columns.iter().zip(&result.numbers).zip(row);
    let cells = cells.map(|((name, is_number), cell)| {
        let value = match cell {
            None => Value::Null,
            Some(text) if *is_number => text.parse().unwrap_or_else(|_| Value::from(text.as_str())),
            Some(text) => Value::from(text.as_str()),
        };
        (name.clone(), value)
    });
    Value::Object(cells.collect())
}

/// Formats a table with columns as wide as their contents.
pub(super) fn table(result: &QueryResult) -> String {
    let truncate = |text: &str| terminal::truncate(text, CELL_WIDTH_MAX);
    let rows: Vec<Vec<String>> = result
        .rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| truncate(cell.as_deref().unwrap_or("–")))
                .collect()
        })
        .collect();
    let widths: Vec<usize> = result
        .columns
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([name.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in std::iter::once(&result.columns).chain(&rows) {
        let cells = row.iter().zip(&widths).zip(&result.numbers);
        let cells: Vec<String> = cells
            .map(|((cell, &width), is_number)| match is_number {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            })
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_line() {
        let check = |text: &str| one_line("--why", text).map_err(|error| error.to_string());
        assert_eq!(check(" a load test ").unwrap(), "a load test");
        assert_eq!(check(" ").unwrap_err(), "--why is empty");
        for wrong in ["a\nb", &"x".repeat(TEXT_MAX + 1)] {
            assert!(check(wrong).unwrap_err().contains("one line"), "{wrong}");
        }
    }
}
