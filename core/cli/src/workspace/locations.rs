//! Locations of lake and archive: folders, or object storage with a local cache.

use crate::diagnose::WrongUsage;
use anyhow::Context as _;
use retrocast_storage::{Address, Bucket, LakeFiles, Mirror, SCHEMES, lease};
use retrocast_store::LakeRoot;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Environment variable with the folder for caches of lakes and archives in object storage.
const CACHE: &str = "RETROCAST_CACHE";

/// Locations of a job's datasets, leases and cached outcomes.
#[derive(Debug, Clone)]
pub struct LakeLocations {
    /// Datasets.
    pub root: LakeRoot,
    /// Leases and cached outcomes.
    pub files: LakeFiles,
}

/// Resolves the lake at a folder or address. Errors name `option`, the option that set the
/// location.
pub fn lake(option: &str, location: &Path) -> Result<LakeLocations, WrongUsage> {
    let Some(address) = address(option, location)? else {
        return Ok(LakeLocations {
            root: LakeRoot::from(location),
            files: LakeFiles::from(location),
        });
    };
    let folder = cache(&address)?;
    let shared_store = Arc::new(bucket(option, &address)?);
    Ok(LakeLocations {
        root: LakeRoot::Bucket {
            address,
            scratch: folder.join("staging"),
        },
        files: LakeFiles::shared(folder, shared_store),
    })
}

/// Resolves the archive at a folder or address: its local folder, and its mirror if it is in object
/// storage.
pub fn archive(
    option: &str,
    location: &Path,
) -> Result<(PathBuf, Option<Arc<Mirror>>), WrongUsage> {
    let Some(address) = address(option, location)? else {
        return Ok((location.to_path_buf(), None));
    };
    let folder = cache(&address)?;
    let shared_store = Arc::new(bucket(option, &address)?);
    let mirror = Arc::new(Mirror::new(&folder, shared_store));
    Ok((folder, Some(mirror)))
}

/// Fetches the runs that other machines added to an archive.
pub fn fetch(mirror: &Mirror, lake: &LakeFiles) -> anyhow::Result<()> {
    let active_runs = match lake.shared_store() {
        None => BTreeSet::new(),
        Some(shared_store) => lease::active_runs(&**shared_store)
            .with_context(|| format!("cannot list active runs in {}", shared_store.address()))?,
    };
    mirror
        .fetch(&active_runs)
        .map(|_| ())
        .with_context(|| format!("cannot fetch the archive {}", mirror.address()))
}

/// Parses an address of object storage; `None` for a folder.
fn address(option: &str, location: &Path) -> Result<Option<Address>, WrongUsage> {
    let Some((scheme, _)) = location.to_str().and_then(|text| text.split_once("://")) else {
        return Ok(None);
    };
    let redacted = without_credentials(&location.to_string_lossy());
    match location.to_str().and_then(Address::parse) {
        Some(address) => Ok(Some(address)),
        None => Err(WrongUsage(format!(
            "{option} {redacted}: this build does not support {scheme}://; use a folder, or an address \
             that begins with {}",
            SCHEMES
                .iter()
                .map(|scheme| format!("{scheme}://"))
                .collect::<Vec<_>>()
                .join(" or ")
        ))),
    }
}

fn bucket(option: &str, address: &Address) -> Result<Bucket, WrongUsage> {
    Bucket::open(address.clone()).map_err(|reason| {
        let redacted = without_credentials(&address.to_string());
        WrongUsage(format!("{option} {redacted}: {reason}"))
    })
}

/// Removes credentials before an @ from the bucket or host of an address.
fn without_credentials(address: &str) -> String {
    let Some((scheme, location)) = address.split_once("://") else {
        return address.to_string();
    };
    let (host, path) = location.split_at(location.find('/').unwrap_or(location.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// The local folder for an address: below `RETROCAST_CACHE`, or in the system's cache folder.
fn cache(address: &Address) -> Result<PathBuf, WrongUsage> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = variable(CACHE)
        .map(PathBuf::from)
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| Path::new(&folder).join("retrocast")))
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/retrocast")));
    let base = base.ok_or_else(|| {
        WrongUsage(format!(
            "{address} needs a local cache folder: set the environment variable {CACHE}"
        ))
    })?;
    // The name is readable; the hash makes it unique.
    let name: String = address
        .to_string()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let hash = retrocast_domain::canonical::hash(&address.to_string());
    Ok(base.join(format!("{name}-{}", &hash[..8])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_local_and_unknown_schemes_are_errors() {
        let locations = lake("--lake", Path::new("data/lake")).unwrap();
        assert_eq!(locations.root, LakeRoot::from(Path::new("data/lake")));
        assert!(locations.files.shared_store().is_none());
        let error = lake("--lake", Path::new("ftp://host/lake")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("ftp://") && text.contains("s3://"), "{text}");
        let error = archive("--reports", Path::new("s3://key:secret@b/x")).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        let error = lake("--lake", Path::new("ftp://key:secret@host/lake")).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
