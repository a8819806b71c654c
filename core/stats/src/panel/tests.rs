use super::*;
use crate::random::normal;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The panel of states and years; `None` without the real data.
fn proposition_99() -> Option<Panel> {
    let Some(folder) = std::env::var_os("RETROCAST_REAL_DATA") else {
        eprintln!("SKIPPED: causal/california_prop99.csv: RETROCAST_REAL_DATA is not set");
        return None;
    };
    let path = std::path::Path::new(&folder).join("causal/california_prop99.csv");
    let text = std::fs::read_to_string(path).expect("real data are there");
    let mut names: Vec<String> = Vec::new();
    let mut rows: Vec<Vec<Option<f64>>> = Vec::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.trim().split(';').collect();
        let (name, year): (_, usize) = (cells[0].to_string(), cells[1].parse().unwrap());
        if !names.contains(&name) {
            names.push(name.clone());
            rows.push(vec![None; 31]);
        }
        let unit = names.iter().position(|known| *known == name).unwrap();
        rows[unit][year - 1970] = cells[2].parse().ok();
    }
    Some(Panel::new(names, &rows, &["California"], 1989 - 1970).unwrap())
}

fn check(got: f64, expected: f64, tolerance: f64) {
    assert!(
        (got - expected).abs() <= tolerance,
        "got {got}, expected {expected}"
    );
}

/// Estimates of Arkhangelsky et al. (2021) and of the program `synthdid`; rank 3 of 39 by the ratio
/// of errors, and the gap of about 26 packs in 2000 of Abadie et al. (2010).
#[test]
fn proposition_99_has_the_published_estimates() {
    let Some(panel) = proposition_99() else {
        return;
    };
    let effect = |method| measure(&panel, method, None).unwrap();
    check(
        effect(Method::DifferenceInDifferences).estimate,
        -27.349,
        0.005,
    );
    check(
        effect(Method::DemeanedSyntheticControl).estimate,
        -11.109,
        0.005,
    );
    let control = effect(Method::SyntheticControl);
    check(control.estimate, -19.514, 0.005);
    check(
        control.observed[30] - control.counterfactual[30],
        -26.6,
        0.05,
    );
    let rank = control.rank.unwrap();
    assert_eq!((rank.rank, rank.units), (3, 39));
    check(rank.floor, 1.0 / 39.0, 1e-12);
    let both = effect(Method::SyntheticDifferenceInDifferences);
    check(both.estimate, -15.605, 0.005);
    for (year, weight) in [(16, 0.366), (17, 0.206), (18, 0.427)] {
        check(both.time_weights[year], weight, 0.001);
    }
    check(both.time_weights.iter().sum(), 1.0, 1e-9);
    let [(first, first_weight), (second, second_weight)] = &both.unit_weights[..2] else {
        panic!("two donors at least");
    };
    assert_eq!(
        (first.as_str(), second.as_str()),
        ("Nevada", "New Hampshire")
    );
    check(*first_weight, 0.124, 0.001);
    check(*second_weight, 0.105, 0.001);
    // The weights are optimal to six digits, so another solver gives the same estimates.
    for result in Method::ALL.map(effect) {
        let largest = 1e-5 * result.pre_rmse.powi(2);
        assert!(result.duality_gap < largest, "{:?}", result.duality_gap);
        assert_eq!(result.inference, Inference::Placebo);
        assert_eq!(result.placebos.len(), 38);
        assert!(result.caveats.is_empty(), "{:?}", result.caveats);
    }
}

/// Dimensions of a generated panel.
#[derive(Clone, Copy)]
struct Dimensions {
    donors: usize,
    treated: usize,
    before: usize,
    after: usize,
}

/// Series with individual levels, noise of standard deviation 1 and autocorrelation .5, an
/// effect on the treated units, and two factors, a random walk and a stationary series, with
/// different loadings for each unit.
fn series(seed: u64, dimensions: Dimensions, effect: f64) -> Vec<Vec<Option<f64>>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let periods = dimensions.before + dimensions.after;
    let autoregressive = |random: &mut ChaCha8Rng| -> Vec<f64> {
        let mut value = normal(random);
        (0..periods)
            .map(|_| {
                value = 0.5 * value + 0.75_f64.sqrt() * normal(random);
                value
            })
            .collect()
    };
    let mut level = 0.0;
    let random_walk: Vec<f64> = (0..periods)
        .map(|_| {
            level += 0.3 * normal(&mut random);
            level
        })
        .collect();
    let common = autoregressive(&mut random);
    (0..dimensions.treated + dimensions.donors)
        .map(|unit| {
            let level = 50.0 + 5.0 * normal(&mut random);
            let shares = [2.0 * random.random::<f64>(), 2.0 * random.random::<f64>()];
            let noise = autoregressive(&mut random);
            let value = |t: usize| {
                let is_changed = unit < dimensions.treated && t >= dimensions.before;
                let effect = if is_changed { effect } else { 0.0 };
                level + shares[0] * random_walk[t] + shares[1] * common[t] + noise[t] + effect
            };
            (0..periods).map(|t| Some(value(t))).collect()
        })
        .collect()
}

