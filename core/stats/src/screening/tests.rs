use super::*;
use crate::random::normal;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const WEEK: [f64; 7] = [8.0, 4.0, 2.0, 0.0, -2.0, -6.0, -6.0];

/// Daily values of level 100 with a weekly season and noise of standard deviation 10 and
/// autocorrelation .5, plus `effect` of each day.
fn daily_values(seed: u64, n: usize, effect: impl Fn(usize) -> f64) -> Vec<Option<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = 10.0 * normal(&mut random);
    (0..n)
        .map(|i| {
            noise = 0.5 * noise + 10.0 * 0.75_f64.sqrt() * normal(&mut random);
            Some(100.0 + WEEK[i % 7] + noise + effect(i))
        })
        .collect()
}

fn single_changes(steps: impl IntoIterator<Item = usize>) -> Vec<Change<'static>> {
    let change = |step| Change {
        step,
        series: None,
        switch: None,
    };
    steps.into_iter().map(change).collect()
}

fn screen_all(all: &[Vec<Option<f64>>], changes: &[Change]) -> Screening {
    let series: Vec<Series> = all
        .iter()
        .map(|values| Series { values, season: 7 })
        .collect();
    screen(&series, changes, Adjustment::default())
}

fn claims(screening: &Screening) -> Vec<&ChangeEffect> {
    screening
        .effects
        .iter()
        .filter(|effect| effect.adjusted < 0.05)
        .collect()
}

#[test]
fn changes_without_effect_are_not_claimed() {
    let changes = single_changes((20..780).step_by(5));
    let mut wrong = 0;
    for seed in 0..40 {
        let all: Vec<_> = (0..5)
            .map(|i| daily_values(100 * seed + i, 800, |_| 0.0))
            .collect();
        let screening = screen_all(&all, &changes);
        assert_eq!(screening.effects.len(), 5 * changes.len());
        wrong += usize::from(!claims(&screening).is_empty());
    }
    assert!(wrong <= 4, "{wrong} of 40");
}

#[test]
fn only_planted_steps_are_found() {
    let changes = single_changes((20..780).step_by(10));
    let (mut found, mut wrong) = (0, 0);
    for seed in 0..20 {
        // Each step lasts until the next step.
        let steps = |i: usize| match i {
            200..320 => -20.0,
            320..500 => 0.0,
            500.. => 20.0,
            _ => 0.0,
        };
        let screening = screen_all(&[daily_values(seed, 800, steps)], &changes);
        let claims = claims(&screening);
        for real in [200, 320, 500] {
            let hit = claims
                .iter()
                .any(|claim| changes[claim.change].step == real);
            found += usize::from(hit);
        }
        wrong += claims
            .iter()
            .filter(|claim| {
                let named = claim.inseparable.iter().chain([&claim.change]);
                let mut named = named.map(|change| changes[*change].step);
                !named.any(|step| [200, 320, 500].contains(&step))
            })
            .count();
    }
    assert!(found >= 54, "{found} of 60");
    assert!(wrong <= 2, "{wrong}");
}

#[test]
fn the_size_of_a_step_is_measured() {
    let changes = single_changes([60, 150, 240]);
    let covered = (0..60)
        .filter(|seed| {
            let step = |i: usize| if i >= 150 { -20.0 } else { 0.0 };
            let screening = screen_all(&[daily_values(*seed, 300, step)], &changes);
            let [_, low, high] = screening.effects[1].effect;
            low <= -20.0 && -20.0 <= high
        })
        .count();
    assert!(covered >= 52, "{covered} of 60");
}

#[test]
fn changes_on_neighbouring_days_are_inseparable() {
    let step = |i: usize| if i >= 150 { -20.0 } else { 0.0 };
    let changes = single_changes([60, 150, 151, 240]);
    let screening = screen_all(&[daily_values(1, 300, step)], &changes);
    let [far, first, second, _] = &screening.effects[..] else {
        panic!("{screening:?}");
    };
    assert_eq!(
        (&first.inseparable[..], &second.inseparable[..]),
        (&[2][..], &[1][..])
    );
    assert!(first.adjusted < 0.05 && first.adjusted == second.adjusted);
    assert!(far.inseparable.is_empty() && far.adjusted > 0.05, "{far:?}");
    // Two changes of one day are one date.
    let screening = screen_all(&[daily_values(1, 300, step)], &single_changes([150, 150]));
    assert_eq!(screening.effects[0].inseparable, [1]);
    assert_eq!(screening.effects[0].adjusted, screening.effects[1].adjusted);
}

