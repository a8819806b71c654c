//! Reads hostile bytes with all kinds of contracts, and checks properties that hold for any input.
//!
//! In each function the first bytes of the input determine how the other bytes are read.

use retrocast_records::{
    Contract, Dialect, Format, contract as contracts,
    read::{ReadEvent, from_bytes, from_reader},
};
use std::io::Read;

/// A contract with every type, every limit, personal data and defaults.
const CONTRACT: &str = include_str!("../contract.toml");
/// Records for the contracts that are inputs.
const RECORDS: &str = concat!(
    r#"{"id":"a","n":1,"at":"2026-01-01T00:00:00Z","tags":["x"]}"#,
    "\n{}\n"
);

/// The contract with this treatment of unknown fields.
fn contract(unknown: u8) -> Contract {
    let unknown = ["count", "keep", "refuse"][usize::from(unknown % 3)];
    let text = format!("unknown = \"{unknown}\"\n{CONTRACT}");
    contracts::parse("fuzz", "fuzz.toml", &text).expect("the contract is valid")
}

/// JSON records, one per line, compressed or not.
pub fn jsonl(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else {
        return;
    };
    let dialect = Dialect::DEFAULT;
    read_in_chunks(bytes, first >> 2, Format::Jsonl, &dialect, &contract(first));
}

/// Arrays of JSON records, and records over several lines.
pub fn json_array(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else {
        return;
    };
    let (dialect, contract) = (Dialect::DEFAULT, contract(first));
    let output = read_in_chunks(bytes, first >> 2, Format::Json, &dialect, &contract);
    // If another parser reads an array, all its items are read here, too, even after reformatting.
    if let Ok(array @ serde_json::Value::Array(_)) = serde_json::from_slice(bytes) {
        let items = array.as_array().map_or(0, Vec::len);
        assert_eq!(output.rows.len() + output.refused.len(), items);
        assert_eq!(output.broken, None);
        let pretty = serde_json::to_string_pretty(&array).expect("it was JSON");
        let reread = read(pretty.as_bytes(), Format::Json, &dialect, &contract);
        assert_eq!(reread.rows.len() + reread.refused.len(), items);
        assert_eq!(reread.broken, None);
    }
}

/// Comma-separated values in all dialects.
pub fn csv(data: &[u8]) {
    let Some((&[first, second], bytes)) = data.split_first_chunk() else {
        return;
    };
    let dialect = Dialect {
        delimiter: [None, Some(b';'), Some(b'x'), Some(b'\t')][usize::from(second % 4)],
        quote: [Some(b'"'), Some(b'\''), None, Some(b'"')][usize::from(second / 4 % 4)],
        comment: [None, Some(b'#')][usize::from(second / 16 % 2)],
        header: second & 0x20 == 0,
        columns: (second & 0x40 != 0)
            .then(|| ["id", "n", "tags", "z"].map(str::to_string).to_vec()),
        encoding: Dialect::encoding("gb18030")
            .ok()
            .filter(|_| second & 0x80 != 0),
    };
    read_in_chunks(bytes, first >> 2, Format::Csv, &dialect, &contract(first));
}

/// Parquet files.
pub fn parquet(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else {
        return;
    };
    read(bytes, Format::Parquet, &Dialect::DEFAULT, &contract(first));
}

/// Contracts: every text either is a valid contract or gets an error with its location.
pub fn contract_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match contracts::parse("fuzz", "fuzz.toml", &text) {
        Ok(contract) => {
            read(
                RECORDS.as_bytes(),
                Format::Jsonl,
                &Dialect::DEFAULT,
                &contract,
            );
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            for diagnostic in diagnostics {
                let is_located = diagnostic.span.is_none_or(|span| text.get(span).is_some());
                assert!(
                    is_located,
                    "the location is outside the text: {}",
                    diagnostic.message
                );
            }
        }
    }
}

/// The result for a file.
#[derive(Debug, PartialEq)]
struct ReadOutput {
    /// Lines of rows.
    rows: Vec<u64>,
    keys: Vec<u128>,
    /// Line, column, field, message and beginning of each refused record.
    refused: Vec<(u64, Option<u64>, String, String, String)>,
    broken: Option<String>,
}

/// A reader that returns a limited number of bytes per read.
struct ChunkedReader<'a>(&'a [u8], usize);

impl Read for ChunkedReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.min(out.len());
        self.0.read(&mut out[..n])
    }
}

/// Reads bytes, and checks the result.
fn read(bytes: &[u8], format: Format, dialect: &Dialect, contract: &Contract) -> ReadOutput {
    let events = from_bytes(bytes, format, dialect, contract).expect("batches can be built");
    collect_events(events, contract)
}

/// Reads at once and in chunks, which must give the same result.
fn read_in_chunks(
    bytes: &[u8],
    chunk_size: u8,
    format: Format,
    dialect: &Dialect,
    contract: &Contract,
) -> ReadOutput {
    let at_once = read(bytes, format, dialect, contract);
    let chunked = ChunkedReader(bytes, usize::from(chunk_size) + 1);
    let events = from_reader(chunked, format, dialect, contract).expect("batches can be built");
    let from_chunks = collect_events(events, contract);
    // The output of a decoder before it fails depends on the size of the reads.
    if !is_compressed(bytes) {
        assert_eq!(at_once, from_chunks);
    }
    at_once
}

fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b") || bytes.starts_with(b"\x28\xb5\x2f\xfd")
}

fn collect_events(events: Vec<ReadEvent>, contract: &Contract) -> ReadOutput {
    let mut output = ReadOutput {
        rows: Vec::new(),
        keys: Vec::new(),
        refused: Vec::new(),
        broken: None,
    };
    let mut last_line = 0;
    let mut has_ended = false;
    for event in events {
        assert!(!has_ended, "an event follows the end");
        match event {
            ReadEvent::End { broken, .. } => {
                output.broken = broken;
                has_ended = true;
            }
            ReadEvent::Records(parsed) => {
                let rows = match &parsed.batch {
                    Some(batch) => batch.num_rows(),
                    None => 0,
                };
                assert_eq!(rows, parsed.lines.len());
                let expected = |is_present: bool| if is_present { rows } else { 0 };
                assert_eq!(parsed.keys.len(), expected(!contract.key.is_empty()));
                assert_eq!(parsed.order.len(), expected(contract.latest.is_some()));
                assert_eq!(rows as u64 + parsed.refused.len() as u64, parsed.records);
                if let Some(batch) = &parsed.batch {
                    assert_eq!(batch.schema(), contract.schema());
                }
                let refused = parsed.refused.iter().map(|row| row.line);
                let mut lines: Vec<u64> = parsed.lines.iter().copied().chain(refused).collect();
                assert!(parsed.lines.is_sorted(), "lines are sorted");
                assert!(
                    parsed.refused.is_sorted_by_key(|row| row.line),
                    "lines are sorted"
                );
                lines.sort_unstable();
                if let (Some(first), Some(end)) = (lines.first(), lines.last()) {
                    assert!(*first >= last_line.max(1), "blocks are in order");
                    last_line = *end;
                }
                output.rows.extend(parsed.lines);
                output.keys.extend(parsed.keys);
                for row in parsed.refused {
                    assert!(row.raw.chars().count() <= 1001);
                    let violation = row.violation;
                    output.refused.push((
                        row.line,
                        violation.column,
                        violation.field,
                        violation.message,
                        row.raw,
                    ));
                }
            }
        }
    }
    assert!(has_ended, "the end is not reported");
    output
}
