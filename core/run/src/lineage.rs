//! The lineage of figures: hashes of everything that they depend on, besides records.

use crate::{
    plan::{Node, Plan},
    published::Lineage,
};
use retrocast_domain::canonical;
use serde::Serialize;
use std::collections::BTreeSet;

impl Plan {
    /// The lineage of the figures of a node.
    pub fn lineage(&self, node: &Node) -> Lineage {
        let inputs = self.ancestors(node);
        let code = |node: &Node| (node.kind().to_string(), node.code_version);
        let definition = |node: &&Node| {
            let config = node.spec.config().into_owned();
            (node.name.clone(), config, node.contract_hash.clone())
        };
        Lineage {
            definition: short_hash(&node.spec.config()),
            input_definition: short_hash(&inputs.iter().map(definition).collect::<Vec<_>>()),
            code: short_hash(&code(node)),
            input_code: short_hash(&inputs.iter().map(|node| code(node)).collect::<Vec<_>>()),
        }
    }

    /// All nodes that a node reads, directly or through others, by name.
    pub fn ancestors(&self, node: &Node) -> Vec<&Node> {
        let mut names = BTreeSet::new();
        let mut next: Vec<&String> = node.inputs.iter().collect();
        while let Some(name) = next.pop() {
            if names.insert(name) {
                next.extend(self.node(name).into_iter().flat_map(|node| &node.inputs));
            }
        }
        names
            .into_iter()
            .filter_map(|name| self.node(name))
            .collect()
    }
}

fn short_hash<T: Serialize>(value: &T) -> String {
    canonical::hash(value)[..16].to_string()
}
