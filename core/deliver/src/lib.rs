//! What happens after a run: the archive that keeps every run browsable, and word of what failed.
//!
//! The archive is static pages beside the files they speak of. It is rebuilt from the folders
//! alone, so it can be copied, moved or served by anything, and nothing has to run to read it.

pub mod run_summary;

pub mod archive;

pub mod diff;

mod earlier;

pub mod failure;

pub mod alert;

mod feed;
mod journal;
mod layout;
mod pages;
mod run_folder;
mod words;

pub use alert::{Alert, Told, alert, alert_without_run};
pub use archive::{rebuild, rebuild_with};
pub use diff::{Difference, diff};
pub use earlier::earlier_report;
pub use failure::failure_report;
pub use run_summary::RunSummary;

use std::path::{Path, PathBuf};

/// What can go wrong when reports are delivered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// "read", "write", ...
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of a run cannot be used.
    #[error(transparent)]
    Run(#[from] retrocast_run::Error),
    /// A file does not hold what it should.
    #[error("{} is not a run summary: {source}", path.display())]
    Summary {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file of a run is not what the program writes.
    #[error("{} cannot be understood: {source}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A mail cannot be sent.
    #[error("the alert was not sent: {why}{}", kept(message.as_deref()))]
    Mail {
        /// The message, where it was written down.
        message: Option<PathBuf>,
        /// Why, and what to do.
        why: String,
    },
    /// A template is wrong.
    #[error("template {name}, line {line}: {detail}")]
    Template {
        /// Name of the template.
        name: String,
        /// Line in it.
        line: usize,
        /// What is wrong.
        detail: String,
    },
}

fn kept(message: Option<&Path>) -> String {
    message.map_or_else(String::new, |path| {
        format!("; the message is kept in {}", path.display())
    })
}

impl Error {
    /// Whether there was no room on the disk.
    pub(crate) fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::File { source, .. }
            if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

impl From<minijinja::Error> for Error {
    fn from(error: minijinja::Error) -> Self {
        Error::Template {
            name: error.name().unwrap_or("unknown").to_string(),
            line: error.line().unwrap_or(0),
            detail: match error.detail() {
                Some(detail) => format!("{}: {detail}", error.kind()),
                None => error.kind().to_string(),
            },
        }
    }
}
