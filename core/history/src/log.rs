//! Parses commits and the files they change from the output of `git diff-tree --stdin`.

use crate::{
    HistoryError,
    text::{to_text, to_unique_text},
};
use jiff::Timestamp;
use std::{
    io::{self, BufRead, ErrorKind},
    process::Command,
};

/// The start of the fields of a commit, which distinguishes them from the fields of its files.
const START: &[u8] = b"commit ";

/// Options for every setting that affects a figure, with the defaults of `git log`.
const ARGUMENTS: [&str; 16] = [
    "diff-tree",
    "--stdin",
    "--root",
    "--always",
    "--diff-merges=off",
    "-r",
    "-z",
    "--raw",
    "--numstat",
    "--find-renames=50%",
    "-l1000",
    "--diff-algorithm=myers",
    "--ignore-submodules=none",
    "--no-ext-diff",
    "--no-textconv",
    "--encoding=UTF-8",
];
const FORMAT: &str =
    "--format=tformat:commit %H%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%s%x00%b";

/// Adds options that print the commits whose ids are on standard input, in their order. Merges have
/// no files; the `.gitattributes` in the index apply to all.
pub fn arguments(mut command: Command) -> Command {
    command
        // Buffered output is cheaper than one write per commit.
        .env("GIT_FLUSH", "0")
        // Otherwise glibc returns the memory of each large file to the kernel, which takes a
        // quarter of the time.
        .env("MALLOC_TRIM_THRESHOLD_", "134217728")
        .args(ARGUMENTS)
        .arg(FORMAT);
    command
}

/// A commit.
#[derive(Debug)]
pub struct Commit {
    pub id: String,
    pub parents: Vec<String>,
    pub author: Person,
    pub committer: Person,
    /// The first paragraph, in one line.
    pub subject: String,
    pub body: String,
    /// Changed files by path; none for a merge.
    pub files: Vec<FileChange>,
}

/// Author or committer, with the time.
#[derive(Debug)]
pub struct Person {
    pub name: String,
    pub email: String,
    pub time: Timestamp,
}

/// A file that a commit changes.
#[derive(Debug)]
pub struct FileChange {
    pub path: Vec<u8>,
    /// The old path, for a rename.
    pub old_path: Option<Vec<u8>>,
    /// The change as in a record, such as "added".
    pub change: &'static str,
    /// Lines added and deleted; `None` for a binary file.
    pub lines: Option<(u64, u64)>,
    /// True if one side is a commit of another repository.
    pub is_submodule: bool,
}

/// Seconds since 1970, from a commit. A missing or impossible time becomes 1970-01-01.
pub fn timestamp(digits: &[u8]) -> Timestamp {
    number(digits)
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Parses commits to the end of the output, and passes them to `each`. A truncated commit is left
/// out.
pub fn read(
    output: &mut dyn BufRead,
    each: impl FnMut(&Commit) -> Result<(), HistoryError>,
) -> Result<(), HistoryError> {
    let fields = Fields {
        output,
        field: Vec::new(),
    };
    match fields.for_each_commit(each) {
        Err(HistoryError::Output(error)) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        result => result,
    }
}

/// The fields between NUL characters.
struct Fields<'a> {
    output: &'a mut dyn BufRead,
    /// The field that was read last.
    field: Vec<u8>,
}

