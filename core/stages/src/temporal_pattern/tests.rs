//! Checks that real patterns are reported, and random ones are not.

use super::*;
use crate::series::test_data::Noise;
use crate::{Input, Stop};
use jiff::ToSpan;
use retrocast_domain::{ChartKind, DatasetRef, Window};
use serde_json::{Value, json};

mod periods;

fn context(window: &str) -> Context {
    Context {
        stage: "rhythm".to_string(),
        title: String::new(),
        window: Window::parse(window, "Europe/London").unwrap(),
        compare: Vec::new(),
        seed: 7,
        cells: Vec::new(),
        stop: Stop::default(),
    }
}

fn input(name: &str, frame: DataFrame) -> Inputs {
    let rows = frame.height() as u64;
    let dataset = DatasetRef {
        name: name.to_string(),
        version: 3,
        rows,
    };
    let input = Input {
        time: Some("at".to_string()),
        ..Input::new(frame, dataset)
    };
    Inputs::from([(name.to_string(), input)])
}

fn times(micros: Vec<i64>) -> Column {
    let column = Column::new("at".into(), micros);
    column
        .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
        .unwrap()
}

const DAY: i64 = 86_400_000_000;
/// Monday 5 January 2026.
const START: i64 = 20_458 * DAY;

/// Generates a Poisson number of records for each day, with mean `rate`, spread over the day.
fn records(days: i64, mut rate: impl FnMut(i64) -> f64, seed: u64) -> DataFrame {
    let mut noise = Noise(seed);
    let mut micros = Vec::new();
    for day in 0..days {
        let count = noise.poisson(rate(day)) as i64;
        micros.extend((0..count).map(|i| START + day * DAY + i * DAY / count.max(1) / 2 + DAY / 4));
    }
    DataFrame::new(micros.len(), vec![times(micros)]).unwrap()
}

fn analyse(frame: DataFrame, params: Value, window: &str) -> Cell {
    let mut params = params;
    params["input"] = json!("failures");
    run(&context(window), &params, &input("failures", frame))
        .unwrap()
        .cell
}

fn check_message(cell: &Cell, expected: &str) {
    let CellStatus::NotEnough { message } = &cell.status else {
        panic!("{:?}", cell.status)
    };
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_monday_effect_is_reported_once_with_its_size() {
    for seed in 0..8 {
        let frame = records(
            182,
            |day| if day % 7 == 0 { 51.0 } else { 30.0 },
            seed * 31 + 5,
        );
        let cell = analyse(frame, json!({"effects": ["weekday"]}), "2026-07-05");
        assert_eq!(cell.findings.len(), 1, "{:#?}", cell.findings);
        let finding = &cell.findings[0];
        assert_eq!(finding.kind, "weekday_effect");
        assert_eq!(finding.numbers["weekday"], "Monday");
        let others = finding.numbers["ratio_others"][0].as_f64().unwrap();
        assert!((1.5..1.9).contains(&others), "{others}");
        assert!(finding.p_adjusted.unwrap() < 0.01);
        assert!(
            cell.charts[0].title.contains("most frequent on Mondays"),
            "{}",
            cell.charts[0].title
        );
    }
}

/// Replaces no-break spaces and minus signs with ASCII characters.
fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ").replace('−', "-")
}

/// Labels and values of the first chart's bars.
fn bars(cell: &Cell) -> Vec<(String, f64)> {
    let ChartKind::Bars { bars, .. } = &cell.charts[0].kind else {
        panic!("{:?}", cell.charts[0].kind)
    };
    let pairs = bars.iter().map(|bar| (bar.label.clone(), bar.value));
    pairs.collect()
}

