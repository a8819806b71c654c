//! The files of a run's folder: their names, and how they are read and written.

use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Name of the plan.
pub const PLAN: &str = "plan.json";
/// Name of the job file's copy.
pub const JOB: &str = "job.toml";
/// Name of the journal.
pub const JOURNAL: &str = "journal.jsonl";
/// Name of the folder of cells.
pub const CELLS: &str = "cells";
/// Name of the findings of all stages.
pub const FINDINGS: &str = "findings.json";
/// Name of the report that was laid out.
pub const REPORT: &str = "report.json";
/// Name of the hashes of the other files; `b3sum --check` reads it.
pub const CHECKSUMS: &str = "checksums.b3";
/// Name of the summary. It is written last: if it exists, the other files do, too.
pub const SUMMARY: &str = "run.json";
/// The page on what failed.
pub const FAILURE_PAGE: &str = "failure.html";
/// The same as a text for a mail.
pub const FAILURE_TEXT: &str = "failure.txt";
/// Prefix of files that record sent alerts. They are not results of the run, and stay when it is
/// resumed: no alert is sent twice.
pub const ALERT: &str = "alert.";
/// Begins the names of files that say which mail was sent. They too are no part of what the run made.
pub const DELIVERIES: &str = "deliveries.";

/// Tells whether a file of a run's folder is about mail that was sent. Such files change after the run, and
/// stay when it is resumed.
pub fn is_mail(name: &str) -> bool {
    [ALERT, DELIVERIES]
        .iter()
        .any(|start| name.starts_with(start))
}

/// The drawing of a chart, by its id, as a path in the run's folder. Stages name charts, but groups in
/// records may be part of an id.
pub fn chart_file(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '-'
        }
    };
    format!("charts/{}.svg", id.chars().map(plain).collect::<String>())
}

/// An unusable file of a run's folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It does not hold what the program writes.
    #[error("{} cannot be understood: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
}

impl Error {
    /// The kind of an error of the file system.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::File { source, .. } => Some(source.kind()),
            Self::Content { .. } => None,
        }
    }

    /// Returns true if the file does not exist.
    pub fn is_missing(&self) -> bool {
        self.io_kind() == Some(io::ErrorKind::NotFound)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::File { source, .. } => source,
            Error::Content { source, .. } => source.into(),
        }
    }
}

/// Reads the bytes of a file.
pub(crate) fn read_bytes(path: PathBuf) -> Result<Vec<u8>, Error> {
    fs::read(&path).map_err(|source| Error::File {
        action: "read",
        path,
        source,
    })
}

/// Reads a JSON file.
pub fn read_json<T: DeserializeOwned>(path: PathBuf) -> Result<T, Error> {
    let text = read_bytes(path.clone())?;
    serde_json::from_slice(&text).map_err(|source| Error::Content { path, source })
}

/// JSON in a form people can read, as the files of a run's folder have it.
pub fn json_text<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

/// Writes a JSON file at once or not at all.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    write_whole(path, &json_text(value)?)
}

/// Writes a file at once or not at all, with the folders it needs. A part that could not be written
/// is removed.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".part-{}-{n}", std::process::id()));
    let part = PathBuf::from(part);
    let written = write_with_folder(&part, bytes).and_then(|()| fs::rename(&part, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

/// Writes a file, and makes its folder when it turns out to be missing.
pub fn write_with_folder(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match (fs::write(path, bytes), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            fs::write(path, bytes)
        }
        (written, _) => written,
    }
}
