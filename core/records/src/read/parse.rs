//! Parses a block of records into a batch of rows and refused records.

use super::{
    block::{Block, Content, Span},
    column::{self, Column},
    csv::Header,
    extra_fields::{ExtraFields, UnknownCounts},
    fast_path::FastPath,
    key::KeyHasher,
    parquet::rows::Rows,
    personal::Redactor,
    pseudonyms::Pseudonyms,
    quarantine::{self, Reason, Violation},
    value::json,
};
use crate::contract::{Contract, UnknownFields};
use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    error::ArrowError,
};
use std::sync::Arc;

/// The result of parsing a block.
#[derive(Debug)]
pub struct ParsedBlock {
    /// Index of the file among the files to read.
    pub file: usize,
    /// The rows; `None` if there are no rows.
    pub batch: Option<RecordBatch>,
    /// The line of each row.
    pub lines: Vec<u64>,
    /// Hash of the key of each row; empty if the contract has no key.
    pub keys: Vec<u128>,
    /// Sort key of each row by the contract's `latest`; empty without one.
    pub order: Vec<i64>,
    /// Refused records.
    pub refused: Vec<quarantine::RefusedRecord>,
    /// Number of records with each field that the contract does not declare.
    pub unknown: UnknownCounts,
    /// Names of the undeclared fields, in the order of their first occurrence.
    pub unknown_names: Vec<String>,
    /// Number of records.
    pub records: u64,
    /// Size of the block, decompressed, in bytes.
    pub bytes: u64,
}

struct Parser<'a> {
    contract: &'a Contract,
    key: Vec<usize>,
    latest: Option<usize>,
    columns: Vec<Column>,
    fast_path: FastPath,
    extra_fields: ExtraFields,
    /// Undeclared fields of each row, if they are kept.
    undeclared: Vec<Option<String>>,
    redactor: Option<Redactor<'a>>,
    out: ParsedBlock,
}

/// Parses a block.
pub(super) fn parse(
    block: Block,
    contract: &Contract,
    pseudonyms: &Arc<Pseudonyms>,
) -> Result<ParsedBlock, ArrowError> {
    let position = |name: &String| contract.fields.iter().position(|field| field.name == *name);
    let mut parser = Parser {
        contract,
        key: contract.key.iter().filter_map(position).collect(),
        latest: contract.latest.as_ref().and_then(position),
        columns: column::columns(&contract.fields, pseudonyms),
        fast_path: FastPath::default(),
        extra_fields: ExtraFields::new(contract.unknown),
        undeclared: Vec::new(),
        redactor: Redactor::new(contract),
        out: ParsedBlock {
            file: block.file,
            batch: None,
            lines: Vec::new(),
            keys: Vec::new(),
            order: Vec::new(),
            refused: Vec::new(),
            unknown: UnknownCounts::new(),
            unknown_names: Vec::new(),
            records: 0,
            bytes: block.bytes.len() as u64,
        },
    };
    match block.content {
        Content::Lines => parser.parse_lines(&block.bytes, block.first_line),
        Content::Values(spans) => parser.parse_values(&block.bytes, &spans),
        Content::Csv(header) => parser.parse_csv(&block.bytes, block.first_line, &header),
        Content::Rows(rows) => parser.parse_rows(&rows, block.first_line),
        Content::Refused(violation) => {
            parser.out.records = 1;
            parser.refuse(block.first_line, &block.bytes, violation, None);
        }
    }
    parser.finish()
}

