//! Checks where the records of a dataset begin and end.

use super::*;
use crate::{
    Inputs, kpi, quality,
    series::test_data::{self, Noise, context, input, source},
    sql,
};
use jiff::civil::date;
use polars::prelude::{Column, DataFrame};
use retrocast_domain::CellStatus;

fn window(timezone: &str) -> Window {
    // 9 to 15 November 2026.
    Window::parse("2026-W46", timezone).expect("a window")
}

fn coverage(times: Vec<DateTime>) -> Coverage {
    let times: Vec<_> = times.into_iter().map(Some).collect();
    let times = Times::of_civil(&times, Resolution::Moment);
    Coverage::from_times(&times, &window("UTC")).expect("records")
}

/// Creates `a_day` records, evenly spread over the hours of each day, between two times.
fn evenly(from: DateTime, to: DateTime, a_day: i64) -> Vec<DateTime> {
    let (begin, end) = (seconds(from), seconds(to));
    let step = DAY / a_day;
    (begin..end)
        .step_by(step as usize)
        .map(|s| {
            let time = jiff::Timestamp::from_second(s).expect("a time");
            TimeZone::UTC.to_datetime(time)
        })
        .collect()
}

/// Checks the first and last day of the covered period.
fn check(times: Vec<DateTime>, first: Date, end: Date) {
    let coverage = coverage(times);
    assert_eq!((coverage.first_day(), coverage.end_day()), (first, end));
}

#[test]
fn days_on_which_records_begin_or_end_are_incomplete() {
    let (may, end) = (date(2026, 5, 4), date(2026, 11, 16));
    let midnight = |day: Date| day.at(0, 0, 0, 0);
    for a_day in [24, 96, 960] {
        check(evenly(midnight(may), midnight(end), a_day), may, end);
        check(
            evenly(may.at(12, 0, 0, 0), midnight(end), a_day),
            date(2026, 5, 5),
            end,
        );
        check(
            evenly(midnight(may), date(2026, 11, 15).at(12, 0, 0, 0), a_day),
            may,
            date(2026, 11, 15),
        );
        check(
            evenly(midnight(may), date(2026, 11, 12).at(6, 30, 0, 0), a_day),
            may,
            date(2026, 11, 12),
        );
    }
    // With one record on every day of half a year, a silence of a day is not significant, but a
    // silence of two days is.
    check(evenly(may.at(12, 0, 0, 0), midnight(end), 1), may, end);
    check(
        evenly(may.at(12, 0, 0, 0), date(2026, 11, 15).at(0, 0, 0, 0), 1),
        may,
        end,
    );
    check(
        evenly(may.at(12, 0, 0, 0), date(2026, 11, 14).at(0, 0, 0, 0), 1),
        may,
        date(2026, 11, 14),
    );
    check(
        evenly(may.at(12, 0, 0, 0), date(2026, 11, 2).at(0, 0, 0, 0), 1),
        may,
        date(2026, 11, 2),
    );
}

#[test]
fn nights_and_weekends_do_not_end_the_records() {
    let office = |from: Date, to: DateTime| -> Vec<DateTime> {
        evenly(from.at(0, 0, 0, 0), to, 96)
            .into_iter()
            .filter(|t| (9..17).contains(&t.hour()))
            .filter(|t| t.weekday().to_monday_zero_offset() < 5)
            .collect()
    };
    let monday = date(2026, 5, 4);
    let end = date(2026, 11, 16);
    check(office(monday, end.at(0, 0, 0, 0)), monday, end);
    // Thursday noon: the afternoon is missing.
    let noon = date(2026, 11, 12).at(12, 0, 0, 0);
    check(office(monday, noon), monday, date(2026, 11, 12));
    // The records of every week end on Friday evening.
    check(
        office(monday, date(2026, 11, 13).at(18, 0, 0, 0)),
        monday,
        end,
    );
}

