//! The nouns of the ledger with their columns. A new one is a constant here and an entry of [`NOUNS`].

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use retrocast_domain::result::{ResultColumn, ResultTable, column};
use std::sync::Arc;

/// The types that columns of the ledger have.
const TEXT: &str = "text";
const NUMBER: &str = "number";
const COUNT: &str = "whole number";
const TIME: &str = "time";
const DAY: &str = "day";
const FLAG: &str = "true or false";

/// A noun of the ledger: a dataset that is only ever appended to.
#[derive(Debug, Clone, Copy)]
pub struct Noun {
    /// Name: `findings`.
    pub name: &'static str,
    /// Name in queries: `ledger.findings`.
    pub table: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// The meaning of a row.
    pub description: &'static str,
    /// Columns of its own, in order.
    pub columns: &'static [ResultColumn],
    /// True if runs publish it; otherwise its rows are events, one at a time.
    pub of_runs: bool,
    /// The column that names what a decision can be about: the same in each run.
    pub identity: Option<&'static str>,
}

/// Columns that come first in each noun that runs publish.
pub const COMMON: &[ResultColumn] = &[
    column("job", TEXT, "", "Name of the job."),
    column("window", TEXT, "", "Name of the window, such as 2026-W46."),
    column(
        "window_kind",
        TEXT,
        "",
        "What the window is one of: week, month, 14 days.",
    ),
    column("window_start", TIME, "", "When the window begins."),
    column(
        "window_end",
        TIME,
        "",
        "When the window ends; that moment is not in it.",
    ),
    column("run", TEXT, "", "The run."),
    column("finished", TIME, "", "When the run finished."),
    column(
        POSITION,
        COUNT,
        "",
        "Place of the row among those of its run, from 0.",
    ),
];

/// The column that identifies the publication of a row, independently of the run's folder.
pub(super) const PUBLICATION: &str = "publication";
/// The column with the place of a row among those of its run.
pub(super) const POSITION: &str = "position";
/// The column that identifies an event.
pub(super) const EVENT: &str = "event";

/// Finished runs.
pub const RUNS: Noun = Noun {
    name: "runs",
    table: "ledger.runs",
    title: "Runs",
    description: "Finished runs that made their reports.",
    columns: &[
        column("status", TEXT, "", "How it ended: complete or partial."),
        column("date", DAY, "", "The date it was made for."),
        column("build", TEXT, "", "The program that made it."),
    ],
    of_runs: true,
    identity: None,
};

/// Findings, also those that are resolved.
pub const FINDINGS: Noun = Noun {
    name: "findings",
    table: "ledger.findings",
    title: "Findings over time",
    description: "Findings of each run, and those of the run before that are resolved.",
    columns: &[
        column(
            "id",
            TEXT,
            "",
            "Identity of the finding: the same in each run that has it.",
        ),
        column("state", TEXT, "", "new, persisting or resolved."),
        column(
            "since",
            TEXT,
            "",
            "The window since which all runs have it.",
        ),
        column("times", COUNT, "", "How many runs in a row that is."),
        column("stage", TEXT, "", "The stage that found it."),
        column("severity", TEXT, "", "info, notice, warning or critical."),
        column(
            "sentence",
            TEXT,
            "",
            "The finding in one sentence; of a resolved one as it last was.",
        ),
        column(
            "kind",
            TEXT,
            "",
            "What sort of claim it is; null where it is resolved, as are all below.",
        ),
        column("subject", TEXT, "", "Whom it is about."),
        column("what", TEXT, "", "What exactly."),
        column("direction", TEXT, "", "Which way: up, down or none."),
        column("value", NUMBER, "as unit says", "How much."),
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
        column("n", COUNT, "", "Observations behind it."),
        column("p", NUMBER, "", "p-value before correction."),
        column(
            "p_adjusted",
            NUMBER,
            "",
            "p-value after correction for the number of tests made.",
        ),
        column("confidence", NUMBER, "share", "How sure it is."),
        column("method", TEXT, "", "The method."),
        column("period", TEXT, "", "The period it is about."),
        column("baseline", TEXT, "", "What it is compared with."),
    ],
    of_runs: true,
    identity: Some("id"),
};

/// Key figures.
pub const KPIS: Noun = Noun {
    name: "kpis",
    table: "ledger.kpis",
    title: "Key figures over time",
    description: "Key figures of each run.",
    columns: &[
        column("stage", TEXT, "", "The stage that computed it."),
        column("metric", TEXT, "", "The key figure, such as Success rate."),
        column("subject", TEXT, "", "Whom it is about."),
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
            "Its value in the window before.",
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
            "Whether the change is larger than chance explains.",
        ),
        column(
            "direction",
            TEXT,
            "",
            "Which way the change goes: up, down or none.",
        ),
        column("lower_is_better", FLAG, "", "Whether less is better."),
        column("target", NUMBER, "as unit says", "Its target."),
        column(
            "target_state",
            TEXT,
            "",
            "met or missed, either with not proven; null without a target.",
        ),
        column("n", COUNT, "", "Records behind the value."),
    ],
    of_runs: true,
    identity: Some("metric"),
};

