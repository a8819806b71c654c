//! The errors of reading the records of a source.

use retrocast_domain::{Diagnostic, number::plural};
use std::path::Path;

/// An error of a source: the operation, the location, the cause, and advice.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The URI names a kind of storage that this build does not support.
    #[error(
        "source {name:?}: {uri:?} is in {scheme}:// storage, which this build does not read: it reads \
         folders, {}, git+file:// and git+https://; name one of these, or copy the records into one",
        retrocast_storage::SCHEMES.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(", ")
    )]
    Scheme {
        /// Name of the source.
        name: String,
        /// The URI as in the job file.
        uri: String,
        /// Scheme of the URI.
        scheme: String,
    },
    /// A repository cannot be read.
    #[error("source {name:?}: {reason}")]
    Repository {
        /// Name of the source.
        name: String,
        /// The error and advice.
        reason: String,
    },
    /// The URI is invalid.
    #[error("source {name:?}: the uri {uri:?} {reason}")]
    Uri {
        /// Name of the source.
        name: String,
        /// The URI as in the job file.
        uri: String,
        /// The error and advice.
        reason: String,
    },
    /// The folder does not exist.
    #[error(
        "source {name:?}: the folder {folder:?} does not exist, so {uri:?} names no records; \
         put the records there, or fix the uri"
    )]
    NoFolder {
        /// Name of the source.
        name: String,
        /// The URI as in the job file.
        uri: String,
        /// Path of the folder.
        folder: String,
    },
    /// The file does not exist.
    #[error("source {name:?}: the file {file:?} does not exist; put it there, or fix the uri")]
    NoFile {
        /// Name of the source.
        name: String,
        /// Path of the file.
        file: String,
    },
    /// The folder exists but no file in it matches.
    #[error(
        "source {name:?}: no file in {folder:?} matches {uri:?}{seen}; \
         fix the pattern, or set `required = false` in the job if there may be none"
    )]
    NoMatch {
        /// Name of the source.
        name: String,
        /// The URI as in the job file.
        uri: String,
        /// Path of the folder.
        folder: String,
        /// Existing entries, such as " (it holds tickets.json)"; may be empty.
        seen: String,
    },
    /// The path is a folder, not a file.
    #[error(
        "source {name:?}: {uri:?} is a folder, not a file; \
         to read what is in it write {suggestion:?}"
    )]
    Folder {
        /// Name of the source.
        name: String,
        /// The URI as in the job file.
        uri: String,
        /// A pattern that reads the folder.
        suggestion: String,
    },
    /// The object storage failed, or rejected the request.
    #[error(
        "source {name:?}: {uri:?} cannot be read: {reason}; check the address, the credentials and the \
         network"
    )]
    Storage {
        /// Name of the source.
        name: String,
        /// Its address, without credentials.
        uri: String,
        /// The error of the storage or the network.
        reason: String,
    },
    /// The file or folder exists but cannot be read.
    #[error("source {name:?}: {file:?} cannot be read: {reason}; check its permissions")]
    Unreadable {
        /// Name of the source.
        name: String,
        /// The file or folder.
        file: String,
        /// The error of the storage.
        reason: String,
    },
    /// The path is a pipe, device or socket, not a file.
    #[error("source {name:?}: {file:?} is {kind}, not a file; name a file that holds records")]
    NotAFile {
        /// Name of the source.
        name: String,
        /// Name as a user would write it.
        file: String,
        /// Its kind, with an article.
        kind: &'static str,
    },
    /// Files exist, but no record could be parsed.
    #[error(
        "source {name:?}: no record could be read: {}; \
         fix or replace the files, or remove them from the uri",
        list_files(.files)
    )]
    NothingReadable {
        /// Name of the source.
        name: String,
        /// Every file with its error.
        files: Vec<SkippedFile>,
    },
    /// No record is usable for drafting a contract.
    #[error(
        "{name:?}: no record has a field that a contract can name, so there is nothing to draft a \
         contract from{}; \
         name files that hold records, or set their --format or --encoding",
        describe_broken(*.broken, .first.as_ref())
    )]
    NothingToDescribe {
        /// Name of the contract.
        name: String,
        /// Number of unparsable records.
        broken: u64,
        /// Location and reason of the first of them, or of the first unreadable file.
        first: Option<String>,
    },
    /// The format of the records is unknown: neither the job file nor the file's name gives it.
    #[error(
        "source {name:?}: the name of {file:?} does not show the format of its records; \
         add `format = \"jsonl\"` or `format = \"csv\"` to the source in the job, or pass --format"
    )]
    Format {
        /// Name of the source.
        name: String,
        /// Path of the file.
        file: String,
    },
    /// The contract is invalid.
    #[error("the contract {file:?} has {}; the first: {}", plural(.diagnostics.len() as u64, "mistake"),
        .diagnostics.first().map_or("", |first| first.message.as_str()))]
    Contract {
        /// The contract's file.
        file: String,
        /// Every error in it.
        diagnostics: Vec<Diagnostic>,
    },
    /// An Arrow operation failed.
    #[error("rows could not be assembled: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
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

