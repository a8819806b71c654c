//! Descriptive statistics: location, spread, quantiles and their intervals.
//!
//! Every function takes finite numbers. An empty sample has no mean: such calls return NaN, which
//! the number formats of the domain print as "n/a".

use crate::distribution::{normal_quantile, t_quantile};

/// Arithmetic mean; NaN for an empty sample.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sample variance with the divisor n − 1; NaN for fewer than two values.
pub fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let mean = mean(values);
    values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

/// Sample standard deviation; NaN for fewer than two values.
pub fn sd(values: &[f64]) -> f64 {
    variance(values).sqrt()
}

/// The values in ascending order.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// Quantile of ascending values by linear interpolation (type 7 of Hyndman and Fan, 1996, which is
/// also the default of R and `NumPy`); NaN for an empty sample.
pub fn quantile_sorted(sorted: &[f64], probability: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let position = probability.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// Quantile of values in any order, see [`quantile_sorted`].
pub fn quantile(values: &[f64], probability: f64) -> f64 {
    quantile_sorted(&sorted(values), probability)
}

/// Median; NaN for an empty sample.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Median absolute deviation from the median, times 1.4826 so that it estimates the standard
/// deviation of a normal sample; NaN for an empty sample.
pub fn mad(values: &[f64]) -> f64 {
    let centre = median(values);
    let deviations: Vec<f64> = values.iter().map(|x| (x - centre).abs()).collect();
    1.4826 * median(&deviations)
}

/// Mean of the values without a `share` of them at each end; NaN for an empty sample.
pub fn trimmed_mean(values: &[f64], share: f64) -> f64 {
    let sorted = sorted(values);
    let cut = (share.clamp(0.0, 0.5) * sorted.len() as f64).floor() as usize;
    if 2 * cut >= sorted.len() {
        return quantile_sorted(&sorted, 0.5);
    }
    mean(&sorted[cut..sorted.len() - cut])
}

/// Interval of the mean by Student's t; `None` for fewer than two values.
pub fn mean_interval(values: &[f64], level: f64) -> Option<[f64; 2]> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let half = t_quantile(0.5 + level / 2.0, n - 1.0) * sd(values) / n.sqrt();
    let mean = mean(values);
    Some([mean - half, mean + half])
}

/// Interval of a quantile of ascending values from order statistics (Conover, 1999, section 3.2,
/// with the normal approximation of the binomial, ranks rounded outwards), without assumptions
/// about the distribution. `None` if the sample is too small for such an interval.
pub fn quantile_interval(sorted: &[f64], probability: f64, level: f64) -> Option<[f64; 2]> {
    let n = sorted.len() as f64;
    let half = normal_quantile(0.5 + level / 2.0) * (n * probability * (1.0 - probability)).sqrt();
    let lower = (n * probability - half).floor();
    let upper = (n * probability + half).ceil() + 1.0;
    if sorted.len() < 5 || lower < 1.0 || upper > n {
        return None;
    }
    Some([sorted[lower as usize - 1], sorted[upper as usize - 1]])
}

/// Interval of the median of values in any order, see [`quantile_interval`].
pub fn median_interval(values: &[f64], level: f64) -> Option<[f64; 2]> {
    quantile_interval(&sorted(values), 0.5, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(got: f64, expected: f64) {
        assert!(
            (got - expected).abs() < 1e-9,
            "got {got}, expected {expected}"
        );
    }

    #[test]
    fn location_and_spread_agree_with_their_definitions() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        check(mean(&values), 5.0);
        check(variance(&values), 32.0 / 7.0);
        check(median(&values), 4.5);
        check(mad(&values), 1.4826 * 0.5);
        check(trimmed_mean(&values, 0.25), 4.5);
        check(trimmed_mean(&values, 0.5), 4.5);
        assert!(mean(&[]).is_nan() && median(&[]).is_nan() && sd(&[1.0]).is_nan());
    }

    #[test]
    fn quantiles_agree_with_r() {
        // quantile(c(1, 3, 3.5, 10), c(0, .1, .25, .5, .9, 1)) in R.
        let values = [3.5, 1.0, 10.0, 3.0];
        let expected = [1.0, 1.6, 2.5, 3.25, 8.05, 10.0];
        for (p, expected) in [0.0, 0.1, 0.25, 0.5, 0.9, 1.0].into_iter().zip(expected) {
            check(quantile(&values, p), expected);
        }
    }

    #[test]
    fn intervals_agree_with_r() {
        // t.test(c(1, 2, 3, 4, 5)) in R: 1.036757 to 4.963243.
        let [lower, upper] = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        assert!((lower - 1.036_757).abs() < 1e-6 && (upper - 4.963_243).abs() < 1e-6);
        // Ranks 40 and 61 of 100 values contain the median with 95 %.
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(median_interval(&values, 0.95), Some([40.0, 61.0]));
        assert_eq!(median_interval(&values[..5], 0.95), None);
    }
}
