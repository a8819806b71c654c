use super::*;
use crate::rebuild;
use retrocast_run::RunSummary;
use serde_json::{Value, json};
use std::fs;

/// An archive with a failed run, and the run's folder.
struct Archive {
    root: tempfile::TempDir,
    folder: PathBuf,
}

const MESSAGE: &str = "source.tickets: no file matches /data/*.jsonl; put them there; fix the uri";

impl Archive {
    fn new(title: &str, message: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("weekly/2026-W46/r3");
        fs::create_dir_all(&folder).unwrap();
        let node = |name: &str, kind: &str, optional: bool| {
            let config = match kind {
                "source" => {
                    json!({"uri": "/data/*.jsonl", "contract": "ticket", "required": !optional})
                }
                "report" => {
                    json!({"report": "executive", "title": title, "owner": "", "stages": null,
                    "notices": [], "earlier": null})
                }
                _ => json!({}),
            };
            json!({"name": name, "kind": kind, "title": "", "config": config, "inputs": [],
                "code_version": 1, "contract_hash": "", "optional": optional})
        };
        let plan = json!({
            "job": "weekly", "title": title, "owner": "ops@example.org", "run": "r3",
            "label": "2026-W46", "date": "2026-11-16",
            "window": {"spec": "week", "start": "2026-11-09", "end": "2026-11-16",
                "timezone": "Europe/Paris"},
            "nodes": [
                node("source.tickets", "source", false),
                node("source.costs", "source", true),
                node("source.calls", "source", false),
                node("stage.rates", "kpi", false),
                node("report.executive", "report", false),
            ],
        });
        fs::write(folder.join("plan.json"), plan.to_string()).unwrap();
        fs::write(folder.join("job.toml"), "").unwrap();
        let event = |second: u32, event: &str, node: &str, message: &str| {
            let time = format!("2026-11-16T08:00:{second:02}Z");
            json!({"time": time, "event": event, "node": node, "message": message}).to_string()
        };
        let end =
            json!({"time": "2026-11-16T08:00:09Z", "event": "run_finished", "status": "failed"});
        let lines = [
            event(0, "run_started", "r3", "lease 1"),
            event(1, "node_started", "source.tickets", "new"),
            event(2, "node_retried", "source.tickets", "timed out"),
            event(3, "node_reused", "source.calls", "unchanged, reuse"),
            event(4, "node_failed", "source.tickets", message),
            event(5, "node_failed", "source.costs", "source.costs: gone"),
            event(6, "node_skipped", "stage.rates", "source.tickets failed"),
            event(
                7,
                "node_skipped",
                "report.executive",
                "source.tickets failed",
            ),
            end.to_string(),
        ];
        fs::write(folder.join("journal.jsonl"), lines.join("\n")).unwrap();
        let archive = Self { root, folder };
        archive.write_summary("2026-W46/r3", "failed", "2026-11-16T08:00:00Z", title);
        archive
    }

    fn write_summary(&self, path: &str, status: &str, started: &str, title: &str) {
        let (window, run) = path.split_once('/').unwrap();
        let folder = self.root.path().join("weekly").join(path);
        fs::create_dir_all(&folder).unwrap();
        let summary: Value = json!({"run": run, "job": "weekly", "title": title, "window": window,
            "period": format!("the days of {window}"), "status": status, "started": started,
            "finished": started});
        let summary: RunSummary = serde_json::from_value(summary).unwrap();
        summary.write(&folder).unwrap();
        fs::write(folder.join("index.html"), "").unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }
}

