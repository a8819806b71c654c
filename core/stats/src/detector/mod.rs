//! Detectors of anomalies in series of numbers, and their choice by the behaviour of the series.
//!
//! Every method takes evenly spaced finite values and returns one score per value. [`detect`] uses
//! the whole series, [`StreamDetector`] only earlier values. Scores are calibrated: see [`score`].

mod calibrate;
mod forest;
mod gaussian;
mod kmeans;
mod matrix_profile;
mod online;
mod poly;
mod residual;
mod route;
mod spectral;
mod sub_pca;
mod subsequence;

pub use calibrate::score;
pub use online::{StreamDetector, StreamScore};
pub use route::{Behaviour, route};
pub use subsequence::natural_length;

use calibrate::calibrate;

/// Maximum magnitude of a value; larger values are clamped, so that squares are finite.
const SIZE_MAX: f64 = 1e100;

/// Method of detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The default: the methods that suit the behaviour of the series ([`route`]), by vote.
    Router,
    /// Distance from rare principal components of subsequences.
    SubPca,
    /// Distance from a local polynomial.
    Poly,
    /// Distance from the most similar other subsequence.
    MatrixProfile,
    /// Distance from typical subsequences.
    KMeans,
    /// Deviation from the smoothed spectrum.
    SpectralResidual,
    /// Isolation forest on subsequences.
    IsolationForest,
    /// Distance from level plus season.
    SeasonalResidual,
    /// Tail probability among earlier values only.
    WindowedGaussian,
}

impl Method {
    /// All methods, the default first.
    pub const ALL: [Self; 9] = [
        Self::Router,
        Self::SubPca,
        Self::Poly,
        Self::MatrixProfile,
        Self::KMeans,
        Self::SpectralResidual,
        Self::IsolationForest,
        Self::SeasonalResidual,
        Self::WindowedGaussian,
    ];

    /// Name in messages and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::SubPca => "sub-pca",
            Self::Poly => "poly",
            Self::MatrixProfile => "matrix-profile",
            Self::KMeans => "kmeans",
            Self::SpectralResidual => "spectral-residual",
            Self::IsolationForest => "isolation-forest",
            Self::SeasonalResidual => "seasonal-residual",
            Self::WindowedGaussian => "windowed-gaussian",
        }
    }
}

impl std::str::FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let method = Self::ALL.into_iter().find(|method| method.name() == text);
        method.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|method| method.name()).collect();
            format!("no method {text:?}; write one of {}", names.join(", "))
        })
    }
}

/// Scores each value of a whole series from 0 to 1.
///
/// `season` is the number of values in a day or another known period. The scores are reproducible.
pub fn detect(values: &[f64], season: Option<usize>, method: Method) -> Vec<f64> {
    if values.is_empty() {
        return Vec::new();
    }
    let values = &clamp(values)[..];
    match method {
        Method::Router => route(values, season).1,
        Method::SubPca => calibrate(&sub_pca::sub_pca(values, natural_length(values))),
        Method::Poly => calibrate(&poly::poly(values, natural_length(values))),
        Method::MatrixProfile => calibrate(&matrix_profile::matrix_profile(
            values,
            natural_length(values),
        )),
        Method::KMeans => calibrate(&kmeans::kmeans(values, natural_length(values))),
        Method::SpectralResidual => calibrate(&spectral::spectral_residual(values)),
        Method::IsolationForest => calibrate(&forest::forest(values, forest::LENGTH)),
        Method::SeasonalResidual => calibrate(&residual::seasonal_residual(values, season)),
        Method::WindowedGaussian => gaussian::scores(values),
    }
}

fn clamp(values: &[f64]) -> Vec<f64> {
    let clamped = values.iter().map(|value| value.clamp(-SIZE_MAX, SIZE_MAX));
    clamped.collect()
}

/// Seed of random numbers: a hash of the values (FNV-1a: Fowler, Noll and Vo).
fn seed(values: &[f64]) -> u64 {
    let bytes = values
        .iter()
        .flat_map(|value| value.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_scores_every_value_from_0_to_1() {
        let wave = |i: i32| (f64::from(i) * 0.3).sin() + f64::from(i * 7919 % 101) / 300.0;
        for rows in [0, 1, 2, 7, 60, 300] {
            for values in [
                (0..rows).map(wave).collect::<Vec<f64>>(),
                vec![0.0; rows as usize],
                (0..rows).map(|i| wave(i) * 1e-300).collect(),
                (0..rows).map(|i| wave(i) * 1e300).collect(),
            ] {
                for method in Method::ALL {
                    let scores = detect(&values, Some(21), method);
                    assert_eq!(scores.len(), values.len());
                    let name = method.name();
                    let are_scores = scores.iter().all(|score| (0.0..=1.0).contains(score));
                    assert!(are_scores, "{name} {rows}: {scores:?}");
                    assert_eq!(scores, detect(&values, Some(21), method), "{name}");
                    assert_eq!(name.parse(), Ok(method));
                }
            }
        }
        let error = "median".parse::<Method>().unwrap_err();
        assert!(error.starts_with("no method \"median\"; write one of router, sub-pca"));
    }
}
