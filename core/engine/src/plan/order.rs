//! The topological order of a plan's nodes.

use retrocast_run::Node;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Orders nodes so that each comes after its inputs; ties follow the order of the file.
pub(super) fn sort_topologically(nodes: Vec<Node>) -> Vec<Node> {
    let inputs = input_indices(&nodes);
    let readers = readers(&inputs);
    let mut missing: Vec<usize> = inputs.iter().map(Vec::len).collect();
    let indices = 0..nodes.len();
    let mut ready: BinaryHeap<Reverse<usize>> = indices
        .clone()
        .filter(|index| missing[*index] == 0)
        .map(Reverse)
        .collect();
    let mut waiting: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    // Cycles were rejected earlier; the nodes of a cycle would come last.
    while let Some(Reverse(index)) = ready.pop() {
        ordered.extend(waiting[index].take());
        for reader in &readers[index] {
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
pub(crate) fn input_indices(nodes: &[Node]) -> Vec<Vec<usize>> {
    let indices = indices_by_name(nodes);
    let index = |name: &String| indices.get(name).copied();
    let inputs = |node: &Node| node.inputs.iter().filter_map(index).collect();
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
fn indices_by_name(nodes: &[Node]) -> BTreeMap<String, usize> {
    let names = nodes.iter().map(|node| node.name.clone());
    names.zip(0..).collect()
}
