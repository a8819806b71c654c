//! Printed figures agree with each other, and doubt values far outside their history.

use super::*;
use retrocast_domain::Severity;

#[test]
fn printed_changes_follow_from_printed_levels() {
    let number = |text: &str| -> f64 {
        let word = plain(&text.replace(THIN, ""))
            .split('×')
            .next()
            .unwrap()
            .to_string();
        let word = word
            .split(' ')
            .next()
            .unwrap()
            .trim_start_matches('+')
            .to_string();
        word.parse()
            .unwrap_or_else(|_| panic!("{text:?} is not a number"))
    };
    let mut noise = Noise(5);
    let mut with_more_digits = 0;
    for round in 0..30_000 {
        let kind = ["count", "rate", "share", "mean", "sum"][round % 5];
        let unit = [Value::Null, json!("ms"), json!("min")][round / 5 % 3].clone();
        let unit = if ["mean", "sum"].contains(&kind) {
            unit
        } else {
            Value::Null
        };
        let metric: Metric = serde_json::from_value(json!({
            "name": "M", "kind": kind, "value": "v", "unit": unit,
        }))
        .unwrap();
        let metric = metric.with_unit(None);
        let size = match (kind, metric.unit()) {
            ("share", _) => 1.0,
            ("mean" | "sum", "min") => 100.0,
            _ => 10f64.powf(noise.uniform() * 7.0 - 2.0),
        };
        let mut level = || (0.02 + 0.98 * noise.uniform()) * size;
        let mut levels = [level(), level(), level()];
        if kind == "count" {
            levels[0] = levels[0].ceil();
            levels[1] = levels[1].ceil();
        }
        let half = levels[0] * noise.uniform();
        let figure = figure_of(&metric, levels, half);
        let texts = texts::Texts::from_figure(&figure).unwrap();
        let context = format!("{kind} {levels:?} {half}");
        assert!(texts.is_consistent, "{context}");
        with_more_digits +=
            usize::from(texts.baseline != Some(metric.format(levels[2], Some(2.0 * half))));
        let now = number(&texts.value);
        let pairs = [
            (texts.before, texts.change),
            (texts.baseline, texts.baseline_change),
        ];
        for (before, change) in pairs {
            let (before, change) = (number(&before.unwrap()), change.unwrap());
            let printed = number(&change);
            let computed = if change.ends_with('%') {
                (now / before - 1.0) * 100.0
            } else {
                now - before
            };
            let after = plain(&change.replace(THIN, ""));
            let after = after.split(' ').next().unwrap();
            let decimals = after.split_once('.').map_or(0, |(_, after)| after.len());
            let rounded = format!("{computed:.decimals$}").parse::<f64>().unwrap();
            let step = 0.1_f64.powi(decimals as i32);
            let is_tie = ((computed / step).abs().fract() - 0.5).abs() < 1e-6;
            assert!(
                (rounded - printed).abs() < 0.1 * step || is_tie,
                "{context}: {now} {before} {change}"
            );
        }
    }
    // A level often has fewer digits than its change needs.
    assert!(with_more_digits > 3_000, "{with_more_digits}");
}

#[test]
fn a_baseline_has_the_digits_that_its_change_needs() {
    let metric: Metric = serde_json::from_value(json!({"name": "N", "kind": "count"})).unwrap();
    let metric = metric.with_unit(Some("incidents"));
    let texts = texts::Texts::from_figure(&figure_of(&metric, [27.0, 24.0, 22.58], 11.0)).unwrap();
    let got = [texts.value, texts.before.unwrap(), texts.baseline.unwrap()];
    assert_eq!(
        got.map(|text| plain(&text)),
        ["27 incidents", "24 incidents", "22.58 incidents"]
    );
    assert_eq!(plain(&texts.baseline_change.unwrap()), "+20 %");
    let texts = texts::Texts::from_figure(&figure_of(&metric, [0.0, 24.0, 22.58], 2.0)).unwrap();
    assert_eq!(
        plain(&texts.delta().unwrap()),
        "none instead of 24 incidents"
    );
    assert_eq!(texts.baseline_change.as_deref(), Some("none"));
}

