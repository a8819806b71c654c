//! Converts values of Parquet columns and passes them to the checks shared by all formats.

use super::unknown::{json_value, keep_values, unlisted_columns};
use crate::{
    contract::{Field, FieldKind, UnknownFields},
    read::{
        column::{Column, ColumnValues},
        extra_fields::ExtraFields,
        quarantine::{Reason, Violation},
        time::Time,
        value::{self, json, text},
    },
};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Date32Array, Float64Array,
        Int64Array, StringArray, StringViewArray, UInt64Array,
    },
    buffer::NullBuffer,
    compute::cast,
    datatypes::{
        Date64Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
};
use arrow_schema::{DataType, Fields, TimeUnit};
use std::{ops::Range, sync::Arc};

/// The values of a column, one for each row.
pub(super) struct Cells {
    nulls: Option<NullBuffer>,
    values: CellValues,
}

enum CellValues {
    Boolean(BooleanArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Number(Float64Array),
    /// Decimal numbers, as text.
    Decimal(StringArray),
    /// Instants, and the number of their units per second.
    Instant(Int64Array, i64),
    /// Local times in a zone, with the number of their units per second.
    Local(Int64Array, i64),
    Day(Date32Array),
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    /// Range of the items of each row.
    List(Vec<Range<usize>>, Box<Cells>),
    /// Values of each field of the contract, if the file has any, and the undeclared columns.
    Struct(Vec<Option<Cells>>, Vec<(String, ArrayRef)>),
    /// Any value, for a field of type json.
    Json(ArrayRef),
    /// A type that no field accepts, by name.
    Other(String),
}

impl Cells {
    /// The values of a column, converted for a field.
    pub fn new(array: &ArrayRef, field: &Field, unknown: UnknownFields) -> Self {
        Self {
            nulls: array.logical_nulls(),
            values: CellValues::new(array, field, unknown),
        }
    }

    /// Finds the values of a field: the column with exactly its name, else the part of a struct at
    /// its path.
    pub fn find(
        names: &Fields,
        columns: &[ArrayRef],
        field: &Field,
        unknown: UnknownFields,
    ) -> Option<Self> {
        let (column, outer) = find(names, columns, field.source_name())?;
        let mut cells = Self::new(&column, field, unknown);
        cells.nulls = NullBuffer::union(cells.nulls.as_ref(), outer.as_ref());
        Some(cells)
    }

    /// Appends the value of a row to a column of a record or struct.
    pub fn push_field(
        &self,
        row: usize,
        field: &Field,
        column: &mut Column,
        extra_fields: &mut ExtraFields,
    ) -> Result<(), Violation> {
        let kept_before = extra_fields.len();
        self.push(row, field, column, extra_fields)?;
        extra_fields.prefix_paths(kept_before, &field.name);
        Ok(())
    }

    /// Appends the value of a row to a column if it conforms to the field.
    pub fn push(
        &self,
        row: usize,
        field: &Field,
        column: &mut Column,
        extra_fields: &mut ExtraFields,
    ) -> Result<(), Violation> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return value::push_null(field, column);
        }
        match &self.values {
            CellValues::Boolean(values) => value::push_boolean(field, column, values.value(row)),
            CellValues::Integer(values) => value::push_integer(field, column, values.value(row)),
            CellValues::Unsigned(values) => value::push_unsigned(field, column, values.value(row)),
            CellValues::Number(values) => {
                let number = values.value(row);
                if !number.is_finite() {
                    return Err(value::wrong_type(field, &format!("number {number}")));
                }
                value::push_number(field, column, number)
            }
            CellValues::Decimal(values) => push_decimal(field, column, values.value(row)),
            CellValues::Instant(values, per_second) => {
                push_time(field, column, values.value(row), *per_second, Time::Instant)
            }
            CellValues::Local(values, per_second) => {
                push_time(field, column, values.value(row), *per_second, Time::Local)
            }
            CellValues::Day(values) => value::push_days(field, column, values.value(row)),
            CellValues::Text(values) => push_text(field, column, values.value(row), extra_fields),
            CellValues::Bytes(values) => match std::str::from_utf8(values.value(row)) {
                Ok(text) => push_text(field, column, text, extra_fields),
                Err(_) => Err(Violation::new(
                    Reason::InvalidUtf8,
                    "the bytes are not UTF-8 text",
                )),
            },
            CellValues::List(ranges, items) => {
                push_list(field, column, extra_fields, &ranges[row], items)
            }
            CellValues::Struct(children, undeclared) => {
                push_struct(field, column, extra_fields, row, children)?;
                keep_values(undeclared, row, extra_fields);
                Ok(())
            }
            CellValues::Json(values) => push_json(field, column, values, row),
            CellValues::Other(name) => Err(value::wrong_type(field, name)),
        }
    }
}

