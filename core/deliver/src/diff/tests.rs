use super::*;
use retrocast_domain::{
    Cell, CellStatus, DatasetRef, Direction, Effect, Finding, Kpi, Magnitude, Severity, Verdict,
};
use serde_json::{Value, json};
use std::fs;

/// A run under construction, with its folder.
struct Run {
    folder: tempfile::TempDir,
    plan: Value,
    cells: Vec<Cell>,
}

impl Run {
    fn new(run: &str, week: u32) -> Self {
        let start: jiff::civil::Date = "2026-11-02".parse().unwrap();
        let start = start.saturating_add(jiff::Span::new().weeks(i64::from(week) - 45));
        let end = start.saturating_add(jiff::Span::new().weeks(1));
        let query = format!("select 1\nfrom tickets\nwhere at >= '{start}T00:00:00Z'\nlimit 5");
        let node = |name: &str, kind: &str, config: Value, inputs: Value| {
            json!({"name": name, "kind": kind, "title": "", "config": config, "inputs": inputs,
                "code_version": 2, "contract_hash": "", "optional": false})
        };
        let plan = json!({
            "job": "weekly", "title": "Weekly review", "owner": "ops@example.org", "run": run,
            "label": format!("2026-W{week}"), "date": end, "build": "retrocast 1", "seed": 1,
            "window": {"spec": "week", "start": start, "end": end, "timezone": "UTC"},
            "compare": ["previous"], "params": {"records": "/data"},
            "records": {"source.tickets": "aa"},
            "nodes": [
                node("source.tickets", "source", json!({"uri": "/data/*.jsonl", "contract": "ticket"}), json!([])),
                node("stage.recent", "sql", json!({"query": query}), json!(["source.tickets"])),
                node("stage.figures", "kpi", json!({"metrics": [{"name": "Failures", "target": 0.9}]}), json!(["source.tickets"])),
                node("stage.effects", "effectiveness", json!({}), json!(["source.tickets"])),
                node("report.executive", "report", json!({"report": "executive", "title": "Weekly review", "owner": "ops@example.org"}), json!(["stage.figures"])),
            ],
        });
        let mut source = Cell::new("tickets", "source");
        source.output = Some(DatasetRef {
            name: "tickets".to_string(),
            version: 1,
            rows: 12_000,
        });
        Self {
            folder: tempfile::tempdir().unwrap(),
            plan,
            cells: vec![
                source,
                Cell::new("recent", "sql"),
                Cell::new("figures", "kpi"),
                Cell::new("effects", "effectiveness"),
            ],
        }
    }

    fn cell(&mut self, stage: &str) -> &mut Cell {
        self.cells
            .iter_mut()
            .find(|cell| cell.stage == stage)
            .unwrap()
    }

    fn node(&mut self, name: &str) -> &mut Value {
        let nodes = self.plan["nodes"].as_array_mut().unwrap();
        nodes.iter_mut().find(|node| node["name"] == name).unwrap()
    }

    fn write(&self) {
        let folder = self.folder.path();
        fs::create_dir_all(folder.join("cells")).unwrap();
        fs::write(folder.join("plan.json"), self.plan.to_string()).unwrap();
        fs::write(folder.join("job.toml"), "title = \"x\"").unwrap();
        let end = r#"{"time":"2026-11-16T09:00:00Z","event":"run_finished","status":"complete"}"#;
        fs::write(folder.join("journal.jsonl"), format!("{end}\n")).unwrap();
        for cell in &self.cells {
            let path = folder.join("cells").join(format!("{}.json", cell.stage));
            fs::write(path, serde_json::to_vec(cell).unwrap()).unwrap();
        }
    }
}

fn compare_runs(old: &Run, new: &Run) -> Difference {
    old.write();
    new.write();
    diff(old.folder.path(), new.folder.path()).unwrap()
}

/// The text with plain spaces and minus signs.
fn plain_text(difference: &Difference) -> String {
    difference
        .text()
        .replace(['\u{a0}', '\u{202f}'], " ")
        .replace('−', "-")
}

