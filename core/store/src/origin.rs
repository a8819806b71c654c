//! Columns with the origin of each row of a source, for ingest only; hidden from queries and
//! stages.

use arrow::{
    array::{RecordBatch, UInt32Array, UInt64Array},
    error::ArrowError,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Number of the object in the source's manifest.
pub const OBJECT: &str = "_object";
/// Line in the object where the record begins, from 1.
pub const LINE: &str = "_line";

/// Returns true if a column is hidden from queries and stages.
pub fn is_hidden(column: &str) -> bool {
    column == OBJECT || column == LINE
}

/// Names of the columns that are not hidden.
pub fn visible_columns(schema: &Schema) -> Vec<String> {
    let names = schema.fields().iter().map(|field| field.name().clone());
    names.filter(|name| !is_hidden(name)).collect()
}

/// Appends the origin columns to a schema.
pub fn with_origin(schema: &Schema) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new(OBJECT, DataType::UInt32, true)));
    fields.push(Arc::new(Field::new(LINE, DataType::UInt64, true)));
    Arc::new(Schema::new(fields))
}

/// Adds the origin to rows of one object.
pub fn add_origin(
    batch: &RecordBatch,
    schema: &SchemaRef,
    object: u32,
    lines: Vec<u64>,
) -> Result<RecordBatch, ArrowError> {
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(UInt32Array::from_value(object, batch.num_rows())));
    columns.push(Arc::new(UInt64Array::from(lines)));
    RecordBatch::try_new(schema.clone(), columns)
}