#[test]
fn chart_titles_agree_with_their_bars() {
    let mut cases = [0; 3];
    for seed in 0..12 {
        for monday in [0.5, 1.0, 1.3, 1.8] {
            for weekend in [0.3, 1.0, 1.9] {
                let rate = |day: i64| match day % 7 {
                    0 => 20.0 * monday,
                    5 | 6 => 20.0 * weekend,
                    _ => 20.0,
                };
                let frame = records(182, rate, seed * 53 + 7);
                let cell = analyse(frame, json!({"effects": ["weekday"]}), "2026-07-05");
                let (title, bars) = (plain(&cell.charts[0].title), bars(&cell));
                let mut values: Vec<f64> = bars.iter().map(|bar| bar.1).collect();
                values.sort_by(f64::total_cmp);
                let named = |word: &str| title.starts_with(&format!("Failures are {word} on"));
                let extremes = [("least frequent", values[0]), ("most frequent", values[6])];
                for (word, extreme) in extremes {
                    if named(word) {
                        cases[0] += 1;
                        let named = bars.iter().find(|bar| title.contains(&bar.0));
                        assert_eq!(named.expect(&title).1, extreme, "{title}: {bars:?}");
                    }
                }
                let is_reported = !title.contains("proven");
                assert_eq!(is_reported, !cell.findings.is_empty(), "{title}");
                assert_eq!(
                    is_reported,
                    !cell.did.contains("no pattern"),
                    "{}",
                    cell.did
                );
                if title.contains("at weekends") {
                    cases[1] += 1;
                    let sides = bars[5..].iter().map(|bar| bar.1 > 1.0);
                    let rises = title.contains("more frequent") || title.contains("as frequent");
                    assert!(sides.clone().all(|side| side == rises), "{title}: {bars:?}");
                }
                if !is_reported {
                    cases[2] += 1;
                    let expected = "Failures: no weekday effect of 10 % or more proven";
                    assert_eq!(title, expected);
                }
                for finding in &cell.findings {
                    let sentence = plain(&finding.sentence);
                    assert!(
                        !sentence.contains("proven") && !sentence.contains("p ="),
                        "{sentence}"
                    );
                    assert!(sentence.contains("95 % interval"), "{sentence}");
                }
            }
        }
    }
    assert!(cases.iter().all(|times| *times > 5), "{cases:?}");
}

/// Records of `days` days from 1 January 2024, with a mean of `rate` per day.
fn records_from_2024(days: i64, mut rate: impl FnMut(i64) -> f64, seed: u64) -> DataFrame {
    const NEW_YEAR: i64 = 19_723 * DAY;
    let mut noise = Noise(seed);
    let mut micros = Vec::new();
    for day in 0..days {
        let count = noise.poisson(rate(day)) as i64;
        micros.extend((0..count).map(|i| NEW_YEAR + day * DAY + i * DAY / count.max(1)));
    }
    DataFrame::new(micros.len(), vec![times(micros)]).unwrap()
}

#[test]
fn years_are_reported_with_the_interval_of_their_months() {
    // Months alternate between few and many records; the second year has 2.2 times as many.
    let month = |day: i64| (day % 366) / 31;
    let rate = |day: i64| {
        let level = if day < 366 { 6.0 } else { 13.2 };
        level * if month(day) % 2 == 0 { 1.4 } else { 0.6 }
    };
    let cell = analyse(
        records_from_2024(731, rate, 3),
        json!({"effects": ["year"]}),
        "2025-12-31",
    );
    assert_eq!(cell.findings.len(), 1, "{:#?}", cell.findings);
    let finding = &cell.findings[0];
    let [clustered, poisson] =
        ["ratio", "ratio_poisson"].map(|name| round_numbers(&finding.numbers[name]));
    assert!(
        clustered[1] < poisson[1] - 0.2 && clustered[2] > poisson[2] + 0.2,
        "{clustered:?}"
    );
    let sentence = plain(&finding.sentence);
    let percent = |ratio: f64| format!("{:.0}", 100.0 * (ratio - 1.0));
    let [low, high] = [1, 2].map(|at| finding.numbers["ratio"][at].as_f64().expect("a number"));
    let expected = format!(
        "(95 % interval {} to {} % more frequent)",
        percent(low),
        percent(high)
    );
    assert!(
        sentence.starts_with("Failures were 1") && sentence.contains(&expected),
        "{sentence}"
    );
    assert!(!sentence.contains(&percent(poisson[1])), "{sentence}");
    let title = plain(&cell.charts[0].title);
    assert!(title.starts_with("Failures were 1"), "{title}");
    assert!(
        title.contains("% more frequent in 2025 than in 2024 (95 % interval "),
        "{title}"
    );
    let magnitude = finding.magnitude.as_ref().expect("a magnitude");
    assert_eq!((magnitude.lower, magnitude.upper), (Some(low), Some(high)));
}

