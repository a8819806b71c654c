//! The tables of the ledger with their columns. To add a table, define a constant here and list it
//! in [`TABLES`].

mod answers;

pub use answers::{DECISIONS, HEALTH, IMPROVEMENTS, RECOMMENDATIONS, RESTATEMENTS};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use retrocast_domain::result::{ResultColumn, ResultTable, column};
use std::sync::Arc;

/// Types of the ledger's columns.
const TEXT: &str = "text";
const NUMBER: &str = "number";
const COUNT: &str = "whole number";
const TIME: &str = "time";
const DAY: &str = "day";
const FLAG: &str = "true or false";

/// A table of the ledger: an append-only dataset.
#[derive(Debug, Clone, Copy)]
pub struct LedgerTable {
    /// Name: `findings`.
    pub name: &'static str,
    /// Name in queries: `ledger.findings`.
    pub query_name: &'static str,
    /// Title in exports and in the data dictionary.
    pub title: &'static str,
    /// Meaning of a row.
    pub description: &'static str,
    /// Its own columns, in order.
    pub columns: &'static [ResultColumn],
    /// True if runs publish it; otherwise its rows are single events.
    pub published_by_runs: bool,
    /// The column that identifies the subject of a decision, stable between runs.
    pub identity: Option<&'static str>,
}

/// The first columns of each table that runs publish.
pub const COMMON: &[ResultColumn] = &[
    column("job", TEXT, "", "Name of the job."),
    column("window", TEXT, "", "Name of the window, such as 2026-W46."),
    column(
        "window_kind",
        TEXT,
        "",
        "Kind of window: week, month, 14 days.",
    ),
    column("window_start", TIME, "", "Start of the window."),
    column("window_end", TIME, "", "End of the window, exclusive."),
    column("run", TEXT, "", "The run."),
    column("finished", TIME, "", "Finish time of the run."),
    column(
        POSITION,
        COUNT,
        "",
        "Index of the row among the rows of its run, from 0.",
    ),
];

/// The column that identifies the publication of a row, independent of the run's folder.
pub(super) const PUBLICATION: &str = "publication";
/// The column with the index of a row among the rows of its run.
pub(super) const POSITION: &str = "position";
/// The column that identifies an event.
pub(super) const EVENT: &str = "event";

/// Finished runs.
pub const RUNS: LedgerTable = LedgerTable {
    name: "runs",
    query_name: "ledger.runs",
    title: "Runs",
    description: "Finished runs whose reports were written.",
    columns: &[
        column("status", TEXT, "", "Status: complete or partial."),
        column("date", DAY, "", "Date of the run."),
        column("build", TEXT, "", "Version of the program."),
        column(
            "datasets",
            TEXT,
            "",
            "Datasets that its reports cite, as NAME@VERSION, separated by spaces.",
        ),
    ],
    published_by_runs: true,
    identity: None,
};

/// Findings, including resolved findings.
pub const FINDINGS: LedgerTable = LedgerTable {
    name: "findings",
    query_name: "ledger.findings",
    title: "Findings over time",
    description: "Findings of each run, and resolved findings of the previous run.",
    columns: &[
        column(
            "id",
            TEXT,
            "",
            "Identity of the finding, the same in each run that has it.",
        ),
        column("state", TEXT, "", "new, persisting or resolved."),
        column(
            "since",
            TEXT,
            "",
            "First window of the uninterrupted series of runs that have it.",
        ),
        column(
            "times",
            COUNT,
            "",
            "Number of consecutive runs that have it.",
        ),
        column("stage", TEXT, "", "Stage of the finding."),
        column("severity", TEXT, "", "info, notice, warning or critical."),
        column(
            "sentence",
            TEXT,
            "",
            "The finding in one sentence; for a resolved one, its last sentence.",
        ),
        column(
            "kind",
            TEXT,
            "",
            "Kind of claim; null for resolved findings, like all columns below.",
        ),
        column("subject", TEXT, "", "Subject."),
        column("what", TEXT, "", "The claim."),
        column("direction", TEXT, "", "Direction: up, down or none."),
        column("value", NUMBER, "as unit says", "The estimate."),
        column(
            "lower",
            NUMBER,
            "as unit says",
            "Lower end of its interval.",
        ),
        column(
            "upper",
            NUMBER,
            "as unit says",
            "Upper end of its interval.",
        ),
        column(
            "level",
            NUMBER,
            "share",
            "Coverage of the interval, such as 0.95.",
        ),
        column("unit", TEXT, "", "Unit of the value."),
        column("n", COUNT, "", "Number of observations behind it."),
        column("p", NUMBER, "", "p-value before correction."),
        column(
            "p_adjusted",
            NUMBER,
            "",
            "p-value after correction for multiple tests.",
        ),
        column("confidence", NUMBER, "share", "Confidence."),
        column("method", TEXT, "", "The method."),
        column("period", TEXT, "", "Period of the claim."),
        column("baseline", TEXT, "", "Baseline of the comparison."),
        column("dataset", TEXT, "", "Dataset behind its numbers."),
        column("measure", TEXT, "", "The measure of the claim."),
        column(
            "extent",
            TEXT,
            "",
            "The days or categories that the claim covers, such as \"2026-03-28 to 2026-04-02\" or \"Monday, Tuesday\".",
        ),
    ],
    published_by_runs: true,
    identity: Some("id"),
};

