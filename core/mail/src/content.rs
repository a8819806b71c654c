//! The content of a mail or notification, before it is formatted: a report, or the failure to
//! create a report.

use crate::{
    Error,
    picture::{self, Fonts, Picture},
    text::{lines, one_line},
};
use retrocast_domain::{
    Cell, CellStatus, Chapter, Direction, Kpi, Report, ReportStatus, canonical, number::NBSP,
};
use retrocast_run::{
    RecordedPlan, RunStatus, RunSummary,
    files::{FAILURE_TEXT, chart_file},
    folder::report_file,
    slices::SLICES,
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Width of a picture in the page, in pixels: the page's 600 minus its margins.
const CHART_WIDTH: u32 = 552;
/// Maximum number of charts in a mail; the report has all.
const CHARTS_MAX: usize = 3;
/// Maximum number of key figures, findings, requested actions and notices in a mail.
const KPIS_MAX: usize = 8;
const FINDINGS_MAX: usize = 5;
const ASKS_MAX: usize = 5;
const NOTICES_MAX: usize = 4;
/// Maximum length of a sentence and of a name, in characters.
const SENTENCE_MAX: usize = 400;
const NAME_MAX: usize = 120;
/// Maximum length of the details of a failure, in characters; the run's folder has all.
const FAILURE_MAX: usize = 12_000;

/// The kind of a mail or notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A complete report.
    Report,
    /// A report that lacks an optional part.
    Partial,
    /// A report that could not be created.
    Failure,
}

/// The content of a mail, the same for the same run and report.
#[derive(Debug, Clone)]
pub struct Content {
    /// Values for the templates.
    pub(crate) view: View,
    /// Pictures that the view refers to.
    pub(crate) pictures: Vec<Picture>,
    /// The PDF, unless it is too large to attach.
    pub(crate) pdf: Option<Vec<u8>>,
    hash: String,
}

