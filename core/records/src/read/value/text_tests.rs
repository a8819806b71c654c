//! Tests reading values from text in CSV and JSON: each gives a value, or the reason for a refusal.

use crate::{Format, contract, read::read_block};
use arrow::array::{Array, AsArray};

/// Reads records with a single field: returns each value as text, with "-" for null, or the reason
/// for the refusal.
fn read(records: &str, format: Format, declared: &str) -> Vec<String> {
    let text = format!("title = \"T\"\n{declared}");
    let contract = contract::parse("t", "t.toml", &text).unwrap();
    let parsed = read_block(records.as_bytes(), format, &contract).unwrap();
    let mut out: Vec<(u64, String)> = parsed
        .refused
        .iter()
        .map(|row| {
            (
                row.line,
                format!("{}: {}", row.violation.reason.text(), row.violation.message),
            )
        })
        .collect();
    if let Some(batch) = &parsed.batch {
        let column = batch.column(0);
        let text = arrow::compute::cast(column, &arrow_schema::DataType::Utf8).unwrap();
        let text = text.as_string::<i32>();
        let nullable = (0..text.len()).map(|row| {
            if text.is_null(row) {
                "-".to_string()
            } else {
                text.value(row).to_string()
            }
        });
        out.extend(parsed.lines.iter().copied().zip(nullable));
    }
    out.sort();
    out.into_iter().map(|(_, text)| text).collect()
}

/// Checks the values that CSV cells are read as; `declared` is the contract without its title.
fn check_cells(declared: &str, cells: &[(&str, &str)]) {
    let quoted = |cell: &str| format!("1,\"{}\"\n", cell.replace('"', "\"\""));
    let records: String = cells.iter().map(|(cell, _)| quoted(cell)).collect();
    let found = read(&format!("id,x\n{records}"), Format::Csv, declared);
    let expected: Vec<&str> = cells.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(found, expected, "{declared}");
}

/// Checks the values that JSON values are read as.
fn check_values(declared: &str, values: &[(&str, &str)]) {
    let records: String = values
        .iter()
        .map(|(value, _)| format!("{{\"x\":{value}}}\n"))
        .collect();
    let found = read(&records, Format::Jsonl, declared);
    let expected: Vec<&str> = values.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(found, expected, "{declared}");
}

fn field(kind: &str, lines: &str) -> String {
    format!("[field.x]\ntype = \"{kind}\"\n{lines}")
}

#[test]
fn default_null_words_are_null_except_in_strings() {
    let words = [
        "", "NULL", "null", "\\N", "NA", "N/A", "n/a", "nan", "NaN", "None", "nil", "-", "#N/A",
    ];
    let none: Vec<(&str, &str)> = words.iter().map(|word| (*word, "-")).collect();
    for kind in ["integer", "number", "boolean", "timestamp", "date"] {
        check_cells(&field(kind, ""), &none);
        let json: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        let json: Vec<(&str, &str)> = json.iter().map(|word| (word.as_str(), "-")).collect();
        check_values(&field(kind, ""), &json);
    }
    check_cells(
        &field("number", ""),
        &[(" NULL ", "-"), ("  ", "-"), ("10", "10.0")],
    );
    check_cells(
        &field("string", ""),
        &[("", "-"), ("NULL", "NULL"), (" ", " ")],
    );
    check_values(
        &field("string", ""),
        &[("\"NULL\"", "NULL"), ("\"\"", ""), ("null", "-")],
    );
    let required = field("number", "required = true\n");
    check_cells(&required, &[("NA", "missing required: the value is null")]);
    check_cells(&field("integer", "default = 7\n"), &[("N/A", "7")]);
}

#[test]
fn declared_null_words_replace_the_defaults() {
    let everywhere = |kind: &str| format!("null_words = [\"NULL\", \"n.a.\"]\n{}", field(kind, ""));
    check_cells(
        &everywhere("integer"),
        &[
            ("NULL", "-"),
            (" n.a. ", "-"),
            ("", "-"),
            ("1", "1"),
            (
                "null",
                "wrong type: expected an integer, found text \"null\"",
            ),
        ],
    );
    check_cells(
        &everywhere("string"),
        &[("NULL", "-"), ("n.a.", "-"), ("null", "null"), ("", "-")],
    );
    check_values(&everywhere("string"), &[("\"NULL\"", "NULL")]);
    let own = format!(
        "null_words = [\"NULL\"]\n{}",
        field("string", "null_words = [\"?\"]\n")
    );
    check_cells(&own, &[("?", "-"), ("NULL", "NULL")]);
    check_cells(
        &field("boolean", "true_words = [\"-\"]\n"),
        &[("-", "true"), ("n", "false")],
    );
}

