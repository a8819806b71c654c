//! Renders a report as an accessible, archival PDF with its own data attached.
//!
//! If the file would not conform to PDF/UA-1 and PDF/A-3a, rendering fails. Its bytes depend only
//! on the report and the templates.

#[cfg(test)]
mod tests;

use crate::{
    Error, Layout, Templates, chart, report_json, sanitise, skeleton,
    view::{self, POINTS_PER_MILLIMETRE},
    world,
};
use retrocast_domain::{Chart, ChartKind, Report, canonical};
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

/// Renders and exports a report. The attached `report.json` has the bytes of [`report_json`].
///
/// A sequence of characters may fail the export although the fonts cover each of them. The report
/// is then rendered again without combining marks, and finally with only the characters of the text
/// font, because a title must not prevent a report.
pub fn pdf(report: &Report, layout: Layout, templates: &Templates) -> Result<Vec<u8>, Error> {
    let narrower = [world::covered_without_marks, world::covered_by_text_font];
    let mut result = attempt(report, layout, templates, &world::covered);
    for covered in narrower {
        match &result {
            Err(Error::Layout { .. }) => {}
            _ => break,
        }
        // A template error recurs in every attempt; its first message is the most useful.
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
    let _eviction = CacheEviction::when_dropped();
    let files = files(report, layout, templates, covered)?;
    let document = compile(&files)?;
    let mut identity = format!("retrocast/{}/{}/{layout:?}", report.job, report.window);
    if let Some(slice) = &report.slice {
        identity = format!("{identity}/{}", canonical::hash(slice));
    }
    export(&files, &document, &identity)
}

/// Collects the files of a report for Typst.
fn files(
    report: &Report,
    layout: Layout,
    templates: &Templates,
    covered: &dyn Fn(char) -> bool,
) -> Result<world::Files, Error> {
    let (printable, changes) = sanitise::report(report, covered)?;
    let theme = templates.theme()?;
    let draw = |chart: &Chart, width: f64| theme.recolour(draw(chart, width));
    let printed = view::view(&printable, changes.sentences(), &draw);
    let mut files: BTreeMap<String, Vec<u8>> = printed
        .drawings
        .into_iter()
        .map(|(path, svg)| (path, svg.into_bytes()))
        .collect();
    let language = templates.language(&report.language)?;
    let mut view = serde_json::to_value(&printed.view)?;
    language.localise(&mut view, &printable);
    files.insert("/view.json".to_string(), serde_json::to_vec(&view)?);
    files.insert(
        "/words.json".to_string(),
        serde_json::to_vec(&language.words)?,
    );
    files.insert("/report.json".to_string(), report_json(report)?);
    files.insert(
        "/theme.json".to_string(),
        serde_json::to_vec(&theme.json())?,
    );
    if let Some((logo, bytes)) = templates.logo()? {
        files.insert(format!("/{}", logo.file), bytes.to_vec());
    }
    let main = skeleton::render(report, layout, templates)?;
    let parsed = || {
        let mut sources = templates.parts()?.clone();
        sources.insert(MAIN.to_string(), world::source(MAIN, &main)?);
        world::Files::new(MAIN, sources, files)
    };
    parsed().ok_or_else(|| Error::Template {
        message: "the name of a template is not a valid path".to_string(),
    })
}

/// Path of the main file.
const MAIN: &str = "/main.typ";

/// Keeps the parts that reports share in Typst's cache while several reports are rendered; drop the
/// guard after the last report.
pub fn batch() -> CacheEviction {
    CacheEviction::when_dropped()
}

/// Evicts Typst's global cache when dropped, even after a failed export; otherwise the cache would
/// grow with every report.
#[derive(Debug)]
pub struct CacheEviction(());

/// Number of reports being rendered.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);
/// Number of evictions after which an unused cache entry is removed. A run renders two reports at
/// once, and evicting everything after the first would slow down the other.
const MAX_AGE: usize = 4;

impl CacheEviction {
    fn when_dropped() -> Self {
        ACTIVE.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for CacheEviction {
    fn drop(&mut self) {
        let is_last = ACTIVE.fetch_sub(1, Ordering::Relaxed) == 1;
        comemo::evict(if is_last { 0 } else { MAX_AGE });
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

/// Converts errors of Typst to messages with the file and line of the template, and Typst's hints.
fn layout_error(files: &world::Files, errors: &[SourceDiagnostic]) -> Error {
    let messages = errors
        .iter()
        .filter(|error| error.severity == Severity::Error)
        .map(|error| {
            let location = error.span.id().and_then(|id| {
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
            format!("{}{}{hints}", location.unwrap_or_default(), error.message)
        })
        .collect();
    Error::Layout { messages }
}

/// Draws a chart at the size at which templates place it, so that its font size is kept.
fn draw(chart: &Chart, width: f64) -> String {
    let options = chart::Options::new(
        width * POINTS_PER_MILLIMETRE,
        if width < view::FULL_WIDTH { 6.6 } else { 7.2 },
    );
    let options = match &chart.kind {
        // Charts of one kind that are side by side have the same height.
        ChartKind::Line { .. } if width < view::FULL_WIDTH => options.height(132.0),
        _ => options,
    };
    chart::svg(chart, &options)
}
