//! The folders of an archive.

use crate::Error;
use std::path::{Path, PathBuf};

/// Lists the subfolders of a folder, sorted by name; links and names that start with a dot are left
/// out.
pub(crate) fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let error = |source| Error::File {
        action: "list",
        path: path.to_path_buf(),
        source,
    };
    let mut out = Vec::new();
    for entry in std::fs::read_dir(path).map_err(error)? {
        let entry = entry.map_err(error)?;
        // Names that are not Unicode cannot be linked to reliably, and no run has one.
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
