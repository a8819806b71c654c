//! Converts bytes of a repository to text of records.

use std::fmt::Write;

/// Converts text for readers, such as a message: bytes that are not UTF-8 are written `\xHH`.
pub fn to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            escape(&mut text, *byte);
        }
    }
    text
}

/// Converts names and paths so that distinct bytes give distinct text: bytes that are not UTF-8 are
/// written `\xHH`, and a backslash that would read as such an escape is escaped, too.
pub fn to_unique_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(index) = rest.iter().position(|byte| *byte == b'\\') {
        text.push_str(&to_text(&rest[..index]));
        rest = &rest[index + 1..];
        if reads_as_escape(rest) {
            escape(&mut text, b'\\');
        } else {
            text.push('\\');
        }
    }
    text.push_str(&to_text(rest));
    text
}

/// Returns true if a backslash before the bytes would read as an escape.
fn reads_as_escape(after: &[u8]) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    after.len() >= 3 && after[0] == b'x' && after[1..3].iter().all(is_digit)
}

fn escape(text: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\\x{byte:02X}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_stay_distinguishable() {
        assert_eq!(to_unique_text("Grüße.txt".as_bytes()), "Grüße.txt");
        assert_eq!(to_unique_text(b"caf\xe9.txt"), "caf\\xE9.txt");
        assert_eq!(to_unique_text(b"caf\\xE9.txt"), "caf\\x5CxE9.txt");
        assert_eq!(
            to_unique_text(b"C:\\xe9\\new"),
            "C:\\xe9\\new",
            "lower-case digits are not an escape"
        );
        assert_eq!(to_unique_text(b"a\\"), "a\\");
        assert_eq!(to_unique_text(b"\\\xe9"), "\\\\xE9");
        assert_eq!(to_unique_text(b"\xff\xfe\xe2\x82"), "\\xFF\\xFE\\xE2\\x82");
        assert_eq!(to_text(b"say \\xE9 \xe9"), "say \\xE9 \\xE9");
    }
}
