//! Tests of this module.

use super::*;
use crate::random::{gamma, normal, poisson};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn week(i: usize) -> f64 {
    [1.7, 1.0, 1.0, 1.0, 0.9, 0.4, 0.3][i % 7]
}

fn daily(make: impl FnMut(usize) -> f64) -> Vec<Option<f64>> {
    (0..420).map(make).map(Some).collect()
}

/// Share of series with any false anomaly at a family-wise level of 5 %.
fn false_claims(quantity: Quantity, make: impl Fn(&mut ChaCha8Rng) -> Vec<Option<f64>>) -> f64 {
    let runs = 200;
    let mut claims = 0;
    for seed in 0..runs {
        let values = make(&mut ChaCha8Rng::seed_from_u64(seed));
        let scores = score(&values, quantity, Options::DAILY);
        let smallest = scores
            .iter()
            .flatten()
            .map(|s| s.p_up.min(s.p_down))
            .fold(1.0, f64::min);
        claims += usize::from(smallest * 2.0 * 420.0 < 0.05);
    }
    claims as f64 / runs as f64
}

#[test]
fn noise_makes_no_claims() {
    for mean in [0.3, 3.0, 30.0, 3000.0] {
        let rate = false_claims(Quantity::Count, |random| {
            daily(|i| poisson(random, mean * week(i)))
        });
        eprintln!("Poisson {mean}: {rate}");
        assert!(rate <= 0.05, "Poisson {mean}: {rate}");
    }
    let rate = false_claims(Quantity::Count, |random| {
        daily(|i| {
            let gamma: f64 = (0..8).map(|_| normal(random).powi(2)).sum::<f64>() / 8.0;
            poisson(random, 20.0 * week(i) * gamma)
        })
    });
    eprintln!("overdispersed: {rate}");
    assert!(rate <= 0.06, "overdispersed: {rate}");
}

#[test]
fn autocorrelated_and_drifting_metrics_make_no_claims() {
    let rate = false_claims(Quantity::Continuous, |random| {
        let mut noise = 0.0;
        daily(|i| {
            noise = 0.6 * noise + normal(random);
            40.0 + 0.08 * i as f64 + 3.0 * week(i) + noise
        })
    });
    eprintln!("AR(1) with drift: {rate}");
    assert!(rate <= 0.05, "{rate}");
    let rate = false_claims(Quantity::Continuous, |random| {
        daily(|_| {
            let scale = (0..4).map(|_| normal(random).powi(2)).sum::<f64>() / 4.0;
            normal(random) / scale.sqrt()
        })
    });
    eprintln!("t with 4 degrees of freedom: {rate}");
    assert!(rate <= 0.12, "{rate}");
}

/// Scores as a stage does: within the season of the year if there is one.
fn score_long(
    values: &[Option<f64>],
    quantity: Quantity,
    options: Options,
    year: f64,
) -> Vec<Option<Score>> {
    match crate::yearly::yearly_season(values, year) {
        Some(season) => score_within_year(values, quantity, options, &season),
        None => score(values, quantity, options),
    }
}

