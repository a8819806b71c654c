//! Checks a job file and reports all errors at once, each with its location.

use super::{
    CheckOptions, CheckedJob, FALSE_CLAIMS, Job, RESTATEMENT_CHANGE_MIN, ReportSection,
    checker::{Checker, entries, keys, parse_duration},
    delivery::send_mail,
    document::{Entry, SpannedValue},
    elaborate::elaborate,
    param_values,
    params::{ParamKind, ParamSpec},
    retention::parse_period,
};
use jiff::{civil::date, tz::TimeZone};
use retrocast_domain::suggest;
use retrocast_domain::{
    Diagnostic, Level, WindowSpec,
    window::{Comparison, WINDOW_HELP},
};
use retrocast_run::{Recipients, SliceSpec};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Checks the text of a job file.
pub fn check(text: &str, options: &CheckOptions<'_>) -> CheckedJob {
    let (document, syntax_errors) = SpannedValue::parse(options.file, text);
    let mut checker = Checker {
        file: options.file,
        diagnostics: Vec::new(),
    };
    let window = checker.parse_window(&document);
    let compare = checker.parse_compare(&document, window);
    let timezone = checker.parse_timezone(&document);
    let schedule = checker.parse_schedule(&document, &timezone);
    let retention = checker.parse_retention(&document);
    let send_mail = send_mail(&document);
    let notifications = checker.parse_notifications(&document);
    let params = checker.parse_params(&document);
    checker.check_names(&document);
    let reports = checker.parse_reports(&document);

    let (values, set_errors) = param_values(&params, options.set);
    checker.diagnostics.extend(set_errors);
    let sample = window
        .unwrap_or(WindowSpec::Week)
        .last_complete(date(2026, 1, 5), &timezone);
    let elaborated = elaborate(options, text, &document, &values, &sample);
    checker.diagnostics.extend(elaborated.diagnostics);
    checker.warn_of_unused_params(&document, &elaborated.used);

    let mut diagnostics = sort_diagnostics(text, syntax_errors, checker.diagnostics);
    let failed = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.level == Level::Error);
    let job = (!failed).then(|| Job {
        name: options.name.to_string(),
        file: options.file.to_string(),
        text: text.to_string(),
        title: document
            .get("title")
            .and_then(SpannedValue::text)
            .unwrap_or_default()
            .to_string(),
        owner: document
            .get("owner")
            .and_then(SpannedValue::text)
            .unwrap_or_default()
            .to_string(),
        window: window.unwrap_or(WindowSpec::Week),
        compare,
        timezone,
        schedule,
        retention,
        restatement_change_min: document
            .get_path(&["restatement", "change_min"])
            .and_then(|item| item.json().as_f64())
            .unwrap_or(RESTATEMENT_CHANGE_MIN),
        false_claims: document
            .get("false_claims")
            .and_then(|item| item.json().as_f64())
            .unwrap_or(FALSE_CLAIMS),
        send_mail,
        notifications,
        params,
        sources: keys(&document, "source"),
        stages: keys(&document, "stage"),
        reports,
        document,
    });
    if job.as_ref().is_some_and(|job| job.reports.is_empty()) {
        diagnostics.push(
            Diagnostic::error(options.file, "the job has no report")
                .warning()
                .help("add [report.executive] or [report.technical]"),
        );
    }
    CheckedJob { job, diagnostics }
}

/// Prefixes of messages about missing keys, which a syntax error may have removed from the tree.
const MISSING_MESSAGES: [&str; 3] = ["missing key", "there is no", "parameter"];

/// Merges syntax errors and the diagnostics of the checker, sorted by location. Keys that a syntax
/// error removed are not also reported as missing.
fn sort_diagnostics(
    text: &str,
    syntax_errors: Vec<Diagnostic>,
    checked: Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    // Diagnostics of other files come last, in their own order.
    let (other_files, mut checked): (Vec<_>, Vec<_>) = checked
        .into_iter()
        .partition(|diagnostic| diagnostic.text.is_some());
    let line = |diagnostic: &Diagnostic| diagnostic.line_column(text).map(|(line, _)| line);
    let broken_lines: BTreeSet<Option<usize>> = syntax_errors.iter().map(line).collect();
    if !syntax_errors.is_empty() {
        let is_about_missing = |message: &str| {
            MISSING_MESSAGES
                .iter()
                .any(|start| message.starts_with(start))
        };
        checked.retain(|diagnostic| {
            !is_about_missing(&diagnostic.message) && !broken_lines.contains(&line(diagnostic))
        });
    }
    let mut diagnostics = syntax_errors;
    diagnostics.extend(checked);
    diagnostics.sort_by_key(|diagnostic| {
        let span = diagnostic.span.as_ref().map(|span| (span.start, span.end));
        (span, diagnostic.message.clone())
    });
    diagnostics.dedup();
    diagnostics.extend(other_files);
    diagnostics
}

