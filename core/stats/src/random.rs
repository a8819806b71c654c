//! Seeded random variates, the same on every machine.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

/// Standard normal, by the method of Box and Muller (1958).
pub(crate) fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
}

/// A Poisson count, by multiplication; above a mean of 60, a rounded normal variate.
#[cfg(test)]
pub(crate) fn poisson(random: &mut ChaCha8Rng, mean: f64) -> f64 {
    if mean > 60.0 {
        return (mean + mean.sqrt() * normal(random)).round().max(0.0);
    }
    let (mut count, mut product) = (0.0, random.random::<f64>());
    while product > (-mean).exp() {
        product *= random.random::<f64>();
        count += 1.0;
    }
    count
}

/// A gamma variate with scale 1 (Marsaglia and Tsang 2000).
#[cfg(test)]
pub(crate) fn gamma(random: &mut ChaCha8Rng, shape: f64) -> f64 {
    if shape < 1.0 {
        let u: f64 = random.random();
        return gamma(random, shape + 1.0) * (1.0 - u).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    loop {
        let x = normal(random);
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        let u: f64 = random.random();
        if v > 0.0 && (1.0 - u).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return d * v;
        }
    }
}
