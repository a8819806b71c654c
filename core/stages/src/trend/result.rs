//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "trend",
    title: "Trends",
    description: "The dataset of a stage of kind trend: a row a group.",
    columns: &[
        column(
            "group",
            "text",
            "",
            "The group; “all” for all records together.",
        ),
        column(
            "class",
            "text",
            "",
            "How far a trend is proven: improving, worsening, small (below the least change reported), volatile or not proven.",
        ),
        column(
            "change",
            "number",
            "share",
            "Change of the line from the first period to the last; null where values are negative.",
        ),
        column(
            "change_low",
            "number",
            "share",
            "Lower end of its 95 % interval.",
        ),
        column("change_high", "number", "share", "Upper end."),
        column(
            "slope",
            "number",
            "of the measure, a period",
            "Mean change of the line.",
        ),
        column(
            "slope_low",
            "number",
            "of the measure, a period",
            "Lower end of its 95 % interval.",
        ),
        column(
            "slope_high",
            "number",
            "of the measure, a period",
            "Upper end.",
        ),
        column("tau", "number", "", "Kendall's tau."),
        column("p", "number", "", "p-value before correction."),
        column("p_adjusted", "number", "", "p-value after it."),
        column("n", "whole number", "periods", "Periods behind it."),
    ],
};
