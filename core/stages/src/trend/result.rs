//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "trend",
    title: "Trends",
    description: "The dataset of a stage of kind trend: one row per group.",
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
            "How far a trend is proven: improving, worsening, small (below the minimum change of a finding), volatile or not proven.",
        ),
        column(
            "change",
            "number",
            "share",
            "Change of the line from the first period, or the level before a bend, to the last; null where values are negative.",
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
            "of the measure, per period",
            "Mean change of the line; after a bend, since then.",
        ),
        column(
            "slope_low",
            "number",
            "of the measure, per period",
            "Lower end of its 95 % interval.",
        ),
        column(
            "slope_high",
            "number",
            "of the measure, per period",
            "Upper end.",
        ),
        column(
            "bend",
            "day",
            "",
            "First day of the movement after a bend; null for a line over all periods.",
        ),
        column("tau", "number", "", "Kendall's tau."),
        column("p", "number", "", "p-value before correction."),
        column("p_adjusted", "number", "", "p-value after correction."),
        column(
            "n",
            "whole number",
            "periods",
            "Number of periods with a value.",
        ),
    ],
};
