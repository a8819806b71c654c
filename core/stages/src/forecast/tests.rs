//! Forecasts and the limits they reach.

use super::*;
use crate::series::test_data::{Noise, context, daily};
use jiff::ToSpan;
use polars::prelude::{Column, DataFrame};
use retrocast_domain::{ChartKind, Finding, Severity, Table, window};
use serde_json::json;

fn wobble(i: usize, size: f64) -> f64 {
    ((i * 7919 % 101) as f64 / 50.0 - 1.0) * size
}

fn analyse(series: &[(&str, Vec<f64>)], extra: Value) -> Analysis {
    let mut params = json!({
        "input": "daily_failures", "time": "day", "value": "failures", "by": ["component"],
        "measure": "memory", "unit": "%", "aggregate": "mean",
    });
    for (key, value) in extra.as_object().unwrap() {
        params[key] = value.clone();
    }
    let inputs = Inputs::from([("daily_failures".to_string(), daily(series))]);
    run(&context("2026-11-16"), &params, &inputs).unwrap()
}

#[test]
fn a_drifting_metric_reaches_its_limit_and_a_level_metric_does_not() {
    let drifting: Vec<f64> = (0..420)
        .map(|i| 55.0 + wobble(i, 1.0) + 0.25 * (i as f64 - 350.0).max(0.0))
        .collect();
    let level: Vec<f64> = (0..420).map(|i| 70.0 + wobble(i, 1.5)).collect();
    let extra = json!({"capacity": {"limit": 100.0, "share": 0.8}, "horizon": 60});
    let analysis = analyse(&[("api", drifting), ("web", level)], extra);
    let breaches: Vec<&Finding> = analysis
        .cell
        .findings
        .iter()
        .filter(|finding| finding.numbers.contains_key("breach_date"))
        .collect();
    let [finding] = breaches[..] else {
        panic!("{breaches:?}")
    };
    assert_eq!(finding.subject, "component = api");
    // Its rows are those of the extrapolated line, and those of a forecast are its history.
    let rows = |finding: &Finding| finding.evidence[0].filter.clone().expect("a filter");
    let end = " to 2026-11-15";
    let line = rows(finding);
    assert!(
        line.starts_with("component = api; 2026-0") && line.ends_with(end),
        "{line}"
    );
    // 72.5 on the last day, 0.25 a day: 80 after 30 days, on 15 December.
    let days = finding.numbers["breach_days"].as_f64().unwrap();
    assert!((days - 30.0).abs() <= 5.0, "{days}: {}", finding.sentence);
    assert_eq!(finding.severity, Severity::Warning);
    let quiet = analysis
        .cell
        .findings
        .iter()
        .find(|f| f.subject == "component = web")
        .unwrap();
    assert!(!quiet.sentence.contains("limit"));
    let history = rows(quiet);
    assert!(
        history.starts_with("component = web; 2025-") && history.ends_with(end),
        "{history}"
    );
    let words = finding.sentence.replace('\u{a0}', " ");
    let begins = "Memory in api would reach 80 % of its limit of 100 % on ";
    assert!(words.starts_with(begins), "{words}");
    assert!(
        words.contains("percentage points a week, as it has since around"),
        "{words}"
    );
    // The dates are those at which the line's interval in the chart meets the limit.
    let chart = &analysis.cell.charts[0];
    let ChartKind::Line { bands, .. } = &chart.kind else {
        panic!("{chart:?}")
    };
    let line = bands
        .iter()
        .find(|band| band.name.ends_with("interval of the line"));
    let line = line.expect("a band");
    let reached = |edge: &[f64]| {
        let step = edge
            .iter()
            .position(|value| *value >= 80.0)
            .expect("reached");
        line.times[step].date()
    };
    let dates = window::range(reached(&line.upper), reached(&line.lower));
    let ChartKind::Line { series, .. } = &chart.kind else {
        panic!("{chart:?}")
    };
    let forecast = series.iter().find(|series| series.name == "forecast");
    let forecast = forecast.expect("a forecast");
    let step = forecast
        .values
        .iter()
        .position(|value| *value >= Some(80.0));
    // The forecast follows the line, with its weekdays.
    let reached = forecast.times[step.expect("a step")].date();
    let likely = finding.numbers["breach_date"].as_str().expect("a date");
    let likely: jiff::civil::Date = likely.parse().expect("a date");
    let gap = likely.until(reached).expect("days").get_days();
    assert!(gap.abs() <= 4, "{likely}, {reached}");
    assert!(words.ends_with(" September 2026."), "{words}");
    assert!(
        words.contains(&format!(" (95 % interval {dates}) if it keeps rising by ")),
        "{words}"
    );
    let caveat = finding.caveats.join(" ").replace('\u{a0}', " ");
    assert!(
        caveat.contains("the 95 % interval of the forecast for a single day reaches the limit on"),
        "{caveat}"
    );
    let title = chart.title.replace('\u{a0}', " ");
    let claim = title.strip_suffix(&format!(" (95 % interval {dates}) if it keeps rising"));
    assert!(words.starts_with(claim.expect(&title)), "{title}");
    assert_eq!(analysis.cell.charts.len(), 1);
}

