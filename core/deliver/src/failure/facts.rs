//! The facts about a failed run, read from its folder, for a page and a text.

use super::{
    clock::Zone,
    earlier_runs::{self, EarlierRun},
};
use crate::{
    Error,
    words::{clean, non_empty_or},
};
use jiff::Timestamp;
use retrocast_domain::number::{count, plural};
use retrocast_run::{Event, EventKind, Journal, Node, Plan, RecordedPlan, RunSummary};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// Maximum number of journal lines shown, from the end.
const EVENTS_MAX: usize = 20;
/// Maximum number of parts of a message on their own lines.
const PARTS_MAX: usize = 6;
/// Files of a run to link to.
const FILES: [&str; 3] = ["journal.jsonl", "plan.json", "job.toml"];

/// A failed run, formatted; the field names are those of the template.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub headline: String,
    pub title: String,
    pub job: String,
    pub window: String,
    pub period: String,
    pub run: String,
    pub owner: String,
    /// "failed on 16 November 2026 at 09:01 (Europe/London)"; empty if unknown.
    pub ended: String,
    pub faults: Vec<FailedNode>,
    pub todo: String,
    pub command: String,
    /// The last report of the job before the run.
    pub last: Option<EarlierRun>,
    /// The last report on this window before the run, if it differs from `last`.
    pub earlier: Option<EarlierRun>,
    /// Reports that were not created.
    pub reports: Vec<String>,
    /// Other nodes that were not run.
    pub skipped: Vec<String>,
    pub finished: Vec<String>,
    pub finished_text: String,
    pub events: Vec<JournalLine>,
    pub files: Vec<&'static str>,
}

/// A node that failed.
#[derive(Debug, Serialize)]
pub(super) struct FailedNode {
    pub node: String,
    /// Time, number of attempts, and whether the reports need the node.
    pub facts: String,
    pub message: String,
    /// The rest of the message, mostly advice.
    pub advice: Vec<String>,
}

/// A line of the journal.
#[derive(Debug, Serialize)]
pub(super) struct JournalLine {
    pub time: String,
    pub event: &'static str,
    pub node: String,
    pub message: String,
}

impl Failure {
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let RecordedPlan { plan, origin } = RecordedPlan::read(folder)?;
        let events = Journal::read_or_empty(folder)?;
        let zone = Zone::of_plan(&plan);
        let final_events = final_events(&events);
        let ended_with = |kinds: &[EventKind]| -> Vec<&Node> {
            let is_match = |node: &&Node| {
                let last = final_events.get(node.name.as_str());
                last.is_some_and(|event| kinds.contains(&event.event))
            };
            plan.nodes.iter().filter(is_match).collect()
        };
        let done = ended_with(&[EventKind::NodeFinished, EventKind::NodeReused]);
        let is_not_done = |node: &&Node| !done.iter().any(|done| done.name == node.name);
        let failed = ended_with(&[EventKind::NodeFailed]);
        let faults: Vec<FailedNode> = failed
            .iter()
            .map(|node| failed_node(node, &events, &final_events, &zone))
            .collect();
        let missing = plan.nodes.iter().filter(is_not_done);
        let (reports, others): (Vec<&Node>, Vec<&Node>) =
            missing.partition(|node| node.is_report());
        let names = |nodes: &[&Node]| -> Vec<String> {
            nodes.iter().map(|node| clean(&node.name, 80)).collect()
        };
        let skipped: Vec<&Node> = others
            .into_iter()
            .filter(|node| !failed.iter().any(|failed| failed.name == node.name))
            .collect();
        let folder_names = folder_names(folder);
        let (last, earlier) =
            earlier_runs::find(folder, &folder_names, start_time(folder, &events), &zone);
        let period = plan.window.words();
        let has_report = [&last, &earlier]
            .into_iter()
            .flatten()
            .any(|run| run.same_window);
        let new = if has_report { "new " } else { "" };
        Ok(Self {
            headline: format!("No {new}report for {period}"),
            title: non_empty_or(clean(&plan.title, 200), &plan.job),
            period,
            window: clean(&plan.label, 60),
            run: clean(&origin.run, 80),
            owner: clean(&plan.owner, 200),
            ended: end_text(&events, &zone),
            todo: next_step(failed.len(), done.len()),
            command: format!(
                "retrocast rerun {} --current",
                shell_quote(&folder_names.join("/"))
            ),
            reports: reports
                .iter()
                .map(|node| report_name(node, &plan))
                .collect(),
            skipped: names(&skipped),
            finished: names(&done),
            finished_text: finished_text(done.len()),
            events: last_lines(&events, &zone),
            files: FILES
                .into_iter()
                .filter(|name| folder.join(name).is_file())
                .collect(),
            job: clean(&plan.job, 120),
            faults,
            last,
            earlier,
        })
    }
}

/// Names of the job's, the window's and the run's folder.
fn folder_names(folder: &Path) -> [String; 3] {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let mut names = folder
        .iter()
        .rev()
        .map(|name| name.to_string_lossy().into_owned());
    let mut name = || names.next().unwrap_or_default();
    let (run, window, job) = (name(), name(), name());
    [job, window, run]
}