/// Key figures.
pub const KPIS: LedgerTable = LedgerTable {
    name: "kpis",
    query_name: "ledger.kpis",
    title: "Key figures over time",
    description: "Key figures of each run.",
    columns: &[
        column("stage", TEXT, "", "Stage of the figure."),
        column("metric", TEXT, "", "The key figure, such as Success rate."),
        column("subject", TEXT, "", "Subject."),
        column(
            "value",
            NUMBER,
            "as unit says",
            "Its value; null without records.",
        ),
        column(
            "lower",
            NUMBER,
            "as unit says",
            "Lower end of its 95 % interval.",
        ),
        column(
            "upper",
            NUMBER,
            "as unit says",
            "Upper end of its 95 % interval.",
        ),
        column("unit", TEXT, "", "Unit of the value."),
        column(
            "previous",
            NUMBER,
            "as unit says",
            "Its value in the previous window.",
        ),
        column(
            "baseline",
            NUMBER,
            "as unit says",
            "Its value over the baseline.",
        ),
        column(
            "significant",
            FLAG,
            "",
            "Whether the change is larger than chance would explain.",
        ),
        column(
            "direction",
            TEXT,
            "",
            "Direction of the change: up, down or none.",
        ),
        column(
            "lower_is_better",
            FLAG,
            "",
            "Whether lower values are better.",
        ),
        column("target", NUMBER, "as unit says", "Its target."),
        column(
            "target_state",
            TEXT,
            "",
            "met or missed, followed by 'but not clearly' if not proven; null without a target.",
        ),
        column("n", COUNT, "", "Number of records behind the value."),
        column(
            "definition",
            TEXT,
            "",
            "Hash of the params of its stage; null for figures that are not compared with later runs, like all columns below.",
        ),
        column(
            "input_definition",
            TEXT,
            "",
            "Hash of the config of all nodes that its stage reads, and their contracts.",
        ),
        column("code", TEXT, "", "Hash of the version of its stage's code."),
        column(
            "input_code",
            TEXT,
            "",
            "Hash of the versions of the code of all nodes that its stage reads.",
        ),
    ],
    published_by_runs: true,
    identity: Some("metric"),
};

