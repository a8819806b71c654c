use super::{
    headlines::{HEADLINES_MAX, headlines, order_findings},
    verdict::{VerdictInputs, effect_clause, verdict},
    *,
};
use retrocast_domain::{ActionRequest, CellStatus, Severity, Verdict, WindowSpec};

mod incomplete;

fn select(cells: &[Cell]) -> Vec<Finding> {
    headlines(&order_findings(cells, None, None))
}

fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ")
}

fn source(name: &str) -> SourceNote {
    SourceNote {
        name: name.to_string(),
        uri: String::new(),
        contract: String::new(),
        files: 1,
        records: 1,
        accepted: 1,
        quarantined: Vec::new(),
        duplicates: 0,
        broken_files: Vec::new(),
        unknown_fields: Vec::new(),
        missing_fields: Vec::new(),
        retyped_fields: Vec::new(),
        expectation: retrocast_domain::report::Expectation::default(),
        first_time: String::new(),
        last_time: String::new(),
        warnings: Vec::new(),
    }
}

fn week() -> Window {
    Window::parse("2026-W46", "UTC").expect("a window")
}

fn finding(stage: &str, kind: &str, severity: Severity, what: &str) -> Finding {
    let mut finding = Finding::new(stage, kind, "all", what);
    finding.severity = severity;
    finding.sentence = format!("{what}.");
    finding.chapter = crate::sample::chapter(kind);
    finding.request = Some(ActionRequest::new(what, "", "name an owner"));
    finding
}

fn cell(stage: &str, kind: &str, findings: Vec<Finding>) -> Cell {
    Cell {
        findings,
        chapter: crate::sample::chapter(kind),
        ..Cell::new(stage, kind)
    }
}

#[test]
fn one_noisy_stage_cannot_fill_the_page() {
    let noisy = (0..9)
        .map(|i| finding("unusual", "anomaly", Severity::Warning, &format!("day {i}")))
        .collect();
    let quiet = vec![finding(
        "rhythm",
        "weekday_effect",
        Severity::Warning,
        "Mondays",
    )];
    let chosen = select(&[
        cell("unusual", "anomaly", noisy),
        cell("rhythm", "temporal", quiet),
    ]);
    assert_eq!(chosen.len(), HEADLINES_MAX);
    assert_eq!(
        (chosen[0].what.as_str(), chosen[1].what.as_str()),
        ("Mondays", "day 0")
    );
}

/// Returns the severities of the headlines of stages with one finding each.
fn severities(severities: &[Severity]) -> Vec<Severity> {
    let cells: Vec<Cell> = severities
        .iter()
        .enumerate()
        .map(|(i, severity)| {
            let stage = format!("stage_{i}");
            cell(&stage, "kpi", vec![finding(&stage, "kpi", *severity, "x")])
        })
        .collect();
    select(&cells).iter().map(|f| f.severity).collect()
}

#[test]
fn informational_findings_only_fill_the_page() {
    use Severity::{Critical, Info, Notice, Warning};
    let check = |input: &[Severity], expected: &[Severity]| assert_eq!(severities(input), expected);
    check(&[], &[]);
    check(&[Info; 5], &[Info; 3]);
    check(&[Info, Info, Info, Warning], &[Warning, Info, Info]);
    check(
        &[Info, Notice, Warning, Critical],
        &[Critical, Warning, Notice],
    );
    check(
        &[Info, Notice, Warning, Warning, Warning, Info],
        &[Warning, Warning, Warning, Notice],
    );
    check(&[Warning; 20], &[Warning; HEADLINES_MAX]);
}

#[test]
fn all_warnings_come_before_informational_findings() {
    let warnings = ["one", "two", "three"];
    let warnings = warnings.map(|what| finding("unusual", "anomaly", Severity::Warning, what));
    let mut row = finding("counts", "fact", Severity::Info, "a row");
    row.confidence = 1.0;
    let tested = finding("rhythm", "weekday_effect", Severity::Info, "Mondays");
    let sentences = |cells: &[Cell]| -> Vec<String> {
        let chosen = select(cells);
        chosen.into_iter().map(|finding| finding.what).collect()
    };
    let cells = [
        cell("counts", "sql", vec![row]),
        cell("rhythm", "temporal_pattern", vec![tested]),
        cell("unusual", "anomaly", warnings.to_vec()),
    ];
    assert_eq!(sentences(&cells), ["one", "three", "two"]);
    assert_eq!(sentences(&cells[..2]), ["Mondays", "a row"]);
}

fn verdict_with(cells: &[Cell], asks: usize) -> String {
    let sources = [source("tickets")];
    let inputs = VerdictInputs {
        cells,
        sources: &sources,
        kpis: &[],
        effects: &[],
        asks,
        timezone: "UTC",
        ..VerdictInputs::default()
    };
    plain(&verdict(WindowSpec::Week, &inputs))
}

