//! Delivers runs: an archive of all runs, comparisons of two runs, and alerts about failures.
//!
//! The archive consists of static pages beside the files they link to. It is rebuilt only from the
//! folders, so it can be copied, moved or served by any web server, and read without the program.

pub mod archive;

pub mod checksums;

pub mod diff;

pub mod retention;

mod earlier;

pub mod failure;

pub mod alert;

mod digest;
mod entries;
mod feed;
mod folders;
mod history;
mod job_pages;
mod journal;
mod layout;
mod page_writer;
mod pages;
mod search;
mod trend;
mod words;
mod year_index;

pub use alert::{Alert, AlertOutcome, alert, alert_without_run};
pub use archive::{ArchiveUpdate, rebuild, update};
pub use checksums::{ChecksumResult, check_checksums};
pub use diff::{Difference, diff};
pub use earlier::earlier_report;
pub use failure::failure_report;
pub use page_writer::FileCount;
pub use pages::{built_in_templates, check_templates};

use retrocast_run::files::write_whole;
use std::path::{Path, PathBuf};

/// An error of delivery.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// The failed operation: "read", "write", ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of a run cannot be read or parsed.
    #[error(transparent)]
    Run(#[from] retrocast_run::Error),
    /// A mail cannot be sent.
    #[error("the alert was not sent: {reason}{}", message_note(message.as_deref()))]
    Mail {
        /// The file with the message, if it was written.
        message: Option<PathBuf>,
        /// The reason and advice.
        reason: String,
    },
    /// A template is invalid.
    #[error("template {name}, line {line}: {detail}")]
    Template {
        /// Name of the template.
        name: String,
        /// Line of the template.
        line: usize,
        /// The error message.
        detail: String,
    },
}

/// Writes a file atomically.
pub(crate) fn write_atomically(path: &Path, text: &str) -> Result<(), Error> {
    write_whole(path, text.as_bytes()).map_err(|source| Error::File {
        action: "write",
        path: path.to_path_buf(),
        source,
    })
}

fn message_note(message: Option<&Path>) -> String {
    message.map_or_else(String::new, |path| {
        format!("; the message is kept in {}", path.display())
    })
}

impl Error {
    /// Returns true if the disk is full.
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
