use super::*;
use crate::{Scan, Sql, SqlTable};
use retrocast_records::read::RECORD_BYTES_MAX;
use std::{fmt::Write as _, io::Write as _, path::PathBuf};

const TICKET: &str = r#"
title = "Ticket"
key = ["id"]
time = "at"
[field.id]
type = "string"
[field.at]
type = "timestamp"
required = true
[field.minutes]
type = "number"
min = 0
[field.tags]
type = "list<string>"
"#;

struct Fixture {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Fixture {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        Self { folder, runtime }
    }

    fn lake(&self) -> Lake {
        Lake::new(&self.folder.path().join("lake"), "job").unwrap()
    }

    fn spec(uri: &str, contract: &str) -> SourceSpec {
        SourceSpec {
            name: "tickets".into(),
            uri: uri.into(),
            days: None,
            contract: crate::contract::parse("ticket", "ticket.toml", contract).unwrap(),
            format: None,
            dialect: crate::Dialect::DEFAULT,
            required: true,
        }
    }

    fn ingest_with(&self, spec: &SourceSpec, control: &Control) -> Result<Ingestion, StoreError> {
        let properties = Properties::from([("run".to_string(), "r1".to_string())]);
        self.runtime.block_on(ingest(
            spec,
            self.folder.path(),
            &self.lake(),
            &properties,
            control,
        ))
    }

    fn ingest(&self, uri: &str) -> Result<Ingestion, StoreError> {
        self.ingest_with(&Self::spec(uri, TICKET), &Control::default())
    }

    /// Every row of a dataset as text, in order, with its values separated by `|`.
    fn rows(&self, dataset: &DatasetRef) -> Vec<String> {
        let (_, batches) = self
            .runtime
            .block_on(self.lake().read(dataset, &Scan::default()))
            .unwrap();
        batches.iter().flat_map(text_rows).collect()
    }
}

fn text_rows(batch: &arrow::array::RecordBatch) -> Vec<String> {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default().with_null("null");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|c| c.value(row).to_string())
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const GOOD: &[u8] =
    b"{\"id\":\"1\",\"at\":\"2026-01-01T00:00:00Z\",\"minutes\":1.5,\"tags\":[\"x\"]}\n\
{\"id\":\"2\",\"at\":\"2026-01-02T00:00:00+01:00\"}\n";

#[test]
fn rows_are_in_order_of_files_and_lines_with_counts() {
    let fixture = Fixture::new(&[
        ("raw/a.jsonl", GOOD),
        (
            "raw/b.jsonl.gz",
            &gzip(
                b"\xEF\xBB\xBF{\"id\":\"3\",\"at\":\"2025-01-01T00:00:00Z\",\"who\":1}\r\n\n{bad\n",
            ),
        ),
    ]);
    let result = fixture.ingest("raw/*").unwrap();
    assert_eq!(
        fixture.rows(&result.dataset),
        [
            "1|2026-01-01T00:00:00Z|1.5|[x]",
            "2|2026-01-01T23:00:00Z|null|null",
            "3|2025-01-01T00:00:00Z|null|null"
        ]
    );
    let note = result.note;
    assert_eq!((note.files, note.records, note.accepted), (2, 4, 3));
    assert_eq!(note.quarantined, [("broken JSON".to_string(), 1)]);
    assert_eq!(note.unknown_fields, [("who".to_string(), 1)]);
    assert_eq!(note.first_time, "2025-01-01T00:00:00Z");
    assert_eq!(note.last_time, "2026-01-01T23:00:00Z");
    let refused = fixture.rows(&result.quarantine.unwrap());
    assert_eq!(
        refused,
        ["tickets|raw/b.jsonl.gz|3|2|null|broken JSON|key must be a string|{bad"]
    );
    let versions = fixture
        .runtime
        .block_on(fixture.lake().versions("tickets"))
        .unwrap();
    assert_eq!(versions.len(), 1, "one commit");
    assert_eq!(
        versions[0].properties.get("run").map(String::as_str),
        Some("r1")
    );
    assert!(!fixture.folder.path().join("lake/job/.staging").exists());
}

