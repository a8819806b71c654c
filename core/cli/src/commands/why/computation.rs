//! Computes a figure of a recorded run again, and compares it with what the report printed.

use super::recorded::{Outcomes, RecordedRun};
use crate::{
    commands::run::{self, BUILD},
    executor::{self, Catalogue, WorkspaceExecutor},
    temporary_folder::TemporaryFolder,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_domain::{FigureKind, suggest};
use retrocast_engine::{Kinds as _, NoProgress, RunContext};
use retrocast_render::view::{PrintedFigure, printed};
use retrocast_run::Node;
use retrocast_store::{LakeRoot, Limits, ResourcePool};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// Disk space for spilled queries, in bytes.
const SPILL_BYTES: u64 = 10 << 30;
/// Maximum number of listed differences.
const DIFFERENCES_MAX: usize = 12;

/// The result of computing a figure again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Every digit is as printed.
    Same,
    /// Something differs.
    Different,
    /// It could not be computed.
    NotPossible,
}

/// A text of a figure that differs from the printed text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Name of the text in the report's view, such as `text`.
    pub text: String,
    /// As printed; `None` if it is new.
    pub printed: Option<String>,
    /// As computed; `None` if it is missing.
    pub recomputed: Option<String>,
}

/// A figure, computed again.
#[derive(Debug, Serialize)]
pub struct Recomputation {
    /// The result.
    pub status: Status,
    /// Sentence of the computed figure; empty if it was not computed.
    pub sentence: String,
    /// Differences from the printed figure, at most [`DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
    /// Reasons why it differs, or could not be computed.
    pub reasons: Vec<String>,
    /// Nodes that were computed.
    pub nodes: Vec<String>,
    /// Duration.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

fn milliseconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(took.as_millis() as u64)
}

/// Computes nodes of a recorded run. Stages write to a temporary lake.
pub struct Computer<'a> {
    pub run: &'a RecordedRun,
    pub executor: WorkspaceExecutor,
    pub context: RunContext,
    pub runtime: Runtime,
    catalogue: Arc<Catalogue>,
    /// Threads for queries; kept until the end.
    _compute: Runtime,
    _scratch: TemporaryFolder,
}

impl<'a> Computer<'a> {
    pub fn new(workspace: &Workspace, run: &'a RecordedRun) -> anyhow::Result<Self> {
        let start = || {
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("cannot start threads")
        };
        let (runtime, compute) = (start()?, start()?);
        let scratch = TemporaryFolder::new("why");
        let pool = ResourcePool::new(Limits {
            memory: run::default_memory(),
            spill: SPILL_BYTES,
            folder: scratch.0.join("spill"),
        });
        let templates = executor::templates(workspace.templates.as_deref())?;
        let catalogue = Arc::new(Catalogue::new(&workspace.jobs, &templates));
        let executor = WorkspaceExecutor::new(
            workspace.clone(),
            catalogue.clone(),
            pool,
            Arc::new(NoProgress),
            compute.handle().clone(),
        );
        let executor = executor.writing_to(LakeRoot::from(&scratch.0.join("lake")));
        Ok(Self {
            executor,
            context: RunContext::of_recorded(run.plan.clone(), run.folder.clone(), BUILD),
            run,
            runtime,
            catalogue,
            _compute: compute,
            _scratch: scratch,
        })
    }

