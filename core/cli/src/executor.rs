//! Connects the engine's nodes to store, stages and render. No other module depends on all of them.

pub mod coverage;
mod kinds;
mod lineage;
mod recompute;
mod report;
mod restatement;
mod rows;
mod slices;
mod stage;

use stage::Stage;

pub use kinds::{Catalogue, templates_version};
pub use report::{
    assemble as assemble_report, build, drawings, is_full, rendered_files, templates,
};

use crate::workspace::Workspace;
use async_trait::async_trait;
use jiff::civil::Date;
use retrocast_domain::{Outcome, Window};
use retrocast_engine::{Executor, Failure, Progress, RunContext, job::retention::subtract_period};
use retrocast_run::{Node, NodeSpec, SourceSpec, plan::SOURCE};
use retrocast_stages::Reads;
use retrocast_store::{
    Contract, Control, Days, Dialect, Format, Hashes, Lake, LakeRoot, Properties, Remedy,
    Reservation, ResourcePool, Sql, StoreError, TimeLimit,
};
use std::{collections::BTreeMap, sync::Arc};

/// Executes the nodes of a workspace's jobs.
pub struct WorkspaceExecutor {
    workspace: Workspace,
    catalogue: Arc<Catalogue>,
    /// Memory and spill space for nodes.
    pool: ResourcePool,
    /// The listener, shared because ingest reports progress from other threads.
    progress: Arc<dyn Progress>,
    /// Runtime for queries.
    compute: tokio::runtime::Handle,
    /// Hashes of files, each computed once.
    file_hashes: Hashes,
    /// The lake that stages write to, if it differs from the lake that they read.
    scratch: Option<LakeRoot>,
}

impl WorkspaceExecutor {
    /// Creates an executor for a workspace.
    pub fn new(
        workspace: Workspace,
        catalogue: Arc<Catalogue>,
        pool: ResourcePool,
        progress: Arc<dyn Progress>,
        compute: tokio::runtime::Handle,
    ) -> Self {
        Self {
            workspace,
            catalogue,
            pool,
            progress,
            compute,
            file_hashes: Hashes::default(),
            scratch: None,
        }
    }

    /// Directs the datasets of stages to another lake, so that computing a stage again changes
    /// nothing.
    #[must_use]
    pub fn writing_to(mut self, scratch: LakeRoot) -> Self {
        self.scratch = Some(scratch);
        self
    }

    /// The lake that stages write to.
    fn output_lake(&self, ctx: &RunContext) -> Result<Lake, Failure> {
        match &self.scratch {
            Some(root) => Lake::new(root, &ctx.job.name).map_err(failure),
            None => self.lake(ctx),
        }
    }

    fn lake(&self, ctx: &RunContext) -> Result<Lake, Failure> {
        Lake::new(&self.workspace.lake_locations.root, &ctx.job.name).map_err(failure)
    }

    fn sql(&self, ctx: &RunContext) -> Sql {
        Sql {
            pool: self.pool.clone(),
            timezone: ctx.timezone.clone(),
        }
    }

