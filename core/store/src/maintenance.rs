//! Maintains a lake: lists its contents, tags the cited versions, and removes the others.
//!
//! A report cites the versions it was computed from. Each gets a tag `cited-<version>`, which
//! protects it from any cleanup by Lance. Cleanup follows the archive: versions that no archived
//! report cites lose their tag, and are removed once they are old enough, unless the newest version
//! needs them.

mod query;

pub use query::QueryResult;

use crate::{
    dataset::{DatasetVersion, Lake, dataset_error},
    error::StoreError,
    ingest::{self, manifest::SourceVersion},
};
use jiff::{SignedDuration, Timestamp};
use lance::dataset::{
    cleanup::{CleanupPolicyBuilder, cleanup_old_versions},
    optimize::{CompactionOptions, compact_files},
};
use retrocast_domain::cell::DatasetRef;
use serde::Serialize;
use std::collections::BTreeSet;

/// Minimum number of fragments for a compaction.
const COMPACTED_FRAGMENTS_MIN: usize = 32;
/// Prefix of the tags of cited versions.
const TAG: &str = "cited-";
/// Number of existing versions listed in the error for an unknown version.
const VERSIONS_SHOWN: usize = 8;

/// A dataset in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetEntry {
    /// Name in the lake of the job.
    pub name: String,
    /// Newest version.
    pub version: u64,
    /// Number of its rows.
    pub rows: u64,
    /// Size of all versions on disk, in bytes.
    pub bytes: u64,
}

/// The result of a cleanup, or of a dry run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Name of the dataset.
    pub name: String,
    /// Removed versions.
    pub removed: Vec<u64>,
    /// Remaining versions.
    pub kept: Vec<u64>,
    /// Number of freed bytes; 0 for a dry run.
    pub bytes: u64,
    /// True if small files were compacted.
    pub compacted: bool,
}

/// Options of a cleanup.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    /// Versions newer than this are kept.
    pub keep: SignedDuration,
    /// The current time.
    pub now: Timestamp,
    /// True for a dry run.
    pub dry_run: bool,
}

