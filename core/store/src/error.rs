//! Everything that can go wrong between records and the rows of a dataset.

use retrocast_records::error::remedy_of;
pub use retrocast_records::{Remedy, SourceError};
use std::path::Path;

/// An error of the store: the operation, the location, the cause, and advice.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The records cannot be found or read, or the contract cannot be used.
    #[error(transparent)]
    Source(SourceError),
    /// A name cannot be the name of a dataset or job.
    #[error(
        "{name:?} cannot be the name of a dataset or job: use letters, digits, `_` and `-`, \
         beginning with a letter or digit"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// There is no such dataset, or not at this version.
    #[error(
        "dataset {name:?} at version {version} is not in {folder:?}: {reason}; run the job again"
    )]
    NoDataset {
        /// Dataset.
        name: String,
        /// Version that was asked for.
        version: u64,
        /// Location of the expected dataset.
        folder: String,
        /// The storage's error.
        reason: String,
    },
    /// A dataset has no such version.
    #[error("dataset {name:?} has no version {version}; there are: {there}")]
    NoVersion {
        /// Dataset.
        name: String,
        /// Version that was asked for.
        version: u64,
        /// The existing versions.
        there: String,
    },
    /// A dataset could not be written or read.
    #[error("dataset {name:?} could not be {action}: {reason}")]
    Dataset {
        /// Dataset.
        name: String,
        /// "written" or "read".
        action: &'static str,
        /// The storage's error.
        reason: String,
    },
    /// Another process wrote the dataset in the meantime.
    #[error("dataset {name:?} was written by another process in the meantime; run the job again")]
    Overtaken {
        /// Dataset.
        name: String,
    },
    /// A query is wrong, or failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A column's type cannot be kept in a dataset or frame.
    #[error(
        "column {column:?} has the type {found}, which datasets do not keep; cast it in the query"
    )]
    ColumnType {
        /// Column.
        column: String,
        /// Its type.
        found: String,
    },
    /// Arrow refused something.
    #[error("rows could not be put together: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Polars refused something.
    #[error("rows could not be handed to the analysis: {0}")]
    Polars(#[from] polars::prelude::PolarsError),
    /// Work that will never fit in memory.
    #[error(
        "{what} needs about {needs} of memory, and there are {has} in all; raise --memory, or let an \
         SQL stage pick the rows and columns that are looked at"
    )]
    Memory {
        /// The requester.
        what: String,
        /// The memory it needs.
        needs: String,
        /// The memory that exists.
        has: String,
    },
    /// Object storage refused something.
    #[error("{action} {address:?}: {reason}")]
    Storage {
        /// The operation, such as "listing".
        action: &'static str,
        /// The address.
        address: String,
        /// The storage's error.
        reason: String,
    },
    /// The local file system refused something.
    #[error("{action} {file:?}: {reason}")]
    Io {
        /// The operation, such as "reading".
        action: &'static str,
        /// The file.
        file: String,
        /// The system's error.
        reason: String,
    },
    /// The run was cancelled; nothing was committed.
    #[error("cancelled; nothing was written")]
    Cancelled,
    /// A thread of ours ended early; nothing was committed.
    #[error(
        "reading source {name:?} stopped without a reason; nothing was written; please report this"
    )]
    Stopped {
        /// Source.
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
    /// The local file system refused something.
    pub(crate) fn io(action: &'static str, file: &Path, error: &std::io::Error) -> Self {
        Self::Io {
            action,
            file: file.display().to_string(),
            reason: error.to_string(),
        }
    }

    /// The way to handle the error.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Source(error) => error.remedy(),
            Self::NoDataset { reason, .. }
            | Self::Dataset { reason, .. }
            | Self::Storage { reason, .. }
            | Self::Io { reason, .. } => remedy_of(reason),
            // A query's error may contain any text; only a full disk is recognised.
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
#[error("{message}{}{}", place(*.line, *.column), .help.as_ref().map_or(String::new(), |help| format!("; {help}")))]
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
    /// An error with no place and no advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            line: None,
            column: None,
            help: None,
        }
    }

    /// The same, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

fn place(line: Option<u64>, column: Option<u64>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(" (line {line}, column {column} of the query)"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_speaks_of_time_outs_is_still_wrong() {
        let error = StoreError::from(SqlError::new("no field named timeoutx"));
        assert_eq!(error.remedy(), Remedy::Change);
        let error = StoreError::from(SqlError::new("No space left on device (os error 28)"));
        assert_eq!(error.remedy(), Remedy::FreeDisk);
    }
}
