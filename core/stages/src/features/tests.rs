//! Compares features with an independent computation, and checks that none uses the future.
//!
//! The files in `tests` were computed by pandas 3.1 and the Python package holidays 0.109 from
//! records of a seeded generator: with `x` the regular series and `p = x.shift(1)`, `x.shift(n)`,
//! `p - p.shift(n)`, `p.rolling(7)`, `p.expanding()`, `p.ewm(halflife=3)`; for features that may
//! use the present, with `x` in place of `p`.

use super::*;
use crate::series::test_data::{Noise, context_of, input, times};
use jiff::{Timestamp, ToSpan, civil::DateTime};
use polars::prelude::*;
use retrocast_domain::Window;
use serde_json::json;

mod fixture;
mod leak;

/// Records with a time (UTC), a component and a value each.
pub(super) fn records(rows: &[(DateTime, &str, Option<f64>)]) -> DataFrame {
    let at: Vec<DateTime> = rows.iter().map(|row| row.0).collect();
    let component: Vec<&str> = rows.iter().map(|row| row.1).collect();
    let minutes: Vec<Option<f64>> = rows.iter().map(|row| row.2).collect();
    let columns = vec![
        times("at", &at),
        Column::new("component".into(), component),
        Column::new("minutes".into(), minutes),
    ];
    DataFrame::new(rows.len(), columns).expect("a frame")
}

/// Runs the stage on records in a window of London.
pub(super) fn features_of(frame: DataFrame, window: &str, mut params: Value) -> Analysis {
    params["input"] = json!("tickets");
    let window = Window::parse(window, "Europe/London").expect("a window");
    let inputs = Inputs::from([("tickets".to_string(), input("tickets", frame))]);
    run(&context_of("features", window), &params, &inputs).expect("an analysis")
}

pub(super) fn frame_of(analysis: &Analysis) -> &DataFrame {
    analysis.frame.as_ref().expect("a frame")
}

/// A column as numbers.
pub(super) fn column(frame: &DataFrame, name: &str) -> Vec<Option<f64>> {
    let column = frame.column(name).unwrap_or_else(|e| panic!("{e}"));
    let cast = column.cast(&DataType::Float64).expect("numbers");
    cast.f64().expect("numbers").iter().collect()
}

/// Creates a record every half hour for `hours` hours, beginning at `from`.
fn half_hours(from: &str, hours: i64) -> DataFrame {
    let from: DateTime = from.parse().expect("a time");
    let rows: Vec<(DateTime, &str, Option<f64>)> = (0..2 * hours)
        .map(|n| (from + (30 * n).minutes(), "a", Some(1.0)))
        .collect();
    records(&rows)
}

#[test]
fn hours_are_elapsed_hours() {
    // The local days from midnight to midnight: 25 hours and 23.
    let check = |from: &str, hours: i64, window: &str, clock: &[f64]| {
        let params = json!({"every": "hour", "calendar": ["hour"], "lags": [24]});
        let analysis = features_of(half_hours(from, hours), window, params);
        let frame = frame_of(&analysis);
        let hours: Vec<f64> = column(frame, "hour_of_day").into_iter().flatten().collect();
        assert_eq!(&hours[..5], clock, "{window}");
        let counts = column(frame, "tickets");
        assert!(counts.iter().all(|count| *count == Some(2.0)), "{counts:?}");
        hours.len()
    };
    let autumn = [0.0, 1.0, 1.0, 2.0, 3.0];
    assert_eq!(check("2026-10-24T23:00:00", 25, "2026-10-25", &autumn), 25);
    let spring = [0.0, 2.0, 3.0, 4.0, 5.0];
    assert_eq!(check("2026-03-29T00:00:00", 23, "2026-03-29", &spring), 23);
}

#[test]
fn days_and_weeks_follow_the_time_zone_and_end_with_the_window() {
    // From Sunday 25 October, 00:30 summer time, which is Saturday in UTC.
    let frame = half_hours("2026-10-24T23:30:00", 24 * 9);
    let analysis = features_of(frame.clone(), "2026-10-31", json!({"every": "day"}));
    let days = frame_of(&analysis);
    assert_eq!(days.column("day").unwrap().dtype(), &DataType::Date);
    let counts: Vec<f64> = column(days, "tickets").into_iter().flatten().collect();
    assert_eq!(counts, [49.0, 48.0, 48.0, 48.0, 48.0, 48.0, 48.0]);
    let weeks = features_of(frame, "2026-11-30", json!({"every": "week"}));
    let counts: Vec<f64> = column(frame_of(&weeks), "tickets")
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(counts, [49.0, 336.0, 47.0]);
}

