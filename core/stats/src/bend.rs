//! A bend: the date from which a series that was level rises or falls steadily.
//!
//! The model is a level, and from the bend on a straight line that starts from it (a broken line:
//! Hudson 1966; Feder 1975). Least squares finds the date. The p-value of the best date is that of
//! the same search in series without a change ([`search`](crate::search)), so that a slow wave is
//! not a bend.

use crate::{
    change_point::{clip_outliers, length_min},
    end_line::{EndLine, clip_around},
    search::{Candidate, NoisePosterior, Search, simulated_p},
};

/// A bend of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Bend {
    /// First index after the bend, the first that differs from the level.
    pub position: usize,
    /// The level before the bend.
    pub level: f64,
    /// Change per step since the bend, with its 95 % interval.
    pub slope: [f64; 3],
    /// Change from the level to the last value of the line, with its 95 % interval.
    pub change: [f64; 3],
    /// The line after the bend, on which all intervals are based.
    pub end: EndLine,
    /// Number of values.
    pub n: usize,
    /// Simulated p-value of no change at any date.
    pub p: f64,
}

/// Coverage of the intervals of a bend.
const LEVEL: f64 = 0.95;

impl Bend {
    /// Height of the broken line at an index.
    pub fn at(&self, index: usize) -> f64 {
        self.level + self.slope[0] * rise(self.position, index)
    }
}

/// Steps since the bend at `position`, counted from 1 at the position itself.
pub(crate) fn rise(position: usize, index: usize) -> f64 {
    (index + 1).saturating_sub(position) as f64
}

/// Finds the best bend of an evenly spaced series, significant or not, with at least
/// `search.segment_min` values on either side. Outliers are clipped as in
/// [`mean_shifts`](crate::change_point::mean_shifts).
///
/// The intervals allow for autocorrelation and for the uncertainty of the date: they are those of a
/// free line after the bend, to which the broken line is equivalent in first order (Feder 1975).
///
/// `None` if the series is shorter than four times the smallest segment or constant.
pub fn bend(values: &[f64], search: &Search) -> Option<Bend> {
    let n = values.len();
    let m = search.segment_min.max(2);
    if n < length_min(m) {
        return None;
    }
    let clean = clip_around_bend(values, m)?;
    let best = best_bend(&clean, m)?;
    let p = simulated_p(best_bend, &clean, &best, search);
    let rho = NoisePosterior::new(best_bend, &clean, best.correlation, search).autocorrelation();
    let Line { level, slope } = fit(&clean, best.position);
    let after = n - best.position;
    let rise = slope * after as f64;
    let end = EndLine::new(after, level + rise, slope, n, best.residual_squares, rho);
    let change_error = (end.mean_variance(best.position) + end.variance(0.0)).sqrt();
    let interval = |estimate: f64, half: f64| [estimate, estimate - half, estimate + half];
    Some(Bend {
        position: best.position,
        level,
        slope: interval(slope, end.slope_half_width(LEVEL)),
        change: interval(rise, end.quantile(LEVEL) * change_error),
        end,
        n,
        p,
    })
}

/// Clips outliers from the best broken line. A steep ramp differs from the median around it as
/// outliers do, and outliers look like a ramp. So a first search, with and without outliers, only
/// gives the line from which they are measured: the one to which most values are close.
pub(crate) fn clip_around_bend(values: &[f64], m: usize) -> Option<Vec<f64>> {
    let without = clip_outliers(values, m);
    let lines = [&without[..], values].map(|searched| {
        let position = best_bend(searched, m)?.position;
        Some((position, fit(searched, position)))
    });
    let clipped = lines
        .into_iter()
        .flatten()
        .map(|(position, Line { level, slope })| {
            let clipped = clip_around(values, |i| level + slope * rise(position, i));
            let changed = values.iter().zip(&clipped).filter(|(a, b)| a != b).count();
            (changed, clipped)
        });
    let (_, clipped) = clipped.min_by_key(|(changed, _)| *changed)?;
    Some(clipped)
}

/// Level and slope of the broken line with its bend at this position.
struct Line {
    level: f64,
    slope: f64,
}

/// Sum and sum of squares of the steps since the bend, over a series of `n` values.
fn rise_sums(n: usize, position: usize) -> [f64; 2] {
    let after = (n - position) as f64;
    let sum = after * (after + 1.0) / 2.0;
    [sum, sum * (2.0 * after + 1.0) / 3.0]
}