#[test]
fn a_young_leak_is_dated_and_followed_as_in_trend() {
    let mut noise = Noise(4);
    for age in [14_usize, 21, 28] {
        // 77 % on the last day, after a level of 52 %.
        let leak: Vec<f64> = (0..182)
            .map(|i| {
                52.0 + noise.normal()
                    + 25.0 / age as f64 * (f64::from(i) - 181.0 + age as f64).max(0.0)
            })
            .collect();
        let extra = json!({"capacity": {"limit": 100.0, "share": 0.9}, "horizon": 42});
        let analysis = analyse(&[("api", leak.clone())], extra);
        // The more important finding comes first.
        let [breach, next] = &analysis.cell.findings[..] else {
            panic!("{age}: {:?}", analysis.cell.findings)
        };
        let days = breach.numbers["breach_days"].as_f64().expect("days");
        let expected = 13.0 / 25.0 * age as f64;
        assert!((days - expected).abs() <= 3.0, "{age}: {}", breach.sentence);
        let value = next.magnitude.as_ref().expect("a value").value;
        let middle = 77.0 + 4.0 * 25.0 / age as f64;
        assert!((value - middle).abs() < 2.0, "{age}: {}", next.sentence);
        let inputs = Inputs::from([("daily_failures".to_string(), daily(&[("api", leak)]))]);
        let params = json!({
            "input": "daily_failures", "time": "day", "value": "failures", "by": ["component"],
            "measure": "memory", "unit": "%",
        });
        let trend = (crate::trend::TREND.run)(&context("2026-11-16"), &params, &inputs);
        let trend = trend.expect("an analysis").cell;
        let since = breach.numbers["since"].as_str().expect("a date");
        let day: jiff::civil::Date = since.parse().expect("a date");
        let sentence = &trend.findings[0].sentence;
        assert!(
            sentence.contains(&window::date_in_words(day)),
            "{since}: {sentence}"
        );
        let sentence = next.sentence.replace('\u{a0}', " ");
        let movement = ", if it keeps rising by ";
        assert!(
            sentence.contains(movement) && !sentence.contains("past date"),
            "{sentence}"
        );
    }
}

/// The limit of costs, which most series do not reach.
const LIMIT: f64 = 10_000.0;

#[test]
fn a_value_beyond_its_limit_is_the_present_one() {
    // Three years of weeks; the line through them is flat at 95 % of the limit.
    let first = jiff::civil::date(2026, 11, 23) - (155 * 7).days();
    let week = |i: usize| first + (7 * i as i64).days();
    let season = |amplitude: f64| {
        costs(156, week, |i| {
            let angle = (i as f64 - 155.0) / 52.18 * std::f64::consts::TAU;
            0.95 * LIMIT + amplitude * angle.cos() + wobble(i, 20.0)
        })
    };
    let peak = season(2000.0);
    let finding = &peak.cell.findings[0];
    let present = finding.numbers["present"].as_f64().expect("a value");
    assert!((present - 11_500.0).abs() < 30.0, "{present}");
    let text = finding.sentence.replace('\u{a0}', " ");
    let value = retrocast_domain::estimate::levels([present], None, "").concat();
    assert_eq!(
        text,
        format!(
            "Cost was at {value} in the week of 23 November 2026, above its limit of {} already.",
            retrocast_domain::estimate::levels([LIMIT], None, "").concat()
        )
        .replace('\u{a0}', " ")
    );
    let request = finding.request.as_ref().expect("a request");
    assert_eq!(request.event, "is above its limit");
    assert_eq!(peak.cell.charts[0].title, text.trim_end_matches('.'));
    // In the trough it is below.
    let trough = season(-2000.0);
    let is_breach = |finding: &&Finding| finding.numbers.contains_key("breach_date");
    assert_eq!(trough.cell.findings.iter().find(is_breach), None);
}

