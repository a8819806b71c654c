//! Exponential smoothing in its state-space form with error, trend and season (Hyndman, Koehler,
//! Ord and Snyder, 2008), the form chosen by the corrected Akaike criterion.
//!
//! Forms are those of R's `ets`: additive or multiplicative errors; no trend, an additive or a
//! damped trend; no season, an additive or a multiplicative season; no additive errors with a
//! multiplicative season. Multiplicative parts need positive values. Limits: one season, of at most
//! [`SEASON_MAX`] values; only point forecasts.

use super::{Forecaster, minimise::minimise, typical_size};
use crate::seasonal::line;

/// Longest season of a model; longer seasons have too many states to estimate.
pub const SEASON_MAX: usize = 24;
/// Maximum number of values used, if not exact: older values hardly affect the smoothing, and only
/// take time.
const VALUES_MAX: usize = 126;
/// Maximum number of likelihoods computed for only the weights.
const EVALUATIONS_MAX: usize = 160;
/// Weights at which the search starts. The likelihood may have two peaks: one with a season that
/// changes fast, and one with a stable season and a level that changes instead.
const FAST_SEASON: [f64; 3] = [0.4, 0.05, 0.1];
const STABLE_SEASON: [f64; 3] = [0.7, 0.01, 0.01];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trend {
    None,
    Additive,
    Damped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Season {
    None,
    Additive,
    Multiplicative,
}

/// Error, trend and season of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    multiplicative_error: bool,
    trend: Trend,
    season: Season,
}

impl Form {
    /// All forms that values permit.
    fn all(positive: bool, seasonal: bool) -> Vec<Self> {
        let seasons: &[Season] = match (seasonal, positive) {
            (false, _) => &[Season::None],
            (true, false) => &[Season::None, Season::Additive],
            (true, true) => &[Season::None, Season::Additive, Season::Multiplicative],
        };
        let mut all = Vec::new();
        for multiplicative_error in [false, true] {
            for trend in [Trend::None, Trend::Additive, Trend::Damped] {
                for season in seasons {
                    let is_stable = multiplicative_error || *season != Season::Multiplicative;
                    if is_stable && (positive || !multiplicative_error) {
                        all.push(Self {
                            multiplicative_error,
                            trend,
                            season: *season,
                        });
                    }
                }
            }
        }
        all
    }

    /// Number of parameters: smoothing weights, damping, initial states (for a season, one fewer
    /// than its length) and the variance.
    fn parameters(self, period: usize) -> usize {
        let trend = match self.trend {
            Trend::None => 0,
            Trend::Additive => 2,
            Trend::Damped => 3,
        };
        let season = if self.season == Season::None {
            0
        } else {
            period
        };
        3 + trend + season
    }
}

/// Smoothing weights and damping.
#[derive(Debug, Clone, Copy)]
struct Weights {
    alpha: f64,
    beta: f64,
    gamma: f64,
    phi: f64,
}

impl Weights {
    /// The weights at a point of the search, in the order in which a form has them; `None` outside
    /// the usual bounds (0 < β < α < 1, 0 < γ < 1 − α, 0.8 ≤ φ ≤ 0.98).
    fn at(form: Form, x: &[f64]) -> Option<Self> {
        let inside = |value: f64, low: f64, high: f64| (low..=high).contains(&value);
        let mut coordinates = x.iter().copied();
        let alpha = coordinates.next()?;
        let beta = if form.trend == Trend::None {
            0.0
        } else {
            coordinates.next()?
        };
        let gamma = if form.season == Season::None {
            0.0
        } else {
            coordinates.next()?
        };
        let phi = if form.trend == Trend::Damped {
            coordinates.next()?
        } else {
            1.0
        };
        let valid = inside(alpha, 1e-4, 0.9999)
            && (form.trend == Trend::None || inside(beta, 1e-4, alpha))
            && (form.season == Season::None || inside(gamma, 1e-4, 1.0 - alpha))
            && (form.trend != Trend::Damped || inside(phi, 0.8, 0.98));
        valid.then_some(Self {
            alpha,
            beta,
            gamma,
            phi,
        })
    }

    /// Start and steps of the search, with the given α, β and γ.
    fn start(form: Form, [alpha, beta, gamma]: [f64; 3]) -> (Vec<f64>, Vec<f64>) {
        let mut points = vec![(alpha, 0.2)];
        if form.trend != Trend::None {
            points.push((beta, 0.05));
        }
        if form.season != Season::None {
            points.push((gamma, 0.1));
        }
        if form.trend == Trend::Damped {
            points.push((0.95, -0.05));
        }
        points.into_iter().unzip()
    }
}

