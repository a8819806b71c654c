//! The pages of the archive: entries in words, laid out by templates.

use crate::{Error, RunStatus, RunSummary};
use minijinja::{
    AutoEscape, Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig, value::Serde,
};
use retrocast_domain::{
    canonical,
    number::{NBSP, count, fixed, plural},
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

/// A run in its folder.
#[derive(Debug)]
pub(crate) struct RunEntry {
    /// Names of the job's, the window's and the run's folder.
    pub names: [String; 3],
    pub folder: PathBuf,
    pub summary: RunSummary,
    /// Whether a later run speaks of the same window.
    pub superseded: bool,
}

/// A job with its runs, newest first.
#[derive(Debug)]
pub(crate) struct JobEntry {
    pub folder_name: String,
    pub title: String,
    pub runs: Vec<RunEntry>,
}

/// Something that stands where a run should and is none.
#[derive(Debug)]
pub(crate) struct OddEntry {
    pub job: String,
    pub path: String,
    pub reason: String,
}

impl JobEntry {
    /// Sorts the runs and finds those that a later run of the same window replaces.
    pub(crate) fn new(folder_name: String, mut runs: Vec<RunEntry>) -> Self {
        let key = |run: &RunEntry| {
            let summary = &run.summary;
            (
                summary.date.clone(),
                summary.started.clone(),
                run.names.clone(),
            )
        };
        runs.sort_by_key(|run| std::cmp::Reverse(key(run)));
        let mut seen: Vec<String> = Vec::new();
        for run in &mut runs {
            run.superseded = seen.contains(&run.names[1]);
            // A run that left no report takes no other's place.
            let left_report =
                matches!(run.summary.status, RunStatus::Complete | RunStatus::Partial);
            if left_report && !run.superseded {
                seen.push(run.names[1].clone());
            }
        }
        let named = runs
            .iter()
            .map(|run| run.summary.title.trim())
            .find(|title| !title.is_empty());
        let title = named.unwrap_or(&folder_name).to_string();
        Self {
            folder_name,
            title,
            runs,
        }
    }

    /// Date and start of the newest run.
    pub(crate) fn newest(&self) -> (&str, &str) {
        self.runs.first().map_or(("", ""), |run| {
            (run.summary.date.as_str(), run.summary.started.as_str())
        })
    }
}

/// A link to a file that is there.
#[derive(Debug, Serialize)]
struct Link {
    href: String,
    label: &'static str,
}

/// A run as templates read it.
#[derive(Debug, Serialize)]
struct RunView {
    /// From the root of the archive, with a slash at its end.
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
    rerun: bool,
    superseded: bool,
    files: Vec<Link>,
    doors: Vec<Door>,
}

/// Files of one report.
#[derive(Debug, Serialize)]
struct Door {
    title: &'static str,
    files: Vec<Link>,
}

/// A node of a run's plan as the journal tells it.
#[derive(Debug, Serialize)]
struct NodeView {
    name: String,
    outcome: String,
    rows: String,
    time: String,
    /// Of the longest node, in per cent.
    share: String,
}

const DOORS: [(&str, &[(&str, &str)]); 3] = [
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
        ],
    ),
];

const SHORT_LINKS: [(&str, &str); 4] = [
    ("executive.pdf", "Executive PDF"),
    ("executive.html", "Executive page"),
    ("technical.pdf", "Technical PDF"),
    ("technical.html", "Technical page"),
];

const DEFAULTS: [(&str, &str); 6] = [
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
        "style.css",
        include_str!("../../../templates/archive/style.css"),
    ),
];

