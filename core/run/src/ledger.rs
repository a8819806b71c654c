//! The part of the ledger that a run sees: recorded in its plan, so that a rerun sees the same.

use serde::{Deserialize, Serialize};

/// Begins the names of the ledger's tables in queries: `ledger.findings`.
pub const LEDGER: &str = "ledger.";
/// Begins the names of its datasets in the lake.
pub const DATASETS: &str = "ledger__";
/// The table of what people decided.
pub const DECISIONS: &str = "ledger.decisions";
/// The register of improvements.
pub const IMPROVEMENTS: &str = "ledger.improvements";

/// The runs and decisions that a run sees. Their rows never change, so this identifies them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// The newest finished run of each window that ends by the start of the run's own, oldest first.
    #[serde(default)]
    pub runs: Vec<LedgerRun>,
    /// Identities of the decisions from before the run's date, sorted.
    #[serde(default)]
    pub decisions: Vec<String>,
    /// Identities of the last change of each improvement from before the run's date, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub improvements: Vec<String>,
}

/// A run in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRun {
    /// Name of its window.
    pub window: String,
    /// The run.
    pub run: String,
    /// Identity of its rows.
    pub publication: String,
}

impl LedgerView {
    /// Identities of the rows of a table.
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

    /// The same without what none of these tables shows.
    #[must_use]
    pub fn for_tables<'a>(mut self, tables: impl Iterator<Item = &'a String> + Clone) -> Self {
        let reads = |wanted: &str| tables.clone().any(|table| table == wanted);
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

/// Whether a table holds events of people, not results of runs.
pub fn is_of_events(table: &str) -> bool {
    [DECISIONS, IMPROVEMENTS].contains(&table)
}
