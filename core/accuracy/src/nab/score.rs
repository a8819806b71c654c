//! The score of the Numenta Anomaly Benchmark.
//!
//! Each window counts once, by its first alert: it gains [`Profile::true_positive`], weighted by a
//! sigmoid of the alert's position, which is 1 at the start of the window and 0 at its end. A
//! window without an alert costs [`Profile::false_negative`]. Every alert outside of windows costs
//! [`Profile::false_positive`], weighted by the same sigmoid of its distance from the window before
//! it. Rows of the probationary period are ignored. The sum is scaled so that a detector without
//! any alert scores 0 and a perfect one 100.

use super::LabelledSeries;
use serde::Serialize;

/// Weights of right and wrong alerts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// Gain of a window with an alert at its start.
    pub true_positive: f64,
    /// Cost of an alert far from any window.
    pub false_positive: f64,
    /// Cost of a window without an alert.
    pub false_negative: f64,
}

impl Profile {
    /// The benchmark's `standard`.
    pub const STANDARD: Self = Self {
        true_positive: 1.0,
        false_positive: 0.11,
        false_negative: 1.0,
    };
    /// The benchmark's `reward_low_FP_rate`.
    pub const REWARD_LOW_FP: Self = Self {
        false_positive: 0.22,
        ..Self::STANDARD
    };
    /// The benchmark's `reward_low_FN_rate`.
    pub const REWARD_LOW_FN: Self = Self {
        false_negative: 2.0,
        ..Self::STANDARD
    };

    /// Scales a sum over files with this number of windows: 0 for no alert, 100 for perfect alerts.
    /// `None` without windows.
    pub fn scale(&self, raw: f64, windows: usize) -> Option<f64> {
        let baseline = -self.false_negative * windows as f64;
        let perfect = self.true_positive * windows as f64;
        (windows > 0).then(|| 100.0 * (raw - baseline) / (perfect - baseline))
    }
}

/// Alerts at one threshold, counted and scored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Alerts {
    /// Sum of gains and costs, not scaled.
    pub raw: f64,
    /// Windows with rows after the probationary period.
    pub windows: usize,
    /// Windows with an alert.
    pub detected: usize,
    /// Alerts outside of windows.
    pub false_alarms: usize,
}

/// The threshold with the greatest score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimum {
    /// Scores at or above it are alerts. Infinite if raising no alert gives the best score.
    pub threshold: f64,
    /// Alerts at this threshold, summed over all series.
    pub alerts: Alerts,
}

/// Number of rows at the start of a series that are not scored: 15 %, at most 750.
pub fn probation(rows: usize) -> usize {
    (rows * 15 / 100).min(750)
}

/// Scores alerts at a fixed threshold. `scores` has one number per row.
pub fn score(series: &LabelledSeries, scores: &[f64], threshold: f64, profile: &Profile) -> Alerts {
    let rows = scored_rows(series, scores);
    let alerts = rows.filter(|row| row.score >= threshold);
    let mut sweep = Sweep::new(profile, std::slice::from_ref(series));
    for row in alerts {
        sweep.add(&row, 0);
    }
    sweep.alerts
}

/// Finds the one threshold for all series that gives the greatest sum, as the benchmark does.
pub fn optimize(series: &[LabelledSeries], scores: &[Vec<f64>], profile: &Profile) -> Optimum {
    let mut sweep = Sweep::new(profile, series);
    let mut rows = Vec::new();
    let mut offset = 0;
    for (series, scores) in series.iter().zip(scores) {
        rows.extend(scored_rows(series, scores).map(|row| (row, offset)));
        offset += series.windows.len();
    }
    rows.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
    let mut best = Optimum {
        threshold: f64::INFINITY,
        alerts: sweep.alerts,
    };
    for (i, (row, offset)) in rows.iter().enumerate() {
        sweep.add(row, *offset);
        let is_last_of_its_score = rows
            .get(i + 1)
            .is_none_or(|(next, _)| next.score != row.score);
        if is_last_of_its_score && sweep.alerts.raw > best.alerts.raw {
            best = Optimum {
                threshold: row.score,
                alerts: sweep.alerts,
            };
        }
    }
    best
}

/// A row after the probationary period.
struct Row {
    score: f64,
    window: Option<usize>,
    /// The sigmoid: 1 to 0 in a window, 0 to -1 after it.
    weight: f64,
}

fn scored_rows<'a>(
    series: &'a LabelledSeries,
    scores: &'a [f64],
) -> impl Iterator<Item = Row> + 'a {
    let mut next = 0;
    let rows = scores.iter().enumerate().map(move |(row, score)| {
        while series
            .windows
            .get(next)
            .is_some_and(|(_, last)| *last < row)
        {
            next += 1;
        }
        let current = series.windows.get(next).filter(|(first, _)| *first <= row);
        let weight = match (current, next.checked_sub(1)) {
            (Some((first, last)), _) => {
                let position = (last - row + 1) as f64 / (last - first + 1) as f64;
                sigmoid(-position) / sigmoid(-1.0)
            }
            (None, Some(before)) => {
                let (first, last) = series.windows[before];
                let distance = (row - last) as f64 / (last - first) as f64;
                if distance >= 3.0 {
                    -1.0
                } else {
                    sigmoid(distance)
                }
            }
            (None, None) => -1.0,
        };
        Row {
            score: *score,
            window: current.map(|_| next),
            weight,
        }
    });
    rows.skip(probation(series.values.len()))
}