/// Templates, ready to use.
pub(crate) struct Pages {
    environment: Environment<'static>,
    style: String,
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
        let mut style = String::new();
        for (name, default) in DEFAULTS {
            let own = templates.map(|folder| folder.join("archive").join(name));
            let text = match own.filter(|path| path.is_file()) {
                Some(path) => std::fs::read_to_string(&path).map_err(|source| Error::File {
                    what: "read",
                    path,
                    source,
                })?,
                None => default.to_string(),
            };
            if name == "style.css" {
                style = text;
            } else {
                environment.add_template_owned(name, text)?;
            }
        }
        Ok(Self { environment, style })
    }

    /// The front page: each job with its most recent runs.
    pub(crate) fn front(
        &self,
        jobs: &[JobEntry],
        odd: &[OddEntry],
        recent: usize,
    ) -> Result<String, Error> {
        let runs: usize = jobs.iter().map(|job| job.runs.len()).sum();
        let views: Vec<serde_json::Value> = jobs
            .iter()
            .map(|job| {
                let more = job.runs.len().saturating_sub(recent) as u64;
                serde_json::json!({
                    "title": clean(&job.title, 200),
                    "href": format!("{}/", encode(&job.folder_name)),
                    "runs": job.runs.iter().take(recent).map(view).collect::<Vec<_>>(),
                    "more": match more {
                        0 => String::new(),
                        1 => "1 earlier run".to_string(),
                        n => format!("{} earlier runs", count(n)),
                    },
                })
            })
            .collect();
        let summary = format!(
            "{} of {}, newest first.",
            plural(runs as u64, "run"),
            plural(jobs.len() as u64, "job")
        );
        let odd = odd_views(odd.iter());
        self.render(
            "index.html.j2",
            &serde_json::json!({ "jobs": views, "summary": summary, "odd": odd }),
        )
    }

    /// All runs of a job, by year.
    pub(crate) fn job(&self, job: &JobEntry, odd: &[&OddEntry]) -> Result<String, Error> {
        let years = job.runs.chunk_by(|a, b| year(a) == year(b)).map(|runs| {
            let views: Vec<RunView> = runs.iter().map(view).collect();
            serde_json::json!({ "name": year(&runs[0]), "runs": views })
        });
        let data = serde_json::json!({
            "job": {
                "title": clean(&job.title, 200),
                "summary": format!("{}, newest first.", plural(job.runs.len() as u64, "run")),
                "years": years.collect::<Vec<_>>(),
            },
            "odd": odd_views(odd.iter().copied()),
        });
        self.render("job.html.j2", &data)
    }

    /// One run: its reports, its stages, its facts.
    pub(crate) fn run(&self, run: &RunEntry, job_title: &str) -> Result<String, Error> {
        let mut view = view(run);
        if view.title.is_empty() {
            view.title = clean(job_title, 200);
        }
        let nodes = nodes(&run.folder.join("journal.jsonl"))?;
        self.render(
            "run.html.j2",
            &serde_json::json!({ "run": view, "nodes": nodes }),
        )
    }

    fn render(&self, template: &str, data: &serde_json::Value) -> Result<String, Error> {
        let page = self.environment.get_template(template)?;
        let shared = context! {
            // Known only to who has all of the data, so no record can carry it.
            nonce => canonical::hash(data),
            style => Value::from_safe_string(self.style.clone()),
        };
        Ok(page.render(context! { ..shared, ..Value::from(Serde(data)) })?)
    }
}

fn odd_views<'a>(odd: impl Iterator<Item = &'a OddEntry>) -> Vec<serde_json::Value> {
    odd.map(|odd| {
        serde_json::json!({ "path": clean(&odd.path, 200), "reason": clean(&odd.reason, 300) })
    })
    .collect()
}

fn year(run: &RunEntry) -> String {
    let date = clean(&run.summary.date, 4);
    if date.is_empty() {
        "Without a date".to_string()
    } else {
        date
    }
}

