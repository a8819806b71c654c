//! Lists the files of a URI in object storage, below its fixed part.

use super::{
    Listing, SourceFile, SourceStore,
    partition::{Days, Partition, expand_dates, is_dated},
    pattern::{is_pattern, matches_name, matches_path},
};
use crate::error::SourceError;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, path::Path as StorePath};
use retrocast_storage::{self as storage, Address, cause};
use std::sync::Arc;

/// Maximum number of existing names in an error.
const NAMES_SHOWN_MAX: usize = 3;

/// Lists the objects of an address.
pub(super) async fn list(
    source: &str,
    uri: &str,
    address: &Address,
    days: Option<Days>,
) -> Result<Listing, SourceError> {
    let uri_error = |reason: String| SourceError::Uri {
        name: source.to_string(),
        uri: super::without_credentials(uri),
        reason,
    };
    let store = storage::open(address).map_err(uri_error)?;
    let segments: Vec<String> = address.key.split('/').map(str::to_string).collect();
    if segments.iter().any(|segment| segment == "..") {
        return Err(uri_error(
            "contains `..`, which object storage does not support".to_string(),
        ));
    }
    let is_variable = |segment: &String| is_pattern(segment) || is_dated(segment);
    let fixed = segments.iter().position(is_variable);
    let pattern = &segments[fixed.unwrap_or(segments.len().saturating_sub(1))..];
    let partition = Partition::parse(pattern, days).map_err(uri_error)?;
    let bucket_pattern = BucketPattern {
        source,
        uri,
        store,
        root: address.root(),
        prefix: segments[..fixed.unwrap_or(segments.len().saturating_sub(1))].join("/"),
        pattern: pattern
            .iter()
            .map(|segment| expand_dates(segment))
            .collect(),
        partition,
    };
    let files = match fixed {
        None => vec![bucket_pattern.find_object().await?],
        Some(_) => bucket_pattern.find_matching().await?,
    };
    Ok(Listing {
        store: SourceStore::Objects(bucket_pattern.store),
        source: source.to_string(),
        folder: None,
        files,
        skipped: Vec::new(),
    })
}

struct BucketPattern<'a> {
    source: &'a str,
    uri: &'a str,
    store: Arc<dyn ObjectStore>,
    /// Address of the bucket.
    root: String,
    /// The fixed part of the path, without a trailing slash.
    prefix: String,
    pattern: Vec<String>,
    /// The requested days, if paths contain dates.
    partition: Option<Partition>,
}

