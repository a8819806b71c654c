//! What a job file may set.

use schemars::JsonSchema;
use serde::Deserialize;

/// Params of `temporal_pattern`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = needs_of_params()))]
pub(super) struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    pub(super) input: String,
    /// Column with the time of a record; the contract's by default.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) time: Option<String>,
    /// Columns whose values make the groups; none for all records together.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) by: Vec<String>,
    /// Column with a value; not needed to count records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) value: Option<String>,
    /// What is made of records: "count" without a `value`, else "mean".
    #[serde(default)]
    pub(super) aggregate: Option<Aggregate>,
    /// Only records whose `filter_column` holds one of `filter_equals` are looked at.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) filter_column: Option<String>,
    /// Values of `filter_column`.
    #[serde(default, deserialize_with = "crate::frame::values")]
    #[schemars(schema_with = "crate::frame::values_schema")]
    pub(super) filter_equals: Vec<String>,
    /// Records whose `event_column` holds one of `event_equals` are events; all are without it.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) event_column: Option<String>,
    /// Values of `event_column`.
    #[serde(default, deserialize_with = "crate::frame::values")]
    #[schemars(schema_with = "crate::frame::values_schema")]
    pub(super) event_equals: Vec<String>,
    /// What events are divided by: "time", or "records" (the default with an `event_column`).
    #[serde(default)]
    pub(super) exposure: Option<Exposure>,
    /// Rhythms to look for.
    #[serde(default = "rhythms")]
    pub(super) effects: Vec<EffectName>,
    /// Column with the volume on which a threshold is looked for.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) volume: Option<String>,
    /// Columns within whose values volumes are compared, besides days.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) volume_within: Vec<String>,
    /// First day after which the median of `value` is compared with the time before, ISO.
    #[serde(default)]
    #[schemars(extend("format" = "date"))]
    pub(super) split: Option<String>,
    /// What is measured, in words, such as "failures"; made from the names by default.
    #[serde(default)]
    pub(super) measure: Option<String>,
    /// Unit of the values, such as "min"; empty for counts.
    #[serde(default)]
    pub(super) unit: String,
    /// Whether less is better.
    #[serde(default = "yes")]
    pub(super) lower_is_better: bool,
    /// Chance of any false claim of this stage.
    #[serde(default = "five_percent")]
    #[schemars(range(min = 1e-6, max = 0.5))]
    pub(super) alpha: f64,
    /// Smallest difference worth telling, as a share.
    #[serde(default = "ten_percent")]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(super) change_min: f64,
    /// Fewest days of records.
    #[serde(default = "four_weeks")]
    #[schemars(range(min = 7, max = 10_000))]
    pub(super) days_min: u64,
    /// Most groups to look at, the largest first.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) groups_max: usize,
}

/// Which params need others, as JSON Schema.
fn needs_of_params() -> serde_json::Value {
    let needs = |one: &str, other: &str| serde_json::json!({ "if": { "required": [one] }, "then": { "required": [other] } });
    serde_json::json!([
        needs("split", "value"),
        needs("event_column", "event_equals"),
        needs("event_equals", "event_column"),
        needs("filter_column", "filter_equals"),
        needs("filter_equals", "filter_column"),
    ])
}

fn rhythms() -> Vec<EffectName> {
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

/// What is made of the records of a day, an hour, a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Aggregate {
    /// Their number.
    Count,
    /// The sum of the value column.
    Sum,
    /// Its mean.
    Mean,
}

/// What events are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Exposure {
    /// Days, hours or months that passed.
    Time,
    /// Records.
    Records,
}

/// A rhythm to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EffectName {
    /// Days of the week.
    Weekday,
    /// Hours of the day.
    Hour,
    /// Months of the year; needs two years.
    Month,
    /// Each year against the one before.
    Year,
}
