//! Every command, as users run it.

use super::support::*;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
    time::SystemTime,
};

#[test]
fn init_writes_a_workspace_that_runs() {
    let scratch = Scratch::new();
    retrocast_in(scratch.path(), &["init", "review"]).expect(0);
    let folder = scratch.join("review");
    let jobs: Vec<_> = std::fs::read_dir(folder.join("jobs"))
        .unwrap()
        .flatten()
        .collect();
    assert!(jobs.iter().any(|entry| entry.file_name() == "hello.toml"));
    retrocast_in(&folder, &["check", "hello"]).expect(0);
    // The simulated records end yesterday, so the last week has a full report.
    let result = retrocast_in(&folder, &["run", "hello"]).expect(0);
    assert!(result.stdout.contains("executive.pdf"), "{}", result.stdout);
    assert!(
        !result.stderr.contains("no records in"),
        "{}",
        result.stderr
    );
    let run = runs(&folder.join("reports"), "hello").remove(0);
    for stage in json(&run.join("report.json"))["plan"].as_array().unwrap() {
        assert_eq!(stage["status"], "done", "{stage}");
    }
    assert!(folder.join("reports/index.html").is_file());
    // A second `init` must not overwrite changes of the user.
    let second = retrocast_in(scratch.path(), &["init", "review"]).expect(2);
    assert!(second.stderr.contains("already"), "{}", second.stderr);
}

#[test]
fn init_with_the_same_date_writes_the_same_records() {
    let scratch = Scratch::new();
    let truth = |name: &str| {
        let result = retrocast_in(scratch.path(), &["init", name, "--until", "2026-07-02"]);
        let stdout = result.expect(0).stdout;
        assert!(stdout.contains("up to 1 July 2026"), "{stdout}");
        assert!(stdout.contains("run hello --date 2026-07-02"), "{stdout}");
        fs::read(scratch.join(name).join("data/raw/operations/truth.json")).unwrap()
    };
    assert_eq!(truth("a"), truth("b"));
}

#[test]
fn list_show_and_diff_find_the_same_run() {
    let (scratch, run) = demo();
    let id = run.file_name().unwrap().to_str().unwrap();
    let list = retrocast_in(scratch.path(), &["list"]).expect(0);
    assert!(list.stdout.contains(id), "{}", list.stdout);
    let show = retrocast_in(scratch.path(), &["show", "latest"]).expect(0);
    assert!(
        show.stdout.contains(id) && show.stdout.contains("2026-W46"),
        "{}",
        show.stdout
    );
    let shown = retrocast_in(scratch.path(), &["show", id, "--json"]).expect(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown.as_array().unwrap(), &findings(run));
    // A job, a window or both may replace the name of a run, and select their newest run.
    for names in [
        &[][..],
        &["weekly-operations"],
        &["2026-W46"],
        &["weekly-operations", "2026-W46"],
        &["weekly-operations/2026-W46"],
    ] {
        let show = retrocast_in(scratch.path(), &[&["show"], names].concat()).expect(0);
        assert!(show.stdout.contains(id), "{names:?}: {}", show.stdout);
    }
    let diff = ["diff", "weekly-operations/2026-W46", "weekly-operations"];
    retrocast_in(scratch.path(), &diff).expect(0);
    for (name, words) in [
        ("nothing", "no run \"nothing\""),
        ("2026-W45", "there are runs on 2026-W46"),
        ("weekly-operation", "did you mean \"weekly-operations\"?"),
    ] {
        for command in [&["show"][..], &["rerun"], &["diff", "latest"]] {
            let result = retrocast_in(scratch.path(), &[command, &[name]].concat()).expect(2);
            assert_stderr(&result, &[words]);
        }
    }
}

/// A job with a schedule and one record, of 6 January 2026.
const SMALL: &str = "title = \"Small\"\nwindow = \"day\"\n\
                     [schedule]\ncron = \"0 0 1 1 *\"\n\
                     [source.tickets]\nuri = \"tickets.jsonl\"\ncontract = \"ticket\"\n\
                     [stage.all]\nkind = \"sql\"\nquery = \"select count(*) as n from tickets\"\n\
                     [report.technical]\n";

/// A workspace with that job, after a run for that day, started by hand.
fn workspace_after_run() -> Scratch {
    let scratch = workspace_of("small", SMALL);
    let record = "{\"id\": 1, \"at\": \"2026-01-06T10:00:00Z\"}\n";
    scratch.write("tickets.jsonl", record);
    let run = ["run", "small", "--window", "2026-01-06"];
    let result = retrocast_in(scratch.path(), &run).expect(0);
    assert!(
        !result.stderr.contains("no records in"),
        "{}",
        result.stderr
    );
    scratch
}

