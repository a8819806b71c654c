use super::*;

const GOOD: &str = r#"
title = "Ticket"
description = "A support ticket."
key = ["id"]
time = "created_at"
[field.id]
type = "string"
[field.created_at]
type = "timestamp"
required = true
[field.severity]
type = "string"
allowed = ["low", "high"]
[field.minutes]
type = "number"
unit = "min"
min = 0
max = 1e6
[field.updates]
type = "list<struct>"
[field.updates.field.at]
type = "timestamp"
[field.updates.field.message]
type = "string"
max_length = 65536
[field.tags]
type = "list<string>"
"#;

#[test]
fn a_good_contract_keeps_order_and_types() {
    let contract = parse("ticket", "ticket.toml", GOOD).unwrap();
    let names: Vec<_> = contract
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["id", "created_at", "severity", "minutes", "updates", "tags"]
    );
    assert!(
        contract.fields[0].required,
        "fields of the key are required"
    );
    assert_eq!(contract.time.as_deref(), Some("created_at"));
    assert_eq!(contract.fields[3].max, Some(1e6));
    let DataType::List(item) = contract.schema().field(4).data_type().clone() else {
        panic!("not a list")
    };
    assert!(item.data_type().to_string().contains("at"));
}

/// Every error's text, place and advice.
fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = parse("x", "x.toml", text)
        .err()
        .unwrap_or_default()
        .iter()
        .map(|d| {
            let (line, column) = d.line_column(text).unwrap_or((0, 0));
            format!(
                "{line}:{column} {} | {}",
                d.message,
                d.help.as_deref().unwrap_or("")
            )
        })
        .collect();
    assert_eq!(found, expected, "{found:#?}");
}

#[test]
fn all_errors_come_at_once() {
    check(
        "titel = \"T\"\nkey = [\"ids\"]\ntime = \"id\"\n[field.id]\ntype = \"sting\"\n\
             [field.n]\ntype = \"int\"\n[field.s]\ntype = \"string\"\nmin = 1\nreqired = true\n\
             [field.o]\ntype = \"struct\"\n[field.z]\nrequired = 1\n",
        &[
            "1:1 unknown key `titel` | did you mean `title`?",
            "1:1 the contract has no `title` | add `title = \"…\"`",
            "5:8 unknown type `sting` | did you mean `string`?",
            "7:8 unknown type `int` | did you mean `integer`?",
            "11:1 unknown key `reqired` | did you mean `required`?",
            "10:7 `min` does not fit field `s` | `min` is for numbers, timestamps and dates",
            "13:8 a struct needs fields | add `[field.NAME.field.PART]`, or use type `json`",
            "14:8 field `z` has no `type` | add `type = \"…\"`, one of: string, integer, number, \
                 boolean, timestamp, date, json, struct, list<string>",
            "2:8 there is no field `ids` | fields are: s",
        ],
    );
}

#[test]
fn every_contract_of_the_catalogue_is_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../jobs/contracts");
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.path();
        if file.extension().is_some_and(|ending| ending == "toml") {
            let contract = Contract::read(&file);
            if let Err(SourceError::Contract { file, diagnostics }) = &contract {
                panic!("{file}: {diagnostics:#?}");
            }
            assert!(contract.is_ok(), "{}", file.display());
        }
    }
}

#[test]
fn broken_toml_is_located() {
    let found = parse("x", "x.toml", "title = \n").unwrap_err();
    assert_eq!(
        found[0].line_column("title = \n").map(|place| place.0),
        Some(1)
    );
}

#[test]
fn times_have_limits_too() {
    let contract = |lines: &str| {
        format!("title = \"T\"\ntime = \"at\"\n[field.at]\ntype = \"timestamp\"\n{lines}")
    };
    let limits = |lines: &str| {
        let field = parse("x", "x.toml", &contract(lines))
            .unwrap()
            .fields
            .remove(0);
        (field.earliest, field.latest)
    };
    let until_2100 = Some(4_102_444_800_000_000 - 1);
    assert_eq!(limits(""), (Some(0), until_2100));
    assert_eq!(
        limits("min = 1969-12-31"),
        (Some(-86_400_000_000), until_2100)
    );
    assert_eq!(
        limits("min = \"1970-01-02T00:00:00+01:00\""),
        (Some(82_800_000_000), until_2100)
    );
    assert_eq!(
        limits("max = 1970-01-01"),
        (Some(0), Some(86_400_000_000 - 1))
    );
    assert_eq!(limits("max = 1969-12-31"), (None, Some(-1)));
    check(
        &contract("min = 5\nmax = \"soon\"\n"),
        &[
            "5:7 `min` must be a day or time such as 1990-01-01, found integer | ",
            "6:7 `max` must be a day or time such as 1990-01-01, found string | ",
        ],
    );
    check(
        &contract("min = 2001-01-01\nmax = 2000-01-01\n"),
        &["6:7 `max` 2000-01-01 is below `min` 2001-01-01 | "],
    );
}

#[test]
fn a_key_that_is_there_twice_is_one_error() {
    let check_once = |text: &str, expected: &str| check(text, &[expected]);
    check_once(
        "title = \"T\"\ntitle = \"U\"\n[field.id]\ntype = \"string\"\n",
        "2:1 `title` is there twice | remove one of the two",
    );
    check_once(
        "title = \"T\"\n[field.id]\ntype = \"string\"\n[field.id]\ntype = \"integer\"\nmin = 1\n",
        "4:8 `id` is there twice | remove one of the two",
    );
    check_once(
        "title = \"T\"\n[field.id]\ntype = \"string\"\ntype = \"strng\"\n",
        "4:1 `type` is there twice | remove one of the two",
    );
}

#[test]
fn an_empty_contract_is_no_contract() {
    let expected = [
        "1:1 the contract has no `title` | add `title = \"…\"`",
        "1:1 the contract has no fields | add `[field.NAME]`",
    ];
    check("", &expected);
    check("# nothing\n", &expected);
    check(
        "title = \"T\"\n[field]\n",
        &["2:1 there are no fields | add `[field.NAME]`"],
    );
}
