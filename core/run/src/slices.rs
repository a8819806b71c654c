//! The slices of a report in a run's folder: one report per value of a column.

use crate::{
    Error,
    files::{read_json, write_json},
};
use retrocast_domain::canonical;
use serde::{Deserialize, Serialize};
use std::{io, path::Path};

/// The folder of slices.
pub const SLICES: &str = "slices";

/// The slices of one report, in `slices/<report>.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceIndex {
    /// The column that has one slice for each of its values.
    pub column: String,
    /// The slices, by value.
    pub slices: Vec<SliceFile>,
}

/// One slice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceFile {
    /// The value that it is about.
    pub value: String,
    /// Name of its files without the extension, such as "executive-billing".
    pub name: String,
    /// Mail addresses of its recipients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Number of rows of recipients without a valid address.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub without_address: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl SliceIndex {
    /// Path of the index of a report in the run's folder.
    pub fn path(report: &str) -> String {
        format!("{SLICES}/{report}.json")
    }

    /// Reads the slices of a report; `None` if it has none.
    pub fn read(folder: &Path, report: &str) -> Result<Option<Self>, Error> {
        match read_json(folder.join(Self::path(report))) {
            Ok(index) => Ok(Some(index)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the index into a run's folder.
    pub fn write(&self, folder: &Path, report: &str) -> io::Result<()> {
        write_json(&folder.join(Self::path(report)), self)
    }
}

/// Maximum length of the readable part of a file name, in characters.
const READABLE_MAX: usize = 40;
/// Length of the hash in a file name, in characters.
const HASH_LENGTH: usize = 8;

/// The name of a slice's files, such as "executive-billing". A value that is not itself a safe name
/// in lower case gets a hash, so that no two values share a name on any file system.
pub fn file_name(report: &str, value: &str) -> String {
    let mut readable = String::new();
    for c in value.chars().take(READABLE_MAX) {
        if c.is_ascii_alphanumeric() {
            readable.push(c.to_ascii_lowercase());
        } else if !readable.is_empty() && !readable.ends_with('-') {
            readable.push('-');
        }
    }
    let readable = readable.trim_end_matches('-');
    let last = readable.rsplit('-').next().unwrap_or_default();
    let ends_like_hash =
        last.len() == HASH_LENGTH && last.bytes().all(|byte| byte.is_ascii_hexdigit());
    if readable == value && !ends_like_hash {
        return format!("{report}-{readable}");
    }
    let hash = &canonical::hash(&value)[..HASH_LENGTH];
    match readable {
        "" => format!("{report}-{hash}"),
        readable => format!("{report}-{readable}-{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn file_names_are_safe_and_unique() {
        assert_eq!(file_name("executive", "billing"), "executive-billing");
        let forged = format!("api-{}", &canonical::hash(&"API")[..HASH_LENGTH]);
        let values = [
            "API",
            "api",
            "Api",
            "a b",
            "a-b",
            "a/b",
            "../../etc",
            "..",
            ".",
            "",
            " ",
            "con\0",
            "支払い",
            "决济",
            "x\ny",
            "-rf",
            "a--b",
            "a-b-",
            &"x".repeat(41),
            &"x".repeat(42),
            &forged,
            "</script>",
            "~",
            "$(reboot)",
            "%2e%2e",
        ];
        let mut names = BTreeSet::new();
        for value in values {
            let name = file_name("executive", value);
            let is_safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(
                name.chars().all(is_safe) && name.len() < 64,
                "{value:?}: {name}"
            );
            assert!(names.insert(name.clone()), "{value:?}: {name} twice");
        }
    }

    #[test]
    fn indices_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(SliceIndex::read(folder.path(), "executive").unwrap(), None);
        let index = SliceIndex {
            column: "component".to_string(),
            slices: vec![SliceFile {
                value: "a/b".to_string(),
                name: file_name("executive", "a/b"),
                to: vec!["ada@example.org".to_string()],
                without_address: 1,
            }],
        };
        index.write(folder.path(), "executive").unwrap();
        assert_eq!(
            SliceIndex::read(folder.path(), "executive").unwrap(),
            Some(index)
        );
    }
}
