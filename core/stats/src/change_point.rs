//! Shifts of the mean of a series: dates and sizes.
//!
//! The statistic is the largest difference of means over all possible dates; its p-value is that of
//! the same search in series without a shift ([`search`](crate::search)).

use crate::{
    describe::sorted,
    distribution::t_quantile,
    search::{Candidate, Correlation, NoisePosterior, Search, simulated_p},
    trend::{median_of, running_median},
};

/// A mean with its 95 % interval, which allows for autocorrelation.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Index of the first value.
    pub start: usize,
    /// Index after the last value.
    pub end: usize,
    /// Mean of the values.
    pub mean: f64,
    /// Lower and upper bound of the 95 % interval of the mean.
    pub interval: [f64; 2],
}

/// One shift of the mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// First index of the new level.
    pub position: usize,
    /// 95 % interval of that index, inclusive (Bai 1997).
    pub interval: [usize; 2],
    /// The level since the previous shift, or the start.
    pub before: Level,
    /// The level until the next shift, or the end.
    pub after: Level,
    /// `after - before` with its 95 % interval.
    pub difference: [f64; 3],
    /// `after / before` with its 95 % interval; `None` if a mean is not positive.
    pub ratio: Option<[f64; 3]>,
    /// Standardised statistic: the largest difference in long-run standard errors.
    pub statistic: f64,
    /// Simulated p-value.
    pub p: f64,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Shifts {
    /// Shifts in order of time.
    pub shifts: Vec<Shift>,
    /// p-value of the best single shift of the whole series.
    pub p: f64,
    /// Best single date of the whole series, significant or not.
    pub best: usize,
    /// First-order autocorrelation of the residuals, corrected for bias.
    pub autocorrelation: f64,
    /// True if the series varies, but a straight line describes it better than steps; then no shift
    /// is claimed.
    pub drifts: bool,
}

/// Finds shifts of the mean of an evenly spaced series.
///
/// `adjusted` is searched (the seasonally adjusted series, or `values` again); means are those of
/// `values`. Outliers from a running median are clipped before the search, so that a one-day outage
/// is not a new level. Further shifts are searched on either side of a found one (binary
/// segmentation, Vostrikova 1981), each time with half of the remaining error rate; then indices
/// are refined between their neighbours (Bai 1997) and tested again.
///
/// A series that has its most frequent value but for a few times, fewer than a shift would have, has
/// no shift: its p-value is 1.
///
/// `None` if the series is shorter than four times the smallest segment or constant.
pub fn mean_shifts(values: &[f64], adjusted: &[f64], search: &Search) -> Option<Shifts> {
    let n = values.len();
    let m = search.segment_min.max(2);
    if n < length_min(m) || adjusted.len() != n {
        return None;
    }
    let clean = clip_outliers(adjusted, m);
    let whole = best_split(&clean, m)?;
    let mut positions = Vec::new();
    let mut drifts = false;
    let p = if has_rare_events(values, m) {
        1.0
    } else {
        split(&clean, 0, search.alpha, search, &mut positions, &mut drifts);
        simulated_p(best_split, &clean, &whole, search)
    };
    positions.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    positions.truncate(search.shifts_max.max(1));
    let mut positions: Vec<usize> = positions.into_iter().map(|split| split.0).collect();
    positions.sort_unstable();
    let tested = refine(&clean, &mut positions, search);
    let edges: Vec<usize> = std::iter::once(0)
        .chain(positions.iter().copied())
        .chain(std::iter::once(n))
        .collect();
    let spread = Spread::new(&clean, &edges, &whole, search);
    let shifts = tested
        .into_iter()
        .enumerate()
        .map(|(i, (statistic, p))| {
            let edges = [edges[i], edges[i + 1], edges[i + 2]];
            describe(values, &clean, edges, &spread, statistic, p)
        })
        .collect();
    Some(Shifts {
        shifts,
        p,
        best: whole.position,
        autocorrelation: spread.rho,
        drifts,
    })
}

/// Number of events that may form any pattern by chance.
const EVENTS_MIN: usize = 7;

/// Returns true if fewer values than this differ from the most frequent one, and fewer than a segment
/// has: how such values happen to lie says nothing about a level.
fn has_rare_events(values: &[f64], m: usize) -> bool {
    let sorted = sorted(values);
    let equal = sorted
        .chunk_by(|a, b| a.total_cmp(b).is_eq())
        .map(<[f64]>::len);
    values.len() - equal.max().unwrap_or_default() < EVENTS_MIN.min(m)
}

