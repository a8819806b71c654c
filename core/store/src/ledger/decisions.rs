//! Decisions of users as events, and the decisions in force.

use super::{
    Ledger,
    schema::{DECISIONS, FINDINGS},
};
use crate::error::StoreError;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use retrocast_domain::{FindingDecision, FindingState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Time of the decision.
    pub time: Timestamp,
    /// Person or team that decided.
    pub who: String,
    /// The table of the item: `findings`.
    pub noun: String,
    /// Key of the item, such as the id of a finding.
    pub key: String,
    /// The decision: `acknowledged`.
    pub decision: String,
    /// The reason.
    pub why: String,
    /// The day when a snoozed finding returns to the first page.
    #[serde(default)]
    pub until: Option<Date>,
    /// The run that the person read: "2026-W45/1a2b3c4d".
    #[serde(default)]
    pub run: Option<String>,
}

impl Decision {
    /// Id of the event.
    pub fn event(&self) -> String {
        // The dataset stores microseconds.
        let time = self.time.as_microsecond().to_string();
        let parts = [
            &time,
            &self.who,
            &self.noun,
            &self.key,
            &self.decision,
            &self.why,
        ];
        let mut hash = blake3::Hasher::new();
        for part in parts {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        // Decisions without these two keep the ids that older programs gave them.
        let until = self.until.map(|day| day.to_string());
        for part in [until, self.run.clone()].into_iter().flatten() {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().to_hex()[..16].to_string()
    }

    /// The decision on a finding; `None` for decisions on other items, or with a word that only
    /// older programs wrote.
    fn on_finding(&self, zone: &TimeZone) -> Option<FindingDecision> {
        let state = FindingState::from_word(&self.decision)?;
        (self.noun == FINDINGS.name).then(|| FindingDecision {
            finding: self.key.clone(),
            state,
            who: self.who.clone(),
            date: zone.to_datetime(self.time).date(),
            why: self.why.clone(),
            until: self.until,
        })
    }

    fn columns(&self) -> Map<String, Value> {
        let texts = [
            ("event", self.event()),
            ("time", self.time.to_string()),
            ("who", self.who.clone()),
            ("noun", self.noun.clone()),
            ("key", self.key.clone()),
            ("decision", self.decision.clone()),
            ("why", self.why.clone()),
        ];
        let optional = [
            ("until", self.until.map(|day| day.to_string())),
            ("run", self.run.clone()),
        ];
        let columns = texts.map(|(name, text)| (name.to_string(), Value::from(text)));
        let optional = optional.map(|(name, text)| (name.to_string(), Value::from(text)));
        columns.into_iter().chain(optional).collect()
    }
}

impl Ledger {
    /// Records a decision; an identical decision is recorded once.
    pub async fn decide(&self, decision: &Decision) -> Result<(), StoreError> {
        let rows = vec![(decision.event(), vec![decision.columns()])];
        self.append(&DECISIONS, rows).await.map(drop)
    }

    /// All decisions, oldest first.
    pub async fn decisions(&self) -> Result<Vec<Decision>, StoreError> {
        let mut decisions: Vec<Decision> = self.rows(&DECISIONS).await?;
        decisions.sort_by_cached_key(|decision| (decision.time, decision.event()));
        Ok(decisions)
    }
}

/// The decisions in force: the last decision for each table and key. `decisions` are in order,
/// oldest first.
pub fn decisions_in_force(decisions: &[Decision]) -> BTreeMap<(&str, &str), &Decision> {
    let mut state = BTreeMap::new();
    for decision in decisions {
        state.insert((&*decision.noun, &*decision.key), decision);
    }
    state
}

/// The decisions on findings that are in force on a day, ordered by finding. `decisions` are in
/// order, oldest first: the last decision on a finding is in force. A reopened finding has none,
/// and a snoozed finding has none from the day when it returns.
pub fn finding_decisions<'a>(
    decisions: impl IntoIterator<Item = &'a Decision>,
    day: Date,
    zone: &TimeZone,
) -> Vec<FindingDecision> {
    let mut last: BTreeMap<String, FindingDecision> = BTreeMap::new();
    for decision in decisions {
        if let Some(decision) = decision.on_finding(zone) {
            last.insert(decision.finding.clone(), decision);
        }
    }
    let in_force = last.into_values().filter(|decision| match decision.state {
        FindingState::Reopened => false,
        FindingState::Snoozed => decision.until.is_none_or(|until| day < until),
        FindingState::Acknowledged | FindingState::Wrong => true,
    });
    in_force.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn decision(key: &str, word: &str, time: &str, until: Option<Date>) -> Decision {
        Decision {
            time: time.parse().unwrap(),
            who: "ann".to_string(),
            noun: FINDINGS.name.to_string(),
            key: key.to_string(),
            decision: word.to_string(),
            why: "a test".to_string(),
            until,
            run: None,
        }
    }

    #[test]
    fn the_last_decision_on_a_finding_is_in_force() {
        let events = [
            decision("a", "wrong", "2026-11-01T23:30:00Z", None),
            decision(
                "b",
                "snoozed",
                "2026-11-02T10:00:00Z",
                Some(date(2026, 11, 10)),
            ),
            decision("c", "dismissed", "2026-11-02T10:00:00Z", None),
            decision("a", "acknowledged", "2026-11-03T23:30:00Z", None),
            decision("d", "wrong", "2026-11-03T10:00:00Z", None),
            decision("d", "reopened", "2026-11-04T10:00:00Z", None),
        ];
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let check = |count: usize, day: Date, expected: &[&str]| {
            let decisions = finding_decisions(&events[..count], day, &zone);
            let words = decisions.iter().map(|decision| {
                let (finding, state, date) =
                    (&decision.finding, decision.state.word(), decision.date);
                format!("{finding} {state} {date}")
            });
            assert_eq!(words.collect::<Vec<_>>(), expected);
        };
        // The day is that of the job's time zone.
        check(1, date(2026, 11, 2), &["a wrong 2026-11-02"]);
        let snoozed = "b snoozed 2026-11-02";
        let both = ["a acknowledged 2026-11-04", snoozed];
        check(6, date(2026, 11, 9), &both);
        check(6, date(2026, 11, 10), &both[..1]);
    }

    #[test]
    fn events_without_new_columns_keep_their_ids() {
        let mut decision = decision("a", "wrong", "2026-11-01T23:30:00Z", None);
        let id = decision.event();
        decision.until = Some(date(2026, 11, 10));
        assert_ne!(decision.event(), id);
        decision.until = None;
        decision.run = Some("2026-W45/ab".to_string());
        assert_ne!(decision.event(), id);
    }
}
