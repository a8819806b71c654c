//! Distances between two samples of one column, and the rules that decide whether it has drifted.
//!
//! Definitions and thresholds are those of Evidently: a reference of up to 1,000 rows is tested
//! (Kolmogorov-Smirnov for numbers, chi-square for categories, z for two categories) at 5 %; for
//! more rows, where tests find even negligible differences, a distance of 0.1 decides (Wasserstein
//! over the standard deviation of the reference for numbers, Jensen-Shannon for categories).
//! Logarithms are natural.
//!
//! Both rules ignore chance: the first that of the reference, whose shares it takes as exact, the
//! second that of both samples. Therefore a column has drifted only if a test of both samples at 5 %
//! also rejects equality (Kolmogorov-Smirnov, chi-square of homogeneity with rare categories pooled,
//! or z).
//!
//! Columns are compared separately: a change of the dependence between columns is not detected, and
//! tests at 5 % report drift in one of twenty columns without drift.

use crate::{
    describe::{mean, sorted},
    distribution::normal_p,
    search::content_seed,
    test::{ChiSquare, chi_square_fit, chi_square_independence},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;

/// Maximum number of rows of a reference that is tested.
pub const TESTED_MAX: usize = 1000;
/// p-value below which a tested column has drifted.
pub const P_MAX: f64 = 0.05;
/// Minimum distance at which a column with a larger reference has drifted.
pub const DISTANCE_MIN: f64 = 0.1;
/// Minimum share of drifted columns at which the data set has drifted.
pub const DRIFTED_SHARE_MIN: f64 = 0.5;
/// Maximum number of distinct numbers in the reference for which each number is a bin.
const VALUE_BINS_MAX: usize = 20;
/// Maximum number of distinct numbers in the reference that are compared as categories, and the
/// minimum number of values for each of them.
const CATEGORIES_MAX: usize = 5;
const VALUES_PER_CATEGORY: usize = 4;
/// Minimum expected number in a cell of a chi-square test (Cochran, 1954).
const EXPECTED_MIN: f64 = 5.0;
/// Divisor of the distance from a constant reference, whose standard deviation is zero.
const CONSTANT_DEVIATION: f64 = 1e-3;

/// The measure that decides whether a column has drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Two-sample Kolmogorov-Smirnov test.
    KolmogorovSmirnov,
    /// Pearson's chi-square test against the shares of the reference.
    ChiSquare,
    /// z test of one share.
    Share,
    /// Wasserstein distance over the standard deviation of the reference.
    Wasserstein,
    /// Jensen-Shannon distance.
    JensenShannon,
}

/// A column compared with its reference. Measures that the column's type does not have are `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The measure that decides.
    pub measure: Measure,
    /// True if the column has drifted by that measure.
    pub drifted: bool,
    /// p-value of the test for the column's type, whether or not it decides. For categories, it takes
    /// the shares of the reference as exact.
    pub p: f64,
    /// p-value of the test that allows for chance in both samples: a column with a larger one has not
    /// drifted.
    pub two_sample_p: f64,
    /// Largest difference of the distribution functions (numbers).
    pub ks: Option<f64>,
    /// Chi-square statistic (categories). The shares of the reference are the expected ones; if a
    /// value is new, so that its expected share is unknown, both samples are compared with their
    /// common shares.
    pub chi_square: Option<f64>,
    /// z statistic of the share (two categories).
    pub z: Option<f64>,
    /// Wasserstein distance over the standard deviation of the reference (numbers).
    pub wasserstein: Option<f64>,
    /// Distances of the binned shares.
    #[serde(flatten)]
    pub distances: Distances,
}

/// Distances between two lists of shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distances {
    /// Population stability index.
    pub psi: f64,
    /// Kullback-Leibler divergence of the reference from the current shares.
    pub kl: f64,
    /// Jensen-Shannon distance, 0 to √ln 2.
    pub jensen_shannon: f64,
    /// Hellinger distance, 0 to 1.
    pub hellinger: f64,
}

