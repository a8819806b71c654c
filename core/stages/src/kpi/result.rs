//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "kpi",
    title: "Figures",
    description: "The dataset of a stage of kind kpi: one row per figure and group.",
    columns: &[
        column("metric", "text", "", "Name of the figure."),
        column(
            "group",
            "text",
            "",
            "The group; “all” for all records together.",
        ),
        column(
            "value",
            "number",
            "of the figure",
            "The value in the window.",
        ),
        column(
            "lower",
            "number",
            "of the figure",
            "Lower end of its 95 % interval.",
        ),
        column("upper", "number", "of the figure", "Upper end."),
        column(
            "previous",
            "number",
            "of the figure",
            "The value in the window before.",
        ),
        column(
            "baseline",
            "number",
            "of the figure",
            "The value over the baseline window.",
        ),
        column(
            "records",
            "whole number",
            "records",
            "Number of records that the value is based on.",
        ),
        column(
            "p_adjusted",
            "number",
            "",
            "p-value of the change, corrected for the number of tests.",
        ),
        column(
            "significant",
            "true or false",
            "",
            "Whether the change is reported.",
        ),
    ],
};
