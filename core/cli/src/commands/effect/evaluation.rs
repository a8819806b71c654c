//! The evaluation of a change, as JSON prints it.

use serde::Serialize;

/// The evaluation of a change.
#[derive(Debug, Serialize)]
pub(super) struct Evaluation {
    /// Column of the outcome.
    pub(super) value: String,
    /// Units that were changed; none for a single series.
    pub(super) treated: Vec<String>,
    /// First period after the change, as the data write it.
    pub(super) start: String,
    pub(super) method: &'static str,
    /// Why that method, where the data decided.
    pub(super) reason: Option<String>,
    /// Average effect per period after the change.
    pub(super) estimate: f64,
    /// Its 95 % interval; a bound is null where the data exclude nothing.
    pub(super) interval: [Option<f64>; 2],
    pub(super) p_value: f64,
    pub(super) verdict: Verdict,
    /// How chance was judged.
    pub(super) inference: String,
    /// The effect as a share of what was expected, with its interval.
    pub(super) relative: Option<[f64; 3]>,
    pub(super) periods_before: usize,
    pub(super) periods_after: usize,
    /// Name of periods.
    pub(super) periods: &'static str,
    /// Root mean square difference to the expectation before the change.
    pub(super) pre_rmse: f64,
    pub(super) unit_weights: Vec<Weight>,
    pub(super) time_weights: Vec<Weight>,
    pub(super) rank: Option<RankOfTreated>,
    pub(super) segments: Option<SegmentChanges>,
    pub(super) path: Vec<Point>,
    pub(super) placebos: Vec<Alternative>,
    pub(super) leave_one_out: Vec<Alternative>,
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

/// An estimate under other circumstances.
#[derive(Debug, Serialize)]
pub(super) struct Alternative {
    /// The unit or units, or the period.
    pub(super) name: String,
    pub(super) estimate: f64,
}

/// Place of the treated unit among all.
#[derive(Debug, Serialize)]
pub(super) struct RankOfTreated {
    pub(super) rank: usize,
    pub(super) units: usize,
    pub(super) p_value: f64,
    pub(super) least_p_value: f64,
}

/// Changes that a segmented regression finds, with intervals.
#[derive(Debug, Serialize)]
pub(super) struct SegmentChanges {
    pub(super) level: [f64; 3],
    pub(super) slope: [f64; 3],
}

/// Outcome and expectation in a period.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    pub(super) period: String,
    pub(super) observed: Option<f64>,
    pub(super) expected: Option<f64>,
}

/// Level of verdicts.
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
