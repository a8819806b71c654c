//! Determines the order of rows: the query's own order, the dataset's order, or by all columns.

use super::explain::explain;
use crate::{error::SqlError, ledger};
use datafusion::{
    common::{
        Column,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    dataframe::DataFrame,
    logical_expr::{Expr, LogicalPlan},
    sql::TableReference,
};

/// Sorts by all columns if the query does not determine the order.
pub(super) fn sort_if_unordered(frame: DataFrame) -> Result<DataFrame, SqlError> {
    if has_order(frame.logical_plan()) {
        return Ok(frame);
    }
    let sortable: Vec<_> = frame
        .schema()
        .iter()
        .filter(|(_, field)| !field.data_type().is_nested())
        .map(|(table, field)| {
            Expr::Column(Column::new(table.cloned(), field.name())).sort(true, false)
        })
        .collect();
    if sortable.is_empty() {
        return Ok(frame);
    }
    frame.sort(sortable).map_err(|error| explain(&error))
}

/// Returns true if the plan determines the order of rows: it sorts at the top, or it only selects
/// rows.
fn has_order(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Limit(limit) => has_order(&limit.input),
        LogicalPlan::Projection(projection) if is_sort(&projection.input) => true,
        LogicalPlan::SubqueryAlias(alias) => has_order(&alias.input),
        other => only_selects(other),
    }
}

/// Returns true for a sort. A projection directly above it removes columns that only the sort
/// needed.
fn is_sort(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Sort(_))
}

/// Returns true if the plan only selects rows and columns of datasets.
fn only_selects(plan: &LogicalPlan) -> bool {
    let mut selects = true;
    let visited = plan.apply(|node| {
        // A view is an alias of its plan.
        let table = match node {
            LogicalPlan::TableScan(scan) => Some(&scan.table_name),
            LogicalPlan::SubqueryAlias(alias) => Some(&alias.alias),
            _ => None,
        };
        // Rows of the ledger are in the order of publication, which differs if an older window was
        // run again.
        selects &= table.and_then(TableReference::schema) != Some(ledger::SCHEMA);
        selects &= matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::TableScan(_)
                | LogicalPlan::Unnest(_)
        );
        Ok(if selects {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    visited.is_ok() && selects
}
