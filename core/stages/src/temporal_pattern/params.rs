//! Params of the kind.

use schemars::JsonSchema;
use serde::Deserialize;

/// Params of `temporal_pattern`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = required_params()))]
pub(super) struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    pub(super) input: String,
    /// Column of the time. Default: from the contract.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) time: Option<String>,
    /// Columns to group by. Default: one group of all records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) by: Vec<String>,
    /// Column of the value. Default: records are counted.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) value: Option<String>,
    /// Aggregate of the records. Default: "mean" with a `value`, else "count".
    #[serde(default)]
    pub(super) aggregate: Option<Aggregate>,
    /// Column to filter by: only records with one of `filter_equals` are used.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) filter_column: Option<String>,
    /// Values of `filter_column` to keep.
    #[serde(default, deserialize_with = "crate::frame::values")]
    #[schemars(schema_with = "crate::frame::values_schema")]
    pub(super) filter_equals: Vec<String>,
    /// Column that marks events: records with one of `event_equals`. Default: every record.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) event_column: Option<String>,
    /// Values of `event_column` that mark an event.
    #[serde(default, deserialize_with = "crate::frame::values")]
    #[schemars(schema_with = "crate::frame::values_schema")]
    pub(super) event_equals: Vec<String>,
    /// Denominator of the rates. Default: "records" with an `event_column`, else "time".
    #[serde(default)]
    pub(super) exposure: Option<Exposure>,
    /// Effects to test.
    #[serde(default = "default_effects")]
    pub(super) effects: Vec<EffectName>,
    /// Column of the volume in which a threshold is searched.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) volume: Option<String>,
    /// Columns to stratify volumes by, besides days.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) volume_within: Vec<String>,
    /// Day (ISO) from which the median of `value` is compared with the time before.
    #[serde(default)]
    #[schemars(extend("format" = "date"))]
    pub(super) split: Option<String>,
    /// Name of the metric, such as "failures". Default: from the column or dataset.
    #[serde(default)]
    pub(super) measure: Option<String>,
    /// Unit of the values, such as "min"; empty for counts.
    #[serde(default)]
    pub(super) unit: String,
    /// Set to false if higher values are better.
    #[serde(default = "yes")]
    pub(super) lower_is_better: bool,
    /// Probability of any false claim of the stage. A job without it uses the part of its
    /// `false_claims`.
    #[serde(default = "five_percent")]
    #[schemars(range(min = 1e-6, max = 0.5))]
    #[schemars(extend("x-claims" = true))]
    pub(super) alpha: f64,
    /// Minimum difference of a finding, as a share.
    #[serde(default = "ten_percent")]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(super) change_min: f64,
    /// Minimum number of days with records.
    #[serde(default = "four_weeks")]
    #[schemars(range(min = 7, max = 10_000))]
    pub(super) days_min: u64,
    /// Maximum number of groups, the largest first.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) groups_max: usize,
}

/// Dependencies between params, as JSON Schema.
fn required_params() -> serde_json::Value {
    let require = |one: &str, other: &str| serde_json::json!({ "if": { "required": [one] }, "then": { "required": [other] } });
    serde_json::json!([
        require("split", "value"),
        require("event_column", "event_equals"),
        require("event_equals", "event_column"),
        require("filter_column", "filter_equals"),
        require("filter_equals", "filter_column"),
    ])
}

fn default_effects() -> Vec<EffectName> {
    vec![EffectName::Weekday, EffectName::Hour, EffectName::Month]
}

fn yes() -> bool {
    true
}

fn five_percent() -> f64 {
    0.05
}

fn ten_percent() -> f64 {
    0.1
}

fn four_weeks() -> u64 {
    28
}

fn twenty() -> usize {
    20
}

/// Aggregate of the records of a day, hour or month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Aggregate {
    /// Number of records.
    Count,
    /// Sum of the value.
    Sum,
    /// Mean of the value.
    Mean,
}

/// Denominator of the rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Exposure {
    /// Elapsed days, hours or months.
    Time,
    /// Records.
    Records,
}

/// An effect to test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EffectName {
    /// Days of the week.
    Weekday,
    /// Hours of the day.
    Hour,
    /// Months of the year; needs two years.
    Month,
    /// Each year compared with the previous year.
    Year,
}
