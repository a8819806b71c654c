//! Column builders that append one checked value at a time and can drop an incomplete record.

use super::{
    key::{KeyHasher, KeyPart, sortable_bits},
    pseudonyms::Pseudonyms,
};
use crate::contract::{Field, FieldKind, Personal, arrow_fields};
use arrow::{
    array::{
        Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray,
        RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
    },
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    error::ArrowError,
};
use arrow_schema::{DataType, Field as ArrowField, Schema};
use std::sync::Arc;

/// Values of one field, one per row, including nulls.
#[derive(Debug)]
pub(super) struct Column {
    pub values: ColumnValues,
    valid: Vec<bool>,
    treatment: Treatment,
}

/// Treatment of a value before it enters the column.
#[derive(Debug, Clone)]
enum Treatment {
    Keep,
    Hash(Arc<Pseudonyms>),
    Drop,
}

/// The values, with a filler for each null row.
#[derive(Debug)]
pub(super) enum ColumnValues {
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Timestamp(Vec<i64>),
    Date(Vec<i32>),
    /// Start offsets of the strings and the end of the last string, and the bytes of all strings.
    Text(Vec<i32>, Vec<u8>),
    List(Vec<i32>, Box<Column>),
    Struct(Vec<Column>),
}

impl Column {
    /// An empty column of a field; `pseudonyms` hashes its values if they are personal data.
    pub fn new(field: &Field, pseudonyms: &Arc<Pseudonyms>) -> Self {
        let values = match &field.kind {
            FieldKind::Boolean => ColumnValues::Boolean(Vec::new()),
            FieldKind::Integer => ColumnValues::Integer(Vec::new()),
            FieldKind::Number => ColumnValues::Number(Vec::new()),
            FieldKind::Timestamp => ColumnValues::Timestamp(Vec::new()),
            FieldKind::Date => ColumnValues::Date(Vec::new()),
            FieldKind::String | FieldKind::Json => ColumnValues::Text(vec![0], Vec::new()),
            FieldKind::List(item) => {
                ColumnValues::List(vec![0], Box::new(Self::new(item, pseudonyms)))
            }
            FieldKind::Struct(fields) => ColumnValues::Struct(columns(fields, pseudonyms)),
        };
        Self {
            values,
            valid: Vec::new(),
            treatment: match field.personal {
                Personal::Keep => Treatment::Keep,
                Personal::Hash => Treatment::Hash(Arc::clone(pseudonyms)),
                Personal::Drop => Treatment::Drop,
            },
        }
    }

    pub fn len(&self) -> usize {
        self.valid.len()
    }

    pub fn push_null(&mut self) {
        self.valid.push(false);
        match &mut self.values {
            ColumnValues::Boolean(values) => values.push(false),
            ColumnValues::Integer(values) | ColumnValues::Timestamp(values) => values.push(0),
            ColumnValues::Number(values) => values.push(0.0),
            ColumnValues::Date(values) => values.push(0),
            ColumnValues::Text(ends, _) | ColumnValues::List(ends, _) => {
                let end = ends.last().copied().unwrap_or(0);
                ends.push(end);
            }
            ColumnValues::Struct(children) => children.iter_mut().for_each(Self::push_null),
        }
    }

    /// Appends a null and returns true if the values of this column are dropped.
    fn push_dropped(&mut self) -> bool {
        let is_dropped = matches!(self.treatment, Treatment::Drop);
        if is_dropped {
            self.push_null();
        }
        is_dropped
    }

    pub fn push_boolean(&mut self, value: bool) {
        if self.push_dropped() {
        } else if let ColumnValues::Boolean(values) = &mut self.values {
            values.push(value);
            self.valid.push(true);
        }
    }

    /// Appends an integer or timestamp.
    pub fn push_integer(&mut self, value: i64) {
        if self.push_dropped() {
        } else if let ColumnValues::Integer(values) | ColumnValues::Timestamp(values) =
            &mut self.values
        {
            values.push(value);
            self.valid.push(true);
        }
    }

    pub fn push_number(&mut self, value: f64) {
        if self.push_dropped() {
        } else if let ColumnValues::Number(values) = &mut self.values {
            values.push(value);
            self.valid.push(true);
        }
    }

    pub fn push_date(&mut self, value: i32) {
        if self.push_dropped() {
        } else if let ColumnValues::Date(values) = &mut self.values {
            values.push(value);
            self.valid.push(true);
        }
    }

    pub fn push_text(&mut self, value: &str) {
        let hashed = match &self.treatment {
            Treatment::Hash(pseudonyms) => Some(pseudonyms.hash(value)),
            _ => None,
        };
        if self.push_dropped() {
        } else if let ColumnValues::Text(ends, bytes) = &mut self.values {
            let value = hashed.as_deref().unwrap_or(value);
            bytes.extend_from_slice(value.as_bytes());
            // A block of records is far below 2 GiB, so the end fits.
            ends.push(bytes.len() as i32);
            self.valid.push(true);
        }
    }

    /// Ends a list or struct after its items or children.
    pub fn close(&mut self) {
        if matches!(self.treatment, Treatment::Drop) {
            self.truncate(self.len());
            self.push_null();
            return;
        }
        if let ColumnValues::List(ends, items) = &mut self.values {
            ends.push(items.len() as i32);
        }
        self.valid.push(true);
    }

