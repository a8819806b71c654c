use super::*;
use crate::sample::{HOSTILE, sample};
use retrocast_domain::{Cell, CellStatus, Chapter, Finding, Severity};
use typst::layout::{Frame, FrameItem};

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
fn both_layouts_render_deterministically() {
    for layout in Layout::ALL {
        let bytes = build(&sample(), layout);
        assert!(bytes.starts_with(b"%PDF-1.7"));
        assert_eq!(
            count(&bytes, b"/AFRelationship"),
            1,
            "the report is attached once"
        );
        assert_eq!(count(&bytes, b"pdfuaid:part"), 2);
        assert!(
            bytes == build(&sample(), layout),
            "{layout:?} differs between builds"
        );
    }
}

/// Returns the strings of each page of the layout, one for each run of glyphs.
fn texts(report: &Report, layout: Layout) -> Vec<Vec<String>> {
    fn collect(frame: &Frame, out: &mut Vec<String>) {
        for (_, item) in frame.items() {
            match item {
                FrameItem::Group(group) => collect(&group.frame, out),
                FrameItem::Text(text) => out.push(text.text.to_string()),
                _ => {}
            }
        }
    }
    let files = files(report, layout, &Templates::built_in(), &world::covered);
    let document = files.and_then(|files| compile(&files));
    let document = document.unwrap_or_else(|error| panic!("{error}"));
    let page = |page: &typst_layout::Page| {
        let mut out = Vec::new();
        collect(&page.frame, &mut out);
        out
    };
    document.pages().iter().map(page).collect()
}

/// A report without findings and records.
fn empty() -> Report {
    Report {
        headlines: Vec::new(),
        asks: Vec::new(),
        kpis: Vec::new(),
        effects: Vec::new(),
        cells: Vec::new(),
        sources: Vec::new(),
        notes: Vec::new(),
        plan: Vec::new(),
        ..sample()
    }
}

/// A report in which every stage failed.
fn all_failed() -> Report {
    let mut report = empty();
    report.status = retrocast_domain::ReportStatus::Partial;
    for i in 0..40 {
        let mut cell = Cell::new(&format!("stage_{i}"), "trend");
        let message = format!("the disk is full: {}", "no space left ".repeat(80));
        report.notes.push(message.clone());
        cell.status = CellStatus::Failed { message };
        report.cells.push(cell);
    }
    report
}

#[test]
fn the_executive_report_has_at_most_three_pages_and_a_note() {
    let check = |name: &str, report: &Report| {
        let pages = texts(report, Layout::Executive).len();
        assert!((1..=4).contains(&pages), "{name}: {pages} pages");
    };
    assert_eq!(
        texts(&empty(), Layout::Executive).len(),
        1,
        "no page without content"
    );
    check("sample", &sample());
    check(
        "crowded",
        &crowded("an unusually long and winding sentence of many words "),
    );
    // The widest letters, with and without a place to break.
    check("wide", &crowded("WWWWWWWW "));
    check("unbroken", &crowded("WWWWWWWWWWWW"));
    check("han", &crowded("支払いエラー結果"));
    check("tall", &crowded("नमस्ते ไทย्र्‍"));
    check("empty", &empty());
    check("all failed", &all_failed());
    let mut single = empty();
    single.headlines = vec![Finding {
        severity: Severity::Warning,
        ..sample().headlines[0].clone()
    }];
    check("one finding", &single);
    for report in [empty(), all_failed()] {
        build(&report, Layout::Executive);
        build(&report, Layout::Technical);
    }
}

