//! Textbook tests and intervals, and corrections for multiple testing.

use crate::{
    describe::{mean, variance},
    distribution::{
        beta_quantile, chi_square_quantile, chi_square_upper, normal_p, normal_quantile, t_p,
        t_quantile,
    },
};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use statrs::function::beta::beta_reg;
use std::f64::consts::PI;

// ---- counts ---------------------------------------------------------------------------------

/// A chi-square statistic with its p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    /// Pearson's statistic.
    pub statistic: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// p-value.
    pub p: f64,
}

/// Pearson's test that counts follow `expected`, which is scaled to the same total. Categories with
/// an expectation of zero are left out.
pub fn chi_square_fit(counts: &[f64], expected: &[f64]) -> ChiSquare {
    let total: f64 = counts.iter().sum();
    let scale = total / expected.iter().sum::<f64>();
    let cells: Vec<f64> = counts
        .iter()
        .zip(expected)
        .filter(|(_, expected)| **expected * scale > 0.0)
        .map(|(count, expected)| (count - expected * scale).powi(2) / (expected * scale))
        .collect();
    let df = cells.len().saturating_sub(1) as f64;
    let statistic = cells.iter().sum();
    ChiSquare {
        statistic,
        df,
        p: chi_square_upper(statistic, df),
    }
}

/// Pearson's test that rows and columns of a table of counts are independent. Rows must have the
/// same length; empty rows and columns are left out.
pub fn chi_square_independence(rows: &[Vec<f64>]) -> ChiSquare {
    let width = rows.first().map_or(0, Vec::len);
    let row_sums: Vec<f64> = rows.iter().map(|row| row.iter().sum()).collect();
    let column_sums: Vec<f64> = (0..width)
        .map(|c| rows.iter().map(|row| row[c]).sum())
        .collect();
    let total: f64 = row_sums.iter().sum();
    let mut statistic = 0.0;
    for (row, row_sum) in rows.iter().zip(&row_sums) {
        for (count, column_sum) in row.iter().zip(&column_sums) {
            let expected = row_sum * column_sum / total;
            if expected > 0.0 {
                statistic += (count - expected).powi(2) / expected;
            }
        }
    }
    let freedom = |sums: &[f64]| {
        sums.iter()
            .filter(|sum| **sum > 0.0)
            .count()
            .saturating_sub(1)
    };
    let df = (freedom(&row_sums) * freedom(&column_sums)) as f64;
    ChiSquare {
        statistic,
        df,
        p: chi_square_upper(statistic, df),
    }
}

/// An estimate with its interval and the p-value of "no difference".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The estimate: a ratio or a difference, depending on the function.
    pub estimate: f64,
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Two-sided p-value.
    pub p: f64,
}

/// Ratio of two Poisson rates `a / exposure_a` to `b / exposure_b`, with the log-normal interval
/// (Rothman, Greenland and Lash, 2008, chapter 14) and the exact conditional p-value. With a zero
/// count, half an event is added to both for the interval only.
pub fn poisson_rate_ratio(
    a: f64,
    exposure_a: f64,
    b: f64,
    exposure_b: f64,
    level: f64,
) -> Comparison {
    let shift = if a == 0.0 || b == 0.0 { 0.5 } else { 0.0 };
    let ratio = |a: f64, b: f64| (a / exposure_a) / (b / exposure_b);
    let centre = ratio(a + shift, b + shift);
    let z = normal_quantile(0.5 + level / 2.0);
    let spread = (z * (1.0 / (a + shift) + 1.0 / (b + shift)).sqrt()).exp();
    Comparison {
        estimate: ratio(a, b),
        lower: centre / spread,
        upper: centre * spread,
        p: binomial_p(a, a + b, exposure_a / (exposure_a + exposure_b)),
    }
}

/// Ratio of two Poisson rates with the exact conditional interval and p-value (Clopper and Pearson
/// 1934, of the first count's share of both), which are consistent. Counts need not be integers.
pub fn poisson_rate_ratio_exact(
    a: f64,
    exposure_a: f64,
    b: f64,
    exposure_b: f64,
    level: f64,
) -> Comparison {
    let n = a + b;
    let tail = (1.0 - level) / 2.0;
    // Finds the share at which a tail has the probability `target`, by bisection.
    let solve = |upper_tail: &dyn Fn(f64) -> f64, target: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if upper_tail(middle) < target {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    };
    let lowest = if a > 0.0 {
        solve(&|share| beta_reg(a, b + 1.0, share), tail)
    } else {
        0.0
    };
    let highest = if b > 0.0 {
        solve(&|share| beta_reg(a + 1.0, b, share), 1.0 - tail)
    } else {
        1.0
    };
    let ratio = |share: f64| share / (1.0 - share) * exposure_b / exposure_a;
    Comparison {
        estimate: (a / exposure_a) / (b / exposure_b),
        lower: ratio(lowest),
        upper: ratio(highest),
        p: binomial_p(a, n, exposure_a / (exposure_a + exposure_b)),
    }
}

