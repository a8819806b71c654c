//! The plan: every source, stage and report of a job as a node of one graph.

use crate::ledger::LedgerView;
use jiff::civil::Date;
use retrocast_domain::{ParamLine, Window, report::EarlierReport, window::Comparison};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap, sync::OnceLock, time::Duration};

/// Kind of the nodes that read records.
pub const SOURCE: &str = "source";
/// Kind of the nodes that lay out reports.
pub const REPORT: &str = "report";

/// Every node of a run, in an order in which it can be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the job.
    pub job: String,
    /// Its title.
    pub title: String,
    /// Its owner.
    pub owner: String,
    /// The window that is reported on.
    pub window: Window,
    /// Its name.
    pub label: String,
    /// Periods to compare with.
    #[serde(default)]
    pub compare: Vec<Comparison>,
    /// Date the run is made for.
    pub date: Date,
    /// Seed for everything random.
    #[serde(default)]
    pub seed: u64,
    /// Values of the params.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// Hash of the resolved job: every node's config, in order.
    #[serde(default)]
    pub config_hash: String,
    /// The part of the ledger that stages see; `None` where no stage reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerView>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Index of each node by name.
    #[serde(skip)]
    pub index: NodeIndex,
}

impl Plan {
    /// Finds the node of this full name.
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

/// Positions of the nodes by full name, made when a node is first looked up.
#[derive(Debug, Clone, Default)]
pub struct NodeIndex(OnceLock<BTreeMap<String, usize>>);

impl PartialEq for NodeIndex {
    /// It follows from the nodes.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Full name: `source.tickets`, `stage.rhythm`, `report.executive`.
    pub name: String,
    /// Title given in the job file; empty for none.
    #[serde(default)]
    pub title: String,
    /// The work: the keys `kind` and `config` of a plan.
    #[serde(flatten)]
    pub spec: NodeSpec,
    /// Full names of the nodes it reads.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Tables of the ledger it reads: `ledger.findings`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledger: Vec<String>,
    /// Version of the code that does it.
    pub code_version: u32,
    /// True if the reports are made without it when it fails.
    pub optional: bool,
    /// Hash of a source's contract; empty for other nodes.
    #[serde(default)]
    pub contract_hash: String,
    /// Longest time to take.
    #[serde(skip)]
    pub timeout: Option<Duration>,
    /// Number of retries; `None` for the run's default.
    #[serde(skip)]
    pub retries: Option<u32>,
    /// Params for the reader: those set and the defaults of the others.
    #[serde(skip)]
    pub param_lines: Vec<ParamLine>,
}

impl Node {
    /// The name without its table: `rhythm`. Sources and stages share one space of names.
    pub fn short(&self) -> &str {
        short(&self.name)
    }

    /// Kind: `source`, `report` or the stage's kind.
    pub fn kind(&self) -> &str {
        self.spec.kind()
    }

    /// The node's source, if it is one.
    pub fn source(&self) -> Option<&SourceSpec> {
        match &self.spec {
            NodeSpec::Source(source) => Some(source),
            _ => None,
        }
    }

    /// The node's report, if it is one.
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

/// The name of a node without its table.
pub fn short(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, short)| short)
}

/// The work of a node, with references resolved; secrets are still references.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "KindAndConfig", into = "KindAndConfig")]
pub enum NodeSpec {
    /// Reads records.
    Source(SourceSpec),
    /// Analyses datasets.
    Stage {
        /// Kind of stage.
        kind: String,
        /// Its params: a table, which only the kind understands.
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

    /// The same as a table of keys and values, for hashes and comparisons.
    pub fn config(&self) -> Cow<'_, Value> {
        match self {
            Self::Source(source) => Cow::Owned(serde_json::json!(source)),
            Self::Stage { params, .. } => Cow::Borrowed(params),
            Self::Report(report) => Cow::Owned(serde_json::json!(report)),
        }
    }
}

/// The work of a node as serialised.
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

/// Records to read, as the job file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Location of the records.
    pub uri: String,
    /// Name of the contract.
    pub contract: String,
    /// Format of the records; `None` for that of the file name.
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
    /// Whether CSV begins with the names of its columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Names of the columns of CSV, in place of those in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Time before the window for which daily files are read; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<String>,
    /// Whether the run fails when there are no files.
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}

/// A report to lay out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSpec {
    /// Name of the report: "executive" or "technical".
    pub report: String,
    /// Its title.
    pub title: String,
    /// The job's owner.
    pub owner: String,
    /// Names of the stages in it; `None` for all.
    #[serde(default)]
    pub stages: Option<Vec<String>>,
    /// Operational notices, such as a full disk.
    #[serde(default)]
    pub notices: Vec<String>,
    /// The previous report, which findings are compared with.
    #[serde(default)]
    pub earlier: Option<EarlierReport>,
}
