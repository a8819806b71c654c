//! Overdispersion: how much more the values of windows vary than with independent records.
//!
//! Records cluster: a bad day has many failures. Therefore, the variance of a window's value under
//! independence is multiplied by a factor, which is estimated twice. *Between* windows it is the
//! mean squared successive difference divided by its expectation (von Neumann 1941), which includes
//! all effects but has few degrees of freedom. *Within* windows it is the dispersion of their days
//! around the level of the window and the weekday (quasi-likelihood, `McCullagh` and Nelder 1989,
//! chapter 9), inflated for the correlation of neighbouring days; it has many degrees of freedom
//! but ignores variation common to a whole window. [`combine`] combines both.

use crate::distribution::chi_square_upper;

/// Minimum number of pairs of successive windows for estimating their dispersion.
pub const PAIRS_MIN: usize = 4;
/// Significance level of the test that windows differ more than their days explain; stricter with
/// few pairs. This and the degrees of freedom that the days contribute are chosen by simulation
/// (see the tests).
const DIFFER_ALPHA: f64 = 0.15;
const DIFFER_ALPHA_FEW: f64 = 0.02;
/// Maximum degrees of freedom that the days contribute to the windows.
const DAYS_DF_MAX: f64 = 12.0;
/// Minimum number of degrees of freedom of days.
const DAYS_DF_MIN: f64 = 4.0;
/// Maximum correlation of neighbouring days to allow for.
const CORRELATION_MAX: f64 = 0.8;
/// Number of rounds of fitting levels of windows and weekdays in turn.
const ROUNDS: usize = 30;

/// The value of a window, and its variance if records are independent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Count, sum, share or mean of the window.
    pub value: f64,
    /// Its variance if records are independent.
    pub variance: f64,
}

/// A part of a window, such as a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Its category, such as the weekday.
    pub slot: usize,
    /// Summand of the window's value.
    pub sum: f64,
    /// Exposure of the sum: 1 for a day, or the number of its records.
    pub exposure: f64,
    /// Variance of `sum` if records are independent.
    pub variance: f64,
}

/// The relation between the levels of windows and of weekdays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelModel {
    /// They multiply, and the variance grows with the expected sum: counts and amounts.
    Multiplicative,
    /// They add up, and the variance grows with the exposure: shares and means.
    Additive,
}

/// The factor by which the variance of independent records is multiplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispersion {
    /// Ratio of the variance to that of independent records.
    pub factor: f64,
    /// Degrees of freedom of its estimate.
    pub df: f64,
}

/// Estimates the factor from the differences of successive windows, in order of time or reversed;
/// returns the number of pairs as well. `None` without two known neighbours.
pub fn between_windows(levels: &[Option<Level>]) -> Option<(Dispersion, usize)> {
    let squares: Vec<f64> = levels
        .windows(2)
        .filter_map(|pair| {
            let (a, b) = (pair[0]?, pair[1]?);
            let variance = a.variance + b.variance;
            (variance > 0.0).then(|| (a.value - b.value).powi(2) / variance)
        })
        .collect();
    let pairs = squares.len() as f64;
    if squares.is_empty() {
        return None;
    }
    // Neighbouring differences share a window; variance of the statistic by Kamat (1958).
    let df = 2.0 * pairs * pairs / (3.0 * pairs - 1.0);
    let factor = squares.iter().sum::<f64>() / pairs;
    Some((Dispersion { factor, df }, squares.len()))
}

