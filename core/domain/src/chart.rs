//! Charts as data. Another crate renders them as pictures, in the same way for PDF, HTML and mail.

use crate::table::Table;
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A chart: data, labels, and the same numbers as a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chart {
    /// Identifier, unique in its report; also the file name of its picture.
    pub id: String,
    /// The message of the chart, as a sentence: "Failures peak on Mondays".
    pub title: String,
    /// Label of the value axis, with unit: "failures per day".
    pub unit: String,
    /// Alternative text, derived from the numbers.
    pub alt: String,
    /// Kind of chart, with its data.
    pub kind: ChartKind,
    /// The same numbers as a table, for HTML and for programs.
    pub table: Option<Table>,
}

/// A line over time; gaps are `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Name, written at the line's end.
    pub name: String,
    /// Times, ascending (civil, in the job's time zone).
    #[schemars(with = "Vec<String>")]
    pub times: Vec<DateTime>,
    /// Values, one per time.
    pub values: Vec<Option<f64>>,
    /// Role, which determines the style.
    pub role: Role,
}

/// The role of a series, which determines stroke and colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Observed values: solid, the accent colour.
    Observed,
    /// Expected values, forecast or counterfactual: dashed.
    Expected,
    /// Values for comparison: thin and grey.
    Context,
}

/// An interval around a series of expected values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Band {
    /// Name, such as "95 % interval".
    pub name: String,
    /// Times, ascending.
    #[schemars(with = "Vec<String>")]
    pub times: Vec<DateTime>,
    /// Lower edge.
    #[serde(deserialize_with = "crate::null_as_nan::numbers")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub lower: Vec<f64>,
    /// Upper edge.
    #[serde(deserialize_with = "crate::null_as_nan::numbers")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub upper: Vec<f64>,
}

/// A marker at one time of a line chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Marker {
    /// Position on the time axis.
    #[schemars(with = "String")]
    pub time: DateTime,
    /// Value, or `None` for a vertical rule over the full height.
    pub value: Option<f64>,
    /// Label; empty for none.
    pub label: String,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bar {
    /// Category.
    pub label: String,
    /// Value, drawn as the length.
    #[serde(deserialize_with = "crate::null_as_nan::number")]
    #[schemars(with = "Option<f64>")]
    pub value: f64,
    /// Interval, if there is one.
    pub interval: Option<[f64; 2]>,
    /// The value formatted, printed at the bar.
    pub text: String,
    /// True if this bar is the subject of the title.
    pub highlight: bool,
}

/// One panel of a chart with shared scales.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Panel {
    /// Name of the panel.
    pub label: String,
    /// Times, ascending.
    #[schemars(with = "Vec<String>")]
    pub times: Vec<DateTime>,
    /// One value per time; `None` is a gap.
    pub values: Vec<Option<f64>>,
    /// Note at the right, such as "+12 %".
    pub note: String,
    /// True if this panel is the subject of the title.
    pub highlight: bool,
}

/// The kinds of charts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum ChartKind {
    /// Lines over time with bands and markers.
    Line {
        /// Series, the most important first.
        series: Vec<Series>,
        /// Bands behind the lines.
        bands: Vec<Band>,
        /// Markers and vertical rules.
        markers: Vec<Marker>,
        /// Horizontal level steps, such as the means before and after a change point.
        levels: Vec<Level>,
    },
    /// Bars that start at a baseline (0, or 1 for ratios).
    Bars {
        /// Bars in reading order.
        bars: Vec<Bar>,
        /// Start of the bars.
        baseline: f64,
        /// Description of the baseline, such as "mean of all days"; empty for none.
        baseline_label: String,
        /// True if bars extend to the right and labels are at the left.
        horizontal: bool,
    },
    /// Many small line charts on shared scales.
    SmallMultiples {
        /// Panels in reading order.
        panels: Vec<Panel>,
    },
    /// One day per square, a week per column.
    CalendarHeat {
        /// Days with values.
        #[schemars(with = "Vec<(String, f64)>")]
        days: Vec<(jiff::civil::Date, f64)>,
    },
    /// Observed and counterfactual series, with the cumulative effect below.
    BeforeAfter {
        /// The observed series.
        observed: Series,
        /// The series without the change.
        counterfactual: Series,
        /// Interval of the counterfactual.
        band: Band,
        /// Date of the change.
        #[schemars(with = "String")]
        change: DateTime,
        /// Text at the vertical rule of the change.
        change_label: String,
    },
    /// A small line chart without axes.
    Sparkline {
        /// Values; gaps are `None`.
        values: Vec<Option<f64>>,
    },
    /// A value with its target, on graded ranges.
    Bullet {
        /// The measured value.
        value: f64,
        /// The value to reach; `None` without a target.
        target: Option<f64>,
        /// Upper ends of the ranges, ascending; the last is the end of the axis.
        ranges: Vec<f64>,
        /// The value formatted.
        text: String,
    },
}

/// A horizontal level between two times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Level {
    /// Left end.
    #[schemars(with = "String")]
    pub start: DateTime,
    /// Right end.
    #[schemars(with = "String")]
    pub end: DateTime,
    /// Height, in the unit of the chart.
    #[serde(deserialize_with = "crate::null_as_nan::number")]
    #[schemars(with = "Option<f64>")]
    pub value: f64,
    /// Label at its end.
    pub label: String,
}
