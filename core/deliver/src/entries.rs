//! The entries of the archive: jobs with their runs, and folders that are not runs.

use crate::{
    retention::{Pin, Tombstone},
    words::{clean, encode},
};
use jiff::{Timestamp, civil::Date};
use retrocast_run::{RunStatus, RunSummary};
use std::{collections::BTreeSet, path::PathBuf};

/// A run in its folder.
#[derive(Debug)]
pub(crate) struct RunEntry {
    /// Names of the job's, the window's and the run's folder.
    pub names: [String; 3],
    pub folder: PathBuf,
    pub summary: RunSummary,
    /// Hash of the summary.
    pub key: String,
    /// Set if its files are kept.
    pub pin: Option<Pin>,
    /// Set if its files were removed.
    pub tombstone: Option<Tombstone>,
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

    /// Hash of everything that pages show of the run, except its files.
    pub(crate) fn identity(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let flags = [
            self.superseded,
            self.pin.is_some(),
            self.tombstone.is_some(),
        ];
        for text in self.names.iter().chain([&self.key]) {
            hasher.update(text.as_bytes()).update(&[0]);
        }
        hasher.update(&flags.map(u8::from));
        hasher.finalize()
    }

    /// Returns true if it may still change.
    pub(crate) fn is_active(&self) -> bool {
        self.summary.status == RunStatus::Running
    }

    /// Year of its date, for paging; `undated` without a date.
    pub(crate) fn year(&self) -> String {
        let date = self.summary.date;
        date.map_or_else(
            || "undated".to_string(),
            |date| date.strftime("%Y").to_string(),
        )
    }

    /// The headline, or the reason why the run has no headline.
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
        let mut windows_with_report: BTreeSet<String> = BTreeSet::new();
        for run in &mut runs {
            run.superseded = windows_with_report.contains(&run.names[1]);
            // A run without a report does not replace another run.
            if run.summary.status.has_reports() {
                windows_with_report.insert(run.names[1].clone());
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

    /// The newest run with reports that were not removed.
    pub(crate) fn latest(&self) -> Option<&RunEntry> {
        self.runs.iter().find(|run| {
            run.summary.status.has_reports() && !run.superseded && run.tombstone.is_none()
        })
    }

    /// The runs by year, newest year first.
    pub(crate) fn years(&self) -> Vec<(String, Vec<&RunEntry>)> {
        let mut years: Vec<(String, Vec<&RunEntry>)> = Vec::new();
        for run in &self.runs {
            match years.last_mut().filter(|(name, _)| *name == run.year()) {
                Some((_, runs)) => runs.push(run),
                None => years.push((run.year(), vec![run])),
            }
        }
        years
    }

    /// Date and start of the newest run.
    pub(crate) fn newest(&self) -> Option<(Option<Date>, Option<Timestamp>)> {
        let newest = self.runs.first()?;
        Some((newest.summary.date, newest.summary.started))
    }
}