/// Level, trend and season; the season's first value is that of the next step.
#[derive(Debug, Clone)]
struct States {
    level: f64,
    trend: f64,
    season: Vec<f64>,
}

impl States {
    /// Classical decomposition of the first seasons for the season, a line over the first values of
    /// the adjusted series for level and trend.
    fn initial(form: Form, values: &[f64], period: usize) -> Self {
        let season = match form.season {
            Season::None => Vec::new(),
            kind => first_season(values, period, kind == Season::Multiplicative),
        };
        let first = &values[..values.len().min((2 * period).max(10))];
        let adjusted: Vec<f64> = first
            .iter()
            .enumerate()
            .map(|(i, value)| match form.season {
                Season::None => *value,
                Season::Additive => value - season[i % period],
                Season::Multiplicative => value / season[i % period],
            })
            .collect();
        let (intercept, slope) = line(&adjusted);
        let mean = adjusted.iter().sum::<f64>() / adjusted.len() as f64;
        let (level, trend) = match form.trend {
            Trend::None => (mean, 0.0),
            _ if form.multiplicative_error && intercept - slope <= 0.0 => (adjusted[0], 0.0),
            _ => (intercept - slope, slope),
        };
        Self {
            level,
            trend,
            season,
        }
    }
}

/// Mean deviation from the moving average, by phase, over the first five seasons.
fn first_season(values: &[f64], period: usize, multiplicative: bool) -> Vec<f64> {
    let few = &values[..values.len().min(5 * period)];
    let level = super::forecasters::centred_average(few, period);
    let without = |a: f64, b: f64| if multiplicative { a / b } else { a - b };
    let mut season: Vec<f64> = (0..period)
        .map(|phase| {
            let deviations: Vec<f64> = (phase..few.len())
                .step_by(period)
                .filter_map(|i| level[i].map(|level| without(few[i], level)))
                .collect();
            deviations.iter().sum::<f64>() / deviations.len().max(1) as f64
        })
        .collect();
    let mean = season.iter().sum::<f64>() / period as f64;
    for value in &mut season {
        *value = without(*value, mean);
        if multiplicative {
            *value = value.max(0.01);
        }
    }
    season
}

/// Runs a model over values and returns minus twice its log-likelihood up to a constant; `states`
/// become the final states, with the season turned to the next step.
fn run(form: Form, weights: Weights, states: &mut States, values: &[f64]) -> f64 {
    let Weights {
        alpha,
        beta,
        gamma,
        phi,
    } = weights;
    let ratio = beta / alpha;
    let (mut squares, mut sizes) = (0.0, 0.0);
    let mut phase = 0;
    let (mut level, mut trend) = (states.level, states.trend);
    for value in values {
        let base = level + phi * trend;
        let season = states.season.get(phase).copied().unwrap_or(0.0);
        let (expected, adjusted) = match form.season {
            Season::None => (base, *value),
            Season::Additive => (base + season, value - season),
            Season::Multiplicative => (base * season, value / season),
        };
        if form.multiplicative_error {
            if expected <= 0.0 {
                return f64::INFINITY;
            }
            squares += ((value - expected) / expected).powi(2);
            sizes += expected.ln();
        } else {
            squares += (value - expected).powi(2);
        }
        let next = base + alpha * (adjusted - base);
        trend = phi * trend + ratio * (next - level - phi * trend);
        level = next;
        match form.season {
            Season::None => {}
            Season::Additive => states.season[phase] += gamma * (value - base - season),
            Season::Multiplicative => states.season[phase] += gamma * (value / base - season),
        }
        phase += 1;
        if phase == states.season.len() {
            phase = 0;
        }
    }
    states.level = level;
    states.trend = trend;
    if !states.season.is_empty() {
        states.season.rotate_left(phase);
    }
    // The likelihood of a perfect fit is unbounded.
    values.len() as f64 * squares.max(1e-300).ln() + 2.0 * sizes
}

/// A fitted model at the end of its series.
#[derive(Debug, Clone)]
struct FittedModel {
    form: Form,
    weights: Weights,
    states: States,
    criterion: f64,
}

