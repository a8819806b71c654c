//! `cargo xtask gallery`: regenerates the sample reports in `reports/` from real records.

use crate::{build, program, root, run};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The job, its date, and the folder of its records.
const JOB: &str = "github-incidents";
const DATE: &str = "2026-08-10";
const RECORDS: &str = "data/raw/github-incidents";
/// Files of the run to keep.
const KEPT: [&str; 5] = [
    "executive.pdf",
    "executive.html",
    "technical.pdf",
    "technical.html",
    "report.json",
];

/// Runs the job in a separate workspace, so that no path of this machine is in the reports, and
/// keeps its reports with a picture of each page of the executive one.
pub fn gallery() -> Result<(), String> {
    let data = env::var_os("RETROCAST_REAL_DATA")
        .ok_or("set RETROCAST_REAL_DATA to the folder of real records; see data/README.md")?;
    build()?;
    let workspace = env::temp_dir().join(format!("retrocast-gallery-{}", std::process::id()));
    let done = sample(&Path::new(&data).join(JOB), &workspace);
    let swept = fs::remove_dir_all(&workspace).map_err(|error| error.to_string());
    done.and(swept)
}

fn sample(data: &Path, workspace: &Path) -> Result<(), String> {
    copy(data, &workspace.join(RECORDS))?;
    copy(&root().join("jobs"), &workspace.join("jobs"))?;
    run(Command::new(program())
        .args(["run", JOB, "--date", DATE])
        .current_dir(workspace))?;
    let run_folder = only(&only(&workspace.join("reports").join(JOB))?)?;
    let folder = root().join("reports").join(JOB);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    }
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    for name in KEPT {
        fs::copy(run_folder.join(name), folder.join(name))
            .map_err(|error| format!("{name}: {error}"))?;
    }
    run(Command::new("pdftoppm")
        .args(["-r", "80", "-png"])
        .arg(folder.join("executive.pdf"))
        .arg(folder.join("executive")))
    .map_err(|error| format!("{error} (pictures of pages need poppler-utils)"))?;
    println!("wrote {}", folder.display());
    Ok(())
}

/// The single folder in a folder.
fn only(folder: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut folders = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    match (folders.next(), folders.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(format!("{} has not one folder", folder.display())),
    }
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)?.flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to).map_err(failed)?;
        }
    }
    Ok(())
}
