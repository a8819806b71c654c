//! Shifts of the mean of a series: dates and sizes.
//!
//! The statistic is the largest difference of means over all possible dates; its p-value is that of
//! the same search in series without a shift ([`search`](crate::search)).

use crate::{
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
    /// The mean.
    pub mean: f64,
    /// 95 % interval.
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
/// `None` if the series is shorter than four times the smallest segment or constant.
pub fn mean_shifts(values: &[f64], adjusted: &[f64], search: &Search) -> Option<Shifts> {
    let n = values.len();
    let m = search.segment_min.max(2);
    if n < fewest(m) || adjusted.len() != n {
        return None;
    }
    let clean = clip_outliers(adjusted, m);
    let whole = best_split(&clean, m)?;
    let p = simulated_p(best_split, &clean, &whole, search);
    let single = NoisePosterior::new(best_split, n, whole.correlation, search).autocorrelation();
    let mut positions = Vec::new();
    let mut drifts = false;
    split(&clean, 0, search.alpha, search, &mut positions, &mut drifts);
    positions.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    positions.truncate(search.shifts_max.max(1));
    let mut positions: Vec<usize> = positions.into_iter().map(|split| split.0).collect();
    positions.sort_unstable();
    let tested = refine(&clean, &mut positions, search);
    let edges: Vec<usize> = std::iter::once(0)
        .chain(positions.iter().copied())
        .chain(std::iter::once(n))
        .collect();
    // With one shift removed, the others would still look like autocorrelation.
    let autocorrelation = if positions.len() > 1 {
        let observed = Correlation::of(&residuals(&clean, &edges));
        NoisePosterior::new(best_split, n, observed, search)
            .autocorrelation()
            .min(single)
    } else {
        single
    };
    let noise = long_run_variance(&clean, &edges, autocorrelation);
    // One quantile for levels and their differences, so that their intervals agree.
    let effective = n as f64 * (1.0 - autocorrelation) / (1.0 + autocorrelation);
    let quantile = t_quantile(0.975, (effective - (edges.len() - 1) as f64).max(2.0));
    let spread = Spread {
        rho: autocorrelation,
        quantile,
        noise,
    };
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
        best: whole.at,
        autocorrelation,
        drifts,
    })
}

/// Minimum length of a series for a search with this smallest segment.
pub fn fewest(segment_min: usize) -> usize {
    (4 * segment_min.max(2)).max(12)
}

