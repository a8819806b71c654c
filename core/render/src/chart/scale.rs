//! Scales: map values and times to positions, with ticks at round numbers.

use jiff::{
    ToSpan,
    civil::{Date, DateTime, date},
};
use retrocast_domain::{
    number::{NBSP, fixed},
    window::month_name,
};

/// Number format of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Percent,
    Ratio,
}

impl Format {
    /// The format for a chart's unit.
    pub(crate) fn of_unit(unit: &str) -> Self {
        let unit = unit.trim();
        if unit == "share" || unit.starts_with("share ") {
            Format::Percent
        } else if unit == "ratio" || unit.starts_with("relative to ") {
            Format::Ratio
        } else {
            Format::Plain
        }
    }

    /// Formats a tick with the decimals that the step needs.
    pub(crate) fn tick(self, value: f64, step: f64) -> String {
        match self {
            Format::Percent => format!("{}{NBSP}%", format_plain(value * 100.0, step * 100.0)),
            Format::Ratio => format!("{}×", format_plain(value, step)),
            Format::Plain => format_plain(value, step),
        }
    }
}

fn format_plain(value: f64, step: f64) -> String {
    let size = value.abs().max(step);
    if !(1e-6..1e15).contains(&size) {
        return if value == 0.0 {
            "0".to_string()
        } else {
            format!("{value:.1e}")
        };
    }
    for (limit, word) in [(1e12, "tn"), (1e9, "bn"), (1e6, "M")] {
        if size >= limit {
            let decimals = decimals(step / limit);
            let zero = value == 0.0;
            return if zero {
                "0".to_string()
            } else {
                format!("{}{NBSP}{word}", fixed(value / limit, decimals))
            };
        }
    }
    fixed(value, decimals(step))
}

fn decimals(step: f64) -> usize {
    if step >= 1.0 {
        0
    } else {
        ((-step.log10() - 1e-9).ceil() as usize).min(8)
    }
}

/// A value that can be drawn: NaN becomes a gap, extreme values are clamped.
pub(crate) fn drawable(value: Option<f64>) -> Option<f64> {
    value
        .filter(|v| v.is_finite())
        .map(|v| v.clamp(-1e100, 1e100))
}

/// An axis from `low` to `high` with a tick every `step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    pub low: f64,
    pub high: f64,
    pub step: f64,
}

impl Axis {
    /// An axis around `values` with about `count` ticks at multiples of 1, 2 or 5.
    ///
    /// Includes zero if the values come near it, so that heights can be compared.
    pub(crate) fn around(values: impl Iterator<Item = f64>, count: usize) -> Self {
        let (mut low, mut high) = extent(values).unwrap_or((0.0, 1.0));
        if low >= 0.0 && low <= 0.6 * high {
            low = 0.0;
        } else if high <= 0.0 && high >= 0.6 * low {
            high = 0.0;
        }
        if high - low <= f64::EPSILON * low.abs().max(high.abs()) {
            let pad = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
            (low, high) = if low == 0.0 {
                (0.0, 1.0)
            } else {
                (low - pad, high + pad)
            };
        }
        // Chooses the number of ticks that wastes the least height.
        let waste = |axis: &Self| (axis.high - axis.low) / (high - low);
        let candidates = (count..=count + 2).map(|n| Self::nice(low, high, n));
        candidates
            .min_by(|a, b| waste(a).total_cmp(&waste(b)))
            .unwrap_or(Self {
                low,
                high,
                step: 1.0,
            })
    }