#[test]
fn weeks_and_months_make_few_claims_and_find_outages() {
    let wave = |i: f64, year: f64| (i / year * std::f64::consts::TAU).sin();
    let mut failures = Vec::new();
    for (options, year, n) in [
        (Options::WEEKLY, 52.18, 60),
        (Options::WEEKLY, 52.18, 120),
        (Options::WEEKLY, 52.18, 160),
        (Options::MONTHLY, 12.0, 30),
        (Options::MONTHLY, 12.0, 60),
    ] {
        for (name, size, rho, mean) in [
            ("count 3", 0.0, 0.0, 3.0),
            ("count 60", 0.0, 0.0, 60.0),
            ("season", 0.4, 0.0, 60.0),
            ("season, few", 0.4, 0.0, 6.0),
            ("AR", 0.0, 0.6, 0.0),
            ("AR, season", 0.4, 0.6, 0.0),
        ] {
            let runs = 200;
            let (mut any, mut last, mut found) = (0, 0, 0);
            for seed in 0..runs {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                let mut noise = 0.0;
                let mut values: Vec<Option<f64>> = (0..n)
                    .map(|i| {
                        let season = 1.0 + size * wave(f64::from(i), year);
                        if rho > 0.0 {
                            noise = rho * noise + normal(&mut random);
                            return Some(100.5 * season + 5.0 * noise);
                        }
                        Some(poisson(&mut random, mean * season))
                    })
                    .collect();
                let quantity = if rho > 0.0 {
                    Quantity::Continuous
                } else {
                    Quantity::Count
                };
                let p = |values: &[Option<f64>]| -> Vec<f64> {
                    let scores = score_long(values, quantity, options, year);
                    let p = |s: &Option<Score>| s.map_or(1.0, |s| 2.0 * s.p_up.min(s.p_down));
                    scores.iter().map(p).collect()
                };
                let quiet = p(&values);
                any += u32::from(quiet.iter().any(|p| p * f64::from(n) < 0.05));
                let end = quiet.len() - 1;
                last += u32::from(quiet[end] < 0.01);
                values[end] = values[end].map(|value| (0.3 * value).round());
                found += u32::from(p(&values)[end] < 0.01);
            }
            let share = |count: u32| f64::from(count) / runs as f64;
            let [any, last, found] = [any, last, found].map(share);
            eprintln!("{n} of {year}, {name}: any {any}, last at 1 %: {last}, outage {found}");
            // A strong season hides outages until two years of weeks, or more of months, show it.
            let is_clear = mean >= 60.0 && (size == 0.0 || n > 60 || (n == 60 && year < 13.0));
            if any > 0.06 || last > 0.03 || (is_clear && found < 0.9) {
                failures.push(format!("{n} of {year}, {name}: {any} {last} {found}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_step_is_not_an_anomaly_once_its_future_is_known() {
    let rate = false_claims(Quantity::Count, |random| {
        daily(|i| poisson(random, if i < 250 { 12.0 } else { 24.0 } * week(i)))
    });
    eprintln!("step: {rate}");
    assert!(rate <= 0.06, "{rate}");
}

/// Checks that anomalies are found on the days of an outage, and on no others.
fn check_outage(mean: f64, remaining: f64, days: std::ops::Range<usize>) {
    for seed in 0..20 {
        let mut random = ChaCha8Rng::seed_from_u64(1000 + seed);
        let values = daily(|i| {
            let factor = if days.contains(&i) { remaining } else { 1.0 };
            poisson(&mut random, mean * week(i) * factor)
        });
        let scores = score(&values, Quantity::Count, Options::DAILY);
        let anomalies: Vec<usize> = (0..420)
            .filter(|i| scores[*i].is_some_and(|s| s.p_down * 2.0 * 420.0 < 0.01))
            .collect();
        assert!(!anomalies.is_empty(), "seed {seed}: missed");
        assert!(
            anomalies.iter().all(|i| days.contains(i)),
            "seed {seed}: {anomalies:?}"
        );
    }
}

#[test]
fn outages_are_found_in_history_and_at_the_end() {
    check_outage(200.0, 0.3, 200..201);
    check_outage(200.0, 0.3, 417..418);
    check_outage(60.0, 0.1, 300..304);
    check_outage(60.0, 0.1, 416..420);
}

/// Share of series of `n` days in which `is_found` holds for the scores. Counts have this mean
/// and a variance `ratio` times the mean; `factor` changes the mean of each day.
fn share_found(
    n: usize,
    mean: f64,
    ratio: f64,
    factor: impl Fn(usize, &mut ChaCha8Rng) -> f64,
    is_found: impl Fn(&[Option<Score>]) -> bool,
) -> f64 {
    let runs = 200;
    let found = (0..runs).filter(|seed| {
        let mut random = ChaCha8Rng::seed_from_u64(77 + seed);
        let values: Vec<Option<f64>> = (0..n)
            .map(|i| {
                let mean = mean * factor(i, &mut random);
                let level = if ratio > 1.0 && mean > 0.0 {
                    gamma(&mut random, mean / (ratio - 1.0)) * (ratio - 1.0)
                } else {
                    mean
                };
                Some(poisson(&mut random, level))
            })
            .collect();
        is_found(&score(&values, Quantity::Count, Options::DAILY))
    });
    found.count() as f64 / runs as f64
}

/// True if one of these days is an anomaly at a family-wise level of 5 %.
fn any_anomaly(scores: &[Option<Score>], is_day: impl Fn(usize) -> bool) -> bool {
    let n = scores.len() as f64;
    let mut days = scores.iter().enumerate().filter(|(i, _)| is_day(*i));
    days.any(|(_, s)| s.is_some_and(|s| s.p_up.min(s.p_down) * 2.0 * n < 0.05))
}

#[test]
fn outages_of_several_days_are_found_in_short_histories() {
    for (mean, days) in [(287.0, 4), (287.0, 8), (40.0, 4), (15.0, 4)] {
        let start = 43;
        let is_out = |i: usize| (start..start + days).contains(&i);
        let factor = |i: usize, _: &mut ChaCha8Rng| f64::from(u8::from(!is_out(i)));
        let found = share_found(70, mean, 1.0, factor, |s| any_anomaly(s, is_out));
        assert!(found >= 0.8, "{days} days of {mean}: {found}");
        let false_found = share_found(70, mean, 1.0, factor, |s| any_anomaly(s, |i| !is_out(i)));
        assert!(false_found <= 0.06, "{days} days of {mean}: {false_found}");
    }
}

#[test]
#[ignore = "prints a table"]
fn table_of_counts_with_episodes() {
    eprintln!(
        "false claims: level, bursts of 3 days, one day of an outage in 50; 4 days out found"
    );
    for n in [70, 120, 420] {
        for mean in [3.0, 20.0, 280.0] {
            for ratio in [1.0, 2.0, 5.0] {
                let level = share_found(n, mean, ratio, |_, _| 1.0, |s| any_anomaly(s, |_| true));
                let wave =
                    |i: usize, _: &mut ChaCha8Rng| 1.0 + 0.5 * f64::from(u8::from(i / 3 % 9 == 4));
                let bursts = share_found(n, mean, ratio, wave, |s| any_anomaly(s, |_| true));
                let out = |i: usize, _: &mut ChaCha8Rng| f64::from(u8::from(i % 50 != 31));
                let others = share_found(n, mean, ratio, out, |s| any_anomaly(s, |i| i % 50 != 31));
                let down =
                    |i: usize, _: &mut ChaCha8Rng| f64::from(u8::from(!(43..47).contains(&i)));
                let found = share_found(n, mean, ratio, down, |s| {
                    any_anomaly(s, |i| (43..47).contains(&i))
                });
                let beside = share_found(n, mean, ratio, down, |s| {
                    any_anomaly(s, |i| !(43..47).contains(&i))
                });
                eprintln!(
                    "{n} days, mean {mean}, variance {ratio} means: {level:.3} {bursts:.3} {others:.3}; {found:.3} beside {beside:.3}"
                );
            }
        }
    }
}

#[test]
fn odd_hours_of_a_strong_rhythm_are_found() {
    // 17 weeks of hours whose noise is small beside their rhythm; one hour is 29 % too high.
    let found = (0..5).filter(|seed| {
        let mut random = ChaCha8Rng::seed_from_u64(*seed);
        let mut noise = 0.0;
        let n = 17 * 168;
        let values: Vec<Option<f64>> = (0..n)
            .map(|i| {
                noise = 0.6 * noise + 4.0 * normal(&mut random);
                let day = 1.0 + 0.3 * ((i % 24) as f64 * std::f64::consts::TAU / 24.0).sin();
                let week = if i / 24 % 7 < 5 { 200.0 } else { 150.0 };
                let odd = if i == n - 150 { 41.0 } else { 0.0 };
                Some(week * day + noise + odd)
            })
            .collect();
        let scores = score(&values, Quantity::Continuous, Options::HOURLY);
        scores[n - 150].is_some_and(|score| 2.0 * score.p_up * 168.0 < 0.0027)
    });
    let found = found.count();
    assert!(found >= 4, "{found} of 5");
}

#[test]
fn short_series_have_no_scores() {
    let values = vec![Some(1.0); 41];
    assert!(
        score(&values, Quantity::Count, Options::DAILY)
            .iter()
            .all(Option::is_none)
    );
}

#[test]
fn constant_series_have_finite_scores() {
    let mut values = vec![Some(5.0); 100];
    values[50] = None;
    let scores = score(&values, Quantity::Continuous, Options::DAILY);
    assert!(
        scores
            .iter()
            .flatten()
            .all(|s| s.z.is_finite() && s.p_up.min(s.p_down) > 0.01)
    );
    assert!(scores[50].is_none());
    let scores = score(&vec![Some(0.0); 100], Quantity::Count, Options::DAILY);
    assert!(scores.iter().flatten().all(|s| s.p_up.min(s.p_down) > 0.01));
}
