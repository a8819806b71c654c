//! Guardrails: metrics that an improvement must not make worse.
//!
//! A guardrail is the same measurement of the same improvements on another metric of the dataset.

use super::{
    Params, collect,
    measure::{Measurement, Outcome, judge},
    present::Reporter,
    register::Improvement,
};
use crate::{
    Context, Input, StageError,
    series::{Aggregate, SeriesSet},
};
use retrocast_domain::{Finding, GuardrailEffect, Table, Verdict, estimate::levels, number};
use schemars::JsonSchema;
use serde::Deserialize;

/// A metric that must not get worse.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = filter_keys()))]
pub(super) struct Guardrail {
    /// Name in the report, such as "latency".
    #[schemars(length(min = 1))]
    name: String,
    /// Aggregate of the records of a period.
    aggregate: Aggregate,
    /// Column of the value; not needed to count records.
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// Column to filter by: only records with one of `filter_equals` are used.
    #[schemars(extend("x-column" = "input"))]
    filter_column: Option<String>,
    /// Values of `filter_column` to keep.
    #[serde(default, deserialize_with = "crate::frame::values")]
    #[schemars(schema_with = "crate::frame::values_schema")]
    filter_equals: Vec<String>,
    /// Unit of the values, such as "ms"; empty for counts.
    #[serde(default)]
    unit: String,
    /// Set to false if higher values are better.
    #[serde(default = "super::default_true")]
    lower_is_better: bool,
}

/// The keys of a filter, which need each other, as JSON Schema.
fn filter_keys() -> serde_json::Value {
    let require = |key: &str, other: &str| serde_json::json!({ "if": { "required": [key] }, "then": { "required": [other] } });
    serde_json::json!([
        require("filter_column", "filter_equals"),
        require("filter_equals", "filter_column"),
    ])
}

impl Guardrail {
    /// The filter of the records.
    pub(super) fn filter(&self) -> Option<(&str, &[String])> {
        let column = self.filter_column.as_deref()?;
        Some((column, &self.filter_equals))
    }

    /// The params of the stage, with this metric in place of its own.
    fn params(&self, stage: &Params) -> Params {
        Params {
            value: self.value.clone(),
            aggregate: Some(self.aggregate),
            measure: Some(self.name.clone()),
            unit: self.unit.clone(),
            lower_is_better: self.lower_is_better,
            unit_value: None,
            guardrails: Vec::new(),
            ..stage.clone()
        }
    }
}

/// The series of a guardrail.
pub(super) struct GuardrailSeries {
    name: String,
    pub(super) params: Params,
    pub(super) set: SeriesSet,
    /// The improvements, with the direction of this metric.
    pub(super) improvements: Vec<Improvement>,
}

impl GuardrailSeries {
    /// Collects the series of all guardrails of a stage.
    pub(super) fn collect_all(
        context: &Context,
        records: &Input,
        stage: &Params,
        improvements: &[Improvement],
    ) -> Result<Vec<Self>, StageError> {
        let series = |guardrail: &Guardrail| {
            let params = guardrail.params(stage);
            let set = collect(context, records, &params, guardrail.filter(), improvements)?;
            let improvements = improvements.iter().cloned().map(|improvement| Improvement {
                lower_is_better: guardrail.lower_is_better,
                expected_relative: None,
                ..improvement
            });
            Ok(Self {
                name: guardrail.name.clone(),
                params,
                set,
                improvements: improvements.collect(),
            })
        };
        stage.guardrails.iter().map(series).collect()
    }

    /// Measures the guardrail for each improvement.
    pub(super) fn judge(&self, context: &Context) -> Vec<Measurement<'_>> {
        judge(context, &self.params, &self.set, &self.improvements)
    }

    /// The caveat of a guardrail without a value.
    pub(super) fn caveat(&self) -> Option<String> {
        let reason = self.set.empty_reason.as_ref()?;
        Some(format!("Guardrail {}: {reason}.", self.name))
    }
}

/// A guardrail and its measurement for each improvement of the stage, in the same order.
pub(super) struct GuardrailResults<'a> {
    pub(super) reporter: Reporter<'a>,
    pub(super) judged: &'a [Measurement<'a>],
}

/// Returns true if a guardrail is proven to be worse.
fn is_worse(measurement: &Measurement) -> bool {
    matches!(&measurement.outcome, Outcome::Measured(measured) if measured.verdict == Verdict::Harmful)
}

fn works(measurement: &Measurement) -> bool {
    matches!(&measurement.outcome, Outcome::Measured(measured) if measured.verdict == Verdict::Works)
}

