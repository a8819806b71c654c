//! Effects of many changes on many series, when nobody registered which of them should have worked.
//!
//! Every change is a candidate for a lasting step in every series. Most did nothing, and the steps of
//! the others get into each other's way: what is before and after a change reaches up to the next real
//! one only, and which are real is not known. So the steps of a series are searched among the dates of
//! changes, one after the other (binary segmentation, Vostrikova, 1981), each is moved to its best date
//! between its neighbours (Bai, 1997), and steps that are not certain given the others are dropped
//! again. Then each change is tested between the steps that remain.
//!
//! Errors are an autoregression whose order is chosen by AIC, around the season and the steps. A test
//! is the coefficient of a step by generalised least squares, with degrees of freedom that say how well
//! the autocorrelation is known.
//!
//! Claims are counted over all changes and series by the false discovery rate ([`Adjustment`]). Changes
//! that explain a step as well as the best one are named beside it: data that close together cannot
//! tell them apart, and the claim is that one of them, or several, had an effect.
//!
//! Changes of one kind that were made and taken back, or made several times, are measured together: one
//! coefficient for as long as the change was on.

mod noise;
mod steps;

use crate::{
    describe::mean,
    distribution::t_quantile,
    seasonal::interpolate,
    test::{benjamini_hochberg, benjamini_yekutieli},
};
use noise::Noise;
use steps::{Search, Step};

/// A series that changes may have moved.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// One value a period; gaps are bridged by straight lines.
    pub values: &'a [Option<f64>],
    /// Periods of the season; 1 for none.
    pub season: usize,
}

/// A change that may have moved one series, or any.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Index of the first period after it, the same in every series.
    pub step: usize,
    /// The only series that it can have moved; `None` for any.
    pub series: Option<usize>,
    /// What it switches on or off; `None` for a change of its own.
    pub switch: Option<Switch<'a>>,
}

impl Change<'_> {
    fn touches(&self, series: usize) -> bool {
        self.series.is_none_or(|only| only == series)
    }
}

/// A change of a kind that is made more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch<'a> {
    /// Name of the kind.
    pub kind: &'a str,
    /// True where the change starts to apply, false where it is taken back.
    pub on: bool,
}

/// Correction of p-values for their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adjustment {
    /// Benjamini and Hochberg (1995). Tests of neighbouring dates share values and are positively
    /// dependent; for two-sided normal tests of any correlation the rate was never seen to exceed the
    /// level by more than a fraction (Reiner-Benaim, 2007).
    #[default]
    BenjaminiHochberg,
    /// Benjamini and Yekutieli (2001): holds for any dependence, such as series that are shares of one
    /// total, at the cost of power.
    BenjaminiYekutieli,
}

/// The effect of a change on a series.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeEffect {
    /// Index of the change.
    pub change: usize,
    /// Index of the series.
    pub series: usize,
    /// Step of the level with its 95 % interval, in units of the series; not corrected for selection.
    pub effect: [f64; 3],
    /// p-value of no step.
    pub p: f64,
    /// The same corrected for all changes and series.
    pub adjusted: f64,
    /// Other changes that cannot be told apart from this one in this series, in order of time.
    pub inseparable: Vec<usize>,
}

/// The effect of a kind of changes on a series, while it is on.
#[derive(Debug, Clone, PartialEq)]
pub struct KindEffect {
    /// Name of the kind.
    pub kind: String,
    /// Index of the series.
    pub series: usize,
    /// Number of changes of the kind within the series.
    pub changes: usize,
    /// Mean of the values while it is off.
    pub off: f64,
    /// Difference between on and off with its 95 % interval, in units of the series.
    pub effect: [f64; 3],
    /// p-value of no difference.
    pub p: f64,
    /// The same corrected for all changes and series.
    pub adjusted: f64,
}

