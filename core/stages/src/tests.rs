//! Properties of every kind of stage: limits of params, and analyses of unusual records.

use super::*;
use crate::series::test_data::{self, context_of, input, times};
use jiff::{ToSpan, civil::DateTime};
use polars::prelude::*;
use retrocast_domain::{CellStatus, Severity, Window};
use serde_json::json;

/// Collects the paths of the numbers in a schema that lack a lower or an upper limit.
fn collect_unlimited(schema: &Value, path: &str, found: &mut Vec<String>) {
    let is_number = |schema: &Value| {
        let types = &schema["type"];
        let named = |name: &str| {
            types == name || types.as_array().is_some_and(|t| t.contains(&json!(name)))
        };
        named("number") || named("integer")
    };
    if is_number(schema) {
        let has = |keys: [&str; 2]| keys.iter().any(|key| schema[*key].is_number());
        if !has(["minimum", "exclusiveMinimum"]) || !has(["maximum", "exclusiveMaximum"]) {
            found.push(path.to_string());
        }
    }
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                collect_unlimited(value, &format!("{path}.{key}"), found);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_unlimited(item, path, found)),
        _ => {}
    }
}

#[test]
fn numbers_in_job_files_have_limits() {
    let mut found = Vec::new();
    for kind in KINDS {
        collect_unlimited(&(kind.schema)().to_value(), kind.name, &mut found);
    }
    // Values in the metric's own unit can be anything.
    let free = ["target", "limit"];
    found.retain(|path| !free.iter().any(|name| path.ends_with(name)));
    assert!(found.is_empty(), "without limits: {found:?}");
}

/// Params with which each kind analyses the column "v" of "s", or counts of records.
fn all_jobs() -> Vec<(&'static StageKind, Value)> {
    let mut jobs = Vec::new();
    for value in [None, Some("v")] {
        for kind in KINDS {
            let mut params = match kind.name {
                "sql" | "noop" => continue,
                "quality" => json!({"inputs": ["s"]}),
                "features" => json!({
                    "input": "s", "by": ["c"], "values": ["v"], "lags": [1], "half_lives": [3],
                    "rolling": [{"window": 7, "figures": ["sd"], "quantiles": [0.5]}],
                    "expanding": ["sum", "sd"], "same_period": ["year"], "calendar": ["quarter"],
                    "holidays": {"countries": ["england"]},
                }),
                "kpi" => json!({"input": "s", "by": ["c"], "metrics": [
                    {"name": "N", "kind": "count"}, {"name": "R", "kind": "rate"},
                    {"name": "S", "kind": "share", "where_column": "c", "equals": ["a"], "target": 0.5},
                    {"name": "Sum", "kind": "sum", "value": "v", "target": 3.0},
                    {"name": "Mean", "kind": "mean", "value": "v"},
                    {"name": "Median", "kind": "median", "value": "v"},
                    {"name": "P", "kind": "percentile", "value": "v"},
                ]}),
                "candidate" => json!({"changes": "imp", "input": "s"}),
                "recommendation" | "health" => json!({"findings": ["s"]}),
                "effectiveness" => {
                    json!({"input": "s", "improvements": "imp", "component_column": "c"})
                }
                "temporal_pattern" => json!({
                    "input": "s", "by": ["c"], "effects": ["weekday", "hour", "month", "year"],
                }),
                "forecast" => json!({
                    "input": "s", "by": ["c"], "capacity": {"limit": 100.0, "share": 0.9},
                }),
                _ => json!({"input": "s"}),
            };
            let schema = (kind.schema)().to_value();
            let has = |param: &str| schema["properties"].get(param).is_some();
            if has("by") && params["by"].is_null() && kind.name != "quality" {
                params["by"] = json!(["c"]);
            }
            if let Some(value) = value.filter(|_| has("value")) {
                params["value"] = json!(value);
            }
            jobs.push((*kind, params));
        }
    }
    let split = json!({"input": "s", "effects": [], "value": "v", "split": "2026-10-01"});
    jobs.push((&temporal_pattern::TEMPORAL_PATTERN, split));
    let volume = json!({
        "input": "s", "effects": [], "volume": "v", "event_column": "c", "event_equals": ["a"],
    });
    jobs.push((&temporal_pattern::TEMPORAL_PATTERN, volume));
    jobs
}

/// Improvements of the components "a" and "" on `day`.
fn improvements(day: &str) -> Input {
    let day: DateTime = format!("{day}T00:00:00").parse().expect("a day");
    let columns = vec![
        Column::new("id".into(), ["1", "2"]),
        Column::new("title".into(), ["One", " "]),
        Column::new("component".into(), ["a", ""]),
        times("date", &[day, day]),
        times("time", &[day, day]),
    ];
    input("imp", DataFrame::new(2, columns).expect("a frame"))
}

