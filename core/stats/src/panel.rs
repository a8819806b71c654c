//! The effect of a change on some units of a panel, compared with the units without the change.
//!
//! A panel contains one outcome of several units (states, sites, services) over the same periods.
//! Every estimator compares the treated units with a weighted average of the others, the donors,
//! and the periods after the change with a weighted average of the periods before it ([`Method`]).
//! The estimate is the average effect per period after the change (the effect on the treated).
//!
//! Significance is assessed by comparison with estimates where nothing was changed ([`Inference`]).
//! The interval and the p-value come from one distribution, so they always agree.

mod choice;
mod conformal;
mod error;
mod estimate;
mod interval;
mod sensitivity;
mod simplex;

pub use choice::{Choice, Reason, choose};
pub use error::PanelError;
pub use interval::{Placebo, Rank};
pub use sensitivity::{BackdatedStart, LeaveOneOut};

use crate::describe::sd;
use estimate::{Fit, Sample};

/// One outcome of several units over the same periods, without gaps.
#[derive(Debug, Clone)]
pub struct Panel {
    names: Vec<String>,
    /// One series per unit: `rows[unit][period]`.
    rows: Vec<Vec<f64>>,
    donors: Vec<usize>,
    treated: Vec<usize>,
    start: usize,
}

/// Estimator of the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// All donors and all periods before the change have equal weights. Assumes parallel trends.
    DifferenceInDifferences,
    /// Donor weights whose average follows the treated series before the change, including its
    /// level (Abadie, Diamond and Hainmueller, 2010). Unlike their program, it uses only outcomes:
    /// no covariates, and no weights of predictors. The ridge is 1e-6 of the noise, as in
    /// `sc_estimate` of the R package `synthdid`.
    SyntheticControl,
    /// Donor weights as above, but up to a constant level and with a ridge, and weights of the
    /// periods before the change (Arkhangelsky, Athey, Hirshberg, Imbens and Wager, 2021).
    SyntheticDifferenceInDifferences,
    /// Synthetic control of series minus their means before the change (Doudchenko and Imbens,
    /// 2016; Ferman and Pinto, 2021), known as DIFP or demeaned synthetic control.
    DemeanedSyntheticControl,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 4] = [
        Self::DifferenceInDifferences,
        Self::SyntheticControl,
        Self::SyntheticDifferenceInDifferences,
        Self::DemeanedSyntheticControl,
    ];

    /// Short name, as in arguments and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::DifferenceInDifferences => "did",
            Self::SyntheticControl => "synthetic_control",
            Self::SyntheticDifferenceInDifferences => "sdid",
            Self::DemeanedSyntheticControl => "difp",
        }
    }

    /// Minimum number of periods before the change.
    pub fn periods_before_min(self) -> usize {
        match self {
            Self::DifferenceInDifferences => 1,
            _ => 3,
        }
    }
}

/// Method of inference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inference {
    /// The effect is estimated with donors in place of the treated units (Arkhangelsky et al.,
    /// 2021, algorithm 4): the mean square of these estimates is the variance, and Student's t has
    /// one degree of freedom less than there are donors. Each estimate is divided by its error
    /// before the change, as by Abadie, Diamond and Hainmueller (2010), so the noise of a unit may
    /// differ from that of the others as far as it shows in that error.
    Placebo,
    /// Each unit is left out in turn, with the same weights (algorithm 3 in that paper), with
    /// Satterthwaite's degrees of freedom. The noise of the treated units may differ, but there
    /// must be several of them.
    Jackknife,
    /// Residuals are shifted cyclically in time (Chernozhukov, Wüthrich and Zhu, 2021). One donor
    /// suffices, but enough periods are needed: the p-value is at least one over their number.
    Conformal,
}

/// A limitation of a result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Caveat {
    /// With so few donors, a rank test cannot reach the 5 % level.
    FewDonors {
        /// Number of donors.
        donors: usize,
        /// Minimum p-value of the rank test.
        floor: f64,
    },
    /// With so few periods, a conformal test cannot reach the 5 % level.
    FewPeriods {
        /// Number of periods.
        periods: usize,
        /// Minimum p-value.
        floor: f64,
    },
    /// The fit to the treated series before the change is worse than the typical donor's.
    PoorFit {
        /// Root mean square deviation before the change.
        rmse: f64,
        /// Median of this deviation over the placebos.
        typical: f64,
    },
}

