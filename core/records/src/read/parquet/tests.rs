use super::*;
use crate::{
    Contract, Format,
    read::{Dialect, ReadEvent, from_bytes},
};
use arrow::{
    array::*,
    datatypes::{Int32Type, i256},
};
use arrow_schema::{DataType, Field as ArrowField, Schema, TimeUnit};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, GzipLevel, ZstdLevel},
    file::properties::{WriterProperties, WriterVersion},
};

const CONTRACT: &str = r#"
title = "T"
key = ["id"]
[field.id]
type = "string"
[field.n]
type = "integer"
max = 99
[field.x]
type = "number"
[field.ok]
type = "boolean"
[field.at]
type = "timestamp"
[field.day]
type = "date"
[field.any]
type = "json"
[field.tags]
type = "list<string>"
[field.who]
type = "struct"
[field.who.field.name]
type = "string"
required = true
[field.who.field.age]
type = "integer"
"#;

fn contract() -> Contract {
    crate::contract::parse("t", "t.toml", CONTRACT).unwrap()
}

fn file_with(batches: &[RecordBatch], properties: WriterProperties) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    out
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    file_with(&[batch(columns)], WriterProperties::default())
}

#[derive(Debug, Default)]
struct ReadOutput {
    batches: Vec<RecordBatch>,
    lines: Vec<u64>,
    refused: Vec<String>,
    unknown: Vec<(String, u64)>,
    broken: Option<String>,
}

fn read(bytes: &[u8]) -> ReadOutput {
    read_under(bytes, &contract())
}

fn read_under(bytes: &[u8], contract: &Contract) -> ReadOutput {
    let mut read = ReadOutput::default();
    let events = from_bytes(bytes, Format::Parquet, &Dialect::DEFAULT, contract).unwrap();
    for event in events {
        match event {
            ReadEvent::Records(parsed) => {
                let rows = parsed.batch.as_ref().map_or(0, RecordBatch::num_rows);
                assert_eq!(rows + parsed.refused.len(), parsed.records as usize);
                read.batches.extend(parsed.batch);
                read.lines.extend(parsed.lines);
                for row in parsed.refused {
                    let violation = row.violation;
                    read.refused.push(format!(
                        "{} {}: {} in {}",
                        row.line, violation.field, violation.message, row.raw
                    ));
                }
                read.unknown.extend(parsed.unknown);
            }
            ReadEvent::End { broken, .. } => read.broken = broken,
        }
    }
    read
}

fn ids(n: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..n).map(|n| n.to_string())))
}

/// Reads the values of one column next to an `id` as the contract's field; returns them as Arrow
/// formats them, or the violation of the first refused value.
fn column(name: &str, values: ArrayRef) -> String {
    let rows = values.len();
    let mut columns = vec![("id", ids(rows)), (name, values)];
    if name == "id" {
        columns.remove(0);
    }
    let read = read(&file(columns));
    assert_eq!(read.broken, None);
    if let Some(refused) = read.refused.first() {
        return refused.split(" in {").next().unwrap().to_string();
    }
    let column = read.batches[0].column_by_name(name).unwrap();
    (0..rows)
        .map(|row| display(column, row))
        .collect::<Vec<_>>()
        .join(" | ")
}

/// Formats a value as Arrow does.
fn display(column: &ArrayRef, row: usize) -> String {
    let zoned = matches!(column.data_type(), DataType::Timestamp(..));
    let plain = DataType::Timestamp(TimeUnit::Microsecond, None);
    let plain = zoned.then(|| arrow::compute::cast(column, &plain).unwrap());
    let column = plain.as_ref().unwrap_or(column);
    arrow::util::display::array_value_to_string(column, row).unwrap()
}

