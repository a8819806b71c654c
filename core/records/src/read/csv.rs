//! CSV records: which cell belongs to which field, and what its text stands for.

mod dialect;
mod marks;

pub use dialect::Dialect;
pub(crate) use marks::Marks;

use super::{
    column::Column,
    json,
    quarantine::{Reason, Violation},
    strangers::Strangers,
    value,
};
use crate::contract::{Field, FieldKind, UnknownFields};
use serde_json::Value;
use std::borrow::Cow;

/// A header that names more columns than this is not one.
const COLUMNS_MAX: usize = 10_000;

/// Which cell belongs to which field.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub marks: Marks,
    /// For each cell the index of its field; `None` for a name the contract does not have.
    fields: Vec<Option<usize>>,
    /// For each cell its name.
    names: Vec<String>,
}

impl Header {
    /// Reads a header; the error is a reason why the file cannot be read.
    pub fn parse(line: &str, marks: Marks, fields: &[Field]) -> Result<Self, String> {
        let mut cells = Vec::new();
        let count = marks.cells(line, COLUMNS_MAX, &mut cells);
        if count > COLUMNS_MAX {
            return Err(format!(
                "the header names {count} columns, at most {COLUMNS_MAX} are read; \
                 is it a table with a header?"
            ));
        }
        Self::of(cells.iter().map(AsRef::as_ref), marks, fields)
    }

    /// Columns of these names.
    pub fn of<'n>(
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
        let names = apart(names, fields);
        let found: Vec<Option<usize>> = names
            .iter()
            .map(|name| fields.iter().position(|field| field.name == *name))
            .collect();
        let mut taken = vec![false; fields.len()];
        for (name, index) in names.iter().zip(&found) {
            let Some(taken) = index.and_then(|index| taken.get_mut(index)) else {
                continue;
            };
            if std::mem::replace(taken, true) {
                return Err(format!("the header names the column {name:?} twice"));
            }
        }
        Ok(Self {
            marks,
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
        let mut cells = Vec::new();
        if self.marks.cells(record, self.names.len(), &mut cells) != self.names.len() {
            return None;
        }
        let delimiter = char::from(self.marks.delimiter);
        let quote = self.marks.quote.map_or('"', char::from);
        let cells = cells.iter().zip(&self.fields).map(|(cell, index)| {
            let cell = written(index.and_then(|index| fields.get(index)), cell);
            if cell.contains([delimiter, quote, '\n', '\r']) {
                let two: String = [quote, quote].iter().collect();
                format!("{quote}{}{quote}", cell.replace(quote, &two))
            } else {
                cell
            }
        });
        Some(cells.collect::<Vec<_>>().join(&delimiter.to_string()))
    }

    /// Reads one record into one new row, or says what is wrong and leaves the columns as they were.
    /// `cells` is room for its cells.
    pub fn read_record<'t>(
        &self,
        record: &'t str,
        cells: &mut Vec<Cow<'t, str>>,
        fields: &[Field],
        columns: &mut [Column],
        strangers: &mut Strangers,
    ) -> Result<(), Violation> {
        cells.clear();
        let rows = columns.first().map_or(0, Column::len);
        strangers.clear();
        let count = self.marks.cells(record, self.names.len(), cells);
        if count != self.names.len() {
            let message = format!(
                "the record has {count} cell{}, the header {}",
                if count == 1 { "" } else { "s" },
                self.names.len()
            );
            return Err(Violation::new(Reason::BrokenCsv, message));
        }
        let read = self.read_cells(cells, fields, columns, strangers, rows);
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
        strangers: &mut Strangers,
        rows: usize,
    ) -> Result<(), Violation> {
        for ((cell, index), name) in cells.iter().zip(&self.fields).zip(&self.names) {
            let Some(index) = *index else {
                match strangers.policy {
                    UnknownFields::Keep if !cell.is_empty() => {
                        strangers.keep(name, Value::from(cell.as_ref()));
                    }
                    UnknownFields::Refuse => return Err(Strangers::refusal(name)),
                    _ => {}
                }
                continue;
            };
            let field = &fields[index];
            let kept = strangers.kept();
            read_cell(cell, field, &mut columns[index], strangers)
                .map_err(|violation| violation.inside(&field.name))?;
            strangers.within(kept, &field.name);
        }
        for (field, column) in fields.iter().zip(columns.iter_mut()) {
            if column.len() > rows {
                continue;
            }
            value::push_missing(field, column, "the column is missing")
                .map_err(|violation| violation.inside(&field.name))?;
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
            let pushed = value::push_text(field, column, trimmed);
            pushed.map_err(|violation| match violation.reason {
                Reason::WrongType => wrong(),
                _ => violation,
            })
        }
        FieldKind::Integer => {
            let with_point = || value::whole(trimmed.parse().ok()?);
            let number = trimmed.parse().ok().or_else(with_point);
            value::push_integer(field, column, number.ok_or_else(wrong)?)
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
