//! Everything that can go wrong between a URI and the records of a repository.

use crate::near::did_you_mean;
use std::path::Path;

/// An error: the operation, the location, the cause, and advice. No message contains a user or a
/// password.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The URI cannot be understood.
    #[error("the uri {uri:?} {reason}")]
    Uri {
        /// As given, without user and password.
        uri: String,
        /// The error, and advice.
        reason: String,
    },
    /// There is no repository in the folder.
    #[error(
        "{place} is no git repository: {reason}; name the folder that holds .git, or a bare repository"
    )]
    NoRepository {
        /// The repository.
        place: String,
        /// The entry that exists instead.
        reason: String,
    },
    /// The repository is stored in a way that this build does not read.
    #[error("{place} cannot be read: {reason}")]
    Unsupported {
        /// The repository.
        place: String,
        /// The reason, and advice.
        reason: String,
    },
    /// Older commits are missing, so the oldest existing ones would seem to add every file.
    #[error(
        "{place} is a shallow clone: its older commits are missing, and the figures of the oldest ones left \
         would be wrong; complete it with `git fetch --unshallow`"
    )]
    Shallow {
        /// The repository.
        place: String,
    },
    /// The repository has no commit yet.
    #[error(
        "{place} has no commit on {branch} yet; commit something, or name another branch in the uri"
    )]
    Empty {
        /// The repository.
        place: String,
        /// The branch that is checked out.
        branch: String,
    },
    /// The branch is not there.
    #[error("{place} has no branch {branch:?}{hint}; fix `branch` in the uri")]
    Branch {
        /// The repository.
        place: String,
        /// As in the URI.
        branch: String,
        /// Existing branches; may be empty.
        hint: String,
    },
    /// The server asked for a user and a password, or refused them.
    #[error(
        "{place} wants a user and a password, and {given}; put valid ones into the uri, as https://user:password@host/…"
    )]
    Credentials {
        /// The repository.
        place: String,
        /// The given value.
        given: &'static str,
    },
    /// The server could not be reached, or did not do its part.
    #[error("{place} could not be fetched: {reason}; check the address and the network")]
    Fetch {
        /// The repository.
        place: String,
        /// The error of the server or the network.
        reason: String,
        /// True if a retry may succeed.
        may_pass: bool,
    },
    /// An object of the repository is missing or damaged.
    #[error("{place}: {object} cannot be read: {reason}; look into it with `git fsck`")]
    Object {
        /// The repository.
        place: String,
        /// The object, such as "commit 1a2b…".
        object: String,
        /// The error.
        reason: String,
    },
    /// A commit changes more files than a record set can take.
    #[error(
        "{place}: commit {commit} changes more than {limit} files, more than can be compared; \
         leave it out with `since` in the uri"
    )]
    TooManyFiles {
        /// The repository.
        place: String,
        /// The commit.
        commit: String,
        /// The most that is taken.
        limit: usize,
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
    /// The records could not be handed on.
    #[error("the records of the repository could not be written: {0}")]
    Output(#[from] std::io::Error),
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl HistoryError {
    /// The local file system refused something.
    pub(crate) fn io(action: &'static str, file: &Path, error: &std::io::Error) -> Self {
        Self::Io {
            action,
            file: file.display().to_string(),
            reason: error.to_string(),
        }
    }

    /// There is no such branch, but there are those of these names.
    pub(crate) fn no_branch(place: String, branch: &str, names: &[String]) -> Self {
        Self::Branch {
            place,
            branch: branch.to_string(),
            hint: hint(branch, names),
        }
    }

    /// Returns true if a retry may succeed, because a network or a server is the cause.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Fetch { may_pass: true, .. })
    }
}

/// Advice for an unknown branch.
fn hint(branch: &str, names: &[String]) -> String {
    const SHOWN: usize = 3;
    let near = did_you_mean(branch, names.iter().map(String::as_str));
    match names.len() {
        _ if !near.is_empty() => near,
        0 => String::new(),
        1..=SHOWN => format!(" (it has {})", names.join(", ")),
        more => format!(
            " (it has {} and {} more)",
            names[..SHOWN].join(", "),
            more - SHOWN
        ),
    }
}

/// All messages of an error of the git library, from the outermost to the cause, on one line.
pub(crate) fn chain(error: &gix::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for part in error.iter_errors() {
        let part = part.to_string();
        let part = part.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        if !part.is_empty() && !said.iter().any(|before| before.contains(&part)) {
            said.push(part);
        }
    }
    said.join(": ")
}
