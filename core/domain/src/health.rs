//! The health of a component: a score, its parts, and a state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a component, from best to worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// 90 points or more.
    Excellent,
    /// 75 points or more.
    Good,
    /// 50 points or more.
    NeedsAttention,
    /// Fewer than 50 points.
    Critical,
}

impl HealthState {
    /// The state of a score.
    pub fn from_score(score: f64) -> Self {
        match score {
            score if score >= 90.0 => Self::Excellent,
            score if score >= 75.0 => Self::Good,
            score if score >= 50.0 => Self::NeedsAttention,
            _ => Self::Critical,
        }
    }

    /// Its name in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Excellent => "excellent",
            Self::Good => "good",
            Self::NeedsAttention => "needs attention",
            Self::Critical => "critical",
        }
    }

    /// Returns true if the component needs attention or is critical.
    pub fn is_poor(self) -> bool {
        self >= Self::NeedsAttention
    }
}

/// Points deducted from a score for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthPart {
    /// Subject: "figures", "events", "changes", "outlook".
    pub name: String,
    /// Deducted points, above zero.
    pub points: f64,
    /// Number of findings behind it.
    pub findings: u64,
}

/// The health of a component in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Component; "all" for all records together, "overall" for the whole.
    pub component: String,
    /// 0 to 100.
    pub score: f64,
    /// State, from the score.
    pub state: HealthState,
    /// Deductions from 100; empty for the whole.
    pub parts: Vec<HealthPart>,
    /// Score in the previous window.
    pub previous: Option<f64>,
    /// Number of consecutive windows up to this one in which it needed attention or was critical.
    pub poor_times: u64,
    /// Number of consecutive windows up to this one in which the score fell.
    pub falls: u64,
}
