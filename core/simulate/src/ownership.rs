//! Lists the files that a simulation wrote, so that it never replaces other files.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// File with the list of the simulation's files, one per line.
const LIST: &str = ".simulated";

/// Records the existing files as those of the simulation.
pub fn record_files(root: &Path) -> io::Result<()> {
    let names: Vec<String> = files(root)?.into_iter().collect();
    fs::write(root.join(LIST), names.join("\n") + "\n")
}

/// Returns the files that are not in the list; no files if the list does not exist.
pub fn foreign_files(root: &Path) -> io::Result<Vec<String>> {
    let listed = match fs::read_to_string(root.join(LIST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let listed: BTreeSet<&str> = listed.lines().chain([LIST]).collect();
    let existing = files(root)?.into_iter();
    Ok(existing
        .filter(|name| !listed.contains(name.as_str()))
        .collect())
}

/// Relative paths of all files below a folder.
fn files(root: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                names.insert(path.to_string_lossy().into_owned());
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_added_later_are_foreign() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/1"), "").unwrap();
        fs::write(root.join("2"), "").unwrap();
        assert_eq!(foreign_files(root).unwrap(), [""; 0]);
        record_files(root).unwrap();
        assert_eq!(foreign_files(root).unwrap(), [""; 0]);
        fs::remove_file(root.join("2")).unwrap();
        fs::write(root.join("a/mine"), "").unwrap();
        assert_eq!(foreign_files(root).unwrap(), ["a/mine"]);
    }
}
