//! Reads a file that is attached to a PDF.
//!
//! The reader supports only PDFs that this crate writes: they have one cross-reference table, and
//! objects that are not compressed. Anything else is an error. To limit the cost of hostile files,
//! every offset is checked, and the depth of nested values and the number of decompressed bytes are
//! limited.

mod syntax;

use crate::Error;
use flate2::read::ZlibDecoder;
use std::io::Read as _;
use syntax::{Parser, Value};

/// Maximum size of an attached file, in bytes.
const BYTES_MAX: u64 = 256 << 20;
/// Number of bytes at the end of a PDF that contain the offset of the cross-reference table.
const TRAILER_BYTES: usize = 1024;
/// Size of an entry of the cross-reference table, in bytes.
const ENTRY_BYTES: usize = 20;

/// Reads the attached file with this name.
pub fn attachment(pdf: &[u8], name: &str) -> Result<Vec<u8>, Error> {
    read(pdf, name).map_err(|reason| Error::Attachment {
        name: name.to_string(),
        reason,
    })
}

fn read(pdf: &[u8], name: &str) -> Result<Vec<u8>, &'static str> {
    if !pdf.starts_with(b"%PDF-") {
        return Err("the file is not a PDF");
    }
    let objects = Objects::read(pdf)?;
    let catalog = objects.get(objects.root)?.0;
    let names = catalog
        .get("Names")
        .and_then(|names| names.get("EmbeddedFiles"))
        .and_then(|files| files.get("Names"))
        .and_then(Value::array)
        .ok_or("it has no attached files")?;
    let mut pairs = names.chunks_exact(2);
    let specification = pairs
        .find(|pair| pair[0].text() == Some(name.as_bytes()))
        .and_then(|pair| pair[1].reference())
        .ok_or("no attached file has this name")?;
    let specification = objects.get(specification)?.0;
    let stream = specification
        .get("EF")
        .and_then(|files| files.get("F"))
        .and_then(Value::reference)
        .ok_or("the attached file has no contents")?;
    let (dictionary, start) = objects.get(stream)?;
    decompress(&dictionary, stream_bytes(pdf, &dictionary, start)?)
}

/// The bytes of the stream whose dictionary ends at `start`.
fn stream_bytes<'a>(
    pdf: &'a [u8],
    dictionary: &Value<'_>,
    start: usize,
) -> Result<&'a [u8], &'static str> {
    const BROKEN: &str = "the contents of the attached file are cut off";
    let remaining = pdf.get(start..).ok_or(BROKEN)?.trim_ascii_start();
    let remaining = remaining.strip_prefix(b"stream").ok_or(BROKEN)?;
    let remaining = remaining.strip_prefix(b"\r").unwrap_or(remaining);
    let remaining = remaining.strip_prefix(b"\n").ok_or(BROKEN)?;
    let length = dictionary.get("Length").and_then(Value::integer);
    length
        .and_then(|length| remaining.get(..usize::try_from(length).ok()?))
        .ok_or(BROKEN)
}

fn decompress(dictionary: &Value<'_>, bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    if dictionary.get("Filter") != Some(&Value::Name(b"FlateDecode")) {
        return Err("the attached file is not compressed with Deflate");
    }
    let mut out = Vec::new();
    let result = ZlibDecoder::new(bytes)
        .take(BYTES_MAX + 1)
        .read_to_end(&mut out);
    result.map_err(|_| "the attached file is damaged: it cannot be decompressed")?;
    if out.len() as u64 > BYTES_MAX {
        return Err("the attached file is larger than 256 MiB");
    }
    Ok(out)
}

/// The objects of a PDF, by its cross-reference table.
struct Objects<'a> {
    pdf: &'a [u8],
    /// First number and entries of each section of the table.
    sections: Vec<(u64, &'a [u8])>,
    /// Number of the catalog.
    root: u64,
}

impl<'a> Objects<'a> {
    fn read(pdf: &'a [u8]) -> Result<Self, &'static str> {
        const BROKEN: &str = "its cross-reference table is damaged, or another program wrote it";
        const KEYWORD: &[u8] = b"startxref";
        let end = pdf.len().saturating_sub(TRAILER_BYTES);
        let keyword = pdf[end..]
            .windows(KEYWORD.len())
            .rposition(|window| window == KEYWORD);
        let offset = end + keyword.ok_or(BROKEN)? + KEYWORD.len();
        let start = Parser::at(pdf, offset).value().and_then(|v| v.integer());
        let start = start.and_then(|start| usize::try_from(start).ok());
        let start = start.ok_or(BROKEN)?;
        let mut parser = Parser::at(pdf, start);
        if !parser.keyword(b"xref") {
            return Err(BROKEN);
        }
        let mut sections = Vec::new();
        while !parser.keyword(b"trailer") {
            let mut number = || parser.value()?.integer();
            let (first, count) = number().zip(number()).ok_or(BROKEN)?;
            let bytes = usize::try_from(count).ok();
            let bytes = bytes.and_then(|count| count.checked_mul(ENTRY_BYTES));
            let entries = bytes.and_then(|bytes| parser.take_after_line_end(bytes));
            sections.push((first, entries.ok_or(BROKEN)?));
        }
        let trailer = parser.value().ok_or(BROKEN)?;
        let root = trailer.get("Root").and_then(Value::reference);
        Ok(Self {
            pdf,
            sections,
            root: root.ok_or(BROKEN)?,
        })
    }

    /// Reads an object, and returns the offset of its end.
    fn get(&self, number: u64) -> Result<(Value<'a>, usize), &'static str> {
        const BROKEN: &str = "an object of the PDF is damaged, or another program wrote it";
        let offset = self.sections.iter().find_map(|(first, entries)| {
            let index = usize::try_from(number.checked_sub(*first)?).ok()?;
            let start = index.checked_mul(ENTRY_BYTES)?;
            let entry = entries.get(start..start.checked_add(ENTRY_BYTES)?)?;
            let offset = std::str::from_utf8(entry.get(..10)?).ok()?;
            (entry[17] == b'n').then(|| offset.parse::<usize>().ok())?
        });
        let mut parser = Parser::at(self.pdf, offset.ok_or(BROKEN)?);
        let read_number = parser.value().and_then(|value| value.integer());
        let generation = parser.value().and_then(|value| value.integer());
        if read_number != Some(number) || generation.is_none() || !parser.keyword(b"obj") {
            return Err(BROKEN);
        }
        let value = parser.value().ok_or(BROKEN)?;
        Ok((value, parser.position()))
    }
}

#[cfg(test)]
mod tests;
