//! Formats effects as findings and sentences.

use super::{
    Params,
    measure::{EffectMeasurement, Measurement, Outcome, TooEarly},
    onset::Onset,
    register::{ALL_RECORDS, Improvement},
};
use crate::{
    Context,
    series::{SeriesSet, words},
};
use retrocast_domain::{
    ActionRequest, Direction, EffectTest, Evidence, Finding, Magnitude, MeasuredChange, Severity,
    Verdict,
    estimate::{Estimate, levels},
    number,
    sentence::fill,
    window::date_in_words,
};
use retrocast_stats::effect::Test;
use serde_json::Value;
use std::collections::BTreeMap;

/// Describes in a sentence how many improvements have each verdict.
pub(super) fn summarise(judged: &[Measurement]) -> String {
    let count = |wanted: Verdict| {
        judged
            .iter()
            .filter(|measurement| match &measurement.outcome {
                Outcome::Measured(measured) => measured.verdict == wanted,
                Outcome::TooEarly(_) => wanted == Verdict::TooEarly,
                Outcome::NotMeasured(_) => false,
            })
            .count()
    };
    let verdicts = [
        (Verdict::Works, ["works", "work"]),
        (Verdict::Harmful, ["is harmful", "are harmful"]),
        (
            Verdict::Unclear,
            ["has no proven effect", "have no proven effect"],
        ),
        (
            Verdict::TooEarly,
            ["is too recent to judge", "are too recent to judge"],
        ),
    ]
    .map(|(verdict, words)| (count(verdict), words));
    let missing = judged
        .iter()
        .filter(|measurement| matches!(measurement.outcome, Outcome::NotMeasured(_)))
        .count();
    let parts: Vec<String> = verdicts
        .into_iter()
        .chain([(missing, ["could not be measured"; 2])])
        .filter(|(n, _)| *n > 0)
        .map(|(n, [singular, plural])| format!("{n} {}", if n == 1 { singular } else { plural }))
        .collect();
    match judged {
        [] => "No improvement was judged.".to_string(),
        [_] => format!("The improvement{}.", parts.concat().trim_start_matches('1')),
        _ => format!(
            "Of {} judged, {}.",
            number::plural(judged.len() as u64, "improvement"),
            number::list(&parts)
        ),
    }
}

/// Formats the results of the stage.
pub(super) struct Reporter<'a> {
    pub(super) context: &'a Context,
    pub(super) params: &'a Params,
    pub(super) set: &'a SeriesSet,
    pub(super) evidence: Vec<Evidence>,
    pub(super) method: String,
    /// Noun for the records.
    pub(super) noun: String,
    /// Openings of sentences on effects, in place of the usual ones, by improvement.
    pub(super) openings: BTreeMap<String, String>,
}

