//! The effect of a change on one series, with or without other series as controls.
//!
//! The expectation without the change comes from the values before it, by one of three families of
//! models ([`SeriesMethod`]). Interval, p-value and their correction by placebo dates are those of
//! [`crate::effect`] for all families.

use crate::{
    counterfactual::{DAYS, Family, Line, PHASES_MAX, Sample, season_size},
    distribution::t_quantile,
    effect::{Design, EffectError, Estimate, estimate, estimate_by},
    seasonal::{interpolate, is_seasonal, phases_p},
    structural::Structural,
};

/// A series around a change.
#[derive(Debug, Clone, Copy)]
pub struct Intervention<'a> {
    /// The outcome, one value per period; `None` for missing values.
    pub values: &'a [Option<f64>],
    /// Controls that the change could not affect, each as long as `values` and without gaps.
    pub controls: &'a [&'a [f64]],
    /// Index of the first period after the change.
    pub change: usize,
    /// Distance between periods.
    pub cadence: Cadence,
}

/// Distance between the periods of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// This number of periods in a day, such as 24.
    PerDay(usize),
    /// Every day.
    Day,
    /// Every seven days.
    Week,
    /// Every month.
    Month,
    /// Every three months.
    Quarter,
    /// Every year.
    Year,
    /// Any other distance, or irregular distances.
    Other,
}

impl Cadence {
    /// The distance between times, given as ascending seconds of the local clock: the distance of at
    /// least nine of ten neighbours, so that gaps do not matter. Parts of a day must divide it, and
    /// take three times to recognise.
    pub fn of(seconds: &[i64]) -> Self {
        let lengths: Vec<i64> = seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let is_usual = |shortest: i64, longest: i64| {
            let usual = shortest..=longest;
            let matching = lengths.iter().filter(|length| usual.contains(length));
            !lengths.is_empty() && matching.count() * 10 >= lengths.len() * 9
        };
        let calendar = [
            (Self::Day, 1, 1),
            (Self::Week, 7, 7),
            (Self::Month, 28, 31),
            (Self::Quarter, 89, 92),
            (Self::Year, 365, 366),
        ];
        for (cadence, shortest, longest) in calendar {
            if is_usual(shortest * DAY_SECONDS, longest * DAY_SECONDS) {
                return cadence;
            }
        }
        if lengths.len() < 2 {
            return Self::Other;
        }
        let middle = lengths.len() / 2;
        let usual = *lengths.clone().select_nth_unstable(middle).1;
        let is_part = (1..DAY_SECONDS).contains(&usual) && DAY_SECONDS % usual == 0;
        if is_part && is_usual(usual, usual) {
            Self::PerDay((DAY_SECONDS / usual) as usize)
        } else {
            Self::Other
        }
    }

    /// Number of periods in the usual season; 1 for none.
    pub fn season(self) -> usize {
        match self {
            Self::PerDay(periods) => periods,
            Self::Day => 7,
            Self::Week => 52,
            Self::Month => 12,
            Self::Quarter => 4,
            Self::Year | Self::Other => 1,
        }
    }

    /// Number of periods in the season of the values before a change; 1 for none. A season is
    /// detected by its autocorrelation in at least three cycles, or by an F test of its phases in at
    /// least one and a half; a long season is also assumed from two cycles on, because models with
    /// and without it are averaged.
    pub fn season_in(self, before: &[f64]) -> usize {
        let usual = self.season();
        let is_long = usual > PHASES_MAX && before.len() >= 2 * usual;
        let is_found = || {
            is_seasonal(before, usual)
                || (usual <= PHASES_MAX
                    && phases_p(before, usual).is_some_and(|p| p < SEASON_P_MAX))
        };
        if is_long || is_found() { usual } else { 1 }
    }

    /// Number of periods in a year; the number of days if the distance is not known.
    pub fn year(self) -> f64 {
        match self {
            Self::PerDay(periods) => periods as f64 * DAYS,
            Self::Day | Self::Other => DAYS,
            Self::Week => 52.0,
            Self::Month => 12.0,
            Self::Quarter => 4.0,
            Self::Year => 1.0,
        }
    }

    /// Plural noun of the periods.
    pub fn unit(self) -> &'static str {
        match self {
            Self::PerDay(24) => "hours",
            Self::Day => "days",
            Self::Week => "weeks",
            Self::Month => "months",
            Self::Quarter => "quarters",
            Self::Year => "years",
            Self::PerDay(_) | Self::Other => "periods",
        }
    }
}

/// Family of models of the values before the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesMethod {
    /// Regression on season and controls with autocorrelated errors, averaged over their memory
    /// ([`crate::counterfactual`]).
    Regression,
    /// Local level or trend, season and controls by a Kalman filter, averaged over the speed of
    /// change.
    Structural,
    /// Segmented regression with a straight line on both sides of the change and autocorrelated
    /// errors, also known as interrupted time series (Wagner et al., 2002).
    Interrupted,
}

impl SeriesMethod {
    /// Short name, as in arguments and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Structural => "structural",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A measured effect on one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesEffect {
    /// The family of models.
    pub method: SeriesMethod,
    /// Number of periods in the season of the models; 1 for none.
    pub season: usize,
    /// The effect: average per period, sum, ratio, with interval and p-value.
    pub estimate: Estimate,
    /// Level and slope changes, for a segmented regression.
    pub segments: Option<Segments>,
}

