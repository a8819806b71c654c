//! A finding: one claim as data, with its numbers.

use crate::decision::FindingDecision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Chapter of a report, in reading order.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Chapter {
    /// Quality of the records.
    Data,
    /// Key figures of the window.
    Figures,
    /// Anomalies at single times.
    Events,
    /// Shifts and drifts of levels.
    Changes,
    /// Patterns in time.
    Rhythm,
    /// Forecasts.
    Outlook,
    /// Effects of improvements.
    Improvements,
    /// Recommended actions.
    Recommendations,
    /// Anything else.
    #[default]
    Other,
    /// Rows for other stages.
    Rows,
}

/// Direction of a change of the quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The quantity rose, or is higher than its baseline.
    Up,
    /// The quantity fell, or is lower than its baseline.
    Down,
    /// No direction applies.
    None,
}

/// Importance, ascending.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For information.
    Info,
    /// To be noted this week.
    Notice,
    /// Needs attention.
    Warning,
    /// Needs attention now.
    Critical,
}

impl Severity {
    /// The severity as a word: "critical".
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A number with its unit and interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Magnitude {
    /// The estimate.
    #[serde(deserialize_with = "crate::null_as_nan::number")]
    #[schemars(with = "Option<f64>")]
    pub value: f64,
    /// Lower bound of the interval.
    pub lower: Option<f64>,
    /// Upper bound of the interval.
    pub upper: Option<f64>,
    /// Coverage of the interval, such as 0.95.
    pub level: Option<f64>,
    /// Unit: "ratio" (1.73 = 73 % more), "share" (0..1), "per day", "min", "ms", "records", ...
    pub unit: String,
}

impl Magnitude {
    /// A number without an interval.
    pub fn point(value: f64, unit: impl Into<String>) -> Self {
        Self {
            value,
            lower: None,
            upper: None,
            level: None,
            unit: unit.into(),
        }
    }

    /// A number with a 95 % interval.
    pub fn interval95(value: f64, lower: f64, upper: f64, unit: impl Into<String>) -> Self {
        Self {
            value,
            lower: Some(lower),
            upper: Some(upper),
            level: Some(0.95),
            unit: unit.into(),
        }
    }
}

/// The source of a finding's numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Name of the dataset.
    pub dataset: String,
    /// Version of the dataset.
    pub version: u64,
    /// The filter that selects the rows: a subject, with a period if the rows are not those of the
    /// claim's own period ("component = api; 2026-11-09 to 2026-11-15"), or words.
    pub filter: Option<String>,
}

impl Evidence {
    /// The same dataset, filtered by a subject and a period.
    #[must_use]
    pub fn on(&self, subject: &str, period: &str) -> Self {
        Self {
            filter: Some(format!("{subject}; {period}")),
            ..self.clone()
        }
    }
}

/// The period of an evidence's filter: "2026-11-09 to 2026-11-15" of "component = api; 2026-11-09
/// to 2026-11-15"; `None` if it has none.
pub fn period_of_filter(filter: &str) -> Option<&str> {
    let (_, period) = filter.rsplit_once("; ")?;
    period.contains(" to ").then_some(period)
}

/// A change whose effect a finding claims: an improvement, a deployment or a switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredChange {
    /// Its name: "cache-2026", "change 482 (Larger pool)", "`fast_path`".
    pub name: String,
    /// Proven relative effect on the measure (0.38 for 38 % more): estimate, lower and upper bound
    /// of its 95 % interval; `None` if the level without the change is not above zero.
    pub relative: Option<[f64; 3]>,
}

impl MeasuredChange {
    /// The relative effect of undoing the change: 28 % less after 38 % more. `None` without an
    /// effect, and for a measure that fell to zero.
    pub fn reversed(&self) -> Option<[f64; 3]> {
        let [value, low, high] = self.relative?.map(|share| 1.0 / (1.0 + share) - 1.0);
        let reversed = [value, high, low];
        // A level of zero or less has no reversal.
        let is_defined = reversed
            .iter()
            .all(|share| share.is_finite() && *share > -1.0);
        is_defined.then_some(reversed)
    }
}

