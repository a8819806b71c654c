use super::*;
use crate::{Format, check};
use jiff::Timestamp;

/// Runs a future to completion.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// Drafts a contract for a file with the given records.
pub(super) fn draft_of(name: &str, file: &str, records: &str) -> Draft {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), records).unwrap();
    wait(infer(&Input::new(name, file), folder.path())).unwrap()
}

/// The draft's lines without comments and empty lines.
fn code_lines(draft: &Draft) -> Vec<&str> {
    let lines = draft.text.lines();
    let plain = lines.map(|line| line.split("# ").next().unwrap_or_default().trim_end());
    plain.filter(|line| !line.is_empty()).collect()
}

fn tickets() -> String {
    let ticket = |i: u32| {
        let kind = ["failure", "question"][i as usize % 2];
        let email = format!("p{i}@b.org");
        let end = if i.is_multiple_of(3) { "null" } else { "12.5" };
        format!(
            r#"{{"id":"T-{i}","created_at":"2026-01-{:02}T08:00:00Z","updated_at":"2026-02-01T08:00:00Z","kind":"{kind}","email":"{email}","duration_min":{end},"cost_usd":{i},"ok":true,"day":"2026-01-02","tags":["a b"],"steps":[{{"at":"2026-01-01T00:00:00Z","n":{i}}},{{"at":"2026-01-01T00:00:00Z"}}],"who":{{"plan":"free","name":"Ada"}},"none":null,"mixed":{},"a.b":1}}"#,
            1 + i % 28,
            if i == 3 { "\"x\"" } else { "7" },
        )
    };
    (0..40).map(|i| ticket(i) + "\n").collect()
}

#[test]
fn a_draft_describes_the_records() {
    let draft = draft_of("support_ticket", "tickets.jsonl", &tickets());
    assert_eq!((draft.records, draft.broken, draft.refused), (40, 0, 0));
    let expected = r#"title = "Support ticket"
description = ""
key = ["id"]
time = "created_at"
[field.id]
type = "string"
required = true
max_length = 64
[field.created_at]
type = "timestamp"
required = true
[field.updated_at]
type = "timestamp"
required = true
[field.kind]
type = "string"
required = true
allowed = ["failure", "question"]
[field.email]
type = "string"
required = true
personal = "hash"
max_length = 64
[field.duration_min]
type = "number"
min = 0
[field.cost_usd]
type = "integer"
required = true
unit = "USD"
[field.ok]
type = "boolean"
required = true
[field.day]
type = "date"
required = true
[field.tags]
type = "list<string>"
required = true
max_length = 64
[field.steps]
type = "list<struct>"
required = true
[field.steps.field.at]
type = "timestamp"
required = true
[field.steps.field.n]
type = "integer"
[field.who]
type = "struct"
required = true
[field.who.field.name]
type = "string"
required = true
personal = "hash"
max_length = 64
[field.who.field.plan]
type = "string"
required = true
max_length = 64
[field.none]
type = "json"
[field.mixed]
type = "json"
required = true
[field.a_b]
type = "integer"
from = "a.b"
required = true"#;
    assert_eq!(code_lines(&draft).join("\n"), expected, "{}", draft.text);
    for comment in [
        "inferred from 40 records of 1 file",
        "# unique in 40 records",
        "# decide: others are \"day\", \"updated_at\"",
        "# decide: mixed, 39 integers and 1 string",
        "# in 26 of 40",
        "# longest seen: 4",
    ] {
        assert!(draft.text.contains(comment), "{comment}:\n{}", draft.text);
    }
}

#[test]
fn cells_are_numbers_only_when_nothing_is_lost() {
    let mut records = "\u{feff}code;n;share_rate;flag;seen on;;empty;order_id\n".to_string();
    for i in 0..30 {
        records += &format!(
            "0{i};{i};0.{i};{};2026-01-01 0{}:00;;;{i}\n",
            i % 2 == 0,
            i % 7
        );
    }
    let draft = draft_of("m", "m.csv", &records);
    let expected = r#"title = "M"
description = ""
key = ["order_id"]
time = "seen on"
[field.code]
type = "string"
required = true
max_length = 64
[field.n]
type = "integer"
required = true
[field.share_rate]
type = "number"
required = true
unit = "share"
min = 0
[field.flag]
type = "boolean"
required = true
[field."seen on"]
type = "timestamp"
required = true
[field.order_id]
type = "string"
required = true
max_length = 64
[field.empty]
type = "string""#;
    assert_eq!(code_lines(&draft).join("\n"), expected, "{}", draft.text);
    assert!(
        draft
            .text
            .contains("unknown: \"(column 6)\" (always empty)")
    );
}

