//! Measures the effect of an improvement: selects days and controls, and gives a verdict.

use super::{
    Controls, Params,
    calibration::Calibration,
    onset::{BadSpell, Onset, find_bad_spell, find_onset},
    register::{ALL_RECORDS, Improvement},
};
use crate::{
    Context, frame,
    series::{Group, SeriesSet, need::RECORDS_MIN, period::Period},
};
use rayon::prelude::*;
use retrocast_domain::{Verdict, number, window::date_in_words};
use retrocast_stats::{
    effect::{Design, Estimate, Test, detectable, estimate},
    seasonal::{decompose, interpolate},
};

/// An improvement and the outcome of its measurement.
pub(super) struct Measurement<'a> {
    pub(super) improvement: &'a Improvement,
    pub(super) outcome: Outcome,
}

/// The result of a measurement.
pub(super) enum Outcome {
    /// An effect was estimated.
    Measured(Box<EffectMeasurement>),
    /// Too few days after the change, or none in the data.
    TooEarly(TooEarly),
    /// No estimate is possible.
    NotMeasured(String),
}

/// An improvement that is too recent to judge.
pub(super) struct TooEarly {
    /// The amounts of data that are present and needed, as a phrase.
    pub(super) message: String,
    /// Smallest difference that would be found in four of five cases once all days have passed;
    /// `None` with too little history.
    pub(super) detectable: Option<f64>,
}

/// An effect, with the indices of the days that it was estimated from.
pub(super) struct EffectMeasurement {
    pub(super) estimate: Estimate,
    pub(super) begin: usize,
    pub(super) change: usize,
    pub(super) end: usize,
    pub(super) controls: Vec<String>,
    pub(super) caveats: Vec<String>,
    pub(super) verdict: Verdict,
    /// True if no later days will be added to the measurement.
    pub(super) is_final: bool,
    /// Days before the change that already show the effect.
    pub(super) onset: Option<Onset>,
    /// Periods before the change that were unusually bad.
    pub(super) bad_spell: Option<BadSpell>,
}

/// Minimum number of periods before a change, real or placebo: 42 days, or 15 longer periods.
fn pre_min(period: Period) -> usize {
    match period {
        Period::Hour | Period::Day => 42,
        Period::Week | Period::Month => 15,
    }
}

/// Number of periods that cover at least `days` days.
pub(super) fn periods_of(days: u32, period: Period) -> usize {
    (days as usize).div_ceil(period.days())
}

/// Caveat of an effect whose test is unreliable.
const UNRELIABLE_TEST: &str = "The test reports an effect on this metric too often on dates without a change, so no \
                               effect on it is called proven.";

/// Maximum number of controls of one improvement.
const CONTROLS_MAX: usize = 3;

/// Measures every improvement. Each is tested separately: a verdict must not depend on the number
/// of other improvements in the register.
pub(super) fn judge<'a>(
    context: &Context,
    params: &Params,
    set: &SeriesSet,
    improvements: &'a [Improvement],
) -> Vec<Measurement<'a>> {
    improvements
        .par_iter()
        .map(|improvement| {
            context.stop.check();
            Measurement {
                improvement,
                outcome: measure(params, set, improvements, improvement),
            }
        })
        .collect()
}

/// Significance level of intervals and verdicts.
const ALPHA: f64 = 0.05;

/// The verdict: an effect is proven if the interval excludes zero and, after a constant history,
/// the test rejects.
fn verdict(estimate: &Estimate, lower_is_better: bool) -> Verdict {
    let [_, low, high] = estimate.absolute;
    let is_significant = estimate.p < ALPHA;
    match (high < 0.0 && is_significant, low > 0.0 && is_significant) {
        (true, _) if lower_is_better => Verdict::Works,
        (_, true) if !lower_is_better => Verdict::Works,
        (true, _) | (_, true) => Verdict::Harmful,
        _ => Verdict::Unclear,
    }
}

