//! A checked job file: its values need no further validation.
//!
//! [`check`] parses the text into a tree with spans ([`document`]), resolves references
//! ([`references`]) to [`params`], checks it against its JSON [`schema`] ([`validate`]), and then
//! checks what a schema cannot express ([`elaborate`], [`schedule`], [`mod@check`]). All errors are
//! reported at once.

pub mod document;

pub mod params;

pub mod references;

pub mod retention;

pub mod delivery;

pub mod schema;

pub mod validate;

pub mod elaborate;

pub mod schedule;

pub mod size;

pub(crate) mod checker;

pub mod check;

pub mod render;

use crate::kinds::Kinds;
use delivery::{Notification, SendPolicy};
use document::SpannedValue;
use jiff::civil::Date;
use params::{Param, ParamSpec, Params};
use retention::Retention;
use retrocast_domain::suggest;
use retrocast_domain::{
    Diagnostic, Window, WindowSpec,
    window::{Comparison, ONE_WINDOW_HELP},
};
use retrocast_run::SliceSpec;
use std::collections::BTreeMap;

use retrocast_run::Plan;

pub use check::check;
pub use render::render;
pub use schedule::{Missed, OnlyIf, Schedule};
pub use schema::{common_stage_schema, job_schema};

/// Options for checking a job file.
pub struct CheckOptions<'a> {
    /// Name of the job: the file's name without `.toml`.
    pub name: &'a str,
    /// The file as the user named it, for messages.
    pub file: &'a str,
    /// Known stage kinds and contracts.
    pub kinds: &'a dyn Kinds,
    /// Values of params given on the command line.
    pub set: &'a [(String, String)],
    /// Looks up variables of the environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// Result of checking a job file.
#[derive(Debug)]
pub struct CheckedJob {
    /// The job, if there is no error.
    pub job: Option<Job>,
    /// All diagnostics, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// A report section of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSection {
    /// "executive" or "technical".
    pub name: String,
    /// Title; empty for the job's title.
    pub title: String,
    /// Mail addresses.
    pub to: Vec<String>,
    /// Stages in the report; `None` for all.
    pub stages: Option<Vec<String>>,
    /// The slices to write in addition to the report.
    pub slices: Option<SliceSpec>,
    /// Language of headings and labels; empty for English.
    pub language: String,
    /// Text of the author; empty for none.
    pub note: String,
}

impl ReportSection {
    /// Returns true if the report or its slices have recipients.
    pub fn has_recipients(&self) -> bool {
        let slices = self.slices.as_ref();
        !self.to.is_empty() || slices.is_some_and(|slices| slices.recipients.is_some())
    }
}

/// Default minimum relative change for a restated figure to be listed.
const RESTATEMENT_CHANGE_MIN: f64 = 0.005;

/// Default probability that a report with nothing to find contains a false claim.
const FALSE_CLAIMS: f64 = 0.05;

/// Supported years; they keep windows away from the limits of the calendar.
const YEARS: std::ops::RangeInclusive<i16> = 1..=9998;

/// A valid job file.
#[derive(Debug, Clone)]
pub struct Job {
    /// File name without `.toml`.
    pub name: String,
    /// The file as the user named it.
    pub file: String,
    /// The text of the file.
    pub text: String,
    /// Title of the reports.
    pub title: String,
    /// Owner of the reports; empty for none.
    pub owner: String,
    /// The window to report on.
    pub window: WindowSpec,
    /// Periods that the window is compared with.
    pub compare: Vec<Comparison>,
    /// IANA name of the time zone.
    pub timezone: String,
    /// Times at which the job is due; `None` if it runs only by hand.
    pub schedule: Option<Schedule>,
    /// The reports that may be removed on a full disk; `None` for none.
    pub retention: Option<Retention>,
    /// Minimum relative change for a restated figure to be listed.
    pub restatement_change_min: f64,
    /// Probability that a report with nothing to find contains a false claim, shared among the
    /// stages that make claims.
    pub false_claims: f64,
    /// The runs whose reports are sent as mail.
    pub send_mail: SendPolicy,
    /// Receivers of notifications, in the order of the file.
    pub notifications: Vec<Notification>,
    /// The declared params.
    pub params: BTreeMap<String, ParamSpec>,
    /// Names of sources, in the order of the file.
    pub sources: Vec<String>,
    /// Names of stages, in the order of the file.
    pub stages: Vec<String>,
    /// Reports, in the order of the file.
    pub reports: Vec<ReportSection>,
    /// The parsed file, with references.
    pub(crate) document: SpannedValue,
}

