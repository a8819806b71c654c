//! Converts text in other encodings, as saved by some spreadsheets, to UTF-8.

use encoding_rs::{Decoder, DecoderResult, Encoding};
use std::io::{self, Read};

/// A byte that never occurs in UTF-8. It replaces bytes that are invalid in the encoding, so that
/// the record is refused as invalid text instead of being misread.
const INVALID_BYTE: u8 = 0xFF;

const CHUNK_BYTES: usize = 64 << 10;

/// Reads text in an encoding as UTF-8, without its byte-order mark.
pub(super) struct Transcoder<R> {
    inner: R,
    decoder: Decoder,
    chunk: Vec<u8>,
    /// Start of the bytes of the chunk that are not converted.
    position: usize,
    text: Vec<u8>,
    delivered: usize,
    is_finished: bool,
}

impl<R: Read> Transcoder<R> {
    pub fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            chunk: Vec::new(),
            position: 0,
            text: Vec::new(),
            delivered: 0,
            is_finished: false,
        }
    }

    /// Converts the next bytes, of which there may be none.
    fn convert(&mut self) -> io::Result<()> {
        if self.position == self.chunk.len() {
            self.chunk.resize(CHUNK_BYTES, 0);
            let read = self.inner.read(&mut self.chunk)?;
            self.chunk.truncate(read);
            self.position = 0;
        }
        let is_last = self.chunk.is_empty();
        // A byte becomes at most three, and a character that the last chunk began needs space, too.
        self.text.resize(CHUNK_BYTES, 0);
        let bytes = &self.chunk[self.position..];
        let (result, read, written) =
            (self.decoder).decode_to_utf8_without_replacement(bytes, &mut self.text, is_last);
        self.position += read;
        self.text.truncate(written);
        self.delivered = 0;
        match result {
            DecoderResult::Malformed(..) => self.text.push(INVALID_BYTE),
            DecoderResult::InputEmpty => self.is_finished = is_last,
            DecoderResult::OutputFull => {}
        }
        Ok(())
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.delivered == self.text.len() && !self.is_finished {
            self.convert()?;
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
    use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

    fn converted(bytes: &[u8], cut: usize, encoding: &'static Encoding) -> Vec<u8> {
        let (left, right) = bytes.split_at(cut);
        let mut text = Vec::new();
        Transcoder::new(left.chain(right), encoding)
            .read_to_end(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn text_is_converted_across_any_boundary() {
        let text = "id,größe\n1,日本 😀\n";
        for encoding in [UTF_16LE, UTF_16BE] {
            let bytes: Vec<u8> = std::iter::once(0xFEFF)
                .chain(text.encode_utf16())
                .flat_map(|unit: u16| {
                    if encoding == UTF_16LE {
                        unit.to_le_bytes()
                    } else {
                        unit.to_be_bytes()
                    }
                })
                .collect();
            for cut in 0..bytes.len() {
                assert_eq!(converted(&bytes, cut, encoding), text.as_bytes(), "{cut}");
            }
        }
        let german = b"Gr\xF6\xDFe;5 \x80\n";
        for cut in 0..german.len() {
            let text = converted(german, cut, WINDOWS_1252);
            assert_eq!(text, "Größe;5 €\n".as_bytes());
        }
        let long = b"\xE4".repeat(3 * CHUNK_BYTES);
        let text = converted(&long, 5, WINDOWS_1252);
        assert_eq!(text, "ä".repeat(3 * CHUNK_BYTES).as_bytes());
    }

    #[test]
    fn invalid_bytes_are_marked() {
        // A lone high surrogate, a lone low surrogate, half a code unit.
        let check = |bytes: &[u8], text: &[u8]| assert_eq!(converted(bytes, 0, UTF_16LE), text);
        check(b"\xFF\xFE\x3D\xD8a\0", b"\xFFa");
        check(b"\xFF\xFE\x00\xDEa\0", b"\xFFa");
        check(b"\xFF\xFEa\0b", b"a\xFF");
        check(b"\xFF\xFE\x3D\xD8", b"\xFF");
    }
}
