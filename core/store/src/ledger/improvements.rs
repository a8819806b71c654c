//! The register of improvements: events, each with the complete new state of an improvement.

use super::{Ledger, schema::IMPROVEMENTS};
use crate::error::StoreError;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt};

/// The state of an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImprovementState {
    /// Suggested.
    Proposed,
    /// To be implemented.
    Accepted,
    /// Not to be implemented.
    Rejected,
    /// Implemented, on its date.
    Implemented,
    /// No longer measured, because its effect is known.
    Closed,
}

impl ImprovementState {
    /// Name in the dataset.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Implemented => "implemented",
            Self::Closed => "closed",
        }
    }

    /// Returns true if an improvement may change from `before` to this state. An implemented
    /// improvement may be recorded as implemented again, to correct its date.
    pub fn may_follow(self, before: Option<Self>) -> bool {
        matches!(
            (self, before),
            (Self::Proposed, None)
                | (Self::Accepted, Some(Self::Proposed | Self::Rejected))
                | (Self::Rejected, Some(Self::Proposed | Self::Accepted))
                | (
                    Self::Implemented,
                    Some(Self::Proposed | Self::Accepted | Self::Implemented),
                )
                | (Self::Closed, Some(Self::Implemented))
        )
    }
}

impl fmt::Display for ImprovementState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An improvement after a change of its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Improvement {
    /// Id chosen by the user, such as `cache-2026`.
    pub id: String,
    /// State after the change.
    pub state: ImprovementState,
    /// Time of the change of state.
    pub time: Timestamp,
    /// Person or team that changed it.
    pub who: String,
    /// The reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Title, as printed in reports.
    pub title: String,
    /// Category, such as configuration or scaling.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Person or team that implements it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Component that it changes; empty for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub component: String,
    /// Metric that it is intended to change.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metric: String,
    /// Expected relative change of the metric: -0.3 for 30 % less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_relative: Option<f64>,
    /// True if lower values of the metric are better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_is_better: Option<bool>,
    /// First day after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Cost of implementing it, in the currency of the job's users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Link to a ticket or a change request.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub link: String,
    /// Id of the finding that it addresses.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub finding: String,
    /// Recommendation that led to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recommendation: String,
}

impl Improvement {
    /// Returns the id of the event.
    pub fn event(&self) -> String {
        // The dataset stores microseconds.
        let time = self.time.as_microsecond();
        let mut columns = self.fields();
        columns.insert("time".to_string(), time.into());
        let text = Value::Object(columns).to_string();
        blake3::hash(text.as_bytes()).to_hex()[..16].to_string()
    }

    fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(columns)) => columns,
            _ => Map::new(),
        }
    }

    fn columns(&self) -> Map<String, Value> {
        let mut columns = self.fields();
        columns.insert("event".to_string(), self.event().into());
        columns
    }
}

impl Ledger {
    /// Records a change of state; an identical change is recorded once.
    pub async fn record(&self, improvement: &Improvement) -> Result<(), StoreError> {
        let rows = vec![(improvement.event(), vec![improvement.columns()])];
        self.append(&IMPROVEMENTS, rows).await.map(drop)
    }

    /// Returns all changes of state, oldest first.
    pub async fn improvements(&self) -> Result<Vec<Improvement>, StoreError> {
        let mut changes: Vec<Improvement> = self.rows(&IMPROVEMENTS).await?;
        changes.sort_by_cached_key(|improvement| (improvement.time, improvement.event()));
        Ok(changes)
    }
}

/// Folds changes, oldest first, into the register: the last change of each improvement.
pub fn register<'a>(
    changes: impl IntoIterator<Item = &'a Improvement>,
) -> BTreeMap<&'a str, &'a Improvement> {
    let changes = changes.into_iter();
    changes.map(|change| (change.id.as_str(), change)).collect()
}