/// Costs with one record a period, the last in the period before 1 December 2026, forecast in
/// December.
fn costs(
    count: usize,
    start: impl Fn(usize) -> jiff::civil::Date,
    value: impl Fn(usize) -> f64,
) -> Analysis {
    use crate::series::test_data::{context_of, input, times};
    let starts: Vec<_> = (0..count).map(|i| start(i).at(0, 0, 0, 0)).collect();
    let values: Vec<f64> = (0..count).map(value).collect();
    let columns = vec![times("at", &starts), Column::new("cost".into(), values)];
    let frame = DataFrame::new(count, columns).expect("a frame");
    let inputs = Inputs::from([("costs".to_string(), input("costs", frame))]);
    let window = retrocast_domain::Window::parse("2026-11", "UTC").expect("a window");
    let params = json!({
        "input": "costs", "value": "cost", "level": [0.8, 0.95],
        "capacity": {"limit": LIMIT, "share": 0.9},
    });
    run(&context_of("costs", window), &params, &inputs).expect("an analysis")
}

#[test]
fn months_are_forecast_by_months_with_the_season_of_a_year() {
    let first = jiff::civil::date(2022, 12, 1);
    let month = |i: usize| first + (i as i64).months();
    let analysis = costs(48, month, |i| {
        let angle = i as f64 / 12.0 * std::f64::consts::TAU;
        5000.0 + 1000.0 * angle.cos() + wobble(i, 50.0)
    });
    let [finding] = &analysis.cell.findings[..] else {
        panic!("{:?}", analysis.cell)
    };
    let text = finding.sentence.replace('\u{a0}', " ");
    assert!(
        text.contains(" expected in December 2026 (95 % interval "),
        "{text}"
    );
    assert!(text.ends_with("repeating last year."), "{text}");
    assert_eq!(finding.period, "2026-12-01 to 2026-12-31");
    // December costs most.
    let value = finding.magnitude.as_ref().expect("a value").value;
    assert!((value - 6000.0).abs() < 200.0, "{text}");
    let frame = analysis.frame.expect("a frame");
    assert_eq!(
        (frame.height(), frame.get_column_names()[1].as_str()),
        (3, "month")
    );
}

#[test]
fn weeks_are_forecast_by_weeks() {
    let first = jiff::civil::date(2026, 11, 23) - (59 * 7).days();
    let week = |i: usize| first + (7 * i as i64).days();
    let analysis = costs(60, week, |i| 300.0 + wobble(i, 30.0));
    let [finding] = &analysis.cell.findings[..] else {
        panic!("{:?}", analysis.cell)
    };
    let text = finding.sentence.replace('\u{a0}', " ");
    let dates = "expected in total in the weeks of 30 November to 21 December 2026 (95 % interval ";
    assert!(text.contains(dates), "{text}");
    assert!(text.ends_with(" than repeating last week."), "{text}");
    assert_eq!(finding.period, "2026-11-30 to 2026-12-27");
    assert_eq!(analysis.frame.expect("a frame").height(), 8);
}

#[test]
fn the_next_window_is_predicted_with_its_interval() {
    let counts: Vec<f64> = (0..420)
        .map(|i| [40.0, 20.0, 20.0, 20.0, 18.0, 9.0, 8.0][i % 7])
        .collect();
    let extra = json!({"aggregate": "sum", "unit": "", "measure": "failures"});
    let analysis = analyse(&[("api", counts)], extra);
    let [finding] = &analysis.cell.findings[..] else {
        panic!()
    };
    let magnitude = finding.magnitude.as_ref().unwrap();
    assert!((magnitude.value - 135.0).abs() < 1.0, "{}", magnitude.value);
    assert_eq!(finding.period, "2026-11-16 to 2026-11-22");
    assert_eq!(analysis.frame.unwrap().height(), 28);
}