/// Effects of improvements.
pub const EFFECTS: Noun = Noun {
    name: "effects",
    table: "ledger.effects",
    title: "Effects over time",
    description: "Effects of improvements as each run measured them.",
    columns: &[
        column("stage", TEXT, "", "The stage that measured it."),
        column("improvement", TEXT, "", "Identity of the improvement."),
        column("title", TEXT, "", "Its title."),
        column("start", DAY, "", "The day of the change."),
        column(
            "metric",
            TEXT,
            "",
            "Metric and component it was meant to move.",
        ),
        column("unit", TEXT, "", "Unit of the amounts."),
        column("lower_is_better", FLAG, "", "Whether less is better."),
        column("before", NUMBER, "as unit says", "Mean before the change."),
        column("after", NUMBER, "as unit says", "Mean after the change."),
        column(
            "counterfactual",
            NUMBER,
            "as unit says",
            "Mean to be expected without the change.",
        ),
        column(
            "effect",
            NUMBER,
            "as unit says",
            "After less counterfactual; null while it is too early to tell.",
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
            "The effect relative to the counterfactual; null where that is not above zero.",
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
            "p-value of no effect; null while it is too early to tell.",
        ),
        column("test", TEXT, "", "Basis of the p-value."),
        column(
            "days_before",
            COUNT,
            "days",
            "Days before the change that were used.",
        ),
        column(
            "days_after",
            COUNT,
            "days",
            "Days after the change that were used.",
        ),
        column("verdict", TEXT, "", "works, unclear, harmful or too_early."),
    ],
    of_runs: true,
    identity: Some("improvement"),
};

/// Decisions of people.
pub const DECISIONS: Noun = Noun {
    name: "decisions",
    table: "ledger.decisions",
    title: "Decisions",
    description: "What people decided: an event each; the last one about a key is in force.",
    columns: &[
        column("time", TIME, "", "When it was decided."),
        column("who", TEXT, "", "Who decided."),
        column(
            "noun",
            TEXT,
            "",
            "What it is about: findings, kpis or effects.",
        ),
        column(
            "key",
            TEXT,
            "",
            "Which of them: the id of a finding, the metric of a key figure, the improvement.",
        ),
        column(
            "decision",
            TEXT,
            "",
            "What was decided, such as accepted or dismissed.",
        ),
        column("why", TEXT, "", "Why."),
        column(EVENT, TEXT, "", "Identity of the event."),
    ],
    of_runs: false,
    identity: None,
};

/// All nouns. Runs publish in this order, with [`RUNS`] last.
pub const NOUNS: &[Noun] = &[FINDINGS, KPIS, EFFECTS, DECISIONS, RUNS];

/// The noun of this name.
pub fn noun(name: &str) -> Option<&'static Noun> {
    NOUNS.iter().find(|noun| noun.name == name)
}

impl Noun {
    /// Name of its dataset.
    pub fn dataset(&self) -> String {
        format!("ledger__{}", self.name)
    }

    /// The column that identifies existing rows, and the rows that a run sees.
    pub(crate) fn key(&self) -> &'static str {
        if self.of_runs { PUBLICATION } else { EVENT }
    }

    /// The columns that queries see.
    pub fn shown(&self) -> impl Iterator<Item = &'static ResultColumn> {
        let common = if self.of_runs { COMMON } else { &[] };
        common.iter().chain(self.columns)
    }

    /// The schema of what queries see.
    pub fn shown_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.shown().map(field).collect::<Vec<_>>()))
    }

    /// The schema of its dataset.
    pub(crate) fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> = self.shown().map(field).collect();
        if self.of_runs {
            fields.push(Field::new(PUBLICATION, DataType::Utf8, true));
        }
        Arc::new(Schema::new(fields))
    }
}

/// Entries of the data dictionary: the columns of runs, which all but decisions begin with, and each noun.
pub fn described() -> Vec<ResultTable> {
    let common = ResultTable {
        name: "ledger",
        title: "The ledger",
        description: "Columns that each table of the ledger begins with, but for ledger.decisions.",
        columns: COMMON,
    };
    let nouns = NOUNS.iter().map(|noun| ResultTable {
        name: noun.table,
        title: noun.title,
        description: noun.description,
        columns: noun.columns,
    });
    std::iter::once(common).chain(nouns).collect()
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
