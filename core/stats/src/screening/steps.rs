//! Searches for steps among dates, and tests each date between the steps that were found.

use super::{SwitchKind, noise::Noise};
use crate::distribution::t_p;

/// The test of a date.
#[derive(Debug, Clone)]
pub(super) struct DateTest {
    pub(super) effect: f64,
    pub(super) error: f64,
    pub(super) freedom: f64,
    pub(super) p: f64,
    /// The most likely of the dates that cannot be distinguished, or the date itself.
    pub(super) representative: usize,
    /// Other dates that explain the same step.
    pub(super) inseparable: Vec<usize>,
}

/// Maximum number of periods compared on each side of a date.
const WINDOW_MAX: usize = 90;
/// Minimum number of periods between a date and the next step.
const DISTANCE_MIN: usize = 3;
/// Total probability of the dates that cannot be distinguished.
const CREDIBLE: f64 = 0.95;

/// Coefficient of a step, its standard error, and its squared t statistic.
#[derive(Clone, Copy)]
struct Fit {
    effect: f64,
    error: f64,
    square: f64,
}

/// Innovations of a series with their sums, for steps at any date.
pub(super) struct Search<'a> {
    noise: &'a Noise,
    response: Vec<f64>,
    innovations: Vec<f64>,
    sums: Vec<f64>,
}

impl<'a> Search<'a> {
    pub(super) fn new(values: &[f64], noise: &'a Noise) -> Self {
        let innovations = noise.innovations(values);
        let mut sums = vec![0.0];
        let mut sum = 0.0;
        for value in &innovations {
            sum += value;
            sums.push(sum);
        }
        Self {
            noise,
            response: noise.response(),
            innovations,
            sums,
        }
    }

    /// Generalised least squares of a level and a step at `date` over `begin..end`.
    fn fit(&self, begin: usize, date: usize, end: usize) -> Option<Fit> {
        if date < begin + DISTANCE_MIN || date + DISTANCE_MIN > end {
            return None;
        }
        let (n, after) = ((end - begin) as f64, end - date);
        let (first, last) = self.response.split_at(self.response.len() - 1);
        let final_share = last[0];
        let first = &first[..first.len().min(after)];
        let remaining = (after - first.len()) as f64;
        let cross = final_share * (first.iter().sum::<f64>() + remaining * final_share);
        let step = first.iter().map(|share| share * share).sum::<f64>()
            + remaining * final_share * final_share;
        let level_product = final_share * (self.sums[end] - self.sums[begin]);
        let step_values = first.iter().zip(&self.innovations[date..]);
        let step_product = step_values.map(|(share, value)| share * value).sum::<f64>()
            + final_share * (self.sums[end] - self.sums[date + first.len()]);
        let level = n * final_share * final_share;
        // The part of the step that is orthogonal to the level.
        let orthogonal = step - cross * cross / level;
        if orthogonal <= 1e-9 * step {
            return None;
        }
        let effect = (step_product - cross * level_product / level) / orthogonal;
        Some(Fit {
            effect,
            error: (self.noise.variance / orthogonal).sqrt(),
            square: effect * effect * orthogonal / self.noise.variance.max(f64::MIN_POSITIVE),
        })
    }

    /// The range around a date without another step, at most a window on each side.
    fn range(&self, steps: &[usize], date: usize) -> (usize, usize) {
        let before = steps
            .iter()
            .rev()
            .find(|step| **step < date)
            .map_or(0, |step| *step);
        let after = steps.iter().find(|step| **step > date);
        let after = after.map_or(self.innovations.len(), |step| *step);
        (
            before.max(date.saturating_sub(WINDOW_MAX)),
            after.min(date + WINDOW_MAX),
        )
    }

    fn fit_between(&self, steps: &[usize], date: usize) -> Option<Fit> {
        let (begin, end) = self.range(steps, date);
        self.fit(begin, date, end)
    }

    fn p(&self, fit: Fit) -> f64 {
        t_p(fit.square.sqrt(), self.noise.freedom)
    }

    /// Finds steps among `dates` whose p-value is below `level`, starting from `steps` found with
    /// an earlier estimate of the noise.
    pub(super) fn find(&self, dates: &[usize], steps: &[usize], level: f64) -> Vec<usize> {
        let mut steps = self.prune(dates, steps.to_vec(), level);
        // Steps are at least three periods apart, so the loop ends.
        loop {
            let best = dates
                .iter()
                .filter(|date| !steps.contains(date))
                .filter_map(|date| Some((*date, self.fit_between(&steps, *date)?)))
                .max_by(|a, b| a.1.square.total_cmp(&b.1.square));
            match best {
                Some((date, fit)) if self.p(fit) < level => {
                    steps.push(date);
                    steps.sort_unstable();
                    self.refine(dates, &mut steps);
                }
                _ => return self.prune(dates, steps, level),
            }
        }
    }

    /// Moves each step to its best date between its neighbours.
    fn refine(&self, dates: &[usize], steps: &mut Vec<usize>) {
        for i in 0..steps.len() {
            let date = steps.remove(i);
            let (begin, end) = self.range(steps, date);
            let best = self.rank_dates(dates, begin, end).into_iter().next();
            steps.insert(i, best.map_or(date, |(date, _)| date));
        }
    }

