use super::*;
use crate::random::{normal, poisson};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

const DAYS: usize = 300;

/// Events of hours with a rhythm of day and week and a rate that wanders by `wander` from day
/// to day with memory 0.7; `burst` is (hours, factor) in the last week.
fn hours(seed: u64, per_day: f64, wander: f64, burst: Option<(usize, f64)>) -> Vec<Hour> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let start = 24 * (DAYS - 7) + (random.random::<f64>() * 24.0 * 6.0) as usize;
    let mut level = 0.0;
    let mut hours = Vec::new();
    for day in 0..DAYS {
        level = 0.7 * level + 0.714 * wander * normal(&mut random);
        let weekday = day % 7;
        let week = if weekday >= 5 { 0.5 } else { 1.2 };
        for hour in 0..24 {
            let busy = if (8..20).contains(&hour) { 1.6 } else { 0.4 };
            let i = hours.len();
            let factor = match burst {
                Some((length, factor)) if (start..start + length).contains(&i) => factor,
                _ => 1.0,
            };
            let mean = per_day / 24.0 * week * busy * f64::exp(level) * factor;
            hours.push(Hour {
                count: Some(poisson(&mut random, mean)),
                day: day as i32,
                hour,
                weekday,
            });
        }
    }
    hours
}

/// Share of series with a burst or gap at a level of 5 %; with a planted burst, only findings
/// in its direction are counted.
fn share(runs: u64, per_day: f64, wander: f64, burst: Option<(usize, f64)>) -> f64 {
    let found = |seed: &u64| {
        let hours = hours(*seed, per_day, wander, burst);
        let bursts = scan(&hours, 24 * (DAYS - 7), 0.025);
        bursts
            .iter()
            .any(|found| burst.is_none_or(|(_, factor)| found.is_up() == (factor > 1.0)))
    };
    (0..runs).filter(found).count() as f64 / runs as f64
}

#[test]
fn quiet_weeks_have_no_bursts_at_the_nominal_rate() {
    for (per_day, wander) in [
        (3.0, 0.0),
        (20.0, 0.0),
        (200.0, 0.0),
        (20.0, 0.3),
        (200.0, 0.3),
    ] {
        let rate = share(200, per_day, wander, None);
        eprintln!("{per_day} a day, wandering by {wander}: {rate}");
        assert!(rate <= 0.085, "{per_day} {wander}: {rate}");
    }
}

#[test]
fn an_outage_of_five_hours_is_found() {
    // At a random time of the week: an outage on a quiet night has three events, which cannot
    // be distinguished from chance.
    let cases = [
        (20.0, 0.0, 0.5),
        (40.0, 0.0, 0.75),
        (40.0, 0.3, 0.6),
        (200.0, 0.3, 0.9),
    ];
    for (per_day, wander, power) in cases {
        let found = share(100, per_day, wander, Some((5, 4.0)));
        eprintln!("{per_day} a day, wandering by {wander}: {found}");
        assert!(found >= power, "{per_day} {wander}: {found}");
    }
    let gap = share(60, 400.0, 0.1, Some((4, 0.0)));
    eprintln!("gap: {gap}");
    assert!(gap >= 0.7, "{gap}");
}

#[test]
fn too_little_history_has_no_bursts() {
    let hours = hours(1, 50.0, 0.0, Some((5, 20.0)));
    assert!(scan(&hours[24 * (DAYS - 20)..], 24 * 13, 0.05).is_empty());
    assert!(scan(&[], 0, 0.05).is_empty());
    let silent: Vec<Hour> = hours
        .iter()
        .map(|hour| Hour {
            count: Some(0.0),
            ..*hour
        })
        .collect();
    assert!(scan(&silent, 24 * (DAYS - 7), 0.05).is_empty());
}

/// An hour factor as in `cargo xtask accuracy power`: busy afternoons, quiet weekends.
fn season(hour: usize) -> f64 {
    let wave = 1.0 + 0.5 * ((hour % 24) as f64 / 24.0 * TAU - 2.4).sin();
    wave * if hour % 168 / 24 < 5 { 1.12 } else { 0.7 }
}

/// Twenty weeks of counts with a season of the day and the week, and a level of days that wanders by
/// `wander` with this memory; on the last Thursday so many hours with so many times the usual
/// rate.
fn twenty_weeks(
    seed: u64,
    per_hour: f64,
    (wander, memory): (f64, f64),
    (length, factor): (usize, f64),
) -> (Vec<Hour>, std::ops::Range<usize>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let start = 168 * 19 + 3 * 24 + (random.random::<f64>() * (25 - length) as f64) as usize;
    let planted = start..start + length;
    let mut level = wander * normal(&mut random);
    let hours = (0..168 * 20)
        .map(|i| {
            if i % 24 == 0 {
                let innovation = (1.0 - memory * memory).sqrt();
                level = memory * level + innovation * wander * normal(&mut random);
            }
            let factor = if planted.contains(&i) { factor } else { 1.0 };
            Hour {
                count: Some(poisson(
                    &mut random,
                    per_hour * season(i) * level.exp() * factor,
                )),
                day: (i / 24) as i32,
                hour: i % 24,
                weekday: i / 24 % 7,
            }
        })
        .collect();
    (hours, planted)
}

