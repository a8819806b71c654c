//! The season of the year in a series of at least two years.
//!
//! A year of records cannot tell a season from a change; from two years on, what repeats is a
//! season. It is a sum of waves (harmonic regression: Harvey 1989, section 2.3), fitted together
//! with a level that bends once a year and may step, so that neither growth nor a change is taken
//! for a season.

use crate::{
    change_point::best_split,
    linear::{backward, cholesky, forward},
};
use std::f64::consts::TAU;

/// Minimum number of years.
const YEARS_MIN: f64 = 2.0;
/// Minimum share of known values.
const KNOWN_MIN: f64 = 0.8;
/// Minimum share of the variation between the months of a year that the other years predict. Noise
/// is predicted worse than by nothing at all, so its share is negative.
const PREDICTED_MIN: f64 = 0.3;
/// Maximum number of steps of the level.
const STEPS_MAX: usize = 3;
/// Minimum gain of a step, in twice the log-likelihood.
const STEP_GAIN_MIN: f64 = 20.0;
/// Minimum difference of Schwarz's criterion in favour of a season: steps of the level repeat in
/// two years by chance. Very strong evidence starts at 10 (Kass and Raftery 1995).
const EVIDENCE_MIN: f64 = 10.0;
/// Minimum seasonal factor.
const FACTOR_MIN: f64 = 0.1;

/// The season of the year, one number for each value of the series.
#[derive(Debug, Clone, PartialEq)]
pub enum YearlySeason {
    /// Differences from the level.
    Differences(Vec<f64>),
    /// Ratios to the level, for series without negative values.
    Factors(Vec<f64>),
}

impl YearlySeason {
    /// A value without the season at its index.
    pub fn remove(&self, index: usize, value: f64) -> f64 {
        match self {
            Self::Differences(season) => value - season[index],
            Self::Factors(season) => value / season[index],
        }
    }

    /// A value with the season at its index.
    pub fn restore(&self, index: usize, value: f64) -> f64 {
        match self {
            Self::Differences(season) => value + season[index],
            Self::Factors(season) => value * season[index],
        }
    }
}

/// Finds the season of the year in an evenly spaced series with `year` values a year.
///
/// `None` if the series is shorter than two years, mostly unknown, or if the months of a year do
/// not follow from the same months of the other years (cross-validation).
pub fn yearly_season(values: &[Option<f64>], year: f64) -> Option<YearlySeason> {
    let points: Vec<(usize, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(i, value)| Some((i, (*value)?)))
        .collect();
    let (first, last) = (points.first()?.0, points.last()?.0);
    let span = (last - first + 1) as f64;
    if span < YEARS_MIN * year || (points.len() as f64) < KNOWN_MIN * span {
        return None;
    }
    let mean = points.iter().map(|(_, value)| value).sum::<f64>() / points.len() as f64;
    let is_positive = mean > 0.0 && points.iter().all(|(_, value)| *value >= 0.0);
    let mut model = Model {
        year,
        first,
        last,
        waves: if span < 3.0 * year { 2 } else { 3 },
        steps: Vec::new(),
        weights: vec![1.0; values.len()],
    };
    let mut fit = model.fit_with_steps(&points)?;
    let mut without = Model {
        waves: 0,
        steps: Vec::new(),
        weights: vec![1.0; values.len()],
        ..model
    };
    let plain = without.fit_with_steps(&points)?;
    if without.criterion(&points, &plain) - model.criterion(&points, &fit) < EVIDENCE_MIN {
        return None;
    }
    if is_positive {
        // The season of a quantity grows with its level.
        let relative = |i: usize| (model.level(&fit, i) / mean).max(FACTOR_MIN);
        model.weights = (0..values.len()).map(relative).collect();
        fit = model.fit(&points)?;
    }
    if model.predicted_share(&points, &fit) < PREDICTED_MIN {
        return None;
    }
    let season = (0..values.len()).map(|i| model.season(&fit, i));
    Some(if is_positive {
        YearlySeason::Factors(
            season
                .map(|wave| (1.0 + wave / mean).max(FACTOR_MIN))
                .collect(),
        )
    } else {
        YearlySeason::Differences(season.collect())
    })
}

/// A linear model of level and waves.
struct Model {
    /// Number of values a year.
    year: f64,
    /// Indices of the first and last known value.
    first: usize,
    last: usize,
    /// Number of waves of the season.
    waves: usize,
    /// Indices at which the level steps.
    steps: Vec<usize>,
    /// Size of the season at each index.
    weights: Vec<f64>,
}