#[test]
fn numbers_of_every_width_are_read() {
    let check = |name: &str, values: ArrayRef, expected: &str| {
        assert_eq!(column(name, values), expected);
    };
    check(
        "n",
        Arc::new(Int8Array::from(vec![Some(-1), None])),
        "-1 | ",
    );
    check("n", Arc::new(UInt16Array::from(vec![7])), "7");
    check("n", Arc::new(UInt32Array::from(vec![99])), "99");
    check(
        "n",
        Arc::new(Int64Array::from(vec![100])),
        "1 n: 100 is above the maximum, 99",
    );
    check(
        "n",
        Arc::new(UInt64Array::from(vec![u64::MAX])),
        "1 n: 18446744073709551615 does not fit an integer of 64 bits",
    );
    check("x", Arc::new(Int32Array::from(vec![3])), "3.0");
    // Some programs write integers with missing values as floating-point numbers.
    check("n", Arc::new(Float64Array::from(vec![5.0])), "5");
    check("x", Arc::new(Float32Array::from(vec![0.5])), "0.5");
    check(
        "x",
        Arc::new(Float64Array::from(vec![f64::NAN])),
        "1 x: expected a number, found number NaN",
    );
    check(
        "n",
        Arc::new(Float64Array::from(vec![5.5])),
        "1 n: expected an integer, found number 5.5",
    );
    let decimal = |value, precision, scale| -> ArrayRef {
        let values = Decimal128Array::from(vec![value]);
        Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
    };
    // 0.1 exactly as written, not the quotient of an approximation.
    check("x", decimal(1, 20, 1), "0.1");
    check(
        "x",
        decimal(123_456_789_012_345_678, 30, 9),
        "123456789.01234567",
    );
    check("n", decimal(42, 10, 0), "42");
    check(
        "n",
        decimal(425, 10, 1),
        "1 n: expected an integer, found number 42.5",
    );
    let wide = Decimal256Array::from(vec![i256::from_i128(-15)]);
    let wide = wide.with_precision_and_scale(50, 1).unwrap();
    check("x", Arc::new(wide), "-1.5");
    check(
        "ok",
        Arc::new(BooleanArray::from(vec![Some(true), None])),
        "true | ",
    );
    check("ok", Arc::new(Int32Array::from(vec![1, 0])), "true | false");
    check(
        "ok",
        Arc::new(Int32Array::from(vec![2])),
        "1 ok: expected a boolean, found number 2; accepted are true, t, yes, y, on, 1, 1.0 for true \
         and false, f, no, n, off, 0, 0.0 for false, and other words by `true_words` and \
         `false_words` in [field.ok]",
    );
}

#[test]
fn times_of_every_unit_and_zone_are_read() {
    let check = |name: &str, values: ArrayRef, expected: &str| {
        assert_eq!(column(name, values), expected);
    };
    let at = "2026-03-01T12:30:15.123456";
    let micros = 1_772_368_215_123_456;
    check(
        "at",
        Arc::new(TimestampMicrosecondArray::from(vec![micros])),
        at,
    );
    let zoned = TimestampMicrosecondArray::from(vec![micros]).with_timezone("Asia/Tokyo");
    check("at", Arc::new(zoned), at);
    let nanos = TimestampNanosecondArray::from(vec![micros * 1000 + 999]);
    check("at", Arc::new(nanos.with_timezone("UTC")), at);
    let before = TimestampNanosecondArray::from(vec![-1]);
    check("at", Arc::new(before), "1969-12-31T23:59:59.999999");
    let millis = TimestampMillisecondArray::from(vec![micros / 1000]);
    check("at", Arc::new(millis), "2026-03-01T12:30:15.123");
    let seconds = TimestampSecondArray::from(vec![micros / 1_000_000]);
    check("at", Arc::new(seconds), "2026-03-01T12:30:15");
    let never = TimestampMillisecondArray::from(vec![i64::MAX]);
    check(
        "at",
        Arc::new(never),
        "1 at: 9223372036854775807 is outside the supported range of times",
    );
    check(
        "at",
        Arc::new(StringArray::from(vec!["2026-03-01T12:30:15.123456Z"])),
        at,
    );
    check(
        "at",
        Arc::new(Date32Array::from(vec![0])),
        "1 at: expected a timestamp, found a day, 1970-01-01",
    );
    check(
        "day",
        Arc::new(Date32Array::from(vec![20_513, -1])),
        "2026-03-01 | 1969-12-31",
    );
    check(
        "day",
        Arc::new(Date64Array::from(vec![86_400_000])),
        "1970-01-02",
    );
    check(
        "day",
        Arc::new(StringArray::from(vec!["2026-03-01"])),
        "2026-03-01",
    );
    check(
        "at",
        Arc::new(Time64MicrosecondArray::from(vec![5])),
        "1 at: expected a timestamp, found a time of day",
    );
}

