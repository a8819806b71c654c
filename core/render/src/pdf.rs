//! A report as an accessible, archival PDF with its own data attached.
//!
//! The file conforms to PDF/UA-1 and PDF/A-3a or is not made at all. Its bytes follow from the
//! report and the templates alone.

#[cfg(test)]
mod tests;

use crate::{
    Error, Layout, Templates, chart, report_json, sanitise, skeleton,
    view::{self, POINTS_PER_MILLIMETRE},
    world,
};
use retrocast_domain::{Chart, ChartKind, Report};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};
use typst::{
    World, WorldExt,
    diag::{Severity, SourceDiagnostic},
    foundations::Smart,
};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

/// Lays out and exports a report. The attached `report.json` holds the bytes of [`report_json`].
///
/// Should some sequence of covered characters still fail the export, the report is made again
/// without combining marks, then with the characters of the text font alone: a title must not stop
/// it.
pub fn pdf(report: &Report, layout: Layout, templates: &Templates) -> Result<Vec<u8>, Error> {
    let narrower = [world::covered_without_marks, world::covered_by_text_font];
    let mut result = attempt(report, layout, templates, &world::covered);
    for covered in narrower {
        match &result {
            Err(Error::Layout { .. }) => {}
            _ => break,
        }
        // A template's mistake fails every time; its first message is the one to read.
        if let Ok(bytes) = attempt(report, layout, templates, &covered) {
            result = Ok(bytes);
        }
    }
    result
}

fn attempt(
    report: &Report,
    layout: Layout,
    templates: &Templates,
    covered: &dyn Fn(char) -> bool,
) -> Result<Vec<u8>, Error> {
    let _forget = Forget::later();
    let files = files(report, layout, templates, covered)?;
    let document = compile(&files)?;
    let identity = format!("retrocast/{}/{}/{layout:?}", report.job, report.window);
    export(&files, &document, &identity)
}

/// The files of a report for Typst.
fn files(
    report: &Report,
    layout: Layout,
    templates: &Templates,
    covered: &dyn Fn(char) -> bool,
) -> Result<world::Files, Error> {
    let (printable, changes) = sanitise::report(report, covered)?;
    let printed = view::view(&printable, changes.sentences(), &draw);
    let mut files: BTreeMap<String, Vec<u8>> = printed
        .drawings
        .into_iter()
        .map(|(path, svg)| (path, svg.into_bytes()))
        .collect();
    files.insert("/view.json".to_string(), serde_json::to_vec(&printed.view)?);
    files.insert("/report.json".to_string(), report_json(report)?);
    let mut sources = templates.parts();
    sources.insert(
        "/main.typ".to_string(),
        skeleton::render(report, layout, templates)?,
    );
    world::Files::new("/main.typ", sources, files).ok_or_else(|| Error::Template {
        message: "a template's name is not a path".to_string(),
    })
}

/// Forgets what Typst remembered, however the export ends; its memory is global and would grow with
/// every report.
struct Forget;

/// Reports that are being laid out.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// Reports that may end before what a report under way has not used meanwhile is forgotten. Two of a run
/// are laid out at once, and forgetting all at the end of the first would make the other begin again.
const KEPT_FOR: usize = 4;

impl Forget {
    fn later() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Forget {
    fn drop(&mut self) {
        let is_last = UNDER_WAY.fetch_sub(1, Ordering::Relaxed) == 1;
        comemo::evict(if is_last { 0 } else { KEPT_FOR });
    }
}

fn compile(files: &world::Files) -> Result<PagedDocument, Error> {
    typst::compile(files)
        .output
        .map_err(|errors| layout_error(files, &errors))
}

fn export(
    files: &world::Files,
    document: &PagedDocument,
    identity: &str,
) -> Result<Vec<u8>, Error> {
    let standards =
        PdfStandards::new(&[PdfStandard::Ua_1, PdfStandard::A_3a]).map_err(|error| {
            Error::Layout {
                messages: vec![error.message().to_string()],
            }
        })?;
    let options = PdfOptions {
        ident: Smart::Custom(identity.to_string()),
        creator: Smart::Custom(Some("Retrocast".to_string())),
        standards,
        ..PdfOptions::default()
    };
    typst_pdf::pdf(document, &options).map_err(|errors| layout_error(files, &errors))
}

/// Messages with the template's file and line, and Typst's hints.
fn layout_error(files: &world::Files, errors: &[SourceDiagnostic]) -> Error {
    let messages = errors
        .iter()
        .filter(|error| error.severity == Severity::Error)
        .map(|error| {
            let place = error.span.id().and_then(|id| {
                let range = files.range(error.span)?;
                let source = files.source(id).ok()?;
                let (line, column) = source.lines().byte_to_line_column(range.start)?;
                let path = id.get().vpath().get_without_slash();
                Some(format!("{path}:{}:{}: ", line + 1, column + 1))
            });
            let hints: String = error
                .hints
                .iter()
                .map(|hint| format!(" (hint: {})", hint.v))
                .collect();
            format!("{}{}{hints}", place.unwrap_or_default(), error.message)
        })
        .collect();
    Error::Layout { messages }
}

/// Draws a chart in the size in which templates place it, so that its words keep their size.
fn draw(chart: &Chart, width: f64) -> String {
    let options = chart::Options::new(
        width * POINTS_PER_MILLIMETRE,
        if width < view::WIDE { 6.6 } else { 7.2 },
    );
    let options = match &chart.kind {
        // Side by side, charts of one form are of one height.
        ChartKind::Line { .. } if width < view::WIDE => options.height(132.0),
        _ => options,
    };
    chart::svg(chart, &options)
}
