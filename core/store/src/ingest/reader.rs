//! Reads objects, passes rows and refused records to the writers, and counts them.

use super::{
    Control, Progress, SourceSpec,
    key_ranges::KeyRanges,
    keys::{KeyTable, Keys},
    manifest::Counts,
    streams::Message,
    times::{self, Times},
};
use crate::{
    contract::Contract,
    dataset::Rows,
    error::StoreError,
    origin,
    source::{Listing, SourceFile},
};
use arrow::array::{Array as _, RecordBatch};
use arrow_schema::SchemaRef;
use retrocast_records::{
    Format, SourceError,
    read::{self, FileReader, ParsedBlock, ReadEvent, key, quarantine},
};
use std::{collections::BTreeSet, path::PathBuf};
use tokio::sync::mpsc;

/// Minimum number of rows or bytes of a batch for the writer. Each batch costs the writer work and
/// memory, so the batches of many small objects are combined.
const BATCH_ROWS: usize = 4096;
const BATCH_BYTES: usize = 4 << 20;

/// The objects to read.
pub(super) struct ReadTask {
    pub spec: SourceSpec,
    pub listing: Listing,
    pub files: Vec<(SourceFile, Format)>,
    /// Number of each object, for its rows.
    pub numbers: Vec<u32>,
    pub control: Control,
    pub runtime: tokio::runtime::Handle,
    /// Schema of the rows, including their origin.
    pub schema: SchemaRef,
    /// Folder for keys that do not fit into memory; `None` if the contract has no key.
    pub spill: Option<PathBuf>,
}

/// Outputs of reading.
pub(super) struct Outputs {
    pub rows: BatchSender,
    pub refused: BatchSender,
    /// The key ranges of the dataset's remaining objects, if there are any: duplicates with their
    /// rows are resolved later.
    pub existing: Option<KeyRanges>,
}

/// Result of reading objects.
#[derive(Default)]
pub(super) struct ReadResult {
    /// Counts of each object.
    pub counts: Vec<Counts>,
    /// Index of the first row of each object.
    pub starts: Vec<u64>,
    /// Number of rows.
    pub rows: u64,
    /// The kept row of each key, if requested; only for lookups, not for iteration.
    pub keys: Keys,
    /// Superseded rows.
    pub superseded: Rows,
    /// First and last time of all rows.
    pub times: Times,
    /// Objects of the dataset that may have a row with one of the keys.
    pub overlapping: BTreeSet<u32>,
}

impl ReadResult {
    /// Index of the object of a row.
    pub fn object_of(&self, row: u64) -> usize {
        self.starts.partition_point(|start| *start <= row) - 1
    }

    /// Marks a row as superseded.
    pub fn supersede(&mut self, row: u64) {
        let object = self.object_of(row);
        self.counts[object].superseded += 1;
        self.superseded.insert(row);
    }
}

impl ReadTask {
    /// Reads all objects. Blocks.
    pub fn run(self, mut outputs: Outputs) -> Result<ReadResult, StoreError> {
        let mut result = ReadResult {
            counts: vec![Counts::default(); self.files.len()],
            ..ReadResult::default()
        };
        let mut key_table = self.spill.as_deref().map(KeyTable::new);
        let mut progress = Progress::default();
        let reader = FileReader {
            listing: &self.listing,
            files: &self.files,
            contract: &self.spec.contract,
            dialect: &self.spec.dialect,
            hash_key: self.control.hash_key.as_deref(),
            threads: self.control.threads,
            cancel: &self.control.cancel,
            runtime: &self.runtime,
        };
        reader.run(&mut |event| match event {
            ReadEvent::End { file, broken } => {
                result.counts[file].broken = broken;
                Ok(())
            }
            ReadEvent::Records(parsed) => {
                progress.records += parsed.records;
                progress.bytes += parsed.bytes;
                self.write_block(parsed, &mut result, key_table.as_mut(), &mut outputs)?;
                if let Some(listener) = &self.control.progress {
                    listener(progress);
                }
                Ok::<(), StoreError>(())
            }
        })?;
        result.starts.resize(self.files.len(), result.rows);
        outputs.refused.finish()?;
        outputs.rows.finish()?;
        if let Some(key_table) = key_table {
            let return_kept = outputs.existing.is_some();
            result.keys = key_table.resolve(return_kept, &mut |row| result.supersede(row))?;
        }
        result.overlapping = outputs
            .existing
            .map(|existing| existing.overlapping())
            .unwrap_or_default();
        Ok(result)
    }

