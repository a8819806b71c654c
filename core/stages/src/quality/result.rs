//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "quality",
    title: "Quality scores",
    description: "The dataset of a stage of kind quality: a row a dataset that was judged.",
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
            "Values present, against what is usual.",
        ),
        column(
            "freshness",
            "number",
            "share",
            "How recent the last record is, against what is usual.",
        ),
        column(
            "volume",
            "number",
            "share",
            "Records of the window, against the windows before, when they dropped.",
        ),
        column(
            "uniqueness",
            "number",
            "share",
            "Records whose key had not been seen.",
        ),
        column(
            "shape",
            "number",
            "share",
            "Fields that are there and of the contract's type, none unknown.",
        ),
        column(
            "flagged",
            "boolean",
            "",
            "Whether the score or one of its parts is below its limit.",
        ),
    ],
};
