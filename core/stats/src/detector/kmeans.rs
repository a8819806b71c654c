//! `KMeansAD`: distance of subsequences from the nearest of a few typical subsequences.
//!
//! Yairi, Kato and Hori, "Fault detection by mining association rules from house-keeping data",
//! i-SAIRAS 2001, as in `TimeEval` (Schmidl, Wenig and Papenbrock, PVLDB 15(9), 2022): k-means with
//! 20 centres over all subsequences; the score of a value is the mean distance of the subsequences
//! that contain it. Centres are found on at most 4,096 subsequences at equal distances, from a
//! k-means++ start (Arthur and Vassilvitskii, 2007) seeded by the series.
//!
//! Limits: a repeated anomaly gets its own centre; distances include the level, so a shift of the
//! level is an anomaly unless a centre represents the new level.

use super::subsequence::averaged;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CENTRES: usize = 20;
const SAMPLE_MAX: usize = 4096;
const ROUNDS_MAX: usize = 50;

/// Raw score of each value, for subsequences of `length`. Zeros for fewer values.
pub fn kmeans(values: &[f64], length: usize) -> Vec<f64> {
    if length == 0 || values.len() < length {
        return vec![0.0; values.len()];
    }
    let subsequences: Vec<&[f64]> = values.windows(length).collect();
    let step = subsequences.len().div_ceil(SAMPLE_MAX);
    let sample: Vec<&[f64]> = subsequences.iter().copied().step_by(step).collect();
    let centres = centres(&sample, super::seed(values));
    let distance = |subsequence: &&[f64]| nearest(&centres, subsequence).1.sqrt();
    averaged(
        &subsequences.iter().map(distance).collect::<Vec<f64>>(),
        length,
    )
}

/// Centres of the sample, by Lloyd's algorithm.
fn centres(sample: &[&[f64]], seed: u64) -> Vec<Vec<f64>> {
    let mut centres = first_centres(sample, seed);
    let mut assigned = vec![usize::MAX; sample.len()];
    for _ in 0..ROUNDS_MAX {
        let mut has_changed = false;
        for (subsequence, assigned) in sample.iter().zip(&mut assigned) {
            let (centre, _) = nearest(&centres, subsequence);
            has_changed |= *assigned != centre;
            *assigned = centre;
        }
        if !has_changed {
            break;
        }
        let mut sums = vec![vec![0.0; sample[0].len()]; centres.len()];
        let mut counts = vec![0.0; centres.len()];
        for (subsequence, centre) in sample.iter().zip(&assigned) {
            counts[*centre] += 1.0;
            for (sum, value) in sums[*centre].iter_mut().zip(*subsequence) {
                *sum += value;
            }
        }
        for ((centre, sum), count) in centres.iter_mut().zip(sums).zip(counts) {
            // A centre without subsequences does not move.
            if count > 0.0 {
                *centre = sum.iter().map(|sum| sum / count).collect();
            }
        }
    }
    centres
}

/// Draws each next centre with a probability proportional to the squared distance from the nearest
/// earlier centre.
fn first_centres(sample: &[&[f64]], seed: u64) -> Vec<Vec<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut centres = vec![sample[random.random_range(0..sample.len())].to_vec()];
    let mut distances: Vec<f64> = vec![f64::INFINITY; sample.len()];
    while centres.len() < CENTRES {
        let newest = &centres[centres.len() - 1..];
        for (distance, subsequence) in distances.iter_mut().zip(sample) {
            *distance = distance.min(nearest(newest, subsequence).1);
        }
        let total: f64 = distances.iter().sum();
        if total <= 0.0 || !total.is_finite() {
            break;
        }
        let mut remaining = random.random::<f64>() * total;
        let drawn = distances.iter().position(|distance| {
            remaining -= distance;
            remaining < 0.0
        });
        centres.push(sample[drawn.unwrap_or(0)].to_vec());
    }
    centres
}

/// Index of the nearest centre, and its squared distance.
fn nearest(centres: &[Vec<f64>], subsequence: &[f64]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (index, centre) in centres.iter().enumerate() {
        let mut distance = 0.0;
        for (values, means) in subsequence.chunks(16).zip(centre.chunks(16)) {
            for (a, b) in values.iter().zip(means) {
                distance += (a - b) * (a - b);
            }
            if distance >= best.1 {
                break;
            }
        }
        if distance < best.1 {
            best = (index, distance);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_subsequence_in_a_wave_has_the_highest_score() {
        let mut values: Vec<f64> = (0..2000).map(|i| (f64::from(i) * 0.2).sin()).collect();
        values[1000..1040].fill(0.0);
        let scores = kmeans(&values, 31);
        let greatest = (0..2000).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert!((1000..1040).contains(&greatest.unwrap()), "{greatest:?}");
        assert_eq!(scores, kmeans(&values, 31));
        assert_eq!(kmeans(&[1.0; 40], 10), [0.0; 40]);
        assert_eq!(kmeans(&[1.0; 4], 10), [0.0; 4]);
    }
}
