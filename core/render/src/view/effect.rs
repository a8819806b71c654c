//! Formats effects of improvements.

use crate::words::{long_date, short_date, shorten};
use retrocast_domain::{
    Effect, Estimate, Verdict,
    estimate::levels,
    number::{count, list, p_bare, plural},
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct EffectView {
    title: String,
    id: String,
    date: String,
    /// "5 Oct 2026".
    date_short: String,
    /// The intended metric, with its unit: "failure tickets in storefront, per day".
    metric: String,
    before: String,
    after: String,
    counterfactual: String,
    relative: String,
    relative_interval: String,
    /// The effect in money; empty if a unit of the metric has no value.
    worth: String,
    absolute: String,
    absolute_interval: String,
    p: String,
    placebos: String,
    days: String,
    controls: String,
    /// True if it was measured without controls.
    is_uncontrolled: bool,
    verdict: &'static str,
    /// "good", "bad" or "steady".
    tone: &'static str,
    /// ID of the figure.
    figure: String,
}

pub(super) fn effect(effect: &Effect, limit: usize, figure: String) -> EffectView {
    // There is no estimate yet, and a zero would look like one.
    let early = effect.verdict == Verdict::TooEarly;
    let or_dash = move |text: String| if early { "–".to_string() } else { text };
    let estimate = effect.estimate();
    let [absolute, lower, upper] = effect.absolute;
    let unit = "";
    let amount = Estimate::amount(
        absolute,
        Some([lower, upper]),
        unit,
        effect.verdict.is_proven(),
    );
    let width = Some(upper - lower).filter(|_| !early);
    // The level before is formatted on its own, because the effect is relative to the
    // counterfactual.
    let [before] = levels([effect.before], width, unit).map(or_dash);
    let [after, counterfactual] =
        levels([effect.after, effect.counterfactual], width, unit).map(or_dash);
    EffectView {
        title: shorten(&effect.title, limit),
        id: effect.improvement.clone(),
        date: long_date(&effect.date),
        date_short: short_date(&effect.date),
        metric: metric_with_guardrails(effect, limit + 40),
        before,
        after,
        counterfactual,
        relative: estimate.map_or_else(|| "–".to_string(), |estimate| estimate.signed()),
        relative_interval: estimate.map_or_else(String::new, |estimate| estimate.signed_range()),
        worth: effect.worth.as_ref().map_or_else(String::new, |worth| {
            worth.phrase(effect.verdict.is_proven())
        }),
        absolute: or_dash(amount.signed()),
        absolute_interval: if early {
            String::new()
        } else {
            amount.signed_range()
        },
        p: or_dash(p_bare(effect.placebo_p)),
        placebos: match (effect.placebos, early) {
            (_, true) => "–".to_string(),
            (0, false) => effect.test.word().to_string(),
            (placebos, false) => plural(placebos, "placebo date"),
        },
        days: format!(
            "{} + {}",
            count(effect.days_before),
            count(effect.days_after)
        ),
        is_uncontrolled: effect.controls.is_empty() && !early,
        controls: match effect.controls.as_slice() {
            _ if early => String::new(),
            [] => "uncontrolled".to_string(),
            controls => shorten(&controls.join(", "), 90),
        },
        verdict: effect.verdict_word(),
        tone: match effect.verdict {
            Verdict::Works if effect.worse_guardrails().next().is_some() => "steady",
            Verdict::Works => "good",
            Verdict::Harmful => "bad",
            Verdict::Unclear | Verdict::TooEarly => "steady",
        },
        figure,
    }
}

/// Formats the metric of an effect with its unit, and the guardrails that got worse.
fn metric_with_guardrails(effect: &Effect, limit: usize) -> String {
    let metric = shorten(&metric_with_unit(&effect.metric, &effect.unit), limit);
    let worse: Vec<&str> = effect
        .worse_guardrails()
        .map(|guardrail| guardrail.metric.as_str())
        .collect();
    if worse.is_empty() {
        return metric;
    }
    format!("{metric}; worse: {}", shorten(&list(&worse), limit))
}

/// Formats a metric with its unit, without repeating the noun.
fn metric_with_unit(metric: &str, unit: &str) -> String {
    let noun = unit.split(" per ").next().unwrap_or_default();
    let repeats_noun = !noun.is_empty() && metric.starts_with(noun);
    match unit.get(noun.len()..).map(str::trim_start) {
        Some("") if repeats_noun => metric.to_string(),
        Some(remainder) if repeats_noun => format!("{metric}, {remainder}"),
        _ if unit.is_empty() => metric.to_string(),
        _ => format!("{metric}, {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_domain::GuardrailEffect;

    #[test]
    fn compared_levels_have_equal_decimals() {
        let mut measured = crate::sample::sample().effects[0].clone();
        (measured.before, measured.after, measured.counterfactual) = (18.31, 12.0, 18.0);
        let view = effect(&measured, 60, String::new());
        let levels = [view.before, view.after, view.counterfactual];
        assert_eq!(levels, ["18.3", "12.0", "18.0"]);
    }

    #[test]
    fn an_effect_without_proof_has_no_gain() {
        let mut measured = crate::sample::sample().effects[0].clone();
        measured.verdict = Verdict::Unclear;
        measured.worth = Some(retrocast_domain::Worth {
            currency: "EUR".to_string(),
            cost: Some(3_000.0),
            per_day: [2.83, -60.0, 66.0],
            measured: [85.0, -1_800.0, 1_980.0],
        });
        let worth = effect(&measured, 60, String::new()).worth;
        let worth = worth.replace(['\u{a0}', '\u{202f}'], " ");
        assert!(
            worth.starts_with("between a loss of EUR 60") && !worth.contains("paid back"),
            "{worth}"
        );
    }

    #[test]
    fn an_effect_names_guardrails_that_got_worse() {
        let mut measured = crate::sample::sample().effects[0].clone();
        measured.verdict = Verdict::Works;
        let mut guardrail = GuardrailEffect::from(measured.clone());
        guardrail.metric = "latency in billing".to_string();
        measured.guardrails = vec![guardrail];
        let view = effect(&measured, 60, String::new());
        assert_eq!((view.verdict, view.tone), ("works", "good"));
        measured.guardrails[0].verdict = Verdict::Harmful;
        let view = effect(&measured, 60, String::new());
        assert_eq!((view.verdict, view.tone), ("works, but", "steady"));
        assert!(
            view.metric.ends_with("; worse: latency in billing"),
            "{}",
            view.metric
        );
    }

    #[test]
    fn a_unit_does_not_repeat_its_metric() {
        let check = |metric, unit, expected| assert_eq!(metric_with_unit(metric, unit), expected);
        check(
            "failures in billing",
            "failures per day",
            "failures in billing, per day",
        );
        check("latency", "ms", "latency, ms");
        check("tickets", "tickets", "tickets");
        check("cost", "", "cost");
    }
}
