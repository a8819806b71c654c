//! CSV records: assigns cells to fields and parses their text.

mod dialect;
mod marks;

pub use dialect::Dialect;
pub(crate) use marks::Marks;

use super::{
    column::{Column, ColumnValues},
    extra_fields::ExtraFields,
    quarantine::{Reason, Violation},
    value::{self, json, text},
};
use crate::contract::{Field, FieldKind, UnknownFields};
use retrocast_domain::number::list;
use serde_json::Value;
use std::borrow::Cow;

/// Maximum number of columns; a line with more is not a header.
const COLUMNS_MAX: usize = 10_000;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Maximum number of columns in a message.
const COLUMNS_SHOWN_MAX: usize = 12;

/// The header, which assigns cells to fields.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub marks: Marks,
    /// Index of the field of each cell; `None` for names that the contract does not declare.
    fields: Vec<Option<usize>>,
    /// Name of each cell.
    names: Vec<String>,
    /// Fields with lists that combine several columns with the same name, and the indices
    /// of their cells.
    list_columns: Vec<(usize, Vec<usize>)>,
    /// The header line; empty without one.
    line: Vec<u8>,
}

impl Header {
    /// Parses a header; the error is a reason why the file cannot be read.
    pub fn parse(line: &str, marks: Marks, fields: &[Field]) -> Result<Self, String> {
        let mut cells = Vec::new();
        let count = marks.cells(line, COLUMNS_MAX, &mut cells);
        if count > COLUMNS_MAX {
            return Err(format!(
                "the header names {count} columns, at most {COLUMNS_MAX} are read; \
                 is it a table with a header?"
            ));
        }
        let header = Self::from_names(cells.iter().map(AsRef::as_ref), marks, fields)?;
        Ok(header.with_line(line.as_bytes()))
    }

    /// Sets the header line as in the file.
    pub fn with_line(mut self, line: &[u8]) -> Self {
        self.line = line.trim_ascii_end().to_vec();
        self
    }

    /// Returns true if a later line repeats the header, as in concatenated files. With a single
    /// column, such a line may be a record.
    pub fn repeats_header(&self, line: &[u8]) -> bool {
        let line = line.trim_ascii_end();
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        self.names.len() > 1 && line == self.line
    }

    /// Creates a header with the given column names.
    pub fn from_names<'n>(
        names: impl Iterator<Item = &'n str>,
        marks: Marks,
        fields: &[Field],
    ) -> Result<Self, String> {
        let names: Vec<String> = names
            .enumerate()
            .map(|(index, name)| match name.trim() {
                "" => format!("(column {})", index + 1),
                name => name.to_string(),
            })
            .collect();
        let names = distinguish_names(names, fields);
        let field_indices: Vec<Option<usize>> = names
            .iter()
            .map(|name| fields.iter().position(|field| field.source_name() == name))
            .collect();
        let mut list_columns = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let indices = field_indices
                .iter()
                .zip(0..)
                .filter(|(field_index, _)| **field_index == Some(index));
            let indices: Vec<usize> = indices.map(|(_, position)| position).collect();
            match field.kind {
                _ if indices.len() < 2 => {}
                FieldKind::List(_) => list_columns.push((index, indices)),
                _ => return Err(repeated_column_error(field, &indices, &names)),
            }
        }
        Ok(Self {
            marks,
            fields: field_indices,
            names,
            list_columns,
            line: Vec::new(),
        })
    }

    /// Counts the columns that the contract does not declare, for `records` records.
    pub fn count_unknown(&self, extra_fields: &mut ExtraFields, records: u64) {
        for (name, field) in self.names.iter().zip(&self.fields) {
            if field.is_none() && records > 0 {
                extra_fields.count("", name, records);
            }
        }
    }

    /// Rewrites each cell of a record with `rewrite_cell` for its field; `None` if the number of
    /// cells differs from the header's.
    pub fn rewrite<'f>(
        &self,
        record: &str,
        fields: &'f [Field],
        rewrite_cell: &dyn Fn(Option<&'f Field>, &str) -> String,
    ) -> Option<String> {
        let mut cells = Vec::new();
        if self.marks.cells(record, self.names.len(), &mut cells) != self.names.len() {
            return None;
        }
        let delimiter = char::from(self.marks.delimiter);
        let quote = self.marks.quote.map_or('"', char::from);
        let cells = cells.iter().zip(&self.fields).map(|(cell, index)| {
            let cell = rewrite_cell(index.and_then(|index| fields.get(index)), cell);
            if cell.contains([delimiter, quote, '\n', '\r']) {
                let doubled: String = [quote, quote].iter().collect();
                format!("{quote}{}{quote}", cell.replace(quote, &doubled))
            } else {
                cell
            }
        });
        Some(cells.collect::<Vec<_>>().join(&delimiter.to_string()))
    }

    /// Parses one record into a new row, or returns a violation and leaves the columns unchanged.
    /// `cells` is a buffer.
    pub fn read_record<'t>(
        &self,
        record: &'t str,
        cells: &mut Vec<Cow<'t, str>>,
        fields: &[Field],
        columns: &mut [Column],
        extra_fields: &mut ExtraFields,
    ) -> Result<(), Violation> {
        cells.clear();
        let rows = columns.first().map_or(0, Column::len);
        extra_fields.clear();
        let count = self.marks.cells(record, self.names.len(), cells);
        if count != self.names.len() {
            let message = format!(
                "the record has {count} cell{}, the header {}",
                if count == 1 { "" } else { "s" },
                self.names.len()
            );
            return Err(Violation::new(Reason::BrokenCsv, message));
        }
        let read = self.read_cells(cells, fields, columns, extra_fields, rows);
        if read.is_err() {
            columns.iter_mut().for_each(|column| column.truncate(rows));
        }
        read
    }

    fn read_cells(
        &self,
        cells: &[Cow<'_, str>],
        fields: &[Field],
        columns: &mut [Column],
        extra_fields: &mut ExtraFields,
        rows: usize,
    ) -> Result<(), Violation> {
        for ((cell, index), name) in cells.iter().zip(&self.fields).zip(&self.names) {
            let Some(index) = *index else {
                match extra_fields.policy {
                    UnknownFields::Keep if !cell.is_empty() => {
                        extra_fields.keep(name, Value::from(cell.as_ref()));
                    }
                    UnknownFields::Refuse => return Err(ExtraFields::refusal(name)),
                    _ => {}
                }
                continue;
            };
            if self.list_columns.iter().any(|(field, _)| *field == index) {
                continue;
            }
            let field = &fields[index];
            let kept_before = extra_fields.len();
            let read = match field.kind {
                FieldKind::List(_) if !is_json(cell) => {
                    push_list(&[cell], field, &mut columns[index], extra_fields)
                }
                _ => push_cell(cell, field, &mut columns[index], extra_fields),
            };
            read.map_err(|violation| violation.with_prefix(&field.name))?;
            extra_fields.prefix_paths(kept_before, &field.name);
        }
        for (index, indices) in &self.list_columns {
            let field = &fields[*index];
            let cells: Vec<_> = indices
                .iter()
                .filter_map(|position| cells.get(*position))
                .collect();
            let kept_before = extra_fields.len();
            push_list(&cells, field, &mut columns[*index], extra_fields)
                .map_err(|violation| violation.with_prefix(&field.name))?;
            extra_fields.prefix_paths(kept_before, &field.name);
        }
        for (field, column) in fields.iter().zip(columns.iter_mut()) {
            if column.len() > rows {
                continue;
            }
            value::push_missing(field, column, "the column is missing")
                .map_err(|violation| violation.with_prefix(&field.name))?;
        }
        Ok(())
    }
}

