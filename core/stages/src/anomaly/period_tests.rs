//! Records a week or a month apart are compared by weeks or months.

use super::*;
use crate::series::test_data::{Noise, context, input, times};
use jiff::{
    ToSpan,
    civil::{Date, date},
};
use polars::prelude::{Column, DataFrame};
use serde_json::json;

/// Analyses a backlog that is recorded on the given days.
fn analyse(days: &[Date], mut backlog: impl FnMut(usize) -> f64, extra: Value) -> Analysis {
    let at: Vec<_> = days.iter().map(|day| day.at(0, 0, 0, 0)).collect();
    let values: Vec<f64> = (0..days.len()).map(&mut backlog).collect();
    let columns = vec![times("at", &at), Column::new("open".into(), values)];
    let frame = DataFrame::new(days.len(), columns).unwrap();
    let mut params = json!({"input": "backlog", "value": "open", "metric_type": "latency"});
    for (key, value) in extra.as_object().unwrap() {
        params[key] = value.clone();
    }
    let inputs = Inputs::from([("backlog".to_string(), input("backlog", frame))]);
    run(&context("2026-11-16"), &params, &inputs).unwrap()
}

/// The Mondays of the weeks before 16 November 2026.
fn weeks(count: i64) -> Vec<Date> {
    let last = date(2026, 11, 9);
    (1..=count)
        .map(|n| last - (7 * (count - n)).days())
        .collect()
}

fn did(analysis: &Analysis) -> String {
    analysis.cell.did.replace('\u{a0}', " ")
}

#[test]
fn weekly_records_are_compared_by_weeks() {
    let season = |i: usize| 200.0 * (1.0 + 0.4 * (i as f64 / 52.18 * std::f64::consts::TAU).sin());
    for seed in 0..5 {
        let mut noise = Noise(seed + 1);
        let usual = |i: usize| (season(i) + 10.0 * noise.normal()).round();
        let analysis = analyse(&weeks(157), usual, json!({}));
        assert!(
            analysis.cell.findings.is_empty(),
            "{:#?}",
            analysis.cell.findings
        );
        let text = did(&analysis);
        let expected = "Tested 1 week of open, 9 to 15 November 2026, compared with the usual level and the season \
                        of the year: no week in the window is proven unusual (none of 1 lies outside";
        assert!(text.starts_with(&expected[..120]), "{text}");
        assert!(!text.contains("zero"), "{text}");
        let mut noise = Noise(seed + 1);
        let doubled = |i: usize| {
            let factor = if i == 156 { 2.0 } else { 1.0 };
            (factor * season(i) + 10.0 * noise.normal()).round()
        };
        let analysis = analyse(&weeks(157), doubled, json!({}));
        let [finding] = &analysis.cell.findings[..] else {
            panic!("{:?}", analysis.cell)
        };
        let sentence = finding.sentence.replace('\u{a0}', " ");
        let expected = "Open was unusually high in the week of 9 November 2026: ";
        assert!(sentence.starts_with(expected), "{sentence}");
    }
}

#[test]
fn a_short_history_of_weeks_says_what_it_lacks() {
    let mut noise = Noise(3);
    let analysis = analyse(&weeks(20), |_| 50.0 + noise.normal().round(), json!({}));
    let CellStatus::NotEnough { message } = &analysis.cell.status else {
        panic!("{:?}", analysis.cell.status)
    };
    assert!(
        message
            .replace('\u{a0}', " ")
            .contains("20 weeks, 26 needed"),
        "{message}"
    );
    let analysis = analyse(&weeks(60), |_| 50.0 + noise.normal().round(), json!({}));
    let caveat = "A season of the year needs two years of records; here are 60 weeks, so a week that is usual for \
                  the season may look unusual.";
    let caveats: Vec<String> = analysis
        .cell
        .caveats
        .iter()
        .map(|c| c.replace('\u{a0}', " "))
        .collect();
    assert!(caveats.iter().any(|c| c == caveat), "{caveats:?}");
}

#[test]
fn the_last_whole_month_is_tested_in_a_window_of_a_week() {
    let months: Vec<Date> = (0..61)
        .map(|n| date(2021, 11, 1) + i64::from(n).months())
        .collect();
    for (factor, findings) in [(1.0, 0), (2.0, 1)] {
        let mut noise = Noise(3);
        let cost = |i: usize| {
            let factor = if i == 59 { factor } else { 1.0 };
            (1000.0 * factor + 20.0 * noise.normal()).round()
        };
        let analysis = analyse(&months, cost, json!({"metric_type": "cost"}));
        assert_eq!(
            analysis.cell.findings.len(),
            findings,
            "{:?}",
            analysis.cell
        );
        if let [finding] = &analysis.cell.findings[..] {
            assert!(
                finding
                    .sentence
                    .starts_with("Open was unusually high in October 2026: ")
            );
            assert_eq!(finding.severity, retrocast_domain::Severity::Warning);
        } else {
            let text = did(&analysis);
            assert!(
                text.contains("no month before the end of the window is proven unusual"),
                "{text}"
            );
        }
    }
}
