//! Finds a threshold: the volume above which outcomes are worse.
//!
//! Every candidate cut splits the observations in two; the statistic is the largest standardised
//! difference between the sides (maximally selected, Lausen and Schumacher 1992). The p-value
//! allows for the search: it compares with the largest difference over all cuts after shuffling the
//! outcomes (or, beyond [`SHUFFLED_MAX`] rows, in draws from the same Gaussian process).
//!
//! Sides are compared and shuffled within strata, such as days, as in the test of Mantel and
//! Haenszel (1959): neither a day on which everything fails nor a slow growth of both volume and
//! failures can appear as a threshold.
//!
//! The interval of the cut inverts the likelihood-ratio statistic (Hansen 2000, *Econometrica* 68).

use crate::describe::sorted;
use crate::distribution::normal_p;
use crate::random::normal;
use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// Maximum number of rows for shuffling.
pub const SHUFFLED_MAX: usize = 20_000;
/// Maximum number of candidate cuts of the test.
const CUTS_MAX: usize = 80;
/// Number of permutations or draws for the p-value.
const DRAWS: usize = 1999;
/// 95 % point of the likelihood-ratio statistic of a threshold (Hansen 2000, table I).
const LIKELIHOOD_RATIO_MAX: f64 = 7.35;

/// The best cut with its evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Volumes above this are on the upper side.
    pub cut: f64,
    /// Lower and upper bound of the 95 % interval of the cut.
    pub cut_interval: [f64; 2],
    /// Number of rows on the lower side.
    pub n_below: usize,
    /// Number of rows on the upper side.
    pub n_above: usize,
    /// Mean outcome on the lower side.
    pub mean_below: f64,
    /// Mean outcome on the upper side.
    pub mean_above: f64,
    /// Standardised difference between the sides within strata; positive if the upper side is
    /// higher.
    pub z: f64,
    /// p-value that allows for the search over cuts.
    pub p: f64,
    /// Standardised slope of the outcome on the volume or on its logarithm, whichever is larger.
    pub z_slope: f64,
}

impl Threshold {
    /// Returns true if a steady rise or fall describes the outcomes better than a step.
    pub fn is_steady(&self) -> bool {
        self.z_slope.abs() > self.z.abs()
    }
}

/// Rows ordered by stratum, with outcomes as differences from the mean of their stratum.
struct Rows {
    volumes: Vec<f64>,
    outcomes: Vec<f64>,
    residuals: Vec<f64>,
    /// Start index of each stratum, and the end of the last.
    bounds: Vec<usize>,
}

impl Rows {
    fn new(volumes: &[f64], outcomes: &[f64], strata: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..volumes.len()).collect();
        order.sort_by_key(|&i| strata[i]);
        let mut rows = Self {
            volumes: order.iter().map(|&i| volumes[i]).collect(),
            outcomes: order.iter().map(|&i| outcomes[i]).collect(),
            residuals: Vec::with_capacity(order.len()),
            bounds: vec![0],
        };
        for end in 1..=order.len() {
            if end == order.len() || strata[order[end]] != strata[order[end - 1]] {
                let start = rows.bounds[rows.bounds.len() - 1];
                let part = &rows.outcomes[start..end];
                let mean = part.iter().sum::<f64>() / part.len() as f64;
                rows.residuals.extend(part.iter().map(|y| y - mean));
                rows.bounds.push(end);
            }
        }
        rows
    }

    fn strata(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.bounds.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// Variance of outcomes in a stratum.
    fn variance(&self, stratum: &std::ops::Range<usize>) -> f64 {
        let n = stratum.len() as f64;
        let squares: f64 = self.residuals[stratum.clone()].iter().map(|r| r * r).sum();
        if n > 1.0 { squares / (n - 1.0) } else { 0.0 }
    }

    /// Covariance, under shuffling within strata, of the sums of residuals above each pair of cuts;
    /// with `diagonal` only the variances.
    fn covariance(&self, bins: &[usize], cuts: usize, diagonal: bool) -> Vec<f64> {
        let mut covariance = vec![0.0; cuts * cuts];
        for stratum in self.strata() {
            let variance = self.variance(&stratum);
            if variance == 0.0 {
                continue;
            }
            let n = stratum.len() as f64;
            let mut above = vec![0.0; cuts + 1];
            for &bin in &bins[stratum] {
                above[bin] += 1.0;
            }
            let above = suffix_sums(&above);
            for j in 0..cuts {
                let last = if diagonal { j + 1 } else { cuts };
                for k in j..last {
                    covariance[j * cuts + k] += variance * above[k] * (n - above[j]) / n;
                }
            }
        }
        covariance
    }

    /// Standardised slope of the residuals on `f(volume)`.
    fn slope(&self, f: impl Fn(f64) -> f64) -> f64 {
        let (mut sum, mut variance) = (0.0, 0.0);
        for stratum in self.strata() {
            let x: Vec<f64> = self.volumes[stratum.clone()]
                .iter()
                .map(|v| f(*v))
                .collect();
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let s2 = self.variance(&stratum);
            for (x, r) in x.iter().zip(&self.residuals[stratum]) {
                sum += (x - mean) * r;
                variance += (x - mean).powi(2) * s2;
            }
        }
        if variance > 0.0 {
            sum / variance.sqrt()
        } else {
            0.0
        }
    }
}

