//! `cargo xtask gallery`: regenerates the sample reports in `reports/` from real records.

use crate::{build, options::in_folder, program, root, run};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The job, its date, and the folder of its records.
const JOB: &str = "github-incidents";
const DATE: &str = "2026-08-10";
const RECORDS: &str = "data/raw/github-incidents";
/// Files of the run that are copied.
const FILES: [&str; 5] = [
    "executive.pdf",
    "executive.html",
    "technical.pdf",
    "technical.html",
    "report.json",
];

/// Runs the job in a separate workspace, so that the reports contain no local paths. Copies its
/// reports, with an image of each page of the executive report.
pub fn gallery() -> Result<(), String> {
    let data = env::var_os("RETROCAST_REAL_DATA")
        .ok_or("set RETROCAST_REAL_DATA to the folder of real records; see data/README.md")?;
    build()?;
    in_folder(&env::temp_dir(), |workspace| {
        write_sample(&Path::new(&data).join(JOB), workspace)
    })
}

fn write_sample(data: &Path, workspace: &Path) -> Result<(), String> {
    copy(data, &workspace.join(RECORDS))?;
    copy(&root().join("jobs"), &workspace.join("jobs"))?;
    run(Command::new(program())
        .args(["run", JOB, "--date", DATE])
        .current_dir(workspace))?;
    let run_folder = only_folder(&only_folder(&workspace.join("reports").join(JOB))?)?;
    let folder = root().join("reports").join(JOB);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    }
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    for name in FILES {
        fs::copy(run_folder.join(name), folder.join(name))
            .map_err(|error| format!("{name}: {error}"))?;
    }
    run(Command::new("pdftoppm")
        .args(["-r", "80", "-png"])
        .arg(folder.join("executive.pdf"))
        .arg(folder.join("executive")))
    .map_err(|error| format!("{error} (images of pages need poppler-utils)"))?;
    println!("wrote {}", folder.display());
    Ok(())
}

/// Returns the only folder in a folder.
fn only_folder(folder: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut folders = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    match (folders.next(), folders.next()) {
        (Some(folder), None) => Ok(folder),
        _ => Err(format!(
            "{} does not contain exactly one folder",
            folder.display()
        )),
    }
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let message = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(message)?;
    for entry in fs::read_dir(from).map_err(message)?.flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to).map_err(message)?;
        }
    }
    Ok(())
}
