//! The SQL functions that parse, truncate and shift times, all in one time zone.
//!
//! They replace the query engine's own functions, which interpret a time without an offset
//! sometimes as UTC and sometimes as local time, fail for local times that are skipped or repeated,
//! and align the bins of `date_bin` to midnight UTC. The functions here return microseconds with a
//! zone.

use super::clocks::{Clocks, DAY, TimeText, civil, out_of_range, shorten, wall};
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, Date32Array, DurationMicrosecondArray, Int64Array,
            TimestampMicrosecondArray,
        },
        compute::{CastOptions, cast_with_options},
        datatypes::{
            DataType, Date32Type, Field, FieldRef, Float64Type, Int64Type, IntervalMonthDayNano,
            IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
        },
    },
    common::{ScalarValue, exec_err, internal_err, plan_err},
    error::{DataFusionError, Result},
    functions::datetime,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};
use jiff::{Span, civil::DateTime};
use std::sync::Arc;

/// The operation of a time function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    /// Converts a text (with optional formats), a day or a local time to a moment.
    Read {
        /// Returns null for unreadable values.
        lenient: bool,
    },
    /// Converts a text (with optional formats) to a day.
    ReadDay {
        /// Returns null for unreadable values.
        lenient: bool,
    },
    /// The same as `Read`, but numbers are counts of a unit since 1970 UTC.
    FromUnits {
        /// Length of the unit.
        nanoseconds: i64,
        /// Precision to which strings and times are truncated.
        microseconds: i64,
    },
    /// `from_unixtime`: seconds since 1970 UTC, and the zone of the result.
    FromUnixTime,
    /// `to_unixtime`: seconds since 1970 UTC.
    ToUnixTime,
    /// `to_local_time`: the local time in the time's zone, as a time in the job's zone.
    ToLocalTime,
    /// `date_trunc`.
    Truncate,
    /// `date_bin`.
    Bin,
    /// The length of an interval without months, for comparison with the difference of two times.
    Length,
    /// A time plus or minus an interval.
    Shift {
        /// True for minus.
        back: bool,
    },
}

/// A function on times.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeFunction {
    name: &'static str,
    aliases: Vec<String>,
    operation: Operation,
    /// Zone of times without a zone.
    zone: Arc<str>,
    signature: Signature,
}

/// The functions that replace the engine's own.
pub(super) fn functions(zone: &Arc<str>) -> Vec<ScalarUDF> {
    let units = |nanoseconds: i64, microseconds: i64| Operation::FromUnits {
        nanoseconds,
        microseconds,
    };
    let function = |name, alias: &[&str], operation| {
        let mut function = TimeFunction::new(name, operation, Arc::clone(zone));
        function.aliases = alias.iter().map(ToString::to_string).collect();
        ScalarUDF::from(function)
    };
    vec![
        function("to_timestamp", &[], units(1_000_000_000, 1)),
        function("to_timestamp_seconds", &[], units(1_000_000_000, 1_000_000)),
        function("to_timestamp_millis", &[], units(1_000_000, 1000)),
        function("to_timestamp_micros", &[], units(1000, 1)),
        function("to_timestamp_nanos", &[], units(1, 1)),
        function("to_date", &[], Operation::ReadDay { lenient: false }),
        function("from_unixtime", &[], Operation::FromUnixTime),
        function("to_unixtime", &[], Operation::ToUnixTime),
        function("to_local_time", &[], Operation::ToLocalTime),
        function("date_trunc", &["datetrunc"], Operation::Truncate),
        function("date_bin", &[], Operation::Bin),
    ]
}

/// The type of a moment in a zone.
pub(super) fn moment_type(zone: &Arc<str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(zone)))
}

/// Returns true if values of a type are strings.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// Returns true if values of a type are times of day, which have no zone.
fn is_time_of_day(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Time32(_) | DataType::Time64(_))
}

