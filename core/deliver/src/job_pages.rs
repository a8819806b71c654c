//! The pages of one job: its runs, periods, years, figures, findings and improvements.
//!
//! A page is written only if its contents have changed. The state of the archive records a hash of
//! the contents of each page, so a new run rewrites only the pages that name it.

mod data;
mod history_pages;

use crate::{
    Error,
    digest::Digest,
    entries::{InvalidEntry, JobEntry, RunEntry},
    history::History,
    journal::nodes,
    page_writer::{FileCount, Writer},
    pages::{Pages, invalid_views, view, year_links, year_title},
    search,
    words::{clean, encode},
    write_atomically,
    year_index::YearIndex,
};
use data::{
    figure_rows, finding_items, improvement_items, latest_findings, latest_json, period_link,
    resolved_findings, run_findings, run_link, shown_name,
};
use history_pages::{figure_page, finding_page, improvement_page};
use retrocast_domain::number::plural;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Folder of the cached state, which only this program reads.
pub(crate) const STATE: &str = ".archive";
/// Number of newest runs on the page of a job.
const JOB_RUNS: usize = 12;
/// Number of runs of a year above which each run is one short line.
const BRIEF_RUNS: usize = 120;
/// Number of earlier reports that a sparkline on a run's page shows.
pub(crate) const SPARKLINE_REPORTS: usize = 30;

/// Hashes of the inputs of a job's pages.
#[derive(Debug, Default, Serialize, Deserialize)]
struct JobState {
    /// Hash of all runs and templates.
    key: String,
    /// Hash of the runs of each year.
    years: BTreeMap<String, String>,
    /// Hash of the contents of each page, by path from the root of the archive.
    pages: BTreeMap<String, String>,
}

/// Writes the pages of a job; `full` also writes those whose contents have not changed.
pub(crate) fn write(
    root: &Path,
    pages: &Pages,
    job: &JobEntry,
    invalid: &[&InvalidEntry],
    full: bool,
    count: &mut FileCount,
) -> Result<(), Error> {
    let folder = root.join(STATE).join(&job.folder_name);
    let state_path = folder.join("state.json");
    let state: JobState = if full {
        JobState::default()
    } else {
        read(&state_path).unwrap_or_default()
    };
    let invalid: Vec<Value> = invalid_views(invalid.iter().copied());
    let mut hasher = blake3::Hasher::new();
    hasher.update(pages.version.as_bytes());
    hasher.update(job.title.as_bytes());
    hasher.update(json!(invalid).to_string().as_bytes());
    for run in &job.runs {
        hasher.update(run.identity().as_bytes());
    }
    let key = hasher.finalize().to_hex()[..32].to_string();
    let front = root.join(&job.folder_name).join("index.html");
    if state.key == key && front.is_file() {
        return Ok(());
    }
    let mut new_state = JobState {
        key,
        ..JobState::default()
    };
    let mut years = Vec::new();
    for (name, runs) in job.years().into_iter().rev() {
        let key = year_key(&runs);
        let path = folder.join(format!("{name}.json"));
        let cached = (state.years.get(&name) == Some(&key)).then(|| read(&path));
        let index = match cached.flatten() {
            Some(index) => index,
            None => {
                let index = year_index(&runs)?;
                write_json(&path, &index)?;
                index
            }
        };
        new_state.years.insert(name, key);
        years.push(index);
    }
    let history = History::new(job, &years);
    let mut writer = Writer::new(root, pages, state.pages, count);
    let site = Site {
        job,
        history: &history,
        href: format!("{}/", encode(&job.folder_name)),
    };
    site.write_all(&mut writer, &years, &invalid)?;
    new_state.pages = writer.finish();
    write_json(&state_path, &new_state)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    write_atomically(path, &serde_json::to_string(value).unwrap_or_default())
}

