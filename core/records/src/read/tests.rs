//! Reads whole files: accepted records, refused records with their lines, and broken files.

use super::*;
use arrow::array::AsArray;
use std::io;

const CONTRACT: &str = r#"
title = "T"
key = ["id"]
[field.id]
type = "string"
[field.n]
type = "integer"
max = 99
[field.tags]
type = "list<string>"
"#;

pub(super) fn contract() -> Contract {
    crate::contract::parse("t", "t.toml", CONTRACT).unwrap()
}

/// The result for a file: rows with their lines, refused records, and the reason why it was not
/// read completely.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct ReadOutput {
    pub lines: Vec<u64>,
    pub refused: Vec<String>,
    pub broken: Option<String>,
}

pub(super) fn collect_events(events: Vec<ReadEvent>) -> ReadOutput {
    let mut read = ReadOutput::default();
    for event in events {
        match event {
            ReadEvent::Records(parsed) => {
                let rows = parsed
                    .batch
                    .as_ref()
                    .map_or(0, arrow::array::RecordBatch::num_rows);
                assert_eq!(rows, parsed.lines.len());
                assert_eq!(rows + parsed.refused.len(), parsed.records as usize);
                read.lines.extend(parsed.lines);
                for row in parsed.refused {
                    let column = row.violation.column;
                    let at = column.map_or(String::new(), |column| format!(":{column}"));
                    read.refused
                        .push(format!("{}{at} {}", row.line, row.violation.message));
                }
            }
            ReadEvent::End { broken, .. } => read.broken = broken,
        }
    }
    read
}

/// A reader that returns at most a given number of bytes per call.
struct ChunkedReader<'a>(&'a [u8], usize);

impl Read for ChunkedReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(out.len());
        self.0.read(&mut out[..n])
    }
}

/// Reads bytes at once and in small pieces, which must give the same result.
fn read_as(bytes: &[u8], format: Format, dialect: &Dialect) -> ReadOutput {
    let contract = contract();
    let whole = collect_events(from_bytes(bytes, format, dialect, &contract).unwrap());
    for size in [1, 7] {
        if bytes.len() > 10_000 * size {
            continue;
        }
        let pieces = from_reader(ChunkedReader(bytes, size), format, dialect, &contract).unwrap();
        assert_eq!(collect_events(pieces), whole);
    }
    whole
}

fn read(text: &str, format: Format) -> ReadOutput {
    read_as(text.as_bytes(), format, &Dialect::DEFAULT)
}

fn check(text: &str, format: Format, lines: &[u64], refused: &[&str], broken: Option<&str>) {
    let expected = ReadOutput {
        lines: lines.to_vec(),
        refused: refused.iter().map(ToString::to_string).collect(),
        broken: broken.map(str::to_string),
    };
    assert_eq!(read(text, format), expected, "{text}");
}

#[test]
fn lines_of_json_are_read() {
    let text = "\n{\"id\":\"1\"}\r\n  \n nonsense\n{\"id\":\"2\",\"n\":1}";
    let wrong = ["4:3 expected ident"];
    check(text, Format::Jsonl, &[2, 5], &wrong, None);
    check("", Format::Jsonl, &[], &[], None);
    check("\n\n", Format::Json, &[], &[], None);
}

