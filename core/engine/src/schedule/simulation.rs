//! A simulated clock drives years of schedules.
//!
//! What is expected is not asked of the calendar: every minute of the year is walked through, and
//! its wall clock compared with the schedule in plain code.

use super::{Attempt, Calendar, Standing, State, decide};
use crate::job::{Missed, OnlyIf, Schedule};
use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{DateTime, Weekday, date},
    tz::TimeZone,
};
use retrocast_domain::RunStatus;
use std::{path::PathBuf, time::Duration};

/// Europe changes clocks on 29 March and 25 October, New York on 8 March and 1 November, Lord Howe
/// by half an hour on 5 April and 4 October.
const ZONES: [&str; 3] = ["Europe/London", "America/New_York", "Australia/Lord_Howe"];
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A schedule, and whether a time of the wall clock fits it, in plain code.
struct Case {
    cron: &'static str,
    fits: fn(DateTime) -> bool,
    every_hour: bool,
}

fn at(wall: DateTime, hour: i8, minute: i8) -> bool {
    (wall.hour(), wall.minute()) == (hour, minute)
}

fn last_weekday(wall: DateTime) -> bool {
    let works = |day: DateTime| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    let rest = (1..=31).map(|days| wall + days.days());
    let mut rest = rest.take_while(|day| day.month() == wall.month());
    works(wall) && !rest.any(works)
}

const CASES: [Case; 9] = [
    Case {
        cron: "0 9 * * MON",
        fits: |wall| at(wall, 9, 0) && wall.weekday() == Weekday::Monday,
        every_hour: false,
    },
    Case {
        cron: "30 2 * * *",
        fits: |wall| at(wall, 2, 30),
        every_hour: false,
    },
    Case {
        cron: "15 1,2,14 * * *",
        fits: |wall| wall.minute() == 15 && [1, 2, 14].contains(&wall.hour()),
        every_hour: false,
    },
    Case {
        cron: "45 1 * * SUN",
        fits: |wall| at(wall, 1, 45) && wall.weekday() == Weekday::Sunday,
        every_hour: false,
    },
    Case {
        cron: "0 * * * *",
        fits: |wall| wall.minute() == 0,
        every_hour: true,
    },
    Case {
        cron: "*/15 * * * *",
        fits: |wall| wall.minute() % 15 == 0,
        every_hour: true,
    },
    Case {
        cron: "0 */2 * * *",
        fits: |wall| wall.minute() == 0 && wall.hour() % 2 == 0,
        every_hour: false,
    },
    Case {
        cron: "0 6 1 * *",
        fits: |wall| at(wall, 6, 0) && wall.day() == 1,
        every_hour: false,
    },
    Case {
        cron: "0 18 LW * *",
        fits: |wall| at(wall, 18, 0) && last_weekday(wall),
        every_hour: false,
    },
];

/// A minute of the wall clock, when it comes, and whether it came before.
struct Minute {
    wall: DateTime,
    instant: Timestamp,
    again: bool,
}

/// Every minute of the wall clock in 2026, those that are skipped too, in the order of the clock.
fn year(zone: &TimeZone) -> Vec<Minute> {
    let start = date(2026, 1, 1).to_zoned(zone.clone()).unwrap();
    let end = date(2027, 1, 1).to_zoned(zone.clone()).unwrap();
    let mut minutes: Vec<Minute> = Vec::new();
    let mut latest = start.datetime() - 1.minute();
    let mut instant = start.timestamp();
    while instant < end.timestamp() {
        let wall = zone.to_datetime(instant);
        // Clocks went forward: what they skipped comes as much later as they skipped.
        let skipped = wall.duration_since(latest) - MINUTE;
        let mut missing = latest + 1.minute();
        while missing < wall {
            let before = missing.duration_since(latest) - MINUTE;
            minutes.push(Minute {
                wall: missing,
                instant: instant + before,
                again: false,
            });
            missing += 1.minute();
        }
        assert!(skipped <= HOUR, "{wall}");
        minutes.push(Minute {
            wall,
            instant,
            again: wall <= latest,
        });
        latest = latest.max(wall);
        instant += MINUTE;
    }
    minutes
}

