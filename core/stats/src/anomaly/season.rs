//! The weekly or daily pattern of a series, and the level of counts with such a pattern.

use super::Options;
use crate::describe::median;
use crate::seasonal::decompose;

/// The seasonal pattern: factors for counts, offsets for other values.
pub(super) struct Season {
    pattern: Vec<f64>,
    /// Offsets of each value from the other values of its phase, so that no value is part of its
    /// own expectation; empty for factors.
    without: Vec<f64>,
}

impl Season {
    pub(super) fn at(&self, i: usize) -> f64 {
        self.pattern[i % self.pattern.len()]
    }

    /// The pattern at a value, from all others.
    pub(super) fn without(&self, i: usize) -> f64 {
        self.without
            .get(i)
            .map_or_else(|| self.at(i), |offset| *offset)
    }

    /// The factors of a season of the year, one for each value.
    pub(super) fn of_year(factors: &[f64]) -> Self {
        Self {
            pattern: factors.to_vec(),
            without: Vec::new(),
        }
    }

    pub(super) fn offsets(values: &[f64], options: Options) -> Self {
        let decomposition = decompose(values, options.period);
        let mut without = decomposition.season.clone();
        for phase in 0..options.period {
            let above = |i: usize| values[i] - decomposition.level[i];
            let mut order: Vec<usize> = (phase..values.len()).step_by(options.period).collect();
            order.sort_by(|i, j| above(*i).total_cmp(&above(*j)));
            let sorted: Vec<f64> = order.iter().map(|i| above(*i)).collect();
            let middle = median(&sorted);
            for (rank, i) in order.into_iter().enumerate() {
                without[i] += median_without(&sorted, rank) - middle;
            }
        }
        Self {
            pattern: decomposition.season[..options.period].to_vec(),
            without,
        }
    }

    /// Factors with mean one: the median of value over level by phase or, for small counts, the
    /// ratio of sums, since medians of small integers jump.
    pub(super) fn factors(values: &[f64], options: Options) -> Self {
        let period = options.period;
        let mut season = Self {
            pattern: vec![1.0; period],
            without: Vec::new(),
        };
        for _ in 0..3 {
            let level: Vec<f64> = (0..values.len())
                .map(|i| {
                    let from = i.saturating_sub(options.long / 2);
                    let to = (i + options.long / 2 + 1).min(values.len());
                    clipped_mean(values, &season, from..to).max(1e-9)
                })
                .collect();
            let pattern: Vec<f64> = (0..period)
                .map(|phase| phase_factor(values, &level, &season, phase))
                .collect();
            let mean = pattern.iter().sum::<f64>() / period as f64;
            if mean <= 0.0 {
                break;
            }
            season.pattern = pattern
                .iter()
                .map(|factor| (factor / mean).max(0.01))
                .collect();
        }
        season
    }
}

/// Median of sorted values without the one of a rank; of one value, this value.
fn median_without(sorted: &[f64], rank: usize) -> f64 {
    let at = |k: usize| sorted[if k < rank { k } else { k + 1 }];
    match sorted.len() {
        0 => f64::NAN,
        1 => sorted[0],
        n => f64::midpoint(at((n - 2) / 2), at((n - 1) / 2)),
    }
}

fn phase_factor(values: &[f64], level: &[f64], season: &Season, phase: usize) -> f64 {
    let indices = || (phase..values.len()).step_by(season.pattern.len());
    let levels: Vec<f64> = indices().map(|i| level[i]).collect();
    if median(&levels) >= 8.0 {
        let ratios: Vec<f64> = indices().map(|i| values[i] / level[i]).collect();
        return median(&ratios);
    }
    let clipped: f64 = indices()
        .map(|i| {
            let mean = level[i] * season.at(i);
            values[i].min(mean + 5.0 * (mean + 1.0).sqrt())
        })
        .sum();
    clipped / levels.iter().sum::<f64>()
}

/// Level of counts over a range, relative to an average day: sum over sum of factors, with counts
/// clipped at three standard deviations, twice.
pub(super) fn clipped_mean(values: &[f64], season: &Season, range: std::ops::Range<usize>) -> f64 {
    let adjusted: Vec<f64> = range.clone().map(|i| values[i] / season.at(i)).collect();
    let exposure: f64 = range.clone().map(|i| season.at(i)).sum();
    let middle = median(&adjusted);
    let spread = {
        let distances: Vec<f64> = adjusted
            .iter()
            .map(|value| (value - middle).abs())
            .collect();
        median(&distances) * 1.4826
    };
    let mut level = if middle >= 2.0 {
        middle
    } else {
        range.clone().map(|i| values[i]).sum::<f64>() / exposure
    };
    for _ in 0..2 {
        let sum: f64 = range
            .clone()
            .map(|i| {
                let mean = level * season.at(i);
                let half = 3.0 * (mean + 1.0).sqrt().max(spread * season.at(i));
                values[i].clamp((mean - half).max(0.0), mean + half)
            })
            .sum();
        level = sum / exposure;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_without_a_value_leave_it_out() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        let medians: Vec<f64> = (0..4).map(|rank| median_without(&sorted, rank)).collect();
        assert_eq!(medians, [4.0, 4.0, 2.0, 2.0]);
        assert_eq!(median_without(&[1.0, 2.0, 4.0], 1), 2.5);
        assert_eq!(median_without(&[3.0], 0), 3.0);
    }
}