impl Distances {
    /// Distances of counts over the same bins. PSI and KL, which are undefined for empty bins, fill
    /// them with a share of 1e-4, or a millionth of the smallest share if that is smaller.
    pub fn new(reference: &[f64], current: &[f64]) -> Self {
        let (p, q) = (shares(reference), shares(current));
        let (filled_p, filled_q) = (fill_empty(&p), fill_empty(&q));
        let sum = |a: &[f64], b: &[f64], term: &dyn Fn(f64, f64) -> f64| -> f64 {
            a.iter().zip(b).map(|(a, b)| term(*a, *b)).sum()
        };
        let entropy = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
        let middle = |p: f64, q: f64| {
            let m = f64::midpoint(p, q);
            f64::midpoint(entropy(p, m), entropy(q, m))
        };
        let overlap = sum(&p, &q, &|p, q| (p * q).sqrt());
        // Entropies need shares that sum to one, unlike the filled shares.
        let (normalised_p, normalised_q) = (shares(&filled_p), shares(&filled_q));
        Self {
            psi: sum(&filled_p, &filled_q, &|p, q| (p - q) * (p / q).ln()),
            kl: sum(&normalised_p, &normalised_q, &entropy).max(0.0),
            jensen_shannon: sum(&p, &q, &middle).max(0.0).sqrt(),
            hellinger: (1.0 - overlap).max(0.0).sqrt(),
        }
    }
}

fn shares(counts: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    counts.iter().map(|count| count / total).collect()
}

fn fill_empty(shares: &[f64]) -> Vec<f64> {
    let positive = shares.iter().copied().filter(|share| *share > 0.0);
    let smallest = positive.fold(f64::INFINITY, f64::min);
    let fill = if smallest <= 1e-4 {
        smallest / 1e6
    } else {
        1e-4
    };
    let fill = |share: &f64| if *share > 0.0 { *share } else { fill };
    shares.iter().map(fill).collect()
}

/// Compares a column of finite numbers with its reference; `None` if either is empty.
pub fn compare_numbers(reference: &[f64], current: &[f64]) -> Option<Comparison> {
    if reference.is_empty() || current.is_empty() {
        return None;
    }
    let (reference, current) = (sorted(reference), sorted(current));
    let mut distinct = reference.clone();
    distinct.dedup();
    let by_value = || {
        counts(
            reference.iter().copied().map(category_key),
            current.iter().copied().map(category_key),
        )
    };
    let [p, q] = if distinct.len() > VALUE_BINS_MAX {
        histograms(&reference, &current)
    } else {
        by_value()
    };
    let deviation = match deviation(&reference) {
        0.0 => CONSTANT_DEVIATION,
        deviation => deviation,
    };
    let distance = wasserstein(&reference, &current) / deviation;
    let (ks, p_value) = kolmogorov_smirnov(&reference, &current);
    let are_categories =
        distinct.len() <= CATEGORIES_MAX && reference.len() >= VALUES_PER_CATEGORY * distinct.len();
    let mut comparison = if are_categories {
        compare_counts(&by_value(), reference.len())
    } else {
        let (measure, is_far, two_sample_p) = if reference.len() <= TESTED_MAX {
            (Measure::KolmogorovSmirnov, true, p_value)
        } else if distance >= DISTANCE_MIN {
            let p = wasserstein_p(&reference, &current).unwrap_or(p_value);
            (Measure::Wasserstein, true, p)
        } else {
            (Measure::Wasserstein, false, p_value)
        };
        Comparison {
            measure,
            drifted: is_far && two_sample_p < P_MAX,
            p: p_value,
            two_sample_p,
            ks: None,
            chi_square: None,
            z: None,
            wasserstein: None,
            distances: Distances::new(&p, &q),
        }
    };
    comparison.ks = Some(ks);
    comparison.wasserstein = Some(distance);
    Some(comparison)
}

