//! A time without a zone has the same meaning wherever it comes from.

use super::*;

/// Checks an expression in a job's zone against its value in UTC.
fn check(zone: &str, expression: &str, expected: &str) {
    let fixture = Fixture::new(1, 1);
    fixture.check_rows(zone, &format!("select {expression} as x"), &[expected]);
}

#[test]
fn all_forms_of_local_times_use_the_zone_of_the_job() {
    for (zone, expected) in [
        ("UTC", "2026-11-17T09:17:00Z"),
        ("Europe/Berlin", "2026-11-17T08:17:00Z"),
        ("America/New_York", "2026-11-17T14:17:00Z"),
        ("Asia/Kolkata", "2026-11-17T03:47:00Z"),
    ] {
        for expression in [
            "timestamp '2026-11-17 09:17:00'",
            "timestamptz '2026-11-17 09:17:00'",
            "cast('2026-11-17 09:17:00' as timestamp)",
            "'2026-11-17T09:17:00'::timestamp",
            "try_cast('2026-11-17 09:17:00' as timestamp)",
            "to_timestamp('2026-11-17 09:17:00')",
            "to_timestamp('17/Nov/26 9:17 AM', '%d/%b/%y %I:%M %p')",
            "to_timestamp('17/Nov/26 9:17 AM', '%Y', '%d/%b/%y %I:%M %p')",
            "to_timestamp_seconds('2026-11-17 09:17:00.75')",
            "to_timestamp_millis('17.11.2026 09:17', '%d.%m.%Y %H:%M')",
            "to_timestamp_micros('2026-11-17 09:17:00')",
            "to_timestamp_nanos('2026-11-17 09:17:00')",
            "to_timestamp(timestamp '2026-11-17 09:17:00')",
            "to_local_time(timestamp '2026-11-17 09:17:00')",
            "arrow_cast('2026-11-17 09:17:00', 'Timestamp(Microsecond, None)')",
            "cast(cast(timestamp '2026-11-17 09:17:00' as text) as timestamp)",
            "date_bin(interval '1 minute', timestamp '2026-11-17 09:17:30')",
            "date_trunc('minute', '2026-11-17 09:17:30')",
            "coalesce(null, timestamp '2026-11-17 09:17:00')",
            "(select timestamp '2026-11-17 09:17:00')",
        ] {
            check(zone, expression, expected);
        }
    }
}

#[test]
fn times_with_an_offset_and_numbers_do_not_depend_on_the_zone() {
    for zone in ["UTC", "Europe/Berlin", "America/New_York"] {
        for expression in [
            "timestamp '2026-11-17T09:17:00Z'",
            "cast('2026-11-17T10:17:00+01:00' as timestamp)",
            "to_timestamp('2026-11-17 04:17:00 -05:00')",
            "to_timestamp('17/11/2026 04:17 -0500', '%d/%m/%Y %H:%M %z')",
            "to_timestamp(1794907020)",
            "to_timestamp(1794907020.0)",
            "to_timestamp_seconds(1794907020)",
            "to_timestamp_millis(1794907020000)",
            "to_timestamp_micros(1794907020000000)",
            "to_timestamp_nanos(1794907020000000000)",
            "to_timestamp('1794907020', '%s')",
            "cast(1794907020 as timestamp)",
            "cast(cast(1794907020 as int) as timestamp)",
            "from_unixtime(1794907020)",
            "from_unixtime(1794907020, 'Asia/Tokyo')",
            "to_timestamp(to_unixtime(timestamp '2026-11-17T09:17:00Z'))",
        ] {
            check(zone, expression, "2026-11-17T09:17:00Z");
        }
    }
}