/// Estimates the factor from the parts of windows, in order of time. `None` with too few parts.
pub fn within_windows(windows: &[Vec<Part>], model: LevelModel) -> Option<Dispersion> {
    let slots = windows.iter().flatten().map(|part| part.slot + 1).max()?;
    let fit = Fit::new(windows, slots, model);
    // Residuals with their scales, one list per window.
    let residuals: Vec<Vec<(f64, f64)>> = windows
        .iter()
        .enumerate()
        .map(|(window, parts)| {
            let expected = parts.iter().map(|part| (part, fit.expect(window, part)));
            expected
                .filter(|(_, (_, scale))| *scale > 0.0)
                .map(|(part, (expected, scale))| (part.sum - expected, scale))
                .collect()
        })
        .collect();
    let all_residuals = || residuals.iter().flatten();
    let used = all_residuals().count() as f64;
    let levels = residuals.iter().filter(|list| !list.is_empty()).count() as f64;
    let in_use = |slot: &usize| {
        let mut parts = windows.iter().enumerate();
        parts.any(|(window, parts)| {
            let mut parts = parts.iter().filter(|part| part.slot == *slot);
            parts.any(|part| fit.expect(window, part).1 > 0.0)
        })
    };
    let df = used - levels - (0..slots).filter(in_use).count() as f64 + 1.0;
    let variance: f64 = windows.iter().flatten().map(|part| part.variance).sum();
    if df < DAYS_DF_MIN || variance <= 0.0 {
        return None;
    }
    // Days contribute to the sum of a window in proportion to their variance.
    let squares: f64 = all_residuals()
        .map(|(residual, _)| residual * residual)
        .sum();
    let dispersion = squares * used / df / variance;
    let scales: f64 = all_residuals().map(|(_, scale)| scale).sum();
    let scales_squared: f64 = all_residuals().map(|(_, scale)| scale * scale).sum();
    let df = df * scales * scales / scales_squared / used;
    let correlation = correlation(&residuals);
    let inflation = (1.0 + correlation) / (1.0 - correlation);
    Some(Dispersion {
        factor: dispersion * inflation,
        df: (df / inflation).max(1.0),
    })
}

/// Correlation of neighbouring residuals, minus one standard error.
fn correlation(residuals: &[Vec<(f64, f64)>]) -> f64 {
    let standard: Vec<Vec<f64>> = residuals
        .iter()
        .map(|list| list.iter().map(|(r, scale)| r / scale.sqrt()).collect())
        .collect();
    let used = standard.iter().map(Vec::len).sum::<usize>() as f64;
    let levels = standard.iter().filter(|list| !list.is_empty()).count() as f64;
    let squares: f64 = standard.iter().flatten().map(|r| r * r).sum();
    let neighbours = || standard.iter().flat_map(|list| list.windows(2));
    let pairs = neighbours().count() as f64;
    if pairs == 0.0 || squares <= 0.0 {
        return 0.0;
    }
    let products: f64 = neighbours().map(|pair| pair[0] * pair[1]).sum();
    // Residuals around the mean of a window are less correlated than the errors; correlations of
    // one standard error occur by chance.
    let bias = 1.0 / ((used / levels).max(2.0) - 1.0);
    let correlation = products / pairs / (squares / used) + bias - 1.0 / pairs.sqrt();
    correlation.clamp(0.0, CORRELATION_MAX)
}

/// The combined factor, at least 1. If windows differ more than their days explain, only the
/// windows are used; otherwise the days contribute degrees of freedom, and with fewer than
/// [`PAIRS_MIN`] pairs of windows only the days are used. `None` if neither is known.
pub fn combine(
    between: Option<(Dispersion, usize)>,
    within: Option<Dispersion>,
) -> Option<Dispersion> {
    match (between, within) {
        (Some((windows, pairs)), Some(days)) => {
            let few = pairs < PAIRS_MIN;
            let level = days.factor.max(1.0);
            let chance = chi_square_upper(windows.factor / level * windows.df, windows.df);
            if chance < if few { DIFFER_ALPHA_FEW } else { DIFFER_ALPHA } {
                return Some(windows.at_least_one());
            }
            if few {
                return Some(days.at_least_one());
            }
            let days_df = DAYS_DF_MAX.min(days.df);
            let df = days_df + windows.df;
            let factor = (days_df * level + windows.df * windows.factor) / df;
            Some(Dispersion { factor, df }.at_least_one())
        }
        (Some((windows, PAIRS_MIN..)), None) => Some(windows.at_least_one()),
        (_, days) => days.map(Dispersion::at_least_one),
    }
}

