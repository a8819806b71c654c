//! Converts UTF-16, the encoding of text saved by some spreadsheets, to UTF-8.

use std::io::{self, Read};

/// Byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// Detects a byte-order mark.
    pub fn detect(head: &[u8]) -> Option<Self> {
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
const INVALID_BYTE: u8 = 0xFF;

/// Reads UTF-16 bytes as UTF-8 text, without the byte-order mark.
pub(super) struct Transcoder<R> {
    inner: R,
    order: ByteOrder,
    /// Bytes of an incomplete character: half a code unit, or half a surrogate pair.
    incomplete: Vec<u8>,
    text: Vec<u8>,
    delivered: usize,
    started: bool,
}

impl<R: Read> Transcoder<R> {
    pub fn new(inner: R, order: ByteOrder) -> Self {
        Self {
            inner,
            order,
            incomplete: Vec::new(),
            text: Vec::new(),
            delivered: 0,
            started: false,
        }
    }

    /// Reads and converts the next chunk; returns false at the end.
    fn read_chunk(&mut self) -> io::Result<bool> {
        let mut chunk = vec![0; 64 << 10];
        let read = self.inner.read(&mut chunk)?;
        let at_end = read == 0;
        let mut bytes = std::mem::take(&mut self.incomplete);
        bytes.extend_from_slice(&chunk[..read]);
        self.text.clear();
        self.delivered = 0;
        let mut position = 0;
        while let Some(&[first, second]) = bytes.get(position..position + 2) {
            let unit = self.order.unit([first, second]);
            let low = bytes.get(position + 2..position + 4);
            let low = low.map(|pair| self.order.unit([pair[0], pair[1]]));
            match (unit, low) {
                (0xD800..=0xDBFF, None) if !at_end => break,
                (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) => {
                    let high = u32::from(unit - 0xD800) << 10;
                    self.push(0x1_0000 + high + u32::from(low - 0xDC00));
                    position += 4;
                }
                _ => {
                    // Skips the byte-order mark.
                    if self.started || unit != 0xFEFF {
                        self.push(u32::from(unit));
                    }
                    position += 2;
                }
            }
            self.started = true;
        }
        if at_end && position < bytes.len() {
            self.text.push(INVALID_BYTE);
            return Ok(true);
        }
        self.incomplete = bytes.split_off(position);
        Ok(!at_end || !self.text.is_empty())
    }

    fn push(&mut self, character: u32) {
        match char::from_u32(character) {
            Some(character) => {
                let mut utf8 = [0; 4];
                self.text
                    .extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
            }
            None => self.text.push(INVALID_BYTE),
        }
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.delivered == self.text.len() {
            if !self.read_chunk()? {
                return Ok(0);
            }
        }
        let rest = &self.text[self.delivered..];
        let n = out.len().min(rest.len());
        out[..n].copy_from_slice(&rest[..n]);
        self.delivered += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_converted_across_any_boundary() {
        let text = "id,größe\n1,日本 😀\n";
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let bytes: Vec<u8> = std::iter::once(0xFEFF)
                .chain(text.encode_utf16())
                .flat_map(|unit| match order {
                    ByteOrder::Little => unit.to_le_bytes(),
                    ByteOrder::Big => unit.to_be_bytes(),
                })
                .collect();
            assert_eq!(ByteOrder::detect(&bytes), Some(order));
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
    fn incomplete_characters_are_invalid() {
        let read = |bytes: &[u8]| {
            let mut out = Vec::new();
            Transcoder::new(bytes, ByteOrder::Little)
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
