//! Series with a planted event, the same in every run.

use crate::{date::date, effects::Random};
use std::{f64::consts::TAU, fmt::Write as _, ops::Range};

/// Days between 1 January 1970 and the start of all series, Monday 6 January 2025.
pub const START: i64 = 20_094;
/// Weeks of hourly series, the last of which is the window.
pub const WEEKS: usize = 20;
/// Hours of a week.
pub const WEEK: usize = 168;
/// Hours of an hourly series.
pub const HOURS: usize = WEEKS * WEEK;
/// Days of a daily series.
pub const DAYS: usize = 364;
/// Days of a daily series before its end at which a step is planted.
pub const STEP_DAYS: usize = 56;
/// Level of a daily series, its standard deviation, and the rise of a ramp (10 % of the level).
const LEVEL: f64 = 47.0;
pub const DEVIATION: f64 = 1.5;
pub const RISE: f64 = LEVEL / 10.0;
/// Usual share of failures.
const SHARE: f64 = 0.15;
/// Standard deviation of the logarithm of a duration.
pub const DURATION_SPREAD: f64 = 0.8;
/// Standard deviation of the logarithm of a gauge, and its autocorrelation.
pub const GAUGE_SPREAD: f64 = 0.4;
pub const GAUGE_CORRELATION: f64 = 0.5;
/// Groups of a job whose records have groups.
pub const GROUPS: usize = 8;

/// Kind of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Six records an hour.
    Counts,
    /// Twelve attempts an hour, of which 15 % fail.
    Shares,
    /// Six durations an hour, lognormal.
    Durations,
    /// A sample each hour, lognormal, autocorrelated.
    Gauges,
    /// Forty records a day.
    Failures,
    /// Forty records a day in each of eight groups.
    Groups,
    /// A value a day with this autocorrelation.
    Days(f64),
}

impl Kind {
    /// Returns true for a value a day.
    pub fn is_daily(self) -> bool {
        matches!(self, Self::Days(_))
    }

    /// Returns true if records are counted.
    pub fn is_count(self) -> bool {
        matches!(self, Self::Counts | Self::Failures | Self::Groups)
    }

    /// Number of groups.
    pub fn groups(self) -> usize {
        if self == Self::Groups { GROUPS } else { 1 }
    }
}

/// A planted event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plant {
    Nothing,
    /// So many hours on this day of the last week with so many times the usual rate.
    Outage {
        hours: usize,
        factor: f64,
        day: usize,
    },
    /// A step of so many standard deviations, [`STEP_DAYS`] before the end.
    Step(f64),
    /// A rise by 10 % of the level over the last days.
    Ramp(usize),
}

/// Evidence of an hour or a day, given the usual rate, the noise and the season.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// A number of events, and the usual number.
    Count { observed: f64, usual: f64 },
    /// A number of failures among attempts, and the usual share.
    Share {
        failures: f64,
        attempts: f64,
        usual: f64,
    },
    /// A sum of standardised values, and their number.
    Sum { sum: f64, n: f64 },
    /// A standardised value of an autoregressive series.
    Value(f64),
}

/// A series.
pub struct Series {
    /// The records of each hour or day of each group.
    records: Vec<Vec<Vec<f64>>>,
    is_daily: bool,
    /// Evidence of the hours or days of each group.
    pub evidence: Vec<Vec<Evidence>>,
    /// Group with the planted event.
    pub group: usize,
    /// Planted hours or days; empty if there are none.
    pub planted: Range<usize>,
    /// Usual value, and that at the end of the series, as in forecasts: of counts the total of a
    /// week, of other values their mean.
    pub levels: [f64; 2],
}

/// Factor of an hour of the week: busy afternoons, quiet weekends.
fn season(hour: usize) -> f64 {
    let wave = 1.0 + 0.5 * ((hour % 24) as f64 / 24.0 * TAU - 2.4).sin();
    let weekday = if hour % WEEK / 24 < 5 { 1.12 } else { 0.7 };
    wave * weekday
}

/// A number of events (Knuth 1969); the mean must be small.
fn poisson(random: &mut Random, mean: f64) -> usize {
    let limit = (-mean).exp();
    let (mut count, mut product) = (0, random.uniform());
    while product > limit {
        count += 1;
        product *= random.uniform();
    }
    count
}

