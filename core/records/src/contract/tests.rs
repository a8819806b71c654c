use super::*;

const VALID: &str = r#"
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
fn a_valid_contract_keeps_order_and_types() {
    let contract = parse("ticket", "ticket.toml", VALID).unwrap();
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

/// Checks the position, message and advice of every error.
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
fn all_errors_are_reported_at_once() {
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
            "10:7 `min` does not apply to field `s` | `min` is for numbers, timestamps and dates",
            "13:8 a struct needs fields | add `[field.NAME.field.PART]`, or use type `json`",
            "14:8 field `z` has no `type` | add `type = \"…\"`, one of: string, integer, number, \
                 boolean, timestamp, date, json, struct, list<string>",
            "2:8 there is no field `ids` | fields are: s",
        ],
    );
}

#[test]
fn every_contract_of_the_catalogue_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for folder in ["jobs/contracts", "tests/contracts"] {
        let files = std::fs::read_dir(root.join(folder)).unwrap();
        for file in files.map(|entry| entry.unwrap().path()) {
            if file.extension().is_none_or(|ending| ending != "toml") {
                continue;
            }
            let contract = Contract::read(&file);
            if let Err(SourceError::Contract { file, diagnostics }) = &contract {
                panic!("{file}: {diagnostics:#?}");
            }
            assert!(contract.is_ok(), "{}", file.display());
        }
    }
}

/// A contract with the given root keys and field tables.
fn file(root: &str, fields: &str) -> String {
    format!("title = \"T\"\n{root}{fields}")
}

const FIELDS: &str = "[field.id]\ntype = \"string\"\n[field.at]\ntype = \"timestamp\"\n\
                     [field.tags]\ntype = \"list<string>\"\n";

#[test]
fn latest_needs_a_field_with_ordered_values() {
    let latest = |name: &str| file(&format!("key = [\"id\"]\nlatest = \"{name}\"\n"), FIELDS);
    let contract = parse("x", "x.toml", &latest("at")).unwrap();
    assert_eq!(contract.latest.as_deref(), Some("at"));
    check(
        &latest("tags"),
        &["3:10 `tags` cannot decide which record is the latest | \
           name a timestamp, date, integer or number"],
    );
    check(
        &latest("att"),
        &["3:10 there is no field `att` | did you mean `at`?"],
    );
    check(
        &file("latest = \"at\"\n", FIELDS),
        &["2:10 `latest` without a `key` | \
           it decides which of several records with the same key counts: add `key`"],
    );
    check(
        &file(
            "key = [\"id\"]\nlatest = \"n\"\n",
            &format!("{FIELDS}[field.n]\ntype = \"numbr\"\n"),
        ),
        &["11:8 unknown type `numbr` | did you mean `number`?"],
    );
    let dropped = format!("{FIELDS}[field.n]\ntype = \"number\"\npersonal = \"drop\"\n");
    check(
        &file("key = [\"id\"]\nlatest = \"n\"\n", &dropped),
        &["3:10 `n` cannot decide which record is the latest | \
           its values are dropped: remove `personal`, or name another field"],
    );
}

#[test]
fn unknown_fields_are_counted_kept_or_refused() {
    let unknown = |how: &str| file(&format!("unknown = \"{how}\"\n"), FIELDS);
    let policy = |text: &str| parse("x", "x.toml", text).unwrap().unknown;
    assert_eq!(policy(&file("", FIELDS)), UnknownFields::Count);
    assert_eq!(policy(&unknown("refuse")), UnknownFields::Refuse);
    let contract = parse("x", "x.toml", &unknown("keep")).unwrap();
    let schema = contract.schema();
    let names: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(names, ["id", "at", "tags", "_rest"]);
    check(
        &unknown("kep"),
        &["2:11 `unknown` cannot be \"kep\" | did you mean `keep`?"],
    );
    check(
        &file("unknown = true\n", FIELDS),
        &["2:11 `unknown` must be a string, found boolean | "],
    );
    check(
        &file("unknown = \"keep\"\n", "[field._rest]\ntype = \"json\"\n"),
        &[
            "2:11 the field `_rest` conflicts with `unknown = \"keep\"` | \
           unknown fields are kept in a column `_rest`: rename the field",
        ],
    );
}

