//! Run folders written by version 0.1.0 and later are read, and written back byte for byte.

use super::*;
use files::{JOURNAL, PLAN, SUMMARY};
use jiff::Timestamp;
use std::{fs, io::Write as _, path::Path};
use tempfile::{TempDir, tempdir};

const FILES: [(&str, &str); 3] = [
    (PLAN, include_str!("tests/plan.json")),
    (JOURNAL, include_str!("tests/journal.jsonl")),
    (SUMMARY, include_str!("tests/run.json")),
];

/// Creates a folder with some of the files of a run.
fn folder(names: &[&str]) -> TempDir {
    let folder = tempdir().unwrap();
    for (name, text) in FILES.iter().filter(|(name, _)| names.contains(name)) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn run_files_are_written_back_byte_for_byte() {
    let original = folder(&[PLAN, JOURNAL, SUMMARY]);
    let copy = folder(&[]);
    let (original, copy) = (original.path(), copy.path());
    RecordedPlan::read(original).unwrap().write(copy).unwrap();
    RunSummary::read(original).unwrap().write(copy).unwrap();
    let mut journal = Journal::create(copy).unwrap();
    for event in Journal::read(original).unwrap() {
        journal.append(&event).unwrap();
    }
    for (name, text) in FILES {
        assert_eq!(read(copy, name), text, "{name}");
    }
    // The summary is derived from plan and journal.
    assert_eq!(
        RunSummary::of(original).unwrap(),
        RunSummary::read(original).unwrap()
    );
    assert_eq!(RunSummary::status_of(original).unwrap(), RunStatus::Failed);
}

#[test]
fn recorded_plans_contain_nodes_and_source_records() {
    let folder = folder(&[PLAN]);
    let RecordedPlan { plan, origin } = RecordedPlan::read(folder.path()).unwrap();
    let costs = plan.node("source.costs").and_then(Node::source).unwrap();
    assert_eq!(costs.uri, "data/raw/costs/{date}/*.csv");
    assert_eq!((costs.header, costs.quote.as_deref()), (Some(false), None));
    let figures = plan.node("stage.figures").unwrap();
    assert_eq!((figures.kind(), figures.short()), ("kpi", "figures"));
    assert_eq!(figures.spec.config()["metrics"][0]["target"], 3.5);
    let report = plan.node("report.executive").and_then(Node::report);
    let earlier = report.and_then(|report| report.earlier.as_ref()).unwrap();
    assert_eq!(earlier.findings[0].since, "2026-W45");
    assert_eq!(plan.node("stage.none"), None);
    let SourceRecords::Unreadable(reason) = &origin.records["source.costs"] else {
        panic!("source.costs is readable");
    };
    assert!(reason.starts_with("no file in "), "{reason}");
    assert!(matches!(
        origin.records["source.tickets"],
        SourceRecords::Hash(_)
    ));
}

#[test]
fn plans_with_a_missing_source_field_are_errors_with_the_path() {
    let folder = tempdir().unwrap();
    let text = FILES[0].1.replace("\"uri\"", "\"url\"");
    fs::write(folder.path().join(PLAN), text).unwrap();
    let error = RecordedPlan::read(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("plan.json") && error.contains("missing field `uri`"),
        "{error}"
    );
}

#[test]
fn runs_without_an_end_event_are_running_or_interrupted() {
    let folder = folder(&[PLAN]);
    let folder = folder.path();
    let status = || RunSummary::of(folder).unwrap().status;
    let mut journal = Journal::create(folder).unwrap();
    let mut event = Event::new(Timestamp::UNIX_EPOCH, EventKind::RunStarted);
    journal.append(&event).unwrap();
    assert!(
        Journal::create(folder).is_err(),
        "a journal is created once"
    );
    assert_eq!(status(), RunStatus::Running);
    drop(journal);
    assert_eq!(status(), RunStatus::Interrupted);

    let mut file = fs::File::options()
        .append(true)
        .open(folder.join(JOURNAL))
        .unwrap();
    event.event = EventKind::RunFinished;
    event.status = Some(RunStatus::Partial);
    let line = serde_json::to_string(&event).unwrap();
    assert_eq!(
        line,
        r#"{"time":"1970-01-01T00:00:00Z","event":"run_finished","status":"partial"}"#
    );
    write!(file, "{line}\n{{\"time\":\"19").unwrap();
    assert_eq!(status(), RunStatus::Partial);
}

#[test]
fn failures_before_a_successful_retry_are_not_reported() {
    let folder = folder(&[PLAN]);
    let mut journal = Journal::create(folder.path()).unwrap();
    let mut add = |kind, node: &str, message: &str| {
        let mut event = Event::new(Timestamp::UNIX_EPOCH, kind);
        event.node = Some(node.to_string());
        event.message = Some(message.to_string());
        journal.append(&event).unwrap();
    };
    add(EventKind::RunStarted, "2ca24854", "lease 1");
    add(EventKind::NodeFailed, "source.costs", "gone");
    add(EventKind::RunResumed, "2ca24854", "lease 2");
    add(EventKind::NodeFinished, "source.costs", "");
    add(EventKind::NodeFailed, "stage.daily", "no rows");
    let summary = RunSummary::of(folder.path()).unwrap();
    assert_eq!(summary.error.as_deref(), Some("stage.daily: no rows"));
    assert_eq!((summary.executed, summary.reused), (1, 0));
}