impl CellValues {
    fn new(array: &ArrayRef, field: &Field, unknown: UnknownFields) -> Self {
        Self::convert(array, field, unknown)
            .unwrap_or_else(|| Self::Other(type_name(array.data_type())))
    }

    /// Converts an array; `None` for a type that no field of this kind accepts.
    fn convert(array: &ArrayRef, field: &Field, unknown: UnknownFields) -> Option<Self> {
        let textual = matches!(array.data_type(), DataType::Utf8View | DataType::BinaryView);
        if matches!(field.kind, FieldKind::Json) && !textual {
            return Some(Self::Json(Arc::clone(array)));
        }
        let cast_to = |data_type: &DataType| cast(array, data_type).ok();
        let integers = |array: &ArrayRef| array.as_primitive::<Int64Type>().clone();
        Some(match array.data_type() {
            // A column of nulls only.
            DataType::Null => Self::Other("nothing".to_string()),
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Self::Integer(integers(&cast_to(&DataType::Int64)?)),
            DataType::UInt64 => Self::Unsigned(array.as_primitive().clone()),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                Self::Number(cast_to(&DataType::Float64)?.as_primitive().clone())
            }
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => {
                Self::Decimal(cast_to(&DataType::Utf8)?.as_string().clone())
            }
            DataType::Timestamp(unit, zone) => {
                let (values, per_second) = timestamps(array, *unit);
                match zone {
                    Some(_) => Self::Instant(values, per_second),
                    None => Self::Local(values, per_second),
                }
            }
            DataType::Date32 => Self::Day(array.as_primitive().clone()),
            DataType::Date64 => {
                let day = |millis: i64| millis.div_euclid(86_400_000) as i32;
                Self::Day(array.as_primitive::<Date64Type>().unary(day))
            }
            DataType::Utf8View => Self::Text(array.as_string_view().clone()),
            DataType::BinaryView => Self::Bytes(array.as_binary_view().clone()),
            DataType::Struct(_) => {
                let FieldKind::Struct(fields) = &field.kind else {
                    return None;
                };
                let columns = array.as_struct();
                let child = |field: &Field| {
                    Cells::find(columns.fields(), columns.columns(), field, unknown)
                };
                let named_columns = columns.fields().iter().zip(columns.columns());
                let undeclared = unlisted_columns(named_columns, fields, unknown);
                Self::Struct(fields.iter().map(child).collect(), undeclared)
            }
            _ => {
                let FieldKind::List(item) = &field.kind else {
                    return None;
                };
                let (ranges, items) = lists(array)?;
                Self::List(ranges, Box::new(Cells::new(&items, item, unknown)))
            }
        })
    }
}

/// The column at a name or path, and the nulls of the containing values.
fn find(names: &Fields, columns: &[ArrayRef], key: &str) -> Option<(ArrayRef, Option<NullBuffer>)> {
    let mut named_columns = names.iter().zip(columns);
    if let Some((_, column)) = named_columns.clone().find(|(name, _)| name.name() == key) {
        return Some((Arc::clone(column), None));
    }
    named_columns.find_map(|(name, column)| {
        let rest = key.strip_prefix(name.name().as_str())?.strip_prefix('.')?;
        let inner = column.as_struct_opt()?;
        let (found, nulls) = find(inner.fields(), inner.columns(), rest)?;
        Some((found, NullBuffer::union(nulls.as_ref(), inner.nulls())))
    })
}

/// Instants in their unit, and the number of units per second.
fn timestamps(array: &ArrayRef, unit: TimeUnit) -> (Int64Array, i64) {
    match unit {
        TimeUnit::Second => (
            array
                .as_primitive::<TimestampSecondType>()
                .reinterpret_cast(),
            1,
        ),
        TimeUnit::Millisecond => (
            array
                .as_primitive::<TimestampMillisecondType>()
                .reinterpret_cast(),
            1_000,
        ),
        TimeUnit::Microsecond => (
            array
                .as_primitive::<TimestampMicrosecondType>()
                .reinterpret_cast(),
            1_000_000,
        ),
        TimeUnit::Nanosecond => (
            array
                .as_primitive::<TimestampNanosecondType>()
                .reinterpret_cast(),
            1_000_000_000,
        ),
    }
}

/// The ranges of the items of each list, and the items; `None` if they are not lists.
fn lists(array: &ArrayRef) -> Option<(Vec<Range<usize>>, ArrayRef)> {
    let ranges = |ends: Vec<usize>| ends.windows(2).map(|pair| pair[0]..pair[1]).collect();
    Some(match array.data_type() {
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let ends = lists.value_offsets().iter().map(|end| *end as usize);
            (ranges(ends.collect()), Arc::clone(lists.values()))
        }
        DataType::LargeList(_) => {
            let lists = array.as_list::<i64>();
            let ends = lists.value_offsets().iter().map(|end| *end as usize);
            (ranges(ends.collect()), Arc::clone(lists.values()))
        }
        DataType::FixedSizeList(_, n) => {
            let lists = array.as_fixed_size_list();
            let n = *n as usize;
            let ends = (0..=array.len()).map(|row| row * n);
            (ranges(ends.collect()), Arc::clone(lists.values()))
        }
        _ => return None,
    })
}

