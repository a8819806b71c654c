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

use crate::structural::{Forecast, Noise, forecast, weigh};
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
#[derive(Debug, Clone, PartialEq)]
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
    /// p-value that the structure gives.
    pub structural_p: f64,
    /// Placebo p-value; 1 when no placebo date was admissible.
    pub placebo_p: f64,
    /// Estimates at placebo dates, in units of their standard errors, oldest first.
    pub placebos: Vec<f64>,
    /// Known steps before.
    pub steps_before: usize,
    /// Known steps after.
    pub steps_after: usize,
    /// Expected value per step: one step ahead before the change, the counterfactual after it.
    pub expected: Vec<Option<f64>>,
    /// 95 % interval of an observation for each step after the change.
    pub band: Vec<[f64; 2]>,
}

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
    let noise = weigh(
        before,
        &cut(design.controls, design.begin, design.change),
        design.period,
    );
    let result = at(design, &noise, design.begin, design.change, design.end);
    let n = steps_after as f64;
    let mean = |values: &[Option<f64>]| {
        values.iter().flatten().sum::<f64>() / values.iter().flatten().count() as f64
    };
    let (observed, expected) = (mean(after), result.sum / n);
    let se = result.sum_variance.sqrt() / n;
    let quantile = t_quantile(result.freedom, 0.975);
    let (low, high) = (expected - quantile * se, expected + quantile * se);
    let absolute = [observed - expected, observed - high, observed - low];
    let relative = if low > 0.0 {
        [
            observed / expected - 1.0,
            observed / high - 1.0,
            observed / low - 1.0,
        ]
    } else if expected > 0.0 {
        [
            observed / expected - 1.0,
            absolute[1] / expected,
            absolute[2] / expected,
        ]
    } else {
        [f64::NAN; 3]
    };
    let placebos = placebos(design, &noise);
    let statistic = if se > 0.0 { absolute[0] / se } else { 0.0 };
    Ok(Estimate {
        before: mean(before),
        after: observed,
        counterfactual: expected,
        absolute,
        cumulative: absolute.map(|value| value * n),
        relative,
        structural_p: t_tail(result.freedom, statistic),
        placebo_p: placebo_p(statistic, &placebos, independent(design, placebos.len())),
        placebos,
        steps_before,
        steps_after,
        band: result
            .mean
            .iter()
            .zip(&result.variance)
            .map(|(mean, variance)| {
                let half = quantile * variance.sqrt();
                [mean - half, mean + half]
            })
            .collect(),
        expected: result
            .fitted
            .into_iter()
            .chain(result.mean.into_iter().map(Some))
            .collect(),
    })
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
            result.placebo_p
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
            placebo += f64::from(u8::from(result.placebo_p < 0.05));
            both += f64::from(u8::from(result.placebo_p < 0.05 && excludes));
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
