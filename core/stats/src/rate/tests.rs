//! Tests of this module.

use super::*;
use crate::random::{normal, poisson};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// The distribution of the level of simulated days.
#[derive(Clone, Copy)]
enum Noise {
    Poisson,
    /// Gamma level for each day with this variance.
    Overdispersed(f64),
    /// The logarithm is an autoregression with this correlation and innovation standard
    /// deviation.
    Autocorrelated(f64, f64),
    /// A linear rise over the whole period.
    Ramp,
}

fn series(seed: u64, days: usize, mean: f64, noise: Noise, monday: f64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut state = 0.0;
    (0..days)
        .map(|day| {
            let level = match noise {
                Noise::Poisson => 1.0,
                Noise::Overdispersed(v) => (v.sqrt() * normal(&mut random) - v / 2.0).exp(),
                Noise::Autocorrelated(rho, sd) => {
                    state = rho * state + sd * normal(&mut random);
                    state.exp()
                }
                Noise::Ramp => 0.3 + 1.4 * day as f64 / days as f64,
            };
            let rhythm = if day % 7 == 0 { monday } else { 1.0 };
            poisson(&mut random, mean * level * rhythm)
        })
        .collect()
}

fn weekly(series: &[f64]) -> BlockCounts {
    let mut counts = BlockCounts::new(series.len().div_ceil(7), 7);
    for (day, events) in series.iter().enumerate() {
        counts.add_events(day / 7, day % 7, *events);
        counts.add_exposure(day / 7, day % 7, 1.0);
    }
    counts
}

const ALL: [usize; 7] = [0, 1, 2, 3, 4, 5, 6];

/// Checks the share of series without a pattern in which a pattern is claimed at 5 %, and in
/// which the interval of Monday's ratio misses the truth.
fn check_level(noise: Noise, weeks: usize, mean: f64, share_max: f64) {
    let (mut claims, mut misses) = (0, 0);
    let runs = 400;
    for seed in 0..runs {
        let counts = weekly(&series(seed, weeks * 7, mean, noise, 1.0));
        let Some(fit) = BlockRates::fit(&counts) else {
            continue;
        };
        let overall = fit.overall(&counts, &ALL).unwrap();
        claims += usize::from(overall.p < 0.05);
        let monday = fit.contrast(&[0], &ALL, 0.95).unwrap();
        misses += usize::from(monday.lower > 1.0 || monday.upper < 1.0);
    }
    let share = |n: usize| n as f64 / runs as f64;
    eprintln!(
        "{weeks} weeks of {mean} a day: claims {:.3}, misses {:.3}",
        share(claims),
        share(misses)
    );
    assert!(share(claims) <= share_max, "{} claims", share(claims));
    assert!(share(misses) <= share_max, "{} misses", share(misses));
}

#[test]
fn false_claims_of_a_pattern_stay_at_the_level() {
    // 400 runs at 5 %: 0.05 + 2 standard errors = 0.072.
    for (weeks, mean) in [(12, 20.0), (26, 5.0), (52, 0.5), (104, 40.0)] {
        check_level(Noise::Poisson, weeks, mean, 0.075);
        check_level(Noise::Overdispersed(0.3), weeks, mean, 0.075);
        check_level(Noise::Autocorrelated(0.5, 0.3), weeks, mean, 0.075);
        check_level(Noise::Autocorrelated(0.8, 0.3), weeks, mean, 0.075);
        // Within a week, Sunday is higher than Monday on a rise: a small bias remains.
        check_level(Noise::Ramp, weeks, mean, 0.1);
    }
}

#[test]
fn a_planted_pattern_is_found_with_its_size() {
    let mut covered = 0;
    for seed in 0..100 {
        let counts = weekly(&series(seed, 26 * 7, 20.0, Noise::Overdispersed(0.1), 1.7));
        let fit = BlockRates::fit(&counts).unwrap();
        let monday = fit.contrast(&[0], &ALL, 0.95).unwrap();
        assert!(monday.p < 0.01, "{monday:?}");
        let monday = fit.contrast(&[0], &ALL[1..], 0.95).unwrap();
        assert!((1.3..2.2).contains(&monday.estimate), "{monday:?}");
        covered += usize::from((monday.lower..monday.upper).contains(&1.7));
    }
    assert!(covered >= 90, "{covered} of 100 intervals cover 1.7");
}

#[test]
fn an_outage_on_one_monday_is_not_a_pattern() {
    let mut days = series(3, 26 * 7, 20.0, Noise::Poisson, 1.0);
    days[70] += 600.0;
    let counts = weekly(&days);
    let fit = BlockRates::fit(&counts).unwrap();
    assert!(fit.overall(&counts, &ALL).unwrap().p > 0.2);
    assert!(fit.contrast(&[0], &ALL, 0.95).unwrap().p > 0.1);
}

