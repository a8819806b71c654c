//! Checks that features use neither the present nor the future.

use super::*;

/// Params of every feature that can be computed from values.
fn all_features(every: &str, present: bool) -> Value {
    json!({
        "every": every, "by": ["component"], "values": ["minutes"], "aggregate": "mean",
        "include_present": present, "lags": [1, 3], "differences": [1, 2],
        "rolling": [{"window": 5, "figures": ["sum", "mean", "min", "max", "sd"],
                     "quantiles": [0.5], "periods_min": 2}],
        "expanding": ["sum", "mean", "min", "max", "sd"], "half_lives": [2],
        "same_period": ["week", "year_by_weekday"],
        "calendar": ["day_of_week"], "cyclic": ["month"],
        "holidays": {"countries": ["germany"]},
        "dates": [{"name": "x", "dates": ["2026-09-10"]}],
    })
}

/// Three weeks of records, a few a day, some without a value.
fn random_records(noise: &mut Noise) -> Vec<(DateTime, &'static str, Option<f64>)> {
    let first: DateTime = "2026-09-01T00:00:00".parse().expect("a time");
    let mut rows = Vec::new();
    for day in 0..21_i64 {
        for component in ["a", "b"] {
            for _ in 0..noise.poisson(2.0) {
                let minute = (noise.uniform() * 1440.0) as i64;
                let value = (noise.uniform() < 0.9).then(|| 10.0 * noise.uniform());
                rows.push((first + day.days() + minute.minutes(), component, value));
            }
        }
    }
    rows
}

/// Rows of a result as text, by time and component, without the series' own values.
fn rows_of(frame: &DataFrame, time: &str) -> std::collections::BTreeMap<String, String> {
    let text = |name: &str| -> Vec<String> {
        let column = frame.column(name).expect("a column");
        let cast = column.cast(&DataType::String).expect("text");
        let all = cast.str().expect("text").iter();
        all.map(|text| text.unwrap_or("-").to_string()).collect()
    };
    let (times, components) = (text(time), text("component"));
    let features: Vec<Vec<String>> = frame
        .get_column_names()
        .iter()
        .filter(|name| ![time, "component", "minutes"].contains(&name.as_str()))
        .map(|name| text(name))
        .collect();
    let rows = times.iter().zip(&components).enumerate();
    rows.map(|(row, (time, component))| {
        let values: Vec<&str> = features.iter().map(|column| column[row].as_str()).collect();
        (format!("{time} {component}"), values.join(" "))
    })
    .collect()
}

/// Counts the rows at or before a time that change if all records from that time on are changed.
fn count_changed_rows(every: &str, present: bool, seed: u64) -> usize {
    let mut noise = Noise(seed);
    let rows = random_records(&mut noise);
    // The beginning of a day, in summer time.
    let day = 5 + (noise.uniform() * 14.0) as i64;
    let from = "2026-08-31T23:00:00".parse::<DateTime>().expect("a time") + day.days();
    let mut other: Vec<_> = rows.iter().copied().filter(|row| row.0 < from).collect();
    for row in rows.iter().filter(|row| row.0 >= from) {
        if noise.uniform() < 0.7 {
            other.push((row.0, row.1, Some(1e6 * noise.uniform())));
        }
    }
    let last: DateTime = "2026-09-21T12:00:00".parse().expect("a time");
    for component in ["a", "b"] {
        other.push((from, component, Some(5e5)));
        other.push((last, component, Some(7e5)));
    }
    let time = if every == "hour" { "hour" } else { "day" };
    let compute = |rows: &[_]| {
        let analysis = features_of(records(rows), "2026-12-31", all_features(every, present));
        rows_of(frame_of(&analysis), time)
    };
    let (before, after) = (compute(&rows), compute(&other));
    // Checks the rows up to and including the one that begins at the change.
    let end = if every == "hour" {
        format!("{} {}", from.date(), from.time())
    } else {
        from.date().tomorrow().expect("a day").to_string()
    };
    let known = before.iter().filter(|(key, _)| {
        let time = key.get(..end.len()).unwrap_or_default();
        time <= end.as_str()
    });
    let mut changed = 0;
    let mut checked_rows = 0;
    for (key, features) in known {
        checked_rows += 1;
        changed += usize::from(after.get(key) != Some(features));
    }
    assert!(checked_rows > 5, "{checked_rows} rows");
    changed
}

#[test]
fn later_records_do_not_change_features() {
    for seed in 0..40 {
        for every in ["day", "hour"] {
            assert_eq!(
                count_changed_rows(every, false, seed),
                0,
                "{every}, seed {seed}"
            );
        }
    }
}

#[test]
fn include_present_uses_the_row_itself() {
    // The same test detects changes when features may use their own row.
    assert!((0..5).all(|seed| count_changed_rows("day", true, seed) > 0));
}