    /// An axis that includes `low` and `high` and ends on ticks.
    pub(crate) fn nice(low: f64, high: f64, count: usize) -> Self {
        let rough = (high - low) / count.max(1) as f64;
        if !(rough.is_finite() && rough > 0.0) {
            return Self {
                low: 0.0,
                high: 1.0,
                step: 1.0,
            };
        }
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * power)
            .find(|step| *step >= rough * 0.999_999)
            .unwrap_or(10.0 * power);
        let (from, to) = (
            (low / step + 1e-9).floor() * step,
            (high / step - 1e-9).ceil() * step,
        );
        Self {
            low: from.min(low),
            high: to.max(high),
            step,
        }
    }

    /// The values of the ticks; their number is limited.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        let first = (self.low / self.step - 1e-6).ceil();
        (0..16)
            .map(|i| (first + f64::from(i)) * self.step)
            .take_while(|v| *v <= self.high + self.step * 1e-6)
            .map(|v| if v.abs() < self.step * 1e-9 { 0.0 } else { v })
            .collect()
    }

    /// Position of a value between 0 (low) and 1 (high), clamped.
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        if span > 0.0 {
            ((value - self.low) / span).clamp(0.0, 1.0)
        } else {
            0.5
        }
    }
}

/// Smallest and largest value, without NaN.
pub(crate) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .filter(|v| v.is_finite())
        .fold(None, |range, v| match range {
            None => Some((v, v)),
            Some((low, high)) => Some((low.min(v), high.max(v))),
        })
}

/// Seconds since 1970 of a local time, ignoring its zone.
pub(crate) fn seconds(time: DateTime) -> f64 {
    let days = date(1970, 1, 1)
        .until(time.date())
        .map_or(0, |span| i64::from(span.get_days()));
    days as f64 * 86_400.0
        + f64::from(time.hour()) * 3600.0
        + f64::from(time.minute()) * 60.0
        + f64::from(time.second())
        + f64::from(time.subsec_nanosecond()) / 1e9
}

fn day_of(seconds: f64) -> Option<Date> {
    date(1970, 1, 1)
        .checked_add(
            ((seconds / 86_400.0).floor() as i64)
                .clamp(-4_400_000, 4_400_000)
                .days(),
        )
        .ok()
}

/// A tick of a time axis, in seconds since 1970; `below` is the year or day, if it changes there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeTick {
    pub seconds: f64,
    pub label: String,
    pub below: String,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Minutes(i64),
    Days(i64),
    Weeks(i64),
    Months(i16),
    Years(i16),
}

const STEPS: [Step; 23] = [
    Step::Minutes(1),
    Step::Minutes(5),
    Step::Minutes(15),
    Step::Minutes(30),
    Step::Minutes(60),
    Step::Minutes(180),
    Step::Minutes(360),
    Step::Minutes(720),
    Step::Days(1),
    Step::Days(2),
    Step::Weeks(1),
    Step::Weeks(2),
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Years(1),
    Step::Years(2),
    Step::Years(5),
    Step::Years(10),
    Step::Years(50),
    Step::Years(100),
    Step::Years(1000),
];

impl Step {
    fn seconds(self) -> f64 {
        match self {
            Step::Minutes(n) => n as f64 * 60.0,
            Step::Days(n) => n as f64 * 86_400.0,
            Step::Weeks(n) => n as f64 * 7.0 * 86_400.0,
            Step::Months(n) => f64::from(n) * 30.4 * 86_400.0,
            Step::Years(n) => f64::from(n) * 365.2 * 86_400.0,
        }
    }

    fn ticks(self, low: f64, high: f64) -> Vec<f64> {
        let multiples = |every: f64, offset: f64| {
            let first = ((low - offset) / every).ceil();
            (0..200)
                .map(|i| (first + f64::from(i)) * every + offset)
                .take_while(|t| *t <= high)
                .collect()
        };
        match self {
            Step::Minutes(_) | Step::Days(_) => multiples(self.seconds(), 0.0),
            // The first Monday of 1970 was the 5th of January.
            Step::Weeks(_) => multiples(self.seconds(), 4.0 * 86_400.0),
            Step::Months(n) => months(low, high, n),
            Step::Years(n) => years(low, high, n),
        }
    }
}

