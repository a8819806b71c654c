//! Python packages of the comparison, each with a short script.

use super::{LIMIT, run::Timing};
use crate::{measure, venv};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Time limit of the script that repeats the computation to measure it alone.
const LIMIT_ALONE: Duration = Duration::from_secs(120);

/// A package.
pub struct Peer {
    /// Its name in the tables.
    pub name: &'static str,
    /// Packages to install; the first is the compared one.
    packages: &'static [&'static str],
    script: &'static str,
}

pub const STATSFORECAST: Peer = Peer {
    name: "statsforecast",
    packages: &["statsforecast==2.1.1"],
    script: include_str!("forecast.py.txt"),
};
pub const PYOD: Peer = Peer {
    name: "PyOD",
    packages: &["pyod==3.6.7"],
    script: include_str!("anomaly.py.txt"),
};
pub const STUMPY: Peer = Peer {
    name: "stumpy",
    packages: &["stumpy==1.14.1"],
    script: include_str!("anomaly.py.txt"),
};
pub const RUPTURES: Peer = Peer {
    name: "ruptures",
    packages: &["ruptures==1.1.10"],
    script: include_str!("change_points.py.txt"),
};
pub const EVIDENTLY: Peer = Peer {
    name: "Evidently",
    // Newer releases of pandas lack a function that it imports.
    packages: &["evidently==0.7.23", "pandas==2.3.3"],
    script: include_str!("drift.py.txt"),
};
/// All packages.
pub const PEERS: [&Peer; 5] = [&STATSFORECAST, &PYOD, &STUMPY, &RUPTURES, &EVIDENTLY];

/// An installed package.
pub struct InstalledPeer {
    /// Its name in the tables.
    pub name: &'static str,
    environment: PathBuf,
    script: &'static str,
    work: PathBuf,
}

impl Peer {
    /// Installs it. Its scripts run in a folder below `work`.
    pub fn install(&self, work: &Path) -> Result<InstalledPeer, String> {
        let packages: Vec<String> = self.packages.iter().map(ToString::to_string).collect();
        let environment = venv::environment(&packages[0].replace("==", "-analysis-"), &packages)?;
        Ok(InstalledPeer {
            name: self.name,
            environment,
            script: self.script,
            work: work.join(self.name),
        })
    }

    /// Name and version.
    pub fn version(&self) -> String {
        let version = self.packages[0].split("==").nth(1).unwrap_or_default();
        format!("{} {version}", self.name)
    }
}

impl InstalledPeer {
    /// Measures the script as a whole process, without warm-up.
    pub fn measure_process(&self, cores: usize, arguments: &[String]) -> Result<Timing, String> {
        let mut command = self.command("whole", cores, arguments)?;
        let measured = measure::within(Some(LIMIT), &mut command, &self.work.join("log"))?;
        Ok(Timing::new(measured))
    }

    /// Measures the computation alone, in seconds, without imports, reading and warm-up.
    pub fn measure_computation(&self, cores: usize, arguments: &[String]) -> Result<f64, String> {
        let mut command = self.command("alone", cores, arguments)?;
        measure::within(Some(LIMIT_ALONE), &mut command, &self.work.join("log"))?;
        let path = self.work.join("seconds");
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        fs::remove_file(&path).map_err(|error| error.to_string())?;
        let seconds = text.trim().parse();
        seconds.map_err(|_| format!("{}: no seconds in {text:?}", self.name))
    }

    fn command(&self, mode: &str, cores: usize, arguments: &[String]) -> Result<Command, String> {
        let write = |name: &str, text: &str| {
            let path = self.work.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        fs::create_dir_all(&self.work).map_err(|error| error.to_string())?;
        write("alone.py", include_str!("alone.py.txt"))?;
        write("script.py", self.script)?;
        let mut command = Command::new(self.environment.join("bin/python"));
        command
            .args(["script.py", mode, &cores.to_string()])
            .args(arguments)
            .current_dir(&self.work);
        Ok(command)
    }
}