    /// Computes a figure again and compares it with the printed figure.
    pub fn recompute(&self, figure: &PrintedFigure) -> anyhow::Result<Recomputation> {
        let started = Instant::now();
        let nodes: Vec<&Node> = figure
            .figure
            .nodes
            .iter()
            .filter_map(|name| self.run.plan.node(name))
            .collect();
        let mut result = Recomputation {
            status: Status::NotPossible,
            sentence: String::new(),
            differences: Vec::new(),
            reasons: Vec::new(),
            nodes: nodes.iter().map(|node| node.name.clone()).collect(),
            took: Duration::ZERO,
        };
        let mut computed = Outcomes::new();
        for node in &nodes {
            let Some(recorded) = self.run.outcomes.get(node.short()) else {
                result.reasons.push(format!(
                    "the run's folder has no cells/{}.json",
                    node.short()
                ));
                continue;
            };
            let inputs = self.run.inputs(node);
            let recomputation = self
                .executor
                .recompute(node, recorded, &inputs, &self.context);
            match self.runtime.block_on(recomputation) {
                Ok(outcome) => {
                    computed.insert(node.short().to_string(), Arc::new(outcome));
                }
                Err(failure) => result.reasons.push(format!("{}: {failure}", node.name)),
            }
        }
        if result.reasons.is_empty() {
            // Deserialise it, as the recorded report was, so that missing numbers are the same.
            let report = serde_json::to_value(self.run.assemble(&computed)?)?;
            let printed_figures = printed(&serde_json::from_value(report)?)?;
            let key = |printed: &PrintedFigure| (printed.figure.kind, printed.figure.key.clone());
            let found = printed_figures
                .into_iter()
                .find(|other| key(other) == key(figure));
            match found {
                Some(found) => {
                    result.differences = differences(&figure.texts, &found.texts);
                    result.sentence = found.sentence;
                }
                None => result
                    .reasons
                    .push("the computed report has no such figure".to_string()),
            }
            let is_same = result.differences.is_empty() && result.reasons.is_empty();
            result.status = if is_same {
                Status::Same
            } else {
                Status::Different
            };
        }
        // In the provenance, the versions themselves are the figures.
        if figure.figure.kind == FigureKind::Provenance {
            let problems = self.dataset_problems(&self.run.plan.nodes.iter().collect::<Vec<_>>());
            if !problems.is_empty() {
                result.status = Status::Different;
            }
        }
        if result.status != Status::Same {
            let causes = self.causes(figure, &nodes);
            if causes.is_empty() && result.reasons.is_empty() {
                result.reasons.push(
                    "program, job and datasets are those of the run: this is a bug, please report it"
                        .to_string(),
                );
            }
            result.reasons.extend(causes);
        }
        result.took = started.elapsed();
        Ok(result)
    }

    /// Changes since the run that may explain a difference.
    fn causes(&self, figure: &PrintedFigure, nodes: &[&Node]) -> Vec<String> {
        let mut causes: Vec<String> = self
            .run
            .altered_files()
            .into_iter()
            .map(|name| format!("{name} was changed after the run: checksums.b3 has another hash"))
            .collect();
        let (old, new) = (&self.run.report.provenance.build, executor::build(BUILD));
        if *old != new {
            causes.push(format!("the report was created by {old}; this is {new}"));
        }
        for node in nodes {
            let version = self.catalogue.code_version(node.kind());
            if version != node.code_version {
                causes.push(format!(
                    "the code of {} changed: version {} in the run, {version} now",
                    node.name, node.code_version
                ));
            }
        }
        for node in self.with_sources(nodes) {
            let contract = node.source().map(|source| &source.contract);
            let hash = contract.map(|name| self.catalogue.contract_hash(name));
            if hash.is_some_and(|hash| hash != node.contract_hash) {
                causes.push(format!("the contract of {} changed", node.name));
            }
        }
        let compared: Vec<&Node> = match figure.figure.kind {
            FigureKind::Provenance => self.run.plan.nodes.iter().collect(),
            _ => nodes.to_vec(),
        };
        causes.extend(self.dataset_problems(&compared));
        causes
    }

