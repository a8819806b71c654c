//! Formats effects as data, tables, charts, and rows for later stages.

use super::{
    measure::{EffectMeasurement, Measurement, Outcome, find_group},
    present::{Reporter, effect_test},
    register::Improvement,
};
use crate::StageError;
use polars::prelude::*;
use retrocast_domain::{
    Chart, ChartKind, Effect, EffectTest, Finding, Table, Verdict,
    chart::{Band, Role, Series},
    estimate::levels,
    number,
};

/// Number of periods before a change that a chart shows.
const PERIODS_IN_CHART: usize = 120;

impl Reporter<'_> {
    /// The effect of an improvement; `None` if it could not be measured.
    pub(super) fn effect(&self, measurement: &Measurement) -> Option<Effect> {
        match &measurement.outcome {
            Outcome::NotMeasured(_) => None,
            Outcome::TooEarly(early) => {
                let mut effect = self.effect_without_result(measurement.improvement);
                effect.detectable = early.detectable;
                self.add_observed_means(measurement.improvement, &mut effect);
                Some(effect)
            }
            Outcome::Measured(measured) => Some(self.effect_of(measurement.improvement, measured)),
        }
    }

    /// The measured effect of an improvement.
    pub(super) fn effect_of(
        &self,
        improvement: &Improvement,
        measured: &EffectMeasurement,
    ) -> Effect {
        let estimate = &measured.estimate;
        Effect {
            before: estimate.before,
            after: estimate.after,
            counterfactual: estimate.counterfactual,
            absolute: estimate.absolute,
            // JSON has no NaN; zeros beside a nonzero absolute effect mean undefined.
            relative: estimate
                .relative
                .map(|v| if v.is_finite() { v } else { 0.0 }),
            placebo_p: estimate.p,
            test: effect_test(estimate.test),
            placebos: estimate.calibration.placebos.len() as u64,
            days_before: self.days(estimate.steps_before),
            days_after: self.days(estimate.steps_after),
            detectable: self.detectable(measured),
            days_needed: self.days_needed(measured),
            controls: measured.controls.clone(),
            verdict: measured.verdict,
            worth: self.worth(improvement, measured),
            ..self.effect_without_result(improvement)
        }
    }

    /// An effect without a result yet.
    fn effect_without_result(&self, improvement: &Improvement) -> Effect {
        let measure = self.measure(improvement);
        Effect {
            improvement: improvement.id.clone(),
            title: improvement.title.clone(),
            date: improvement.date.to_string(),
            metric: format!("{measure}{}", Self::in_component(improvement)),
            unit: self.unit(improvement),
            lower_is_better: improvement.lower_is_better,
            before: 0.0,
            after: 0.0,
            counterfactual: 0.0,
            absolute: [0.0; 3],
            relative: [0.0; 3],
            placebo_p: 1.0,
            test: EffectTest::None,
            placebos: 0,
            days_before: 0,
            days_after: 0,
            detectable: None,
            days_needed: None,
            controls: Vec::new(),
            verdict: Verdict::TooEarly,
            category: improvement.category.clone(),
            expected_relative: improvement.expected_relative,
            worth: None,
            guardrails: Vec::new(),
        }
    }

    /// Adds means and days of an improvement that cannot be judged yet. Its counterfactual is the
    /// mean before the change, so that no effect is claimed.
    fn add_observed_means(&self, improvement: &Improvement, effect: &mut Effect) {
        let Some(group) = find_group(self.set, &improvement.component) else {
            return;
        };
        let change = self.set.index_of(improvement.date).min(group.values.len());
        let begin = change.saturating_sub(self.params.periods_before(self.set.period));
        let mean = |values: &[Option<f64>]| {
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
            (mean, self.days(known.len()))
        };
        (effect.before, effect.days_before) = mean(&group.values[begin..change]);
        (effect.after, effect.days_after) = mean(&group.values[change..]);
        effect.counterfactual = effect.before;
    }

    pub(super) fn table(&self, judged: &[Measurement]) -> Table {
        let mut table = Table::new(
            if self.set.adds_up {
                format!(
                    "Improvements and their effects; levels are per {}.",
                    self.noun_of_period()
                )
            } else {
                "Improvements and their effects.".to_string()
            },
            &[
                "<improvement",
                "<component",
                "<date",
                ">before",
                ">after",
                ">expected",
                ">effect",
                ">95 % interval",
                ">p",
                "<verdict",
            ],
        );
        let dash = || "–".to_string();
        for measurement in judged {
            let improvement = measurement.improvement;
            let mut row = [
                format!("{}: {}", improvement.id, improvement.title),
                improvement.component.clone(),
                improvement.date.to_string(),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                "not measured".to_string(),
            ];
            match &measurement.outcome {
                Outcome::TooEarly(_) => row[9] = Verdict::TooEarly.word().to_string(),
                Outcome::NotMeasured(_) => {}
                Outcome::Measured(measured) => {
                    let estimate = &measured.estimate;
                    let [_, low, high] = estimate.absolute;
                    let width = Some(high - low);
                    [row[3]] = levels([estimate.before], width, "");
                    [row[4], row[5]] = levels([estimate.after, estimate.counterfactual], width, "");
                    let effect = self.effect_of(improvement, measured);
                    if let Some(shown) = effect.estimate() {
                        (row[6], row[7]) = (shown.signed(), shown.signed_range());
                    }
                    row[8] = number::p_bare(estimate.p);
                    row[9] = measured.verdict.word().to_string();
                }
            }
            table.push(row);
        }
        table.top(40)
    }

    pub(super) fn chart(&self, measurement: &Measurement) -> Option<Chart> {
        let Outcome::Measured(measured) = &measurement.outcome else {
            return None;
        };
        let improvement = measurement.improvement;
        let group = find_group(self.set, &improvement.component)?;
        let EffectMeasurement {
            begin, change, end, ..
        } = **measured;
        // The estimate uses all history; a chart needs only the last months.
        let first = begin.max(change.saturating_sub(PERIODS_IN_CHART));
        let times = self.set.starts[first..end].to_vec();
        let measure = self.measure(improvement);
        let estimate = &measured.estimate;
        let floor = if group.values.iter().flatten().all(|value| *value >= 0.0) {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        let effect = self.effect_of(improvement, measured);
        let heading = match effect.estimate() {
            Some(shown) if self.fell_to_zero(measured) => {
                let days = self.periods(estimate.steps_after);
                let qualifier = if shown.is_proven() {
                    ""
                } else {
                    ", effect not proven"
                };
                format!("none in {days}{qualifier}")
            }
            shown => shown.map_or_else(String::new, |shown| shown.claim("")),
        };
        let title = format!("{}: {heading}", improvement.id);
        let [_, low, high] = estimate.absolute;
        let amounts = [estimate.after, estimate.counterfactual];
        let [after, expected] = levels(amounts, Some(high - low), &self.params.unit);
        let per = self.per_period();
        Some(Chart {
            id: format!(
                "{}-{}",
                self.context.stage,
                Finding::identity("chart", &improvement.component, &improvement.id)
            ),
            alt: format!(
                "{measure}{} from {}: {after}{per} after the change on {}, {expected} expected without \
                 it.",
                Self::in_component(improvement),
                self.span(first, end),
                improvement.date,
            ),
            title,
            unit: self.unit(improvement),
            kind: ChartKind::BeforeAfter {
                observed: Series {
                    name: measure.clone(),
                    times: times.clone(),
                    values: group.values[first..end].to_vec(),
                    role: Role::Observed,
                },
                counterfactual: Series {
                    name: "expected without it".to_string(),
                    values: estimate
                        .expected
                        .iter()
                        .skip(first - begin)
                        .map(|value| value.map(|value| value.max(floor)))
                        .collect(),
                    times: times.clone(),
                    role: Role::Expected,
                },
                band: Band {
                    name: "95 % interval".to_string(),
                    times: times[change - first..].to_vec(),
                    lower: estimate
                        .band
                        .iter()
                        .map(|band| band[0].max(floor))
                        .collect(),
                    upper: estimate
                        .band
                        .iter()
                        .map(|band| band[1].max(floor))
                        .collect(),
                },
                change: improvement.date.at(0, 0, 0, 0),
                change_label: improvement.id.clone(),
            },
            table: None,
        })
    }
}

