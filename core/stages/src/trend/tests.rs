//! Drifts are reported, and noise is not.

use super::*;
use crate::series::test_data::{Noise, context, input, records, times};
use jiff::ToSpan;
use polars::prelude::*;
use retrocast_domain::{ChartKind, Direction};

mod recent;

fn analyse(frame: DataFrame, params: &serde_json::Value) -> Analysis {
    let inputs = Inputs::from([("metrics".to_string(), input("metrics", frame))]);
    run(&context("2026-11-16"), params, &inputs).expect("an analysis")
}

/// Memory of services, one value per hour; "search" increases by `gain` per day.
fn memory(seed: u64, days: usize, gain: f64) -> DataFrame {
    let mut noise = Noise(seed);
    let end = jiff::civil::date(2026, 11, 16);
    let (mut at, mut service, mut value) = (Vec::new(), Vec::new(), Vec::new());
    for name in ["api", "billing", "search", "web"] {
        let mut wave = 0.0;
        for day in 0..days {
            let date = end - (days as i64 - day as i64).days();
            wave = 0.5 * wave + noise.normal();
            for hour in 0..24 {
                at.push(date.at(hour, 0, 0, 0));
                service.push(name);
                let drift = if name == "search" {
                    gain * day as f64
                } else {
                    0.0
                };
                let weekday = if day % 7 < 5 { 2.0 } else { 0.0 };
                value.push(50.0 + drift + weekday + wave + 3.0 * noise.normal());
            }
        }
    }
    let n = at.len();
    let columns = vec![
        times("at", &at),
        Column::new("service".into(), service),
        Column::new("memory".into(), value),
    ];
    DataFrame::new(n, columns).expect("a frame")
}

fn params() -> serde_json::Value {
    serde_json::json!({
        "input": "metrics", "value": "memory", "by": ["service"], "unit": "%",
        "measure": "mean memory"
    })
}

#[test]
fn only_the_drifting_metric_is_reported() {
    for seed in 0..8 {
        let analysis = analyse(memory(seed, 84, 0.15), &params());
        let found = &analysis.cell.findings;
        assert_eq!(found.len(), 1, "seed {seed}: {found:#?}");
        let finding = &found[0];
        assert_eq!(finding.subject, "service = search");
        assert_eq!(finding.direction, Direction::Up);
        assert_eq!(finding.numbers["class"], "worsening");
        let slope = finding.numbers["slope"].as_f64().expect("a slope");
        assert!((slope - 0.15).abs() < 0.04, "seed {seed}: {slope}");
        assert!(
            !finding.numbers["step_fits_better"]
                .as_bool()
                .expect("a flag")
        );
    }
    let analysis = analyse(memory(1, 84, 0.15), &params());
    let finding = &analysis.cell.findings[0];
    let sentence = plain(&finding.sentence);
    let beginning = "Mean memory in search rose over 84 days: the fitted line rises from ";
    assert!(sentence.starts_with(beginning), "{sentence}");
    // Percentages differ by percentage points.
    assert!(
        sentence.contains(" percentage points higher (95 % interval"),
        "{sentence}"
    );
    let magnitude = finding.magnitude.as_ref().expect("a magnitude");
    assert_eq!(magnitude.unit, "percentage points");
    assert!((magnitude.value - 0.15 * 83.0).abs() < 4.0, "{magnitude:?}");
    let ending = "each interval is for its row alone, findings are corrected for all 4 groups.";
    let caption = plain(&analysis.cell.tables[0].caption);
    assert!(caption.ends_with(ending), "{caption}");
    let methods = "The p-value is that of the Mann-Kendall test and of the best bend, proven below 0.01; change and \
                  interval are those of a Theil-Sen line.";
    assert!(
        analysis.cell.did.ends_with(methods),
        "{}",
        analysis.cell.did
    );
    let table = &analysis.cell.tables[0];
    assert_eq!(table.columns[4].title, "Change, percentage points");
    let changes = table.rows.iter().map(|row| &row[4]);
    assert!(
        changes.clone().all(|change| !change.contains("points")),
        "{table:?}"
    );
    assert_eq!(analysis.frame.expect("a frame").height(), 4);
}

