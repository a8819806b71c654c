//! Tables of text in CSV files, with errors that name line and column.

use crate::Error;
use std::{fs, path::Path};

/// Largest file that is read, in bytes.
const BYTES_MAX: u64 = 2 << 30;

/// A row with its line number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
}

/// Reads a file; fails if it is larger than [`BYTES_MAX`].
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable =
        |error: std::io::Error| Error::new(path, error, "check the path and its permissions");
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > BYTES_MAX {
        let reason = format!("the file has {size} bytes, more than {BYTES_MAX}");
        return Err(Error::new(path, reason, "split the file or use a sample"));
    }
    fs::read(path).map_err(unreadable)
}

/// Recognised separators; in a tie, the first is chosen.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The separator that is most frequent in the first line, outside quotes.
fn separator(bytes: &[u8]) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut is_quoted = false;
    let text = bytes
        .iter()
        .skip_while(|byte| matches!(byte, b'\r' | b'\n'));
    for byte in text {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\r' | b'\n' if !is_quoted => break,
            _ if is_quoted => {}
            byte => {
                if let Some(i) = SEPARATORS.iter().position(|separator| separator == byte) {
                    counts[i] += 1;
                }
            }
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let first = counts.iter().position(|count| *count == most).unwrap_or(0);
    SEPARATORS[first]
}

/// Parses the rows of CSV text, with any number of cells each, separated by commas, semicolons, tabs
/// or bars; empty lines are skipped. `path` is for errors only.
pub(crate) fn parse_rows(path: &Path, bytes: &[u8]) -> Result<Vec<Row>, Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator(bytes))
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let mut rows = Vec::new();
    let mut record = csv::ByteRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(rows),
            Err(error) => {
                let error = Error::new(path, error, "save the table as CSV");
                return Err(error.with_position(line, None));
            }
        }
        // The reader counts empty lines before a row as part of it.
        let start = record.position().map_or(0, csv::Position::byte) as usize;
        let empty = bytes[start..]
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let line = line + empty.filter(|byte| **byte == b'\n').count() as u64;
        let mut cells = Vec::with_capacity(record.len());
        for (i, cell) in record.iter().enumerate() {
            let text = std::str::from_utf8(cell).map_err(|_| {
                Error::new(path, "the text is not UTF-8", "save the table as UTF-8")
                    .with_position(line, Some(i as u64 + 1))
            })?;
            cells.push(text.to_string());
        }
        rows.push(Row { line, cells });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_found_in_the_first_line() {
        let cells = |text: &str| {
            let rows = parse_rows(Path::new("a.csv"), text.as_bytes()).unwrap();
            rows[0].cells.clone()
        };
        assert_eq!(cells("\na;1.5;2\n"), ["a", "1.5", "2"]);
        assert_eq!(cells("a\t1\t2\n"), ["a", "1", "2"]);
        assert_eq!(cells("\"a;b;c\",1\n"), ["a;b;c", "1"]);
        assert_eq!(cells("a\n"), ["a"]);
    }

    #[test]
    fn rows_and_errors_have_line_numbers() {
        let path = Path::new("a.csv");
        let text = b"\xef\xbb\xbfname,x\n\n\"a\nb\",1\nc,2,3\n";
        let read = parse_rows(path, text).unwrap();
        let lines: Vec<(u64, usize)> = read.iter().map(|row| (row.line, row.cells.len())).collect();
        assert_eq!(lines, [(1, 2), (3, 2), (5, 3)]);
        assert_eq!(read[0].cells[0], "name");
        let error = parse_rows(path, b"a,b\nc,\xff\n").unwrap_err();
        let expected = "a.csv:2:2: the text is not UTF-8; save the table as UTF-8";
        assert_eq!(error.to_string(), expected);
        assert!(read_bytes(Path::new("/does/not/exist")).is_err());
    }
}
