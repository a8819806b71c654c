//! Times are read in the declared or a common format, or refused.

use super::*;
use crate::contract::Zone;

/// Parses a string, and formats the time in UTC; "-" if the string is refused.
fn normalize(text: &str) -> String {
    timestamp(text)
        .and_then(time_text)
        .unwrap_or("-".to_string())
}

fn zone(name: &str) -> Zone {
    Zone::find(name).unwrap()
}

/// Parses a string with a format, and formats the result.
fn read_as(text: &str, format: &str, zone: Option<Zone>) -> String {
    let unit = EpochUnit::ALL
        .into_iter()
        .find(|unit| unit.word() == format);
    let format = unit.map_or(TimeFormat::Text(format.to_string()), TimeFormat::Epoch);
    let notation = Notation {
        format: vec![format],
        zone,
        ..Notation::default()
    };
    read(text, &notation)
        .and_then(time_text)
        .unwrap_or("-".to_string())
}

#[test]
fn the_last_supported_times_are_formatted() {
    for text in [
        "2026-11-09T13:30:00.25Z",
        "9999-12-30T22:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999999Z",
    ] {
        assert_eq!(normalize(text), text);
    }
    assert_eq!(normalize("9999-12-31T23:59:59-01:00"), "-");
    assert_eq!(time_text(i64::MAX), None);
    assert_eq!(time_text(i64::MIN), None);
}

#[test]
fn times_agree_with_a_general_parser() {
    for text in [
        "1970-01-01T00:00:00Z",
        "2024-02-29T23:59:59.123456Z",
        "2026-07-18T00:25:25+05:30",
        "1969-12-31T19:00:00.5-05:00",
        "0001-01-01T00:00:00Z",
        "9999-12-01T00:00:00Z",
    ] {
        let expected = Time::Instant(text.parse::<Timestamp>().unwrap().as_microsecond());
        assert_eq!(parse_common_form(text.as_bytes()), Some(expected), "{text}");
        assert_eq!(parse_iso(text), Some(expected), "{text}");
    }
    assert_eq!(
        timestamp("2014-04-10 00:04:00"),
        timestamp("2014-04-10T00:04:00Z")
    );
    assert_eq!(
        timestamp("2014-04-10 00:04"),
        timestamp("2014-04-10T00:04:00Z")
    );
    for text in [
        "",
        "yesterday",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-01",
        "17",
        "２０２４-01-01T00:00:00Z",
    ] {
        assert_eq!(timestamp(text), None, "{text}");
    }
}

#[test]
fn unambiguous_forms_are_read() {
    for (text, expected) in [
        // BigQuery, Rails.
        ("2026-03-04 05:06:07 UTC", "2026-03-04T05:06:07Z"),
        (
            "2026-03-04 05:06:07.890123 UTC",
            "2026-03-04T05:06:07.890123Z",
        ),
        ("2026-03-04T05:06:07 gmt", "2026-03-04T05:06:07Z"),
        ("2026-03-04T05:06:07 Z", "2026-03-04T05:06:07Z"),
        // Jira, git, PostgreSQL, Go.
        ("2026-03-04T05:06:07.891+0000", "2026-03-04T05:06:07.891Z"),
        ("2026-03-04T05:06:07.000-0530", "2026-03-04T10:36:07Z"),
        ("2026-03-04 05:06:07 +0100", "2026-03-04T04:06:07Z"),
        ("2026-03-04 05:06:07+00", "2026-03-04T05:06:07Z"),
        ("2026-03-04 05:06:07-08", "2026-03-04T13:06:07Z"),
        ("2026-03-04 05:06:07.8 +0000 UTC", "2026-03-04T05:06:07.8Z"),
        // Python's logging, nginx.
        ("2026-03-04 05:06:07,891", "2026-03-04T05:06:07.891Z"),
        ("2026/03/04 05:06:07", "2026-03-04T05:06:07Z"),
        ("2026-03-04t05:06:07z", "2026-03-04T05:06:07Z"),
        ("2026-03-04T05:06Z", "2026-03-04T05:06:00Z"),
        ("20260304T050607Z", "2026-03-04T05:06:07Z"),
        ("20260304T0506+0200", "2026-03-04T03:06:00Z"),
        // Truncated, never rounded.
        (
            "2026-03-04T05:06:07.123456789Z",
            "2026-03-04T05:06:07.123456Z",
        ),
        (
            "2026-03-04T05:06:07.1234567891234Z",
            "2026-03-04T05:06:07.123456Z",
        ),
        ("1969-12-31 23:59:59,9999999", "1969-12-31T23:59:59.999999Z"),
        // A leap second belongs to its day; 24:00 is the start of the next day.
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("2026-03-04T24:00:00Z", "2026-03-05T00:00:00Z"),
        ("2026-03-04 24:00", "2026-03-05T00:00:00Z"),
        ("Wed, 04 Mar 2026 05:06:07 +0100", "2026-03-04T04:06:07Z"),
        ("Wed, 4 Mar 2026 05:06:07 GMT", "2026-03-04T05:06:07Z"),
        ("4 Mar 2026 05:06 +0100 (CET)", "2026-03-04T04:06:00Z"),
        (" 2026-03-04T05:06:07Z ", "2026-03-04T05:06:07Z"),
        (
            "2026-03-04T05:06:07+01:00[Europe/Berlin]",
            "2026-03-04T04:06:07Z",
        ),
    ] {
        assert_eq!(normalize(text), expected, "{text}");
    }
}

