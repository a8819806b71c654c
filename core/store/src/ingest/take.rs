//! Reads objects, passes rows and refused records to the writers, and counts.

use super::{
    Control, Message, Progress, SourceSpec,
    keys::{KeyTable, Keys},
    manifest::Counts,
    times::{self, Times},
    touched::KeyRanges,
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
    read::{self, ParsedBlock, ReadEvent, Reading, key, quarantine},
};
use std::{collections::BTreeSet, path::PathBuf};
use tokio::sync::mpsc;

/// Number of rows, and bytes, from which a batch is passed on alone. Each batch costs the writer
/// work and memory, so those of many small objects are combined.
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
    pub rows: Outgoing,
    pub refused: Outgoing,
    /// The remaining objects of the dataset, if there are any: duplicates with their rows are
    /// resolved later.
    pub beside: Option<KeyRanges>,
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
    pub touched: BTreeSet<u32>,
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
    /// Reads everything. Blocks.
    pub fn run(self, mut ways: Outputs) -> Result<ReadResult, StoreError> {
        let mut taken = ReadResult {
            counts: vec![Counts::default(); self.files.len()],
            ..ReadResult::default()
        };
        let mut gathered = self.spill.as_deref().map(KeyTable::new);
        let mut progress = Progress::default();
        let reading = Reading {
            listing: &self.listing,
            files: &self.files,
            contract: &self.spec.contract,
            dialect: &self.spec.dialect,
            hash_key: self.control.hash_key.as_deref(),
            threads: self.control.threads,
            cancel: &self.control.cancel,
            runtime: &self.runtime,
        };
        reading.run(&mut |event| match event {
            ReadEvent::End { file, broken } => {
                taken.counts[file].broken = broken;
                Ok(())
            }
            ReadEvent::Records(parsed) => {
                progress.records += parsed.records;
                progress.bytes += parsed.bytes;
                self.pass_on(parsed, &mut taken, gathered.as_mut(), &mut ways)?;
                if let Some(listener) = &self.control.progress {
                    listener(progress);
                }
                Ok::<(), StoreError>(())
            }
        })?;
        taken.starts.resize(self.files.len(), taken.rows);
        ways.refused.end()?;
        ways.rows.end()?;
        if let Some(gathered) = gathered {
            taken.keys =
                gathered.resolve(ways.beside.is_some(), &mut |row| taken.supersede(row))?;
        }
        taken.touched = ways
            .beside
            .map(|beside| beside.objects())
            .unwrap_or_default();
        Ok(taken)
    }

    fn pass_on(
        &self,
        parsed: ParsedBlock,
        taken: &mut ReadResult,
        gathered: Option<&mut KeyTable>,
        ways: &mut Outputs,
    ) -> Result<(), StoreError> {
        let (file, number) = (parsed.file, self.numbers[parsed.file]);
        // Objects without rows begin where the next one does.
        taken
            .starts
            .resize(taken.starts.len().max(file + 1), taken.rows);
        count(&parsed, &self.spec.contract, &mut taken.counts[file]);
        if !parsed.refused.is_empty() {
            let name = &self.files[file].0.name;
            let rows = quarantine::batch(&self.spec.name, name, &parsed.refused)?;
            let rows = super::refused::with_object(&rows, number)?;
            ways.refused.send(rows)?;
        }
        let Some(batch) = parsed.batch else {
            return Ok(());
        };
        let time = self.spec.contract.time.as_deref();
        let times = time.and_then(|name| read::time_range(batch.column_by_name(name)?.as_ref()));
        taken.times = times::both(taken.times, times);
        if let Some(gathered) = gathered {
            gathered.add(taken.rows, &parsed.keys, &parsed.order)?;
            let places = self.places(&batch)?;
            if let Some(beside) = &mut ways.beside {
                places.iter().for_each(|place| beside.touch(*place));
            }
            let known = taken.counts[file].places.into_iter();
            let all = known.flat_map(|(least, greatest)| [least, greatest]);
            let all = all.chain(places);
            taken.counts[file].places = all.fold(None, |range, place| match range {
                None => Some((place, place)),
                Some((least, greatest)) => Some((least.min(place), greatest.max(place))),
            });
        }
        taken.rows += batch.num_rows() as u64;
        let batch = origin::add(&batch, &self.schema, number, parsed.lines)?;
        ways.rows.send(batch)
    }

    /// The positions of the rows' keys.
    fn places(&self, batch: &RecordBatch) -> Result<Vec<u128>, StoreError> {
        let first = self.spec.contract.key.first();
        let column = first.and_then(|name| batch.column_by_name(name));
        Ok(column.map(key::positions).transpose()?.unwrap_or_default())
    }
}

/// Batches for a writer, with small ones combined.
pub(super) struct Outgoing {
    /// Name of the source, for messages.
    name: String,
    channel: mpsc::Sender<Message>,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Outgoing {
    /// Nothing is on its way yet.
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
        let together = match batches.len() {
            1 => first.clone(),
            _ => arrow::compute::concat_batches(&first.schema(), &batches)?,
        };
        self.send_message(Message::Rows(together))
    }

    /// Sends the rest, and the end marker.
    fn end(&mut self) -> Result<(), StoreError> {
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
            read::count_unknown(&mut counts.retyped, &without_places(field), 1);
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
fn without_places(field: &str) -> String {
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
    fn places_in_lists_are_one_field() {
        assert_eq!(without_places("updates[12].at"), "updates[].at");
        assert_eq!(without_places("a.b"), "a.b");
        assert_eq!(without_places("a[1][2]"), "a[][]");
    }

    #[test]
    fn rows_belong_to_the_object_that_began_last() {
        let taken = ReadResult {
            counts: vec![Counts::default(); 4],
            starts: vec![0, 3, 3, 5],
            rows: 6,
            ..ReadResult::default()
        };
        let objects: Vec<usize> = (0..6).map(|row| taken.object_of(row)).collect();
        assert_eq!(objects, [0, 0, 0, 2, 2, 3]);
    }
}
