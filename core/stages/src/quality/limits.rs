//! Limits of scores and components below which a dataset is flagged, or a report is prevented.

use super::{
    Params,
    judge::{Component, Quality},
};
use crate::{Context, StageError};
use retrocast_domain::number;
use schemars::JsonSchema;
use serde::Deserialize;

/// Default score below which a dataset is flagged.
const FLAG_SCORE: f64 = 90.0;

/// Lower limits: of the score from 0 to 100, of its parts from 0 to 1.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// The score, from 0 to 100.
    #[schemars(range(min = 0.0, max = 100.0))]
    score: Option<f64>,
    /// Share of records that conform to the contract.
    #[schemars(range(min = 0.0, max = 1.0))]
    validity: Option<f64>,
    /// Share of expected values that are present.
    #[schemars(range(min = 0.0, max = 1.0))]
    completeness: Option<f64>,
    /// Allowed age divided by the age of the newest record.
    #[schemars(range(min = 0.0, max = 1.0))]
    freshness: Option<f64>,
    /// Number of records of the window divided by the expected number.
    #[schemars(range(min = 0.0, max = 1.0))]
    volume: Option<f64>,
    /// Share of records that are not duplicates.
    #[schemars(range(min = 0.0, max = 1.0))]
    uniqueness: Option<f64>,
    /// Share of fields that match the contract.
    #[schemars(range(min = 0.0, max = 1.0))]
    shape: Option<f64>,
}

impl Limits {
    pub(super) fn get(&self, component: Component) -> Option<f64> {
        match component {
            Component::Validity => self.validity,
            Component::Completeness => self.completeness,
            Component::Freshness => self.freshness,
            Component::Volume => self.volume,
            Component::Uniqueness => self.uniqueness,
            Component::Shape => self.shape,
        }
    }

    fn is_any_set(&self) -> bool {
        self.score.is_some()
            || Component::ALL
                .iter()
                .any(|component| self.get(*component).is_some())
    }
}

/// A value below its limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shortfall {
    /// The component, or the score if `None`.
    pub(super) component: Option<Component>,
    pub(super) value: f64,
    pub(super) limit: f64,
}

impl Shortfall {
    /// Describes it: "its score is 74.2 of 100, below 90", "its validity is 61.0 %, below 80 %".
    pub(super) fn words(&self) -> String {
        match self.component {
            None => format!(
                "its score is {} of 100, below {}",
                score_text(self.value),
                number::sensible(self.limit)
            ),
            Some(component) => format!(
                "its {} is {}, below {}",
                component.name(),
                number::percent(self.value),
                number::percent(self.limit)
            ),
        }
    }
}

/// Formats a score with one decimal; more if it would print as 100 but is less.
pub(super) fn score_text(score: f64) -> String {
    match 100.0 - score {
        // A rounding error is not a defect.
        ..1e-9 => "100".to_string(),
        ..0.005 => "> 99.99".to_string(),
        ..0.05 => number::fixed(score, 2),
        _ => number::fixed(score, 1),
    }
}

/// Score below which a dataset is flagged.
pub(super) fn flag_score(params: &Params) -> f64 {
    params.flag_below.score.unwrap_or(FLAG_SCORE)
}

/// Finds the values below their limits, the score first.
fn shortfalls(quality: &Quality, score: Option<f64>, limits: &Limits) -> Vec<Shortfall> {
    let score = quality.score().zip(score);
    let score = score.filter(|(value, limit)| value < limit);
    let score = score.map(|(value, limit)| Shortfall {
        component: None,
        value,
        limit,
    });
    let components = quality.known_components().filter_map(|(component, value)| {
        let limit = limits.get(component).filter(|limit| value < *limit)?;
        Some(Shortfall {
            component: Some(component),
            value,
            limit,
        })
    });
    score.into_iter().chain(components).collect()
}

/// The reasons for flagging a dataset.
pub(super) fn flags(params: &Params, quality: &Quality) -> Vec<Shortfall> {
    shortfalls(quality, Some(flag_score(params)), &params.flag_below)
}

/// The notice in a report on a flagged dataset.
pub(super) fn notice(params: &Params, quality: &Quality) -> Option<String> {
    let flags = flags(params, quality);
    if flags.is_empty() {
        return None;
    }
    let words: Vec<String> = flags.iter().map(Shortfall::words).collect();
    Some(format!(
        "Figures based on {} need caution: {}{}.",
        quality.name,
        number::list(&words),
        lowest(quality).map_or_else(String::new, |lowest| format!(" ({lowest})")),
    ))
}

/// The lowest component and its basis.
fn lowest(quality: &Quality) -> Option<String> {
    let (component, value) = quality
        .known_components()
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!(
        "lowest: {} {}, {}",
        component.name(),
        number::percent(value),
        quality.basis(component)
    ))
}

/// Fails if a dataset is below a limit that prevents the report.
pub(super) fn block(
    context: &Context,
    params: &Params,
    judged: &[Quality],
) -> Result<(), StageError> {
    let limits = &params.block_below;
    let mut reasons = Vec::new();
    for quality in judged {
        let name = &quality.name;
        if quality.is_empty && limits.is_any_set() {
            reasons.push(format!("{name} has no record before the window's end"));
            continue;
        }
        let below = shortfalls(quality, limits.score, limits);
        if !below.is_empty() {
            let words: Vec<String> = below.iter().map(Shortfall::words).collect();
            let lowest = lowest(quality).map_or_else(String::new, |l| format!(" ({l})"));
            reasons.push(format!("{name}: {}{lowest}", number::list(&words)));
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(StageError::Other(format!(
        "the data is not good enough for a report on {}: {}. Fix the source and run the job again; the limits \
         are in `block_below` of stage {:?}",
        context.window.words(),
        reasons.join("; "),
        context.stage
    )))
}
