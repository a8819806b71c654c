//! Every record type of the catalogue, from files to a report: the numbers of accepted and
//! quarantined records match those that the simulation counted.

use super::support::*;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// Simulates sixteen weeks, enough for a register of improvements, with few records.
fn simulate_all(out: &Path) {
    let out = out.display().to_string();
    let options = "--seed 2 --weeks 16 --until 2026-11-16 --records 12000";
    let mut arguments = vec!["simulate", out.as_str()];
    arguments.extend(options.split(' '));
    retrocast_in(Path::new("."), &arguments).expect(0);
}

/// The pairs of a list in the report, such as reasons with counts.
fn pairs(value: &Value) -> BTreeMap<String, u64> {
    let pairs = value.as_array().unwrap().iter();
    pairs
        .map(|pair| {
            (
                pair[0].as_str().unwrap().to_string(),
                pair[1].as_u64().unwrap(),
            )
        })
        .collect()
}

/// The pairs of an object in the truth.
fn counts(value: &Value) -> BTreeMap<String, u64> {
    let counts = value.as_object().unwrap().iter();
    counts
        .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
        .collect()
}

#[test]
fn every_record_type_is_ingested_as_planted() {
    let scratch = Scratch::new();
    let records = scratch.join("operations");
    simulate_all(&records);
    run_job(&scratch, "catalogue", &records, &["--date", "2026-11-16"]).expect(0);
    let run = runs(&scratch.join("reports"), "catalogue").remove(0);
    let report = json(&run.join("report.json"));
    let truth = json(&records.join("truth.json"));
    let planted = truth["sources"].as_object().unwrap();
    let sources = report["sources"].as_array().unwrap();
    assert_eq!(sources.len(), planted.len());
    for note in sources {
        let name = note["name"].as_str().unwrap();
        let planted = &planted[name];
        for count in ["files", "records", "accepted", "duplicates"] {
            assert_eq!(note[count], planted[count], "{name}: {count}");
        }
        let reasons = pairs(&note["quarantined"]);
        assert_eq!(reasons, counts(&planted["quarantined"]), "{name}");
        let unknown = pairs(&note["unknown_fields"]);
        assert_eq!(unknown, counts(&planted["unknown_fields"]), "{name}");
        let broken = note["broken_files"].as_array().unwrap().len() as u64;
        assert_eq!(broken, planted["broken_files"], "{name}");
    }
}

/// Rows of a stage's table, as formatted in the report.
fn rows(run: &Path, stage: &str) -> Vec<Vec<String>> {
    let cell = json(&run.join("cells").join(format!("{stage}.json")));
    serde_json::from_value(cell["tables"][0]["rows"].clone()).unwrap()
}

#[test]
fn references_between_records_are_complete() {
    let scratch = Scratch::new();
    let records = scratch.join("operations");
    simulate_all(&records);
    let options = ["--date", "2026-11-16", "--select", "stage.lost_references"];
    run_job(&scratch, "catalogue", &records, &options).expect(0);
    let run = runs(&scratch.join("reports"), "catalogue").remove(0);
    let rows = rows(&run, "lost_references");
    assert_eq!(rows.len(), 6, "{rows:?}");
    for row in rows {
        assert_ne!(row[2], "0", "{row:?}");
        assert_eq!(row[3], "0", "{row:?}");
    }
}

#[test]
fn the_dictionary_contains_every_contract() {
    let scratch = Scratch::new();
    let jobs = root().join("jobs").display().to_string();
    let file = scratch.join("dictionary.html");
    let path = file.display().to_string();
    let write = ["--jobs", &jobs, "dictionary", "--out", &path];
    retrocast_in(scratch.path(), &write).expect(0);
    let page = std::fs::read_to_string(&file).unwrap();
    let print = ["--jobs", &jobs, "dictionary", "--format", "markdown"];
    let text = retrocast_in(scratch.path(), &print).expect(0).stdout;
    let mut contracts = 0;
    for entry in std::fs::read_dir(root().join("jobs/contracts")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("id=\"record-{name}\"")), "{name}");
        assert!(text.contains(&format!("(`{name}`)")), "{name}");
        contracts += 1;
    }
    assert!(contracts >= 18, "{contracts}");
    let result = retrocast_in(scratch.path(), &["dictionary"]).expect(2);
    assert!(result.stderr.contains("no contracts"), "{}", result.stderr);
}
