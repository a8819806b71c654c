use super::*;
use crate::{check, read::Format};
use jiff::Timestamp;

/// Runs what waits for files.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// The draft for one file of these records.
fn draft_of(name: &str, file: &str, records: &str) -> Draft {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), records).unwrap();
    wait(infer(&Input::of(name, file), folder.path())).unwrap()
}

/// The draft's lines without comments and empty lines.
fn bare_lines(draft: &Draft) -> Vec<&str> {
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
fn a_draft_says_what_records_look_like() {
    let draft = draft_of("support_ticket", "tickets.jsonl", &tickets());
    assert_eq!((draft.records, draft.broken, draft.unmet), (40, 0, 0));
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
required = true"#;
    assert_eq!(bare_lines(&draft).join("\n"), expected, "{}", draft.text);
    for comment in [
        "made from 40 records of 1 file",
        "# unique in 40 records",
        "# decide: others are \"day\", \"updated_at\"",
        "# decide: mixed, 39 integers and 1 string",
        "# in 26 of 40",
        "# longest seen: 4",
        "# Left to be counted as unknown: \"a.b\" (no name for a field)",
    ] {
        assert!(draft.text.contains(comment), "{comment}:\n{}", draft.text);
    }
}

#[test]
fn cells_are_numbers_only_when_nothing_is_lost() {
    let mut records = "\u{feff}code;n;share_rate;flag;seen on;;empty;n\n".to_string();
    for i in 0..30 {
        records += &format!(
            "0{i};{i};0.{i};{};2026-01-01 0{}:00;;;x\n",
            i % 2 == 0,
            i % 7
        );
    }
    let draft = draft_of("m", "m.csv", &records);
    let expected = r#"title = "M"
description = ""
key = ["code"]
time = "seen on"
[field.code]
type = "string"
required = true
max_length = 64
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
[field."n (column 8)"]
type = "string"
required = true
max_length = 64
[field.empty]
type = "string""#;
    assert_eq!(bare_lines(&draft).join("\n"), expected, "{}", draft.text);
    assert!(
        draft
            .text
            .contains("unknown: \"(column 6)\" (always empty)")
    );
}

#[test]
fn what_cannot_be_drafted_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let drafted = |text: &str| {
        std::fs::write(folder.path().join("a.jsonl"), text).unwrap();
        wait(infer(&Input::of("a", "a.jsonl"), folder.path()))
    };
    let told = drafted("17\n[]\n").unwrap_err().to_string();
    assert!(
        told.contains(
            "nothing to draft a contract from (2\u{a0}records could not be taken apart; the first: \
             a.jsonl, line 1: invalid type: integer `17`, expected a record"
        ),
        "{told}"
    );
    assert!(drafted("{}\n").is_err());
    std::fs::write(folder.path().join("b.jsonl.gz"), "{\"a\":1}\n").unwrap();
    let told = wait(infer(&Input::of("b", "b.jsonl.gz"), folder.path())).unwrap_err();
    let told = told.to_string();
    assert!(
        told.contains("(\"b.jsonl.gz\": its name says that it is packed"),
        "{told}"
    );
    assert!(
        drafted("{\"a.b\":1,\"\":2}\n").is_err(),
        "no field that can be named"
    );
    // A field twice can be told only once the field is named.
    let draft = drafted("{\"a\":{\"b\":1,\"b\":2}}\n{\"a\":{\"b\":1}}\n{\n").unwrap();
    assert_eq!((draft.records, draft.broken, draft.unmet), (2, 1, 1));
    let told = "# 1 record of the sample does not meet this draft.\n# The first: \"a.jsonl\", line 1, \
                field \"a.b\": \"the field is there twice\"\n";
    assert!(draft.text.contains(told), "{}", draft.text);
}

#[test]
fn records_are_taken_from_all_files() {
    let folder = tempfile::tempdir().unwrap();
    for file in 0..4 {
        let records: String = (0..100).map(|i| format!("{{\"f{file}\":{i}}}\n")).collect();
        std::fs::write(folder.path().join(format!("{file}.jsonl")), records).unwrap();
    }
    let input = Input {
        records: Some(10),
        ..Input::of("a", "*.jsonl")
    };
    let draft = wait(infer(&input, folder.path())).unwrap();
    assert_eq!((draft.records, draft.files), (10, 4));
    assert_eq!(draft.contract.fields.len(), 4);
    assert_eq!(
        draft,
        wait(infer(&input, folder.path())).unwrap(),
        "twice the same"
    );
}