/// The levels between steps at known dates.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// The levels in order of time.
    pub levels: Vec<Level>,
    /// Last level minus the first, with its 95 % interval.
    pub difference: [f64; 3],
    /// Last level over the first, with its 95 % interval; `None` if one is not positive.
    pub ratio: Option<[f64; 3]>,
}

/// Estimates the levels between steps at these indices, in ascending order, with the intervals of
/// [`mean_shifts`]. `None` if the series is too short or constant.
pub fn steps(
    values: &[f64],
    adjusted: &[f64],
    positions: &[usize],
    search: &Search,
) -> Option<Steps> {
    let n = values.len();
    let m = search.segment_min.max(2);
    if n < length_min(m) || adjusted.len() != n {
        return None;
    }
    let clean = clip_outliers(adjusted, m);
    let whole = best_split(&clean, m)?;
    let edges = [&[0], positions, &[n]].concat();
    let spread = Spread::new(&clean, &edges, &whole, search);
    let levels: Vec<(Level, f64)> = edges
        .windows(2)
        .map(|edge| level(values, &clean, edge[0], edge[1], &spread))
        .collect();
    let (difference, ratio) = compare(levels.first()?, levels.last()?, spread.quantile);
    Some(Steps {
        levels: levels.into_iter().map(|(level, _)| level).collect(),
        difference,
        ratio,
    })
}

/// Minimum length of a series for a search with this smallest segment.
pub fn length_min(segment_min: usize) -> usize {
    (4 * segment_min.max(2)).max(12)
}

