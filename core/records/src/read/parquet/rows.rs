//! Rows of Parquet columns, in batches that fit into memory, each checked against the contract.

use super::{
    cells::Cells,
    plan::Plan,
    unknown::{keep_values, row_json, unlisted_columns},
};
use crate::{
    contract::{Field, UnknownFields},
    read::{
        column::Column,
        extra_fields::ExtraFields,
        quarantine::{RECORD_BYTES_MAX, Violation, too_long},
        value,
    },
};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow_schema::DataType;
use std::{ops::Range, sync::Arc};

/// Maximum size of rows passed on together, in bytes. A dictionary string shared by all rows is in
/// the file once, but in the result once per row.
const PART_BYTES_MAX: u64 = RECORD_BYTES_MAX as u64;

/// Some rows of a file.
#[derive(Debug, Clone)]
pub(in crate::read) struct Rows {
    batch: RecordBatch,
    plan: Arc<Plan>,
    /// True for a single row that exceeds the maximum length of a record.
    too_long: bool,
}

/// Rows with access to their values.
pub(in crate::read) struct Table<'a> {
    /// Values of each field of the contract; `None` if the file has no such column.
    cells: Vec<Option<Cells>>,
    /// The undeclared columns, if they are kept.
    undeclared: Vec<(String, ArrayRef)>,
    /// An undeclared column, if it causes every row to be refused.
    refused_column: Option<&'a str>,
    rows: &'a Rows,
}

impl Rows {
    /// Splits a batch into parts of limited size.
    pub(super) fn split(batch: &RecordBatch, plan: &Arc<Plan>) -> Vec<Self> {
        let part = |rows: Range<usize>, too_long| Self {
            batch: batch.slice(rows.start, rows.len()),
            plan: Arc::clone(plan),
            too_long,
        };
        let estimate_bytes = |rows: Range<usize>| -> u64 {
            let columns = batch.columns().iter();
            columns
                .map(|column| approximate_bytes(column, rows.clone()))
                .sum()
        };
        let rows = batch.num_rows();
        if estimate_bytes(0..rows) <= PART_BYTES_MAX {
            return vec![part(0..rows, false)];
        }
        let mut parts = Vec::new();
        let (mut start, mut bytes) = (0, 0);
        for row in 0..rows {
            let row_bytes = estimate_bytes(row..row + 1);
            if row > start && bytes + row_bytes > PART_BYTES_MAX {
                parts.push(part(start..row, false));
                (start, bytes) = (row, 0);
            }
            bytes += row_bytes;
            if row_bytes > RECORD_BYTES_MAX as u64 {
                parts.push(part(row..row + 1, true));
                (start, bytes) = (row + 1, 0);
            }
        }
        if start < rows {
            parts.push(part(start..rows, false));
        }
        parts
    }

    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Size of the rows, in bytes.
    pub fn bytes(&self) -> u64 {
        let columns = self.batch.columns().iter();
        columns
            .map(|column| approximate_bytes(column, 0..self.len()))
            .sum()
    }

    /// Prepares access to the values of `fields` in the rows.
    pub fn table(&self, fields: &[Field], unknown: UnknownFields) -> Table<'_> {
        let cells = fields.iter().map(|field| {
            let (names, columns) = (self.batch.schema_ref().fields(), self.batch.columns());
            Cells::find(names, columns, field, unknown)
        });
        let schema = self.batch.schema();
        let columns = schema.fields().iter().zip(self.batch.columns());
        let first = self.plan.unknown.first().map(String::as_str);
        Table {
            cells: cells.collect(),
            undeclared: unlisted_columns(columns, fields, unknown),
            refused_column: first.filter(|_| unknown == UnknownFields::Refuse),
            rows: self,
        }
    }

    /// Counts the columns that the contract does not declare.
    pub fn count_unknown(&self, extra_fields: &mut ExtraFields) {
        for path in &self.plan.unknown {
            extra_fields.count("", path, self.len() as u64);
        }
    }

    /// A row as JSON, with the columns that were read.
    pub fn to_json(&self, row: usize) -> String {
        if self.too_long {
            return String::new();
        }
        row_json(&self.batch.slice(row, 1)).unwrap_or_default()
    }
}

impl Table<'_> {
    /// Reads one row into a new row of the columns, or returns a violation and leaves the columns
    /// partially filled.
    pub fn read_row(
        &self,
        row: usize,
        fields: &[Field],
        columns: &mut [Column],
        extra_fields: &mut ExtraFields,
    ) -> Result<(), Violation> {
        extra_fields.clear();
        if self.rows.too_long {
            return Err(too_long());
        }
        if let Some(path) = self.refused_column {
            return Err(ExtraFields::refusal(path));
        }
        for ((field, column), cells) in fields.iter().zip(columns).zip(&self.cells) {
            let pushed = match cells {
                Some(cells) => cells.push_field(row, field, column, extra_fields),
                None => value::push_missing(field, column, "the column is missing"),
            };
            pushed.map_err(|violation| violation.with_prefix(&field.name))?;
        }
        keep_values(&self.undeclared, row, extra_fields);
        Ok(())
    }
}

/// Approximate size of some rows as text, in bytes.
fn approximate_bytes(array: &dyn Array, rows: Range<usize>) -> u64 {
    let list = |child: &dyn Array, range: Range<usize>| {
        let items = range.len() as u64;
        4 * items + approximate_bytes(child, range)
    };
    match array.data_type() {
        DataType::Utf8View => text_bytes(array.as_string_view().views(), rows),
        DataType::BinaryView => text_bytes(array.as_binary_view().views(), rows),
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            columns
                .map(|column| approximate_bytes(column, rows.clone()))
                .sum()
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let ends = lists.value_offsets();
            list(
                lists.values(),
                ends[rows.start] as usize..ends[rows.end] as usize,
            )
        }
        DataType::LargeList(_) => {
            let lists = array.as_list::<i64>();
            let ends = lists.value_offsets();
            list(
                lists.values(),
                ends[rows.start] as usize..ends[rows.end] as usize,
            )
        }
        DataType::FixedSizeList(_, n) => {
            let n = *n as usize;
            list(
                array.as_fixed_size_list().values(),
                rows.start * n..rows.end * n,
            )
        }
        DataType::Map(..) => {
            let maps = array.as_map();
            let ends = maps.value_offsets();
            list(
                maps.entries(),
                ends[rows.start] as usize..ends[rows.end] as usize,
            )
        }
        DataType::FixedSizeBinary(n) => *n as u64 * rows.len() as u64,
        _ => 8 * rows.len() as u64,
    }
}

/// The lengths of strings: the lowest 32 bits of their views.
fn text_bytes(views: &[u128], rows: Range<usize>) -> u64 {
    views[rows].iter().map(|view| u64::from(*view as u32)).sum()
}
