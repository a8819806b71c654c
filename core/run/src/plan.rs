//! The plan: every source, stage and report of a job as a node of one graph.

use crate::{files, ledger::LedgerView, published::PublishedFigures};
use jiff::civil::Date;
use retrocast_domain::{
    ClosedImprovement, FindingDecision, ParamLine, Window, report::EarlierReport,
    window::Comparison,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap, sync::OnceLock, time::Duration};

/// Kind of source nodes.
pub const SOURCE: &str = "source";
/// Kind of report nodes.
pub const REPORT: &str = "report";

/// The nodes of a run, in an order in which they can run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the job.
    pub job: String,
    /// Title of the job, printed in reports.
    pub title: String,
    /// Person or team responsible for the reports.
    pub owner: String,
    /// The window to report on.
    pub window: Window,
    /// Label of the window.
    pub label: String,
    /// Periods to compare with.
    #[serde(default)]
    pub compare: Vec<Comparison>,
    /// Date of the run.
    pub date: Date,
    /// Seed of all randomness.
    #[serde(default)]
    pub seed: u64,
    /// Values of the params.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// Hash of the resolved job: every node's config, in order.
    #[serde(default)]
    pub config_hash: String,
    /// The part of the ledger that stages see; `None` if no stage reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerView>,
    /// The published figures of earlier windows to compare with; `None` if nothing is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedFigures>,
    /// The decisions on findings that are in force, from before its date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<FindingDecision>,
    /// The improvements closed before its date, the last closed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<ClosedImprovement>,
    /// Sources, stages and reports; each after the nodes that it reads.
    pub nodes: Vec<Node>,
    /// Index of each node by name.
    #[serde(skip)]
    pub index: NodeIndex,
}

impl Plan {
    /// Finds a node by its full name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        let index = self.index.0.get_or_init(|| {
            let names = self.nodes.iter().map(|node| node.name.clone());
            names.zip(0..).collect()
        });
        self.nodes.get(*index.get(name)?)
    }

    /// The sources with their names.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &SourceSpec)> {
        let sources = self.nodes.iter();
        sources.filter_map(|node| Some((node.short(), node.source()?)))
    }
}

/// Indices of the nodes by full name, built at the first lookup.
#[derive(Debug, Clone, Default)]
pub struct NodeIndex(OnceLock<BTreeMap<String, usize>>);

impl PartialEq for NodeIndex {
    /// Derived from the nodes, so always equal.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A source, stage or report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Full name: `source.tickets`, `stage.rhythm`, `report.executive`.
    pub name: String,
    /// Title given in the job file; empty for none.
    #[serde(default)]
    pub title: String,
    /// Its task: the keys `kind` and `config` in a plan's file.
    #[serde(flatten)]
    pub spec: NodeSpec,
    /// Full names of the nodes it reads.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Tables of the ledger that it reads, such as `ledger.findings`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledger: Vec<String>,
    /// Version of the node's code; a higher one invalidates cached outcomes.
    pub code_version: u32,
    /// True if reports are written without it when it fails.
    pub optional: bool,
    /// Hash of a source's contract; empty for other nodes.
    #[serde(default)]
    pub contract_hash: String,
    /// Maximum duration of one attempt; `None` for no limit.
    #[serde(skip)]
    pub timeout: Option<Duration>,
    /// Number of retries; `None` for the run's default.
    #[serde(skip)]
    pub retries: Option<u32>,
    /// Params as reports show them: those set, and the defaults of the others.
    #[serde(skip)]
    pub param_lines: Vec<ParamLine>,
}

impl Node {
    /// The name without the prefix of its kind: `rhythm`. Sources and stages share one namespace.
    pub fn short(&self) -> &str {
        short(&self.name)
    }

    /// Kind: `source`, `report` or the stage's kind.
    pub fn kind(&self) -> &str {
        self.spec.kind()
    }

    /// The specification of the source, if the node is a source.
    pub fn source(&self) -> Option<&SourceSpec> {
        match &self.spec {
            NodeSpec::Source(source) => Some(source),
            _ => None,
        }
    }

    /// The specification of the report, if the node is a report.
    pub fn report(&self) -> Option<&ReportSpec> {
        match &self.spec {
            NodeSpec::Report(report) => Some(report),
            _ => None,
        }
    }