impl Model {
    fn wave_terms(&self, index: usize) -> impl Iterator<Item = f64> {
        let angle = TAU * index as f64 / self.year;
        (1..=self.waves).flat_map(move |wave| {
            let (sine, cosine) = (angle * wave as f64).sin_cos();
            [sine, cosine]
        })
    }

    /// Level, slope, a bend at the start of each year but the first, counted from the end, and the
    /// steps.
    fn level_terms(&self, index: usize) -> impl Iterator<Item = f64> {
        let years_from_end = (index as f64 - self.last as f64) / self.year;
        let span = (self.last - self.first + 1) as f64 / self.year;
        let bends = (span - 0.5).floor().max(0.0) as usize;
        let bends = (1..=bends).map(move |years| (years_from_end + years as f64).max(0.0));
        let steps = self.steps.iter();
        let steps = steps.map(move |step| f64::from(u8::from(index >= *step)));
        [1.0, years_from_end].into_iter().chain(bends).chain(steps)
    }

    fn terms(&self, index: usize) -> Vec<f64> {
        let weight = self.weights[index];
        self.wave_terms(index)
            .map(|term| weight * term)
            .chain(self.level_terms(index))
            .collect()
    }

    /// Coefficients of the terms by least squares; `None` if the terms are collinear.
    fn fit(&self, points: &[(usize, f64)]) -> Option<Vec<f64>> {
        let size = self.terms(self.first).len();
        let (mut matrix, mut products) = (vec![0.0; size * size], vec![0.0; size]);
        for (index, value) in points {
            let terms = self.terms(*index);
            for (i, term) in terms.iter().enumerate() {
                products[i] += term * value;
                for (j, other) in terms[..=i].iter().enumerate() {
                    matrix[i * size + j] += term * other;
                }
            }
        }
        cholesky(&mut matrix, size)?;
        Some(backward(&matrix, &forward(&matrix, &products)))
    }

    /// The same after steps of the level are found, one after the other.
    fn fit_with_steps(&mut self, points: &[(usize, f64)]) -> Option<Vec<f64>> {
        let mut fit = self.fit(points)?;
        let segment_min = (self.year / 12.0).ceil().max(2.0) as usize;
        for _ in 0..STEPS_MAX {
            let residuals = self.residuals(points, &fit);
            let Some(step) = best_split(&residuals, segment_min) else {
                break;
            };
            self.steps.push(points[step.position].0);
            let squares = |residuals: &[f64]| residuals.iter().map(|r| r * r).sum::<f64>();
            let better = self.fit(points).filter(|with_step| {
                let rest = squares(&self.residuals(points, with_step)).max(f64::MIN_POSITIVE);
                points.len() as f64 * (squares(&residuals) / rest).ln() > STEP_GAIN_MIN
            });
            let Some(better) = better else {
                self.steps.pop();
                break;
            };
            fit = better;
        }
        Some(fit)
    }

    fn residuals(&self, points: &[(usize, f64)], fit: &[f64]) -> Vec<f64> {
        let expected = |i: usize| self.weights[i] * self.season(fit, i) + self.level(fit, i);
        points
            .iter()
            .map(|(i, value)| value - expected(*i))
            .collect()
    }

    /// Schwarz's criterion (1978), in which a step also has a position.
    fn criterion(&self, points: &[(usize, f64)], fit: &[f64]) -> f64 {
        let n = points.len() as f64;
        let squares: f64 = self.residuals(points, fit).iter().map(|r| r * r).sum();
        let parameters = (fit.len() + self.steps.len()) as f64;
        n * (squares / n).max(f64::MIN_POSITIVE).ln() + parameters * n.ln()
    }

    fn season(&self, fit: &[f64], index: usize) -> f64 {
        self.wave_terms(index)
            .zip(fit)
            .map(|(term, factor)| term * factor)
            .sum()
    }

    fn level(&self, fit: &[f64], index: usize) -> f64 {
        let factors = &fit[2 * self.waves..];
        self.level_terms(index)
            .zip(factors)
            .map(|(term, factor)| term * factor)
            .sum()
    }