fn finding(what: &str, value: f64, severity: Severity) -> Finding {
    let mut finding = Finding::new("figures", "trend", "all", what);
    finding.magnitude = Some(Magnitude::interval95(value, value - 1.0, value + 1.0, "ms"));
    finding.sentence = format!("{what} is {value} ms now.").replace(" ms", "\u{a0}ms");
    finding.severity = severity;
    finding
}

fn kpi(name: &str, value: f64, previous: Option<f64>, significant: bool) -> Kpi {
    Kpi {
        name: name.to_string(),
        subject: "all".to_string(),
        value: Some(value),
        interval: Some([value - 10.0, value + 10.0]),
        unit: "tickets".to_string(),
        text: format!("{value} tickets"),
        interval_text: String::new(),
        previous,
        delta_text: String::new(),
        baseline: None,
        baseline_delta_text: String::new(),
        significant,
        direction: if value > 0.0 {
            Direction::Up
        } else {
            Direction::None
        },
        lower_is_better: true,
        target: Some(120.0),
        target_text: "120".to_string(),
        history: Vec::new(),
        earlier: Vec::new(),
        n: 1,
    }
}

fn effect(improvement: &str, verdict: Verdict) -> Effect {
    serde_json::from_value(json!({
        "improvement": improvement, "title": format!("Title of {improvement}"),
        "date": "2026-10-01", "metric": "failures", "unit": "a day", "lower_is_better": true,
        "before": 2.0, "after": 1.0, "counterfactual": 2.0, "absolute": [-1.0, -2.0, -0.5],
        "relative": [-0.5, -0.6, -0.4], "placebo_p": 0.01, "placebos": 9, "days_before": 90,
        "days_after": 20, "controls": [], "verdict": verdict,
    }))
    .unwrap()
}

#[test]
fn two_weeks_of_a_job_are_compared() {
    let (mut old, mut new) = (Run::new("r1", 45), Run::new("r2", 46));
    old.cell("figures").findings = vec![
        finding("latency", 100.0, Severity::Notice),
        finding("memory", 50.0, Severity::Notice),
        finding("errors", 7.0, Severity::Info),
        finding("restarts", 3.0, Severity::Info),
    ];
    new.cell("figures").findings = vec![
        finding("latency", 150.0, Severity::Notice),
        finding("memory", 50.0, Severity::Warning),
        finding("errors", 7.5, Severity::Info),
        finding("queue", 9.0, Severity::Critical),
    ];
    old.cell("figures").kpis = vec![
        kpi("Failures", 100.0, None, false),
        kpi("Calls", 50.0, None, false),
    ];
    new.cell("figures").kpis = vec![
        kpi("Calls", 52.0, Some(50.0), false),
        kpi("Failures", 150.0, Some(100.0), true),
    ];
    old.cell("effects").effects = vec![
        effect("I-1", Verdict::Unclear),
        effect("I-2", Verdict::Works),
    ];
    new.cell("effects").effects = vec![
        effect("I-1", Verdict::Works),
        effect("I-2", Verdict::Works),
        effect("I-3", Verdict::TooEarly),
    ];
    let claim = |id: &str| {
        let mut finding = Finding::new("effects", "effect", "all", id).number("improvement", id);
        finding.sentence = format!("Sentence on {id}.");
        finding
    };
    old.cell("effects").findings = vec![claim("I-1")];
    new.cell("effects").findings = vec![claim("I-1"), claim("I-3")];
    let difference = compare_runs(&old, &new);
    let text = plain_text(&difference);
    let expected = "\
Weekly review (weekly)
from  2026-W45  2 to 8 November 2026   run r1, complete
to    2026-W46  9 to 15 November 2026  run r2, complete

1 finding is new, 1 is resolved, 2 changed and 1 persists, with figures that moved within their
intervals.
2 of 2 figures moved, 1 of them more than chance would explain.
1 improvement is judged for the first time, 1 is judged differently and 1 is judged as before.
The same job, program and records.

New findings
  critical  queue is 9 ms now.

Resolved findings
  info      restarts is 3 ms now.

Changed findings
  warning   memory is 50 ms now.
            before: notice
  notice    latency is 150 ms now.
            before: 100 ms

Figures        2026-W45     2026-W46
  Failures  100 tickets  150 tickets   +50 %  proven worse, target 120 missed now
  Calls      50 tickets   52 tickets  +4.0 %

Improvements
  was not proven  Sentence on I-1.
  new             Sentence on I-3.
";
    assert_eq!(text, expected);
    assert!(
        difference.config.settings.is_empty(),
        "the query differs by its window alone"
    );
    let value = serde_json::to_value(&difference).unwrap();
    assert_eq!(value["findings"]["unchanged"][0]["value"]["new"], 7.5);
    assert_eq!(value["metrics"][0]["beyond_chance"], true);
    assert_eq!(value["effects"].as_array().unwrap().len(), 3);

    // In the other direction, the same test compares the same two windows.
    let back = diff(new.folder.path(), old.folder.path()).unwrap();
    assert_eq!(back.metrics[0].beyond_chance, Some(true));
    assert_eq!(back.metrics[0].better, Some(true));
    assert_eq!(back.findings.new[0].what, "restarts");
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let mut run = Run::new("r1", 45);
    run.cell("figures").findings = vec![finding("latency", 100.0, Severity::Notice)];
    run.cell("figures").kpis = vec![kpi("Failures", 100.0, None, false)];
    let text = plain_text(&compare_runs(&run, &run));
    assert!(text.ends_with("complete\n\nNothing differs.\n"), "{text}");
}

