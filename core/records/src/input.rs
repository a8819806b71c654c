//! The input of a command that works outside any job.

use crate::{
    contract::Contract,
    error::SourceError,
    format::Format,
    read::{Dialect, FileReader, ReadEvent},
    source::{Listing, SourceFile},
};
use std::path::Path;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Files to read, their format, and the number of records to read.
#[derive(Debug, Clone)]
pub struct Input {
    /// Name of the dataset or contract.
    pub name: String,
    /// The files; see [`crate::source`].
    pub uri: String,
    /// Format of the records; derived from each file's name if `None`.
    pub format: Option<Format>,
    /// Dialect of CSV; the undeclared parts are detected.
    pub dialect: Dialect,
    /// Approximate number of records to read; all if `None`.
    pub records: Option<u64>,
    /// Number of parsing threads; 0 means one.
    pub threads: usize,
    /// Cancels the work.
    pub cancel: CancellationToken,
}

impl Input {
    /// Creates an input from the files of a URI, whose names determine their formats.
    pub fn new(name: &str, uri: &str) -> Self {
        Self {
            name: name.to_string(),
            uri: uri.to_string(),
            format: None,
            dialect: Dialect::DEFAULT,
            records: None,
            threads: 1,
            cancel: CancellationToken::new(),
        }
    }

    /// Finds the files; relative URIs are resolved against `base`.
    pub(crate) async fn find(&self, base: &Path) -> Result<InputFiles, SourceError> {
        let listing = Listing::find(&self.name, &self.uri, base, true, None).await?;
        let format = |name: &str| {
            let resolved = self
                .format
                .or(listing.format())
                .or_else(|| Format::from_name(name));
            resolved.ok_or_else(|| SourceError::Format {
                name: self.name.clone(),
                file: name.to_string(),
            })
        };
        let files = listing.files.iter();
        let files = files.map(|file| format(&file.name).map(|format| (file.clone(), format)));
        Ok(InputFiles {
            files: files.collect::<Result<_, _>>()?,
            listing,
            dialect: self.dialect.clone(),
            threads: self.threads,
            cancel: self.cancel.clone(),
            runtime: Handle::current(),
        })
    }
}

/// The files of an input, ready to be read.
pub(crate) struct InputFiles {
    pub listing: Listing,
    pub files: Vec<(SourceFile, Format)>,
    dialect: Dialect,
    threads: usize,
    cancel: CancellationToken,
    runtime: Handle,
}

/// The reason why reading stopped early.
enum Halt {
    Requested,
    Failed(SourceError),
}

impl From<SourceError> for Halt {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

impl InputFiles {
    /// Reads files under a contract until the listener returns `false`. Blocks.
    pub fn read(
        &self,
        files: &[(SourceFile, Format)],
        contract: &Contract,
        listener: &mut dyn FnMut(ReadEvent) -> bool,
    ) -> Result<(), SourceError> {
        let reader = FileReader {
            listing: &self.listing,
            files,
            dialect: &self.dialect,
            contract,
            hash_key: None,
            threads: self.threads,
            cancel: &self.cancel,
            runtime: &self.runtime,
        };
        let read = reader.run(&mut |event| {
            if listener(event) {
                Ok(())
            } else {
                Err(Halt::Requested)
            }
        });
        match read {
            Ok(()) | Err(Halt::Requested) => Ok(()),
            Err(Halt::Failed(error)) => Err(error),
        }
    }
}