    /// Returns true if it reads records.
    pub fn is_source(&self) -> bool {
        self.source().is_some()
    }

    /// Returns true if it lays out a report.
    pub fn is_report(&self) -> bool {
        self.report().is_some()
    }
}

/// The name of a node without its prefix, such as `stage.`.
pub fn short(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, short)| short)
}

/// The task of a node, with references resolved, except those to secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "KindAndConfig", into = "KindAndConfig")]
pub enum NodeSpec {
    /// Reads records.
    Source(SourceSpec),
    /// Analyses datasets.
    Stage {
        /// Kind of stage.
        kind: String,
        /// Its params: a table that only the kind interprets.
        params: Value,
    },
    /// Lays out a report.
    Report(ReportSpec),
}

impl NodeSpec {
    /// Kind: `source`, `report` or the stage's kind.
    pub fn kind(&self) -> &str {
        match self {
            Self::Source(_) => SOURCE,
            Self::Stage { kind, .. } => kind,
            Self::Report(_) => REPORT,
        }
    }

    /// Its config as a table of keys and values, for hashes and comparisons.
    pub fn config(&self) -> Cow<'_, Value> {
        match self {
            Self::Source(source) => Cow::Owned(serde_json::json!(source)),
            Self::Stage { params, .. } => Cow::Borrowed(params),
            Self::Report(report) => Cow::Owned(serde_json::json!(report)),
        }
    }
}

/// The serialised form.
#[derive(Serialize, Deserialize)]
struct KindAndConfig {
    kind: String,
    config: Value,
}

impl From<NodeSpec> for KindAndConfig {
    fn from(spec: NodeSpec) -> Self {
        Self {
            kind: spec.kind().to_string(),
            config: spec.config().into_owned(),
        }
    }
}

impl TryFrom<KindAndConfig> for NodeSpec {
    type Error = serde_json::Error;

    fn try_from(KindAndConfig { kind, config }: KindAndConfig) -> Result<Self, Self::Error> {
        Ok(match kind.as_str() {
            SOURCE => Self::Source(serde_json::from_value(config)?),
            REPORT => Self::Report(serde_json::from_value(config)?),
            _ => Self::Stage {
                kind,
                params: config,
            },
        })
    }
}

/// A source of records, as in the job file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Location of the records.
    pub uri: String,
    /// Name of the contract.
    pub contract: String,
    /// Format of the records; `None` to derive it from the file names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Delimiter of CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Quote character of CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Comment character of CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// True if CSV has a header line with column names; `None` for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Column names of CSV, instead of those in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Encoding of text without a byte-order mark; `None` for UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Time before the window for which daily files are read, such as "60 weeks"; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<String>,
    /// True if the run fails when there are no files.
    #[serde(default = "required_by_default")]
    pub required: bool,
}

fn required_by_default() -> bool {
    true
}

/// A report to lay out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSpec {
    /// Name of the report: "executive" or "technical".
    pub report: String,
    /// Title of the report.
    pub title: String,
    /// The job's owner.
    pub owner: String,
    /// Names of the stages in it; `None` for all.
    #[serde(default)]
    pub stages: Option<Vec<String>>,
    /// Operational notices, such as a full disk.
    #[serde(default)]
    pub notices: Vec<String>,
    /// The earlier report to compare findings with.
    #[serde(default)]
    pub earlier: Option<EarlierReport>,
    /// File with its contents in the run's folder; `None` for `report.json`, which is shared by all
    /// reports with the same contents as the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The slices to write in addition to the report; `None` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<SliceSpec>,
    /// Language of headings and labels; empty for English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// Note of the job's author, one string per paragraph.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub note: Vec<String>,
    /// The author's note on this run, one string per paragraph.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run_note: Vec<String>,
}

impl ReportSpec {
    /// File with its contents in the run's folder.
    pub fn file(&self) -> &str {
        self.file.as_deref().unwrap_or(files::REPORT)
    }
}

/// The slices of a report: one report for each value of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceSpec {
    /// The column.
    pub each: String,
    /// The dataset with the values and their mail addresses; `None` for all values that occur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<Recipients>,
    /// True if slices also contain results about all records.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// A dataset with one recipient per row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipients {
    /// Name of the dataset.
    pub dataset: String,
    /// Column with the value whose slice the recipient gets.
    pub key: String,
    /// Column with the mail address.
    pub to: String,
}
