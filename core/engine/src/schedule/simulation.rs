//! Tests of schedules over years, with a simulated clock.
//!
//! Expected values do not come from the calendar: a plain loop visits every minute of the year and
//! compares its local time with the schedule.

mod policy;

use super::{Attempt, Calendar, ScheduleStatus, decide};
use crate::job::{Missed, OnlyIf, Schedule};
use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{DateTime, Weekday, date},
    tz::TimeZone,
};
use retrocast_run::RunStatus;
use std::{path::PathBuf, time::Duration};

/// Time zones with clock changes: in Europe on 29 March and 25 October, in New York on 8 March and
/// 1 November, and on Lord Howe Island, by half an hour, on 5 April and 4 October.
const ZONES: [&str; 3] = ["Europe/London", "America/New_York", "Australia/Lord_Howe"];
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A schedule, and an independent function that matches its local times.
struct Case {
    cron: &'static str,
    matches: fn(DateTime) -> bool,
    every_hour: bool,
}

fn is_at(local: DateTime, hour: i8, minute: i8) -> bool {
    (local.hour(), local.minute()) == (hour, minute)
}

fn is_last_weekday(local: DateTime) -> bool {
    let is_weekday = |day: DateTime| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    let later_days = (1..=31).map(|days| local + days.days());
    let mut later_days = later_days.take_while(|day| day.month() == local.month());
    is_weekday(local) && !later_days.any(is_weekday)
}

const CASES: [Case; 9] = [
    Case {
        cron: "0 9 * * MON",
        matches: |local| is_at(local, 9, 0) && local.weekday() == Weekday::Monday,
        every_hour: false,
    },
    Case {
        cron: "30 2 * * *",
        matches: |local| is_at(local, 2, 30),
        every_hour: false,
    },
    Case {
        cron: "15 1,2,14 * * *",
        matches: |local| local.minute() == 15 && [1, 2, 14].contains(&local.hour()),
        every_hour: false,
    },
    Case {
        cron: "45 1 * * SUN",
        matches: |local| is_at(local, 1, 45) && local.weekday() == Weekday::Sunday,
        every_hour: false,
    },
    Case {
        cron: "0 * * * *",
        matches: |local| local.minute() == 0,
        every_hour: true,
    },
    Case {
        cron: "*/15 * * * *",
        matches: |local| local.minute() % 15 == 0,
        every_hour: true,
    },
    Case {
        cron: "0 */2 * * *",
        matches: |local| local.minute() == 0 && local.hour() % 2 == 0,
        every_hour: false,
    },
    Case {
        cron: "0 6 1 * *",
        matches: |local| is_at(local, 6, 0) && local.day() == 1,
        every_hour: false,
    },
    Case {
        cron: "0 18 LW * *",
        matches: |local| is_at(local, 18, 0) && is_last_weekday(local),
        every_hour: false,
    },
];

/// A local minute with its instant.
struct Minute {
    local: DateTime,
    instant: Timestamp,
    is_repeated: bool,
}

/// Every local minute of 2026, including skipped minutes, in local order.
fn year(zone: &TimeZone) -> Vec<Minute> {
    let start = date(2026, 1, 1).to_zoned(zone.clone()).unwrap();
    let end = date(2027, 1, 1).to_zoned(zone.clone()).unwrap();
    let mut minutes: Vec<Minute> = Vec::new();
    let mut latest = start.datetime() - 1.minute();
    let mut instant = start.timestamp();
    while instant < end.timestamp() {
        let local = zone.to_datetime(instant);
        // Clocks went forward: skipped times move by the length of the gap.
        let skipped = local.duration_since(latest) - MINUTE;
        let mut missing = latest + 1.minute();
        while missing < local {
            let before = missing.duration_since(latest) - MINUTE;
            minutes.push(Minute {
                local: missing,
                instant: instant + before,
                is_repeated: false,
            });
            missing += 1.minute();
        }
        assert!(skipped <= HOUR, "{local}");
        minutes.push(Minute {
            local,
            instant,
            is_repeated: local <= latest,
        });
        latest = latest.max(local);
        instant += MINUTE;
    }
    minutes
}

/// Computes the due times of a year with the independent function.
fn expected_due_times(case: &Case, year: &[Minute]) -> Vec<Timestamp> {
    let due = year.iter().filter(|minute| (case.matches)(minute.local));
    let mut due: Vec<Timestamp> = due
        .filter(|minute| case.every_hour || !minute.is_repeated)
        .map(|minute| minute.instant)
        .collect();
    due.sort_unstable();
    due.dedup();
    due
}

/// A machine with a job, a clock and an archive.
struct Simulation {
    schedule: Schedule,
    calendar: Calendar,
    archive: Vec<Attempt>,
    now: Timestamp,
    /// Time that each run takes.
    run_duration: SignedDuration,
    /// Number of newest runs that the archive keeps.
    archive_limit: usize,
    /// Status of the nth attempt.
    outcome: fn(usize) -> RunStatus,
}

