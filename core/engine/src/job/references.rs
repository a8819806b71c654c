//! Replaces `${params.x}`, `${env.X}`, `${secret.X}` and `${window.start}` in strings.
//!
//! In a query each value becomes an SQL literal, quoted and escaped, so that no value can become
//! code. Secrets are not inserted: they stay references until they are used. `$${` is a literal
//! `${`.

use super::{
    document::Span,
    params::{ParamKind, Params},
};
use retrocast_domain::Window;
use retrocast_domain::suggest;
use serde_json::Value;
use std::{cell::RefCell, collections::BTreeSet};

/// The start of a reference to a secret.
pub const SECRET_OPEN: &str = "${secret.";

/// The values of references.
pub struct Values<'a> {
    /// Params by name.
    pub params: &'a Params,
    /// The window of the run.
    pub window: &'a Window,
    /// Looks up variables of the environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Names of the referenced params.
    pub used: RefCell<BTreeSet<String>>,
}

/// An invalid reference and its span in the string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceError {
    /// Byte range in the string.
    pub range: Span,
    /// The error.
    pub message: String,
    /// Advice.
    pub help: String,
}

/// A string with its references replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolution {
    /// The value: of the param's type if the string is exactly one reference to it; `Null` if it
    /// contains a param without a value.
    pub value: Value,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq)]
struct Segment {
    resolved: Span,
    original: Span,
    replaced: bool,
}

impl Resolution {
    /// Maps a byte range of the resolved string to one of the original string.
    pub fn original_range(&self, range: Span) -> Span {
        let translate = |offset: usize, is_end: bool| {
            let segment = self.segments.iter().find(|segment| {
                if is_end {
                    offset <= segment.resolved.end
                } else {
                    offset < segment.resolved.end
                }
            });
            match segment.or(self.segments.last()) {
                Some(segment) if segment.replaced && is_end => segment.original.end,
                Some(segment) if segment.replaced => segment.original.start,
                Some(segment) => {
                    let distance = offset.saturating_sub(segment.resolved.start);
                    (segment.original.start + distance).min(segment.original.end)
                }
                None => 0,
            }
        };
        translate(range.start, false)..translate(range.end, true)
    }
}

/// A part of a string with references.
enum Part<'a> {
    Text(&'a str),
    Escape,
    Reference(&'a str),
    Unclosed,
}

fn split(text: &str) -> Vec<(Span, Part<'_>)> {
    let mut parts = Vec::new();
    let mut offset = 0;
    while offset < text.len() {
        let rest = &text[offset..];
        let Some(open) = rest.find("${") else {
            parts.push((offset..text.len(), Part::Text(rest)));
            break;
        };
        let escaped = open > 0 && rest.as_bytes()[open - 1] == b'$';
        let text_end = if escaped { open - 1 } else { open };
        if text_end > 0 {
            parts.push((offset..offset + text_end, Part::Text(&rest[..text_end])));
        }
        if escaped {
            parts.push((offset + text_end..offset + open + 2, Part::Escape));
            offset += open + 2;
        } else if let Some(close) = rest[open..].find('}') {
            let span = offset + open..offset + open + close + 1;
            offset = span.end;
            parts.push((span, Part::Reference(rest[open + 2..open + close].trim())));
        } else {
            parts.push((offset + open..text.len(), Part::Unclosed));
            break;
        }
    }
    parts
}

enum Replacement {
    Value(ParamKind, Value),
    Instant(String),
    Text(String),
    Secret(String),
    Unknown,
}

impl Values<'_> {
    fn lookup(&self, body: &str) -> Result<Replacement, (String, String)> {
        let (scope, name) = body.split_once('.').unwrap_or((body, ""));
        match scope {
            "params" => {
                self.used.borrow_mut().insert(name.to_string());
                let Some(param) = self.params.get(name) else {
                    let names = self.params.keys().map(String::as_str);
                    let help = match suggest::nearest(name, names) {
                        Some(nearest) => format!("did you mean `${{params.{nearest}}}`?"),
                        None => format!("declare it: [params.{name}] with a type and a default"),
                    };
                    return Err((format!("parameter `{name}` is not declared"), help));
                };
                match &param.value {
                    Some(value) => {
                        reject_secret(value.as_str().unwrap_or_default(), body)?;
                        Ok(Replacement::Value(param.kind, value.clone()))
                    }
                    None => Ok(Replacement::Unknown),
                }
            }
            "window" => match name {
                "start" => Ok(Replacement::Instant(
                    self.window.start_instant().to_string(),
                )),
                "end" => Ok(Replacement::Instant(self.window.end_instant().to_string())),
                "label" => Ok(Replacement::Text(self.window.label())),
                _ => Err((
                    format!("a window has no `{name}`"),
                    suggest::help(name, ["start", "end", "label"], "a window has"),
                )),
            },
            "env" => match (self.environment)(name) {
                Some(value) => {
                    reject_secret(&value, body)?;
                    Ok(Replacement::Text(value))
                }
                None => Err((
                    format!("environment variable `{name}` is not set"),
                    "set it, or make it a parameter with a default".to_string(),
                )),
            },
            "secret" => match (self.environment)(name) {
                Some(_) => Ok(Replacement::Secret(name.to_string())),
                None => Err((
                    format!("the secret `{name}` is not set in the environment"),
                    format!("set the environment variable {name}"),
                )),
            },
            _ => Err((
                format!("`${{{body}}}` is not a reference"),
                "references are ${params.NAME}, ${env.NAME}, ${secret.NAME}, ${window.start}, \
                 ${window.end} and ${window.label}; write $${ for a plain ${"
                    .to_string(),
            )),
        }
    }
}

