//! Checks that series cover the period of the records, and nothing beyond it.

use super::test_data::{context, context_of, input, records, times};
use super::*;
use jiff::ToSpan;
use polars::prelude::*;
use retrocast_domain::Window;

fn request(period: Period, part_periods: PartPeriods) -> Request<'static> {
    Request {
        time: None,
        value: None,
        by: &[],
        aggregate: Aggregate::Count,
        period,
        part_periods,
        periods_max: 366,
        without_year: false,
        groups_max: 50,
        measure: None,
        filter: None,
    }
}

#[test]
fn part_periods_are_left_out_or_kept() {
    let frame = records("2026-07-20", 80, &["a"], |_, _| 2);
    let set = |part| {
        let request = request(Period::Month, part);
        collect(
            &context("2026-10-12"),
            &input("tickets", frame.clone()),
            &request,
        )
        .expect("a set")
    };
    // The window ends on 12 October; records end on 7 October, four days before.
    let whole = set(PartPeriods::LeaveOut);
    assert_eq!(whole.starts.len(), 2, "{:?}", whole.starts);
    assert_eq!(whole.groups[0].values, [Some(62.0), Some(60.0)]);
    assert_eq!(
        whole.groups[0].with_parts,
        [Some(24.0), Some(62.0), Some(60.0), Some(14.0)]
    );
    assert_eq!(whole.dates(), "2026-08-01 to 2026-09-30");
    let series = set(PartPeriods::Keep);
    assert_eq!(series.groups[0].values.len(), 4);
    let caveat = "July 2026 and October 2026 in part; they are kept, as the job file asks.";
    assert!(
        series.caveats.iter().any(|c| c.contains(caveat)),
        "{:?}",
        series.caveats
    );
    assert!(
        whole
            .caveats
            .iter()
            .any(|c| c.contains("July 2026 and October 2026")),
        "{:?}",
        whole.caveats
    );
}

#[test]
fn a_quiet_weekend_is_zero_and_series_end_with_the_records() {
    let weekdays = |day: usize| if day % 7 < 5 { 3 } else { 0 };
    let monday = "2026-08-03";
    let set = |days: usize| {
        let frame = records(monday, days, &["a"], |day, _| weekdays(day));
        let request = request(Period::Day, PartPeriods::LeaveOut);
        collect(&context("2026-10-12"), &input("tickets", frame), &request).expect("a set")
    };
    // The last complete week ends on Sunday 11 October, 70 days after the first Monday.
    assert_eq!(set(70).starts.len(), 70);
    assert_eq!(set(70).groups[0].values[68..], [Some(0.0), Some(0.0)]);
    assert_eq!(set(66).starts.len(), 66);
    // If records end before the window, there is no series for it.
    let reason = set(54).empty_reason.expect("a reason");
    assert!(reason.contains("end on 25 September 2026"), "{reason}");
}

#[test]
fn a_series_that_ends_within_the_first_day_of_the_window_is_analysed() {
    let request = request(Period::Day, PartPeriods::LeaveOut);
    // The window is 9 to 15 November 2026; the export was written on its Monday.
    for (end, is_part) in [
        ("2026-11-09T09:00:00", true),
        ("2026-11-09T00:01:00", false),
    ] {
        let frame = hourly("2026-08-03T00:00:00", end, 1);
        let set = series_in(frame, "2026-W46", "UTC", &request);
        assert_eq!(set.empty_reason, None, "{end}");
        assert_eq!(set.starts.len(), 98, "{end}");
        assert!(set.groups[0].values.iter().all(|v| *v == Some(24.0)));
        let caveats = set.caveats.join(" ").replace('\u{a0}', " ");
        assert_eq!(
            caveats.contains("Records cover 9 November 2026 in part; it is left out."),
            is_part,
            "{end}: {caveats}"
        );
        let none = "Records cover no whole day of this window, 9 to 15 November 2026";
        assert!(caveats.contains(none), "{end}: {caveats}");
    }
    let monthly = Request {
        period: Period::Month,
        ..request
    };
    let set = series_in(
        hourly("2026-01-01T00:00:00", "2026-11-16T00:00:00", 1),
        "2026-W46",
        "UTC",
        &monthly,
    );
    // A week is too short for a month.
    assert!(!set.caveats.iter().any(|c| c.contains("no whole month")));
}