fn with_status(stage: &str, status: CellStatus) -> Cell {
    Cell {
        status,
        ..Cell::new(stage, "trend")
    }
}

fn not_run(stage: &str, reason: &str) -> Cell {
    let reason = reason.to_string();
    with_status(stage, CellStatus::NotRun { reason })
}

fn failure(stage: &str, message: &str) -> Cell {
    let message = message.to_string();
    with_status(stage, CellStatus::Failed { message })
}

#[test]
fn the_verdict_counts_findings_and_failures() {
    assert_eq!(
        verdict_with(&[], 0),
        "This week nothing was found that needs a decision."
    );
    let warn = finding("a", "anomaly", Severity::Warning, "x");
    assert_eq!(
        verdict_with(&[cell("a", "anomaly", vec![warn]), failure("b", "no")], 1),
        "This week needs attention: one warning; one stage failed, so the report is partial."
    );
    let empty = [SourceNote {
        accepted: 0,
        ..source("tickets")
    }];
    let inputs = VerdictInputs {
        cells: &[],
        sources: &empty,
        kpis: &[],
        effects: &[],
        asks: 0,
        timezone: "UTC",
        ..VerdictInputs::default()
    };
    assert_eq!(
        verdict(WindowSpec::Month, &inputs),
        "No record was accepted for this month, so it cannot be judged."
    );
}

#[test]
fn the_verdict_mentions_many_refused_records_and_uncompared_figures() {
    let kpi = |previous| Kpi {
        name: "Score".to_string(),
        subject: "all".to_string(),
        value: Some(96.5),
        interval: None,
        unit: "points".to_string(),
        text: "96.5".to_string(),
        interval_text: String::new(),
        previous,
        delta_text: String::new(),
        baseline: None,
        baseline_delta_text: String::new(),
        significant: false,
        direction: Direction::None,
        lower_is_better: false,
        target: None,
        target_text: String::new(),
        history: Vec::new(),
        earlier: Vec::new(),
        n: 100,
    };
    let verdict_text = |refused, kpis: &[Kpi]| {
        let sources = [SourceNote {
            records: 100,
            accepted: 100 - refused,
            quarantined: vec![("wrong type".to_string(), refused)],
            ..source("tickets")
        }];
        let inputs = VerdictInputs {
            cells: &[],
            sources: &sources,
            kpis,
            effects: &[],
            timezone: "UTC",
            ..VerdictInputs::default()
        };
        plain(&verdict(WindowSpec::Week, &inputs))
    };
    let calm = "This week nothing was found that needs a decision";
    assert_eq!(verdict_text(5, &[]), format!("{calm}."));
    assert_eq!(
        verdict_text(14, &[]),
        format!("{calm}: 14.0 % of the records were left out, so figures are based on the others.")
    );
    assert_eq!(
        verdict_text(0, &[kpi(None)]),
        format!("{calm}: the key figure has no value in the week before to compare with.")
    );
    assert_eq!(
        verdict_text(0, &[kpi(None), kpi(None)]),
        format!(
            "{calm}: neither of the two key figures has a value in the week before to compare with."
        )
    );
    assert_eq!(
        verdict_text(0, &[kpi(None), kpi(Some(90.0))]),
        format!("{calm}: neither of the two key figures shows a proven change.")
    );
    let more = VerdictInputs {
        kpis: &[kpi(Some(90.0)), kpi(Some(90.0))],
        has_more_kpis: true,
        timezone: "UTC",
        ..VerdictInputs::default()
    };
    assert_eq!(
        verdict(WindowSpec::Week, &more),
        format!("{calm}: neither of the two main key figures shows a proven change.")
    );
    // A single group has changed.
    let mut cell = Cell::new("figures", "kpi");
    let mut changed = kpi(Some(90.0));
    changed.significant = true;
    cell.group_kpis = vec![changed];
    let with_groups = VerdictInputs {
        cells: &[cell],
        kpis: &[kpi(Some(90.0)), kpi(Some(90.0))],
        timezone: "UTC",
        ..VerdictInputs::default()
    };
    assert!(verdict(WindowSpec::Week, &with_groups).ends_with(
        "neither of the two key figures shows a proven change for all records together."
    ));
    let notices = ["The records end on Wednesday.".to_string()];
    let short = VerdictInputs {
        notices: &notices,
        ..VerdictInputs::default()
    };
    assert_eq!(
        verdict(WindowSpec::Week, &short),
        "As far as the records of this week go, nothing was found that needs a decision."
    );
    // A target is missed if the whole interval misses it.
    let against = |interval| Kpi {
        target: Some(98.0),
        interval: Some(interval),
        ..kpi(Some(90.0))
    };
    assert_eq!(
        verdict_text(
            0,
            &[against([95.0, 97.5]), against([95.0, 99.0]), kpi(None)]
        ),
        format!(
            "{calm}: none of the three key figures shows a proven change, and one misses its target."
        )
    );
    let better = Kpi {
        significant: true,
        direction: Direction::Up,
        ..against([95.0, 97.5])
    };
    assert_eq!(
        verdict_text(0, &[better]),
        format!("{calm}: the key figure is better than before and misses its target.")
    );
}

