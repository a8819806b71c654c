//! The kinds of analysis stages: each turns rows into an [`Analysis`].
//!
//! Each kind is one module in this folder, with its documentation, `Params`, `run` and tests. It
//! is registered with one line in [`KINDS`]. Stages use no storage, clock or global randomness:
//! their only inputs are [`Context`] and [`Inputs`].

/// Rows and schemas of inputs and results.
pub use polars::prelude::{DataFrame, Schema};
use retrocast_domain::{
    Cell, Chapter, Finding, Window, cell::DatasetRef, result::ResultTable, window::Comparison,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

mod finite;
mod frame;
mod identity;
mod rows;
mod series;
mod stop;
#[cfg(test)]
mod tests;
mod times;

pub mod anomaly;
pub mod candidate;
pub mod change_point;
pub mod effectiveness;
pub mod features;
pub mod forecast;
pub mod health;
pub mod kpi;
pub mod noop;
pub mod quality;
pub mod recommendation;
pub mod restatement;
pub mod sql;
pub mod temporal_pattern;
pub mod trend;

pub use frame::column_texts;
pub use rows::{RowSource, Rows};
pub use stop::{Cancelled, Stop};

/// The context of a stage, in addition to its input datasets.
#[derive(Debug, Clone)]
pub struct Context {
    /// Name of the stage in the job file.
    pub stage: String,
    /// Title in the job file; empty if the stage has none.
    pub title: String,
    /// The window to report on. Rows at or after its end are hidden from stages.
    pub window: Window,
    /// Periods to compare with.
    pub compare: Vec<Comparison>,
    /// Seed of the run, which stages combine with the values that they analyse.
    pub seed: u64,
    /// Cells of the stages that params name, for kinds that read findings; empty for others.
    pub cells: Vec<Cell>,
    /// Cancellation of the analysis, checked in long loops.
    pub stop: Stop,
}

/// An input dataset of a stage.
#[derive(Debug, Clone)]
pub struct Input {
    /// Rows, read in batches. Times are `Datetime(Microseconds, UTC)`.
    pub rows: Rows,
    /// Name, version and number of rows, for evidence.
    pub dataset: DatasetRef,
    /// Counts of the records, if the dataset is a source.
    pub source: Option<retrocast_domain::report::SourceNote>,
    /// Column with the time of a record, if the contract names one.
    pub time: Option<String>,
    /// Refused records of a source, at least their column `raw`; only if a param needs them.
    pub refused: Option<Rows>,
    /// Local time until which the absence of records means that nothing happened, if the contract
    /// of the source declares it; `None` if records may be missing.
    pub complete_until: Option<jiff::civil::DateTime>,
    /// If the records were selected by criteria other than time: the time column and the input from
    /// which they were selected. They determine the covered period.
    pub selected_from: Option<(String, Box<Input>)>,
    /// Name of the dataset with the same records, if queries select all of them; reports use it.
    pub records_of: Option<String>,
    /// Cache of times, by column and time zone.
    times: Arc<Mutex<BTreeMap<(String, String), Arc<times::Times>>>>,
}

impl Input {
    /// Creates an input from rows only, without the properties of a source.
    pub fn new(rows: impl Into<Rows>, dataset: DatasetRef) -> Self {
        Self {
            rows: rows.into(),
            dataset,
            source: None,
            time: None,
            refused: None,
            complete_until: None,
            selected_from: None,
            records_of: None,
            times: Arc::default(),
        }
    }

    /// Noun for the records.
    pub(crate) fn noun(&self) -> String {
        let name = self.records_of.as_ref().unwrap_or(&self.dataset.name);
        name.replace('_', " ")
    }
}

/// Datasets by name.
pub type Inputs = BTreeMap<String, Input>;

/// The input dataset that a param names.
pub(crate) fn input<'a>(inputs: &'a Inputs, name: &str) -> Result<&'a Input, StageError> {
    inputs.get(name).ok_or_else(|| {
        StageError::Other(format!(
            "the stage has no input {name:?}; name a source or a stage of the job"
        ))
    })
}

/// The result of a stage.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The cell. The caller fills in inputs, output and params.
    pub cell: Cell,
    /// Rows for later stages, if the kind produces any.
    pub frame: Option<DataFrame>,
}