impl Reporter<'_> {
    /// Name of the metric of an improvement.
    pub(super) fn measure(&self, improvement: &Improvement) -> String {
        let register = (!improvement.metric.is_empty()).then_some(improvement.metric.as_str());
        let measure = self.params.measure.as_deref().or(register);
        words::measure(measure, self.params.value.as_deref(), &self.noun)
    }

    pub(super) fn unit(&self, improvement: &Improvement) -> String {
        if self.params.unit.is_empty() && !self.set.adds_up {
            String::new()
        } else if self.params.unit.is_empty() {
            format!(
                "{} per {}",
                self.measure(improvement),
                self.noun_of_period()
            )
        } else {
            self.params.unit.clone()
        }
    }

    /// First and last day of a span: "2026-07-01 to 2026-10-06".
    pub(super) fn span(&self, from: usize, to: usize) -> String {
        let last = self.set.starts[to.max(from + 1) - 1];
        let end = self.set.period.after(last, 1).date();
        let last = end.yesterday().unwrap_or(end);
        format!("{} to {last}", self.set.starts[from].date())
    }

    pub(super) fn finding(&self, measurement: &Measurement) -> Finding {
        let improvement = measurement.improvement;
        let measure = self.measure(improvement);
        let what = format!("{} on {measure}", improvement.id);
        let subject = format!(
            "{} = {}",
            self.params.component_column, improvement.component
        );
        let mut finding = Finding::new(&self.context.stage, "effect", &subject, &what);
        // A proven effect is another claim than an open one, and harm another than a success:
        // a report that reaches a verdict has news, whatever the report before said.
        if let Outcome::Measured(measured) = &measurement.outcome
            && measured.verdict.is_proven()
        {
            let claim = format!("{what}\u{1f}{}", measured.verdict.word());
            finding.id = Finding::identity("effect", &subject, &claim);
        }
        finding.request = Some(ActionRequest::new(&what, "", "review this change"));
        finding.measure.clone_from(&measure);
        finding.change = Some(MeasuredChange {
            name: improvement.id.clone(),
            relative: None,
        });
        finding.method.clone_from(&self.method);
        finding.evidence.clone_from(&self.evidence);
        if let Some(evidence) = finding.evidence.first_mut() {
            evidence.filter = Some(subject);
        }
        finding.period = format!("{} to {}", improvement.date, improvement.date);
        finding = finding
            .number("improvement", improvement.id.clone())
            .number("date", improvement.date.to_string());
        if let Some(expected) = improvement.expected_relative {
            finding = finding.number("expected_relative", expected);
        }
        match &measurement.outcome {
            Outcome::Measured(measured) => self.add_effect(finding, improvement, measured),
            Outcome::TooEarly(TooEarly { message, .. }) => {
                finding.sentence = fill(
                    "{title} ({component}, {date}): too recent to judge, {message}.",
                    &[
                        ("title", &improvement.title),
                        ("component", &improvement.component),
                        ("date", &date_in_words(improvement.date)),
                        ("message", message),
                    ],
                );
                finding.number("verdict", Verdict::TooEarly.word())
            }
            Outcome::NotMeasured(message) => {
                finding.caveats.push(format!("No estimate: {message}."));
                finding.sentence = fill(
                    "{title} ({component}, {date}) could not be measured: {message}.",
                    &[
                        ("title", &improvement.title),
                        ("component", &improvement.component),
                        ("date", &date_in_words(improvement.date)),
                        ("message", message),
                    ],
                );
                finding.number("verdict", "not measured")
            }
        }
    }

    /// Adds a measured effect to a finding.
    fn add_effect(
        &self,
        mut finding: Finding,
        improvement: &Improvement,
        measured: &EffectMeasurement,
    ) -> Finding {
        let estimate = &measured.estimate;
        let verdict = measured.verdict;
        let is_proven = verdict.is_proven();
        finding.direction = match (is_proven, estimate.absolute[0] < 0.0) {
            (false, _) => Direction::None,
            (true, true) => Direction::Down,
            (true, false) => Direction::Up,
        };
        if let Some(change) = finding.change.as_mut().filter(|_| is_proven) {
            let relative = estimate.relative;
            change.relative = relative
                .iter()
                .all(|share| share.is_finite())
                .then_some(relative);
        }
        let [value, low, high] = estimate.absolute;
        finding.magnitude = Some(Magnitude::interval95(
            value,
            low,
            high,
            self.unit(improvement),
        ));
        finding.n = (estimate.steps_before + estimate.steps_after) as u64;
        finding.p = Some(estimate.p);
        finding.period = self.span(measured.change, measured.end);
        finding.baseline = Some(format!(
            "what was expected without it, from {}",
            self.span(measured.begin, measured.change)
        ));
        finding.severity = match verdict {
            Verdict::Harmful => Severity::Warning,
            Verdict::Works => Severity::Notice,
            _ => Severity::Info,
        };
        finding.confidence = if is_proven {
            (1.0 - estimate.p).min(0.99)
        } else {
            0.5
        };
        finding.caveats.clone_from(&measured.caveats);
        finding.caveats.extend(self.bad_spell_caveat(measured));
        finding.caveats.extend(self.final_caveat(measured));
        finding.sentence = self.sentence(improvement, measured);
        if let Some(detectable) = self.detectable(measured) {
            finding = finding.number("detectable", detectable);
        }
        if let Some(days) = self.days_needed(measured) {
            finding = finding.number("days_needed", days);
        }
        let numbers = |values: [f64; 3]| values.map(Value::from).to_vec();
        finding
            .number("verdict", verdict.word())
            .number("before", estimate.before)
            .number("after", estimate.after)
            .number("counterfactual", estimate.counterfactual)
            .number("absolute", numbers(estimate.absolute))
            .number("relative", numbers(estimate.relative))
            .number("cumulative", numbers(estimate.cumulative))
            .number("placebo_p", estimate.p)
            .number("test", effect_test(estimate.test).word())
            .number("placebos", estimate.calibration.placebos.len() as u64)
            .number("calibration", estimate.calibration.factor)
            .number("days_before", self.days(estimate.steps_before))
            .number("days_after", self.days(estimate.steps_after))
            .number("controls", measured.controls.clone())
    }

    /// The component with its preposition, such as " in billing"; empty for all records.
    pub(super) fn in_component(improvement: &Improvement) -> String {
        match improvement.component.as_str() {
            ALL_RECORDS => String::new(),
            component => format!(" in {component}"),
        }
    }

    /// Returns true if a count or amount is zero although more was expected.
    pub(super) fn fell_to_zero(&self, measured: &EffectMeasurement) -> bool {
        let estimate = &measured.estimate;
        self.set.adds_up && estimate.after == 0.0 && estimate.counterfactual > 0.0
    }

    pub(super) fn sentence(
        &self,
        improvement: &Improvement,
        measured: &EffectMeasurement,
    ) -> String {
        let estimate = &measured.estimate;
        let measure = self.measure(improvement);
        let effect = self.effect_of(improvement, measured);
        let than = match measured.verdict {
            Verdict::Harmful => "since it than expected without it",
            _ => "than expected without it",
        };
        let estimated = effect.estimate();
        let claim = estimated.as_ref().map(|estimate| estimate.claim(than));
        let range = match estimated.as_ref().map(Estimate::range) {
            None => String::new(),
            Some(range) if range.is_empty() => range,
            Some(range) => format!(" (95{}% interval {range})", number::NBSP),
        };
        let [_, low, high] = estimate.absolute;
        let [after, expected] = levels(
            [estimate.after, estimate.counterfactual],
            Some(high - low),
            &self.params.unit,
        );
        let total = estimate.counterfactual * estimate.steps_after as f64;
        let digits = [(10.0, 1.0), (1.0, 10.0), (0.0, 100.0)];
        let scale = digits.iter().find(|(from, _)| total >= *from);
        let scale = scale.map_or(1.0, |(_, scale)| *scale);
        let total = number::recorded_with_unit((total * scale).round() / scale, &self.params.unit);
        let template = match (measured.verdict, self.fell_to_zero(measured)) {
            (Verdict::Works, false) => {
                "{opening} {measure}{place} {are} {claim}, {after}{per} instead of {expected} \
                 over {days}.{onset}"
            }
            (Verdict::Harmful, false) => {
                "{opening} {measure}{place} {are} {claim}, {after}{per} instead of {expected} over \
                 {days}.{onset}"
            }
            (_, false) => {
                "{opening} {measure}{place} {are} {claim}: {after}{per}, {expected} expected, over \
                 {days}.{outlook}{onset}"
            }
            (Verdict::Works, true) => {
                "{opening} no {measure}{place} in {days} instead of about {total} expected \
                 without it, going by the {history} before{range}.{onset}"
            }
            (Verdict::Harmful, true) => {
                "{opening} no {measure}{place} in {days} since it instead of about {total} expected \
                 without it, going by the {history} before{range}.{onset}"
            }
            (_, true) => {
                "{opening} no {measure}{place} in {days}; about {total} would have been expected without \
                 it, going by the {history} before. Its effect is not proven{range}.{outlook}{onset}"
            }
        };
        fill(
            template,
            &[
                ("opening", &self.opening(improvement, measured.verdict)),
                ("measure", &measure),
                ("place", &Self::in_component(improvement)),
                ("are", words::is_or_are(&measure)),
                ("claim", &claim.unwrap_or_default()),
                ("range", &range),
                ("after", &after),
                ("per", &self.per_period()),
                ("expected", &expected),
                ("total", &total),
                ("days", &self.periods(estimate.steps_after)),
                ("history", &self.periods(estimate.steps_before)),
                ("outlook", &self.outlook_sentence(measured)),
                (
                    "onset",
                    &measured.onset.as_ref().map_or_else(String::new, |onset| {
                        self.onset_sentence(improvement, measured, onset)
                    }),
                ),
            ],
        )
    }

    /// The opening of the sentence on an effect: "Cache works:".
    fn opening(&self, improvement: &Improvement, verdict: Verdict) -> String {
        let title = &improvement.title;
        match (self.openings.get(&improvement.id), verdict) {
            (Some(opening), _) => opening.clone(),
            (None, Verdict::Works) => format!("{title} works:"),
            (None, _) => format!("{title}:"),
        }
    }

    /// " a day" for counts and amounts; empty for other values.
    pub(super) fn per_period(&self) -> String {
        if self.set.adds_up {
            format!(" a {}", self.noun_of_period())
        } else {
            String::new()
        }
    }

    pub(super) fn noun_of_period(&self) -> &'static str {
        self.set.period.noun()
    }

    /// Formats a number of periods: "30 days".
    pub(super) fn periods(&self, n: usize) -> String {
        number::plural(n as u64, self.noun_of_period())
    }

    /// Converts a number of periods to days.
    pub(super) fn days(&self, periods: usize) -> u64 {
        (periods * self.set.period.days()) as u64
    }

    /// The caveat of a change that followed unusually bad days.
    fn bad_spell_caveat(&self, measured: &EffectMeasurement) -> Option<String> {
        let spell = measured.bad_spell.as_ref()?;
        let [_, low, high] = measured.estimate.absolute;
        let [mean, earlier] = levels(
            [spell.mean, spell.earlier],
            Some(high - low),
            &self.params.unit,
        );
        let per = self.per_period();
        Some(format!(
            "The {} before the change were unusually bad ({mean}{per}, {earlier}{per} until then): after such \
             days better ones follow even without a change. The expected values allow for it; a comparison with \
             the time just before the change does not.",
            self.periods(spell.periods)
        ))
    }

    /// The sentence on an effect that shows before its change.
    fn onset_sentence(
        &self,
        improvement: &Improvement,
        measured: &EffectMeasurement,
        onset: &Onset,
    ) -> String {
        let measure = self.measure(improvement);
        let is_plural = words::is_or_are(&measure) == "are";
        let [_, low, high] = measured.estimate.absolute;
        let [mean, earlier] = levels(
            [onset.mean, onset.earlier],
            Some(high - low),
            &self.params.unit,
        );
        let template = if onset.is_all_zero && self.set.adds_up {
            " No {measure}{place} {were} recorded from {first} on, {days} before the change, so the change \
             cannot have started this."
        } else {
            " {Measure}{place} had changed before the improvement: {mean}{per} in the {days} before it, \
             {earlier}{per} until then; something else may have changed {them}."
        };
        fill(
            template,
            &[
                ("measure", &measure),
                ("Measure", &words::capitalised(&measure)),
                ("place", &Self::in_component(improvement)),
                ("were", if is_plural { "were" } else { "was" }),
                ("them", if is_plural { "them" } else { "it" }),
                ("first", &date_in_words(self.set.starts[onset.first].date())),
                ("days", &self.periods(measured.change - onset.first)),
                ("mean", &mean),
                ("earlier", &earlier),
                ("per", &self.per_period()),
            ],
        )
    }
}

/// Converts the test to the type that reports use.
pub(super) fn effect_test(test: Test) -> EffectTest {
    match test {
        Test::Placebo => EffectTest::Placebo,
        Test::Model => EffectTest::Model,
        Test::Constant => EffectTest::Constant,
    }
}
