//! One figure of the job file: what is made of the records, and how it is written.

use retrocast_domain::number::{self, NBSP};
use schemars::JsonSchema;
use serde::Deserialize;

fn upper_percentile() -> f64 {
    0.95
}

/// One figure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = needs_of_kinds()))]
pub(super) struct Metric {
    /// What it is called in the report.
    pub(super) name: String,
    /// What is made of the records.
    pub(super) kind: MetricKind,
    /// Column with the value, for sum, mean, median and percentile.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) value: Option<String>,
    /// For a share: the column that decides.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) where_column: Option<String>,
    /// For a share: values of `where_column` that count.
    #[serde(default)]
    pub(super) equals: Vec<String>,
    /// Only records whose `filter_column` holds one of `filter_equals` are looked at.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) filter_column: Option<String>,
    /// Values of `filter_column`.
    #[serde(default)]
    pub(super) filter_equals: Vec<String>,
    /// For a percentile: which, as a share.
    #[serde(default = "upper_percentile")]
    #[schemars(range(min = 0.001, max = 0.999))]
    pub(super) p: f64,
    /// Unit, such as "min"; made from the kind by default.
    #[serde(default)]
    pub(super) unit: Option<String>,
    /// Whether less is better.
    #[serde(default)]
    pub(super) lower_is_better: bool,
    /// Value to reach.
    #[serde(default)]
    pub(super) target: Option<f64>,
}

/// What is made of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MetricKind {
    /// Their number.
    Count,
    /// Their number per day.
    Rate,
    /// The share of them that counts.
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

/// What each kind of metric cannot do without, as JSON Schema.
fn needs_of_kinds() -> serde_json::Value {
    let needs = |kinds: &[&str], required: &[&str]| {
        serde_json::json!({
            "if": { "properties": { "kind": { "enum": kinds } }, "required": ["kind"] },
            "then": { "required": required },
        })
    };
    serde_json::json!([
        needs(&["share"], &["where_column", "equals"]),
        needs(&["sum", "mean", "median", "percentile"], &["value"]),
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
    pub(super) fn unit(&self) -> &str {
        match (&self.unit, self.kind) {
            (Some(unit), _) => unit,
            (None, MetricKind::Count) => "records",
            (None, MetricKind::Rate) => "per day",
            (None, MetricKind::Share) => "share",
            (None, _) => "",
        }
    }

    pub(super) fn text(&self, value: f64) -> String {
        if self.kind == MetricKind::Count && self.unit() != "share" {
            let count = number::count(value.round().max(0.0) as u64);
            return if value.round() == 1.0 {
                number::with_unit(1.0, self.unit())
            } else if self.unit().is_empty() {
                count
            } else {
                format!("{count}{NBSP}{}", self.unit())
            };
        }
        number::with_unit(value, self.unit())
    }

    /// "96.8 – 97.6 %": the unit once, after the second bound.
    pub(super) fn interval_text(&self, [lower, upper]: [f64; 2]) -> String {
        let (lower, upper) = (self.text(lower), self.text(upper));
        let unit = upper.split_once(NBSP).map_or("", |(_, unit)| unit);
        let bare = lower
            .strip_suffix(unit)
            .map_or(lower.as_str(), |l| l.trim_end_matches(NBSP));
        format!(
            "{} – {upper}",
            if self.unit() == "min" { &lower } else { bare }
        )
    }

    /// "+0.4 points" for shares, else "+12 %"; words where there is nothing to compare with.
    pub(super) fn delta_text(&self, value: Option<f64>, before: Option<f64>) -> String {
        match (value, before) {
            (Some(value), Some(before)) if self.is_share() => number::points(value - before),
            (Some(value), Some(before)) if value == before => number::change(0.0),
            (Some(_), Some(0.0)) => "from 0".to_string(),
            (Some(value), Some(before)) => number::change((value - before) / before.abs()),
            (Some(_), None) => "no earlier records".to_string(),
            (None, _) => "no records".to_string(),
        }
    }

    pub(super) fn is_share(&self) -> bool {
        self.kind == MetricKind::Share
    }

    /// Whether the figure grows with the length of the window.
    pub(super) fn grows_with_days(&self) -> bool {
        matches!(self.kind, MetricKind::Count | MetricKind::Sum)
    }
}
