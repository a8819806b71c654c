//! Seasonal residual: distance from the expected value at this phase of the season.
//!
//! Level and season are removed by medians (see [`decompose`](crate::seasonal::decompose)), so an
//! outage distorts neither; the score is the distance in robust standard deviations (Rousseeuw and
//! Croux, 1993).
//!
//! Limits: with fewer than three seasons only the level is removed; a season that changes its shape
//! leaves residuals.

use super::subsequence::{is_rhythmic, natural_length};
use crate::{describe::mad, seasonal::decompose_within};

/// Half width of the running level without a season.
const HALF_WIDTH: usize = 25;

/// Raw score of each value. `season` is the number of values in a period; if it is missing or too
/// long, a season is searched for in the values.
pub fn seasonal_residual(values: &[f64], season: Option<usize>) -> Vec<f64> {
    let known = season.filter(|season| *season > 1 && 3 * season <= values.len());
    let length = natural_length(values);
    let season = known.or_else(|| is_rhythmic(values, length).then_some(length));
    let half = season.map_or(HALF_WIDTH, |season| (season / 2).max(HALF_WIDTH));
    let decomposition = decompose_within(values, season.unwrap_or(1), half);
    let scale = mad(&decomposition.remainder);
    let sizes = decomposition
        .remainder
        .iter()
        .map(|remainder| remainder.abs());
    if scale > 0.0 {
        sizes.map(|size| size / scale).collect()
    } else {
        sizes.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_values_depend_on_the_phase() {
        let value = |i: i32| f64::from(i % 24) + f64::from(i * 7919 % 101) / 100.0;
        let mut values: Vec<f64> = (0..480).map(value).collect();
        values[240] = 12.0;
        let scores = seasonal_residual(&values, Some(24));
        let greatest = (0..480).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert_eq!(greatest, Some(240));
        assert!(scores[240] > 10.0, "{}", scores[240]);
        assert_eq!(seasonal_residual(&[3.0; 60], Some(24)), [0.0; 60]);
        assert!(seasonal_residual(&[], None).is_empty());
    }
}
