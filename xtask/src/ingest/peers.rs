//! Other readers, each with a short script for the same task.

use crate::{
    measure::{self, Measurement},
    venv,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Another reader.
pub struct Peer {
    name: &'static str,
    /// Python packages; the first is the reader itself.
    packages: &'static [&'static str],
    script: &'static str,
}

/// The readers to compare with.
pub const PEERS: [Peer; 3] = [
    Peer {
        name: "DuckDB",
        packages: &["duckdb==2.0.0"],
        script: include_str!("duckdb.py.txt"),
    },
    Peer {
        name: "polars",
        packages: &["polars==2.1.0"],
        script: include_str!("polars.py.txt"),
    },
    Peer {
        name: "pandas",
        packages: &["pandas==3.1.1", "pyarrow==26.0.1"],
        script: include_str!("pandas.py.txt"),
    },
];

/// An installed reader.
pub struct InstalledPeer {
    /// Name and version.
    pub name: String,
    environment: PathBuf,
    script: &'static str,
}

impl Peer {
    /// Installs the packages in a virtual environment. Errors name the reader.
    pub fn install(&self) -> Result<InstalledPeer, String> {
        let version = self.packages[0].split("==").nth(1).unwrap_or_default();
        let name = format!("{} {version}", self.name);
        let packages: Vec<String> = self.packages.iter().map(ToString::to_string).collect();
        let folder = self.packages[0].replace("==", "-");
        match venv::environment(&folder, &packages) {
            Ok(environment) => Ok(InstalledPeer {
                name,
                environment,
                script: self.script,
            }),
            Err(error) => Err(format!("{name}: {error}")),
        }
    }
}

impl InstalledPeer {
    /// Reads files, and returns the measurement with the numbers of kept rows and refused records.
    pub fn read(
        &self,
        files: &Path,
        form: &str,
        threads: usize,
        work: &Path,
    ) -> Result<(Measurement, (u64, u64)), String> {
        create_empty(work)?;
        let mut command = self.command(self.script, work)?;
        command.arg(files).arg(form).arg(threads.to_string());
        let measured = measure::once(&mut command, &work.join("log"))?;
        let counts = fs::read_to_string(work.join("counts")).unwrap_or_default();
        let mut counts = counts.split(' ').map(|word| word.parse().unwrap_or(0));
        let counts = (counts.next().unwrap_or(0), counts.next().unwrap_or(0));
        fs::remove_dir_all(work).map_err(|error| error.to_string())?;
        Ok((measured, counts))
    }

    /// Converts the JSON Lines in a folder to Parquet, with `DuckDB`.
    pub fn write_parquet(&self, folder: &Path, work: &Path) -> Result<(), String> {
        create_empty(work)?;
        let mut command = self.command(include_str!("parquet.py.txt"), work)?;
        measure::once(command.arg(folder), &work.join("log")).map(drop)
    }

    fn command(&self, script: &str, work: &Path) -> Result<Command, String> {
        let path = work.join("script.py");
        fs::write(&path, script).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut command = Command::new(self.environment.join("bin/python"));
        command.arg("script.py").current_dir(work);
        Ok(command)
    }
}

/// Creates an empty folder.
pub fn create_empty(folder: &Path) -> Result<(), String> {
    let message = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(message)?;
    }
    fs::create_dir_all(folder).map_err(message)
}
