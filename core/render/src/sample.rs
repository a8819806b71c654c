//! A sample report of the example job, with hostile text.
//!
//! Tests, benchmarks and the gallery render it. Its numbers are invented but consistent.

mod analyses;
mod effects;
mod figures;

use crate::assemble::{ReportInputs, report};
use analyses::{change_point, outlook, rhythm, unusual};
use effects::{broken, effectiveness, hostile, too_short};
use figures::{key_figures, quality, sql};
use jiff::civil::date;
use retrocast_domain::{
    ActionRequest, Cell, Chapter, ClosedImprovement, DatasetRef, Direction, Evidence, Finding,
    Magnitude, ParamLine, Report, Severity, WindowSpec, Worth,
    report::{PlanNode, Provenance, SliceNote, SourceNote},
};

/// Strings in records that must never be interpreted as code or markup.
pub const HOSTILE: &[&str] = &[
    "#read(\"secret.txt\")",
    "</script><script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "*bold* _under_ $x^2$ @cite <label> `code` // no comment /* nor this",
    "Größe 支払いエラー 결제 오류 платёж não 😀🚀 ✓",
    "bell\u{7} null\u{0} private \u{e000} bidi \u{202e}reversed\u{202c} tag\u{e0041}",
    "] #panic(\"out\") #[",
    "\\u{23}eval(\"1+1\") {{ 7 * 7 }} {% raw %}",
];

/// The sample report.
pub fn sample() -> Report {
    report(ReportInputs {
        job: "weekly-operations".to_string(),
        title: "Weekly operations review".to_string(),
        owner: "platform@example.org".to_string(),
        window: WindowSpec::Week.last_complete(date(2026, 11, 16), "Europe/London"),
        date: date(2026, 11, 16),
        cells: cells(),
        sources: sources(),
        plan: plan(),
        decisions: Vec::new(),
        closed: Vec::new(),
        earlier: None,
        provenance: Provenance {
            run: "20261116T090000-7f3a9c".to_string(),
            build: "retrocast 0.1.0".to_string(),
            config_hash: "9c1185a5c5e9fc54612808977ee8f548".to_string(),
            command: "retrocast run weekly-operations --date 2026-11-16".to_string(),
            datasets: vec![
                dataset("tickets", 41, 48_211),
                dataset("decisions", 41, 1_204_530),
                dataset("metrics", 40, 96_768),
                dataset("daily_failures", 12, 4_368),
            ],
        },
    })
}

/// Sample reports that use all parts of the templates: with and without findings, and of a slice.
pub fn all() -> Vec<Report> {
    let report = sample();
    let mut slice = report.clone();
    slice.slice = Some(SliceNote {
        column: "component".to_string(),
        value: "billing".to_string(),
        health: "good".to_string(),
    });
    slice.author_note = vec!["Friday was a planned test.".to_string()];
    slice.sources.clear();
    slice.closed = closed();
    slice.effects[0].worth = Some(Worth {
        currency: "EUR".to_string(),
        cost: Some(400.0),
        per_day: [120.0, 80.0, 160.0],
        measured: [3_600.0, 2_400.0, 4_800.0],
    });
    let mut empty = report.clone();
    empty.headlines.clear();
    empty.asks.clear();
    empty.kpis.clear();
    empty.effects.clear();
    empty.cells.clear();
    empty.notes.clear();
    let mut german = report.clone();
    german.language = "de".to_string();
    vec![report, slice, empty, german]
}

/// Closed improvements, more than the executive report lists.
fn closed() -> Vec<ClosedImprovement> {
    let closed = (1..=5).map(|i| ClosedImprovement {
        improvement: format!("closed-{i}"),
        title: format!("Cache {i}"),
        component: "billing".to_string(),
        date: Some(date(2026, 9, 7)),
        closed: date(2026, 11, 3),
        who: "Ann".to_string(),
        why: format!("half the tickets {i}"),
        cost: None,
        measurements: Vec::new(),
    });
    closed.collect()
}

fn dataset(name: &str, version: u64, rows: u64) -> DatasetRef {
    DatasetRef {
        name: name.to_string(),
        version,
        rows,
    }
}

fn params(items: &[(&str, &str, bool)]) -> Vec<ParamLine> {
    let line = |(name, value, set): &(&str, &str, bool)| ParamLine {
        name: (*name).to_string(),
        value: (*value).to_string(),
        set: *set,
    };
    items.iter().map(line).collect()
}

/// Chapter of each stage kind in the sample.
pub(crate) fn chapter(kind: &str) -> Chapter {
    match kind {
        "quality" => Chapter::Data,
        "kpi" => Chapter::Figures,
        "anomaly" => Chapter::Events,
        "change_point" | "trend" => Chapter::Changes,
        "temporal_pattern" => Chapter::Rhythm,
        "forecast" => Chapter::Outlook,
        "effectiveness" | "effect" => Chapter::Improvements,
        "sql" | "fact" => Chapter::Rows,
        _ => Chapter::Other,
    }
}

