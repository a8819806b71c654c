//! The entries of the archive: jobs with their runs, and folders that are not runs.

use crate::words::{clean, encode};
use jiff::{Timestamp, civil::Date};
use retrocast_run::RunSummary;
use std::path::PathBuf;

/// A run in its folder.
#[derive(Debug)]
pub(crate) struct RunEntry {
    /// Names of the job's, the window's and the run's folder.
    pub names: [String; 3],
    pub folder: PathBuf,
    pub summary: RunSummary,
    /// True if a later run covers the same window.
    pub superseded: bool,
}

/// A job with its runs, newest first.
#[derive(Debug)]
pub(crate) struct JobEntry {
    pub folder_name: String,
    pub title: String,
    pub runs: Vec<RunEntry>,
}

/// A folder among the runs that is not a readable run.
#[derive(Debug)]
pub(crate) struct InvalidEntry {
    pub job: String,
    pub path: String,
    pub reason: String,
}

impl RunEntry {
    /// The relative link to its folder from the root of the archive, with a final slash.
    pub(crate) fn href(&self) -> String {
        let parts = self.names.iter().map(|name| format!("{}/", encode(name)));
        parts.collect()
    }

    /// The headline, or the reason why there is none.
    pub(crate) fn headline(&self) -> String {
        match self.summary.headline.trim() {
            "" => clean(self.summary.error.as_deref().unwrap_or(""), 320),
            headline => clean(headline, 320),
        }
    }
}

impl JobEntry {
    /// Sorts the runs and marks those that a later run of the same window replaces.
    pub(crate) fn new(folder_name: String, mut runs: Vec<RunEntry>) -> Self {
        let key = |run: &RunEntry| {
            let summary = &run.summary;
            (summary.date, summary.started, run.names.clone())
        };
        runs.sort_by_key(|run| std::cmp::Reverse(key(run)));
        let mut windows_with_report: Vec<String> = Vec::new();
        for run in &mut runs {
            run.superseded = windows_with_report.contains(&run.names[1]);
            // A run without a report replaces no other.
            if run.summary.status.has_reports() && !run.superseded {
                windows_with_report.push(run.names[1].clone());
            }
        }
        let run_title = runs
            .iter()
            .map(|run| run.summary.title.trim())
            .find(|title| !title.is_empty());
        let title = run_title.unwrap_or(&folder_name).to_string();
        Self {
            folder_name,
            title,
            runs,
        }
    }

    /// The title for a page.
    pub(crate) fn display_title(&self) -> String {
        clean(&self.title, 200)
    }

    /// Date and start of the newest run.
    pub(crate) fn newest(&self) -> Option<(Option<Date>, Option<Timestamp>)> {
        let newest = self.runs.first()?;
        Some((newest.summary.date, newest.summary.started))
    }
}