#[test]
fn an_old_isolated_record_does_not_start_the_history() {
    let recent = || {
        evenly(
            date(2026, 5, 4).at(0, 0, 0, 0),
            date(2026, 11, 16).at(0, 0, 0, 0),
            4,
        )
    };
    let early = |days: &[Date]| {
        let mut times: Vec<DateTime> = days.iter().map(|day| day.at(3, 0, 0, 0)).collect();
        times.extend(recent());
        times
    };
    let end = date(2026, 11, 16);
    check(early(&[date(1, 1, 1)]), date(2026, 5, 4), end);
    check(
        early(&[date(1, 1, 1), date(2025, 12, 24)]),
        date(2026, 5, 4),
        end,
    );
    let coverage = coverage(early(&[date(1, 1, 1)]));
    let caveats = coverage.caveats(Period::Day);
    assert_eq!(
        caveats[0].replace('\u{a0}', " "),
        "1 record of 1 January 1 is left out: long before all others, which begin on 4 May 2026."
    );
    // Rare records have long gaps.
    let rare = vec![
        date(2025, 1, 3).at(9, 0, 0, 0),
        date(2025, 6, 3).at(9, 0, 0, 0),
        date(2025, 9, 1).at(9, 0, 0, 0),
        date(2026, 3, 1).at(9, 0, 0, 0),
    ];
    check(rare, date(2025, 1, 3), end);
}

#[test]
fn a_complete_source_declares_the_end() {
    // Four records per day until 25 October, then nothing.
    let times = evenly(
        date(2026, 5, 4).at(0, 0, 0, 0),
        date(2026, 10, 26).at(0, 0, 0, 0),
        4,
    );
    let check = |until: Option<DateTime>, end: DateTime, caveat: &str| {
        let coverage = Coverage {
            complete_until: until,
            ..coverage(times.clone())
        };
        assert_eq!(coverage.end(Period::Day), end, "{until:?}");
        let caveats = coverage
            .caveats(Period::Day)
            .join(" ")
            .replace('\u{a0}', " ");
        assert_eq!(caveats, caveat, "{until:?}");
    };
    let monday = date(2026, 11, 16).at(0, 0, 0, 0);
    check(
        None,
        date(2026, 10, 26).at(0, 0, 0, 0),
        "Records end on 25 October 2026, 21 days before the window does.",
    );
    let zero = |end: &str| {
        format!(
            "No record after 25 October 2026: counted as zero until {end}, since the contract \
             allows such a long gap."
        )
    };
    check(Some(monday), monday, &zero("the end of 15 November 2026"));
    check(
        Some(monday + 9.days()),
        monday,
        &zero("the end of 15 November 2026"),
    );
    let noon = date(2026, 11, 12).at(12, 0, 0, 0);
    let complete = "The source is complete until 12 November 2026, 12:00, before the window ends.";
    check(
        Some(noon),
        noon,
        &format!("{} {complete}", zero("12 November 2026, 12:00")),
    );
}

#[test]
fn days_of_utc_that_end_after_the_window_are_incomplete() {
    let days: Vec<DateTime> = (0..200)
        .map(|n| (date(2026, 11, 15) - i64::from(n).days()).at(0, 0, 0, 0))
        .collect();
    let check = |timezone: &str, end: Date| {
        let times: Vec<_> = days.iter().copied().map(Some).collect();
        let times = Times::of_civil(&times, Resolution::DayOfUtc);
        let coverage = Coverage::from_times(&times, &window(timezone)).expect("records");
        assert_eq!(coverage.end_day(), end, "{timezone}");
    };
    check("Asia/Tokyo", date(2026, 11, 15));
    check("America/Los_Angeles", date(2026, 11, 16));
}