pub(super) fn measure(
    params: &Params,
    set: &SeriesSet,
    all: &[Improvement],
    improvement: &Improvement,
) -> Outcome {
    let component = &improvement.component;
    let Some(group) = find_group(set, component) else {
        return Outcome::NotMeasured(missing_component(set, &params.component_column, component));
    };
    if let Some(reason) = missing_data(set, group, improvement) {
        return Outcome::NotMeasured(reason);
    }
    let n = set.starts.len();
    let noun = set.period.noun();
    let change = set.index_of(improvement.date);
    // Other improvements of the component limit the days before and after.
    let others: Vec<usize> = all
        .iter()
        .filter(|other| other.id != improvement.id && other.component == *component)
        .map(|other| set.index_of(other.date))
        .collect();
    let mut caveats = Vec::new();
    let end = bound_after(params, set.period, change, n, &others, &mut caveats);
    let known_after = group.values[change..end].iter().flatten().count();
    let history = group.first_known();
    let begin = bound_before(params, set.period, change, history, &others, &mut caveats);
    let values = without_mixed_period(set, group, change, improvement);
    let exposure = set.exposure(group);
    let pre_min = pre_min(set.period);
    let season = set
        .period
        .cadence()
        .season_in(&interpolate(&values[begin..change.max(begin)]));
    let need = periods_of(params.min_post, set.period);
    if known_after < need {
        let planned = Design {
            values: &values,
            exposure,
            controls: &[],
            change: change.min(n),
            end: n,
            begin,
            history,
            period: season,
            pre_min,
            others: &others,
            year: set.period.cadence().year(),
        };
        return Outcome::TooEarly(TooEarly {
            message: format!(
                "{} of data after the change, {need} needed",
                number::plural(known_after as u64, noun)
            ),
            detectable: detectable(&planned, periods_of(params.post_days, set.period)).ok(),
        });
    }
    let controls = match params.controls {
        Controls::None => Vec::new(),
        Controls::OtherComponents => select_controls(set, group, all, [begin, change, end], season),
    };
    if controls.is_empty() {
        caveats.push(
            match params.controls {
                Controls::None => {
                    "Uncontrolled: no control was requested, so an outside event at \
                                   the same time cannot be distinguished from the improvement."
                }
                Controls::OtherComponents if set.groups.len() < 2 => {
                    "Uncontrolled: there is no other component to compare with, so an outside event at \
                     the same time cannot be distinguished from the improvement."
                }
                Controls::OtherComponents => {
                    "Uncontrolled: no other component moved in step with this one before the change, \
                     so an outside event at the same time cannot be distinguished from the improvement."
                }
            }
            .to_string(),
        );
    }
    let interpolated: Vec<Vec<f64>> = controls
        .iter()
        .map(|other| interpolate(&other.values))
        .collect();
    let slices: Vec<&[f64]> = interpolated.iter().map(Vec::as_slice).collect();
    let design = Design {
        values: &values,
        exposure,
        controls: &slices,
        change,
        end,
        begin,
        history,
        period: season,
        pre_min,
        others: &others,
        year: set.period.cadence().year(),
    };
    match estimate(&design) {
        Ok(estimate) => {
            let mut measured = EffectMeasurement {
                caveats: caveats
                    .into_iter()
                    .chain(test_caveat(&estimate, noun))
                    .collect(),
                verdict: verdict(&estimate, improvement.lower_is_better),
                bad_spell: find_bad_spell(
                    &values,
                    season,
                    begin,
                    change,
                    improvement.lower_is_better,
                ),
                onset: find_onset(&values, season, begin, change, end),
                is_final: end < n || end - change >= periods_of(params.post_days, set.period),
                estimate,
                begin,
                change,
                end,
                controls: controls.iter().map(|group| group.label.clone()).collect(),
            };
            // A test that rejects too often on the metric's own history proves nothing.
            if measured.verdict.is_proven()
                && Calibration::from_estimate(&measured.estimate).is_unreliable()
            {
                measured.verdict = Verdict::Unclear;
                measured.caveats.push(UNRELIABLE_TEST.to_string());
            }
            Outcome::Measured(Box::new(measured))
        }
        Err(error) => Outcome::NotMeasured(error.to_string()),
    }
}

/// Finds the series of a component in the register.
pub(super) fn find_group<'a>(set: &'a SeriesSet, component: &str) -> Option<&'a Group> {
    set.groups.iter().find(|group| group.label == component)
}

/// The values of a group without the period in which the change falls, unless that period begins
/// with it.
fn without_mixed_period(
    set: &SeriesSet,
    group: &Group,
    change: usize,
    improvement: &Improvement,
) -> Vec<Option<f64>> {
    let mut values = group.values.clone();
    let begins_later = set
        .starts
        .get(change)
        .is_none_or(|start| start.date() > improvement.date);
    if set.period != Period::Day && begins_later && change > 0 {
        values[change - 1] = None;
    }
    values
}

/// The caveat for an unusual test.
fn test_caveat(estimate: &Estimate, noun: &str) -> Option<String> {
    let periods = |periods: usize| number::plural(periods as u64, noun);
    match estimate.test {
        Test::Placebo => None,
        Test::Model if estimate.steps_of_history < estimate.placebo_steps => Some(format!(
            "The estimate could not be tested at earlier dates: there are {} before the change, {} \
             are needed. Its interval relies only on a model of the noise.",
            periods(estimate.steps_of_history),
            estimate.placebo_steps
        )),
        Test::Model => Some(
            "The estimate could not be tested at earlier dates: other changes leave too few of them. \
             Its interval relies only on a model of the noise."
                .to_string(),
        ),
        Test::Constant => Some(format!(
            "The metric never departed from its pattern in the {} before the change, so the p-value \
             comes from counting departures, not from a model of the noise.",
            periods(estimate.steps_before)
        )),
    }
}

/// The reason why a component is not in the data.
fn missing_component(set: &SeriesSet, column: &str, component: &str) -> String {
    let dataset = &set.evidence.dataset;
    if set
        .groups
        .iter()
        .all(|group| group.label == frame::visible(None))
    {
        return format!("the column {column:?} of {dataset} holds no value");
    }
    format!("the data have no {column} {component:?}")
}

