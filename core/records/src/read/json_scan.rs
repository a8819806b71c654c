//! Finds the ends of JSON values without parsing them.
//!
//! A scan follows brackets and strings, across buffers. Invalid JSON is detected as soon as it
//! affects the ends of records: a string with a line break, mismatched brackets, an object where a
//! name is expected. A broken record therefore does not affect later records.

/// The layout of the values in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One per line.
    Lines,
    /// In arrays, several per line, or over several lines.
    Values,
}

/// Detects the layout from the first bytes of a file.
pub(super) fn layout(bytes: &[u8]) -> Layout {
    let start = bytes
        .iter()
        .position(|byte| !is_blank(*byte))
        .unwrap_or(bytes.len());
    let bytes = &bytes[start..];
    match bytes.first() {
        Some(b'[') => return Layout::Values,
        Some(b'{') => {}
        _ => return Layout::Lines,
    }
    let line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    match Scan::default().step(bytes) {
        ScanStep::Broken(_) => Layout::Lines,
        ScanStep::End(end) if end > line => Layout::Values,
        ScanStep::End(end) => match bytes[end..line].trim_ascii().first() {
            Some(b',' | b'{' | b'[') => Layout::Values,
            _ => Layout::Lines,
        },
        ScanStep::More if line < bytes.len() => Layout::Values,
        ScanStep::More => Layout::Lines,
    }
}

/// Returns true for JSON whitespace.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Result of scanning a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanStep {
    /// The value continues.
    More,
    /// The value ends before this byte.
    End(usize),
    /// The value is invalid from this byte on.
    Broken(usize),
}

/// A scan of one value, from its first byte on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scan {
    /// Number of open brackets.
    depth: u64,
    /// Kinds of the innermost 128 brackets, 1 for objects; the lowest bit is the innermost.
    objects: u128,
    in_string: bool,
    escaped: bool,
    /// True for a value without brackets and quotes, such as a number.
    bare: bool,
    /// The last structural byte outside strings.
    last_structural: u8,
}

impl Scan {
    /// Scans `bytes`, which continue the bytes scanned so far.
    pub fn step(&mut self, bytes: &[u8]) -> ScanStep {
        let mut position = 0;
        while position < bytes.len() {
            if self.in_string {
                match self.string(bytes, &mut position) {
                    ScanStep::More => continue,
                    step => return step,
                }
            }
            let byte = bytes[position];
            let is_valid = match byte {
                b'"' if !self.bare => {
                    self.in_string = true;
                    true
                }
                b'{' | b'[' if !self.bare => self.open(byte),
                b'}' | b']' if self.depth > 0 => {
                    if !self.close(byte) {
                        return ScanStep::Broken(position);
                    }
                    if self.depth == 0 {
                        return ScanStep::End(position + 1);
                    }
                    true
                }
                b':' | b',' if self.depth > 0 => {
                    self.last_structural = byte;
                    true
                }
                _ if self.depth > 0 => true,
                // Outside brackets: a bare value ends where something else begins.
                b',' | b']' | b'{' | b'[' | b'"' if self.bare => return ScanStep::End(position),
                byte if is_blank(byte) => return ScanStep::End(position),
                _ => {
                    self.bare = true;
                    true
                }
            };
            if !is_valid {
                return ScanStep::Broken(position);
            }
            position += 1;
        }
        ScanStep::More
    }