/// Two-sided exact p-value of `count` successes out of `n` at `probability`: twice the smaller
/// tail.
pub fn binomial_p(count: f64, n: f64, probability: f64) -> f64 {
    if n <= 0.0 || !(0.0..=1.0).contains(&probability) {
        return 1.0;
    }
    let at_least = |k: f64| {
        if k <= 0.0 {
            1.0
        } else {
            beta_reg(k, n - k + 1.0, probability)
        }
    };
    let above = if count > n { 0.0 } else { at_least(count) };
    let below = if count >= n {
        1.0
    } else {
        1.0 - at_least(count + 1.0)
    };
    (2.0 * above.min(below)).min(1.0)
}

/// Exact interval of a Poisson mean (Garwood, 1936).
pub fn poisson_interval(count: f64, level: f64) -> [f64; 2] {
    let tail = (1.0 - level) / 2.0;
    [
        chi_square_quantile(tail, 2.0 * count) / 2.0,
        chi_square_quantile(1.0 - tail, 2.0 * count + 2.0) / 2.0,
    ]
}

/// Wilson's score interval of a share (1927); `n` must be positive.
pub fn wilson(count: f64, n: f64, level: f64) -> [f64; 2] {
    let z = normal_quantile(0.5 + level / 2.0);
    let share = count / n;
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

/// Number of successes, and of failures, from which Wilson's interval replaces the exact one.
const WILSON_MIN: f64 = 10.0;

/// Interval of a share: Wilson's from ten successes and ten failures on; of fewer, for which it
/// excludes likely shares too often, the exact one (Clopper and Pearson, 1934). `n` must be positive;
/// both numbers may be effective ones, with a fraction.
pub fn share_interval(count: f64, n: f64, level: f64) -> [f64; 2] {
    let failures = n - count;
    if count.min(failures) >= WILSON_MIN {
        return wilson(count, n, level);
    }
    let tail = (1.0 - level) / 2.0;
    let lower = if count > 0.0 {
        beta_quantile(tail, count, failures + 1.0)
    } else {
        0.0
    };
    let upper = if failures > 0.0 {
        beta_quantile(1.0 - tail, count + 1.0, failures)
    } else {
        1.0
    };
    [lower, upper]
}

/// Difference of the shares `a / n_a` − `b / n_b` with Newcombe's hybrid score interval (1998,
/// method 10) and the p-value of the pooled score test.
pub fn newcombe(a: f64, n_a: f64, b: f64, n_b: f64, level: f64) -> Comparison {
    let (share_a, share_b) = (a / n_a, b / n_b);
    let [lower_a, upper_a] = wilson(a, n_a, level);
    let [lower_b, upper_b] = wilson(b, n_b, level);
    let difference = share_a - share_b;
    let pooled = (a + b) / (n_a + n_b);
    let error = (pooled * (1.0 - pooled) * (1.0 / n_a + 1.0 / n_b)).sqrt();
    Comparison {
        estimate: difference,
        lower: difference - (share_a - lower_a).hypot(upper_b - share_b),
        upper: difference + (upper_a - share_a).hypot(share_b - lower_b),
        p: if error > 0.0 {
            normal_p(difference / error)
        } else {
            1.0
        },
    }
}

// ---- measurements ---------------------------------------------------------------------------

/// Difference of means `a` − `b` by Welch's t-test (1947); `None` for fewer than two values on a
/// side.
pub fn welch(a: &[f64], b: &[f64], level: f64) -> Option<Comparison> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let (va, vb) = (variance(a) / a.len() as f64, variance(b) / b.len() as f64);
    let difference = mean(a) - mean(b);
    let error = (va + vb).sqrt();
    if error == 0.0 {
        let p = if difference == 0.0 { 1.0 } else { 0.0 };
        return Some(Comparison {
            estimate: difference,
            lower: difference,
            upper: difference,
            p,
        });
    }
    let df = (va + vb).powi(2) / (va * va / (a.len() - 1) as f64 + vb * vb / (b.len() - 1) as f64);
    let half = t_quantile(0.5 + level / 2.0, df) * error;
    Some(Comparison {
        estimate: difference,
        lower: difference - half,
        upper: difference + half,
        p: t_p(difference / error, df),
    })
}

