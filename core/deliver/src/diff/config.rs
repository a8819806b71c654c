//! The setup of two runs: job, nodes and their keys, params, and program.

use super::Pair;
use retrocast_run::{Node, Plan, RunFolder};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Value of [`Setting::place`] for the program.
pub const PROGRAM: &str = "program";
/// Value of [`Setting::place`] for the job.
pub(super) const JOB: &str = "job";
/// Key of the job's name.
pub(super) const NAME: &str = "name";
/// Value of [`Setting::place`] for the params.
const PARAMS: &str = "params";

/// A key whose value differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Full name of a node, or "job", "params", "program".
    pub place: String,
    /// Key, with dots for nested keys.
    pub key: String,
    /// Values; `None` if the key is not set.
    pub value: Pair<Option<Value>>,
}

/// The differences between the setups of two runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Config {
    /// Nodes that only the second run has.
    pub added: Vec<String>,
    /// Nodes that only the first run has.
    pub removed: Vec<String>,
    /// Keys that differ, except where the value differs only because the window or a param does.
    pub settings: Vec<Setting>,
    /// True if the text of the job files differs.
    pub text_differs: bool,
}

impl Config {
    /// Returns true if both runs had the same setup, except for the window.
    pub fn is_same_job(&self) -> bool {
        let are_of_program = self.settings.iter().all(|setting| setting.place == PROGRAM);
        are_of_program && self.added.is_empty() && self.removed.is_empty()
    }

    /// Returns true if both runs had the same setup, except for the window and params.
    pub fn is_same_apart_from_params(&self) -> bool {
        let is_exempt = |setting: &Setting| [PROGRAM, PARAMS].contains(&setting.place.as_str());
        self.settings.iter().all(is_exempt) && self.added.is_empty() && self.removed.is_empty()
    }

    /// Returns true if both runs used the same program.
    pub fn is_same_program(&self) -> bool {
        self.settings.iter().all(|setting| setting.place != PROGRAM)
    }
}

pub(super) fn compare(runs: &Pair<RunFolder>) -> Config {
    let (old, new) = (&runs.old.plan, &runs.new.plan);
    let mut settings = Vec::new();
    let mut add = |place: &str, key: &str, value: Pair<Value>| {
        if !value.is_same() {
            let value = value.map(|value| (!value.is_null()).then(|| value.clone()));
            settings.push(Setting {
                place: place.to_string(),
                key: key.to_string(),
                value,
            });
        }
    };
    let plans = Pair { old, new };
    add(
        PROGRAM,
        "build",
        runs.map(|run| run.origin.build.clone().into()),
    );
    add(JOB, NAME, plans.map(|plan| plan.job.clone().into()));
    add(JOB, "title", plans.map(|plan| plan.title.clone().into()));
    add(JOB, "owner", plans.map(|plan| plan.owner.clone().into()));
    add(JOB, "compare", plans.map(|plan| json!(plan.compare)));
    add(
        JOB,
        "timezone",
        plans.map(|plan| json!(plan.window.timezone)),
    );
    add(JOB, "seed", plans.map(|plan| plan.seed.into()));
    for name in all_keys(old.params.keys(), new.params.keys()) {
        let value = |plan: &&Plan| plan.params.get(name).cloned().unwrap_or_default();
        add(PARAMS, name, plans.map(value));
    }
    let nodes = plans.map(|plan| by_name(plan));
    let references = References::new(old, new);
    let mut compared_kinds = BTreeSet::new();
    for node in &new.nodes {
        let Some(old) = nodes.old.get(node.name.as_str()) else {
            continue;
        };
        // The code version is that of the kind: one line for all of its nodes.
        if old.kind() == node.kind() && compared_kinds.insert(node.kind()) {
            let versions = [old, node].map(|node| Value::from(node.code_version));
            let [old, new] = versions;
            add(
                PROGRAM,
                &format!("code of {}", node.kind()),
                Pair { old, new },
            );
        }
    }
    for node in &new.nodes {
        if let Some(old) = nodes.old.get(node.name.as_str()) {
            compare_nodes(old, node, &references, &mut settings);
        }
    }
    let only_in = |plan: &Plan, other: &BTreeMap<&str, &Node>| -> Vec<String> {
        let names = plan.nodes.iter().map(|node| node.name.clone());
        names
            .filter(|name| !other.contains_key(name.as_str()))
            .collect()
    };
    Config {
        added: only_in(new, &nodes.old),
        removed: only_in(old, &nodes.new),
        settings,
        text_differs: runs.old.job_file != runs.new.job_file,
    }
}

fn by_name(plan: &Plan) -> BTreeMap<&str, &Node> {
    plan.nodes
        .iter()
        .map(|node| (node.name.as_str(), node))
        .collect()
}

/// Keys of both maps, sorted.
fn all_keys<'a>(
    a: impl Iterator<Item = &'a String>,
    b: impl Iterator<Item = &'a String>,
) -> BTreeSet<&'a String> {
    a.chain(b).collect()
}

