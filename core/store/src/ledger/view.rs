//! Runs in the ledger, and the newest run of each window.

use super::{
    Improvement, Ledger, LedgerTable, register,
    schema::{IMPROVEMENTS, RUNS},
};
use crate::error::StoreError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A finished run in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedRun {
    /// Name of the job.
    pub job: String,
    /// Label of the window.
    pub window: String,
    /// Kind of the window, such as "week".
    pub window_kind: String,
    /// First moment of the window.
    pub window_start: Timestamp,
    /// First moment after the window.
    pub window_end: Timestamp,
    /// Id of the run.
    pub run: String,
    /// Time at which the run finished.
    pub finished: Timestamp,
    /// The permanent id of its rows, see [`super::Publication::new`]; empty before publication.
    #[serde(default)]
    pub publication: String,
}

impl PublishedRun {
    /// Returns the columns that all of its rows share.
    pub(super) fn columns(&self) -> Result<Map<String, Value>, StoreError> {
        let columns = serde_json::to_value(self).map_err(|error| write_error(&error))?;
        match columns {
            Value::Object(columns) => Ok(columns),
            _ => Ok(Map::new()),
        }
    }
}

pub(super) fn write_error(error: &serde_json::Error) -> StoreError {
    StoreError::Dataset {
        name: RUNS.dataset(),
        action: "written",
        reason: error.to_string(),
    }
}

impl Ledger {
    /// Returns all runs that are published completely, in order of publication.
    pub async fn runs(&self) -> Result<Vec<PublishedRun>, StoreError> {
        self.rows(&RUNS).await
    }

    /// Returns the keys of the current rows: the rows of the newest run of each window, the last change
    /// of each improvement, and all other events.
    pub async fn current_keys(&self, table: &LedgerTable) -> Result<Vec<String>, StoreError> {
        if table.published_by_runs {
            let runs = newest_by_window(self.runs().await?, |_| true);
            return Ok(runs.into_iter().map(|run| run.publication).collect());
        }
        if table.name == IMPROVEMENTS.name {
            let changes = self.improvements().await?;
            return Ok(register(&changes)
                .into_values()
                .map(Improvement::event)
                .collect());
        }
        Ok(self.keys(table).await?.into_iter().collect())
    }
}

/// Selects, for each window, the run that finished last among those that `is_visible` accepts. The
/// result is ordered by the end of the window.
pub fn newest_by_window(
    runs: Vec<PublishedRun>,
    is_visible: impl Fn(&PublishedRun) -> bool,
) -> Vec<PublishedRun> {
    let mut windows: BTreeMap<(Timestamp, Timestamp, String), PublishedRun> = BTreeMap::new();
    for run in runs.into_iter().filter(is_visible) {
        let window = (run.window_end, run.window_start, run.window.clone());
        let newer = windows
            .get(&window)
            .is_none_or(|other| (other.finished, &other.run) < (run.finished, &run.run));
        if newer {
            windows.insert(window, run);
        }
    }
    windows.into_values().collect()
}