impl TimeFunction {
    pub fn new(name: &'static str, operation: Operation, zone: Arc<str>) -> Self {
        Self {
            name,
            aliases: Vec::new(),
            operation,
            zone,
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }

    /// Index of the time argument.
    pub fn time_index(&self) -> usize {
        match self.operation {
            Operation::Truncate | Operation::Bin => 1,
            _ => 0,
        }
    }

    /// Operation that the function performs.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Minimum and maximum number of arguments.
    fn argument_counts(&self) -> (usize, usize) {
        match self.operation {
            Operation::Read { .. }
            | Operation::ReadDay { .. }
            | Operation::FromUnits { .. }
            | Operation::ToUnixTime => (1, usize::MAX),
            Operation::FromUnixTime => (1, 2),
            Operation::ToLocalTime | Operation::Length => (1, 1),
            Operation::Truncate | Operation::Shift { .. } => (2, 2),
            Operation::Bin => (2, 3),
        }
    }

    /// Returns true if the function accepts a time of this type.
    fn accepts(&self, data_type: &DataType) -> bool {
        let accepts_numbers = matches!(
            self.operation,
            Operation::FromUnits { .. } | Operation::FromUnixTime | Operation::ToUnixTime
        );
        match data_type {
            DataType::Null => true,
            DataType::Interval(_) => self.operation == Operation::Length,
            _ if self.operation == Operation::Length => false,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
                self.operation != Operation::FromUnixTime
            }
            text if is_text(text) => self.operation != Operation::FromUnixTime,
            number if number.is_numeric() => {
                accepts_numbers || matches!(self.operation, Operation::ReadDay { .. })
            }
            _ => false,
        }
    }

    /// The zone of the result: the zone of the time, or else the job's zone.
    fn zone_of<'a>(&'a self, time: &'a DataType) -> &'a Arc<str> {
        match time {
            DataType::Timestamp(_, Some(zone)) => zone,
            _ => &self.zone,
        }
    }

    /// Rejects an invalid unit or width, if it is a constant.
    fn check_width(&self, data_type: &DataType, constant: Option<&ScalarValue>) -> Result<()> {
        if self.operation == Operation::Truncate {
            return match constant.and_then(|unit| unit.try_as_str().flatten()) {
                Some(unit) => Unit::parse(unit).map(drop),
                None => plan_err!("the unit of date_trunc must be a text such as 'day'"),
            };
        }
        if !is_interval(data_type) {
            return plan_err!("the width of date_bin must be an interval such as interval '1 day'");
        }
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        match constant.map(|width| width.cast_to(&interval)).transpose()? {
            Some(ScalarValue::IntervalMonthDayNano(Some(width))) => parse_width(width).map(drop),
            _ => Ok(()),
        }
    }

    fn evaluate(&self, columns: &[ArrayRef], arguments: &[ColumnarValue]) -> Result<ArrayRef> {
        let Some(time) = columns.get(self.time_index()) else {
            return internal_err!("{} has no time", self.name);
        };
        let formats = columns.get(1..).unwrap_or_default();
        let clocks = Clocks::in_zone(&self.zone)?;
        let with_zone = |moments: TimestampMicrosecondArray, zone: &Arc<str>| -> ArrayRef {
            Arc::new(moments.with_timezone(Arc::clone(zone)))
        };
        let time_zone = self.zone_of(time.data_type());
        Ok(match self.operation {
            Operation::Read { lenient } => {
                with_zone(read_moments(time, formats, &clocks, lenient)?, &self.zone)
            }
            Operation::ReadDay { lenient } => Arc::new(read_days(time, formats, &clocks, lenient)?),
            Operation::FromUnits {
                nanoseconds,
                microseconds,
            } => {
                let moments = if time.data_type().is_numeric() {
                    convert_units(time, nanoseconds)?
                } else {
                    let moments = read_moments(time, formats, &clocks, false)?;
                    moments.unary(|moment| moment.div_euclid(microseconds) * microseconds)
                };
                with_zone(moments, &self.zone)
            }
            Operation::FromUnixTime => {
                let zone = arguments.get(1).and_then(constant_text).map(Arc::from);
                with_zone(
                    convert_units(time, 1_000_000_000)?,
                    zone.as_ref().unwrap_or(&self.zone),
                )
            }
            Operation::ToUnixTime if time.data_type().is_numeric() => {
                cast_exactly(time, &DataType::Int64)?
            }
            Operation::ToUnixTime => {
                let seconds: Int64Array = read_moments(time, formats, &clocks, false)?
                    .unary(|moment| moment.div_euclid(1_000_000));
                Arc::new(seconds)
            }
            Operation::ToLocalTime => {
                let moments = read_moments(time, &[], &clocks, false)?;
                if *time_zone == self.zone {
                    return Ok(with_zone(moments, &self.zone));
                }
                let zone_clocks = Clocks::in_zone(time_zone)?;
                let moments: TimestampMicrosecondArray =
                    moments.try_unary(|moment| clocks.moment(zone_clocks.wall(moment)?))?;
                with_zone(moments, &self.zone)
            }
            Operation::Truncate => {
                let Some(unit) = arguments.first().and_then(constant_text) else {
                    return exec_err!("the unit of date_trunc must be a text such as 'day'");
                };
                let clocks = Clocks::in_zone(time_zone)?;
                let moments = read_moments(time, &[], &clocks, false)?;
                with_zone(truncate(&moments, Unit::parse(&unit)?, &clocks)?, time_zone)
            }
            Operation::Bin => {
                let clocks = Clocks::in_zone(time_zone)?;
                let moments = read_moments(time, &[], &clocks, false)?;
                let origins = columns.get(2);
                let origins = origins.map(|origins| read_moments(origins, &[], &clocks, false));
                let strides = cast_intervals(columns.first())?;
                with_zone(
                    assign_bins(
                        &moments,
                        strides.as_ref(),
                        origins.transpose()?.as_ref(),
                        &clocks,
                    )?,
                    time_zone,
                )
            }
            Operation::Length => Arc::new(lengths(cast_intervals(columns.first())?.as_ref())?),
            Operation::Shift { back } => {
                let clocks = Clocks::in_zone(time_zone)?;
                let moments = read_moments(time, &[], &clocks, false)?;
                let spans = cast_intervals(columns.get(1))?;
                with_zone(shift(&moments, spans.as_ref(), back, &clocks)?, time_zone)
            }
        })
    }
}

