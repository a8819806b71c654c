//! Checks that days on which records are missing change no figure.

use super::tests::{measure_until, plain, runs};
use serde_json::json;

#[test]
fn days_on_which_records_are_missing_are_no_improvement() {
    // 180 builds a day; without those of `missing`, days after 31 August 2026.
    let until = |missing: std::ops::Range<i64>, complete_until: Option<&str>| {
        let per_day = |day: i64| {
            if missing.contains(&day) { 0.0 } else { 180.0 }
        };
        let params = json!({"noun": "builds", "metrics": [
            {"name": "Builds", "kind": "count", "lower_is_better": true},
            {"name": "Rate", "kind": "rate"},
            {"name": "Total", "kind": "sum", "value": "minutes", "unit": "min"},
            {"name": "Mean", "kind": "mean", "value": "minutes", "unit": "min"},
        ]});
        let end = complete_until.map(|time| time.parse().expect("a time"));
        measure_until(runs(11, 5, per_day, |_| 0.9), params, end).cell
    };
    let cell = until(71..73, None);
    assert!(cell.findings.is_empty(), "{:#?}", cell.findings);
    let rate = cell.kpis[1].value.expect("a rate");
    assert!((170.0..190.0).contains(&rate), "{rate}");
    let [notice] = &cell.notices[..] else {
        panic!("{:?}", cell.notices)
    };
    let start = "Records of runs are missing from 10 to 11 November 2026, where about 1";
    let end = " a day are usual: counts and sums are compared per day, without these days.";
    assert!(
        notice.starts_with(start) && notice.ends_with(end),
        "{notice}"
    );
    // A hole in the week before is no deterioration.
    let before = until(64..66, None);
    assert!(before.findings.is_empty(), "{:#?}", before.findings);
    // Two days are too few.
    let few = until(71..76, None);
    assert!(few.findings.is_empty(), "{:#?}", few.findings);
    assert!(
        few.kpis
            .iter()
            .all(|kpi| kpi.delta_text == "not comparable")
    );
    // If silence means zero, there were fewer.
    let zero = until(71..73, Some("2026-11-16T00:00:00"));
    let change = plain(&zero.kpis[0].delta_text);
    assert!(
        change.starts_with("-2") || change.starts_with("-3"),
        "{change}"
    );
    assert!(zero.notices.is_empty(), "{:?}", zero.notices);
}