/// Adds the settings of a node whose values differ.
fn compare_nodes(
    old_node: &Node,
    new_node: &Node,
    references: &References,
    out: &mut Vec<Setting>,
) {
    let before = out.len();
    let mut compare = |key: &str, old: Value, new: Value| {
        let (old, new) = (
            (!old.is_null()).then_some(old),
            (!new.is_null()).then_some(new),
        );
        compare_values(
            &new_node.name,
            key,
            old.as_ref(),
            new.as_ref(),
            references,
            out,
        );
    };
    compare("kind", old_node.kind().into(), new_node.kind().into());
    if !new_node.is_report() {
        let title = |node: &Node| Value::from(node.title.clone());
        compare("title", title(old_node), title(new_node));
    }
    compare("", job_config(old_node), job_config(new_node));
    if !new_node.is_source() {
        // Sources have the key "required" instead.
        compare(
            "optional",
            old_node.optional.into(),
            new_node.optional.into(),
        );
    }
    let contract = |node: &Node| node.source().map(|source| source.contract.clone());
    if contract(old_node) == contract(new_node) {
        let hashes = [old_node, new_node].map(|node| Value::from(node.contract_hash.clone()));
        let [old, new] = hashes;
        compare("contract's content", old, new);
    }
    // The keys of a node determine its inputs, except those of reports, which read everything.
    if out.len() == before && !new_node.is_report() && old_node.inputs != new_node.inputs {
        out.push(Setting {
            place: new_node.name.clone(),
            key: "inputs".to_string(),
            value: Pair {
                old: Some(old_node.inputs.clone().into()),
                new: Some(new_node.inputs.clone().into()),
            },
        });
    }
}

/// Adds the settings below a key whose values differ.
fn compare_values(
    place: &str,
    key: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    references: &References,
    out: &mut Vec<Setting>,
) {
    let below = |name: &str| match key {
        "" => name.to_string(),
        key => format!("{key}.{name}"),
    };
    match (old, new) {
        (Some(old), Some(new)) if references.explain(old, new) => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for name in all_keys(old.keys(), new.keys()) {
                compare_values(
                    place,
                    &below(name),
                    old.get(name),
                    new.get(name),
                    references,
                    out,
                );
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new)))
            if old.len() == new.len() && old.iter().chain(new).all(Value::is_object) =>
        {
            for (i, (old, new)) in old.iter().zip(new).enumerate() {
                let name = new.get("name").and_then(Value::as_str);
                let name = name.map_or_else(|| (i + 1).to_string(), str::to_string);
                compare_values(place, &below(&name), Some(old), Some(new), references, out);
            }
        }
        (None, None) => {}
        (old, new) => out.push(Setting {
            place: place.to_string(),
            key: key.to_string(),
            value: Pair {
                old: old.cloned(),
                new: new.cloned(),
            },
        }),
    }
}

/// Values that differ from run to run and that a job file may refer to: window, params, title and
/// owner. If a key differs only by these, its text in the job file is the same.
struct References {
    texts: Vec<Pair<String>>,
    values: Vec<Pair<Value>>,
}

impl References {
    fn new(old: &Plan, new: &Plan) -> Self {
        let mut texts = Vec::new();
        let instants = |plan: &Plan| {
            [plan.window.start_instant(), plan.window.end_instant()].map(|time| time.to_string())
        };
        for (old, new) in instants(old).into_iter().zip(instants(new)) {
            texts.push(Pair { old, new });
        }
        texts.push(Pair {
            old: old.label.clone(),
            new: new.label.clone(),
        });
        let mut values = vec![
            Pair {
                old: old.title.clone().into(),
                new: new.title.clone().into(),
            },
            Pair {
                old: old.owner.clone().into(),
                new: new.owner.clone().into(),
            },
        ];
        for (name, old) in &old.params {
            let Some(new) = new.params.get(name) else {
                continue;
            };
            let text = |value: &Value| match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            texts.push(Pair {
                old: text(old),
                new: text(new),
            });
            values.push(Pair {
                old: old.clone(),
                new: new.clone(),
            });
        }
        texts.retain(|pair| !pair.is_same() && !pair.old.is_empty() && !pair.new.is_empty());
        Self { texts, values }
    }

    /// Returns true if two values are equal, or equal apart from the references.
    fn explain(&self, old: &Value, new: &Value) -> bool {
        if old == new
            || self
                .values
                .iter()
                .any(|pair| pair.old == *old && pair.new == *new)
        {
            return true;
        }
        let (Some(mut old), Some(mut new)) = (
            old.as_str().map(str::to_string),
            new.as_str().map(str::to_string),
        ) else {
            return false;
        };
        for (i, pair) in self.texts.iter().enumerate() {
            // NUL does not occur in job files.
            let placeholder = format!("\u{0}{i}\u{0}");
            old = old.replace(&pair.old, &placeholder);
            new = new.replace(&pair.new, &placeholder);
        }
        old == new
    }
}

/// A node's config without the earlier report, which differs from run to run.
pub(crate) fn job_config(node: &Node) -> Value {
    let mut config = node.spec.config().into_owned();
    if let Some(config) = config.as_object_mut().filter(|_| node.is_report()) {
        config.remove("earlier");
    }
    config
}
