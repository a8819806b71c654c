//! Exact arithmetic: integers never wrap around, and NaN is a missing value.
//!
//! The query engine computes with 64 bits and drops overflowing bits in sums and products, and the
//! minimum of 1 and NaN depends on the order of rows. Here, an overflow is an error that names the
//! expression, a sum is exact regardless of its intermediate values, and aggregates ignore NaN just
//! as they ignore null.

use super::clocks::shorten;
use datafusion::{
    arrow::{
        array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray},
        compute::kernels::numeric,
        datatypes::{DataType, Float16Type, Float32Type, Float64Type},
        error::ArrowError,
    },
    common::{
        DFSchema, ScalarValue,
        config::ConfigOptions,
        internal_err,
        tree_node::{Transformed, TreeNode},
    },
    error::{DataFusionError, Result},
    logical_expr::{
        BinaryExpr, Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator,
        ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        WindowFunctionDefinition, expr_rewriter::NamePreserver, lit, utils::merge_schema,
    },
    optimizer::AnalyzerRule,
    physical_expr_common::datum::apply,
};
use std::{any::Any, mem::take, sync::Arc};

/// Checks integer arithmetic, and removes NaN from aggregates. Applied after type coercion.
#[derive(Debug)]
pub(super) struct CheckedNumbers;

impl CheckedNumbers {
    fn rewrite_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_up(|expr| Ok(Self::rewrite(expr, &schema)))?;
            Ok(changed.update_data(|expr| name.restore(expr)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    }

    fn rewrite(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
        let kind = |expr: &Expr| expr.get_type(schema).ok();
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let integer = kind(&left).filter(DataType::is_integer);
                let same_type = integer.is_some() && integer == kind(&right);
                match Arithmetic::from_operator(op).filter(|_| same_type) {
                    Some(arithmetic) => {
                        Transformed::yes(CheckedArithmetic::call(arithmetic, *left, *right))
                    }
                    None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
                }
            }
            Expr::Negative(value) => match kind(&value).filter(DataType::is_signed_integer) {
                Some(integer) => {
                    let zero = Expr::Cast(Cast::new(Box::new(lit(0_i64)), integer));
                    Transformed::yes(CheckedArithmetic::call(Arithmetic::Minus, zero, *value))
                }
                None => Transformed::no(Expr::Negative(value)),
            },
            Expr::AggregateFunction(mut aggregate) => {
                let median = aggregate.func.name() == "median";
                let changed = drop_nan(&mut aggregate.params.args, median, schema);
                with_change(Expr::AggregateFunction(aggregate), changed)
            }
            Expr::WindowFunction(mut window) => {
                let WindowFunctionDefinition::AggregateUDF(aggregate) = &window.fun else {
                    return Transformed::no(Expr::WindowFunction(window));
                };
                let median = aggregate.name() == "median";
                let changed = drop_nan(&mut window.params.args, median, schema);
                with_change(Expr::WindowFunction(window), changed)
            }
            expr => Transformed::no(expr),
        }
    }
}

impl AnalyzerRule for CheckedNumbers {
    fn name(&self) -> &'static str {
        "checked_numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(Self::rewrite_node)
            .map(|changed| changed.data)
    }
}

/// Replaces NaN by null in the arguments of an aggregate, and casts integer arguments of `median`
/// to double, because the engine's median of 1 and 2 is 1. Returns true if an argument changed.
fn drop_nan(arguments: &mut [Expr], median: bool, schema: &DFSchema) -> bool {
    let mut changed = false;
    for argument in arguments
        .iter_mut()
        .filter(|argument| depends_on_row(argument))
    {
        match argument.get_type(schema) {
            Ok(DataType::Float16 | DataType::Float32 | DataType::Float64) => {
                *argument = ScalarUDF::from(WithoutNan::new()).call(vec![take(argument)]);
                changed = true;
            }
            Ok(integer) if median && integer.is_integer() => {
                *argument = Expr::Cast(Cast::new(Box::new(take(argument)), DataType::Float64));
                changed = true;
            }
            _ => {}
        }
    }
    changed
}

/// Returns true if a value depends on the row. Some constant arguments must stay unchanged, such as
/// the 0.95 of a percentile.
fn depends_on_row(expr: &Expr) -> bool {
    let column = |expr: &Expr| matches!(expr, Expr::Column(_) | Expr::OuterReferenceColumn(..));
    expr.exists(|expr| Ok(column(expr))).unwrap_or(true)
}

