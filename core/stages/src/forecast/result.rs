//! The columns of the stage's dataset.

use retrocast_domain::result::{ResultTable, column};

pub(super) const RESULT: ResultTable = ResultTable {
    name: "forecast",
    title: "Forecasts",
    description: "The dataset of a stage of kind forecast: one row per period ahead and group. After the mean follow the bounds of each requested interval, named by its level.",
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
            "Beginning of the period; the column is called hour, day, week or month, as the period is.",
        ),
        column("expected", "number", "of the measure", "The forecast."),
        column(
            "lower_",
            "number",
            "of the measure",
            "Lower end of the interval of a level, such as lower_95.",
        ),
        column(
            "upper_",
            "number",
            "of the measure",
            "Upper end, such as upper_95.",
        ),
    ],
};
