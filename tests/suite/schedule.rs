//! Schedules from the command line: each due run is made once, also with several schedulers.

use super::support::*;
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A job that is due at the beginning of every year, so it is always overdue.
const JOB: &str = r#"
title = "Tickets"
window = "day"
timezone = "UTC"
[schedule]
cron = "0 0 1 1 *"
[source.tickets]
uri = "tickets/*.jsonl"
contract = "ticket"
[stage.all]
kind = "sql"
query = "select count(*) as tickets from tickets"
[report.technical]
"#;

const TICKET: &str = r#"{"id": "1", "created_at": "2026-01-05T10:00:00Z", "type": "failure", "component": "api", "status": "open", "title": "Down"}
"#;

fn workspace() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("jobs/tickets.toml", JOB);
    let contract = root().join("jobs/contracts/ticket.toml");
    scratch.write(
        "jobs/contracts/ticket.toml",
        std::fs::read(contract).unwrap(),
    );
    scratch
}

#[test]
fn what_is_due_is_run_once_and_tried_again_as_configured() {
    let scratch = workspace();
    let folder = scratch.path();
    let count = || runs(&scratch.join("reports"), "tickets").len();
    let status = |code| {
        retrocast_in(folder, &["status", "--check"])
            .expect(code)
            .stdout
    };
    let tick = |code| {
        let ended = retrocast_in(folder, &["schedule", "tick"]).expect(code);
        (ended.stdout, count())
    };
    assert!(status(1).starts_with("tickets overdue: due "));

    // There are no records: the run fails, and is retried after an hour.
    let (_, failed) = tick(1);
    assert_eq!(failed, 1);
    let text = status(1);
    assert!(text.starts_with("tickets failing: "), "{text}");
    assert!(text.contains("next attempt at "), "{text}");
    assert_eq!(tick(0), (String::new(), 1), "an hour is not over");

    scratch.write("tickets/all.jsonl", TICKET);
    retrocast_in(folder, &["schedule", "tick", "tickets", "--again"]).expect(0);
    assert_eq!(count(), 2);
    let text = status(0);
    assert!(text.starts_with("tickets good: last success "), "{text}");
    assert_eq!(tick(0), (String::new(), 2), "it is answered");
    let newest = runs(&scratch.join("reports"), "tickets").into_iter();
    for run in newest {
        let due = json(&run.join("plan.json"))["due"].clone();
        assert!(due.as_str().unwrap().ends_with("-01-01T00:00:00Z"), "{due}");
    }
}

#[test]
fn a_broken_job_file_stops_no_other() {
    let scratch = workspace();
    scratch.write("tickets/all.jsonl", TICKET);
    scratch.write("jobs/a.toml", JOB.replace("0 0 1 1 *", "0 0 30 2 *"));
    let ended = retrocast_in(scratch.path(), &["schedule", "tick"]).expect(2);
    assert!(
        ended.stderr.contains("no day of any year"),
        "{}",
        ended.stderr
    );
    assert_eq!(runs(&scratch.join("reports"), "tickets").len(), 1);
    let status = retrocast_in(scratch.path(), &["status", "--check"]).expect(1);
    let lines: Vec<&str> = status.stdout.lines().collect();
    assert!(lines[0].starts_with("a unreadable: "), "{lines:?}");
    assert!(lines[1].starts_with("tickets good: "), "{lines:?}");
}

#[test]
fn a_loop_runs_what_is_due_and_ends_when_signalled() {
    let scratch = workspace();
    scratch.write("tickets/all.jsonl", TICKET);
    let mut child = Command::new(program())
        .args(["schedule", "run"])
        .current_dir(scratch.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_good = || {
        let status = retrocast_in(scratch.path(), &["status", "--check"]);
        status.code == 0
    };
    wait(Duration::from_secs(120), is_good);
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(status.success());
    wait(Duration::from_secs(20), || {
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(runs(&scratch.join("reports"), "tickets").len(), 1);
}

#[track_caller]
fn wait(most: Duration, mut until: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !until() {
        assert!(begun.elapsed() < most, "nothing came of it");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Exports call this program with these folders.
#[test]
fn exports_call_the_program() {
    let scratch = workspace();
    let folder = scratch.path().canonicalize().unwrap();
    let call = format!("--workspace {} schedule tick tickets", folder.display());
    for to in ["cron", "systemd", "kubernetes"] {
        let text = retrocast_in(&folder, &["schedule", "export", to])
            .expect(0)
            .stdout;
        let has = match to {
            "kubernetes" => {
                text.contains("kind: CronJob") && text.contains("\"tick\", \"tickets\"")
            }
            _ => text.contains(&call),
        };
        assert!(has, "{text}");
    }
    retrocast_in(
        &folder,
        &["schedule", "export", "systemd", "--out", "units"],
    )
    .expect(0);
    verify(&folder.join("units"));
}

/// systemd accepts the units.
fn verify(units: &Path) {
    let test = "exports_call_the_program";
    if !tool(test, "systemd-analyze") {
        return;
    }
    let timer = units.join("retrocast-tickets.timer");
    let ended = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&timer)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    let ours: Vec<&str> = stderr
        .lines()
        .filter(|line| line.contains("retrocast"))
        .collect();
    assert_eq!(ours, [""; 0]);
}

#[test]
fn without_any_schedule_that_is_reported() {
    let scratch = workspace();
    let schedule = "[schedule]\ncron = \"0 0 1 1 *\"\n";
    scratch.write("jobs/tickets.toml", JOB.replace(schedule, ""));
    for arguments in [&["status"][..], &["status", "--check"]] {
        let stdout = retrocast_in(scratch.path(), arguments).expect(0).stdout;
        assert_eq!(stdout, "no job in jobs has a schedule\n");
    }
    let ended = retrocast_in(scratch.path(), &["schedule", "run"]).expect(2);
    for words in ["no job in jobs has a schedule", "[schedule]", "cron = "] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}
