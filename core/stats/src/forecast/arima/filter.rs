//! The Kalman filter of an ARMA process with innovations of variance 1 (Harvey, 1989).

/// States of the filter: the expected values of the next steps.
pub(super) struct Filter {
    /// Autoregressive coefficients, as many as there are states.
    ar: Vec<f64>,
    /// Response to an innovation: 1, θ₁, θ₂, ...
    response: Vec<f64>,
    /// Expected states.
    expected: Vec<f64>,
    /// Their covariance, by rows, until it has converged to that of one innovation.
    covariance: Option<Vec<f64>>,
    /// Number of first values without a likelihood, if it is conditional on them.
    skipped: usize,
}

/// The filter is steady if the variance of its error exceeds that of an innovation by less than
/// this.
const STEADY: f64 = 1e-9;

impl Filter {
    /// A filter before its first value: with the stationary covariance of the process (`exact`), or
    /// with zeros before the series.
    pub(super) fn new(ar: &[f64], ma: &[f64], exact: bool) -> Self {
        let states = ar.len().max(ma.len() + 1);
        let mut phi = ar.to_vec();
        phi.resize(states, 0.0);
        let mut response = vec![1.0];
        response.extend(ma);
        response.resize(states, 0.0);
        let covariance = exact.then(|| initial(&phi, &response, ar.is_empty()));
        Self {
            ar: phi,
            response,
            expected: vec![0.0; states],
            covariance,
            skipped: if exact { 0 } else { ar.len() },
        }
    }

    /// Filters the values and returns minus twice the log-likelihood at the best variance, up to a
    /// constant.
    pub(super) fn run(&mut self, values: &[f64], mean: f64) -> f64 {
        let states = self.ar.len();
        let (mut squares, mut sizes) = (0.0, 0.0);
        for (i, value) in values.iter().enumerate() {
            let error = value - mean - self.expected[0];
            let counted = i >= self.skipped;
            match &mut self.covariance {
                Some(covariance) => {
                    let variance = covariance[0];
                    if variance.is_nan() || variance <= 0.0 {
                        return f64::INFINITY;
                    }
                    squares += error * error / variance;
                    sizes += variance.ln();
                    let gain: Vec<f64> = (0..states)
                        .map(|i| covariance[i * states] / variance)
                        .collect();
                    for (slot, gain) in self.expected.iter_mut().zip(&gain) {
                        *slot += gain * error;
                    }
                    let first = self.expected[0];
                    for i in 0..states {
                        let next = self.expected.get(i + 1).copied().unwrap_or(0.0);
                        self.expected[i] = self.ar[i] * first + next;
                    }
                    if variance - 1.0 < STEADY {
                        self.covariance = None;
                    } else {
                        advance(covariance, &gain, &self.ar, &self.response);
                    }
                }
                None => {
                    if counted {
                        squares += error * error;
                    }
                    let first = value - mean;
                    for i in 0..states - 1 {
                        self.expected[i] = self.ar[i] * first
                            + self.expected[i + 1]
                            + self.response[i + 1] * error;
                    }
                    self.expected[states - 1] = self.ar[states - 1] * first;
                }
            }
        }
        let n = values.len() as f64;
        let counted = values.len().saturating_sub(self.skipped) as f64;
        n * (squares.max(1e-300) / counted).ln() + sizes
    }

    /// Expected values of the next steps.
    pub(super) fn ahead(&self, horizon: usize) -> Vec<f64> {
        let mut states = self.expected.clone();
        (0..horizon)
            .map(|_| {
                let first = states[0];
                for i in 0..states.len() {
                    let next = states.get(i + 1).copied().unwrap_or(0.0);
                    states[i] = self.ar[i] * first + next;
                }
                first
            })
            .collect()
    }
}

