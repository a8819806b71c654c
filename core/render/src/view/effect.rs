//! Effects of improvements in words.

use crate::words::{short_date, shorten, words_of_date};
use retrocast_domain::{
    Effect, Verdict,
    number::{change, count, fixed, p_bare, plural, sensible},
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct EffectView {
    title: String,
    id: String,
    date: String,
    /// "5 Oct 2026".
    date_short: String,
    /// What it was meant to move, in its unit: "failure tickets in storefront, per day".
    metric: String,
    before: String,
    after: String,
    counterfactual: String,
    relative: String,
    relative_interval: String,
    absolute: String,
    absolute_interval: String,
    /// Of the placebo test.
    p: String,
    /// The same, corrected for the number of improvements, where that is known: "0.007 corrected".
    p_corrected: String,
    placebos: String,
    days: String,
    controls: String,
    verdict: &'static str,
    /// "good", "bad" or "steady".
    tone: &'static str,
}

pub(super) fn effect(effect: &Effect, limit: usize) -> EffectView {
    let [absolute, lower, upper] = effect.absolute;
    let [relative, relative_lower, relative_upper] = effect.relative;
    // Nothing was estimated yet, and a zero would look like an estimate.
    let early = effect.verdict == Verdict::TooEarly;
    let known = |text: String| if early { "–".to_string() } else { text };
    // What is compared has as many decimals, so that "12" does not stand below "18.3".
    let levels = [effect.before, effect.after, effect.counterfactual];
    let decimals = levels.into_iter().map(decimals).max().unwrap_or(0);
    let level = |value: f64| fixed(value, decimals);
    EffectView {
        title: shorten(&effect.title, limit),
        id: effect.improvement.clone(),
        date: words_of_date(&effect.date),
        date_short: short_date(&effect.date),
        metric: shorten(&measured(&effect.metric, &effect.unit), limit + 40),
        before: level(effect.before),
        after: level(effect.after),
        counterfactual: known(level(effect.counterfactual)),
        relative: known(change(relative)),
        relative_interval: if early {
            String::new()
        } else {
            format!("{} to {}", change(relative_lower), change(relative_upper))
        },
        absolute: known(signed(absolute)),
        absolute_interval: if early {
            String::new()
        } else {
            format!("{} to {}", signed(lower), signed(upper))
        },
        p: known(p_bare(effect.placebo_p)),
        p_corrected: match effect.placebo_p_corrected {
            Some(p) if !early => format!("{} corrected", p_bare(p)),
            _ => String::new(),
        },
        placebos: plural(effect.placebos, "placebo date"),
        days: format!(
            "{} + {}",
            count(effect.days_before),
            count(effect.days_after)
        ),
        controls: match effect.controls.as_slice() {
            [] => "uncontrolled".to_string(),
            controls => shorten(&controls.join(", "), 90),
        },
        verdict: effect.verdict.word(),
        tone: match effect.verdict {
            Verdict::Works => "good",
            Verdict::Harmful => "bad",
            Verdict::Unclear | Verdict::TooEarly => "steady",
        },
    }
}

fn signed(value: f64) -> String {
    let text = sensible(value);
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

/// Decimals that a number alone would have.
fn decimals(value: f64) -> usize {
    let text = sensible(value);
    text.split_once('.').map_or(0, |(_, digits)| digits.len())
}

/// A metric with its unit, whose noun is not said twice.
fn measured(metric: &str, unit: &str) -> String {
    let noun = unit.split(" per ").next().unwrap_or_default();
    let same = !noun.is_empty() && metric.starts_with(noun);
    match unit.get(noun.len()..).map(str::trim_start) {
        Some("") if same => metric.to_string(),
        Some(rest) if same => format!("{metric}, {rest}"),
        _ if unit.is_empty() => metric.to_string(),
        _ => format!("{metric}, {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_that_are_compared_have_equal_digits() {
        let mut one = crate::sample::sample().effects[0].clone();
        (one.before, one.after, one.counterfactual) = (18.31, 12.0, 18.0);
        let view = effect(&one, 60);
        let levels = [view.before, view.after, view.counterfactual];
        assert_eq!(levels, ["18.3", "12.0", "18.0"]);
    }

    #[test]
    fn a_unit_does_not_repeat_its_metric() {
        let check = |metric, unit, want| assert_eq!(measured(metric, unit), want);
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
