//! Matrix profile: distance of each subsequence from the most similar other subsequence.
//!
//! Yeh et al., "Matrix Profile I", ICDM 2016, computed along the diagonals (Zhu et al., "Matrix
//! Profile II", ICDM 2016): subsequences are standardised, so only their shape matters, not level
//! or amplitude. Subsequences that overlap by more than half are not compared.
//!
//! Limits: the cost grows with the square of the number of values; an anomaly that occurs twice is
//! not found; where a series only has noise, all shapes are unusual.

use super::subsequence::centred;

/// Raw score of each value, for subsequences of `length`. Zeros for fewer than two subsequences.
pub fn matrix_profile(values: &[f64], length: usize) -> Vec<f64> {
    if length < 2 || values.len() < 2 * length {
        return vec![0.0; values.len()];
    }
    let middle = crate::describe::mean(values);
    let values: Vec<f64> = values.iter().map(|value| value - middle).collect();
    let size = length as f64;
    let (means, sds): (Vec<f64>, Vec<f64>) = values
        .windows(length)
        .map(|subsequence| {
            let mean = crate::describe::mean(subsequence);
            let squares: f64 = subsequence.iter().map(|value| (value - mean).powi(2)).sum();
            (mean, (squares / size).sqrt())
        })
        .unzip();
    // Subsequences that vary less than rounding errors are flat.
    let greatest = values
        .iter()
        .fold(0.0, |max: f64, value| max.max(value.abs()));
    let flat = 1e-7 * greatest + f64::MIN_POSITIVE;
    let count = means.len();
    let mut best = vec![-1.0_f64; count];
    for distance in length.div_ceil(2)..count {
        let first = values[..length].iter().zip(&values[distance..]);
        let mut products: f64 = first.map(|(a, b)| a * b).sum();
        for row in 0..count - distance {
            let other = row + distance;
            if row > 0 {
                products += values[row + length - 1] * values[other + length - 1]
                    - values[row - 1] * values[other - 1];
            }
            let correlation = match (sds[row] <= flat, sds[other] <= flat) {
                (true, true) => 1.0,
                // A flat subsequence is neither similar to others nor their opposite.
                (true, false) | (false, true) => 0.5,
                (false, false) => {
                    (products / size - means[row] * means[other]) / (sds[row] * sds[other])
                }
            };
            best[row] = best[row].max(correlation);
            best[other] = best[other].max(correlation);
        }
    }
    let distances: Vec<f64> = best
        .iter()
        .map(|correlation| (2.0 * size * (1.0 - correlation.min(1.0))).sqrt())
        .collect();
    centred(&distances, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_agrees_with_its_definition() {
        let values: Vec<f64> = (0..60).map(|i| f64::from(i * i * 7919 % 101)).collect();
        let length = 8;
        let standard: Vec<Vec<f64>> = values
            .windows(length)
            .map(|subsequence| {
                let mean = crate::describe::mean(subsequence);
                let squares: f64 = subsequence.iter().map(|v| (v - mean).powi(2)).sum();
                let sd = (squares / 8.0).sqrt();
                subsequence.iter().map(|v| (v - mean) / sd).collect()
            })
            .collect();
        let profile: Vec<f64> = (0..standard.len())
            .map(|row| {
                let others = (0..standard.len()).filter(|other| other.abs_diff(row) >= 4);
                let distance = |other: usize| {
                    let pairs = standard[row].iter().zip(&standard[other]);
                    pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
                };
                others.map(distance).fold(f64::INFINITY, f64::min)
            })
            .collect();
        let scores = matrix_profile(&values, length);
        for (row, expected) in profile.iter().enumerate() {
            assert!((scores[row + 4] - expected).abs() < 1e-6, "{row}");
        }
        assert_eq!(matrix_profile(&[5.0; 40], 8), [0.0; 40]);
        assert_eq!(matrix_profile(&[5.0; 9], 8), [0.0; 9]);
    }
}
