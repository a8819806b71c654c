//! The choice of methods.

use super::{calibrate::calibrate, forest, kmeans, natural_length, poly, subsequence::smoothed};

/// The kind of deviations that a series shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Single values far from all others.
    Point,
    /// Stretches unlike the others.
    Sequence,
}

/// Recognises the behaviour.
pub fn behaviour(_values: &[f64], _season: Option<usize>) -> Behaviour {
    Behaviour::Sequence
}

/// Shortest run of values that a vote is smoothed over.
const SMOOTH_MIN: usize = 50;

/// Scores each value by the methods that suit the behaviour.
pub(super) fn detect(values: &[f64], _season: Option<usize>) -> Vec<f64> {
    let length = natural_length(values);
    let votes = [
        calibrate(&poly::poly(values, length)),
        calibrate(&kmeans::kmeans(values, length)),
        calibrate(&forest::forest(values, forest::LENGTH)),
    ];
    let means: Vec<f64> = (0..values.len())
        .map(|at| votes.iter().map(|vote| vote[at]).sum::<f64>() / votes.len() as f64)
        .collect();
    smoothed(&means, length.max(SMOOTH_MIN))
}