#[test]
fn a_partial_year_is_compared_with_the_same_part_of_the_year_before() {
    // Each first half-year has three times as many records as the second, in both years alike.
    let rate = |day: i64| if day % 366 < 182 { 12.0 } else { 4.0 };
    let cell = analyse(
        records_from_2024(366 + 181, rate, 5),
        json!({"effects": ["year"]}),
        "2025-06-30",
    );
    assert!(cell.findings.is_empty(), "{:#?}", cell.findings);
    let title = plain(&cell.charts[0].title);
    assert_eq!(
        title,
        "Failures: no change from year to year of 10 % or more proven"
    );
    let twice = |day: i64| rate(day) * if day < 366 { 1.0 } else { 2.0 };
    let cell = analyse(
        records_from_2024(366 + 181, twice, 5),
        json!({"effects": ["year"]}),
        "2025-06-30",
    );
    let sentence = plain(&cell.findings[0].sentence);
    let expected = "% more frequent from 1 January to 30 June 2025 than in the same part of 2024";
    assert!(sentence.contains(expected), "{sentence}");
    // The table compares the same part of both years, and the bars compare days.
    let [first, part] = &cell.tables[0].rows[..] else {
        panic!("{:?}", cell.tables[0])
    };
    assert_eq!((first[0].as_str(), first[3].as_str()), ("2024", "–"));
    assert_eq!(part[3], "1 January to 30 June", "{part:?}");
    let counts = [4, 5].map(|at| part[at].parse::<f64>().expect("a count"));
    let ending = format!("{} against {}.", part[4], part[5]);
    assert!(sentence.ends_with(&ending), "{sentence}: {part:?}");
    let bars = bars(&cell);
    assert_eq!(bars[1].0, "2025 (part)");
    assert!((bars[1].1 - counts[0] / 181.0).abs() < 1e-9, "{bars:?}");
    let ratio = round_numbers(&cell.findings[0].numbers["ratio"])[0];
    assert!((1.9..2.1).contains(&ratio), "{ratio}");
}

#[test]
fn the_lowest_day_has_the_same_numbers_in_sentence_and_table() {
    let rate = |day: i64| match day % 7 {
        1 => 60.0,
        4 => 20.0,
        5 | 6 => 8.0,
        _ => 40.0,
    };
    let cell = analyse(
        records(364, rate, 11),
        json!({"effects": ["weekday"]}),
        "2026-12-28",
    );
    let sentences: Vec<String> = cell.findings.iter().map(|f| plain(&f.sentence)).collect();
    let is_wanted =
        |sentence: &String| sentence.contains("on Tuesdays than on average over working days");
    let sentence = sentences.iter().find(|s| is_wanted(s)).expect("a finding");
    let friday = cell.tables[0].rows[4].iter().map(|text| plain(text));
    let friday: Vec<String> = friday.collect();
    let below = friday[5].trim_start_matches('-');
    let expected = format!("; Friday is the lowest, {below} below the average of working days.");
    assert!(sentence.ends_with(&expected), "{sentence}: {friday:?}");
}

#[test]
fn hourly_rates_are_per_hour_and_daily_rates_per_day() {
    let frame = records(182, |_| 24.0, 4);
    let cell = analyse(frame, json!({"effects": ["weekday", "hour"]}), "2026-07-05");
    let [days, hours] = &cell.tables[..] else {
        panic!("{:?}", cell.tables)
    };
    assert_eq!(
        (
            days.columns[2].title.as_str(),
            hours.columns[2].title.as_str()
        ),
        ("Per day", "Per hour")
    );
    let sum = |table: &Table, at: usize| -> f64 {
        let cells = table
            .rows
            .iter()
            .map(|row| plain(&row[at]).parse::<f64>().expect("a number"));
        cells.sum()
    };
    let day = sum(days, 2) / 7.0;
    assert!((sum(hours, 2) / day - 1.0).abs() < 0.05, "{day}: {hours:?}");
    assert_eq!(sum(days, 1), sum(hours, 1));
}

/// Labels and heights of the highlighted bars of the first chart, and of the other bars.
fn bars_by_highlight(cell: &Cell) -> [Vec<(String, f64)>; 2] {
    let ChartKind::Bars { bars, .. } = &cell.charts[0].kind else {
        panic!("{:?}", cell.charts[0].kind)
    };
    [true, false].map(|highlight| {
        let bars = bars.iter().filter(|bar| bar.highlight == highlight);
        bars.map(|bar| (bar.label.clone(), bar.value)).collect()
    })
}

