//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "change_point",
    title: "Lasting shifts",
    description: "The dataset of a stage of kind change_point: a row for each lasting shift.",
    columns: &[
        column(
            "group",
            "text",
            "",
            "The group; “all” for all records together.",
        ),
        column("since", "day", "", "First day of the new level."),
        column("mean_before", "number", "of the measure", "Mean before."),
        column("mean_after", "number", "of the measure", "Mean after."),
        column("p", "number", "", "p-value before correction."),
        column("p_adjusted", "number", "", "p-value after correction."),
    ],
};
