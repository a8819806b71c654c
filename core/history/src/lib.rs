//! Reads git repositories as records: one for each commit, or one for each file that a commit
//! changes.
//!
//! ```text
//! URI -> uri: repository, branch, since -> mirror: git fetch, for a server -> repository: head
//!     -> walk: git rev-list, ordered, oldest first -> log: git diff-tree, parsed
//!     -> records, JSON Lines
//! ```
//!
//! The `git` program (2.34 or newer) reads the history, so the figures match
//! `git log --numstat -M`. If two versions of git count differently, the identities of the records
//! differ, too. Settings of the machine are ignored, so that the records depend only on the head
//! commit of the branch:
//!
//! - Neither the configuration of the machine nor that of the repository applies; diffs use git's
//!   defaults, given explicitly (Myers, a similarity of 50 % for renames, a limit of 1,000
//!   renames).
//! - `.gitattributes`, which declare binary files, come from the head commit, regardless of
//!   what is checked out; attributes outside the history are ignored.
//! - Replaced objects (`git replace`) and grafts are ignored, shallow clones are rejected, and
//!   objects missing in a partial clone are an error: nothing is fetched into it.
//!
//! A repository is untrusted input: the rules in the module `git` prevent it from running a
//! program, no matter who owns it. Objects that it borrows (`objects/info/alternates`) are read.
//!
//! The text of records is UTF-8. Other bytes are written `\xHH` with two capital hexadecimal
//! digits. In names, addresses and paths, a backslash that would read as such an escape is written
//! `\x5C`, so that distinct names stay distinct. Git converts authors and messages of a commit with
//! an `encoding` header; text that it cannot convert is left unchanged.

mod attributes;
mod error;
mod git;
mod log;
mod mirror;
mod record;
mod repository;
mod text;
mod uri;
mod walk;

#[cfg(test)]
mod tests;

pub use error::HistoryError;
pub use repository::Repository;
pub use uri::{RecordKind, RepositoryUri};
