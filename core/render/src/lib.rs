//! Builds a [`Report`] from cells, and renders it as PDF or HTML.
//!
//! [`assemble`] selects findings and writes sentences, [`sanitise`] makes text printable, [`view`]
//! formats numbers, [`slice`](mod@slice) builds reports on a part of the records, [`mod@language`]
//! translates fixed words, [`chart`] draws charts, [`skeleton`] orders the sections, and [`pdf`]
//! lays out a document in the closed [`world`]. Text from records is always data, never part of a
//! template.

use language::Language;
use minijinja::Environment;
use retrocast_domain::Report;
use std::{collections::BTreeMap, sync::OnceLock};
use theme::Theme;
use typst::syntax::Source;

pub mod assemble;
pub mod chart;
pub mod language;
pub mod sanitise;
pub mod slice;
pub mod stage_map;
pub mod theme;
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

/// The layout of a report for one audience.
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

    /// The name in file names, such as `executive.pdf`.
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
        /// One message per error, with file and line of the template if they are known.
        messages: Vec<String>,
    },
    /// A PDF has no such attachment, or this crate did not write it.
    #[error("{name} cannot be read from the PDF: {reason}")]
    Attachment {
        /// Name of the attached file.
        name: String,
        /// The first problem found.
        reason: &'static str,
    },
    /// The report is not representable as JSON.
    #[error("the report could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Templates by path below the folder `templates`. They are parsed once, for the first report.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    files: BTreeMap<String, String>,
    /// Pictures by path.
    pictures: BTreeMap<String, Vec<u8>>,
    theme: OnceLock<Theme>,
    print: OnceLock<BTreeMap<String, Source>>,
    languages: OnceLock<BTreeMap<String, Language>>,
    /// The HTML templates by language.
    html: OnceLock<BTreeMap<String, Environment<'static>>>,
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
    (theme::FILE, include_str!("../../../templates/theme.toml")),
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
                .chain(&language::BUILT_IN)
                .map(to_owned)
                .collect(),
            ..Self::default()
        }
    }

    /// Adds or replaces a file, by its path below the templates folder.
    #[must_use]
    pub fn with(mut self, name: &str, text: impl Into<String>) -> Self {
        self.files.insert(name.to_string(), text.into());
        Self {
            files: self.files,
            pictures: self.pictures,
            ..Self::default()
        }
    }

    /// Adds a picture that the theme names, by its path below the templates folder.
    #[must_use]
    pub fn with_picture(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.pictures.insert(name.to_string(), bytes);
        self
    }

    /// Paths of all pictures.
    pub fn pictures(&self) -> impl Iterator<Item = &str> {
        self.pictures.keys().map(String::as_str)
    }

    /// Returns the parsed theme; an error names the line and column.
    pub fn theme(&self) -> Result<&Theme, Error> {
        if let Some(theme) = self.theme.get() {
            return Ok(theme);
        }
        let theme = Theme::parse(self.text(theme::FILE).unwrap_or_default())?;
        Ok(self.theme.get_or_init(|| theme))
    }

    /// The theme's logo: its path, alternative text and bytes.
    fn logo(&self) -> Result<Option<(&theme::Logo, &[u8])>, Error> {
        let Some(logo) = &self.theme()?.logo else {
            return Ok(None);
        };
        let bytes = self
            .pictures
            .get(&logo.file)
            .ok_or_else(|| Error::Template {
                message: format!("{}: the picture {} does not exist", theme::FILE, logo.file),
            })?;
        Ok(Some((logo, bytes)))
    }

    /// Names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The text of a file.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(String::as_str)
    }

    /// Hash of all templates and pictures, for the fingerprint of a report.
    pub fn hash(&self) -> String {
        retrocast_domain::canonical::hash(&(&self.files, &self.pictures))
    }

    /// The Typst files by path in the world of a document; `None` if a path is invalid.
    fn parts(&self) -> Option<&BTreeMap<String, Source>> {
        if self.print.get().is_none() {
            let parts = self.files.iter().filter(|(name, _)| name.ends_with(".typ"));
            let parts = parts.map(|(name, text)| {
                let path = format!("/{name}");
                let source = world::source(&path, text)?;
                Some((path, source))
            });
            let _ = self.print.set(parts.collect::<Option<_>>()?);
        }
        self.print.get()
    }

    /// Returns the words of a language by its code, such as "de"; "" is English. An error names the
    /// line and column.
    pub fn language(&self, code: &str) -> Result<&Language, Error> {
        let languages = self.languages()?;
        let code = if code.is_empty() {
            language::ENGLISH
        } else {
            code
        };
        languages.get(code).ok_or_else(|| {
            let known: Vec<&str> = languages.keys().map(String::as_str).collect();
            Error::Template {
                message: format!(
                    "there is no language {code:?}; languages: {}",
                    known.join(", ")
                ),
            }
        })
    }

    fn languages(&self) -> Result<&BTreeMap<String, Language>, Error> {
        if let Some(languages) = self.languages.get() {
            return Ok(languages);
        }
        let code = |file: &str| {
            file.trim_start_matches("language/")
                .trim_end_matches(".toml")
                .to_string()
        };
        let text = |file: &str| self.text(file).unwrap_or_default();
        let [(english, reference), ..] = language::BUILT_IN;
        let reference = Language::parse(english, reference, None)?;
        let mut languages = BTreeMap::new();
        for (file, _) in language::BUILT_IN {
            let parsed = Language::parse(file, text(file), Some(&reference))?;
            languages.insert(code(file), parsed);
        }
        Ok(self.languages.get_or_init(|| languages))
    }

    /// The HTML templates in a language, parsed.
    fn html(&self, code: &str) -> Result<&Environment<'static>, Error> {
        if self.html.get().is_none() {
            let mut environments = BTreeMap::new();
            for (code, language) in self.languages()? {
                environments.insert(code.clone(), html::environment(self, language)?);
            }
            let _ = self.html.set(environments);
        }
        let code = if code.is_empty() {
            language::ENGLISH
        } else {
            code
        };
        let environment = self
            .html
            .get()
            .and_then(|environments| environments.get(code));
        environment.ok_or_else(|| Error::Template {
            message: format!("there is no language {code:?}"),
        })
    }
}

/// The bytes of `report.json`, which is in the run folder and attached to every PDF.
pub fn report_json(report: &Report) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}
