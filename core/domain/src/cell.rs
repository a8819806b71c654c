//! The result of one stage: the unit of the technical report.

use crate::{
    chart::Chart,
    effect::Effect,
    finding::{Chapter, Direction, Finding},
    health::Health,
    recommendation::Recommendation,
    restatement::{Restatements, WindowValue},
    source::SourceNote,
    table::Table,
};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Status of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "SerializedStatus", into = "SerializedStatus")]
pub enum CellStatus {
    /// Completed.
    Done,
    /// Too little data.
    NotEnough {
        /// The available and the required amount, with advice: "not enough: 9 days, 21 needed".
        message: String,
    },
    /// An error or a timeout ended the stage.
    Failed {
        /// The error, and advice.
        message: String,
    },
    /// Not started.
    NotRun {
        /// The reason: "source.tickets failed".
        reason: String,
    },
}

impl CellStatus {
    /// Returns true if there is no result because the stage, or an input of it, failed.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::NotRun { .. })
    }
}

/// Status of a stage as serialised: a skipped stage is a failed stage with a reason.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
enum SerializedStatus {
    Done,
    NotEnough { message: String },
    Failed { message: String },
}

/// Prefix of the message of a stage that was not started.
const NOT_RUN: &str = "not run: ";

impl From<SerializedStatus> for CellStatus {
    fn from(status: SerializedStatus) -> Self {
        match status {
            SerializedStatus::Done => Self::Done,
            SerializedStatus::NotEnough { message } => Self::NotEnough { message },
            SerializedStatus::Failed { message } => match message.strip_prefix(NOT_RUN) {
                Some(reason) => Self::NotRun {
                    reason: reason.to_string(),
                },
                None => Self::Failed { message },
            },
        }
    }
}

impl From<CellStatus> for SerializedStatus {
    fn from(status: CellStatus) -> Self {
        match status {
            CellStatus::Done => Self::Done,
            CellStatus::NotEnough { message } => Self::NotEnough { message },
            CellStatus::Failed { message } => Self::Failed { message },
            CellStatus::NotRun { reason } => Self::Failed {
                message: format!("{NOT_RUN}{reason}"),
            },
        }
    }
}

/// A dataset at a version, as a stage read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetRef {
    /// Name in the job.
    pub name: String,
    /// Lance version.
    pub version: u64,
    /// Number of rows at that version.
    pub rows: u64,
}

/// A parameter with its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParamLine {
    /// Name in the job file.
    pub name: String,
    /// Value in TOML syntax.
    pub value: String,
    /// True if the job file set it (otherwise it is the default).
    pub set: bool,
}

/// A key figure with its comparisons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Kpi {
    /// Name: "Success rate".
    pub name: String,
    /// Subject: "all components", or one of them.
    pub subject: String,
    /// Value in `unit`; `None` when there were no records.
    pub value: Option<f64>,
    /// Lower and upper bound of the 95 % interval, in `unit`; `None` without enough records.
    pub interval: Option<[f64; 2]>,
    /// "share", "min", "per day", ...
    pub unit: String,
    /// Value formatted, such as "97.2 %".
    pub text: String,
    /// Interval formatted, such as "96.8 – 97.6 %"; empty for none.
    pub interval_text: String,
    /// Value in the previous window.
    pub previous: Option<f64>,
    /// Change against the previous window, formatted, such as "+0.4 percentage points".
    pub delta_text: String,
    /// Value over the baseline window.
    pub baseline: Option<f64>,
    /// Change against the baseline window, formatted.
    pub baseline_delta_text: String,
    /// True if the change is larger than chance would explain.
    pub significant: bool,
    /// Direction of the change.
    pub direction: Direction,
    /// True if lower values are better.
    pub lower_is_better: bool,
    /// Target; `None` without a target.
    pub target: Option<f64>,
    /// Target formatted; empty for none.
    pub target_text: String,
    /// Recent values, one per window, oldest first.
    pub history: Vec<Option<f64>>,
    /// Values of whole earlier windows, newest first, to compare with the published values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<WindowValue>,
    /// Number of records behind the value.
    pub n: u64,
}

impl Kpi {
    /// Returns true if the value misses its target.
    pub fn misses_target(&self) -> bool {
        let target = self.value.zip(self.target);
        target.is_some_and(|(value, target)| self.misses(value, target))
    }

