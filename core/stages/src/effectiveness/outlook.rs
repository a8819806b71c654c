//! Smallest detectable effects, and the time until a decision can be expected.

use super::{
    measure::{EffectMeasurement, Measurement, Outcome, periods_of},
    present::Reporter,
};
use retrocast_domain::{Table, Verdict, number};

impl Reporter<'_> {
    /// Smallest difference that the test finds in four of five cases.
    pub(super) fn detectable(&self, measured: &EffectMeasurement) -> Option<f64> {
        let outlook = measured.estimate.outlook?;
        outlook.detectable.is_finite().then_some(outlook.detectable)
    }

    /// Number of days after the change that would prove an effect of this size; `None` for proven
    /// effects.
    pub(super) fn days_needed(&self, measured: &EffectMeasurement) -> Option<u64> {
        let outlook = measured.estimate.outlook?;
        let is_open = measured.verdict == Verdict::Unclear && measured.estimate.p >= 0.05;
        outlook
            .steps_needed
            .filter(|_| is_open)
            .map(|steps| self.days(steps))
    }

    /// The sentence on when an effect that is not proven will be decided, or on what to do if the
    /// days that are measured cannot decide it.
    pub(super) fn outlook_sentence(&self, measured: &EffectMeasurement) -> String {
        let estimate = &measured.estimate;
        if measured.verdict != Verdict::Unclear || estimate.p < 0.05 || estimate.outlook.is_none() {
            return String::new();
        }
        let post_days = u64::from(self.params.post_days);
        match self.days_needed(measured) {
            None => " Even half a year would not prove an effect of this size.".to_string(),
            // The days end at the next improvement, whatever `post_days` is.
            Some(_) if measured.is_final && !self.has_all_days(measured) => String::new(),
            Some(days) if days > post_days => format!(
                " If it stays that large, a decision needs about {}, but only {} are measured: set \
                 `post_days = {days}` in the job.",
                number::plural(days, "day"),
                number::count(post_days)
            ),
            Some(days) => {
                let further = days.saturating_sub(self.days(estimate.steps_after));
                let weeks = number::plural(further.div_ceil(7), "more week");
                format!(" If it stays that large, a decision needs about {weeks}.")
            }
        }
    }

    /// The caveat of a result to which later days are not added.
    pub(super) fn final_caveat(&self, measured: &EffectMeasurement) -> Option<String> {
        let days = self.periods(measured.end - measured.change);
        match (measured.is_final, self.has_all_days(measured)) {
            (false, _) => None,
            (true, has_all_days) => {
                let until = if has_all_days {
                    format!("its {days}")
                } else {
                    format!("the {days} before the next improvement")
                };
                Some(format!(
                    "Final: measured over {until}, later days do not change it; late records of these \
                     days can."
                ))
            }
        }
    }

    /// Returns true if `post_days` days after the change were measured.
    fn has_all_days(&self, measured: &EffectMeasurement) -> bool {
        measured.end - measured.change >= periods_of(self.params.post_days, self.set.period)
    }

    /// The table of the smallest differences that tests find; `None` if it would be empty.
    pub(super) fn sensitivity(&self, judged: &[Measurement]) -> Option<Table> {
        let mut table = Table::new(
            format!(
                "Smallest effects that these tests find in four of five cases; amounts are per {}.",
                self.noun_of_period()
            ),
            &[
                "<improvement",
                ">days after",
                ">smallest effect found",
                ">as share of expected",
                ">effect expected by the team",
                ">days for a decision",
            ],
        );
        let dash = || "–".to_string();
        for measurement in judged {
            let improvement = measurement.improvement;
            let (days, detectable, level, needed) = match &measurement.outcome {
                Outcome::NotMeasured(_) => continue,
                Outcome::TooEarly(early) => {
                    let days = self.params.post_days;
                    let detectable = early.detectable;
                    (format!("{days} (planned)"), detectable, None, dash())
                }
                Outcome::Measured(measured) => (
                    {
                        let days = number::count(self.days(measured.estimate.steps_after));
                        let end = if measured.is_final { " (final)" } else { "" };
                        format!("{days}{end}")
                    },
                    self.detectable(measured),
                    Some(measured.estimate.counterfactual).filter(|level| *level > 0.0),
                    match (measured.verdict, self.days_needed(measured)) {
                        (_, Some(days)) => format!("about {}", number::count(days)),
                        (Verdict::Unclear, None) => "more than half a year".to_string(),
                        _ => "decided".to_string(),
                    },
                ),
            };
            let Some(detectable) = detectable else {
                continue;
            };
            table.push([
                improvement.id.clone(),
                days,
                number::sensible(detectable),
                level.map_or_else(dash, |level| number::percent(detectable / level)),
                improvement
                    .expected_relative
                    .map_or_else(dash, number::percent),
                needed,
            ]);
        }
        (!table.rows.is_empty()).then(|| table.top(40))
    }
}