#[test]
fn balanced_tables_give_plain_ratios() {
    let mut counts = BlockCounts::new(2, 3);
    for (block, row) in [[10.0, 20.0, 30.0], [20.0, 40.0, 60.0]].iter().enumerate() {
        for (category, events) in row.iter().enumerate() {
            counts.add_events(block, category, *events);
            counts.add_exposure(block, category, 1.0);
        }
    }
    let fit = BlockRates::fit(&counts).unwrap();
    let relative: Vec<_> = fit
        .relative
        .iter()
        .map(|r| (r * 1e9).round() / 1e9)
        .collect();
    assert_eq!(relative, [0.5, 1.0, 1.5]);
    let ratio = fit.contrast(&[2], &[0, 1, 2], 0.95).unwrap();
    assert!((ratio.estimate - 1.5).abs() < 1e-9 && fit.dispersion == 1.0);
    let plain = fit.overall(&counts, &[0, 1, 2]).unwrap().plain;
    assert!((plain.statistic - 30.0).abs() < 1e-9);
}

#[test]
fn a_category_without_events_has_an_upper_bound() {
    let mut counts = weekly(&series(5, 70, 3.0, Noise::Poisson, 0.0));
    let fit = BlockRates::fit(&counts).unwrap();
    let monday = fit.contrast(&[0], &ALL, 0.95).unwrap();
    assert_eq!(monday.estimate, 0.0);
    assert!(monday.upper < 0.5 && monday.p < 0.01, "{monday:?}");
    counts = BlockCounts::new(10, 7);
    assert!(BlockRates::fit(&counts).is_none());
}

#[test]
fn the_unit_of_amounts_does_not_matter() {
    let ratio_in = |unit: f64| {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let mut amounts = BlockCounts::amounts(26, 7);
        for day in 0..182 {
            let level = if day % 7 == 0 { 66.0 } else { 60.0 };
            amounts.add_events(day / 7, day % 7, unit * (level + 5.0 * normal(&mut random)));
            amounts.add_exposure(day / 7, day % 7, 1.0);
        }
        let fit = BlockRates::fit(&amounts).unwrap();
        fit.contrast(&[0], &ALL[1..], 0.95).unwrap()
    };
    let (minutes, hours) = (ratio_in(1.0), ratio_in(1.0 / 60.0));
    assert!(
        (minutes.lower - hours.lower).abs() < 1e-9,
        "{minutes:?} {hours:?}"
    );
    assert!(minutes.lower > 1.05 && minutes.upper < 1.15, "{minutes:?}");
}

#[test]
fn false_claims_on_years_stay_at_the_level_under_autocorrelation() {
    for (rho, sd, share_max) in [(0.0, 0.0, 0.075), (0.0, 0.4, 0.075), (0.5, 0.3, 0.09)] {
        let mut claims = 0;
        for seed in 0..400 {
            let months = series(seed, 24, 12.0, Noise::Autocorrelated(rho, sd), 1.0);
            let parts: Vec<_> = months.iter().map(|events| (*events, 1.0)).collect();
            let ratio = period_ratio(&parts[..12], &parts[12..], false).unwrap();
            claims += usize::from(ratio.p < 0.05);
        }
        eprintln!("years, rho {rho}: {}", claims as f64 / 400.0);
        assert!(claims as f64 / 400.0 <= share_max, "{claims} of 400");
    }
}

#[test]
fn clustered_sides_are_not_treated_as_independent() {
    // 60 days with 10 records on each side; the share of failures varies by day and side.
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut covered, tries) = (0, 300);
    let mut widths = [0.0; 2];
    for _ in 0..tries {
        let clusters: Vec<[(f64, f64); 2]> = (0..60)
            .map(|_| {
                let level = [(); 2].map(|()| (0.8 * normal(&mut random)).exp());
                [0, 1].map(|side| (poisson(&mut random, 2.0 * level[side]).min(10.0), 10.0))
            })
            .collect();
        let ratio = clustered_ratio(&clusters, true).unwrap();
        covered += usize::from((ratio.lower..ratio.upper).contains(&1.0));
        let events: f64 = clusters.iter().map(|c| c[0].0 + c[1].0).sum();
        widths[0] += (ratio.upper / ratio.lower).ln();
        widths[1] += 2.0 * 1.96 * (4.0 / events).sqrt();
    }
    assert!(covered as f64 / f64::from(tries) > 0.92, "{covered}");
    assert!(widths[0] > 1.2 * widths[1], "{widths:?}");
    assert!(clustered_ratio(&[[(1.0, 2.0), (1.0, 2.0)]], true).is_none());
    assert!(clustered_ratio(&[[(1.0, 2.0), (0.0, 2.0)]; 9], true).is_none());
}