#[test]
fn little_history_is_reported() {
    let analysis = analyse(&[("api", vec![3.0; 9])], json!({}));
    let CellStatus::NotEnough { message } = analysis.cell.status else {
        panic!()
    };
    assert!(
        message
            .replace('\u{a0}', " ")
            .starts_with("not enough: 9 days, ")
    );
}

/// Returns the sentence and the caveats of the only finding, and the tables, for daily counts
/// of builds; the last count is that of 15 November.
fn sentence(counts: Vec<f64>) -> (String, String, Vec<Table>) {
    let extra = json!({"aggregate": "sum", "unit": "", "measure": "builds", "by": []});
    let analysis = analyse(&[("api", counts)], extra);
    let [finding] = &analysis.cell.findings[..] else {
        panic!("{:?}", analysis.cell.findings)
    };
    let plain = |text: &str| text.replace('\u{a0}', " ");
    let table = &analysis.cell.tables[0];
    assert!(
        finding.sentence.contains(&table.rows[0][1])
            && finding.sentence.contains(&table.rows[0][2])
            || table.rows[0][2] == "–",
        "{table:?}"
    );
    (
        plain(&finding.sentence),
        plain(&finding.caveats.join(" ")),
        analysis.cell.tables.clone(),
    )
}

/// Checks the text about the next week of builds: expected number, interval, and accuracy.
fn check_builds(name: &str, counts: Vec<f64>, expected: &str, interval: &str, caveat: &str) {
    let (sentence, caveats, _) = sentence(counts);
    let begin = format!(
        "Builds: {expected} expected in total from 16 to 22 November 2026 (95 % interval {interval}"
    );
    assert!(sentence.starts_with(&begin), "{name}: {sentence}");
    assert_eq!(caveats, caveat, "{name}");
}

#[test]
fn one_outage_moves_no_forecast() {
    let week = [24.0, 24.0, 24.0, 24.0, 24.0, 10.0, 6.0];
    let regular = |day: usize, value: f64| -> Vec<f64> {
        (0..84)
            .map(|i| if i == day { value } else { week[i % 7] })
            .collect()
    };
    let exceptional =
        |days: &str| format!("{days} not extrapolated; the interval allows for such days.");
    check_builds(
        "regular",
        regular(84, 0.0),
        "136",
        "135 to 137); on 15 past dates repeating last week was exact.",
        "",
    );
    // The outage is among the forecast days, never among the days of the training history.
    check_builds(
        "low",
        regular(79, 0.0),
        "136",
        "112 to 137); on 15 past dates the forecast was as accurate as repeating last week.",
        &exceptional("11 November 2026 is exceptional and is"),
    );
    check_builds(
        "high",
        regular(81, 90.0),
        "136",
        "135 to 202); on 15 past dates the forecast was as accurate as repeating last week.",
        &exceptional("13 November 2026 is exceptional and is"),
    );
    check_builds(
        "last day",
        regular(83, 0.0),
        "136",
        "94 to 137); on 15 past dates the forecast was as accurate as repeating last week.",
        "15 November 2026 is exceptional and is not extrapolated; whether it lasts is not known yet, and \
         the interval allows for both.",
    );
    let out = |days: &[usize], usual: fn(usize) -> f64| -> Vec<f64> {
        (0..84)
            .map(|i| if days.contains(&i) { 0.0 } else { usual(i) })
            .collect()
    };
    let on_one_day = exceptional("11 November 2026 is exceptional and is");
    check_builds(
        "one a day",
        out(&[79], |_| 1.0),
        "7",
        "6 to 8); ",
        &on_one_day,
    );
    check_builds(
        "all days alike",
        out(&[79], |_| 24.0),
        "168",
        "144 to 169); ",
        &on_one_day,
    );
    check_builds(
        "two outages",
        out(&[51, 79], |_| 24.0),
        "168",
        "143 to 193); ",
        &exceptional("14 October 2026 and 11 November 2026 are exceptional and"),
    );
    check_builds(
        "workdays",
        out(&[], |i| if i % 7 < 5 { 24.0 } else { 0.0 }),
        "120",
        "119 to 121); ",
        "",
    );
    check_builds(
        "noise",
        out(&[79], |i| 20.0 + (i * 7919 % 5) as f64),
        "155",
        "132 to 160); ",
        &on_one_day,
    );
}

