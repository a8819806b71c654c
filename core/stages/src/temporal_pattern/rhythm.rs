//! Effects of weekdays within weeks, hours within days, months within years.

use super::{Data, EffectName, Group, Results, days_between};
use crate::series::{clock::hour_scale, period::Period};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use retrocast_domain::{
    number,
    window::{MONTHS, WEEKDAYS},
};
use retrocast_stats::{
    rate::{BlockCounts, BlockRates, OverallTest},
    test::Comparison,
};

mod claims;
mod present;

use claims::{best_candidate, weekday_candidates};
use present::{calendar, chart_against_all, empty_table, push_rows};

/// Maximum number of charts of one effect; the table has all groups.
const CHARTS_MAX: usize = 4;

/// Minimum number of events for an effect.
const EVENTS_MIN: f64 = 30.0;

const WORKING: [usize; 5] = [0, 1, 2, 3, 4];

const WEEKEND: [usize; 2] = [5, 6];

/// One effect, such as that of weekdays: its blocks and categories of time, and their names.
pub(super) struct Rhythm {
    pub(super) name: EffectName,
    pub(super) key: &'static str,
    pub(super) labels: Vec<String>,
    /// Name of the baseline: "all days".
    pub(super) all: &'static str,
    /// Name of the block within which categories are compared: "week".
    pub(super) block: &'static str,
}

impl Rhythm {
    fn new(name: EffectName) -> Option<Self> {
        let (key, labels, all, block) = match name {
            EffectName::Weekday => (
                "weekday",
                WEEKDAYS.map(str::to_string).to_vec(),
                "all days",
                "week",
            ),
            EffectName::Hour => {
                let labels = (0..24).map(|hour| format!("{hour:02}:00")).collect();
                ("hour", labels, "all hours", "day")
            }
            EffectName::Month => (
                "month",
                MONTHS.map(str::to_string).to_vec(),
                "all months",
                "year",
            ),
            EffectName::Year => return None,
        };
        Some(Self {
            name,
            key,
            labels,
            all,
            block,
        })
    }

    /// The baseline in words: "the mean of all days".
    pub(super) fn baseline(&self) -> String {
        format!("the mean of {}", self.all)
    }

    fn block_of(&self, first: Date, day: Date) -> usize {
        let monday = first - i64::from(first.weekday().to_monday_zero_offset()).days();
        match self.name {
            EffectName::Weekday => days_between(monday, day) as usize / 7,
            EffectName::Hour => days_between(first, day) as usize,
            EffectName::Month | EffectName::Year => (day.year() - first.year()).max(0) as usize,
        }
    }

    fn category(&self, time: jiff::civil::DateTime) -> usize {
        match self.name {
            EffectName::Weekday => time.weekday().to_monday_zero_offset() as usize,
            EffectName::Hour => time.hour() as usize,
            EffectName::Month | EffectName::Year => (time.month() - 1) as usize,
        }
    }

    /// Names the time of some categories: "on Mondays", "between 14:00 and 16:00", "in March and
    /// April".
    fn name_time(&self, categories: &[usize]) -> String {
        let labels = categories.iter().map(|category| &self.labels[*category]);
        match self.name {
            EffectName::Weekday => {
                let days: Vec<String> = labels.map(|day| format!("{day}s")).collect();
                format!("on {}", number::list(&days))
            }
            EffectName::Hour => number::list(&self.hour_ranges(categories)),
            EffectName::Month | EffectName::Year => {
                let months: Vec<&String> = labels.collect();
                format!("in {}", number::list(&months))
            }
        }
    }

    /// Adds the time zone to hours.
    fn add_zone(&self, data: &Data<'_>, when: &str) -> String {
        match self.name {
            EffectName::Hour => format!("{when} ({})", data.context.window.timezone),
            _ => when.to_string(),
        }
    }

    /// Hours as ranges, also across midnight: "between 14:00 and 16:00".
    fn hour_ranges(&self, hours: &[usize]) -> Vec<String> {
        let count = self.labels.len();
        let contains = |hour: usize| hours.contains(&(hour % count));
        let begins = hours.iter().filter(|hour| !contains(*hour + count - 1));
        begins
            .map(|&first| {
                let end = (first + 1..first + count).find(|hour| !contains(*hour));
                let end = end.unwrap_or(first) % count;
                format!("between {} and {}", self.labels[first], self.labels[end])
            })
            .collect()
    }

    /// Describes the data that the effect needs and does not have.
    fn missing_data(&self, data: &Data<'_>) -> Option<String> {
        match self.name {
            EffectName::Weekday | EffectName::Hour if is_long(data.period) => Some(format!(
                "{}s need records of single days, these are a {} apart",
                self.key,
                data.period.noun()
            )),
            EffectName::Hour if !data.has_hours => Some("times have no hour".to_string()),
            EffectName::Month if data.days() < 730 => Some(format!(
                "months need 730 days of records; there are {}",
                number::count(data.days())
            )),
            _ => None,
        }
    }
}

