//! Reads the `.gitattributes` of a commit, which declare binary files, into an index of a
//! repository without other files: git looks for them there (`--attr-source` needs git 2.41).

use crate::{
    HistoryError,
    git::{self, ObjectReader},
};
use std::sync::atomic::AtomicBool;

/// Maximum number of files to search: a tree that nests the same folders can contain any number of
/// them.
pub const MAX_FILES: usize = if cfg!(test) { 20_000 } else { 20_000_000 };

/// The result of reading the attributes.
pub enum Attributes {
    /// The attributes are in the index.
    Indexed(git::Index),
    /// There are more files than [`MAX_FILES`].
    TooManyFiles,
    /// Git failed, with this message.
    Failed(String),
}

/// Writes the attributes of a commit to an index.
pub fn index(
    reader: &ObjectReader,
    commit: &str,
    cancel: &AtomicBool,
) -> Result<Attributes, HistoryError> {
    let mut list = reader.command();
    list.args(["ls-tree", "-r", "-z", "--full-tree", commit]);
    let listed = git::run(list, None, cancel, |output| {
        let (mut entries, mut line) = (Vec::new(), Vec::new());
        for _ in 0..=MAX_FILES {
            line.clear();
            if output.read_until(0, &mut line)? == 0 {
                return Ok(Some(entries));
            }
            if is_valid(&line) {
                entries.extend_from_slice(&line);
            }
        }
        Ok(None)
    })?;
    let Some(entries) = listed.value else {
        return Ok(Attributes::TooManyFiles);
    };
    if !listed.success {
        return Ok(Attributes::Failed(listed.message));
    }
    let index = reader.index()?;
    let mut update = index.command(reader);
    update.args(["update-index", "-z", "--index-info"]);
    let updated = git::run(update, Some(&entries), cancel, |_| Ok(()))?;
    Ok(if updated.success {
        Attributes::Indexed(index)
    } else {
        Attributes::Failed(updated.message)
    })
}

/// Returns true if `100644 blob 1a2b… TAB path NUL` is an attributes file at a path that an index
/// can have.
fn is_valid(line: &[u8]) -> bool {
    let Some(tab) = line.iter().position(|byte| *byte == b'\t') else {
        return false;
    };
    let path = &line[tab + 1..];
    let path = path.strip_suffix(b"\0").unwrap_or(path);
    let Some(folders) = path.strip_suffix(b".gitattributes") else {
        return false;
    };
    let is_forbidden =
        |name: &[u8]| matches!(name, b"" | b"." | b"..") || name.eq_ignore_ascii_case(b".git");
    match folders.strip_suffix(b"/") {
        _ if !line.starts_with(b"100") => false,
        Some(folders) => !folders.split(|byte| *byte == b'/').any(is_forbidden),
        None => folders.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_attributes_files_at_valid_paths_are_accepted() {
        let accepts =
            |mode: &str, path: &str| is_valid(format!("{mode} blob 1\t{path}\0").as_bytes());
        for path in [".gitattributes", "a/.gitattributes", "a b/é/.gitattributes"] {
            assert!(accepts("100644", path), "{path}");
        }
        for path in [
            "a",
            "x.gitattributes",
            "../.gitattributes",
            "/.gitattributes",
            "a//.gitattributes",
        ] {
            assert!(!accepts("100644", path), "{path}");
        }
        assert!(
            !accepts("100644", "a/.GIT/.gitattributes") && !accepts("120000", ".gitattributes")
        );
    }
}
