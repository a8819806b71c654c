//! Distinguishes effective improvements from ineffective ones, and leaves uncertain ones undecided.

use super::*;
use crate::Input;
use crate::series::test_data;
use jiff::ToSpan;
use jiff::civil::Date;
use polars::prelude::*;
use retrocast_domain::Verdict;
use serde_json::json;

mod guardrails;
mod identity;
mod scope;

/// Daily counts with a Monday effect; the last 35 days are multiplied by a factor.
fn counts(seed: u64, mean: f64, factor: f64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..420)
        .map(|i| {
            let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            let monday = if i % 7 == 0 { 1.7 } else { 1.0 };
            let mean = mean * monday * if i >= 385 { factor } else { 1.0 };
            (mean + (mean + mean * mean / 60.0).sqrt() * normal)
                .round()
                .max(0.0)
        })
        .collect()
}

fn register(rows: &[(&str, &str, &str)]) -> Input {
    let column =
        |pick: fn(&(&str, &str, &str)) -> String| rows.iter().map(pick).collect::<Vec<_>>();
    let dates: Vec<i32> = rows
        .iter()
        .map(|row| {
            let date: Date = row.2.parse().unwrap();
            Date::constant(1970, 1, 1).until(date).unwrap().get_days()
        })
        .collect();
    let dates = polars::prelude::Series::new("date".into(), dates)
        .cast(&DataType::Date)
        .unwrap();
    let frame = DataFrame::new_infer_height(vec![
        Column::new("id".into(), column(|row| row.0.to_string())),
        Column::new("title".into(), column(|row| format!("Change {}", row.0))),
        Column::new("component".into(), column(|row| row.1.to_string())),
        Column::new("metric".into(), column(|_| "failures".to_string())),
        dates.into_column(),
    ])
    .unwrap();
    test_data::input("improvements", frame)
}

fn analyse(series: &[(&str, Vec<f64>)], rows: &[(&str, &str, &str)]) -> Analysis {
    let params = json!({
        "improvements": "improvements", "input": "daily_failures", "time": "day",
        "value": "failures", "metric": "failures",
    });
    let inputs = Inputs::from([
        ("daily_failures".to_string(), test_data::daily(series)),
        ("improvements".to_string(), register(rows)),
    ]);
    run(&test_data::context("2026-11-16"), &params, &inputs).unwrap()
}

const ROWS: [(&str, &str, &str); 3] = [
    ("IMP-001", "billing", "2026-10-12"),
    ("IMP-002", "search", "2026-10-12"),
    ("IMP-003", "web", "2026-11-12"),
];

#[test]
fn effective_and_ineffective_improvements_are_distinguished() {
    for seed in 0..8 {
        let series = [
            ("billing", counts(3 * seed + 1, 15.0, 0.65)),
            ("search", counts(3 * seed + 2, 15.0, 1.0)),
            ("web", counts(3 * seed + 3, 15.0, 1.0)),
        ];
        let analysis = analyse(&series, &ROWS);
        let effects = &analysis.cell.effects;
        let verdicts: Vec<Verdict> = effects.iter().map(|effect| effect.verdict).collect();
        let expected = [Verdict::Works, Verdict::Unclear, Verdict::TooEarly];
        assert_eq!(verdicts, expected, "seed {seed}: {effects:?}");
        assert_eq!(effects[0].days_after, 30);
        assert_eq!(analysis.cell.charts.len(), 2);
    }
}

/// One in twenty 95 % intervals misses the truth, so they are counted over many seeds.
#[test]
fn intervals_cover_the_planted_effect_at_their_level() {
    let is_covered = |seed: u64| {
        let series = [("billing", counts(3 * seed + 1, 15.0, 0.65))];
        let analysis = analyse(&series, &ROWS[..1]);
        let [_, low, high] = analysis.cell.effects[0].relative;
        low < -0.35 && -0.35 < high
    };
    let covered = (0..100).filter(|seed| is_covered(*seed)).count();
    assert!((90..=99).contains(&covered), "{covered} of 100");
}

