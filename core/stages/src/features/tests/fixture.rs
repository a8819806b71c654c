//! Compares features with the values that pandas and the package holidays computed.

use super::*;
use crate::features::{holidays::rules, params::Country};

/// Reads the committed records from the time `from` on.
fn records_since(from: &str) -> DataFrame {
    let rows: Vec<(DateTime, &str, Option<f64>)> = include_str!("records.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.split(',');
            let mut next = || cells.next().expect("a cell");
            let at = next().trim_end_matches('Z').parse().expect("a time");
            (at, next(), next().parse().ok())
        })
        .collect();
    let from: DateTime = from.parse().expect("a time");
    let rows: Vec<_> = rows.into_iter().filter(|row| row.0 >= from).collect();
    records(&rows)
}

/// Compares every column of a file with the column of the same name.
fn check(frame: &DataFrame, file: &str) {
    let mut lines = file.lines();
    let names: Vec<&str> = lines.next().expect("names").split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(frame.height(), rows.len());
    for (index, name) in names.iter().enumerate() {
        let expected = rows.iter().map(|row| row[index]);
        if matches!(*name, "day" | "component") {
            let column = frame.column(name).expect("a column");
            let cast = column.cast(&DataType::String).expect("text");
            let got: Vec<&str> = cast.str().expect("text").iter().flatten().collect();
            assert_eq!(got, expected.collect::<Vec<_>>(), "{name}");
            continue;
        }
        let got = column(frame, name);
        for (row, (got, expected)) in got.iter().zip(expected).enumerate() {
            let expected: Option<f64> = if *name == "hour" {
                let moment: Timestamp = expected.parse().expect("a time");
                Some(moment.as_microsecond() as f64)
            } else {
                expected.parse().ok()
            };
            let is_equal = match (got, expected) {
                (Some(got), Some(expected)) => {
                    (got - expected).abs() <= 1e-9 * expected.abs().max(1.0)
                }
                (got, expected) => *got == expected,
            };
            assert!(is_equal, "{name}, row {row}: {got:?} {expected:?}");
        }
    }
}

#[test]
fn daily_features_match_pandas() {
    let params = json!({
        "by": ["component"], "lags": [1, 7], "differences": [1, 7],
        "rolling": [{"window": 7, "figures": ["mean", "sd"], "quantiles": [0.9]}],
        "expanding": ["mean", "sd"], "half_lives": [3], "same_period": ["week"],
        "calendar": ["day_of_week", "day_of_month", "week_of_year", "month", "quarter",
                     "is_weekend", "is_month_end"],
        "cyclic": ["day_of_week", "day_of_year"],
    });
    let analysis = features_of(records_since("2026-10-01T00:00:00"), "2026-12-31", params);
    check(frame_of(&analysis), include_str!("daily.csv"));
}

#[test]
fn hourly_features_match_pandas_across_a_clock_change() {
    let params = json!({
        "every": "hour", "values": ["minutes"], "aggregate": "mean", "include_present": true,
        "lags": [24], "differences": [1],
        "rolling": [{"window": 24, "figures": ["max", "sum"], "quantiles": [0.5], "periods_min": 3}],
        "expanding": ["min"], "half_lives": [2.5], "same_period": ["week"],
        "calendar": ["hour"], "cyclic": ["hour"],
    });
    let records = records_since("2026-10-16T23:00:00");
    let analysis = features_of(records, "2026-10-27", params);
    check(frame_of(&analysis), include_str!("hourly.csv"));
}

#[test]
fn holidays_match_a_reference_of_forty_years() {
    for line in include_str!("holidays.csv").lines().skip(1) {
        let mut cells = line.split(',');
        let mut next = || cells.next().expect("a cell");
        let country: Country = serde_json::from_value(json!(next())).expect("a country");
        let year: i16 = next().parse().expect("a year");
        let expected: Vec<&str> = next().split(' ').collect();
        let mut got: Vec<String> = rules::holidays_of(country, year)
            .iter()
            .map(|(day, _)| day.strftime("%m-%d").to_string())
            .collect();
        got.sort();
        got.dedup();
        assert_eq!(got, expected, "{country:?} {year}");
    }
}
