//! Finds effects that show before their change, and so may have another cause.

use retrocast_stats::seasonal::{decompose, interpolate};

/// The last days before a change, if they are already at the level after it.
#[derive(Debug, PartialEq)]
pub(super) struct Onset {
    /// Index of the first of these days.
    pub(super) first: usize,
    /// Mean of these days.
    pub(super) mean: f64,
    /// Mean of the days before them.
    pub(super) earlier: f64,
    /// True if these days and those after the change are all zero.
    pub(super) is_all_zero: bool,
}

/// Significance level of the departure of the last days before the change from earlier days.
const ALPHA_BEFORE: f64 = 0.05;
/// Significance level of the departure of the days after the change.
const ALPHA_AFTER: f64 = 0.2;
/// Minimum share of the difference between the levels before and after the change that the last
/// days before the change show.
const SHARE_MIN: f64 = 0.5;

/// Finds the last days before the `change` if they depart from the days since `begin` farther than
/// 19 of 20 earlier runs of days, and show at least half of the difference to the level after the
/// change. They are at least half as many as the days from the change to `end`.
pub(super) fn find_onset(
    values: &[Option<f64>],
    season: usize,
    begin: usize,
    change: usize,
    end: usize,
) -> Option<Onset> {
    let before = interpolate(&values[begin..change]);
    let after: Vec<f64> = values[change..end].iter().flatten().copied().collect();
    let n = before.len();
    let shortest = (end - change).div_ceil(2);
    let longest = (2 * (end - change)).min(n / 4);
    if after.is_empty() || shortest > longest {
        return None;
    }
    let season = decompose(&before, season).season;
    let level = mean(&season);
    let adjusted = before
        .iter()
        .zip(&season)
        .map(|(value, season)| value - season + level);
    let mut sums = vec![0.0];
    for value in adjusted {
        sums.push(sums.last().copied().unwrap_or_default() + value);
    }
    let reference = sums[n - longest] / (n - longest) as f64;
    let after_mean = mean(&after);
    let side = (after_mean - mean(&before[..n - longest])).signum();
    // The largest deviation of the days up to `end_of_days`, and their number.
    let departure = |end_of_days: usize| {
        (shortest..=longest)
            .map(|days| {
                let sum = sums[end_of_days] - sums[end_of_days - days];
                let count = days as f64;
                (side * (sum - count * reference) / count.sqrt(), days)
            })
            .max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let (score, days) = departure(n)?;
    let earlier: Vec<f64> = (longest..=n - longest)
        .filter_map(&departure)
        .map(|(score, _)| score)
        .collect();
    // The days after the change must depart, too; otherwise there is no effect that began early.
    let is_rare = |score: f64, chance: f64| {
        let as_far = earlier.iter().filter(|other| **other >= score).count();
        ((1 + as_far) as f64) < chance * (1 + earlier.len()) as f64
    };
    let score_after = side * (after_mean - reference) * (after.len() as f64).sqrt();
    let is_zero = |values: &[f64]| values.iter().all(|value| *value == 0.0);
    let is_all_zero = is_zero(&after) && is_zero(&before[n - days..]);
    let first = if is_all_zero {
        before.iter().rposition(|value| *value != 0.0)? + 1
    } else {
        n - days
    };
    let [mean, earlier] = [mean(&before[first..]), mean(&before[..first])];
    let has_moved = (mean - earlier) * side >= SHARE_MIN * (after_mean - earlier) * side;
    let is_found = score > 0.0
        && is_rare(score, ALPHA_BEFORE)
        && is_rare(score_after, ALPHA_AFTER)
        && has_moved;
    is_found.then_some(Onset {
        first: begin + first,
        mean,
        earlier,
        is_all_zero,
    })
}

/// Periods before a change that were unusually bad.
#[derive(Debug, PartialEq)]
pub(super) struct BadSpell {
    /// Number of these periods.
    pub(super) periods: usize,
    /// Mean of these periods.
    pub(super) mean: f64,
    /// Mean of the periods before them.
    pub(super) earlier: f64,
}

/// Number of periods of a spell in a series without a season.
const SPELL: usize = 4;

/// Finds the last season of periods before a change if it was worse than 19 of 20 earlier runs of
/// as many periods. A change in response to a bad week is followed by better weeks even if it has
/// no effect (regression to the mean: Galton, 1886).
pub(super) fn find_bad_spell(
    values: &[Option<f64>],
    season: usize,
    begin: usize,
    change: usize,
    lower_is_better: bool,
) -> Option<BadSpell> {
    let periods = if (2..=31).contains(&season) {
        season
    } else {
        SPELL
    };
    let before = interpolate(&values[begin..change]);
    let n = before.len();
    if n < 10 * periods {
        return None;
    }
    let sign = if lower_is_better { 1.0 } else { -1.0 };
    let badness = |end: usize| sign * mean(&before[end - periods..end]);
    let last = badness(n);
    let runs = periods..=n - periods;
    let count = runs.clone().count();
    let as_bad = runs.filter(|end| badness(*end) >= last).count();
    let [spell, earlier] = [mean(&before[n - periods..]), mean(&before[..n - periods])];
    let is_rare = ((1 + as_bad) as f64) < ALPHA_BEFORE * (1 + count) as f64;
    is_rare.then_some(BadSpell {
        periods,
        mean: spell,
        earlier,
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::test_data::Noise;

    /// Daily counts that fall from one mean to another on day 300 of 330, or `early` days before.
    fn onset_of(seed: u64, means: [f64; 2], early: usize) -> Option<Onset> {
        let mut noise = Noise(seed);
        let mean = |day: usize| means[usize::from(day + early >= 300)];
        let counts = (0..330).map(|day| Some(noise.poisson(mean(day)) as f64));
        let counts: Vec<_> = counts.collect();
        find_onset(&counts, 7, 0, 300, 330)
    }

    fn share(means: [f64; 2], early: usize) -> f64 {
        let with_onset = (1..=400).filter(|seed| onset_of(*seed * 7919, means, early).is_some());
        with_onset.count() as f64 / 400.0
    }

    #[test]
    fn only_an_effect_that_began_early_is_found() {
        for means in [[0.6, 0.0], [5.0, 3.0], [12.0, 16.0]] {
            let [on_time, early] = [share(means, 0), share(means, 25)];
            assert!(on_time < 0.07, "{means:?}: {on_time}");
            assert!(early > 0.8, "{means:?}: {early}");
        }
        let onset = onset_of(7919, [0.6, 0.0], 25).expect("an onset");
        assert!(
            onset.is_all_zero && onset.mean == 0.0 && onset.first <= 275,
            "{onset:?}"
        );
    }

    #[test]
    fn a_bad_week_before_a_change_is_found() {
        let spell_of = |seed: u64, factor: f64| {
            let mut noise = Noise(seed);
            let mean = |day: usize| if day >= 293 { 10.0 * factor } else { 10.0 };
            let counts: Vec<_> = (0..330)
                .map(|day| Some(noise.poisson(mean(day)) as f64))
                .collect();
            find_bad_spell(&counts, 7, 0, 300, true)
        };
        let share = |factor: f64| {
            let seeds = (1..=300).filter(|seed| spell_of(seed * 7919, factor).is_some());
            seeds.count() as f64 / 300.0
        };
        let [usual, bad] = [share(1.0), share(1.6)];
        assert!(usual < 0.08, "{usual}");
        assert!(bad > 0.9, "{bad}");
        assert_eq!(spell_of(1, 2.0).map(|spell| spell.periods), Some(7));
    }

    #[test]
    fn a_short_or_constant_history_has_no_onset() {
        assert_eq!(find_onset(&vec![Some(3.0); 60], 7, 0, 30, 60), None);
        assert_eq!(find_onset(&vec![Some(0.0); 330], 7, 0, 300, 330), None);
        assert_eq!(find_onset(&vec![None; 330], 7, 0, 300, 330), None);
    }
}
