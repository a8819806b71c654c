//! The evaluation of a change, as printed in JSON.

use serde::Serialize;

/// The evaluation of a change.
#[derive(Debug, Serialize)]
pub(super) struct Evaluation {
    /// Column of the outcome.
    pub(super) value: String,
    /// Units that were changed; none for a single series.
    pub(super) treated: Vec<String>,
    /// First period after the change, written as in the file.
    pub(super) start: String,
    pub(super) method: &'static str,
    /// Reason for the method, if the data determined it.
    pub(super) reason: Option<String>,
    /// Average effect per period after the change.
    pub(super) estimate: f64,
    /// Its 95 % interval; a bound is null if it is infinite.
    pub(super) interval: [Option<f64>; 2],
    pub(super) p_value: f64,
    pub(super) verdict: Verdict,
    /// Method of inference.
    pub(super) inference: String,
    /// The effect as a share of the expected outcome, with its interval: estimate, lower, upper.
    pub(super) relative: Option<[f64; 3]>,
    pub(super) periods_before: usize,
    pub(super) periods_after: usize,
    /// Unit of the periods, such as weeks.
    pub(super) periods: &'static str,
    /// Root mean square difference between outcome and expectation before the change.
    pub(super) pre_rmse: f64,
    pub(super) unit_weights: Vec<Weight>,
    pub(super) time_weights: Vec<Weight>,
    pub(super) rank: Option<RankOfTreated>,
    pub(super) segments: Option<SegmentChanges>,
    /// All periods, in order.
    pub(super) path: Vec<Point>,
    /// Estimates for units that did not change.
    pub(super) placebos: Vec<Alternative>,
    /// Estimates without one of the units.
    pub(super) leave_one_out: Vec<Alternative>,
    /// Estimates for changes that are assumed at earlier periods.
    pub(super) backdated: Vec<Alternative>,
    pub(super) caveats: Vec<String>,
}

/// The direction of the effect at the 5 % level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Increase,
    Decrease,
    Unclear,
}

/// Weight of a unit or a period.
#[derive(Debug, Serialize)]
pub(super) struct Weight {
    pub(super) name: String,
    pub(super) weight: f64,
}

/// An estimate with other units or another start.
#[derive(Debug, Serialize)]
pub(super) struct Alternative {
    /// Names of the units, or of the period.
    pub(super) name: String,
    pub(super) estimate: f64,
}

/// Rank of the treated unit among all units.
#[derive(Debug, Serialize)]
pub(super) struct RankOfTreated {
    pub(super) rank: usize,
    pub(super) units: usize,
    pub(super) p_value: f64,
    /// Smallest p-value that a rank among so many units can have.
    pub(super) least_p_value: f64,
}

/// Changes of level and slope from a segmented regression: estimate, lower, upper.
#[derive(Debug, Serialize)]
pub(super) struct SegmentChanges {
    pub(super) level: [f64; 3],
    pub(super) slope: [f64; 3],
}

/// Observed and expected outcome of a period.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    pub(super) period: String,
    pub(super) observed: Option<f64>,
    pub(super) expected: Option<f64>,
}

/// Significance level of verdicts.
const ALPHA: f64 = 0.05;

impl Verdict {
    pub(super) fn of(estimate: f64, p: f64) -> Self {
        if p.is_nan() || p >= ALPHA {
            Self::Unclear
        } else if estimate > 0.0 {
            Self::Increase
        } else {
            Self::Decrease
        }
    }
}
