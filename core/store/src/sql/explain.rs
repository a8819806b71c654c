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

/// The same with the text of the query, in which an unsupported subquery is located.
pub(super) fn explain_in(error: &DataFusionError, sql: &str) -> SqlError {
    let mut out = explain(error);
    let root = error.find_root();
    let text = root.strip_backtrace();
    let (keyword, what) = match text.split_once("does not support logical expression ") {
        Some((_, rest)) if rest.starts_with("Exists") => (Some("exists"), "EXISTS"),
        Some((_, rest)) if rest.starts_with("InSubquery") => (Some("in"), "IN with a subquery"),
        Some(_) => (None, "this subquery"),
        // Columns of the outer query, which the engine could not decorrelate.
        None if is_ambiguous(root) => (None, "this subquery"),
        None => return out,
    };
    out.message = format!("{what} cannot be computed here");
    (out.line, out.column) = (None, None);
    if let Some(place) = keyword.and_then(|keyword| place_of(sql, keyword)) {
        (out.line, out.column) = (Some(place.line), Some(place.column));
    }
    out.help(
        "use it as a condition of WHERE that compares columns with =, or join the rows of the \
         subquery, grouped, with LEFT JOIN",
    )
}

/// Locates a keyword that occurs once in a query.
fn place_of(sql: &str, keyword: &str) -> Option<Location> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let mut places = tokens.ok()?.into_iter().filter(|found| {
        matches!(&found.token, Token::Word(word)
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
    });
    let place = places.next()?;
    places.next().is_none().then_some(place.span.start)
}

fn is_ambiguous(error: &DataFusionError) -> bool {
    let DataFusionError::SchemaError(error, _) = error else {
        return false;
    };
    matches!(**error, SchemaError::AmbiguousReference { .. })
}

/// The same with the names of all functions.
pub(super) fn explain_with(error: &DataFusionError, functions: &[String]) -> SqlError {
    let mut out = match error.find_root() {
        DataFusionError::SchemaError(schema, _) => explain_schema(schema),
        DataFusionError::ResourcesExhausted(reason) if reason.contains("disk") => {
            SqlError::new("the query writes more to disk than --spill allows")
                .help("read fewer rows or columns, or raise --memory or --spill")
        }
        DataFusionError::ResourcesExhausted(_) => {
            SqlError::new("the query needs more memory than it may take, which is half of --memory")
                .help("read fewer rows or columns, or raise --memory")
        }
        root => {
            let text = root.strip_backtrace();
            no_function(&text, functions).unwrap_or_else(|| SqlError::new(clean(&text)))
        }
    };
    if let Some(span) = error.diagnostic().and_then(|found| found.span) {
        (out.line, out.column) = (Some(span.start.line), Some(span.start.column));
    } else if let Some((message, line, column)) = located(&out.message) {
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
fn no_function(text: &str, functions: &[String]) -> Option<SqlError> {
    let (_, rest) = text.split_once("Invalid function '")?;
    let (name, _) = rest.split_once('\'')?;
    let error = SqlError::new(format!("there is no function {name}"));
    Some(match nearest(name, functions.iter().map(String::as_str)) {
        Some(meant) => error.help(format!("did you mean {meant}?")),
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
                (Some(same), _) => format!("capital letters count inside quotes: write \"{same}\""),
                (None, Some(meant)) => format!("did you mean {meant}?"),
                (None, None) => format!("columns are: {}", list(&names)),
            };
            SqlError::new(format!("there is no column {}", field.flat_name())).help(help)
        }
        SchemaError::AmbiguousReference { field } => {
            SqlError::new(format!("several tables have a column {}", field.name()))
                .help("write the table's name and a full stop before it")
        }
        other => SqlError::new(clean(&other.to_string())),
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

/// Removes what the engine adds around its messages.
fn clean(text: &str) -> String {
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
            .and_then(|rest| rest.strip_suffix("\")"))
        {
            text = inner;
        }
    }
    let text = text.replace("\\\"", "\"");
    text.strip_prefix("table 'datafusion.public.")
        .and_then(|rest| rest.split_once("' not found"))
        .map_or(text.clone(), |(name, _)| {
            format!("there is no dataset {name}")
        })
        .trim_end_matches('.')
        .to_string()
}

/// Splits "…at Line: 1, Column: 5" off a message.
fn located(message: &str) -> Option<(String, u64, u64)> {
    let (before, after) = message.split_once(" at Line: ")?;
    let (line, column) = after.split_once(", Column: ")?;
    let column: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some((before.to_string(), line.parse().ok()?, column.parse().ok()?))
}