#[test]
fn a_window_without_records_is_reported() {
    let cell = |records| Cell {
        records,
        ..Cell::new("ticket_figures", "kpi")
    };
    let empty = [cell(Some(0)), cell(None)];
    assert_eq!(
        verdict_with(&empty, 0),
        "No record falls in this week, so it cannot be judged: no record has a time."
    );
    let mut old = source("tickets");
    old.first_time = "2026-05-04T08:00:00Z".to_string();
    old.last_time = "2026-07-31T10:00:00Z".to_string();
    let inputs = VerdictInputs {
        cells: &empty,
        sources: std::slice::from_ref(&old),
        kpis: &[],
        effects: &[],
        asks: 0,
        timezone: "UTC",
        ..VerdictInputs::default()
    };
    assert_eq!(
        verdict(WindowSpec::Week, &inputs),
        "No record falls in this week, so it cannot be judged: the records are from 4 May \
         to 31 July 2026."
    );
    assert_eq!(
        notes::notes(&empty, &[], &[], &week()),
        ["No record falls in this week for Ticket figures."]
    );
    // A source with records is not reported as empty, and an empty one is named.
    let mut beat = source("beat");
    beat.first_time = "2026-05-04T08:00:00Z".to_string();
    beat.last_time = "2026-11-30T10:00:00Z".to_string();
    let node = |name: &str, inputs: &[&str]| PlanNode {
        name: name.to_string(),
        kind: String::new(),
        inputs: inputs.iter().map(ToString::to_string).collect(),
        rows: None,
        status: "done".to_string(),
    };
    let plan = [
        node("source.tickets", &[]),
        node("stage.rows", &["source.tickets"]),
        node("stage.ticket_figures", &["stage.rows"]),
        node("stage.beats", &["source.beat"]),
    ];
    let mut beats = cell(Some(0));
    beats.stage = "beats".to_string();
    let read = [old.clone(), beat];
    let texts = notes::notes(&[cell(Some(0)), beats], &read, &plan, &week());
    assert_eq!(
        texts[2..],
        [
            "No record of tickets falls in this week; the last is dated 31 July 2026.",
            "No record falls in this week for Beats."
        ]
    );
    // If the contract declares that silence means zero, a week without records is an ordinary week.
    let mut rare = source("incidents");
    rare.last_time = "2026-09-16T10:00:00Z".to_string();
    rare.expectation.fresh_hours = Some(20_000.0);
    let inputs = VerdictInputs {
        sources: &[rare],
        ..inputs
    };
    assert!(verdict(WindowSpec::Week, &inputs).starts_with("This week nothing was found"));
    let some = [cell(Some(0)), cell(Some(1))];
    assert!(verdict_with(&some, 0).starts_with("This week nothing was found"));
}

#[test]
fn the_verdict_judges_only_what_stages_analysed() {
    let message = "not enough: 2 days, 21 needed".to_string();
    let short = with_status("a", CellStatus::NotEnough { message });
    let failed_cell = failure("b", "no");
    let skipped = not_run("c", "stage.b failed");
    let done = Cell::new("d", "trend");
    assert_eq!(
        verdict_with(&[short.clone(), cell("rows", "sql", Vec::new())], 0),
        "This week cannot be judged."
    );
    assert_eq!(
        verdict_with(&[short, failed_cell.clone(), skipped.clone()], 0),
        "This week cannot be judged: one stage failed and one was not run, so the report is partial."
    );
    assert_eq!(
        verdict_with(&[done, failed_cell, skipped.clone(), skipped], 0),
        "In the part of this week that could be analysed, nothing was found that needs a decision: one stage \
         failed and two were not run, so the report is partial."
    );
}

#[test]
fn verdict_and_asks_do_not_contradict_each_other() {
    assert!(!verdict_with(&[], 1).contains("needs a decision"));
}

