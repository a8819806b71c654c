//! Repositories created with `git` in temporary folders.

use crate::{HistoryError, Repository, RepositoryUri};
use serde_json::Value;
use std::{
    ffi::OsStr,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
};

/// A cancellation flag that is never set.
pub static NOT_CANCELLED: AtomicBool = AtomicBool::new(false);

/// Returns a `git` command that ignores the configuration of this machine.
pub fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE");
    command
}

/// Runs a command, which must succeed, and returns its standard output.
pub fn stdout_of(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// A repository with a worktree.
pub struct Fixture {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
    /// Time of the next commit, in seconds since 1970.
    pub now: i64,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with_arguments(&[])
    }

    /// Creates a repository with more arguments for `git init`.
    pub fn with_arguments(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("repo");
        let mut init = git(folder.path());
        init.args(["init", "-q", "-b", "main"])
            .args(arguments)
            .arg(&path);
        stdout_of(&mut init);
        Self {
            _folder: folder,
            path,
            now: 1_700_000_000,
        }
    }

    /// Runs git and returns the first line of its output.
    pub fn git(&self, arguments: &[&str]) -> String {
        let text = stdout_of(self.command().args(arguments));
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().next().unwrap_or("").to_string()
    }

    pub fn command(&self) -> Command {
        let mut command = git(&self.path);
        let date = format!("{} +0130", self.now);
        command
            .env("GIT_AUTHOR_NAME", "Ann Author")
            .env("GIT_AUTHOR_EMAIL", "ann@example.org")
            .env("GIT_COMMITTER_NAME", "Cem Committer")
            .env("GIT_COMMITTER_EMAIL", "cem@example.org")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date);
        command
    }

    pub fn write(&self, path: impl AsRef<[u8]>, contents: impl AsRef<[u8]>) -> &Self {
        let path = self.path.join(OsStr::from_bytes(path.as_ref()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
        self
    }

    pub fn remove(&self, path: &str) -> &Self {
        let path = self.path.join(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
        self
    }

    pub fn rename(&self, from: &str, to: &str) -> &Self {
        let to = self.path.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(self.path.join(from), to).unwrap();
        self
    }

    /// Commits everything, one hour after the previous commit, and returns the id.
    pub fn commit(&mut self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.commit_index(message)
    }

    /// Commits the index and returns the id.
    pub fn commit_index(&mut self, message: &str) -> String {
        self.git(&[
            "commit",
            "-q",
            "--allow-empty",
            "--allow-empty-message",
            "-m",
            message,
        ]);
        self.now += 3600;
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes an object with any bytes, and returns its id.
    pub fn object(&self, kind: &str, bytes: &[u8]) -> String {
        let mut command = self.command();
        command
            .args(["hash-object", "-w", "--literally", "--stdin", "-t", kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    pub fn uri(&self, suffix: &str) -> String {
        format!("git+file://{}{suffix}", self.path.display())
    }

    pub fn records(&self, suffix: &str) -> Vec<Value> {
        records(&self.uri(suffix)).unwrap()
    }

    /// Lists the files of a commit, each with its path, its change, and the lines added and
    /// deleted.
    pub fn files(&self, commit: &str) -> Vec<String> {
        let records = self.records("#file_changes");
        let files = records.iter().filter(|record| record["commit"] == commit);
        files.map(format_file).collect()
    }
}

/// Formats the record of a file as one line: `new < old renamed +1 -2`.
fn format_file(record: &Value) -> String {
    let path = record["path"].as_str().unwrap();
    let old = record["old_path"]
        .as_str()
        .map_or(String::new(), |old| format!(" < {old}"));
    let lines = match record["lines_added"].as_u64() {
        Some(added) => format!("+{added} -{}", record["lines_deleted"]),
        None => "binary".to_string(),
    };
    format!("{path}{old} {} {lines}", record["change"].as_str().unwrap())
}

/// Reads the records of a URI, with an empty cache.
pub fn records(uri: &str) -> Result<Vec<Value>, HistoryError> {
    let cache = tempfile::tempdir().unwrap();
    let repository = Repository::open(&RepositoryUri::parse(uri)?, cache.path(), &NOT_CANCELLED)?;
    read_records(&repository)
}

/// Reads the records of a repository.
pub fn read_records(repository: &Repository) -> Result<Vec<Value>, HistoryError> {
    let mut out = Vec::new();
    let count = repository.write(&mut out, &NOT_CANCELLED)?;
    let records: Vec<Value> = out
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(records.len() as u64, count);
    Ok(records)
}

/// Reads the records of a URI, and returns the error.
pub fn error(uri: &str) -> String {
    records(uri).expect_err(uri).to_string()
}
