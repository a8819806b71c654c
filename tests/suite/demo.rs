//! The main job from records to archive: reuse, reproducible results, and the files of a run
//! folder.

use super::support::*;
use std::{fs, os::unix::fs::symlink, path::Path};

const DATE: &[&str] = &["--date", "2026-11-16"];
const OUTPUT_FILES: &[&str] = &[
    "executive.pdf",
    "technical.pdf",
    "executive.html",
    "technical.html",
    "findings.json",
    "report.json",
];

#[test]
fn a_run_folder_contains_every_output() {
    let (scratch, run) = demo();
    for name in OUTPUT_FILES
        .iter()
        .chain(&["plan.json", "journal.jsonl", "run.json"])
    {
        assert!(run.join(name).is_file(), "{name} is missing");
    }
    assert!(fs::read_dir(run.join("cells")).unwrap().count() >= 9);
    assert!(fs::read_dir(run.join("charts")).unwrap().count() >= 5);
    let index = fs::read_to_string(scratch.join("reports/index.html")).unwrap();
    let id = run.file_name().unwrap().to_str().unwrap();
    assert!(
        index.contains(id) && index.contains("2026-W46"),
        "the archive does not list the run"
    );
    for link in index
        .split("href=\"")
        .skip(1)
        .map(|after| after.split('"').next().unwrap())
    {
        let link = link.replace("&#x2f;", "/");
        let path = link.split('#').next().unwrap();
        if !path.is_empty() && !path.contains(':') {
            assert!(
                scratch.join("reports").join(path).exists(),
                "dead link {link}"
            );
        }
    }
}

/// The stages that make claims share 5 % equally, unless the job or a stage says otherwise.
#[test]
fn stages_share_one_budget_of_false_claims() {
    let alphas = |plan: &serde_json::Value| -> Vec<f64> {
        let nodes = plan["nodes"].as_array().unwrap();
        let alphas = nodes.iter().map(|node| &node["config"]["alpha"]);
        alphas.filter_map(serde_json::Value::as_f64).collect()
    };
    let (_, run) = demo();
    let shared = alphas(&json(&run.join("plan.json")));
    let sum: f64 = shared.iter().sum();
    assert!(
        shared.len() >= 8 && 0.04 < sum && sum <= 0.05 + 1e-12,
        "{shared:?}"
    );
    assert!(shared.iter().all(|alpha| *alpha == shared[0]), "{shared:?}");

    let scratch = Scratch::new();
    let path = root().join("jobs/weekly-operations.toml");
    let text = fs::read_to_string(path).unwrap();
    let text = text.replacen("timezone =", "false_claims = 0.02\ntimezone =", 1);
    let text = text.replacen("periods_max = 70", "periods_max = 70\nalpha = 0.2", 1);
    fs::create_dir_all(scratch.join("jobs")).unwrap();
    fs::write(scratch.join("jobs/changed.toml"), text).unwrap();
    symlink(
        root().join("jobs/contracts"),
        scratch.join("jobs/contracts"),
    )
    .unwrap();
    let result = retrocast_in(
        scratch.path(),
        &[&["plan", "changed", "--json"], DATE].concat(),
    );
    let plan = serde_json::from_str(&result.expect(0).stdout).unwrap();
    let changed = alphas(&plan);
    let sum: f64 = changed.iter().filter(|alpha| **alpha != 0.2).sum();
    assert!(
        changed.contains(&0.2) && 0.015 < sum && sum <= 0.02,
        "{changed:?}"
    );
}

fn assert_same_outputs(a: &Path, b: &Path) {
    for name in OUTPUT_FILES {
        let (left, right) = (
            fs::read(a.join(name)).unwrap(),
            fs::read(b.join(name)).unwrap(),
        );
        assert!(
            left == right,
            "{name} differs between {} and {}",
            a.display(),
            b.display()
        );
    }
}

#[test]
fn a_second_run_reuses_every_node_and_writes_the_same_bytes() {
    let scratch = Scratch::new();
    let first = run_job(&scratch, "weekly-operations", operations(), DATE).expect(0);
    let second_result = run_job(&scratch, "weekly-operations", operations(), DATE).expect(0);
    let runs = runs(&scratch.join("reports"), "weekly-operations");
    assert_eq!(runs.len(), 2, "{}\n{}", first.stdout, second_result.stdout);
    assert_same_outputs(&runs[0], &runs[1]);
    let second = runs
        .iter()
        .map(|run| json(&run.join("run.json")))
        .max_by_key(|summary| summary["reused"].as_u64());
    let second = second.unwrap();
    assert_eq!(second["executed"], 0, "{second}");
    assert!(second["reused"].as_u64().unwrap() >= 15, "{second}");
}

#[test]
fn the_number_of_threads_does_not_change_the_bytes() {
    let runs_by_threads = ["1", "2"].map(|threads| {
        let scratch = Scratch::new();
        let options = [DATE, &["--threads", threads]].concat();
        run_job(&scratch, "weekly-operations", operations(), &options).expect(0);
        let run = runs(&scratch.join("reports"), "weekly-operations").remove(0);
        (scratch, run)
    });
    assert_same_outputs(&runs_by_threads[0].1, &runs_by_threads[1].1);
    assert_eq!(
        runs_by_threads[0].1.file_name(),
        runs_by_threads[1].1.file_name(),
        "the run's id differs"
    );
}

#[test]
fn quarantined_records_are_counted_exactly() {
    let (_, run) = demo();
    let truth = json(&operations().join("truth.json"));
    let report = json(&run.join("report.json"));
    let mut planted = 0;
    for source in report["sources"].as_array().unwrap() {
        let name = source["name"].as_str().unwrap();
        let reported: serde_json::Map<String, serde_json::Value> = source["quarantined"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap().to_string(), pair[1].clone()))
            .collect();
        let expected = &truth["sources"][name];
        assert_eq!(
            &reported,
            expected["quarantined"].as_object().unwrap(),
            "{name}"
        );
        for count in ["records", "accepted", "duplicates"] {
            assert_eq!(source[count], expected[count], "{count} of {name}");
        }
        let quarantined: u64 = reported.values().map(|n| n.as_u64().unwrap()).sum();
        planted += quarantined;
    }
    assert!(
        planted > 10,
        "the simulation planted only {planted} hostile records"
    );
}
