//! Finds true shifts, in simulated and in real records.

use super::*;
use crate::series::{
    self,
    test_data::{Noise, context, context_of, input, records, times},
};
use jiff::{ToSpan, civil::Date};
use polars::prelude::*;
use retrocast_domain::{Direction, Finding};
use retrocast_stats::shape::{Form, Shape};

fn analyse(date: &str, frame: DataFrame, params: &serde_json::Value) -> Analysis {
    let inputs = Inputs::from([("tickets".to_string(), input("tickets", frame))]);
    run(&context(date), params, &inputs).expect("an analysis")
}

/// Daily tickets of five components with quiet weekends; "billing" doubles on day 60 of 105.
fn tickets(seed: u64, factor: f64) -> DataFrame {
    let mut noise = Noise(seed * 7919);
    records(
        "2026-08-03",
        105,
        &["api", "billing", "mail", "search", "web"],
        |day, group| {
            let weekday = if day % 7 < 5 { 1.2 } else { 0.5 };
            let level = if group == "billing" && day >= 60 {
                factor
            } else {
                1.0
            };
            // An outage of three days in all components.
            let outage = if (84..87).contains(&day) { 4.0 } else { 1.0 };
            let variation = (0.2 * noise.normal()).exp();
            noise.poisson(6.0 * weekday * level * outage * variation)
        },
    )
}

#[test]
fn only_the_planted_shift_is_found() {
    let params = serde_json::json!({"input": "tickets", "by": ["component"]});
    for seed in 0..10 {
        let analysis = analyse("2026-11-16", tickets(seed, 1.8), &params);
        let found = &analysis.cell.findings;
        assert_eq!(found.len(), 1, "seed {seed}: {found:#?}");
        assert_eq!(found[0].subject, "component = billing");
        let date: Date = found[0].numbers["date"]
            .as_str()
            .expect("a date")
            .parse()
            .expect("a date");
        let off = (jiff::civil::date(2026, 10, 2) - date).get_days();
        assert!(off.abs() <= 7, "seed {seed}: {date}");
        // Six weeks later it still lasts, so the executive report has it.
        assert_eq!(found[0].severity, retrocast_domain::Severity::Notice);
        assert_eq!(analysis.cell.charts.len(), 1);
    }
}

/// Failures a day from 3 August 2026 on: 20, and 50 from 3 to 23 October.
fn failures_of_october(days: usize) -> DataFrame {
    let mut noise = Noise(5);
    records("2026-08-03", days, &["web"], |day, _| {
        noise.poisson(if (61..82).contains(&day) { 50.0 } else { 20.0 })
    })
}

#[test]
fn shifts_of_one_month_have_their_own_identities() {
    let params = serde_json::json!({"input": "tickets", "measure": "failures"});
    let findings = |date, days| {
        analyse(date, failures_of_october(days), &params)
            .cell
            .findings
    };
    let claims = |findings: &[Finding]| {
        let mut claims: Vec<(String, Direction)> = findings
            .iter()
            .map(|finding| (finding.what.clone(), finding.direction))
            .collect();
        claims.sort_by(|a, b| a.0.cmp(&b.0));
        claims
    };
    let rise = (
        "shift of failures per day in 2026-10".to_string(),
        Direction::Up,
    );
    let fall = (
        "shift 2 of failures per day in 2026-10".to_string(),
        Direction::Down,
    );
    // The rise keeps its identity when the fall appears.
    let earlier = findings("2026-10-19", 77);
    assert_eq!(claims(&earlier), std::slice::from_ref(&rise));
    let later = findings("2026-12-07", 126);
    assert_eq!(claims(&later), [fall, rise]);
    assert!(later.iter().any(|finding| finding.id == earlier[0].id));
    assert_ne!(later[0].id, later[1].id);
}

/// The sentences on the shifts of October when a gradual change describes the days about as well.
fn sentences_beside_a_gradual_change(date: &str, days: usize) -> Vec<String> {
    let params = serde_json::json!({"input": "tickets", "measure": "failures"});
    let params: Params = serde_json::from_value(params).expect("params");
    let (context, input) = (context(date), input("tickets", failures_of_october(days)));
    let request = Request {
        time: None,
        value: None,
        by: &[],
        aggregate: Aggregate::Count,
        period: Period::Day,
        part_periods: PartPeriods::LeaveOut,
        periods_max: 366,
        without_year: true,
        filter: None,
        groups_max: 30,
        measure: Some("failures"),
    };
    let set = series::collect(&context, &input, &request).expect("a series");
    let mut results = search_all(&context, &set, &params, length_min(14), 14);
    let result = results[0].as_mut().expect("a result");
    result.shape = Some(Shape::Open {
        step: 0,
        form: Form::Line,
        favours_step: true,
    });
    let shift = |shift| GroupShift {
        set: &set,
        params: &params,
        group: &set.groups[0],
        result,
        shift,
    };
    let shifts = (0..result.shifts.len()).map(shift);
    shifts
        .map(|shift| finding(&context, &shift).sentence)
        .collect()
}