    /// Advances within a string, past the bytes read.
    fn string(&mut self, bytes: &[u8], position: &mut usize) -> ScanStep {
        if self.escaped && bytes[*position] != b'\n' {
            self.escaped = false;
            *position += 1;
            return ScanStep::More;
        }
        let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[*position..]) else {
            *position = bytes.len();
            return ScanStep::More;
        };
        *position += found + 1;
        match bytes[*position - 1] {
            b'\\' => self.escaped = true,
            b'\n' => return ScanStep::Broken(*position - 1),
            _ => {
                self.in_string = false;
                self.last_structural = b'"';
                if self.depth == 0 {
                    return ScanStep::End(*position);
                }
            }
        }
        ScanStep::More
    }

    /// Opens a bracket; returns false if it is not allowed here.
    fn open(&mut self, byte: u8) -> bool {
        let in_object = self.depth > 0 && self.objects & 1 == 1;
        if in_object && self.last_structural != b':' {
            return false;
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(byte == b'{');
        self.last_structural = byte;
        true
    }

    /// Closes a bracket; returns false if it does not match the open bracket.
    fn close(&mut self, byte: u8) -> bool {
        // A deeper record is refused anyway.
        let is_tracked = self.depth <= 128;
        if is_tracked && (self.objects & 1 == 1) != (byte == b'}') {
            return false;
        }
        self.depth -= 1;
        self.objects >>= 1;
        self.last_structural = byte;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> ScanStep {
        let whole = Scan::default().step(text.as_bytes());
        for cut in 1..text.len() {
            let (left, right) = text.as_bytes().split_at(cut);
            let mut scan = Scan::default();
            let step = match scan.step(left) {
                ScanStep::More => match scan.step(right) {
                    ScanStep::End(end) => ScanStep::End(cut + end),
                    ScanStep::Broken(at) => ScanStep::Broken(cut + at),
                    ScanStep::More => ScanStep::More,
                },
                step => step,
            };
            assert_eq!(step, whole, "{text:?} cut at {cut}");
        }
        whole
    }

    #[test]
    fn ends_of_values_are_found() {
        assert_eq!(step(r#"{"a":[1,{"b":"}\"]\\"}]}, {"#), ScanStep::End(24));
        assert_eq!(step("{\n \"a\": 1\n}\n"), ScanStep::End(11));
        assert_eq!(step("[[],{}]]"), ScanStep::End(7));
        assert_eq!(step("17,"), ScanStep::End(2));
        assert_eq!(step("tru]"), ScanStep::End(3));
        assert_eq!(step("null\n"), ScanStep::End(4));
        assert_eq!(step(r#""a,\"b" ,"#), ScanStep::End(7));
        assert_eq!(step("}"), ScanStep::More);
        assert_eq!(step(r#"{"a":1"#), ScanStep::More);
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        assert_eq!(Scan::default().step(deep.as_bytes()), ScanStep::End(600));
    }

    #[test]
    fn invalid_json_is_located() {
        assert_eq!(step("{\"a\":\"b\n"), ScanStep::Broken(7));
        assert_eq!(step("{\"a\":\"b\\\n"), ScanStep::Broken(8));
        assert_eq!(step(r#"{"a":[1}"#), ScanStep::Broken(7));
        assert_eq!(step(r#"{"a":1,{"#), ScanStep::Broken(7));
        assert_eq!(step("{\"a\":{\"b\":1},\n{"), ScanStep::Broken(14));
    }

    #[test]
    fn the_layout_is_detected_from_the_first_bytes() {
        let check = |text: &str, expected: Layout| {
            assert_eq!(layout(text.as_bytes()), expected, "{text:?}");
        };
        check("", Layout::Lines);
        check("\n [", Layout::Values);
        check("{\"a\":1}\n{\"a\":2}\n", Layout::Lines);
        check("{\"a\":1} x\n{\"a\":2}\n", Layout::Lines);
        check("{\"a\":1}", Layout::Lines);
        check("{\"a\":1}{\"a\":2}", Layout::Values);
        check("{\"a\":1},\n{\"a\":2}", Layout::Values);
        check("{\n \"a\":1}\n", Layout::Values);
        check("{\"a\":[\n{}]}\n", Layout::Values);
        // Lines; the first is broken.
        check("{\"a\":5,\n{\"a\":2}\n", Layout::Lines);
        check("{\"a\":\"b\n{\"a\":2}\n", Layout::Lines);
        check("nonsense\n{\"a\":2}\n", Layout::Lines);
    }
}
