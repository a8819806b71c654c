//! Everything that can go wrong between a folder of records and the rows of a dataset.

use crate::source::Skipped;
use retrocast_domain::Diagnostic;
use std::path::Path;

/// What happened, where, why, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URI names a kind of storage that this build does not read.
    #[error(
        "source {name:?}: {uri:?} is in {scheme}:// storage, but this build reads local files only; \
         {scheme}:// needs a build with that storage, or copy the records into a folder and name that"
    )]
    Scheme {
        /// Source.
        name: String,
        /// As the job file has it.
        uri: String,
        /// Scheme of the URI.
        scheme: String,
    },
    /// The URI cannot be understood.
    #[error("source {name:?}: the uri {uri:?} {reason}")]
    Uri {
        /// Source.
        name: String,
        /// As the job file has it.
        uri: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The folder in which to look is not there.
    #[error(
        "source {name:?}: the folder {folder:?} does not exist, so {uri:?} names no records; \
         put the records there, or mend the uri"
    )]
    NoFolder {
        /// Source.
        name: String,
        /// As the job file has it.
        uri: String,
        /// The folder on this machine.
        folder: String,
    },
    /// The file is not there.
    #[error("source {name:?}: the file {file:?} does not exist; put it there, or mend the uri")]
    NoFile {
        /// Source.
        name: String,
        /// The file on this machine.
        file: String,
    },
    /// The folder is there but no file in it fits.
    #[error(
        "source {name:?}: no file in {folder:?} fits {uri:?}{seen}; \
         mend the pattern, or say `required = false` if there may be none"
    )]
    NoMatch {
        /// Source.
        name: String,
        /// As the job file has it.
        uri: String,
        /// The folder on this machine.
        folder: String,
        /// What was there instead, such as " (it holds tickets.json)"; may be empty.
        seen: String,
    },
    /// A folder stands where a file should be.
    #[error(
        "source {name:?}: {uri:?} is a folder, not a file; \
         to read what is in it write {suggestion:?}"
    )]
    Folder {
        /// Source.
        name: String,
        /// As the job file has it.
        uri: String,
        /// A pattern that reads the folder.
        suggestion: String,
    },
    /// The file or folder is there but may not be read.
    #[error("source {name:?}: {file:?} cannot be read: {reason}; check its permissions")]
    Unreadable {
        /// Source.
        name: String,
        /// The file or folder.
        file: String,
        /// What the storage said.
        reason: String,
    },
    /// A pipe, device or socket stands where a file should be.
    #[error("source {name:?}: {file:?} is {kind}, not a file; name a file that holds records")]
    NoRegularFile {
        /// Source.
        name: String,
        /// As the user would name it.
        file: String,
        /// What it is, with an article.
        kind: &'static str,
    },
    /// There are files, but no record could be taken out of any.
    #[error(
        "source {name:?}: no record could be read: {}; \
         mend or replace the files, or take them out of the uri",
        troubles(.files)
    )]
    NothingReadable {
        /// Source.
        name: String,
        /// Every file with what is wrong about it.
        files: Vec<Skipped>,
    },
    /// Neither the job file nor the file's name says how the records are written.
    #[error(
        "source {name:?}: the name of {file:?} does not say how its records are written; \
         add `format = \"jsonl\"` or `format = \"csv\"` to the source"
    )]
    Format {
        /// Source.
        name: String,
        /// The file.
        file: String,
    },
    /// The contract cannot be used.
    #[error("the contract {file:?} has {} error(s); the first: {}", .diagnostics.len(),
        .diagnostics.first().map_or("", |first| first.message.as_str()))]
    Contract {
        /// The contract's file.
        file: String,
        /// Every error in it.
        diagnostics: Vec<Diagnostic>,
    },
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
        /// Where it would be.
        folder: String,
        /// What the storage said.
        reason: String,
    },
    /// A dataset could not be written or read.
    #[error("dataset {name:?} could not be {action}: {reason}")]
    Dataset {
        /// Dataset.
        name: String,
        /// "written" or "read".
        action: &'static str,
        /// What the storage said.
        reason: String,
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
        /// Who asks.
        what: String,
        /// How much it needs.
        needs: String,
        /// How much there is.
        has: String,
    },
    /// The local file system refused something.
    #[error("{action} {file:?}: {reason}")]
    Io {
        /// What was tried, such as "reading".
        action: &'static str,
        /// The file.
        file: String,
        /// What the system said.
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

/// What can be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Trying again may do.
    Again,
    /// There must be room on the disk first.
    Room,
    /// Records, job or settings have to be changed.
    Change,
}