    /// Reserves memory for a node, waiting until there is enough.
    async fn reserve(
        &self,
        node: &Node,
        ctx: &RunContext,
        bytes: u64,
    ) -> Result<Reservation, Failure> {
        tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => Err(Failure::cancelled()),
            reservation = self.pool.reserve(&node.name, bytes) => reservation.map_err(failure),
        }
    }

    fn control(&self, ctx: &RunContext) -> Control {
        Control {
            threads: ctx.threads,
            known_hashes: self.file_hashes.clone(),
            hash_key: hash_key(&ctx.environment),
            ..Control::default()
        }
    }

    fn contract(&self, name: &str) -> Result<Contract, Failure> {
        let contract = Contract::read(&self.catalogue.contract_file(name));
        contract.map_err(|error| failure(error.into()))
    }

    /// Builds the store's specification of a source.
    fn spec(
        &self,
        node: &Node,
        source: &SourceSpec,
        ctx: &RunContext,
    ) -> Result<retrocast_store::SourceSpec, Failure> {
        Ok(retrocast_store::SourceSpec {
            name: node.short().to_string(),
            uri: ctx.reveal(&source.uri)?,
            days: Some(days(source, &ctx.window)),
            contract: self.contract(&source.contract)?,
            format: match source.format.as_deref() {
                Some("csv") => Some(Format::Csv),
                Some("json") => Some(Format::Json),
                Some("jsonl") => Some(Format::Jsonl),
                Some("parquet") => Some(Format::Parquet),
                _ => None,
            },
            dialect: dialect(source)?,
            required: source.required,
        })
    }

    /// The filter for rows that a report on this window must not contain.
    fn time_limit(
        &self,
        source: &SourceSpec,
        ctx: &RunContext,
    ) -> Result<Option<TimeLimit>, Failure> {
        let contract = self.contract(&source.contract)?;
        let end = ctx.window.end_instant();
        Ok(contract.time.map(|column| TimeLimit {
            column,
            end,
            timezone: ctx.timezone.clone(),
        }))
    }

    async fn ingest(
        &self,
        node: &Node,
        source: &SourceSpec,
        ctx: &RunContext,
    ) -> Result<Outcome, Failure> {
        let spec = self.spec(node, source, ctx)?;
        let lake = self.lake(ctx)?;
        let name = node.name.clone();
        let progress = self.progress.clone();
        let control = Control {
            force: ctx.forced,
            cancel: ctx.cancel.clone(),
            progress: Some(Arc::new(move |amount: retrocast_store::Progress| {
                progress.amount(&name, amount.records, amount.bytes);
            })),
            ..self.control(ctx)
        };
        let properties = properties(ctx, node);
        let _reservation = self.reserve(node, ctx, self.pool.source_memory()).await?;
        let ingested =
            retrocast_store::ingest(&spec, &self.workspace.root, &lake, &properties, &control)
                .await
                .map_err(|error| source_failure(node, error))?;
        let mut note = ingested.note;
        // Use the uri as in the job file, so that no report contains the value of a secret.
        note.uri = retrocast_store::source::without_credentials(&source.uri);
        if note.records > 0 && note.accepted == 0 {
            return Err(no_valid_record(&note));
        }
        let mut cell = retrocast_domain::Cell::new(node.short(), SOURCE);
        cell.title.clone_from(&node.title);
        cell.params.clone_from(&node.param_lines);
        cell.output = Some(ingested.dataset.clone());
        cell.caveats = ingested.warnings;
        let datasets = std::iter::once(ingested.dataset)
            .chain(ingested.quarantine)
            .collect();
        Ok(Outcome {
            cell,
            datasets,
            files: Vec::new(),
            source: Some(note),
        })
    }
}

/// The failure of a source without any valid record.
fn no_valid_record(note: &retrocast_domain::report::SourceNote) -> Failure {
    let reasons: Vec<String> = note
        .quarantined
        .iter()
        .take(3)
        .map(|(reason, n)| format!("{reason} ({n})"))
        .collect();
    Failure::data(format!(
        "none of {} in {} meets the contract {:?}: {}",
        retrocast_domain::number::plural(note.records, "record"),
        note.uri,
        note.contract,
        reasons.join(", ")
    ))
    .hint(format!(
        "`retrocast contract check '{}' --contract {}` shows why, and which line to add to the contract",
        note.uri, note.contract
    ))
}

/// Builds the CSV dialect of a source.
fn dialect(source: &SourceSpec) -> Result<Dialect, Failure> {
    let first_byte = |text: &Option<String>| text.as_ref()?.bytes().next();
    let invalid = |reason| Failure::data(format!("invalid settings of the source: {reason}"));
    let encoding = source.encoding.as_deref().map(Dialect::encoding);
    let dialect = Dialect {
        delimiter: first_byte(&source.delimiter),
        quote: first_byte(&source.quote).or(Dialect::DEFAULT.quote),
        comment: first_byte(&source.comment),
        header: source.header.unwrap_or(true),
        columns: source.columns.clone(),
        encoding: encoding.transpose().map_err(invalid)?,
    };
    dialect.check().map_err(invalid)?;
    Ok(dialect)
}

/// The days of dated files that a run on a window reads. Folders may be dated in another time zone,
/// so the range has one more day at either end.
pub fn days(source: &SourceSpec, window: &Window) -> Days {
    let first = match &source.history {
        Some(history) => subtract_period(window.start, history),
        None => Date::MIN,
    };
    Days {
        first: first.yesterday().unwrap_or(Date::MIN),
        end: window.end.tomorrow().unwrap_or(Date::MAX),
    }
}

