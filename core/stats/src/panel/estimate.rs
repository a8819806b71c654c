//! The estimators: weights of donors and periods, and the resulting effect.

use super::{Method, simplex::Columns};

/// Series of units, and the index of the change.
pub(super) struct Sample<'a> {
    /// One series per unit.
    pub(super) rows: &'a [Vec<f64>],
    /// Index of the first period after the change.
    pub(super) start: usize,
    /// Index after the last period that is used.
    pub(super) end: usize,
    /// Standard deviation of the donors' first differences before the change.
    pub(super) noise: f64,
}

/// An estimate with its weights.
pub(super) struct Fit {
    pub(super) estimate: f64,
    /// One weight per donor.
    pub(super) unit_weights: Vec<f64>,
    /// One weight per period before the change.
    pub(super) time_weights: Vec<f64>,
    pub(super) observed: Vec<f64>,
    pub(super) counterfactual: Vec<f64>,
    pub(super) pre_rmse: f64,
    pub(super) post_rmse: f64,
    pub(super) duality_gap: f64,
}

/// Ridge of weights in units of the noise, only to make the solution unique.
const MINIMAL_RIDGE: f64 = 1e-6;

/// Computes the donor weights of a method over the first `periods` of the rows, for any donors and
/// treated units.
pub(super) struct DonorWeights {
    columns: Option<Columns>,
    ridge: f64,
}

impl DonorWeights {
    pub(super) fn new(sample: &Sample, method: Method, periods: usize, treated: usize) -> Self {
        let after = sample.end - sample.start;
        let ridge = match method {
            Method::SyntheticDifferenceInDifferences => ((treated * after) as f64).powf(0.25),
            _ => MINIMAL_RIDGE,
        };
        let rows: Vec<&[f64]> = sample.rows.iter().map(|row| &row[..periods]).collect();
        let intercept = method != Method::SyntheticControl;
        Self {
            columns: (method != Method::DifferenceInDifferences)
                .then(|| Columns::new(&rows, intercept)),
            ridge: (ridge * sample.noise).powi(2),
        }
    }

    /// Fits the weights; returns their duality gap as well.
    pub(super) fn fit(&self, donors: &[usize], treated: &[usize]) -> (Vec<f64>, f64) {
        match &self.columns {
            None => (vec![1.0 / donors.len() as f64; donors.len()], 0.0),
            Some(columns) => {
                let weights = columns.fit(donors, treated, self.ridge);
                (weights.values, weights.gap)
            }
        }
    }
}

impl Sample<'_> {
    /// Mean of some units per period.
    pub(super) fn path(&self, units: &[usize]) -> Vec<f64> {
        self.average(units, &vec![1.0 / units.len() as f64; units.len()])
    }

    /// Weighted average of some units per period.
    fn average(&self, units: &[usize], weights: &[f64]) -> Vec<f64> {
        let mut path = vec![0.0; self.end];
        for (unit, weight) in units
            .iter()
            .zip(weights)
            .filter(|(_, weight)| **weight > 0.0)
        {
            for (slot, value) in path.iter_mut().zip(&self.rows[*unit]) {
                *slot += weight * value;
            }
        }
        path
    }

    /// Estimates the effect by a method.
    pub(super) fn fit(&self, method: Method, donors: &[usize], treated: &[usize]) -> Fit {
        let weights = DonorWeights::new(self, method, self.start, treated.len());
        self.fit_with(method, &weights, donors, treated)
    }

    /// Estimates the effect with donor weights prepared for the sample.
    pub(super) fn fit_with(
        &self,
        method: Method,
        weights: &DonorWeights,
        donors: &[usize],
        treated: &[usize],
    ) -> Fit {
        let (unit_weights, unit_gap) = weights.fit(donors, treated);
        let (time_weights, time_gap) = self.time_weights(method, donors);
        let mut fit = self.effect(donors, treated, unit_weights, time_weights);
        fit.duality_gap = unit_gap.max(time_gap);
        // A synthetic control must match the level, too.
        let level = match method {
            Method::SyntheticControl => 0.0,
            _ => fit.gaps()[..self.start].iter().sum::<f64>() / self.start as f64,
        };
        let gaps = fit.gaps();
        let rms = |gaps: &[f64], level: f64| {
            let squares = gaps.iter().map(|gap| (gap - level).powi(2));
            (squares.sum::<f64>() / gaps.len() as f64).sqrt()
        };
        fit.pre_rmse = rms(&gaps[..self.start], level);
        fit.post_rmse = rms(&gaps[self.start..], 0.0);
        fit
    }

    fn time_weights(&self, method: Method, donors: &[usize]) -> (Vec<f64>, f64) {
        let before = self.start;
        match method {
            Method::SyntheticControl => (vec![0.0; before], 0.0),
            Method::DifferenceInDifferences | Method::DemeanedSyntheticControl => {
                (vec![1.0 / before as f64; before], 0.0)
            }
            Method::SyntheticDifferenceInDifferences => {
                let mut columns: Vec<Vec<f64>> = (0..before)
                    .map(|period| donors.iter().map(|unit| self.rows[*unit][period]).collect())
                    .collect();
                let after = |unit: &usize| {
                    let values = &self.rows[*unit][self.start..self.end];
                    values.iter().sum::<f64>() / values.len() as f64
                };
                columns.push(donors.iter().map(after).collect());
                let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
                let from: Vec<usize> = (0..before).collect();
                let ridge = (MINIMAL_RIDGE * self.noise).powi(2);
                let weights = Columns::new(&columns, true).fit(&from, &[before], ridge);
                (weights.values, weights.gap)
            }
        }
    }

    /// Estimates the effect with given weights.
    pub(super) fn effect(
        &self,
        donors: &[usize],
        treated: &[usize],
        unit_weights: Vec<f64>,
        time_weights: Vec<f64>,
    ) -> Fit {
        let observed = self.path(treated);
        let mut counterfactual = self.average(donors, &unit_weights);
        let gaps = observed.iter().zip(&counterfactual).map(|(a, b)| a - b);
        let level: f64 = gaps
            .zip(&time_weights)
            .map(|(gap, weight)| gap * weight)
            .sum();
        counterfactual.iter_mut().for_each(|value| *value += level);
        let after = observed[self.start..]
            .iter()
            .zip(&counterfactual[self.start..]);
        let estimate = after.map(|(a, b)| a - b).sum::<f64>() / (self.end - self.start) as f64;
        Fit {
            estimate,
            unit_weights,
            time_weights,
            observed,
            counterfactual,
            pre_rmse: 0.0,
            post_rmse: 0.0,
            duality_gap: 0.0,
        }
    }
}

impl Fit {
    /// Observed minus expected per period.
    pub(super) fn gaps(&self) -> Vec<f64> {
        let pairs = self.observed.iter().zip(&self.counterfactual);
        pairs
            .map(|(observed, expected)| observed - expected)
            .collect()
    }
}
