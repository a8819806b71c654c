//! Seasonal residual: distance from the usual value at this phase of the season.
//!
//! Level and season are taken out by medians (see [`decompose`](crate::seasonal::decompose)), so an
//! outage bends neither; the score is the distance in robust standard deviations (Rousseeuw and Croux,
//! 1993).
//!
//! Limits: needs three seasons, or else judges by the level alone; a season that changes its shape
//! leaves residuals.

use super::subsequence::{is_rhythmic, natural_length};
use crate::{describe::mad, seasonal::decompose_within};

/// Values on either side of the running level where there is no season.
const HALF: usize = 25;

/// Raw score of each value. `season` is the number of values in a period; without a usable one, it is
/// looked for in the values.
pub fn seasonal_residual(values: &[f64], season: Option<usize>) -> Vec<f64> {
    let known = season.filter(|season| *season > 1 && 3 * season <= values.len());
    let length = natural_length(values);
    let season = known.or_else(|| is_rhythmic(values, length).then_some(length));
    let half = season.map_or(HALF, |season| (season / 2).max(HALF));
    let parts = decompose_within(values, season.unwrap_or(1), half);
    let scale = mad(&parts.remainder);
    let sizes = parts.remainder.iter().map(|rest| rest.abs());
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
    fn the_usual_value_depends_on_the_phase() {
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
