//! Finds errors that planning misses: constants that cannot be evaluated, and results whose type
//! differs from the planned one.

use datafusion::{
    arrow::array::RecordBatch,
    common::{
        DFSchema, plan_err,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    error::{DataFusionError, Result},
    execution::context::ExecutionProps,
    logical_expr::{Expr, LogicalPlan, Volatility},
    physical_expr::create_physical_expr,
    physical_plan::{ExecutionPlan, projection::ProjectionExec},
};
use std::sync::Arc;

/// Evaluates the constant expressions that remain after optimisation, because the optimiser leaves
/// failing expressions to the execution.
pub(super) fn check_constants(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                // A branch may never be executed.
                if matches!(expr, Expr::Case(_)) {
                    return Ok(TreeNodeRecursion::Jump);
                }
                if !is_constant(expr)? {
                    return Ok(TreeNodeRecursion::Continue);
                }
                evaluate(expr)?;
                Ok(TreeNodeRecursion::Jump)
            })
        })
    })
    .map(drop)
}

/// Returns true if an expression contains only literals and is deterministic.
fn is_constant(expr: &Expr) -> Result<bool> {
    let is_operation = |expr: &Expr| {
        matches!(
            expr,
            Expr::ScalarFunction(_) | Expr::Cast(_) | Expr::BinaryExpr(_) | Expr::Negative(_)
        )
    };
    if !is_operation(expr) {
        return Ok(false);
    }
    let depends_on_input = expr.exists(|part| {
        Ok(match part {
            Expr::ScalarFunction(function) => {
                function.func.signature().volatility != Volatility::Immutable
            }
            part => !is_operation(part) && !matches!(part, Expr::Literal(..)),
        })
    })?;
    Ok(!depends_on_input)
}

fn evaluate(expr: &Expr) -> Result<()> {
    let schema = DFSchema::empty();
    let physical = create_physical_expr(expr, &schema, &ExecutionProps::new())?;
    let options = datafusion::arrow::record_batch::RecordBatchOptions::new();
    let row = RecordBatch::try_new_with_options(
        Arc::clone(schema.inner()),
        Vec::new(),
        &options.with_row_count(Some(1)),
    )?;
    physical.evaluate(&row).map(drop)
}

/// Evaluates the columns of projections over no rows, and compares their types with the planned
/// types.
pub(super) fn check_types(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    plan.apply(|node| {
        if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
            let input = projection.input().schema();
            let rows = RecordBatch::new_empty(Arc::clone(&input));
            for column in projection.expr() {
                let planned = column.expr.data_type(&input)?;
                // Functions may fail for zero rows; only successful results are compared.
                let Ok(result) = column.expr.evaluate(&rows) else {
                    continue;
                };
                if result.data_type() != planned {
                    return plan_err!(
                        "column {} would have the type {} instead of {planned}; cast it",
                        column.alias,
                        result.data_type()
                    );
                }
            }
        }
        Ok::<_, DataFusionError>(TreeNodeRecursion::Continue)
    })
    .map(drop)
}
