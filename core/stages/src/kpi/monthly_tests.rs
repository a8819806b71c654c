//! Checks that weekly and monthly records are compared as recorded.

use super::{
    tests::{measure_in, plain},
    *,
};
use crate::series::test_data::Noise;
use jiff::{ToSpan, civil::Date};
use serde_json::json;

/// The figures of October 2026, from records with a value each.
fn october(records: &[(Date, f64)]) -> Cell {
    let days = records.iter().map(|(day, _)| {
        let since = Date::constant(1970, 1, 1).until(*day).unwrap();
        since.get_days()
    });
    let days = Column::new("at".into(), days.collect::<Vec<_>>());
    let days = days.cast(&DataType::Date).unwrap();
    let values: Vec<f64> = records.iter().map(|(_, value)| *value).collect();
    let columns = vec![days, Column::new("cost".into(), values)];
    let frame = DataFrame::new(records.len(), columns).unwrap();
    let params = json!({"alpha": 0.05, "metrics": [
        {"name": "Cost", "kind": "sum", "value": "cost", "unit": "EUR"},
        {"name": "Entries", "kind": "count"},
    ]});
    measure_in("2026-10", frame, params, None).cell
}

/// The first days of the last 24 months up to October 2026.
fn months() -> impl Iterator<Item = Date> {
    (0..24).map(|month| Date::constant(2024, 11, 1) + i64::from(month).months())
}

#[test]
fn monthly_records_are_not_divided_by_days() {
    let cost = |day: Date| {
        if day.month() == 10 {
            832_744.0
        } else {
            812_492.0
        }
    };
    let records: Vec<_> = months().map(|day| (day, cost(day))).collect();
    let cell = october(&records);
    // 31 days against 30: a day less would have made it "−0.8 % per day".
    assert_eq!(plain(&cell.kpis[0].delta_text), "+2.5 %");
    assert_eq!(plain(&cell.kpis[1].delta_text), "0 %");
    assert_eq!(plain(&cell.tables[0].rows[0][3]), "812 492");
    assert!(!cell.tables[0].caption.contains(" per "));
}

#[test]
fn weekly_records_are_compared_per_week() {
    // Five Thursdays in October 2026, four in September.
    let thursdays = (0..100).map(|week| Date::constant(2024, 12, 5) + (7 * i64::from(week)).days());
    let records: Vec<_> = thursdays
        .filter(|day| *day < Date::constant(2026, 11, 1))
        .map(|day| (day, 100.0))
        .collect();
    let cell = october(&records);
    assert_eq!(plain(&cell.kpis[0].text), "500 EUR");
    assert_eq!(plain(&cell.kpis[0].delta_text), "0 % per week");
    assert_eq!(plain(&cell.tables[0].rows[0][3]), "400 in 4 weeks");
}

/// Number of 200 simulated datasets with a proven change of a total of 20 monthly entries in
/// October, which is `factor` times as high.
fn claims(factor: f64) -> usize {
    let simulate = |seed: u64| {
        let mut noise = Noise(seed * 7919 + 5);
        let records: Vec<_> = months()
            .flat_map(|day| {
                let lift = if day == Date::constant(2026, 10, 1) {
                    factor
                } else {
                    1.0
                };
                let level = lift * (0.1 * noise.normal()).exp();
                let values: Vec<_> = (0..20)
                    .map(|_| (day, level * (0.5 * noise.normal()).exp()))
                    .collect();
                values
            })
            .collect();
        october(&records).kpis[0].significant
    };
    (0..200).filter(|seed| simulate(*seed)).count()
}

#[test]
fn changes_of_monthly_totals_are_found_and_random_ones_are_not() {
    let (none, many) = (claims(1.0), claims(2.5));
    assert!(none <= 17, "{none} of 200 claims without a change");
    assert!(many >= 120, "{many} of 200 changes found");
}