#[test]
fn copied_text_equals_the_original() {
    let hash = "9c1185a5c5e9fc54612808977ee8f548".repeat(2);
    let path = "/srv/records/2026/11/decisions-2026-11-10-cut.jsonl.gz";
    let name = "storefront.checkout_service.payment-adapter";
    let query = "select id, created_at from tickets\nwhere created_at >= '2026-11-09T00:00:00Z'";
    let mut report = empty();
    report.notes = vec![format!("{path} could not be read."), hash.clone()];
    let mut cell = Cell::new("one", "sql").in_chapter(Chapter::Rows);
    cell.query = Some(query.to_string());
    cell.did = format!("Read {path} of {name}.");
    let mut table = retrocast_domain::Table::new("Names", &["name", "hash", ">n"]);
    for n in 0..3 {
        table.push([name.to_string(), hash.clone(), n.to_string()]);
    }
    cell.tables.push(table);
    report.cells.push(cell);
    for layout in Layout::ALL {
        let runs = texts(&report, layout).concat();
        let text = runs.concat();
        assert!(!text.contains('\u{200b}'), "{layout:?}");
        // Text that spans several lines, without line breaks.
        assert!(text.contains(path) && text.contains(&hash), "{layout:?}");
    }
    let runs = texts(&report, Layout::Technical).concat();
    let line = |text: &str| runs.iter().any(|run| run == text);
    assert!(
        line("where created_at >= '2026-11-09T00:00:00Z'"),
        "{runs:?}"
    );
    assert!(runs.concat().contains(name));
    let query = format!("select {} from t", "column_of_t,".repeat(30));
    report.cells[0].query = Some(query.clone());
    assert!(
        texts(&report, Layout::Technical)
            .concat()
            .concat()
            .contains(&query)
    );
}

#[test]
fn the_first_page_states_that_no_decision_is_needed() {
    let mut report = sample();
    let printed_text = |report: &Report| texts(report, Layout::Executive).concat().concat();
    assert!(!report.asks.is_empty());
    assert!(!printed_text(&report).contains("None: no finding"));
    report.asks.clear();
    assert!(printed_text(&report).contains("None: no finding of this period needs a decision."));
}

#[test]
fn the_first_page_mentions_further_warnings() {
    let mut report = empty();
    let warning = Finding {
        severity: Severity::Warning,
        ..sample().headlines[0].clone()
    };
    for (warnings, expected) in [(5, false), (7, true)] {
        report.headlines = vec![warning.clone(); warnings];
        let words = texts(&report, Layout::Executive).concat().concat();
        let note = "The other warnings are in the technical report.";
        assert_eq!(words.contains(note), expected, "{warnings}");
    }
}

#[test]
fn only_the_technical_report_prints_p_values_and_hashes() {
    for (layout, expected) in [(Layout::Executive, false), (Layout::Technical, true)] {
        let runs = texts(&sample(), layout).concat();
        assert!(runs.iter().any(|run| run == "Verdict"));
        assert_eq!(runs.iter().any(|run| run == "p"), expected, "{layout:?}");
        assert_eq!(runs.concat().contains(", p\u{a0}="), expected, "{layout:?}");
        let hash = sample().provenance.config_hash;
        assert_eq!(runs.concat().contains(&hash), expected, "{layout:?}");
        let page = crate::html::report(&sample(), layout).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(page.contains(&hash), expected, "{layout:?}");
    }
}

#[test]
fn the_data_note_has_its_own_page_only_if_no_other_has_space() {
    let mut report = sample();
    report.effects.clear();
    report
        .cells
        .retain(|cell| cell.chapter != Chapter::Improvements);
    let pages = |report: &Report| -> Vec<bool> {
        let pages = texts(report, Layout::Executive);
        let has_note = |page: Vec<String>| page.iter().any(|run| run == "Data note");
        pages.into_iter().map(has_note).collect()
    };
    report.headlines.truncate(1);
    report.asks.clear();
    report.kpis.truncate(3);
    report.notes.truncate(2);
    // The charts start on the first page, if they fit, and the note follows them.
    assert_eq!(pages(&report), [false, true]);
    report.headlines = vec![sample().headlines[0].clone(); 3];
    report.asks = vec!["what is asked ".repeat(4); 5];
    assert_eq!(pages(&report), [true, false]);
    for headline in &mut report.headlines {
        headline.sentence = "many words of a sentence ".repeat(16);
    }
    report.asks = vec!["what is asked ".repeat(15); 5];
    report.notes = vec!["what is to be noted ".repeat(15); 10];
    assert_eq!(pages(&report), [false, false, true]);
}

#[test]
fn every_page_of_a_partial_report_is_marked() {
    let mut report = sample();
    for (status, expected) in [
        (retrocast_domain::ReportStatus::Partial, true),
        (retrocast_domain::ReportStatus::Complete, false),
    ] {
        report.status = status;
        for layout in Layout::ALL {
            for page in texts(&report, layout) {
                assert_eq!(page.iter().any(|text| text.contains("· partial")), expected);
            }
        }
    }
}