/// Hash of the runs of a year; its index depends on nothing else.
fn year_key(runs: &[&RunEntry]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    for run in runs {
        hasher.update(run.identity().as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_string()
}

/// Builds the index of a year, in order of time, from its runs, which are newest first.
fn year_index(runs: &[&RunEntry]) -> Result<YearIndex, Error> {
    let mut digests = Vec::new();
    for run in runs.iter().rev() {
        if run.is_active() {
            continue;
        }
        if let Some(digest) = Digest::of(&run.folder, &run.key, run.tombstone.is_some())? {
            let names = [run.names[1].clone(), run.names[2].clone()];
            digests.push((names, digest));
        }
    }
    Ok(YearIndex::new(digests.into_iter()))
}

/// A job and its history.
pub(crate) struct Site<'a> {
    pub job: &'a JobEntry,
    pub history: &'a History<'a>,
    /// Relative link from the root of the archive, with a final slash.
    pub href: String,
}

impl Site<'_> {
    fn title(&self) -> String {
        self.job.display_title()
    }

    /// The path of a file of this job.
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.job.folder_name)
    }

    fn write_all(
        &self,
        writer: &mut Writer,
        years: &[YearIndex],
        invalid: &[Value],
    ) -> Result<(), Error> {
        self.write_runs(writer)?;
        self.write_periods(writer)?;
        self.write_years(writer, years)?;
        self.write_figures(writer)?;
        self.write_findings(writer)?;
        self.write_improvements(writer)?;
        self.write_latest(writer)?;
        self.write_front(writer, invalid)
    }

    fn hasher(&self, name: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        hasher.update(name.as_bytes()).update(&[0]);
        hasher.update(self.job.title.as_bytes()).update(&[0]);
        hasher.update(self.job.folder_name.as_bytes()).update(&[0]);
        hasher
    }

    /// Hashes everything that pages show of the report at an index.
    fn add_report(&self, hasher: &mut blake3::Hasher, index: usize) {
        hasher.update(self.history.reports[index].run.identity().as_bytes());
    }

    fn write_front(&self, writer: &mut Writer, invalid: &[Value]) -> Result<(), Error> {
        let (job, history) = (self.job, self.history);
        let mut key = self.hasher("job");
        for run in &job.runs {
            key.update(run.identity().as_bytes());
        }
        key.update(json!(invalid).to_string().as_bytes());
        writer.file(self.path("index.html"), &key, |pages| {
            let newest = job.latest().and_then(|run| history.position(run));
            let (resolved, more) = resolved_findings(self, newest);
            let compare = newest.and_then(|report| {
                let [previous, _] = history.neighbours(history.reports[report].run);
                let new = history.reports[report].run;
                Some(data::compare_link(previous?.run, new))
            });
            let views: Vec<_> = job.runs.iter().take(JOB_RUNS).map(view).collect();
            let data = json!({
                "job": {
                    "title": self.title(),
                    "summary": format!("{}, newest first.", plural(job.runs.len() as u64, "run")),
                    "newest": newest.map(|report| shown_name(history.reports[report].run)),
                    "latest": job.latest().is_some(),
                    "compare": compare,
                    "years": year_links(job),
                    "figures": newest.map(|report| figure_rows(self, report, "")),
                    "findings": newest.map(|report| latest_findings(self, report)),
                    "resolved": finding_items(resolved),
                    "resolved_more": more,
                    "improvements": improvement_items(self, "", None),
                    "runs": views,
                },
                "odd": invalid,
            });
            pages.render("job.html.j2", "../", &data)
        })
    }

    fn write_latest(&self, writer: &mut Writer) -> Result<(), Error> {
        let Some(run) = self.job.latest() else {
            return Ok(());
        };
        let mut key = self.hasher("latest");
        key.update(run.identity().as_bytes());
        writer.file(self.path("latest/index.html"), &key, |pages| {
            let data = json!({
                "title": self.title(),
                "window": shown_name(run),
                "href": format!("{}index.html", run.href()),
            });
            pages.render("latest.html.j2", "../../", &data)
        })?;
        writer.file(self.path("latest.json"), &key, |_| Ok(latest_json(run)))
    }

    fn write_years(&self, writer: &mut Writer, indexes: &[YearIndex]) -> Result<(), Error> {
        let years = self.job.years();
        for (n, (name, runs)) in years.iter().enumerate() {
            let mut key = self.hasher("year");
            for run in runs {
                key.update(run.identity().as_bytes());
            }
            // The list is newest first.
            let neighbour = |index: Option<usize>| {
                let (name, _) = years.get(index?)?;
                Some(json!({ "href": format!("{name}.html"), "name": year_title(name) }))
            };
            let (previous, next) = (neighbour(Some(n + 1)), neighbour(n.checked_sub(1)));
            key.update(json!([previous, next]).to_string().as_bytes());
            writer.file(self.path(&format!("{name}.html")), &key, |pages| {
                let months = runs.chunk_by(|a, b| month(a) == month(b)).map(|runs| {
                    let views: Vec<_> = runs.iter().map(|run| view(run)).collect();
                    json!({ "name": month(runs[0]), "runs": views })
                });
                let data = json!({
                    "title": self.title(),
                    "name": year_title(name),
                    "trail": [[self.title(), format!("{}index.html", self.href)], [year_title(name), ""]],
                    "summary": format!("{}, newest first.", plural(runs.len() as u64, "run")),
                    "months": months.collect::<Vec<_>>(),
                    "brief": runs.len() > BRIEF_RUNS,
                    "previous": previous,
                    "next": next,
                });
                pages.render("year.html.j2", "../", &data)
            })?;
            let index = &indexes[indexes.len() - 1 - n];
            writer.file(self.path(&format!("index-{name}.js")), &key, |_| {
                Ok(search::script(self.job, name, runs, index))
            })?;
        }
        Ok(())
    }

    fn write_periods(&self, writer: &mut Writer) -> Result<(), Error> {
        let mut windows: BTreeMap<&str, Vec<&RunEntry>> = BTreeMap::new();
        for run in &self.job.runs {
            windows.entry(&run.names[1]).or_default().push(run);
        }
        for (window, runs) in windows {
            let mut key = self.hasher("period");
            for run in &runs {
                key.update(run.identity().as_bytes());
            }
            let [previous, next] = self.history.neighbours(runs[0]);
            let [previous, next] =
                [previous, next].map(|report| report.map(|r| period_link(r.run)));
            key.update(json!([previous, next]).to_string().as_bytes());
            writer.file(self.path(&format!("{window}/index.html")), &key, |pages| {
                let name = shown_name(runs[0]);
                let compare = runs.windows(2).map(|pair| {
                    let [new, old] = [pair[0], pair[1]];
                    let names = [old, new].map(|run| clean(&run.names[2], 60));
                    json!({ "href": data::compare_link(old, new), "name": format!("Run {} with run {}", names[0], names[1]) })
                });
                let data = json!({
                    "title": self.title(),
                    "window": name,
                    "period": view(runs[0]).period_or(&name),
                    "summary": format!("{}, newest first.", plural(runs.len() as u64, "run")),
                    "trail": [[self.title(), format!("{}index.html", self.href)], [name, ""]],
                    "runs": runs.iter().map(|run| view(run)).collect::<Vec<_>>(),
                    "compare": compare.collect::<Vec<_>>(),
                    "previous": previous,
                    "next": next,
                });
                pages.render("period.html.j2", "../../", &data)
            })?;
        }
        Ok(())
    }

    fn write_runs(&self, writer: &mut Writer) -> Result<(), Error> {
        let mut current: BTreeMap<&str, &RunEntry> = BTreeMap::new();
        for run in &self.job.runs {
            if run.summary.status.has_reports() {
                current.entry(&run.names[1]).or_insert(run);
            }
        }
        for run in &self.job.runs {
            let [previous, next] = self.history.neighbours(run);
            let compare = previous.map(|report| data::compare_link(report.run, run));
            let links = [previous, next].map(|report| report.map(|report| run_link(report.run)));
            let current = current.get(run.names[1].as_str()).map(|run| run_link(run));
            let position = self.history.position(run);
            let mut key = self.hasher("run");
            key.update(run.identity().as_bytes());
            key.update(json!([links, current]).to_string().as_bytes());
            if let Some(position) = position {
                for earlier in position.saturating_sub(SPARKLINE_REPORTS)..position {
                    self.add_report(&mut key, earlier);
                }
                for finding in &self.history.reports[position].row.findings {
                    let (state, since, times) = data::finding_state(self, position, finding, run);
                    key.update(format!("{state} {since} {times} ").as_bytes());
                }
            }
            let path = format!("{}/index.html", run.names.join("/"));
            writer.file(path, &key, |pages| {
                let [previous, next] = links;
                let mut shown = view(run);
                if shown.title.is_empty() {
                    shown.title = self.title();
                }
                let digest = if run.is_active() {
                    None
                } else {
                    Digest::of(&run.folder, &run.key, run.tombstone.is_some())?
                };
                let up = "../../../";
                let figures = digest
                    .as_ref()
                    .map(|digest| data::run_figures(self, position, digest));
                let findings = digest
                    .as_ref()
                    .map(|digest| run_findings(self, position, digest));
                let improvements = digest
                    .as_ref()
                    .map(|digest| data::run_improvements(self, digest));
                let name = shown_name(run);
                let data = json!({
                    "run": shown,
                    "trail": [
                        [self.title(), format!("{}index.html", self.href)],
                        [name, format!("{}{}/index.html", self.href, encode(&run.names[1]))],
                        [format!("Run {}", clean(&run.names[2], 60)), ""],
                    ],
                    "build": digest.as_ref().map(|digest| digest.build.clone()),
                    "figures": figures,
                    "findings": findings,
                    "improvements": improvements,
                    "nodes": nodes(&run.folder)?,
                    "removed": data::removed_view(run),
                    "pinned": data::pinned_view(run),
                    "previous": previous,
                    "next": next,
                    "current": current,
                    "compare": compare,
                });
                pages.render("run.html.j2", up, &data)
            })?;
        }
        Ok(())
    }

    fn write_figures(&self, writer: &mut Writer) -> Result<(), Error> {
        for (slug, figure) in &self.history.figures {
            let mut key = self.hasher("figure");
            for (report, _) in &figure.points {
                self.add_report(&mut key, *report);
            }
            writer.file(self.path(&format!("figures/{slug}.html")), &key, |pages| {
                pages.render("figure.html.j2", "../../", &figure_page(self, figure))
            })?;
        }
        Ok(())
    }

    fn write_findings(&self, writer: &mut Writer) -> Result<(), Error> {
        for (slug, finding) in &self.history.findings {
            let mut key = self.hasher("finding");
            for point in &finding.points {
                self.add_report(&mut key, point.report);
                key.update(point.state.word().as_bytes());
            }
            writer.file(self.path(&format!("findings/{slug}.html")), &key, |pages| {
                pages.render("finding.html.j2", "../../", &finding_page(self, finding))
            })?;
        }
        Ok(())
    }

    fn write_improvements(&self, writer: &mut Writer) -> Result<(), Error> {
        for (slug, improvement) in &self.history.improvements {
            let mut key = self.hasher("improvement");
            for (report, _) in improvement.metrics.iter().flat_map(|metric| &metric.points) {
                self.add_report(&mut key, *report);
            }
            if let Some((report, _)) = improvement.closed {
                self.add_report(&mut key, report);
            }
            writer.file(
                self.path(&format!("improvements/{slug}.html")),
                &key,
                |pages| {
                    let data = improvement_page(self, improvement);
                    pages.render("improvement.html.j2", "../../", &data)
                },
            )?;
        }
        Ok(())
    }
}

/// Formats a month, such as "November 2026", for the headings of a year's page.
fn month(run: &RunEntry) -> String {
    let date = run.summary.date;
    date.map_or_else(
        || "Without a date".to_string(),
        |date| date.strftime("%B %Y").to_string(),
    )
}

/// Removes the state and the pages of jobs that no longer have runs.
pub(crate) fn remove_obsolete(root: &Path, jobs: &[JobEntry], total: &mut FileCount) {
    let Ok(states) = crate::folders::folders(&root.join(STATE)) else {
        return;
    };
    for (name, path) in states {
        if jobs.iter().any(|job| job.folder_name == name) {
            continue;
        }
        let state: JobState = read(&path.join("state.json")).unwrap_or_default();
        for page in state.pages.keys() {
            let page: PathBuf = root.join(page);
            if std::fs::remove_file(&page).is_ok() {
                total.removed += 1;
            }
        }
        let _ = std::fs::remove_dir_all(&path);
        for folder in ["figures", "findings", "improvements", "latest", ""] {
            let _ = std::fs::remove_dir(root.join(&name).join(folder));
        }
    }
}