/// A number as a category; zeros of both signs are equal.
fn category_key(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

/// Compares a column of categories with its reference; `None` if either is empty.
pub fn compare_categories(reference: &[&str], current: &[&str]) -> Option<Comparison> {
    if reference.is_empty() || current.is_empty() {
        return None;
    }
    let counts = counts(reference.iter(), current.iter());
    Some(compare_counts(&counts, reference.len()))
}

fn counts<K: Ord>(
    reference: impl Iterator<Item = K>,
    current: impl Iterator<Item = K>,
) -> [Vec<f64>; 2] {
    let mut cells: BTreeMap<K, [f64; 2]> = BTreeMap::new();
    reference.for_each(|key| cells.entry(key).or_default()[0] += 1.0);
    current.for_each(|key| cells.entry(key).or_default()[1] += 1.0);
    [0, 1].map(|side| cells.values().map(|cell| cell[side]).collect())
}

/// Compares counts of categories.
fn compare_counts([reference, current]: &[Vec<f64>; 2], rows: usize) -> Comparison {
    let distances = Distances::new(reference, current);
    let is_new = reference
        .iter()
        .zip(current)
        .any(|(a, b)| *a == 0.0 && *b > 0.0);
    let (test, statistic, p, two_sample_p) = if reference.len() <= 2 {
        let z = share_z(reference, current);
        let p = normal_p(z);
        (Measure::Share, z, p, p)
    } else {
        let homogeneity = homogeneity(reference, current);
        // Expected counts of a new category are zero, so its test is that of homogeneity.
        let chi_square = if is_new {
            homogeneity
        } else {
            chi_square_fit(current, reference)
        };
        let ChiSquare { statistic, p, .. } = chi_square;
        (Measure::ChiSquare, statistic, p, homogeneity.p)
    };
    let (measure, is_far) = if rows <= TESTED_MAX {
        (test, true)
    } else {
        let is_far = distances.jensen_shannon >= DISTANCE_MIN;
        (Measure::JensenShannon, is_far)
    };
    Comparison {
        measure,
        drifted: is_far && two_sample_p < P_MAX,
        p,
        two_sample_p,
        ks: None,
        chi_square: (test == Measure::ChiSquare).then_some(statistic),
        z: (test == Measure::Share).then_some(statistic),
        wasserstein: None,
        distances,
    }
}

/// The chi-square test that both samples have the same shares. Categories that are rare in the smaller
/// sample are pooled; if all are, nothing differs.
fn homogeneity(reference: &[f64], current: &[f64]) -> ChiSquare {
    let [n, m] = [reference, current].map(|counts| counts.iter().sum::<f64>());
    let smaller = n.min(m) / (n + m);
    let mut cells: Vec<[f64; 2]> = reference
        .iter()
        .zip(current)
        .map(|(a, b)| [*a, *b])
        .collect();
    cells.sort_by(|x, y| (x[0] + x[1]).total_cmp(&(y[0] + y[1])));
    let mut pooled: Vec<[f64; 2]> = Vec::new();
    for [a, b] in cells {
        match pooled.last_mut() {
            Some(last) if (last[0] + last[1]) * smaller < EXPECTED_MIN => {
                last[0] += a;
                last[1] += b;
            }
            _ => pooled.push([a, b]),
        }
    }
    let rows = [0, 1].map(|side| pooled.iter().map(|cell| cell[side]).collect());
    chi_square_independence(&rows)
}

/// z of the first category's share, with the pooled variance; 0 if there is only one category.
fn share_z(reference: &[f64], current: &[f64]) -> f64 {
    let (n, m) = (reference.iter().sum::<f64>(), current.iter().sum::<f64>());
    let pooled = (reference[0] + current[0]) / (n + m);
    let variance = pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m);
    if variance > 0.0 {
        (current[0] / m - reference[0] / n) / variance.sqrt()
    } else {
        0.0
    }
}

/// Standard deviation with the divisor n.
fn deviation(values: &[f64]) -> f64 {
    let middle = mean(values);
    let squares = values.iter().map(|value| (value - middle).powi(2));
    (squares.sum::<f64>() / values.len() as f64).sqrt()
}

/// Counts of two ascending samples over common bins of equal width (Sturges' rule, 1926).
fn histograms(reference: &[f64], current: &[f64]) -> [Vec<f64>; 2] {
    let ends = |values: &[f64]| (values[0], values[values.len() - 1]);
    let ((a, b), (c, d)) = (ends(reference), ends(current));
    let (low, high) = (a.min(c), b.max(d));
    let rows = (reference.len() + current.len()) as f64;
    let bins = ((rows.log2() + 1.0).ceil() as usize).max(1);
    let width = high / bins as f64 - low / bins as f64;
    [reference, current].map(|values| {
        let mut counts = vec![0.0; bins];
        for value in values {
            let bin = ((value - low) / width) as usize;
            counts[bin.min(bins - 1)] += 1.0;
        }
        counts
    })
}

/// Wasserstein distance of order 1 between ascending samples: the area between their distribution
/// functions.
pub fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut area) = (0, 0, 0.0);
    let mut last = f64::NAN;
    while i < a.len() || j < b.len() {
        let from_a = j == b.len() || (i < a.len() && a[i] <= b[j]);
        let value = if from_a { a[i] } else { b[j] };
        if i + j > 0 {
            let gap = i as f64 / a.len() as f64 - j as f64 / b.len() as f64;
            area += gap.abs() * (value - last);
        }
        last = value;
        if from_a {
            i += 1;
        } else {
            j += 1;
        }
    }
    area
}

