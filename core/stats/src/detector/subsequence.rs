//! Subsequences of a series, of equal length.

/// Maximum number of values that the autocorrelation is computed from.
const VALUES_MAX: usize = 20_000;
/// Length of subsequences when the autocorrelation has no peak.
const DEFAULT: usize = 125;

/// Natural length of subsequences: the lag of the greatest local maximum of the autocorrelation of
/// the first 20,000 values among the lags 4 to 399, or 125 if there is no maximum or its lag is not
/// in 6 to 303 (the rule of the TSB-AD benchmark: Liu and Paparrizos, "The Elephant in the Room",
/// `NeurIPS` 2024).
pub fn natural_length(values: &[f64]) -> usize {
    const BASE: usize = 3;
    let correlations = products(values, BASE..401);
    let peaks = correlations.windows(3).enumerate();
    let greatest = peaks
        .filter(|(_, three)| three[1] > three[0] && three[1] > three[2])
        .max_by(|(_, a), (_, b)| a[1].total_cmp(&b[1]))
        .map(|(index, _)| index + 1);
    match greatest {
        Some(index) if (3..=300).contains(&index) => index + BASE,
        _ => DEFAULT,
    }
}

/// Returns true if subsequences of `length` values repeat: the autocorrelation at this lag is above
/// 1/2, and more than 1/2 above the smallest autocorrelation at a shorter lag. Subsequences of
/// fewer than 16 values have no shape that could repeat.
pub(super) fn is_rhythmic(values: &[f64], length: usize) -> bool {
    const LENGTH_MIN: usize = 16;
    const SIMILAR: f64 = 0.5;
    let correlations = products(values, 0..length + 1);
    let (Some(whole), Some(peak)) = (correlations.first(), correlations.get(length)) else {
        return false;
    };
    let least = correlations.iter().copied().fold(f64::INFINITY, f64::min);
    length >= LENGTH_MIN && *peak > SIMILAR * whole && peak - least > SIMILAR * whole
}

/// Autocovariances of the first 20,000 values, not normalised, one per lag.
fn products(values: &[f64], lags: std::ops::Range<usize>) -> Vec<f64> {
    let values = &values[..values.len().min(VALUES_MAX)];
    let mean = crate::describe::mean(values);
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let product = |lag: usize| -> f64 {
        let pairs = centred.iter().zip(&centred[lag..]);
        pairs.map(|(a, b)| a * b).sum()
    };
    (lags.start..lags.end.min(values.len()))
        .map(product)
        .collect()
}

/// Converts scores of subsequences to scores of values: each value gets the score of the
/// subsequence around it; values at the ends get that of the first or last subsequence.
pub(super) fn centred(scores: &[f64], length: usize) -> Vec<f64> {
    let (Some(first), Some(last)) = (scores.first(), scores.last()) else {
        return Vec::new();
    };
    let before = length / 2;
    let mut out = vec![*first; before];
    out.extend_from_slice(scores);
    out.resize(scores.len() + length - 1, *last);
    out
}

/// Converts scores of subsequences to scores of values: each value gets the mean over all
/// subsequences that contain it.
pub(super) fn averaged(scores: &[f64], length: usize) -> Vec<f64> {
    let sums = running_sums(scores);
    (0..scores.len() + length - 1)
        .map(|index| {
            let from = (index + 1).saturating_sub(length);
            let to = (index + 1).min(scores.len());
            (sums[to] - sums[from]) / (to - from) as f64
        })
        .collect()
}

/// Mean over `length` values around each; at the ends the first and last value are repeated.
pub(super) fn smoothed(values: &[f64], length: usize) -> Vec<f64> {
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return Vec::new();
    };
    let before = length / 2;
    let mut padded = vec![*first; before];
    padded.extend_from_slice(values);
    padded.resize(values.len() + length - 1, *last);
    let sums = running_sums(&padded);
    let mean = |index: usize| (sums[index + length] - sums[index]) / length as f64;
    (0..values.len()).map(mean).collect()
}

/// Sum of the values before each index, and of all values.
fn running_sums(values: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    sums.extend(values.iter().map(|value| {
        sum += value;
        sum
    }));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_follows_the_season() {
        let wave: Vec<f64> = (0..2000).map(|i| (f64::from(i) / 50.0).fract()).collect();
        assert_eq!(natural_length(&wave), 50);
        assert_eq!(natural_length(&[1.0; 50]), DEFAULT);
        assert_eq!(natural_length(&[1.0]), DEFAULT);
        assert_eq!(natural_length(&[]), DEFAULT);
        assert!(is_rhythmic(&wave, 50) && !is_rhythmic(&wave, 75));
        // A slow series is similar to itself at every short lag.
        let slow: Vec<f64> = (0..2000).map(|i| (f64::from(i) / 2000.0).fract()).collect();
        assert!(!is_rhythmic(&slow, 50));
        assert!(!is_rhythmic(&[1.0; 300], 50) && !is_rhythmic(&[], 50));
    }

    #[test]
    fn scores_of_subsequences_become_scores_of_values() {
        assert_eq!(centred(&[1.0, 2.0, 3.0], 3), [1.0, 1.0, 2.0, 3.0, 3.0]);
        assert_eq!(centred(&[1.0, 2.0], 4), [1.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!(averaged(&[1.0, 2.0, 6.0], 2), [1.0, 1.5, 4.0, 6.0]);
        assert_eq!(smoothed(&[0.0, 3.0, 0.0], 3), [1.0, 1.0, 1.0]);
    }
}
