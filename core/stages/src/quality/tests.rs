//! Checks that defects of records are reported, and nothing else is.

use super::*;
use crate::series::test_data::{Noise, context, input, records, source};
use polars::prelude::*;
use retrocast_domain::{Finding, Severity, report::SourceNote};
use serde_json::{Value, json};

mod origins;
mod quiet;
mod volumes;

pub(super) fn analyse_with(input: Input, mut params: Value) -> Result<Analysis, StageError> {
    let inputs = Inputs::from([("tickets".to_string(), input)]);
    params["inputs"] = json!(["tickets"]);
    run(&context("2026-11-16"), &params, &inputs)
}

pub(super) fn analyse(input: Input) -> Analysis {
    analyse_with(input, json!({})).expect("an analysis")
}

/// Twenty tickets per day and six on weekends, for `days` days from 3 August; the window ends after
/// 105 days.
pub(super) fn tickets(seed: u64, days: usize) -> DataFrame {
    let mut noise = Noise(seed);
    records("2026-08-03", days, &["a"], |day, _| {
        noise.poisson(if day % 7 < 5 { 20.0 } else { 6.0 })
    })
}

pub(super) fn check(analysis: &Analysis, expected: &[&str]) {
    let mut got: Vec<&str> = analysis
        .cell
        .findings
        .iter()
        .map(|f| f.what.as_str())
        .collect();
    got.sort_unstable();
    assert_eq!(got, expected, "{:#?}", analysis.cell.findings);
}

pub(super) fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ")
}

pub(super) fn finding_named<'a>(analysis: &'a Analysis, what: &str) -> &'a Finding {
    let mut all = analysis.cell.findings.iter();
    all.find(|finding| finding.what == what).expect("a finding")
}

fn score(analysis: &Analysis) -> f64 {
    analysis.cell.kpis[0].value.expect("a score")
}

#[test]
fn weights_add_up_to_one() {
    let all: f64 = judge::Component::ALL
        .iter()
        .map(|component| component.weight())
        .sum();
    assert!((all - 1.0).abs() < 1e-12);
}

#[test]
fn good_data_has_a_full_score() {
    for seed in 0..30 {
        let mut input = input("tickets", tickets(seed, 105));
        input.source = Some(source(1700, 0, 0));
        let analysis = analyse(input);
        check(&analysis, &[]);
        assert!((score(&analysis) - 100.0).abs() < 1e-9);
        assert!(analysis.cell.notices.is_empty());
    }
}

#[test]
fn bad_records_duplicates_and_broken_files_lower_the_score() {
    let mut bad = input("tickets", tickets(1, 105));
    let mut note = source(1000, 400, 100);
    note.broken_files = vec![(
        "tickets-3.jsonl.gz".to_string(),
        "unexpected end".to_string(),
    )];
    bad.source = Some(note);
    let analysis = analyse(bad);
    check(
        &analysis,
        &["data quality score", "files that could not be read"],
    );
    // 0.25 (0.6 x 0.9) + 0.2 + 0.2 + 0.15 + 0.1 (5/6) + 0.1
    let expected = 100.0 * (0.135 + 0.2 + 0.2 + 0.15 + 0.1 * 5.0 / 6.0 + 0.1);
    assert!((score(&analysis) - expected).abs() < 1e-9);
    assert_eq!(analysis.cell.tables[2].rows.len(), 2);
    // Every component is in the table with its weight, and the points add up to the score.
    let parts = &analysis.cell.tables[1].rows;
    assert_eq!(parts.len(), 6);
    let points: f64 = parts
        .iter()
        .map(|row| row[4].parse::<f64>().expect("points"))
        .sum();
    assert!((points - expected).abs() < 0.3, "{points}");
    assert_eq!(
        plain(&parts[0][5]),
        "400 of 1000 records left out; 1 of 10 files not read completely"
    );
    // Flags are reported first.
    assert_eq!(
        plain(&analysis.cell.notices[0]),
        "Figures based on tickets need caution: its score is 86.8 of 100, below 90 (lowest: \
         validity 54.0 %, 400 of 1000 records left out; 1 of 10 files not read completely)."
    );
}

