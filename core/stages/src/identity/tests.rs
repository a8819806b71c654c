//! Runs stages over several weeks, each with the findings of the weeks before.

use crate::{
    Inputs, change_point,
    identity::TABLE,
    series::test_data::{Noise, context, input, records, times},
    temporal_pattern,
};
use jiff::{ToSpan, civil::Date};
use polars::prelude::*;
use retrocast_domain::Finding;
use serde_json::{Value, json};

const WEEKS: i64 = 6;

/// Findings of a week, with the end of its window.
type Week = (Date, Vec<Finding>);

/// The findings of earlier weeks as rows of the ledger.
fn ledger(weeks: &[Week]) -> DataFrame {
    let rows = || {
        let rows = weeks.iter();
        rows.flat_map(|(end, findings)| findings.iter().map(move |finding| (end, finding)))
    };
    let ends: Vec<_> = rows().map(|(end, _)| end.at(0, 0, 0, 0)).collect();
    let text = |name: &str, value: fn(&Finding) -> String| {
        let values: Vec<String> = rows().map(|(_, finding)| value(finding)).collect();
        Column::new(name.into(), values)
    };
    let columns = vec![
        times("window_end", &ends),
        text("id", |finding| finding.id.clone()),
        text("what", |finding| finding.what.clone()),
        text("stage", |finding| finding.stage.clone()),
        text("kind", |finding| finding.kind.clone()),
        text("subject", |finding| finding.subject.clone()),
        text("dataset", |finding| finding.dataset().to_string()),
        text("measure", |finding| finding.measure().to_string()),
        text("direction", |finding| {
            let word = serde_json::to_value(finding.direction).expect("a word");
            word.as_str().expect("a word").to_string()
        }),
        text("extent", Finding::extent),
    ];
    DataFrame::new(ends.len(), columns).expect("a frame")
}

/// The findings of a stage on the weeks before a Monday and the Mondays after it, from the records
/// up to each; with or without a ledger.
fn weekly(
    run: fn(&crate::Context, &Value, &Inputs) -> Result<crate::Analysis, crate::StageError>,
    params: &Value,
    first: Date,
    has_ledger: bool,
    records_before: impl Fn(Date) -> DataFrame,
) -> Vec<Week> {
    let mut weeks: Vec<Week> = Vec::new();
    for week in 0..WEEKS {
        let end = first + (7 * week).days();
        let tickets = input("tickets", records_before(end));
        let mut inputs = Inputs::from([("tickets".to_string(), tickets)]);
        if has_ledger {
            inputs.insert(TABLE.to_string(), input(TABLE, ledger(&weeks)));
        }
        let analysis = run(&context(&end.to_string()), params, &inputs).expect("an analysis");
        weeks.push((end, analysis.cell.findings));
    }
    weeks
}

/// The distinct claims, in order of their first week.
fn claims(weeks: &[Week], kind: &str) -> Vec<String> {
    let mut claims: Vec<String> = Vec::new();
    for finding in weeks.iter().flat_map(|(_, findings)| findings) {
        if finding.kind == kind && !claims.contains(&finding.what) {
            claims.push(finding.what.clone());
        }
    }
    claims
}

fn days_to(first: Date, end: Date) -> usize {
    usize::try_from((end - first).get_days()).expect("days")
}

#[test]
fn a_shift_dated_in_another_month_keeps_its_identity() {
    let (first, params) = (
        "2026-01-05",
        json!({"input": "tickets", "measure": "failures"}),
    );
    let start: Date = first.parse().expect("a date");
    let mut moved = 0;
    for seed in 0..6 {
        let failures = |end: Date| {
            let mut noise = Noise(seed);
            records(first, days_to(start, end), &["web"], |day, _| {
                // The level rises between 30 March and 2 April.
                noise.poisson(match day {
                    ..84 => 20.0,
                    84..87 => 24.5,
                    87.. => 29.0,
                })
            })
        };
        let week = |has_ledger| {
            let monday = "2026-05-04".parse().expect("a date");
            weekly(
                change_point::CHANGE_POINT.run,
                &params,
                monday,
                has_ledger,
                failures,
            )
        };
        let alone = claims(&week(false), "change_point");
        let tracked = week(true);
        let known = claims(&tracked, "change_point");
        moved += usize::from(alone.len() > known.len());
        assert_eq!(known.len(), 1, "seed {seed}: {known:?}, {alone:?}");
        for finding in tracked.iter().flat_map(|(_, findings)| findings) {
            let id = Finding::identity(&finding.kind, &finding.subject, &finding.what);
            assert_eq!(finding.id, id);
        }
    }
    assert!(moved >= 1, "{moved}");
}

