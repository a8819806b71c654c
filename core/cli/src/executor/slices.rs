//! The slices of a report: reads the values of the column and their recipients, and writes one
//! report per value.

use super::{WorkspaceExecutor, failure, lineage::time_limit};
use futures::StreamExt as _;
use retrocast_domain::{DatasetRef, Outcome, Report, is_mail_address};
use retrocast_engine::{Failure, RunContext};
use retrocast_render::{
    Layout, Templates,
    assemble::ReportInputs,
    slice::{Names, Slicer},
    view,
};
use retrocast_run::{
    Recipients, SliceFile, SliceIndex, SliceSpec,
    files::write_whole,
    slices::{SLICES, file_name},
};
use retrocast_store::{Lake, Scan};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The kind of stage whose results are records, like those of sources.
const SQL: &str = "sql";
/// Maximum number of slices of a report.
const SLICES_MAX: usize = 5_000;

/// The values of a slice's column, and the recipients of each slice.
pub struct SliceValues {
    /// Values in the records.
    known: BTreeSet<String>,
    /// The slices, by value.
    slices: BTreeMap<String, SliceFile>,
}

/// Reads the values of the column from the datasets that the report's stages read, and the
/// recipients.
pub async fn read_values(
    executor: &WorkspaceExecutor,
    lake: &Lake,
    report: &str,
    spec: &SliceSpec,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<SliceValues, Failure> {
    let recipients = spec.recipients.as_ref();
    let mut known = BTreeSet::new();
    let mut columns = BTreeSet::new();
    for (name, outcome) in inputs {
        // Results of analyses have other columns.
        let nodes = [format!("source.{name}"), format!("stage.{name}")];
        let node = nodes.iter().find_map(|node| ctx.plan.node(node));
        let has_records = node.is_some_and(|node| node.is_source() || node.kind() == SQL);
        let Some(dataset) = outcome.datasets.first().filter(|_| has_records) else {
            continue;
        };
        let is_recipients = recipients.is_some_and(|recipients| recipients.dataset == *name);
        let schema = lake.schema(dataset).await.map_err(failure)?;
        let names = schema.fields().iter().map(|field| field.name().clone());
        columns.extend(names.clone());
        if is_recipients || !names.clone().any(|column| column == spec.each) {
            continue;
        }
        let scan = Scan {
            columns: Some(vec![spec.each.clone()]),
            before: time_limit(executor, name, ctx)?,
            ..Scan::default()
        };
        let rows = distinct_rows(lake, dataset, scan).await?;
        known.extend(rows.into_iter().flatten().flatten());
    }
    let mut slices: BTreeMap<String, SliceFile> = BTreeMap::new();
    match recipients {
        None => slices.extend(
            known
                .iter()
                .map(|value| (value.clone(), slice(report, value))),
        ),
        Some(recipients) => {
            let dataset = inputs.get(&recipients.dataset);
            let dataset = dataset.and_then(|outcome| outcome.datasets.first());
            let dataset = dataset.ok_or_else(|| {
                Failure::data(format!("there are no recipients in {}", recipients.dataset))
            })?;
            for row in distinct_rows(lake, dataset, recipients_scan(recipients)).await? {
                add_recipient(&mut slices, report, row);
            }
        }
    }
    if known.is_empty() && !columns.contains(&spec.each) {
        let help = retrocast_domain::suggest::help(
            &spec.each,
            columns.iter().map(String::as_str),
            "columns",
        );
        let message = format!("no dataset of this report has a column {:?}", spec.each);
        return Err(Failure::data(message).hint(help));
    }
    if slices.len() > SLICES_MAX {
        let (n, each) = (slices.len(), &spec.each);
        let message =
            format!("{each} has {n} values, and a report has at most {SLICES_MAX} slices");
        return Err(Failure::data(message).hint(
            "name the values that need a report in a dataset, and that dataset in `recipients`",
        ));
    }
    Ok(SliceValues { known, slices })
}

fn recipients_scan(recipients: &Recipients) -> Scan {
    Scan {
        columns: Some(vec![recipients.key.clone(), recipients.to.clone()]),
        ..Scan::default()
    }
}

fn slice(report: &str, value: &str) -> SliceFile {
    SliceFile {
        value: value.to_string(),
        name: file_name(report, value),
        ..SliceFile::default()
    }
}

/// Adds the recipient of a row, which consists of a value and an address.
fn add_recipient(slices: &mut BTreeMap<String, SliceFile>, report: &str, row: Row) {
    let mut row = row.into_iter();
    let (Some(value), address) = (row.next().flatten(), row.next().flatten()) else {
        return;
    };
    let slice = slices
        .entry(value)
        .or_insert_with_key(|value| slice(report, value));
    let address = address.map(|address| address.trim().to_string());
    match address.filter(|address| is_mail_address(address)) {
        Some(address) if slice.to.contains(&address) => {}
        Some(address) => slice.to.push(address),
        None => slice.without_address += 1,
    }
}

/// The values of a row as text; `None` for a missing value.
type Row = Vec<Option<String>>;

/// Reads the distinct rows of the scanned columns.
async fn distinct_rows(
    lake: &Lake,
    dataset: &DatasetRef,
    scan: Scan,
) -> Result<BTreeSet<Row>, Failure> {
    let columns = scan.columns.clone().unwrap_or_default();
    let frames = lake.frames(dataset, &scan).await.map_err(failure)?;
    let mut frames = std::pin::pin!(frames);
    let mut rows = BTreeSet::new();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(failure)?;
        let texts = columns.iter().map(|column| {
            let texts = retrocast_stages::column_texts(&frame, column);
            texts.map_err(|error| Failure::data(error.to_string()))
        });
        let mut texts = texts.collect::<Result<Vec<_>, _>>()?;
        for index in 0..frame.height() {
            let row: Row = texts
                .iter_mut()
                .map(|column| column[index].take())
                .collect();
            if !rows.contains(&row) {
                rows.insert(row);
            }
        }
    }
    Ok(rows)
}

