use super::*;
use crate::{
    contract::{self, Contract},
    read::{column, extra_fields::ExtraFields, pseudonyms::Pseudonyms, value::json},
};
use std::sync::Arc;

const CONTRACT: &str = "title = \"T\"\n[field.a]\ntype = \"string\"\nmax_length = 12\n\
    [field.b]\ntype = \"integer\"\nrequired = true\nmax = 100\n[field.c]\ntype = \"number\"\n\
    [field.d]\ntype = \"boolean\"\n[field.e]\ntype = \"timestamp\"\n[field.f]\ntype = \"date\"\n\
    [field.g]\ntype = \"integer\"\ndefault = 7\n";

/// The same fields, with every declaration of notation.
const WITH_NOTATION: &str = "title = \"T\"\nnull_words = [\"NULL\"]\ndecimal = \",\"\nzone = \"Europe/Berlin\"\n\
    [field.a]\ntype = \"string\"\nmax_length = 12\n[field.b]\ntype = \"integer\"\nrequired = true\n\
    max = 100\n[field.c]\ntype = \"number\"\nfrom = \"c.d\"\n[field.d]\ntype = \"boolean\"\n\
    true_words = [\"J\", \"2\"]\n[field.e]\ntype = \"timestamp\"\nformat = [\"%d.%m.%Y %H:%M\", \"epoch_s\"]\n\
    [field.f]\ntype = \"date\"\nformat = \"%Y%m%d\"\n[field.g]\ntype = \"integer\"\ndefault = 7\n";

fn contract() -> Contract {
    contract::parse("t", "t.toml", CONTRACT).unwrap()
}

/// Compares both parsers on a line: the fast path may decline, but must not differ.
fn check(line: &str) -> bool {
    check_under(&contract(), line)
}

fn check_under(contract: &Contract, line: &str) -> bool {
    let pseudonyms = Arc::new(Pseudonyms::new("", None));
    let row = |read: &mut dyn FnMut(&mut [Column]) -> bool| {
        let mut columns = column::columns(&contract.fields, &pseudonyms);
        // A preceding row, which must not change.
        for (field, column) in contract.fields.iter().zip(&mut columns) {
            match field.name.as_str() {
                "b" => column.push_integer(1),
                _ => column.push_null(),
            }
        }
        let read = read(&mut columns);
        (read, column::batch(columns, &contract.fields).unwrap())
    };
    let fast = row(&mut |columns| FastPath::default().read_record(line, &contract.fields, columns));
    let general = row(&mut |columns| {
        let mut extra_fields = ExtraFields::new(contract.unknown);
        json::read_record(line, &contract.fields, columns, &mut extra_fields).is_ok()
    });
    if fast.0 {
        assert_eq!(fast, general, "{line}");
    } else {
        assert_eq!(fast.1.unwrap().num_rows(), 1, "{line}");
    }
    fast.0
}

#[test]
fn the_fast_path_agrees_with_the_general_parser() {
    for line in [
        r#"{"a":"x","b":1,"c":2.50,"d":true,"e":"2026-01-01T00:00:00Z","f":"2026-01-01","g":3}"#,
        r#"{"b":-99}"#,
        " {\t\"g\" : null , \"b\" : 0 }  ",
        r#"{"c":0.1,"b":5,"a":"ä€𝄞"}"#,
        r#"{"c":123456789012345678,"b":5,"a":""}"#,
        r#"{"c":0.30000000000000004,"b":5,"a":"0123456789"}"#,
        r#"{"c":-0.0,"b":5,"d":false,"a":null}"#,
        r#"{"c":1234567890123456789012345.678901234567890,"b":5}"#,
    ] {
        assert!(check(line), "{line}");
    }
}

