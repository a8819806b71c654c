use super::*;
use crate::read::column;

const CONTRACT: &str = r#"
title = "T"
key = ["id"]
[field.id]
type = "string"
[field.n]
type = "integer"
min = 0
max = 9
[field.x]
type = "number"
unit = "min"
max = 1e6
[field.at]
type = "timestamp"
[field.kind]
type = "string"
allowed = ["a", "b"]
[field.text]
type = "string"
max_length = 3
[field.any]
type = "json"
[field.tags]
type = "list<string>"
[field.steps]
type = "list<struct>"
[field.steps.field.at]
type = "timestamp"
required = true
[field.steps.field.ok]
type = "boolean"
"#;

/// Reads lines one after the other, and checks the result of each: "ok", or the reason, field and
/// message.
fn check(lines: &[(&str, &str)]) {
    let contract = crate::contract::parse("t", "t.toml", CONTRACT).unwrap();
    let pseudonyms = Arc::new(Pseudonyms::new("t", None));
    let mut columns = column::columns(&contract.fields, &pseudonyms);
    let mut extra_fields = ExtraFields::default();
    let mut accepted = 0;
    for (line, expected) in lines {
        let found = match read_record(line, &contract.fields, &mut columns, &mut extra_fields) {
            Ok(()) => {
                accepted += 1;
                "ok".to_string()
            }
            Err(v) => format!("{} | {} | {}", v.reason.text(), v.field, v.message),
        };
        assert_eq!(found, *expected, "{line}");
        assert!(columns.iter().all(|column| column.len() == accepted));
    }
    let batch = column::batch(columns, &contract.fields).unwrap();
    assert_eq!(batch.map_or(0, |batch| batch.num_rows()), accepted);
}