/// Advances the covariance by one step: removes what the value explained, adds an innovation.
fn advance(covariance: &mut [f64], gain: &[f64], ar: &[f64], response: &[f64]) {
    // The first state is known now, so only the others keep a covariance.
    let states = ar.len();
    let first: Vec<f64> = covariance[..states].to_vec();
    for i in 0..states {
        for j in 0..states {
            let innovation = response[i] * response[j];
            let kept = if i + 1 < states && j + 1 < states {
                covariance[(i + 1) * states + j + 1] - gain[i + 1] * first[j + 1]
            } else {
                0.0
            };
            covariance[i * states + j] = kept + innovation;
        }
    }
}

/// The stationary covariance `P = T P Tᵀ + R Rᵀ`, by doubling the number of steps.
fn initial(ar: &[f64], response: &[f64], is_moving_average: bool) -> Vec<f64> {
    let n = ar.len();
    let mut covariance = vec![0.0; n * n];
    if is_moving_average {
        for i in 0..n {
            for j in 0..n {
                let later = response[i..].iter().zip(&response[j..]);
                covariance[i * n + j] = later.map(|(a, b)| a * b).sum();
            }
        }
        return covariance;
    }
    let mut transition = vec![0.0; n * n];
    for i in 0..n {
        transition[i * n] = ar[i];
        if i + 1 < n {
            transition[i * n + i + 1] = 1.0;
        }
        for j in 0..n {
            covariance[i * n + j] = response[i] * response[j];
        }
    }
    for _ in 0..30 {
        let moved = multiply(
            &multiply(&transition, &covariance, n),
            &transpose(&transition, n),
            n,
        );
        let change = moved[0].abs();
        for (slot, more) in covariance.iter_mut().zip(&moved) {
            *slot += more;
        }
        if change <= 1e-12 * covariance[0] {
            break;
        }
        transition = multiply(&transition, &transition, n);
    }
    covariance
}

fn transpose(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|k| a[k % n * n + k / n]).collect()
}

fn multiply(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for k in 0..n {
            let factor = a[i * n + k];
            if factor != 0.0 {
                let row = &b[k * n..(k + 1) * n];
                let slots = out[i * n..(i + 1) * n].iter_mut();
                slots
                    .zip(row)
                    .for_each(|(slot, value)| *slot += factor * value);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The likelihood of three values of an ARMA(1, 1) process, by their covariance matrix.
    #[test]
    fn the_likelihood_is_that_of_the_normal_distribution() {
        let (phi, theta) = (0.6, 0.3);
        let values = [1.0, -0.5, 2.0];
        let variance = (1.0 + 2.0 * phi * theta + theta * theta) / (1.0 - phi * phi);
        let first = phi * variance + theta;
        let gamma = [variance, first, phi * first];
        // Cholesky factor of the covariance matrix.
        let mut factor = [[0.0f64; 3]; 3];
        for i in 0..3 {
            for j in 0..=i {
                let sum: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
                factor[i][j] = if i == j {
                    (gamma[0] - sum).sqrt()
                } else {
                    (gamma[i - j] - sum) / factor[j][j]
                };
            }
        }
        let mut scores = [0.0; 3];
        for i in 0..3 {
            let sum: f64 = (0..i).map(|k| factor[i][k] * scores[k]).sum();
            scores[i] = (values[i] - sum) / factor[i][i];
        }
        let squares: f64 = scores.iter().map(|score| score * score).sum();
        let sizes: f64 = (0..3).map(|i| 2.0 * factor[i][i].ln()).sum();
        let expected = 3.0 * (squares / 3.0).ln() + sizes;
        let got = Filter::new(&[phi], &[theta], true).run(&values, 0.0);
        assert!((got - expected).abs() < 1e-9, "{got} {expected}");
    }

    #[test]
    fn moving_averages_have_their_covariance_directly() {
        let response = [1.0, 0.4, 0.0, -0.3];
        let direct = initial(&[0.0; 4], &response, true);
        let doubled = initial(&[0.0; 4], &response, false);
        for (a, b) in direct.iter().zip(&doubled) {
            assert!((a - b).abs() < 1e-12);
        }
    }
}