/// For each cut, the sum over the bins above it. There is one bin more than cuts.
fn suffix_sums(bins: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; bins.len() - 1];
    let mut sum = 0.0;
    for j in (0..sums.len()).rev() {
        sum += bins[j + 1];
        sums[j] = sum;
    }
    sums
}

/// For each volume, the number of cuts below it.
fn assign_bins(volumes: &[f64], cuts: &[f64]) -> Vec<usize> {
    volumes
        .iter()
        .map(|volume| cuts.partition_point(|cut| cut < volume))
        .collect()
}

fn sums_above(residuals: &[f64], bins: &[usize], cuts: usize) -> Vec<f64> {
    let mut sums = vec![0.0; cuts + 1];
    for (residual, &bin) in residuals.iter().zip(bins) {
        sums[bin] += residual;
    }
    suffix_sums(&sums)
}

/// Index and value of the largest standardised sum.
fn largest(sums: &[f64], variances: &[f64]) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    for (j, (sum, variance)) in sums.iter().zip(variances).enumerate() {
        if *variance > 0.0 {
            let z = sum / variance.sqrt();
            if best.is_none_or(|(_, largest)| z.abs() > largest.abs()) {
                best = Some((j, z));
            }
        }
    }
    best
}

/// Finds the cut of `volumes` between whose sides `outcomes` differ most. Each side has at least
/// `side_min` rows, and 5 % of all. The slices have equal lengths and finite numbers. `None` if no
/// cut is possible, or if outcomes are constant within strata.
pub fn threshold(
    volumes: &[f64],
    outcomes: &[f64],
    strata: &[usize],
    side_min: usize,
    seed: u64,
) -> Option<Threshold> {
    let ordered = sorted(volumes);
    let n = ordered.len();
    let margin = side_min.max(n / 20).max(1);
    if n < 2 * margin {
        return None;
    }
    let rows = Rows::new(volumes, outcomes, strata);
    let cuts = candidate_cuts(&ordered, margin);
    let bins = assign_bins(&rows.volumes, &cuts);
    let covariance = rows.covariance(&bins, cuts.len(), n <= SHUFFLED_MAX);
    let variances = diagonal(&covariance, cuts.len());
    let sums = sums_above(&rows.residuals, &bins, cuts.len());
    let (coarse, z) = largest(&sums, &variances)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let draws = if n <= SHUFFLED_MAX {
        shuffled_maxima(&rows, &bins, &variances, &mut random)
    } else {
        gaussian_maxima(&covariance, cuts.len(), &mut random)
    };
    let at_least = draws
        .iter()
        .filter(|draw| **draw >= z.abs() * (1.0 - 1e-12))
        .count();
    let p = (1 + at_least) as f64 / (1 + draws.len()) as f64;
    // If no draw is as large, Bonferroni's bound is smaller than one over the number of draws.
    let p = if at_least == 0 {
        p.min(normal_p(z) * cuts.len() as f64)
    } else {
        p
    };
    let cuts = refined_cuts(&ordered, &cuts, coarse, margin);
    Some(locate(&rows, &cuts, p))
}

fn candidate_cuts(ordered: &[f64], margin: usize) -> Vec<f64> {
    let n = ordered.len();
    let (lowest, highest) = (ordered[margin - 1], ordered[n - margin - 1]);
    let mut cuts: Vec<f64> = (1..=CUTS_MAX)
        .map(|i| {
            let probability = i as f64 / (CUTS_MAX + 1) as f64;
            ordered[((n - 1) as f64 * probability) as usize]
        })
        .chain([lowest, highest])
        .filter(|cut| (lowest..=highest).contains(cut) && *cut < ordered[n - 1])
        .collect();
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
    cuts
}

