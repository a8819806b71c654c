//! Decodes files to text: decompresses within limits, and converts other encodings to UTF-8.

mod bounded;
mod members;
mod transcode;

use bounded::{BoundedReader, CountingReader};
use encoding_rs::Encoding;
use flate2::bufread::GzDecoder;
use members::Members;
use std::io::{self, BufReader, Read};
use zstd::stream::read::Decoder as ZstdDecoder;

const BUFFER_BYTES: usize = 256 << 10;
/// Length of the longest byte-order mark, that of UTF-8.
const BYTE_ORDER_MARK_BYTES: u64 = 3;

/// Magic number of gzip.
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// Maximum length of a magic number.
const MAGIC_BYTES_MAX: u64 = 6;
/// Magic numbers of unsupported compression formats, and their names.
const UNSUPPORTED: [(&[u8], &str); 4] = [
    (b"BZh", "bzip2"),
    (b"\xFD7zXZ\0", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xBC\xAF\x27\x1C", "7z"),
];

/// A file's text: decompressed, in UTF-8, without a byte-order mark.
pub(super) struct Text<'a> {
    /// Its first bytes.
    pub head: Vec<u8>,
    /// The rest of the file.
    pub rest: Box<dyn Read + Send + 'a>,
}

/// Decodes a file to text. Its first bytes and its name give the compression; a byte-order mark, or
/// else the declared encoding, gives the encoding.
pub(super) fn decode<'a>(
    reader: Box<dyn Read + Send + 'a>,
    name: &str,
    declared: Option<&'static Encoding>,
) -> io::Result<Text<'a>> {
    let mut rest = decompress(reader, name)?;
    let mut head = Vec::new();
    (&mut rest)
        .take(BYTE_ORDER_MARK_BYTES)
        .read_to_end(&mut head)?;
    let marked = Encoding::for_bom(&head);
    let encoding = marked.map(|(encoding, _)| encoding).or(declared);
    if let Some(encoding) = encoding.filter(|encoding| *encoding != encoding_rs::UTF_8) {
        let bytes = io::Cursor::new(head).chain(rest);
        return Ok(Text {
            head: Vec::new(),
            rest: Box::new(transcode::Transcoder::new(bytes, encoding)),
        });
    }
    if let Some((_, length)) = marked {
        head.drain(..length);
    }
    Ok(Text { head, rest })
}

/// Decompresses a file; its first bytes, or else its name, give the compression format.
fn decompress<'a>(
    reader: Box<dyn Read + Send + 'a>,
    name: &str,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let (mut counted, packed_bytes) = CountingReader::new(reader);
    // A reader may return fewer bytes at once than detection needs.
    let mut head = Vec::new();
    (&mut counted)
        .take(MAGIC_BYTES_MAX)
        .read_to_end(&mut head)?;
    let whole = io::Cursor::new(head.clone()).chain(counted);
    let raw = BufReader::with_capacity(BUFFER_BYTES, whole);
    let name = name.to_ascii_lowercase();
    let has_ending = |ending: &str| !head.is_empty() && name.ends_with(ending);
    if let Some((_, kind)) = UNSUPPORTED
        .iter()
        .find(|(magic, _)| head.starts_with(magic))
    {
        return Err(io::Error::other(format!(
            "the file is compressed with {kind}, which is not supported; decompress it, or use gzip or zstd"
        )));
    }
    let is_gzip = head.starts_with(&GZIP[..GZIP.len().min(head.len())]);
    let gzip = head.starts_with(GZIP) || has_ending(".gz");
    let zstd = head.starts_with(ZSTD) || has_ending(".zst") || has_ending(".zstd");
    if gzip && !is_gzip {
        let message =
            "its name ends as if compressed with gzip, but it is not; rename or compress it";
        return Err(io::Error::other(message));
    }
    Ok(if gzip {
        let members = Members::<GzDecoder<_>>::new(raw)?;
        Box::new(BoundedReader::new(members, packed_bytes))
    } else if zstd {
        let members = Members::<ZstdDecoder<'static, _>>::new(raw)?;
        Box::new(BoundedReader::new(members, packed_bytes))
    } else {
        Box::new(raw)
    })
}

#[cfg(test)]
mod tests;
