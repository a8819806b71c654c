//! The choice of methods by the behaviour of a series.
//!
//! No method is best for all series: where single values deviate, distances from neighbouring
//! values are best, elsewhere distances between subsequences (Liu and Paparrizos, `NeurIPS` 2024;
//! Schmidl, Wenig and Papenbrock, PVLDB 15(9), 2022). The kind of a series is recognised by the
//! differences of its values from their neighbours: single deviating values are few, isolated, and
//! far beyond an otherwise light tail.
//!
//! Limits: the rules were chosen on synthetic series of both kinds and on a part of the Numenta
//! Anomaly Benchmark; in a series with deviations of both kinds, single values rank first.

use super::{
    calibrate::{score, surprisals},
    forest, kmeans, natural_length, poly,
    subsequence::{is_rhythmic, smoothed},
};
use crate::{
    describe::{median, quantile_sorted, sorted},
    seasonal::{decompose_within, is_seasonal},
};

/// The kind of deviations that a series shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Single values far from their neighbours.
    Point,
    /// Subsequences unlike the others.
    Sequence,
}

/// Number of values on either side that a value is compared with.
const NEIGHBOURS: usize = 3;
/// Quantile of the differences up to which the tail is considered normal.
const TAIL: f64 = 0.975;
/// Maximum ratio of that quantile to the median for a light tail: 3.3 for the normal, 5.3 for the
/// Laplace distribution.
const LIGHT_TAIL_MAX: f64 = 6.0;
/// Multiple of the quantile beyond which single values show the behaviour: 6.7 standard deviations
/// of normal noise. Once the behaviour is known, a smaller multiple suffices.
const FAR_BEYOND: f64 = 3.0;
const BEYOND: f64 = 1.5;
/// Maximum share of such values, and maximum median length of their runs.
const SHARE_MAX: f64 = 0.01;
const RUN_MAX: f64 = 2.0;
/// Longest season that is used: the minutes of a day. Longer seasons would be too slow.
const SEASON_MAX: usize = 1440;
/// Minimum number of values that a vote is smoothed over: shorter seasons are measurement noise,
/// and incidents last longer.
const SMOOTH_MIN: usize = 50;

/// Recognises the behaviour of a series from its values, and scores each value from 0 to 1 by the
/// methods that suit it. `season` is the number of values in a day or another known period.
pub fn route(values: &[f64], season: Option<usize>) -> (Behaviour, Vec<f64>) {
    let values = &super::clamp(values)[..];
    let season = season.filter(|season| *season <= SEASON_MAX);
    let differences = differences(values, season);
    let behaviour = behaviour(&differences);
    let mut vote = vote(values, season);
    if behaviour == Behaviour::Point {
        rank_single_values_first(&mut vote, &differences);
    }
    let scores = vote.iter().map(|surprisal| score(*surprisal, values.len()));
    (behaviour, scores.collect())
}

/// `-ln p` of each value by its subsequence, smoothed.
///
/// Where subsequences repeat, their shape decides (`KMeansAD`). Elsewhere the vote is the mean of
/// three methods that fail in different ways: POLY detects levels and trends, `KMeansAD` shapes,
/// and the isolation forest extremes.
fn vote(values: &[f64], season: Option<usize>) -> Vec<f64> {
    let length = natural_length(values);
    let mut lengths = season.into_iter().chain([length]);
    if let Some(length) = lengths.find(|length| is_rhythmic(values, *length)) {
        return smoothed(&surprisals(&kmeans::kmeans(values, length)), length);
    }
    let shape = surprisals(&kmeans::kmeans(values, length));
    let level = surprisals(&poly::poly(values, length));
    let extremes = surprisals(&forest::forest(values, forest::LENGTH));
    let means: Vec<f64> = (0..values.len())
        .map(|index| (shape[index] + level[index] + extremes[index]) / 3.0)
        .collect();
    smoothed(&means, length.max(SMOOTH_MIN))
}

