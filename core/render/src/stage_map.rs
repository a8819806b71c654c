//! Draws the stage map: the plan of a run as a graph, with sources on the left.
//!
//! The column of a node is its longest path from a source; edges are curves from right edge to left
//! edge. An edge across several columns has its own lane between their boxes (Sugiyama, Tagawa and
//! Toda 1981), so that no line runs behind a box. Within a column, nodes and lanes are ordered by
//! the mean position of their inputs, which gives few crossings without a search.

use retrocast_domain::report::PlanNode;
use std::{collections::BTreeMap, fmt::Write as _};

/// The picture of a plan.
pub struct StageMap {
    /// SVG text.
    pub svg: String,
    /// Alternative text.
    pub alt: String,
}

/// Width of the picture, in points.
const WIDTH: f64 = 482.0;
/// Height of a row with a box, in points.
const ROW: f64 = 30.0;
/// Height of a box, in points.
const BOX: f64 = 21.0;
/// Height of a lane, in points.
const LANE: f64 = 9.0;
/// Maximum number of columns, and of rows in a column; a larger map is illegible, and the table
/// beside it has the same content.
const COLUMNS_MAX: usize = 6;
const ROWS_MAX: usize = 18;

/// An entry of a column: a box, or a lane for the edges of a node to later columns.
#[derive(Clone, Copy)]
enum Slot<'a> {
    Node(&'a PlanNode),
    Lane(&'a str),
}

impl<'a> Slot<'a> {
    /// The node of a box, or the source of a lane.
    fn name(self) -> &'a str {
        match self {
            Self::Node(node) => &node.name,
            Self::Lane(name) => name,
        }
    }

    fn height(self) -> f64 {
        match self {
            Self::Node(_) => ROW,
            Self::Lane(_) => LANE,
        }
    }
}

/// Draws a plan; `None` if it is empty or too large for a page.
pub fn draw(plan: &[PlanNode]) -> Option<StageMap> {
    let columns = columns(plan);
    let is_node = |slot: &&Slot| matches!(slot, Slot::Node(_));
    let rows = |column: &Vec<Slot>| column.iter().filter(is_node).count();
    let rows_max = columns.iter().map(rows).max().unwrap_or(0);
    if rows_max == 0 || rows_max > ROWS_MAX || columns.len() > COLUMNS_MAX {
        return None;
    }
    let column_height = |column: &Vec<Slot>| column.iter().map(|slot| slot.height()).sum::<f64>();
    let height = columns.iter().map(column_height).fold(0.0, f64::max) + 6.0;
    let gap = if columns.len() >= 5 { 22.0 } else { 42.0 };
    let width = ((WIDTH - gap * (columns.len() as f64 - 1.0)) / columns.len() as f64).min(128.0);
    let step = if columns.len() > 1 {
        (WIDTH - width) / (columns.len() as f64 - 1.0)
    } else {
        0.0
    };
    // Vertical centres of the boxes and lanes of each column.
    let mut centres: Vec<BTreeMap<&str, f64>> = Vec::new();
    for column in &columns {
        let mut top = (height - column_height(column)) / 2.0;
        let mut by_name = BTreeMap::new();
        for slot in column {
            by_name.insert(slot.name(), top + slot.height() / 2.0);
            top += slot.height();
        }
        centres.push(by_name);
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"Inter\">"
    );
    let nodes = columns.iter().enumerate().flat_map(|(index, column)| {
        column.iter().filter_map(move |slot| match slot {
            Slot::Node(node) => Some((index, *node)),
            Slot::Lane(_) => None,
        })
    });
    let column_of: BTreeMap<&str, usize> = nodes
        .clone()
        .map(|(index, node)| (node.name.as_str(), index))
        .collect();
    for (to, node) in nodes.clone() {
        for input in &node.inputs {
            let Some(&from) = column_of.get(input.as_str()).filter(|from| **from < to) else {
                continue;
            };
            let target = centres[to].get(node.name.as_str());
            let lanes = (from..to).map(|column| centres[column].get(input.as_str()));
            let stops: Option<Vec<f64>> =
                lanes.chain([target]).map(Option::<&f64>::copied).collect();
            let line = stops.map(|stops| edge(from, &stops, step, width));
            svg.push_str(&line.unwrap_or_default());
        }
    }
    for (index, node) in nodes {
        if let Some(centre) = centres[index].get(node.name.as_str()) {
            draw_node(
                &mut svg,
                node,
                index as f64 * step,
                centre - BOX / 2.0,
                width,
            );
        }
    }
    svg.push_str("</svg>");
    Some(StageMap {
        svg,
        alt: alt(plan),
    })
}