#[test]
fn the_last_record_of_a_key_wins() {
    let mut first = String::new();
    for (id, minutes) in [(1, 1), (2, 2), (1, 3), (3, 4)] {
        writeln!(
            first,
            r#"{{"id":"{id}","at":"2026-01-01T00:00:00Z","minutes":{minutes}}}"#
        )
        .unwrap();
    }
    let second = br#"{"id":"2","at":"2026-01-01T00:00:00Z","minutes":9}"#;
    let fixture = Fixture::new(&[("raw/1.jsonl", first.as_bytes()), ("raw/2.jsonl", second)]);
    let result = fixture.ingest("raw/*.jsonl").unwrap();
    assert_eq!(result.note.duplicates, 2);
    assert_eq!((result.note.records, result.note.accepted), (5, 3));
    let ids: Vec<_> = fixture
        .rows(&result.dataset)
        .iter()
        .map(|row| {
            row.replace("|2026-01-01T00:00:00Z|", "=")
                .replace("|null", "")
        })
        .collect();
    assert_eq!(ids, ["1=3.0", "3=4.0", "2=9.0"]);
}

#[test]
fn each_ingest_of_changed_files_makes_a_version() {
    let fixture = Fixture::new(&[("a.jsonl", GOOD)]);
    let first = fixture.ingest("a.jsonl").unwrap().dataset;
    std::fs::write(
        fixture.folder.path().join("a.jsonl"),
        &GOOD[..GOOD.len() / 2 + 12],
    )
    .unwrap();
    let second = fixture.ingest("a.jsonl").unwrap().dataset;
    assert_eq!((first.version, first.rows), (1, 2));
    assert_eq!((second.version, second.rows), (2, 1));
    assert_eq!(fixture.rows(&first).len(), 2);
    assert_eq!(
        fixture
            .runtime
            .block_on(fixture.lake().latest("tickets"))
            .unwrap(),
        Some(second)
    );
}

#[test]
fn csv_exported_by_spreadsheets_is_read() {
    let text = "\u{feff}id;at;minutes;tags;\r\n\
        1;2026-01-01 10:00:00;1.5;\"[\"\"a\"\"]\";x\r\n\
        \"2;b\";2026-01-01T00:00:00Z;;;x\r\n\
        3;2026-01-01T00:00:00Z;1;\r\n\
        \r\n\
        4;2026-01-01T00:00:00Z;one;;\r\n\
        \"5\nfive\";2026-01-01T00:00:00Z;5;;";
    let fixture = Fixture::new(&[("a.csv", text.as_bytes())]);
    let result = fixture.ingest("a.csv").unwrap();
    assert_eq!(
        fixture.rows(&result.dataset),
        [
            "1|2026-01-01T10:00:00Z|1.5|[a]",
            "2;b|2026-01-01T00:00:00Z|null|null",
            "5\nfive|2026-01-01T00:00:00Z|5.0|null"
        ]
    );
    assert_eq!(
        fixture.rows(&result.quarantine.unwrap()),
        [
            "tickets|a.csv|4|null|null|broken CSV|the record has 4 cells, the header 5|3;2026-01-01T00:00:00Z;1;",
            "tickets|a.csv|6|null|minutes|wrong type|expected a number, found text \"one\"|4;2026-01-01T00:00:00Z;one;;"
        ]
    );
    assert_eq!(result.note.unknown_fields, [("(column 5)".to_string(), 5)]);
}

#[test]
fn an_unclosed_quote_rejects_one_line() {
    let text = "id,at\n1,2026-01-01T00:00:00Z\n\"2,2026-01-01T00:00:00Z\n3,2026-01-01T00:00:00Z\n";
    let fixture = Fixture::new(&[("a.csv", text.as_bytes())]);
    let result = fixture.ingest("a.csv").unwrap();
    assert_eq!(result.dataset.rows, 2);
    let refused = fixture.rows(&result.quarantine.unwrap());
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].starts_with("tickets|a.csv|3|null|null|broken CSV|a quoted cell is not closed|")
    );
}

/// Checks the counts and the most frequent reason for refusal of one malformed file.
fn check(name: &str, bytes: &[u8], accepted: u64, reason: &str, broken: &str) {
    let fixture = Fixture::new(&[(name, bytes)]);
    let result = fixture.ingest(name).unwrap();
    assert_eq!(result.note.accepted, accepted, "{name} {:?}", result.note);
    let first = result
        .note
        .quarantined
        .first()
        .map_or("", |(reason, _)| reason.as_str());
    assert_eq!(first, reason, "{name}");
    let file = result
        .note
        .broken_files
        .first()
        .map_or("", |(_, reason)| reason.as_str());
    assert!(
        file.contains(broken) && file.is_empty() == broken.is_empty(),
        "{name}: {file}"
    );
    let sum: u64 = result.note.quarantined.iter().map(|(_, n)| n).sum();
    assert_eq!(result.note.records, accepted + sum + result.note.duplicates);
}

