//! Validates the claims of a Parquet file before the library relies on them.

use super::thrift::{Invalid, LIST, STRUCT, TRUE, Walk};
use parquet::basic::Compression;
use std::io::Read;

/// Maximum nesting of a schema.
const DEPTH_MAX: usize = 64;
/// Maximum number of columns of a file, including those within structs and lists.
const COLUMNS_MAX: u64 = 10_000;
/// Maximum size of a page, in bytes; writers make pages of about a megabyte.
const PAGE_BYTES_MAX: u64 = 256 << 20;
/// Maximum number of values of one column in one row group, for rows with lists: a whole row is in
/// memory.
const VALUES_MAX: u64 = 1 << 26;

/// Validates the metadata in the footer of a file.
pub(super) fn footer(bytes: &[u8]) -> Result<(), Invalid> {
    let mut children = Vec::new();
    Walk::new(bytes).fields(&mut |walk, id, kind| match (id, kind) {
        (2, LIST) => walk.list(&mut |walk, kind| {
            children.push(schema_element(walk, kind)?);
            Ok(())
        }),
        _ => walk.skip(kind),
    })?;
    tree(&children)
}

/// Number of children that an element of the schema claims.
fn schema_element(walk: &mut Walk<'_>, kind: u8) -> Result<u64, Invalid> {
    if kind != STRUCT {
        return Err("its schema is none");
    }
    let mut children = 0;
    walk.fields(&mut |walk, id, kind| match id {
        5 => {
            children = u64::try_from(walk.integer(kind)?).map_err(|_| "its schema is none")?;
            Ok(())
        }
        _ => walk.skip(kind),
    })?;
    Ok(children)
}

/// Checks that elements with these numbers of children form one tree of limited depth.
fn tree(children: &[u64]) -> Result<(), Invalid> {
    if children.len() as u64 > COLUMNS_MAX {
        return Err("it has more than 10,000 columns");
    }
    // Number of outstanding children of each open group.
    let mut open: Vec<u64> = vec![1];
    for count in children {
        while open.last() == Some(&0) {
            open.pop();
        }
        let Some(left) = open.last_mut() else {
            return Err("its schema is more than one");
        };
        *left -= 1;
        if *count > 0 {
            open.push(*count);
        }
        if open.len() > DEPTH_MAX {
            return Err("its schema is nested too deep");
        }
    }
    if open.iter().any(|left| *left > 0) {
        return Err("its schema is not whole");
    }
    Ok(())
}

/// The pages of a column in a row group.
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
    unpacked: i64,
    packed: i64,
    dictionary: Option<i64>,
    values: Option<i64>,
    nulls: i64,
    rows: i64,
    /// Number of uncompressed bytes before the compressed ones.
    plain: i64,
    unpacked_only: bool,
}

impl Chunk {
    /// Validates the pages; returns their decompressed size in bytes.
    pub fn check(&self, mut bytes: &[u8]) -> Result<u64, Invalid> {
        let most = if self.lists { VALUES_MAX } else { self.rows };
        let (mut values, mut total) = (0_u64, 0_u64);
        while !bytes.is_empty() {
            let mut walk = Walk::new(bytes);
            let page = page(&mut walk)?;
            bytes = &bytes[bytes.len() - walk.left()..];
            let unpacked = size(page.unpacked)?;
            let packed = usize::try_from(size(page.packed)?).unwrap_or(usize::MAX);
            total = total.saturating_add(unpacked);
            if unpacked > PAGE_BYTES_MAX {
                return Err("a page is longer than 256 MiB");
            }
            let (body, rest) = bytes.split_at_checked(packed).ok_or(CUT)?;
            bytes = rest;
            let dictionary = size(page.dictionary.unwrap_or(0))?;
            let plain = size(page.plain)?;
            if plain > unpacked || plain > packed as u64 || dictionary > unpacked {
                return Err(CUT);
            }
            let here = size(page.values.unwrap_or(0))?;
            values = values.saturating_add(here);
            if values > most {
                return Err("a column has more values than the row group has rows");
            }
            if size(page.nulls)? > here || size(page.rows)? > self.rows {
                return Err(CUT);
            }
            if !page.unpacked_only {
                self.unpacks(&body[plain as usize..], unpacked - plain)?;
            }
        }
        Ok(total)
    }

