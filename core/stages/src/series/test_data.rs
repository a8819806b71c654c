//! Test data: records and contexts.

use crate::{Context, Input, Stop};
use jiff::{
    ToSpan,
    civil::{Date, DateTime},
};
use polars::prelude::*;
use retrocast_domain::{
    DatasetRef, Window, WindowSpec,
    report::{Expectation, SourceNote},
};

/// Seeded noise for tests.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// Uniform in 0..1 (`SplitMix64`).
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Approximately standard normal: a sum of twelve uniform numbers.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Poisson distributed with mean `mean`.
    pub(crate) fn poisson(&mut self, mean: f64) -> usize {
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

/// The context of a stage named "test" whose window is the week before `date`.
pub(crate) fn context(date: &str) -> Context {
    let window: Window = WindowSpec::Week.last_complete(date.parse().expect("a date"), "UTC");
    context_of("test", window)
}

/// The context of a stage with the given name and window.
pub(crate) fn context_of(stage: &str, window: Window) -> Context {
    Context {
        stage: stage.to_string(),
        title: String::new(),
        window,
        compare: Vec::new(),
        seed: 7,
        cells: Vec::new(),
        stop: Stop::default(),
    }
}

/// A dataset at version 3, with the time column "at" if it has one.
pub(crate) fn input(name: &str, frame: DataFrame) -> Input {
    let time = frame.column("at").is_ok().then(|| "at".to_string());
    let rows = frame.height() as u64;
    let dataset = DatasetRef {
        name: name.to_string(),
        version: 3,
        rows,
    };
    Input {
        time,
        ..Input::new(frame, dataset)
    }
}

/// A time column from local times in UTC.
pub(crate) fn times(name: &str, times: &[DateTime]) -> Column {
    let zone = jiff::tz::TimeZone::UTC;
    let micros: Vec<i64> = times
        .iter()
        .map(|time| zone.to_timestamp(*time).expect("a time").as_microsecond())
        .collect();
    let column = Column::new(name.into(), micros);
    let dtype = DataType::Datetime(TimeUnit::Microseconds, Some(polars::prelude::TimeZone::UTC));
    column.cast(&dtype).expect("times")
}

/// Counts of a source with refused records and duplicates.
pub(crate) fn source(records: u64, bad: u64, duplicates: u64) -> SourceNote {
    SourceNote {
        name: "tickets".to_string(),
        uri: "data/raw/tickets".to_string(),
        contract: "ticket".to_string(),
        files: 10,
        records,
        accepted: records - bad - duplicates,
        quarantined: vec![("severity: not one of the allowed values".to_string(), bad)],
        duplicates,
        broken_files: Vec::new(),
        unknown_fields: Vec::new(),
        missing_fields: Vec::new(),
        retyped_fields: Vec::new(),
        expectation: Expectation::default(),
        first_time: String::new(),
        last_time: String::new(),
        warnings: Vec::new(),
    }
}

/// Creates `count(day, group)` records per day for each group.
pub(crate) fn records(
    first: &str,
    days: usize,
    groups: &[&str],
    mut count: impl FnMut(usize, &str) -> usize,
) -> DataFrame {
    let first: Date = first.parse().expect("a date");
    let (mut at, mut component) = (Vec::new(), Vec::new());
    for day in 0..days {
        for group in groups {
            for i in 0..count(day, group) {
                let date = first + (day as i64).days();
                at.push(date.at((i % 24) as i8, (i / 24 % 60) as i8, 0, 0));
                component.push((*group).to_string());
            }
        }
    }
    let component = Column::new("component".into(), component);
    DataFrame::new(at.len(), vec![times("at", &at), component]).expect("a frame")
}

/// A daily dataset that ends with the window: one row per day and group.
pub(crate) fn daily(series: &[(&str, Vec<f64>)]) -> Input {
    let end = jiff::civil::date(2026, 11, 16);
    let (mut days, mut groups, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (group, group_values) in series {
        for (i, value) in group_values.iter().enumerate() {
            let day = end - ((group_values.len() - i) as i64).days();
            days.push(
                day.at(0, 0, 0, 0)
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .unwrap(),
            );
            groups.push((*group).to_string());
            values.push(*value);
        }
    }
    let micros: Vec<i64> = days
        .iter()
        .map(|day| day.timestamp().as_microsecond())
        .collect();
    let day = Series::new("day".into(), micros)
        .cast(&DataType::Datetime(
            TimeUnit::Microseconds,
            Some(polars::prelude::TimeZone::UTC),
        ))
        .unwrap();
    let frame = DataFrame::new_infer_height(vec![
        day.into_column(),
        Column::new("component".into(), groups),
        Column::new("failures".into(), values),
    ])
    .unwrap();
    input("daily_failures", frame)
}
