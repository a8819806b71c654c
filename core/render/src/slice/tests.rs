//! Tests that no slice contains another slice's names, rows or counts.

use super::*;
use crate::{
    Layout, Templates, html,
    pdf::{self, pdf},
    report_json, sample,
};
use jiff::civil::date;
use retrocast_domain::{
    Align, ClosedImprovement, Direction, Effect, Finding, FindingState, Health, Kpi, ParamLine,
    Recommendation, Restatement, Restatements, Severity, WindowSpec,
    chart::{Bar, Panel, Role, Series},
    report::Provenance,
    table::Column,
};

/// A small deterministic generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Values that occur nowhere else, some hostile, some parts of others.
const VALUES: [&str; 9] = [
    "zqbilling",
    "zqbilling-eu",
    "ZQBilling",
    "zqmail, outbound",
    "zqmail",
    "</script><b>zqx",
    "#read(\"zqsecret\")",
    "支払zq",
    "zq a rather long name of a component",
];

fn kpi(value: &str, number: u64) -> Kpi {
    let json = serde_json::json!({
        "name": "Tickets", "subject": value, "value": number, "interval": null, "unit": "tickets",
        "text": format!("{number} tickets"), "interval_text": "", "previous": 1.0, "delta_text": "+1",
        "baseline": null, "baseline_delta_text": "", "significant": false, "direction": "up",
        "lower_is_better": true, "target": null, "target_text": "", "history": [1.0, 2.0, 3.0, 4.0],
        "n": number,
    });
    serde_json::from_value(json).unwrap()
}

fn times() -> Vec<jiff::civil::DateTime> {
    (1..=4)
        .map(|day| date(2026, 11, day).at(0, 0, 0, 0))
        .collect()
}

fn line(value: &str, title: String, other: &str) -> Chart {
    Chart {
        id: format!("shifts-{value}"),
        title,
        unit: "tickets per day".to_string(),
        alt: format!("Line of {value}; {other} is left out."),
        kind: ChartKind::Line {
            series: vec![Series {
                name: value.to_string(),
                times: times(),
                values: vec![Some(1.0); 4],
                role: Role::Observed,
            }],
            bands: Vec::new(),
            markers: Vec::new(),
            levels: Vec::new(),
        },
        table: None,
    }
}

fn by(columns: &str) -> Vec<ParamLine> {
    let value = columns.to_string();
    vec![ParamLine {
        name: "by".to_string(),
        value,
        set: true,
    }]
}

/// A count that only the report of all records may print.
const TOTAL: &str = "987654";

