//! Sources that are missing, empty or broken: each gives a clear message, and none causes a panic.

use super::support::*;
use std::path::Path;

const JOB: &str = r#"title = "Small"
window = "week"

[source.tickets]
uri = "records/*"
contract = "ticket"

[stage.quality]
kind = "quality"
inputs = ["tickets"]

[stage.counts]
kind = "sql"
query = "select count(*) as n from tickets"

[report.executive]
[report.technical]
"#;

fn workspace() -> Scratch {
    workspace_of("small", JOB)
}

fn run(scratch: &Scratch) -> CommandResult {
    retrocast_in(scratch.path(), &["run", "small", "--date", "2026-11-16"])
}

fn line(id: u32) -> String {
    format!(
        "{{\"id\": {id}, \"at\": \"2026-11-{:02}T10:00:00Z\"}}\n",
        9 + id % 7
    )
}

fn source_note(scratch: &Scratch) -> serde_json::Value {
    let runs = runs(&scratch.join("reports"), "small");
    json(&runs[0].join("report.json"))["sources"][0].clone()
}

#[test]
fn a_missing_source_fails_and_names_the_searched_path() {
    let scratch = workspace();
    let result = run(&scratch).expect(1);
    assert_stderr(&result, &["source.tickets", "records"]);
}

#[test]
fn a_folder_instead_of_a_file_is_reported() {
    let scratch = workspace();
    std::fs::create_dir_all(scratch.join("records/folder.jsonl")).unwrap();
    let result = run(&scratch).expect(1);
    assert_stderr(&result, &["records"]);
    let job = JOB.replace("records/*", "records");
    scratch.write("jobs/small.toml", job);
    let result = run(&scratch).expect(1);
    assert_stderr(&result, &["records", "folder"]);
}

#[test]
fn an_empty_source_gives_a_report_with_no_records() {
    let scratch = workspace();
    scratch.write("records/a.jsonl", "");
    let result = run(&scratch);
    assert!(
        matches!(result.code, 0 | 3),
        "{}{}",
        result.stdout,
        result.stderr
    );
    assert_eq!(source_note(&scratch)["records"], 0);
}

#[test]
fn readable_records_of_a_corrupt_gzip_are_kept_and_the_file_is_reported() {
    let scratch = workspace();
    let text: String = (0..5000).map(line).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    let bytes = encoder.finish().unwrap();
    scratch.write("records/a.jsonl.gz", &bytes[..bytes.len() / 2]);
    scratch.write("records/b.jsonl", line(9001));
    scratch.write("records/c.jsonl.gz", b"this is not gzip at all");
    let result = run(&scratch);
    assert!(
        matches!(result.code, 0 | 3),
        "{}{}",
        result.stdout,
        result.stderr
    );
    let note = source_note(&scratch);
    let accepted = note["accepted"].as_u64().unwrap();
    assert!((1001..5001).contains(&accepted), "{note}");
    assert_eq!(note["broken_files"].as_array().unwrap().len(), 2, "{note}");
}

#[test]
fn a_contract_that_no_record_meets_is_reported_with_the_reason() {
    let scratch = workspace();
    scratch.write("records/a.jsonl", "{\"number\": 1}\n{\"number\": 2}\n");
    let result = run(&scratch);
    assert_ne!(result.code, 0, "{}", result.stdout);
    assert_stderr(&result, &["tickets", "missing"]);
}

#[test]
fn bad_records_are_quarantined_and_the_others_are_read() {
    let scratch = workspace();
    let mut bytes: Vec<u8> = (0..100).map(line).collect::<String>().into_bytes();
    bytes.extend_from_slice(b"{\"id\": 1\n");
    bytes.extend_from_slice(b"{\"id\": \"one\", \"at\": \"2026-11-09T10:00:00Z\"}\n");
    bytes.extend_from_slice(b"{\"id\": 500}\n");
    bytes.extend_from_slice(b"{\"id\": 501, \"at\": \"yesterday\"}\n");
    bytes.extend_from_slice(b"\xff\xfe\n");
    bytes.extend_from_slice(b"[1, 2]\n\n\r\n");
    bytes.extend_from_slice(line(7).as_bytes());
    bytes.extend_from_slice(format!("{}1{}\n", "[".repeat(10_000), "]".repeat(10_000)).as_bytes());
    scratch.write("records/a.jsonl", bytes);
    run(&scratch).expect(0);
    let note = source_note(&scratch);
    assert_eq!(note["accepted"], 100, "{note}");
    assert_eq!(note["duplicates"], 1, "{note}");
    let quarantined: u64 = note["quarantined"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| pair[1].as_u64().unwrap())
        .sum();
    assert_eq!(quarantined, 7, "{note}");
}

#[test]
fn an_unknown_job_gets_a_suggestion() {
    let scratch = workspace();
    let result = retrocast_in(scratch.path(), &["run", "smal"]).expect(2);
    assert_stderr(&result, &["did you mean \"small\"?"]);
    let result = retrocast_in(Path::new("."), &["--workspace", "/nowhere", "run", "x"]).expect(2);
    assert_stderr(&result, &["retrocast init"]);
}
