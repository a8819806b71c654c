//! Dates and sizes of shifts, false claims, and power.

use super::*;
use crate::search::Noise;

/// Annual flow of the Nile at Aswan, 1871 to 1970.
pub(crate) const NILE: [f64; 100] = [
    1120., 1160., 963., 1210., 1160., 1160., 813., 1230., 1370., 1140., 995., 935., 1110., 994.,
    1020., 960., 1180., 799., 958., 1140., 1100., 1210., 1150., 1250., 1260., 1220., 1030., 1100.,
    774., 840., 874., 694., 940., 833., 701., 916., 692., 1020., 1050., 969., 831., 726., 456.,
    824., 702., 1120., 1100., 832., 764., 821., 768., 845., 864., 862., 698., 845., 744., 796.,
    1040., 759., 781., 865., 845., 944., 984., 897., 822., 1010., 771., 676., 649., 846., 812.,
    742., 801., 1040., 860., 874., 848., 890., 744., 749., 838., 1050., 918., 986., 797., 923.,
    975., 815., 1020., 906., 901., 1170., 912., 746., 919., 718., 714., 740.,
];

/// Coal-mining disasters per year, 1851 to 1961.
const COAL: [u8; 111] = [
    4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4, 2, 5,
    2, 2, 3, 4, 2, 1, 3, 2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2, 0, 1, 1, 1,
    0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1, 0, 2, 3, 3, 1, 1, 2, 1, 1, 1, 1, 2, 4, 2, 0, 0, 1, 4,
    0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,
];

fn search(values: &[f64], segment_min: usize) -> Shifts {
    let settings = Search {
        segment_min,
        ..Search::default()
    };
    mean_shifts(values, values, &settings).expect("enough values")
}

#[test]
fn the_nile_fell_in_1899() {
    // Cobb (1978); Bai and Perron in R's strucchange: last year of the old level 1898 (interval
    // 1895 to 1902), means 1097.75 and 849.97.
    let found = search(&NILE, 10);
    assert_eq!(found.shifts.len(), 1);
    let shift = &found.shifts[0];
    assert_eq!(1871 + shift.position, 1899);
    assert!((shift.before.mean - 1097.75).abs() < 0.005, "{shift:?}");
    assert!((shift.after.mean - 849.97).abs() < 0.005, "{shift:?}");
    assert!(
        shift.p <= 0.002 && shift.interval[1] - shift.interval[0] <= 12,
        "{shift:?}"
    );
}

#[test]
fn mining_became_safer_around_1891() {
    // Carlin, Gelfand and Smith (1992): about 1890; rates 3.1 and 0.9. Least squares has
    // almost equal minima at 1887, 1888 and 1890 to 1892.
    let values: Vec<f64> = COAL.iter().map(|v| f64::from(*v)).collect();
    let settings = Search {
        shifts_max: 1,
        ..Search::default()
    };
    let found = mean_shifts(&values, &values, &settings).expect("enough values");
    let shift = &found.shifts[0];
    let years = shift.interval.map(|position| 1851 + position);
    assert!(years[0] <= 1890 && 1890 <= years[1], "{years:?}");
    assert!((shift.before.mean - 3.1).abs() < 0.2, "{shift:?}");
    assert!((shift.after.mean - 0.92).abs() < 0.1, "{shift:?}");
}

#[test]
fn two_shifts_are_separated_and_a_spike_is_not_a_shift() {
    let mut noise = Noise::new(3);
    let level = |i: usize| {
        if i < 60 {
            10.0
        } else if i < 110 {
            16.0
        } else {
            11.0
        }
    };
    let values: Vec<f64> = (0..170).map(|i| level(i) + 2.0 * noise.normal()).collect();
    let found = search(&values, 7);
    let positions: Vec<usize> = found.shifts.iter().map(|s| s.position).collect();
    assert_eq!(positions.len(), 2, "{found:#?}");
    assert!(
        positions[0].abs_diff(60) <= 2 && positions[1].abs_diff(110) <= 2,
        "{positions:?}"
    );

    let spike: Vec<f64> = (0..120)
        .map(|i| noise.normal() + if (113..116).contains(&i) { 40.0 } else { 0.0 })
        .collect();
    assert!(search(&spike, 14).shifts.is_empty());
}

#[test]
fn intervals_of_levels_and_difference_agree() {
    let mut noise = Noise::new(5);
    for (at, n) in [(46, 53), (20, 80), (70, 120)] {
        let mut values = noise.autoregressive(n, 0.4);
        values[at..].iter_mut().for_each(|value| *value += 6.0);
        let found = search(&values, 5);
        for shift in &found.shifts {
            let half = |[low, high]: [f64; 2]| (high - low) / 2.0;
            let levels = half(shift.before.interval).hypot(half(shift.after.interval));
            let [_, low, high] = shift.difference;
            assert!((levels / half([low, high]) - 1.0).abs() < 1e-9, "{shift:?}");
        }
        assert!(!found.shifts.is_empty(), "{found:?}");
    }
}

