//! Published figures, exact p-values, and the rate of false drift.

use super::*;

fn repeat_names<'a>(counts: &[(&'a str, usize)]) -> Vec<&'a str> {
    let repeat = |(name, n): &(&'a str, usize)| vec![*name; *n];
    counts.iter().flat_map(repeat).collect()
}

fn assert_close(got: f64, expected: f64, digit: f64) {
    assert!((got - expected).abs() <= digit / 2.0, "{got} {expected}");
}

/// Figures of Evidently's unit tests.
#[test]
fn published_figures_of_counts_are_reproduced() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let sample = |counts: [usize; 6]| -> Vec<&str> {
        repeat_names(&names.into_iter().zip(counts).collect::<Vec<_>>())
    };
    let (reference, current) = (
        sample([16, 18, 16, 14, 12, 12]),
        sample([16, 16, 16, 16, 16, 8]),
    );
    let comparison = compare_categories(&reference, &current).unwrap();
    assert_close(comparison.p, 0.67309, 1e-5);
    // Evidently prints this figure without rounding.
    assert_close(comparison.distances.hellinger, 0.068_125, 1e-5);
    assert_eq!(comparison.measure, Measure::ChiSquare);
    assert!(!comparison.drifted);
}

#[test]
fn the_size_of_the_reference_decides_the_measure() {
    let ramp = |n: usize, shift: f64| -> Vec<f64> {
        (0..n).map(|i| (i * 37 % 101) as f64 + shift).collect()
    };
    let small = compare_numbers(&ramp(1000, 0.0), &ramp(1000, 2.9)).unwrap();
    assert_eq!(small.measure, Measure::KolmogorovSmirnov);
    let large = compare_numbers(&ramp(1001, 0.0), &ramp(1001, 2.9)).unwrap();
    assert_eq!(large.measure, Measure::Wasserstein);
    assert_close(large.wasserstein.unwrap(), 2.9 / 29.15, 1e-3);
    assert!(!large.drifted);
    assert!(
        compare_numbers(&ramp(1001, 0.0), &ramp(1001, 3.0))
            .unwrap()
            .drifted
    );
    let coin = |n: usize, heads: usize| -> Vec<f64> {
        (0..n).map(|i| f64::from(u8::from(i < heads))).collect()
    };
    let shares = compare_numbers(&coin(100, 50), &coin(100, 65)).unwrap();
    assert_eq!(shares.measure, Measure::Share);
    assert_close(shares.p, 0.0319, 1e-4);
    let large = compare_numbers(&coin(2000, 1000), &coin(2000, 1300)).unwrap();
    assert_eq!(large.measure, Measure::JensenShannon);
    let names = |c: usize| repeat_names(&[("a", 60 - c), ("b", 40), ("c", c)]);
    let new = compare_categories(&names(0), &names(20)).unwrap();
    assert!(new.drifted && new.chi_square.unwrap().is_finite());
    // A new value in one row of a hundred may be chance.
    assert!(!compare_categories(&names(0), &names(1)).unwrap().drifted);
    assert!(compare_numbers(&[], &[1.0]).is_none());
}

/// Pairs of equal distributions drift at the nominal rate at most, whatever the sizes.
#[test]
fn equal_distributions_seldom_drift() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let labels: Vec<String> = (0..100).map(|i| format!("c{i}")).collect();
    // Number of categories (0 for normal numbers), rows before and after.
    for (categories, before, after) in [
        (0, 500, 500),
        (0, 2000, 50),
        (0, 5, 5),
        (0, 1001, 1001),
        (2, 500, 500),
        (8, 500, 500),
        (8, 500, 5000),
        (20, 500, 500),
        (100, 2000, 2000),
    ] {
        let mut drifted = 0;
        for _ in 0..200 {
            let comparison = if categories == 0 {
                let mut sample = |n: usize| -> Vec<f64> {
                    (0..n).map(|_| crate::random::normal(&mut random)).collect()
                };
                compare_numbers(&sample(before), &sample(after))
            } else {
                let mut sample = |n: usize| -> Vec<&str> {
                    // Smaller numbers are more frequent.
                    let mut draw = || {
                        let share: f64 = random.random();
                        (share * share * f64::from(categories)) as usize
                    };
                    (0..n).map(|_| labels[draw()].as_str()).collect()
                };
                compare_categories(&sample(before), &sample(after))
            };
            drifted += usize::from(comparison.is_some_and(|found| found.drifted));
        }
        eprintln!("{categories} categories, {before} and {after} rows: {drifted} of 200");
        assert!(drifted <= 18, "{categories} {before} {after}: {drifted}");
    }
}

