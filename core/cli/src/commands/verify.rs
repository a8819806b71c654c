//! `retrocast verify`: checks that a report is the one in the archive, that its data still exists,
//! and that it can be rendered again.

use super::{archive, print, print_json, run::BUILD};
use crate::{Exit, diagnose, executor, terminal, workspace::Workspace};
use anyhow::Context as _;
use retrocast_deliver::{check_checksums, retention::tombstone_of};
use retrocast_domain::{
    Report,
    cell::DatasetRef,
    number::{count, plural},
};
use retrocast_render::{Layout, Templates, attachment::attachment, html};
use retrocast_run::{
    Plan, RecordedPlan,
    files::{PLAN, REPORT, read_json},
    folder::{report_file, report_files, run_folders_of},
    slices::{SLICES, file_name},
};
use retrocast_store::{Lake, StoreError, check_name};
use serde::Serialize;
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Maximum number of names in a reason.
const NAMES_MAX: usize = 5;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CheckStatus {
    /// The check passed.
    #[serde(rename = "yes")]
    Passed,
    /// The check failed.
    #[serde(rename = "no")]
    Failed,
    /// The check is not possible here.
    NotPossible,
}

impl CheckStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "yes",
            Self::Failed => "no",
            Self::NotPossible => "not possible",
        }
    }
}

/// A check with its result.
#[derive(Debug, Serialize)]
struct Check {
    /// Name: "contents", "run", "copy", "data", "checksums", "datasets" or "render".
    check: &'static str,
    /// The checked file, for checks of one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(rename = "answer")]
    status: CheckStatus,
    /// The evidence, or the problem.
    reason: String,
}

/// The checks of a file or a run.
#[derive(Debug, Serialize)]
struct Verification {
    target: String,
    /// Folder of the run, if it is known.
    run: Option<PathBuf>,
    /// True if all checks passed.
    verified: bool,
    checks: Vec<Check>,
}

