//! The stage map: the plan of a run drawn as a graph, sources at the left.
//!
//! Columns of nodes follow from their longest path from a source; edges are curves from right edge
//! to left edge. Within a column, nodes are ordered by the mean position of their inputs, which
//! keeps crossings few without a search.

use retrocast_domain::report::PlanNode;
use std::{collections::BTreeMap, fmt::Write as _};

/// A drawing of a plan.
pub struct StageMap {
    /// SVG text.
    pub svg: String,
    /// The same in words.
    pub alt: String,
}

const WIDTH: f64 = 482.0;
const ROW: f64 = 30.0;
const BOX: f64 = 21.0;
/// A larger map is unreadable on a page; the table beside it has the same content.
const COLUMNS_MAX: usize = 6;
const ROWS_MAX: usize = 18;

/// Draws a plan; `None` when it is empty or too large for a page.
pub fn draw(plan: &[PlanNode]) -> Option<StageMap> {
    let columns = columns(plan);
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    if rows == 0 || rows > ROWS_MAX || columns.len() > COLUMNS_MAX {
        return None;
    }
    let height = rows as f64 * ROW + 6.0;
    let gap = if columns.len() >= 5 { 22.0 } else { 42.0 };
    let width = ((WIDTH - gap * (columns.len() as f64 - 1.0)) / columns.len() as f64).min(128.0);
    let step = if columns.len() > 1 {
        (WIDTH - width) / (columns.len() as f64 - 1.0)
    } else {
        0.0
    };
    let mut places = BTreeMap::new();
    for (x, column) in columns.iter().enumerate() {
        let top = (height - column.len() as f64 * ROW) / 2.0 + (ROW - BOX) / 2.0;
        for (y, node) in column.iter().enumerate() {
            places.insert(node.name.as_str(), (x as f64 * step, top + y as f64 * ROW));
        }
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"Inter\">"
    );
    for node in plan {
        let Some(&(x, y)) = places.get(node.name.as_str()) else {
            continue;
        };
        for input in &node.inputs {
            if let Some(&(from_x, from_y)) = places.get(input.as_str()) {
                edge(
                    &mut svg,
                    (from_x + width, from_y + BOX / 2.0),
                    (x, y + BOX / 2.0),
                );
            }
        }
    }
    for node in plan {
        if let Some(&(x, y)) = places.get(node.name.as_str()) {
            shape(&mut svg, node, x, y, width);
        }
    }
    svg.push_str("</svg>");
    Some(StageMap {
        svg,
        alt: alt(plan),
    })
}

/// Nodes by their longest path from a node without inputs.
fn columns(plan: &[PlanNode]) -> Vec<Vec<&PlanNode>> {
    let mut level: BTreeMap<&str, usize> = plan.iter().map(|n| (n.name.as_str(), 0)).collect();
    // As many rounds as nodes settle every acyclic plan.
    for _ in 0..plan.len() {
        for node in plan {
            let inputs = node
                .inputs
                .iter()
                .filter_map(|input| level.get(input.as_str()));
            let deepest = inputs.max().map_or(0, |deepest| deepest + 1);
            level.insert(&node.name, deepest.min(COLUMNS_MAX + 1));
        }
    }
    let count = level.values().max().map_or(0, |deepest| deepest + 1);
    let mut columns: Vec<Vec<&PlanNode>> = vec![Vec::new(); count];
    for node in plan {
        columns[level[node.name.as_str()]].push(node);
    }
    let mut place: BTreeMap<&str, f64> = BTreeMap::new();
    for column in &mut columns {
        let mean = |node: &PlanNode| {
            let known: Vec<f64> = node
                .inputs
                .iter()
                .filter_map(|input| place.get(input.as_str()).copied())
                .collect();
            if known.is_empty() {
                0.0
            } else {
                known.iter().sum::<f64>() / known.len() as f64
            }
        };
        let mut keyed: Vec<(f64, &PlanNode)> = column.iter().map(|n| (mean(n), *n)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rows = keyed.len() as f64;
        *column = keyed.into_iter().map(|(_, node)| node).collect();
        for (y, node) in column.iter().enumerate() {
            place.insert(&node.name, (y as f64 + 0.5) / rows);
        }
    }
    columns
}

fn edge(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let middle = f64::midpoint(from.0, to.0);
    let _ = write!(
        svg,
        "<path d=\"M{:.1} {:.1}C{middle:.1} {:.1} {middle:.1} {:.1} {:.1} {:.1}\" fill=\"none\" \
         stroke=\"#B8C2CC\" stroke-width=\"0.7\"/>",
        from.0, from.1, from.1, to.1, to.0, to.1
    );
}

fn shape(svg: &mut String, node: &PlanNode, x: f64, y: f64, width: f64) {
    let (fill, stroke) = match (node.status.as_str(), node.kind.as_str()) {
        ("failed", _) => ("#FBEBE9", "#B3261E"),
        ("not enough", _) => ("#FFF6E0", "#8A5A00"),
        (_, "source") => ("#E8F0F8", "#0B5FA5"),
        _ => ("#FFFFFF", "#7A8794"),
    };
    let _ = write!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BOX}\" rx=\"2\" \
         fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"0.6\"/>"
    );
    let short = node
        .name
        .split_once('.')
        .map_or(node.name.as_str(), |(_, name)| name);
    let room = (width / 4.3) as usize;
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"7.2\" font-weight=\"500\" fill=\"#1B242C\">{}\
         </text><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"5.8\" fill=\"#5A6672\">{}</text>",
        x + 5.0,
        y + 9.0,
        escape(&clip(short, room)),
        x + 5.0,
        y + 17.0,
        escape(&clip(&detail(node), room + 6)),
    );
}

fn detail(node: &PlanNode) -> String {
    let mut text = node.kind.clone();
    if let Some(rows) = node.rows {
        let _ = write!(text, " · {}", retrocast_domain::number::plural(rows, "row"));
    }
    if node.status != "done" && !node.status.is_empty() {
        let _ = write!(text, " · {}", node.status);
    }
    text
}

fn clip(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_string();
    }
    text.chars()
        .take(room.saturating_sub(1))
        .chain(['…'])
        .collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn alt(plan: &[PlanNode]) -> String {
    let mut text = String::from("Stage map.");
    for node in plan {
        if node.inputs.is_empty() {
            let _ = write!(text, " {}: no inputs.", node.name);
        } else {
            let _ = write!(text, " {} reads {}.", node.name, node.inputs.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, inputs: &[&str]) -> PlanNode {
        PlanNode {
            name: name.to_string(),
            kind: "sql".to_string(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            rows: None,
            status: "done".to_string(),
        }
    }

    #[test]
    fn columns_follow_the_longest_path() {
        let plan = [node("c", &["a", "b"]), node("b", &["a"]), node("a", &[])];
        let names: Vec<Vec<&str>> = columns(&plan)
            .iter()
            .map(|column| column.iter().map(|node| node.name.as_str()).collect())
            .collect();
        assert_eq!(names, [["a"], ["b"], ["c"]]);
    }

    #[test]
    fn hostile_names_stay_text_and_cycles_end() {
        let plan = [
            node("a</text><script>", &["b"]),
            node("b", &["a</text><script>"]),
        ];
        assert!(draw(&plan).is_none_or(|map| !map.svg.contains("<script>")));
        let map = draw(&[node("</svg>", &[])])
            .map(|map| map.svg)
            .unwrap_or_default();
        assert_eq!(map.matches("</svg>").count(), 1);
        assert!(draw(&[]).is_none());
    }
}