    /// Checks that a page does not decompress to more than it declares. The library decompresses
    /// these codecs to the end, however long; for all others it allocates only the declared size.
    fn unpacks(&self, packed: &[u8], unpacked: u64) -> Result<(), Invalid> {
        let most = unpacked + 1;
        let count = |reader: &mut dyn Read| {
            std::io::copy(&mut reader.take(most), &mut std::io::sink()).map_err(|_| CUT)
        };
        let length = match self.compression {
            // Deflate expands by at most a factor of 1032.
            Compression::GZIP(_) if packed.len() as u64 * 1032 > PAGE_BYTES_MAX => {
                count(&mut flate2::read::MultiGzDecoder::new(packed))?
            }
            Compression::ZSTD(_) => {
                let decoder = zstd::stream::read::Decoder::with_buffer(packed);
                count(&mut decoder.map_err(|_| CUT)?)?
            }
            _ => 0,
        };
        if length > unpacked {
            return Err("a page is longer than it claims");
        }
        Ok(())
    }
}

const CUT: Invalid = "a page is damaged";

fn size(value: i64) -> Result<u64, Invalid> {
    u64::try_from(value).map_err(|_| CUT)
}

/// Reads the header of a page.
fn page(walk: &mut Walk<'_>) -> Result<Page, Invalid> {
    let mut page = Page::default();
    walk.fields(&mut |walk, id, kind| {
        match (id, kind) {
            (2, _) => page.unpacked = walk.integer(kind)?,
            (3, _) => page.packed = walk.integer(kind)?,
            (5, STRUCT) => walk.fields(&mut |walk, id, kind| match id {
                1 => set(walk, kind, &mut page.values),
                _ => walk.skip(kind),
            })?,
            (7, STRUCT) => walk.fields(&mut |walk, id, kind| match id {
                1 => set(walk, kind, &mut page.dictionary),
                _ => walk.skip(kind),
            })?,
            (8, STRUCT) => walk.fields(&mut |walk, id, kind| {
                match id {
                    1 => set(walk, kind, &mut page.values)?,
                    2 => page.nulls = walk.integer(kind)?,
                    3 => page.rows = walk.integer(kind)?,
                    5 | 6 => page.plain = page.plain.saturating_add(length(walk, kind)?),
                    7 => page.unpacked_only = kind != TRUE,
                    _ => walk.skip(kind)?,
                }
                Ok(())
            })?,
            _ => walk.skip(kind)?,
        }
        Ok(())
    })?;
    Ok(page)
}

fn set(walk: &mut Walk<'_>, kind: u8, slot: &mut Option<i64>) -> Result<(), Invalid> {
    *slot = Some(walk.integer(kind)?);
    Ok(())
}

fn length(walk: &mut Walk<'_>, kind: u8) -> Result<i64, Invalid> {
    match walk.integer(kind)? {
        length if length < 0 => Err(CUT),
        length => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_one_tree() {
        assert_eq!(tree(&[2, 0, 1, 0]), Ok(()));
        assert_eq!(tree(&[1]), Err("its schema is not whole"));
        assert_eq!(tree(&[1, 0, 0]), Err("its schema is more than one"));
        assert_eq!(tree(&[1; 100]), Err("its schema is nested too deep"));
    }

    #[test]
    fn a_page_that_unpacks_to_a_flood_is_seen() {
        let bomb = zstd::stream::encode_all(std::io::repeat(0).take(64 << 20), 1).unwrap();
        let chunk = Chunk {
            compression: Compression::ZSTD(parquet::basic::ZstdLevel::default()),
            lists: false,
            rows: 1,
        };
        assert!(chunk.unpacks(&bomb, 1000).is_err());
        assert_eq!(chunk.unpacks(&bomb, 64 << 20), Ok(()));
    }
}