#[test]
fn ambiguous_strings_are_refused() {
    for text in [
        "2026-03-04 05:06:07 EST",
        "2026-03-04 05:06:07 CET",
        "03/04/2026 05:06",
        "03-04-2026 05:06",
        "3/4/26",
        "Wed, 04 Mar 2026 05:06:07 EST",
        "Wed, 04 Mar 26 05:06:07 +0000",
        // It is not a Tuesday.
        "Tue, 04 Mar 2026 05:06:07 +0000",
        "2026-03-04T24:00:01Z",
        "2026-03-04T24:30:00Z",
        "2026-03-04T05:60:00Z",
        "2026-03-04T05:06:61Z",
        "2026-03/04 05:06:07",
        "2026-03-04T05:06:07.Z",
        "2026-03-04T05:06:07 UTC+1",
        "20260304",
        "20260304050607",
        "1772600767",
        "05:06:07",
    ] {
        assert_eq!(normalize(text), "-", "{text}");
    }
}

#[test]
fn times_without_an_offset_are_in_the_zone() {
    let berlin = zone("Europe/Berlin");
    let normalize = |text: &str| {
        let micros = parse_unambiguous(text)
            .unwrap()
            .in_zone(Some(berlin.rules()));
        time_text(micros).unwrap()
    };
    for (text, expected) in [
        ("2026-01-15T12:00:00", "2026-01-15T11:00:00Z"),
        ("2026-07-15T12:00:00", "2026-07-15T10:00:00Z"),
        ("2026-07-15T12:00:00Z", "2026-07-15T12:00:00Z"),
        // A skipped time, and one that occurs twice.
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
        ("9999-12-31T23:59:59", "9999-12-31T22:59:59Z"),
    ] {
        assert_eq!(normalize(text), expected, "{text}");
    }
    assert_eq!(Zone::find("Europe/Berlni"), None);
    assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
}

