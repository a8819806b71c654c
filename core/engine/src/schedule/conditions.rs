//! Checks the conditions of a run before it starts.
//!
//! A due time with unmet conditions waits; waiting is not an attempt, and the next check decides
//! again. Inputs are fresh if, at the due time, the newest file of every required source is at most
//! as old as the job file allows; files written after the due time are fresh, too.

use super::Machine;
use crate::job::OnlyIf;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// A required source and the time of its newest file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Name of the source.
    pub source: String,
    /// Time of the newest file; `None` if the source has no files.
    pub newest: Option<Timestamp>,
}

/// Describes the unmet conditions, with times in the zone.
pub fn unmet_conditions(
    only_if: &OnlyIf,
    machine: &Machine,
    inputs: &[Input],
    due: Timestamp,
    zone: &TimeZone,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(limit) = only_if.load_below {
        match machine.load {
            Some(load) => {
                let load = load / f64::from(machine.processors.max(1));
                if load >= limit {
                    reasons.push(format!(
                        "the load per processor is {load:.2}, and load_below = {limit}"
                    ));
                }
            }
            None => reasons.push(describe_unknown("load", "load_below")),
        }
    }
    let sizes = [
        ("disk", "free_disk", machine.free_disk, only_if.free_disk),
        (
            "memory",
            "free_memory",
            machine.free_memory,
            only_if.free_memory,
        ),
    ];
    for (resource, key, free, needed) in sizes {
        let Some(needed) = needed else { continue };
        match free {
            Some(free) if free < needed => {
                let (free, needed) = (format_bytes(free), format_bytes(needed));
                reasons.push(format!(
                    "free {resource} is {free}, and {key} = \"{needed}\""
                ));
            }
            Some(_) => {}
            None => reasons.push(describe_unknown(&format!("free {resource}"), key)),
        }
    }
    if let Some(within) = only_if.fresh_within {
        let within = SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX);
        let stale = inputs
            .iter()
            .filter_map(|input| describe_stale(input, within, due, zone));
        reasons.extend(stale);
    }
    reasons
}

fn describe_unknown(resource: &str, key: &str) -> String {
    format!("the {resource} cannot be read on this system; remove `{key}`")
}

fn describe_stale(
    input: &Input,
    within: SignedDuration,
    due: Timestamp,
    zone: &TimeZone,
) -> Option<String> {
    let source = &input.source;
    let Some(newest) = input.newest else {
        return Some(format!("source `{source}` has no file yet"));
    };
    (due.duration_since(newest) > within).then(|| {
        let newest = newest.to_zoned(zone.clone());
        let newest = newest.strftime("%Y-%m-%d %H:%M %Z");
        format!(
            "the newest file of source `{source}` was written {newest}, \
             more than {within:#} before the run was due"
        )
    })
}

/// Formats a size, rounded down: "1.5 GiB".
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let text = format!("{:.1}", (size * 10.0).floor() / 10.0);
    format!("{} {}", text.trim_end_matches(".0"), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DUE: &str = "2026-11-16T09:00:00Z";

    fn describe(only_if: &OnlyIf, machine: &Machine, newest: Option<&str>) -> Vec<String> {
        let input = Input {
            source: "tickets".to_string(),
            newest: newest.map(|time| time.parse().unwrap()),
        };
        let zone = TimeZone::get("Europe/London").unwrap();
        unmet_conditions(only_if, machine, &[input], DUE.parse().unwrap(), &zone)
    }

    #[test]
    fn unmet_conditions_are_described() {
        let only_if = OnlyIf {
            load_below: Some(0.8),
            free_disk: Some(2 << 30),
            free_memory: Some(512 << 20),
            fresh_within: Some(Duration::from_secs(26 * 3600)),
        };
        let machine = Machine {
            load: Some(1.5),
            processors: 2,
            free_disk: Some(2 << 30),
            free_memory: Some(512 << 20),
        };
        assert_eq!(
            describe(&only_if, &machine, Some("2026-11-15T07:00:00Z")),
            [""; 0]
        );
        assert_eq!(
            describe(&only_if, &machine, Some("2027-01-01T00:00:00Z")),
            [""; 0]
        );
        let busy = Machine {
            load: Some(1.6),
            processors: 2,
            free_disk: Some((2 << 30) - 1),
            free_memory: Some(100 << 20),
        };
        assert_eq!(
            describe(&only_if, &busy, Some("2026-11-15T06:59:59Z")),
            [
                "the load per processor is 0.80, and load_below = 0.8",
                "free disk is 1.9 GiB, and free_disk = \"2 GiB\"",
                "free memory is 100 MiB, and free_memory = \"512 MiB\"",
                "the newest file of source `tickets` was written 2026-11-15 06:59 GMT, more than \
                 26h before the run was due",
            ]
        );
        assert_eq!(describe(&OnlyIf::default(), &busy, None), [""; 0]);
    }

    #[test]
    fn unknown_values_are_unmet_conditions() {
        let only_if = OnlyIf {
            free_memory: Some(1),
            load_below: Some(9.0),
            fresh_within: Some(Duration::from_secs(60)),
            ..OnlyIf::default()
        };
        assert_eq!(
            describe(&only_if, &Machine::default(), None),
            [
                "the load cannot be read on this system; remove `load_below`",
                "the free memory cannot be read on this system; remove `free_memory`",
                "source `tickets` has no file yet",
            ]
        );
    }
}
