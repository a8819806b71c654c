//! The errors of the store.

use retrocast_records::error::remedy_of;
pub use retrocast_records::{Remedy, SourceError};
use std::path::Path;

/// An error of the store: the operation, the location, the cause, and advice.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The records cannot be found or read, or the contract is invalid.
    #[error(transparent)]
    Source(SourceError),
    /// A name is not valid for a dataset or job.
    #[error(
        "{name:?} cannot be the name of a dataset or job: use letters, digits, `_` and `-`, \
         beginning with a letter or digit"
    )]
    Name {
        /// The invalid name.
        name: String,
    },
    /// The dataset, or this version of it, does not exist.
    #[error(
        "dataset {name:?} at version {version} is not in {folder:?}: {reason}; run the job again"
    )]
    NoDataset {
        /// Name of the dataset.
        name: String,
        /// Requested version.
        version: u64,
        /// Folder where it was expected.
        folder: String,
        /// The error of the storage.
        reason: String,
    },
    /// The dataset has no such version.
    #[error("dataset {name:?} has no version {version}; existing versions: {existing}")]
    NoVersion {
        /// Name of the dataset.
        name: String,
        /// Requested version.
        version: u64,
        /// The existing versions.
        existing: String,
    },
    /// A dataset could not be written or read.
    #[error("dataset {name:?} could not be {action}: {reason}")]
    Dataset {
        /// Name of the dataset.
        name: String,
        /// "written" or "read".
        action: &'static str,
        /// The error of the storage.
        reason: String,
    },
    /// Another process wrote the dataset in the meantime.
    #[error("dataset {name:?} was written by another process in the meantime; run the job again")]
    WriteConflict {
        /// Name of the dataset.
        name: String,
    },
    /// A query is invalid or failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A column has a type that datasets and frames cannot store.
    #[error(
        "column {column:?} has the type {found}, which datasets cannot store; cast it in the query"
    )]
    ColumnType {
        /// Name of the column.
        column: String,
        /// Its type.
        found: String,
    },
    /// An Arrow operation failed.
    #[error("rows could not be assembled: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A Polars operation failed.
    #[error("rows could not be converted for the analysis: {0}")]
    Polars(#[from] polars::prelude::PolarsError),
    /// The work needs more memory than the limit.
    #[error(
        "{requester} needs about {requested} of memory, but the limit is {limit}; raise --memory, or \
         select fewer rows and columns in an SQL stage"
    )]
    Memory {
        /// The work.
        requester: String,
        /// The required memory.
        requested: String,
        /// Memory available to the query, formatted.
        limit: String,
    },
    /// An object storage operation failed.
    #[error("{action} {address:?}: {reason}")]
    Storage {
        /// The operation, such as "listing".
        action: &'static str,
        /// Address of the bucket or object.
        address: String,
        /// The error of the storage.
        reason: String,
    },
    /// A local file operation failed.
    #[error("{action} {file:?}: {reason}")]
    Io {
        /// The operation, such as "reading".
        action: &'static str,
        /// Path of the file.
        file: String,
        /// The error of the system.
        reason: String,
    },
    /// The run was cancelled; nothing was committed.
    #[error("cancelled; nothing was written")]
    Cancelled,
    /// A worker thread ended early; nothing was committed.
    #[error(
        "reading source {name:?} stopped unexpectedly; nothing was written; please report this"
    )]
    Stopped {
        /// Name of the source.
        name: String,
    },
}

impl From<SourceError> for StoreError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Cancelled => Self::Cancelled,
            SourceError::Stopped { name } => Self::Stopped { name },
            other => Self::Source(other),
        }
    }
}

impl StoreError {
    /// Creates the error of a failed file operation.
    pub(crate) fn io(action: &'static str, file: &Path, error: &std::io::Error) -> Self {
        Self::Io {
            action,
            file: file.display().to_string(),
            reason: error.to_string(),
        }
    }

    /// The remedy for the error.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Source(error) => error.remedy(),
            Self::NoDataset { reason, .. }
            | Self::Dataset { reason, .. }
            | Self::Storage { reason, .. }
            | Self::Io { reason, .. } => remedy_of(reason),
            // The error of a query may contain any text, so only a full disk is recognised.
            Self::Sql(error) => match remedy_of(&error.message) {
                Remedy::FreeDisk => Remedy::FreeDisk,
                _ => Remedy::Change,
            },
            _ => Remedy::Change,
        }
    }
}

/// An error in a query, with its location if known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}{}", format_location(*.line, *.column), .help.as_ref().map_or(String::new(), |help| format!("; {help}")))]
pub struct SqlError {
    /// One sentence, without a full stop.
    pub message: String,
    /// Line in the query, from 1.
    pub line: Option<u64>,
    /// Column in the line, from 1.
    pub column: Option<u64>,
    /// Advice.
    pub help: Option<String>,
}

impl SqlError {
    /// Creates an error without location and advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            line: None,
            column: None,
            help: None,
        }
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

fn format_location(line: Option<u64>, column: Option<u64>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(" (line {line}, column {column} of the query)"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_disk_is_recognised_in_query_errors() {
        let error = StoreError::from(SqlError::new("no field named timeoutx"));
        assert_eq!(error.remedy(), Remedy::Change);
        let error = StoreError::from(SqlError::new("No space left on device (os error 28)"));
        assert_eq!(error.remedy(), Remedy::FreeDisk);
    }
}
