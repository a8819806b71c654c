//! `watch` reports findings of new records, and `diff` the differences between two runs.

use super::support::*;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

const JOB: &str = r#"title = "Tickets"
window = "week"
compare = ["previous", "4 weeks"]

[source.tickets]
uri = "records/**/*.jsonl"
contract = "ticket"

[stage.figures]
kind = "kpi"
input = "tickets"
time = "at"

[[stage.figures.metrics]]
name = "tickets"
kind = "count"

[stage.quality]
kind = "quality"
inputs = ["tickets"]

[report.executive]
"#;

/// Tickets of the ten weeks before 16 November 2026; the last week has its own number per day.
fn tickets(per_day: u32, per_day_in_last_week: u32) -> String {
    let mut text = String::new();
    let first = jiff::civil::date(2026, 9, 7);
    let mut id = 0;
    for day in 0..70_u32 {
        let date = first + jiff::Span::new().days(day);
        let count = if day < 63 {
            per_day
        } else {
            per_day_in_last_week
        };
        for n in 0..count {
            id += 1;
            text += &format!(
                "{{\"id\": {id}, \"at\": \"{date}T{:02}:{:02}:00Z\"}}\n",
                n % 24,
                n % 60
            );
        }
    }
    text
}

fn workspace() -> Scratch {
    let scratch = workspace_of("tickets", JOB);
    scratch.write("records/first.jsonl", tickets(20, 20));
    scratch
}

/// A `watch` process whose output lines can be awaited.
struct Watch {
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
}

impl Watch {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(arguments)
            .current_dir(folder)
            .env_remove("RUST_LOG")
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                let Ok(line) = line else { break };
                // No-break spaces separate numbers and units.
                if sender.send(line.replace('\u{a0}', " ")).is_err() {
                    break;
                }
            }
        });
        let printed = Vec::new();
        Self {
            child,
            lines,
            printed,
        }
    }

    /// Waits at most a minute for a line that contains this text.
    fn wait_for(&mut self, words: &str) -> String {
        loop {
            let next = self.lines.recv_timeout(Duration::from_mins(1));
            let Ok(line) = next else {
                panic!("{words:?} was not printed:\n{}", self.printed.join("\n"));
            };
            self.printed.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn new_records_are_reported_within_a_minute() {
    let scratch = workspace();
    let arguments = ["watch", "tickets", "--window", "2026-W46"];
    let mut watch = Watch::start(scratch.path(), &arguments);
    watch.wait_for("run ");
    // The new file is in a new folder, and is written in two steps.
    let text = tickets(0, 60).replace("\"id\": ", "\"id\": 90000");
    let (first_half, second_half) = text.split_at(text.len() / 2);
    let path = scratch.write("records/later/second.jsonl", first_half);
    std::thread::sleep(Duration::from_millis(300));
    fs::write(&path, format!("{first_half}{second_half}")).unwrap();
    let line = watch.wait_for("  new ");
    assert!(
        line.contains("Tickets rose to 560 records from 140"),
        "{line}"
    );

    // Files rewritten with the same content are not reported; a change of the job file takes
    // effect.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text).unwrap();
    let job = JOB.replace("name = \"tickets\"", "name = \"all tickets\"");
    scratch.write("jobs/tickets.toml", job);
    scratch.write("records/later/third.jsonl", "");
    watch.wait_for("All tickets rose to 560 records from 140");
    assert!(watch.child.try_wait().unwrap().is_none(), "watch ended");
    let status = Command::new("kill")
        .args(["-TERM", &watch.child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
}

#[test]
fn diff_describes_the_changes_between_two_weeks() {
    let scratch = workspace();
    scratch.write("records/first.jsonl", tickets(20, 55));
    for week in ["2026-W45", "2026-W46"] {
        retrocast_in(scratch.path(), &["run", "tickets", "--window", week]).expect(0);
    }
    let folders = runs(&scratch.join("reports"), "tickets");
    let names: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let output = retrocast_in(scratch.path(), &["diff", &names[0], &names[1]]).expect(0);
    let text = output.stdout.replace('\u{a0}', " ");
    for words in [
        "2026-W45",
        "2026-W46",
        "Tickets rose to 385 records from 140",
        "The same job, program and records.",
    ] {
        assert!(text.contains(words), "{words:?} is missing:\n{text}");
    }
    let json = retrocast_in(scratch.path(), &["diff", &names[0], &names[1], "--json"]).expect(0);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json.is_object());

    let same = retrocast_in(scratch.path(), &["diff", &names[1], &names[1]]).expect(0);
    assert!(!same.stdout.contains("rose"), "{}", same.stdout);
    let none = retrocast_in(scratch.path(), &["diff", "latest", "nonsense"]).expect(2);
    assert!(
        none.stderr.contains("no run \"nonsense\""),
        "{}",
        none.stderr
    );
}