/// One row per improvement, for later stages.
pub(super) fn frame_of(judged: &[Measurement]) -> Result<DataFrame, StageError> {
    let texts = |get: &dyn Fn(&Measurement) -> String| judged.iter().map(get).collect::<Vec<_>>();
    let numbers = |get: &dyn Fn(&EffectMeasurement) -> f64| {
        judged
            .iter()
            .map(|measurement| match &measurement.outcome {
                Outcome::Measured(measured) => {
                    Some(get(measured)).filter(|value| value.is_finite())
                }
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let verdict = |measurement: &Measurement| match &measurement.outcome {
        Outcome::Measured(measured) => measured.verdict.word().to_string(),
        Outcome::TooEarly(_) => Verdict::TooEarly.word().to_string(),
        Outcome::NotMeasured(_) => "not measured".to_string(),
    };
    Ok(DataFrame::new_infer_height(vec![
        Column::new(
            "id".into(),
            texts(&|measurement| measurement.improvement.id.clone()),
        ),
        Column::new(
            "component".into(),
            texts(&|measurement| measurement.improvement.component.clone()),
        ),
        Column::new(
            "date".into(),
            texts(&|measurement| measurement.improvement.date.to_string()),
        ),
        Column::new("before".into(), numbers(&|m| m.estimate.before)),
        Column::new("after".into(), numbers(&|m| m.estimate.after)),
        Column::new(
            "counterfactual".into(),
            numbers(&|m| m.estimate.counterfactual),
        ),
        Column::new("relative".into(), numbers(&|m| m.estimate.relative[0])),
        Column::new(
            "relative_lower".into(),
            numbers(&|m| m.estimate.relative[1]),
        ),
        Column::new(
            "relative_upper".into(),
            numbers(&|m| m.estimate.relative[2]),
        ),
        Column::new("placebo_p".into(), numbers(&|m| m.estimate.p)),
        Column::new("verdict".into(), texts(&verdict)),
    ])?)
}
