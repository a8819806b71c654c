//! The pages of the archive, laid out by templates.

use crate::{
    Error,
    entries::{InvalidEntry, JobEntry, RunEntry},
    feed,
    journal::nodes,
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
struct Link {
    href: String,
    label: &'static str,
}

/// A run, with the field names of the templates.
#[derive(Debug, Serialize)]
struct RunView {
    /// Relative link from the root of the archive, with a final slash.
    href: String,
    run: String,
    job: String,
    title: String,
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

const DEFAULTS: [(&str, &str); 9] = [
    (
        "base.html.j2",
        include_str!("../../../templates/archive/base.html.j2"),
    ),
    (
        "parts.html.j2",
        include_str!("../../../templates/archive/parts.html.j2"),
    ),
    (
        "index.html.j2",
        include_str!("../../../templates/archive/index.html.j2"),
    ),
    (
        "job.html.j2",
        include_str!("../../../templates/archive/job.html.j2"),
    ),
    (
        "run.html.j2",
        include_str!("../../../templates/archive/run.html.j2"),
    ),
    (
        "failure.html.j2",
        include_str!("../../../templates/archive/failure.html.j2"),
    ),
    (
        "feed.xml.j2",
        include_str!("../../../templates/archive/feed.xml.j2"),
    ),
    (
        "style.css",
        include_str!("../../../templates/archive/style.css"),
    ),
    (
        "search.js",
        include_str!("../../../templates/archive/search.js"),
    ),
];

/// Maximum number of runs of a job on the front page.
const RECENT_RUNS: usize = 6;
/// Maximum number of older runs of a job on the front page, for its search; the job's own page has
/// all.
const EARLIER_RUNS: usize = 500;

/// The built-in templates of the archive, by name.
pub fn built_in_templates() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEFAULTS.into_iter()
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
    style: String,
    script: String,
}

impl Pages {
    pub(crate) fn new(templates: Option<&Path>) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?;
        environment.set_syntax(syntax);
        let (mut style, mut script) = (String::new(), String::new());
        for (name, default) in DEFAULTS {
            let custom = templates.map(|folder| folder.join("archive").join(name));
            let text = match custom.filter(|path| path.is_file()) {
                Some(path) => std::fs::read_to_string(&path).map_err(|source| Error::File {
                    what: "read",
                    path,
                    source,
                })?,
                None => default.to_string(),
            };
            match name {
                "style.css" => style = text,
                "search.js" => script = text,
                _ => environment.add_template_owned(name, text)?,
            }
        }
        Ok(Self {
            environment,
            style,
            script,
        })
    }

    /// The front page: the newest runs of each job, and short entries for older ones.
    pub(crate) fn front(
        &self,
        jobs: &[JobEntry],
        invalid: &[InvalidEntry],
    ) -> Result<String, Error> {
        let runs: usize = jobs.iter().map(|job| job.runs.len()).sum();
        let views: Vec<serde_json::Value> = jobs.iter().map(job_view).collect();
        let summary = format!(
            "{} of {}, newest first.",
            plural(runs as u64, "run"),
            plural(jobs.len() as u64, "job")
        );
        let invalid = invalid_views(invalid.iter());
        self.render(
            "index.html.j2",
            &serde_json::json!({ "jobs": views, "summary": summary, "odd": invalid }),
        )
    }

    /// The feed with the newest runs of all jobs.
    pub(crate) fn feed(&self, jobs: &[JobEntry]) -> Result<String, Error> {
        let feed = feed::view(jobs);
        let template = self.environment.get_template("feed.xml.j2")?;
        Ok(template.render(Value::from(Serde(&feed)))?)
    }

    /// All runs of a job, by year.
    pub(crate) fn job(&self, job: &JobEntry, invalid: &[&InvalidEntry]) -> Result<String, Error> {
        let years = job.runs.chunk_by(|a, b| year(a) == year(b)).map(|runs| {
            let views: Vec<RunView> = runs.iter().map(view).collect();
            serde_json::json!({ "name": year(&runs[0]), "runs": views })
        });
        let data = serde_json::json!({
            "job": {
                "title": job.display_title(),
                "summary": format!("{}, newest first.", plural(job.runs.len() as u64, "run")),
                "years": years.collect::<Vec<_>>(),
            },
            "odd": invalid_views(invalid.iter().copied()),
        });
        self.render("job.html.j2", &data)
    }

    /// One run: its reports, stages and facts.
    pub(crate) fn run(&self, run: &RunEntry, job_title: &str) -> Result<String, Error> {
        let mut view = view(run);
        if view.title.is_empty() {
            view.title = clean(job_title, 200);
        }
        let nodes = nodes(&run.folder)?;
        self.render(
            "run.html.j2",
            &serde_json::json!({ "run": view, "nodes": nodes }),
        )
    }

    /// The failure page of a run.
    pub(crate) fn failure(&self, failure: &serde_json::Value) -> Result<String, Error> {
        self.render("failure.html.j2", failure)
    }

    fn render(&self, template: &str, data: &serde_json::Value) -> Result<String, Error> {
        let page = self.environment.get_template(template)?;
        let shared = context! {
            // A hash of all the data, so no record can contain it.
            nonce => canonical::hash(data),
            style => Value::from_safe_string(self.style.clone()),
            script => Value::from_safe_string(self.script.clone()),
        };
        Ok(page.render(context! { ..shared, ..Value::from(Serde(data)) })?)
    }
}

fn job_view(job: &JobEntry) -> serde_json::Value {
    let (recent, earlier) = job.runs.split_at(job.runs.len().min(RECENT_RUNS));
    let listed = &earlier[..earlier.len().min(EARLIER_RUNS)];
    let more = earlier.len() - listed.len();
    serde_json::json!({
        "title": job.display_title(),
        "href": format!("{}/", encode(&job.folder_name)),
        "runs": recent.iter().map(view).collect::<Vec<_>>(),
        "earlier": listed.iter().map(view).collect::<Vec<_>>(),
        "earlier_title": plural(listed.len() as u64, "earlier run"),
        "more": match more {
            0 => String::new(),
            n => format!("{} on the page of this job", plural(n as u64, "further run")),
        },
    })
}

fn invalid_views<'a>(entries: impl Iterator<Item = &'a InvalidEntry>) -> Vec<serde_json::Value> {
    entries.map(|entry| {
        serde_json::json!({ "path": clean(&entry.path, 200), "reason": clean(&entry.reason, 300) })
    })
    .collect()
}

fn year(run: &RunEntry) -> String {
    let date = run.summary.date;
    date.map_or_else(
        || "Without a date".to_string(),
        |date| date.strftime("%Y").to_string(),
    )
}

fn view(run: &RunEntry) -> RunView {
    let summary = &run.summary;
    let existing_links = |files: &[(&str, &'static str)]| -> Vec<Link> {
        let found = files
            .iter()
            .filter(|(name, _)| run.folder.join(name).is_file());
        found
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
        files: existing_links(&SHORT_LINKS),
        reports: reports.collect(),
    }
}