fn pages(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let start = text
        .find("/Type/Pages")
        .or_else(|| text.find("/Type /Pages"));
    let start = start.unwrap_or_else(|| panic!("no page tree"));
    let near = &text[start.saturating_sub(200)..(start + 400).min(text.len())];
    let digits = near.split("/Count ").nth(1).unwrap_or("");
    digits
        .chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap_or(0)
}

/// A report with the maximum number of all items, and long text.
fn crowded(words: &str) -> Report {
    let mut report = sample();
    let long = words.repeat(1000 / words.len());
    for finding in &mut report.headlines {
        finding.sentence.clone_from(&long);
    }
    report.verdict.clone_from(&long);
    report.asks = vec![long.clone(); 5];
    report.notes = vec![long.clone(); 30];
    for kpi in &mut report.kpis {
        kpi.name.clone_from(&long);
        kpi.subject.clone_from(&long);
        kpi.delta_text.clone_from(&long);
        kpi.target_text.clone_from(&long);
    }
    report.period = "Monday 28 September to Sunday 4 October 2026".to_string();
    report.owner.clone_from(&long);
    report.job = "a-job-with-a-name-as-long-as-the-names-of-jobs-may-be".to_string();
    report.provenance.command = format!("retrocast run {} --window 2026-W46", report.job);
    for i in 0..60 {
        report
            .provenance
            .datasets
            .push(retrocast_domain::DatasetRef {
                name: format!("dataset_with_a_rather_long_name_number_{i}"),
                version: 123,
                rows: 1_000_000,
            });
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
        let repeated: Vec<_> = cell
            .findings
            .iter()
            .cycle()
            .take(cell.findings.len() * 9)
            .cloned()
            .collect();
        cell.findings = repeated;
        for finding in &mut cell.findings {
            finding.sentence.clone_from(&long);
        }
    }
    report
}

#[test]
fn hostile_texts_do_not_change_the_structure() {
    let structure = |text: &str| {
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
    let plain = structure("A plain text");
    for text in HOSTILE {
        assert_eq!(structure(text), plain, "{text:?}");
    }
}

#[test]
fn every_covered_character_can_be_printed() {
    let characters: Vec<char> = ('\u{20}'..=char::MAX)
        .filter(|c| world::covered_without_marks(*c))
        .collect();
    assert!(characters.len() > 20_000, "{}", characters.len());
    // Beyond the scripts that join characters, a sample is enough.
    let printed: Vec<char> = characters
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

/// Writes sample reports for visual review to the folder `RETROCAST_GALLERY`.
#[test]
fn gallery() {
    let Some(folder) = std::env::var_os("RETROCAST_GALLERY").map(std::path::PathBuf::from) else {
        eprintln!("SKIPPED: set RETROCAST_GALLERY to a folder to see the sample reports");
        return;
    };
    for (name, report) in [
        ("sample", sample()),
        (
            "crowded",
            crowded("an unusually long and winding sentence of many words "),
        ),
        ("wide", crowded("WWWWWWWW ")),
        ("unbroken", crowded("WWWWWWWWWWWW")),
        ("empty", empty()),
        ("failed", all_failed()),
    ] {
        for layout in Layout::ALL {
            let file = folder.join(format!("{name}-{}.pdf", layout.name()));
            std::fs::write(file, build(&report, layout)).unwrap();
            let file = folder.join(format!("{name}-{}.html", layout.name()));
            std::fs::write(file, crate::html::report(&report, layout).unwrap()).unwrap();
        }
        let file = folder.join(format!("{name}-report.json"));
        std::fs::write(file, report_json(&report).unwrap()).unwrap();
    }
}

#[test]
fn combining_marks_on_letters_of_other_fonts_do_not_fail_a_report() {
    let mut report = sample();
    report.title =
        "Z\u{5c7}a\u{591}l\u{20dd}g\u{301}\u{302}\u{303}o \u{5b0}\u{64b}中\u{5c1}".to_string();
    build(&report, Layout::Executive);
}

#[test]
fn broken_templates_are_reported_with_file_and_line() {
    let check = |file: &str, text: &str, expected: &str| {
        let templates = Templates::built_in().with(file, text);
        let error = pdf(&sample(), Layout::Executive, &templates)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
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
