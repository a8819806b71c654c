//! Extracts typed columns and groups from a batch of a dataset: `retrocast-stats` computes with
//! slices, not with data frames.

use crate::{
    Input, StageError,
    rows::{Batch, UnusableValues},
};
use polars::prelude::*;
use serde::{Deserialize, Deserializer};
use std::collections::HashMap;

/// Maximum valid absolute value: its fourth power is a finite `f64`, so variances cannot overflow.
const SIZE_MAX: f64 = 1e60;
/// Smaller absolute values are read as zero, so that nothing is divided by them.
const SIZE_MIN: f64 = 1e-60;

/// The column with this name.
pub fn column<'a>(batch: &'a Batch<'_>, name: &str) -> Result<&'a Column, StageError> {
    let found = batch.frame.column(name);
    found.map_err(|_| batch.input.no_column(name))
}

/// The error for a column of the wrong type.
pub fn wrong_type(input: &Input, name: &str, found: &DataType, needed: &str) -> StageError {
    StageError::ColumnType {
        dataset: input.dataset.name.clone(),
        column: name.to_string(),
        found: found.to_string(),
        needed: needed.to_string(),
    }
}

/// The time column that a param names; by default, that of the contract.
pub fn time_column<'a>(input: &'a Input, named: Option<&'a str>) -> Result<&'a str, StageError> {
    named.or(input.time.as_deref()).ok_or_else(|| {
        let name = &input.dataset.name;
        StageError::Other(format!(
            "dataset {name:?} names no time column; name one with `time`"
        ))
    })
}

/// Microseconds since 1970 UTC of a column of timestamps or dates; dates start at midnight UTC.
pub fn micros(batch: &Batch<'_>, name: &str) -> Result<Vec<Option<i64>>, StageError> {
    let column = column(batch, name)?;
    match column.dtype() {
        DataType::Datetime(..) | DataType::Date => {
            let cast = column.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?;
            let cast = cast.cast(&DataType::Int64)?;
            Ok(cast.i64()?.iter().collect())
        }
        DataType::Null => Ok(vec![None; column.len()]),
        found => Err(wrong_type(batch.input, name, found, "a timestamp or date")),
    }
}

/// The numbers of a column; booleans are 0 and 1. Unusable values (NaN, infinite, beyond 1e60)
/// count as missing and are recorded.
pub fn numbers(
    batch: &Batch<'_>,
    name: &str,
    unusable: &mut UnusableValues,
) -> Result<Vec<Option<f64>>, StageError> {
    let column = column(batch, name)?;
    let dtype = column.dtype();
    // A column of nulls fits any type.
    if dtype.is_null() {
        return Ok(vec![None; column.len()]);
    }
    if !(dtype.is_primitive_numeric() || dtype.is_bool()) {
        return Err(wrong_type(batch.input, name, dtype, "a number"));
    }
    let mut left_out = 0;
    let values = column
        .cast(&DataType::Float64)?
        .f64()?
        .iter()
        .map(|value| {
            let value = value?;
            if value.abs() <= SIZE_MAX {
                return Some(if value.abs() < SIZE_MIN { 0.0 } else { value });
            }
            left_out += 1;
            None
        })
        .collect();
    unusable.add(name, left_out);
    Ok(values)
}

/// A column converted to text, with numbers and booleans formatted.
fn as_text(batch: &Batch<'_>, name: &str) -> Result<Column, StageError> {
    let column = column(batch, name)?;
    if column.dtype().is_nested() {
        return Err(wrong_type(batch.input, name, column.dtype(), "text"));
    }
    Ok(column.cast(&DataType::String)?)
}

/// The values of a column as strings, with numbers and booleans formatted.
pub fn texts(batch: &Batch<'_>, name: &str) -> Result<Vec<Option<String>>, StageError> {
    let texts = as_text(batch, name)?;
    let texts = texts.str()?.iter();
    Ok(texts.map(|text| text.map(str::to_string)).collect())
}

