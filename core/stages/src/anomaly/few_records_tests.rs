//! Sums of few records: noise makes no claims, and real outliers are found.

use super::tests::analysis_of;
use crate::{
    Analysis,
    series::test_data::{Noise, times},
};
use jiff::{
    ToSpan,
    civil::{DateTime, date},
};
use polars::prelude::{Column, DataFrame};
use retrocast_domain::Finding;
use serde_json::{Value, json};

/// Records with values in 266 days up to the window's end: `rate` per day in each group.
fn valued(
    seed: u64,
    groups: usize,
    rate: f64,
    value: impl Fn(&mut Noise) -> f64,
) -> (Vec<DateTime>, Vec<String>, Vec<f64>) {
    let mut noise = Noise(seed);
    let first = date(2026, 11, 16) - 266.days();
    let (mut at, mut component, mut minutes) = (Vec::new(), Vec::new(), Vec::new());
    for day in 0..266_i64 {
        for group in 0..groups {
            for _ in 0..noise.poisson(rate) {
                let hour = (noise.uniform() * 24.0) as i8;
                at.push((first + day.days()).at(hour, 0, 0, 0));
                component.push(format!("g{group}"));
                minutes.push(value(&mut noise));
            }
        }
    }
    (at, component, minutes)
}

fn sums_of(records: (Vec<DateTime>, Vec<String>, Vec<f64>), extra: Value) -> Analysis {
    let (at, component, minutes) = records;
    let columns = vec![
        times("at", &at),
        Column::new("component".into(), component),
        Column::new("minutes".into(), minutes),
    ];
    let frame = DataFrame::new(at.len(), columns).expect("a frame");
    let mut params = json!({"by": ["component"], "value": "minutes", "measure": "minutes"});
    for (key, value) in extra.as_object().expect("a table") {
        params[key] = value.clone();
    }
    analysis_of(frame, "UTC", params)
}

#[test]
fn noise_in_sums_of_few_records_makes_no_claim() {
    let exponential = |noise: &mut Noise| -(1.0 - noise.uniform()).ln();
    let lognormal = |noise: &mut Noise| (1.5 * noise.normal()).exp();
    for (seed, rate) in [(1, 0.1), (2, 0.3), (3, 1.0), (4, 5.0)] {
        for records in [
            valued(seed, 40, rate, exponential),
            valued(seed + 10, 40, rate, lognormal),
        ] {
            let findings = sums_of(records, json!({})).cell.findings;
            assert!(findings.is_empty(), "{rate}: {findings:#?}");
        }
    }
    let max = sums_of(valued(5, 40, 0.3, lognormal), json!({"aggregate": "max"}));
    assert!(max.cell.findings.is_empty(), "{:#?}", max.cell.findings);
}

#[test]
fn ten_times_the_usual_sum_of_few_records_is_found() {
    let found = (1..=5).filter(|seed| {
        let exponential = |noise: &mut Noise| -(1.0 - noise.uniform()).ln();
        let (mut at, mut component, mut minutes) = valued(*seed, 3, 5.0, exponential);
        at.push(date(2026, 11, 12).at(9, 0, 0, 0));
        component.push("g1".to_string());
        minutes.push(45.0);
        let findings = sums_of((at, component, minutes), json!({})).cell.findings;
        let is_found = |finding: &Finding| finding.period == "2026-11-12 to 2026-11-12";
        findings.iter().any(is_found)
    });
    let found = found.count();
    assert!(found >= 4, "{found} of 5");
}