/// A request to the reader of a finding: "Memory in use in db-2 is rising: name an owner."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Ask")]
pub struct ActionRequest {
    /// Subject without the group: "memory in use".
    #[serde(rename = "about")]
    pub subject: String,
    /// The event: "is rising"; empty if `about` includes it.
    #[serde(rename = "happened")]
    pub event: String,
    /// The action: "name an owner".
    #[serde(rename = "todo")]
    pub action: String,
}

impl ActionRequest {
    /// Creates a request from its parts.
    pub fn new(
        subject: impl Into<String>,
        event: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self {
            subject: subject.into(),
            event: event.into(),
            action: action.into(),
        }
    }
}

/// One claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable identity: a hash of kind, subject and what.
    pub id: String,
    /// Stage that reported it.
    pub stage: String,
    /// Kind of claim: `weekday_effect`, `change_point`, `anomaly`, `trend`, `volume_threshold`,
    /// `effect`, `forecast`, `quality`, `kpi`, ...
    pub kind: String,
    /// The chapter of the stage that found it.
    #[serde(default)]
    pub chapter: Chapter,
    /// Subject: "component = billing", or "all".
    pub subject: String,
    /// The claim, stable between runs: "failures on Monday".
    pub what: String,
    /// The measure of the claim: "failures"; empty if the request names it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub measure: String,
    /// The change that the claim is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<MeasuredChange>,
    /// Direction of the measured quantity, whether that is good or bad.
    pub direction: Direction,
    /// Size.
    pub magnitude: Option<Magnitude>,
    /// Number of observations behind the claim.
    pub n: u64,
    /// p-value before correction.
    pub p: Option<f64>,
    /// p-value after correction for the number of tests made.
    pub p_adjusted: Option<f64>,
    /// Method, as in the manual.
    pub method: String,
    /// The period of the claim, such as "2026-11-09 to 2026-11-15".
    pub period: String,
    /// Baseline, such as "all other weekdays".
    pub baseline: Option<String>,
    /// Sources of the numbers.
    pub evidence: Vec<Evidence>,
    /// Severity, which decides where a report prints the claim.
    pub severity: Severity,
    /// Confidence, 0 to 1.
    #[serde(deserialize_with = "crate::null_as_nan::number")]
    #[schemars(with = "Option<f64>")]
    pub confidence: f64,
    /// Limitations of the claim.
    pub caveats: Vec<String>,
    /// The claim in one sentence, from the stage's template.
    pub sentence: String,
    /// Request to the reader, for findings that are severe enough.
    #[serde(default, rename = "ask")]
    pub request: Option<ActionRequest>,
    /// The decision of a user that is in force for the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<FindingDecision>,
    /// Further numbers by name, for tests and programs.
    #[serde(default)]
    pub numbers: std::collections::BTreeMap<String, serde_json::Value>,
}

/// The columns and the values of a group's subject: `[("component", "billing")]` of "component =
/// billing"; empty for other subjects, and if a value itself contains the separator " / ".
pub fn group_values(subject: &str) -> Vec<(&str, &str)> {
    let Some((columns, label)) = subject.split_once(" = ") else {
        return Vec::new();
    };
    let columns: Vec<&str> = columns.split(" / ").collect();
    if let [column] = columns.as_slice() {
        return vec![(column, label)];
    }
    let values: Vec<&str> = label.split(" / ").collect();
    if columns.len() == values.len() {
        columns.into_iter().zip(values).collect()
    } else {
        Vec::new()
    }
}

/// The group of a subject: "billing" of "component = billing"; "all" for all.
pub fn group_of(subject: &str) -> &str {
    subject
        .split_once(" = ")
        .map_or(subject, |(_, group)| group)
}

impl Finding {
    /// The identity of a claim: stable between runs, independent of its numbers.
    pub fn identity(kind: &str, subject: &str, what: &str) -> String {
        let text = format!("{kind}\u{1f}{subject}\u{1f}{what}");
        blake3::hash(text.as_bytes()).to_hex()[..12].to_string()
    }

