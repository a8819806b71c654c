//! Files made to exhaust memory or time: how much is in memory is counted, not felt.

use super::{
    tests::{contract, gather},
    *,
};
use std::{
    io::{self, Cursor},
    time::{Duration, Instant},
};

/// Reads without keeping; tells the longest block and how many bytes were asked for at most at once.
fn longest(reader: impl Read + Send, format: Format) -> (usize, Vec<String>, Option<String>) {
    let contract = contract();
    let pseudonyms = Arc::new(Pseudonyms::new("", None));
    let (mut longest, mut refused) = (0, Vec::new());
    let mut emit = |block: Block| {
        longest = longest.max(block.bytes.capacity());
        let parsed = parse::parse(block, &contract, &pseudonyms).unwrap();
        refused.extend(parsed.refused.into_iter().map(|row| {
            assert!(row.raw.len() <= 4 * quarantine::RAW_CHARACTERS + 4);
            format!("{} {}", row.line, row.violation.message)
        }));
        true
    };
    let text = decode::decoded(Box::new(reader), "").unwrap();
    let fields = &contract.fields;
    let read = block::read_text(text, 0, format, &Dialect::AS_FOUND, fields, &mut emit);
    let broken = match read {
        Err(Stop::Broken(reason)) => Some(reason),
        _ => None,
    };
    (longest, refused, broken)
}

/// `head`, then so many bytes, then `tail`.
fn long<'a>(head: &'a str, byte: u8, bytes: u64, tail: &'a str) -> impl Read + Send + 'a {
    Cursor::new(head)
        .chain(io::repeat(byte).take(bytes))
        .chain(Cursor::new(tail))
}

#[test]
fn a_line_of_two_gigabytes_costs_a_bounded_block() {
    let limit = RECORD_BYTES_MAX + (8 << 20);
    let too_long = ["1 the record is longer than 16 MiB"];
    let (bytes, refused, broken) = longest(
        long("{\"id\":\"", b'x', 2 << 30, "\"}\n{\"id\":\"2\"}\n{}\n"),
        Format::Jsonl,
    );
    assert!(bytes <= limit, "{bytes}");
    assert_eq!(refused, [too_long[0], "3 the field is missing"]);
    assert_eq!(broken, None);
    let (bytes, refused, broken) = longest(
        long(
            "[{\"id\":\"",
            b'x',
            64 << 20,
            "\"},\n{\"id\":\"2\"},\n{}]\n",
        ),
        Format::Json,
    );
    assert!(bytes <= limit, "{bytes}");
    assert_eq!(refused, [too_long[0], "3 the field is missing"]);
    assert_eq!(broken, None);
    let (bytes, refused, broken) =
        longest(long("id,n\n", b'x', 64 << 20, "\n2,2\n3\n"), Format::Csv);
    assert!(bytes <= limit, "{bytes}");
    let short = "4 the record has 1 cell, the header 2";
    assert_eq!(refused, ["2 the record is longer than 16 MiB", short]);
    assert_eq!(broken, None);
}

#[test]
fn a_long_record_in_a_small_packed_file_is_bounded_too() {
    let mut packed = Vec::new();
    let text = long("{\"id\":\"", b'x', 40 << 20, "\"}\n{\"id\":\"2\"}\n{}\n");
    flate2::read::GzEncoder::new(text, flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    let (bytes, refused, broken) = longest(&packed[..], Format::Jsonl);
    assert!(bytes <= RECORD_BYTES_MAX + (8 << 20), "{bytes}");
    assert_eq!((refused.len(), broken), (2, None));
}

#[test]
fn a_truncated_packed_file_keeps_what_could_be_read() {
    let text: String = (0..20_000)
        .map(|n| format!("{{\"id\":\"{n}\"}}\n"))
        .collect();
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::best())
        .read_to_end(&mut packed)
        .unwrap();
    packed.truncate(packed.len() - 100);
    let told = from_bytes(&packed, Format::Jsonl, &Dialect::AS_FOUND, &contract()).unwrap();
    let read = gather(told);
    let rows = read.lines.len();
    assert!(rows > 15_000 && rows < 20_000, "{rows}");
    assert_eq!(read.refused.len(), 0);
    let words = format!("ends before its end; lines before {} were read", rows + 1);
    assert!(read.broken.unwrap().contains(&words));
}

#[test]
fn depth_is_limited() {
    let deep = format!(
        "{{\"id\":\"1\",\"who\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let check = |text: String, format: Format, line: &str| {
        let told = from_bytes(text.as_bytes(), format, &Dialect::AS_FOUND, &contract()).unwrap();
        let read = gather(told);
        assert_eq!(read.refused.len(), 1, "{read:?}");
        assert!(read.refused[0].starts_with(line), "{read:?}");
        assert!(
            read.refused[0].contains("nested more than 128 deep"),
            "{read:?}"
        );
        assert_eq!(read.lines.len(), 1);
    };
    check(format!("{deep}\n{{\"id\":\"2\"}}"), Format::Jsonl, "1");
    check(format!("[{deep},\n{{\"id\":\"2\"}}]"), Format::Json, "1");
    let opened = "[".repeat(3 << 20);
    let told = from_bytes(
        opened.as_bytes(),
        Format::Json,
        &Dialect::AS_FOUND,
        &contract(),
    );
    assert_eq!(gather(told.unwrap()).lines.len(), 0);
}

#[test]
fn columns_are_limited() {
    let read = |columns: usize| {
        let header = format!("id{}\n", ",x".repeat(columns));
        let told = from_bytes(
            header.as_bytes(),
            Format::Csv,
            &Dialect::AS_FOUND,
            &contract(),
        );
        gather(told.unwrap()).broken
    };
    assert_eq!(read(5_000), None);
    assert!(
        read(500_000)
            .unwrap()
            .starts_with("the header names 500001 columns")
    );
    let cells = format!("id,n\n{}\n", ",".repeat(1 << 20));
    let told = from_bytes(
        cells.as_bytes(),
        Format::Csv,
        &Dialect::AS_FOUND,
        &contract(),
    );
    let refused = gather(told.unwrap()).refused;
    assert_eq!(refused, ["2 the record has 1048577 cells, the header 2"]);
}

#[test]
fn quotes_made_to_be_read_again_and_again_are_not() {
    // Each line opens a quoted cell, whether it begins in one or not: looking for the end of each would
    // read the whole file once for every line.
    let lines = 300_000;
    let text = format!("id,n\n{}", "z\",\"\n".repeat(lines));
    let start = Instant::now();
    let (_, refused, broken) = longest(text.as_bytes(), Format::Csv);
    assert_eq!((refused.len(), broken), (lines, None));
    assert!(start.elapsed() < Duration::from_secs(120));
    // As many quotes in a comment.
    let dialect = Dialect {
        comment: Some(b'#'),
        ..Dialect::AS_FOUND
    };
    let text = format!("id,n\n#{}\n1,2\n", ",\"".repeat(1 << 20));
    let told = from_bytes(text.as_bytes(), Format::Csv, &dialect, &contract()).unwrap();
    assert_eq!(gather(told).lines, [3]);
    assert!(start.elapsed() < Duration::from_secs(120));
}

#[test]
fn broken_values_are_not_looked_through_again_and_again() {
    let lines = 100_000;
    let text = format!("[\n{}]", "{\"id\":[}\n".repeat(lines));
    let (_, refused, _) = longest(text.as_bytes(), Format::Json);
    assert_eq!(refused.len(), lines);
}
