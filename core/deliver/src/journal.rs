//! What became of each node of a run, as its journal tells it.

use crate::{Error, run_folder, words::clean};
use retrocast_domain::number::{NBSP, count, fixed};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// A node of a run's plan as the journal tells it.
#[derive(Debug, Serialize)]
pub(crate) struct NodeView {
    name: String,
    outcome: String,
    rows: String,
    time: String,
    /// Of the longest node, in per cent.
    share: String,
}

/// What became of each node, in the order in which the journal of a run's folder first names them.
pub(crate) fn nodes(folder: &Path) -> Result<Vec<NodeView>, Error> {
    #[derive(Debug, Default)]
    struct Node {
        name: String,
        outcome: String,
        rows: Option<u64>,
        duration_ms: Option<f64>,
    }
    let mut found: Vec<Node> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for event in run_folder::events(folder)? {
        let kind = event.event.strip_prefix("node_");
        let (Some(name), Some(kind)) = (event.node, kind) else {
            continue;
        };
        let at = *places.entry(name.clone()).or_insert_with(|| {
            found.push(Node {
                name,
                ..Node::default()
            });
            found.len() - 1
        });
        let node = &mut found[at];
        node.outcome = match kind {
            "started" => "not finished".to_string(),
            "finished" => "run".to_string(),
            other => clean(&other.replace('_', " "), 40),
        };
        node.rows = event.rows.or(node.rows);
        let duration = event.duration_ms.filter(|d| d.is_finite() && *d >= 0.0);
        node.duration_ms = duration.or(node.duration_ms);
    }
    let longest = found
        .iter()
        .filter_map(|node| node.duration_ms)
        .fold(0.0, f64::max);
    Ok(found
        .into_iter()
        .map(|node| NodeView {
            name: clean(&node.name, 120),
            outcome: node.outcome,
            rows: node.rows.map(count).unwrap_or_default(),
            time: node.duration_ms.map(duration).unwrap_or_default(),
            share: match node.duration_ms {
                Some(ms) if longest > 0.0 => format!("{:.1}", ms / longest * 100.0),
                _ => "0".to_string(),
            },
        })
        .collect())
}

/// "12 ms", "1.2 s", "1 min 1 s".
fn duration(ms: f64) -> String {
    if ms < 1000.0 {
        return format!("{}{NBSP}ms", fixed(ms, 0));
    }
    if ms < 60_000.0 {
        return format!("{}{NBSP}s", fixed(ms / 1000.0, 1));
    }
    let seconds = (ms / 1000.0).round() as u64;
    format!("{} min {} s", count(seconds / 60), seconds % 60).replace(' ', "\u{a0}")
}
