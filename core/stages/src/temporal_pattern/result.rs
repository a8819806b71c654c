//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "temporal_pattern",
    title: "Patterns in time",
    description: "The dataset of a stage of kind temporal_pattern: a row an effect, category and group.",
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
            "What the records are divided by, such as weekday or hour.",
        ),
        column("category", "text", "", "Its value, such as Monday."),
        column("events", "whole number", "records", "Events in it."),
        column(
            "exposure",
            "number",
            "",
            "How much time, or how many records, the events are set against.",
        ),
        column(
            "ratio",
            "number",
            "ratio",
            "Rate against that of all other categories.",
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
