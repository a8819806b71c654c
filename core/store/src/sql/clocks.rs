//! Converts between instants and local times of a time zone.
//!
//! A *moment* is a number of microseconds since 1970 UTC. A *wall time* is the same number for
//! local time, as if it were UTC. Clock changes skip some wall times and repeat others: a skipped
//! wall time is moved forward by the length of the gap, and a repeated wall time means its first
//! occurrence. Jiff calls this "compatible"; windows of jobs begin and end by the same rule.

use datafusion::{
    arrow::{
        array::timezone::Tz,
        compute::kernels::cast_utils::{Parser, string_to_datetime},
        datatypes::Date32Type,
    },
    error::{DataFusionError, Result},
};
use jiff::{
    Timestamp,
    civil::DateTime,
    fmt::{strtime, temporal::DateTimeParser},
    tz::{Offset, TimeZone},
};
use std::sync::LazyLock;

/// Microseconds per day.
pub(super) const DAY: i64 = 86_400_000_000;

/// The clocks of one time zone.
#[derive(Debug, Clone)]
pub(super) struct Clocks {
    zone: TimeZone,
}

impl Clocks {
    /// The clocks of a zone by IANA name, or of an offset such as `+02:00`.
    pub fn in_zone(name: &str) -> Result<Self> {
        static PARSER: DateTimeParser = DateTimeParser::new();
        let zone = TimeZone::get(name).or_else(|_| PARSER.parse_time_zone(name));
        let zone = zone.map_err(|_| {
            DataFusionError::Plan(format!("there is no time zone {:?}", shorten(name)))
        })?;
        Ok(Self { zone })
    }

    /// Offset from UTC at a moment, in microseconds.
    pub fn offset(&self, moment: i64) -> Result<i64> {
        let moment = Timestamp::from_microsecond(moment).map_err(out_of_range)?;
        Ok(i64::from(self.zone.to_offset(moment).seconds()) * 1_000_000)
    }

    /// The wall time at a moment.
    pub fn wall(&self, moment: i64) -> Result<i64> {
        Ok(moment + self.offset(moment)?)
    }

    /// The moment of a wall time.
    pub fn moment(&self, wall: i64) -> Result<i64> {
        let moment = self.zone.to_timestamp(civil(wall)?);
        Ok(moment.map_err(out_of_range)?.as_microsecond())
    }

    /// The moment of a wall time with the given offset from UTC, if the zone had that offset then:
    /// it selects one of the two moments of a repeated wall time.
    pub fn moment_with_offset(&self, wall: i64, offset: i64) -> Result<i64> {
        let moment = wall - offset;
        if self.offset(moment)? == offset {
            return Ok(moment);
        }
        self.moment(wall)
    }
}

/// A wall time as a date and a time of day.
pub(super) fn civil(wall: i64) -> Result<DateTime> {
    let wall = Timestamp::from_microsecond(wall).map_err(out_of_range)?;
    Ok(Offset::UTC.to_datetime(wall))
}

/// A date and a time of day as a wall time.
pub(super) fn wall(civil: DateTime) -> Result<i64> {
    let wall = Offset::UTC.to_timestamp(civil).map_err(out_of_range)?;
    Ok(wall.as_microsecond())
}

/// The error for a time out of range.
pub(super) fn out_of_range(_: jiff::Error) -> DataFusionError {
    DataFusionError::Execution("a time is outside the years -9999 to 9999".to_string())
}

/// A parsed time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeText {
    /// A moment, for a text with an offset or a zone.
    Moment(i64),
    /// A wall time, for a text without either.
    Wall(i64),
}

impl TimeText {
    /// Parses `2026-11-17`, `2026-11-17 09:17:00.5` or `2026-11-17T09:17:00`, optionally followed
    /// by `Z`, an offset or the name of a zone.
    pub fn parse(text: &str) -> Option<Self> {
        static UTC: LazyLock<Option<Tz>> = LazyLock::new(|| "+00:00".parse().ok());
        static OTHER_ZONE: LazyLock<Option<Tz>> = LazyLock::new(|| "+12:00".parse().ok());
        let text = text.trim();
        let read = |zone: &Tz| Some(string_to_datetime(zone, text).ok()?.timestamp_micros());
        if let Some(micros) = read(UTC.as_ref()?) {
            // Only a time without an offset depends on the zone.
            let has_offset = read(OTHER_ZONE.as_ref()?) == Some(micros);
            return Some(if has_offset {
                Self::Moment(micros)
            } else {
                Self::Wall(micros)
            });
        }
        let day = Date32Type::parse(text).filter(|_| text.len() <= 10)?;
        Some(Self::Wall(i64::from(day) * DAY))
    }

