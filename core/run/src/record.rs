//! The plan and the inputs of a run, as recorded in its folder.

use crate::{
    Error, Plan,
    files::{PLAN, read_json, write_json},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, io, path::Path};

/// The recorded plan of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordedPlan {
    /// Nodes of the run, with their configuration.
    #[serde(flatten)]
    pub plan: Plan,
    /// Inputs of the run.
    #[serde(flatten)]
    pub origin: RunOrigin,
}

impl RecordedPlan {
    /// Reads the plan of a run's folder.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Ok(Self {
            plan: read_json(folder.join(PLAN))?,
            origin: RunOrigin::read(folder)?,
        })
    }

    /// Writes the plan into a run's folder; its keys are sorted.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        write_json(&folder.join(PLAN), &serde_json::to_value(self)?)
    }
}

/// The inputs of a run, besides its plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOrigin {
    /// Id of the run; also the name of its folder.
    pub run: String,
    /// Id of the run that it repeats.
    #[serde(default)]
    pub parent: Option<String>,
    /// The part of the id that depends only on the plan and the records.
    #[serde(default)]
    pub identity: String,
    /// Version of the program.
    #[serde(default)]
    pub build: String,
    /// Identity of each source, by the node's full name.
    #[serde(default)]
    pub records: BTreeMap<String, SourceRecords>,
    /// Due time of a scheduled run; `None` for other runs.
    #[serde(default)]
    pub due: Option<Timestamp>,
}

impl RunOrigin {
    /// Reads the inputs of a run, without the nodes of its plan.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        read_json(folder.join(PLAN))
    }
}

/// The records of a source at the time of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SourceRecords {
    /// Records with this hash.
    Hash(String),
    /// Unreadable, for this reason.
    Unreadable(String),
}

/// Prefix of the reason why a source is unreadable; a hash has no colon.
const UNREADABLE: &str = "failed: ";

impl fmt::Display for SourceRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(hash) => f.write_str(hash),
            Self::Unreadable(reason) => write!(f, "{UNREADABLE}{reason}"),
        }
    }
}

impl From<SourceRecords> for String {
    fn from(records: SourceRecords) -> Self {
        records.to_string()
    }
}

impl From<String> for SourceRecords {
    fn from(text: String) -> Self {
        match text.strip_prefix(UNREADABLE) {
            Some(reason) => Self::Unreadable(reason.to_string()),
            None => Self::Hash(text),
        }
    }
}
