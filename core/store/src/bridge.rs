//! Converts rows between Arrow, for storage and SQL, and polars, for analysis.
//!
//! Both implement the Arrow C Data Interface, so columns are passed by pointer; text and numbers
//! are not copied on import. This is the only module of the crate with unsafe code.
//!
//! Conversion reduces the types: text is `Utf8`, lists are `List`, times are microseconds UTC,
//! decimals are `Float64`. This way, datasets from frames and from queries can be compared.
#![allow(unsafe_code)]

use crate::error::StoreError;
use arrow::{
    array::{Array, ArrayRef, RecordBatch, make_array},
    compute::cast,
    ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi},
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use polars::prelude::{CompatLevel, DataFrame, IntoColumn, Series};
use std::sync::Arc;

// The libraries declare the C structures independently; the standard fixes their layout.
const _: () = {
    assert!(size_of::<FFI_ArrowArray>() == size_of::<polars_arrow::ffi::ArrowArray>());
    assert!(size_of::<FFI_ArrowSchema>() == size_of::<polars_arrow::ffi::ArrowSchema>());
    assert!(align_of::<FFI_ArrowArray>() == align_of::<polars_arrow::ffi::ArrowArray>());
    assert!(align_of::<FFI_ArrowSchema>() == align_of::<polars_arrow::ffi::ArrowSchema>());
};

/// The type that datasets and frames use to store values of a type; `None` for unsupported types.
pub fn storable_type(data_type: &DataType) -> Option<DataType> {
    let child = |field: &Field| {
        storable_type(field.data_type())
            .map(|inner| Arc::new(Field::new(field.name(), inner, true)))
    };
    Some(match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            DataType::Utf8
        }
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Binary => data_type.clone(),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => DataType::Float64,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) => storable_type(value)?,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => {
            let inner = storable_type(item.data_type())?;
            DataType::List(Arc::new(Field::new("item", inner, true)))
        }
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| child(field))
                .collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

/// The schema that datasets and frames use to store rows of a schema.
pub fn storable_schema(schema: &Schema) -> Result<SchemaRef, StoreError> {
    let fields = schema.fields().iter().map(|field| {
        let storable = storable_type(field.data_type()).ok_or_else(|| StoreError::ColumnType {
            column: field.name().clone(),
            found: field.data_type().to_string(),
        })?;
        Ok(Field::new(field.name(), storable, true))
    });
    Ok(Arc::new(Schema::new(
        fields.collect::<Result<Vec<_>, StoreError>>()?,
    )))
}

/// Casts the columns of a batch to a schema from [`storable_schema`].
pub fn to_storable(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, StoreError> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| store_column(column, field.data_type()))
        .collect::<Result<Vec<_>, _>>()?;
    let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &rows,
    )?)
}

fn store_column(column: &ArrayRef, target: &DataType) -> Result<ArrayRef, StoreError> {
    if column.data_type() == target {
        return Ok(column.clone());
    }
    Ok(cast(column, target)?)
}

