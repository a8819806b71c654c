//! Two methods beside ours that need no package: the likelihood ratio of an oracle that knows the
//! season, the noise and the shape of the event, and a threshold of robust residuals.

use super::series::{
    DAYS, DEVIATION, DURATION_SPREAD, Evidence, GAUGE_CORRELATION, GAUGE_SPREAD, HOURS, Kind,
    Plant, RISE, STEP_DAYS, Series, WEEK,
};
use std::ops::Range;

/// The most likely place of the event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Logarithm of the likelihood ratio.
    pub score: f64,
    pub group: usize,
    /// First hour or day.
    pub first: usize,
}

/// Days before the end at which a step or a bend may be.
const DAYS_BACK: Range<usize> = 10..64;

/// Finds the most likely place of the event in a week of hours that ends at `end`, or in the last
/// days.
pub fn search(series: &Series, kind: Kind, plant: Plant, end: usize) -> Option<Place> {
    let groups = series.evidence.iter().enumerate();
    groups
        .flat_map(|(group, evidence)| {
            let places: Vec<(usize, f64)> = match plant {
                Plant::Outage { hours, factor, .. } => runs(evidence, hours, factor, end),
                _ => onsets(evidence, kind, plant),
            };
            places.into_iter().map(move |(first, score)| Place {
                score,
                group,
                first,
            })
        })
        .max_by(|a, b| a.score.total_cmp(&b.score))
}

/// Scores of all runs of so many hours in the week before `end`.
fn runs(evidence: &[Evidence], hours: usize, factor: f64, end: usize) -> Vec<(usize, f64)> {
    let gain = |evidence: &Evidence| match *evidence {
        Evidence::Count { observed, usual } => observed * factor.ln() - usual * (factor - 1.0),
        Evidence::Share {
            failures,
            attempts,
            usual,
        } => {
            let raised = (usual * factor).min(1.0 - 1e-9);
            let passes = attempts - failures;
            failures * (raised / usual).ln() + passes * ((1.0 - raised) / (1.0 - usual)).ln()
        }
        Evidence::Sum { sum, n } => {
            let shift = factor.ln() / DURATION_SPREAD;
            shift * sum - n * shift * shift / 2.0
        }
        Evidence::Value(_) => 0.0,
    };
    let score = |first: usize| {
        if matches!(evidence[first], Evidence::Value(_)) {
            let shift = |hour: usize| {
                let is_raised = (first..first + hours).contains(&hour);
                if is_raised {
                    factor.ln() / GAUGE_SPREAD
                } else {
                    0.0
                }
            };
            let last = (first + hours).min(end - 1);
            return whitened_score(evidence, GAUGE_CORRELATION, shift, first..last + 1);
        }
        evidence[first..first + hours].iter().map(gain).sum()
    };
    (end - WEEK..=end - hours)
        .map(|first| (first, score(first)))
        .collect()
}

/// Scores of all days of a step or a bend.
fn onsets(evidence: &[Evidence], kind: Kind, plant: Plant) -> Vec<(usize, f64)> {
    let Kind::Days(correlation) = kind else {
        return Vec::new();
    };
    let place = |first: usize| {
        let shift = |day: usize| match plant {
            _ if day < first => 0.0,
            Plant::Step(size) => size,
            Plant::Ramp(days) => RISE / DEVIATION * (day - first + 1) as f64 / days as f64,
            _ => 0.0,
        };
        let score = whitened_score(evidence, correlation, shift, first..DAYS);
        (first, score)
    };
    let allowed = match plant {
        // The oracle knows how long the event has lasted, but for four days.
        Plant::Ramp(days) => days - 4..days + 5,
        Plant::Step(_) => DAYS_BACK.start.max(STEP_DAYS - 42)..DAYS_BACK.end,
        _ => DAYS_BACK,
    };
    allowed.map(|days| place(DAYS - days)).collect()
}

