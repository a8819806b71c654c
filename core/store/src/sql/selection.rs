//! Recognises queries that only select rows and columns of one dataset.

use super::parse;
use datafusion::sql::{
    parser::Statement as Parsed,
    sqlparser::ast::{
        Expr, GroupByExpr, Ident, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement,
        TableFactor, Visit, Visitor, WildcardAdditionalOptions,
    },
};
use std::ops::ControlFlow;

/// A query that selects rows and columns of one dataset without combining rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Name of the dataset.
    pub table: String,
    select: Box<Select>,
}

/// Returns the selection of a query; `None` if it joins, groups, limits or otherwise combines rows.
pub fn selection(sql: &str) -> Option<Selection> {
    parse::with_parsed(sql, |statement| match statement {
        Parsed::Statement(statement) => match *statement {
            Statement::Query(query) => from_query(*query),
            _ => None,
        },
        _ => None,
    })
}

fn from_query(query: Query) -> Option<Selection> {
    let is_plain = query.with.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.pipe_operators.is_empty();
    let SetExpr::Select(select) = *query.body else {
        return None;
    };
    let groups = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(by, with) => !(by.is_empty() && with.is_empty()),
    };
    let combines = groups
        || select.distinct.is_some()
        || select.top.is_some()
        || select.having.is_some()
        || select.qualify.is_some()
        || select.exclude.is_some()
        || !select.lateral_views.is_empty();
    let [from] = select.from.as_slice() else {
        return None;
    };
    let TableFactor::Table {
        name,
        args: None,
        sample: None,
        ..
    } = &from.relation
    else {
        return None;
    };
    let [ObjectNamePart::Identifier(table)] = name.0.as_slice() else {
        return None;
    };
    let table = normalized_name(table);
    (is_plain && !combines && from.joins.is_empty()).then_some(Selection { table, select })
}

impl Selection {
    /// Returns true if all rows are selected.
    pub fn is_whole(&self) -> bool {
        self.select.selection.is_none()
    }

    /// Returns the name that the column `name` has in the result; `None` if the query omits or
    /// changes the column, or filters rows by it.
    pub fn column(&self, name: &str) -> Option<String> {
        let is_filtered_by = self.select.selection.as_ref().is_some_and(|filter| {
            let mut finder = ColumnFinder(name);
            filter.visit(&mut finder).is_break()
        });
        if is_filtered_by {
            return None;
        }
        self.select.projection.iter().find_map(|item| match item {
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                selects_all(options).then(|| name.to_string())
            }
            SelectItem::UnnamedExpr(expr) => is_column(expr, name).then(|| name.to_string()),
            SelectItem::ExprWithAlias { expr, alias } => {
                is_column(expr, name).then(|| normalized_name(alias))
            }
            SelectItem::ExprWithAliases { .. } => None,
        })
    }
}

/// Returns true if a wildcard selects all columns under their own names.
fn selects_all(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none()
}

/// Returns the name of an identifier, in lowercase unless it is quoted.
fn normalized_name(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn is_column(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Identifier(ident) => normalized_name(ident) == name,
        Expr::CompoundIdentifier(parts) => parts
            .last()
            .is_some_and(|part| normalized_name(part) == name),
        _ => false,
    }
}

/// Stops at the first reference to a column.
struct ColumnFinder<'a>(&'a str);

impl Visitor for ColumnFinder<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if is_column(expr, self.0) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_combine_rows_are_not_selections() {
        let check = |sql: &str, expected: Option<(&str, &str)>| {
            let actual = selection(sql).and_then(|selection| {
                let column = selection.column("opened")?;
                Some((selection.table, column))
            });
            let expected = expected.map(|(table, column)| (table.to_string(), column.to_string()));
            assert_eq!(actual, expected, "{sql}");
        };
        check(
            "select 'all' as component, * from incidents",
            Some(("incidents", "opened")),
        );
        check(
            "select Opened, upper(service) from Incidents where minutes > 3 order by 1",
            Some(("incidents", "opened")),
        );
        check(
            "select i.opened as at, 1 as n from \"incidents\" i",
            Some(("incidents", "at")),
        );
        check("select i.* from incidents i", Some(("incidents", "opened")));
        for other in [
            "select date_trunc('day', opened) as opened, count(*) from incidents group by 1",
            "select date_trunc('day', opened) as opened from incidents",
            "select max(opened) as opened from incidents",
            "select distinct opened from incidents",
            "select opened from incidents limit 3",
            "select opened from incidents where opened < now()",
            "select opened from incidents where not (minutes > 1 and incidents.opened is null)",
            "select opened from incidents join services on true",
            "select opened from incidents, services",
            "select opened from incidents union all select opened from old",
            "with x as (select * from incidents) select * from x",
            "select opened from (select * from incidents)",
            "select * except (opened) from incidents",
            "select closed from incidents",
            "not a query",
        ] {
            check(other, None);
        }
    }
}
