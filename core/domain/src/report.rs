//! The contents of a report, selected and ordered for one audience, before layout.

pub use crate::source::{Expectation, Silence, SourceNote};

use crate::{
    cell::{Cell, CellStatus, DatasetRef, Kpi},
    closing::ClosedImprovement,
    effect::Effect,
    figure::Figure,
    finding::{Finding, Severity},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Completeness of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// Every stage completed.
    Complete,
    /// An optional stage failed, or part of a source was missing; the cells state which.
    Partial,
}

/// Program and inputs of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// Run that wrote the report.
    pub run: String,
    /// Version of the program.
    pub build: String,
    /// Hash of the resolved job.
    pub config_hash: String,
    /// The command line that reproduces the report.
    pub command: String,
    /// Every dataset with its version.
    pub datasets: Vec<DatasetRef>,
}

/// The part of the records that a slice is about: records with one value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SliceNote {
    /// The column, such as "component".
    pub column: String,
    /// The value, such as "billing".
    pub value: String,
    /// Health of the data of the whole run: "good", "fair" or "poor".
    pub health: String,
}

/// The earlier report: the newest complete run of the job on the previous window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EarlierReport {
    /// Label of its window, such as "2026-W45".
    pub window: String,
    /// Its findings, by identity.
    pub findings: Vec<EarlierFinding>,
}

/// A finding of the earlier report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "SerializedFinding")]
pub struct EarlierFinding {
    /// Its identity.
    pub id: String,
    /// The stage that reported it.
    pub stage: String,
    /// Severity in the earlier report.
    pub severity: Severity,
    /// The claim as the earlier report printed it.
    pub sentence: String,
    /// Label of the first window of the uninterrupted series of reports with the finding.
    pub since: String,
    /// Number of reports in this series.
    pub times: u32,
}

/// The serialised forms: the current form, and an older form with only the identity.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum SerializedFinding {
    Identity(String),
    Complete {
        id: String,
        stage: String,
        severity: Severity,
        sentence: String,
        since: String,
        times: u32,
    },
}

impl From<SerializedFinding> for EarlierFinding {
    fn from(read: SerializedFinding) -> Self {
        match read {
            SerializedFinding::Identity(id) => Self {
                id,
                stage: String::new(),
                severity: Severity::Info,
                sentence: String::new(),
                since: String::new(),
                times: 1,
            },
            SerializedFinding::Complete {
                id,
                stage,
                severity,
                sentence,
                since,
                times,
            } => Self {
                id,
                stage,
                severity,
                sentence,
                since,
                times,
            },
        }
    }
}

impl EarlierReport {
    /// Summarises the findings of a report on a window; `before` is the earlier report of that
    /// report.
    pub fn new(window: &str, findings: &[Finding], before: Option<&Self>) -> Self {
        let mut findings: Vec<EarlierFinding> = findings
            .iter()
            .map(|finding| {
                let known = before.and_then(|before| before.find(finding));
                let known = known.filter(|known| !known.since.is_empty());
                EarlierFinding {
                    id: finding.id.clone(),
                    stage: finding.stage.clone(),
                    severity: finding.severity,
                    sentence: finding.sentence.clone(),
                    since: known.map_or(window, |known| &known.since).to_string(),
                    times: known.map_or(0, |known| known.times) + 1,
                }
            })
            .collect();
        findings.sort_by(|a, b| a.id.cmp(&b.id));
        findings.dedup_by(|a, b| a.id == b.id);
        Self {
            window: window.to_string(),
            findings,
        }
    }

    /// Finds a finding by identity.
    pub fn find(&self, finding: &Finding) -> Option<&EarlierFinding> {
        let found = self
            .findings
            .binary_search_by(|other| other.id.cmp(&finding.id));
        found.ok().map(|index| &self.findings[index])
    }

    /// Returns true if it had this finding.
    pub fn has(&self, finding: &Finding) -> bool {
        self.find(finding).is_some()
    }