/// The values of a column as names of groups, with numbers and booleans formatted; `None` for
/// missing and blank values. Fails if the column does not exist or is nested.
pub fn column_texts(frame: &DataFrame, name: &str) -> Result<Vec<Option<String>>, StageError> {
    let texts = frame.column(name)?.cast(&DataType::String)?;
    let texts = texts.str()?.iter();
    let texts = texts.map(|text| text.filter(|text| !text.trim().is_empty()));
    Ok(texts.map(|text| text.map(str::to_string)).collect())
}

/// Returns a flag for each row: true if its value in the column is one of `equals`, or if no column
/// is named.
pub fn matches(
    batch: &Batch<'_>,
    name: Option<&str>,
    equals: &[String],
) -> Result<Vec<bool>, StageError> {
    let Some(name) = name else {
        return Ok(vec![true; batch.frame.height()]);
    };
    let column = column(batch, name)?;
    // Numbers are equal in any notation: 3 is 3.0.
    if column.dtype().is_float() {
        let numbers: Vec<f64> = equals.iter().filter_map(|text| text.parse().ok()).collect();
        let cast = column.cast(&DataType::Float64)?;
        let matches = |value: Option<f64>| value.is_some_and(|value| numbers.contains(&value));
        return Ok(cast.f64()?.iter().map(matches).collect());
    }
    let texts = as_text(batch, name)?;
    let matches = |text: Option<&str>| text.is_some_and(|text| equals.iter().any(|e| e == text));
    Ok(texts.str()?.iter().map(matches).collect())
}

/// Deserializes the values in a param as strings; in a job file they are strings, numbers or
/// booleans.
pub fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = Vec::<serde_json::Value>::deserialize(deserializer)?;
    let text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(values.into_iter().map(text).collect())
}

/// The schema of [`values`].
pub fn values_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    // Larger integers are not exact.
    let limit = (1_u64 << 53) as f64;
    schemars::json_schema!({
        "type": "array",
        "items": { "type": ["string", "boolean", "number"], "minimum": -limit, "maximum": limit },
    })
}

/// The groups of a dataset, numbered in the order of their first occurrence.
pub struct Groups<'a> {
    by: &'a [String],
    /// Number of each label.
    numbers: HashMap<String, usize>,
    /// Values of the `by` columns joined by ` / `; "all" without such columns.
    pub labels: Vec<String>,
}

impl<'a> Groups<'a> {
    /// Creates an empty list of groups by the columns in `by`.
    pub fn new(by: &'a [String]) -> Self {
        Self {
            by,
            numbers: HashMap::new(),
            labels: Vec::new(),
        }
    }

    /// The number of each row's group.
    pub fn of(&mut self, batch: &Batch<'_>) -> Result<Vec<usize>, StageError> {
        let columns: Vec<Column> = (self.by.iter())
            .map(|name| as_text(batch, name))
            .collect::<Result<_, _>>()?;
        if columns.is_empty() {
            let number = self.number_of("all");
            return Ok(vec![number; batch.frame.height()]);
        }
        let texts: Vec<&StringChunked> =
            columns.iter().map(Column::str).collect::<Result<_, _>>()?;
        let mut rows: Vec<_> = texts.iter().map(|texts| texts.iter()).collect();
        let mut label = String::new();
        Ok((0..batch.frame.height())
            .map(|_| {
                label.clear();
                for (i, texts) in rows.iter_mut().enumerate() {
                    if i > 0 {
                        label.push_str(" / ");
                    }
                    label.push_str(visible_text(texts.next().flatten()));
                }
                self.number_of(&label)
            })
            .collect())
    }

    /// The number of a group; a new label gets the next number.
    fn number_of(&mut self, label: &str) -> usize {
        if let Some(number) = self.numbers.get(label) {
            return *number;
        }
        let number = self.labels.len();
        self.numbers.insert(label.to_string(), number);
        self.labels.push(label.to_string());
        number
    }
}

fn visible_text(text: Option<&str>) -> &str {
    match text {
        None => "(none)",
        Some(text) if text.trim().is_empty() => "(blank)",
        Some(text) => text,
    }
}

/// A visible name: "(none)" for a missing name, "(blank)" for a blank name.
pub fn visible(text: Option<String>) -> String {
    visible_text(text.as_deref()).to_string()
}