/// The reason why a component can never be estimated: no days before the change, or no records.
fn missing_data(set: &SeriesSet, group: &Group, improvement: &Improvement) -> Option<String> {
    let change = set.index_of(improvement.date);
    let begin = group.first_known();
    let known = group.values[begin.min(change)..change]
        .iter()
        .flatten()
        .count();
    let (name, noun, pre_min) = (&group.label, set.period.noun(), pre_min(set.period));
    if improvement.date <= group.first.date() || known == 0 {
        return Some(format!(
            "the records of {name} that can be used begin on {}, so there is nothing before the \
             change to compare with; {} before it are needed",
            date_in_words(
                set.starts
                    .get(begin)
                    .map_or(group.first.date(), |start| start.date())
            ),
            number::plural(pre_min as u64, noun)
        ));
    }
    if known < pre_min {
        return Some(format!(
            "{} of {name} before the change, {pre_min} needed",
            number::plural(known as u64, noun)
        ));
    }
    (group.records < RECORDS_MIN).then(|| {
        format!(
            "{} of {name}, {RECORDS_MIN} needed",
            number::plural(group.records, "record")
        )
    })
}

/// The end of the days after the change: the requested number of days, the end of the data, or the
/// component's next improvement.
fn bound_after(
    params: &Params,
    period: Period,
    change: usize,
    n: usize,
    others: &[usize],
    caveats: &mut Vec<String>,
) -> usize {
    let end = (change + periods_of(params.post_days, period))
        .min(n)
        .max(change);
    let next = others
        .iter()
        .copied()
        .filter(|other| (change..end).contains(other))
        .min();
    match next {
        Some(next) if next - change >= periods_of(params.min_post, period) => {
            caveats.push(format!(
                "Another improvement of the component followed after {}; only the time before it \
                 counts.",
                number::plural((next - change) as u64, period.noun())
            ));
            next
        }
        Some(_) => {
            caveats.push(
                "Another improvement of the component came at nearly the same time: their effects \
                 cannot be separated."
                    .to_string(),
            );
            end
        }
        None => end,
    }
}

/// The start of the days before the change: the requested number of days, the start of the data, or
/// the component's last improvement if that leaves enough days.
fn bound_before(
    params: &Params,
    period: Period,
    change: usize,
    history: usize,
    others: &[usize],
    caveats: &mut Vec<String>,
) -> usize {
    let begin = change
        .saturating_sub(params.periods_before(period))
        .max(history);
    let previous = others
        .iter()
        .copied()
        .filter(|other| (begin..change).contains(other))
        .max();
    match previous {
        Some(previous) if change - previous >= pre_min(period) => previous,
        Some(previous) => {
            caveats.push(format!(
                "Another improvement of the component came {} before; the expected values \
                 include its effect only in part.",
                number::plural((change - previous) as u64, period.noun())
            ));
            begin
        }
        None => begin,
    }
}

/// Selects other components whose season-adjusted series correlated with this one before the
/// change, significantly after correction for the number of candidates.
fn select_controls<'a>(
    set: &'a SeriesSet,
    group: &Group,
    all: &[Improvement],
    [begin, change, end]: [usize; 3],
    season: usize,
) -> Vec<&'a Group> {
    let is_changed = |label: &str| {
        all.iter().any(|other| {
            other.component == label && (begin..end).contains(&set.index_of(other.date))
        })
    };
    let adjusted = |group: &Group| {
        let values = interpolate(&group.values[begin..change]);
        if values.len() < pre_min(set.period) {
            return Vec::new();
        }
        let parts = decompose(&values, season);
        values
            .iter()
            .zip(&parts.season)
            .map(|(value, season)| value - season)
            .collect::<Vec<_>>()
    };
    let own = adjusted(group);
    let candidates: Vec<&Group> = set
        .groups
        .iter()
        .filter(|other| other.label != group.label && !is_changed(&other.label))
        // The total cannot be a control of its parts, nor can its parts be controls of the total.
        .filter(|other| other.label != ALL_RECORDS && group.label != ALL_RECORDS)
        .filter(|other| other.values[begin..end].iter().all(Option::is_some))
        .collect();
    // The normal quantile at 1 % for one candidate, raised for the number of candidates.
    let limit = 2.6 + (candidates.len().max(1) as f64).ln() / 3.0;
    let mut scored: Vec<(f64, &Group)> = candidates
        .into_iter()
        .map(|other| (correlation(&own, &adjusted(other)), other))
        .filter(|(r, _)| *r >= (limit / (own.len() as f64).sqrt()).max(0.3))
        .collect();
    scored.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.label.cmp(&y.label)));
    scored
        .into_iter()
        .take(CONTROLS_MAX)
        .map(|(_, group)| group)
        .collect()
}

/// Pearson correlation; 0 if undefined.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len()) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - mean_a) * (y - mean_b);
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
    }
    if aa > 0.0 && bb > 0.0 {
        ab / (aa * bb).sqrt()
    } else {
        0.0
    }
}