/// A switch with an effect of a tenth is found over all its dates, although the effect is too small
/// to be found at a single date.
#[test]
fn switches_of_a_kind_are_measured_together() {
    let on = |i: usize| (i / 40) % 2 == 1;
    let switch = |step: usize| {
        Some(Switch {
            kind: "cache",
            on: on(step),
        })
    };
    let changes: Vec<Change> = (1..20)
        .map(|i| Change {
            step: 40 * i,
            series: None,
            switch: switch(40 * i),
        })
        .collect();
    let (mut found, mut false_claims) = (0, 0);
    for seed in 0..40 {
        for effect in [-10.0, 0.0] {
            let values = daily_values(seed, 800, |i| if on(i) { effect } else { 0.0 });
            let screening = screen_all(&[values], &changes);
            assert!(screening.effects.is_empty());
            let [kind] = &screening.kinds[..] else {
                panic!("{screening:?}");
            };
            assert_eq!((kind.kind.as_str(), kind.changes), ("cache", 19));
            let count = if effect == 0.0 {
                &mut false_claims
            } else {
                &mut found
            };
            *count += usize::from(kind.adjusted < 0.05);
        }
    }
    assert!(found >= 36 && false_claims <= 5, "{found} {false_claims}");
}

#[test]
fn degenerate_series_do_not_panic() {
    let constant = vec![Some(3.0); 100];
    let short = vec![Some(1.0); 5];
    let unknown = vec![None; 100];
    let mut huge = vec![Some(1e300); 100];
    huge[50] = Some(-1e300);
    let missing: Vec<Option<f64>> = (0..100)
        .map(|i| (i % 2 == 0).then_some(f64::from(i)))
        .collect();
    let all = [constant, short, unknown, huge, missing, Vec::new()];
    let mut changes = single_changes([0, 1, 2, 50, 50, 99, 100, usize::MAX]);
    changes.push(Change {
        step: 40,
        series: None,
        switch: Some(Switch {
            kind: "a",
            on: true,
        }),
    });
    for adjustment in [
        Adjustment::BenjaminiHochberg,
        Adjustment::BenjaminiYekutieli,
    ] {
        for season in [0, 1, 7, 90, usize::MAX] {
            let series: Vec<Series> = all.iter().map(|values| Series { values, season }).collect();
            let screening = screen(&series, &changes, adjustment);
            for effect in &screening.effects {
                assert!(
                    !effect.p.is_nan() && effect.adjusted >= effect.p,
                    "{effect:?}"
                );
            }
        }
    }
    assert_eq!(
        screen(&[], &changes, Adjustment::default()),
        Screening::default()
    );
    assert!(screen_all(&all, &[]).effects.is_empty());
}

#[test]
#[ignore = "prints a table; takes half a minute"]
fn table_of_a_thousand_changes_on_twenty_series() {
    let days = 1500;
    let changes = single_changes((0..1000).map(|i| 30 + i * 1440 / 1000));
    // Every planted step lasts 150 days, and is 20 % of the level.
    let is_low = |i: usize| (200..1400).contains(&i) && ((i - 200) / 150).is_multiple_of(2);
    for effect in [0.0, -20.0] {
        let begin = std::time::Instant::now();
        let all: Vec<_> = (0..20)
            .map(|seed| daily_values(seed, days, |i| if is_low(i) { effect } else { 0.0 }))
            .collect();
        let screening = screen_all(&all, &changes);
        let claims = claims(&screening);
        let is_step = |i: usize| i > 0 && is_low(i) != is_low(i - 1);
        let names_a_step = |claim: &&&ChangeEffect| {
            let named = claim.inseparable.iter().chain([&claim.change]);
            named.map(|change| changes[*change].step).any(|step| {
                // Half of the days have no change.
                is_step(step) || is_step(step + 1) || is_step(step.saturating_sub(1))
            })
        };
        let right = claims.iter().filter(names_a_step).count();
        let steps: Vec<usize> = (0..days).filter(|i| is_step(*i)).collect();
        let found = (0..20)
            .flat_map(|series| steps.iter().map(move |step| (series, *step)))
            .filter(|(series, step)| {
                claims.iter().any(|claim| {
                    let named = claim.inseparable.iter().chain([&claim.change]);
                    claim.series == *series
                        && named
                            .map(|change| changes[*change].step)
                            .any(|at| at.abs_diff(*step) <= 1)
                })
            })
            .count();
        eprintln!(
            "effect {effect}: {} claims, {} of them false, {found} of {} steps found, {:.1} s",
            claims.len(),
            claims.len() - right,
            20 * steps.len(),
            begin.elapsed().as_secs_f64()
        );
    }
}
