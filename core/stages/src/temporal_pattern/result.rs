//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "temporal_pattern",
    title: "Patterns in time",
    description: "The dataset of a stage of kind temporal_pattern: one row per effect, category and group.",
    columns: &[
        column(
            "group",
            "text",
            "",
            "The group; “all” for all records together.",
        ),
        column(
            "effect",
            "text",
            "",
            "How the records are divided, such as by weekday or hour.",
        ),
        column("category", "text", "", "The category, such as Monday."),
        column(
            "events",
            "whole number",
            "records",
            "Number of events in the category.",
        ),
        column(
            "exposure",
            "number",
            "",
            "Time, or number of records, that the rate of events is computed for.",
        ),
        column(
            "ratio",
            "number",
            "ratio",
            "Rate relative to the baseline of the effect.",
        ),
        column(
            "ratio_lower",
            "number",
            "ratio",
            "Lower end of its interval.",
        ),
        column("ratio_upper", "number", "ratio", "Upper end."),
    ],
};
