//! Distances between two samples of one column, and the rules that decide whether it has drifted.
//!
//! Definitions and thresholds are those of Evidently: a reference of up to 1,000 rows is tested
//! (Kolmogorov-Smirnov for numbers, chi-square for categories, z for two categories) at 5 %; for
//! more rows, where tests find even negligible differences, a distance of 0.1 decides (Wasserstein
//! over the standard deviation of the reference for numbers, Jensen-Shannon for categories).
//! Logarithms are natural.
//!
//! Columns are compared separately: a change of the dependence between columns is not detected, and
//! tests at 5 % report drift in one of twenty columns without drift.

use crate::{
    describe::{mean, sorted},
    distribution::normal_p,
    test::{chi_square_fit, chi_square_independence},
};
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
/// Maximum number of distinct numbers in the reference that are compared as categories.
const CATEGORIES_MAX: usize = 5;

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
    /// p-value of the test for the column's type, whether or not it decides.
    pub p: f64,
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
    let distance = wasserstein(&reference, &current) / deviation(&reference).max(1e-3);
    let (ks, p_value) = kolmogorov_smirnov(&reference, &current);
    let mut comparison = if distinct.len() <= CATEGORIES_MAX {
        compare_counts(&by_value(), reference.len())
    } else {
        let (measure, drifted) = if reference.len() <= TESTED_MAX {
            (Measure::KolmogorovSmirnov, p_value < P_MAX)
        } else {
            (Measure::Wasserstein, distance >= DISTANCE_MIN)
        };
        Comparison {
            measure,
            drifted,
            p: p_value,
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
    let (test, statistic, p) = if reference.len() <= 2 {
        let z = share_z(reference, current);
        (Measure::Share, z, normal_p(z))
    } else {
        let chi_square = if is_new {
            chi_square_independence(&[reference.clone(), current.clone()])
        } else {
            chi_square_fit(current, reference)
        };
        (Measure::ChiSquare, chi_square.statistic, chi_square.p)
    };
    let (measure, drifted) = if rows <= TESTED_MAX {
        (test, p < P_MAX)
    } else {
        (
            Measure::JensenShannon,
            distances.jensen_shannon >= DISTANCE_MIN,
        )
    };
    Comparison {
        measure,
        drifted,
        p,
        ks: None,
        chi_square: (test == Measure::ChiSquare).then_some(statistic),
        z: (test == Measure::Share).then_some(statistic),
        wasserstein: None,
        distances,
    }
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
mod tests {
    use super::*;

    fn repeat_names<'a>(counts: &[(&'a str, usize)]) -> Vec<&'a str> {
        let repeat = |(name, n): &(&'a str, usize)| vec![*name; *n];
        counts.iter().flat_map(repeat).collect()
    }

    fn assert_close(got: f64, expected: f64, digit: f64) {
        assert!((got - expected).abs() <= digit / 2.0, "{got} {expected}");
    }

    /// Figures of Evidently's unit tests.
    #[test]
    fn published_figures_of_counts_are_reproduced() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let sample = |counts: [usize; 6]| -> Vec<&str> {
            repeat_names(&names.into_iter().zip(counts).collect::<Vec<_>>())
        };
        let (reference, current) = (
            sample([16, 18, 16, 14, 12, 12]),
            sample([16, 16, 16, 16, 16, 8]),
        );
        let comparison = compare_categories(&reference, &current).unwrap();
        assert_close(comparison.p, 0.67309, 1e-5);
        // Evidently prints this figure without rounding.
        assert_close(comparison.distances.hellinger, 0.068_125, 1e-5);
        assert_eq!(comparison.measure, Measure::ChiSquare);
        assert!(!comparison.drifted);
    }

    #[test]
    fn the_size_of_the_reference_decides_the_measure() {
        let ramp = |n: usize, shift: f64| -> Vec<f64> {
            (0..n).map(|i| (i * 37 % 101) as f64 + shift).collect()
        };
        let small = compare_numbers(&ramp(1000, 0.0), &ramp(1000, 2.9)).unwrap();
        assert_eq!(small.measure, Measure::KolmogorovSmirnov);
        let large = compare_numbers(&ramp(1001, 0.0), &ramp(1001, 2.9)).unwrap();
        assert_eq!(large.measure, Measure::Wasserstein);
        assert_close(large.wasserstein.unwrap(), 2.9 / 29.15, 1e-3);
        assert!(!large.drifted);
        assert!(
            compare_numbers(&ramp(1001, 0.0), &ramp(1001, 3.0))
                .unwrap()
                .drifted
        );
        let coin = |n: usize, heads: usize| -> Vec<f64> {
            (0..n).map(|i| f64::from(u8::from(i < heads))).collect()
        };
        let shares = compare_numbers(&coin(100, 50), &coin(100, 65)).unwrap();
        assert_eq!(shares.measure, Measure::Share);
        assert_close(shares.p, 0.0319, 1e-4);
        let large = compare_numbers(&coin(2000, 1000), &coin(2000, 1300)).unwrap();
        assert_eq!(large.measure, Measure::JensenShannon);
        assert!(compare_numbers(&[], &[1.0]).is_none());
    }

    /// A value that the reference lacks has no expected share, but the comparison of both samples is
    /// finite: 3 of 203 are chance, 30 are not. Statistic and p-value of SciPy.
    #[test]
    fn new_categories_have_a_finite_statistic() {
        let with = |new: usize| repeat_names(&[("a", 100), ("b", 100), ("c", new)]);
        let few = compare_categories(&with(0), &with(3)).unwrap();
        assert_close(few.chi_square.unwrap(), 2.977_832_512, 2e-9);
        assert_close(few.p, 0.225_6, 1e-4);
        assert!(!few.drifted);
        let many = compare_categories(&with(0), &with(30)).unwrap();
        assert!(many.drifted && many.p < 1e-5, "{many:?}");
        assert!(many.chi_square.unwrap().is_finite());
    }

    /// Exact p-values by counting the orders of small samples: of the 20 orders of three and three,
    /// two have the distribution functions one apart, and twelve at least two thirds.
    #[test]
    fn small_samples_have_exact_p_values() {
        let (statistic, p) = kolmogorov_smirnov(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]);
        assert_eq!(statistic, 1.0);
        assert_close(p, 0.1, 1e-12);
        let (statistic, p) = kolmogorov_smirnov(&[1.0, 2.0, 5.0], &[4.0, 6.0, 7.0]);
        assert_close(statistic, 2.0 / 3.0, 1e-12);
        assert_close(p, 0.6, 1e-12);
        assert_eq!(kolmogorov_smirnov(&[1.0; 5], &[1.0; 9]), (0.0, 1.0));
    }

    /// Exact p-values of SciPy 1.17. Without the correction, the asymptotic ones are 0.5660, 0.0130,
    /// 0.8782 and 0.3589.
    #[test]
    fn large_samples_have_exact_p_values() {
        for (n, m, largest, expected) in [
            (3000, 500, 0.038, 0.556_770_558),
            (3000, 500, 0.23 / 3.0, 0.012_468_988),
            (5000, 4000, 0.0125, 0.873_838_284),
            (20_000, 600, 0.23 / 6.0, 0.350_042_870),
        ] {
            assert_close(exact_p(n, m, largest), expected, 1e-8);
            assert_close(asymptotic_p(n, m, largest), expected, 8e-3);
        }
        let ramp = |n: i32| (0..n).map(f64::from).collect::<Vec<_>>();
        let b: Vec<f64> = (0..500).map(|i| f64::from(i) * 6.0 + 113.5).collect();
        let (statistic, p) = kolmogorov_smirnov(&ramp(3000), &b);
        assert_close(statistic, 0.038, 1e-12);
        assert_close(p, 0.556_770_558, 1e-8);
    }

    #[test]
    fn wasserstein_is_the_area_between_distribution_functions() {
        assert_close(wasserstein(&[0.0, 1.0, 3.0], &[5.0, 6.0, 8.0]), 5.0, 1e-12);
        assert_close(wasserstein(&[0.0, 1.0], &[0.0]), 0.5, 1e-12);
        assert_eq!(wasserstein(&[2.0, 2.0], &[2.0]), 0.0);
    }

    /// The first against the second half of the taxi rides of the Numenta benchmark.
    #[test]
    fn published_figures_of_taxi_rides_are_reproduced() {
        let Some(folder) = std::env::var_os("RETROCAST_REAL_DATA") else {
            eprintln!("SKIPPED: nab/nyc_taxi: RETROCAST_REAL_DATA is not set");
            return;
        };
        let path = std::path::Path::new(&folder).join("nab/data/realKnownCause/nyc_taxi.csv");
        let text = std::fs::read_to_string(path).expect("real data are there");
        let values: Vec<f64> = text
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(1).unwrap().parse().unwrap())
            .collect();
        let comparison = compare_numbers(&values[..5160], &values[5160..]).unwrap();
        eprintln!("{comparison:?}");
        assert_close(comparison.distances.psi, 0.0347, 1e-4);
        assert_close(comparison.distances.kl, 0.0170, 1e-4);
        assert_close(comparison.distances.jensen_shannon, 0.0665, 1e-4);
        assert_close(comparison.wasserstein.unwrap(), 0.0701, 1e-4);
        assert_close(comparison.ks.unwrap(), 0.04341, 1e-5);
        assert_close(comparison.p, 1.2e-4, 1e-5);
        assert!(!comparison.drifted);
    }
}