#[test]
fn malformed_files_are_reported() {
    let mut many = Vec::new();
    for n in 0..20_000 {
        writeln!(
            many,
            r#"{{"id":"{n}","at":"2026-01-01T00:00:00Z","minutes":{n}}}"#
        )
        .unwrap();
    }
    let packed = gzip(&many);
    let fixture = Fixture::new(&[("cut.jsonl.gz", &packed[..packed.len() / 2])]);
    let result = fixture.ingest("cut.jsonl.gz").unwrap();
    assert!(
        result.note.accepted > 1000,
        "records before the cut are ingested: {:?}",
        result.note
    );
    assert_eq!(result.note.broken_files.len(), 1);
    assert!(
        result.note.quarantined.is_empty(),
        "half a line is not a record"
    );
    assert!(
        result.warnings[0].contains("could not be read completely"),
        "{:?}",
        result.warnings
    );

    check(
        "two.jsonl",
        &[
            gzip(GOOD),
            gzip(b"{\"id\":\"9\",\"at\":\"2026-01-01T00:00:00Z\"}"),
        ]
        .concat(),
        3,
        "",
        "",
    );
    check(
        "a.jsonl.zst",
        &zstd::encode_all(GOOD, 1).unwrap(),
        2,
        "",
        "",
    );
    check("empty.jsonl", b"", 0, "", "");
    check("empty.jsonl.gz", b"", 0, "", "");
    check("blank.jsonl", b"\n \r\n\n", 0, "", "");
    check("utf8.jsonl", b"{\"id\":\"\xff\"}\n", 0, "invalid UTF-8", "");
    check(
        "utf8.csv",
        b"id,at\n\xff,2026-01-01T00:00:00Z\n",
        0,
        "invalid UTF-8",
        "",
    );
    check("nul.jsonl", b"\0\0\0\n", 0, "broken JSON", "");
    check(
        "deep.jsonl",
        &[b"[".repeat(100_000), b"\n".to_vec()].concat(),
        0,
        "broken JSON",
        "the array is not closed",
    );
    check(
        "other.jsonl",
        b"{\"a\":1}\n{\"b\":2}\n",
        0,
        "missing required",
        "",
    );
}