#[test]
fn arrays_are_read_in_any_layout() {
    for format in [Format::Json, Format::Jsonl] {
        check("[]", format, &[], &[], None);
        check(r#"[{"id":"1"},{"id":"2"}]"#, format, &[1, 1], &[], None);
        check(
            "[\n{\"id\":\"1\"},\n{\"id\":\"2\"}\n]\n",
            format,
            &[2, 3],
            &[],
            None,
        );
        let pretty = "[\n  {\n    \"id\": \"a]\\\"\",\n    \"tags\": [\n      \"x\"\n    ]\n  },\n  {\n    \"id\": \"2\"\n  }\n]\n";
        check(pretty, format, &[2, 8], &[], None);
        // Consecutive arrays; a superfluous comma.
        check(
            "[{\"id\":\"1\"},]\n[{\"id\":\"2\"}]",
            format,
            &[1, 2],
            &[],
            None,
        );
    }
}

#[test]
fn consecutive_objects_are_read() {
    check(
        "{\n  \"id\": \"1\"\n}\n{\n  \"id\": \"2\"\n}\n",
        Format::Json,
        &[1, 4],
        &[],
        None,
    );
    check(
        "{\"id\":\"1\"}{\"id\":\"2\"}\n",
        Format::Json,
        &[1, 1],
        &[],
        None,
    );
    check(
        "{\"id\":\"1\"},\n{\"id\":\"2\"}\n",
        Format::Json,
        &[1, 2],
        &[],
        None,
    );
}

#[test]
fn records_of_an_array_are_refused_with_their_position() {
    check(
        "[{\"id\":\"1\"}, {\"id\":2},\n 17, \"a\", [1],\n {\"id\":\"3\" \"n\":1},\n {\n  \"id\": \"4\",\n  \"n\": }\n]",
        Format::Json,
        &[1],
        &[
            "1 expected a string, found number 2",
            "2:3 invalid type: integer `17`, expected a record, which is a JSON object",
            "2:8 invalid type: string \"a\", expected a record, which is a JSON object",
            "2:11 invalid type: sequence, expected a record, which is a JSON object",
            "3:12 expected `,` or `}`",
            "4 expected value (line 6, byte 8)",
        ],
        None,
    );
}

#[test]
fn a_broken_record_does_not_affect_later_records() {
    // An unclosed string, a mismatched bracket, a missing bracket.
    let text = "[\n{\"id\":\"1},\n{\"id\":\"2\"},\n{\"id\":\"3\",\"tags\":[\"x\"}},\n{\"id\":\"4\"},\n{\"id\":\"5\",\"tags\":[],\n{\"id\":\"6\"}\n]";
    check(
        text,
        Format::Json,
        &[3, 5, 7],
        &[
            "2:10 EOF while parsing a string",
            "4:22 expected `,` or `]`",
            "6:20 EOF while parsing a value",
        ],
        None,
    );
    let pretty = "[\n {\n  \"id\": \"1,\n  \"n\": 1\n },\n {\n  \"id\": \"2\"\n }\n]";
    let read = read(pretty, Format::Json);
    assert_eq!(
        (read.lines, read.refused.len(), read.broken),
        (vec![6], 1, None)
    );
}

#[test]
fn truncated_arrays_are_reported() {
    check(
        "[{\"id\":\"1\"},\n{\"id\":\"2\"",
        Format::Json,
        &[1],
        &["2:9 EOF while parsing an object"],
        Some("the array is not closed, so the file may have been cut off; lines up to 2 were read"),
    );
    let text = "[{\"id\":\"1\"},{\"id\":[1},{\"id\":\"3\"}]";
    let read = read(text, Format::Json);
    assert_eq!((&read.lines[..], read.refused.len()), (&[1][..], 1));
    let broken = "records after the broken one in line 1 could not be separated";
    assert_eq!(read.broken.as_deref(), Some(broken));
}

#[test]
fn line_numbers_continue_across_blocks() {
    let records = 60_000_u64;
    let record = |n: u64| format!("{{\"id\":\"{n}\",\n\"tags\":[\"{}\"]}}", "x".repeat(80));
    let array: Vec<String> = (0..records).map(record).collect();
    let text = format!("[{}]", array.join(",\n"));
    assert!(text.len() > 6 << 20);
    let read = read(&text, Format::Json);
    assert_eq!((read.refused.len(), read.broken), (0, None));
    assert!(
        read.lines
            .iter()
            .copied()
            .eq((0..records).map(|n| 2 * n + 1))
    );
}

#[test]
fn common_variants_of_csv_are_read() {
    check(
        "id,n,\"tags\"\n1,5,\"[\"\"x\"\"]\"\n\n2,,\n3,x,\n4\n",
        Format::Csv,
        &[2, 4],
        &[
            "5 expected an integer, found text \"x\"",
            "6 the record has 1 cell, the header 3",
        ],
        None,
    );
    // Line ends of classic Mac OS and of Windows.
    check("id;n\r1;2\r3;4\r", Format::Csv, &[2, 3], &[], None);
    check("id;n\r\n1;2\r\n3;4", Format::Csv, &[2, 3], &[], None);
    // A line with only tabs is a record of empty cells.
    check(
        "id\tn\n1\t\n\t\n",
        Format::Csv,
        &[2],
        &["3 the value is null"],
        None,
    );
    check("", Format::Csv, &[], &[], None);
    check("id,n", Format::Csv, &[], &[], None);
    // Joined files repeat the header; a header with one column may also be a record.
    let joined = "id,n\n1,2\nid,n\r\n3,4\n\u{feff}id,n\n5,n\n";
    let wrong = ["6 expected an integer, found text \"n\""];
    check(joined, Format::Csv, &[2, 4], &wrong, None);
    check("id\n1\nid\n", Format::Csv, &[2, 3], &[], None);
}

#[test]
fn columns_with_the_same_name_form_a_list() {
    let lists = |text: &str| {
        let events = from_bytes(text.as_bytes(), Format::Csv, &Dialect::DEFAULT, &contract());
        let mut lists = Vec::new();
        for event in events.unwrap() {
            let ReadEvent::Records(parsed) = event else {
                continue;
            };
            let batch = parsed.batch.unwrap();
            let tags = batch
                .column_by_name("tags")
                .unwrap()
                .as_list::<i32>()
                .clone();
            lists.extend(tags.iter().map(|tags| {
                let tags = tags?;
                let tags = tags
                    .as_string::<i32>()
                    .iter()
                    .map(Option::unwrap_or_default);
                Some(tags.collect::<Vec<_>>().join("+"))
            }));
        }
        lists
    };
    let check = |text: &str, expected: &[Option<&str>]| {
        let expected: Vec<_> = expected
            .iter()
            .map(|tags| tags.map(str::to_string))
            .collect();
        assert_eq!(lists(text), expected, "{text}");
    };
    let text = "tags,id,tags,n,tags\na,1,b,5,c\n,2,\"[x\",, \n,3,,,\n";
    check(text, &[Some("a+b+c"), Some("[x"), None]);
    // Exports have as many columns as the longest record needs.
    check(
        "id,tags\n1,a\n2,\n3,\"[\"\"a\"\",\"\"b\"\"]\"\n",
        &[Some("a"), None, Some("a+b")],
    );
    check_csv(
        "id,n,n\n1,1,1\n",
        "the header names \"n\" in columns 2 and 3, and the contract's field `n` holds one value: make \
         its type `list<integer>`, which combines them, or name the columns in the source: \
         `columns = [\"id\", \"n\", \"n_2\"]`",
    );
    let wide = format!("id,id{}\n", ",x".repeat(20));
    check_csv(
        &wide,
        "the header names \"id\" in columns 1 and 2, and the contract's field `id` holds one value: make \
         its type `list<string>`, which combines them, or name the columns in the source: `columns` \
         with a name for each of the 22 columns",
    );
}

/// Checks that nothing can be read from a CSV file.
fn check_csv(text: &str, broken: &str) {
    check(text, Format::Csv, &[], &[], Some(broken));
}

#[test]
fn a_line_above_the_header_declares_the_delimiter() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let units = [0xFEFF].into_iter().chain(text.encode_utf16());
        units.flat_map(bytes).collect()
    };
    let outcome = |bytes: &[u8], dialect: &Dialect| {
        let read = read_as(bytes, Format::Csv, dialect);
        (read.lines, read.refused, read.broken)
    };
    let refused = "5 expected an integer, found text \"x,y\"";
    let text = "sep=;\r\nid;n\r\n\"a;b\";1\r\nc;2\r\nd;x,y\r\n";
    for bytes in [
        text.as_bytes().to_vec(),
        format!("\u{feff}{text}").into_bytes(),
        utf16(text, u16::to_le_bytes),
        utf16(text, u16::to_be_bytes),
        text.replace("\r\n", "\r").into_bytes(),
    ] {
        let (lines, messages, broken) = outcome(&bytes, &Dialect::DEFAULT);
        assert_eq!((lines, broken), (vec![3, 4], None));
        assert!(
            messages.len() == 1 && messages[0].starts_with(refused),
            "{messages:?}"
        );
    }
    // A delimiter that cannot be detected from the header.
    assert_eq!(outcome(b"sep=:\nid:n\n1:2\n", &Dialect::DEFAULT).0, [3]);
    let declared = |delimiter| Dialect {
        delimiter: Some(delimiter),
        ..Dialect::DEFAULT
    };
    assert_eq!(outcome(b"\nsep=;\nid;n\n1;2\n", &declared(b';')).0, [4]);
    let (lines, _, broken) = outcome(b"sep=;\nid;n\n1;2\n", &declared(b','));
    assert!(
        lines.is_empty()
            && broken
                .unwrap()
                .starts_with("line 1 names the delimiter ';'")
    );
    let unnamed = Dialect {
        header: false,
        columns: Some(vec!["id".to_string(), "n".to_string()]),
        ..Dialect::DEFAULT
    };
    assert_eq!(outcome(b"sep=;\n1;2\n", &unnamed).0, [2]);
    assert_eq!(outcome(b"sep=;", &Dialect::DEFAULT), (vec![], vec![], None));
}