    /// The sources among nodes and their direct inputs.
    fn with_sources(&self, nodes: &[&'a Node]) -> Vec<&Node> {
        let inputs = nodes.iter().flat_map(|node| &node.inputs);
        let names = nodes.iter().map(|node| &node.name).chain(inputs);
        let names: BTreeSet<&String> = names.collect();
        let found = names
            .into_iter()
            .filter_map(|name| self.run.plan.node(name));
        found.filter(|node| node.is_source()).collect()
    }

    /// Recorded versions of datasets that are missing, or do not have the rows that the run read.
    fn dataset_problems(&self, nodes: &[&Node]) -> Vec<String> {
        let datasets = nodes.iter().flat_map(|node| self.run.datasets(node));
        let mut problems = Vec::new();
        for dataset in datasets {
            let check = self.executor.dataset_problem(&dataset, &self.context);
            let problem = self.runtime.block_on(check);
            problems.extend(problem.filter(|problem| !problems.contains(problem)));
        }
        problems
    }
}

/// Advice for an unknown ID: similar IDs.
pub fn suggest_id(id: &str, figures: &[PrintedFigure]) -> String {
    let ids: Vec<&str> = figures
        .iter()
        .map(|printed| printed.figure.id.as_str())
        .collect();
    let lower = id.to_lowercase();
    if let Some(same) = ids.iter().find(|known| **known == lower) {
        return format!("did you mean {same}?");
    }
    let mut same_letter = ids.iter().filter(|known| {
        let letter = lower.chars().next();
        letter.is_some() && known.chars().next() == letter
    });
    match (same_letter.next(), same_letter.next_back()) {
        (Some(first), Some(last)) => format!("there are {first} to {last}"),
        (Some(only), None) => format!("did you mean {only}?"),
        (None, _) => match suggest::nearest(id, ids.iter().copied()) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => {
                let mut firsts: Vec<&str> = Vec::new();
                for known in &ids {
                    if firsts.iter().all(|first| first[..1] != known[..1]) {
                        firsts.push(known);
                    }
                }
                format!("IDs start with {}", firsts.join(", "))
            }
        },
    }
}

/// Compares the texts of two figures.
fn differences(old: &[Value], new: &[Value]) -> Vec<Difference> {
    let mut differences = Vec::new();
    let missing = Value::Null;
    for i in 0..old.len().max(new.len()) {
        compare(
            "",
            old.get(i).unwrap_or(&missing),
            new.get(i).unwrap_or(&missing),
            &mut differences,
        );
    }
    differences.dedup();
    differences.truncate(DIFFERENCES_MAX);
    differences
}

fn compare(name: &str, old: &Value, new: &Value, differences: &mut Vec<Difference>) {
    if old == new {
        return;
    }
    let inner = |key: &str| match name {
        "" => key.to_string(),
        _ => format!("{name}.{key}"),
    };
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                compare(&inner(key), &old[key], &new[key], differences);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for i in 0..a.len().max(b.len()) {
                compare(&inner(&(i + 1).to_string()), &old[i], &new[i], differences);
            }
        }
        _ => {
            let text = |value: &Value| match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            differences.push(Difference {
                text: name.to_string(),
                printed: text(old),
                recomputed: text(new),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_domain::Figure;
    use serde_json::json;

    #[test]
    fn differences_name_the_texts() {
        let old = [json!({"text": "97.2 %", "n": "10", "rows": [["a", "1"]]})];
        let new = [json!({"text": "97.3 %", "n": "10", "rows": [["a", "2"]]})];
        assert!(differences(&old, &old).is_empty());
        let found = differences(&old, &new);
        let names: Vec<&str> = found
            .iter()
            .map(|difference| difference.text.as_str())
            .collect();
        assert_eq!(names, ["rows.1.2", "text"]);
        assert_eq!(found[1].printed.as_deref(), Some("97.2 %"));
        assert_eq!(found[1].recomputed.as_deref(), Some("97.3 %"));
    }

    #[test]
    fn similar_ids_are_suggested_for_unknown_ones() {
        let figure = |id: &str| PrintedFigure {
            figure: Figure {
                id: id.to_string(),
                kind: FigureKind::Kpi,
                pointers: Vec::new(),
                nodes: Vec::new(),
                key: String::new(),
            },
            sentence: String::new(),
            texts: Vec::new(),
        };
        let figures: Vec<PrintedFigure> = ["v1", "k1", "k2", "k3", "f1"].map(figure).into();
        for (id, advice) in [
            ("K2", "did you mean k2?"),
            ("k9", "there are k1 to k3"),
            ("f7", "did you mean f1?"),
            ("x", "IDs start with v1, k1, f1"),
        ] {
            assert_eq!(suggest_id(id, &figures), advice);
        }
    }
}
