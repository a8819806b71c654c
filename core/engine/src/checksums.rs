//! The checksums of a run's folder: BLAKE3, in the format of `b3sum`.

use retrocast_run::files::{CHECKSUMS, JOURNAL, is_mail};
use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::Path};

/// Hashes of files by name, relative to the run's folder.
pub type Hashes = BTreeMap<String, blake3::Hash>;

/// BLAKE3 hashes of the files of a folder by name, in the format of `b3sum`. Files with known
/// hashes are not read again.
pub fn checksums(folder: &Path, known: &Hashes) -> io::Result<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                names.push(name.to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    let mut out = String::new();
    let is_excluded = |name: &str| [JOURNAL, CHECKSUMS].contains(&name) || is_mail(name);
    for name in names.iter().filter(|name| !is_excluded(name)) {
        let hash = match known.get(name) {
            Some(hash) => *hash,
            None => blake3::hash(&fs::read(folder.join(name))?),
        };
        let _ = writeln!(out, "{}  {name}", hash.to_hex());
    }
    Ok(out)
}

/// Returns the names of the files that have changed or disappeared since the run, among those that
/// `is_checked` accepts. Empty if the folder has no checksums.
pub fn altered_files(folder: &Path, is_checked: impl Fn(&str) -> bool) -> Vec<String> {
    let recorded = fs::read_to_string(folder.join(CHECKSUMS)).unwrap_or_default();
    let lines = recorded.lines().filter_map(|line| line.split_once("  "));
    let is_altered = |name: &str, recorded: &str| {
        let bytes = fs::read(folder.join(name)).ok();
        bytes.is_none_or(|bytes| blake3::hash(&bytes).to_hex().as_str() != recorded)
    };
    lines
        .filter(|(hash, name)| is_checked(name) && is_altered(name, hash))
        .map(|(_, name)| name.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_and_missing_files_are_altered() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for name in ["kept", "changed", "missing", "ignored"] {
            fs::write(folder.join(name), name).unwrap();
        }
        assert!(altered_files(folder, |_| true).is_empty(), "no checksums");
        let sums = checksums(folder, &Hashes::new()).unwrap();
        fs::write(folder.join(CHECKSUMS), sums).unwrap();
        assert!(altered_files(folder, |_| true).is_empty());
        fs::write(folder.join("changed"), "other").unwrap();
        fs::write(folder.join("ignored"), "other").unwrap();
        fs::remove_file(folder.join("missing")).unwrap();
        let altered = altered_files(folder, |name| name != "ignored");
        assert_eq!(altered, ["changed", "missing"]);
    }
}