#[test]
fn findings_of_stages_that_a_run_did_not_reach_are_not_compared() {
    let (mut old, mut new) = (Run::new("r1", 45), Run::new("r2", 46));
    for run in [&mut old, &mut new] {
        run.cell("figures").kpis = vec![kpi("Failures", 100.0, None, false)];
    }
    old.cell("figures").findings = vec![finding("latency", 100.0, Severity::Notice)];
    old.cell("recent").findings = vec![finding("queue", 1.0, Severity::Notice)];
    old.cell("effects").effects = vec![effect("I-1", Verdict::Works)];
    let message = "tickets: no file matches /data/*.jsonl".to_string();
    new.cell("tickets").status = CellStatus::Failed { message };
    new.cell("tickets").output = None;
    for stage in ["figures", "effects"] {
        let reason = "source.tickets failed".to_string();
        new.cell(stage).status = CellStatus::NotRun { reason };
    }
    // As if the process had been killed before this cell was written.
    new.cells.retain(|cell| cell.stage != "recent");
    old.write();
    new.write();
    fs::write(new.folder.path().join("journal.jsonl"), "{\"time\":\"20").unwrap();
    let difference = diff(old.folder.path(), new.folder.path()).unwrap();
    assert_eq!(difference.runs.new.status, RunStatus::Interrupted);
    assert!(difference.findings.resolved.is_empty() && difference.findings.new.is_empty());
    let text = plain_text(&difference);
    for expected in [
        "2 findings are not compared: the second run has no results of stage.figures and stage.recent.",
        "  tickets   the second run did not read them",
        "  failed    source.tickets: tickets: no file matches /data/*.jsonl",
        "  not run   stage.figures and stage.effects",
        "  not reached  stage.recent",
    ] {
        let spaces = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            spaces(&text).contains(&spaces(expected)),
            "{expected}\n{text}"
        );
    }
    assert!(
        !text.contains("Improvements") && !text.contains("Figures"),
        "{text}"
    );
}

#[test]
fn too_little_data_resolves_no_findings() {
    let (mut old, mut new) = (Run::new("r1", 45), Run::new("r2", 46));
    new.cell("figures").findings = vec![finding("latency", 100.0, Severity::Notice)];
    old.cell("figures").status = CellStatus::NotEnough {
        message: "9 days, 21 needed".to_string(),
    };
    let difference = compare_runs(&old, &new);
    assert_eq!(difference.findings.new.len(), 1);
    let back = diff(new.folder.path(), old.folder.path()).unwrap();
    assert!(back.findings.resolved.is_empty());
    assert_eq!(back.findings.not_compared[0].findings, 1);
    let text = plain_text(&back);
    assert!(
        text.contains("  not enough  stage.figures: 9 days, 21 needed\n"),
        "{text}"
    );
}

