//! Chooses the orders of a model: differences by tests, the other orders step by step.

use super::{Fitted, Order};
use crate::{
    describe::variance,
    seasonal::{Smoothing, smooth_with},
};
use std::collections::BTreeSet;

/// Largest orders without and with a season.
const ORDERS_MAX: [usize; 2] = [5, 2];
/// Largest orders if the likelihood is not exact, for speed.
const ORDERS_MAX_QUICK: [usize; 2] = [3, 1];
/// Strength above which a season is differenced.
const SEASON_STRENGTH_MIN: f64 = 0.64;
/// Critical value of the stationarity test at 5 %, above which the series is differenced.
const KPSS_CRITICAL: f64 = 0.463;
/// Maximum number of models that are tried.
const TRIES_MAX: usize = 94;

/// The differences that make a series stationary, without and with the season.
pub(super) fn differences(values: &[f64], period: usize) -> (usize, usize) {
    let seasonal = usize::from(period > 1 && strength(values, period) > SEASON_STRENGTH_MIN);
    let mut differenced: Vec<f64> = values.to_vec();
    if seasonal == 1 {
        differenced = lagged(&differenced, period);
    }
    let mut plain = 0;
    while plain < 2 && !is_constant(&differenced) && kpss(&differenced) > KPSS_CRITICAL {
        differenced = lagged(&differenced, 1);
        plain += 1;
    }
    (plain, seasonal)
}

fn lagged(values: &[f64], lag: usize) -> Vec<f64> {
    let pairs = values.iter().zip(&values[lag.min(values.len())..]);
    pairs.map(|(a, b)| b - a).collect()
}

fn is_constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Share of the season in the variation around the level (Wang, Smith and Hyndman, 2006).
fn strength(values: &[f64], period: usize) -> f64 {
    let Some(parts) = smooth_with(values, period, Smoothing::Evolving(11)) else {
        return 0.0;
    };
    let both: Vec<f64> = parts
        .season
        .iter()
        .zip(&parts.remainder)
        .map(|(season, remainder)| season + remainder)
        .collect();
    1.0 - variance(&parts.remainder) / variance(&both).max(1e-300)
}

/// Statistic of Kwiatkowski, Phillips, Schmidt and Shin (1992) against a level, with a Bartlett
/// window of 3√n/13 lags.
fn kpss(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let residuals: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let mut total = 0.0;
    let sums: f64 = residuals
        .iter()
        .map(|value| {
            total += value;
            total * total
        })
        .sum();
    let lags = (3.0 * n.sqrt() / 13.0) as usize;
    let product = |lag: usize| -> f64 {
        residuals
            .iter()
            .zip(&residuals[lag..])
            .map(|(a, b)| a * b)
            .sum()
    };
    let weighted: f64 = (1..=lags)
        .map(|lag| 2.0 * (1.0 - lag as f64 / (lags + 1) as f64) * product(lag))
        .sum();
    let variance = (product(0) + weighted) / n;
    if variance > 0.0 {
        sums / (n * n * variance)
    } else {
        0.0
    }
}

/// Searches for the model with the smallest criterion, starting from the best of the five initial
/// models: each step changes one or two orders by one, or the constant.
pub(super) fn choose(
    (difference, seasonal_difference): (usize, usize),
    values: &[f64],
    period: usize,
    exact: bool,
) -> Option<Fitted> {
    let may_have_constant = difference + seasonal_difference <= 1;
    let order = |ar, ma, seasonal_ar, seasonal_ma, constant| {
        let is_seasonal = period > 1;
        Order {
            ar,
            difference,
            ma,
            seasonal_ar: if is_seasonal { seasonal_ar } else { 0 },
            seasonal_difference,
            seasonal_ma: if is_seasonal { seasonal_ma } else { 0 },
            constant: constant && may_have_constant,
        }
    };
    let mut tried = BTreeSet::new();
    let mut best: Option<Fitted> = None;
    let mut attempt = |order: Order, best: &mut Option<Fitted>| {
        let key = (
            [order.ar, order.ma, order.seasonal_ar, order.seasonal_ma],
            order.constant,
        );
        if tried.len() >= TRIES_MAX || !tried.insert(key) {
            return false;
        }
        let Some(fitted) = Fitted::of(order, values, period, exact) else {
            return false;
        };
        let better = best
            .as_ref()
            .is_none_or(|best| fitted.criterion < best.criterion);
        if better {
            *best = Some(fitted);
        }
        better
    };
    for first in [
        order(2, 2, 1, 1, true),
        order(0, 0, 0, 0, true),
        order(1, 0, 1, 0, true),
        order(0, 1, 0, 1, true),
        order(0, 0, 0, 0, false),
    ] {
        attempt(first, &mut best);
    }
    while let Some(centre) = best.as_ref().map(|best| best.order) {
        if !neighbours(centre, if exact { ORDERS_MAX } else { ORDERS_MAX_QUICK })
            .into_iter()
            .map(|[ar, ma, sar, sma]| order(ar, ma, sar, sma, centre.constant))
            .chain([Order {
                constant: !centre.constant && may_have_constant,
                ..centre
            }])
            .any(|next| attempt(next, &mut best))
        {
            break;
        }
    }
    best
}

/// Orders one step away: seasonal orders first, each changed separately or both of a kind together.
fn neighbours(order: Order, [plain, seasonal]: [usize; 2]) -> Vec<[usize; 4]> {
    const STEPS: [[isize; 4]; 16] = [
        [0, 0, -1, 0],
        [0, 0, 0, -1],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [0, 0, -1, -1],
        [0, 0, -1, 1],
        [0, 0, 1, -1],
        [0, 0, 1, 1],
        [-1, 0, 0, 0],
        [0, -1, 0, 0],
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [-1, -1, 0, 0],
        [-1, 1, 0, 0],
        [1, -1, 0, 0],
        [1, 1, 0, 0],
    ];
    let now = [order.ar, order.ma, order.seasonal_ar, order.seasonal_ma];
    let most = [plain, plain, seasonal, seasonal];
    STEPS
        .iter()
        .filter_map(|step| {
            let mut next = now;
            for i in 0..4 {
                next[i] = now[i]
                    .checked_add_signed(step[i])
                    .filter(|o| *o <= most[i])?;
            }
            Some(next)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::forecasters::tests::AIR;

    #[test]
    fn differences_are_chosen_by_the_tests() {
        assert_eq!(differences(&AIR, 12), (1, 1));
        let flat: Vec<f64> = (0..100).map(|i| f64::from(i * 7919 % 13)).collect();
        assert_eq!(differences(&flat, 7), (0, 0));
        let line: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(differences(&line, 1), (1, 0));
    }
}