#[test]
fn minutes_and_their_interval_have_the_same_format() {
    let metric = |unit: &str| -> Metric {
        serde_json::from_value(json!({"name": "T", "kind": "median", "value": "m", "unit": unit}))
            .unwrap()
    };
    let check = |value: f64, interval: [f64; 2], expected: [&str; 2]| {
        let texts = metric("min").format_with_interval(value, Some(interval));
        assert_eq!(texts.map(|text| plain(&text)), expected);
    };
    check(79.0, [37.2, 126.4], ["79 min", "37 to 126 min"]);
    check(
        150.0,
        [130.0, 171.0],
        ["2 h 30 min", "2 h 10 min to 2 h 51 min"],
    );
}

#[test]
fn a_table_explains_unmarked_intervals_that_exclude_zero() {
    let mut unmarked_tables = 0;
    for seed in 0..30 {
        let table = &measure(runs(11, seed, |_| 200.0, |_| 0.95), all_metrics())
            .cell
            .tables[0];
        let unmarked = table.rows.iter().map(|row| plain(&row[4])).any(|change| {
            let range = change.split_once('(').map_or("", |(_, range)| range);
            let bounds: Vec<f64> = range
                .split([' ', ')'])
                .filter_map(|word| word.parse().ok())
                .collect();
            !change.ends_with('*') && bounds.len() == 2 && bounds[0] * bounds[1] > 0.0
        });
        let explained = table.caption.contains("each interval is for its row alone");
        assert_eq!(unmarked, explained, "{}: {:?}", table.caption, table.rows);
        unmarked_tables += usize::from(unmarked);
        // Figures compared with a baseline have no more digits than the interval of the change
        // supports.
        let builds = table.rows.iter().find(|row| row[0] == "Builds").unwrap();
        let decimals = |text: &str| {
            let number = text.split(['\u{a0}', ' ']).next().unwrap_or_default();
            number.split_once('.').map_or(0, |(_, digits)| digits.len())
        };
        let is_small = builds[6].trim_start_matches(['+', '−']).starts_with("0.");
        assert!(decimals(&builds[6]) == 0 || is_small, "{builds:?}");
    }
    assert!(unmarked_tables > 0);
}

#[test]
fn changes_of_shares_have_their_unit_once() {
    let table = |params: Value| {
        let cell = measure(runs(11, 3, |_| 200.0, |_| 0.95), params).cell;
        (
            cell.tables[0].caption.clone(),
            plain(&cell.tables[0].rows[0][4]),
        )
    };
    let (caption, change) = table(success_rate());
    assert!(caption.ends_with("proven change)"), "{caption}");
    let (size, range) = change
        .split_once(" percentage points (")
        .expect("a size in points");
    assert!(
        size.len() > 1 && range.ends_with(')') && !range.contains('p'),
        "{change}"
    );
    let (caption, _) = table(json!({"metrics": [{"name": "Runs", "kind": "count"}]}));
    assert!(caption.ends_with("proven change)"), "{caption}");
}

#[test]
fn a_value_far_outside_its_history_is_doubted() {
    let params = json!({"metrics": [{"name": "Runs", "kind": "count", "lower_is_better": false}]});
    let sentence = |factor: f64| {
        let per_day = |day: i64| if day >= 70 { 20.0 * factor } else { 20.0 };
        let analysis = measure(runs(11, 7, per_day, |_| 0.9), params.clone());
        let [finding] = &analysis.cell.findings[..] else {
            panic!("{:?}", analysis.cell.findings);
        };
        let action = finding.request.clone().expect("a request").action;
        (finding.sentence.clone(), action, finding.severity)
    };
    let (text, action, severity) = sentence(10.0);
    assert!(text.ends_with("This is far outside its history: check the records."));
    assert_eq!(
        (&*action, severity),
        ("check the records", Severity::Notice)
    );
    let (text, action, _) = sentence(2.0);
    assert!(!text.contains("check the records") && action == "decide what to do");
}