/// Converts batches to a frame.
pub fn to_frame(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<DataFrame, StoreError> {
    let stored = storable_schema(schema)?;
    let empty = [RecordBatch::new_empty(schema.clone())];
    let batches = if batches.is_empty() {
        &empty[..]
    } else {
        batches
    };
    let mut columns = Vec::with_capacity(stored.fields().len());
    for (index, field) in stored.fields().iter().enumerate() {
        let arrays = batches
            .iter()
            .map(|batch| store_column(batch.column(index), field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        columns.push(to_series(field, &arrays)?.into_column());
    }
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    Ok(DataFrame::new(rows, columns)?)
}

fn to_series(field: &Field, arrays: &[ArrayRef]) -> Result<Series, StoreError> {
    let schema = FFI_ArrowSchema::try_from(field)?;
    // SAFETY: both types are the C structure `ArrowSchema` (checked above for size and alignment);
    // the value is moved, so its release callback still runs exactly once.
    let schema: polars_arrow::ffi::ArrowSchema = unsafe { std::mem::transmute(schema) };
    // SAFETY: arrow created the structure from a valid field one line earlier.
    let imported = unsafe { polars_arrow::ffi::import_field_from_c(&schema) }?;
    let mut chunks = Vec::with_capacity(arrays.len());
    for array in arrays {
        let (array, _) = to_ffi(&array.to_data())?;
        // SAFETY: as for the schema: both types are the same C structure, and the value is moved.
        let array: polars_arrow::ffi::ArrowArray = unsafe { std::mem::transmute(array) };
        // SAFETY: arrow created the structure from a valid array of the field's type, and keeps
        // that array's buffers alive until polars releases it.
        let chunk =
            unsafe { polars_arrow::ffi::import_array_from_c(array, imported.dtype().clone()) }?;
        chunks.push(chunk);
    }
    Ok(Series::try_from((&imported, chunks))?)
}

/// Converts a frame to batches of [`FRAME_BATCH_ROWS`] rows, with types from [`storable_type`].
pub fn from_frame(frame: &DataFrame) -> Result<(SchemaRef, Vec<RecordBatch>), StoreError> {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for column in frame.columns() {
        let array = from_series(&column.as_materialized_series().rechunk())?;
        let target = storable_type(array.data_type()).ok_or_else(|| StoreError::ColumnType {
            column: column.name().to_string(),
            found: array.data_type().to_string(),
        })?;
        arrays.push(store_column(&array, &target)?);
        fields.push(Field::new(column.name().as_str(), target, true));
    }
    let schema = Arc::new(Schema::new(fields));
    let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(frame.height()));
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &rows)?;
    let batches = (0..batch.num_rows())
        .step_by(FRAME_BATCH_ROWS)
        .map(|start| batch.slice(start, FRAME_BATCH_ROWS.min(batch.num_rows() - start)))
        .collect();
    Ok((schema, batches))
}

/// Maximum number of rows of a batch from a frame.
pub const FRAME_BATCH_ROWS: usize = 65_536;

fn from_series(series: &Series) -> Result<ArrayRef, StoreError> {
    let array = series.to_arrow(0, CompatLevel::newest());
    let field = series.field().to_arrow(CompatLevel::newest());
    let schema = polars_arrow::ffi::export_field_to_c(&field);
    let array = polars_arrow::ffi::export_array_to_c(array);
    // SAFETY: both types are the C structure `ArrowSchema` (checked above for size and alignment);
    // the value is moved, so its release callback still runs exactly once.
    let schema: FFI_ArrowSchema = unsafe { std::mem::transmute(schema) };
    // SAFETY: the same for `ArrowArray`.
    let array: FFI_ArrowArray = unsafe { std::mem::transmute(array) };
    // SAFETY: polars created both from one valid series just above, and they describe the same
    // type.
    let data = unsafe { from_ffi(array, &schema) }?;
    Ok(make_array(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{
        array::{
            BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array,
            ListArray, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
            TimestampSecondArray, UInt8Array,
        },
        datatypes::{Int32Type, Int64Type},
    };

    /// Checks that the conversion from Arrow to polars and back preserves rows.
    fn check(columns: Vec<(&str, ArrayRef)>) {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap();
        let stored = storable_schema(&batch.schema()).unwrap();
        let expected = to_storable(&batch, &stored).unwrap();
        let rows = batch.num_rows();
        // One chunk, several chunks, and none.
        for cuts in [vec![0, rows], vec![0, rows / 3, rows / 3, rows], vec![]] {
            let parts: Vec<RecordBatch> = cuts
                .windows(2)
                .map(|cut| batch.slice(cut[0], cut[1] - cut[0]))
                .collect();
            let frame = to_frame(&batch.schema(), &parts).unwrap();
            let (schema, converted) = from_frame(&frame).unwrap();
            assert_eq!(schema, stored);
            let converted = arrow::compute::concat_batches(&schema, &converted).unwrap();
            if parts.is_empty() {
                assert_eq!(converted.num_rows(), 0);
            } else {
                assert_eq!(converted, expected);
            }
        }
    }

    #[test]
    fn flat_types_make_the_round_trip() {
        check(vec![
            (
                "text",
                Arc::new(StringArray::from(vec![
                    Some("é😀"),
                    None,
                    Some(""),
                    Some("a long text beyond the inline limit"),
                ])),
            ),
            (
                "view",
                Arc::new(StringViewArray::from(vec![
                    None,
                    Some("x"),
                    None,
                    Some("y"),
                ])),
            ),
            (
                "integer",
                Arc::new(Int64Array::from(vec![
                    Some(i64::MIN),
                    None,
                    Some(0),
                    Some(i64::MAX),
                ])),
            ),
            ("small", Arc::new(UInt8Array::from(vec![1, 2, 3, 255]))),
            (
                "number",
                Arc::new(Float64Array::from(vec![
                    Some(0.1),
                    None,
                    Some(f64::INFINITY),
                    Some(-0.0),
                ])),
            ),
            (
                "flag",
                Arc::new(BooleanArray::from(vec![
                    Some(true),
                    None,
                    Some(false),
                    Some(true),
                ])),
            ),
            (
                "day",
                Arc::new(Date32Array::from(vec![
                    Some(-1),
                    None,
                    Some(0),
                    Some(20_000),
                ])),
            ),
            (
                "at",
                Arc::new(
                    TimestampMicrosecondArray::from(vec![
                        Some(-1),
                        None,
                        Some(0),
                        Some(1_700_000_000_000_001),
                    ])
                    .with_timezone("UTC"),
                ),
            ),
            (
                "at_zone",
                Arc::new(
                    TimestampMicrosecondArray::from(vec![Some(-1), None, Some(0), Some(5)])
                        .with_timezone("Europe/London"),
                ),
            ),
            (
                "at_seconds",
                Arc::new(TimestampSecondArray::from(vec![
                    Some(-1),
                    None,
                    Some(0),
                    Some(5),
                ])),
            ),
            (
                "decimal",
                Arc::new(
                    Decimal128Array::from(vec![Some(150), None, Some(0), Some(-1)])
                        .with_precision_and_scale(10, 2)
                        .unwrap(),
                ),
            ),
            (
                "dictionary",
                Arc::new(
                    vec![Some("a"), None, Some("b"), Some("a")]
                        .into_iter()
                        .collect::<DictionaryArray<Int32Type>>(),
                ),
            ),
            ("none", Arc::new(arrow::array::NullArray::new(4))),
        ]);
    }

    #[test]
    fn nested_types_make_the_round_trip() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
            Some(vec![Some(3)]),
        ]);
        let structs = StructArray::try_new(
            vec![
                Field::new(
                    "at",
                    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                    true,
                ),
                Field::new("message", DataType::Utf8, true),
            ]
            .into(),
            vec![
                Arc::new(
                    TimestampMicrosecondArray::from(vec![Some(1), None, Some(3), Some(4)])
                        .with_timezone("UTC"),
                ),
                Arc::new(StringArray::from(vec![
                    Some("a"),
                    None,
                    Some("c"),
                    Some("d"),
                ])),
            ],
            Some(vec![true, false, true, true].into()),
        )
        .unwrap();
        let offsets = arrow::buffer::OffsetBuffer::new(vec![0, 2, 2, 2, 4].into());
        let item = Arc::new(Field::new("item", structs.data_type().clone(), true));
        let nulls = Some(vec![true, true, false, true].into());
        let updates = ListArray::try_new(item, offsets, Arc::new(structs.clone()), nulls).unwrap();
        check(vec![
            ("list", Arc::new(list)),
            ("struct", Arc::new(structs)),
            ("updates", Arc::new(updates)),
        ]);
    }

    #[test]
    fn frames_without_rows_or_columns_make_the_round_trip() {
        check(vec![("n", Arc::new(Int64Array::from(Vec::<i64>::new())))]);
        let (schema, batches) = from_frame(&DataFrame::empty()).unwrap();
        assert_eq!((schema.fields().len(), batches.len()), (0, 0));
    }
}
