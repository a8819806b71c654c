//! Checks that figures are correct, that real changes are reported, and that random ones are not.

use super::*;
use crate::{Input, Stop, series::test_data::Noise};
use retrocast_domain::{
    ChartKind, DatasetRef, Direction, Window, number::THIN, window::Comparison,
};
use serde_json::{Value, json};

mod printed;

const DAY: i64 = 86_400_000_000;
/// Monday 31 August 2026.
const START: i64 = 20_696 * DAY;

/// Runs in `weeks` weeks up to 15 November 2026: `per_day` returns the expected number on a day,
/// `ok` the share of "ok" in a week.
pub(super) fn runs(
    weeks: i64,
    seed: u64,
    mut per_day: impl FnMut(i64) -> f64,
    ok: impl Fn(i64) -> f64,
) -> DataFrame {
    let mut noise = Noise(seed);
    let (mut at, mut status, mut minutes, mut part) = (vec![], vec![], vec![], vec![]);
    let begin = START + (11 - weeks) * 7 * DAY;
    for day in 0..weeks * 7 {
        for i in 0..noise.poisson(per_day(day)) {
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
    measure_until(frame, params, None)
}

pub(super) fn measure_until(
    frame: DataFrame,
    params: Value,
    complete_until: Option<jiff::civil::DateTime>,
) -> Analysis {
    measure_in("2026-W46", frame, params, complete_until)
}

pub(super) fn measure_in(
    window: &str,
    frame: DataFrame,
    params: Value,
    complete_until: Option<jiff::civil::DateTime>,
) -> Analysis {
    let context = Context {
        stage: "figures".to_string(),
        title: String::new(),
        window: Window::parse(window, "UTC").unwrap(),
        compare: vec![Comparison::Previous, Comparison::Windows(4)],
        seed: 1,
        cells: Vec::new(),
        stop: Stop::default(),
    };
    let rows = frame.height() as u64;
    let dataset = DatasetRef {
        name: "runs".to_string(),
        version: 2,
        rows,
    };
    let input = Input {
        time: Some("at".to_string()),
        complete_until,
        ..Input::new(frame, dataset)
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

fn success_rate() -> Value {
    json!({"metrics": [{
        "name": "Success rate", "kind": "share", "where_column": "status", "equals": ["ok"],
        "target": 0.95,
    }]})
}

pub(super) fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ").replace('−', "-")
}

#[test]
fn a_fall_is_reported_with_its_size() {
    let frame = runs(11, 3, |_| 200.0, |week| if week == 10 { 0.9 } else { 0.97 });
    let analysis = measure(frame, success_rate());
    let cell = analysis.cell;
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

/// Number of jobs, of 200, that report a change after `weeks` weeks although nothing changed.
fn false_changes(weeks: i64, day_noise: f64) -> usize {
    (0..200)
        .filter(|&seed| {
            let mut noise = Noise(seed * 104_729 + 7);
            let per_day = move |_| 30.0 * f64::exp(day_noise * noise.normal());
            let frame = runs(weeks, seed + 1, per_day, |_| 0.95);
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
fn random_changes_are_rarely_reported() {
    for (weeks, day_noise) in [
        (11, 0.0),
        (11, 0.3),
        (11, 0.8),
        (9, 0.3),
        (5, 0.3),
        (3, 0.3),
    ] {
        let claims = false_changes(weeks, day_noise);
        // 5 % of 200 and two and a half standard errors.
        assert!(
            claims <= 17,
            "{claims} of 200 in {weeks} weeks with day noise {day_noise}"
        );
    }
}

#[test]
fn figures_of_a_known_week_are_correct() {
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
            "1.4 per day",
            "55 min",
            "5.5",
            "5.5 min",
            "9.10"
        ]
    );
    let deltas: Vec<_> = cell.kpis.iter().map(|kpi| plain(&kpi.delta_text)).collect();
    assert_eq!(deltas[..3], ["+100 %", "+100 %", "-15 %"]);
    assert_eq!(plain(&cell.kpis[0].interval_text), "4 to 19 records");
    assert!(cell.kpis[..3].iter().all(|kpi| !kpi.significant));
    assert!(cell.caveats[0].contains("fewer than 5 earlier weeks"));
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
fn empty_and_wrong_inputs_are_reported() {
    let cell = measure(runs(11, 1, |_| 0.0, |_| 0.9), success_rate()).cell;
    assert!(
        matches!(&cell.status, CellStatus::NotEnough { message } if message.contains("no records: runs has none before the end"))
    );
    let check = |metric: Value, expected: &str| {
        let context = Context {
            stage: "figures".to_string(),
            title: String::new(),
            window: Window::parse("2026-W46", "UTC").unwrap(),
            compare: Vec::new(),
            seed: 1,
            cells: Vec::new(),
            stop: Stop::default(),
        };
        let frame = runs(3, 1, |_| 5.0, |_| 0.9);
        let dataset = DatasetRef {
            name: "runs".to_string(),
            version: 2,
            rows: 1,
        };
        let input = Input {
            time: Some("at".to_string()),
            ..Input::new(frame, dataset)
        };
        let params = json!({"input": "runs", "metrics": [metric]});
        let inputs = Inputs::from([("runs".to_string(), input)]);
        let error = run(&context, &params, &inputs).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
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

/// The records before the start of a day of the last week, `day` days after its Monday.
fn records_until(frame: &DataFrame, day: i64) -> DataFrame {
    let end = START + (70 + day) * DAY;
    let at = frame.column("at").unwrap().cast(&DataType::Int64).unwrap();
    let mask: BooleanChunked = at
        .i64()
        .unwrap()
        .iter()
        .map(|at| at.map(|at| at < end))
        .collect();
    frame.filter(&mask).unwrap()
}

fn all_metrics() -> Value {
    json!({"noun": "builds", "metrics": [
        {"name": "Builds", "kind": "count"},
        {"name": "Rate", "kind": "rate"},
        {"name": "Success", "kind": "share", "where_column": "status", "equals": ["ok"]},
        {"name": "Total", "kind": "sum", "value": "minutes", "unit": "min"},
        {"name": "Mean", "kind": "mean", "value": "minutes", "unit": "min"},
        {"name": "Median", "kind": "median", "value": "minutes", "unit": "min"},
        {"name": "Top", "kind": "percentile", "value": "minutes", "unit": "min"},
    ]})
}

#[test]
fn a_window_without_its_last_days_is_compared_with_the_same_days() {
    let frame = records_until(
        &runs(11, 5, |day| if day % 7 < 5 { 200.0 } else { 20.0 }, |_| 0.9),
        3,
    );
    let analysis = measure(frame, all_metrics());
    let cell = analysis.cell;
    assert!(cell.findings.is_empty(), "{:#?}", cell.findings);
    assert_eq!(
        cell.notices,
        [
            "The records of runs end on Wednesday 11 November 2026 at 12:00: all figures compare \
             Monday to Wednesday with the same days of other weeks."
        ]
    );
    assert!(
        cell.caveats
            .iter()
            .any(|caveat| caveat.starts_with("All figures compare Monday to Wednesday with"))
    );
    assert!(
        cell.tables[0]
            .caption
            .contains(", Monday to Wednesday only")
    );
    let kpi = |name: &str| cell.kpis.iter().find(|kpi| kpi.name == name).unwrap();
    let builds = kpi("Builds");
    assert_eq!(builds.unit, "builds");
    assert_eq!(kpi("Rate").unit, "builds per day");
    // Three days of about 200 in every window.
    for value in [builds.value, builds.previous, builds.baseline] {
        assert!((500.0..700.0).contains(&value.unwrap()), "{value:?}");
    }
    // Whole earlier windows are those that earlier runs published.
    assert_eq!(builds.earlier.len(), 10);
    assert!(builds.earlier.iter().all(|week| week.value > Some(900.0)));
    for value in builds.history.iter().flatten() {
        assert!((500.0..700.0).contains(value), "{value}");
    }
    assert_eq!(builds.delta_text, kpi("Rate").delta_text);
    for kpi in &cell.kpis {
        let ([low, high], value) = (kpi.interval.unwrap(), kpi.value.unwrap());
        assert!(low <= value && value <= high, "{kpi:?}");
        let change = (value / kpi.previous.unwrap() - 1.0).abs();
        assert!(change < 0.2, "{kpi:?}");
    }
    // Twice as many records in the same days are reported.
    let per_day = |day: i64| if day < 70 { 60.0 } else { 120.0 };
    let frame = records_until(&runs(11, 5, per_day, |_| 0.9), 3);
    let cell = measure(frame, all_metrics()).cell;
    let finding = cell.findings.iter().find(|f| f.what == "Builds").unwrap();
    assert!(
        finding
            .sentence
            .contains("in the same days of the week before: ")
    );
    let magnitude = finding.magnitude.as_ref().unwrap();
    let (low, high) = (magnitude.lower.unwrap(), magnitude.upper.unwrap());
    assert!(low < magnitude.value && magnitude.value < high && low > 0.0);
}

#[test]
fn a_change_is_one_sentence_with_its_interval() {
    let frame = runs(11, 3, |_| 200.0, |week| if week == 10 { 0.8 } else { 0.97 });
    let cell = measure(frame, success_rate()).cell;
    let finding = cell
        .findings
        .iter()
        .find(|finding| finding.what == "Success rate")
        .unwrap();
    let sentence = plain(&finding.sentence);
    assert!(sentence.starts_with("Success rate fell to "), "{sentence}");
    assert!(sentence.contains(" in the week before: "), "{sentence}");
    assert!(
        sentence.contains(" percentage points lower (95 % interval "),
        "{sentence}"
    );
    assert!(
        sentence.contains("; the 4 weeks before averaged "),
        "{sentence}"
    );
    assert!(!sentence.contains("window"), "{sentence}");
}

/// Records with a value each, at the given numbers of days before the window's end.
fn records_before_end(rows: &[(i64, Option<f64>)]) -> DataFrame {
    let at: Vec<i64> = rows
        .iter()
        .map(|(before, _)| START + (77 - before) * DAY + DAY / 3)
        .collect();
    let at = Column::new("at".into(), at)
        .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
        .unwrap();
    let minutes: Vec<Option<f64>> = rows.iter().map(|(_, value)| *value).collect();
    let columns = vec![at, Column::new("minutes".into(), minutes)];
    DataFrame::new(rows.len(), columns).unwrap()
}

#[test]
fn small_figures_are_consistent() {
    let count = json!({"metrics": [
        {"name": "Incidents", "kind": "count", "unit": "incidents", "lower_is_better": true},
        {"name": "A day", "kind": "rate"},
        {"name": "Minutes", "kind": "median", "value": "minutes"},
    ]});
    // Three records without minutes: two before the window, one in it.
    let mut rows = vec![(60, None), (7 * 4, None), (6, None)];
    let check = |rows: &[(i64, Option<f64>)], expected: &[[&str; 5]]| {
        let cell = measure(records_before_end(rows), count.clone()).cell;
        let got: Vec<Vec<String>> = cell
            .kpis
            .iter()
            .map(|kpi| {
                let baseline = cell.tables[0]
                    .rows
                    .iter()
                    .find(|row| row[0] == kpi.name)
                    .map_or(String::new(), |row| row[5].clone());
                [
                    &kpi.text,
                    &kpi.interval_text,
                    &kpi.delta_text,
                    &baseline,
                    &kpi.baseline_delta_text,
                ]
                .map(|text| plain(text))
                .to_vec()
            })
            .collect();
        assert_eq!(got, expected);
        for kpi in &cell.kpis {
            assert!(!kpi.significant);
        }
    };
    check(
        &rows,
        &[
            [
                "1 incident",
                "0 to 6 incidents",
                "+1 incident",
                "0.25",
                "+300 %",
            ],
            [
                "0.143 per day",
                "0.00 to 0.80 per day",
                "+0.14 per day",
                "0.03571",
                "+300 %",
            ],
            ["no value in 1 record", "", "–", "–", "–"],
        ],
    );
    rows.truncate(2);
    rows.push((5, Some(3.0)));
    rows.push((4, None));
    let cell = measure(records_before_end(&rows), count.clone()).cell;
    assert_eq!(plain(&cell.kpis[2].text), "3");
    assert_eq!(cell.kpis[2].delta_text, "no earlier value");
}

#[test]
fn no_records_count_as_zero_if_silence_means_zero() {
    // Two incidents a week until three weeks before the end.
    let rows: Vec<(i64, Option<f64>)> = (21..77)
        .filter(|day| day % 7 < 2)
        .map(|day| (day, Some(30.0)))
        .collect();
    let params = json!({"metrics": [{"name": "Incidents", "kind": "count"}, {"name": "Lost", "kind": "sum", "value": "minutes"}]});
    let end = jiff::civil::date(2026, 11, 16).at(0, 0, 0, 0);
    let cell = measure_until(records_before_end(&rows), params, Some(end)).cell;
    assert_eq!(cell.status, CellStatus::Done);
    let kpi = &cell.kpis[0];
    assert_eq!(kpi.value, Some(0.0));
    assert_eq!(plain(&kpi.interval_text), "0 to 4 records");
    assert_eq!(plain(&kpi.delta_text), "0 records");
    assert_eq!(
        plain(&kpi.baseline_delta_text),
        "none instead of 1.25 records"
    );
    assert_eq!(plain(&cell.tables[0].rows[0][4]), "0 (-2.8 to +2.8)");
    assert_eq!(cell.tables[0].rows[0][6], "down to none");
    assert_eq!(cell.kpis[1].value, Some(0.0));
    assert!(cell.notices.is_empty());
}

#[test]
fn a_target_is_missed_if_the_whole_interval_is_beyond_it() {
    let check = |target: f64, words: &str, is_found: bool| {
        let mut params = success_rate();
        params["metrics"][0]["target"] = json!(target);
        let cell = measure(runs(11, 4, |_| 30.0, |_| 0.9), params).cell;
        let row = &cell.tables[0].rows[0];
        let text = plain(&row[8]);
        assert!(text.ends_with(words), "{text}");
        let found = cell.findings.iter().any(|f| f.what.ends_with("target"));
        assert_eq!(found, is_found, "{target}");
    };
    check(0.97, ": missed", true);
    check(0.8, ": met", false);
    let near = measure(runs(11, 4, |_| 30.0, |_| 0.9), success_rate())
        .cell
        .kpis[0]
        .value
        .unwrap();
    check(near + 0.001, ": missed, but not clearly", false);
    check(near - 0.001, ": met, but not clearly", false);
}

#[test]
fn a_missing_dataset_is_an_error() {
    let context = crate::series::test_data::context("2026-11-16");
    let params = json!({"input": "none", "metrics": [{"name": "a", "kind": "count"}]});
    let error = run(&context, &params, &Inputs::new()).err().unwrap();
    assert!(error.to_string().contains("\"none\""), "{error}");
}

#[test]
fn conditions_match_booleans_and_numbers() {
    let frame = runs(6, 5, |_| 40.0, |_| 0.8);
    let n = frame.height();
    let is_ok: Vec<Option<bool>> = (0..n).map(|i| (i % 10 > 0).then_some(i % 4 == 0)).collect();
    let code: Vec<i64> = (0..n).map(|i| (i % 3) as i64).collect();
    let size: Vec<f64> = (0..n).map(|i| (i % 3) as f64 / 2.0).collect();
    let columns = [
        Column::new("is_ok".into(), is_ok),
        Column::new("code".into(), code),
        Column::new("size".into(), size),
    ];
    let frame = frame.hstack(&columns).unwrap();
    let share = |column: &str, equals: Value| {
        let metric = json!({
            "name": "S", "kind": "share", "where_column": column, "equals": equals,
        });
        let analysis = measure(frame.clone(), json!({"metrics": [metric]}));
        analysis.cell.kpis[0].value.unwrap()
    };
    for (column, typed, text) in [
        ("is_ok", json!([true]), json!(["true"])),
        ("code", json!([1, 2]), json!(["1", "2"])),
        ("size", json!([1]), json!(["1.0"])),
        ("size", json!([0.5]), json!(["0.5"])),
    ] {
        let found = share(column, typed.clone());
        assert!((0.1..0.9).contains(&found), "{column} {typed}: {found}");
        assert_eq!(found, share(column, text));
    }
    assert_eq!(share("is_ok", json!([7])), 0.0);
}

/// A figure whose current value, previous value and baseline are `levels`; the intervals extend by
/// `half` to either side.
fn figure_of(metric: &Metric, levels: [f64; 3], half: f64) -> Figure<'_> {
    let [now, before, baseline] = levels;
    let value = |value: f64| {
        estimate::Measurement::from_interval(value, Some([value - half, value + half]))
    };
    Figure {
        scale: Scale::Total,
        metric,
        label: ALL.to_string(),
        subject: ALL.to_string(),
        current: value(now),
        previous: Some(value(before)),
        baseline: Some(value(baseline)),
        history: Vec::new(),
        earlier: Vec::new(),
        change: Change::compute(metric, Some(now), Some(before)),
        baseline_change: Change::compute(metric, Some(now), Some(baseline)),
        p_adjusted: None,
        proven: false,
        significant: false,
    }
}
