//! What was staged becomes a dataset without being written again.

use super::{Lake, Prepared, dataset_error};
use crate::{error::StoreError, ingest::Rows, root::LakeRoot};
use lance::dataset::transaction::{Operation, TransactionBuilder};
use lance_table::{format::Fragment, io::deletion::relative_deletion_file_path};
use retrocast_domain::cell::DatasetRef;
use std::path::Path;

impl Lake {
    /// Moves the files of a dataset of another lake here, for a version that begins anew; rows that do
    /// not count are marked as deleted. `None` when the files have to be written again: this lake is
    /// elsewhere, or the marks would not fit, for they go by the numbers of fragments, which are the same
    /// only where the dataset is new and no fragment is left out.
    pub(crate) async fn take_files(
        &self,
        from: &Lake,
        staged: &DatasetRef,
        without: &Rows,
    ) -> Result<Option<Prepared>, StoreError> {
        let (LakeRoot::Folder(source), LakeRoot::Folder(here)) = (from.place(), self.place())
        else {
            return Ok(None);
        };
        let name = &staged.name;
        let latest = self.latest(name).await?;
        if without.len() > 0 && latest.is_some() {
            return Ok(None);
        }
        let Some(fragments) = from.marked(staged, without).await? else {
            return Ok(None);
        };
        self.make_folder(name)?;
        let folder = format!("{name}.lance");
        let (source, here) = (source.join(&folder), here.join(&folder));
        let mut taken = Vec::new();
        for mut fragment in fragments {
            for file in &fragment.files {
                let file = Path::new("data").join(&file.path);
                rename(&source.join(&file), &here.join(&file))?;
            }
            if let Some(deletions) = &fragment.deletion_file {
                let file = relative_deletion_file_path(fragment.id, deletions);
                rename(&source.join(&file), &here.join(&file))?;
            }
            // It gets its number when it is committed.
            fragment.id = 0;
            taken.push(fragment);
        }
        let operation = Operation::Overwrite {
            fragments: taken,
            schema: from.open(staged).await?.schema().clone(),
            config_upsert_values: None,
            initial_bases: None,
        };
        let version = latest.map_or(0, |latest| latest.version);
        let transaction = TransactionBuilder::new(version, operation).build();
        Ok(Some(Prepared(transaction)))
    }

    /// The fragments of a dataset in order, with rows marked as deleted that are counted over all of
    /// them. `None` when one of them would be empty, and the numbers of those behind it shifted.
    async fn marked(
        &self,
        staged: &DatasetRef,
        without: &Rows,
    ) -> Result<Option<Vec<Fragment>>, StoreError> {
        let failed = |error: lance::Error| dataset_error(&staged.name, "written", &error);
        let opened = self.open(staged).await?;
        let mut fragments = Vec::new();
        let mut first = 0_u64;
        for (number, fragment) in opened.get_fragments().into_iter().enumerate() {
            if fragment.id() != number {
                return Ok(None);
            }
            let end = first + fragment.physical_rows().await.map_err(failed)? as u64;
            let gone: Vec<u32> = without
                .between(first, end)
                .map(|row| (row - first) as u32)
                .collect();
            first = end;
            if gone.is_empty() {
                fragments.push(fragment.metadata().clone());
                continue;
            }
            match fragment.extend_deletions(gone).await.map_err(failed)? {
                Some(rest) => fragments.push(rest.metadata().clone()),
                None => return Ok(None),
            }
        }
        Ok(Some(fragments))
    }
}

/// Moves a file into a folder that is made when it is missing.
fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::io("creating the folder", folder, &error))?;
    }
    std::fs::rename(from, to).map_err(|error| StoreError::io("moving the file", from, &error))
}
