//! Reads all columns of a dataset once, and counts the missing values and distinct strings of each.

use crate::{Context, Input, StageError, times::Times};
use polars::prelude::DataType;
use std::collections::BTreeMap;

/// Maximum number of distinct values of a column of groups.
const VALUES_MAX: usize = 2_000;

/// Statistics of a column.
pub(super) struct Column {
    pub(super) name: String,
    /// Number of records without a value: in the window, and before it.
    pub(super) missing: [u64; 2],
    /// Number of records of each string; `None` for other types, or too many distinct strings.
    pub(super) texts: Option<BTreeMap<String, u64>>,
}

impl Column {
    fn count_texts(&mut self, column: &polars::prelude::Column) {
        let Some(counts) = &mut self.texts else {
            return;
        };
        let Ok(texts) = column.str() else {
            self.texts = None;
            return;
        };
        for text in texts.iter().flatten() {
            match counts.get_mut(text) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(text.to_string(), 1);
                }
            }
            if counts.len() > VALUES_MAX {
                self.texts = None;
                return;
            }
        }
    }
}

/// Statistics of all columns.
pub(super) struct Survey {
    /// Number of records.
    pub(super) records: u64,
    /// Number of records in the window, and before it; without times, all records count as in it.
    pub(super) counts: [u64; 2],
    pub(super) columns: Vec<Column>,
}

impl Survey {
    pub(super) fn read(
        context: &Context,
        input: &Input,
        times: Option<&Times>,
    ) -> Result<Self, StageError> {
        let mut survey = Self {
            records: 0,
            counts: [0; 2],
            columns: (input.columns())
                .map(|(name, dtype)| Column {
                    name: name.to_string(),
                    missing: [0; 2],
                    texts: matches!(dtype, DataType::String).then(BTreeMap::new),
                })
                .collect(),
        };
        let names: Vec<&str> = input.columns().map(|(name, _)| name).collect();
        let time = times.zip(input.time.as_deref());
        input.for_each_batch(&names, |batch| {
            context.stop.check();
            let height = batch.frame.height();
            survey.records += height as u64;
            let times = time
                .map(|(times, name)| times.of(batch, name))
                .transpose()?;
            let now_and_before: Vec<[bool; 2]> = match times {
                Some(times) => times
                    .into_iter()
                    .map(|time| {
                        let day = time.map(jiff::civil::DateTime::date);
                        let is_now = day.is_some_and(|day| context.window.contains(day));
                        [is_now, day.is_some_and(|day| day < context.window.start)]
                    })
                    .collect(),
                None => vec![[true, false]; height],
            };
            for [now, before] in &now_and_before {
                survey.counts[0] += u64::from(*now);
                survey.counts[1] += u64::from(*before);
            }
            for column in &mut survey.columns {
                let values = batch.frame.column(&column.name)?;
                if values.null_count() > 0 {
                    for (is_missing, [now, before]) in values.is_null().iter().zip(&now_and_before)
                    {
                        let is_missing = is_missing == Some(true);
                        column.missing[0] += u64::from(is_missing && *now);
                        column.missing[1] += u64::from(is_missing && *before);
                    }
                }
                column.count_texts(values);
            }
            Ok(())
        })?;
        Ok(survey)
    }
}
