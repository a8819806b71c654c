//! How often the test of effects fires on the user's own history, where nothing was changed.

use retrocast_domain::number;
use retrocast_stats::{distribution::t_quantile, effect::Estimate, test::binomial_p};

/// Level of the test.
const ALPHA: f64 = 0.05;
/// Share of placebo dates on which a test of that level may fire.
const TOLERATED: f64 = 0.07;
/// Below this many independent placebo dates their share is not printed.
const INDEPENDENT_MIN: f64 = 20.0;

/// Placebo dates of all effects of a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Calibration {
    dates: usize,
    fired: usize,
    independent: f64,
}

impl Calibration {
    /// Counts the placebo dates of all effects on which the corrected test would have called nothing an
    /// effect.
    pub(super) fn of<'a>(estimates: impl Iterator<Item = &'a Estimate>) -> Self {
        estimates
            .map(Self::of_one)
            .fold(Self::default(), |all, one| Self {
                dates: all.dates + one.dates,
                fired: all.fired + one.fired,
                independent: all.independent + one.independent,
            })
    }

    pub(super) fn of_one(estimate: &Estimate) -> Self {
        let calibration = &estimate.calibration;
        let limit = calibration.factor * t_quantile(1.0 - ALPHA / 2.0, calibration.freedom);
        Self {
            dates: calibration.placebos.len(),
            fired: calibration
                .placebos
                .iter()
                .filter(|z| z.abs() > limit)
                .count(),
            independent: calibration.independent,
        }
    }

    fn share(self) -> f64 {
        self.fired as f64 / self.dates as f64
    }

    /// Returns true if the test fires more often than chance explains: its verdicts cannot be relied upon.
    pub(super) fn is_unreliable(self) -> bool {
        // Dates that overlap count as often as they are independent.
        let n = self.independent.round().min(self.dates as f64);
        self.independent >= INDEPENDENT_MIN
            && self.share() > TOLERATED
            && binomial_p((self.share() * n).round(), n, ALPHA) < ALPHA
    }

    /// The share for the report.
    pub(super) fn words(self) -> Option<String> {
        if self.independent < INDEPENDENT_MIN {
            return None;
        }
        let share = number::percent(self.share());
        let dates = number::plural(self.dates as u64, "date");
        let fired = number::count(self.fired as u64);
        Some(format!(
            "On your data the 5{}% test fires {share} of the time where nothing was changed ({fired} of \
             {dates}).",
            number::NBSP
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_fires_too_often_proves_nothing() {
        let check = |dates, fired, independent, unreliable, has_text: bool| {
            let calibration = Calibration {
                dates,
                fired,
                independent,
            };
            assert_eq!(calibration.is_unreliable(), unreliable, "{calibration:?}");
            assert_eq!(calibration.words().is_some(), has_text, "{calibration:?}");
        };
        check(300, 15, 60.0, false, true);
        check(300, 25, 60.0, false, true);
        check(300, 60, 60.0, true, true);
        check(300, 60, 10.0, false, false);
        check(0, 0, 0.0, false, false);
    }
}
