//! Rates by category: how much more frequent events are on Mondays, at noon or in March.
//!
//! Counts form a table of blocks by categories: weeks by weekdays, days by hours, years by months.
//! Each block has its own level, so a trend or a shift of the level over the blocks is not mistaken
//! for a pattern; within a block the categories share its total (a Poisson log-linear model fitted
//! by iterative proportional fitting, Deming and Stephan 1940).
//!
//! Records cluster: an outage causes many records on one day. Therefore, variances are at least
//! those of (1) the Poisson model, (2) the quasi-Poisson model with Pearson's dispersion
//! (`McCullagh` and Nelder 1989, chapter 6) and (3) the sandwich estimator with blocks as clusters
//! and neighbouring blocks correlated (Newey and West 1987, one lag). Overall tests are F tests
//! with the degrees of freedom of Greenhouse and Geisser (1959).

use crate::{
    distribution::{f_upper, normal_quantile, t_p, t_quantile},
    test::{ChiSquare, Comparison, chi_square_fit},
};

/// Counts and exposures of a table of blocks by categories, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockCounts {
    categories: usize,
    /// Minimum dispersion: 1 for counts, 0 for amounts.
    dispersion_min: f64,
    events: Vec<f64>,
    exposure: Vec<f64>,
    /// Level of the trend in each cell; any scale.
    trend: Vec<f64>,
}

/// Number of categories in a cycle whose moving average is the trend.
const MONTHS: usize = 12;

impl BlockCounts {
    /// An empty table.
    pub fn new(blocks: usize, categories: usize) -> Self {
        let cells = blocks * categories;
        Self {
            categories,
            dispersion_min: 1.0,
            events: vec![0.0; cells],
            exposure: vec![0.0; cells],
            trend: vec![1.0; cells],
        }
    }

    /// An empty table for amounts, such as minutes, whose variance depends on their unit and is
    /// estimated from the data.
    pub fn amounts(blocks: usize, categories: usize) -> Self {
        Self {
            dispersion_min: 0.0,
            ..Self::new(blocks, categories)
        }
    }

    /// Adds events to a cell; cells outside the table are ignored.
    pub fn add_events(&mut self, block: usize, category: usize, events: f64) {
        if let Some(cell) = self.cell(block, category) {
            self.events[cell] += events;
        }
    }

    /// Adds exposure (days, records) to a cell; cells outside the table are ignored.
    pub fn add_exposure(&mut self, block: usize, category: usize, exposure: f64) {
        if let Some(cell) = self.cell(block, category) {
            self.exposure[cell] += exposure;
        }
    }

    /// The same table of years by months with the trend of its rates, which would otherwise look like
    /// a difference between the first and the last months of the year: the centred moving average of
    /// twelve months (Macaulay 1931), continued for half a year at both ends by the growth between
    /// the two nearest years. Unchanged with less than two years.
    #[must_use]
    pub fn with_trend(mut self) -> Self {
        let is_known = |cell: &usize| self.exposure[*cell] > 0.0;
        let cells = 0..self.exposure.len();
        let (Some(first), Some(last)) = (cells.clone().find(is_known), cells.rev().find(is_known))
        else {
            return self;
        };
        let end = last + 1;
        let half = MONTHS / 2;
        if end - first < 2 * MONTHS {
            return self;
        }
        let rate = |from: usize, to: usize| -> f64 {
            let events: f64 = self.events[from..to].iter().sum();
            events / self.exposure[from..to].iter().sum::<f64>()
        };
        let mut trend = vec![1.0; self.trend.len()];
        // The mean of two neighbouring years has the month itself in its centre.
        for (month, level) in (first + half..end - half).zip(first..) {
            trend[month] = f64::midpoint(
                rate(level, level + MONTHS),
                rate(level + 1, level + 1 + MONTHS),
            );
        }
        let growth = |year: usize, next: usize| -> f64 {
            let growth =
                (rate(next, next + MONTHS) / rate(year, year + MONTHS)).powf(1.0 / MONTHS as f64);
            if growth.is_finite() && growth > 0.0 {
                growth
            } else {
                1.0
            }
        };
        let growth_first = growth(first, first + MONTHS);
        for month in (first..first + half).rev() {
            trend[month] = trend[month + 1] / growth_first;
        }
        let growth_last = growth(end - 2 * MONTHS, end - MONTHS);
        for month in end - half..end {
            trend[month] = trend[month - 1] * growth_last;
        }
        let largest = trend[first..end].iter().copied().fold(0.0, f64::max);
        if largest > 0.0 && largest.is_finite() {
            self.trend = trend
                .iter()
                .map(|level| (level / largest).max(1e-6))
                .collect();
        }
        self
    }

