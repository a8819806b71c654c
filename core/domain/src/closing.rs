//! Closed improvements: their lesson, and what the last measurement found.

use crate::{
    effect::Verdict,
    estimate::Estimate,
    number::{NBSP, sensible},
    window::date_in_words,
};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An improvement of the register that is no longer measured, because its effect is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClosedImprovement {
    /// Identity in the register.
    pub improvement: String,
    /// Title in the register.
    pub title: String,
    /// Component that it changed; empty for all.
    pub component: String,
    /// First day after the change.
    #[schemars(with = "Option<String>")]
    pub date: Option<Date>,
    /// Day on which it was closed, in the time zone of the job.
    #[schemars(with = "String")]
    pub closed: Date,
    /// Person or team that closed it.
    pub who: String,
    /// The lesson; empty for none.
    pub why: String,
    /// Cost of implementing it, in the currency of the job's users; `None` if it is unknown.
    pub cost: Option<f64>,
    /// The last measurement of each metric, by metric.
    pub measurements: Vec<LastMeasurement>,
}

/// The last measurement of a closed improvement on a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastMeasurement {
    /// Metric and component.
    pub metric: String,
    /// Window of the report that measured it.
    pub window: String,
    /// The verdict on this metric.
    pub verdict: Verdict,
    /// Effect relative to the counterfactual, with its 95 % interval; `None` without an estimate,
    /// or if the counterfactual is not above zero.
    pub relative: Option<[f64; 3]>,
    /// Effect as an amount, with its 95 % interval; `None` without an estimate.
    pub absolute: Option<[f64; 3]>,
    /// Unit of the amount.
    pub unit: String,
}

impl LastMeasurement {
    /// "works, tickets in billing −50 % (95 % interval −60 to −40 %) in the report on 2026-W44".
    fn phrase(&self) -> String {
        let proven = self.verdict.is_proven();
        let estimate = match (self.relative, self.absolute) {
            (Some([value, low, high]), _) => {
                Some(Estimate::relative(value, Some([low, high]), proven))
            }
            (None, Some([value, low, high])) => Some(Estimate::amount(
                value,
                Some([low, high]),
                &self.unit,
                proven,
            )),
            (None, None) => None,
        };
        let effect = estimate.map_or_else(String::new, |estimate| {
            let range = match estimate.signed_range() {
                range if range.is_empty() => range,
                range => format!(" (95{NBSP}% interval {range})"),
            };
            format!(" {}{range}", estimate.signed())
        });
        let (verdict, metric) = (self.verdict.word(), &self.metric);
        format!(
            "{verdict}, {metric}{effect} in the report on {}",
            self.window
        )
    }
}

impl ClosedImprovement {
    /// Its last verdicts in one sentence.
    pub fn outcome(&self) -> String {
        if self.measurements.is_empty() {
            return "It was never measured.".to_string();
        }
        let phrases: Vec<String> = self
            .measurements
            .iter()
            .map(LastMeasurement::phrase)
            .collect();
        format!("Last verdict: {}.", phrases.join("; "))
    }

    /// States person, date, reason and cost: "Closed by Ann on 3 November 2026: half the tickets.
    /// Cost: 400."
    pub fn sentence(&self) -> String {
        let why = match self.why.as_str() {
            "" => ".".to_string(),
            why if why.ends_with(['.', '!', '?']) => format!(": {why}"),
            why => format!(": {why}."),
        };
        let cost = self.cost.map(|cost| format!(" Cost: {}.", sensible(cost)));
        let (who, day) = (&self.who, date_in_words(self.closed));
        format!("Closed by {who} on {day}{why}{}", cost.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn closed() -> ClosedImprovement {
        ClosedImprovement {
            improvement: "cache".to_string(),
            title: "Cache sessions".to_string(),
            component: "billing".to_string(),
            date: Some(date(2026, 10, 5)),
            closed: date(2026, 11, 3),
            who: "Ann".to_string(),
            why: "half the tickets".to_string(),
            cost: Some(400.0),
            measurements: vec![LastMeasurement {
                metric: "tickets in billing".to_string(),
                window: "2026-W44".to_string(),
                verdict: Verdict::Works,
                relative: Some([-0.5, -0.6, -0.4]),
                absolute: Some([-12.0, -14.0, -10.0]),
                unit: "tickets per day".to_string(),
            }],
        }
    }

    #[test]
    fn the_sentence_has_who_when_and_why() {
        let mut closed = closed();
        let expected = "Closed by Ann on 3 November 2026: half the tickets. Cost: 400.";
        assert_eq!(closed.sentence(), expected);
        (closed.why, closed.cost) = (String::new(), None);
        assert_eq!(closed.sentence(), "Closed by Ann on 3 November 2026.");
        closed.why = "It works!".to_string();
        assert!(closed.sentence().ends_with(": It works!"));
    }

    #[test]
    fn the_outcome_is_the_last_verdict_with_its_effect() {
        let mut closed = closed();
        let outcome = |closed: &ClosedImprovement| closed.outcome().replace(NBSP, " ");
        let expected = "Last verdict: works, tickets in billing −50 % (95 % interval −60 to −40 %) in the \
                        report on 2026-W44.";
        assert_eq!(
            outcome(&closed).replace('-', "−"),
            expected.replace('-', "−")
        );
        let last = &mut closed.measurements[0];
        (last.relative, last.absolute) = (None, None);
        last.verdict = Verdict::TooEarly;
        assert_eq!(
            outcome(&closed),
            "Last verdict: too early, tickets in billing in the report on 2026-W44."
        );
        closed.measurements.clear();
        assert_eq!(outcome(&closed), "It was never measured.");
    }
}
