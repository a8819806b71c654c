//! Published effects of improvements.

use super::{Ledger, schema::EFFECTS};
use crate::error::StoreError;
use jiff::Timestamp;
use retrocast_domain::{Verdict, closing::LastMeasurement};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An effect as a run published it.
#[derive(Debug, Deserialize)]
struct PublishedEffect {
    publication: String,
    window: String,
    window_end: Timestamp,
    improvement: String,
    metric: String,
    verdict: Verdict,
    #[serde(default)]
    unit: String,
    effect: Option<f64>,
    effect_lower: Option<f64>,
    effect_upper: Option<f64>,
    relative: Option<f64>,
    relative_lower: Option<f64>,
    relative_upper: Option<f64>,
}

/// An estimate with its interval; `None` if a part is missing.
fn interval(value: Option<f64>, lower: Option<f64>, upper: Option<f64>) -> Option<[f64; 3]> {
    Some([value?, lower?, upper?])
}

impl From<PublishedEffect> for LastMeasurement {
    fn from(effect: PublishedEffect) -> Self {
        Self {
            relative: interval(
                effect.relative,
                effect.relative_lower,
                effect.relative_upper,
            ),
            absolute: interval(effect.effect, effect.effect_lower, effect.effect_upper),
            metric: effect.metric,
            window: effect.window,
            verdict: effect.verdict,
            unit: effect.unit,
        }
    }
}

impl Ledger {
    /// The last measurement of each metric of `improvements` among the publications `runs`, by
    /// improvement.
    pub async fn last_measurements(
        &self,
        improvements: &[String],
        runs: &[String],
    ) -> Result<BTreeMap<String, Vec<LastMeasurement>>, StoreError> {
        let mut effects: Vec<PublishedEffect> = self
            .rows_with(&EFFECTS, "improvement", improvements)
            .await?;
        effects.retain(|effect| runs.contains(&effect.publication));
        effects.sort_by_key(|effect| effect.window_end);
        let mut last: BTreeMap<String, BTreeMap<String, PublishedEffect>> = BTreeMap::new();
        for effect in effects {
            let metrics = last.entry(effect.improvement.clone()).or_default();
            metrics.insert(effect.metric.clone(), effect);
        }
        let last = last.into_iter().map(|(improvement, metrics)| {
            let measurements = metrics.into_values().map(LastMeasurement::from);
            (improvement, measurements.collect())
        });
        Ok(last.collect())
    }
}