    /// Exposures times the trend, row by row.
    fn weights(&self) -> Vec<f64> {
        self.exposure
            .iter()
            .zip(&self.trend)
            .map(|(exposure, level)| exposure * level)
            .collect()
    }

    fn cell(&self, block: usize, category: usize) -> Option<usize> {
        let cell = block * self.categories + category;
        (category < self.categories && cell < self.events.len()).then_some(cell)
    }

    /// Events of each category.
    pub fn events(&self) -> Vec<f64> {
        self.sum(&self.events)
    }

    /// Exposure of each category.
    pub fn exposure(&self) -> Vec<f64> {
        self.sum(&self.exposure)
    }

    fn sum(&self, cells: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.categories];
        for row in cells.chunks(self.categories) {
            for (sum, cell) in sums.iter_mut().zip(row) {
                *sum += cell;
            }
        }
        sums
    }

    /// A table of only the given categories, in the given order.
    #[must_use]
    pub fn select(&self, categories: &[usize]) -> Self {
        let pick = |cells: &[f64]| {
            cells
                .chunks(self.categories)
                .flat_map(|row| categories.iter().map(|&c| row[c]))
                .collect()
        };
        Self {
            categories: categories.len(),
            dispersion_min: self.dispersion_min,
            events: pick(&self.events),
            exposure: pick(&self.exposure),
            trend: pick(&self.trend),
        }
    }
}

/// Rates of categories, adjusted for the levels of the blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockRates {
    /// Events of each category.
    pub events: Vec<f64>,
    /// Exposure of each category.
    pub exposure: Vec<f64>,
    /// Rate of each category relative to the mean rate over all exposure.
    pub relative: Vec<f64>,
    /// Variance of counts over that of Poisson counts, at least 1; for amounts at least 0.
    pub dispersion: f64,
    /// Number of blocks with events.
    pub blocks: usize,
    /// Observed minus expected, row by row, for blocks with events.
    residuals: Vec<f64>,
}

/// The result of a test for any difference between categories.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverallTest {
    /// Pearson's textbook test of the counts against equal rates.
    pub plain: ChiSquare,
    /// F statistic that allows for clustering.
    pub f: f64,
    /// Its degrees of freedom.
    pub df: [f64; 2],
    /// Its p-value, which decides.
    pub p: f64,
}

impl BlockRates {
    /// Fits the rates; `None` if fewer than two blocks or categories have events and exposure.
    pub fn fit(counts: &BlockCounts) -> Option<Self> {
        let width = counts.categories;
        let (mut events, mut exposure) = (Vec::new(), Vec::new());
        let weights = counts.weights();
        for (row, weight) in counts.events.chunks(width).zip(weights.chunks(width)) {
            if row.iter().sum::<f64>() > 0.0 {
                events.extend_from_slice(row);
                // Events without exposure are errors, so they are excluded.
                exposure.extend_from_slice(weight);
            }
        }
        for (event, weight) in events.iter_mut().zip(&exposure) {
            if *weight <= 0.0 {
                *event = 0.0;
            }
        }
        let blocks = events.len() / width.max(1);
        let used = counts
            .exposure()
            .iter()
            .filter(|exposure| **exposure > 0.0)
            .count();
        if blocks < 2 || used < 2 || events.iter().sum::<f64>() <= 0.0 {
            return None;
        }
        let relative = relative_rates(&events, &exposure, width);
        let expected = expected(&events, &exposure, &relative);
        let residuals: Vec<f64> = events.iter().zip(&expected).map(|(n, e)| n - e).collect();
        let pearson: f64 = residuals
            .iter()
            .zip(&expected)
            .filter(|(_, expected)| **expected > 0.0)
            .map(|(residual, expected)| residual * residual / expected)
            .sum();
        let df = ((blocks - 1) * (used - 1)) as f64;
        Some(Self {
            events: counts.events(),
            exposure: counts.exposure(),
            relative,
            dispersion: (pearson / df).max(counts.dispersion_min),
            blocks,
            residuals,
        })
    }

    /// Mean relative rate over some categories, weighted by exposure.
    fn mean_rate(&self, categories: &[usize]) -> f64 {
        let weight: f64 = categories.iter().map(|&c| self.exposure[c]).sum();
        categories
            .iter()
            .map(|&c| self.exposure[c] * self.relative[c])
            .sum::<f64>()
            / weight
    }

