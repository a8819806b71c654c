//! Every command as a stranger would type it.

use super::support::*;

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
    let ended = retrocast_in(&folder, &["run", "hello", "--date", "2026-11-16"]).expect(0);
    assert!(ended.stdout.contains("executive.pdf"), "{}", ended.stdout);
    assert!(folder.join("reports/index.html").is_file());
    // A second `init` must not overwrite what somebody may have changed.
    let again = retrocast_in(scratch.path(), &["init", "review"]).expect(2);
    assert!(again.stderr.contains("already"), "{}", again.stderr);
}

#[test]
fn plan_list_and_show_speak_of_the_same_run() {
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
    let missing = retrocast_in(scratch.path(), &["show", "nothing"]).expect(2);
    assert!(missing.stderr.contains("nothing"), "{}", missing.stderr);
}

#[test]
fn plan_gives_reasons_and_a_graph() {
    let (scratch, _) = demo();
    let jobs = root().join("jobs").display().to_string();
    let set = format!("records={}", operations().display());
    let plan = |more: &[&str]| {
        let base = ["plan", "weekly-operations", "--jobs", &jobs, "--set", &set];
        retrocast_in(
            scratch.path(),
            &[&base[..], &["--date", "2026-11-16"], more].concat(),
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
fn events_as_json_lines() {
    let scratch = Scratch::new();
    let ended = run_job(
        &scratch,
        "weekly-operations",
        operations(),
        &["--date", "2026-11-16", "--json"],
    )
    .expect(0);
    let events: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        events.iter().any(|event| event["event"] == "run_finished"),
        "{}",
        ended.stdout
    );
}

#[test]
fn completions_schema_and_kinds_are_there() {
    let here = std::path::Path::new(".");
    for shell in ["bash", "zsh", "fish"] {
        let text = retrocast_in(here, &["completions", shell]).expect(0).stdout;
        assert!(text.contains("retrocast"), "{shell}");
    }
    let schema = retrocast_in(here, &["schema"]).expect(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(schema["$schema"].is_string());
    let kept = json(&root().join("jobs/job.schema.json"));
    assert!(
        kept == schema,
        "jobs/job.schema.json is old: run `cargo xtask bless`"
    );
    let kinds = retrocast_in(here, &["kinds"]).expect(0).stdout;
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
        let manual = retrocast_in(here, &["kinds", kind]).expect(0).stdout;
        assert!(
            manual.contains("# Params") && manual.contains("required"),
            "{manual}"
        );
    }
    retrocast_in(here, &["kinds", "nonsense"]).expect(2);
    retrocast_in(here, &["nonsense"]).expect(2);
}

#[test]
fn parameters_are_checked() {
    let scratch = Scratch::new();
    let jobs = root().join("jobs").display().to_string();
    let base = ["run", "weekly-operations", "--jobs", &jobs];
    for (more, words) in [
        (["--set", "recrods=x"], "did you mean"),
        (["--set", "records"], "KEY=VALUE"),
        (["--window", "2026-W99"], "2026-W99"),
        (["--select", "stage.nothing"], "stage.nothing"),
    ] {
        let ended = retrocast_in(scratch.path(), &[&base[..], &more[..]].concat()).expect(2);
        assert!(ended.stderr.contains(words), "{more:?}: {}", ended.stderr);
    }
}
