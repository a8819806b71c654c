//! The budget of false claims: each stage that makes claims has an equal part of the job's budget.

use crate::{
    job::{
        Job,
        document::{Entry, SpannedValue},
    },
    kinds::Kinds,
};
use std::collections::BTreeMap;

/// The part of each stage, and the params that hold it.
pub(super) struct Claims {
    /// Probability of a false claim of each stage that makes claims, rounded down to two digits.
    pub(super) alpha: f64,
    /// Names of these params of each kind in the job.
    params: BTreeMap<String, Vec<String>>,
}

impl Claims {
    pub(super) fn new(job: &Job, kinds: &dyn Kinds, entries: &[Entry]) -> Self {
        let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut stages = 0;
        for entry in entries {
            let Some(kind) = entry.item.get("kind").and_then(SpannedValue::text) else {
                continue;
            };
            let names = params
                .entry(kind.to_string())
                .or_insert_with(|| claim_params(kinds, kind));
            stages += usize::from(!names.is_empty());
        }
        let share = job.false_claims / stages.max(1) as f64;
        let digit = 10.0_f64.powf(share.log10().floor() - 1.0);
        let rounded_down = (share / digit + 1e-9).floor() * digit;
        // Removes the error of binary fractions, which reports would print.
        let alpha = format!("{rounded_down:.1e}").parse().unwrap_or(share);
        Self { alpha, params }
    }

    /// The params of a kind that hold its probability of a false claim.
    pub(super) fn params(&self, kind: &str) -> &[String] {
        self.params.get(kind).map_or(&[], Vec::as_slice)
    }
}

fn claim_params(kinds: &dyn Kinds, kind: &str) -> Vec<String> {
    let schema = kinds.schema(kind);
    let properties = schema
        .as_ref()
        .and_then(|schema| schema["properties"].as_object());
    let properties = properties.into_iter().flatten();
    properties
        .filter(|(_, property)| property["x-claims"] == true)
        .map(|(name, _)| name.clone())
        .collect()
}
