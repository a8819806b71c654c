//! Status of a run.

use serde::{Deserialize, Serialize};

/// Status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything was done.
    Complete,
    /// The reports were made, without something optional.
    Partial,
    /// Something failed that the reports need.
    Failed,
    /// It was stopped.
    Cancelled,
    /// It is under way.
    Running,
    /// Its process ended without a word; what it finished can be reused.
    Interrupted,
}

impl RunStatus {
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

    /// Returns true if the run made its reports.
    pub fn has_reports(self) -> bool {
        matches!(self, Self::Complete | Self::Partial)
    }
}
