//! Formats the plan, the sources and the provenance.

use super::TABLE_ROWS_MAX;
use crate::words::{describe_violation, minute_in, shorten};
use retrocast_domain::{
    Cell, Report,
    number::{count, percent},
    report::{PlanNode, SourceNote},
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct PlanView {
    name: String,
    kind: String,
    inputs: String,
    rows: String,
    status: String,
    /// ID of the source or stage.
    figure: String,
}

#[derive(Debug, Serialize)]
pub(super) struct SourceView {
    name: String,
    uri: String,
    contract: String,
    files: String,
    records: String,
    accepted: String,
    accepted_share: String,
    left_out: String,
    duplicates: String,
    span: String,
    reasons: Vec<[String; 2]>,
    broken: Vec<[String; 2]>,
    unknown: Vec<[String; 2]>,
    /// ID of the figure.
    figure: String,
}

pub(super) fn plan_node(node: &PlanNode, figure: String) -> PlanView {
    PlanView {
        name: shorten(&node.name, 80),
        kind: shorten(&node.kind, 40),
        inputs: shorten(&node.inputs.join(", "), 160),
        rows: node.rows.map(count).unwrap_or_default(),
        status: node.status.clone(),
        figure,
    }
}

pub(super) fn source(source: &SourceNote, timezone: &str, figure: String) -> SourceView {
    let share = source.accepted as f64 / source.records.max(1) as f64;
    let counted = |items: &[(String, u64)]| -> Vec<[String; 2]> {
        items
            .iter()
            .take(TABLE_ROWS_MAX)
            .map(|(name, n)| [shorten(name, 200), count(*n)])
            .collect()
    };
    SourceView {
        name: source.name.clone(),
        uri: shorten(&source.uri, 160),
        contract: source.contract.clone(),
        files: count(source.files),
        records: count(source.records),
        accepted: count(source.accepted),
        accepted_share: if source.records == 0 {
            "–".to_string()
        } else {
            percent(share)
        },
        left_out: count(source.quarantined.iter().map(|(_, n)| n).sum()),
        duplicates: count(source.duplicates),
        span: match (source.first_time.is_empty(), source.last_time.is_empty()) {
            (false, false) => format!(
                "{} to {}",
                minute_in(&source.first_time, timezone),
                minute_in(&source.last_time, timezone)
            ),
            _ => String::new(),
        },
        reasons: {
            let reasons = source.quarantined.iter();
            let described = reasons.map(|(reason, n)| (describe_violation(reason).to_string(), *n));
            counted(&described.collect::<Vec<_>>())
        },
        broken: source
            .broken_files
            .iter()
            .take(TABLE_ROWS_MAX)
            .map(|(file, reason)| [shorten(file, 160), shorten(reason, 200)])
            .collect(),
        unknown: counted(&source.unknown_fields),
        figure,
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ProvenanceView {
    run: String,
    build: String,
    config_hash: String,
    command: String,
    /// The command in lines that fit on a page.
    command_lines: String,
    datasets: Vec<[String; 3]>,
    /// The command that explains a figure, up to its ID.
    why: String,
    /// ID of the figure.
    figure: String,
}

pub(super) fn provenance(report: &Report, figure: String) -> ProvenanceView {
    let provenance = &report.provenance;
    ProvenanceView {
        run: provenance.run.clone(),
        build: provenance.build.clone(),
        config_hash: provenance.config_hash.clone(),
        command: provenance.command.clone(),
        command_lines: wrap_command(&provenance.command),
        datasets: provenance
            .datasets
            .iter()
            .map(|dataset| {
                [
                    dataset.name.clone(),
                    dataset.version.to_string(),
                    count(dataset.rows),
                ]
            })
            .collect(),
        why: format!("retrocast why {}/{}#", report.job, report.window),
        figure,
    }
}

/// Maximum length of a line of the printed command, in characters.
const COMMAND_LINE_MAX: usize = 76;

/// Wraps a command into lines that can be copied into a shell, with breaks only between arguments.
fn wrap_command(command: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (i, argument) in command.split(" --").enumerate() {
        let argument = match i {
            0 => argument.to_string(),
            _ => format!("--{argument}"),
        };
        match lines.last_mut() {
            Some(line) if line.chars().count() + argument.chars().count() < COMMAND_LINE_MAX => {
                line.push(' ');
                line.push_str(&argument);
            }
            _ => lines.push(argument),
        }
    }
    lines.join(" \\\n  ")
}

/// A restated figure of an earlier window.
#[derive(Debug, Serialize)]
pub(super) struct RestatementView {
    window: String,
    figure: String,
    published: String,
    now: String,
    why: String,
    run: String,
}

/// The restated figures of all stages.
pub(super) fn restated(cells: &[Cell]) -> Vec<RestatementView> {
    let restated = cells.iter().filter_map(|cell| cell.restated.as_ref());
    let figures = restated.flat_map(|restated| &restated.figures);
    figures
        .map(|figure| {
            let [published, now] = figure.texts.clone();
            RestatementView {
                window: figure.window.clone(),
                figure: figure.metric.clone(),
                published,
                now,
                why: figure.causes_in_words(),
                run: figure.run.clone(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_breaks_between_its_arguments() {
        let short = "retrocast run weekly --window 2026-W46";
        assert_eq!(wrap_command(short), short);
        let path = format!("--set records={}", "/a/long/path".repeat(8));
        let long = format!("{short} --date 2026-11-16 {path} --seed 1");
        let lines = wrap_command(&long);
        assert_eq!(
            lines,
            format!("{short} --date 2026-11-16 \\\n  {path} \\\n  --seed 1")
        );
        assert_eq!(lines.replace(" \\\n  ", " "), long);
    }
}
