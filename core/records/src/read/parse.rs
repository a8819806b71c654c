//! A block of records becomes a batch of rows, and the bad ones rows of the quarantine.

use super::{
    block::{Block, Shape},
    column::{self, Column},
    csv::{Header, Splitter},
    json,
    key::KeyHasher,
    personal::{Pseudonyms, Redactor},
    quarantine::{self, Reason, Violation},
    strangers::{Strangers, Unknown},
};
use crate::contract::{Contract, UnknownFields};
use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    error::ArrowError,
};
use std::sync::Arc;

/// What came out of a block.
#[derive(Debug)]
pub struct Parsed {
    /// Index of the file in what was to be read.
    pub file: usize,
    /// The rows; `None` when there are none.
    pub batch: Option<RecordBatch>,
    /// The line of each row.
    pub lines: Vec<u64>,
    /// Hash of the key of each row; empty when the contract has no key.
    pub keys: Vec<u128>,
    /// By what the contract's `latest` orders each row among those of its key; empty without one.
    pub order: Vec<i64>,
    /// Records that were left out.
    pub refused: Vec<quarantine::Row>,
    /// Fields that the contract does not name.
    pub unknown: Unknown,
    /// Their names in the order in which they were seen first.
    pub unknown_names: Vec<String>,
    /// Records seen.
    pub records: u64,
    /// Bytes of the block, decompressed.
    pub bytes: u64,
}

struct Parser<'a> {
    contract: &'a Contract,
    key: Vec<usize>,
    latest: Option<usize>,
    columns: Vec<Column>,
    strangers: Strangers,
    /// What the contract does not name, of each row, when it is kept.
    rest: Vec<Option<String>>,
    redactor: Option<Redactor<'a>>,
    out: Parsed,
}

/// Parses a block.
pub(super) fn parse(
    block: Block,
    contract: &Contract,
    pseudonyms: &Arc<Pseudonyms>,
) -> Result<Parsed, ArrowError> {
    let position = |name: &String| contract.fields.iter().position(|field| field.name == *name);
    let mut parser = Parser {
        contract,
        key: contract.key.iter().filter_map(position).collect(),
        latest: contract.latest.as_ref().and_then(position),
        columns: column::columns(&contract.fields, pseudonyms),
        strangers: Strangers::new(contract.unknown),
        rest: Vec::new(),
        redactor: Redactor::of(contract),
        out: Parsed {
            file: block.file,
            batch: None,
            lines: Vec::new(),
            keys: Vec::new(),
            order: Vec::new(),
            refused: Vec::new(),
            unknown: Unknown::new(),
            unknown_names: Vec::new(),
            records: 0,
            bytes: block.bytes.len() as u64,
        },
    };
    match block.shape {
        Shape::Jsonl => parser.jsonl(&block.bytes, block.first_line),
        Shape::Csv(header) => parser.csv(&block.bytes, block.first_line, &header),
        Shape::Refused(violation) => {
            parser.out.records = 1;
            parser.refuse(block.first_line, &block.bytes, violation, None);
        }
    }
    parser.end()
}

impl Parser<'_> {
    fn jsonl(&mut self, bytes: &[u8], first_line: u64) {
        for (line, raw) in (first_line..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
            let raw = trim(raw);
            if raw.is_empty() {
                continue;
            }
            self.out.records += 1;
            let read = match std::str::from_utf8(raw) {
                Ok(text) => json::read_record(
                    text,
                    &self.contract.fields,
                    &mut self.columns,
                    &mut self.strangers,
                ),
                Err(error) => Err(invalid_utf8(error)),
            };
            self.done(line, raw, read, None);
        }
    }

    fn csv(&mut self, mut bytes: &[u8], first_line: u64, header: &Header) {
        let mut line = first_line;
        while !bytes.is_empty() {
            let end = Splitter::default()
                .end(bytes, header.delimiter)
                .unwrap_or(bytes.len());
            let (raw, rest) = bytes.split_at(end);
            bytes = rest;
            let lines = raw.iter().filter(|byte| **byte == b'\n').count() as u64;
            if !trim(raw).is_empty() {
                self.out.records += 1;
                let read = match std::str::from_utf8(raw) {
                    Ok(text) => header.read_record(
                        text,
                        &self.contract.fields,
                        &mut self.columns,
                        &mut self.strangers,
                    ),
                    Err(error) => Err(invalid_utf8(error)),
                };
                self.done(line, trim(raw), read, Some(header));
            }
            line += lines;
        }
        header.count_unknown(&mut self.strangers, self.out.records);
    }

    /// Takes a record that was read, or refuses it; `header` is that of a CSV file.
    fn done(
        &mut self,
        line: u64,
        raw: &[u8],
        read: Result<(), Violation>,
        header: Option<&Header>,
    ) {
        let kept = read.and_then(|()| self.strangers.take());
        match kept {
            Ok(rest) if self.contract.unknown == UnknownFields::Keep => {
                let text = rest.map(|rest| retrocast_domain::canonical::json(&rest));
                self.rest.push(text);
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
            (None, _) => quarantine::raw(raw),
            (Some(redactor), None) => redactor.json(raw),
            (Some(redactor), Some(header)) => redactor.csv(raw, header),
        };
        if let Some(redactor) = &self.redactor {
            redactor.hide(&mut violation);
        }
        self.out.refused.push(quarantine::Row {
            line,
            violation,
            raw,
        });
    }

    /// What came out.
    fn end(self) -> Result<Parsed, ArrowError> {
        let mut out = self.out;
        out.unknown = self.strangers.counts;
        out.unknown_names = self.strangers.names;
        out.batch = if self.contract.unknown == UnknownFields::Keep {
            let mut arrays = column::arrays(self.columns, &self.contract.fields)?;
            arrays.push(Arc::new(StringArray::from(self.rest)) as ArrayRef);
            let batch = RecordBatch::try_new(self.contract.schema(), arrays)?;
            Some(batch).filter(|batch| batch.num_rows() > 0)
        } else {
            column::batch(self.columns, &self.contract.fields)?
        };
        Ok(out)
    }
}

fn trim(line: &[u8]) -> &[u8] {
    line.trim_ascii()
}

fn invalid_utf8(error: std::str::Utf8Error) -> Violation {
    let mut violation = Violation::new(Reason::InvalidUtf8, "the bytes are not UTF-8 text");
    violation.column = Some(error.valid_up_to() as u64 + 1);
    violation
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