fn view(run: &RunEntry) -> RunView {
    let summary = &run.summary;
    let there = |files: &[(&str, &'static str)]| -> Vec<Link> {
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
    let doors = DOORS
        .iter()
        .map(|(title, files)| Door {
            title,
            files: there(files),
        })
        .filter(|door| !door.files.is_empty());
    RunView {
        href: run
            .names
            .iter()
            .map(|name| format!("{}/", encode(name)))
            .collect(),
        run: clean(&summary.run, 120),
        job: clean(&summary.job, 120),
        title: clean(&summary.title, 200),
        window: clean(&run.names[1], 60),
        period: clean(&summary.period, 120),
        date: clean(&summary.date, 30),
        status: summary.status.word(),
        headline: match summary.headline.trim() {
            "" => clean(summary.error.as_deref().unwrap_or(""), 320),
            headline => clean(headline, 320),
        },
        started: minute(&summary.started),
        finished: summary.finished.as_deref().map(minute).unwrap_or_default(),
        reused: count(summary.reused),
        executed: count(summary.executed),
        parent: clean(summary.parent.as_deref().unwrap_or(""), 120),
        error: clean(summary.error.as_deref().unwrap_or(""), 1200),
        rerun: summary.parent.is_some(),
        superseded: run.superseded,
        files: there(&SHORT_LINKS),
        doors: doors.collect(),
    }
}

/// "2026-11-16T09:00:03Z" -> "2026-11-16 09:00".
fn minute(time: &str) -> String {
    clean(time, 16)
        .replace('T', " ")
        .trim_end_matches('…')
        .to_string()
}

/// A text without characters that are not drawn or that reorder others, and not endless.
fn clean(text: &str, limit: usize) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut shown = text
        .chars()
        .map(|c| if c == '\n' || c == '\t' { ' ' } else { c })
        .filter(|c| !hidden(*c));
    let mut out: String = shown.by_ref().take(limit).collect();
    if shown.next().is_some() {
        out.push('…');
    }
    out.trim().to_string()
}

/// A name as a part of a relative link.
fn encode(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What became of each node, in the order in which the journal first names them.
fn nodes(journal: &Path) -> Result<Vec<NodeView>, Error> {
    #[derive(Debug, Default)]
    struct Node {
        name: String,
        outcome: String,
        rows: Option<u64>,
        duration_ms: Option<f64>,
    }
    let error = |source| Error::File {
        what: "read",
        path: journal.to_path_buf(),
        source,
    };
    let file = match std::fs::File::open(journal) {
        Ok(file) => file,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(error(source)),
    };
    let mut found: Vec<Node> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(error)?;
        // A killed run leaves half a line behind; what can be read is still worth showing.
        let Ok(event) = serde_json::from_slice::<serde_json::Value>(&line) else {
            continue;
        };
        let text = |name: &str| event.get(name).and_then(serde_json::Value::as_str);
        let (Some(name), Some(kind)) = (text("node"), text("event")) else {
            continue;
        };
        let Some(kind) = kind.strip_prefix("node_") else {
            continue;
        };
        let at = *places.entry(name.to_string()).or_insert_with(|| {
            found.push(Node {
                name: name.to_string(),
                ..Node::default()
            });
            found.len() - 1
        });
        let node = &mut found[at];
        node.outcome = match kind {
            "started" => "not finished".to_string(),
            "finished" => "run".to_string(),
            other => clean(&other.replace('_', " "), 40),
        };
        node.rows = event
            .get("rows")
            .and_then(serde_json::Value::as_u64)
            .or(node.rows);
        let duration = event.get("duration_ms").and_then(serde_json::Value::as_f64);
        node.duration_ms = duration
            .filter(|d| d.is_finite() && *d >= 0.0)
            .or(node.duration_ms);
    }
    let longest = found
        .iter()
        .filter_map(|node| node.duration_ms)
        .fold(0.0, f64::max);
    Ok(found
        .into_iter()
        .map(|node| NodeView {
            name: clean(&node.name, 120),
            outcome: node.outcome,
            rows: node.rows.map(count).unwrap_or_default(),
            time: node.duration_ms.map(duration).unwrap_or_default(),
            share: match node.duration_ms {
                Some(ms) if longest > 0.0 => format!("{:.1}", ms / longest * 100.0),
                _ => "0".to_string(),
            },
        })
        .collect())
}

/// "12 ms", "1.2 s", "1 min 1 s".
fn duration(ms: f64) -> String {
    if ms < 1000.0 {
        return format!("{}{NBSP}ms", fixed(ms, 0));
    }
    if ms < 60_000.0 {
        return format!("{}{NBSP}s", fixed(ms / 1000.0, 1));
    }
    let seconds = (ms / 1000.0).round() as u64;
    format!("{} min {} s", count(seconds / 60), seconds % 60).replace(' ', "\u{a0}")
}