fn months(low: f64, high: f64, every: i16) -> Vec<f64> {
    let Some(start) = day_of(low) else {
        return Vec::new();
    };
    let index = start.year() * 12 + i16::from(start.month()) - 1;
    let first = index - index.rem_euclid(every);
    (0..200i16)
        .filter_map(|i| {
            let month = first.checked_add(i.checked_mul(every)?)?;
            let day = Date::new(month.div_euclid(12), (month.rem_euclid(12) + 1) as i8, 1).ok()?;
            Some(seconds(day.to_datetime(jiff::civil::Time::midnight())))
        })
        .skip_while(|t| *t < low)
        .take_while(|t| *t <= high)
        .collect()
}

fn years(low: f64, high: f64, every: i16) -> Vec<f64> {
    let Some(start) = day_of(low) else {
        return Vec::new();
    };
    let first = start.year() - start.year().rem_euclid(every);
    (0..200i16)
        .filter_map(|i| {
            let year = first.checked_add(i.checked_mul(every)?)?;
            Some(seconds(
                Date::new(year, 1, 1)
                    .ok()?
                    .to_datetime(jiff::civil::Time::midnight()),
            ))
        })
        .skip_while(|t| *t < low)
        .take_while(|t| *t <= high)
        .collect()
}

/// Ticks from `low` to `high`, as dense as `labels_max` labels allow, but not denser
/// than the data, whose points are at least `smallest_gap` seconds apart.
pub(crate) fn time_ticks(
    low: f64,
    high: f64,
    labels_max: usize,
    smallest_gap: f64,
) -> Vec<TimeTick> {
    let labels_max = labels_max.max(2);
    for step in STEPS {
        if (high - low) / step.seconds() > labels_max as f64 || step.seconds() < smallest_gap * 0.9
        {
            continue;
        }
        let times = step.ticks(low, high);
        if times.len() <= labels_max && times.len() >= 2 {
            return label_ticks(&times, step);
        }
        if times.len() < 2 {
            break;
        }
    }
    let ends = if high > low {
        vec![low, high]
    } else {
        vec![low]
    };
    label_ticks(&ends, Step::Days(1))
}