/// Rejects a value that would later be read as a reference to a secret: only the job file may
/// contain such references.
fn reject_secret(value: &str, body: &str) -> Result<(), (String, String)> {
    if !value.contains(SECRET_OPEN) {
        return Ok(());
    }
    let message = format!("the value of `{body}` contains a reference to a secret");
    Err((message, "write the reference into the job file".to_string()))
}

/// Replaces the references in a plain string.
pub fn resolve(text: &str, values: &Values<'_>) -> Result<Resolution, Vec<ReferenceError>> {
    let parts = split(text);
    if let [(range, Part::Reference(body))] = parts.as_slice() {
        let segment = |length| Segment {
            resolved: 0..length,
            original: range.clone(),
            replaced: true,
        };
        return match values.lookup(body) {
            Ok(Replacement::Value(_, value)) => {
                let length = value.as_str().map_or(0, str::len);
                Ok(Resolution {
                    value,
                    segments: vec![segment(length)],
                })
            }
            Ok(other) => Ok(match plain_text(other) {
                Some(text) => Resolution {
                    segments: vec![segment(text.len())],
                    value: text.into(),
                },
                None => Resolution {
                    value: Value::Null,
                    segments: Vec::new(),
                },
            }),
            Err((message, help)) => Err(vec![ReferenceError {
                range: range.clone(),
                message,
                help,
            }]),
        };
    }
    replace_references(&parts, values, |_, replacement| Ok(plain_text(replacement)))
}

fn plain_text(replacement: Replacement) -> Option<String> {
    match replacement {
        Replacement::Value(_, Value::String(text))
        | Replacement::Instant(text)
        | Replacement::Text(text) => Some(text),
        Replacement::Value(_, value) => Some(value.to_string()),
        Replacement::Secret(name) => Some(format!("{SECRET_OPEN}{name}}}")),
        Replacement::Unknown => None,
    }
}

/// Replaces the references in a query by SQL literals.
pub fn resolve_query(text: &str, values: &Values<'_>) -> Result<Resolution, Vec<ReferenceError>> {
    let parts = split(text);
    let mut contexts = Vec::new();
    let mut context = Context::Code;
    for (span, part) in &parts {
        contexts.push((span.start, context));
        if let Part::Text(text) = part {
            context = context.after_text(text);
        }
    }
    replace_references(&parts, values, |offset, replacement| {
        let context = contexts
            .iter()
            .find(|(start, _)| *start == offset)
            .map_or(Context::Code, |c| c.1);
        let quoted = |quotes: &str| {
            Err((
                format!("a reference inside {quotes}"),
                "its value is inserted as a quoted literal: remove the quotes, and join texts \
                 with ||"
                    .to_string(),
            ))
        };
        match context {
            Context::StringLiteral => quoted("quotes"),
            Context::QuotedName => quoted("a quoted name"),
            // Comments get no values: a line break in a value would end the comment.
            Context::LineComment | Context::BlockComment => Ok(Some("?".to_string())),
            Context::Code => sql_literal(replacement),
        }
    })
}

