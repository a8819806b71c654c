//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "effectiveness",
    title: "Effects",
    description: "The dataset of a stage of kind effectiveness: a row for each improvement.",
    columns: &[
        column(
            "id",
            "text",
            "",
            "Identity of the improvement in the register.",
        ),
        column("component", "text", "", "Component that was changed."),
        column("date", "text", "", "Day of the change."),
        column("before", "number", "of the measure", "Mean before."),
        column("after", "number", "of the measure", "Mean after."),
        column(
            "counterfactual",
            "number",
            "of the measure",
            "Expected mean after the change without the improvement.",
        ),
        column(
            "relative",
            "number",
            "share",
            "Effect relative to the counterfactual.",
        ),
        column(
            "relative_lower",
            "number",
            "share",
            "Lower end of its 95 % interval.",
        ),
        column(
            "relative_upper",
            "number",
            "share",
            "Upper end of its 95 % interval.",
        ),
        column("placebo_p", "number", "", "p-value of the test."),
        column(
            "verdict",
            "text",
            "",
            "works, not proven, harmful, too early or not measured.",
        ),
    ],
};