/// Builds cells whose items name their own value; some also name another.
fn cells(random: &mut Random) -> Vec<Cell> {
    let mut figures = Cell::new("figures", "kpi");
    figures.params = by("[\"component\"]");
    figures.did = format!("Measured {} groups with {TOTAL} records.", VALUES.len());
    figures.kpis = vec![kpi("all", 987_654)];
    let values = [Some(987_654.0), Some(987_655.0)];
    figures.restated = Some(Restatements {
        change_min: 0.0,
        windows: 1,
        figures: vec![Restatement::new("2026-W45", "Tickets", "tickets", values)],
        smaller: 0,
    });
    let mut shifts = Cell::new("shifts", "change_point");
    shifts.params = by("[\"component\"]");
    let mut two = Cell::new("two", "trend");
    two.params = by("[\"site\", \"component\"]");
    let mut rows = Cell::new("rows", "sql");
    rows.query = Some(format!(
        "select * from t where component <> '{}'",
        VALUES[0]
    ));
    let mut advice = Cell::new("advice", "recommendation");
    let mut register = Cell::new("register", "effectiveness");
    let mut table = Table::new(
        format!("The first rows of {TOTAL}."),
        &["<component", ">tickets"],
    );
    table.more = 987_654;
    let mut groups = Table::new("Shifts of the level", &["<group", ">change"]);
    let mut panels = Vec::new();
    for (i, value) in VALUES.iter().enumerate() {
        let other = VALUES[(i + 1 + random.below(VALUES.len() as u64 - 1) as usize) % VALUES.len()];
        let names_other = random.below(3) == 0;
        let also = if names_other {
            format!(" As in {other}.")
        } else {
            String::new()
        };
        let number = 1000 + 7 * i as u64 + random.below(5) * 100_000;
        figures.group_kpis.push(kpi(value, number));
        panels.push(Panel {
            label: (*value).to_string(),
            times: times(),
            values: vec![Some(1.0), Some(2.0), None, Some(4.0)],
            note: format!("{number}"),
            highlight: false,
        });
        let mut finding = Finding::new(
            "shifts",
            "change_point",
            &format!("component = {value}"),
            "rise",
        );
        finding.severity = Severity::Warning;
        finding.direction = Direction::Up;
        finding.sentence = format!("Tickets in {value} rose to {number}.{also}");
        finding.caveats = vec![format!("{other} moved at the same time.")];
        let finding = finding.number("peers", other);
        shifts.findings.push(finding.clone());
        shifts.charts.push(line(
            value,
            format!("Tickets in {value} rose{also}"),
            if names_other { other } else { "nothing" },
        ));
        let subject = format!("site / component = north / {value}");
        two.findings.push(Finding {
            id: format!("two{i}"),
            subject,
            stage: "two".to_string(),
            ..finding
        });
        table.push([(*value).to_string(), number.to_string()]);
        groups.push([(*value).to_string(), format!("+{number}")]);
        let health = serde_json::json!({
            "component": value, "score": 50.0, "state": "good", "parts": [], "previous": null,
            "poor_times": 0, "falls": 0,
        });
        advice
            .health
            .push(serde_json::from_value::<Health>(health).unwrap());
        let recommendation = serde_json::json!({
            "id": format!("r{i}"), "rule": "r", "title": format!("Fix {value}"), "category": "c",
            "component": value, "metric": "", "actions": [], "effort_days": 1.0, "risk": "low",
            "expected": [-0.4, -0.6, -0.2], "confidence": 1.0, "past": {"worked": 0, "judged": 0},
            "state": "open", "since": "", "times": 1, "expires": "", "severity": "notice",
            "findings": [], "evidence": format!("{value} failed.{also}"),
        });
        advice
            .recommendations
            .push(serde_json::from_value::<Recommendation>(recommendation).unwrap());
        let id = format!("IMP-{i}");
        let mut works = Finding::new("register", "effect", &format!("component = {value}"), &id);
        works.sentence = format!("{id} works in {value}.");
        register
            .findings
            .push(works.number("improvement", id.clone()));
        let effect = serde_json::json!({
            "improvement": id, "title": format!("Change of {value}"), "date": "2026-10-05",
            "metric": format!("failures in {value}"), "unit": "failures per day", "lower_is_better": true,
            "before": 4.0, "after": 2.0, "counterfactual": 4.0, "absolute": [-2.0, -3.0, -1.0],
            "relative": [-0.5, -0.75, -0.25], "placebo_p": 0.01, "placebos": 9, "days_before": 90,
            "days_after": 30, "controls": [other], "verdict": "works",
        });
        register
            .effects
            .push(serde_json::from_value::<Effect>(effect).unwrap());
    }
    let alt = format!("Panels of {}.", VALUES.join(", "));
    let chart = |kind, title: &str| Chart {
        id: format!("figures-{title}"),
        title: format!("{title} by component: {} of {TOTAL}", VALUES.len()),
        unit: "tickets".to_string(),
        alt: alt.clone(),
        kind,
        table: Some(table.clone()),
    };
    let bar = |value: &&str| Bar {
        label: (*value).to_string(),
        value: 1.0,
        interval: None,
        text: String::new(),
        highlight: false,
    };
    let bars = ChartKind::Bars {
        bars: VALUES.iter().map(bar).collect(),
        baseline: 0.0,
        baseline_label: String::new(),
        horizontal: true,
    };
    figures.charts = vec![
        chart(ChartKind::SmallMultiples { panels }, "Tickets"),
        chart(bars, "Share"),
    ];
    shifts.caveats = vec![
        format!("{TOTAL} groups have too few records."),
        format!("{} is new.", VALUES[1]),
    ];
    shifts.tables = vec![groups];
    rows.tables = vec![table];
    let wide = Column {
        title: "n".to_string(),
        align: Align::Right,
    };
    let mut totals = Table {
        columns: vec![wide],
        ..Table::default()
    };
    totals.rows.push(vec![TOTAL.to_string()]);
    rows.tables.push(totals);
    let mut quality = Cell::new("quality", "quality").in_chapter(Chapter::Data);
    let mut files = Finding::new("quality", "quality", "dataset = tickets", "files");
    files.severity = Severity::Critical;
    files.sentence = format!("{}.jsonl of {TOTAL} is cut off.", VALUES[2]);
    quality.findings = vec![files];
    vec![quality, figures, shifts, two, rows, advice, register]
}

/// A closed improvement of each value, whose reason names another value for every second one.
fn closed() -> Vec<ClosedImprovement> {
    let values = VALUES.iter().enumerate();
    let closed = values.map(|(i, value)| ClosedImprovement {
        improvement: format!("closed-{i}"),
        title: "Cache".to_string(),
        component: (*value).to_string(),
        date: None,
        closed: date(2026, 11, 3),
        who: "Ann".to_string(),
        why: match i % 2 {
            0 => "It works".to_string(),
            _ => format!("Done as in {}", VALUES[(i + 1) % VALUES.len()]),
        },
        cost: None,
        measurements: Vec::new(),
    });
    closed.collect()
}

