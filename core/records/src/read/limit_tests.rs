//! Reads files that are crafted to exhaust memory or time.

use super::{
    tests::{collect_events, contract},
    *,
};
use std::{
    io::{self, Cursor},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// Reads a file without keeping rows; returns the capacity of the longest block, the refused
/// records, and the reason why reading ended early.
fn read_blocks(reader: impl Read + Send, format: Format) -> (usize, Vec<String>, Option<String>) {
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
    let text = decode::decode(Box::new(reader), "", None).unwrap();
    let fields = &contract.fields;
    let read = block::read_text(text, 0, format, &Dialect::DEFAULT, fields, &mut emit);
    let broken = match read {
        Err(Stop::Broken(reason)) => Some(reason),
        _ => None,
    };
    (longest, refused, broken)
}

/// A text of `head`, `bytes` repetitions of `byte`, and `tail`.
fn long_text<'a>(head: &'a str, byte: u8, bytes: u64, tail: &'a str) -> impl Read + Send + 'a {
    Cursor::new(head)
        .chain(io::repeat(byte).take(bytes))
        .chain(Cursor::new(tail))
}

#[test]
fn memory_is_bounded_for_a_line_of_two_gigabytes() {
    let limit = RECORD_BYTES_MAX + (8 << 20);
    let too_long = ["1 the record is longer than 16 MiB"];
    let (bytes, refused, broken) = read_blocks(
        long_text("{\"id\":\"", b'x', 2 << 30, "\"}\n{\"id\":\"2\"}\n{}\n"),
        Format::Jsonl,
    );
    assert!(bytes <= limit, "{bytes}");
    assert_eq!(refused, [too_long[0], "3 the field is missing"]);
    assert_eq!(broken, None);
    let (bytes, refused, broken) = read_blocks(
        long_text(
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
    let (bytes, refused, broken) = read_blocks(
        long_text("id,n\n", b'x', 64 << 20, "\n2,2\n3\n"),
        Format::Csv,
    );
    assert!(bytes <= limit, "{bytes}");
    let short = "4 the record has 1 cell, the header 2";
    assert_eq!(refused, ["2 the record is longer than 16 MiB", short]);
    assert_eq!(broken, None);
}

#[test]
fn blocks_of_tiny_records_are_limited() {
    let records = 200_000;
    let check = |text: String, format: Format| {
        let events = from_bytes(text.as_bytes(), format, &Dialect::DEFAULT, &contract()).unwrap();
        let blocks = events.iter().map(|event| match event {
            ReadEvent::Records(parsed) => parsed.records,
            ReadEvent::End { .. } => 0,
        });
        let longest = blocks.max().unwrap_or(0);
        assert!(longest <= 1 << 16, "{longest} records in a block");
        collect_events(events)
    };
    let read = check("{}\n".repeat(records), Format::Jsonl);
    assert_eq!(read.refused.len(), records);
    assert_eq!(read.refused[records - 1], "200000 the field is missing");
    let read = check(format!("[{}{{}}]", "{},".repeat(records - 1)), Format::Json);
    assert_eq!(read.refused.len(), records);
    let read = check(format!("id,n\n{}", "x\n".repeat(records)), Format::Csv);
    assert_eq!(read.refused.len(), records);
    let last = "200001 the record has 1 cell, the header 2";
    assert_eq!(read.refused[records - 1], last);
}

#[test]
fn blocks_never_split_records_of_several_lines() {
    // Records of three lines, and one record with more lines than a block may have records.
    let tall = format!("\"{}\",1\n", "\n".repeat(200_000));
    let text = format!(
        "id,n\n{}{tall}{}",
        "\"a\n\n\",1\n".repeat(100_000),
        "b,x\n".repeat(100_000)
    );
    let events = from_bytes(text.as_bytes(), Format::Csv, &Dialect::DEFAULT, &contract());
    let read = collect_events(events.unwrap());
    let short: Vec<u64> = (0..=100_000).map(|record| 2 + 3 * record).collect();
    assert_eq!(read.lines, short);
    assert_eq!(read.refused.len(), 100_000);
    let first = 2 + 3 * 100_000 + 200_001;
    assert!(
        read.refused[0].starts_with(&format!("{first} ")),
        "{}",
        read.refused[0]
    );
}

/// A reader that counts its read calls.
struct ReadCounter<R>(R, Arc<AtomicUsize>);

impl<R: Read> Read for ReadCounter<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read(out)
    }
}

#[test]
fn blank_lines_and_comments_before_a_header_are_skipped_together() {
    let dialect = Dialect {
        comment: Some(b'#'),
        ..Dialect::DEFAULT
    };
    let lines = 1 << 20;
    let reads = Arc::new(AtomicUsize::new(0));
    let text = decode::Text {
        head: Vec::new(),
        rest: Box::new(ReadCounter(
            long_text("#\n", b'\n', lines, "#x\nid,n\n1,2\n"),
            Arc::clone(&reads),
        )),
    };
    let contract = contract();
    let mut first_lines = Vec::new();
    let mut emit = |block: Block| {
        first_lines.push(block.first_line);
        true
    };
    let fields = &contract.fields;
    block::read_text(text, 0, Format::Csv, &dialect, fields, &mut emit).unwrap();
    assert_eq!(first_lines, [lines + 4]);
    // If lines were skipped one by one, each would need another read call and would move the rest
    // of the buffer.
    let reads = reads.load(Ordering::Relaxed);
    assert!(reads < 1000, "{reads}");
}

#[test]
fn memory_is_bounded_for_a_long_record_in_a_compressed_file() {
    let mut compressed = Vec::new();
    let text = long_text("{\"id\":\"", b'x', 40 << 20, "\"}\n{\"id\":\"2\"}\n{}\n");
    flate2::read::GzEncoder::new(text, flate2::Compression::fast())
        .read_to_end(&mut compressed)
        .unwrap();
    let (bytes, refused, broken) = read_blocks(&compressed[..], Format::Jsonl);
    assert!(bytes <= RECORD_BYTES_MAX + (8 << 20), "{bytes}");
    assert_eq!((refused.len(), broken), (2, None));
}

#[test]
fn the_start_of_a_truncated_file_is_read() {
    let text: String = (0..20_000)
        .map(|n| format!("{{\"id\":\"{n}\"}}\n"))
        .collect();
    let mut compressed = Vec::new();
    flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::best())
        .read_to_end(&mut compressed)
        .unwrap();
    compressed.truncate(compressed.len() - 100);
    let events = from_bytes(&compressed, Format::Jsonl, &Dialect::DEFAULT, &contract()).unwrap();
    let read = collect_events(events);
    let rows = read.lines.len();
    assert!(rows > 15_000 && rows < 20_000, "{rows}");
    assert_eq!(read.refused.len(), 0);
    let words = format!("is cut off; only its first {rows} lines were read");
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
        let events = from_bytes(text.as_bytes(), format, &Dialect::DEFAULT, &contract()).unwrap();
        let read = collect_events(events);
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
    let events = from_bytes(
        opened.as_bytes(),
        Format::Json,
        &Dialect::DEFAULT,
        &contract(),
    );
    assert_eq!(collect_events(events.unwrap()).lines.len(), 0);
}

