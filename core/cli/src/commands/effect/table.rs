//! Reads a CSV file into cells with their line numbers.

use crate::diagnose::WrongUsage;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// A CSV file.
pub(super) struct Table {
    path: PathBuf,
    header: Vec<String>,
    /// Line and cells of each record.
    rows: Vec<(u64, Vec<String>)>,
}

/// Recognised separators; in a tie, the first is chosen.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Maximum size of a file, in bytes; it is read into memory.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Cells that mean a missing value, in lower case.
const MISSING: [&str; 6] = ["", "na", "n/a", "nan", "null", "none"];

impl Table {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = path.display();
        let size = std::fs::metadata(path).with_context(|| format!("cannot read {file}"))?;
        if size.len() > BYTES_MAX {
            let limit = BYTES_MAX / (1024 * 1024);
            return Err(WrongUsage(format!("{file} is larger than {limit} MiB")).into());
        }
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {file}"))?;
        Self::parse(path, &bytes)
    }

    /// Parses the contents of a file.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> anyhow::Result<Self> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let separator = separator(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let file = path.display().to_string();
        let error_at = |line: u64, error: String| WrongUsage(format!("{file}:{line}: {error}"));
        let failed = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            match error.kind() {
                csv::ErrorKind::Utf8 { .. } => error_at(line, "is not UTF-8".to_string()),
                _ => error_at(line, error.to_string()),
            }
        };
        let header: Vec<String> = reader
            .headers()
            .map_err(failed)?
            .iter()
            .map(str::to_string)
            .collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(failed)?;
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() != header.len() {
                let (cells, columns) = (record.len(), header.len());
                let error = format!("{cells} cells, the header has {columns}");
                return Err(error_at(line, error).into());
            }
            rows.push((line, record.iter().map(str::to_string).collect()));
        }
        let table = Self {
            path: path.to_path_buf(),
            header,
            rows,
        };
        if table.rows.is_empty() {
            return Err(table.error(None, "has no records below its header").into());
        }
        Ok(table)
    }

    /// Index of a column.
    pub(super) fn column(&self, name: &str) -> Result<usize, WrongUsage> {
        let mut indices = (0..self.header.len()).filter(|index| self.header[*index] == name);
        match (indices.next(), indices.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => Err(self.error(None, &format!("has column {name:?} twice"))),
            (None, _) => {
                let names: Vec<&str> = self.header.iter().map(String::as_str).collect();
                let nearest = retrocast_domain::suggest::nearest(name, names.iter().copied());
                let hint = nearest.map_or_else(
                    || format!("columns: {}", names.join(", ")),
                    |nearest| format!("did you mean {nearest:?}?"),
                );
                Err(self.error(None, &format!("has no column {name:?}; {hint}")))
            }
        }
    }

    /// Line and cell of each record in a column.
    pub(super) fn cells(&self, column: usize) -> impl Iterator<Item = (u64, &str)> + Clone {
        self.rows
            .iter()
            .map(move |(line, cells)| (*line, cells[column].as_str()))
    }

    /// The numbers of a column; `None` for a missing value.
    pub(super) fn numbers(&self, column: usize) -> Result<Vec<Option<f64>>, WrongUsage> {
        self.cells(column)
            .map(|(line, cell)| {
                if MISSING.contains(&cell.to_ascii_lowercase().as_str()) {
                    return Ok(None);
                }
                let number = number(cell).ok_or_else(|| {
                    let name = &self.header[column];
                    self.error(
                        Some(line),
                        &format!("{cell:?} in column {name:?} is not a number"),
                    )
                })?;
                Ok(Some(number))
            })
            .collect()
    }

    /// Creates an error about a line, or about the whole file.
    pub(super) fn error(&self, line: Option<u64>, message: &str) -> WrongUsage {
        let path = self.path.display();
        WrongUsage(match line {
            Some(line) => format!("{path}:{line}: {message}"),
            None => format!("{path} {message}"),
        })
    }
}

/// The separator that occurs most often in the header outside quotes.
fn separator(bytes: &[u8]) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut is_quoted = false;
    for byte in bytes {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => break,
            _ if is_quoted => {}
            _ => {
                if let Some(index) = SEPARATORS.iter().position(|known| known == byte) {
                    counts[index] += 1;
                }
            }
        }
    }
    let maximum = counts.iter().copied().max().unwrap_or(0);
    let index = counts
        .iter()
        .position(|count| *count == maximum)
        .unwrap_or(0);
    SEPARATORS[index]
}

/// Parses a finite number with a decimal point or a decimal comma.
fn number(cell: &str) -> Option<f64> {
    let parsed = cell.parse().or_else(|_| match cell.split_once(',') {
        // The comma in 1,234 may group thousands; unless three digits follow, it is a decimal
        // comma.
        Some((_, decimals)) if decimals.len() != 3 => cell.replacen(',', ".", 1).parse(),
        _ => cell.parse(),
    });
    parsed.ok().filter(|number: &f64| number.is_finite())
}
