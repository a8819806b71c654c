use super::*;
use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{Int64Type, Schema},
};
use std::sync::Arc;

/// A batch with a column of each kind and a row of nulls.
fn batch() -> RecordBatch {
    let lists = [Some(vec![Some(1), None]), None];
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "text",
            Arc::new(StringArray::from(vec![Some("=1+1, \"a\""), None])),
        ),
        ("whole", Arc::new(Int64Array::from(vec![Some(-3), None]))),
        ("number", Arc::new(Float64Array::from(vec![-0.5, f64::NAN]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(20_000), None]))),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_500_000), None]).with_timezone("UTC"),
            ),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn write_table(format: TableFormat, batches: &[RecordBatch]) -> Vec<u8> {
    let schema = batch().schema();
    let mut out = Vec::new();
    let mut writer = TableWriter::new(format, &schema, &mut out).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    out
}

#[test]
fn csv_has_safe_text_and_plain_numbers() {
    let text = String::from_utf8(write_table(TableFormat::Csv, &[batch()])).unwrap();
    let expected = "text,whole,number,flag,day,at,list\n\
        \"'=1+1, \"\"a\"\"\",-3,-0.5,true,2024-10-04,1970-01-01T00:00:01.500Z,\"[1,null]\"\n\
        ,,,,,,\n";
    assert_eq!(text, expected);
}

#[test]
fn json_has_unchanged_strings_and_nulls() {
    let json: serde_json::Value =
        serde_json::from_slice(&write_table(TableFormat::Json, &[batch(), batch()])).unwrap();
    let first = serde_json::json!({
        "text": "=1+1, \"a\"", "whole": -3, "number": -0.5, "flag": true, "day": "2024-10-04",
        "at": "1970-01-01T00:00:01.500Z", "list": [1, null],
    });
    assert_eq!((&json[0], json.as_array().unwrap().len()), (&first, 4));
    assert!(
        json[1]
            .as_object()
            .unwrap()
            .values()
            .all(serde_json::Value::is_null)
    );
    let empty = write_table(TableFormat::Json, &[]);
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&empty).unwrap(),
        serde_json::json!([])
    );
}

#[test]
fn parquet_has_the_same_rows() {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let bytes = write_table(TableFormat::Parquet, &[batch()]);
    assert_eq!(bytes, write_table(TableFormat::Parquet, &[batch()]));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
    let read: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(read[0].columns()[..2], batch().columns()[..2]);
    assert_eq!(read[0].num_rows(), 2);
}

#[test]
fn formulas_are_neutralised_and_negative_numbers_are_not() {
    for (text, cell) in [
        ("a", "a"),
        ("b,c", "\"b,c\""),
        ("say \"x\"", "\"say \"\"x\"\"\""),
        ("-5", "-5"),
        ("-5.25e-3", "-5.25e-3"),
        ("-", "'-"),
        ("-x", "'-x"),
        ("-inf", "'-inf"),
        ("-2+3", "'-2+3"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("@a", "'@a"),
        ("\tx", "'\tx"),
        ("\rx", "\"'\rx\""),
        ("\nx", "\"'\nx\""),
        ("＝1", "'＝1"),
        ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
        ("", ""),
    ] {
        assert_eq!(csv_cell(text), cell, "{text:?}");
    }
    assert_eq!(csv_line(["a", "=b"].into_iter()), "a,'=b\n");
}

#[test]
fn columns_have_types_of_table_schema() {
    let types: Vec<&str> = batch()
        .schema()
        .fields()
        .iter()
        .map(|field| table_schema_type(field.data_type()))
        .collect();
    let expected = [
        "string", "integer", "number", "boolean", "date", "datetime", "array",
    ];
    assert_eq!(types, expected);
    assert_eq!(
        table_schema_type(&DataType::Struct(Schema::empty().fields)),
        "object"
    );
}