/// An entry that matches a pattern but is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFile {
    /// Name as a user would write it.
    pub name: String,
    /// Reason why it is not read.
    pub reason: String,
}

/// The action that resolves an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Retry later.
    Retry,
    /// Free disk space first.
    FreeDisk,
    /// Change records, job or settings.
    Change,
}

/// Phrases of transient storage errors.
const TRANSIENT: [&str; 12] = [
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

/// Phrases of system errors for a full disk, which libraries pass on unchanged.
const DISK_FULL: [&str; 2] = ["no space left on device", "disk quota exceeded"];

/// Classifies an error by the message of the system or the storage.
pub fn remedy_of(message: &str) -> Remedy {
    let message = message.to_lowercase();
    if DISK_FULL.iter().any(|words| message.contains(words)) {
        return Remedy::FreeDisk;
    }
    if TRANSIENT.iter().any(|words| message.contains(words)) {
        return Remedy::Retry;
    }
    Remedy::Change
}

impl SourceError {
    /// Creates the error of a failed file operation.
    pub fn io(action: &'static str, file: &Path, error: &std::io::Error) -> Self {
        Self::Io {
            action,
            file: file.display().to_string(),
            reason: error.to_string(),
        }
    }

    /// The action that resolves the error.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Unreadable { reason, .. }
            | Self::Storage { reason, .. }
            | Self::Repository { reason, .. }
            | Self::Io { reason, .. } => remedy_of(reason),
            _ => Remedy::Change,
        }
    }
}

/// Lists the first few files with their errors.
fn list_files(files: &[SkippedFile]) -> String {
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

fn describe_broken(n: u64, first: Option<&String>) -> String {
    match (n, first) {
        (0, None) => String::new(),
        (0, Some(first)) => format!(" ({first})"),
        (n, first) => {
            let first = first.iter().map(|first| format!("; the first: {first}"));
            let first: String = first.collect();
            format!(" ({} could not be parsed{first})", plural(n, "record"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error;

    #[test]
    fn the_remedy_follows_from_the_system_error() {
        let remedy = |number| {
            let error = Error::from_raw_os_error(number);
            SourceError::io("writing", Path::new("a"), &error).remedy()
        };
        // ENOSPC, EDQUOT; EINTR, EAGAIN, EBUSY, EMFILE, EPIPE, ECONNRESET, ETIMEDOUT, ESTALE.
        assert!([28, 122].iter().all(|n| remedy(*n) == Remedy::FreeDisk));
        let transient = [4, 11, 16, 24, 32, 104, 110, 116];
        for number in transient {
            assert_eq!(
                remedy(number),
                Remedy::Retry,
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
    }
}