/// Checks the lines of the field `x…`, except its maximum length, and comments of the draft.
#[track_caller]
fn check_field(file: &str, records: &str, lines: &[&str], comments: &[&str]) -> Draft {
    let draft = draft_of("a", file, records);
    let bare = code_lines(&draft);
    let start = bare
        .iter()
        .position(|line| line.starts_with("[field.x") || line.starts_with("[field.\"x"));
    let start = start.unwrap_or_else(|| panic!("no field:\n{}", draft.text));
    let is_compared = |line: &&&str| !line.starts_with("max_length") && **line != "required = true";
    let field = bare[start..]
        .iter()
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let field: Vec<&str> = field.filter(is_compared).copied().collect();
    assert_eq!(field, lines, "{records}\n{}", draft.text);
    for comment in comments {
        assert!(draft.text.contains(comment), "{comment}:\n{}", draft.text);
    }
    assert_eq!((draft.refused, draft.broken), (0, 0), "{}", draft.text);
    draft
}

/// Drafts from a CSV file with a column `x…` and another column.
#[track_caller]
fn check_cells(name: &str, cells: &[&str], lines: &[&str], comments: &[&str]) -> Draft {
    let rows: Vec<String> = cells.iter().map(|cell| format!("a b;{cell}\n")).collect();
    let records = format!("note;{name}\n{}", rows.concat());
    check_field("a.csv", &records, lines, comments)
}

/// Drafts from records of JSON with one field `x…`.
#[track_caller]
fn check_values(name: &str, values: &[&str], lines: &[&str], comments: &[&str]) -> Draft {
    let records = values
        .iter()
        .map(|value| format!("{{\"{name}\":{value}}}\n"));
    check_field("a.jsonl", &records.collect::<String>(), lines, comments)
}

#[test]
fn numbers_since_1970_are_times() {
    let check = |name: &str, values: &[&str], format: Option<&str>| {
        let Some(format) = format else {
            let draft = draft_of("a", "a.jsonl", &json(name, values));
            return assert!(!draft.text.contains("format ="), "{}", draft.text);
        };
        let format = format!("format = \"{format}\"");
        let lines = ["type = \"timestamp\"", &format];
        let draft = check_values(name, values, &lines, &["seconds since 1970", "# seen: 20"]);
        assert_eq!(draft.contract.time.as_deref(), Some(name), "the only time");
    };
    check("x_ts", &["1794789000", "1794906000.5"], Some("epoch_s"));
    check(
        "x_at",
        &["1794789000097", "1794789000098"],
        Some("epoch_ms"),
    );
    check("x_time", &["1794789000097000"], Some("epoch_us"));
    check("x epoch", &["1794789000097000123"], Some("epoch_ns"));
    check(
        "xCreatedMs",
        &["\"1794789000097\"", "1794789000098"],
        Some("epoch_ms"),
    );
    let comment =
        "# decide: if these are seconds since 1970: type = \"timestamp\", format = \"epoch_s\"";
    check_values("x", &["1794789000"], &["type = \"integer\""], &[comment]);
    check_values("x", &["\"1794789000\""], &["type = \"string\""], &[comment]);
    // No hint in the name, times before 2000 or in two units, or no times at all.
    check("x_id", &["1794789000"], None);
    check("x_ts", &["894789000", "1794789000"], None);
    check("x_ts", &["1794789000", "1794789000000"], None);
    check("x_ms", &["120", "17"], None);
    let lines = [
        "type = \"timestamp\"",
        "format = \"epoch_ns\"",
        "null_words = [\"-\"]",
    ];
    let cells = ["1794789000097000123", "-", "1794789000097000124"];
    let draft = check_cells("x_date", &cells, &lines, &["1 of 3 values", "# in 2 of 3"]);
    assert_eq!(draft.contract.time, None, "not every record has it");
}

/// Records of JSON with one field.
fn json(name: &str, values: &[&str]) -> String {
    values
        .iter()
        .map(|value| format!("{{\"{name}\":{value}}}\n"))
        .collect()
}

