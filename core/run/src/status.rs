//! How a run ended.

use crate::{Error, Journal, RunSummary};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything was done.
    Complete,
    /// The reports were made, without something optional.
    Partial,
    /// Something failed that the reports need.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// It is under way.
    Running,
    /// Its process ended without a word; what it finished can be reused.
    Interrupted,
}

impl RunStatus {
    /// Finds how the run of a folder ended, or that it has not: from its summary, else from its
    /// journal and the lock on it.
    pub fn of(folder: &Path) -> Result<Self, Error> {
        match RunSummary::read(folder) {
            // A process may have died after its run was over and before that stood in its summary.
            Ok(summary) if summary.status != Self::Running => Ok(summary.status),
            _ => {
                let events = Journal::read_or_empty(folder)?;
                Ok(Journal::status(folder, &events))
            }
        }
    }

    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the run made its reports.
    pub fn has_reports(self) -> bool {
        matches!(self, Self::Complete | Self::Partial)
    }
}