/// All effects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Screening {
    /// Changes of their own with the series they were tested on, by series and then by date. Of changes
    /// that cannot be told apart the likeliest has the claim and the others its adjusted p-value.
    pub effects: Vec<ChangeEffect>,
    /// Kinds, by series and then by name.
    pub kinds: Vec<KindEffect>,
}

/// Fewest known values of a series.
const VALUES_MIN: usize = 30;
/// Rounds in which season, kinds and steps are fitted in turn.
const ROUNDS: usize = 3;
/// Level of the steps that are taken into account, divided by the number of dates.
const STEP_LEVEL: f64 = 0.05;
/// Level above which a kind is not taken into account when steps are searched.
const KIND_LEVEL: f64 = 0.01;

/// Measures every change on every series. A series with fewer than 30 values has no effects, and a
/// change without periods on both sides is not tested.
pub fn screen(series: &[Series], changes: &[Change], adjustment: Adjustment) -> Screening {
    let mut screening = Screening::default();
    // Of changes that cannot be told apart, the place of the one that is counted.
    let mut heads: Vec<usize> = Vec::new();
    for (index, series) in series.iter().enumerate() {
        if series.values.iter().flatten().count() >= VALUES_MIN {
            measure(index, *series, changes, &mut screening, &mut heads);
        }
    }
    let effects = screening.effects.iter().zip(&heads).enumerate();
    let counted = effects.map(|(at, (effect, head))| if *head == at { effect.p } else { 1.0 });
    let p: Vec<f64> = counted
        .chain(screening.kinds.iter().map(|kind| kind.p))
        .collect();
    let adjusted = match adjustment {
        Adjustment::BenjaminiHochberg => benjamini_hochberg(&p),
        Adjustment::BenjaminiYekutieli => benjamini_yekutieli(&p),
    };
    let (of_effects, of_kinds) = adjusted.split_at(heads.len());
    for (effect, head) in screening.effects.iter_mut().zip(&heads) {
        effect.adjusted = of_effects[*head];
    }
    for (kind, adjusted) in screening.kinds.iter_mut().zip(of_kinds) {
        kind.adjusted = *adjusted;
    }
    screening
}

/// A kind of changes in a series: where it is on.
struct Kind<'a> {
    name: &'a str,
    changes: usize,
    state: Vec<f64>,
    effect: [f64; 2],
    p: f64,
    freedom: f64,
}

/// The kinds that are both on and off within the `n` periods of a series, by name.
fn kinds<'a>(changes: &[Change<'a>], series: usize, n: usize) -> Vec<Kind<'a>> {
    let mut switches: Vec<(&str, usize, bool)> = changes
        .iter()
        .filter(|change| change.touches(series))
        .filter_map(|change| Some((change.switch?.kind, change.step, change.switch?.on)))
        .filter(|(_, step, _)| (1..n).contains(step))
        .collect();
    switches.sort_unstable();
    switches
        .chunk_by(|a, b| a.0 == b.0)
        .map(|switches| {
            // Before the first switch is the opposite of it.
            let mut state = vec![f64::from(u8::from(!switches[0].2)); n];
            for (_, step, on) in switches {
                state[*step..].fill(f64::from(u8::from(*on)));
            }
            Kind {
                name: switches[0].0,
                changes: switches.len(),
                state,
                effect: [0.0, f64::INFINITY],
                p: 1.0,
                freedom: f64::INFINITY,
            }
        })
        .collect()
}

