//! The effect of an improvement, compared with the counterfactual.

use crate::{estimate::Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Verdict on whether an improvement worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval excludes zero in the intended direction, with p below 0.05.
    Works,
    /// The data support neither verdict.
    Unclear,
    /// The interval excludes zero in the opposite direction, with p below 0.05.
    Harmful,
    /// Not enough days have passed.
    TooEarly,
}

impl Verdict {
    /// The word for reports.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Works => "works",
            Verdict::Unclear => "not proven",
            Verdict::Harmful => "harmful",
            Verdict::TooEarly => "too early",
        }
    }

    /// Returns the name in data.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Works => "works",
            Verdict::Unclear => "unclear",
            Verdict::Harmful => "harmful",
            Verdict::TooEarly => "too_early",
        }
    }

    /// Returns true if the data supports an effect, in either direction.
    pub fn is_proven(self) -> bool {
        matches!(self, Verdict::Works | Verdict::Harmful)
    }
}

/// Basis of the p-value of an effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectTest {
    /// A model of the noise, calibrated by the same estimate at earlier dates without a change.
    #[default]
    Placebo,
    /// The model alone, because history is too short for placebo dates. Runs of versions before 0.2
    /// have another test in this case, "weeks".
    #[serde(alias = "weeks")]
    Model,
    /// The metric was constant until the change.
    Constant,
    /// None: there are too few days.
    None,
}

impl EffectTest {
    /// Its name in reports; empty for none.
    pub fn word(self) -> &'static str {
        match self {
            EffectTest::Placebo => "placebo dates",
            EffectTest::Model => "no placebo dates",
            EffectTest::Constant => "constant before",
            EffectTest::None => "",
        }
    }
}

/// The measured effect of one improvement on one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// Identity of the improvement in the register.
    pub improvement: String,
    /// Title of the improvement in the register.
    pub title: String,
    /// Date of the change, ISO 8601.
    pub date: String,
    /// Metric and component that the improvement is intended to change.
    pub metric: String,
    /// Unit of before, after and absolute, such as "failures per day".
    pub unit: String,
    /// True if lower values of the metric are better.
    pub lower_is_better: bool,
    /// Mean in the pre-period.
    #[serde(deserialize_with = "crate::null_as_nan::number")]
    #[schemars(with = "Option<f64>")]
    pub before: f64,
    /// Mean in the post-period.
    #[serde(deserialize_with = "crate::null_as_nan::number")]
    #[schemars(with = "Option<f64>")]
    pub after: f64,
    /// Mean of the counterfactual in the post-period; the mean in the pre-period while it is too
    /// early.
    #[serde(deserialize_with = "crate::null_as_nan::number")]
    #[schemars(with = "Option<f64>")]
    pub counterfactual: f64,
    /// after − counterfactual: estimate, lower and upper bound of the 95 % interval; zeros while it
    /// is too early. [`Effect::estimate`] is the form for reports.
    #[serde(deserialize_with = "crate::null_as_nan::three")]
    #[schemars(with = "[Option<f64>; 3]")]
    pub absolute: [f64; 3],
    /// The same relative to the counterfactual (−0.3 = 30 % less); zeros if the counterfactual is
    /// not above zero, and while it is too early. [`Effect::estimate`] is the form for reports.
    #[serde(deserialize_with = "crate::null_as_nan::three")]
    #[schemars(with = "[Option<f64>; 3]")]
    pub relative: [f64; 3],
    /// p-value of no effect.
    #[serde(deserialize_with = "crate::null_as_nan::number")]
    #[schemars(with = "Option<f64>")]
    pub placebo_p: f64,
    /// Basis of the p-value.
    #[serde(default)]
    pub test: EffectTest,
    /// Number of placebo dates tried.
    pub placebos: u64,
    /// Days before the change that were used.
    pub days_before: u64,
    /// Days after the change that were used.
    pub days_after: u64,
    /// Smallest difference, in the unit of absolute, that the test finds in four of five cases;
    /// before there is an estimate, with all days after the change that it will use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectable: Option<f64>,
    /// Number of days after the change that would be needed to prove an effect of this size; absent
    /// for proven effects, and if half a year would not be enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_needed: Option<u64>,
    /// Series that served as controls; empty for an uncontrolled estimate.
    pub controls: Vec<String>,
    /// Judgement: works, harmful, unclear or too early.
    pub verdict: Verdict,
    /// Category of the improvement, such as configuration or scaling; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// The relative effect expected by its team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_relative: Option<f64>,
    /// The effect in money, if a unit of the metric has a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worth: Option<Worth>,
    /// Measured effects on metrics that must not get worse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<GuardrailEffect>,
}

