//! Values that are means of records.

use super::*;

/// Records of a series whose values are means: 40 on working days, a few on weekends.
fn means_of_records(
    random: &mut ChaCha8Rng,
    days: usize,
    effect: impl Fn(usize) -> f64,
) -> (Vec<Option<f64>>, Vec<f64>) {
    (0..days)
        .map(|day| {
            let records = match day % 7 {
                5 | 6 => 1 + poisson(random, 1.0) as usize,
                _ => 40,
            };
            let sum: f64 = (0..records).map(|_| 120.0 + 60.0 * normal(random)).sum();
            (Some(sum / records as f64 + effect(day)), records as f64)
        })
        .unzip()
}

/// The effect on a mean is that of its records, not of its days: a day of one record hardly counts.
#[test]
fn days_of_means_count_by_their_records() {
    let mut random = ChaCha8Rng::seed_from_u64(28);
    let (mut values, mut exposure) =
        means_of_records(&mut random, 140, |day| if day >= 126 { 30.0 } else { 0.0 });
    (values[131], exposure[131]) = (Some(900.0), 1.0);
    let weighted = estimate(&Design {
        exposure: &exposure,
        ..design(&values, &[], 126, 7)
    })
    .unwrap();
    let total = |range: std::ops::Range<usize>| {
        let sum: f64 = range
            .clone()
            .map(|i| values[i].unwrap() * exposure[i])
            .sum();
        sum / exposure[range].iter().sum::<f64>()
    };
    assert!((weighted.before - total(0..126)).abs() < 1e-9);
    assert!((weighted.after - total(126..140)).abs() < 1e-9);
    let [effect, low, high] = weighted.absolute;
    assert!(
        (effect - 30.0).abs() < 8.0 && low > 15.0 && high < 45.0,
        "{low} {effect} {high}"
    );
    let by_days = estimate(&design(&values, &[], 126, 7)).unwrap().absolute;
    assert!(high - low < 0.5 * (by_days[2] - by_days[1]), "{by_days:?}");
}

/// Without an effect, one in twenty is called significant, with or without errors common to the
/// records of a day.
#[test]
fn weighted_means_keep_the_level_of_the_test() {
    for common in [0.0, 10.0] {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let runs = 150;
        let claims = (0..runs)
            .filter(|_| {
                let (mut values, exposure) = means_of_records(&mut random, 112, |_| 0.0);
                for value in values.iter_mut().flatten() {
                    *value += common * normal(&mut random);
                }
                let design = Design {
                    exposure: &exposure,
                    pre_min: 42,
                    ..design(&values, &[], 98, 7)
                };
                estimate(&design).unwrap().p < 0.05
            })
            .count();
        eprintln!("common {common}: {claims} of {runs}");
        // Binomial bounds at 1 in 1000.
        assert!(claims <= 17, "{common}: {claims}");
    }
}

/// A weekday that is always closed does not prevent a measurement, and one that opens only after
/// the change is not compared.
#[test]
fn a_day_of_the_week_without_values_is_left_out() {
    for closed in 0..7 {
        let mut random = ChaCha8Rng::seed_from_u64(253);
        let values: Vec<Option<f64>> = (0..200)
            .map(|day| {
                let value = 60.0 + f64::from(u8::from(day >= 170)) * -20.0 + normal(&mut random);
                (day % 7 != closed || day > 190).then_some(value)
            })
            .collect();
        let effect = estimate(&design(&values, &[], 170, 7)).expect("an estimate");
        assert!(
            (effect.absolute[0] + 20.0).abs() < 1.0,
            "{:?}",
            effect.absolute
        );
        assert!(
            effect.absolute[2] - effect.absolute[1] < 3.0,
            "{:?}",
            effect.absolute
        );
    }
}
