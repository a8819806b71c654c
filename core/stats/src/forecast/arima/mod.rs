//! Seasonal ARIMA models, their orders chosen by the corrected Akaike criterion.
//!
//! Differences are chosen by the strength of the season and by the test of Kwiatkowski, Phillips,
//! Schmidt and Shin (1992), the other orders by the stepwise search of Hyndman and Khandakar
//! (2008). The likelihood is exact, by the Kalman filter (Harvey, 1989), or, for speed, conditional
//! on zeros before the series. Limits: one season, of at most [`SEASON_MAX`] values; no regressors;
//! only point forecasts.

mod filter;
mod search;

use super::{Forecaster, ets::SEASON_MAX, minimise::minimise, typical_size};
use filter::Filter;
use search::{choose, differences};

/// Maximum number of values used, unless the likelihood is exact.
const VALUES_MAX: usize = 600;
/// Minimum distance of the roots of the polynomials from zero; closer roots are almost unit roots.
const ROOT_DISTANCE_MIN: f64 = 1.01;

/// Orders of a model: autoregressive, differences, moving average, without and with a season.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    ar: usize,
    difference: usize,
    ma: usize,
    seasonal_ar: usize,
    seasonal_difference: usize,
    seasonal_ma: usize,
    constant: bool,
}

impl Order {
    fn parameters(self) -> usize {
        self.ar + self.ma + self.seasonal_ar + self.seasonal_ma + usize::from(self.constant)
    }
}

/// The coefficients 1, δ₁, δ₂, ... of the differences as a polynomial of lags.
fn difference_polynomial(order: Order, period: usize) -> Vec<f64> {
    let mut polynomial = vec![1.0];
    let lags = std::iter::repeat_n(1, order.difference)
        .chain(std::iter::repeat_n(period, order.seasonal_difference));
    for lag in lags {
        let mut next = polynomial.clone();
        next.resize(polynomial.len() + lag, 0.0);
        for (i, value) in polynomial.iter().enumerate() {
            next[i + lag] -= value;
        }
        polynomial = next;
    }
    polynomial
}

fn apply(polynomial: &[f64], values: &[f64]) -> Vec<f64> {
    values
        .windows(polynomial.len())
        .map(|window| {
            window
                .iter()
                .rev()
                .zip(polynomial)
                .map(|(v, c)| v * c)
                .sum()
        })
        .collect()
}

/// Coefficients of a stationary autoregression from partial autocorrelations, each the hyperbolic
/// tangent of a number (Monahan, 1984).
fn stationary(numbers: &[f64]) -> Vec<f64> {
    let mut coefficients: Vec<f64> = Vec::with_capacity(numbers.len());
    for number in numbers {
        let partial = number.tanh();
        let last = coefficients.clone();
        for (slot, mirror) in coefficients.iter_mut().zip(last.iter().rev()) {
            *slot -= partial * mirror;
        }
        coefficients.push(partial);
    }
    coefficients
}

/// Returns true if all roots of 1 − c₁B − c₂B² − ... are at least `distance` from zero, by the
/// reverse of [`stationary`].
fn is_stationary(coefficients: &[f64], distance: f64) -> bool {
    let mut rest: Vec<f64> = coefficients
        .iter()
        .enumerate()
        .map(|(i, c)| c * distance.powi(i as i32 + 1))
        .collect();
    while let Some(partial) = rest.pop() {
        if partial.abs() >= 1.0 {
            return false;
        }
        let mirror: Vec<f64> = rest.iter().rev().copied().collect();
        for (slot, mirror) in rest.iter_mut().zip(mirror) {
            *slot = (*slot + partial * mirror) / (1.0 - partial * partial);
        }
    }
    true
}

/// Lags 1, 2, ... of (1 + a₁B + ...)(1 + s₁Bᵐ + ...).
fn product(plain: &[f64], seasonal: &[f64], period: usize) -> Vec<f64> {
    let mut out = vec![0.0; plain.len() + seasonal.len() * period];
    out[..plain.len()].copy_from_slice(plain);
    for (k, s) in seasonal.iter().enumerate() {
        let lag = (k + 1) * period;
        out[lag - 1] += s;
        for (i, a) in plain.iter().enumerate() {
            out[lag + i] += s * a;
        }
    }
    out
}

/// Coefficients of a model: the autoregressive and moving-average coefficients of all lags, and the
/// mean of the differenced series.
#[derive(Debug, Clone)]
struct Coefficients {
    ar: Vec<f64>,
    ma: Vec<f64>,
    mean: f64,
    /// True if no root is close to the unit circle.
    stable: bool,
}

