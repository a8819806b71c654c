//! Datasets in other programs: pylance, polars and `DuckDB` read the same rows from a lake as the
//! program, including earlier versions.

use super::support::*;
use serde_json::{Value, json};
use std::{ffi::OsString, path::Path, process::Command};

/// Variable with the path of a Python that has pylance, polars and `DuckDB`, as installed by
/// `.ci/run`.
const PYTHON: &str = "RETROCAST_READERS_PYTHON";

/// The path of Python; if it is missing, prints that the test was skipped.
fn python(test: &str) -> Option<OsString> {
    let python = std::env::var_os(PYTHON);
    if python.is_none() {
        let reason = format!("{PYTHON} names no Python with pylance, polars and DuckDB");
        report_skipped(test, &reason);
    }
    python
}

/// Reads a job's datasets in Python; the questions and answers are described in the script.
fn read_in_python(python: &OsString, folder: &Path, questions: &Value) -> Vec<Value> {
    let output = Command::new(python)
        .arg(root().join("tests/suite/readers.py.txt"))
        .arg(folder)
        .arg(questions.to_string())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();
    answers.as_array().unwrap().clone()
}

/// Runs a `lake` command with `--json`.
fn lake(scratch: &Scratch, command: &str, job: &str, arguments: &[&str]) -> Value {
    let jobs = root().join("jobs").display().to_string();
    let mut command_arguments = vec!["lake", command, job];
    command_arguments.extend(arguments);
    command_arguments.push("--json");
    // Without its own jobs, the workspace uses those of the project.
    if !scratch.join("jobs").is_dir() {
        command_arguments.extend(["--jobs", &jobs]);
    }
    let result = retrocast_in(scratch.path(), &command_arguments).expect(0);
    serde_json::from_str(&result.stdout).unwrap()
}

fn column_names(shown: &Value) -> Vec<&str> {
    let columns = shown["columns"].as_array().unwrap().iter();
    columns
        .map(|column| column["name"].as_str().unwrap())
        .collect()
}

/// Checks that each reader read these rows, this sum and this last time.
fn assert_agree(answer: &Value, expected: &Value, name: &str) {
    assert_eq!(answer["pylance_rows"], expected["rows"], "{name}");
    let readers = answer["readers"].as_object().unwrap();
    assert_eq!(readers.len(), 5);
    for (reader, result) in readers {
        assert_eq!(result["rows"], expected["rows"], "{name}: {reader}");
        assert_eq!(result["last"], expected["last"], "{name}: {reader}");
        let (found, sum) = (result["sum"].as_f64(), expected["sum"].as_f64());
        assert_eq!(found.is_some(), sum.is_some(), "{name}: {reader}");
        // The order of addition differs.
        let is_near = |found: f64, sum: f64| (found - sum).abs() <= 1e-9 * sum.abs();
        assert!(
            found
                .zip(sum)
                .is_none_or(|(found, sum)| is_near(found, sum)),
            "{name}: the sum of {reader} is {found:?}, not {sum:?}"
        );
    }
}

#[test]
fn python_reads_every_dataset_of_a_job() {
    let Some(python) = python("datasets in Python") else {
        return;
    };
    let (scratch, _) = demo();
    let job = "weekly-operations";
    let listed = lake(scratch, "list", job, &[]);
    let listed = listed.as_array().unwrap();
    assert!(listed.len() > 25, "{}", listed.len());
    let questions = listed
        .iter()
        .map(|dataset| json!({ "dataset": dataset["name"] }));
    let folder = scratch.join("data/lake").join(job);
    let answers = read_in_python(&python, &folder, &questions.collect());
    assert_eq!(answers.len(), listed.len());
    for (dataset, answer) in listed.iter().zip(&answers) {
        let name = dataset["name"].as_str().unwrap();
        assert_agree(answer, &json!({ "rows": dataset["rows"] }), name);
        assert_eq!(answer["version"], dataset["version"], "{name}");
        // Two more columns than `lake show` shows: the object and the line of each row.
        let columns = answer["columns"].as_array().unwrap().iter();
        let columns: Vec<&str> = columns
            .map(|column| column.as_str().unwrap())
            .filter(|column| !["_object", "_line"].contains(column))
            .collect();
        let shown = lake(scratch, "show", job, &[name]);
        assert_eq!(columns, column_names(&shown), "{name}");
    }
}

