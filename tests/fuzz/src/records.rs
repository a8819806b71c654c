//! Reads hostile bytes under all kinds of contracts, and checks what holds for any bytes.
//!
//! In each function the first bytes of the input determine how the rest is read.

use retrocast_records::{
    Contract, Dialect, Format, contract as contracts,
    read::{ReadEvent, from_bytes, from_reader},
};
use std::io::Read;

/// Every type, every limit, personal data, defaults.
const CONTRACT: &str = include_str!("../contract.toml");
/// Records for contracts that are the input.
const RECORDS: &str = concat!(
    r#"{"id":"a","n":1,"at":"2026-01-01T00:00:00Z","tags":["x"]}"#,
    "\n{}\n"
);

/// The contract with this treatment of fields that it does not name.
fn contract(unknown: u8) -> Contract {
    let unknown = ["count", "keep", "refuse"][usize::from(unknown % 3)];
    let text = format!("unknown = \"{unknown}\"\n{CONTRACT}");
    contracts::parse("fuzz", "fuzz.toml", &text).expect("the contract is sound")
}

/// JSON records, one per line, compressed or not.
pub fn jsonl(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else {
        return;
    };
    let dialect = Dialect::AS_FOUND;
    read_in_pieces(bytes, first >> 2, Format::Jsonl, &dialect, &contract(first));
}

/// Arrays of JSON records, and records over several lines.
pub fn json_array(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else {
        return;
    };
    let (dialect, contract) = (Dialect::AS_FOUND, contract(first));
    let output = read_in_pieces(bytes, first >> 2, Format::Json, &dialect, &contract);
    // An array according to another parser has all its items here, however it is written.
    if let Ok(array @ serde_json::Value::Array(_)) = serde_json::from_slice(bytes) {
        let items = array.as_array().map_or(0, Vec::len);
        assert_eq!(output.rows.len() + output.refused.len(), items);
        assert_eq!(output.broken, None);
        let pretty = serde_json::to_string_pretty(&array).expect("it was JSON");
        let again = read(pretty.as_bytes(), Format::Json, &dialect, &contract);
        assert_eq!(again.rows.len() + again.refused.len(), items);
        assert_eq!(again.broken, None);
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
    };
    read_in_pieces(bytes, first >> 2, Format::Csv, &dialect, &contract(first));
}

/// Parquet files.
pub fn parquet(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else {
        return;
    };
    read(bytes, Format::Parquet, &Dialect::AS_FOUND, &contract(first));
}

/// Contracts: every text is either a valid contract, or gets an error with its location.
pub fn contract_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match contracts::parse("fuzz", "fuzz.toml", &text) {
        Ok(contract) => {
            read(
                RECORDS.as_bytes(),
                Format::Jsonl,
                &Dialect::AS_FOUND,
                &contract,
            );
        }
        Err(found) => {
            assert!(!found.is_empty());
            for found in found {
                let is_located = found.span.is_none_or(|span| text.get(span).is_some());
                assert!(is_located, "the error has a place: {}", found.message);
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

/// Gives at most this many of its bytes per read.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.min(out.len());
        self.0.read(&mut out[..n])
    }
}

/// Reads bytes, and checks the result.
fn read(bytes: &[u8], format: Format, dialect: &Dialect, contract: &Contract) -> ReadOutput {
    let events = from_bytes(bytes, format, dialect, contract).expect("batches can be made");
    gather(events, contract)
}

/// Reads also in pieces of `piece` bytes, which must give the same result.
fn read_in_pieces(
    bytes: &[u8],
    piece: u8,
    format: Format,
    dialect: &Dialect,
    contract: &Contract,
) -> ReadOutput {
    let whole = read(bytes, format, dialect, contract);
    let dribble = Dribble(bytes, usize::from(piece) + 1);
    let events = from_reader(dribble, format, dialect, contract).expect("batches can be made");
    let pieces = gather(events, contract);
    // The output of a decoder before it fails depends on the size of the reads.
    if !is_packed(bytes) {
        assert_eq!(whole, pieces);
    }
    whole
}

fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b") || bytes.starts_with(b"\x28\xb5\x2f\xfd")
}

fn gather(events: Vec<ReadEvent>, contract: &Contract) -> ReadOutput {
    let mut output = ReadOutput {
        rows: Vec::new(),
        keys: Vec::new(),
        refused: Vec::new(),
        broken: None,
    };
    let mut last = 0;
    let mut ended = false;
    for event in events {
        assert!(!ended, "nothing follows the end");
        match event {
            ReadEvent::End { broken, .. } => {
                output.broken = broken;
                ended = true;
            }
            ReadEvent::Records(parsed) => {
                let rows = match &parsed.batch {
                    Some(batch) => batch.num_rows(),
                    None => 0,
                };
                assert_eq!(rows, parsed.lines.len());
                let expected = |is_read: bool| if is_read { rows } else { 0 };
                assert_eq!(parsed.keys.len(), expected(!contract.key.is_empty()));
                assert_eq!(parsed.order.len(), expected(contract.latest.is_some()));
                assert_eq!(rows as u64 + parsed.refused.len() as u64, parsed.records);
                if let Some(batch) = &parsed.batch {
                    assert_eq!(batch.schema(), contract.schema());
                }
                let refused = parsed.refused.iter().map(|row| row.line);
                let mut lines: Vec<u64> = parsed.lines.iter().copied().chain(refused).collect();
                assert!(parsed.lines.is_sorted(), "lines rise");
                assert!(
                    parsed.refused.is_sorted_by_key(|row| row.line),
                    "lines rise"
                );
                lines.sort_unstable();
                if let (Some(first), Some(end)) = (lines.first(), lines.last()) {
                    assert!(*first >= last.max(1), "blocks are in order");
                    last = *end;
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
    assert!(ended, "the end is reported");
    output
}
