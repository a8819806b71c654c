//! A folder for temporary files of one command, outside of the lake, which may be read-only.

use std::{fs, path::PathBuf};

/// A folder in the system's folder for temporary files. Its owner creates it on first use; it is
/// removed when dropped.
pub struct TemporaryFolder(pub PathBuf);

impl TemporaryFolder {
    /// The folder of this process for a purpose, such as "query".
    pub fn new(purpose: &str) -> Self {
        let name = format!("retrocast-{purpose}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
