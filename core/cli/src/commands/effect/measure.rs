//! Measures an effect from a CSV file, as the arguments specify.

use super::{
    Estimator,
    evaluation::{Alternative, Evaluation, Point, RankOfTreated, SegmentChanges, Verdict, Weight},
    periods::{Notation, Periods, SUPPORTED_FORMS, Time},
    table::Table,
};
use crate::{arguments::EffectArguments, diagnose::WrongUsage};
use retrocast_stats::{
    effect::Test,
    intervention::{self, Intervention, SeriesEffect, SeriesMethod},
    panel::{self, Panel, PanelEffect, PanelError},
    seasonal::interpolate,
};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of units, because every pair of them is compared.
const UNITS_MAX: usize = 1_000;

/// Rows of the file with their times.
struct Rows {
    table: Table,
    notation: Notation,
    /// Line and time of each row.
    times: Vec<(u64, Time)>,
    values: Vec<Option<f64>>,
}

/// Reads the file and measures the effect.
pub(super) fn evaluate(arguments: &EffectArguments) -> anyhow::Result<Evaluation> {
    let table = Table::read(&arguments.csv)?;
    Ok(evaluate_table(arguments, table)?)
}

/// Measures the effect from a table.
pub(super) fn evaluate_table(
    arguments: &EffectArguments,
    table: Table,
) -> Result<Evaluation, WrongUsage> {
    let rows = Rows::new(arguments, table)?;
    let start = rows.notation.parse(arguments.start.trim()).ok_or_else(|| {
        let start = &arguments.start;
        WrongUsage(format!(
            "--start {start:?} is not a time of the column; supported forms: {SUPPORTED_FORMS}"
        ))
    })?;
    let estimator = Estimator::of(arguments.method);
    match (&arguments.unit, estimator) {
        (None, Some(Estimator::Panel(method))) => Err(WrongUsage(format!(
            "method {} compares units: name their column with --unit",
            method.name()
        ))),
        (None, Some(Estimator::Series(method))) => rows.series(arguments, start, method, None),
        (None, None) => {
            let reason = "on season and controls, since there is one series".to_string();
            rows.series(arguments, start, SeriesMethod::Regression, Some(reason))
        }
        (Some(unit), _) => rows.panel(arguments, unit, start, estimator),
    }
}

impl Rows {
    fn new(arguments: &EffectArguments, table: Table) -> Result<Self, WrongUsage> {
        let (time, value) = (
            table.column(&arguments.time)?,
            table.column(&arguments.value)?,
        );
        let notation = Notation::of(table.cells(time).map(|(_, cell)| cell));
        let read = |(line, cell): (u64, &str)| {
            let time = notation.parse(cell).ok_or_else(|| {
                let column = &arguments.time;
                let message = format!(
                    "{cell:?} in column {column:?} is not a time; supported forms: {SUPPORTED_FORMS}"
                );
                table.error(Some(line), &message)
            })?;
            Ok((line, time))
        };
        let times = table.cells(time).map(read).collect::<Result<Vec<_>, _>>()?;
        let values = table.numbers(value)?;
        Ok(Self {
            table,
            notation,
            times,
            values,
        })
    }

    /// The distinct times of all rows, ascending.
    fn distinct_times(&self) -> Vec<Time> {
        let times: BTreeSet<Time> = self.times.iter().map(|(_, time)| *time).collect();
        times.into_iter().collect()
    }

    fn series(
        &self,
        arguments: &EffectArguments,
        start: Time,
        method: SeriesMethod,
        reason: Option<String>,
    ) -> Result<Evaluation, WrongUsage> {
        let periods = Periods::with_gaps(&self.distinct_times());
        let mut row_of_period = BTreeMap::new();
        for (row, (line, time)) in self.times.iter().enumerate() {
            if row_of_period.insert(periods.index(*time), row).is_some() {
                let name = periods
                    .index(*time)
                    .map_or_else(String::new, |i| periods.name(i));
                let message = format!("{name} occurs twice; name the column of units with --unit");
                return Err(self.table.error(Some(*line), &message));
            }
        }
        let by_period = |cells: &[Option<f64>]| -> Vec<Option<f64>> {
            (0..periods.times.len())
                .map(|period| row_of_period.get(&Some(period)).and_then(|row| cells[*row]))
                .collect()
        };
        let mut caveats = Vec::new();
        let mut controls = Vec::new();
        for name in &arguments.controls {
            let cells = by_period(&self.table.numbers(self.table.column(name)?)?);
            let missing = cells.iter().filter(|cell| cell.is_none()).count();
            if missing > 0 {
                caveats.push(format!(
                    "Column {name} has no value in {missing} of {} periods; they were filled by linear \
                     interpolation.",
                    cells.len()
                ));
            }
            controls.push(interpolate(&cells));
        }
        let values = by_period(&self.values);
        let series = measure_series(&periods, &values, &controls, start, method)?;
        if controls.is_empty() {
            caveats.push(
                "There is no control: other changes at that time cannot be distinguished from this one."
                    .to_string(),
            );
        }
        Ok(series_evaluation(
            arguments, &periods, &values, start, series, reason, caveats,
        ))
    }

