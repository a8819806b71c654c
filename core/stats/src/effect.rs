//! What a change did: observed against what was expected without it, with a placebo test.
//!
//! The expectation is a structural forecast ([`crate::structural`]) from the days before the change,
//! with controls that the change could not touch. The interval holds level, season, coefficient and
//! observation noise and the uncertainty of the level's pace.
//!
//! A structural interval trusts its structure. So the same estimator is also run at every earlier
//! date, where nothing was changed (placebo in time): `p` says how often an estimate as large as the
//! real one, in units of its own standard error, comes out of nothing. Placebo periods overlap, so
//! ranks among them are worth less than their number; see [`placebo_p`].
//!
//! Where history is too short for placebos, `p` is the larger of the structural p-value and that of a
//! t-test of whole weeks before against whole weeks after ([`weeks_p`]). Where the series was
//! constant before, or repeated its season exactly, there is no noise to judge by, and the argument is
//! one of counting ([`constant_p`]).

mod fallback;

pub use fallback::{constant_p, weeks_p};

use crate::structural::{Forecast, Noise, forecast, weigh};
use fallback::Pattern;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A series around a change.
#[derive(Debug, Clone)]
pub struct Design<'a> {
    /// The metric, one value a step, over all history; `None` where it is missing.
    pub values: &'a [Option<f64>],
    /// Controls, each as long as `values` and without gaps.
    pub controls: &'a [&'a [f64]],
    /// Index of the first step after the change.
    pub change: usize,
    /// Index after the last step that counts as after.
    pub end: usize,
    /// Index of the first step that counts as before.
    pub begin: usize,
    /// Index of the first step that placebos may use; at most `begin`.
    pub history: usize,
    /// Length of the season; 1 for none.
    pub period: usize,
    /// Fewest known steps before a change, real or placebo.
    pub pre_min: usize,
    /// Steps at which something else was changed; placebo periods do not touch them.
    pub others: &'a [usize],
}

/// A measured effect.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Estimate {
    /// Mean before.
    pub before: f64,
    /// Mean after.
    pub after: f64,
    /// Mean that was expected after.
    pub counterfactual: f64,
    /// `after - counterfactual` with its 95 % interval.
    pub absolute: [f64; 3],
    /// Sum over the steps after, with its 95 % interval.
    pub cumulative: [f64; 3],
    /// Effect relative to the expectation, with its 95 % interval; NaN when that is not positive.
    pub relative: [f64; 3],
    /// p-value that the structure gives; for a constant series the same as `p`.
    pub structural_p: f64,
    /// p-value of the test; 1 without one.
    pub p: f64,
    /// The test.
    pub test: Test,
    /// Steps of history that a placebo test needs.
    pub placebo_steps: usize,
    /// Estimates at placebo dates, in units of their standard errors, oldest first.
    pub placebos: Vec<f64>,
    /// Known steps before.
    pub steps_before: usize,
    /// Known steps after.
    pub steps_after: usize,
    /// Known steps of all history before the change.
    pub steps_of_history: usize,
    /// Expected value per step: one step ahead before the change, the counterfactual after it.
    pub expected: Vec<Option<f64>>,
    /// 95 % interval of an observation for each step after the change.
    pub band: Vec<[f64; 2]>,
}

/// The test that a p-value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Test {
    /// The estimate among those at earlier dates at which nothing was changed.
    Placebo,
    /// Whole weeks before against whole weeks after, and the structure.
    Weeks,
    /// A series that was constant, or repeated its season exactly, before the change.
    Constant,
    /// None: there is too little for any.
    #[default]
    None,
}

/// Placebo periods that do not overlap, below which a placebo test has hardly any power.
const INDEPENDENT_MIN: usize = 4;

/// Why there is no estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EffectError {
    /// Too few known steps before the change.
    #[error("not enough: have {have} days before the change, need {need}")]
    Before {
        /// Known steps.
        have: usize,
        /// Steps needed.
        need: usize,
    },
    /// No known step after the change.
    #[error("not enough: no day after the change has a value")]
    After,
}

