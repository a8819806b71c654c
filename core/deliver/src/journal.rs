//! What became of each node of a run, as its journal tells it.

use crate::{Error, words::clean};
use retrocast_domain::number::{NBSP, count, fixed};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
};

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

/// What became of each node, in the order in which the journal first names them.
pub(crate) fn nodes(journal: &Path) -> Result<Vec<NodeView>, Error> {
    #[derive(Debug, Default)]
    struct Node {
        name: String,
        outcome: String,
        rows: Option<u64>,
        duration_ms: Option<f64>,
    }
    let error = |source| Error::File {
        what: "read",
        path: journal.to_path_buf(),
        source,
    };
    let file = match std::fs::File::open(journal) {
        Ok(file) => file,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(error(source)),
    };
    let mut found: Vec<Node> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(error)?;
        // A killed run leaves half a line behind; what can be read is still worth showing.
        let Ok(event) = serde_json::from_slice::<serde_json::Value>(&line) else {
            continue;
        };
        let text = |name: &str| event.get(name).and_then(serde_json::Value::as_str);
        let (Some(name), Some(kind)) = (text("node"), text("event")) else {
            continue;
        };
        let Some(kind) = kind.strip_prefix("node_") else {
            continue;
        };
        let at = *places.entry(name.to_string()).or_insert_with(|| {
            found.push(Node {
                name: name.to_string(),
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
        node.rows = event
            .get("rows")
            .and_then(serde_json::Value::as_u64)
            .or(node.rows);
        let duration = event.get("duration_ms").and_then(serde_json::Value::as_f64);
        node.duration_ms = duration
            .filter(|d| d.is_finite() && *d >= 0.0)
            .or(node.duration_ms);
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