/// Opens the sentences on improvements that work at the cost of a guardrail: "Cache works, but
/// latency got worse:" on the improvement, "Cache works, but" on its guardrails.
pub(super) fn add_openings(
    main: &mut Reporter,
    guardrails: &mut [GuardrailResults],
    judged: &[Measurement],
) {
    for (i, measurement) in judged.iter().enumerate().filter(|(_, m)| works(m)) {
        let Improvement { id, title, .. } = measurement.improvement;
        let mut worse = Vec::new();
        for results in guardrails.iter_mut().filter(|g| is_worse(&g.judged[i])) {
            let opening = format!("{title} works, but");
            results.reporter.openings.insert(id.clone(), opening);
            worse.push(results.reporter.measure(measurement.improvement));
        }
        if !worse.is_empty() {
            let opening = format!("{title} works, but {} got worse:", number::list(&worse));
            main.openings.insert(id.clone(), opening);
        }
    }
}

/// The findings on guardrails that are proven to be worse.
pub(super) fn findings(guardrails: &[GuardrailResults]) -> Vec<Finding> {
    let of_one = |results: &GuardrailResults| -> Vec<Finding> {
        let worse = results.judged.iter().filter(|m| is_worse(m));
        worse.map(|m| results.reporter.finding(m)).collect()
    };
    guardrails.iter().flat_map(of_one).collect()
}

/// The measured guardrails of the improvement at a position.
pub(super) fn effects(guardrails: &[GuardrailResults], position: usize) -> Vec<GuardrailEffect> {
    guardrails
        .iter()
        .filter_map(|results| results.reporter.effect(&results.judged[position]))
        .filter(|effect| effect.verdict != Verdict::TooEarly)
        .filter(|effect| effect.absolute.iter().all(|value| value.is_finite()))
        .map(GuardrailEffect::from)
        .collect()
}

/// The table of guardrails; `None` without any.
pub(super) fn table(guardrails: &[GuardrailResults], improvements: usize) -> Option<Table> {
    let mut table = Table::new(
        "Guardrails: metrics that an improvement must not make worse, each tested at 5 %.",
        &[
            "<improvement",
            "<guardrail",
            ">expected",
            ">observed",
            ">effect",
            ">95 % interval",
            ">p",
            "<result",
        ],
    );
    for position in 0..improvements {
        for results in guardrails {
            table.push(row(results, &results.judged[position]));
        }
    }
    (!table.rows.is_empty()).then(|| table.top(40))
}

fn row(results: &GuardrailResults, measurement: &Measurement) -> [String; 8] {
    let (reporter, improvement) = (&results.reporter, measurement.improvement);
    let dash = || "–".to_string();
    let [mut expected, mut observed, mut size, mut range, mut p] = std::array::from_fn(|_| dash());
    let result = match &measurement.outcome {
        Outcome::TooEarly(early) => format!("too early: {}", early.message),
        Outcome::NotMeasured(reason) => format!("not measured: {reason}"),
        Outcome::Measured(measured) => {
            let estimate = &measured.estimate;
            let [_, low, high] = estimate.absolute;
            let amounts = [estimate.counterfactual, estimate.after];
            [expected, observed] = levels(amounts, Some(high - low), &reporter.params.unit);
            let effect = reporter.effect_of(improvement, measured);
            if let Some(shown) = effect.estimate() {
                (size, range) = (shown.signed(), shown.signed_range());
            }
            p = number::p_bare(estimate.p);
            match measured.verdict {
                Verdict::Harmful => "worse".to_string(),
                Verdict::Works => "better".to_string(),
                _ => match largest_harm(estimate.relative, improvement.lower_is_better) {
                    Some(harm) => format!("no proven change, {harm}"),
                    None => "no proven change".to_string(),
                },
            }
        }
    };
    let metric = format!("{}{}", results.name(), Reporter::in_component(improvement));
    let id = improvement.id.clone();
    [id, metric, expected, observed, size, range, p, result]
}

impl GuardrailResults<'_> {
    fn name(&self) -> &str {
        self.reporter.params.measure.as_deref().unwrap_or_default()
    }
}

/// The largest harm that the interval of a relative effect leaves open: "at most 4 % higher".
fn largest_harm([_, low, high]: [f64; 3], lower_is_better: bool) -> Option<String> {
    let (harm, direction) = if lower_is_better {
        (high, "higher")
    } else {
        (-low, "lower")
    };
    (harm.is_finite() && harm > 0.0)
        .then(|| format!("at most {} {direction}", number::percent(harm)))
}