/// The same workspace, created once, after one more run for a week without records.
fn small() -> &'static Scratch {
    static WORKSPACE: OnceLock<Scratch> = OnceLock::new();
    WORKSPACE.get_or_init(|| {
        let scratch = workspace_after_run();
        let run = ["run", "small", "--window", "1850-W01"];
        let result = retrocast_in(scratch.path(), &run).expect(0);
        let period = "31 December 1849 to 6 January 1850";
        let cover = "the records cover 6 January 2026 to 6 January 2026";
        assert_stderr(
            &result,
            &[&format!("no records in 1850-W01 ({period}): {cover}")],
        );
        scratch
    })
}

/// A run for a window without records reports this, also in its report, and is not the latest run.
#[test]
fn a_window_without_records_is_reported_and_is_not_the_latest() {
    let scratch = small();
    let show = |run: &str| {
        retrocast_in(scratch.path(), &["show", run])
            .expect(0)
            .stdout
    };
    for run in ["latest", "small", "small/latest"] {
        assert!(show(run).contains("2026-01-06"), "{}", show(run));
    }
    assert!(show("1850-W01").contains("1850-W01"));
    let old = scratch.join("reports/small/1850-W01");
    let mut runs = fs::read_dir(old)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let old = runs.find(|path| path.is_dir()).expect("a run");
    let report = json(&old.join("report.json"));
    assert_eq!(report["date"], "1850-01-07");
    let notices = report["notices"].to_string();
    assert!(notices.contains("No records in 1850-W01"), "{notices}");
}

#[test]
fn status_lists_a_manual_success() {
    let stdout = retrocast_in(small().path(), &["status"]).expect(0).stdout;
    assert!(stdout.contains(", started by hand, on "), "{stdout}");
    assert!(stdout.contains("no scheduled success yet"), "{stdout}");
    let json = retrocast_in(small().path(), &["status", "--json"])
        .expect(0)
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(
        json[0]["standing"]["last_manual_success"]["run"].is_string(),
        "{json}"
    );
}

/// The paths below a folder, with their modification times.
fn modification_times(folder: &Path) -> BTreeMap<String, SystemTime> {
    let mut times = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            times.extend(modification_times(&path));
        }
        let modified = entry.metadata().unwrap().modified().unwrap();
        times.insert(path.display().to_string(), modified);
    }
    times
}

/// Read-only commands write nothing to the lake.
#[test]
fn reading_a_lake_writes_nothing_to_it() {
    let scratch = workspace_after_run();
    let lake = scratch.join("data/lake");
    let before = modification_times(&lake);
    for command in [
        &["query", "small", "select count(*) from tickets order by 1"][..],
        &["list", "small"],
        &["show", "small", "tickets"],
        &["versions", "small", "tickets"],
    ] {
        retrocast_in(scratch.path(), &[&["lake"], command].concat()).expect(0);
        assert_eq!(modification_times(&lake), before, "{command:?}");
    }
}

/// Runs the program with redirected streams; returns the exit code, and stderr if it was piped.
fn run_redirected(arguments: &[&str], stdout: Stdio, stderr: Stdio) -> (Option<i32>, String) {
    let child = Command::new(program())
        .args(arguments)
        .current_dir(small().path())
        .env_remove("RUST_LOG")
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stderr)
}

/// If the output cannot be written, the exit code is 1; if messages cannot be written, nothing
/// changes.
#[test]
fn unwritable_streams_do_not_interrupt_a_run() {
    let full_device = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let run = ["run", "small", "--window", "2026-01-06"];
    let run_json = [&run[..], &["--json"]].concat();
    for arguments in [
        &["list"][..],
        &["show", "--json"],
        &["kinds"],
        &["--help"],
        &["--version"],
        &["completions", "bash"],
        &run,
        &run_json,
    ] {
        let (code, stderr) = run_redirected(arguments, full_device(), Stdio::piped());
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("cannot write to stdout: "),
            "{arguments:?}: {stderr}"
        );
        assert_eq!(
            stderr.matches("error:").count(),
            1,
            "{arguments:?}: {stderr}"
        );
    }
    for arguments in [&run[..], &run_json, &["list"], &["plan", "small"]] {
        let (code, _) = run_redirected(arguments, Stdio::null(), full_device());
        assert_eq!(code, Some(0), "{arguments:?}");
    }
    let (code, _) = run_redirected(&["check", "nothing"], Stdio::null(), full_device());
    assert_eq!(code, Some(2));
    let (code, _) = run_redirected(&run, full_device(), full_device());
    assert_eq!(code, Some(1));
}

