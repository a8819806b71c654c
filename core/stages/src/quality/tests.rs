//! What is wrong with records is found, and nothing else.

use super::*;
use crate::series::test_data::{Noise, context, input, records};
use polars::prelude::*;
use retrocast_domain::report::SourceNote;

fn source(records: u64, bad: u64, duplicates: u64) -> SourceNote {
    SourceNote {
        name: "tickets".to_string(),
        uri: "data/raw/tickets".to_string(),
        contract: "ticket".to_string(),
        files: 10,
        records,
        accepted: records - bad - duplicates,
        quarantined: vec![("severity: not one of the allowed values".to_string(), bad)],
        duplicates,
        broken_files: Vec::new(),
        unknown_fields: Vec::new(),
        missing_fields: Vec::new(),
        retyped_fields: Vec::new(),
        expectation: retrocast_domain::report::Expectation::default(),
        first_time: String::new(),
        last_time: String::new(),
    }
}

fn of(input: Input) -> Analysis {
    let inputs = Inputs::from([("tickets".to_string(), input)]);
    let params = serde_json::json!({"inputs": ["tickets"]});
    run(&context("2026-11-16"), &params, &inputs).expect("an analysis")
}

/// Twenty tickets a day until `days` days after 3 August; the window ends after 105.
fn tickets(seed: u64, days: usize) -> DataFrame {
    let mut noise = Noise(seed);
    records("2026-08-03", days, &["a"], |day, _| {
        noise.poisson(if day % 7 < 5 { 20.0 } else { 6.0 })
    })
}

fn check(analysis: &Analysis, expected: &[&str]) {
    let mut got: Vec<&str> = analysis
        .cell
        .findings
        .iter()
        .map(|f| f.what.as_str())
        .collect();
    got.sort_unstable();
    assert_eq!(got, expected, "{:#?}", analysis.cell.findings);
}

#[test]
fn good_data_has_a_full_score() {
    for seed in 0..30 {
        let mut good = input("tickets", tickets(seed, 105));
        good.source = Some(source(1700, 0, 0));
        let analysis = of(good);
        check(&analysis, &[]);
        assert_eq!(analysis.cell.kpis[0].value, Some(100.0));
    }
}

#[test]
fn bad_records_duplicates_and_broken_files_cost() {
    let mut bad = input("tickets", tickets(1, 105));
    let mut note = source(1000, 400, 100);
    note.broken_files = vec![(
        "tickets-3.jsonl.gz".to_string(),
        "unexpected end".to_string(),
    )];
    bad.source = Some(note);
    let analysis = of(bad);
    check(
        &analysis,
        &["data quality score", "files that could not be read"],
    );
    // 0.25 (0.6 x 0.9) + 0.25 + 0.2 + 0.15 (5/6) + 0.15
    let score = analysis.cell.kpis[0].value.expect("a score");
    assert!((score - 86.0).abs() < 1e-9, "{score}");
    assert_eq!(analysis.cell.tables[1].rows.len(), 2);
    println!(
        "{:#?}",
        analysis
            .cell
            .findings
            .iter()
            .map(|f| &f.sentence)
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_source_that_stopped_and_one_that_thinned_out() {
    let stopped = of(input("tickets", tickets(1, 99)));
    check(&stopped, &["data quality score", "records stopped"]);
    println!(
        "{:#?}",
        stopped
            .cell
            .findings
            .iter()
            .map(|f| &f.sentence)
            .collect::<Vec<_>>()
    );
    let mut noise = Noise(2);
    let thin = records("2026-08-03", 105, &["a"], |day, _| {
        noise.poisson(if day < 98 { 20.0 } else { 8.0 })
    });
    check(
        &of(input("tickets", thin)),
        &["data quality score", "fewer records than usual"],
    );
}

#[test]
fn values_that_are_missing_now_but_not_before() {
    let frame = tickets(1, 105);
    let n = frame.height();
    let filled: Vec<Option<i64>> = (0..n)
        .map(|i| (i < n - 60 || i % 2 == 0).then_some(1))
        .collect();
    let rare: Vec<Option<i64>> = (0..n).map(|i| (i % 5 == 0).then_some(1)).collect();
    let frame = frame
        .hstack(&[
            Column::new("minutes".into(), filled),
            Column::new("resolved".into(), rare),
        ])
        .expect("a frame");
    let analysis = of(input("tickets", frame));
    check(&analysis, &["values missing in minutes"]);
    println!("{}", analysis.cell.findings[0].sentence);
}

#[test]
fn an_empty_dataset_is_no_panic() {
    let empty = tickets(1, 105).head(Some(0));
    let mut empty = input("tickets", empty);
    empty.source = Some(source(0, 0, 0));
    let analysis = of(empty);
    assert_eq!(analysis.cell.kpis[0].value, None);
    check(&analysis, &[]);
}
