//! Compares our records of a repository with the output of `git log --numstat -M`.

use super::fixture::{git, records, stdout_of};
use crate::text::{to_text, to_unique_text};
use serde_json::Value;
use std::{collections::HashMap, path::Path};

/// A commit, from a record or from git.
#[derive(Debug, PartialEq, Eq)]
pub struct ComparedCommit {
    id: String,
    parents: Vec<String>,
    authored: i64,
    committed: i64,
    names: [String; 4],
    subject: String,
    body: String,
    files: Vec<ComparedFile>,
}

/// A changed file, from a record or from the lines of `--numstat` and `--raw`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ComparedFile {
    path: String,
    old_path: Option<String>,
    change: String,
    lines: Option<(u64, u64)>,
    is_submodule: bool,
}

/// Number of commits and files that were compared and are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedCounts {
    pub commits: usize,
    pub files: usize,
}

/// Compares every commit and every file of the branch that is checked out.
pub fn compare_with_git(repository: &Path) -> CheckedCounts {
    let uri = format!("git+file://{}", repository.display());
    let commits = records(&uri).unwrap();
    let mut files: HashMap<String, Vec<ComparedFile>> = HashMap::new();
    for record in records(&format!("{uri}#file_changes")).unwrap() {
        let commit = record["commit"].as_str().unwrap().to_string();
        files.entry(commit).or_default().push(file(&record));
    }
    let expected = commits_of_git(repository);
    assert_eq!(commits.len(), expected.len(), "number of commits");
    let mut by_id: HashMap<&str, &ComparedCommit> = expected
        .iter()
        .map(|commit| (commit.id.as_str(), commit))
        .collect();
    let mut checked = CheckedCounts {
        commits: 0,
        files: 0,
    };
    for record in &commits {
        let mut actual = commit(record);
        actual.files = files.remove(&actual.id).unwrap_or_default();
        let expected = by_id
            .remove(actual.id.as_str())
            .expect("a commit that git lists");
        for (actual, expected) in actual.files.iter().zip(&expected.files) {
            assert_eq!(actual, expected, "in commit {}", record["id"]);
        }
        assert_eq!(&actual, expected, "{}", repository.display());
        let sum = |select: fn(&(u64, u64)) -> u64| -> u64 {
            expected
                .files
                .iter()
                .filter_map(|file| file.lines)
                .map(|lines| select(&lines))
                .sum()
        };
        assert_eq!(record["files_changed"], expected.files.len());
        assert_eq!(record["lines_added"], sum(|lines| lines.0));
        assert_eq!(record["lines_deleted"], sum(|lines| lines.1));
        assert_eq!(record["is_merge"], expected.parents.len() > 1);
        checked.commits += 1;
        checked.files += expected.files.len();
    }
    assert!(
        files.is_empty() && by_id.is_empty(),
        "both have the same commits"
    );
    checked
}

fn seconds(record: &Value, key: &str) -> i64 {
    let time: jiff::Timestamp = record[key].as_str().unwrap().parse().unwrap();
    time.as_second()
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap().to_string()
}

fn commit(record: &Value) -> ComparedCommit {
    let parents = record["parents"].as_array().unwrap();
    ComparedCommit {
        id: text(record, "id"),
        parents: parents
            .iter()
            .map(|id| id.as_str().unwrap().to_string())
            .collect(),
        authored: seconds(record, "authored_at"),
        committed: seconds(record, "committed_at"),
        names: ["author", "author_email", "committer", "committer_email"]
            .map(|key| text(record, key)),
        subject: text(record, "subject"),
        body: text(record, "body"),
        files: Vec::new(),
    }
}

fn file(record: &Value) -> ComparedFile {
    let lines = record["lines_added"]
        .as_u64()
        .zip(record["lines_deleted"].as_u64());
    assert_eq!(record["is_binary"], lines.is_none());
    ComparedFile {
        path: text(record, "path"),
        old_path: record["old_path"].as_str().map(ToString::to_string),
        change: text(record, "change"),
        lines,
        is_submodule: record["is_submodule"].as_bool().unwrap(),
    }
}

