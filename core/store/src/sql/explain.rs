//! Rewords errors of the query engine for the author of the query.

use crate::error::SqlError;
use datafusion::{
    common::{Column, SchemaError},
    error::DataFusionError,
    sql::sqlparser::{
        dialect::GenericDialect,
        tokenizer::{Location, Token, Tokenizer},
    },
};
use retrocast_domain::suggest::nearest;
use std::collections::BTreeSet;

/// Rewords an error of the query engine for the author of the query.
pub(crate) fn explain(error: &DataFusionError) -> SqlError {
    explain_with(error, &[])
}

/// Rewords an error, and locates an unsupported subquery in the text of the query.
pub(super) fn explain_in(error: &DataFusionError, sql: &str) -> SqlError {
    let mut out = explain(error);
    let root = error.find_root();
    let text = root.strip_backtrace();
    let (keyword, construct) = match text.split_once("does not support logical expression ") {
        Some((_, subquery)) if subquery.starts_with("Exists") => (Some("exists"), "EXISTS"),
        Some((_, subquery)) if subquery.starts_with("InSubquery") => {
            (Some("in"), "IN with a subquery")
        }
        Some(_) => (None, "this subquery"),
        // Columns of the outer query, which the engine could not decorrelate.
        None if is_ambiguous(root) => (None, "this subquery"),
        None => return out,
    };
    out.message = format!("{construct} cannot be computed here");
    (out.line, out.column) = (None, None);
    if let Some(location) = keyword.and_then(|keyword| locate_keyword(sql, keyword)) {
        (out.line, out.column) = (Some(location.line), Some(location.column));
    }
    out.help(
        "use it as a condition of WHERE that compares columns with =, or join the rows of the \
         subquery, grouped, with LEFT JOIN",
    )
}

/// Locates a keyword that occurs once in a query.
fn locate_keyword(sql: &str, keyword: &str) -> Option<Location> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let mut matches = tokens.ok()?.into_iter().filter(|token| {
        matches!(&token.token, Token::Word(word)
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
    });
    let first = matches.next()?;
    matches.next().is_none().then_some(first.span.start)
}

fn is_ambiguous(error: &DataFusionError) -> bool {
    let DataFusionError::SchemaError(error, _) = error else {
        return false;
    };
    matches!(**error, SchemaError::AmbiguousReference { .. })
}

/// Rewords an error, given the names of all functions for suggestions.
pub(super) fn explain_with(error: &DataFusionError, functions: &[String]) -> SqlError {
    let mut out = match error.find_root() {
        DataFusionError::SchemaError(schema, _) => explain_schema(schema),
        DataFusionError::ResourcesExhausted(reason) if reason.contains("disk") => {
            SqlError::new("the query writes more to disk than --spill allows")
                .help("read fewer rows or columns, or raise --memory or --spill")
        }
        DataFusionError::ResourcesExhausted(_) => {
            SqlError::new("the query needs more memory than its limit, which is half of --memory")
                .help("read fewer rows or columns, or raise --memory")
        }
        root => {
            let text = root.strip_backtrace();
            unknown_function(&text, functions)
                .unwrap_or_else(|| SqlError::new(strip_engine_text(&text)))
        }
    };
    if let Some(span) = error.diagnostic().and_then(|diagnostic| diagnostic.span) {
        (out.line, out.column) = (Some(span.start.line), Some(span.start.column));
    } else if let Some((message, line, column)) = split_location(&out.message) {
        out = SqlError {
            message,
            line: Some(line),
            column: Some(column),
            help: out.help,
        };
    }
    out
}

/// Rewords "Invalid function 'cuont'. Did you mean 'cot'?", with a better suggestion.
fn unknown_function(text: &str, functions: &[String]) -> Option<SqlError> {
    let (_, after_prefix) = text.split_once("Invalid function '")?;
    let (name, _) = after_prefix.split_once('\'')?;
    let error = SqlError::new(format!("there is no function {name}"));
    Some(match nearest(name, functions.iter().map(String::as_str)) {
        Some(suggestion) => error.help(format!("did you mean {suggestion}?")),
        None => error,
    })
}

fn explain_schema(error: &SchemaError) -> SqlError {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => {
            let names: BTreeSet<&str> = valid_fields.iter().map(Column::name).collect();
            let same = names
                .iter()
                .find(|name| name.eq_ignore_ascii_case(field.name()));
            let help = match (same, nearest(field.name(), names.iter().copied())) {
                (Some(same), _) => format!("names without quotes are lowercase: write \"{same}\""),
                (None, Some(suggestion)) => format!("did you mean {suggestion}?"),
                (None, None) => format!("columns are: {}", list(&names)),
            };
            SqlError::new(format!("there is no column {}", field.flat_name())).help(help)
        }
        SchemaError::AmbiguousReference { field } => {
            SqlError::new(format!("several tables have a column {}", field.name()))
                .help("qualify it with the name of a table, such as tickets.id")
        }
        other => SqlError::new(strip_engine_text(&other.to_string())),
    }
}

fn list(names: &BTreeSet<&str>) -> String {
    let shown: Vec<&str> = names.iter().take(30).copied().collect();
    let more = if names.len() > shown.len() {
        ", …"
    } else {
        ""
    };
    format!("{}{more}", shown.join(", "))
}

/// Removes prefixes and quoting that the engine adds to its messages.
fn strip_engine_text(text: &str) -> String {
    let mut text = text.lines().next().unwrap_or_default().trim();
    for prefix in [
        "SQL error: ",
        "Error during planning: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Arrow error: ",
        "External error: ",
        "Schema error: ",
        "Compute error: ",
        "Cast error: ",
        "Arithmetic overflow: ",
        "Optimizer rule ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    for parser in ["ParserError(\"", "TokenizerError(\""] {
        if let Some(inner) = text
            .strip_prefix(parser)
            .and_then(|text| text.strip_suffix("\")"))
        {
            text = inner;
        }
    }
    let text = text.replace("\\\"", "\"");
    text.strip_prefix("table 'datafusion.public.")
        .and_then(|text| text.split_once("' not found"))
        .map_or(text.clone(), |(name, _)| {
            format!("there is no dataset {name}")
        })
        .trim_end_matches('.')
        .to_string()
}

/// Splits "…at Line: 1, Column: 5" off a message.
fn split_location(message: &str) -> Option<(String, u64, u64)> {
    let (before, after) = message.split_once(" at Line: ")?;
    let (line, column) = after.split_once(", Column: ")?;
    let column: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some((before.to_string(), line.parse().ok()?, column.parse().ok()?))
}