/// Measures the effect of a change.
pub fn estimate(design: &Design) -> Result<Estimate, EffectError> {
    let n = design.values.len();
    if design.begin >= design.change {
        return Err(EffectError::Before {
            have: 0,
            need: design.pre_min,
        });
    }
    if design.change >= design.end || design.end > n {
        return Err(EffectError::After);
    }
    let before = &design.values[design.begin..design.change];
    let after = &design.values[design.change..design.end];
    let steps_before = before.iter().flatten().count();
    let need = design
        .pre_min
        .max(design.period + design.controls.len() + 4);
    if steps_before < need {
        return Err(EffectError::Before {
            have: steps_before,
            need,
        });
    }
    let steps_after = after.iter().flatten().count();
    if steps_after == 0 {
        return Err(EffectError::After);
    }
    let known = design.values[design.history.min(design.begin)..design.change].iter();
    let placebo_steps = design.pre_min + INDEPENDENT_MIN * (design.end - design.change);
    let means = |values: &[Option<f64>]| {
        values.iter().flatten().sum::<f64>() / values.iter().flatten().count() as f64
    };
    let mut estimate = Estimate {
        before: means(before),
        after: means(after),
        steps_before,
        steps_after,
        steps_of_history: known.flatten().count(),
        placebo_steps,
        ..Estimate::default()
    };
    if let Some(pattern) = Pattern::of(before, design.period) {
        estimate.fill_constant(design, &pattern);
        return Ok(estimate);
    }
    let noise = weigh(
        before,
        &cut(design.controls, design.begin, design.change),
        design.period,
    );
    let result = at(design, &noise, design.begin, design.change, design.end);
    let n = steps_after as f64;
    let se = result.sum_variance.sqrt() / n;
    let quantile = t_quantile(result.freedom, 0.975);
    estimate.set_difference(result.sum / n, quantile * se);
    let statistic = if se > 0.0 {
        estimate.absolute[0] / se
    } else {
        0.0
    };
    estimate.structural_p = t_tail(result.freedom, statistic);
    let placebos = placebos(design, &noise);
    let periods = independent(design, placebos.len());
    (estimate.p, estimate.test) = if periods >= INDEPENDENT_MIN as f64 {
        (placebo_p(statistic, &placebos, periods), Test::Placebo)
    } else {
        match weeks_p(design) {
            Some(p) => (p.max(estimate.structural_p), Test::Weeks),
            None => (1.0, Test::None),
        }
    };
    estimate.placebos = placebos;
    estimate.band = result
        .mean
        .iter()
        .zip(&result.variance)
        .map(|(mean, variance)| {
            let half = quantile * variance.sqrt();
            [mean - half, mean + half]
        })
        .collect();
    let ahead = result.mean.into_iter().map(Some);
    estimate.expected = result.fitted.into_iter().chain(ahead).collect();
    Ok(estimate)
}

impl Estimate {
    /// Sets the counterfactual, give or take `half`, and what follows from it.
    fn set_difference(&mut self, expected: f64, half: f64) {
        let (observed, n) = (self.after, self.steps_after as f64);
        let (low, high) = (expected - half, expected + half);
        self.counterfactual = expected;
        self.absolute = [observed - expected, observed - high, observed - low];
        self.cumulative = self.absolute.map(|value| value * n);
        self.relative = if low > 0.0 {
            [expected, high, low].map(|level| observed / level - 1.0)
        } else if expected > 0.0 {
            self.absolute.map(|value| value / expected)
        } else {
            [f64::NAN; 3]
        };
    }

    /// The estimate where the days before followed a pattern without exception.
    fn fill_constant(&mut self, design: &Design, pattern: &Pattern) {
        let after = &design.values[design.change..design.end];
        let first = design.change - design.begin;
        let expected: Vec<f64> = (0..after.len()).map(|i| pattern.at(first + i)).collect();
        let pairs = after.iter().zip(&expected);
        let differences: Vec<f64> = pairs
            .filter_map(|(value, expected)| Some((*value)? - expected))
            .map(|difference| pattern.rounded(difference))
            .collect();
        let largest = differences
            .iter()
            .fold(0.0, |most: f64, d| most.max(d.abs()));
        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
        self.set_difference(self.after - mean, pattern.share_max() * largest);
        self.p = constant_p(pattern.steps, &differences);
        self.structural_p = self.p;
        self.test = Test::Constant;
        self.band = expected.iter().map(|level| [*level; 2]).collect();
        self.expected = (0..first).map(|i| Some(pattern.at(i))).collect();
        self.expected.extend(expected.into_iter().map(Some));
    }
}

/// The forecast from `begin..change` over `change..end`.
fn at(design: &Design, noise: &Noise, begin: usize, change: usize, end: usize) -> Forecast {
    let counted: Vec<bool> = design.values[change..end]
        .iter()
        .map(Option::is_some)
        .collect();
    let controls = cut(design.controls, begin, end);
    forecast(noise, &design.values[begin..change], &controls, &counted)
}

fn cut<'a>(controls: &[&'a [f64]], begin: usize, end: usize) -> Vec<&'a [f64]> {
    controls
        .iter()
        .map(|control| &control[begin..end])
        .collect()
}