/// Adds the effects on one series.
fn measure(
    index: usize,
    series: Series,
    changes: &[Change],
    screening: &mut Screening,
    heads: &mut Vec<usize>,
) {
    let values = interpolate(series.values);
    let n = values.len();
    let mut own: Vec<usize> = (0..changes.len())
        .filter(|i| changes[*i].switch.is_none() && (1..n).contains(&changes[*i].step))
        .filter(|i| changes[*i].touches(index))
        .collect();
    own.sort_by_key(|i| changes[*i].step);
    let mut dates: Vec<usize> = own.iter().map(|i| changes[*i].step).collect();
    dates.dedup();
    let mut kinds = kinds(changes, index, n);
    let mut found: Vec<usize> = Vec::new();
    let mut season = vec![0.0; n];
    let mut noise =
        Noise::of_differences(&noise::without_season(&values, &mut season, series.season));
    for round in 0..ROUNDS {
        let adjusted = without(&values, &season, &kinds);
        let search = Search::new(&adjusted, &noise);
        found = search.find(&dates, &found, STEP_LEVEL / dates.len().max(1) as f64);
        let levels = steps::levels(&adjusted, &found);
        // Season and noise are what is left of the values.
        let rest: Vec<f64> = (0..n)
            .map(|i| adjusted[i] + season[i] - levels[i])
            .collect();
        let rest = noise::without_season(&rest, &mut season, series.season);
        let coefficients = found.len() + series.season.max(1) + kinds.len();
        noise = Noise::of(&rest, coefficients);
        let with_kinds: Vec<f64> = (0..n).map(|i| values[i] - season[i]).collect();
        steps::fit_kinds(&mut kinds, &with_kinds, &found, &noise);
        if round + 1 == ROUNDS {
            let adjusted = without(&values, &season, &kinds);
            let search = Search::new(&adjusted, &noise);
            found = search.prune(&dates, found, STEP_LEVEL / dates.len().max(1) as f64);
            let tests = search.test(&dates, &found);
            add(index, changes, &own, &dates, &tests, screening, heads);
        }
    }
    screening.kinds.extend(kinds.iter().map(|kind| KindEffect {
        kind: kind.name.to_string(),
        series: index,
        changes: kind.changes,
        off: {
            let off = values.iter().zip(&kind.state);
            let off = off.filter(|(_, state)| **state == 0.0);
            mean(&off.map(|(value, _)| *value).collect::<Vec<_>>())
        },
        effect: interval(kind.effect, kind.freedom),
        p: kind.p,
        adjusted: 1.0,
    }));
}

/// The values without season and without the kinds that are likely to have an effect.
fn without(values: &[f64], season: &[f64], kinds: &[Kind]) -> Vec<f64> {
    let counted = || kinds.iter().filter(|kind| kind.p < KIND_LEVEL);
    (0..values.len())
        .map(|i| {
            let of_kinds: f64 = counted().map(|kind| kind.effect[0] * kind.state[i]).sum();
            values[i] - season[i] - of_kinds
        })
        .collect()
}

/// Adds the tests of dates to the effects of the changes on them.
fn add(
    series: usize,
    changes: &[Change],
    own: &[usize],
    dates: &[usize],
    tests: &[Step],
    screening: &mut Screening,
    heads: &mut Vec<usize>,
) {
    let first = heads.len();
    let on = |date: usize| move |change: &&usize| changes[**change].step == date;
    for change in own {
        let date = changes[*change].step;
        let Ok(at) = dates.binary_search(&date) else {
            continue;
        };
        let test = &tests[at];
        let same = own.iter().filter(|other| *other != change);
        let inseparable = same
            .filter(|other| test.inseparable.contains(&changes[**other].step))
            .copied()
            .collect();
        // The first change on the best date has the claim.
        let head = own
            .iter()
            .position(|other| on(test.head)(&other))
            .unwrap_or(0);
        heads.push(first + head);
        screening.effects.push(ChangeEffect {
            change: *change,
            series,
            effect: interval([test.effect, test.error], test.freedom),
            p: test.p,
            adjusted: 1.0,
            inseparable,
        });
    }
}

/// Estimate and 95 % interval.
fn interval([estimate, error]: [f64; 2], freedom: f64) -> [f64; 3] {
    let half = t_quantile(0.975, freedom) * error;
    [estimate, estimate - half, estimate + half]
}

#[cfg(test)]
mod tests;
