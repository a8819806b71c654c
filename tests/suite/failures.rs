//! Runs on a failing machine: out of memory, a full disk, a signal, a clock that jumps. Each ends
//! cleanly, and no finished work is lost.

use super::support::*;
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const HEAD: &str = r#"title = "Small"
window = "week"

[source.tickets]
uri = "records/*.jsonl"
contract = "ticket"
"#;

const REPORT: &str = r#"
[stage.quality]
kind = "quality"
inputs = ["tickets"]

[report.executive]
[report.technical]
"#;

/// A workspace with a small job, `stages` appended to its job file, and a number of `tickets`
/// before 16 November 2026.
fn workspace(stages: &str, tickets: u32) -> Scratch {
    let scratch = workspace_of("small", &format!("{HEAD}{stages}{REPORT}"));
    let mut lines = String::new();
    for id in 0..tickets {
        let (day, hour) = (1 + id % 15, id / 15 % 24);
        let _ = writeln!(
            lines,
            "{{\"id\": {id}, \"at\": \"2026-11-{day:02}T{hour:02}:00:00Z\"}}"
        );
    }
    scratch.write("records/tickets.jsonl", lines);
    scratch
}

fn run(scratch: &Scratch, options: &[&str]) -> CommandResult {
    let mut arguments = vec!["run", "small", "--date", "2026-11-16"];
    arguments.extend(options);
    retrocast_in(scratch.path(), &arguments)
}

#[test]
fn a_query_that_exceeds_its_memory_is_reported() {
    let stage = r#"
[stage.all]
kind = "sql"
query = "select length(string_agg(repeat('x', 60), ',')) as n from tickets"
"#;
    let scratch = workspace(stage, 300_000);
    let result = run(&scratch, &["--memory", "16"]).expect(1);
    assert_stderr(&result, &["stage.all", "memory", "--memory"]);
    let folder = runs(&scratch.join("reports"), "small").remove(0);
    assert_eq!(json(&folder.join("run.json"))["status"], "failed");
    let text = fs::read_to_string(folder.join("failure.txt")).unwrap();
    assert!(text.contains("stage.all"), "{text}");
    // With enough memory, the run resumes.
    let result = run(&scratch, &["--memory", "512"]).expect(0);
    assert!(result.stdout.contains("reused"), "{}", result.stdout);
}

