//! Other estimators that an analyst would run: Welch's test, regressions with autocorrelated
//! errors, and an oracle that knows the law of the noise.

use crate::families::{Law, Split};
use retrocast_stats::{
    distribution::{t_p, t_quantile},
    test::welch,
};

/// An estimate with its 95 % interval and p-value.
#[derive(Clone, Copy)]
pub struct Verdict {
    /// Estimate, lower and upper bound.
    pub interval: [f64; 3],
    /// p-value of no effect.
    pub p: f64,
}

fn verdict(estimate: f64, error: f64, freedom: f64) -> Verdict {
    let half = t_quantile(0.975, freedom) * error;
    Verdict {
        interval: [estimate, estimate - half, estimate + half],
        p: t_p(estimate / error, freedom),
    }
}

/// Welch's t test of the steps after the change against those before it.
pub fn before_after(split: &Split) -> Option<Verdict> {
    let (before, after) = split.values[split.begin..].split_at(split.change - split.begin);
    let comparison = welch(after, before, 0.95)?;
    Some(Verdict {
        interval: [comparison.estimate, comparison.lower, comparison.upper],
        p: comparison.p,
    })
}

/// Lower Cholesky factor, row by row; `None` if the matrix is singular.
fn cholesky(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let mut lower: Vec<Vec<f64>> = Vec::with_capacity(matrix.len());
    for (i, line) in matrix.iter().enumerate() {
        let mut row = Vec::with_capacity(i + 1);
        for (j, above) in lower.iter().enumerate() {
            let sum: f64 = row
                .iter()
                .zip(above)
                .map(|(a, b): (&f64, &f64)| a * b)
                .sum();
            row.push((line[j] - sum) / above[j]);
        }
        let rest = line[i] - row.iter().map(|a| a * a).sum::<f64>();
        if rest <= 1e-10 * line[i] {
            return None;
        }
        row.push(rest.sqrt());
        lower.push(row);
    }
    Some(lower)
}

/// Solves `L x = b`.
fn forward(lower: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let mut x: Vec<f64> = Vec::with_capacity(b.len());
    for (row, b) in lower.iter().zip(b) {
        let sum: f64 = row.iter().zip(&x).map(|(a, b)| a * b).sum();
        x.push((b - sum) / row[x.len()]);
    }
    x
}

/// Solves `L' x = b`.
fn backward(lower: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for i in (0..b.len()).rev() {
        x[i] /= lower[i][i];
        for j in 0..i {
            x[j] -= lower[i][j] * x[i];
        }
    }
    x
}

/// Least squares: coefficients, residuals, and the row of the inverse normal matrix for the last
/// regressor.
struct Fit {
    coefficients: Vec<f64>,
    residuals: Vec<f64>,
    last: Vec<f64>,
}

fn least_squares(columns: &[Vec<f64>], values: &[f64]) -> Option<Fit> {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let normal: Vec<Vec<f64>> = columns
        .iter()
        .map(|a| columns.iter().map(|b| dot(a, b)).collect())
        .collect();
    let lower = cholesky(&normal)?;
    let right: Vec<f64> = columns.iter().map(|a| dot(a, values)).collect();
    let coefficients = backward(&lower, &forward(&lower, &right));
    let mut unit = vec![0.0; columns.len()];
    *unit.last_mut()? = 1.0;
    let last = backward(&lower, &forward(&lower, &unit));
    let residuals = (0..values.len())
        .map(|i| {
            let pairs = columns.iter().zip(&coefficients);
            values[i] - pairs.map(|(column, c)| column[i] * c).sum::<f64>()
        })
        .collect();
    Some(Fit {
        coefficients,
        residuals,
        last,
    })
}

/// The analyst's regressors from `begin` on, with the step of the change as the last regressor.
fn columns(split: &Split) -> Vec<Vec<f64>> {
    let step = (0..split.values.len()).map(|i| f64::from(u8::from(i >= split.change)));
    split
        .regressors
        .iter()
        .cloned()
        .chain([step.collect()])
        .map(|column: Vec<f64>| column[split.begin..].to_vec())
        .collect()
}