/// The estimator at every earlier date whose period after it ends before the change.
fn placebos(design: &Design, noise: &Noise) -> Vec<f64> {
    let length = design.end - design.change;
    let longest = design.change - design.begin;
    let mut statistics = Vec::new();
    let first = design.history + design.pre_min;
    let stride = stride(length);
    for change in (first..(design.change + 1).saturating_sub(length))
        .rev()
        .step_by(stride)
    {
        let begin = change.saturating_sub(longest).max(design.history);
        let end = change + length;
        // Another change in the period after, or shortly before it, would be measured as an effect.
        let touched = design
            .others
            .iter()
            .any(|other| (begin..end).contains(other));
        let known = design.values[begin..change].iter().flatten().count();
        let after: Vec<f64> = design.values[change..end]
            .iter()
            .flatten()
            .copied()
            .collect();
        if touched || known < design.pre_min || after.len() * 2 < length {
            continue;
        }
        let result = at(design, noise, begin, change, end);
        let se = result.sum_variance.sqrt();
        if se > 0.0 {
            statistics.push((after.iter().sum::<f64>() - result.sum) / se);
        }
    }
    statistics.reverse();
    statistics
}

/// Steps between placebo dates: neighbouring dates say nearly the same, and thirty dates a period's
/// length are plenty.
fn stride(length: usize) -> usize {
    (length / 30).max(1)
}

/// About how many placebo periods that do not overlap `n` placebo dates stand for.
fn independent(design: &Design, n: usize) -> f64 {
    let length = design.end - design.change;
    let stride = stride(length);
    if n == 0 {
        0.0
    } else {
        1.0 + ((n - 1) * stride) as f64 / length as f64
    }
}

/// Placebo p-value of a statistic among those at placebo dates.
///
/// The rank `(1 + #{|placebo| >= |statistic|}) / (1 + N)` would be right if placebo periods did not
/// overlap. They do: their dates hold only some `independent` periods. The second p-value takes the
/// statistic as a draw from the same distribution as these few, with their root mean square as
/// scale: Student's t with that many degrees of freedom. The larger of both is reported. With fewer
/// than two independent periods nothing can be said and it is 1.
pub fn placebo_p(statistic: f64, placebos: &[f64], independent: f64) -> f64 {
    let n = placebos.len() as f64;
    if independent < 2.0 {
        return 1.0;
    }
    let larger = placebos
        .iter()
        .filter(|placebo| placebo.abs() >= statistic.abs())
        .count();
    let rank = (1.0 + larger as f64) / (1.0 + n);
    let scale = (placebos.iter().map(|value| value * value).sum::<f64>() / n).sqrt();
    if scale <= 0.0 {
        return rank;
    }
    rank.max(t_tail(independent, statistic / scale))
}

/// Two-sided tail of Student's t.
fn t_tail(freedom: f64, statistic: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |t| 2.0 * t.cdf(-statistic.abs()))
}