#[test]
fn flat_groups_make_few_false_claims() {
    let groups = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut families = 0;
    for seed in 0..60 {
        let mut noise = Noise(seed * 977);
        let mut wave = [0.0; 8];
        let frame = records("2026-08-03", 105, &groups, |day, group| {
            let i = usize::from(group.as_bytes()[0] - b'a');
            wave[i] = 0.5 * wave[i] + 0.25 * noise.normal();
            let weekday = if day % 7 < 5 { 1.2 } else { 0.5 };
            noise.poisson(4.0 * weekday * f64::exp(wave[i]))
        });
        let params = serde_json::json!({"input": "metrics", "by": ["component"]});
        families += usize::from(!analyse(frame, &params).cell.findings.is_empty());
    }
    assert!(
        families <= 6,
        "{families} of 60 families of 8 series claim a trend"
    );
}

#[test]
fn too_little_data_is_reported_with_what_is_needed() {
    let status = analyse(memory(1, 9, 0.1), &params()).cell.status;
    let CellStatus::NotEnough { message } = status else {
        panic!("{status:?}")
    };
    assert!(
        message.starts_with("not enough: 9\u{a0}days, 21 needed"),
        "{message}"
    );
}

/// Replaces no-break spaces and minus signs by typed characters.
fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ").replace('−', "-")
}

#[test]
fn counts_that_fall_to_zero_do_not_fall_below_it() {
    // From 20 per day down to 1 in steps of one, then rarely any; the other group has one per
    // day.
    let frame = records("2026-04-30", 200, &["falling", "single"], |day, group| {
        if group == "single" {
            return 1;
        }
        let rare = usize::from(day % 5 == 0);
        (20 - day.min(160) / 8).max(rare)
    });
    let params = serde_json::json!({"input": "metrics", "by": ["component"]});
    let analysis = analyse(frame, &params);
    let found = &analysis.cell.findings;
    assert_eq!(found.len(), 1, "{found:#?}");
    let sentence = plain(&found[0].sentence);
    let [start, end] = ["start", "end"].map(|name| found[0].numbers[name].as_f64().expect(name));
    assert!(start > 10.0 && 0.0 < end && end < 3.0, "{sentence}");
    let magnitude = found[0].magnitude.as_ref().expect("a magnitude");
    let (low, high) = (
        magnitude.lower.expect("a bound"),
        magnitude.upper.expect("a bound"),
    );
    assert!(-1.0 < low && high < -0.5, "{magnitude:?}");
    assert!(
        (end / start - 1.0 - magnitude.value).abs() < 1e-9,
        "{magnitude:?}"
    );
    assert!(
        !sentence.contains('-') && sentence.contains("% lower"),
        "{sentence}"
    );
    let frame = analysis.frame.expect("a frame");
    let changes = frame
        .column("change")
        .expect("a column")
        .f64()
        .expect("numbers");
    assert!(changes.iter().flatten().all(|change| change > -1.0));
    let class = frame
        .column("class")
        .expect("a column")
        .str()
        .expect("text");
    assert_eq!(class.get(0), Some("improving"));
}

/// Class, title, and the start and end of the line in the chart of the only group.
fn class_title_and_ends(analysis: &Analysis) -> (String, String, [f64; 2]) {
    let chart = analysis.cell.charts.first();
    let chart = chart.unwrap_or_else(|| panic!("{:?}", analysis.cell));
    let ChartKind::Line { series, .. } = &chart.kind else {
        panic!("{:?}", chart.kind)
    };
    let line: Vec<f64> = series[1].values.iter().flatten().copied().collect();
    let ends = [line[0], line[line.len() - 1]];
    let class = analysis.cell.tables[0].rows[0][1].clone();
    (class, plain(&chart.title), ends)
}