/// What storage says when it may do better the next time.
const PASSING: [&str; 12] = [
    "temporarily unavailable",
    "timed out",
    "timeout",
    "connection reset",
    "connection refused",
    "connection aborted",
    "broken pipe",
    "interrupted system call",
    "stale file handle",
    "resource busy",
    "too many open files",
    "too much write contention",
];

/// What it says when it is full: the words of the system, which libraries hand on as they are.
const FULL: [&str; 2] = ["no space left on device", "disk quota exceeded"];

impl StoreError {
    /// The local file system refused something.
    pub(crate) fn io(action: &'static str, file: &Path, error: &std::io::Error) -> Self {
        Self::Io {
            action,
            file: file.display().to_string(),
            reason: error.to_string(),
        }
    }

    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        let said = match self {
            Self::Unreadable { reason, .. }
            | Self::NoDataset { reason, .. }
            | Self::Dataset { reason, .. }
            | Self::Io { reason, .. } => reason,
            // A query's own words may be anything; only a full disk is looked for.
            Self::Sql(error) => {
                let said = error.message.to_lowercase();
                let full = FULL.iter().any(|words| said.contains(words));
                return if full { Remedy::Room } else { Remedy::Change };
            }
            _ => return Remedy::Change,
        };
        let said = said.to_lowercase();
        if FULL.iter().any(|words| said.contains(words)) {
            return Remedy::Room;
        }
        if PASSING.iter().any(|words| said.contains(words)) {
            return Remedy::Again;
        }
        Remedy::Change
    }
}

/// The first few files with what is wrong about each.
fn troubles(files: &[Skipped]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = files
        .iter()
        .take(SHOWN)
        .map(|file| format!("{:?}: {}", file.name, file.reason))
        .collect();
    if files.len() > SHOWN {
        shown.push(format!("and {} other files", files.len() - SHOWN));
    }
    shown.join("; ")
}

/// What is wrong with a query, as near to its place as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}{}", place(*.line, *.column), .help.as_ref().map_or(String::new(), |help| format!("; {help}")))]
pub struct SqlError {
    /// One sentence, without a full stop.
    pub message: String,
    /// Line in the query, from 1.
    pub line: Option<u64>,
    /// Column in the line, from 1.
    pub column: Option<u64>,
    /// What to do.
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
    use std::io::Error;

    #[test]
    fn what_can_be_done_follows_from_what_the_system_says() {
        let remedy = |number| {
            let error = Error::from_raw_os_error(number);
            StoreError::io("writing", Path::new("a"), &error).remedy()
        };
        // ENOSPC, EDQUOT; EINTR, EAGAIN, EBUSY, EMFILE, EPIPE, ECONNRESET, ETIMEDOUT, ESTALE.
        assert!([28, 122].iter().all(|n| remedy(*n) == Remedy::Room));
        let passing = [4, 11, 16, 24, 32, 104, 110, 116];
        for number in passing {
            assert_eq!(
                remedy(number),
                Remedy::Again,
                "{}",
                Error::from_raw_os_error(number)
            );
        }
        // EPERM, ENOENT, EACCES, EISDIR, EROFS.
        assert!(
            [1, 2, 13, 21, 30]
                .iter()
                .all(|n| remedy(*n) == Remedy::Change)
        );
        let error = StoreError::from(SqlError::new("no field named timeoutx"));
        assert_eq!(error.remedy(), Remedy::Change);
    }
}
