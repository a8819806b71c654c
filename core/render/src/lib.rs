//! Builds a [`Report`] from cells, and renders it as PDF or HTML.
//!
//! [`assemble`] selects findings and writes texts, [`sanitise`] makes texts printable, [`view`]
//! formats numbers, [`chart`] draws charts, [`skeleton`] orders the sections, and [`pdf`] lays out a
//! document in the closed [`world`].
//! Text from records is always data, never part of a template.

use retrocast_domain::Report;
use std::collections::BTreeMap;

pub mod assemble;
pub mod chart;
pub mod sanitise;
pub mod stage_map;
pub mod view;
mod words;

pub mod attachment;
pub mod html;
pub mod pdf;
pub mod skeleton;
pub mod world;

#[doc(hidden)]
pub mod sample;

pub use pdf::pdf;

/// The layout of a report for one kind of reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Three pages and a data note, for decisions.
    Executive,
    /// A cell per stage, for review.
    Technical,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 2] = [Self::Executive, Self::Technical];

    /// Name in file names: `executive.pdf`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Executive => "executive",
            Self::Technical => "technical",
        }
    }

    /// The layout with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// Title for readers.
    pub fn title(self) -> &'static str {
        match self {
            Self::Executive => "Executive report",
            Self::Technical => "Technical report",
        }
    }

    fn skeleton(self) -> &'static str {
        match self {
            Self::Executive => "executive.typ.j2",
            Self::Technical => "technical.typ.j2",
        }
    }
}

/// A rendering error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A skeleton is not a valid template, or uses a missing part.
    #[error("{message}")]
    Template {
        /// File, line and error.
        message: String,
    },
    /// Typst rejected the document, or the PDF would not conform to PDF/UA-1 and PDF/A-3a.
    #[error("the report could not be laid out: {}", messages.join("; "))]
    Layout {
        /// One message per error, with file and line of the template if it has one.
        messages: Vec<String>,
    },
    /// A PDF has no such attachment, or is not as this crate writes PDFs.
    #[error("{name} cannot be read from the PDF: {reason}")]
    Attachment {
        /// Name of the attached file.
        name: String,
        /// The first thing that is wrong.
        reason: &'static str,
    },
    /// The report is not representable as JSON.
    #[error("the report could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Templates by file name, as in the folder `templates`.
#[derive(Debug, Clone)]
pub struct Templates {
    files: BTreeMap<String, String>,
}

/// The built-in print templates.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "executive.typ.j2",
        include_str!("../../../templates/executive.typ.j2"),
    ),
    (
        "technical.typ.j2",
        include_str!("../../../templates/technical.typ.j2"),
    ),
    ("theme.typ", include_str!("../../../templates/theme.typ")),
    (
        "parts/executive.typ",
        include_str!("../../../templates/parts/executive.typ"),
    ),
    (
        "parts/figures.typ",
        include_str!("../../../templates/parts/figures.typ"),
    ),
    (
        "parts/technical.typ",
        include_str!("../../../templates/parts/technical.typ"),
    ),
];

impl Templates {
    /// The built-in templates.
    pub fn built_in() -> Self {
        let to_owned = |(name, text): &(&str, &str)| ((*name).to_string(), (*text).to_string());
        Self {
            files: BUILT_IN
                .iter()
                .chain(html::BUILT_IN)
                .map(to_owned)
                .collect(),
        }
    }

    /// Adds or replaces a file, by its path below the templates folder.
    #[must_use]
    pub fn with(mut self, name: &str, text: impl Into<String>) -> Self {
        self.files.insert(name.to_string(), text.into());
        self
    }

    /// Names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The text of a file.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(String::as_str)
    }

    /// Hash of all texts, for the fingerprint of a report.
    pub fn hash(&self) -> String {
        retrocast_domain::canonical::hash(&self.files)
    }

    /// The Typst files by path in the world of a document.
    fn parts(&self) -> BTreeMap<String, String> {
        let parts = self.files.iter().filter(|(name, _)| name.ends_with(".typ"));
        parts
            .map(|(name, text)| (format!("/{name}"), text.clone()))
            .collect()
    }
}

/// The bytes of `report.json`: in the run folder, and attached to every PDF.
pub fn report_json(report: &Report) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}
