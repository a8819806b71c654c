//! The templates of the archive, and the values that they are filled with.

use crate::{
    Error,
    entries::{InvalidEntry, JobEntry, RunEntry},
    feed,
    words::{clean, encode, minute},
};
use minijinja::{
    AutoEscape, Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig, value::Serde,
};
use retrocast_domain::{
    canonical,
    number::{count, plural},
};
use retrocast_run::files::FAILURE_PAGE;
use serde::Serialize;
use std::path::Path;

/// A link to an existing file.
#[derive(Debug, Serialize)]
pub(crate) struct Link {
    href: String,
    label: &'static str,
}

/// A run, with the field names of the templates.
#[expect(clippy::struct_excessive_bools, reason = "templates test each of them")]
#[derive(Debug, Serialize)]
pub(crate) struct RunView {
    /// Relative link from the root of the archive, with a final slash.
    href: String,
    run: String,
    job: String,
    pub title: String,
    window: String,
    period: String,
    date: String,
    status: &'static str,
    headline: String,
    started: String,
    finished: String,
    reused: String,
    executed: String,
    parent: String,
    error: String,
    /// Link to the failure report; empty for none.
    failure: &'static str,
    rerun: bool,
    superseded: bool,
    pinned: bool,
    removed: bool,
    files: Vec<Link>,
    #[serde(rename = "doors")]
    reports: Vec<ReportFiles>,
}

/// Files of one report.
#[derive(Debug, Serialize)]
struct ReportFiles {
    title: &'static str,
    files: Vec<Link>,
}

const REPORTS: [(&str, &[(&str, &str)]); 3] = [
    (
        "Executive report",
        &[("executive.pdf", "PDF"), ("executive.html", "Web page")],
    ),
    (
        "Technical report",
        &[("technical.pdf", "PDF"), ("technical.html", "Web page")],
    ),
    (
        "Data",
        &[
            ("report.json", "Report"),
            ("findings.json", "Findings"),
            ("plan.json", "Plan"),
            ("journal.jsonl", "Journal"),
            ("checksums.b3", "Checksums"),
        ],
    ),
];

const SHORT_LINKS: [(&str, &str); 4] = [
    ("executive.pdf", "Executive PDF"),
    ("executive.html", "Executive page"),
    ("technical.pdf", "Technical PDF"),
    ("technical.html", "Technical page"),
];

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../templates/archive/", $name)))),*]
    };
}

/// The built-in templates, and the files that pages load.
const DEFAULTS: &[(&str, &str)] = built_in![
    "base.html.j2",
    "parts.html.j2",
    "index.html.j2",
    "job.html.j2",
    "year.html.j2",
    "period.html.j2",
    "run.html.j2",
    "finding.html.j2",
    "figure.html.j2",
    "improvement.html.j2",
    "latest.html.j2",
    "search.html.j2",
    "compare.html.j2",
    "failure.html.j2",
    "feed.xml.j2",
    "style.css",
    "search.js",
    "align.js",
    "compare.js",
];

/// Maximum number of runs on the front page, over all jobs; each job has at least one run.
const FRONT_RUNS_MAX: usize = 120;
/// Maximum number of runs of a job on the front page.
const RECENT_RUNS: usize = 6;
/// Number of jobs above which the front page shows one short line for each.
const BRIEF_JOBS: usize = 40;
/// Version of the data that templates are filled with.
const FORMAT: u32 = 1;

/// The built-in templates of the archive, by name.
pub fn built_in_templates() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEFAULTS.iter().copied()
}

/// Checks the templates of the archive below a templates folder by rendering empty pages.
pub fn check_templates(templates: Option<&Path>) -> Result<(), Error> {
    let pages = Pages::new(templates)?;
    pages.front(&[], &[])?;
    pages.feed(&[])?;
    Ok(())
}

/// The parsed templates.
pub(crate) struct Pages {
    environment: Environment<'static>,
    /// Scripts and styles by name.
    pub assets: Vec<(&'static str, String)>,
    /// Hash of all templates and of the program's version.
    pub version: String,
}

impl Pages {
    pub(crate) fn new(templates: Option<&Path>) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        // This crate writes the charts; any other text is escaped.
        environment.add_filter("safe_svg", |text: String| {
            if text.starts_with("<svg class=") {
                Value::from_safe_string(text)
            } else {
                Value::from(text)
            }
        });
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?;
        environment.set_syntax(syntax);
        let (mut assets, mut texts) = (Vec::new(), Vec::new());
        for (name, default) in DEFAULTS {
            let custom = templates.map(|folder| folder.join("archive").join(name));
            let text = match custom.filter(|path| path.is_file()) {
                Some(path) => std::fs::read_to_string(&path).map_err(|source| Error::File {
                    action: "read",
                    path,
                    source,
                })?,
                None => (*default).to_string(),
            };
            if name.ends_with(".j2") {
                texts.push(text.clone());
                environment.add_template_owned(*name, text)?;
            } else {
                assets.push((*name, text));
            }
        }
        Ok(Self {
            environment,
            assets,
            version: canonical::hash(&(FORMAT, env!("CARGO_PKG_VERSION"), texts)),
        })
    }

