//! The archive: static pages over `reports/<job>/<window>/<run>/`.
//!
//! Only pages and the scripts that they load are written; results of runs are never changed.
//! Folders that are not runs, and unreadable summaries, are listed as such, so that nothing in the
//! archive is hidden.
//!
//! ```text
//! index.html, feed.xml, search.html, compare.html    all jobs
//! style.css, jobs.js, search.js, align.js, compare.js loaded by these pages
//! <job>/index.html, <job>/<year>.html                one job: figures, findings, runs
//! <job>/latest/index.html, <job>/latest.json         its newest report
//! <job>/index-<year>.js                              search index of a year
//! <job>/{figures,findings,improvements}/<name>.html  each over all reports
//! <job>/<window>/index.html                          the runs of a period
//! <job>/<window>/<run>/index.html, run.js            one run, and its results as a script
//! .archive/<job>/                                    cached state of the pages; may be removed
//! ```

use crate::{
    Error,
    digest::summary_key,
    entries::{InvalidEntry, JobEntry, RunEntry},
    folders::folders,
    job_pages::{self, STATE},
    page_writer::{FileCount, write_if_changed},
    pages::Pages,
    retention::{pin_of, tombstone_of},
    search,
};
use retrocast_run::RunSummary;
use serde::Serialize;
use std::{
    fs::File,
    path::{Path, PathBuf},
};

/// Name of the feed beside the front page.
const FEED: &str = "feed.xml";

/// The result of an update of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveUpdate {
    /// The front page.
    pub index: PathBuf,
    /// Number of jobs.
    pub jobs: u64,
    /// Number of runs.
    pub runs: u64,
    /// Files that were written and removed.
    #[serde(flatten)]
    pub files: FileCount,
}

/// Updates the pages of the archive after runs were added, changed or removed. Files in
/// `<templates>/archive` replace the built-in templates.
pub fn update(root: &Path, templates: Option<&Path>) -> Result<ArchiveUpdate, Error> {
    write(root, templates, false)
}

/// Like [`update`], but writes every page again, even if nothing has changed.
pub fn rebuild(root: &Path, templates: Option<&Path>) -> Result<ArchiveUpdate, Error> {
    write(root, templates, true)
}

fn write(root: &Path, templates: Option<&Path>, full: bool) -> Result<ArchiveUpdate, Error> {
    let pages = Pages::new(templates)?;
    let _lock = lock(root)?;
    let (jobs, invalid) = scan(root)?;
    let mut files = FileCount::default();
    for job in &jobs {
        let invalid_of_job: Vec<&InvalidEntry> = invalid
            .iter()
            .filter(|entry| entry.job == job.folder_name)
            .collect();
        job_pages::write(root, &pages, job, &invalid_of_job, full, &mut files)?;
    }
    job_pages::remove_obsolete(root, &jobs, &mut files);
    let no_data = serde_json::json!({});
    let front = root.join("index.html");
    let mut texts = vec![
        ("index.html", pages.front(&jobs, &invalid)?),
        (FEED, pages.feed(&jobs)?),
        ("search.html", pages.render("search.html.j2", "", &no_data)?),
        (
            "compare.html",
            pages.render("compare.html.j2", "", &no_data)?,
        ),
        ("jobs.js", search::jobs_script(&jobs)),
    ];
    texts.extend(pages.assets.iter().cloned());
    for (name, text) in texts {
        if write_if_changed(&root.join(name), &text)? {
            files.written += 1;
        }
    }
    Ok(ArchiveUpdate {
        index: front,
        jobs: jobs.len() as u64,
        runs: jobs.iter().map(|job| job.runs.len() as u64).sum(),
        files,
    })
}

/// Creates the archive's folder and waits until no other process writes its pages.
fn lock(root: &Path) -> Result<File, Error> {
    let state = root.join(STATE);
    let error = |action| {
        let path = state.clone();
        move |source| Error::File {
            action,
            path,
            source,
        }
    };
    std::fs::create_dir_all(&state).map_err(error("create"))?;
    let file = File::create(state.join("lock")).map_err(error("write"))?;
    file.lock().map_err(error("lock"))?;
    Ok(file)
}

/// Finds every run below the root by job, and folders that look like runs but are not.
fn scan(root: &Path) -> Result<(Vec<JobEntry>, Vec<InvalidEntry>), Error> {
    let (mut jobs, mut invalid) = (Vec::new(), Vec::new());
    for (job_name, job_path) in folders(root)? {
        let mut runs = Vec::new();
        let invalid_before = invalid.len();
        for (window_name, window_path) in folders(&job_path)? {
            for (run_name, folder) in folders(&window_path)? {
                let path = format!("{job_name}/{window_name}/{run_name}");
                let entry = RunSummary::read(&folder).map(|summary| RunEntry {
                    names: [job_name.clone(), window_name.clone(), run_name],
                    key: summary_key(&folder).unwrap_or_default(),
                    pin: pin_of(&folder),
                    tombstone: tombstone_of(&folder),
                    folder,
                    summary,
                    superseded: false,
                });
                match entry {
                    Ok(run) => runs.push(run),
                    Err(error) => {
                        invalid.push(InvalidEntry {
                            job: job_name.clone(),
                            path,
                            reason: describe(&error),
                        });
                    }
                }
            }
        }
        if !runs.is_empty() {
            jobs.push(JobEntry::new(job_name, runs));
        } else if invalid.len() == invalid_before {
            let reason = "contains no runs".to_string();
            invalid.push(InvalidEntry {
                path: job_name.clone(),
                job: job_name,
                reason,
            });
        }
    }
    jobs.sort_by(|a, b| {
        b.newest()
            .cmp(&a.newest())
            .then_with(|| a.folder_name.cmp(&b.folder_name))
    });
    Ok((jobs, invalid))
}

fn describe(error: &retrocast_run::Error) -> String {
    match error {
        error if error.is_missing() => "has no run.json".to_string(),
        retrocast_run::Error::File { source, .. } => format!("run.json cannot be read: {source}"),
        retrocast_run::Error::Content { source, .. } => format!("run.json is broken: {source}"),
    }
}

#[cfg(test)]
mod tests;
