//! Resolves duplicate keys among the records of an increment, in bounded memory.
//!
//! The last record of a key is known only at the end. Until then, entries are partitioned by the
//! first bits of the key, so that all entries of a key are in the same partition; above a limit the
//! partitions spill to files. At the end, the partitions are processed one by one.

use crate::error::StoreError;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

/// Number of partitions; a power of two.
const PARTITIONS: usize = 256;
/// Maximum number of entries in memory: 96 MiB. The partitions then have a capacity of 128 MiB,
/// since 12 288 entries of a partition fit into 16 384 slots.
const ENTRIES_MAX: usize = 3 << 20;
/// Size of an entry in a file, in bytes.
const ENTRY_BYTES: usize = 32;

/// The row of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyRow {
    pub row: u64,
    /// Value of the `latest` field; 0 without such a field.
    pub order: i64,
}

/// A hasher that uses the first bytes: hashes of keys are random already.
#[derive(Default)]
pub(super) struct FirstBytes(u64);

impl std::hash::Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for (slot, byte) in bytes.iter().take(8).enumerate() {
            self.0 ^= u64::from(*byte) << (8 * slot);
        }
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

pub(super) type Keys = HashMap<u128, KeyRow, std::hash::BuildHasherDefault<FirstBytes>>;

/// A key and the data of its row; the key is split in two halves so that an entry takes 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    key: [u64; 2],
    data: KeyRow,
}

impl Entry {
    fn key(&self) -> u128 {
        u128::from(self.key[0]) << 64 | u128::from(self.key[1])
    }

    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let words = [
            self.key[0],
            self.key[1],
            self.data.row,
            self.data.order as u64,
        ];
        let mut bytes = [0; ENTRY_BYTES];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[8 * index..8 * index + 8]);
            u64::from_le_bytes(word)
        };
        Self {
            key: [word(0), word(1)],
            data: KeyRow {
                row: word(2),
                order: word(3) as i64,
            },
        }
    }
}

/// The keys of all rows read, in the order of the rows.
pub(super) struct KeyTable {
    partitions: Vec<Vec<Entry>>,
    in_memory: usize,
    in_memory_max: usize,
    /// Folder for spilled files.
    folder: PathBuf,
    spilled: bool,
}

impl KeyTable {
    /// Creates an empty table; `folder` is for spilled files and is removed by the caller.
    pub fn new(folder: &Path) -> Self {
        Self::with_capacity(folder, ENTRIES_MAX)
    }

    fn with_capacity(folder: &Path, in_memory_max: usize) -> Self {
        Self {
            partitions: vec![Vec::new(); PARTITIONS],
            in_memory: 0,
            in_memory_max,
            folder: folder.to_path_buf(),
            spilled: false,
        }
    }

