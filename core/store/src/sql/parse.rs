//! Validates queries: they may only read datasets, and must not be nested too deeply for the
//! planner.
//!
//! The parser, the planner and the executor recurse over trees, so a deeply nested query would
//! overflow the stack and abort the program. Parsing runs on a thread with a stack for the worst
//! case within the length limit. Queries that are too deep for planning are rejected; others are
//! planned with a large stack, and the ordinary stacks of threads suffice for executing them.

use super::{TABLE_FUNCTIONS, explain::explain};
use crate::{error::SqlError, ledger};
use datafusion::{
    error::DataFusionError,
    sql::{
        TableReference,
        parser::{DFParser, Statement as Parsed},
        resolve::resolve_table_references,
        sqlparser::{
            ast::{Expr, Select, Spanned, Statement, TableFactor, Visit, Visitor},
            dialect::GenericDialect,
            parser::ParserError,
            tokenizer::{Location, Token, Tokenizer},
        },
    },
};
use std::{collections::BTreeSet, ops::ControlFlow};

/// Maximum length of a query, in bytes; much longer than any query written by hand.
const QUERY_BYTES_MAX: usize = 256 << 10;
/// Maximum nesting of expressions. A chain such as `a or b or c` nests once per operator.
const DEPTH_MAX: usize = 256;
/// Maximum number of `select`s and tables of one query, which its plan may nest.
const PARTS_MAX: usize = 100;
/// Stack for parsing a query of the maximum length that consists of operators only, in bytes.
const STACK_BYTES: usize = 512 << 20;

/// The datasets that a query reads, without names it defines itself (`with …`, aliases).
pub fn tables(sql: &str) -> Result<BTreeSet<String>, SqlError> {
    let references = with_large_stack(sql, |sql| {
        let statement = parse(sql)?;
        let resolved = resolve_table_references(&statement, true);
        resolved
            .map(|(tables, _)| tables)
            .map_err(|error| explain(&error))
    })?;
    references
        .into_iter()
        .filter(|reference| !TABLE_FUNCTIONS.contains(&reference.table()))
        .map(|reference| match reference {
            TableReference::Bare { table } => Ok(table.to_string()),
            TableReference::Partial { schema, table } if *schema == *ledger::SCHEMA => {
                Ok(format!("{schema}.{table}"))
            }
            qualified => Err(
                SqlError::new(format!("there is no table {qualified}")).help(format!(
                    "datasets have plain names: write {}",
                    qualified.table()
                )),
            ),
        })
        .collect()
}

/// Checks that a text is one query that only reads datasets and can be planned.
pub(super) fn check(sql: &str) -> Result<(), SqlError> {
    with_large_stack(sql, |sql| parse(sql).map(drop))
}

/// Applies a function to the parsed query; `None` for a text that is not a query.
pub(super) fn with_parsed<T: Send>(
    sql: &str,
    inspect: impl FnOnce(Parsed) -> Option<T> + Send,
) -> Option<T> {
    with_large_stack(sql, |sql| Ok(inspect(parse(sql)?)))
        .ok()
        .flatten()
}