#[test]
fn declared_formats_are_read() {
    for (text, format, expected) in [
        ("04/03/2026 05:06", "%d/%m/%Y %H:%M", "2026-03-04T05:06:00Z"),
        (
            "03/04/2026 01:06 PM",
            "%m/%d/%Y %I:%M %p",
            "2026-03-04T13:06:00Z",
        ),
        ("4.3.26 5:06", "%d.%m.%y %H:%M", "2026-03-04T05:06:00Z"),
        (
            "04/Mar/2026:05:06:07 +0100",
            "%d/%b/%Y:%H:%M:%S %z",
            "2026-03-04T04:06:07Z",
        ),
        (
            "04.03.2026 05:06:07.891",
            "%d.%m.%Y %H:%M:%S%.f",
            "2026-03-04T05:06:07.891Z",
        ),
        ("04.03.2026", "%d.%m.%Y", "2026-03-04T00:00:00Z"),
        (" 04.03.2026 ", "%d.%m.%Y", "2026-03-04T00:00:00Z"),
        (
            "2026-03-04 05:06 Asia/Tokyo",
            "%Y-%m-%d %H:%M %Q",
            "2026-03-03T20:06:00Z",
        ),
        (
            "2026-03-04 05:06:07 EST",
            "%Y-%m-%d %H:%M:%S EST",
            "2026-03-04T05:06:07Z",
        ),
        ("1772600767", "%s", "2026-03-04T05:06:07Z"),
        // Strings that do not match the format, although other formats would read them.
        ("2026-03-04T05:06:07Z", "%d/%m/%Y %H:%M", "-"),
        ("31/02/2026 05:06", "%d/%m/%Y %H:%M", "-"),
        ("04/03/26", "%d/%m/%Y", "-"),
        ("04/03/2026 05:06:07", "%d/%m/%Y %H:%M", "-"),
    ] {
        assert_eq!(read_as(text, format, None), expected, "{text} {format}");
    }
    let berlin = read_as(
        "04/03/2026 05:06",
        "%d/%m/%Y %H:%M",
        Some(zone("Europe/Berlin")),
    );
    assert_eq!(berlin, "2026-03-04T04:06:00Z");
    let with_offset = read_as(
        "04/03/2026 05:06 +0000",
        "%d/%m/%Y %H:%M %z",
        Some(zone("Asia/Tokyo")),
    );
    assert_eq!(with_offset, "2026-03-04T05:06:00Z");
}

#[test]
fn numbers_since_1970_are_exact_and_truncated_toward_the_past() {
    use EpochUnit::{Micros, Millis, Nanos, Seconds};
    for (text, unit, expected) in [
        ("1772600767", Seconds, Some(1_772_600_767_000_000)),
        ("1772600767.097", Seconds, Some(1_772_600_767_097_000)),
        ("1772600767.0979999", Seconds, Some(1_772_600_767_097_999)),
        ("-0.0000001", Seconds, Some(-1)),
        ("-1.5", Seconds, Some(-1_500_000)),
        ("-0", Seconds, Some(0)),
        ("+1", Millis, Some(1000)),
        ("1772600767097.5", Millis, Some(1_772_600_767_097_500)),
        ("1.772600767097e12", Millis, Some(1_772_600_767_097_000)),
        ("1772600767097123", Micros, Some(1_772_600_767_097_123)),
        ("1772600767097123.9", Micros, Some(1_772_600_767_097_123)),
        ("1772600767097123999", Nanos, Some(1_772_600_767_097_123)),
        ("-1", Nanos, Some(-1)),
        ("000000000000000000000000000001", Seconds, Some(1_000_000)),
        ("0.0000000000000000000000000001", Seconds, Some(0)),
        ("-0.0000000000000000000000000001", Seconds, Some(-1)),
        ("1e99", Seconds, Some(i64::MAX)),
        ("-99999999999999999999", Nanos, Some(i64::MIN)),
        ("1e-99", Seconds, Some(0)),
        ("", Seconds, None),
        (".5", Seconds, None),
        ("1,5", Seconds, None),
        ("1e", Seconds, None),
        ("0x10", Seconds, None),
        ("--1", Seconds, None),
        ("soon", Seconds, None),
    ] {
        assert_eq!(epoch(text, unit), expected, "{text} {unit:?}");
    }
    for micros in [1_772_600_767_097_123_i64, 4_102_444_799_999_999, 1, 999_999] {
        let seconds = format!("{}", micros as f64 / 1e6);
        assert_eq!(epoch(&seconds, Seconds), Some(micros), "{seconds}");
    }
    assert_eq!(epoch_unit(1_772_600_767.0), Some(Seconds));
    assert_eq!(epoch_unit(1_772_600_767_097.0), Some(Millis));
    assert_eq!(epoch_unit(1_772_600_767_097_123.0), Some(Micros));
    assert_eq!(epoch_unit(1_772_600_767_097_123_999.0), Some(Nanos));
    assert_eq!(epoch_unit(20_260_304.0), None);
}

