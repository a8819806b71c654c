//! The records, field by field. `VERSION` is raised whenever the same history could give others.

use crate::{
    changes::FileChange,
    commit::Commit,
    text::{Encoding, exact, prose},
};
use gix::oid;
use jiff::Timestamp;
use serde::Serialize;

/// Version of the records' shape and of how they are made.
pub const VERSION: u32 = 1;

/// A commit; `jobs/contracts/commit.toml` describes the fields.
#[derive(Serialize)]
pub struct CommitRecord {
    id: String,
    parents: Vec<String>,
    authored_at: Timestamp,
    committed_at: Timestamp,
    author: String,
    author_email: String,
    committer: String,
    committer_email: String,
    subject: String,
    body: String,
    is_merge: bool,
    files_changed: usize,
    lines_added: u64,
    lines_deleted: u64,
}

impl CommitRecord {
    pub fn new(id: &oid, commit: &Commit<'_>, changes: &[FileChange]) -> Self {
        let name = |bytes| exact(bytes, commit.encoding);
        let (subject, body) = commit.message();
        let lines = || changes.iter().filter_map(|change| change.lines);
        Self {
            id: id.to_string(),
            parents: commit.parents.iter().map(ToString::to_string).collect(),
            authored_at: commit.author.at,
            committed_at: commit.committer.at,
            author: name(commit.author.name),
            author_email: name(commit.author.email),
            committer: name(commit.committer.name),
            committer_email: name(commit.committer.email),
            subject: prose(&subject, commit.encoding),
            body: prose(body, commit.encoding),
            is_merge: commit.parents.len() > 1,
            files_changed: changes.len(),
            lines_added: lines().map(|(added, _)| added).sum(),
            lines_deleted: lines().map(|(_, deleted)| deleted).sum(),
        }
    }
}

/// A file that a commit changes; `jobs/contracts/file_change.toml` describes the fields.
#[derive(Serialize)]
pub struct FileChangeRecord {
    commit: String,
    committed_at: Timestamp,
    path: String,
    old_path: Option<String>,
    change: &'static str,
    lines_added: Option<u64>,
    lines_deleted: Option<u64>,
    is_binary: bool,
    is_submodule: bool,
}

impl FileChangeRecord {
    pub fn new(id: &oid, commit: &Commit<'_>, change: &FileChange) -> Self {
        // Paths are bytes to git; the commit's encoding is about its text only.
        let path = |bytes: &[u8]| exact(bytes, Encoding::Utf8);
        Self {
            commit: id.to_string(),
            committed_at: commit.committer.at,
            path: path(&change.path),
            old_path: change.old_path.as_ref().map(|old| path(old)),
            change: change.kind.name(),
            lines_added: change.lines.map(|(added, _)| added),
            lines_deleted: change.lines.map(|(_, deleted)| deleted),
            is_binary: change.lines.is_none(),
            is_submodule: change.is_submodule,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::ChangeKind;
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
        let id = gix::ObjectId::null(gix::hash::Kind::Sha1);
        let text = format!("tree {id}\n\nsubject\n");
        let commit = Commit::parse(text.as_bytes()).unwrap();
        let change = FileChange {
            path: "a".into(),
            old_path: None,
            kind: ChangeKind::Added,
            lines: None,
            is_submodule: false,
        };
        let record = serde_json::to_value(CommitRecord::new(&id, &commit, &[])).unwrap();
        let contract = include_str!("../../../jobs/contracts/commit.toml");
        assert_eq!(names(&record), fields(contract));
        let record = serde_json::to_value(FileChangeRecord::new(&id, &commit, &change)).unwrap();
        let contract = include_str!("../../../jobs/contracts/file_change.toml");
        assert_eq!(names(&record), fields(contract));
    }
}
