//! Printed figures, each with an ID that lets a reader trace its origin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The part of a report that prints a figure.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Place")]
pub enum FigureKind {
    /// The window and the date of the report.
    Window,
    /// The verdict: the sentences at the top of a report.
    Verdict,
    /// The summary of the data's health.
    Health,
    /// A key figure.
    Kpi,
    /// A finding in a list of findings.
    Finding,
    /// The comparison with the earlier report.
    News,
    /// A finding of the earlier report that is resolved.
    Resolved,
    /// A requested action.
    Ask,
    /// A chart, under its title.
    Chart,
    /// The effect of an improvement.
    Effect,
    /// A recommended action.
    Recommendation,
    /// A notice, or a note on data or method.
    Note,
    /// The counts of a source's records.
    Source,
    /// The section of a stage: what it did, its message, its caveats.
    Stage,
    /// A table of a stage.
    Table,
    /// The versions of program and datasets.
    Provenance,
}

impl FigureKind {
    /// The first letter of the IDs.
    pub fn letter(self) -> char {
        match self {
            Self::Window => 'w',
            Self::Verdict => 'v',
            Self::Health => 'h',
            Self::Kpi => 'k',
            Self::Finding => 'f',
            Self::News => 'd',
            Self::Resolved => 'o',
            Self::Ask => 'a',
            Self::Chart => 'c',
            Self::Effect => 'e',
            Self::Recommendation => 'r',
            Self::Note => 'n',
            Self::Source => 's',
            Self::Stage => 'g',
            Self::Table => 't',
            Self::Provenance => 'p',
        }
    }

    /// The name for readers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Verdict => "verdict",
            Self::Health => "data health",
            Self::Kpi => "key figure",
            Self::Finding => "finding",
            Self::News => "comparison with the earlier report",
            Self::Resolved => "resolved finding",
            Self::Ask => "requested action",
            Self::Chart => "chart",
            Self::Effect => "effect",
            Self::Recommendation => "recommendation",
            Self::Note => "note",
            Self::Source => "source",
            Self::Stage => "stage",
            Self::Table => "table",
            Self::Provenance => "provenance",
        }
    }
}

/// A printed figure, or a sentence with figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// ID within the report: the letter of its kind and a number in the order of the report, such
    /// as `k1`. The same inputs give the same IDs.
    pub id: String,
    /// Part of the report that prints it.
    #[serde(rename = "place")]
    pub kind: FigureKind,
    /// Its locations in `report.json`, as JSON pointers.
    #[serde(rename = "at")]
    pub pointers: Vec<String>,
    /// Full names of the nodes that compute it: `stage.rhythm`, `source.tickets`.
    pub nodes: Vec<String>,
    /// Identity within its kind, independent of its numbers.
    pub key: String,
}
