//! Forecasts and the limits they reach.

use super::*;
use crate::series::test_data::{context, daily};
use retrocast_domain::{Finding, Severity};
use serde_json::json;

fn wobble(i: usize, size: f64) -> f64 {
    ((i * 7919 % 101) as f64 / 50.0 - 1.0) * size
}

fn analyse(series: &[(&str, Vec<f64>)], extra: Value) -> Analysis {
    let mut params = json!({
        "input": "daily_failures", "time": "day", "value": "failures", "by": ["component"],
        "measure": "memory", "unit": "%", "aggregate": "mean",
    });
    for (key, value) in extra.as_object().unwrap() {
        params[key] = value.clone();
    }
    let inputs = Inputs::from([("daily_failures".to_string(), daily(series))]);
    run(&context("2026-11-16"), &params, &inputs).unwrap()
}

#[test]
fn a_drifting_metric_reaches_its_limit_and_a_level_one_does_not() {
    let drifting: Vec<f64> = (0..420)
        .map(|i| 55.0 + wobble(i, 1.0) + 0.25 * (i as f64 - 350.0).max(0.0))
        .collect();
    let level: Vec<f64> = (0..420).map(|i| 70.0 + wobble(i, 1.5)).collect();
    let extra = json!({"capacity": {"limit": 100.0, "share": 0.8}, "horizon": 60});
    let analysis = analyse(&[("api", drifting), ("web", level)], extra);
    let breaches: Vec<&Finding> = analysis
        .cell
        .findings
        .iter()
        .filter(|finding| finding.numbers.contains_key("breach_date"))
        .collect();
    let [finding] = breaches[..] else {
        panic!("{breaches:?}")
    };
    assert_eq!(finding.subject, "component = api");
    // 72.5 on the last day, 0.25 a day: 80 after 30 days, on 15 December.
    let days = finding.numbers["breach_days"].as_f64().unwrap();
    assert!((days - 30.0).abs() <= 5.0, "{days}: {}", finding.sentence);
    assert_eq!(finding.severity, Severity::Warning);
    let quiet = analysis
        .cell
        .findings
        .iter()
        .find(|f| f.subject == "component = web")
        .unwrap();
    assert!(!quiet.sentence.contains("limit"));
    assert_eq!(analysis.cell.charts.len(), 1);
}

#[test]
fn the_next_window_is_foretold_with_its_interval() {
    let counts: Vec<f64> = (0..420)
        .map(|i| [40.0, 20.0, 20.0, 20.0, 18.0, 9.0, 8.0][i % 7])
        .collect();
    let extra = json!({"aggregate": "sum", "unit": "", "measure": "failures"});
    let analysis = analyse(&[("api", counts)], extra);
    let [finding] = &analysis.cell.findings[..] else {
        panic!()
    };
    let magnitude = finding.magnitude.as_ref().unwrap();
    assert!((magnitude.value - 135.0).abs() < 1.0, "{}", magnitude.value);
    assert_eq!(finding.period, "2026-11-16 to 2026-11-22");
    assert_eq!(analysis.frame.unwrap().height(), 28);
}

#[test]
fn little_history_is_said() {
    let analysis = analyse(&[("api", vec![3.0; 9])], json!({}));
    let CellStatus::NotEnough { message } = analysis.cell.status else {
        panic!()
    };
    assert!(
        message
            .replace('\u{a0}', " ")
            .starts_with("not enough: have 9 days, need")
    );
}
