//! The part of the ledger that a run sees: recorded in its plan, so that a rerun sees the same.

use serde::{Deserialize, Serialize};

/// Begins the names of the ledger's tables in queries: `ledger.findings`.
pub const LEDGER: &str = "ledger.";
/// Begins the names of its datasets in the lake.
pub const DATASETS: &str = "ledger__";
/// The table of what people decided.
pub const DECISIONS: &str = "ledger.decisions";

/// The runs and decisions that a run sees. Their rows never change, so this identifies them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// The newest finished run of each window that ends by the start of the run's own, oldest first.
    #[serde(default)]
    pub runs: Vec<LedgerRun>,
    /// Identities of the decisions from before the run's date, sorted.
    #[serde(default)]
    pub decisions: Vec<String>,
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
        if table == DECISIONS {
            return self.decisions.clone();
        }
        let runs = self.runs.iter();
        runs.map(|run| run.publication.clone()).collect()
    }

    /// The same without what none of these tables shows.
    #[must_use]
    pub fn for_tables<'a>(mut self, tables: impl Iterator<Item = &'a String> + Clone) -> Self {
        if !tables.clone().any(|table| table == DECISIONS) {
            self.decisions.clear();
        }
        if tables.clone().all(|table| table == DECISIONS) {
            self.runs.clear();
        }
        self
    }
}