#[test]
fn the_scale_of_numbers_does_not_matter() {
    let sample = |scale: f64, shift: f64| -> Vec<f64> {
        (0..3000)
            .map(|i| scale * (f64::from(i * 37 % 101) / 29.0 + shift))
            .collect()
    };
    for scale in [1e-9, 1.0, 1e9] {
        let shifted = compare_numbers(&sample(scale, 0.0), &sample(scale, 5.0)).unwrap();
        assert!(shifted.drifted, "{scale}");
        assert_close(shifted.wasserstein.unwrap(), 4.97, 0.05);
    }
}

/// Exact p-values by counting the orders of small samples: of the 20 orders of three and three,
/// two have the distribution functions one apart, and twelve at least two thirds.
#[test]
fn small_samples_have_exact_p_values() {
    let (statistic, p) = kolmogorov_smirnov(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]);
    assert_eq!(statistic, 1.0);
    assert_close(p, 0.1, 1e-12);
    let (statistic, p) = kolmogorov_smirnov(&[1.0, 2.0, 5.0], &[4.0, 6.0, 7.0]);
    assert_close(statistic, 2.0 / 3.0, 1e-12);
    assert_close(p, 0.6, 1e-12);
    assert_eq!(kolmogorov_smirnov(&[1.0; 5], &[1.0; 9]), (0.0, 1.0));
    // Exact and asymptotic p-values meet.
    let ramp = |n: usize, shift: f64| (0..n).map(|i| i as f64 / n as f64 + shift).collect();
    let (a, b): (Vec<f64>, Vec<f64>) = (ramp(1000, 0.0), ramp(1000, 0.05));
    let (d, p) = kolmogorov_smirnov(&a, &b);
    let z: f64 = d * 500f64.sqrt();
    assert_close(p, 2.0 * (-2.0 * z * z).exp(), 0.02);
}

#[test]
fn wasserstein_is_the_area_between_distribution_functions() {
    assert_close(wasserstein(&[0.0, 1.0, 3.0], &[5.0, 6.0, 8.0]), 5.0, 1e-12);
    assert_close(wasserstein(&[0.0, 1.0], &[0.0]), 0.5, 1e-12);
    assert_eq!(wasserstein(&[2.0, 2.0], &[2.0]), 0.0);
}

/// The first against the second half of the taxi rides of the Numenta benchmark.
#[test]
fn published_figures_of_taxi_rides_are_reproduced() {
    let Some(folder) = std::env::var_os("RETROCAST_REAL_DATA") else {
        eprintln!("SKIPPED: nab/nyc_taxi: RETROCAST_REAL_DATA is not set");
        return;
    };
    let path = std::path::Path::new(&folder).join("nab/data/realKnownCause/nyc_taxi.csv");
    let text = std::fs::read_to_string(path).expect("real data are there");
    let values: Vec<f64> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap().parse().unwrap())
        .collect();
    let comparison = compare_numbers(&values[..5160], &values[5160..]).unwrap();
    eprintln!("{comparison:?}");
    assert_close(comparison.distances.psi, 0.0347, 1e-4);
    assert_close(comparison.distances.kl, 0.0170, 1e-4);
    assert_close(comparison.distances.jensen_shannon, 0.0665, 1e-4);
    assert_close(comparison.wasserstein.unwrap(), 0.0701, 1e-4);
    assert_close(comparison.ks.unwrap(), 0.04341, 1e-5);
    assert_close(comparison.p, 1.2e-4, 1e-5);
    assert!(!comparison.drifted);
}