#[test]
fn numbers_are_read_with_declared_separators() {
    let comma = |kind: &str| format!("decimal = \",\"\n{}", field(kind, ""));
    let wrong = |text: &str| {
        format!(
            "wrong type: expected a number, found text {text:?}; the contract has decimal = \",\""
        )
    };
    let all = [
        "1.29,99",
        "1.2999",
        "12.5",
        "0.123",
        ".123",
        "1.299.99",
        "1.299 999",
        "12,5x",
        ",",
    ];
    let wrong: Vec<String> = all.iter().map(|text| wrong(text)).collect();
    let wrong: Vec<(&str, &str)> = all
        .iter()
        .zip(&wrong)
        .map(|(text, reason)| (*text, reason.as_str()))
        .collect();
    check_cells(&comma("number"), &wrong);
    check_cells(
        &comma("number"),
        &[
            ("12,5", "12.5"),
            ("1.299,99", "1299.99"),
            ("1 299 999,5", "1299999.5"),
            ("1\u{a0}299,99", "1299.99"),
            ("1\u{202f}299", "1299.0"),
            ("7", "7.0"),
            ("-0,25", "-0.25"),
            ("\u{2212}3,5", "-3.5"),
            (",5", "0.5"),
            ("1,5e3", "1500.0"),
            ("1299,99", "1299.99"),
        ],
    );
    check_cells(&comma("integer"), &[("1.299", "1299"), ("7,0", "7")]);
    check_values(
        &comma("number"),
        &[("\"1.299,99\"", "1299.99"), ("12.5", "12.5"), ("7", "7.0")],
    );
    let english = field("number", "thousands = \",\"\n");
    check_cells(
        &english,
        &[
            ("1,299.99", "1299.99"),
            (
                "1,29.99",
                "wrong type: expected a number, found text \"1,29.99\"; the contract has decimal = \
                 \".\" and thousands = \",\"",
            ),
        ],
    );
    check_cells(
        &field("number", "thousands = \"'\"\n"),
        &[("1’299'000.5", "1299000.5")],
    );
    let point = format!("decimal = \",\"\n{}", field("number", "decimal = \".\"\n"));
    check_cells(&point, &[("12.5", "12.5")]);
    check_values(&point, &[("\"12.5\"", "12.5")]);
    let undeclared = field("number", "");
    let found = "wrong type: expected a number, found";
    check_cells(
        &undeclared,
        &[
            (
                "12,5",
                &format!("{found} text \"12,5\"; add `decimal = \",\"` to [field.x]"),
            ),
            (
                "1,299.99",
                &format!("{found} text \"1,299.99\"; add `thousands = \",\"` to [field.x]"),
            ),
            (
                "1.299,99",
                &format!("{found} text \"1.299,99\"; add `decimal = \",\"` to [field.x]"),
            ),
            (
                "1,299",
                &format!(
                    "{found} text \"1,299\"; add `decimal = \",\"` or `thousands = \",\"` to [field.x]"
                ),
            ),
            ("one", &format!("{found} text \"one\"")),
            ("inf", &format!("{found} text \"inf\"")),
            ("1e3", "1000.0"),
        ],
    );
    check_values(
        &undeclared,
        &[
            (
                "\"12.5\"",
                &format!("{found} string \"12.5\"; add `decimal = \".\"` to [field.x]"),
            ),
            (
                "\"12,5\"",
                &format!("{found} string \"12,5\"; add `decimal = \",\"` to [field.x]"),
            ),
        ],
    );
}

