use super::*;
use crate::random::normal;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const METHODS: [SeriesMethod; 3] = [
    SeriesMethod::Regression,
    SeriesMethod::Structural,
    SeriesMethod::Interrupted,
];

/// Numeric columns of a CSV file of the real-data folder, without gaps.
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
/// significance is the same. A segmented regression must extrapolate a line of unknown slope over
/// half as many periods as it was fitted to, so its interval is wider.
#[test]
fn published_effects_are_reproduced() {
    for (name, change, r) in [
        ("arma_data.csv", 70, [0.89, 0.27, 1.5]),
        ("comparison_data.csv", 90, [-657.0, -2076.0, 832.0]),
        ("google_data.csv", 61, [27.0, 18.0, 36.0]),
    ] {
        let Some(columns) = real_columns(name) else {
            return;
        };
        let values: Vec<Option<f64>> = columns[0].iter().copied().map(Some).collect();
        let controls: Vec<&[f64]> = columns[1..].iter().map(Vec::as_slice).collect();
        let intervention = Intervention {
            values: &values,
            controls: &controls,
            change,
            cadence: Cadence::Day,
        };
        for method in METHODS {
            let result = measure(&intervention, method).unwrap();
            let ([effect, low, high], p) = (result.estimate.absolute, result.estimate.p);
            let method_name = method.name();
            eprintln!("{name} {method_name}: {effect:.3} [{low:.3}, {high:.3}] p {p:.4}, R {r:?}");
            assert!(
                r[1] <= effect && effect <= r[2],
                "{name} {method_name}: {effect}"
            );
            if method != SeriesMethod::Interrupted {
                assert_eq!(
                    p < 0.05,
                    r[1] > 0.0 || r[2] < 0.0,
                    "{name} {method_name}: {p}"
                );
            }
        }
    }
}

/// A series that follows a control, with autocorrelation .5 and an effect from `change` on.
fn series(seed: u64, n: usize, change: usize, effect: f64) -> (Vec<Option<f64>>, Vec<f64>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut own, mut common) = (normal(&mut random), 0.0);
    let mut control = Vec::new();
    let values = (0..n)
        .map(|i| {
            own = 0.5 * own + 0.75_f64.sqrt() * normal(&mut random);
            common = 0.5 * common + normal(&mut random);
            control.push(20.0 + common);
            Some(100.0 + common + own + if i < change { 0.0 } else { effect })
        })
        .collect();
    (values, control)
}

/// Share of series without an effect in which an effect is claimed, share of intervals that contain
/// an effect of 2, and share of effects of 2 that are found. `control` adds a control series.
fn rates(method: SeriesMethod, before: usize, after: usize, runs: u64, control: bool) -> [f64; 3] {
    let mut rates = [0.0; 3];
    for seed in 0..runs {
        for effect in [0.0, 2.0] {
            let (values, follower) = series(seed, before + after, before, effect);
            let controls: &[&[f64]] = if control { &[&follower] } else { &[] };
            let intervention = Intervention {
                values: &values,
                controls,
                change: before,
                cadence: Cadence::Other,
            };
            let estimate = measure(&intervention, method).unwrap().estimate;
            let [_, low, high] = estimate.absolute;
            let excludes = low > 0.0 || high < 0.0;
            assert_eq!(excludes, estimate.p < 0.05, "{estimate:?}");
            let holds = low <= effect && effect <= high;
            let share = |counts: bool| f64::from(u8::from(counts)) / runs as f64;
            if effect == 0.0 {
                rates[0] += share(excludes);
            } else {
                rates[1] += share(holds);
                rates[2] += share(excludes);
            }
        }
    }
    let [wrong, held, power] = rates;
    eprintln!(
        "{} {before}+{after} control {control}: wrong {wrong:.3}, held {held:.3}, power {power:.3}",
        method.name()
    );
    rates
}

#[test]
fn false_claims_stay_at_the_nominal_rate_and_effects_are_found() {
    for (before, after, wrong_max, powers) in [
        (15, 4, 0.1, [0.4, 0.4, 0.2]),
        (60, 12, 0.08, [0.85, 0.85, 0.65]),
    ] {
        for (method, power_min) in METHODS.into_iter().zip(powers) {
            let [wrong, held, power] = rates(method, before, after, 100, true);
            assert!(wrong <= wrong_max, "{method:?} {before}+{after}: {wrong}");
            assert!(
                held >= 1.0 - wrong_max,
                "{method:?} {before}+{after}: {held}"
            );
            assert!(power >= power_min, "{method:?} {before}+{after}: {power}");
        }
    }
}

#[test]
fn a_segmented_regression_finds_jump_and_slope() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let values: Vec<Option<f64>> = (0..80)
        .map(|i| {
            let since = f64::from(i - 50).max(0.0);
            let jump = if i < 50 { 0.0 } else { 10.0 };
            Some(20.0 + 0.5 * f64::from(i) + jump - 0.8 * since + 0.5 * normal(&mut random))
        })
        .collect();
    let intervention = Intervention {
        values: &values,
        controls: &[],
        change: 50,
        cadence: Cadence::Month,
    };
    let result = measure(&intervention, SeriesMethod::Interrupted).unwrap();
    let Segments { level, slope } = result.segments.unwrap();
    assert!(
        level[1] <= 10.0 && 10.0 <= level[2] && level[2] - level[1] < 2.0,
        "{level:?}"
    );
    assert!(
        slope[1] <= -0.8 && -0.8 <= slope[2] && slope[2] - slope[1] < 0.1,
        "{slope:?}"
    );
    // The mean over 30 periods of a jump of 10 that decreases by .8 per period.
    let [effect, low, high] = result.estimate.absolute;
    assert!(low <= -1.6 && -1.6 <= high, "{effect} [{low}, {high}]");
}

