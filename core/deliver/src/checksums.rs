//! Compares the files of a run with the checksums that were written when it finished.

use crate::Error;
use retrocast_run::files::CHECKSUMS;
use std::{
    fs, io,
    path::{Component, Path},
};

/// The result of a comparison. Files without a checksum, such as pages of the archive, are not
/// compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ChecksumResult {
    /// Number of files with a checksum.
    pub files: usize,
    /// Files with other contents.
    pub changed: Vec<String>,
    /// Files that do not exist.
    pub missing: Vec<String>,
}

/// Compares the files of a run's folder; `None` if it has no checksums, because the run has not
/// finished.
pub fn check_checksums(folder: &Path) -> Result<Option<ChecksumResult>, Error> {
    let failed = |path: &Path, source| Error::File {
        action: "read",
        path: path.to_path_buf(),
        source,
    };
    let path = folder.join(CHECKSUMS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&path, error)),
    };
    let mut result = ChecksumResult::default();
    for line in text.lines() {
        let entry = line.split_once("  ").filter(|(_, name)| is_inside(name));
        let Some((checksum, name)) = entry else {
            let error = io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is invalid"));
            return Err(failed(&path, error));
        };
        result.files += 1;
        let file = folder.join(name);
        match fs::read(&file) {
            Ok(bytes) if blake3::hash(&bytes).to_hex().as_str() == checksum => {}
            Ok(_) => result.changed.push(name.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                result.missing.push(name.to_string());
            }
            Err(error) => return Err(failed(&file, error)),
        }
    }
    Ok(Some(result))
}

/// Returns true if a path stays inside the folder.
fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_and_missing_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(check_checksums(folder).unwrap(), None);
        let line = |text: &str, name: &str| {
            format!("{}  {name}\n", blake3::hash(text.as_bytes()).to_hex())
        };
        let lines = line("a", "a b.pdf") + &line("b", "cells/b.json") + &line("c", "c.json");
        fs::write(folder.join(CHECKSUMS), lines).unwrap();
        fs::create_dir(folder.join("cells")).unwrap();
        for (name, text) in [("a b.pdf", "a"), ("cells/b.json", "x"), ("other", "y")] {
            fs::write(folder.join(name), text).unwrap();
        }
        let expected = ChecksumResult {
            files: 3,
            changed: vec!["cells/b.json".to_string()],
            missing: vec!["c.json".to_string()],
        };
        assert_eq!(check_checksums(folder).unwrap(), Some(expected));
    }

    #[test]
    fn invalid_lines_and_files_outside_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        for wrong in ["abc", "abc  ../x", "abc  /etc/passwd", "abc  "] {
            fs::write(folder.path().join(CHECKSUMS), wrong).unwrap();
            let error = check_checksums(folder.path()).unwrap_err().to_string();
            assert!(error.contains("is invalid"), "{wrong}: {error}");
        }
    }
}
