//! Interprets times without a zone as local time in the job's time zone.
//!
//! The query engine has two types of times, with a zone and without. Comparing them, storing them
//! and writing literals follow different rules, so the same text could mean two moments in one
//! query. This rule removes times without a zone: every expression of such a type is converted to a
//! moment in the job's zone, and so is every text or day that is compared with a moment.
//!
//! It is applied twice, before and after the engine's type coercion: to the query as written, and
//! to the casts that coercion adds.

use super::{
    clocks::Clocks,
    times::{Operation, TimeFunction, is_text, moment_type},
};
use datafusion::{
    arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit},
    catalog::cte_worktable::CteWorkTable,
    common::{
        Column, DFSchema,
        config::ConfigOptions,
        plan_err,
        tree_node::{Transformed, TreeNode},
    },
    datasource::{provider_as_source, source_as_provider},
    error::Result,
    logical_expr::{
        BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator,
        Projection, RecursiveQuery, ScalarUDF, TableScan, TryCast, expr::ScalarFunction,
        expr_rewriter::NamePreserver, utils::merge_schema,
    },
    optimizer::{AnalyzerRule, analyzer::type_coercion::TypeCoercionRewriter},
};
use std::{any::Any, mem::take, sync::Arc};

/// Functions whose arguments are coerced to one type.
const COERCING_FUNCTIONS: [&str; 7] = [
    "coalesce", "nullif", "nvl", "ifnull", "nvl2", "greatest", "least",
];

/// The stage at which the rule is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// After parsing.
    Parsed,
    /// After type coercion.
    Coerced,
}

/// Converts times without a zone to moments.
#[derive(Debug)]
pub(super) struct LocalTimes {
    zone: Arc<str>,
    stage: Stage,
}

impl LocalTimes {
    pub fn new(zone: &Arc<str>, stage: Stage) -> Self {
        Self {
            zone: Arc::clone(zone),
            stage,
        }
    }

    /// Converts a value to a moment, in a zone unless it has its own.
    fn moment(value: Expr, zone: &Arc<str>, lenient: bool) -> Expr {
        let name = if lenient { "try_moment" } else { "moment" };
        let operation = Operation::Read { lenient };
        let function = TimeFunction::new(name, operation, Arc::clone(zone));
        ScalarUDF::from(function).call(vec![value])
    }

    /// Converts a value to a moment in the job's zone.
    fn local_moment(&self, value: Expr) -> Expr {
        Self::moment(value, &self.zone, false)
    }

