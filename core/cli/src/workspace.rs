//! Locations of jobs, templates, the lake and the archive.

mod locations;

use crate::{arguments::Arguments, diagnose::WrongUsage};
use anyhow::Context as _;
pub use locations::LakeLocations;
use retrocast_engine::Mirror;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Maximum size of a job file, in bytes: a generated job of 100,000 stages has 5 MB.
const JOB_BYTES_MAX: u64 = 16 << 20;

/// The folders that a command works with.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Base for relative addresses of sources.
    pub root: PathBuf,
    /// Job files.
    pub jobs: PathBuf,
    /// Templates, if the folder exists.
    pub templates: Option<PathBuf>,
    /// Datasets, leases and cached outcomes.
    pub lake_locations: LakeLocations,
    /// The lake's folder on this machine; for a lake in object storage, its cache.
    pub lake: PathBuf,
    /// The archive's folder on this machine.
    pub reports: PathBuf,
    /// The mirror of the archive, if it is in object storage.
    pub mirror: Option<Arc<Mirror>>,
    /// Addresses of lake and archive in object storage; `None` for folders.
    pub addresses: [Option<String>; 2],
}

impl Workspace {
    /// Creates a workspace from the arguments. The default folders are in the current folder.
    pub fn new(arguments: &Arguments) -> Result<Self, WrongUsage> {
        // A folder given as an option must exist, because folders that are only read are not
        // created.
        let options = [
            ("--jobs", &arguments.jobs),
            ("--templates", &arguments.templates),
        ];
        for (option, folder) in options {
            if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
                let folder = folder.display();
                return Err(WrongUsage(format!(
                    "{option} {folder}: the folder does not exist"
                )));
            }
        }
        if !arguments.workspace.is_dir() {
            let folder = arguments.workspace.display();
            return Err(WrongUsage(format!(
                "--workspace {folder}: the folder does not exist; `retrocast init {folder}` creates one"
            )));
        }
        let root = arguments.workspace.clone();
        let folder = |option: &Option<PathBuf>, name: &str| {
            option.clone().unwrap_or_else(|| {
                if root == Path::new(".") {
                    name.into()
                } else {
                    root.join(name)
                }
            })
        };
        let templates = folder(&arguments.templates, "templates");
        let lake_locations = locations::lake("--lake", &folder(&arguments.lake, "data/lake"))?;
        let (reports, mirror) =
            locations::archive("--reports", &folder(&arguments.reports, "reports"))?;
        let addresses = [
            lake_locations
                .files
                .shared_store()
                .map(|shared_store| shared_store.address()),
            mirror.as_ref().map(|mirror| mirror.address()),
        ];
        Ok(Self {
            jobs: folder(&arguments.jobs, "jobs"),
            templates: (arguments.templates.is_some() || templates.is_dir()).then_some(templates),
            lake: lake_locations.files.folder().to_path_buf(),
            lake_locations,
            reports,
            mirror,
            addresses,
            root,
        })
    }

    /// Fetches runs of other machines for an archive in object storage; does nothing for a local
    /// one.
    pub fn fetch(&self) -> anyhow::Result<()> {
        match &self.mirror {
            Some(mirror) => locations::fetch(mirror, &self.lake_locations.files),
            None => Ok(()),
        }
    }

    /// Uploads new files to an archive in object storage.
    pub fn send(&self) -> anyhow::Result<()> {
        let Some(mirror) = &self.mirror else {
            return Ok(());
        };
        let sent = mirror.upload();
        let failed = || format!("cannot send to the archive {}", mirror.address());
        sent.map(|_| ()).with_context(failed)
    }

    /// Reads the file of a job, given by name or path.
    pub fn job_file(&self, job: &str) -> anyhow::Result<(PathBuf, String)> {
        let is_path = job.contains('/') || Path::new(job).extension().is_some_and(|e| e == "toml");
        let path = if is_path {
            PathBuf::from(job)
        } else {
            self.jobs.join(format!("{job}.toml"))
        };
        let size = std::fs::metadata(&path).map_or(0, |data| data.len());
        if size > JOB_BYTES_MAX {
            let path = path.display();
            let message =
                format!("{path} has {size} bytes; the maximum for a job file is {JOB_BYTES_MAX}");
            return Err(WrongUsage(message).into());
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok((path, text)),
            Err(error) => Err(WrongUsage(self.describe_read_error(job, &path, &error)).into()),
        }
    }

    /// Suggests a job, or lists all, for an unknown name.
    pub fn suggest_job(&self, job: &str) -> String {
        let names = self.job_names();
        let nearest = names
            .iter()
            .map(|name| (strsim::jaro_winkler(name, job), name))
            .filter(|(similarity, _)| *similarity > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((_, name)) => format!("did you mean {name:?}?"),
            None if names.is_empty() => format!(
                "there are no jobs in {}; `retrocast init` writes a starter workspace",
                self.jobs.display()
            ),
            None => format!("jobs: {}", names.join(", ")),
        }
    }

    fn describe_read_error(&self, job: &str, path: &Path, error: &std::io::Error) -> String {
        if error.kind() == std::io::ErrorKind::InvalidData {
            return format!("{} is not text in UTF-8: save it as UTF-8", path.display());
        }
        if error.kind() != std::io::ErrorKind::NotFound {
            return format!("cannot read {}: {error}", path.display());
        }
        let help = self.suggest_job(job);
        format!("no job {job:?}: {} does not exist; {help}", path.display())
    }

    /// Names of the jobs in the jobs folder, sorted.
    pub fn job_names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.jobs)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                // Skips temporary files of editors.
                if path.file_name()?.to_str()?.starts_with('.') {
                    return None;
                }
                (path.extension()? == "toml")
                    .then(|| path.file_stem()?.to_str().map(str::to_string))?
            })
            .collect();
        names.sort();
        names
    }
}
