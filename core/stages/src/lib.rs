//! Every kind of analysis stage: rows in, an [`Analysis`] out.
//!
//! One kind is one file in this folder: its documentation, its `Params`, its `run`, its tests. It is
//! registered by one line in [`KINDS`]. Stages see no storage, no clock and no global randomness:
//! all they may use comes in through [`Context`] and [`Inputs`].

/// Rows as stages take and give them.
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
mod rows;
mod series;
mod stop;
#[cfg(test)]
mod tests;
mod times;

pub mod anomaly;
pub mod change_point;
pub mod effectiveness;
pub mod features;
pub mod forecast;
pub mod health;
pub mod kpi;
pub mod noop;
pub mod quality;
pub mod recommendation;
pub mod sql;
pub mod temporal_pattern;
pub mod trend;

pub use rows::{Rows, Stored};
pub use stop::{Stop, Stopped};

/// The context of a stage besides its inputs.
#[derive(Debug, Clone)]
pub struct Context {
    /// Name of the stage in the job file.
    pub stage: String,
    /// Title given in the job file; empty for none.
    pub title: String,
    /// The window that is reported on. Rows at or after its end are not shown to stages.
    pub window: Window,
    /// Periods to compare with.
    pub compare: Vec<Comparison>,
    /// Seed for everything random; derived from the job's and the stage's name.
    pub seed: u64,
    /// Cells of the stages that params name, for kinds that read findings; empty for others.
    pub cells: Vec<Cell>,
    /// Checked in long loops for cancellation.
    pub stop: Stop,
}

/// One dataset as a stage reads it.
#[derive(Debug, Clone)]
pub struct Input {
    /// Rows, read piece by piece. Times are `Datetime(Microseconds, UTC)`.
    pub rows: Rows,
    /// Name, version and number of rows, for evidence.
    pub dataset: DatasetRef,
    /// Counts of the records, if the dataset is a source.
    pub source: Option<retrocast_domain::report::SourceNote>,
    /// Column that holds the time of a record, when the contract names one.
    pub time: Option<String>,
    /// Refused records of a source, at least their column `raw`; only if a param asks for it.
    pub refused: Option<Rows>,
    /// Local time until which the absence of records means that nothing happened, if the contract of
    /// the source declares it; `None` if records may be missing.
    pub complete_until: Option<jiff::civil::DateTime>,
    /// The records from which these were selected by something other than their time: they determine the
    /// covered period. Their time is in the named column.
    pub picked_from: Option<(String, Box<Input>)>,
    /// The dataset whose records these are, where a query passes on all of them: they are called by its
    /// name.
    pub records_of: Option<String>,
    /// Times that were read, by column and time zone.
    times: Arc<Mutex<BTreeMap<(String, String), Arc<times::Times>>>>,
}

impl Input {
    /// Rows of a dataset of which nothing else is known.
    pub fn new(rows: impl Into<Rows>, dataset: DatasetRef) -> Self {
        Self {
            rows: rows.into(),
            dataset,
            source: None,
            time: None,
            refused: None,
            complete_until: None,
            picked_from: None,
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

/// The dataset of this name, which a param names.
pub(crate) fn input<'a>(inputs: &'a Inputs, name: &str) -> Result<&'a Input, StageError> {
    inputs.get(name).ok_or_else(|| {
        StageError::Other(format!(
            "no dataset {name:?} is given to the stage; name a source or a stage of the job"
        ))
    })
}

/// The result of a stage.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The cell. Inputs, output and params are filled in by the caller.
    pub cell: Cell,
    /// Rows for stages that come after, when the kind makes any.
    pub frame: Option<DataFrame>,
}

/// An error of a stage.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The params are not of the kind's shape; the job file should have been checked before.
    #[error("params of stage: {0}")]
    Params(#[from] serde_json::Error),
    /// A column that a param names is not in the dataset.
    #[error("dataset {dataset:?} has no column {column:?}; it has {columns}")]
    NoColumn {
        /// Dataset.
        dataset: String,
        /// Column asked for.
        column: String,
        /// Columns it has.
        columns: String,
    },
    /// A column has another type than the stage needs.
    #[error("column {column:?} of dataset {dataset:?} is {found}, the stage needs {needed}")]
    ColumnType {
        /// Dataset.
        dataset: String,
        /// Column.
        column: String,
        /// Its type.
        found: String,
        /// The required amount.
        needed: String,
    },
    /// Polars refused something.
    #[error(transparent)]
    Polars(#[from] polars::prelude::PolarsError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// The way a kind reads the rows of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Piece by piece: its memory does not grow with them.
    Pieces,
    /// It keeps them, so its memory grows with them.
    All,
    /// The findings and effects of the stages that params name, and tables of the ledger; no rows of theirs.
    Findings,
    /// None of its own: its rows are those of the query in its params.
    Query,
    /// None.
    Nothing,
}

/// A kind of stage, as plain functions: what the job file, the manual and the engine need to know.
pub struct Kind {
    /// Its name in a job file: a noun of the field.
    pub name: &'static str,
    /// Chapter of its stages in reports; `None` for no chapter.
    pub chapter: Option<Chapter>,
    /// Raised whenever the same inputs could give another result.
    pub code_version: u32,
    /// One sentence.
    pub summary: &'static str,
    /// The module documentation: method, source, caveats; it is the manual page.
    pub manual: &'static str,
    /// JSON Schema of its params, from the `Params` struct. A string (or array of strings) property
    /// with `"x-dataset": true` names an input dataset; with `"x-column": "<property>"` it names a
    /// column of the dataset that the other property names; with `"x-refused": true` it asks, when it
    /// is set, for the records that were left out of the sources.
    pub schema: fn() -> schemars::Schema,
    /// The dataset that it leaves; `None` where its columns depend on params.
    pub result: Option<&'static ResultTable>,
    /// The way it reads the rows of its inputs.
    pub reads: Reads,
    /// Tables of the ledger that it reads, such as `ledger.effects`: inputs of these names.
    pub ledger: &'static [&'static str],
    /// Does the work.
    pub run: fn(&Context, &Value, &Inputs) -> Result<Analysis, StageError>,
}

impl Kind {
    /// The manual page: the module documentation at the head of `manual`, as Markdown.
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
pub const KINDS: &[&Kind] = &[
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
    &health::HEALTH,
    &recommendation::RECOMMENDATION,
    &noop::NOOP,
];

/// The datasets that stages leave, by kind.
pub fn results() -> impl Iterator<Item = ResultTable> {
    KINDS.iter().filter_map(|kind| kind.result.copied())
}

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}

/// Sorts findings by importance and moves them into the cell, which holds finite numbers only: what
/// overflowed on the way is left out.
pub fn with_findings(mut cell: Cell, findings: Vec<Finding>) -> Cell {
    let chapter = kind(&cell.kind).and_then(|kind| kind.chapter);
    cell.findings = findings;
    let mut cell = cell.in_chapter(chapter.unwrap_or_default());
    cell.findings
        .sort_by(retrocast_domain::finding::by_importance);
    finite::finite(&mut cell);
    cell
}
