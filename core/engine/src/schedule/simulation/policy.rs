//! Tests of missed, failed, interrupted and cancelled runs, and of clocks that are changed.

use super::*;
use crate::schedule::{State, calendar::SEARCHES};

/// Simulates an outage from `off` to `on`, and checks the runs after it.
#[track_caller]
fn outage(cron: &str, missed: Missed, off: &str, on: &str, expected: &[&str]) {
    let mut simulation = Simulation::new(cron, "Europe/London", "2026-02-28T12:00:00Z");
    simulation.schedule.missed = missed;
    simulation.advance_to(instant(off));
    let before = simulation.archive.len();
    simulation.now = instant(on);
    simulation.tick();
    assert_eq!(
        simulation.attempts()[before..],
        *expected,
        "{cron} {missed:?} {on}"
    );
    // Afterwards everything is normal again.
    let (next, n) = (
        simulation.status().next_due.unwrap(),
        simulation.archive.len(),
    );
    simulation.advance_to(next + MINUTE);
    assert_eq!(simulation.due()[n..], [next]);
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
fn runs_that_are_not_caught_up_are_counted() {
    let mut simulation = Simulation::new("0 9 * * *", "Europe/London", "2026-03-01T12:00:00Z");
    simulation.tick();
    simulation.now = instant("2026-04-01T12:00:00Z");
    let latest = simulation.status();
    assert_eq!((latest.open.len(), latest.passed_over), (1, 30));
    simulation.schedule.missed = Missed::All;
    let all = simulation.status();
    assert_eq!((all.open.len(), all.passed_over), (10, 21));
    simulation.schedule.missed = Missed::None;
    let none = simulation.status();
    assert_eq!((none.open[0].state, none.passed_over), (State::Expired, 30));
    assert_eq!(none.next_check, none.next_due);
    assert_eq!(none.overdue, Some(instant("2026-03-02T09:00:00Z")));
}

/// Checks that months of unchecked due times cost one search per recent day, not one per minute.
#[test]
fn months_of_missed_runs_are_cheap_to_check() {
    let mut simulation = Simulation::new("* * * * *", "Europe/London", "2026-01-01T12:00:00Z");
    simulation.run_duration = SignedDuration::from_secs(1);
    simulation.tick();
    simulation.schedule.missed = Missed::All;
    for months in [1, 6] {
        simulation.now = instant("2026-01-01T12:00:30Z") + months * 30 * 24 * HOUR;
        let before = SEARCHES.get();
        let status = simulation.status();
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
fn a_job_without_checks_is_overdue_whatever_its_frequency() {
    for cron in ["0 9 * * *", "0 * * * *"] {
        let mut simulation = Simulation::new(cron, "Europe/London", "2026-04-13T08:00:30Z");
        simulation.tick();
        assert_eq!(simulation.status().overdue, None, "{cron}");
        // Half a minute after a due time, a week later.
        simulation.now = instant("2026-04-20T08:00:30Z");
        for missed in [Missed::None, Missed::Latest, Missed::All] {
            simulation.schedule.missed = missed;
            assert!(simulation.status().overdue.is_some(), "{cron} {missed:?}");
        }
    }
}

#[test]
fn a_job_that_never_ran_has_missed_nothing() {
    for missed in [Missed::None, Missed::Latest, Missed::All] {
        let mut simulation =
            Simulation::new("0 9 * * MON", "Europe/London", "2026-11-18T12:00:00Z");
        simulation.schedule.missed = missed;
        simulation.tick();
        let expected: &[&str] = match missed {
            Missed::None => &[],
            _ => &["18 12:00 for 16 09:00"],
        };
        assert_eq!(simulation.attempts(), expected, "{missed:?}");
    }
}

#[test]
fn retries_wait_as_configured_and_then_end() {
    let mut simulation = Simulation::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    simulation.run_duration = SignedDuration::from_mins(10);
    simulation.outcome = |n| {
        if n < 4 {
            RunStatus::Failed
        } else {
            RunStatus::Complete
        }
    };
    let mut alerts = Vec::new();
    for _ in 0..4 {
        simulation.tick();
        let status = simulation.status();
        alerts.push((status.failures, status.alerts.len()));
        let open = status.newest().unwrap();
        if let State::Waiting { until } = open.state {
            let early = simulation.now.max(until - MINUTE);
            simulation.now = early;
            let n = simulation.archive.len();
            simulation.tick();
            assert_eq!(simulation.archive.len(), n, "not a minute early");
            assert_eq!(status.next_check, Some(until));
            simulation.now = until;
        } else {
            assert_eq!(open.state, State::GivenUp);
        }
    }
    assert_eq!(
        simulation.attempts(),
        [
            "16 09:00 for 16 09:00",
            "16 10:10 for 16 09:00",
            "16 14:20 for 16 09:00",
            "17 14:30 for 16 09:00",
        ]
    );
    assert_eq!(alerts, [(1, 0), (2, 0), (3, 1), (4, 1)]);
    let third = &simulation.status().alerts[0];
    assert_eq!(
        (&third.attempt, third.failed.len()),
        (&simulation.archive[2], 4)
    );
    simulation.advance_to(instant("2026-11-24T00:00:00Z"));
    assert_eq!(simulation.attempts()[4..], ["23 09:00 for 23 09:00"]);
    let status = simulation.status();
    assert_eq!(
        (status.failures, status.open.len(), status.alerts.len()),
        (0, 0, 0)
    );
}

#[test]
fn a_newer_due_time_ends_the_wait_of_an_older_one() {
    let mut simulation = Simulation::new("0 9 * * *", "Europe/London", "2026-11-16T09:00:00Z");
    simulation.outcome = |n| {
        if n < 5 {
            RunStatus::Failed
        } else {
            RunStatus::Complete
        }
    };
    simulation.advance_to(instant("2026-11-18T00:00:00Z"));
    assert_eq!(
        simulation.attempts(),
        [
            "16 09:00 for 16 09:00",
            "16 10:02 for 16 09:00",
            "16 14:04 for 16 09:00",
            "17 09:00 for 17 09:00",
            "17 10:02 for 17 09:00",
            "17 14:04 for 17 09:00",
        ]
    );
    // With `all`, the older due time waits for its retries.
    simulation = Simulation::new("0 9 * * *", "Europe/London", "2026-11-16T09:00:00Z");
    simulation.schedule.missed = Missed::All;
    simulation.outcome = |n| {
        if n < 4 {
            RunStatus::Failed
        } else {
            RunStatus::Complete
        }
    };
    simulation.advance_to(instant("2026-11-18T00:00:00Z"));
    assert_eq!(
        simulation.attempts()[3..],
        [
            "17 09:00 for 17 09:00",
            "17 10:02 for 17 09:00",
            "17 14:06 for 16 09:00",
        ]
    );
}

#[test]
fn a_job_that_fails_at_every_due_time_has_one_alert() {
    let mut simulation = Simulation::new("0 * * * *", "Europe/London", "2026-11-16T09:00:00Z");
    simulation.outcome = |_| RunStatus::Failed;
    let mut alerts = Vec::new();
    for _ in 0..48 {
        simulation.advance_to(simulation.now + HOUR);
        alerts.extend(
            simulation
                .status()
                .alerts
                .into_iter()
                .map(|alert| alert.attempt.run),
        );
    }
    alerts.dedup();
    assert_eq!(alerts, ["00000002"], "one alert for all failures in a row");
}

#[test]
fn cancelled_runs_restart_at_once_only_a_few_times() {
    let mut simulation = Simulation::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    simulation.outcome = |_| RunStatus::Cancelled;
    simulation.advance_to(instant("2026-11-20T00:00:00Z"));
    assert_eq!(
        simulation.attempts(),
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
fn an_interrupted_run_failed_at_its_last_event() {
    let mut simulation = Simulation::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    simulation.run_duration = SignedDuration::from_hours(3);
    simulation.outcome = |n| {
        if n == 0 {
            RunStatus::Interrupted
        } else {
            RunStatus::Partial
        }
    };
    simulation.advance_to(instant("2026-11-20T00:00:00Z"));
    let expected = ["16 09:00 for 16 09:00", "16 13:00 for 16 09:00"];
    assert_eq!(simulation.attempts(), expected);
}

#[test]
fn a_running_attempt_is_not_repeated() {
    let mut simulation = Simulation::new("0 9 * * MON", "Europe/London", "2026-11-16T09:00:00Z");
    simulation.outcome = |_| RunStatus::Running;
    simulation.tick();
    simulation.archive[0].ended = None;
    simulation.now += 5 * HOUR;
    let status = simulation.status();
    assert_eq!(status.open[0].state, State::Running);
    assert_eq!((status.overdue, status.failures), (None, 0));
}

#[test]
fn a_clock_that_is_set_back_runs_nothing_twice() {
    for cron in ["0 * * * *", "30 1 * * *", "0 9 * * MON"] {
        for missed in [Missed::None, Missed::Latest, Missed::All] {
            let mut simulation = Simulation::new(cron, "Europe/London", "2026-10-01T00:00:00Z");
            simulation.schedule.missed = missed;
            for back in [1, 25, 24 * 9] {
                simulation.advance_to(simulation.now + 24 * 12 * HOUR);
                simulation.now -= back * HOUR;
                simulation.tick();
                assert!(simulation.status().failures == 0);
            }
            simulation.advance_to(simulation.now + 24 * 12 * HOUR);
            let mut due = simulation.due();
            let runs = due.len();
            due.sort_unstable();
            due.dedup();
            assert_eq!(due.len(), runs, "{cron} {missed:?}");
            let until = simulation.now - MINUTE;
            let mut expected: Vec<Timestamp> = simulation
                .calendar
                .backwards_from(until)
                .take(runs)
                .collect();
            expected.reverse();
            let differ = due.iter().zip(&expected).find(|(due, next)| due != next);
            assert_eq!(differ, None, "{cron} {missed:?}: none is skipped");
        }
    }
}

#[test]
fn a_clock_that_was_wrong_for_a_minute_does_not_stop_a_job() {
    let mut simulation = Simulation::new("0 9 * * *", "Europe/London", "2026-11-16T09:00:00Z");
    simulation.tick();
    simulation.now = instant("2036-11-16T12:00:00Z");
    simulation.tick();
    simulation.now = instant("2026-11-16T12:00:00Z");
    simulation.advance_to(instant("2026-11-19T00:00:00Z"));
    assert_eq!(
        simulation.attempts()[2..],
        ["17 09:00 for 17 09:00", "18 09:00 for 18 09:00"]
    );
}

#[test]
fn a_changed_calendar_does_not_run_earlier_due_times() {
    let mut simulation = Simulation::new("0 9 * * *", "Europe/London", "2026-11-10T09:00:00Z");
    simulation.schedule.missed = Missed::All;
    simulation.advance_to(instant("2026-11-16T09:30:00Z"));
    let n = simulation.archive.len();
    simulation.calendar = Calendar::new("0 8 * * *", "Europe/London").unwrap();
    simulation.advance_to(instant("2026-11-17T12:00:00Z"));
    assert_eq!(simulation.attempts()[n..], ["17 08:00 for 17 08:00"]);
}
