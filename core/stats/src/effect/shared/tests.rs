//! Effects beside several noisy controls, with and without a shift that all series share.

use super::*;
use crate::{
    counterfactual::DAYS,
    effect::estimate,
    random::{normal, poisson},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A change of all series at once.
#[derive(Clone, Copy, Debug)]
struct Shock {
    factor: f64,
    /// Step of the shock.
    at: usize,
}

const BEFORE: usize = 365;

/// Daily counts of a component and three others that share a movement with memory, the first
/// multiplied by `effect` from the change on.
fn panel(random: &mut ChaCha8Rng, steps: usize, shock: Shock, effect: f64) -> Vec<Vec<f64>> {
    let mut movement = 0.0;
    let mut series = vec![Vec::new(); 4];
    for i in 0..BEFORE + steps {
        movement = 0.6 * movement + 0.08 * normal(random);
        let weekday = if i % 7 < 5 { 1.0 } else { 0.4 };
        let shocked = if i >= shock.at { shock.factor } else { 1.0 };
        let common = f64::exp(movement) * weekday * shocked;
        for (k, level) in [50.0, 80.0, 70.0, 40.0].into_iter().enumerate() {
            let own = if k == 0 && i >= BEFORE { effect } else { 1.0 };
            series[k].push(poisson(random, level * common * own));
        }
    }
    series
}

/// Share of simulations in which an effect is claimed, in which the interval contains the truth,
/// and the mean width of intervals.
fn rates(runs: u64, steps: usize, shock: Shock, effect: f64, agree: bool) -> [f64; 3] {
    let mut rates = [0.0; 3];
    for seed in 0..runs {
        let series = panel(&mut ChaCha8Rng::seed_from_u64(seed), steps, shock, effect);
        let values: Vec<Option<f64>> = series[0].iter().copied().map(Some).collect();
        let regressors: Vec<&[f64]> = series[1..].iter().map(Vec::as_slice).collect();
        let mut design = Design {
            values: &values,
            controls: &[],
            shared: None,
            change: BEFORE,
            end: values.len(),
            begin: 0,
            history: 0,
            period: 7,
            pre_min: 42,
            others: &[],
            year: DAYS,
        };
        let controls: Vec<Control> = regressors
            .iter()
            .map(|values| Control {
                values,
                end: design.end,
            })
            .collect();
        let shared = shared_movement(&design, &controls).filter(|_| agree);
        design.shared = shared.as_ref();
        if shared.is_none() {
            design.controls = &regressors;
        }
        let result = estimate(&design).unwrap();
        let [_, low, high] = result.relative;
        let truth = effect - 1.0;
        rates[0] += f64::from(u8::from(result.p < 0.05)) / runs as f64;
        rates[1] += f64::from(u8::from(low <= truth && truth <= high)) / runs as f64;
        rates[2] += (high - low) / runs as f64;
    }
    rates
}

const SHOCKS: [(&str, Shock); 3] = [
    ("no shock", Shock { factor: 1.0, at: 0 }),
    (
        "shock before",
        Shock {
            factor: 0.8,
            at: BEFORE - 14,
        },
    ),
    (
        "shock with the change",
        Shock {
            factor: 0.8,
            at: BEFORE,
        },
    ),
];

#[test]
#[ignore = "prints a table; takes a minute"]
fn table_of_rates_beside_controls() {
    for agree in [false, true] {
        for (name, shock) in SHOCKS {
            for steps in [14, 30, 60] {
                let [wrong, ..] = rates(100, steps, shock, 1.0, agree);
                let [power, held, width] = rates(100, steps, shock, 0.9, agree);
                eprintln!(
                    "{} {name:22} {steps:3}: wrong {wrong:.3}, power {power:.3}, held {held:.3}, width {width:.3}",
                    if agree { "shared" } else { "regression" }
                );
            }
        }
    }
}

#[test]
#[ignore = "debug"]
fn debug_widths() {
    for seed in 0..6 {
        for (name, shock) in SHOCKS {
            let series = panel(&mut ChaCha8Rng::seed_from_u64(seed), 30, shock, 1.0);
            let values: Vec<Option<f64>> = series[0].iter().copied().map(Some).collect();
            let mut design = Design {
                values: &values,
                controls: &[],
                shared: None,
                change: BEFORE,
                end: values.len(),
                begin: 0,
                history: 0,
                period: 7,
                pre_min: 42,
                others: &[],
                year: DAYS,
            };
            let controls: Vec<Control> = series[1..]
                .iter()
                .map(|values| Control {
                    values,
                    end: design.end,
                })
                .collect();
            let shared = shared_movement(&design, &controls);
            design.shared = shared.as_ref();
            let result = estimate(&design).unwrap();
            let z: Vec<f64> = shared
                .as_ref()
                .map(|s| s.subtract_from(&values).into_iter().flatten().collect())
                .unwrap_or_default();
            eprintln!(
                "{seed} {name}: {:?} absolute {:.2?} factor {:.2} jackknife sd {:?} z sd {:.2} y sd {:.2}",
                shared.is_some(),
                result.absolute,
                result.calibration.factor,
                shared.as_ref().map(|s| s.variance.sqrt()),
                crate::describe::sd(&decompose(&z[..BEFORE], 7).remainder),
                crate::describe::sd(&decompose(&series[0][..BEFORE], 7).remainder)
            );
        }
    }
}

#[test]
fn a_movement_of_all_series_is_no_effect() {
    for (name, shock) in SHOCKS {
        let [wrong, ..] = rates(100, 30, shock, 1.0, true);
        let [power, held, width] = rates(100, 30, shock, 0.8, true);
        eprintln!("{name}: wrong {wrong}, power {power}, held {held}, width {width:.3}");
        assert!(wrong <= 0.09, "{name}: {wrong}");
        assert!(held >= 0.9, "{name}: {held}");
        assert!(power >= 0.95, "{name}: {power}");
    }
}