    /// The front page: the newest runs of each job.
    pub(crate) fn front(
        &self,
        jobs: &[JobEntry],
        invalid: &[InvalidEntry],
    ) -> Result<String, Error> {
        let runs: usize = jobs.iter().map(|job| job.runs.len()).sum();
        let brief = jobs.len() > BRIEF_JOBS;
        let shown = match jobs.len() {
            0 => 0,
            jobs => (FRONT_RUNS_MAX / jobs).clamp(1, RECENT_RUNS),
        };
        let views: Vec<serde_json::Value> =
            jobs.iter().map(|job| job_view(job, shown, brief)).collect();
        let summary = format!(
            "{} of {}, newest first.",
            plural(runs as u64, "run"),
            plural(jobs.len() as u64, "job")
        );
        let invalid = invalid_views(invalid.iter());
        self.render(
            "index.html.j2",
            "",
            &serde_json::json!({ "jobs": views, "summary": summary, "odd": invalid }),
        )
    }

    /// The feed with the newest runs of all jobs.
    pub(crate) fn feed(&self, jobs: &[JobEntry]) -> Result<String, Error> {
        let feed = feed::view(jobs);
        let template = self.environment.get_template("feed.xml.j2")?;
        Ok(template.render(Value::from(Serde(&feed)))?)
    }

    /// The failure page of a run.
    pub(crate) fn failure(&self, failure: &serde_json::Value) -> Result<String, Error> {
        self.render("failure.html.j2", "../../../", failure)
    }

    /// Fills a template; `up` is the relative path to the root of the archive.
    pub(crate) fn render(
        &self,
        template: &str,
        up: &str,
        data: &serde_json::Value,
    ) -> Result<String, Error> {
        let page = self.environment.get_template(template)?;
        Ok(page.render(context! { up, ..Value::from(Serde(data)) })?)
    }
}

impl RunView {
    /// The period in words, or another text if it is unknown.
    pub(crate) fn period_or(&self, other: &str) -> String {
        match self.period.as_str() {
            "" => other.to_string(),
            period => period.to_string(),
        }
    }
}

fn job_view(job: &JobEntry, shown: usize, brief: bool) -> serde_json::Value {
    let runs = job.runs.iter().take(shown);
    serde_json::json!({
        "title": job.display_title(),
        "href": format!("{}/", encode(&job.folder_name)),
        "runs": runs.map(view).collect::<Vec<_>>(),
        "brief": brief,
        "latest": job.latest().is_some(),
        "years": year_links(job),
    })
}

/// Links to the pages of a job's years, newest first.
pub(crate) fn year_links(job: &JobEntry) -> Vec<serde_json::Value> {
    let names = job.years().into_iter().map(|(name, _)| name);
    names
        .map(
            |name| serde_json::json!({ "name": year_title(&name), "href": format!("{name}.html") }),
        )
        .collect()
}

/// Title of the page of a year.
pub(crate) fn year_title(name: &str) -> String {
    match name {
        "undated" => "Without a date".to_string(),
        year => year.to_string(),
    }
}

pub(crate) fn invalid_views<'a>(
    entries: impl Iterator<Item = &'a InvalidEntry>,
) -> Vec<serde_json::Value> {
    entries.map(|entry| {
        serde_json::json!({ "path": clean(&entry.path, 200), "reason": clean(&entry.reason, 300) })
    })
    .collect()
}

pub(crate) fn view(run: &RunEntry) -> RunView {
    let summary = &run.summary;
    let existing_links = |files: &[(&str, &'static str)]| -> Vec<Link> {
        let existing = files
            .iter()
            .filter(|(name, _)| run.folder.join(name).is_file());
        existing
            .map(|(name, label)| Link {
                href: (*name).to_string(),
                label,
            })
            .collect()
    };
    let reports = REPORTS
        .iter()
        .map(|(title, files)| ReportFiles {
            title,
            files: existing_links(files),
        })
        .filter(|report| !report.files.is_empty());
    RunView {
        href: run.href(),
        run: clean(&summary.run, 120),
        job: clean(&summary.job, 120),
        title: clean(&summary.title, 200),
        window: clean(&run.names[1], 60),
        period: clean(&summary.period, 120),
        date: summary
            .date
            .map(|date| date.to_string())
            .unwrap_or_default(),
        status: summary.status.word(),
        headline: run.headline(),
        started: summary.started.map(minute).unwrap_or_default(),
        finished: summary.finished.map(minute).unwrap_or_default(),
        reused: count(summary.reused),
        executed: count(summary.executed),
        parent: clean(summary.parent.as_deref().unwrap_or(""), 120),
        error: clean(summary.error.as_deref().unwrap_or(""), 1200),
        failure: if run.folder.join(FAILURE_PAGE).is_file() {
            FAILURE_PAGE
        } else {
            ""
        },
        rerun: summary.parent.is_some(),
        superseded: run.superseded,
        pinned: run.pin.is_some(),
        removed: run.tombstone.is_some(),
        files: existing_links(&SHORT_LINKS),
        reports: reports.collect(),
    }
}