#[test]
fn strings_lists_and_structs_are_read() {
    let check = |name: &str, values: ArrayRef, expected: &str| {
        assert_eq!(column(name, values), expected);
    };
    check("id", Arc::new(LargeStringArray::from(vec!["é"])), "é");
    check(
        "id",
        Arc::new(StringViewArray::from(vec![
            "a long text, longer than twelve",
        ])),
        "a long text, longer than twelve",
    );
    let dictionary: DictionaryArray<Int32Type> = vec!["a", "b", "a"].into_iter().collect();
    check("id", Arc::new(dictionary), "a | b | a");
    check(
        "id",
        Arc::new(BinaryArray::from_vec(vec![b"plain"])),
        "plain",
    );
    check(
        "id",
        Arc::new(BinaryArray::from_vec(vec![b"\xFF"])),
        "1 id: the bytes are not UTF-8 text",
    );
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("x"), None]);
    tags.append_null();
    tags.append_value([] as [Option<&str>; 0]);
    check("tags", Arc::new(tags.finish()), "[x, ] |  | []");
    let mut numbers = LargeListBuilder::new(Int32Builder::new());
    numbers.append_value([Some(1)]);
    check(
        "tags",
        Arc::new(numbers.finish()),
        "1 tags[0]: expected a string, found number 1",
    );
    check("tags", Arc::new(StringArray::from(vec!["[\"x\"]"])), "[x]");
    let who = |names: Vec<Option<&str>>| -> ArrayRef {
        let rows = names.len();
        Arc::new(StructArray::from(vec![
            (
                Arc::new(ArrowField::new("height", DataType::Int64, true)),
                Arc::new(Int64Array::from(vec![180; rows])) as ArrayRef,
            ),
            (
                Arc::new(ArrowField::new("name", DataType::Utf8, true)),
                Arc::new(StringArray::from(names)) as ArrayRef,
            ),
        ]))
    };
    check("who", who(vec![Some("Ada")]), "{name: Ada, age: }");
    check("who", who(vec![None]), "1 who.name: the value is null");
    // Fields of type json accept any value.
    check(
        "any",
        who(vec![Some("Ada")]),
        "{\"height\":180,\"name\":\"Ada\"}",
    );
    check("any", Arc::new(Int64Array::from(vec![5])), "5");
    check(
        "any",
        Arc::new(StringArray::from(vec!["{\"b\": 1, \"a\": [2]}"])),
        "{\"a\":[2],\"b\":1}",
    );
    check(
        "who",
        Arc::new(Int64Array::from(vec![5])),
        "1 who: expected an object, found number 5",
    );
}