#[test]
fn declared_dialects_are_used() {
    let outcome = |dialect: &Dialect, text: &str| {
        let read = read_as(text.as_bytes(), Format::Csv, dialect);
        (read.lines, read.refused.len(), read.broken)
    };
    let columns = Some(vec!["id".to_string(), "n".to_string()]);
    let plain = Dialect {
        header: false,
        columns: columns.clone(),
        ..Dialect::DEFAULT
    };
    assert_eq!(outcome(&plain, "a,1\nb,2\n"), (vec![1, 2], 0, None));
    let named = Dialect {
        columns,
        ..Dialect::DEFAULT
    };
    assert_eq!(outcome(&named, "who,what\nb,2\n"), (vec![2], 0, None));
    let marked = Dialect {
        delimiter: Some(b':'),
        quote: Some(b'\''),
        comment: Some(b'#'),
        ..Dialect::DEFAULT
    };
    let text = "# a 'note\n\nid:n\n'a:b':1\n#:'\n\"c:2\n";
    assert_eq!(outcome(&marked, text), (vec![4, 6], 0, None));
    let wrong = Dialect {
        header: false,
        ..Dialect::DEFAULT
    };
    assert!(
        outcome(&wrong, "a,1\n")
            .2
            .unwrap()
            .contains("must be named")
    );
}