fn label_ticks(times: &[f64], step: Step) -> Vec<TimeTick> {
    let mut last = String::new();
    times
        .iter()
        .filter_map(|t| {
            let day = day_of(*t)?;
            let month = &month_name(day)[..3];
            let (label, below) = match step {
                Step::Minutes(_) => {
                    let minute = ((t.rem_euclid(86_400.0)) / 60.0).floor() as i64;
                    let clock = format!("{:02}:{:02}", minute / 60, minute % 60);
                    (
                        clock,
                        format!("{}{NBSP}{month}{NBSP}{}", day.day(), day.year()),
                    )
                }
                Step::Days(_) | Step::Weeks(_) => (
                    format!("{}{NBSP}{month}", day.day()),
                    day.year().to_string(),
                ),
                Step::Months(_) => (month.to_string(), day.year().to_string()),
                Step::Years(_) => (day.year().to_string(), String::new()),
            };
            let shown = if below == last {
                String::new()
            } else {
                below.clone()
            };
            last = below;
            Some(TimeTick {
                seconds: *t,
                label,
                below: shown,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], low: f64, high: f64, step: f64) {
        let axis = Axis::around(values.iter().copied(), 4);
        assert_eq!(
            (axis.low, axis.high, axis.step),
            (low, high, step),
            "{values:?}"
        );
    }

    #[test]
    fn axes_end_on_round_numbers() {
        check(&[3.0, 97.0], 0.0, 100.0, 50.0);
        check(&[3.0, 55.0], 0.0, 60.0, 20.0);
        check(&[12.0, 38.0], 0.0, 40.0, 10.0);
        check(&[96.1, 98.7], 96.0, 99.0, 1.0);
        check(&[-3.0, 8.0], -4.0, 8.0, 2.0);
        check(&[], 0.0, 1.0, 0.5);
        check(&[0.0], 0.0, 1.0, 0.5);
        check(&[f64::NAN, 10.0], 5.0, 15.0, 5.0);
    }

    #[test]
    fn the_number_of_ticks_is_limited() {
        for values in [
            vec![1e100, -1e100],
            vec![1e15, 1e15 + 1e-3],
            vec![5e-324, 0.0],
            vec![7.0],
            vec![-1e-9, 1e-9],
        ] {
            let axis = Axis::around(values.iter().copied(), 4);
            let ticks = axis.ticks();
            assert!((1..=12).contains(&ticks.len()), "{values:?}: {ticks:?}");
            assert!(ticks.iter().all(|t| t.is_finite()));
            assert!(
                values
                    .iter()
                    .all(|v| (0.0..=1.0).contains(&axis.fraction(*v)))
            );
        }
    }

    #[test]
    fn ticks_have_the_decimals_of_their_step() {
        for (format, value, step, expected) in [
            (Format::Plain, 0.25, 0.05, "0.25"),
            (Format::Plain, 12_000.0, 2000.0, "12 000"),
            (Format::Plain, 1_500_000.0, 500_000.0, "1.5 M"),
            (Format::Plain, 2e20, 1e20, "2.0e20"),
            (Format::Percent, 0.975, 0.005, "97.5 %"),
            (Format::Ratio, 1.5, 0.5, "1.5×"),
            (Format::Plain, -3.0, 1.0, "−3"),
        ] {
            let text = format.tick(value, step).replace([NBSP, '\u{202f}'], " ");
            assert_eq!(text, expected);
        }
        let of_unit = |unit| Format::of_unit(unit).tick(1.1, 0.1);
        assert_eq!(of_unit("relative to the mean"), "1.1×");
        assert_eq!(of_unit("tickets per day"), "1.1");
    }

    fn check_time(low: &str, high: &str, labels_max: usize, smallest_gap: f64, expected: &str) {
        let parse = |text: &str| seconds(text.parse::<DateTime>().unwrap());
        let ticks = time_ticks(parse(low), parse(high), labels_max, smallest_gap);
        let text: Vec<String> = ticks
            .iter()
            .map(|t| format!("{} {}", t.label, t.below).trim().replace(NBSP, " "))
            .collect();
        assert_eq!(text.join(", "), expected);
    }

    #[test]
    fn time_ticks_follow_the_calendar() {
        check_time(
            "2026-11-09T00:00",
            "2026-11-10T00:00",
            5,
            0.0,
            "00:00 9 Nov 2026, 06:00, 12:00, 18:00, 00:00 10 Nov 2026",
        );
        check_time(
            "2026-11-09T00:00",
            "2026-11-12T00:00",
            8,
            86_400.0,
            "9 Nov 2026, 10 Nov, 11 Nov, 12 Nov",
        );
        check_time(
            "2026-11-09T00:00",
            "2026-11-15T00:00",
            8,
            0.0,
            "9 Nov 2026, 10 Nov, 11 Nov, 12 Nov, 13 Nov, 14 Nov, 15 Nov",
        );
        check_time(
            "2026-10-05T00:00",
            "2026-11-15T00:00",
            6,
            0.0,
            "5 Oct 2026, 12 Oct, 19 Oct, 26 Oct, 2 Nov, 9 Nov",
        );
        check_time(
            "2025-11-15T00:00",
            "2026-03-15T00:00",
            6,
            0.0,
            "Dec 2025, Jan 2026, Feb, Mar",
        );
        check_time(
            "2019-01-01T00:00",
            "2026-03-15T00:00",
            6,
            0.0,
            "2020, 2022, 2024, 2026",
        );
        check_time("2026-11-09T00:00", "2026-11-09T00:00", 6, 0.0, "9 Nov 2026");
        check_time(
            "-009999-01-01T00:00",
            "9999-12-31T00:00",
            3,
            0.0,
            "1 Jan -9999, 31 Dec 9999",
        );
    }
}
