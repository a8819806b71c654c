//! Finds errors that planning misses: constants that cannot be evaluated, and results with another
//! type than planned.

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

/// Evaluates the expressions that do not depend on rows and remain after optimisation: the
/// optimiser leaves failing constants to the execution.
pub(super) fn constants(plan: &LogicalPlan) -> Result<()> {
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
                compute(expr)?;
                Ok(TreeNodeRecursion::Jump)
            })
        })
    })
    .map(drop)
}

/// Returns true if an expression is made of literals only, and is deterministic.
fn is_constant(expr: &Expr) -> Result<bool> {
    let computes = |expr: &Expr| {
        matches!(
            expr,
            Expr::ScalarFunction(_) | Expr::Cast(_) | Expr::BinaryExpr(_) | Expr::Negative(_)
        )
    };
    if !computes(expr) {
        return Ok(false);
    }
    let varies = expr.exists(|part| {
        Ok(match part {
            Expr::ScalarFunction(function) => {
                function.func.signature().volatility != Volatility::Immutable
            }
            part => !computes(part) && !matches!(part, Expr::Literal(..)),
        })
    })?;
    Ok(!varies)
}

fn compute(expr: &Expr) -> Result<()> {
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

/// Computes the columns of projections over no rows, and compares their types with the planned ones.
pub(super) fn types(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    plan.apply(|node| {
        if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
            let input = projection.input().schema();
            let rows = RecordBatch::new_empty(Arc::clone(&input));
            for column in projection.expr() {
                let planned = column.expr.data_type(&input)?;
                // Functions may fail for zero rows; only successful results are compared.
                let Ok(found) = column.expr.evaluate(&rows) else {
                    continue;
                };
                if found.data_type() != planned {
                    return plan_err!(
                        "column {} would be {} and not {planned}; cast it",
                        column.alias,
                        found.data_type()
                    );
                }
            }
        }
        Ok::<_, DataFusionError>(TreeNodeRecursion::Continue)
    })
    .map(drop)
}