#[test]
fn times_out_of_range_are_refused_unless_the_contract_allows_them() {
    let lines = |times: &[&str]| -> Vec<u8> {
        let line = |(id, at): (usize, &&str)| format!("{{\"id\":\"{id}\",\"at\":\"{at}\"}}\n");
        times
            .iter()
            .enumerate()
            .map(line)
            .collect::<String>()
            .into()
    };
    let times = [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00Z",
        "2099-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ];
    let fixture = Fixture::new(&[("a.jsonl", &lines(&times))]);
    let result = fixture.ingest("a.jsonl").unwrap();
    assert_eq!(result.note.accepted, 2);
    assert_eq!(result.note.quarantined, [("out of range".to_string(), 4)]);
    assert_eq!(result.note.first_time, "1970-01-01T00:00:00Z");
    let refused = fixture.rows(&result.quarantine.unwrap());
    assert!(
        refused[0].contains(
            "at|out of range|\"0001-01-01T00:00:00Z\" is before the earliest allowed, 1970-01-01T00:00:00Z"
        ),
        "{refused:?}"
    );
    assert!(refused[3].contains("is after the latest allowed, 2099-12-31T23:59:59.999999Z"));
    // Limits in the contract take precedence; by default, only the record's time has limits.
    let check = |contract: &str, accepted: u64| {
        let spec = Fixture::spec("a.jsonl", contract);
        let result = fixture.ingest_with(&spec, &Control::default()).unwrap();
        assert_eq!(result.note.accepted, accepted, "{contract}");
    };
    let wide = TICKET.replace("required = true", "required = true\nmin = 0001-01-01");
    check(&wide, 4);
    let both = wide.replace("0001-01-01", "\"0001-01-01\"\nmax = 9999-12-31");
    check(&both, 6);
    let narrow = TICKET.replace("required = true", "max = 1969-12-31");
    check(&narrow, 2);
    check(&TICKET.replace("time = \"at\"", ""), 6);
}

#[test]
fn lines_above_the_length_limit_are_refused() {
    let long = "x".repeat(RECORD_BYTES_MAX + 5);
    let text = format!(
        "{{\"id\":\"1\",\"at\":\"2026-01-01T00:00:00Z\"}}\n{{\"id\":\"{long}\"}}\n\
         {{\"id\":\"2\",\"at\":\"2026-01-01T00:00:00Z\"}}\n"
    );
    check("long.jsonl", text.as_bytes(), 2, "too long", "");
    let text = format!("id,at\n1,2026-01-01T00:00:00Z\n{long}\n2,2026-01-01T00:00:00Z\n");
    check("long.csv", text.as_bytes(), 2, "too long", "");
    let fixture = Fixture::new(&[("long.csv", text.as_bytes())]);
    let refused = fixture.rows(&fixture.ingest("long.csv").unwrap().quarantine.unwrap());
    assert!(refused.len() == 1 && refused[0].len() < 1200);
}

#[test]
fn a_cancelled_ingest_commits_nothing() {
    let fixture = Fixture::new(&[("a.jsonl", GOOD)]);
    let control = Control::default();
    control.cancel.cancel();
    let error = fixture
        .ingest_with(&Fixture::spec("a.jsonl", TICKET), &control)
        .unwrap_err();
    assert!(matches!(error, StoreError::Cancelled));
    assert_eq!(
        fixture
            .runtime
            .block_on(fixture.lake().latest("tickets"))
            .unwrap(),
        None
    );
}

#[test]
fn rows_do_not_depend_on_the_number_of_threads() {
    let mut files = Vec::new();
    for file in 0..3 {
        let mut text = String::new();
        for n in 0..60_000 {
            let id = (n * 7 + file) % 50_000;
            writeln!(
                text,
                r#"{{"id":"{id}","at":"2026-01-01T00:00:00Z","minutes":0.{n},"tags":["{file}","a long tag to make the record wide enough for several blocks"]}}"#
            )
            .unwrap();
        }
        files.push((format!("f{file}.jsonl"), text.into_bytes()));
    }
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let run = |threads| {
        let fixture = Fixture::new(&files);
        let control = Control {
            threads,
            ..Control::default()
        };
        let result = fixture
            .ingest_with(&Fixture::spec("*.jsonl", TICKET), &control)
            .unwrap();
        (fixture.rows(&result.dataset), result.note)
    };
    let expected = run(1);
    assert_eq!(expected.1.duplicates, 180_000 - expected.1.accepted);
    assert!(expected == run(4));
}

/// The folder of real records; if it is missing, prints that the test did not run.
fn real_data() -> Option<PathBuf> {
    let folder = std::env::var_os("RETROCAST_REAL_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!(
            "SKIPPED: set RETROCAST_REAL_DATA to the folder of real records to run this test"
        );
    }
    folder
}

#[test]
fn real_incidents_are_ingested_with_their_updates() {
    let Some(data) = real_data() else { return };
    let fixture = Fixture::new(&[]);
    let contract = r#"
title = "Incident report"
key = ["id"]
time = "started_at"
[field.id]
type = "string"
[field.title]
type = "string"
[field.impact]
type = "string"
[field.started_at]
type = "timestamp"
[field.resolved_at]
type = "timestamp"
[field.duration_minutes]
type = "integer"
unit = "min"
[field.components]
type = "list<string>"
[field.updates]
type = "list<struct>"
[field.updates.field.at]
type = "timestamp"
[field.updates.field.status]
type = "string"
[field.updates.field.message]
type = "string"
"#;
    let uri = data.join("github-incidents/incidents.jsonl");
    let spec = Fixture::spec(&uri.to_string_lossy(), contract);
    let result = fixture.ingest_with(&spec, &Control::default()).unwrap();
    assert_eq!(
        (
            result.note.records,
            result.note.accepted,
            result.note.duplicates
        ),
        (819, 819, 0)
    );
    let sql = Sql {
        pool: crate::ResourcePool::new(crate::Limits {
            memory: 128 << 20,
            spill: 1 << 30,
            folder: fixture.folder.path().join("spill"),
        }),
        timezone: "UTC".into(),
    };
    let tables = [SqlTable::dataset("tickets", result.dataset, None)];
    let count = |query: &str| {
        let rows = fixture
            .runtime
            .block_on(sql.query(&fixture.lake(), query, &tables));
        rows.unwrap()
            .1
            .iter()
            .flat_map(text_rows)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        count("select count(*) as n from (select unnest(updates) as u from tickets)"),
        ["4570"]
    );
    assert_eq!(
        count(
            "select extract(dow from started_at) as day, count(*) as n from tickets \
             where impact is null or impact <> 'maintenance' group by 1 order by (day + 6) % 7"
        ),
        ["1|150", "2|181", "3|174", "4|151", "5|96", "6|28", "0|21"]
    );
}

mod adopt;
mod commits;
mod increments;
mod sources;
