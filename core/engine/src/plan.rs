//! The plan: every source, stage and report of a job as a node of one graph.
//!
//! Edges are derived from the datasets that params name and the tables that queries read. Nodes are
//! sorted topologically, in the order of the job file where edges allow, so the same file gives the
//! same plan.

mod claims;
mod order;

mod selection;

mod mermaid;

mod report;

pub use mermaid::mermaid;
pub(crate) use order::{input_indices, readers};

use crate::{
    executor::Environment,
    job::{
        CheckOptions, Job,
        checker::{entries, parse_duration},
        document::{Entry, SpannedValue},
        elaborate::{Elaboration, elaborate},
        schema::COMMON_STAGE_KEYS,
    },
    kinds::Kinds,
    ledger::LedgerView,
};
use claims::Claims;
use jiff::civil::Date;
use order::sort_topologically;
use report::{name_report_files, report};
use retrocast_domain::{
    ClosedImprovement, Diagnostic, FindingDecision, Level, ParamLine, Window, report::EarlierReport,
};
use retrocast_run::{
    Node, NodeSpec, Plan, PublishedFigures, SourceSpec,
    plan::{NodeIndex, SOURCE},
};
use selection::{select, selected_names};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The inputs of a plan.
pub struct PlanOptions<'a> {
    /// The window to report on.
    pub window: Window,
    /// Date of the run.
    pub date: Date,
    /// Values of params given on the command line.
    pub set: &'a [(String, String)],
    /// Nodes to run, with their dependencies: names or globs; `name+` adds dependents. Empty for
    /// all.
    pub select: &'a [String],
    /// Seed of all randomness.
    pub seed: u64,
    /// Operational notices that the reports print, such as a full disk.
    pub notices: &'a [String],
    /// The earlier report to compare findings with.
    pub earlier: Option<&'a EarlierReport>,
    /// The author's note on the run.
    pub note: &'a str,
    /// Finds the part of the ledger that the run sees; called only if a stage reads the ledger.
    pub ledger: &'a dyn Fn() -> Result<LedgerView, Vec<Diagnostic>>,
    /// The figures that earlier runs published.
    pub published: Option<PublishedFigures>,
    /// The decisions on findings that are in force.
    pub decisions: Vec<FindingDecision>,
    /// The improvements closed before the date of the run, the last closed first.
    pub closed: Vec<ClosedImprovement>,
    /// The environment for `${env.X}` and `${secret.X}`.
    pub environment: Environment,
}

/// Creates the plan of a job, or reports all errors that prevent it.
pub fn build(
    job: &Job,
    kinds: &dyn Kinds,
    options: &PlanOptions<'_>,
) -> Result<Plan, Vec<Diagnostic>> {
    let params = job.params_for(options.set)?;
    let environment = options.environment.clone();
    let check_options = CheckOptions {
        name: &job.name,
        file: &job.file,
        kinds,
        set: options.set,
        environment: &move |name| environment(name),
    };
    let elaborated = elaborate(
        &check_options,
        &job.text,
        &job.document,
        &params,
        &options.window,
    );
    if elaborated
        .diagnostics
        .iter()
        .any(|diagnostic| diagnostic.level == Level::Error)
    {
        return Err(elaborated.diagnostics);
    }
    let nodes = sort_topologically(nodes(job, kinds, &elaborated, options)?);
    drop(elaborated);
    let published = published(job, &nodes, options);
    let mut nodes = select(nodes, options.select)?;
    name_report_files(&mut nodes);
    let tables = nodes.iter().flat_map(|node| &node.ledger);
    let ledger = match tables.clone().next() {
        Some(_) => {
            let view = (options.ledger)()?;
            Some(view.for_tables(tables))
        }
        None => None,
    };
    let configs = nodes
        .iter()
        .map(|node| (&node.name, node.kind(), node.spec.config(), &node.inputs));
    Ok(Plan {
        job: job.name.clone(),
        title: job.title.clone(),
        owner: job.owner.clone(),
        label: options.window.label(),
        window: options.window.clone(),
        compare: job.compare.clone(),
        date: options.date,
        seed: options.seed,
        params: params
            .into_iter()
            .filter_map(|(name, param)| Some((name, param.value?)))
            .collect(),
        config_hash: retrocast_domain::canonical::hash_list(configs),
        ledger,
        published,
        decisions: for_reports(&nodes, &options.decisions),
        closed: for_reports(&nodes, &options.closed),
        nodes,
        index: NodeIndex::default(),
    })
}