#[test]
fn utf16_is_read() {
    let text = "id;n\nä;1\n";
    let bytes: Vec<u8> = [0xFEFF]
        .into_iter()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let read = read_as(&bytes, Format::Csv, &Dialect::DEFAULT);
    assert_eq!(
        (read.lines, read.refused.len(), read.broken),
        (vec![2], 0, None)
    );
}

#[test]
fn invalid_utf8_is_refused_with_its_position() {
    let refused = |bytes: &[u8], format| {
        let read = read_as(bytes, format, &Dialect::DEFAULT);
        (read.lines, read.refused)
    };
    let lines = b"{\"id\":\"1\"}\n{\"id\":\"\xFF\"}\n{\"id\":\"3\"}\n";
    let messages = vec!["2:8 the bytes are not UTF-8 text".to_string()];
    assert_eq!(
        refused(lines, Format::Jsonl),
        (vec![1, 3], messages.clone())
    );
    let array = b"[{\"id\":\"1\"},\n{\"id\":\"\xFF\"},\n{\"id\":\"3\"}]\n";
    assert_eq!(refused(array, Format::Json), (vec![1, 3], messages));
    let pretty = b"{\n\"id\":\"\xFF\"}";
    let messages = vec!["1 the bytes are not UTF-8 text (line 2, byte 7)".to_string()];
    assert_eq!(refused(pretty, Format::Json), (vec![], messages));
    let csv = b"id,n\n1,1\n\xFF,2\n3,3\n";
    let messages = vec!["3:1 the bytes are not UTF-8 text".to_string()];
    assert_eq!(refused(csv, Format::Csv), (vec![2, 4], messages));
}
