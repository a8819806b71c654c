//! Gives the files of the local `protobuf-src` crate a fixed modification time.
//!
//! Cargo rebuilds a local crate if the modification times of its files change, which happens in
//! every clone. All of Lance depends on this crate and would be compiled again. With fixed times a
//! shared target folder can be reused.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::{Duration, SystemTime},
};

/// 2026-01-01T00:00:00Z.
const FIXED_TIME: Duration = Duration::from_secs(1_767_225_600);

/// Sets the time of every file of the crate.
pub fn fix_times(root: &Path) -> io::Result<()> {
    fix_folder(&root.join("xtask/protobuf-src"))
}

fn fix_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            fix_folder(&path)?;
        } else {
            File::options()
                .append(true)
                .open(&path)?
                .set_modified(SystemTime::UNIX_EPOCH + FIXED_TIME)?;
        }
    }
    Ok(())
}
