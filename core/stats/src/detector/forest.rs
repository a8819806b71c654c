//! Isolation forest on stretches: how few cuts set a stretch apart.
//!
//! Liu, Ting and Zhou, "Isolation Forest", ICDM 2008, on stretches of 100 values as in TSB-AD. See
//! [`isolation_forest`](crate::isolation_forest). The forest is seeded by the series.
//!
//! Limits: each cut looks at one value of the stretch, so extremes and levels count, shape hardly.

use super::subsequence::centred;
use crate::isolation_forest::{IsolationForest, Options};

/// Length of a stretch.
pub(super) const LENGTH: usize = 100;

/// Raw score of each value, for stretches of `length`. Zeros for fewer values.
pub fn forest(values: &[f64], length: usize) -> Vec<f64> {
    if length == 0 || values.len() < length {
        return vec![0.0; values.len()];
    }
    let points: Vec<Vec<f64>> = values.windows(length).map(<[f64]>::to_vec).collect();
    let forest = IsolationForest::grow(&points, Options::default(), super::seed(values));
    let scores: Vec<f64> = points.iter().map(|point| forest.score(point)).collect();
    centred(&scores, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_stands_out_every_time() {
        let mut values: Vec<f64> = (0..800).map(|i| 10.0 + f64::from(i * 7919 % 101)).collect();
        values[400..430].fill(0.0);
        let scores = forest(&values, 20);
        let greatest = (0..800).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert!((395..435).contains(&greatest.unwrap()), "{greatest:?}");
        assert_eq!(scores, forest(&values, 20));
        assert_eq!(forest(&[1.0; 5], 20), [0.0; 5]);
    }
}