/// Records of users that only reports print; none without a report.
fn for_reports<T: Clone>(nodes: &[Node], records: &[T]) -> Vec<T> {
    if nodes.iter().any(Node::is_report) {
        records.to_vec()
    } else {
        Vec::new()
    }
}

/// Selects the published figures of the stages whose current params also apply to earlier windows.
/// A stage is left out if its config, or that of a node it depends on, refers to the window.
fn published(job: &Job, nodes: &[Node], options: &PlanOptions<'_>) -> Option<PublishedFigures> {
    let refers_to_window = |table: &str, name: &str| {
        let item = job.document.get_path(&[table, name]);
        item.is_some_and(|item| item.json().to_string().contains("${window."))
    };
    let mut dependent: BTreeSet<&str> = BTreeSet::new();
    // Inputs come before the nodes that read them.
    for node in nodes {
        let (table, name) = node.name.split_once('.').unwrap_or_default();
        let reads = |input: &String| dependent.contains(input.as_str());
        if node.inputs.iter().any(reads) || refers_to_window(table, name) {
            dependent.insert(&node.name);
        }
    }
    let stages = nodes
        .iter()
        .filter(|node| !dependent.contains(node.name.as_str()));
    let stages: BTreeSet<&str> = stages.map(Node::short).collect();
    let published = options.published.clone()?;
    let published = published.for_stages(|stage| stages.contains(stage));
    (!published.windows.is_empty()).then_some(published)
}

/// Finds the full names of the nodes that patterns select and of all their dependents.
pub fn with_descendants(
    plan: &Plan,
    patterns: &[String],
) -> Result<BTreeSet<String>, Vec<Diagnostic>> {
    let patterns: Vec<String> = patterns
        .iter()
        .map(|pattern| format!("{}+", pattern.trim_end_matches('+')))
        .collect();
    selected_names(&plan.nodes, &patterns)
}

fn nodes(
    job: &Job,
    kinds: &dyn Kinds,
    elaborated: &Elaboration,
    options: &PlanOptions<'_>,
) -> Result<Vec<Node>, Vec<Diagnostic>> {
    let mut nodes = entries(&elaborated.tree, "source")
        .iter()
        .map(|entry| source(job, &entry.key, &entry.item, kinds))
        .collect::<Result<Vec<_>, _>>()?;
    let stage_entries = entries(&elaborated.tree, "stage");
    let mut stages = Stages::new(job, kinds, stage_entries);
    for entry in stage_entries {
        let datasets = elaborated.inputs[&entry.key].iter();
        let datasets: BTreeSet<&str> = datasets.map(|(input, _)| input.as_str()).collect();
        let mut node = stages.node(&entry.key, &entry.item, &datasets);
        let ledger = elaborated.ledger.get(&entry.key);
        node.ledger = ledger.into_iter().flatten().cloned().collect();
        nodes.push(node);
    }
    nodes.extend(
        job.reports
            .iter()
            .map(|section| report(job, section, kinds, options)),
    );
    Ok(nodes)
}

fn source(
    job: &Job,
    name: &str,
    item: &SpannedValue,
    kinds: &dyn Kinds,
) -> Result<Node, Vec<Diagnostic>> {
    let mut config = object(item);
    let common = CommonKeys::take(&mut config);
    config.entry("required").or_insert(true.into());
    let param_lines = config
        .iter()
        .map(|(name, value)| param_line(name, value, true))
        .collect();
    let spec: SourceSpec = serde_json::from_value(Value::Object(config)).map_err(|error| {
        let message = format!("the source {name:?} cannot be read: {error}");
        vec![Diagnostic::error(&job.file, message).at(item.span.clone())]
    })?;
    Ok(Node {
        name: format!("source.{name}"),
        title: String::new(),
        inputs: Vec::new(),
        ledger: Vec::new(),
        code_version: kinds.code_version(SOURCE),
        optional: !spec.required,
        timeout: common.timeout,
        retries: common.retries,
        param_lines,
        contract_hash: kinds.contract_hash(&spec.contract),
        spec: NodeSpec::Source(spec),
    })
}

/// Creates the nodes of stages, and caches lookups.
struct Stages<'a> {
    kinds: &'a dyn Kinds,
    /// Indices of sources and stages in the order of inputs, with the table of each.
    indices: BTreeMap<&'a str, (usize, &'static str)>,
    /// Default params of each kind used so far.
    defaults: BTreeMap<String, BTreeMap<String, ParamLine>>,
    claims: Claims,
}