/// Generates records over 80 days of winter time, with mean `rate` in each hour of the day.
fn by_hour(rate: impl Fn(i64) -> f64, seed: u64) -> DataFrame {
    const HOUR: i64 = DAY / 24;
    let mut noise = Noise(seed);
    let mut micros = Vec::new();
    for hour in 0..80 * 24 {
        let count = noise.poisson(rate(hour % 24)) as i64;
        micros.extend((0..count).map(|i| START + hour * HOUR + i * 1_000_000));
    }
    DataFrame::new(micros.len(), vec![times(micros)]).unwrap()
}

#[test]
fn days_that_do_not_differ_are_named_together() {
    let mut together = 0;
    for seed in 0..12 {
        let day = |day: i64| match day % 7 {
            1 | 2 => 30.0,
            _ => 20.0,
        };
        let cell = analyse(
            records(182, day, seed * 31 + 5),
            json!({"effects": ["weekday"]}),
            "2026-07-05",
        );
        let title = plain(&cell.charts[0].title);
        let [highlighted, others] = bars_by_highlight(&cell);
        let labels: Vec<&str> = highlighted.iter().map(|bar| bar.0.as_str()).collect();
        if labels == ["Tuesday", "Wednesday"] {
            together += 1;
            let is_named = title.contains("on Tuesdays and Wednesdays");
            assert!(is_named, "{title}");
            let sentence = cell.findings.iter().map(|f| plain(&f.sentence));
            let is_pair = |s: &String| s.contains("on Tuesdays and Wednesdays than on average");
            assert!(
                sentence.filter(is_pair).count() == 1,
                "{:#?}",
                cell.findings
            );
        }
        let high = highlighted.iter().map(|bar| bar.1).fold(0.0, f64::max);
        let is_highest = others.iter().all(|bar| bar.1 < high);
        assert!(
            is_highest || title.contains("less frequent"),
            "{title}: {others:?}"
        );
    }
    assert!(together >= 10, "{together} of 12");
}

#[test]
fn neighbouring_hours_are_named_as_ranges() {
    let rate = |hour: i64| {
        if (14..=17).contains(&hour) { 0.5 } else { 0.15 }
    };
    let rate_at_night = |hour: i64| if hour == 23 || hour == 0 { 0.6 } else { 0.15 };
    let (mut spans, mut nights) = (0, 0);
    for seed in 0..10 {
        let params = json!({"effects": ["hour"]});
        let cell = analyse(by_hour(rate, seed * 17 + 3), params.clone(), "2026-03-25");
        let title = plain(&cell.charts[0].title);
        spans += usize::from(title.contains("frequent between 14:00 and 18:00"));
        let [highlighted, others] = bars_by_highlight(&cell);
        let high = highlighted.iter().map(|bar| bar.1).fold(0.0, f64::max);
        assert!(others.iter().all(|bar| bar.1 < high), "{title}: {others:?}");
        let cell = analyse(by_hour(rate_at_night, seed * 17 + 3), params, "2026-03-25");
        let title = plain(&cell.charts[0].title);
        nights += usize::from(title.contains("frequent between 23:00 and 01:00"));
    }
    assert!(spans >= 4 && nights >= 8, "{spans} {nights}");
}

/// Values of the bars of a chart, and their baseline.
fn bars_of(chart: &retrocast_domain::Chart) -> (Vec<f64>, &str) {
    let ChartKind::Bars {
        bars,
        baseline_label,
        ..
    } = &chart.kind
    else {
        panic!("no bars");
    };
    (bars.iter().map(|bar| bar.value).collect(), baseline_label)
}

#[test]
fn a_quiet_weekend_is_reported_before_busy_days() {
    let mut both = 0;
    for seed in 0..6 {
        let day = |day: i64| match day % 7 {
            1 | 2 => 48.0,
            5 | 6 => 6.0,
            _ => 36.0,
        };
        let frame = records(364, day, seed * 31 + 5);
        let cell = analyse(frame, json!({"effects": ["weekday"]}), "2026-12-28");
        let whats: Vec<&str> = cell.findings.iter().map(|f| f.what.as_str()).collect();
        if whats
            != [
                "failures at weekends",
                "failures on Tuesdays and Wednesdays",
            ]
        {
            continue;
        }
        both += 1;
        let title = plain(&cell.charts[0].title);
        assert!(
            title.contains("less frequent at weekends than on working days (95 % interval "),
            "{title}"
        );
        let (heights, baseline) = bars_of(&cell.charts[0]);
        assert_eq!(baseline, "the mean of working days");
        let working: f64 = (0..5).map(|day| heights[day]).sum();
        assert!((working / 5.0 - 1.0).abs() < 0.01, "{heights:?}");
        let days = &cell.findings[1];
        let sentence = plain(&days.sentence);
        assert!(
            sentence.contains("than on average over working days")
                && !sentence.contains("all days"),
            "{sentence}"
        );
        // A difference is a notice from 50 % on, and this one is between 10 and 40 %.
        assert_eq!(days.severity, Severity::Info);
        let ratio = days.magnitude.as_ref().expect("a ratio").value;
        assert!((1.1..1.4).contains(&ratio), "{ratio}");
    }
    assert!(both >= 4, "{both} of 6");
}