impl FittedModel {
    /// Estimates weights, and with `refine` initial states too, by maximum likelihood.
    fn of(form: Form, values: &[f64], period: usize, refine: bool) -> Option<Self> {
        let initial = States::initial(form, values, period);
        let (start, steps) = Weights::start(form, FAST_SEASON);
        let weight_count = start.len();
        let likelihood = |x: &[f64]| match Weights::at(form, x) {
            Some(weights) => run(form, weights, &mut initial.clone(), values),
            None => f64::INFINITY,
        };
        let (mut x, mut value) = minimise(likelihood, &start, &steps, EVALUATIONS_MAX);
        let mut states = initial.clone();
        if refine {
            let likelihood = |x: &[f64]| match Weights::at(form, &x[..weight_count]) {
                Some(weights) => run(
                    form,
                    weights,
                    &mut initial.with_offsets(form, &x[weight_count..]),
                    values,
                ),
                None => f64::INFINITY,
            };
            for mut point in [x.clone(), Weights::start(form, STABLE_SEASON).0] {
                let mut sizes = steps.iter().map(|step| step / 4.0).collect();
                initial.extend_search(form, &mut point, &mut sizes);
                let mut reached = f64::INFINITY;
                for _ in 0..6 {
                    (point, reached) = minimise(likelihood, &point, &sizes, 1500);
                    sizes.iter_mut().for_each(|size| *size *= 0.6);
                }
                if reached <= value {
                    value = reached;
                    states = initial.with_offsets(form, &point[weight_count..]);
                    x = point;
                }
            }
        }
        let weights = Weights::at(form, &x[..weight_count])?;
        run(form, weights, &mut states, values);
        let (n, k) = (values.len() as f64, form.parameters(period) as f64);
        let correction = if n > k + 1.0 {
            2.0 * k * (k + 1.0) / (n - k - 1.0)
        } else {
            f64::INFINITY
        };
        value.is_finite().then_some(Self {
            form,
            weights,
            states,
            criterion: value + 2.0 * k + correction,
        })
    }

    fn forecast(&self, horizon: usize) -> Vec<f64> {
        let mut damping = 0.0;
        let mut factor = 1.0;
        (0..horizon)
            .map(|step| {
                factor *= self.weights.phi;
                damping += factor;
                let base = self.states.level + damping * self.states.trend;
                let season = || self.states.season[step % self.states.season.len()];
                match self.form.season {
                    Season::None => base,
                    Season::Additive => base + season(),
                    Season::Multiplicative => base * season(),
                }
            })
            .collect()
    }
}

impl FittedModel {
    /// Standard deviation of the error at each step ahead, with `values` as the fitted series: that
    /// of the one-step errors, grown as errors pass into level and trend (Hyndman, Koehler, Ord and
    /// Snyder, 2008, chapter 6). For multiplicative errors it is that of the additive form.
    fn spreads(&self, values: &[f64], period: usize, horizon: usize) -> Vec<f64> {
        let mut states = States::initial(self.form, values, period);
        let form = Form {
            multiplicative_error: false,
            ..self.form
        };
        let log_squares = run(form, self.weights, &mut states, values) / values.len() as f64;
        let used = self.form.parameters(period) as f64;
        let freedom = (values.len() as f64 - used).max(1.0);
        let variance = log_squares.exp() / freedom;
        let Weights {
            alpha, beta, phi, ..
        } = self.weights;
        let (mut sum, mut factor, mut damping) = (1.0, 1.0, 0.0);
        (0..horizon)
            .map(|_| {
                let spread = (variance * sum).sqrt();
                factor *= phi;
                damping += factor;
                sum += (alpha + beta * damping).powi(2);
                spread
            })
            .collect()
    }
}

impl States {
    /// Adds the initial states to a point of the search: level and trend in units of the level's
    /// size, seasonal values but the last as they are.
    fn extend_search(&self, form: Form, x: &mut Vec<f64>, steps: &mut Vec<f64>) {
        let size = self.level.abs().max(1e-9);
        x.push(0.0);
        steps.push(0.05 * size);
        if form.trend != Trend::None {
            x.push(0.0);
            steps.push((self.trend.abs() / 2.0).max(1e-3 * size));
        }
        let spread = match form.season {
            Season::None => return,
            Season::Additive => self.season.iter().map(|s| s.abs()).fold(0.0, f64::max) / 10.0,
            Season::Multiplicative => 0.03,
        };
        x.resize(x.len() + self.season.len() - 1, 0.0);
        steps.resize(x.len(), spread.max(1e-9));
    }

    /// The states with `offsets` added; the last seasonal value balances the others.
    fn with_offsets(&self, form: Form, offsets: &[f64]) -> Self {
        let mut states = self.clone();
        states.level += offsets[0];
        let mut seasonal = &offsets[1..];
        if form.trend != Trend::None {
            states.trend += seasonal[0];
            seasonal = &seasonal[1..];
        }
        for (season, offset) in states.season.iter_mut().zip(seasonal) {
            *season += offset;
        }
        if let Some(last) = states.season.last_mut() {
            *last -= seasonal.iter().sum::<f64>();
        }
        states
    }
}

