//! Validates the claims of a Parquet file before the library relies on them.

use super::thrift::{LIST, STRUCT, TRUE, ThriftError, ThriftReader};
use parquet::basic::Compression;
use std::io::Read;

/// Maximum nesting of a schema.
const DEPTH_MAX: usize = 64;
/// Maximum number of columns of a file, including columns within structs and lists.
const COLUMNS_MAX: u64 = 10_000;
/// Maximum size of a page, in bytes; writers make pages of about a megabyte.
const PAGE_BYTES_MAX: u64 = 256 << 20;
/// Maximum number of values of a repeated column in one row group, because a row is in memory with
/// all items of its lists.
const VALUES_MAX: u64 = 1 << 26;

/// Validates the metadata in the footer of a file.
pub(super) fn check_footer(bytes: &[u8]) -> Result<(), ThriftError> {
    let mut children = Vec::new();
    ThriftReader::new(bytes).for_each_field(&mut |reader, id, kind| match (id, kind) {
        (2, LIST) => reader.for_each_item(&mut |reader, kind| {
            children.push(schema_element(reader, kind)?);
            Ok(())
        }),
        _ => reader.skip(kind),
    })?;
    check_tree(&children)
}

/// Reads the number of children that an element of the schema claims.
fn schema_element(reader: &mut ThriftReader<'_>, kind: u8) -> Result<u64, ThriftError> {
    if kind != STRUCT {
        return Err("its schema is invalid");
    }
    let mut children = 0;
    reader.for_each_field(&mut |reader, id, kind| match id {
        5 => {
            children = u64::try_from(reader.integer(kind)?).map_err(|_| "its schema is invalid")?;
            Ok(())
        }
        _ => reader.skip(kind),
    })?;
    Ok(children)
}

/// Checks that elements with the given numbers of children form one tree of limited depth.
fn check_tree(children: &[u64]) -> Result<(), ThriftError> {
    if children.len() as u64 > COLUMNS_MAX {
        return Err("it has more than 10,000 columns");
    }
    // Number of outstanding children of each open group.
    let mut open: Vec<u64> = vec![1];
    for count in children {
        while open.last() == Some(&0) {
            open.pop();
        }
        let Some(outstanding) = open.last_mut() else {
            return Err("its schema has several roots");
        };
        *outstanding -= 1;
        if *count > 0 {
            open.push(*count);
        }
        if open.len() > DEPTH_MAX {
            return Err("its schema is nested too deep");
        }
    }
    if open.iter().any(|outstanding| *outstanding > 0) {
        return Err("its schema is incomplete");
    }
    Ok(())
}

/// A column of a row group, whose pages are validated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub compression: Compression,
    /// True if rows may have several values.
    pub lists: bool,
    /// Number of rows of the row group.
    pub rows: u64,
}

/// The header of a page.
#[derive(Debug, Default)]
struct Page {
    decompressed: i64,
    compressed: i64,
    dictionary: Option<i64>,
    values: Option<i64>,
    nulls: i64,
    rows: i64,
    /// Length of the levels in bytes, which are never compressed.
    uncompressed: i64,
    is_uncompressed: bool,
}

impl Chunk {
    /// Validates the pages; returns their decompressed size in bytes.
    pub fn check(&self, mut bytes: &[u8]) -> Result<u64, ThriftError> {
        let limit = if self.lists { VALUES_MAX } else { self.rows };
        let (mut values, mut total) = (0_u64, 0_u64);
        while !bytes.is_empty() {
            let mut reader = ThriftReader::new(bytes);
            let page = read_page_header(&mut reader)?;
            bytes = &bytes[bytes.len() - reader.remaining()..];
            let decompressed = size(page.decompressed)?;
            let compressed = usize::try_from(size(page.compressed)?).unwrap_or(usize::MAX);
            total = total.saturating_add(decompressed);
            if decompressed > PAGE_BYTES_MAX {
                return Err("a page is longer than 256 MiB");
            }
            let (body, rest) = bytes.split_at_checked(compressed).ok_or(DAMAGED)?;
            bytes = rest;
            let dictionary = size(page.dictionary.unwrap_or(0))?;
            let uncompressed = size(page.uncompressed)?;
            if uncompressed > decompressed
                || uncompressed > compressed as u64
                || dictionary > decompressed
            {
                return Err(DAMAGED);
            }
            let page_values = size(page.values.unwrap_or(0))?;
            values = values.saturating_add(page_values);
            if values > limit {
                return Err("a column has more values than the row group has rows");
            }
            if size(page.nulls)? > page_values || size(page.rows)? > self.rows {
                return Err(DAMAGED);
            }
            if !page.is_uncompressed {
                self.check_decompressed_size(
                    &body[uncompressed as usize..],
                    decompressed - uncompressed,
                )?;
            }
        }
        Ok(total)
    }