/// The candidate cuts, and up to a hundred more around the best cut.
fn refined_cuts(ordered: &[f64], cuts: &[f64], best: usize, margin: usize) -> Vec<f64> {
    let low = cuts[best.saturating_sub(2)];
    let high = cuts[(best + 2).min(cuts.len() - 1)];
    let n = ordered.len();
    let near: Vec<f64> = ordered[margin - 1..n - margin]
        .iter()
        .copied()
        .filter(|v| (low..=high).contains(v) && *v < ordered[n - 1])
        .collect();
    let step = near.len().div_ceil(100).max(1);
    let mut fine: Vec<f64> = near
        .into_iter()
        .step_by(step)
        .chain(cuts.iter().copied())
        .collect();
    fine.sort_by(f64::total_cmp);
    fine.dedup();
    fine
}

fn diagonal(covariance: &[f64], cuts: usize) -> Vec<f64> {
    (0..cuts).map(|j| covariance[j * cuts + j]).collect()
}

/// Largest standardised sums after shuffling outcomes within strata.
fn shuffled_maxima(
    rows: &Rows,
    bins: &[usize],
    variances: &[f64],
    random: &mut ChaCha8Rng,
) -> Vec<f64> {
    let mut residuals = rows.residuals.clone();
    (0..DRAWS)
        .map(|_| {
            for stratum in rows.strata() {
                residuals[stratum].shuffle(random);
            }
            let sums = sums_above(&residuals, bins, variances.len());
            largest(&sums, variances).map_or(0.0, |(_, z)| z.abs())
        })
        .collect()
}

/// Largest standardised values of draws from the Gaussian process with this covariance.
fn gaussian_maxima(covariance: &[f64], cuts: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let factor = cholesky_of_correlation(covariance, cuts);
    (0..DRAWS)
        .map(|_| {
            let z: Vec<f64> = (0..cuts).map(|_| normal(random)).collect();
            (0..cuts)
                .map(|i| {
                    let row = &factor[i * cuts..=i * cuts + i];
                    row.iter().zip(&z).map(|(l, z)| l * z).sum::<f64>().abs()
                })
                .fold(0.0, f64::max)
        })
        .collect()
}

/// Lower Cholesky factor of the correlation matrix; covariances are in the upper triangle.
fn cholesky_of_correlation(covariance: &[f64], n: usize) -> Vec<f64> {
    let sd: Vec<f64> = diagonal(covariance, n).into_iter().map(f64::sqrt).collect();
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let scale = sd[i] * sd[j];
            let target = if scale > 0.0 {
                covariance[j * n + i] / scale
            } else {
                0.0
            };
            let sum: f64 = (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum();
            factor[i * n + j] = if i == j {
                (target - sum).max(1e-12).sqrt()
            } else {
                (target - sum) / factor[j * n + j]
            };
        }
    }
    factor
}

/// The best of the refined cuts, with its interval.
fn locate(rows: &Rows, cuts: &[f64], p: f64) -> Threshold {
    let bins = assign_bins(&rows.volumes, cuts);
    let variances = diagonal(&rows.covariance(&bins, cuts.len(), true), cuts.len());
    let sums = sums_above(&rows.residuals, &bins, cuts.len());
    let (best, z) = largest(&sums, &variances).unwrap_or((0, 0.0));
    let cut = cuts[best];
    let sides = rows.volumes.iter().zip(&rows.outcomes).fold(
        [(0usize, 0.0); 2],
        |mut sides, (volume, outcome)| {
            let side = &mut sides[usize::from(*volume > cut)];
            *side = (side.0 + 1, side.1 + outcome);
            sides
        },
    );
    let slope = rows.slope(|v| v);
    let slope_log = rows.slope(|v| v.max(0.0).ln_1p());
    Threshold {
        cut,
        cut_interval: cut_interval(cuts, &sums, &variances, z, rows.volumes.len()),
        n_below: sides[0].0,
        n_above: sides[1].0,
        mean_below: sides[0].1 / sides[0].0 as f64,
        mean_above: sides[1].1 / sides[1].0 as f64,
        z,
        p,
        z_slope: if slope.abs() > slope_log.abs() {
            slope
        } else {
            slope_log
        },
    }
}

