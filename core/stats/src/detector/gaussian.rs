//! Windowed Gaussian: tail probability of a value among the values before it.
//!
//! The baseline of the Numenta Anomaly Benchmark (Lavin and Ahmad, ICMLA 2015): mean and standard
//! deviation of the last 1,000 values. Only earlier values are used.
//!
//! Limits: it ignores season and shape, and reports values of heavy tails as anomalies.

use super::calibrate::score;

/// Number of earlier values that mean and standard deviation are computed from.
const LENGTH: usize = 1000;

/// Score of each value, from 0 to 1, by the probability of a value as far from the mean of earlier
/// values.
pub(super) fn scores(values: &[f64]) -> Vec<f64> {
    let distances = windowed_gaussian(values).into_iter().enumerate();
    distances
        .map(|(index, distance)| score(surprisal(distance), index))
        .collect()
}

/// `-ln p` of a normal value at least `distance` standard deviations from the mean, on either side.
fn surprisal(distance: f64) -> f64 {
    // Beyond this, the first term of the asymptotic series is exact to at least two digits.
    const FAR: f64 = 20.0;
    let x = distance / std::f64::consts::SQRT_2;
    if distance < FAR {
        -statrs::function::erf::erfc(x).ln()
    } else {
        x * x + (x * std::f64::consts::PI.sqrt()).ln()
    }
}

/// Distance of each value from the mean of earlier values in standard deviations.
pub fn windowed_gaussian(values: &[f64]) -> Vec<f64> {
    // Differences from the first value avoid rounding errors when the level is high.
    let origin = values.first().copied().unwrap_or(0.0);
    let centred: Vec<f64> = values.iter().map(|value| value - origin).collect();
    let (mut sum, mut squares) = (0.0, 0.0);
    let mut scores = Vec::with_capacity(values.len());
    for (index, value) in centred.iter().enumerate() {
        let count = index.min(LENGTH) as f64;
        let mean = sum / count.max(1.0);
        let variance: f64 = squares / count.max(1.0) - mean * mean;
        let sd = variance.max(0.0).sqrt().max(1e-6 * (1.0 + mean.abs()));
        scores.push(if index < 2 {
            0.0
        } else {
            (value - mean).abs() / sd
        });
        sum += value;
        squares += value * value;
        if index >= LENGTH {
            let oldest = centred[index - LENGTH];
            sum -= oldest;
            squares -= oldest * oldest;
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surprisal_is_continuous_at_the_switch() {
        assert!((surprisal(1.96) - 20_f64.ln()).abs() < 1e-3);
        let (near, far) = (surprisal(19.999), surprisal(20.001));
        assert!(near < far && far - near < 0.05, "{near} {far}");
        let scores = scores(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1e3]);
        assert!(scores[6] > 0.99 && scores[6] < 1.0, "{scores:?}");
    }

    #[test]
    fn distances_are_from_earlier_values() {
        let values: Vec<f64> = (0..1500).map(|i| 1e6 + f64::from(i * 7919 % 101)).collect();
        let scores = windowed_gaussian(&values);
        let index = 1400;
        let before = &values[index - LENGTH..index];
        let mean = crate::describe::mean(before);
        let sd = (before.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1000.0).sqrt();
        let expected = (values[index] - mean).abs() / sd;
        assert!(
            (scores[index] - expected).abs() < 1e-6,
            "{} {expected}",
            scores[index]
        );
        assert_eq!(windowed_gaussian(&values[..700]), scores[..700]);
        assert!(
            windowed_gaussian(&[4.0; 50])
                .iter()
                .all(|score| *score == 0.0)
        );
    }
}