    /// Returns true if the whole interval is on the same side of the target as the value.
    pub fn is_target_proven(&self) -> bool {
        let bounds = self.interval.zip(self.target);
        bounds.is_some_and(|(bounds, target)| {
            bounds.map(|bound| self.misses(bound, target)) == [self.misses_target(); 2]
        })
    }

    /// Compares the value with its target: "met" or "missed", with "but not clearly" if the
    /// interval includes the target; empty without a value or a target.
    pub fn target_word(&self) -> &'static str {
        if self.value.is_none() || self.target.is_none() {
            return "";
        }
        match (self.misses_target(), self.is_target_proven()) {
            (true, true) => "missed",
            (true, false) => "missed, but not clearly",
            (false, true) => "met",
            (false, false) => "met, but not clearly",
        }
    }

    /// Returns true if the value is far outside its history: more than five times the highest or less
    /// than a fifth of the lowest of at least three earlier windows. Such a value is more often a
    /// mistake in the records, such as another unit, than a success. A value of zero is none.
    pub fn is_far_outside_history(&self) -> bool {
        const FACTOR: f64 = 5.0;
        const WINDOWS_MIN: usize = 3;
        let Some(value) = self.value.filter(|value| *value > 0.0) else {
            return false;
        };
        let earlier = self.history.iter().rev().skip(1).flatten();
        let earlier: Vec<f64> = earlier.copied().chain(self.previous).collect();
        let lowest = earlier.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = earlier.iter().copied().fold(0.0, f64::max);
        // The previous value is also the last of the history.
        earlier.len() > WINDOWS_MIN
            && lowest > 0.0
            && (value > FACTOR * highest || value < lowest / FACTOR)
    }

    fn misses(&self, value: f64, target: f64) -> bool {
        if self.lower_is_better {
            value > target
        } else {
            value < target
        }
    }
}

/// The result of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Name of the stage in the job file.
    pub stage: String,
    /// Kind of stage.
    pub kind: String,
    /// Chapter of the report; from its kind.
    #[serde(default)]
    pub chapter: Chapter,
    /// Title from the job file, else derived from kind and inputs.
    pub title: String,
    /// Status at the end of the stage.
    pub status: CellStatus,
    /// A description of the work of the stage, in one or two sentences.
    pub did: String,
    /// The method and its source.
    pub method: String,
    /// Datasets that the stage read.
    pub inputs: Vec<DatasetRef>,
    /// Dataset that the stage wrote.
    pub output: Option<DatasetRef>,
    /// Parameters of the stage.
    pub params: Vec<ParamLine>,
    /// The query, for SQL stages.
    pub query: Option<String>,
    /// Findings, most important first.
    pub findings: Vec<Finding>,
    /// Key figures.
    pub kpis: Vec<Kpi>,
    /// Key figures of single groups, with the group as subject. Only reports on one group print
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_kpis: Vec<Kpi>,
    /// Effects of improvements.
    pub effects: Vec<Effect>,
    /// Ids of improvements of the register without an effect here: their metric is another one, or
    /// their data allow no estimate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_measured: Vec<String>,
    /// Recommendations, the most promising first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommendations: Vec<Recommendation>,
    /// Health of components, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<Health>,
    /// Charts, in the order in which reports print them.
    pub charts: Vec<Chart>,
    /// Tables, in the order in which reports print them.
    pub tables: Vec<Table>,
    /// Limitations of the result.
    pub caveats: Vec<String>,
    /// Notices that affect trust in the whole report, printed before its other notes.
    #[serde(default)]
    pub notices: Vec<String>,
    /// Records of its inputs with a time in the window; `None` for stages that do not use times.
    #[serde(default)]
    pub records: Option<u64>,
    /// The first whole day without records, if records are missing from there to the window's end,
    /// as judged from the rhythm of the records; `None` if none are missing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub missing_from: Option<Date>,
    /// Restated figures of earlier windows; `None` if nothing was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restated: Option<Restatements>,
}

impl Cell {
    /// Moves the cell to a chapter, with its findings that have none yet.
    #[must_use]
    pub fn in_chapter(mut self, chapter: Chapter) -> Self {
        self.chapter = chapter;
        for finding in &mut self.findings {
            if finding.chapter == Chapter::Other {
                finding.chapter = chapter;
            }
        }
        self
    }