#[test]
fn sentences_claim_no_cause() {
    let series = [
        ("billing", counts(1, 15.0, 0.6)),
        ("search", counts(2, 15.0, 1.0)),
    ];
    let analysis = analyse(&series, &ROWS);
    let sentence = |id: &str| {
        let found = analysis
            .cell
            .findings
            .iter()
            .find(|f| f.numbers["improvement"] == id);
        found.unwrap().sentence.clone()
    };
    assert!(sentence("IMP-001").starts_with("Change IMP-001 works: failures in billing are"));
    assert!(sentence("IMP-001").contains(" lower than expected without it (95\u{a0}% interval "));
    assert!(!sentence("IMP-001").contains("proven"));
    assert!(sentence("IMP-002").contains("expected without it ("));
    assert!(sentence("IMP-002").contains("proven: "));
    assert!(sentence("IMP-003").contains("could not be measured: the data have no component"));
}

#[test]
fn shared_movement_becomes_a_control() {
    let shared: Vec<f64> = counts(9, 200.0, 0.7);
    let scaled = |seed: u64, share: f64| -> Vec<f64> {
        let own = counts(seed, 20.0, 1.0);
        shared
            .iter()
            .zip(own)
            .map(|(s, o)| (s * share + o).round())
            .collect()
    };
    let series = [("billing", scaled(1, 0.5)), ("search", scaled(2, 0.5))];
    let analysis = analyse(&series, &ROWS[..1]);
    let effect = &analysis.cell.effects[0];
    assert_eq!(effect.controls, ["search"]);
    assert_eq!(effect.verdict, Verdict::Unclear, "{effect:?}");
}

#[test]
fn an_empty_register_is_reported() {
    let analysis = analyse(&[("billing", counts(1, 15.0, 1.0))], &[]);
    assert!(matches!(analysis.cell.status, CellStatus::NotEnough { .. }));
}

#[test]
fn any_date_of_a_change_is_handled() {
    let end = jiff::civil::date(2026, 11, 16);
    let begin = end - 420.days();
    let dates = [
        begin - 4000.days(),
        begin - 1.day(),
        begin,
        begin + 1.day(),
        begin + 41.days(),
        begin + 42.days(),
        begin + 200.days(),
        end - 8.days(),
        end - 7.days(),
        end - 1.day(),
        end,
        end + 500.days(),
    ];
    let texts: Vec<(String, String)> = dates
        .iter()
        .enumerate()
        .map(|(i, date)| (format!("IMP-{i:03}"), date.to_string()))
        .collect();
    for components in [
        &["billing"][..],
        &["billing", "search"],
        &["billing", "search", "web"],
    ] {
        let rows: Vec<(&str, &str, &str)> = texts
            .iter()
            .enumerate()
            .map(|(i, (id, date))| (id.as_str(), components[i % components.len()], date.as_str()))
            .collect();
        let series: Vec<(&str, Vec<f64>)> = components
            .iter()
            .enumerate()
            .map(|(i, name)| (*name, counts(i as u64 + 1, 15.0, 1.0)))
            .collect();
        // Each date separately, and all dates together.
        for row in &rows {
            let analysis = analyse(&series, &[*row]);
            assert!(analysis.cell.effects.len() <= 1);
        }
        analyse(&series, &rows);
    }
}

#[test]
fn a_change_before_the_data_is_not_too_early() {
    let series = [
        ("billing", counts(1, 15.0, 1.0)),
        ("search", counts(2, 15.0, 1.0)),
    ];
    let sentence = |date: &str| {
        let analysis = analyse(&series, &[("IMP-001", "billing", date)]);
        assert!(analysis.cell.effects.is_empty(), "{date}");
        analysis.cell.findings[0].sentence.replace('\u{a0}', " ")
    };
    let before = sentence("2025-01-01");
    assert!(
        before.contains("could not be measured: the records of billing that can be used begin on"),
        "{before}"
    );
    let soon = sentence("2025-10-01");
    assert!(
        soon.contains("9 days of billing before the change, 42 needed"),
        "{soon}"
    );
}

