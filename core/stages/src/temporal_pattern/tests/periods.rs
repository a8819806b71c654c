//! Records that are themselves weekly or monthly.

use super::*;

/// Amounts in the column `cost`, one at each time.
fn amounts(days: &[Date], mut cost: impl FnMut(usize) -> f64) -> DataFrame {
    let at: Vec<i64> = (days.iter())
        .map(|day| {
            day.at(9, 0, 0, 0)
                .to_zoned(jiff::tz::TimeZone::UTC)
                .unwrap()
        })
        .map(|time| time.timestamp().as_microsecond())
        .collect();
    let costs: Vec<f64> = (0..days.len()).map(&mut cost).collect();
    let cost = Column::new("cost".into(), costs);
    DataFrame::new(days.len(), vec![times(at), cost]).unwrap()
}

#[test]
fn monthly_amounts_are_compared_as_recorded_and_without_their_growth() {
    // Costs of five years that grow by 1 % a month; December is a quarter higher. By days, February
    // would be higher than January, and without the growth removed, autumn higher than spring.
    let first = jiff::civil::date(2021, 11, 1);
    let months: Vec<Date> = (0..60_i32).map(|n| first + n.months()).collect();
    for seed in 0..10 {
        let mut noise = Noise(seed + 1);
        let cost = |i: usize| {
            let december = if i % 12 == 1 { 1.25 } else { 1.0 };
            1e5 * 1.01_f64.powi(i as i32) * december * (1.0 + 0.02 * noise.normal())
        };
        let params = json!({
            "value": "cost", "aggregate": "sum", "unit": "EUR", "effects": ["weekday", "hour", "month"],
        });
        let cell = analyse(amounts(&months, cost), params, "2026-10");
        let [finding] = &cell.findings[..] else {
            panic!("{:#?}", cell.findings)
        };
        assert_eq!(finding.numbers["month"], "December");
        let ratio = finding.magnitude.as_ref().unwrap().value;
        let truth = 1.25 * 12.0 / 12.25;
        assert!((ratio - truth).abs() < 0.03, "{ratio}");
        let headings: Vec<&str> = cell.tables[0]
            .columns
            .iter()
            .map(|c| c.title.as_str())
            .collect();
        assert!(headings.contains(&"Per month"), "{headings:?}");
        let reason = "Not tested for lack of data: weekdays need records of single days, these are a month apart.";
        assert!(
            cell.caveats.iter().any(|caveat| caveat == reason),
            "{:?}",
            cell.caveats
        );
    }
}

#[test]
fn weekly_records_have_no_weekdays_and_keep_their_months() {
    let first = jiff::civil::date(2023, 11, 13);
    let weeks: Vec<Date> = (0..157_i32).map(|n| first + (7 * n).days()).collect();
    let mut claims = 0;
    for seed in 0..40 {
        let mut noise = Noise(seed + 1);
        let mut cost = |_| noise.poisson(100.0) as f64;
        let params = json!({"value": "cost", "aggregate": "sum", "effects": ["weekday"]});
        let cell = analyse(amounts(&weeks, &mut cost), params, "2026-W46");
        check_message(
            &cell,
            "weekdays need records of single days, these are a week apart",
        );
        // A month with five weeks is no busy month.
        let params = json!({"value": "cost", "aggregate": "sum", "effects": ["month"]});
        claims += analyse(amounts(&weeks, cost), params, "2026-W46")
            .findings
            .len();
    }
    assert!(claims <= 4, "{claims} of 40");
}