    fn panel(
        &self,
        arguments: &EffectArguments,
        unit: &str,
        start: Time,
        estimator: Option<Estimator>,
    ) -> Result<Evaluation, WrongUsage> {
        let periods = Periods::new(&self.distinct_times());
        let column = self.table.column(unit)?;
        let mut names: Vec<String> = Vec::new();
        let mut unit_indices: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rows: Vec<Vec<Option<f64>>> = Vec::new();
        let mut filled = BTreeSet::new();
        let cells = self.table.cells(column).zip(&self.times).zip(&self.values);
        for (((line, name), (_, time)), value) in cells {
            let unit_index = *unit_indices.entry(name).or_insert_with(|| {
                names.push(name.to_string());
                // Too many units are an error below, so their rows are not needed.
                let periods = if names.len() > UNITS_MAX {
                    0
                } else {
                    periods.times.len()
                };
                rows.push(vec![None; periods]);
                names.len() - 1
            });
            let Some(period) = periods.index(*time) else {
                continue;
            };
            if !filled.insert((unit_index, period)) {
                let message = format!("{name:?} has a second row for {}", periods.name(period));
                return Err(self.table.error(Some(line), &message));
            }
            if unit_index < UNITS_MAX {
                rows[unit_index][period] = *value;
            }
        }
        if names.len() > UNITS_MAX {
            let message = format!(
                "has {} units in column {unit:?}; the maximum is {UNITS_MAX}",
                names.len()
            );
            return Err(self.table.error(None, &message));
        }
        let treated: Vec<&str> = arguments.treated.iter().map(String::as_str).collect();
        let change = periods.at_or_after(start);
        let usage_error =
            |error: PanelError| self.table.error(None, &describe(&error, &periods, &names));
        let panel = Panel::new(names.clone(), &rows, &treated, change).map_err(usage_error)?;
        let (method, reason) = match estimator {
            Some(Estimator::Panel(method)) => (method, None),
            None => {
                let choice = panel::choose(&panel);
                (choice.method, Some(choice.reason.to_string()))
            }
            Some(Estimator::Series(method)) => {
                let mean = |is_treated: bool| -> Vec<f64> {
                    let units = || {
                        let pairs = names.iter().zip(&rows);
                        pairs.filter(|(name, _)| treated.contains(&name.as_str()) == is_treated)
                    };
                    let sum =
                        |period: usize| units().filter_map(|(_, row)| row[period]).sum::<f64>();
                    let count = units().count() as f64;
                    (0..periods.times.len())
                        .map(|period| sum(period) / count)
                        .collect()
                };
                let values: Vec<Option<f64>> = mean(true).into_iter().map(Some).collect();
                let controls = [mean(false)];
                let series = measure_series(&periods, &values, &controls, start, method)?;
                let caveats =
                    vec!["The control is the mean of the units without the change.".to_string()];
                let evaluation =
                    series_evaluation(arguments, &periods, &values, start, series, None, caveats);
                return Ok(evaluation);
            }
        };
        let effect = panel::measure(&panel, method, None).map_err(usage_error)?;
        Ok(panel_evaluation(
            arguments, &periods, change, effect, reason,
        ))
    }
}

/// Describes an error of a panel with the name of its period, or with a suggestion for an unknown
/// unit.
fn describe(error: &PanelError, periods: &Periods, names: &[String]) -> String {
    match error {
        PanelError::Missing {
            unit,
            missing,
            periods: count,
            first,
        } => format!(
            "has no value of {unit:?} in {missing} of {count} periods, first in {}; every unit needs \
             one in each",
            periods.name(*first)
        ),
        PanelError::TreatedAbsent { name } => {
            let names = names.iter().map(String::as_str);
            let nearest = retrocast_domain::suggest::nearest(name, names);
            let hint = nearest.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
            format!("has no unit {name:?}{hint}")
        }
        PanelError::StartOutside { .. } => start_after_end(periods),
        error => format!("gives no estimate: {error}"),
    }
}

fn start_after_end(periods: &Periods) -> String {
    let last = periods.times.len().saturating_sub(1);
    format!(
        "ends with {}, before the start of the change",
        periods.name(last)
    )
}

fn measure_series(
    periods: &Periods,
    values: &[Option<f64>],
    controls: &[Vec<f64>],
    start: Time,
    method: SeriesMethod,
) -> Result<SeriesEffect, WrongUsage> {
    let controls: Vec<&[f64]> = controls.iter().map(Vec::as_slice).collect();
    let intervention = Intervention {
        values,
        controls: &controls,
        change: periods.at_or_after(start),
        cadence: periods.cadence,
    };
    intervention::measure(&intervention, method).map_err(|error| WrongUsage(error.to_string()))
}

