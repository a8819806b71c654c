//! The facts about a failed run, read from its folder, for a page and a text.

use super::{
    before::{EarlierRun, before},
    clock::Zone,
};
use crate::{
    Error,
    words::{clean, or},
};
use jiff::Timestamp;
use retrocast_domain::number::{count, plural};
use retrocast_run::{Event, EventKind, Journal, Node, Plan, RecordedPlan, RunSummary};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// Maximum number of journal lines shown, from the end.
const EVENTS: usize = 20;
/// Maximum number of parts of a message on their own lines.
const PARTS: usize = 6;
/// Files of a run to link to.
const FILES: [&str; 3] = ["journal.jsonl", "plan.json", "job.toml"];

/// A failure in words; the field names are those of the template.
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
    pub faults: Vec<Fault>,
    pub todo: String,
    pub command: String,
    /// The last report of the job before the run.
    pub last: Option<EarlierRun>,
    /// The last report on this window before the run, if it is another one.
    pub earlier: Option<EarlierRun>,
    /// Reports that were not made.
    pub reports: Vec<String>,
    /// Other nodes that were not run.
    pub skipped: Vec<String>,
    pub finished: Vec<String>,
    pub finished_text: String,
    pub events: Vec<Line>,
    pub files: Vec<&'static str>,
}

/// A node that failed.
#[derive(Debug, Serialize)]
pub(super) struct Fault {
    pub node: String,
    /// Time, number of attempts, and whether the reports need the node.
    pub facts: String,
    pub message: String,
    /// The rest of the message, mostly advice.
    pub advice: Vec<String>,
}

/// A line of the journal.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub time: String,
    pub event: &'static str,
    pub node: String,
    pub message: String,
}

impl Failure {
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let RecordedPlan { plan, origin } = RecordedPlan::read(folder)?;
        let events = Journal::read_or_empty(folder)?;
        let zone = Zone::of(&plan);
        let fates = fates(&events);
        let with = |kinds: &[EventKind]| -> Vec<&Node> {
            let is_so = |node: &&Node| {
                let fate = fates.get(node.name.as_str());
                fate.is_some_and(|event| kinds.contains(&event.event))
            };
            plan.nodes.iter().filter(is_so).collect()
        };
        let done = with(&[EventKind::NodeFinished, EventKind::NodeReused]);
        let reached = |node: &&Node| !done.iter().any(|done| done.name == node.name);
        let failed = with(&[EventKind::NodeFailed]);
        let faults: Vec<Fault> = failed
            .iter()
            .map(|node| fault(node, &events, &fates, &zone))
            .collect();
        let missing = plan.nodes.iter().filter(reached);
        let (reports, others): (Vec<&Node>, Vec<&Node>) =
            missing.partition(|node| node.is_report());
        let names = |nodes: &[&Node]| -> Vec<String> {
            nodes.iter().map(|node| clean(&node.name, 80)).collect()
        };
        let skipped: Vec<&Node> = others
            .into_iter()
            .filter(|node| !failed.iter().any(|failed| failed.name == node.name))
            .collect();
        let own = place(folder);
        let (last, earlier) = before(folder, &own, started(folder, &events), &zone);
        let period = plan.window.words();
        let replaced = [&last, &earlier]
            .into_iter()
            .flatten()
            .any(|before| before.same_window);
        let new = if replaced { "new " } else { "" };
        Ok(Self {
            headline: format!("No {new}report for {period}"),
            title: or(clean(&plan.title, 200), &plan.job),
            period,
            window: clean(&plan.label, 60),
            run: clean(&origin.run, 80),
            owner: clean(&plan.owner, 200),
            ended: ended(&events, &zone),
            todo: todo(failed.len(), done.len()),
            command: format!("retrocast rerun {} --current", quoted(&own.join("/"))),
            reports: reports
                .iter()
                .map(|node| report_name(node, &plan))
                .collect(),
            skipped: names(&skipped),
            finished: names(&done),
            finished_text: finished_text(done.len()),
            events: tail(&events, &zone),
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
fn place(folder: &Path) -> [String; 3] {
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
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", clean(word, 300).replace('\'', r"'\''"))
}

/// The last event of each node that ends it.
fn fates(events: &[Event]) -> BTreeMap<&str, &Event> {
    let ends = [
        EventKind::NodeFinished,
        EventKind::NodeReused,
        EventKind::NodeFailed,
        EventKind::NodeSkipped,
        EventKind::NodeCancelled,
    ];
    let endings = events.iter().filter(|event| ends.contains(&event.event));
    endings
        .filter_map(|event| Some((event.node.as_deref()?, event)))
        .collect()
}

fn fault(node: &Node, events: &[Event], fates: &BTreeMap<&str, &Event>, zone: &Zone) -> Fault {
    let event = fates.get(node.name.as_str());
    let message = event.map(|event| message_of(event)).unwrap_or_default();
    let mut parts = message
        .splitn(PARTS, "; ")
        .map(|part| capital(&clean(part, 1200)));
    let message = parts.next().filter(|text| !text.is_empty());
    let is_retry = |event: &&Event| {
        event.event == EventKind::NodeRetried && event.node.as_deref() == Some(&node.name)
    };
    let tries = events.iter().filter(is_retry);
    let mut facts = Vec::new();
    facts.extend(event.map(|event| zone.clock(event.time)));
    match tries.count() {
        0 => {}
        again => facts.push(format!("tried {}", plural(again as u64 + 1, "time"))),
    }
    if node.optional {
        facts.push("optional: reports do without it".to_string());
    }
    Fault {
        node: clean(&node.name, 120),
        facts: facts.join(", "),
        message: message.unwrap_or_else(|| "It gave no reason.".to_string()),
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

fn capital(text: &str) -> String {
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

fn todo(failed: usize, done: usize) -> String {
    let first = match failed {
        0 => "Look at the end of the journal".to_string(),
        1 => "Fix the cause above".to_string(),
        2 => "Fix both of these".to_string(),
        n => format!("Fix all {} of these", count(n as u64)),
    };
    let reuse_note = match done {
        0 => "",
        _ => "; what is finished is not run a second time",
    };
    format!("{first}, then run the same window again{reuse_note}:")
}

fn finished_text(done: usize) -> String {
    match done {
        1 => "One node is finished; its result is kept and used as long as its records and config \
              stay what they are."
            .to_string(),
        n => format!(
            "{} are finished; their results are kept and used as long as records and config stay \
             what they are.",
            plural(n as u64, "node")
        ),
    }
}

fn started(folder: &Path, events: &[Event]) -> Option<Timestamp> {
    let summary = RunSummary::read(folder).ok();
    let started = summary.and_then(|summary| summary.started);
    started.or_else(|| Some(events.first()?.time))
}

fn ended(events: &[Event], zone: &Zone) -> String {
    let end = events.last().map(|event| zone.full(event.time));
    end.map(|end| format!("failed {end}")).unwrap_or_default()
}

/// The last lines of the journal.
fn tail(events: &[Event], zone: &Zone) -> Vec<Line> {
    let lines = events[events.len().saturating_sub(EVENTS)..].iter();
    lines
        .map(|event| Line {
            time: zone.clock(event.time),
            event: word(event.event),
            node: clean(event.node.as_deref().unwrap_or_default(), 80),
            message: match (message_of(event), event.rows) {
                ("", Some(rows)) => plural(rows, "row"),
                (message, _) => clean(message, 300),
            },
        })
        .collect()
}

fn word(event: EventKind) -> &'static str {
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