#[test]
fn silence_is_zero_if_the_source_declares_it() {
    // Two records every third day until 15 August, then none.
    let frame = || {
        records("2026-01-05", 223, &["a"], |day, _| {
            2 * usize::from(day % 3 == 0)
        })
    };
    let request = request(Period::Week, PartPeriods::LeaveOut);
    let set = |until: Option<&str>| {
        let mut input = input("tickets", frame());
        input.complete_until = until.map(|time| time.parse().expect("a time"));
        collect(&context("2026-10-19"), &input, &request).expect("a set")
    };
    let reason = set(None).empty_reason.expect("a reason");
    assert!(
        reason.contains("end on 15 August 2026") && reason.contains("`silence = \"zero\"`"),
        "{reason}"
    );
    let complete = set(Some("2026-11-02T08:00:00"));
    assert_eq!((complete.empty_reason, complete.starts.len()), (None, 41));
    assert_eq!(complete.groups[0].values[32..], [Some(0.0); 9]);
    // An export of last week has no records of this week.
    let reason = set(Some("2026-10-11T23:00:00"))
        .empty_reason
        .expect("a reason");
    assert!(reason.contains("newer export"), "{reason}");
}

#[test]
fn groups_have_subjects_and_the_smallest_are_left_out() {
    let frame = records("2026-09-01", 30, &["a", "b", "c"], |_, group| match group {
        "a" => 1,
        "b" => 3,
        _ => 2,
    });
    let by = ["component".to_string()];
    let mut request = request(Period::Week, PartPeriods::LeaveOut);
    request.by = &by;
    request.groups_max = 2;
    let set = collect(&context("2026-10-05"), &input("tickets", frame), &request).expect("a set");
    let subjects: Vec<&str> = set.groups.iter().map(|g| g.subject.as_str()).collect();
    assert_eq!(subjects, ["component = b", "component = c"]);
    // Three whole weeks of seven days.
    assert_eq!(set.groups[0].records, 63);
    assert!(
        set.caveats.iter().any(|c| c.contains("largest groups")),
        "{:?}",
        set.caveats
    );
}

#[test]
fn a_missing_time_column_is_reported() {
    let frame = df!("n" => [1i64]).expect("a frame");
    let request = request(Period::Day, PartPeriods::LeaveOut);
    let error = collect(&context("2026-10-05"), &input("tickets", frame), &request).err();
    assert!(
        error
            .expect("an error")
            .to_string()
            .contains("names no time column")
    );
}

/// The series of the records in `frame`, in a window and time zone.
fn series_in(frame: DataFrame, window: &str, timezone: &str, request: &Request<'_>) -> SeriesSet {
    let window = Window::parse(window, timezone).expect("a window");
    let input = input("tickets", frame);
    collect(&context_of("test", window), &input, request).expect("a set")
}

/// `per_hour` records in every hour from one time to another, in UTC.
fn hourly(from: &str, to: &str, per_hour: usize) -> DataFrame {
    let (mut time, to): (DateTime, DateTime) =
        (from.parse().expect("a time"), to.parse().expect("a time"));
    let mut at = Vec::new();
    while time < to {
        for i in 0..per_hour {
            at.push(time + ((i * 60 / per_hour) as i64).minutes());
        }
        time += 1.hour();
    }
    DataFrame::new(at.len(), vec![times("at", &at)]).expect("a frame")
}

