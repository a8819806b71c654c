//! The nodes of reports, and the files of their contents.

use super::PlanOptions;
use crate::{
    job::{Job, ReportSection},
    kinds::Kinds,
};
use retrocast_domain::canonical;
use retrocast_run::{Node, NodeSpec, ReportSpec, plan::REPORT};
use std::collections::BTreeSet;

/// Names a separate file for the contents of each report that differs from the first report,
/// because `report.json` holds only one report.
pub(super) fn name_report_files(nodes: &mut [Node]) {
    let mut first = None;
    for node in nodes {
        let NodeSpec::Report(spec) = &mut node.spec else {
            continue;
        };
        let own = (&spec.title, &spec.language, &spec.note);
        let contents = (
            canonical::hash(&own),
            node.inputs.clone(),
            shown_stages(spec, &node.inputs),
        );
        if *first.get_or_insert_with(|| contents.clone()) != contents {
            spec.file = Some(format!("{}.json", spec.report));
        }
    }
}

/// The stages whose results a report shows; it may also read a stage for the recipients of slices.
fn shown_stages(spec: &ReportSpec, inputs: &[String]) -> Vec<String> {
    let stages = inputs.iter().filter_map(|name| name.strip_prefix("stage."));
    let named = spec.stages.as_ref();
    stages
        .filter(|stage| named.is_none_or(|names| names.iter().any(|name| name == stage)))
        .map(str::to_string)
        .collect()
}

/// The node of a report.
pub(super) fn report(
    job: &Job,
    report: &ReportSection,
    kinds: &dyn Kinds,
    options: &PlanOptions<'_>,
) -> Node {
    let named = report.stages.as_ref();
    let named: Option<BTreeSet<&String>> = named.map(|names| names.iter().collect());
    let is_included = |stage: &&String| named.as_ref().is_none_or(|names| names.contains(*stage));
    let sources = job.sources.iter().map(|name| format!("source.{name}"));
    let stages = job.stages.iter().filter(is_included);
    let stages = stages.map(|name| format!("stage.{name}"));
    let mut inputs: Vec<String> = sources.chain(stages).collect();
    let slices = report.slices.as_ref();
    if let Some(recipients) = slices.and_then(|slices| slices.recipients.as_ref()) {
        let stage = format!("stage.{}", recipients.dataset);
        if job.stages.contains(&recipients.dataset) && !inputs.contains(&stage) {
            inputs.push(stage);
        }
    }
    Node {
        name: format!("report.{}", report.name),
        title: report.title.clone(),
        spec: NodeSpec::Report(ReportSpec {
            report: report.name.clone(),
            title: if report.title.is_empty() {
                job.title.clone()
            } else {
                report.title.clone()
            },
            owner: job.owner.clone(),
            stages: report.stages.clone(),
            notices: options.notices.to_vec(),
            earlier: options.earlier.cloned(),
            slices: report.slices.clone(),
            language: report.language.clone(),
            note: paragraphs(&report.note).collect(),
            run_note: paragraphs(options.note).collect(),
            file: None,
        }),
        inputs,
        ledger: Vec::new(),
        code_version: kinds.code_version(REPORT),
        optional: false,
        timeout: None,
        retries: None,
        param_lines: Vec::new(),
        contract_hash: String::new(),
    }
}

/// The paragraphs of a text, separated by empty lines.
fn paragraphs(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace("\r\n", "\n");
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    paragraphs.into_iter()
}