#[test]
fn columns_are_read_like_literals() {
    let loc: ArrayRef = Arc::new(StringArray::from(vec![
        Some("2026-11-16 02:00:00"),
        Some("2026-11-17 10:00:00"),
        None,
    ]));
    let text: ArrayRef = Arc::new(StringArray::from(vec![
        Some("16/Nov/26 2:00 AM"),
        Some("17/Nov/26 10:00 AM"),
        None,
    ]));
    let at = |texts: [&str; 3]| -> ArrayRef {
        let moments = texts.map(|text| text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
        Arc::new(TimestampMicrosecondArray::from(moments.to_vec()).with_timezone("UTC"))
    };
    let at = at([
        "2026-11-16T07:00:00Z",
        "2026-11-17T15:00:00Z",
        "2026-11-18T15:00:00Z",
    ]);
    let fixture = Fixture::with_columns(vec![("at", at), ("loc", loc), ("text", text)]);
    let read = [
        "cast(loc as timestamp)",
        "to_timestamp(loc)",
        "to_timestamp(text, '%d/%b/%y %I:%M %p')",
        "to_timestamp_seconds(text, '%Y', '%d/%b/%y %I:%M %p')",
        "case when loc is not null then cast(loc as timestamp) end",
        "max(cast(loc as timestamp)) over (partition by loc)",
    ];
    for read in read {
        let query = format!("select {read} as t, {read} = at as same from tickets order by at");
        let expected = [
            "2026-11-16T07:00:00Z|true",
            "2026-11-17T15:00:00Z|true",
            "null|null",
        ];
        fixture.check_rows("America/New_York", &query, &expected);
        let window = "TIMESTAMPTZ(6) '2026-11-16T05:00:00Z'";
        let query = format!(
            "select count(*) as n from (select {read} as t from tickets) as r \
             where t >= {window} and t < {window} + interval '7 days'"
        );
        fixture.check_rows("America/New_York", &query, &["2"]);
    }
    for condition in [
        "at = loc",
        "loc = at",
        "at in (loc)",
        "at between loc and loc",
        "at = to_timestamp(loc)",
        "timestamp '2026-11-19 00:00:00' - at > interval '1 day'",
        "interval '30 hours' < timestamp '2026-11-19 00:00:00' - at",
        "at - cast(loc as timestamp) = interval '0 seconds'",
        "extract(hour from at) = extract(hour from loc)",
        "to_char(at, '%H:%M') = to_char(loc, '%H:%M')",
        "date_trunc('day', at) = date_trunc('day', loc)",
        "cast(at as date) = cast(loc as date) and cast(at as date) = to_date(loc)",
        "cast(at as date) = to_date(text, '%d/%b/%y %I:%M %p')",
        "to_unixtime(at) = to_unixtime(loc)",
    ] {
        let query = format!("select count(*) as n from tickets where {condition}");
        fixture.check_rows("America/New_York", &query, &["2"]);
    }
    fixture.check_rows(
        "America/New_York",
        "select loc at time zone 'Asia/Tokyo' as t, \
         cast(loc as timestamp) at time zone 'Asia/Tokyo' as u from tickets order by at limit 1",
        &["2026-11-15T17:00:00Z|2026-11-15T17:00:00Z"],
    );
    let error = fixture.query("UTC", "select to_timestamp(text) as t from tickets");
    let words = "\"16/Nov/26 2:00 AM\" cannot be read as a time; give its format";
    assert!(error.clone().unwrap_err().contains(words), "{error:?}");
    fixture.check_rows(
        "UTC",
        "select count(try_cast(text as timestamp)) as n from tickets",
        &["0"],
    );
}

#[test]
fn skipped_and_repeated_times_are_resolved() {
    let berlin = "Europe/Berlin";
    check(
        berlin,
        "timestamp '2026-03-29 02:30:00'",
        "2026-03-29T01:30:00Z",
    );
    check(
        berlin,
        "timestamp '2026-10-25 02:30:00'",
        "2026-10-25T00:30:00Z",
    );
    check(
        berlin,
        "cast('2026-10-25 02:30:00' as timestamptz)",
        "2026-10-25T00:30:00Z",
    );
    check(
        berlin,
        "arrow_cast('2026-03-29 02:30:00', 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))')",
        "2026-03-29T01:30:00Z",
    );
    check(
        berlin,
        "timestamp '2026-03-29 00:30:00' + interval '1 hour'",
        "2026-03-29T00:30:00Z",
    );
    check(
        berlin,
        "timestamp '2026-03-28 02:30:00' + interval '1 day'",
        "2026-03-29T01:30:00Z",
    );
    check(
        berlin,
        "interval '1 day' + timestamp '2026-10-24 12:00:00'",
        "2026-10-25T11:00:00Z",
    );
    check(
        berlin,
        "timestamp '2026-10-26 02:30:00' - interval '1 day'",
        "2026-10-25T00:30:00Z",
    );
    check(
        berlin,
        "timestamp '2026-10-24 12:00:00' + interval '24 hours'",
        "2026-10-25T10:00:00Z",
    );
    check(
        "America/Santiago",
        "cast(date '2026-09-06' as timestamp)",
        "2026-09-06T04:00:00Z",
    );
    // The hour that occurs twice, with a record every half hour.
    let first = "2026-10-24T22:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let at = (0..8).map(|n| first.as_microsecond() + n * 1_800_000_000);
    let at: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from_iter_values(at).with_timezone("UTC"));
    let fixture = Fixture::with_columns(vec![("at", at)]);
    for (condition, n) in [
        ("at >= timestamp '2026-10-25 02:30:00'", "3"),
        ("at >= '2026-10-25 02:30:00'", "3"),
        ("at >= timestamp '2026-10-25 03:00:00'", "0"),
        ("at in (timestamp '2026-10-25 02:30:00')", "1"),
    ] {
        let query = format!("select count(*) as n from tickets where {condition}");
        fixture.check_rows(berlin, &query, &[n]);
    }
    for hours in [
        "date_trunc('hour', at)",
        "date_bin(interval '1 hour', at)",
        "date_bin(interval '60 minutes', at, timestamp '2026-01-01 00:00:00')",
    ] {
        let query = format!("select {hours} as hour, count(*) as n from tickets group by 1");
        let expected = [
            "2026-10-24T22:00:00Z|2",
            "2026-10-24T23:00:00Z|2",
            "2026-10-25T00:00:00Z|2",
            "2026-10-25T01:00:00Z|2",
        ];
        fixture.check_rows(berlin, &query, &expected);
    }
}

