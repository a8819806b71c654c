//! Monotone trends in evenly spaced series: test and slope.
//!
//! The test uses signs only. The line is straight ([`TheilSen`]) or, for values that cannot be
//! negative, one that stays above zero ([`PositiveLine`](crate::positive_line::PositiveLine)).
//!
//! Operational series are autocorrelated, and a test that assumes independence finds a trend in
//! every slow fluctuation. So all variances are inflated by the autocorrelation of the residuals
//! from the trend.

use crate::distribution::{t_p, t_quantile};

/// A test for a monotone trend.
#[derive(Debug, Clone, PartialEq)]
pub struct MannKendall {
    /// Number of values, without missing ones.
    pub n: usize,
    /// Number of rising pairs minus number of falling pairs.
    pub s: f64,
    /// `s` over the number of pairs, from −1 (always falls) to 1 (always rises).
    pub tau: f64,
    /// Variance of `s` for independent values, with ties taken into account.
    pub variance: f64,
    /// Factor of the variance due to autocorrelation; at least 1.
    pub inflation: f64,
    /// Effective number of independent values: `n / inflation`.
    pub n_effective: f64,
    /// `s` with continuity correction, in standard deviations (with the inflated variance).
    pub z: f64,
    /// Two-sided p-value.
    pub p: f64,
}

/// A robust straight line.
#[derive(Debug, Clone, PartialEq)]
pub struct TheilSen {
    /// Change per step: the median over all pairs.
    pub slope: f64,
    /// 95 % interval of the slope.
    pub interval: [f64; 2],
    /// Height of the line at index 0.
    pub intercept: f64,
}

impl TheilSen {
    /// Height of the line at an index.
    pub fn at(&self, position: usize) -> f64 {
        self.intercept + self.slope * position as f64
    }
}

/// Test and line of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// Test for a monotonic trend.
    pub test: MannKendall,
    /// Robust slope and intercept.
    pub line: TheilSen,
}

/// Minimum number of values for a trend; with fewer, the test cannot reach 5 % if autocorrelation
/// is taken into account.
pub const TREND_MIN: usize = 8;

/// Mann-Kendall test and Theil-Sen line of a series; missing values are `None`.
///
/// The variance of the test is inflated by the rank autocorrelation of the residuals from the line
/// (Hamed and Rao 1998): by the larger of two estimates, one from all significant lags, and one
/// from the first lag, corrected for its bias in short series (Marriott and Pope 1954) and extended
/// as a first-order process (Yue and Wang 2004). The test statistic is referred to Student's t with
/// the effective number of values. The interval of the slope (Sen 1968) uses the same variance, so
/// test and interval agree.
///
/// `None` with fewer than [`TREND_MIN`] values, or if all are equal.
pub fn trend(values: &[Option<f64>]) -> Option<Trend> {
    let points: Vec<(f64, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((i as f64, (*v)?)))
        .collect();
    let n = points.len();
    if n < TREND_MIN {
        return None;
    }
    let (s, mut slopes) = pairs(&points);
    let variance = tied_variance(&points);
    if variance <= 0.0 {
        return None;
    }
    let slope = median_of(&mut slopes);
    let intercept = {
        let mut heights: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
        median_of(&mut heights)
    };
    let residuals: Vec<Option<f64>> = values
        .iter()
        .enumerate()
        .map(|(i, v)| v.map(|v| v - intercept - slope * i as f64))
        .collect();
    let inflation = inflation(&ranks(&residuals), n);
    let n_effective = n as f64 / inflation;
    let spread = (variance * inflation).sqrt();
    let z = (s - s.signum() * f64::from(s != 0.0)) / spread;
    let freedom = (n_effective - 2.0).max(2.0);
    let p = t_p(z, freedom);
    let interval = slope_interval(&mut slopes, t_quantile(0.975, freedom) * spread);
    let tau = s / (n * (n - 1) / 2) as f64;
    let test = MannKendall {
        n,
        s,
        tau,
        variance,
        inflation,
        n_effective,
        z,
        p,
    };
    Some(Trend {
        test,
        line: TheilSen {
            slope,
            interval,
            intercept,
        },
    })
}

/// Sum of the signs of all pairwise differences, and all pairwise slopes.
fn pairs(points: &[(f64, f64)]) -> (f64, Vec<f64>) {
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    let mut s = 0i64;
    for (i, (x0, y0)) in points.iter().enumerate() {
        for (x1, y1) in &points[i + 1..] {
            let rise = y1 - y0;
            s += i64::from(rise > 0.0) - i64::from(rise < 0.0);
            slopes.push(rise / (x1 - x0));
        }
    }
    (s as f64, slopes)
}