#[test]
fn a_change_of_the_last_days_is_too_early_to_judge() {
    let series = [
        ("billing", counts(1, 15.0, 1.0)),
        ("search", counts(2, 15.0, 1.0)),
    ];
    let analysis = analyse(&series, &[("IMP-001", "billing", "2026-11-13")]);
    let sentence = analysis.cell.findings[0].sentence.replace('\u{a0}', " ");
    assert!(
        sentence.ends_with(": too recent to judge, 3 days of data after the change, 7 needed."),
        "{sentence}"
    );
}

#[test]
fn very_few_records_are_not_measured() {
    // One, then three records within 420 days.
    for days_with_records in [&[410][..], &[0, 200, 410]] {
        let values: Vec<f64> = (0..420)
            .map(|i| f64::from(u8::from(days_with_records.contains(&i))))
            .collect();
        let days: Vec<jiff::civil::DateTime> = values
            .iter()
            .enumerate()
            .filter(|(_, value)| **value > 0.0)
            .map(|(i, _)| (jiff::civil::date(2025, 9, 22) + (i as i64).days()).at(10, 0, 0, 0))
            .collect();
        let n = days.len();
        let columns = vec![
            test_data::times("day", &days),
            Column::new("component".into(), vec!["billing"; n]),
        ];
        let frame = DataFrame::new(n, columns).unwrap();
        let params = json!({
            "improvements": "improvements", "input": "records", "time": "day", "metric": "failures",
        });
        let inputs = Inputs::from([
            ("records".to_string(), test_data::input("records", frame)),
            ("improvements".to_string(), register(&ROWS[..1])),
        ]);
        let analysis = run(&test_data::context("2026-11-16"), &params, &inputs).unwrap();
        assert!(analysis.cell.effects.is_empty());
        let sentence = analysis.cell.findings[0].sentence.replace('\u{a0}', " ");
        assert!(!sentence.contains("too early"), "{sentence}");
        assert!(
            sentence.contains("could not be measured: the records of billing")
                || sentence.contains("3 records of billing, 20 needed"),
            "{sentence}"
        );
    }
}

#[test]
fn a_verdict_does_not_depend_on_the_rest_of_the_register() {
    let series = [
        ("billing", counts(1, 15.0, 0.6)),
        ("search", counts(2, 15.0, 1.0)),
    ];
    let alone = analyse(&series, &ROWS[..1]).cell;
    let among = analyse(&series, &ROWS[..2]).cell;
    assert_eq!(alone.effects[0], among.effects[0]);
    // The line below the sentence shows the p-value.
    assert_eq!(among.findings[0].p, Some(among.effects[0].placebo_p));
    assert!(!among.findings[0].sentence.contains("p ="));
    let has_caveat = |cell: &Cell| cell.caveats.iter().any(|c| c.contains("judged by itself"));
    assert!(has_caveat(&among) && !has_caveat(&alone));
}

#[test]
fn a_column_without_values_is_reported() {
    let frame = test_data::daily(&[("billing", counts(1, 15.0, 1.0))]);
    let columns: Vec<&str> = frame.columns().map(|(name, _)| name).collect();
    let frame = frame.read_all(&columns).expect("rows").frame;
    let none = vec![None::<String>; frame.height()];
    let frame = frame.drop("component").unwrap();
    let frame = frame
        .hstack(&[Column::new("component".into(), none)])
        .unwrap();
    let params = json!({
        "improvements": "improvements", "input": "records", "time": "day", "value": "failures",
    });
    let inputs = Inputs::from([
        ("records".to_string(), test_data::input("records", frame)),
        ("improvements".to_string(), register(&ROWS[..1])),
    ]);
    let analysis = run(&test_data::context("2026-11-16"), &params, &inputs).unwrap();
    let sentence = &analysis.cell.findings[0].sentence;
    assert!(
        sentence.contains("the column \"component\" of records holds no value"),
        "{sentence}"
    );
}

/// Sentence and verdict of a change from one level to another, after `before` days.
fn step(levels: [f64; 2], before: i64) -> (String, Option<Verdict>) {
    let change = jiff::civil::date(2026, 11, 16) - 30.days();
    let series: Vec<f64> = (0..before + 30)
        .map(|i| levels[usize::from(i >= before)])
        .collect();
    let date = change.to_string();
    let analysis = analyse(&[("billing", series)], &[("IMP-001", "billing", &date)]);
    let verdict = analysis.cell.effects.first().map(|effect| effect.verdict);
    let sentence = analysis.cell.findings[0].sentence.clone();
    let sentence = sentence.replace(['\u{a0}', '\u{202f}'], " ");
    (sentence, verdict)
}