#[test]
fn the_text_reports_failures_missing_reports_and_next_steps() {
    let archive = Archive::new("Weekly review", MESSAGE);
    archive.write_summary("2026-W44/r1", "complete", "2026-11-02T08:00:00Z", "");
    archive.write_summary("2026-W45/r2", "partial", "2026-11-09T08:00:00Z", "");
    archive.write_summary("2026-W45/r9", "failed", "2026-11-10T08:00:00Z", "");
    // Written later: this run did not exist when the other run failed.
    archive.write_summary("2026-W47/r4", "complete", "2026-11-23T08:00:00Z", "");
    let files = failure_report(&archive.folder, None).unwrap();
    assert_eq!(
        files,
        [
            archive.folder.join(FAILURE_PAGE),
            archive.folder.join(FAILURE_TEXT)
        ]
    );
    let expected = "\
No report for 9 to 15 November 2026: Weekly review

  job          weekly
  window       2026-W46
  owner        ops@example.org
  run          r3, failed on 16 November 2026 at 09:00 (Europe/Paris)
  last report  2026-W45 (the days of 2026-W45), created on 9 November 2026
               at 09:00 (Europe/Paris)

What failed
  source.tickets (09:00:04, tried 2 times)
    No file matches /data/*.jsonl
    Put them there
    Fix the uri
  source.costs (09:00:05, optional: reports are written without it)
    Gone

What to do
Fix both of these, then run the same window again; finished nodes are not
run again:

  retrocast rerun weekly/2026-W46/r3 --current

What is missing
  reports   executive
  not run   stage.rates

Finished nodes
One node is finished; its result is reused as long as its records and config
do not change: source.calls.

The end of the journal
  09:00:01  started      source.tickets: new
  09:00:02  tried again  source.tickets: timed out
  09:00:03  reused       source.calls: unchanged, reuse
  09:00:04  failed       source.tickets: no file matches /data/*.jsonl; put
                         them there; fix the uri
  09:00:05  failed       source.costs: gone
  09:00:06  not run      stage.rates: source.tickets failed
  09:00:07  not run      report.executive: source.tickets failed
  09:00:09  run ended
";
    assert_eq!(archive.read(FAILURE_TEXT), expected);
    let (page, text) = (archive.read(FAILURE_PAGE), archive.read(FAILURE_TEXT));
    failure_report(&archive.folder, None).unwrap();
    assert_eq!(
        (archive.read(FAILURE_PAGE), archive.read(FAILURE_TEXT)),
        (page, text),
        "rebuilding changes nothing"
    );
}

#[test]
fn pages_link_to_the_last_report_and_to_the_failure() {
    let archive = Archive::new("Weekly review", MESSAGE);
    archive.write_summary("2026-W46/r2", "complete", "2026-11-16T06:00:00Z", "");
    failure_report(&archive.folder, None).unwrap();
    rebuild(archive.root.path(), None).unwrap();
    let page = archive.read(FAILURE_PAGE);
    assert!(page.contains("<h1>No new report for 9 to 15 November 2026</h1>"));
    assert!(
        page.contains("An earlier run</a> created a report for the same window on 16 November")
    );
    let run = archive.read("index.html");
    assert!(run.contains("href=\"failure.html\""), "{run}");
    for text in [page, run] {
        for link in text
            .split("href=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
        {
            let link = link.replace("&#x2f;", "/");
            let path = link.split('#').next().unwrap();
            assert!(archive.folder.join(path).exists(), "{link}");
        }
    }
}

#[test]
fn a_run_that_did_not_fail_gets_no_report() {
    let archive = Archive::new("Weekly review", MESSAGE);
    archive.write_summary("2026-W46/r3", "partial", "2026-11-16T08:00:00Z", "");
    assert!(failure_report(&archive.folder, None).unwrap().is_empty());
    assert!(
        !archive.folder.join(FAILURE_PAGE).exists() && !archive.folder.join(FAILURE_TEXT).exists()
    );
}

#[test]
fn hostile_texts_are_escaped() {
    let words = "</title><script>alert(1)</script>{{ 7 * 7 }}\u{202e}\u{1b}[2J\nBcc: x";
    let message = format!("{words}{}", "x".repeat(1 << 20));
    let archive = Archive::new(words, &message);
    let odd = archive.root.path().join("weekly/2026-W46/a';rm -rf \u{1b}");
    fs::rename(&archive.folder, &odd).unwrap();
    failure_report(&odd, None).unwrap();
    let read = |name: &str| fs::read_to_string(odd.join(name)).unwrap();
    let (page, text) = (read(FAILURE_PAGE), read(FAILURE_TEXT));
    assert!(
        !page.contains("<script") && page.contains("{{ 7 * 7 }}"),
        "{page}"
    );
    for document in [&page, &text] {
        assert!(
            !document.contains(['\u{202e}', '\u{1b}']) && document.len() < 40_000,
            "{}",
            document.len()
        );
    }
    assert!(!text.contains("\nBcc"), "{text}");
    assert!(
        text.contains(r"rerun 'weekly/2026-W46/a'\'';rm -rf □' --current"),
        "{text}"
    );
}

#[test]
fn an_empty_journal_is_enough() {
    let archive = Archive::new("Weekly review", MESSAGE);
    fs::write(archive.folder.join("journal.jsonl"), "").unwrap();
    failure_report(&archive.folder, None).unwrap();
    let text = archive.read(FAILURE_TEXT);
    assert!(
        text.contains("The journal names no node that failed."),
        "{text}"
    );
    assert!(text.contains("last report  none\n"), "{text}");
    let page = archive.read(FAILURE_PAGE);
    assert!(page.contains("This job has no earlier report."), "{page}");
    assert!(page.contains("None: the whole job is run again."), "{page}");
}
