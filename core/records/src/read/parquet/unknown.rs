//! Keeps, as JSON, the fields that a contract does not declare.

use crate::{
    contract::{Field, UnknownFields},
    read::extra_fields::ExtraFields,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    json::LineDelimitedWriter,
};
use arrow_schema::{Field as ArrowField, FieldRef, Schema};
use std::sync::Arc;

/// The columns without a field, if they are kept.
pub(super) fn unlisted_columns<'c>(
    columns: impl Iterator<Item = (&'c FieldRef, &'c ArrayRef)>,
    fields: &[Field],
    unknown: UnknownFields,
) -> Vec<(String, ArrayRef)> {
    if unknown != UnknownFields::Keep {
        return Vec::new();
    }
    let mut out = Vec::new();
    for (column, values) in columns {
        collect_undeclared(column.name(), values, fields, &mut out);
    }
    out
}

/// The parts of a column that no field refers to by name or path.
fn collect_undeclared(
    path: &str,
    values: &ArrayRef,
    fields: &[Field],
    out: &mut Vec<(String, ArrayRef)>,
) {
    if fields.iter().any(|field| field.source_name() == path) {
        return;
    }
    match values.as_struct_opt() {
        Some(inner) if fields.iter().any(|field| field.is_within(path)) => {
            for (column, values) in inner.fields().iter().zip(inner.columns()) {
                collect_undeclared(&format!("{path}.{}", column.name()), values, fields, out);
            }
        }
        _ => out.push((path.to_string(), Arc::clone(values))),
    }
}

/// Keeps the undeclared values of a row.
pub(super) fn keep_values(
    undeclared: &[(String, ArrayRef)],
    row: usize,
    extra_fields: &mut ExtraFields,
) {
    for (name, values) in undeclared {
        if let Some(value) = json_value(values, row).filter(|value| !value.is_null()) {
            extra_fields.keep(name, value);
        }
    }
}

/// Converts a value to JSON; `None` if JSON has no such type. The conversion goes through text,
/// since such values are rare.
pub(super) fn json_value(values: &ArrayRef, row: usize) -> Option<serde_json::Value> {
    if values.is_null(row) {
        return Some(serde_json::Value::Null);
    }
    let name = "value";
    let schema = Schema::new(vec![ArrowField::new(
        name,
        values.data_type().clone(),
        true,
    )]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![values.slice(row, 1)]).ok()?;
    let mut value: serde_json::Value = serde_json::from_str(&row_json(&batch)?).ok()?;
    value.get_mut(name).map(serde_json::Value::take)
}

/// Converts a row to JSON.
pub(super) fn row_json(row: &RecordBatch) -> Option<String> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(row).ok()?;
    let text = String::from_utf8(writer.into_inner()).ok()?;
    Some(text.trim_end().to_string())
}