#[test]
fn other_records_are_declined() {
    for line in [
        "",
        "{}",
        "[]",
        "{",
        r#"{"b":1"#,
        r#"{"b":1}}"#,
        r#"{"b":1,}"#,
        r#"{"b":1,"b":2}"#,
        r#"{"b":1,"z":2}"#,
        r#"{"b":01}"#,
        r#"{"b":-}"#,
        r#"{"b":-0}"#,
        r#"{"b":1.}"#,
        r#"{"b":.5}"#,
        r#"{"b":1e2}"#,
        r#"{"b":1,"c":1E5}"#,
        r#"{"b":101}"#,
        r#"{"b":"1"}"#,
        r#"{"b":99999999999999999999}"#,
        r#"{"b":1,"a":"\u00e4"}"#,
        r#"{"b":1,"a":"\""}"#,
        "{\"b\":1,\"a\":\"\u{1}\"}",
        "{\"b\":1,\"a\":\"a longer\u{1f} text\"}",
        r#"{"b":1,"a":"longer than twelve"}"#,
        r#"{"b":1,"a":[]}"#,
        r#"{"b":1,"a":{"b":1}}"#,
        r#"{"b":1,"d":tru}"#,
        r#"{"b":1,"d":nul"#,
        r#"{"a":"x"}"#,
        r#"{"b":1,"e":"yesterday"}"#,
        r#"{"b" 1}"#,
        r"{'b':1}",
        r"{b:1}",
    ] {
        assert!(!check(line), "{line}");
    }
}

#[test]
fn truncated_and_changed_records_agree() {
    let line = r#"{"a":"x y","b":12,"c":-2.5,"d":true,"e":"2026-01-01T00:00:00Z","g":null}"#;
    for at in 0..line.len() {
        check(&line[..at]);
        for byte in [
            b'"', b'\\', b'}', b'{', b',', b':', b'0', b'-', b'.', b' ', b'e', 1,
        ] {
            let mut bytes = line.as_bytes().to_vec();
            bytes[at] = byte;
            check(std::str::from_utf8(&bytes).unwrap());
            bytes.insert(at, byte);
            check(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

#[test]
fn declared_notations_agree() {
    let contract = contract::parse("t", "t.toml", WITH_NOTATION).unwrap();
    for (line, expected) in [
        (
            r#"{"b":"1,0","c.d":"1.299,5","d":"J","e":"04.03.2026 05:06","f":"20260304","g":"NULL"}"#,
            true,
        ),
        (
            r#"{"b":1,"c.d":1.5,"d":2,"e":1772600767.097,"f":20260304}"#,
            true,
        ),
        (
            r#"{"b":"99","a":"NULL","d":"f","e":"1772600767","c.d":""}"#,
            true,
        ),
        (r#"{"b":0,"d":false,"e":-1,"f":"NULL"}"#, true),
        (r#"{"b":0,"d":0,"e":1e9}"#, false),
        (r#"{"b":0,"c":{"d":"1,5"}}"#, false),
        (r#"{"b":0,"c.d":"1.5"}"#, false),
        (r#"{"b":"NULL"}"#, false),
        (r#"{"b":0,"d":1}"#, false),
    ] {
        for at in 0..line.len() {
            assert!(!check_under(&contract, &line[..at]), "{line}");
        }
        assert_eq!(check_under(&contract, line), expected, "{line}");
    }
    let default_contract = contract::parse("t", "t.toml", CONTRACT).unwrap();
    for (line, expected) in [
        (r#"{"b":1,"c":"NULL","d":"yes","e":"","f":"n/a"}"#, true),
        (
            r#"{"b":1,"d":0,"e":"2026-03-04 05:06:07 UTC","f":"2026/03/04"}"#,
            true,
        ),
        (r#"{"b":1,"d":2}"#, false),
        (r#"{"b":1,"e":1772600767}"#, false),
        (r#"{"b":1,"c":"1.5"}"#, false),
    ] {
        assert_eq!(check_under(&default_contract, line), expected, "{line}");
    }
}

#[test]
fn the_fast_path_is_disabled_if_it_rarely_succeeds() {
    let contract = contract();
    let mut columns = column::columns(&contract.fields, &Arc::new(Pseudonyms::new("", None)));
    let mut fast_path = FastPath::default();
    for _ in 0..1000 {
        assert!(!fast_path.read_record(r#"{"b":1,"z":1}"#, &contract.fields, &mut columns));
    }
    assert_eq!(fast_path.attempts, ATTEMPTS_MIN);
}

#[test]
fn the_first_special_byte_is_found() {
    let mut numbers = 1_u64;
    for _ in 0..200_000 {
        numbers = numbers
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Mostly ordinary bytes, so that the first special byte may be at any position.
        let bytes: [u8; 8] = numbers.rotate_left(17).to_le_bytes();
        let bytes = bytes.map(|byte| if byte % 3 == 0 { byte } else { byte | 0x61 });
        let expected = bytes
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        let found = special_bytes(u64::from_le_bytes(bytes));
        let found = (found != 0).then(|| found.trailing_zeros() as usize / 8);
        assert_eq!(found, expected, "{bytes:?}");
    }
}