    /// Removes steps that are not significant given the others, the least significant first.
    pub(super) fn prune(&self, dates: &[usize], mut steps: Vec<usize>, level: f64) -> Vec<usize> {
        loop {
            let p = |i: usize| {
                let mut others = steps.clone();
                let date = others.remove(i);
                self.fit_between(&others, date)
                    .map_or(1.0, |fit| self.p(fit))
            };
            let worst = (0..steps.len())
                .map(|i| (i, p(i)))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            match worst {
                Some((i, p)) if p >= level => {
                    steps.remove(i);
                    self.refine(dates, &mut steps);
                }
                _ => return steps,
            }
        }
    }

    /// Dates between `begin` and `end` with the probabilities that a step is there, the most likely
    /// first.
    fn rank_dates(&self, dates: &[usize], begin: usize, end: usize) -> Vec<(usize, f64)> {
        let between = dates.iter().filter(|date| (begin + 1..end).contains(date));
        let mut ranked: Vec<(usize, f64)> = between
            .filter_map(|date| Some((*date, self.fit(begin, *date, end)?.square)))
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let best = ranked.first().map_or(0.0, |(_, square)| *square);
        let total: f64 = ranked
            .iter()
            .map(|(_, square)| ((square - best) / 2.0).exp())
            .sum();
        for (_, square) in &mut ranked {
            *square = ((*square - best) / 2.0).exp() / total;
        }
        ranked
    }

    /// Tests each date between the steps. Dates that may be the true date of a step are tested
    /// without that step.
    pub(super) fn test(&self, dates: &[usize], steps: &[usize]) -> Vec<DateTest> {
        // For each date, the step that it may explain, and all dates that may explain that step.
        let mut groups: Vec<Option<(usize, Vec<usize>)>> = vec![None; dates.len()];
        for i in 0..steps.len() {
            let mut others = steps.to_vec();
            let representative = others.remove(i);
            let (begin, end) = self.range(&others, representative);
            let mut members = vec![representative];
            let mut total = 0.0;
            for (date, probability) in self.rank_dates(dates, begin, end) {
                if total >= CREDIBLE {
                    break;
                }
                total += probability;
                if date != representative {
                    members.push(date);
                }
            }
            // Dates too close to the step for a test.
            let close = |date: &&usize| {
                date.abs_diff(representative) < DISTANCE_MIN && !members.contains(date)
            };
            let close: Vec<usize> = dates.iter().filter(close).copied().collect();
            members.extend(close);
            members.sort_unstable();
            for member in &members {
                if let Ok(index) = dates.binary_search(member)
                    && (groups[index].is_none() || *member == representative)
                {
                    groups[index] = Some((representative, members.clone()));
                }
            }
        }
        let test = |(date, group): (&usize, Option<(usize, Vec<usize>)>)| {
            let (representative, members) = group.unwrap_or((*date, vec![*date]));
            let others: Vec<usize> = steps
                .iter()
                .filter(|step| **step != representative)
                .copied()
                .collect();
            let fit = self.fit_between(&others, *date);
            DateTest {
                effect: fit.map_or(0.0, |fit| fit.effect),
                error: fit.map_or(f64::INFINITY, |fit| fit.error),
                freedom: self.noise.freedom,
                p: fit.map_or(1.0, |fit| self.p(fit)),
                representative,
                inseparable: members,
            }
        };
        dates.iter().zip(groups).map(test).collect()
    }
}

/// Mean of the values between steps, for each period.
pub(super) fn levels(values: &[f64], steps: &[usize]) -> Vec<f64> {
    let mut levels = Vec::with_capacity(values.len());
    let mut begin = 0;
    for end in steps.iter().copied().chain([values.len()]) {
        let segment = &values[begin..end];
        levels.extend(std::iter::repeat_n(
            crate::describe::mean(segment),
            segment.len(),
        ));
        begin = end;
    }
    levels
}

/// Fits each kind given the other kinds that are likely to have an effect, relative to the levels
/// between steps.
pub(super) fn fit_kinds(kinds: &mut [SwitchKind], values: &[f64], steps: &[usize], noise: &Noise) {
    for i in 0..kinds.len() {
        let others = kinds
            .iter()
            .enumerate()
            .filter(|(j, kind)| *j != i && kind.p < super::KIND_LEVEL);
        let mut rest = values.to_vec();
        for (_, kind) in others {
            let states = rest.iter_mut().zip(&kind.state);
            states.for_each(|(value, state)| *value -= kind.effect[0] * state);
        }
        let without_levels = |values: &[f64]| -> Vec<f64> {
            let values = noise.innovations(values);
            values
                .iter()
                .zip(levels(&values, steps))
                .map(|(value, level)| value - level)
                .collect()
        };
        let (state, rest) = (without_levels(&kinds[i].state), without_levels(&rest));
        let square: f64 = state.iter().map(|value| value * value).sum();
        let product: f64 = state.iter().zip(&rest).map(|(a, b)| a * b).sum();
        let kind = &mut kinds[i];
        kind.freedom = noise.freedom;
        if square > 1e-9 {
            kind.effect = [product / square, (noise.variance / square).sqrt()];
            kind.p = t_p(kind.effect[0] / kind.effect[1], noise.freedom);
        }
    }
}
