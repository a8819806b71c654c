//! What an improvement did, against what would have happened without it.

use serde::{Deserialize, Serialize};

/// The answer to "did it work?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval excludes zero in the wanted direction and the placebo test agrees.
    Works,
    /// The data cannot tell.
    Unclear,
    /// The interval excludes zero in the unwanted direction and the placebo test agrees.
    Harmful,
    /// Not enough days have passed.
    TooEarly,
}

impl Verdict {
    /// The word that stands in reports.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Works => "works",
            Verdict::Unclear => "unclear",
            Verdict::Harmful => "harmful",
            Verdict::TooEarly => "too early",
        }
    }
}

/// The measured effect of one improvement on one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Identity of the improvement in the register.
    pub improvement: String,
    /// Its title, as its team wrote it.
    pub title: String,
    /// Date of the change, ISO.
    pub date: String,
    /// Metric and component it was meant to move.
    pub metric: String,
    /// Unit of before, after and absolute, such as "failures per day".
    pub unit: String,
    /// Whether less of the metric is better.
    pub lower_is_better: bool,
    /// Mean in the pre-period.
    #[serde(deserialize_with = "crate::lenient::number")]
    pub before: f64,
    /// Mean in the post-period.
    #[serde(deserialize_with = "crate::lenient::number")]
    pub after: f64,
    /// Mean of the counterfactual in the post-period.
    #[serde(deserialize_with = "crate::lenient::number")]
    pub counterfactual: f64,
    /// after - counterfactual, with its 95 % interval.
    #[serde(deserialize_with = "crate::lenient::three")]
    pub absolute: [f64; 3],
    /// The same relative to the counterfactual (−0.3 = 30 % less).
    #[serde(deserialize_with = "crate::lenient::three")]
    pub relative: [f64; 3],
    /// Placebo-in-time p-value.
    #[serde(deserialize_with = "crate::lenient::number")]
    pub placebo_p: f64,
    /// The same, corrected for the number of improvements that were judged; `None` when none was.
    #[serde(default)]
    pub placebo_p_corrected: Option<f64>,
    /// Number of placebo dates tried.
    pub placebos: u64,
    /// Days before and after.
    pub days_before: u64,
    /// Days after the change that were used.
    pub days_after: u64,
    /// Series that served as controls; empty means "uncontrolled".
    pub controls: Vec<String>,
    /// Did it work?
    pub verdict: Verdict,
}