/// Changes found by a segmented regression, each with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segments {
    /// Change of the level.
    pub level: [f64; 3],
    /// Change of the slope, per period.
    pub slope: [f64; 3],
}

/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;
/// p-value below which the phases of a season differ.
const SEASON_P_MAX: f64 = 0.05;
/// Maximum number of periods of less than a day that are used before a change: more say little about
/// the hours after it, and take long.
const SHORT_PERIODS_MAX: usize = 1500;
/// Minimum number of periods before a change; with fewer, the noise is hardly known.
const BEFORE_MIN: usize = 12;
/// Maximum number of required periods before a placebo date.
const BEFORE_MAX: usize = 42;

/// The reason why there is no estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InterventionError {
    /// Too few known periods before the change.
    #[error("not enough {unit} before the change: {have}, {need} needed")]
    Before {
        /// Number of known periods.
        have: usize,
        /// Minimum number of periods.
        need: usize,
        /// Plural noun of the periods.
        unit: &'static str,
    },
    /// No known period after the change.
    #[error("none of the {unit} after the change has a value")]
    After {
        /// Plural noun of the periods.
        unit: &'static str,
    },
    /// A control is shorter or longer than the series, or has gaps.
    #[error("control {} has {have} values, the series {need} periods", index + 1)]
    Control {
        /// Its index among the controls.
        index: usize,
        /// Number of finite values.
        have: usize,
        /// Number of periods of the series.
        need: usize,
    },
}

/// Measures the effect over all periods after the change.
///
/// A season is used if it is detected in at least three cycles before the change. From two years of
/// weeks on, models with and without a yearly season are averaged. Placebo dates have at least half
/// as many periods before them as the change has.
pub fn measure(
    intervention: &Intervention,
    method: SeriesMethod,
) -> Result<SeriesEffect, InterventionError> {
    let Intervention {
        values,
        controls,
        change,
        cadence,
    } = *intervention;
    let need = values.len();
    for (index, control) in controls.iter().enumerate() {
        let have = control.iter().filter(|value| value.is_finite()).count();
        if have != need || control.len() != need {
            return Err(InterventionError::Control { index, have, need });
        }
    }
    let begin = match cadence {
        Cadence::PerDay(_) => change.min(need).saturating_sub(SHORT_PERIODS_MAX),
        _ => 0,
    };
    let before = interpolate(&values[begin..change.min(need)]);
    // A structural model has a state for each step of its season.
    let season = match cadence.season_in(&before) {
        long if long > PHASES_MAX && method == SeriesMethod::Structural => {
            if is_seasonal(&before, long) { long } else { 1 }
        }
        season => season,
    };
    let coefficients = season_size(season) + controls.len() + 5;
    let design = Design {
        values,
        exposure: &[],
        controls,
        change,
        end: need,
        begin,
        history: begin,
        period: season,
        pre_min: ((change - begin) / 2)
            .clamp(BEFORE_MIN, BEFORE_MAX)
            .max(coefficients),
        others: &[],
        year: cadence.year(),
    };
    let estimate = match method {
        SeriesMethod::Regression => estimate(&design),
        SeriesMethod::Structural => estimate_by(&Structural, &design),
        SeriesMethod::Interrupted => estimate_by(&Line, &design),
    };
    let unit = cadence.unit();
    let estimate = estimate.map_err(|error| match error {
        EffectError::Before { have, need } => InterventionError::Before { have, need, unit },
        EffectError::After => InterventionError::After { unit },
    })?;
    let segments = (method == SeriesMethod::Interrupted)
        .then(|| segments(&design))
        .flatten();
    Ok(SeriesEffect {
        method,
        season,
        estimate,
        segments,
    })
}

/// Changes of level and slope by one regression over both sides, with the autocorrelation of the
/// errors before the change. `None` with too few periods after it.
fn segments(design: &Design) -> Option<Segments> {
    let n = design.values.len();
    let since = |i: usize| i.checked_sub(design.change);
    let jump: Vec<f64> = (0..n)
        .map(|i| f64::from(u8::from(since(i).is_some())))
        .collect();
    let bend: Vec<f64> = (0..n).map(|i| since(i).unwrap_or(0) as f64).collect();
    let mut controls: Vec<&[f64]> = vec![&jump, &bend];
    controls.extend(design.controls);
    let before: Vec<&[f64]> = design
        .controls
        .iter()
        .map(|control| &control[..design.change])
        .collect();
    let models = Line.weigh(
        Sample::even(&design.values[..design.change]),
        &before,
        design.period,
    );
    let fitted = Line.forecast(
        &models,
        Sample::even(design.values),
        &controls,
        design.period,
        &[],
        true,
    )?;
    let freedom = fitted.average(|part| part.freedom);
    let half = t_quantile(0.975, freedom);
    let interval = |index: usize| {
        let coefficient = fitted.controls.get(index)?;
        let t = (coefficient.share / (1.0 - coefficient.share) * freedom).sqrt();
        let error = (coefficient.value / t).abs();
        let [low, high] = [-1.0, 1.0].map(|sign| coefficient.value + sign * half * error);
        error.is_finite().then_some([coefficient.value, low, high])
    };
    Some(Segments {
        level: interval(0)?,
        slope: interval(1)?,
    })
}

#[cfg(test)]
mod tests;