#[test]
fn a_gradual_change_is_no_alternative_to_shifts_in_both_directions() {
    let rise = sentences_beside_a_gradual_change("2026-10-19", 77);
    let [rise] = &rise[..] else {
        panic!("{rise:?}")
    };
    assert!(
        rise.ends_with("; a gradual rise describes these days about as well."),
        "{rise}"
    );
    let both = sentences_beside_a_gradual_change("2026-12-07", 126);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(
        both.iter().all(|sentence| !sentence.contains("gradual")),
        "{both:?}"
    );
}

#[test]
fn series_without_a_shift_make_few_false_claims() {
    let params = serde_json::json!({"input": "tickets", "by": ["component"]});
    let claims = (100..140)
        .filter(|seed| {
            !analyse("2026-11-16", tickets(*seed, 1.0), &params)
                .cell
                .findings
                .is_empty()
        })
        .count();
    assert!(
        claims <= 5,
        "{claims} of 40 families of 5 series claim a shift"
    );
}

#[test]
fn too_little_data_is_reported_with_the_need() {
    let params = serde_json::json!({"input": "tickets", "period": "month"});
    let status = analyse("2026-11-16", tickets(1, 1.0), &params).cell.status;
    let CellStatus::NotEnough { message } = status else {
        panic!("{status:?}")
    };
    assert!(message.contains("20 needed"), "{message}");
}

/// Incidents without maintenance, as the job's SQL selects them; `None` without the real data.
fn incidents() -> Option<DataFrame> {
    let Ok(folder) = std::env::var("RETROCAST_REAL_DATA") else {
        eprintln!("SKIPPED: set RETROCAST_REAL_DATA to the folder of real records");
        return None;
    };
    let path = format!("{folder}/github-incidents/incidents.jsonl");
    let text = std::fs::read_to_string(path).expect("incidents");
    let at: Vec<jiff::civil::DateTime> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter(|record| record["impact"] != "maintenance")
        .map(|record| {
            let time: jiff::Timestamp = record["started_at"]
                .as_str()
                .expect("text")
                .parse()
                .expect("a time");
            jiff::tz::TimeZone::UTC.to_datetime(time)
        })
        .collect();
    Some(DataFrame::new(at.len(), vec![times("at", &at)]).expect("a frame"))
}

/// Checks the single shift of the monthly counts of real incidents.
fn check(frame: &DataFrame, part_periods: &str, months: u64, before: f64, after: f64) {
    let params = serde_json::json!({
        "input": "tickets", "period": "month", "measure": "incidents",
        "part_periods": part_periods
    });
    let analysis = analyse("2026-08-24", frame.clone(), &params);
    assert_eq!(analysis.cell.findings.len(), 1);
    let finding = &analysis.cell.findings[0];
    let near = |name: &str, want: f64| {
        let got = finding.numbers[name].as_f64().expect("a number");
        assert!((got - want).abs() < 0.05, "{name}: {got} instead of {want}");
    };
    assert_eq!(finding.numbers["date"], "2026-01-01");
    assert_eq!(finding.n, months);
    near("mean_before", before);
    near("mean_after", after);
    near("mean_before_with_part_periods", 12.8);
    near("mean_after_with_part_periods", 26.5);
}

#[test]
fn real_incidents_rose_in_january_2026() {
    let Some(frame) = incidents() else { return };
    check(&frame, "keep", 54, 12.8, 26.5);
    check(&frame, "leave_out", 52, 13.0, 27.7);
}

#[test]
fn a_day_of_25_hours_is_not_a_shift() {
    let window = retrocast_domain::Window::parse("2026-11-01", "America/Santiago").expect("a day");
    let end = window.end_instant();
    let at: Vec<jiff::civil::DateTime> = (0..200 * 24)
        .map(|i| end - jiff::SignedDuration::from_hours(i + 1))
        .map(|time| jiff::tz::TimeZone::UTC.to_datetime(time))
        .collect();
    let frame = DataFrame::new(at.len(), vec![times("at", &at)]).expect("a frame");
    let inputs = Inputs::from([("tickets".to_string(), input("tickets", frame))]);
    let params = serde_json::json!({"input": "tickets"});
    let analysis = run(&context_of("test", window), &params, &inputs).expect("an analysis");
    assert!(
        analysis.cell.findings.is_empty(),
        "{:#?}",
        analysis.cell.findings
    );
}