/// The measured effect of an improvement on a metric that must not get worse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GuardrailEffect {
    /// Metric and component.
    pub metric: String,
    /// Unit of after, counterfactual and absolute.
    pub unit: String,
    /// True if lower values of the metric are better.
    pub lower_is_better: bool,
    /// Mean after the change.
    pub after: f64,
    /// Expected mean after the change without it.
    pub counterfactual: f64,
    /// after − counterfactual: estimate, lower and upper end of the 95 % interval.
    pub absolute: [f64; 3],
    /// The same relative to the counterfactual; zeros if that is not above zero.
    pub relative: [f64; 3],
    /// p-value of no effect.
    pub p: f64,
    /// `harmful` if it is proven to be worse.
    pub verdict: Verdict,
}

impl From<Effect> for GuardrailEffect {
    fn from(effect: Effect) -> Self {
        Self {
            metric: effect.metric,
            unit: effect.unit,
            lower_is_better: effect.lower_is_better,
            after: effect.after,
            counterfactual: effect.counterfactual,
            absolute: effect.absolute,
            relative: effect.relative,
            p: effect.placebo_p,
            verdict: effect.verdict,
        }
    }
}

/// An effect in money. Amounts are gains, below zero for losses: estimate, lower and upper end of
/// the 95 % interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Worth {
    /// Currency, such as EUR; empty for none.
    pub currency: String,
    /// Cost of the improvement.
    pub cost: Option<f64>,
    /// Gain per day.
    pub per_day: [f64; 3],
    /// Gain over the days after the change that were measured (`days_after`), not over all days
    /// since.
    #[serde(alias = "so_far")]
    pub measured: [f64; 3],
}

/// Days of the first year, over which the return on investment is computed.
const YEAR: f64 = 365.0;

impl Worth {
    /// Return on investment of the first year, if the effect lasts: (gain − cost) ÷ cost. `None`
    /// without a cost.
    pub fn roi(&self) -> Option<[f64; 3]> {
        let cost = self.cost.filter(|cost| *cost > 0.0)?;
        Some(self.per_day.map(|gain| (YEAR * gain - cost) / cost))
    }

    /// The amount in words: "gain of EUR 120 a day (80 to 160), cost EUR 400, paid back after 4
    /// days"; without proof of an effect only its interval: "between a loss of EUR 12 and a gain of
    /// EUR 134 a day, cost EUR 400".
    pub fn phrase(&self, is_proven: bool) -> String {
        let mut text = if is_proven { self.gain() } else { self.range() };
        if let Some(cost) = self.cost {
            text.push_str(&format!(", cost {}", number::money(cost, &self.currency)));
        }
        if let Some(days) = self.payback_days().filter(|_| is_proven) {
            let days = number::plural(days.ceil() as u64, "day");
            text.push_str(&format!(", paid back after {days}"));
        }
        text
    }

    /// The ends of the interval in words.
    fn range(&self) -> String {
        let [_, low, high] = self.per_day;
        let [low_text, high_text] = number::amounts([low.abs(), high.abs()]);
        let [low, high] = [(low, low_text), (high, high_text)].map(|(value, text)| {
            let word = if value < 0.0 { "loss" } else { "gain" };
            format!("a {word} of {}", number::in_currency(&text, &self.currency))
        });
        format!("between {low} and {high} a day")
    }

    /// The gain or loss per day in words, with its interval.
    fn gain(&self) -> String {
        let [value, low, high] = self.per_day;
        let word = if value < 0.0 { "loss" } else { "gain" };
        // In the direction of the estimate, from the smaller end.
        let mut bounds = [low, high].map(|bound| if value < 0.0 { -bound } else { bound });
        bounds.sort_by(f64::total_cmp);
        let [amount, low, high] = number::amounts([value.abs(), bounds[0], bounds[1]]);
        let amount = number::in_currency(&amount, &self.currency);
        format!("{word} of {amount} a day ({})", number::range(&low, &high))
    }

    /// Days after which the gain has paid the cost; `None` without a cost or a gain.
    pub fn payback_days(&self) -> Option<f64> {
        let cost = self.cost.filter(|cost| *cost > 0.0)?;
        (self.per_day[0] > 0.0).then(|| cost / self.per_day[0])
    }
}

/// Maximum relative effect. Larger effects are given as amounts, because a share of a tiny value
/// means little.
const RELATIVE_MAX: f64 = 10.0;