fn inputs(seed: u64) -> ReportInputs {
    let sample = sample::sample();
    let window = WindowSpec::Week.last_complete(date(2026, 11, 16), "UTC");
    let cells = cells(&mut Random(seed));
    let findings: Vec<Finding> = cells
        .iter()
        .flat_map(|cell| cell.findings.clone())
        .collect();
    let mut gone = findings.clone();
    for finding in &mut gone {
        finding.id = format!("old{}", finding.id);
    }
    let decision = |(i, finding): (usize, &Finding)| FindingDecision {
        finding: finding.id.clone(),
        state: FindingState::Acknowledged,
        who: format!("Owner of {}", VALUES[(i + 2) % VALUES.len()]),
        date: date(2026, 11, 10),
        why: format!("Caused by {}", VALUES[(i + 1) % VALUES.len()]),
        until: None,
    };
    let decisions = findings.iter().enumerate().map(decision).collect();
    let mut plan = sample.plan.clone();
    plan.push(PlanNode {
        name: format!("stage.{}", VALUES[0]),
        rows: Some(987_654),
        ..plan[0].clone()
    });
    let mut sources = sample.sources.clone();
    sources[0].broken_files = vec![(format!("{}.jsonl", VALUES[3]), "cut".to_string())];
    ReportInputs {
        job: "weekly".to_string(),
        title: "Review".to_string(),
        owner: String::new(),
        window,
        date: date(2026, 11, 16),
        cells,
        sources,
        plan,
        decisions,
        closed: closed(),
        earlier: Some(EarlierReport::new(
            "2026-W45",
            &[findings, gone].concat(),
            None,
        )),
        provenance: Provenance {
            command: format!("retrocast run weekly --set only={}", VALUES[4]),
            ..sample.provenance
        },
    }
}

/// The other values that a text contains, apart from those within occurrences of `own`.
fn foreign_values(text: &str, own: &str) -> Vec<&'static str> {
    let without = text.replace(own, "\u{1}");
    let others = VALUES.iter().copied();
    let others = others.filter(|other| *other != own && !own.contains(other));
    others
        .filter(|other| {
            let text = if other.contains(own) { text } else { &without };
            text.contains(other)
        })
        .collect()
}

#[test]
fn slices_contain_nothing_about_other_values() {
    let known: BTreeSet<String> = VALUES.iter().map(ToString::to_string).collect();
    let names = Names::new(VALUES);
    for seed in 0..24 {
        let run_inputs = inputs(seed);
        for shared in [false, true] {
            let slicer = Slicer {
                inputs: &run_inputs,
                column: "component",
                names: &names,
                known: &known,
                shared,
                health: "good",
            };
            for value in VALUES {
                let report = slicer.report(value);
                let data = serde_json::to_string(&report).unwrap();
                let unescaped: String = texts(&serde_json::to_value(&report).unwrap()).join("\n");
                assert_eq!(
                    foreign_values(&unescaped, value),
                    [""; 0],
                    "{value}: {data}"
                );
                assert!(shared || !data.contains(TOTAL), "{value}: {data}");
                let findings = report.cells.iter().flat_map(|cell| &cell.findings);
                assert!(findings.clone().any(|finding| finding.decision.is_some()));
                let restated = report.cells.iter().any(|cell| cell.restated.is_some());
                assert_eq!(restated, shared);
                // The slice contains the value itself, with its numbers.
                let cell = |stage: &str| report.cells.iter().find(|cell| cell.stage == stage);
                assert_eq!(cell("figures").unwrap().charts.len(), 1);
                assert!(report.kpis.iter().any(|kpi| kpi.subject == value));
                let rows = &cell("rows").unwrap().tables[0].rows;
                assert!(rows.len() == 1 && rows[0][0] == value, "{rows:?}");
                for layout in Layout::ALL {
                    let page = html::report(&report, layout).unwrap();
                    assert_eq!(foreign_values(&page, value), [""; 0], "{value}");
                    assert!(shared || !page.contains(TOTAL) && !page.contains("987\u{202f}654"));
                }
            }
        }
    }
}

/// All strings in a JSON value, and the names of its fields.
fn texts(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(items) => items.iter().flat_map(texts).collect(),
        serde_json::Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| [vec![key.clone()], texts(value)].concat())
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn slices_are_printed_and_attach_their_own_data() {
    let run_inputs = inputs(7);
    let known: BTreeSet<String> = [VALUES[0].to_string()].into();
    let names = Names::new(VALUES);
    let slicer = Slicer {
        inputs: &run_inputs,
        column: "component",
        names: &names,
        known: &known,
        shared: false,
        health: "fair",
    };
    let _batch = pdf::batch();
    for (value, verdict) in [(VALUES[0], "This week"), (VALUES[4], "There is no record")] {
        let report = slicer.report(value);
        assert!(report.verdict.starts_with(verdict), "{}", report.verdict);
        for layout in Layout::ALL {
            let first = pdf(&report, layout, &Templates::built_in()).unwrap();
            let second = pdf(&report, layout, &Templates::built_in()).unwrap();
            assert_eq!(first, second);
        }
        assert!(!report_json(&report).unwrap().is_empty());
    }
}