impl Dispersion {
    /// Sets the factor to at least 1; only the excess over 1 is uncertain.
    fn at_least_one(self) -> Self {
        let factor = self.factor.max(1.0);
        Self {
            factor,
            df: self.df * factor / (factor - 1.0).max(1e-9),
        }
    }
}

/// Levels of windows and of categories.
struct Fit {
    model: LevelModel,
    levels: Vec<f64>,
    slots: Vec<f64>,
}

impl Fit {
    fn new(windows: &[Vec<Part>], slots: usize, model: LevelModel) -> Self {
        let start = match model {
            LevelModel::Multiplicative => 1.0,
            LevelModel::Additive => 0.0,
        };
        let mut fit = Self {
            model,
            levels: vec![start; windows.len()],
            slots: vec![start; slots],
        };
        for _ in 0..ROUNDS {
            for (window, parts) in windows.iter().enumerate() {
                fit.levels[window] =
                    fit.level(parts.iter().map(|part| (part, fit.slots[part.slot])));
            }
            for slot in 0..slots {
                let windows = windows.iter().enumerate();
                let parts = windows
                    .flat_map(|(window, parts)| parts.iter().map(move |part| (window, part)));
                let parts = parts.filter(|(_, part)| part.slot == slot);
                fit.slots[slot] = fit.level(parts.map(|(window, part)| (part, fit.levels[window])));
            }
        }
        fit
    }