#[test]
fn numeric_dates_are_times_only_if_their_order_is_certain() {
    let local = "# decide: no offset: they are read as UTC; if they are local, add: zone =";
    let lines = ["type = \"timestamp\"", "format = \"%d/%m/%Y %H:%M\""];
    let seen = "# day first: \"13/02/2026 23:59\" was seen";
    check_cells(
        "x",
        &["01/02/2026 9:05", "13/02/2026 23:59"],
        &lines,
        &[seen, local],
    );
    let lines = ["type = \"timestamp\"", "format = \"%m/%d/%y %I:%M %p\""];
    let seen = "# month first: \"2/13/26 12:59 PM\" was seen";
    check_values(
        "x",
        &["\"1/2/26 9:05 AM\"", "\"2/13/26 12:59 PM\""],
        &lines,
        &[seen, local],
    );
    let open = [
        "# decide: \"01/02/2026\" and all others fit several orders of day and month; one of:",
        "#   type = \"date\", format = \"%d/%m/%Y\"",
        "#   type = \"date\", format = \"%m/%d/%Y\"",
    ];
    check_cells(
        "x",
        &["01/02/2026", "03/04/2026", ""],
        &["type = \"string\""],
        &open,
    );
    let lines = [
        "type = \"date\"",
        "format = \"%d.%m.%Y\"",
        "null_words = [\"n/a\"]",
    ];
    check_cells("x", &["01.02.2026", "n/a"], &lines, &["fits all 1"]);
    let lines = ["type = \"timestamp\"", "format = \"%d/%b/%Y:%H:%M:%S %z\""];
    let draft = check_cells(
        "x",
        &["17/Nov/2026:09:12:00 +0100"],
        &lines,
        &["fits all 1"],
    );
    assert!(!draft.text.contains("zone"), "{}", draft.text);
    let lines = ["type = \"date\"", "format = [\"%Y-%m-%d\", \"%d/%m/%Y\"]"];
    check_cells("x", &["2026-01-02", "31/01/2026"], &lines, &[]);
    for cells in [["13/02/2026", "02/13/2026"], ["13/02/2026", "soon"]] {
        check_cells("x", &cells, &["type = \"string\""], &[]);
    }
    let partly = "# decide: 1 of 2 have no offset: they are read as UTC";
    let cells = ["2026-01-02 10:00", "2026-01-02T10:00:00Z"];
    check_cells("x", &cells, &["type = \"timestamp\""], &[partly]);
}

#[test]
fn null_words_and_separators_are_declared() {
    let words = r#"null_words = ["N/A", "NULL", "\\N"]"#;
    let cells = ["10", "NULL", "N/A", "\\N", "NULL", "", "20"];
    check_cells(
        "x",
        &cells,
        &["type = \"integer\"", words],
        &["# 4 of 6 values", "# in 2 of 7"],
    );
    check_values("x", &["1", "\"unknown\""], &["type = \"json\""], &[]);
    check_values(
        "x",
        &["1", "\"N/A\""],
        &["type = \"integer\"", "null_words = [\"N/A\"]"],
        &[],
    );
    let note = "if these mean a missing value, add null_words: \"NULL\" 2 times";
    check_cells("x", &["a", "NULL", "NULL"], &["type = \"string\""], &[note]);

    let decimal = ["type = \"number\"", "decimal = \",\""];
    check_cells(
        "x",
        &["12,5", "1.299,99", "7"],
        &decimal,
        &["# \"12,5\" was seen"],
    );
    check_cells(
        "x_bytes",
        &["1.299", "1.299,5"],
        &["type = \"number\"", "decimal = \",\"", "unit = \"bytes\""],
        &[],
    );
    check_values("x", &["7", "\"12,5\""], &decimal, &[]);
    check_cells(
        "x",
        &["1,299,000", "17"],
        &["type = \"integer\"", "thousands = \",\""],
        &[],
    );
    check_cells(
        "x",
        &["1'299.50"],
        &["type = \"number\"", "thousands = \"'\""],
        &[],
    );
    let open = "# decide: if \"1,299\" is a number: type = \"number\", decimal = \",\" or thousands = \",\"";
    check_cells("x", &["1,299", "17"], &["type = \"string\""], &[open]);
    let open = "# decide: three digits after every point: if the point separates thousands, add: decimal = \",\"";
    check_cells("x", &["1.299", "17"], &["type = \"number\""], &[open]);
    let draft = check_cells("x", &["1.299", "0.5"], &["type = \"number\""], &[]);
    assert!(!draft.text.contains("thousands"), "{}", draft.text);
    check_cells("x", &["12,5", "7.5"], &["type = \"string\""], &[]);
    check_cells(
        "x",
        &["10.100.200.100"],
        &["type = \"string\"", "personal = \"hash\""],
        &[],
    );

    let boolean = ["type = \"boolean\""];
    check_cells(
        "x",
        &["t", "f", "t"],
        &boolean,
        &["# seen: \"f\" 1 time, \"t\" 2 times"],
    );
    check_cells(
        "x",
        &["Yes", "no", "n/a"],
        &["type = \"boolean\"", "null_words = [\"n/a\"]"],
        &[],
    );
    check_values("x", &["\"Y\"", "\"N\""], &boolean, &[]);
    check_values("x", &["true", "0"], &boolean, &[]);
    check_cells("x", &["Y", "Y"], &["type = \"string\""], &[]);
    let flags = "# decide: 0 and 1 only; type \"boolean\" reads them as false and true";
    check_cells("x", &["1", "0"], &["type = \"integer\""], &[flags]);
    check_cells("x", &["N", "S", "E"], &["type = \"string\""], &[]);
    let draft = draft_of("a", "a.csv", "is_x,has_y\n1,1.0\n0,0.0\n");
    let booleans = code_lines(&draft)
        .into_iter()
        .filter(|line| *line == "type = \"boolean\"");
    assert_eq!((booleans.count(), draft.refused), (2, 0), "{}", draft.text);
}