#[test]
fn components_below_their_limits_are_flagged_or_block_the_report() {
    let bad = || {
        let mut bad = input("tickets", tickets(1, 105));
        bad.source = Some(source(1000, 100, 0));
        bad
    };
    // Score: 100 - 25 x 0.1 = 97.5.
    let check = |params: Value, found: &[&str], blocked: Option<&str>| {
        let analysis = analyse_with(bad(), params.clone());
        match (analysis, blocked) {
            (Ok(analysis), None) => check(&analysis, found),
            (Err(error), Some(reason)) => {
                let message = plain(&error.to_string());
                assert!(message.contains(reason), "{message}");
            }
            (analysis, _) => panic!("{params}: {analysis:?}"),
        }
    };
    check(json!({}), &[], None);
    let flag = json!({"flag_below": {"validity": 0.95}});
    check(flag, &["validity below its limit"], None);
    let both = json!({"flag_below": {"score": 98, "validity": 0.95}});
    check(
        both,
        &["data quality score", "validity below its limit"],
        None,
    );
    check(json!({"flag_below": {"validity": 0.9}}), &[], None);
    check(
        json!({"block_below": {"validity": 0.9, "score": 97}}),
        &[],
        None,
    );
    check(
        json!({"block_below": {"validity": 0.95}}),
        &[],
        Some(
            "the data is not good enough for a report on 9 to 15 November 2026: tickets: its validity is \
             90.0 %, below 95.0 % (lowest: validity 90.0 %, 100 of 1000 records left out). Fix the \
             source and run the job again; the limits are in `block_below` of stage \"test\"",
        ),
    );
    check(
        json!({"block_below": {"score": 99.5}}),
        &[],
        Some("its score is 97.5 of 100, below 99.5"),
    );
    // A dataset without records fails every limit.
    let empty = || input("tickets", tickets(1, 105).head(Some(0)));
    let error =
        analyse_with(empty(), json!({"block_below": {"volume": 0.1}})).expect_err("blocked");
    assert!(
        error
            .to_string()
            .contains("has no record before the window's end")
    );
    assert!(analyse_with(empty(), json!({})).is_ok());
}

#[test]
fn stopped_and_thinned_out_sources_are_reported() {
    let stopped = analyse(input("tickets", tickets(1, 99)));
    check(&stopped, &["data quality score", "records stopped"]);
    let mut noise = Noise(2);
    let thin = records("2026-08-03", 105, &["a"], |day, _| {
        noise.poisson(if day < 98 { 20.0 } else { 8.0 })
    });
    check(
        &analyse(input("tickets", thin)),
        &["data quality score", "fewer records than usual"],
    );
}

#[test]
fn newly_missing_values_are_reported() {
    let frame = tickets(1, 105);
    let n = frame.height();
    let filled: Vec<Option<i64>> = (0..n)
        .map(|i| (i < n - 60 || i % 2 == 0).then_some(1))
        .collect();
    let rare: Vec<Option<i64>> = (0..n).map(|i| (i % 5 == 0).then_some(1)).collect();
    let never: Vec<Option<i64>> = vec![None; n];
    let frame = frame
        .hstack(&[
            Column::new("minutes".into(), filled),
            Column::new("resolved".into(), rare),
            Column::new("never".into(), never),
        ])
        .expect("a frame");
    let analysis = analyse(input("tickets", frame));
    check(&analysis, &["values missing in minutes"]);
    // Fields that were never filled are not counted: at, component, minutes, resolved.
    let parts = &analysis.cell.tables[1].rows;
    assert_eq!(
        plain(&parts[0][5]),
        "4 fields, 1 proven emptier than usual; the largest difference: minutes, filled in 72.0 % of \
         records, usually in 100 %"
    );
}