#[test]
fn expectations_are_parsed_and_checked() {
    let expect = |lines: &str| format!("{}[expect]\n{lines}", file("time = \"at\"\n", FIELDS));
    let text = expect(
        "fresh_hours = 26\ndaily_records_min = 0\ndaily_records_max = 1e4\nsilence = \"zero\"\n",
    );
    let expected = Expectation {
        fresh_hours: Some(26.0),
        daily_records_min: Some(0.0),
        daily_records_max: Some(1e4),
        silence: retrocast_domain::report::Silence::Zero,
    };
    assert_eq!(parse("x", "x.toml", &text).unwrap().expect, expected);
    check(
        &expect("fresh_hour = 1\nfresh_hours = 0\ndaily_records_min = -1\n"),
        &[
            "10:1 unknown key `fresh_hour` | did you mean `fresh_hours`?",
            "11:15 `fresh_hours` must be above 0 | ",
            "12:21 `daily_records_min` must be 0 or more | ",
        ],
    );
    check(
        &expect("silence = \"none\"\n"),
        &["10:11 `silence` cannot be \"none\" | `silence` may be: unknown, zero"],
    );
    check(
        &expect("daily_records_min = 9\ndaily_records_max = 8\n"),
        &["11:21 `daily_records_max` 8 is below `daily_records_min` 9 | "],
    );
    check(
        &format!("{}[expect]\nfresh_hours = \"soon\"\n", file("", FIELDS)),
        &[
            "8:1 `[expect]` without a `time` | \
             the age of records, and their number per day, follow from their time: add `time`",
            "9:15 `fresh_hours` must be a finite number, found string | ",
        ],
    );
}

#[test]
fn defaults_have_the_type_and_limits_of_their_field() {
    let field = |lines: &str| file("", &format!("[field.x]\n{lines}"));
    let default = |lines: &str| {
        let contract = parse("x", "x.toml", &field(lines)).unwrap();
        contract.fields[0].default.clone().unwrap().to_string()
    };
    assert_eq!(default("type = \"integer\"\ndefault = 0x10"), "16");
    assert_eq!(default("type = \"number\"\ndefault = 1\nmin = 1"), "1");
    assert_eq!(
        default("type = \"date\"\ndefault = 2026-01-31"),
        "\"2026-01-31\""
    );
    assert_eq!(
        default("type = \"list<string>\"\ndefault = [\"a\"]"),
        "[\"a\"]"
    );
    assert_eq!(
        default("type = \"json\"\ndefault = { a = [1, true], b = 1.5 }"),
        r#"{"a":[1,true],"b":1.5}"#
    );
    let wrong = |lines: &str, expected: &str| check(&field(lines), &[expected]);
    wrong(
        "type = \"integer\"\ndefault = \"none\"\n",
        "4:11 `default` does not fit field `x`: expected an integer, found string \"none\" | ",
    );
    wrong(
        "type = \"string\"\nallowed = [\"a\", \"b\"]\ndefault = \"c\"\n",
        "5:11 `default` does not fit field `x`: \"c\" is not one of: a, b | ",
    );
    wrong(
        "type = \"list<integer>\"\nmax = 3\ndefault = [1, 9]\n",
        "5:11 `default` does not fit field `x` at [1]: 9 is above the maximum, 3 | ",
    );
    wrong(
        "type = \"number\"\ndefault = inf\n",
        "4:11 `default` must be a finite number, found float | ",
    );
    wrong(
        "type = \"string\"\npersonal = \"drop\"\ndefault = \"c\"\n",
        "5:11 field `x` has a `default` but is dropped | \
         remove `default`, or `personal = \"drop\"`",
    );
    check(
        &file(
            "key = [\"id\"]\n",
            "[field.id]\ntype = \"string\"\ndefault = \"a\"\n",
        ),
        &["2:8 `id` cannot be part of the key: \
           all records with its default would count as one | "],
    );
    check(
        &file(
            "time = \"at\"\n",
            "[field.at]\ntype = \"timestamp\"\ndefault = 1900-01-01T00:00:00Z\n",
        ),
        &[
            "2:8 the default of the time field `at` does not fit: \"1900-01-01T00:00:00Z\" is before \
           the earliest allowed, 1970-01-01T00:00:00Z | \
           times of records are between 1970 and 2099 unless `min` and `max` are declared",
        ],
    );
}