/// Values for the templates, all safe to print.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct View {
    pub kind: MessageKind,
    pub job: String,
    pub title: String,
    pub window: String,
    pub period: String,
    pub run: String,
    /// Name of the report: "executive", or of a slice of it: "executive-billing".
    pub report: String,
    /// True for a slice, whose recipients may not see the archive.
    pub is_slice: bool,
    pub date: String,
    pub verdict: String,
    pub notices: Vec<String>,
    pub kpis: Vec<KpiView>,
    pub findings: Vec<FindingView>,
    pub findings_more: usize,
    pub asks: Vec<String>,
    pub missing: Vec<String>,
    pub charts: Vec<ChartView>,
    /// File name and size of the PDF; `None` without a PDF.
    pub pdf: Option<PdfView>,
    /// Details of a failure, as lines; empty for none.
    pub failure: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct KpiView {
    pub name: String,
    /// Value and 95 % interval in `unit`.
    pub value: Option<f64>,
    pub bounds: Option<[f64; 2]>,
    pub unit: String,
    pub text: String,
    pub interval: String,
    pub change: String,
    /// "better", "worse" or empty; empty unless the change is significant.
    pub judgement: &'static str,
    /// The target and its state, such as "target 95.0 %: met"; empty for none.
    pub target: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct FindingView {
    pub id: String,
    pub kind: String,
    pub subject: String,
    pub severity: &'static str,
    pub sentence: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ChartView {
    pub title: String,
    pub alt: String,
    pub width: u32,
    pub height: u32,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct PdfView {
    pub name: String,
    /// Size, such as "1.4 MB".
    pub size: String,
}

/// A report that could not be created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureNotice {
    /// Name of the job.
    pub job: String,
    /// Title of the report.
    pub title: String,
    /// Label of the window.
    pub window: String,
    /// The window in words.
    pub period: String,
    /// Id of the run.
    pub run: String,
    /// Date of the run.
    pub date: String,
    /// The error, as a sentence.
    pub error: String,
    /// Details, as lines.
    pub details: String,
}

impl Content {
    /// Reads the content for one of a run's reports, such as "executive", from its folder: the
    /// report if there is one, otherwise the failure. A PDF larger than `attach_max` bytes is not
    /// read.
    pub fn read(
        folder: &Path,
        report: &str,
        fonts: &Fonts,
        attach_max: u64,
    ) -> Result<Self, Error> {
        let (mut content, report_file) = Self::read_outline(folder, report)?;
        if let Some(report_file) = report_file {
            (content.view.charts, content.pictures) = charts(&report_file, folder, fonts);
            content.pdf = read_pdf(&pdf_path(folder, report), attach_max)?;
        }
        Ok(content)
    }

    /// Reads the content without charts and PDF.
    pub fn outline(folder: &Path, report: &str) -> Result<Self, Error> {
        Ok(Self::read_outline(folder, report)?.0)
    }

    fn read_outline(folder: &Path, report: &str) -> Result<(Self, Option<Report>), Error> {
        let summary = RunSummary::read(folder)?;
        if !summary.status.has_reports() {
            return Ok((Self::read_failure(folder, report, summary)?, None));
        }
        let data = report_file(folder, report);
        let pdf = pdf_path(folder, report);
        let (content, report_file) = Self::read_report(&summary, report, [&data, &pdf])?;
        Ok((content, Some(report_file)))
    }

    /// Reads the content for a slice, such as "executive-billing", from the folder of a run with
    /// reports. It has no link to the archive, which is about all records, and no pictures.
    pub fn read_slice(folder: &Path, slice: &str, attach_max: u64) -> Result<Self, Error> {
        let summary = RunSummary::read(folder)?;
        let folder = folder.join(SLICES);
        let (data, pdf) = (
            folder.join(format!("{slice}.json")),
            pdf_path(&folder, slice),
        );
        let (mut content, _) = Self::read_report(&summary, slice, [&data, &pdf])?;
        content.view.is_slice = true;
        content.pdf = read_pdf(&pdf, attach_max)?;
        Ok(content)
    }

    /// Reads a report from its data and the size of its PDF, without pictures and PDF.
    fn read_report(
        summary: &RunSummary,
        report: &str,
        [data, pdf]: [&Path; 2],
    ) -> Result<(Self, Report), Error> {
        let bytes = read(data)?;
        let report_file: Report =
            serde_json::from_slice(&bytes).map_err(|source| retrocast_run::Error::Content {
                path: data.to_path_buf(),
                source,
            })?;
        let size = fs::metadata(pdf).map_or(0, |data| data.len());
        let is_partial =
            summary.status == RunStatus::Partial || report_file.status == ReportStatus::Partial;
        let kind = if is_partial {
            MessageKind::Partial
        } else {
            MessageKind::Report
        };
        // The hash is independent of the wording of templates and program, so that a new wording
        // does not send the report again.
        let hash = canonical::hash(&(kind, report, blake3::hash(&bytes).to_hex().as_str()));
        let mut view = view(&report_file, kind, &summary.run, report);
        view.pdf = (size > 0).then(|| PdfView {
            name: file_name(&[&summary.job, &summary.window, report], "pdf"),
            size: format_size(size),
        });
        let content = Self {
            view,
            pictures: Vec::new(),
            pdf: None,
            hash,
        };
        Ok((content, report_file))
    }

    /// Builds the content for a report without pictures and PDF.
    pub fn of_report(report_file: &Report, report: &str) -> Self {
        let run = &report_file.provenance.run;
        Self {
            view: view(report_file, MessageKind::Report, run, report),
            pictures: Vec::new(),
            pdf: None,
            hash: canonical::hash(report_file),
        }
    }

    fn read_failure(folder: &Path, report: &str, summary: RunSummary) -> Result<Self, Error> {
        let RecordedPlan { plan, .. } = RecordedPlan::read(folder)?;
        let details = fs::read(folder.join(FAILURE_TEXT)).unwrap_or_default();
        let notice = FailureNotice {
            title: plan.title,
            period: plan.window.words(),
            date: plan.date.to_string(),
            error: summary
                .error
                .unwrap_or_else(|| format!("the run is {}", summary.status.word())),
            details: String::from_utf8_lossy(&details).into_owned(),
            job: summary.job,
            window: summary.window,
            run: summary.run,
        };
        Ok(Self::of_failure(&notice, report))
    }

    /// Builds the content for a report that could not be created.
    pub fn of_failure(notice: &FailureNotice, report: &str) -> Self {
        let view = View {
            verdict: one_line(&notice.error, SENTENCE_MAX),
            failure: lines(&notice.details, FAILURE_MAX),
            ..View::new(
                MessageKind::Failure,
                [&notice.job, &notice.title, &notice.window, &notice.period],
                [&notice.run, report, &notice.date],
            )
        };
        let hash = canonical::hash(&(MessageKind::Failure, report, &notice.error));
        Self {
            view,
            pictures: Vec::new(),
            pdf: None,
            hash,
        }
    }

    /// The kind of the mail.
    pub fn kind(&self) -> MessageKind {
        self.view.kind
    }

    /// Run, report and hash, which identify its deliveries.
    pub(crate) fn key(&self) -> [&str; 3] {
        [&self.view.run, &self.view.report, &self.hash]
    }

    /// Id of the run.
    pub fn run(&self) -> &str {
        &self.view.run
    }

    /// Name of the report, such as "executive".
    pub fn report(&self) -> &str {
        &self.view.report
    }

    /// Hash of the content, independent of its wording.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

fn pdf_path(folder: &Path, report: &str) -> PathBuf {
    folder.join(format!("{report}.pdf"))
}

/// Reads a PDF; `None` if it is missing, empty or larger than `attach_max` bytes.
fn read_pdf(path: &Path, attach_max: u64) -> Result<Option<Vec<u8>>, Error> {
    let size = fs::metadata(path).map_or(0, |data| data.len());
    let is_attached = size > 0 && size <= attach_max;
    is_attached.then(|| read(path)).transpose()
}

impl View {
    fn new(
        kind: MessageKind,
        [job, title, window, period]: [&str; 4],
        [run, report, date]: [&str; 3],
    ) -> Self {
        let name = |text: &str| one_line(text, NAME_MAX);
        Self {
            kind,
            job: name(job),
            title: name(if title.is_empty() { job } else { title }),
            window: name(window),
            period: name(period),
            run: name(run),
            report: name(report),
            is_slice: false,
            date: name(date),
            verdict: String::new(),
            notices: Vec::new(),
            kpis: Vec::new(),
            findings: Vec::new(),
            findings_more: 0,
            asks: Vec::new(),
            missing: Vec::new(),
            charts: Vec::new(),
            pdf: None,
            failure: String::new(),
        }
    }
}

fn view(report: &Report, kind: MessageKind, run: &str, name: &str) -> View {
    let sentence = |text: &String| one_line(text, SENTENCE_MAX);
    let failed = report.cells.iter().filter(|cell| cell.status.is_failed());
    let missing = failed.map(|cell| {
        let title = if cell.title.is_empty() {
            &cell.stage
        } else {
            &cell.title
        };
        let why = match &cell.status {
            CellStatus::Failed { message } => message,
            CellStatus::NotRun { reason } => reason,
            CellStatus::Done | CellStatus::NotEnough { .. } => "",
        };
        one_line(&format!("{title}: {why}"), SENTENCE_MAX)
    });
    View {
        verdict: sentence(&report.verdict),
        notices: report
            .notices
            .iter()
            .take(NOTICES_MAX)
            .map(sentence)
            .collect(),
        kpis: report.kpis.iter().take(KPIS_MAX).map(kpi).collect(),
        findings: report
            .headlines
            .iter()
            .take(FINDINGS_MAX)
            .map(|finding| FindingView {
                id: one_line(&finding.id, NAME_MAX),
                kind: one_line(&finding.kind, NAME_MAX),
                subject: one_line(&finding.subject, NAME_MAX),
                severity: finding.severity.word(),
                sentence: sentence(&finding.sentence),
            })
            .collect(),
        findings_more: report.headlines.len().saturating_sub(FINDINGS_MAX),
        asks: report.asks.iter().take(ASKS_MAX).map(sentence).collect(),
        missing: missing.take(NOTICES_MAX).collect(),
        ..View::new(
            kind,
            [&report.job, &report.title, &report.window, &report.period],
            [run, name, &report.date],
        )
    }
}

fn kpi(kpi: &Kpi) -> KpiView {
    let short = |text: &str| one_line(text, NAME_MAX);
    let is_better = match kpi.direction {
        _ if !kpi.significant => None,
        Direction::Up => Some(!kpi.lower_is_better),
        Direction::Down => Some(kpi.lower_is_better),
        Direction::None => None,
    };
    let name = match kpi.subject.as_str() {
        "" | "all" => kpi.name.clone(),
        subject => format!("{}, {subject}", kpi.name),
    };
    KpiView {
        name: short(&name),
        value: kpi.value,
        bounds: kpi.interval,
        unit: short(&kpi.unit),
        text: short(&kpi.text),
        interval: short(&kpi.interval_text),
        change: short(&kpi.delta_text),
        judgement: is_better.map_or("", |better| if better { "better" } else { "worse" }),
        target: match kpi.target_word() {
            "" => String::new(),
            word => short(&format!("target {}: {word}", kpi.target_text)),
        },
    }
}

/// Draws the first chart of each stage with a headline, in the order of headlines; charts on data
/// quality come last. A chart that cannot be drawn is omitted: its figures are in the sentences,
/// and a picture must not delay a report.
fn charts(report: &Report, folder: &Path, fonts: &Fonts) -> (Vec<ChartView>, Vec<Picture>) {
    let mut unique = BTreeSet::new();
    let stages = report.headlines.iter().map(|finding| &finding.stage);
    let mut cells: Vec<&Cell> = stages
        .filter(|stage| unique.insert(*stage))
        .flat_map(|stage| report.cells.iter().filter(move |cell| cell.stage == *stage))
        .collect();
    cells.sort_by_key(|cell| cell.chapter == Chapter::Data);
    let charts = cells
        .into_iter()
        .filter_map(|cell| cell.charts.first())
        .filter_map(|chart| {
            let svg = fs::read_to_string(folder.join(chart_file(&chart.id))).ok()?;
            let picture = picture::draw(&svg, fonts, CHART_WIDTH).ok()?;
            let view = ChartView {
                title: one_line(&chart.title, SENTENCE_MAX),
                alt: one_line(&chart.alt, 2 * SENTENCE_MAX),
                width: picture.width,
                height: picture.height,
            };
            Some((view, picture))
        });
    charts.take(CHARTS_MAX).unzip()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File {
        action: "read",
        path: path.to_path_buf(),
        source,
    })
}

/// A file name in characters that every file system accepts, such as
/// "weekly-operations-2026-W46-executive.pdf".
fn file_name(parts: &[&str], extension: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = parts.join("-").chars().take(100).map(safe).collect();
    format!("{name}.{extension}")
}

/// Formats a size, such as "1.4 MB".
fn format_size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{}{NBSP}kB", bytes.div_ceil(1000)),
        _ => format!("{:.1}{NBSP}MB", bytes as f64 / 1e6),
    }
}