impl BucketPattern<'_> {
    fn unreadable(&self, error: &object_store::Error) -> SourceError {
        SourceError::Storage {
            name: self.source.to_string(),
            uri: super::without_credentials(self.uri),
            reason: cause(error),
        }
    }

    /// Finds the single object of an address without a pattern.
    async fn find_object(&self) -> Result<SourceFile, SourceError> {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        let key = format!("{}{slash}{}", self.prefix, self.pattern.join("/"));
        let path = StorePath::parse(&key).map_err(|error| SourceError::Uri {
            name: self.source.to_string(),
            uri: self.uri.to_string(),
            reason: format!("names an object that cannot be read: {error}"),
        })?;
        match self.store.head(&path).await {
            Ok(meta) => Ok(self.file(&meta)),
            Err(object_store::Error::NotFound { .. }) => Err(self.missing_error(&key).await),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// Creates the error for a missing object; `key` may be the path of a folder.
    async fn missing_error(&self, key: &str) -> SourceError {
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

    async fn find_matching(&self) -> Result<Vec<SourceFile>, SourceError> {
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for prefix in self.prefixes(&mut others).await? {
            let prefix_or_all = (!prefix.as_ref().is_empty()).then_some(&prefix);
            let mut listed = self.store.list(prefix_or_all);
            while let Some(meta) = listed
                .try_next()
                .await
                .map_err(|error| self.unreadable(&error))?
            {
                let below = self.relative_segments(&meta.location);
                let admitted = |partition: &Partition| partition.admits(&below);
                if matches_path(&self.pattern, &below)
                    && self.partition.as_ref().is_none_or(admitted)
                {
                    files.push(self.file(&meta));
                } else if others.len() <= NAMES_SHOWN_MAX {
                    others.push(below.join("/"));
                }
            }
        }
        files.sort_by(|a, b| a.path.as_ref().cmp(b.path.as_ref()));
        if files.is_empty() {
            return Err(self.no_match_error(others));
        }
        Ok(files)
    }

    /// The segments of a path below the fixed part.
    fn relative_segments<'p>(&self, path: &'p StorePath) -> Vec<&'p str> {
        let path = path.as_ref();
        let below = path.strip_prefix(&self.prefix).unwrap_or(path);
        below.trim_start_matches('/').split('/').collect()
    }

    /// Prefixes to list: the fixed part, or the dated folders below it that may contain a requested
    /// day.
    async fn prefixes(&self, others: &mut Vec<String>) -> Result<Vec<StorePath>, SourceError> {
        let mut prefixes = vec![StorePath::from(self.prefix.as_str())];
        let Some(partition) = &self.partition else {
            return Ok(prefixes);
        };
        // The last segment matches objects, not folders.
        let depth = partition.depth().min(self.pattern.len() - 1);
        for segment in &self.pattern[..depth] {
            let mut next = Vec::new();
            for prefix in prefixes {
                let prefix_or_all = (!prefix.as_ref().is_empty()).then_some(&prefix);
                let listed = self.store.list_with_delimiter(prefix_or_all).await;
                let listed = listed.map_err(|error| self.unreadable(&error))?;
                for folder in listed.common_prefixes {
                    let below = self.relative_segments(&folder);
                    let name = below.last().copied().unwrap_or_default();
                    if matches_name(segment, name) && partition.admits(&below) {
                        next.push(folder);
                    } else if others.len() <= NAMES_SHOWN_MAX {
                        others.push(below.join("/"));
                    }
                }
            }
            prefixes = next;
        }
        Ok(prefixes)
    }

    fn no_match_error(&self, mut others: Vec<String>) -> SourceError {
        others.sort();
        let more = others.len() > NAMES_SHOWN_MAX;
        others.truncate(NAMES_SHOWN_MAX);
        let contents = match (others.is_empty(), more) {
            (true, _) => " (it is empty)".to_string(),
            (false, false) => format!(" (it holds {})", others.join(", ")),
            (false, true) => format!(" (it holds {} and more)", others.join(", ")),
        };
        SourceError::NoMatch {
            name: self.source.to_string(),
            uri: self.uri.to_string(),
            folder: format!("{}/{}", self.root, self.prefix),
            seen: contents,
        }
    }

    /// Converts the metadata of an object. As for folders, the path is relative to the fixed part,
    /// so that moving the records does not change it.
    fn file(&self, meta: &ObjectMeta) -> SourceFile {
        let key = meta.location.as_ref();
        let below = key.strip_prefix(&self.prefix).unwrap_or(key);
        let modified = meta.last_modified.timestamp_micros();
        SourceFile {
            name: format!("{}/{key}", self.root),
            path: StorePath::from(below.trim_start_matches('/')),
            location: meta.location.clone(),
            size: meta.size,
            modified: Timestamp::from_microsecond(modified).unwrap_or(Timestamp::UNIX_EPOCH),
            etag: meta.e_tag.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use object_store::{PutPayload, memory::InMemory};

    #[tokio::test]
    async fn dated_folders_outside_of_the_days_are_not_listed() {
        let store = InMemory::new();
        for key in [
            "t/year=2025/month=12/a.jsonl",
            "t/year=2026/month=10/a.jsonl",
            "t/year=2026/month=11/a.jsonl",
            "t/year=2026/month=11/b.csv",
            "t/year=2026/month=12/a.jsonl",
            "t/notes/a.jsonl",
        ] {
            let path = StorePath::from(key);
            store.put(&path, PutPayload::new()).await.unwrap();
        }
        let pattern = ["year={year}", "month={month}", "*.jsonl"].map(str::to_string);
        let days = Days {
            first: date(2026, 10, 26),
            end: date(2026, 11, 17),
        };
        let bucket_pattern = BucketPattern {
            source: "tickets",
            uri: "s3://b/t/year={year}/month={month}/*.jsonl",
            store: Arc::new(store),
            root: "s3://b".to_string(),
            prefix: "t".to_string(),
            pattern: pattern
                .iter()
                .map(|segment| expand_dates(segment))
                .collect(),
            partition: Partition::parse(&pattern, Some(days)).unwrap(),
        };
        let prefixes = bucket_pattern.prefixes(&mut Vec::new()).await.unwrap();
        let prefixes: Vec<&str> = prefixes.iter().map(AsRef::as_ref).collect();
        assert_eq!(prefixes, ["t/year=2026/month=10", "t/year=2026/month=11"]);
        let files = bucket_pattern.find_matching().await.unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.path.as_ref()).collect();
        assert_eq!(
            names,
            ["year=2026/month=10/a.jsonl", "year=2026/month=11/a.jsonl"]
        );
    }
}