#[test]
fn requests_name_event_and_action() {
    let requesting = |subject: &str, request: ActionRequest| {
        let mut finding = finding("s", "trend", Severity::Warning, "x");
        (finding.subject, finding.request) = (subject.to_string(), Some(request));
        finding
    };
    let rises = ActionRequest::new("memory in use", "is rising", "name an owner");
    let quiet = ActionRequest::new("records stopped", "", "fix the data at its source");
    let mut harmful = crate::sample::sample().effects[0].clone();
    harmful.verdict = Verdict::Harmful;
    (harmful.title, harmful.date) = ("Canary".to_string(), "2026-10-05".to_string());
    (harmful.metric, harmful.lower_is_better) = ("failures in billing".to_string(), true);
    let mild = Finding {
        severity: Severity::Notice,
        ..requesting("all", rises.clone())
    };
    let findings = [
        requesting("service = worker", rises.clone()),
        requesting("service = worker", rises.clone()),
        requesting("dataset = ", quiet),
        mild,
        requesting("all", rises),
    ];
    assert_eq!(
        asks::asks(&findings, &[harmful], &[]),
        [
            "Failures in billing rose after “Canary” of 5 October 2026: decide whether to undo it.",
            "Memory in use in worker is rising: name an owner.",
            "Records stopped in (blank): fix the data at its source.",
            "Memory in use is rising: name an owner.",
        ]
    );
}

#[test]
fn source_notes_have_right_plurals() {
    let mut tickets = source("tickets");
    tickets.records = 12_345;
    tickets.accepted = 12_300;
    tickets.files = 14;
    tickets.quarantined = vec![("wrong type".to_string(), 30), ("late".to_string(), 15)];
    tickets.duplicates = 1;
    tickets.unknown_fields = vec![("colour".to_string(), 1)];
    tickets.broken_files = vec![("s3://bucket/raw/a.gz".to_string(), "cut off".to_string())];
    let mut single = tickets.clone();
    single.quarantined.pop();
    single.duplicates = 0;
    assert!(notes::source_notes(&single)[0].ends_with("left out (a value has the wrong type)."));
    (single.records, single.accepted) = (5, 3);
    let handful = plain(&notes::source_notes(&single)[0]);
    assert!(
        handful.starts_with("tickets: 5 records in 14 files, 3 accepted;"),
        "{handful}"
    );
    let notes: Vec<String> = notes::source_notes(&tickets)
        .iter()
        .map(|note| plain(note))
        .collect();
    assert_eq!(
        notes,
        [
            "tickets: 12 345 records in 14 files, 99.6 % accepted; 45 left out: 30 (a value has the \
             wrong type) and 15 (late); 1 duplicate.",
            "tickets: 1 file could not be read completely: a.gz (cut off).",
            "tickets: 1 field is not in the contract: colour (1 record).",
        ]
    );
}

#[test]
fn records_after_the_date_of_the_report_are_reported() {
    let mut ahead = source("incidents");
    ahead.last_time = "2026-08-10T23:30:00Z".to_string();
    let date = jiff::civil::date(2026, 8, 10);
    let texts = |timezone| notes::later_records(std::slice::from_ref(&ahead), timezone, date);
    assert!(texts("UTC").is_empty());
    assert_eq!(
        texts("Europe/London"),
        [
            "incidents: the newest record is dated 11 August 2026, which is after the date of this \
             report, 10 August 2026; records dated after the period are not counted."
        ]
    );
}

#[test]
fn data_scores_are_key_figures_only_without_others() {
    let sample = crate::sample::sample();
    let kpi = &sample.kpis[0];
    let with_kpi = |kind: &str, name: &str| Cell {
        kpis: vec![Kpi {
            name: name.to_string(),
            ..kpi.clone()
        }],
        chapter: crate::sample::chapter(kind),
        ..Cell::new(kind, kind)
    };
    let names = |cells: &[Cell]| -> Vec<String> {
        let kpis = key_figures(cells).into_iter();
        kpis.map(|kpi| kpi.name).collect()
    };
    let both = [with_kpi("quality", "Score"), with_kpi("kpi", "Failures")];
    assert_eq!(names(&both), ["Failures"]);
    assert_eq!(names(&both[..1]), ["Score"]);
}

#[test]
fn cells_come_in_reading_order() {
    let report = crate::sample::sample();
    let chapters: Vec<Chapter> = report.cells.iter().map(|cell| cell.chapter).collect();
    assert!(chapters.is_sorted(), "{chapters:?}");
    assert_eq!(chapters.first(), Some(&Chapter::Data));
}

#[test]
fn failures_are_reported_once_and_by_a_readable_name() {
    let cells = [
        failure("no_name", "stage.no_name: the query is wrong."),
        not_run("after", "stage.no_name failed"),
    ];
    assert_eq!(
        notes::notes(&cells, &[], &[], &week()),
        [
            "“No name” failed: the query is wrong.",
            "“After” was not run: stage.no_name failed."
        ]
    );
}
