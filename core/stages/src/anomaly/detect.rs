//! Finds unusual steps by scores and an isolation forest, with corrected limits, and joins them to
//! events.

use super::{Params, Sides};
use crate::{
    Context,
    series::{Aggregate, Extremes, Group, SeriesSet, missing::SilentRun, period::Period},
};
use retrocast_stats::{
    anomaly::{Options, Quantity, Score, features, score, score_within_year},
    describe::{mean, variance},
    few_records::{StepRecords, UsualRecords},
    isolation_forest::{self, IsolationForest},
    search::content_seed,
    stuck::{StuckRun, stuck_run},
    test::benjamini_hochberg,
    yearly::{YearlySeason, yearly_season},
};

/// Scores and events of one group.
pub(super) struct AnomalyScores<'a> {
    pub(super) series: &'a Group,
    pub(super) scores: Vec<Option<Score>>,
    /// True if the season of the year is removed.
    pub(super) has_year: bool,
    pub(super) forest: Vec<f64>,
    pub(super) events: Vec<Event>,
    /// The silence in which the series ends; its steps are in no other event.
    pub(super) silence: Option<SilentRun>,
    /// Equal values in a row; its steps are in no other event.
    pub(super) stuck: Option<StuckRun>,
    pub(super) step_counts: StepCounts,
}

impl AnomalyScores<'_> {
    /// Number of all events, of any type.
    pub(super) fn event_count(&self) -> usize {
        self.events.len() + usize::from(self.silence.is_some()) + usize::from(self.stuck.is_some())
    }

    /// The band of 95 % of usual values; not below zero if no value is negative.
    pub(super) fn band(&self, score: &Score) -> [f64; 2] {
        let floor = if self
            .series
            .values
            .iter()
            .flatten()
            .all(|value| *value >= 0.0)
        {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        [score.low, score.high].map(|end| end.max(floor))
    }
}

/// Numbers of analysed steps of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StepCounts {
    /// Number of analysed steps.
    pub(super) steps: usize,
    /// Number of steps outside the 95 % band.
    pub(super) outside: usize,
    /// Number of steps that are proven unusual, but deviate too little for a finding.
    pub(super) small: usize,
    /// Number of steps whose band includes zero.
    pub(super) reach_zero: usize,
}

/// Neighbouring anomalous steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) peak: usize,
    pub(super) up: bool,
    /// Probability of the peak, two-sided if both directions are tested.
    pub(super) p: f64,
    /// The same, corrected for all analysed values.
    pub(super) p_adjusted: f64,
    /// True if the isolation forest agrees.
    pub(super) agreed: bool,
}

/// Score of the isolation forest above which a step is unusual.
const FOREST_LIMIT: f64 = 0.6;

/// Type of the event.
pub(super) const STUCK: &str = "stuck";

/// Type of the event.
pub(crate) const SILENCE: &str = "silence";
/// Number of weeks after which a silent group counts as retired.
const RETIRED_WEEKS: usize = 8;

/// Mean number of records of a step below which its aggregate is judged by the values of its
/// records.
const FEW_RECORDS: f64 = 20.0;
/// Variance over mean of the number of records below which records come at regular times.
const REGULAR_DISPERSION: f64 = 0.5;

/// First analysed step, and first step of the window.
pub(super) fn analysed_steps(
    context: &Context,
    params: &Params,
    set: &SeriesSet,
) -> (usize, usize) {
    let window = first_in_window(context, set);
    let look_back = params.look_back.map_or(window, |days| {
        let steps = set.period.count_in(days as usize);
        set.starts.len().saturating_sub(steps)
    });
    (look_back.min(window), window)
}

/// First step of the window; the last step if it contains no whole week or month.
pub(super) fn first_in_window(context: &Context, set: &SeriesSet) -> usize {
    let first = set.index_of(context.window.start);
    match set.period {
        Period::Hour | Period::Day => first,
        Period::Week | Period::Month => first.min(set.starts.len().saturating_sub(1)),
    }
}