    /// Rate of the categories `group` relative to those of `baseline`, which may include them, with
    /// its interval. `None` if one side has no exposure, or `baseline` has no events.
    pub fn contrast(&self, group: &[usize], baseline: &[usize], level: f64) -> Option<Comparison> {
        let (rate, reference) = (self.mean_rate(group), self.mean_rate(baseline));
        if !rate.is_finite() || !reference.is_finite() || reference <= 0.0 {
            return None;
        }
        let ratio = rate / reference;
        let df = (self.blocks - 1) as f64;
        let t = t_quantile(0.5 + level / 2.0, df);
        if ratio <= 0.0 {
            return Some(self.zero_contrast(group, reference, t, df));
        }
        let mut weights = vec![0.0; self.events.len()];
        for (set, sign) in [(group, 1.0), (baseline, -1.0)] {
            let total: f64 = set
                .iter()
                .map(|&c| self.exposure[c] * self.relative[c])
                .sum();
            for &c in set {
                weights[c] += sign * self.exposure[c] * self.relative[c] / total;
            }
        }
        let error = self.variance(&weights).sqrt();
        Some(log_normal(ratio, error, df, t))
    }

    /// The contrast of categories without events; the upper bound is the largest ratio that a score
    /// test does not reject.
    fn zero_contrast(&self, group: &[usize], reference: f64, t: f64, df: f64) -> Comparison {
        let total: f64 = self.events.iter().sum();
        let total_exposure: f64 = self.exposure.iter().sum();
        let exposure: f64 = group.iter().map(|&c| self.exposure[c]).sum();
        let expected = total * exposure / total_exposure * reference;
        Comparison {
            estimate: 0.0,
            lower: 0.0,
            upper: self.dispersion * t * t / expected.max(f64::MIN_POSITIVE),
            p: t_p((expected / self.dispersion).sqrt(), df),
        }
    }

    /// Variance of a weighted sum of log rates whose weights sum to zero.
    fn variance(&self, weights: &[f64]) -> f64 {
        let quasi: f64 = weights
            .iter()
            .zip(&self.events)
            .filter(|(_, events)| **events > 0.0)
            .map(|(weight, events)| weight * weight / events)
            .sum();
        let influence: Vec<f64> = self
            .residuals
            .chunks(weights.len())
            .map(|row| {
                row.iter()
                    .zip(weights)
                    .zip(&self.events)
                    .filter(|(_, events)| **events > 0.0)
                    .map(|((residual, weight), events)| weight * residual / events)
                    .sum()
            })
            .collect();
        (self.dispersion * quasi).max(long_run_sum(&influence))
    }

    /// Tests whether the rates of the given categories differ.
    pub fn overall(&self, counts: &BlockCounts, categories: &[usize]) -> Option<OverallTest> {
        let part = counts.select(categories);
        let fit = Self::fit(&part)?;
        let used: Vec<usize> = (0..categories.len())
            .filter(|&c| fit.exposure[c] > 0.0)
            .collect();
        let k = used.len() as f64;
        let width = categories.len();
        let (mut events, mut exposure) = (Vec::new(), Vec::new());
        let weights = part.weights();
        for (row, weight) in part.events.chunks(width).zip(weights.chunks(width)) {
            if row.iter().sum::<f64>() > 0.0 {
                events.extend_from_slice(row);
                exposure.extend_from_slice(weight);
            }
        }
        let expected = expected(&events, &exposure, &vec![1.0; width]);
        let sums: Vec<f64> = (0..width)
            .map(|c| expected.chunks(width).map(|row| row[c]).sum())
            .collect();
        let statistic: f64 = used
            .iter()
            .map(|&c| (fit.events[c] - sums[c]).powi(2) / sums[c])
            .sum();
        // Scores of the categories in each block, with unit variance for Poisson counts.
        let scores: Vec<Vec<f64>> = used
            .iter()
            .map(|&c| {
                fit.residuals
                    .chunks(width)
                    .map(|row| row[c] / sums[c].sqrt())
                    .collect()
            })
            .collect();
        let trace: f64 = scores.iter().map(|score| long_run_sum(score)).sum();
        let dispersion = fit.dispersion.max(trace / (k - 1.0));
        let epsilon = greenhouse_geisser(&scores).max(1.0 / (k - 1.0));
        let df = [
            epsilon * (k - 1.0),
            epsilon * (k - 1.0) * (fit.blocks - 1) as f64,
        ];
        let f = statistic / (k - 1.0) / dispersion;
        let plain = {
            let events: Vec<f64> = used.iter().map(|&c| fit.events[c]).collect();
            chi_square_fit(&events, &vec![1.0; used.len()])
        };
        Some(OverallTest {
            plain,
            f,
            df,
            p: f_upper(f, df[0], df[1]),
        })
    }
}