#[test]
fn weekly_and_monthly_records_are_complete() {
    let check = |times: Vec<DateTime>, expected: Option<Date>| {
        let times: Vec<_> = times.into_iter().map(Some).collect();
        let times = Times::of_civil(&times, Resolution::Day);
        let coverage = Coverage::from_times(&times, &window("UTC")).expect("records");
        assert_eq!(coverage.missing_from(), expected);
    };
    // Twenty teams report on every Monday.
    let mondays = |newest: Date| -> Vec<DateTime> {
        let weeks = (0..150).map(|n| newest - (7 * n).days());
        weeks.flat_map(|day| [day.at(0, 0, 0, 0); 20]).collect()
    };
    check(mondays(date(2026, 11, 9)), None);
    check(mondays(date(2026, 11, 2)), Some(date(2026, 11, 3)));
    let months = (1..12).flat_map(|month| [date(2026, month, 1).at(0, 0, 0, 0); 20]);
    check(months.collect(), None);
    // A source of every day.
    let days = |to: Date| (0..150).flat_map(move |n| [(to - n.days()).at(0, 0, 0, 0); 20]);
    check(days(date(2026, 11, 15)).collect(), None);
    check(days(date(2026, 11, 11)).collect(), Some(date(2026, 11, 12)));
}

/// Records of 26 weeks between 09:00 and 22:00, `mean` a day, where the rate of each day varies by
/// the factor `spread`; those after `cut` on the last day are missing.
fn working_hours(noise: &mut Noise, mean: f64, spread: f64, cut: f64) -> Vec<DateTime> {
    let first = date(2026, 5, 18);
    let mut times = Vec::new();
    for day in 0..26 * 7 {
        let factor = if noise.uniform() < 0.5 {
            spread
        } else {
            1.0 / spread
        };
        for _ in 0..noise.poisson(mean * factor) {
            let hour = 9.0 + 13.0 * noise.uniform();
            if day < 26 * 7 - 1 || hour < cut {
                let midnight = (first + day.days()).at(0, 0, 0, 0);
                times.push(midnight + ((hour * 60.0) as i64).minutes());
            }
        }
    }
    times.sort();
    times
}

/// Share of series whose records end before the window does.
fn share_incomplete(mean: f64, spread: f64, cut: f64) -> f64 {
    const SERIES: u64 = 400;
    let is_incomplete = |seed: &u64| {
        let times = working_hours(&mut Noise(*seed), mean, spread, cut);
        !coverage(times).is_complete()
    };
    (0..SERIES).filter(is_incomplete).count() as f64 / SERIES as f64
}

#[test]
fn an_early_last_record_is_seldom_a_missing_one() {
    // Nothing is missing: with a threshold of 4.6 expected records, 1 to 5 % were called incomplete.
    for (mean, spread) in [
        (5.0, 1.0),
        (10.0, 1.0),
        (20.0, 1.0),
        (10.0, 1.5),
        (20.0, 1.5),
    ] {
        let share = share_incomplete(mean, spread, 24.0);
        assert!(share <= 0.01, "{mean} a day, spread {spread}: {share}");
    }
    // The records after 13:00 are missing, or those after 10:00.
    for (mean, spread, cut, least) in [
        (20.0, 1.0, 13.0, 0.95),
        (15.0, 1.0, 10.0, 0.95),
        (40.0, 1.5, 13.0, 0.95),
    ] {
        let share = share_incomplete(mean, spread, cut);
        assert!(share >= least, "{mean} a day, spread {spread}: {share}");
    }
}

