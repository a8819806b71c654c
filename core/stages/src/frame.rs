//! Taking what a stage needs out of a polars frame: typed columns, daily series, groups.
//!
//! The border between frames and slices: numerics in `retrocast-stats` see slices only.

use crate::{Input, StageError};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use polars::prelude::*;

/// The column of this name.
pub fn column<'a>(input: &'a Input, name: &str) -> Result<&'a Column, StageError> {
    input.frame.column(name).map_err(|_| StageError::NoColumn {
        dataset: input.dataset.name.clone(),
        column: name.to_string(),
        columns: input
            .frame
            .get_column_names()
            .iter()
            .map(|name| name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    })
}

fn wrong_type(input: &Input, column: &Column, needed: &str) -> StageError {
    StageError::ColumnType {
        dataset: input.dataset.name.clone(),
        column: column.name().to_string(),
        found: column.dtype().to_string(),
        needed: needed.to_string(),
    }
}

/// Microseconds since 1970 UTC of a time column (timestamps and dates; dates begin at midnight UTC).
pub fn micros(input: &Input, name: &str) -> Result<Vec<Option<i64>>, StageError> {
    let column = column(input, name)?;
    match column.dtype() {
        DataType::Datetime(..) | DataType::Date => {
            let cast = column.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?;
            let cast = cast.cast(&DataType::Int64)?;
            Ok(cast.i64()?.iter().collect())
        }
        _ => Err(wrong_type(input, column, "a timestamp or date")),
    }
}

/// Numbers of a column; booleans are 0 and 1.
pub fn numbers(input: &Input, name: &str) -> Result<Vec<Option<f64>>, StageError> {
    let column = column(input, name)?;
    let dtype = column.dtype();
    if !(dtype.is_primitive_numeric() || dtype.is_bool()) {
        return Err(wrong_type(input, column, "a number"));
    }
    Ok(column.cast(&DataType::Float64)?.f64()?.iter().collect())
}

/// Text of a column; numbers and booleans are written out.
pub fn texts(input: &Input, name: &str) -> Result<Vec<Option<String>>, StageError> {
    let column = column(input, name)?;
    if column.dtype().is_nested() {
        return Err(wrong_type(input, column, "text"));
    }
    let cast = column.cast(&DataType::String)?;
    Ok(cast
        .str()?
        .iter()
        .map(|text| text.map(str::to_string))
        .collect())
}

/// Which rows hold one of these texts in a column; all rows when there is no column.
pub fn matches(
    input: &Input,
    name: Option<&str>,
    equals: &[String],
) -> Result<Vec<bool>, StageError> {
    let Some(name) = name else {
        return Ok(vec![true; input.frame.height()]);
    };
    let column = column(input, name)?;
    if column.dtype().is_nested() {
        return Err(wrong_type(input, column, "text"));
    }
    let cast = column.cast(&DataType::String)?;
    let matches = |text: Option<&str>| text.is_some_and(|text| equals.iter().any(|e| e == text));
    Ok(cast.str()?.iter().map(matches).collect())
}

/// The label of each row's group: the values of the `by` columns joined by ` / `, or "all" when
/// there are none. Rows with a missing value get "(none)" in its place.
pub fn groups(input: &Input, by: &[String]) -> Result<Vec<String>, StageError> {
    let mut labels = vec![String::new(); input.frame.height()];
    for (i, name) in by.iter().enumerate() {
        for (label, text) in labels.iter_mut().zip(texts(input, name)?) {
            if i > 0 {
                label.push_str(" / ");
            }
            label.push_str(text.as_deref().unwrap_or("(none)"));
        }
    }
    if by.is_empty() {
        labels.fill("all".to_string());
    }
    Ok(labels)
}

/// Civil days of a time column in a time zone. A Date column is taken as it is.
pub fn days(input: &Input, name: &str, timezone: &str) -> Result<Vec<Option<Date>>, StageError> {
    let civil = civil(input, name, timezone)?;
    Ok(civil
        .into_iter()
        .map(|time| time.map(jiff::civil::DateTime::date))
        .collect())
}

/// Civil times of a time column in a time zone. A Date column is midnight of that day in any zone.
pub fn civil(
    input: &Input,
    name: &str,
    timezone: &str,
) -> Result<Vec<Option<jiff::civil::DateTime>>, StageError> {
    let is_date = matches!(column(input, name)?.dtype(), DataType::Date);
    let zone = if is_date {
        TimeZone::UTC
    } else {
        TimeZone::get(timezone).map_err(|error| StageError::Other(error.to_string()))?
    };
    Ok(micros(input, name)?
        .into_iter()
        .map(|micros| {
            let time = Timestamp::from_microsecond(micros?).ok()?;
            Some(zone.to_datetime(time))
        })
        .collect())
}