    /// The level of the sums of parts, given the other level of each.
    fn level<'a>(&self, parts: impl Iterator<Item = (&'a Part, f64)>) -> f64 {
        let (mut sum, mut exposure) = (0.0, 0.0);
        for (part, other) in parts {
            match self.model {
                LevelModel::Multiplicative => {
                    sum += part.sum;
                    exposure += part.exposure * other;
                }
                LevelModel::Additive => {
                    sum += part.sum - part.exposure * other;
                    exposure += part.exposure;
                }
            }
        }
        if exposure > 0.0 { sum / exposure } else { 0.0 }
    }

    /// The expected sum of a part, and the quantity that its variance is proportional to.
    fn expect(&self, window: usize, part: &Part) -> (f64, f64) {
        let (level, slot) = (self.levels[window], self.slots[part.slot]);
        match self.model {
            LevelModel::Multiplicative => {
                let expected = part.exposure * level * slot;
                (expected, expected)
            }
            LevelModel::Additive => (part.exposure * (level + slot), part.exposure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::{t_p, t_quantile};
    use crate::random::{normal, poisson};
    use rand::RngExt;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    /// Gamma variate with mean 1 and this variance (Marsaglia and Tsang 2000).
    fn gamma(random: &mut ChaCha8Rng, variance: f64) -> f64 {
        if variance <= 0.0 {
            return 1.0;
        }
        let shape = 1.0 / variance;
        let (shape_used, boost) = if shape < 1.0 {
            let u: f64 = random.random();
            (shape + 1.0, u.powf(variance))
        } else {
            (shape, 1.0)
        };
        let d = shape_used - 1.0 / 3.0;
        loop {
            let z = normal(random);
            let v = (1.0 + z / (9.0 * d).sqrt()).powi(3);
            let u: f64 = random.random();
            if v > 0.0 && u.ln() < 0.5 * z * z + d - d * v + d * v.ln() {
                return boost * d * v * variance;
            }
        }
    }

    /// Settings of simulated weekly figures.
    #[derive(Debug, Clone, Copy)]
    struct Simulation {
        /// Mean number of records on a working day; weekends have a fifth.
        mean: f64,
        /// Variance of the gamma level of a day, and of a week.
        day: f64,
        week: f64,
        /// Correlation of the levels of neighbouring weeks.
        correlation: f64,
        /// Kind of the figure.
        kind: FigureKind,
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum FigureKind {
        Count,
        /// A share of one in ten, in batches with varying shares.
        Share,
        /// Sum of log-normal values with this standard deviation of the logarithm.
        Sum(f64),
    }

    /// Windows, newest first; the level of the newest is multiplied by `factor`.
    fn windows(simulation: Simulation, earlier: usize, factor: f64, seed: u64) -> Vec<Vec<Part>> {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut state = normal(random);
        let mut windows: Vec<Vec<Part>> = (0..=earlier)
            .map(|week| {
                let rho = simulation.correlation;
                state = rho * state + (1.0 - rho * rho).sqrt() * normal(random);
                let spread = (1.0 + simulation.week).ln();
                let week_level = (spread.sqrt() * state - spread / 2.0).exp();
                let lift = if week == earlier { factor } else { 1.0 };
                (0..7)
                    .map(|slot| {
                        let mean = if slot < 5 {
                            simulation.mean
                        } else {
                            simulation.mean / 5.0
                        };
                        let level = week_level * gamma(random, simulation.day);
                        let part = |sum, exposure, variance| Part {
                            slot,
                            sum,
                            exposure,
                            variance,
                        };
                        match simulation.kind {
                            FigureKind::Count => {
                                let n = poisson(random, mean * level * lift);
                                part(n, 1.0, n)
                            }
                            FigureKind::Share => {
                                let n = poisson(random, mean);
                                let share = (0.1 * level * lift).min(1.0);
                                let hits = (0..n as usize)
                                    .filter(|_| random.random::<f64>() < share)
                                    .count();
                                part(hits as f64, n, 0.09 * n)
                            }
                            FigureKind::Sum(deviation) => {
                                let n = poisson(random, mean * level * lift);
                                let values: Vec<f64> = (0..n as usize)
                                    .map(|_| (deviation * normal(random)).exp())
                                    .collect();
                                let squares = values.iter().map(|x| x * x).sum();
                                part(values.iter().sum(), 1.0, squares)
                            }
                        }
                    })
                    .collect()
            })
            .collect();
        windows.reverse();
        windows
    }

    /// p-value of the newest window compared with the previous window, as in the stage `kpi`.
    fn p(windows: &[Vec<Part>], kind: FigureKind) -> f64 {
        let share = kind == FigureKind::Share;
        let levels: Vec<Option<Level>> = windows
            .iter()
            .map(|parts| {
                let sum: f64 = parts.iter().map(|part| part.sum).sum();
                let variance: f64 = parts.iter().map(|part| part.variance).sum();
                let n: f64 = parts.iter().map(|part| part.exposure).sum();
                let n = if share { n } else { 1.0 };
                let value = sum / n;
                let variance = if share {
                    value * (1.0 - value) / n
                } else {
                    variance
                };
                Some(Level { value, variance })
            })
            .collect();
        let model = if share {
            LevelModel::Additive
        } else {
            LevelModel::Multiplicative
        };
        let factor = combine(
            between_windows(&levels[1..]),
            within_windows(windows, model),
        );
        let factor = factor.expect("a factor");
        let [now, before] = [levels[0], levels[1]].map(|level| level.expect("a level"));
        let relative = |level: Level| level.variance / level.value.powi(2);
        let error = (factor.factor * (relative(now) + relative(before))).sqrt();
        assert!(t_quantile(0.975, factor.df).is_finite());
        t_p((now.value / before.value).ln() / error, factor.df)
    }

    /// Share of simulated series with a claim at 5 %.
    fn claims(simulation: Simulation, earlier: usize, factor: f64, runs: u64) -> f64 {
        let claims = (0..runs).filter(|run| {
            let seed = run * 7919 + earlier as u64;
            p(&windows(simulation, earlier, factor, seed), simulation.kind) < 0.05
        });
        claims.count() as f64 / runs as f64
    }

    const COUNTS: Simulation = Simulation {
        mean: 20.0,
        day: 0.0,
        week: 0.0,
        correlation: 0.0,
        kind: FigureKind::Count,
    };

    /// Measured with 4000 simulated series each; at 5 % the standard error is 0.35 %.
    #[test]
    fn false_claims_stay_at_the_level() {
        let check = |name: &str, simulation: Simulation, earlier: &[usize]| {
            for &earlier in earlier {
                let share = claims(simulation, earlier, 1.0, 4000);
                eprintln!("{name}, {earlier} earlier windows: {share:.3}");
                assert!(
                    (0.025..=0.07).contains(&share),
                    "{name}, {earlier} earlier windows: {share}"
                );
            }
        };
        let all = [2, 4, 8, 11];
        check("Poisson", COUNTS, &all);
        check(
            "few",
            Simulation {
                mean: 3.0,
                ..COUNTS
            },
            &all,
        );
        check(
            "many",
            Simulation {
                mean: 200.0,
                ..COUNTS
            },
            &all,
        );
        let days = Simulation { day: 0.1, ..COUNTS };
        check("negative binomial days", days, &all);
        check("wild days", Simulation { day: 0.5, ..COUNTS }, &all);
        // Days do not show the variation common to a whole week, and few weeks are not enough to
        // estimate it.
        for week in [0.01, 0.03, 0.1] {
            let weeks = Simulation {
                week,
                correlation: 0.3,
                ..days
            };
            check("weeks correlated 0.3", weeks, &[8, 11]);
        }
        let share = Simulation {
            mean: 100.0,
            kind: FigureKind::Share,
            ..COUNTS
        };
        check("share", share, &all);
        check("share in batches", Simulation { day: 0.3, ..share }, &all);
        let sum = Simulation {
            kind: FigureKind::Sum(1.0),
            ..COUNTS
        };
        check("skewed sum", sum, &all);
        check("skewed sum of days", Simulation { day: 0.2, ..sum }, &all);
    }

    #[test]
    fn real_changes_are_found() {
        // A test of two Poisson counts at 5 % detects 100 -> 150 in 88 % of cases, and 100 -> 160
        // in 96 %.
        let simulation = Simulation {
            mean: 100.0 / 5.4,
            ..COUNTS
        };
        for earlier in [2, 4, 8, 11] {
            let [half, more] = [1.5, 1.6].map(|factor| claims(simulation, earlier, factor, 4000));
            eprintln!("{earlier} earlier windows: {half:.3}, {more:.3}");
            assert!(half > 0.77 && more > 0.88, "{earlier}: {half}, {more}");
        }
        // The newest count is 150, the previous 100, the others are Poisson counts.
        for earlier in [4, 8, 11] {
            let found = (0..2000).filter(|seed| {
                let mut windows = windows(simulation, earlier, 1.0, *seed);
                for (window, total) in [(0, 150.0), (1, 100.0)] {
                    let parts = &mut windows[window];
                    let mut sum: f64 = parts.iter().map(|part| part.sum).sum();
                    let mut slot = 0;
                    while sum != total {
                        let step = if sum < total { 1.0 } else { -1.0 };
                        if parts[slot].sum + step >= 0.0 {
                            parts[slot].sum += step;
                            parts[slot].variance += step;
                            sum += step;
                        }
                        slot = (slot + 1) % 5;
                    }
                }
                p(&windows, FigureKind::Count) < 0.05
            });
            let found = found.count() as f64 / 2000.0;
            eprintln!("100 -> 150 as counted, {earlier} earlier windows: {found:.3}");
            assert!(found > 0.9, "{earlier}: {found}");
        }
    }

    #[test]
    fn too_few_data_give_no_factor() {
        let level = |value| {
            Some(Level {
                value,
                variance: value,
            })
        };
        assert!(between_windows(&[level(5.0)]).is_none());
        assert!(between_windows(&[level(5.0), None, level(7.0)]).is_none());
        let (two, pairs) = between_windows(&[level(100.0), level(120.0)]).expect("a pair");
        assert!((two.factor - 400.0 / 220.0).abs() < 1e-12 && pairs == 1);
        assert!(combine(Some((two, 1)), None).is_none());
        let part = Part {
            slot: 0,
            sum: 5.0,
            exposure: 1.0,
            variance: 5.0,
        };
        assert!(within_windows(&[vec![part], vec![part]], LevelModel::Multiplicative).is_none());
        assert!(within_windows(&[], LevelModel::Additive).is_none());
        let empty = Part {
            sum: 0.0,
            variance: 0.0,
            ..part
        };
        assert!(within_windows(&vec![vec![empty; 7]; 4], LevelModel::Multiplicative).is_none());
    }
}
