//! Unusual steps are found, usual ones are not.

use super::*;
use crate::series::test_data::{Noise, context, context_of, daily, input, records, times};
use jiff::ToSpan;
use polars::prelude::DataFrame;
use retrocast_domain::{Severity, Window};
use serde_json::json;

/// Integers around a weekly pattern, different for every group.
fn weekly_counts(seed: u64, mean: f64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..420)
        .map(|i| {
            let weekday = [1.7, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5][i % 7];
            let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            let mean = mean * weekday;
            (mean + mean.sqrt() * normal).round().max(0.0)
        })
        .collect()
}

fn analyse(series: &[(&str, Vec<f64>)], extra: Value) -> Analysis {
    let mut params = json!({
        "input": "daily_failures", "time": "day", "value": "failures", "by": ["component"],
        "measure": "failures",
    });
    for (key, value) in extra.as_object().unwrap() {
        params[key] = value.clone();
    }
    let inputs = Inputs::from([("daily_failures".to_string(), daily(series))]);
    run(&context("2026-11-16"), &params, &inputs).unwrap()
}

#[test]
fn look_back_finds_an_outage_before_the_window() {
    let mut changed = weekly_counts(3, 60.0);
    changed[380] = 5.0;
    let series = [("billing", changed), ("search", weekly_counts(4, 60.0))];
    let quiet = analyse(&series, json!({}));
    assert!(quiet.cell.findings.is_empty());
    let extra = json!({"look_back": 400, "metric_type": "throughput"});
    let analysis = analyse(&series, extra);
    let [finding] = &analysis.cell.findings[..] else {
        panic!("{:?}", analysis.cell.findings)
    };
    assert_eq!(finding.subject, "component = billing");
    assert_eq!(finding.numbers["type"], "throughput_drop");
    assert_eq!(finding.period, "2026-10-07 to 2026-10-07");
    assert_eq!(finding.severity, Severity::Info);
    assert!(
        finding
            .sentence
            .contains("unusually low on 7 October 2026: 5, "),
        "{}",
        finding.sentence
    );
    check_texts(&analysis);
    let before_and_after = "the level of the weeks before and after, with the usual rhythm";
    assert_eq!(finding.baseline.as_deref(), Some(before_and_after));
    let [table] = &analysis.cell.tables[..] else {
        panic!("{:?}", analysis.cell.tables)
    };
    assert_eq!(
        table.caption.replace('\u{a0}', " "),
        "Unusual days of failures among the 400 days tested, 12 October 2025 to 15 November 2026."
    );
    assert!(quiet.cell.tables.is_empty());
    assert_eq!(analysis.frame.unwrap().height(), 840);
}

#[test]
fn days_in_a_row_in_the_window_are_one_critical_event() {
    let mut changed = weekly_counts(5, 40.0);
    changed[415..418].iter_mut().for_each(|value| *value *= 4.0);
    let extra = json!({"metric_type": "error_rate"});
    let analysis = analyse(&[("billing", changed)], extra);
    let [finding] = &analysis.cell.findings[..] else {
        panic!("{:?}", analysis.cell.findings)
    };
    assert_eq!(finding.period, "2026-11-11 to 2026-11-13");
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(finding.numbers["type"], "error_rate_spike");
    check_texts(&analysis);
    let only_down = json!({"direction": "down"});
    let mut changed = weekly_counts(5, 40.0);
    changed[416] *= 4.0;
    assert!(
        analyse(&[("billing", changed)], only_down)
            .cell
            .findings
            .is_empty()
    );
}

#[test]
fn noise_in_ten_groups_makes_no_claim() {
    let names: Vec<String> = (0..10).map(|i| format!("g{i}")).collect();
    for round in 0..10 {
        let series: Vec<(&str, Vec<f64>)> = names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                (
                    name.as_str(),
                    weekly_counts(100 + 10 * round + i as u64, 5.0 + 20.0 * i as f64),
                )
            })
            .collect();
        let analysis = analyse(&series, json!({"look_back": 400}));
        assert!(
            analysis.cell.findings.is_empty(),
            "{:?}",
            analysis.cell.findings
        );
        check_texts(&analysis);
    }
}

