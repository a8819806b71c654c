//! Params of the kind.

use crate::StageError;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;

/// Params of the stage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    pub(super) input: String,
    /// Column of the time. Default: from the contract.
    #[schemars(extend("x-column" = "input"))]
    pub(super) time: Option<String>,
    /// Columns to group by. Default: one series of all records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) by: Vec<String>,
    /// Columns of the values. Default: records are counted.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    pub(super) values: Vec<String>,
    /// Length of a row's period.
    #[serde(default)]
    pub(super) every: Every,
    /// Aggregate of the records of a period. Default: the sum of each of `values`.
    pub(super) aggregate: Option<Aggregate>,
    /// Value of a period without records. Default: zero for counts and sums, else missing.
    pub(super) fill: Option<Fill>,
    /// Name of the count column. Default: the input's name.
    pub(super) name: Option<String>,
    /// Unit of the values, such as "ms"; "records" for counts.
    #[serde(default)]
    pub(super) unit: String,
    /// Set to true if features of a row may use the row's own value.
    #[serde(default)]
    pub(super) include_present: bool,
    /// Lags in rows, such as `[1, 7]`.
    #[serde(default)]
    #[schemars(inner(range(min = 1, max = 10_000)))]
    pub(super) lags: Vec<u32>,
    /// Numbers of rows between the two values of a difference.
    #[serde(default)]
    #[schemars(inner(range(min = 1, max = 10_000)))]
    pub(super) differences: Vec<u32>,
    /// Statistics of the last values.
    #[serde(default)]
    pub(super) rolling: Vec<Rolling>,
    /// Statistics of all values so far.
    #[serde(default)]
    pub(super) expanding: Vec<FigureName>,
    /// Half-lives of exponentially weighted means, in rows.
    #[serde(default)]
    #[schemars(inner(range(min = 0.1, max = 10_000.0)))]
    pub(super) half_lives: Vec<f64>,
    /// Values at the same time a week or a year earlier.
    #[serde(default)]
    pub(super) same_period: Vec<SamePeriod>,
    /// Calendar features.
    #[serde(default)]
    pub(super) calendar: Vec<CalendarName>,
    /// Calendar features as sine and cosine.
    #[serde(default)]
    pub(super) cyclic: Vec<Cycle>,
    /// Dates to count days from and to.
    #[serde(default)]
    pub(super) dates: Vec<NamedDates>,
    /// Public holidays.
    pub(super) holidays: Option<Holidays>,
}

/// Length of a row's period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Every {
    /// Elapsed hours.
    Hour,
    /// Calendar days.
    #[default]
    Day,
    /// ISO weeks, from Monday.
    Week,
    /// Unchanged rows.
    None,
}

impl Every {
    /// Name of the time column; `None` for unchanged rows, which keep the column of the input.
    pub(super) fn column(self) -> Option<&'static str> {
        match self {
            Self::Hour => Some("hour"),
            Self::Day => Some("day"),
            Self::Week => Some("week"),
            Self::None => None,
        }
    }

    /// Suffix for a sentence, such as " of a day each".
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Hour => " of an hour each",
            Self::Day => " of a day each",
            Self::Week => " of a week each",
            Self::None => ", unchanged",
        }
    }
}

/// Aggregate of the records of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Aggregate {
    /// Number of records.
    Count,
    /// Sum of the value.
    Sum,
    /// Mean of the value.
    Mean,
    /// Minimum of the value.
    Min,
    /// Maximum of the value.
    Max,
    /// Value of the last record that has one.
    Last,
    /// 95th percentile of the value.
    P95,
}

/// Value of a period without records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fill {
    /// Missing.
    Null,
    /// 0.
    Zero,
}

/// Statistics of the last values.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rolling {
    /// Number of values.
    #[schemars(range(min = 1, max = 5_000))]
    pub(super) window: u32,
    /// Statistics to compute.
    #[serde(default)]
    pub(super) figures: Vec<FigureName>,
    /// Quantiles to compute, each between 0 and 1.
    #[serde(default)]
    #[schemars(inner(range(min = 0.0, max = 1.0)))]
    pub(super) quantiles: Vec<f64>,
    /// Minimum number of known values. Default: the window.
    #[schemars(range(min = 1, max = 5_000))]
    pub(super) periods_min: Option<u32>,
}

/// A statistic of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FigureName {
    /// Sum.
    Sum,
    /// Mean.
    Mean,
    /// Minimum.
    Min,
    /// Maximum.
    Max,
    /// Standard deviation, with divisor n − 1.
    Sd,
}

