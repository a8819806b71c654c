//! A report as an accessible, archival PDF with its own data attached.
//!
//! The file conforms to PDF/UA-1 and PDF/A-3a or is not made at all. Its bytes follow from the
//! report and the templates alone.

use crate::{Error, Layout, Templates, chart, report_json, sanitise, skeleton, view, world};
use retrocast_domain::{Chart, ChartKind, Report};
use std::collections::BTreeMap;
use typst::{
    World, WorldExt,
    diag::{Severity, SourceDiagnostic},
    foundations::Smart,
};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

const POINTS_PER_MILLIMETRE: f64 = 72.0 / 25.4;

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
    let files = world::Files::new("/main.typ", sources, files).ok_or_else(|| Error::Template {
        message: "a template's name is not a path".to_string(),
    })?;
    export(
        &files,
        &format!("retrocast/{}/{}/{layout:?}", report.job, report.window),
    )
}

/// Forgets what Typst remembered, however the export ends; its memory is global and would grow with
/// every report.
struct Forget;

impl Drop for Forget {
    fn drop(&mut self) {
        comemo::evict(0);
    }
}

fn export(files: &world::Files, identity: &str) -> Result<Vec<u8>, Error> {
    let _forget = Forget;
    let document: PagedDocument = typst::compile(files)
        .output
        .map_err(|errors| layout_error(files, &errors))?;
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
    typst_pdf::pdf(&document, &options).map_err(|errors| layout_error(files, &errors))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{HOSTILE, sample};
    use retrocast_domain::Cell;

    fn build(report: &Report, layout: Layout) -> Vec<u8> {
        pdf(report, layout, &Templates::built_in()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn count(haystack: &[u8], needle: &[u8]) -> usize {
        haystack
            .windows(needle.len())
            .filter(|window| *window == needle)
            .count()
    }

    #[test]
    fn both_layouts_are_made_and_repeat_byte_for_byte() {
        for layout in Layout::ALL {
            let one = build(&sample(), layout);
            assert!(one.starts_with(b"%PDF-1.7"));
            assert_eq!(
                count(&one, b"/AFRelationship"),
                1,
                "the report is attached once"
            );
            assert_eq!(count(&one, b"pdfuaid:part"), 2);
            assert!(
                one == build(&sample(), layout),
                "{layout:?} differs between builds"
            );
        }
    }

    #[test]
    fn the_executive_report_has_three_pages_and_a_note() {
        let check = |report: &Report, most: usize| {
            let pages = pages(&build(report, Layout::Executive));
            assert!((3..=most).contains(&pages), "{pages} pages");
        };
        check(&sample(), 4);
        check(&crowded(), 4);
        let empty = Report {
            headlines: Vec::new(),
            asks: Vec::new(),
            kpis: Vec::new(),
            effects: Vec::new(),
            cells: Vec::new(),
            sources: Vec::new(),
            notes: Vec::new(),
            plan: Vec::new(),
            ..sample()
        };
        check(&empty, 4);
        build(&empty, Layout::Technical);
    }

    fn pages(bytes: &[u8]) -> usize {
        let text = String::from_utf8_lossy(bytes);
        let at = text
            .find("/Type/Pages")
            .or_else(|| text.find("/Type /Pages"));
        let at = at.unwrap_or_else(|| panic!("no page tree"));
        let near = &text[at.saturating_sub(200)..(at + 400).min(text.len())];
        let digits = near.split("/Count ").nth(1).unwrap_or("");
        digits
            .chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .unwrap_or(0)
    }

    /// As much of everything as a report may hold, all of it long.
    fn crowded() -> Report {
        let mut report = sample();
        let long = "an unusually long and winding sentence of many words ".repeat(20);
        for finding in &mut report.headlines {
            finding.sentence.clone_from(&long);
        }
        report.verdict.clone_from(&long);
        report.asks = vec![long.clone(); 5];
        report.notes = vec![long.clone(); 30];
        for kpi in &mut report.kpis {
            kpi.name.clone_from(&long);
        }
        let effects = report.effects.clone();
        report.effects = effects.iter().cycle().take(40).cloned().collect();
        for effect in &mut report.effects {
            effect.title.clone_from(&long);
            effect.metric.clone_from(&long);
        }
        report.title.clone_from(&long);
        for cell in &mut report.cells {
            for chart in &mut cell.charts {
                chart.title.clone_from(&long);
            }
            let risks: Vec<_> = cell
                .findings
                .iter()
                .cycle()
                .take(cell.findings.len() * 9)
                .cloned()
                .collect();
            cell.findings = risks;
            for finding in &mut cell.findings {
                finding.sentence.clone_from(&long);
            }
        }
        report
    }

    #[test]
    fn hostile_texts_do_not_change_the_structure() {
        let shape = |text: &str| {
            let mut report = sample();
            let mut cell = Cell::new("one", "command");
            cell.title = text.to_string();
            cell.did = text.to_string();
            cell.caveats = vec![text.to_string()];
            report.cells = vec![cell];
            report.effects.clear();
            report.kpis.clear();
            report.title = text.to_string();
            report.asks = vec![text.to_string()];
            let bytes = build(&report, Layout::Technical);
            (pages(&bytes), count(&bytes, b"/AFRelationship"))
        };
        let plain = shape("A plain text");
        for text in HOSTILE {
            assert_eq!(shape(text), plain, "{text:?}");
        }
    }

    #[test]
    fn every_covered_character_can_be_printed() {
        let all: Vec<char> = ('\u{20}'..=char::MAX)
            .filter(|c| world::covered_without_marks(*c))
            .collect();
        assert!(all.len() > 20_000, "{}", all.len());
        // Where characters do not join, a part of them stands for all.
        let printed: Vec<char> = all
            .into_iter()
            .enumerate()
            .filter(|(i, c)| *c < '\u{2000}' || i % 16 == 0)
            .map(|(_, c)| c)
            .collect();
        let words = |chars: &[char]| {
            let words: Vec<String> = chars.chunks(8).map(|word| word.iter().collect()).collect();
            words.join(" ")
        };
        let mut report = sample();
        report.cells.truncate(1);
        report.cells[0].caveats = printed.chunks(200).map(words).collect();
        let templates = Templates::built_in();
        let result = attempt(
            &report,
            Layout::Technical,
            &templates,
            &world::covered_without_marks,
        );
        let message = result
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert_eq!(message, "");
    }

    /// Writes the reports for eyes to judge, when told where to.
    #[test]
    fn gallery() {
        let Some(folder) = std::env::var_os("RETROCAST_GALLERY").map(std::path::PathBuf::from)
        else {
            eprintln!("SKIPPED: set RETROCAST_GALLERY to a folder to see the sample reports");
            return;
        };
        for (name, report) in [("sample", sample()), ("crowded", crowded())] {
            for layout in Layout::ALL {
                let file = folder.join(format!("{name}-{}.pdf", layout.name()));
                std::fs::write(file, build(&report, layout)).unwrap();
            }
            let file = folder.join(format!("{name}-report.json"));
            std::fs::write(file, report_json(&report).unwrap()).unwrap();
        }
    }

    #[test]
    fn marks_piled_on_letters_of_other_fonts_do_not_stop_a_report() {
        let mut report = sample();
        report.title =
            "Z\u{5c7}a\u{591}l\u{20dd}g\u{301}\u{302}\u{303}o \u{5b0}\u{64b}中\u{5c1}".to_string();
        build(&report, Layout::Executive);
    }

    #[test]
    fn broken_templates_are_told_with_file_and_line() {
        let check = |file: &str, text: &str, want: &str| {
            let templates = Templates::built_in().with(file, text);
            let error = pdf(&sample(), Layout::Executive, &templates)
                .unwrap_err()
                .to_string();
            assert!(error.contains(want), "{error}");
        };
        check(
            "theme.typ",
            "#let a = 1\n#let printed = b",
            "theme.typ:2:16: unknown variable: b",
        );
        check(
            "theme.typ",
            "#read(\"/etc/passwd\")",
            "theme.typ:1:7: file not found",
        );
        check(
            "theme.typ",
            "#import \"@preview/cetz:0.1.0\": *",
            "theme.typ:1:9:",
        );
        check("theme.typ", "#datetime.today()", "theme.typ:1:2:");
    }
}
