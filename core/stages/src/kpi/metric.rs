//! A metric of the job file: its computation and its format.

use retrocast_domain::{
    estimate::{level_with_interval, levels},
    number,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Number of minutes from which a duration is formatted as hours and minutes.
const HOURS_FROM: f64 = 120.0;

fn upper_percentile() -> f64 {
    0.95
}

/// A key figure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = required_keys()))]
pub(super) struct Metric {
    /// Name in the report.
    pub(super) name: String,
    /// Kind of figure.
    pub(super) kind: MetricKind,
    /// Column of the value, for sum, mean, median and percentile.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) value: Option<String>,
    /// For a share: column of the condition.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) where_column: Option<String>,
    /// For a share: values of `where_column` in the numerator.
    #[serde(default, deserialize_with = "crate::frame::values")]
    #[schemars(schema_with = "crate::frame::values_schema")]
    pub(super) equals: Vec<String>,
    /// Column to filter by: only records with one of `filter_equals` are used.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) filter_column: Option<String>,
    /// Values of `filter_column` to keep.
    #[serde(default, deserialize_with = "crate::frame::values")]
    #[schemars(schema_with = "crate::frame::values_schema")]
    pub(super) filter_equals: Vec<String>,
    /// For a percentile: the quantile, between 0 and 1.
    #[serde(default = "upper_percentile")]
    #[schemars(range(min = 0.001, max = 0.999))]
    pub(super) p: f64,
    /// Unit, such as "min"; by default from the kind.
    #[serde(default)]
    pub(super) unit: Option<String>,
    /// Set to true if lower values are better.
    #[serde(default)]
    pub(super) lower_is_better: bool,
    /// Target value.
    #[serde(default)]
    pub(super) target: Option<f64>,
}

/// Kind of figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MetricKind {
    /// Number of records.
    Count,
    /// Number of records per day.
    Rate,
    /// Share of the records with one of `equals`.
    Share,
    /// Sum of the value.
    Sum,
    /// Mean of the value.
    Mean,
    /// Median of the value.
    Median,
    /// A percentile of the value.
    Percentile,
}

/// Required keys of each kind of metric, as JSON Schema.
fn required_keys() -> serde_json::Value {
    let require = |kinds: &[&str], required: &[&str]| {
        serde_json::json!({
            "if": { "properties": { "kind": { "enum": kinds } }, "required": ["kind"] },
            "then": { "required": required },
        })
    };
    serde_json::json!([
        require(&["share"], &["where_column", "equals"]),
        require(&["sum", "mean", "median", "percentile"], &["value"]),
        {
            "if": { "required": ["filter_column"] },
            "then": { "required": ["filter_equals"] },
        },
        {
            "if": { "required": ["filter_equals"] },
            "then": { "required": ["filter_column"] },
        },
    ])
}

impl Metric {
    /// Sets the default unit of the kind if the job file has none.
    pub(super) fn with_unit(mut self, noun: Option<&str>) -> Self {
        let unit = match (self.kind, noun) {
            (MetricKind::Count, noun) => noun.unwrap_or("records").to_string(),
            (MetricKind::Rate, Some(noun)) => format!("{noun} per day"),
            (MetricKind::Rate, None) => "per day".to_string(),
            (MetricKind::Share, _) => "share".to_string(),
            _ => String::new(),
        };
        self.unit.get_or_insert(unit);
        self
    }

    pub(super) fn unit(&self) -> &str {
        self.unit.as_deref().unwrap_or_default()
    }

    /// The quantile of the values.
    pub(super) fn quantile(&self) -> f64 {
        if self.kind == MetricKind::Median {
            0.5
        } else {
            self.p
        }
    }

    /// Returns true if it counts whole records.
    pub(super) fn is_whole(&self) -> bool {
        self.kind == MetricKind::Count && self.unit() != "share"
    }

    /// Formats a value with the digits that an interval of this width supports; counts have no
    /// decimals, and means of small counts have those that they need.
    pub(super) fn format(&self, value: f64, width: Option<f64>) -> String {
        // The mean of several counts has no more digits than the counts.
        if self.is_whole() && value.abs() >= 10.0 {
            return number::with_unit(value.round(), self.unit());
        }
        if self.kind == MetricKind::Sum && width.is_none() {
            return number::recorded_with_unit(value, self.unit());
        }
        if self.is_in_hours(value) || self.is_whole() || width.is_none() {
            return number::with_unit(value, self.unit());
        }
        levels([value], width, self.unit()).concat()
    }

    /// Formats a value and its interval: "97.2 %" and "96.8 to 97.6 %"; the second string is empty
    /// without an interval.
    pub(super) fn format_with_interval(
        &self,
        value: f64,
        interval: Option<[f64; 2]>,
    ) -> [String; 2] {
        let Some([lower, upper]) = interval else {
            return [self.format(value, None), String::new()];
        };
        if self.is_in_hours(value) {
            let [value, lower, upper] =
                [value, lower, upper].map(|x| number::with_unit(x, self.unit()));
            return [value, format!("{lower} to {upper}")];
        }
        level_with_interval(value, [lower, upper], self.unit(), self.is_whole())
    }

    /// Returns true if a value is formatted as hours and minutes.
    pub(super) fn is_in_hours(&self, value: f64) -> bool {
        self.unit() == "min" && value.abs() >= HOURS_FROM
    }

    /// Returns true if it aggregates values instead of counting records.
    pub(super) fn needs_value(&self) -> bool {
        !matches!(
            self.kind,
            MetricKind::Count | MetricKind::Rate | MetricKind::Share
        )
    }

    /// The column of its values, if it aggregates values.
    pub(super) fn value_column(&self) -> Option<&str> {
        self.value.as_deref().filter(|_| self.needs_value())
    }

    pub(super) fn is_share(&self) -> bool {
        self.kind == MetricKind::Share
    }

    /// Returns true if the figure grows with the length of the window.
    pub(super) fn grows_with_length(&self) -> bool {
        matches!(self.kind, MetricKind::Count | MetricKind::Sum)
    }
}