/// Checks the first day without records by the three judges of a window's end: the covered period of
/// figures, `quality`, and a query over the source; and whether `quality` reports a stop.
fn check_end(name: &str, times: Vec<DateTime>, missing_from: Option<Date>, is_stopped: bool) {
    let frame = DataFrame::new(times.len(), vec![test_data::times("at", &times)]);
    let mut records = input("builds", frame.expect("a frame"));
    records.source = Some(source(times.len() as u64, 0, 0));
    let context = context("2026-11-16");
    let result = input(
        sql::RESULT,
        DataFrame::new(1, vec![Column::new("n".into(), [1_i64])]).expect("a frame"),
    );
    let inputs = Inputs::from([
        ("builds".to_string(), records),
        (sql::RESULT.to_string(), result),
    ]);
    let figures =
        serde_json::json!({"input": "builds", "metrics": [{"name": "Builds", "kind": "count"}]});
    let judges = [
        (kpi::KPI.run, figures),
        (
            quality::QUALITY.run,
            serde_json::json!({"inputs": ["builds"]}),
        ),
        (sql::SQL.run, serde_json::json!({"query": "select 1"})),
    ];
    for (run, params) in judges {
        let cell = run(&context, &params, &inputs).expect("an analysis").cell;
        if matches!(cell.status, CellStatus::NotEnough { .. }) {
            // Figures of a week without records are not measured.
            let is_earlier = missing_from.is_some_and(|day| day <= context.window.start);
            assert!(is_earlier, "{name}: {:?}", cell.status);
            continue;
        }
        assert_eq!(cell.missing_from, missing_from, "{name}: {}", cell.kind);
        if cell.kind == "quality" {
            let mut findings = cell.findings.iter();
            let stop = findings.any(|finding| finding.what == "records stopped");
            assert_eq!(stop, is_stopped, "{name}");
        }
    }
}

/// A year of records at 09:00 up to a day, on those days that `is_day` accepts.
fn on_days(to: Date, a_day: usize, is_day: impl Fn(Date) -> bool) -> Vec<DateTime> {
    let days = date(2025, 11, 17)
        .series(1.day())
        .take_while(|day| *day <= to);
    let days = days.filter(|day| is_day(*day));
    days.flat_map(|day| vec![day.at(9, 0, 0, 0); a_day])
        .collect()
}

#[test]
fn zero_missing_and_stopped_are_distinguished() {
    let weekday = |day: Date| day.weekday().to_monday_zero_offset();
    let twice_a_week = |day: Date| matches!(weekday(day), 0 | 3);
    let office = |day: Date| weekday(day) < 5;
    let month_start = |day: Date| day.day() == 1;
    let check = |name: &str,
                 a_day: usize,
                 is_day: &dyn Fn(Date) -> bool,
                 last: Date,
                 from: Option<Date>| {
        check_end(name, on_days(last, a_day, is_day), from, from.is_some());
    };
    // Nothing is missing after the last of the usual days.
    check("twice a week", 1, &twice_a_week, date(2026, 11, 12), None);
    check("office", 1, &office, date(2026, 11, 13), None);
    check("monthly", 50, &month_start, date(2026, 11, 1), None);
    // The delivery stopped.
    let stopped = |day: Date| Some(day.tomorrow().expect("a day"));
    for (name, a_day, is_day, last) in [
        (
            "twice a week",
            1,
            &twice_a_week as &dyn Fn(Date) -> bool,
            date(2026, 11, 2),
        ),
        ("office", 1, &office, date(2026, 11, 11)),
        ("monthly", 50, &month_start, date(2026, 9, 1)),
    ] {
        check(name, a_day, is_day, last, stopped(last));
    }
    // Rare events at random: a quiet week is zero, a quiet quarter is not.
    let random = |until: Date| {
        let mut noise = Noise(3);
        let days = on_days(date(2026, 11, 15), 1, |_| true).into_iter();
        let days = days.filter(|_| noise.uniform() < 2.0 / 7.0);
        days.filter(|time| time.date() < until).collect::<Vec<_>>()
    };
    check_end("rare", random(date(2026, 11, 9)), None, false);
    let quarter = random(date(2026, 8, 10));
    let last = quarter.last().expect("a record").date();
    check_end("rare", quarter, stopped(last), true);
    // The last day of a busy source is missing in part: its figures end, but it has not stopped.
    let busy = evenly(
        date(2026, 5, 4).at(0, 0, 0, 0),
        date(2026, 11, 14).at(20, 0, 0, 0),
        96,
    );
    check_end("busy", busy, Some(date(2026, 11, 15)), true);
}