#[test]
fn ids_keep_their_digits() {
    let text = ["type = \"string\""];
    check_cells("x_id", &["10001", "10002"], &text, &["# an id, of digits"]);
    check_cells("x_id", &["10001.0", ""], &text, &[]);
    check_cells("x", &["18446744073709551615", "7"], &text, &[]);
    let whole = ["18446744073709551615", "7"];
    let draft = check_values("x", &whole, &["type = \"json\""], &["with all digits"]);
    assert!(!draft.text.contains("number"), "{}", draft.text);
    check_values("x_id", &["1.5"], &["type = \"json\""], &[]);
    check_values("x_id", &["7", "8"], &["type = \"integer\""], &[]);
}

#[test]
fn keys_of_two_or_three_fields_are_found() {
    let check = |header: &str, row: &dyn Fn(u32) -> String, records: u32, key: &[&str]| {
        let rows: String = (0..records).map(|i| row(i) + "\n").collect();
        let draft = draft_of("a", "a.csv", &format!("{header}\n{rows}"));
        assert_eq!(draft.contract.key, key, "{}", draft.text);
        assert_eq!(draft.refused, 0, "{}", draft.text);
    };
    let build = |i: u32| format!("p{},{},{}", i % 3, i / 3, i % 2);
    check(
        "project,build_number,failures",
        &build,
        30,
        &["project", "build_number"],
    );
    let line = |i: u32| format!("{},{},{}", i / 2, i % 2, i % 3);
    check("order_id,line,amount", &line, 6, &["order_id", "line"]);
    check("order_id,line,amount", &line, 3, &[]);
    let three = |i: u32| format!("h{},s{},{}", i % 2, i / 2 % 2, 2020 + i / 4);
    check(
        "host,service,year",
        &three,
        40,
        &["host", "service", "year"],
    );
    let measures = |i: u32| format!("h{},{}", i % 2, i / 2);
    check("host,load", &measures, 40, &[]);
    // Names may have spaces; prose, which hardly repeats, is no part of a key.
    let weekly = |i: u32| format!("2026-01-{:02},Tier {},{}", 1 + i / 3, i % 3, i % 5);
    check("day,team,open", &weekly, 60, &["team", "day"]);
    let prose = |i: u32| format!("2026-01-{:02},No answer to {i}", 1 + i / 3);
    check("day,note", &prose, 60, &[]);
    // A number that counts is unique alone: a corrected start must not give the record a new key.
    let run = |i: u32| format!("{i},2026-01-01T00:{i:02}:00Z,p{}", i % 3);
    check("build,started,project", &run, 60, &["build"]);
}

