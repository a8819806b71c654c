//! Commits as the direct successor of a given version, or not at all.
//!
//! By default, Lance rebases a commit on concurrent commits that touch other rows. For an increment
//! that is wrong: a concurrent commit may have added the same records. A writer that loses the race
//! therefore gets an error and commits nothing.

use lance::{Error, io::ObjectStore};
use lance_table::{
    format::{IndexMetadata, Manifest, Transaction},
    io::commit::{
        CommitError, CommitHandler, ConditionalPutCommitHandler, ManifestLocation,
        ManifestNamingScheme, ManifestWriter,
    },
};
use object_store::path::Path;

/// Commits exactly one version by a conditional put, as Lance does in folders and in object
/// storage.
#[derive(Debug)]
pub(super) struct SuccessorCommit {
    version: u64,
    storage: ConditionalPutCommitHandler,
}

impl SuccessorCommit {
    /// Commits the direct successor of `version`.
    pub fn after(version: u64) -> Self {
        Self {
            version: version + 1,
            storage: ConditionalPutCommitHandler,
        }
    }
}

#[async_trait::async_trait]
impl CommitHandler for SuccessorCommit {
    fn is_version_not_found_definitive(&self) -> bool {
        self.storage.is_version_not_found_definitive()
    }

    fn propagate_commit_error_after_success(&self) -> bool {
        self.storage.propagate_commit_error_after_success()
    }

    async fn commit(
        &self,
        manifest: &mut Manifest,
        indices: Option<Vec<IndexMetadata>>,
        base_path: &Path,
        object_store: &ObjectStore,
        manifest_writer: ManifestWriter,
        naming_scheme: ManifestNamingScheme,
        transaction: Option<Transaction>,
    ) -> Result<ManifestLocation, CommitError> {
        if manifest.version != self.version {
            let reason = format!("version {} was committed by another writer", self.version);
            let conflict = Error::commit_conflict_source(self.version, reason.into());
            return Err(CommitError::OtherError(conflict));
        }
        self.storage
            .commit(
                manifest,
                indices,
                base_path,
                object_store,
                manifest_writer,
                naming_scheme,
                transaction,
            )
            .await
    }
}