fn sql_literal(replacement: Replacement) -> Result<Option<String>, (String, String)> {
    let quote = |text: &str| format!("'{}'", text.replace('\'', "''"));
    Ok(Some(match replacement {
        Replacement::Value(ParamKind::Date, Value::String(date)) => {
            format!("DATE {}", quote(&date))
        }
        Replacement::Value(_, Value::String(text)) | Replacement::Text(text) => quote(&text),
        // Without parentheses `- ${params.x}` could become the start of a comment.
        Replacement::Value(_, value) if value.to_string().starts_with('-') => format!("({value})"),
        Replacement::Value(_, value) => value.to_string(),
        // With the zone, because a plain TIMESTAMP would lose the Z and be read as local time.
        // Microseconds, the precision of tables, cover every year.
        Replacement::Instant(text) => format!("TIMESTAMPTZ(6) {}", quote(&text)),
        Replacement::Secret(_) => {
            return Err((
                "a secret in a query".to_string(),
                "queries are printed in reports; secrets belong in the addresses of sources"
                    .to_string(),
            ));
        }
        // NULL keeps the query parseable. A typed NULL would not help further.
        Replacement::Unknown => "NULL".to_string(),
    }))
}

/// The context of a reference in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    Code,
    StringLiteral,
    QuotedName,
    LineComment,
    BlockComment,
}

impl Context {
    /// Returns the context after `text`.
    fn after_text(mut self, text: &str) -> Self {
        let mut chars = text.chars().peekable();
        while let Some(next) = chars.next() {
            self = match (self, next) {
                (Self::Code, '\'') => Self::StringLiteral,
                (Self::Code, '"') => Self::QuotedName,
                (Self::Code, '-') if chars.peek() == Some(&'-') => Self::LineComment,
                (Self::Code, '/') if chars.next_if_eq(&'*').is_some() => Self::BlockComment,
                (Self::StringLiteral, '\'')
                | (Self::QuotedName, '"')
                | (Self::LineComment, '\n') => Self::Code,
                (Self::BlockComment, '*') if chars.next_if_eq(&'/').is_some() => Self::Code,
                (same, _) => same,
            };
        }
        self
    }
}