#[test]
fn columns_of_one_name_are_drafted_as_a_list() {
    let records = "id,Label,Label,n,Label,n\n1,a,,1,b,2\n2,,,,,\n3,,c,3,,\n";
    let draft = draft_of("a", "a.csv", records);
    let expected = [
        "[field.id]",
        "type = \"string\"",
        "required = true",
        "max_length = 64",
        "[field.Label]",
        "type = \"list<string>\"",
        "max_length = 64",
        "[field.n]",
        "type = \"list<integer>\"",
    ];
    assert_eq!(code_lines(&draft)[3..], expected, "{}", draft.text);
    assert_eq!((draft.refused, draft.broken), (0, 0));
    let comment = "several columns have this name: combined in a list, without empty cells";
    assert!(
        draft.text.contains(comment) && draft.text.contains("# in 2 of 3"),
        "{}",
        draft.text
    );

    // Files of one source may repeat a column differently, and some may be JSON.
    let folder = tempfile::tempdir().unwrap();
    let infer_draft = |files: &[(&str, &str)]| {
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        wait(infer(&Input::new("a", "*"), folder.path())).unwrap()
    };
    let draft = infer_draft(&[
        ("1.csv", "id,tag\n1,x\n"),
        ("2.csv", "id,tag,tag\n2,,\"[y\"\n"),
    ]);
    assert!(
        draft.text.contains("type = \"list<string>\"") && draft.refused == 0,
        "{}",
        draft.text
    );
    assert_eq!(
        draft.text.matches("# in all 2").count(),
        2,
        "{}",
        draft.text
    );
    let draft = infer_draft(&[("3.jsonl", "{\"id\":\"3\",\"tag\":\"z\"}\n")]);
    let comment = "unknown: \"tag\" (several columns in one file, one field in others)";
    assert!(
        draft.text.contains(comment) && draft.refused == 0,
        "{}",
        draft.text
    );
}

#[test]
fn invalid_field_names_are_replaced() {
    let records = r#"{"http.status":200,"http_status":"ok","_row":1,"event.created":"2026-01-02T03:04:05Z","n":{"a.b":1,"":2}}"#;
    let draft = draft_of("a", "a.jsonl", records);
    let names: Vec<(&str, &str)> = draft
        .contract
        .fields
        .iter()
        .map(|f| (f.name.as_str(), f.source_name()))
        .collect();
    let expected = [
        ("http_status_2", "http.status"),
        ("http_status", "http_status"),
        ("row", "_row"),
        ("event_created", "event.created"),
        ("n", "n"),
    ];
    assert_eq!(names, expected, "{}", draft.text);
    assert_eq!(draft.contract.time.as_deref(), Some("event_created"));
    assert!(
        draft.text.contains("[field.n.field.a_b]") && draft.refused == 0,
        "{}",
        draft.text
    );
    assert!(
        draft.text.contains("unknown: \"\" (invalid field name)"),
        "{}",
        draft.text
    );
    let draft = draft_of("a", "a.csv", "http.status,b.c,b.c\n200,x,y\n");
    assert_eq!(
        (draft.refused, draft.contract.fields.len()),
        (0, 2),
        "{}",
        draft.text
    );
    assert!(draft.text.contains("from = \"b.c\""), "{}", draft.text);
}

#[test]
fn records_without_fields_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let infer_draft = |text: &str| {
        std::fs::write(folder.path().join("a.jsonl"), text).unwrap();
        wait(infer(&Input::new("a", "a.jsonl"), folder.path()))
    };
    let text = infer_draft("17\n[]\n").unwrap_err().to_string();
    assert!(
        text.contains(
            "nothing to draft a contract from (2\u{a0}records could not be parsed; the first: \
             a.jsonl, line 1: invalid type: integer `17`, expected a record"
        ),
        "{text}"
    );
    assert!(infer_draft("{}\n").is_err());
    std::fs::write(folder.path().join("b.jsonl.gz"), "{\"a\":1}\n").unwrap();
    let text = wait(infer(&Input::new("b", "b.jsonl.gz"), folder.path())).unwrap_err();
    let text = text.to_string();
    assert!(
        text.contains("(\"b.jsonl.gz\": its name ends as if compressed with gzip, but it is not"),
        "{text}"
    );
    assert!(infer_draft("{\"\":2}\n").is_err(), "no field to name");
    // A duplicate field only shows once the field is listed.
    let draft = infer_draft("{\"a\":{\"b\":1,\"b\":2}}\n{\"a\":{\"b\":1}}\n{\n").unwrap();
    assert_eq!((draft.records, draft.broken, draft.refused), (2, 1, 1));
    let comment = "# 1 record of the sample does not conform to this draft.\n# The first: \"a.jsonl\", line 1, \
                field \"a.b\": \"the field occurs twice\"\n";
    assert!(draft.text.contains(comment), "{}", draft.text);
}