#[test]
fn intervals_of_reported_shifts_exclude_zero() {
    // One outlier in a constant series: the search is certain of a date, but the means do not
    // differ.
    for outlier_day in [20, 50, 80] {
        let frame = records("2026-08-03", 105, &["a"], |day, _| {
            if day == outlier_day { 26 } else { 24 }
        });
        let analysis = analyse(
            "2026-11-16",
            frame,
            &serde_json::json!({"input": "tickets"}),
        );
        for finding in &analysis.cell.findings {
            let [_, low, high] = &finding.numbers["difference"].as_array().expect("three")[..]
            else {
                panic!("{finding:?}")
            };
            let (low, high) = (
                low.as_f64().expect("a number"),
                high.as_f64().expect("a number"),
            );
            assert!(low > 0.0 || high < 0.0, "{}", finding.sentence);
        }
    }
}

#[test]
fn an_old_isolated_record_is_not_a_rise() {
    let mut at: Vec<jiff::civil::DateTime> = vec!["0001-01-01T00:00:00".parse().expect("a time")];
    let mut noise = Noise(3);
    for day in 0..105 {
        let date = jiff::civil::date(2026, 8, 3) + i64::from(day).days();
        at.extend((0..noise.poisson(6.0)).map(|i| date.at(i as i8, 17, 0, 0)));
    }
    let frame = DataFrame::new(at.len(), vec![times("at", &at)]).expect("a frame");
    let params = serde_json::json!({"input": "tickets", "periods_max": 1000});
    let analysis = analyse("2026-11-16", frame, &params);
    assert!(
        analysis.cell.findings.is_empty(),
        "{:#?}",
        analysis.cell.findings
    );
    let caveats = analysis.cell.caveats.join(" ").replace('\u{a0}', " ");
    assert!(
        caveats.contains("1 record of 1 January 1 is left out"),
        "{caveats}"
    );
}

#[test]
fn incomplete_weeks_at_either_end_are_not_shifts() {
    let params = serde_json::json!({"input": "tickets", "period": "week"});
    for (first, days) in [
        ("2026-02-05", 284),
        ("2026-02-02", 284),
        ("2026-02-06", 280),
    ] {
        let mut noise = Noise(11);
        let frame = records(first, days, &["a"], |_, _| noise.poisson(20.0));
        let analysis = analyse("2026-11-16", frame, &params);
        assert!(
            analysis.cell.findings.is_empty(),
            "{first}: {:#?}",
            analysis.cell.findings
        );
    }
}

/// Three years of daily records with a season of the year of 30 %, up by `step` after day 1000.
fn seasonal_years(seed: u64, step: f64) -> DataFrame {
    let mut noise = Noise(seed * 104_729);
    records("2023-11-16", 1096, &["a"], |day, _| {
        let wave = (std::f64::consts::TAU * day as f64 / 365.25).sin();
        let level = if day < 1000 {
            20.0
        } else {
            20.0 * (1.0 + step)
        };
        noise.poisson(level * (1.0 + 0.3 * wave))
    })
}

#[test]
fn a_season_of_the_year_is_not_a_shift() {
    let (mut claims, mut dated) = (0, 0);
    for seed in 0..6 {
        for params in [
            serde_json::json!({"input": "tickets"}),
            serde_json::json!({"input": "tickets", "period": "week"}),
        ] {
            let cell = analyse("2026-11-16", seasonal_years(seed, 0.0), &params).cell;
            claims += usize::from(!cell.findings.is_empty());
            let caveats = cell.caveats.join(" ");
            assert!(caveats.contains("season of the year"), "{caveats}");
            let cell = analyse("2026-11-16", seasonal_years(seed, 0.3), &params).cell;
            let is_close = |finding: &Finding| {
                let date = finding.numbers["date"].as_str().expect("a date");
                let off = jiff::civil::date(2026, 8, 12) - date.parse::<Date>().expect("a date");
                off.get_days().abs() <= 28
            };
            dated += usize::from(cell.findings.iter().any(is_close));
        }
    }
    assert!(claims <= 1, "{claims} of 12");
    assert!(dated >= 9, "{dated} of 12");
}