    fn rewrite_node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::TableScan(scan) if self.stage == Stage::Parsed => self.scan(scan),
            LogicalPlan::Values(mut values) => {
                let schema = DFSchema::empty();
                for value in values.values.iter_mut().flatten() {
                    let changed = take(value).transform_up(|expr| self.rewrite(expr, &schema))?;
                    *value = changed.data;
                }
                let values = LogicalPlanBuilder::values(values.values)?.build()?;
                Ok(Transformed::yes(values))
            }
            LogicalPlan::RecursiveQuery(query) if self.stage == Stage::Parsed => {
                retype_recursive_query(query).map(Transformed::yes)
            }
            LogicalPlan::Union(union) => {
                TypeCoercionRewriter::coerce_union(union).map(Transformed::yes)
            }
            plan => {
                let schema = merge_schema(&plan.inputs());
                let names = NamePreserver::new(&plan);
                plan.map_expressions(|expr| {
                    let name = names.save(&expr);
                    let changed = expr.transform_up(|expr| self.rewrite(expr, &schema))?;
                    Ok(changed.update_data(|expr| name.restore(expr)))
                })?
                .map_data(LogicalPlan::recompute_schema)
            }
        }
    }

    /// Converts the times without a zone of a table function.
    fn scan(&self, scan: TableScan) -> Result<Transformed<LogicalPlan>> {
        let schema = Arc::clone(&scan.projected_schema);
        let plan = LogicalPlan::TableScan(scan);
        if !schema
            .fields()
            .iter()
            .any(|field| has_no_zone(field.data_type()))
        {
            return Ok(Transformed::no(plan));
        }
        let columns = schema.iter().map(|(table, field)| {
            let column = Expr::Column(Column::new(table.cloned(), field.name()));
            if has_no_zone(field.data_type()) {
                self.local_moment(column)
                    .alias_qualified(table.cloned(), field.name())
            } else {
                column
            }
        });
        let projection = Projection::try_new(columns.collect(), Arc::new(plan))?;
        Ok(Transformed::yes(LogicalPlan::Projection(projection)))
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let kind = |expr: &Expr| expr.get_type(schema).ok();
        match expr {
            Expr::Cast(Cast { expr, field }) => Ok(self.cast(*expr, field, false, schema)?),
            Expr::TryCast(TryCast { expr, field }) => Ok(self.cast(*expr, field, true, schema)?),
            Expr::BinaryExpr(BinaryExpr {
                mut left,
                op,
                mut right,
            }) => {
                let mut changed = false;
                if self.stage == Stage::Parsed && (is_comparison(op) || op == Operator::Minus) {
                    let operands = vec![left.as_mut(), right.as_mut()];
                    changed = self.convert_to_moments(operands, is_comparison(op), schema);
                }
                let kinds = (kind(&left), kind(&right));
                let back = op == Operator::Minus;
                let is_shift = back || op == Operator::Plus;
                match kinds {
                    // The engine would consider 36 hours shorter than a day.
                    (Some(DataType::Duration(_)), Some(DataType::Interval(_)))
                        if is_comparison(op) =>
                    {
                        *right = self.interval_length(take(&mut *right));
                        changed = true;
                    }
                    (Some(DataType::Interval(_)), Some(DataType::Duration(_)))
                        if is_comparison(op) =>
                    {
                        *left = self.interval_length(take(&mut *left));
                        changed = true;
                    }
                    (Some(DataType::Timestamp(..)), Some(DataType::Interval(_))) if is_shift => {
                        return Ok(Transformed::yes(self.shift(*left, *right, back)));
                    }
                    (Some(DataType::Interval(_)), Some(DataType::Timestamp(..)))
                        if op == Operator::Plus =>
                    {
                        return Ok(Transformed::yes(self.shift(*right, *left, back)));
                    }
                    _ => {}
                }
                let expr = Expr::BinaryExpr(BinaryExpr { left, op, right });
                Ok(self.with_zone(expr, changed, schema))
            }
            Expr::Between(mut between) if self.stage == Stage::Parsed => {
                let (low, high) = (between.low.as_mut(), between.high.as_mut());
                let changed =
                    self.convert_to_moments(vec![between.expr.as_mut(), low, high], true, schema);
                Ok(with_change(Expr::Between(between), changed))
            }
            Expr::InList(mut list) if self.stage == Stage::Parsed => {
                let mut operands = vec![list.expr.as_mut()];
                operands.extend(list.list.iter_mut());
                let changed = self.convert_to_moments(operands, true, schema);
                Ok(with_change(Expr::InList(list), changed))
            }
            Expr::Case(mut case) if self.stage == Stage::Parsed => {
                let mut conditions: Vec<&mut Expr> = case.expr.as_deref_mut().into_iter().collect();
                let has_value = !conditions.is_empty();
                let mut results: Vec<&mut Expr> =
                    case.else_expr.as_deref_mut().into_iter().collect();
                for (condition, result) in &mut case.when_then_expr {
                    if has_value {
                        conditions.push(condition.as_mut());
                    }
                    results.push(result.as_mut());
                }
                let mut changed = self.convert_to_moments(conditions, true, schema);
                changed |= self.convert_to_moments(results, false, schema);
                Ok(with_change(Expr::Case(case), changed))
            }
            Expr::ScalarFunction(function) if self.stage == Stage::Parsed => {
                self.function(function, schema)
            }
            expr => Ok(Transformed::no(expr)),
        }
    }

    /// Rewrites a cast to a time or a day, in the job's zone.
    fn cast(
        &self,
        value: Expr,
        field: FieldRef,
        lenient: bool,
        schema: &DFSchema,
    ) -> Result<Transformed<Expr>> {
        let cast = |value: Expr, to: DataType| {
            let expr = Box::new(value);
            if lenient {
                Expr::TryCast(TryCast::new(expr, to))
            } else {
                Expr::Cast(Cast::new(expr, to))
            }
        };
        let unchanged = |value: Expr| {
            let expr = Box::new(value);
            Transformed::no(if lenient {
                Expr::TryCast(TryCast::new_from_field(expr, Arc::clone(&field)))
            } else {
                Expr::Cast(Cast::new_from_field(expr, Arc::clone(&field)))
            })
        };
        let Ok(from) = value.get_type(schema) else {
            return Ok(unchanged(value));
        };
        let (unit, zone) = match field.data_type() {
            DataType::Timestamp(unit, zone) => (*unit, zone.as_ref()),
            DataType::Date32 if is_text(&from) => {
                let name = if lenient { "try_day" } else { "day" };
                let operation = Operation::ReadDay { lenient };
                let day = TimeFunction::new(name, operation, Arc::clone(&self.zone));
                return Ok(Transformed::yes(ScalarUDF::from(day).call(vec![value])));
            }
            _ => return Ok(unchanged(value)),
        };
        let parsed = self.stage == Stage::Parsed;
        if let (true, Some(zone)) = (parsed, zone) {
            Clocks::in_zone(zone)?;
        }
        // Nanoseconds, the default, end in the year 2262.
        let unit = match unit {
            TimeUnit::Nanosecond if parsed => TimeUnit::Microsecond,
            unit => unit,
        };
        let to = match zone {
            Some(zone) => DataType::Timestamp(unit, Some(Arc::clone(zone))),
            None => DataType::Timestamp(unit, Some(Arc::clone(&self.zone))),
        };
        let target_zone = zone.unwrap_or(&self.zone);
        let read = |value: Expr| {
            let moment = Self::moment(value, target_zone, lenient);
            Transformed::yes(if to == moment_type(target_zone) {
                moment
            } else {
                cast(moment, to.clone())
            })
        };
        Ok(match from {
            _ if is_text(&from) => read(value),
            DataType::Date32 | DataType::Date64 if parsed || zone.is_some() => read(value),
            DataType::Timestamp(_, None) if parsed || zone.is_some() => read(value),
            DataType::Timestamp(_, Some(_)) if !parsed && zone.is_none() => {
                return plan_err!(
                    "a date is combined with a time; convert the date: cast(day as timestamp)"
                );
            }
            // A literal directly before `at time zone` is read in that zone.
            DataType::Timestamp(_, Some(ref literal_zone))
                if parsed && *literal_zone == self.zone && target_zone != literal_zone =>
            {
                match moment_argument(value) {
                    Ok(text) => read(text),
                    Err(value) => Transformed::yes(cast(value, to)),
                }
            }
            DataType::Timestamp(_, Some(_)) if parsed && to == from => Transformed::yes(value),
            DataType::Timestamp(_, Some(_)) if parsed => Transformed::yes(cast(value, to)),
            // The engine reads a number as seconds only if it has 64 bits.
            _ if parsed && from.is_numeric() => Transformed::yes(match field.data_type() {
                DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                    let seconds =
                        DataType::Timestamp(TimeUnit::Second, Some(Arc::clone(target_zone)));
                    cast(cast(cast(value, DataType::Int64), seconds), to)
                }
                _ => cast(value, to),
            }),
            DataType::Null if parsed => Transformed::yes(cast(value, to)),
            _ => unchanged(value),
        })
    }

    /// Converts text and days in the arguments of a function, and gives its result a zone.
    fn function(
        &self,
        mut function: ScalarFunction,
        schema: &DFSchema,
    ) -> Result<Transformed<Expr>> {
        let name = function.func.name().to_string();
        let mut changed = false;
        let time_index = match name.as_str() {
            "date_part" => Some(1),
            "to_char" => Some(0),
            _ => None,
        };
        if let Some(time) = time_index.and_then(|index| function.args.get_mut(index)) {
            let kind = time.get_type(schema);
            if kind.is_ok_and(|kind| is_text(&kind)) {
                *time = self.local_moment(take(time));
                changed = true;
            }
        }
        if COERCING_FUNCTIONS.contains(&name.as_str()) {
            changed |= self.convert_to_moments(function.args.iter_mut().collect(), false, schema);
        }
        let expr = Expr::ScalarFunction(function);
        if matches!(name.as_str(), "arrow_cast" | "arrow_try_cast") {
            return self.arrow_cast(expr, schema);
        }
        Ok(self.with_zone(expr, changed, schema))
    }

    /// `arrow_cast` to a time has the same meaning as `cast`.
    fn arrow_cast(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let field = expr.to_field(schema).map(|(_, field)| field);
        match (expr, field) {
            (Expr::ScalarFunction(function), Ok(field)) if is_time(field.data_type()) => {
                let lenient = function.func.name() == "arrow_try_cast";
                match function.args.into_iter().next() {
                    Some(value) => self.cast(value, field, lenient, schema),
                    None => plan_err!("arrow_cast takes a value and a type"),
                }
            }
            (expr, _) => Ok(Transformed::no(expr)),
        }
    }

    /// Gives the result of a function or of arithmetic a zone, in microseconds.
    fn with_zone(&self, expr: Expr, changed: bool, schema: &DFSchema) -> Transformed<Expr> {
        if self.stage == Stage::Coerced {
            return with_change(expr, changed);
        }
        match expr.get_type(schema) {
            Ok(DataType::Timestamp(_, None)) => Transformed::yes(self.local_moment(expr)),
            Ok(DataType::Timestamp(TimeUnit::Nanosecond, Some(zone))) => {
                Transformed::yes(Expr::Cast(Cast::new(Box::new(expr), moment_type(&zone))))
            }
            _ => with_change(expr, changed),
        }
    }

    /// A time plus or minus an interval.
    fn shift(&self, time: Expr, interval: Expr, back: bool) -> Expr {
        let name = if back { "time_minus" } else { "time_plus" };
        let shift = TimeFunction::new(name, Operation::Shift { back }, Arc::clone(&self.zone));
        ScalarUDF::from(shift).call(vec![time, interval])
    }

    /// An interval in the type of the difference of two times.
    fn interval_length(&self, interval: Expr) -> Expr {
        let length = TimeFunction::new("length_of", Operation::Length, Arc::clone(&self.zone));
        ScalarUDF::from(length).call(vec![interval])
    }

    /// Converts days to moments if any of the operands is a moment; with `include_texts`, converts
    /// text, too. Returns true if an operand changed.
    fn convert_to_moments(
        &self,
        operands: Vec<&mut Expr>,
        include_texts: bool,
        schema: &DFSchema,
    ) -> bool {
        let kind = |expr: &Expr| expr.get_type(schema).ok();
        let is_moment = |expr: &Expr| matches!(kind(expr), Some(DataType::Timestamp(..)));
        if !operands.iter().any(|expr| is_moment(expr)) {
            return false;
        }
        let mut changed = false;
        for expr in operands {
            let is_convertible = match kind(expr) {
                Some(DataType::Date32 | DataType::Date64) => true,
                Some(kind) => include_texts && is_text(&kind),
                None => false,
            };
            if is_convertible {
                *expr = self.local_moment(take(expr));
                changed = true;
            }
        }
        changed
    }
}

