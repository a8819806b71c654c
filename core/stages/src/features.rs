//! Features of regular time series: lags, rolling statistics, calendar, holidays.
//!
//! Records become one series for each value of the `by` columns, with one row per hour, day or week
//! in the job's time zone (`every`) and a column for each requested feature. The result is a
//! dataset for stages that predict, explain or detect anomalies: they use it as `input` and name
//! its columns, such as `value = "failures_rolling_mean_28"`.
//!
//! # Rows
//!
//! A series begins with its own first record; all series end with the last of all records. Hours
//! are elapsed hours: a day on which clocks go back has 25, and a day on which they go forward 23.
//! Days and weeks are calendar days and ISO weeks. The first and the last row may cover only a part
//! of their period. With `every = "none"` the rows are used unchanged, ordered by time: for series
//! that are already regular. Records at or after the end of the window are excluded. From regular
//! series, isolated records long before all others are excluded, too: a record from 1970 would add
//! rows for half a century.
//!
//! A period without records is 0 for counts and sums and missing for other aggregates, unless
//! `fill` is set. Missing is not zero: rolling statistics ignore missing values.
//!
//! # Features
//!
//! | param | column | definition |
//! |---|---|---|
//! | `lags = [7]` | `x_lag_7` | the value seven rows earlier |
//! | `differences = [1]` | `x_diff_1` | the latest known value minus the one a row earlier |
//! | `rolling` | `x_rolling_mean_28` | statistic of the last 28 known values; `sum`, `mean`, `min`, `max`, `sd`, or a quantile: `x_rolling_q90_28` |
//! | `expanding` | `x_expanding_mean` | the same over all known values so far |
//! | `half_lives = [7]` | `x_ewm_7` | exponentially weighted mean with a half-life of seven rows |
//! | `same_period` | `x_last_week`, `x_last_year` | the value at the same local time seven days earlier, on the same date a year earlier, or (`year_by_weekday`: `x_last_year_by_weekday`) 364 days earlier |
//! | `calendar` | `day_of_week`, `is_month_end`, ... | calendar features of the row's time |
//! | `cyclic` | `hour_sin`, `hour_cos`, ... | the same as sine and cosine, so that 23:00 is next to 00:00 |
//! | `dates` | `days_since_x`, `days_until_x` | whole days since the latest and until the next of the given dates |
//! | `holidays` | `is_holiday`, `holiday`, `days_to_holiday`, `days_since_holiday` | public holidays, by rule or by date |
//!
//! # No data leakage
//!
//! By default, features use earlier rows only: every feature of a row was known before its period
//! began, so a forecaster may use them to predict the row's own value. With
//! `include_present = true` features may use the row's own value: for stages that assess the past.
//! Lags and `same_period` look back in either case. Calendar, holidays and dates are known in
//! advance. The column of the series itself is the target, not a feature.
//!
//! A rolling statistic is missing until the window, or `periods_min`, values are known.
//!
//! # Holidays
//!
//! Rules for `england` (and Wales; bank holidays since 1978 with substitute and special days),
//! `united_states` (federal holidays, on the days they are observed), `germany` (holidays common to
//! all states since 1995) and `france`. Easter is that of the Gregorian calendar (Meeus, 1991). Add
//! other days with `holidays.dates`. A week is a holiday when one of its days is.
//!
//! # Caveats
//!
//! Lags count rows: with hourly rows, `x_lag_24` is off by one hour after a clock change, where
//! `same_period` is not. Rolling statistics over a gap in the records use fewer values.
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

use crate::{Analysis, Context, Inputs, Reads, StageError, StageKind, with_findings};
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

/// The registered kind.
pub const FEATURES: StageKind = StageKind {
    name: "features",
    chapter: Some(Chapter::Other),
    code_version: 4,
    summary: "Makes regular series with lags, rolling statistics, calendar and holidays.",
    manual: include_str!("features.rs"),
    schema: || schemars::schema_for!(Params),
    result: None,
    reads: Reads::All,
    earlier_values: false,
    ledger: &[],
    run,
};

const METHOD: &str = "Regular series by aggregation; lags, rolling, expanding and exponentially \
                      weighted statistics of earlier values; Gregorian calendar and rules of public \
                      holidays";

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    params.check()?;
    let input = crate::input(inputs, &params.input)?;
    let mut cell = Cell::new(&context.stage, FEATURES.name);
    cell.title = format!("Features of {}", params.input.replace('_', " "));
    cell.method = METHOD.to_string();
    cell.did = format!("Could not make features of {}.", params.input);
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
        params.every.suffix()
    );
    let (table, frame) = assemble(&params, rows, features)?;
    cell.tables.push(table);
    Ok(Analysis {
        cell: with_findings(cell, Vec::new()),
        frame: Some(frame),
    })
}

/// The dataset, and the table that describes its columns.
fn assemble(
    params: &Params,
    rows: Rows,
    features: Vec<Feature>,
) -> Result<(retrocast_domain::Table, DataFrame), StageError> {
    let height = rows.len();
    let mut columns = rows.into_columns(params);
    let series_columns = columns.len();
    columns.extend(features.iter().map(|feature| feature.column.clone()));
    let mut names = std::collections::BTreeSet::new();
    if let Some(duplicate) = columns.iter().find(|column| !names.insert(column.name())) {
        return Err(StageError::Other(format!(
            "two columns would be named {:?}; give the series another `name`, or name no column \
             like a feature",
            duplicate.name()
        )));
    }
    let table = columns::table(params, &columns[..series_columns], &features);
    Ok((table, DataFrame::new(height, columns)?))
}

/// Creates a column of numbers.
fn numbers(name: &str, values: Vec<Option<f64>>) -> Column {
    Column::new(name.into(), values)
}
