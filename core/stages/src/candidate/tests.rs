//! A change that moves a series is found among many that do not.

use super::*;
use crate::series::test_data::{self, input, times};
use jiff::{ToSpan as _, civil::date};
use polars::prelude::{Column, DataFrame};
use retrocast_domain::Severity;
use serde_json::json;

/// Daily counts with a weekly season; from a day on a factor applies.
fn counts(seed: u64, change: Option<(usize, f64)>) -> Vec<f64> {
    let mut random = test_data::Noise(seed);
    (0..420)
        .map(|i| {
            let season = if i % 7 == 0 { 1.6 } else { 1.0 };
            let factor = change.map_or(1.0, |(from, factor)| if i >= from { factor } else { 1.0 });
            random.poisson(40.0 * season * factor) as f64
        })
        .collect()
}

/// A change every ten days: id, days before the end.
fn changes(component: &str) -> crate::Input {
    let end = date(2026, 11, 16).at(10, 0, 0, 0);
    let days: Vec<i64> = (3..40).map(|i| i * 10).collect();
    let at: Vec<_> = days.iter().map(|day| end - day.days()).collect();
    let frame = DataFrame::new_infer_height(vec![
        Column::new(
            "id".into(),
            days.iter().map(|day| format!("d{day}")).collect::<Vec<_>>(),
        ),
        Column::new("component".into(), vec![component; days.len()]),
        times("time", &at),
    ]);
    input("deployments", frame.unwrap())
}

fn analyse(series: &[(&str, Vec<f64>)], component: &str) -> Cell {
    let params = json!({
        "changes": "deployments", "input": "daily_failures", "time": "day", "value": "failures",
        "by": ["component"], "measure": "failures",
    });
    let inputs = Inputs::from([
        ("daily_failures".to_string(), test_data::daily(series)),
        ("deployments".to_string(), changes(component)),
    ]);
    run(&test_data::context("2026-11-16"), &params, &inputs)
        .unwrap()
        .cell
}

#[test]
fn what_moved_a_series_is_found_and_named() {
    // 420 days end on 15 November: day 320 is a hundred days before the end.
    let series = [
        ("billing", counts(1, Some((320, 0.75)))),
        ("search", counts(2, None)),
        ("web", counts(3, None)),
    ];
    let cell = analyse(&series, "");
    assert_eq!(cell.findings.len(), 1, "{:?}", cell.findings);
    let found = &cell.findings[0];
    assert_eq!(
        (found.subject.as_str(), found.severity),
        ("component = billing", Severity::Notice)
    );
    assert!(
        found
            .sentence
            .contains("since change d100 on 8 August 2026"),
        "{}",
        found.sentence
    );
    assert!(
        found.sentence.contains("lower than before"),
        "{}",
        found.sentence
    );
    // A change of another component is not tested on it.
    assert!(analyse(&series, "search").findings.is_empty());
}

#[test]
fn nothing_is_found_where_nothing_changed() {
    let claims: usize = (0..20)
        .map(|seed| {
            let series = [
                ("billing", counts(100 + seed, None)),
                ("search", counts(200 + seed, None)),
            ];
            usize::from(!analyse(&series, "").findings.is_empty())
        })
        .sum();
    assert!(claims <= 3, "{claims} of 20");
}

#[test]
fn without_changes_it_says_so() {
    let none = DataFrame::new_infer_height(vec![
        Column::new("id".into(), Vec::<String>::new()),
        times("time", &[]),
    ]);
    let params = json!({"changes": "deployments", "input": "daily_failures", "time": "day", "value": "failures"});
    let inputs = Inputs::from([
        (
            "daily_failures".to_string(),
            test_data::daily(&[("a", counts(1, None))]),
        ),
        (
            "deployments".to_string(),
            input("deployments", none.unwrap()),
        ),
    ]);
    let cell = run(&test_data::context("2026-11-16"), &params, &inputs)
        .unwrap()
        .cell;
    assert!(
        matches!(cell.status, CellStatus::NotEnough { .. }),
        "{:?}",
        cell.status
    );
}