    /// Adds the keys of the rows from `first` on; `order` is empty if only the position matters.
    pub fn add(&mut self, first: u64, keys: &[u128], order: &[i64]) -> Result<(), StoreError> {
        for (offset, key) in keys.iter().enumerate() {
            let key = [(key >> 64) as u64, *key as u64];
            self.partitions[key[0] as usize % PARTITIONS].push(Entry {
                key,
                data: KeyRow {
                    row: first + offset as u64,
                    order: order.get(offset).copied().unwrap_or(0),
                },
            });
        }
        self.in_memory += keys.len();
        if self.in_memory >= self.in_memory_max {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), StoreError> {
        self.spilled = true;
        self.in_memory = 0;
        for number in 0..PARTITIONS {
            let mut bytes = Vec::with_capacity(self.partitions[number].len() * ENTRY_BYTES);
            for entry in self.partitions[number].drain(..) {
                bytes.extend_from_slice(&entry.to_bytes());
            }
            let path = self.file(number);
            let opened = File::options().create(true).append(true).open(&path);
            opened
                .and_then(|mut file| file.write_all(&bytes))
                .map_err(|error| StoreError::io("writing the file", &path, &error))?;
        }
        Ok(())
    }

    fn file(&self, partition: usize) -> PathBuf {
        self.folder.join(format!("keys-{partition}"))
    }

    /// Passes each superseded row to `superseded`: among the rows with the same key, the row with
    /// the largest `order` is kept and, among equal values, the last. With `return_kept`, returns
    /// the kept rows.
    pub fn resolve(
        mut self,
        return_kept: bool,
        superseded: &mut dyn FnMut(u64),
    ) -> Result<Keys, StoreError> {
        let mut kept = Keys::default();
        let mut keys = Keys::default();
        for number in 0..PARTITIONS {
            if self.spilled {
                self.read(number, &mut |entry| add_row(&mut keys, entry, superseded))?;
            }
            for entry in std::mem::take(&mut self.partitions[number]) {
                add_row(&mut keys, &entry, superseded);
            }
            if return_kept {
                kept.extend(keys.drain());
            } else {
                keys.clear();
            }
        }
        Ok(kept)
    }

    /// Reads the spilled entries of a partition and removes the file.
    fn read(&self, partition: usize, visit: &mut dyn FnMut(&Entry)) -> Result<(), StoreError> {
        let path = self.file(partition);
        let failed = |error: io::Error| StoreError::io("reading the file", &path, &error);
        let mut file = BufReader::with_capacity(256 << 10, File::open(&path).map_err(failed)?);
        let entries = fs::metadata(&path).map_err(failed)?.len() / ENTRY_BYTES as u64;
        let mut bytes = [0; ENTRY_BYTES];
        for _ in 0..entries {
            file.read_exact(&mut bytes).map_err(failed)?;
            visit(&Entry::from_bytes(&bytes));
        }
        fs::remove_file(&path).map_err(failed)
    }
}

/// Adds a row; if its key already has a row, passes the superseded one of the two rows to
/// `superseded`. Rows must be added in order.
fn add_row(keys: &mut Keys, entry: &Entry, superseded: &mut dyn FnMut(u64)) {
    use std::collections::hash_map::Entry::{Occupied, Vacant};
    match keys.entry(entry.key()) {
        Vacant(empty) => {
            empty.insert(entry.data);
        }
        Occupied(mut slot) if slot.get().order <= entry.data.order => {
            superseded(slot.insert(entry.data).row);
        }
        Occupied(_) => superseded(entry.data.row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Rows;
    use std::collections::BTreeMap;

    #[test]
    fn the_latest_row_of_a_key_wins_with_and_without_spilling() {
        let folder = tempfile::tempdir().unwrap();
        // Keys in few partitions, and orders that rise and fall.
        let keys: Vec<u128> = (0..5000_u128).map(|n| (n * 7919 % 1500) << 63).collect();
        let order: Vec<i64> = (0..5000_i64).map(|n| n * 31 % 17 - 8).collect();
        let mut expected: BTreeMap<u128, (i64, u64)> = BTreeMap::new();
        for (row, (key, order)) in (0_u64..).zip(keys.iter().zip(&order)) {
            let latest = expected.entry(*key).or_insert((*order, row));
            *latest = (*latest).max((*order, row));
        }
        for capacity in [1, 1000, 1 << 20] {
            let mut table = KeyTable::with_capacity(folder.path(), capacity);
            for start in (0..keys.len()).step_by(700) {
                let end = (start + 700).min(keys.len());
                table
                    .add(start as u64, &keys[start..end], &order[start..end])
                    .unwrap();
            }
            let mut superseded = Rows::default();
            let kept = table.resolve(true, &mut |row| superseded.insert(row));
            let kept = kept.unwrap();
            assert_eq!(kept.len(), expected.len());
            for (key, (order, row)) in &expected {
                assert_eq!(
                    kept.get(key).map(|kept| (kept.order, kept.row)),
                    Some((*order, *row))
                );
            }
            assert_eq!(superseded.len(), (keys.len() - expected.len()) as u64);
            assert!(expected.values().all(|(_, row)| !superseded.contains(*row)));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