fn with_change(expr: Expr, changed: bool) -> Transformed<Expr> {
    if changed {
        Transformed::yes(expr)
    } else {
        Transformed::no(expr)
    }
}

/// An operation on integers that may overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Arithmetic {
    Plus,
    Minus,
    Times,
}

impl Arithmetic {
    fn from_operator(op: Operator) -> Option<Self> {
        match op {
            Operator::Plus => Some(Self::Plus),
            Operator::Minus => Some(Self::Minus),
            Operator::Multiply => Some(Self::Times),
            _ => None,
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Plus => '+',
            Self::Minus => '-',
            Self::Times => '*',
        }
    }
}

/// Adds, subtracts or multiplies integers of one type. The error for an overflow has the text of
/// the expression.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedArithmetic {
    arithmetic: Arithmetic,
    text: String,
    signature: Signature,
}

impl CheckedArithmetic {
    fn call(arithmetic: Arithmetic, left: Expr, right: Expr) -> Expr {
        let text = format!(
            "{} {} {}",
            describe(&left),
            arithmetic.sign(),
            describe(&right)
        );
        let checked = Self {
            arithmetic,
            text: shorten(&text),
            signature: Signature::variadic_any(Volatility::Immutable),
        };
        ScalarUDF::from(checked).call(vec![left, right])
    }
}

/// Formats an expression in SQL.
fn describe(expr: &Expr) -> String {
    if let Expr::ScalarFunction(function) = expr {
        let inner: &dyn Any = function.func.inner().as_ref();
        if let Some(checked) = inner.downcast_ref::<CheckedArithmetic>() {
            return format!("({})", checked.text);
        }
    }
    shorten(&expr.human_display().to_string())
}

impl ScalarUDFImpl for CheckedArithmetic {
    fn name(&self) -> &'static str {
        match self.arithmetic {
            Arithmetic::Plus => "checked_plus",
            Arithmetic::Minus => "checked_minus",
            Arithmetic::Times => "checked_times",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [left, _] => Ok(left.clone()),
            _ => internal_err!("arithmetic takes two numbers"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = arguments.args.as_slice() else {
            return internal_err!("arithmetic takes two numbers");
        };
        let result = match self.arithmetic {
            Arithmetic::Plus => apply(left, right, numeric::add),
            Arithmetic::Minus => apply(left, right, numeric::sub),
            Arithmetic::Times => apply(left, right, numeric::mul),
        };
        result.map_err(|error| match error.find_root() {
            DataFusionError::ArrowError(arrow, _)
                if matches!(**arrow, ArrowError::ArithmeticOverflow(_)) =>
            {
                overflow(&self.text, arguments.return_field.data_type())
            }
            _ => error,
        })
    }
}

/// The error for a result that its type cannot represent.
pub(super) fn overflow(text: &str, data_type: &DataType) -> DataFusionError {
    DataFusionError::Execution(format!(
        "{text} does not fit in a whole number of type {data_type}; cast an operand to double or \
         decimal(38, 0)"
    ))
}

/// Replaces NaN by null.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WithoutNan {
    signature: Signature,
}

impl WithoutNan {
    fn new() -> Self {
        Self {
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for WithoutNan {
    fn name(&self) -> &'static str {
        "without_nan"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [data_type] => Ok(data_type.clone()),
            _ => internal_err!("without_nan takes one number"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.into_iter().next() {
            Some(ColumnarValue::Array(values)) => Ok(ColumnarValue::Array(null_for_nan(&values))),
            Some(ColumnarValue::Scalar(value)) => {
                let values = null_for_nan(&value.to_array()?);
                ScalarValue::try_from_array(&values, 0).map(ColumnarValue::Scalar)
            }
            None => internal_err!("without_nan takes one number"),
        }
    }
}

/// A column with NaN replaced by null.
pub(super) fn null_for_nan(values: &ArrayRef) -> ArrayRef {
    fn replace<T: ArrowPrimitiveType>(values: &ArrayRef) -> ArrayRef {
        let numbers = values.as_primitive::<T>();
        let is_nan = |number: &T::Native| number.partial_cmp(number).is_none();
        if !numbers.values().iter().any(is_nan) {
            return Arc::clone(values);
        }
        let values = numbers
            .iter()
            .map(|number| number.filter(|number| !is_nan(number)));
        Arc::new(values.collect::<PrimitiveArray<T>>())
    }
    match values.data_type() {
        DataType::Float16 => replace::<Float16Type>(values),
        DataType::Float32 => replace::<Float32Type>(values),
        DataType::Float64 => replace::<Float64Type>(values),
        _ => Arc::clone(values),
    }
}
