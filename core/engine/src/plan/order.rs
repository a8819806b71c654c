//! The topological order of a plan's nodes.

use retrocast_run::Node;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Orders nodes so that each comes after its inputs; ties follow the order of the file.
pub(super) fn in_order(nodes: Vec<Node>) -> Vec<Node> {
    let inputs = positions(&nodes);
    let readers = readers(&inputs);
    let mut missing: Vec<usize> = inputs.iter().map(Vec::len).collect();
    let all = 0..nodes.len();
    let mut ready: BinaryHeap<Reverse<usize>> = all
        .clone()
        .filter(|at| missing[*at] == 0)
        .map(Reverse)
        .collect();
    let mut waiting: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    // Cycles were rejected before; if there were one, its nodes would come last.
    while let Some(Reverse(at)) = ready.pop() {
        ordered.extend(waiting[at].take());
        for reader in &readers[at] {
            missing[*reader] -= 1;
            if missing[*reader] == 0 {
                ready.push(Reverse(*reader));
            }
        }
    }
    ordered.extend(waiting.into_iter().flatten());
    ordered
}

/// Indices of each node's inputs.
pub(crate) fn positions(nodes: &[Node]) -> Vec<Vec<usize>> {
    let places = places(nodes);
    let place = |name: &String| places.get(name).copied();
    let inputs = |node: &Node| node.inputs.iter().filter_map(place).collect();
    nodes.iter().map(inputs).collect()
}

/// Indices of the nodes that read each node.
pub(crate) fn readers(inputs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); inputs.len()];
    for (reader, inputs) in inputs.iter().enumerate() {
        inputs.iter().for_each(|input| readers[*input].push(reader));
    }
    readers
}

/// Indices of nodes by full name.
fn places(nodes: &[Node]) -> BTreeMap<String, usize> {
    let names = nodes.iter().map(|node| node.name.clone());
    names.zip(0..).collect()
}
