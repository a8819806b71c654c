//! Schedules from the command line: each due job runs once, and failed runs are retried.

use super::support::*;
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A job that is due at the beginning of every year, so it is overdue without a run.
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
fn a_due_job_is_run_once_and_retried_after_failure() {
    let scratch = workspace();
    let folder = scratch.path();
    let count = || runs(&scratch.join("reports"), "tickets").len();
    let status = |code| {
        retrocast_in(folder, &["status", "--check"])
            .expect(code)
            .stdout
    };
    let tick = |code| {
        let result = retrocast_in(folder, &["schedule", "tick"]).expect(code);
        (result.stdout, count())
    };
    assert!(status(1).starts_with("tickets overdue: due "));

    // There are no records: the run fails, and is retried after an hour.
    let (_, failed) = tick(1);
    assert_eq!(failed, 1);
    let text = status(1);
    assert!(text.starts_with("tickets failing: "), "{text}");
    assert!(text.contains("next attempt at "), "{text}");
    assert_eq!(tick(0), (String::new(), 1), "no retry within the hour");

    scratch.write("tickets/all.jsonl", TICKET);
    retrocast_in(folder, &["schedule", "tick", "tickets", "--again"]).expect(0);
    assert_eq!(count(), 2);
    let text = status(0);
    assert!(text.starts_with("tickets good: last success "), "{text}");
    assert_eq!(tick(0), (String::new(), 2), "nothing is due now");
    for run in runs(&scratch.join("reports"), "tickets") {
        let due = json(&run.join("plan.json"))["due"].clone();
        assert!(due.as_str().unwrap().ends_with("-01-01T00:00:00Z"), "{due}");
    }
}

#[test]
fn an_invalid_job_file_does_not_stop_other_jobs() {
    let scratch = workspace();
    scratch.write("tickets/all.jsonl", TICKET);
    scratch.write("jobs/a.toml", JOB.replace("0 0 1 1 *", "0 0 30 2 *"));
    let result = retrocast_in(scratch.path(), &["schedule", "tick"]).expect(2);
    assert!(
        result.stderr.contains("no day of any year"),
        "{}",
        result.stderr
    );
    assert_eq!(runs(&scratch.join("reports"), "tickets").len(), 1);
    let status = retrocast_in(scratch.path(), &["status", "--check"]).expect(1);
    let lines: Vec<&str> = status.stdout.lines().collect();
    assert!(lines[0].starts_with("a unreadable: "), "{lines:?}");
    assert!(lines[1].starts_with("tickets good: "), "{lines:?}");
}

#[test]
fn schedule_run_runs_due_jobs_until_signalled() {
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
    wait_until(Duration::from_secs(120), is_good);
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(status.success());
    wait_until(Duration::from_secs(20), || {
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(runs(&scratch.join("reports"), "tickets").len(), 1);
}

#[track_caller]
fn wait_until(timeout: Duration, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < timeout, "timed out");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Exports call the program with the folders of this workspace.
#[test]
fn exports_call_the_program() {
    let scratch = workspace();
    let folder = scratch.path().canonicalize().unwrap();
    let call = format!("--workspace {} schedule tick tickets", folder.display());
    for format in ["cron", "systemd", "kubernetes"] {
        let text = retrocast_in(&folder, &["schedule", "export", format])
            .expect(0)
            .stdout;
        let has_call = match format {
            "kubernetes" => {
                text.contains("kind: CronJob") && text.contains("\"tick\", \"tickets\"")
            }
            _ => text.contains(&call),
        };
        assert!(has_call, "{text}");
    }
    retrocast_in(
        &folder,
        &["schedule", "export", "systemd", "--out", "units"],
    )
    .expect(0);
    verify_units(&folder.join("units"));
}

/// Checks that systemd accepts the units.
fn verify_units(units: &Path) {
    let test = "exports_call_the_program";
    if !has_tool(test, "systemd-analyze") {
        return;
    }
    let timer = units.join("retrocast-tickets.timer");
    let result = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&timer)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&result.stderr).into_owned();
    let messages: Vec<&str> = stderr
        .lines()
        .filter(|line| line.contains("retrocast"))
        .collect();
    assert_eq!(messages, [""; 0]);
}

#[test]
fn a_missing_schedule_is_reported() {
    let scratch = workspace();
    let schedule = "[schedule]\ncron = \"0 0 1 1 *\"\n";
    scratch.write("jobs/tickets.toml", JOB.replace(schedule, ""));
    for arguments in [&["status"][..], &["status", "--check"]] {
        let stdout = retrocast_in(scratch.path(), arguments).expect(0).stdout;
        assert_eq!(stdout, "no job in jobs has a schedule\n");
    }
    let result = retrocast_in(scratch.path(), &["schedule", "run"]).expect(2);
    for words in ["no job in jobs has a schedule", "[schedule]", "cron = "] {
        assert!(result.stderr.contains(words), "{}", result.stderr);
    }
}