#[test]
fn days_are_read_as_declared() {
    let read = |text: &str, format: &str, zone: Option<Zone>| {
        let unit = EpochUnit::ALL
            .into_iter()
            .find(|unit| unit.word() == format);
        let format = unit.map_or(TimeFormat::Text(format.to_string()), TimeFormat::Epoch);
        let notation = Notation {
            format: vec![format],
            zone,
            ..Notation::default()
        };
        read_day(text, &notation)
    };
    let day = date("2026-03-04");
    assert_eq!(read("04.03.2026", "%d.%m.%Y", None), day);
    assert_eq!(read("20260304", "%Y%m%d", None), day);
    assert_eq!(read("4-Mar-26", "%d-%b-%y", None), day);
    assert_eq!(read("2026-03-04", "%d.%m.%Y", None), None);
    assert_eq!(read("1772582400", "epoch_s", None), day);
    assert_eq!(read("1772582399", "epoch_s", None), date("2026-03-03"));
    let tokyo = Some(zone("Asia/Tokyo"));
    assert_eq!(read("1772582399000", "epoch_ms", tokyo), day);
}

#[test]
fn the_format_of_a_text_is_guessed() {
    for (text, expected) in [
        ("17/11/2026 09:12", "%d/%m/%Y %H:%M"),
        ("11/17/2026 09:12 AM", "%m/%d/%Y %I:%M %p"),
        (
            "03/04/2026 09:12 PM",
            "%m/%d/%Y %I:%M %p | %d/%m/%Y %I:%M %p",
        ),
        ("3/4/26", "%d/%m/%y | %m/%d/%y"),
        ("04.03.2026 05:06:07.891", "%d.%m.%Y %H:%M:%S%.f"),
        ("04-Mar-2026", "%d-%b-%Y"),
        ("04/Mar/2026:05:06:07 +0100", "%d/%b/%Y:%H:%M:%S %z"),
        ("Mar 4, 2026, 5:06 PM", "%b %d, %Y, %I:%M %p"),
        ("Wednesday, 4 March 2026", "%A, %d %B %Y"),
        ("2026-03-04", "%Y-%m-%d"),
        ("20260304", "%Y%m%d"),
        ("04/03/2026 05:06 EST", ""),
        ("41/41/2026", ""),
        ("yesterday at noon", ""),
        ("", ""),
        ("１/2/2026", ""),
    ] {
        assert_eq!(guess_formats(text).join(" | "), expected, "{text}");
    }
    assert_eq!(guess_formats(&"1".repeat(1000)), Vec::<String>::new());
}

#[test]
fn formats_must_determine_a_time() {
    for (format, with_time, expected) in [
        ("%d/%m/%Y %H:%M", true, Ok(())),
        ("%d/%m/%Y", true, Ok(())),
        ("%Y-%j %T", true, Ok(())),
        ("%A, %d %B %Y %I:%M:%S%.f %p %:z", true, Ok(())),
        ("%s", true, Ok(())),
        ("%Y%m%d", false, Ok(())),
        ("%d/%m %H:%M", true, Err("does not determine the day")),
        ("%H:%M", false, Err("does not determine the day")),
        ("%d/%m/%Y %M", true, Err("does not determine the hour")),
        (
            "%d/%m/%Y %I:%M",
            true,
            Err("has a 12-hour clock without AM or PM"),
        ),
        ("%d/%m/%Y %I:%M", false, Ok(())),
    ] {
        assert_eq!(check_format(format, with_time), expected, "{format}");
    }
}

#[test]
fn dates_are_parsed() {
    assert_eq!(date("1970-01-02"), Some(1));
    assert_eq!(date("1969-12-31"), Some(-1));
    assert_eq!(date("2000-02-29"), Some(11_016));
    assert_eq!(date("2000/02/29"), Some(11_016));
    assert_eq!(date("1900-02-29"), None);
    assert_eq!(date("2024-1-1"), None);
    assert_eq!(date("20240101"), None);
    assert_eq!(date("2024-01-01T"), None);
}