    /// A finding with this identity and no further contents.
    pub fn new(stage: &str, kind: &str, subject: &str, what: &str) -> Self {
        Self {
            id: Self::identity(kind, subject, what),
            stage: stage.to_string(),
            kind: kind.to_string(),
            chapter: Chapter::default(),
            subject: subject.to_string(),
            what: what.to_string(),
            measure: String::new(),
            change: None,
            direction: Direction::None,
            magnitude: None,
            n: 0,
            p: None,
            p_adjusted: None,
            method: String::new(),
            period: String::new(),
            baseline: None,
            evidence: Vec::new(),
            severity: Severity::Info,
            confidence: 0.0,
            caveats: Vec::new(),
            sentence: String::new(),
            request: None,
            decision: None,
            numbers: std::collections::BTreeMap::new(),
        }
    }

    /// The measure that it is about: "failures" of "failures after change 482".
    pub fn measure(&self) -> &str {
        match &self.request {
            _ if !self.measure.is_empty() => &self.measure,
            Some(request) if !request.subject.is_empty() => &request.subject,
            _ => &self.what,
        }
    }

    /// The dataset behind its numbers; empty without evidence.
    pub fn dataset(&self) -> &str {
        let first = self.evidence.first();
        first.map_or("", |evidence| &evidence.dataset)
    }

    /// The days or categories that the claim covers, from its numbers: "2026-03-28 to 2026-04-02",
    /// "Monday, Tuesday"; empty if it has none.
    pub fn extent(&self) -> String {
        let text = |name: &str| self.numbers.get(name)?.as_str();
        if let (Some(low), Some(high)) = (text("date_low"), text("date_high")) {
            return format!("{low} to {high}");
        }
        let categories = self.numbers.get("bars").and_then(|bars| bars.as_array());
        let categories = categories
            .into_iter()
            .flatten()
            .filter_map(|bar| bar.as_str());
        categories.collect::<Vec<_>>().join(", ")
    }

    /// Returns true for a hint on the quality of records that no figure of the report depends on;
    /// it is listed after findings on the report's subject.
    pub fn is_data_hint(&self) -> bool {
        self.chapter == Chapter::Data && self.severity < Severity::Warning
    }

    /// Returns true if a user marked it wrong or snoozed it, so that it is not on the first page.
    pub fn is_set_aside(&self) -> bool {
        self.decision
            .as_ref()
            .is_some_and(FindingDecision::sets_aside)
    }

    /// Adds the decision on it, if there is one.
    pub fn decide(&mut self, decisions: &[FindingDecision]) {
        let mut decisions = decisions.iter();
        self.decision = decisions
            .find(|decision| decision.finding == self.id)
            .cloned();
    }

    /// Returns true for a row of a query, which has no test.
    fn is_fact(&self) -> bool {
        self.chapter == Chapter::Rows
    }

    /// Adds a number by name.
    #[must_use]
    pub fn number(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.numbers.insert(name.to_string(), value.into());
        self
    }
}

