//! Setup and progress of two runs, as lists.

use super::{
    super::{
        Difference, NodeChange, Pair,
        config::{JOB, NAME, PROGRAM, Setting},
        inputs::{Input, SourceIntake},
        strip_common_ends,
    },
    entries,
};
use crate::{
    layout::{Page, arrow},
    words::clean,
};
use retrocast_domain::number::{change, count, list, plural};
use serde_json::Value;

/// Maximum number of differing lines shown of a long value.
const LINES_MAX: usize = 8;

pub(super) fn write_records(page: &mut Page, inputs: &[Input]) {
    let show = |input: &Input| (clean(&input.source, 60), input_text(input));
    let mut shown = entries(inputs.iter(), show);
    shown.retain(|(_, text)| !text.is_empty());
    page.list("Records", &shown);
}

/// The differences between the records read from a source; empty for none.
fn input_text(input: &Input) -> String {
    let (old, new) = match (&input.intake.old, &input.intake.new) {
        (Some(old), Some(new)) => (old, new),
        (None, _) => return "only the second run has it".to_string(),
        (_, None) => return "only the first run has it".to_string(),
    };
    let mut parts = Vec::new();
    let mut add = |words: &str, f: &dyn Fn(&SourceIntake) -> Option<u64>| {
        if let (Some(a), Some(b)) = (f(old), f(new))
            && a != b
        {
            let relative = if a > 0 && words == "accepted" || words == "in the window" {
                format!(" ({})", change((b as f64 - a as f64) / (a.max(1)) as f64))
            } else {
                String::new()
            };
            parts.push(format!("{} {words}{relative}", arrow(&count(a), &count(b))));
        }
    };
    add("in the window", &|intake| intake.in_window);
    add("accepted", &|intake| intake.accepted);
    add("set aside", &|intake| intake.quarantined);
    add("duplicates", &|intake| intake.duplicates);
    add("files", &|intake| intake.files);
    add("broken files", &|intake| intake.broken_files);
    let missing = match (old.accepted, new.accepted) {
        (_, None) => "the second run did not read them",
        (None, _) => "the first run did not read them",
        _ => "",
    };
    match (input.same_records, old.version, new.version) {
        _ if !missing.is_empty() => parts.push(missing.to_string()),
        (Some(true), ..) => {}
        _ if parts.is_empty() => parts.push("different records, the same number".to_string()),
        (_, Some(a), Some(b)) if a != b => {
            parts.push(format!("version {}", arrow(&count(a), &count(b))));
        }
        _ => {}
    }
    parts.join(", ")
}

pub(super) fn write_settings(page: &mut Page, difference: &Difference) {
    let config = &difference.config;
    let (program, own): (Vec<&Setting>, Vec<&Setting>) = config
        .settings
        .iter()
        // The names of two jobs are in the heading.
        .filter(|setting| setting.place != JOB || setting.key != NAME)
        .partition(|setting| setting.place == PROGRAM);
    let show = |setting: &Setting| {
        let label = match (setting.place.as_str(), setting.key.as_str()) {
            (PROGRAM, "build") => "version".to_string(),
            (PROGRAM | JOB, key) => key.to_string(),
            (place, key) => format!("{place} {key}"),
        };
        (clean(&label, 80), value_text(setting))
    };
    page.list("Program", &entries(program.into_iter(), show));
    let only = |name: &String, which: &str| (clean(name, 80), format!("only in the {which} run"));
    let mut lines = entries(config.added.iter(), |name| only(name, "second"));
    lines.extend(entries(config.removed.iter(), |name| only(name, "first")));
    lines.extend(entries(own.into_iter(), show));
    page.list("Job", &lines);
}

/// Old and new value in a line, or the differing lines of a long text.
fn value_text(setting: &Setting) -> String {
    let Pair { old, new } = &setting.value;
    if setting.key == "contract's content" {
        return "changed".to_string();
    }
    if let (Some(Value::String(old)), Some(Value::String(new))) = (old, new)
        && (old.contains('\n') || new.contains('\n'))
    {
        return lines_text(old, new);
    }
    let short = |value: &Option<Value>| match value {
        None => "not set".to_string(),
        Some(Value::String(text)) => clean(text, 120),
        Some(value) => clean(&value.to_string(), 120),
    };
    arrow(&short(old), &short(new))
}

/// The lines of two strings between their common beginning and end.
fn lines_text(old: &str, new: &str) -> String {
    let texts = Pair { old, new }.map(|text| text.lines().collect::<Vec<_>>());
    let [old, new] = strip_common_ends(&texts.old, &texts.new);
    let mut lines = Vec::new();
    for (sign, text) in [("-", old), ("+", new)] {
        let shown = text.iter().take(LINES_MAX);
        lines.extend(shown.map(|line| format!("{sign} {}", clean(line, 90))));
        if text.len() > LINES_MAX {
            let more = plural((text.len() - LINES_MAX) as u64, "line");
            lines.push(format!("{sign} … and {more} more"));
        }
    }
    lines.join("\n")
}

/// Nodes grouped by the change of their result.
pub(super) fn write_nodes(page: &mut Page, difference: &Difference) {
    let mut groups: Vec<(Pair<&str>, String, Vec<String>)> = Vec::new();
    for change in &difference.nodes {
        let (states, message) = (change.state.clone(), message(change));
        let node = clean(&change.node, 60);
        match groups
            .iter_mut()
            .find(|group| group.0 == states && group.1 == message)
        {
            Some(group) => group.2.push(node),
            None => groups.push((states, message, vec![node])),
        }
    }
    let show = |(states, message, nodes): &(Pair<&str>, String, Vec<String>)| {
        let before = match states.old {
            "done" => String::new(),
            old => format!(", {old} before"),
        };
        let message = if message.is_empty() {
            String::new()
        } else {
            format!(": {message}")
        };
        (
            states.new.to_string(),
            format!("{}{before}{message}", list(nodes)),
        )
    };
    page.list(
        "Nodes with different results",
        &entries(groups.iter(), show),
    );
}

/// The message of the second run on a node, without the node's name; empty if another node's
/// message explains it.
fn message(change: &NodeChange) -> String {
    if change.state.new == "not run" {
        return String::new();
    }
    let text = clean(&change.message.new, 300);
    let text = text.strip_prefix(change.node.as_str()).unwrap_or(&text);
    text.trim_start_matches([':', ' ']).to_string()
}
