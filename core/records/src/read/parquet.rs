//! Reads Apache Parquet: row by row group, and only the columns that the contract needs.
//!
//! Row groups are read one by one, [`BATCH_ROWS`] rows at a time, once their pages are validated.
//! A row group whose columns have more than [`GROUP_BYTES_MAX`] compressed bytes is not read. Rows
//! are numbered from 1, instead of lines. A broken row group is reported, and others are read.
//!
//! Strings are read as views, so that a long dictionary string shared by all rows is in memory
//! once.

mod cells;
mod guard;
mod plan;
pub(super) mod rows;
mod thrift;
mod unknown;

use super::block::{Block, Content, Emit, Stop};
use crate::{contract::Contract, source::RandomAccess};
use arrow::array::RecordBatch;
use bytes::{Buf, Bytes};
use guard::Chunk;
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder},
    errors::ParquetError,
    file::{
        metadata::{ParquetMetaDataReader, RowGroupMetaData},
        reader::{ChunkReader, Length},
    },
};
use plan::Plan;
use rows::Rows;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Number of rows in memory at a time.
const BATCH_ROWS: usize = 8192;
/// Maximum size of a row group in memory, in compressed bytes.
const GROUP_BYTES_MAX: u64 = 1 << 30;
/// Maximum size of the metadata at the end of a file, in bytes.
const FOOTER_BYTES_MAX: u64 = 32 << 20;
/// Maximum ratio of decompressed to compressed size, the same as for compressed text.
const RATIO_MAX: u64 = 200;
/// Decompressed size that is allowed for any file, in bytes.
const ALLOWED_BYTES: u64 = 1 << 30;

const MAGIC: &[u8] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8] = b"PARE";

/// Reads one file to its end.
pub(super) fn read_file(
    ranges: &dyn RandomAccess,
    file: usize,
    contract: &Contract,
    emit: Emit<'_>,
) -> Result<(), Stop> {
    let metadata = catch_panics(|| metadata(ranges)).map_err(Stop::Broken)?;
    let plan = Plan::new(&metadata, &contract.fields, contract.unknown).map_err(Stop::Broken)?;
    let mut reader = ParquetReader {
        ranges,
        file,
        plan: Arc::new(plan),
        first_row: 1,
        decompressed: 0,
        emit,
    };
    let groups = metadata.metadata().row_groups();
    let mut problems = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let first_row = reader.first_row;
        match reader.read_group(&metadata, index, group) {
            Ok(()) => {}
            Err(Stop::Requested) => return Err(Stop::Requested),
            Err(Stop::Broken(reason)) => problems.push(format!(
                "row group {} of {}: {reason}; rows before {} were read",
                index + 1,
                groups.len(),
                reader.first_row
            )),
        }
        reader.first_row = first_row.saturating_add(row_count(group));
        if reader.exceeds_limit() {
            problems.push(format!(
                "its rows take more than {RATIO_MAX} times the size of the file; \
                 row groups up to {} of {} were read",
                index + 1,
                groups.len()
            ));
            break;
        }
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err(Stop::Broken(problems.remove(0))),
        n => Err(Stop::Broken(format!(
            "{}; and {} more row groups that could not be read completely",
            problems[0],
            n - 1
        ))),
    }
}

/// Reads the metadata in the footer of the file.
fn metadata(ranges: &dyn RandomAccess) -> Result<ArrowReaderMetadata, String> {
    let size = ranges.size();
    let not_parquet = "the file is not a Parquet file, or its end is missing";
    if size < 12 {
        return Err(not_parquet.to_string());
    }
    let tail = ranges.read(size - 8..size)?;
    if tail.ends_with(MAGIC_ENCRYPTED) {
        return Err("the file is encrypted; only plain Parquet is read".to_string());
    }
    if tail.len() != 8 || !tail.ends_with(MAGIC) {
        return Err(not_parquet.to_string());
    }
    let length = u64::from((&tail[..4]).get_u32_le());
    if length > FOOTER_BYTES_MAX.min(size - 12) {
        return Err(format!(
            "its footer claims {length} bytes of metadata, more than the file has or the limit allows"
        ));
    }
    let footer = ranges.read(size - 8 - length..size - 8)?;
    guard::check_footer(&footer).map_err(|bad| format!("its metadata cannot be read: {bad}"))?;
    let message =
        |error: ParquetError| format!("its metadata cannot be read: {}", library_message(&error));
    let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(message)?;
    plan::with_views(Arc::new(metadata)).map_err(message)
}

/// The library's message, without the name of the error kind.
fn library_message(error: &ParquetError) -> String {
    let text = error.to_string();
    ["Parquet error: ", "Arrow: ", "EOF: ", "External: "]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(&text)
        .to_string()
}

/// Catches panics: the library panics on some damaged files (a slice out of range in its decoders
/// of levels, an `unwrap` of a missing part of a page). Such a file is broken; the others are read.
fn catch_panics<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err("it is damaged in a way that the Parquet library does not handle".to_string())
    })
}

fn row_count(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.num_rows()).unwrap_or(0)
}