#[test]
fn records_are_accepted_or_refused_with_a_reason() {
    let deep = format!(
        r#"{{"id":"a","any":{}{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let deep_unknown = deep.replace("any", "who");
    let deep_within = format!(
        r#"{{"id":"a","steps":[{{"at":"2026-01-01T00:00:00Z","who":{}0{}}}]}}"#,
        r#"{"x":"#.repeat(200),
        "}".repeat(200)
    );
    let bottomless = format!(r#"{{"id":"a","who":{}"#, "[".repeat(1_000_000));
    check(&[
        (r#"{"id":"1"}"#, "ok"),
        (r#"{"id":"1","n":5.0}"#, "ok"),
        (r#"{"id":"1","n":-0}"#, "ok"),
        (
            r#"{"id":"2","n":3,"x":4,"at":"2026-01-01T00:00:00Z","kind":"a","any":{"b":[1,2.5]},"tags":["x",null],"steps":[{"at":"2026-01-01T00:00:00Z","ok":true}]}"#,
            "ok",
        ),
        (r#"{"n":1}"#, "missing required | id | the field is missing"),
        (
            r#"{"id":null}"#,
            "missing required | id | the value is null",
        ),
        (
            r#"{"id":17}"#,
            "wrong type | id | expected a string, found number 17",
        ),
        (
            r#"{"id":"a","n":"5"}"#,
            r#"wrong type | n | expected an integer, found string "5"; add `decimal = "."` to [field.n]"#,
        ),
        (
            r#"{"id":"a","n":5.5}"#,
            "wrong type | n | expected an integer, found number 5.5",
        ),
        (
            r#"{"id":"a","n":9007199254740993.0}"#,
            "wrong type | n | expected an integer, found number 9007199254740992",
        ),
        (
            r#"{"id":"a","n":1e300}"#,
            "wrong type | n | expected an integer, found number 1e300",
        ),
        (
            r#"{"id":"a","n":18446744073709551615}"#,
            "out of range | n | 18446744073709551615 does not fit an integer of 64 bits",
        ),
        (
            r#"{"id":"a","n":-1}"#,
            "out of range | n | -1 is below the minimum, 0",
        ),
        (
            r#"{"id":"a","x":2e6}"#,
            "out of range | x | 2000000 min is above the maximum, 1000000 min",
        ),
        (
            r#"{"id":"a","at":"soon"}"#,
            concat!(
                r#"wrong type | at | expected a timestamp, found string "soon"; accepted are times such "#,
                "as 2026-11-17T09:12:00Z, 2026-11-17 09:12:00 +0100 and Tue, 17 Nov 2026 09:12:00 GMT; ",
                "for others add `format` to [field.at]"
            ),
        ),
        (
            r#"{"id":"a","kind":"c"}"#,
            r#"not allowed | kind | "c" is not one of: a, b"#,
        ),
        (
            r#"{"id":"a","text":"éééé"}"#,
            "too long | text | the text has 4 characters, 3 are allowed",
        ),
        (r#"{"id":"a","text":"ééé"}"#, "ok"),
        (
            r#"{"id":"a","tags":["x",5]}"#,
            "wrong type | tags[1] | expected a string, found number 5",
        ),
        (
            r#"{"id":"a","tags":{"x":5}}"#,
            "wrong type | tags | expected a list, found an object",
        ),
        (
            r#"{"id":"a","steps":[{"at":"2026-01-01T00:00:00Z"},{"ok":true}]}"#,
            "missing required | steps[1].at | the field is missing",
        ),
        (
            r#"{"id":"a","id":"b"}"#,
            "broken JSON | id | the field occurs twice",
        ),
        (
            r#"{"id":5,"#,
            "broken JSON |  | EOF while parsing an object",
        ),
        (r#"{"id":"a"} x"#, "broken JSON |  | trailing characters"),
        (
            r"[1]",
            "broken JSON |  | invalid type: sequence, expected a record, which is a JSON object",
        ),
        (
            "5",
            "broken JSON |  | invalid type: integer `5`, expected a record, which is a JSON object",
        ),
        (&deep, "broken JSON |  | nested more than 128 deep"),
        (&deep_unknown, "broken JSON |  | nested more than 128 deep"),
        (&deep_within, "broken JSON |  | nested more than 128 deep"),
        (&bottomless, "broken JSON |  | nested more than 128 deep"),
        (r#"{"id":"z","n":9,"more":{"a":1}}"#, "ok"),
    ]);
}

#[test]
fn unknown_fields_are_counted_by_path() {
    let contract = crate::contract::parse("t", "t.toml", CONTRACT).unwrap();
    let pseudonyms = Arc::new(Pseudonyms::new("t", None));
    let mut columns = column::columns(&contract.fields, &pseudonyms);
    let mut extra_fields = ExtraFields::default();
    let line = r##"{"id":"1","#read(\"x\")":1,"steps":[{"at":"2026-01-01T00:00:00Z","who":1}]}"##;
    read_record(line, &contract.fields, &mut columns, &mut extra_fields).unwrap();
    let found: Vec<_> = extra_fields.counts.keys().map(String::as_str).collect();
    assert_eq!(found, ["#read(\"x\")", "steps.who"]);
}

/// Reads lines under a contract whose fields have paths; returns the rows, followed by the counts
/// of undeclared fields, and the refusals.
fn read_paths(unknown: &str, lines: &str) -> (Vec<String>, Vec<String>) {
    let text = format!(
        "title = \"T\"\nunknown = \"{unknown}\"\n[field.id]\ntype = \"string\"\n[field.status]\n\
         type = \"integer\"\nfrom = \"http.response.status\"\n[field.tags]\ntype = \"list<string>\"\n\
         from = \"http.tags\"\n[field.user]\ntype = \"struct\"\n[field.user.field.name]\n\
         type = \"string\"\nfrom = \"full.name\"\nrequired = true\n"
    );
    let contract = crate::contract::parse("t", "t.toml", &text).unwrap();
    let format = crate::Format::Jsonl;
    let parsed = crate::read::read_block(lines.as_bytes(), format, &contract).unwrap();
    let mut rows = Vec::new();
    if let Some(batch) = &parsed.batch {
        let mut writer = arrow::json::LineDelimitedWriter::new(&mut rows);
        writer.write(batch).unwrap();
    }
    let rows = String::from_utf8(rows).unwrap();
    let refused = parsed.refused.iter().map(|row| {
        let found = &row.violation;
        format!(
            "{} | {} | {}",
            found.reason.text(),
            found.field,
            found.message
        )
    });
    let refused = refused.collect();
    let mut rows: Vec<String> = rows.lines().map(str::to_string).collect();
    let unknown = parsed.unknown.iter().map(|(name, n)| format!("{name} {n}"));
    rows.extend(unknown);
    (rows, refused)
}

#[test]
fn fields_are_found_by_their_exact_name_or_by_their_path() {
    let lines = concat!(
        r#"{"id":"flat","http.response.status":200,"http.tags":["a"]}"#,
        "\n",
        r#"{"id":"nested","http":{"response":{"status":404,"ms":1},"tags":["b"]},"user":{"full":{"name":"c"}}}"#,
        "\n",
        r#"{"id":"half","http":{"response.status":500}}"#,
        "\n",
        r#"{"id":"both","http":{"response":{"status":1}},"http.response.status":2}"#,
        "\n",
        r#"{"id":"none","http":5}"#,
        "\n",
        r#"{"id":"wrong","http":{"response":{"status":"many"}}}"#,
        "\n",
        r#"{"id":"twice","http":{},"http":{}}"#,
        "\n",
    );
    let (rows, refused) = read_paths("keep", lines);
    assert_eq!(
        rows,
        [
            r#"{"id":"flat","status":200,"tags":["a"]}"#,
            r#"{"id":"nested","status":404,"tags":["b"],"user":{"name":"c"},"_rest":"{\"http.response.ms\":1}"}"#,
            r#"{"id":"half","status":500}"#,
            r#"{"id":"both","status":2,"_rest":"{\"http.response.status\":1}"}"#,
            r#"{"id":"none","_rest":"{\"http\":5}"}"#,
            "http 1",
            "http.response.ms 1",
            "http.response.status 1",
        ]
    );
    assert_eq!(
        refused,
        [
            "wrong type | status | expected an integer, found string \"many\"",
            "broken JSON | http | the field occurs twice",
        ]
    );
    let (_, refused) = read_paths("refuse", r#"{"http":{"response":{"status":1},"ms":2}}"#);
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].starts_with("unknown field | http.ms | "),
        "{refused:?}"
    );
    let (_, refused) = read_paths("count", r#"{"user":{"full":{}}}"#);
    assert_eq!(
        refused,
        ["missing required | user.name | the field is missing"]
    );
}