impl Simulation {
    fn new(cron: &str, zone: &str, now: &str) -> Self {
        let schedule = Schedule {
            cron: cron.to_string(),
            missed: Missed::Latest,
            catch_up_max: 10,
            retry: [1, 4, 24]
                .map(|hours| Duration::from_secs(hours * 3600))
                .into(),
            admin: String::new(),
            alert_after: 3,
            only_if: OnlyIf::default(),
        };
        Self {
            calendar: Calendar::new(cron, zone).unwrap(),
            schedule,
            archive: Vec::new(),
            now: now.parse().unwrap(),
            run_duration: SignedDuration::from_mins(2),
            archive_limit: usize::MAX,
            outcome: |_| RunStatus::Complete,
        }
    }

    fn status(&self) -> ScheduleStatus {
        let newest = &self.archive[self.archive.len().saturating_sub(self.archive_limit)..];
        decide(&self.schedule, &self.calendar, newest, self.now)
    }

    /// Runs what is due, oldest first, until nothing is left; returns the status.
    fn tick(&mut self) -> ScheduleStatus {
        loop {
            let status = self.status();
            let Some(due) = status.now().next().map(|due| due.due) else {
                return status;
            };
            let n = self.archive.len();
            let started = self.now;
            self.now += self.run_duration;
            self.archive.push(Attempt {
                due,
                started,
                ended: Some(self.now),
                status: (self.outcome)(n),
                run: format!("{n:08x}"),
                window: "2026-W46".to_string(),
                folder: PathBuf::from(format!("{n}")),
                error: None,
            });
        }
    }

    /// Checks the schedule at every possible change, and runs what is due.
    fn advance_to(&mut self, end: Timestamp) {
        loop {
            match self.tick().next_check {
                Some(next) if next < end => self.now = next,
                _ => break self.now = end,
            }
        }
    }

    /// Due times in the order in which they ran.
    fn due(&self) -> Vec<Timestamp> {
        self.archive.iter().map(|attempt| attempt.due).collect()
    }

    /// Start times and due times of attempts, in local time.
    fn attempts(&self) -> Vec<String> {
        let local = |instant| {
            self.calendar
                .zone()
                .to_datetime(instant)
                .strftime("%d %H:%M")
        };
        let attempts = self.archive.iter();
        let rows = attempts.map(|a| format!("{} for {}", local(a.started), local(a.due)));
        rows.collect()
    }
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The parts of the year with clock changes.
const CHANGES: [(&str, &str); 2] = [
    ("2026-03-05T00:00:00Z", "2026-04-08T00:00:00Z"),
    ("2026-10-01T00:00:00Z", "2026-11-04T00:00:00Z"),
];

/// Due times from `start` up to `end`, without the first.
fn later_due_times(due: &[Timestamp], start: Timestamp, end: Timestamp) -> Vec<Timestamp> {
    let due_times = due.iter().copied().filter(|due| (start..end).contains(due));
    due_times.skip(1).collect()
}

#[test]
fn every_due_time_of_a_year_runs_once_and_on_time() {
    std::thread::scope(|scope| {
        for zone in ZONES {
            scope.spawn(move || check_year(zone));
        }
    });
}

fn check_year(zone: &str) {
    let year = year(&TimeZone::get(zone).unwrap());
    let whole = [(year[0].instant, year.last().unwrap().instant)];
    let changes = CHANGES.map(|(start, end)| (instant(start), instant(end)));
    let repeated = year.iter().filter(|minute| minute.is_repeated).count();
    assert_eq!(repeated, if zone == ZONES[2] { 30 } else { 60 }, "{zone}");
    for case in &CASES {
        let expected = expected_due_times(case, &year);
        let parts = if expected.len() > 10_000 {
            &changes[..]
        } else {
            &whole[..]
        };
        for (start, end) in parts {
            let mut simulation = Simulation::new(case.cron, zone, "2026-01-01T00:00:00Z");
            let first = expected.iter().find(|due| *due >= start);
            (simulation.now, simulation.archive_limit) = (*first.unwrap(), 20);
            simulation.advance_to(*end);
            let expected = later_due_times(&expected, *start, *end);
            let ran = &simulation.due()[1..];
            let differ = ran.iter().zip(&expected).find(|(ran, due)| ran != due);
            assert_eq!(differ, None, "{} in {zone}", case.cron);
            assert_eq!(ran.len(), expected.len(), "{} in {zone}", case.cron);
            let mut attempts = simulation.archive.iter();
            let late = attempts.find(|attempt| attempt.started != attempt.due);
            assert_eq!(late, None, "{} in {zone}", case.cron);
        }
    }
}

#[test]
fn checks_at_fixed_minutes_run_every_due_time_once() {
    let case = &CASES[2];
    for zone in ZONES {
        let due = expected_due_times(case, &year(&TimeZone::get(zone).unwrap()));
        for (start, end) in CHANGES.map(|(start, end)| (instant(start), instant(end))) {
            let mut simulation = Simulation::new(case.cron, zone, "2026-01-01T00:00:00Z");
            simulation.archive_limit = 20;
            // Like cron, the check starts on the minute, however long the previous run took.
            let mut check = *due.iter().find(|due| **due >= start).unwrap();
            while check < end {
                simulation.now = simulation.now.max(check);
                simulation.tick();
                check += 15 * MINUTE;
            }
            assert_eq!(
                simulation.due()[1..],
                later_due_times(&due, start, end),
                "{zone}"
            );
        }
    }
}
