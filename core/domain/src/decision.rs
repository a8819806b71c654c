//! The decisions of users on findings.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A decision on a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// Known; the finding keeps its place in reports.
    Acknowledged,
    /// Not true; listed apart from the other findings.
    Wrong,
    /// Kept off the first page until a given day.
    Snoozed,
    /// Any earlier decision is revoked.
    Reopened,
}

impl FindingState {
    /// All decisions.
    pub const ALL: [Self; 4] = [
        Self::Acknowledged,
        Self::Wrong,
        Self::Snoozed,
        Self::Reopened,
    ];

    /// The word in the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Wrong => "wrong",
            Self::Snoozed => "snoozed",
            Self::Reopened => "reopened",
        }
    }

    /// The decision with this word in the ledger.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A decision on a finding that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingDecision {
    /// Id of the finding.
    pub finding: String,
    /// The decision.
    pub state: FindingState,
    /// Person or team that decided.
    pub who: String,
    /// Day of the decision, in the time zone of the job.
    #[schemars(with = "String")]
    pub date: Date,
    /// The reason.
    pub why: String,
    /// First day on which a snoozed finding is back on the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Date>,
}

impl FindingDecision {
    /// Returns true if the finding is not on the first page.
    pub fn sets_aside(&self) -> bool {
        matches!(self.state, FindingState::Wrong | FindingState::Snoozed)
    }

    /// The decision in one sentence: "Acknowledged by Ann on 2026-11-16: a load test."
    pub fn sentence(&self) -> String {
        let Self { who, date, why, .. } = self;
        let action = match (self.state, self.until) {
            (FindingState::Acknowledged, _) => format!("Acknowledged by {who} on {date}"),
            (FindingState::Wrong, _) => format!("Marked wrong by {who} on {date}"),
            (FindingState::Snoozed, Some(until)) => {
                format!("Snoozed until {until} by {who} on {date}")
            }
            (FindingState::Snoozed, None) => format!("Snoozed by {who} on {date}"),
            (FindingState::Reopened, _) => format!("Reopened by {who} on {date}"),
        };
        let end = if why.ends_with(['.', '!', '?']) {
            ""
        } else {
            "."
        };
        format!("{action}: {why}{end}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn decisions_are_one_sentence() {
        let mut decision = FindingDecision {
            finding: "3f9a1c20b7de".to_string(),
            state: FindingState::Acknowledged,
            who: "Ann".to_string(),
            date: date(2026, 11, 16),
            why: "a load test".to_string(),
            until: None,
        };
        let check = |decision: &FindingDecision, expected: &str, set_aside: bool| {
            assert_eq!(decision.sentence(), expected);
            assert_eq!(decision.sets_aside(), set_aside, "{expected}");
        };
        check(
            &decision,
            "Acknowledged by Ann on 2026-11-16: a load test.",
            false,
        );
        decision.state = FindingState::Wrong;
        decision.why = "A load test!".to_string();
        check(
            &decision,
            "Marked wrong by Ann on 2026-11-16: A load test!",
            true,
        );
        decision.state = FindingState::Snoozed;
        decision.until = Some(date(2026, 12, 1));
        let expected = "Snoozed until 2026-12-01 by Ann on 2026-11-16: A load test!";
        check(&decision, expected, true);
        for state in FindingState::ALL {
            assert_eq!(FindingState::from_word(state.word()), Some(state));
        }
    }
}
