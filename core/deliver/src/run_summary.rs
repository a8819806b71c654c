//! `run.json`: what the archive needs to know of a run without opening its report.

use crate::Error;
use retrocast_run::RunStatus;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One run, as its folder's `run.json` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Identity of the run; also the name of its folder.
    pub run: String,
    /// Name of the job.
    pub job: String,
    /// Title of the job.
    #[serde(default)]
    pub title: String,
    /// Label of the window, such as "2026-W46".
    pub window: String,
    /// The window in words.
    #[serde(default)]
    pub period: String,
    /// Date the run was made for, ISO.
    #[serde(default)]
    pub date: String,
    /// How far it came.
    pub status: RunStatus,
    /// The sentence to read first: the first headline, or the verdict.
    #[serde(default)]
    pub headline: String,
    /// When it started, RFC 3339.
    #[serde(default)]
    pub started: String,
    /// When it ended, RFC 3339.
    #[serde(default)]
    pub finished: Option<String>,
    /// Nodes whose outcome was reused.
    #[serde(default)]
    pub reused: u64,
    /// Nodes that were executed.
    #[serde(default)]
    pub executed: u64,
    /// The run of which this is a rerun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Why it did not finish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl RunSummary {
    /// Name of the file in a run folder.
    pub const FILE: &'static str = "run.json";

    /// Reads the summary of a run folder.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(Self::FILE);
        let text = std::fs::read(&path).map_err(|source| Error::File {
            what: "read",
            path: path.clone(),
            source,
        })?;
        serde_json::from_slice(&text).map_err(|source| Error::Summary { path, source })
    }

    /// Writes the summary into a run folder, which must exist; a reader never sees half a file.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, Error> {
        let path = folder.join(Self::FILE);
        let mut text = serde_json::to_string_pretty(self).map_err(|source| Error::Summary {
            path: path.clone(),
            source,
        })?;
        text.push('\n');
        replace(&path, &text)?;
        Ok(path)
    }
}

/// Writes a file beside its place and moves it there.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let error = |source| Error::File {
        what: "write",
        path: path.to_path_buf(),
        source,
    };
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|source| {
        // What could not be written or moved must not stay behind as rubbish.
        let _ = std::fs::remove_file(&part);
        error(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let summary: RunSummary = serde_json::from_str(
            r#"{"run":"r1","job":"weekly","window":"2026-W46","status":"partial"}"#,
        )
        .unwrap();
        let path = summary.write(folder.path()).unwrap();
        assert_eq!(path.file_name().unwrap(), "run.json");
        assert_eq!(RunSummary::read(folder.path()).unwrap(), summary);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unknown_status_is_refused_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"run":"r1","job":"weekly","window":"2026-W46","status":"splendid"}"#;
        std::fs::write(folder.path().join("run.json"), text).unwrap();
        let error = RunSummary::read(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("run.json") && error.contains("splendid"),
            "{error}"
        );
    }
}
