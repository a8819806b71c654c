//! Tests of missed, failed, killed and cancelled runs, and of clocks that are set.

use super::*;
use crate::schedule::{State, calendar::SEARCHES};

/// Simulates an outage from one time to another, and returns the runs after it.
#[track_caller]
fn outage(cron: &str, missed: Missed, off: &str, on: &str, expected: &[&str]) {
    let mut world = World::new(cron, "Europe/London", "2026-02-28T12:00:00Z");
    world.schedule.missed = missed;
    world.follow(instant(off));
    let before = world.archive.len();
    world.now = instant(on);
    world.tick();
    assert_eq!(
        world.attempts()[before..],
        *expected,
        "{cron} {missed:?} {on}"
    );
    // Afterwards everything is normal again.
    let (next, n) = (world.status().next_due.unwrap(), world.archive.len());
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
    // Clocks changed in the meantime, on the 29th.
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
fn what_is_not_caught_up_is_counted_and_reported() {
    let mut world = World::new("0 9 * * *", "Europe/London", "2026-03-01T12:00:00Z");
    world.tick();
    world.now = instant("2026-04-01T12:00:00Z");
    let latest = world.status();
    assert_eq!((latest.open.len(), latest.passed_over), (1, 30));
    world.schedule.missed = Missed::All;
    let all = world.status();
    assert_eq!((all.open.len(), all.passed_over), (10, 21));
    world.schedule.missed = Missed::None;
    let none = world.status();
    assert_eq!((none.open[0].state, none.passed_over), (State::TooLate, 30));
    assert_eq!(none.next_check, none.next_due);
    assert_eq!(none.overdue, Some(instant("2026-03-02T09:00:00Z")));
}

/// Checks that months of unchecked due times cost one search per recent day, not one per minute.
#[test]
fn a_neglected_job_is_cheap_to_look_at() {
    let mut world = World::new("* * * * *", "Europe/London", "2026-01-01T12:00:00Z");
    world.takes = SignedDuration::from_secs(1);
    world.tick();
    world.schedule.missed = Missed::All;
    for months in [1, 6] {
        world.now = instant("2026-01-01T12:00:30Z") + months * 30 * 24 * HOUR;
        let before = SEARCHES.get();
        let status = world.status();
        let searches = SEARCHES.get() - before;
        assert_eq!((status.open.len(), status.passed_over), (10, 9_990));
        let newest = instant("2026-01-01T12:00:00Z") + months * 30 * 24 * HOUR;
        assert_eq!(status.open[9].due, newest);
        assert_eq!(status.open[0].due, newest - 9 * MINUTE);
        // Ten thousand minutes are seven days.
        assert!(searches < 20, "{searches} searches");
    }
}

#[test]
fn a_job_nobody_looks_after_is_overdue_however_often_it_is_due() {
    for cron in ["0 9 * * *", "0 * * * *"] {
        let mut world = World::new(cron, "Europe/London", "2026-04-13T08:00:30Z");
        world.tick();
        assert_eq!(world.status().overdue, None, "{cron}");
        // Half a minute after a due time, a week later.
        world.now = instant("2026-04-20T08:00:30Z");
        for missed in [Missed::None, Missed::Latest, Missed::All] {
            world.schedule.missed = missed;
            assert!(world.status().overdue.is_some(), "{cron} {missed:?}");
        }
    }
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
        assert_eq!(world.attempts(), expected, "{missed:?}");
    }
}

#[test]
fn the_ladder_waits_as_configured_and_then_gives_up() {
    let mut world = World::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    world.takes = SignedDuration::from_mins(10);
    world.fate = |n| {
        if n < 4 {
            RunStatus::Failed
        } else {
            RunStatus::Complete
        }
    };
    let mut alerts = Vec::new();
    for _ in 0..4 {
        world.tick();
        let status = world.status();
        alerts.push((status.failures, status.alerts.len()));
        let open = status.newest().unwrap();
        if let State::Waits { until } = open.state {
            let early = world.now.max(until - MINUTE);
            world.now = early;
            let n = world.archive.len();
            world.tick();
            assert_eq!(world.archive.len(), n, "not a minute early");
            assert_eq!(status.next_check, Some(until));
            world.now = until;
        } else {
            assert_eq!(open.state, State::GivenUp);
        }
    }
    assert_eq!(
        world.attempts(),
        [
            "16 09:00 for 16 09:00",
            "16 10:10 for 16 09:00",
            "16 14:20 for 16 09:00",
            "17 14:30 for 16 09:00",
        ]
    );
    assert_eq!(alerts, [(1, 0), (2, 0), (3, 1), (4, 1)]);
    let third = &world.status().alerts[0];
    assert_eq!((&third.attempt, third.failed.len()), (&world.archive[2], 4));
    world.follow(instant("2026-11-24T00:00:00Z"));
    assert_eq!(world.attempts()[4..], ["23 09:00 for 23 09:00"]);
    let status = world.status();
    assert_eq!(
        (status.failures, status.open.len(), status.alerts.len()),
        (0, 0, 0)
    );
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
        world.attempts(),
        [
            "16 09:00 for 16 09:00",
            "16 10:02 for 16 09:00",
            "16 14:04 for 16 09:00",
            "17 09:00 for 17 09:00",
            "17 10:02 for 17 09:00",
            "17 14:04 for 17 09:00",
        ]
    );
    // With `all`, the older one waits for its retries.
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
        world.attempts()[3..],
        [
            "17 09:00 for 17 09:00",
            "17 10:02 for 17 09:00",
            "17 14:06 for 16 09:00",
        ]
    );
}

#[test]
fn what_fails_at_every_due_time_is_reported_once() {
    let mut world = World::new("0 * * * *", "Europe/London", "2026-11-16T09:00:00Z");
    world.fate = |_| RunStatus::Failed;
    let mut alerts = Vec::new();
    for _ in 0..48 {
        world.follow(world.now + HOUR);
        alerts.extend(
            world
                .status()
                .alerts
                .into_iter()
                .map(|alert| alert.attempt.run),
        );
    }
    alerts.dedup();
    assert_eq!(alerts, ["00000002"], "one in a row, whatever its due time");
}

#[test]
fn what_was_cancelled_is_run_again_at_once_but_not_for_ever() {
    let mut world = World::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    world.fate = |_| RunStatus::Cancelled;
    world.follow(instant("2026-11-20T00:00:00Z"));
    assert_eq!(
        world.attempts(),
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
    assert_eq!(world.attempts(), expected);
}

#[test]
fn one_that_is_under_way_is_left_alone() {
    let mut world = World::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    world.fate = |_| RunStatus::Running;
    world.tick();
    world.archive[0].ended = None;
    world.now += 5 * HOUR;
    let status = world.status();
    assert_eq!(status.open[0].state, State::Running);
    assert_eq!((status.overdue, status.failures), (None, 0));
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
                assert!(world.status().failures == 0);
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
        world.attempts()[2..],
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
    assert_eq!(world.attempts()[n..], ["17 08:00 for 17 08:00"]);
}
