//! False positives of the test of effects on the metric's own history, where nothing was changed.

use retrocast_domain::number;
use retrocast_stats::{distribution::t_quantile, effect::Estimate, test::binomial_p};

/// Level of the test.
const ALPHA: f64 = 0.05;
/// Maximum share of placebo dates on which a reliable test of that level may fire.
const TOLERATED_SHARE_MAX: f64 = 0.07;
/// Minimum number of independent placebo dates to report their share.
const INDEPENDENT_MIN: f64 = 20.0;

/// Numbers of placebo dates of the effects of a stage, and of the dates on which the test fired.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Calibration {
    dates: usize,
    fired: usize,
    independent: f64,
}

impl Calibration {
    /// Counts the placebo dates of all effects, and the dates on which the calibrated test claims
    /// an effect.
    pub(super) fn from_estimates<'a>(estimates: impl Iterator<Item = &'a Estimate>) -> Self {
        estimates
            .map(Self::from_estimate)
            .fold(Self::default(), |total, calibration| Self {
                dates: total.dates + calibration.dates,
                fired: total.fired + calibration.fired,
                independent: total.independent + calibration.independent,
            })
    }

    pub(super) fn from_estimate(estimate: &Estimate) -> Self {
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

    /// Returns true if the test rejects more often than chance explains: its verdicts cannot be
    /// relied upon.
    pub(super) fn is_unreliable(self) -> bool {
        // Overlapping dates are not independent, so they count as fewer dates.
        let n = self.independent.round().min(self.dates as f64);
        self.independent >= INDEPENDENT_MIN
            && self.share() > TOLERATED_SHARE_MAX
            && binomial_p((self.share() * n).round(), n, ALPHA) < ALPHA
    }

    /// The sentence on the share of false positives for the report.
    pub(super) fn sentence(self) -> Option<String> {
        if self.independent < INDEPENDENT_MIN {
            return None;
        }
        let share = number::percent(self.share());
        let dates = number::plural(self.dates as u64, "date");
        let fired = number::count(self.fired as u64);
        Some(format!(
            "On dates without a change, the 5{}% test reports an effect {share} of the time ({fired} of \
             {dates}).",
            number::NBSP
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_rejects_too_often_is_unreliable() {
        let check = |dates, fired, independent, is_unreliable, has_sentence: bool| {
            let calibration = Calibration {
                dates,
                fired,
                independent,
            };
            assert_eq!(
                calibration.is_unreliable(),
                is_unreliable,
                "{calibration:?}"
            );
            assert_eq!(
                calibration.sentence().is_some(),
                has_sentence,
                "{calibration:?}"
            );
        };
        check(300, 15, 60.0, false, true);
        check(300, 25, 60.0, false, true);
        check(300, 60, 60.0, true, true);
        check(300, 60, 10.0, false, false);
        check(0, 0, 0.0, false, false);
    }
}
