//! Published key figures and their restatements.

use super::{
    Ledger, LedgerTable, PublishedRun, newest_by_window,
    schema::{KPIS, PUBLICATION, RESTATEMENTS, RUNS},
};
use crate::{
    dataset::{Scan, TimeLimit},
    error::StoreError,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};

/// A key figure as a run published it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PublishedFigure {
    /// The publication of the run.
    pub publication: String,
    /// Stage of the figure.
    pub stage: String,
    /// Name of the figure.
    pub metric: String,
    /// Its value; `None` without records.
    pub value: Option<f64>,
    /// Hash of the stage's params; `None` for figures that are not compared with later runs.
    pub definition: Option<String>,
    /// Hash of the config of all nodes that it reads.
    pub input_definition: Option<String>,
    /// Hash of the version of its code.
    pub code: Option<String>,
    /// Hash of the versions of the code of all nodes that it reads.
    pub input_code: Option<String>,
}

/// The program and the datasets of a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PublishedInputs {
    /// The publication of the run.
    pub publication: String,
    /// Version of the program.
    #[serde(default)]
    pub build: String,
    /// Its datasets, as `NAME@VERSION`, separated by spaces.
    #[serde(default)]
    pub datasets: String,
}

impl PublishedInputs {
    /// The version of each dataset.
    pub fn versions(&self) -> BTreeMap<String, u64> {
        let datasets = self.datasets.split(' ');
        datasets
            .filter_map(|dataset| {
                let (name, version) = dataset.split_once('@')?;
                Some((name.to_string(), version.parse().ok()?))
            })
            .collect()
    }
}

/// A restated figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedRestatement {
    /// Label of the window of the run that restated it.
    pub window: String,
    /// Start of that window.
    pub window_start: Timestamp,
    /// The run that restated it.
    pub run: String,
    /// Time at which that run finished.
    pub finished: Timestamp,
    /// Stage of the figure.
    pub stage: String,
    /// Label of the earlier window.
    pub of_window: String,
    /// Name of the figure.
    pub metric: String,
    /// Unit of the values.
    pub unit: String,
    /// The published value.
    pub value_from: Option<f64>,
    /// The value that the run found.
    pub value_to: Option<f64>,
    /// The run that published the value: "2026-W45/1a2b3c4d".
    pub published_by: String,
    /// Causes in words.
    pub why: String,
    /// Causes as JSON: kind, part of the change and number of records.
    #[serde(default)]
    pub causes: String,
    /// The publication of the run.
    #[serde(skip_serializing)]
    pub publication: String,
}

impl Ledger {
    /// The key figures that `runs` published.
    pub async fn figures(&self, runs: &[String]) -> Result<Vec<PublishedFigure>, StoreError> {
        self.rows_of(&KPIS, runs).await
    }

    /// Program and datasets of `runs`.
    pub async fn inputs(&self, runs: &[String]) -> Result<Vec<PublishedInputs>, StoreError> {
        self.rows_of(&RUNS, runs).await
    }

    /// The restatements by `runs`.
    pub async fn restatements_by(
        &self,
        runs: &[String],
    ) -> Result<Vec<PublishedRestatement>, StoreError> {
        self.rows_of(&RESTATEMENTS, runs).await
    }

    /// The runs on `windows`.
    pub async fn runs_on(&self, windows: &[String]) -> Result<Vec<PublishedRun>, StoreError> {
        self.rows_with(&RUNS, "window", windows).await
    }

    /// The restatements by the newest run of each window that starts at `since` or later, the oldest
    /// window first.
    pub async fn restatements(
        &self,
        since: Option<Timestamp>,
    ) -> Result<Vec<PublishedRestatement>, StoreError> {
        let scan = Scan {
            from: since.map(|since| TimeLimit {
                column: "window_start".to_string(),
                end: since,
                timezone: "UTC".to_string(),
            }),
            ..Scan::default()
        };
        let mut restatements: Vec<PublishedRestatement> =
            self.rows_in(&RESTATEMENTS, &scan).await?;
        if restatements.is_empty() {
            return Ok(restatements);
        }
        // Only the windows of these runs matter.
        let windows: BTreeSet<String> = restatements
            .iter()
            .map(|restatement| restatement.window.clone())
            .collect();
        let windows: Vec<String> = windows.into_iter().collect();
        let runs = self.runs_on(&windows).await?;
        let newest = newest_by_window(runs, |_| true).into_iter();
        let newest: BTreeSet<String> = newest.map(|run| run.publication).collect();
        restatements.retain(|restatement| newest.contains(&restatement.publication));
        restatements.sort_by_key(|restatement| restatement.window_start);
        Ok(restatements)
    }

    /// The rows of `runs`.
    async fn rows_of<T: DeserializeOwned>(
        &self,
        table: &LedgerTable,
        runs: &[String],
    ) -> Result<Vec<T>, StoreError> {
        self.rows_with(table, PUBLICATION, runs).await
    }

    /// The rows whose text in `column` is among `texts`, in the order of appending.
    pub(super) async fn rows_with<T: DeserializeOwned>(
        &self,
        table: &LedgerTable,
        column: &str,
        texts: &[String],
    ) -> Result<Vec<T>, StoreError> {
        let scan = Scan {
            matching: Some((column.to_string(), texts.to_vec())),
            ..Scan::default()
        };
        self.rows_in(table, &scan).await
    }
}
