use super::*;
use crate::{Inputs, series::test_data};
use jiff::ToSpan;
use polars::prelude::{Column, DataFrame};
use serde_json::json;

/// Failures of two services over 120 days, 40 a day each; in billing four times as many from
/// 14:00 to 19:00 on 11 November, if `outage` is set.
fn failures(seed: u64, outage: bool) -> Input {
    let mut noise = test_data::Noise(seed);
    let first = Date::constant(2026, 7, 19);
    let bad_day = Date::constant(2026, 11, 11);
    let (mut at, mut component) = (Vec::new(), Vec::new());
    for day in 0..120_i64 {
        let date = first + day.days();
        for (hour, name) in (0..24_i8).flat_map(|hour| [(hour, "billing"), (hour, "search")]) {
            let is_bad = outage && date == bad_day && (14..19).contains(&hour) && name == "billing";
            let mean = if is_bad { 4.0 } else { 1.0 } * 40.0 / 24.0;
            for _ in 0..noise.poisson(mean) {
                let minute = (noise.uniform() * 60.0) as i8;
                at.push(date.at(hour, minute, 0, 0));
                component.push(name.to_string());
            }
        }
    }
    let component = Column::new("component".into(), component);
    let frame = DataFrame::new(at.len(), vec![test_data::times("at", &at), component]);
    test_data::input("tickets", frame.expect("a frame"))
}

/// The findings and the titles of the charts.
fn findings(seed: u64, outage: bool) -> (Vec<Finding>, Vec<String>) {
    let params = json!({
        "input": "tickets", "by": ["component"], "measure": "failures", "metric_type": "error_rate",
    });
    let inputs = Inputs::from([("tickets".to_string(), failures(seed, outage))]);
    let context = test_data::context("2026-11-16");
    let analysis = super::super::run(&context, &params, &inputs).expect("an analysis");
    let table = analysis.cell.tables.last();
    assert_eq!(
        analysis
            .cell
            .findings
            .iter()
            .any(|finding| finding.period.contains('T')),
        table.is_some_and(|table| table.caption.starts_with("Runs of hours")),
    );
    let titles = analysis.cell.charts.iter();
    let titles = titles.map(|chart| chart.title.replace('\u{a0}', " "));
    (analysis.cell.findings, titles.collect())
}

#[test]
fn an_outage_of_five_hours_is_found_in_counts_of_days() {
    let (outages, titles): (Vec<Vec<Finding>>, Vec<Vec<String>>) =
        (0..20).map(|seed| findings(seed, true)).unzip();
    let is_found = |found: &&Vec<Finding>| {
        found
            .iter()
            .any(|finding| finding.subject == "component = billing")
    };
    let found = outages.iter().filter(is_found).count();
    assert!(found >= 17, "{found} of 20");
    let false_claims: usize = (100..120).map(|seed| findings(seed, false).0.len()).sum();
    assert!(false_claims <= 2, "{false_claims} in 20 weeks");
    let start = "Failures in billing were unusually high from 11 November 2026, 1";
    let sentences = outages.iter().flatten().map(|finding| &finding.sentence);
    let hours = sentences.filter(|sentence| sentence.replace('\u{a0}', " ").starts_with(start));
    assert!(hours.count() >= 1, "{outages:#?}");
    assert!(
        titles.iter().flatten().any(|title| title
            .starts_with("Failures in billing: unusually high from 11 November 2026, 1")),
        "{titles:?}"
    );
    let bursts = outages
        .iter()
        .flatten()
        .filter(|finding| finding.period.contains('T'));
    for burst in bursts {
        let observed = burst.numbers["value"].as_f64().map(|value| value as u64);
        assert_eq!(Some(burst.n), observed, "{burst:#?}");
        let filter = burst.evidence[0].filter.as_deref().expect("a filter");
        assert_eq!(filter, format!("{}; {}", burst.subject, burst.period));
    }
}

/// A gauge each hour over 20 weeks with a season of the day and the week, lognormal with
/// autocorrelation 0.5; `factor` times as high on 11 November.
fn gauge(seed: u64, factor: f64) -> Input {
    let mut noise = test_data::Noise(seed);
    let first = Date::constant(2026, 6, 29);
    let bad_day = Date::constant(2026, 11, 11);
    let (mut at, mut values) = (Vec::new(), Vec::new());
    let mut level = noise.normal();
    for day in 0..140_i64 {
        let date = first + day.days();
        for hour in 0..24_i8 {
            level = 0.5 * level + 0.75_f64.sqrt() * noise.normal();
            let wave = 1.0 + 0.5 * (f64::from(hour) / 24.0 * std::f64::consts::TAU).sin();
            let week = if day % 7 < 5 { 1.12 } else { 0.7 };
            let factor = if date == bad_day { factor } else { 1.0 };
            values.push(20.0 * wave * week * factor * (0.4 * level).exp());
            at.push(date.at(hour, 0, 0, 0));
        }
    }
    let values = Column::new("value".into(), values);
    let frame = DataFrame::new(at.len(), vec![test_data::times("at", &at), values]);
    test_data::input("samples", frame.expect("a frame"))
}

/// Findings about the gauge at these steps.
fn gauge_findings(seed: u64, factor: f64, period: &str) -> Vec<Finding> {
    let params = json!({
        "input": "samples", "value": "value", "aggregate": "mean", "period": period,
        "measure": "latency", "unit": "ms", "metric_type": "latency", "alpha": 0.016,
    });
    let inputs = Inputs::from([("samples".to_string(), gauge(seed, factor))]);
    let analysis = super::super::run(&test_data::context("2026-11-16"), &params, &inputs);
    analysis.expect("an analysis").cell.findings
}

#[test]
fn a_day_of_high_values_is_found_in_hours() {
    for period in ["hour", "day"] {
        let found: Vec<Vec<Finding>> = (0..10)
            .map(|seed| gauge_findings(seed, 3.0, period))
            .collect();
        let is_right = |finding: &&Finding| {
            finding.period.contains("2026-11-11") && finding.direction == Direction::Up
        };
        let count = found
            .iter()
            .filter(|found| found.iter().any(|finding| is_right(&finding)))
            .count();
        assert!(count >= 8, "{period}: {count} of 10");
        let quiet = (100..120).map(|seed| gauge_findings(seed, 1.0, period).len());
        let false_claims: usize = quiet.sum();
        assert!(false_claims <= 2, "{period}: {false_claims} in 20 weeks");
        let run = found
            .iter()
            .flatten()
            .find(|finding| finding.method.contains("weighted mean"));
        let Some(run) = run else {
            assert_eq!(period, "day", "{found:#?}");
            continue;
        };
        let sentence = run.sentence.replace('\u{a0}', " ");
        assert!(
            sentence.starts_with("Latency was unusually high from "),
            "{sentence}"
        );
        assert!(
            sentence.contains(" ms over ") && sentence.contains(" ms expected (+"),
            "{sentence}"
        );
    }
}