impl Parser<'_> {
    fn parse_lines(&mut self, bytes: &[u8], first_line: u64) {
        // UTF-8 is checked per record only if the block is not valid.
        let text = std::str::from_utf8(bytes).ok();
        let mut start = 0;
        let ends = memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]);
        for (line, end) in (first_line..).zip(ends) {
            let raw = bytes[start..end].trim_ascii_end();
            if !raw.is_empty() {
                let text = text.map(|text| &text[start..start + raw.len()]);
                self.parse_json(line, raw, text);
            }
            start = end + 1;
        }
    }

    fn parse_values(&mut self, bytes: &[u8], spans: &[Span]) {
        for span in spans {
            let before = self.out.refused.len();
            self.parse_json(
                span.line,
                bytes[span.start..span.end].trim_ascii_end(),
                None,
            );
            // Byte positions are relative to the start of the line; the record may be only a part
            // of it.
            for refused in &mut self.out.refused[before..] {
                if let Some(column) = &mut refused.violation.column {
                    *column += span.column - 1;
                }
            }
        }
    }

    /// Parses a record; `text` is the record as text, if known.
    fn parse_json(&mut self, line: u64, raw: &[u8], text: Option<&str>) {
        self.out.records += 1;
        let text = text.map_or_else(|| std::str::from_utf8(raw), Ok);
        let fields = &self.contract.fields;
        self.extra_fields.clear();
        let read = match text {
            Ok(text) if self.fast_path.read_record(text, fields, &mut self.columns) => Ok(()),
            Ok(text) => json::read_record(text, fields, &mut self.columns, &mut self.extra_fields),
            Err(error) => Err(invalid_utf8(raw, error)),
        };
        self.finish_record(line, raw, read, None);
    }

    fn parse_csv(&mut self, bytes: &[u8], first_line: u64, header: &Header) {
        // UTF-8 is checked per record only if the block is not valid.
        let text = std::str::from_utf8(bytes).ok();
        let mut cells = Vec::new();
        let mut line = first_line;
        let mut start = 0;
        while start < bytes.len() {
            let rest = &bytes[start..];
            let delimiter = header.marks.delimiter;
            let comment = header.marks.is_comment(rest);
            let end = if comment {
                memchr::memchr(b'\n', rest).map(|end| end + 1)
            } else {
                header.marks.first_record_end(rest)
            };
            let end = start + end.unwrap_or(rest.len());
            let raw = &bytes[start..end];
            let blank = |byte: &u8| byte.is_ascii_whitespace() && *byte != delimiter;
            if !comment && !raw.iter().all(blank) && !header.repeats_header(raw) {
                self.out.records += 1;
                let record = match text {
                    Some(text) => Ok(&text[start..end]),
                    None => std::str::from_utf8(raw).map_err(|error| invalid_utf8(raw, error)),
                };
                let read = record.and_then(|record| {
                    header.read_record(
                        record,
                        &mut cells,
                        &self.contract.fields,
                        &mut self.columns,
                        &mut self.extra_fields,
                    )
                });
                self.finish_record(line, raw.trim_ascii_end(), read, Some(header));
            }
            line += memchr::memchr_iter(b'\n', raw).count() as u64;
            start = end;
        }
        header.count_unknown(&mut self.extra_fields, self.out.records);
    }

    fn parse_rows(&mut self, rows: &Rows, first_row: u64) {
        let fields = &self.contract.fields;
        let table = rows.table(fields, self.contract.unknown);
        for (row, line) in (0..rows.len()).zip(first_row..) {
            self.out.records += 1;
            let read = table.read_row(row, fields, &mut self.columns, &mut self.extra_fields);
            // Only refused rows are formatted.
            let raw = read.as_ref().err().map(|_| rows.to_json(row));
            self.finish_record(line, raw.unwrap_or_default().as_bytes(), read, None);
        }
        rows.count_unknown(&mut self.extra_fields);
        self.out.bytes = rows.bytes();
    }

    /// Finishes a record that was parsed or refused; `header` is that of a CSV file.
    fn finish_record(
        &mut self,
        line: u64,
        raw: &[u8],
        read: Result<(), Violation>,
        header: Option<&Header>,
    ) {
        let undeclared = read.and_then(|()| self.extra_fields.take());
        match undeclared {
            Ok(undeclared) if self.contract.unknown == UnknownFields::Keep => {
                let text = undeclared.map(|fields| retrocast_domain::canonical::json(&fields));
                self.undeclared.push(text);
            }
            Ok(_) => {}
            Err(violation) => {
                let rows = self.out.lines.len();
                self.columns
                    .iter_mut()
                    .for_each(|column| column.truncate(rows));
                self.refuse(line, raw, violation, header);
                return;
            }
        }
        self.out.lines.push(line);
        if let Some(latest) = self.latest {
            self.out.order.push(self.columns[latest].order_of_last());
        }
        if self.key.is_empty() {
            return;
        }
        let mut hasher = KeyHasher::default();
        for index in &self.key {
            self.columns[*index].hash_last(&mut hasher);
        }
        self.out.keys.push(hasher.finish());
    }

    fn refuse(&mut self, line: u64, raw: &[u8], mut violation: Violation, header: Option<&Header>) {
        let raw = match (&self.redactor, header) {
            (None, _) => quarantine::excerpt(raw),
            (Some(redactor), None) => redactor.redact_json(raw),
            (Some(redactor), Some(header)) => redactor.redact_csv(raw, header),
        };
        if let Some(redactor) = &self.redactor {
            redactor.redact_message(&mut violation);
        }
        // For a record of several lines, the line of the error is reported, too.
        if violation.line_offset > 0 {
            let error_line = line + violation.line_offset;
            violation.message += &match violation.column.take() {
                Some(column) => format!(" (line {error_line}, byte {column})"),
                None => format!(" (line {error_line})"),
            };
        }
        self.out.refused.push(quarantine::RefusedRecord {
            line,
            violation,
            raw,
        });
    }

    /// Returns the result.
    fn finish(self) -> Result<ParsedBlock, ArrowError> {
        let mut out = self.out;
        out.unknown = self.extra_fields.counts;
        out.unknown_names = self.extra_fields.names;
        out.batch = if self.contract.unknown == UnknownFields::Keep {
            let mut arrays = column::arrays(self.columns, &self.contract.fields)?;
            arrays.push(Arc::new(StringArray::from(self.undeclared)) as ArrayRef);
            let batch = RecordBatch::try_new(self.contract.schema(), arrays)?;
            Some(batch).filter(|batch| batch.num_rows() > 0)
        } else {
            column::batch(self.columns, &self.contract.fields)?
        };
        Ok(out)
    }
}

fn invalid_utf8(raw: &[u8], error: std::str::Utf8Error) -> Violation {
    let valid = &raw[..error.valid_up_to()];
    let line = memchr::memrchr(b'\n', valid).map_or(0, |end| end + 1);
    Violation {
        column: Some((valid.len() - line) as u64 + 1),
        line_offset: memchr::memchr_iter(b'\n', valid).count() as u64,
        ..Violation::new(Reason::InvalidUtf8, "the bytes are not UTF-8 text")
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
