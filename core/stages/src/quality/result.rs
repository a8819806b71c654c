//! The columns of the dataset of the stage.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "quality",
    title: "Quality scores",
    description: "The dataset of a stage of kind quality: one row per dataset that was judged.",
    columns: &[
        column("dataset", "text", "", "Name of the dataset."),
        column("score", "number", "", "Score from 0 to 100."),
        column(
            "validity",
            "number",
            "share",
            "Records that meet their contract.",
        ),
        column(
            "completeness",
            "number",
            "share",
            "Values that are present, relative to what is usual.",
        ),
        column(
            "freshness",
            "number",
            "share",
            "Allowed age of the newest record divided by its age, at most 1.",
        ),
        column(
            "volume",
            "number",
            "share",
            "Number of records divided by the expected number, at most 1.",
        ),
        column(
            "uniqueness",
            "number",
            "share",
            "Records whose key is not a duplicate.",
        ),
        column(
            "shape",
            "number",
            "share",
            "Fields that match the contract, of those it lists and any others found.",
        ),
        column(
            "flagged",
            "boolean",
            "",
            "True if the score or one of its components is below its limit.",
        ),
    ],
};