#[test]
fn same_period_handles_leap_years_and_weekdays() {
    let first: DateTime = "2023-01-01T12:00:00".parse().expect("a time");
    let rows: Vec<(DateTime, &str, Option<f64>)> = (0..800_i64)
        .map(|n| (first + n.days(), "a", Some(n as f64)))
        .collect();
    let params = json!({
        "values": ["minutes"], "same_period": ["week", "year", "year_by_weekday"],
    });
    let analysis = features_of(records(&rows), "2025-12-31", params);
    let frame = frame_of(&analysis);
    let at = |name: &str, day: &str| {
        let day: DateTime = format!("{day}T12:00:00").parse().expect("a day");
        let n = first.until(day).expect("a span").get_days();
        column(frame, &format!("minutes_{name}"))[n as usize]
    };
    // Numbers are days since 1 January 2023.
    assert_eq!(at("last_week", "2023-01-07"), None);
    assert_eq!(at("last_week", "2023-01-08"), Some(0.0));
    assert_eq!(at("last_year", "2023-12-31"), None);
    assert_eq!(at("last_year", "2024-02-29"), Some(58.0));
    assert_eq!(at("last_year", "2025-03-01"), Some(425.0));
    assert_eq!(
        at("last_year_by_weekday", "2024-12-31"),
        Some(730.0 - 364.0)
    );
}

#[test]
fn a_skipped_hour_has_no_value_a_week_later() {
    let frame = half_hours("2026-03-20T00:00:00", 24 * 17);
    let params = json!({"every": "hour", "same_period": ["week"], "calendar": ["hour"]});
    let analysis = features_of(frame, "2026-04-05", params);
    let frame = frame_of(&analysis);
    let missing: Vec<usize> = column(frame, "tickets_last_week")
        .iter()
        .enumerate()
        .filter_map(|(row, value)| value.is_none().then_some(row))
        .collect();
    // The first week, and 1 o'clock on Sunday 5 April: a week earlier, 1 o'clock was skipped. That
    // Sunday is the seventeenth day, and one hour was skipped before it.
    let sunday = 24 * 16 - 1 + 1;
    let expected: Vec<usize> = (0..24 * 7).chain([sunday]).collect();
    assert_eq!(missing, expected);
}

#[test]
fn periods_without_records_are_filled_by_param() {
    let day = |n: i64| "2026-10-01T12:00:00".parse::<DateTime>().unwrap() + n.days();
    let rows = [
        (day(0), "a", Some(4.0)),
        (day(0), "a", Some(8.0)),
        (day(2), "a", None),
        (day(3), "a", Some(1.0)),
    ];
    let check = |params: Value, name: &str, expected: &[Option<f64>]| {
        let analysis = features_of(records(&rows), "2026-10-31", params);
        assert_eq!(column(frame_of(&analysis), name), expected, "{name}");
    };
    let some = |values: [f64; 4]| values.map(|v| v.is_finite().then_some(v));
    let nan = f64::NAN;
    check(json!({}), "tickets", &some([2.0, 0.0, 1.0, 1.0]));
    check(
        json!({"name": "n", "fill": "null"}),
        "n",
        &some([2.0, nan, 1.0, 1.0]),
    );
    let params_of = |aggregate: &str| json!({"values": ["minutes"], "aggregate": aggregate});
    check(params_of("sum"), "minutes", &some([12.0, 0.0, 0.0, 1.0]));
    check(params_of("mean"), "minutes", &some([6.0, nan, nan, 1.0]));
    check(params_of("min"), "minutes", &some([4.0, nan, nan, 1.0]));
    check(params_of("max"), "minutes", &some([8.0, nan, nan, 1.0]));
    check(params_of("last"), "minutes", &some([8.0, nan, nan, 1.0]));
    check(params_of("p95"), "minutes", &some([7.8, nan, nan, 1.0]));
    let unchanged = json!({"values": ["minutes"], "every": "none", "lags": [1]});
    check(unchanged, "minutes_lag_1", &some([nan, 4.0, 8.0, nan]));
}

