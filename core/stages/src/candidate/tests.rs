//! Checks that a change with an effect on a series is found among many without one.

use super::*;
use crate::series::test_data::{self, input, times};
use jiff::{ToSpan as _, civil::date};
use polars::prelude::{Column, DataFrame};
use retrocast_domain::Severity;
use serde_json::json;

/// Daily counts with a weekly season; from the given day on a factor applies.
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

/// A change every ten days, whose id contains the number of days before the end.
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
fn the_change_that_moved_a_series_is_found() {
    // 420 days end on 15 November: day 320 is a hundred days before the end.
    let series = [
        ("billing", counts(1, Some((320, 0.75)))),
        ("search", counts(2, None)),
        ("web", counts(3, None)),
    ];
    let cell = analyse(&series, "");
    assert_eq!(cell.findings.len(), 1, "{:?}", cell.findings);
    let finding = &cell.findings[0];
    assert_eq!(
        (finding.subject.as_str(), finding.severity),
        ("component = billing", Severity::Notice)
    );
    assert!(
        finding
            .sentence
            .contains("since change d100 on 8 August 2026"),
        "{}",
        finding.sentence
    );
    assert!(
        finding.sentence.contains("lower than before"),
        "{}",
        finding.sentence
    );
    assert_eq!(finding.measure, "failures");
    let change = finding.change.as_ref().unwrap();
    assert_eq!(change.name, "change d100");
    let [value, low, high] = change.relative.unwrap();
    assert!(low < value && value < high && high < 0.0, "{change:?}");
    assert!((value + 0.25).abs() < 0.08, "{change:?}");
    // A change of another component is not tested on it.
    assert!(analyse(&series, "search").findings.is_empty());
}

#[test]
fn series_without_a_step_make_few_claims() {
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
fn an_empty_dataset_of_changes_is_reported() {
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