/// Effects of improvements.
pub const EFFECTS: LedgerTable = LedgerTable {
    name: "effects",
    query_name: "ledger.effects",
    title: "Effects over time",
    description: "Effects of improvements, as measured by each run.",
    columns: &[
        column("stage", TEXT, "", "Stage of the effect."),
        column("improvement", TEXT, "", "Identity of the improvement."),
        column("title", TEXT, "", "Its title."),
        column("start", DAY, "", "Day of the change."),
        column("metric", TEXT, "", "Intended metric and component."),
        column("unit", TEXT, "", "Unit of the amounts."),
        column(
            "lower_is_better",
            FLAG,
            "",
            "Whether lower values are better.",
        ),
        column("before", NUMBER, "as unit says", "Mean before the change."),
        column("after", NUMBER, "as unit says", "Mean after the change."),
        column(
            "counterfactual",
            NUMBER,
            "as unit says",
            "Expected mean without the change.",
        ),
        column(
            "effect",
            NUMBER,
            "as unit says",
            "After minus counterfactual; null while it is too early for a verdict.",
        ),
        column(
            "effect_lower",
            NUMBER,
            "as unit says",
            "Lower end of its 95 % interval.",
        ),
        column(
            "effect_upper",
            NUMBER,
            "as unit says",
            "Upper end of its 95 % interval.",
        ),
        column(
            "relative",
            NUMBER,
            "share",
            "The effect relative to the counterfactual; null if that is not above zero.",
        ),
        column(
            "relative_lower",
            NUMBER,
            "share",
            "Lower end of its 95 % interval.",
        ),
        column(
            "relative_upper",
            NUMBER,
            "share",
            "Upper end of its 95 % interval.",
        ),
        column(
            "p",
            NUMBER,
            "",
            "p-value; null while it is too early for a verdict.",
        ),
        column("test", TEXT, "", "Basis of the p-value."),
        column(
            "days_before",
            COUNT,
            "days",
            "Number of days used before the change.",
        ),
        column(
            "days_after",
            COUNT,
            "days",
            "Number of days used after the change.",
        ),
        column("verdict", TEXT, "", "works, unclear, harmful or too_early."),
        column("category", TEXT, "", "Category of the improvement."),
        column("cost", NUMBER, "", "Cost of the improvement."),
        column(
            "gain_per_day",
            NUMBER,
            "money",
            "Gain per day; null where a unit of the metric has no value.",
        ),
        column(
            "gain_per_day_lower",
            NUMBER,
            "money",
            "Lower end of its 95 % interval.",
        ),
        column(
            "gain_per_day_upper",
            NUMBER,
            "money",
            "Upper end of its 95 % interval.",
        ),
        column("currency", TEXT, "", "Currency of the gain and the cost."),
    ],
    published_by_runs: true,
    identity: Some("improvement"),
};

/// All tables. Runs publish in this order, with [`RUNS`] last.
pub const TABLES: &[LedgerTable] = &[
    FINDINGS,
    KPIS,
    EFFECTS,
    HEALTH,
    RECOMMENDATIONS,
    RESTATEMENTS,
    DECISIONS,
    IMPROVEMENTS,
    RUNS,
];

/// The table with this name.
pub fn table(name: &str) -> Option<&'static LedgerTable> {
    TABLES.iter().find(|table| table.name == name)
}

impl LedgerTable {
    /// Name of its dataset.
    pub fn dataset(&self) -> String {
        format!("ledger__{}", self.name)
    }

    /// The column that identifies existing rows and selects the rows that a run sees.
    pub(crate) fn key(&self) -> &'static str {
        if self.published_by_runs {
            PUBLICATION
        } else {
            EVENT
        }
    }

    /// The columns visible in queries.
    pub fn visible_columns(&self) -> impl Iterator<Item = &'static ResultColumn> {
        let common = if self.published_by_runs { COMMON } else { &[] };
        common.iter().chain(self.columns)
    }

    /// The schema of its own columns.
    pub(crate) fn own_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns.iter().map(field).collect::<Vec<_>>(),
        ))
    }

    /// The schema of the visible columns.
    pub fn visible_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.visible_columns().map(field).collect::<Vec<_>>(),
        ))
    }

    /// The schema of its dataset.
    pub(crate) fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> = self.visible_columns().map(field).collect();
        if self.published_by_runs {
            fields.push(Field::new(PUBLICATION, DataType::Utf8, true));
        }
        Arc::new(Schema::new(fields))
    }
}

/// Entries of the data dictionary: the common columns of all tables that runs publish, and each
/// table.
pub fn data_dictionary() -> Vec<ResultTable> {
    let common = ResultTable {
        name: "ledger",
        title: "The ledger",
        description: "First columns of each table of the ledger except ledger.decisions and ledger.improvements.",
        columns: COMMON,
    };
    let tables = TABLES.iter().map(|table| ResultTable {
        name: table.query_name,
        title: table.title,
        description: table.description,
        columns: table.columns,
    });
    std::iter::once(common).chain(tables).collect()
}

fn field(column: &ResultColumn) -> Field {
    let data_type = match column.kind {
        NUMBER => DataType::Float64,
        COUNT => DataType::Int64,
        FLAG => DataType::Boolean,
        DAY => DataType::Date32,
        TIME => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => DataType::Utf8,
    };
    Field::new(column.name, data_type, true)
}