/// An error of a stage.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The params do not match the kind's schema; the job file should have been checked before.
    #[error("params of stage: {0}")]
    Params(#[from] serde_json::Error),
    /// A column named by a param does not exist.
    #[error("dataset {dataset:?} has no column {column:?}; it has {columns}")]
    NoColumn {
        /// Name of the dataset.
        dataset: String,
        /// Name of the column.
        column: String,
        /// Existing columns.
        columns: String,
    },
    /// A column has the wrong type.
    #[error("column {column:?} of dataset {dataset:?} is {found}, the stage needs {needed}")]
    ColumnType {
        /// Name of the dataset.
        dataset: String,
        /// Name of the column.
        column: String,
        /// Its type.
        found: String,
        /// The required type.
        needed: String,
    },
    /// A Polars operation failed.
    #[error(transparent)]
    Polars(#[from] polars::prelude::PolarsError),
    /// Any other error, as a message.
    #[error("{0}")]
    Other(String),
}

/// How a kind reads the rows of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// In batches: memory does not grow with the number of rows.
    Batches,
    /// All at once: memory grows with the number of rows.
    All,
    /// No rows: findings and effects of the stages that params name, and tables of the ledger.
    Findings,
    /// The rows of the query in its params.
    Query,
    /// No rows.
    Nothing,
}

/// A kind of stage, as plain functions and data.
pub struct StageKind {
    /// Name in a job file: a noun of the field.
    pub name: &'static str,
    /// Chapter of its stages in reports; `None` if reports omit them.
    pub chapter: Option<Chapter>,
    /// Version of the code, increased whenever the same inputs could give another result.
    pub code_version: u32,
    /// Summary in one sentence.
    pub summary: &'static str,
    /// The module documentation: method, source, caveats; it is the manual page.
    pub manual: &'static str,
    /// JSON Schema of its params, from the `Params` struct. A string (or array of strings) property
    /// with `"x-dataset": true` names an input dataset; with `"x-column": "<property>"` it names a
    /// column of the dataset named by that property; with `"x-refused": true` it requests, if set,
    /// the refused records of the sources.
    pub schema: fn() -> schemars::Schema,
    /// The dataset that it writes; `None` if its columns depend on params.
    pub result: Option<&'static ResultTable>,
    /// How it reads the rows of its inputs.
    pub reads: Reads,
    /// True if its key figures have values of earlier windows, to compare with published values.
    pub earlier_values: bool,
    /// Tables of the ledger that it reads, such as `ledger.effects`: inputs of these names.
    pub ledger: &'static [&'static str],
    /// Runs a stage.
    pub run: fn(&Context, &Value, &Inputs) -> Result<Analysis, StageError>,
}

impl StageKind {
    /// The manual page: the module documentation at the start of `manual`, as Markdown.
    pub fn manual_page(&self) -> String {
        let lines = self
            .manual
            .lines()
            .map_while(|line| line.strip_prefix("//!"));
        lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// All kinds, in the order of the manual.
pub const KINDS: &[&StageKind] = &[
    &sql::SQL,
    &quality::QUALITY,
    &features::FEATURES,
    &kpi::KPI,
    &trend::TREND,
    &change_point::CHANGE_POINT,
    &anomaly::ANOMALY,
    &forecast::FORECAST,
    &temporal_pattern::TEMPORAL_PATTERN,
    &effectiveness::EFFECTIVENESS,
    &candidate::CANDIDATE,
    &health::HEALTH,
    &recommendation::RECOMMENDATION,
    &noop::NOOP,
];

/// The datasets that stages write, by kind.
pub fn results() -> impl Iterator<Item = ResultTable> {
    KINDS.iter().filter_map(|kind| kind.result.copied())
}

/// Finds the kind with this name.
pub fn kind(name: &str) -> Option<&'static StageKind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}

/// Sorts findings by importance and moves them into the cell. Numbers that are not finite are
/// removed.
pub fn with_findings(mut cell: Cell, findings: Vec<Finding>) -> Cell {
    let chapter = kind(&cell.kind).and_then(|kind| kind.chapter);
    cell.findings = findings;
    let mut cell = cell.in_chapter(chapter.unwrap_or_default());
    cell.findings
        .sort_by(retrocast_domain::finding::by_importance);
    finite::remove_non_finite(&mut cell);
    cell
}
