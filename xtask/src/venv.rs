//! Python programs at fixed versions, each in its own virtual environment below the target folder.

use crate::{measure, target};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Returns the folder of an environment with these packages, such as `luigi==3.8.1`; creates it if
/// missing.
pub fn environment(name: &str, packages: &[String]) -> Result<PathBuf, String> {
    let peers = target().join("peers");
    let folder = peers.join(name);
    // The marker is written last, so that an interrupted installation is repeated.
    let marker = folder.join("ready");
    if marker.exists() {
        return Ok(folder);
    }
    println!("installing {name}");
    fs::create_dir_all(&peers).map_err(|error| error.to_string())?;
    install(&folder, packages, &peers.join(format!("{name}.log")))?;
    fs::write(marker, "").map_err(|error| error.to_string())?;
    Ok(folder)
}

fn install(folder: &Path, packages: &[String], log: &Path) -> Result<(), String> {
    let mut python = Command::new("python3");
    measure::once(python.args(["-m", "venv", "--clear"]).arg(folder), log)?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"])
        .args(packages);
    measure::once(&mut pip, log).map(drop)
}