#[test]
fn a_change_of_a_constant_metric_is_proven() {
    let (sentence, verdict) = step([3.0, 2.0], 98);
    assert_eq!(verdict, Some(Verdict::Works), "{sentence}");
    assert!(
        sentence.contains("33 % lower than expected without it (95 % interval")
            || sentence.contains("33.3 % lower than expected without it (95 % interval"),
        "{sentence}"
    );
    let (sentence, verdict) = step([5.0, 0.0], 98);
    assert_eq!(verdict, Some(Verdict::Works), "{sentence}");
    assert!(
        sentence.contains("no failures in billing in 30 days instead of about 150 expected"),
        "{sentence}"
    );
    let (sentence, verdict) = step([0.0, 5.0], 98);
    assert_eq!(verdict, Some(Verdict::Harmful), "{sentence}");
    assert!(
        sentence.contains("higher since it than expected"),
        "{sentence}"
    );
    let (sentence, verdict) = step([4.0, 4.0], 98);
    assert_eq!(verdict, Some(Verdict::Unclear), "{sentence}");
    assert!(sentence.contains("the same as expected without it; not proven"));
}

#[test]
fn an_effect_before_its_change_is_reported() {
    // Two records in three weeks until 18 days before the change, none since.
    let change = jiff::civil::date(2026, 11, 16) - 14.days();
    let series: Vec<f64> = (0..400)
        .map(|day| f64::from(u8::from(day < 368 && day % 7 < 2 && day % 4 > 0)))
        .collect();
    let analysis = analyse(
        &[("billing", series)],
        &[("IMP-001", "billing", &change.to_string())],
    );
    let sentence = analysis.cell.findings[0].sentence.replace('\u{a0}', " ");
    let expected = "No failures in billing were recorded from ";
    assert!(
        sentence.contains(expected)
            && sentence.contains("days before the change, so the change cannot have started this."),
        "{sentence}"
    );
    // A level that changed before, in values that are not counts.
    let mut levels = counts(1, 15.0, 1.0);
    levels[360..]
        .iter_mut()
        .for_each(|level| *level = (*level * 0.5).round());
    let early = analyse(&[("billing", levels)], &ROWS[..1]);
    let sentence = early.cell.findings[0].sentence.replace('\u{a0}', " ");
    assert!(
        sentence.contains("Failures in billing had changed before the improvement: "),
        "{sentence}"
    );
    let late = analyse(&[("billing", counts(1, 15.0, 0.5))], &ROWS[..1]);
    let sentence = &late.cell.findings[0].sentence;
    assert!(!sentence.contains("before the change"), "{sentence}");
}

#[test]
fn the_method_names_the_scale_of_values() {
    let method = analyse(&[("billing", counts(1, 15.0, 0.5))], &ROWS[..1])
        .cell
        .method;
    assert!(
        method.starts_with("Sums per day on their own scale, without logarithms"),
        "{method}"
    );
}

#[test]
fn a_history_too_short_for_placebos_is_reported() {
    let counts = counts(1, 15.0, 0.5);
    // The factor applies to the last 35 days.
    let series = counts[420 - 35 - 70..].to_vec();
    let analysis = analyse(&[("billing", series)], &ROWS[..1]);
    let finding = &analysis.cell.findings[0];
    let caveats = finding.caveats.join(" ").replace('\u{a0}', " ");
    assert!(
        caveats.contains(
            "could not be tested at earlier dates: there are 70 days before the change, 162 are needed"
        ),
        "{caveats}"
    );
    assert_eq!(analysis.cell.effects[0].verdict, Verdict::Works);
}

