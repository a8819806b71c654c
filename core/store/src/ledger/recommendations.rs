//! The current recommendations, from the runs in the ledger.

use super::{Ledger, schema::RECOMMENDATIONS, view::newest_by_window};
use crate::error::StoreError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A recommendation as a run published it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedRecommendation {
    /// Identity, the same in every run that gives the recommendation.
    pub id: String,
    /// Its state at that time, such as open.
    pub state: String,
    /// The action.
    pub title: String,
    /// Category, such as configuration or scaling.
    pub category: String,
    /// Component that it changes; "all" for all.
    pub component: String,
    /// Metric that it is intended to change.
    pub metric: String,
    /// Percent of the metric per day of work.
    pub priority: f64,
    /// Expected relative change of the metric.
    pub expected: f64,
    /// Confidence in the finding, 0 to 1.
    pub confidence: f64,
    /// Earlier improvements of the category that work.
    pub past_worked: u64,
    /// Earlier improvements of the category that were measured.
    pub past_judged: u64,
    /// Effort in days.
    pub effort_days: f64,
    /// Risk: low, medium or high.
    pub risk: String,
    /// First window of the uninterrupted series of runs that give it.
    pub since: String,
    /// Last day of the recommendation.
    pub expires: String,
    /// The most severe finding that it addresses.
    #[serde(default)]
    pub finding: Option<String>,
    /// Sentence of that finding.
    pub evidence: String,
    /// Window of the run.
    pub window: String,
    /// End of that window.
    #[serde(skip_serializing)]
    pub window_end: Timestamp,
    /// The publication of the run.
    #[serde(skip_serializing)]
    publication: String,
}

impl Ledger {
    /// Each recommendation as published by the newest run of its last window, by priority.
    pub async fn recommendations(&self) -> Result<Vec<PublishedRecommendation>, StoreError> {
        let visible = newest_by_window(self.runs().await?, |_| true);
        let visible: Vec<String> = visible.iter().map(|run| run.publication.clone()).collect();
        let rows: Vec<PublishedRecommendation> = self.rows(&RECOMMENDATIONS).await?;
        let mut last: BTreeMap<String, PublishedRecommendation> = BTreeMap::new();
        for row in rows
            .into_iter()
            .filter(|row| visible.contains(&row.publication))
        {
            let earlier = last.get(&row.id);
            if earlier.is_none_or(|earlier| earlier.window_end < row.window_end) {
                last.insert(row.id.clone(), row);
            }
        }
        let mut recommendations: Vec<PublishedRecommendation> = last.into_values().collect();
        recommendations.sort_by(|a, b| {
            b.priority
                .total_cmp(&a.priority)
                .then_with(|| a.id.cmp(&b.id))
        });
        Ok(recommendations)
    }
}
