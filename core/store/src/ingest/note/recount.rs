//! Recounts the records of an earlier version of a source.

use super::totals_by_frequency;
use crate::{
    contract::Contract,
    dataset::{DeletedRows, Lake, Scan},
    error::StoreError,
    ingest::{
        manifest::{self, Object, VersionDatasets},
        times,
    },
};
use retrocast_domain::{cell::DatasetRef, report::SourceNote};

/// Counts the records of a version of a source again, for its note: rows and times come from the
/// rows, the other counts from the manifest of that version. The number of files comes from the
/// note, because a lake keeps no listings.
///
/// # Errors
/// Fails if the rows or the manifest of the version no longer exist.
pub async fn recount(
    lake: &Lake,
    note: &SourceNote,
    rows: &DatasetRef,
    contract: &Contract,
) -> Result<SourceNote, StoreError> {
    let properties = lake.properties_with(rows, manifest::MANIFEST).await?;
    let properties = properties.unwrap_or_default();
    let mut note = note.clone();
    if let Some(datasets) = VersionDatasets::from_properties(&rows.name, &properties) {
        let (_, batches) = lake.read(&datasets.manifest, &Scan::default()).await?;
        let objects: Vec<Object> = batches.iter().flat_map(manifest::objects).collect();
        let sum = |count: fn(&Object) -> u64| objects.iter().map(count).sum::<u64>();
        note.records = sum(|object| object.counts.records);
        note.duplicates = sum(|object| object.counts.superseded);
        note.quarantined = totals_by_frequency(&objects, |object| &object.counts.quarantined);
        note.unknown_fields = totals_by_frequency(&objects, |object| &object.counts.unknown);
        note.retyped_fields = totals_by_frequency(&objects, |object| &object.counts.retyped);
    }
    note.accepted = lake.count_rows(rows).await?;
    let time = contract.time.as_deref();
    let range = lake
        .remaining_times(rows, time, &DeletedRows::new())
        .await?;
    (note.first_time, note.last_time) = times::format_range(range, contract);
    Ok(note)
}
