//! Selection of the forecasters that are close to the best, and their combination.

use super::Backtest;

/// The error that a forecast should minimise. Absolute errors are smallest at the median, squared
/// errors at the mean (Gneiting, 2011), so they differ for counts that are often zero (Kolassa,
/// 2016).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    Absolute,
    Squared,
}

/// The criterion by which forecasters are selected: a mean error with more weight for later
/// origins, without isolated outliers, which no forecaster can predict.
pub(super) struct Criterion<'a> {
    pub(super) origins: &'a [usize],
    /// True at each index of the series that is an isolated outlier.
    pub(super) is_outlier: Vec<bool>,
    /// Unit of the errors.
    pub(super) scale: f64,
    /// Number of steps after which the weight of an origin is halved.
    pub(super) half_life: usize,
    pub(super) loss: Loss,
}

impl Criterion<'_> {
    pub(super) fn score(&self, backtest: &Backtest) -> f64 {
        let last = self.origins.last().copied().unwrap_or(0);
        let (mut total, mut weights) = (0.0, 0.0);
        for (row, origin) in backtest.errors.iter().zip(self.origins) {
            let losses: Vec<f64> = row
                .iter()
                .zip(&self.is_outlier[*origin..])
                .filter(|(_, is_outlier)| !**is_outlier)
                .map(|(error, _)| match self.loss {
                    Loss::Absolute => (error / self.scale).abs(),
                    Loss::Squared => (error / self.scale).powi(2),
                })
                .collect();
            if losses.is_empty() {
                continue;
            }
            let weight = 0.5f64.powf((last - origin) as f64 / self.half_life.max(1) as f64);
            total += weight * losses.iter().sum::<f64>() / losses.len() as f64;
            weights += weight;
        }
        if weights <= 0.0 {
            return f64::INFINITY;
        }
        match self.loss {
            Loss::Absolute => total / weights,
            Loss::Squared => (total / weights).sqrt(),
        }
    }
}

/// A forecaster with its backtest.
pub(super) struct Candidate {
    pub(super) name: &'static str,
    /// Its score by the [`Criterion`]; smaller is better.
    pub(super) score: f64,
    pub(super) backtest: Backtest,
    /// Forecast from the end of the series.
    pub(super) point: Vec<f64>,
}

/// Maximum number of forecasters in the combination.
const COMBINED_MAX: usize = 8;
/// Maximum score of a forecaster in the combination, relative to the best score.
const SCORE_RATIO_MAX: f64 = 1.5;

/// Counts the candidates to combine. They must be sorted by score, the best first.
pub(super) fn combination_size(candidates: &[Candidate]) -> usize {
    let Some(best) = candidates.first().map(|best| best.score.max(1e-12)) else {
        return 0;
    };
    let is_close = |candidate: &&Candidate| candidate.score <= SCORE_RATIO_MAX * best;
    candidates
        .iter()
        .take(COMBINED_MAX)
        .take_while(is_close)
        .count()
}

/// The 25 % trimmed mean of some values, and the indices of the middle half that it covers. A
/// single extreme forecast changes it little, and it varies less than the median.
fn trimmed_mean(values: &[f64]) -> (f64, Vec<usize>) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let cut = values.len() / 4;
    let middle = order[cut..values.len() - cut].to_vec();
    let sum: f64 = middle.iter().map(|i| values[*i]).sum();
    (sum / middle.len() as f64, middle)
}

/// The combination's forecast, and the share of each candidate in it over all steps.
pub(super) fn combined_forecast(candidates: &[Candidate]) -> (Vec<f64>, Vec<f64>) {
    let horizon = candidates.first().map_or(0, |first| first.point.len());
    let mut weights = vec![0.0; candidates.len()];
    let mean = (0..horizon)
        .map(|step| {
            let points: Vec<f64> = candidates
                .iter()
                .map(|candidate| candidate.point[step])
                .collect();
            let (mean, middle) = trimmed_mean(&points);
            for i in &middle {
                weights[*i] += 1.0 / (middle.len() * horizon) as f64;
            }
            mean
        })
        .collect();
    (mean, weights)
}

/// Errors of the combination. All forecasts of a step are compared with the same actual value, so
/// trimming their errors keeps the same candidates as trimming the forecasts.
pub(super) fn combined_errors(candidates: &[Candidate]) -> Vec<Vec<f64>> {
    let Some(first) = candidates.first() else {
        return Vec::new();
    };
    let rows = first.backtest.errors.iter().enumerate();
    rows.map(|(origin, row)| {
        let middle = |step: usize| {
            let errors: Vec<f64> = candidates
                .iter()
                .map(|candidate| candidate.backtest.errors[origin][step])
                .collect();
            trimmed_mean(&errors).0
        };
        (0..row.len()).map(middle).collect()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_are_ignored_and_later_errors_weigh_more() {
        let values = [1.0; 8];
        let origins = [2, 4];
        let backtest = Backtest::of(&values, &origins, &[vec![2.0, 9.0], vec![1.0, 1.0]]);
        let criterion = |outlier: usize, loss| Criterion {
            origins: &origins,
            is_outlier: (0..8).map(|i| i == outlier).collect(),
            scale: 1.0,
            half_life: 2,
            loss,
        };
        let score = criterion(3, Loss::Absolute).score(&backtest);
        assert!((score - (0.5 * 2.0 + 1.0) / 1.5).abs() < 1e-12, "{score}");
        let score = criterion(3, Loss::Squared).score(&backtest);
        let expected = ((0.5 * 4.0 + 1.0) / 1.5f64).sqrt();
        assert!((score - expected).abs() < 1e-12, "{score}");
        assert!(criterion(7, Loss::Absolute).score(&backtest) > 2.0);
    }

    #[test]
    fn extreme_forecasts_are_left_out() {
        assert_eq!(trimmed_mean(&[9.0, 1.0, 2.0, -50.0]), (1.5, vec![1, 2]));
        assert_eq!(trimmed_mean(&[3.0, 5.0]).0, 4.0);
    }
}