/// Variance of the sum of signs under independence (Kendall 1975), with groups of equal values.
fn tied_variance(points: &[(f64, f64)]) -> f64 {
    let term = |m: f64| m * (m - 1.0) * (2.0 * m + 5.0);
    let mut sorted: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    sorted.sort_by(f64::total_cmp);
    let tied: f64 = sorted
        .chunk_by(|a, b| a == b)
        .map(|group| term(group.len() as f64))
        .sum();
    (term(points.len() as f64) - tied) / 18.0
}

/// Sen's interval: the slopes at ranks that are `half_width` / 2 on either side of the middle.
fn slope_interval(slopes: &mut [f64], half_width: f64) -> [f64; 2] {
    let count = slopes.len();
    let middle = count as f64 / 2.0;
    let low = (middle - half_width / 2.0).floor().max(0.0) as usize;
    let high = ((middle + half_width / 2.0).ceil() as usize).min(count - 1);
    let lower = *slopes
        .select_nth_unstable_by(low.min(count - 1), f64::total_cmp)
        .1;
    let upper = *slopes.select_nth_unstable_by(high, f64::total_cmp).1;
    [lower, upper]
}

/// Factor by which the autocorrelation of these scores inflates the variance of a trend.
pub(crate) fn inflation(scores: &[Option<f64>], n: usize) -> f64 {
    let size = n as f64;
    let weight = |lag: usize| {
        let pairs = size - lag as f64;
        pairs * (pairs - 1.0) * (pairs - 2.0)
    };
    let total = size * (size - 1.0) * (size - 2.0);
    let lags = n.saturating_sub(3);
    let limit = 1.96 / size.sqrt();
    let significant: f64 = (1..=lags.min(n / 3))
        .filter_map(|lag| {
            autocorrelation(scores, lag)
                .filter(|r| r.abs() > limit)
                .map(|r| (lag, r))
        })
        .map(|(lag, r)| weight(lag) * r)
        .sum();
    let first = autocorrelation(scores, 1).unwrap_or(0.0);
    let unbiased = ((first + 2.0 / size) / (1.0 - 4.0 / size)).clamp(0.0, 0.98);
    let first_order: f64 = (1..=lags)
        .map(|lag| weight(lag) * unbiased.powi(lag as i32))
        .sum();
    1.0 + 2.0 / total * significant.max(first_order).max(0.0)
}

/// Mid-ranks of the known values.
fn ranks(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> = (0..values.len()).filter(|i| values[*i].is_some()).collect();
    let value = |i: usize| values[i].unwrap_or(f64::NAN);
    order.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
    let mut out = vec![None; values.len()];
    let mut below = 0;
    for group in order.chunk_by(|a, b| value(*a) == value(*b)) {
        let rank = below as f64 + f64::midpoint(group.len() as f64, 1.0);
        for i in group {
            out[*i] = Some(rank);
        }
        below += group.len();
    }
    out
}

/// Autocorrelation of a series at a lag, over the known pairs; `None` without any, or if all values
/// are equal.
pub fn autocorrelation(values: &[Option<f64>], lag: usize) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    let square = known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / known.len() as f64;
    let mut sum = 0.0;
    let mut pairs = 0usize;
    for (a, b) in values.iter().zip(values.get(lag..)?) {
        if let (Some(a), Some(b)) = (a, b) {
            sum += (a - mean) * (b - mean);
            pairs += 1;
        }
    }
    // Without gaps this is the usual estimator, which divides by n at every lag.
    let expected = values.len().saturating_sub(lag).max(1) as f64;
    let share = expected / values.len() as f64;
    (pairs > 0 && square > 0.0).then(|| sum / pairs as f64 * share / square)
}

/// Removes the seasonal pattern of `period` steps (7 for weekdays) from a series, but not its
/// level. Series shorter than three periods are returned unchanged.
///
/// The level is a running median over one period, the pattern the median of the remainder by phase:
/// neither a shift nor a spike is mistaken for the pattern.
pub fn seasonally_adjusted(values: &[Option<f64>], period: usize) -> Vec<Option<f64>> {
    if period < 2 || values.len() < 3 * period {
        return values.to_vec();
    }
    let level = running_median(values, period);
    let mut pattern: Vec<f64> = (0..period)
        .map(|phase| {
            let mut remainders: Vec<f64> = (phase..values.len())
                .step_by(period)
                .filter_map(|i| Some(values[i]? - level[i]?))
                .collect();
            if remainders.is_empty() {
                0.0
            } else {
                median_of(&mut remainders)
            }
        })
        .collect();
    let mean = pattern.iter().sum::<f64>() / period as f64;
    for effect in &mut pattern {
        *effect -= mean;
    }
    values
        .iter()
        .enumerate()
        .map(|(i, v)| v.map(|v| v - pattern[i % period]))
        .collect()
}

/// Median over `width` values around each index; at the ends, over the first and the last `width`
/// values.
pub fn running_median(values: &[Option<f64>], width: usize) -> Vec<Option<f64>> {
    let width = width.clamp(1, values.len().max(1));
    (0..values.len())
        .map(|i| {
            let start = i.saturating_sub(width / 2).min(values.len() - width);
            let mut near: Vec<f64> = values[start..start + width]
                .iter()
                .flatten()
                .copied()
                .collect();
            (!near.is_empty()).then(|| median_of(&mut near))
        })
        .collect()
}

