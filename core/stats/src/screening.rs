//! Effects of many changes on many series, without a register of expected effects.
//!
//! Every change is a candidate for a lasting step in every series. Most have no effect, and the
//! steps of the others interfere: a change can only be compared over the periods between its
//! neighbouring steps, which are not known in advance. Therefore, the steps of a series are
//! searched for among the dates of changes, one after the other (binary segmentation, Vostrikova,
//! 1981), each is moved to its best date between its neighbours (Bai, 1997), and steps that are no
//! longer significant given the others are removed. Then each change is tested between the
//! remaining steps.
//!
//! Errors are an autoregression whose order is chosen by AIC, around the season and the steps. A
//! test is the coefficient of a step by generalised least squares, with degrees of freedom that
//! reflect how well the autocorrelation is known.
//!
//! Claims over all changes and series are controlled by the false discovery rate ([`Adjustment`]).
//! Changes that explain a step as well as the best change are listed with it: changes close to each
//! other cannot be distinguished, and the claim is that at least one of them had an effect.
//!
//! Changes of one kind that are reverted or repeated are measured together: one coefficient for all
//! periods in which the change is on.

mod noise;
mod steps;

use crate::{
    describe::mean,
    distribution::t_quantile,
    seasonal::interpolate,
    test::{benjamini_hochberg, benjamini_yekutieli},
};
use noise::Noise;
use steps::{DateTest, Search};

/// A series that changes may affect.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// One value per period; gaps are interpolated linearly.
    pub values: &'a [Option<f64>],
    /// Periods of the season; 1 for none.
    pub season: usize,
}

/// A change that may affect one series, or any.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Index of the first period after it, the same in every series.
    pub step: usize,
    /// The only series that it can affect; `None` for any.
    pub series: Option<usize>,
    /// The switch that it turns on or off; `None` for a single change.
    pub switch: Option<Switch<'a>>,
}

impl Change<'_> {
    fn may_affect(&self, series: usize) -> bool {
        self.series.is_none_or(|only| only == series)
    }
}

/// A change of a kind that occurs more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch<'a> {
    /// Name of the kind.
    pub kind: &'a str,
    /// True if the change starts to apply, false if it is reverted.
    pub on: bool,
}

/// Correction of p-values for multiple testing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adjustment {
    /// Benjamini and Hochberg (1995). Tests of neighbouring dates share values and are positively
    /// dependent; for two-sided normal tests of any correlation, simulations found the rate at most
    /// slightly above the level (Reiner-Benaim, 2007).
    #[default]
    BenjaminiHochberg,
    /// Benjamini and Yekutieli (2001): holds for any dependence, such as series that are shares of
    /// one total, at the cost of power.
    BenjaminiYekutieli,
}

/// The effect of a change on a series.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeEffect {
    /// Index of the change.
    pub change: usize,
    /// Index of the series.
    pub series: usize,
    /// Step of the level with its 95 % interval, in units of the series; not corrected for
    /// selection.
    pub effect: [f64; 3],
    /// p-value for no step.
    pub p: f64,
    /// p-value corrected for all changes and series.
    pub adjusted: f64,
    /// Other changes that cannot be distinguished from this one in this series, in order of time.
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
    /// p-value for no difference.
    pub p: f64,
    /// p-value corrected for all changes and series.
    pub adjusted: f64,
}

/// All effects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Screening {
    /// Single changes with the series they were tested on, by series and then by date. Among
    /// changes that cannot be distinguished, the most likely is tested, and the others get its
    /// adjusted p-value.
    pub effects: Vec<ChangeEffect>,
    /// Kinds, by series and then by name.
    pub kinds: Vec<KindEffect>,
}

/// Minimum number of known values of a series.
const VALUES_MIN: usize = 30;
/// Number of rounds in which season, kinds and steps are fitted in turn.
const ROUNDS: usize = 3;
/// Significance level of steps, divided by the number of dates.
const STEP_LEVEL: f64 = 0.05;
/// p-value below which the effect of a kind is removed before steps are searched for.
const KIND_LEVEL: f64 = 0.01;

/// Measures every change on every series. A series with fewer than 30 values has no effects, and a
/// change without periods on both sides is not tested.
pub fn screen(series: &[Series], changes: &[Change], adjustment: Adjustment) -> Screening {
    let mut screening = Screening::default();
    // For each effect, the index of the effect that represents all inseparable effects; only the
    // representative counts as a test.
    let mut representatives: Vec<usize> = Vec::new();
    for (index, series) in series.iter().enumerate() {
        if series.values.iter().flatten().count() >= VALUES_MIN {
            measure(
                index,
                *series,
                changes,
                &mut screening,
                &mut representatives,
            );
        }
    }
    let effects = screening.effects.iter().zip(&representatives).enumerate();
    let counted = effects.map(|(index, (effect, representative))| {
        if *representative == index {
            effect.p
        } else {
            1.0
        }
    });
    let p: Vec<f64> = counted
        .chain(screening.kinds.iter().map(|kind| kind.p))
        .collect();
    let adjusted = match adjustment {
        Adjustment::BenjaminiHochberg => benjamini_hochberg(&p),
        Adjustment::BenjaminiYekutieli => benjamini_yekutieli(&p),
    };
    let (effects_adjusted, kinds_adjusted) = adjusted.split_at(representatives.len());
    for (effect, representative) in screening.effects.iter_mut().zip(&representatives) {
        effect.adjusted = effects_adjusted[*representative];
    }
    for (kind, adjusted) in screening.kinds.iter_mut().zip(kinds_adjusted) {
        kind.adjusted = *adjusted;
    }
    screening
}

