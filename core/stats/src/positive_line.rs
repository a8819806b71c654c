//! Lines through values that cannot be negative, such as counts: unlike a straight line, they stay
//! above zero.

use crate::distribution::t_quantile;
use crate::trend::{TREND_MIN, inflation, median_of};

/// A line for values that cannot be negative: it stays above zero.
#[derive(Debug, Clone, PartialEq)]
pub struct PositiveLine {
    /// Link function.
    pub link: Link,
    /// Relative change from the first known value to the last, with its 95 % interval; never below
    /// −1.
    pub change: [f64; 3],
    /// Variance of the values over their mean; at least 1 for counts.
    pub dispersion: f64,
    /// Linear predictor in the middle of the series, and its slope per step.
    level: f64,
    slope: f64,
    middle: f64,
}

impl PositiveLine {
    /// Height of the line at an index, averaged over a season; never negative.
    pub fn at(&self, position: usize) -> f64 {
        let predictor = self.level + self.slope * (position as f64 - self.middle);
        self.link.mean(predictor).max(0.0)
    }

    /// Width of the interval of the change on a logarithmic scale.
    fn log_width(&self) -> f64 {
        self.change[2].ln_1p() - self.change[1].ln_1p()
    }
}

/// The relation between the level of a [`PositiveLine`] and its linear predictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// A constant factor per step.
    Log,
    /// A constant difference of the square root per step.
    Root,
    /// A constant difference per step: a straight line.
    Identity,
}

impl Link {
    fn mean(self, predictor: f64) -> f64 {
        match self {
            Self::Log => predictor.exp(),
            Self::Root => predictor * predictor,
            Self::Identity => predictor,
        }
    }

    fn derivative(self, predictor: f64) -> f64 {
        match self {
            Self::Log => predictor.exp(),
            Self::Root => 2.0 * predictor,
            Self::Identity => 1.0,
        }
    }

    fn predictor(self, mean: f64) -> f64 {
        match self {
            Self::Log => mean.ln(),
            Self::Root => mean.sqrt(),
            Self::Identity => mean,
        }
    }
}

/// Maximum number of iterations of the fit; it usually needs ten.
const ROUNDS_MAX: usize = 200;
/// Number of robust standard deviations beyond which values are clipped.
const OUTLIER: f64 = 5.0;
/// Maximum number of rounds of clipping; each starts from a better line.
const CLIPPING_ROUNDS_MAX: usize = 5;
/// Maximum width of another line's interval, relative to the log-linear line's.
const WIDER_MAX: f64 = 1.25;

/// The quasi-Poisson line of values that are not negative (`McCullagh` and Nelder 1989, chapters 6
/// and 9), with a factor for each phase of a season of `period` steps. It is the log-linear,
/// square-root or straight line with the smallest deviance that stays clearly above zero.
///
/// The variance is that of the values around the line, inflated by the autocorrelation of the
/// residuals as in [`trend`](crate::trend::trend); for counts it is at least that of independent
/// counts. Single values far from the line, such as a day of outage, are clipped.
///
/// `None` with fewer than [`TREND_MIN`] values, with a negative value, or if no line can be fitted.
pub fn positive_line(
    values: &[Option<f64>],
    period: usize,
    is_count: bool,
) -> Option<PositiveLine> {
    let known = values.iter().flatten();
    if known.clone().count() < TREND_MIN || known.clone().any(|value| *value < 0.0) {
        return None;
    }
    let seasonal = period >= 2 && values.len() >= 3 * period;
    let phases = if seasonal { period } else { 1 };
    let (mut clipped, mut fit) = (values.to_vec(), Fit::new(values, phases, Link::Log)?);
    for _ in 0..CLIPPING_ROUNDS_MAX {
        let reclipped = fit.clip_outliers(values);
        if reclipped == clipped {
            break;
        }
        fit = Fit::new(&reclipped, phases, Link::Log)?;
        clipped = reclipped;
    }
    let log = fit.line(&clipped, is_count)?;
    let (mut best, mut deviance) = (log.clone(), fit.deviance(&clipped));
    for link in [Link::Root, Link::Identity] {
        let Some(other) = Fit::new(&clipped, phases, link) else {
            continue;
        };
        let Some(line) = other.line(&clipped, is_count) else {
            continue;
        };
        // Near zero, only logarithms measure the distance of a level from zero.
        let is_near_zero = line.log_width() > WIDER_MAX * log.log_width();
        if !is_near_zero && other.deviance(&clipped) < deviance {
            (best, deviance) = (line, other.deviance(&clipped));
        }
    }
    Some(best)
}