/// Finds the split with the smallest remaining sum of squares; `None` for a constant segment.
pub(crate) fn best_split(values: &[f64], m: usize) -> Option<Candidate> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let (mut sum, mut best, mut at) = (0.0, -1.0, 0);
    for (k, value) in values.iter().enumerate().take(n - m) {
        sum += value - mean;
        let k = k + 1;
        if k >= m {
            let gain = sum * sum * n as f64 / (k as f64 * (n - k) as f64);
            if gain > best {
                (best, at) = (gain, k);
            }
        }
    }
    let total: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Candidate::new(at, best, total, mean, &residuals(values, &[0, at, n]))
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
    found: &mut Vec<(usize, f64)>,
    drifts: &mut bool,
) {
    let m = search.segment_min.max(2);
    if values.len() < fewest(m) {
        return;
    }
    let Some(best) = best_split(values, m) else {
        return;
    };
    if simulated_p(best_split, values, &best, search) > alpha {
        return;
    }
    if line_is_better(values, best.residual_squares, m) {
        *drifts |= found.is_empty() && offset == 0;
        return;
    }
    found.push((offset + best.at, best.statistic));
    let (left, right) = values.split_at(best.at);
    split(left, offset, alpha / 2.0, search, found, drifts);
    split(right, offset + best.at, alpha / 2.0, search, found, drifts);
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
                positions[i] = start + best.at;
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
    let (before, variance_before) = level(values, searched, start, position, spread);
    let (after, variance_after) = level(values, searched, position, end, spread);
    let quantile = spread.quantile;
    let step = after.mean - before.mean;
    let half = quantile * (variance_before + variance_after).sqrt();
    let ratio = (before.mean > 0.0 && after.mean > 0.0).then(|| {
        let relative = variance_before / before.mean.powi(2) + variance_after / after.mean.powi(2);
        let (ratio, factor) = (after.mean / before.mean, (quantile * relative.sqrt()).exp());
        [ratio, ratio / factor, ratio * factor]
    });
    // Bai (1997): the index is within 11 long-run variances over the squared step.
    let reach =
        (11.0 * spread.noise / step.powi(2).max(1e-300)).min(values.len() as f64) as usize + 1;
    let low = position.saturating_sub(reach).max(start);
    let interval = [low, (position + reach).min(end - 1)];
    Shift {
        position,
        interval,
        before,
        after,
        difference: [step, step - half, step + half],
        ratio,
        statistic,
        p,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::search::Noise;

    /// Annual flow of the Nile at Aswan, 1871 to 1970.
    pub(crate) const NILE: [f64; 100] = [
        1120., 1160., 963., 1210., 1160., 1160., 813., 1230., 1370., 1140., 995., 935., 1110.,
        994., 1020., 960., 1180., 799., 958., 1140., 1100., 1210., 1150., 1250., 1260., 1220.,
        1030., 1100., 774., 840., 874., 694., 940., 833., 701., 916., 692., 1020., 1050., 969.,
        831., 726., 456., 824., 702., 1120., 1100., 832., 764., 821., 768., 845., 864., 862., 698.,
        845., 744., 796., 1040., 759., 781., 865., 845., 944., 984., 897., 822., 1010., 771., 676.,
        649., 846., 812., 742., 801., 1040., 860., 874., 848., 890., 744., 749., 838., 1050., 918.,
        986., 797., 923., 975., 815., 1020., 906., 901., 1170., 912., 746., 919., 718., 714., 740.,
    ];

    /// Coal-mining disasters per year, 1851 to 1961.
    const COAL: [u8; 111] = [
        4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4,
        2, 5, 2, 2, 3, 4, 2, 1, 3, 2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2,
        0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1, 0, 2, 3, 3, 1, 1, 2, 1, 1, 1, 1, 2,
        4, 2, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,
    ];

    fn search(values: &[f64], segment_min: usize) -> Shifts {
        let settings = Search {
            segment_min,
            ..Search::default()
        };
        mean_shifts(values, values, &settings).expect("enough values")
    }

    #[test]
    fn the_nile_fell_in_1899() {
        // Cobb (1978); Bai and Perron in R's strucchange: last year of the old level 1898 (interval
        // 1895 to 1902), means 1097.75 and 849.97.
        let found = search(&NILE, 10);
        assert_eq!(found.shifts.len(), 1);
        let shift = &found.shifts[0];
        assert_eq!(1871 + shift.position, 1899);
        assert!((shift.before.mean - 1097.75).abs() < 0.005, "{shift:?}");
        assert!((shift.after.mean - 849.97).abs() < 0.005, "{shift:?}");
        assert!(
            shift.p <= 0.002 && shift.interval[1] - shift.interval[0] <= 12,
            "{shift:?}"
        );
    }

    #[test]
    fn mining_became_safer_around_1891() {
        // Carlin, Gelfand and Smith (1992): about 1890; rates 3.1 and 0.9. Least squares has
        // almost equal minima at 1887, 1888 and 1890 to 1892.
        let values: Vec<f64> = COAL.iter().map(|v| f64::from(*v)).collect();
        let settings = Search {
            shifts_max: 1,
            ..Search::default()
        };
        let found = mean_shifts(&values, &values, &settings).expect("enough values");
        let shift = &found.shifts[0];
        let years = shift.interval.map(|position| 1851 + position);
        assert!(years[0] <= 1890 && 1890 <= years[1], "{years:?}");
        assert!((shift.before.mean - 3.1).abs() < 0.2, "{shift:?}");
        assert!((shift.after.mean - 0.92).abs() < 0.1, "{shift:?}");
    }

    #[test]
    fn two_shifts_are_separated_and_a_spike_is_not_a_shift() {
        let mut noise = Noise::new(3);
        let level = |i: usize| {
            if i < 60 {
                10.0
            } else if i < 110 {
                16.0
            } else {
                11.0
            }
        };
        let values: Vec<f64> = (0..170).map(|i| level(i) + 2.0 * noise.normal()).collect();
        let found = search(&values, 7);
        let positions: Vec<usize> = found.shifts.iter().map(|s| s.position).collect();
        assert_eq!(positions.len(), 2, "{found:#?}");
        assert!(
            positions[0].abs_diff(60) <= 2 && positions[1].abs_diff(110) <= 2,
            "{positions:?}"
        );

        let spike: Vec<f64> = (0..120)
            .map(|i| noise.normal() + if (113..116).contains(&i) { 40.0 } else { 0.0 })
            .collect();
        assert!(search(&spike, 14).shifts.is_empty());
    }

    #[test]
    fn intervals_of_levels_and_difference_agree() {
        let mut noise = Noise::new(5);
        for (at, n) in [(46, 53), (20, 80), (70, 120)] {
            let mut values = noise.autoregressive(n, 0.4);
            values[at..].iter_mut().for_each(|value| *value += 6.0);
            let found = search(&values, 5);
            for shift in &found.shifts {
                let half = |[low, high]: [f64; 2]| (high - low) / 2.0;
                let levels = half(shift.before.interval).hypot(half(shift.after.interval));
                let [_, low, high] = shift.difference;
                assert!((levels / half([low, high]) - 1.0).abs() < 1e-9, "{shift:?}");
            }
            assert!(!found.shifts.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn a_drift_is_not_a_shift() {
        for seed in 0..20 {
            let mut noise = Noise::new(seed);
            let values: Vec<f64> = (0..112)
                .map(|i| 0.05 * f64::from(i) + noise.normal())
                .collect();
            let found = search(&values, 7);
            assert!(
                found.shifts.is_empty() && found.drifts,
                "seed {seed}: {found:#?}"
            );
        }
    }

    #[test]
    fn short_or_constant_series_have_no_shifts() {
        let settings = Search::default();
        assert!(mean_shifts(&[1.0; 27], &[1.0; 27], &settings).is_none());
        assert!(mean_shifts(&[1.0; 60], &[1.0; 60], &settings).is_none());
    }

    /// Checks the share of series without a shift in which a shift is claimed at 5 %.
    fn check(n: usize, rho: f64, poisson: Option<f64>, bound: f64) {
        let mut noise = Noise::new(n as u64 * 17 + (rho * 100.0) as u64);
        let tries = 200u64;
        let mut claims = 0;
        for _ in 0..tries {
            let mut values = noise.autoregressive(n, rho);
            if let Some(mean) = poisson {
                values.iter_mut().for_each(|e| {
                    *e = f64::from(noise.poisson(mean * (0.4 * *e - 0.08).exp()));
                });
            }
            let settings = Search {
                simulations: 199,
                ..Search::default()
            };
            let found = mean_shifts(&values, &values, &settings);
            claims += usize::from(found.is_some_and(|found| !found.shifts.is_empty()));
        }
        let share = claims as f64 / tries as f64;
        assert!(
            share <= bound,
            "n {n} rho {rho} poisson {poisson:?}: {share} false claims"
        );
    }

    #[test]
    fn false_claims_stay_at_the_level() {
        for n in [40, 120] {
            check(n, 0.0, None, 0.08);
            check(n, 0.3, None, 0.08);
            check(n, 0.7, None, 0.08);
            check(n, 0.3, Some(4.0), 0.08);
            check(n, 0.0, Some(0.7), 0.08);
        }
    }

    /// Share of series of `n` values, whose last third differs by `size`, in which a shift is claimed
    /// at 5 %, in per cent of 200. The values have autocorrelation `rho`, or are counts of a rate that
    /// wanders by 30 % with it.
    fn claimed(n: usize, rho: f64, counts: Option<f64>, size: f64) -> f64 {
        let mut noise = Noise::new(n as u64 * 19 + (rho * 100.0) as u64);
        let settings = Search {
            segment_min: 14,
            simulations: 199,
            ..Search::default()
        };
        let mut claims = 0;
        for _ in 0..200 {
            let mut values = noise.autoregressive(n, rho);
            let third = n - n / 3;
            if let Some(mean) = counts {
                for (i, value) in values.iter_mut().enumerate() {
                    let rate = mean * (0.3 * *value - 0.045).exp();
                    let rate = if i < third { rate } else { rate * (1.0 + size) };
                    *value = f64::from(noise.poisson(rate));
                }
            } else {
                values[third..].iter_mut().for_each(|value| *value += size);
            }
            let found = mean_shifts(&values, &values, &settings);
            claims += u8::from(found.is_some_and(|found| !found.shifts.is_empty()));
        }
        f64::from(claims) / 2.0
    }

    #[test]
    #[ignore = "prints a table"]
    fn table_of_shifts() {
        for n in [120, 420] {
            for rho in [0.0, 0.5, 0.7] {
                let row = [0.0, 0.5, 1.0].map(|size| claimed(n, rho, None, size));
                eprintln!("{n} values, autocorrelation {rho}, by 0, 0.5, 1 sd: {row:?}");
            }
            for mean in [8.0, 30.0] {
                let row = [0.0, 0.2, 0.5].map(|size| claimed(n, 0.6, Some(mean), size));
                eprintln!("{n} counts of {mean}, rate 0.6, by 0, 20, 50 %: {row:?}");
            }
        }
    }

    #[test]
    fn the_same_values_give_the_same_bytes() {
        assert_eq!(
            format!("{:?}", search(&NILE, 7)),
            format!("{:?}", search(&NILE, 7))
        );
    }
}
