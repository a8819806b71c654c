//! Scores values as they arrive, from earlier values only.
//!
//! Three views measure the distance to the nearest comparable earlier value: among the last 5,000
//! values; among values at about the same time of earlier days; and, with the values just before
//! it, among recent subsequences of five. Each distance is calibrated by its own history, and the
//! probabilities are combined like those of independent tests (Fisher, 1925).
//!
//! Distance to the nearest neighbours is the score of Ramaswamy, Rastogi and Shim, SIGMOD 2000; on
//! streams with conformal calibration Burnaev and Ishimtsev, "Conformalized density- and
//! distance-based anomaly detection in time-series data", 2016, which also introduced the dead time
//! after an alert.
//!
//! Limits: the views are not independent, so probabilities are somewhat too small; a slow drift is
//! never far from recent values; the first days of a series are scored without a season. The cost
//! per value does not depend on the length of the series; 14 seasons are stored.

use super::{
    calibrate::{Calibration, SortedRing, score},
    subsequence::{is_rhythmic, natural_length},
};
use std::collections::VecDeque;

/// Number of values that the first view stores.
const VALUES_MAX: usize = 5000;
/// Length of a subsequence, number of stored subsequences, and number of nearest neighbours whose
/// distances are averaged.
const SUBSEQUENCE_LENGTH: usize = 5;
const SUBSEQUENCES_MAX: usize = 1000;
const NEIGHBOURS: usize = 5;
/// Minimum number of subsequences for the third view.
const SUBSEQUENCES_MIN: usize = 100;
/// Number of seasons that the second view looks back.
const SEASONS_MAX: usize = 14;
/// Longest season that is detected, and number of values at which it is first searched for; the
/// search is repeated whenever that number has doubled.
const SEASON_MAX: usize = 303;
const SEASON_SEARCH_MIN: usize = 500;
/// Number of values after an alert in which only a higher score is a new alert.
const DEAD_TIME: usize = 200;

/// Score of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamScore {
    /// From 0 to 1; 0.5 is a value that is expected once in the series so far. See
    /// [`score`](super::score).
    pub score: f64,
    /// The score, but 0 for 200 values after a score that was at least as high: one incident is one
    /// alert, at any threshold.
    pub alert: f64,
}

/// A detector that scores one value after the other.
#[derive(Debug, Clone)]
pub struct StreamDetector {
    season: Option<usize>,
    /// Number of values so far.
    count: usize,
    values: SortedRing,
    by_value: Calibration,
    /// Values of the second and third view, newest last.
    recent: VecDeque<f64>,
    by_phase: Calibration,
    by_subsequence: Calibration,
    /// Index and score of the newest alert; earlier alerts were lower or have expired.
    newest_alert: Option<(usize, f64)>,
}

impl StreamDetector {
    /// Creates a detector. `season` is the number of values in a day or in another known period.
    /// If it is `None`, or until that many values have passed, a season is searched for in the
    /// values.
    pub fn new(season: Option<usize>) -> Self {
        Self {
            season: season.filter(|season| *season > 1),
            count: 0,
            values: SortedRing::new(VALUES_MAX),
            by_value: Calibration::new(),
            recent: VecDeque::new(),
            by_phase: Calibration::new(),
            by_subsequence: Calibration::new(),
            newest_alert: None,
        }
    }

    /// Scores the next value, which must be finite.
    pub fn push(&mut self, value: f64) -> StreamScore {
        let value = value.clamp(-super::SIZE_MAX, super::SIZE_MAX);
        let views = [
            nearest(self.values.sorted(), value).and_then(|raw| self.by_value.surprisal(raw)),
            self.phase_distance(value)
                .and_then(|raw| self.by_phase.surprisal(raw)),
            self.subsequence_distance(value)
                .and_then(|raw| self.by_subsequence.surprisal(raw)),
        ];
        self.store(value);
        let score = score(combine(&views), self.count);
        StreamScore {
            score,
            alert: self.alert(score),
        }
    }

    fn store(&mut self, value: f64) {
        let season = self.season.unwrap_or(SEASON_MAX).max(SEASON_MAX);
        while self.recent.len() >= SEASONS_MAX * season + half_width(season) {
            self.recent.pop_front();
        }
        self.recent.push_back(value);
        self.values.push(value);
        self.count += 1;
        let is_due = self.count.is_multiple_of(SEASON_SEARCH_MIN)
            && (self.count / SEASON_SEARCH_MIN).is_power_of_two();
        if is_due && self.season.is_none_or(|season| self.count < season) {
            let recent = self.newest_values(SEASONS_MAX * SEASON_MAX);
            let length = natural_length(&recent);
            if is_rhythmic(&recent, length) {
                self.season = Some(length);
            }
        }
    }

    fn newest_values(&self, count: usize) -> Vec<f64> {
        let from = self.recent.len().saturating_sub(count);
        self.recent.range(from..).copied().collect()
    }

    /// Distance to the nearest value at about the same phase of earlier seasons.
    fn phase_distance(&self, value: f64) -> Option<f64> {
        let season = self.season?;
        let half = half_width(season);
        let newest = self.recent.len();
        let mut distance: Option<f64> = None;
        for back in 1..=SEASONS_MAX {
            let Some(index) = newest.checked_sub(back * season) else {
                break;
            };
            let others = self
                .recent
                .range(index.saturating_sub(half)..(index + half + 1).min(newest));
            let nearest = others.map(|other| (value - other).abs()).reduce(f64::min);
            distance = distance.into_iter().chain(nearest).reduce(f64::min);
        }
        distance
    }

