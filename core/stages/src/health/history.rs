//! Scores of earlier windows, from the ledger.

use crate::{Input, Inputs, StageError, frame, rows::UnusableValues};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use retrocast_domain::Window;
use std::collections::BTreeMap;

/// Name of the ledger table.
pub(super) const TABLE: &str = "ledger.health";

/// A score of an earlier window.
#[derive(Debug, Clone, Copy)]
pub(super) struct EarlierScore {
    pub(super) window_start: DateTime,
    window_end: Timestamp,
    pub(super) score: f64,
    pub(super) poor_times: u64,
    pub(super) falls: u64,
}

/// Scores by component, the oldest first.
#[derive(Default)]
pub(super) struct History(BTreeMap<String, Vec<EarlierScore>>);

impl History {
    pub(super) fn read(inputs: &Inputs) -> Result<Self, StageError> {
        inputs
            .get(TABLE)
            .map_or_else(|| Ok(Self::default()), read_scores)
    }

    /// The score of the window that ends where `window` begins.
    pub(super) fn previous(&self, window: &Window, component: &str) -> Option<&EarlierScore> {
        let last = self.before(window, component).last()?;
        (last.window_end == window.start_instant()).then_some(last)
    }

    /// The scores of the windows before `window`.
    pub(super) fn before(&self, window: &Window, component: &str) -> &[EarlierScore] {
        let start = window.start_instant();
        let scores = self.0.get(component).map_or(&[][..], Vec::as_slice);
        &scores[..scores.partition_point(|score| score.window_end <= start)]
    }
}

fn read_scores(input: &Input) -> Result<History, StageError> {
    let rows = input.read_all(&[
        "component",
        "score",
        "poor_times",
        "falls",
        "window_start",
        "window_end",
    ])?;
    let components = frame::texts(&rows, "component")?;
    let mut unusable = UnusableValues::default();
    let mut numbers = |name: &str| frame::numbers(&rows, name, &mut unusable);
    let (scores, poor_times, falls) =
        (numbers("score")?, numbers("poor_times")?, numbers("falls")?);
    let (starts, ends) = (
        frame::micros(&rows, "window_start")?,
        frame::micros(&rows, "window_end")?,
    );
    let mut history: BTreeMap<String, Vec<EarlierScore>> = BTreeMap::new();
    for i in 0..components.len() {
        let (Some(component), Some(score), Some(start), Some(end)) =
            (&components[i], scores[i], starts[i], ends[i])
        else {
            continue;
        };
        let (Ok(start), Ok(window_end)) = (
            Timestamp::from_microsecond(start),
            Timestamp::from_microsecond(end),
        ) else {
            continue;
        };
        let count = |values: &[Option<f64>]| values[i].unwrap_or(0.0) as u64;
        history
            .entry(component.clone())
            .or_default()
            .push(EarlierScore {
                window_start: start.to_zoned(TimeZone::UTC).datetime(),
                window_end,
                score,
                poor_times: count(&poor_times),
                falls: count(&falls),
            });
    }
    for earlier in history.values_mut() {
        earlier.sort_by_key(|score| score.window_end);
    }
    Ok(History(history))
}
