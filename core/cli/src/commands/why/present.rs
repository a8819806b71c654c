//! Formats the output of `retrocast why` as text.

use super::{
    Explanation,
    computation::{Recomputation, Status},
    definition::{Definition, Input, NodeDefinition, RowFilter},
};
use crate::{commands::lake, terminal};
use retrocast_domain::{
    FigureKind,
    number::{count, plural},
};
use retrocast_render::view::PrintedFigure;
use std::fmt::Write as _;

/// Width of the labels.
const LABEL: usize = 12;
/// Number of nodes that are described completely.
const NODES_MAX: usize = 2;
/// Maximum length of a text, in characters.
const TEXT_MAX: usize = 600;

/// Formats one line per figure: ID, kind and sentence.
pub fn list(figures: &[PrintedFigure]) -> String {
    let mut text = String::new();
    for printed in figures {
        let line = format!(
            "  {:<5} {:<16} {}",
            printed.figure.id,
            printed.figure.kind.word(),
            terminal::truncate(&printed.sentence, 300)
        );
        let _ = writeln!(text, "{}", terminal::wrap(&line, 25));
    }
    text
}

/// Formats a complete explanation.
pub fn explanation(explanation: &Explanation<'_>) -> String {
    let Explanation {
        figure,
        definition,
        recomputation,
        rows,
        ..
    } = explanation;
    let mut text = String::new();
    let head = format!("{}  {}", figure.figure.id, figure.sentence);
    let _ = writeln!(text, "{}\n", terminal::wrap(&head, 4));
    define(&mut text, figure, definition);
    if let Some(rows) = rows {
        let _ = writeln!(
            text,
            "\n{} of {}",
            plural(rows.result.rows.len() as u64, "row"),
            count(rows.total)
        );
        text.push_str(&lake::table(&rows.result));
    }
    text.push('\n');
    recompute(&mut text, figure, recomputation);
    text
}

fn push_line(text: &mut String, label: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    let line = format!("  {label:<LABEL$}{}", terminal::truncate(value, TEXT_MAX));
    let _ = writeln!(text, "{}", terminal::wrap(&line, LABEL + 2));
}

fn define(text: &mut String, figure: &PrintedFigure, definition: &Definition) {
    push_line(text, "place", figure.figure.kind.word());
    push_line(
        text,
        "window",
        &format!("{} ({})", definition.window, definition.timezone),
    );
    push_line(text, "group", &definition.group);
    push_line(text, "period", &definition.period);
    if let Some(records) = definition.records {
        match figure.figure.kind {
            FigureKind::Kpi => push_line(text, "records", &count(records)),
            // The periods or records that the method counts.
            _ => push_line(text, "n", &plural(records, "observation")),
        }
    }
    if let Some(rows) = &definition.rows {
        push_line(text, "rows", &select(rows));
    }
    if definition.nodes.len() > NODES_MAX {
        let names: Vec<&str> = definition
            .nodes
            .iter()
            .map(|node| node.node.as_str())
            .collect();
        push_line(text, "computed by", &names.join(", "));
        return;
    }
    for node in &definition.nodes {
        define_node(text, node);
    }
}

/// The rows as a query.
fn select(rows: &RowFilter) -> String {
    match rows.condition.as_str() {
        "" => format!("select * from {}", rows.dataset),
        condition => format!("select * from {} where {condition}", rows.dataset),
    }
}

fn define_node(text: &mut String, node: &NodeDefinition) {
    text.push('\n');
    let name = match node.title.as_str() {
        "" => format!("{}, kind {}", node.node, node.kind),
        title => format!("{}, kind {}: {title}", node.node, node.kind),
    };
    push_line(text, "computed by", &name);
    push_line(text, "method", &node.method);
    let set = node.params.iter().filter(|param| param.set);
    let set: Vec<String> = set
        .map(|param| format!("{} = {}", param.name, param.value))
        .collect();
    push_line(text, "params", &set.join(" · "));
    if let Some(query) = &node.query {
        push_line(text, "query", &one_line(query));
    }
    for (i, input) in node.inputs.iter().enumerate() {
        push_line(text, if i == 0 { "reads" } else { "" }, &describe(input));
    }
    push_line(text, "ledger", &node.ledger.join(", "));
}

fn describe(input: &Input) -> String {
    let dataset = &input.dataset;
    let prefix = if input.depth > 0 { "from " } else { "" };
    let indent = "  ".repeat(input.depth);
    let rows = plural(dataset.rows, "row");
    let name = format!(
        "{indent}{prefix}{}@{} ({rows})",
        dataset.name, dataset.version
    );
    match (&input.records, &input.query) {
        (Some([uri, contract]), _) => format!("{name}: {uri}, contract {contract}"),
        (None, Some(query)) => format!("{name}: {}", one_line(query)),
        (None, None) => name,
    }
}

/// A query in one line.
fn one_line(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn recompute(text: &mut String, figure: &PrintedFigure, result: &Recomputation) {
    let seconds = format!("in {:.1} s", result.took.as_secs_f64());
    match result.status {
        Status::Same => {
            let line = format!(
                "recomputed: {}, as printed ({seconds})",
                short_text(figure, &result.sentence)
            );
            let _ = writeln!(text, "{}", terminal::wrap(&line, 2));
        }
        Status::Different => {
            let line = format!(
                "recomputed: {}, which differs ({seconds})",
                match result.sentence.as_str() {
                    "" => "nothing".to_string(),
                    sentence => short_text(figure, sentence),
                }
            );
            let _ = writeln!(text, "{}", terminal::wrap(&line, 2));
        }
        Status::NotPossible => {
            let _ = writeln!(text, "it cannot be computed again");
        }
    }
    let missing = "nothing".to_string();
    for difference in &result.differences {
        let _ = writeln!(
            text,
            "  {}: printed {}, recomputed {}",
            difference.text,
            terminal::truncate(difference.printed.as_ref().unwrap_or(&missing), 200),
            terminal::truncate(difference.recomputed.as_ref().unwrap_or(&missing), 200)
        );
    }
    for reason in &result.reasons {
        let line = format!("  because: {}", terminal::truncate(reason, TEXT_MAX));
        let _ = writeln!(text, "{}", terminal::wrap(&line, 4));
    }
}

/// The computed figure in a few words: its value if it has one, else its sentence.
fn short_text(figure: &PrintedFigure, sentence: &str) -> String {
    let value = figure
        .texts
        .first()
        .map(|texts| texts["text"].as_str().unwrap_or_default());
    match (figure.figure.kind, value) {
        (FigureKind::Kpi, Some(value)) if sentence == figure.sentence => value.to_string(),
        _ => terminal::truncate(sentence.trim_end_matches('.'), 300),
    }
}