/// Runs a function on a thread whose stack suffices for any query of the allowed length.
fn with_large_stack<T: Send>(
    sql: &str,
    work: impl FnOnce(&str) -> Result<T, SqlError> + Send,
) -> Result<T, SqlError> {
    if sql.len() > QUERY_BYTES_MAX {
        let message = format!(
            "the query has {} KiB, at most {} are allowed",
            sql.len() >> 10,
            QUERY_BYTES_MAX >> 10
        );
        return Err(SqlError::new(message).help("split it into several stages"));
    }
    std::thread::scope(|scope| {
        let thread = large_stack_thread()
            .spawn_scoped(scope, || work(sql))
            .map_err(thread_error)?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A thread whose stack suffices for any query.
pub(super) fn large_stack_thread() -> std::thread::Builder {
    std::thread::Builder::new()
        .name("query".to_string())
        .stack_size(STACK_BYTES)
}

/// The error if the thread of a query cannot be started.
pub(super) fn thread_error(error: std::io::Error) -> SqlError {
    SqlError::new(format!("no thread can be started for the query: {error}"))
        .help("allow the program more memory or threads")
}

/// The single query in a text.
fn parse(sql: &str) -> Result<Parsed, SqlError> {
    let mut statements = DFParser::parse_sql(sql).map_err(|error| match error.find_root() {
        DataFusionError::SQL(reason, _)
            if matches!(**reason, ParserError::RecursionLimitExceeded) =>
        {
            too_deep(deepest_bracket(sql))
        }
        _ => explain(&error),
    })?;
    let rule = "a query is one SELECT, optionally preceded by WITH";
    let (first, more) = (statements.pop_front(), statements.len());
    match first {
        None => Err(SqlError::new("the query is empty").help(rule)),
        Some(_) if more > 0 => {
            Err(SqlError::new(format!("there are {} statements", more + 1)).help(rule))
        }
        Some(Parsed::Statement(statement)) if matches!(*statement, Statement::Query(_)) => {
            let mut validator = QueryValidator::default();
            match statement.visit(&mut validator) {
                ControlFlow::Break(error) => Err(*error),
                ControlFlow::Continue(()) => Ok(Parsed::Statement(statement)),
            }
        }
        Some(other) => {
            let text = other.to_string();
            let verb = text
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_uppercase();
            Err(SqlError::new(format!("{verb} is not allowed")).help(rule))
        }
    }
}

fn too_deep(location: Option<Location>) -> SqlError {
    let message = "the query is nested too deep";
    let help = "move a part of it to another stage, or use IN (…) instead of many ORs";
    with_location(SqlError::new(message).help(help), location)
}

fn with_location(mut error: SqlError, location: Option<Location>) -> SqlError {
    if let Some(location) = location.filter(|location| location.line > 0) {
        (error.line, error.column) = (Some(location.line), Some(location.column));
    }
    error
}

/// The location of the bracket with the deepest nesting.
fn deepest_bracket(sql: &str) -> Option<Location> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let (mut depth, mut deepest) = (0_usize, None);
    for token in tokens.ok()? {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                depth += 1;
                if deepest.is_none_or(|(deepest_depth, _)| depth > deepest_depth) {
                    deepest = Some((depth, token.span.start));
                }
            }
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest.map(|(_, location)| location)
}

/// Rejects table functions that could read files, statements inside the query, and queries that are
/// too large for the planner.
#[derive(Default)]
struct QueryValidator {
    depth: usize,
    parts: usize,
}

impl QueryValidator {
    fn count_part(&mut self, location: impl FnOnce() -> Location) -> ControlFlow<Box<SqlError>> {
        self.parts += 1;
        if self.parts <= PARTS_MAX {
            return ControlFlow::Continue(());
        }
        let message = format!("the query has more than {PARTS_MAX} SELECTs and tables");
        let error = SqlError::new(message).help("move parts of it to other stages");
        ControlFlow::Break(Box::new(with_location(error, Some(location()))))
    }
}

impl Visitor for QueryValidator {
    // Boxed: the visitor is recursive, and its results are on the stack.
    type Break = Box<SqlError>;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Box<SqlError>> {
        self.depth += 1;
        if self.depth <= DEPTH_MAX {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(Box::new(too_deep(Some(expr.span().start))))
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<Box<SqlError>> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Box<SqlError>> {
        self.count_part(|| select.select_token.0.span.start)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Box<SqlError>> {
        self.count_part(|| factor.span().start)?;
        let name = match factor {
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            }
            | TableFactor::Function { name, .. } => name.to_string().to_lowercase(),
            _ => return ControlFlow::Continue(()),
        };
        if TABLE_FUNCTIONS.contains(&name.as_str()) {
            return ControlFlow::Continue(());
        }
        let help = format!(
            "tables are datasets, or one of {}",
            TABLE_FUNCTIONS.join(", ")
        );
        let message = format!("the table function {name} is not allowed");
        ControlFlow::Break(Box::new(SqlError::new(message).help(help)))
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Box<SqlError>> {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(Box::new(SqlError::new(
                "the query contains a statement other than SELECT",
            ))),
        }
    }
}