/// A simple random number generator for records.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick(&mut self, choices: &[&str]) -> String {
        choices[self.roll(choices.len() as u64) as usize].to_string()
    }

    /// A value of any shape up to a maximum depth.
    fn value(&mut self, depth: u64) -> String {
        match self.roll(if depth == 0 { 7 } else { 10 }) {
            0 => "null".to_string(),
            1 => self.pick(&["true", "false"]),
            2 => self.pick(&["0", "-7", "9223372036854775807", "18446744073709551615"]),
            3 => self.pick(&["0.5", "-1e300", "1.0", "1E-7", "-0.0"]),
            4 => self.pick(&[
                "\"2026-01-31T10:00:00Z\"",
                "\"2026-01-31 10:00\"",
                "\"1890-01-01\"",
            ]),
            5 => self.pick(&[
                "\"\"",
                "\" \"",
                "\"\\u0000\\n#\\\"\"",
                "\"a@b.org\"",
                "\"é日\\u202e\"",
            ]),
            6 => self.pick(&[
                "\"w1\"",
                "\"w2\"",
                "\"N/A\"",
                "\"no\"",
                "\"12,5\"",
                "\"31/01/2026\"",
                "1794789000.5",
                "\"1794789000\"",
            ]),
            7 => {
                let items: Vec<String> = (0..self.roll(3)).map(|_| self.value(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => self.object(depth - 1),
        }
    }

    /// An object without duplicate fields.
    fn object(&mut self, depth: u64) -> String {
        const NAMES: [&str; 12] = [
            "id",
            "created_at",
            "x",
            "a.b",
            "",
            "_row",
            "é \\\"",
            "name",
            "size_bytes",
            "ts",
            "_rest",
            "_line",
        ];
        let mut fields = Vec::new();
        for name in NAMES {
            if self.roll(3) > 0 {
                fields.push(format!("\"{name}\":{}", self.value(depth)));
            }
        }
        format!("{{{}}}", fields.join(","))
    }

    fn cell(&mut self) -> String {
        self.pick(&[
            "",
            " ",
            "0",
            "1",
            "-12",
            "007",
            "1.5",
            "1e400",
            "nan",
            "true",
            "FALSE",
            "2026-01-31",
            "2026-01-31 10:00:00",
            "12345678901234567890",
            "[1,2]",
            "\"{\"\"a\"\":1}\"",
            "{",
            "a@b.org",
            "\"a;b\"\"c\nd\"",
            "+49 30 1234567",
            " 5 ",
            "é",
            "NULL",
            "n/a",
            "yes",
            "f",
            "12,5",
            "1.299,99",
            "1,299",
            "1.299",
            "13/02/2026",
            "01/02/2026 10:00",
            "17-Nov-2026",
            "1794789000",
            "1794789000123",
        ])
    }
}

#[test]
fn every_draft_is_valid_and_accepts_its_records() {
    // Number of fields that are kept unchanged because some value does not fit the type.
    let mut unchanged = 0;
    for seed in 0..300 {
        let mut dice = Dice(seed);
        // Shallow and deep records are equally likely.
        let depth = dice.roll(4);
        let records: String = (0..=dice.roll(60))
            .map(|_| dice.object(depth) + "\n")
            .collect();
        if records.contains(':') {
            let draft = draft_of("a b", "a.jsonl", &records);
            assert_eq!(
                (draft.refused, draft.broken),
                (0, 0),
                "{seed}:\n{}",
                draft.text
            );
        }
        let columns = 2 + dice.roll(4);
        // Some columns share a name; some names look like times, ids or flags.
        let names = ["c0", "c1", "ts", "is_c", "c_id", "c0", "a.b"];
        let header: Vec<String> = (0..columns).map(|_| dice.pick(&names)).collect();
        // The columns of a source mostly have few shapes.
        let shapes: Vec<Vec<String>> = (0..columns)
            .map(|_| (0..=dice.roll(3)).map(|_| dice.cell()).collect())
            .collect();
        let mut text = header.join(";") + "\n";
        for _ in 0..=dice.roll(40) {
            let cells: Vec<String> = shapes
                .iter()
                .map(|shape| match dice.roll(8) {
                    0 if seed % 2 == 0 => dice.cell(),
                    _ => shape[dice.roll(shape.len() as u64) as usize].clone(),
                })
                .collect();
            text += &(cells.join(";") + "\n");
        }
        if text
            .lines()
            .skip(1)
            .any(|line| line.contains(|c| c != ';' && c != ' '))
        {
            let draft = draft_of("a", "a.csv", &text);
            assert_eq!(
                (draft.refused, draft.broken),
                (0, 0),
                "{seed}:\n{text}\n{}",
                draft.text
            );
            unchanged += draft.text.matches("decide: kept unchanged").count();
        }
    }
    assert!(unchanged < 10, "{unchanged}");
}

/// Checks that drafts of real data accept all of it; the counts come from independent programs.
#[test]
fn drafts_of_real_data_accept_all_of_it() {
    let Some(data) = std::env::var_os("RETROCAST_REAL_DATA") else {
        eprintln!("SKIPPED: RETROCAST_REAL_DATA is not set, so drafts of real data were not made");
        return;
    };
    let data = Path::new(&data);
    let check = |uri: &str, records: u64, key: &[&str], time: Option<&str>| {
        let input = Input::new("real", uri);
        let draft = wait(infer(&input, data)).unwrap();
        assert_eq!(
            (draft.records, draft.refused, draft.broken),
            (records, 0, 0),
            "{uri}"
        );
        assert_eq!(draft.contract.key, key, "{uri}:\n{}", draft.text);
        assert_eq!(
            draft.contract.time.as_deref(),
            time,
            "{uri}:\n{}",
            draft.text
        );
        let checked = check::check(&input, data, &draft.contract, Timestamp::UNIX_EPOCH);
        let checked = wait(checked).unwrap();
        assert_eq!(
            (checked.records, checked.accepted),
            (records, records),
            "{uri}:\n{checked}"
        );
        draft.text
    };
    let text = check(
        "github-incidents/incidents.jsonl",
        819,
        &["id"],
        Some("started_at"),
    );
    assert!(text.contains(r#"allowed = ["critical", "maintenance", "major", "minor", "none"]"#));
    check("nab/data/**/*.csv", 365_558, &[], Some("timestamp"));
    check(
        "nab/data/realKnownCause/nyc_taxi.csv",
        10_320,
        &["timestamp"],
        Some("timestamp"),
    );
    check(
        "git-history/*.jsonl.gz",
        2_715,
        &["commit"],
        Some("authored_at"),
    );
    let text = check("classification/ai4i2020.csv", 10_000, &[], None);
    assert!(text.contains("unit = \"K\"") && text.contains("\"(column 8)\" (always empty)"));
    let (uri, time) = ("root-cause/sock-shop/**/*.csv.gz", Some("time"));
    let text = check(uri, 28_311, &["time"], time);
    assert!(text.contains("in seconds since 1970"));
}

#[test]
fn strings_of_records_stay_strings_in_a_draft() {
    let nasty = "a\u{202e}b\"\\\n]\u{7f}\u{1}é'";
    let text = format!("[field.{}]\ntype = \"string\"\n", toml_string(nasty));
    let text = format!("title = {}\n{text}", toml_string(nasty));
    assert!(text.contains('é') && !text.contains('\u{202e}'), "{text}");
    assert_eq!(contract::parse("a", "a", &text).unwrap().title, nasty);
    let records = "{\"a]\\n[b]\":\"# x\\ny = 1\"}\n".repeat(40);
    let draft = draft_of("a\nkey = [\"b\"]", "a.jsonl", &records);
    assert_eq!(draft.contract.fields.len(), 1);
    assert_eq!(draft.contract.title, "A key b");
}

#[test]
fn the_format_can_be_set() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a,b\n1,2\n").unwrap();
    let mut input = Input::new("a", "a.txt");
    assert!(matches!(
        wait(infer(&input, folder.path())),
        Err(SourceError::Format { .. })
    ));
    input.format = Some(Format::Csv);
    assert_eq!(
        wait(infer(&input, folder.path()))
            .unwrap()
            .contract
            .fields
            .len(),
        2
    );
}