impl Lake {
    /// Names of all datasets, sorted.
    pub async fn names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.root().names().await?.into_iter().collect())
    }

    /// Every dataset with its newest version.
    pub async fn list(&self) -> Result<Vec<DatasetEntry>, StoreError> {
        let mut entries = Vec::new();
        for name in self.names().await? {
            if self.latest(&name).await?.is_some() {
                let latest = self.find(&name, None).await?;
                entries.push(DatasetEntry {
                    bytes: self.root().bytes(&name).await?,
                    version: latest.version,
                    rows: latest.rows,
                    name,
                });
            }
        }
        Ok(entries)
    }

    /// Finds a dataset at a version, or its current version; fails if it does not exist. The
    /// current version of a quarantine or manifest is the version named by the rows of its source.
    pub async fn find(&self, name: &str, version: Option<u64>) -> Result<DatasetRef, StoreError> {
        let missing = |version| StoreError::NoDataset {
            name: name.to_string(),
            version,
            folder: self.root().to_string(),
            reason: "it does not exist".to_string(),
        };
        let Some(latest) = self.latest(name).await? else {
            return Err(missing(version.unwrap_or(1)));
        };
        let version = match version {
            Some(version) => Some(version),
            None => {
                let named = ingest::manifest::current_version(self, name).await?;
                let named = named.map(|version| DatasetRef {
                    version,
                    ..latest.clone()
                });
                match named {
                    Some(named) if self.exists(&named).await => Some(named.version),
                    _ => None,
                }
            }
        };
        let Some(version) = version.filter(|version| *version != latest.version) else {
            return Ok(latest);
        };
        let requested = DatasetRef { version, ..latest };
        let opened = match self.open(&requested).await {
            Ok(opened) => opened,
            Err(error) => {
                let existing = self.versions(name).await?;
                if existing.iter().any(|entry| entry.version == version) {
                    return Err(error);
                }
                return Err(StoreError::NoVersion {
                    name: name.to_string(),
                    version,
                    existing: format_versions(&existing),
                });
            }
        };
        let rows = opened.count_rows(None).await;
        let rows = rows.map_err(|error| dataset_error(name, "read", &error))? as u64;
        Ok(DatasetRef { rows, ..requested })
    }

    /// Tags versions that a report cites, which protects them from removal.
    pub async fn cite(&self, datasets: &[DatasetRef]) -> Result<(), StoreError> {
        for dataset in datasets {
            let failed = |error: lance::Error| dataset_error(&dataset.name, "tagged", &error);
            let opened = self.open(dataset).await?;
            let tag = tag(dataset.version);
            match opened.tags().create(&tag, dataset.version).await {
                Ok(()) | Err(lance::Error::RefConflict { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// The versions of a dataset that reports cite, by their tags.
    pub async fn cited(&self, name: &str) -> Result<BTreeSet<u64>, StoreError> {
        let Some(latest) = self.latest(name).await? else {
            return Ok(BTreeSet::new());
        };
        let opened = self.open(&latest).await?;
        let tags = opened.tags().list().await;
        let tags = tags.map_err(|error| dataset_error(name, "read", &error))?;
        let versions = tags.into_iter().filter(|(tag, _)| tag.starts_with(TAG));
        Ok(versions.map(|(_, content)| content.version).collect())
    }

    /// Removes versions of a dataset that are neither cited (by `cited`, from the archive) nor
    /// recent nor needed by the newest, and compacts small files.
    pub async fn sweep(
        &self,
        name: &str,
        cited: &BTreeSet<u64>,
        options: SweepOptions,
    ) -> Result<SweepReport, StoreError> {
        let failed = |error: lance::Error| dataset_error(name, "cleaned", &error);
        let mut report = SweepReport {
            name: name.to_string(),
            ..SweepReport::default()
        };
        let Some(mut latest) = self.latest(name).await? else {
            return Ok(report);
        };
        if !options.dry_run && self.compact(&latest).await? {
            report.compacted = true;
            latest = self.latest(name).await?.unwrap_or(latest);
        }
        let needed = self.needed_versions(name, latest.version).await?;
        let versions = self.versions(name).await?;
        let must_stay = |entry: &DatasetVersion| {
            let age = options.now.duration_since(entry.committed);
            cited.contains(&entry.version) || needed.contains(&entry.version) || age < options.keep
        };
        let (remaining, removed): (Vec<_>, Vec<_>) =
            versions.iter().partition(|entry| must_stay(entry));
        report.kept = remaining.iter().map(|entry| entry.version).collect();
        report.removed = removed.iter().map(|entry| entry.version).collect();
        if options.dry_run || report.removed.is_empty() {
            return Ok(report);
        }
        let opened = self.open(&latest).await?;
        for version in &report.removed {
            // A tag that remains is from a report that no longer exists.
            let _ = opened.tags().delete(&tag(*version)).await;
        }
        let policy = CleanupPolicyBuilder::default()
            .versions(report.removed.clone())
            .map_err(failed)?
            .error_if_tagged_old_versions(false)
            .build();
        let removed = cleanup_old_versions(&opened, policy)
            .await
            .map_err(failed)?;
        report.bytes = removed.bytes_removed;
        Ok(report)
    }

    /// Versions that the newest version needs: the manifest and quarantine that its rows name.
    async fn needed_versions(&self, name: &str, latest: u64) -> Result<BTreeSet<u64>, StoreError> {
        let mut needed = BTreeSet::from([latest]);
        let source = ["__manifest", "__quarantine"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending));
        let source_version = match source {
            Some(source) => SourceVersion::read(self, source).await?,
            None => None,
        };
        if let Some(source_version) = source_version {
            let named = [
                Some(source_version.manifest.clone()),
                source_version.quarantine.clone(),
            ];
            let named = named.into_iter().flatten();
            needed.extend(
                named
                    .filter(|dataset| dataset.name == name)
                    .map(|dataset| dataset.version),
            );
        }
        // The version of the rows that names both; a compaction of it may be newer.
        let rows = self.find(name, Some(latest)).await?;
        if let Some(version) = self.version_with(&rows, ingest::manifest::MANIFEST).await? {
            needed.insert(version);
        }
        Ok(needed)
    }

    /// Combines many small fragments in a new version with the same rows.
    pub(crate) async fn compact(&self, latest: &DatasetRef) -> Result<bool, StoreError> {
        let failed = |error: lance::Error| dataset_error(&latest.name, "compacted", &error);
        let opened = self.open(latest).await?;
        if opened.get_fragments().len() < COMPACTED_FRAGMENTS_MIN {
            return Ok(false);
        }
        let mut dataset = (*opened).clone();
        let compacted = compact_files(&mut dataset, CompactionOptions::default(), None).await;
        Ok(compacted.map_err(failed)?.fragments_removed > 0)
    }
}

fn tag(version: u64) -> String {
    format!("{TAG}{version}")
}

/// Formats version numbers; if there are many, only the last.
fn format_versions(versions: &[DatasetVersion]) -> String {
    let first = versions.len().saturating_sub(VERSIONS_SHOWN);
    let shown: Vec<String> = versions[first..]
        .iter()
        .map(|entry| entry.version.to_string())
        .collect();
    let older = if first > 0 { "older ones, " } else { "" };
    format!("{older}{}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Properties, Scan};

    #[tokio::test]
    async fn only_uncited_versions_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::new(folder.path(), "review").unwrap();
        let mut versions = Vec::new();
        for n in 0..4_i64 {
            let frame = polars::df!("n" => [n]).unwrap();
            let properties = Properties::new();
            versions.push(
                lake.write_frame("numbers", &frame, &properties)
                    .await
                    .unwrap(),
            );
        }
        lake.cite(&versions[1..2]).await.unwrap();
        lake.cite(&versions[1..2]).await.unwrap();
        assert_eq!(lake.cited("numbers").await.unwrap(), BTreeSet::from([2]));
        let options = |keep, dry_run| SweepOptions {
            keep,
            now: Timestamp::now(),
            dry_run,
        };
        let cited = BTreeSet::from([2]);
        let zero = SignedDuration::ZERO;
        let keep_recent = options(SignedDuration::from_hours(1), false);
        let report = lake.sweep("numbers", &cited, keep_recent).await.unwrap();
        assert_eq!(report.removed, [0_u64; 0]);
        let dry_run = lake
            .sweep("numbers", &cited, options(zero, true))
            .await
            .unwrap();
        assert_eq!((dry_run.removed, dry_run.kept), (vec![1, 3], vec![2, 4]));
        let report = lake
            .sweep("numbers", &cited, options(zero, false))
            .await
            .unwrap();
        assert_eq!(report.removed, [1, 3]);
        let every_row = Scan::default();
        let old = lake.read_frame(&versions[1], &every_row).await.unwrap();
        assert_eq!(old, polars::df!("n" => [1_i64]).unwrap());
        assert!(!lake.exists(&versions[0]).await);
        assert!(lake.exists(&versions[3]).await);
        // The report was removed, so there is no reason to keep the version.
        let report = lake
            .sweep("numbers", &BTreeSet::new(), options(zero, false))
            .await
            .unwrap();
        assert_eq!((report.removed, report.kept), (vec![2], vec![4]));
    }
}
