//! All commits of a branch, oldest first.

use crate::{HistoryError, commit::Commit, objects::Objects};
use gix::{ObjectId, objs::Kind};
use jiff::Timestamp;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::atomic::{AtomicBool, Ordering},
};

/// A commit in its place among the others: about a hundred bytes, whatever its message.
struct Node {
    id: ObjectId,
    at: Timestamp,
    /// Its parents, from here to the next node's, in `Graph::parents`.
    parents: usize,
}

/// Commits and their parents.
#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    parents: Vec<usize>,
}

/// The ancestors of `head` that were made at or after `since`.
///
/// A parent precedes its children; among commits whose parents are written, the one with the earlier
/// committer's time comes first, then the one with the smaller id. The whole history is visited,
/// also before `since`: clocks can be wrong, so a younger commit may have an older descendant. The
/// expensive part, the comparison of files, is only done for the selected commits.
pub fn commits(
    objects: &Objects,
    head: ObjectId,
    since: Option<Timestamp>,
    cancel: &AtomicBool,
) -> Result<Vec<ObjectId>, HistoryError> {
    let graph = Graph::behind(objects, head, cancel)?;
    let order = graph.order();
    let chosen = order
        .into_iter()
        .map(|index| &graph.nodes[index])
        .filter(|node| since.is_none_or(|since| node.at >= since));
    Ok(chosen.map(|node| node.id).collect())
}

impl Graph {
    fn behind(
        objects: &Objects,
        head: ObjectId,
        cancel: &AtomicBool,
    ) -> Result<Self, HistoryError> {
        let mut graph = Self::default();
        let mut index: HashMap<ObjectId, usize> = HashMap::from([(head, 0)]);
        let mut found = vec![head];
        let mut buffer = Vec::new();
        while let Some(id) = found.get(graph.nodes.len()).copied() {
            if cancel.load(Ordering::Relaxed) {
                return Err(HistoryError::Cancelled);
            }
            let commit = read(objects, id, &mut buffer)?;
            graph.nodes.push(Node {
                id,
                at: commit.committer.at,
                parents: graph.parents.len(),
            });
            for parent in commit.parents {
                let at = *index.entry(parent).or_insert_with(|| {
                    found.push(parent);
                    found.len() - 1
                });
                graph.parents.push(at);
            }
        }
        Ok(graph)
    }

    fn parents(&self, index: usize) -> &[usize] {
        let end = self
            .nodes
            .get(index + 1)
            .map_or(self.parents.len(), |next| next.parents);
        &self.parents[self.nodes[index].parents..end]
    }

    /// Parents before children, then by time and id.
    fn order(&self) -> Vec<usize> {
        let (starts, children) = self.children();
        let mut waiting: Vec<usize> = (0..self.nodes.len())
            .map(|n| self.parents(n).len())
            .collect();
        let key = |index: usize| Reverse((self.nodes[index].at, self.nodes[index].id, index));
        let mut ready: BinaryHeap<_> = (0..self.nodes.len())
            .filter(|index| waiting[*index] == 0)
            .map(key)
            .collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(Reverse((_, _, index))) = ready.pop() {
            order.push(index);
            for child in &children[starts[index]..starts[index + 1]] {
                waiting[*child] -= 1;
                if waiting[*child] == 0 {
                    ready.push(key(*child));
                }
            }
        }
        order
    }

    /// The parents, turned round: where the children of each begin, and the children.
    fn children(&self) -> (Vec<usize>, Vec<usize>) {
        let mut starts = vec![0; self.nodes.len() + 1];
        for parent in &self.parents {
            starts[parent + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut children = vec![0; self.parents.len()];
        for child in 0..self.nodes.len() {
            for parent in self.parents(child) {
                children[next[*parent]] = child;
                next[*parent] += 1;
            }
        }
        (starts, children)
    }
}

/// A commit by its id.
pub fn read<'a>(
    objects: &Objects,
    id: ObjectId,
    buffer: &'a mut Vec<u8>,
) -> Result<Commit<'a>, HistoryError> {
    let data = objects.read(&id, Kind::Commit, buffer)?;
    Commit::parse(data)
        .ok_or_else(|| objects.damaged(Kind::Commit, &id, "its lines are no commit's".to_string()))
}