    /// Parses a text with a `strptime` format.
    pub fn parse_with(text: &str, format: &str) -> Option<Self> {
        let parts = strtime::parse(format, text.trim()).ok()?;
        if parts.offset().is_some() || parts.timestamp().is_some() {
            return Some(Self::Moment(parts.to_timestamp().ok()?.as_microsecond()));
        }
        if parts.iana_time_zone().is_some() {
            return Some(Self::Moment(
                parts.to_zoned().ok()?.timestamp().as_microsecond(),
            ));
        }
        wall(parts.to_datetime().ok()?).ok().map(Self::Wall)
    }

    /// The moment, in this zone.
    pub fn moment(self, clocks: &Clocks) -> Result<i64> {
        match self {
            Self::Moment(moment) => clocks.offset(moment).map(|_| moment),
            Self::Wall(wall) => clocks.moment(wall),
        }
    }

    /// The day, in this zone, in days since 1970.
    pub fn day(self, clocks: &Clocks) -> Result<i32> {
        let wall = match self {
            Self::Moment(moment) => clocks.wall(moment)?,
            Self::Wall(wall) => wall,
        };
        let day = i32::try_from(wall.div_euclid(DAY));
        day.map_err(|_| DataFusionError::Execution("a day is out of range".to_string()))
    }
}

/// Shortens text for a message.
pub(super) fn shorten(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    if text.chars().count() <= CHARACTERS_MAX {
        return text.to_string();
    }
    text.chars().take(CHARACTERS_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn wall_times_become_moments() {
        let check = |zone: &str, local: &str, moment: &str| {
            let clocks = Clocks::in_zone(zone).unwrap();
            let read = TimeText::parse(local).unwrap();
            let parsed = read.moment(&clocks).unwrap();
            assert_eq!(parsed, micros(moment), "{zone} {local}");
        };
        check("UTC", "2026-11-17 09:17:00", "2026-11-17T09:17:00Z");
        check(
            "Europe/Berlin",
            "2026-11-17 09:17:00",
            "2026-11-17T08:17:00Z",
        );
        check("Europe/Berlin", "2026-07-01", "2026-06-30T22:00:00Z");
        check("Europe/Berlin", "2026-7-1", "2026-06-30T22:00:00Z");
        check(
            "Europe/Berlin",
            "2026-07-01T00:00:00Z",
            "2026-07-01T00:00:00Z",
        );
        check(
            "Europe/Berlin",
            "2026-07-01T00:00:00.5+12:00",
            "2026-06-30T12:00:00.5Z",
        );
        check("+05:30", "2026-07-01 00:00:00", "2026-06-30T18:30:00Z");
        // A skipped and a repeated time.
        check(
            "Europe/Berlin",
            "2026-03-29 02:30:00",
            "2026-03-29T01:30:00Z",
        );
        check(
            "Europe/Berlin",
            "2026-10-25 02:30:00",
            "2026-10-25T00:30:00Z",
        );
        check("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z");
        check(
            "Europe/Berlin",
            "9999-12-30 00:00:00",
            "9999-12-29T23:00:00Z",
        );
    }

    #[test]
    fn strings_are_parsed_with_strptime_formats() {
        let check = |format: &str, text: &str, expected: Option<TimeText>| {
            assert_eq!(
                TimeText::parse_with(text, format),
                expected,
                "{format} {text}"
            );
        };
        let expected = micros("2026-11-17T09:17:00Z");
        let format = "%d/%b/%y %I:%M %p";
        check(format, "17/Nov/26 9:17 AM", Some(TimeText::Wall(expected)));
        check(format, "17/Nov/26", None);
        check("%Y", "17/Nov/26 9:17 AM", None);
        check(
            "%d.%m.%Y",
            "17.11.2026",
            Some(TimeText::Wall(micros("2026-11-17T00:00:00Z"))),
        );
        check(
            "%F %T %z",
            "2026-11-17 10:17:00 +0100",
            Some(TimeText::Moment(expected)),
        );
        check("%s", "1794907020", Some(TimeText::Moment(expected)));
    }

    #[test]
    fn an_offset_selects_one_of_two_repeated_times() {
        let clocks = Clocks::in_zone("Europe/Berlin").unwrap();
        let local = micros("2026-10-25T02:30:00Z");
        let hour = 3_600_000_000;
        let check = |offset: i64, moment: &str| {
            assert_eq!(
                clocks.moment_with_offset(local, offset).unwrap(),
                micros(moment)
            );
        };
        check(2 * hour, "2026-10-25T00:30:00Z");
        check(hour, "2026-10-25T01:30:00Z");
        check(5 * hour, "2026-10-25T00:30:00Z");
        assert!(Clocks::in_zone("Europe/Atlantis").is_err());
    }
}
