use super::*;
use crate::contract;

const CONTRACT: &str = r#"
title = "T"
key = ["id"]
time = "at"
[field.id]
type = "string"
[field.at]
type = "timestamp"
[field.n]
type = "integer"
max = 9
[field.email]
type = "string"
max_length = 5
personal = "hash"
[field.gone]
type = "string"
[field.steps]
type = "list<struct>"
[field.steps.field.n]
type = "integer"
[expect]
fresh_hours = 24
daily_records_min = 2
daily_records_max = 3
"#;

fn check_records(records: &str, limit: Option<u64>) -> CheckReport {
    check_against(CONTRACT, records, limit)
}

fn check_against(contract: &str, records: &str, limit: Option<u64>) -> CheckReport {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jsonl"), records).unwrap();
    std::fs::write(folder.path().join("b.jsonl.gz"), b"\x1f\x8bnot really").unwrap();
    let contract = contract::parse("t", "t.toml", contract).unwrap();
    let input = Input {
        records: limit,
        ..Input::new("t", "*")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let now = "2026-01-06T12:00:00Z".parse().unwrap();
    let checking = check(&input, folder.path(), &contract, now);
    runtime.block_on(checking).unwrap()
}

const RECORDS: &str = r#"{"id":"1","at":"2026-01-01T10:00:00Z","n":1,"email":"a@b.c"}
{"id":"2","at":"2026-01-02T10:00:00Z","x":1}
{"id":"2","at":"2026-01-02T11:00:00Z"}
{"id":"3","at":"2026-01-03T11:00:00Z","x":1}
{"id":"4","at":"2026-01-05T10:00:00Z"}
{"id":"5","at":"2026-01-05T10:00:00Z","n":10}
{"id":"6","at":"2026-01-05T10:00:00Z","steps":[{"n":1},{"n":"x"}]}
{"id":"7","at":"2026-01-05T10:00:00Z","steps":[{"n":"x"}]}
{"id":"8","at":"2026-01-05T10:00:00Z","email":"ada@b.org"}
{"id":
"#;

#[test]
fn a_check_reports_accepted_and_refused_records() {
    let checked = check_records(RECORDS, None);
    assert!(!checked.is_good());
    assert_eq!(
        (checked.records, checked.accepted, checked.duplicates),
        (10, 5, 1)
    );
    assert_eq!(checked.files, 2);
    let refused: Vec<_> = checked
        .refused
        .iter()
        .map(|refused| {
            (
                refused.reason.as_str(),
                refused.records,
                refused.examples[0].line,
            )
        })
        .collect();
    assert_eq!(
        refused,
        [
            ("wrong type", 2, 7),
            ("broken JSON", 1, 10),
            ("out of range", 1, 6),
            ("too long", 1, 9)
        ]
    );
    assert_eq!(checked.refused[1].examples[0].column, Some(6));
    assert_eq!(checked.unknown_fields, [("x".to_string(), 2)]);
    assert_eq!(checked.retyped_fields, [("steps[].n".to_string(), 2)]);
    assert_eq!(checked.missing_fields, ["gone", "steps"]);
    assert_eq!(checked.nulls[2].records, 4, "n is set once");
    assert_eq!(checked.nulls[2].share, 0.8);
    assert_eq!(checked.age_hours, Some(26.0));
    let expected: Vec<_> = checked
        .expected
        .iter()
        .map(|expected| (expected.met, expected.found.as_str()))
        .collect();
    assert_eq!(
        expected,
        [
            (false, "26.0 hours"),
            (false, "2 days have fewer: 2026-01-03 (1), 2026-01-04 (0)"),
            (true, "no day has more"),
        ]
    );
    assert_eq!(checked.broken_files[0].0, "b.jsonl.gz");
    let json = serde_json::to_value(&checked).unwrap();
    assert_eq!(json["refused"][0]["examples"][0]["field"], "steps[1].n");
    assert_eq!(json["times"][1], "2026-01-05T10:00:00Z");
}

#[test]
fn the_text_holds_every_figure_and_no_personal_data() {
    let text = check_records(RECORDS, None)
        .to_string()
        .replace('\u{a0}', " ");
    for words in [
        "10 records in 2 files of * tested against \"t\": 5 accepted, 5 refused",
        "wrong type: 2 records\n  a.jsonl:7 steps[1].n: expected an integer, found string \"x\"",
        "a.jsonl:10:6: EOF while parsing a value",
        "too long: 1 record\n  a.jsonl:9 email: the value is too long; it is personal data",
        "duplicates: 1 record with the key of an earlier record; the last one counts",
        "fields that the contract does not declare: x (2)",
        "fields that no record had: gone, steps",
        "fields of another type: steps[].n (2)",
        "null: n 80.0 %, email 80.0 %",
        "times: 2026-01-01T10:00:00Z to 2026-01-05T10:00:00Z, the newest 26.0 hours ago",
        "expected, not met: the newest record is at most 24 hours old; 26.0 hours",
        "expected, met: a day has at most 3 records; no day has more",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(!text.contains("ada@"), "{text}");
}

#[test]
fn reading_stops_at_the_limit() {
    let many: String = (0..400_000)
        .map(|i| format!("{{\"id\":\"{i}\"}}\n"))
        .collect();
    let checked = check_records(&many, Some(10));
    assert!(
        !checked.complete && checked.records < 400_000,
        "{}",
        checked.records
    );
    assert!(check_records("", None).complete);
    assert_eq!(check_records("", None).missing_fields, [""; 0]);
}

#[test]
fn list_indices_are_removed_from_paths() {
    assert_eq!(without_indices("updates[12].at"), "updates[].at");
    assert_eq!(without_indices("a[0][1]"), "a[][]");
    assert_eq!(without_indices("p50[3]"), "p50[]");
}

#[test]
fn every_field_with_errors_has_an_example() {
    let mut records = "{\"id\":\"1\",\"n\":\"x\"}\n".repeat(9);
    records += "{\"id\":\"2\",\"at\":\"soon\"}\n";
    for index in 0..9 {
        let before = "{},".repeat(index);
        records += &format!("{{\"id\":\"3\",\"steps\":[{before}{{\"n\":true}}]}}\n");
    }
    let checked = check_records(&records, None);
    let examples = checked.refused.iter().flat_map(|refused| &refused.examples);
    let fields: Vec<&str> = examples.map(|example| example.field.as_str()).collect();
    assert_eq!(fields, ["n", "n", "n", "at", "steps[0].n"], "{checked}");
}

#[test]
fn the_latest_of_records_with_the_same_key_counts() {
    let contract = CONTRACT.replace("time = ", "latest = \"at\"\ntime = ");
    let text = check_against(&contract, RECORDS, None).to_string();
    let words = "with the key of an earlier record; the one with the latest at counts";
    assert!(text.contains(words), "{text}");
}