impl Coefficients {
    /// The coefficients at a point of the search.
    fn at(order: Order, period: usize, x: &[f64]) -> Self {
        let (ar, rest) = x.split_at(order.ar);
        let (seasonal_ar, rest) = rest.split_at(order.seasonal_ar);
        let (ma, rest) = rest.split_at(order.ma);
        let (seasonal_ma, rest) = rest.split_at(order.seasonal_ma);
        let parts = [ar, seasonal_ar, ma, seasonal_ma].map(stationary);
        let far = ROOT_DISTANCE_MIN.powi(period as i32);
        let stable = [ROOT_DISTANCE_MIN, far, ROOT_DISTANCE_MIN, far]
            .iter()
            .zip(&parts)
            .all(|(distance, part)| is_stationary(part, *distance));
        let negative = |part: &[f64]| -> Vec<f64> { part.iter().map(|c| -c).collect() };
        let [ar, seasonal_ar, ma, seasonal_ma] = parts.each_ref().map(|part| negative(part));
        Self {
            ar: negative(&product(&ar, &seasonal_ar, period)),
            ma: product(&ma, &seasonal_ma, period),
            mean: rest.first().copied().unwrap_or(0.0),
            stable,
        }
    }
}

/// A fitted model.
#[derive(Debug, Clone)]
struct Fitted {
    order: Order,
    coefficients: Coefficients,
    criterion: f64,
}

impl Fitted {
    /// Estimates a model; `None` if the series is too short for it, or a root is almost a unit
    /// root.
    fn of(order: Order, values: &[f64], period: usize, exact: bool) -> Option<Self> {
        let differenced = apply(&difference_polynomial(order, period), values);
        let (n, k) = (differenced.len() as f64, (order.parameters() + 1) as f64);
        if n <= k + 2.0 {
            return None;
        }
        let mean = if order.constant {
            differenced.iter().sum::<f64>() / n
        } else {
            0.0
        };
        let squares = differenced.iter().map(|value| (value - mean).powi(2));
        let spread = (squares.sum::<f64>() / n).sqrt().max(1e-300);
        let target = |x: &[f64]| {
            let coefficients = Coefficients::at(order, period, x);
            Filter::new(&coefficients.ar, &coefficients.ma, exact)
                .run(&differenced, coefficients.mean)
        };
        let mut x = vec![0.0; order.parameters()];
        let mut steps = vec![0.4; x.len()];
        if order.constant {
            let last = x.len() - 1;
            x[last] = mean;
            steps[last] = spread / n.sqrt();
        }
        let (rounds, evaluations) = if exact {
            (2, 60 + 120 * x.len())
        } else {
            (1, 40 + 30 * x.len())
        };
        let mut value = f64::INFINITY;
        for _ in 0..rounds {
            (x, value) = minimise(target, &x, &steps, evaluations);
            steps.iter_mut().for_each(|step| *step /= -2.0);
        }
        let coefficients = Coefficients::at(order, period, &x);
        let criterion = value + 2.0 * k * n / (n - k - 1.0);
        (criterion.is_finite() && coefficients.stable).then_some(Self {
            order,
            coefficients,
            criterion,
        })
    }

    fn forecast(&self, values: &[f64], period: usize, exact: bool, horizon: usize) -> Vec<f64> {
        let polynomial = difference_polynomial(self.order, period);
        let differenced = apply(&polynomial, values);
        let Coefficients { ar, ma, mean, .. } = &self.coefficients;
        let mut filter = Filter::new(ar, ma, exact);
        filter.run(&differenced, *mean);
        let lags = polynomial.len() - 1;
        let mut known = values[values.len() - lags..].to_vec();
        for deviation in filter.ahead(horizon) {
            let past = known.iter().rev().zip(&polynomial[1..]);
            let past: f64 = past.map(|(value, c)| value * c).sum();
            known.push(deviation + mean - past);
        }
        known.split_off(lags)
    }
}

/// An ARIMA model with orders chosen from the data.
#[derive(Debug, Clone, Copy)]
pub struct Arima {
    /// Length of the season; 1 for none.
    pub period: usize,
    /// True for the exact likelihood and the whole history, as in R's `auto.arima` for short
    /// series.
    pub exact: bool,
}

impl Arima {
    fn season(&self, n: usize) -> usize {
        if (2..=SEASON_MAX).contains(&self.period) && n >= 3 * self.period {
            self.period
        } else {
            1
        }
    }

