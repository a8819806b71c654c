//! Spectral residual: deviation from the smoothed spectrum.
//!
//! Ren et al., "Time-Series Anomaly Detection Service at Microsoft", KDD 2019: the logarithm of the
//! amplitude spectrum minus its running mean, transformed back, is large where the series differs
//! from its other parts. As in TSB-AD it is computed over the whole series, with a running mean
//! over 100 frequencies. The series is mirrored at its end, up to a power of two, so that the jump
//! from its end to its start is not an anomaly.
//!
//! Limits: finds single points and steps; long anomalies only at their edges.

use std::f64::consts::TAU;

/// Number of frequencies of the running mean.
const FREQUENCIES: usize = 100;

/// Raw score of each value.
pub fn spectral_residual(values: &[f64]) -> Vec<f64> {
    let rows = values.len();
    if rows < 4 {
        return vec![0.0; rows];
    }
    let size = rows.next_power_of_two();
    let mean = crate::describe::mean(values);
    let mirrored = values.iter().chain(values.iter().rev());
    let mut spectrum: Vec<Complex> = mirrored
        .take(size)
        .map(|value| Complex(value - mean, 0.0))
        .collect();
    transform(&mut spectrum);
    let amplitudes: Vec<f64> = spectrum.iter().map(|c| c.0.hypot(c.1)).collect();
    let greatest = amplitudes.iter().copied().fold(0.0, f64::max);
    if greatest <= 0.0 {
        return vec![0.0; rows];
    }
    let floor = 1e-12 * greatest;
    let logs: Vec<f64> = amplitudes.iter().map(|a| a.max(floor).ln()).collect();
    let smooth = super::subsequence::smoothed(&logs, FREQUENCIES.min(size));
    for ((c, amplitude), smooth) in spectrum.iter_mut().zip(&amplitudes).zip(&smooth) {
        // Amplitude exp(log - smooth) with the old phase, conjugated, so that the forward transform
        // inverts it.
        let factor = (-smooth).exp() * amplitude.max(floor) / amplitude.max(f64::MIN_POSITIVE);
        *c = Complex(c.0 * factor, -c.1 * factor);
    }
    transform(&mut spectrum);
    let series = spectrum.iter().take(rows);
    series.map(|c| c.0.hypot(c.1) / size as f64).collect()
}

/// Real and imaginary part.
#[derive(Clone, Copy)]
struct Complex(f64, f64);

/// Discrete Fourier transform in place (Cooley and Tukey, 1965); the length is a power of two.
fn transform(values: &mut [Complex]) {
    let size = values.len();
    let bits = size.trailing_zeros();
    for index in 0..size {
        let mirrored = index.reverse_bits() >> (usize::BITS - bits);
        if index < mirrored {
            values.swap(index, mirrored);
        }
    }
    let mut half = 1;
    while half < size {
        let twiddles: Vec<Complex> = (0..half)
            .map(|k| {
                let angle = -TAU * k as f64 / (2 * half) as f64;
                Complex(angle.cos(), angle.sin())
            })
            .collect();
        for block in values.chunks_exact_mut(2 * half) {
            let (even, odd) = block.split_at_mut(half);
            for ((a, b), twiddle) in even.iter_mut().zip(odd).zip(&twiddles) {
                let turned = Complex(
                    b.0 * twiddle.0 - b.1 * twiddle.1,
                    b.0 * twiddle.1 + b.1 * twiddle.0,
                );
                *b = Complex(a.0 - turned.0, a.1 - turned.1);
                *a = Complex(a.0 + turned.0, a.1 + turned.1);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_agrees_with_its_definition() {
        let values: Vec<f64> = (0..16).map(|i| f64::from(i * i % 7)).collect();
        let mut fast: Vec<Complex> = values.iter().map(|v| Complex(*v, 0.0)).collect();
        transform(&mut fast);
        for (k, c) in fast.iter().enumerate() {
            let angle = |i: usize| -TAU * (i * k) as f64 / 16.0;
            let real: f64 = (0..16).map(|i| values[i] * angle(i).cos()).sum();
            let imaginary: f64 = (0..16).map(|i| values[i] * angle(i).sin()).sum();
            assert!((c.0 - real).abs() < 1e-9 && (c.1 - imaginary).abs() < 1e-9);
        }
    }

    #[test]
    fn a_spike_in_a_wave_has_the_highest_score() {
        let mut values: Vec<f64> = (0..1500).map(|i| (f64::from(i) * 0.1).sin()).collect();
        values[700] += 2.0;
        let scores = spectral_residual(&values);
        let greatest = (0..1500).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert_eq!(greatest, Some(700));
        assert_eq!(spectral_residual(&[2.0; 9]), [0.0; 9]);
        assert_eq!(spectral_residual(&[2.0; 2]), [0.0; 2]);
    }
}