#[test]
fn fields_that_differ_from_the_contract_are_reported() {
    let check = |edit: fn(&mut SourceNote), share: f64, sentence: &str, severity: Severity| {
        let mut drifted = input("tickets", tickets(1, 105));
        let mut note = source(1000, 0, 0);
        edit(&mut note);
        drifted.source = Some(note);
        let analysis = analyse(drifted);
        let row = |row: &&Vec<String>| row[1] == "shape";
        let shape = analysis.cell.tables[1]
            .rows
            .iter()
            .find(row)
            .expect("shape");
        assert_eq!(
            plain(&shape[2]),
            plain(&retrocast_domain::number::percent(share))
        );
        let finding = finding_named(&analysis, "fields differ from the contract");
        assert_eq!(plain(&finding.sentence), sentence);
        assert_eq!(finding.severity, severity);
        // All records are counted, not only those of the window.
        assert_eq!(finding.period, "2026-08-03 to 2026-11-15");
    };
    // The dataset has two fields: at and component.
    check(
        |note| note.unknown_fields = vec![("colour".to_string(), 1000)],
        2.0 / 3.0,
        "1 field of tickets differs from the contract, counted over all 1000 records read: colour (1000 \
         records) is not in the contract, and no record was left out for it.",
        Severity::Info,
    );
    check(
        |note| {
            note.missing_fields = vec!["component".to_string()];
            note.unknown_fields = vec![("part".to_string(), 1000)];
        },
        1.0 / 3.0,
        "2 fields of tickets differ from the contract, counted over all 1000 records read: part (1000 \
         records) is not in the contract, and no record was left out for it; component is in no record.",
        Severity::Notice,
    );
    check(
        |note| {
            note.retyped_fields = vec![("at".to_string(), 100)];
            note.unknown_fields = ["a", "b", "c", "d"].map(|f| (f.to_string(), 1)).to_vec();
        },
        0.95 * 2.0 / 2.004,
        "5 fields of tickets differ from the contract, counted over all 1000 records read: a (1 record), b \
         (1 record), c (1 record) and 1 other field are not in the contract, and no record was left out for \
         them; at (100 records left out) has values of another type.",
        Severity::Notice,
    );
}

#[test]
fn an_empty_dataset_has_no_score() {
    let empty = tickets(1, 105).head(Some(0));
    let mut empty = input("tickets", empty);
    empty.source = Some(source(0, 0, 0));
    let analysis = analyse(empty);
    assert_eq!(analysis.cell.kpis[0].value, None);
    check(&analysis, &[]);
}

#[test]
fn an_empty_optional_field_does_not_lower_the_score() {
    let mut empty = input("tickets", tickets(1, 105));
    let mut note = source(1000, 0, 0);
    note.missing_fields = vec!["old_path".to_string()];
    empty.source = Some(note);
    let analysis = analyse(empty);
    check(&analysis, &[]);
    assert!((score(&analysis) - 100.0).abs() < 1e-9);
    let shape = &analysis.cell.tables[1].rows[5];
    assert!(
        shape[5].ends_with("all as in the contract; in no record: old_path"),
        "{shape:?}"
    );
}

/// Tickets of 105 days, without those from day `from` to the day before `to`.
fn tickets_without(from: usize, to: usize) -> DataFrame {
    let mut noise = Noise(3);
    records("2026-08-03", 105, &["a"], |day, _| {
        let count = noise.poisson(if day % 7 < 5 { 20.0 } else { 6.0 });
        if (from..to).contains(&day) { 0 } else { count }
    })
}

#[test]
fn a_gap_is_reported_and_excluded_from_the_pattern() {
    // 14 September to 4 October; the compared windows begin on 14 September.
    let gap = analyse(input("tickets", tickets_without(42, 63)));
    let finding = finding_named(&gap, "days without records");
    assert_eq!(
        plain(&finding.sentence),
        "tickets has no records from 14 September to 4 October 2026 (21 days), where about \
         15 a day are usual, which its own rhythm does not explain: find out whether they are missing."
    );
    assert_eq!(
        plain(gap.cell.notices.last().expect("a notice")),
        "No records of tickets from 14 September to 4 October 2026 (21 days), where about 15 a day are \
         usual."
    );
    // A third of 63 days: completeness is two thirds, a fifth of the score.
    let basis = &gap.cell.tables[1].rows;
    let mut basis = basis.iter().map(|row| plain(&row[5]));
    let has_silence = |text: String| text.contains("no records on 21 of 63 days");
    assert!(basis.any(has_silence));
    assert!(score(&gap) < 95.0, "{}", score(&gap));
    // Two days are a gap of a busy source.
    let short = analyse(input("tickets", tickets_without(99, 101)));
    let finding = finding_named(&short, "days without records");
    assert_eq!(
        plain(&finding.sentence),
        "tickets has no records from 10 to 11 November 2026 (2 days), where about 19 a day are usual, \
         which its own rhythm does not explain: find out whether they are missing."
    );
    // Old gaps are a caveat.
    let old = analyse(input("tickets", tickets_without(14, 28)));
    check(&old, &[]);
    let has_caveat = old
        .cell
        .caveats
        .iter()
        .any(|c| c.contains("from 17 to 30 August 2026"));
    assert!(has_caveat, "{:?}", old.cell.caveats);
    // After a gap of 21 days, five days of silence are still reported.
    let frame = tickets_without(42, 63);
    let at = frame
        .column("at")
        .expect("at")
        .cast(&DataType::Int64)
        .expect("i64");
    let times: Vec<i64> = at.i64().expect("i64").iter().flatten().collect();
    let last = times.last().expect("a time") - 5 * 86_400_000_000;
    let until = times.partition_point(|time| *time < last);
    let stopped = || input("tickets", frame.head(Some(until)));
    assert!(
        analyse(stopped())
            .cell
            .findings
            .iter()
            .any(|f| f.what == "records stopped")
    );
    // If silence means zero, neither is reported.
    let mut zero = stopped();
    zero.complete_until = Some(jiff::civil::date(2026, 11, 16).at(0, 0, 0, 0));
    let zero = analyse(zero);
    check(&zero, &[]);
    assert!(zero.cell.notices.is_empty() && (score(&zero) - 100.0).abs() < 1e-9);
}