/// The name of a type that no field accepts, for messages.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Struct(_) => "an object".to_string(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            "a list".to_string()
        }
        DataType::Map(..) => "a map".to_string(),
        DataType::Time32(_) | DataType::Time64(_) => "a time of day".to_string(),
        DataType::Interval(_) | DataType::Duration(_) => "a span of time".to_string(),
        DataType::FixedSizeBinary(_) => "bytes".to_string(),
        other => format!("a value of type {other}"),
    }
}

fn push_decimal(field: &Field, column: &mut Column, text: &str) -> Result<(), Violation> {
    let wrong_type = || value::wrong_type(field, &format!("number {text}"));
    if let Ok(integer) = text.parse::<i64>() {
        return value::push_integer(field, column, integer);
    }
    match field.kind {
        FieldKind::Timestamp | FieldKind::Date => text::push_digits(text, field, column),
        FieldKind::Integer
            if text
                .trim_start_matches('-')
                .bytes()
                .all(|b| b.is_ascii_digit()) =>
        {
            Err(Violation::new(
                Reason::OutOfRange,
                format!("{text} does not fit an integer of 64 bits"),
            ))
        }
        FieldKind::Number => {
            value::push_number(field, column, text.parse().map_err(|_| wrong_type())?)
        }
        _ => Err(wrong_type()),
    }
}

fn push_time(
    field: &Field,
    column: &mut Column,
    moment: i64,
    per_second: i64,
    time: fn(i64) -> Time,
) -> Result<(), Violation> {
    let micros = match per_second {
        1_000_000_000 => Some(moment.div_euclid(1000)),
        per_second => moment.checked_mul(1_000_000 / per_second),
    };
    match micros {
        Some(micros) => {
            let micros = time(micros).in_zone(field.notation.zone_rules());
            value::push_micros(field, column, micros)
        }
        None => Err(Violation::new(
            Reason::OutOfRange,
            format!("{moment} is outside the supported range of times"),
        )),
    }
}

/// Appends a string, which may be the JSON of a structured value, just as a cell of CSV may be.
fn push_text(
    field: &Field,
    column: &mut Column,
    text: &str,
    extra_fields: &mut ExtraFields,
) -> Result<(), Violation> {
    match field.kind {
        FieldKind::Json | FieldKind::List(_) | FieldKind::Struct(_) => {
            json::read_value(text, field, column, extra_fields)
        }
        _ => value::push_text(field, column, text),
    }
}

fn push_list(
    field: &Field,
    column: &mut Column,
    extra_fields: &mut ExtraFields,
    range: &Range<usize>,
    items: &Cells,
) -> Result<(), Violation> {
    let (FieldKind::List(item), ColumnValues::List(_, column_items)) =
        (&field.kind, &mut column.values)
    else {
        return Err(value::wrong_type(field, "a list"));
    };
    for (index, row) in range.clone().enumerate() {
        let kept_before = extra_fields.len();
        let path = || format!("[{index}]");
        items
            .push(row, item, column_items, extra_fields)
            .map_err(|violation| violation.with_prefix(&path()))?;
        if extra_fields.len() > kept_before {
            extra_fields.prefix_paths(kept_before, &path());
        }
    }
    column.close();
    Ok(())
}

fn push_struct(
    field: &Field,
    column: &mut Column,
    extra_fields: &mut ExtraFields,
    row: usize,
    children: &[Option<Cells>],
) -> Result<(), Violation> {
    let (FieldKind::Struct(fields), ColumnValues::Struct(columns)) =
        (&field.kind, &mut column.values)
    else {
        return Err(value::wrong_type(field, "an object"));
    };
    for ((field, column), cells) in fields.iter().zip(columns).zip(children) {
        let pushed = match cells {
            Some(cells) => cells.push_field(row, field, column, extra_fields),
            None => value::push_missing(field, column, "the field is missing"),
        };
        pushed.map_err(|violation| violation.with_prefix(&field.name))?;
    }
    column.close();
    Ok(())
}

/// Appends any value as JSON.
fn push_json(
    field: &Field,
    column: &mut Column,
    values: &ArrayRef,
    row: usize,
) -> Result<(), Violation> {
    match json_value(values, row) {
        Some(json) => value::push_json(field, column, &json),
        None => Err(value::wrong_type(field, "a value that JSON does not have")),
    }
}