#[test]
fn chart_titles_agree_with_the_line_in_the_chart() {
    let params = serde_json::json!({"input": "metrics", "measure": "tickets", "period": "week"});
    let mut classes = std::collections::BTreeSet::new();
    for seed in 0..30 {
        for factor in [-1.5, -0.4, 0.0, 0.3, 1.5] {
            let mut noise = Noise(seed * 131 + 5);
            let frame = records("2026-01-05", 315, &["a"], |day, _| {
                noise.poisson(6.0 * (factor * day as f64 / 315.0).exp())
            });
            let analysis = analyse(frame, &params);
            let (class, title, [start, end]) = class_title_and_ends(&analysis);
            let is_proven = matches!(class.as_str(), "improving" | "worsening" | "small");
            assert_eq!(is_proven, !title.contains("proven"), "{class}: {title}");
            assert!(!is_proven || title.contains("(95 % interval "), "{title}");
            assert!(title.starts_with("Tickets per week: "), "{title}");
            let side = if end > start { "higher" } else { "lower" };
            if is_proven || title.contains("probably") {
                let high = title.contains("times as high") && end > start;
                assert!(title.contains(side) || high, "{start} to {end}: {title}");
            } else {
                assert!(title.contains("no trend proven ("), "{title}");
            }
            for finding in &analysis.cell.findings {
                assert!(
                    is_proven && !finding.sentence.contains("proven"),
                    "{finding:?}"
                );
            }
            assert_eq!(
                analysis.cell.findings.is_empty(),
                analysis.cell.did.contains("no trend")
            );
            let all = serde_json::to_string(&analysis.cell).expect("JSON");
            assert!(!all.contains("stable") && !all.contains("steady"), "{all}");
            classes.insert(class);
        }
    }
    assert!(
        classes.contains("improving") && classes.contains("worsening"),
        "{classes:?}"
    );
    assert!(classes.contains("not proven"), "{classes:?}");
}

#[test]
fn a_group_that_begins_later_has_a_line_from_there() {
    let frame = records("2026-08-03", 105, &["a", "b"], |day, group| {
        if group == "a" || day >= 60 {
            3 + day % 3
        } else {
            0
        }
    });
    let params = serde_json::json!({"input": "metrics", "by": ["component"]});
    let analysis = analyse(frame, &params);
    // One day is partial for "b": that of its first record.
    let alt = plain(&analysis.cell.charts[0].alt);
    assert!(alt.contains("not proven"), "{alt}");
    assert_eq!(
        plain(&analysis.cell.charts[0].title),
        "Metrics per day: no trend proven in 2 groups"
    );
}

#[test]
fn unknown_params_and_columns_are_refused() {
    let inputs = Inputs::from([("metrics".to_string(), input("metrics", memory(1, 30, 0.0)))]);
    let wrong = serde_json::json!({"input": "metrics", "wat": 1});
    assert!(run(&context("2026-11-16"), &wrong, &inputs).is_err());
    let wrong = serde_json::json!({"input": "metrics", "value": "memorry"});
    let error = run(&context("2026-11-16"), &wrong, &inputs).expect_err("an error");
    assert!(
        error.to_string().contains("no column \"memorry\""),
        "{error}"
    );
}

#[test]
fn reported_trends_have_intervals_that_exclude_zero() {
    for seed in 0..40 {
        let analysis = analyse(memory(seed, 30, 0.05), &params());
        for finding in &analysis.cell.findings {
            let magnitude = finding.magnitude.as_ref().expect("a magnitude");
            let (low, high) = (
                magnitude.lower.expect("a bound"),
                magnitude.upper.expect("a bound"),
            );
            assert!(low > 0.0 || high < 0.0, "{}", finding.sentence);
            let (_, line) = finding.sentence.split_once(" from ").expect("a line");
            let ends = line.split(", ").next().expect("ends");
            let (start, end) = ends.split_once(" to ").expect("two ends");
            assert!(!start.ends_with(end), "{}", finding.sentence);
        }
    }
}

#[test]
fn few_records_are_not_tested() {
    // One record per day for three days, and one from long ago.
    let at = [
        "0001-01-01T00:00:00",
        "2026-11-12T10:00:00",
        "2026-11-13T10:00:00",
        "2026-11-14T10:00:00",
    ];
    let at: Vec<jiff::civil::DateTime> = at.iter().map(|t| t.parse().expect("a time")).collect();
    let frame = DataFrame::new(4, vec![times("at", &at)]).expect("a frame");
    let status = analyse(frame, &serde_json::json!({"input": "metrics"}))
        .cell
        .status;
    let CellStatus::NotEnough { message } = status else {
        panic!("{status:?}")
    };
    assert!(
        message.starts_with("not enough: 4\u{a0}days, 21 needed"),
        "{message}"
    );
    // Many days, few records.
    let frame = records("2026-08-03", 105, &["a"], |day, _| {
        usize::from(day % 30 == 2)
    });
    let status = analyse(frame, &serde_json::json!({"input": "metrics"}))
        .cell
        .status;
    let CellStatus::NotEnough { message } = status else {
        panic!("{status:?}")
    };
    assert!(
        message.starts_with("not enough: 4\u{a0}records, 20 needed"),
        "{message}"
    );
}