#[test]
fn differing_settings_are_listed_once() {
    let (old, mut new) = (Run::new("r1", 45), Run::new("r2", 45));
    new.plan["params"] = json!({"records": "/other"});
    new.plan["build"] = json!("retrocast 2");
    new.plan["records"] = json!({"source.tickets": "bb"});
    new.node("source.tickets")["config"]["uri"] = json!("/other/*.jsonl");
    let query = new.node("stage.recent")["config"]["query"]
        .as_str()
        .unwrap();
    let query = query.replace("limit 5", "order by 1\nlimit 9");
    new.node("stage.recent")["config"]["query"] = json!(query);
    new.node("stage.figures")["config"]["metrics"][0]["target"] = json!(0.95);
    new.node("stage.figures")["code_version"] = json!(3);
    new.node("stage.effects")["name"] = json!("stage.works");
    let difference = compare_runs(&old, &new);
    let places: Vec<_> = difference
        .config
        .settings
        .iter()
        .map(|setting| format!("{} {}", setting.place, setting.key))
        .collect();
    assert_eq!(
        places,
        [
            "program build",
            "params records",
            "program code of kpi",
            "stage.recent query",
            "stage.figures metrics.Failures.target",
        ]
    );
    let text = plain_text(&difference);
    for expected in [
        "The job, the program and the records of tickets differ.",
        "  version      retrocast 1 → retrocast 2\n  code of kpi  2 → 3\n",
        "stage.works                       only in the second run\n",
        "- limit 5\n",
        "+ order by 1\n",
        "0.9 → 0.95\n",
        "different records, the same number",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(
        !text.contains("select 1"),
        "only the lines that differ\n{text}"
    );
}

#[test]
fn comparing_runs_of_two_jobs_prints_a_note() {
    let (old, mut new) = (Run::new("r1", 45), Run::new("r2", 45));
    new.plan["job"] = json!("monthly");
    let text = plain_text(&compare_runs(&old, &new));
    assert!(text.starts_with("from  weekly   2026-W45"), "{text}");
    assert!(text.contains("These are runs of two jobs"), "{text}");
    assert!(
        text.ends_with("The same program and records; the job differs.\n"),
        "{text}"
    );
}

#[test]
fn hostile_texts_are_escaped_and_unreadable_files_are_named() {
    let (mut old, mut new) = (Run::new("r1", 45), Run::new("r2", 46));
    let hostile = "a\u{1b}[2Jb\nNew findings\n  critical  forged\u{202e}";
    new.plan["title"] = json!(hostile);
    old.plan["params"] = json!({ hostile: hostile });
    let mut hostile_finding = finding("x", 1.0, Severity::Info);
    hostile_finding.sentence = format!("{hostile}{}", "x".repeat(1 << 20));
    new.cell("figures").findings = vec![hostile_finding];
    new.cell("figures").kpis = vec![kpi(hostile, 1.0, None, false)];
    old.write();
    new.write();
    fs::write(old.folder.path().join("cells/effects.json"), "{").unwrap();
    let difference = diff(old.folder.path(), new.folder.path()).unwrap();
    let text = plain_text(&difference);
    assert_eq!(text.matches("\nNew findings\n").count(), 1, "{text}");
    assert!(
        !text.contains(['\u{1b}', '\u{202e}']) && text.len() < 6000,
        "{}",
        text.len()
    );
    assert!(
        text.contains("Left out\n") && text.contains("effects.json is invalid"),
        "{text}"
    );

    fs::remove_file(old.folder.path().join("plan.json")).unwrap();
    let error = diff(old.folder.path(), new.folder.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("plan.json"), "{error}");
}
