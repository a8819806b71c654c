//! Everything that can go wrong between a URI and the records of a repository.

use crate::near::did_you_mean;
use std::path::Path;

/// What happened, where, why, and what to do about it. No message holds a user or a password.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The URI cannot be understood.
    #[error("the uri {uri:?} {reason}")]
    Uri {
        /// As it was given, without user and password.
        uri: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// There is no git, or it is too old.
    #[error("{reason}; install git {}.{} or newer, and put it on the PATH", .oldest.0, .oldest.1)]
    Git {
        /// What there is instead.
        reason: String,
        /// Major and minor version of the oldest that works.
        oldest: (u32, u32),
    },
    /// There is no repository in the folder.
    #[error(
        "{place} is not a git repository: {reason}; name the folder that holds .git, or a bare repository"
    )]
    NoRepository {
        /// The repository.
        place: String,
        /// What was found instead.
        reason: String,
    },
    /// Older commits are not there, so the oldest ones that are would seem to add every file.
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
        /// As the URI has it.
        branch: String,
        /// Which it has; may be empty.
        hint: String,
    },
    /// The server asked for a user and a password, or refused them.
    #[error(
        "{place} requires authentication: {reason}; put a valid user and password into the uri, as \
         https://user:password@host/…, or set up a credential helper of git"
    )]
    Credentials {
        /// The repository.
        place: String,
        /// What git reported.
        reason: String,
    },
    /// The server could not be reached, or did not do its part.
    #[error("{place} could not be fetched: {reason}; check the address and the network")]
    Fetch {
        /// The repository.
        place: String,
        /// What git, the server or the network reported.
        reason: String,
    },
    /// An object of the repository is missing or damaged.
    #[error(
        "{place} cannot be read: {reason}; look into it with `git fsck`, and complete a partial clone with \
         `git fetch --refetch --no-filter`"
    )]
    Read {
        /// The repository.
        place: String,
        /// What git reported.
        reason: String,
    },
    /// A commit changes more than git can compare.
    #[error(
        "{place}: commit {commit} {reason}, more than can be compared; leave it out with `since` in the uri"
    )]
    TooLarge {
        /// The repository.
        place: String,
        /// The commit.
        commit: String,
        /// The limit that it exceeds, such as "has more than 20000000 files".
        reason: String,
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
    /// The records could not be made of what git printed, or not be handed on.
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
}

/// What to say about a branch that there is not.
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