/// Exponential smoothing with the form that the corrected Akaike criterion prefers.
#[derive(Debug, Clone, Copy)]
pub struct Ets {
    /// Length of the season; 1 for none.
    pub period: usize,
    /// True to estimate initial states by maximum likelihood and use the whole history, as R's
    /// `ets` does: a hundred times slower, and rarely better.
    pub exact: bool,
    /// True to only use a damped trend.
    pub damped: bool,
}

impl Ets {
    /// A damped trend without a season (Gardner and `McKenzie`, 1985).
    pub const DAMPED: Self = Self {
        period: 1,
        exact: false,
        damped: true,
    };

    /// Smoothing without a season.
    pub const PLAIN: Self = Self {
        period: 1,
        exact: false,
        damped: false,
    };

    fn has_season(&self, n: usize) -> bool {
        (2..=SEASON_MAX).contains(&self.period) && n >= 3 * self.period
    }

    /// The part of a history that models are fitted to.
    fn recent<'a>(&self, history: &'a [f64]) -> &'a [f64] {
        let length_max = if self.exact {
            history.len()
        } else {
            VALUES_MAX.max(6 * self.period.min(SEASON_MAX))
        };
        &history[history.len().saturating_sub(length_max)..]
    }

    fn fit(&self, values: &[f64], forms: &[Form]) -> Option<FittedModel> {
        let period = if self.has_season(values.len()) {
            self.period
        } else {
            1
        };
        let fitted = forms
            .iter()
            .filter_map(|form| FittedModel::of(*form, values, period, self.exact));
        fitted.min_by(|a, b| a.criterion.total_cmp(&b.criterion))
    }

    fn forms(&self, values: &[f64]) -> Vec<Form> {
        let positive = values.iter().all(|value| *value > 0.0);
        let mut forms = Form::all(positive, self.has_season(values.len()));
        forms.retain(|form| !self.damped || form.trend == Trend::Damped);
        forms
    }

    /// Standard deviation of the error at each step ahead; `None` if there is no fit.
    pub(super) fn spreads(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        let values = self.recent(history);
        let period = if self.has_season(values.len()) {
            self.period
        } else {
            1
        };
        let fitted = self.fit(values, &self.forms(values))?;
        Some(fitted.spreads(values, period, horizon))
    }

    /// Forecasts with the best of `forms` and returns it, too; `None` if the fit diverges.
    fn forecast_with_form(
        &self,
        history: &[f64],
        horizon: usize,
        forms: Option<&[Form]>,
    ) -> Option<(Vec<f64>, Option<Form>)> {
        let values = self.recent(history);
        let (low, high) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |r, value| {
                (r.0.min(*value), r.1.max(*value))
            });
        if values.len() < 10 || !values.iter().all(|value| value.abs() <= 1e100) {
            return None;
        }
        if high - low <= 1e-12 * high.abs().max(1e-300) {
            return Some((vec![values[0]; horizon], None));
        }
        let possible = self.forms(values);
        let permitted = forms.filter(|forms| forms.iter().all(|form| possible.contains(form)));
        let fitted = self.fit(values, permitted.unwrap_or(&possible))?;
        let point = fitted.forecast(horizon);
        // Rejects a diverging fit.
        let limit = 10.0 * typical_size(values, 7).max(high.abs().max(low.abs()));
        point
            .iter()
            .all(|value| value.is_finite() && value.abs() <= limit)
            .then_some((point, Some(fitted.form)))
    }
}

impl Forecaster for Ets {
    fn name(&self) -> &'static str {
        if self.damped {
            "damped trend"
        } else if self.period > 1 {
            "seasonal ETS"
        } else {
            "ETS"
        }
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        Some(self.forecast_with_form(history, horizon, None)?.0)
    }

    /// Chooses the form for the first history, and again when its length has doubled; in between,
    /// only weights are estimated.
    fn forecasts(&self, histories: &[&[f64]], horizon: usize) -> Option<Vec<Vec<f64>>> {
        let mut selected: Option<(Form, usize)> = None;
        histories
            .iter()
            .map(|history| {
                let known = selected.filter(|(_, n)| history.len() < 2 * n);
                let forms = known.map(|(form, _)| [form]);
                let forms = forms.as_ref().map(|forms| &forms[..]);
                let (point, form) = self.forecast_with_form(history, horizon, forms)?;
                if known.is_none() {
                    selected = form.map(|form| (form, history.len()));
                }
                Some(point)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
