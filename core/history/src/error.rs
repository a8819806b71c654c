//! The errors of reading a repository.

use retrocast_domain::suggest::did_you_mean;
use std::path::Path;

/// An error with cause, location and advice. No message contains a user or a password.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The URI is invalid.
    #[error("the uri {uri:?} {reason}")]
    Uri {
        /// The URI without user and password.
        uri: String,
        /// The error and advice.
        reason: String,
    },
    /// Git is missing or too old.
    #[error("{reason}; install git {}.{} or newer, and put it on the PATH", .oldest.0, .oldest.1)]
    Git {
        /// Reason why git cannot be used.
        reason: String,
        /// Minimum major and minor version.
        oldest: (u32, u32),
    },
    /// There is no repository in the folder.
    #[error(
        "{uri} is not a git repository: {reason}; name the folder that holds .git, or a bare repository"
    )]
    NoRepository {
        /// The repository.
        uri: String,
        /// Reason why the folder is not a repository.
        reason: String,
    },
    /// The clone is shallow, so its oldest commits would seem to add every file.
    #[error(
        "{uri} is a shallow clone: its older commits are missing, and the figures of the oldest ones left \
         would be wrong; complete it with `git fetch --unshallow`"
    )]
    Shallow {
        /// The repository.
        uri: String,
    },
    /// The repository has no commit yet.
    #[error(
        "{uri} has no commit on {branch} yet; commit something, or name another branch in the uri"
    )]
    Empty {
        /// The repository.
        uri: String,
        /// The current branch.
        branch: String,
    },
    /// The branch does not exist.
    #[error("{uri} has no branch {branch:?}{hint}; fix `branch` in the uri")]
    Branch {
        /// The repository.
        uri: String,
        /// Name of the branch in the URI.
        branch: String,
        /// Advice, such as the existing branches; may be empty.
        hint: String,
    },
    /// Authentication failed or is required.
    #[error(
        "{uri} requires authentication: {reason}; put a valid user and password into the uri, as \
         https://user:password@host/…, or set up a credential helper of git"
    )]
    Credentials {
        /// The repository.
        uri: String,
        /// The message of git.
        reason: String,
    },
    /// The server could not be reached, or sent an invalid response.
    #[error("{uri} could not be fetched: {reason}; check the address and the network")]
    Fetch {
        /// The repository.
        uri: String,
        /// The message of git, the server or the network.
        reason: String,
    },
    /// An object of the repository is missing or damaged.
    #[error(
        "{uri} cannot be read: {reason}; check it with `git fsck`, and complete a partial clone with \
         `git fetch --refetch --no-filter`"
    )]
    Read {
        /// The repository.
        uri: String,
        /// The message of git.
        reason: String,
    },
    /// A commit changes more than git can compare within the limits.
    #[error(
        "{uri}: commit {commit} {reason}, more than can be compared; exclude it with `since` in the uri"
    )]
    TooLarge {
        /// The repository.
        uri: String,
        /// Hash of the commit.
        commit: String,
        /// The limit that it exceeds, such as "has more than 20000000 files".
        reason: String,
    },
    /// A local file operation failed.
    #[error("{action} {file:?}: {reason}")]
    Io {
        /// The operation, such as "reading".
        action: &'static str,
        /// Path of the file.
        file: String,
        /// The message of the system.
        reason: String,
    },
    /// The output of git could not be parsed, or the records could not be passed on.
    #[error("the records of the repository could not be written: {0}")]
    Output(#[from] std::io::Error),
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl HistoryError {
    /// Creates the error of a failed file operation.
    pub(crate) fn io(action: &'static str, file: &Path, error: &std::io::Error) -> Self {
        Self::Io {
            action,
            file: file.display().to_string(),
            reason: error.to_string(),
        }
    }

    /// Creates the error of a missing branch, with the names of the existing branches.
    pub(crate) fn no_branch(uri: String, branch: &str, names: &[String]) -> Self {
        Self::Branch {
            uri,
            branch: branch.to_string(),
            hint: hint(branch, names),
        }
    }
}

/// Advice on a missing branch.
fn hint(branch: &str, names: &[String]) -> String {
    const SHOWN: usize = 3;
    let nearest = did_you_mean(branch, names.iter().map(String::as_str));
    match names.len() {
        _ if !nearest.is_empty() => nearest,
        0 => String::new(),
        1..=SHOWN => format!(" (it has {})", names.join(", ")),
        more => format!(
            " (it has {} and {} more)",
            names[..SHOWN].join(", "),
            more - SHOWN
        ),
    }
}