#[test]
fn clustered_intervals_are_wider_than_plain_intervals() {
    // Months of one year vary by a factor of four: records are not independent.
    let year = |level: f64| -> Vec<(f64, f64)> {
        (0..12)
            .map(|m| (level * if m % 2 == 0 { 1.6 } else { 0.4 }, 1.0))
            .collect()
    };
    let ratio = period_ratio(&year(300.0), &year(650.0), false).unwrap();
    assert!(ratio.dispersion > 50.0, "{ratio:?}");
    assert!(ratio.plain[0] > 2.0 && ratio.plain[1] < 2.3, "{ratio:?}");
    assert!(
        ratio.clustered[0] < 1.6 && ratio.clustered[1] > 2.9,
        "{ratio:?}"
    );
    let excludes = ratio.clustered[0] > 1.0;
    assert_eq!(excludes, ratio.p < 0.05, "{ratio:?}");
}

#[test]
fn years_of_the_github_incidents_have_the_published_ratio() {
    // 124 and 200 incidents, evenly spread: the published interval.
    let year = |n: f64| vec![(n / 12.0, 1.0 / 12.0); 12];
    let ratio = period_ratio(&year(124.0), &year(200.0), false).unwrap();
    let rounded = [ratio.ratio, ratio.plain[0], ratio.plain[1]].map(|x| (x * 100.0).round());
    assert_eq!(rounded, [161.0, 129.0, 202.0]);
    assert!(period_ratio(&[(1.0, 1.0)], &year(3.0), false).is_none());
}

/// Amounts of months: growth per month, a factor of December, and noise of the logarithm with
/// an autocorrelation. The first month is a November.
fn monthly(
    seed: u64,
    months: usize,
    growth: f64,
    december: f64,
    [rho, sd]: [f64; 2],
) -> BlockCounts {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut counts = BlockCounts::amounts(months.div_ceil(12) + 1, 12);
    let mut state = 0.0;
    for i in 0..months {
        state = rho * state + sd * normal(&mut random);
        let (year, month) = ((i + 10) / 12, (i + 10) % 12);
        let season = if month == 11 { december } else { 1.0 };
        counts.add_events(
            year,
            month,
            100.0 * (growth * i as f64 + state).exp() * season,
        );
        counts.add_exposure(year, month, 1.0);
    }
    counts
}

/// Ratios of all months to their mean, and the months that are claimed at 5 % over all.
fn claimed_months(counts: &BlockCounts) -> (Vec<f64>, Vec<usize>) {
    let rates = BlockRates::fit(counts).expect("rates");
    let all: Vec<usize> = (0..12).collect();
    let each: Vec<Comparison> = all
        .iter()
        .map(|&month| rates.contrast(&[month], &all, 0.95).expect("a contrast"))
        .collect();
    let p: Vec<f64> = each.iter().map(|comparison| comparison.p).collect();
    let adjusted = crate::test::holm(&p);
    let claimed = all.into_iter().filter(|&month| adjusted[month] < 0.05);
    let claimed = claimed.collect();
    (each.iter().map(|c| c.estimate).collect(), claimed)
}

#[test]
fn a_trend_within_the_year_is_no_season() {
    const RUNS: u64 = 200;
    let mut failures = Vec::new();
    for months in [26, 36, 61] {
        for (growth, noise) in [
            (0.0, [0.0, 0.04]),
            (0.01, [0.0, 0.04]),
            (-0.02, [0.0, 0.04]),
            (0.01, [0.6, 0.04]),
        ] {
            let (mut before, mut after) = ([0.0; 3], [0.0; 3]);
            for seed in 0..RUNS {
                let plain = monthly(seed, months, growth, 1.0, noise);
                let season = monthly(seed, months, growth, 1.25, noise);
                for (sums, with_trend) in [(&mut before, false), (&mut after, true)] {
                    let of = |counts: &BlockCounts| {
                        if with_trend {
                            claimed_months(&counts.clone().with_trend())
                        } else {
                            claimed_months(counts)
                        }
                    };
                    let (_, claimed) = of(&plain);
                    let (ratios, found) = of(&season);
                    sums[0] += f64::from(u8::from(!claimed.is_empty()));
                    sums[1] += f64::from(u8::from(found.contains(&11)));
                    sums[2] += ratios[11];
                }
            }
            let [before, after] = [before, after].map(|sums| sums.map(|sum| sum / RUNS as f64));
            eprintln!(
                "{months} months, growth {growth}, noise {noise:?}: false {} -> {}, found {} -> {}, \
                 December {:.3} -> {:.3}",
                before[0], after[0], before[1], after[1], before[2], after[2]
            );
            let truth = 1.25 * 12.0 / 12.25;
            // With growth, the power before is that of a biased ratio.
            let is_weaker = growth.abs() < 1e-9 && after[1] + 0.05 < before[1];
            if after[0] > 0.09 || (after[2] - truth).abs() > 0.03 || is_weaker {
                failures.push(format!("{months} {growth} {noise:?}: {after:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