/// A fit: the expected value at index `i` is `factors[i % phases] * link.mean(level + slope * (i -
/// middle))`.
struct Fit {
    link: Link,
    level: f64,
    slope: f64,
    middle: f64,
    /// Factors with mean 1 over a season.
    factors: Vec<f64>,
}

impl Fit {
    /// Fits by Fisher scoring, alternating with proportional fitting of the factors of the phases.
    /// `None` if the fit does not converge to a line above zero, for example when all values but
    /// one are zero.
    fn new(values: &[Option<f64>], phases: usize, link: Link) -> Option<Self> {
        let count = values.iter().flatten().count() as f64;
        let mean = values.iter().flatten().sum::<f64>() / count;
        if mean <= 0.0 || !mean.is_finite() {
            return None;
        }
        let length = values.len() as f64;
        let mut fit = Self {
            link,
            level: link.predictor(mean),
            slope: 0.0,
            middle: (length - 1.0) / 2.0,
            factors: vec![1.0; phases],
        };
        for _ in 0..ROUNDS_MAX {
            let change = fit.scale_season(values).max(fit.step(values));
            let diverges = link == Link::Log && (fit.slope * length).abs() > 60.0;
            if !change.is_finite() || diverges {
                return None;
            }
            if change < 1e-9 {
                return Some(fit);
            }
        }
        None
    }

    fn predictor(&self, position: usize) -> f64 {
        self.level + self.slope * (position as f64 - self.middle)
    }

    fn expected(&self, position: usize) -> f64 {
        let factor = self.factors[position % self.factors.len()];
        factor * self.link.mean(self.predictor(position))
    }