#[test]
fn a_rhythm_with_other_days_keeps_its_identity() {
    let (first, params) = (
        "2025-11-03",
        json!({"input": "tickets", "effects": ["weekday"]}),
    );
    let start: Date = first.parse().expect("a date");
    let mut moved = 0;
    for seed in 0..6 {
        let tickets = |end: Date| {
            let mut noise = Noise(seed);
            records(first, days_to(start, end), &["web"], |day, _| {
                noise.poisson(match day % 7 {
                    0 => 13.0,
                    1 => 11.8,
                    _ => 9.4,
                })
            })
        };
        let week = |has_ledger| {
            let monday = "2026-05-04".parse().expect("a date");
            let kind = temporal_pattern::TEMPORAL_PATTERN;
            weekly(kind.run, &params, monday, has_ledger, tickets)
        };
        let on_mondays = |weeks: &[Week]| {
            let mut claims = claims(weeks, "weekday_effect");
            claims.retain(|claim| claim.contains("Mondays"));
            claims
        };
        let (alone, known) = (on_mondays(&week(false)), on_mondays(&week(true)));
        moved += usize::from(alone.len() > known.len());
        assert_eq!(known.len(), 1, "seed {seed}: {known:?}, {alone:?}");
    }
    assert!(moved >= 1, "{moved}");
}

/// A shift with its claim, dates and direction.
fn shift(what: &str, low: &str, high: &str) -> Finding {
    let mut finding = Finding::new("test", "change_point", "all", what);
    finding.measure = "failures".to_string();
    finding.number("date_low", low).number("date_high", high)
}

#[test]
fn each_earlier_finding_has_one_successor() {
    let monday = |text: &str| -> Date { text.parse().expect("a date") };
    let continued = |weeks: &[Week], mut findings: Vec<Finding>| -> Vec<String> {
        let inputs = Inputs::from([(TABLE.to_string(), input(TABLE, ledger(weeks)))]);
        super::continue_earlier("test", &mut findings, &inputs, 3).expect("findings");
        findings.into_iter().map(|finding| finding.what).collect()
    };
    let march = shift("shift in 2026-03", "2026-03-28", "2026-04-02");
    let weeks = [(monday("2026-04-27"), vec![march.clone()])];
    let april = shift("shift in 2026-04", "2026-04-01", "2026-04-03");
    let early = shift("shift in 2026-03", "2026-03-03", "2026-03-05");
    let near = shift("shift in 2026-04", "2026-04-05", "2026-04-05");
    let far = shift("shift in 2026-04", "2026-04-06", "2026-04-06");
    // The claim of the month is taken, so another shift of that month has a number.
    let both = continued(&weeks, vec![early.clone(), april.clone()]);
    assert_eq!(both, ["shift in 2026-03 (2)", "shift in 2026-03"]);
    // If two findings overlap with the claim, the one with the larger overlap continues it.
    let both = continued(&weeks, vec![near.clone(), april.clone()]);
    assert_eq!(both, ["shift in 2026-04", "shift in 2026-03"]);
    assert_eq!(continued(&weeks, vec![near]), ["shift in 2026-03"]);
    assert_eq!(continued(&weeks, vec![far]), ["shift in 2026-04"]);
    // Another series, another direction and another stage are other facts.
    let mut other = april.clone();
    other.measure = "tickets".to_string();
    assert_eq!(continued(&weeks, vec![other]), ["shift in 2026-04"]);
    let mut fall = april.clone();
    fall.direction = retrocast_domain::Direction::Down;
    assert_eq!(continued(&weeks, vec![fall]), ["shift in 2026-04"]);
    let mut of_other_stage = march;
    of_other_stage.stage = "other".to_string();
    let weeks = [(monday("2026-04-27"), vec![of_other_stage])];
    assert_eq!(continued(&weeks, vec![april.clone()]), ["shift in 2026-04"]);
    // The newest of several earlier claims counts.
    let old = shift("shift in 2026-02", "2026-03-20", "2026-04-02");
    let weeks = [
        (monday("2026-04-20"), vec![old]),
        (monday("2026-04-27"), vec![april.clone()]),
    ];
    let found = shift("shift in 2026-03", "2026-03-30", "2026-04-02");
    assert_eq!(continued(&weeks, vec![found]), ["shift in 2026-04"]);
    assert_eq!(continued(&[], vec![early]), ["shift in 2026-03"]);
}