/// A measured effect.
#[derive(Debug, Clone, PartialEq)]
pub struct PanelEffect {
    /// The estimator.
    pub method: Method,
    /// Average effect per period after the change, in units of the outcome.
    pub estimate: f64,
    /// Its 95 % interval; infinite if the data do not exclude any effect.
    pub interval: [f64; 2],
    /// p-value of no effect, from the same distribution as the interval.
    pub p: f64,
    /// Method of inference.
    pub inference: Inference,
    /// Standard error, if the inference has one.
    pub standard_error: Option<f64>,
    /// Degrees of freedom of Student's t; infinite if it is not used.
    pub freedom: f64,
    /// Rank of a single treated unit among all units.
    pub rank: Option<Rank>,
    /// Weight of each donor, largest first; zeros are left out.
    pub unit_weights: Vec<(String, f64)>,
    /// Weight of each period before the change; all zero for a synthetic control.
    pub time_weights: Vec<f64>,
    /// Root mean square difference to the counterfactual before the change, around the mean
    /// difference if the method allows for another level.
    pub pre_rmse: f64,
    /// Mean of the treated units per period.
    pub observed: Vec<f64>,
    /// Expected mean of the treated units per period without the change.
    pub counterfactual: Vec<f64>,
    /// The estimates with donors in place of the treated units; none for a jackknife.
    pub placebos: Vec<Placebo>,
    /// The estimates without each of the donors that have weight.
    pub leave_one_out: Vec<LeaveOneOut>,
    /// The estimates at earlier starts, from only the periods before the change.
    pub backdated: Vec<BackdatedStart>,
    /// Bound on the distance of the weights from the optimum: duality gap of their objective, in
    /// squared units of the outcome.
    pub duality_gap: f64,
    /// Limitations of the result.
    pub caveats: Vec<Caveat>,
}

/// Interval and p-value, from one distribution.
struct Significance {
    interval: [f64; 2],
    p: f64,
    standard_error: Option<f64>,
    freedom: f64,
}

/// Significance level of intervals and verdicts.
const ALPHA: f64 = 0.05;

impl Panel {
    /// Creates a panel from `rows[i]`, the series of `names[i]` with one value per period, and
    /// `start`, the index of the first period after the change.
    pub fn new(
        names: Vec<String>,
        rows: &[Vec<Option<f64>>],
        treated: &[&str],
        start: usize,
    ) -> Result<Self, PanelError> {
        if names.len() != rows.len() {
            return Err(PanelError::Names {
                names: names.len(),
                series: rows.len(),
            });
        }
        if names.len() < 2 {
            return Err(PanelError::Units { have: names.len() });
        }
        let mut known = std::collections::HashSet::new();
        if let Some(name) = names.iter().find(|name| !known.insert(name.as_str())) {
            return Err(PanelError::Duplicate { name: name.clone() });
        }
        if let Some(name) = treated.iter().find(|name| !known.contains(**name)) {
            return Err(PanelError::TreatedAbsent {
                name: (*name).to_string(),
            });
        }
        let (treated, donors): (Vec<usize>, Vec<usize>) =
            (0..names.len()).partition(|unit| treated.contains(&names[*unit].as_str()));
        if treated.is_empty() {
            return Err(PanelError::NoTreated);
        }
        if donors.is_empty() {
            return Err(PanelError::NoDonors { units: names.len() });
        }
        let periods = rows[0].len();
        if start >= periods {
            return Err(PanelError::StartOutside { start, periods });
        }
        if start == 0 {
            return Err(PanelError::Before { have: 0, need: 1 });
        }
        let rows = rows
            .iter()
            .zip(&names)
            .map(|(row, name)| require_complete(row, name, periods))
            .collect::<Result<Vec<_>, _>>()?;
        let panel = Self {
            names,
            rows,
            donors,
            treated,
            start,
        };
        let observed = panel.sample().path(&panel.treated);
        if observed.iter().all(|value| *value == observed[0]) {
            return Err(PanelError::Constant {
                unit: panel.names[panel.treated[0]].clone(),
            });
        }
        let varies = |row: &[f64]| row.iter().any(|value| *value != row[0]);
        if !panel.donors.iter().any(|donor| varies(&panel.rows[*donor])) {
            return Err(PanelError::DonorsConstant);
        }
        Ok(panel)
    }

    /// Number of units without the change.
    pub fn donors(&self) -> usize {
        self.donors.len()
    }

    /// Number of units with the change.
    pub fn treated(&self) -> usize {
        self.treated.len()
    }

    /// Number of periods before the change.
    pub fn before(&self) -> usize {
        self.start
    }

    /// Number of periods.
    pub fn periods(&self) -> usize {
        self.rows[0].len()
    }

    fn sample(&self) -> Sample<'_> {
        Sample {
            rows: &self.rows,
            start: self.start,
            end: self.periods(),
            noise: self.noise(),
        }
    }

    /// Standard deviation of the donors' first differences before the change.
    fn noise(&self) -> f64 {
        let steps: Vec<f64> = self
            .donors
            .iter()
            .flat_map(|donor| self.rows[*donor][..self.start].windows(2))
            .map(|pair| pair[1] - pair[0])
            .collect();
        if steps.len() < 2 { 0.0 } else { sd(&steps) }
    }
}