/// Inputs that all slices of a report share.
pub struct SliceTask<'a> {
    pub layout: Layout,
    pub spec: &'a SliceSpec,
    /// Inputs of the report of all records.
    pub inputs: &'a ReportInputs,
    /// The report of all records.
    pub report: &'a Report,
    pub templates: &'a Templates,
    pub threads: usize,
    pub folder: &'a Path,
}

/// Writes all slices in parallel, and their index; returns the paths of the files.
pub fn write(task: &SliceTask<'_>, values: SliceValues) -> anyhow::Result<Vec<String>> {
    let SliceValues { known, slices } = values;
    let names = Names::new(known.iter().chain(slices.keys()).map(String::as_str));
    let slicer = Slicer {
        inputs: task.inputs,
        column: &task.spec.each,
        names: &names,
        known: &known,
        shared: task.spec.shared,
        health: view::data_health(task.report),
    };
    let slices: Vec<SliceFile> = slices.into_values().collect();
    let _cache = retrocast_render::pdf::batch();
    let next = AtomicUsize::new(0);
    let error = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..task.threads.clamp(1, slices.len().max(1)) {
            scope.spawn(|| {
                while let Some(slice) = slices.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failed) = write_one(task, &slicer, slice) {
                        next.store(slices.len(), Ordering::Relaxed);
                        *error.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
                    }
                }
            });
        }
    });
    if let Some(error) = error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut files: Vec<String> = slices.iter().flat_map(|slice| paths(&slice.name)).collect();
    let index = SliceIndex {
        column: task.spec.each.clone(),
        slices,
    };
    index.write(task.folder, task.layout.name())?;
    files.push(SliceIndex::path(task.layout.name()));
    Ok(files)
}

/// Paths of the files of a slice: PDF, page and data.
fn paths(name: &str) -> [String; 3] {
    ["pdf", "html", "json"].map(|extension| format!("{SLICES}/{name}.{extension}"))
}

fn write_one(task: &SliceTask<'_>, slicer: &Slicer<'_>, slice: &SliceFile) -> anyhow::Result<()> {
    let mut report = slicer.report(&slice.value);
    report.language.clone_from(&task.report.language);
    report.author_note.clone_from(&task.report.author_note);
    let (layout, templates) = (task.layout, task.templates);
    let json = retrocast_render::report_json(&report)?;
    // Render the stored JSON, so that rendering it again gives the same bytes.
    let report: Report = serde_json::from_slice(&json)?;
    let contents = [
        retrocast_render::pdf(&report, layout, templates)?,
        retrocast_render::html::report_with(&report, layout, templates)?.into_bytes(),
        json,
    ];
    for (path, bytes) in paths(&slice.name).iter().zip(contents) {
        write_whole(&task.folder.join(path), &bytes)?;
    }
    Ok(())
}