/// A generator of numbers that are random enough for making records.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick(&mut self, of: &[&str]) -> String {
        of[self.roll(of.len() as u64) as usize].to_string()
    }

    /// A value, of any shape up to some depth.
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
            6 => format!("\"w{}\"", self.roll(4)),
            7 => {
                let items: Vec<String> = (0..self.roll(3)).map(|_| self.value(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => self.object(depth - 1),
        }
    }

    /// An object without a field twice.
    fn object(&mut self, depth: u64) -> String {
        const NAMES: [&str; 11] = [
            "id",
            "created_at",
            "x",
            "a.b",
            "",
            "_row",
            "é \\\"",
            "name",
            "size_bytes",
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
        ])
    }
}

#[test]
fn every_draft_is_sound_and_met_by_its_records() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        // Few shapes in a field are as likely as many.
        let depth = dice.roll(4);
        let records: String = (0..=dice.roll(60))
            .map(|_| dice.object(depth) + "\n")
            .collect();
        if records.contains(':') {
            let draft = draft_of("a b", "a.jsonl", &records);
            assert_eq!(
                (draft.unmet, draft.broken),
                (0, 0),
                "{seed}:\n{}",
                draft.text
            );
        }
        let columns = 2 + dice.roll(4);
        let row = |cells: &mut dyn FnMut() -> String| {
            let cells: Vec<String> = (0..columns).map(|_| cells()).collect();
            cells.join(";") + "\n"
        };
        let header: Vec<String> = (0..columns).map(|i| format!("c{i}")).collect();
        let mut text = header.join(";") + "\n";
        for _ in 0..=dice.roll(40) {
            text += &row(&mut || dice.cell());
        }
        if text
            .lines()
            .skip(1)
            .any(|line| line.contains(|c| c != ';' && c != ' '))
        {
            let draft = draft_of("a", "a.csv", &text);
            assert_eq!(
                (draft.unmet, draft.broken),
                (0, 0),
                "{seed}:\n{text}\n{}",
                draft.text
            );
        }
    }
}

/// Real data, each with how many records it has by an independent count.
#[test]
fn drafts_of_real_data_are_met_by_all_of_it() {
    let Some(data) = std::env::var_os("RETROCAST_REAL_DATA") else {
        eprintln!("SKIPPED: RETROCAST_REAL_DATA is not set, so drafts of real data were not made");
        return;
    };
    let data = Path::new(&data);
    let check = |uri: &str, records: u64, key: &[&str], time: Option<&str>| {
        let input = Input::of("real", uri);
        let draft = wait(infer(&input, data)).unwrap();
        assert_eq!(
            (draft.records, draft.unmet, draft.broken),
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
    let text = check("root-cause/sock-shop/**/*.csv.gz", 28_311, &[], None);
    assert!(text.contains("in seconds since 1970"));
}

#[test]
fn texts_of_records_stay_texts_in_a_draft() {
    let nasty = "a\u{202e}b\"\\\n]\u{7f}\u{1}é'";
    let text = format!("[field.{}]\ntype = \"string\"\n", quoted(nasty));
    let text = format!("title = {}\n{text}", quoted(nasty));
    assert!(text.contains('é') && !text.contains('\u{202e}'), "{text}");
    assert_eq!(contract::parse("a", "a", &text).unwrap().title, nasty);
    let records = "{\"a]\\n[b]\":\"# x\\ny = 1\"}\n".repeat(40);
    let draft = draft_of("a\nkey = [\"b\"]", "a.jsonl", &records);
    assert_eq!(draft.contract.fields.len(), 1);
    assert_eq!(draft.contract.title, "A key b");
}

#[test]
fn formats_can_be_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a,b\n1,2\n").unwrap();
    let mut input = Input::of("a", "a.txt");
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