    /// Share of the variation between the months of each year that the mean of the other years
    /// predicts.
    fn predicted_share(&self, points: &[(usize, f64)], fit: &[f64]) -> f64 {
        let months = if self.year < 13.0 {
            self.year.round() as usize
        } else {
            13
        };
        let years = ((self.last - self.first + 1) as f64 / self.year + 1e-9).floor() as usize;
        let mut sums = vec![vec![(0.0, 0.0); months]; years];
        for (index, value) in points {
            let age = (self.last - index) as f64 / self.year;
            let (year, month) = (age.floor() as usize, (age.fract() * months as f64) as usize);
            if let Some(sum) = sums.get_mut(year).and_then(|year| year.get_mut(month)) {
                sum.0 += (value - self.level(fit, *index)) / self.weights[*index];
                sum.1 += 1.0;
            }
        }
        let profiles: Vec<Vec<f64>> = sums
            .iter()
            .map(|year| {
                let mut means: Vec<f64> = year
                    .iter()
                    .map(|(sum, count)| sum / f64::max(*count, 1.0))
                    .collect();
                let mean = means.iter().sum::<f64>() / months as f64;
                means.iter_mut().for_each(|value| *value -= mean);
                means
            })
            .collect();
        let (mut missed, mut total) = (0.0, 0.0);
        for (year, profile) in profiles.iter().enumerate() {
            for (month, value) in profile.iter().enumerate() {
                let others = profiles
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != year);
                let others: f64 = others.map(|(_, other)| other[month]).sum();
                missed += (value - others / (years - 1) as f64).powi(2);
                total += value * value;
            }
        }
        1.0 - missed / f64::max(total, f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Noise;

    /// Three years of counts of `mean` a day with a season of `size`, on which `change` acts.
    fn counts(
        noise: &mut Noise,
        mean: f64,
        size: f64,
        change: impl Fn(usize) -> f64,
    ) -> Vec<Option<f64>> {
        (0..1096)
            .map(|i| {
                let season = 1.0 + size * (TAU * i as f64 / 365.25 + 0.7).sin();
                Some(f64::from(noise.poisson(mean * season * change(i))))
            })
            .collect()
    }

    /// Mean ratio of season to the planted one, as a deviation.
    fn miss(season: &YearlySeason, size: f64) -> f64 {
        let YearlySeason::Factors(factors) = season else {
            panic!("{season:?}");
        };
        let misses = factors
            .iter()
            .enumerate()
            .map(|(i, factor)| (factor - 1.0 - size * (TAU * i as f64 / 365.25 + 0.7).sin()).abs());
        misses.sum::<f64>() / factors.len() as f64
    }

    #[test]
    fn seasons_are_found_beside_growth_and_steps() {
        let mut noise = Noise::new(5);
        let changes: [&dyn Fn(usize) -> f64; 3] =
            [&|_| 1.0, &|i| 1.0 + 0.3 * i as f64 / 1096.0, &|i| {
                if i < 950 { 1.0 } else { 1.4 }
            }];
        for change in changes {
            let values = counts(&mut noise, 40.0, 0.25, change);
            let season = yearly_season(&values, 365.25).expect("a season");
            assert!(miss(&season, 0.25) < 0.03, "{}", miss(&season, 0.25));
        }
    }

    #[test]
    fn noise_has_no_season() {
        let mut found = 0;
        for seed in 0..200 {
            let mut noise = Noise::new(seed);
            let rho = [0.0, 0.5, 0.8][seed as usize % 3];
            let values: Vec<Option<f64>> = noise
                .autoregressive(1096, rho)
                .into_iter()
                .map(Some)
                .collect();
            found += u32::from(yearly_season(&values, 365.25).is_some());
            assert_eq!(yearly_season(&values[..700], 365.25), None);
        }
        assert!(found <= 8, "{found} of 200");
    }

    #[test]
    fn a_step_in_the_middle_of_two_years_is_no_season() {
        let mut found = 0;
        for seed in 0..40 {
            let mut values = Noise::new(seed).autoregressive(104, 0.3);
            let turn = 40 + seed as usize % 25;
            values[turn..].iter_mut().for_each(|value| *value += 2.0);
            let values: Vec<Option<f64>> = values.into_iter().map(Some).collect();
            found += u32::from(yearly_season(&values, 52.0).is_some());
        }
        assert!(found <= 2, "{found} of 40");
    }

    #[test]
    fn weeks_and_months_have_seasons() {
        for year in [52.18, 12.0] {
            let mut noise = Noise::new(9);
            let length = (3.0 * year) as usize + 1;
            let season = |i: usize| 10.0 * (TAU * i as f64 / year).cos();
            let mut values: Vec<Option<f64>> = (0..length)
                .map(|i| Some(season(i) + noise.normal() - 5.0))
                .collect();
            values[4] = None;
            let found = yearly_season(&values, year).expect("a season");
            let YearlySeason::Differences(differences) = &found else {
                panic!("{found:?}");
            };
            for (i, difference) in differences.iter().enumerate() {
                assert!(
                    (difference - season(i)).abs() < 2.0,
                    "{year} {i}: {difference}"
                );
            }
            assert!((found.remove(3, season(3)) - season(3) + differences[3]).abs() < 1e-9);
        }
    }
}
