//! The data that a method needs, and the messages if a series has less.

use super::{Group, SeriesSet, coverage::Coverage, period::Period};
use crate::{Context, Input, times::Times};
use rayon::prelude::*;
use retrocast_domain::{number::plural, window::date_in_words};

/// Minimum number of records for a series of counts; with fewer, any pattern may be accidental.
pub(crate) const RECORDS_MIN: u64 = 20;
/// Minimum number of periods with records, for the same reason.
pub(crate) const ACTIVE_MIN: usize = 8;

/// The reason why there is nothing to analyse: no records, none with a time, none before the
/// window's end, or none in the window although they were frequent before. A window with records on
/// part of a day suffices.
pub(crate) fn reason_without_data(
    context: &Context,
    input: &Input,
    time: &str,
    times: &Times,
    coverage: Option<&Coverage>,
) -> Option<String> {
    let name = &input.dataset.name;
    let rows = times.records();
    let window = context.window.words();
    let none = context.window.spec.without_records();
    if rows == 0 {
        return Some(format!(
            "no records: {name} has none before the end of the window, {window}; check the source"
        ));
    }
    if times.known() == 0 {
        return Some(format!(
            "{none}: {} of {name} without a time in {time:?}; check the column \
             and its contract",
            plural(rows, "record")
        ));
    }
    let Some(coverage) = coverage else {
        return Some(format!("{none}: all of {name} are after its end, {window}"));
    };
    let start = context.window.start.at(0, 0, 0, 0);
    if coverage.last() < start && coverage.end(Period::Day) <= start {
        let last = date_in_words(coverage.last().date());
        let advice = if coverage.complete_until().is_some() {
            "provide a newer export".to_string()
        } else {
            "check whether the source still delivers; if the absence of records means that nothing happened, set \
             `silence = \"zero\"` under [expect] in its contract"
                .to_string()
        };
        return Some(format!(
            "{none}: the records of {name} end on {last}, before {window}; {advice}"
        ));
    }
    None
}

impl SeriesSet {
    /// Returns true if a group has enough data for a method that needs `periods` periods.
    pub(crate) fn is_enough(&self, group: &Group, periods: usize) -> bool {
        self.missing_data(group, periods).is_none()
    }

    /// Applies `analyse` to each group, in order; `None` for groups with fewer periods than `need`.
    /// Parallel and cancellable.
    pub(crate) fn map_sufficient_groups<'a, T: Send>(
        &'a self,
        context: &Context,
        need: impl Fn(&Group) -> usize + Sync,
        analyse: impl Fn(&'a Group) -> Option<T> + Sync,
    ) -> Vec<Option<T>> {
        self.groups
            .par_iter()
            .map(|group| {
                context.stop.check();
                if self.is_enough(group, need(group)) {
                    analyse(group)
                } else {
                    None
                }
            })
            .collect()
    }

    /// Describes what a group lacks: "9 days, 21 needed".
    pub(crate) fn missing_data(&self, group: &Group, periods: usize) -> Option<String> {
        let noun = self.period.noun();
        let periods_of = |n: usize| plural(n as u64, noun);
        if group.known() < periods {
            return Some(format!("{}, {periods} needed", periods_of(group.known())));
        }
        if self.adds_up && group.records < RECORDS_MIN {
            let records = plural(group.records, "record");
            return Some(format!("{records}, {RECORDS_MIN} needed"));
        }
        if group.active < ACTIVE_MIN {
            return Some(format!(
                "{} with records, {ACTIVE_MIN} needed",
                periods_of(group.active)
            ));
        }
        None
    }

    /// The message for the group that lacks least, with advice: "not enough: 9 days, 21 needed";
    /// `None` if some group has enough.
    pub(crate) fn not_enough(&self, periods: usize) -> Option<String> {
        if self
            .groups
            .iter()
            .any(|group| self.is_enough(group, periods))
        {
            return None;
        }
        let best = self
            .groups
            .iter()
            .max_by_key(|group| (group.known().min(periods), group.records));
        let noun = self.period.noun();
        let missing = best
            .and_then(|group| self.missing_data(group, periods))
            .unwrap_or_else(|| format!("0 {noun}s, {periods} needed"));
        let advice = match self.period {
            Period::Hour | Period::Day => String::new(),
            Period::Week | Period::Month => format!(", or take a shorter period than {noun}s"),
        };
        Some(format!(
            "not enough: {missing}; keep more history in the source{advice}"
        ))
    }

    /// Reports how many groups had too little data.
    pub(crate) fn note_small(&self, periods: usize, caveats: &mut Vec<String>) {
        let small: Vec<&Group> = self
            .groups
            .iter()
            .filter(|group| !self.is_enough(group, periods))
            .collect();
        let Some(first) = small.first() else { return };
        let missing = self.missing_data(first, periods).unwrap_or_default();
        caveats.push(match small.len() {
            1 => format!("{} is not analysed: {missing}.", first.label),
            n => format!(
                "{} are not analysed for lack of records, such as {}: {missing}.",
                plural(n as u64, "group"),
                first.label
            ),
        });
    }
}
