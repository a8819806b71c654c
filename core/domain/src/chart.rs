//! The contents of a chart, without its drawing. One drawing serves PDF, HTML and mail.

use crate::table::Table;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

/// A chart: data, words and the same numbers as a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Unique in its report; also the file name of its drawing.
    pub id: String,
    /// The message of the chart, as a sentence: "Failures peak on Mondays".
    pub title: String,
    /// The axis in words, with unit: "failures per day".
    pub unit: String,
    /// Alternative text, made from the numbers.
    pub alt: String,
    /// Kind of chart, with its data.
    pub kind: ChartKind,
    /// The same numbers, for HTML and for machines.
    pub table: Option<Table>,
}

/// A line over time; gaps are `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Name, written at the line's end.
    pub name: String,
    /// Times, ascending (civil, in the job's time zone).
    pub times: Vec<DateTime>,
    /// Values, as long as `times`.
    pub values: Vec<Option<f64>>,
    /// Role, which decides its style.
    pub role: Role,
}

/// The role of a series; decides stroke and colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Observed values: solid, the accent colour.
    Observed,
    /// Expected values, forecast or counterfactual: dashed.
    Expected,
    /// Something for comparison: thin and grey.
    Context,
}

/// An interval around an expected line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Name, such as "95 % interval".
    pub name: String,
    /// Times, ascending.
    pub times: Vec<DateTime>,
    /// Lower edge.
    #[serde(deserialize_with = "crate::lenient::numbers")]
    pub lower: Vec<f64>,
    /// Upper edge.
    #[serde(deserialize_with = "crate::lenient::numbers")]
    pub upper: Vec<f64>,
}

/// A mark on a line chart at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marker {
    /// Time.
    pub time: DateTime,
    /// Value, or `None` for a vertical rule over the whole height.
    pub value: Option<f64>,
    /// A few words; empty for a mark without words.
    pub label: String,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Category.
    pub label: String,
    /// Length.
    #[serde(deserialize_with = "crate::lenient::number")]
    pub value: f64,
    /// Interval, where there is one.
    pub interval: Option<[f64; 2]>,
    /// The value formatted for people, written at the bar.
    pub text: String,
    /// True if this bar is the subject of the title.
    pub highlight: bool,
}

/// One small panel of a set that shares its scales.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// Name of the panel.
    pub label: String,
    /// Times, ascending.
    pub times: Vec<DateTime>,
    /// Values.
    pub values: Vec<Option<f64>>,
    /// Note at the right, such as "+12 %".
    pub note: String,
    /// True if this panel is the subject of the title.
    pub highlight: bool,
}

/// The forms a chart can take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum ChartKind {
    /// Lines over time with bands and marks.
    Line {
        /// Lines, the most important first.
        series: Vec<Series>,
        /// Bands behind the lines.
        bands: Vec<Band>,
        /// Marks and vertical rules.
        markers: Vec<Marker>,
        /// Horizontal level steps, such as the means before and after a change point.
        levels: Vec<Level>,
    },
    /// Bars from a baseline (0, or 1 for ratios). Horizontal when `horizontal`.
    Bars {
        /// Bars in reading order.
        bars: Vec<Bar>,
        /// Start of the bars.
        baseline: f64,
        /// Description of the baseline, such as "mean of all days"; empty for none.
        baseline_label: String,
        /// Bars to the right, labels at the left.
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
        days: Vec<(jiff::civil::Date, f64)>,
    },
    /// Observed against counterfactual, with the cumulative effect below.
    BeforeAfter {
        /// The observed series.
        observed: Series,
        /// The series without the change.
        counterfactual: Series,
        /// Interval of the counterfactual.
        band: Band,
        /// Date of the change.
        change: DateTime,
        /// Words at the change.
        change_label: String,
    },
    /// A word-sized line.
    Sparkline {
        /// Values; gaps are `None`.
        values: Vec<Option<f64>>,
    },
    /// A value against a target on graded ranges.
    Bullet {
        /// The value.
        value: f64,
        /// The target.
        target: Option<f64>,
        /// Upper ends of the ranges, ascending; the last is the end of the axis.
        ranges: Vec<f64>,
        /// The value formatted for people.
        text: String,
    },
}

/// A horizontal level between two times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// From.
    pub start: DateTime,
    /// To.
    pub end: DateTime,
    /// Height.
    #[serde(deserialize_with = "crate::lenient::number")]
    pub value: f64,
    /// Words at its end.
    pub label: String,
}