/// Interval of the cuts that are indistinguishable from the best cut: their squared statistic is
/// lower by at most [`LIKELIHOOD_RATIO_MAX`]. A bootstrap of the cut does not keep its level.
fn cut_interval(cuts: &[f64], sums: &[f64], variances: &[f64], z: f64, n: usize) -> [f64; 2] {
    let unexplained = (1.0 - z * z / n as f64).max(0.1);
    let mut near = sums
        .iter()
        .zip(variances)
        .enumerate()
        .filter(|(_, (sum, variance))| {
            **variance > 0.0
                && (z * z - *sum * *sum / *variance) / unexplained <= LIKELIHOOD_RATIO_MAX
        })
        .map(|(index, _)| index);
    let first = near.next().unwrap_or(0);
    let last = near.next_back().unwrap_or(first);
    // Only some volumes are candidates: the cut may be anywhere up to the next candidate on either
    // side.
    [
        cuts[first.saturating_sub(1)],
        cuts[(last + 1).min(cuts.len() - 1)],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// Simulates `per_day` runs on each of `days` days; `risk` is the probability of failure by
    /// volume and day.
    fn runs(
        seed: u64,
        days: usize,
        per_day: usize,
        risk: impl Fn(f64, usize) -> f64,
    ) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut volumes, mut outcomes, mut strata) = (Vec::new(), Vec::new(), Vec::new());
        for day in 0..days {
            for _ in 0..per_day {
                // Volumes grow by half over the period.
                let growth = 1.0 + 0.5 * day as f64 / days as f64;
                let volume = (600.0 * growth * (0.5 * normal(&mut random)).exp()).round();
                let failed = random.random::<f64>() < risk(volume, day);
                volumes.push(volume);
                outcomes.push(f64::from(u8::from(failed)));
                strata.push(day);
            }
        }
        (volumes, outcomes, strata)
    }

    fn find(data: &(Vec<f64>, Vec<f64>, Vec<usize>), seed: u64) -> Threshold {
        threshold(&data.0, &data.1, &data.2, 20, seed).unwrap()
    }

    fn check_planted(per_day: usize) {
        let mut covered = 0;
        for seed in 0..20 {
            let data = runs(
                seed,
                120,
                per_day,
                |v, _| if v > 1200.0 { 0.15 } else { 0.03 },
            );
            let found = find(&data, seed);
            assert!(found.p < 0.001 && !found.is_steady(), "{found:?}");
            assert!((found.cut - 1200.0).abs() < 120.0, "{found:?}");
            assert!((found.mean_below - 0.03).abs() < 0.01, "{found:?}");
            let [lower, upper] = found.cut_interval;
            covered += usize::from(lower <= 1200.0 && 1200.0 <= upper);
        }
        eprintln!("{per_day} runs per day: {covered} of 20 intervals contain the cut");
        assert!(covered >= 18, "{covered} of 20 intervals contain the cut");
    }

    #[test]
    fn a_planted_threshold_is_found() {
        check_planted(40);
        // More rows than the maximum for shuffling.
        check_planted(200);
    }

    /// Checks the share of claims at 5 % without a threshold.
    fn check_level(name: &str, per_day: usize, seeds: u64, risk: impl Fn(f64, usize) -> f64) {
        let claims = (0..seeds)
            .filter(|&seed| find(&runs(seed, 60, per_day, &risk), seed).p < 0.05)
            .count();
        eprintln!("{name}: {claims} of {seeds}");
        assert!(claims as f64 <= seeds as f64 * 0.05 + 2.2 * (seeds as f64 * 0.0475).sqrt());
    }

    #[test]
    fn false_claims_stay_at_the_level() {
        check_level("even", 20, 200, |_, _| 0.05);
        check_level(
            "bad days",
            20,
            200,
            |_, day| if day % 13 == 0 { 0.6 } else { 0.03 },
        );
        check_level("growth", 20, 200, |_, day| 0.01 + 0.002 * day as f64);
        check_level("many rows", 400, 60, |_, _| 0.05);
    }

    #[test]
    fn a_steady_rise_is_not_a_threshold() {
        let steady = (0..20)
            .filter(|&seed| {
                find(&runs(seed, 120, 40, |v, _| (v / 8000.0).min(1.0)), seed).is_steady()
            })
            .count();
        assert!(steady >= 17, "{steady} of 20");
    }

    #[test]
    fn small_or_constant_data_have_no_threshold() {
        assert!(threshold(&[1.0; 10], &[0.0; 10], &[0; 10], 20, 1).is_none());
        assert!(threshold(&[1.0; 100], &[0.0; 100], &[0; 100], 20, 1).is_none());
        let volumes: Vec<f64> = (0..100).map(f64::from).collect();
        assert!(threshold(&volumes, &[0.0; 100], &[0; 100], 20, 1).is_none());
    }

    #[test]
    fn the_same_seed_gives_the_same_result() {
        let data = runs(1, 60, 20, |v, _| if v > 900.0 { 0.2 } else { 0.05 });
        assert_eq!(find(&data, 9), find(&data, 9));
    }
}