/// A kind of changes in a series, with the periods in which it is on.
struct SwitchKind<'a> {
    name: &'a str,
    changes: usize,
    state: Vec<f64>,
    effect: [f64; 2],
    p: f64,
    freedom: f64,
}

/// The kinds that are both on and off within the `n` periods of a series, by name.
fn kinds<'a>(changes: &[Change<'a>], series: usize, n: usize) -> Vec<SwitchKind<'a>> {
    let mut switches: Vec<(&str, usize, bool)> = changes
        .iter()
        .filter(|change| change.may_affect(series))
        .filter_map(|change| Some((change.switch?.kind, change.step, change.switch?.on)))
        .filter(|(_, step, _)| (1..n).contains(step))
        .collect();
    switches.sort_unstable();
    switches
        .chunk_by(|a, b| a.0 == b.0)
        .map(|switches| {
            // Before the first switch, the state is the opposite.
            let mut state = vec![f64::from(u8::from(!switches[0].2)); n];
            for (_, step, on) in switches {
                state[*step..].fill(f64::from(u8::from(*on)));
            }
            SwitchKind {
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
    representatives: &mut Vec<usize>,
) {
    let values = interpolate(series.values);
    let n = values.len();
    let mut singles: Vec<usize> = (0..changes.len())
        .filter(|i| changes[*i].switch.is_none() && (1..n).contains(&changes[*i].step))
        .filter(|i| changes[*i].may_affect(index))
        .collect();
    singles.sort_by_key(|i| changes[*i].step);
    let mut dates: Vec<usize> = singles.iter().map(|i| changes[*i].step).collect();
    dates.dedup();
    let mut kinds = kinds(changes, index, n);
    let mut found_steps: Vec<usize> = Vec::new();
    let mut season = vec![0.0; n];
    let mut noise =
        Noise::from_differences(&noise::without_season(&values, &mut season, series.season));
    for round in 0..ROUNDS {
        let adjusted = remove_season_and_kinds(&values, &season, &kinds);
        let search = Search::new(&adjusted, &noise);
        found_steps = search.find(&dates, &found_steps, STEP_LEVEL / dates.len().max(1) as f64);
        let levels = steps::levels(&adjusted, &found_steps);
        // The season is refitted to the values without levels.
        let residuals: Vec<f64> = (0..n)
            .map(|i| adjusted[i] + season[i] - levels[i])
            .collect();
        let residuals = noise::without_season(&residuals, &mut season, series.season);
        let coefficients = found_steps.len() + series.season.max(1) + kinds.len();
        noise = Noise::from_residuals(&residuals, coefficients);
        let with_kinds: Vec<f64> = (0..n).map(|i| values[i] - season[i]).collect();
        steps::fit_kinds(&mut kinds, &with_kinds, &found_steps, &noise);
        if round + 1 == ROUNDS {
            let adjusted = remove_season_and_kinds(&values, &season, &kinds);
            let search = Search::new(&adjusted, &noise);
            found_steps = search.prune(&dates, found_steps, STEP_LEVEL / dates.len().max(1) as f64);
            let tests = search.test(&dates, &found_steps);
            add_effects(
                index,
                changes,
                &singles,
                &dates,
                &tests,
                screening,
                representatives,
            );
        }
    }
    screening.kinds.extend(kinds.iter().map(|kind| KindEffect {
        kind: kind.name.to_string(),
        series: index,
        changes: kind.changes,
        off: {
            let values = values.iter().zip(&kind.state);
            let values_off = values.filter(|(_, state)| **state == 0.0);
            mean(&values_off.map(|(value, _)| *value).collect::<Vec<_>>())
        },
        effect: interval(kind.effect, kind.freedom),
        p: kind.p,
        adjusted: 1.0,
    }));
}

/// Removes the season, and the kinds that are likely to have an effect.
fn remove_season_and_kinds(values: &[f64], season: &[f64], kinds: &[SwitchKind]) -> Vec<f64> {
    let effective = || kinds.iter().filter(|kind| kind.p < KIND_LEVEL);
    (0..values.len())
        .map(|i| {
            let kinds_effect: f64 = effective().map(|kind| kind.effect[0] * kind.state[i]).sum();
            values[i] - season[i] - kinds_effect
        })
        .collect()
}

/// Adds the effects of changes, from the tests of their dates.
fn add_effects(
    series: usize,
    changes: &[Change],
    singles: &[usize],
    dates: &[usize],
    tests: &[DateTest],
    screening: &mut Screening,
    representatives: &mut Vec<usize>,
) {
    let first = representatives.len();
    let is_at = |date: usize| move |change: &&usize| changes[**change].step == date;
    for change in singles {
        let date = changes[*change].step;
        let Ok(index) = dates.binary_search(&date) else {
            continue;
        };
        let test = &tests[index];
        let others = singles.iter().filter(|other| *other != change);
        let inseparable = others
            .filter(|other| test.inseparable.contains(&changes[**other].step))
            .copied()
            .collect();
        // The first change on the best date represents the others.
        let representative = singles
            .iter()
            .position(|other| is_at(test.representative)(&other))
            .unwrap_or(0);
        representatives.push(first + representative);
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
