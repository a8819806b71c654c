//! Distributions for tests and intervals: probabilities, quantiles and p-values.

use statrs::distribution::{ContinuousCDF, FisherSnedecor, Normal, StudentsT};
use statrs::function::{beta::beta_reg, erf::erfc, gamma::checked_gamma_ur, gamma::ln_gamma};

/// Upper tail probability of the standard normal distribution at `z`.
pub fn normal_upper(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// Two-sided p-value of a standard normal statistic.
pub fn normal_p(z: f64) -> f64 {
    (2.0 * normal_upper(z.abs())).min(1.0)
}

/// Quantile of the standard normal.
pub fn normal_quantile(probability: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(f64::NAN, |normal| normal.inverse_cdf(probability))
}

/// Quantile of Student's t; beyond a million degrees of freedom, of the normal.
pub fn t_quantile(probability: f64, df: f64) -> f64 {
    if df > 1e6 {
        return normal_quantile(probability);
    }
    StudentsT::new(0.0, 1.0, df).map_or(f64::NAN, |t| t.inverse_cdf(probability))
}

/// Two-sided p-value of Student's t.
pub fn t_p(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return 1.0;
    }
    if df > 1e6 {
        return normal_p(t);
    }
    beta_reg(df / 2.0, 0.5, (df / (df + t * t)).clamp(0.0, 1.0))
}

/// Upper tail probability of a chi-square distribution at `x`.
pub fn chi_square_upper(x: f64, df: f64) -> f64 {
    if x.is_nan() || df <= 0.0 || x <= 0.0 {
        return 1.0;
    }
    checked_gamma_ur(df / 2.0, x / 2.0)
        .unwrap_or(0.0)
        .clamp(0.0, 1.0)
}

/// Upper tail probability of an F distribution at `x`.
pub fn f_upper(x: f64, df1: f64, df2: f64) -> f64 {
    if x.is_nan() || x <= 0.0 || df1 <= 0.0 || df2 <= 0.0 {
        return 1.0;
    }
    FisherSnedecor::new(df1, df2)
        .map_or(1.0, |f| f.sf(x))
        .clamp(0.0, 1.0)
}

/// Quantile of a chi-square distribution, by Newton's method within a shrinking bracket.
pub fn chi_square_quantile(probability: f64, df: f64) -> f64 {
    if probability <= 0.0 || df <= 0.0 {
        return 0.0;
    }
    // Approximation of Wilson and Hilferty (1931) as start.
    let h = 2.0 / (9.0 * df);
    let mut x = (df * (1.0 - h + normal_quantile(probability) * h.sqrt()).powi(3)).max(1e-8);
    let (mut low, mut high) = (0.0, f64::INFINITY);
    for _ in 0..200 {
        let error = 1.0 - chi_square_upper(x, df) - probability;
        if error > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let k = df / 2.0;
        let density = ((k - 1.0) * x.ln() - x / 2.0 - k * 2f64.ln() - ln_gamma(k)).exp();
        let mut next = x - error / density;
        if !(next.is_finite() && next > low && next < high) {
            next = if high.is_finite() {
                f64::midpoint(low, high)
            } else {
                x * 2.0
            };
        }
        if (next - x).abs() <= 1e-12 * x.max(1e-12) {
            return next;
        }
        x = next;
    }
    x
}

/// Quantile of a beta distribution, by bisection.
pub fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    let [mut low, mut high] = [0.0, 1.0];
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if beta_reg(a, b, middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(got: f64, expected: f64, tolerance: f64) {
        assert!(
            (got - expected).abs() <= tolerance,
            "got {got}, expected {expected}"
        );
    }

    #[test]
    fn distributions_agree_with_r() {
        check(normal_quantile(0.975), 1.959_964, 1e-6);
        check(t_quantile(0.975, 10.0), 2.228_139, 1e-5);
        check(t_p(2.228_139, 10.0), 0.05, 1e-6);
        check(chi_square_upper(237.02, 6.0).log10(), -47.614_4, 1e-3);
        check(chi_square_upper(3.841_459, 1.0), 0.05, 1e-6);
        check(f_upper(4.256_495, 2.0, 9.0), 0.05, 1e-6);
        check(chi_square_quantile(0.975, 12.0), 23.336_66, 1e-4);
        check(chi_square_quantile(0.025, 0.5), 1.56e-6, 2e-6);
        check(normal_p(40.0), 0.0, 1e-300);
    }
}