/// The strings of a cell that readers of a report see.
fn strings_of(cell: &Cell) -> Vec<String> {
    let mut strings = vec![cell.title.clone(), cell.did.clone()];
    strings.extend(cell.caveats.iter().chain(&cell.notices).cloned());
    for finding in &cell.findings {
        strings.push(finding.sentence.clone());
        strings.extend(finding.caveats.iter().cloned());
        if let Some(request) = &finding.request {
            strings.push(format!(
                "{} {}: {}.",
                request.subject, request.event, request.action
            ));
        }
    }
    for kpi in &cell.kpis {
        strings.extend([&kpi.text, &kpi.interval_text, &kpi.delta_text].map(Clone::clone));
        strings.push(kpi.baseline_delta_text.clone());
    }
    for chart in &cell.charts {
        strings.extend([chart.title.clone(), chart.alt.clone()]);
    }
    for table in cell
        .tables
        .iter()
        .chain(cell.charts.iter().filter_map(|c| c.table.as_ref()))
    {
        strings.push(table.caption.clone());
        strings.extend(table.rows.iter().flatten().cloned());
    }
    strings
}

/// Finds sentences that claim more than is proven, or contain an unreadable number.
fn unproven_claims(cell: &Cell) -> Vec<String> {
    const CLAIMS: [&str; 11] = [
        "within chance",
        "usual range",
        "steady",
        "stable",
        "No trend in",
        "did not shift",
        "than chance would",
        "no clear effect",
        "nothing unusual",
        "stands out",
        "does harm",
    ];
    const NUMBERS: [&str; 5] = ["NaN", "n/a\u{a0}%", "+0 to +0", "100.00", "10⁻¹"];
    let is_wrong = |text: &String| {
        let zero_with_sign = text.split([' ', '(', '\u{a0}']).any(|word| {
            let number = word.trim_end_matches([')', ';', ',', '.', '%']);
            let digits = number.strip_prefix(['−', '+', '-']);
            digits.is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'0' | b'.'))
            })
        });
        zero_with_sign
            || CLAIMS
                .iter()
                .chain(&NUMBERS)
                .any(|words| text.contains(words))
    };
    let mut wrong: Vec<String> = strings_of(cell).into_iter().filter(is_wrong).collect();
    // A warning contains advice.
    let lacks_advice =
        |finding: &&Finding| finding.severity >= Severity::Warning && finding.request.is_none();
    wrong.extend(
        cell.findings
            .iter()
            .filter(lacks_advice)
            .map(|f| format!("{}: no advice", f.what)),
    );
    wrong
}

/// Checks that the dataset a kind returns has the columns of its declaration, in order.
fn check_columns(kind: &StageKind, analysis: &Analysis) {
    let (Some(result), Some(frame)) = (kind.result, &analysis.frame) else {
        return;
    };
    let names = frame.get_column_names();
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    // The ends of intervals are named by their level, and times by their period.
    let is_named = |name: &str, column: &str| {
        let is_time = column == "day" && ["hour", "week", "month"].contains(&name);
        name == column || is_time || (column.ends_with('_') && name.starts_with(column))
    };
    let position = |column: &str| names.iter().position(|name| is_named(name, column));
    let positions: Vec<Option<usize>> = result.columns.iter().map(|c| position(c.name)).collect();
    assert!(
        positions.iter().all(Option::is_some) && positions.is_sorted(),
        "{}: {positions:?}",
        kind.name
    );
    for name in &names {
        let mut columns = result.columns.iter();
        let is_declared = columns.any(|column| is_named(name, column.name));
        assert!(is_declared, "{}: {name} is not declared", kind.name);
    }
}

/// Runs every kind on the records in `rows`, and checks datasets, cells and sentences.
fn check_kinds(name: &str, rows: &[(DateTime, Option<&str>, Option<f64>)]) {
    let at: Vec<DateTime> = rows.iter().map(|row| row.0).collect();
    let columns = vec![
        times("at", &at),
        Column::new("c".into(), rows.iter().map(|row| row.1).collect::<Vec<_>>()),
        Column::new("v".into(), rows.iter().map(|row| row.2).collect::<Vec<_>>()),
    ];
    let frame = DataFrame::new(rows.len(), columns).expect("a frame");
    for day in [
        "1999-01-01",
        "2026-05-01",
        "2026-10-01",
        "2026-11-08",
        "2027-01-01",
    ] {
        let inputs = Inputs::from([
            ("s".to_string(), input("s", frame.clone())),
            ("imp".to_string(), improvements(day)),
        ]);
        for (kind, params) in all_jobs() {
            if kind.name != "effectiveness" && day != "2026-10-01" {
                continue;
            }
            let window = Window::parse("2026-W45", "Europe/London").expect("a window");
            let analysis = (kind.run)(&context_of("odd", window), &params, &inputs);
            let analysis = analysis.unwrap_or_else(|e| panic!("{name}, {}: {e}", kind.name));
            check_columns(kind, &analysis);
            let cell = analysis.cell;
            let text = serde_json::to_string(&cell).expect("JSON");
            let parsed: Result<Cell, _> = serde_json::from_str(&text);
            assert!(parsed.is_ok(), "{name}, {}: {:?}", kind.name, parsed.err());
            assert_eq!(parsed.ok(), Some(cell.clone()), "{name}, {}", kind.name);
            if rows.len() < 4 {
                let tested = cell.findings.iter().filter(|finding| finding.p.is_some());
                assert_eq!(
                    tested.count(),
                    0,
                    "{name}, {}: {:#?}",
                    kind.name,
                    cell.findings
                );
                let is_silent = matches!(cell.status, CellStatus::NotEnough { .. })
                    || [
                        "quality",
                        "kpi",
                        "effectiveness",
                        "features",
                        "health",
                        "recommendation",
                    ]
                    .contains(&kind.name);
                assert!(is_silent, "{name}, {}", kind.name);
            }
            assert!(!cell.title.is_empty(), "{name}, {}", kind.name);
            let wrong = unproven_claims(&cell);
            assert!(wrong.is_empty(), "{name}, {}: {wrong:#?}", kind.name);
        }
    }
}

