//! Git repositories as records: one for each commit, or one for each file that a commit changes.
//!
//! ```text
//! URI -> place: repository, branch, since -> mirror: git fetch, for a server -> repository: head
//!     -> walk: git rev-list, ordered, oldest first -> log: git diff-tree, parsed -> records, JSON Lines
//! ```
//!
//! History is read by the program `git` (2.34 or newer), so the figures are those of `git log --numstat
//! -M`; where versions of git differ in them, so does the identity of the records. What git takes from
//! the machine it runs on is left out, so that the records follow from the commit at the head of the
//! branch alone:
//!
//! - neither the configuration of the machine nor that of the repository applies; diffs have git's
//!   defaults, written out (Myers, renames from 50 % on, a limit of 1,000 for renames);
//! - `.gitattributes`, which say what is binary, are those of the commit at the head, whatever is
//!   checked out, and none from outside of the history;
//! - replaced objects (`git replace`) and grafts are ignored, shallow clones are refused, and what a
//!   partial clone lacks is an error: nothing is fetched into it.
//!
//! A repository is hostile input: `git` has the rules that keep it from running a program, and its owner
//! may be anybody. Objects that it borrows (`objects/info/alternates`) are read.
//!
//! Text of records is UTF-8. A byte that is none is written `\xHH` with two capital hexadecimal
//! digits; in names, addresses and paths a backslash that would read as such an escape is written
//! `\x5C`, so that two names never become one. Git converts authors and messages of a commit with
//! an `encoding` header; those that it cannot convert stay the bytes they are.

mod attributes;
mod error;
mod git;
mod log;
mod mirror;
mod near;
mod place;
mod record;
mod repository;
mod text;
mod walk;

#[cfg(test)]
mod tests;

pub use error::HistoryError;
pub use place::{Place, What};
pub use repository::Repository;