impl ScalarUDFImpl for TimeFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} depends on its arguments", self.name)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let fields = arguments.arg_fields;
        let (min, max) = self.argument_counts();
        let Some(time) = fields.get(self.time_index()) else {
            return plan_err!("{} takes at least {min} arguments", self.name);
        };
        if !(min..=max).contains(&fields.len()) {
            return plan_err!("{} takes at most {max} arguments", self.name);
        }
        let time = time.data_type();
        let has_width = matches!(self.operation, Operation::Truncate | Operation::Bin);
        if has_width && is_time_of_day(time) {
            return Ok(Arc::new(Field::new(self.name, time.clone(), true)));
        }
        if !self.accepts(time) {
            return plan_err!("{} does not accept values of type {time}", self.name);
        }
        if has_width && let Some(field) = fields.first() {
            let constant = arguments.scalar_arguments.first().copied().flatten();
            self.check_width(field.data_type(), constant)?;
        }
        let result = match self.operation {
            Operation::ReadDay { .. } => DataType::Date32,
            Operation::ToUnixTime => DataType::Int64,
            Operation::Length => DataType::Duration(TimeUnit::Microsecond),
            Operation::FromUnixTime if fields.len() > 1 => {
                let zone = arguments.scalar_arguments.get(1).copied().flatten();
                let Some(zone) = zone.and_then(|zone| zone.try_as_str().flatten()) else {
                    return plan_err!("the zone of from_unixtime must be a text");
                };
                Clocks::in_zone(zone)?;
                moment_type(&zone.into())
            }
            Operation::Truncate | Operation::Bin | Operation::Shift { .. } => {
                moment_type(self.zone_of(time))
            }
            _ => moment_type(&self.zone),
        };
        Ok(Arc::new(Field::new(self.name, result, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let time = arguments.args.get(self.time_index());
        if time.is_some_and(|time| is_time_of_day(&time.data_type())) {
            let engine = match self.operation {
                Operation::Bin => datetime::date_bin(),
                _ => datetime::date_trunc(),
            };
            return engine.invoke_with_args(arguments);
        }
        let is_scalar = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let is_constant = arguments.args.iter().all(is_scalar);
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let result = self.evaluate(&columns, &arguments.args)?;
        if is_constant {
            return ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Casts a column; fails if a value does not fit.
fn cast_exactly(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    Ok(cast_with_options(column, to, &options)?)
}

fn constant_text(value: &ColumnarValue) -> Option<String> {
    match value {
        ColumnarValue::Scalar(value) => value.try_as_str().flatten().map(str::to_string),
        ColumnarValue::Array(_) => None,
    }
}

/// Converts values to moments: strings are parsed, and days and wall times are local to the zone.
fn read_moments(
    column: &ArrayRef,
    formats: &[ArrayRef],
    clocks: &Clocks,
    lenient: bool,
) -> Result<TimestampMicrosecondArray> {
    let micros = |zone| DataType::Timestamp(TimeUnit::Microsecond, zone);
    match column.data_type() {
        DataType::Timestamp(_, Some(zone)) => {
            let column = cast_exactly(column, &micros(Some(Arc::clone(zone))))?;
            Ok(column.as_primitive::<TimestampMicrosecondType>().clone())
        }
        DataType::Timestamp(_, None) => {
            let column = cast_exactly(column, &micros(None))?;
            let column = column.as_primitive::<TimestampMicrosecondType>();
            column.try_unary(|wall| clocks.moment(wall))
        }
        DataType::Date32 | DataType::Date64 => {
            let column = cast_exactly(column, &DataType::Date32)?;
            // Consecutive days are often equal.
            let mut last = None;
            let start_of_day = |day: Option<i32>| -> Result<Option<i64>> {
                let Some(day) = day else { return Ok(None) };
                match last {
                    Some((last_day, moment)) if last_day == day => Ok(Some(moment)),
                    _ => {
                        let moment = clocks.moment(i64::from(day) * DAY)?;
                        last = Some((day, moment));
                        Ok(Some(moment))
                    }
                }
            };
            column
                .as_primitive::<Date32Type>()
                .iter()
                .map(start_of_day)
                .collect()
        }
        DataType::Null => Ok(TimestampMicrosecondArray::new_null(column.len())),
        _ => {
            let moments = read_texts(column, formats, lenient, |text| text.moment(clocks));
            Ok(moments?.into_iter().collect())
        }
    }
}

/// Converts values to days.
fn read_days(
    column: &ArrayRef,
    formats: &[ArrayRef],
    clocks: &Clocks,
    lenient: bool,
) -> Result<Date32Array> {
    let column = match column.data_type() {
        text if is_text(text) => {
            let days = read_texts(column, formats, lenient, |text| text.day(clocks));
            return Ok(days?.into_iter().collect());
        }
        DataType::Null => return Ok(Date32Array::new_null(column.len())),
        number if number.is_numeric() => &cast_exactly(column, &DataType::Int32)?,
        _ => column,
    };
    let column = cast_exactly(column, &DataType::Date32)?;
    Ok(column.as_primitive::<Date32Type>().clone())
}

/// Parses each string, with the first matching format if formats are given.
fn read_texts<T>(
    column: &ArrayRef,
    formats: &[ArrayRef],
    lenient: bool,
    convert: impl Fn(TimeText) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let column = cast_exactly(column, &DataType::Utf8)?;
    let column = column.as_string::<i32>();
    let formats: Vec<ArrayRef> = formats
        .iter()
        .map(|formats| cast_exactly(formats, &DataType::Utf8))
        .collect::<Result<_>>()?;
    let formats: Vec<_> = formats.iter().map(AsArray::as_string::<i32>).collect();
    let parse_row = |row: usize| -> Result<Option<T>> {
        if column.is_null(row) {
            return Ok(None);
        }
        let text = column.value(row);
        let mut row_formats = formats.iter().filter(|formats| formats.is_valid(row));
        let parsed = if formats.is_empty() {
            TimeText::parse(text)
        } else {
            row_formats.find_map(|formats| TimeText::parse_with(text, formats.value(row)))
        };
        let converted = match parsed {
            Some(parsed) => convert(parsed),
            None => exec_err!(
                "{:?} {}",
                shorten(text),
                if formats.is_empty() {
                    "cannot be read as a time; give its format: \
                     to_timestamp(text, '%d/%m/%Y %H:%M')"
                } else {
                    "does not match the given format"
                }
            ),
        };
        match converted {
            Err(_) if lenient => Ok(None),
            converted => converted.map(Some),
        }
    };
    (0..column.len()).map(parse_row).collect()
}

/// Converts counts of a unit since 1970 UTC to moments.
fn convert_units(column: &ArrayRef, nanoseconds: i64) -> Result<TimestampMicrosecondArray> {
    let is_integer = column.data_type().is_integer();
    let checked = |moment: Option<i64>| -> Result<i64> {
        let moment = moment.map(jiff::Timestamp::from_microsecond);
        match moment {
            Some(moment) => Ok(moment.map_err(out_of_range)?.as_microsecond()),
            None => exec_err!("a time is outside the years -9999 to 9999"),
        }
    };
    if is_integer {
        let column = cast_exactly(column, &DataType::Int64)?;
        let column = column.as_primitive::<Int64Type>();
        return column.try_unary(|count| {
            let micros = (i128::from(count) * i128::from(nanoseconds)).div_euclid(1000);
            checked(i64::try_from(micros).ok())
        });
    }
    let column = cast_exactly(column, &DataType::Float64)?;
    let moments = column.as_primitive::<Float64Type>().iter().map(|count| {
        let count = count.filter(|count| !count.is_nan());
        let micros = count.map(|count| (count * nanoseconds as f64 / 1000.0).round());
        // Beyond 2^63 the cast saturates, and `checked` rejects the result.
        micros
            .map(|micros| checked(Some(micros as i64)))
            .transpose()
    });
    moments.collect()
}

/// Casts a column of intervals, strings or nulls to intervals.
fn cast_intervals(column: Option<&ArrayRef>) -> Result<ArrayRef> {
    let Some(column) = column else {
        return internal_err!("there is no interval");
    };
    cast_exactly(column, &DataType::Interval(IntervalUnit::MonthDayNano))
}

/// Returns true for interval types, and for text types, whose values can be cast to intervals.
fn is_interval(data_type: &DataType) -> bool {
    let is_interval_type = matches!(
        data_type,
        DataType::Interval(_) | DataType::Duration(_) | DataType::Null
    );
    is_interval_type || is_text(data_type)
}

/// Lengths of intervals in microseconds; a day has 24 hours, a month has no length.
fn lengths(intervals: &dyn Array) -> Result<DurationMicrosecondArray> {
    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
    intervals.try_unary(|interval| {
        if interval.months != 0 {
            return exec_err!("a month has no fixed length; write days");
        }
        let days = i128::from(interval.days) * i128::from(DAY);
        let micros = days + i128::from(interval.nanoseconds).div_euclid(1000);
        i64::try_from(micros).or_else(|_| exec_err!("an interval is too long"))
    })
}

/// Adds intervals to moments: months and days by the calendar of the zone, the rest exactly.
fn shift(
    moments: &TimestampMicrosecondArray,
    intervals: &dyn Array,
    back: bool,
    clocks: &Clocks,
) -> Result<TimestampMicrosecondArray> {
    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
    let shift = |(moment, interval): (Option<i64>, Option<IntervalMonthDayNano>)| -> Result<_> {
        let (Some(moment), Some(interval)) = (moment, interval) else {
            return Ok(None);
        };
        let sign = if back { -1 } else { 1 };
        let mut moment = moment;
        if interval.months != 0 || interval.days != 0 {
            let months = Span::new().try_months(i64::from(interval.months) * sign);
            let days = Span::new().try_days(i64::from(interval.days) * sign);
            let local = civil(clocks.wall(moment)?)?
                .checked_add(months.map_err(out_of_range)?)
                .and_then(|local| local.checked_add(days?))
                .map_err(out_of_range)?;
            moment = clocks.moment(wall(local)?)?;
        }
        let nanoseconds = i128::from(interval.nanoseconds) * i128::from(sign);
        let moment = i128::from(moment) + nanoseconds.div_euclid(1000);
        match i64::try_from(moment) {
            Ok(moment) => clocks.offset(moment).map(|_| Some(moment)),
            Err(_) => exec_err!("a time is outside the years -9999 to 9999"),
        }
    };
    moments.iter().zip(intervals.iter()).map(shift).collect()
}

/// Unit of `date_trunc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A unit of at most an hour, in microseconds.
    Short(i64),
    Day,
    Week,
    /// A number of months that divides a year.
    Months(i8),
}

impl Unit {
    fn parse(unit: &str) -> Result<Self> {
        Ok(match unit.to_lowercase().as_str() {
            "microsecond" => Self::Short(1),
            "millisecond" => Self::Short(1000),
            "second" => Self::Short(1_000_000),
            "minute" => Self::Short(60_000_000),
            "hour" => Self::Short(3_600_000_000),
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Months(1),
            "quarter" => Self::Months(3),
            "year" => Self::Months(12),
            _ => {
                return exec_err!(
                    "unknown unit {:?} of date_trunc; units are year, quarter, month, week, day, \
                     hour, minute, second, millisecond and microsecond",
                    shorten(unit)
                );
            }
        })
    }
}

/// Truncates moments to the start of their units.
fn truncate(
    moments: &TimestampMicrosecondArray,
    unit: Unit,
    clocks: &Clocks,
) -> Result<TimestampMicrosecondArray> {
    let mut last = None;
    let truncate = |moment: i64| -> Result<i64> {
        let offset = clocks.offset(moment)?;
        let local = moment + offset;
        let day = local.div_euclid(DAY);
        let begin = match unit {
            Unit::Short(micros) => {
                return clocks.moment_with_offset(local.div_euclid(micros) * micros, offset);
            }
            Unit::Day => day * DAY,
            // 1970 began on a Thursday.
            Unit::Week => (day - (day + 3).rem_euclid(7)) * DAY,
            Unit::Months(months) => {
                let date = civil(local)?.date();
                let month = (date.month() - 1) / months * months + 1;
                wall(jiff::civil::date(date.year(), month, 1).at(0, 0, 0, 0))?
            }
        };
        // Consecutive moments are often on one day.
        match last {
            Some((last_begin, moment)) if last_begin == begin => Ok(moment),
            _ => {
                let moment = clocks.moment(begin)?;
                last = Some((begin, moment));
                Ok(moment)
            }
        }
    };
    try_map(moments, truncate)
}

/// The start of each moment's bin. Bins are counted in local time from their origin, by default the
/// start of 1970.
fn assign_bins(
    moments: &TimestampMicrosecondArray,
    strides: &dyn Array,
    origins: Option<&TimestampMicrosecondArray>,
    clocks: &Clocks,
) -> Result<TimestampMicrosecondArray> {
    let strides = strides.as_primitive::<IntervalMonthDayNanoType>();
    let bin = |row: usize| -> Result<Option<i64>> {
        let no_origin = origins.is_some_and(|origins| origins.is_null(row));
        if moments.is_null(row) || strides.is_null(row) || no_origin {
            return Ok(None);
        }
        let (moment, stride) = (moments.value(row), strides.value(row));
        let offset = clocks.offset(moment)?;
        let local = moment + offset;
        let origin = match origins {
            Some(origins) => clocks.wall(origins.value(row))?,
            None => 0,
        };
        let begin = match parse_width(stride)? {
            Width::Months(months) => find_month_bin(local, origin, months)?,
            Width::Micros(micros) => {
                let begin = origin + (local - origin).div_euclid(micros) * micros;
                // A bin of whole days begins once, even if its first hour is repeated.
                if micros % DAY != 0 {
                    return clocks.moment_with_offset(begin, offset).map(Some);
                }
                begin
            }
        };
        clocks.moment(begin).map(Some)
    };
    (0..moments.len()).map(bin).collect()
}

/// Width of bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Months(i64),
    Micros(i64),
}

fn parse_width(stride: IntervalMonthDayNano) -> Result<Width> {
    let micros = i64::from(stride.days).checked_mul(DAY);
    let micros = micros.and_then(|days| days.checked_add(stride.nanoseconds / 1000));
    match (stride.months, micros) {
        (_, None) => exec_err!("the width of a bin is too large"),
        (0, Some(micros @ 1..)) => Ok(Width::Micros(micros)),
        (1.., Some(0)) => Ok(Width::Months(i64::from(stride.months))),
        (1.., Some(1..)) => exec_err!("date_bin takes months, or days and hours, not both"),
        _ => exec_err!("the width of a bin must be above zero"),
    }
}

/// Finds the start of the bin of `months` months that contains a wall time, as a wall time.
fn find_month_bin(local: i64, origin: i64, months: i64) -> Result<i64> {
    let (date, first) = (civil(local)?, civil(origin)?);
    let month_number = |date: DateTime| i64::from(date.year()) * 12 + i64::from(date.month());
    let mut bin = (month_number(date) - month_number(first)).div_euclid(months);
    loop {
        let span = Span::new().try_months(bin * months);
        let begin = first.checked_add(span.map_err(out_of_range)?);
        let begin = wall(begin.map_err(out_of_range)?)?;
        if begin <= local {
            return Ok(begin);
        }
        bin -= 1;
    }
}

/// Applies a stateful function to each moment.
fn try_map(
    moments: &TimestampMicrosecondArray,
    mut convert: impl FnMut(i64) -> Result<i64>,
) -> Result<TimestampMicrosecondArray> {
    let convert_row = |moment: Option<i64>| moment.map(&mut convert).transpose();
    let converted = moments.iter().map(convert_row);
    converted.collect::<Result<_, DataFusionError>>()
}
