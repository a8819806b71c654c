//! Files in object storage: what a pattern names is listed below its fixed part.

use super::{
    Listing, SourceFile, Stored,
    pattern::{fits_path, is_pattern},
};
use crate::{
    error::SourceError,
    storage::{self, Address, cause},
};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, path::Path as StorePath};
use std::sync::Arc;

/// How many names of what is there instead are told.
const SEEN: usize = 3;

/// Lists what an address names.
pub(super) async fn list(
    source: &str,
    uri: &str,
    address: &Address,
) -> Result<Listing, SourceError> {
    let wrong = |reason: String| SourceError::Uri {
        name: source.to_string(),
        uri: super::without_credentials(uri),
        reason,
    };
    let store = storage::open(address).map_err(wrong)?;
    let segments: Vec<String> = address.key.split('/').map(str::to_string).collect();
    if segments.iter().any(|segment| segment == "..") {
        return Err(wrong("has `..`, which storage does not know".to_string()));
    }
    let fixed = segments.iter().position(|segment| is_pattern(segment));
    let place = Place {
        source,
        uri,
        store,
        root: address.root(),
        prefix: segments[..fixed.unwrap_or(segments.len().saturating_sub(1))].join("/"),
        pattern: segments[fixed.unwrap_or(segments.len().saturating_sub(1))..].to_vec(),
    };
    let files = match fixed {
        None => vec![place.one().await?],
        Some(_) => place.matching().await?,
    };
    Ok(Listing {
        stored: Stored::Objects(place.store),
        source: source.to_string(),
        folder: None,
        files,
        skipped: Vec::new(),
    })
}

struct Place<'a> {
    source: &'a str,
    uri: &'a str,
    store: Arc<dyn ObjectStore>,
    /// The bucket as an address.
    root: String,
    /// The part of the path that is certain, without a slash at its end.
    prefix: String,
    pattern: Vec<String>,
}

impl Place<'_> {
    fn unreadable(&self, error: &object_store::Error) -> SourceError {
        SourceError::Unreadable {
            name: self.source.to_string(),
            file: super::without_credentials(self.uri),
            reason: cause(error),
        }
    }

    /// The one object of an address without a pattern.
    async fn one(&self) -> Result<SourceFile, SourceError> {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        let key = format!("{}{slash}{}", self.prefix, self.pattern.join("/"));
        let path = StorePath::parse(&key).map_err(|error| SourceError::Uri {
            name: self.source.to_string(),
            uri: self.uri.to_string(),
            reason: format!("names an object that cannot be taken: {error}"),
        })?;
        match self.store.head(&path).await {
            Ok(meta) => Ok(self.file(&meta)),
            Err(object_store::Error::NotFound { .. }) => Err(self.missing(&key).await),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// The error for an object that is not there, which may be a folder.
    async fn missing(&self, key: &str) -> SourceError {
        let prefix = StorePath::from(key);
        let mut below = self.store.list(Some(&prefix));
        match below.try_next().await {
            Ok(Some(_)) => SourceError::Folder {
                name: self.source.to_string(),
                uri: self.uri.to_string(),
                suggestion: format!("{}/**/*.jsonl*", self.uri.trim_end_matches('/')),
            },
            _ => SourceError::NoFile {
                name: self.source.to_string(),
                file: format!("{}/{key}", self.root),
            },
        }
    }

    async fn matching(&self) -> Result<Vec<SourceFile>, SourceError> {
        let prefix = StorePath::from(self.prefix.as_str());
        let within = (!self.prefix.is_empty()).then_some(&prefix);
        let mut listed = self.store.list(within);
        let (mut files, mut others) = (Vec::new(), Vec::new());
        while let Some(meta) = listed.try_next().await.map_err(|error| self.unreadable(&error))? {
            let path = meta.location.as_ref();
            let below = path.strip_prefix(prefix.as_ref()).unwrap_or(path);
            let below: Vec<&str> = below.trim_start_matches('/').split('/').collect();
            if fits_path(&self.pattern, &below) {
                files.push(self.file(&meta));
            } else if others.len() <= SEEN {
                others.push(below.join("/"));
            }
        }
        files.sort_by(|a, b| a.path.as_ref().cmp(b.path.as_ref()));
        if files.is_empty() {
            return Err(self.nothing(others));
        }
        Ok(files)
    }

    fn nothing(&self, mut others: Vec<String>) -> SourceError {
        others.sort();
        let more = others.len() > SEEN;
        others.truncate(SEEN);
        let seen = match (others.is_empty(), more) {
            (true, _) => " (there is nothing)".to_string(),
            (false, false) => format!(" (it holds {})", others.join(", ")),
            (false, true) => format!(" (it holds {} and more)", others.join(", ")),
        };
        SourceError::NoMatch {
            name: self.source.to_string(),
            uri: self.uri.to_string(),
            folder: format!("{}/{}", self.root, self.prefix),
            seen,
        }
    }

    /// The path is told below the fixed part, as for folders, so that moving records changes nothing.
    fn file(&self, meta: &ObjectMeta) -> SourceFile {
        let whole = meta.location.as_ref();
        let below = whole.strip_prefix(&self.prefix).unwrap_or(whole);
        let modified = meta.last_modified.timestamp_micros();
        SourceFile {
            name: format!("{}/{whole}", self.root),
            path: StorePath::from(below.trim_start_matches('/')),
            location: meta.location.clone(),
            size: meta.size,
            modified: Timestamp::from_microsecond(modified).unwrap_or(Timestamp::UNIX_EPOCH),
            etag: meta.e_tag.clone(),
        }
    }
}
