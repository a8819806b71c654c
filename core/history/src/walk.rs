//! Orders all commits of a branch, oldest first.

use crate::log::timestamp;
use jiff::Timestamp;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

/// A commit.
struct Node<'a> {
    id: &'a str,
    time: Timestamp,
    /// Index of its first parent in `Graph::parents`; the parents of the next node follow its own.
    first_parent: usize,
}

/// Commits and their parents.
struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    parents: Vec<usize>,
}

/// Orders the commits that `git rev-list --timestamp --parents` lists, and selects the commits made
/// at or after `since`. `None` if a parent is not listed.
///
/// Parents come before their children; among commits whose parents are all listed, the earliest
/// committer's time comes first, then the smaller id. Every commit is visited, even the ancestors
/// of a commit older than `since`: clocks may be wrong, so a newer commit may be an ancestor of an
/// older commit.
pub fn order(list: &str, since: Option<Timestamp>) -> Option<Vec<&str>> {
    let graph = Graph::parse(list)?;
    let order = graph.order();
    let selected = order
        .into_iter()
        .map(|index| &graph.nodes[index])
        .filter(|node| since.is_none_or(|since| node.time >= since));
    Some(selected.map(|node| node.id).collect())
}

impl<'a> Graph<'a> {
    fn parse(list: &'a str) -> Option<Self> {
        let words = |line: &'a str| line.split(' ').filter(|word| !word.is_empty());
        let ids = list.lines().filter_map(|line| words(line).nth(1));
        let positions: HashMap<&str, usize> = ids
            .enumerate()
            .map(|(position, id)| (id, position))
            .collect();
        let mut graph = Self {
            nodes: Vec::with_capacity(positions.len()),
            parents: Vec::with_capacity(positions.len()),
        };
        for line in list.lines() {
            let mut words = words(line);
            graph.nodes.push(Node {
                time: timestamp(words.next()?.as_bytes()),
                id: words.next()?,
                first_parent: graph.parents.len(),
            });
            for parent in words {
                graph.parents.push(*positions.get(parent)?);
            }
        }
        Some(graph)
    }

    fn parents(&self, index: usize) -> &[usize] {
        let end = self
            .nodes
            .get(index + 1)
            .map_or(self.parents.len(), |next| next.first_parent);
        &self.parents[self.nodes[index].first_parent..end]
    }

    /// Orders the commits: parents before children, then by time and id.
    fn order(&self) -> Vec<usize> {
        let (starts, children) = self.children();
        let mut unlisted_parents: Vec<usize> = (0..self.nodes.len())
            .map(|n| self.parents(n).len())
            .collect();
        let key = |index: usize| Reverse((self.nodes[index].time, self.nodes[index].id, index));
        let mut ready: BinaryHeap<_> = (0..self.nodes.len())
            .filter(|index| unlisted_parents[*index] == 0)
            .map(key)
            .collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(Reverse((_, _, index))) = ready.pop() {
            order.push(index);
            for child in &children[starts[index]..starts[index + 1]] {
                unlisted_parents[*child] -= 1;
                if unlisted_parents[*child] == 0 {
                    ready.push(key(*child));
                }
            }
        }
        order
    }

    /// Inverts the parents; returns the index of each commit's first child, and the children.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_ordered_by_parents_then_times_then_ids() {
        let list = "9 d c b\n1 c a\n5 b a\n5 e a\n7 a\n";
        assert_eq!(order(list, None), Some(vec!["a", "c", "b", "e", "d"]));
        let since = Timestamp::from_second(7).ok();
        assert_eq!(order(list, since), Some(vec!["a", "d"]));
        assert_eq!(order("", None), Some(Vec::new()));
        assert_eq!(order("1 b a\n", None), None, "a truncated history");
    }
}