    /// Forecasts with a model of the given order, or of the best order, and returns the order, too;
    /// `None` if the fit diverges.
    fn forecast_with_order(
        &self,
        history: &[f64],
        horizon: usize,
        order: Option<Order>,
    ) -> Option<(Vec<f64>, Order)> {
        let first = if self.exact {
            0
        } else {
            history.len().saturating_sub(VALUES_MAX)
        };
        let values = &history[first..];
        let scale = values.iter().map(|value| value.abs()).fold(0.0, f64::max);
        let is_fit = (1e-100..=1e100).contains(&scale);
        if values.len() < 14 || !is_fit || values.iter().any(|value| value.is_nan()) {
            return None;
        }
        let period = self.season(values.len());
        let known = order.and_then(|order| Fitted::of(order, values, period, self.exact));
        let fitted = match known {
            Some(fitted) => fitted,
            None => choose(differences(values, period), values, period, self.exact)?,
        };
        let point = fitted.forecast(values, period, self.exact, horizon);
        let limit = 10.0 * typical_size(values, 7).max(scale);
        point
            .iter()
            .all(|value| value.is_finite() && value.abs() <= limit)
            .then_some((point, fitted.order))
    }
}

impl Forecaster for Arima {
    fn name(&self) -> &'static str {
        "ARIMA"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        Some(self.forecast_with_order(history, horizon, None)?.0)
    }

    /// Chooses the orders for the first history, and again when its length has doubled; in between,
    /// only coefficients are estimated.
    fn forecasts(&self, histories: &[&[f64]], horizon: usize) -> Option<Vec<Vec<f64>>> {
        let mut selected: Option<(Order, usize)> = None;
        histories
            .iter()
            .map(|history| {
                let known = selected.filter(|(_, n)| history.len() < 2 * n);
                let order = known.map(|(order, _)| order);
                let (point, order) = self.forecast_with_order(history, horizon, order)?;
                if known.is_none() {
                    selected = Some((order, history.len()));
                }
                Some(point)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::forecasters::tests::AIR;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// R's `forecast(auto.arima(AirPassengers))`: ARIMA(2,1,1)(0,1,0)[12], the year 1961.
    #[test]
    fn published_forecasts_of_airline_passengers_are_reproduced() {
        let arima = Arima {
            period: 12,
            exact: true,
        };
        let (forecast, order) = arima.forecast_with_order(&AIR, 12, None).unwrap();
        eprintln!("{order:?} {forecast:?}");
        let expected = Order {
            ar: 2,
            difference: 1,
            ma: 1,
            seasonal_ar: 0,
            seasonal_difference: 1,
            seasonal_ma: 0,
            constant: false,
        };
        assert_eq!(order, expected);
        let published = [
            445.6349, 420.3950, 449.1983, 491.8399, 503.3945, 566.8625, 654.2602, 638.5975,
            540.8837, 494.1266, 423.3327, 465.5076,
        ];
        for (got, expected) in forecast.iter().zip(published) {
            assert!((got / expected - 1.0).abs() < 0.01, "{got} {expected}");
        }
    }

    #[test]
    fn polynomials_have_the_expected_roots() {
        let coefficients = stationary(&[0.9, -0.4, 0.2]);
        assert!(is_stationary(&coefficients, 1.0));
        assert!(!is_stationary(&[0.5, 0.6], 1.0));
        assert!(is_stationary(&[0.98], 1.01) && !is_stationary(&[0.995], 1.01));
        // (1 − 0.5B)(1 − 0.4B³).
        let lags = product(&[-0.5], &[-0.4], 3);
        assert_eq!(lags, [-0.5, 0.0, -0.4, 0.2]);
    }

    #[test]
    fn an_autoregression_is_recognised() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut value = 0.0;
        let values: Vec<f64> = (0..300)
            .map(|_| {
                value = 0.8 * value + random.random::<f64>() - 0.5;
                10.0 + value
            })
            .collect();
        let arima = Arima {
            period: 1,
            exact: false,
        };
        let forecast = arima.forecast(&values, 50).unwrap();
        let mean = values.iter().sum::<f64>() / 300.0;
        assert!((forecast[49] - mean).abs() < 0.5, "{forecast:?} {mean}");
        let last = values[299] - mean;
        let next = (forecast[0] - mean) / last;
        assert!((0.5..1.0).contains(&next), "{next}");
    }
}