    /// Distance of the newest subsequence to its nearest neighbours that do not overlap it.
    fn subsequence_distance(&self, value: f64) -> Option<f64> {
        let recent = self.newest_values(SUBSEQUENCES_MAX + 2 * (SUBSEQUENCE_LENGTH - 1));
        let (earlier, before) =
            recent.split_at_checked(recent.len().checked_sub(SUBSEQUENCE_LENGTH - 1)?)?;
        let mut subsequence = [value; SUBSEQUENCE_LENGTH];
        subsequence[..SUBSEQUENCE_LENGTH - 1].copy_from_slice(before);
        let others = earlier.windows(SUBSEQUENCE_LENGTH);
        if others.len() < SUBSEQUENCES_MIN {
            return None;
        }
        let mut nearest = [f64::INFINITY; NEIGHBOURS];
        for other in others {
            let pairs = subsequence.iter().zip(other);
            let distance: f64 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
            if distance < nearest[NEIGHBOURS - 1] {
                let index = nearest.partition_point(|near| *near <= distance);
                nearest[index..].rotate_right(1);
                nearest[index] = distance;
            }
        }
        Some((nearest.iter().sum::<f64>() / NEIGHBOURS as f64).sqrt())
    }

    fn alert(&mut self, score: f64) -> f64 {
        let is_covered = |(index, alert)| self.count <= index + DEAD_TIME && alert >= score;
        if self.newest_alert.is_some_and(is_covered) {
            return 0.0;
        }
        self.newest_alert = Some((self.count, score));
        score
    }
}

/// Number of values before and after a time of day that count as the same time: an hour.
fn half_width(season: usize) -> usize {
    (season / 24).clamp(1, 12)
}

/// Distance to the nearest of ascending values.
fn nearest(sorted: &[f64], value: f64) -> Option<f64> {
    let index = sorted.partition_point(|other| *other < value);
    let below = index.checked_sub(1).map(|below| value - sorted[below]);
    let above = sorted.get(index).map(|above| above - value);
    below.into_iter().chain(above).reduce(f64::min)
}

/// Combines independent surprisals to one `-ln p`: their sum has a gamma distribution.
fn combine(views: &[Option<f64>]) -> f64 {
    let known: Vec<f64> = views.iter().copied().flatten().collect();
    let sum: f64 = known.iter().sum();
    let mut term = 1.0;
    let mut total = 0.0;
    for index in 0..known.len() {
        total += term;
        term *= sum / (index + 1) as f64;
    }
    // p = e^-sum (1 + sum + sum^2 / 2 ...).
    sum - f64::ln(total.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day of 48 values over weeks, with a little noise.
    fn days(rows: i32) -> Vec<f64> {
        let value = |i: i32| {
            let angle = f64::from(i % 48) / 48.0 * std::f64::consts::TAU;
            angle.sin() + f64::from(i * 7919 % 101) / 1000.0
        };
        (0..rows).map(value).collect()
    }

    fn scores(values: &[f64]) -> Vec<StreamScore> {
        let mut stream = StreamDetector::new(Some(48));
        values.iter().map(|value| stream.push(*value)).collect()
    }

    #[test]
    fn later_values_do_not_change_scores() {
        let mut values = days(7000);
        let before = scores(&values[..6500]);
        values[6500..].fill(1e6);
        assert_eq!(scores(&values)[..6500], before);
    }

    #[test]
    fn unusual_values_are_alerts() {
        for (name, index, change) in [
            ("a spike", 3000, vec![4.0]),
            // Noon at midnight: a common value and subsequence, but not at this time.
            ("the wrong time", 3036, days(24)[6..18].to_vec()),
        ] {
            let mut values = days(4000);
            values[index..index + change.len()].copy_from_slice(&change);
            let scores = scores(&values);
            let alerts: Vec<usize> = (1000..4000)
                .filter(|index| scores[*index].alert >= 0.5)
                .collect();
            assert!(alerts.contains(&index), "{name}: {alerts:?}");
            assert!(alerts.len() <= 2, "{name}: {alerts:?}");
        }
    }

    #[test]
    fn an_incident_is_one_alert() {
        let mut values = days(4000);
        for (step, value) in values[3000..3050].iter_mut().enumerate() {
            *value += 5.0 + (step % 5) as f64;
        }
        let scores = scores(&values);
        let alerts: Vec<usize> = (1000..4000)
            .filter(|index| scores[*index].alert >= 0.5)
            .collect();
        assert_eq!(alerts[0], 3000);
        assert!(alerts.iter().all(|index| *index < 3010), "{alerts:?}");
        // Higher scores in the dead time are alerts, lower scores are not.
        for pair in alerts.windows(2) {
            assert!(scores[pair[1]].alert > scores[pair[0]].alert);
        }
    }

    #[test]
    fn flat_and_short_series_have_no_alert() {
        let mut stream = StreamDetector::new(None);
        for _ in 0..1000 {
            assert!(stream.push(7.0).score < 0.5);
        }
        // The first change of a flat series has a high and finite score.
        for value in [8.0, 1e300, -1e300] {
            let score = stream.push(value);
            assert!(score.score > 0.9 && score.score <= 1.0, "{score:?}");
        }
    }

    #[test]
    fn a_season_is_found_in_the_values() {
        let values = days(2000);
        for season in [None, Some(86_400)] {
            let mut stream = StreamDetector::new(season);
            for value in &values {
                stream.push(*value);
            }
            assert_eq!(stream.season, Some(48));
        }
    }

    #[test]
    fn independent_surprisals_add_up() {
        assert_eq!(combine(&[None, None]), 0.0);
        assert!((combine(&[Some(3.0), None]) - 3.0).abs() < 1e-12);
        // Fisher: -2 sum ln p has a chi-squared distribution; p = e^-4 (1 + 4) for two of e^-2.
        assert!((combine(&[Some(2.0), Some(2.0)]) - (4.0 - 5.0_f64.ln())).abs() < 1e-12);
    }
}