/// The Mann-Whitney statistic with its p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// U of the first sample.
    pub u: f64,
    /// Probability that a value of the first sample is above a value of the second (ties count
    /// half).
    pub superiority: f64,
    /// Two-sided p-value by the normal approximation, corrected for ties and continuity.
    pub p: f64,
}

/// Tests whether values of `a` tend to be above those of `b` (Mann and Whitney, 1947); `None` if
/// one side is empty.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<MannWhitney> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let (ranks, ties) = ranks(&all);
    let u = ranks[..a.len()].iter().sum::<f64>() - na * (na + 1.0) / 2.0;
    let n = na + nb;
    let variance = na * nb / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)).max(1.0));
    let distance = ((u - na * nb / 2.0).abs() - 0.5).max(0.0);
    let p = if variance > 0.0 {
        normal_p(distance / variance.sqrt())
    } else {
        1.0
    };
    Some(MannWhitney {
        u,
        superiority: u / (na * nb),
        p,
    })
}

/// Ranks from 1, ties sharing their mean rank, and the sum of t³ − t over groups of ties.
pub fn ranks(values: &[f64]) -> (Vec<f64>, f64) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut ties = 0.0;
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        let shared = (start + end + 1) as f64 / 2.0;
        for &i in &order[start..end] {
            ranks[i] = shared;
        }
        let t = (end - start) as f64;
        ties += t * t * t - t;
        start = end;
    }
    (ranks, ties)
}

/// Permutation p-value of `statistic(values)`, large values being extreme: (1 + shuffles at least
/// as large) / (1 + shuffles), after Phipson and Smyth (2010).
pub fn permutation_p(
    values: &[f64],
    shuffles: usize,
    seed: u64,
    statistic: impl Fn(&[f64]) -> f64,
) -> f64 {
    let observed = statistic(values);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut shuffled = values.to_vec();
    let mut at_least = 1;
    for _ in 0..shuffles {
        shuffled.shuffle(&mut random);
        if statistic(&shuffled) >= observed * (1.0 - 1e-12) {
            at_least += 1;
        }
    }
    f64::from(at_least) / (shuffles + 1) as f64
}

// ---- many tests -----------------------------------------------------------------------------

/// Combines the p-values of several tests of one hypothesis, whatever their dependence (Cauchy
/// combination: Liu and Xie 2020). Its level holds for small results; a p-value near 1 counts as
/// 0.9, so that it does not cancel a small p-value.
pub fn cauchy_combination(p_values: &[f64]) -> f64 {
    let cotangent = |p: &f64| 1.0 / (PI * p.clamp(1e-300, 0.9)).tan();
    let mean = p_values.iter().map(cotangent).sum::<f64>() / p_values.len().max(1) as f64;
    if mean > 1e6 {
        1.0 / (PI * mean)
    } else {
        0.5 - mean.atan() / PI
    }
}

/// Adjusts p-values so that among claims at level `q`, at most a share of `q` is false on average
/// (Benjamini and Hochberg, 1995). NaN counts as 1.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.len() as f64;
    let order = ascending_order(p_values);
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (rank, &i) in order.iter().enumerate().rev() {
        smallest = smallest.min(finite_p(p_values[i]) * m / (rank + 1) as f64);
        adjusted[i] = smallest;
    }
    adjusted
}

/// Adjusts p-values like [`benjamini_hochberg`], for tests with any dependence (Benjamini and
/// Yekutieli, 2001).
pub fn benjamini_yekutieli(p_values: &[f64]) -> Vec<f64> {
    let factor: f64 = (1..=p_values.len()).map(|rank| 1.0 / rank as f64).sum();
    let adjusted = benjamini_hochberg(p_values).into_iter();
    adjusted.map(|p| (p * factor).min(1.0)).collect()
}

/// Adjusts p-values so that the probability of any false claim stays below the level (Holm, 1979).
/// NaN counts as 1.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &i) in ascending_order(p_values).iter().enumerate() {
        largest = largest.max((finite_p(p_values[i]) * (p_values.len() - rank) as f64).min(1.0));
        adjusted[i] = largest;
    }
    adjusted
}

