//! Records designed to break programs: strings with a meaning to some interpreter, and lines that
//! violate their contract.

use crate::{Error, output::SourceWriter, random::Random, truth::reason};

/// Strings that some programs interpret as code, markup or control characters, and that must be
/// plain text in a report.
pub(crate) const TEXTS: [&str; 18] = [
    "#read(\"secret.txt\")",
    "</script><script>alert(1)</script>",
    "=cmd('/C calc')!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "שלום עולם, مرحبا بالعالم",
    "\u{202e}gnp.eciovni",
    "bell \u{7} and escape \u{1b}[31mred\u{1b}[0m",
    "null \u{0} byte",
    "導入が失敗しました 数据丢失 데이터 없음",
    "🚚📦 delivery 👩\u{200d}👩\u{200d}👧\u{200d}👦 stuck",
    "{{ 7 * 7 }} ${7*7} <%= 7 %> %s%n",
    "'; drop table tickets; --",
    "../../../../etc/passwd",
    "\u{feff}zero\u{200b}width",
    "$ #set page(width: 1pt) $ *bold* _it_ `raw` \\ @ref <label>",
    "\r\nBcc: everyone@example.org",
    "Ω≈ç√∫ ½ ﬁ Å Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘",
    "<img src=x onerror=alert(1)>",
];

/// A way in which a line of JSON violates its contract.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flaw {
    /// The second half of the line is missing.
    Truncated,
    /// The line is a message of another program.
    Garbage,
    /// A string contains bytes that are not UTF-8.
    InvalidUtf8(&'static str),
    /// A string contains a raw null byte.
    RawNull(&'static str),
    /// A new field `payload`, valid by the contract, is nested deeper than parsers allow.
    DeepNesting,
    /// The value of a field is replaced: field, new value as JSON, and reason for quarantine.
    Value(&'static str, &'static str, &'static str),
    /// A field is missing.
    MissingField(&'static str),
    /// A string is a million characters long.
    LongText(&'static str),
}

/// Depth of nesting, above the 128 levels at which JSON parsers stop.
const DEPTH: usize = 200;

impl Flaw {
    /// Returns the line with the flaw, and the reason for quarantine.
    pub(crate) fn apply(self, line: &str) -> (Vec<u8>, &'static str) {
        match self {
            Flaw::Truncated => {
                let mut end = line.len() / 2;
                while !line.is_char_boundary(end) {
                    end += 1;
                }
                (line.as_bytes()[..end].to_vec(), reason::BROKEN)
            }
            Flaw::Garbage => (
                b"ERROR upstream closed the connection (104)".to_vec(),
                reason::BROKEN,
            ),
            Flaw::InvalidUtf8(key) => {
                let mut flawed = with_value(line, key, "\"caf?\"");
                if let Some(index) = flawed.windows(4).position(|bytes| bytes == b"caf?") {
                    flawed[index + 3] = 0xe9;
                }
                (flawed, reason::INVALID_TEXT)
            }
            Flaw::RawNull(key) => (with_value(line, key, "\"a\0b\""), reason::BROKEN),
            Flaw::DeepNesting => {
                let open = "[".repeat(DEPTH);
                let close = "]".repeat(DEPTH);
                let remaining = line.strip_prefix('{').unwrap_or(line);
                (
                    format!("{{\"payload\":{open}{close},{remaining}").into_bytes(),
                    reason::BROKEN,
                )
            }
            Flaw::Value(key, value, reason) => (with_value(line, key, value), reason),
            Flaw::MissingField(key) => (without(line, key), reason::MISSING),
            Flaw::LongText(key) => {
                let value = format!("\"{}\"", "long ".repeat(200_000));
                (with_value(line, key, &value), reason::TOO_LONG)
            }
        }
    }
}

/// Replaces the value of a field that is a string, a number or null.
fn with_value(line: &str, key: &str, value: &str) -> Vec<u8> {
    let name = format!("\"{key}\":");
    let Some(index) = line.find(&name) else {
        return line.as_bytes().to_vec();
    };
    let start = index + name.len();
    let end = start + value_length(&line[start..]);
    [&line[..start], value, &line[end..]].concat().into_bytes()
}

/// Removes a field that is not the last.
fn without(line: &str, key: &str) -> Vec<u8> {
    let name = format!("\"{key}\":");
    let Some(index) = line.find(&name) else {
        return line.as_bytes().to_vec();
    };
    let start = index + name.len();
    let end = start + value_length(&line[start..]);
    let remaining = line[end..].strip_prefix(',').unwrap_or(&line[end..]);
    [&line[..index], remaining].concat().into_bytes()
}

/// Length in bytes of the string, number or null at the start of JSON text.
fn value_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return bytes
            .iter()
            .position(|b| matches!(b, b',' | b'}'))
            .unwrap_or(bytes.len());
    }
    let mut index = 1;
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 2,
            b'"' => return index + 1,
            _ => index += 1,
        }
    }
    bytes.len()
}