/// A reader that closes the pipe, such as `| head`, does not make the command fail.
#[test]
fn a_closed_pipe_is_not_a_failure() {
    let run = ["run", "small", "--window", "2026-01-05", "--json"];
    for arguments in [&["list"][..], &["kinds", "trend"], &["--help"], &run] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, stderr) = run_redirected(arguments, writer.into(), Stdio::piped());
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn plan_prints_reasons_and_a_graph() {
    let (scratch, _) = demo();
    let jobs = root().join("jobs").display().to_string();
    let setting = format!("records={}", operations().display());
    let plan = |options: &[&str]| {
        let base = [
            "plan",
            "weekly-operations",
            "--jobs",
            &jobs,
            "--set",
            &setting,
        ];
        retrocast_in(
            scratch.path(),
            &[&base[..], &["--date", "2026-11-16"], options].concat(),
        )
        .expect(0)
        .stdout
    };
    let text = plan(&[]);
    assert!(
        text.contains("source.tickets") && text.contains("unchanged"),
        "{text}"
    );
    let text = plan(&["--window", "2026-W40"]);
    assert!(text.contains("window"), "{text}");
    assert!(plan(&["--mermaid"]).starts_with("flowchart"), "no Mermaid");
    let json: serde_json::Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    assert!(json["nodes"].as_array().unwrap().len() > 10, "{json}");
}

#[test]
fn run_prints_events_as_json_lines() {
    let scratch = Scratch::new();
    let result = run_job(
        &scratch,
        "weekly-operations",
        operations(),
        &["--date", "2026-11-16", "--json"],
    )
    .expect(0);
    let events: Vec<serde_json::Value> = result
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        events.iter().any(|event| event["event"] == "run_finished"),
        "{}",
        result.stdout
    );
}

#[test]
fn completions_schema_and_kinds_are_printed() {
    let folder = std::path::Path::new(".");
    for shell in ["bash", "zsh", "fish"] {
        let text = retrocast_in(folder, &["completions", shell])
            .expect(0)
            .stdout;
        assert!(text.contains("retrocast"), "{shell}");
    }
    let schema = retrocast_in(folder, &["schema"]).expect(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(schema["$schema"].is_string());
    let committed = json(&root().join("jobs/job.schema.json"));
    assert!(
        committed == schema,
        "jobs/job.schema.json is outdated: run `cargo xtask bless`"
    );
    let kinds = retrocast_in(folder, &["kinds"]).expect(0).stdout;
    for kind in [
        "sql",
        "quality",
        "kpi",
        "trend",
        "change_point",
        "anomaly",
        "forecast",
    ] {
        assert!(kinds.contains(kind), "{kinds}");
        let manual = retrocast_in(folder, &["kinds", kind]).expect(0).stdout;
        assert!(
            manual.contains("# Params") && manual.contains("required"),
            "{manual}"
        );
        let (_, common) = manual.split_once("# Keys of every stage").unwrap();
        for key in [
            "kind (required)",
            "title (optional)",
            "optional (default false)",
        ] {
            assert!(common.contains(key), "{common}");
        }
    }
    retrocast_in(folder, &["kinds", "nonsense"]).expect(2);
    retrocast_in(folder, &["nonsense"]).expect(2);
}

#[test]
fn parameters_are_checked() {
    let scratch = Scratch::new();
    let jobs = root().join("jobs").display().to_string();
    let base = ["run", "weekly-operations", "--jobs", &jobs];
    for (options, words) in [
        (["--set", "recrods=x"], "did you mean"),
        (["--set", "records"], "KEY=VALUE"),
        (["--window", "2026-W99"], "2026-W99"),
        (["--memory", "lots"], "\"2 GiB\""),
        (["--memory", "15"], "at least 16 MiB"),
        (["--spill", "2 gigs"], "a plain number is in MiB"),
        (["--select", "stage.nothing"], "stage.nothing"),
    ] {
        let result = retrocast_in(scratch.path(), &[&base[..], &options[..]].concat()).expect(2);
        assert!(
            result.stderr.contains(words),
            "{options:?}: {}",
            result.stderr
        );
    }
    // Together with a window, the date is that of the report, and must be after the window.
    for command in ["run", "plan", "check"] {
        let options = ["--window", "2026-W42", "--date", "2026-10-18"];
        let arguments = [
            &[command, "weekly-operations", "--jobs", &jobs],
            &options[..],
        ]
        .concat();
        let result = retrocast_in(scratch.path(), &arguments).expect(2);
        assert_stderr(
            &result,
            &["--date 2026-10-18 is before the end of --window 2026-W42"],
        );
    }
}
