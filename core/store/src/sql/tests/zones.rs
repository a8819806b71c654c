//! Times and days in time zones.

use super::*;

/// Weeks around clock changes, and ordinary weeks: zone, first and last day.
const WEEKS: [(&str, &str, &str); 8] = [
    ("UTC", "2026-06-29", "2026-07-06"),
    ("Europe/Berlin", "2026-06-29", "2026-07-06"),
    ("Europe/Berlin", "2026-03-29", "2026-03-30"),
    ("Europe/Berlin", "2026-10-25", "2026-10-26"),
    ("America/New_York", "2026-11-01", "2026-11-02"),
    ("Asia/Kolkata", "2026-06-29", "2026-07-06"),
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-05"),
    // Midnight itself is skipped.
    ("America/Santiago", "2026-09-06", "2026-09-07"),
];

#[test]
fn comparisons_are_correct_in_every_zone() {
    for (zone, first, last) in WEEKS {
        let instant = |day: &str| {
            let day: jiff::civil::Date = day.parse().unwrap();
            let tz = jiff::tz::TimeZone::get(zone).unwrap();
            day.to_zoned(tz).unwrap().timestamp()
        };
        let (start, end) = (instant(first), instant(last));
        // A record every quarter of an hour, from a day before to a day after.
        let quarter = 900_000_000;
        let from = start.as_microsecond() - 86_400_000_000;
        let to = end.as_microsecond() + 86_400_000_000;
        let at: Vec<i64> = (from..to).step_by(quarter as usize).collect();
        let inside = (end.as_microsecond() - start.as_microsecond()) / quarter;
        let times = TimestampMicrosecondArray::from(at).with_timezone("UTC");
        let rows = RecordBatch::try_from_iter([("at", Arc::new(times) as ArrayRef)]).unwrap();
        let mut fixture = Fixture::new(1, 1);
        let written = fixture.runtime.block_on(fixture.lake.write_batches(
            "tickets",
            rows.schema(),
            vec![rows],
            &Properties::new(),
        ));
        fixture.tables = vec![SqlTable::dataset("tickets", written.unwrap(), None)];
        let quarters = |condition: String| {
            let query =
                format!("select count(*) as n, min(at) as first from tickets where {condition}");
            fixture.query(zone, &query).unwrap()
        };
        let expected = [format!("{inside}|{start}")];
        let literal = |at: jiff::Timestamp| format!("TIMESTAMPTZ(6) '{at}'");
        let (start, end) = (literal(start), literal(end));
        let rows = quarters(format!("at >= {start} and at < {end}"));
        assert_eq!(rows, expected, "{zone} {first}");
        // Days begin at midnight in the zone.
        let rows = quarters(format!("at >= DATE '{first}' and DATE '{last}' > at"));
        assert_eq!(rows, expected, "{zone} {first}");
        let rows = quarters(format!(
            "at between DATE '{first}' and DATE '{last}' and at not in (DATE '{last}')"
        ));
        assert_eq!(rows, expected, "{zone} {first}");
        let rows = quarters(format!(
            "cast(at as date) >= {start} and cast(at as date) < {end}"
        ));
        assert_eq!(rows, expected, "{zone} {first}");
        let rows = quarters(format!(
            "exists (select 1 from (select DATE '{first}' as a, DATE '{last}' as b) as w \
             where tickets.at >= w.a and tickets.at < w.b)"
        ));
        assert_eq!(rows, expected, "{zone} {first}");
        let days = "select cast(at as date) as day, count(*) as n from tickets group by 1";
        let days = fixture.query(zone, days).unwrap();
        let first_day = days.iter().find(|row| row.starts_with(first)).unwrap();
        if last.ends_with(&format!("{:02}", first[8..].parse::<u8>().unwrap() + 1)) {
            assert_eq!(*first_day, format!("{first}|{inside}"), "{zone}");
        }
    }
}

#[test]
fn times_inside_lists_are_local_too() {
    let at: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![1_782_858_600_000_000]).with_timezone("UTC"));
    let data_type = at.data_type().clone();
    let parts = arrow::array::StructArray::from(vec![(
        Arc::new(Field::new("at", data_type, true)),
        Arc::clone(&at),
    )]);
    let list = arrow::array::ListArray::new(
        Arc::new(Field::new("item", parts.data_type().clone(), true)),
        arrow::buffer::OffsetBuffer::from_lengths([1]),
        Arc::new(parts),
        None,
    );
    let rows = RecordBatch::try_from_iter([("updates", Arc::new(list) as ArrayRef)]).unwrap();
    let mut fixture = Fixture::new(1, 1);
    let written = fixture.runtime.block_on(fixture.lake.write_batches(
        "tickets",
        rows.schema(),
        vec![rows],
        &Properties::new(),
    ));
    fixture.tables = vec![SqlTable::dataset("tickets", written.unwrap(), None)];
    let query = "select extract(hour from u['at']) as hour, u \
                 from (select unnest(updates) as u from tickets)";
    assert_eq!(
        fixture.query("UTC", query).unwrap(),
        ["22|{at: 2026-06-30T22:30:00Z}"]
    );
    assert_eq!(
        fixture.query("Asia/Kolkata", query).unwrap(),
        ["4|{at: 2026-06-30T22:30:00Z}"]
    );
}

#[test]
fn date_limits_follow_the_local_day() {
    let check = |zone: &str, end: &str, first_excluded: i32| {
        let before = TimeLimit {
            column: "day".into(),
            end: end.parse().unwrap(),
            timezone: zone.into(),
        };
        let text = before.expression(&DataType::Date32).unwrap().to_string();
        let day = jiff::civil::date(2026, 6, first_excluded as i8);
        assert!(text.contains(&day.to_string()), "{zone} {end}: {text}");
    };
    check("UTC", "2026-06-29T00:00:00Z", 29);
    check("UTC", "2026-06-29T00:00:01Z", 30);
    check("Europe/Berlin", "2026-06-28T22:00:00Z", 29);
    check("America/New_York", "2026-06-29T04:00:00Z", 29);
    check("America/New_York", "2026-06-29T00:00:00Z", 29);
}