impl Job {
    /// The job of a recorded plan, for recomputing single nodes. It has the names and titles of the
    /// plan, and no sections.
    pub fn of_plan(plan: &Plan) -> Self {
        Self {
            name: plan.job.clone(),
            file: String::new(),
            text: String::new(),
            title: plan.title.clone(),
            owner: plan.owner.clone(),
            window: plan.window.spec,
            compare: plan.compare.clone(),
            timezone: plan.window.timezone.clone(),
            schedule: None,
            retention: None,
            restatement_change_min: RESTATEMENT_CHANGE_MIN,
            false_claims: FALSE_CLAIMS,
            send_mail: SendPolicy::Never,
            notifications: Vec::new(),
            params: BTreeMap::new(),
            sources: Vec::new(),
            stages: Vec::new(),
            reports: Vec::new(),
            document: SpannedValue {
                span: 0..0,
                node: document::Node::Table(Vec::new()),
            },
        }
    }

    /// The window of a run: the explicit window, else the last complete window before the date. A
    /// window that begins after the date is an error: its report would be empty, and the newest.
    #[expect(clippy::result_large_err, reason = "called once per run")]
    pub fn window_for(&self, date: Date, explicit: Option<&str>) -> Result<Window, Diagnostic> {
        let error = |message: String| Diagnostic::error("--window", message).help(ONE_WINDOW_HELP);
        let Some(text) = explicit else {
            if !YEARS.contains(&date.year()) {
                return Err(Diagnostic::error(
                    "--date",
                    format!("{date} is out of range"),
                ));
            }
            return Ok(self.window.last_complete(date, &self.timezone));
        };
        let year = text
            .trim()
            .split('-')
            .next()
            .and_then(|year| year.parse::<i16>().ok());
        if !year.is_some_and(|year| YEARS.contains(&year)) {
            return Err(error(format!("{text:?} is not a window")));
        }
        let window = Window::parse(text, &self.timezone);
        let window = window.map_err(|problem| error(problem.to_string()))?;
        if window.start > date {
            let message = format!(
                "{} has not begun: it starts on {}, and the run is dated {date}",
                window.label(),
                window.start
            );
            return Err(Diagnostic::error("--window", message).help(
                "run it once it has begun; without --window, a run is on the last complete one",
            ));
        }
        Ok(window)
    }

    /// Byte range of a source's `uri` in the file.
    pub fn uri_span(&self, source: &str) -> Option<document::Span> {
        let mut sources = checker::entries(&self.document, "source").iter();
        let entry = sources.find(|entry| entry.key == source)?;
        Some(entry.item.get("uri")?.span.clone())
    }

    /// Values of the params for one run: the given values, else the defaults.
    pub fn params_for(&self, set: &[(String, String)]) -> Result<Params, Vec<Diagnostic>> {
        let (params, mut diagnostics) = param_values(&self.params, set);
        for (name, param) in &params {
            if param.value.is_none() && !set.iter().any(|(key, _)| key == name) {
                let spec = &self.params[name];
                let hint = if spec.description.is_empty() {
                    spec.kind.words()
                } else {
                    &spec.description
                };
                diagnostics.push(
                    Diagnostic::error(&self.file, format!("parameter `{name}` has no value"))
                        .help(format!("set it: --set {name}=... ({hint})")),
                );
            }
        }
        if diagnostics.is_empty() {
            Ok(params)
        } else {
            Err(diagnostics)
        }
    }
}

/// Values of params, with the errors in the given values.
pub(crate) fn param_values(
    specs: &BTreeMap<String, ParamSpec>,
    set: &[(String, String)],
) -> (Params, Vec<Diagnostic>) {
    let mut params: Params = specs
        .iter()
        .map(|(name, spec)| {
            (
                name.clone(),
                Param {
                    kind: spec.kind,
                    value: spec.default.clone(),
                },
            )
        })
        .collect();
    let mut diagnostics = Vec::new();
    for (name, text) in set {
        let Some(spec) = specs.get(name) else {
            let names = specs.keys().map(String::as_str);
            diagnostics.push(
                Diagnostic::error("--set", format!("the job has no parameter `{name}`"))
                    .help(suggest::help(name, names, "parameters")),
            );
            continue;
        };
        match spec.parse(text) {
            Ok(value) => {
                params.insert(
                    name.clone(),
                    Param {
                        kind: spec.kind,
                        value: Some(value),
                    },
                );
            }
            Err(problem) => {
                let message = format!("parameter `{name}`: {problem}");
                diagnostics.push(Diagnostic::error("--set", message));
                params.insert(
                    name.clone(),
                    Param {
                        kind: spec.kind,
                        value: None,
                    },
                );
            }
        }
    }
    (params, diagnostics)
}

#[cfg(test)]
mod tests {
    use crate::test_support;

    #[test]
    fn a_window_that_has_not_begun_has_no_report() {
        let job = test_support::job(test_support::JOB);
        let error = |date: &str| {
            let window = job.window_for(date.parse().unwrap(), Some("2026-W53"));
            window.err().map(|error| error.message)
        };
        assert_eq!(error("2026-12-28"), None);
        let expected =
            "2026-W53 has not begun: it starts on 2026-12-28, and the run is dated 2026-12-27";
        assert_eq!(error("2026-12-27").as_deref(), Some(expected));
    }
}