/// The due times of a year, in plain code.
fn expected(case: &Case, year: &[Minute]) -> Vec<Timestamp> {
    let due = year.iter().filter(|minute| (case.fits)(minute.wall));
    let mut due: Vec<Timestamp> = due
        .filter(|minute| case.every_hour || !minute.again)
        .map(|minute| minute.instant)
        .collect();
    due.sort_unstable();
    due.dedup();
    due
}

/// A machine with a job, a clock and an archive.
struct World {
    schedule: Schedule,
    calendar: Calendar,
    archive: Vec<Attempt>,
    now: Timestamp,
    /// How long a run takes.
    takes: SignedDuration,
    /// As many runs as the archive keeps: the last ones.
    keeps: usize,
    /// What becomes of the attempt with this number.
    fate: fn(usize) -> RunStatus,
}

impl World {
    fn new(cron: &str, zone: &str, now: &str) -> Self {
        let schedule = Schedule {
            cron: cron.to_string(),
            missed: Missed::Latest,
            most: 10,
            retry: [1, 4, 24]
                .map(|hours| Duration::from_secs(hours * 3600))
                .into(),
            admin: String::new(),
            tell_after: 3,
            only_if: OnlyIf::default(),
        };
        Self {
            calendar: Calendar::new(cron, zone).unwrap(),
            schedule,
            archive: Vec::new(),
            now: now.parse().unwrap(),
            takes: SignedDuration::from_mins(2),
            keeps: usize::MAX,
            fate: |_| RunStatus::Complete,
        }
    }

    fn look(&self) -> Standing {
        let kept = &self.archive[self.archive.len().saturating_sub(self.keeps)..];
        decide(&self.schedule, &self.calendar, kept, self.now)
    }

    /// Runs what is due, oldest first, until nothing is; then says how things stand.
    fn tick(&mut self) -> Standing {
        loop {
            let standing = self.look();
            let Some(due) = standing.now().next().map(|due| due.due) else {
                return standing;
            };
            let n = self.archive.len();
            let started = self.now;
            self.now += self.takes;
            self.archive.push(Attempt {
                due,
                started,
                ended: Some(self.now),
                status: (self.fate)(n),
                run: format!("{n:08x}"),
                window: "2026-W46".to_string(),
                folder: PathBuf::from(format!("{n}")),
                error: None,
            });
        }
    }

    /// Looks whenever something may have changed, and runs what is due.
    fn follow(&mut self, end: Timestamp) {
        loop {
            match self.tick().look_again {
                Some(next) if next < end => self.now = next,
                _ => break self.now = end,
            }
        }
    }

    /// Due times in the order in which they were run.
    fn due(&self) -> Vec<Timestamp> {
        self.archive.iter().map(|attempt| attempt.due).collect()
    }