#[test]
fn python_computes_the_same_sums() {
    let Some(python) = python("sums in Python") else {
        return;
    };
    let (scratch, _) = demo();
    let job = "weekly-operations";
    let queries = [
        ("tickets", "minutes_to_resolve", Some("created_at")),
        ("decisions", "tokens", Some("time")),
        ("metrics", "latency_ms", Some("time")),
        ("pipelines", "duration_s", Some("started_at")),
        ("memory_outlook", "expected", None),
        ("tickets__quarantine", "line", None),
        ("tickets__manifest", "bytes", None),
    ];
    let questions = queries.map(
        |(dataset, number, time)| json!({ "dataset": dataset, "number": number, "time": time }),
    );
    let folder = scratch.join("data/lake").join(job);
    let answers = read_in_python(&python, &folder, &json!(questions));
    for ((dataset, number, time), answer) in queries.into_iter().zip(&answers) {
        let last = time.map_or("null".to_string(), |time| format!("max({time})"));
        let query =
            format!("select count(*) as rows, sum({number}) as sum, {last} as last from {dataset}");
        let expected = lake(scratch, "query", job, &[&query]);
        assert_agree(answer, &expected[0], dataset);
        assert_ne!(expected[0]["sum"], json!(0), "{dataset}");
    }
}

/// A job that counts tickets.
const COUNT: &str = r#"title = "Numbers"
window = "week"

[source.tickets]
uri = "records/*.jsonl"
contract = "ticket"

[stage.counted]
kind = "sql"
query = "select count(*) as tickets from tickets"

[report.executive]
"#;

/// Tickets with these numbers.
fn tickets(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers
        .map(|id| format!("{{\"id\": {id}, \"at\": \"2026-11-10T{id:02}:00:00Z\"}}\n"))
        .collect()
}

#[test]
fn python_reads_earlier_versions() {
    let Some(python) = python("versions in Python") else {
        return;
    };
    let scratch = workspace_of("numbers", COUNT);
    let run = || retrocast_in(scratch.path(), &["run", "numbers", "--date", "2026-11-16"]);
    scratch.write("records/first.jsonl", tickets(1..=3));
    scratch.write("records/second.jsonl", tickets(4..=5));
    run().expect(0);
    // One file changes, so rows are deleted from a file of the dataset, and a file is added.
    scratch.write("records/second.jsonl", tickets(5..=7));
    scratch.write("records/third.jsonl", tickets(8..=9));
    run().expect(0);
    let queries = [
        (json!(1), "tickets@1", 1, 15),
        (json!("cited-1"), "tickets@1", 1, 15),
        (json!(2), "tickets@2", 2, 41),
        (json!("cited-2"), "tickets", 2, 41),
        (Value::Null, "tickets", 2, 41),
    ];
    let questions = queries.each_ref().map(|(version, ..)| {
        json!({ "dataset": "tickets", "version": version, "number": "id", "time": "at" })
    });
    let folder = scratch.join("data/lake/numbers");
    let answers = read_in_python(&python, &folder, &json!(questions));
    let versions = lake(&scratch, "versions", "numbers", &["tickets"]);
    assert_eq!(versions.as_array().unwrap().len(), 2);
    for ((version, table, number, sum), answer) in queries.iter().zip(&answers) {
        let query =
            format!("select count(*) as rows, sum(id) as sum, max(at) as last from {table}");
        let expected = lake(&scratch, "query", "numbers", &[&query]);
        let name = version.to_string();
        assert_agree(answer, &expected[0], &name);
        assert_eq!(expected[0]["sum"], json!(sum), "{name}");
        assert_eq!(answer["version"], json!(number), "{name}");
        assert_eq!(answer["versions"], json!([1, 2]), "{name}");
        let tags = json!({ "cited-1": 1, "cited-2": 2 });
        assert_eq!(answer["tags"], tags, "{name}");
    }
}