fn cells() -> Vec<Cell> {
    let cells = vec![
        sql(),
        quality(),
        key_figures(),
        rhythm(),
        unusual(),
        change_point(),
        outlook(),
        effectiveness(),
        hostile(),
        too_short(),
        broken(),
    ];
    let cells = cells.into_iter();
    cells
        .map(|cell| {
            let chapter = chapter(&cell.kind);
            cell.in_chapter(chapter)
        })
        .collect()
}

struct Claim<'a> {
    stage: &'a str,
    kind: &'a str,
    subject: &'a str,
    what: &'a str,
    severity: Severity,
    sentence: &'a str,
}

fn claim(claim: &Claim, magnitude: Option<Magnitude>, n: u64, p: Option<f64>) -> Finding {
    let mut finding = Finding::new(claim.stage, claim.kind, claim.subject, claim.what);
    finding.severity = claim.severity;
    finding.sentence = claim.sentence.to_string();
    finding.request = Some(ActionRequest::new(claim.what, "", "find the cause"));
    finding.magnitude = magnitude;
    finding.n = n;
    finding.p_adjusted = p;
    finding.confidence = 0.9;
    finding.direction = Direction::Up;
    finding.period = "2026-11-09 to 2026-11-15".to_string();
    finding.evidence = vec![Evidence {
        dataset: "tickets".to_string(),
        version: 41,
        filter: None,
    }];
    finding
}

fn sources() -> Vec<SourceNote> {
    let note = |name: &str, files: u64, records: u64, quarantined: Vec<(String, u64)>| SourceNote {
        name: name.to_string(),
        uri: format!("s3://records/{name}/**/*.jsonl.gz"),
        contract: name.trim_end_matches('s').to_string(),
        files,
        records,
        accepted: records - quarantined.iter().map(|(_, n)| n).sum::<u64>(),
        quarantined,
        duplicates: 0,
        broken_files: Vec::new(),
        unknown_fields: Vec::new(),
        missing_fields: Vec::new(),
        retyped_fields: Vec::new(),
        expectation: retrocast_domain::report::Expectation::default(),
        first_time: "2025-11-17T00:00:12Z".to_string(),
        last_time: "2026-11-15T23:59:41Z".to_string(),
        warnings: Vec::new(),
    };
    let mut tickets = note(
        "tickets",
        364,
        48_330,
        vec![
            (
                "severity is not one of low, medium, high, critical".to_string(),
                61,
            ),
            ("not JSON: expected value at column 1".to_string(), 33),
            ("created_at is missing".to_string(), 25),
        ],
    );
    tickets.duplicates = 212;
    tickets.unknown_fields = vec![("sentiment".to_string(), 1_204), ("colour".to_string(), 1)];
    let mut metrics = note("metrics", 52, 96_768, Vec::new());
    metrics.broken_files = vec![(
        "metrics/2026-11-11.jsonl.gz".to_string(),
        "gzip stream ends early".to_string(),
    )];
    vec![
        tickets,
        note("decisions", 364, 1_204_530, Vec::new()),
        metrics,
    ]
}

fn plan() -> Vec<PlanNode> {
    let node =
        |name: &str, kind: &str, inputs: &[&str], rows: Option<u64>, status: &str| PlanNode {
            name: name.to_string(),
            kind: kind.to_string(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            rows,
            status: status.to_string(),
        };
    let daily = ["stage.daily_failures"];
    let tickets = ["source.tickets"];
    let decisions = ["source.decisions"];
    vec![
        node("source.tickets", "source", &[], Some(48_211), "done"),
        node("source.decisions", "source", &[], Some(1_204_530), "done"),
        node("source.metrics", "source", &[], Some(96_768), "done"),
        node("stage.daily_failures", "sql", &tickets, Some(4_368), "done"),
        node("stage.ticket_quality", "quality", &tickets, None, "done"),
        node(
            "stage.key_figures",
            "kpi",
            &["source.tickets", "source.decisions"],
            None,
            "done",
        ),
        node("stage.rhythm", "temporal_pattern", &tickets, None, "done"),
        node("stage.unusual", "anomaly", &daily, None, "done"),
        node("stage.shifts", "change_point", &daily, None, "done"),
        node("stage.outlook", "forecast", &daily, None, "done"),
        node("stage.effectiveness", "effectiveness", &daily, None, "done"),
        node("stage.score_drift", "drift", &decisions, None, "not enough"),
        node("stage.cost", "command", &["source.metrics"], None, "failed"),
        node(
            "report.executive",
            "report",
            &[
                "stage.rhythm",
                "stage.unusual",
                "stage.outlook",
                "stage.effectiveness",
            ],
            None,
            "done",
        ),
    ]
}