fn panel(rows: &[Vec<Option<f64>>], treated: usize, start: usize) -> Result<Panel, PanelError> {
    let names: Vec<String> = (0..rows.len()).map(|unit| format!("unit {unit}")).collect();
    let treated_names: Vec<&str> = names[..treated].iter().map(String::as_str).collect();
    Panel::new(names.clone(), rows, &treated_names, start)
}

/// Share of panels without an effect in which an effect is claimed, share of intervals that contain
/// an effect of 2, and share in which that effect is claimed.
fn rates(
    dimensions: Dimensions,
    method: Method,
    inference: Option<Inference>,
    runs: u64,
) -> [f64; 3] {
    let mut rates = [0.0; 3];
    for seed in 0..runs {
        let measured = [0.0, 2.0].map(|effect| {
            let rows = series(seed, dimensions, effect);
            let panel = panel(&rows, dimensions.treated, dimensions.before).unwrap();
            let result = measure(&panel, method, inference).unwrap();
            let [low, high] = result.interval;
            let excludes = low > 0.0 || high < 0.0;
            assert_eq!(
                excludes,
                result.p < ALPHA,
                "{:?} {}",
                result.interval,
                result.p
            );
            (excludes, low <= effect && effect <= high)
        });
        let counted = [measured[0].0, measured[1].1, measured[1].0];
        for (rate, is_counted) in rates.iter_mut().zip(counted) {
            *rate += f64::from(u8::from(is_counted)) / runs as f64;
        }
    }
    let [false_claims, coverage, power] = rates;
    eprintln!(
        "{} {inference:?}: false claims {false_claims:.3}, coverage {coverage:.3}, power {power:.3}",
        method.name()
    );
    rates
}

fn check_rates(
    dimensions: Dimensions,
    method: Method,
    inference: Inference,
    runs: u64,
    [false_claims_max, power_min]: [f64; 2],
) {
    let [false_claims, coverage, power] = rates(dimensions, method, Some(inference), runs);
    assert!(
        false_claims <= false_claims_max,
        "{} {false_claims}",
        method.name()
    );
    assert!(
        coverage >= 1.0 - false_claims_max,
        "{} {coverage}",
        method.name()
    );
    assert!(power >= power_min, "{} {power}", method.name());
}

const DEFAULT: Dimensions = Dimensions {
    donors: 20,
    treated: 1,
    before: 30,
    after: 8,
};

#[test]
fn placebos_claim_effects_at_the_nominal_rate() {
    for (method, power_min) in [
        (Method::DifferenceInDifferences, 0.4),
        (Method::SyntheticControl, 0.2),
        (Method::SyntheticDifferenceInDifferences, 0.45),
        (Method::DemeanedSyntheticControl, 0.45),
    ] {
        check_rates(DEFAULT, method, Inference::Placebo, 120, [0.09, power_min]);
    }
}

#[test]
fn jackknife_claims_effects_at_the_nominal_rate() {
    let dimensions = Dimensions {
        donors: 30,
        treated: 10,
        ..DEFAULT
    };
    let method = Method::SyntheticDifferenceInDifferences;
    check_rates(dimensions, method, Inference::Jackknife, 60, [0.08, 0.9]);
    let demeaned = Method::DemeanedSyntheticControl;
    check_rates(dimensions, demeaned, Inference::Jackknife, 60, [0.08, 0.9]);
    let dimensions = Dimensions {
        treated: 3,
        ..DEFAULT
    };
    check_rates(dimensions, method, Inference::Placebo, 50, [0.1, 0.8]);
}

#[test]
fn shifts_in_time_need_few_donors() {
    let dimensions = Dimensions {
        donors: 3,
        ..DEFAULT
    };
    let method = Method::DifferenceInDifferences;
    check_rates(dimensions, method, Inference::Conformal, 100, [0.11, 0.3]);
}

