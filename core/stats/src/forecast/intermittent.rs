//! Forecasts of counts that are zero most of the time: one method smooths sizes and gaps, the other
//! sizes and probabilities. Each forecasts a rate, the same for every step.
//!
//! Smoothing weights are those of the grid with the least squared one-step error. Negative values and
//! series that are mostly positive are refused: there other methods know better.

use super::Forecaster;

/// Share of zeros from which on a series is intermittent.
const ZEROS: f64 = 0.3;

/// Returns true if the values are counts that are often zero.
pub(super) fn is_intermittent(values: &[f64]) -> bool {
    let zeros = values.iter().filter(|value| **value == 0.0).count();
    let positive = values.iter().filter(|value| **value > 0.0).count();
    zeros + positive == values.len() && positive >= 2 && zeros as f64 >= ZEROS * values.len() as f64
}

/// Croston's method (1972): the smoothed size over the smoothed gap between values above zero, with
/// the correction of its bias by Syntetos and Boylan (2005).
#[derive(Debug, Clone, Copy)]
pub struct Croston {
    /// Multiply by 1 − α/2, without which the rate is too high.
    pub corrected: bool,
}

impl Forecaster for Croston {
    fn name(&self) -> &'static str {
        if self.corrected {
            "Syntetos-Boylan"
        } else {
            "Croston"
        }
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        if !is_intermittent(history) {
            return None;
        }
        let run = |alpha: f64| {
            let factor = if self.corrected {
                1.0 - alpha / 2.0
            } else {
                1.0
            };
            let (mut size, mut gap, mut since) = (f64::NAN, f64::NAN, 0.0);
            let (mut squares, mut rate) = (0.0, f64::NAN);
            for value in history {
                since += 1.0;
                if rate.is_finite() {
                    squares += (value - rate).powi(2);
                }
                if *value > 0.0 {
                    if size.is_nan() {
                        (size, gap) = (*value, since);
                    } else {
                        size += alpha * (value - size);
                        gap += alpha * (since - gap);
                    }
                    rate = factor * size / gap;
                    since = 0.0;
                }
            }
            (squares, rate)
        };
        Some(vec![best(&[0.02, 0.05, 0.1, 0.15, 0.2, 0.3], run); horizon])
    }
}

/// The method of Teunter, Syntetos and Babai (2011): smoothed size times smoothed probability of a
/// value above zero, which also falls while nothing happens.
#[derive(Debug, Clone, Copy)]
pub struct Tsb;

impl Forecaster for Tsb {
    fn name(&self) -> &'static str {
        "Teunter-Syntetos-Babai"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        if !is_intermittent(history) {
            return None;
        }
        let positive: Vec<f64> = history.iter().copied().filter(|v| *v > 0.0).collect();
        let first = positive.iter().sum::<f64>() / positive.len() as f64;
        let share = positive.len() as f64 / history.len() as f64;
        let run = |beta: f64| {
            let (mut size, mut probability, mut squares) = (first, share, 0.0);
            for value in history {
                squares += (value - size * probability).powi(2);
                let hit = f64::from(u8::from(*value > 0.0));
                probability += beta * (hit - probability);
                size += hit * 0.1 * (value - size);
            }
            (squares, size * probability)
        };
        Some(vec![
            best(&[0.005, 0.01, 0.02, 0.05, 0.1, 0.2], run);
            horizon
        ])
    }
}

/// The rate at the weight with the least squared error.
fn best(weights: &[f64], run: impl Fn(f64) -> (f64, f64)) -> f64 {
    let runs = weights.iter().map(|weight| run(*weight));
    let best = runs.min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(f64::NAN, |(_, rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every fourth value is 8: the rate is 2.
    #[test]
    fn regular_events_have_their_rate() {
        let values: Vec<f64> = (0..80)
            .map(|i| if i % 4 == 3 { 8.0 } else { 0.0 })
            .collect();
        let croston = Croston { corrected: false }.forecast(&values, 3).unwrap();
        assert!((croston[2] - 2.0).abs() < 1e-9, "{croston:?}");
        let corrected = Croston { corrected: true }.forecast(&values, 1).unwrap();
        assert!(corrected[0] < croston[0]);
        let tsb = Tsb.forecast(&values, 1).unwrap();
        assert!((tsb[0] - 2.0).abs() < 0.1, "{tsb:?}");
        assert!(Tsb.forecast(&[1.0; 40], 1).is_none());
    }

    #[test]
    fn silence_lowers_the_rate() {
        let values: Vec<f64> = (0..160)
            .map(|i| if i % 3 == 0 && i < 100 { 5.0 } else { 0.0 })
            .collect();
        assert!(Tsb.forecast(&values, 1).unwrap()[0] < 0.5);
    }
}