/// Logarithm of the likelihood ratio of a shift, in standard deviations of an autoregressive
/// series.
fn whitened_score(
    evidence: &[Evidence],
    correlation: f64,
    shift: impl Fn(usize) -> f64,
    steps: Range<usize>,
) -> f64 {
    let value = |step: usize| match evidence[step] {
        Evidence::Value(value) => value,
        _ => 0.0,
    };
    let variance = 1.0 - correlation * correlation;
    steps
        .map(|step| {
            let innovation = value(step) - correlation * value(step - 1);
            let signal = shift(step) - correlation * shift(step - 1);
            (innovation - signal / 2.0) * signal / variance
        })
        .sum()
}

/// Residuals from the medians of the season, in robust standard deviations; 0 where there is no
/// value.
pub fn residuals(values: &[f64], season: usize) -> Vec<f64> {
    let medians: Vec<f64> = (0..season)
        .map(|phase| median(values.iter().skip(phase).step_by(season).copied().collect()))
        .collect();
    let residuals: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(i, value)| value - medians[i % season])
        .collect();
    let spread = 1.4826 * median(residuals.iter().map(|residual| residual.abs()).collect());
    residuals
        .iter()
        .map(|residual| {
            if residual.is_finite() {
                residual / spread.max(1e-9)
            } else {
                0.0
            }
        })
        .collect()
}

/// The median of the numbers; 0 without any.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => 0.0,
        _ => f64::midpoint(values[(n - 1) / 2], values[n / 2]),
    }
}

/// The limit that a share `budget` of these scores exceeds, halfway between two of them.
pub fn limit(mut scores: Vec<f64>, budget: f64) -> f64 {
    scores.sort_by(|a, b| b.total_cmp(a));
    let above = (budget * scores.len() as f64) as usize;
    match (scores.get(above.saturating_sub(1)), scores.get(above)) {
        (Some(last), Some(next)) if above > 0 => f64::midpoint(*last, *next),
        (Some(first), _) => first + 1e-9,
        _ => f64::INFINITY,
    }
}

/// Ends of the weeks of hours, or of the days, on which limits are calibrated.
pub fn calibration_ends(kind: Kind) -> Vec<usize> {
    if kind.is_daily() {
        vec![DAYS]
    } else {
        (0..10).map(|back| HOURS - back * WEEK).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_exceeded_by_the_budget() {
        let scores: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(limit(scores.clone(), 0.02), 97.5);
        assert!(limit(scores.clone(), 0.001) > 99.0);
        assert_eq!(limit(Vec::new(), 0.1), f64::INFINITY);
    }

    #[test]
    fn residuals_have_no_season_and_unit_spread() {
        let values: Vec<f64> = (0..700)
            .map(|i| f64::from(i % 7) * 10.0 + f64::from(i / 7 % 5) - 2.0)
            .collect();
        let mut residuals_with_hole = values.clone();
        residuals_with_hole[3] = f64::NAN;
        for (i, residual) in residuals(&residuals_with_hole, 7).iter().enumerate() {
            let expected = if i == 3 {
                0.0
            } else {
                (f64::from(i as u32 / 7 % 5) - 2.0) / 1.4826
            };
            assert!((residual - expected).abs() < 1e-9, "{i}: {residual}");
        }
    }

    #[test]
    fn the_oracle_finds_the_place() {
        let plant = Plant::Outage {
            hours: 6,
            factor: 5.0,
            day: 3,
        };
        for kind in [
            Kind::Counts,
            Kind::Shares,
            Kind::Durations,
            Kind::Gauges,
            Kind::Groups,
        ] {
            let series = Series::new("oracle", 5, kind, plant);
            let place = search(&series, kind, plant, HOURS).unwrap();
            assert!(
                place.first.abs_diff(series.planted.start) <= 1,
                "{kind:?}: {place:?}"
            );
            assert_eq!(place.group, series.group);
            assert!(place.score > 5.0, "{kind:?}: {place:?}");
        }
        for plant in [Plant::Step(3.0), Plant::Ramp(28)] {
            let kind = Kind::Days(0.5);
            let series = Series::new("oracle", 1, kind, plant);
            let place = search(&series, kind, plant, DAYS).unwrap();
            assert!(
                place.first.abs_diff(series.planted.start) <= 7,
                "{plant:?}: {place:?}"
            );
        }
    }
}
