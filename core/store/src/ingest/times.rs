//! The first and the last time of a dataset's rows, without reading all of them for every
//! increment.
//!
//! Each version stores its times. The times of the next version are derived from them and the times
//! of the increment, unless a row at either bound was deleted.

use crate::{
    contract::Contract,
    dataset::{
        DeletedRows, Lake, PendingRows, Properties, ROW_ADDRESS, RowSubset, Rows, dataset_error,
    },
    error::StoreError,
};
use arrow::{
    array::{Array, AsArray as _},
    datatypes::UInt64Type,
};
use arrow_schema::DataType;
use futures::StreamExt as _;
use retrocast_domain::cell::DatasetRef;
use retrocast_records::read::{time_range, times, value::time_text};

/// Property of a version of the rows: first and last time.
const TIMES: &str = "times";

/// First and last time in microseconds since 1970 UTC; `None` if no row has a time.
pub(super) type Times = Option<(i64, i64)>;

/// The range that covers both ranges.
pub(super) fn union(a: Times, b: Times) -> Times {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// Stores the times of a version's rows in its properties.
pub(super) fn store(times: Times, properties: &mut Properties) {
    let text = times.map_or(String::new(), |(first, last)| format!("{first} {last}"));
    properties.insert(TIMES.to_string(), text);
}

/// The stored times; `None` if no times are stored.
pub(super) fn load(properties: &Properties) -> Option<Times> {
    let text = properties.get(TIMES)?;
    if text.is_empty() {
        return Some(None);
    }
    let (first, last) = text.split_once(' ')?;
    Some(Some((first.parse().ok()?, last.parse().ok()?)))
}

/// The bounds of a dataset's times, and whether rows at them were deleted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TimeBounds {
    times: Times,
    deleted: (bool, bool),
}

impl TimeBounds {
    /// Starts without deleted rows.
    pub fn new(times: Times) -> Self {
        Self {
            times,
            deleted: (false, false),
        }
    }

    /// Records the deletion of a row at `time`.
    pub fn delete(&mut self, time: i64) {
        if let Some((first, last)) = self.times {
            self.deleted.0 |= time <= first;
            self.deleted.1 |= time >= last;
        }
    }

    /// Combines the times with new times; `None` if a bound is unknown.
    pub fn union(self, new: Times) -> Option<Times> {
        let combined = union(self.times, new);
        let covered = |reaches: fn((i64, i64), (i64, i64)) -> bool| {
            new.zip(combined)
                .is_some_and(|(new, combined)| reaches(new, combined))
        };
        let first = !self.deleted.0 || covered(|new, combined| new.0 == combined.0);
        let last = !self.deleted.1 || covered(|new, combined| new.1 == combined.1);
        (first && last).then_some(combined)
    }
}

impl Lake {
    /// The times of staged rows without the superseded rows, which are given by number.
    pub(super) async fn staged_times(
        &self,
        staged: &DatasetRef,
        time: Option<&str>,
        superseded: &Rows,
    ) -> Result<Times, StoreError> {
        let mut number = 0;
        self.scan_times(staged, RowSubset::All, time, |_| {
            number += 1;
            !superseded.contains(number - 1)
        })
        .await
    }

    /// The times of rows that were prepared to follow the rows of a dataset.
    pub(super) async fn pending_times(
        &self,
        base: &DatasetRef,
        prepared: &PendingRows,
        time: Option<&str>,
    ) -> Result<Times, StoreError> {
        self.scan_times(base, RowSubset::Pending(prepared), time, |_| true)
            .await
    }

    /// The times of a dataset's rows without the deleted rows.
    pub(super) async fn remaining_times(
        &self,
        rows: &DatasetRef,
        time: Option<&str>,
        deleted: &DeletedRows,
    ) -> Result<Times, StoreError> {
        self.scan_times(rows, RowSubset::All, time, |address| {
            let offsets = deleted.get(&((address >> 32) as u32));
            offsets.is_none_or(|offsets| offsets.binary_search(&(address as u32)).is_err())
        })
        .await
    }

    async fn scan_times(
        &self,
        dataset: &DatasetRef,
        subset: RowSubset<'_>,
        time: Option<&str>,
        mut is_included: impl FnMut(u64) -> bool,
    ) -> Result<Times, StoreError> {
        let Some(time) = time else {
            return Ok(None);
        };
        let columns = [time.to_string()];
        let mut stream = self.scan_addresses(dataset, &columns, subset).await?;
        let mut times = None;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| dataset_error(&dataset.name, "read", &error))?;
            let addresses = batch.column_by_name(ROW_ADDRESS);
            let (Some(column), Some(addresses)) = (batch.column_by_name(time), addresses) else {
                continue;
            };
            let remaining: Vec<bool> = addresses
                .as_primitive::<UInt64Type>()
                .values()
                .iter()
                .map(|address| is_included(*address))
                .collect();
            let range = if remaining.iter().all(|remaining| *remaining) {
                time_range(column.as_ref())
            } else {
                let remaining = arrow::compute::filter(column, &remaining.into())?;
                time_range(remaining.as_ref())
            };
            times = union(times, range);
        }
        Ok(times)
    }
}

/// Formats both times as ISO 8601, or as days if the column contains days; empty without times.
pub(super) fn format_range(times: Times, contract: &Contract) -> (String, String) {
    let field = contract.time.as_ref().and_then(|name| {
        let mut fields = contract.fields.iter();
        fields.find(|field| field.name == *name)
    });
    let is_date = field.is_some_and(|field| field.kind.arrow() == DataType::Date32);
    let text = |micros| {
        let time = time_text(micros).unwrap_or_default();
        if is_date {
            time.chars().take(10).collect()
        } else {
            time
        }
    };
    times.map_or_else(Default::default, |(first, last)| (text(first), text(last)))
}

/// The time of each row of a time column.
pub(super) fn row_times(column: &dyn Array) -> Vec<Option<i64>> {
    times(column).map_or_else(Vec::new, |times| times.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_times_are_loaded() {
        for times in [None, Some((-5, 7))] {
            let mut properties = Properties::new();
            assert_eq!(load(&properties), None);
            store(times, &mut properties);
            assert_eq!(load(&properties), Some(times));
        }
    }

    #[test]
    fn bounds_with_deleted_rows_are_unknown_unless_new_rows_reach_them() {
        let after = |deleted: &[i64], new: Times| {
            let mut bounds = TimeBounds::new(Some((10, 20)));
            deleted.iter().for_each(|time| bounds.delete(*time));
            bounds.union(new)
        };
        assert_eq!(after(&[], None), Some(Some((10, 20))));
        assert_eq!(after(&[15], Some((12, 30))), Some(Some((10, 30))));
        assert_eq!(after(&[20], Some((12, 30))), Some(Some((10, 30))));
        assert_eq!(after(&[20], Some((12, 20))), Some(Some((10, 20))));
        assert_eq!(after(&[20], Some((12, 19))), None);
        assert_eq!(after(&[10], Some((12, 30))), None);
        assert_eq!(after(&[10], Some((9, 11))), Some(Some((9, 20))));
        assert_eq!(after(&[10, 20], None), None);
        let mut without_times = TimeBounds::new(None);
        without_times.delete(3);
        assert_eq!(without_times.union(Some((1, 2))), Some(Some((1, 2))));
    }
}