#[test]
fn a_quiet_weekend_is_not_reported_as_busy_weekdays() {
    let frame = records(182, |day| if day % 7 >= 5 { 8.0 } else { 30.0 }, 99);
    let cell = analyse(frame, json!({"effects": ["weekday"]}), "2026-07-05");
    let whats: Vec<_> = cell
        .findings
        .iter()
        .map(|finding| finding.what.as_str())
        .collect();
    assert_eq!(whats, ["failures at weekends"]);
    let title = plain(&cell.charts[0].title);
    assert!(
        title.starts_with("Failures are 7")
            && title.contains("% less frequent at weekends than on working days (95 % interval "),
        "{title}"
    );
}

#[test]
fn a_partial_day_at_the_start_of_the_window_is_left_out_and_reported() {
    // One record an hour until 09:00 UTC of Monday 6 July, the first day of the window.
    const HOUR: i64 = DAY / 24;
    let micros: Vec<i64> = (0..182 * 24 + 9).map(|hour| START + hour * HOUR).collect();
    let frame = DataFrame::new(micros.len(), vec![times(micros)]).unwrap();
    let cell = analyse(frame, json!({"effects": ["weekday"]}), "2026-W28");
    assert_eq!(cell.status, CellStatus::Done);
    assert!(
        cell.did.contains("to 5 July 2026: no pattern is proven"),
        "{}",
        cell.did
    );
    let caveats = plain(&cell.caveats.join(" "));
    for expected in [
        "Records end on 6 July 2026, 6 days before the window does.",
        "Records cover 6 July 2026 in part; it is left out.",
        "Records cover no whole day of this window, 6 to 12 July 2026",
    ] {
        assert!(caveats.contains(expected), "{caveats}");
    }
}

/// Number of seeds, out of 100, that give a finding on records without any effect.
fn claims_without_rhythm(autocorrelation: f64, deviation: f64) -> usize {
    (0..100)
        .filter(|&seed| {
            let mut noise = Noise(seed * 7919 + 1);
            let mut wave = 0.0;
            let rate = |_| {
                wave = autocorrelation * wave + deviation * noise.normal();
                10.0 * f64::exp(wave)
            };
            let frame = records(182, rate, seed + 1000);
            let params = json!({"effects": ["weekday"], "alpha": 0.05});
            !analyse(frame, params, "2026-07-05").findings.is_empty()
        })
        .count()
}

#[test]
fn random_differences_of_weekdays_are_rarely_reported() {
    // 5 % of 100, plus two standard errors.
    for (autocorrelation, deviation) in [(0.0, 0.0), (0.0, 0.4), (0.6, 0.3)] {
        let claims = claims_without_rhythm(autocorrelation, deviation);
        assert!(claims <= 9, "{claims} of 100");
    }
}

/// Number of seeds, out of 60, that give a finding on four years of records without any effect.
fn claims_over_years(autocorrelation: f64, deviation: f64) -> usize {
    let params = json!({"effects": ["hour", "month", "year"], "alpha": 0.05});
    (0..60)
        .filter(|&seed| {
            let mut noise = Noise(seed * 6151 + 11);
            let (mut wave, mut micros) = (0.0, Vec::new());
            for day in 0..4 * 365 {
                wave = autocorrelation * wave + deviation * noise.normal();
                for _ in 0..noise.poisson(2.0 * f64::exp(wave)) {
                    micros.push(START + day * DAY + (noise.uniform() * DAY as f64) as i64);
                }
            }
            let frame = DataFrame::new(micros.len(), vec![times(micros)]).unwrap();
            let cell = analyse(frame, params.clone(), "2030-01-03");
            assert!(cell.caveats.is_empty(), "{:?}", cell.caveats);
            !cell.findings.is_empty()
        })
        .count()
}