/// Sum of squares of a time series, plus the covariance of neighbours if it is positive: an
/// estimate of the variance of the series' sum.
fn long_run_sum(series: &[f64]) -> f64 {
    let n = series.len() as f64;
    let squares: f64 = series.iter().map(|x| x * x).sum();
    let neighbours: f64 = series.windows(2).map(|pair| pair[0] * pair[1]).sum();
    (squares + neighbours.max(0.0)) * n / (n - 1.0)
}

/// Greenhouse and Geisser's epsilon of scores: 1 if variances and covariances are equal.
fn greenhouse_geisser(scores: &[Vec<f64>]) -> f64 {
    let k = scores.len();
    let (mut trace, mut squares) = (0.0, 0.0);
    for i in 0..k {
        for j in 0..k {
            let covariance: f64 = scores[i].iter().zip(&scores[j]).map(|(a, b)| a * b).sum();
            squares += covariance * covariance;
            if i == j {
                trace += covariance;
            }
        }
    }
    if squares > 0.0 {
        (trace * trace / squares / (k as f64 - 1.0)).min(1.0)
    } else {
        1.0
    }
}

/// Expected events of each cell, given the totals of the blocks.
fn expected(events: &[f64], exposure: &[f64], relative: &[f64]) -> Vec<f64> {
    let width = relative.len();
    let mut out = Vec::with_capacity(events.len());
    for (row, weights) in events.chunks(width).zip(exposure.chunks(width)) {
        let total: f64 = row.iter().sum();
        let weight: f64 = weights.iter().zip(relative).map(|(w, r)| w * r).sum();
        let level = if weight > 0.0 { total / weight } else { 0.0 };
        out.extend(weights.iter().zip(relative).map(|(w, r)| level * w * r));
    }
    out
}

/// Iterative proportional fitting of the rates of categories.
fn relative_rates(events: &[f64], exposure: &[f64], width: usize) -> Vec<f64> {
    let mut relative = vec![1.0; width];
    let sum = |cells: &[f64], c: usize| cells.chunks(width).map(|row| row[c]).sum::<f64>();
    let events_sum: Vec<f64> = (0..width).map(|c| sum(events, c)).collect();
    let exposure_sum: Vec<f64> = (0..width).map(|c| sum(exposure, c)).collect();
    for _ in 0..200 {
        let fitted = expected(events, exposure, &relative);
        let mut change: f64 = 0.0;
        for c in 0..width {
            let fitted = sum(&fitted, c);
            let factor = if fitted > 0.0 {
                events_sum[c] / fitted
            } else {
                0.0
            };
            if relative[c] > 0.0 && factor > 0.0 {
                change = change.max((factor - 1.0).abs());
            }
            relative[c] *= factor;
        }
        if change < 1e-10 {
            break;
        }
    }
    let weight: f64 = exposure_sum.iter().sum();
    let mean: f64 = relative
        .iter()
        .zip(&exposure_sum)
        .map(|(r, w)| r * w)
        .sum::<f64>()
        / weight;
    relative.iter().map(|r| r / mean).collect()
}

/// The rates of two periods compared, with the plain Poisson interval and an interval that allows
/// for clustering.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeriodRatio {
    /// Rate of the second period over that of the first.
    pub ratio: f64,
    /// 95 % interval for independent records (log-normal).
    pub plain: [f64; 2],
    /// 95 % interval that allows for clustering.
    pub clustered: [f64; 2],
    /// Variance of the rates over that of independent records, at least 1.
    pub dispersion: f64,
    /// p-value that allows for clustering.
    pub p: f64,
}