#[test]
fn columns_are_limited() {
    let read = |columns: usize| {
        let header = format!("id{}\n", ",x".repeat(columns));
        let events = from_bytes(
            header.as_bytes(),
            Format::Csv,
            &Dialect::DEFAULT,
            &contract(),
        );
        collect_events(events.unwrap()).broken
    };
    assert_eq!(read(5_000), None);
    assert!(
        read(500_000)
            .unwrap()
            .starts_with("the header names 500001 columns")
    );
    let cells = format!("id,n\n{}\n", ",".repeat(1 << 20));
    let events = from_bytes(
        cells.as_bytes(),
        Format::Csv,
        &Dialect::DEFAULT,
        &contract(),
    );
    let refused = collect_events(events.unwrap()).refused;
    assert_eq!(refused, ["2 the record has 1048577 cells, the header 2"]);
}

/// CPU time of this thread, independent of the load of the machine; zero if the system does not
/// report it.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    Duration::from_nanos(first.and_then(|first| first.parse().ok()).unwrap_or(0))
}

#[test]
fn unclosed_quotes_do_not_take_quadratic_time() {
    // Each line opens a quoted cell, whether it begins in one or not: looking for the end of each
    // would read the whole file once for every line.
    let lines = 300_000;
    let text = format!("id,n\n{}", "z\",\"\n".repeat(lines));
    let start = cpu_time();
    let (_, refused, broken) = read_blocks(text.as_bytes(), Format::Csv);
    assert_eq!((refused.len(), broken), (lines, None));
    assert!(cpu_time().saturating_sub(start) < Duration::from_secs(120));
    // Many quotes in a comment.
    let dialect = Dialect {
        comment: Some(b'#'),
        ..Dialect::DEFAULT
    };
    let text = format!("id,n\n#{}\n1,2\n", ",\"".repeat(1 << 20));
    let events = from_bytes(text.as_bytes(), Format::Csv, &dialect, &contract()).unwrap();
    assert_eq!(collect_events(events).lines, [3]);
    assert!(cpu_time().saturating_sub(start) < Duration::from_secs(120));
}

#[test]
fn broken_values_do_not_take_quadratic_time() {
    let lines = 100_000;
    let text = format!("[\n{}]", "{\"id\":[}\n".repeat(lines));
    let (_, refused, _) = read_blocks(text.as_bytes(), Format::Json);
    assert_eq!(refused.len(), lines);
}