/// Regression with errors of an autoregression of order one (Prais and Winsten, 1954, iterated).
pub fn autoregressive(split: &Split) -> Option<Verdict> {
    let (columns, values) = (columns(split), &split.values[split.begin..]);
    let freedom = (values.len() - columns.len()) as f64;
    let mut memory: f64 = 0.0;
    let mut last = None;
    for _ in 0..12 {
        let whiten = |x: &[f64]| -> Vec<f64> {
            let first = x[0] * (1.0 - memory * memory).sqrt();
            let rest = x.windows(2).map(|pair| pair[1] - memory * pair[0]);
            std::iter::once(first).chain(rest).collect()
        };
        let whitened: Vec<Vec<f64>> = columns.iter().map(|column| whiten(column)).collect();
        let fit = least_squares(&whitened, &whiten(values))?;
        let rest: Vec<f64> = (0..values.len())
            .map(|i| {
                let pairs = columns.iter().zip(&fit.coefficients);
                values[i] - pairs.map(|(column, c)| column[i] * c).sum::<f64>()
            })
            .collect();
        let lagged: f64 = rest.windows(2).map(|pair| pair[0] * pair[1]).sum();
        memory = (lagged / rest.iter().map(|r| r * r).sum::<f64>()).clamp(-0.99, 0.99);
        let square = fit.residuals.iter().map(|r| r * r).sum::<f64>() / freedom;
        let error = (square * fit.last.last()?).sqrt();
        last = Some(verdict(*fit.coefficients.last()?, error, freedom));
    }
    last
}

/// Ordinary least squares with the standard errors and the bandwidth of Newey and West (1987).
pub fn newey_west(split: &Split) -> Option<Verdict> {
    let (columns, values) = (columns(split), &split.values[split.begin..]);
    let fit = least_squares(&columns, values)?;
    let n = values.len();
    // Scores of the last coefficient.
    let scores: Vec<f64> = (0..n)
        .map(|i| {
            let pairs = columns.iter().zip(&fit.last);
            fit.residuals[i] * pairs.map(|(column, c)| column[i] * c).sum::<f64>()
        })
        .collect();
    let lags = (4.0 * (n as f64 / 100.0).powf(2.0 / 9.0)).floor() as usize;
    let covariance =
        |lag: usize| -> f64 { scores.iter().zip(&scores[lag..]).map(|(a, b)| a * b).sum() };
    let weighted =
        (1..=lags).map(|lag| 2.0 * (1.0 - lag as f64 / (lags + 1) as f64) * covariance(lag));
    let freedom = (n - columns.len()) as f64;
    let variance = (covariance(0) + weighted.sum::<f64>()) * n as f64 / freedom;
    let estimate = *fit.coefficients.last()?;
    Some(verdict(estimate, variance.sqrt(), freedom))
}

/// Generalised least squares with the true covariance.
pub fn oracle(split: &Split) -> Option<Verdict> {
    let law: &Law = split.law.as_ref()?;
    let mut columns = columns(split);
    let step = columns.pop()?;
    columns.extend(
        law.hidden
            .iter()
            .map(|column| column[split.begin..].to_vec()),
    );
    columns.push(step);
    let values = &split.values[split.begin..];
    let n = values.len();
    let covariance: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            (0..n)
                .map(|j| {
                    let own = if i == j {
                        law.independent[split.begin + i]
                    } else {
                        0.0
                    };
                    let apart = i.abs_diff(j) as i32;
                    own + law.returning * law.memory.powi(apart) + law.walking * i.min(j) as f64
                })
                .collect()
        })
        .collect();
    let lower = cholesky(&covariance)?;
    let whitened: Vec<Vec<f64>> = columns
        .iter()
        .map(|column| forward(&lower, column))
        .collect();
    let fit = least_squares(&whitened, &forward(&lower, values))?;
    Some(verdict(
        *fit.coefficients.last()?,
        fit.last.last()?.sqrt(),
        1e9,
    ))
}