/// The median, by partial sorting; 0 for no values.
pub(crate) fn median_of(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return 0.0;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{change_point::tests::NILE, search::Noise};

    fn trend_of(values: &[f64]) -> Trend {
        trend(&values.iter().copied().map(Some).collect::<Vec<_>>()).expect("a trend")
    }

    #[test]
    fn small_series_have_the_statistic_and_slope_computed_by_hand() {
        // Signs and variance computed by hand.
        let t = trend_of(&[10.0, 15.0, 14.0, 20.0, 18.0, 25.0, 23.0, 30.0, 28.0, 35.0]);
        assert_eq!(t.test.s, 37.0);
        assert!(
            (t.test.variance - 125.0).abs() < 1e-9,
            "{}",
            t.test.variance
        );
        assert!((t.test.tau - 37.0 / 45.0).abs() < 1e-12);
        assert!((t.line.slope - 2.5).abs() < 0.2, "{}", t.line.slope);
        assert!(t.line.interval[0] > 0.0 && t.test.p < 0.02, "{t:?}");
    }

    #[test]
    fn ties_reduce_the_variance() {
        // n = 8 with one pair and one triple: (8*7*21 - 2*1*9 - 3*2*11) / 18.
        let points: Vec<(f64, f64)> = [1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 4.0, 5.0]
            .iter()
            .map(|y| (0.0, *y))
            .collect();
        assert!((tied_variance(&points) - (1176.0 - 18.0 - 66.0) / 18.0).abs() < 1e-12);
        assert!(trend(&[Some(3.0); 20]).is_none());
        assert!(trend(&[Some(1.0), Some(2.0)]).is_none());
    }

    #[test]
    fn the_nile_fell() {
        // Sum of signs and median slope, computed independently.
        let t = trend_of(&NILE);
        assert_eq!(t.test.s, -1387.0);
        assert!((t.line.slope + 2.6).abs() < 1e-9, "{t:?}");
        assert!(t.test.inflation > 1.5, "{t:?}");
    }

    #[test]
    fn gaps_and_weekly_patterns_do_not_change_the_trend() {
        let mut noise = Noise::new(5);
        let values: Vec<Option<f64>> = (0..120)
            .map(|i| {
                let weekday = [12.0, 5.0, 4.0, 3.0, 2.0, -9.0, -10.0][i % 7];
                (i % 11 != 3).then(|| 50.0 + 0.05 * i as f64 + weekday + noise.normal())
            })
            .collect();
        let t = trend(&seasonally_adjusted(&values, 7)).expect("a trend");
        assert!(
            (t.line.slope - 0.05).abs() < 0.01 && t.test.p < 0.001,
            "{t:?}"
        );
        assert!(
            t.line.interval[0] < 0.05 && 0.05 < t.line.interval[1],
            "{t:?}"
        );
    }

    /// Checks the share of series without a trend in which a trend is claimed at 5 %, and the
    /// coverage of the interval of a real slope.
    fn check(n: usize, rho: f64, poisson: bool, bound: f64) {
        let mut noise = Noise::new(n as u64 * 31 + (rho * 100.0) as u64);
        let (mut claims, mut covered) = (0, 0);
        let tries = 400;
        for _ in 0..tries {
            let errors = noise.autoregressive(n, rho);
            let series = |slope: f64| -> Vec<Option<f64>> {
                errors
                    .iter()
                    .enumerate()
                    .map(|(i, e)| Some(e + slope * i as f64))
                    .collect()
            };
            let flat = if poisson {
                errors
                    .iter()
                    .map(|e| Some(f64::from(noise.poisson((1.0 + 0.5 * e).exp()))))
                    .collect()
            } else {
                series(0.0)
            };
            claims += usize::from(trend(&flat).is_some_and(|t| t.test.p < 0.05));
            let steep = trend(&series(0.1)).expect("a trend").line.interval;
            covered += usize::from(steep[0] <= 0.1 && 0.1 <= steep[1]);
        }
        let share = claims as f64 / f64::from(tries);
        let coverage = covered as f64 / f64::from(tries);
        assert!(
            share <= bound,
            "n {n} rho {rho} poisson {poisson}: {share} false claims"
        );
        assert!(
            coverage >= 0.95 - 0.04,
            "n {n} rho {rho}: coverage {coverage}"
        );
    }

    #[test]
    fn false_claims_stay_at_the_level() {
        for n in [20, 60, 150] {
            check(n, 0.0, false, 0.065);
            check(n, 0.3, false, 0.075);
            check(n, 0.6, false, 0.08);
            check(n, 0.3, true, 0.075);
        }
    }
}
