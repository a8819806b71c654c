//! A sample run folder with a report, and values for it.

use crate::{Content, FailureNotice, Fonts, Settings};
use retrocast_domain::{
    Cell, Chart, ChartKind, Direction, Finding, Kpi, Report, ReportStatus, Severity,
    report::Provenance,
};
use std::{fs, path::Path};
use tempfile::TempDir;

pub const PDF: &[u8] = b"%PDF-1.7\r\nnot quite\n\0\xff\r\r\n";

pub fn settings(port: u16) -> Settings {
    let text = format!(
        "from = \"R\u{e9}ports <reports@example.org>\"\nlink = \"https://reports.example.org/x/\"\n\
         [server]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"loopback-plaintext\"\n"
    );
    Settings::parse(&text).unwrap()
}

pub fn fonts() -> Fonts {
    let inter: &[u8] = include_bytes!("../../../render/fonts/Inter-Regular.otf");
    Fonts::new([inter])
}

pub fn kpi(name: &str, lower_is_better: bool) -> Kpi {
    Kpi {
        name: name.to_string(),
        subject: "all".to_string(),
        value: Some(0.951),
        interval: Some([0.934, 0.963]),
        unit: "share".to_string(),
        text: "95.1\u{a0}%".to_string(),
        interval_text: "93.4 to 96.3\u{a0}%".to_string(),
        previous: Some(0.957),
        delta_text: "−0.7\u{a0}percentage points".to_string(),
        baseline: None,
        baseline_delta_text: String::new(),
        significant: true,
        direction: Direction::Down,
        lower_is_better,
        target: Some(0.95),
        target_text: "95.0\u{a0}%".to_string(),
        history: Vec::new(),
        earlier: Vec::new(),
        n: 1927,
    }
}

pub fn finding(stage: &str, sentence: &str) -> Finding {
    Finding {
        severity: Severity::Warning,
        sentence: sentence.to_string(),
        ..Finding::new(stage, "trend", "all", sentence)
    }
}

pub fn report() -> Report {
    let chart = |id: &str| Chart {
        id: id.to_string(),
        title: "Failures peak on Mondays".to_string(),
        unit: "failures per day".to_string(),
        alt: "Bar chart: 62 % more failures on Mondays, 95 % interval 59 to 65 %.".to_string(),
        kind: ChartKind::Sparkline { values: Vec::new() },
        table: None,
    };
    let mut cells = Vec::new();
    for stage in ["rhythm", "volume"] {
        let mut cell = Cell::new(stage, "trend");
        cell.charts = vec![chart(&format!("{stage} 1"))];
        cells.push(cell);
    }
    Report {
        schema: 1,
        job: "weekly-operations".to_string(),
        title: "Weekly operations review".to_string(),
        owner: "operations@example.org".to_string(),
        window: "2026-W46".to_string(),
        period: "9 to 15 November 2026".to_string(),
        timezone: "UTC".to_string(),
        date: "2026-11-16".to_string(),
        slice: None,
        language: String::new(),
        author_note: Vec::new(),
        status: ReportStatus::Complete,
        verdict: "This week needs attention: four warnings; none of the five key figures shows a \
                  proven change."
            .to_string(),
        notices: vec!["The records end on Friday.".to_string()],
        earlier: None,
        headlines: vec![
            finding(
                "rhythm",
                "Failures are 62.0\u{a0}% more frequent on Mondays.",
            ),
            finding(
                "volume",
                "Failures are 2.98 times as frequent above 1150 files.",
            ),
            finding("rhythm", "A third sentence."),
        ],
        asks: vec!["Stay below the threshold.".to_string()],
        kpis: vec![
            kpi("Success rate of executions", false),
            kpi("Share of failures", true),
        ],
        effects: Vec::new(),
        closed: Vec::new(),
        cells,
        sources: Vec::new(),
        notes: Vec::new(),
        plan: Vec::new(),
        provenance: Provenance {
            run: "r1".to_string(),
            build: "retrocast 0.1.0".to_string(),
            config_hash: String::new(),
            command: String::new(),
            datasets: Vec::new(),
        },
        figures: Vec::new(),
    }
}

pub const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 200\" \
     width=\"480\" height=\"200\" font-family=\"Inter, sans-serif\"><title>t</title>\
     <rect x=\"10\" y=\"10\" width=\"200\" height=\"60\" fill=\"#0b5fa5\"/>\
     <path d=\"M10 190L470 20\" stroke=\"#b3450d\" fill=\"none\" stroke-width=\"2\"/>\
     <text x=\"10\" y=\"150\" font-size=\"40\" fill=\"#1b242c\">Mondays</text></svg>";

/// Writes the folder of a run with this report and status.
pub fn write(folder: &Path, report: &Report, status: &str) {
    let write_file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write_file("report.json", &serde_json::to_vec(report).unwrap());
    write_file("executive.pdf", PDF);
    for cell in &report.cells {
        for chart in &cell.charts {
            write_file(&retrocast_run::files::chart_file(&chart.id), SVG.as_bytes());
        }
    }
    let summary = serde_json::json!({
        "run": "r1", "job": report.job, "window": report.window, "status": status,
    });
    write_file("run.json", summary.to_string().as_bytes());
}

pub fn content_of(report: &Report, status: &str) -> Content {
    let folder = TempDir::new().unwrap();
    write(folder.path(), report, status);
    Content::read(folder.path(), "executive", &fonts(), 10 << 20).unwrap()
}

/// The short content of a failure, for tests that send many messages.
pub fn failure(run: &str) -> Content {
    let notice = FailureNotice {
        job: "weekly-operations".to_string(),
        title: "Weekly operations review".to_string(),
        window: "2026-W46".to_string(),
        period: "9 to 15 November 2026".to_string(),
        run: run.to_string(),
        date: "2026-11-16".to_string(),
        error: "source.tickets: no file matches".to_string(),
        details: "What failed\n.\n..\n  source.tickets\n".to_string(),
    };
    Content::of_failure(&notice, "executive")
}