/// Assigns nodes to columns by longest path from a node without inputs, and adds the lanes of edges
/// that pass a column.
fn columns(plan: &[PlanNode]) -> Vec<Vec<Slot<'_>>> {
    let mut depths: BTreeMap<&str, usize> = plan.iter().map(|n| (n.name.as_str(), 0)).collect();
    // One round per node suffices for every acyclic plan.
    for _ in 0..plan.len() {
        for node in plan {
            let inputs = node
                .inputs
                .iter()
                .filter_map(|input| depths.get(input.as_str()));
            let deepest = inputs.max().map_or(0, |deepest| deepest + 1);
            depths.insert(&node.name, deepest.min(COLUMNS_MAX + 1));
        }
    }
    let count = depths.values().max().map_or(0, |deepest| deepest + 1);
    let mut columns: Vec<Vec<Slot>> = vec![Vec::new(); count];
    // The last column in which each node is read.
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for node in plan {
        let column = depths[node.name.as_str()];
        columns[column].push(Slot::Node(node));
        for input in &node.inputs {
            let last_column = last.entry(input).or_default();
            *last_column = column.max(*last_column);
        }
    }
    for (name, last_column) in last {
        if let Some(from) = depths.get(name) {
            for column in columns.iter_mut().take(last_column).skip(from + 1) {
                column.push(Slot::Lane(name));
            }
        }
    }
    let mut positions: BTreeMap<&str, f64> = BTreeMap::new();
    for column in &mut columns {
        let mean = |slot: &Slot| {
            let position = |name: &str| positions.get(name).copied();
            let known: Vec<f64> = match slot {
                Slot::Node(node) => node
                    .inputs
                    .iter()
                    .filter_map(|name| position(name))
                    .collect(),
                Slot::Lane(name) => position(name).into_iter().collect(),
            };
            if known.is_empty() {
                0.0
            } else {
                known.iter().sum::<f64>() / known.len() as f64
            }
        };
        let mut keyed: Vec<(f64, Slot)> = column.iter().map(|slot| (mean(slot), *slot)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rows = keyed.len() as f64;
        *column = keyed.into_iter().map(|(_, slot)| slot).collect();
        for (y, slot) in column.iter().enumerate() {
            positions.insert(slot.name(), (y as f64 + 0.5) / rows);
        }
    }
    columns
}

/// A line from a box through lanes to another box; `stops` are the vertical positions, one per
/// column, starting at column `from`.
fn edge(from: usize, stops: &[f64], step: f64, width: f64) -> String {
    let right_edge = |column: usize| (from + column) as f64 * step + width;
    let mut path = format!("M{:.1} {:.1}", right_edge(0), stops[0]);
    for (column, pair) in stops.windows(2).enumerate() {
        let (left, [y, next]) = ((from + column + 1) as f64 * step, [pair[0], pair[1]]);
        let middle = f64::midpoint(right_edge(column), left);
        let _ = write!(
            path,
            "C{middle:.1} {y:.1} {middle:.1} {next:.1} {left:.1} {next:.1}"
        );
        if column + 2 < stops.len() {
            let _ = write!(path, "H{:.1}", right_edge(column + 1));
        }
    }
    format!("<path d=\"{path}\" fill=\"none\" stroke=\"#B8C2CC\" stroke-width=\"0.7\"/>")
}

fn draw_node(svg: &mut String, node: &PlanNode, x: f64, y: f64, width: f64) {
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
    let width_max = (width / 4.3) as usize;
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"7.2\" font-weight=\"500\" fill=\"#1B242C\">{}\
         </text><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"5.8\" fill=\"#5A6672\">{}</text>",
        x + 5.0,
        y + 9.0,
        escape(&clip(short, width_max)),
        x + 5.0,
        y + 17.0,
        escape(&clip(&detail(node), width_max + 6)),
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

fn clip(text: &str, width_max: usize) -> String {
    if text.chars().count() <= width_max {
        return text.to_string();
    }
    text.chars()
        .take(width_max.saturating_sub(1))
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
            .map(|column| column.iter().map(|slot| slot.name()).collect())
            .collect();
        // The edge from a to c has a lane beside b.
        assert_eq!(names, [vec!["a"], vec!["b", "a"], vec!["c"]]);
        let map = draw(&plan).expect("a map").svg;
        let has_lane = |line: &&str| line.contains('H');
        assert_eq!(map.split("<path").filter(has_lane).count(), 1, "{map}");
    }

    #[test]
    fn hostile_names_are_escaped_and_cycles_terminate() {
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