    /// Earlier findings that are resolved: their stages completed without finding them again. The
    /// most severe first.
    pub fn no_longer_found(&self, cells: &[Cell]) -> Vec<&EarlierFinding> {
        let is_searched = |finding: &&EarlierFinding| {
            let stages = cells.iter().filter(|cell| cell.stage == finding.stage);
            stages.clone().count() > 0 && stages.clone().all(|cell| cell.status == CellStatus::Done)
        };
        let found: BTreeSet<&str> = cells
            .iter()
            .flat_map(|cell| &cell.findings)
            .map(|finding| finding.id.as_str())
            .collect();
        let mut resolved: Vec<&EarlierFinding> = self
            .findings
            .iter()
            .filter(|finding| finding.severity > Severity::Info)
            .filter(|finding| !found.contains(finding.id.as_str()))
            .filter(is_searched)
            .collect();
        resolved.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
        resolved
    }
}

/// The contents from which documents are laid out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this format.
    pub schema: u32,
    /// Name of the job (its file name).
    pub job: String,
    /// Title of the job.
    pub title: String,
    /// Owner of the report; empty for none.
    pub owner: String,
    /// Label of the window, such as "2026-W46".
    pub window: String,
    /// The window in words, such as "Monday 9 to Sunday 15 November 2026".
    pub period: String,
    /// Time zone of all times.
    pub timezone: String,
    /// Date of the run, ISO 8601.
    pub date: String,
    /// The part of the records that it is about; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<SliceNote>,
    /// Language of headings and labels: "de"; empty for English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// Note of the author, one string per paragraph.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub author_note: Vec<String>,
    /// Completeness of the report.
    pub status: ReportStatus,
    /// The summary, as one sentence.
    pub verdict: String,
    /// Notices that affect trust in any figure, one sentence each, for the first page.
    #[serde(default)]
    pub notices: Vec<String>,
    /// The earlier report to compare findings with; `None` if no earlier report exists.
    #[serde(default)]
    pub earlier: Option<EarlierReport>,
    /// The findings that matter most, in order.
    pub headlines: Vec<Finding>,
    /// Requests to the reader, one sentence each.
    pub asks: Vec<String>,
    /// Key figures for the first page.
    pub kpis: Vec<Kpi>,
    /// Effects of improvements.
    pub effects: Vec<Effect>,
    /// Closed improvements, the last closed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<ClosedImprovement>,
    /// Cells in reading order: sources and quality first, then in the order of the report.
    pub cells: Vec<Cell>,
    /// Counts of the records.
    pub sources: Vec<SourceNote>,
    /// Notes on data and method, one sentence each.
    pub notes: Vec<String>,
    /// Nodes of the plan, for the stage map.
    pub plan: Vec<PlanNode>,
    /// Program and inputs of the report.
    pub provenance: Provenance,
    /// IDs of all printed figures, in reading order; empty in reports of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figure>,
}

/// A node of the plan, for the stage map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanNode {
    /// Name, such as "stage.rhythm".
    pub name: String,
    /// Kind of the node, such as `source` or `kpi`.
    pub kind: String,
    /// Names of the nodes it reads.
    pub inputs: Vec<String>,
    /// Rows that it wrote; `None` if it writes none.
    pub rows: Option<u64>,
    /// "done", "failed" or "not enough".
    pub status: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_reports_with_identities_only_are_read() {
        let finding = Finding::new("s", "kpi", "all", "rate");
        let text = serde_json::json!({"window": "2026-W45", "findings": [finding.id]});
        let old: EarlierReport = serde_json::from_value(text).unwrap();
        assert!(old.has(&finding) && old.no_longer_found(&[]).is_empty());
        let new = EarlierReport::new("2026-W46", std::slice::from_ref(&finding), Some(&old));
        let text = serde_json::to_value(&new).unwrap();
        assert_eq!(serde_json::from_value::<EarlierReport>(text).unwrap(), new);
        assert_eq!(new.find(&finding).unwrap().since, "2026-W46");
    }
}
