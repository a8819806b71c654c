//! The main job from records to archive: reuse, reproducible bytes, and the files of a run
//! folder.

use super::support::*;
use std::{fs, path::Path};

const DATE: &[&str] = &["--date", "2026-11-16"];
const PRODUCTS: &[&str] = &[
    "executive.pdf",
    "technical.pdf",
    "executive.html",
    "technical.html",
    "findings.json",
    "report.json",
];

#[test]
fn a_run_folder_holds_what_the_design_says() {
    let (scratch, run) = demo();
    for name in PRODUCTS
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
        .map(|rest| rest.split('"').next().unwrap())
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

fn same_products(a: &Path, b: &Path) {
    for name in PRODUCTS {
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
fn a_second_run_reuses_every_node_and_leaves_the_same_bytes() {
    let scratch = Scratch::new();
    let first = run_job(&scratch, "weekly-operations", operations(), DATE).expect(0);
    let again = run_job(&scratch, "weekly-operations", operations(), DATE).expect(0);
    let runs = runs(&scratch.join("reports"), "weekly-operations");
    assert_eq!(runs.len(), 2, "{}\n{}", first.stdout, again.stdout);
    same_products(&runs[0], &runs[1]);
    let second = runs
        .iter()
        .map(|run| json(&run.join("run.json")))
        .max_by_key(|summary| summary["reused"].as_u64());
    let second = second.unwrap();
    assert_eq!(second["executed"], 0, "{second}");
    assert!(second["reused"].as_u64().unwrap() >= 15, "{second}");
}

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let products = ["1", "2"].map(|threads| {
        let scratch = Scratch::new();
        let more = [DATE, &["--threads", threads]].concat();
        run_job(&scratch, "weekly-operations", operations(), &more).expect(0);
        let run = runs(&scratch.join("reports"), "weekly-operations").remove(0);
        (scratch, run)
    });
    same_products(&products[0].1, &products[1].1);
    assert_eq!(
        products[0].1.file_name(),
        products[1].1.file_name(),
        "the run's id differs"
    );
}

#[test]
fn what_was_left_out_is_counted_exactly_as_it_was_planted() {
    let (_, run) = demo();
    let truth = json(&operations().join("truth.json"));
    let report = json(&run.join("report.json"));
    let mut planted = 0;
    for source in report["sources"].as_array().unwrap() {
        let name = source["name"].as_str().unwrap();
        let seen: serde_json::Map<String, serde_json::Value> = source["quarantined"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap().to_string(), pair[1].clone()))
            .collect();
        let planted_here = &truth["sources"][name];
        assert_eq!(
            &seen,
            planted_here["quarantined"].as_object().unwrap(),
            "{name}"
        );
        for count in ["records", "accepted", "duplicates"] {
            assert_eq!(source[count], planted_here[count], "{count} of {name}");
        }
        let expected: u64 = seen.values().map(|n| n.as_u64().unwrap()).sum();
        planted += expected;
    }
    assert!(
        planted > 10,
        "the simulation planted only {planted} hostile records"
    );
}