impl Fields<'_> {
    /// Reads the next field; returns false at the end of the output.
    fn advance(&mut self) -> Result<bool, HistoryError> {
        self.field.clear();
        self.output.read_until(0, &mut self.field)?;
        let end = self.field.pop();
        // Git prints a line feed before the first file of a commit.
        if self.field.starts_with(b"\n:") {
            self.field.remove(0);
        }
        match end {
            Some(0) => Ok(true),
            Some(_) => Err(unexpected_end()),
            None => Ok(false),
        }
    }

    /// Reads and returns the next field; an error at the end of the output.
    fn next_field(&mut self) -> Result<Vec<u8>, HistoryError> {
        if self.advance()? {
            return Ok(std::mem::take(&mut self.field));
        }
        Err(unexpected_end())
    }

    fn unexpected_output(&self) -> HistoryError {
        let field = to_text(&self.field);
        io::Error::other(format!("unexpected output of git: {field:?}")).into()
    }

    fn for_each_commit(
        mut self,
        mut each: impl FnMut(&Commit) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        let mut more = self.advance()?;
        while more {
            let mut commit = self.commit()?;
            let mut counted = 0;
            loop {
                more = self.advance()?;
                match self.field.first() {
                    Some(b':') if more => commit.files.push(self.file()?),
                    Some(b'0'..=b'9' | b'-') if more => {
                        // The files appear a second time, in the same order, with their line
                        // counts.
                        self.read_line_counts(commit.files.get_mut(counted))?;
                        counted += 1;
                    }
                    _ => break,
                }
            }
            if counted != commit.files.len() {
                // The output is truncated or unexpected.
                return if more {
                    Err(self.unexpected_output())
                } else {
                    Ok(())
                };
            }
            // Git prints them in the order of the tree, which an unusual program may have written
            // unsorted.
            commit.files.sort_by(|a, b| a.path.cmp(&b.path));
            each(&commit)?;
        }
        Ok(())
    }

    /// Parses the fields of a commit, after the first.
    fn commit(&mut self) -> Result<Commit, HistoryError> {
        let Some(id) = self.field.strip_prefix(START) else {
            return Err(self.unexpected_output());
        };
        let id = to_text(id);
        let parents = to_text(&self.next_field()?);
        Ok(Commit {
            id,
            parents: parents.split_whitespace().map(str::to_string).collect(),
            author: self.person()?,
            committer: self.person()?,
            subject: to_text(&self.next_field()?),
            body: to_text(self.next_field()?.trim_ascii_end()),
            files: Vec::new(),
        })
    }

    fn person(&mut self) -> Result<Person, HistoryError> {
        Ok(Person {
            name: to_unique_text(&self.next_field()?),
            email: to_unique_text(&self.next_field()?),
            time: timestamp(&self.next_field()?),
        })
    }

    /// Parses `:100644 100644 1a2b… 3c4d… M` and the path; for a rename, the old and the new path.
    fn file(&mut self) -> Result<FileChange, HistoryError> {
        let mut words = self.field[1..].split(|byte| *byte == b' ');
        let is_submodule = words.by_ref().take(2).any(|mode| mode == b"160000");
        let status = self.field.rsplit(|byte| *byte == b' ').next();
        let change = match status.and_then(<[u8]>::first) {
            Some(b'A') => "added",
            Some(b'M') => "modified",
            Some(b'D') => "deleted",
            Some(b'R') => "renamed",
            Some(b'T') => "type_changed",
            _ => return Err(self.unexpected_output()),
        };
        Ok(FileChange {
            old_path: (change == "renamed")
                .then(|| self.next_field())
                .transpose()?,
            path: self.next_field()?,
            change,
            lines: None,
            is_submodule,
        })
    }

    /// Parses `12 TAB 3 TAB path`, with `-` for both numbers of a binary file; for a rename, both
    /// paths follow.
    fn read_line_counts(&mut self, file: Option<&mut FileChange>) -> Result<(), HistoryError> {
        let mut parts = self.field.splitn(3, |byte| *byte == b'\t');
        let mut lines = || parts.next().and_then(number);
        let lines = lines().zip(lines());
        let mut path = parts.next().unwrap_or_default().to_vec();
        if path.is_empty() {
            self.next_field()?;
            path = self.next_field()?;
        }
        match file {
            Some(file) if file.path == path => file.lines = lines,
            _ => return Err(self.unexpected_output()),
        }
        Ok(())
    }
}

fn unexpected_end() -> HistoryError {
    io::Error::from(ErrorKind::UnexpectedEof).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "commit 1\0\x302 3\0A\0a@x\x0012\0C\0c@x\x0013\0one\0body\n\0";

    /// The commits in an output, with the line counts of their files; or the error.
    fn parse(output: &str) -> Result<Vec<String>, String> {
        let mut commits = Vec::new();
        let result = read(&mut output.as_bytes(), |commit| {
            let lines = |file: &FileChange| format!(" {:?}", file.lines);
            let files: String = commit.files.iter().map(lines).collect();
            commits.push(format!("{}{files}", commit.id));
            Ok(())
        });
        result.map(|()| commits).map_err(|error| error.to_string())
    }

    #[test]
    fn truncated_commits_are_left_out() {
        let files = "\n:000000 100644 0 1 A\0a\0:0 100644 0 1 R90\0b\0c\x001\t2\ta\0-\t-\t\0b\0c\0";
        let whole = format!("{HEAD}{files}{HEAD}");
        let expected = ["1 Some((1, 2)) None", "1"].map(str::to_string);
        assert_eq!(parse(&whole), Ok(expected.to_vec()));
        for length in 0..whole.len() {
            let commits = parse(&whole[..length]).unwrap();
            // Without its files a commit looks complete; git's exit status shows that it is not.
            let is_prefix = commits.is_empty() || commits == expected[..1];
            assert!(is_prefix || length == HEAD.len(), "{length}: {commits:?}");
        }
    }

    #[test]
    fn unexpected_output_is_an_error() {
        for invalid in [
            "x\0",
            "\n:0 0 0 1 U\0a\0",
            "1\t2\tb\0",
            "\n:0 0 0 1 A\0a\x001\t2\tb\0",
        ] {
            let error = parse(&format!("{HEAD}{invalid}")).unwrap_err();
            assert!(
                error.contains("unexpected output of git"),
                "{invalid:?}: {error}"
            );
        }
    }

    #[test]
    fn invalid_times_become_1970() {
        assert_eq!(timestamp(b"12").as_second(), 12);
        for invalid in ["", "-5", "x", "99999999999999", "99999999999999999999"] {
            assert_eq!(
                timestamp(invalid.as_bytes()),
                Timestamp::UNIX_EPOCH,
                "{invalid}"
            );
        }
    }
}