    /// An empty cell of a stage.
    pub fn new(stage: &str, kind: &str) -> Self {
        Self {
            stage: stage.to_string(),
            kind: kind.to_string(),
            chapter: Chapter::default(),
            title: String::new(),
            status: CellStatus::Done,
            did: String::new(),
            method: String::new(),
            inputs: Vec::new(),
            output: None,
            params: Vec::new(),
            query: None,
            findings: Vec::new(),
            kpis: Vec::new(),
            group_kpis: Vec::new(),
            effects: Vec::new(),
            not_measured: Vec::new(),
            recommendations: Vec::new(),
            health: Vec::new(),
            charts: Vec::new(),
            tables: Vec::new(),
            caveats: Vec::new(),
            notices: Vec::new(),
            records: None,
            missing_from: None,
            restated: None,
        }
    }
}

/// The result of a node, cached by fingerprint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The result for reports, as plain data.
    pub cell: Cell,
    /// Datasets written: the node's own first.
    pub datasets: Vec<DatasetRef>,
    /// Files written, relative to the run folder (reports only).
    #[serde(default)]
    pub files: Vec<String>,
    /// Counts of the records (sources only).
    #[serde(default)]
    pub source: Option<SourceNote>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_was_not_run_is_serialized_as_failed() {
        let status = CellStatus::NotRun {
            reason: "source.tickets failed".to_string(),
        };
        let text = r#"{"status":"failed","message":"not run: source.tickets failed"}"#;
        assert_eq!(serde_json::to_string(&status).unwrap(), text);
        assert_eq!(serde_json::from_str::<CellStatus>(text).unwrap(), status);
    }

    #[test]
    fn values_far_outside_their_history_are_doubtful() {
        let check = |value: f64, earlier: &[f64], expected: bool| {
            let mut history: Vec<Option<f64>> = earlier.iter().copied().map(Some).collect();
            history.push(Some(value));
            let json = serde_json::json!({
                "name": "Revenue", "subject": "all", "value": value, "interval": null, "unit": "EUR",
                "text": "", "interval_text": "", "previous": earlier.last(), "delta_text": "",
                "baseline": null, "baseline_delta_text": "", "significant": true,
                "direction": "up", "lower_is_better": false, "target": null,
                "target_text": "", "history": history, "n": 1,
            });
            let kpi: Kpi = serde_json::from_value(json).expect("a key figure");
            assert_eq!(kpi.is_far_outside_history(), expected, "{kpi:?}");
        };
        check(4_368_013.0, &[240e3, 260e3, 255_885.0], true);
        check(1.3e6, &[240e3, 260e3, 255_885.0], false);
        check(40e3, &[240e3, 260e3, 255_885.0], true);
        check(0.0, &[240e3, 260e3, 255_885.0], false);
        // It happened before, or too little is known.
        check(4_368_013.0, &[240e3, 4e6, 260e3, 255_885.0], false);
        check(4_368_013.0, &[240e3, 260e3], false);
        check(12.0, &[0.0, 2.0, 2.0], false);
    }

    #[test]
    fn targets_within_the_interval_are_not_clearly_met_or_missed() {
        let check = |value: Option<f64>, interval, lower_is_better: bool, expected: &str| {
            let json = serde_json::json!({
                "name": "x", "subject": "all", "value": value, "interval": interval, "unit": "share",
                "text": "", "interval_text": "", "previous": null, "delta_text": "",
                "baseline": null, "baseline_delta_text": "", "significant": false,
                "direction": "none", "lower_is_better": lower_is_better, "target": 0.9,
                "target_text": "", "history": [], "n": 1,
            });
            let kpi: Kpi = serde_json::from_value(json).expect("a key figure");
            assert_eq!(kpi.target_word(), expected, "{kpi:?}");
        };
        check(Some(0.95), Some([0.91, 0.99]), false, "met");
        check(
            Some(0.95),
            Some([0.85, 0.99]),
            false,
            "met, but not clearly",
        );
        check(Some(0.95), Some([0.91, 0.99]), true, "missed");
        check(
            Some(0.85),
            Some([0.80, 0.91]),
            false,
            "missed, but not clearly",
        );
        check(Some(0.9), Some([0.9, 0.9]), false, "met");
        check(Some(0.95), None, false, "met, but not clearly");
        check(None, None, false, "");
    }
}
