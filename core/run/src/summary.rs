//! The summary of a run in `run.json`, which the archive reads instead of the report.

use crate::{
    Error, EventKind, Journal, RecordedPlan, RunStatus,
    files::{REPORT, SUMMARY, json_text, read_json, write_whole},
};
use jiff::{Timestamp, civil::Date};
use retrocast_domain::Report;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// The summary of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Id of the run; also the name of its folder.
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
    /// Date of the run.
    #[serde(default, with = "or_empty")]
    pub date: Option<Date>,
    /// Status at the end of the run.
    pub status: RunStatus,
    /// The first headline, or else the verdict.
    #[serde(default)]
    pub headline: String,
    /// Start time.
    #[serde(default, with = "or_empty")]
    pub started: Option<Timestamp>,
    /// End time.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// Nodes whose outcome was reused.
    #[serde(default)]
    pub reused: u64,
    /// Nodes that were executed.
    #[serde(default)]
    pub executed: u64,
    /// Id of the run that this run repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The error that prevented the run from finishing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl RunSummary {
    /// Reads the summary in a run's folder.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        read_json(folder.join(SUMMARY))
    }

    /// Finds the status of a run in its summary, else in its journal and the lock on it.
    pub fn status_of(folder: &Path) -> Result<RunStatus, Error> {
        match Self::read(folder) {
            // A process may have died after its run ended, but before the summary recorded that.
            Ok(summary) if summary.status != RunStatus::Running => Ok(summary.status),
            _ => {
                let events = Journal::read_or_empty(folder)?;
                Ok(Journal::status(folder, &events))
            }
        }
    }

    /// Writes the summary atomically into a run's folder, which must exist.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(SUMMARY);
        let written = json_text(self).and_then(|text| write_whole(&path, &text));
        written.map_err(|source| Error::File {
            action: "write",
            path,
            source,
        })
    }

    /// Summarises a run's plan, journal and report. The summary depends on nothing else, so it is
    /// the same if another process writes it because this one died.
    pub fn of(folder: &Path) -> Result<Self, Error> {
        let RecordedPlan { plan, origin } = RecordedPlan::read(folder)?;
        let events = Journal::read(folder)?;
        let end = events
            .iter()
            .rfind(|event| event.event == EventKind::RunFinished);
        let node_events = events.iter().filter(|event| event.event.is_of_node());
        let last_events: BTreeMap<&str, EventKind> = node_events
            .filter_map(|event| Some((event.node.as_deref()?, event.event)))
            .collect();
        let count = |kind| last_events.values().filter(|last| **last == kind).count() as u64;
        // The first node that failed and did not succeed when the run was resumed.
        let error = events.iter().find_map(|event| {
            let (node, message) = (event.node.as_deref()?, event.message.as_deref()?);
            let last = last_events.get(node);
            let failed = [Some(&event.event), last] == [Some(&EventKind::NodeFailed); 2];
            failed.then(|| format!("{node}: {message}"))
        });
        let report: Option<Report> = read_json(folder.join(REPORT)).ok();
        let headline = report.map(|report| match report.headlines.first() {
            Some(finding) => finding.sentence.clone(),
            None => report.verdict,
        });
        Ok(Self {
            headline: headline.or_else(|| error.clone()).unwrap_or_default(),
            period: plan.window.words(),
            status: Journal::status(folder, &events),
            started: events.first().map(|event| event.time),
            finished: end.map(|event| event.time),
            reused: count(EventKind::NodeReused),
            executed: count(EventKind::NodeFinished),
            parent: origin.parent,
            error,
            title: plan.title,
            date: Some(plan.date),
            run: origin.run,
            job: plan.job,
            window: plan.label,
        })
    }
}

/// An optional value as text; `None` is an empty text, and an unparsable text is `None`.
mod or_empty {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::{fmt::Display, str::FromStr};

    #[expect(clippy::ref_option, reason = "serde passes fields like this")]
    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(String::deserialize(deserializer)?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_summaries_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let summary: RunSummary = serde_json::from_str(
            r#"{"run":"r1","job":"weekly","window":"2026-W46","status":"partial"}"#,
        )
        .unwrap();
        summary.write(folder.path()).unwrap();
        assert!(folder.path().join("run.json").is_file());
        assert_eq!(RunSummary::read(folder.path()).unwrap(), summary);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn unknown_statuses_are_errors_with_the_path() {
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
