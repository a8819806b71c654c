//! Days compared with moments: a day begins at midnight in the job's time zone.
//!
//! Left alone, the query engine would compare both as if the clocks showed UTC, so `at >= DATE '…'`
//! would be off by the zone's distance from UTC. Its own cast from days to moments fails on days whose
//! midnight clocks skip, so a function of ours does that too.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray},
        datatypes::{DataType, Date32Type, TimeUnit},
    },
    common::{
        DFSchema, ExprSchema,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    error::{DataFusionError, Result},
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF,
        Volatility, create_udf, expr_rewriter::NamePreserver, utils::merge_schema,
    },
    optimizer::AnalyzerRule,
};
use jiff::{civil, tz::TimeZone};
use std::{mem::take, sync::Arc};

/// Turns days into moments where they are compared with moments.
#[derive(Debug)]
pub(super) struct LocalDays {
    midnight: Arc<ScalarUDF>,
}

impl LocalDays {
    pub fn new(timezone: &str) -> Self {
        Self {
            midnight: Arc::new(midnight(timezone)),
        }
    }

    fn node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let inputs = plan.inputs();
        if inputs.is_empty() {
            return Ok(Transformed::no(plan));
        }
        let schema = merge_schema(&inputs);
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_up(|expr| Ok(self.expression(expr, &schema)))?;
            Ok(changed.update_data(|expr| name.restore(expr)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    }

    fn expression(&self, mut expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
        let changed = match &mut expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
                self.compared(vec![left.as_mut(), right.as_mut()], schema)
            }
            Expr::Between(between) => {
                let (low, high) = (between.low.as_mut(), between.high.as_mut());
                self.compared(vec![between.expr.as_mut(), low, high], schema)
            }
            Expr::InList(list) => {
                let mut all = vec![list.expr.as_mut()];
                all.extend(list.list.iter_mut());
                self.compared(all, schema)
            }
            _ => false,
        };
        if changed {
            Transformed::yes(expr)
        } else {
            Transformed::no(expr)
        }
    }

    /// Makes moments of days when there are moments among the expressions.
    fn compared(&self, all: Vec<&mut Expr>, schema: &dyn ExprSchema) -> bool {
        let kind = |expr: &Expr| expr.get_type(schema).ok();
        let is_moment = |expr: &Expr| matches!(kind(expr), Some(DataType::Timestamp(_, Some(_))));
        if !all.iter().any(|expr| is_moment(expr)) {
            return false;
        }
        let mut changed = false;
        for expr in all {
            if kind(expr) == Some(DataType::Date32) {
                *expr = self.midnight.call(vec![take(expr)]);
                changed = true;
            }
        }
        changed
    }
}

impl AnalyzerRule for LocalDays {
    fn name(&self) -> &'static str {
        "local_days"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| self.node(plan))
            .map(|changed| changed.data)
    }
}

fn compares(op: Operator) -> bool {
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

/// The function from a day to the moment at which it begins in a time zone.
fn midnight(timezone: &str) -> ScalarUDF {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some(timezone.into()));
    let name: Arc<str> = timezone.into();
    let convert = move |arguments: &[ColumnarValue]| {
        let zone =
            TimeZone::get(&name).map_err(|error| DataFusionError::Execution(error.to_string()))?;
        let begin = |days: &ArrayRef| -> ArrayRef {
            let days = days.as_primitive::<Date32Type>();
            // Days mostly come in runs.
            let mut last = None;
            let moments: TimestampMicrosecondArray = days
                .iter()
                .map(|day| {
                    let day = day?;
                    match last {
                        Some((same, moment)) if same == day => moment,
                        _ => {
                            let moment = begins(day, &zone);
                            last = Some((day, moment));
                            moment
                        }
                    }
                })
                .collect();
            Arc::new(moments.with_timezone(name.clone()))
        };
        let [days] = ColumnarValue::values_to_arrays(arguments)?
            .try_into()
            .map_err(|_| DataFusionError::Internal("midnight takes one day".to_string()))?;
        let is_one = matches!(arguments, [ColumnarValue::Scalar(_)]);
        let moments = begin(&days);
        if is_one {
            let moment = datafusion::common::ScalarValue::try_from_array(&moments, 0)?;
            return Ok(ColumnarValue::Scalar(moment));
        }
        debug_assert_eq!(moments.len(), days.len());
        Ok(ColumnarValue::Array(moments))
    };
    create_udf(
        "local_midnight",
        vec![DataType::Date32],
        moment,
        Volatility::Immutable,
        Arc::new(convert),
    )
}

/// Microseconds since 1970 UTC at which a day begins; `None` beyond the years that there are.
fn begins(days: i32, zone: &TimeZone) -> Option<i64> {
    let day = civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?);
    let begin = day.ok()?.to_zoned(zone.clone()).ok()?;
    Some(begin.timestamp().as_microsecond())
}