    /// When attempts began and on which due times, on the wall clock.
    fn told(&self) -> Vec<String> {
        let wall = |instant| {
            self.calendar
                .zone()
                .to_datetime(instant)
                .strftime("%d %H:%M")
        };
        let attempts = self.archive.iter();
        let told = attempts.map(|a| format!("{} for {}", wall(a.started), wall(a.due)));
        told.collect()
    }
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The parts of the year in which clocks change.
const CHANGES: [(&str, &str); 2] = [
    ("2026-03-05T00:00:00Z", "2026-04-08T00:00:00Z"),
    ("2026-10-01T00:00:00Z", "2026-11-04T00:00:00Z"),
];

/// Due times from one instant to another, but for the first.
fn part(due: &[Timestamp], start: Timestamp, end: Timestamp) -> Vec<Timestamp> {
    let part = due.iter().copied().filter(|due| (start..end).contains(due));
    part.skip(1).collect()
}

#[test]
fn a_year_runs_every_due_time_once_and_in_time() {
    std::thread::scope(|scope| {
        for zone in ZONES {
            scope.spawn(move || a_year_in(zone));
        }
    });
}

fn a_year_in(zone: &str) {
    let year = year(&TimeZone::get(zone).unwrap());
    let whole = [(year[0].instant, year.last().unwrap().instant)];
    let changes = CHANGES.map(|(start, end)| (instant(start), instant(end)));
    let again = year.iter().filter(|minute| minute.again).count();
    assert_eq!(again, if zone == ZONES[2] { 30 } else { 60 }, "{zone}");
    for case in &CASES {
        let expected = expected(case, &year);
        let parts = if expected.len() > 10_000 {
            &changes[..]
        } else {
            &whole[..]
        };
        for (start, end) in parts {
            let mut world = World::new(case.cron, zone, "2026-01-01T00:00:00Z");
            let first = expected.iter().find(|due| *due >= start);
            (world.now, world.keeps) = (*first.unwrap(), 20);
            world.follow(*end);
            let expected = part(&expected, *start, *end);
            let ran = &world.due()[1..];
            let differ = ran.iter().zip(&expected).find(|(ran, due)| ran != due);
            assert_eq!(differ, None, "{} in {zone}", case.cron);
            assert_eq!(ran.len(), expected.len(), "{} in {zone}", case.cron);
            let mut all = world.archive.iter();
            let late = all.find(|attempt| attempt.started != attempt.due);
            assert_eq!(late, None, "{} in {zone}", case.cron);
        }
    }
}

#[test]
fn looks_at_fixed_minutes_run_every_due_time_once() {
    let case = &CASES[2];
    for zone in ZONES {
        let due = expected(case, &year(&TimeZone::get(zone).unwrap()));
        for (start, end) in CHANGES.map(|(start, end)| (instant(start), instant(end))) {
            let mut world = World::new(case.cron, zone, "2026-01-01T00:00:00Z");
            world.keeps = 20;
            // As cron does: on the minute, whatever the run before took.
            let mut look = *due.iter().find(|due| **due >= start).unwrap();
            while look < end {
                world.now = world.now.max(look);
                world.tick();
                look += 15 * MINUTE;
            }
            assert_eq!(world.due()[1..], part(&due, start, end), "{zone}");
        }
    }
}

/// The machine is off from one time to another, and what is run afterwards is told.
#[track_caller]
fn outage(cron: &str, missed: Missed, off: &str, on: &str, expected: &[&str]) {
    let mut world = World::new(cron, "Europe/London", "2026-02-28T12:00:00Z");
    world.schedule.missed = missed;
    world.follow(instant(off));
    let before = world.archive.len();
    world.now = instant(on);
    world.tick();
    assert_eq!(world.told()[before..], *expected, "{cron} {missed:?} {on}");
    // Then everything goes its way again.
    let (next, n) = (world.look().next_due.unwrap(), world.archive.len());
    world.follow(next + MINUTE);
    assert_eq!(world.due()[n..], [next]);
}

#[test]
fn missed_runs_follow_the_policy() {
    use Missed::{All, Latest, None};
    let off = "2026-03-26T12:00:00Z";
    let short = "2026-03-27T09:40:00Z";
    for missed in [None, Latest, All] {
        outage("0 9 * * *", missed, off, "2026-03-27T08:59:59Z", &[]);
        outage("0 9 * * *", missed, off, short, &["27 09:40 for 27 09:00"]);
    }
    let hours = "2026-03-27T14:00:00Z";
    outage("0 9 * * *", None, off, hours, &[]);
    outage("0 9 * * *", Latest, off, hours, &["27 14:00 for 27 09:00"]);
    outage("0 9 * * *", All, off, hours, &["27 14:00 for 27 09:00"]);
    // Clocks changed meanwhile, on the 29th.
    let days = "2026-03-30T14:00:00Z";
    outage("30 1 * * *", None, off, days, &[]);
    outage("30 1 * * *", Latest, off, days, &["30 15:00 for 30 01:30"]);
    outage(
        "30 1 * * *",
        All,
        off,
        days,
        &[
            "30 15:00 for 27 01:30",
            "30 15:02 for 28 01:30",
            "30 15:04 for 29 02:30",
            "30 15:06 for 30 01:30",
        ],
    );
    let weeks = "2026-04-16T08:30:00Z";
    outage("0 9 * * *", None, off, weeks, &["16 09:30 for 16 09:00"]);
    outage("0 9 * * *", Latest, off, weeks, &["16 09:30 for 16 09:00"]);
    let last: Vec<String> = (0..10)
        .map(|n| format!("16 09:{:02} for {:02} 09:00", 30 + 2 * n, 7 + n))
        .collect();
    let last: Vec<&str> = last.iter().map(String::as_str).collect();
    outage("0 9 * * *", All, off, weeks, &last);
    outage(
        "0 9 * * MON",
        All,
        off,
        weeks,
        &[
            "16 09:30 for 30 09:00",
            "16 09:32 for 06 09:00",
            "16 09:34 for 13 09:00",
        ],
    );
}

#[test]
fn what_is_not_caught_up_is_counted_and_told() {
    let mut world = World::new("0 9 * * *", "Europe/London", "2026-03-01T12:00:00Z");
    world.tick();
    world.now = instant("2026-04-01T12:00:00Z");
    let latest = world.look();
    assert_eq!((latest.open.len(), latest.passed_over), (1, 30));
    world.schedule.missed = Missed::All;
    let all = world.look();
    assert_eq!((all.open.len(), all.passed_over), (10, 21));
    world.schedule.missed = Missed::None;
    let none = world.look();
    assert_eq!((none.open[0].state, none.passed_over), (State::TooLate, 30));
    assert_eq!(none.look_again, none.next_due);
    assert_eq!(none.overdue, Some(instant("2026-04-01T08:00:00Z")));
}

#[test]
fn a_job_that_never_ran_has_missed_nothing() {
    for missed in [Missed::None, Missed::Latest, Missed::All] {
        let mut world = World::new("0 9 * * MON", "Europe/London", "2026-11-18T12:00:00Z");
        world.schedule.missed = missed;
        world.tick();
        let expected: &[&str] = match missed {
            Missed::None => &[],
            _ => &["18 12:00 for 16 09:00"],
        };
        assert_eq!(world.told(), expected, "{missed:?}");
    }
}

#[test]
fn the_ladder_waits_as_told_and_then_gives_up() {
    let mut world = World::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    world.takes = SignedDuration::from_mins(10);
    world.fate = |n| {
        if n < 4 {
            RunStatus::Failed
        } else {
            RunStatus::Complete
        }
    };
    let mut told = Vec::new();
    while world.archive.len() < 4 {
        world.tick();
        let standing = world.look();
        told.push((standing.failures, standing.tell.len()));
        let open = standing.newest().unwrap();
        if let State::Waits { until } = open.state {
            let early = world.now.max(until - MINUTE);
            world.now = early;
            let n = world.archive.len();
            world.tick();
            assert_eq!(world.archive.len(), n, "not a minute early");
            assert_eq!(standing.look_again, Some(until));
            world.now = until;
        } else {
            assert_eq!(open.state, State::GivenUp);
        }
    }
    assert_eq!(
        world.told(),
        [
            "16 09:00 for 16 09:00",
            "16 10:10 for 16 09:00",
            "16 14:20 for 16 09:00",
            "17 14:30 for 16 09:00",
        ]
    );
    assert_eq!(told, [(1, 0), (2, 0), (3, 1), (4, 1)]);
    let third = &world.look().tell[0];
    assert_eq!((&third.attempt, third.failed.len()), (&world.archive[2], 4));
    world.follow(instant("2026-11-24T00:00:00Z"));
    assert_eq!(world.told()[4..], ["23 09:00 for 23 09:00"]);
    let good = world.look();
    assert_eq!((good.failures, good.open.len(), good.tell.len()), (0, 0, 0));
}

#[test]
fn a_newer_due_time_ends_the_wait_of_an_older_one() {
    let mut world = World::new("0 9 * * *", "Europe/London", "2026-11-16T09:00:00Z");
    world.fate = |n| {
        if n < 5 {
            RunStatus::Failed
        } else {
            RunStatus::Complete
        }
    };
    world.follow(instant("2026-11-18T00:00:00Z"));
    assert_eq!(
        world.told(),
        [
            "16 09:00 for 16 09:00",
            "16 10:02 for 16 09:00",
            "16 14:04 for 16 09:00",
            "17 09:00 for 17 09:00",
            "17 10:02 for 17 09:00",
            "17 14:04 for 17 09:00",
        ]
    );
    // All of them: the older one waits out its ladder.
    world = World::new("0 9 * * *", "Europe/London", "2026-11-16T09:00:00Z");
    world.schedule.missed = Missed::All;
    world.fate = |n| {
        if n < 4 {
            RunStatus::Failed
        } else {
            RunStatus::Complete
        }
    };
    world.follow(instant("2026-11-18T00:00:00Z"));
    assert_eq!(
        world.told()[3..],
        [
            "17 09:00 for 17 09:00",
            "17 10:02 for 17 09:00",
            "17 14:06 for 16 09:00",
        ]
    );
}

#[test]
fn what_fails_at_every_due_time_is_told_once() {
    let mut world = World::new("0 * * * *", "Europe/London", "2026-11-16T09:00:00Z");
    world.fate = |_| RunStatus::Failed;
    let mut told = Vec::new();
    for _ in 0..48 {
        world.follow(world.now + HOUR);
        told.extend(world.look().tell.into_iter().map(|tell| tell.attempt.run));
    }
    told.dedup();
    assert_eq!(told, ["00000002"], "one in a row, whatever its due time");
}

#[test]
fn what_was_cancelled_is_run_again_at_once_but_not_for_ever() {
    let mut world = World::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    world.fate = |_| RunStatus::Cancelled;
    world.follow(instant("2026-11-20T00:00:00Z"));
    assert_eq!(
        world.told(),
        [
            "16 09:00 for 16 09:00",
            "16 09:02 for 16 09:00",
            "16 09:04 for 16 09:00",
            "16 10:06 for 16 09:00",
            "16 14:08 for 16 09:00",
            "17 14:10 for 16 09:00",
        ]
    );
}

#[test]
fn a_run_that_died_failed_at_its_last_sign_of_life() {
    let mut world = World::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    world.takes = SignedDuration::from_hours(3);
    world.fate = |n| {
        if n == 0 {
            RunStatus::Interrupted
        } else {
            RunStatus::Partial
        }
    };
    world.follow(instant("2026-11-20T00:00:00Z"));
    let expected = ["16 09:00 for 16 09:00", "16 13:00 for 16 09:00"];
    assert_eq!(world.told(), expected);
}

#[test]
fn one_that_is_under_way_is_left_alone() {
    let mut world = World::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    world.fate = |_| RunStatus::Running;
    world.tick();
    world.archive[0].ended = None;
    world.now += 5 * HOUR;
    let standing = world.look();
    assert_eq!(standing.open[0].state, State::Running);
    assert_eq!((standing.overdue, standing.failures), (None, 0));
}

#[test]
fn a_clock_that_is_set_back_runs_nothing_twice() {
    for cron in ["0 * * * *", "30 1 * * *", "0 9 * * MON"] {
        for missed in [Missed::None, Missed::Latest, Missed::All] {
            let mut world = World::new(cron, "Europe/London", "2026-10-01T00:00:00Z");
            world.schedule.missed = missed;
            for back in [1, 25, 24 * 9] {
                world.follow(world.now + 24 * 12 * HOUR);
                world.now -= back * HOUR;
                world.tick();
                assert!(world.look().failures == 0);
            }
            world.follow(world.now + 24 * 12 * HOUR);
            let mut due = world.due();
            let all = due.len();
            due.sort_unstable();
            due.dedup();
            assert_eq!(due.len(), all, "{cron} {missed:?}");
            let until = world.now - MINUTE;
            let mut every: Vec<Timestamp> = world.calendar.back_from(until).take(all).collect();
            every.reverse();
            let differ = due.iter().zip(&every).find(|(due, every)| due != every);
            assert_eq!(differ, None, "{cron} {missed:?}: none is left out");
        }
    }
}

#[test]
fn a_clock_that_was_wrong_for_a_minute_silences_nobody() {
    let mut world = World::new("0 9 * * *", "Europe/London", "2026-11-16T09:00:00Z");
    world.tick();
    world.now = instant("2036-11-16T12:00:00Z");
    world.tick();
    world.now = instant("2026-11-16T12:00:00Z");
    world.follow(instant("2026-11-19T00:00:00Z"));
    assert_eq!(
        world.told()[2..],
        ["17 09:00 for 17 09:00", "18 09:00 for 18 09:00"]
    );
}

#[test]
fn another_calendar_does_not_run_what_is_past() {
    let mut world = World::new("0 9 * * *", "Europe/London", "2026-11-10T09:00:00Z");
    world.schedule.missed = Missed::All;
    world.follow(instant("2026-11-16T09:30:00Z"));
    let n = world.archive.len();
    world.calendar = Calendar::new("0 8 * * *", "Europe/London").unwrap();
    world.follow(instant("2026-11-17T12:00:00Z"));
    assert_eq!(world.told()[n..], ["17 08:00 for 17 08:00"]);
}