/// Writes a day's share of flawed lines; `flaws_so_far` makes the flaws alternate. With
/// `every_flaw`, each flaw occurs once more. `write_valid` writes a new valid line.
pub(crate) fn write_flawed_records(
    output: &mut SourceWriter,
    random: &mut Random,
    flaws_so_far: &mut usize,
    expected: f64,
    every_flaw: bool,
    flaws: &[Flaw],
    mut write_valid: impl FnMut(&mut Random, &mut Vec<u8>),
) -> Result<(), Error> {
    let count = random.poisson(expected) as usize;
    let mut line = Vec::new();
    let mut write = |output: &mut SourceWriter, random: &mut Random, flaw: Flaw| {
        line.clear();
        write_valid(random, &mut line);
        let (flawed, reason) = flaw.apply(&String::from_utf8_lossy(&line));
        output.reject(&flawed, reason)
    };
    for _ in 0..count {
        let flaw = flaws[*flaws_so_far % flaws.len()];
        *flaws_so_far += 1;
        // Strings of a million characters occur only once.
        if !matches!(flaw, Flaw::LongText(_)) {
            write(output, random, flaw)?;
        }
    }
    if every_flaw {
        for flaw in flaws {
            write(output, random, *flaw)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"id":"T-1","n":4.5,"title":"a \"quoted\", {x}","tags":["x"]}"#;

    fn check(flaw: Flaw, expected_start: &str, expected_reason: &str, is_json: bool) {
        let (line, reason) = flaw.apply(LINE);
        let text = String::from_utf8_lossy(&line);
        assert!(text.starts_with(expected_start), "{text}");
        assert_eq!(reason, expected_reason);
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&line).is_ok(),
            is_json,
            "{text}"
        );
    }

    #[test]
    fn flaws_change_json_as_documented() {
        check(Flaw::Truncated, r#"{"id":"T-1""#, reason::BROKEN, false);
        check(Flaw::Garbage, "ERROR", reason::BROKEN, false);
        check(
            Flaw::RawNull("title"),
            r#"{"id":"T-1","n":4.5,"title":"a"#,
            reason::BROKEN,
            false,
        );
        check(
            Flaw::InvalidUtf8("title"),
            r#"{"id":"T-1","n":4.5,"title":"caf"#,
            reason::INVALID_TEXT,
            false,
        );
        check(
            Flaw::DeepNesting,
            r#"{"payload":[[[["#,
            reason::BROKEN,
            false,
        );
        check(
            Flaw::Value("n", "\"x\"", reason::WRONG_TYPE),
            r#"{"id":"T-1","n":"x","#,
            reason::WRONG_TYPE,
            true,
        );
        check(
            Flaw::Value("title", "17", reason::WRONG_TYPE),
            r#"{"id":"T-1","n":4.5,"title":17,"tags""#,
            reason::WRONG_TYPE,
            true,
        );
        check(
            Flaw::MissingField("id"),
            r#"{"n":4.5"#,
            reason::MISSING,
            true,
        );
        check(
            Flaw::LongText("title"),
            r#"{"id":"T-1","n":4.5,"title":"long long"#,
            reason::TOO_LONG,
            true,
        );
    }
}
