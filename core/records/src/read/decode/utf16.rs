//! Converts UTF-16, in which spreadsheets save text, to UTF-8.

use std::io::{self, Read};

/// Byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// Detects a byte-order mark.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xFF, 0xFE, ..] => Some(Self::Little),
            [0xFE, 0xFF, ..] => Some(Self::Big),
            _ => None,
        }
    }

    fn unit(self, pair: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(pair),
            Self::Big => u16::from_be_bytes(pair),
        }
    }
}

/// A byte that never occurs in UTF-8. It replaces invalid UTF-16, so that the record is refused as
/// invalid text instead of being misread.
const NO_TEXT: u8 = 0xFF;

/// Reads UTF-16 bytes as UTF-8 text, without the byte-order mark.
pub(super) struct Transcoder<R> {
    inner: R,
    order: Order,
    /// Bytes of an incomplete character: half a code unit, or half a surrogate pair.
    left: Vec<u8>,
    text: Vec<u8>,
    given: usize,
    begun: bool,
}

impl<R: Read> Transcoder<R> {
    pub fn new(inner: R, order: Order) -> Self {
        Self {
            inner,
            order,
            left: Vec::new(),
            text: Vec::new(),
            given: 0,
            begun: false,
        }
    }

    /// Reads and converts more; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let mut chunk = vec![0; 64 << 10];
        let read = self.inner.read(&mut chunk)?;
        let ended = read == 0;
        let mut bytes = std::mem::take(&mut self.left);
        bytes.extend_from_slice(&chunk[..read]);
        self.text.clear();
        self.given = 0;
        let mut at = 0;
        while let Some(&[first, second]) = bytes.get(at..at + 2) {
            let unit = self.order.unit([first, second]);
            let low = bytes.get(at + 2..at + 4);
            let low = low.map(|pair| self.order.unit([pair[0], pair[1]]));
            match (unit, low) {
                (0xD800..=0xDBFF, None) if !ended => break,
                (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) => {
                    let high = u32::from(unit - 0xD800) << 10;
                    self.push(0x1_0000 + high + u32::from(low - 0xDC00));
                    at += 4;
                }
                _ => {
                    // Skips the byte-order mark.
                    if self.begun || unit != 0xFEFF {
                        self.push(u32::from(unit));
                    }
                    at += 2;
                }
            }
            self.begun = true;
        }
        if ended && at < bytes.len() {
            self.text.push(NO_TEXT);
            return Ok(true);
        }
        self.left = bytes.split_off(at);
        Ok(!ended || !self.text.is_empty())
    }

    fn push(&mut self, character: u32) {
        match char::from_u32(character) {
            Some(character) => {
                let mut utf8 = [0; 4];
                self.text
                    .extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
            }
            None => self.text.push(NO_TEXT),
        }
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if !self.more()? {
                return Ok(0);
            }
        }
        let rest = &self.text[self.given..];
        let n = out.len().min(rest.len());
        out[..n].copy_from_slice(&rest[..n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_being_cut_anywhere() {
        let text = "id,größe\n1,日本 😀\n";
        for order in [Order::Little, Order::Big] {
            let bytes: Vec<u8> = std::iter::once(0xFEFF)
                .chain(text.encode_utf16())
                .flat_map(|unit| match order {
                    Order::Little => unit.to_le_bytes(),
                    Order::Big => unit.to_be_bytes(),
                })
                .collect();
            assert_eq!(Order::of(&bytes), Some(order));
            for cut in 0..bytes.len() {
                let (left, right) = bytes.split_at(cut);
                let mut read = String::new();
                Transcoder::new(left.chain(right), order)
                    .read_to_string(&mut read)
                    .unwrap();
                assert_eq!(read, text, "cut at {cut}");
            }
        }
    }

    #[test]
    fn halves_of_characters_are_not_text() {
        let read = |bytes: &[u8]| {
            let mut out = Vec::new();
            Transcoder::new(bytes, Order::Little)
                .read_to_end(&mut out)
                .unwrap();
            out
        };
        // A lone high surrogate, a lone low surrogate, half a code unit.
        assert_eq!(read(b"\xFF\xFE\x3D\xD8a\0"), b"\xFFa");
        assert_eq!(read(b"\xFF\xFE\x00\xDEa\0"), b"\xFFa");
        assert_eq!(read(b"\xFF\xFEa\0b"), b"a\xFF");
        assert_eq!(read(b"\xFF\xFE\x3D\xD8"), b"\xFF");
    }
}
