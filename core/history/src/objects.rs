//! The objects of a repository, with errors that name the object.

use crate::{HistoryError, error::chain};
use gix::{
    objs::{Find, FindHeader, Kind},
    oid,
};

/// Options for opening a repository: only its own configuration, and no replaced objects.
pub fn open_options() -> gix::open::Options {
    gix::open::Options::isolated().config_overrides(["core.useReplaceRefs=false"])
}

/// Reads objects into buffers of the caller.
pub struct Objects {
    store: gix::OdbHandle,
    hash: gix::hash::Kind,
    place: String,
}

impl Objects {
    pub fn new(repository: &gix::Repository, place: String) -> Self {
        Self {
            store: repository.objects.clone(),
            hash: repository.object_hash(),
            place,
        }
    }

    pub fn store(&self) -> &gix::OdbHandle {
        &self.store
    }

    pub fn hash(&self) -> gix::hash::Kind {
        self.hash
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    /// The contents of an object that must be of this kind.
    pub fn read<'a>(
        &self,
        id: &oid,
        kind: Kind,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], HistoryError> {
        match self.store.try_find(id, buffer) {
            Ok(Some(object)) if object.kind == kind => Ok(object.data),
            Ok(Some(object)) => Err(self.damaged(kind, id, format!("it is a {}", object.kind))),
            Ok(None) => Err(self.missing(kind, id)),
            Err(error) => Err(self.damaged(kind, id, chain(&error))),
        }
    }

    /// The length of a blob, without its contents.
    pub fn size(&self, id: &oid) -> Result<u64, HistoryError> {
        match self.store.try_header(id) {
            Ok(Some(header)) => Ok(header.size),
            Ok(None) => Err(self.missing(Kind::Blob, id)),
            Err(error) => Err(self.damaged(Kind::Blob, id, chain(&error))),
        }
    }

    pub fn damaged(&self, kind: Kind, id: &oid, reason: String) -> HistoryError {
        HistoryError::Object {
            place: self.place.clone(),
            object: format!("{kind} {id}"),
            reason,
        }
    }

    fn missing(&self, kind: Kind, id: &oid) -> HistoryError {
        let reason = "it is missing, as after a clone with --filter; fetch everything with \
                      `git fetch --refetch --no-filter`";
        self.damaged(kind, id, reason.to_string())
    }
}
