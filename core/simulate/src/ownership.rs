//! Records which files of a folder a simulation wrote: other files are never replaced.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// File with the list of the simulation's files, one per line.
const LIST: &str = ".simulated";

/// Records the existing files.
pub fn note(root: &Path) -> io::Result<()> {
    let names: Vec<String> = files(root)?.into_iter().collect();
    fs::write(root.join(LIST), names.join("\n") + "\n")
}

/// Files that were added by others since; none without a list.
pub fn strangers(root: &Path) -> io::Result<Vec<String>> {
    let noted = match fs::read_to_string(root.join(LIST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        noted => noted?,
    };
    let noted: BTreeSet<&str> = noted.lines().chain([LIST]).collect();
    let found = files(root)?.into_iter();
    Ok(found
        .filter(|name| !noted.contains(name.as_str()))
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
    fn what_came_later_is_strange() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/1"), "").unwrap();
        fs::write(root.join("2"), "").unwrap();
        assert_eq!(strangers(root).unwrap(), [""; 0]);
        note(root).unwrap();
        assert_eq!(strangers(root).unwrap(), [""; 0]);
        fs::remove_file(root.join("2")).unwrap();
        fs::write(root.join("a/mine"), "").unwrap();
        assert_eq!(strangers(root).unwrap(), ["a/mine"]);
    }
}