fn finite(interval: [f64; 2]) -> [Option<f64>; 2] {
    interval.map(|bound| bound.is_finite().then_some(bound))
}

fn panel_evaluation(
    arguments: &EffectArguments,
    periods: &Periods,
    change: usize,
    effect: PanelEffect,
    reason: Option<String>,
) -> Evaluation {
    let point = |(period, (observed, expected)): (usize, (&f64, &f64))| Point {
        period: periods.name(period),
        observed: Some(*observed),
        expected: Some(*expected),
    };
    let paths = effect.observed.iter().zip(&effect.counterfactual);
    let expected = &effect.counterfactual[change..];
    let level = expected.iter().sum::<f64>() / expected.len() as f64;
    let [low, high] = effect.interval;
    let relative = [effect.estimate, low, high].map(|value| value / level);
    Evaluation {
        value: arguments.value.clone(),
        treated: arguments.treated.clone(),
        start: periods.name(change),
        method: effect.method.name(),
        reason,
        estimate: effect.estimate,
        interval: finite(effect.interval),
        p_value: effect.p,
        verdict: Verdict::of(effect.estimate, effect.p),
        inference: effect.inference.to_string(),
        relative: (level > 0.0 && relative.iter().all(|share| share.is_finite()))
            .then_some(relative),
        periods_before: change,
        periods_after: periods.times.len() - change,
        periods: periods.cadence.unit(),
        pre_rmse: effect.pre_rmse,
        unit_weights: effect
            .unit_weights
            .into_iter()
            .map(|(name, weight)| Weight { name, weight })
            .collect(),
        time_weights: effect
            .time_weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(period, weight)| Weight {
                name: periods.name(period),
                weight: *weight,
            })
            .collect(),
        rank: effect.rank.map(|rank| RankOfTreated {
            rank: rank.rank,
            units: rank.units,
            p_value: rank.p,
            least_p_value: rank.floor,
        }),
        segments: None,
        path: paths.enumerate().map(point).collect(),
        placebos: effect
            .placebos
            .into_iter()
            .map(|placebo| Alternative {
                name: placebo.units.join(", "),
                estimate: placebo.estimate,
            })
            .collect(),
        leave_one_out: effect
            .leave_one_out
            .into_iter()
            .map(|without| Alternative {
                name: without.unit,
                estimate: without.estimate,
            })
            .collect(),
        backdated: effect
            .backdated
            .into_iter()
            .map(|backdated| Alternative {
                name: periods.name(backdated.start),
                estimate: backdated.estimate,
            })
            .collect(),
        caveats: effect.caveats.iter().map(ToString::to_string).collect(),
    }
}

fn series_evaluation(
    arguments: &EffectArguments,
    periods: &Periods,
    values: &[Option<f64>],
    start: Time,
    series: SeriesEffect,
    reason: Option<String>,
    mut caveats: Vec<String>,
) -> Evaluation {
    let change = periods.at_or_after(start);
    let estimate = &series.estimate;
    let [effect, low, high] = estimate.absolute;
    let expected = |period: usize| estimate.expected.get(period).copied().flatten();
    let squares: Vec<f64> = (0..change)
        .filter_map(|period| Some((values[period]? - expected(period)?).powi(2)))
        .collect();
    let inference = match estimate.test {
        Test::Placebo => "placebo in time",
        Test::Model => "model",
        Test::Constant => "constant",
    };
    if estimate.test == Test::Model {
        caveats.push(format!(
            "The estimate could not be tested at earlier dates: there are {} {} before the change, \
             {} are needed. Its interval relies only on a model of the noise.",
            estimate.steps_of_history,
            periods.cadence.unit(),
            estimate.placebo_steps
        ));
    }
    Evaluation {
        value: arguments.value.clone(),
        treated: arguments.treated.clone(),
        start: periods.name(change),
        method: series.method.name(),
        reason,
        estimate: effect,
        interval: finite([low, high]),
        p_value: estimate.p,
        verdict: Verdict::of(effect, estimate.p),
        inference: inference.to_string(),
        relative: estimate
            .relative
            .iter()
            .all(|share| share.is_finite())
            .then_some(estimate.relative),
        periods_before: estimate.steps_before,
        periods_after: estimate.steps_after,
        periods: periods.cadence.unit(),
        pre_rmse: (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt(),
        unit_weights: Vec::new(),
        time_weights: Vec::new(),
        rank: None,
        segments: series.segments.map(|segments| SegmentChanges {
            level: segments.level,
            slope: segments.slope,
        }),
        path: values
            .iter()
            .enumerate()
            .map(|(period, value)| Point {
                period: periods.name(period),
                observed: *value,
                expected: expected(period),
            })
            .collect(),
        placebos: Vec::new(),
        leave_one_out: Vec::new(),
        backdated: Vec::new(),
        caveats,
    }
}
