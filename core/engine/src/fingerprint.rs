//! The inputs of a node's outcome, and the hash of all of them.
//!
//! If the hash is equal, running the node again would give the cached outcome. If not, the
//! components describe what changed.

use retrocast_domain::{Outcome, canonical};
use retrocast_run::{Fingerprint, Node, Plan, PublishedWindow};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Version of the computation of fingerprints. Increase it with each change, so that no old
/// fingerprint matches.
const VERSION: u32 = 1;

/// The components that an outcome depends on: canonical JSON by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Components(BTreeMap<String, String>);

/// The identity of a node for its dependents: its fingerprint and the dataset versions it wrote. If
/// the node runs again, it writes new versions, so its dependents run again, too.
pub fn identity(fingerprint: &Fingerprint, outcome: &Outcome) -> String {
    canonical::hash(&(fingerprint, &outcome.datasets))
}

impl Components {
    /// Collects the components of a node. `records` identifies the records of a source; `inputs`
    /// are short names with identities.
    pub fn new(
        node: &Node,
        plan: &Plan,
        records: Option<&str>,
        inputs: &[(String, String)],
        build: &str,
    ) -> Self {
        let mut parts = BTreeMap::new();
        let mut add = |name: &str, value: serde_json::Value| {
            parts.insert(name.to_string(), canonical::json(&value));
        };
        add("code", json!([VERSION, node.kind(), node.code_version]));
        add("node", json!([plan.job, node.name]));
        for (key, value) in node.spec.config().as_object().into_iter().flatten() {
            add(&format!("config.{key}"), value.clone());
        }
        if let Some(records) = records {
            add("records", json!(records));
            add("contract", json!(node.contract_hash));
        } else {
            add("title", json!(node.title));
            add("window", json!(plan.window));
            add("compare", json!(plan.compare));
            add("seed", json!(plan.seed));
            // In an unfinished window, stages see records up to the day of the run.
            if plan.date < plan.window.end && !node.is_report() {
                add("date", json!(plan.date));
            }
        }
        for (name, identity) in inputs {
            add(&format!("input.{name}"), json!(identity));
        }
        for table in &node.ledger {
            let view = plan.ledger.as_ref();
            add(table, json!(view.map(|view| view.keys(table))));
        }
        let published = plan.published.as_ref();
        let published = published.map(|published| (published, published.of_stage(node.short())));
        if let Some((published, windows)) = published.filter(|(_, windows)| !windows.is_empty()) {
            let windows: Vec<_> = windows
                .iter()
                .map(|(window, stage)| {
                    let PublishedWindow {
                        window,
                        run,
                        build,
                        datasets,
                        ..
                    } = window;
                    json!([window, run, build, datasets, stage])
                })
                .collect();
            add("published", json!([published.change_min, windows]));
        }
        if node.is_report() {
            if !plan.decisions.is_empty() {
                add("decisions", json!(plan.decisions));
            }
            if !plan.closed.is_empty() {
                add("closed", json!(plan.closed));
            }
            // Reports list their inputs in this order.
            let order: Vec<_> = inputs.iter().map(|(name, _)| name).collect();
            add("date", json!(plan.date));
            add("params", json!(plan.params));
            add("order", json!(order));
            add("job", json!(plan.config_hash));
            add("build", json!(build));
        }
        Self(parts)
    }

