//! Turns staged files into a dataset by moving them, without rewriting.
//!
//! The last staged version becomes the only version of the dataset. The result is the same in a
//! folder and in object storage, where the manifest is written last, by a conditional put.

use super::{
    Lake, PendingRows, Properties, dataset_error,
    rows::{DeletedRows, Rows},
};
use crate::{error::StoreError, root::LakeRoot};
use lance::dataset::cleanup::{CleanupPolicyBuilder, cleanup_old_versions};
use retrocast_domain::cell::DatasetRef;
use std::path::Path;

/// Minimum number of rows per deleted row: with fewer, the remaining rows are rewritten instead of
/// adding deletion marks.
const ROWS_PER_DELETION_MIN: u64 = 10;

impl Lake {
    /// Moves a staged dataset into this lake, without the superseded rows. Does nothing and returns
    /// `None` if more than a tenth of the rows are superseded: in this case, rewriting the others
    /// is better. No dataset with this name may exist yet.
    pub(crate) async fn adopt(
        &self,
        staging: &Lake,
        staged: &DatasetRef,
        superseded: &Rows,
        properties: &Properties,
    ) -> Result<Option<DatasetRef>, StoreError> {
        if superseded.len() > staged.rows / ROWS_PER_DELETION_MIN {
            return Ok(None);
        }
        let mut last = staged.clone();
        if superseded.len() > 0 {
            let deleted = staging.addresses(staged, superseded).await?;
            last = staging
                .extend(staged, PendingRows::empty(), &deleted, properties)
                .await?;
            staging.remove_version(&last, staged.version).await?;
        }
        self.move_from(staging, &last.name).await?;
        Ok(Some(last))
    }

    /// Finds the addresses of rows by their numbers in the order of writing.
    async fn addresses(
        &self,
        dataset: &DatasetRef,
        rows: &Rows,
    ) -> Result<DeletedRows, StoreError> {
        let opened = self.open(dataset).await?;
        let mut deleted = DeletedRows::new();
        let mut first = 0;
        for fragment in opened.get_fragments() {
            let count = fragment.physical_rows().await;
            let count = count.map_err(|error| dataset_error(&dataset.name, "read", &error))?;
            let end = first + count as u64;
            let offsets: Vec<u32> = rows
                .between(first, end)
                .map(|row| (row - first) as u32)
                .collect();
            if !offsets.is_empty() {
                deleted.insert(fragment.id() as u32, offsets);
            }
            first = end;
        }
        Ok(deleted)
    }

    /// Removes an older version of a dataset, with the files that only it has.
    async fn remove_version(&self, dataset: &DatasetRef, version: u64) -> Result<(), StoreError> {
        let failed = |error: lance::Error| dataset_error(&dataset.name, "cleaned", &error);
        let policy = CleanupPolicyBuilder::default()
            .versions(vec![version])
            .map_err(failed)?
            .build();
        let opened = self.open(dataset).await?;
        let result = cleanup_old_versions(&opened, policy).await;
        result.map(|_| ()).map_err(failed)
    }

    /// Moves the files of a dataset from a staging lake. The name must be unused; leftovers of a
    /// dead process are removed.
    async fn move_from(&self, source: &Lake, name: &str) -> Result<(), StoreError> {
        self.root().create_folder()?;
        let folder = format!("{name}.lance");
        let staged = source.root().scratch().join(&folder);
        match self.root() {
            LakeRoot::Folder(root) => {
                let target = root.join(&folder);
                if target.exists() {
                    // It is removed with the staging folder after use.
                    rename(&target, &source.root().scratch().join("left"))?;
                }
                rename(&staged, &target)
            }
            bucket @ LakeRoot::Bucket { .. } => bucket.upload(name, &staged).await,
        }
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(|error| StoreError::io("moving the folder", from, &error))
}
