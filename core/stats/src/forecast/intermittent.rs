//! Forecasts of counts that are zero most of the time: Croston's method smooths sizes and gaps, the
//! method of Teunter, Syntetos and Babai smooths sizes and probabilities. Each forecasts a rate,
//! the same for every step: an expected value, not the most frequent value, which would be zero.
//!
//! Smoothing weights are chosen from a grid by the smallest squared one-step error. Negative values
//! are rejected.

use super::Forecaster;

/// Minimum share of zeros of an intermittent series.
const ZERO_SHARE_MIN: f64 = 0.3;

/// Returns true if the values are counts that are often zero, in the whole series and in its last
/// third, other than at phases of the season that are always zero, such as weekends.
pub(super) fn is_intermittent(values: &[f64], period: usize) -> bool {
    let often_zero = |values: &[f64]| {
        let (mut zeros, mut positive) = (0, 0);
        for phase in 0..period.clamp(1, values.len().max(1)) {
            let (mut n, mut above) = (0, 0);
            for value in values.iter().skip(phase).step_by(period.max(1)) {
                n += 1;
                above += usize::from(*value > 0.0);
            }
            if above > 0 {
                positive += above;
                zeros += n - above;
            }
        }
        (zeros as f64 >= ZERO_SHARE_MIN * (zeros + positive) as f64).then_some(positive)
    };
    values.iter().all(|value| *value >= 0.0)
        && often_zero(values).is_some_and(|positive| positive >= 2)
        && often_zero(&values[values.len() - values.len() / 3..]).is_some()
}

/// The initial estimates of size and probability; `None` for negative values. Without any value
/// above zero, both are zero.
fn size_and_share(history: &[f64]) -> Option<(f64, f64)> {
    if history.is_empty() || !history.iter().all(|value| (0.0..=1e100).contains(value)) {
        return None;
    }
    let positive: Vec<f64> = history.iter().copied().filter(|v| *v > 0.0).collect();
    let size = positive.iter().sum::<f64>() / positive.len().max(1) as f64;
    Some((size, positive.len() as f64 / history.len() as f64))
}

/// Croston's method (1972): the smoothed size over the smoothed gap between values above zero, with
/// the correction of its bias by Syntetos and Boylan (2005).
#[derive(Debug, Clone, Copy)]
pub struct Croston {
    /// True to multiply by 1 − α/2, without which the rate is too high.
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
        let (first, share) = size_and_share(history)?;
        if share == 0.0 {
            return Some(vec![0.0; horizon]);
        }
        let run = |alpha: f64| {
            let factor = if self.corrected {
                1.0 - alpha / 2.0
            } else {
                1.0
            };
            let (mut size, mut gap, mut since, mut squares) = (first, share.recip(), 0.0, 0.0);
            for value in history {
                since += 1.0;
                squares += (value - factor * size / gap).powi(2);
                if *value > 0.0 {
                    size += alpha * (value - size);
                    gap += alpha * (since - gap);
                    since = 0.0;
                }
            }
            let rate = factor * size / gap;
            (squares, rate)
        };
        Some(vec![
            best_rate(&[0.02, 0.05, 0.1, 0.15, 0.2, 0.3], run);
            horizon
        ])
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
        let (first, share) = size_and_share(history)?;
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
            best_rate(&[0.005, 0.01, 0.02, 0.05, 0.1, 0.2], run);
            horizon
        ])
    }
}

/// The rate of the last twelve seasons, with a factor for each phase of the season from the whole
/// history. The factors are shrunk towards 1 as if [`PRIOR_EVENTS`] events of average rate had been
/// seen in each phase.
#[derive(Debug, Clone, Copy)]
pub struct SeasonalRate {
    /// Length of the season.
    pub period: usize,
}

/// Weight of the prior of a phase, in events.
const PRIOR_EVENTS: f64 = 3.0;
/// Number of seasons that the rate is taken from.
const RECENT_SEASONS: usize = 12;

impl Forecaster for SeasonalRate {
    fn name(&self) -> &'static str {
        "seasonal rate"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        size_and_share(history)?;
        let n = history.len();
        let rate = history.iter().sum::<f64>() / n as f64;
        if n < 2 * self.period || rate == 0.0 {
            return None;
        }
        let factors: Vec<f64> = (0..self.period)
            .map(|phase| {
                let values = history.iter().skip(phase).step_by(self.period);
                let expected = values.len() as f64 * rate;
                (values.sum::<f64>() + PRIOR_EVENTS) / (expected + PRIOR_EVENTS)
            })
            .collect();
        let start = n.saturating_sub(RECENT_SEASONS * self.period);
        let expected: f64 = (start..n).map(|i| factors[i % self.period]).sum();
        let recent = history[start..].iter().sum::<f64>() / expected;
        let step = |step: usize| recent * factors[(n + step) % self.period];
        Some((0..horizon).map(step).collect())
    }
}

/// The rate at the weight with the smallest squared error.
fn best_rate(weights: &[f64], run: impl Fn(f64) -> (f64, f64)) -> f64 {
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
        assert!(Tsb.forecast(&[1.0, -1.0], 1).is_none());
    }

    #[test]
    fn a_rate_is_zero_only_without_events() {
        let mut values = vec![0.0; 200];
        for forecaster in [&Croston { corrected: true } as &dyn Forecaster, &Tsb] {
            assert_eq!(forecaster.forecast(&values, 2), Some(vec![0.0; 2]));
        }
        values[20] = 1.0;
        for forecaster in [&Croston { corrected: true } as &dyn Forecaster, &Tsb] {
            let rate = forecaster.forecast(&values, 1).unwrap()[0];
            assert!(rate > 0.0 && rate < 0.1, "{}: {rate}", forecaster.name());
        }
    }

    #[test]
    fn zeros_of_a_season_or_before_a_start_are_not_intermittent() {
        let rare = |i: usize| f64::from(u8::from(i * 7919 % 31 == 3));
        let series = |value: &dyn Fn(usize) -> f64| (0..200).map(value).collect::<Vec<f64>>();
        assert!(is_intermittent(&series(&rare), 7));
        assert!(is_intermittent(&series(&rare), 1));
        let short_week = series(&|i| if i % 7 < 4 { 24.0 } else { 0.0 });
        assert!(!is_intermittent(&short_week, 7));
        assert!(is_intermittent(&short_week, 1));
        assert!(!is_intermittent(
            &series(&|i| if i < 140 { 0.0 } else { 24.0 }),
            7
        ));
        assert!(!is_intermittent(&[0.0; 60], 7));
        assert!(!is_intermittent(&[], 7));
    }

    #[test]
    fn silence_lowers_the_rate() {
        let values: Vec<f64> = (0..160)
            .map(|i| if i % 3 == 0 && i < 100 { 5.0 } else { 0.0 })
            .collect();
        assert!(Tsb.forecast(&values, 1).unwrap()[0] < 0.5);
    }
}
