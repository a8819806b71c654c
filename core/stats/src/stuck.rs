//! Values that have stopped changing, as of a sensor or a collector that is stuck.
//!
//! The length of a run of equal values is compared with the earlier values of the same series by a
//! Markov chain of order one: a value repeats its predecessor with one probability, and with another
//! if that one was a repetition, too. Both are estimated from the values before the run.
//!
//! Limits: a series that often stood still for long cannot get stuck; neither can one that was
//! always constant.

use std::ops::Range;

/// Equal values in a row, far more than usual.
#[derive(Debug, Clone, PartialEq)]
pub struct StuckRun {
    /// From the first to the last of the equal values.
    pub steps: Range<usize>,
    /// Number of known values among these steps.
    pub count: usize,
    /// Value that repeats.
    pub value: f64,
    /// Largest number of equal values in a row before.
    pub usual_max: usize,
    /// Probability of so long a run among as many values as precede it.
    pub chance: f64,
}

/// Minimum number of equal values.
const COUNT_MIN: usize = 5;
/// Minimum number of known values before the run.
const BEFORE_MIN: usize = 40;
/// Minimum ratio of the run to the longest one before.
const LONGER: usize = 2;
/// Probability below which a run is not chance.
const CHANCE_MAX: f64 = 1e-6;
/// Values of at most this relative difference are equal: means of equal values may be rounded.
const ROUNDING: f64 = 1e-9;

/// A run of equal values; missing values neither continue nor interrupt it.
#[derive(Debug, Clone)]
struct Run {
    steps: Range<usize>,
    count: usize,
    value: f64,
}

/// Finds the longest run of equal values that reaches the step `from` or a later one; `None` if it
/// may be chance.
pub fn stuck_run(values: &[Option<f64>], from: usize) -> Option<StuckRun> {
    let runs = equal_runs(values);
    let is_recent = |(_, run): &(usize, &Run)| run.steps.end > from;
    let (index, run) = runs
        .iter()
        .enumerate()
        .filter(is_recent)
        .max_by_key(|(_, run)| run.count)?;
    let before = &runs[..index];
    let known: usize = before.iter().map(|run| run.count).sum();
    let usual_max = before.iter().map(|run| run.count).max()?;
    if run.count < COUNT_MIN || known < BEFORE_MIN || run.count <= LONGER * usual_max {
        return None;
    }
    let number = |counts: &dyn Fn(usize) -> usize| -> f64 {
        before.iter().map(|run| counts(run.count) as f64).sum()
    };
    let repeated = number(&|count| count - 1);
    let again = number(&|count| count.saturating_sub(2));
    let known = known as f64;
    let repeats = (repeated + 1.0) / (known + 2.0);
    // Few repetitions say little about what follows them: as much as two that behave like any value.
    let repeats_again = (again + 2.0 * repeats) / (repeated + 2.0);
    let later = (run.count - 2) as i32;
    let chance = (known * repeats * repeats_again.max(repeats).powi(later)).min(1.0);
    (chance < CHANCE_MAX).then(|| StuckRun {
        steps: run.steps.clone(),
        count: run.count,
        value: run.value,
        usual_max,
        chance,
    })
}

fn equal_runs(values: &[Option<f64>]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (step, value) in values.iter().enumerate() {
        let Some(value) = *value else { continue };
        match runs.last_mut() {
            Some(run) if (run.value - value).abs() <= ROUNDING * value.abs() => {
                run.steps.end = step + 1;
                run.count += 1;
            }
            _ => runs.push(Run {
                steps: step..step + 1,
                count: 1,
                value,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::normal;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Hours of a metric that is measured in steps of `resolution`.
    fn measured(seed: u64, n: usize, resolution: f64) -> Vec<Option<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut noise = 0.0;
        (0..n)
            .map(|hour| {
                noise = 0.7 * noise + normal(&mut random);
                let daily = 3.0 * (hour as f64 * std::f64::consts::TAU / 24.0).sin();
                let value = ((40.0 + daily + noise) / resolution).round() * resolution;
                (random.random::<f64>() > 0.02).then_some(value)
            })
            .collect()
    }

    #[test]
    fn a_stuck_metric_is_found() {
        for seed in 0..20 {
            let mut values = measured(seed, 1000, 0.001);
            for value in &mut values[900..912] {
                *value = value.map(|_| 41.3);
            }
            let run = stuck_run(&values, 840).expect("a run");
            assert!(run.steps.start >= 900 && run.steps.end <= 912, "{run:?}");
            assert!(run.count >= 9 && run.value == 41.3 && run.usual_max <= 2);
            // It ended before the last days.
            assert_eq!(stuck_run(&values, 950), None);
        }
    }

    /// A hundred series for each resolution: the coarsest has a dozen values.
    #[test]
    fn coarse_and_idle_metrics_are_not_stuck() {
        for resolution in [0.001, 0.1, 1.0, 4.0, 20.0] {
            for seed in 100..200 {
                let values = measured(seed, 1000, resolution);
                assert_eq!(stuck_run(&values, 0), None, "{resolution} {seed}");
            }
        }
        // Idle every night.
        let idle: Vec<Option<f64>> = measured(1, 1000, 0.001)
            .into_iter()
            .enumerate()
            .map(|(hour, value)| if hour % 24 < 9 { Some(0.0) } else { value })
            .collect();
        assert_eq!(stuck_run(&idle, 0), None);
        assert_eq!(stuck_run(&[Some(1.0); 500], 0), None);
        assert_eq!(stuck_run(&[None; 50], 0), None);
        assert_eq!(stuck_run(&[], 0), None);
    }
}