/// Renames undeclared columns, so that their names are distinct.
fn distinguish_names(mut names: Vec<String>, fields: &[Field]) -> Vec<String> {
    for index in 1..names.len() {
        let name = &names[index];
        let is_listed = fields.iter().any(|field| field.source_name() == name);
        if !is_listed && names[..index].contains(name) {
            names[index] = format!("{name} (column {})", index + 1);
        }
    }
    names
}

/// The reason why a file cannot be read if its header repeats the column of a single value.
fn repeated_column_error(field: &Field, indices: &[usize], names: &[String]) -> String {
    let numbers: Vec<String> = indices
        .iter()
        .map(|position| (position + 1).to_string())
        .collect();
    let kind = match field.kind.with_article().rsplit_once(' ') {
        Some((_, kind)) if kind != "object" => kind,
        _ => "json",
    };
    let mut suggested_names = names.to_vec();
    for (position, number) in indices.iter().zip(1..).skip(1) {
        if let Some(name) = suggested_names.get_mut(*position) {
            *name = format!("{name}_{number}");
        }
    }
    let columns = if suggested_names.len() <= COLUMNS_SHOWN_MAX {
        format!("`columns = {suggested_names:?}`")
    } else {
        format!(
            "`columns` with a name for each of the {} columns",
            suggested_names.len()
        )
    };
    format!(
        "the header names {:?} in columns {}, and the contract's field `{}` holds one value: make its \
         type `list<{kind}>`, which combines them, or name the columns in the source: {columns}",
        field.source_name(),
        list(&numbers),
        field.name,
    )
}

/// Returns true if a cell holds a whole list as JSON, rather than one item.
fn is_json(cell: &str) -> bool {
    let cell = cell.trim();
    cell.starts_with('[') || cell == "null"
}

/// Appends the cells that are not empty as one list.
fn push_list(
    cells: &[&Cow<'_, str>],
    field: &Field,
    column: &mut Column,
    extra_fields: &mut ExtraFields,
) -> Result<(), Violation> {
    let (FieldKind::List(item), ColumnValues::List(_, items)) = (&field.kind, &mut column.values)
    else {
        return Err(value::wrong_type(field, "several cells"));
    };
    let is_empty = |cell: &str| {
        cell.trim().is_empty()
            || match item.kind {
                FieldKind::String => item.notation.is_declared_null(cell),
                _ => item.notation.is_null(cell),
            }
    };
    let mut index = 0;
    for cell in cells.iter().filter(|cell| !is_empty(cell)) {
        let position = format!("[{index}]");
        let kept_before = extra_fields.len();
        push_cell(cell, item, items, extra_fields)
            .map_err(|violation| violation.with_prefix(&position))?;
        extra_fields.prefix_paths(kept_before, &position);
        index += 1;
    }
    if index == 0 {
        return value::push_null(field, column);
    }
    column.close();
    Ok(())
}

/// Appends a cell of CSV.
fn push_cell(
    cell: &str,
    field: &Field,
    column: &mut Column,
    extra_fields: &mut ExtraFields,
) -> Result<(), Violation> {
    if cell.is_empty() {
        return value::push_null(field, column);
    }
    match field.kind {
        FieldKind::Json | FieldKind::List(_) | FieldKind::Struct(_) => {
            json::read_value(cell, field, column, extra_fields)
        }
        _ => text::push(cell, field, column, text::Origin::Cell),
    }
}