/// Runs git with the attributes of the commit at the head and default settings otherwise.
fn commits_of_git(repository: &Path) -> Vec<ComparedCommit> {
    let run = |more: &[&str], format: &str| {
        let mut log = git(repository);
        log.args([
            "--attr-source=HEAD",
            "--no-replace-objects",
            "log",
            "-z",
            "-M",
            "--no-abbrev",
        ])
        .arg("--encoding=UTF-8")
        .args(more)
        .arg(format!("--format=%x01{format}%x03"));
        stdout_of(&mut log)
    };
    let numbers = run(&["--numstat"], "%H");
    let raw = run(&["--raw"], "%H");
    let heads = run(
        &["--no-patch"],
        "%H%x02%P%x02%at%x02%ct%x02%an%x02%ae%x02%cn%x02%ce%x02%s%x02%b",
    );
    let numbers = by_commit(&numbers);
    let raw = by_commit(&raw);
    let heads = heads.split(|byte| *byte == 1).skip(1);
    let expected = heads.map(|head| {
        let end = head.iter().rposition(|byte| *byte == 3).unwrap();
        let parts: Vec<&[u8]> = head[..end].split(|byte| *byte == 2).collect();
        let part = |index: usize| to_unique_text(parts[index]);
        let id = part(0);
        let files = lines(numbers[id.as_bytes()], raw[id.as_bytes()]);
        ComparedCommit {
            parents: part(1)
                .split_whitespace()
                .map(ToString::to_string)
                .collect(),
            authored: part(2).parse().unwrap_or(0),
            committed: part(3).parse().unwrap_or(0),
            names: [part(4), part(5), part(6), part(7)],
            subject: to_text(parts[8]),
            body: to_text(parts[9].trim_ascii_end()),
            id,
            files,
        }
    });
    expected.collect()
}

/// The output that follows each commit's id.
fn by_commit(output: &[u8]) -> HashMap<&[u8], &[u8]> {
    let commits = output.split(|byte| *byte == 1).skip(1);
    commits
        .map(|commit| {
            let end = commit.iter().position(|byte| *byte == 3).unwrap();
            (&commit[..end], &commit[end + 1..])
        })
        .collect()
}

fn lines(numbers: &[u8], raw: &[u8]) -> Vec<ComparedFile> {
    let mut raw = fields(raw);
    let mut numbers = fields(numbers);
    let mut lines = Vec::new();
    while let Some(status) = raw.next() {
        // :100644 100644 <id> <id> R086
        let status = String::from_utf8(status.to_vec()).unwrap();
        let words: Vec<&str> = status.trim_start_matches(':').split(' ').collect();
        let is_renamed = words[4].starts_with('R');
        let old_path = is_renamed.then(|| raw.next().unwrap());
        let path = raw.next().unwrap();
        let number = numbers.next().unwrap();
        let mut number = number.splitn(3, |byte| *byte == b'\t');
        let count = |part: &[u8]| std::str::from_utf8(part).unwrap().parse::<u64>().ok();
        let counts = count(number.next().unwrap()).zip(count(number.next().unwrap()));
        let numbered_path = match number.next().unwrap() {
            b"" => {
                assert_eq!(numbers.next(), old_path);
                numbers.next().unwrap()
            }
            path => path,
        };
        assert_eq!(numbered_path, path);
        lines.push(ComparedFile {
            path: to_unique_text(path),
            old_path: old_path.map(to_unique_text),
            change: change(words[4]).to_string(),
            lines: counts,
            is_submodule: words[0] == "160000" || words[1] == "160000",
        });
    }
    assert_eq!(numbers.next(), None);
    lines
}

/// The text between NUL characters; git puts a line feed before the first field.
fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_prefix(b"\0").unwrap_or(text);
    let text = text.strip_prefix(b"\n").unwrap_or(text);
    text.split(|byte| *byte == 0)
        .filter(|field| !field.is_empty())
}

fn change(letter: &str) -> &str {
    match &letter[..1] {
        "A" => "added",
        "M" => "modified",
        "D" => "deleted",
        "R" => "renamed",
        "T" => "type_changed",
        other => panic!("unexpected status {other}"),
    }
}