#[test]
fn bins_and_units_are_aligned_to_local_time() {
    let at = "timestamp '2026-11-18 09:17:00'";
    let berlin = "Europe/Berlin";
    for (expression, expected) in [
        ("date_bin(interval '1 day', AT)", "2026-11-17T23:00:00Z"),
        (
            "date_bin(interval '1 day', AT, date '2026-01-01')",
            "2026-11-17T23:00:00Z",
        ),
        (
            "date_bin(interval '1 day', AT, timestamp '2026-07-01 06:00:00')",
            "2026-11-18T05:00:00Z",
        ),
        (
            "date_bin(interval '7 days', AT, timestamp '2026-06-29 00:00:00')",
            "2026-11-15T23:00:00Z",
        ),
        ("date_bin(interval '6 hours', AT)", "2026-11-18T05:00:00Z"),
        ("date_bin('6 hours', AT)", "2026-11-18T05:00:00Z"),
        (
            "date_bin(interval '15 minutes', AT)",
            "2026-11-18T08:15:00Z",
        ),
        ("date_bin(interval '1 month', AT)", "2026-10-31T23:00:00Z"),
        (
            "date_bin(interval '3 months', AT, timestamp '2026-03-20 00:00:00')",
            "2026-09-19T22:00:00Z",
        ),
        (
            "date_bin(interval '1 day', date '2026-11-18')",
            "2026-11-17T23:00:00Z",
        ),
        ("date_trunc('week', AT)", "2026-11-15T23:00:00Z"),
        ("date_trunc('month', AT)", "2026-10-31T23:00:00Z"),
        ("date_trunc('QUARTER', AT)", "2026-09-30T22:00:00Z"),
        ("date_trunc('year', AT)", "2025-12-31T23:00:00Z"),
        (
            "date_trunc('day', cast(AT as date))",
            "2026-11-17T23:00:00Z",
        ),
        (
            "date_trunc('day', AT at time zone 'America/New_York')",
            "2026-11-18T05:00:00Z",
        ),
        ("extract(hour from AT)", "9"),
        ("extract(hour from to_timestamp(0))", "1"),
        (
            "extract(hour from to_timestamp(0) at time zone 'America/New_York')",
            "19",
        ),
        ("to_char(AT, '%d.%m.%Y %H:%M %z')", "18.11.2026 09:17 +0100"),
        ("date_part('year', timestamp '2026-01-01 00:30:00')", "2026"),
        (
            "cast(timestamp '2026-01-01 00:30:00' as date)",
            "2026-01-01",
        ),
        ("cast('2025-12-31T23:30:00Z' as date)", "2026-01-01"),
        ("to_date('2025-12-31T23:30:00Z')", "2026-01-01"),
        ("to_date('31/12/2025', '%d/%m/%Y')", "2025-12-31"),
        (
            "make_date(2026, 1, 1) = cast(timestamp '2026-01-01 00:30:00' as date)",
            "true",
        ),
        (
            "make_date(2026, 1, 1) < timestamp '2026-01-01 00:30:00'",
            "true",
        ),
        ("date_trunc('minute', time '09:17:30')", "09:17:00"),
    ] {
        if expression.contains("time '09") {
            // Datasets cannot store times of day.
            check(berlin, &format!("cast({expression} as text)"), expected);
        } else {
            check(berlin, &expression.replace("AT", at), expected);
        }
    }
    let fixture = Fixture::new(1, 1);
    for (query, words) in [
        (
            "select date_trunc('eon', at) as x from tickets",
            "unknown unit \"eon\"",
        ),
        (
            "select date_bin(interval '0 seconds', at) as x from tickets",
            "above zero",
        ),
        (
            "select date_bin(interval '1 month 1 day', at) as x from tickets",
            "not both",
        ),
        (
            "select date_trunc('day', minutes) as x from tickets",
            "does not accept values of type Float64",
        ),
        ("select date_trunc('day') as x from tickets", "at least 2"),
        (
            "select at at time zone 'Europe/Atlantis' as x from tickets",
            "no time zone \"Europe/Atlantis\"",
        ),
        ("select to_timestamp(1e30) as x from tickets", "years"),
    ] {
        let error = fixture.query("UTC", query).unwrap_err();
        assert!(error.contains(words), "{query}: {error}");
    }
}

