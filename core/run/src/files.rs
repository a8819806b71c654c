//! The files of a run's folder: names, reading and writing.

use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The plan of the run, as executed.
pub const PLAN: &str = "plan.json";
/// The copy of the job file.
pub const JOB: &str = "job.toml";
/// The journal: one event per line, as JSON.
pub const JOURNAL: &str = "journal.jsonl";
/// The folder of cells.
pub const CELLS: &str = "cells";
/// The findings of all stages.
pub const FINDINGS: &str = "findings.json";
/// The contents of the first report.
pub const REPORT: &str = "report.json";
/// The hashes of the other files, for `b3sum --check`.
pub const CHECKSUMS: &str = "checksums.b3";
/// The summary. It is written last: if it exists, the other files do, too.
pub const SUMMARY: &str = "run.json";
/// The page that describes a failed run.
pub const FAILURE_PAGE: &str = "failure.html";
/// The failure report as text, for a mail.
pub const FAILURE_TEXT: &str = "failure.txt";
/// The results of the run as a script, which the archive's pages read. It is kept when the run's
/// other files are removed.
pub const RESULTS: &str = "run.js";
/// The pin of a run whose files are kept, with the reason.
pub const PIN: &str = "pin.json";
/// The tombstone of a run whose files were removed: what was removed, when and why.
pub const TOMBSTONE: &str = "removed.json";
/// Prefix of files that record sent alerts. They are not results of the run, and are kept when it
/// is resumed, so that no alert is sent twice.
pub const ALERT: &str = "alert.";
/// Prefix of files that record sent mail, which are not results of the run either.
pub const DELIVERIES: &str = "deliveries.";

/// Returns true if a file of a run's folder records sent mail. Such files change after the run, and
/// are kept when it is resumed.
pub fn is_mail(name: &str) -> bool {
    [ALERT, DELIVERIES]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Returns true for the pages of an archive, and the scripts and styles that they load, by path
/// from the root of the archive: they are derived from the runs' folders, `<job>/<window>/<run>/`.
pub fn is_page(path: &str) -> bool {
    path.split('/').count() < 4 || path.ends_with("/index.html")
}

/// Path of a chart's picture in the run's folder, from the chart's id. An id may contain names of
/// groups from records.
pub fn chart_file(id: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '-'
        }
    };
    format!("charts/{}.svg", id.chars().map(safe).collect::<String>())
}

/// An error in a file of a run's folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The content of a file is invalid.
    #[error("{} is invalid: {source}", path.display())]
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

/// Pretty-printed JSON, as in the files of a run's folder.
pub fn json_text<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

/// Writes a JSON file atomically.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    write_whole(path, &json_text(value)?)
}

/// Writes a file atomically, and creates its folder if necessary. After an error the temporary file
/// is removed.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".part-{}-{n}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = write_with_folder(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// Writes a file, and creates its folder if it is missing.
pub fn write_with_folder(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match (fs::write(path, bytes), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            fs::write(path, bytes)
        }
        (written, _) => written,
    }
}