#[test]
fn patterns_and_lengths_are_checked() {
    let field = |lines: &str| file("", &format!("[field.x]\n{lines}"));
    let text = field("type = \"list<string>\"\npattern = '\\d+'\nmin_length = 2\nmax_length = 2\n");
    let contract = parse("x", "x.toml", &text).unwrap();
    let field_x = &contract.fields[0];
    assert_eq!(field_x.pattern.as_ref().map(Pattern::as_str), Some("\\d+"));
    assert_eq!((field_x.min_length, field_x.max_length), (Some(2), Some(2)));
    let help = "it is a regular expression that the whole text must match; \
                a backslash needs 'single quotes' around it";
    check(
        &field("type = \"string\"\npattern = 'é(b'\n"),
        &[&format!(
            "4:13 `pattern` cannot be used: unclosed group | {help}"
        )],
    );
    check(
        &field("type = \"string\"\npattern = \"\\u00e9(b\"\n"),
        &[&format!(
            "4:11 `pattern` cannot be used: unclosed group | {help}"
        )],
    );
    check(
        &field("type = \"integer\"\npattern = 'a'\nmin_length = 1\n"),
        &[
            "5:14 `min_length` does not apply to field `x` | `min_length` is for strings",
            "4:11 `pattern` does not apply to field `x` | `pattern` is for strings",
        ],
    );
    check(
        &field("type = \"string\"\nmin_length = 3\nmax_length = 2\n"),
        &["5:14 `max_length` 2 is below `min_length` 3 | "],
    );
    check(
        &field("type = \"string\"\nmin_length = 0\n"),
        &["4:14 `min_length` must be a whole number of at least 1 | "],
    );
}

#[test]
fn only_strings_are_hashed_and_keys_are_never_dropped() {
    let field = |lines: &str| file("", &format!("[field.x]\n{lines}"));
    let text = field("type = \"string\"\npersonal = \"hash\"\n");
    let contract = parse("x", "x.toml", &text).unwrap();
    assert_eq!(contract.fields[0].personal, Personal::Hash);
    check(
        &field("type = \"integer\"\npersonal = \"hash\"\n"),
        &["4:12 `personal = \"hash\"` does not apply to field `x` | \
           a hash is a text, so only strings and json can be hashed: use \"drop\""],
    );
    check(
        &field("type = \"string\"\npersonal = \"hsh\"\n"),
        &["4:12 `personal` cannot be \"hsh\" | did you mean `hash`?"],
    );
    let at = "[field.at]\ntype = \"timestamp\"\npersonal = \"drop\"\n";
    check(
        &file("key = [\"at\"]\ntime = \"at\"\n", at),
        &[
            "2:8 `at` cannot be part of the key: its values are dropped | ",
            "3:8 the time field `at` is dropped | remove its `personal`, or name another field",
        ],
    );
}

#[test]
fn broken_toml_is_located() {
    let found = parse("x", "x.toml", "title = \n").unwrap_err();
    assert_eq!(
        found[0].line_column("title = \n").map(|(line, _)| line),
        Some(1)
    );
}