    /// The hash of all components.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(canonical::hash(&self.0))
    }

    /// The changed components, with their values.
    pub fn differences(&self, old: &Self) -> Vec<Change> {
        let names: BTreeSet<&String> = self.0.keys().chain(old.0.keys()).collect();
        let value = |parts: &Self, name: &String| parts.0.get(name).cloned();
        let changes = names.into_iter().map(|name| Change {
            part: name.clone(),
            was: value(old, name),
            is: value(self, name),
        });
        changes.filter(|change| change.was != change.is).collect()
    }

    /// Describes the changes since `old`.
    pub fn changes(&self, old: &Self) -> Vec<String> {
        let mut names: Vec<&String> = self.0.keys().chain(old.0.keys()).collect();
        names.sort();
        names.dedup();
        let changed = names
            .into_iter()
            .filter(|name| self.0.get(*name) != old.0.get(*name));
        changed.map(|name| self.change(old, name)).collect()
    }

    fn change(&self, old: &Self, name: &str) -> String {
        let (was, is) = (old.0.get(name), self.0.get(name));
        if let Some(key) = name.strip_prefix("config.") {
            return match (was, is) {
                (Some(was), Some(is)) if was.len() + is.len() <= 100 => {
                    format!("config changed: {key} {was} → {is}")
                }
                (Some(_), Some(_)) => format!("config changed: {key}"),
                (None, _) => format!("config changed: {key} added"),
                (_, None) => format!("config changed: {key} removed"),
            };
        }
        if let Some(input) = name.strip_prefix("input.") {
            return match (was, is) {
                (Some(_), Some(_)) => format!("input {input} changed"),
                (None, _) => format!("input {input} added"),
                (_, None) => format!("input {input} removed"),
            };
        }
        let label = |text: Option<&String>| {
            let value = serde_json::from_str::<retrocast_domain::Window>(text?).ok()?;
            Some(value.label())
        };
        match (name, label(was), label(is)) {
            ("window", Some(was), Some(is)) if was != is => {
                format!("config changed: window {was} → {is}")
            }
            _ => format!("{name} changed"),
        }
    }
}

/// A changed component of the inputs of an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Name of the component: `records`, `config.query`, `input.tickets`.
    pub part: String,
    /// Canonical JSON of the old value; `None` for a new component.
    pub was: Option<String>,
    /// Canonical JSON of the new value; `None` for a removed component.
    pub is: Option<String>,
}

/// The decision to run or reuse a node, and the reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Full name of the node.
    pub node: String,
    /// True if its cached outcome is used.
    pub reuse: bool,
    /// Reasons in words: "new", "input tickets changed", "unchanged, reuse".
    pub reasons: Vec<String>,
    /// The components that changed since the node last ran, with their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support;
    use retrocast_run::NodeSpec;

    #[test]
    fn changes_are_described() {
        let plan = test_support::plan(test_support::JOB);
        let node = plan.node("stage.rhythm").unwrap();
        let inputs = [("tickets".to_string(), "a".to_string())];
        let old = Components::new(node, &plan, None, &inputs, "1");
        assert_eq!(old.changes(&old), Vec::<String>::new());

        let mut node = node.clone();
        let NodeSpec::Stage { params, .. } = &mut node.spec else {
            panic!("a stage");
        };
        params["least"] = 5.into();
        node.code_version += 1;
        let mut plan = plan.clone();
        plan.window = plan.window.back(1);
        let inputs = [("tickets".to_string(), "b".to_string())];
        let new = Components::new(&node, &plan, None, &inputs, "2");
        assert_eq!(
            new.changes(&old),
            [
                "code changed",
                "config changed: least added",
                "input tickets changed",
                "config changed: window 2026-W46 → 2026-W45",
            ]
        );
        assert_ne!(new.fingerprint(), old.fingerprint());
        assert_eq!(new.fingerprint().0.len(), 32);
        let changes = new.differences(&old);
        let parts: Vec<_> = changes.iter().map(|change| change.part.as_str()).collect();
        assert_eq!(parts, ["code", "config.least", "input.tickets", "window"]);
        assert_eq!(
            (changes[1].was.as_deref(), changes[1].is.as_deref()),
            (None, Some("5"))
        );
        assert_eq!(changes[2].was.as_deref(), Some("\"a\""));
    }

    #[test]
    fn sources_do_not_depend_on_the_window() {
        let plan = test_support::plan(test_support::JOB);
        let node = plan.node("source.tickets").unwrap();
        let mut other = plan.clone();
        other.window = plan.window.back(1);
        let parts = |plan: &Plan| Components::new(node, plan, Some("x"), &[], "").fingerprint();
        assert_eq!(parts(&plan), parts(&other));
    }
}