fn fit(values: &[f64], position: usize) -> Line {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let product: f64 = (position..values.len())
        .map(|i| rise(position, i) * (values[i] - mean))
        .sum();
    let [sum, squares] = rise_sums(values.len(), position);
    let slope = product / (squares - sum * sum / n);
    Line {
        level: mean - slope * sum / n,
        slope,
    }
}

/// Finds the bend with the smallest remaining sum of squares; `None` for a constant segment.
pub(crate) fn best_bend(values: &[f64], m: usize) -> Option<Candidate> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    // Both sums grow from the end: that of the values, and that of the values times their rise.
    let (mut sum, mut product) = (0.0, 0.0);
    let (mut best_gain, mut best_position) = (-1.0, 0);
    for position in (m..n).rev() {
        sum += values[position] - mean;
        product += sum;
        if n - position < m {
            continue;
        }
        let [rises, squares] = rise_sums(n, position);
        let gain = product * product / (squares - rises * rises / n as f64);
        if gain > best_gain {
            (best_gain, best_position) = (gain, position);
        }
    }
    let total: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let Line { level, slope } = fit(values, best_position);
    let residuals: Vec<f64> = (0..n)
        .map(|i| values[i] - level - slope * rise(best_position, i))
        .collect();
    Candidate::new(best_position, best_gain, total, mean, &residuals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Noise;

    const SEARCH: Search = Search {
        segment_min: 14,
        shifts_max: 3,
        alpha: 0.05,
        simulations: 199,
    };

    /// A year of days with autocorrelation `rho` that rises by `size` standard deviations over the
    /// last `days`.
    fn ramp(noise: &mut Noise, rho: f64, size: f64, days: usize) -> Vec<f64> {
        let mut values = noise.autoregressive(365, rho);
        for (i, value) in values.iter_mut().enumerate() {
            *value += size / days as f64 * rise(365 - days, i);
        }
        values
    }

    #[test]
    fn a_bend_is_dated_with_its_change() {
        let mut noise = Noise::new(1);
        let values = ramp(&mut noise, 0.3, 6.0, 28);
        let bend = bend(&values, &SEARCH).expect("a bend");
        assert!(bend.position.abs_diff(337) <= 5, "{bend:?}");
        assert!(bend.change[1] < 6.0 && 6.0 < bend.change[2], "{bend:?}");
        assert!(bend.p < 0.01, "{bend:?}");
        assert!((bend.at(364) - bend.level - bend.change[0]).abs() < 1e-9);
        assert!(super::bend(&[3.0; 100], &SEARCH).is_none());
        assert!(super::bend(&values[..40], &SEARCH).is_none());
    }

    /// Share of tries with a p-value of at most 5 %, and share of intervals that hold the change,
    /// in per cent.
    fn shares(tries: u64, rho: f64, size: f64, days: usize) -> [f64; 2] {
        let mut noise = Noise::new(days as u64 * 31 + (rho * 10.0) as u64);
        let (mut found, mut covered) = (0.0, 0.0);
        for _ in 0..tries {
            let values = ramp(&mut noise, rho, size, days);
            let bend = bend(&values, &SEARCH).expect("a bend");
            found += f64::from(u8::from(bend.p <= 0.05));
            let [_, low, high] = bend.change;
            covered += f64::from(u8::from(low <= size && size <= high));
        }
        [found, covered].map(|count| 100.0 * count / tries as f64)
    }

    #[test]
    fn false_bends_stay_at_the_level() {
        for rho in [0.0, 0.3, 0.7] {
            let [found, _] = shares(150, rho, 0.0, 28);
            assert!(found <= 9.0, "autocorrelation {rho}: {found} %");
        }
    }

    #[test]
    fn ramps_of_two_to_eight_weeks_are_found() {
        for (days, size) in [(14, 5.0), (14, 3.0), (28, 3.0), (56, 3.0)] {
            let [found, covered] = shares(100, 0.3, size, days);
            assert!(found >= 90.0, "{days} days: {found} %");
            assert!(covered >= 88.0, "{days} days: {covered} % covered");
        }
    }

    #[test]
    #[ignore = "prints a table"]
    fn table_of_bends() {
        eprintln!("365 days: found at 5 %, interval holds the change, in per cent of 200");
        for rho in [0.0, 0.3, 0.5, 0.7] {
            for size in [0.0, 1.0, 2.0, 3.0, 5.0] {
                let row = [14, 28, 56].map(|days| shares(200, rho, size, days));
                eprintln!("autocorrelation {rho}, {size} sd over 14, 28, 56 days: {row:?}");
            }
        }
    }
}