impl Checker<'_> {
    fn parse_window(&mut self, document: &SpannedValue) -> Option<WindowSpec> {
        let item = document.get("window")?;
        let text = item.text()?;
        text.parse()
            .map_err(|_| {
                let help = suggest::nearest(text, ["week", "month", "quarter", "day"]).map_or_else(
                    || WINDOW_HELP.to_string(),
                    |nearest| format!("did you mean \"{nearest}\"?"),
                );
                self.error(&item.span, format!("\"{text}\" is not a window"), help);
            })
            .ok()
    }

    fn parse_compare(
        &mut self,
        document: &SpannedValue,
        window: Option<WindowSpec>,
    ) -> Vec<Comparison> {
        let unit = match window {
            Some(WindowSpec::Week) => "week",
            Some(WindowSpec::Month) => "month",
            Some(WindowSpec::Quarter) => "quarter",
            Some(WindowSpec::Day) => "day",
            _ => "window",
        };
        let help = format!("use \"previous\", or a number of {unit}s such as \"4 {unit}s\"");
        let mut comparisons = Vec::new();
        for item in document.get("compare").map_or(&[][..], SpannedValue::items) {
            let Some(text) = item.text() else { continue };
            let Ok(comparison) = text.parse::<Comparison>() else {
                self.error(&item.span, format!("\"{text}\" is not a comparison"), &help);
                continue;
            };
            let given_unit = text
                .rsplit(' ')
                .next()
                .unwrap_or_default()
                .trim_end_matches('s');
            let is_allowed =
                comparison == Comparison::Previous || given_unit == "window" || given_unit == unit;
            if unit != "window" && !is_allowed {
                let message = format!("a {unit} is compared with {unit}s, not with {given_unit}s");
                self.error(&item.span, message, &help);
                continue;
            }
            comparisons.push(comparison);
        }
        comparisons
    }

    fn parse_timezone(&mut self, document: &SpannedValue) -> String {
        let Some((item, name)) = document
            .get("timezone")
            .and_then(|item| Some((item, item.text()?)))
        else {
            return "UTC".to_string();
        };
        if TimeZone::get(name).is_ok() {
            return name.to_string();
        }
        let zones: Vec<String> = jiff::tz::db()
            .available()
            .map(|name| name.to_string())
            .collect();
        let help = match suggest::nearest(name, zones.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None => "use an IANA name such as \"Europe/London\" or \"UTC\"".to_string(),
        };
        self.error(&item.span, format!("\"{name}\" is not a time zone"), help);
        "UTC".to_string()
    }

    fn parse_params(&mut self, document: &SpannedValue) -> BTreeMap<String, ParamSpec> {
        let mut params = BTreeMap::new();
        for entry in entries(document, "params") {
            self.check_name(entry, "parameter");
            let item = &entry.item;
            let Some(kind) = item.get("type").map(SpannedValue::json) else {
                continue;
            };
            let Ok(kind) = serde_json::from_value::<ParamKind>(kind) else {
                continue;
            };
            let mut parse = |item: &SpannedValue| {
                let value = kind.normalise(item.json());
                if kind.accepts(&value) {
                    return Some(value);
                }
                let words = kind.words();
                let error = Diagnostic::error(
                    self.file,
                    format!("parameter `{}` must be {words}", entry.key),
                );
                let label = format!("found {}", item.describe());
                self.diagnostics
                    .push(error.at(item.span.clone()).label(label));
                None
            };
            let default = item.get("default").and_then(&mut parse);
            let allowed = item.get("allowed").map_or(&[][..], SpannedValue::items);
            let allowed: Vec<Value> = allowed.iter().filter_map(parse).collect();
            let description = item
                .get("description")
                .and_then(SpannedValue::text)
                .unwrap_or_default();
            let spec = ParamSpec {
                kind,
                default,
                description: description.to_string(),
                allowed,
            };
            if let (Some(default), Some(item)) = (&spec.default, item.get("default"))
                && !spec.allows(default)
            {
                let allowed: Vec<String> = spec.allowed.iter().map(Value::to_string).collect();
                let message = "the default is not one of the allowed values";
                self.error(
                    &item.span,
                    message,
                    format!("allowed: {}", allowed.join(", ")),
                );
            }
            params.insert(entry.key.clone(), spec);
        }
        params
    }

    fn check_names(&mut self, document: &SpannedValue) {
        for entry in entries(document, "source") {
            self.check_name(entry, "source");
        }
        let sources: BTreeSet<String> = keys(document, "source").into_iter().collect();
        for entry in entries(document, "stage") {
            self.check_name(entry, "stage");
            if sources.contains(&entry.key) {
                let message = format!("a source and a stage are both called `{}`", entry.key);
                self.error(
                    &entry.key_span,
                    message,
                    "their datasets share one namespace: rename one",
                );
            }
        }
        for entry in entries(document, "source") {
            self.check_history(entry);
        }
        for table in ["source", "stage"] {
            for entry in entries(document, table) {
                let Some(item) = entry.item.get("timeout") else {
                    continue;
                };
                if item
                    .text()
                    .is_some_and(|text| parse_duration(text).is_none())
                {
                    let message = format!("{} is not a duration", item.describe());
                    self.error(
                        &item.span,
                        message,
                        "use a duration such as \"90 s\" or \"10 minutes\"",
                    );
                }
            }
        }
    }

    /// Checks `history`, which needs a dated uri.
    fn check_history(&mut self, source: &Entry) {
        let Some(item) = source.item.get("history") else {
            return;
        };
        if item.text().is_some_and(|text| parse_period(text).is_none()) {
            let message = format!("{} is not a period of whole days", item.describe());
            self.error(
                &item.span,
                message,
                "use a period such as \"60 weeks\" or \"2 years\"",
            );
        }
        let uri = source
            .item
            .get("uri")
            .and_then(SpannedValue::text)
            .unwrap_or_default();
        if !uri.contains("{year}") && !uri.contains("{date}") {
            let message = "`history` needs dates in the uri".to_string();
            let help =
                "write {date}, or {year}, {month} and {day}, where its folders or files have dates";
            self.error(&item.span, message, help);
        }
    }

    fn parse_reports(&mut self, document: &SpannedValue) -> Vec<ReportSection> {
        let stages = keys(document, "stage");
        let stage_names: BTreeSet<&str> = stages.iter().map(String::as_str).collect();
        let mut reports = Vec::new();
        for entry in entries(document, "report") {
            let list = |key: &str| entry.item.get(key).map(SpannedValue::items);
            for item in list("stages").unwrap_or_default() {
                let Some(name) = item.text() else { continue };
                if !stage_names.contains(name) {
                    let help = suggest::help(name, stages.iter().map(String::as_str), "stages");
                    self.error(&item.span, format!("there is no stage `{name}`"), help);
                }
            }
            for item in list("to").unwrap_or_default() {
                self.check_address(item, "one address per item, such as \"ada@example.org\"");
            }
            let texts = |key: &str| {
                list(key).map(|items| {
                    items
                        .iter()
                        .filter_map(SpannedValue::text)
                        .map(str::to_string)
                        .collect()
                })
            };
            let text = |key: &str| {
                let item = entry.item.get(key);
                item.and_then(SpannedValue::text)
                    .unwrap_or_default()
                    .to_string()
            };
            for key in ["recipients", "shared"] {
                if let Some(dependent) = entry.item.entry(key)
                    && entry.item.get("each").is_none()
                {
                    let message = format!("`{key}` needs `each`");
                    let help =
                        "name the column with one report per value, such as each = \"component\"";
                    self.error(&dependent.key_span, message, help);
                }
            }
            reports.push(ReportSection {
                name: entry.key.clone(),
                title: text("title"),
                to: texts("to").unwrap_or_default(),
                stages: texts("stages"),
                slices: slices(&entry.item),
                language: match text("language").as_str() {
                    "en" => String::new(),
                    other => other.to_string(),
                },
                note: text("note"),
            });
        }
        reports
    }

    fn warn_of_unused_params(&mut self, document: &SpannedValue, used: &BTreeSet<String>) {
        for entry in entries(document, "params") {
            if !used.contains(&entry.key) {
                let message = format!("parameter `{}` is never used", entry.key);
                let warning = Diagnostic::error(self.file, message)
                    .at(entry.key_span.clone())
                    .warning();
                let help = format!("refer to it as ${{params.{}}}, or remove it", entry.key);
                self.diagnostics.push(warning.help(help));
            }
        }
    }
}

/// The slices of a report section.
fn slices(section: &SpannedValue) -> Option<SliceSpec> {
    let text = |item: &SpannedValue, key| Some(item.get(key)?.text()?.to_string());
    let each = text(section, "each")?;
    let recipients = section.get("recipients").and_then(|item| {
        Some(Recipients {
            dataset: text(item, "dataset")?,
            key: text(item, "key").unwrap_or_else(|| each.clone()),
            to: text(item, "to")?,
        })
    });
    let shared = section.get("shared").map(SpannedValue::json) == Some(Value::Bool(true));
    Some(SliceSpec {
        each,
        recipients,
        shared,
    })
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