fn t_quantile(freedom: f64, p: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(1.96, |t| t.inverse_cdf(p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    struct Random(ChaCha8Rng);

    impl Random {
        fn normal(&mut self) -> f64 {
            let (u, v): (f64, f64) = (self.0.random(), self.0.random());
            (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        }

        fn poisson(&mut self, mean: f64) -> f64 {
            let (mut product, mut n) = (self.0.random::<f64>(), 0.0);
            while product > (-mean).exp() {
                product *= self.0.random::<f64>();
                n += 1.0;
            }
            n
        }
    }

    fn design<'a>(
        values: &'a [Option<f64>],
        controls: &'a [&'a [f64]],
        change: usize,
        period: usize,
    ) -> Design<'a> {
        Design {
            values,
            controls,
            change,
            end: values.len(),
            begin: 0,
            history: 0,
            period,
            pre_min: 14,
            others: &[],
        }
    }

    /// Columns of a CSV file of the real-data folder that hold numbers in every row.
    fn real_columns(name: &str) -> Option<Vec<Vec<f64>>> {
        let Some(folder) = std::env::var_os("RETROCAST_REAL_DATA") else {
            eprintln!("SKIPPED: causal/{name}: RETROCAST_REAL_DATA is not set");
            return None;
        };
        let path = std::path::Path::new(&folder).join("causal").join(name);
        let text = std::fs::read_to_string(path).expect("real data are there");
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(1)
            .map(|line| line.trim().split(',').collect())
            .collect();
        let columns = (0..rows[0].len())
            .filter_map(|c| rows.iter().map(|row| row[c].parse().ok()).collect())
            .collect();
        Some(columns)
    }

    /// The estimate lies inside the interval that Google's R package prints, and the verdict on
    /// significance is the same.
    fn check_published(name: &str, change: usize, r: [f64; 3]) {
        let Some(columns) = real_columns(name) else {
            return;
        };
        let values: Vec<Option<f64>> = columns[0].iter().copied().map(Some).collect();
        let controls: Vec<&[f64]> = columns[1..].iter().map(Vec::as_slice).collect();
        let result = estimate(&design(&values, &controls, change, 1)).unwrap();
        let [effect, low, high] = result.absolute;
        eprintln!(
            "{name}: {effect:.3} [{low:.3}, {high:.3}], R {r:?}, p {}",
            result.p
        );
        assert!(r[1] <= effect && effect <= r[2], "{name}: {effect}");
        assert_eq!(
            low > 0.0 || high < 0.0,
            r[1] > 0.0 || r[2] < 0.0,
            "{name}: [{low}, {high}]"
        );
    }

    #[test]
    fn published_effects_are_met() {
        check_published("arma_data.csv", 70, [0.89, 0.27, 1.5]);
        check_published("comparison_data.csv", 90, [-657.0, -2076.0, 832.0]);
        check_published("google_data.csv", 61, [27.0, 18.0, 36.0]);
    }

    /// 60 weeks of AR(1) noise on a wandering level with a weekly season.
    fn placebo_series(random: &mut Random) -> Vec<Option<f64>> {
        let (mut level, mut noise) = (100.0, 0.0);
        (0..420)
            .map(|i| {
                level += 0.1 * random.normal();
                noise = 0.4 * noise + 2.0 * random.normal();
                Some(level + noise + if i % 7 == 0 { 8.0 } else { 0.0 })
            })
            .collect()
    }

    /// Shares of simulated designs in which the placebo test, and placebo and interval together,
    /// call an effect.
    fn rejections(runs: u64, make: impl Fn(&mut Random) -> Vec<Option<f64>>) -> (f64, f64) {
        let (mut placebo, mut both) = (0.0, 0.0);
        for seed in 0..runs {
            let values = make(&mut Random(ChaCha8Rng::seed_from_u64(seed)));
            let mut design = design(&values, &[], 390, 7);
            design.begin = 270;
            design.pre_min = 60;
            let result = estimate(&design).unwrap();
            let excludes = result.absolute[1] > 0.0 || result.absolute[2] < 0.0;
            placebo += f64::from(u8::from(result.p < 0.05));
            both += f64::from(u8::from(result.p < 0.05 && excludes));
        }
        (placebo / runs as f64, both / runs as f64)
    }

    #[test]
    fn nothing_is_called_an_effect_at_the_nominal_rate() {
        let (placebo, both) = rejections(300, placebo_series);
        eprintln!("A/A: placebo rejects {placebo}, with the interval {both}");
        assert!((0.02..=0.08).contains(&placebo), "{placebo}");
        assert!(both <= 0.05, "{both}");
    }

    #[test]
    fn a_third_fewer_failures_are_seen() {
        let (_, power) = rejections(100, |random| {
            (0..420)
                .map(|i| {
                    let monday = if i % 7 == 0 { 1.7 } else { 1.0 };
                    let effect = if i >= 390 { 0.65 } else { 1.0 };
                    Some(random.poisson(20.0 * monday * effect))
                })
                .collect()
        });
        eprintln!("power {power}");
        assert!(power > 0.9, "{power}");
    }

    /// Days without a placebo: `before` and `after` days, and what a step in them is multiplied by.
    fn short(
        random: &mut Random,
        before: usize,
        after: usize,
        make: &dyn Fn(&mut Random, f64) -> Vec<f64>,
        factor: f64,
    ) -> Estimate {
        let mut values: Vec<f64> = make(random, 1.0).into_iter().take(before).collect();
        values.extend(make(random, factor).into_iter().take(after));
        let values: Vec<Option<f64>> = values.into_iter().map(Some).collect();
        let mut design = design(&values, &[], before, 7);
        design.pre_min = 42;
        estimate(&design).unwrap()
    }

    fn called(result: &Estimate) -> bool {
        let excludes = result.absolute[1] > 0.0 || result.absolute[2] < 0.0;
        result.p < 0.05 && excludes
    }

    #[test]
    fn short_histories_call_nothing_an_effect_at_the_nominal_rate() {
        let correlated = |random: &mut Random, _: f64| {
            let mut noise = 0.0;
            (0..130)
                .map(|i| {
                    noise = 0.5 * noise + 2.0 * random.normal();
                    50.0 + noise + if i % 7 == 0 { 8.0 } else { 0.0 }
                })
                .collect::<Vec<f64>>()
        };
        let counts = |mean: f64| {
            move |random: &mut Random, factor: f64| -> Vec<f64> {
                (0..130)
                    .map(|i| random.poisson(mean * factor * if i % 7 == 0 { 1.7 } else { 1.0 }))
                    .collect()
            }
        };
        let (rare, some, many) = (counts(0.4), counts(3.0), counts(15.0));
        let kinds: [(&str, &dyn Fn(&mut Random, f64) -> Vec<f64>); 4] = [
            ("correlated", &correlated),
            ("rare", &rare),
            ("some", &some),
            ("many", &many),
        ];
        for (name, make) in kinds {
            for (before, after) in [(42, 7), (42, 14), (120, 30)] {
                let mut wrong = 0.0;
                for seed in 0..300 {
                    let mut random = Random(ChaCha8Rng::seed_from_u64(seed));
                    // One series, so that what is correlated stays so across the change.
                    let series: Vec<f64> = make(&mut random, 1.0);
                    let values: Vec<Option<f64>> = series.into_iter().map(Some).collect();
                    let mut values = values;
                    values.truncate(before + after);
                    let mut design = design(&values, &[], before, 7);
                    design.pre_min = 42;
                    let result = estimate(&design).unwrap();
                    assert_ne!(result.test, Test::None, "{name} {before} {after}");
                    wrong += f64::from(u8::from(called(&result)));
                }
                eprintln!("short A/A {name} {before}+{after}: {}", wrong / 300.0);
                assert!(wrong / 300.0 <= 0.06, "{name} {before}+{after}: {wrong}");
            }
        }
    }

    #[test]
    fn a_third_fewer_failures_are_seen_in_a_short_history() {
        let counts = |random: &mut Random, factor: f64| -> Vec<f64> {
            (0..140)
                .map(|i| random.poisson(20.0 * factor * if i % 7 == 0 { 1.7 } else { 1.0 }))
                .collect()
        };
        for (before, after, least) in [(42, 28, 0.7), (63, 28, 0.8), (84, 28, 0.9)] {
            let mut seen = 0.0;
            for seed in 0..100 {
                let mut random = Random(ChaCha8Rng::seed_from_u64(seed));
                let result = short(&mut random, before, after, &counts, 0.65);
                seen += f64::from(u8::from(called(&result)));
            }
            eprintln!("short power {before}+{after}: {}", seen / 100.0);
            assert!(seen / 100.0 >= least, "{before}+{after}: {seen}");
        }
    }

    #[test]
    fn a_constant_that_changes_is_certain() {
        let check = |before: f64, after: f64, relative: [f64; 3]| {
            let values: Vec<Option<f64>> = (0..128)
                .map(|i| Some(if i < 98 { before } else { after }))
                .collect();
            let mut design = design(&values, &[], 98, 7);
            design.pre_min = 42;
            let result = estimate(&design).unwrap();
            assert_eq!(result.test, Test::Constant);
            for (got, want) in result.relative.iter().zip(relative) {
                assert!(
                    (got - want).abs() < 0.005 || (got.is_nan() && want.is_nan()),
                    "{before} to {after}: {:?}",
                    result.relative
                );
            }
            assert_eq!(called(&result), before != after, "{result:?}");
        };
        check(3.0, 2.0, [-0.333, -0.34, -0.327]);
        check(5.0, 0.0, [-1.0, -1.0, -1.0]);
        check(0.0, 5.0, [f64::NAN; 3]);
        check(7.0, 7.0, [0.0, 0.0, 0.0]);
        check(0.1, 0.1, [0.0, 0.0, 0.0]);
    }

    #[test]
    fn too_little_before_is_said() {
        let values = vec![Some(1.0); 20];
        let result = estimate(&design(&values, &[], 9, 7));
        assert_eq!(
            result.unwrap_err(),
            EffectError::Before { have: 9, need: 14 }
        );
    }

    #[test]
    fn a_change_outside_of_the_series_is_no_panic() {
        let values: Vec<Option<f64>> = (0..100).map(|i| Some(f64::from(i % 7))).collect();
        for (begin, change, end) in [(0, 0, 30), (10, 5, 30), (0, 100, 100), (0, 90, 200)] {
            let mut design = design(&values, &[], change, 7);
            design.begin = begin;
            design.end = end;
            assert!(estimate(&design).is_err(), "{begin} {change} {end}");
        }
    }

    #[test]
    fn one_independent_placebo_says_nothing() {
        assert_eq!(placebo_p(9.0, &[0.1; 20], 1.7), 1.0);
        assert!(placebo_p(9.0, &[0.5; 200], 8.0) < 0.001 + 1.0 / 201.0);
    }
}
