//! The columns of the stage's dataset.

use crate::StageError;
use polars::prelude::*;
use retrocast_domain::{
    Recommendation,
    result::{ResultTable, column},
};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "recommendation",
    title: "Recommendations",
    description: "The dataset of a stage of kind recommendation: a row for each recommendation, in any state.",
    columns: &[
        column(
            "id",
            "text",
            "",
            "Identity, the same in each run that gives it.",
        ),
        column(
            "state",
            "text",
            "",
            "open, proposed, accepted, implemented, closed, rejected or expired.",
        ),
        column("title", "text", "", "The action."),
        column("category", "text", "", "Category."),
        column("component", "text", "", "Component that it changes."),
        column(
            "priority",
            "number",
            "percent per day of work",
            "Expected effect × confidence × past success ÷ effort.",
        ),
        column(
            "expected",
            "number",
            "share",
            "Expected relative change of the metric.",
        ),
        column(
            "confidence",
            "number",
            "",
            "Confidence in the finding, 0 to 1.",
        ),
        column(
            "past_success",
            "number",
            "",
            "Mean of the posterior share of the category's improvements that work; 1 if the expected effect was measured.",
        ),
        column("effort_days", "number", "days", "Days of work."),
        column(
            "since",
            "text",
            "",
            "Window of the first of the consecutive runs that give it.",
        ),
        column(
            "expires",
            "text",
            "",
            "Last day on which it is recommended.",
        ),
        column(
            "evidence",
            "text",
            "",
            "Sentence of the most severe finding that it addresses.",
        ),
    ],
};

/// The dataset: a row for each recommendation.
pub(super) fn frame(all: &[Recommendation]) -> Result<DataFrame, StageError> {
    let text = |name: &str, get: &dyn Fn(&Recommendation) -> String| {
        Column::new(name.into(), all.iter().map(get).collect::<Vec<_>>())
    };
    let value = |name: &str, get: &dyn Fn(&Recommendation) -> f64| {
        Column::new(name.into(), all.iter().map(get).collect::<Vec<_>>())
    };
    Ok(DataFrame::new_infer_height(vec![
        text("id", &|recommendation| recommendation.id.clone()),
        text("state", &|recommendation| {
            recommendation.state.word().to_string()
        }),
        text("title", &|recommendation| recommendation.title.clone()),
        text("category", &|recommendation| {
            recommendation.category.clone()
        }),
        text("component", &|recommendation| {
            recommendation.component.clone()
        }),
        value("priority", &Recommendation::priority),
        value("expected", &|recommendation| recommendation.expected[0]),
        value("confidence", &|recommendation| recommendation.confidence),
        value("past_success", &|recommendation| {
            recommendation.past_success()
        }),
        value("effort_days", &|recommendation| recommendation.effort_days),
        text("since", &|recommendation| recommendation.since.clone()),
        text("expires", &|recommendation| recommendation.expires.clone()),
        text("evidence", &|recommendation| {
            recommendation.evidence.clone()
        }),
    ])?)
}
