//! Isolation forest on subsequences: how few random cuts separate a subsequence from the others.
//!
//! Liu, Ting and Zhou, "Isolation Forest", ICDM 2008, on subsequences of 100 values as in TSB-AD.
//! See [`isolation_forest`](crate::isolation_forest). The forest is seeded by the series.
//!
//! Limits: each cut uses one value of the subsequence, so it finds extremes and levels, but hardly
//! unusual shapes.

use super::subsequence::centred;
use crate::isolation_forest::{IsolationForest, Options};

/// Maximum number of subsequences that the forest is grown on, at equal distances.
const SAMPLE_MAX: usize = 16_384;
/// Length of a subsequence.
pub(super) const LENGTH: usize = 100;

/// Raw score of each value, for subsequences of `length`. Zeros for fewer values.
pub fn forest(values: &[f64], length: usize) -> Vec<f64> {
    if length == 0 || values.len() < length {
        return vec![0.0; values.len()];
    }
    let step = (values.len() - length + 1).div_ceil(SAMPLE_MAX);
    let sample = values.windows(length).step_by(step);
    let points: Vec<Vec<f64>> = sample.map(<[f64]>::to_vec).collect();
    let forest = IsolationForest::grow(&points, Options::default(), super::seed(values));
    let scores: Vec<f64> = values
        .windows(length)
        .map(|subsequence| forest.score(subsequence))
        .collect();
    centred(&scores, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_has_the_highest_score() {
        let mut values: Vec<f64> = (0..800).map(|i| 10.0 + f64::from(i * 7919 % 101)).collect();
        values[400..430].fill(0.0);
        let scores = forest(&values, 20);
        let greatest = (0..800).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert!((395..435).contains(&greatest.unwrap()), "{greatest:?}");
        assert_eq!(scores, forest(&values, 20));
        assert_eq!(forest(&[1.0; 5], 20), [0.0; 5]);
    }
}
