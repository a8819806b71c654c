//! CSV records: quotes, doubled quotes, line breaks inside quotes, a header that names the fields.
//!
//! The delimiter is the one of comma, semicolon, tab and bar that the header has most of. A quote
//! opens a quoted cell only at the cell's beginning, as spreadsheets write it; elsewhere it is text.

use super::{
    column::Column,
    json,
    quarantine::{Reason, Violation},
    strangers::Strangers,
    value,
};
use crate::contract::{Field, FieldKind, UnknownFields};
use serde_json::Value;

/// How far a scan has come inside a record, so that it can go on when more bytes arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    CellStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

/// Finds where records end; keeps its place between calls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Splitter {
    state: State,
}

impl Splitter {
    /// Index just after the line break that ends the record, when it is in `bytes`.
    pub fn end(&mut self, bytes: &[u8], delimiter: u8) -> Option<usize> {
        for (index, &byte) in bytes.iter().enumerate() {
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::QuoteInQuoted,
                (State::Quoted, _) | (State::QuoteInQuoted, b'"') => State::Quoted,
                (_, b'\n') => {
                    self.state = State::CellStart;
                    return Some(index + 1);
                }
                (State::CellStart, b'"') => State::Quoted,
                (_, byte) if byte == delimiter => State::CellStart,
                _ => State::Plain,
            };
        }
        None
    }

    /// Whether the bytes so far end inside a quoted cell.
    pub fn in_quotes(self) -> bool {
        self.state == State::Quoted
    }
}

/// The cells of a record without its line break.
pub(super) fn cells(record: &str, delimiter: u8) -> Vec<String> {
    let record = record.strip_suffix('\n').unwrap_or(record);
    let record = record.strip_suffix('\r').unwrap_or(record);
    let mut out = Vec::new();
    let mut state = State::CellStart;
    let mut cell: Vec<u8> = Vec::new();
    let mut finish = |cell: &mut Vec<u8>| {
        // Only ASCII bytes were taken out of valid UTF-8, so this loses nothing.
        out.push(String::from_utf8_lossy(cell).into_owned());
        cell.clear();
    };
    for &byte in record.as_bytes() {
        state = match (state, byte) {
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::Quoted, _) => {
                cell.push(byte);
                State::Quoted
            }
            (State::QuoteInQuoted, b'"') => {
                cell.push(b'"');
                State::Quoted
            }
            (State::CellStart, b'"') => State::Quoted,
            (_, byte) if byte == delimiter => {
                finish(&mut cell);
                State::CellStart
            }
            _ => {
                cell.push(byte);
                State::Plain
            }
        };
    }
    finish(&mut cell);
    out
}

/// The delimiter that a header uses.
pub(super) fn delimiter(header: &str) -> u8 {
    let count = |delimiter: u8| cells(header, delimiter).len();
    // The first of equals wins, so that a header of one column is a comma's.
    [b';', b'\t', b'|']
        .into_iter()
        .fold(b',', |best, candidate| {
            if count(candidate) > count(best) {
                candidate
            } else {
                best
            }
        })
}

/// Which cell belongs to which field.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub delimiter: u8,
    /// For each cell the index of its field; `None` for a name the contract does not have.
    fields: Vec<Option<usize>>,
    /// For each cell its name.
    names: Vec<String>,
}

impl Header {
    /// Reads a header; the error is a reason why the file cannot be read.
    pub fn parse(line: &str, fields: &[Field]) -> Result<Self, String> {
        let delimiter = delimiter(line);
        let names: Vec<String> = cells(line, delimiter)
            .into_iter()
            .enumerate()
            .map(|(index, name)| match name.trim() {
                "" => format!("(column {})", index + 1),
                name => name.to_string(),
            })
            .collect();
        let names = apart(names, fields);
        let found: Vec<Option<usize>> = names
            .iter()
            .map(|name| fields.iter().position(|field| field.name == *name))
            .collect();
        for (index, field) in found.iter().enumerate() {
            if field.is_some() && found[..index].contains(field) {
                return Err(format!(
                    "the header names the column {:?} twice",
                    names[index]
                ));
            }
        }
        Ok(Self {
            delimiter,
            fields: found,
            names,
        })
    }

    /// Counts the columns that the contract does not have, for `records` records.
    pub fn count_unknown(&self, strangers: &mut Strangers, records: u64) {
        for (name, field) in self.names.iter().zip(&self.fields) {
            if field.is_none() && records > 0 {
                strangers.count("", name, records);
            }
        }
    }

