//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "anomaly",
    title: "Anomalies",
    description: "The dataset of a stage of kind anomaly: a row for each period and group.",
    columns: &[
        column(
            "group",
            "text",
            "",
            "The group; “all” for all records together.",
        ),
        column(
            "day",
            "time",
            "",
            "Beginning of the period; the column is named after the period: hour, day, week or month.",
        ),
        column("value", "number", "of the measure", "Observed value."),
        column("expected", "number", "of the measure", "Expected value."),
        column(
            "z",
            "number",
            "",
            "Deviation in robust standard deviations.",
        ),
        column(
            "forest_score",
            "number",
            "",
            "Score of the isolation forest.",
        ),
        column(
            "anomalous",
            "true or false",
            "",
            "True if the period is reported as unusual.",
        ),
    ],
};