/// An earlier time to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SamePeriod {
    /// Seven days earlier.
    Week,
    /// The same date a year earlier; 28 February for 29 February. For weeks, 52 weeks earlier.
    Year,
    /// 364 days earlier: the same day of the week.
    YearByWeekday,
}

/// A calendar feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CalendarName {
    /// Hour of the day, 0 to 23.
    Hour,
    /// Day of the week, 1 for Monday to 7.
    DayOfWeek,
    /// Day of the month, from 1.
    DayOfMonth,
    /// Day of the year, from 1.
    DayOfYear,
    /// ISO week of the year, 1 to 53.
    WeekOfYear,
    /// Month, 1 to 12.
    Month,
    /// Quarter, 1 to 4.
    Quarter,
    /// Year.
    Year,
    /// True on Saturdays and Sundays.
    IsWeekend,
    /// True on the first day of a month.
    IsMonthStart,
    /// True on the last day of a month.
    IsMonthEnd,
}

/// A cyclic calendar feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cycle {
    /// Hour of the day.
    Hour,
    /// Day of the week.
    DayOfWeek,
    /// Day of the month, relative to the length of the month.
    DayOfMonth,
    /// Day of the year, relative to the length of the year.
    DayOfYear,
    /// Month.
    Month,
}

/// Dates to count days from and to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedDates {
    /// Name of the dates, used in column names, such as "release".
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]*$"))]
    pub(super) name: String,
    /// Dates, in ISO format.
    #[schemars(length(min = 1))]
    pub(super) dates: Vec<Day>,
}

/// A date in a job file, such as 2026-01-31.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Day(String);

impl JsonSchema for Day {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date" })
    }
}

impl Day {
    /// Parses the date.
    pub(super) fn date(&self) -> Result<Date, StageError> {
        let text = &self.0;
        text.parse().map_err(|_| {
            StageError::Other(format!("{text:?} is not a day; write it as 2026-01-31"))
        })
    }
}

/// Public holidays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Holidays {
    /// Countries whose holidays are used.
    #[serde(default)]
    pub(super) countries: Vec<Country>,
    /// Additional days.
    #[serde(default)]
    pub(super) dates: Vec<NamedDate>,
}

/// A country with known holiday rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Country {
    /// England and Wales: bank holidays.
    England,
    /// United States: federal holidays.
    UnitedStates,
    /// Germany: holidays of all states.
    Germany,
    /// France: national holidays.
    France,
}

/// A day with a name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedDate {
    /// Day, in ISO format.
    pub(super) date: Day,
    /// Name of the day.
    pub(super) name: String,
}

impl Params {
    /// Aggregate of the records of a period.
    pub(super) fn aggregate(&self) -> Aggregate {
        let default = if self.values.is_empty() {
            Aggregate::Count
        } else {
            Aggregate::Sum
        };
        self.aggregate.unwrap_or(default)
    }

    /// Returns true if a period without records is zero.
    pub(super) fn fills_zero(&self) -> bool {
        let adds_up = self.every != Every::None
            && matches!(self.aggregate(), Aggregate::Count | Aggregate::Sum);
        self.fill.map_or(adds_up, |fill| fill == Fill::Zero)
    }

    /// Names of the columns of the series' own values.
    pub(super) fn value_columns(&self) -> Vec<String> {
        if self.every == Every::None || self.aggregate() != Aggregate::Count {
            return self.values.clone();
        }
        vec![self.name.clone().unwrap_or_else(|| self.input.clone())]
    }

    /// Unit of the values.
    pub(super) fn unit(&self) -> &str {
        let is_count = self.every != Every::None && self.aggregate() == Aggregate::Count;
        match self.unit.as_str() {
            "" if is_count => "records",
            unit => unit,
        }
    }

    /// Checks rules that the schema cannot express.
    pub(super) fn check(&self) -> Result<(), StageError> {
        let fail = |message: &str| Err(StageError::Other(message.to_string()));
        if self.every == Every::None && self.values.is_empty() {
            return fail("`every = \"none\"` uses rows unchanged: name their `values`");
        }
        if self.every != Every::None
            && self.values.is_empty()
            && self.aggregate() != Aggregate::Count
        {
            return fail("this aggregate needs `values`; without them use \"count\"");
        }
        if let Some(rolling) = self.rolling.iter().find(|r| r.periods_min > Some(r.window)) {
            return Err(StageError::Other(format!(
                "`periods_min` of a rolling window of {} is greater than the window",
                rolling.window
            )));
        }
        if self
            .rolling
            .iter()
            .any(|r| r.figures.is_empty() && r.quantiles.is_empty())
        {
            return fail("a rolling window needs `figures` or `quantiles`");
        }
        Ok(())
    }
}