/// Requires that a series has no gaps; the error describes them.
fn require_complete(
    row: &[Option<f64>],
    name: &str,
    periods: usize,
) -> Result<Vec<f64>, PanelError> {
    if row.len() != periods {
        return Err(PanelError::Length {
            unit: name.to_string(),
            have: row.len(),
            need: periods,
        });
    }
    let is_missing = |value: &&Option<f64>| !value.is_some_and(f64::is_finite);
    let missing = row.iter().filter(is_missing).count();
    if missing > 0 {
        return Err(PanelError::Missing {
            unit: name.to_string(),
            missing,
            periods,
            first: row.iter().position(|value| is_missing(&value)).unwrap_or(0),
        });
    }
    Ok(row.iter().flatten().copied().collect())
}

/// Measures the effect on the treated units by a method, with the given inference or the inference
/// that suits the panel ([`choice::inference`]).
pub fn measure(
    panel: &Panel,
    method: Method,
    inference: Option<Inference>,
) -> Result<PanelEffect, PanelError> {
    let need = method.periods_before_min();
    if panel.start < need {
        return Err(PanelError::Before {
            have: panel.start,
            need,
        });
    }
    let inference = inference.unwrap_or_else(|| choice::inference(panel, method));
    let sample = panel.sample();
    let fit = sample.fit(method, &panel.donors, &panel.treated);
    let placebos = match inference {
        // Jackknife needs no placebos, and with several treated units there are many of them.
        Inference::Jackknife => Vec::new(),
        Inference::Placebo | Inference::Conformal => interval::placebos(panel, method),
    };
    let significance = interval::significance(panel, method, &fit, &placebos, inference)?;
    let rank = interval::rank(panel, method, &fit);
    let caveats = caveats(panel, &fit, &placebos, inference);
    Ok(PanelEffect {
        method,
        estimate: fit.estimate,
        interval: significance.interval,
        p: significance.p,
        inference,
        standard_error: significance.standard_error,
        freedom: significance.freedom,
        rank,
        unit_weights: named_weights(panel, &fit),
        leave_one_out: sensitivity::leave_one_out(panel, method, &fit),
        backdated: sensitivity::backdated(panel, method),
        time_weights: fit.time_weights,
        pre_rmse: fit.pre_rmse,
        observed: fit.observed,
        counterfactual: fit.counterfactual,
        placebos,
        duality_gap: fit.duality_gap,
        caveats,
    })
}

/// Donors with their weights, largest first; equal weights in the order of the panel.
fn named_weights(panel: &Panel, fit: &Fit) -> Vec<(String, f64)> {
    let mut weights: Vec<(String, f64)> = panel
        .donors
        .iter()
        .zip(&fit.unit_weights)
        .filter(|(_, weight)| **weight > 0.0)
        .map(|(donor, weight)| (panel.names[*donor].clone(), *weight))
        .collect();
    weights.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    weights
}

/// Minimum number of placebos for assessing a fit.
const FIT_PLACEBOS_MIN: usize = 5;

fn caveats(panel: &Panel, fit: &Fit, placebos: &[Placebo], inference: Inference) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    let (donors, periods) = (panel.donors(), panel.periods());
    let floor = 1.0 / (donors as f64 + 1.0);
    if inference != Inference::Jackknife && floor > ALPHA {
        caveats.push(Caveat::FewDonors { donors, floor });
    }
    let floor = 1.0 / periods as f64;
    if inference == Inference::Conformal && floor > ALPHA {
        caveats.push(Caveat::FewPeriods { periods, floor });
    }
    let fits: Vec<f64> = placebos.iter().map(|placebo| placebo.pre_rmse).collect();
    if fits.len() >= FIT_PLACEBOS_MIN {
        let typical = crate::describe::median(&fits);
        if fit.pre_rmse > 2.0 * typical {
            caveats.push(Caveat::PoorFit {
                rmse: fit.pre_rmse,
                typical,
            });
        }
    }
    caveats
}

impl std::fmt::Display for Inference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Placebo => "placebo",
            Self::Jackknife => "jackknife",
            Self::Conformal => "conformal",
        })
    }
}

impl std::fmt::Display for Caveat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FewDonors { donors, floor } => write!(
                f,
                "There are {donors} units to compare with, so the p-value by rank is at least \
                 {floor:.3}; 19 are needed for .05."
            ),
            Self::FewPeriods { periods, floor } => write!(
                f,
                "There are {periods} periods, so the p-value is at least {floor:.3}; 20 are needed \
                 for .05."
            ),
            Self::PoorFit { rmse, typical } => write!(
                f,
                "Before the change the counterfactual misses the series by {rmse:.3} on average, \
                 against {typical:.3} for a typical unit without the change: the estimate may be off."
            ),
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod calibration_tests;