/// Compares the rates of two periods, each given as (events, exposure) of its parts, such as the
/// months of a year, in time order. `None` without events on both sides, or with fewer than three
/// parts on a side. For `amounts` the dispersion may be below 1, and `plain` allows for that.
///
/// Dispersion is Pearson's over the parts around the mean of their own period, inflated for the
/// correlation of neighbouring parts, as for an autoregression of order one.
pub fn period_ratio(
    first: &[(f64, f64)],
    second: &[(f64, f64)],
    amounts: bool,
) -> Option<PeriodRatio> {
    let total = |parts: &[(f64, f64)]| {
        parts
            .iter()
            .fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    };
    let ((a, exposure_a), (b, exposure_b)) = (total(first), total(second));
    if a <= 0.0 || b <= 0.0 || first.len() < 3 || second.len() < 3 {
        return None;
    }
    let (mut squares, mut neighbours) = (0.0, 0.0);
    for (parts, rate) in [(first, a / exposure_a), (second, b / exposure_b)] {
        let residuals: Vec<f64> = parts
            .iter()
            .filter(|part| part.1 > 0.0)
            .map(|(events, exposure)| (events - rate * exposure) / (rate * exposure).sqrt())
            .collect();
        squares += residuals.iter().map(|r| r * r).sum::<f64>();
        neighbours += residuals
            .windows(2)
            .map(|pair| pair[0] * pair[1])
            .sum::<f64>();
    }
    let parts = (first.len() + second.len()) as f64;
    let df = parts - 2.0;
    // Residuals around a fitted mean are less correlated than the errors, by about 1/n for each of
    // the two means (Marriott and Pope, 1954).
    let correlation = if squares > 0.0 {
        neighbours / squares + 4.0 / parts
    } else {
        0.0
    };
    let correlation = correlation.clamp(0.0, 0.8);
    let inflation = (1.0 + correlation) / (1.0 - correlation);
    let dispersion = (squares / df).max(if amounts { 0.0 } else { 1.0 }) * inflation;
    let df = (df / inflation).max(2.0);
    let ratio = (b / exposure_b) / (a / exposure_a);
    let error = (1.0 / a + 1.0 / b).sqrt();
    let interval = |spread: f64| [ratio / spread.exp(), ratio * spread.exp()];
    let clustered_error = error * dispersion.sqrt();
    Some(PeriodRatio {
        ratio,
        plain: interval(normal_quantile(0.975) * if amounts { clustered_error } else { error }),
        clustered: interval(t_quantile(0.975, df) * clustered_error),
        dispersion,
        p: t_p(ratio.ln() / clustered_error, df),
    })
}

/// A ratio with its log-normal interval and test, from the standard error of its logarithm, by
/// Student's t with `df` degrees of freedom and its quantile `t`.
fn log_normal(ratio: f64, error: f64, df: f64, t: f64) -> Comparison {
    let spread = (t * error).exp();
    Comparison {
        estimate: ratio,
        lower: ratio / spread,
        upper: ratio * spread,
        p: if error > 0.0 {
            t_p(ratio.ln() / error, df)
        } else {
            1.0
        },
    }
}

/// Compares the rates of two sides within the same clusters, such as the records of a day above and
/// below a limit. Each cluster gives `(events, exposure)` of both sides.
///
/// The log-normal 95 % interval uses the variance between clusters (sandwich); for `shares` (events
/// are a part of the records counted as exposure) at least that of independent records. `None`
/// without events on both sides, or with fewer than two clusters.
pub fn clustered_ratio(clusters: &[[(f64, f64); 2]], shares: bool) -> Option<Comparison> {
    let total = |side: usize| {
        clusters.iter().fold((0.0, 0.0), |sum, cluster| {
            (sum.0 + cluster[side].0, sum.1 + cluster[side].1)
        })
    };
    let sides = [total(0), total(1)];
    let used = clusters.iter().filter(|c| c[0].1 + c[1].1 > 0.0).count() as f64;
    if used < 2.0 || sides.iter().any(|(events, _)| *events <= 0.0) {
        return None;
    }
    let rates = sides.map(|(events, exposure)| events / exposure);
    let influence = |cluster: &[(f64, f64); 2], side: usize| {
        let (events, exposure) = cluster[side];
        (events - rates[side] * exposure) / sides[side].0
    };
    let squares: f64 = clusters
        .iter()
        .map(|cluster| (influence(cluster, 0) - influence(cluster, 1)).powi(2))
        .sum();
    let independent: f64 = (0..2).map(|i| (1.0 - rates[i]).max(0.0) / sides[i].0).sum();
    let variance_min = if shares { independent } else { 0.0 };
    let error = (squares * used / (used - 1.0)).max(variance_min).sqrt();
    let ratio = rates[0] / rates[1];
    let df = used - 1.0;
    Some(log_normal(ratio, error, df, t_quantile(0.975, df)))
}

#[cfg(test)]
mod tests;