    /// Removes all rows from `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        self.valid.truncate(rows);
        match &mut self.values {
            ColumnValues::Boolean(values) => values.truncate(rows),
            ColumnValues::Integer(values) | ColumnValues::Timestamp(values) => {
                values.truncate(rows);
            }
            ColumnValues::Number(values) => values.truncate(rows),
            ColumnValues::Date(values) => values.truncate(rows),
            ColumnValues::Text(ends, bytes) => {
                ends.truncate(rows + 1);
                bytes.truncate(ends.last().map_or(0, |end| *end as usize));
            }
            ColumnValues::List(ends, items) => {
                ends.truncate(rows + 1);
                items.truncate(ends.last().map_or(0, |end| *end as usize));
            }
            ColumnValues::Struct(children) => {
                children.iter_mut().for_each(|child| child.truncate(rows));
            }
        }
    }

    /// Feeds the last value to a hasher; for fields of a key.
    pub fn hash_last(&self, hasher: &mut KeyHasher) {
        let part = match &self.values {
            ColumnValues::Boolean(values) => values.last().map(|value| KeyPart::Boolean(*value)),
            ColumnValues::Integer(values) | ColumnValues::Timestamp(values) => {
                values.last().map(|value| KeyPart::Integer(*value))
            }
            ColumnValues::Number(values) => values.last().map(|value| KeyPart::Number(*value)),
            ColumnValues::Date(values) => values.last().map(|value| KeyPart::Date(*value)),
            ColumnValues::Text(ends, bytes) => {
                let start = ends.len().checked_sub(2);
                Some(KeyPart::Text(
                    &bytes[start.map_or(0, |last| ends[last] as usize)..],
                ))
            }
            ColumnValues::List(..) | ColumnValues::Struct(_) => None,
        };
        part.into_iter().for_each(|part| hasher.add(part));
    }

    /// Maps the last value to an integer that sorts in the same order; null is the smallest.
    pub fn order_of_last(&self) -> i64 {
        if !self.valid.last().copied().unwrap_or(false) {
            return i64::MIN;
        }
        match &self.values {
            ColumnValues::Integer(values) | ColumnValues::Timestamp(values) => {
                values.last().copied().unwrap_or(i64::MIN)
            }
            ColumnValues::Date(values) => values.last().map_or(i64::MIN, |day| i64::from(*day)),
            ColumnValues::Number(values) => values
                .last()
                .map_or(i64::MIN, |value| sortable_bits(*value)),
            _ => i64::MIN,
        }
    }

    fn finish(self, kind: &FieldKind) -> Result<ArrayRef, ArrowError> {
        let rows = self.valid.len();
        let nulls = Some(NullBuffer::from(self.valid)).filter(|nulls| nulls.null_count() > 0);
        Ok(match self.values {
            ColumnValues::Boolean(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            ColumnValues::Integer(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            ColumnValues::Number(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            ColumnValues::Timestamp(values) => {
                Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone("UTC"))
            }
            ColumnValues::Date(values) => Arc::new(Date32Array::new(values.into(), nulls)),
            ColumnValues::Text(ends, bytes) => Arc::new(StringArray::try_new(
                OffsetBuffer::new(ScalarBuffer::from(ends)),
                Buffer::from_vec(bytes),
                nulls,
            )?),
            ColumnValues::List(ends, items) => {
                let FieldKind::List(item) = kind else {
                    return Err(type_mismatch(kind));
                };
                let field = ArrowField::new("item", item.kind.arrow(), true);
                Arc::new(ListArray::try_new(
                    Arc::new(field),
                    OffsetBuffer::new(ScalarBuffer::from(ends)),
                    items.finish(&item.kind)?,
                    nulls,
                )?)
            }
            ColumnValues::Struct(children) => {
                let FieldKind::Struct(fields) = kind else {
                    return Err(type_mismatch(kind));
                };
                let arrays = children
                    .into_iter()
                    .zip(fields)
                    .map(|(child, field)| child.finish(&field.kind))
                    .collect::<Result<Vec<_>, _>>()?;
                let fields = arrow_fields(fields);
                Arc::new(StructArray::try_new_with_length(
                    fields, arrays, nulls, rows,
                )?)
            }
        })
    }
}

fn type_mismatch(kind: &FieldKind) -> ArrowError {
    ArrowError::SchemaError(format!("column is not {}", kind.with_article()))
}

/// Creates empty columns for `fields`.
pub(super) fn columns(fields: &[Field], pseudonyms: &Arc<Pseudonyms>) -> Vec<Column> {
    fields
        .iter()
        .map(|field| Column::new(field, pseudonyms))
        .collect()
}

/// The rows of the columns as one batch; `None` if there are no rows.
pub(super) fn batch(
    columns: Vec<Column>,
    fields: &[Field],
) -> Result<Option<RecordBatch>, ArrowError> {
    if columns.first().is_none_or(|column| column.len() == 0) {
        return Ok(None);
    }
    let arrays = arrays(columns, fields)?;
    let schema = Arc::new(Schema::new(arrow_fields(fields)));
    RecordBatch::try_new(schema, arrays).map(Some)
}

/// Converts each column to an array.
pub(super) fn arrays(columns: Vec<Column>, fields: &[Field]) -> Result<Vec<ArrayRef>, ArrowError> {
    columns
        .into_iter()
        .zip(fields)
        .map(|(column, field)| column.finish(&field.kind))
        .collect()
}

/// The times of a time column, in microseconds since 1970 UTC; `None` for other columns.
pub fn times(array: &dyn Array) -> Option<TimestampMicrosecondArray> {
    let cast = match array.data_type() {
        DataType::Date32 | DataType::Timestamp(..) => {
            let micros = DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, None);
            arrow::compute::cast(array, &micros).ok()?
        }
        _ => return None,
    };
    cast.as_any().downcast_ref().cloned()
}

/// The first and last time of a time column, in microseconds since 1970 UTC.
pub fn time_range(array: &dyn Array) -> Option<(i64, i64)> {
    let micros = times(array)?;
    Some((arrow::compute::min(&micros)?, arrow::compute::max(&micros)?))
}
