//! What was staged becomes a dataset without being written again.

use super::{Lake, Prepared};
use crate::{error::StoreError, root::LakeRoot};
use lance::dataset::transaction::{Operation, TransactionBuilder};
use retrocast_domain::cell::DatasetRef;
use std::path::Path;

impl Lake {
    /// Moves the files of a dataset of another lake here, for a version that begins anew. `None` when
    /// this lake is elsewhere, and the rows have to be written again.
    pub(crate) async fn take_files(
        &self,
        from: &Lake,
        staged: &DatasetRef,
    ) -> Result<Option<Prepared>, StoreError> {
        let (LakeRoot::Folder(source), LakeRoot::Folder(here)) = (from.place(), self.place())
        else {
            return Ok(None);
        };
        let name = &staged.name;
        self.make_folder(name)?;
        let folder = format!("{name}.lance");
        let (source, here) = (source.join(&folder), here.join(&folder));
        let opened = from.open(staged).await?;
        let mut fragments = Vec::new();
        for fragment in opened.get_fragments() {
            let mut metadata = fragment.metadata().clone();
            for file in &metadata.files {
                let file = Path::new("data").join(&file.path);
                rename(&source.join(&file), &here.join(&file))?;
            }
            // It gets a number when it is committed.
            metadata.id = 0;
            fragments.push(metadata);
        }
        let operation = Operation::Overwrite {
            fragments,
            schema: opened.schema().clone(),
            config_upsert_values: None,
            initial_bases: None,
        };
        let version = self.latest(name).await?.map_or(0, |latest| latest.version);
        let transaction = TransactionBuilder::new(version, operation).build();
        Ok(Some(Prepared(transaction)))
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