    /// Expected and known value at each index.
    fn pairs<'a>(
        &'a self,
        values: &'a [Option<f64>],
    ) -> impl Iterator<Item = (usize, f64, f64)> + 'a {
        let known = values.iter().enumerate();
        known.filter_map(|(i, value)| Some((i, self.expected(i), (*value)?)))
    }

    /// Scales the factor of each phase to match its total; returns the largest change of a factor.
    fn scale_season(&mut self, values: &[Option<f64>]) -> f64 {
        let phases = self.factors.len();
        if phases == 1 {
            return 0.0;
        }
        let mut sums = vec![[0.0; 2]; phases];
        for (i, expected, value) in self.pairs(values) {
            let sum = &mut sums[i % phases];
            sum[0] += expected;
            sum[1] += value;
        }
        let before = self.factors.clone();
        for (factor, [expected, value]) in self.factors.iter_mut().zip(sums) {
            if expected > 0.0 {
                *factor *= value / expected;
            }
        }
        let mean = self.factors.iter().sum::<f64>() / phases as f64;
        match self.link {
            Link::Log => self.level += mean.ln(),
            Link::Root | Link::Identity => {
                let factor = self.link.predictor(mean);
                self.level *= factor;
                self.slope *= factor;
            }
        }
        let mut change: f64 = 0.0;
        for (factor, before) in self.factors.iter_mut().zip(before) {
            *factor /= mean;
            change = change.max((*factor - before).abs());
        }
        change
    }

    /// Fisher information of level and slope for independent counts, and the score: `[ll, ls, ss]`,
    /// `[l, s]`.
    fn information(&self, values: &[Option<f64>]) -> ([f64; 3], [f64; 2]) {
        let (mut information, mut score) = ([0.0; 3], [0.0; 2]);
        for (i, expected, value) in self.pairs(values).filter(|pair| pair.1 > 0.0) {
            let x = i as f64 - self.middle;
            let factor = self.factors[i % self.factors.len()];
            let derivative = factor * self.link.derivative(self.predictor(i));
            let weight = derivative * derivative / expected;
            information[0] += weight;
            information[1] += weight * x;
            information[2] += weight * x * x;
            let contribution = (value - expected) * derivative / expected;
            score[0] += contribution;
            score[1] += contribution * x;
        }
        (information, score)
    }

    /// Makes one step of Fisher scoring with limited length; returns its size relative to the
    /// predictor.
    fn step(&mut self, values: &[Option<f64>]) -> f64 {
        let ([ll, ls, ss], [l, s]) = self.information(values);
        let determinant = ll * ss - ls * ls;
        let (level, slope) = (
            (l * ss - s * ls) / determinant,
            (s * ll - l * ls) / determinant,
        );
        let reach = self.middle.max(1.0);
        let size = level.abs() + slope.abs() * reach;
        if !size.is_finite() {
            return f64::NAN;
        }
        let scale = if self.link == Link::Log {
            1.0
        } else {
            // A step covers at most half of the distance to zero, so that the line stays above it.
            let ends = [-reach, reach].map(|x| self.level + self.slope * x);
            ends[0].min(ends[1]).max(f64::MIN_POSITIVE) * 0.5
        };
        let part = (scale / size).min(1.0);
        self.level += part * level;
        self.slope += part * slope;
        match self.link {
            Link::Log => size,
            Link::Root | Link::Identity => size / self.level.abs(),
        }
    }

    /// The line with the interval of its change.
    fn line(&self, values: &[Option<f64>], is_count: bool) -> Option<PositiveLine> {
        let residuals = self.residuals(values);
        let n = residuals.iter().flatten().count() as f64;
        let squares: f64 = residuals.iter().flatten().map(|r| r * r).sum();
        let used = self.factors.iter().filter(|factor| **factor > 0.0).count() as f64;
        let freedom = (n - used - 1.0).max(1.0);
        let (dispersion, dispersion_min) = (squares / freedom, f64::from(is_count));
        // The raw residuals, not their ranks: with many zeros, the ranks themselves follow the
        // line.
        let inflation = inflation(&residuals, n as usize);
        let (change, variance) = self.log_change(values)?;
        let error = (variance * (dispersion * inflation).max(dispersion_min)).sqrt();
        let half = t_quantile(0.975, (n / inflation - 2.0).max(2.0)) * error;
        half.is_finite().then(|| PositiveLine {
            link: self.link,
            change: [change, change - half, change + half].map(f64::exp_m1),
            dispersion: dispersion.max(dispersion_min),
            level: self.level,
            slope: self.slope,
            middle: self.middle,
        })
    }

    /// Deviance of independent counts.
    fn deviance(&self, values: &[Option<f64>]) -> f64 {
        self.pairs(values)
            .map(|(_, expected, value)| {
                let log = if value > 0.0 {
                    value * (value / expected).ln()
                } else {
                    0.0
                };
                2.0 * (log - (value - expected))
            })
            .sum()
    }

    /// Logarithm of the level at the last known value over that at the first, and its variance for
    /// independent counts (delta method).
    fn log_change(&self, values: &[Option<f64>]) -> Option<(f64, f64)> {
        let ends = [
            values.iter().position(Option::is_some)?,
            values.iter().rposition(Option::is_some)?,
        ];
        let logs = ends.map(|end| self.link.mean(self.predictor(end)).ln());
        let gradients = ends.map(|end| {
            let predictor = self.predictor(end);
            let by_level = self.link.derivative(predictor) / self.link.mean(predictor);
            [by_level, by_level * (end as f64 - self.middle)]
        });
        let [l, s] = [0, 1].map(|i| gradients[1][i] - gradients[0][i]);
        let ([ll, ls, ss], _) = self.information(values);
        let variance = (l * l * ss - 2.0 * l * s * ls + s * s * ll) / (ll * ss - ls * ls);
        Some((logs[1] - logs[0], variance))
    }

    /// Residuals in standard deviations of independent counts.
    fn residuals(&self, values: &[Option<f64>]) -> Vec<Option<f64>> {
        let mut residuals = vec![None; values.len()];
        for (i, expected, value) in self.pairs(values) {
            residuals[i] = (expected > 0.0).then(|| (value - expected) / expected.sqrt());
        }
        residuals
    }

    /// Clips values far from the line, unless there are many of them.
    fn clip_outliers(&self, values: &[Option<f64>]) -> Vec<Option<f64>> {
        let residuals = self.residuals(values);
        let mut sizes: Vec<f64> = residuals.iter().flatten().map(|r| r.abs()).collect();
        let limit = OUTLIER * 1.4826 * median_of(&mut sizes);
        let is_outlier = |r: &Option<f64>| r.is_some_and(|r| r.abs() > limit);
        let outliers = residuals.iter().filter(|r| is_outlier(r)).count();
        if limit <= 0.0 || outliers > 1 + values.len() / 50 {
            return values.to_vec();
        }
        let mut clipped = values.to_vec();
        for (i, residual) in residuals.iter().enumerate().filter(|(_, r)| is_outlier(r)) {
            let expected = self.expected(i);
            let deviation = limit.copysign(residual.unwrap_or(0.0)) * expected.sqrt();
            clipped[i] = Some((expected + deviation).max(0.0));
        }
        clipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Noise;
    use crate::trend::trend;

    fn some(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn a_fall_of_counts_ends_above_zero() {
        // Falls from 20 per day to 1 and stays there: a straight line would end below zero.
        let values: Vec<f64> = (0..200)
            .map(|i| (20.0 - 0.12 * f64::from(i)).max(1.0).round())
            .collect();
        let straight = trend(&some(&values)).expect("a trend").line;
        assert!(straight.at(199) < 0.0, "{straight:?}");
        let line = positive_line(&some(&values), 7, true).expect("a line");
        let [change, low, high] = line.change;
        assert!(-1.0 < low && low < change && change < high, "{line:?}");
        assert!(change < -0.85 && high < -0.6, "{line:?}");
        let [start, end] = [0, 199].map(|i| line.at(i));
        assert!((end / start - 1.0 - change).abs() < 1e-9, "{line:?}");
        assert!(
            (15.0..24.0).contains(&start) && (0.1..2.0).contains(&end),
            "{start} {end}"
        );
    }

    #[test]
    fn weekends_and_an_outage_do_not_bend_the_line() {
        let mut noise = Noise::new(9);
        let mut values: Vec<Option<f64>> = (0..140)
            .map(|i| {
                let weekday = if i % 7 < 5 { 1.3 } else { 0.25 };
                let mean = 12.0 * weekday * (0.01 * f64::from(i)).exp();
                (i % 13 != 4).then(|| f64::from(noise.poisson(mean)))
            })
            .collect();
        let calm = positive_line(&values, 7, true).expect("a line");
        let truth = 1.39_f64.exp_m1();
        let [change, low, high] = calm.change;
        assert!(
            (change - truth).abs() < 0.8 && low < truth && truth < high,
            "{calm:?}"
        );
        values[137] = Some(900.0);
        let outage = positive_line(&values, 7, true).expect("a line");
        let difference = outage.change[0] - calm.change[0];
        assert!(difference.abs() < 0.4, "{outage:?} {calm:?}");
    }

    #[test]
    fn unsuitable_values_return_none() {
        let mut alone = vec![0.0; 30];
        alone[0] = 5.0;
        for values in [vec![0.0; 30], vec![1.0; 4], vec![-1.0; 30], alone] {
            assert_eq!(positive_line(&some(&values), 7, true), None, "{values:?}");
        }
        // Near zero the interval stays readable.
        let ends: Vec<f64> = (0..50)
            .map(|i| if i < 30 { 4.0 + f64::from(i % 3) } else { 0.0 })
            .collect();
        let line = positive_line(&some(&ends), 7, true).expect("a line");
        assert!(line.change[0] < -0.9 && line.change[2] < 10.0, "{line:?}");
        // The unit of amounts does not matter.
        let amounts: Vec<f64> = (0..60).map(|i| 1000.0 + f64::from(i * 37 % 11)).collect();
        let small: Vec<f64> = amounts.iter().map(|v| v / 1000.0).collect();
        let [a, b] = [amounts, small].map(|v| positive_line(&some(&v), 1, false).expect("a line"));
        assert!((a.change[1] - b.change[1]).abs() < 1e-6, "{a:?} {b:?}");
    }

    /// Checks the coverage of the interval for the change of counts with correlated levels.
    #[test]
    fn intervals_of_positive_lines_contain_the_change() {
        for (n, rho, mean, deviation) in [
            (30, 0.0, 2.0, 0.0),
            (60, 0.0, 0.4, 0.0),
            (60, 0.3, 6.0, 0.4),
            (150, 0.5, 6.0, 0.4),
        ] {
            let mut noise = Noise::new(n as u64 * 7 + (rho * 100.0) as u64);
            let slope = -1.0 / n as f64;
            let tries = 400;
            let mut covered = 0;
            for _ in 0..tries {
                let levels = noise.autoregressive(n, rho);
                let values: Vec<Option<f64>> = levels
                    .iter()
                    .enumerate()
                    .map(|(i, level)| {
                        let level = (slope * i as f64 + deviation * level).exp();
                        Some(f64::from(noise.poisson(mean * level)))
                    })
                    .collect();
                let Some(line) = positive_line(&values, 1, true) else {
                    continue;
                };
                let truth = (slope * (n - 1) as f64).exp_m1();
                covered += usize::from(line.change[1] <= truth && truth <= line.change[2]);
            }
            let coverage = covered as f64 / f64::from(tries);
            assert!(coverage >= 0.91, "n {n} rho {rho} mean {mean}: {coverage}");
        }
    }

    #[test]
    fn trends_of_few_counts_are_found_at_their_level() {
        // Many ties: most pairs of such counts have no slope, but the line has one.
        for (n, mean, fall, share_min, share_max) in [
            (52, 2.0, 0.0, 0.0, 0.07),
            (366, 0.3, 0.0, 0.0, 0.07),
            (52, 2.0, 1.0, 0.3, 1.0),
            (366, 0.3, 1.2, 0.5, 1.0),
        ] {
            let mut noise = Noise::new(n as u64 + (fall * 10.0) as u64);
            let tries = 300;
            let mut claims = 0;
            for _ in 0..tries {
                let level = |i: usize| mean * (-fall * i as f64 / n as f64).exp();
                let values: Vec<Option<f64>> = (0..n)
                    .map(|i| Some(f64::from(noise.poisson(level(i)))))
                    .collect();
                let line = positive_line(&values, 1, true).expect("a line");
                let excludes = line.change[1] > 0.0 || line.change[2] < 0.0;
                let is_tested = trend(&values).is_some_and(|trend| trend.test.p < 0.05);
                claims += usize::from(excludes && is_tested);
            }
            let share = claims as f64 / f64::from(tries);
            assert!(
                (share_min..=share_max).contains(&share),
                "n {n} fall {fall}: {share}"
            );
        }
    }
}