/// Names, order and scale of the units do not affect the result.
#[test]
fn names_order_and_scale_do_not_matter() {
    for treated in [1, 3] {
        let dimensions = Dimensions { treated, ..DEFAULT };
        let rows = series(7, dimensions, 1.0);
        let plain = panel(&rows, treated, dimensions.before).unwrap();
        let names: Vec<String> = (0..rows.len())
            .map(|unit| format!("{}", 900 - unit))
            .collect();
        let treated_names: Vec<&str> = names[rows.len() - treated..]
            .iter()
            .map(String::as_str)
            .collect();
        let reordered: Vec<Vec<Option<f64>>> = rows.iter().rev().cloned().collect();
        let reordered =
            Panel::new(names.clone(), &reordered, &treated_names, dimensions.before).unwrap();
        let scaled: Vec<Vec<Option<f64>>> = rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|value| value.map(|value| value * 1024.0))
                    .collect()
            })
            .collect();
        let scaled = panel(&scaled, treated, dimensions.before).unwrap();
        for method in Method::ALL {
            let [plain, reordered, scaled] =
                [&plain, &reordered, &scaled].map(|panel| measure(panel, method, None).unwrap());
            for other in [
                reordered.interval,
                scaled.interval.map(|bound| bound / 1024.0),
            ] {
                check(other[0], plain.interval[0], 1e-4);
                check(other[1], plain.interval[1], 1e-4);
            }
            check(reordered.p, plain.p, 1e-5);
            check(scaled.p, plain.p, 1e-5);
        }
    }
}

#[test]
fn a_mixture_of_donors_is_found() {
    let rows: Vec<Vec<f64>> = series(3, DEFAULT, 0.0)
        .iter()
        .map(|row| row.iter().flatten().copied().collect())
        .collect();
    let target = (0..38).map(|t| {
        let effect = if t < 30 { 0.0 } else { -4.0 };
        Some(0.25 * rows[3][t] + 0.75 * rows[9][t] + effect)
    });
    let mut panels: Vec<Vec<Option<f64>>> = rows
        .iter()
        .map(|row| row.iter().copied().map(Some).collect())
        .collect();
    panels[0] = target.collect();
    let panel = panel(&panels, 1, 30).unwrap();
    let result = measure(&panel, Method::SyntheticControl, None).unwrap();
    check(result.estimate, -4.0, 1e-3);
    check(result.unit_weights[0].1, 0.75, 1e-3);
    assert_eq!(result.unit_weights[0].0, "unit 9");
    assert!(result.pre_rmse < 1e-3);
    let rank = result.rank.unwrap();
    assert_eq!((rank.rank, rank.units), (1, 21));
}

/// Means of two by two cells, computed by hand: (9 - 4) - (7 - 5) = 3.
#[test]
fn difference_in_differences_is_that_of_means() {
    let row = |values: [f64; 4]| values.map(Some).to_vec();
    let rows = [
        row([3.0, 5.0, 8.0, 10.0]),
        row([4.0, 6.0, 6.0, 8.0]),
        row([4.0, 6.0, 6.0, 8.0]),
    ];
    let panel = panel(&rows, 1, 2).unwrap();
    let result = measure(&panel, Method::DifferenceInDifferences, None).unwrap();
    check(result.estimate, 3.0, 1e-12);
    assert_eq!(result.counterfactual, [3.0, 5.0, 5.0, 7.0]);
    let floor = 1.0 / 3.0;
    assert!(
        result
            .caveats
            .contains(&Caveat::FewDonors { donors: 2, floor })
    );
}

#[test]
fn sensitivity_checks_agree_with_a_clear_effect() {
    let rows = series(11, DEFAULT, 5.0);
    let panel = panel(&rows, 1, 30).unwrap();
    let result = measure(&panel, Method::SyntheticDifferenceInDifferences, None).unwrap();
    let spread = result
        .leave_one_out
        .iter()
        .map(|without| (without.estimate - result.estimate).abs());
    assert!(
        spread.fold(0.0, f64::max) < 1.0,
        "{:?}",
        result.leave_one_out
    );
    assert_eq!(result.leave_one_out.len(), result.unit_weights.len());
    assert_eq!(result.leave_one_out[0].unit, result.unit_weights[0].0);
    assert_eq!(result.backdated.len(), 5);
    for backdated in &result.backdated {
        assert!((15..30).contains(&backdated.start), "{backdated:?}");
        assert!(backdated.estimate.abs() < 3.0, "{backdated:?}");
    }
}

#[test]
fn the_dimensions_of_a_panel_decide_the_method() {
    let choice = |donors, before| {
        let dimensions = Dimensions {
            donors,
            before,
            ..DEFAULT
        };
        choose(&panel(&series(1, dimensions, 0.0), 1, before).unwrap()).method
    };
    assert_eq!(choice(20, 30), Method::SyntheticDifferenceInDifferences);
    let many = Dimensions {
        treated: 6,
        ..DEFAULT
    };
    let many = panel(&series(1, many, 0.0), 6, 30).unwrap();
    assert_eq!(choose(&many).method, Method::DemeanedSyntheticControl);
    assert_eq!(choice(20, 3), Method::DifferenceInDifferences);
    assert_eq!(choice(2, 30), Method::DifferenceInDifferences);
    let inference_of = |method, donors, treated, before| {
        let dimensions = Dimensions {
            donors,
            treated,
            before,
            ..DEFAULT
        };
        choice::inference(
            &panel(&series(1, dimensions, 0.0), treated, before).unwrap(),
            method,
        )
    };
    let both = Method::SyntheticDifferenceInDifferences;
    let inference = |donors, treated, before| inference_of(both, donors, treated, before);
    assert_eq!(
        inference_of(Method::SyntheticControl, 20, 8, 30),
        Inference::Placebo
    );
    assert_eq!(inference(20, 1, 30), Inference::Placebo);
    assert_eq!(inference(20, 3, 30), Inference::Placebo);
    assert_eq!(inference(20, 8, 30), Inference::Jackknife);
    assert_eq!(inference(2, 1, 30), Inference::Conformal);
    assert_eq!(inference(2, 1, 6), Inference::Placebo);
}