/// Weekly values with autocorrelation 0.3 that rise by two standard deviations in a step, or by
/// three on a slope.
fn rising_series(seed: u64, is_step: bool) -> DataFrame {
    let mut noise = Noise(seed * 7919 + 13);
    let mut wave = noise.normal();
    let (mut at, mut value) = (Vec::new(), Vec::new());
    let turn = 40 + (seed % 25) as i64;
    for week in 0..104 {
        wave = 0.3 * wave + 0.91_f64.sqrt() * noise.normal();
        let rise = if is_step {
            2.0 * f64::from(u8::from(week >= turn))
        } else {
            3.0 * week as f64 / 104.0
        };
        at.push((jiff::civil::date(2024, 11, 18) + (7 * week).days()).at(12, 0, 0, 0));
        value.push(20.0 + wave + rise);
    }
    let columns = vec![times("at", &at), Column::new("load".into(), value)];
    DataFrame::new(at.len(), columns).expect("a frame")
}

/// True if the trend and the shift of a series are consistent, and true if the trend reports the
/// wrong form. `None` if neither is proven.
fn consistency(seed: u64, is_step: bool) -> Option<[bool; 2]> {
    let params = serde_json::json!({
        "input": "metrics", "value": "load", "period": "week", "periods_max": 104
    });
    let inputs = || {
        Inputs::from([(
            "metrics".to_string(),
            input("metrics", rising_series(seed, is_step)),
        )])
    };
    let context = context("2026-11-16");
    let trend = run(&context, &params, &inputs()).expect("an analysis").cell;
    let shift = (crate::change_point::CHANGE_POINT.run)(&context, &params, &inputs());
    let shift = shift.expect("an analysis").cell;
    let form = |cell: &Cell, is_trend: bool| {
        let finding = cell.findings.first()?;
        let contains = |text: &str| finding.sentence.contains(text);
        Some(match is_trend {
            true if contains("rather than gradually") => {
                assert_eq!(finding.severity, retrocast_domain::Severity::Info);
                "step"
            }
            true if contains("about as well") => "open",
            true => "line",
            false if contains("about as well") => "open",
            false => "step",
        })
    };
    let forms = [form(&trend, true), form(&shift, false)];
    // Only "a step" and "a line" contradict each other.
    let contradict = forms.contains(&Some("step")) && forms.contains(&Some("line"));
    let wrong = if is_step { "line" } else { "step" };
    (forms != [None, None]).then_some([!contradict, forms[0] == Some(wrong)])
}

/// Shares of series with consistent results, with a wrong trend, and with any result.
fn rates(count: u64, is_step: bool) -> [f64; 3] {
    let all: Vec<[bool; 2]> = (0..count)
        .filter_map(|seed| consistency(seed, is_step))
        .collect();
    let share =
        |index: usize| all.iter().filter(|flags| flags[index]).count() as f64 / all.len() as f64;
    [share(0), share(1), all.len() as f64 / count as f64]
}

#[test]
fn the_trend_and_the_shift_of_a_series_are_consistent() {
    for is_step in [true, false] {
        let [agree, wrong, any] = rates(40, is_step);
        assert!(
            agree >= 0.9 && wrong <= 0.1 && any >= 0.9,
            "{is_step} {agree} {wrong} {any}"
        );
    }
}

#[test]
#[ignore = "prints a table"]
fn table_of_consistency() {
    for (name, is_step) in [("step", true), ("slope", false)] {
        let [agree, wrong, any] = rates(200, is_step);
        eprintln!("{name}: agree {agree:.3}, wrong {wrong:.3}, reported {any:.3}");
    }
}

#[test]
fn printed_changes_follow_from_the_ends_of_the_line() {
    let params = serde_json::json!({"input": "metrics", "measure": "tickets", "period": "week"});
    for seed in 0..40 {
        let mut noise = Noise(seed * 131 + 5);
        let frame = records("2026-01-05", 315, &["a"], |day, _| {
            noise.poisson(1.0 * (day as f64 / 315.0).exp())
        });
        let analysis = analyse(frame, &params);
        let row: Vec<String> = analysis.cell.tables[0].rows[0]
            .iter()
            .map(|t| plain(t))
            .collect();
        let number = |text: &str| -> f64 {
            text.trim_end_matches(" %")
                .trim_start_matches('+')
                .parse()
                .expect("a number")
        };
        let [start, end, change] = [2, 3, 4].map(|column| number(&row[column]));
        assert!(
            (100.0 * (end / start - 1.0) - change).abs() <= 0.51,
            "{row:?}"
        );
    }
}
