//! The combination of the forecasters that are close to the best.

use super::Backtest;

/// A forecaster with its record.
pub(super) struct Candidate {
    pub(super) name: &'static str,
    /// Error by which it is chosen.
    pub(super) score: f64,
    pub(super) record: Backtest,
    /// Forecast from the end of the series.
    pub(super) point: Vec<f64>,
}

/// Maximum number of forecasters in the combination.
const CHOSEN_MAX: usize = 8;
/// Forecasters are chosen up to this error, relative to the best one's.
const CHOSEN_ERROR: f64 = 1.5;

/// Number of candidates that are combined; their errors ascend.
pub(super) fn chosen(candidates: &[Candidate]) -> usize {
    let Some(best) = candidates.first().map(|one| one.score.max(1e-12)) else {
        return 0;
    };
    let is_close = |one: &&Candidate| one.score <= CHOSEN_ERROR * best;
    candidates
        .iter()
        .take(CHOSEN_MAX)
        .take_while(is_close)
        .count()
}

/// The mean of the middle half of some values, and which they are: an outlying forecast moves it
/// little, and it varies less than the median.
fn middle_mean(values: &[f64]) -> (f64, Vec<usize>) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let cut = values.len() / 4;
    let middle = order[cut..values.len() - cut].to_vec();
    let sum: f64 = middle.iter().map(|i| values[*i]).sum();
    (sum / middle.len() as f64, middle)
}

/// The combination's forecast, and the share of each candidate in it over all steps.
pub(super) fn combined(candidates: &[Candidate]) -> (Vec<f64>, Vec<f64>) {
    let horizon = candidates.first().map_or(0, |one| one.point.len());
    let mut weights = vec![0.0; candidates.len()];
    let mean = (0..horizon)
        .map(|step| {
            let points: Vec<f64> = candidates.iter().map(|one| one.point[step]).collect();
            let (mean, middle) = middle_mean(&points);
            for i in &middle {
                weights[*i] += 1.0 / (middle.len() * horizon) as f64;
            }
            mean
        })
        .collect();
    (mean, weights)
}

/// Errors of the combination: what is in the middle of the forecasts is in the middle of their errors.
pub(super) fn combined_errors(candidates: &[Candidate]) -> Vec<Vec<f64>> {
    let Some(first) = candidates.first() else {
        return Vec::new();
    };
    let rows = first.record.errors.iter().enumerate();
    rows.map(|(origin, row)| {
        let middle = |step: usize| {
            let errors: Vec<f64> = candidates
                .iter()
                .map(|one| one.record.errors[origin][step])
                .collect();
            middle_mean(&errors).0
        };
        (0..row.len()).map(middle).collect()
    })
    .collect()
}