/// Share of series with a burst that overlaps the planted hours; without, with any burst or gap.
fn share_of_weeks(
    seeds: std::ops::Range<u64>,
    p_max: f64,
    per_hour: f64,
    wander: (f64, f64),
    event: (usize, f64),
) -> f64 {
    let n = (seeds.end - seeds.start) as f64;
    let found = |seed: &u64| {
        let (hours, planted) = twenty_weeks(*seed, per_hour, wander, event);
        let is_right = |burst: &Burst| {
            event.1 == 1.0
                || burst.is_up() == (event.1 > 1.0)
                    && burst.first < planted.end
                    && planted.start < burst.end
        };
        scan(&hours, 168 * 19, p_max).iter().any(is_right)
    };
    seeds.filter(found).count() as f64 / n
}

#[test]
fn quiet_weeks_of_half_a_year_have_no_bursts_at_the_nominal_rate() {
    for (per_hour, wander) in [
        (0.2, (0.0, 0.0)),
        (40.0 / 24.0, (0.0, 0.0)),
        (40.0 / 24.0, (0.3, 0.7)),
    ] {
        let rate = share_of_weeks(5_000..5_200, 0.05, per_hour, wander, (1, 1.0));
        eprintln!("{per_hour} an hour, wandering by {wander:?}: {rate}");
        assert!(rate <= 0.15, "{per_hour} {wander:?}: {rate}");
    }
}

#[test]
fn outages_and_gaps_are_found_at_a_small_level() {
    // 40 a day. With the season and the noise known, but not its length, an outage of five hours
    // with four times the events is found in 80 % of weeks at this level.
    let cases = [((5, 4.0), 0.75), ((6, 0.0), 0.5), ((24, 0.5), 0.26)];
    for (event, power) in cases {
        let found = share_of_weeks(0..100, 0.004, 40.0 / 24.0, (0.0, 0.0), event);
        eprintln!("{event:?}: {found}");
        assert!(found >= power, "{event:?}: {found}");
    }
}

/// Twenty weeks of hourly values with a season of the day and the week: logarithms with this
/// deviation and autocorrelation, of single records or of the mean of a few; on the last Thursday so
/// many hours with so many times the usual value.
fn twenty_weeks_of_values(
    seed: u64,
    (spread, correlation): (f64, f64),
    records: f64,
    (length, factor): (usize, f64),
) -> (Vec<ValueHour>, std::ops::Range<usize>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let start = 168 * 19 + 3 * 24 + (random.random::<f64>() * (25 - length) as f64) as usize;
    let planted = start..start + length;
    let mut level = normal(&mut random);
    let hours = (0..168 * 20).map(|i| {
        level =
            correlation * level + (1.0 - correlation * correlation).sqrt() * normal(&mut random);
        let factor = if planted.contains(&i) { factor } else { 1.0 };
        let usual = 20.0 * season(i).sqrt() * factor;
        let (value, n) = if records > 1.0 {
            let n = poisson(&mut random, records * season(i));
            let sum: f64 = (0..n as usize)
                .map(|_| (spread * normal(&mut random)).exp())
                .sum();
            ((n > 0.0).then(|| usual * sum / n), n)
        } else {
            (Some(usual * (spread * level).exp()), 1.0)
        };
        ValueHour {
            value,
            records: n,
            day: (i / 24) as i32,
            hour: i % 24,
            weekday: i / 24 % 7,
        }
    });
    (hours.collect(), planted)
}

/// Share of series of values with a run that overlaps the planted hours; without, with any run.
fn share_of_values(
    seeds: std::ops::Range<u64>,
    p_max: f64,
    noise: (f64, f64),
    records: f64,
    event: (usize, f64),
) -> f64 {
    let n = (seeds.end - seeds.start) as f64;
    let found = |seed: &u64| {
        let (hours, planted) = twenty_weeks_of_values(*seed, noise, records, event);
        let is_right = |burst: &Burst| {
            event.1 == 1.0
                || burst.is_up() && burst.first < planted.end && planted.start < burst.end
        };
        scan_values(&hours, 168 * 19, p_max).iter().any(is_right)
    };
    seeds.filter(found).count() as f64 / n
}

#[test]
fn quiet_weeks_of_values_have_no_runs_at_the_nominal_rate() {
    let cases = [((0.4, 0.5), 1.0), ((0.4, 0.7), 1.0), ((0.8, 0.0), 6.0)];
    for (noise, records) in cases {
        let rate = share_of_values(5_000..5_150, 0.05, noise, records, (1, 1.0));
        eprintln!("{noise:?}, {records} records: {rate}");
        assert!(rate <= 0.16, "{noise:?} {records}: {rate}");
    }
}

#[test]
fn hours_of_high_values_are_found() {
    let cases = [
        ((0.4, 0.5), 1.0, (24, 3.0), 0.95),
        ((0.4, 0.5), 1.0, (24, 2.0), 0.5),
        ((0.8, 0.0), 6.0, (6, 3.0), 0.85),
        ((0.8, 0.0), 6.0, (24, 2.0), 0.9),
    ];
    for (noise, records, event, power) in cases {
        let found = share_of_values(0..40, 0.004, noise, records, event);
        eprintln!("{noise:?}, {records} records, {event:?}: {found}");
        assert!(found >= power, "{noise:?} {records} {event:?}: {found}");
    }
}

#[test]
fn values_without_variation_or_history_have_no_runs() {
    let (mut hours, _) = twenty_weeks_of_values(1, (0.4, 0.0), 1.0, (24, 9.0));
    assert!(scan_values(&hours[168 * 17..], 168 * 2, 0.05).is_empty());
    assert!(scan_values(&[], 0, 0.05).is_empty());
    for hour in &mut hours {
        hour.value = Some(3.0);
    }
    assert!(scan_values(&hours, 168 * 19, 0.05).is_empty());
}