/// Scores every group with enough steps, and finds its events.
pub(super) fn score_groups<'a>(
    context: &Context,
    params: &Params,
    set: &'a SeriesSet,
    options: Options,
) -> Vec<AnomalyScores<'a>> {
    let aggregate = params.aggregate();
    let (from, window) = analysed_steps(context, params, set);
    let score_group = |series: &'a Group| {
        let quantity = quantity(aggregate, &series.values);
        let year = year_of(set, series);
        let mut scores = match &year {
            Some(year) => score_within_year(&series.values, quantity, options, year),
            None => score(&series.values, quantity, options),
        };
        if quantity == Quantity::Continuous && has_few_records(&series.counts) {
            allow_for_few_records(&mut scores, series, aggregate);
        }
        let points = features(&scores);
        let forest = IsolationForest::grow(
            &points,
            isolation_forest::Options::default(),
            context.seed ^ content_seed(series.values.iter().flatten()),
        );
        let forest = points.iter().map(|point| forest.score(point)).collect();
        Some(AnomalyScores {
            series,
            scores,
            has_year: year.is_some(),
            forest,
            events: Vec::new(),
            silence: find_silence(context, set, series, quantity),
            stuck: find_stuck_run(context, params, set, series),
            step_counts: StepCounts::default(),
        })
    };
    let scored = set.map_sufficient_groups(context, |_| options.need(), score_group);
    let mut scored: Vec<AnomalyScores> = scored.into_iter().flatten().collect();
    let n = set.starts.len();
    let mut adjusted: Vec<Vec<f64>> = vec![vec![1.0; n]; scored.len()];
    // With two regions, each gets half of the error rate.
    let share = if from < window { 2.0 } else { 1.0 };
    for region in [from..window, window..n] {
        let tests: Vec<(usize, usize, f64)> = scored
            .iter()
            .enumerate()
            .flat_map(|(group, scores)| {
                region.clone().filter_map(move |step| {
                    let score = scores.scores[step].as_ref()?;
                    Some((group, step, tail(params, score)))
                })
            })
            .collect();
        let p: Vec<f64> = tests.iter().map(|(.., p)| *p).collect();
        for ((group, step, _), p) in tests.iter().zip(benjamini_hochberg(&p)) {
            adjusted[*group][*step] = (p * share).min(1.0);
        }
    }
    for (group, adjusted) in scored.iter_mut().zip(&adjusted) {
        (group.events, group.step_counts) = find_events(params, group, from, adjusted);
        if let Some(silence) = &group.silence {
            let begin = silence.steps.start;
            group.events.retain(|event| event.up || event.last < begin);
        }
        if let Some(StuckRun { steps, .. }) = &group.stuck {
            let is_outside = |event: &Event| event.last < steps.start || steps.end <= event.first;
            group.events.retain(is_outside);
        }
    }
    scored
}

/// The season of the year of weeks or months, if they show one.
fn year_of(set: &SeriesSet, group: &Group) -> Option<YearlySeason> {
    match set.period {
        Period::Hour | Period::Day => None,
        Period::Week | Period::Month => yearly_season(&group.values, set.period.cadence().year()),
    }
}

/// Finds the run of equal values of a group that reaches into the window and is not chance. Counts
/// and sums may well be equal for long, such as zero.
fn find_stuck_run(
    context: &Context,
    params: &Params,
    set: &SeriesSet,
    group: &Group,
) -> Option<StuckRun> {
    if params.aggregate().adds_up() {
        return None;
    }
    stuck_run(&group.values, first_in_window(context, set))
}

/// Finds the silence in which the series of a group ends, if it reaches into the window and is not
/// chance. Records are counted; if values are counts, these are.
fn find_silence(
    context: &Context,
    set: &SeriesSet,
    group: &Group,
    quantity: Quantity,
) -> Option<SilentRun> {
    let n = group.counts.len();
    let after_last = 1 + group.counts.iter().rposition(|count| *count > 0.0)?;
    // Steps in which the records of the whole source are missing are no evidence.
    let is_missing = |value: &Option<f64>| set.adds_up && value.is_none();
    let after_missing = group.values.iter().rposition(is_missing);
    let begin = after_last.max(after_missing.map_or(0, |step| step + 1));
    let numbers: Vec<f64> = match quantity {
        Quantity::Count => group
            .values
            .iter()
            .map(|value| value.unwrap_or(0.0))
            .collect(),
        Quantity::Continuous => group.counts.clone(),
    };
    let week = match set.period {
        Period::Hour | Period::Day => 7 * set.period.per_day(),
        Period::Week | Period::Month => 1,
    };
    let silence = SilentRun::in_run(&numbers, begin..n, week)?;
    let is_in_window = silence.steps.end > first_in_window(context, set);
    let is_retired = n - silence.steps.start > RETIRED_WEEKS * week;
    (is_in_window && !is_retired).then_some(silence)
}

/// Returns true if the aggregate of a step depends on how many records it happens to have, and
/// these are few. Measurements at regular times are not few: their number is always the same.
fn has_few_records(counts: &[f64]) -> bool {
    let usual = mean(counts);
    usual < FEW_RECORDS && variance(counts) > REGULAR_DISPERSION * usual
}

