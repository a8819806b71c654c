//! Bytes of a repository as text of records.

use std::fmt::Write;

/// Encoding of a commit's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The default of git.
    Utf8,
    /// ISO 8859-1: every byte is the character of that number.
    Latin1,
    /// ISO 8859-15: Latin-1 with the euro sign.
    Latin9,
    /// Windows code page 1252: Latin-1 with typographic marks.
    Windows1252,
}

/// Characters of ISO 8859-15 that differ from ISO 8859-1.
const LATIN9: [(u8, char); 8] = [
    (0xA4, '€'),
    (0xA6, 'Š'),
    (0xA8, 'š'),
    (0xB4, 'Ž'),
    (0xB8, 'ž'),
    (0xBC, 'Œ'),
    (0xBD, 'œ'),
    (0xBE, 'Ÿ'),
];

/// Bytes 80 to 9F of code page 1252; NUL where it has none.
const WINDOWS_1252: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘',
    '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

impl Encoding {
    /// The encoding named in an `encoding` header; unknown ones are read as UTF-8.
    pub fn named(name: &[u8]) -> Self {
        let plain: String = name
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(|byte| byte.to_ascii_lowercase() as char)
            .collect();
        match plain.as_str() {
            "iso88591" | "latin1" | "l1" | "88591" => Self::Latin1,
            "iso885915" | "latin9" | "885915" => Self::Latin9,
            "windows1252" | "cp1252" => Self::Windows1252,
            _ => Self::Utf8,
        }
    }

    fn character(self, byte: u8) -> Option<char> {
        match self {
            Self::Windows1252 if (0x80..0xA0).contains(&byte) => {
                Some(WINDOWS_1252[usize::from(byte - 0x80)]).filter(|found| *found != '\0')
            }
            Self::Latin9 => LATIN9
                .iter()
                .find(|(from, _)| *from == byte)
                .map_or(Some(char::from(byte)), |(_, to)| Some(*to)),
            _ => Some(char::from(byte)),
        }
    }
}

/// Text for people, such as a message: what cannot be decoded is written `\xHH`.
pub fn prose(bytes: &[u8], encoding: Encoding) -> String {
    decode(bytes, encoding, false)
}

/// Decodes text that identifies something, such as a name or a path: different bytes give different
/// text. Undecodable bytes are written as `\xHH`, and so is a backslash that would read as such an
/// escape.
pub fn exact(bytes: &[u8], encoding: Encoding) -> String {
    decode(bytes, encoding, true)
}

fn decode(bytes: &[u8], encoding: Encoding, exact: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    if encoding == Encoding::Utf8 {
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            chunk
                .invalid()
                .iter()
                .for_each(|byte| escape(&mut text, *byte));
        }
    } else {
        for byte in bytes {
            match encoding.character(*byte) {
                Some(character) => text.push(character),
                None => escape(&mut text, *byte),
            }
        }
    }
    if exact && bytes.contains(&b'\\') {
        return decode_with_backslashes(bytes, encoding);
    }
    text
}

/// Like `decode`, with backslashes escaped before `xHH`.
fn decode_with_backslashes(bytes: &[u8], encoding: Encoding) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        text.push_str(&decode(&rest[..at], encoding, false));
        rest = &rest[at + 1..];
        if reads_as_escape(rest) {
            escape(&mut text, b'\\');
        } else {
            text.push('\\');
        }
    }
    text.push_str(&decode(rest, encoding, false));
    text
}

/// Returns true if a backslash followed by this would read as an escape.
fn reads_as_escape(after: &[u8]) -> bool {
    let capital = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    after.len() >= 3 && after[0] == b'x' && after[1..3].iter().all(capital)
}

fn escape(text: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\\x{byte:02X}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_is_told_apart() {
        let name = |bytes: &[u8]| exact(bytes, Encoding::Utf8);
        assert_eq!(name("Grüße.txt".as_bytes()), "Grüße.txt");
        assert_eq!(name(b"caf\xe9.txt"), "caf\\xE9.txt");
        assert_eq!(name(b"caf\\xE9.txt"), "caf\\x5CxE9.txt");
        assert_eq!(
            name(b"C:\\xe9\\new"),
            "C:\\xe9\\new",
            "small digits are no escape"
        );
        assert_eq!(name(b"a\\"), "a\\");
        assert_eq!(name(b"\\\xe9"), "\\\\xE9");
        assert_eq!(name(b"\xff\xfe\xe2\x82"), "\\xFF\\xFE\\xE2\\x82");
        assert_eq!(prose(b"say \\xE9 \xe9", Encoding::Utf8), "say \\xE9 \\xE9");
    }

    #[test]
    fn headers_name_encodings() {
        let named = |name: &str| Encoding::named(name.as_bytes());
        assert_eq!(named("ISO-8859-1"), Encoding::Latin1);
        assert_eq!(named("latin-1"), Encoding::Latin1);
        assert_eq!(named("iso8859-15"), Encoding::Latin9);
        assert_eq!(named("CP1252"), Encoding::Windows1252);
        assert_eq!(named("Shift_JIS"), Encoding::Utf8);
        assert_eq!(prose(b"Gr\xfc\xdfe \xa4", Encoding::Latin1), "Grüße ¤");
        assert_eq!(prose(b"10 \xa4", Encoding::Latin9), "10 €");
        assert_eq!(
            prose(b"\x93a\x94 \x81 \x80", Encoding::Windows1252),
            "“a” \\x81 €"
        );
    }
}
