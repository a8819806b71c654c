//! Decisions of people as events, and the decisions in force.

use super::{Ledger, schema::DECISIONS};
use crate::error::StoreError;
use jiff::Timestamp;
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
    /// The decision: `accepted`.
    pub decision: String,
    /// The reason.
    pub why: String,
}

impl Decision {
    /// Id of the event.
    pub fn event(&self) -> String {
        // With the precision of the dataset.
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
        hash.finalize().to_hex()[..16].to_string()
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
        let columns = texts.map(|(name, text)| (name.to_string(), Value::from(text)));
        columns.into_iter().collect()
    }
}

impl Ledger {
    /// Records a decision; an identical one is recorded once.
    pub async fn decide(&self, decision: &Decision) -> Result<(), StoreError> {
        let rows = vec![(decision.event(), vec![decision.columns()])];
        self.append(&DECISIONS, rows).await.map(drop)
    }

    /// All decisions, oldest first.
    pub async fn decisions(&self) -> Result<Vec<Decision>, StoreError> {
        let mut all: Vec<Decision> = self.rows(&DECISIONS).await?;
        all.sort_by_cached_key(|decision| (decision.time, decision.event()));
        Ok(all)
    }
}

/// The decisions in force: the last one for each table and key. `decisions` are in order, oldest
/// first.
pub fn decisions_in_force(decisions: &[Decision]) -> BTreeMap<(&str, &str), &Decision> {
    let mut state = BTreeMap::new();
    for decision in decisions {
        state.insert((&*decision.noun, &*decision.key), decision);
    }
    state
}