struct ParquetReader<'a> {
    ranges: &'a dyn RandomAccess,
    file: usize,
    plan: Arc<Plan>,
    /// Number of the next row, from 1.
    first_row: u64,
    /// Size of the rows in memory, in bytes.
    decompressed: u64,
    emit: Emit<'a>,
}

impl ParquetReader<'_> {
    /// Returns true if the rows read exceed the limit for a file of this size.
    fn exceeds_limit(&self) -> bool {
        let limit = self.ranges.size().saturating_mul(RATIO_MAX);
        self.decompressed > limit.max(ALLOWED_BYTES)
    }

    fn read_group(
        &mut self,
        metadata: &ArrowReaderMetadata,
        index: usize,
        group: &RowGroupMetaData,
    ) -> Result<(), Stop> {
        let chunks = self.chunks(group).map_err(Stop::Broken)?;
        let mut batches = catch_panics(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata.clone())
                .with_row_groups(vec![index])
                .with_projection(self.plan.mask.clone())
                .with_batch_size(BATCH_ROWS)
                .build()
                .map_err(|error| library_message(&error))
        })
        .map_err(Stop::Broken)?;
        let mut remaining = row_count(group);
        loop {
            let next = catch_panics(|| match batches.next() {
                None => Ok(None),
                Some(Ok(batch)) => Ok(Some(batch)),
                Some(Err(error)) => Err(error.to_string()),
            });
            let Some(batch) = next.map_err(Stop::Broken)? else {
                break;
            };
            let rows = batch.num_rows() as u64;
            if rows == 0 || rows > remaining {
                return Err(Stop::Broken(
                    "its rows do not match its metadata".to_string(),
                ));
            }
            remaining -= rows;
            // The size of pages is counted when they are read, but nulls and repeated values take
            // no space in them.
            let min_bytes = rows * self.plan.leaves.len() as u64;
            self.decompressed = self.decompressed.saturating_add(min_bytes);
            self.emit_rows(&batch)?;
            if self.exceeds_limit() {
                return Ok(());
            }
        }
        match remaining {
            0 => Ok(()),
            _ => Err(Stop::Broken(
                "it has fewer rows than its metadata claims".to_string(),
            )),
        }
    }

    /// Passes on rows in parts of limited size.
    fn emit_rows(&mut self, batch: &RecordBatch) -> Result<(), Stop> {
        for rows in Rows::split(batch, &self.plan) {
            let block = Block {
                file: self.file,
                first_line: self.first_row,
                bytes: Vec::new(),
                content: Content::Rows(rows.clone()),
            };
            self.first_row += rows.len() as u64;
            if !(self.emit)(block) {
                return Err(Stop::Requested);
            }
        }
        Ok(())
    }

    /// The bytes of the selected columns of a row group, validated.
    fn chunks(&mut self, group: &RowGroupMetaData) -> Result<Chunks, String> {
        let size = self.ranges.size();
        let mut parts = Vec::new();
        let mut total = 0_u64;
        for leaf in &self.plan.leaves {
            let column = group
                .columns()
                .get(*leaf)
                .ok_or("it has fewer columns than the file")?;
            let start = column
                .dictionary_page_offset()
                .unwrap_or(column.data_page_offset());
            let range = u64::try_from(start)
                .ok()
                .zip(u64::try_from(column.compressed_size()).ok())
                .and_then(|(start, length)| Some(start..start.checked_add(length)?))
                .filter(|range| range.end <= size)
                .ok_or("one of its columns lies outside of the file")?;
            total += range.end - range.start;
            if total > GROUP_BYTES_MAX {
                return Err(format!(
                    "its selected columns are longer than {} MiB; \
                     write the file with smaller row groups",
                    GROUP_BYTES_MAX >> 20
                ));
            }
            let chunk = Chunk {
                compression: column.compression(),
                lists: column.column_descr().max_rep_level() > 0,
                rows: row_count(group),
            };
            parts.push((range, chunk));
        }
        let mut chunks = Chunks {
            size,
            parts: Vec::new(),
        };
        for (range, chunk) in parts {
            let bytes = self.ranges.read(range.clone())?;
            if bytes.len() as u64 != range.end - range.start {
                return Err("the file ends within one of its columns".to_string());
            }
            let decompressed = chunk.check(&bytes)?;
            self.decompressed = self.decompressed.saturating_add(decompressed);
            chunks.parts.push((range.start, bytes));
        }
        Ok(chunks)
    }
}

/// The parts of a file in memory.
struct Chunks {
    size: u64,
    /// Parts with their start offsets.
    parts: Vec<(u64, Bytes)>,
}

impl Chunks {
    fn bytes_from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let rest = self.parts.iter().find_map(|(offset, bytes)| {
            let index = usize::try_from(start.checked_sub(*offset)?).ok()?;
            (index < bytes.len()).then(|| bytes.slice(index..))
        });
        rest.ok_or_else(|| ParquetError::EOF("a page lies outside of its column".to_string()))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Chunks {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.bytes_from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let rest = self.bytes_from(start)?;
        if length > rest.len() {
            return Err(ParquetError::EOF(
                "a page ends after its column".to_string(),
            ));
        }
        Ok(rest.slice(..length))
    }
}

#[cfg(test)]
mod tests;