/// Raises the probabilities of an aggregate of few records to those that the number of records and
/// the tail of their values give.
fn allow_for_few_records(scores: &mut [Option<Score>], series: &Group, aggregate: Aggregate) {
    let counts = &series.counts[series.first_known()..];
    let total: f64 = series.counts.iter().sum();
    let value = series.extremes.sum / total.max(1.0);
    let usual = UsualRecords::new(counts, value);
    let probability = |step: usize, extremes: &[(f64, usize)], sign: f64, score: &Score| {
        let others = extremes.iter().filter(|(_, period)| *period != step);
        let largest: Vec<f64> = others.map(|(value, _)| *value).collect();
        let count = series.counts[step];
        let records = StepRecords {
            usual: usual.scaled_by(sign),
            count,
            largest: &largest,
            others: (total - count).max(0.0) as usize,
        };
        let value = sign * score.value;
        match aggregate {
            Aggregate::Count => 0.0,
            Aggregate::Sum => records.probability_of_sum(value, sign * score.expected),
            Aggregate::Mean => records.probability_of_mean(value),
            Aggregate::Median | Aggregate::Max => records.probability_of_max(value),
        }
    };
    let Extremes {
        largest, smallest, ..
    } = &series.extremes;
    let can_be_negative = smallest.first().is_some_and(|(value, _)| *value > 0.0);
    for (step, score) in scores.iter_mut().enumerate() {
        *score = score.map(|score| {
            let p_up = probability(step, largest, 1.0, &score);
            let p_down = if can_be_negative {
                probability(step, smallest, -1.0, &score)
            } else {
                0.0
            };
            score.with_at_least(p_up, p_down)
        });
    }
}

/// Probability of a deviation at least as large in the directions to find; 1 in the other
/// direction.
fn tail(params: &Params, score: &Score) -> f64 {
    let up = score.z > 0.0;
    let p = score.p_up.min(score.p_down);
    match params.direction {
        Sides::Both => (2.0 * p).min(1.0),
        Sides::Up if up => p,
        Sides::Down if !up => p,
        Sides::Up | Sides::Down => 1.0,
    }
}

/// Returns `Count` for sums that are all integers and not negative.
fn quantity(aggregate: Aggregate, values: &[Option<f64>]) -> Quantity {
    let is_count = |value: &f64| *value >= 0.0 && value.fract() == 0.0;
    if aggregate.adds_up() && values.iter().flatten().all(is_count) {
        Quantity::Count
    } else {
        Quantity::Continuous
    }
}

/// Joins neighbouring unusual steps of a group to events, and counts its steps.
fn find_events(
    params: &Params,
    group: &AnomalyScores,
    from: usize,
    adjusted: &[f64],
) -> (Vec<Event>, StepCounts) {
    let mut events: Vec<Event> = Vec::new();
    let mut step_counts = StepCounts::default();
    for (i, p_adjusted) in adjusted.iter().copied().enumerate().skip(from) {
        let Some(score) = group.scores[i] else {
            continue;
        };
        let is_outside = score.value < score.low || score.value > score.high;
        step_counts.steps += 1;
        step_counts.outside += usize::from(is_outside);
        let [low, high] = group.band(&score);
        step_counts.reach_zero += usize::from(low <= 0.0 && high >= 0.0);
        let up = score.z > 0.0;
        if params.direction == (if up { Sides::Down } else { Sides::Up }) {
            continue;
        }
        let p = tail(params, &score);
        let agreed = group.forest[i] >= FOREST_LIMIT;
        let size = score.expected.abs().max(1e-12);
        let is_large = (score.value - score.expected).abs() / size >= params.change_min;
        let is_claimed =
            is_outside && p_adjusted < params.alpha && (agreed || p_adjusted < params.alpha / 20.0);
        step_counts.small += usize::from(is_claimed && !is_large);
        // An unusual step next to a claimed one belongs to the same event.
        let is_next = events.last().is_some_and(|e| e.last + 1 == i && e.up == up);
        let is_continued = is_outside && is_next && p < 1e-3;
        if !(is_large && (is_claimed || is_continued)) {
            continue;
        }
        let event = Event {
            first: i,
            last: i,
            peak: i,
            up,
            p,
            p_adjusted,
            agreed,
        };
        match events.last_mut() {
            Some(last) if last.last + 1 == i && last.up == up => {
                last.last = i;
                if p < last.p {
                    *last = Event {
                        first: last.first,
                        ..event
                    };
                }
                last.agreed |= agreed;
            }
            _ => events.push(event),
        }
    }
    (events, step_counts)
}
