//! The part of the ledger that a run sees, recorded in its plan so that a rerun sees the same.

use serde::{Deserialize, Serialize};

/// Prefix of the ledger's tables in queries: `ledger.findings`.
pub const LEDGER: &str = "ledger.";
/// Prefix of the ledger's datasets in the lake.
pub const DATASETS: &str = "ledger__";
/// The table of decisions.
pub const DECISIONS: &str = "ledger.decisions";
/// The register of improvements.
pub const IMPROVEMENTS: &str = "ledger.improvements";

/// The runs and decisions that a run sees. Their rows never change, so these ids identify them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// The newest finished run of each window that ended before the run's own, oldest first.
    #[serde(default)]
    pub runs: Vec<LedgerRun>,
    /// Ids of the decisions from before the run's date, sorted.
    #[serde(default)]
    pub decisions: Vec<String>,
    /// Ids of the last change of each improvement before the run's date, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub improvements: Vec<String>,
}

/// A run in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRun {
    /// Label of its window.
    pub window: String,
    /// Id of the run.
    pub run: String,
    /// Id of its publication.
    pub publication: String,
}

impl LedgerView {
    /// Ids of the visible rows of a table.
    pub fn keys(&self, table: &str) -> Vec<String> {
        match table {
            DECISIONS => self.decisions.clone(),
            IMPROVEMENTS => self.improvements.clone(),
            _ => {
                let runs = self.runs.iter();
                runs.map(|run| run.publication.clone()).collect()
            }
        }
    }

    /// Keeps only the ids of rows in `tables`.
    #[must_use]
    pub fn for_tables<'a>(mut self, tables: impl Iterator<Item = &'a String> + Clone) -> Self {
        let reads = |name: &str| tables.clone().any(|table| table == name);
        if !reads(DECISIONS) {
            self.decisions.clear();
        }
        if !reads(IMPROVEMENTS) {
            self.improvements.clear();
        }
        if tables.clone().all(|table| is_of_events(table)) {
            self.runs.clear();
        }
        self
    }
}

/// Returns true for a table of events that users record; other tables hold results of runs.
pub fn is_of_events(table: &str) -> bool {
    [DECISIONS, IMPROVEMENTS].contains(&table)
}