impl Effect {
    /// Measured effect relative to the expected one: 1 if it is as large as expected. `None`
    /// without an expectation or an estimate.
    pub fn effectiveness(&self) -> Option<f64> {
        let expected = self.expected_relative.filter(|expected| *expected != 0.0)?;
        let is_known = self.verdict != Verdict::TooEarly && self.counterfactual > 0.0;
        is_known.then(|| self.relative[0] / expected)
    }

    /// Guardrails that are proven to be worse.
    pub fn worse_guardrails(&self) -> impl Iterator<Item = &GuardrailEffect> {
        let guardrails = self.guardrails.iter();
        guardrails.filter(|guardrail| guardrail.verdict == Verdict::Harmful)
    }

    /// The word of the verdict for reports: "works, but" if a guardrail got worse.
    pub fn verdict_word(&self) -> &'static str {
        match self.verdict {
            Verdict::Works if self.worse_guardrails().next().is_some() => "works, but",
            verdict => verdict.word(),
        }
    }

    /// The effect for reports: relative to the counterfactual, or as an amount if the
    /// counterfactual is zero or small. `None` while it is too early for an estimate.
    pub fn estimate(&self) -> Option<Estimate<'_>> {
        let [relative, low, high] = self.relative;
        let proven = self.verdict.is_proven();
        if self.verdict == Verdict::TooEarly {
            return None;
        }
        let is_share = self.counterfactual > 0.0
            && self.after >= 0.0
            && self.relative.iter().all(|value| value.is_finite())
            && high < RELATIVE_MAX
            && (relative != 0.0 || self.absolute[0] == 0.0);
        if is_share {
            return Some(Estimate::relative(relative, Some([low, high]), proven));
        }
        let [value, low, high] = self.absolute;
        Some(Estimate::amount(
            value,
            Some([low, high]),
            &self.unit,
            proven,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::NBSP;

    #[test]
    fn return_and_payback_follow_from_the_gain_per_day() {
        let mut worth = Worth {
            currency: "EUR".to_string(),
            cost: Some(730.0),
            per_day: [4.0, 2.0, 6.0],
            measured: [120.0, 60.0, 180.0],
        };
        assert_eq!(worth.roi(), Some([1.0, 0.0, 2.0]));
        assert_eq!(worth.payback_days(), Some(182.5));
        let phrase = |worth: &Worth| worth.phrase(true).replace(NBSP, " ");
        assert_eq!(
            phrase(&worth),
            "gain of EUR 4.00 a day (2.00 to 6.00), cost EUR 730, paid back after 183 days"
        );
        worth.per_day = [-1.0, -3.0, 1.0];
        let loss = phrase(&worth).replace('−', "-");
        assert_eq!(loss, "loss of EUR 1.00 a day (-1.00 to 3.00), cost EUR 730");
        assert_eq!(worth.payback_days(), None);
        worth.per_day = [4.0, -12.0, 20.0];
        assert_eq!(
            worth.phrase(false).replace(NBSP, " "),
            "between a loss of EUR 12.00 and a gain of EUR 20.00 a day, cost EUR 730"
        );
        worth.cost = None;
        assert_eq!(worth.roi(), None);
    }

    #[test]
    fn estimates_depend_on_verdict_and_counterfactual() {
        let json = serde_json::json!({
            "improvement": "A", "title": "A", "date": "2026-10-05", "metric": "failures",
            "unit": "failures per day", "lower_is_better": true, "before": 4.0, "after": 6.0,
            "counterfactual": 4.0, "absolute": [2.0, 1.0, 3.0], "relative": [0.5, 0.25, 0.75],
            "placebo_p": 0.01, "placebos": 9, "days_before": 90, "days_after": 30, "controls": [],
            "verdict": "harmful",
        });
        let mut effect: Effect = serde_json::from_value(json).expect("an effect");
        let claim = |effect: &Effect| {
            let estimate = effect.estimate()?;
            Some(estimate.claim("than expected").replace(NBSP, " "))
        };
        let check = |effect: &Effect, expected: &str| {
            assert_eq!(claim(effect).as_deref(), Some(expected));
        };
        check(
            &effect,
            "50 % higher than expected (95 % interval 25 to 75 % higher)",
        );
        effect.verdict = Verdict::Unclear;
        check(
            &effect,
            "probably 50 % higher than expected (25 to 75 % higher); not yet proven",
        );
        (effect.counterfactual, effect.relative) = (0.0, [0.0; 3]);
        check(
            &effect,
            "probably 2.0 failures per day higher than expected (1.0 to 3.0 failures per day \
             higher); not yet proven",
        );
        effect.verdict = Verdict::TooEarly;
        assert_eq!(claim(&effect), None);
    }
}
