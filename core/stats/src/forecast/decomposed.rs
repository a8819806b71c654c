//! Forecasts of the season-adjusted series, with the seasons restored.

use super::{Arima, Ets, Forecaster};
use crate::seasonal::{Smoothing, smooth_with};

/// The forecaster of the season-adjusted series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemainderModel {
    /// Exponential smoothing.
    Ets,
    /// An ARIMA model without a season.
    Arima,
}

/// STL with each season in turn, a forecast of the season-adjusted series, and the last seasons
/// restored (MSTL; Bandara, Hyndman and Bergmeir, 2021). Seasons that a history does not contain
/// twice are left out. A season that grows with the level is not extrapolated to grow.
#[derive(Debug, Clone)]
pub struct Decomposed {
    seasons: Vec<usize>,
    evolving: bool,
    remainder: RemainderModel,
}

/// Number of periods over which an evolving season is smoothed, and the additional number for each
/// further season (the defaults of R's `mstl`).
const WINDOW: usize = 11;
const WINDOW_STEP: usize = 4;

impl Decomposed {
    /// Creates a forecaster with seasons in ascending order, constant and robust or `evolving`.
    pub fn new(seasons: &[usize], evolving: bool, remainder: RemainderModel) -> Self {
        Self {
            seasons: seasons.to_vec(),
            evolving,
            remainder,
        }
    }

    /// The series without its seasons, and the seasons of the steps after it.
    fn split(&self, history: &[f64], horizon: usize) -> Option<(Vec<f64>, Vec<f64>)> {
        let usable = |season: &&usize| history.len() >= 2 * **season;
        let seasons: Vec<usize> = self.seasons.iter().filter(usable).copied().collect();
        let mut parts = vec![vec![0.0; history.len()]; seasons.len()];
        let mut adjusted = history.to_vec();
        let rounds = if seasons.len() > 1 { 2 } else { 1 };
        for _ in 0..rounds {
            for (i, season) in seasons.iter().enumerate() {
                let with: Vec<f64> = adjusted.iter().zip(&parts[i]).map(|(a, b)| a + b).collect();
                let smoothing = if self.evolving {
                    Smoothing::Evolving(WINDOW + WINDOW_STEP * i)
                } else {
                    Smoothing::Periodic
                };
                parts[i] = smooth_with(&with, *season, smoothing)?.season;
                adjusted = with.iter().zip(&parts[i]).map(|(a, b)| a - b).collect();
            }
        }
        let ahead = (0..horizon)
            .map(|step| {
                let last = |(part, season): (&Vec<f64>, &usize)| {
                    part[history.len() - season + step % season]
                };
                parts.iter().zip(&seasons).map(last).sum()
            })
            .collect();
        Some((adjusted, ahead))
    }
}

impl Forecaster for Decomposed {
    fn name(&self) -> &'static str {
        match (self.evolving, self.remainder) {
            (false, RemainderModel::Ets) => "MSTL + ETS",
            (true, RemainderModel::Ets) => "evolving MSTL + ETS",
            (false, RemainderModel::Arima) => "MSTL + ARIMA",
            (true, RemainderModel::Arima) => "evolving MSTL + ARIMA",
        }
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        self.forecasts(&[history], horizon)?.pop()
    }

    fn forecasts(&self, histories: &[&[f64]], horizon: usize) -> Option<Vec<Vec<f64>>> {
        let parts: Vec<(Vec<f64>, Vec<f64>)> = histories
            .iter()
            .map(|history| self.split(history, horizon))
            .collect::<Option<_>>()?;
        let adjusted: Vec<&[f64]> = parts.iter().map(|(adjusted, _)| &adjusted[..]).collect();
        let mut forecasts = match self.remainder {
            RemainderModel::Ets => Ets::PLAIN.forecasts(&adjusted, horizon),
            RemainderModel::Arima => Arima {
                period: 1,
                exact: false,
            }
            .forecasts(&adjusted, horizon),
        }?;
        for (forecast, (_, ahead)) in forecasts.iter_mut().zip(&parts) {
            forecast.iter_mut().zip(ahead).for_each(|(a, b)| *a += b);
        }
        Some(forecasts)
    }
}