#[test]
fn days_of_clock_changes_are_as_long_as_others() {
    let request = request(Period::Day, PartPeriods::LeaveOut);
    // London: 25 October 2026 has 25 hours; begins at 23:00 UTC the day before until then.
    let frame = hourly("2026-08-02T23:00:00", "2026-11-16T00:00:00", 2);
    let set = series_in(frame, "2026-W46", "Europe/London", &request);
    assert_eq!(set.starts.len(), 105);
    assert!(
        set.groups[0]
            .values
            .iter()
            .all(|value| *value == Some(48.0))
    );
    assert!(
        set.caveats.iter().any(|c| c.contains("25 October 2026")),
        "{:?}",
        set.caveats
    );
}

#[test]
fn one_record_per_day_stays_one_at_clock_changes() {
    let request = request(Period::Day, PartPeriods::LeaveOut);
    let end = jiff::civil::date(2026, 11, 16);
    let at: Vec<DateTime> = (1..400)
        .map(|n| (end - i64::from(n).days()).at(10, 0, 0, 0))
        .collect();
    let values: Vec<f64> = (0..at.len()).map(|i| 9.5 + (i % 3) as f64).collect();
    let columns = vec![times("at", &at), Column::new("v".into(), values.clone())];
    let frame = DataFrame::new(at.len(), columns).expect("a frame");
    let mut sums = request;
    sums.value = Some("v");
    sums.aggregate = Aggregate::Sum;
    let set = series_in(frame, "2026-W46", "Europe/London", &sums);
    let mut sums: Vec<f64> = set.groups[0].values.iter().flatten().copied().collect();
    sums.reverse();
    assert_eq!(sums[..300], values[..300]);
    assert!(
        !set.caveats.iter().any(|c| c.contains("clocks")),
        "{:?}",
        set.caveats
    );
}

#[test]
fn first_and_last_days_in_any_zone_are_complete_or_left_out() {
    let request = request(Period::Day, PartPeriods::LeaveOut);
    // Complete days of UTC are incomplete at both ends in other zones.
    for zone in [
        "America/Los_Angeles",
        "Asia/Kolkata",
        "Asia/Tokyo",
        "Pacific/Auckland",
    ] {
        let frame = hourly("2026-08-03T00:00:00", "2026-11-16T00:00:00", 4);
        let set = series_in(frame, "2026-W46", zone, &request);
        let values: Vec<f64> = set.groups[0].values.iter().flatten().copied().collect();
        assert!(values.len() >= 103, "{zone}: {}", values.len());
        assert!(
            values.iter().all(|value| *value == 96.0),
            "{zone}: {values:?}"
        );
    }
}

#[test]
fn a_group_begins_with_its_own_records() {
    let by = ["component".to_string()];
    let mut request = request(Period::Day, PartPeriods::LeaveOut);
    request.by = &by;
    let frame = records("2026-08-03", 105, &["a", "b"], |day, group| {
        if group == "a" || day >= 60 { 5 } else { 0 }
    });
    let set = collect(&context("2026-11-16"), &input("tickets", frame), &request).expect("a set");
    assert_eq!(set.groups[0].known(), 105);
    assert_eq!(
        (set.groups[1].known(), set.groups[1].first_known()),
        (44, 61)
    );
}

#[test]
fn reasons_for_empty_series_are_reported() {
    let check = |frame: DataFrame, window: &str, value: Option<&str>, expected: &str| {
        let mut request = request(Period::Day, PartPeriods::LeaveOut);
        if value.is_some() {
            request.aggregate = Aggregate::Mean;
        }
        request.value = value;
        let set = series_in(frame, window, "UTC", &request);
        let mut cell = Cell::new("test", "trend");
        assert!(!set.describe(&mut cell));
        assert!(matches!(cell.status, CellStatus::NotEnough { .. }));
        assert_eq!(cell.records, Some(if value.is_some() { 168 } else { 0 }));
        let reason = set.empty_reason.expect("a reason").replace('\u{a0}', " ");
        assert!(reason.contains(expected), "{reason}");
        assert!(set.groups.is_empty());
    };
    let some = || hourly("2026-10-01T00:00:00", "2026-11-16T00:00:00", 1);
    check(
        some().clear(),
        "2026-W46",
        None,
        "no records: tickets has none before the end",
    );
    check(some(), "2026-W30", None, "all of tickets are after its end");
    check(
        some(),
        "2026-W50",
        None,
        "the records of tickets end on 15 November 2026",
    );
    let without_time = df!("at" => [None::<i64>, None]).expect("a frame");
    let without_time = without_time
        .lazy()
        .with_column(col("at").cast(DataType::Date))
        .collect()
        .expect("a frame");
    check(
        without_time,
        "2026-W46",
        None,
        "2 records of tickets without a time in \"at\"",
    );
    let n = some().height();
    let empty = Column::new("v".into(), vec![None::<f64>; n]);
    let frame = some().hstack(&[empty]).expect("a frame");
    check(frame, "2026-W46", Some("v"), "has a number in \"v\"");
}