#[test]
fn times_of_96_bits_reach_beyond_nanoseconds() {
    use parquet::{
        data_type::{ByteArray, ByteArrayType, Int96, Int96Type},
        file::writer::SerializedFileWriter,
        schema::parser::parse_message_type,
    };
    let schema = "message m { required binary id (UTF8); required int96 at; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut out = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut out, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<ByteArrayType>()
        .write_batch(&[ByteArray::from("a"), ByteArray::from("b")], None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    // Nanoseconds of the day, then the Julian day: 1970-01-01 is 2,440,588. The second time is
    // 2300-01-01, beyond the range of nanoseconds in 64 bits.
    let mut times = [Int96::new(), Int96::new()];
    let noon = 43_200_000_000_000_u64;
    times[0].set_data(noon as u32, (noon >> 32) as u32, 2_440_588 + 20_513);
    times[1].set_data(0, 0, 2_440_588 + 120_530);
    column
        .typed::<Int96Type>()
        .write_batch(&times, None, None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let read = read(&out);
    assert_eq!((read.broken, read.refused), (None, vec![]));
    let column = read.batches[0].column_by_name("at").unwrap();
    let expected = ["2026-03-01T12:00:00", "2300-01-01T00:00:00"];
    assert_eq!([display(column, 0), display(column, 1)], expected);
}

#[test]
fn rows_are_numbered_across_row_groups_and_unknown_columns_are_counted() {
    let group = |first: i64| {
        batch(vec![
            (
                "id",
                Arc::new(StringArray::from(vec![Some("a"), None, Some("b")])) as ArrayRef,
            ),
            ("extra", Arc::new(Int64Array::from(vec![1, 2, 3]))),
            ("n", Arc::new(Int64Array::from(vec![first, 1, 1000]))),
        ])
    };
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let properties = WriterProperties::builder()
                .set_compression(compression)
                .set_writer_version(version)
                .build();
            let read = read(&file_with(&[group(1), group(2)], properties));
            assert_eq!(read.broken, None);
            assert_eq!(read.lines, [1, 4]);
            assert_eq!(
                read.refused,
                [
                    "2 id: the value is null in {\"n\":1}",
                    "3 n: 1000 is above the maximum, 99 in {\"id\":\"b\",\"n\":1000}",
                    "5 id: the value is null in {\"n\":1}",
                    "6 n: 1000 is above the maximum, 99 in {\"id\":\"b\",\"n\":1000}",
                ]
            );
            let unknown = [("extra".to_string(), 3), ("extra".to_string(), 3)];
            assert_eq!(read.unknown, unknown);
        }
    }
}

#[test]
fn a_file_without_columns_of_the_contract_still_has_rows() {
    let read = read(&file(vec![(
        "other",
        Arc::new(Int64Array::from(vec![1, 2])),
    )]));
    assert_eq!(read.refused.len(), 2);
    assert!(read.refused[0].starts_with("1 id: the column is missing"));
}

#[test]
fn contracts_apply_to_columns() {
    let read_under = |contract: &str, bytes: &[u8]| {
        let text = format!("title = \"T\"\nkey = [\"id\"]\n{contract}");
        read_under(
            bytes,
            &crate::contract::parse("t", "t.toml", &text).unwrap(),
        )
    };
    let person = StructArray::from(vec![
        (
            Arc::new(ArrowField::new("name", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["Ada", "Bob"])) as ArrayRef,
        ),
        (
            Arc::new(ArrowField::new("height", DataType::Int64, true)),
            Arc::new(Int64Array::from(vec![Some(180), None])) as ArrayRef,
        ),
    ]);
    let bytes = file(vec![
        ("id", ids(2)),
        ("who", Arc::new(person)),
        ("z", Arc::new(Int64Array::from(vec![None, Some(5)]))),
        ("n", Arc::new(Int64Array::from(vec![None, Some(9)]))),
    ]);
    let fields = "[field.id]\ntype = \"string\"\n\
        [field.who]\ntype = \"struct\"\n\
        [field.who.field.name]\ntype = \"string\"\npersonal = \"hash\"\n\
        [field.n]\ntype = \"integer\"\ndefault = 7\nmax = 8\n\
        [field.late]\ntype = \"integer\"\ndefault = 3\n";
    let read = read_under(&format!("unknown = \"keep\"\n{fields}"), &bytes);
    let column = |name: &str| read.batches[0].column_by_name(name).unwrap();
    assert_eq!(display(column("n"), 0), "7");
    assert_eq!(display(column("late"), 0), "3");
    assert_eq!(display(column("_rest"), 0), "{\"who.height\":180}");
    assert!(!display(column("who"), 0).contains("Ada"));
    let unknown = [("who.height".to_string(), 2), ("z".to_string(), 2)];
    assert_eq!(read.unknown, unknown);
    // The message about the refused row contains no personal data.
    assert_eq!(read.refused.len(), 1);
    assert!(
        read.refused[0].starts_with("2 n: 9 is above"),
        "{:?}",
        read.refused
    );
    assert!(!read.refused[0].contains("Bob"), "{:?}", read.refused);
    let refused = read_under(&format!("unknown = \"refuse\"\n{fields}"), &bytes).refused;
    assert_eq!(refused.len(), 2);
    assert!(
        refused[0].starts_with("1 who.height: the contract does not declare"),
        "{refused:?}"
    );
}

