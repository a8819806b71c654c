//! The syntax of the values in a PDF: dictionaries, arrays, names, strings, numbers and references.

/// Maximum depth of nested values.
const DEPTH_MAX: u8 = 16;

/// A value.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Dictionary(Vec<(&'a [u8], Value<'a>)>),
    Array(Vec<Value<'a>>),
    Name(&'a [u8]),
    Text(Vec<u8>),
    Integer(u64),
    /// Number of an object.
    Reference(u64),
    /// A boolean, null or another number.
    Other,
}

impl<'a> Value<'a> {
    /// Returns the value of a key, if this is a dictionary with the key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dictionary(entries) = self else {
            return None;
        };
        let mut entries = entries.iter();
        entries.find_map(|(name, value)| (*name == key.as_bytes()).then_some(value))
    }

    pub(super) fn array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn reference(&self) -> Option<u64> {
        match self {
            Self::Reference(number) => Some(*number),
            _ => None,
        }
    }
}

/// Reads values, starting at a position.
pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    position: usize,
}

fn is_space(byte: u8) -> bool {
    byte == 0 || byte == 12 || byte.is_ascii_whitespace()
}

fn is_delimiter(byte: u8) -> bool {
    b"()<>[]{}/%".contains(&byte)
}

impl<'a> Parser<'a> {
    pub(super) fn at(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.position += 1;
        }
    }

    /// Skips the `expected` bytes and returns true if they are next, without spaces before them.
    fn skip(&mut self, expected: &[u8]) -> bool {
        let remaining = self.bytes.get(self.position..).unwrap_or_default();
        let is_next = remaining.starts_with(expected);
        if is_next {
            self.position += expected.len();
        }
        is_next
    }

    /// Skips a keyword and returns true if it is next.
    pub(super) fn keyword(&mut self, word: &[u8]) -> bool {
        let start = self.position;
        self.skip_spaces();
        let is_next = self.word() == word;
        if !is_next {
            self.position = start;
        }
        is_next
    }

    /// The bytes up to a space or a delimiter.
    fn word(&mut self) -> &'a [u8] {
        let remaining = self.bytes.get(self.position..).unwrap_or_default();
        let length = remaining
            .iter()
            .position(|byte| is_space(*byte) || is_delimiter(*byte));
        let word = &remaining[..length.unwrap_or(remaining.len())];
        self.position += word.len();
        word
    }

    /// Skips the end of the line, and takes the next bytes.
    pub(super) fn take_after_line_end(&mut self, length: usize) -> Option<&'a [u8]> {
        while self.skip(b" ") || self.skip(b"\r") {}
        self.skip(b"\n");
        let bytes = self
            .bytes
            .get(self.position..self.position.checked_add(length)?)?;
        self.position += length;
        Some(bytes)
    }

    /// Reads the next value; `None` if it is damaged or nests too deeply.
    pub(super) fn value(&mut self) -> Option<Value<'a>> {
        self.nested_value(0)
    }

    fn nested_value(&mut self, depth: u8) -> Option<Value<'a>> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.skip_spaces();
        if self.skip(b"<<") {
            return self.dictionary(depth);
        }
        match self.peek()? {
            b'[' => {
                self.position += 1;
                self.array(depth)
            }
            b'/' => {
                self.position += 1;
                Some(Value::Name(self.word()))
            }
            b'(' => self.literal(),
            b'<' => self.hexadecimal(),
            byte if is_delimiter(byte) => None,
            _ => Some(self.number_or_keyword()),
        }
    }

    fn dictionary(&mut self, depth: u8) -> Option<Value<'a>> {
        let mut entries = Vec::new();
        loop {
            self.skip_spaces();
            if self.skip(b">>") {
                return Some(Value::Dictionary(entries));
            }
            if !self.skip(b"/") {
                return None;
            }
            let name = self.word();
            entries.push((name, self.nested_value(depth + 1)?));
        }
    }

    fn array(&mut self, depth: u8) -> Option<Value<'a>> {
        let mut values = Vec::new();
        loop {
            self.skip_spaces();
            if self.skip(b"]") {
                return Some(Value::Array(values));
            }
            values.push(self.nested_value(depth + 1)?);
        }
    }

    /// Reads a string in parentheses. Escapes other than those of single characters are kept
    /// unchanged: names of attached files have none.
    fn literal(&mut self) -> Option<Value<'a>> {
        let (mut text, mut open) = (Vec::new(), 0u32);
        loop {
            let byte = self.peek()?;
            self.position += 1;
            match byte {
                b'(' => {
                    open += 1;
                    if open == 1 {
                        continue;
                    }
                }
                b')' => {
                    open -= 1;
                    if open == 0 {
                        return Some(Value::Text(text));
                    }
                }
                b'\\' => {
                    text.push(self.peek()?);
                    self.position += 1;
                    continue;
                }
                _ => {}
            }
            text.push(byte);
        }
    }

    /// Skips a hexadecimal string; no string that is read here has this form.
    fn hexadecimal(&mut self) -> Option<Value<'a>> {
        let remaining = self.bytes.get(self.position..)?;
        self.position += remaining.iter().position(|byte| *byte == b'>')? + 1;
        Some(Value::Other)
    }

    fn number_or_keyword(&mut self) -> Value<'a> {
        let Some(number) = integer(self.word()) else {
            return Value::Other;
        };
        // `12 0 R` is a reference.
        let end = self.position;
        self.skip_spaces();
        if integer(self.word()).is_some() && self.keyword(b"R") {
            return Value::Reference(number);
        }
        self.position = end;
        Value::Integer(number)
    }
}

fn integer(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