impl<'a> Stages<'a> {
    fn new(job: &'a Job, kinds: &'a dyn Kinds, entries: &[Entry]) -> Self {
        let sources = job.sources.iter().map(|name| (name, "source"));
        let stages = job.stages.iter().map(|name| (name, "stage"));
        let inputs = sources.chain(stages).enumerate();
        Self {
            kinds,
            indices: inputs
                .map(|(index, (name, table))| (name.as_str(), (index, table)))
                .collect(),
            defaults: BTreeMap::new(),
            claims: Claims::new(job, kinds, entries),
        }
    }

    /// Creates the node of a stage that reads these datasets.
    fn node(&mut self, name: &str, item: &SpannedValue, datasets: &BTreeSet<&str>) -> Node {
        let mut config = object(item);
        let common = CommonKeys::take(&mut config);
        let mut inputs: Vec<(usize, String)> = datasets
            .iter()
            .filter_map(|name| {
                let (index, table) = self.indices.get(name)?;
                Some((*index, format!("{table}.{name}")))
            })
            .collect();
        inputs.sort_unstable();
        let defaults = self
            .defaults
            .entry(common.kind.clone())
            .or_insert_with_key(|kind| defaults(self.kinds.schema(kind).as_ref()));
        let mut param_lines = param_lines(&config, defaults);
        for name in self.claims.params(&common.kind) {
            if !config.contains_key(name) {
                let value = Value::from(self.claims.alpha);
                param_lines.retain(|line| &line.name != name);
                param_lines.push(param_line(name, &value, false));
                config.insert(name.clone(), value);
            }
        }
        param_lines.sort_by(|a, b| a.name.cmp(&b.name));
        Node {
            name: format!("stage.{name}"),
            param_lines,
            inputs: inputs.into_iter().map(|(_, name)| name).collect(),
            ledger: Vec::new(),
            code_version: self.kinds.code_version(&common.kind),
            spec: NodeSpec::Stage {
                kind: common.kind,
                params: Value::Object(config),
            },
            title: common.title,
            optional: common.optional,
            timeout: common.timeout,
            retries: common.retries,
            contract_hash: String::new(),
        }
    }
}