#[test]
fn unusable_values_are_missing() {
    let frame = hourly("2026-10-01T00:00:00", "2026-11-16T00:00:00", 1);
    let values: Vec<f64> = (0..frame.height())
        .map(|i| match i % 50 {
            0 => 1e308,
            1 => f64::NAN,
            2 => 1e-308,
            _ => 5.0,
        })
        .collect();
    let frame = frame
        .hstack(&[Column::new("v".into(), values)])
        .expect("a frame");
    let mut request = request(Period::Day, PartPeriods::LeaveOut);
    request.value = Some("v");
    request.aggregate = Aggregate::Sum;
    let set = series_in(frame, "2026-W46", "UTC", &request);
    let all = set.groups[0].values.iter().flatten();
    assert!(
        all.clone().all(|v| (100.0..=120.0).contains(v)),
        "{:?}",
        set.groups[0].values
    );
    assert!(
        set.caveats.iter().any(|c| c.contains("not usable")),
        "{:?}",
        set.caveats
    );
}

#[test]
fn a_late_first_record_in_a_complete_period_is_reported() {
    // Two records a week, the first on Wednesday 9 September 2026.
    let first = jiff::civil::date(2026, 9, 9).at(9, 0, 0, 0);
    let at: Vec<DateTime> = (0..18)
        .map(|i| first + (i / 2 * 7 + i % 2 * 2).days())
        .collect();
    let frame = DataFrame::new(at.len(), vec![times("at", &at)]).expect("a frame");
    let counts_as_whole = |period: Period| {
        let request = request(period, PartPeriods::LeaveOut);
        let set = series_in(frame.clone(), "2026-W46", "UTC", &request);
        set.caveats.iter().any(|caveat| {
            caveat
                == "The first record is dated 9 September 2026; the week of 7 September 2026 counts as \
                    whole."
        })
    };
    assert!(counts_as_whole(Period::Week));
    assert!(!counts_as_whole(Period::Day));
}

/// Records that were selected from others by their times only.
fn selected(times: &[DateTime], all: &[DateTime]) -> Input {
    let input_of = |name: &str, at: &[DateTime]| {
        let columns = vec![self::times("at", at)];
        input(name, DataFrame::new(at.len(), columns).expect("a frame"))
    };
    Input {
        selected_from: Some(("at".to_string(), Box::new(input_of("tickets", all)))),
        ..input_of("incidents", times)
    }
}