#[test]
fn every_kind_analyses_unusual_records() {
    let end: DateTime = "2026-11-08T10:00:00".parse().expect("a time");
    let days = |n: i64, value: fn(i64) -> Option<f64>, component: Option<&'static str>| {
        (0..n)
            .map(|i| (end - i.days(), component, value(i)))
            .collect::<Vec<_>>()
    };
    let first: DateTime = "0001-01-01T00:00:00".parse().expect("a time");
    let mut alternating = days(
        200,
        |i| Some([1e308, -1e308, 1e-308, f64::NAN][i as usize % 4]),
        Some("a"),
    );
    check_kinds("huge", &alternating);
    alternating.truncate(3);
    check_kinds("three huge", &alternating);
    check_kinds("none", &[]);
    check_kinds("one", &days(1, |_| Some(1.0), Some("a")));
    let mut three = days(2, |i| Some(i as f64), Some(""));
    three.push((first, Some("a"), Some(2.0)));
    check_kinds("three", &three);
    check_kinds("constant", &days(200, |_| Some(5.0), Some("a")));
    check_kinds("zero", &days(200, |_| Some(0.0), Some(" ")));
    check_kinds(
        "negative",
        &days(200, |i| Some(-((i % 7) as f64) - 1e-30), Some("a")),
    );
    check_kinds("nulls", &days(200, |_| None, None));
    check_kinds("infinite", &days(200, |_| Some(f64::INFINITY), Some("a")));
    let mut gap = days(100, |i| Some((i % 5) as f64), Some("a"));
    gap.push((first, Some("a"), Some(1.0)));
    gap.push((end - 4000.days(), Some("b"), Some(1.0)));
    check_kinds("gaps", &gap);
}

/// Series of all sizes, with and without trend, step, outlier and silence: no kind claims more than
/// is proven.
#[test]
fn no_sentence_claims_more_than_is_proven() {
    let end: DateTime = "2026-11-08T10:00:00".parse().expect("a time");
    let mut noise = test_data::Noise(11);
    for round in 0..24 {
        let days = [3, 15, 60, 130, 250, 420][round % 6];
        let size = 10f64.powi([-3, 0, 2, 6][round % 4]);
        let mean = [0.3, 2.0, 6.0][round % 3];
        let mut rows = Vec::new();
        for day in (0..days).rev() {
            let is_late = day < days / 3;
            let factor = match round % 5 {
                0 => 1.0,
                1 if is_late => 2.0,
                2 => 1.0 + f64::from(day) / f64::from(days),
                3 if day == 20 => 6.0,
                4 if is_late => 0.0,
                _ => 1.0,
            };
            for component in ["a", "b"] {
                for i in 0..noise.poisson(mean * factor) {
                    let at = end - i64::from(day).days() - (i as i64 % 9).hours();
                    let value = size * (1.0 + 0.2 * noise.normal()).max(0.0);
                    rows.push((at, Some(component), Some(value)));
                }
            }
        }
        check_kinds(&format!("round {round}"), &rows);
    }
}

#[test]
fn missing_and_blank_names_are_visible() {
    let end: DateTime = "2026-11-08T10:00:00".parse().expect("a time");
    let names = [None, Some(""), Some("  "), Some("a")];
    let at: Vec<DateTime> = (0..400).map(|i: i64| end - (i * i % 97).days()).collect();
    let components: Vec<Option<&str>> = (0..400).map(|i| names[i % 4]).collect();
    let columns = vec![times("at", &at), Column::new("c".into(), components)];
    let inputs = Inputs::from([(
        "s".to_string(),
        input("s", DataFrame::new(400, columns).expect("a frame")),
    )]);
    let window = Window::parse("2026-W45", "UTC").expect("a window");
    let params = json!({"input": "s", "by": ["c"]});
    let analysis = (trend::TREND.run)(&context_of("t", window), &params, &inputs).expect("a cell");
    let mut labels: Vec<String> = analysis.cell.tables[0]
        .rows
        .iter()
        .map(|row| row[0].clone())
        .collect();
    labels.sort();
    assert_eq!(labels, ["(blank)", "(none)", "a"]);
}
