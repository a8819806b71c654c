//! A recommendation: an action that addresses findings, with its expected effect and its effort.

use crate::{finding::Severity, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The risk of making a change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// It is easily undone.
    Low,
    /// It may affect other components.
    Medium,
    /// It may cause an outage, or cannot be undone.
    High,
}

impl Risk {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The state of a recommendation.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RecommendationState {
    /// Not answered yet.
    Open,
    /// It is in the register of improvements.
    Proposed,
    /// To be implemented.
    Accepted,
    /// It was implemented, and its effect is being measured.
    Implemented,
    /// It was implemented, and its effect is known.
    Closed,
    /// It was rejected, and there is no new evidence for it.
    Rejected,
    /// It expired without an answer.
    Expired,
}

impl RecommendationState {
    /// Returns true if it was proposed, accepted or implemented, and is not closed.
    pub fn is_in_progress(self) -> bool {
        matches!(self, Self::Proposed | Self::Accepted | Self::Implemented)
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Proposed => "proposed",
            Self::Accepted => "accepted",
            Self::Implemented => "implemented",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// Earlier improvements of a category whose last measurement had enough days for a verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastSuccess {
    /// Number of improvements that work.
    pub worked: u64,
    /// Number of improvements that were measured.
    pub judged: u64,
}

impl PastSuccess {
    /// Mean of the Beta posterior of the share that works, after a uniform prior: 0.5 without
    /// earlier improvements.
    pub fn share(self) -> f64 {
        (self.worked as f64 + 1.0) / (self.judged as f64 + 2.0)
    }
}

/// An action that addresses findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// Identity, the same in each run that gives the recommendation.
    pub id: String,
    /// Rule that gave the recommendation.
    pub rule: String,
    /// The action in one sentence, without a full stop.
    pub title: String,
    /// Category, such as configuration or scaling.
    pub category: String,
    /// Component to change; "all" for all.
    pub component: String,
    /// The metric that it is intended to change.
    pub metric: String,
    /// Steps.
    pub actions: Vec<String>,
    /// Effort in days.
    pub effort_days: f64,
    /// Risk of the change.
    pub risk: Risk,
    /// Expected relative change of the metric: estimate, lower and upper end; −0.3 for 30 % less.
    pub expected: [f64; 3],
    /// True if `expected` is a measured effect, reversed, because the action undoes a change. Past
    /// success of the category then does not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_measured: bool,
    /// Confidence in the finding, 0 to 1.
    pub confidence: f64,
    /// Earlier improvements of the category.
    pub past: PastSuccess,
    /// State in the register of improvements.
    pub state: RecommendationState,
    /// Improvement in the register that resulted from it; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub improvement: String,
    /// First window of the uninterrupted series of runs that give it.
    pub since: String,
    /// Number of consecutive runs that give it.
    pub times: u64,
    /// Last day on which it is recommended, ISO 8601.
    pub expires: String,
    /// Severity of the most severe finding.
    pub severity: Severity,
    /// Findings that it addresses, the most severe first.
    pub findings: Vec<String>,
    /// Sentence of the first finding.
    pub evidence: String,
}

impl Recommendation {
    /// The identity of a rule's recommendation for a component and, if it undoes a change, that
    /// change.
    pub fn identity(rule: &str, component: &str, change: Option<&str>) -> String {
        let change = change.map_or_else(String::new, |change| format!("\u{1f}{change}"));
        let text = format!("recommendation\u{1f}{rule}\u{1f}{component}{change}");
        blake3::hash(text.as_bytes()).to_hex()[..12].to_string()
    }

    /// The expected effect in words: "30 % less (10 to 50 %)".
    pub fn expected_effect(&self) -> String {
        let [expected, low, high] = self.expected;
        let word = if expected < 0.0 { "less" } else { "more" };
        // In the direction of the estimate, from the smaller end.
        let [expected, mut bounds] = [[expected, 0.0], [low, high]]
            .map(|pair| pair.map(|share| if expected < 0.0 { -share } else { share }));
        bounds.sort_by(f64::total_cmp);
        let [expected, low, high] = [expected[0], bounds[0], bounds[1]].map(|share| 100.0 * share);
        let range = number::range(&number::fixed(low, 0), &number::fixed(high, 0));
        let percent = number::fixed(expected, 0);
        format!("{percent}{0}% {word} ({range}{0}%)", number::NBSP)
    }

    /// Past success as a factor of the priority: 1 if the expected effect was measured, because
    /// undoing a change then is no guess.
    pub fn past_success(&self) -> f64 {
        if self.is_measured {
            1.0
        } else {
            self.past.share()
        }
    }

    /// Expected gain per day of work, in percent of the metric: weighted by the confidence in the
    /// finding and by the success of earlier improvements of its category.
    pub fn priority(&self) -> f64 {
        let gain = 100.0 * self.expected[0].abs() * self.confidence * self.past_success();
        gain / self.effort_days.max(0.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_effects_are_whole_percentages() {
        let mut recommendation: Recommendation = serde_json::from_value(serde_json::json!({
            "id": "", "rule": "", "title": "", "category": "", "component": "", "metric": "", "actions": [],
            "effort_days": 1.0, "risk": "low", "expected": [-0.4, -0.6, -0.2], "confidence": 1.0,
            "past": {"worked": 0, "judged": 0}, "state": "open", "since": "", "times": 1, "expires": "",
            "severity": "notice", "findings": [], "evidence": "",
        }))
        .expect("a recommendation");
        let effect = |recommendation: &Recommendation| {
            recommendation.expected_effect().replace(number::NBSP, " ")
        };
        assert_eq!(effect(&recommendation), "40 % less (20 to 60 %)");
        recommendation.expected = [0.1, 0.05, 0.15];
        assert_eq!(effect(&recommendation), "10 % more (5 to 15 %)");
    }

    #[test]
    fn past_success_moves_the_share_away_from_a_half() {
        let share = |worked, judged| PastSuccess { worked, judged }.share();
        assert_eq!(
            [share(0, 0), share(1, 1), share(0, 4)],
            [0.5, 2.0 / 3.0, 1.0 / 6.0]
        );
    }
}