#[test]
fn random_differences_of_hours_months_and_years_are_rarely_reported() {
    // 5 % of 60, plus two standard errors.
    for (autocorrelation, deviation) in [(0.0, 0.0), (0.5, 0.4), (0.9, 0.15)] {
        let claims = claims_over_years(autocorrelation, deviation);
        assert!(claims <= 6, "{claims} of 60");
    }
}

/// Generates `per_day` executions per day, with a number of files and a status; above 1200 files,
/// they fail with probability `risk_above`.
fn executions(days: i64, per_day: i64, risk_above: f64, seed: u64) -> DataFrame {
    let mut noise = Noise(seed);
    let (mut micros, mut files, mut status) = (Vec::new(), Vec::new(), Vec::new());
    for day in 0..days {
        for i in 0..per_day {
            let volume = (500.0 * (0.9 * noise.normal()).exp()).round();
            let risk = if volume > 1200.0 { risk_above } else { 0.03 };
            let failed = noise.uniform() < risk;
            micros.push(START + day * DAY + i * DAY / per_day);
            files.push(volume as i64);
            status.push(if failed { "failed" } else { "ok" });
        }
    }
    let columns = vec![
        times(micros),
        Column::new("files".into(), files),
        Column::new("status".into(), status),
    ];
    DataFrame::new(columns[0].len(), columns).unwrap()
}

fn params() -> Value {
    json!({"effects": [], "volume": "files", "event_column": "status", "event_equals": ["failed"]})
}

#[test]
fn a_volume_threshold_is_reported() {
    for seed in 0..6 {
        let cell = analyse(executions(120, 60, 0.1, seed + 1), params(), "2026-05-04");
        assert_eq!(cell.findings.len(), 1, "{:#?}", cell.findings);
        let finding = &cell.findings[0];
        assert_eq!(finding.kind, "volume_threshold", "{}", finding.sentence);
        let cut = finding.numbers["threshold"].as_f64().unwrap();
        assert!((1050.0..1350.0).contains(&cut), "{cut}");
        let sentence = plain(&finding.sentence);
        assert!(
            sentence.contains("times as high (95 % interval"),
            "{sentence}"
        );
        assert!(
            !sentence.contains("proven") && !sentence.contains("p ="),
            "{sentence}"
        );
        let title = plain(&cell.charts[0].title);
        assert!(
            title.contains(" times) in records with more than 1"),
            "{title}"
        );
        // No bar contains records from both sides of the threshold.
        let bars = bars(&cell);
        let is_highlighted = |label: &str| {
            finding.numbers["bars"]
                .as_array()
                .unwrap()
                .contains(&json!(label))
        };
        for (label, _) in &bars {
            let (low, high) = label.split_once(" to ").unwrap_or((label, label));
            let [low, high] =
                [low, high].map(|end| end.replace('\u{202f}', "").parse::<f64>().unwrap());
            assert_eq!(low > cut, high > cut, "{label} contains {cut}");
            assert_eq!(is_highlighted(label), low > cut, "{label}");
        }
    }
    let false_findings: usize = (0..10)
        .map(|seed| {
            let cell = analyse(executions(60, 30, 0.03, seed), params(), "2026-03-05");
            let is_unproven = cell.charts[0]
                .title
                .ends_with("no threshold of files proven");
            assert_eq!(
                is_unproven,
                cell.findings.is_empty(),
                "{}",
                cell.charts[0].title
            );
            cell.findings.len()
        })
        .sum();
    assert!(false_findings <= 1, "{false_findings} of 10");
}

#[test]
fn too_little_data_is_reported_with_what_is_needed() {
    let cell = analyse(records(9, |_| 9.0, 1), json!({}), "2026-01-13");
    check_message(&cell, "not enough: 9\u{a0}days, 28 needed");
    let cell = analyse(records(0, |_| 9.0, 1), json!({}), "2026-01-13");
    check_message(
        &cell,
        "no records: failures has none before the end of the window",
    );
    let cell = analyse(records(60, |_| 0.1, 1), json!({}), "2026-03-05");
    check_message(&cell, "need at least 30 records");
}