/// Seed of a series, from its name (FNV-1a).
fn seed(name: &str, index: usize) -> u64 {
    let text = format!("{name}/{index}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Series {
    /// The series with this index among those of a name.
    pub fn new(name: &str, index: usize, kind: Kind, plant: Plant) -> Self {
        let mut random = Random(seed(name, index));
        match kind {
            Kind::Days(correlation) => Self::daily(&mut random, correlation, plant),
            _ => Self::hourly(&mut random, kind, plant, index),
        }
    }

    fn daily(random: &mut Random, correlation: f64, plant: Plant) -> Self {
        let mut noise = random.normal();
        let innovation = (1.0 - correlation * correlation).sqrt();
        let first = match plant {
            Plant::Step(_) => DAYS - STEP_DAYS,
            Plant::Ramp(days) => DAYS - days,
            _ => DAYS,
        };
        let (mut records, mut evidence) = (Vec::new(), Vec::new());
        for day in 0..DAYS {
            noise = correlation * noise + innovation * random.normal();
            let shift = shift(plant, first, day);
            let season = if day % 7 < 5 { 0.8 } else { -2.0 };
            records.push(vec![LEVEL + season + DEVIATION * noise + shift]);
            evidence.push(Evidence::Value(noise + shift / DEVIATION));
        }
        Self {
            records: vec![records],
            is_daily: true,
            evidence: vec![evidence],
            group: 0,
            planted: first..DAYS,
            levels: [LEVEL, LEVEL + shift(plant, first, DAYS - 1)],
        }
    }

    fn hourly(random: &mut Random, kind: Kind, plant: Plant, index: usize) -> Self {
        let (planted, factor) = match plant {
            Plant::Outage { hours, factor, day } => {
                let start = (random.uniform() * (25 - hours) as f64) as usize;
                let first = HOURS - WEEK + day * 24 + start;
                (first..first + hours, factor)
            }
            _ => (HOURS..HOURS, 1.0),
        };
        let group = index % kind.groups();
        let (mut records, mut evidence) = (Vec::new(), Vec::new());
        for number in 0..kind.groups() {
            let mut noise = random.normal();
            let mut hours = (Vec::with_capacity(HOURS), Vec::with_capacity(HOURS));
            for hour in 0..HOURS {
                let is_planted = number == group && planted.contains(&hour);
                let factor = if is_planted { factor } else { 1.0 };
                let (values, fact) = generate_hour(random, kind, hour, factor, &mut noise);
                hours.0.push(values);
                hours.1.push(fact);
            }
            records.push(hours.0);
            evidence.push(hours.1);
        }
        let mut series = Self {
            records,
            is_daily: false,
            evidence,
            group,
            planted,
            levels: [0.0; 2],
        };
        series.levels = [series.usual_level(kind); 2];
        series
    }

    /// The usual value of a week: the mean number of records in one of the weeks before the last,
    /// or the mean of their values.
    fn usual_level(&self, kind: Kind) -> f64 {
        let hours = self.records.iter().flat_map(|hours| &hours[..HOURS - WEEK]);
        let values: Vec<&f64> = hours.flatten().collect();
        if kind.is_count() {
            values.len() as f64 / ((WEEKS - 1) * self.records.len()) as f64
        } else {
            values.iter().copied().sum::<f64>() / values.len() as f64
        }
    }

    /// The value of each hour or day of a group: the number of records, or their mean.
    pub fn values(&self, group: usize, kind: Kind) -> Vec<f64> {
        let value = |records: &Vec<f64>| {
            if kind.is_count() {
                records.len() as f64
            } else {
                records.iter().sum::<f64>() / records.len() as f64
            }
        };
        self.records[group].iter().map(value).collect()
    }

    /// The records as CSV.
    pub fn csv(&self) -> String {
        let mut text = String::from("id,at,y,part\n");
        let mut id = 0;
        for (group, steps) in self.records.iter().enumerate() {
            for (step, values) in steps.iter().enumerate() {
                let (day, hour) = if self.is_daily {
                    (step, 12)
                } else {
                    (step / 24, step % 24)
                };
                let day = date(START + day as i64);
                for (i, value) in values.iter().enumerate() {
                    let minute = i * 60 / values.len();
                    let _ = writeln!(
                        text,
                        "{id},{day}T{hour:02}:{minute:02}:00Z,{value:.4},g{group}"
                    );
                    id += 1;
                }
            }
        }
        text
    }
}

/// The planted deviation of a day.
fn shift(plant: Plant, first: usize, day: usize) -> f64 {
    match plant {
        _ if day < first => 0.0,
        Plant::Step(size) => size * DEVIATION,
        Plant::Ramp(days) => RISE * (day - first + 1) as f64 / days as f64,
        _ => 0.0,
    }
}

/// The records of an hour, and the evidence.
fn generate_hour(
    random: &mut Random,
    kind: Kind,
    hour: usize,
    factor: f64,
    noise: &mut f64,
) -> (Vec<f64>, Evidence) {
    let per_hour = match kind {
        Kind::Failures | Kind::Groups => 40.0 / 24.0,
        Kind::Shares => 12.0,
        _ => 6.0,
    };
    let usual = per_hour * season(hour);
    match kind {
        Kind::Shares => {
            let attempts = poisson(random, usual);
            let share = (SHARE * factor).min(1.0);
            let values: Vec<f64> = (0..attempts)
                .map(|_| f64::from(u8::from(random.uniform() < share)))
                .collect();
            let fact = Evidence::Share {
                failures: values.iter().sum(),
                attempts: attempts as f64,
                usual: SHARE,
            };
            (values, fact)
        }
        Kind::Durations => {
            let logs: Vec<f64> = (0..poisson(random, usual))
                .map(|_| DURATION_SPREAD * random.normal() + factor.ln())
                .collect();
            let fact = Evidence::Sum {
                sum: logs.iter().sum::<f64>() / DURATION_SPREAD,
                n: logs.len() as f64,
            };
            let level = 60.0 * season(hour).sqrt();
            (logs.iter().map(|log| level * log.exp()).collect(), fact)
        }
        Kind::Gauges => {
            let innovation = (1.0 - GAUGE_CORRELATION * GAUGE_CORRELATION).sqrt();
            *noise = GAUGE_CORRELATION * *noise + innovation * random.normal();
            let log = GAUGE_SPREAD * *noise + factor.ln();
            let value = 20.0 * season(hour) * log.exp();
            (vec![value], Evidence::Value(log / GAUGE_SPREAD))
        }
        _ => {
            let count = poisson(random, usual * factor);
            let fact = Evidence::Count {
                observed: count as f64,
                usual,
            };
            (vec![1.0; count], fact)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_the_same_in_every_run() {
        let new = |index| {
            let plant = Plant::Outage {
                hours: 5,
                factor: 4.0,
                day: 2,
            };
            Series::new("a", index, Kind::Failures, plant)
        };
        let (one, same, other) = (new(0), new(0), new(1));
        assert_eq!(one.csv(), same.csv());
        assert_ne!(one.csv(), other.csv());
        assert!((one.levels[0] / 7.0 - 40.0).abs() < 2.0, "{:?}", one.levels);
        assert_eq!(one.planted.len(), 5);
        let day = HOURS - WEEK + 48;
        assert!((day..=day + 19).contains(&one.planted.start));
    }

    #[test]
    fn planted_hours_have_the_planted_rate() {
        let mut ratio = [0.0; 4];
        let kinds = [Kind::Counts, Kind::Shares, Kind::Durations, Kind::Gauges];
        for (sum, kind) in ratio.iter_mut().zip(kinds) {
            for index in 0..12 {
                let mean = |factor| {
                    let plant = Plant::Outage {
                        hours: 24,
                        factor,
                        day: 1,
                    };
                    let series = Series::new("b", index, kind, plant);
                    series.values(0, kind)[series.planted.clone()]
                        .iter()
                        .filter(|value| value.is_finite())
                        .sum::<f64>()
                };
                *sum += mean(3.0) / mean(1.0) / 12.0;
            }
        }
        for ratio in ratio {
            assert!((ratio - 3.0).abs() < 0.5, "{ratio:?}");
        }
    }

    #[test]
    fn steps_and_ramps_reach_the_end() {
        let step = Series::new("c", 0, Kind::Days(0.5), Plant::Step(2.0));
        assert_eq!(step.planted, DAYS - STEP_DAYS..DAYS);
        assert_eq!(step.levels, [47.0, 50.0]);
        let ramp = Series::new("c", 0, Kind::Days(0.5), Plant::Ramp(28));
        assert!((ramp.levels[1] - 51.7).abs() < 1e-9);
        let groups = Series::new("d", 3, Kind::Groups, Plant::Nothing);
        assert_eq!((groups.group, groups.evidence.len()), (3, GROUPS));
    }
}
