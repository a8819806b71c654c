//! The columns of the stage's dataset.

use crate::StageError;
use polars::prelude::*;
use retrocast_domain::{
    Health,
    result::{ResultTable, column},
};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "health",
    title: "Health",
    description: "The dataset of a stage of kind health: a row for each component, and one overall.",
    columns: &[
        column(
            "component",
            "text",
            "",
            "Component; “overall” for all together.",
        ),
        column("score", "number", "points", "0 to 100."),
        column(
            "state",
            "text",
            "",
            "excellent, good, needs attention or critical.",
        ),
        column(
            "previous",
            "number",
            "points",
            "Score in the previous window.",
        ),
        column(
            "poor_times",
            "number",
            "windows",
            "Windows in a row in which it needed attention or was critical.",
        ),
        column(
            "falls",
            "number",
            "windows",
            "Windows in a row in which the score fell.",
        ),
    ],
};

/// The dataset: a row for each component.
pub(super) fn frame(all: &[Health]) -> Result<DataFrame, StageError> {
    let texts = |get: &dyn Fn(&Health) -> String| all.iter().map(get).collect::<Vec<_>>();
    let values = |get: &dyn Fn(&Health) -> Option<f64>| all.iter().map(get).collect::<Vec<_>>();
    Ok(DataFrame::new_infer_height(vec![
        Column::new(
            "component".into(),
            texts(&|health| health.component.clone()),
        ),
        Column::new("score".into(), values(&|health| Some(health.score))),
        Column::new(
            "state".into(),
            texts(&|health| health.state.word().to_string()),
        ),
        Column::new("previous".into(), values(&|health| health.previous)),
        Column::new(
            "poor_times".into(),
            values(&|health| Some(health.poor_times as f64)),
        ),
        Column::new("falls".into(), values(&|health| Some(health.falls as f64))),
    ])?)
}