/// Finds the split with the smallest remaining sum of squares; `None` for a constant segment.
///
/// A second shift would look like slow noise, so the autocorrelation is that of the residuals after
/// the best further split of either side.
pub(crate) fn best_split(values: &[f64], m: usize) -> Option<Candidate> {
    let n = values.len();
    let (gain, position) = largest_gain(values, m);
    let sides = [(0, &values[..position]), (position, &values[position..])];
    let further = sides
        .into_iter()
        .filter(|(_, side)| side.len() >= 2 * m)
        .map(|(offset, side)| {
            let (gain, position) = largest_gain(side, m);
            (gain, offset + position)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let mut edges = vec![0, position, n];
    if let Some((_, further)) = further {
        edges.insert(if further < position { 1 } else { 2 }, further);
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let total: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Candidate::new(position, gain, total, mean, &residuals(values, &edges))
}

/// The largest part of the sum of squares that a split explains, and its index.
fn largest_gain(values: &[f64], m: usize) -> (f64, usize) {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let (mut sum, mut best, mut position) = (0.0, -1.0, 0);
    for (k, value) in values.iter().enumerate().take(n - m) {
        sum += value - mean;
        let k = k + 1;
        if k >= m {
            let gain = sum * sum * n as f64 / (k as f64 * (n - k) as f64);
            if gain > best {
                (best, position) = (gain, k);
            }
        }
    }
    (best, position)
}

/// Residuals of a series from its means between `edges`.
fn residuals(values: &[f64], edges: &[usize]) -> Vec<f64> {
    let mut out = Vec::with_capacity(values.len());
    for pair in edges.windows(2) {
        let part = &values[pair[0]..pair[1]];
        let mean = part.iter().sum::<f64>() / part.len().max(1) as f64;
        out.extend(part.iter().map(|v| v - mean));
    }
    out
}

/// Clips outliers. The reference is a running median over twice the smallest segment `m`. Values
/// farther from it than two and a half robust standard deviations are moved to that distance; those
/// farther than five, in runs shorter than half a segment, to the median itself (after Hampel
/// 1974): a new level lasts longer.
pub(crate) fn clip_outliers(values: &[f64], m: usize) -> Vec<f64> {
    let known: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
    let level: Vec<f64> = running_median(&known, 2 * m + 1)
        .iter()
        .zip(values)
        .map(|(level, value)| level.unwrap_or(*value))
        .collect();
    let offsets: Vec<f64> = values.iter().zip(&level).map(|(v, l)| v - l).collect();
    let limit = 2.5 * 1.4826 * median_of(&mut offsets.iter().map(|d| d.abs()).collect::<Vec<_>>());
    if limit <= 0.0 {
        return values.to_vec();
    }
    let mut out = Vec::with_capacity(values.len());
    let indices: Vec<usize> = (0..values.len()).collect();
    let is_gross = |i: usize| offsets[i].abs() > 2.0 * limit;
    for run in indices.chunk_by(|a, b| is_gross(*a) == is_gross(*b)) {
        let is_spike = is_gross(run[0]) && 2 * run.len() < m;
        out.extend(run.iter().map(|i| {
            level[*i]
                + if is_spike {
                    0.0
                } else {
                    offsets[*i].clamp(-limit, limit)
                }
        }));
    }
    out
}

/// Tests a segment and, if it has a shift, both sides of it with half of the error rate.
fn split(
    values: &[f64],
    offset: usize,
    alpha: f64,
    search: &Search,
    splits: &mut Vec<(usize, f64)>,
    drifts: &mut bool,
) {
    let m = search.segment_min.max(2);
    if values.len() < length_min(m) {
        return;
    }
    let Some(best) = best_split(values, m) else {
        return;
    };
    if simulated_p(best_split, values, &best, search) > alpha {
        return;
    }
    if line_is_better(values, best.residual_squares, m) {
        *drifts |= splits.is_empty() && offset == 0;
        return;
    }
    splits.push((offset + best.position, best.statistic));
    let (left, right) = values.split_at(best.position);
    split(left, offset, alpha / 2.0, search, splits, drifts);
    split(
        right,
        offset + best.position,
        alpha / 2.0,
        search,
        splits,
        drifts,
    );
}

/// Returns true if a straight line describes the segment better than one step, and than two (by
/// BIC). Bends are left to [`shape`](crate::shape), which allows for autocorrelation.
fn line_is_better(values: &[f64], one_step: f64, m: usize) -> bool {
    let n = values.len() as f64;
    let criterion =
        |squares: f64, parameters: f64| n * (squares / n).max(1e-12).ln() + parameters * n.ln();
    let line = line_residual_squares(values);
    if line >= one_step {
        return false;
    }
    // A step has a position in addition to its two levels, a line has two parameters.
    criterion(two_steps_residual_squares(values, m), 5.0) >= criterion(line, 2.0)
}

/// Sum of squares around the least-squares line.
fn line_residual_squares(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / n;
    let (mut xy, mut yy) = (0.0, 0.0);
    for (i, v) in values.iter().enumerate() {
        xy += (i as f64 - middle) * (v - mean);
        yy += (v - mean).powi(2);
    }
    let xx = n * (n * n - 1.0) / 12.0;
    (yy - xy * xy / xx).max(0.0)
}

/// Smallest sum of squares around three levels.
fn two_steps_residual_squares(values: &[f64], m: usize) -> f64 {
    let mut sums = vec![(0.0, 0.0)];
    let mut last = (0.0, 0.0);
    for v in values {
        last = (last.0 + v, last.1 + v * v);
        sums.push(last);
    }
    let cost = |a: usize, b: usize| {
        let (s, q) = (sums[b].0 - sums[a].0, sums[b].1 - sums[a].1);
        (q - s * s / (b - a) as f64).max(0.0)
    };
    let n = values.len();
    let mut best = f64::INFINITY;
    for a in m..=n.saturating_sub(2 * m) {
        for b in a + m..=n - m {
            best = best.min(cost(0, a) + cost(a, b) + cost(b, n));
        }
    }
    best
}

/// Moves every shift to its best index between its neighbours, removes those that are no longer
/// significant, and returns statistic and p-value of the others.
fn refine(values: &[f64], positions: &mut Vec<usize>, search: &Search) -> Vec<(f64, f64)> {
    let m = search.segment_min.max(2);
    for _ in 0..8 {
        let before = positions.clone();
        let mut tested = Vec::new();
        for i in 0..positions.len() {
            let start = if i == 0 { 0 } else { positions[i - 1] };
            let end = positions.get(i + 1).copied().unwrap_or(values.len());
            let segment = &values[start..end];
            if let Some(best) = best_split(segment, m).filter(|_| segment.len() >= 2 * m) {
                positions[i] = start + best.position;
                tested.push((
                    best.statistic,
                    simulated_p(best_split, segment, &best, search),
                ));
            } else {
                tested.push((0.0, 1.0));
            }
        }
        let weakest = (0..tested.len()).max_by(|a, b| tested[*a].1.total_cmp(&tested[*b].1));
        match weakest {
            Some(i) if tested[i].1 > search.alpha => {
                positions.remove(i);
            }
            _ if *positions == before => return tested,
            _ => {}
        }
        if positions.is_empty() {
            return Vec::new();
        }
    }
    positions.clear();
    Vec::new()
}

/// Variance of one value, times the inflation of the variance of a mean by autocorrelation.
fn long_run_variance(values: &[f64], edges: &[usize], rho: f64) -> f64 {
    let residuals = residuals(values, edges);
    let freedom = (residuals.len() as f64 - (edges.len() as f64 - 1.0)).max(1.0);
    let variance = residuals.iter().map(|v| v * v).sum::<f64>() / freedom;
    variance * (1.0 + rho) / (1.0 - rho)
}

/// The scatter of a series around its levels.
struct Spread {
    /// First-order autocorrelation.
    rho: f64,
    /// Quantile for 95 % intervals, in standard errors.
    quantile: f64,
    /// Long-run variance of one value.
    noise: f64,
}

impl Spread {
    /// The scatter around the levels between `edges`; `whole` is the best single split.
    fn new(clean: &[f64], edges: &[usize], whole: &Candidate, search: &Search) -> Self {
        let n = clean.len() as f64;
        let rho = |correlation| {
            NoisePosterior::new(best_split, clean, correlation, search).autocorrelation()
        };
        let single = rho(whole.correlation);
        // With one shift removed, the others would still look like autocorrelation.
        let rho = if edges.len() > 3 {
            rho(Correlation::of(&residuals(clean, edges))).min(single)
        } else {
            single
        };
        // One quantile for levels and their differences, so that their intervals agree.
        let effective = n * (1.0 - rho) / (1.0 + rho);
        Self {
            rho,
            quantile: t_quantile(0.975, (effective - (edges.len() - 1) as f64).max(2.0)),
            noise: long_run_variance(clean, edges, rho),
        }
    }
}

/// The level of a segment and the variance of its mean.
fn level(
    values: &[f64],
    searched: &[f64],
    start: usize,
    end: usize,
    spread: &Spread,
) -> (Level, f64) {
    let n = (end - start) as f64;
    let mean = values[start..end].iter().sum::<f64>() / n;
    let variance = long_run_variance(&searched[start..end], &[0, end - start], spread.rho) / n;
    let half = spread.quantile * variance.sqrt();
    (
        Level {
            start,
            end,
            mean,
            interval: [mean - half, mean + half],
        },
        variance,
    )
}

/// Difference and ratio of two levels, each with the variance of its mean.
fn compare(
    (before, variance_before): &(Level, f64),
    (after, variance_after): &(Level, f64),
    quantile: f64,
) -> ([f64; 3], Option<[f64; 3]>) {
    let step = after.mean - before.mean;
    let half = quantile * (variance_before + variance_after).sqrt();
    let ratio = (before.mean > 0.0 && after.mean > 0.0).then(|| {
        let relative = variance_before / before.mean.powi(2) + variance_after / after.mean.powi(2);
        let (ratio, factor) = (after.mean / before.mean, (quantile * relative.sqrt()).exp());
        [ratio, ratio / factor, ratio * factor]
    });
    ([step, step - half, step + half], ratio)
}

/// Describes the shift between `edges` (start, position, end).
fn describe(
    values: &[f64],
    searched: &[f64],
    edges: [usize; 3],
    spread: &Spread,
    statistic: f64,
    p: f64,
) -> Shift {
    let [start, position, end] = edges;
    let before = level(values, searched, start, position, spread);
    let after = level(values, searched, position, end, spread);
    let (difference, ratio) = compare(&before, &after, spread.quantile);
    let [step, ..] = difference;
    // Bai (1997): the index is within 11 long-run variances over the squared step.
    let reach =
        (11.0 * spread.noise / step.powi(2).max(1e-300)).min(values.len() as f64) as usize + 1;
    let low = position.saturating_sub(reach).max(start);
    let interval = [low, (position + reach).min(end - 1)];
    Shift {
        position,
        interval,
        before: before.0,
        after: after.0,
        difference,
        ratio,
        statistic,
        p,
    }
}

#[cfg(test)]
pub(crate) mod tests;