#[test]
fn silence_is_zero_while_the_unselected_records_continue() {
    // Until 16 November 2026, tickets come every hour, incidents on Mondays and Thursdays.
    let end = jiff::civil::date(2026, 11, 16);
    let hours: Vec<DateTime> = (0..24 * 70)
        .map(|hour| end.at(0, 0, 0, 0) - i64::from(hour + 1).hours())
        .rev()
        .collect();
    let incidents: Vec<DateTime> = hours
        .iter()
        .copied()
        .filter(|time| time.hour() == 9 && [1, 4].contains(&time.weekday().to_monday_one_offset()))
        .collect();
    let until = |times: &[DateTime], day: jiff::civil::Date| -> Vec<DateTime> {
        let end = day.at(0, 0, 0, 0);
        times.iter().copied().filter(|time| *time < end).collect()
    };
    let daily = |input: &Input| {
        let request = request(Period::Day, PartPeriods::LeaveOut);
        collect(&context("2026-11-16"), input, &request).expect("a set")
    };
    let last = |set: &SeriesSet| {
        let known = set.groups[0].values.last().copied().flatten();
        (set.starts.last().map(|start| start.date()), known)
    };
    let date = jiff::civil::date;
    // The last incident is on Thursday 12 November: none follows until Sunday, as the tickets show.
    let set = daily(&selected(&incidents, &hours));
    assert_eq!(last(&set), (Some(date(2026, 11, 15)), Some(0.0)));
    assert!(
        !set.caveats.iter().any(|c| c.contains("selected one")),
        "{:?}",
        set.caveats
    );
    // The first incidents come a week after the first tickets, and this is reported.
    let late: Vec<DateTime> = incidents.iter().copied().skip(2).collect();
    let set = daily(&selected(&late, &hours));
    let expected = "The days are counted from 7 September 2026, the date of the first of all tickets; \
                    the first selected one is dated 14 September 2026.";
    assert!(
        set.caveats.iter().any(|c| c == expected),
        "{:?}",
        set.caveats
    );
    // Without incidents since the beginning of November, the series has zeros and does not end.
    let quiet = until(&incidents, date(2026, 11, 1));
    let set = daily(&selected(&quiet, &hours));
    assert_eq!(set.empty_reason, None);
    assert_eq!(last(&set), (Some(date(2026, 11, 15)), Some(0.0)));
    // The tickets end on 11 November: the incidents do, too, and nothing is reported about later
    // days.
    let delivered = until(&hours, date(2026, 11, 12));
    let set = daily(&selected(
        &until(&incidents, date(2026, 11, 12)),
        &delivered,
    ));
    assert_eq!(last(&set).0, Some(date(2026, 11, 11)));
    assert!(
        set.caveats
            .iter()
            .any(|c| c.contains("Records end on 11 November 2026")),
        "{:?}",
        set.caveats
    );
    // Two weeks without tickets: nothing is reported about the window.
    let ended = date(2026, 11, 1);
    let set = daily(&selected(&until(&incidents, ended), &until(&hours, ended)));
    let reason = set.empty_reason.expect("a reason");
    assert!(reason.contains("end on 31 October 2026"), "{reason}");
}

#[test]
fn days_on_which_the_whole_source_is_silent_are_missing() {
    // No record on 10 and 11 November 2026.
    let frame = records("2026-08-03", 105, &["a", "b"], |day, group| match group {
        _ if (99..101).contains(&day) => 0,
        "a" => 60,
        _ => 20,
    });
    let by = ["component".to_string()];
    let set = |period, until: Option<&str>| {
        let mut request = request(period, PartPeriods::LeaveOut);
        request.by = &by;
        let mut input = input("tickets", frame.clone());
        input.complete_until = until.map(|time| time.parse().expect("a time"));
        collect(&context("2026-11-16"), &input, &request).expect("a set")
    };
    let days = set(Period::Day, None);
    let values = &days.groups[0].values;
    assert_eq!(values[98..102], [Some(60.0), None, None, Some(60.0)]);
    assert_eq!(days.groups[1].known(), 103);
    let caveat = "No record from 10 to 11 November 2026, where about 80 a day are usual: taken as \
                  missing, not as zero.";
    assert!(
        days.caveats.iter().any(|other| other == caveat),
        "{:?}",
        days.caveats
    );
    // The week has five of seven days, and is scaled to all of them.
    let weeks = set(Period::Week, None);
    assert_eq!(weeks.groups[0].values, [Some(420.0); 15]);
    let zero = set(Period::Day, Some("2026-11-16T00:00:00"));
    assert_eq!(zero.groups[0].values[99..101], [Some(0.0); 2]);
}
