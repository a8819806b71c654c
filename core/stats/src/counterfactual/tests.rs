//! Compares forecasts with published figures and with simulated series.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn known(values: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
    values.into_iter().map(Some).collect()
}

fn model(memory: f64, innovation_variance: f64, noise_variance: f64) -> Model {
    Model {
        memory,
        innovation_variance,
        walk_variance: 0.0,
        noise_variance,
        slope: None,
        waves: None,
        weight: 1.0,
    }
}

/// Without autocorrelation this is ordinary regression on a constant: the mean, with variance
/// s²/n from the estimate and s²/h from the noise of h steps.
#[test]
fn noise_without_memory_gives_the_textbook_mean() {
    let values = known([4.0, 6.0, 5.0, 7.0, 3.0, 5.0, 6.0, 4.0]);
    let models = [model(0.0, 0.0, 1.0)];
    let result =
        forecast(&models, Sample::even(&values), &[], 1, &[0.5; 2], true).expect("a forecast");
    let (s2, part) = (12.0 / 7.0, result.parts[0]);
    assert!((part.mean - 5.0).abs() < 1e-12);
    assert!((part.parameter_variance - s2 / 8.0).abs() < 1e-12);
    assert!((part.noise - s2 / 2.0).abs() < 1e-12);
    assert_eq!(part.freedom, 7.0);
    assert!((result.variance[1] - s2 * (1.0 + 1.0 / 8.0)).abs() < 1e-12);
}

/// The covariance matrix of an autoregression, solved as one system.
#[test]
fn an_autoregression_agrees_with_its_covariance_matrix() {
    let (memory, n, horizon) = (0.6_f64, 9, 4);
    let y = [3.0, 5.0, 4.5, 2.0, 1.0, 2.5, 6.0, 5.5, 4.0];
    let covariance = |i: usize, j: usize| memory.powi(i.abs_diff(j) as i32);
    // V^-1 of an autoregression is banded: apply it by whitening.
    let whiten = |x: &[f64]| -> Vec<f64> {
        let root = (1.0 - memory * memory).sqrt();
        (0..n)
            .map(|i| {
                if i == 0 {
                    x[0]
                } else {
                    (x[i] - memory * x[i - 1]) / root
                }
            })
            .collect()
    };
    let (ones, ys) = (whiten(&[1.0; 9]), whiten(&y));
    let mean = dot(&ones, &ys) / dot(&ones, &ones);
    let rest: Vec<f64> = ys.iter().zip(&ones).map(|(y, x)| y - mean * x).collect();
    let s2 = dot(&rest, &rest) / 8.0;
    let share = (1..=horizon).map(|h| memory.powi(h)).sum::<f64>() / f64::from(horizon);
    let expected = mean + share * (y[n - 1] - mean);
    // Given the last value, the rest of the past has no influence on the future.
    let given = |i: usize, j: usize| covariance(i, j) - covariance(i, n - 1) * covariance(j, n - 1);
    let steps = n..n + horizon as usize;
    let noise: f64 = steps
        .clone()
        .flat_map(|i| steps.clone().map(move |j| (i, j)))
        .map(|(i, j)| given(i, j))
        .sum::<f64>()
        / f64::from(horizon).powi(2);
    let learned = (1.0 - share).powi(2) / dot(&ones, &ones);

    let models = [model(memory, 1.0 - memory * memory, 0.0)];
    let weights = vec![1.0 / f64::from(horizon); horizon as usize];
    let values = known(y);
    let result =
        forecast(&models, Sample::even(&values), &[], 1, &weights, true).expect("a forecast");
    let part = result.parts[0];
    assert!((part.mean - expected).abs() < 1e-12, "{part:?} {expected}");
    let variance = part.parameter_variance + part.noise;
    assert!(
        (variance - s2 * (noise + learned)).abs() < 1e-12,
        "{part:?} {noise} {learned}"
    );
    let average = result.mean.iter().sum::<f64>() / f64::from(horizon);
    assert!((average - part.mean).abs() < 1e-12);
}

#[test]
fn season_and_control_are_extrapolated_and_gaps_are_skipped() {
    let control: Vec<f64> = (0..80).map(|i| f64::from(i * 37 % 11)).collect();
    let season = [3.0, 0.0, 0.0, -1.0, 0.0, -1.0, -1.0];
    let truth = |i: usize| 20.0 + season[i % 7] + 0.5 * control[i];
    let jitter = |i: usize| f64::from((i * 7919 % 10) as u8) * 0.002;
    let mut values = known((0..70).map(|i| truth(i) + jitter(i)));
    values[30] = None;
    let models = weigh(Sample::even(&values), &[&control], 7);
    let result = forecast(
        &models,
        Sample::even(&values),
        &[&control],
        7,
        &[0.1; 10],
        true,
    )
    .expect("one");
    for (i, mean) in result.mean.iter().enumerate() {
        let truth = truth(70 + i);
        assert!((mean - truth).abs() < 0.05, "{i}: {mean} {truth}");
    }
    assert!((result.fitted[30] - truth(30)).abs() < 0.1);
}

#[test]
fn intervals_of_a_wandering_level_widen_with_the_horizon() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut level = 0.0;
    let values = known((0..200).map(|_| {
        level += random.random::<f64>() - 0.5;
        level
    }));
    let models = weigh(Sample::even(&values), &[], 1);
    let result = forecast(
        &models,
        Sample::even(&values),
        &[],
        1,
        &[1.0 / 30.0; 30],
        true,
    )
    .expect("a forecast");
    assert!(result.variance[29] > 5.0 * result.variance[0]);
    assert!(
        models
            .iter()
            .all(|model| model.memory > 0.9 || model.walk_variance > 0.1),
        "{models:?}"
    );
}

#[test]
fn collinear_regressors_are_rejected() {
    let control: Vec<f64> = (0..40).map(f64::from).collect();
    let values = known((0..30).map(|i| f64::from(i * 7 % 5)));
    let controls: [&[f64]; 2] = [&control, &control];
    assert!(weigh(Sample::even(&values), &controls, 7).is_empty());
}

/// Means of records with independent errors are regressed by weights, as in a textbook: the
/// weighted mean, with variance s²/Σn from the estimate and s²/Σm from the noise of later records.
#[test]
fn means_of_records_are_weighted_by_their_number() {
    let values = known([4.0, 6.0, 5.0, 9.0]);
    let records = [10.0, 20.0, 40.0, 10.0, 5.0, 15.0];
    let noise = records.map(|n| 20.0 / n);
    let sample = Sample {
        values: &values,
        noise: &noise,
    };
    let models = [model(0.0, 0.0, 1.0)];
    let result = forecast(&models, sample, &[], 1, &[0.25, 0.75], true).expect("a forecast");
    let pairs = || values.iter().flatten().zip(&records);
    let total: f64 = records[..4].iter().sum();
    let mean = pairs().map(|(y, n)| y * n).sum::<f64>() / total;
    let s2 = pairs().map(|(y, n)| n * (y - mean).powi(2)).sum::<f64>() / 3.0;
    let part = result.parts[0];
    assert!((part.mean - mean).abs() < 1e-12);
    assert!((part.parameter_variance - s2 / total).abs() < 1e-12);
    assert!((part.noise - s2 / 20.0).abs() < 1e-12);
}