#[test]
fn times_have_plausible_or_declared_limits() {
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
fn a_duplicate_key_is_one_error() {
    let check_once = |text: &str, expected: &str| check(text, &[expected]);
    check_once(
        "title = \"T\"\ntitle = \"U\"\n[field.id]\ntype = \"string\"\n",
        "2:1 `title` is defined twice | remove one of the two",
    );
    check_once(
        "title = \"T\"\n[field.id]\ntype = \"string\"\n[field.id]\ntype = \"integer\"\nmin = 1\n",
        "4:8 `id` is defined twice | remove one of the two",
    );
    check_once(
        "title = \"T\"\n[field.id]\ntype = \"string\"\ntype = \"strng\"\n",
        "4:1 `type` is defined twice | remove one of the two",
    );
}

#[test]
fn an_empty_contract_is_invalid() {
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

#[test]
fn notation_is_declared_for_the_contract_and_for_fields() {
    let text = "title = \"T\"\nnull_words = [\"NULL\"]\ndecimal = \",\"\nthousands = \".\"\n\
                zone = \"Europe/Berlin\"\n[field.n]\ntype = \"number\"\n[field.point]\n\
                type = \"number\"\ndecimal = \".\"\n[field.at]\ntype = \"list<timestamp>\"\n\
                format = [\"%d.%m.%Y\", \"epoch_ms\"]\nzone = \"Asia/Tokyo\"\n[field.text]\n\
                type = \"string\"\n[field.any]\ntype = \"json\"\n[field.ok]\ntype = \"boolean\"\n\
                true_words = [\"J\"]\nnull_words = []\n[field.status]\ntype = \"integer\"\n\
                from = \"http.status\"\n";
    let contract = parse("x", "x.toml", text).unwrap();
    let written: Vec<String> = contract
        .fields
        .iter()
        .map(|field| serde_json::to_string(&field.notation).unwrap())
        .collect();
    assert_eq!(
        written,
        [
            r#"{"null_words":["NULL"],"decimal":",","thousands":"."}"#,
            r#"{"null_words":["NULL"],"decimal":"."}"#,
            r#"{"null_words":["NULL"],"zone":"Asia/Tokyo","format":["%d.%m.%Y","epoch_ms"]}"#,
            r#"{"null_words":["NULL"]}"#,
            "{}",
            r#"{"null_words":[],"true_words":["J"]}"#,
            r#"{"null_words":["NULL"],"decimal":",","thousands":"."}"#,
        ]
    );
    let status = &contract.fields[6];
    assert_eq!(
        (status.source_name(), status.name.as_str()),
        ("http.status", "status")
    );
    assert!(
        status.is_within("http") && !status.is_within("htt") && !status.is_within("http.status")
    );
}

#[test]
fn notation_is_checked() {
    let field =
        |kind: &str, lines: &str| file("", &format!("[field.x]\ntype = \"{kind}\"\n{lines}\n"));
    let wrong = |kind: &str, lines: &str, expected: &str| check(&field(kind, lines), &[expected]);
    wrong(
        "number",
        "decimal = \";\"",
        "4:11 `decimal` cannot be \";\" | `decimal` may be: \".\", \",\"",
    );
    wrong(
        "number",
        "thousands = \".\"",
        "4:13 `thousands` and `decimal` are both '.' | \
         with `thousands = \".\"`, write `decimal = \",\"`",
    );
    wrong(
        "number",
        "decimal = \",\"\nthousands = \",\"",
        "5:13 `thousands` and `decimal` are both ',' | \
         with `thousands = \",\"`, write `decimal = \".\"`",
    );
    wrong(
        "string",
        "decimal = \",\"",
        "4:11 `decimal` does not apply to field `x` | `decimal` is for numbers and integers",
    );
    wrong(
        "timestamp",
        "zone = \"Europe/Berlni\"",
        "4:8 `zone` \"Europe/Berlni\" is not a time zone | did you mean `Europe/Berlin`?",
    );
    wrong(
        "timestamp",
        "zone = \"here\"",
        "4:8 `zone` \"here\" is not a time zone | use an IANA name such as \"Europe/Berlin\" or \"UTC\"",
    );
    wrong(
        "timestamp",
        "format = 5",
        "4:10 `format` must be a string or a list of strings, found integer | ",
    );
    wrong(
        "timestamp",
        "format = \"epoch\"",
        "4:10 `format` \"epoch\" has no directive | \
         numbers since 1970 are epoch_s, epoch_ms, epoch_us or epoch_ns",
    );
    wrong(
        "timestamp",
        "format = \"epoch_sec\"",
        "4:10 `format` \"epoch_sec\" has no directive | did you mean `epoch_s`?",
    );
    wrong(
        "number",
        "format = \"%Y\"",
        "4:10 `format` does not apply to field `x` | `format` is for timestamps and dates",
    );
    wrong(
        "boolean",
        "true_words = [\"f\"]",
        "4:14 \"f\" means both true and false | words that are not declared keep their defaults: \
         declare both `true_words` and `false_words`",
    );
    wrong(
        "boolean",
        "true_words = \"J\"",
        "4:14 `true_words` must be a list of strings, found string | ",
    );
    wrong(
        "json",
        "null_words = [\"NULL\"]",
        "4:14 `null_words` does not apply to field `x` | `null_words` is for all types but json and struct",
    );
    wrong(
        "string",
        "from = \"\"",
        "4:8 \"\" is not a valid name of a field in records | ",
    );
    let located = |lines: &str| {
        let text = field("timestamp", lines);
        let found = parse("x", "x.toml", &text).unwrap_err();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0]
                .help
                .as_deref()
                .is_some_and(|help| help.contains("%d %e day"))
        );
        let (line, column) = found[0].line_column(&text).unwrap();
        format!("{line}:{column} {}", found[0].message)
    };
    assert_eq!(
        located("format = \"%d/%i/%Y\""),
        "4:14 `%i` is not a supported directive"
    );
    assert_eq!(
        located("format = [\"%d/%m/%Y\", \"%d %Z\"]"),
        "4:27 `%Z` is not a supported directive"
    );
    assert_eq!(
        located("format = \"%d %\""),
        "4:14 `format` ends in the middle of a directive"
    );
    assert_eq!(
        located("format = \"%d/%m\""),
        "4:10 `format` \"%d/%m\" does not determine the day"
    );
    assert_eq!(
        located("format = \"%d/%m/%Y %I:%M\""),
        "4:10 `format` \"%d/%m/%Y %I:%M\" has a 12-hour clock without AM or PM"
    );
    check(
        "title = \"T\"\nzone = \"Berlin\"\ndecimal = 1\n[field.x]\ntype = \"string\"\n",
        &[
            "3:11 `decimal` must be a string, found integer | ",
            "2:8 `zone` \"Berlin\" is not a time zone | use an IANA name such as \"Europe/Berlin\" or \"UTC\"",
        ],
    );
    check(
        "title = \"T\"\n[field.a]\ntype = \"string\"\n[field.b]\ntype = \"string\"\nfrom = \"a\"\n",
        &["4:8 the fields `a` and `b` both read \"a\" | give one of them another `from`"],
    );
}