#[test]
fn common_words_for_booleans_are_read() {
    let undeclared = field("boolean", "");
    let yes = ["true", "T", "yes", "Y", "On", "1", "1.0", " true "];
    let no = ["False", "f", "NO", "n", "off", "0", "0.0"];
    let all = yes.iter().map(|word| (*word, "true"));
    let all: Vec<(&str, &str)> = all.chain(no.iter().map(|word| (*word, "false"))).collect();
    check_cells(&undeclared, &all);
    let accepted = "; accepted are true, t, yes, y, on, 1, 1.0 for true and false, f, no, n, off, 0, \
                    0.0 for false, and other words by `true_words` and `false_words` in [field.x]";
    let wrong = |found: &str| format!("wrong type: expected a boolean, found {found}{accepted}");
    check_cells(&undeclared, &[("perhaps", &wrong("text \"perhaps\""))]);
    check_values(
        &undeclared,
        &[
            ("true", "true"),
            ("1", "true"),
            ("0", "false"),
            ("1.0", "true"),
            ("\"no\"", "false"),
            ("2", &wrong("number 2")),
            ("0.5", &wrong("number 0.5")),
        ],
    );
    let declared = field(
        "boolean",
        "true_words = [\"J\", \"2\"]\nfalse_words = [\"N\"]\n",
    );
    let accepted = "; accepted are J, 2 for true and N for false, and other words by `true_words` and \
                    `false_words` in [field.x]";
    let wrong = |found: &str| format!("wrong type: expected a boolean, found {found}{accepted}");
    check_cells(
        &declared,
        &[
            ("J", "true"),
            ("N", "false"),
            ("yes", &wrong("text \"yes\"")),
        ],
    );
    check_values(
        &declared,
        &[("2", "true"), ("false", "false"), ("1", &wrong("number 1"))],
    );
}

#[test]
fn times_are_read_in_declared_formats() {
    let day = field(
        "timestamp",
        "format = \"%d/%m/%Y %H:%M\"\nzone = \"Europe/Berlin\"\n",
    );
    let expected = "2026-03-04T04:06:00Z";
    let wrong = "wrong type: expected a timestamp, found";
    let declared = "; the contract has format = \"%d/%m/%Y %H:%M\"";
    check_cells(
        &day,
        &[
            ("04/03/2026 05:06", expected),
            (
                "2026-03-04 05:06",
                &format!("{wrong} text \"2026-03-04 05:06\"{declared}"),
            ),
        ],
    );
    check_values(
        &day,
        &[
            ("\"04/03/2026 05:06\"", expected),
            ("5", &format!("{wrong} number 5{declared}")),
        ],
    );
    let several = field("timestamp", "format = [\"%d.%m.%Y\", \"epoch_s\"]\n");
    check_cells(
        &several,
        &[
            ("04.03.2026", "2026-03-04T00:00:00Z"),
            ("1772600767", "2026-03-04T05:06:07Z"),
        ],
    );
    let seconds = field("timestamp", "format = \"epoch_s\"\n");
    let fraction = "2026-03-04T05:06:07.097Z";
    check_cells(&seconds, &[("1772600767.097", fraction)]);
    check_values(
        &seconds,
        &[
            ("1772600767.097", fraction),
            ("1772600767097e-3", fraction),
            ("\"1772600767.097\"", fraction),
            ("1772600767.123456", "2026-03-04T05:06:07.123456Z"),
            ("-1", "1969-12-31T23:59:59Z"),
            (
                "18446744073709551615",
                "out of range: number 18446744073709551615 is outside the supported range of times",
            ),
        ],
    );
    let nanos = field("timestamp", "format = \"epoch_ns\"\n");
    check_values(
        &nanos,
        &[("1772600767097123999", "2026-03-04T05:06:07.097123Z")],
    );
    let numbered = field("date", "format = \"%Y%m%d\"\n");
    check_values(
        &numbered,
        &[("20260304", "2026-03-04"), ("\"20260304\"", "2026-03-04")],
    );
    let zone = format!("zone = \"Europe/Berlin\"\n{}", field("timestamp", ""));
    check_cells(
        &zone,
        &[
            ("2026-03-04 05:06", expected),
            ("2026-03-04 05:06Z", "2026-03-04T05:06:00Z"),
        ],
    );
}