#[test]
fn invalid_params_are_rejected_with_a_reason() {
    let check = |params: Value, expected: &str| {
        let mut params = params;
        params["input"] = json!("failures");
        let inputs = input("failures", records(60, |_| 3.0, 1));
        let error = run(&context("2026-03-05"), &params, &inputs)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(json!({"wat": 1}), "unknown field `wat`");
    check(json!({"value": "minutes"}), "has no column \"minutes\"");
    check(json!({"aggregate": "sum"}), "needs a `value` column");
    check(json!({"split": "soon"}), "is not a day");
}

/// The 801 incidents that are not maintenance; `None` if the real data is not available.
fn incidents() -> Option<DataFrame> {
    let Ok(folder) = std::env::var("RETROCAST_REAL_DATA") else {
        eprintln!(
            "SKIPPED: RETROCAST_REAL_DATA is not set; the figures of real incidents are not checked"
        );
        return None;
    };
    let path = format!("{folder}/github-incidents/incidents.jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (mut micros, mut minutes) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let incident: Value = serde_json::from_str(line).unwrap();
        if incident["impact"] != "maintenance" {
            let time: jiff::Timestamp = incident["started_at"].as_str().unwrap().parse().unwrap();
            micros.push(time.as_microsecond());
            minutes.push(incident["duration_minutes"].as_f64());
        }
    }
    let columns = vec![
        times(micros),
        Column::new("duration_minutes".into(), minutes),
    ];
    Some(DataFrame::new(columns[0].len(), columns).unwrap())
}

fn real(params: Value) -> Option<Cell> {
    let mut context = context("2026-08-20");
    context.window.timezone = "UTC".to_string();
    let mut params = params;
    params["input"] = json!("incidents");
    let mut frame = incidents()?;
    if params["split"].is_null() {
        frame = frame.drop("duration_minutes").unwrap();
    }
    let cell = run(&context, &params, &input("incidents", frame))
        .unwrap()
        .cell;
    Some(cell)
}

fn round_numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter()
        .map(|x| (x.as_f64().unwrap() * 100.0).round() / 100.0)
        .collect()
}

#[test]
fn weekdays_of_real_incidents_match_published_figures() {
    let effects = json!(["weekday", "hour", "month", "year"]);
    let Some(cell) = real(json!({"effects": effects})) else {
        return;
    };
    let weekday = cell
        .findings
        .iter()
        .find(|f| f.numbers.contains_key("weekday"))
        .unwrap();
    assert_eq!(weekday.n, 801);
    assert_eq!(weekday.numbers["weekday"], "Tuesday");
    assert_eq!(
        round_numbers(&weekday.numbers["counts"]),
        [150.0, 181.0, 174.0, 151.0, 96.0, 28.0, 21.0]
    );
    let number = |name: &str| (weekday.numbers[name].as_f64().unwrap() * 100.0).round() / 100.0;
    assert_eq!((number("chi_square"), number("df")), (237.02, 6.0));
    assert_eq!(
        (number("chi_square_working"), number("df_working")),
        (29.61, 4.0)
    );
    assert_eq!(round_numbers(&weekday.numbers["ratio_all"])[0], 1.58);
    assert_eq!(round_numbers(&weekday.numbers["ratio_working"])[0], 1.2);
    let year = cell
        .findings
        .iter()
        .find(|f| f.numbers.get("year") == Some(&json!(2025)))
        .unwrap();
    // The published interval assumes independent incidents; the report's allows for clustering.
    assert_eq!(
        round_numbers(&year.numbers["ratio_poisson"]),
        [1.61, 1.29, 2.02]
    );
    let clustered = round_numbers(&year.numbers["ratio"]);
    assert!(
        clustered[0] == 1.61 && clustered[1] <= 1.29 && clustered[2] >= 2.02,
        "{clustered:?}"
    );
    assert_eq!(
        round_numbers(&year.numbers["counts"]),
        [101.0, 164.0, 124.0, 200.0, 212.0]
    );
    assert_eq!(
        year.numbers["part"],
        json!([true, false, false, false, true])
    );
}

#[test]
fn durations_of_real_incidents_match_published_figures() {
    let params = json!({
        "effects": [], "value": "duration_minutes", "unit": "min", "split": "2025-01-01"
    });
    let Some(cell) = real(params) else { return };
    let numbers = &cell.findings[0].numbers;
    assert_eq!(round_numbers(&numbers["median_before"])[0], 59.0);
    assert_eq!(round_numbers(&numbers["median_after"])[0], 84.0);
    assert_eq!(
        (numbers["n_before"].as_u64(), numbers["n_after"].as_u64()),
        (Some(389), Some(412))
    );
}