#[test]
fn a_constant_series_is_reported_without_an_interval() {
    let (sentence, ..) = sentence(vec![24.0; 84]);
    assert_eq!(
        sentence,
        "Builds: 168 expected in total from 16 to 22 November 2026: each of the 84 days before had 24."
    );
}

#[test]
fn accuracy_is_reported_against_last_week() {
    for (gain, words) in [
        (0.283, "28 % more accurate than"),
        (0.9999, "more than 99 % more accurate than"),
        (0.04, "about as accurate as"),
        (-0.001, "as accurate as"),
        (-0.04, "about as accurate as"),
        (-4.0, "less accurate than"),
    ] {
        assert_eq!(present::gain_words(gain).replace('\u{a0}', " "), words);
    }
    let noisy: Vec<f64> = (0..420).map(|i| (60.0 + wobble(i, 20.0)).round()).collect();
    let (sentence, _, tables) = sentence(noisy);
    let (_, text) = sentence
        .split_once("; on 23 past dates the forecast was ")
        .expect(&sentence);
    let (gain, tail) = text.split_once(" % ").expect(&sentence);
    assert_eq!(tail, "more accurate than repeating last week.");
    // The tables give the same measure.
    let error = format!("{} %", 100 - gain.parse::<i32>().expect(&sentence));
    let plain = |text: &String| text.replace('\u{a0}', " ");
    assert_eq!(plain(&tables[0].rows[0][3]), error);
    let combined = tables[1].rows.last().expect("a row");
    assert_eq!(
        (combined[0].as_str(), plain(&combined[1])),
        ("combined", error)
    );
    assert!(
        !sentence.contains('×') && !sentence.contains("error"),
        "{sentence}"
    );
}

#[test]
fn rare_events_are_not_forecast_below_zero() {
    let rare: Vec<f64> = (0..200)
        .map(|i| f64::from(u8::from(i * 7919 % 31 == 3)))
        .collect();
    let extra = json!({"aggregate": "sum", "unit": "", "measure": "failures"});
    let analysis = analyse(&[("api", rare)], extra);
    let CellStatus::NotEnough { .. } = analysis.cell.status else {
        let frame = analysis.frame.expect("a frame");
        for name in ["expected", "lower_80", "lower_95"] {
            let column = frame.column(name).expect("a column");
            assert!(
                column
                    .f64()
                    .expect("numbers")
                    .iter()
                    .flatten()
                    .all(|value| value >= 0.0)
            );
        }
        let sentence = &analysis.cell.findings[0].sentence;
        assert!(
            !sentence.contains('−') && !sentence.contains(" 0 expected"),
            "{sentence}"
        );
        return;
    };
    panic!("{:?}", analysis.cell.status);
}

#[test]
fn a_forecast_begins_after_the_last_whole_day() {
    use crate::series::test_data::{context_of, input, records};
    let frame = records("2026-08-03", 98, &["a"], |day, _| {
        // The last of 98 days is Sunday 8 November; the next three days have records, the third
        // only in part.
        24 + day % 3
    });
    let more = records(
        "2026-11-09",
        3,
        &["a"],
        |day, _| if day == 2 { 9 } else { 24 },
    );
    let frame = frame.vstack(&more).expect("rows");
    let inputs = Inputs::from([("builds".to_string(), input("builds", frame))]);
    let window = retrocast_domain::Window::parse("2026-W46", "UTC").expect("a window");
    let context = context_of("outlook", window);
    let analysis = run(&context, &json!({"input": "builds"}), &inputs).expect("an analysis");
    let finding = &analysis.cell.findings[0];
    let text = finding.sentence.replace('\u{a0}', " ");
    assert!(
        text.contains("expected in total from 11 to 17 November 2026"),
        "{text}"
    );
    let caveats = finding.caveats.join(" ");
    let begins = "Records end before the window does: the forecast begins on 11 November 2026.";
    assert!(caveats.contains(begins), "{caveats}");
}

#[test]
fn a_missing_dataset_is_an_error() {
    let params = json!({"input": "builds"});
    let result = run(&context("2026-11-16"), &params, &Inputs::new());
    assert!(
        result
            .expect_err("an error")
            .to_string()
            .contains("\"builds\"")
    );
}
