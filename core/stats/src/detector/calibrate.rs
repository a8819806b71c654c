//! Turns the raw scores of a detector into probabilities, and these into scores from 0 to 1.
//!
//! Up to the 95 % quantile of the earlier raw scores, the probability of a score is the share of
//! earlier scores that are as large or larger. Above it the excess is modelled as exponential, so
//! that a score beyond all earlier scores has a probability, too (peaks over threshold: Pickands,
//! 1975; for streams Siffer et al., KDD 2017, who also fit the weight of the tail; here it is
//! fixed).

use std::collections::VecDeque;

/// Share of raw scores whose excess is fitted.
const TAIL: f64 = 0.05;
/// Minimum number of earlier raw scores.
const SCORES_MIN: usize = 50;

/// Score of a surprisal `-ln p` among `n` values, from 0 to 1.
///
/// 0.5 is a value that is expected once in `n` values, 2/3 once in `n` squared, 3/4 once in `n`
/// cubed. This way, scores of all methods have the same meaning and can be averaged. The order of
/// surprisals is kept.
pub fn score(surprisal: f64, n: usize) -> f64 {
    let unit = (n.max(2) as f64).ln();
    let surprisal = surprisal.clamp(0.0, f64::MAX / 2.0);
    surprisal / (surprisal + unit)
}

/// `-ln p` of each raw score of a series among all of them.
pub(super) fn surprisals(raw: &[f64]) -> Vec<f64> {
    let sorted = crate::describe::sorted(raw);
    let tail = Tail::new(&sorted);
    raw.iter()
        .map(|raw| tail.surprisal(*raw, &sorted))
        .collect()
}

/// Converts the raw scores of a series to scores from 0 to 1.
pub(super) fn calibrate(raw: &[f64]) -> Vec<f64> {
    let surprisals = surprisals(raw).into_iter();
    surprisals
        .map(|surprisal| score(surprisal, raw.len()))
        .collect()
}

/// The start of the tail, and the mean excess in it.
struct Tail {
    start: f64,
    excess: f64,
}

impl Tail {
    /// Fits the tail of ascending values, at least one.
    fn new(sorted: &[f64]) -> Self {
        let index = ((1.0 - TAIL) * sorted.len() as f64) as usize;
        let above = &sorted[(index + 1).min(sorted.len())..];
        let start = sorted.get(index).copied().unwrap_or(0.0);
        let sum: f64 = above.iter().map(|value| value - start).sum();
        let mean = sum / above.len().max(1) as f64;
        // Without an excess, a thousandth of the start keeps the surprisal finite.
        let excess_min = 1e-3 * start.abs() + f64::MIN_POSITIVE.sqrt();
        Self {
            start,
            excess: mean.max(excess_min),
        }
    }

    fn surprisal(&self, raw: f64, sorted: &[f64]) -> f64 {
        if raw > self.start {
            return (raw - self.start) / self.excess - TAIL.ln();
        }
        let below = sorted.partition_point(|value| *value < raw);
        -(1.0 - below as f64 / sorted.len() as f64).max(TAIL).ln()
    }
}

/// Calibrates raw scores one by one, each among all earlier scores.
#[derive(Debug, Clone)]
pub(super) struct Calibration {
    recent: SortedRing,
}

impl Calibration {
    pub(super) fn new() -> Self {
        Self {
            recent: SortedRing::new(3000),
        }
    }

    /// `-ln p` of a raw score; `None` after too few scores.
    pub(super) fn surprisal(&mut self, raw: f64) -> Option<f64> {
        let sorted = self.recent.sorted();
        let surprisal =
            (sorted.len() >= SCORES_MIN).then(|| Tail::new(sorted).surprisal(raw, sorted));
        self.recent.push(raw);
        surprisal
    }
}

/// The last values, in order of time and in ascending order.
#[derive(Debug, Clone)]
pub(super) struct SortedRing {
    capacity: usize,
    in_time: VecDeque<f64>,
    sorted: Vec<f64>,
}

impl SortedRing {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            in_time: VecDeque::with_capacity(capacity),
            sorted: Vec::with_capacity(capacity),
        }
    }

    pub(super) fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    pub(super) fn push(&mut self, value: f64) {
        if self.in_time.len() == self.capacity
            && let Some(oldest) = self.in_time.pop_front()
        {
            let index = self
                .sorted
                .partition_point(|v| v.total_cmp(&oldest).is_lt());
            self.sorted.remove(index);
        }
        let index = self.sorted.partition_point(|v| v.total_cmp(&value).is_lt());
        self.sorted.insert(index, value);
        self.in_time.push_back(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_from_surprisal_and_length() {
        for (surprisal, n, expected) in [
            (0.0, 100, 0.0),
            (-1.0, 100, 0.0),
            (100_f64.ln(), 100, 0.5),
            (2.0 * 100_f64.ln(), 100, 2.0 / 3.0),
            (3.0 * 100_f64.ln(), 100, 0.75),
        ] {
            assert!(
                (score(surprisal, n) - expected).abs() < 1e-12,
                "{surprisal} {n}"
            );
        }
        // The order is kept where probabilities are too small for a float.
        assert!(score(1e6, 100) > score(0.999e6, 100) && score(1e6, 100) < 1.0);
    }

    #[test]
    fn exponential_scores_get_their_probabilities() {
        // Quantiles of the exponential distribution, and values beyond them.
        let mut raw: Vec<f64> = (0..2000)
            .map(|i| -(1.0 - (f64::from(i) + 0.5) / 2000.0).ln())
            .collect();
        raw.push(12.0);
        let scores = calibrate(&raw);
        for (index, surprisal) in [
            (1000, 0.5_f64.ln().abs()),
            (1980, 100_f64.ln()),
            (2000, 12.0),
        ] {
            let expected = score(surprisal, 2001);
            assert!(
                (scores[index] - expected).abs() < 0.02,
                "{index}: {} {expected}",
                scores[index]
            );
        }
        assert!(scores.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn a_full_ring_drops_the_oldest() {
        let mut ring = SortedRing::new(3);
        for value in [5.0, 1.0, -0.0, 0.0, 1.0] {
            ring.push(value);
        }
        assert_eq!(ring.sorted(), [-0.0, 0.0, 1.0]);
        let mut calibration = Calibration::new();
        let surprisals: Vec<_> = (0..60)
            .map(|i| calibration.surprisal(f64::from(i % 7)))
            .collect();
        assert!(surprisals[..SCORES_MIN].iter().all(Option::is_none));
        assert!(surprisals[SCORES_MIN..].iter().all(Option::is_some));
    }
}
