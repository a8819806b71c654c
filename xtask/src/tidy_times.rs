//! Gives the files of the local `protobuf-src` crate a fixed modification time.
//!
//! Cargo judges a local crate by the modification times of its files, which are new in every clone.
//! All of Lance depends on this crate and would be compiled again. With a fixed time a shared
//! target folder stays warm.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::{Duration, SystemTime},
};

/// 2026-01-01T00:00:00Z.
const FIXED: Duration = Duration::from_secs(1_767_225_600);

/// Sets the time of every file of the crate.
pub fn settle(root: &Path) -> io::Result<()> {
    settle_folder(&root.join("xtask/protobuf-src"))
}

fn settle_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            settle_folder(&path)?;
        } else {
            File::options()
                .append(true)
                .open(&path)?
                .set_modified(SystemTime::UNIX_EPOCH + FIXED)?;
        }
    }
    Ok(())
}
