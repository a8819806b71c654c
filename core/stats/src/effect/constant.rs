//! The test of a change in a series without noise.

/// A pattern without exceptions: one value per phase of the season, or one value for all phases.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern {
    phases: Vec<f64>,
    /// Number of known values that follow it.
    pub(super) steps: usize,
}

impl Pattern {
    /// The pattern of a series; `None` if a value departs from it, or a phase has no value.
    pub(super) fn of(values: &[Option<f64>], period: usize) -> Option<Self> {
        let known = values.iter().flatten().count();
        let repeats = |period: usize| {
            let mut phases = vec![None; period];
            for (i, value) in values.iter().enumerate() {
                let Some(value) = value else { continue };
                let phase: &mut Option<f64> = &mut phases[i % period];
                if !is_same(*phase.get_or_insert(*value), *value) {
                    return None;
                }
            }
            Some(Self {
                steps: known.saturating_sub(if period > 1 { period } else { 0 }),
                phases: phases.into_iter().collect::<Option<_>>()?,
            })
        };
        repeats(1).or_else(|| repeats(period.max(1)))
    }

    /// Value at an index, counted from the start of the series.
    pub(super) fn at(&self, position: usize) -> f64 {
        self.phases[position % self.phases.len()]
    }

    /// A difference to the pattern, without rounding errors of sums.
    pub(super) fn rounded(&self, difference: f64) -> f64 {
        let scale = self
            .phases
            .iter()
            .fold(0.0, |most: f64, v| most.max(v.abs()));
        if difference.abs() <= TOLERANCE * scale {
            0.0
        } else {
            difference
        }
    }

    /// Upper 95 % bound of the share of steps that would depart from the pattern without a change:
    /// none of `steps` did (the rule of three; Hanley and Lippman-Hand, 1983).
    pub(super) fn share_max(&self) -> f64 {
        1.0 - 0.05_f64.powf(1.0 / self.steps.max(1) as f64)
    }
}

/// Relative rounding error of sums.
const TOLERANCE: f64 = 1e-9;

fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}

/// p-value of differences to a level from which none of `steps` earlier values departed.
///
/// The larger of two probabilities. If days are exchangeable, that all of the `k` departures come
/// after the change by chance is `C(after, k) / C(steps + after, k)` (Fisher). If the level shifts
/// now and then and stays, days are not exchangeable: then the first departure is equally likely at
/// any step, and the probability that it occurs at most `d` steps after the change is `(d + 1) /
/// (steps + d + 1)`.
pub fn constant_p(steps: usize, differences: &[f64]) -> f64 {
    let Some(first) = differences.iter().position(|value| *value != 0.0) else {
        return 1.0;
    };
    let after = differences.len();
    let differ = differences.iter().filter(|value| **value != 0.0).count();
    let exchanged: f64 = (0..differ)
        .map(|i| (after - i) as f64 / (steps + after - i) as f64)
        .product();
    let shifted = (first + 1) as f64 / (steps + first + 1) as f64;
    exchanged.max(shifted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_change_has_the_combinatorial_p_value() {
        // All of 30 days differ from the first on, after 98 days without a departure.
        assert!((constant_p(98, &[-1.0; 30]) - 1.0 / 99.0).abs() < 1e-12);
        // One of 30 days differs, after 42 days without a departure: chance.
        let mut single = [0.0; 30];
        single[0] = 1.0;
        assert!((constant_p(42, &single) - 30.0 / 72.0).abs() < 1e-12);
        // The shift comes ten days late.
        let mut late = vec![0.0; 10];
        late.resize(30, 2.0);
        assert!((constant_p(42, &late) - 11.0 / 53.0).abs() < 1e-12);
        assert_eq!(constant_p(42, &[0.0; 30]), 1.0);
    }

    #[test]
    fn a_pattern_repeats_without_exception() {
        let known = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        let flat = Pattern::of(&known(&[3.0; 50]), 7).expect("a pattern");
        assert_eq!((flat.at(60), flat.steps), (3.0, 50));
        let week = [9.0, 8.0, 8.0, 8.0, 7.0, 0.0, 0.0].repeat(8);
        let weekly = Pattern::of(&known(&week), 7).expect("a pattern");
        assert_eq!((weekly.at(57), weekly.steps), (8.0, 49));
        let mut odd = week;
        odd[20] = 1.0;
        assert_eq!(Pattern::of(&known(&odd), 7), None);
        assert!((flat.share_max() - 0.058).abs() < 1e-3);
    }
}
