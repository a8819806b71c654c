//! Range-based F1.
//!
//! Tatbul et al., "Precision and Recall for Time Series", `NeurIPS` 2018, with the weights of
//! TSB-AD: recall is 20 % existence and 80 % overlap, precision is overlap only, every position of
//! a range counts the same, and an overlap with several ranges is divided by their number.

use crate::vus::{events, is_mixed};

/// Share of existence in recall.
const EXISTENCE: f64 = 0.2;

/// Range-based F1 of alerts against labels, one of each per row, from 0 to 1.
pub fn range_f1(labels: &[bool], alerts: &[bool]) -> f64 {
    let recall = overlap(&events(labels), alerts, EXISTENCE);
    let precision = overlap(&events(alerts), labels, 0.0);
    if recall + precision > 0.0 {
        2.0 * recall * precision / (recall + precision)
    } else {
        0.0
    }
}

/// The greatest F1 over 100 equally spaced thresholds; alerts are above the threshold. `None` if no
/// row or every row is labelled. The labels choose the threshold, so this is an upper bound for a
/// detector.
pub fn best_range_f1(labels: &[bool], scores: &[f64]) -> Option<f64> {
    if !is_mixed(labels) {
        return None;
    }
    let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let threshold = |step: i32| low + (high - low) * f64::from(step) / 99.0;
    let f1 = |step| {
        let alerts: Vec<bool> = scores
            .iter()
            .map(|score| *score > threshold(step))
            .collect();
        range_f1(labels, &alerts)
    };
    (0..100).map(f1).reduce(f64::max)
}

/// Mean reward of ranges for the rows of `others` within them.
fn overlap(ranges: &[(usize, usize)], others: &[bool], existence: f64) -> f64 {
    let reward = |(first, last): &(usize, usize)| {
        let within = &others[*first..=*last];
        let covered = within.iter().filter(|other| **other).count();
        if covered == 0 {
            return 0.0;
        }
        let starts = within.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        let pieces = starts + usize::from(within[0]);
        let share = covered as f64 / within.len() as f64;
        existence + (1.0 - existence) * share / pieces as f64
    };
    ranges.iter().map(reward).sum::<f64>() / ranges.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(ranges: &[(usize, usize)]) -> Vec<bool> {
        let is_in = |row| ranges.iter().any(|(a, b)| (*a..=*b).contains(&row));
        (0..100).map(is_in).collect()
    }

    #[test]
    fn overlap_with_ranges_is_rewarded() {
        let labels = rows(&[(10, 19), (50, 59)]);
        assert_eq!(range_f1(&labels, &labels), 1.0);
        assert_eq!(range_f1(&labels, &rows(&[(80, 90)])), 0.0);
        // One of two ranges is half covered: recall (0.2 + 0.8 / 2) / 2 = 0.3, precision 1.
        let score = range_f1(&labels, &rows(&[(10, 14)]));
        assert!((score - 2.0 * 0.3 / 1.3).abs() < 1e-12, "{score}");
        // In two pieces the overlap counts half: recall (0.2 + 0.8 / 2 / 2) / 2 = 0.2.
        let score = range_f1(&labels, &rows(&[(10, 11), (15, 17)]));
        assert!((score - 2.0 * 0.2 / 1.2).abs() < 1e-12, "{score}");
    }

    #[test]
    fn the_best_threshold_separates_labels() {
        let labels = rows(&[(10, 19)]);
        let scores: Vec<f64> = labels.iter().map(|l| if *l { 0.7 } else { 0.2 }).collect();
        assert_eq!(best_range_f1(&labels, &scores), Some(1.0));
        assert_eq!(best_range_f1(&rows(&[]), &scores), None);
    }
}