#[test]
fn refusals_of_times_name_accepted_forms_and_the_line_to_add() {
    let accepted = "accepted are times such as 2026-11-17T09:12:00Z, 2026-11-17 09:12:00 +0100 and \
                    Tue, 17 Nov 2026 09:12:00 GMT";
    let wrong = "wrong type: expected a timestamp, found";
    let us = format!(
        "{wrong} text \"03/04/2026 09:12 AM\"; {accepted}; add `format = \"%m/%d/%Y %I:%M %p\"` to \
         [field.x] (or \"%d/%m/%Y %I:%M %p\")"
    );
    let est = format!(
        "{wrong} text \"2026-03-04 09:12:00 EST\"; {accepted}; EST means several offsets: add \
         `format = \"%Y-%m-%d %H:%M:%S EST\"` and the zone that is meant, such as `zone = \
         \"America/New_York\"`, to [field.x]"
    );
    let soon = format!("{wrong} text \"soon\"; {accepted}; for others add `format` to [field.x]");
    let epoch = "; it looks like milliseconds since 1970: add `format = \"epoch_ms\"` to [field.x]";
    check_cells(
        &field("timestamp", ""),
        &[
            ("03/04/2026 09:12 AM", &us),
            ("2026-03-04 09:12:00 EST", &est),
            ("soon", &soon),
            (
                "1772600767097",
                &format!("{wrong} text \"1772600767097\"{epoch}"),
            ),
        ],
    );
    check_values(
        &field("timestamp", ""),
        &[
            (
                "1772600767097",
                &format!("{wrong} number 1772600767097{epoch}"),
            ),
            (
                "5",
                &format!("{wrong} number 5; {accepted}; for others add `format` to [field.x]"),
            ),
        ],
    );
    check_values(
        &field("date", ""),
        &[(
            "20260304",
            "wrong type: expected a date, found number 20260304; accepted are days such as 2026-11-17; \
             add `format = \"%Y%m%d\"` to [field.x]",
        )],
    );
    let within = "[field.x]\ntype = \"struct\"\n[field.x.field.\"a b\"]\ntype = \"integer\"\n";
    let text = format!("title = \"T\"\n{within}");
    let contract = contract::parse("t", "t.toml", &text).unwrap();
    let records = br#"{"x":{"a b":"5"}}"#;
    let parsed = read_block(records, Format::Jsonl, &contract).unwrap();
    assert_eq!(
        parsed.refused[0].violation.message,
        "expected an integer, found string \"5\"; add `decimal = \".\"` to [field.x.field.\"a b\"]"
    );
}

#[test]
fn values_of_personal_fields_are_read_and_not_shown() {
    let text = "title = \"T\"\ndecimal = \",\"\n[field.x]\ntype = \"timestamp\"\nformat = \"%d/%m/%Y\"\n\
                personal = \"drop\"\n[field.y]\ntype = \"number\"\npersonal = \"drop\"\n";
    let contract = contract::parse("t", "t.toml", text).unwrap();
    let records = b"x,y\n04/03/2026,\"12,5\"\n03/17/2026,1\n04/03/2026,1.25\n";
    let parsed = read_block(records, Format::Csv, &contract).unwrap();
    assert_eq!(parsed.lines, [2]);
    for row in &parsed.refused {
        assert_eq!(
            row.violation.message,
            "the value does not have the declared type; it is personal data and not shown"
        );
        assert!(
            !row.raw.contains("17") && !row.raw.contains("1.25"),
            "{}",
            row.raw
        );
    }
}

#[test]
fn defaults_have_the_notation_of_contracts() {
    let lines = "format = \"epoch_ms\"\nzone = \"Europe/Berlin\"\ndefault = 2026-01-31T12:00:00\n";
    check_values(
        &field("timestamp", lines),
        &[("null", "2026-01-31T11:00:00Z")],
    );
    let lines = "format = \"%d/%m/%Y\"\ndefault = 2026-01-31\n";
    check_values(
        &field("date", lines),
        &[("null", "2026-01-31"), ("\"01/02/2026\"", "2026-02-01")],
    );
    let lines = "decimal = \",\"\ndefault = 0.5\n";
    check_cells(&field("number", lines), &[("", "0.5"), ("1,5", "1.5")]);
}