impl AnalyzerRule for LocalTimes {
    fn name(&self) -> &'static str {
        "local_times"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| self.rewrite_node(plan))
            .map(|changed| changed.data)
    }
}

/// Updates the recursive term of a recursive query to the new type of its first term.
fn retype_recursive_query(mut query: RecursiveQuery) -> Result<LogicalPlan> {
    let first_schema = Arc::clone(query.static_term.schema().inner());
    let term = Arc::unwrap_or_clone(query.recursive_term).transform_up(|plan| {
        let LogicalPlan::TableScan(scan) = plan else {
            return Ok(Transformed::no(plan));
        };
        let provider = source_as_provider(&scan.source)?;
        let table: &dyn Any = provider.as_ref();
        let work_table = table.downcast_ref::<CteWorkTable>();
        let Some(table) = work_table.filter(|table| table.name() == query.name) else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let fields = table.schema();
        let fields = fields.fields().iter().zip(first_schema.fields());
        let fields = fields.map(|(field, first)| {
            let field = field.as_ref().clone();
            field.with_data_type(first.data_type().clone())
        });
        let table = CteWorkTable::new(
            &query.name,
            Arc::new(Schema::new(fields.collect::<Vec<Field>>())),
        );
        let source = provider_as_source(Arc::new(table));
        let scan = TableScan::try_new(
            scan.table_name,
            source,
            scan.projection,
            scan.filters,
            scan.fetch,
        )?;
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    });
    query.recursive_term = Arc::new(term?.data);
    LogicalPlan::RecursiveQuery(query).recompute_schema()
}

/// The argument of the function that converts to moments: a text, a day or a wall time. Any other
/// expression is returned as the error.
fn moment_argument(expr: Expr) -> std::result::Result<Expr, Expr> {
    match expr {
        Expr::ScalarFunction(mut function) if converts_to_moments(&function.func) => {
            match (function.args.pop(), function.args.is_empty()) {
                (Some(value), true) => Ok(value),
                (value, _) => {
                    function.args.extend(value);
                    Err(Expr::ScalarFunction(function))
                }
            }
        }
        other => Err(other),
    }
}

/// Returns true for the function that converts to moments.
fn converts_to_moments(function: &ScalarUDF) -> bool {
    let function: &dyn Any = function.inner().as_ref();
    let function = function.downcast_ref::<TimeFunction>();
    function.is_some_and(|function| matches!(function.operation(), Operation::Read { .. }))
}

fn with_change(expr: Expr, changed: bool) -> Transformed<Expr> {
    if changed {
        Transformed::yes(expr)
    } else {
        Transformed::no(expr)
    }
}

/// Returns true if values of a type are times without a zone.
fn has_no_zone(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, None))
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}