/// A quarterly season hides an effect of a tenth of its range unless the season is removed.
#[test]
fn the_season_follows_from_the_distance_of_periods() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let values: Vec<Option<f64>> = (0..44)
        .map(|i| {
            let season = [0.0, 20.0, -10.0, 5.0][i % 4];
            let effect = if i < 38 { 0.0 } else { 3.0 };
            Some(100.0 + season + effect + normal(&mut random))
        })
        .collect();
    for (cadence, season) in [(Cadence::Quarter, 4), (Cadence::Year, 1)] {
        let intervention = Intervention {
            values: &values,
            controls: &[],
            change: 38,
            cadence,
        };
        for method in [SeriesMethod::Regression, SeriesMethod::Structural] {
            let result = measure(&intervention, method).unwrap();
            assert_eq!(result.season, season);
            let is_found = result.estimate.p < 0.05;
            assert_eq!(
                is_found,
                season == 4,
                "{method:?} {:?}",
                result.estimate.absolute
            );
        }
    }
}

/// The distance of times that are given in days.
fn cadence_of_days(days: &[f64]) -> Cadence {
    let seconds: Vec<i64> = days
        .iter()
        .map(|day| (day * 86_400.0).round() as i64)
        .collect();
    Cadence::of(&seconds)
}

#[test]
fn the_distance_of_periods_is_read_from_times() {
    let every = |step: f64| (0..30).map(|i| f64::from(i) * step).collect::<Vec<f64>>();
    assert_eq!(cadence_of_days(&every(1.0)), Cadence::Day);
    assert_eq!(cadence_of_days(&every(7.0)), Cadence::Week);
    assert_eq!(cadence_of_days(&every(2.0)), Cadence::Other);
    assert_eq!(cadence_of_days(&[]), Cadence::Other);
    assert_eq!(cadence_of_days(&[3.0]), Cadence::Other);
    let months = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365].map(f64::from);
    assert_eq!(cadence_of_days(&months), Cadence::Month);
    let quarters: Vec<f64> = months.iter().step_by(3).copied().collect();
    assert_eq!(cadence_of_days(&quarters), Cadence::Quarter);
    let years = [0, 365, 730, 1096, 1461].map(f64::from);
    assert_eq!(cadence_of_days(&years), Cadence::Year);
    // With one week missing, the distance is still a week.
    let weeks: Vec<f64> = every(7.0).into_iter().filter(|day| *day != 70.0).collect();
    assert_eq!(cadence_of_days(&weeks), Cadence::Week);
}

#[test]
fn parts_of_a_day_divide_it() {
    let every = |hours: f64| -> Vec<f64> { (0..30).map(|i| f64::from(i) * hours / 24.0).collect() };
    assert_eq!(cadence_of_days(&every(1.0)), Cadence::PerDay(24));
    assert_eq!(cadence_of_days(&every(0.25)), Cadence::PerDay(96));
    assert_eq!(cadence_of_days(&every(5.0)), Cadence::Other);
    // With a night missing, the distance is still an hour; with every second night, it is not.
    let known = |hour: &f64| !(0.2..0.5).contains(hour);
    let day: Vec<f64> = every(1.0).into_iter().filter(known).collect();
    assert_eq!(cadence_of_days(&day), Cadence::PerDay(24));
    let rare: Vec<f64> = [0.0, 1.0, 2.0, 5.0, 6.0, 9.0, 10.0]
        .map(|hour| hour / 24.0)
        .to_vec();
    assert_eq!(cadence_of_days(&rare), Cadence::Other);
    // Two times show days or longer periods, but not a part of a day.
    assert_eq!(cadence_of_days(&[0.0, 1.0]), Cadence::Day);
    assert_eq!(cadence_of_days(&[0.0, 0.5]), Cadence::Other);
    // The time of the day does not matter.
    let mornings: Vec<f64> = (0..30).map(|day| f64::from(day) + 0.375).collect();
    assert_eq!(cadence_of_days(&mornings), Cadence::Day);
}

#[test]
fn invalid_interventions_are_rejected() {
    let (values, control) = series(1, 40, 30, 0.0);
    let measured = |values: &[Option<f64>], controls: &[&[f64]], change| {
        let intervention = Intervention {
            values,
            controls,
            change,
            cadence: Cadence::Week,
        };
        measure(&intervention, SeriesMethod::Regression).map(|result| result.estimate.p)
    };
    assert!(measured(&values, &[&control], 30).is_ok());
    let unit = "weeks";
    assert_eq!(
        measured(&values, &[], 40),
        Err(InterventionError::After { unit })
    );
    assert_eq!(
        measured(&values, &[], 99),
        Err(InterventionError::After { unit })
    );
    assert!(matches!(
        measured(&values, &[], 0),
        Err(InterventionError::Before { have: 0, .. })
    ));
    let few = measured(&values, &[], 11);
    assert_eq!(
        few,
        Err(InterventionError::Before {
            have: 11,
            need: 12,
            unit
        })
    );
    let mut gap = control.clone();
    gap[3] = f64::NAN;
    for broken in [&gap[..], &control[1..]] {
        let error = measured(&values, &[&control, broken], 30);
        assert_eq!(
            error,
            Err(InterventionError::Control {
                index: 1,
                have: 39,
                need: 40
            })
        );
    }
}

#[test]
#[ignore = "prints a table; takes a minute"]
fn table_of_rates() {
    for control in [true, false] {
        for (before, after) in [(15, 4), (15, 8), (30, 8), (60, 12), (120, 20)] {
            for method in METHODS {
                rates(method, before, after, 200, control);
            }
        }
    }
}