#[test]
fn times_of_derived_tables_are_local_too() {
    let fixture = Fixture::new(1, 1);
    for (query, expected) in [
        (
            "select column1 as x from (values (timestamp '2026-07-01 00:00:00'))",
            "2026-06-30T22:00:00Z",
        ),
        (
            "select timestamp '2026-07-01 00:00:00' as x union \
             select '2026-07-01 00:00:00'::timestamp",
            "2026-06-30T22:00:00Z",
        ),
        (
            "select min(value) as x from generate_series(timestamp '2026-07-01 00:00:00', \
             timestamp '2026-07-03 00:00:00', interval '1 day')",
            "2026-06-30T22:00:00Z",
        ),
        (
            "with recursive days as (select timestamp '2026-03-28 00:00:00' as day union all \
             select day + interval '1 day' from days where day < timestamp '2026-03-31 00:00:00') \
             select max(day) as x from days",
            "2026-03-30T22:00:00Z",
        ),
        (
            "select count(*) as x from tickets where at >= \
             (select max(day) from (select timestamp '2026-07-01 00:00:00' as day))",
            "1",
        ),
        (
            "with days as (select date '2026-07-01' as day) \
             select count(*) as x from tickets join days on at >= day",
            "1",
        ),
        (
            "select count(*) as x from tickets where exists \
             (select 1 from (select timestamp '2026-07-01 00:30:00' as t) as d \
             where d.t = tickets.at)",
            "1",
        ),
        (
            "select count(*) as x from tickets where at in (select '2026-07-01 00:30:00'::timestamp)",
            "1",
        ),
    ] {
        fixture.check_rows("Europe/Berlin", query, &[expected]);
    }
    let error = fixture.query(
        "Europe/Berlin",
        "select count(*) as n from tickets where at in (select date '2026-07-01')",
    );
    assert!(error.unwrap_err().contains("convert the date"));
}

#[test]
fn distant_times_are_compared_with_strings() {
    let last = "9999-12-30T22:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let at = TimestampMicrosecondArray::from(vec![last.as_microsecond()]).with_timezone("UTC");
    let fixture = Fixture::with_columns(vec![("at", Arc::new(at))]);
    for condition in ["at >= '2026-01-01'", "at > date '2026-01-01'", "at > now()"] {
        let query = format!("select count(*) as n from tickets where {condition}");
        fixture.check_rows("Europe/Berlin", &query, &["1"]);
    }
}
