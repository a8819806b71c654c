//! Checks that a stopped source is reported soon, and that a source that is merely quiet is not.

use super::*;
use crate::series::silence::Silence;
use crate::series::test_data::{context, times};
use crate::times::{Resolution, Times};
use jiff::{
    ToSpan,
    civil::{Date, DateTime, date},
};
use retrocast_domain::Window;

/// A source with records at random times of working hours.
struct Source {
    name: &'static str,
    /// Records on each day of the week, Monday first.
    rate: [f64; 7],
    /// Share of working days that are holidays, without records.
    holidays: f64,
}

const OFFICE: [f64; 7] = [8.0, 8.0, 8.0, 8.0, 8.0, 0.0, 0.0];

const SOURCES: &[Source] = &[
    Source {
        name: "weekdays only",
        rate: OFFICE,
        holidays: 0.0,
    },
    Source {
        name: "weekdays with holidays",
        rate: OFFICE,
        holidays: 0.03,
    },
    Source {
        name: "every day",
        rate: [10.0; 7],
        holidays: 0.0,
    },
    Source {
        name: "two a day",
        rate: [2.0; 7],
        holidays: 0.0,
    },
    Source {
        name: "three a week",
        rate: [0.43; 7],
        holidays: 0.0,
    },
    Source {
        name: "Mondays only",
        rate: [6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        holidays: 0.0,
    },
    Source {
        name: "two a month",
        rate: [0.07; 7],
        holidays: 0.0,
    },
];

/// A Monday.
const FIRST: Date = date(2025, 1, 6);

impl Source {
    /// Records of `days` days, in the hours from 9 to 17.
    fn records(&self, seed: u64, days: i64) -> Vec<DateTime> {
        let mut noise = Noise(seed);
        let mut records = Vec::new();
        for day in 0..days {
            let is_holiday = noise.uniform() < self.holidays;
            let count = noise.poisson(self.rate[(day % 7) as usize]);
            for _ in 0..count {
                let minute = 9 * 60 + (noise.uniform() * 480.0) as i64;
                let at = (FIRST + day.days()).at(0, 0, 0, 0);
                if !is_holiday {
                    records.push(at + minute.minutes());
                }
            }
        }
        records
    }

    /// Returns true if the source is quiet after `days` days.
    fn is_quiet(records: &[DateTime], days: i64) -> bool {
        let end = FIRST + days.days();
        let window = Window::parse(&format!("{}..{end}", end - 7.days()), "UTC").expect("a window");
        let civil: Vec<_> = records.iter().copied().map(Some).collect();
        let times = Times::of_civil(&civil, Resolution::Moment);
        Silence::measure(&times, &window, None, false).is_some_and(|silence| silence.is_quiet())
    }
}

/// Number of trials of each source and length of history.
const TRIALS: u64 = 60;

#[test]
fn false_alarms_are_rare_on_every_day_of_the_week() {
    for source in SOURCES {
        let (mut alarms, mut checks) = (0, 0);
        for weeks in [8, 26, 52] {
            for seed in 0..TRIALS {
                let days = 7 * weeks + 7;
                let records = source.records(seed, days);
                // Each day of the week is the end of a window once.
                for end in days - 6..=days {
                    checks += 1;
                    alarms += u32::from(Source::is_quiet(&records, end));
                }
            }
        }
        let rate = f64::from(alarms) / f64::from(checks);
        assert!(rate <= 0.01, "{}: {rate}", source.name);
    }
}

#[test]
fn stopped_sources_are_reported_soon() {
    // Maximum median delay in days after the last day with deliveries, with 52 weeks of history.
    let delays_max = [
        ("weekdays only", 1),
        ("weekdays with holidays", 2),
        ("every day", 1),
        ("two a day", 3),
        ("three a week", 14),
        ("Mondays only", 14),
        ("two a month", 80),
    ];
    for (source, (name, delay_max)) in SOURCES.iter().zip(delays_max) {
        assert_eq!(source.name, name);
        let mut delays: Vec<i64> = (0..50)
            .map(|seed| {
                // The last delivery is on a Wednesday.
                let days = 7 * 52 + 3;
                let records = source.records(seed, days);
                let mut delays = 0..400;
                delays
                    .find(|delay| Source::is_quiet(&records, days + delay))
                    .unwrap_or(400)
            })
            .collect();
        delays.sort_unstable();
        let median = delays[delays.len() / 2];
        assert!(median <= delay_max, "{name}: {median}");
    }
}

#[test]
fn a_missed_friday_is_reported_and_a_weekend_is_not() {
    // A year of working days to Friday 13 November, and to the Thursday before.
    let until = |last: Date| {
        let days = FIRST.series(1.day()).take_while(|day| *day <= last);
        let at: Vec<DateTime> = days
            .filter(|day| day.weekday().to_monday_zero_offset() < 5)
            .flat_map(|day| (9..17).map(move |hour| day.at(hour, 30, 0, 0)))
            .collect();
        DataFrame::new(at.len(), vec![times("at", &at)]).expect("a frame")
    };
    let quality = |frame| {
        let inputs = Inputs::from([("tickets".to_string(), input("tickets", frame))]);
        let params = json!({"inputs": ["tickets"], "flag_below": {"score": 0}});
        run(&context("2026-11-16"), &params, &inputs).expect("an analysis")
    };
    check(&quality(until(date(2026, 11, 13))), &[]);
    let missed = quality(until(date(2026, 11, 12)));
    check(&missed, &["records stopped"]);
    let finding = &missed.cell.findings[0];
    // None of the 265 working days after the first was without records, and the missed Friday
    // counts as such a day: 1 / 266. No records on the rest of Thursday and on the weekend are as
    // usual.
    let p = finding.p.expect("a probability");
    let expected = 1.0 / 266.0;
    assert!((p - expected).abs() < 1e-9, "{p}");
    assert_eq!(
        plain(&finding.sentence),
        "tickets has gone quiet: its last record is dated 12 November 2026, 16:30, 3 d 7 h before the \
         window's end; its rhythm allows 2 d 7 h; the time between records is usually 60 min, \
         rarely more than 2 d 17 h; the chance of such a silence under its own rhythm is 0.38 %."
    );
    assert_eq!(finding.numbers["as_silent_before"], json!(0));
    assert_eq!(finding.severity, Severity::Critical);
}

#[test]
fn the_maximum_age_of_the_contract_has_precedence() {
    let quiet = |hours: f64| {
        let mut fresh = input("tickets", tickets(1, 104));
        let mut note = source(1700, 0, 0);
        note.expectation.fresh_hours = Some(hours);
        fresh.source = Some(note);
        let params = json!({"flag_below": {"score": 0}});
        analyse_with(fresh, params).expect("an analysis")
    };
    let is_reported = |analysis: &Analysis| {
        let mut found = analysis.cell.findings.iter();
        found.any(|finding| finding.what == "records stopped")
    };
    assert!(!is_reported(&quiet(72.0)));
    let stale = quiet(12.0);
    assert!(is_reported(&stale));
    let finding = finding_named(&stale, "records stopped");
    assert!(finding.sentence.contains("the contract allows"));
    assert_eq!(finding.severity, Severity::Critical);
}

#[test]
fn a_missed_monthly_delivery_is_reported() {
    let monthly = |months: i64| {
        let at: Vec<DateTime> = (0..months)
            .map(|n| (date(2025, 1, 1) + n.months()).at(6, 0, 0, 0))
            .collect();
        let window = Window::parse("2026-W46", "UTC").expect("a window");
        let civil: Vec<_> = at.into_iter().map(Some).collect();
        let resolution = Resolution::Moment;
        Silence::measure(&Times::of_civil(&civil, resolution), &window, None, false)
            .expect("records")
    };
    // To 1 November, to 1 October.
    assert!(!monthly(23).is_quiet());
    let missed = monthly(22);
    assert!(missed.is_quiet(), "{missed:?}");
    assert!(missed.p.is_some_and(|p| p < 0.01));
}

#[test]
fn records_without_a_time_last_to_the_end_of_their_day() {
    let days = |last: Date| {
        let civil = FIRST.series(1.day()).take_while(|day| *day <= last);
        let civil: Vec<_> = civil.map(|day| Some(day.at(0, 0, 0, 0))).collect();
        let times = Times::of_civil(&civil, Resolution::Day);
        let window = Window::parse("2026-W46", "Europe/London").expect("a window");
        Silence::measure(&times, &window, None, false).expect("records")
    };
    let fresh = days(date(2026, 11, 15));
    assert!(fresh.hours == 0.0 && !fresh.is_quiet());
    assert!(days(date(2026, 11, 14)).is_quiet());
}