fn sigmoid(position: f64) -> f64 {
    2.0 / (1.0 + (5.0 * position).exp()) - 1.0
}

/// Sum of gains and costs while alerts are added one by one.
struct Sweep<'a> {
    profile: &'a Profile,
    /// Greatest weight of an alert in each window.
    best: Vec<Option<f64>>,
    alerts: Alerts,
}

impl<'a> Sweep<'a> {
    /// Creates the state without any alert.
    fn new(profile: &'a Profile, series: &[LabelledSeries]) -> Self {
        let scored = series.iter().flat_map(|series| {
            let start = probation(series.values.len());
            series
                .windows
                .iter()
                .filter(move |(_, last)| *last >= start)
        });
        let windows = scored.count();
        Self {
            profile,
            best: vec![None; series.iter().map(|series| series.windows.len()).sum()],
            alerts: Alerts {
                raw: -profile.false_negative * windows as f64,
                windows,
                ..Alerts::default()
            },
        }
    }

    /// Adds the alert of a row; `offset` is the number of windows of earlier series.
    fn add(&mut self, row: &Row, offset: usize) {
        let Some(window) = row.window else {
            self.alerts.raw += self.profile.false_positive * row.weight;
            self.alerts.false_alarms += 1;
            return;
        };
        let best = &mut self.best[offset + window];
        let gain = self.profile.true_positive;
        match best {
            None => {
                self.alerts.raw += self.profile.false_negative + gain * row.weight;
                self.alerts.detected += 1;
                *best = Some(row.weight);
            }
            Some(weight) if row.weight > *weight => {
                self.alerts.raw += gain * (row.weight - *weight);
                *weight = row.weight;
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series of 100 rows with the given windows; row 15 is the first row that is scored.
    fn series(windows: &[(usize, usize)]) -> LabelledSeries {
        LabelledSeries {
            name: "x.csv".to_string(),
            times: vec![jiff::civil::DateTime::ZERO; 100],
            values: vec![0.0; 100],
            windows: windows.to_vec(),
        }
    }

    /// Checks the raw score of alerts at `rows`; the comments of the test derive it by hand.
    fn check(windows: &[(usize, usize)], rows: &[usize], expected: f64) {
        let mut scores = vec![0.0; 100];
        for row in rows {
            scores[*row] = 1.0;
        }
        let alerts = score(&series(windows), &scores, 0.5, &Profile::STANDARD);
        assert!((alerts.raw - expected).abs() < 1e-9, "{rows:?}: {alerts:?}");
    }

    #[test]
    fn gains_and_costs_follow_the_sigmoid() {
        let window = [(40, 49)];
        check(&window, &[], -1.0);
        // The first row of a window is worth 1, later alerts add nothing.
        check(&window, &[40], 1.0);
        check(&window, &[40, 44, 49], 1.0);
        // Half-way: (2 / (1 + e^-2.5) - 1) / (2 / (1 + e^-5) - 1).
        check(
            &window,
            &[45],
            0.848_283_639_957_513 / 0.986_614_298_151_430_3,
        );
        // Alerts before any window, or long after one, have the full cost, those in the
        // probationary period none.
        check(&window, &[40, 20], 1.0 - 0.11);
        check(&window, &[40, 90], 1.0 - 0.11);
        check(&window, &[40, 10], 1.0);
        // Nine rows after a window of ten: 2 / (1 + e^5) - 1.
        check(&window, &[40, 58], 1.0 - 0.11 * 0.986_614_298_151_430_3);
        // A window of one row has no length to relate a distance to.
        check(&[(40, 40)], &[40, 41], 1.0 - 0.11);
        // A window within the probationary period is ignored.
        check(&[(2, 9)], &[5], 0.0);
    }

    #[test]
    fn one_threshold_is_best_for_all_series() {
        let both = [series(&[(40, 49)]), series(&[])];
        let mut scores = vec![vec![0.0; 100], vec![0.0; 100]];
        scores[0][40] = 0.6;
        for (row, score) in scores[1].iter_mut().enumerate().skip(20) {
            *score = if row < 25 { 0.8 } else { 0.5 };
        }
        let best = optimize(&both, &scores, &Profile::STANDARD);
        assert_eq!(best.threshold, 0.6);
        assert!((best.alerts.raw - (1.0 - 5.0 * 0.11)).abs() < 1e-9);
        assert_eq!((best.alerts.detected, best.alerts.false_alarms), (1, 5));
        scores[0][40] = 0.1;
        let none = optimize(&both, &scores, &Profile::STANDARD);
        assert_eq!((none.threshold, none.alerts.raw), (f64::INFINITY, -1.0));
        assert_eq!(Profile::STANDARD.scale(-1.0, 1), Some(0.0));
        assert_eq!(Profile::REWARD_LOW_FN.scale(1.0, 1), Some(100.0));
        assert_eq!(Profile::STANDARD.scale(0.0, 0), None);
    }
}