/// A p-value between 0 and 1; NaN counts as 1.
fn finite_p(p: f64) -> f64 {
    if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }
}

fn ascending_order(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&i, &j| finite_p(p_values[i]).total_cmp(&finite_p(p_values[j])));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(got: f64, expected: f64, tolerance: f64) {
        assert!(
            (got - expected).abs() <= tolerance,
            "got {got}, expected {expected}"
        );
    }

    #[test]
    fn github_incidents_have_the_published_results() {
        let counts = [150.0, 181.0, 174.0, 151.0, 96.0, 28.0, 21.0];
        let all = chi_square_fit(&counts, &[1.0; 7]);
        check(all.statistic, 237.02, 0.005);
        check(all.df, 6.0, 0.0);
        let working = chi_square_fit(&counts[..5], &[1.0; 5]);
        check(working.statistic, 29.61, 0.005);
        check(working.df, 4.0, 0.0);
        let years = poisson_rate_ratio(200.0, 1.0, 124.0, 1.0, 0.95);
        check(years.estimate, 1.61, 0.005);
        check(years.lower, 1.29, 0.005);
        check(years.upper, 2.02, 0.005);
        assert!(years.p < 1e-4, "{}", years.p);
    }

    #[test]
    fn tests_of_counts_agree_with_publications() {
        // scipy.stats.chisquare([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8]), from its
        // manual.
        let a = [16.0, 18.0, 16.0, 14.0, 12.0, 12.0];
        let b = [16.0, 16.0, 16.0, 16.0, 16.0, 8.0];
        check(chi_square_fit(&a, &b).statistic, 3.5, 1e-12);
        check(chi_square_fit(&a, &b).p, 0.623_387_627_749_58, 1e-12);
        // chisq.test(matrix(c(12, 5, 7, 9), 2), correct = FALSE) in R.
        let table = chi_square_independence(&[vec![12.0, 7.0], vec![5.0, 9.0]]);
        check(table.statistic, 2.430_8, 1e-3);
        check(table.df, 1.0, 0.0);
        // binom.test(7, 20) in R.
        check(binomial_p(7.0, 20.0, 0.5), 0.263_2, 1e-4);
        check(binomial_p(0.0, 5.0, 0.5), 0.0625, 1e-9);
        // Garwood for 0 and 10 events.
        let [lower, upper] = poisson_interval(10.0, 0.95);
        check(lower, 4.795_4, 1e-4);
        check(upper, 18.390_4, 1e-4);
        let [lower, upper] = poisson_interval(0.0, 0.95);
        check(lower, 0.0, 0.0);
        check(upper, 3.688_9, 1e-4);
    }

    #[test]
    fn intervals_of_shares_agree_with_publications() {
        // Newcombe (1998), table II: 56/70 against 48/80, method 10: 0.0524 to 0.3339.
        let difference = newcombe(56.0, 70.0, 48.0, 80.0, 0.95);
        check(difference.estimate, 0.2, 1e-12);
        check(difference.lower, 0.0524, 5e-5);
        check(difference.upper, 0.3339, 5e-5);
        // Wilson for 81 of 263: 0.2553 to 0.3662.
        let [lower, upper] = wilson(81.0, 263.0, 0.95);
        check(lower, 0.2553, 5e-5);
        check(upper, 0.3662, 5e-5);
    }

    #[test]
    fn intervals_of_few_successes_are_exact() {
        // binom.test in R.
        for (count, n, expected) in [
            (1.0, 1.0, [0.025, 1.0]),
            (0.0, 20.0, [0.0, 0.168_43]),
            (7.0, 20.0, [0.153_91, 0.592_19]),
        ] {
            let [lower, upper] = share_interval(count, n, 0.95);
            check(lower, expected[0], 1e-5);
            check(upper, expected[1], 1e-5);
        }
        assert_eq!(share_interval(81.0, 263.0, 0.95), wilson(81.0, 263.0, 0.95));
    }

    /// The largest probability, over many numbers of records, that the interval of a share lies
    /// above the true share.
    fn false_claims(interval: fn(f64, f64, f64) -> [f64; 2], share: f64) -> f64 {
        let of_n = |n: u32| {
            let n_f = f64::from(n);
            let mut probability = (1.0 - share).powf(n_f);
            let mut claimed = 0.0;
            for count in 0..=n {
                let x = f64::from(count);
                if interval(x, n_f, 0.95)[0] > share {
                    claimed += probability;
                }
                probability *= (n_f - x) / (x + 1.0) * share / (1.0 - share);
            }
            claimed
        };
        (1..200).map(of_n).fold(0.0, f64::max)
    }

    #[test]
    fn few_records_seldom_prove_a_wrong_share() {
        for share in [0.02, 0.05, 0.1, 0.2, 0.5] {
            let [before, now] = [wilson, share_interval].map(|of| false_claims(of, share));
            // Wilson's interval of one record excludes a share of 20 % in one of five cases.
            assert!(share > 0.2 || before > 0.09, "{share}: {before}");
            assert!(now <= 0.055, "{share}: {now}");
        }
    }

    #[test]
    fn tests_of_measurements_agree_with_r() {
        // Student's sleep data, t.test(extra ~ group) in R: t = -1.8608, df = 17.776, p = 0.07939.
        let a = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let b = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let test = welch(&a, &b, 0.95).unwrap();
        check(test.estimate, -1.58, 1e-9);
        check(test.p, 0.079_39, 1e-5);
        check(test.lower, -3.365_483_2, 1e-5);
        check(test.upper, 0.205_483_2, 1e-5);
        // wilcox.test(extra ~ group, exact = FALSE) in R: W = 25.5, p = 0.06933.
        let test = mann_whitney(&a, &b).unwrap();
        check(test.u, 25.5, 0.0);
        check(test.p, 0.069_33, 1e-5);
        assert!(mann_whitney(&[], &b).is_none());
    }

    #[test]
    fn corrections_agree_with_r() {
        let p = [0.01, 0.02, 0.03, 0.04, 0.05];
        assert!(
            benjamini_hochberg(&p)
                .iter()
                .all(|p| (p - 0.05).abs() < 1e-12)
        );
        let holm = holm(&[0.01, 0.04, 0.03, f64::NAN]);
        for (got, expected) in holm.into_iter().zip([0.04, 0.09, 0.09, 1.0]) {
            check(got, expected, 1e-12);
        }
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn combined_p_values_are_about_the_smallest_times_their_number() {
        check(cauchy_combination(&[0.01]), 0.01, 1e-12);
        check(cauchy_combination(&[0.01, 0.01]), 0.01, 1e-12);
        check(cauchy_combination(&[0.01, 0.5]), 0.02, 1e-4);
        check(cauchy_combination(&[1e-12, 1.0]) / 2e-12, 1.0, 1e-6);
    }

    #[test]
    fn permutation_p_values_include_the_observed_order() {
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let rising = |x: &[f64]| x.iter().enumerate().map(|(i, x)| i as f64 * x).sum::<f64>();
        check(permutation_p(&values, 199, 7, rising), 1.0 / 200.0, 1e-12);
        check(permutation_p(&[1.0; 9], 99, 7, rising), 1.0, 1e-12);
    }

    #[test]
    fn the_exact_interval_of_a_ratio_agrees_with_its_p_value() {
        // R: poisson.test(c(11, 23)): 0.2104 to 1.0220 (binomial 0.1739 to 0.5054), p = 0.0576.
        let ratio = poisson_rate_ratio_exact(11.0, 1.0, 23.0, 1.0, 0.95);
        let share = |ratio: f64| ratio / (1.0 + ratio);
        let rounded = [share(ratio.lower), share(ratio.upper), ratio.p];
        let rounded = rounded.map(|x| (x * 1e3).round() / 1e3);
        assert_eq!(rounded, [0.174, 0.505, 0.058]);
        for (a, b) in [
            (0.0, 5.0),
            (0.0, 6.0),
            (5.0, 0.0),
            (3.0, 12.0),
            (3.0, 13.0),
            (8.5, 20.2),
        ] {
            let exact = poisson_rate_ratio_exact(a, 3.0, b, 3.0, 0.95);
            let excludes = exact.lower > 1.0 || exact.upper < 1.0;
            assert_eq!(excludes, exact.p < 0.05, "{a} {b}: {exact:?}");
        }
        let none = poisson_rate_ratio_exact(0.0, 1.0, 5.0, 1.0, 0.95);
        assert_eq!((none.estimate, none.lower), (0.0, 0.0));
        assert!(
            poisson_rate_ratio_exact(5.0, 1.0, 0.0, 1.0, 0.95)
                .upper
                .is_infinite()
        );
    }
}