#[test]
fn large_queries_spill_to_disk_within_the_limit_and_give_the_same_result() {
    let stage = r#"
[stage.sorted]
kind = "sql"
query = "select id, repeat('x', 100) as padding from tickets order by padding, id desc"
"#;
    let scratch = workspace(stage, 300_000);
    let result = run(&scratch, &["--memory", "32", "--spill", "1"]).expect(1);
    assert_stderr(&result, &["stage.sorted", "disk", "--spill"]);
    run(&scratch, &["--memory", "32"]).expect(0);
    assert_eq!(entries(&scratch.join("data/lake/.spill")), 0);
    let spilled = checksums(&scratch);
    let in_memory = workspace(stage, 300_000);
    run(&in_memory, &["--memory", "2048"]).expect(0);
    assert_eq!(spilled, checksums(&in_memory));
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Hashes of the files of the last run.
fn checksums(scratch: &Scratch) -> Vec<String> {
    let runs = runs(&scratch.join("reports"), "small");
    let text = fs::read_to_string(runs.last().unwrap().join("checksums.b3")).unwrap();
    let is_content = |line: &&str| !line.contains("plan.json");
    text.lines()
        .filter(is_content)
        .map(str::to_string)
        .collect()
}

/// Sends a signal to an active run; returns its exit code and its stderr.
fn interrupt_run(signal: &str, folder: &Path, records: &Path) -> (Option<i32>, String) {
    let command = ["run", "weekly-operations", "--date", "2026-11-16"];
    let child = start_command(&command, folder, records);
    // Wait until some nodes have finished, but not all.
    let journal = || {
        let windows = folder.join("reports/weekly-operations/2026-W46");
        let run = fs::read_dir(windows).ok()?.next()?.ok()?.path();
        fs::read_to_string(run.join("journal.jsonl")).ok()
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    while !journal().is_some_and(|text| text.contains("node_finished")) {
        assert!(Instant::now() < deadline, "no node finished");
        std::thread::sleep(Duration::from_millis(2));
    }
    let signal_status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(signal_status.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}

#[test]
fn a_signalled_run_ends_cleanly() {
    for signal in ["-INT", "-TERM"] {
        let scratch = Scratch::new();
        let (code, stderr) = interrupt_run(signal, scratch.path(), operations());
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("reuses finished nodes"), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        let folder = runs(&scratch.join("reports"), "weekly-operations").remove(0);
        assert_eq!(json(&folder.join("run.json"))["status"], "cancelled");
        assert!(!folder.join("executive.pdf").exists());
        let again = run_job(
            &scratch,
            "weekly-operations",
            operations(),
            &["--date", "2026-11-16"],
        );
        let again = again.expect(0);
        assert!(!again.stdout.contains(" 0 reused"), "{}", again.stdout);
    }
}

/// All times in a run's files are moved to 2031, as if the clock had been ahead and was then set
/// back.
#[test]
fn a_clock_that_was_set_back_does_not_prevent_reuse() {
    let scratch = workspace("", 2000);
    run(&scratch, &[]).expect(0);
    let first = runs(&scratch.join("reports"), "small").remove(0);
    let year = jiff::Zoned::now().year().to_string();
    let lease = scratch.join("data/lake/leases/small/2026-W46.lease");
    for path in [first.join("journal.jsonl"), first.join("run.json"), lease] {
        let text = fs::read_to_string(&path).unwrap();
        let times = format!("\"{year}-");
        assert!(text.contains(&times), "{}: {text}", path.display());
        fs::write(&path, text.replace(&times, "\"2031-")).unwrap();
    }
    let again = run(&scratch, &[]).expect(0);
    assert!(again.stdout.contains(" 4 reused"), "{}", again.stdout);
    retrocast_in(scratch.path(), &["list"]).expect(0);
    let plan_command = ["plan", "small", "--date", "2026-11-16", "--json"];
    let plan = retrocast_in(scratch.path(), &plan_command).expect(0);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let reused = |decision: &Value| decision["reuse"] == true;
    assert!(plan["decisions"].as_array().unwrap().iter().all(reused));
    let text = fs::read_to_string(scratch.join("records/tickets.jsonl")).unwrap();
    let fewer: Vec<&str> = text.lines().skip(1).collect();
    scratch.write("records/tickets.jsonl", fewer.join("\n"));
    run(&scratch, &[]).expect(0);
}

/// Runs a script on a disk of this `size`, mounted at `disk` in the scratch folder; `None` if the
/// machine does not allow that.
fn on_small_disk(test: &str, scratch: &Scratch, size: &str, script: &str) -> Option<CommandResult> {
    let disk = scratch.join("disk");
    fs::create_dir_all(&disk).unwrap();
    let mount_and_run = format!(
        "mount -t tmpfs -o size={size} tmpfs {0} || exit 77\ncd {0}\n{script}",
        disk.display()
    );
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", &mount_and_run])
        .env("RETROCAST", program())
        .env("WORKSPACE", scratch.path())
        .env("NO_COLOR", "1")
        .env_remove("RUST_LOG")
        .output();
    let Ok(output) = output else {
        report_skipped(test, "unshare is not installed");
        return None;
    };
    let result = CommandResult {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    if result.code == 77 || result.stderr.contains("unshare:") {
        report_skipped(test, "this machine does not let a test mount a disk");
        return None;
    }
    Some(result)
}

#[test]
fn a_run_resumes_after_a_full_disk_is_freed() {
    let scratch = workspace("", 3000);
    let script = r#"
run="$RETROCAST --workspace $WORKSPACE --lake lake --reports reports run small --date 2026-11-16"
# Space for the datasets, not for the reports.
head -c 20M /dev/zero > ballast
truncate -s -300K ballast
$run; echo "code $?"
rm ballast
$run; echo "code $?"
ls reports/small/2026-W46/*/executive.pdf
"#;
    let Some(result) = on_small_disk("a full disk", &scratch, "8m", script) else {
        return;
    };
    let codes: Vec<&str> = result
        .stdout
        .lines()
        .filter(|line| line.starts_with("code"))
        .collect();
    assert_eq!(
        codes,
        ["code 1", "code 0"],
        "{}\n{}",
        result.stdout,
        result.stderr
    );
    let words = ["No space left on device", "the disk is full", "[retention]"];
    assert_stderr(&result, &words);
    assert!(!result.stderr.contains("panicked"), "{}", result.stderr);
}

#[test]
fn old_reports_are_deleted_on_a_full_disk_if_the_job_allows_it() {
    let scratch = workspace("\n[retention]\nkeep = \"1 week\"\nat_least = 1\n", 3000);
    let script = r#"
retrocast="$RETROCAST --workspace $WORKSPACE --lake lake --reports reports"
$retrocast backfill small --from 2026-08-03 --to 2026-11-09 > output || cat output
before=$(ls reports/small/*/*/report.json | wc -l)
# Leave only a little space free.
head -c 64M /dev/zero > ballast
truncate -s -100K ballast
$retrocast run small --date 2026-11-16; echo "code $?"
after=$(ls reports/small/*/*/report.json | wc -l)
ls reports/small/*/*/removed.json | sed 's/^/tombstone /'
echo "windows $before $after"
$retrocast run small --window 2026-W45; echo "code $?"
cat reports/small/2026-W45/*/report.json
echo
$retrocast lake query small 'select count(*) as published from ledger.runs' --csv
"#;
    let Some(result) = on_small_disk("retention on a full disk", &scratch, "32m", script) else {
        return;
    };
    let (out, stderr) = (&result.stdout, &result.stderr);
    assert_stderr(&result, &["The disk was full on", "Trying once more"]);
    assert_eq!(out.matches("code 0").count(), 2, "{out}\n{stderr}");
    let windows = out.lines().find(|line| line.starts_with("windows"));
    let counts: Vec<u32> = windows
        .unwrap()
        .split(' ')
        .skip(1)
        .map(|n| n.parse().unwrap())
        .collect();
    assert!(counts[0] == 14 && counts[1] <= 2, "{counts:?}");
    assert!(out.matches("tombstone ").count() >= 13, "{out}");
    assert!(
        out.contains("as the job's retention (1 week) allows"),
        "{out}"
    );
    // The ledger keeps the findings of deleted reports.
    assert!(out.ends_with("published\n15\n"), "{out}");
}

#[test]
fn a_full_disk_on_which_no_run_can_start_is_reported_by_mail() {
    let schedule = "\n[schedule]\ncron = \"0 0 1 1 *\"\nadmin = \"ops@example.org\"\n";
    let scratch = workspace(schedule, 10);
    let script = r#"
cat > "$WORKSPACE/sendmail" <<'END'
#!/bin/sh
cat >> "$WORKSPACE/mail"
END
chmod +x "$WORKSPACE/sendmail"
export RETROCAST_SENDMAIL="$WORKSPACE/sendmail"
tick="$RETROCAST --workspace $WORKSPACE --lake lake --reports reports schedule tick small"
head -c 20M /dev/zero > ballast
$tick; echo "code $?"
$tick; echo "code $?"
rm ballast
$tick > output 2>&1 || cat output
ls reports/small
"#;
    let Some(result) = on_small_disk("mail about a full disk", &scratch, "8m", script) else {
        return;
    };
    let (out, stderr) = (&result.stdout, &result.stderr);
    assert_eq!(out.matches("code 1").count(), 2, "{out}\n{stderr}");
    assert_stderr(
        &result,
        &[
            "so nothing can run",
            "[retention]",
            "mailed ops@example.org",
        ],
    );
    let mail = fs::read_to_string(scratch.join("mail")).unwrap();
    let subject = "Subject: Report small is missing for ";
    assert_eq!(mail.matches(subject).count(), 1, "mailed once: {mail}");
    // Once space is free, the due run starts like any other run.
    assert!(out.contains("-W"), "{out}\n{stderr}");
}