    /// Checks that a page does not decompress to more than it declares. The library decompresses
    /// pages with one of the codecs checked here to the end, however long; for all others it
    /// allocates only the declared size.
    fn check_decompressed_size(
        &self,
        compressed: &[u8],
        decompressed: u64,
    ) -> Result<(), ThriftError> {
        let limit = decompressed + 1;
        let count = |reader: &mut dyn Read| {
            std::io::copy(&mut reader.take(limit), &mut std::io::sink()).map_err(|_| DAMAGED)
        };
        let length = match self.compression {
            // Deflate expands by at most a factor of 1032.
            Compression::GZIP(_) if compressed.len() as u64 * 1032 > PAGE_BYTES_MAX => {
                count(&mut flate2::read::MultiGzDecoder::new(compressed))?
            }
            Compression::ZSTD(_) => {
                let decoder = zstd::stream::read::Decoder::with_buffer(compressed);
                count(&mut decoder.map_err(|_| DAMAGED)?)?
            }
            _ => 0,
        };
        if length > decompressed {
            return Err("a page is longer than it claims");
        }
        Ok(())
    }
}

const DAMAGED: ThriftError = "a page is damaged";

fn size(value: i64) -> Result<u64, ThriftError> {
    u64::try_from(value).map_err(|_| DAMAGED)
}

/// Reads the header of a page.
fn read_page_header(reader: &mut ThriftReader<'_>) -> Result<Page, ThriftError> {
    let mut page = Page::default();
    reader.for_each_field(&mut |reader, id, kind| {
        match (id, kind) {
            (2, _) => page.decompressed = reader.integer(kind)?,
            (3, _) => page.compressed = reader.integer(kind)?,
            (5, STRUCT) => reader.for_each_field(&mut |reader, id, kind| match id {
                1 => set(reader, kind, &mut page.values),
                _ => reader.skip(kind),
            })?,
            (7, STRUCT) => reader.for_each_field(&mut |reader, id, kind| match id {
                1 => set(reader, kind, &mut page.dictionary),
                _ => reader.skip(kind),
            })?,
            (8, STRUCT) => reader.for_each_field(&mut |reader, id, kind| {
                match id {
                    1 => set(reader, kind, &mut page.values)?,
                    2 => page.nulls = reader.integer(kind)?,
                    3 => page.rows = reader.integer(kind)?,
                    5 | 6 => {
                        page.uncompressed = page.uncompressed.saturating_add(length(reader, kind)?);
                    }
                    7 => page.is_uncompressed = kind != TRUE,
                    _ => reader.skip(kind)?,
                }
                Ok(())
            })?,
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    Ok(page)
}

fn set(reader: &mut ThriftReader<'_>, kind: u8, slot: &mut Option<i64>) -> Result<(), ThriftError> {
    *slot = Some(reader.integer(kind)?);
    Ok(())
}

fn length(reader: &mut ThriftReader<'_>, kind: u8) -> Result<i64, ThriftError> {
    match reader.integer(kind)? {
        length if length < 0 => Err(DAMAGED),
        length => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_a_single_tree() {
        assert_eq!(check_tree(&[2, 0, 1, 0]), Ok(()));
        assert_eq!(check_tree(&[1]), Err("its schema is incomplete"));
        assert_eq!(check_tree(&[1, 0, 0]), Err("its schema has several roots"));
        assert_eq!(check_tree(&[1; 100]), Err("its schema is nested too deep"));
    }

    #[test]
    fn a_page_that_expands_beyond_its_declared_size_is_refused() {
        let bomb = zstd::stream::encode_all(std::io::repeat(0).take(64 << 20), 1).unwrap();
        let chunk = Chunk {
            compression: Compression::ZSTD(parquet::basic::ZstdLevel::default()),
            lists: false,
            rows: 1,
        };
        assert!(chunk.check_decompressed_size(&bomb, 1000).is_err());
        assert_eq!(chunk.check_decompressed_size(&bomb, 64 << 20), Ok(()));
    }
}
