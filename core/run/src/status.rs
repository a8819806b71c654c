//! Status of a run.

use serde::{Deserialize, Serialize};

/// Status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Every node completed.
    Complete,
    /// The reports were written, but an optional node failed.
    Partial,
    /// A node that the reports need failed.
    Failed,
    /// A user or a signal stopped the run.
    Cancelled,
    /// Active.
    Running,
    /// Its process died; the outcomes of finished nodes can be reused.
    Interrupted,
}

impl RunStatus {
    /// Its name in messages.
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

    /// Returns true if the run wrote its reports.
    pub fn has_reports(self) -> bool {
        matches!(self, Self::Complete | Self::Partial)
    }
}