#[test]
fn a_text_that_a_dictionary_repeats_is_not_multiplied_in_memory() {
    // Repeated in full, it would take 1 MiB for each of 200 rows.
    let long = "x".repeat(1 << 20);
    let dictionary = StringArray::from(vec![long.as_str()]);
    let keys = Int32Array::from(vec![0; 200]);
    let values = DictionaryArray::try_new(keys, Arc::new(dictionary)).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_page_size_limit(4 << 20)
        .build();
    let bytes = file_with(&[batch(vec![("id", Arc::new(values))])], properties);
    assert!(bytes.len() < 8 << 20, "{}", bytes.len());
    let mut rows = 0;
    let pseudonyms = Arc::new(crate::read::pseudonyms::Pseudonyms::new("", None));
    let mut emit = |block: Block| {
        let parsed = crate::read::parse::parse(block, &contract(), &pseudonyms).unwrap();
        let batch = parsed.batch.unwrap();
        assert!(batch.get_array_memory_size() < 64 << 20);
        rows += batch.num_rows();
        true
    };
    read_file(&Bytes::from(bytes), 0, &contract(), &mut emit).unwrap();
    assert_eq!(rows, 200);
}

#[test]
fn invalid_files_are_reported() {
    let check = |bytes: &[u8], words: &str| {
        let broken = read(bytes).broken.unwrap();
        assert!(broken.contains(words), "{broken}");
    };
    check(b"", "not a Parquet file");
    check(b"id,name\n1,a\n2,b\n", "not a Parquet file");
    let whole = file(vec![("id", ids(10))]);
    check(&whole[..whole.len() - 1], "not a Parquet file");
    check(&[&whole[..whole.len() - 4], b"PARE"].concat(), "encrypted");
    let mut long = whole.clone();
    let end = long.len();
    long[end - 8..end - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    check(&long, "claims 4294967295 bytes of metadata");
    let nothing = file_with(
        &[RecordBatch::new_empty(Arc::new(Schema::new(vec![
            ArrowField::new("id", DataType::Utf8, true),
        ])))],
        WriterProperties::default(),
    );
    assert_eq!(read(&nothing).broken, None);
}

#[test]
fn a_damaged_row_group_does_not_affect_the_others() {
    let group = || batch(vec![("id", ids(1000))]);
    let mut bytes = file_with(&[group(), group(), group()], WriterProperties::default());
    let footer = metadata(&Bytes::from(bytes.clone())).unwrap();
    let column = footer.metadata().row_group(1).column(0);
    let start = column.byte_range().0 as usize;
    bytes[start..start + 8].fill(0xFF);
    let read = read(&bytes);
    let expected: Vec<u64> = (1..=1000).chain(2001..=3000).collect();
    assert_eq!(read.lines, expected);
    let broken = read.broken.unwrap();
    assert!(broken.starts_with("row group 2 of 3: "), "{broken}");
}

#[test]
fn changed_bytes_never_cause_a_panic() {
    let properties = || {
        WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build()
    };
    let mut tags = ListBuilder::new(StringBuilder::new());
    for row in 0..20 {
        tags.append_value((0..row % 4).map(|n| Some(format!("tag {n}"))));
    }
    let columns = batch(vec![
        ("id", ids(20)),
        ("n", Arc::new(Int64Array::from_iter_values(0..20))),
        ("tags", Arc::new(tags.finish())),
    ]);
    let whole = file_with(&[columns], properties());
    assert_eq!(read(&whole).lines.len(), 20);
    for index in 0..whole.len() {
        for byte in [0, 0xFF, whole[index] ^ 1, whole[index] ^ 0x80] {
            let mut bytes = whole.clone();
            bytes[index] = byte;
            let found = read(&bytes);
            assert!(found.lines.len() + found.refused.len() <= 20);
        }
        read(&whole[index..]);
    }
}

#[test]
fn values_are_read_in_the_declared_notation() {
    let text = "title = \"T\"\nzone = \"Europe/Berlin\"\n[field.local]\ntype = \"timestamp\"\n\
                [field.seconds]\ntype = \"timestamp\"\nformat = \"epoch_s\"\n[field.exact]\n\
                type = \"timestamp\"\nformat = \"epoch_s\"\n[field.n]\ntype = \"number\"\n\
                decimal = \",\"\n[field.day]\ntype = \"date\"\nformat = \"%Y%m%d\"\n";
    let contract = crate::contract::parse("t", "t.toml", text).unwrap();
    let micros = 1_772_600_767_000_000;
    let exact = Decimal128Array::from(vec![1_772_600_767_097_123_999]);
    let exact = exact.with_precision_and_scale(20, 9).unwrap();
    let bytes = file(vec![
        (
            "local",
            Arc::new(TimestampMicrosecondArray::from(vec![micros])),
        ),
        ("seconds", Arc::new(Int64Array::from(vec![1_772_600_767]))),
        ("exact", Arc::new(exact)),
        ("n", Arc::new(StringArray::from(vec!["1.299,5"]))),
        ("day", Arc::new(Int32Array::from(vec![20_260_304]))),
    ]);
    let read = read_under(&bytes, &contract);
    assert_eq!(read.refused, Vec::<String>::new());
    let row = &read.batches[0];
    let shown: Vec<String> = row
        .columns()
        .iter()
        .map(|column| display(column, 0))
        .collect();
    assert_eq!(
        shown,
        [
            "2026-03-04T04:06:07",
            "2026-03-04T05:06:07",
            "2026-03-04T05:06:07.097123",
            "1299.5",
            "2026-03-04"
        ]
    );
}

#[test]
fn columns_are_found_by_their_exact_name_or_by_their_path() {
    let text = "title = \"T\"\nunknown = \"keep\"\n[field.status]\ntype = \"integer\"\n\
                from = \"http.response.status\"\n[field.flat]\ntype = \"integer\"\nfrom = \"a.b\"\n\
                [field.gone]\ntype = \"integer\"\nfrom = \"http.gone\"\n";
    let contract = crate::contract::parse("t", "t.toml", text).unwrap();
    let number = |name: &str, values: Vec<Option<i64>>| {
        let field = Arc::new(ArrowField::new(name, DataType::Int64, true));
        (field, Arc::new(Int64Array::from(values)) as ArrayRef)
    };
    let response = StructArray::from(vec![
        number("status", vec![Some(200), Some(404)]),
        number("ms", vec![Some(1), None]),
    ]);
    let kind = response.data_type().clone();
    let http = StructArray::new(
        vec![ArrowField::new("response", kind, true)].into(),
        vec![Arc::new(response)],
        Some(vec![true, false].into()),
    );
    let bytes = file(vec![
        ("http", Arc::new(http)),
        ("a.b", Arc::new(Int64Array::from(vec![7, 8]))),
    ]);
    let read = read_under(&bytes, &contract);
    assert_eq!((&read.refused, &read.broken), (&Vec::new(), &None));
    let batch = &read.batches[0];
    let column = |name: &str| {
        let column = batch.column_by_name(name).unwrap();
        let rows = (0..2).map(|row| {
            if column.is_null(row) {
                "-".to_string()
            } else {
                display(column, row)
            }
        });
        rows.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(column("status"), "200 -");
    assert_eq!(column("flat"), "7 8");
    assert_eq!(column("gone"), "- -");
    assert_eq!(column("_rest"), r#"{"http.response.ms":1} -"#);
    assert_eq!(read.unknown, [("http.response.ms".to_string(), 2)]);
}
