//! Git repositories as records: one for each commit, or one for each file that a commit changes.
//!
//! ```text
//! URI -> place: repository, branch, since -> repository: head -> walk: commits, oldest first
//!     -> changes: files and renames -> lines: what was added and deleted -> records, JSON Lines
//! ```
//!
//! The figures are those of `git log --numstat -M`, to the line: `renames` pairs files as git does,
//! `lines` counts as it does, and a test compares every commit of real repositories with the
//! program's output. Settings of the machine are ignored, so that the records follow from the head
//! commit of the branch alone:
//!
//! - no configuration is read but what opening needs: diffs have git's defaults (Myers, renames from
//!   50 % on, a limit of 1,000 for renames);
//! - `.gitattributes`, which decide what is binary, are those of the head commit, whatever is
//!   checked out, and none from outside the history;
//! - replaced objects (`git replace`) and grafts are not followed.
//!
//! Text of records is UTF-8. A byte that is none is written `\xHH` with two capital hexadecimal
//! digits; in names, addresses and paths a backslash that would read as such an escape is written
//! `\x5C`, so that two names never become one. Authors and messages follow the commit's `encoding`
//! header where it names Latin-1, Latin-9 or Windows-1252.

mod attributes;
mod changes;
mod commit;
mod error;
mod lines;
mod mirror;
mod near;
mod objects;
mod place;
mod record;
mod renames;
mod repository;
mod similarity;
mod tell;
mod text;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

pub use error::HistoryError;
pub use place::{Place, What};
pub use repository::Repository;