/// Order of importance: by severity; hints on data quality after other findings; by confidence;
/// within a kind and unit, by size; by subject and claim. Facts of one query keep their order.
pub fn by_importance(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let unit = |finding: &Finding| finding.magnitude.as_ref().map(|m| m.unit.clone());
    let size = |finding: &Finding| {
        let magnitude = finding.magnitude.as_ref();
        magnitude.map_or(0.0, |magnitude| match magnitude.unit.as_str() {
            // A factor of 1/2 is as large as a factor of 2.
            "ratio" => magnitude.value.abs().max(f64::MIN_POSITIVE).ln().abs(),
            _ => magnitude.value.abs(),
        })
    };
    b.severity
        .cmp(&a.severity)
        .then(a.is_data_hint().cmp(&b.is_data_hint()))
        .then(b.confidence.total_cmp(&a.confidence))
        .then_with(|| a.kind.cmp(&b.kind))
        .then_with(|| unit(a).cmp(&unit(b)))
        .then_with(|| size(b).total_cmp(&size(a)))
        .then_with(|| match (a.is_fact(), b.is_fact()) {
            // Facts of a query keep the order of its rows.
            (true, true) => a.stage.cmp(&b.stage),
            _ => a.subject.cmp(&b.subject).then_with(|| a.what.cmp(&b.what)),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_have_columns_and_values() {
        assert!(group_values("all").is_empty());
        assert_eq!(group_values("kind = a / b = c"), [("kind", "a / b = c")]);
        let two = [("kind", "sync"), ("site", "x = y")];
        assert_eq!(group_values("kind / site = sync / x = y"), two);
        assert!(group_values("kind / site = a / b / c").is_empty());
    }

    #[test]
    fn filters_of_evidence_have_a_period() {
        let evidence = Evidence {
            dataset: "tickets".to_string(),
            version: 3,
            filter: None,
        };
        let period = "2026-11-09 to 2026-11-15";
        let filter = evidence.on("component = a; b", period).filter;
        assert_eq!(filter.as_deref().and_then(period_of_filter), Some(period));
        assert_eq!(period_of_filter("component = a; b"), None);
        assert_eq!(period_of_filter("all"), None);
    }

    #[test]
    fn a_change_is_undone_by_the_inverse_of_its_factor() {
        let reversed = |relative| {
            let name = "D3".to_string();
            MeasuredChange { name, relative }.reversed()
        };
        assert_eq!(reversed(Some([1.0, 0.0, 3.0])), Some([-0.5, -0.75, 0.0]));
        assert_eq!(reversed(Some([-0.5, -0.75, 0.0])), Some([1.0, 0.0, 3.0]));
        assert_eq!(reversed(Some([-1.0, -1.0, -0.9])), None);
        assert_eq!(reversed(Some([0.4, f64::NAN, 0.8])), None);
        assert_eq!(reversed(None), None);
    }

    #[test]
    fn data_hints_come_after_other_findings() {
        let new_finding = |kind: &str, severity, confidence| {
            let mut finding = Finding::new("s", kind, "all", kind);
            (finding.severity, finding.confidence) = (severity, confidence);
            if kind == "quality" {
                finding.chapter = Chapter::Data;
            }
            finding
        };
        let mut all = [
            new_finding("quality", Severity::Notice, 1.0),
            new_finding("year_rate", Severity::Notice, 0.97),
            new_finding("trend", Severity::Info, 0.99),
            new_finding("quality", Severity::Warning, 0.9),
        ];
        all.sort_by(by_importance);
        let order = all.map(|finding| (finding.kind, finding.severity));
        let kinds = order.each_ref().map(|(kind, _)| kind.as_str());
        assert_eq!(kinds, ["quality", "year_rate", "quality", "trend"]);
        assert_eq!(order[0].1, Severity::Warning);
    }

    #[test]
    fn facts_of_a_query_keep_the_order_of_its_rows() {
        let fact = |stage: &str, subject: &str| Finding {
            chapter: Chapter::Rows,
            ..Finding::new(stage, "fact", subject, "w")
        };
        let mut found = [
            fact("s", "b"),
            fact("s", "a"),
            fact("r", "z"),
            fact("s", "c"),
        ];
        found.sort_by(by_importance);
        let order = found.each_ref().map(|finding| finding.subject.as_str());
        assert_eq!(order, ["z", "b", "a", "c"]);
    }

    #[test]
    fn among_equal_findings_the_largest_effect_comes_first() {
        let finding = |subject: &str, value: f64, unit: &str| {
            let mut finding = Finding::new("s", "k", subject, "w");
            finding.magnitude = Some(Magnitude::point(value, unit));
            finding
        };
        let mut found = [
            finding("a", 1.2, "ratio"),
            finding("b", 0.2, "ratio"),
            finding("c", 3.0, "ratio"),
            finding("d", 3.0, "ratio"),
            finding("e", -90.0, "min"),
            finding("f", 40.0, "min"),
        ];
        found.sort_by(by_importance);
        let order: Vec<&str> = found
            .iter()
            .map(|finding| finding.subject.as_str())
            .collect();
        assert_eq!(order, ["e", "f", "b", "c", "d", "a"]);
        found[5].confidence = 0.9;
        found.sort_by(by_importance);
        assert_eq!(found[0].subject, "a");
    }
}
