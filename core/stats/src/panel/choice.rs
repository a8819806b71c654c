//! Which method, and which way of judging chance, suits a panel.

use super::{Inference, Method, Panel};

/// A method with the reason for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The method.
    pub method: Method,
    /// Why.
    pub reason: Reason,
}

/// Why a method was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Weights cannot be learned from so few periods.
    FewPeriods {
        /// Periods before the change.
        before: usize,
    },
    /// With so few donors weights hardly differ.
    FewDonors {
        /// Number of donors.
        donors: usize,
    },
    /// Where many units changed, their average is followed closely. In simulations where they react
    /// to common shocks more than donors do, the ridge of synthetic difference in differences leaves
    /// a part of these that a jackknife does not see: it called 10 to 17 % of nothing an effect, the
    /// demeaned synthetic control 4 to 5 %, with the same error.
    ManyTreated {
        /// Number of treated units.
        treated: usize,
    },
    /// Donors and periods are enough to weigh both.
    Enough {
        /// Number of donors.
        donors: usize,
        /// Periods before the change.
        before: usize,
    },
}

/// Periods before the change below which nothing is weighed.
const PERIODS_MIN: usize = 6;
/// Donors below which nothing is weighed.
const DONORS_MIN: usize = 3;
/// Treated units from which on their own spread is known well enough for a jackknife.
const JACKKNIFE_MIN: usize = 5;
/// Donors below which placebos are too few, unless there are fewer periods than shifts in time need to
/// reach the 5 % level.
const PLACEBOS_MIN: usize = 5;
const PERIODS_OF_SHIFTS: usize = 20;

/// Chooses a method from the shape of the panel; what happened after the change plays no part.
pub fn choose(panel: &Panel) -> Choice {
    let (donors, treated, before) = (panel.donors(), panel.treated(), panel.before());
    let (method, reason) = if before < PERIODS_MIN {
        (
            Method::DifferenceInDifferences,
            Reason::FewPeriods { before },
        )
    } else if donors < DONORS_MIN {
        (
            Method::DifferenceInDifferences,
            Reason::FewDonors { donors },
        )
    } else if treated >= JACKKNIFE_MIN {
        let reason = Reason::ManyTreated { treated };
        (Method::DemeanedSyntheticControl, reason)
    } else {
        (
            Method::SyntheticDifferenceInDifferences,
            Reason::Enough { donors, before },
        )
    };
    Choice { method, reason }
}

/// The way of judging chance that suits a panel and a method. A jackknife of a synthetic control would
/// take the levels of the treated units for noise.
pub(super) fn inference(panel: &Panel, method: Method) -> Inference {
    let (donors, treated) = (panel.donors(), panel.treated());
    let enough = treated.min(donors) >= JACKKNIFE_MIN;
    if enough && method != Method::SyntheticControl {
        Inference::Jackknife
    } else if donors >= PLACEBOS_MIN.max(treated + 1) {
        Inference::Placebo
    } else if panel.periods() >= PERIODS_OF_SHIFTS || donors < (treated + 1).max(2) {
        Inference::Conformal
    } else {
        Inference::Placebo
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FewPeriods { before } => write!(
                f,
                "difference in differences, since weights cannot be learned from {before} periods \
                 before the change"
            ),
            Self::FewDonors { donors } => write!(
                f,
                "difference in differences, since weights hardly differ among {donors} units \
                 without the change"
            ),
            Self::ManyTreated { treated } => write!(
                f,
                "demeaned synthetic control, since the average of {treated} changed units can be \
                 followed closely"
            ),
            Self::Enough { donors, before } => write!(
                f,
                "synthetic difference in differences, since {donors} units without the change and \
                 {before} periods before it allow weighing both"
            ),
        }
    }
}