/// Quotes a word for a shell's command line.
fn shell_quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", clean(word, 300).replace('\'', r"'\''"))
}

/// Finds the last event that ended each node.
fn final_events(events: &[Event]) -> BTreeMap<&str, &Event> {
    let final_kinds = [
        EventKind::NodeFinished,
        EventKind::NodeReused,
        EventKind::NodeFailed,
        EventKind::NodeSkipped,
        EventKind::NodeCancelled,
    ];
    let final_events = events
        .iter()
        .filter(|event| final_kinds.contains(&event.event));
    final_events
        .filter_map(|event| Some((event.node.as_deref()?, event)))
        .collect()
}

fn failed_node(
    node: &Node,
    events: &[Event],
    final_events: &BTreeMap<&str, &Event>,
    zone: &Zone,
) -> FailedNode {
    let event = final_events.get(node.name.as_str());
    let message = event.map(|event| message_of(event)).unwrap_or_default();
    let mut parts = message
        .splitn(PARTS_MAX, "; ")
        .map(|part| capitalise(&clean(part, 1200)));
    let message = parts.next().filter(|text| !text.is_empty());
    let is_retry = |event: &&Event| {
        event.event == EventKind::NodeRetried && event.node.as_deref() == Some(&node.name)
    };
    let retries = events.iter().filter(is_retry);
    let mut facts = Vec::new();
    facts.extend(event.map(|event| zone.time_of_day(event.time)));
    match retries.count() {
        0 => {}
        retries => facts.push(format!("tried {}", plural(retries as u64 + 1, "time"))),
    }
    if node.optional {
        facts.push("optional: reports are written without it".to_string());
    }
    FailedNode {
        node: clean(&node.name, 120),
        facts: facts.join(", "),
        message: message.unwrap_or_else(|| "No reason was reported.".to_string()),
        advice: parts.collect(),
    }
}

/// The message of an event without the node's name at its start.
fn message_of(event: &Event) -> &str {
    let message = event.message.as_deref().unwrap_or_default();
    let node = event.node.as_deref().unwrap_or_default();
    let rest = message.strip_prefix(node).filter(|_| !node.is_empty());
    rest.and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(message)
}

fn capitalise(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A report's name, with its title if that differs from the job's.
fn report_name(node: &Node, plan: &Plan) -> String {
    let title = node.report().map(|report| report.title.as_str());
    match title.filter(|title| !title.is_empty() && *title != plan.title) {
        Some(title) => format!("{} ({})", clean(node.short(), 80), clean(title, 120)),
        None => clean(node.short(), 80),
    }
}

fn next_step(failed: usize, done: usize) -> String {
    let first = match failed {
        0 => "Look at the end of the journal".to_string(),
        1 => "Fix the cause above".to_string(),
        2 => "Fix both of these".to_string(),
        n => format!("Fix all {} of these", count(n as u64)),
    };
    let reuse_note = match done {
        0 => "",
        _ => "; finished nodes are not run again",
    };
    format!("{first}, then run the same window again{reuse_note}:")
}

fn finished_text(done: usize) -> String {
    match done {
        1 => "One node is finished; its result is reused as long as its records and config do not \
              change."
            .to_string(),
        n => format!(
            "{} are finished; their results are reused as long as records and config do not change.",
            plural(n as u64, "node")
        ),
    }
}

fn start_time(folder: &Path, events: &[Event]) -> Option<Timestamp> {
    let summary = RunSummary::read(folder).ok();
    let started = summary.and_then(|summary| summary.started);
    started.or_else(|| Some(events.first()?.time))
}

fn end_text(events: &[Event], zone: &Zone) -> String {
    let end = events.last().map(|event| zone.date_and_time(event.time));
    end.map(|end| format!("failed {end}")).unwrap_or_default()
}

/// The last lines of the journal.
fn last_lines(events: &[Event], zone: &Zone) -> Vec<JournalLine> {
    let lines = events[events.len().saturating_sub(EVENTS_MAX)..].iter();
    lines
        .map(|event| JournalLine {
            time: zone.time_of_day(event.time),
            event: event_word(event.event),
            node: clean(event.node.as_deref().unwrap_or_default(), 80),
            message: match (message_of(event), event.rows) {
                ("", Some(rows)) => plural(rows, "row"),
                (message, _) => clean(message, 300),
            },
        })
        .collect()
}

fn event_word(event: EventKind) -> &'static str {
    match event {
        EventKind::RunStarted => "run started",
        EventKind::RunResumed => "run resumed",
        EventKind::RunFinished => "run ended",
        EventKind::NodeStarted => "started",
        EventKind::NodeWaiting => "waits",
        EventKind::NodeRetried => "tried again",
        EventKind::NodeFinished => "done",
        EventKind::NodeReused => "reused",
        EventKind::NodeFailed => "failed",
        EventKind::NodeCancelled => "stopped",
        EventKind::NodeSkipped => "not run",
    }
}
