//! The result of each node of a run, from its journal.

use crate::{Error, words::clean};
use retrocast_domain::number::{NBSP, count, fixed};
use retrocast_run::{EventKind, Journal};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// A node of a run's plan, from the journal.
#[derive(Debug, Serialize)]
pub(crate) struct NodeView {
    name: String,
    outcome: &'static str,
    rows: String,
    time: String,
    /// Duration as a percentage of the longest node's.
    share: String,
}

/// The result of each node of a run folder, in the order of the journal.
pub(crate) fn nodes(folder: &Path) -> Result<Vec<NodeView>, Error> {
    #[derive(Debug, Default)]
    struct Node {
        name: String,
        outcome: &'static str,
        rows: Option<u64>,
        duration_ms: Option<u64>,
    }
    let mut nodes: Vec<Node> = Vec::new();
    let mut indices: BTreeMap<String, usize> = BTreeMap::new();
    for event in Journal::read_or_empty(folder)? {
        let (Some(name), Some(outcome)) = (event.node, outcome(event.event)) else {
            continue;
        };
        let index = *indices.entry(name.clone()).or_insert_with(|| {
            nodes.push(Node {
                name,
                ..Node::default()
            });
            nodes.len() - 1
        });
        let node = &mut nodes[index];
        node.outcome = outcome;
        node.rows = event.rows.or(node.rows);
        node.duration_ms = event.duration_ms.or(node.duration_ms);
    }
    let longest = nodes
        .iter()
        .filter_map(|node| node.duration_ms)
        .max()
        .unwrap_or(0);
    Ok(nodes
        .into_iter()
        .map(|node| NodeView {
            name: clean(&node.name, 120),
            outcome: node.outcome,
            rows: node.rows.map(count).unwrap_or_default(),
            time: node.duration_ms.map(duration).unwrap_or_default(),
            share: match node.duration_ms {
                Some(ms) if longest > 0 => format!("{:.1}", ms as f64 / longest as f64 * 100.0),
                _ => "0".to_string(),
            },
        })
        .collect())
}

/// The word for the result of a node, from its last event.
fn outcome(event: EventKind) -> Option<&'static str> {
    Some(match event {
        EventKind::NodeStarted => "not finished",
        EventKind::NodeWaiting => "waiting",
        EventKind::NodeRetried => "retried",
        EventKind::NodeFinished => "run",
        EventKind::NodeReused => "reused",
        EventKind::NodeFailed => "failed",
        EventKind::NodeCancelled => "cancelled",
        EventKind::NodeSkipped => "skipped",
        EventKind::RunStarted | EventKind::RunResumed | EventKind::RunFinished => return None,
    })
}

/// Formats a duration: "12 ms", "1.2 s", "1 min 1 s".
fn duration(ms: u64) -> String {
    let ms = ms as f64;
    if ms < 1000.0 {
        return format!("{}{NBSP}ms", fixed(ms, 0));
    }
    if ms < 60_000.0 {
        return format!("{}{NBSP}s", fixed(ms / 1000.0, 1));
    }
    let seconds = (ms / 1000.0).round() as u64;
    format!("{} min {} s", count(seconds / 60), seconds % 60).replace(' ', "\u{a0}")
}
