//! The records, field by field. `VERSION` is increased whenever the same history could give other
//! records.

use crate::{
    log::{Commit, FileChange},
    text::to_unique_text,
};
use jiff::Timestamp;
use serde::Serialize;

/// Version of the fields and of their computation.
pub const VERSION: u32 = 2;

/// A commit; `jobs/contracts/commit.toml` describes the fields.
#[derive(Serialize)]
pub struct CommitRecord<'a> {
    id: &'a str,
    parents: &'a [String],
    authored_at: Timestamp,
    committed_at: Timestamp,
    author: &'a str,
    author_email: &'a str,
    committer: &'a str,
    committer_email: &'a str,
    subject: &'a str,
    body: &'a str,
    is_merge: bool,
    files_changed: usize,
    lines_added: u64,
    lines_deleted: u64,
}

impl<'a> CommitRecord<'a> {
    pub fn new(commit: &'a Commit) -> Self {
        let lines = || commit.files.iter().filter_map(|file| file.lines);
        Self {
            id: &commit.id,
            parents: &commit.parents,
            authored_at: commit.author.time,
            committed_at: commit.committer.time,
            author: &commit.author.name,
            author_email: &commit.author.email,
            committer: &commit.committer.name,
            committer_email: &commit.committer.email,
            subject: &commit.subject,
            body: &commit.body,
            is_merge: commit.parents.len() > 1,
            files_changed: commit.files.len(),
            lines_added: lines().map(|(added, _)| added).sum(),
            lines_deleted: lines().map(|(_, deleted)| deleted).sum(),
        }
    }
}

/// A file that a commit changes; `jobs/contracts/file_change.toml` describes the fields.
#[derive(Serialize)]
pub struct FileChangeRecord<'a> {
    commit: &'a str,
    committed_at: Timestamp,
    path: String,
    old_path: Option<String>,
    change: &'static str,
    lines_added: Option<u64>,
    lines_deleted: Option<u64>,
    is_binary: bool,
    is_submodule: bool,
}

impl<'a> FileChangeRecord<'a> {
    pub fn new(commit: &'a Commit, file: &FileChange) -> Self {
        Self {
            commit: &commit.id,
            committed_at: commit.committer.time,
            path: to_unique_text(&file.path),
            old_path: file.old_path.as_deref().map(to_unique_text),
            change: file.change,
            lines_added: file.lines.map(|(added, _)| added),
            lines_deleted: file.lines.map(|(_, deleted)| deleted),
            is_binary: file.lines.is_none(),
            is_submodule: file.is_submodule,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Person;
    use std::collections::BTreeSet;

    /// The names after `[field.` in a contract.
    fn fields(contract: &str) -> BTreeSet<&str> {
        let heads = contract
            .lines()
            .filter_map(|line| line.strip_prefix("[field."));
        heads.filter_map(|head| head.strip_suffix(']')).collect()
    }

    fn names(record: &serde_json::Value) -> BTreeSet<&str> {
        record
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }

    #[test]
    fn records_have_the_fields_of_their_contracts() {
        let person = || Person {
            name: String::new(),
            email: String::new(),
            time: Timestamp::UNIX_EPOCH,
        };
        let file = FileChange {
            path: b"a".to_vec(),
            old_path: None,
            change: "added",
            lines: None,
            is_submodule: false,
        };
        let commit = Commit {
            id: "1".to_string(),
            parents: Vec::new(),
            author: person(),
            committer: person(),
            subject: String::new(),
            body: String::new(),
            files: Vec::new(),
        };
        let record = serde_json::to_value(CommitRecord::new(&commit)).unwrap();
        let contract = include_str!("../../../jobs/contracts/commit.toml");
        assert_eq!(names(&record), fields(contract));
        let record = serde_json::to_value(FileChangeRecord::new(&commit, &file)).unwrap();
        let contract = include_str!("../../../jobs/contracts/file_change.toml");
        assert_eq!(names(&record), fields(contract));
    }
}
