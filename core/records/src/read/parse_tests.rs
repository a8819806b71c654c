use super::*;
use crate::contract;
use arrow::array::{Array, AsArray};

/// Reads records under a contract; with a header they are the records of a CSV file.
fn read(contract: &str, header: Option<&str>, records: &str) -> ParsedBlock {
    let contract = contract::parse("t", "t.toml", &format!("title = \"T\"\n{contract}")).unwrap();
    let header = header.map(|line| {
        let marks = crate::read::Dialect::DEFAULT.marks(line);
        Arc::new(Header::parse(line, marks, &contract.fields).unwrap())
    });
    let block = Block {
        file: 0,
        first_line: 1,
        bytes: records.as_bytes().to_vec(),
        content: header.map_or(Content::Lines, Content::Csv),
    };
    parse(block, &contract, &Arc::new(Pseudonyms::new("t", None))).unwrap()
}

/// A column as text, nulls as "-".
fn column(parsed: &ParsedBlock, name: &str) -> Vec<String> {
    let batch = parsed.batch.as_ref().unwrap();
    let array = batch.column_by_name(name).unwrap();
    let text = arrow::compute::cast(array, &arrow_schema::DataType::Utf8).unwrap();
    let text = text.as_string::<i32>();
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_string();
    text.iter().map(or_dash).collect()
}

/// Reason, field and message of each refused record.
fn refusals(parsed: &ParsedBlock) -> Vec<String> {
    let rows = parsed.refused.iter().map(|row| &row.violation);
    rows.map(|v| format!("{} | {} | {}", v.reason.text(), v.field, v.message))
        .collect()
}

const WITH_DEFAULTS: &str = r#"
[field.id]
type = "string"
[field.n]
type = "integer"
required = true
default = 7
[field.tags]
type = "list<string>"
default = ["none"]
[field.s]
type = "struct"
[field.s.field.plan]
type = "string"
default = "free"
"#;

#[test]
fn defaults_replace_missing_and_null_values() {
    let records =
        "{\"id\":\"a\"}\n{\"id\":\"b\",\"n\":null,\"s\":{\"plan\":null}}\n{\"n\":1,\"s\":{}}\n";
    let parsed = read(WITH_DEFAULTS, None, records);
    assert!(parsed.refused.is_empty(), "{:?}", refusals(&parsed));
    assert_eq!(column(&parsed, "n"), ["7", "7", "1"]);
    let batch = parsed.batch.as_ref().unwrap();
    let tags = batch.column_by_name("tags").unwrap().as_list::<i32>();
    assert_eq!(tags.value(0).as_string::<i32>().value(0), "none");
    let structs = batch.column_by_name("s").unwrap().as_struct();
    assert!(structs.is_null(0), "a missing struct has no fields");
    assert_eq!(structs.column(0).as_string::<i32>().value(1), "free");
    assert_eq!(structs.column(0).as_string::<i32>().value(2), "free");

    let parsed = read(WITH_DEFAULTS, Some("id,n"), "a,\nb,3\n");
    assert_eq!(column(&parsed, "n"), ["7", "3"]);
    let parsed = read(WITH_DEFAULTS, Some("id"), "a\n");
    assert_eq!(column(&parsed, "n"), ["7"]);
}

const NESTED: &str = r#"
[field.id]
type = "string"
[field.s]
type = "struct"
[field.s.field.a]
type = "integer"
[field.l]
type = "list<struct>"
[field.l.field.a]
type = "integer"
"#;

#[test]
fn unknown_fields_are_kept_with_their_paths() {
    let contract = format!("unknown = \"keep\"\n{NESTED}");
    let parsed = read(
        &contract,
        None,
        concat!(
            r#"{"z":{"b":1,"a":[true]},"id":"a","s":{"x":"é"},"l":[{"a":1},{"y":null,"a":2}]}"#,
            "\n{\"id\":\"b\"}\n",
            r#"{"id":"c","z":1,"z":2}"#,
            "\n",
            r#"{"id":"d","z":9,"s":{"x":1,"a":"wrong"}}"#,
            "\n{\"z\":0}\n",
        ),
    );
    assert_eq!(
        column(&parsed, "_rest"),
        [
            r#"{"l[1].y":null,"s.x":"é","z":{"a":[true],"b":1}}"#,
            "-",
            r#"{"z":0}"#
        ]
    );
    assert_eq!(column(&parsed, "id"), ["a", "b", "-"]);
    assert_eq!(
        refusals(&parsed),
        [
            "broken JSON | z | the field occurs twice",
            "wrong type | s.a | expected an integer, found string \"wrong\""
        ]
    );
    assert_eq!(parsed.unknown["z"], 5, "they are counted as well");
    assert_eq!(parsed.unknown_names, ["z", "s.x", "l.y"]);
}

#[test]
fn unknown_columns_are_kept_too() {
    let contract = format!("unknown = \"keep\"\n{NESTED}");
    let parsed = read(
        &contract,
        Some("id,b,,b,s"),
        "1,x,y,z,\"{\"\"q\"\":1}\"\n2,,,,\n",
    );
    assert_eq!(
        column(&parsed, "_rest"),
        [
            r#"{"(column 3)":"y","b":"x","b (column 4)":"z","s.q":1}"#,
            "-"
        ]
    );
    assert!(parsed.refused.is_empty(), "{:?}", refusals(&parsed));
}

#[test]
fn records_with_unknown_fields_can_be_refused() {
    let contract = format!("unknown = \"refuse\"\n{NESTED}");
    let parsed = read(
        &contract,
        None,
        concat!(
            "{\"id\":\"a\"}\n{\"id\":\"b\",\"z\":1}\n",
            r#"{"l":[{"a":1},{"y":1}]}"#
        ),
    );
    let reason = "the contract does not declare this field; declare it, or set `unknown` to \"count\" or \
               \"keep\"";
    assert_eq!(
        refusals(&parsed),
        [
            format!("unknown field | z | {reason}"),
            format!("unknown field | l[1].y | {reason}")
        ]
    );
    assert_eq!(column(&parsed, "id"), ["a"]);
    let parsed = read(&contract, Some("id,z"), "1,\n2,x\n");
    assert_eq!(
        refusals(&parsed),
        vec![format!("unknown field | z | {reason}"); 2]
    );
    assert!(parsed.batch.is_none());
}

#[test]
fn patterns_and_lengths_of_strings_are_checked() {
    let contract = r#"
[field.code]
type = "string"
pattern = "[A-Z]{2}-[0-9]+"
[field.word]
type = "string"
min_length = 2
max_length = 3
[field.all]
type = "list<string>"
pattern = "[a-z]+"
"#;
    let parsed = read(
        contract,
        None,
        concat!(
            r#"{"code":"AB-12","word":"éé","all":["a",null]}"#,
            "\n{\"code\":\"AB-12 \"}\n{\"word\":\"é\"}\n{\"word\":\"éééé\"}\n{\"all\":[\"a\",\"B\"]}\n",
        ),
    );
    assert_eq!(
        refusals(&parsed),
        [
            "not allowed | code | \"AB-12 \" does not match the pattern [A-Z]{2}-[0-9]+",
            "too short | word | the text has 1 character, 2 are needed",
            "too long | word | the text has 4 characters, 3 are allowed",
            "not allowed | all[1] | \"B\" does not match the pattern [a-z]+",
        ]
    );
    assert_eq!(parsed.lines, [1]);
}
