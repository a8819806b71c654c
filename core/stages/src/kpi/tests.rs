//! Figures are right, changes that are there are told, changes that are not there are not.

use super::*;
use crate::series::test_data::Noise;
use crate::{Input, Stop};
use retrocast_domain::{ChartKind, DatasetRef, Direction, Window, window::Comparison};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000_000;
/// Monday 31 August 2026.
const START: i64 = 20_696 * DAY;

/// Runs on `weeks` weeks up to 15 November 2026: how many a day and which share is "ok" in a week.
fn runs(
    weeks: i64,
    seed: u64,
    mut a_day: impl FnMut(i64) -> f64,
    ok: impl Fn(i64) -> f64,
) -> DataFrame {
    let mut noise = Noise(seed);
    let (mut at, mut status, mut minutes, mut part) = (vec![], vec![], vec![], vec![]);
    let begin = START + (11 - weeks) * 7 * DAY;
    for day in 0..weeks * 7 {
        for i in 0..noise.poisson(a_day(day)) {
            at.push(begin + day * DAY + DAY / 2 + i as i64);
            status.push(if noise.uniform() < ok(day / 7) {
                "ok"
            } else {
                "failed"
            });
            minutes.push((60.0 + 10.0 * noise.normal()).abs());
            part.push(if i % 2 == 0 { "billing" } else { "search" });
        }
    }
    let at = Column::new("at".into(), at);
    let at = at
        .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
        .unwrap();
    let columns = vec![
        at,
        Column::new("status".into(), status),
        Column::new("minutes".into(), minutes),
        Column::new("component".into(), part),
    ];
    DataFrame::new(columns[0].len(), columns).unwrap()
}

fn measure(frame: DataFrame, params: Value) -> Analysis {
    let context = Context {
        stage: "figures".to_string(),
        title: String::new(),
        window: Window::parse("2026-W46", "UTC").unwrap(),
        compare: vec![Comparison::Previous, Comparison::Windows(4)],
        seed: 1,
        stop: Stop::default(),
    };
    let rows = frame.height() as u64;
    let dataset = DatasetRef {
        name: "runs".to_string(),
        version: 2,
        rows,
    };
    let input = Input {
        frame,
        dataset,
        source: None,
        time: Some("at".to_string()),
        refused: None,
    };
    let mut params = params;
    params["input"] = json!("runs");
    run(
        &context,
        &params,
        &Inputs::from([("runs".to_string(), input)]),
    )
    .unwrap()
}

fn success() -> Value {
    json!({"metrics": [{
        "name": "Success rate", "kind": "share", "where_column": "status", "equals": ["ok"],
        "target": 0.95,
    }]})
}

fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ").replace('−', "-")
}

#[test]
fn a_fall_is_told_with_its_size() {
    let frame = runs(11, 3, |_| 200.0, |week| if week == 10 { 0.9 } else { 0.97 });
    let analysis = measure(frame, success());
    let cell = analysis.cell;
    println!("{}\n{:#?}", cell.did, cell.tables[0].rows);
    for finding in &cell.findings {
        println!("{}", plain(&finding.sentence));
    }
    let kpi = &cell.kpis[0];
    assert!(kpi.significant && kpi.direction == Direction::Down);
    assert!((kpi.value.unwrap() - 0.9).abs() < 0.03);
    assert_eq!(kpi.history.len(), 12);
    assert!(kpi.history[0].is_none() && kpi.history[11] == kpi.value);
    assert!(
        plain(&kpi.delta_text).ends_with(" points"),
        "{}",
        kpi.delta_text
    );
    assert_eq!(plain(&kpi.target_text), "95.0 %");
    let kinds: Vec<_> = cell
        .findings
        .iter()
        .map(|f| (f.what.as_str(), f.p.is_some()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("Success rate", true),
            ("Success rate against its target", false)
        ]
    );
    assert_eq!(analysis.frame.unwrap().height(), 1);
}

/// Weeks of 200 in which a change is told although nothing changed.
fn false_changes(day_noise: f64) -> usize {
    (0..200)
        .filter(|&seed| {
            let mut noise = Noise(seed * 104_729 + 7);
            let a_day = move |_| 30.0 * f64::exp(day_noise * noise.normal());
            let frame = runs(11, seed + 1, a_day, |_| 0.95);
            let params = json!({"alpha": 0.05, "change_min": 0.0, "metrics": [
                {"name": "Runs", "kind": "count"},
                {"name": "Success", "kind": "share", "where_column": "status", "equals": ["ok"]},
                {"name": "Mean", "kind": "mean", "value": "minutes"},
                {"name": "Median", "kind": "median", "value": "minutes"},
            ]});
            !measure(frame, params).cell.findings.is_empty()
        })
        .count()
}