#[test]
fn invalid_panels_are_rejected() {
    let dimensions = Dimensions {
        donors: 3,
        ..DEFAULT
    };
    let rows = series(1, dimensions, 0.0);
    let names = || ["a", "b", "c", "d"].map(String::from).to_vec();
    let error_of = |rows: &[Vec<Option<f64>>], treated: &[&str], start| {
        Panel::new(names(), rows, treated, start).unwrap_err()
    };
    assert!(matches!(
        error_of(&rows[..3], &["a"], 30),
        PanelError::Names {
            names: 4,
            series: 3
        }
    ));
    assert_eq!(error_of(&rows, &[], 30), PanelError::NoTreated);
    assert_eq!(
        error_of(&rows, &["e"], 30),
        PanelError::TreatedAbsent { name: "e".into() }
    );
    assert_eq!(
        error_of(&rows, &["a", "b", "c", "d"], 30),
        PanelError::NoDonors { units: 4 }
    );
    assert_eq!(
        error_of(&rows, &["a"], 0),
        PanelError::Before { have: 0, need: 1 }
    );
    assert_eq!(
        error_of(&rows, &["a"], 38),
        PanelError::StartOutside {
            start: 38,
            periods: 38
        }
    );
    let single = Panel::new(vec!["a".into()], &rows[..1], &["a"], 30);
    assert_eq!(single.unwrap_err(), PanelError::Units { have: 1 });
    let twice = Panel::new(vec!["a".into(), "a".into()], &rows[..2], &["a"], 30);
    assert_eq!(
        twice.unwrap_err(),
        PanelError::Duplicate { name: "a".into() }
    );
    let error_after = |change: &dyn Fn(&mut Vec<Vec<Option<f64>>>)| {
        let mut rows = rows.clone();
        change(&mut rows);
        error_of(&rows, &["a"], 30)
    };
    for hole in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let error = error_after(&|rows| rows[2][4..6].fill(hole));
        let unit = "c".into();
        assert_eq!(
            error,
            PanelError::Missing {
                unit,
                missing: 2,
                periods: 38,
                first: 4
            }
        );
    }
    let error = error_after(&|rows| rows[1].truncate(30));
    assert_eq!(
        error,
        PanelError::Length {
            unit: "b".into(),
            have: 30,
            need: 38
        }
    );
    let error = error_after(&|rows| rows[0].fill(Some(1.0)));
    assert_eq!(error, PanelError::Constant { unit: "a".into() });
    let error = error_after(&|rows| rows[1..].iter_mut().for_each(|row| row.fill(Some(1.0))));
    assert_eq!(error, PanelError::DonorsConstant);
    let short = panel(&rows, 1, 2).unwrap();
    assert_eq!(
        measure(&short, Method::SyntheticControl, None).unwrap_err(),
        PanelError::Before { have: 2, need: 3 }
    );
    let error = measure(
        &short,
        Method::DifferenceInDifferences,
        Some(Inference::Jackknife),
    );
    assert!(
        matches!(
            error,
            Err(PanelError::Inference {
                have: 1,
                need: 2,
                ..
            })
        ),
        "{error:?}"
    );
}

/// Donors without variation allow a claim only if there are many of them.
#[test]
fn identical_donors_are_weak_evidence() {
    let row = |effect: f64| -> Vec<Option<f64>> {
        (0..12)
            .map(|t| Some(f64::from(t % 5) + if t < 8 { 0.0 } else { effect }))
            .collect()
    };
    for (copies, is_claimed) in [(6, false), (30, true)] {
        let mut rows = vec![row(3.0)];
        rows.extend(std::iter::repeat_n(row(0.0), copies));
        let panel = panel(&rows, 1, 8).unwrap();
        let method = Method::DifferenceInDifferences;
        let result = measure(&panel, method, Some(Inference::Placebo)).unwrap();
        check(result.estimate, 3.0, 1e-9);
        assert_eq!(result.p < ALPHA, is_claimed, "{}", result.p);
        assert_eq!(
            result.interval[0] > 0.0,
            is_claimed,
            "{:?}",
            result.interval
        );
    }
}