/// The numbers between two texts in a sentence.
fn numbers_between(text: &str, from: &str, to: &str) -> Vec<f64> {
    let part = text.split_once(from).map_or("", |(_, rest)| rest);
    let part = part.split(to).next().unwrap_or_default();
    part.split(' ')
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Checks that texts agree with charts: values of findings are outside the band, and headings count
/// the points outside of it.
fn check_texts(analysis: &Analysis) {
    use retrocast_domain::ChartKind;
    for finding in &analysis.cell.findings {
        let text = finding.sentence.replace('\u{a0}', " ");
        for word in ["forest", "residual", "vote", "usual range", "p <", "n/a"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        let band = numbers_between(&text, "range, 95 %: ", ")");
        let value = text
            .split_once(": ")
            .and_then(|(_, text)| text.split([' ', ',']).next()?.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("{text}"));
        let (start, _) = text.split_once(" expected (").expect(&text);
        let (_, expected) = start.rsplit_once(" the ").expect(&text);
        let expected = numbers_between(expected, "", "\n");
        assert!(value < band[0] || value > band[band.len() - 1], "{text}");
        assert!(
            expected[0] >= band[0] - 0.5 && expected[0] <= band[band.len() - 1] + 0.5,
            "{text}"
        );
    }
    for chart in &analysis.cell.charts {
        let ChartKind::Line { series, bands, .. } = &chart.kind else {
            panic!("{chart:?}")
        };
        if !chart.title.contains("is proven") {
            continue;
        }
        let title = chart.title.replace('\u{a0}', " ");
        let values = series[0].times.iter().zip(&series[0].values);
        let outside = values.filter(|(time, value)| {
            let at = bands[0].times.iter().position(|other| other == *time);
            let (Some(at), Some(value)) = (at, value) else {
                return false;
            };
            *value < bands[0].lower[at] || *value > bands[0].upper[at]
        });
        // A chart may have fewer steps than were analysed.
        let in_chart = outside.count();
        let counts = numbers_between(&title, "(", " the ");
        if title.contains("in the window") {
            let none = title.contains("none of 7 lies outside");
            assert!(none || counts.first().is_some_and(|n| *n >= 1.0), "{title}");
            assert!(
                counts
                    .first()
                    .is_none_or(|n| none || *n as usize <= in_chart),
                "{title}"
            );
        } else {
            assert!(
                counts.first().is_some_and(|n| *n as usize >= in_chart),
                "{title}"
            );
        }
    }
}

#[test]
fn headings_count_steps_outside_the_band() {
    let mut mild = weekly_counts(5, 60.0);
    mild[416] = (mild[416] * 1.35).round();
    let analysis = analyse(&[("billing", mild)], json!({}));
    assert!(
        analysis.cell.findings.is_empty(),
        "{:#?}",
        analysis.cell.findings
    );
    check_texts(&analysis);
    let title = analysis.cell.charts[0].title.replace('\u{a0}', " ");
    assert_eq!(
        title,
        "Failures in billing: no day in the window is proven unusual (1 of 7 lies outside the 95 % \
         band; chance alone gives about 0.4)"
    );
    assert!(
        analysis.cell.did.contains("is proven unusual"),
        "{}",
        analysis.cell.did
    );
    let without = "; it includes zero, so a day without failures cannot stand out)";
    let rare = analyse(&[("billing", weekly_counts(5, 0.5))], json!({}));
    assert!(
        rare.cell.charts[0].title.ends_with(without),
        "{}",
        rare.cell.charts[0].title
    );
    let rare = analyse(
        &[("billing", weekly_counts(5, 0.5))],
        json!({"direction": "up"}),
    );
    assert!(
        !rare.cell.charts[0].title.contains("without"),
        "{}",
        rare.cell.charts[0].title
    );
    let analysis = analyse(
        &[("billing", weekly_counts(5, 60.0))],
        json!({"direction": "up"}),
    );
    let title = analysis.cell.charts[0].title.replace('\u{a0}', " ");
    let words =
        "no day in the window is proven unusually high (none of 7 lies outside the 95 % band)";
    assert!(title.ends_with(words), "{title}");
}

#[test]
fn severity_depends_on_metric_type_and_duration() {
    use Severity::{Critical, Notice, Warning};
    // Days of the window that are multiplied by four.
    let cases = [
        ("error_rate", 413..414, Warning),
        ("error_rate", 413..416, Critical),
        ("error_rate", 419..420, Critical),
        ("resource", 419..420, Warning),
        ("resource", 416..420, Critical),
        ("throughput", 419..420, Notice),
        ("other", 419..420, Notice),
        ("other", 416..420, Warning),
    ];
    for (metric_type, days, severity) in cases {
        let mut changed = weekly_counts(5, 40.0);
        changed[days.clone()]
            .iter_mut()
            .for_each(|value| *value *= 4.0);
        let analysis = analyse(&[("billing", changed)], json!({"metric_type": metric_type}));
        let [finding] = &analysis.cell.findings[..] else {
            panic!("{metric_type} {days:?}: {:?}", analysis.cell.findings)
        };
        assert_eq!(finding.severity, severity, "{metric_type} {days:?}");
    }
}

#[test]
fn a_drop_to_zero_is_a_warning_for_any_metric() {
    let mut changed = weekly_counts(5, 40.0);
    changed[419] = 0.0;
    let analysis = analyse(&[("billing", changed)], json!({}));
    assert_eq!(analysis.cell.findings[0].severity, Severity::Warning);
}

#[test]
fn little_history_is_reported() {
    let analysis = analyse(&[("billing", vec![3.0; 9])], json!({}));
    let CellStatus::NotEnough { message } = analysis.cell.status else {
        panic!()
    };
    assert!(
        message
            .replace('\u{a0}', " ")
            .starts_with("not enough: 9 days, 42 needed")
    );
}

/// Records in every hour of `weeks` weeks up to the window's end, in UTC: `per_hour` on average,
/// computed from the hours to the end and a usual mean.
fn hourly(seed: u64, weeks: i64, mut per_hour: impl FnMut(i64, f64) -> f64) -> DataFrame {
    let mut noise = Noise(seed);
    let end = jiff::civil::date(2026, 11, 16).at(0, 0, 0, 0);
    let mut at = Vec::new();
    for step in -weeks * 168..0 {
        let hour = end + step.hours();
        let office = (8..18).contains(&hour.hour()) && hour.weekday().to_monday_zero_offset() < 5;
        let mean = per_hour(step, if office { 20.0 } else { 4.0 });
        for i in 0..noise.poisson(mean) {
            at.push(hour + ((i as i64 * 37) % 60).minutes());
        }
    }
    DataFrame::new(at.len(), vec![times("at", &at)]).expect("a frame")
}

pub(super) fn analysis_of(frame: DataFrame, timezone: &str, extra: Value) -> Analysis {
    let mut params = json!({"input": "requests", "metric_type": "throughput"});
    for (key, value) in extra.as_object().expect("a table") {
        params[key] = value.clone();
    }
    let window = Window::parse("2026-W46", timezone).expect("a window");
    let inputs = Inputs::from([("requests".to_string(), input("requests", frame))]);
    run(&context_of("unusual", window), &params, &inputs).expect("an analysis")
}

#[test]
fn only_the_outage_of_hours_is_found() {
    // Three weeks distinguish the hours of a day, nine those of a week, too.
    for (seed, weeks) in [(1, 3), (2, 9)] {
        // Wednesday 11 November, 10:00 to 13:00.
        let frame = hourly(seed, weeks, |step, mean| match step {
            -110..-107 => 1.0,
            _ if weeks == 3 => 20.0,
            _ => mean,
        });
        let analysis = analysis_of(frame, "UTC", json!({"period": "hour"}));
        let [finding] = &analysis.cell.findings[..] else {
            panic!("{weeks} weeks: {:#?}", analysis.cell.findings)
        };
        assert_eq!(finding.numbers["type"], "throughput_drop");
        assert_eq!(finding.period, "2026-11-11T10:00 to 2026-11-11T12:00");
        assert!(
            finding
                .sentence
                .contains("from 11 November 2026, 10:00 to 13:00"),
            "{}",
            finding.sentence
        );
        assert!(
            finding.method.contains("Benjamini-Hochberg"),
            "{}",
            finding.method
        );
        assert!(finding.p_adjusted > finding.p, "{finding:?}");
        check_texts(&analysis);
    }
}

#[test]
fn usual_hours_make_few_claims() {
    let claims = (10..30)
        .filter(|seed| {
            let frame = hourly(*seed, 5, |_, mean| mean);
            !analysis_of(frame, "UTC", json!({"period": "hour"}))
                .cell
                .findings
                .is_empty()
        })
        .count();
    assert!(
        claims <= 1,
        "{claims} of 20 usual weeks claim an unusual hour"
    );
}

#[test]
fn repeated_and_skipped_hours_are_not_unusual() {
    for (window, timezone) in [("2026-W43", "Europe/London"), ("2026-W13", "Europe/London")] {
        let window = Window::parse(window, timezone).expect("a window");
        let end = window.end_instant();
        // Exactly ten records in every hour.
        let at: Vec<_> = (0..8 * 168 * 10)
            .map(|i| end - jiff::SignedDuration::from_mins(6 * i + 1))
            .map(|time| jiff::tz::TimeZone::UTC.to_datetime(time))
            .collect();
        let frame = DataFrame::new(at.len(), vec![times("at", &at)]).expect("a frame");
        let inputs = Inputs::from([("requests".to_string(), input("requests", frame))]);
        let params = json!({"input": "requests", "period": "hour"});
        let analysis = run(&context_of("unusual", window), &params, &inputs).expect("an analysis");
        assert!(
            analysis.cell.findings.is_empty(),
            "{:#?}",
            analysis.cell.findings
        );
    }
}

#[test]
fn days_on_which_records_begin_or_end_are_not_anomalies() {
    let cases = [
        ("America/Los_Angeles", 0, 0),
        ("Asia/Tokyo", 0, 0),
        ("UTC", 13, 0),
        ("UTC", 0, 11),
        ("Europe/London", 7, 60),
    ];
    for (timezone, skipped_before, skipped_after) in cases {
        let weeks = 12;
        let first = -weeks * 168 + skipped_before;
        let frame = hourly(5, weeks, |step, mean| {
            if (first..-skipped_after).contains(&step) {
                mean
            } else {
                0.0
            }
        });
        let analysis = analysis_of(frame, timezone, json!({"look_back": 400}));
        assert!(
            analysis.cell.findings.is_empty(),
            "{timezone} {skipped_before} {skipped_after}: {:#?}",
            analysis.cell.findings
        );
        if skipped_after > 0 {
            let caveats = analysis.cell.caveats.join(" ");
            assert!(caveats.contains("Records end on"), "{caveats}");
        }
    }
}

#[test]
fn three_records_are_too_few_for_any_period() {
    let dates = ["0001-01-01", "2026-11-07", "2026-11-09"];
    let at: Vec<jiff::civil::DateTime> = dates
        .iter()
        .map(|day| {
            day.parse::<jiff::civil::Date>()
                .expect("a day")
                .at(9, 30, 0, 0)
        })
        .collect();
    for period in ["day", "hour"] {
        let frame = DataFrame::new(3, vec![times("at", &at)]).expect("a frame");
        let analysis = analysis_of(frame, "UTC", json!({"period": period}));
        assert!(analysis.cell.findings.is_empty());
        let CellStatus::NotEnough { message } = analysis.cell.status else {
            panic!("{:?}", analysis.cell.status)
        };
        assert!(message.contains("needed"), "{message}");
        assert_eq!(analysis.cell.records, Some(1));
    }
}

#[test]
fn a_silent_group_is_one_warning_also_where_fewer_is_better() {
    let findings = |last_day: usize| {
        let mut noise = Noise(8);
        let frame = records("2026-08-03", 105, &["web", "worker"], |day, group| {
            let count = noise.poisson(if group == "web" { 40.0 } else { 25.0 });
            if group == "web" || day < last_day {
                count
            } else {
                0
            }
        });
        let params = json!({
            "by": ["component"], "measure": "failures", "metric_type": "error_rate", "direction": "up",
        });
        let findings = analysis_of(frame, "UTC", params).cell.findings;
        let of_worker = |finding: &Finding| finding.subject == "component = worker";
        findings.into_iter().filter(of_worker).collect::<Vec<_>>()
    };
    // Nine days, of which two are before the window.
    let [finding] = &findings(96)[..] else {
        panic!("{:#?}", findings(96))
    };
    assert_eq!(finding.numbers["type"], "silence");
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(finding.period, "2026-11-07 to 2026-11-15");
    let start = "Failures in worker have had no record since 7 November 2026, where about 2";
    assert!(
        finding.sentence.replace('\u{a0}', " ").starts_with(start),
        "{}",
        finding.sentence
    );
    // A group that is silent for more than eight weeks is retired; a busy one is not silent.
    assert!(findings(40).is_empty());
    assert!(findings(105).is_empty());
}
