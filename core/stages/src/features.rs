//! Columns that say what was known at each moment: lags, rolling figures, the calendar, holidays.
//!
//! Records become one series for each value of the `by` columns, with one row an hour, day or week of
//! the job's time zone (`every`), and beside each row stand the features that the params ask for. The
//! result is a dataset for the stages that predict, explain or look for anomalies: they take it as
//! `input` and name its columns, such as `value = "failures_rolling_mean_28"`.
//!
//! # Rows
//!
//! A series begins with its own first record; all end with the last record of any. Hours are those
//! that passed: a day on which the clocks go back has 25, one on which they go forward 23. Days and
//! weeks are civil days and ISO weeks. The first and the last row may hold a part of a period only.
//! With `every = "none"` the rows are taken as they are, in the order of their times: for series that
//! are regular already. Records at or after the end of the window are left out, and so are, of regular
//! series, records so long before all others that they are no part of the history: one of 1970 would
//! make rows for half a century.
//!
//! A period without records is 0 for counts and sums and missing for other aggregates, unless `fill`
//! says otherwise. Missing is not zero: figures over a window leave it out.
//!
//! # Features
//!
//! | param | column | what it is |
//! |---|---|---|
//! | `lags = [7]` | `x_lag_7` | the value seven rows before |
//! | `differences = [1]` | `x_diff_1` | the newest value known, minus the one a row before it |
//! | `rolling` | `x_rolling_mean_28` | figure of the last 28 values known; `sum`, `mean`, `min`, `max`, `sd`, or a quantile: `x_rolling_q90_28` |
//! | `expanding` | `x_expanding_mean` | the same over all values known so far |
//! | `half_lives = [7]` | `x_ewm_7` | mean with weights that halve every seven rows |
//! | `same_period` | `x_last_week`, `x_last_year` | the value at the same civil time seven days before, at the same date a year before, or (`year_by_weekday`: `x_last_year_by_weekday`) 364 days before |
//! | `calendar` | `day_of_week`, `is_month_end`, ... | what the calendar says of the row's time |
//! | `cyclic` | `hour_sin`, `hour_cos`, ... | the same as a place on a circle, so that 23:00 is next to 00:00 |
//! | `dates` | `days_since_x`, `days_until_x` | whole days from the latest and to the next of dates that the job names |
//! | `holidays` | `is_holiday`, `holiday`, `days_to_holiday`, `days_since_holiday` | public holidays, by rule or by date |
//!
//! # No leak of the future
//!
//! By default everything made of values looks at the rows before only: what stands in a row was known
//! before its period began. So a model that is given the row may foretell the row's own value. With
//! `include_present = true` the row's own value is known too: for stages that judge what has happened.
//! Lags and `same_period` look back in either case. The calendar, holidays and dates are known ahead.
//! The series' own column is the value itself, which is what is to be foretold: not a feature.
//!
//! A rolling figure is missing until as many values are known as its window has, or `periods_min`.
//!
//! # Holidays
//!
//! Rules for `england` (and Wales; bank holidays since 1978 with their substitutes and the special
//! days), `united_states` (federal holidays, with the days on which they are observed), `germany`
//! (those of all its states since 1995) and `france`. Easter is that of the Gregorian calendar
//! (Meeus, 1991). What no rule knows stands in `holidays.dates`. A week is a holiday when one of its
//! days is.
//!
//! # Caveats
//!
//! Lags count rows: in hours of the clock `x_lag_24` is one hour off after the clocks changed, where
//! `same_period` is not. Rolling figures over a gap in the records rest on fewer values.
//!
//! ```toml
//! [stage.daily_features]
//! kind        = "features"
//! input       = "tickets"
//! by          = ["component"]
//! every       = "day"
//! lags        = [1, 7]
//! rolling     = [{ window = 28, figures = ["mean", "sd"], quantiles = [0.9] }]
//! same_period = ["week"]
//! calendar    = ["day_of_week", "is_weekend", "is_month_end"]
//! holidays    = { countries = ["england"] }
//! ```

use crate::{Analysis, Context, Inputs, Kind, Reads, StageError, with_findings};
use polars::prelude::{Column, DataFrame};
use retrocast_domain::{
    Cell, CellStatus, Chapter,
    number::{self, plural},
};
use serde_json::Value;

mod calendar;
mod columns;
mod easter;
mod holidays;
mod lags;
mod params;
mod rows;
#[cfg(test)]
mod tests;

use columns::Feature;
use params::Params;
use rows::Rows;

/// The kind, as it is registered.
pub const FEATURES: Kind = Kind {
    name: "features",
    chapter: Some(Chapter::Other),
    code_version: 3,
    summary: "Makes regular series with lags, rolling figures, calendar and holidays beside them.",
    manual: include_str!("features.rs"),
    schema: || schemars::schema_for!(Params),
    result: None,
    reads: Reads::All,
    run,
};

const METHOD: &str = "Regular series by aggregation; lags, rolling, expanding and exponentially \
                      weighted figures of the values before; Gregorian calendar and rules of public \
                      holidays";

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    params.check()?;
    let input = crate::input(inputs, &params.input)?;
    let mut cell = Cell::new(&context.stage, FEATURES.name);
    cell.title = format!("Features of {}", params.input.replace('_', " "));
    cell.method = METHOD.to_string();
    cell.did = format!("Wanted to make features of {}.", params.input);
    let rows = Rows::read(context, &params, input, &mut cell.caveats)?;
    cell.records = Some(rows.in_window);
    if rows.len() == 0 {
        let name = &input.dataset.name;
        let message = format!(
            "no records: {name} has none with a time before the end of the window, {}; check the \
             source",
            context.window.words()
        );
        cell.status = CellStatus::NotEnough { message };
        return Ok(Analysis { cell, frame: None });
    }
    let mut features = lags::features(context, &params, &rows);
    features.extend(calendar::features(&params, &rows));
    features.extend(holidays::features(&params, &rows)?);
    cell.did = format!(
        "Made {} of {} in {}, {}{}.",
        plural(features.len() as u64, "feature"),
        params.input,
        number::count(rows.ranges.len() as u64) + " series",
        plural(rows.len() as u64, "row"),
        params.every.words()
    );
    let (table, frame) = assemble(&params, rows, features)?;
    cell.tables.push(table);
    Ok(Analysis {
        cell: with_findings(cell, Vec::new()),
        frame: Some(frame),
    })
}

/// The dataset, and the table that says what its columns are.
fn assemble(
    params: &Params,
    rows: Rows,
    features: Vec<Feature>,
) -> Result<(retrocast_domain::Table, DataFrame), StageError> {
    let height = rows.len();
    let mut columns = rows.into_columns(params);
    let own = columns.len();
    columns.extend(features.iter().map(|feature| feature.column.clone()));
    let mut names = std::collections::BTreeSet::new();
    if let Some(twice) = columns.iter().find(|column| !names.insert(column.name())) {
        return Err(StageError::Other(format!(
            "two columns would be called {:?}; give the series another `name`, or name no column \
             like a feature",
            twice.name()
        )));
    }
    let table = columns::table(params, &columns[..own], &features);
    Ok((table, DataFrame::new(height, columns)?))
}

/// A column of numbers.
fn numbers(name: &str, values: Vec<Option<f64>>) -> Column {
    Column::new(name.into(), values)
}