/// Verifies a PDF, or all reports of a run.
pub fn verify(workspace: &Workspace, target: &str, as_json: bool) -> anyhow::Result<Exit> {
    let mut verifier = Verifier {
        workspace,
        templates: executor::templates(workspace.templates.as_deref())?,
        checks: Vec::new(),
    };
    let run = if Path::new(target).is_file() {
        verifier.verify_file(Path::new(target))?
    } else {
        let folder = archive::find_with_files(workspace, target)?;
        verifier.verify_run(&folder)?;
        Some(folder)
    };
    let checks = verifier.checks;
    let verification = Verification {
        target: target.to_string(),
        run,
        verified: checks
            .iter()
            .all(|check| check.status == CheckStatus::Passed),
        checks,
    };
    if as_json {
        print_json(&verification)?;
    } else {
        print(&text(&verification))?;
    }
    Ok(if verification.verified {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn text(verification: &Verification) -> String {
    let mut text = format!("{}\n", verification.target);
    for check in &verification.checks {
        let file = check.file.as_ref();
        let file = file.map_or_else(String::new, |file| format!(" {file}:"));
        let line = format!(
            "  {:<13} {:<10}{file} {}",
            check.status.word(),
            check.check,
            check.reason
        );
        let _ = writeln!(text, "{}", terminal::wrap(&line, 27));
    }
    let failed = verification.checks.iter();
    let failed = failed
        .filter(|check| check.status != CheckStatus::Passed)
        .count() as u64;
    let _ = match failed {
        0 => writeln!(text, "verified"),
        1 => writeln!(text, "not verified: 1 check did not pass"),
        n => writeln!(text, "not verified: {} did not pass", plural(n, "check")),
    };
    text
}

/// A report with the bytes that it was read from.
struct Contents {
    report: Report,
    json: Vec<u8>,
}

struct Verifier<'a> {
    workspace: &'a Workspace,
    templates: Templates,
    checks: Vec<Check>,
}

impl Verifier<'_> {
    fn add(&mut self, check: &'static str, file: Option<&str>, result: (CheckStatus, String)) {
        let (status, reason) = result;
        self.checks.push(Check {
            check,
            file: file.map(str::to_string),
            status,
            reason,
        });
    }

    /// Checks a PDF from anywhere; returns the folder of its run.
    fn verify_file(&mut self, path: &Path) -> anyhow::Result<Option<PathBuf>> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let Some(contents) = self.read_contents(&bytes, None) else {
            let result = |check| {
                (
                    check,
                    (CheckStatus::NotPossible, "the data is missing".to_string()),
                )
            };
            for (check, result) in ["run", "data", "datasets", "render"].map(result) {
                self.add(check, None, result);
            }
            return Ok(None);
        };
        let report = &contents.report;
        let folder_of_run = find_run(self.workspace, &contents);
        let Some(folder) = folder_of_run else {
            let reason = format!(
                "the file is not from this archive: {} has no run {} of {} on {}",
                self.workspace.reports.display(),
                report.provenance.run,
                report.job,
                report.window
            );
            self.add("run", None, (CheckStatus::Failed, reason));
            self.verify_datasets(&report.job, &report.provenance.datasets);
            let result = self.render_pdf(None, &Layout::ALL, &contents.report, &bytes);
            self.add("render", None, result);
            return Ok(None);
        };
        let folder_of_run = folder.display().to_string();
        self.add("run", None, (CheckStatus::Passed, folder_of_run));
        let layout = nearest_layout(&folder, report, &bytes);
        let [stored, _] = stored_files(&folder, layout, report);
        let result = compare_with_file(&bytes, &stored);
        self.add("copy", None, result);
        self.compare(&folder, layout, &contents, None);
        self.verify_checksums(&folder)?;
        self.verify_datasets(&report.job, &cited_datasets(&folder, layout, report));
        let result = self.render_pdf(Some(&folder), &[layout], &contents.report, &bytes);
        self.add("render", None, result);
        Ok(Some(folder))
    }

    /// Checks all reports of a run.
    fn verify_run(&mut self, folder: &Path) -> anyhow::Result<()> {
        let RecordedPlan { plan, .. } = RecordedPlan::read(folder)?;
        self.verify_checksums(folder)?;
        let mut cited: Vec<DatasetRef> = Vec::new();
        let reports = plan.nodes.iter().filter(|node| node.is_report());
        for layout in reports.filter_map(|node| Layout::from_name(node.short())) {
            let [pdf, html] =
                ["pdf", "html"].map(|extension| format!("{}.{extension}", layout.name()));
            let bytes = match fs::read(folder.join(&pdf)) {
                Ok(bytes) => bytes,
                Err(error) => {
                    let reason = format!("cannot be read: {error}");
                    self.add("contents", Some(&pdf), (CheckStatus::NotPossible, reason));
                    continue;
                }
            };
            let Some(contents) = self.read_contents(&bytes, Some(&pdf)) else {
                continue;
            };
            let report = &contents.report;
            self.compare(folder, layout, &contents, Some(&pdf));
            let result = self.render_pdf(Some(folder), &[layout], report, &bytes);
            self.add("render", Some(&pdf), result);
            let result = self.render_html(folder, layout, report);
            self.add("render", Some(&html), result);
            for dataset in &report.provenance.datasets {
                if !cited.contains(dataset) {
                    cited.push(dataset.clone());
                }
            }
        }
        self.verify_datasets(&plan.job, &cited);
        Ok(())
    }

    /// Reads the report that is attached to a PDF.
    fn read_contents(&mut self, pdf: &[u8], file: Option<&str>) -> Option<Contents> {
        let contents = attachment(pdf, REPORT)
            .map_err(|error| error.to_string())
            .and_then(|json| match serde_json::from_slice::<Report>(&json) {
                Ok(report) => Ok(Contents { report, json }),
                Err(error) => Err(format!("the attached {REPORT} is not a report: {error}")),
            });
        match contents {
            Ok(contents) => {
                let report = &contents.report;
                let reason = format!("{} on {}, attached as {REPORT}", report.job, report.window);
                self.add("contents", file, (CheckStatus::Passed, reason));
                Some(contents)
            }
            Err(reason) => {
                self.add("contents", file, (CheckStatus::Failed, reason));
                None
            }
        }
    }

    /// Compares the attached data with that of the archive.
    fn compare(&mut self, folder: &Path, layout: Layout, contents: &Contents, file: Option<&str>) {
        let [_, stored] = stored_files(folder, layout, &contents.report);
        let result = compare_with_file(&contents.json, &stored);
        self.add("data", file, result);
    }

    fn verify_checksums(&mut self, folder: &Path) -> anyhow::Result<()> {
        let result = match check_checksums(folder)? {
            None => {
                let reason = match tombstone_of(folder) {
                    Some(tombstone) => format!(
                        "the files of the run were removed on {}: {}",
                        tombstone.date, tombstone.why
                    ),
                    None => "the run has no checksums.b3: it has not finished".to_string(),
                };
                (CheckStatus::NotPossible, reason)
            }
            Some(result) if result.changed.is_empty() && result.missing.is_empty() => {
                let files = plural(result.files as u64, "file");
                (
                    CheckStatus::Passed,
                    format!("{files} of the run are unchanged"),
                )
            }
            Some(result) => {
                let mut parts = Vec::new();
                if !result.changed.is_empty() {
                    parts.push(format!("changed since the run: {}", names(&result.changed)));
                }
                if !result.missing.is_empty() {
                    parts.push(format!("missing: {}", names(&result.missing)));
                }
                (CheckStatus::Failed, parts.join("; "))
            }
        };
        self.add("checksums", None, result);
        Ok(())
    }

    /// Checks that every dataset version that a report cites is in the lake.
    fn verify_datasets(&mut self, job: &str, cited: &[DatasetRef]) {
        let result = self
            .cited_versions(job, cited)
            .unwrap_or_else(|error| (CheckStatus::NotPossible, diagnose::in_one_line(&error)));
        self.add("datasets", None, result);
    }

    fn cited_versions(
        &self,
        job: &str,
        cited: &[DatasetRef],
    ) -> anyhow::Result<(CheckStatus, String)> {
        if cited.is_empty() {
            let reason = "there is no report that cites datasets".to_string();
            return Ok((CheckStatus::NotPossible, reason));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start threads")?;
        let root = &self.workspace.lake_locations.root;
        let lake = Lake::new(root, job)?;
        if runtime.block_on(lake.names())?.is_empty() {
            let reason = format!("{root} has no datasets of {job}");
            return Ok((CheckStatus::NotPossible, reason));
        }
        let mut problems = Vec::new();
        for dataset in cited {
            let name = format!("{}@{}", dataset.name, dataset.version);
            match runtime.block_on(lake.find(&dataset.name, Some(dataset.version))) {
                Ok(found) if found.rows == dataset.rows => {}
                Ok(found) => {
                    let (has, cites) = (count(found.rows), count(dataset.rows));
                    problems.push(format!(
                        "{name} has {has} rows, but the report cites {cites}"
                    ));
                }
                Err(StoreError::NoVersion { .. }) => {
                    problems.push(format!("{name} was removed from the lake"));
                }
                Err(StoreError::NoDataset { .. } | StoreError::Name { .. }) => {
                    problems.push(format!("{name} does not exist"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if problems.is_empty() {
            let versions = plural(cited.len() as u64, "version");
            return Ok((
                CheckStatus::Passed,
                format!("{versions} cited, all in the lake"),
            ));
        }
        Ok((CheckStatus::Failed, names(&problems)))
    }

    /// Renders a report again as PDF and compares the bytes with those of a file.
    fn render_pdf(
        &self,
        folder: Option<&Path>,
        layouts: &[Layout],
        report: &Report,
        pdf: &[u8],
    ) -> (CheckStatus, String) {
        let rendered = |layout: &Layout| retrocast_render::pdf(report, *layout, &self.templates);
        self.compare_rendered(folder, report, pdf, layouts.iter().map(rendered))
    }

    /// Renders a report again as HTML and compares the bytes with those of the run.
    fn render_html(&self, folder: &Path, layout: Layout, report: &Report) -> (CheckStatus, String) {
        let path = folder.join(format!("{}.html", layout.name()));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let reason = format!("cannot read {}: {error}", path.display());
                return (CheckStatus::NotPossible, reason);
            }
        };
        let rendered = html::report_with(report, layout, &self.templates).map(String::into_bytes);
        self.compare_rendered(Some(folder), report, &bytes, std::iter::once(rendered))
    }

    /// Compares a file with the results of rendering its report again; one of them must have the
    /// same bytes.
    fn compare_rendered(
        &self,
        folder: Option<&Path>,
        report: &Report,
        bytes: &[u8],
        results: impl Iterator<Item = Result<Vec<u8>, retrocast_render::Error>>,
    ) -> (CheckStatus, String) {
        let mut difference = String::new();
        for result in results {
            match result {
                Ok(rendered) if rendered == bytes => {
                    let size = count(bytes.len() as u64);
                    return (
                        CheckStatus::Passed,
                        format!("rendered again, the same {size} bytes"),
                    );
                }
                Ok(rendered) => {
                    difference =
                        format!("rendered again, {}", describe_difference(bytes, &rendered));
                }
                Err(error) => difference = format!("the report cannot be rendered: {error}"),
            }
        }
        let current_build = executor::build(BUILD);
        let build = &report.provenance.build;
        if *build != current_build {
            let reason = format!(
                "the report was created by {build}; this is {current_build}, which renders other bytes"
            );
            return (CheckStatus::NotPossible, reason);
        }
        if folder.is_some_and(|folder| self.have_templates_changed(folder)) {
            let reason = "the templates have changed since the run; --templates names others";
            return (CheckStatus::NotPossible, reason.to_string());
        }
        (CheckStatus::Failed, difference)
    }

    /// Returns true if the run used other templates.
    fn have_templates_changed(&self, folder: &Path) -> bool {
        let plan = read_json::<Plan>(folder.join(PLAN)).ok();
        let nodes = plan.as_ref().map_or(&[][..], |plan| &plan.nodes);
        let report = nodes.iter().find(|node| node.is_report());
        report.is_some_and(|node| node.code_version != executor::templates_version(&self.templates))
    }
}

/// Finds the run that wrote a report: one with the same data, else the one that the report names.
fn find_run(workspace: &Workspace, contents: &Contents) -> Option<PathBuf> {
    let report = &contents.report;
    // The name comes from the PDF, which is not trusted.
    check_name(&report.job).ok()?;
    let folders = run_folders_of(&workspace.reports, &report.job);
    let folders_of_window: Vec<PathBuf> = folders
        .into_iter()
        .filter(|folder| {
            let window = folder.parent().and_then(Path::file_name);
            window.is_some_and(|window| window.to_str() == Some(&report.window))
        })
        .collect();
    let has_data = |folder: &&PathBuf| {
        let mut files = report_files(folder).into_iter();
        files.any(|file| fs::read(file).is_ok_and(|json| json == contents.json))
    };
    let is_named = |folder: &&PathBuf| {
        let recorded = RecordedPlan::read(folder);
        recorded.is_ok_and(|recorded| {
            let origin = recorded.origin;
            [origin.identity, origin.run].contains(&report.provenance.run)
        })
    };
    let run = folders_of_window.iter().find(has_data);
    run.or_else(|| folders_of_window.iter().find(is_named))
        .cloned()
}

/// The layout whose PDF in the folder shares the longest prefix with this PDF.
fn nearest_layout(folder: &Path, report: &Report, pdf: &[u8]) -> Layout {
    let common = |layout: &Layout| {
        let [stored, _] = stored_files(folder, *layout, report);
        let stored = fs::read(stored).unwrap_or_default();
        stored.iter().zip(pdf).take_while(|(a, b)| a == b).count()
    };
    let [first, second] = Layout::ALL;
    if common(&second) > common(&first) {
        second
    } else {
        first
    }
}

/// The PDF and the data of a report, or of a slice of it, in the folder of its run.
fn stored_files(folder: &Path, layout: Layout, report: &Report) -> [PathBuf; 2] {
    match &report.slice {
        Some(slice) => {
            let name = file_name(layout.name(), &slice.value);
            ["pdf", "json"].map(|extension| folder.join(SLICES).join(format!("{name}.{extension}")))
        }
        None => [
            folder.join(format!("{}.pdf", layout.name())),
            report_file(folder, layout.name()),
        ],
    }
}

/// The dataset versions behind a report. If a slice names none, they are those of the report of all
/// records.
fn cited_datasets(folder: &Path, layout: Layout, report: &Report) -> Vec<DatasetRef> {
    let cited = report.provenance.datasets.clone();
    if report.slice.is_none() || !cited.is_empty() {
        return cited;
    }
    let full_report = read_json::<Report>(report_file(folder, layout.name()));
    full_report.map_or(cited, |full_report| full_report.provenance.datasets)
}

/// Compares bytes with those of a file of the archive.
fn compare_with_file(bytes: &[u8], stored: &Path) -> (CheckStatus, String) {
    let path = stored.display();
    match fs::read(stored) {
        Ok(expected) if expected == bytes => {
            (CheckStatus::Passed, format!("the same bytes as {path}"))
        }
        Ok(expected) => {
            let difference = describe_difference(bytes, &expected);
            (
                CheckStatus::Failed,
                format!("compared with {path}, {difference}"),
            )
        }
        Err(error) => (
            CheckStatus::NotPossible,
            format!("cannot read {path}: {error}"),
        ),
    }
}

/// Describes the first difference of two files.
fn describe_difference(bytes: &[u8], expected: &[u8]) -> String {
    let position = bytes
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    let [length, expected_length] = [bytes, expected].map(|bytes| count(bytes.len() as u64));
    let sizes = if length == expected_length {
        format!("of {length}")
    } else {
        format!("({length} bytes instead of {expected_length})")
    };
    format!(
        "the first difference is at byte {} {sizes}",
        count(position as u64 + 1)
    )
}

/// Joins names; those beyond the first few are counted.
fn names(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX);
    let shown: Vec<&str> = shown.map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown = shown.join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