/// Ranks single deviating values first: they get their own surprisal, and the votes of all others
/// are scaled to be lower.
fn rank_single_values_first(vote: &mut [f64], differences: &[f64]) {
    let threshold = BEYOND * quantile_sorted(&sorted(differences), TAIL);
    let single = surprisals(differences);
    let deviates = |index: &usize| differences[*index] > threshold;
    let single_min = (0..vote.len())
        .filter(deviates)
        .map(|index| single[index])
        .fold(f64::INFINITY, f64::min);
    let vote_max = vote.iter().copied().fold(0.0, f64::max);
    let scale = if vote_max > single_min {
        single_min / vote_max
    } else {
        1.0
    };
    for (index, vote) in vote.iter_mut().enumerate() {
        *vote = if deviates(&index) {
            single[index]
        } else {
            *vote * scale
        };
    }
}

/// Distance of each value from the median of its neighbours, after removing the season.
fn differences(values: &[f64], season: Option<usize>) -> Vec<f64> {
    let candidates = [season, Some(natural_length(values))];
    let season = candidates
        .into_iter()
        .flatten()
        .find(|season| is_seasonal(values, *season));
    let adjusted: Vec<f64> = match season {
        Some(season) => {
            let decomposition = decompose_within(values, season, (season / 2).max(2 * NEIGHBOURS));
            let pairs = values.iter().zip(&decomposition.season);
            pairs.map(|(value, season)| value - season).collect()
        }
        None => values.to_vec(),
    };
    (0..adjusted.len())
        .map(|index| {
            let before = &adjusted[index.saturating_sub(NEIGHBOURS)..index];
            let after = &adjusted[index + 1..(index + 1 + NEIGHBOURS).min(adjusted.len())];
            let around = [before, after].concat();
            if around.is_empty() {
                0.0
            } else {
                (adjusted[index] - median(&around)).abs()
            }
        })
        .collect()
}

fn behaviour(differences: &[f64]) -> Behaviour {
    let ordered = sorted(differences);
    let tail = quantile_sorted(&ordered, TAIL);
    let is_light = tail > 0.0 && tail < LIGHT_TAIL_MAX * quantile_sorted(&ordered, 0.5);
    let mut runs: Vec<f64> = Vec::new();
    let mut is_in_run = false;
    for difference in differences {
        let deviates = *difference > FAR_BEYOND * tail;
        match runs.last_mut() {
            Some(run) if deviates && is_in_run => *run += 1.0,
            _ if deviates => runs.push(1.0),
            _ => {}
        }
        is_in_run = deviates;
    }
    let deviating: f64 = runs.iter().sum();
    let are_single = deviating > 0.0
        && deviating <= SHARE_MAX * differences.len() as f64
        && median(&runs) <= RUN_MAX;
    if is_light && are_single {
        Behaviour::Point
    } else {
        Behaviour::Sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wave with noise between -1 and 1.
    fn wave(rows: i32) -> Vec<f64> {
        let noise = |i: i32| f64::from(i * 7919 % 1009) / 504.5 - 1.0;
        (0..rows)
            .map(|i| 5.0 * (f64::from(i) * std::f64::consts::TAU / 48.0).sin() + noise(i))
            .collect()
    }

    fn greatest(scores: &[f64]) -> usize {
        let order = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        order.unwrap()
    }

    #[test]
    fn single_values_are_recognised_and_found() {
        let mut values = wave(2000);
        assert_eq!(route(&values, None).0, Behaviour::Sequence);
        values[700] += 12.0;
        values[1500] -= 15.0;
        let (behaviour, scores) = route(&values, None);
        assert_eq!(behaviour, Behaviour::Point);
        assert_eq!(greatest(&scores), 1500);
        assert_eq!(greatest(&scores[..1400]), 700);
    }

    #[test]
    fn subsequences_are_recognised_and_found() {
        let mut values = wave(2000);
        let level = values[1200];
        values[1200..1260].fill(level);
        let (behaviour, scores) = route(&values, Some(48));
        assert_eq!(behaviour, Behaviour::Sequence);
        let index = greatest(&scores);
        assert!((1180..1280).contains(&index), "{index}");
    }

    #[test]
    fn heavy_tails_are_not_points() {
        // Every tenth value is anything up to a thousand.
        let values: Vec<f64> = (0..2000)
            .map(|i| {
                let noise = f64::from(i * 7919 % 1009);
                if i % 10 == 0 { noise } else { noise / 1000.0 }
            })
            .collect();
        for values in [&values[..], &[1.0; 100], &[]] {
            assert_eq!(route(values, None).0, Behaviour::Sequence);
        }
    }
}