    /// Sends the rows and refused records of a block to the writers, and updates the result.
    fn write_block(
        &self,
        parsed: ParsedBlock,
        result: &mut ReadResult,
        key_table: Option<&mut KeyTable>,
        outputs: &mut Outputs,
    ) -> Result<(), StoreError> {
        let (file, number) = (parsed.file, self.numbers[parsed.file]);
        // Objects without rows begin where the next object begins.
        result
            .starts
            .resize(result.starts.len().max(file + 1), result.rows);
        count(&parsed, &self.spec.contract, &mut result.counts[file]);
        if !parsed.refused.is_empty() {
            let name = &self.files[file].0.name;
            let rows = quarantine::batch(&self.spec.name, name, &parsed.refused)?;
            let rows = super::quarantine::with_object(&rows, number)?;
            outputs.refused.send(rows)?;
        }
        let Some(batch) = parsed.batch else {
            return Ok(());
        };
        let time = self.spec.contract.time.as_deref();
        let times = time.and_then(|name| read::time_range(batch.column_by_name(name)?.as_ref()));
        result.times = times::union(result.times, times);
        if let Some(key_table) = key_table {
            key_table.add(result.rows, &parsed.keys, &parsed.order)?;
            let positions = self.key_positions(&batch)?;
            if let Some(existing) = &mut outputs.existing {
                positions
                    .iter()
                    .for_each(|position| existing.add(*position));
            }
            let bounds = result.counts[file].key_range.into_iter();
            let range_positions = bounds.flat_map(|(least, greatest)| [least, greatest]);
            let range_positions = range_positions.chain(positions);
            result.counts[file].key_range =
                range_positions.fold(None, |range, position| match range {
                    None => Some((position, position)),
                    Some((least, greatest)) => Some((least.min(position), greatest.max(position))),
                });
        }
        result.rows += batch.num_rows() as u64;
        let batch = origin::add_origin(&batch, &self.schema, number, parsed.lines)?;
        outputs.rows.send(batch)
    }

    /// The positions of the rows' keys.
    fn key_positions(&self, batch: &RecordBatch) -> Result<Vec<u128>, StoreError> {
        let first = self.spec.contract.key.first();
        let column = first.and_then(|name| batch.column_by_name(name));
        Ok(column.map(key::positions).transpose()?.unwrap_or_default())
    }
}

/// Sends batches to a writer, combining small batches.
pub(super) struct BatchSender {
    /// Name of the source, for messages.
    name: String,
    channel: mpsc::Sender<Message>,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl BatchSender {
    /// Creates a sender without pending batches.
    pub fn new(name: &str, channel: mpsc::Sender<Message>) -> Self {
        Self {
            name: name.to_string(),
            channel,
            batches: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    fn send(&mut self, batch: RecordBatch) -> Result<(), StoreError> {
        self.rows += batch.num_rows();
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        if self.rows < BATCH_ROWS && self.bytes < BATCH_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        (self.rows, self.bytes) = (0, 0);
        let batches = std::mem::take(&mut self.batches);
        let Some(first) = batches.first() else {
            return Ok(());
        };
        let combined = match batches.len() {
            1 => first.clone(),
            _ => arrow::compute::concat_batches(&first.schema(), &batches)?,
        };
        self.send_message(Message::Rows(combined))
    }

    /// Sends the remaining rows, then the end marker.
    fn finish(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.send_message(Message::End)
    }

    fn send_message(&self, message: Message) -> Result<(), StoreError> {
        self.channel.blocking_send(message).map_err(|_| {
            StoreError::from(SourceError::Stopped {
                name: self.name.clone(),
            })
        })
    }
}

/// Adds the counts of a block.
fn count(parsed: &ParsedBlock, contract: &Contract, counts: &mut Counts) {
    counts.records += parsed.records;
    for (name, n) in &parsed.unknown {
        read::count_unknown(&mut counts.unknown, name, *n);
    }
    for row in &parsed.refused {
        let (reason, field) = (row.violation.reason, &row.violation.field);
        *counts.quarantined.entry(reason.text().into()).or_default() += 1;
        if reason == quarantine::Reason::WrongType && !field.is_empty() {
            read::count_unknown(&mut counts.retyped, &without_indices(field), 1);
        }
    }
    let Some(batch) = &parsed.batch else { return };
    counts.accepted += batch.num_rows() as u64;
    for (field, column) in contract.fields.iter().zip(batch.columns()) {
        let present = (column.len() - column.null_count()) as u64;
        *counts.present.entry(field.name.clone()).or_default() += present;
    }
}

/// Removes indices from a path: `updates[2].at` becomes `updates[].at`.
fn without_indices(field: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in field.chars() {
        inside = (inside && c != ']') || c == '[';
        if !inside || c == '[' {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_a_list_are_one_field() {
        assert_eq!(without_indices("updates[12].at"), "updates[].at");
        assert_eq!(without_indices("a.b"), "a.b");
        assert_eq!(without_indices("a[1][2]"), "a[][]");
    }

    #[test]
    fn rows_belong_to_the_object_that_began_last() {
        let result = ReadResult {
            counts: vec![Counts::default(); 4],
            starts: vec![0, 3, 3, 5],
            rows: 6,
            ..ReadResult::default()
        };
        let objects: Vec<usize> = (0..6).map(|row| result.object_of(row)).collect();
        assert_eq!(objects, [0, 0, 0, 2, 2, 3]);
    }
}