#[test]
fn a_drift_is_not_a_shift() {
    for seed in 0..20 {
        let mut noise = Noise::new(seed);
        let values: Vec<f64> = (0..112)
            .map(|i| 0.05 * f64::from(i) + noise.normal())
            .collect();
        let found = search(&values, 7);
        assert!(
            found.shifts.is_empty() && found.drifts,
            "seed {seed}: {found:#?}"
        );
    }
}

#[test]
fn short_or_constant_series_have_no_shifts() {
    let settings = Search::default();
    assert!(mean_shifts(&[1.0; 27], &[1.0; 27], &settings).is_none());
    assert!(mean_shifts(&[1.0; 60], &[1.0; 60], &settings).is_none());
}

#[test]
fn a_few_events_are_no_shift() {
    // Six events in a fortnight of 90 days; with a seventh they may be a shift.
    let mut values = vec![0.0; 90];
    for day in [77, 79, 81, 83, 85, 87] {
        values[day] = 1.0;
    }
    assert_eq!(search(&values, 14).p, 1.0);
    values[89] = 1.0;
    assert!(search(&values, 14).p < 1.0);
    // A level of five months differs from the one before.
    let levels: Vec<f64> = (0..30)
        .map(|month| if month < 25 { 10.0 } else { 12.0 })
        .collect();
    assert!(!has_rare_events(&levels, 5));
}

/// Checks the share of series without a shift in which a shift is claimed at 5 %.
fn check(n: usize, rho: f64, poisson: Option<f64>, bound: f64) {
    let mut noise = Noise::new(n as u64 * 17 + (rho * 100.0) as u64);
    let tries = 200u64;
    let mut claims = 0;
    for _ in 0..tries {
        let mut values = noise.autoregressive(n, rho);
        if let Some(mean) = poisson {
            values.iter_mut().for_each(|e| {
                *e = f64::from(noise.poisson(mean * (0.4 * *e - 0.08).exp()));
            });
        }
        let settings = Search {
            simulations: 199,
            ..Search::default()
        };
        let found = mean_shifts(&values, &values, &settings);
        claims += usize::from(found.is_some_and(|found| !found.shifts.is_empty()));
    }
    let share = claims as f64 / tries as f64;
    assert!(
        share <= bound,
        "n {n} rho {rho} poisson {poisson:?}: {share} false claims"
    );
}

#[test]
fn false_claims_stay_at_the_level() {
    for n in [40, 120] {
        check(n, 0.0, None, 0.08);
        check(n, 0.3, None, 0.08);
        check(n, 0.7, None, 0.08);
        check(n, 0.3, Some(4.0), 0.08);
        check(n, 0.0, Some(0.7), 0.08);
    }
}

/// Share of series of `n` values, whose last third differs by `size`, in which a shift is claimed
/// at 5 %, in per cent of 200. The values have autocorrelation `rho`, or are counts of a rate that
/// wanders by 30 % with it.
fn claimed(n: usize, rho: f64, counts: Option<f64>, size: f64) -> f64 {
    let mut noise = Noise::new(n as u64 * 19 + (rho * 100.0) as u64);
    let settings = Search {
        segment_min: 14,
        simulations: 199,
        ..Search::default()
    };
    let mut claims = 0;
    for _ in 0..200 {
        let mut values = noise.autoregressive(n, rho);
        let third = n - n / 3;
        if let Some(mean) = counts {
            for (i, value) in values.iter_mut().enumerate() {
                let rate = mean * (0.3 * *value - 0.045).exp();
                let rate = if i < third { rate } else { rate * (1.0 + size) };
                *value = f64::from(noise.poisson(rate));
            }
        } else {
            values[third..].iter_mut().for_each(|value| *value += size);
        }
        let found = mean_shifts(&values, &values, &settings);
        claims += u8::from(found.is_some_and(|found| !found.shifts.is_empty()));
    }
    f64::from(claims) / 2.0
}

#[test]
fn counts_of_a_wandering_rate_have_no_shifts() {
    let [found, planted] = [0.0, 0.5].map(|size| claimed(120, 0.6, Some(8.0), size));
    assert!(found <= 10.0 && planted >= 55.0, "{found} {planted}");
}

#[test]
#[ignore = "prints a table"]
fn table_of_shifts() {
    for n in [120, 420] {
        for rho in [0.0, 0.5, 0.7] {
            let row = [0.0, 0.5, 1.0].map(|size| claimed(n, rho, None, size));
            eprintln!("{n} values, autocorrelation {rho}, by 0, 0.5, 1 sd: {row:?}");
        }
        for mean in [8.0, 30.0] {
            let row = [0.0, 0.2, 0.5].map(|size| claimed(n, 0.6, Some(mean), size));
            eprintln!("{n} counts of {mean}, rate 0.6, by 0, 20, 50 %: {row:?}");
        }
    }
}

#[test]
fn the_same_values_give_the_same_bytes() {
    assert_eq!(
        format!("{:?}", search(&NILE, 7)),
        format!("{:?}", search(&NILE, 7))
    );
}