#[test]
fn an_improvement_of_all_components_is_measured_on_their_sum() {
    let series = [
        ("billing", counts(1, 15.0, 0.6)),
        ("search", counts(2, 15.0, 0.6)),
    ];
    for component in ["all", ""] {
        let analysis = analyse(&series, &[("IMP-001", component, "2026-10-12")]);
        let effect = &analysis.cell.effects[0];
        assert_eq!(effect.verdict, Verdict::Works, "{effect:?}");
        assert_eq!(effect.metric, "failures");
        assert!(effect.before > 30.0, "{effect:?}");
        assert!(effect.controls.is_empty());
    }
}

/// Weekly counts, one record each Monday, that fall by 40 % from the 90th of 104 weeks on.
fn weekly_input(seed: u64) -> Input {
    let mut noise = test_data::Noise(seed);
    let first = Date::constant(2024, 11, 18);
    let weeks: Vec<Date> = (0..104)
        .map(|week: i64| first + (7 * week).days())
        .collect();
    let values: Vec<i64> = (0..104)
        .map(|week| noise.poisson(if week >= 90 { 30.0 } else { 50.0 }) as i64)
        .collect();
    let days: Vec<i32> = weeks
        .iter()
        .map(|day| Date::constant(1970, 1, 1).until(*day).unwrap().get_days())
        .collect();
    let days = polars::prelude::Series::new("day".into(), days)
        .cast(&DataType::Date)
        .unwrap();
    let frame = DataFrame::new_infer_height(vec![
        days.into_column(),
        Column::new("component".into(), vec!["billing"; 104]),
        Column::new("failures".into(), values),
    ])
    .unwrap();
    test_data::input("weekly_failures", frame)
}

#[test]
fn weekly_records_are_not_filled_up_to_days() {
    let params = json!({
        "improvements": "improvements", "input": "weekly_failures", "time": "day",
        "value": "failures", "post_days": 120,
    });
    // 2026-08-12 is a Wednesday: its week counts neither as before nor as after.
    let inputs = Inputs::from([
        ("weekly_failures".to_string(), weekly_input(7)),
        (
            "improvements".to_string(),
            register(&[("IMP-001", "billing", "2026-08-12")]),
        ),
    ]);
    let analysis = run(&test_data::context("2026-11-16"), &params, &inputs).unwrap();
    let effect = &analysis.cell.effects[0];
    assert_eq!(effect.verdict, Verdict::Works, "{effect:?}");
    assert_eq!(effect.unit, "failures per week");
    assert_eq!(
        (effect.days_before, effect.days_after),
        (90 * 7, 13 * 7),
        "{effect:?}"
    );
    assert!((25.0..35.0).contains(&effect.after), "{effect:?}");
    let sentence = analysis.cell.findings[0].sentence.replace('\u{a0}', " ");
    assert!(sentence.contains(" a week instead of "), "{sentence}");
    assert!(sentence.contains("over 13 weeks"), "{sentence}");
}

#[test]
fn an_open_effect_reports_the_time_until_a_decision() {
    let mut open = 0;
    for seed in 0..12 {
        let series = [("billing", counts(3 * seed + 1, 6.0, 0.85))];
        let analysis = analyse(&series, &ROWS[..1]);
        let (effect, finding) = (&analysis.cell.effects[0], &analysis.cell.findings[0]);
        let sensitivity = &analysis.cell.tables[1];
        assert_eq!(sensitivity.rows.len(), 1, "{sensitivity:?}");
        let detectable = effect.detectable.expect("a smallest effect");
        assert!((0.5..6.0).contains(&detectable), "{detectable}");
        if effect.verdict == Verdict::Unclear {
            open += 1;
            // All 30 days are measured, so no number of weeks can be promised.
            assert!(
                !finding.sentence.contains("more week"),
                "{}",
                finding.sentence
            );
            let has_outlook = effect.days_needed.is_some_and(|days| {
                let advice = format!("set `post_days = {days}` in the job.");
                finding.sentence.contains(&advice)
            }) || finding
                .sentence
                .contains("Even half a year would not prove");
            assert!(has_outlook, "{}", finding.sentence);
            assert!(
                effect
                    .days_needed
                    .is_none_or(|days| days > effect.days_after)
            );
        } else {
            assert_eq!(effect.days_needed, None);
            assert!(
                !finding.sentence.contains("a decision needs"),
                "{}",
                finding.sentence
            );
        }
    }
    assert!(open >= 4, "{open}");
}