/// The key for hashing personal data, if it is set.
fn hash_key(environment: &retrocast_engine::Environment) -> Option<Arc<[u8]>> {
    environment("RETROCAST_HASH_KEY").map(|key| key.into_bytes().into())
}

/// Properties that are stored with each version of a dataset.
fn properties(ctx: &RunContext, node: &Node) -> Properties {
    let mut fingerprint = ctx.fingerprint.clone();
    if ctx.forced {
        // A forced run writes a new version.
        fingerprint = format!("{fingerprint} {}", ctx.run);
    }
    Properties::from([
        ("run".to_string(), ctx.run.clone()),
        ("node".to_string(), node.name.clone()),
        (retrocast_store::FINGERPRINT.to_string(), fingerprint),
    ])
}

/// Converts an error of the store to a failure; its kind decides whether to retry.
fn failure(error: StoreError) -> Failure {
    if matches!(error, StoreError::Cancelled) {
        return Failure::cancelled();
    }
    let message = error.to_string();
    match error.remedy() {
        Remedy::Retry => Failure::transient(message),
        Remedy::FreeDisk => Failure::full(message).hint(FREE_DISK_SPACE),
        Remedy::Change => Failure::data(message),
    }
}

/// Converts an error of the store as [`failure`] does, and removes the node's name from the
/// message: output prints it beside the message.
fn source_failure(node: &Node, error: StoreError) -> Failure {
    let mut failure = failure(error);
    let prefix = format!("source {:?}: ", node.short());
    if let Some(reason) = failure.message.strip_prefix(&prefix) {
        failure.message = reason.to_string();
    }
    failure
}

/// Advice for a full disk.
pub const FREE_DISK_SPACE: &str =
    "free disk space and run the job again: finished nodes are reused";

#[async_trait]
impl Executor for WorkspaceExecutor {
    async fn source_identity(&self, node: &Node, ctx: &RunContext) -> Result<String, Failure> {
        let source = node
            .source()
            .ok_or_else(|| Failure::bug(format!("{} is not a source", node.name)))?;
        let spec = self.spec(node, source, ctx)?;
        let lake = self.lake(ctx)?;
        let control = self.control(ctx);
        retrocast_store::source_identity(&spec, &self.workspace.root, &lake, &control)
            .await
            .map_err(|error| source_failure(node, error))
    }

    async fn execute(
        &self,
        node: &Node,
        inputs: &BTreeMap<String, Arc<Outcome>>,
        ctx: &RunContext,
        _progress: &dyn Progress,
    ) -> Result<Outcome, Failure> {
        match &node.spec {
            NodeSpec::Source(source) => self.ingest(node, source, ctx).await,
            NodeSpec::Report(report) => report::render(self, node, report, inputs, ctx).await,
            NodeSpec::Stage { kind, params } => {
                let stage = Stage::new(node, kind, params)?;
                match stage.reads() {
                    Reads::Query => stage::query(self, stage, inputs, ctx).await,
                    Reads::Findings => stage::findings(self, stage, inputs, ctx).await,
                    Reads::Nothing => stage::without_rows(stage, inputs, ctx),
                    Reads::Batches | Reads::All => stage::analyse(self, stage, inputs, ctx).await,
                }
            }
        }
    }

    async fn publish(&self, node: &Node, outcome: &Outcome, ctx: &RunContext) {
        let (Ok(lake), Some(dataset)) = (self.lake(ctx), &outcome.cell.output) else {
            return;
        };
        if let Err(error) = lake.make_newest(dataset).await {
            tracing::warn!(
                "{}: the lake still shows another version: {error}",
                node.name
            );
        }
    }

    async fn is_usable(&self, _node: &Node, outcome: &Outcome, ctx: &RunContext) -> bool {
        if outcome.datasets.is_empty() {
            return true;
        }
        let Ok(lake) = self.lake(ctx) else {
            return false;
        };
        for dataset in &outcome.datasets {
            if !lake.exists(dataset).await {
                return false;
            }
        }
        true
    }
}