fn replace_references(
    parts: &[(Span, Part<'_>)],
    values: &Values<'_>,
    mut to_text: impl FnMut(usize, Replacement) -> Result<Option<String>, (String, String)>,
) -> Result<Resolution, Vec<ReferenceError>> {
    let (mut out, mut segments, mut errors, mut is_known) =
        (String::new(), Vec::new(), Vec::new(), true);
    for (span, part) in parts {
        let start = out.len();
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Escape => out.push_str("${"),
            Part::Unclosed => errors.push(ReferenceError {
                range: span.clone(),
                message: "a reference is not closed".to_string(),
                help: "close it with }, or write $${ for a plain ${".to_string(),
            }),
            Part::Reference(body) => {
                match values
                    .lookup(body)
                    .and_then(|replacement| to_text(span.start, replacement))
                {
                    Ok(Some(text)) => out.push_str(&text),
                    Ok(None) => is_known = false,
                    Err((message, help)) => {
                        errors.push(ReferenceError {
                            range: span.clone(),
                            message,
                            help,
                        });
                    }
                }
            }
        }
        let replaced = !matches!(part, Part::Text(_));
        segments.push(Segment {
            resolved: start..out.len(),
            original: span.clone(),
            replaced,
        });
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let value = if is_known {
        Value::String(out)
    } else {
        Value::Null
    };
    Ok(Resolution { value, segments })
}

#[cfg(test)]
mod tests {
    use super::super::params::Param;
    use super::*;

    fn with_values<T>(test: impl FnOnce(&Values<'_>) -> T) -> T {
        let param = |kind, value: Value| Param {
            kind,
            value: Some(value),
        };
        let params = Params::from([
            (
                "name".to_string(),
                param(ParamKind::String, "O'Brien; drop table t --".into()),
            ),
            ("limit".to_string(), param(ParamKind::Number, (-2.5).into())),
            (
                "since".to_string(),
                param(ParamKind::Date, "2026-01-02".into()),
            ),
            (
                "open".to_string(),
                Param {
                    kind: ParamKind::String,
                    value: None,
                },
            ),
        ]);
        let window = Window::parse("2026-W13", "Europe/London").unwrap();
        let environment = |name: &str| (name == "HOME").then(|| "/srv/x".to_string());
        let used = RefCell::default();
        test(&Values {
            params: &params,
            window: &window,
            environment: &environment,
            used,
        })
    }

    fn check(text: &str, plain: impl Into<Value>, query: &str) {
        let plain = plain.into();
        with_values(|values| {
            assert_eq!(resolve(text, values).unwrap().value, plain, "{text}");
            assert_eq!(resolve_query(text, values).unwrap().value, query, "{text}");
        });
    }

    #[test]
    fn values_become_text_or_literals() {
        check(
            "x = ${params.name}",
            "x = O'Brien; drop table t --",
            "x = 'O''Brien; drop table t --'",
        );
        check("${params.limit}", -2.5, "(-2.5)");
        check("- ${params.limit}", "- -2.5", "- (-2.5)");
        check("${params.since}", "2026-01-02", "DATE '2026-01-02'");
        check("a$${b}", "a${b}", "a${b}");
        check(
            "${env.HOME}/${window.label}",
            "/srv/x/2026-W13",
            "'/srv/x'/'2026-W13'",
        );
        check(
            "a -- ${params.name}",
            "a -- O'Brien; drop table t --",
            "a -- ?",
        );
    }

    #[test]
    fn windows_begin_at_local_midnight_despite_clock_changes() {
        check(
            "${window.start}",
            "2026-03-23T00:00:00Z",
            "TIMESTAMPTZ(6) '2026-03-23T00:00:00Z'",
        );
        check(
            "${window.end}",
            "2026-03-29T23:00:00Z",
            "TIMESTAMPTZ(6) '2026-03-29T23:00:00Z'",
        );
    }

    #[test]
    fn a_value_without_known_params_is_null() {
        with_values(|values| {
            assert_eq!(
                resolve("a/${params.open}", values).unwrap().value,
                Value::Null
            );
            assert_eq!(
                resolve("${params.open}", values).unwrap().value,
                Value::Null
            );
        });
    }

    #[test]
    fn secrets_stay_references() {
        with_values(|values| {
            assert_eq!(
                resolve("u:${secret.HOME}", values).unwrap().value,
                "u:${secret.HOME}"
            );
            assert_eq!(
                resolve("${secret.HOME}", values).unwrap().value,
                "${secret.HOME}"
            );
            assert!(resolve_query("a ${secret.HOME}", values).is_err());
        });
    }

    #[test]
    fn values_cannot_contain_secrets() {
        let value = Value::from("${secret.HOME}");
        let param = Param {
            kind: ParamKind::String,
            value: Some(value),
        };
        let params = Params::from([("hostile".to_string(), param)]);
        let window = Window::parse("2026-W13", "UTC").unwrap();
        let environment = |_: &str| Some("s3cret".to_string());
        let used = RefCell::default();
        let values = Values {
            params: &params,
            window: &window,
            environment: &environment,
            used,
        };
        assert!(resolve("${params.hostile}", &values).is_err());
        assert!(resolve("a ${params.hostile}", &values).is_err());
        assert!(resolve_query("${params.hostile}", &values).is_err());
    }

    #[test]
    fn errors_have_a_position() {
        with_values(|values| {
            let error = |text: &'static str| {
                let error = resolve_query(text, values).unwrap_err().remove(0);
                (&text[error.range], error.message)
            };
            assert_eq!(error("a '${params.name}'").1, "a reference inside quotes");
            assert_eq!(error("a ${params.nmae} b").0, "${params.nmae}");
            assert_eq!(
                error("a ${nonsense} b").1,
                "`${nonsense}` is not a reference"
            );
            assert_eq!(error("a ${params.name").1, "a reference is not closed");
            assert_eq!(
                error("a ${env.NO} b").1,
                "environment variable `NO` is not set"
            );
        });
    }

    #[test]
    fn ranges_are_translated_back_to_the_original() {
        with_values(|values| {
            let text = "a = ${params.name} frm t";
            let resolved = resolve_query(text, values).unwrap();
            let query = resolved.value.as_str().unwrap();
            let start = query.find("frm").unwrap();
            assert_eq!(&text[resolved.original_range(start..start + 3)], "frm");
            let start = query.find("drop").unwrap();
            assert_eq!(
                &text[resolved.original_range(start..start + 4)],
                "${params.name}"
            );
        });
    }
}