/// Returns true if records are longer apart than a day.
pub(super) fn is_long(period: Period) -> bool {
    matches!(period, Period::Week | Period::Month)
}

/// The fitted effect of one group.
pub(super) struct RhythmFit {
    counts: BlockCounts,
    pub(super) rates: BlockRates,
    overall: OverallTest,
    /// Each category compared with all.
    pub(super) against_all: Vec<Option<Comparison>>,
    /// Each weekday compared with Monday to Friday.
    pub(super) against_working: Vec<Option<Comparison>>,
}

pub(super) fn analyse(data: &Data<'_>, results: &mut Results) {
    for rhythm in data
        .params
        .effects
        .iter()
        .filter_map(|name| Rhythm::new(*name))
    {
        if let Some(reason) = rhythm.missing_data(data) {
            results.skipped.push(reason);
            continue;
        }
        let mut table = empty_table(data, &rhythm);
        let (mut fitted_groups, mut charts) = (0, 0);
        for group in &data.groups {
            let Some(fitted) = fit(data, &rhythm, group) else {
                continue;
            };
            fitted_groups += 1;
            push_rows(data, &rhythm, group, &fitted, &mut table, &mut results.rows);
            let chart = (charts < CHARTS_MAX).then(|| {
                charts += 1;
                let index = results.charts.len();
                results
                    .charts
                    .push(chart_against_all(data, &rhythm, group, &fitted, index));
                index
            });
            let candidates = match rhythm.name {
                EffectName::Weekday => weekday_candidates(data, &rhythm, group, &fitted, chart),
                _ => vec![best_candidate(data, &rhythm, group, &fitted, chart)],
            };
            results.candidates.extend(candidates);
        }
        if fitted_groups == 0 {
            results.skipped.push(format!(
                "{}s need at least {EVENTS_MIN} records",
                rhythm.key
            ));
            continue;
        }
        results.done.push(format!("{}s", rhythm.key));
        results.tables.push(table.top(48));
        if rhythm.name == EffectName::Weekday && !data.per_record {
            results.charts.push(calendar(data));
        }
    }
}

fn fit(data: &Data<'_>, rhythm: &Rhythm, group: &Group) -> Option<RhythmFit> {
    let last = data.end.yesterday().ok()?;
    let blocks = rhythm.block_of(data.first, last) + 1;
    let mut counts = if data.amounts {
        BlockCounts::amounts(blocks, rhythm.labels.len())
    } else {
        BlockCounts::new(blocks, rhythm.labels.len())
    };
    for hour in &group.hours {
        let time = match data.period {
            Period::Hour | Period::Day => hour.time,
            // The weeks of a month are those that begin in it.
            Period::Week | Period::Month => data.period.floor(hour.time),
        };
        let (block, category) = (
            rhythm.block_of(data.first, time.date()),
            rhythm.category(time),
        );
        counts.add_events(block, category, hour.events);
        if data.per_record {
            counts.add_exposure(block, category, hour.records as f64);
        }
    }
    if !data.per_record {
        let zone = TimeZone::get(&data.context.window.timezone).unwrap_or(TimeZone::UTC);
        let starts = (0..).map(|n| data.period.after(data.first.at(0, 0, 0, 0), n).date());
        let days = starts.take_while(|day| *day < data.end);
        for day in days.filter(|day| !data.is_missing(*day)) {
            let block = rhythm.block_of(data.first, day);
            if rhythm.name == EffectName::Hour {
                // At clock changes, an hour is repeated or skipped.
                for hour in 0..24 {
                    let start = day.at(hour, 0, 0, 0);
                    let hours = hour_scale(start, &zone).map_or(0.0, f64::recip);
                    counts.add_exposure(block, hour as usize, hours / 24.0);
                }
            } else {
                counts.add_exposure(block, rhythm.category(day.at(0, 0, 0, 0)), 1.0);
            }
        }
    }
    let events: u64 = group.hours.iter().map(|hour| hour.with_events).sum();
    if (events as f64) < EVENTS_MIN {
        return None;
    }
    if rhythm.name == EffectName::Month {
        counts = counts.with_trend();
    }
    let rates = BlockRates::fit(&counts)?;
    let categories: Vec<usize> = (0..rhythm.labels.len()).collect();
    let overall = rates.overall(&counts, &categories)?;
    let against = |set: &[usize]| -> Vec<Option<Comparison>> {
        categories
            .iter()
            .map(|&category| rates.contrast(&[category], set, 0.95))
            .collect()
    };
    let is_weekday = rhythm.name == EffectName::Weekday;
    let against_working = if is_weekday {
        against(&WORKING)
    } else {
        Vec::new()
    };
    let against_all = against(&categories);
    Some(RhythmFit {
        counts,
        rates,
        overall,
        against_all,
        against_working,
    })
}