#[test]
fn values_that_look_alike_are_reported() {
    let check = |other: &str, differ: Option<(&str, Severity)>| {
        let frame = tickets(1, 105);
        let n = frame.height();
        let names: Vec<&str> = (0..n)
            .map(|i| if i % 5 == 0 { other } else { "caf\u{e9} one" })
            .collect();
        let frame = frame
            .hstack(&[Column::new("team".into(), names)])
            .expect("a frame");
        let analysis = analyse(input("tickets", frame));
        let found = analysis.cell.findings.first();
        assert_eq!(found.is_some(), differ.is_some(), "{other:?}");
        if let (Some(found), Some((words, severity))) = (found, differ) {
            assert!(
                found
                    .sentence
                    .contains(&format!("differ only in {words} count")),
                "{}",
                found.sentence
            );
            assert_eq!(found.severity, severity);
        }
    };
    check("caf\u{e9} one ", Some(("blanks", Severity::Warning)));
    check(
        "Caf\u{e9} One",
        Some(("upper and lower case", Severity::Notice)),
    );
    check(
        "cafe\u{301} one",
        Some(("the Unicode form of their letters", Severity::Warning)),
    );
    check(
        "caf\u{e9}\u{200b} one",
        Some(("invisible characters", Severity::Warning)),
    );
    check("cafe one", None);
}

#[test]
fn one_of_several_sets_of_lookalikes_is_the_example() {
    let frame = tickets(1, 105);
    let all = ["Jam tart", "jam tart", "Pea soup", "pea soup", "fig"];
    let names: Vec<&str> = (0..frame.height()).map(|i| all[i % 5]).collect();
    let frame = frame
        .hstack(&[Column::new("team".into(), names)])
        .expect("a frame");
    let findings = analyse(input("tickets", frame)).cell.findings;
    let found = findings
        .iter()
        .find(|found| found.what == "values alike in team");
    let sentence = plain(&found.expect("a finding").sentence);
    let expected = "Values of team in tickets that differ only in upper and lower case count as different \
                groups (2 sets, 1292 records in all): for example \"Jam tart\" (";
    assert!(sentence.starts_with(expected), "{sentence}");
}

#[test]
fn only_a_full_score_is_printed_as_100() {
    let check = |score: f64, expected: &str| assert_eq!(limits::score_text(score), expected);
    check(100.0, "100");
    check(100.0 - 1e-13, "100");
    check(99.96, "99.96");
    check(99.999, "> 99.99");
    check(99.94, "99.9");
    check(64.25, "64.3");
}

#[test]
fn a_single_dataset_has_no_chart() {
    assert!(
        analyse(input("tickets", tickets(1, 105)))
            .cell
            .charts
            .is_empty()
    );
}

#[test]
fn without_a_score_there_is_no_target() {
    let analysis = analyse(input("tickets", tickets(1, 105).head(Some(0))));
    let kpi = &analysis.cell.kpis[0];
    assert_eq!(
        (kpi.value, kpi.target, kpi.target_text.as_str()),
        (None, None, "")
    );
}

#[test]
fn the_noun_of_the_records_is_used() {
    let mut builds = input("tickets", tickets(1, 105));
    builds.source = Some(source(1000, 400, 100));
    let analysis = analyse_with(builds, json!({"noun": "builds"})).expect("an analysis");
    let parts = &analysis.cell.tables[1].rows;
    assert_eq!(plain(&parts[0][5]), "400 of 1000 builds left out");
    assert_eq!(analysis.cell.tables[0].columns[8].title, "builds");
}