/// p-value of the Wasserstein distance of two ascending samples among random divisions of all their
/// values into two samples of these sizes. Of a reference more than twenty times as large as the
/// current sample, evenly spaced values are used. `None` if both are so large that a distance of
/// [`DISTANCE_MIN`] cannot be chance.
fn wasserstein_p(reference: &[f64], current: &[f64]) -> Option<f64> {
    const DIVISIONS: u32 = 199;
    const LARGE: usize = 20_000;
    if reference.len().min(current.len()) >= LARGE {
        return None;
    }
    let step = (reference.len() / (20 * current.len()).max(TESTED_MAX)).max(1);
    let reference: Vec<f64> = reference.iter().copied().step_by(step).collect();
    let observed = wasserstein(&reference, current);
    let all = sorted(&[&reference[..], current].concat());
    let mut random = ChaCha8Rng::seed_from_u64(content_seed(all.iter()));
    let mut reached = 1;
    for _ in 0..DIVISIONS {
        let mut remaining = [reference.len(), current.len()];
        let mut divided: [Vec<f64>; 2] = remaining.map(Vec::with_capacity);
        for value in &all {
            let index = random.random_range(0..remaining[0] + remaining[1]);
            let side = usize::from(index >= remaining[0]);
            remaining[side] -= 1;
            divided[side].push(*value);
        }
        reached += u32::from(wasserstein(&divided[0], &divided[1]) >= observed);
    }
    Some(f64::from(reached) / f64::from(DIVISIONS + 1))
}

/// Maximum number of steps for an exact p-value.
const EXACT_STEPS_MAX: f64 = 3e7;

/// Largest difference of the distribution functions of two ascending samples, and its two-sided
/// p-value: exact (Hodges, 1958) unless that takes too many steps, otherwise that of Kolmogorov's
/// distribution with the correction for the number of rows by Vrbik ("Small-sample corrections to
/// Kolmogorov-Smirnov test statistic", 2018).
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> (f64, f64) {
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j, mut largest) = (0, 0, 0.0f64);
    while i < n && j < m {
        let value = a[i].min(b[j]);
        while i < n && a[i] <= value {
            i += 1;
        }
        while j < m && b[j] <= value {
            j += 1;
        }
        largest = largest.max((i as f64 / n as f64 - j as f64 / m as f64).abs());
    }
    if largest <= 0.0 {
        return (largest, 1.0);
    }
    let steps = n as f64 * m as f64 * (2.0 * largest).min(1.0);
    let p = if steps <= EXACT_STEPS_MAX {
        exact_p(n, m, largest)
    } else {
        asymptotic_p(n, m, largest)
    };
    (largest, p.clamp(0.0, 1.0))
}

/// Approximate probability that the distribution functions of two samples differ by at least
/// `largest` somewhere.
fn asymptotic_p(n: usize, m: usize, largest: f64) -> f64 {
    let rows = n as f64 * m as f64 / (n + m) as f64;
    let z = largest * rows.sqrt();
    let z = z + 1.0 / (6.0 * rows.sqrt()) + (z - 1.0) / (4.0 * rows);
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * z * z).exp()
    };
    (1..=100).map(term).sum()
}

/// Probability that the distribution functions of two samples differ by at least `largest`
/// somewhere: paths over the grid that touch the bound, each step weighted by its probability.
/// Only points within the bound are computed.
fn exact_p(n: usize, m: usize, largest: f64) -> f64 {
    let bound = largest - 1e-9;
    let outside = |i: usize, j: usize| (i as f64 / n as f64 - j as f64 / m as f64).abs() >= bound;
    // Probability that the path to (i, j) has touched the bound, over j for one i.
    let mut row = vec![1.0; m + 1];
    let mut first = 0;
    for i in 0..=n {
        while first <= m && outside(i, first) && first * n < i * m {
            row[first] = 1.0;
            first += 1;
        }
        for j in first..=m {
            if outside(i, j) {
                break;
            }
            row[j] = if i + j == 0 {
                0.0
            } else {
                let left = if j > 0 { row[j - 1] } else { 0.0 };
                (i as f64 * row[j] + j as f64 * left) / (i + j) as f64
            };
        }
    }
    row[m]
}

#[cfg(test)]
mod tests;