    /// A record with each cell as `written` has it for its field; `None` when it has not the
    /// header's cells.
    pub fn rewritten<'f>(
        &self,
        record: &str,
        fields: &'f [Field],
        written: &dyn Fn(Option<&'f Field>, &str) -> String,
    ) -> Option<String> {
        let cells = cells(record, self.delimiter);
        if cells.len() != self.names.len() {
            return None;
        }
        let delimiter = char::from(self.delimiter);
        let cells = cells.iter().zip(&self.fields).map(|(cell, index)| {
            let cell = written(index.and_then(|index| fields.get(index)), cell);
            if cell.contains([delimiter, '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell
            }
        });
        Some(cells.collect::<Vec<_>>().join(&delimiter.to_string()))
    }

    /// Reads one record into one new row, or says what is wrong and leaves the columns as they were.
    pub fn read_record(
        &self,
        record: &str,
        fields: &[Field],
        columns: &mut [Column],
        strangers: &mut Strangers,
    ) -> Result<(), Violation> {
        let rows = columns.first().map_or(0, Column::len);
        strangers.clear();
        let read = self.read_cells(record, fields, columns, strangers, rows);
        if read.is_err() {
            columns.iter_mut().for_each(|column| column.truncate(rows));
        }
        read
    }

    fn read_cells(
        &self,
        record: &str,
        fields: &[Field],
        columns: &mut [Column],
        strangers: &mut Strangers,
        rows: usize,
    ) -> Result<(), Violation> {
        let cells = cells(record, self.delimiter);
        if cells.len() != self.names.len() {
            let message = format!(
                "the record has {} cells, the header {}",
                cells.len(),
                self.names.len()
            );
            return Err(Violation::new(Reason::BrokenCsv, message));
        }
        for ((cell, index), name) in cells.iter().zip(&self.fields).zip(&self.names) {
            let Some(index) = *index else {
                match strangers.policy {
                    UnknownFields::Keep if !cell.is_empty() => {
                        strangers.keep(name, Value::from(cell.as_str()));
                    }
                    UnknownFields::Refuse => return Err(Strangers::refusal(name)),
                    _ => {}
                }
                continue;
            };
            let field = &fields[index];
            let kept = strangers.kept();
            read_cell(cell, field, &mut columns[index], strangers).map_err(|mut violation| {
                violation.within(&field.name);
                violation
            })?;
            strangers.within(kept, &field.name);
        }
        for (field, column) in fields.iter().zip(columns.iter_mut()) {
            if column.len() > rows {
                continue;
            }
            value::push_missing(field, column, "the column is missing").map_err(
                |mut violation| {
                    violation.within(&field.name);
                    violation
                },
            )?;
        }
        Ok(())
    }
}

/// Gives columns that the contract does not know, and of which there are several of one name, names
/// of their own.
fn apart(mut names: Vec<String>, fields: &[Field]) -> Vec<String> {
    for index in 1..names.len() {
        let name = &names[index];
        let known = fields.iter().any(|field| field.name == *name);
        if !known && names[..index].contains(name) {
            names[index] = format!("{name} (column {})", index + 1);
        }
    }
    names
}

fn read_cell(
    cell: &str,
    field: &Field,
    column: &mut Column,
    strangers: &mut Strangers,
) -> Result<(), Violation> {
    if cell.is_empty() {
        return value::push_null(field, column);
    }
    let trimmed = cell.trim();
    let wrong = || value::wrong_type(field, &format!("text {}", value::quoted(cell)));
    match field.kind {
        FieldKind::String => value::push_text(field, column, cell),
        FieldKind::Timestamp | FieldKind::Date => {
            value::push_text(field, column, trimmed).map_err(|_| wrong())
        }
        FieldKind::Integer => {
            let number = trimmed.parse().map_err(|_| wrong())?;
            value::push_integer(field, column, number)
        }
        FieldKind::Number => {
            let number: f64 = trimmed.parse().map_err(|_| wrong())?;
            if !number.is_finite() {
                return Err(wrong());
            }
            value::push_number(field, column, number)
        }
        FieldKind::Boolean => {
            let found = match trimmed {
                "1" => true,
                "0" => false,
                _ if trimmed.eq_ignore_ascii_case("true") => true,
                _ if trimmed.eq_ignore_ascii_case("false") => false,
                _ => return Err(wrong()),
            };
            value::push_boolean(field, column, found)
        }
        FieldKind::Json | FieldKind::List(_) | FieldKind::Struct(_) => {
            json::read_value(cell, field, column, strangers)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &str, delimiter: u8, expected: &[&str]) {
        assert_eq!(cells(record, delimiter), expected, "{record:?}");
    }

    #[test]
    fn cells_are_split_as_spreadsheets_write_them() {
        check("a,b,c\r\n", b',', &["a", "b", "c"]);
        check(
            "\"a,1\",\"say \"\"hi\"\"\",\"two\nlines\"\n",
            b',',
            &["a,1", "say \"hi\"", "two\nlines"],
        );
        check("5\" pipe,é;x", b',', &["5\" pipe", "é;x"]);
        check(",,", b',', &["", "", ""]);
        check("a;\"b;c\"", b';', &["a", "b;c"]);
        check("\"a\"b,c", b',', &["ab", "c"]);
    }

    #[test]
    fn delimiters_are_seen() {
        assert_eq!(delimiter("a,b"), b',');
        assert_eq!(delimiter("State;Year;PacksPerCapita"), b';');
        assert_eq!(delimiter("one"), b',');
        assert_eq!(delimiter("a\tb\tc,d"), b'\t');
    }

    #[test]
    fn record_ends_survive_being_cut_anywhere() {
        let text = b"a,\"x\ny\"\"z\n\",c\nnext";
        for cut in 0..text.len() {
            let mut splitter = Splitter::default();
            let end = splitter
                .end(&text[..cut], b',')
                .or_else(|| splitter.end(&text[cut..], b',').map(|end| end + cut));
            assert_eq!(end, Some(14), "cut at {cut}");
        }
    }
}