#[test]
fn changes_that_are_not_there_are_not_told() {
    for day_noise in [0.0, 0.3, 0.8] {
        let claims = false_changes(day_noise);
        println!("day noise {day_noise}: {claims} of 200");
        // 5 % of 200 and two and a half standard errors.
        assert!(claims <= 17, "{claims} of 200 with day noise {day_noise}");
    }
}

#[test]
fn figures_of_a_known_week() {
    let days = |micros: Vec<i64>| {
        let column = Column::new("at".into(), micros);
        column
            .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
            .unwrap()
    };
    // Ten records in the week of 9 November, five in the week before.
    let now = START + 70 * DAY;
    let at: Vec<i64> = (0..10)
        .map(|i| now + i * DAY / 2)
        .chain((0..5).map(|i| now - 7 * DAY + i * DAY))
        .collect();
    let minutes: Vec<f64> = (1..=15).map(f64::from).collect();
    let frame = DataFrame::new(15, vec![days(at), Column::new("minutes".into(), minutes)]).unwrap();
    let metrics = json!({"metrics": [
        {"name": "Records", "kind": "count"},
        {"name": "Rate", "kind": "rate"},
        {"name": "Sum", "kind": "sum", "value": "minutes", "unit": "min"},
        {"name": "Mean", "kind": "mean", "value": "minutes"},
        {"name": "Median", "kind": "median", "value": "minutes", "unit": "min"},
        {"name": "Top", "kind": "percentile", "p": 0.9, "value": "minutes"},
    ]});
    let cell = measure(frame, metrics).cell;
    let texts: Vec<_> = cell.kpis.iter().map(|kpi| plain(&kpi.text)).collect();
    assert_eq!(
        texts,
        [
            "10 records",
            "1.43 per day",
            "55 min",
            "5.50",
            "5.5 min",
            "9.10"
        ]
    );
    let deltas: Vec<_> = cell.kpis.iter().map(|kpi| plain(&kpi.delta_text)).collect();
    assert_eq!(deltas[..3], ["+100 %", "+100 %", "-15 %"]);
    assert_eq!(plain(&cell.kpis[0].interval_text), "5 – 18 records");
    assert!(cell.kpis[..3].iter().all(|kpi| !kpi.significant));
    assert!(cell.caveats[0].contains("fewer than 5 earlier windows"));
}

#[test]
fn groups_have_rows_and_panels() {
    let params = json!({"by": ["component"], "metrics": [{"name": "Runs", "kind": "count", "unit": "runs"}]});
    let analysis = measure(runs(11, 9, |_| 20.0, |_| 0.9), params);
    let cell = analysis.cell;
    let names: Vec<_> = cell.tables[1]
        .rows
        .iter()
        .map(|row| row[0].as_str())
        .collect();
    assert_eq!(names, ["billing", "search"]);
    assert_eq!(cell.kpis.len(), 1);
    let ChartKind::SmallMultiples { panels } = &cell.charts[0].kind else {
        panic!()
    };
    assert_eq!(
        (panels.len(), panels[0].values.len(), panels[0].times.len()),
        (2, 12, 12)
    );
    assert_eq!(analysis.frame.unwrap().height(), 3);
}

#[test]
fn empty_and_wrong_inputs_are_told() {
    let cell = measure(runs(11, 1, |_| 0.0, |_| 0.9), success()).cell;
    assert!(
        matches!(&cell.status, CellStatus::NotEnough { message } if message.contains("no records: runs holds none before the end"))
    );
    let check = |metric: Value, want: &str| {
        let context = Context {
            stage: "figures".to_string(),
            title: String::new(),
            window: Window::parse("2026-W46", "UTC").unwrap(),
            compare: Vec::new(),
            seed: 1,
            stop: Stop::default(),
        };
        let frame = runs(3, 1, |_| 5.0, |_| 0.9);
        let dataset = DatasetRef {
            name: "runs".to_string(),
            version: 2,
            rows: 1,
        };
        let input = Input {
            frame,
            dataset,
            source: None,
            time: Some("at".to_string()),
            refused: None,
        };
        let params = json!({"input": "runs", "metrics": [metric]});
        let inputs = Inputs::from([("runs".to_string(), input)]);
        let error = run(&context, &params, &inputs).err().unwrap().to_string();
        assert!(error.contains(want), "{error}");
    };
    check(
        json!({"name": "a", "kind": "mean"}),
        "needs a `value` column",
    );
    check(
        json!({"name": "a", "kind": "share"}),
        "needs a `where_column`",
    );
    check(
        json!({"name": "a", "kind": "mode"}),
        "unknown variant `mode`",
    );
    check(
        json!({"name": "a", "kind": "mean", "value": "status"}),
        "needs a number",
    );
}
