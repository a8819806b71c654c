//! The folders of an archive.

use crate::Error;
use std::path::{Path, PathBuf};

/// The folders in a folder by name; links and what starts with a dot are left out.
pub(crate) fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let error = |source| Error::File {
        what: "list",
        path: path.to_path_buf(),
        source,
    };
    let mut out = Vec::new();
    for entry in std::fs::read_dir(path).map_err(error)? {
        let entry = entry.map_err(error)?;
        // A name that is not Unicode cannot be linked to reliably; no run of ours has one.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.starts_with('.') && entry.file_type().map_err(error)?.is_dir() {
            out.push((name, entry.path()));
        }
    }
    out.sort();
    Ok(out)
}
