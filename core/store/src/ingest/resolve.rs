//! Resolves duplicate keys between new rows and rows of the dataset.
//!
//! The row with the largest value of the contract's `latest` field wins and, among equal values,
//! the last in the order of paths and lines, independent of the order of arrival. Only the columns
//! needed for this are read from the dataset; memory holds the keys of the increment.

use super::{
    manifest::Object,
    reader::ReadResult,
    times::{self, TimeBounds, Times},
};
use crate::{
    contract::Contract,
    dataset::{DeletedRows, Lake, ROW_ADDRESS, RowSubset, dataset_error},
    error::StoreError,
    origin,
};
use arrow::{
    array::{ArrayRef, AsArray as _, RecordBatch},
    datatypes::{UInt32Type, UInt64Type},
};
use futures::StreamExt as _;
use retrocast_domain::cell::DatasetRef;
use retrocast_records::read::key;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Number of batches of the dataset that are hashed concurrently.
const CONCURRENT_HASHES: usize = 4;

/// The rows of the dataset before the increment.
pub(super) struct Existing<'a> {
    pub lake: &'a Lake,
    pub rows: &'a DatasetRef,
    pub contract: &'a Contract,
    /// Objects whose rows are deleted in any case.
    pub deleted: &'a BTreeSet<u32>,
    /// Paths of the remaining objects.
    pub paths: &'a BTreeMap<u32, String>,
    /// First and last time of its rows; `None` if unknown.
    pub times: Times,
}

/// The effect of an increment on earlier rows.
#[derive(Default)]
pub(super) struct Resolution {
    /// The deleted rows.
    pub deleted: DeletedRows,
    /// The first and last time of the remaining rows.
    pub bounds: TimeBounds,
}

impl Existing<'_> {
    /// Finds the rows to delete, and marks rows of the increment that older rows supersede. Updates
    /// the counts of objects with newly superseded rows.
    pub async fn resolve(
        &self,
        read_result: &mut ReadResult,
        new_paths: &[String],
        objects: &mut [Object],
    ) -> Result<Resolution, StoreError> {
        let mut resolution = Resolution {
            deleted: DeletedRows::new(),
            bounds: TimeBounds::new(self.times),
        };
        let keyed = !read_result.keys.is_empty();
        let mut affected = self.deleted.clone();
        if keyed {
            affected.extend(&read_result.overlapping);
        }
        if affected.is_empty() {
            return Ok(resolution);
        }
        let mut columns = vec![origin::OBJECT.to_string()];
        if keyed {
            columns.extend(self.contract.key.iter().cloned());
            columns.extend(self.contract.latest.clone());
        }
        columns.extend(self.contract.time.clone());
        let mut unique = BTreeSet::new();
        columns.retain(|column| unique.insert(column.clone()));
        let mut newly_superseded: BTreeMap<u32, u64> = BTreeMap::new();
        let key: Arc<[String]> = if keyed {
            self.contract.key.clone().into()
        } else {
            Arc::default()
        };
        let object_count = self.paths.len() + self.deleted.len();
        let subset = if affected.len() < object_count {
            RowSubset::Objects(&affected)
        } else {
            RowSubset::All
        };
        let stream = self
            .lake
            .scan_addresses(self.rows, &columns, subset)
            .await?;
        // Hashing is most of the work; the order of the batches is preserved.
        let mut hashed = stream
            .map(|batch| {
                let (key, name) = (Arc::clone(&key), self.rows.name.clone());
                tokio::task::spawn_blocking(move || {
                    let batch = batch.map_err(|error| dataset_error(&name, "read", &error))?;
                    let keys = key_hashes(&batch, &key, &name)?;
                    Ok::<_, StoreError>((batch, keys))
                })
            })
            .buffered(CONCURRENT_HASHES);
        while let Some(result) = hashed.next().await {
            let stopped = |_| StoreError::Stopped {
                name: self.rows.name.clone(),
            };
            let (batch, keys) = result.map_err(stopped)??;
            self.compare_batch(
                &batch,
                &keys,
                read_result,
                new_paths,
                &mut resolution,
                &mut newly_superseded,
            )?;
        }
        for object in objects {
            let count = newly_superseded.get(&object.number).copied();
            object.counts.superseded += count.unwrap_or(0);
        }
        Ok(resolution)
    }

    fn compare_batch(
        &self,
        batch: &RecordBatch,
        keys: &[u128],
        read_result: &mut ReadResult,
        new_paths: &[String],
        resolution: &mut Resolution,
        newly_superseded: &mut BTreeMap<u32, u64>,
    ) -> Result<(), StoreError> {
        let column = |name: &str| column(batch, name, &self.rows.name);
        let objects = column(origin::OBJECT)?;
        let objects = objects.as_primitive::<UInt32Type>();
        let addresses = column(ROW_ADDRESS)?;
        let addresses = addresses.as_primitive::<UInt64Type>();
        let orders = match &self.contract.latest {
            Some(latest) if !keys.is_empty() => key::orders(&column(latest)?)?,
            _ => Vec::new(),
        };
        let times = match &self.contract.time {
            Some(time) => times::row_times(column(time)?.as_ref()),
            None => Vec::new(),
        };
        for row in 0..batch.num_rows() {
            let object = objects.value(row);
            let is_deleted = self.deleted.contains(&object) || {
                let order = orders.get(row).copied().unwrap_or(0);
                let superseded = keys.get(row).is_some_and(|key| {
                    self.is_superseded(*key, order, object, read_result, new_paths)
                });
                if superseded {
                    *newly_superseded.entry(object).or_default() += 1;
                }
                superseded
            };
            if is_deleted {
                let address = addresses.value(row);
                let fragment = (address >> 32) as u32;
                let offsets = resolution.deleted.entry(fragment).or_default();
                offsets.push(address as u32);
                if let Some(time) = times.get(row).copied().flatten() {
                    resolution.bounds.delete(time);
                }
            }
        }
        Ok(())
    }

    /// Returns true if a row of the increment supersedes a row of the dataset; otherwise the new
    /// row is superseded.
    fn is_superseded(
        &self,
        key: u128,
        order: i64,
        object: u32,
        read_result: &mut ReadResult,
        new_paths: &[String],
    ) -> bool {
        let Some(new) = read_result.keys.get(&key).copied() else {
            return false;
        };
        let old_path = self.paths.get(&object).map_or("", String::as_str);
        let new_path = new_paths[read_result.object_of(new.row)].as_str();
        if (order, old_path) <= (new.order, new_path) {
            return true;
        }
        read_result.keys.remove(&key);
        read_result.supersede(new.row);
        false
    }
}

/// The hash of each row's key; empty if there is no key.
fn key_hashes(batch: &RecordBatch, key: &[String], dataset: &str) -> Result<Vec<u128>, StoreError> {
    let parts = key.iter().map(|name| column(batch, name, dataset));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    Ok(key::hashes(&parts)?)
}

fn column(batch: &RecordBatch, name: &str, dataset: &str) -> Result<ArrayRef, StoreError> {
    let column = batch.column_by_name(name).cloned();
    column.ok_or_else(|| StoreError::Dataset {
        name: dataset.to_string(),
        action: "read",
        reason: format!("it has no column {name:?}"),
    })
}