#[test]
fn days_since_and_until_dates_and_holidays_are_counted() {
    let first: DateTime = "2026-12-23T12:00:00".parse().expect("a time");
    let rows: Vec<_> = (0..7_i64).map(|n| (first + n.days(), "a", None)).collect();
    let params = json!({
        "holidays": {"countries": ["england"], "dates": [
            {"date": "2026-12-24", "name": "Office closed"}, {"date": "2026-12-25", "name": "Party"},
        ]},
        "dates": [{"name": "release", "dates": ["2026-12-27", "2026-12-24"]}],
    });
    let analysis = features_of(records(&rows), "2026-12-31", params);
    let frame = frame_of(&analysis);
    let check = |name: &str, expected: [f64; 7]| {
        let expected = expected.map(|v| v.is_finite().then_some(v));
        assert_eq!(column(frame, name), expected, "{name}");
    };
    let nan = f64::NAN;
    // Boxing Day 2026 is a Saturday; the Monday after is its substitute.
    check("is_holiday", [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    check("days_to_holiday", [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 3.0]);
    check(
        "days_since_holiday",
        [119.0 - 4.0 - 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0],
    );
    check("days_since_release", [nan, 0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
    check("days_until_release", [1.0, 0.0, 2.0, 1.0, 0.0, nan, nan]);
    let names: Vec<Option<&str>> = frame
        .column("holiday")
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .collect();
    assert_eq!(names[2], Some("Christmas Day; Party"));
    assert_eq!(names[5], Some("Boxing Day (substitute)"));
}

#[test]
fn other_stages_can_use_the_columns() {
    let mut noise = Noise(5);
    let first: DateTime = "2026-06-01T00:00:00".parse().expect("a time");
    let mut rows = Vec::new();
    for day in 0..160_i64 {
        for component in ["a", "b"] {
            for n in 0..noise.poisson(12.0) {
                rows.push((
                    first + day.days() + (n as i64).minutes(),
                    component,
                    Some(1.0),
                ));
            }
        }
    }
    let params = json!({"by": ["component"], "rolling": [{"window": 7, "figures": ["mean"]}]});
    let analysis = features_of(records(&rows), "2026-W45", params);
    let daily = input("daily", frame_of(&analysis).clone());
    let inputs = Inputs::from([("daily".to_string(), daily)]);
    let window = Window::parse("2026-W45", "Europe/London").expect("a window");
    for value in ["tickets", "tickets_rolling_mean_7"] {
        for kind in [&crate::anomaly::ANOMALY, &crate::forecast::FORECAST] {
            let params = json!({
                "input": "daily", "time": "day", "by": ["component"], "value": value,
                "aggregate": "mean",
            });
            let context = context_of("next", window.clone());
            let analysis = (kind.run)(&context, &params, &inputs).expect("an analysis");
            let cell = analysis.cell;
            assert_eq!(cell.status, CellStatus::Done, "{} of {value}", kind.name);
            assert!(analysis.frame.is_some_and(|frame| frame.height() > 0));
        }
    }
}

#[test]
fn the_table_describes_every_column() {
    let params = json!({
        "by": ["component"], "unit": "tickets", "lags": [1],
        "rolling": [{"window": 3, "quantiles": [0.9], "periods_min": 2}],
        "half_lives": [0.5], "calendar": ["is_month_end"],
    });
    let analysis = features_of(
        half_hours("2026-10-01T00:00:00", 24 * 4),
        "2026-10-31",
        params,
    );
    let table = &analysis.cell.tables[0];
    let texts: Vec<String> = table
        .rows
        .iter()
        .map(|row| row.join(" | ").replace('\u{a0}', " "))
        .collect();
    let expected = [
        "day | beginning of the day | time | 0 %",
        "component | series | text | 0 %",
        "tickets | number of records in the day | tickets | 0 %",
        "tickets_lag_1 | tickets 1 day before | tickets | 20.0 %",
        "tickets_rolling_q90_3 | 0.9-quantile of tickets over 3 days before the day, at least 2 \
         known | tickets | 40.0 %",
        "tickets_ewm_0_5 | mean of tickets over all days before the day, weights halving every 0.5 | \
         tickets | 20.0 %",
        "is_month_end | whether it is the last of a month | true or false | 0 %",
    ];
    assert_eq!(texts, expected);
    let names: Vec<&str> = frame_of(&analysis)
        .get_column_names()
        .iter()
        .map(|name| name.as_str())
        .collect();
    let first: Vec<&str> = expected
        .iter()
        .filter_map(|row| row.split(" | ").next())
        .collect();
    assert_eq!(names, first);
}

#[test]
fn invalid_params_are_reported() {
    let check = |mut params: Value, message: &str| {
        params["input"] = json!("tickets");
        let frame = half_hours("2026-10-01T00:00:00", 4);
        let inputs = Inputs::from([("tickets".to_string(), input("tickets", frame))]);
        let window = Window::parse("2026-10-31", "UTC").expect("a window");
        let error = run(&context_of("f", window), &params, &inputs).expect_err("an error");
        assert!(error.to_string().contains(message), "{error}");
    };
    check(json!({"every": "none"}), "name their `values`");
    check(json!({"aggregate": "mean"}), "needs `values`");
    check(json!({"values": ["none"]}), "has no column \"none\"");
    check(
        json!({"rolling": [{"window": 2, "figures": ["sum"], "periods_min": 3}]}),
        "greater than the window",
    );
    check(json!({"rolling": [{"window": 2}]}), "needs `figures`");
    check(json!({"name": "day"}), "two columns would be named \"day\"");
    check(
        json!({"holidays": {"dates": [{"date": "soon", "name": "x"}]}}),
        "is not a day",
    );
    let empty = features_of(
        half_hours("2026-10-01T00:00:00", 4),
        "2026-09-30",
        json!({}),
    );
    assert!(matches!(empty.cell.status, CellStatus::NotEnough { .. }));
}

/// Time for a million rows: `cargo test --release -p retrocast-stages million -- --ignored
/// --nocapture`.
#[test]
#[ignore = "a measurement"]
fn a_million_rows() {
    let mut noise = Noise(9);
    let start: Timestamp = "2024-01-01T00:00:00Z".parse().expect("a time");
    let micros: Vec<i64> = (0..1_000_000)
        .map(|_| start.as_microsecond() + (noise.uniform() * 900.0 * 86_400e6) as i64)
        .collect();
    let dtype = DataType::Datetime(TimeUnit::Microseconds, Some(polars::prelude::TimeZone::UTC));
    let at = Column::new("at".into(), micros)
        .cast(&dtype)
        .expect("times");
    let names: Vec<String> = (0..1_000_000).map(|i| format!("c{}", i % 50)).collect();
    let values: Vec<f64> = (0..1_000_000).map(|_| noise.uniform()).collect();
    let columns = vec![
        at,
        Column::new("component".into(), names),
        Column::new("minutes".into(), values),
    ];
    let frame = DataFrame::new(1_000_000, columns).expect("a frame");
    let params = json!({
        "every": "hour", "by": ["component"], "values": ["minutes"], "aggregate": "mean",
        "lags": [1, 24, 168], "differences": [1],
        "rolling": [{"window": 168, "figures": ["mean", "sd"], "quantiles": [0.9], "periods_min": 20}],
        "expanding": ["mean"], "half_lives": [24.0], "same_period": ["week"],
        "calendar": ["hour", "day_of_week"], "cyclic": ["hour"],
        "holidays": {"countries": ["england"]},
    });
    let begun = std::time::Instant::now();
    let analysis = features_of(frame, "2026-12-31", params);
    let frame = frame_of(&analysis);
    eprintln!("{:?} in {:?}", frame.shape(), begun.elapsed());
}

#[test]
fn isolated_old_records_add_no_rows() {
    let from: DateTime = "2026-10-01T00:30:00".parse().expect("a time");
    let mut rows: Vec<(DateTime, &str, Option<f64>)> = (0..40_i64)
        .map(|day| (from + day.days(), "a", Some(1.0)))
        .collect();
    rows.push((
        Timestamp::UNIX_EPOCH
            .to_zoned(jiff::tz::TimeZone::UTC)
            .datetime(),
        "a",
        None,
    ));
    let check = |every: &str, height: usize, has_caveat: bool| {
        let params = json!({"every": every, "by": ["component"], "values": ["minutes"]});
        let analysis = features_of(records(&rows), "2026-11-15", params);
        assert_eq!(frame_of(&analysis).height(), height, "{every}");
        let caveats = analysis.cell.caveats.join(" ").replace('\u{a0}', " ");
        let caveat = "1 record of 1 January 1970 is left out: long before all others, which begin on 1 \
                    October 2026.";
        assert_eq!(caveats.contains(caveat), has_caveat, "{every}: {caveats}");
    };
    check("day", 40, true);
    check("hour", 39 * 24 + 1, true);
    check("week", 7, true);
    // Unchanged rows have no periods to fill.
    check("none", 41, false);
}