#[test]
fn limits_of_times_are_in_the_zone() {
    let text = "title = \"T\"\nzone = \"Europe/Berlin\"\n[field.at]\ntype = \"timestamp\"\n\
                min = 1970-01-02\nmax = 1970-01-02\n[field.day]\ntype = \"date\"\nmin = 1970-01-02\n";
    let contract = parse("x", "x.toml", text).unwrap();
    let at = &contract.fields[0];
    assert_eq!(at.earliest, Some(82_800_000_000));
    assert_eq!(at.latest, Some(82_800_000_000 + 86_400_000_000 - 1));
    assert_eq!(contract.fields[1].earliest, Some(86_400_000_000));
}

#[test]
fn the_hash_depends_on_the_notation() {
    let meaning = |lines: &str| {
        let text = file("", &format!("[field.x]\ntype = \"number\"\n{lines}"));
        parse("x", "x.toml", &text).unwrap().fingerprint()
    };
    // The text that was hashed before contracts could declare a notation.
    let before =
        r#"{"description":"","expect":EXPECT,"fields":[{"allowed":[],"allowed_integers":[],"#;
    let before = before.to_string()
        + r#""default":null,"description":"","earliest":null,"kind":"number","latest":null,"max":null,"#
        + r#""max_length":null,"min":null,"min_length":null,"name":"x","pattern":null,"#
        + r#""personal":"keep","required":false,"unit":null}],"key":[],"latest":null,"name":"x","#
        + r#""time":null,"title":"","unknown":"count"}"#;
    let expect = serde_json::to_string(&Expectation::default()).unwrap();
    let before: serde_json::Value =
        serde_json::from_str(&before.replace("EXPECT", &expect)).unwrap();
    let before = retrocast_domain::canonical::json(&before);
    let before = blake3::hash(before.as_bytes()).to_hex()[..32].to_string();
    assert_eq!(meaning(""), before);
    assert_eq!(meaning("from = \"x\"\n"), meaning(""));
    let others = [
        "decimal = \",\"\n",
        "null_words = [\"NULL\"]\n",
        "from = \"y\"\n",
    ];
    for lines in others {
        assert_ne!(meaning(lines), meaning(""), "{lines}");
    }
}
