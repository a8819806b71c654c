//! Makes the rows of a reused source visible in the lake again.

use super::{manifest, quarantine, quarantine_name};
use crate::{
    dataset::{FINGERPRINT, Lake, Properties},
    error::StoreError,
};
use retrocast_domain::cell::DatasetRef;

/// Property: the version whose rows are restored.
const RESTORED: &str = "restored";

impl Lake {
    /// Makes this version of a source's rows the newest again, as if its records had been read
    /// again.
    ///
    /// Only versions that a report cites are restored, because cited versions are not removed
    /// concurrently, and only together with the manifest and the quarantine that they name.
    /// Otherwise nothing changes: this only affects what the lake shows.
    pub async fn make_newest(&self, dataset: &DatasetRef) -> Result<(), StoreError> {
        let Some(latest) = self.latest(&dataset.name).await? else {
            return Ok(());
        };
        let Some(mut properties) = self.properties_of(dataset).await? else {
            return Ok(());
        };
        let Some(datasets) = manifest::VersionDatasets::from_properties(&dataset.name, &properties)
        else {
            return Ok(());
        };
        if !self.is_newest(dataset, &latest, &properties).await? {
            if !self.cited(&dataset.name).await?.contains(&dataset.version)
                || !datasets.exist(self).await
            {
                return Ok(());
            }
            properties.insert(RESTORED.to_string(), dataset.version.to_string());
            if !self.restore(dataset, &latest, &properties).await? {
                // Another process ingested at the same time: its version stays the newest.
                return Ok(());
            }
        }
        if datasets.quarantine.is_none() {
            quarantine::clear(self, &quarantine_name(&dataset.name)).await?;
        }
        Ok(())
    }

    /// Returns true if the newest version has the rows of this version: it is this version, or a
    /// compaction or a restoration of it.
    async fn is_newest(
        &self,
        dataset: &DatasetRef,
        latest: &DatasetRef,
        properties: &Properties,
    ) -> Result<bool, StoreError> {
        if latest.version == dataset.version {
            return Ok(true);
        }
        let newest = self.properties_with(latest, manifest::MANIFEST).await?;
        let names = [manifest::MANIFEST, FINGERPRINT];
        Ok(newest.is_some_and(|newest| {
            names
                .iter()
                .all(|name| newest.get(*name) == properties.get(*name))
        }))
    }
}