fn object(item: &SpannedValue) -> Map<String, Value> {
    match item.json() {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The keys of every node besides its own params.
#[derive(Default)]
struct CommonKeys {
    kind: String,
    title: String,
    optional: bool,
    timeout: Option<Duration>,
    retries: Option<u32>,
}

impl CommonKeys {
    fn take(config: &mut Map<String, Value>) -> Self {
        let mut values = COMMON_STAGE_KEYS.map(|key| config.remove(key).unwrap_or(Value::Null));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let [kind, title, optional, timeout, retries] = &mut values;
        Self {
            kind: text(kind),
            title: text(title),
            optional: optional.as_bool().unwrap_or(false),
            timeout: timeout.as_str().and_then(parse_duration),
            retries: retries.as_u64().map(|n| n as u32),
        }
    }
}

/// Default params of a kind, formatted for reports.
fn defaults(schema: Option<&Value>) -> BTreeMap<String, ParamLine> {
    let properties = schema.and_then(|schema| schema["properties"].as_object());
    let properties = properties.into_iter().flatten();
    let with_default =
        properties.filter_map(|(name, property)| Some((name, property.get("default")?)));
    with_default
        .filter(|(_, default)| !default.is_null())
        .map(|(name, default)| (name.clone(), param_line(name, default, false)))
        .collect()
}

/// Formats the params for reports: those set, and the defaults of the others. Queries are printed
/// separately.
fn param_lines(
    config: &Map<String, Value>,
    defaults: &BTreeMap<String, ParamLine>,
) -> Vec<ParamLine> {
    let mut lines = defaults.clone();
    for (name, value) in config.iter().filter(|(name, _)| *name != "query") {
        lines.insert(name.clone(), param_line(name, value, true));
    }
    lines.into_values().collect()
}

fn param_line(name: &str, value: &Value, set: bool) -> ParamLine {
    ParamLine {
        name: name.to_string(),
        value: toml_text(value),
        set,
    }
}

/// Formats a value as TOML.
fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(toml_text).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Object(map) => {
            let pairs: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{key} = {}", toml_text(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::test_support::{job, names, plan, plan_with};

    pub const JOB: &str = r#"
title = "Review"
window = "week"
[params.least]
type = "number"
default = 3
[source.tickets]
uri = "tickets/*.jsonl"
contract = "ticket"
[source.metrics]
uri = "metrics/*.csv"
contract = "metric"
[stage.late]
kind = "count"
input = "early"
[stage.early]
kind = "sql"
query = "select * from tickets where n > ${params.least}"
[stage.both]
kind = "pair"
inputs = ["early", "metrics"]
[report.executive]
stages = ["late"]
[report.technical]
"#;

    #[test]
    fn a_long_chain_in_reverse_order_is_sorted() {
        use std::fmt::Write as _;
        const LENGTH: usize = 20_000;
        let mut text = JOB.to_string();
        for i in (0..LENGTH).rev() {
            let input = match i {
                0 => "tickets".to_string(),
                i => format!("s{}", i - 1),
            };
            let _ = writeln!(text, "[stage.s{i}]\nkind = \"count\"\ninput = \"{input}\"");
        }
        let plan = plan(&text);
        let names: Vec<_> = names(&plan)
            .into_iter()
            .filter_map(|name| name.strip_prefix("stage.s"))
            .collect();
        let expected: Vec<_> = (0..LENGTH).map(|i| i.to_string()).collect();
        assert_eq!(names, expected);
        assert_eq!(plan.nodes.last().unwrap().name, "report.technical");
    }

    #[test]
    fn edges_follow_from_queries_and_params() {
        let plan = plan(JOB);
        assert_eq!(
            names(&plan),
            [
                "source.tickets",
                "source.metrics",
                "stage.early",
                "stage.late",
                "stage.both",
                "report.executive",
                "report.technical"
            ]
        );
        let inputs = |name: &str| plan.node(name).unwrap().inputs.join(" ");
        assert_eq!(inputs("stage.early"), "source.tickets");
        assert_eq!(inputs("stage.late"), "stage.early");
        assert_eq!(inputs("stage.both"), "source.metrics stage.early");
        assert_eq!(
            inputs("report.executive"),
            "source.tickets source.metrics stage.late"
        );
        assert_eq!(
            plan.node("stage.early").unwrap().spec.config()["query"],
            "select * from tickets where n > 3"
        );
    }

    #[test]
    fn selected_nodes_come_with_their_dependencies() {
        let check = |select: &[&str], expected: &[&str]| {
            let select: Vec<String> = select.iter().map(|s| (*s).to_string()).collect();
            let plan = plan_with(JOB, &[], &select).unwrap();
            assert_eq!(names(&plan), expected, "{select:?}");
        };
        check(&["early"], &["source.tickets", "stage.early"]);
        check(
            &["stage.lat?"],
            &["source.tickets", "stage.early", "stage.late"],
        );
        check(&["source.*"], &["source.tickets", "source.metrics"]);
        check(&["+late"], &["source.tickets", "stage.early", "stage.late"]);
        check(
            &["both+"],
            &[
                "source.tickets",
                "source.metrics",
                "stage.early",
                "stage.late",
                "stage.both",
                "report.technical",
            ],
        );
        let error = plan_with(JOB, &[], &["lste".to_string()])
            .unwrap_err()
            .remove(0);
        assert_eq!(error.message, "there is no node `lste`");
        assert_eq!(error.help.as_deref(), Some("did you mean `late`?"));
    }

    #[test]
    fn params_are_printed_with_defaults() {
        let plan = plan(JOB);
        let lines = &plan.node("stage.late").unwrap().param_lines;
        let text: Vec<_> = lines
            .iter()
            .map(|l| format!("{} = {} {}", l.name, l.value, l.set))
            .collect();
        assert_eq!(text, ["input = \"early\" true", "least = 1 false"]);
    }

    #[test]
    fn order_of_keys_does_not_matter() {
        let other = JOB.replace(
            "uri = \"tickets/*.jsonl\"\ncontract = \"ticket\"",
            "contract = \"ticket\"\nuri = \"tickets/*.jsonl\"",
        );
        assert_ne!(JOB, other);
        assert_eq!(plan(JOB).config_hash, plan(&other).config_hash);
        let set = [("least".to_string(), "4".to_string())];
        assert_ne!(
            plan(JOB).config_hash,
            plan_with(JOB, &set, &[]).unwrap().config_hash
        );
        let equal = [("least".to_string(), "3.0".to_string())];
        assert_eq!(
            plan(JOB).config_hash,
            plan_with(JOB, &equal, &[]).unwrap().config_hash
        );
    }

    #[test]
    fn params_without_a_value_are_reported() {
        let text = JOB.replace("default = 3", "");
        assert!(job(&text).params["least"].default.is_none());
        let error = plan_with(&text, &[], &[]).unwrap_err().remove(0);
        assert_eq!(error.message, "parameter `least` has no value");
        let error = plan_with(JOB, &[("lest".into(), "1".into())], &[])
            .unwrap_err()
            .remove(0);
        assert_eq!(error.help.as_deref(), Some("did you mean `least`?"));
    }
}
